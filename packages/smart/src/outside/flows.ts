import type { RecordStore } from '@lockstep/store';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { PageError } from '../browser.ts';
import { readCookies } from '../form.ts';
import type { Clock } from '../ports.ts';
import { RecordRepository } from '../repository.ts';
import { digest, randomToken, sameSecret } from '../secrets.ts';
import type { SignInBinding } from './provider.ts';

/** How long a person may take at the outside provider, ms. */
const FLOW_LIFE = 15 * 60_000;

/** Where the provider sends browsers back to. */
export const CALLBACK = '/auth/outside/callback';

interface FlowRecord {
  readonly nonce: string;
  readonly verifier: string;
  /** Digest of the cookie of the browser that began. */
  readonly browser: string;
  /** The page of ours to go on with. */
  readonly next: string;
  readonly workstation?: string;
}

/** A sign-in that has gone to the outside provider and come back. */
export interface Returned {
  readonly checks: SignInBinding;
  readonly next: string;
  readonly workstation: string | undefined;
}

/**
 * Sign-ins under way at the outside provider. Each is bound to the browser that began it by a cookie of its own, so that
 * no one can be signed in with an answer made for another browser (login CSRF, CWE-352), and comes back once.
 */
export class OutsideFlows {
  readonly #records: RecordRepository<FlowRecord>;
  readonly #clock: Clock;
  readonly #secure: string;

  constructor(store: RecordStore, clock: Clock, secure: boolean) {
    this.#records = new RecordRepository(store, clock, 'outside-sign-in');
    this.#clock = clock;
    this.#secure = secure ? '; Secure' : '';
  }

  /** Begins one with values of `newChecks`. @param next a path of ours (`Browser.ownPath`) */
  async begin(
    reply: FastifyReply,
    checks: SignInBinding,
    next: string,
    workstation: string | undefined,
  ): Promise<void> {
    const { state, nonce, verifier } = checks;
    const browser = randomToken();
    const id = digest(state);
    const record = { nonce, verifier, browser: digest(browser), next, ...(workstation && { workstation }) };
    await this.#records.put(id, record, { expiresAt: this.#clock.now() + FLOW_LIFE });
    reply.header('set-cookie', this.#cookie(id, browser, FLOW_LIFE / 1000));
  }

  /** The one that a browser comes back with; it cannot come back again. @throws PageError */
  async end(request: FastifyRequest, reply: FastifyReply, state: string | null): Promise<Returned> {
    const id = digest(state ?? '');
    const record = state ? await this.#records.get(id) : undefined;
    if (!state || !record) throw new PageError('session_expired', 'This sign-in has expired or is over. Start again.');
    const cookie = readCookies(request.headers.cookie).get(cookieName(id));
    if (!cookie || !sameSecret(digest(cookie), record.browser)) {
      throw new PageError('access_denied', 'This sign-in was begun in another browser. Start again in this one.', 403);
    }
    reply.header('set-cookie', this.#cookie(id, '', 0));
    if (!(await this.#records.consume(id))) {
      throw new PageError('session_expired', 'This sign-in has expired or is over. Start again.');
    }
    const { nonce, verifier, next, workstation } = record;
    return { checks: { state, nonce, verifier }, next, workstation };
  }

  #cookie(id: string, value: string, maxAge: number): string {
    return `${cookieName(id)}=${value}; Path=${CALLBACK}; HttpOnly; SameSite=Lax; Max-Age=${maxAge}${this.#secure}`;
  }
}

export function newChecks(): SignInBinding {
  return { state: randomToken(), nonce: randomToken(), verifier: randomToken() };
}

/** One for each sign-in, so that two windows do not take each other's. */
function cookieName(id: string): string {
  return `lockstep_outside_${id.slice(0, 12)}`;
}
