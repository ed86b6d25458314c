/** A request to every route, and a server that holds something for it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Config, type Lockstep, startLockstep } from '@lockstep/server';
import type { RecordStore } from '@lockstep/store';
import { openStore, type ServerStore } from '../src/store.ts';
import { ConsolePerson } from './console-person.ts';
import { Backend, EVERYTHING, HubClient, type Json, testConfig } from './harness.ts';
import { App, Person } from './person.ts';

const ORIGIN = 'https://page.example';
const SCOPE = `${EVERYTHING} system/*.cruds`;

/** A server, and who asks it. */
export interface Asked {
  readonly lockstep: Lockstep;
  readonly backend: Backend;
  readonly hub: HubClient;
  readonly admin: ConsolePerson;
  readonly folderToken: string;
  /** Somebody who is asked for a patient on the way to an app, and the id of that. */
  readonly picker: { readonly person: Person; readonly uid: string };
  readonly topic: string;
  close(): Promise<void>;
}

/** Who asks. */
type Caller = 'nobody' | 'page' | 'client' | 'administrator' | 'folder' | 'picker';

export interface Row {
  readonly as: Caller;
  /** `METHOD path` of the routes that it is about; with `**` at its end all that begin so. */
  readonly routes: readonly string[];
  /** What stands in the place of the route's parameters; `x` where there is nothing. */
  readonly params?: (asked: Asked) => Readonly<Record<string, string>>;
  readonly query?: string;
  readonly body?: (asked: Asked) => Json | URLSearchParams;
  /** Status of the answer: what is asked for is done, unless the row is about a route that refuses everything. */
  readonly status?: number;
  /** Why it may read more where there is more. */
  readonly grows?: string;
}

/** Somebody of the seeded ones. */
const userId = (index: number): string => `user-${String(index).padStart(4, '0')}`;
const appId = (asked: Asked): string => asked.backend.clientId;

/** What answers without looking at anything that grows, or refuses the method. */
const PLAIN: Row = {
  as: 'nobody',
  routes: [
    ...['/health/live', '/health/ready', '/metrics', '/hub', '/hub/*', '/openapi.json', '/asyncapi.json'],
    ...['/hub/.well-known/fhircast-configuration', '/fhir/.well-known/smart-configuration', '/fhir/metadata'],
    ...['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server'],
    ...['', '/fhir', '/hub'].map((of) => `/.well-known/oauth-protected-resource${of}`),
    ...['/auth/brand.json', '/auth/jwks', '/auth/style.css', '/auth/smart-style.json', '/favicon.ico', '/*'],
    ...[
      '/',
      '/apps',
      '/apps/*',
      '/patients/*',
      '/worklist',
      '/guests',
      '/join/*',
      '/sessions',
      '/sessions/*',
      '/launch',
      '/users',
      '/users/*',
    ],
    ...['/conformance', '/samples/viewer/', '/samples/viewer/*', '/samples/report-writer/', '/samples/report-writer/*'],
  ].map((path) => `GET ${path}`),
};

/** Steps of a sign-in or an authorization that nobody has begun: they look for it and say so. */
const STEPS: Row = {
  as: 'page',
  routes: [
    ...['GET /auth/authorize', 'POST /auth/authorize', 'GET /auth/authorize/held/:id', 'GET /auth/authorize/:uid'],
    ...['sign-in', 'patient', 'encounter', 'session', 'consent', 'cancel'].map(
      (step) => `POST /auth/interaction/:uid/${step}`,
    ),
    ...[
      'GET /auth/language',
      'GET /auth/sign-in',
      'POST /auth/sign-in',
      'POST /auth/sign-out',
      'GET /auth/session',
      'DELETE /auth/session',
    ],
    ...['GET /auth/second-factor', 'POST /auth/second-factor', 'POST /auth/backchannel-logout', 'GET /auth/userinfo'],
    ...['POST /auth/userinfo', 'GET /auth/register/:id', 'PUT /auth/register/:id', 'DELETE /auth/register/:id'],
    ...['POST /auth/token', 'POST /auth/introspect', 'POST /auth/revoke', 'POST /auth/manage', 'POST /launch'],
    'POST /hub/ticket/:ticket',
  ],
};

