import { randomUUID } from 'node:crypto';
import type { RecordStore } from '@lockstep/store';
import { type Client, isAsymmetric, isLaunchedWithoutSignIn, isPublic } from './client.ts';
import { type ClientProfile, type Metadata, type MetadataPolicy, readMetadata, toMetadata } from './client-metadata.ts';
import { OAuthError } from './oauth-error.ts';
import type { Clock } from './ports.ts';
import { RecordRepository } from './repository.ts';
import { usefulScope } from './scope-policy.ts';
import { digest, randomToken } from './secrets.ts';
import { WAITING_LIFE, WaitingRegistrations } from './waiting-registrations.ts';

/** How long another node's change of a registration may go unnoticed, ms. */
const FRESH_FOR = 2000;

export interface NewClient {
  readonly client: Client;
  /** Shown once (REG-1); undefined for public and asymmetric clients. */
  readonly secret?: string;
  /** Shown once; authorizes RFC 7592 requests. */
  readonly registrationToken: string;
}

/** What becomes of a client: tokens of a suspended or deleted one end at once. */
export type ClientEnd = (clientId: string, reason: string) => Promise<void>;

/**
 * What a chosen client_id may hold: no colon, at which Basic credentials are split, nothing that needs encoding; not `.` or `..`,
 * which are left out of addresses.
 */
const CLIENT_ID = /^(?!\.{1,2}$)[A-Za-z0-9._~-]{1,100}$/;

/** Most registrations that one page of the list holds. */
const PAGE = 100;

export interface ClientPage {
  readonly clients: readonly Client[];
  /** Where the next page begins: pass it as `after`. Undefined at the end of the list. */
  readonly next?: string;
}

/** How a new client is registered. A waiting one came from a stranger, whose network (`networkOf`) is given. */
export type NewClientOptions = {
  readonly trusted?: boolean;
  readonly launcher?: boolean;
  readonly id?: string;
  readonly secret?: string;
  readonly simulated?: boolean;
} & ({ readonly status: 'active' } | { readonly status: 'waiting'; readonly network: string });

/**
 * Names what a registration says, the same for every reader: an administrator approves the revision that was shown (REG-6). It
 * changes with every field that the app or an administrator can set.
 */
export function revisionOf(client: Client): string {
  const { status: _, ...metadata } = toMetadata(client);
  return digest(JSON.stringify({ ...metadata, trusted: client.trusted, launcher: client.launcher ?? false }));
}

/** The registered apps (REG-1, REG-3). */
export class Clients {
  readonly #records: RecordRepository<Client>;
  readonly #waiting: WaitingRegistrations;
  readonly #clock: Clock;
  readonly #policy: MetadataPolicy;
  readonly #end: ClientEnd;
  readonly #endLaunchedBy: (id: string) => Promise<void>;
  readonly #cache = new Map<string, { client: Client | undefined; readAt: number }>();
  /** Grows with every change, so that what was read before one does not enter the cache after it. */
  #changes = 0;
  readonly #listeners = new Set<(id: string) => void | Promise<void>>();

