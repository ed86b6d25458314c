import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SignJWT } from 'jose';
import {
  approve,
  assertion,
  assertionFields,
  backend,
  makeKey,
  post,
  register,
  serve,
  startServer,
} from './harness.ts';

for (const alg of ['RS384', 'ES384'] as const) {
  test(`TOK-5 a backend service registers with a JWKS and gets a token by ${alg}`, async (t) => {
    const server = await startServer(t);
    const app = await backend(server, {}, await makeKey(alg));
    const answer = await app.token('system/*.rs fhircast/*.* hub/session.read nonsense/scope');
    assert.equal(answer.status, 200);
    assert.equal(answer.body.token_type, 'Bearer');
    assert.equal(answer.body.expires_in, 300);
    assert.equal(answer.body.scope, 'system/*.rs fhircast/*.* hub/session.read');
    assert.equal(answer.body.refresh_token, undefined);
    assert.equal(answer.headers.get('cache-control'), 'no-store');
    assert.equal(answer.headers.get('pragma'), 'no-cache');
    const info = await server.auth.verifyToken(String(answer.body.access_token));
    assert.equal(info?.clientId, app.clientId);
    assert.equal(info?.clientName, 'Backend');
    assert.equal(info?.sessions, 'all');
    assert.equal(info?.scopes.maySession('read'), true);
    assert.equal(info?.scopes.maySession('write'), false);
    assert.equal(info?.scopes.mayReceive('Patient-open'), true);
  });
}

test('TOK-5 scope is mandatory and stays within what was approved', async (t) => {
  const server = await startServer(t);
  const app = await backend(server, { scope: 'system/Patient.rs fhircast/Patient-open.read' });
  const ask = async (fields: Record<string, string>) =>
    post(server, '/auth/token', {
      grant_type: 'client_credentials',
      ...fields,
      ...assertionFields(await assertion(server, app.key, app.clientId)),
    });
  assert.equal((await ask({})).body.error, 'invalid_scope');
  assert.equal((await ask({ scope: 'system/Observation.rs' })).body.error, 'invalid_scope');
  assert.equal((await ask({ scope: 'patient/Patient.rs openid offline_access' })).body.error, 'invalid_scope');
  assert.equal((await ask({ scope: 'system/Patient.r system/Patient.cud' })).body.scope, 'system/Patient.r');
  assert.equal(
    (await ask({ scope: 'fhircast/patient-OPEN.READ fhircast/*.read' })).body.scope,
    'fhircast/patient-OPEN.READ',
  );
});

test('SES-4 the sessions that a backend client may see come from its registration', async (t) => {
  const server = await startServer(t);
  const app = await backend(server, {
    session_users: ['Practitioner/1'],
    session_workstations: ['ws-7'],
    acknowledgements: 'off',
  });
  const { body } = await app.token('hub/session.read');
  const info = await server.auth.verifyToken(String(body.access_token));
  assert.deepEqual(info?.sessions, { users: ['Practitioner/1'], workstations: ['ws-7'] });
  assert.equal(info?.switches.acknowledgements, 'off');
});

const BAD_ASSERTIONS: Readonly<Record<string, { claims?: Record<string, unknown>; header?: Record<string, unknown> }>> =
  {
    'a wrong aud': { claims: { aud: 'https://elsewhere.example/token' } },
    'no aud': { claims: { aud: undefined } },
    'a wrong iss': { claims: { iss: 'someone-else' } },
    'a wrong sub': { claims: { sub: 'someone-else' } },
    'an exp that has passed': { claims: { exp: Math.floor(Date.now() / 1000) - 60 } },
    'an exp too far ahead': { claims: { exp: Math.floor(Date.now() / 1000) + 600 } },
    'an exp that is no number': { claims: { exp: '9999999999' } },
    'no exp': { claims: { exp: undefined } },
    'no jti': { claims: { jti: undefined } },
    'an nbf ahead': { claims: { nbf: Math.floor(Date.now() / 1000) + 600 } },
    'an unregistered jku': { header: { jku: 'https://elsewhere.example/jwks' } },
    'a kid that is not registered': { header: { kid: 'unknown' } },
  };