const form = (fields: Record<string, string>) => (): URLSearchParams => new URLSearchParams(fields);
export const ROWS: readonly Row[] = [
  PLAIN,
  STEPS,
  { as: 'nobody', routes: ['/simulate/**'] },
  {
    as: 'picker',
    routes: ['GET /auth/interaction/:uid'],
    params: ({ picker }) => ({ uid: picker.uid }),
    status: 200,
  },
  { as: 'nobody', routes: ['POST /auth/session'], body: () => ({ sample: 'dr-mei-tanaka' }), status: 200 },
  {
    as: 'nobody',
    routes: ['POST /auth/register'],
    body: () => ({ client_name: 'Late', redirect_uris: [`${ORIGIN}/`], token_endpoint_auth_method: 'none' }),
    status: 201,
  },
  { as: 'administrator', routes: ['GET /auth/manage'], status: 200 },

  // The Hub.
  {
    as: 'client',
    routes: ['POST /hub', 'POST /hub/:topic'],
    params: ({ topic }) => ({ topic }),
    body: ({ topic }) => ({
      timestamp: '2026-11-30T08:00:00Z',
      id: crypto.randomUUID(),
      event: {
        'hub.topic': topic,
        'hub.event': 'Patient-open',
        context: [{ key: 'patient', resource: { resourceType: 'Patient', id: 'p1' } }],
      },
    }),
    status: 202,
  },
  { as: 'client', routes: ['POST /hub/session'], body: () => ({ user: 'Practitioner/late' }), status: 201 },
  {
    as: 'client',
    routes: ['GET /hub/session'],
    status: 200,
  },
  { as: 'client', routes: ['GET /hub/:topic'], params: ({ topic }) => ({ topic }), status: 200 },
  {
    as: 'client',
    routes: ['POST /hub/session/:topic/invitation'],
    params: ({ topic }) => ({ topic }),
    body: () => ({}),
    status: 201,
  },
  {
    as: 'client',
    routes: [
      'DELETE /hub/session/:topic/invitation/:id',
      'POST /hub/invitation/:code',
      'DELETE /hub/session/:topic/guest',
    ],
  },
  { as: 'client', routes: ['DELETE /hub/session/:topic'] },
  { as: 'client', routes: ['POST /hub/ticket'], body: () => ({}) },

  // The FHIR endpoint.
  { as: 'client', routes: ['GET /fhir/:type/:id'], params: () => ({ id: 'seed-0001' }), status: 200 },
  {
    as: 'client',
    routes: ['GET /fhir/:type'],
    query: '?_count=5',
    status: 200,
    grows:
      'a search that names no identifier and no patient looks at every resource of its type, at a fifth of the rate limit',
  },
  {
    as: 'client',
    routes: ['POST /fhir/:type/_search'],
    body: form({ identifier: 'seed-0003' }),
    status: 200,
  },
  { as: 'client', routes: ['POST /fhir/:type'], body: () => ({ resourceType: 'Patient' }), status: 201 },
  {
    as: 'client',
    routes: ['PUT /fhir/:type/:id'],
    params: () => ({ id: 'seed-0001' }),
    body: () => ({ resourceType: 'Patient', id: 'seed-0001' }),
    status: 200,
  },
  { as: 'client', routes: ['DELETE /fhir/:type/:id'], params: () => ({ id: 'seed-0002' }), status: 204 },
  {
    as: 'client',
    routes: ['GET /fhir/:type/:id/_history', 'GET /fhir/:type/:id/_history/:version'],
    params: () => ({ id: 'seed-0003', version: '1' }),
    status: 200,
  },
  {
    as: 'client',
    routes: ['GET /fhir/dicom-web/studies/:study/series/:series/instances/:instance'],
    params: () => ({ study: '2.999.7.26.1.1', series: '2.999.7.26.1.1.1', instance: '2.999.7.26.1.1.1.1' }),
  },
  { as: 'client', routes: ['GET /fhir/Patient/:id/$everything'], params: () => ({ id: 'seed-0003' }) },
  {
    as: 'client',
    routes: ['POST /fhir/Patient/:id/$everything'],
    params: () => ({ id: 'seed-0003' }),
    body: () => ({ resourceType: 'Parameters', parameter: [{ name: '_count', valueInteger: 1 }] }),
    status: 200,
  },
  {
    as: 'client',
    routes: [
      ...['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].flatMap((method) => [`${method} /fhir`, `${method} /fhir/*`]),
      ...['PUT', 'PATCH', 'DELETE'].map((method) => `${method} /fhir/Patient/:id/$everything`),
      ...['POST', 'PUT', 'PATCH', 'DELETE'].map(
        (method) => `${method} /fhir/dicom-web/studies/:study/series/:series/instances/:instance`,
      ),
      ...['POST', 'PUT', 'PATCH', 'DELETE'].map((method) => `${method} /fhir/:type/:id/_history`),
      ...['POST', 'PUT', 'PATCH', 'DELETE'].map((method) => `${method} /fhir/:type/:id/_history/:version`),
      ...['PUT', 'PATCH', 'DELETE'].flatMap((method) => [`${method} /fhir/:type`, `${method} /fhir/:type/_search`]),
      ...['POST /fhir/:type/:id', 'PATCH /fhir/:type/:id'],
    ],
  },

  // The console.
  {
    as: 'administrator',
    routes: [
      ...[
        'me',
        'session',
        'simulation',
        'conformance',
        'conformance/run/live',
        'conformance/run/report',
        'apps',
        'users',
      ],
      ...['launches/:launch', 'conformance/reports/:id', 'conformance/reports/:id/since/:other'],
      ...['conformance/reports/:id/as/:form', 'conformance/run/report/:form'],
    ].map((path) => `GET /api/console/${path}`),
  },
  { as: 'administrator', routes: ['GET /api/console/sessions'], status: 200 },
  {
    as: 'administrator',
    routes: ['', '/timeline', '/log', '/export'].map((of) => `GET /api/console/sessions/:topic${of}`),
    params: ({ topic }) => ({ topic }),
    status: 200,
  },
  { as: 'administrator', routes: ['POST /api/console/sessions/:topic/publish', 'DELETE /api/console/sessions/:topic'] },
  {
    as: 'administrator',
    routes: ['POST /api/console/token', 'POST /api/console/scopes', 'POST /api/console/password'],
    body: () => ({}),
  },
  { as: 'administrator', routes: ['POST /api/console/simulation/launch'], body: () => ({}) },
  { as: 'administrator', routes: ['POST /api/console/manifest'], body: () => ({ text: '{}' }) },
  {
    as: 'administrator',
    routes: ['run', 'run/again', 'run/answer'].map((path) => `POST /api/console/conformance/${path}`),
    body: () => ({}),
  },
  { as: 'administrator', routes: ['DELETE /api/console/conformance/run'] },
  {
    as: 'administrator',
    routes: ['GET /api/console/apps/:id'],
    params: (asked) => ({ id: appId(asked) }),
    status: 200,
  },
  {
    as: 'administrator',
    routes: ['POST /api/console/apps'],
    body: () => ({ client_name: 'New', redirect_uris: [`${ORIGIN}/`], token_endpoint_auth_method: 'none' }),
    status: 201,
  },
  {
    as: 'administrator',
    routes: ['PUT /api/console/apps/:id'],
    params: () => ({ id: 'app-0001' }),
    body: () => ({ client_name: 'Changed', redirect_uris: [`${ORIGIN}/`], token_endpoint_auth_method: 'none' }),
    status: 200,
  },
  {
    as: 'administrator',
    routes: ['launch', 'activate', 'secret', 'topic-secret'].map((act) => `POST /api/console/apps/:id/${act}`),
    params: () => ({ id: 'app-0002' }),
    body: () => ({}),
  },
  {
    as: 'administrator',
    routes: ['POST /api/console/apps/:id/suspend'],
    params: () => ({ id: 'app-0003' }),
    body: () => ({}),
    status: 200,
  },
  {
    as: 'administrator',
    routes: ['DELETE /api/console/apps/:id/tokens', 'DELETE /api/console/apps/:id/tokens/:tokenId'],
    params: () => ({ id: 'app-0004' }),
  },
  { as: 'administrator', routes: ['DELETE /api/console/apps/:id'], params: () => ({ id: 'app-0005' }), status: 204 },
  { as: 'administrator', routes: ['GET /api/console/users/:id'], params: () => ({ id: userId(1) }), status: 200 },
  {
    as: 'administrator',
    routes: ['POST /api/console/users'],
    body: () => ({ id: 'late', name: 'Late', aliases: ['X9'] }),
    status: 201,
  },
  {
    as: 'administrator',
    routes: ['PUT /api/console/users/:id'],
    params: () => ({ id: userId(2) }),
    body: () => ({ name: 'Changed', aliases: ['X8'] }),
    status: 200,
  },
  {
    as: 'administrator',
    routes: ['password', 'suspend', 'activate', 'sign-out'].map((act) => `POST /api/console/users/:id/${act}`),
    params: () => ({ id: userId(3) }),
    body: () => ({}),
    status: 200,
  },
  { as: 'administrator', routes: ['DELETE /api/console/users/:id/second-factor'], params: () => ({ id: userId(4) }) },
  { as: 'administrator', routes: ['DELETE /api/console/users/:id'], params: () => ({ id: userId(5) }), status: 204 },

  // Commands on this machine.
  { as: 'folder', routes: ['GET /api/admin/server'], status: 200 },
  {
    as: 'folder',
    routes: ['GET /api/admin/users'],
    status: 200,
    grows: 'a command of the owner of the data folder asks for all of them, one list after the other',
  },
  { as: 'folder', routes: ['GET /api/admin/apps'], status: 200 },
  { as: 'folder', routes: ['POST /api/admin/backup'], body: () => ({}) },
  {
    as: 'folder',
    routes: ['POST /api/admin/apps'],
    body: () => ({ client_name: 'N', redirect_uris: [`${ORIGIN}/`], token_endpoint_auth_method: 'none' }),
    status: 201,
  },
  {
    as: 'folder',
    routes: ['POST /api/admin/apps/:id/topic-secret', 'POST /api/admin/apps/:id/launch'],
    body: () => ({}),
  },
  {
    as: 'folder',
    routes: ['POST /api/admin/users'],
    body: () => ({ id: 'later', name: 'Later', aliases: ['X7'] }),
    status: 201,
  },
  { as: 'folder', routes: ['POST /api/admin/keys/rotate', 'POST /api/admin/token'], body: () => ({}) },
];

export function rowOf(route: string): Row | undefined {
  const path = route.split(' ')[1] ?? '';
  return ROWS.find(({ routes }) =>
    routes.some((one) => (one.endsWith('**') ? path.startsWith(one.slice(0, -2)) : one === route)),
  );
}

/** A route with something in the place of its parameters. */
export function address(path: string, params: Readonly<Record<string, string>> = {}): string {
  const given: Readonly<Record<string, string>> = { options: 'none', type: 'Patient', ...params };
  return path.replace(/:([A-Za-z]+)/g, (_, name: string) => given[name] ?? 'x').replace('*', 'x');
}

export async function ask(asked: Asked, route: string, { as, params, query = '', body }: Row): Promise<Response> {
  const [method = '', pattern = ''] = route.split(' ');
  const content = ['GET', 'DELETE'].includes(method) ? undefined : body?.(asked);
  const isForm = content instanceof URLSearchParams;
  const caller: Record<Caller, Record<string, string>> = {
    nobody: {},
    page: { origin: ORIGIN },
    client: { origin: ORIGIN, authorization: `Bearer ${asked.hub.token}` },
    administrator: { cookie: asked.admin.cookie, 'x-csrf-token': asked.admin.session.csrf },
    folder: { authorization: `Bearer ${asked.folderToken}` },
    picker: {},
  };
  const url = asked.lockstep.origin + address(pattern, params?.(asked)) + query;
  const send: typeof fetch = as === 'picker' ? (to, init) => asked.picker.person.request(String(to), init) : fetch;
  return send(url, {
    method,
    redirect: 'manual',
    headers: { ...caller[as], ...(content && !isForm && { 'content-type': 'application/json' }) },
    ...(content && { body: isForm ? content : JSON.stringify(content) }),
  });
}

/** Counts the writes that stores are asked for. */
export class WriteCount {
  writes = 0;

  readonly over = (store: ServerStore): ServerStore => ({
    ...store,
    records: this.#of(store.records, ['put', 'putAll', 'delete', 'deleteBy']),
    sessions: this.#of(store.sessions, ['commit', 'erase']),
  });

  #of<T extends object>(store: T, methods: readonly string[]): T {
    for (const name of methods) assert.equal(typeof Reflect.get(store, name), 'function', `a store without ${name}`);
    return new Proxy(store, {
      get: (target, name) => {
        const method = Reflect.get(target, name);
        if (typeof method !== 'function') return method;
        return (...args: unknown[]) => {
          if (methods.includes(String(name))) this.writes += 1;
          return method.apply(target, args);
        };
      },
    });
  }
}

