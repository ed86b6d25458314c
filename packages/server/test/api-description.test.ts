/** The descriptions that the server gives of itself, held against the running server. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { describe, it } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { describedRoutes } from '../src/http/api/openapi.ts';
import { HubClient, type Json, json, patient, sharedLockstep } from './harness.ts';
import { sharedIssuer } from './issuer.ts';
import { App, Person } from './person.ts';

const issuer = await sharedIssuer({ services: { ehr: 'all' } });
const provider = { oidcIssuer: 'https://sign-in.example', oidcClientId: 'lockstep' };
const servers = {
  'with everything': await sharedLockstep({ trustedIssuers: issuer.file, ...provider }),
  'as a Hub alone': await sharedLockstep({ role: 'hub', sampleData: false, trustedIssuers: issuer.file }),
  'with webhooks off': await sharedLockstep({ webhooks: false, trustedIssuers: issuer.file }),
} as const;
const everything = servers['with everything'];

/** Pages, their files and calls, and preflights: no interface for other programs. */
const PRIVATE =
  /^(HEAD|OPTIONS|TRACE|QUERY|[A-Z]+ \/(api\/console|simulate)\/|GET \/(\*|favicon\.ico|(apps|patients|sessions|users)(\/\*)?|worklist|guests|join\/\*|launch|conformance|samples\/.*)?$)/;

const operations = (document: Json): string[] =>
  Object.entries(document.paths as Json).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );

for (const [name, server] of Object.entries(servers)) {
  describe(`a server ${name}`, () => {
    it('describes every route of its own, and no other', async () => {
      const document = await json(fetch(`${server.origin}/openapi.json`));
      const described = new Set(operations(document));
      const served = new Set<string>();
      for (const route of new Set(server.routes)) {
        if (PRIVATE.test(route)) continue;
        const [method = '', path = ''] = route.replace(/(.)\/$/, '$1').split(' ');
        const shape = `${method} ${path.replace(/:([A-Za-z]+)/g, '{$1}')}`;
        served.add(shape);
        if (described.has(shape)) continue;
        // Nothing is there: the route says so.
        const address = path.replace(/:[A-Za-z]+/g, 'Patient').replace('*', 'x/y/z');
        const headers = {
          authorization: `Bearer ${await issuer.token({ sub: 'ehr', azp: 'ehr', scope: 'system/*.*' })}`,
        };
        const { status } = await fetch(server.origin + address, { method, headers });
        assert.ok([404, 405].includes(status), `${route} is not described: ${status}`);
      }
      for (const one of described) assert.ok(served.has(one), `${one} is described and not served`);
    });

    it('gives documents that the official schemas accept', async () => {
      const document = await json(fetch(`${server.origin}/openapi.json`));
      const checked = await new Validator().validate(document);
      assert.ok(checked.valid, JSON.stringify(checked.errors, null, 1));
      const ids = operations(document).map((one) => {
        const [method = '', path = ''] = one.split(' ');
        return document.paths[path][method.toLowerCase()].operationId;
      });
      assert.equal(new Set(ids).size, ids.length, 'operation ids are unique');
      for (const [, reference] of JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)) {
        assert.ok(document.components.schemas[reference ?? ''], reference);
      }
      const messages = await json(fetch(`${server.origin}/asyncapi.json`));
      const schema = createRequire(import.meta.url)('@asyncapi/specs/schemas/3.0.0-without-$id.json') as object;
      const ajv = new Ajv({ strict: false, validateFormats: false });
      assert.ok(ajv.validate(schema, messages), JSON.stringify(ajv.errors?.slice(0, 5), null, 1));
      assert.equal('webhook' in messages.channels, name !== 'with webhooks off');
      for (const [, path = ''] of JSON.stringify(messages).matchAll(/"\$ref":"#\/([^"]+)"/g)) {
        assert.ok(
          path.split('/').reduce<Json | undefined>((at, step) => at?.[step], messages),
          path,
        );
      }
    });
  });
}

const written = await readFile(new URL('../../../docs/api/http.md', import.meta.url), 'utf8');

/** What `docs/api/http.md` says that an operation answers where it is well; undefined where it has no row of its own. */
function statusesOf(operation: string): readonly string[] | undefined {
  const [method, path] = operation.split(' ');
  const row = written.split('\n').find((line) => line.startsWith(`| ${method} | \`${path}\` |`));
  const said = row?.split('|').at(-2)?.split(';')[0];
  return said === undefined ? undefined : [...said.matchAll(/\b[23]\d\d\b/g)].map(([status]) => status);
}

