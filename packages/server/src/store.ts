import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '@lockstep/hub';
import { type RecordStore, type SessionStore, StoreUnavailable } from '@lockstep/store';
import { type BackupReport, openSqlite, readLastChange } from '@lockstep/store-sqlite';
import { type Config, ConfigError } from './config.ts';
import { ServerTime } from './server-time.ts';
import { type OtherTime, processTime, wallClock } from './system.ts';

const HOUR = 3_600_000;

/** Where a server keeps everything. */
export interface ServerStore {
  readonly sessions: SessionStore;
  readonly records: RecordStore;
  /** This process's name among those that share the store. */
  readonly nodeId: string;
  /** Whether other processes may share it. */
  readonly shared: boolean;
  /** What should be changed about it, in words for the operator. */
  readonly warnings: readonly string[];
  /** Copies it into a new file while it is in use; absent where it is Redis. */
  backup?(path: string): Promise<BackupReport>;
  ping(): Promise<void>;
  /**
   * What is wrong with it now though nothing may have been asked of it: files that are gone, clocks that differ.
   * @returns in words for the operator
   */
  problems(): Promise<readonly string[]>;
  /** The time that all who share it go by; where nobody does, one that no setting of the machine's clock changes. */
  readonly time: OtherTime & {
    /** ms that this machine's clock is ahead of that. */
    skew(): number;
  };
  close(): Promise<void>;
}

/**
 * Opens Redis where the configuration names one, and a file of its own otherwise.
 * @throws when it cannot be reached or used
 */
export async function openStore(config: Config): Promise<ServerStore> {
  const log = { count: config.logEvents, ageMs: config.logHours * HOUR, bytes: config.logBytes };
  const { redisUrl, redisReplicas } = config;
  if (redisUrl === undefined) {
    const path = join(config.data, 'lockstep.db');
    const changedAt = readLastChange(path)?.at ?? 0;
    const store = await openSqlite({ path, log, onDamage: config.storeDamage });
    const own = new ServerTime(processTime, wallClock);
    const time = { now: () => own.now(), wall: wallClock, skew: () => own.skew() };
    const clockProblems = (): readonly string[] => [...wasSet(own.skew()), ...isBehind(changedAt - wallClock())];
    const problems = (): Promise<readonly string[]> => store.stats().then(clockProblems, told);
    // Always the same: after a restart the subscribers of before are this process's own.
    return { ...store, nodeId: 'local', shared: false, problems, time };
  }
  const nodeId = `${hostname()}-${randomUUID().slice(0, 8)}`;
  // The Hub ends idle sessions; this is for those that no Hub is left to end.
  const sessionExpiryMs = config.idleHours * HOUR + config.maxLeaseSeconds * 1000 + 24 * HOUR;
  const { openRedis } = await import('@lockstep/store-redis');
  const store = await openRedis({ url: redisUrl, log, nodeId, replicas: redisReplicas, sessionExpiryMs }).catch(
    (error) => {
      throw redisError(redisUrl, error);
    },
  );
  const time = { now: () => store.now(), wall: () => store.now(), skew: () => store.skew() };
  return { ...store, nodeId, shared: true, problems: async () => skewed(time.skew()), time };
}

/** Why Redis cannot be used, in words for the operator; the password stays out of them. */
function redisError(url: string, error: unknown): Error {
  const address = url.replace(/\/\/[^@/]*@/, '//');
  const why = (error instanceof Error ? error.message.replaceAll(url, address) : String(error)).replace(
    /(?<!\.)\.+$/,
    '',
  );
  return new ConfigError([
    `LOCKSTEP_REDIS_URL: ${address} cannot be used: ${why}. Start Redis there, or name where it is`,
  ]);
}

function told(error: unknown): readonly string[] {
  if (error instanceof StoreUnavailable) return [error.message];
  throw error;
}

/** ms by which a machine's clock may differ from that of Redis before it is reported. */
const SKEW = 2000;

function skewed(ms: number): readonly string[] {
  if (Math.abs(ms) <= SKEW) return [];
  const direction = ms > 0 ? 'ahead of' : 'behind';
  return [`the clock of this machine is ${Math.round(Math.abs(ms) / 1000)} s ${direction} the clock of Redis`];
}

/** @param ms that what the store held at the start is newer than the machine's clock */
function isBehind(ms: number): readonly string[] {
  if (ms <= SKEW) return [];
  return [
    `the clock of this machine is ${Math.round(ms / 1000)} s behind the last change of the store before the start`,
  ];
}

function wasSet(ms: number): readonly string[] {
  if (Math.abs(ms) <= SKEW) return [];
  const direction = ms > 0 ? 'ahead of' : 'behind';
  const seconds = Math.round(Math.abs(ms) / 1000);
  return [`the clock of this machine was set: it is ${seconds} s ${direction} the time that the server goes by`];
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
