import { isDeepStrictEqual } from 'node:util';
import { toPlainText } from '@lockstep/fhircast';
import type { RecordStore } from '@lockstep/store';
import type { FastifyRequest } from 'fastify';
import type { AdapterPayload } from 'oidc-provider';
import type { BearerTokens } from './access.ts';
import { type CookiePlace, cookieName, cookieNames, readCookies } from './form.ts';
import type { Clock, SessionDirectory } from './ports.ts';
import { RecordRepository } from './repository.ts';
import { digest, randomToken } from './secrets.ts';
import type { UserProfile, Users } from './users.ts';

/** How long a sign-in lasts, ms. */
export const SIGN_IN_LIFE = 12 * 3_600_000;

export const SESSION_COOKIE = 'lockstep_session';
export const WORKSTATION_COOKIE = 'lockstep_workstation';

interface SignIn {
  readonly user: string;
  /** The user's hub session that this sign-in opened or joined (SES-2). */
  readonly topic: string;
  readonly workstation?: string;
  /** Goes with every form and every changing call of the console. */
  readonly csrf: string;
  /** ms since the epoch. */
  readonly startedAt: number;
  /** The browser session's id now. */
  readonly session: string;
}

/** The person behind a request's cookie. */
export interface SignedIn {
  readonly signInId: string;
  readonly user: UserProfile;
  readonly csrf: string;
  /** The hub session of the sign-in. */
  readonly topic: string;
  readonly workstation?: string;
  /** ms since the epoch. */
  readonly startedAt: number;
}

/** Whose sign-in has ended, and the hub session that was theirs. */
export interface SignInEnded {
  /** The user's FHIR resource. */
  readonly user: string;
  readonly topic: string;
}

export type SignInListener = (ended: SignInEnded) => void | Promise<void>;

/** Who is signed in at which browser. The provider's browser session is one of these under a changing id. */
export class SignIns {
  readonly #records: RecordRepository<SignIn>;
  readonly #sessions: RecordRepository<AdapterPayload>;
  readonly #clock: Clock;
  readonly #users: Users;
  readonly #access: BearerTokens;
  readonly #directory: SessionDirectory;
  readonly #place: CookiePlace;
  readonly #listeners = new Set<SignInListener>();

  constructor(
    store: RecordStore,
    clock: Clock,
    parts: { users: Users; access: BearerTokens; directory: SessionDirectory; place: CookiePlace },
  ) {
    this.#clock = clock;
    this.#users = parts.users;
    this.#access = parts.access;
    this.#directory = parts.directory;
    this.#place = parts.place;
    this.#records = new RecordRepository<SignIn>(store, clock, 'sign-in', ({ user }) => ({ user }));
    this.#sessions = new RecordRepository(store, clock, 'browser-session');
  }