test('TOK-1 every fault of an assertion is invalid_client', async (t) => {
  const server = await startServer(t);
  const app = await backend(server);
  for (const [fault, change] of Object.entries(BAD_ASSERTIONS)) {
    const answer = await app.token('system/*.rs', change);
    assert.equal(answer.status, 401, fault);
    assert.equal(answer.body.error, 'invalid_client', fault);
  }
  const ask = (jwt: string, type?: string) =>
    post(server, '/auth/token', {
      grant_type: 'client_credentials',
      scope: 'system/*.rs',
      ...assertionFields(jwt),
      ...(type ? { client_assertion_type: type } : {}),
    });
  const good = await assertion(server, app.key, app.clientId);
  assert.equal((await ask(good, 'urn:wrong')).body.error, 'invalid_client');
  const [head, body] = good.split('.');
  assert.equal((await ask(`${head}.${body}.${'A'.repeat(128)}`)).body.error, 'invalid_client');
  const stranger = await makeKey('ES384', app.key.kid);
  assert.equal((await ask(await assertion(server, stranger, app.clientId))).body.error, 'invalid_client');
  assert.equal((await ask('not.a.jwt')).body.error, 'invalid_client');
  const otherId = await post(server, '/auth/token', {
    grant_type: 'client_credentials',
    scope: 'system/*.rs',
    client_id: 'another',
    ...assertionFields(good),
  });
  assert.equal(otherId.body.error, 'invalid_client', 'client_id of another beside the assertion');
  assert.equal((await ask(good)).status, 200, 'the untouched assertion works');
});

test('TOK-1 alg none, and HS256 with the public key as secret, are refused', async (t) => {
  const server = await startServer(t);
  const app = await backend(server, {}, await makeKey('RS384'));
  const claims = {
    iss: app.clientId,
    sub: app.clientId,
    aud: `${server.origin}/auth/token`,
    exp: Math.floor(Date.now() / 1000) + 60,
    jti: crypto.randomUUID(),
  };
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const none = `${encode({ alg: 'none', kid: app.key.kid })}.${encode(claims)}.`;
  const secret = Buffer.from(JSON.stringify(app.key.publicJwk));
  const hmac = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: app.key.kid }).sign(secret);
  for (const jwt of [none, hmac]) {
    const answer = await post(server, '/auth/token', {
      grant_type: 'client_credentials',
      scope: 'system/*.rs',
      ...assertionFields(jwt),
    });
    assert.equal(answer.status, 401);
    assert.equal(answer.body.error, 'invalid_client');
  }
});

test('TOK-1 an assertion is refused for an extension that must be understood, and read with an exp in fractions of seconds', async (t) => {
  const server = await startServer(t);
  const app = await backend(server);
  const ask = async (header: object, exp: number) => {
    const claims = {
      iss: app.clientId,
      sub: app.clientId,
      aud: `${server.origin}/auth/token`,
      exp,
      jti: crypto.randomUUID(),
    };
    const jwt = await new SignJWT(claims)
      .setProtectedHeader({ alg: app.key.alg, kid: app.key.kid, ...header })
      .sign(app.key.privateKey, { crit: { 'urn:example:rule': true } });
    return post(server, '/auth/token', {
      grant_type: 'client_credentials',
      scope: 'system/*.rs',
      ...assertionFields(jwt),
    });
  };
  const soon = server.clock.now() / 1000 + 60.1234567;
  const critical = await ask({ crit: ['urn:example:rule'], 'urn:example:rule': 1 }, Math.floor(soon));
  assert.deepEqual([critical.status, critical.body.error], [401, 'invalid_client']);
  assert.equal((await ask({ 'urn:example:rule': 1 }, soon)).status, 200, 'what need not be understood does no harm');
});

test('TOK-1 two matching keys are refused', async (t) => {
  const server = await startServer(t);
  const key = await makeKey();
  const twin = await makeKey('ES384', key.kid);
  const app = await backend(server, { jwks: { keys: [key.publicJwk, twin.publicJwk] } }, key);
  assert.equal((await app.token('system/*.rs')).body.error, 'invalid_client');
});

