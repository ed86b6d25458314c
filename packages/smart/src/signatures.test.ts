import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, type KeyObject, randomInt, sign } from 'node:crypto';
import { test } from 'node:test';
import { exportJWK, generateKeyPair, type JWK, jwtVerify, SignJWT } from 'jose';
import { type JwsParts, jwsParts, keysFor, SIGNATURE_ALGORITHMS, signatureFits } from './signatures.ts';

interface Signer {
  readonly alg: string;
  readonly key: KeyObject;
  readonly jwk: JWK;
  readonly token: string;
}

async function signerOf(alg: string): Promise<Signer> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = await exportJWK(publicKey);
  const token = await new SignJWT({ sub: 'somebody' }).setProtectedHeader({ alg }).sign(privateKey);
  return { alg, jwk, key: createPublicKey({ key: jwk, format: 'jwk' }), token };
}

const SIGNERS = Promise.all(SIGNATURE_ALGORITHMS.map(signerOf));

function partsOf(token: string): JwsParts {
  const parts = jwsParts(token);
  assert.ok(parts, token);
  return parts;
}

const fits = ({ alg, key }: Pick<Signer, 'alg' | 'key'>, token: string) => signatureFits(alg, key, partsOf(token));

test('TOK-1 REG-5 a signature of each algorithm is checked as the library checks it, with each key and under each name', async () => {
  for (const signer of await SIGNERS) {
    assert.ok(await fits(signer, signer.token), signer.alg);
    for (const other of await SIGNERS) {
      const byLibrary = await jwtVerify(signer.token, other.jwk, { algorithms: [signer.alg] }).then(
        () => true,
        () => false,
      );
      const what = `${signer.alg} with a key for ${other.alg}`;
      assert.equal(await fits({ alg: signer.alg, key: other.key }, signer.token), byLibrary, what);
      // EdDSA and Ed25519 are two names of one algorithm (RFC 9864 section 2.2).
      const sameKind = /^Ed/.test(signer.alg) && /^Ed/.test(other.alg);
      const asOther = await fits({ alg: other.alg, key: signer.key }, signer.token);
      assert.equal(asOther, sameKind || other === signer, `${signer.alg} taken for ${other.alg}`);
    }
  }
});

test('TOK-1 REG-5 no change of a signed token leaves its signature right', async () => {
  for (const signer of await SIGNERS) {
    const { header, payload, signature } = partsOf(signer.token);
    const bytes = Buffer.from(signature, 'base64url');
    const flipped = Buffer.from(bytes);
    const at = randomInt(bytes.length);
    flipped.writeUInt8(bytes.readUInt8(at) ^ (1 << randomInt(8)), at);
    const changes: Readonly<Record<string, Buffer>> = {
      'a bit': flipped,
      'cut short': bytes.subarray(0, -1),
      'made longer': Buffer.concat([bytes, Buffer.alloc(1)]),
      'nothing but zeros': Buffer.alloc(bytes.length),
      'half of it': bytes.subarray(0, bytes.length / 2),
    };
    for (const [what, changed] of Object.entries(changes)) {
      const token = `${header}.${payload}.${changed.toString('base64url')}`;
      assert.equal(await fits(signer, token), false, `${signer.alg}: ${what}, byte ${at}`);
    }
    assert.equal(await fits(signer, `${header}.${payload}A.${signature}`), false, `${signer.alg}: another payload`);
    assert.equal(await fits(signer, `${header}A.${payload}.${signature}`), false, `${signer.alg}: another header`);
  }
});

