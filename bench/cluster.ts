/** Events through one, two and three nodes that share a Redis, next to one node with its file. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, RedisProcess } from '@lockstep/store-redis/testing';
import { Loader, type RunResult } from './loader.ts';
import { cpuSeconds, median } from './measure.ts';
import { type Program, startLockstep, startServer } from './program.ts';
import type { Column, Goal, Row, Scenario, Section } from './scenario.ts';
import { Backend, forEach } from './target.ts';

const FAN_OUT = 4;
const TOPICS = 250;
const IN_FLIGHT = 128;
/** Events a second at which times are compared: far from what any case can do. */
const PACE = 250;
/** Rounds in which every case has its turns, ms each; the first one warms up and does not count. */
const ROUNDS = 6;
const FULL_MS = 1_500;
const PACED_MS = 3_000;

const COLUMNS: readonly Column[] = [
  { key: 'events', title: 'events/s', digits: 0 },
  { key: 'nodeCpu', title: 'nodes, CPU µs/event', digits: 0 },
  { key: 'listenCpu', title: 'a node that only listens, CPU µs/event', digits: 0 },
  { key: 'redisCpu', title: 'Redis, CPU µs/event', digits: 0 },
  { key: 'scripts', title: 'Redis commands/event', digits: 2 },
  { key: 'p50', title: `p50 ms at ${PACE}/s`, digits: 2 },
  { key: 'p99', title: `p99 ms at ${PACE}/s`, digits: 2 },
];

interface Case {
  readonly label: string;
  readonly target: string;
  readonly programs: readonly Program[];
  /** Nodes on the same Redis that have no subscriber of these topics. */
  readonly listeners: readonly Program[];
  readonly redis: RedisProcess | undefined;
}

/** Prepares topics that are published to at one node and followed at some. */
async function prepare(
  loader: Loader,
  target: string,
  backend: Backend,
  publishAt: string,
  followAt: readonly string[],
): Promise<void> {
  const topics = await forEach(TOPICS, (index) => backend.session(`Practitioner/${target}-${index}`));
  await loader.order({ do: 'prepare', target, origin: publishAt, topics });
  await loader.order({ do: 'authorize', target, url: `${publishAt}/hub`, headers: backend.headers });
  const endpoints = await forEach(TOPICS * FAN_OUT, async (index) => {
    const topic = index % TOPICS;
    const { pathname } = new URL(await backend.subscribe(topics[topic]!));
    const node = followAt[Math.floor(index / TOPICS) % followAt.length]!;
    return [topic, `${node.replace('http', 'ws')}${pathname}`] as const;
  });
  await loader.order({ do: 'connect', target, endpoints });
}

/** Scripts and waits: what a commit asks of Redis. */
async function commandsOf(redis: RedisProcess | undefined): Promise<number> {
  const stats = (await redis?.command('INFO', 'commandstats')) ?? '';
  return [...stats.matchAll(/^cmdstat_(evalsha|wait):calls=(\d+)/gm)].reduce((sum, [, , n]) => sum + Number(n), 0);
}

/** CPU time of Redis since it started, s. */
export async function redisSeconds(redis: RedisProcess | undefined): Promise<number> {
  const cpu = (await redis?.command('INFO', 'cpu')) ?? '';
  return [...cpu.matchAll(/^used_cpu_(sys|user):([\d.]+)/gm)].reduce((sum, [, , s]) => sum + Number(s), 0);
}

interface Turn {
  readonly result: RunResult;
  readonly nodeCpu: number;
  readonly listenCpu: number;
  readonly redisCpu: number;
  readonly commands: number;
}

async function turn({ programs, listeners, redis }: Case, run: () => Promise<RunResult>): Promise<Turn> {
  const used = (some: readonly Program[]): number => some.reduce((sum, { pid }) => sum + cpuSeconds(pid), 0);
  const [nodes, idle] = [used(programs), used(listeners)];
  const [server, commands] = [await redisSeconds(redis), await commandsOf(redis)];
  const result = await run();
  const each = (amount: number): number => amount / result.events;
  return {
    result,
    nodeCpu: each(used(programs) - nodes) * 1e6,
    listenCpu: each((used(listeners) - idle) / Math.max(1, listeners.length)) * 1e6,
    redisCpu: each((await redisSeconds(redis)) - server) * 1e6,
    commands: each((await commandsOf(redis)) - commands),
  };
}

interface Turns {
  readonly full: Turn[];
  readonly paced: Turn[];
}

/** The cases take turns, so that what else the machine does meets all of them. */
async function turnsOf(loader: Loader, cases: readonly Case[]): Promise<readonly Turns[]> {
  const all = cases.map((): Turns => ({ full: [], paced: [] }));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, one] of cases.entries()) {
      const { target } = one;
      const saturate = () =>
        loader.order({ do: 'saturate', target, kind: 'open', ms: FULL_MS, inFlight: IN_FLIGHT }) as Promise<RunResult>;
      const pace = () =>
        loader.order({ do: 'pace', target, kind: 'open', ms: PACED_MS, perSecond: PACE }) as Promise<RunResult>;
      const full = await turn(one, saturate);
      const paced = await turn(one, pace);
      if (round === 0) continue;
      all[i]?.full.push(full);
      all[i]?.paced.push(paced);
    }
  }
  return all;
}

