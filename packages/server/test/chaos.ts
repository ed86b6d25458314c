/**
 * npm run chaos [-- --minutes 10] [--seed N] [--nodes 3] [--redis pair|single|cluster] [--verbose]: breaks a cluster at random while
 * applications use it, and compares what every subscriber was told. Ends with 1 where anything accepted was lost, reordered
 * or forked.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Cluster } from './cluster/cluster.ts';
import { Load } from './cluster/load.ts';
import { Pair, type RedisSide, Shards, Single } from './cluster/redis-sides.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    nodes: { type: 'string', default: '3' },
    redis: { type: 'string', default: 'pair' },
    verbose: { type: 'boolean', default: false },
  },
});
// What was started ends with this process, however it ends.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
const seed = Number(values.seed);

/** Numbers below 1 that the seed decides (mulberry32). */
function randomFrom(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const random = randomFrom(seed);
const between = (min: number, max: number): number => Math.floor(min + random() * (max - min));

type Fault = () => Promise<void>;
type Faults = Readonly<Record<string, Fault>>;

function nodeFaults({ nodes }: Cluster): Faults {
  const some = () => nodes[between(0, nodes.length)];
  return {
    'a node is killed': async () => {
      const node = some();
      await node?.end('SIGKILL');
      await pause(between(0, 4000));
      await node?.start();
    },
    'a node is drained': async () => {
      const node = some();
      await node?.end('SIGTERM');
      await pause(between(0, 2000));
      await node?.start();
    },
  };
}

/** Faults of one Redis, or of the primary of two. */
function redisFaults(cluster: Cluster): Faults {
  return {
    'Redis is killed': async () => {
      await cluster.redis.kill();
      await pause(between(0, 3000));
      await cluster.redis.restart({ replicaof: 'no one' });
    },
    'Redis freezes': async () => {
      cluster.redis.signal('SIGSTOP');
      await pause(between(500, 6000));
      cluster.redis.signal('SIGCONT');
    },
    'a node is cut off': async () => {
      const node = cluster.nodes[between(0, cluster.nodes.length)];
      node?.wire?.cut();
      await pause(between(500, 8000));
      node?.wire?.mend();
    },
    'notices are lost': async () => {
      await cluster.redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
    },
    'the memory is full': async () => {
      await cluster.redis.command('CONFIG', 'SET', 'maxmemory', '1');
      await pause(between(500, 3000));
      await cluster.redis.command('CONFIG', 'SET', 'maxmemory', '0');
    },
  };
}

function pairFaults(pair: Pair): Faults {
  return {
    'a replica takes over from the dead': () => pair.failOver(() => pause(between(0, 3000))),
    'a replica takes over from the frozen': () => pair.failOverFrozen(() => pause(between(0, 5000))),
    'the replica freezes': async () => {
      pair.replica.signal('SIGSTOP');
      await pause(between(500, 6000));
      pair.replica.signal('SIGCONT');
    },
  };
}

function shardFaults(shards: Shards): Faults {
  const some = (): number => between(0, shards.size);
  return {
    'a shard is taken over': () => shards.failOver(some(), () => pause(between(0, 3000))),
    'a shard freezes': () => shards.freeze(some(), () => pause(between(500, 6000))),
    'notices are lost': async () => {
      await Promise.all(shards.primaries.map((primary) => primary.command('CLIENT', 'KILL', 'TYPE', 'pubsub')));
    },
  };
}

async function startSide(): Promise<RedisSide> {
  if (values.redis === 'single') return Single.start();
  if (values.redis === 'pair') return Pair.start();
  if (values.redis === 'cluster') return Shards.start();
  throw new Error('--redis is single, pair or cluster');
}

function faultsOf(cluster: Cluster): Faults {
  const { side } = cluster;
  if (side instanceof Shards) return { ...nodeFaults(cluster), ...shardFaults(side) };
  const pair = side instanceof Pair ? pairFaults(side) : {};
  return { ...nodeFaults(cluster), ...redisFaults(cluster), ...pair };
}

console.log(`seed ${seed}, ${values.minutes} minutes, ${values.nodes} nodes, Redis: ${values.redis}`);
const cluster = await Cluster.start({ nodes: Number(values.nodes), side: await startSide() });
const load = await Load.start(cluster.origin, { sessions: 8, followers: 4, pauseMs: 20 });
const counts: Record<string, number> = {};
const faults = faultsOf(cluster);
const names = Object.keys(faults);
const end = performance.now() + Number(values.minutes) * 60_000;
while (performance.now() < end) {
  await pause(between(500, 4000));
  const name = names[between(0, names.length)] ?? '';
  counts[name] = (counts[name] ?? 0) + 1;
  if (values.verbose) console.log(`${(performance.now() / 1000).toFixed(1).padStart(7)} s  ${name}`);
  await faults[name]?.();
}
const { denied, ...findings } = await load.finish(60_000);
await cluster.close();
for (const [name, count] of Object.entries(counts)) console.log(`${String(count).padStart(7)}  ${name}`);
for (const [name, count] of Object.entries(findings)) console.log(`${String(count).padStart(7)}  ${name}`);
for (const reason of denied) console.log(`denied: ${reason}`);
const { lost, reordered, forked } = findings;
process.exitCode = lost + reordered + forked + denied.length > 0 ? 1 : 0;
