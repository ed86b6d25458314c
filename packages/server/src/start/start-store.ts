/** Second step of the start: the store is opened and watched. It is the last to stop, so that no other node takes over what this one still does. */
import { NodeLease } from '@lockstep/hub';
import { makeFolder } from '@lockstep/store-sqlite';
import { ConfigError } from '../config.ts';
import { beforeStart } from '../http/before-start.ts';
import { type openStore, type ServerStore, sweepRecords } from '../store.ts';
import { StoreWatch } from '../store-watch.ts';
import { goBy, systemClock } from '../system.ts';
import { isFull, WorkAtStart } from '../work-at-start.ts';
import type { Start } from './start.ts';
import type { ServedPorts } from './start-ports.ts';

export interface OpenedStore {
  readonly store: ServerStore;
  /** What is wrong with it now, in words for the operator. */
  readonly watch: StoreWatch;
  /** What is written at the start; done again until it can be. */
  readonly atStart: WorkAtStart;
  /** Says to other nodes that this one is alive; undefined where there are none. */
  readonly nodes: NodeLease | undefined;
}

/**
 * Waits while the disk has no room for a new store, and says so at the ports meanwhile.
 * @param open opens what everything is kept in
 * @throws ConfigError when the data folder cannot be made, and what `open` throws
 */
export async function startStore(start: Start, ports: ServedPorts, open: typeof openStore): Promise<OpenedStore> {
  const { config, log, parts, failed, signal } = start;
  const atStart = await parts.start({
    name: 'what is written at the start',
    start: () => new WorkAtStart(systemClock, log, () => answerMeanwhile(ports), signal),
    stop: (work) => work.stop(),
  });
  const openInFolder = async (): Promise<ServerStore> => {
    makeDataFolder(config.data);
    return open(config);
  };
  const store = await parts.start({
    name: 'store',
    start: () => atStart.first(openInFolder),
    stop: (opened) => opened.close(),
  });
  for (const warning of store.warnings) log.warn(warning);
  await parts.start({
    name: 'time of the store',
    start: () => goBy(store.time),
    stop: (end) => end(),
  });
  const watch = await parts.start({
    name: 'watch over the store',
    async start() {
      const begun = new StoreWatch(store, systemClock, log);
      await begun.start();
      return begun;
    },
    stop: (begun) => begun.stop(),
  });
  const { records, nodeId } = store;
  const nodes = await parts.start({
    name: 'node lease',
    async start() {
      const lease = store.shared ? new NodeLease(records, systemClock, { nodeId }, failed) : undefined;
      await lease?.start();
      return lease;
    },
    stop: (lease) => lease?.stop(),
  });
  await parts.start({
    name: 'sweep of expired records',
    start: () => sweepRecords(records, systemClock, failed),
    stop: (end) => end(),
  });
  return { store, watch, atStart, nodes };
}

/** Answers at the ports that the server lives and is not ready. @returns ends it */
function answerMeanwhile({ listener, management }: ServedPorts): () => void {
  const answers = beforeStart('the store cannot be written yet: it may have no room on its disk');
  const listeners = management ? [listener, management] : [listener];
  for (const one of listeners) one.answerBefore(answers);
  return () => {
    for (const one of listeners) one.answerBefore(undefined);
  };
}

/** @throws ConfigError; what the system says where there is no room for it */
function makeDataFolder(path: string): void {
  try {
    makeFolder(path);
  } catch (error) {
    if (isFull(error)) throw error;
    throw new ConfigError([
      `LOCKSTEP_DATA: the folder ${path} cannot be made: ${(error as Error).message}. Name one that the server may write to`,
    ]);
  }
}