/** Works through a list, some at a time. */
async function each(count: number, work: (index: number) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < count; from += 50) {
    await Promise.all(Array.from({ length: Math.min(50, count - from) }, (_, index) => work(from + index)));
  }
}

/**
 * A server with so many users, apps of one origin, patients, tokens and sessions of one client.
 * @param over stands between the server and its store @param more settings that differ from those of tests
 */
export async function started(
  count: number,
  over: (store: ServerStore) => ServerStore,
  more: Partial<Config> = {},
): Promise<Asked> {
  const config = testConfig(more);
  let records!: RecordStore;
  const lockstep = await startLockstep(config, async (opened) => {
    const store = await openStore(opened);
    records = store.records;
    return over(store);
  });
  const { token: folderToken } = JSON.parse(readFileSync(join(config.data, 'running.json'), 'utf8'));
  const command = async (path: string, body: Json): Promise<void> => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${folderToken}` };
    const answer = await fetch(`${lockstep.origin}/api/admin/${path}`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    });
    assert.ok(answer.ok, `${path}: ${answer.status} ${await answer.text()}`);
  };
  const backend = await Backend.register(lockstep.origin, { scope: SCOPE });
  const hub = new HubClient(`${lockstep.origin}/hub`, await backend.token(SCOPE));
  const admin = await ConsolePerson.signIn(lockstep.origin, { sample: 'admin' });
  const topic = await hub.session('Practitioner/first');
  const person = new Person(lockstep.origin);
  await person.signIn();
  const app = await App.register(lockstep.origin);
  const picking = await person.go(app.begin('launch/patient').url);
  const uid = new URL(picking.url).pathname.split('/').at(-1) ?? '';
  await each(count, (index) => command('users', { id: userId(index), name: `User ${index}`, aliases: [`U${index}`] }));
  const number = (index: number): string => String(index).padStart(4, '0');
  await each(count, (index) =>
    command('apps', {
      client_id: `app-${number(index)}`,
      client_name: `App ${index}`,
      redirect_uris: [`${ORIGIN}/`],
      token_endpoint_auth_method: 'none',
    }),
  );
  await each(count, (index) => hub.session(`Practitioner/user-${index}`));
  await each(count, () => backend.token(SCOPE));
  await each(count, (index) =>
    hub
      .json(
        `/../fhir/Patient/seed-${number(index)}`,
        { resourceType: 'Patient', id: `seed-${number(index)}`, identifier: [{ value: `seed-${number(index)}` }] },
        'PUT',
      )
      .then(async (answer) => assert.ok(answer.ok, await answer.text())),
  );
  assert.ok((await records.count('client', { atMost: 2 * count })) > count);
  // The list of sessions is read once, and what changes after that.
  assert.equal((await admin.call('GET', 'sessions')).status, 200);
  return {
    lockstep,
    backend,
    hub,
    admin,
    folderToken,
    picker: { person, uid },
    topic,
    async close() {
      await lockstep.close();
      await rm(config.data, { recursive: true, force: true });
    },
  };
}

/** Every route once; HEAD is the GET of the same, and a preflight reads nothing but the origin, which others show. */
export function served(routes: readonly string[]): readonly string[] {
  return [...new Set(routes)].filter((route) => !/^(HEAD|TRACE|OPTIONS) /.test(route));
}
