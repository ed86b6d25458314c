/**
 * TOK-6 at every route with a body: whoever sends it may come in when the head arrives, and may not when the body does. The
 * sender decides how long that takes, so that the check before the body is not enough.
 */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { text as textOfStream } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { findDoor } from '../src/http/doors/door.ts';
import { DOORS } from '../src/http/doors/doors.ts';
import { ConsolePerson } from './console-person.ts';
import { type Asked, address, rowOf, served, started, WriteCount } from './every-route.ts';
import { Backend } from './harness.ts';

const SCOPE = 'fhircast/*.* hub/session.read hub/session.write system/*.cruds';
const FORM = 'application/x-www-form-urlencoded';
const JSON_TYPE = 'application/json';

/** Requests whose head has arrived, by their id. */
const arrived = new Map<string, IncomingMessage>();
const note = (message: unknown): void => {
  const { request } = message as { readonly request: IncomingMessage };
  arrived.set(String(request.headers['x-request-id']), request);
};

const count = new WriteCount();

/** Who asks, and what ends it. */
interface Sender {
  readonly headers: readonly string[];
  /** Nothing for a sender whom nothing happens to. */
  end?(): Promise<unknown>;
}

/** Sends the head, waits until the server reads the body, has the access end, and sends the body. @returns the status */
async function send(port: number, route: string, type: string, body: string, sender: Sender): Promise<number> {
  const [method, path = ''] = route.split(' ');
  const id = crypto.randomUUID();
  const length = Buffer.byteLength(body);
  const head = [`${method} ${path} HTTP/1.1`, `Host: localhost:${port}`, `X-Request-Id: ${id}`, 'Connection: close'];
  const content = [`Content-Type: ${type}`, `Content-Length: ${length}`];
  const socket = connect(port, '127.0.0.1');
  const answer = textOfStream(socket);
  let isAnswered = false;
  void answer.finally(() => {
    isAnswered = true;
  });
  socket.write(`${[...head, ...content, ...sender.headers].join('\r\n')}\r\n\r\n`);
  while (!isAnswered && arrived.get(id)?.readableFlowing !== true) await new Promise((next) => setImmediate(next));
  assert.ok(!isAnswered, `${route} answers before the body: ${isAnswered && (await answer)}`);
  await sender.end?.();
  count.writes = 0;
  socket.write(body);
  const text = await answer;
  return Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]);
}

describe('TOK-6 access that ends between head and body', () => {
  let asked: Asked;
  let port: number;
  let other: ConsolePerson;

  before(async () => {
    subscribe('http.server.request.start', note);
    asked = await started(1, count.over);
    port = asked.lockstep.port;
    other = await ConsolePerson.signIn(asked.lockstep.origin, { sample: 'admin' });
  });
  after(async () => {
    unsubscribe('http.server.request.start', note);
    await asked?.close();
  });

  /** The routes at doors of this kind that read a body, each with what is sent there. */
  function withBodies(isMeant: (authentication: string) => boolean): readonly (readonly [string, string, string])[] {
    return served(asked.lockstep.routes).flatMap((route) => {
      const [method = '', path = ''] = route.split(' ');
      const door = findDoor(DOORS, method, path);
      if (method === 'GET' || !door || !isMeant(door.authentication)) return [];
      const row = rowOf(route);
      const to = `${method} ${address(path, row?.params?.(asked))}`;
      const body = row?.body?.(asked) ?? {};
      const sent = (type: string, text: string): readonly [string, string, string] => [to, type, text];
      const all = [body instanceof URLSearchParams ? sent(FORM, `${body}`) : sent(JSON_TYPE, JSON.stringify(body))];
      if (route === 'POST /hub' || route === 'POST /hub/:topic') all.push(sent(FORM, `${subscription(asked.topic)}`));
      return all;
    });
  }

  const subscription = (topic: string): URLSearchParams =>
    new URLSearchParams({
      'hub.channel.type': 'websocket',
      'hub.mode': 'subscribe',
      'hub.topic': topic,
      'hub.events': 'Patient-open',
    });

  async function refusesAll(routes: ReturnType<typeof withBodies>, sender: () => Promise<Sender>): Promise<void> {
    const wrong: string[] = [];
    for (const [route, type, body] of routes) {
      const status = await send(port, route, type, body, await sender());
      if (status !== 401 || count.writes > 0) wrong.push(`${route} ${type}: ${status}, ${count.writes} writes`);
    }
    assert.deepEqual(wrong, []);
  }

  /** Routes where a body is read for whoever may come in, so that the others prove something. */
  async function admitsSome(routes: ReturnType<typeof withBodies>, { headers }: Sender, most: number): Promise<void> {
    const statuses: number[] = [];
    for (const [route, type, body] of routes) statuses.push(await send(port, route, type, body, { headers }));
    assert.ok(routes.length > most, `${routes.length} routes`);
    assert.deepEqual(
      statuses.filter((status) => !(status >= 200 && status !== 401)),
      [],
    );
  }

  const bearer = (token: string): readonly string[] => [`Authorization: Bearer ${token}`];
  const browser = ({ cookie, session }: ConsolePerson): readonly string[] => [
    `Cookie: ${cookie}`,
    `X-CSRF-Token: ${session.csrf}`,
  ];
  const signIn = (): Promise<ConsolePerson> => ConsolePerson.signIn(asked.lockstep.origin, { sample: 'admin' });
  const withTokens = () => withBodies((authentication) => authentication.startsWith('bearer'));
  const ofBrowsers = () => withBodies((authentication) => authentication === 'browser');

  it('is good at every one of these routes while it lasts', async () => {
    const backend = await Backend.register(asked.lockstep.origin, { scope: SCOPE });
    await admitsSome(withTokens(), { headers: bearer(await backend.token(SCOPE)) }, 40);
    await admitsSome(
      ofBrowsers().filter(([route]) => route !== 'POST /api/console/token'),
      { headers: browser(await signIn()) },
      25,
    );
  });

  it('is refused once the token is revoked, and nothing is changed', () =>
    refusesAll(withTokens(), async () => {
      const token = await asked.backend.token(SCOPE);
      return { headers: bearer(token), end: () => asked.backend.revoke(token) };
    }));

  it('is refused once the client is suspended, and nothing is changed', async () => {
    const backend = await Backend.register(asked.lockstep.origin, { scope: SCOPE });
    const turn = (act: string) => async () => {
      const { revision } = (await (await other.call('GET', `apps/${backend.clientId}`)).json()) as {
        revision: unknown;
      };
      const answer = await other.call('POST', `apps/${backend.clientId}/${act}`, { revision });
      assert.ok(answer.ok, await answer.text());
    };
    await refusesAll(withTokens(), async () => {
      await turn('activate')();
      return { headers: bearer(await backend.token(SCOPE)), end: turn('suspend') };
    });
  });

  it('is refused once the person has signed out, and nothing is changed', () =>
    refusesAll(ofBrowsers(), async () => {
      const person = await signIn();
      const headers = { cookie: person.cookie, 'x-csrf-token': person.session.csrf };
      const url = `${asked.lockstep.origin}/auth/session`;
      return { headers: browser(person), end: () => fetch(url, { method: 'DELETE', headers }) };
    }));
});
