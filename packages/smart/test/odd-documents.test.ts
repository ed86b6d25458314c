/**
 * What others sign, publish or answer may be any JSON, well signed or not: whoever reads it refuses it in the words of its
 * own protocol, or takes it for what it is. Never an error of the server, never a wait.
 */
import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { type TestContext, test } from 'node:test';
import { ODD_VALUES, oddTexts } from '../../../scripts/odd-json.ts';
import { readManifest, readTrustedIssuers } from '../src/index.ts';
import { assertionFields, type Json, post, register, serve, startServer, type TestServer } from './harness.ts';
import { CLIENT_ID, startOutside, Traveller } from './outside-provider.ts';

/** For documents that take a while each. */
const FEW = ODD_VALUES.filter((_, index) => index % 4 === 0 || ODD_VALUES[index]?.includes('1e400'));
const KID = 'key';

interface Signer {
  readonly jwk: Json;
  /** Signs texts as they are. */
  sign(header: string, payload: string): string;
}

function signer(alg: 'ES256' | 'ES384'): Signer {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: alg === 'ES256' ? 'P-256' : 'P-384' });
  const part = (text: string): string => Buffer.from(text).toString('base64url');
  return {
    jwk: { ...publicKey.export({ format: 'jwk' }), kid: KID, alg, use: 'sig' },
    sign(header, payload) {
      const data = `${part(header)}.${part(payload)}`;
      return `${data}.${signed(data, alg === 'ES256' ? 'sha256' : 'sha384', privateKey)}`;
    },
  };
}

function signed(data: string, hash: string, key: KeyObject): string {
  return sign(hash, Buffer.from(data), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url');
}

/** Every odd text in the place of the header, and of the payload. */
function* oddTokens(by: Signer, header: () => Json, payload: () => Json, odd = ODD_VALUES): Iterable<string> {
  for (const text of oddTexts(header(), odd)) yield by.sign(text, JSON.stringify(payload()));
  for (const text of oddTexts(payload(), odd)) yield by.sign(JSON.stringify(header()), text);
}

const shown = (text: string): string => {
  const parts = text.split('.').map((one) => Buffer.from(one, 'base64url').toString());
  return (text.startsWith('ey') ? parts.slice(0, 2).join(' . ') : text).slice(0, 300);
};

const seconds = ({ clock }: TestServer): number => Math.floor(clock.now() / 1000);

/** An issuer that publishes and answers texts as they are. */
async function startIssuer(t: TestContext, by: Signer) {
  const texts = { discovery: '', jwks: JSON.stringify({ keys: [by.jwk] }), introspection: '' };
  const { origin } = await serve(t, ({ url = '' }, response: ServerResponse) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    if (url.endsWith('/openid-configuration')) return response.end(texts.discovery);
    return response.end(url === '/jwks' ? texts.jwks : texts.introspection);
  });
  texts.discovery = JSON.stringify({ issuer: origin, jwks_uri: `${origin}/jwks` });
  return { origin, texts };
}

async function withIssuer(t: TestContext, more: (origin: string) => Json = () => ({})) {
  const by = signer('ES256');
  const issuer = await startIssuer(t, by);
  const { origin } = issuer;
  const file = { issuers: [{ name: 'other', issuer: origin, audience: 'us', algorithms: ['ES256'], ...more(origin) }] };
  const server = await startServer(t, { trustedIssuers: readTrustedIssuers(JSON.stringify(file), () => 'secret') });
  const header = () => ({ alg: 'ES256', kid: KID, typ: 'at+jwt', jku: 'https://evil.example/', x5c: ['x'] });
  const claims = () => ({
    ...{ iss: origin, aud: ['us', 'them'], sub: 's', iat: seconds(server), nbf: seconds(server), azp: 'viewer' },
    ...{ exp: seconds(server) + 300, scope: 'fhircast/*.*', preferred_username: 'dr-lena-okafor', sid: 'session' },
    ...{ fhirUser: `${origin}/Practitioner/9`, patient: 'p1', jti: 'j', client_id: 'viewer' },
  });
  return { by, issuer, server, header, claims };
}

/** What the token stands for is sound, nothing at all, or not known because the issuer is of no use. */
async function checkToken(server: TestServer, token: string, what = shown(token)): Promise<boolean> {
  try {
    const info = await server.auth.verifyToken(token);
    if (!info) return false;
    assert.ok(Number.isFinite(info.expiresAt), `${what}: expires at ${info.expiresAt}`);
    for (const text of [info.clientId, info.grantId, info.user ?? '', info.patient ?? '', ...info.userAliases]) {
      assert.ok(typeof text === 'string' && text.isWellFormed() && text.length < 600, what);
    }
    return true;
  } catch (error) {
    assert.equal((error as Error).name, 'StoreUnavailable', `${what}: ${error}`);
    return false;
  }
}