test('TOK-1 REG-5 a signature that is written in another way than the one of its algorithm is none', async () => {
  const signers = await SIGNERS;
  const es256 = signers.find(({ alg }) => alg === 'ES256')!;
  const { header, payload, signature } = partsOf(es256.token);
  // 86 letters hold 516 bits of 512: the last one could be written in sixteen ways.
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const last = letters.indexOf(signature.at(-1)!);
  const padded = `${header}.${payload}.${signature.slice(0, -1)}${letters[last + 1]}`;
  assert.equal(await fits(es256, padded), false);
  for (const curve of ['P-256', 'P-384', 'P-521']) {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: curve });
    const [alg, hash] = { 'P-256': ['ES256', 'sha256'], 'P-384': ['ES384', 'sha384'], 'P-521': ['ES512', 'sha512'] }[
      curve
    ] as [string, string];
    const signed = Buffer.from(`${header}.${payload}`);
    const der = sign(hash, signed, privateKey).toString('base64url');
    const right = sign(hash, signed, { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url');
    assert.equal(await fits({ alg, key: publicKey }, `${header}.${payload}.${right}`), true, curve);
    assert.equal(await fits({ alg, key: publicKey }, `${header}.${payload}.${der}`), false, `${curve}, DER`);
  }
  for (const name of ['none', 'HS256', 'rs256', 'RS1', 'RSA', '', '__proto__', 'toString'])
    assert.equal(await fits({ alg: name, key: es256.key }, es256.token), false, name);
  for (const text of ['', '.', '..', 'a.b.', 'a..c', '.b.c', 'a.b.c.d', 'a.b.c=', ' a.b.c', 'a.b.c\n', 'a.b+.c'])
    assert.equal(jwsParts(text), undefined, JSON.stringify(text));
});

test('TOK-1 REG-5 short RSA keys, private ones and other curves check nothing; unusual exponents are right all the same', async () => {
  const [header, payload] = ['{"alg":"RS256"}', '{}'].map((text) => Buffer.from(text).toString('base64url'));
  const signed = Buffer.from(`${header}.${payload}`);
  const rsa = (modulusLength: number, publicExponent = 65_537) =>
    generateKeyPairSync('rsa', { modulusLength, publicExponent });
  const tried = [
    { pair: rsa(1024), expected: false },
    { pair: rsa(2048, 3), expected: true },
    { pair: rsa(2048), expected: true },
  ];
  for (const { pair, expected } of tried) {
    const token = `${header}.${payload}.${sign('sha256', signed, pair.privateKey).toString('base64url')}`;
    const { modulusLength, publicExponent } = pair.publicKey.asymmetricKeyDetails ?? {};
    const what = `${modulusLength} bits, exponent ${publicExponent}`;
    assert.equal(await fits({ alg: 'RS256', key: pair.publicKey }, token), expected, what);
    assert.equal(await fits({ alg: 'RS256', key: pair.privateKey }, token), false, `${what}, private`);
  }
  const koblitz = generateKeyPairSync('ec', { namedCurve: 'secp256k1' });
  const signature = sign('sha256', signed, { key: koblitz.privateKey, dsaEncoding: 'ieee-p1363' });
  const token = `${header}.${payload}.${signature.toString('base64url')}`;
  assert.equal(await fits({ alg: 'ES256', key: koblitz.publicKey }, token), false);
});

test('TOK-1 REG-5 keys are chosen by kind, curve, id, algorithm, use and operations', () => {
  const rsa: JWK = { kty: 'RSA', kid: 'a', n: 'x', e: 'AQAB' };
  const ec: JWK = { kty: 'EC', crv: 'P-256', kid: 'a', x: 'x', y: 'y' };
  const chosen = (keys: readonly object[], alg: string, kid?: string) => keysFor(keys as readonly JWK[], { alg, kid });
  assert.deepEqual(chosen([rsa, ec], 'RS256', 'a'), [rsa]);
  assert.deepEqual(chosen([rsa, ec], 'ES256', 'a'), [ec]);
  assert.deepEqual(chosen([rsa, ec], 'ES384', 'a'), []);
  assert.deepEqual(chosen([rsa, { ...rsa, kid: 'b' }], 'PS256').length, 2);
  for (const alg of ['HS256', 'none', 'constructor']) assert.deepEqual(chosen([rsa, ec, {}], alg), [], alg);
  const unfit: readonly object[] = [
    { kid: 'b' },
    { kid: undefined },
    { kid: ['a'] },
    { alg: 'RS384' },
    { use: 'enc' },
    { use: null },
    { key_ops: [] },
    { key_ops: ['sign'] },
    { key_ops: 'verify' },
    { kty: 'oct' },
  ];
  for (const change of unfit)
    assert.deepEqual(chosen([{ ...rsa, ...change }], 'RS256', 'a'), [], JSON.stringify(change));
  for (const change of [{ alg: 'RS256' }, { use: 'sig' }, { key_ops: ['sign', 'verify'] }])
    assert.equal(chosen([{ ...rsa, ...change }], 'RS256', 'a').length, 1, JSON.stringify(change));
});