function rowOf({ label }: Case, { full, paced }: Turns): Row {
  const of = (turns: readonly Turn[], value: (turn: Turn) => number): number => median(turns.map(value));
  return {
    label,
    values: {
      events: of(full, ({ result }) => result.events / result.seconds),
      nodeCpu: of(full, ({ nodeCpu }) => nodeCpu),
      listenCpu: of(full, ({ listenCpu }) => listenCpu),
      redisCpu: of(full, ({ redisCpu }) => redisCpu),
      scripts: of(full, ({ commands }) => commands),
      p50: of(paced, ({ result }) => result.p50),
      p99: of(paced, ({ result }) => result.p99),
    },
  };
}

/** A node on Redis. */
export function startNode(data: string, port: number, publicPort: number, redis: RedisProcess): Promise<Program> {
  return startServer({
    PORT: String(port),
    LOCKSTEP_PUBLIC_URL: `http://localhost:${publicPort}`,
    LOCKSTEP_DATA: data,
    LOCKSTEP_REDIS_URL: redis.url,
    LOCKSTEP_LOG_LEVEL: 'error',
    LOCKSTEP_RATE_LIMIT: '1000000',
  });
}

async function run(say: (line: string) => void): Promise<readonly Section[]> {
  const data = await mkdtemp(join(tmpdir(), 'lockstep-bench-'));
  const loader = new Loader();
  const redis = await RedisProcess.start();
  const programs: Program[] = [];
  let cases: readonly Case[] = [];
  let turns: readonly Turns[] = [];
  try {
    const alone = await startLockstep(data);
    programs.push(alone);
    const ports = [await freePort(), await freePort(), await freePort()];
    const nodes: Program[] = [];
    for (const [i, port] of ports.entries()) nodes.push(await startNode(`${data}/${i}`, port, ports[0]!, redis));
    programs.push(...nodes);
    const origins = ports.map((port) => `http://127.0.0.1:${port}`);
    const [first = '', second = ''] = origins;
    const file = await Backend.register(alone.origin);
    const shared = await Backend.register(`http://localhost:${ports[0]}`);
    say(`${TOPICS} topics × ${FAN_OUT} subscribers: connecting`);
    await prepare(loader, 'file', file, alone.origin.replace('localhost', '127.0.0.1'), [
      alone.origin.replace('localhost', '127.0.0.1'),
    ]);
    for (const [target, followAt] of [
      ['same', [first]],
      ['other', [second]],
      ['two', origins.slice(0, 2)],
      ['three', origins],
    ] as const) {
      await prepare(loader, target, shared, first, followAt);
    }
    const on = (label: string, target: string, count: number): Case => {
      return { label, target, programs: nodes.slice(0, count), listeners: nodes.slice(count), redis };
    };
    cases = [
      { label: 'one node, file', target: 'file', programs: [alone], listeners: [], redis: undefined },
      on('one node, Redis', 'same', 1),
      on('two nodes, all subscribers at the other', 'other', 2),
      on('two nodes, subscribers at both', 'two', 2),
      on('three nodes, subscribers at all', 'three', 3),
    ];
    say(`${cases.length} cases take turns, ${ROUNDS} rounds`);
    turns = await turnsOf(loader, cases);
  } finally {
    loader.stop();
    for (const program of programs) await program.stop();
    await redis.remove();
    await rm(data, { recursive: true });
  }
  const rows = cases.map((one, i) => rowOf(one, turns[i]!));
  const of = (row: number, key: string): number => rows[row]?.values[key] ?? Number.NaN;
  const p99s = (row: number): number[] => (turns[row]?.paced ?? []).map(({ result }) => result.p99);
  const same = p99s(1);
  const goals: Goal[] = [
    {
      what: 'p99 at another node, more than at the same one',
      reached: median(p99s(2).map((p99, round) => p99 - (same[round] ?? Number.NaN))),
      limit: 2,
      unit: 'ms',
    },
    { what: 'Redis commands per event, whatever the nodes', reached: of(4, 'scripts'), limit: 1.1, unit: '' },
    {
      what: 'time of an event, file against Redis on one node',
      reached: of(0, 'events') / of(1, 'events'),
      limit: 1 / 0.6,
      unit: '×',
    },
  ];
  return [
    {
      title: 'Several nodes',
      note:
        `0.8 KB Patient-open to ${FAN_OUT} subscribers of each of ${TOPICS} topics, published at the first node. All nodes ` +
        'share one core, the load has another, Redis (appendfsync always) runs on either: more nodes take turns and do not ' +
        `add up. The cases take turns; medians of ${ROUNDS - 1} rounds. What a node that has none of the subscribers spends is counted by itself.`,
      columns: COLUMNS,
      rows,
      goals,
    },
  ];
}

export const cluster: Scenario = { name: 'cluster', run };
