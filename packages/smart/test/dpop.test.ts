// Access tokens that are bound to a key (RFC 9449). DPOP-1 getting them, DPOP-2 proofs, DPOP-3 nonces.
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { DpopNonces } from '../src/dpop/nonces.ts';
import { codeFields, codeFor, refresh, registerApp, TestBrowser } from './browsing.ts';
import { assertion, assertionFields, backend, type Json, post, startServer, type TestServer } from './harness.ts';

type Key = Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];

const SCOPE = 'openid fhirUser offline_access launch/patient patient/*.rs';

/** A client's key, and proofs of it as a good client makes them; any part may be changed. */
class ProofKey {
  readonly jwk: JWK;
  readonly #privateKey: Key;
  readonly #alg: string;

  private constructor(jwk: JWK, privateKey: Key, alg: string) {
    this.jwk = jwk;
    this.#privateKey = privateKey;
    this.#alg = alg;
  }

  static async make(alg = 'ES256'): Promise<ProofKey> {
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
    return new ProofKey(await exportJWK(publicKey), privateKey, alg);
  }

  get privateJwk(): Promise<JWK> {
    return exportJWK(this.#privateKey);
  }

  thumbprint(): Promise<string> {
    return calculateJwkThumbprint(this.jwk);
  }

  proof(
    server: TestServer,
    path: string,
    change: { method?: string; token?: string; claims?: Json; header?: Json } = {},
  ): Promise<string> {
    const { method = 'POST', token, claims, header } = change;
    const payload = {
      jti: crypto.randomUUID(),
      htm: method,
      htu: server.origin + path,
      iat: Math.floor(server.clock.now() / 1000),
      ...(token !== undefined && { ath: hash('sha256', token, 'base64url') }),
      ...claims,
    };
    return new SignJWT(payload)
      .setProtectedHeader({ typ: 'dpop+jwt', alg: this.#alg, jwk: this.jwk, ...header })
      .sign(this.#privateKey);
  }
}

async function redeem(server: TestServer, key: ProofKey, metadata: Json = {}, changes: Record<string, string> = {}) {
  const app = await registerApp(server, metadata);
  const { code, verifier } = await codeFor(new TestBrowser(server), app, SCOPE, {}, changes);
  const dpop = await key.proof(server, '/auth/token');
  const answer = await post(server, '/auth/token', codeFields(app, code, verifier), { dpop });
  return { app, answer, code, verifier };
}

const userinfo = (server: TestServer, headers: Record<string, string>) =>
  fetch(server.url('/auth/userinfo'), { headers });

for (const alg of ['ES256', 'ES384', 'Ed25519', 'PS256', 'RS256']) {
  test(`DPOP-1 a code is redeemed for a token that is bound to a key for ${alg}`, async (t) => {
    const server = await startServer(t);
    const key = await ProofKey.make(alg);
    const { answer } = await redeem(server, key);
    assert.deepEqual([answer.status, answer.body.token_type], [200, 'DPoP'], JSON.stringify(answer.body));
    const token = String(answer.body.access_token);
    const dpop = await key.proof(server, '/auth/userinfo', { method: 'GET', token });
    assert.equal((await userinfo(server, { authorization: `DPoP ${token}`, dpop })).status, 200);
    const bearer = await userinfo(server, { authorization: `Bearer ${token}` });
    assert.equal(bearer.status, 401);
    assert.match(bearer.headers.get('www-authenticate') ?? '', /^DPoP .*error="invalid_token".*algs="ES256 /);
    const resourceServer = await backend(server, { resource_server: true });
    const fields = assertionFields(
      await assertion(server, resourceServer.key, resourceServer.clientId, {
        claims: { aud: `${server.origin}/auth/token` },
      }),
    );
    const { body } = await post(server, '/auth/introspect', { token, ...fields });
    assert.deepEqual(
      [body.active, body.token_type, body.cnf],
      [true, 'DPoP', { jkt: await key.thumbprint() }],
      JSON.stringify(body),
    );
  });
}

test('DPOP-1 without a proof tokens are bearer tokens, and such a token is none of the scheme DPoP', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const { code, verifier } = await codeFor(new TestBrowser(server), app, SCOPE);
  const { body } = await post(server, '/auth/token', codeFields(app, code, verifier));
  assert.equal(body.token_type, 'Bearer');
  const token = String(body.access_token);
  const key = await ProofKey.make();
  const dpop = await key.proof(server, '/auth/userinfo', { method: 'GET', token });
  assert.equal((await userinfo(server, { authorization: `DPoP ${token}`, dpop })).status, 401);
  assert.equal((await userinfo(server, { authorization: `Bearer ${token}` })).status, 200);
});

test('DPOP-1 the refresh token of a public client is bound to its key, that of another client to its secret', async (t) => {
  const server = await startServer(t);
  const key = await ProofKey.make();
  const other = await ProofKey.make();
  const { app, answer } = await redeem(server, key);
  const token = answer.body.refresh_token;
  for (const headers of [{}, { dpop: await other.proof(server, '/auth/token') }]) {
    const refused = await post(
      server,
      '/auth/token',
      { grant_type: 'refresh_token', client_id: app.clientId, refresh_token: String(token) },
      headers,
    );
    assert.deepEqual([refused.status, refused.body.error], [400, 'invalid_dpop_proof']);
  }
  const again = async (refreshToken: unknown, by: ProofKey, client: { clientId: string }, more = {}) =>
    post(
      server,
      '/auth/token',
      { grant_type: 'refresh_token', client_id: client.clientId, refresh_token: String(refreshToken), ...more },
      { dpop: await by.proof(server, '/auth/token') },
    );
  const first = await again(token, key, app);
  assert.deepEqual([first.status, first.body.token_type], [200, 'DPoP'], JSON.stringify(first.body));
  assert.equal((await again(first.body.refresh_token, other, app)).body.error, 'invalid_dpop_proof');
  assert.equal((await again(first.body.refresh_token, key, app)).status, 200);

  const confidential = await registerApp(server, { token_endpoint_auth_method: 'client_secret_post' });
  const { code, verifier } = await codeFor(new TestBrowser(server), confidential, SCOPE);
  const secret = { client_secret: confidential.secret ?? '' };
  const got = await post(
    server,
    '/auth/token',
    { ...codeFields(confidential, code, verifier), ...secret },
    { dpop: await key.proof(server, '/auth/token') },
  );
  assert.equal(got.body.token_type, 'DPoP', JSON.stringify(got.body));
  const renewed = await again(got.body.refresh_token, other, confidential, secret);
  assert.deepEqual([renewed.status, renewed.body.token_type], [200, 'DPoP']);
  const renewedToken = String(renewed.body.access_token);
  for (const [by, status] of [
    [key, 401],
    [other, 200],
  ] as const) {
    const dpop = await by.proof(server, '/auth/userinfo', { method: 'GET', token: renewedToken });
    assert.equal((await userinfo(server, { authorization: `DPoP ${renewedToken}`, dpop })).status, status);
  }
});

test('DPOP-1 a client that is registered for bound tokens gets and has no others', async (t) => {
  const server = await startServer(t);
  const key = await ProofKey.make();
  const metadata = { dpop_bound_access_tokens: true };
  const app = await registerApp(server, metadata);
  assert.equal(app.metadata.dpop_bound_access_tokens, true);
  const { code, verifier } = await codeFor(new TestBrowser(server), app, SCOPE);
  const refused = await post(server, '/auth/token', codeFields(app, code, verifier));
  assert.deepEqual([refused.status, refused.body.error], [400, 'invalid_dpop_proof']);
  const dpop = await key.proof(server, '/auth/token');
  const granted = await post(server, '/auth/token', codeFields(app, code, verifier), { dpop });
  assert.equal(granted.status, 200, 'the refused request has not spent the code');
  assert.equal((await refresh(server, app, granted.body.refresh_token)).body.error, 'invalid_dpop_proof');

  const service = await backend(server, metadata);
  const credentials = async () => ({
    grant_type: 'client_credentials',
    scope: 'system/*.rs',
    ...assertionFields(await assertion(server, service.key, service.clientId)),
  });
  assert.equal((await post(server, '/auth/token', await credentials())).body.error, 'invalid_dpop_proof');
  const bound = await post(server, '/auth/token', await credentials(), {
    dpop: await key.proof(server, '/auth/token'),
  });
  assert.deepEqual([bound.status, bound.body.token_type], [200, 'DPoP'], JSON.stringify(bound.body));

  const later = await registerApp(server, {});
  const codes = await codeFor(new TestBrowser(server), later, SCOPE);
  const bearer = await post(server, '/auth/token', codeFields(later, codes.code, codes.verifier));
  await server.auth.clients.patch(later.clientId, metadata);
  assert.equal(await server.auth.verifyToken(String(bearer.body.access_token)), undefined);
  assert.equal(server.auth.launchTokens.fits((await server.auth.clients.get(later.clientId))!), false);
  const wrong = await fetch(server.url('/auth/register'), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ client_name: 'x', redirect_uris: ['http://localhost/x'], dpop_bound_access_tokens: 'yes' }),
  });
  assert.equal(wrong.status, 400);
});

test('DPOP-1 a code that was asked for with dpop_jkt is good only with that key', async (t) => {
  const server = await startServer(t);
  const key = await ProofKey.make();
  const other = await ProofKey.make();
  const app = await registerApp(server);
  const { code, verifier } = await codeFor(
    new TestBrowser(server),
    app,
    SCOPE,
    {},
    { dpop_jkt: await key.thumbprint() },
  );
  for (const headers of [{}, { dpop: await other.proof(server, '/auth/token') }]) {
    const refused = await post(server, '/auth/token', codeFields(app, code, verifier), headers);
    assert.deepEqual([refused.status, refused.body.error], [400, 'invalid_dpop_proof']);
  }
  const dpop = await key.proof(server, '/auth/token');
  assert.equal((await post(server, '/auth/token', codeFields(app, code, verifier), { dpop })).status, 200);
});

test('DPOP-2 a proof with any fault is refused, and the code can still be redeemed', async (t) => {
  const server = await startServer(t);
  const key = await ProofKey.make();
  const app = await registerApp(server);
  const { code, verifier } = await codeFor(new TestBrowser(server), app, SCOPE);
  const make = (change: Parameters<ProofKey['proof']>[2] = {}, path = '/auth/token') => key.proof(server, path, change);
  const good = await make();
  const [head = '', , signature = ''] = good.split('.');
  const forged = Buffer.from(
    JSON.stringify({ jti: 'x', htm: 'POST', htu: `${server.origin}/auth/token`, iat: Date.now() / 1000 }),
  ).toString('base64url');
  const none = `${Buffer.from(JSON.stringify({ typ: 'dpop+jwt', alg: 'none', jwk: key.jwk })).toString('base64url')}.${forged}.`;
  const symmetric = new TextEncoder().encode('a secret of thirty-two characters');
  const macced = await new SignJWT({ jti: 'm', htm: 'POST', htu: `${server.origin}/auth/token` })
    .setIssuedAt()
    .setProtectedHeader({
      typ: 'dpop+jwt',
      alg: 'HS256',
      jwk: { kty: 'oct', k: Buffer.from(symmetric).toString('base64url') } as never,
    })
    .sign(symmetric);
  const now = server.clock.now() / 1000;
  const faults: Record<string, string> = {
    empty: '',
    text: 'no proof',
    'two proofs': `${await make()}, ${await make()}`,
    'another type': await make({ header: { typ: 'JWT' } }),
    'no type': await make({ header: { typ: undefined } }),
    'no key': await make({ header: { jwk: undefined } }),
    'a private key': await make({ header: { jwk: await key.privateJwk } }),
    'a key that did not sign': await make({ header: { jwk: (await ProofKey.make()).jwk } }),
    'alg none': none,
    'a symmetric key': macced,
    'other claims than were signed': `${head}.${forged}.${signature}`,
    'another method': await make({ method: 'GET' }),
    'method in lower case': await make({ method: 'post' }),
    'another path': await make({}, '/auth/introspect'),
    'another server': await make({ claims: { htu: 'https://elsewhere.example/auth/token' } }),
    'another port': await make({ claims: { htu: 'http://localhost:1/auth/token' } }),
    'a relative address': await make({ claims: { htu: '/auth/token/../introspect' } }),
    'an address with a name in it': await make({
      claims: { htu: `${server.origin.replace('//', '//u:p@')}/auth/token` },
    }),
    'no htm': await make({ claims: { htm: undefined } }),
    'no htu': await make({ claims: { htu: undefined } }),
    'htu a list': await make({ claims: { htu: [`${server.origin}/auth/token`] } }),
    'no jti': await make({ claims: { jti: undefined } }),
    'jti a number': await make({ claims: { jti: 1 } }),
    'jti empty': await make({ claims: { jti: '' } }),
    'jti endless': await make({ claims: { jti: 'x'.repeat(300) } }),
    'no iat': await make({ claims: { iat: undefined } }),
    'iat a text': await make({ claims: { iat: String(now) } }),
    'too long': await make({ claims: { more: 'x'.repeat(5000) } }),
    stale: await make({ claims: { iat: now - 120 } }),
    'from the future': await make({ claims: { iat: now + 120 } }),
    expired: await make({ claims: { exp: now - 10 } }),
    'a nonce of nobody': await make({ claims: { nonce: 'x.y' } }),
    'a nonce that is no text': await make({ claims: { nonce: 5 } }),
  };
  for (const [name, dpop] of Object.entries(faults)) {
    const { status, body } = await post(server, '/auth/token', codeFields(app, code, verifier), { dpop });
    assert.equal(status, 400, `${name} ${JSON.stringify(body)}`);
    const nonceHelps = ['stale', 'from the future', 'a nonce of nobody'].includes(name);
    assert.equal(body.error, nonceHelps ? 'use_dpop_nonce' : 'invalid_dpop_proof', name);
  }
  const fields = codeFields(app, code, verifier);
  assert.equal((await post(server, '/auth/token', fields, { dpop: good })).status, 200);
  const replayed = await post(server, '/auth/token', fields, { dpop: good });
  assert.deepEqual([replayed.status, replayed.body.error], [400, 'invalid_dpop_proof']);
  const { body } = await post(server, '/auth/token', fields, { dpop: await make() });
  assert.equal(body.error, 'invalid_grant');
});

test('DPOP-2 addresses are compared as what they mean', async (t) => {
  const server = await startServer(t);
  const { port } = new URL(server.origin);
  for (const htu of [
    `${server.origin.toUpperCase()}/auth/token`,
    `${server.origin}/auth/token?query#fragment`,
    `${server.origin}/auth/x/../token`,
    `http://127.0.0.1:${port}/auth/token`,
    `http://[::1]:${port}/auth/token`,
  ]) {
    const key = await ProofKey.make();
    const app = await registerApp(server);
    const { code, verifier } = await codeFor(new TestBrowser(server), app, SCOPE);
    const dpop = await key.proof(server, '', { claims: { htu } });
    const { status, body } = await post(server, '/auth/token', codeFields(app, code, verifier), { dpop });
    assert.equal(status, 200, `${htu} ${JSON.stringify(body)}`);
  }
});

test('DPOP-2 a proof counts once at all nodes together, and is for one token', async (t) => {
  const server = await startServer(t);
  const key = await ProofKey.make();
  const { answer } = await redeem(server, key);
  const token = String(answer.body.access_token);
  const nodes = [server.auth, await server.node()];
  const originalUrl = '/hub/session?user=x';
  const ask = async (dpop: string, node: (typeof nodes)[number], method = 'GET') => {
    const authorization = `DPoP ${token}`;
    const admission = await node.tokens.admit(
      { method, originalUrl, headers: { authorization, dpop } },
      await node.tokens.find(authorization),
    );
    return admission.ok ? 'ok' : admission.error;
  };
  const proof = (change = {}) => key.proof(server, '/hub/session', { method: 'GET', token, ...change });
  const dpop = await proof();
  const answers = await Promise.all([...nodes, ...nodes].map((node) => ask(dpop, node)));
  assert.deepEqual(answers.sort(), ['invalid_dpop_proof', 'invalid_dpop_proof', 'invalid_dpop_proof', 'ok']);
  assert.equal(await ask(await proof({ token: 'another' }), server.auth), 'invalid_dpop_proof');
  assert.equal(await ask(await proof({ claims: { ath: undefined } }), server.auth), 'invalid_dpop_proof');
  assert.equal(await ask(await proof({ method: 'POST' }), server.auth), 'invalid_dpop_proof');
  assert.equal(await ask(await proof(), server.auth), 'ok');
});

test('DPOP-3 where nonces are required every proof needs one of ours, which lasts five minutes', async (t) => {
  const server = await startServer(t, { dpopNonce: true });
  server.clock.freeze();
  const key = await ProofKey.make();
  const { app, answer, code, verifier } = await redeem(server, key);
  assert.deepEqual([answer.status, answer.body.error], [400, 'use_dpop_nonce']);
  const nonce = answer.headers.get('dpop-nonce') ?? '';
  assert.ok(nonce);
  const bound = await post(server, '/auth/token', codeFields(app, code, verifier), {
    dpop: await key.proof(server, '/auth/token', { claims: { nonce } }),
  });
  assert.equal(bound.status, 200, JSON.stringify(bound.body));
  const token = String(bound.body.access_token);
  const ask = async (claims: Json) =>
    userinfo(server, {
      authorization: `DPoP ${token}`,
      dpop: await key.proof(server, '/auth/userinfo', { method: 'GET', token, claims }),
    });
  const asked = await ask({});
  assert.equal(asked.status, 401);
  assert.match(asked.headers.get('www-authenticate') ?? '', /^DPoP .*error="use_dpop_nonce"/);
  assert.ok(asked.headers.get('dpop-nonce'));
  assert.equal((await ask({ nonce })).headers.get('dpop-nonce'), null);
  server.clock.ahead += 200_000;
  const near = await ask({ nonce });
  assert.equal(near.status, 200);
  assert.ok(near.headers.get('dpop-nonce'), 'a new one comes before the old one ends');
  server.clock.ahead += 100_000;
  assert.equal((await ask({ nonce })).status, 401);
  const [time = ''] = nonce.split('.');
  for (const letter of ['A', 'é', '\u0000'])
    assert.equal((await ask({ nonce: `${time}.${letter.repeat(43)}` })).status, 401);
});

test('DPOP-3 a nonce of a clock that was set back since is not good: its proofs are not remembered for so long', () => {
  const made = 1_000_000_000;
  let time = made;
  const nonces = new DpopNonces(Buffer.alloc(32), { now: () => time, after: () => () => undefined });
  const nonce = nonces.next();
  const behind = (seconds: number) => {
    time = made - seconds * 1_000;
    return nonces.check(nonce);
  };
  assert.deepEqual([0, 30, 31, 3_600, 13 * 3_600].map(behind), ['good', 'good', 'bad', 'bad', 'bad']);
});

test('DPOP-3 a client whose clock is wrong goes on with a nonce', async (t) => {
  const server = await startServer(t);
  const key = await ProofKey.make();
  const app = await registerApp(server);
  const { code, verifier } = await codeFor(new TestBrowser(server), app, SCOPE);
  const send = async (claims: Json) =>
    post(server, '/auth/token', codeFields(app, code, verifier), {
      dpop: await key.proof(server, '/auth/token', { claims }),
    });
  const iat = Math.floor(server.clock.now() / 1000) - 3600;
  const refused = await send({ iat });
  assert.equal(refused.body.error, 'use_dpop_nonce');
  assert.equal((await send({ iat, nonce: refused.headers.get('dpop-nonce') })).status, 200);
});
