import assert from 'node:assert/strict';
import { KeyObject, randomUUID, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { exportJWK, generateKeyPair, type JWK, SignJWT, UnsecuredJWT } from 'jose';
import { readTrustedIssuers, type TrustedIssuer } from '../src/index.ts';
import { discoverJwks } from '../src/trusted/issuer-keys.ts';
import { answerOf, type Json, post, serve, startServer, type TestServer } from './harness.ts';

const AUDIENCE = 'lockstep';
const LENA = 'dr-lena-okafor';

/** An authorization server of somebody else, over real HTTP. */
async function startIssuer(t: TestContext) {
  const state = { keys: [] as JWK[], away: false, asked: 0, answers: new Map<string, Json>() };
  const { origin } = await serve(t, (request, response) => {
    state.asked += 1;
    const send = (value: object) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    if (state.away) return response.writeHead(502).end();
    if (request.url === '/.well-known/openid-configuration')
      return send({ issuer: origin, jwks_uri: `${origin}/jwks` });
    if (request.url === '/jwks') return send({ keys: state.keys });
    let form = '';
    request.setEncoding('utf8').on('data', (chunk) => (form += chunk));
    request.on('end', () => send(state.answers.get(new URLSearchParams(form).get('token') ?? '') ?? { active: false }));
    return undefined;
  });
  async function newKey(kid: string, alg = 'RS256') {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
    state.keys.push({ ...(await exportJWK(publicKey)), kid, alg, use: 'sig' });
    return privateKey;
  }
  const key = await newKey('first');
  const claimsAt = (server: TestServer, change: Json = {}) => {
    const now = Math.floor(server.clock.now() / 1000);
    const all: Json = {
      ...{
        iss: origin,
        aud: AUDIENCE,
        sub: 'subject-1',
        iat: now,
        exp: now + 300,
        azp: 'viewer',
        scope: 'fhircast/*.* openid',
      },
      ...{ preferred_username: LENA, sid: 'session-1' },
      ...change,
    };
    return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  };
  const sign = (server: TestServer, change: Json = {}, header: Json = {}, with_ = key) =>
    new SignJWT(claimsAt(server, change)).setProtectedHeader({ alg: 'RS256', kid: 'first', ...header }).sign(with_);
  return { origin, state, key, newKey, claimsAt, sign };
}

type Issuer = Awaited<ReturnType<typeof startIssuer>>;

function trust({ origin }: Issuer, more: Json = {}): readonly TrustedIssuer[] {
  const file = { issuers: [{ name: 'other', issuer: origin, audience: AUDIENCE, ...more }] };
  return readTrustedIssuers(JSON.stringify(file), () => 'secret\n');
}

async function withIssuer(t: TestContext, more: Json = {}) {
  const issuer = await startIssuer(t);
  const server = await startServer(t, { trustedIssuers: trust(issuer, more) });
  return { issuer, server, verify: (token: string) => server.auth.verifyToken(token) };
}

test('REG-5 a JWT of a trusted issuer stands for its user, client and scopes', async (t) => {
  const { issuer, server, verify } = await withIssuer(t, {
    scopes: { clinician: 'hub/session.*' },
    claims: { scopes: ['scope', 'realm_access.roles'] },
  });
  const info = await verify(
    await issuer.sign(server, { realm_access: { roles: ['clinician', 'unknown'] }, patient: 'ida' }),
  );
  assert.ok(info);
  assert.equal(info.user, `Practitioner/${LENA}`);
  assert.ok(info.userAliases.includes('lokafor'));
  assert.equal(info.clientId, 'other/viewer');
  assert.equal(info.patient, 'ida');
  assert.deepEqual(info.topics, []);
  assert.deepEqual(info.scopes.list.map(({ text }) => text).sort(), ['fhircast/*.*', 'hub/session.*', 'openid']);
});

test('REG-5 FHR-1 scopes of an issuer that can never open anything are none, named by it or by us', async (t) => {
  const issuer = await startIssuer(t);
  const server = await startServer(t, {
    fhir: true,
    trustedIssuers: trust(issuer, { scopes: { clinician: 'user/Invoice.rs user/Patient.rs' } }),
  });
  const scope = 'clinician user/Basic.cruds user/Observation.rs?nothing=x user/Observation.rs fhircast/*.*';
  const info = await server.auth.verifyToken(await issuer.sign(server, { scope }));
  const granted = info?.scopes.list.map(({ text }) => text).sort();
  assert.deepEqual(granted, ['fhircast/*.*', 'user/Observation.rs', 'user/Patient.rs']);
});

test('REG-5 users are found by resource, sign-in name or alias; an unknown name stands for itself', async (t) => {
  const { issuer, server, verify } = await withIssuer(t);
  await server.auth.users.add({ id: 'ann', name: 'Ann', reference: 'Practitioner/7', aliases: ['urn:ehr|ann-7'] });
  const who = async (change: Json) => (await verify(await issuer.sign(server, change)))?.user;
  assert.equal(await who({ preferred_username: 'ann' }), 'Practitioner/7');
  assert.equal(await who({ preferred_username: 'ANN' }), 'Practitioner/7');
  assert.equal(
    await who({ fhirUser: 'https://ehr.example/fhir/Practitioner/7', preferred_username: 'x' }),
    'Practitioner/7',
  );
  assert.equal(await who({ preferred_username: 'nobody-here' }), 'nobody-here');
  for (const wrong of ['Practitioner/7', 'urn:ehr|ann-7', '', 5, ['ann'], 'a\u202en', '\u212aim']) {
    assert.equal(await who({ preferred_username: wrong }), undefined, String(wrong));
  }
  const byAlias = await startServer(t, { trustedIssuers: trust(issuer, { alias_system: 'urn:ehr' }) });
  await byAlias.auth.users.add({ id: 'ann', name: 'Ann', reference: 'Practitioner/7', aliases: ['urn:ehr|ann-7'] });
  assert.equal(
    (await byAlias.auth.verifyToken(await issuer.sign(byAlias, { preferred_username: 'ann-7' })))?.user,
    'Practitioner/7',
  );
  const byName = await byAlias.auth.verifyToken(await issuer.sign(byAlias, { preferred_username: 'ann' }));
  assert.equal(byName?.user, 'urn:ehr|ann', 'a sign-in name of ours means nobody there');
});

test('REG-5 a user who is suspended here is refused at once', async (t) => {
  const { issuer, server, verify } = await withIssuer(t);
  const token = await issuer.sign(server);
  assert.ok(await verify(token));
  await server.auth.users.suspend(LENA);
  assert.equal(await verify(token), undefined);
});

test('REG-5 a client that acts for nobody is refused unless it is named, and sees what it is named for', async (t) => {
  const services = { ehr: 'all', few: { users: [LENA] } };
  const { issuer, server, verify } = await withIssuer(t, { services });
  const service = async (azp: string) =>
    verify(
      await issuer.sign(server, {
        azp,
        preferred_username: undefined,
        sid: undefined,
        scope: 'fhircast/*.* user/*.rs system/*.rs',
      }),
    );
  assert.equal(await service('stranger'), undefined);
  assert.equal((await service('ehr'))?.sessions, 'all');
  assert.deepEqual((await service('few'))?.sessions, { users: [LENA] });
  assert.deepEqual(
    (await service('ehr'))?.scopes.list.map(({ text }) => text),
    ['fhircast/*.*', 'system/*.rs'],
  );
});

test('REG-5 what is known of people and of sign-outs is used a minute at most, and no longer than their access', async (t) => {
  const { issuer, server, verify } = await withIssuer(t);
  const fresh = async (change: Json = {}) => verify(await issuer.sign(server, { jti: crypto.randomUUID(), ...change }));
  assert.equal((await fresh({ preferred_username: 'zoe' }))?.user, 'zoe');
  await server.auth.users.add({
    id: 'zoe',
    name: 'Zoe Novak',
    reference: 'Practitioner/zoe',
    password: 'a long invented password',
  });
  server.clock.ahead += 60_000;
  assert.equal((await fresh({ preferred_username: 'zoe' }))?.user, 'Practitioner/zoe');
  assert.ok(await fresh());
  await server.auth.users.suspend(LENA);
  assert.equal(await fresh(), undefined, 'another token of a person who was just suspended');
});

test('REG-5 every forgery is refused', async (t) => {
  const { issuer, server, verify } = await withIssuer(t);
  const stranger = (await generateKeyPair('RS256')).privateKey;
  const ec = await issuer.newKey('ec', 'ES384');
  const now = Math.floor(Date.now() / 1000);
  const good = await issuer.sign(server);
  assert.ok(await verify(good));
  const [head = '', claims = '', signature = ''] = good.split('.');
  const edited = Buffer.from(JSON.stringify(issuer.claimsAt(server, { sub: 'x' }))).toString('base64url');
  const asHmac = new SignJWT(issuer.claimsAt(server)).setProtectedHeader({ alg: 'HS256', kid: 'first' });
  const publicText = new TextEncoder().encode(JSON.stringify(issuer.state.keys[0]));
  const none = new UnsecuredJWT(issuer.claimsAt(server)).encode();
  const odd: Json[] = [
    ...[5, null, {}, [], [5], '', true].flatMap((value) =>
      ['iss', 'aud', 'exp', 'sub'].map((name) => ({ [name]: value })),
    ),
    ...[null, {}, [], [5], '', true, `${now}`, 1e300].flatMap((value) =>
      ['exp', 'nbf', 'iat'].map((name) => ({ [name]: value })),
    ),
  ];
  const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signedText = (header: string, payload: string) => {
    const signed = [header, payload].map((text) => Buffer.from(text).toString('base64url')).join('.');
    return `${signed}.${sign('sha256', Buffer.from(signed), KeyObject.from(issuer.key)).toString('base64url')}`;
  };
  /** Rightly signed by the issuer, with a header that libraries would not write. */
  const byHand = (header: unknown) => signedText(JSON.stringify(header), JSON.stringify(issuer.claimsAt(server)));
  assert.ok(await verify(byHand({ alg: 'RS256', kid: 'first' })), 'this way of signing is right');
  const forgeries: Record<string, string | Promise<string>> = {
    'another key': issuer.sign(server, {}, {}, stranger),
    'an unknown key': issuer.sign(server, {}, { kid: 'made-up' }, stranger),
    'another algorithm than the list': issuer.sign(server, {}, { alg: 'ES384', kid: 'ec' }, ec),
    'a public key as a secret': asHmac.sign(publicText),
    'no signature': none,
    'an emptied signature': `${head}.${claims}.`,
    'edited claims': `${head}.${edited}.${signature}`,
    'a cut signature': good.slice(0, -4),
    'an expired one': issuer.sign(server, { exp: now - 60 }),
    'one without an end': issuer.sign(server, { exp: undefined }),
    'one not valid yet': issuer.sign(server, { nbf: now + 300 }),
    'one from the future': issuer.sign(server, { iat: now + 300 }),
    'another audience': issuer.sign(server, { aud: 'another' }),
    'no audience': issuer.sign(server, { aud: undefined }),
    'another issuer': issuer.sign(server, { iss: 'https://elsewhere.example' }),
    'the issuer with a slash': issuer.sign(server, { iss: `${issuer.origin}/` }),
    'no subject': issuer.sign(server, { sub: undefined }),
    'no client': issuer.sign(server, { azp: undefined }),
    'an id token': issuer.sign(server, { nonce: 'n' }),
    'an id token of Keycloak': issuer.sign(server, { typ: 'ID' }),
    'a refresh token of Keycloak': issuer.sign(server, { typ: 'Refresh' }),
    'a logout token': issuer.sign(server, { events: { 'http://schemas.openid.net/event/backchannel-logout': {} } }),
    'a critical extension': new SignJWT(issuer.claimsAt(server))
      .setProtectedHeader({ alg: 'RS256', kid: 'first', crit: ['urn:x'], 'urn:x': true })
      .sign(issuer.key, { crit: { 'urn:x': true } }),
    'a payload that is not encoded': new SignJWT(issuer.claimsAt(server))
      .setProtectedHeader({ alg: 'RS256', kid: 'first', crit: ['b64'], b64: true })
      .sign(issuer.key),
    'one that says it is not encoded': issuer.sign(server, {}, { b64: false }),
    'an empty list of extensions': byHand({ alg: 'RS256', kid: 'first', crit: [] }),
    'the address of a key': issuer.sign(server, {}, { kid: undefined, jku: `${issuer.origin}/jwks` }, stranger),
    'the address of a certificate': issuer.sign(server, {}, { kid: undefined, x5u: `${issuer.origin}/jwks` }, stranger),
    'a certificate': issuer.sign(server, {}, { kid: undefined, x5c: ['MIIB'] }, stranger),
    'a file as the key': issuer.sign(server, {}, { kid: '../../dev/null' }, stranger),
    'a key that is no text': byHand({ alg: 'RS256', kid: ['first'] }),
    'an algorithm in other letters': byHand({ alg: 'rs256', kid: 'first' }),
    'a list of algorithms': byHand({ alg: ['RS256'], kid: 'first' }),
    'a header that is a list': byHand([]),
    'claims that are a list': `${head}.${encoded([])}.${signature}`,
    'one in another': signedText(`{"alg":"RS256","kid":"first","cty":"JWT"}`, `"${good}"`),
    'a typed logout token': issuer.sign(server, {}, { typ: 'logout+jwt' }),
    'a security event': issuer.sign(server, {}, { typ: 'application/secevent+jwt' }),
    'a proof of a key': issuer.sign(server, {}, { typ: 'dpop+jwt' }),
    'an answer of introspection': issuer.sign(server, {}, { typ: 'token-introspection+jwt' }),
    'a type that is none': issuer.sign(server, {}, { typ: 'chat+jwt' }),
    'a type that is no text': byHand({ alg: 'RS256', kid: 'first', typ: 5 }),
    'the issuer in other letters': issuer.sign(server, { iss: issuer.origin.toUpperCase() }),
    'a list of issuers': issuer.sign(server, { iss: [issuer.origin] }),
    'an audience in a list in a list': issuer.sign(server, { aud: [[AUDIENCE]] }),
    'an audience with more in it': issuer.sign(server, { aud: `${AUDIENCE} x` }),
    'a refresh token by its use': issuer.sign(server, { token_use: 'refresh_token' }),
    'an id token by its use': issuer.sign(server, { token_use: 'id' }),
    'a refresh token by its type': issuer.sign(server, { token_type: 'refresh_token' }),
    'a key of its own': issuer.sign(server, {}, { kid: undefined, jwk: issuer.state.keys[0] }, stranger),
    'no JWT': 'a.b.c',
    'too many parts': `${good}.x`,
    'a huge one': `${head}.${'x'.repeat(20_000)}.${signature}`,
    ...Object.fromEntries(odd.map((change) => [JSON.stringify(change), issuer.sign(server, change)])),
  };
  for (const [name, token] of Object.entries(forgeries)) assert.equal(await verify(await token), undefined, name);
  assert.ok(await verify(good), 'the good one still counts');
});

test('REG-5 two issuers are never mixed up: keys, subjects, sessions and sign-outs of one are none of the other’s', async (t) => {
  const [one, two] = [await startIssuer(t), await startIssuer(t)];
  const both = [one, two].map(({ origin }, index) => ({ name: `i${index}`, issuer: origin, audience: AUDIENCE }));
  const issuers = readTrustedIssuers(JSON.stringify({ issuers: both }), () => '');
  const server = await startServer(t, { trustedIssuers: issuers });
  const verify = (token: string) => server.auth.verifyToken(token);
  const second = await two.newKey('second');
  // Both have a key called `first`, with the same subject and session.
  const mixed = {
    'the name of one with the key of the other': await one.sign(server, {}, {}, two.key),
    'a key that only the other has': await one.sign(server, {}, { kid: 'second' }, second),
    'its own key under the name of the other': await two.sign(server, { iss: one.origin }),
    'two names': await one.sign(server, { iss: [one.origin, two.origin] }),
    'a name with a slash more': await one.sign(server, { iss: `${one.origin}/` }),
    'a key set of the other in its header': await one.sign(server, {}, { jku: `${two.origin}/jwks` }, two.key),
    'a key in its header': await one.sign(server, {}, { jwk: two.state.keys[0] }, two.key),
  };
  for (const [what, token] of Object.entries(mixed)) assert.equal(await verify(token), undefined, what);
  const [a, b] = [await one.sign(server), await two.sign(server)];
  const [first, other] = [await verify(a), await verify(b)];
  assert.ok(first && other);
  assert.notEqual(first.grantId, other.grantId);
  assert.deepEqual([first.clientId, other.clientId], ['i0/viewer', 'i1/viewer']);
  for (const [change, key] of [
    [{ iss: one.origin }, two.key],
    [{}, two.key],
  ] as const) {
    const logout = await logoutToken(one, server, change, {}, key);
    assert.equal((await post(server, '/auth/backchannel-logout', { logout_token: logout })).status, 400);
  }
  const logout = await logoutToken(one, server, {});
  assert.equal((await post(server, '/auth/backchannel-logout', { logout_token: logout })).status, 200);
  assert.equal(await verify(a), undefined);
  assert.ok(await verify(b), 'the session at the other goes on');
});

test('REG-5 a type that a token may have is taken in each of its spellings', async (t) => {
  const { issuer, server, verify } = await withIssuer(t);
  for (const typ of [
    undefined,
    'JWT',
    'jwt',
    'at+jwt',
    'at+JWT',
    'application/at+jwt',
    'application/okta-internal-at+jwt',
  ])
    assert.ok(await verify(await issuer.sign(server, {}, typ === undefined ? {} : { typ })), typ);
});

test('REG-5 keys are rotated without a pause, and one that is taken back counts no longer than a minute', async (t) => {
  const { issuer, server, verify } = await withIssuer(t);
  server.clock.freeze();
  const before = await issuer.sign(server);
  assert.ok(await verify(before));
  const key = await issuer.newKey('second');
  server.clock.ahead += 6_000;
  assert.ok(await verify(await issuer.sign(server, {}, { kid: 'second' }, key)), 'an unknown key is looked for');
  issuer.state.keys.shift();
  server.clock.ahead += 60_000;
  assert.equal(await verify(before), undefined);
});

test('REG-5 answers are kept for a minute at most, negative ones too, and unknown keys are not asked for again and again', async (t) => {
  const { issuer, server, verify } = await withIssuer(t, {
    introspection: { endpoint: 'http://localhost:1/', client_id: 'lockstep', client_secret_file: 'x' },
  });
  assert.ok(issuer && server);
  const direct = await withIssuer(t);
  direct.server.clock.freeze();
  const token = await direct.issuer.sign(direct.server);
  const forged = await direct.issuer.sign(direct.server, {}, { kid: 'made-up' });
  for (let n = 0; n < 50; n++) {
    assert.ok(await direct.verify(token));
    assert.equal(await direct.verify(forged), undefined);
    assert.equal(
      await direct.verify(await direct.issuer.sign(direct.server, { jti: String(n) }, { kid: `x${n}` })),
      undefined,
    );
  }
  assert.ok(direct.issuer.state.asked <= 3, `${direct.issuer.state.asked} requests`);
  await assert.rejects(verify(await issuer.sign(server)), { name: 'StoreUnavailable' });
});

test('REG-5 a new key counts at once: just after the keys were read, under a known id, for tokens that name none', async (t) => {
  const { issuer, server, verify } = await withIssuer(t);
  server.clock.freeze();
  assert.ok(await verify(await issuer.sign(server)));
  const second = await issuer.newKey('second');
  assert.ok(await verify(await issuer.sign(server, {}, { kid: 'second' }, second)), 'a new id');
  server.clock.ahead += 5_000;
  issuer.state.keys.length = 0;
  const reused = await issuer.newKey('first');
  assert.ok(await verify(await issuer.sign(server, { jti: 'a' }, {}, reused)), 'an id that was used before');
  server.clock.ahead += 5_000;
  issuer.state.keys.length = 0;
  const nameless = await issuer.newKey('third');
  assert.ok(await verify(await issuer.sign(server, { jti: 'b' }, { kid: undefined }, nameless)), 'no id');
  const early = await issuer.newKey('fourth');
  const token = await issuer.sign(server, {}, { kid: 'fourth' }, early);
  assert.equal(await verify(token), undefined, 'the keys were read a moment ago');
  server.clock.ahead += 5_000;
  assert.ok(await verify(token), 'and the refusal lasts no longer');
});

test('REG-5 a new key counts for all tokens that come while the keys are read', async (t) => {
  const { issuer, server, verify } = await withIssuer(t);
  server.clock.freeze();
  assert.ok(await verify(await issuer.sign(server)));
  const second = await issuer.newKey('second');
  const tokens = await Promise.all(
    Array.from({ length: 5 }, (_, n) => issuer.sign(server, { jti: String(n) }, { kid: 'second' }, second)),
  );
  const asked = issuer.state.asked;
  const found = await Promise.all(tokens.map(verify));
  assert.deepEqual(
    found.map((info) => info?.clientId),
    tokens.map(() => 'other/viewer'),
  );
  assert.equal(issuer.state.asked, asked + 1, 'they are read once for all');
});

test('REG-5 while the issuer does not answer, no token is called wrong because its key is missing', async (t) => {
  const { issuer, server, verify } = await withIssuer(t);
  server.clock.freeze();
  const good = await issuer.sign(server);
  assert.ok(await verify(good));
  const second = await issuer.newKey('second');
  issuer.state.away = true;
  for (let n = 0; n < 4; n += 1) {
    const token = await issuer.sign(server, { jti: String(n) }, { kid: 'second' }, second);
    await assert.rejects(verify(token), { name: 'StoreUnavailable' }, `after ${n} s`);
    server.clock.ahead += 1_000;
  }
  assert.ok(await verify(good), 'keys that are known count');
  issuer.state.away = false;
  assert.ok(await verify(await issuer.sign(server, {}, { kid: 'second' }, second)), 'as soon as it is back');
});

test('REG-5 a token that names no key is good by any key of its kind', async (t) => {
  const { issuer, server, verify } = await withIssuer(t);
  server.clock.freeze();
  const second = await issuer.newKey('second');
  const stranger = (await generateKeyPair('RS256')).privateKey;
  for (const key of [issuer.key, second]) {
    assert.ok(await verify(await issuer.sign(server, {}, { kid: undefined }, key)));
  }
  assert.equal(await verify(await issuer.sign(server, {}, { kid: undefined }, stranger)), undefined);
  assert.equal(await verify(await issuer.sign(server, { aud: 'x' }, { kid: undefined }, second)), undefined);
  const expired = { exp: Math.floor(server.clock.now() / 1000) - 60 };
  assert.equal(await verify(await issuer.sign(server, expired, { kid: undefined }, second)), undefined);
});

test('REG-5 what a client got for itself is no person’s, whatever name the issuer gives it; a person’s is no service’s', async (t) => {
  const { issuer, server, verify } = await withIssuer(t, { services: { ehr: 'all' } });
  const none = { sid: undefined, preferred_username: undefined };
  const forItself: readonly ((client: string) => Json)[] = [
    (client) => ({ ...none, sub: client, preferred_username: client }),
    (client) => ({ ...none, cid: client, azp: undefined, sub: client, preferred_username: 'svc' }),
    () => ({ ...none, sub: 'oid-7', oid: 'oid-7', preferred_username: 'oid-7' }),
    () => ({ ...none, idtyp: 'app', preferred_username: 'oid-7' }),
    (client) => ({ ...none, gty: 'client-credentials', sub: `${client}@clients`, preferred_username: 'svc' }),
    // Keycloak, without a session and with one.
    (client) => ({ ...none, preferred_username: `service-account-${client}` }),
    (client) => ({
      sid: 's',
      preferred_username: `service-account-${client}`,
      clientHost: '10.0.0.1',
      client_id: client,
    }),
    (client) => ({ sid: 's', preferred_username: `service-account-${client}`, clientAddress: '10.0.0.1' }),
  ];
  for (const claims of forItself) {
    const service = await verify(await issuer.sign(server, { azp: 'ehr', ...claims('ehr') }));
    assert.deepEqual([service?.sessions, service?.user], ['all', undefined], JSON.stringify(claims('ehr')));
    const stranger = { azp: 'stranger', ...claims('stranger') };
    assert.equal(await verify(await issuer.sign(server, stranger)), undefined, JSON.stringify(stranger));
  }
  // A person who is called so where people choose their names: nothing is opened, neither the service's sessions nor a person's.
  for (const client of ['ehr', 'stranger']) {
    for (const signIn of [{ sid: 's' }, { sid: undefined, auth_time: 1 }, { sid: undefined, amr: ['pwd'] }]) {
      for (const name of [`service-account-${client}`, `Service-Account-${client.toUpperCase()}`]) {
        const claims = { azp: client, ...signIn, preferred_username: name };
        assert.equal(await verify(await issuer.sign(server, claims)), undefined, JSON.stringify(claims));
      }
    }
  }
  const b2c = await verify(await issuer.sign(server, { azp: 'ehr', sub: 'oid-7', oid: 'oid-7', auth_time: 1 }));
  assert.deepEqual([b2c?.sessions, b2c?.user], [undefined, `Practitioner/${LENA}`], 'oid is sub of people too');
  const namesake = await verify(await issuer.sign(server, { azp: 'ehr', sub: 'ehr', auth_time: 1 }));
  assert.deepEqual(
    [namesake?.sessions, namesake?.user],
    [undefined, `Practitioner/${LENA}`],
    'who is called as the client',
  );
  for (const signIn of [{ sid: 'session-1' }, { sid: undefined, auth_time: 1 }, { sid: undefined, amr: ['pwd'] }]) {
    const person = await verify(await issuer.sign(server, { azp: 'ehr', ...signIn }));
    assert.deepEqual([person?.sessions, person?.user], [undefined, `Practitioner/${LENA}`], JSON.stringify(signIn));
  }
});

test('REG-5 scopes and audiences are read as Keycloak, Entra, Okta and Epic write them', async (t) => {
  const { issuer, server, verify } = await withIssuer(t, {
    claims: { scopes: ['scope', 'scp', 'resource_access.lock.step.roles', 'https://ehr.example/claims'] },
    scopes: { 'Context.Read': 'fhircast/Patient-open.read', clinician: 'patient/*.rs' },
  });
  const granted = async (change: Json) => {
    const info = await verify(await issuer.sign(server, { scope: undefined, jti: crypto.randomUUID(), ...change }));
    return info?.scopes.list.map(({ text }) => text).join(' ');
  };
  for (const [change, wanted] of [
    [{ scp: ['Context.Read', 'offline_access'], aud: ['account', AUDIENCE] }, /fhircast\/Patient-open\.read/],
    [{ scp: 'Context.Read profile email' }, /^fhircast\/Patient-open\.read profile$/],
    [{ scope: 'user/Observation.read user/Patient.rs user/*.write' }, /user\/Observation\.read .*user\/Patient\.rs/],
    [{ resource_access: { 'lock.step': { roles: ['clinician'] } } }, /^patient\/\*\.rs$/],
    [{ resource_access: { lock: { step: { roles: ['clinician'] } } } }, /^patient\/\*\.rs$/],
    [{ 'https://ehr.example/claims': 'clinician' }, /^patient\/\*\.rs$/],
    [{ scope: 'Context.Read', typ: 'Bearer', nonce: 'n' }, /fhircast/],
    [{ scope: [{ toString: 'x' }, 7, null] }, /^$/],
  ] as const) {
    assert.match((await granted(change)) ?? 'refused', wanted, JSON.stringify(change));
  }
  for (const change of [
    { aud: ['account'] },
    { aud: [] },
    { aud: [[AUDIENCE]] },
    { nonce: 'n' },
    { typ: 'ID', nonce: 'n' },
  ]) {
    assert.equal(await granted(change), undefined, JSON.stringify(change));
  }
});

test('REG-5 keys are found by the metadata of RFC 8414 where there is no OpenID Connect', async (t) => {
  const key = await generateKeyPair('ES256', { extractable: true });
  const jwk = { ...(await exportJWK(key.publicKey)), kid: 'k' };
  const { origin } = await serve(t, (request, response) => {
    const send = (value: object) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    if (request.url === '/keys') return send({ keys: [jwk] });
    const isMetadata = request.url === '/.well-known/oauth-authorization-server/tenant';
    return isMetadata
      ? send({ issuer: `${origin}/tenant`, jwks_uri: `${origin}/keys` })
      : response.writeHead(404).end();
  });
  const file = { issuers: [{ name: 'other', issuer: `${origin}/tenant`, audience: AUDIENCE }] };
  const server = await startServer(t, { trustedIssuers: readTrustedIssuers(JSON.stringify(file), () => '') });
  const token = await new SignJWT({ azp: 'viewer', preferred_username: LENA, scope: 'fhircast/*.*' })
    .setProtectedHeader({ alg: 'ES256', kid: 'k' })
    .setIssuer(`${origin}/tenant`)
    .setAudience(AUDIENCE)
    .setSubject('s')
    .setExpirationTime(Math.floor(server.clock.now() / 1000) + 300)
    .sign(key.privateKey);
  assert.equal((await server.auth.verifyToken(token))?.clientId, 'other/viewer');
});

test('REG-5 while the issuer does not answer, a token gets 503 with Retry-After, not 401', async (t) => {
  const { issuer, server, verify } = await withIssuer(t);
  server.clock.freeze();
  issuer.state.away = true;
  const token = await issuer.sign(server);
  await assert.rejects(verify(token), { name: 'StoreUnavailable' });
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const launch = await answerOf(await fetch(server.url('/launch'), { method: 'POST', headers, body: '{}' }));
  assert.equal(launch.status, 503);
  assert.ok(Number(launch.headers.get('retry-after')) > 0);
  issuer.state.away = false;
  server.clock.ahead += 1_000;
  assert.ok(await verify(token), 'it is asked again');
  issuer.state.away = true;
  server.clock.ahead += 59_000;
  assert.ok(await verify(token), 'what is known counts for a minute');
});

test('REG-5 opaque tokens are asked about, and what the issuer answers is checked like claims', async (t) => {
  const issuer = await startIssuer(t);
  const introspection = {
    endpoint: `${issuer.origin}/introspect`,
    client_id: 'lockstep',
    client_secret_file: 'secret',
  };
  const server = await startServer(t, { trustedIssuers: trust(issuer, { introspection }) });
  server.clock.freeze();
  const answer = (token: string, change: Json = {}) =>
    issuer.state.answers.set(token, { active: true, ...issuer.claimsAt(server, change) });
  answer('good');
  answer('other-audience', { aud: 'another' });
  answer('other-issuer', { iss: 'https://elsewhere.example' });
  answer('expired', { exp: 1 });
  answer('early', { nbf: Math.floor(server.clock.now() / 1000) + 300 });
  answer('odd', { exp: 'tomorrow' });
  issuer.state.answers.set('half', { ...issuer.claimsAt(server), active: 'true' });
  assert.equal((await server.auth.verifyToken('good'))?.user, `Practitioner/${LENA}`);
  for (const token of ['other-audience', 'other-issuer', 'expired', 'early', 'odd', 'half', 'made-up']) {
    assert.equal(await server.auth.verifyToken(token), undefined, token);
  }
  const asked = issuer.state.asked;
  for (let n = 0; n < 20; n++) assert.equal(await server.auth.verifyToken('made-up'), undefined);
  assert.equal(issuer.state.asked, asked, 'a token that is not good is not asked about again');
  issuer.state.answers.delete('good');
  assert.ok(await server.auth.verifyToken('good'));
  server.clock.ahead += 60_000;
  assert.equal(await server.auth.verifyToken('good'), undefined, 'revoked a minute ago');
});

test('REG-5 an opaque token is asked about at each issuer that can be: with dots, without a subject, beside one that is away', async (t) => {
  const issuer = await startIssuer(t);
  const introspection = (endpoint: string) => ({
    ...{ endpoint, client_id: 'lockstep', client_secret_file: 'secret', sees_other_tokens: true },
  });
  const away = {
    name: 'away',
    issuer: 'http://localhost:1',
    audience: AUDIENCE,
    introspection: introspection('http://localhost:1/'),
  };
  const here = {
    name: 'other',
    issuer: issuer.origin,
    audience: AUDIENCE,
    introspection: introspection(`${issuer.origin}/introspect`),
  };
  const file = JSON.stringify({ issuers: [away, { ...here, services: { ehr: 'all' }, claims: { user: 'username' } }] });
  const server = await startServer(t, { trustedIssuers: readTrustedIssuers(file, () => 'secret') });
  server.clock.freeze();
  const { sub: _sub, preferred_username: _name, sid: _sid, ...claims } = issuer.claimsAt(server);
  for (const token of [
    'opaque',
    'a.b',
    'v4.local.c2VjcmV0',
    `x.${Buffer.from('{"a":1}').toString('base64url')}.y`,
    'a.b.c.d.e',
  ]) {
    issuer.state.answers.set(token, { active: true, ...claims, username: LENA });
    assert.equal((await server.auth.verifyToken(token))?.user, `Practitioner/${LENA}`, token);
  }
  issuer.state.answers.set('service', { active: true, ...claims, azp: 'ehr' });
  assert.equal((await server.auth.verifyToken('service'))?.sessions, 'all');
  await assert.rejects(server.auth.verifyToken('nobodys'), { name: 'StoreUnavailable' });
  const asked = issuer.state.asked;
  const foreign = await issuer.sign(server, { iss: 'https://elsewhere.example' });
  assert.equal(await server.auth.verifyToken(foreign), undefined);
  assert.equal(issuer.state.asked, asked, 'a JWT of another issuer is shown to nobody');
});

test('REG-5 an opaque token is shown to the issuer that its prefix names, or to the one without, and to no other', async (t) => {
  const [first, second, rest] = [await startIssuer(t), await startIssuer(t), await startIssuer(t)];
  const entry = (name: string, { origin }: Issuer, token_prefix?: string | readonly string[]) => ({
    ...{ name, issuer: origin, audience: AUDIENCE },
    introspection: {
      ...{ endpoint: `${origin}/introspect`, client_id: 'lockstep', client_secret_file: 'secret' },
      ...(token_prefix === undefined ? {} : { token_prefix }),
    },
  });
  const file = {
    issuers: [entry('first', first, 'one-'), entry('rest', rest), entry('second', second, ['two-', 'zwei-'])],
  };
  const server = await startServer(t, { trustedIssuers: readTrustedIssuers(JSON.stringify(file), () => 'secret') });
  server.clock.freeze();
  for (const [token, asked] of [
    ['one-a', first],
    ['two-a', second],
    ['zwei-a', second],
    ['One-a', rest],
    ['a-one-', rest],
    ['on', rest],
    ['a.b.c', rest],
  ] as const) {
    const known = randomUUID();
    for (const issuer of [first, second, rest]) {
      issuer.state.asked = 0;
      issuer.state.answers.set(`${token}${known}`, { active: true, ...issuer.claimsAt(server) });
    }
    assert.ok(await server.auth.verifyToken(`${token}${known}`), token);
    assert.equal(await server.auth.verifyToken(`${token}-made-up`), undefined);
    assert.deepEqual(
      [first, second, rest].filter(({ state }) => state.asked > 0),
      [asked],
      token,
    );
  }
});

test('REG-5 an answer that does not say when the token ends counts for a minute, whoever asks; then the issuer is asked again', async (t) => {
  const issuer = await startIssuer(t);
  const introspection = {
    endpoint: `${issuer.origin}/introspect`,
    client_id: 'lockstep',
    client_secret_file: 'secret',
  };
  const server = await startServer(t, { trustedIssuers: trust(issuer, { introspection }) });
  server.clock.freeze();
  issuer.state.answers.set('endless', { active: true, ...issuer.claimsAt(server, { exp: undefined }) });
  for (let minute = 0; minute < 3; minute++) {
    const before = issuer.state.asked;
    const info = await server.auth.verifyToken('endless');
    assert.equal(info?.expiresAt, server.clock.now() + 60_000);
    server.clock.ahead += 59_999;
    assert.ok(await server.auth.verifyToken('endless'));
    assert.equal(issuer.state.asked, before + 1);
    server.clock.ahead += 1;
  }
  issuer.state.answers.delete('endless');
  assert.equal(await server.auth.verifyToken('endless'), undefined);
  for (const exp of [null, '', 0, -1, true, [], {}, '9999999999']) {
    const token = `odd ${JSON.stringify(exp)}`;
    issuer.state.answers.set(token, { active: true, ...issuer.claimsAt(server), exp });
    assert.equal(await server.auth.verifyToken(token), undefined, token);
  }
});

test('REG-5 a redirect of an issuer’s introspection is not followed: no other server sees the token', async (t) => {
  const issuer = await startIssuer(t);
  let seen = 0;
  const { origin: elsewhere } = await serve(t, (_request, response) => {
    seen += 1;
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"active":true}');
  });
  for (const status of [301, 302, 303, 307, 308]) {
    const { origin } = await serve(t, (_request, response) =>
      response.writeHead(status, { location: `${elsewhere}/introspect` }).end(),
    );
    const introspection = { endpoint: `${origin}/i`, client_id: 'lockstep', client_secret_file: 'secret' };
    const server = await startServer(t, { trustedIssuers: trust(issuer, { introspection }) });
    await assert.rejects(server.auth.verifyToken('opaque'), { name: 'StoreUnavailable' }, String(status));
  }
  assert.equal(seen, 0);
});