/** Asks, and holds the answer against what the document says about it; once more where the answer can be told unchanged. */
async function asker(origin: string) {
  const document = await json(fetch(`${origin}/openapi.json`));
  const ajv = addFormats.default(new Ajv2020({ strict: false }));
  ajv.addSchema({ $id: 'api', components: document.components });
  const seen = new Set<string>();
  return {
    seen,
    async ask(operation: string, address: string, init: RequestInit = {}) {
      const [method = '', path = ''] = operation.split(' ');
      const response = await fetch(origin + address, { method, redirect: 'manual', ...init });
      const said = document.paths[path][method.toLowerCase()].responses;
      const described = said[response.status] ?? said.default;
      if (response.status < 400) assert.ok(said[response.status], `${operation} answers ${response.status}`);
      const stated = statusesOf(operation);
      if (response.status < 400 && stated) {
        assert.ok(stated.includes(String(response.status)), `docs/api/http.md: ${operation} ${response.status}`);
      }
      const text = await response.text();
      seen.add(`${operation} ${response.status}`);
      const tag = response.headers.get('etag');
      if (method === 'GET' && response.status === 200 && tag !== null) {
        const headers = { ...init.headers, 'if-none-match': tag };
        const { status } = await fetch(origin + address, { ...init, headers });
        assert.equal(status, 304, `${operation} has an ETag and answers If-None-Match with ${status}`);
        assert.ok(said[status], `${operation} answers ${status}`);
        assert.ok(stated?.includes('304'), `docs/api/http.md: ${operation} 304`);
        seen.add(`${operation} 304`);
      }
      if (text === '') return { status: response.status, headers: response.headers, text, body: undefined };
      const type = (response.headers.get('content-type') ?? '').split(';')[0]!;
      assert.ok(described.content?.[type], `${operation} ${response.status} answers ${type}`);
      const body = /json$/.test(type) ? (JSON.parse(text) as Json) : text;
      const pointer = JSON.stringify(described.content[type].schema).replaceAll('"#/', '"api#/');
      const check = ajv.compile(JSON.parse(pointer));
      assert.ok(check(body), `${operation} ${response.status}: ${JSON.stringify(check.errors)} ${text.slice(0, 300)}`);
      return { status: response.status, headers: response.headers, text, body };
    },
  };
}

const withJson = (token: string, body: unknown, type = 'application/json'): RequestInit => ({
  headers: { authorization: `Bearer ${token}`, 'content-type': type },
  body: JSON.stringify(body),
});

