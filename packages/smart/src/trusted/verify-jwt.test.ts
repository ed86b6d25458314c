import assert from 'node:assert/strict';
import { createSign, generateKeyPairSync, type KeyObject, randomInt } from 'node:crypto';
import { test } from 'node:test';
import { createLocalJWKSet, type JWK, jwtVerify, SignJWT } from 'jose';
import { type FindKey, verifyJwt } from './verify-jwt.ts';

const NOW = 1_800_000_000;
const keys = {
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  ES384: generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  RS384: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  PS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  short: generateKeyPairSync('rsa', { modulusLength: 1024 }),
};
const jwks = Object.entries(keys).map(([name, { publicKey }]): JWK => {
  return { ...publicKey.export({ format: 'jwk' }), kid: name, alg: name === 'short' ? 'RS256' : name };
});
const find = createLocalJWKSet({ keys: jwks }) as FindKey;
const options = {
  issuer: 'https://issuer.example',
  audience: ['hub'],
  algorithms: ['ES256', 'ES384', 'RS256', 'RS384', 'PS256'],
  clockTolerance: 10,
  currentDate: new Date(NOW * 1000),
  requiredClaims: ['exp', 'sub'],
};
const claims = { iss: 'https://issuer.example', aud: 'hub', sub: 'u', exp: NOW + 60, iat: NOW };

function signed(header: object, payload: unknown, key: KeyObject, hash = 'sha256'): string {
  const text = [header, payload].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  const signature = createSign(hash).update(text).sign({ key, dsaEncoding: 'ieee-p1363' });
  return `${text}.${signature.toString('base64url')}`;
}

/** What both say of a token: claims, or that it is none. */
async function both(jwt: string): Promise<readonly [ours: unknown, theirs: unknown]> {
  const outcome = (work: Promise<unknown>) => work.catch(() => 'refused');
  return [
    await outcome(verifyJwt(jwt, find, options)),
    await outcome(jwtVerify(jwt, find, options).then(({ payload }) => payload)),
  ];
}

test('REG-5 a JWT of a trusted issuer is good where jose says so, whatever its header, claims and signature', async () => {
  const es = keys.ES256.privateKey;
  const tokens: string[] = [];
  for (const alg of options.algorithms) {
    tokens.push(await new SignJWT(claims).setProtectedHeader({ alg, kid: alg }).sign(keys[alg as 'ES256'].privateKey));
  }
  const good = tokens.length;
  const claimSets: unknown[] = [
    { ...claims, exp: NOW - 11 },
    { ...claims, exp: NOW - 9 },
    { ...claims, exp: 'soon' },
    { ...claims, nbf: NOW + 11 },
    { ...claims, aud: ['other', 'hub'] },
    { ...claims, aud: 'other' },
    { ...claims, iss: 'https://other.example' },
    { ...claims, sub: undefined },
    { ...claims, iat: 'x' },
    [claims],
    'text',
    null,
  ];
  for (const payload of claimSets) tokens.push(signed({ alg: 'ES256', kid: 'ES256' }, payload, es));
  const headers = [
    { alg: 'ES256', kid: 'ES256', typ: 'at+jwt' },
    { alg: 'ES256', kid: 'ES256', typ: 7 },
    { alg: 'ES256' },
    { alg: 'ES256', kid: 'RS256' },
    { alg: 'ES256', kid: 'ES256', crit: ['exp'], exp: 1 },
    { alg: 'ES256', kid: 'ES256', b64: false, crit: ['b64'] },
    { alg: 'ES256', kid: 'ES256', jwk: jwks[0] },
    { alg: 'none', kid: 'ES256' },
    { alg: 'HS256', kid: 'ES256' },
    { alg: 'RS256', kid: 'ES256' },
    { alg: ['ES256'], kid: 'ES256' },
    { alg: 'toString', kid: 'ES256' },
    { kid: 'ES256' },
    [],
  ];
  for (const header of headers) tokens.push(signed(header, claims, es));
  tokens.push(signed({ alg: 'RS256', kid: 'short' }, claims, keys.short.privateKey));
  tokens.push(signed({ alg: 'RS512', kid: 'RS384' }, claims, keys.RS384.privateKey, 'sha512'));
  const [first = ''] = tokens;
  const [head, payload, signature] = first.split('.');
  tokens.push(
    `${head}.${payload}.`,
    `${head}.${payload}`,
    `${first}.`,
    `${first}.x`,
    `${first}=`,
    `${first}!`,
    ` ${first}`,
    '..',
    '',
  );
  tokens.push(`${head}..${signature}`, `${head}.${payload}.${signature}\n`);
  for (let n = 0; n < 100; n++) {
    const at = randomInt(first.length);
    const other = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ '[randomInt(68)];
    tokens.push(first.slice(0, at) + other + first.slice(at + 1));
  }
  for (const [n, token] of tokens.entries()) {
    const [ours, theirs] = await both(token);
    assert.deepEqual(ours, theirs, token);
    if (n < good) assert.deepEqual(ours, claims);
  }
});