test('REG-5 a token of a trusted issuer with any header and claims stands for somebody, or nothing', async (t) => {
  const { by, server, header, claims } = await withIssuer(t);
  assert.ok(await checkToken(server, by.sign(JSON.stringify(header()), JSON.stringify(claims()))));
  for (const token of oddTokens(by, header, claims)) await checkToken(server, token);
});

test('REG-5 whatever a trusted issuer publishes and answers is used, or says that it cannot be asked', async (t) => {
  const { by, issuer, server, header, claims } = await withIssuer(t);
  const token = (jti: string) => by.sign(JSON.stringify(header()), JSON.stringify({ ...claims(), jti }));
  for (const name of ['discovery', 'jwks'] as const) {
    const good = issuer.texts[name];
    for (const text of oddTexts(JSON.parse(good))) {
      issuer.texts[name] = text;
      server.clock.ahead += 61_000;
      await checkToken(server, token(crypto.randomUUID()), `${name} ${text.slice(0, 200)}`);
    }
    issuer.texts[name] = good;
    server.clock.ahead += 61_000;
    assert.ok(await checkToken(server, token(name)), `works again after every ${name}`);
  }
});

test('REG-5 whatever a trusted issuer answers about a token, the result is a user, no user, or an issuer that cannot be asked', async (t) => {
  const { issuer, server, claims } = await withIssuer(t, (origin) => ({
    introspection: { endpoint: `${origin}/introspect`, client_id: 'us', client_secret_file: 'secret' },
  }));
  const good = { ...claims(), active: true, token_type: 'Bearer', username: 'x', cnf: { jkt: 'x' } };
  for (const text of [JSON.stringify(good), ...oddTexts(good)]) {
    issuer.texts.introspection = text;
    const isKnown = await checkToken(server, crypto.randomUUID(), text.slice(0, 200));
    if (text === JSON.stringify(good)) assert.ok(isKnown);
  }
});

test('REG-5 a logout token with any header and claims ends something, or is refused', async (t) => {
  const { by, server, header, claims } = await withIssuer(t);
  const logout = () => {
    const { aud, iss, sub, sid } = claims();
    const events = { 'http://schemas.openid.net/event/backchannel-logout': {} };
    return { iss, aud, sub, sid, iat: seconds(server), jti: crypto.randomUUID(), events };
  };
  for (const token of oddTokens(by, () => ({ ...header(), typ: 'logout+jwt' }), logout, FEW)) {
    const { status } = await post(server, '/auth/backchannel-logout', { logout_token: token });
    assert.ok([200, 400, 413].includes(status), `${status} ${shown(token)}`);
  }
});

test('TOK-1 an assertion with any header and claims authenticates its client, or is invalid_client', async (t) => {
  const server = await startServer(t);
  const by = signer('ES384');
  const metadata = { grant_types: ['client_credentials'], jwks: { keys: [by.jwk] }, scope: 'system/*.rs' };
  const id = String((await register(server, metadata)).body.client_id);
  const claims = () => {
    const aud = `${server.origin}/auth/token`;
    return { iss: id, sub: id, aud, exp: seconds(server) + 60, iat: seconds(server), jti: crypto.randomUUID() };
  };
  const header = () => ({ alg: 'ES384', kid: KID, typ: 'JWT' });
  const ask = (jwt: string) => {
    return post(server, '/auth/token', {
      grant_type: 'client_credentials',
      scope: 'system/*.rs',
      ...assertionFields(jwt),
    });
  };
  assert.equal((await ask(by.sign(JSON.stringify(header()), JSON.stringify(claims())))).status, 200);
  for (const token of oddTokens(by, header, claims)) {
    const { status, body } = await ask(token);
    assert.ok(status === 200 || (status === 401 && body.error === 'invalid_client'), `${status} ${shown(token)}`);
  }
});

test('TOK-1 whatever jwks_uri answers, it authenticates that client or none', async (t) => {
  const by = signer('ES384');
  const issuer = await startIssuer(t, by);
  const server = await startServer(t);
  const metadata = { grant_types: ['client_credentials'], jwks_uri: `${issuer.origin}/jwks`, scope: 'system/*.rs' };
  const id = String((await register(server, metadata)).body.client_id);
  const ask = () => {
    const claims = {
      ...{ iss: id, sub: id, aud: `${server.origin}/auth/token`, exp: seconds(server) + 60, jti: crypto.randomUUID() },
    };
    const jwt = by.sign(JSON.stringify({ alg: 'ES384', kid: KID }), JSON.stringify(claims));
    return post(server, '/auth/token', {
      grant_type: 'client_credentials',
      scope: 'system/*.rs',
      ...assertionFields(jwt),
    });
  };
  const good = issuer.texts.jwks;
  for (const text of [...oddTexts(JSON.parse(good)), good]) {
    issuer.texts.jwks = text;
    server.clock.ahead += 120_000;
    const { status, body } = await ask();
    assert.ok(status === 200 || (status === 401 && body.error === 'invalid_client'), `${status} ${text.slice(0, 200)}`);
    if (text === good) assert.equal(status, 200);
  }
});