describe('real answers', () => {
  it('of Hub, FHIR endpoint and authorization server are what the document says', async () => {
    const { ask, seen } = await asker(everything.origin);
    const token = await issuer.token({ sub: 'ehr', azp: 'ehr', scope: 'fhircast/*.* hub/session.* system/*.cruds' });
    const bearer = { headers: { authorization: `Bearer ${token}` } };
    const session = await ask('POST /hub/session', '/hub/session', withJson(token, { user: 'dr-lena-okafor' }));
    const topic = (session.body as Json)['hub.topic'];
    const event = {
      timestamp: new Date().toISOString(),
      id: crypto.randomUUID(),
      event: { 'hub.topic': topic, 'hub.event': 'Patient-open', context: [patient('p1')] },
    };
    const subscription = { 'hub.mode': 'subscribe', 'hub.channel.type': 'websocket', 'hub.topic': topic };
    await ask('POST /hub', '/hub', withJson(token, { ...subscription, 'hub.events': 'Patient-open' }));
    await ask('POST /hub', '/hub', withJson(token, { 'hub.mode': 'subscribe' }));
    await ask('GET /hub/{topic}', `/hub/${topic}`, bearer);
    await ask('POST /hub/{topic}', `/hub/${topic}`, withJson(token, event));
    await ask('GET /hub/{topic}', `/hub/${topic}`, bearer);
    await ask('GET /hub/{topic}', '/hub/no-such-topic', bearer);
    await ask('GET /hub/{topic}', `/hub/${topic}`);
    await ask('GET /hub/session', '/hub/session', bearer);
    await ask('DELETE /hub/session/{topic}', `/hub/session/${topic}`, bearer);
    await ask('POST /hub/ticket', '/hub/ticket', withJson(token, {}));
    await ask('POST /hub/ticket/{ticket}', '/hub/ticket/none', { method: 'POST' });
    const found = await ask('GET /fhir/{type}', '/fhir/Patient?_count=1', bearer);
    const { id } = (found.body as Json).entry[0].resource;
    await ask('GET /fhir/{type}/{id}', `/fhir/Patient/${id}`, bearer);
    await ask('GET /fhir/{type}/{id}', '/fhir/Patient/nobody', bearer);
    await ask('GET /fhir/{type}', '/fhir/Patient?nonsense=1', bearer);
    await ask('GET /fhir/{type}/{id}/_history', `/fhir/Patient/${id}/_history`, bearer);
    await ask('GET /fhir/{type}/{id}/_history/{version}', `/fhir/Patient/${id}/_history/1`, bearer);
    await ask('GET /fhir/Patient/{id}/$everything', `/fhir/Patient/${id}/$everything`, bearer);
    const batch = {
      resourceType: 'Bundle',
      type: 'batch',
      entry: [{ request: { method: 'GET', url: `Patient/${id}` } }],
    };
    await ask('POST /fhir', '/fhir', withJson(token, batch, 'application/fhir+json'));
    await ask(
      'POST /fhir/{type}',
      '/fhir/Patient',
      withJson(token, { resourceType: 'Patient' }, 'application/fhir+json'),
    );
    await ask(
      'POST /fhir/{type}',
      '/fhir/Patient',
      withJson(token, { resourceType: 'Basic' }, 'application/fhir+json'),
    );
    for (const path of [
      '/fhir/metadata',
      '/fhir/.well-known/smart-configuration',
      '/.well-known/openid-configuration',
      '/.well-known/oauth-authorization-server',
      '/.well-known/oauth-protected-resource',
      '/.well-known/oauth-protected-resource/hub',
      '/hub/.well-known/fhircast-configuration',
      '/auth/jwks',
      '/auth/brand.json',
      '/auth/style.css',
      '/auth/smart-style.json',
      '/auth/sign-in',
      '/health/live',
      '/health/ready',
      '/metrics',
      '/openapi.json',
      '/asyncapi.json',
    ]) {
      const { status } = await ask(`GET ${path}`, path);
      assert.equal(status, 200, path);
    }
    await ask('POST /auth/token', '/auth/token', { body: new URLSearchParams({ grant_type: 'none' }) });
    await ask('POST /auth/introspect', '/auth/introspect', { body: new URLSearchParams({ token: 'x' }) });
    await ask('GET /auth/authorize', '/auth/authorize?client_id=nobody');
    const app = {
      client_name: 'Described',
      redirect_uris: ['http://localhost/back'],
      token_endpoint_auth_method: 'none',
    };
    await ask('POST /auth/register', '/auth/register', {
      ...withJson('', app),
      headers: { 'content-type': 'application/json' },
    });
    await ask('GET /api/admin/server', '/api/admin/server');
    await ask('POST /launch', '/launch', withJson(token, {}));
    assert.ok(seen.size > 40, String(seen.size));
    assert.ok([...seen].filter((one) => one.endsWith(' 304')).length >= 9);
    const { paths } = await json(fetch(`${everything.origin}/openapi.json`));
    for (const [path, { get }] of Object.entries<Json>(paths)) {
      if (!get?.responses[304] || path === '/.well-known/oauth-protected-resource/fhir') continue;
      assert.ok(seen.has(`GET ${path} 304`), `GET ${path} is said to answer 304`);
    }
  });

  it('of a launch and its token are what the document says', async () => {
    const server = servers['with webhooks off'];
    const person = new Person(server.origin);
    const { session_topic: topic } = await person.signIn();
    const app = await App.register(server.origin);
    const token = await app.launched(person, 'launch openid fhirUser patient/*.rs fhircast/*.*', { topic });
    const document = await json(fetch(`${server.origin}/openapi.json`));
    const ajv = addFormats.default(new Ajv2020({ strict: false }));
    ajv.addSchema({ $id: 'api', components: document.components });
    const check = ajv.getSchema('api#/components/schemas/Token')!;
    assert.ok(check(token), JSON.stringify(check.errors));
    const { ask } = await asker(server.origin);
    await ask('GET /auth/userinfo', '/auth/userinfo', { headers: { authorization: `Bearer ${token.access_token}` } });
  });

  it('and what goes over a WebSocket are messages of the AsyncAPI document', async () => {
    const server = servers['as a Hub alone'];
    const token = await issuer.token({ sub: 'ehr', azp: 'ehr', scope: 'fhircast/*.* hub/session.*' });
    const hub = new HubClient(`${server.origin}/hub`, token);
    const topic = await hub.session('somebody');
    const subscriber = await hub.subscribe(topic, 'Patient-open');
    await subscriber.next();
    await hub.publish(topic, 'Patient-open', [patient('p1')]);
    await subscriber.event();
    subscriber.socket.send(JSON.stringify({ type: 'ping' }));
    await subscriber.next();
    await hub.request(`/session/${topic}`, { method: 'DELETE' });
    await subscriber.next();
    const messages = await json(fetch(`${server.origin}/asyncapi.json`));
    const ajv = addFormats.default(new Ajv2020({ strict: false }));
    ajv.addSchema({ $id: 'api', components: messages.components });
    const names = ['Confirmation', 'Event', 'Pong', 'Denial'];
    assert.equal(subscriber.received.length, names.length);
    for (const [index, name] of names.entries()) {
      const check = ajv.getSchema(`api#/components/schemas/${name}`)!;
      assert.ok(check(subscriber.received[index]), `${name}: ${JSON.stringify(check.errors)}`);
      for (const other of names.filter((one) => one !== name)) {
        assert.ok(
          !ajv.getSchema(`api#/components/schemas/${other}`)!(subscriber.received[index]),
          `${name} is no ${other}`,
        );
      }
    }
  });

  it('a route that is not described stops the start', () => {
    for (const route of ['GET /new', 'POST /hub/new', 'PUT /auth/token', 'GET /api/admin/new']) {
      assert.throws(() => describedRoutes(['GET /health/live', route]), /is not described/, route);
    }
  });
});
