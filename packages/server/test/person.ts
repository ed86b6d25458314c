/** A person at a browser without JavaScript, and the apps that send them through the authorization server's pages. */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { type Json, json } from './harness.ts';

export const USER = 'dr-lena-okafor';
export const REDIRECT = 'http://localhost:9090/callback';
export const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

export interface Page {
  readonly status: number;
  readonly url: string;
  readonly text: string;
  readonly headers: Headers;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Json;
}

export async function answerOf(response: Response | Promise<Response>): Promise<Answer> {
  const answer = await response;
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, body: text === '' ? {} : (JSON.parse(text) as Json) };
}

export function post(url: string, fields: Record<string, string>, headers: Record<string, string> = {}) {
  return answerOf(fetch(url, { method: 'POST', headers, body: new URLSearchParams(fields) }));
}

function decode(text: string): string {
  const signs: Readonly<Record<string, string>> = { quot: '"', '#39': "'", lt: '<', gt: '>', amp: '&' };
  return text.replaceAll(/&(quot|#39|lt|gt|amp);/g, (_, name: string) => signs[name] ?? '');
}

function attribute(tag: string, name: string): string | undefined {
  const found = new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1];
  return found === undefined ? undefined : decode(found);
}

interface Button {
  readonly name: string | undefined;
  readonly value: string | undefined;
  readonly label: string;
}

export interface Form {
  readonly action: string;
  /** What a browser would send of the fields. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly buttons: readonly Button[];
}

/** The page's forms that post. */
export function formsOf(page: Page): readonly Form[] {
  return [...page.text.matchAll(/<form method="post"([^>]*)>([\s\S]*?)<\/form>/g)].map(([, head = '', body = '']) => ({
    action: attribute(head, 'action') ?? '',
    fields: [...body.matchAll(/<input ([^>]*)>/g)]
      .map(([, input = '']) => input)
      .filter((input) => !/type="(checkbox|radio)"/.test(input) || /\schecked/.test(input))
      .map((input) => [attribute(input, 'name') ?? '', attribute(input, 'value') ?? ''] as const),
    buttons: [...body.matchAll(/<button ([^>]*)>([\s\S]*?)<\/button>/g)].map(([, button = '', label = '']) => ({
      name: attribute(button, 'name'),
      value: attribute(button, 'value'),
      label: label.replaceAll(/<[^>]*>/g, '').trim(),
    })),
  }));
}

export interface Choices {
  readonly user?: string;
  /** By default the first that is offered. */
  readonly patient?: string;
  readonly encounter?: string;
  readonly topics?: readonly string[];
  readonly scopes?: readonly string[];
}

export class Person {
  readonly origin: string;
  readonly #cookies = new Map<string, string>();
  #csrf = '';

  constructor(origin: string) {
    this.origin = origin;
  }

  /** Cookies of every path go with every request: the flows of these tests come one after the other. */
  async request(url: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    if (this.#cookies.size > 0) headers.set('cookie', [...this.#cookies].map((pair) => pair.join('=')).join('; '));
    const response = await fetch(this.#at(url), { ...init, headers, redirect: 'manual' });
    for (const line of response.headers.getSetCookie()) {
      const [pair = ''] = line.split(';');
      const [name = '', value = ''] = [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)];
      if (value === '' || /max-age=0|1970/i.test(line)) this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
    return response;
  }

  /** @param url an address, or a path of the server, which may itself be below a path */
  #at(url: string): string {
    return url.startsWith('/') ? this.origin + url : url;
  }

  /** Follows redirects within the server; stops at a page or at an address outside. */
  async go(url: string, init: RequestInit = {}): Promise<Page> {
    let target = this.#at(url);
    let next = init;
    for (let hops = 0; hops < 20; hops += 1) {
      const response = await this.request(target, next);
      const { status, headers } = response;
      const text = await response.text();
      const location = headers.get('location');
      if (location === null) return { status, headers, text, url: target };
      target = new URL(location, target).href;
      if (!target.startsWith(this.origin)) return { status, headers, text, url: target };
      next = {};
    }
    throw new Error('too many redirects');
  }

  /** Presses a button of the page; `changes` replaces fields. */
  submit(page: Page, wanted: Partial<Button>, changes: Record<string, readonly string[]> = {}): Promise<Page> {
    const matches = (button: Button): boolean =>
      (wanted.name === undefined || button.name === wanted.name) &&
      (wanted.value === undefined || button.value === wanted.value) &&
      (wanted.label === undefined || button.label.startsWith(wanted.label));
    const form = formsOf(page).find(({ buttons }) => buttons.some(matches));
    const pressed = form?.buttons.find(matches);
    assert.ok(form && pressed, `no button ${JSON.stringify(wanted)} in ${page.text}`);
    const fields = new URLSearchParams();
    for (const [name, value] of form.fields) if (!(name in changes)) fields.append(name, value);
    for (const [name, values] of Object.entries(changes)) for (const value of values) fields.append(name, value);
    if (pressed.name) fields.set(pressed.name, pressed.value ?? '');
    return this.go(new URL(form.action, page.url).href, { method: 'POST', body: fields });
  }

  /** Signs in as a sample user. */
  async signIn(user = USER, workstation?: string): Promise<Json> {
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ sample: user, ...(workstation && { workstation }) });
    const answer = await answerOf(this.request('/auth/session', { method: 'POST', headers, body }));
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    this.#csrf = answer.body.csrf;
    return answer.body;
  }

  async signOut(): Promise<void> {
    const headers = { 'x-csrf-token': this.#csrf };
    assert.equal((await this.request('/auth/session', { method: 'DELETE', headers })).status, 204);
  }

  /** `POST /launch` as the console does it. */
  launch(body: Json): Promise<Answer> {
    const headers = { 'content-type': 'application/json', 'x-csrf-token': this.#csrf };
    return answerOf(this.request('/launch', { method: 'POST', headers, body: JSON.stringify(body) }));
  }

  /** Clicks through whatever pages come until the browser leaves for the app. @returns the pages' titles, and the end */
  async through(page: Page, choices: Choices = {}): Promise<Page & { readonly titles: readonly string[] }> {
    const titles: string[] = [];
    let at = page;
    while (at.url.startsWith(this.origin)) {
      assert.equal(at.status, 200, at.text);
      const title = /<title>([^<&]*)/.exec(at.text)?.[1]?.trim() ?? '';
      assert.ok(titles.length < 10, titles.join());
      titles.push(title);
      at = await this.#answer(at, title, choices);
    }
    return { ...at, titles };
  }

  #answer(page: Page, title: string, choices: Choices): Promise<Page> {
    const { user = USER, patient, encounter, topics, scopes } = choices;
    switch (title) {
      case 'Sign in':
        return this.submit(page, { name: 'sample', value: user });
      case 'Choose a patient':
        return this.submit(page, { name: 'patient', ...(patient && { value: patient }) });
      case 'Choose an encounter':
        return this.submit(page, { name: 'encounter', ...(encounter && { value: encounter }) });
      case 'Choose a session':
        return this.submit(page, { label: 'Continue' }, topics && { topic: topics });
      case 'Allow access':
        return this.submit(page, { name: 'decision', value: 'allow' }, scopes && { scope: scopes });
      default:
        throw new Error(`what is this page? ${title}\n${page.text}`);
    }
  }
}

export type Kind = 'public' | 'symmetric' | 'asymmetric';

const METHODS = { public: 'none', symmetric: 'client_secret_basic', asymmetric: 'private_key_jwt' };

type PrivateKey = Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];

/** A registered app of one of the three types. */
export class App {
  readonly origin: string;
  readonly kind: Kind;
  readonly registration: Json;
  readonly privateJwk: JWK | undefined;
  readonly #key: PrivateKey | undefined;

  private constructor(origin: string, kind: Kind, registration: Json, key?: { key: PrivateKey; jwk: JWK }) {
    this.origin = origin;
    this.kind = kind;
    this.registration = registration;
    this.#key = key?.key;
    this.privateJwk = key?.jwk;
  }

  static async register(origin: string, kind: Kind = 'public', metadata: Json = {}): Promise<App> {
    const pair = kind === 'asymmetric' ? await generateKeyPair('ES384', { extractable: true }) : undefined;
    const mark = { kid: 'app', alg: 'ES384', use: 'sig' };
    const jwks = pair && { keys: [{ ...(await exportJWK(pair.publicKey)), ...mark }] };
    const answer = await register(origin, {
      client_name: `A ${kind} app`,
      token_endpoint_auth_method: METHODS[kind],
      redirect_uris: [REDIRECT],
      launch_url: 'http://localhost:9090/launch',
      ...(jwks && { jwks }),
      ...metadata,
    });
    assert.equal(answer.status, 201, JSON.stringify(answer.body));
    const key = pair && {
      key: pair.privateKey,
      jwk: { ...(await exportJWK(pair.privateKey)), kid: 'app', alg: 'ES384' },
    };
    return new App(origin, kind, answer.body, key);
  }

  get clientId(): string {
    return this.registration.client_id;
  }

  /** An app that nobody registered. */
  static stranger(origin: string, clientId: string): App {
    return new App(origin, 'public', { client_id: clientId });
  }

  /** An app of any type that nobody registered, under a name and with a secret of its own choice. */
  static async unregistered(origin: string, kind: Kind, clientId: string, secret = ''): Promise<App> {
    const pair = kind === 'asymmetric' ? await generateKeyPair('ES384', { extractable: true }) : undefined;
    const mark = { kid: 'app', alg: 'ES384', use: 'sig' };
    const keys = pair && [{ ...(await exportJWK(pair.publicKey)), ...mark }];
    const registration = { client_id: clientId, client_secret: secret, ...(keys && { jwks: { keys } }) };
    const key = pair && {
      key: pair.privateKey,
      jwk: { ...(await exportJWK(pair.privateKey)), kid: 'app', alg: 'ES384' },
    };
    return new App(origin, kind, registration, key);
  }

  /** The same app, sent to another address of the server. */
  at(origin: string): App {
    const key = this.#key && this.privateJwk && { key: this.#key, jwk: this.privateJwk };
    return new App(origin, this.kind, this.registration, key);
  }

  async #credentials(): Promise<{ fields: Record<string, string>; headers: Record<string, string> }> {
    if (this.#key) {
      const exp = Math.floor(Date.now() / 1000) + 120;
      const claims = { iss: this.clientId, sub: this.clientId, aud: `${this.origin}/auth/token`, exp };
      const jwt = new SignJWT({ ...claims, jti: crypto.randomUUID() }).setProtectedHeader({ alg: 'ES384', kid: 'app' });
      const fields = { client_assertion_type: ASSERTION_TYPE, client_assertion: await jwt.sign(this.#key) };
      return { fields, headers: {} };
    }
    if (this.kind === 'public') return { fields: { client_id: this.clientId }, headers: {} };
    const basic = Buffer.from(`${this.clientId}:${this.registration.client_secret}`).toString('base64');
    return { fields: {}, headers: { authorization: `Basic ${basic}` } };
  }

  /** Posts a form as this client. */
  async post(path: string, fields: Record<string, string>): Promise<Answer> {
    const { fields: own, headers } = await this.#credentials();
    return post(`${this.origin}${path}`, { ...fields, ...own }, headers);
  }

  /** An authorization request as a good app makes it; any parameter may be changed, or left out with undefined. */
  begin(scope: string, changes: Record<string, string | undefined> = {}) {
    const verifier = `${crypto.randomUUID()}-${crypto.randomUUID()}`;
    const state = crypto.randomUUID();
    const params: Record<string, string | undefined> = {
      response_type: 'code',
      client_id: this.clientId,
      redirect_uri: REDIRECT,
      scope,
      state,
      aud: `${this.origin}/fhir`,
      code_challenge: hash('sha256', verifier, 'base64url'),
      code_challenge_method: 'S256',
      ...changes,
    };
    const given = Object.entries(params).filter((pair): pair is [string, string] => pair[1] !== undefined);
    return { verifier, state, url: `${this.origin}/auth/authorize?${new URLSearchParams(given)}` };
  }

  /** Runs an authorization request to its code. */
  async code(person: Person, scope: string, choices: Choices = {}, changes: Record<string, string | undefined> = {}) {
    const { url, verifier, state } = this.begin(scope, changes);
    const end = await person.through(await person.go(url), choices);
    const back = returned(end);
    assert.equal(back.get('error'), null, back.toString());
    assert.equal(back.get('state'), state);
    return { code: back.get('code') ?? '', verifier, titles: end.titles };
  }

  redeem(code: string, verifier: string, changes: Record<string, string> = {}): Promise<Answer> {
    const fields = { grant_type: 'authorization_code', code, redirect_uri: REDIRECT, code_verifier: verifier };
    return this.post('/auth/token', { ...fields, ...changes });
  }

  /** Runs an authorization request to its token response. */
  async tokens(
    person: Person,
    scope: string,
    choices: Choices = {},
    changes: Record<string, string | undefined> = {},
  ): Promise<Json> {
    const { code, verifier } = await this.code(person, scope, choices, changes);
    const { status, body } = await this.redeem(code, verifier);
    assert.equal(status, 200, JSON.stringify(body));
    return body;
  }

  /** An EHR launch by the person, to its token response. */
  async launched(person: Person, scope: string, context: Json): Promise<Json> {
    const { status, body } = await person.launch({ client_id: this.clientId, ...context });
    assert.equal(status, 201, JSON.stringify(body));
    return this.tokens(person, scope, {}, { launch: body.launch });
  }

  refresh(refreshToken: string, more: Record<string, string> = {}): Promise<Answer> {
    return this.post('/auth/token', { grant_type: 'refresh_token', refresh_token: refreshToken, ...more });
  }
}

export function register(origin: string, metadata: Json, headers: Record<string, string> = {}): Promise<Answer> {
  return answerOf(
    fetch(`${origin}/auth/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(metadata),
    }),
  );
}

/** The parameters that came back to the app. */
export function returned(page: Page): URLSearchParams {
  assert.ok(page.url.startsWith(REDIRECT), `the browser is at ${page.url}: ${page.text}`);
  return new URL(page.url).searchParams;
}

export function fhir(origin: string, path: string, token: string): Promise<Answer> {
  return answerOf(fetch(`${origin}/fhir/${path}`, { headers: { authorization: `Bearer ${token}` } }));
}

export async function resources(origin: string, path: string, token: string): Promise<readonly Json[]> {
  const bundle = await json(fetch(`${origin}/fhir/${path}`, { headers: { authorization: `Bearer ${token}` } }));
  return (bundle.entry ?? []).map(({ resource }: Json) => resource);
}
