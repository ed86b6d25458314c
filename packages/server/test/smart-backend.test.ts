/** Backend services over the whole server: whose sessions they see, join and drive (SES-3, SES-4, SES-7, TOK-5). */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { Backend, EVERYTHING, HubClient, type Json, json, patient, sharedLockstep, withLockstep } from './harness.ts';
import { ASSERTION_TYPE, Person, post, register } from './person.ts';

const lockstep = await sharedLockstep();
const { origin } = lockstep;
const topicsOf = async (client: HubClient, query = ''): Promise<string[]> =>
  (await json(client.request(`/session${query}`))).map((session: Json) => session['hub.topic']);

describe('backend services', () => {
  it('SES-3 one that registers itself sees sessions by user and by workstation, joins and drives them', async () => {
    const [lena, mei] = [new Person(origin), new Person(origin)];
    const a = (await lena.signIn('dr-lena-okafor', 'reading-room-1')).session_topic;
    const b = (await mei.signIn('dr-mei-tanaka', 'reading-room-2')).session_topic;
    const service = await HubClient.backend(origin);
    for (const [query, expected] of [
      ['?user=Practitioner/dr-lena-okafor', [a]],
      ['?workstation=reading-room-2', [b]],
      ['?user=Practitioner/dr-lena-okafor&workstation=reading-room-1', [a]],
      ['?user=Practitioner/dr-lena-okafor&workstation=reading-room-2', []],
      ['?user=Practitioner/nobody', []],
    ] as const) {
      assert.deepEqual(await topicsOf(service, query), expected, query);
    }
    for (const query of ['', '?user=&workstation=', '?user=?&workstation=?']) {
      const found = await topicsOf(service, query);
      assert.ok(found.includes(a) && found.includes(b), query);
    }
    const subscriber = await service.subscribe(a, 'Patient-open');
    await subscriber.next();
    assert.equal((await service.publish(a, 'Patient-open', [patient('p1')])).status, 202);
    assert.equal((await subscriber.event()).event['hub.topic'], a);
    await subscriber.close();
    await service.publish(a, 'Patient-close', [patient('p1')]);
  });

  it('SES-4 one with a narrower registration sees nothing of what it does not name', async () => {
    const lena = new Person(origin);
    const topic = (await lena.signIn('dr-lena-okafor', 'reading-room-1')).session_topic;
    const narrow = {
      'another user': { session_users: ['Practitioner/dr-mei-tanaka'] },
      'another workstation': { session_workstations: ['reading-room-2'] },
      'the user at another workstation': {
        session_users: ['Practitioner/dr-lena-okafor'],
        session_workstations: ['reading-room-2'],
      },
      nobody: { session_users: [] },
    };
    for (const [name, registration] of Object.entries(narrow)) {
      const service = await HubClient.backend(origin, EVERYTHING, registration);
      for (const query of ['', '?user=Practitioner/dr-lena-okafor', '?workstation=reading-room-1']) {
        assert.ok(!(await topicsOf(service, query)).includes(topic), `${name}: ${query}`);
      }
      const missing = crypto.randomUUID();
      const form = { 'hub.channel.type': 'websocket', 'hub.mode': 'subscribe', 'hub.events': 'Patient-open' };
      const attempts = (at: string): readonly Promise<Response>[] => [
        service.form({ ...form, 'hub.topic': at }),
        service.publish(at, 'Patient-open', [patient('p1')]),
        service.request(`/${at}`),
        service.request(`/session/${at}`, { method: 'DELETE' }),
      ];
      const told = async (responses: readonly Promise<Response>[]): Promise<readonly string[]> =>
        Promise.all(responses.map(async (one) => `${(await one).status} ${await (await one).text()}`));
      const answers = await told(attempts(topic));
      assert.deepEqual(answers, await told(attempts(missing)), `${name}: like what does not exist`);
      for (const answer of answers) assert.match(answer, /^40[34] /, name);
      const created = await service.json('/session', {
        user: 'Practitioner/dr-lena-okafor',
        workstation: 'reading-room-1',
      });
      assert.equal(created.status, 403, name);
    }
    const wide = await HubClient.backend(origin);
    assert.ok((await topicsOf(wide)).includes(topic), 'and the session is still there');
  });

  it('SES-4 a registration that is narrowed ends what the tokens see, at once', async () => {
    const { status, body } = await register(origin, { redirect_uris: ['http://localhost:1/'], scope: 'openid' });
    assert.equal(status, 201);
    assert.ok(body.registration_access_token);
    const { publicKey, privateKey } = await generateKeyPair('ES384');
    const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k' }] };
    const metadata = { grant_types: ['client_credentials'], jwks, scope: EVERYTHING };
    const { body: client } = await register(origin, metadata);
    const token = async (): Promise<string> => {
      const exp = Math.floor(Date.now() / 1000) + 60;
      const claims = { iss: client.client_id, sub: client.client_id, aud: `${origin}/auth/token`, exp };
      const jwt = new SignJWT({ ...claims, jti: crypto.randomUUID() }).setProtectedHeader({ alg: 'ES384', kid: 'k' });
      const fields = { client_assertion_type: ASSERTION_TYPE, client_assertion: await jwt.sign(privateKey) };
      const answer = await post(`${origin}/auth/token`, {
        grant_type: 'client_credentials',
        scope: EVERYTHING,
        ...fields,
      });
      return answer.body.access_token;
    };
    const wide = new HubClient(`${origin}/hub`, await token());
    const topic = await wide.session('Practitioner/dr-mei-tanaka', 'narrowed');
    const subscriber = await wide.subscribe(topic, 'Patient-open');
    await subscriber.next();
    const changed = await fetch(client.registration_client_uri, {
      method: 'PUT',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${client.registration_access_token}` },
      body: JSON.stringify({
        ...metadata,
        client_id: client.client_id,
        session_users: ['Practitioner/dr-lena-okafor'],
      }),
    });
    assert.equal(changed.status, 200);
    assert.equal((await subscriber.next())['hub.mode'], 'denied');
    await subscriber.closed;
    assert.equal((await wide.request('/session')).status, 401);
    const narrow = new HubClient(`${origin}/hub`, await token());
    assert.ok(!(await topicsOf(narrow)).includes(topic));
  });

  it('SES-7 a session is found by any name of its user, and opened by one', async () => {
    const lena = new Person(origin);
    const topic = (await lena.signIn('dr-lena-okafor', 'alias-room')).session_topic;
    const service = await HubClient.backend(origin);
    for (const name of ['Practitioner/dr-lena-okafor', 'lokafor', 'dr-lena-okafor']) {
      const found = await topicsOf(service, `?user=${encodeURIComponent(name)}&workstation=alias-room`);
      assert.deepEqual(found, [topic], name);
    }
    const opened = await json(service.json('/session', { user: 'lokafor', workstation: 'by-alias' }));
    assert.equal(opened.user, 'Practitioner/dr-lena-okafor');
    const byAlias = await HubClient.backend(origin, EVERYTHING, { session_users: ['lokafor'] });
    assert.ok((await topicsOf(byAlias)).includes(topic), 'a registration may name the alias');
  });

  it('TOK-5 scopes decide what it may do with a session', async () => {
    const topic = await (await HubClient.backend(origin)).session('Practitioner/dr-tomas-lindqvist');
    const reader = await HubClient.backend(origin, 'fhircast/Patient-open.read');
    assert.ok((await topicsOf(reader)).includes(topic), 'who may follow a session may find it');
    assert.equal((await reader.publish(topic, 'Patient-open', [patient('p1')])).status, 403);
    assert.equal((await reader.json('/session', { user: 'Practitioner/1' })).status, 403);
    assert.equal((await reader.request(`/session/${topic}`, { method: 'DELETE' })).status, 403);
    const records = await HubClient.backend(origin, 'system/Patient.rs', { scope: 'system/Patient.rs' });
    assert.equal((await records.request('/session')).status, 403);
    const unapproved = await Backend.register(origin, { scope: 'fhircast/Patient-open.read' });
    await assert.rejects(unapproved.token('fhircast/*.*'), /invalid_scope/);
  });
});

/** A key set on this machine, and how often it was asked for. */
async function keySet(t: TestContext, keys: readonly Json[]) {
  const seen = { requests: 0 };
  const server = createServer((_, response) => {
    seen.requests += 1;
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ keys }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { port: (server.address() as AddressInfo).port, seen };
}

describe('TOK-1 key sets by address', () => {
  async function tokenAnswer(t: TestContext, at: string, jwksUri: string, headers: Record<string, string>) {
    const { publicKey, privateKey } = await generateKeyPair('ES384');
    const keys = await keySet(t, [{ ...(await exportJWK(publicKey)), kid: 'k' }]);
    const uri = jwksUri.replace('PORT', String(keys.port));
    const metadata = { grant_types: ['client_credentials'], jwks_uri: uri, scope: EVERYTHING };
    const { status, body: client } = await register(at, metadata, headers);
    if (status !== 201) return { registered: status, requests: keys.seen.requests };
    const smart = await json(fetch(`${at}/fhir/.well-known/smart-configuration`));
    const exp = Math.floor(Date.now() / 1000) + 60;
    const claims = { iss: client.client_id, sub: client.client_id, aud: smart.token_endpoint, exp, jti: 'j' };
    const jwt = await new SignJWT(claims).setProtectedHeader({ alg: 'ES384', kid: 'k' }).sign(privateKey);
    const fields = { client_assertion_type: ASSERTION_TYPE, client_assertion: jwt };
    const form = { grant_type: 'client_credentials', scope: EVERYTHING, ...fields };
    const answer = await post(`${at}/auth/token`, form);
    return { registered: status, requests: keys.seen.requests, status: answer.status, body: answer.body };
  }

  it('are fetched from this machine in development', async (t) => {
    const { status, requests } = await tokenAnswer(t, origin, 'http://127.0.0.1:PORT/jwks', {});
    assert.deepEqual([status, requests], [200, 1]);
  });

  it('CWE-918 are never fetched from the inside of a network that the server is in', (t) =>
    withLockstep(
      async ({ port }) => {
        const inside = `http://127.0.0.1:${port}`;
        const headers = { authorization: 'Bearer first-word' };
        const plain = await tokenAnswer(t, inside, 'http://127.0.0.1:PORT/jwks', headers);
        assert.deepEqual(plain, { registered: 400, requests: 0 });
        for (const uri of [
          'https://127.0.0.1:PORT/jwks',
          'https://localhost:PORT/jwks',
          'https://[::ffff:127.0.0.1]:PORT/jwks',
          'https://2130706433:PORT/jwks',
          'https://169.254.169.254/latest/meta-data',
        ]) {
          const refused = await tokenAnswer(t, inside, uri, headers);
          assert.deepEqual(refused, { registered: 400, requests: 0 }, uri);
        }
      },
      { publicUrl: 'https://lockstep.example', initialAccessToken: 'first-word', sampleData: false },
    ));
});

describe('REG-2 who may register', () => {
  it('behind a proxy an app waits for an administrator, or brings the initial access token', () =>
    withLockstep(
      async ({ port }) => {
        const inside = `http://127.0.0.1:${port}`;
        const app = { token_endpoint_auth_method: 'none', redirect_uris: ['https://app.example/'] };
        assert.equal((await register(inside, app)).body.status, 'waiting');
        assert.equal((await register(inside, app, { authorization: 'Bearer first-word' })).body.status, 'active');
        assert.equal((await register(inside, app, { authorization: 'Bearer guess' })).status, 401);
        const session = await fetch(`${inside}/auth/session`);
        assert.deepEqual((await json(session)).sample_users, [], 'nobody signs in by one click');
      },
      { publicUrl: 'https://lockstep.example', initialAccessToken: 'first-word' },
    ));

  it('CWE-350 a page of another origin cannot register an app, though its name leads here', async () => {
    const { status, body } = await register(
      origin,
      { redirect_uris: ['http://evil.example/'] },
      { origin: 'http://evil.example' },
    );
    assert.deepEqual([status, body.error], [403, 'invalid_request']);
    assert.equal((await register(origin, { redirect_uris: ['http://a.example/'] }, { origin })).status, 201);
  });
});