async function logoutToken(issuer: Issuer, server: TestServer, change: Json = {}, header: Json = {}, key = issuer.key) {
  const events = { 'http://schemas.openid.net/event/backchannel-logout': {} };
  const claims = { jti: crypto.randomUUID(), events, azp: undefined, scope: undefined, preferred_username: undefined };
  return issuer.sign(server, { ...claims, ...change }, { typ: 'logout+jwt', ...header }, key);
}

test('REG-5 a token that is bound to what is not checked here is refused, as a JWT and as the issuer says of it', async (t) => {
  const issuer = await startIssuer(t);
  const introspection = {
    endpoint: `${issuer.origin}/introspect`,
    client_id: 'lockstep',
    client_secret_file: 'secret',
  };
  const byKeys = await startServer(t, { trustedIssuers: trust(issuer) });
  const byAsking = await startServer(t, { trustedIssuers: trust(issuer, { introspection }) });
  let opaque = 0;
  const bound = async (cnf: unknown) => {
    opaque += 1;
    issuer.state.answers.set(`opaque-${opaque}`, { active: true, ...issuer.claimsAt(byAsking, { cnf }) });
    return [
      [byKeys, await issuer.sign(byKeys, { cnf })],
      [byAsking, `opaque-${opaque}`],
    ] as const;
  };
  const found = async (server: TestServer, token: string) => (await server.auth.tokens.find(`DPoP ${token}`))?.info;
  for (const cnf of [
    { 'x5t#S256': 'certificate' },
    { jkt: 'key', 'x5t#S256': 'certificate' },
    { jwk: { kty: 'EC' } },
    { kid: 'first' },
    { jkt: 5 },
    {},
    'key',
    null,
  ]) {
    for (const [server, token] of await bound(cnf)) {
      assert.equal(await found(server, token), undefined, `${JSON.stringify(cnf)} ${token.slice(0, 8)}`);
    }
  }
  for (const [server, token] of await bound({ jkt: 'key' })) {
    assert.equal((await found(server, token))?.jkt, 'key');
  }
});