test('DPOP-2 a proof with any header and claims is one, or is refused as one', async (t) => {
  const server = await startServer(t);
  const by = signer('ES384');
  const metadata = { grant_types: ['client_credentials'], jwks: { keys: [by.jwk] }, scope: 'system/*.rs' };
  const id = String((await register(server, metadata)).body.client_id);
  const prover = signer('ES256');
  const { kid: _, use: __, alg: ___, ...jwk } = prover.jwk;
  const header = () => ({ typ: 'dpop+jwt', alg: 'ES256', jwk });
  const claims = () => {
    const htu = `${server.origin}/auth/token`;
    return { jti: crypto.randomUUID(), htm: 'POST', htu, iat: seconds(server), nonce: 'x', ath: 'x' };
  };
  for (const proof of oddTokens(prover, header, claims, FEW)) {
    const aud = `${server.origin}/auth/token`;
    const own = { iss: id, sub: id, aud, exp: seconds(server) + 60, jti: crypto.randomUUID() };
    const form = {
      ...{ grant_type: 'client_credentials', scope: 'system/*.rs' },
      ...assertionFields(by.sign(JSON.stringify({ alg: 'ES384', kid: KID }), JSON.stringify(own))),
    };
    const { status, body } = await post(server, '/auth/token', form, { dpop: proof });
    const isRefused = status === 400 && ['invalid_dpop_proof', 'use_dpop_nonce'].includes(String(body.error));
    assert.ok(status === 200 || isRefused || status === 431, `${status} ${shown(proof)}`);
  }
});

test('REG-4 an id token with any claims signs in a person with valid names, or is refused', async (t) => {
  const { server, idp } = await startOutside(t);
  const head = (alg: string) => Buffer.from(JSON.stringify({ alg, kid: 'outside' })).toString('base64url');
  const pem = idp.key.privateKey;
  const raw = async (payload: string): Promise<string> => {
    const data = `${head('RS256')}.${Buffer.from(payload).toString('base64url')}`;
    const bytes = await crypto.subtle.sign('RSASSA-PKCS1-v1_5', pem, Buffer.from(data));
    return `${data}.${Buffer.from(bytes).toString('base64url')}`;
  };
  const now = Math.floor(Date.now() / 1000);
  const example = { iss: idp.origin, sub: 's', aud: CLIENT_ID, exp: now + 300, iat: now, nonce: 'n', name: 'N' };
  const all = { ...example, preferred_username: 'odd', fhirUser: 'Practitioner/odd', at_hash: 'x', azp: CLIENT_ID };
  for (const text of oddTexts(all, FEW)) {
    const person = new Traveller(server, idp);
    // The nonce is that of the sign-in, where the text does not spoil it.
    idp.idToken = ({ nonce, at_hash: hash }) =>
      raw(
        text.replace('"nonce":"n"', `"nonce":"${nonce}"`).replace(',"at_hash":"x"', hash ? `,"at_hash":"${hash}"` : ''),
      );
    const page = await person.signIn();
    assert.ok(
      page.status < 500 || page.status === 502,
      `${page.status} ${text.slice(0, 300)} ${page.text.slice(0, 300)}`,
    );
  }
  for (const { id, name, reference } of await server.auth.users.list()) {
    for (const one of [id, name, reference]) {
      assert.ok(
        typeof one === 'string' && one.isWellFormed() && one.length <= 300,
        JSON.stringify([id, name, reference]),
      );
    }
  }
});

test('REG-1 a manifest of any JSON is read, or is invalid_client_metadata', () => {
  const manifest = {
    client_name: 'App',
    redirect_uris: ['https://app.example/'],
    launch_url: 'https://app.example/launch',
    scope: 'launch',
    scopes: ['launch', 'patient/*.rs'],
    jwks: { keys: [signer('ES384').jwk] },
    contacts: ['a@app.example'],
  };
  for (const text of [...oddTexts(manifest), '', '{', '\ufeff{}']) {
    try {
      readManifest(text);
    } catch (error) {
      assert.equal(
        (error as Error & { error?: string }).error,
        'invalid_client_metadata',
        `${error} ${text.slice(0, 200)}`,
      );
    }
  }
});
