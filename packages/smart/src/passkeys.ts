import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { isObject, jsonLimitProblem } from '@lockstep/fhircast';
import type { RecordStore } from '@lockstep/store';
import type {
  AuthenticationResponseJSON,
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
  RegistrationResponseJSON,
} from '@simplewebauthn/server';
import type { AuthorizationAddresses } from './addresses.ts';
import type { Clock } from './ports.ts';
import { RecordRepository } from './repository.ts';
import { digest, randomToken } from './secrets.ts';

/** How long a person has to touch the authenticator, ms. */
const CHALLENGE_LIFE = 5 * 60_000;
/** Passkeys of one user. */
export const MOST_PASSKEYS = 10;
/** ES256, EdDSA and RS256 (COSE identifiers), best first. */
const ALGORITHMS = [-7, -8, -257];

/** A key pair of an authenticator, of which the public half is kept here. */
export interface Passkey {
  /** Base64url, given by the authenticator. */
  readonly id: string;
  /** What the person calls it. */
  readonly name: string;
  /** COSE, base64url. */
  readonly publicKey: string;
  /** How often it was used, as far as the authenticator counts; 0 where it does not. */
  readonly counter: number;
  readonly transports: readonly string[];
  /** ms since the epoch. */
  readonly createdAt: number;
  readonly lastUsedAt?: number;
}

interface PasskeysOfUser {
  readonly passkeys: readonly Passkey[];
}

interface Challenge {
  readonly user: string;
  readonly purpose: 'add' | 'sign-in';
}

/** The library takes a sixth of the server's start: it is loaded where a passkey is used. */
const library = () => import('@simplewebauthn/server');

/**
 * Passkeys as a second factor for people who sign in here with a password (W3C Web Authentication, Level 3). A challenge for signing in
 * is given only to who knew the password; it is bound to that person and counts once.
 */
export class Passkeys {
  readonly #records: RecordRepository<PasskeysOfUser>;
  readonly #challenges: RecordRepository<Challenge>;
  readonly #clock: Clock;
  readonly #origin: string;
  readonly #host: string;

  constructor(store: RecordStore, clock: Clock, addresses: Pick<AuthorizationAddresses, 'origin'>) {
    this.#records = new RecordRepository<PasskeysOfUser>(store, clock, 'passkeys');
    this.#challenges = new RecordRepository<Challenge>(store, clock, 'passkey-challenge');
    this.#clock = clock;
    this.#origin = addresses.origin;
    this.#host = new URL(addresses.origin).hostname;
  }

