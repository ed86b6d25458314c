/**
 * npm run chaos [-- --minutes 10] [--seed N] [--nodes 3]: breaks a cluster at random while applications use it, and
 * compares what every subscriber was told. Ends with 1 where anything accepted was lost, reordered or forked.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Cluster } from './cluster/cluster.ts';
import { Load } from './cluster/load.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    nodes: { type: 'string', default: '3' },
  },
});
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

type Fault = (cluster: Cluster) => Promise<void>;

const FAULTS: Readonly<Record<string, Fault>> = {
  'a node is killed': async ({ nodes }) => {
    const node = nodes[between(0, nodes.length)];
    await node?.end('SIGKILL');
    await pause(between(0, 4000));
    await node?.start();
  },
  'a node is drained': async ({ nodes }) => {
    const node = nodes[between(0, nodes.length)];
    await node?.end('SIGTERM');
    await pause(between(0, 2000));
    await node?.start();
  },
  'Redis is killed': async ({ redis }) => {
    await redis.kill();
    await pause(between(0, 3000));
    await redis.restart();
  },
  'Redis freezes': async ({ redis }) => {
    redis.signal('SIGSTOP');
    await pause(between(500, 6000));
    redis.signal('SIGCONT');
  },
  'a node is cut off': async ({ nodes }) => {
    const node = nodes[between(0, nodes.length)];
    node?.wire?.cut();
    await pause(between(500, 8000));
    node?.wire?.mend();
  },
  'notices are lost': async ({ redis }) => {
    await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
  },
  'the memory is full': async ({ redis }) => {
    await redis.command('CONFIG', 'SET', 'maxmemory', '1');
    await pause(between(500, 3000));
    await redis.command('CONFIG', 'SET', 'maxmemory', '0');
  },
};

console.log(`seed ${seed}, ${values.minutes} minutes, ${values.nodes} nodes`);
const cluster = await Cluster.start({ nodes: Number(values.nodes) });
const load = await Load.start(cluster.origin, { sessions: 8, followers: 4, pauseMs: 20 });
const counts: Record<string, number> = {};
const names = Object.keys(FAULTS);
const end = performance.now() + Number(values.minutes) * 60_000;
while (performance.now() < end) {
  await pause(between(500, 4000));
  const name = names[between(0, names.length)] ?? '';
  counts[name] = (counts[name] ?? 0) + 1;
  await FAULTS[name]?.(cluster);
}
const { denied, ...findings } = await load.finish(60_000);
await cluster.close();
for (const [name, count] of Object.entries(counts)) console.log(`${String(count).padStart(7)}  ${name}`);
for (const [name, count] of Object.entries(findings)) console.log(`${String(count).padStart(7)}  ${name}`);
for (const reason of denied) console.log(`denied: ${reason}`);
const { lost, reordered, forked } = findings;
process.exitCode = lost + reordered + forked + denied.length > 0 ? 1 : 0;
