import type { RecordStore } from '@lockstep/store';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { GuessLimit } from './guess-limit.ts';
import type { KnownBrowsers } from './known-browsers.ts';
import type { AuditEntry, Clock } from './ports.ts';
import type { SecondFactors } from './second-factors.ts';
import type { UserProfile, Users } from './users.ts';

/** Why somebody is not let in, in words for people. */
export interface PasswordRefusal {
  readonly problem: string;
  readonly status: number;
  /** The password was right; a code of the authenticator app is needed too. */
  readonly needsCode?: boolean;
}

interface Parts {
  readonly users: Users;
  readonly browsers: KnownBrowsers;
  readonly secondFactors: SecondFactors;
  readonly records: RecordStore;
  readonly clock: Clock;
  readonly audit: (entry: AuditEntry) => void;
}

/**
 * The one place where passwords and one-time codes are checked, whichever page or address they were sent to, so that every
 * guess is counted alike (CWE-307).
 */
export class PasswordDoor {
  readonly #parts: Parts;
  readonly #guesses: GuessLimit;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#guesses = new GuessLimit(parts.records, parts.clock);
  }

  /** Checks a password, and the code where the user has a second factor. */
  signIn(
    request: FastifyRequest,
    reply: FastifyReply,
    given: { readonly name: string; readonly password: string; readonly code?: string | undefined },
  ): Promise<UserProfile | PasswordRefusal> {
    const { users, secondFactors, browsers } = this.#parts;
    const name = given.name.trim().toLowerCase();
    return this.#guess(request, reply, name, async () => {
      const user = await users.checkPassword(name, given.password);
      if (!user) return { problem: 'User name or password is wrong.', status: 401 };
      if (await secondFactors.has(user.id)) {
        if (!given.code) return { problem: 'Enter the code of your authenticator app.', status: 401, needsCode: true };
        if (!(await secondFactors.check(user.id, given.code))) {
          return { problem: 'The code is wrong, or was used before.', status: 401, needsCode: true };
        }
      }
      await browsers.note(request, reply, user.id);
      return user;
    });
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
      return found ?? { problem: 'The password you have now is another.', status: 400 };
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
      return right ? user : { problem: 'The code is wrong. Wait for the next one and try again.', status: 400 };
    });
  }

  async #guess(
    request: FastifyRequest,
    reply: FastifyReply,
    name: string,
    check: () => Promise<UserProfile | PasswordRefusal>,
  ): Promise<UserProfile | PasswordRefusal> {
    const { browsers, audit } = this.#parts;
    const guesser = { name, address: request.ip, browser: await browsers.of(request, name) };
    const wait = Math.ceil((await this.#guesses.begin(guesser)) / 1000);
    if (wait > 0) {
      reply.header('retry-after', String(wait));
      return { problem: `Too many attempts. Try again in ${inWords(wait)}.`, status: 429 };
    }
    const outcome = await check();
    if ('problem' in outcome) {
      if (!outcome.needsCode) audit({ action: 'sign-in.refuse', detail: name.slice(0, 100) });
    } else await this.#guesses.succeeded(guesser);
    return outcome;
  }
}

function inWords(seconds: number): string {
  if (seconds > 90) return `${Math.ceil(seconds / 60)} minutes`;
  return seconds === 1 ? 'a second' : `${seconds} seconds`;
}
