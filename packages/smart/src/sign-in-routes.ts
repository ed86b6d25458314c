import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Browser, PageError } from './browser.ts';
import { OAuthError } from './oauth-error.ts';
import type { OutsideDesk } from './outside/desk.ts';
import { signedOutPage } from './pages/manage.ts';
import { ENGLISH, type Said, said } from './pages/page-language.ts';
import { type SignInPageWays, signInPage } from './pages/sign-in.ts';
import type { PasswordDoor, PasswordRefusal } from './password-door.ts';
import type { AuditEntry } from './ports.ts';
import { sameSecret } from './secrets.ts';
import { type SignedIn, type SignIns, workstationOf } from './sign-ins.ts';
import type { UserProfile, Users } from './users.ts';

export interface SignInParts {
  /** What the paths of our pages begin with (`AuthorizationAddresses.path`). */
  readonly base: string;
  readonly users: Users;
  readonly signIns: SignIns;
  readonly browser: Browser;
  readonly door: PasswordDoor;
  /** Whether sample users sign in by one click. */
  readonly samples: boolean;
  /** Sign-in at the outside provider, where there is one. */
  readonly outside?: OutsideDesk | undefined;
  readonly audit: (entry: AuditEntry) => void;
}

export type SignInOutcome = { readonly user: UserProfile; readonly topic: string } | PasswordRefusal;

const NO_SAMPLE: PasswordRefusal = { problem: said('There is no such sample user.'), status: 401 };

/** Signing in by form or by JSON. */
export class SignInDesk {
  readonly #parts: SignInParts;

  constructor(parts: SignInParts) {
    this.#parts = parts;
  }

