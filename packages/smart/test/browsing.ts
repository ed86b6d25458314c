// A browser without JavaScript: cookies, forms, redirects, one at a time.

import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { type Answer, answerOf, type Json, post, register, type TestServer } from './harness.ts';

export interface Page {
  readonly status: number;
  readonly url: string;
  readonly text: string;
  readonly headers: Headers;
}

interface Cookie {
  readonly value: string;
  readonly path: string;
}

function decode(text: string): string {
  return text
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');
}

function attribute(tag: string, name: string): string | undefined {
  const found = new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1];
  return found === undefined ? undefined : decode(found);
}

export interface Form {
  readonly action: string;
  readonly method: string;
  readonly fields: [name: string, value: string][];
  readonly buttons: {
    name?: string | undefined;
    value?: string | undefined;
    label: string;
    /** Where this button sends the form instead. */
    action?: string | undefined;
  }[];
}

/** The forms of a page, with what a browser would send of them. */
export function formsOf(page: Page): Form[] {
  return [...page.text.matchAll(/<form ([^>]*)>([\s\S]*?)<\/form>/g)].map(([, head = '', body = '']) => ({
    action: attribute(head, 'action') ?? '',
    method: attribute(head, 'method') ?? 'get',
    fields: [...body.matchAll(/<input ([^>]*)>/g)]
      .map(([, input = '']) => input)
      .filter((input) => !/type="(checkbox|radio)"/.test(input) || /\schecked/.test(input))
      .map((input): [string, string] => [attribute(input, 'name') ?? '', attribute(input, 'value') ?? '']),
    buttons: [...body.matchAll(/<button ([^>]*)>([\s\S]*?)<\/button>/g)].map(([, button = '', label = '']) => ({
      name: attribute(button, 'name'),
      value: attribute(button, 'value'),
      label: label.replaceAll(/<[^>]*>/g, '').trim(),
      action: attribute(button, 'formaction'),
    })),
  }));
}

export class TestBrowser {
  readonly cookies = new Map<string, Cookie>();
  readonly server: TestServer;

  constructor(server: TestServer) {
    this.server = server;
  }

  cookieHeader(path: string): string {
    return [...this.cookies]
      .filter(([, cookie]) => path.startsWith(cookie.path))
      .map(([key, { value }]) => `${key.split(';')[0]}=${value}`)
      .join('; ');
  }

  async request(url: string, init: RequestInit = {}): Promise<Response> {
    const target = new URL(url, this.server.origin);
    const headers = new Headers(init.headers);
    const cookies = this.cookieHeader(target.pathname);
    if (cookies) headers.set('cookie', cookies);
    const response = await fetch(target, { ...init, headers, redirect: 'manual' });
    for (const line of response.headers.getSetCookie()) this.#keep(line);
    return response;
  }

  #keep(line: string): void {
    const [pair = '', ...attributes] = line.split(';').map((part) => part.trim());
    const [name = '', value = ''] = [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)];
    const path = attributes.find((one) => /^path=/i.test(one))?.slice(5) ?? '/';
    const gone = value === '' || attributes.some((one) => /^(max-age=0|expires=Thu, 01 Jan 1970)/i.test(one));
    if (gone) this.cookies.delete(`${name};${path}`);
    else this.cookies.set(`${name};${path}`, { value, path });
  }

  /** Follows redirects within the server; stops at a page or at an address outside. */
  async go(url: string, init: RequestInit = {}): Promise<Page> {
    let target = new URL(url, this.server.origin).href;
    let next = init;
    for (let hops = 0; hops < 20; hops += 1) {
      const response = await this.request(target, next);
      const location = response.headers.get('location');
      const page = { status: response.status, url: target, text: await response.text(), headers: response.headers };
      if (location === null) return page;
      target = new URL(location, target).href;
      if (!target.startsWith(this.server.origin)) return { ...page, url: target };
      next = {};
    }
    throw new Error('too many redirects');
  }

  /** Submits a form of the page by one of its buttons; `changes` replaces fields (an array for several values). */
  submit(
    page: Page,
    button: { name?: string; value?: string; label?: string },
    changes: Record<string, string | string[]> = {},
  ): Promise<Page> {
    const matches = (one: Form['buttons'][number]) =>
      (button.name === undefined || one.name === button.name) &&
      (button.value === undefined || one.value === button.value) &&
      (button.label === undefined || one.label.startsWith(button.label));
    const form = formsOf(page).find(({ buttons }) => buttons.some(matches));
    const pressed = form?.buttons.find(matches);
    assert.ok(form && pressed, `the page has no such button: ${JSON.stringify(button)} in ${page.text}`);
    const fields = new URLSearchParams(form.fields.filter(([name]) => !(name in changes)));
    for (const [name, values] of Object.entries(changes))
      for (const value of [values].flat()) fields.append(name, value);
    if (pressed.name) fields.set(pressed.name, pressed.value ?? '');
    const address = new URL(pressed.action ?? form.action, page.url);
    if (form.method === 'get') return this.go(`${address.pathname}?${fields}`);
    return this.go(address.href, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: fields.toString(),
    });
  }

  /** Signs in as a sample user, outside of any flow. */
  async signIn(user = 'dr-lena-okafor', workstation?: string): Promise<Json> {
    const response = await this.request('/auth/session', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ sample: user, ...(workstation ? { workstation } : {}) }),
    });
    const { status, body } = await answerOf(response);
    assert.equal(status, 200);
    return body;
  }

  async session(): Promise<Answer> {
    return answerOf(await this.request('/auth/session'));
  }

  /** `POST /launch` as the console does it. */
  async launch(body: Json, csrf?: string): Promise<Answer> {
    const token = csrf ?? String((await this.session()).body.csrf);
    const response = await this.request('/launch', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-csrf-token': token },
      body: JSON.stringify(body),
    });
    return answerOf(response);
  }

  /** Clicks through whatever pages come until the browser leaves for the app. */
  async through(
    page: Page,
    choices: { user?: string; patient?: string; encounter?: string; topic?: string | string[]; scopes?: string[] } = {},
  ): Promise<Page> {
    let at = page;
    for (let steps = 0; steps < 10; steps += 1) {
      if (!at.url.startsWith(this.server.origin)) return at;
      assert.equal(at.status, 200, at.text);
      const title = /<title>([^<]*)/.exec(at.text)?.[1] ?? '';
      if (title.startsWith('Sign in'))
        at = await this.submit(at, { name: 'sample', value: choices.user ?? 'dr-lena-okafor' });
      else if (title.startsWith('Choose a patient'))
        at = await this.submit(at, { name: 'patient', value: choices.patient ?? 'ida' });
      else if (title.startsWith('Choose an encounter'))
        at = await this.submit(at, { name: 'encounter', value: choices.encounter ?? 'ida-1' });
      else if (title.startsWith('Choose a session')) {
        at = await this.submit(at, { label: 'Continue' }, choices.topic ? { topic: choices.topic } : {});
      } else if (title.startsWith('Allow access')) {
        at = await this.submit(
          at,
          { name: 'decision', value: 'allow' },
          choices.scopes ? { scope: choices.scopes } : {},
        );
      } else throw new Error(`what is this page? ${title}\n${at.text}`);
    }
    throw new Error('too many pages');
  }
}

