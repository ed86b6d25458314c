/** The check of a bearer token, in this process: what every request to the Hub goes through first. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { type AuthorizationServer, createAuthorizationServer, NO_PATIENTS, NO_SESSIONS } from '@lockstep/smart';
import { openSqlite } from '@lockstep/store-sqlite';
import Fastify from 'fastify';
import { Backend } from './target.ts';

const WARM = 100_000;
const COLD = 2_000;

export interface BearerCost {
  /** CPU µs of a check while what the token stands for is in memory. */
  readonly warm: number;
  /** CPU µs, all threads, of a check that asks the store. */
  readonly cold: number;
}

async function cpuOf(count: number, check: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  for (let i = 0; i < count; i++) {
    if (!(await check())) throw new Error('The token is not valid');
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / count;
}

export async function bearerCost(): Promise<BearerCost> {
  const folder = await mkdtemp(join(tmpdir(), 'lockstep-bench-'));
  const store = await openSqlite({ path: join(folder, 'bench.db'), log: { count: 10, ageMs: 60_000 } });
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://localhost:${(server.address() as AddressInfo).port}`;
  const app = Fastify({ serverFactory: (handler) => server.on('request', handler) });
  const authorization: AuthorizationServer = await createAuthorizationServer({
    records: store.records,
    clock: {
      now: () => Date.now(),
      after: (ms, run) => {
        const timer = setTimeout(run, ms);
        return () => clearTimeout(timer);
      },
    },
    publicUrl: origin,
    hubUrl: `${origin}/hub`,
    loopback: true,
    sessions: NO_SESSIONS,
    patients: NO_PATIENTS,
    sampleUsers: false,
    logger: app.log,
  });
  try {
    await app.register(authorization.plugin);
    await app.ready();
    const { token, clientId } = await Backend.register(origin.replace('localhost', '127.0.0.1'));
    const check = () => authorization.verifyToken(token);
    await cpuOf(WARM, check);
    const warm = await cpuOf(WARM, check);
    const cold = await cpuOf(COLD, () => {
      // As when another node says that something of this client has ended: everything is read again.
      authorization.invalidate({ clientId, reason: 'benchmark' });
      return check();
    });
    return { warm, cold };
  } finally {
    server.close();
    server.closeAllConnections();
    await app.close();
    await store.close();
    await rm(folder, { recursive: true });
  }
}