  async samples(): Promise<readonly UserProfile[]> {
    if (!this.#parts.samples || !this.#passwords) return [];
    return this.#parts.users.samples();
  }

  /** A sample user who may sign in by one click. */
  async #sample(id: string): Promise<UserProfile | undefined> {
    if (!this.#parts.samples || !this.#passwords) return undefined;
    const user = await this.#parts.users.get(id);
    return user?.sample && user.status === 'active' ? user : undefined;
  }

  /** How people may sign in. @param hint who is expected (`login_hint`): a sample user is offered alone */
  async ways(hint?: string): Promise<SignInPageWays> {
    const { outside } = this.#parts;
    const expected = hint === undefined ? undefined : await this.#sample(hint);
    const samples = expected ? [expected] : await this.samples();
    return { samples, passwords: this.#passwords, ...(outside && { outside: outside.name }) };
  }

  get #passwords(): boolean {
    return this.#parts.outside?.passwords ?? true;
  }

  /** Signs a person in and sets the cookies; the browser's earlier sign-in, if any, is left behind and ended. */
  async signIn(
    request: FastifyRequest,
    reply: FastifyReply,
    given: {
      user?: string | undefined;
      password?: string | undefined;
      /** Of the authenticator app, for users with a second factor. */
      code?: string | undefined;
      /** What the browser said for a passkey, JSON; instead of name and password. */
      passkey?: string | undefined;
      sample?: string | undefined;
      workstation?: string | undefined;
    },
  ): Promise<SignInOutcome> {
    const { outside, door } = this.#parts;
    if (outside && !outside.passwords) return { problem: said('Sign in with {}.', outside.name), status: 403 };
    const user = given.sample
      ? ((await this.#sample(given.sample)) ?? NO_SAMPLE)
      : given.passkey
        ? await door.signInWithPasskey(request, reply, given.passkey)
        : await door.signIn(request, reply, {
            name: given.user ?? '',
            password: given.password ?? '',
            code: given.code,
          });
    if ('problem' in user) return user;
    const topic = await this.begin(request, reply, user, workstationOf(request, given.workstation));
    return { user, topic };
  }

  /**
   * Signs in a person who has shown who they are.
   * @returns the topic of their hub session
   */
  async begin(
    request: FastifyRequest,
    reply: FastifyReply,
    user: UserProfile,
    workstation: string | undefined,
  ): Promise<string> {
    const { signIns, audit } = this.#parts;
    const before = await signIns.signedIn(request);
    const same = before?.user.id === user.id;
    const { cookies, topic } = await signIns.start(user, workstation, same ? before.signInId : undefined);
    if (before && !same) await signIns.end(before.signInId, 'another person signed in at the same browser');
    for (const cookie of cookies) reply.header('set-cookie', cookie);
    if (workstation) reply.header('set-cookie', signIns.workstationCookie(workstation));
    audit({ action: 'sign-in', user: user.id });
    return topic;
  }
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** Our sign-in page, outside of an app's request. */
export class SignInPages {
  readonly #parts: SignInParts;
  readonly #desk: SignInDesk;

  constructor(parts: SignInParts, desk: SignInDesk) {
    this.#parts = parts;
    this.#desk = desk;
  }

  /** @param view `next` is where to go after the sign-in, a path of ours */
  async show(
    request: FastifyRequest,
    reply: FastifyReply,
    view: {
      readonly next: string;
      readonly status?: number;
      readonly problem?: Said;
      readonly needsCode?: boolean;
      readonly passkey?: object;
      readonly name?: string;
      /** As it was typed; else it is the address's or the browser's. */
      readonly workstation?: string | undefined;
    },
  ): Promise<FastifyReply> {
    const { base, browser, signIns } = this.#parts;
    const target = new URLSearchParams({ return: view.next });
    const page = signInPage({
      ...browser.setting(request),
      action: `${base}/auth/sign-in?${target}`,
      outsideAction: `${base}/auth/outside?${target}`,
      csrf: browser.csrf(request, reply, await signIns.signedIn(request)),
      ways: await this.#desk.ways(),
      workstation: workstationOf(request, view.workstation ?? (request.query as { workstation?: string }).workstation),
      problem: view.problem,
      needsCode: view.needsCode,
      passkey: view.passkey,
      name: view.name,
    });
    return browser.send(reply, view.status ?? 200, page);
  }
}

/** The sign-in and sign-out pages, and the same as JSON for the console. */
export function signInRoutes(app: FastifyInstance, parts: SignInParts, desk: SignInDesk, pages: SignInPages): void {
  const { base, signIns, browser, audit, outside } = parts;

  app.get('/auth/sign-in', async (request, reply) => {
    const next = browser.ownPath((request.query as { return?: string }).return);
    return pages.show(request, reply, { next });
  });

  app.post('/auth/sign-in', async (request, reply) => {
    const next = browser.ownPath((request.query as { return?: string }).return);
    const form = browser.form(request, await signIns.signedIn(request));
    const name = form.get('user') ?? '';
    const outcome = await desk.signIn(request, reply, {
      user: name,
      password: form.get('password') ?? undefined,
      code: form.get('code') ?? undefined,
      passkey: form.get('passkey') ?? undefined,
      sample: form.get('sample') ?? undefined,
      workstation: form.get('workstation') ?? undefined,
    });
    const workstation = form.get('workstation') ?? undefined;
    if ('problem' in outcome) return pages.show(request, reply, { ...outcome, name, next, workstation });
    return reply.redirect(next, 303);
  });

  app.post('/auth/sign-out', async (request, reply) => {
    const signedIn = await signIns.signedIn(request);
    browser.form(request, signedIn);
    const elsewhere = await signOut(reply, signedIn);
    if (elsewhere !== undefined) return reply.redirect(elsewhere, 303);
    return browser.send(reply, 200, signedOutPage(browser.setting(request)));
  });

  /** @returns where somebody who came from the outside provider signs out there too: the next person starts with a clean slate */
  async function signOut(reply: FastifyReply, signedIn: SignedIn | undefined): Promise<string | undefined> {
    if (!signedIn) return undefined;
    for (const cookie of await signIns.end(signedIn.signInId, 'the user signed out'))
      reply.header('set-cookie', cookie);
    audit({ action: 'sign-out', user: signedIn.user.id });
    return signedIn.user.outside && outside?.endSessionUrl();
  }

  function describe(signedIn: SignedIn): object {
    const { user, csrf, topic, workstation } = signedIn;
    return {
      user: user.reference,
      user_name: user.id,
      name: user.name,
      administrator: user.administrator,
      csrf,
      session_topic: topic,
      ...(workstation ? { workstation } : {}),
    };
  }

  app.get('/auth/session', async (request, reply) => {
    reply.header('cache-control', 'no-store');
    const signedIn = await signIns.signedIn(request);
    if (signedIn) return reply.send(describe(signedIn));
    const { samples, passwords, outside: elsewhere } = await desk.ways();
    return reply.code(401).send({
      error: 'login_required',
      sample_users: samples.map(({ id, name, administrator }) => ({ id, name, administrator })),
      passwords,
      ...(elsewhere !== undefined && { outside: { name: elsewhere, url: `${base}/auth/outside` } }),
    });
  });

  app.post('/auth/session', async (request, reply) => {
    reply.header('cache-control', 'no-store');
    browser.checkOrigin(request);
    // JSON only: another site's page cannot send it without a preflight, which is not answered.
    if (typeof request.body !== 'object' || request.body === null) {
      throw new PageError('invalid_request', 'Send a JSON object.', 415);
    }
    const body = request.body as Record<string, unknown>;
    const outcome = await desk.signIn(request, reply, {
      user: text(body.user),
      password: text(body.password),
      code: text(body.code),
      passkey: text(body.passkey),
      sample: text(body.sample),
      workstation: text(body.workstation),
    });
    if ('problem' in outcome) {
      const { problem, passkey, needsCode } = outcome;
      const error = needsCode ? 'second_factor_required' : passkey ? 'passkey_required' : 'access_denied';
      return reply
        .code(outcome.status)
        .send({ error, error_description: ENGLISH.say(problem), ...(passkey && { passkey }) });
    }
    const cookie = [reply.getHeader('set-cookie')]
      .flat()
      .map((one) => String(one).split(';')[0])
      .join('; ');
    const signedIn = await signIns.signedIn({ headers: { cookie } });
    return reply.send(signedIn ? describe(signedIn) : {});
  });

  app.delete('/auth/session', async (request, reply) => {
    const signedIn = await signIns.signedIn(request);
    if (signedIn) requireCsrf(request, signedIn);
    const elsewhere = await signOut(reply, signedIn);
    return elsewhere === undefined ? reply.code(204).send() : reply.send({ sign_out_url: elsewhere });
  });
}

/** Calls of the console carry the sign-in's CSRF value in a header. @throws OAuthError */
export function requireCsrf(request: FastifyRequest, signedIn: SignedIn): void {
  const given = request.headers['x-csrf-token'];
  if (typeof given !== 'string' || !sameSecret(given, signedIn.csrf)) {
    throw new OAuthError('invalid_request', 'the x-csrf-token header is missing or wrong', 403);
  }
}