  /**
   * Starts a sign-in under ids of its own, whatever the browser sent before (session fixation, CWE-384), and opens the
   * user's hub session or joins the one of the same workstation.
   * @param renewed the sign-in of the same person that this one continues, under another cookie
   * @returns the Set-Cookie values
   */
  async start(
    user: UserProfile,
    workstation: string | undefined,
    renewed?: string,
  ): Promise<{ cookies: readonly string[]; topic: string }> {
    const topic = await this.#hubSession(user, workstation);
    const before = renewed === undefined ? undefined : await this.#records.get(renewed);
    if (before) await this.#sessions.delete(before.session);
    const signInId = renewed ?? randomToken();
    const session = randomToken();
    const now = this.#clock.now();
    const expiresAt = now + SIGN_IN_LIFE;
    const seconds = Math.floor(now / 1000);
    const signIn: SignIn = {
      user: user.id,
      topic,
      csrf: randomToken(),
      startedAt: now,
      session: digest(session),
      ...(workstation ? { workstation } : {}),
    };
    await this.#records.put(signInId, signIn, { expiresAt });
    const payload = {
      kind: 'Session',
      uid: signInId,
      accountId: user.id,
      loginTs: seconds,
      iat: seconds,
      exp: Math.floor(expiresAt / 1000),
    };
    await this.#sessions.put(digest(session), payload, { expiresAt });
    return { cookies: [this.#cookie(SESSION_COOKIE, session)], topic };
  }

  async #hubSession(user: UserProfile, workstation: string | undefined): Promise<string> {
    const open = await this.#directory.ofUser(user.reference);
    const same = open.find((session) => session.workstation === workstation);
    if (same) return same.topic;
    const { topic } = await this.#directory.open({
      user: user.reference,
      aliases: [user.id, ...user.aliases],
      ...(workstation ? { workstation } : {}),
    });
    return topic;
  }

  /** The signed-in person of a request. */
  async signedIn(request: Pick<FastifyRequest, 'headers'>): Promise<SignedIn | undefined> {
    const cookie = readCookies(request.headers.cookie).get(cookieName(SESSION_COOKIE, this.#place));
    if (!cookie) return undefined;
    const session = await this.session(cookie);
    return session?.uid ? this.byId(session.uid) : undefined;
  }

  async byId(signInId: string): Promise<SignedIn | undefined> {
    const signIn = await this.#records.get(signInId);
    const user = signIn && (await this.#users.get(signIn.user));
    if (!signIn || user?.status !== 'active') return undefined;
    const { csrf, topic, workstation, startedAt } = signIn;
    return { signInId, user, csrf, topic, startedAt, ...(workstation ? { workstation } : {}) };
  }

  isAlive(signInId: string): Promise<boolean> {
    return this.#records.get(signInId).then(Boolean);
  }

  /** ms since the epoch until which a sign-in lasts by itself; undefined when it has ended. */
  async endOf(signInId: string): Promise<number | undefined> {
    const stored = await this.#records.find(signInId);
    return stored && (stored.expiresAt ?? Number.POSITIVE_INFINITY);
  }

  /**
   * Ends a sign-in: its cookie, its online grants and their subscriptions (TOK-4). Resolves once the listeners are done.
   * @param reference of the user, where it may have changed, or the user may be gone
   * @returns the Set-Cookie values
   */
  async end(signInId: string, reason: string, reference?: string): Promise<readonly string[]> {
    const signIn = await this.#records.get(signInId);
    await this.#records.delete(signInId);
    if (signIn) {
      await this.#sessions.delete(signIn.session);
      const user = reference ?? (await this.#users.get(signIn.user))?.reference;
      await Promise.all([
        this.#access.endSignIn(signInId, reason),
        user !== undefined && this.tellEnded({ user, topic: signIn.topic }),
      ]);
    }
    return [this.#cookie(SESSION_COOKIE, '', 0)];
  }

  /** @param except a sign-in that goes on */
  async endAllOf(user: Pick<UserProfile, 'id' | 'reference'>, reason: string, except?: string): Promise<void> {
    const found = await this.#records.findBy('user', user.id);
    await Promise.all(found.map(({ id }) => id !== except && this.end(id, reason, user.reference)));
  }

  /** Tells that a sign-in has ended, here or at another node. */
  async tellEnded(ended: SignInEnded): Promise<void> {
    await Promise.all([...this.#listeners].map((listener) => listener(ended)));
  }

  onEnded(listener: SignInListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A browser session by its cookie, while the sign-in it stands for lives. */
  async session(cookie: string): Promise<AdapterPayload | undefined> {
    const payload = await this.#sessions.get(digest(cookie));
    if (!payload?.uid || !(await this.isAlive(payload.uid))) return undefined;
    return { ...payload, jti: cookie };
  }

  async sessionByUid(uid: string): Promise<AdapterPayload | undefined> {
    const signIn = await this.#records.get(uid);
    const payload = signIn && (await this.#sessions.get(signIn.session));
    return payload && { ...payload, jti: uid };
  }

  /** The provider saves the session again, often under another id. A sign-in that has ended stays ended. */
  async saveSession(cookie: string, payload: AdapterPayload, expiresIn: number): Promise<undefined> {
    const { jti: _, ...fields } = payload;
    const id = digest(cookie);
    if (payload.accountId && payload.uid) {
      const signIn = await this.#records.find(payload.uid);
      if (!signIn) return;
      if (signIn.value.session === id) {
        const saved = await this.#sessions.find(id);
        // That it was used again says nothing: it ends with the sign-in, whose end is fixed.
        if (saved && lasts(saved, signIn) && saysTheSame(saved.value, fields)) return;
      } else if (!(await this.#records.update(payload.uid, (one) => ({ ...one, session: id })))) return;
    }
    await this.#sessions.put(id, fields, { expiresAt: this.#clock.now() + expiresIn * 1000 });
  }

  async dropSession(cookie: string): Promise<void> {
    await this.#sessions.delete(digest(cookie));
  }

  /** Remembers a workstation's name in its browser for a year. */
  workstationCookie(workstation: string): string {
    return this.#cookie(WORKSTATION_COOKIE, encodeURIComponent(workstation), 365 * 24 * 3600);
  }

  #cookie(name: string, value: string, maxAge?: number): string {
    const age = maxAge === undefined ? '' : `; Max-Age=${maxAge}`;
    return `${cookieName(name, this.#place)}=${value}; Path=/; HttpOnly; SameSite=Lax${age}${this.#place.secure ? '; Secure' : ''}`;
  }
}

/** Whether the browser session is kept for as long as its sign-in. */
function lasts(session: { readonly expiresAt?: number }, signIn: { readonly expiresAt?: number }): boolean {
  return (session.expiresAt ?? Number.POSITIVE_INFINITY) >= (signIn.expiresAt ?? Number.POSITIVE_INFINITY);
}

/** Whether two states of a browser session differ in nothing but when it was used. */
function saysTheSame(stored: AdapterPayload, now: AdapterPayload): boolean {
  const { iat, exp } = stored;
  return isDeepStrictEqual(stored, { ...(JSON.parse(JSON.stringify(now)) as AdapterPayload), iat, exp });
}

/** The workstation a request names, by parameter or by its cookie. */
export function workstationOf(request: Pick<FastifyRequest, 'headers'>, given?: unknown): string | undefined {
  const cookies = readCookies(request.headers.cookie);
  // It is a name, and proves nothing: any form will do.
  const cookie = cookieNames(WORKSTATION_COOKIE).flatMap((one) => cookies.get(one) ?? [])[0];
  const text = typeof given === 'string' ? toPlainText(given).trim() : '';
  const name = text || (cookie ? toPlainText(safeDecode(cookie) ?? '') : '');
  return name === '' ? undefined : name.slice(0, 100);
}

function safeDecode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
