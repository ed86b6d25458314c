import type { RecordStore } from '@lockstep/store';
import type { AuthorizationAddresses } from './addresses.ts';
import { mayChoosePatient, ownPatient } from './charts.ts';
import type { Client } from './client.ts';
import type { Clients } from './clients.ts';
import { OAuthError } from './oauth-error.ts';
import type { Clock, PatientDirectory, SessionDirectory } from './ports.ts';
import { RecordRepository } from './repository.ts';
import { digest, randomToken } from './secrets.ts';
import type { UserProfile } from './users.ts';

/** How long a `launch` may be redeemed, ms (AUT-3). */
export const LAUNCH_LIFE = 5 * 60_000;

/** What a `launch` value stands for (AUT-3). */
export interface Launch {
  readonly clientId: string;
  /** The user's sign-in name. */
  readonly user: string;
  readonly patient?: string;
  readonly encounter?: string;
  readonly study?: string;
  readonly topic?: string;
  readonly intent?: string;
  readonly tenant?: string;
  readonly needPatientBanner: boolean;
  /** Whether the embedded EHR frames the app: the pages of this launch may then be framed by it (AUT-7). */
  readonly embedded: boolean;
  /** Whether the person has agreed already, so that no page asks for consent. */
  readonly consented?: boolean;
}

/** What an EHR asks for; the names of `POST /launch`. */
export interface LaunchRequest {
  readonly clientId: string;
  readonly patient?: string | undefined;
  readonly encounter?: string | undefined;
  readonly imagingStudy?: string | undefined;
  readonly topic?: string | undefined;
  readonly intent?: string | undefined;
  readonly tenant?: string | undefined;
  readonly needPatientBanner?: boolean | undefined;
  readonly embedded?: boolean | undefined;
}

/** A launch made by the server's own code, which hands over its value itself. */
export interface PreparedLaunch extends LaunchRequest {
  /** Whether the person has agreed already. */
  readonly consented?: boolean;
}

export interface LaunchAnswer {
  readonly launch_url: string;
  readonly launch: string;
  /** s. */
  readonly expires_in: number;
}

function refuse(description: string): OAuthError {
  return new OAuthError('invalid_request', description);
}

/** Makes and redeems `launch` values. */
export class Launches {
  readonly #records: RecordRepository<Launch>;
  /** Launches that an app has come with, apart from what they stand for: noting it must not undo a redemption. */
  readonly #asked: RecordRepository<object>;
  readonly #clock: Clock;
  readonly #addresses: AuthorizationAddresses;
  readonly #clients: Clients;
  readonly #patients: PatientDirectory;
  readonly #sessions: SessionDirectory;

  constructor(
    store: RecordStore,
    clock: Clock,
    parts: {
      addresses: AuthorizationAddresses;
      clients: Clients;
      patients: PatientDirectory;
      sessions: SessionDirectory;
    },
  ) {
    this.#records = new RecordRepository<Launch>(store, clock, 'launch');
    this.#asked = new RecordRepository(store, clock, 'launch-asked');
    this.#clock = clock;
    this.#addresses = parts.addresses;
    this.#clients = parts.clients;
    this.#patients = parts.patients;
    this.#sessions = parts.sessions;
  }

  /**
   * Makes a `launch` of 256 random bits, bound to user, client, patient, encounter, study and topic.
   * @param by who has chosen the patient: the person, or an EHR that knows which relative may see whom
   * @throws OAuthError invalid_request saying what does not fit together; nothing is changed then
   */
  async create(user: UserProfile, request: LaunchRequest, by: 'person' | 'ehr' = 'person'): Promise<LaunchAnswer> {
    const client = await this.#clientOf(request);
    if (!client.launchUrl) throw refuse('client_id: the app has no launch URL');
    const launch = await this.#make(user, client, request, by);
    return { launch_url: this.#launchUrl(client.launchUrl, launch), launch, expires_in: LAUNCH_LIFE / 1000 };
  }

  /**
   * Makes a `launch` for an app that need not have a launch URL: its request to be authorized is handed the value.
   * @throws OAuthError invalid_request saying what does not fit together; nothing is changed then
   */
  async prepare(user: UserProfile, request: PreparedLaunch): Promise<string> {
    return this.#make(user, await this.#clientOf(request), request, 'person');
  }

  async #clientOf({ clientId }: LaunchRequest): Promise<Client> {
    const client = await this.#clients.get(clientId);
    if (client?.status !== 'active') throw refuse('client_id: there is no such app');
    return client;
  }

