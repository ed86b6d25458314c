/** The authorization server in this process, for what is measured without HTTP. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import {
  type AuthorizationServer,
  type AuthorizationServerOptions,
  createAuthorizationServer,
  NO_PATIENTS,
  NO_SESSIONS,
} from '@lockstep/smart';
import { openSqlite } from '@lockstep/store-sqlite';
import Fastify from 'fastify';

export interface Authorization {
  readonly server: AuthorizationServer;
  readonly origin: string;
  close(): Promise<void>;
}

/** With an SQLite file of its own, listening on loopback. */
export async function openAuthorization(
  options: Pick<AuthorizationServerOptions, 'trustedIssuers'> = {},
): Promise<Authorization> {
  const folder = await mkdtemp(join(tmpdir(), 'lockstep-bench-'));
  const store = await openSqlite({ path: join(folder, 'bench.db'), log: { count: 10, ageMs: 60_000 } });
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const origin = `http://localhost:${(listener.address() as AddressInfo).port}`;
  const app = Fastify({ serverFactory: (handler) => listener.on('request', handler) });
  const server = await createAuthorizationServer({
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
    ...options,
  });
  await app.register(server.plugin);
  await app.ready();
  return {
    server,
    origin,
    async close() {
      listener.close();
      listener.closeAllConnections();
      await app.close();
      await store.close();
      await rm(folder, { recursive: true });
    },
  };
}

/** CPU µs, all threads, of a check of a token. @throws Error when it is not valid */
export async function cpuOf(count: number, check: (index: number) => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  for (let index = 0; index < count; index++) {
    if (!(await check(index))) throw new Error('The token is not valid');
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / count;
}