test('REG-5 signing out at the issuer ends its session here at once, by session or by subject', async (t) => {
  const { issuer, server, verify } = await withIssuer(t);
  const tokens = await Promise.all(['a', 'b'].map((sid) => issuer.sign(server, { sid })));
  const [a = '', b = ''] = tokens;
  const grants = [(await verify(a))?.grantId, (await verify(b))?.grantId];
  const send = async (token: string) => post(server, '/auth/backchannel-logout', { logout_token: token });
  assert.equal((await send(await logoutToken(issuer, server, { sid: 'a' }))).status, 200);
  assert.deepEqual(
    server.ended.map(({ grantId }) => grantId),
    [grants[0]],
  );
  assert.equal(await verify(a), undefined);
  assert.ok(await verify(b), 'another session goes on');
  assert.equal(await verify(await issuer.sign(server, { sid: 'a', jti: 'again' })), undefined, 'the session stays out');
  assert.equal((await send(await logoutToken(issuer, server, { sid: undefined }))).status, 200);
  assert.ok(server.ended.some(({ grantId }) => grantId === grants[1]));
  assert.equal(await verify(b), undefined);
  const other = await server.node();
  assert.equal(await other.verifyToken(b), undefined, 'at every node');
  server.clock.ahead += 2_000;
  assert.ok(await verify(await issuer.sign(server, { sid: 'c' })), 'who signs in again is let in');
});

