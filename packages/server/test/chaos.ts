/** `npm run chaos`: breaks Hubs at random while applications use them; `npm run chaos -- --help` says how. */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Cluster } from './cluster/cluster.ts';
import { type Fault, faultsOf } from './cluster/faults.ts';
import { Load } from './cluster/load.ts';
import { planned } from './cluster/plan.ts';
import { BUGS, EVENTS_A_MINUTE, findBug, wrong } from './cluster/proof.ts';
import { Pair, type RedisSide, Shards, Single } from './cluster/redis-sides.ts';

const USAGE = `npm run chaos [-- OPTIONS]

Breaks Hubs at random while applications use them, and compares what every subscriber was told, and would show, with what was
published and with what the Hub says at the end. Ends with 1 where anything differs. The same seed gives the same faults.

  --minutes N           how long, 10 by default
  --seed N              which faults, in which order; another one each time by default
  --on WHERE            file: one Hub on its file; single: on one Redis; pair: on a Redis with a replica, the default;
                        cluster: on a Redis Cluster
  --nodes N             how many Hubs, 3 by default; always 1 on a file
  --other-build FOLDER  another checkout, whose Hub takes a node's place at times
  --only TEXT           only faults whose names hold the text
  --verbose             name each fault when it begins
  --prove               instead: give a Hub one defect after the other; ends with 1 where one is not found within ${EVENTS_A_MINUTE} events,
                        which an idle machine has in a minute
  --help                this text
`;

const SIDES = ['file', 'single', 'pair', 'cluster'] as const;

function options() {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '10' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      nodes: { type: 'string', default: '3' },
      on: { type: 'string', default: 'pair' },
      'other-build': { type: 'string' },
      only: { type: 'string', default: '' },
      prove: { type: 'boolean', default: false },
      verbose: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const on = SIDES.find((side) => side === values.on);
  if (on === undefined) throw new Error(`--on ${values.on}: it is one of ${SIDES.join(', ')}`);
  for (const name of ['minutes', 'seed', 'nodes'] as const) {
    if (!(Number(values[name]) > 0)) throw new Error(`--${name} ${values[name]}: it is a number above 0`);
  }
  return { ...values, on };
}

function readOptions(): ReturnType<typeof options> {
  try {
    return options();
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    process.exit(2);
  }
}

const values = readOptions();
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}
// What was started ends with this process, however it ends.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

async function startSide(): Promise<RedisSide | 'file'> {
  if (values.on === 'file') return 'file';
  if (values.on === 'single') return Single.start();
  return values.on === 'pair' ? Pair.start() : Shards.start();
}

async function breakAtRandom(): Promise<boolean> {
  const nodes = values.on === 'file' ? 1 : Number(values.nodes);
  const seed = Number(values.seed);
  console.log(`seed ${seed}, ${values.minutes} minutes, ${nodes} nodes on ${values.on}`);
  const cluster = await Cluster.start({ nodes, side: await startSide() });
  const load = await Load.start(cluster.origin, { sessions: 8, followers: 4, pauseMs: 20 });
  const folder = values['other-build'];
  const broken = { cluster, load, ...(folder && { otherBuild: join(folder, 'packages/server/src/main.ts') }) };
  const faults = faultsOf(broken);
  const counts: Record<string, number> = {};
  const end = performance.now() + Number(values.minutes) * 60_000;
  const names = Object.keys(faults).filter((name) => name.includes(values.only));
  if (names.length === 0) throw new Error(`--only ${values.only}: there are ${Object.keys(faults).join(', ')}`);
  for (const step of planned(seed, names)) {
    if (performance.now() > end) break;
    await pause(step.pauseMs);
    if (values.verbose) console.log(`${(performance.now() / 1000).toFixed(1).padStart(7)} s  ${step.fault}`);
    counts[step.fault] = (counts[step.fault] ?? 0) + 1;
    await (faults[step.fault] as Fault)(broken, step);
  }
  const { denied, details, ...findings } = await load.finish(60_000);
  await cluster.close();
  for (const [name, count] of Object.entries({ ...counts, ...findings }))
    console.log(`${String(count).padStart(7)}  ${name}`);
  for (const reason of denied) console.log(`denied: ${reason}`);
  for (const detail of details) console.log(detail);
  return wrong({ denied, details, ...findings }) === 0;
}

async function proveItself(): Promise<boolean> {
  let all = true;
  for (const bug of BUGS) {
    const { found, hits, accepted, seconds } = await findBug(bug);
    const isFound = found.length > 0 && accepted <= EVENTS_A_MINUTE;
    const when = `after ${accepted} events, ${seconds} s`;
    console.log(`${isFound ? 'found' : 'MISSED'}  ${bug} (${hits} times): ${found.join(', ')} ${when}`);
    all &&= isFound;
  }
  return all;
}

process.exitCode = (await (values.prove ? proveItself() : breakAtRandom())) ? 0 : 1;
