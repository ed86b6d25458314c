/**
 * What deployments of many nodes would do, simulated from the costs of single steps. The costs are measured on real nodes; what the
 * simulation says of one, two and three real nodes in other arrangements is held against what they do.
 */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, RedisProcess } from '@lockstep/store-redis/testing';
import { redisSeconds, startNode } from './cluster.ts';
import { byChance, type Costs, type Placed, simulate } from './deployment.ts';
import { Loader, type RunResult } from './loader.ts';
import { cpuSeconds, median } from './measure.ts';
import type { Program } from './program.ts';
import type { Goal, Row, Scenario, Section } from './scenario.ts';
import { Backend, forEach } from './target.ts';
import { shuffled } from './turns.ts';

const TOPICS = 30;
const NODES = 3;
const FAN_OUT = 4;
const IN_FLIGHT = 64;
/** Rounds in which every arrangement has a turn, ms each; the first one warms up and does not count. */
const ROUNDS = 7;
const TURN_MS = 2_100;

/** ms between two machines of one network. */
const NETWORK_MS = 0.2;
const EVENTS_A_MINUTE = 1;
const SECONDS = 20;
/** Share of a core that is planned with. */
const PLANNED = 0.5;
const SOCKETS_A_NODE = 100_000;
/** Bytes, as measured: of a subscriber at a node, and in Redis of a session with its subscriptions and 100 events. */
const SOCKET_BYTES = 15 * 1024;
const SESSION_BYTES = 6_200 + 100 * 1_200;

/**
 * Where events are published and followed, for each subscriber of a topic: nodes by their part in it. Every node has every part in turn, so
 * that none is warmer than the others.
 */
interface Arrangement {
  readonly label: string;
  readonly publishAt: readonly number[];
  readonly followAt: (publishedAt: number) => readonly number[];
  /** Whether costs are read off it; what the simulation says of the others is held against them. */
  readonly measures?: 'accept' | 'deliver' | 'follow';
}

const ARRANGEMENTS: readonly Arrangement[] = [
  { label: 'one node, nobody follows', publishAt: [0], followAt: () => [], measures: 'accept' },
  { label: 'one node', publishAt: [0], followAt: () => [0, 0, 0, 0], measures: 'deliver' },
  { label: 'two nodes, all subscribers at the other', publishAt: [0], followAt: () => [1, 1, 1, 1] },
  { label: 'one node, two subscribers', publishAt: [0], followAt: () => [0, 0] },
  { label: 'two nodes, subscribers at both', publishAt: [0, 1], followAt: () => [0, 1, 0, 1], measures: 'follow' },
  { label: 'three nodes, subscribers at all', publishAt: [0, 1, 2], followAt: (at) => [0, 1, 2, at] },
  { label: 'three nodes, each with sessions of its own', publishAt: [0, 1, 2], followAt: (at) => [at, at, at, at] },
];

/** Whether the nodes' parts in it differ. */
function turnsRound({ publishAt }: Arrangement): boolean {
  return publishAt.length < NODES;
}