test('REG-5 a logout that comes late, after a newer one, opens nothing that the newer one ended', async (t) => {
  const { issuer, server, verify } = await withIssuer(t);
  server.clock.freeze();
  const now = Math.floor(server.clock.now() / 1000);
  const token = await issuer.sign(server, { iat: now - 20, sid: undefined });
  assert.ok(await verify(token));
  for (const iat of [now - 10, now - 60, now - 30]) {
    const logout = await logoutToken(issuer, server, { iat, sid: undefined });
    assert.equal((await post(server, '/auth/backchannel-logout', { logout_token: logout })).status, 200);
    const other = await server.node();
    for (const door of [verify, other.verifyToken.bind(other)])
      assert.equal(await door(token), undefined, `after the logout of ${now - iat} s ago`);
  }
});

test('REG-5 a logout token that is forged, stale, of another kind or repeated ends nothing', async (t) => {
  const { issuer, server, verify } = await withIssuer(t);
  const token = await issuer.sign(server);
  assert.ok(await verify(token));
  const stranger = (await generateKeyPair('RS256')).privateKey;
  const now = Math.floor(Date.now() / 1000);
  const bad = [
    await logoutToken(issuer, server, {}, {}, stranger),
    await logoutToken(issuer, server, { nonce: 'n' }),
    await logoutToken(issuer, server, { events: {} }),
    await logoutToken(issuer, server, { events: 'x' }),
    await logoutToken(issuer, server, { aud: 'another' }),
    await logoutToken(issuer, server, { jti: undefined }),
    await logoutToken(issuer, server, { iat: now - 3600 }),
    await logoutToken(issuer, server, { sub: undefined, sid: undefined }),
    await logoutToken(issuer, server, { sid: 5 }),
    token,
    'x',
  ];
  for (const one of bad) {
    const answer = await post(server, '/auth/backchannel-logout', { logout_token: one });
    assert.deepEqual([answer.status, answer.body.error], [400, 'invalid_request'], one.slice(0, 60));
  }
  assert.equal((await post(server, '/auth/backchannel-logout', {})).status, 400);
  assert.ok(await verify(token));
  const good = await logoutToken(issuer, server, { sid: 'other' });
  for (let n = 0; n < 2; n++)
    assert.equal((await post(server, '/auth/backchannel-logout', { logout_token: good })).status, 200);
  assert.equal(server.ended.length, 1, 'a repeated one counts once');
});

