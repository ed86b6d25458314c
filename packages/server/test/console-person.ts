import assert from 'node:assert/strict';
import { type Json, json } from './harness.ts';

/** A browser's session with the console. */
export class ConsolePerson {
  readonly origin: string;
  readonly cookie: string;
  readonly session: Json;

  private constructor(origin: string, cookie: string, session: Json) {
    this.origin = origin;
    this.cookie = cookie;
    this.session = session;
  }

  static async signIn(origin: string, given: Json): Promise<ConsolePerson> {
    const response = await fetch(`${origin}/auth/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(given),
    });
    assert.equal(response.status, 200, await response.clone().text());
    const cookie = response.headers
      .getSetCookie()
      .map((one) => one.split(';')[0])
      .join('; ');
    return new ConsolePerson(origin, cookie, await json(response));
  }

  call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(`${this.origin}/api/console/${path}`, {
      method,
      headers: {
        cookie: this.cookie,
        'x-csrf-token': this.session.csrf,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  }
}
