/** A server that starts while its disk is full: a real one, a file system in memory of a few megabytes. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { freePort } from '@lockstep/store-redis/testing';
import { WebSocket } from 'ws';
import { HubClient, json, patient, Subscriber } from './harness.ts';
import { LockstepProcess } from './process.ts';

/** Mounts a small disk. @returns its folder; undefined where this user may not mount */
function smallDisk(t: TestContext): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-disk-'));
  const isMounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', folder]).status === 0;
  t.after(() => {
    // The server may still be there: the file system goes with it.
    if (isMounted) spawnSync('umount', ['-l', folder]);
    rmSync(folder, { recursive: true, force: true });
  });
  return isMounted ? folder : undefined;
}

/** Takes all the room that there is. @returns gives it back */
function fill(folder: string): () => void {
  const path = join(folder, 'filler');
  const file = openSync(path, 'w');
  for (let size = 1024 * 1024; size >= 1; ) {
    try {
      writeSync(file, Buffer.alloc(size));
    } catch {
      size = Math.floor(size / 2);
    }
  }
  closeSync(file);
  return () => rmSync(path);
}

/** Asks until the answer has the status. */
async function until(status: number, ask: () => Promise<Response>): Promise<Response> {
  for (;;) {
    const response = await ask().catch(() => undefined);
    if (response?.status === status) return response;
    await response?.arrayBuffer();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test(`PUB-4 a server starts on a full disk after ${signal}, reads only, and recovers by itself`, async (t) => {
    const data = smallDisk(t);
    if (data === undefined) return t.skip('this user may not mount a file system');
    const lockstep = await LockstepProcess.start(t, {
      LOCKSTEP_DATA: data,
      // In the same folder.
      LOCKSTEP_AUDIT: join(data, 'audit.jsonl'),
    });
    const { origin } = lockstep;
    const hub = await HubClient.backend(origin);
    const topic = await hub.session();
    const subscriber = await hub.subscribe(topic, '*');
    assert.equal((await hub.publish(topic, 'Patient-open', [patient('p1')], { id: 'before' })).status, 202);
    await lockstep.kill(signal);
    const makeRoom = fill(data);
    await lockstep.start();

    assert.equal((await hub.context(topic)).context[0].resource.id, 'p1');
    const refused = await until(503, () => hub.publish(topic, 'Patient-open', [patient('p2')]));
    assert.ok(refused.headers.has('retry-after'));
    // What is left of the room may do for some of the smallest writes.
    const unready = await until(503, () => fetch(`${origin}/health/ready`));
    assert.match((await json(unready)).status, /the store cannot be written: .*full/);
    assert.equal((await hub.context(topic)).context[0].resource.id, 'p1');

    makeRoom();
    await until(202, () =>
      hub.publish(topic, 'Patient-open', [patient('p3')], { id: 'after', timestamp: '2026-01-01T00:00:00Z' }),
    );
    await until(200, () => fetch(`${origin}/health/ready`));
    const back = await Subscriber.connect(`${subscriber.endpoint}?since=before`);
    assert.equal((await back.event()).id, 'after');
    await back.close();
  });
}

/** A server with an empty disk of its own that is full before its first start; `data` is a folder that is not there yet. */
async function firstStart(t: TestContext) {
  const disk = smallDisk(t);
  if (disk === undefined) return undefined;
  const makeRoom = fill(disk);
  const ports = { main: await freePort(), management: await freePort() };
  const lockstep = LockstepProcess.prepare(t, {
    LOCKSTEP_DATA: join(disk, 'data'),
    LOCKSTEP_MANAGEMENT_PORT: String(ports.management),
    PORT: String(ports.main),
  });
  const origins = [ports.main, ports.management].map((port) => `http://localhost:${port}`);
  return { makeRoom, lockstep, origins, ready: lockstep.start() };
}

test('PUB-4 a first start on a full disk waits for room, says so, and begins by itself', async (t) => {
  const started = await firstStart(t);
  if (!started) return t.skip('this user may not mount a file system');
  const { lockstep, origins, makeRoom, ready } = started;
  for (const origin of origins) {
    const unready = await until(503, () => fetch(`${origin}/health/ready`));
    assert.match((await json(unready)).status, /cannot be written yet: it may have no room/);
    assert.equal((await fetch(`${origin}/health/live`)).status, 200);
  }
  const [origin = ''] = origins;
  for (const path of ['/', '/hub', '/hub/session', '/fhir/Patient', '/auth/token']) {
    const refused = await fetch(`${origin}${path}`, { method: 'POST', body: '{}' });
    assert.equal(refused.status, 503, path);
    assert.ok(Number(refused.headers.get('retry-after')) > 0, path);
  }
  const socket = new WebSocket(`${origin.replace('http', 'ws')}/hub/ws/unknown`);
  const status = await new Promise((resolve) =>
    socket.once('unexpected-response', (_, { statusCode }) => resolve(statusCode)),
  );
  assert.equal(status, 503);
  assert.ok(!lockstep.output.some((line) => line.includes('ready')), 'it does not say that it is ready');

  makeRoom();
  await ready;
  await until(200, () => fetch(`${origin}/health/ready`));
  const hub = await HubClient.backend(lockstep.origin);
  assert.equal((await hub.publish(await hub.session(), 'Patient-open', [patient('p1')])).status, 202);
});

test('a server that waits for disk space ends on SIGTERM', async (t) => {
  const started = await firstStart(t);
  if (!started) return t.skip('this user may not mount a file system');
  const { lockstep, origins, ready } = started;
  const ended = assert.rejects(ready, /ended with 0 before/);
  await until(503, () => fetch(`${origins[0]}/health/ready`));
  assert.equal(await lockstep.kill('SIGTERM'), 0);
  await ended;
});
