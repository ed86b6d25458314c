/** The shipped configurations of load balancers, each run for real in front of Lockstep. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { Lockstep } from '@lockstep/server';
import { freePort } from '@lockstep/store-redis/testing';
import { HubClient, patient, withLockstep } from './harness.ts';

interface Proxy {
  readonly program: string;
  readonly file: string;
  readonly listen: RegExp;
  readonly args: (file: string, folder: string) => readonly string[];
}

const PROXIES: readonly Proxy[] = [
  {
    program: 'nginx',
    file: 'deploy/compose/nginx.conf',
    listen: /listen 8080/,
    args: (file, folder) => ['-p', folder, '-c', file, '-e', 'stderr', '-g', `daemon off; pid ${folder}/nginx.pid;`],
  },
  { program: 'haproxy', file: 'deploy/proxies/haproxy.cfg', listen: /bind :8080/, args: (file) => ['-db', '-f', file] },
];

/** Starts a proxy by its shipped file, in which only addresses are changed. */
async function start(
  t: TestContext,
  { program, file, listen, args }: Proxy,
  port: number,
  node: Lockstep,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-proxy-'));
  const shipped = readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8');
  assert.match(shipped, listen);
  const config = shipped
    .replace(listen, (text) => text.replace('8080', `${port}`))
    .replaceAll(/node-\d:8080/g, `127.0.0.1:${node.port}`);
  const path = join(folder, 'proxy.conf');
  writeFileSync(path, config);
  const child = spawn(program, args(path, folder), { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk) => {
    said += chunk;
  });
  const ended = once(child, 'exit').then(() => assert.fail(`${program} ended: ${said}`));
  t.after(async () => {
    ended.catch(() => undefined);
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    await rm(folder, { recursive: true, force: true });
  });
  const ready = async (): Promise<void> => {
    while ((await fetch(`http://127.0.0.1:${port}/health/ready`).catch(() => undefined))?.status !== 200) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  await Promise.race([ready(), ended]);
}

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

for (const proxy of PROXIES) {
  const there = spawnSync('which', [proxy.program]).status === 0;
  describe(`behind ${proxy.program}`, { skip: there ? false : `${proxy.program} is not installed` }, () => {
    it('sessions are followed through it: requests, WebSockets, and only addresses that clients can use', async (t) => {
      const port = await freePort();
      const publicUrl = `http://localhost:${port}`;
      await withLockstep(
        async (lockstep) => {
          await start(t, proxy, port, lockstep);
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
          await start(t, proxy, port, lockstep);
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