test('TOK-1 a jti counts once, under parallel use too', async (t) => {
  const server = await startServer(t);
  const app = await backend(server);
  const change = { claims: { jti: 'one-of-a-kind' } };
  const answers = await Promise.all(Array.from({ length: 8 }, () => app.token('system/*.rs', change)));
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, ...Array(7).fill(401)]);
  assert.equal((await app.token('system/*.rs', change)).body.error, 'invalid_client');
});

test('TOK-1 keys at jwks_uri are used no longer than its cache-control says', async (t) => {
  const server = await startServer(t);
  const [first, second] = [await makeKey(), await makeKey()];
  let served = first;
  let fetched = 0;
  const { origin } = await serve(t, (_request, response) => {
    fetched += 1;
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'max-age=20' });
    response.end(JSON.stringify({ keys: [served.publicJwk] }));
  });
  const uri = `${origin}/jwks.json`;
  const app = await backend(server, { jwks: undefined, jwks_uri: uri }, first);
  assert.equal((await app.token('system/*.rs', { header: { jku: uri } })).status, 200);
  assert.equal((await app.token('system/*.rs')).status, 200);
  assert.equal(fetched, 1);
  served = second;
  server.clock.ahead = 21_000;
  assert.equal((await app.token('system/*.rs')).status, 401, 'the key that was withdrawn is not accepted any more');
  assert.equal(fetched, 2);
});

test('TOK-1 an unreachable jwks_uri is invalid_client', async (t) => {
  const server = await startServer(t);
  const app = await backend(server, { jwks: undefined, jwks_uri: 'http://localhost:9/jwks' });
  assert.equal((await app.token('system/*.rs')).body.error, 'invalid_client');
});

test('TOK-1 an unknown grant_type, a missing one, a repeated field and a JSON body are refused', async (t) => {
  const server = await startServer(t);
  assert.equal((await post(server, '/auth/token', { grant_type: 'password' })).body.error, 'unsupported_grant_type');
  assert.equal((await post(server, '/auth/token', {})).body.error, 'invalid_request');
  const twice = await post(server, '/auth/token', 'grant_type=client_credentials&grant_type=client_credentials');
  assert.equal(twice.body.error, 'invalid_request');
  const json = await fetch(server.url('/auth/token'), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  });
  assert.equal(json.status, 400);
});

test('TOK-6 a revoked token is void at once, and the listeners hear of it', async (t) => {
  const server = await startServer(t);
  const app = await backend(server);
  const token = String((await app.token('system/*.rs')).body.access_token);
  const info = await server.auth.verifyToken(token);
  assert.ok(info);
  const answer = await post(server, '/auth/revoke', {
    token,
    ...assertionFields(await assertion(server, app.key, app.clientId)),
  });
  assert.equal(answer.status, 200);
  assert.equal(await server.auth.verifyToken(token), undefined);
  assert.deepEqual(server.ended, [{ tokenId: info.tokenId, clientId: app.clientId, reason: 'the token was revoked' }]);
});

test('TOK-6 a client cannot revoke the token of another', async (t) => {
  const server = await startServer(t);
  const [one, other] = [await backend(server), await backend(server)];
  const token = String((await one.token('system/*.rs')).body.access_token);
  const answer = await post(server, '/auth/revoke', {
    token,
    ...assertionFields(await assertion(server, other.key, other.clientId)),
  });
  assert.equal(answer.status, 200);
  assert.ok(await server.auth.verifyToken(token));
});

test('REG-3 suspending an app ends its tokens and its way in at once', async (t) => {
  const server = await startServer(t);
  const app = await backend(server);
  const token = String((await app.token('system/*.rs')).body.access_token);
  assert.ok(await server.auth.verifyToken(token));
  assert.equal((await server.auth.liveTokens(app.clientId)).length, 1);
  await server.auth.clients.suspend(app.clientId);
  assert.equal(await server.auth.verifyToken(token), undefined);
  assert.equal((await app.token('system/*.rs')).body.error, 'invalid_client');
  assert.deepEqual(server.ended, [{ clientId: app.clientId, reason: 'the app was suspended' }]);
  await approve(server, app.clientId);
  assert.equal((await app.token('system/*.rs')).status, 200);
});