test('REG-5 the file is checked, and every mistake is named by its field', () => {
  const good = { name: 'a', issuer: 'https://a.example', audience: 'x' };
  const read = (value: unknown) =>
    readTrustedIssuers(typeof value === 'string' ? value : JSON.stringify(value), () => 's');
  const asked = (name: string, more: Json = {}) => ({
    ...{ ...good, name, issuer: `https://${name}.example` },
    introspection: { endpoint: `https://${name}.example/i`, client_id: 'l', client_secret_file: 's', ...more },
  });
  assert.equal(read({ issuers: [good] }).length, 1);
  const open = { sees_other_tokens: true };
  const several = [asked('b', open), asked('c', open), asked('d', { token_prefix: 'x' }), good];
  assert.equal(read({ issuers: several }).length, 4);
  const bad: [unknown, RegExp][] = [
    ['{', /JSON/],
    [[], /must be an object/],
    [{ issuers: [] }, /issuers must list/],
    [{ issuers: [good], more: 1 }, /not known: more/],
    [{ issuers: [{ ...good, audience: undefined }] }, /issuers\[0\]\.audience/],
    [{ issuers: [{ ...good, name: 'A b' }] }, /\.name/],
    [{ issuers: [{ ...good, issuer: 'http://a.example' }] }, /\.issuer must be an https/],
    [{ issuers: [{ ...good, algorithms: ['HS256'] }] }, /HS256/],
    [{ issuers: [{ ...good, algorithms: ['none'] }] }, /none/],
    [{ issuers: [{ ...good, jwks_uri: 'file:///x' }] }, /jwks_uri/],
    [{ issuers: [{ ...good, claims: { who: 'x' } }] }, /not known: who/],
    [{ issuers: [{ ...good, scopes: { a: 5 } }] }, /scopes\.a/],
    [{ issuers: [{ ...good, services: { a: 'some' } }] }, /services\.a/],
    [{ issuers: [{ ...good, introspection: { endpoint: 'https://a.example/i' } }] }, /introspection\.client_id/],
    [{ issuers: [good, { ...good, issuer: 'https://b.example' }] }, /same name/],
    [{ issuers: [good, { ...good, name: 'b' }] }, /same issuer/],
    [{ issuers: [asked('a'), asked('b')] }, /introspection of a, b needs "token_prefix"/],
    [{ issuers: [asked('a', { sees_other_tokens: true }), asked('b')] }, /introspection of a, b needs/],
    [{ issuers: [asked('a', { sees_other_tokens: 'yes' })] }, /sees_other_tokens must be true or false/],
    [{ issuers: [asked('a', { token_prefix: '' })] }, /token_prefix must be a text/],
    [{ issuers: [asked('a', { token_prefix: [] })] }, /token_prefix must be a text or a list/],
    [
      { issuers: [asked('a', { token_prefix: 'x-1' }), asked('b', { token_prefix: 'x-' })] },
      /x-1 of a fits tokens of b/,
    ],
    [{ issuers: [asked('a', { token_prefix: 'x' }), asked('b', { token_prefix: 'x' })] }, /x of a fits tokens of b/],
    [{ issuers: [asked('a', { endpoint: 'http://a.example/i' })] }, /endpoint must be an https/],
  ];
  for (const [value, words] of bad) assert.throws(() => read(value), words);
});

