/** The parts that launches without SMART work with, real ones, with a clock that tests set. */
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Hub } from '@lockstep/hub';
import { type AuthorizationServer, type Client, createAuthorizationServer, NO_PATIENTS } from '@lockstep/smart';
import { openSqlite, type SqliteStore } from '@lockstep/store-sqlite';
import { sessionDirectory } from '../src/session-directory.ts';
import { systemIds } from '../src/system.ts';

const HUB_URL = 'https://hub.test/hub';
const nothing = (): undefined => undefined;

export interface LaunchRig {
  readonly hubUrl: string;
  readonly store: SqliteStore;
  readonly clock: { time: number; now(): number; after(): () => void };
  readonly hub: Hub;
  readonly authorization: AuthorizationServer;
  /** Registers an app that is active. */
  app(metadata?: Readonly<Record<string, unknown>>): Promise<Client>;
}

export async function launchRig(t: TestContext): Promise<LaunchRig> {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-launch-'));
  const store = await openSqlite({ path: join(folder, 'launch.db'), log: { count: 100, ageMs: 3_600_000 } });
  const clock = { time: Date.UTC(2026, 10, 22, 9), now: () => clock.time, after: () => nothing };
  const hub = new Hub(
    { hubUrl: HUB_URL, endpointUrl: (id) => `wss://hub.test/hub/ws/${id}` },
    { store: store.sessions, clock, ids: systemIds },
  );
  const authorization = await createAuthorizationServer({
    records: store.records,
    clock,
    publicUrl: 'https://hub.test',
    hubUrl: HUB_URL,
    loopback: false,
    sessions: sessionDirectory(hub),
    patients: NO_PATIENTS,
    sampleUsers: true,
    logger: { info: nothing, warn: nothing, error: nothing },
  });
  t.after(async () => {
    await hub.stop();
    await store.close();
    await rm(folder, { recursive: true, force: true });
  });
  return {
    hubUrl: HUB_URL,
    store,
    clock,
    hub,
    authorization,
    async app(metadata = {}) {
      const given = {
        token_endpoint_auth_method: 'none',
        redirect_uris: ['https://app.test/'],
        launch_kinds: ['command-line'],
        ...metadata,
      };
      return (await authorization.clients.add(given, { status: 'active' })).client;
    },
  };
}