  /** Whether browsers make passkeys for this server: they need a name, an IP address is none. */
  get available(): boolean {
    return isIP(this.#host.replace(/^\[|\]$/g, '')) === 0;
  }

  async of(user: string): Promise<readonly Passkey[]> {
    return (await this.#records.get(user))?.passkeys ?? [];
  }

  async has(user: string): Promise<boolean> {
    return (await this.of(user)).length > 0;
  }

  /** What a browser needs to make a passkey. @returns undefined where none can be added */
  async creation(user: {
    readonly id: string;
    readonly name: string;
  }): Promise<PublicKeyCredentialCreationOptionsJSON | undefined> {
    const passkeys = await this.of(user.id);
    if (!this.available || passkeys.length >= MOST_PASSKEYS) return undefined;
    const { generateRegistrationOptions } = await library();
    const options = await generateRegistrationOptions({
      rpName: 'Lockstep',
      rpID: this.#host,
      userID: new Uint8Array(createHash('sha256').update(user.id).digest()),
      userName: user.id,
      userDisplayName: user.name,
      challenge: await this.#challenge({ user: user.id, purpose: 'add' }),
      attestationType: 'none',
      authenticatorSelection: { residentKey: 'discouraged', userVerification: 'preferred' },
      supportedAlgorithmIDs: ALGORITHMS,
      excludeCredentials: passkeys.map(({ id }) => ({ id })),
    });
    return options;
  }

  /**
   * Keeps what the browser made.
   * @param given the browser's answer, JSON
   * @returns whether it answers a challenge of this user and holds together
   */
  async add(user: string, name: string, given: string): Promise<boolean> {
    const answer = readAnswer(given);
    if (!answer || !(await this.#spend(answer.challenge, user, 'add'))) return false;
    const { verifyRegistrationResponse } = await library();
    const verified = await verifyRegistrationResponse({
      response: answer.response as unknown as RegistrationResponseJSON,
      expectedChallenge: answer.challenge,
      expectedOrigin: this.#origin,
      expectedRPID: this.#host,
      requireUserVerification: false,
      supportedAlgorithmIDs: ALGORITHMS,
    }).catch(() => undefined);
    if (!verified?.verified) return false;
    const { id, publicKey, counter, transports } = verified.registrationInfo.credential;
    const passkey: Passkey = {
      id,
      name,
      publicKey: Buffer.from(publicKey).toString('base64url'),
      counter,
      transports: [transports ?? []]
        .flat()
        .filter((one) => typeof one === 'string')
        .slice(0, 10),
      createdAt: this.#clock.now(),
    };
    const stored = await this.#records.find(user);
    const before = stored?.value.passkeys ?? [];
    if (before.length >= MOST_PASSKEYS || before.some((one) => one.id === id)) return false;
    return this.#records.put(user, { passkeys: [...before, passkey] }, { condition: stored?.revision ?? 'absent' });
  }

  /** What a browser needs to sign in; only for who has shown the password. @returns undefined for a user without passkeys */
  async request(user: string): Promise<PublicKeyCredentialRequestOptionsJSON | undefined> {
    const passkeys = await this.of(user);
    if (passkeys.length === 0) return undefined;
    const { generateAuthenticationOptions } = await library();
    return generateAuthenticationOptions({
      rpID: this.#host,
      challenge: await this.#challenge({ user, purpose: 'sign-in' }),
      userVerification: 'preferred',
      allowCredentials: passkeys.map(({ id, transports }) => ({ id, transports: [...transports] as never })),
    });
  }

  /** Whose challenge an answer brings back. Nothing is proved by it, and nothing is spent. */
  async challenged(given: string): Promise<string | undefined> {
    const answer = readAnswer(given);
    const challenge = answer && (await this.#challenges.get(digest(answer.challenge)));
    return challenge?.purpose === 'sign-in' ? challenge.user : undefined;
  }

  /**
   * Checks an answer to a challenge for signing in; the challenge is spent, whatever comes of it.
   * @param given the browser's answer, JSON
   */
  async check(user: string, given: string): Promise<boolean> {
    const answer = readAnswer(given);
    if (!answer || !(await this.#spend(answer.challenge, user, 'sign-in'))) return false;
    const stored = await this.#records.find(user);
    const passkey = stored?.value.passkeys.find(({ id }) => id === answer.response.id);
    if (!stored || !passkey) return false;
    const { verifyAuthenticationResponse } = await library();
    const verified = await verifyAuthenticationResponse({
      response: answer.response as unknown as AuthenticationResponseJSON,
      expectedChallenge: answer.challenge,
      expectedOrigin: this.#origin,
      expectedRPID: this.#host,
      requireUserVerification: false,
      // A counter that did not go up belongs to a copy of the authenticator: the library throws.
      credential: {
        id: passkey.id,
        publicKey: new Uint8Array(Buffer.from(passkey.publicKey, 'base64url')),
        counter: passkey.counter,
      },
    }).catch(() => undefined);
    if (!verified?.verified) return false;
    const used = { ...passkey, counter: verified.authenticationInfo.newCounter, lastUsedAt: this.#clock.now() };
    const passkeys = stored.value.passkeys.map((one) => (one === passkey ? used : one));
    return this.#records.put(user, { passkeys }, { condition: stored.revision });
  }

  /** @returns whether the person has such a passkey, and it was called otherwise */
  async rename(user: string, id: string, name: string): Promise<boolean> {
    const isOther = (await this.of(user)).some((one) => one.id === id && one.name !== name);
    if (!isOther) return false;
    const renamed = await this.#records.update(user, ({ passkeys }) => ({
      passkeys: passkeys.map((one) => (one.id === id ? { ...one, name } : one)),
    }));
    return renamed !== undefined;
  }

  /** @param id one passkey; all of them without it @returns the names of what was removed */
  async remove(user: string, id?: string): Promise<readonly string[]> {
    const removed = (await this.of(user)).filter((one) => id === undefined || one.id === id);
    if (id === undefined) await this.#records.delete(user);
    else await this.#records.update(user, ({ passkeys }) => ({ passkeys: passkeys.filter((one) => one.id !== id) }));
    return removed.map(({ name }) => name);
  }

  async #challenge(challenge: Challenge): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new TextEncoder().encode(randomToken());
    const id = digest(Buffer.from(bytes).toString('base64url'));
    await this.#challenges.put(id, challenge, { expiresAt: this.#clock.now() + CHALLENGE_LIFE });
    return bytes;
  }

  /** @returns true once, for the user and the purpose that the challenge was made for */
  async #spend(challenge: string, user: string, purpose: Challenge['purpose']): Promise<boolean> {
    const id = digest(challenge);
    const stored = await this.#challenges.get(id);
    if (stored?.user !== user || stored.purpose !== purpose) return false;
    return this.#challenges.delete(id);
  }
}

interface Answer {
  readonly response: Readonly<Record<string, unknown>>;
  /** Base64url, as the authenticator signed it. */
  readonly challenge: string;
}

/** Reads what a browser brings; the library checks it, and expects what is no text to be text. */
function readAnswer(given: string): Answer | undefined {
  const response = readObject(given);
  const inner = response?.response;
  if (!response || !isObject(inner)) return undefined;
  const { id, rawId, type, clientExtensionResults } = response;
  const { clientDataJSON, authenticatorData, signature, attestationObject, userHandle, transports } = inner;
  const texts = [
    id,
    rawId,
    type,
    clientDataJSON,
    ...[authenticatorData, signature, attestationObject, userHandle].filter(isGiven),
  ];
  if (!texts.every((one) => typeof one === 'string')) return undefined;
  if (isGiven(transports) && !(Array.isArray(transports) && transports.every((one) => typeof one === 'string')))
    return undefined;
  if (isGiven(clientExtensionResults) && !isObject(clientExtensionResults)) return undefined;
  const clientData = readObject(Buffer.from(clientDataJSON as string, 'base64url').toString('utf8'));
  return typeof clientData?.challenge === 'string' ? { response, challenge: clientData.challenge } : undefined;
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== null;

function readObject(text: string): Readonly<Record<string, unknown>> | undefined {
  if (jsonLimitProblem(text) !== undefined) return undefined;
  try {
    const read: unknown = JSON.parse(text);
    return isObject(read) ? read : undefined;
  } catch {
    return undefined;
  }
}
