import type { RecordStore } from '@lockstep/store';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { GuessLimit } from './guess-limit.ts';
import type { KnownBrowsers } from './known-browsers.ts';
import { type Said, said } from './pages/page-language.ts';
import type { Passkeys } from './passkeys.ts';
import type { AuditEntry, Clock } from './ports.ts';
import type { RecoveryCodes } from './recovery-codes.ts';
import type { SecondFactors } from './second-factors.ts';
import type { UserProfile, Users } from './users.ts';

/** Why somebody is not let in, in words for people. */
export interface PasswordRefusal {
  readonly problem: Said;
  readonly status: number;
  /** The password was right; a code of the authenticator app is needed too. */
  readonly needsCode?: boolean;
  /** The password was right; a passkey opens too. What the browser needs to ask for it. */
  readonly passkey?: object;
  /** Whether nothing was wrong: only more is needed. */
  readonly isStep?: boolean;
}

interface Parts {
  readonly users: Users;
  readonly browsers: KnownBrowsers;
  readonly secondFactors: SecondFactors;
  readonly passkeys: Passkeys;
  readonly recoveryCodes: RecoveryCodes;
  readonly records: RecordStore;
  readonly clock: Clock;
  readonly audit: (entry: AuditEntry) => void;
}

const NOT_ACCEPTED: PasswordRefusal = {
  problem: said('The passkey was not accepted. Sign in with your password again.'),
  status: 401,
};

/**
 * The one place where passwords, one-time codes and passkeys are checked, whichever page or address they were sent to, so that every
 * guess is counted alike (CWE-307).
 */
export class PasswordDoor {
  readonly #parts: Parts;
  readonly #guesses: GuessLimit;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#guesses = new GuessLimit(parts.records, parts.clock);
  }

  /** Checks a password, and the code where the user has a second factor. A passkey is shown afterwards: `signInWithPasskey`. */
  signIn(
    request: FastifyRequest,
    reply: FastifyReply,
    given: { readonly name: string; readonly password: string; readonly code?: string | undefined },
  ): Promise<UserProfile | PasswordRefusal> {
    const { users, secondFactors, passkeys } = this.#parts;
    const name = given.name.trim().toLowerCase();
    return this.#guess(request, reply, name, async () => {
      const user = await users.checkPassword(name, given.password);
      if (!user) return { problem: said('User name or password is wrong.'), status: 401 };
      const needsCode = await secondFactors.has(user.id);
      if (!needsCode && !(await passkeys.has(user.id))) return this.#let(request, reply, user);
      const isRight = needsCode && given.code !== undefined && (await secondFactors.check(user.id, given.code));
      if (isRight || (await this.#isRecovery(user, given.code))) return this.#let(request, reply, user);
      const passkey = await passkeys.request(user.id);
      const wanted = needsCode ? 'Enter the code of your authenticator app.' : 'Show your passkey.';
      return {
        problem: said(given.code ? 'The code is wrong, or was used before.' : wanted),
        status: 401,
        needsCode,
        isStep: !given.code,
        ...(passkey && { passkey }),
      };
    });
  }

  /** Signs in a person whose password was right a moment ago: only they have the challenge that the passkey answers. */
  async signInWithPasskey(
    request: FastifyRequest,
    reply: FastifyReply,
    answer: string,
  ): Promise<UserProfile | PasswordRefusal> {
    const { users, passkeys } = this.#parts;
    const id = await passkeys.challenged(answer);
    // Without a challenge of ours nothing is guessed at: it costs its sender alone.
    if (id === undefined) return this.#guess(request, reply, '', async () => NOT_ACCEPTED, true);
    return this.#guess(request, reply, id, async () => {
      const isRight = await passkeys.check(id, answer);
      const user = isRight ? await users.get(id) : undefined;
      if (user?.status !== 'active') {
        return NOT_ACCEPTED;
      }
      return this.#let(request, reply, user);
    });
  }

  async #isRecovery({ id }: UserProfile, code: string | undefined): Promise<boolean> {
    const { recoveryCodes, audit } = this.#parts;
    if (code === undefined || !(await recoveryCodes.use(id, code))) return false;
    audit({ action: 'recovery-code.use', user: id, detail: `${await recoveryCodes.left(id)} left` });
    return true;
  }

  async #let(request: FastifyRequest, reply: FastifyReply, user: UserProfile): Promise<UserProfile> {
    await this.#parts.browsers.note(request, reply, user.id);
    return user;
  }

  /** Checks the password of somebody who is signed in already. */
  confirm(
    request: FastifyRequest,
    reply: FastifyReply,
    user: Pick<UserProfile, 'id'>,
    password: string,
  ): Promise<UserProfile | PasswordRefusal> {
    return this.#guess(request, reply, user.id, async () => {
      const found = await this.#parts.users.checkPassword(user.id, password);
      return found ?? { problem: said('The password you have now is another.'), status: 400 };
    });
  }

  /** Checks the code of somebody who sets up a second factor. */
  confirmCode(
    request: FastifyRequest,
    reply: FastifyReply,
    user: UserProfile,
    code: string,
  ): Promise<UserProfile | PasswordRefusal> {
    return this.#guess(request, reply, user.id, async () => {
      const right = await this.#parts.secondFactors.confirm(user.id, code);
      return right ? user : { problem: said('The code is wrong. Wait for the next one and try again.'), status: 400 };
    });
  }

  /** Keeps the passkey of somebody who has shown the password and was given a challenge for it. */
  addPasskey(
    request: FastifyRequest,
    reply: FastifyReply,
    user: UserProfile,
    name: string,
    answer: string,
  ): Promise<UserProfile | PasswordRefusal> {
    return this.#guess(request, reply, user.id, async () => {
      const isKept = await this.#parts.passkeys.add(user.id, name, answer);
      return isKept ? user : { problem: said('The passkey was not accepted. Try again.'), status: 400 };
    });
  }

  async #guess(
    request: FastifyRequest,
    reply: FastifyReply,
    name: string,
    check: () => Promise<UserProfile | PasswordRefusal>,
    isJunk = false,
  ): Promise<UserProfile | PasswordRefusal> {
    const { browsers, audit } = this.#parts;
    const guesser = { name, address: request.ip, browser: await browsers.of(request, name), isJunk };
    const wait = Math.ceil((await this.#guesses.begin(guesser)) / 1000);
    if (wait > 0) {
      reply.header('retry-after', String(wait));
      return { problem: tooMany(wait), status: 429 };
    }
    const outcome = await check();
    if ('problem' in outcome) {
      if (outcome.isStep) await this.#guesses.begun(guesser);
      else audit({ action: 'sign-in.refuse', detail: name.slice(0, 100) });
    } else await this.#guesses.succeeded(guesser);
    return outcome;
  }
}

/** @param wait s */
function tooMany(wait: number): Said {
  if (wait > 90) return said('Too many attempts. Try again in {} minutes.', Math.ceil(wait / 60));
  if (wait === 1) return said('Too many attempts. Try again in a second.');
  return said('Too many attempts. Try again in {} seconds.', wait);
}
