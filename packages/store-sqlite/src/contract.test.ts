import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LogBounds } from '@lockstep/store';
import { recordStoreContract, type StoreUnderTest, sessionStoreContract } from '@lockstep/store/contract';
import { openSqlite } from './index.ts';

async function open(log: LogBounds): Promise<StoreUnderTest> {
  const folder = await mkdtemp(join(tmpdir(), 'lockstep-store-'));
  return at(folder, log);
}

async function at(folder: string, log: LogBounds): Promise<StoreUnderTest> {
  const store = await openSqlite({ path: join(folder, 'store.db'), log });
  let passedOn = false;
  return {
    sessions: store.sessions,
    records: store.records,
    reopen: async () => {
      passedOn = true;
      await store.close();
      return at(folder, log);
    },
    close: async () => {
      await store.close();
      if (!passedOn) await rm(folder, { recursive: true });
    },
  };
}

sessionStoreContract('SQLite', open);
recordStoreContract('SQLite', open);