  async #make(user: UserProfile, client: Client, request: PreparedLaunch, by: 'person' | 'ehr'): Promise<string> {
    await this.#checkContext(request);
    if (request.patient !== undefined && !mayOpen(user.reference, request.patient, by)) {
      throw refuse('patient: the user may not open this chart');
    }
    if (request.topic !== undefined && !(await this.#sessions.belongsTo(request.topic, user.reference))) {
      throw refuse('topic: the user has no such session');
    }
    const launch = randomToken();
    const record: Launch = {
      clientId: client.id,
      user: user.id,
      needPatientBanner: request.needPatientBanner ?? true,
      embedded: request.embedded ?? false,
      ...(request.patient ? { patient: request.patient } : {}),
      ...(request.encounter ? { encounter: request.encounter } : {}),
      ...(request.imagingStudy ? { study: request.imagingStudy } : {}),
      ...(request.topic ? { topic: request.topic } : {}),
      ...(request.intent ? { intent: request.intent } : {}),
      ...(request.tenant ? { tenant: request.tenant } : {}),
      ...(request.consented ? { consented: true } : {}),
    };
    await this.#records.put(digest(launch), record, { expiresAt: this.#clock.now() + LAUNCH_LIFE });
    await this.#clients.noteLaunch(client.id);
    return launch;
  }

  async #checkContext({ patient, encounter, imagingStudy }: LaunchRequest): Promise<void> {
    if (!patient) {
      if (encounter || imagingStudy) throw refuse('patient is missing');
      return;
    }
    if (!(await this.#patients.patient(patient))) throw refuse('patient: there is no such patient');
    if (encounter && !(await this.#patients.encounters(patient)).some(({ id }) => id === encounter)) {
      throw refuse('encounter: the patient has no such encounter');
    }
    if (imagingStudy && !(await this.#patients.hasStudy(patient, imagingStudy))) {
      throw refuse('imaging_study: the patient has no such study');
    }
  }

  #launchUrl(base: string, launch: string): string {
    const url = new URL(base);
    url.searchParams.set('iss', this.#addresses.fhir);
    url.searchParams.set('launch', launch);
    return url.href;
  }

  /** The launch while it can be redeemed by this client. */
  async find(launch: string, client: Pick<Client, 'id'>): Promise<Launch | undefined> {
    const stored = await this.#records.find(digest(launch));
    if (!stored || stored.consumedAt !== undefined || stored.value.clientId !== client.id) return undefined;
    return stored.value;
  }

  /** Notes that the app has come to the authorization endpoint with the launch. */
  async noteAsked(launch: string): Promise<void> {
    await this.#asked.put(digest(launch), {}, { expiresAt: this.#clock.now() + LAUNCH_LIFE });
  }

  /** Whether the app has come with the launch: one that never does was not reached, or is none. */
  async wasAsked(launch: string): Promise<boolean> {
    return (await this.#asked.find(digest(launch))) !== undefined;
  }

  /** @returns true for exactly one caller (AUT-3) */
  redeem(launch: string): Promise<boolean> {
    return this.#records.consume(digest(launch));
  }
}

function mayOpen(user: string, patient: string, by: 'person' | 'ehr'): boolean {
  const own = ownPatient(user);
  return own === undefined ? by === 'ehr' || mayChoosePatient(user) : own === patient;
}
