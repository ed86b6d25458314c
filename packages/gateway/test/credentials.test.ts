import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, before, test } from 'node:test';
import { calculateJwkThumbprint, decodeProtectedHeader, importJWK, jwtVerify } from 'jose';
import { ClientCredentials, Upstream } from '../src/index.ts';
import { type StandIn, startStandIn } from './harness.ts';

let server: StandIn;
before(async () => {
  server = await startStandIn();
});
after(() => server.close());

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const clock = { time: Date.now() };

function credentials(key = pem): ClientCredentials {
  const tokenUrl = `${server.base}/token`;
  return new ClientCredentials({ tokenUrl, clientId: 'lockstep', key, scope: 'system/*.rs', now: () => clock.time });
}

function upstream(own = credentials()): Upstream {
  return new Upstream({ base: server.base, credentials: own, timeoutMs: 2000, maxBytes: 100_000 });
}

test('client credentials: one token for requests at the same time, by a signed assertion; another when it ends or is refused', async () => {
  const forms: URLSearchParams[] = [];
  const seen: (string | undefined)[] = [];
  let revoked = '';
  server.answer = ({ url, headers }, response, body) => {
    if (url === '/r4/token') {
      forms.push(new URLSearchParams(body));
      return response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ access_token: `t${forms.length}`, expires_in: 300 }));
    }
    seen.push(headers.authorization);
    if (headers.authorization === revoked) return response.writeHead(401).end();
    response.writeHead(200, { 'content-type': 'application/fhir+json' }).end('{}');
  };
  const one = upstream();
  const ask = () => one.request({ method: 'GET', path: '/Patient' });
  await Promise.all([ask(), ask(), ask()]);
  assert.deepEqual([forms.length, new Set(seen)], [1, new Set(['Bearer t1'])]);
  const key = await importJWK(publicKey.export({ format: 'jwk' }), 'ES384');
  const { payload, protectedHeader } = await jwtVerify(forms[0]!.get('client_assertion')!, key, {
    audience: `${server.base}/token`,
  });
  assert.deepEqual([payload.iss, payload.sub], ['lockstep', 'lockstep']);
  assert.equal(protectedHeader.kid, await calculateJwkThumbprint(publicKey.export({ format: 'jwk' })));
  clock.time += 290_000;
  await ask();
  assert.equal(seen.at(-1), 'Bearer t2');
  revoked = 'Bearer t2';
  await ask();
  assert.equal(seen.at(-1), 'Bearer t3');
  revoked = 'Bearer t4';
  clock.time += 290_000;
  server.answer = (_request, response) => response.writeHead(401).end();
  await assert.rejects(ask(), { status: 502 });
  await one.close();
});

test('client credentials: a token endpoint that gives none is a 502, whatever it says', async () => {
  const one = upstream();
  for (const [status, body] of [
    [400, '{"error":"invalid_client"}'],
    [200, '<html>'],
    [200, '{"access_token":7}'],
    [200, 'x'.repeat(70_000)],
  ] as const) {
    server.answer = (_request, response) => response.writeHead(status).end(body);
    await assert.rejects(one.request({ method: 'GET', path: '/Patient' }), { name: 'FhirRefusal', status: 502 });
  }
  await one.close();
  assert.throws(() => credentials('no key'));
});

test('FHR-3 letters whose bytes come in two chunks are read whole: of a token, and of what is read', async () => {
  const patient = { resourceType: 'Patient', id: 'p', name: [{ family: 'Müller-山田', given: ['😀'] }] };
  let shown: string | undefined;
  server.answer = ({ url, headers }, response) => {
    shown = headers.authorization;
    response.writeHead(200, { 'content-type': 'application/fhir+json' });
    const answer = url === '/r4/token' ? { access_token: 'tökén', expires_in: 300 } : patient;
    // Each write is a chunk of its own, whatever the network makes of it.
    for (const byte of Buffer.from(JSON.stringify(answer))) response.write(Buffer.of(byte));
    response.end();
  };
  const { text } = await upstream().request({ method: 'GET', path: '/Patient/p' });
  assert.equal(shown, 'Bearer tökén');
  assert.deepEqual(JSON.parse(text), patient);
});

test('a JWK will do for a key', async () => {
  const jwk = JSON.stringify({ ...privateKey.export({ format: 'jwk' }), kid: 'mine' });
  let kid: string | undefined;
  server.answer = ({ url }, response, body) => {
    if (url === '/r4/token') {
      ({ kid } = decodeProtectedHeader(new URLSearchParams(body).get('client_assertion') ?? ''));
      response.writeHead(200).end('{"access_token":"t"}');
    } else response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  };
  const one = upstream(credentials(jwk));
  assert.equal((await one.request({ method: 'GET', path: '/x' })).text, '{}');
  assert.equal(kid, 'mine');
  await one.close();
});