test('REG-5 the examples of the documentation are files that are read', () => {
  const page = readFileSync(new URL('../../../docs/trusted-issuers.md', import.meta.url), 'utf8');
  const examples = [...page.matchAll(/```json\n(.*?)```/gs)].map(([, text = '']) => text);
  assert.equal(examples.length, 4);
  for (const text of examples) assert.equal(readTrustedIssuers(text, () => 'secret').length, 1);
});

test('REG-5 a name that is another’s only without white space, or with its accents joined, is nobody’s (CWE-1007)', async (t) => {
  const { issuer, server, verify } = await withIssuer(t);
  await server.auth.users.add({ id: 'rene', name: 'René', reference: 'Practitioner/rene', aliases: ['René'] });
  const userOf = async (name: string) => (await verify(await issuer.sign(server, { preferred_username: name })))?.user;
  for (const name of ['René', 'RENÉ', 'rene', 'Rene']) assert.equal(await userOf(name), 'Practitioner/rene', name);
  assert.equal(await userOf('Zoë'), 'Zoë');
  for (const name of ['Rene\u0301', ' rene', 'rene ', 'rene\u00a0', '\u3000René', 'Zoe\u0308', ' Zoë', 'Zoë  X'])
    assert.equal(await userOf(name), undefined, JSON.stringify(name));
});

test('REG-5 keys are fetched from no address that an issuer could not be configured with, whatever its document says', async (t) => {
  const { origin } = await startIssuer(t);
  const [issuer] = readTrustedIssuers(
    JSON.stringify({ issuers: [{ name: 'other', issuer: 'https://login.example', audience: AUDIENCE }] }),
    () => '',
  );
  assert.ok(issuer);
  const says = (jwks_uri: unknown) => async () => Response.json({ issuer: issuer.issuer, jwks_uri });
  for (const good of ['https://login.example/jwks', 'https://keys.example/jwks', `${origin}/jwks`]) {
    assert.equal(await discoverJwks(issuer, says(good)), good);
  }
  const bad = ['http://login.example/jwks', 'https://me:secret@login.example/jwks', 'https://login.example/jwks#x'];
  for (const one of [
    ...bad,
    'data:application/json,{"keys":[]}',
    'file:///jwks',
    '/jwks',
    '',
    7,
    null,
    [],
    undefined,
  ]) {
    await assert.rejects(discoverJwks(issuer, says(one)), /jwks_uri/, String(one));
  }
});