  /**
   * @param options.end ends the access of a client that is suspended, deleted or narrowed
   * @param options.endLaunchedBy ends what was launched by a client that is no launcher any more (LAU-1)
   */
  constructor(
    store: RecordStore,
    clock: Clock,
    options: { policy: MetadataPolicy; end: ClientEnd; endLaunchedBy: (id: string) => Promise<void> },
  ) {
    this.#clock = clock;
    this.#policy = options.policy;
    this.#end = options.end;
    this.#endLaunchedBy = options.endLaunchedBy;
    // Whether an origin is known is asked at every request of a page: one count must answer it.
    this.#records = new RecordRepository<Client>(store, clock, 'client', (client) => ({
      origin: client.status === 'active' ? client.origins : [],
    }));
    this.#waiting = new WaitingRegistrations(store, clock);
  }

  /** Reads through a cache that changes empty; without notice of a change it is two seconds old at most. */
  async get(id: string): Promise<Client | undefined> {
    const cached = this.#cache.get(id);
    if (cached && this.#clock.now() - cached.readAt < FRESH_FOR) return cached.client;
    const changes = this.#changes;
    const client = await this.#records.get(id);
    if (changes !== this.#changes) return client;
    if (this.#cache.size > 10_000) this.#cache.clear();
    if (client) this.#cache.set(id, { client, readAt: this.#clock.now() });
    else this.#cache.delete(id);
    return client;
  }

  /** Some of the registrations, in the order of their ids. @param limit at most this many, 100 without it */
  async page(options: { readonly after?: string | undefined; readonly limit?: number } = {}): Promise<ClientPage> {
    const limit = Math.min(options.limit ?? PAGE, PAGE);
    const { items, next } = await this.#records.page({ after: options.after, limit });
    return { clients: items.map(({ value }) => value), ...(next === undefined ? {} : { next }) };
  }

  /** Whether any active client registered this origin (CORS preflights name no client). */
  async knowsOrigin(origin: string): Promise<boolean> {
    return (await this.#records.countBy('origin', origin, 1)) > 0;
  }

  /**
   * Registers an app from RFC 7591 metadata.
   * @throws OAuthError when the metadata cannot be accepted; nothing is changed then
   */
  async add(metadata: Metadata, options: NewClientOptions): Promise<NewClient> {
    const profile = readMetadata(metadata, this.#policy);
    if (options.id !== undefined && !CLIENT_ID.test(options.id)) {
      const why = 'client_id: up to 100 letters, digits and . _ ~ - are allowed, and not . or .. alone';
      throw new OAuthError('invalid_client_metadata', why);
    }
    const secret = isPublic(profile) || isAsymmetric(profile) ? undefined : (options.secret ?? randomToken());
    const registrationToken = randomToken();
    const client: Client = {
      ...profile,
      id: options.id ?? randomUUID(),
      trusted: options.trusted ?? false,
      status: options.status,
      registeredAt: this.#clock.now(),
      registrationTokenDigest: digest(registrationToken),
      ...(options.launcher ? { launcher: true } : {}),
      ...(options.simulated ? { simulated: true } : {}),
      ...(secret === undefined ? {} : { secretDigest: digest(secret) }),
    };
    if (options.status === 'waiting') await this.#addWaiting(client, options.network);
    else if (!(await this.#records.put(client.id, client, { condition: 'absent' }))) throw taken();
    return { client, registrationToken, ...(secret === undefined ? {} : { secret }) };
  }

  /** Registers a client until an administrator decides, or until it expires. @throws OAuthError when too many wait */
  async #addWaiting(client: Client, network: string): Promise<void> {
    const expiresAt = this.#clock.now() + WAITING_LIFE;
    const write = this.#records.write(client.id, client, { condition: 'absent', expiresAt });
    while (!(await this.#records.putAll([await this.#waiting.place(client.id, network, expiresAt), write]))) {
      if (await this.#records.get(client.id)) throw taken();
    }
  }

  /**
   * The client as this metadata would make it; nothing is changed.
   * @throws OAuthError when the metadata cannot be accepted
   */
  edited(client: Client, metadata: Metadata): Client {
    return keepServerSide(client, readMetadata(metadata, this.#policy));
  }

  /**
   * Replaces what a registration says. What the server decided (status, trust) and the secret stay; the access the client
   * has ends when its scopes, sessions or way to authenticate change, or when it is no longer launched without a sign-in.
   * @param allow refuses by throwing; it sees the registration at the moment of the change, without scopes that are of no use
   * @returns undefined when there is no such client
   */
  async edit(
    id: string,
    metadata: Metadata,
    options: { readonly trusted?: boolean; readonly launcher?: boolean } = {},
    allow: (before: Client, after: Client) => void = () => undefined,
  ): Promise<Client | undefined> {
    const profile = readMetadata(metadata, this.#policy);
    const symmetric = !isPublic(profile) && !isAsymmetric(profile);
    let before: Client | undefined;
    const changed = await this.#change(id, (client) => {
      if (symmetric && !client.secretDigest) {
        throw new OAuthError('invalid_client_metadata', 'a client without a secret cannot become a symmetric one');
      }
      const after = decide(keepServerSide(client, profile), options);
      // Scopes that are of no use any more, and fall away now, gave nothing: that narrows and widens nothing.
      const scope = usefulScope(client.scope, client.grantTypes, this.#policy.canEverOpen);
      before = { ...client, scope };
      allow(before, after);
      return after;
    });
    const decisive = (client: ClientProfile) =>
      JSON.stringify([
        client.scope,
        client.sessionUsers,
        client.sessionWorkstations,
        client.authMethod,
        client.jwks,
        client.jwksUri,
        client.dpopBound,
      ]);
    const isNarrowed = (was: Client, is: Client) =>
      decisive(was) !== decisive(is) || (isLaunchedWithoutSignIn(was) && !isLaunchedWithoutSignIn(is));
    if (changed && before && isNarrowed(before, changed))
      await this.#end(id, 'the registration of the app has changed');
    return changed;
  }

  /** Merges RFC 7591 fields, `trusted` and `launcher` into the registration: an administrator's edit. */
  async patch(id: string, fields: Metadata): Promise<Client | undefined> {
    const before = await this.#records.get(id);
    if (!before) return undefined;
    const { trusted, launcher, ...metadata } = fields;
    for (const [name, value] of Object.entries({ trusted, launcher })) {
      if (value === undefined || typeof value === 'boolean') continue;
      throw new OAuthError('invalid_client_metadata', `${name} must be true or false`);
    }
    const decided = {
      ...(typeof trusted === 'boolean' ? { trusted } : {}),
      ...(typeof launcher === 'boolean' ? { launcher } : {}),
    };
    if (Object.keys(metadata).length === 0) return this.#change(id, (client) => decide(client, decided));
    return this.edit(id, { ...toMetadata(before), ...metadata }, decided);
  }

  /**
   * Lets a waiting client work (REG-2), or a suspended one again.
   * @param revision of the registration that was reviewed, see `revisionOf`
   * @throws OAuthError with status 409 when the registration has changed since (REG-6)
   */
  async activate(id: string, revision: string): Promise<Client | undefined> {
    const approve = (client: Client): Client => {
      if (revisionOf(client) !== revision) {
        throw new OAuthError(
          'invalid_request',
          'the registration has changed since it was shown: review it again',
          409,
        );
      }
      return { ...client, status: 'active' };
    };
    const client = await this.#change(id, approve, { keepsExpiry: false });
    if (client) await this.#waiting.leave(id);
    return client;
  }

  /** Ends the client's access until it is activated again. */
  async suspend(id: string): Promise<Client | undefined> {
    const client = await this.#change(id, (one) => ({ ...one, status: 'suspended' }));
    if (client) await this.#end(id, 'the app was suspended');
    return client;
  }

  async delete(id: string): Promise<boolean> {
    const deleted = await this.#records.delete(id);
    await this.#waiting.leave(id);
    await this.#changed(id);
    if (deleted) await this.#end(id, 'the app was deleted');
    return deleted;
  }

  /** A new secret for a symmetric client; the old one is void at once. @returns undefined for other clients */
  async rotateSecret(id: string): Promise<string | undefined> {
    const secret = randomToken();
    const client = await this.#change(id, (one) => (one.secretDigest ? { ...one, secretDigest: digest(secret) } : one));
    return client?.secretDigest ? secret : undefined;
  }

  async noteLaunch(id: string): Promise<void> {
    await this.#change(id, (client) => ({ ...client, lastLaunchAt: this.#clock.now() }));
  }

  /** Tells which registration has changed or gone. @returns ends it */
  onChanged(listener: (id: string) => void | Promise<void>): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Forgets what is cached of a client, which was changed here or by another node; without an id, of all. */
  invalidate(id?: string): void {
    this.#changes += 1;
    if (id === undefined) this.#cache.clear();
    else this.#cache.delete(id);
  }

  async #changed(id: string): Promise<void> {
    this.invalidate(id);
    await Promise.all([...this.#listeners].map((listener) => listener(id)));
  }

  async #change(
    id: string,
    change: (client: Client) => Client,
    options?: { readonly keepsExpiry: boolean },
  ): Promise<Client | undefined> {
    let wasLauncher = false;
    const remember = (client: Client): Client => {
      wasLauncher = client.launcher === true;
      return change(client);
    };
    const client = await this.#records.update(id, remember, options);
    await this.#changed(id);
    if (client && wasLauncher && !client.launcher) await this.#endLaunchedBy(id);
    return client;
  }
}

function taken(): OAuthError {
  return new OAuthError('invalid_client_metadata', 'client_id is taken', 409);
}

/** What only an administrator decides, where it is given. */
function decide(client: Client, { trusted, launcher }: { trusted?: boolean; launcher?: boolean }): Client {
  const { launcher: before, ...rest } = client;
  return {
    ...rest,
    trusted: trusted ?? client.trusted,
    ...((launcher ?? before) ? { launcher: true } : {}),
  };
}

function keepServerSide(client: Client, profile: ClientProfile): Client {
  const { id, trusted, status, registeredAt, secretDigest, registrationTokenDigest } = client;
  const { lastLaunchAt, launcher, simulated } = client;
  return {
    ...profile,
    id,
    trusted,
    status,
    registeredAt,
    ...(secretDigest && profile.authMethod.startsWith('client_secret') ? { secretDigest } : {}),
    ...(registrationTokenDigest ? { registrationTokenDigest } : {}),
    ...(lastLaunchAt ? { lastLaunchAt } : {}),
    ...(launcher ? { launcher } : {}),
    ...(simulated ? { simulated } : {}),
  };
}