/** CPU µs of an event: at the node with each part, and in Redis. */
interface Spent {
  readonly nodes: readonly number[];
  readonly redis: number;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

function placesOf({ publishAt, followAt }: Arrangement): () => Placed {
  let next = 0;
  return () => {
    const publishedAt = publishAt[next++ % publishAt.length]!;
    const subscribers = new Map<number, number>();
    for (const node of followAt(publishedAt)) subscribers.set(node, (subscribers.get(node) ?? 0) + 1);
    return { publishedAt, subscribers };
  };
}

/** Topics of an arrangement that are published to at one node. */
async function prepare(
  loader: Loader,
  target: string,
  backend: Backend,
  origins: readonly string[],
  publishedAt: number,
  followAt: readonly number[],
): Promise<void> {
  const topics = await forEach(TOPICS, (index) => backend.session(`Practitioner/${target}-${index}`));
  const origin = origins[publishedAt]!;
  await loader.order({ do: 'prepare', target, origin, topics });
  await loader.order({ do: 'authorize', target, url: `${origin}/hub`, headers: backend.headers });
  const endpoints = await forEach(TOPICS * followAt.length, async (index) => {
    const topic = index % TOPICS;
    const { pathname } = new URL(await backend.subscribe(topics[topic]!));
    const node = origins[followAt[Math.floor(index / TOPICS)]!]!;
    return [topic, `${node.replace('http', 'ws')}${pathname}`] as const;
  });
  await loader.order({ do: 'connect', target, endpoints });
}

/** What nodes and Redis do while nothing happens, CPU s a second. */
interface Background {
  readonly nodes: readonly number[];
  readonly redis: number;
}

async function background(nodes: readonly Program[], redis: RedisProcess): Promise<Background> {
  const before = nodes.map(({ pid }) => cpuSeconds(pid));
  const redisBefore = await redisSeconds(redis);
  const from = performance.now();
  await new Promise((resolve) => setTimeout(resolve, TURN_MS));
  const seconds = (performance.now() - from) / 1000;
  return {
    nodes: nodes.map(({ pid }, n) => (cpuSeconds(pid) - before[n]!) / seconds),
    redis: ((await redisSeconds(redis)) - redisBefore) / seconds,
  };
}

/**
 * Events at one node after the other, so that none waits for the core that they share; each node that takes events counts alike.
 * @param targets by rotation
 */
async function turn(
  loader: Loader,
  targets: readonly (readonly string[])[],
  nodes: readonly Program[],
  redis: RedisProcess,
  idle: Background,
): Promise<Spent> {
  const spent = { nodes: nodes.map(() => 0), redis: 0 };
  const count = sum(targets.map(({ length }) => length));
  for (const [rotation, some] of targets.entries()) {
    for (const target of some) {
      const before = nodes.map(({ pid }) => cpuSeconds(pid));
      const redisBefore = await redisSeconds(redis);
      const from = performance.now();
      const order = { do: 'saturate', target, kind: 'open', ms: TURN_MS / count, inFlight: IN_FLIGHT } as const;
      const { events } = (await loader.order(order)) as RunResult;
      const seconds = (performance.now() - from) / 1000;
      const each = (cpu: number): number => (Math.max(0, cpu) / events / count) * 1e6;
      for (const [n, { pid }] of nodes.entries()) {
        const part = (n - rotation + NODES) % NODES;
        spent.nodes[part]! += each(cpuSeconds(pid) - before[n]! - idle.nodes[n]! * seconds);
      }
      spent.redis += each((await redisSeconds(redis)) - redisBefore - idle.redis * seconds);
    }
  }
  return spent;
}

/** ms that this disk takes for a write of an event. */
function syncMs(folder: string): number {
  const file = openSync(join(folder, 'sync'), 'w');
  const bytes = Buffer.alloc(2048, 1);
  const times = Array.from({ length: 50 }, () => {
    const from = performance.now();
    writeSync(file, bytes);
    fdatasyncSync(file);
    return performance.now() - from;
  });
  closeSync(file);
  return median(times);
}

/** What the steps cost, from the arrangements that differ by one of them. */
function costsOf(spent: readonly Spent[], disk: number): Costs {
  const of = (measures: Arrangement['measures']): Spent =>
    spent[ARRANGEMENTS.findIndex((one) => one.measures === measures)]!;
  const accept = sum(of('accept').nodes);
  const deliver = Math.max(0, (sum(of('deliver').nodes) - accept) / FAN_OUT);
  const follow = Math.max(0, sum(of('follow').nodes) - accept - FAN_OUT * deliver);
  return { accept, deliver, follow, redis: of('deliver').redis, syncMs: disk, networkMs: NETWORK_MS };
}

interface Held {
  readonly rows: readonly Row[];
  readonly furthest: number;
}

/** What the simulation says of an arrangement, and what its nodes did in the same round: as if each node and Redis had a core. */
function compared(arrangement: Arrangement, { nodes, redis }: Spent, costs: Costs): Readonly<Record<string, number>> {
  const place = placesOf(arrangement);
  const simulated = simulate({ nodes: NODES, shards: 1, costs, place }, { inFlight: 1000 }, 2, Math.random);
  return {
    cpu: sum(nodes),
    simulatedCpu: simulated.nodeCpu,
    perSecond: 1e6 / Math.max(...nodes, redis),
    simulated: simulated.perSecond,
    idle: Math.min(...nodes),
  };
}

/** Medians over the rounds, and how far from 1 the median of what was simulated for what was measured is at most. */
function held(rounds: readonly (readonly Spent[])[], costs: readonly Costs[]): Held {
  let furthest = 1;
  const rows = ARRANGEMENTS.map((arrangement, index): Row => {
    const all = rounds.map((round, n) => compared(arrangement, round[index]!, costs[n]!));
    const of = (key: string): number => median(all.map((one) => one[key]!));
    const off = (simulated: string, real: string): number => median(all.map((one) => one[simulated]! / one[real]!));
    if (!arrangement.measures) {
      for (const ratio of [off('simulatedCpu', 'cpu'), off('simulated', 'perSecond')]) {
        furthest = Math.max(furthest, ratio, 1 / ratio);
      }
    }
    return {
      label: arrangement.label + (arrangement.measures ? ` (gives the cost: ${arrangement.measures})` : ''),
      values: Object.fromEntries(Object.keys(all[0]!).map((key) => [key, of(key)])),
    };
  });
  return { rows, furthest };
}

/** Fewest nodes and primaries with none more than half busy, and no more sockets at a node than are planned. */
function sized(sessions: number, costs: Costs): Row {
  const perSecond = (sessions * EVENTS_A_MINUTE) / 60;
  const tried = (nodes: number, shards: number) =>
    simulate(
      { nodes, shards, costs, place: byChance(nodes, FAN_OUT, Math.random) },
      { perSecond },
      SECONDS,
      Math.random,
    );
  let nodes = Math.max(2, Math.ceil((sessions * FAN_OUT) / SOCKETS_A_NODE));
  let shards = Math.max(1, Math.ceil((perSecond * costs.redis) / 1e6 / PLANNED));
  let simulated = tried(nodes, shards);
  while (simulated.nodeBusy > PLANNED || simulated.redisBusy > PLANNED) {
    if (simulated.nodeBusy > PLANNED) nodes = Math.ceil(nodes * (simulated.nodeBusy / PLANNED)) + 1;
    if (simulated.redisBusy > PLANNED) shards += 1;
    simulated = tried(nodes, shards);
  }
  return {
    label: `${sessions.toLocaleString('en')} × ${FAN_OUT}`,
    values: {
      perSecond,
      nodes,
      nodeBusy: simulated.nodeBusy * 100,
      nodeCpu: simulated.nodeCpu,
      reached: simulated.reached,
      sockets: (sessions * FAN_OUT * SOCKET_BYTES) / 2 ** 30 / nodes,
      shards,
      redisBusy: simulated.redisBusy * 100,
      memory: (sessions * SESSION_BYTES) / 1e9,
      p50: simulated.p50,
      p99: simulated.p99,
    },
  };
}

async function run(say: (line: string) => void): Promise<readonly Section[]> {
  const data = mkdtempSync(join(tmpdir(), 'lockstep-bench-'));
  const loader = new Loader();
  const redis = await RedisProcess.start();
  const nodes: Program[] = [];
  const rounds: (readonly Spent[])[] = [];
  let disk = 0;
  try {
    const ports = [await freePort(), await freePort(), await freePort()];
    for (const [i, port] of ports.entries()) nodes.push(await startNode(`${data}/${i}`, port, ports[0]!, redis));
    const origins = ports.map((port) => `http://127.0.0.1:${port}`);
    const backend = await Backend.register(`http://localhost:${ports[0]}`);
    disk = syncMs(data);
    say(`${ARRANGEMENTS.length} arrangements of ${TOPICS} topics at each node that takes events: connecting`);
    const targets: string[][][] = [];
    for (const [i, arrangement] of ARRANGEMENTS.entries()) {
      const { publishAt, followAt } = arrangement;
      const rotations = turnsRound(arrangement) ? NODES : 1;
      targets[i] = Array.from({ length: rotations }, (_, n) => publishAt.map((part) => `${i}-${n}-${part}`));
      for (let n = 0; n < rotations; n++) {
        const rotated = [...origins.slice(n), ...origins.slice(0, n)];
        for (const part of publishAt) {
          await prepare(loader, `${i}-${n}-${part}`, backend, rotated, part, followAt(part));
        }
      }
    }
    for (let round = 0; round < ROUNDS; round++) {
      say(`round ${round + 1} of ${ROUNDS}`);
      const idle = await background(nodes, redis);
      const spent: Spent[] = [];
      for (const i of shuffled(ARRANGEMENTS.length)) {
        spent[i] = await turn(loader, targets[i]!, nodes, redis, idle);
      }
      if (round > 0) rounds.push(spent);
    }
  } finally {
    loader.stop();
    for (const program of nodes) await program.stop();
    await redis.remove();
    rmSync(data, { recursive: true });
  }
  const costsByRound = rounds.map((round) => costsOf(round, disk));
  const { rows, furthest } = held(rounds, costsByRound);
  const costs = Object.fromEntries(
    Object.keys(costsByRound[0]!).map((name) => [name, median(costsByRound.map((one) => one[name as keyof Costs]))]),
  ) as unknown as Costs;
  const at = (label: string): number => ARRANGEMENTS.findIndex((one) => one.label === label);
  const againstOne = (label: string): number =>
    median(rounds.map((round) => sum(round[at(label)]!.nodes) / sum(round[at('one node')]!.nodes)));
  const goals: Goal[] = [
    { what: 'Simulation against real nodes, furthest off', reached: furthest, limit: 1.2, unit: '×' },
    {
      what: 'CPU of an event at three nodes, each with sessions of its own, against one node',
      reached: againstOne('three nodes, each with sessions of its own'),
      limit: 1.15,
      unit: '×',
    },
    {
      what: 'CPU of an event at three nodes with subscribers at all, against one node',
      reached: againstOne('three nodes, subscribers at all'),
      limit: 1.15,
      unit: '×',
    },
  ];
  const of = (name: keyof Costs): string => costs[name].toFixed(name === 'syncMs' ? 2 : 0);
  return [
    {
      title: 'Nodes that add up',
      note:
        `0.8 KB Patient-open in ${TOPICS} topics at each node that takes events, ${FAN_OUT} subscribers each unless it says otherwise, ${IN_FLIGHT} events on their way, at one node after the other. ` +
        'The nodes share a core, so events/s are what the busiest of them would do with a core of its own: a second, divided by the CPU ' +
        `that it spends on an event, without what it does while nothing happens. The arrangements take turns; medians of ${ROUNDS - 1} rounds. Costs read off: taking an event ` +
        `${of('accept')} µs, a subscriber ${of('deliver')} µs, following at another node ${of('follow')} µs, Redis ${of('redis')} µs, ` +
        `disk ${of('syncMs')} ms. The idle node is the one of the three that spends least.`,
      columns: [
        { key: 'cpu', title: 'nodes, CPU µs/event', digits: 0 },
        { key: 'simulatedCpu', title: 'simulated', digits: 0 },
        { key: 'perSecond', title: 'events/s', digits: 0 },
        { key: 'simulated', title: 'simulated', digits: 0 },
        { key: 'idle', title: 'idle node, CPU µs/event', digits: 1 },
      ],
      rows,
      goals,
    },
    {
      title: 'Deployments, simulated',
      note:
        `One event a minute and session, ${FAN_OUT} applications of each session at nodes as chance has it, events to any node. Fewest nodes ` +
        `and primaries of Redis of which none is more than half busy, and at most ${SOCKETS_A_NODE.toLocaleString('en')} sockets a node; ${NETWORK_MS} ms ` +
        `between machines. Simulated for ${SECONDS} s from the costs above. Memory from 15 KiB a subscriber, and 6.2 KB and 100 events of 1.2 KB a session.`,
      columns: [
        { key: 'perSecond', title: 'events/s', digits: 0 },
        { key: 'nodes', title: 'nodes', digits: 0 },
        { key: 'nodeBusy', title: 'busiest node, % of a core', digits: 1 },
        { key: 'nodeCpu', title: 'nodes, CPU µs/event', digits: 0 },
        { key: 'reached', title: 'other nodes reached/event', digits: 2 },
        { key: 'sockets', title: 'sockets, GiB/node', digits: 2 },
        { key: 'shards', title: 'primaries', digits: 0 },
        { key: 'redisBusy', title: 'busiest primary, %', digits: 1 },
        { key: 'memory', title: 'Redis, GB', digits: 1 },
        { key: 'p50', title: 'p50 ms', digits: 2 },
        { key: 'p99', title: 'p99 ms', digits: 2 },
      ],
      rows: [1_000, 10_000, 100_000, 1_000_000].map((sessions) => sized(sessions, costs)),
      goals: [],
    },
  ];
}

export const deployments: Scenario = { name: 'simulate', run };
