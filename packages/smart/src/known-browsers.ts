import type { RecordStore } from '@lockstep/store';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { readCookies } from './form.ts';
import type { Clock } from './ports.ts';
import { RecordRepository } from './repository.ts';
import { digest, randomToken } from './secrets.ts';

const COOKIE = 'lockstep_known';
/** How long a browser is known after the last sign-in, s. */
const LIFE = 180 * 24 * 3600;
/** People who share a browser; who signed in there longest ago is forgotten first. */
const MAX_USERS = 20;

interface KnownBrowser {
  readonly users: readonly string[];
}

/**
 * Browsers at which people have signed in with their password before. Guesses made elsewhere do not count against them, so
 * that an attacker cannot lock the owner of a name out (CWE-645).
 */
export class KnownBrowsers {
  readonly #records: RecordRepository<KnownBrowser>;
  readonly #clock: Clock;
  readonly #secure: boolean;

  /** @param secure whether the cookie is for https only */
  constructor(store: RecordStore, clock: Clock, secure: boolean) {
    this.#records = new RecordRepository<KnownBrowser>(store, clock, 'known-browser');
    this.#clock = clock;
    this.#secure = secure;
  }

  /** The id of the request's browser, if this user has signed in there before. */
  async of(request: Pick<FastifyRequest, 'headers'>, user: string): Promise<string | undefined> {
    const cookie = cookieOf(request);
    if (cookie === undefined) return undefined;
    const id = digest(cookie);
    return (await this.#records.get(id))?.users.includes(user) ? id : undefined;
  }

  /** Notes that the user has signed in at the request's browser. */
  async note(request: Pick<FastifyRequest, 'headers'>, reply: FastifyReply, user: string): Promise<void> {
    const held = cookieOf(request);
    const before = held === undefined ? undefined : await this.#records.get(digest(held));
    // A value that is not ours may be known to somebody else.
    const cookie = held !== undefined && before ? held : randomToken();
    const users = [user, ...(before?.users ?? []).filter((one) => one !== user)].slice(0, MAX_USERS);
    await this.#records.put(digest(cookie), { users }, { expiresAt: this.#clock.now() + LIFE * 1000 });
    const secure = this.#secure ? '; Secure' : '';
    reply.header('set-cookie', `${COOKIE}=${cookie}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${LIFE}${secure}`);
  }
}

function cookieOf(request: Pick<FastifyRequest, 'headers'>): string | undefined {
  const cookie = readCookies(request.headers.cookie).get(COOKIE);
  return cookie !== undefined && /^[\w-]{43}$/.test(cookie) ? cookie : undefined;
}
