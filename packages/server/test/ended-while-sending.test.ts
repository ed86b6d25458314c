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
import { Backend, type Json, json } from './harness.ts';

const SCOPE = 'fhircast/*.* hub/session.read hub/session.write system/*.cruds';
const PASSWORD = 'a lantern of quartz';
const FORM = 'application/x-www-form-urlencoded';
const JSON_TYPE = 'application/json';

/** Requests whose head has arrived, by their id. */
const arrived = new Map<string, IncomingMessage>();
const note = (message: unknown): void => {
  const { request } = message as { readonly request: IncomingMessage };
  arrived.set(String(request.headers['x-request-id']), request);
};

const count = new WriteCount();

/** Who asks. */
interface Sender {
  readonly headers: readonly string[];
}

/**
 * Sends the head, and waits until the server reads the body.
 * @returns sends the body and tells the status
 */
async function begin(port: number, route: string, type: string, body: string, sender: Sender) {
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
  return async (): Promise<number> => {
    count.writes = 0;
    socket.write(body);
    const text = await answer;
    return Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]);
  };
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

  /** Begins a request at each of these routes, has the access of all of them end, and sends the bodies. */
  async function refusesAll(
    senders: readonly (readonly [routes: ReturnType<typeof withBodies>, sender: Sender])[],
    end: () => Promise<unknown>,
  ): Promise<void> {
    const begun: (readonly [name: string, finish: () => Promise<number>])[] = [];
    for (const [routes, sender] of senders) {
      assert.ok(routes.length > 1, `${routes.length} routes`);
      for (const [route, type, body] of routes)
        begun.push([`${route} ${type}`, await begin(port, route, type, body, sender)]);
    }
    await end();
    const wrong: string[] = [];
    for (const [name, finish] of begun) {
      const status = await finish();
      if (status !== 401 || count.writes > 0) wrong.push(`${name}: ${status}, ${count.writes} writes`);
    }
    assert.deepEqual(wrong, []);
  }

  /** Routes where a body is read for whoever may come in, so that the others prove something. */
  async function admitsSome(routes: ReturnType<typeof withBodies>, { headers }: Sender, most: number): Promise<void> {
    const statuses: number[] = [];
    for (const [route, type, body] of routes) {
      const finish = await begin(port, route, type, body, { headers });
      statuses.push(await finish());
    }
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
  /** Where a sign-in is looked for once the form is read. */
  const ofSignIns = (): ReturnType<typeof withBodies> => [['POST /launch', JSON_TYPE, '{}']];

  it('is good at every one of these routes while it lasts', async () => {
    const backend = await Backend.register(asked.lockstep.origin, { scope: SCOPE });
    await admitsSome(withTokens(), { headers: bearer(await backend.token(SCOPE)) }, 40);
    await admitsSome(
      ofBrowsers().filter(([route]) => route !== 'POST /api/console/token'),
      { headers: browser(await signIn()) },
      25,
    );
  });

  it('is refused once the token is revoked, and nothing is changed', async () => {
    const token = await asked.backend.token(SCOPE);
    await refusesAll([[withTokens(), { headers: bearer(token) }]], () => asked.backend.revoke(token));
  });

  /** What an administrator does to an app. */
  const toApp: Readonly<Record<string, (id: string, found: Json) => Promise<Response>>> = {
    suspended: (id, { revision }) => other.call('POST', `apps/${id}/suspend`, { revision }),
    deleted: (id) => other.call('DELETE', `apps/${id}`),
    'given less': (id, { metadata }) => other.call('PUT', `apps/${id}`, { ...metadata, scope: 'fhircast/*.*' }),
    'told to come again': (id) => other.call('DELETE', `apps/${id}/tokens`),
  };
  for (const [what, act] of Object.entries(toApp)) {
    it(`is refused once the client is ${what}, and nothing is changed`, async () => {
      const backend = await Backend.register(asked.lockstep.origin, { scope: SCOPE });
      const headers = bearer(await backend.token(SCOPE));
      await refusesAll([[withTokens(), { headers }]], async () => {
        const answer = await act(backend.clientId, await json(other.call('GET', `apps/${backend.clientId}`)));
        assert.ok(answer.ok, await answer.text());
      });
    });
  }

  /** What ends the access of somebody who administers too, at one of the browsers where they are signed in. */
  const toPerson: Readonly<Record<string, (id: string, person: ConsolePerson) => Promise<Response>>> = {
    'has signed out': (_, { origin, cookie, session: { csrf } }) =>
      fetch(`${origin}/auth/session`, { method: 'DELETE', headers: { cookie, 'x-csrf-token': csrf } }),
    'is signed out by an administrator': (id) => other.call('POST', `users/${id}/sign-out`, {}),
    'is suspended': (id) => other.call('POST', `users/${id}/suspend`, {}),
    'is deleted': (id) => other.call('DELETE', `users/${id}`),
    'has changed the password elsewhere': async (id, { origin }) => {
      const elsewhere = await ConsolePerson.signIn(origin, { user: id, password: PASSWORD });
      return elsewhere.call('POST', 'password', { before: PASSWORD, after: `${PASSWORD} too` });
    },
    'is given another password': (id) => other.call('POST', `users/${id}/password`, {}),
    'administers no more': (id) => other.call('PUT', `users/${id}`, { name: 'Ida', administrator: false }),
    'stands for somebody else': (id) =>
      other.call('PUT', `users/${id}`, { name: 'Ida', administrator: true, reference: 'Practitioner/somebody' }),
  };
  for (const [at, [what, act]] of Object.entries(toPerson).entries()) {
    it(`is refused once the person ${what}, and nothing is changed`, async () => {
      const id = `ida-${at}`;
      const made = await other.call('POST', 'users', { id, name: 'Ida', administrator: true, password: PASSWORD });
      assert.equal(made.status, 201, await made.text());
      const person = await ConsolePerson.signIn(asked.lockstep.origin, { user: id, password: PASSWORD });
      const { access_token: token } = await json(person.call('POST', 'token', {}));
      const headers = browser(person);
      const senders = [
        [withTokens(), { headers: bearer(token) }],
        [[...ofBrowsers(), ...ofSignIns()], { headers }],
      ] as const;
      await refusesAll(senders, async () => {
        const answer = await act(id, person);
        assert.ok(answer.ok, await answer.text());
      });
    });
  }
});
