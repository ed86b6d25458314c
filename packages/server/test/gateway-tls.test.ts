import assert from 'node:assert/strict';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { NO_CREDENTIALS, Upstream } from '@lockstep/gateway';
import { selfSigned } from './certificate.ts';

test('FHR-3 mTLS to the FHIR server behind Lockstep: the server sees Lockstep’s certificate, and one that is not trusted is not talked to', async () => {
  const [own, other] = [selfSigned(), selfSigned()];
  const secure = createServer(
    { ...other, requestCert: true, rejectUnauthorized: true, ca: own.cert },
    (request, response) => {
      const named = (request.socket as TLSSocket).authorized;
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ named }));
    },
  );
  await new Promise<void>((done) => secure.listen(0, 'localhost', done));
  const base = `https://localhost:${(secure.address() as AddressInfo).port}/r4`;
  const limits = { base, credentials: NO_CREDENTIALS, timeoutMs: 2000, maxBytes: 1000 };
  const good = new Upstream({ ...limits, tls: { ...own, ca: other.cert } });
  assert.equal((await good.request({ method: 'GET', path: '/x' })).text, '{"named":true}');
  for (const tls of [{ ca: other.cert }, { ...own, ca: own.cert }, {}]) {
    const bad = new Upstream({ ...limits, tls });
    await assert.rejects(bad.request({ method: 'GET', path: '/x' }), { name: 'FhirRefusal', status: 502 });
    await bad.close();
  }
  await good.close();
  secure.closeAllConnections();
  await new Promise((done) => secure.close(done));
});
