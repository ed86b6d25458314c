/** The shipped configurations of load balancers, each run for real in front of Lockstep. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { describe, it } from 'node:test';
import { freePort } from '@lockstep/store-redis/testing';
import { HubClient, patient, withLockstep } from './harness.ts';
import { isInstalled, startProxy, WHOLE_HOST } from './proxy.ts';

/** The status of a request to the proxy from an address of this machine. */
function statusFrom(
  localAddress: string,
  port: number,
  headers: Record<string, string> = {},
): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port, path: '/auth/sign-in', localAddress, headers, agent: false },
      (got) => {
        got.resume();
        got.on('end', () => resolve(got.statusCode));
      },
    );
    sent.on('error', reject);
    sent.end();
  });
}

it('a proxy that writes a Host of its own is not sent in circles', () =>
  withLockstep(
    async ({ port }) => {
      const page = await fetch(`http://127.0.0.1:${port}/`, { redirect: 'manual' });
      assert.notEqual(page.status, 302);
    },
    { publicUrl: 'http://localhost:9' },
  ));

for (const proxy of WHOLE_HOST) {
  describe(`behind ${proxy.program}`, {
    skip: isInstalled(proxy) ? false : `${proxy.program} is not installed`,
  }, () => {
    it('sessions are followed through it: requests, WebSockets, and only addresses that clients can use', async (t) => {
      const port = await freePort();
      const publicUrl = `http://localhost:${port}`;
      await withLockstep(
        async (lockstep) => {
          await startProxy(t, proxy, port, lockstep.port, `http://127.0.0.1:${port}/health/ready`);
          const hub = await HubClient.backend(publicUrl);
          const topic = await hub.session();
          const subscriber = await hub.subscribe(topic, 'Patient-open');
          await hub.publish(topic, 'Patient-open', [patient('p1')]);
          assert.equal((await subscriber.event()).event.context[0].resource.id, 'p1');
          for (const path of [
            '/hub/.well-known/fhircast-configuration',
            '/fhir/.well-known/smart-configuration',
            '/fhir/metadata',
            '/',
          ]) {
            const text = await (await fetch(`${publicUrl}${path}`)).text();
            assert.ok(!text.includes(`:${lockstep.port}`), `${path} tells of the address behind the proxy`);
          }
        },
        { publicUrl },
      );
    });

    it('each client has its own limit, and writes no address of another', async (t) => {
      const port = await freePort();
      await withLockstep(
        async (lockstep) => {
          await startProxy(t, proxy, port, lockstep.port, `http://127.0.0.1:${port}/health/ready`);
          const clients = Array.from({ length: 12 }, (_, n) => `127.0.0.${n + 2}`);
          const apart = await Promise.all(clients.map((address) => statusFrom(address, port)));
          assert.deepEqual(new Set(apart), new Set([200]));
          const forged = Array.from({ length: 12 }, (_, n) =>
            statusFrom('127.0.0.99', port, { 'x-forwarded-for': `198.51.100.${n}` }),
          );
          assert.ok(new Set(await Promise.all(forged)).has(429));
        },
        { publicUrl: `http://localhost:${port}`, rateLimit: 1, trustedProxies: ['127.0.0.1/32'] },
      );
    });
  });
}
