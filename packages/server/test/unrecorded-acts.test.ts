/**
 * What happens while the audit cannot be written: every act that would need a record is refused and changes nothing, or goes on and
 * is counted, as the setting says. A new route is in these tables by itself.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { WebSocket } from 'ws';
import { findDoor, needsRecord } from '../src/http/doors/door.ts';
import { DOORS } from '../src/http/doors/doors.ts';
import { type Asked, ask, rowOf, served, started, WriteCount } from './every-route.ts';

/** Takes records until it is gone. */
async function logServer() {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket.resume());
    socket.on('error', () => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const end = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { auditSyslog: `tcp://127.0.0.1:${port}`, end };
}

/** A server whose audit cannot be written any more. */
async function withoutRecords(
  auditFailure: 'refuse' | 'continue',
  run: (asked: Asked, count: WriteCount) => Promise<void>,
): Promise<void> {
  const log = await logServer();
  const count = new WriteCount();
  const asked = await started(10, count.over, { auditSyslog: log.auditSyslog, auditFailure });
  try {
    log.end();
    const failures = (): number => asked.lockstep.audit?.counts[0]?.failures ?? 0;
    while (failures() === 0) await (await fetch(`${asked.lockstep.origin}/hub/session`)).arrayBuffer();
    await run(asked, count);
  } finally {
    log.end();
    await asked.close();
  }
}

const split = (route: string): [string, string] => route.split(' ') as [string, string];

function recorded({ lockstep }: Asked): readonly string[] {
  return served(lockstep.routes).filter((route) => {
    const door = findDoor(DOORS, ...split(route));
    return door !== undefined && needsRecord(door);
  });
}

function live({ lockstep, admin, topic }: Asked): Promise<number> {
  const headers = { cookie: admin.cookie, origin: lockstep.origin };
  const socket = new WebSocket(`${lockstep.origin.replace('http', 'ws')}/api/console/live/${topic}`, { headers });
  return new Promise((resolve) => {
    socket.on('unexpected-response', (request, { statusCode = 0 }) => {
      request.destroy();
      resolve(statusCode);
    });
    socket.on('close', (code) => resolve(code));
    socket.on('message', () => socket.close(1000));
    socket.on('error', () => undefined);
  });
}

describe('an audit that cannot be written', () => {
  it('has every act refused that it would record, and nothing is changed', () =>
    withoutRecords('refuse', async (asked, count) => {
      const routes = recorded(asked);
      assert.ok(routes.length > 100, String(routes.length));
      const wrong: string[] = [];
      for (const route of routes) {
        const row = rowOf(route);
        assert.ok(row, route);
        count.writes = 0;
        const answer = await ask(asked, route, row);
        const text = await answer.text();
        const says = /audit trail cannot be written/.test(text) && answer.headers.has('retry-after');
        if (answer.status !== 503 || !says || count.writes > 0) {
          wrong.push(`${route}: ${answer.status}, ${count.writes} writes, ${text.slice(0, 150)}`);
        }
      }
      assert.deepEqual(wrong, []);
      assert.equal(await live(asked), 503);
      const page = await fetch(`${asked.lockstep.origin}/auth/sign-out`, {
        method: 'POST',
        headers: { accept: 'text/html', 'accept-language': 'de' },
      });
      assert.equal(page.status, 503);
      assert.match(await page.text(), /lang="de"[\s\S]*kann gerade nicht aufzeichnen, was getan wird/);
      for (const path of ['/health/live', '/fhir/metadata', '/auth/jwks', '/auth/sign-in']) {
        assert.equal((await fetch(asked.lockstep.origin + path)).status, 200, path);
      }
    }));

  it('lets every act go on where the setting says so, counts it, and keeps its record for later', () =>
    withoutRecords('continue', async (asked) => {
      const waiting = (): number => asked.lockstep.audit?.counts[0]?.waiting ?? 0;
      const wrong: string[] = [];
      for (const route of recorded(asked)) {
        const row = rowOf(route);
        assert.ok(row, route);
        const before = waiting();
        const answer = await ask(asked, route, row);
        await answer.arrayBuffer();
        // A record is made once its request was answered.
        for (let turns = 0; waiting() === before && turns < 100; turns += 1) await new Promise(setImmediate);
        const isDone = row.status === undefined ? answer.status !== 503 : answer.status === row.status;
        // What is recorded by the handler is nothing here: nobody has signed in.
        const isRecorded = waiting() > before || typeof findDoor(DOORS, ...split(route))?.audit !== 'string';
        if (!isDone || !isRecorded) wrong.push(`${route}: ${answer.status}, ${waiting() - before} records`);
      }
      assert.deepEqual(wrong, []);
      const metrics = await (await fetch(`${asked.lockstep.origin}/metrics`)).text();
      assert.match(metrics, /^lockstep_audit_failures_total\{[^}]*\} [1-9]/m);
      assert.equal(await live(asked), 1000);
    }));
});