export const REDIRECT = 'http://localhost:9090/callback';

export interface TestApp {
  readonly clientId: string;
  readonly secret?: string;
  readonly metadata: Json;
}

export async function registerApp(server: TestServer, metadata: Json = {}): Promise<TestApp> {
  const { status, body } = await register(server, {
    client_name: 'Viewer',
    token_endpoint_auth_method: 'none',
    redirect_uris: [REDIRECT],
    launch_url: 'http://localhost:9090/launch',
    ...metadata,
  });
  assert.equal(status, 201, JSON.stringify(body));
  const secret = body.client_secret;
  return { clientId: String(body.client_id), metadata: body, ...(typeof secret === 'string' ? { secret } : {}) };
}

export interface Attempt {
  readonly verifier: string;
  readonly state: string;
  /** The address to send the browser to. */
  readonly url: string;
}

/** An authorization request as a good app makes it; any parameter may be changed, or left out with undefined. */
export function attempt(
  server: TestServer,
  app: { clientId: string },
  scope: string,
  changes: Record<string, string | undefined> = {},
): Attempt {
  const verifier = `${crypto.randomUUID()}-${crypto.randomUUID()}`;
  const state = crypto.randomUUID();
  const params: Record<string, string | undefined> = {
    response_type: 'code',
    client_id: app.clientId,
    redirect_uri: REDIRECT,
    scope,
    state,
    aud: `${server.origin}/fhir`,
    code_challenge: hash('sha256', verifier, 'base64url'),
    code_challenge_method: 'S256',
    ...changes,
  };
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) if (value !== undefined) query.set(name, value);
  return { verifier, state, url: `${server.origin}/auth/authorize?${query}` };
}

/** Fields that redeem a code. */
export function codeFields(app: { clientId: string }, code: string, verifier: string): Record<string, string> {
  return {
    grant_type: 'authorization_code',
    client_id: app.clientId,
    code,
    redirect_uri: REDIRECT,
    code_verifier: verifier,
  };
}

/** The parameters that came back to the app. */
export function returned(page: Page): URLSearchParams {
  assert.ok(page.url.startsWith(REDIRECT), `the browser is at ${page.url}: ${page.text}`);
  return new URL(page.url).searchParams;
}

/** Runs an authorization request to its code. */
export async function codeFor(
  browser: TestBrowser,
  app: { clientId: string },
  scope: string,
  choices: Parameters<TestBrowser['through']>[1] = {},
  changes: Record<string, string | undefined> = {},
): Promise<{ code: string; verifier: string }> {
  const { url, verifier, state } = attempt(browser.server, app, scope, changes);
  const params = returned(await browser.through(await browser.go(url), choices));
  assert.equal(params.get('state'), state);
  assert.equal(params.get('error'), null, params.toString());
  return { code: params.get('code') ?? '', verifier };
}

/** Runs an authorization request to its token response. */
export async function tokensFor(
  browser: TestBrowser,
  app: { clientId: string },
  scope: string,
  choices: Parameters<TestBrowser['through']>[1] = {},
  changes: Record<string, string | undefined> = {},
): Promise<Json> {
  const { code, verifier } = await codeFor(browser, app, scope, choices, changes);
  const answer = await post(browser.server, '/auth/token', codeFields(app, code, verifier));
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return answer.body;
}

/** An EHR launch of the app by the signed-in person, to its token response. */
export async function launched(
  browser: TestBrowser,
  app: { clientId: string },
  scope: string,
  context: Json = { patient: 'ida' },
): Promise<Json> {
  const { status, body } = await browser.launch({ client_id: app.clientId, ...context });
  assert.equal(status, 201, JSON.stringify(body));
  return tokensFor(browser, app, scope, {}, { launch: String(body.launch) });
}

export function refresh(
  server: TestServer,
  app: { clientId: string },
  refreshToken: unknown,
  more: Record<string, string> = {},
): Promise<Answer> {
  return post(server, '/auth/token', {
    grant_type: 'refresh_token',
    client_id: app.clientId,
    refresh_token: String(refreshToken),
    ...more,
  });
}
