/** What breaks in a run, by what the Hubs keep their state on. */
import { copyFileSync, existsSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { Cluster, ClusterNode } from './cluster.ts';
import type { Load } from './load.ts';
import type { Step } from './plan.ts';
import { Pair, Shards, Single } from './redis-sides.ts';

export interface Broken {
  readonly cluster: Cluster;
  readonly load: Load;
  /** `main.ts` of another build, where there is one. */
  readonly otherBuild?: string;
}

/** Breaks something and mends it again. */
export type Fault = (broken: Broken, step: Step) => Promise<void>;
export type Faults = Readonly<Record<string, Fault>>;

function some({ cluster: { nodes } }: Broken, step: Step): ClusterNode {
  const node = nodes[step.between(0, nodes.length)];
  if (!node) throw new Error('There is no node');
  return node;
}

const NODES: Faults = {
  'a node is killed': async (broken, step) => {
    const node = some(broken, step);
    await node.end('SIGKILL');
    await pause(step.between(0, 4000));
    await node.start();
  },
  'a node is drained': async (broken, step) => {
    const node = some(broken, step);
    await node.end('SIGTERM');
    await pause(step.between(0, 2000));
    await node.start();
  },
  'a node stands still': async (broken, step) => {
    const node = some(broken, step);
    node.signal('SIGSTOP');
    await pause(step.between(500, 6000));
    node.signal('SIGCONT');
  },
  'the network is slow': async ({ cluster }, step) => {
    cluster.balancer.weather = { kind: 'delay', ms: step.between(20, 300) };
    await pause(step.between(1000, 4000));
    cluster.balancer.weather = undefined;
  },
  'the network passes a few bytes at a time': async ({ cluster }, step) => {
    cluster.balancer.weather = { kind: 'dribble', bytes: step.between(7, 200) };
    await pause(step.between(500, 2000));
    cluster.balancer.weather = undefined;
  },
  'connections are half open': async ({ cluster }, step) => {
    cluster.balancer.halfOpen();
    await pause(step.between(500, 4000));
    cluster.balancer.cutHalfOpen();
  },
};

/** Hours that a clock is wrong, as libfaketime reads them. */
function hoursWrong(step: Step): string {
  const hours = step.between(-13, 14);
  return `${hours < 0 ? '' : '+'}${hours}h`;
}

const CLOCKS: Faults = {
  'a node comes back with a clock that is hours wrong': async (broken, step) => {
    const node = some(broken, step);
    await node.end('SIGTERM');
    await node.start({ env: { ...node.fakeTime, FAKETIME: hoursWrong(step) } });
    await pause(step.between(1000, 5000));
    await node.end('SIGTERM');
    await node.start();
  },
};

const JUMPS: Faults = {
  'the clock of a node jumps by hours, twice': async (broken, step) => {
    const node = some(broken, step);
    await node.end('SIGTERM');
    const setClock = (to: string): void => {
      // It is read at any time: whole or not at all.
      writeFileSync(`${node.clockFile}.next`, `${to}\n`);
      renameSync(`${node.clockFile}.next`, node.clockFile);
    };
    setClock('+0h');
    const read = { FAKETIME_TIMESTAMP_FILE: node.clockFile, FAKETIME_CACHE_DURATION: '1' };
    await node.start({ env: { ...node.fakeTime, ...read } });
    for (let jumps = 2; jumps > 0; jumps--) {
      setClock(hoursWrong(step));
      await pause(step.between(1500, 4000));
    }
    await node.end('SIGTERM');
    await node.start();
  },
};

const BUILDS: Faults = {
  'a node runs the other build for a while': async (broken, step) => {
    const node = some(broken, step);
    await node.end('SIGTERM');
    await node.start({ main: broken.otherBuild });
    await pause(step.between(2000, 8000));
    await node.end('SIGTERM');
    await node.start();
  },
};

/** Files of a database. */
const FILES = ['', '-wal', '-last'];

/** Copies the database of a node that stands still meanwhile. */
async function copyWhileDown(node: ClusterNode): Promise<void> {
  await node.end('SIGTERM');
  copyFileSync(node.database, `${node.database}.copy`);
  await node.start();
}

/** Starts a node that has ended with the copy that was made of its database. */
async function putCopyBack(node: ClusterNode, load: Load): Promise<void> {
  for (const file of FILES) rmSync(node.database + file, { force: true });
  renameSync(`${node.database}.copy`, node.database);
  await load.forgive();
  await node.start();
}

/** A single Hub on a file: what happens to its disk. */
const DISK: Faults = {
  'the write-ahead log is cut, and the server goes on with what there is': async ({ cluster, load }, step) => {
    const [node] = cluster.nodes;
    if (!node) return;
    await node.end('SIGKILL');
    const log = `${node.database}-wal`;
    const size = existsSync(log) ? statSync(log).size : 0;
    if (size > 0) truncateSync(log, Math.floor((size * step.between(90, 100)) / 100));
    await load.forgive();
    await node.start({ env: { LOCKSTEP_STORE_DAMAGE: 'continue' } });
  },
  'an older copy is restored': async ({ cluster, load }, step) => {
    const [node] = cluster.nodes;
    if (!node) return;
    await copyWhileDown(node);
    await load.more(step.between(5, 40));
    await node.end('SIGTERM');
    await putCopyBack(node, load);
  },
  'the file is deleted while it is in use, and a copy put in its place': async ({ cluster, load }, step) => {
    const [node] = cluster.nodes;
    if (!node) return;
    await copyWhileDown(node);
    await load.more(step.between(5, 40));
    const span = load.span();
    for (const file of FILES) rmSync(node.database + file, { force: true });
    await span.refusals(2);
    await node.end('SIGKILL');
    await putCopyBack(node, load);
  },
  'the file is moved away while it is in use, and back': async ({ cluster, load }, step) => {
    const [node] = cluster.nodes;
    if (!node) return;
    renameSync(node.database, `${node.database}.moved`);
    const span = load.span();
    await span.refusals(2);
    await pause(step.between(0, 1000));
    await node.end('SIGKILL');
    renameSync(`${node.database}.moved`, node.database);
    await node.start();
  },
};

const REDIS: Faults = {
  'Redis is killed': async ({ cluster }, step) => {
    await cluster.redis.kill();
    await pause(step.between(0, 3000));
    await cluster.redis.restart({ replicaof: 'no one' });
  },
  'Redis freezes': async ({ cluster }, step) => {
    cluster.redis.signal('SIGSTOP');
    await pause(step.between(500, 6000));
    cluster.redis.signal('SIGCONT');
  },
  'a node is cut off': async (broken, step) => {
    const node = some(broken, step);
    node.wire?.cut();
    await pause(step.between(500, 8000));
    node.wire?.mend();
  },
  'the way of a node to Redis is slow': async (broken, step) => {
    const { wire } = some(broken, step);
    if (!wire) return;
    wire.weather = { kind: 'delay', ms: step.between(20, 400) };
    await pause(step.between(1000, 5000));
    wire.weather = undefined;
  },
  'the way of a node to Redis passes a few bytes at a time': async (broken, step) => {
    const { wire } = some(broken, step);
    if (!wire) return;
    wire.weather = { kind: 'dribble', bytes: step.between(50, 500) };
    await pause(step.between(500, 2000));
    wire.weather = undefined;
  },
  'notices are lost': async ({ cluster }) => {
    await cluster.redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
  },
  'the memory is full': async ({ cluster }, step) => {
    await cluster.redis.command('CONFIG', 'SET', 'maxmemory', '1');
    await pause(step.between(500, 3000));
    await cluster.redis.command('CONFIG', 'SET', 'maxmemory', '0');
  },
};

function singleFaults(single: Single): Faults {
  return {
    'Redis comes back with an older copy, while nodes remember more': async ({ cluster, load }, step) => {
      const restore = await single.copy();
      await load.more(step.between(5, 40));
      await restore(async () => {
        // What a node was told before Redis went, it has passed on once it knows that Redis is gone.
        await Promise.all(cluster.nodes.map((node) => node.until('/health/ready', 503)));
        await load.forgive();
      });
    },
  };
}

function pairFaults(pair: Pair): Faults {
  return {
    'a replica takes over from the dead': (_, step) => pair.failOver(() => pause(step.between(0, 3000))),
    'a replica takes over from the frozen': (_, step) => pair.failOverFrozen(() => pause(step.between(0, 5000))),
    'the primary is demoted between a commit and its confirmation': (_, step) =>
      pair.demote(() => pause(step.between(100, 1500))),
    'the replica freezes': async (_, step) => {
      pair.replica.signal('SIGSTOP');
      await pause(step.between(500, 6000));
      pair.replica.signal('SIGCONT');
    },
  };
}

function shardFaults(shards: Shards): Faults {
  return {
    'a shard is taken over': (_, step) =>
      shards.failOver(step.between(0, shards.size), () => pause(step.between(0, 3000))),
    'a shard freezes': (_, step) => shards.freeze(step.between(0, shards.size), () => pause(step.between(500, 6000))),
    'notices are lost': async () => {
      await Promise.all(shards.primaries.map((primary) => primary.command('CLIENT', 'KILL', 'TYPE', 'pubsub')));
    },
  };
}

/** The faults that fit what the nodes keep their state on. */
export function faultsOf({ cluster, otherBuild }: Pick<Broken, 'cluster' | 'otherBuild'>): Faults {
  const { side } = cluster;
  const builds = otherBuild === undefined ? {} : BUILDS;
  const hasFakeTime = cluster.nodes[0]?.fakeTime !== undefined;
  if (side === undefined) return { ...NODES, ...builds, ...DISK, ...(hasFakeTime && JUMPS) };
  const common = { ...NODES, ...builds, ...(hasFakeTime && { ...CLOCKS, ...JUMPS }) };
  if (side instanceof Shards) return { ...common, ...shardFaults(side) };
  return {
    ...common,
    ...REDIS,
    ...(side instanceof Single && singleFaults(side)),
    ...(side instanceof Pair && pairFaults(side)),
  };
}
