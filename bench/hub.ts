/** Events through the Hub, next to the same events through the floor: throughput, CPU and time to the last subscriber. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KINDS, type Kind } from './events.ts';
import { Loader } from './loader.ts';
import { median } from './measure.ts';
import { startFloor, startLockstep } from './program.ts';
import type { Column, Goal, Row, Scenario, Section } from './scenario.ts';
import { Backend, prepareFloor, prepareLockstep } from './target.ts';
import { type Contestant, medianOf, ratio, takeTurns } from './turns.ts';

export const FAN_OUT = 4;

/** Topics of the two sizes of the work. */
const TOPICS = [250, 1_000];

/** Events on their way at once when as many are asked for as the program takes. */
const IN_FLIGHT = 128;

/** Turns of each program, ms each. The first one warms up and does not count. */
const TURNS = 4;
const TURN_MS = 2_500;

const COLUMNS: readonly Column[] = [
  { key: 'events', title: 'events/s', digits: 0 },
  { key: 'deliveries', title: 'deliveries/s', digits: 0 },
  { key: 'busy', title: 'cores used', digits: 2 },
  { key: 'cpuDelivery', title: 'CPU µs/delivery', digits: 1 },
  { key: 'cpuEvent', title: 'CPU µs/event', digits: 0 },
  { key: 'cpuRatio', title: '× floor', digits: 2 },
  { key: 'halfEvents', title: 'half load, events/s', digits: 0 },
  { key: 'halfCpu', title: 'CPU µs/event', digits: 0 },
  { key: 'p50', title: 'p50 ms', digits: 2 },
  { key: 'p99', title: 'p99 ms', digits: 2 },
  { key: 'p99Ratio', title: '× floor', digits: 2 },
];

async function measure(loader: Loader, contestants: readonly Contestant[], kind: Kind, label: string): Promise<Row[]> {
  const full = await takeTurns(contestants, TURNS, ({ target }) =>
    loader.order({ do: 'saturate', target, kind, ms: TURN_MS, inFlight: IN_FLIGHT }),
  );
  const rates = full.map((turns) => medianOf(turns, ({ events, seconds }) => events / seconds));
  const half = await takeTurns(contestants, TURNS, ({ target }, index) =>
    loader.order({ do: 'pace', target, kind, ms: TURN_MS, perSecond: rates[index]! / 2 }),
  );
  const p99 = half.map(({ results }) => results.map((result) => result.p99));
  return contestants.map(({ target }, index) => {
    const { cpu, busy } = full[index]!;
    return {
      label: `${label}, ${target}`,
      values: {
        events: rates[index]!,
        deliveries: rates[index]! * FAN_OUT,
        busy: median(busy),
        cpuDelivery: median(cpu) / FAN_OUT,
        cpuEvent: median(cpu),
        cpuRatio: ratio(cpu, full[0]!.cpu),
        halfEvents: medianOf(half[index]!, ({ events, seconds }) => events / seconds),
        halfCpu: median(half[index]!.cpu),
        p50: medianOf(half[index]!, (result) => result.p50),
        p99: median(p99[index]!),
        p99Ratio: ratio(p99[index]!, p99[0]!),
      },
    };
  });
}

async function run(say: (line: string) => void): Promise<readonly Section[]> {
  const rows: Row[] = [];
  for (const topics of TOPICS) {
    const data = await mkdtemp(join(tmpdir(), 'lockstep-bench-'));
    const loader = new Loader();
    const floor = await startFloor();
    const lockstep = await startLockstep(data);
    try {
      say(`${topics} topics × ${FAN_OUT} subscribers: connecting`);
      const backend = await Backend.register(lockstep.origin);
      await prepareFloor(loader, 'floor', floor, topics, FAN_OUT);
      await prepareLockstep(loader, 'Lockstep', backend, topics, FAN_OUT);
      const contestants: Contestant[] = [
        { target: 'floor', program: floor },
        { target: 'Lockstep', program: lockstep },
      ];
      for (const kind of ['open', 'update'] as const) {
        if (kind === 'update') {
          for (const { target } of contestants) await loader.order({ do: 'open-reports', target });
        }
        const label = `${topics} × ${FAN_OUT}, ${KINDS[kind]}`;
        say(label);
        rows.push(...(await measure(loader, contestants, kind, label)));
      }
    } finally {
      loader.stop();
      await floor.stop();
      await lockstep.stop();
      await rm(data, { recursive: true });
    }
  }
  const worst = (key: string): number => Math.max(...rows.map(({ values }) => values[key]!));
  const goals: Goal[] = [
    { what: 'CPU of an event at fan-out 4, against the floor', reached: worst('cpuRatio'), limit: 2, unit: '×' },
    {
      what: 'p99 to the last subscriber at half load, against the floor',
      reached: worst('p99Ratio'),
      limit: 3,
      unit: '×',
    },
  ];
  return [
    {
      title: 'Events',
      note:
        `Programs take turns of ${TURN_MS / 1000} s on one core, the load on another; medians of ${TURNS - 1} turns, ` +
        'ratios of neighbouring turns. Full load: ' +
        `${IN_FLIGHT} events on their way at once. Half load: half as many events a second as the program took then; ` +
        'times from publishing to the last of the subscribers. All subscribers acknowledge; Lockstep is durable before it ' +
        'answers 202.',
      columns: COLUMNS,
      rows,
      chart: { column: 'cpuEvent', title: 'CPU µs per event at fan-out 4' },
      goals,
    },
  ];
}

export const hub: Scenario = { name: 'hub', run };