test('TOK-5 a token expires after its time', async (t) => {
  const server = await startServer(t);
  const app = await backend(server);
  const token = String((await app.token('system/*.rs')).body.access_token);
  assert.ok(await server.auth.verifyToken(token));
  server.clock.ahead = 301_000;
  assert.equal(await server.auth.verifyToken(token), undefined);
});

test('TOK-6 a bearer check costs less than 20 µs while warm', async (t) => {
  const server = await startServer(t);
  const app = await backend(server);
  const token = String((await app.token('system/*.rs')).body.access_token);
  await server.auth.verifyToken(token);
  const rounds = 2000;
  const spent = process.cpuUsage();
  for (let round = 0; round < rounds; round += 1) await server.auth.verifyToken(token);
  const { user, system } = process.cpuUsage(spent);
  assert.ok((user + system) / rounds < 20, `${(user + system) / rounds} µs`);
});

test('REG-2 beyond loopback a self-registered client waits for an administrator', async (t) => {
  const server = await startServer(t, { loopback: false, initialAccessToken: 'let-me-in-at-once' });
  const waiting = await backend(server);
  assert.equal((await waiting.token('system/*.rs')).body.error, 'invalid_client');
  await approve(server, waiting.clientId);
  assert.equal((await waiting.token('system/*.rs')).status, 200);
  const metadata = { grant_types: ['client_credentials'], jwks: { keys: [waiting.key.publicJwk] } };
  const wrong = await register(server, metadata, { authorization: 'Bearer guess' });
  assert.equal(wrong.status, 401);
  assert.equal(wrong.body.error, 'invalid_token');
  const right = await register(server, metadata, { authorization: 'Bearer let-me-in-at-once' });
  assert.equal(right.body.status, 'active');
});

test('TOK-1 an assertion names its key; a client with the legacy switch need not', async (t) => {
  const server = await startServer(t);
  const app = await backend(server);
  const unnamed = await app.token('system/*.rs', { header: { kid: undefined } });
  assert.deepEqual([unnamed.status, unnamed.body.error], [401, 'invalid_client']);
  assert.match(String(unnamed.body.error_description), /kid/);
  const old = await backend(server, { legacy: true });
  assert.equal((await old.token('system/*.rs', { header: { kid: undefined } })).status, 200);
});

test('TOK-1 an assertion may name the issuer as its audience, and no other address of ours', async (t) => {
  const server = await startServer(t);
  const app = await backend(server);
  assert.equal((await app.token('system/*.rs', { claims: { aud: server.origin } })).status, 200);
  assert.equal((await app.token('system/*.rs', { claims: { aud: [server.origin] } })).status, 200);
  for (const aud of [
    `${server.origin}/fhir`,
    `${server.origin}/auth`,
    `${server.origin}.example`,
    'https://other.example',
  ]) {
    assert.equal((await app.token('system/*.rs', { claims: { aud } })).body.error, 'invalid_client', aud);
  }
});

test('TOK-5 the tokens of a connector with a secret live as long as its registration says, within the maximum', async (t) => {
  const server = await startServer(t, { maxTokenLife: 43_200 });
  const connector = {
    grant_types: ['client_credentials'],
    token_endpoint_auth_method: 'client_secret_post',
    switches: { secretCredentials: true },
    scope: 'fhircast/*.*',
  };
  const { body: app } = await register(server, { ...connector, token_life: 28_800 });
  assert.equal(app.token_life, 28_800);
  const form = {
    grant_type: 'client_credentials',
    client_id: String(app.client_id),
    client_secret: String(app.client_secret),
  };
  const { body } = await post(server, '/auth/token', form);
  assert.equal(body.expires_in, 28_800);
  server.clock.ahead += 28_800_000;
  assert.ok(await server.auth.verifyToken(String(body.access_token)), 'a lease of that length fits');
  server.clock.ahead += 60_000;
  assert.equal(await server.auth.verifyToken(String(body.access_token)), undefined);
  for (const token_life of [59, 43_201, 3600.5, '3600', -1]) {
    assert.equal((await register(server, { ...connector, token_life })).status, 400, String(token_life));
  }
  const key = await makeKey();
  const withKey = { grant_types: ['client_credentials'], jwks: { keys: [key.publicJwk] }, token_life: 3600 };
  assert.match(String((await register(server, withKey)).body.error_description), /token_life is for/);
});
