import type { RecordStore } from '@lockstep/store';
import { Secret, TOTP } from 'otpauth';
import type { Clock } from './ports.ts';
import { RecordRepository } from './repository.ts';
import { proofTimes } from './wall-time.ts';

/** RFC 6238's own values, which every authenticator app knows. */
const PERIOD = 30;
const DIGITS = 6;
const SECRET_BYTES = 20;
/** Steps that a clock may be off, either way. */
const WINDOW = 1;

interface SecondFactor {
  /** Base32. */
  readonly secret: string;
  /** Whether the person has shown that their authenticator knows the secret; without it nothing is asked at sign-in. */
  readonly confirmed: boolean;
  /** The time step of the last code that was accepted: no code counts twice (RFC 6238 section 5.2). */
  readonly lastStep: number;
}

/** What a person enters into an authenticator app. */
export interface Enrolment {
  /** Base32. */
  readonly secret: string;
  /** `otpauth://totp/…`, for apps that take an address. */
  readonly uri: string;
}

/** Time-based one-time codes as a second factor for people who sign in here with a password (RFC 6238). */
export class SecondFactors {
  readonly #records: RecordRepository<SecondFactor>;
  readonly #clock: Clock;
  readonly #issuer: string;

  /** @param issuer what authenticator apps show beside the user's name */
  constructor(store: RecordStore, clock: Clock, issuer: string) {
    this.#records = new RecordRepository<SecondFactor>(store, clock, 'second-factor');
    this.#clock = clock;
    this.#issuer = issuer;
  }

  /** Whether the user needs a code to sign in. */
  async has(user: string): Promise<boolean> {
    return (await this.#records.get(user))?.confirmed ?? false;
  }

  /** Makes a secret that counts once it is confirmed. @returns undefined when the user has a second factor already */
  async enroll(user: string): Promise<Enrolment | undefined> {
    if (await this.has(user)) return undefined;
    const secret = new Secret({ size: SECRET_BYTES }).base32;
    await this.#records.put(user, { secret, confirmed: false, lastStep: -1 });
    return { secret, uri: this.#totp(user, secret).toString() };
  }

  /** From now on the user needs a code to sign in. @returns whether the code was right */
  confirm(user: string, code: string): Promise<boolean> {
    return this.#accept(user, code, false);
  }

  /** @returns whether the code is right, and was not used before */
  check(user: string, code: string): Promise<boolean> {
    return this.#accept(user, code, true);
  }

  /** @returns whether there was one */
  remove(user: string): Promise<boolean> {
    return this.#records.delete(user);
  }

  /** Of the same code shown twice at the same moment, one counts. */
  async #accept(user: string, code: string, confirmed: boolean): Promise<boolean> {
    const token = code.replaceAll(/\s/g, '');
    const stored = await this.#records.find(user);
    if (!stored || stored.value.confirmed !== confirmed || !/^\d{6}$/.test(token)) return false;
    const { secret, lastStep } = stored.value;
    const totp = this.#totp(user, secret);
    const [step] = proofTimes(this.#clock).flatMap((timestamp) => {
      const delta = totp.validate({ token, timestamp, window: WINDOW });
      return delta === null ? [] : [Math.floor(timestamp / 1000 / PERIOD) + delta];
    });
    if (step === undefined || step <= lastStep) return false;
    const accepted = { secret, confirmed: true, lastStep: step };
    return this.#records.put(user, accepted, { condition: stored.revision });
  }

  #totp(user: string, secret: string): TOTP {
    const label = { issuer: this.#issuer, label: user };
    return new TOTP({ ...label, secret: Secret.fromBase32(secret), period: PERIOD, digits: DIGITS, algorithm: 'SHA1' });
  }
}
