import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '@lockstep/hub';
import type { RecordStore, SessionStore } from '@lockstep/store';
import { openRedis } from '@lockstep/store-redis';
import { openSqlite } from '@lockstep/store-sqlite';
import type { Config } from './config.ts';

const HOUR = 3_600_000;

/** Where a server keeps everything. */
export interface Store {
  readonly sessions: SessionStore;
  readonly records: RecordStore;
  /** This process's name among those that share the store. */
  readonly nodeId: string;
  /** Whether other processes may share it. */
  readonly shared: boolean;
  /** What should be changed about it, in words for whoever operates it. */
  readonly warnings: readonly string[];
  ping(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens Redis where the configuration names one, and a file of its own otherwise.
 * @throws when it cannot be reached or used
 */
export async function openStore(config: Config): Promise<Store> {
  const log = { count: config.logEvents, ageMs: config.logHours * HOUR };
  const { redisUrl, redisReplicas } = config;
  if (redisUrl === undefined) {
    const store = await openSqlite({ path: join(config.data, 'lockstep.db'), log });
    // Always the same: after a restart the subscribers of before are this process's own.
    return { ...store, nodeId: 'local', shared: false, warnings: [] };
  }
  const nodeId = `${hostname()}-${randomUUID().slice(0, 8)}`;
  // The Hub ends idle sessions; this is for those that no Hub is left to end.
  const sessionExpiryMs = config.idleHours * HOUR + config.maxLeaseSeconds * 1000 + 24 * HOUR;
  const store = await openRedis({ url: redisUrl, log, nodeId, replicas: redisReplicas, sessionExpiryMs });
  return { ...store, nodeId, shared: true };
}

/** ms between sweeps. */
const SWEEP = 60_000;

/** Removes what has expired from time to time. @returns ends it */
export function sweepRecords(records: RecordStore, clock: Clock, failed: (error: unknown) => void): () => void {
  let cancel = (): void => undefined;
  const next = (): void => {
    cancel = clock.after(SWEEP, () => {
      // What cannot be removed now is removed next time.
      records.sweep(clock.now()).catch(failed);
      next();
    });
  };
  next();
  return () => cancel();
}
