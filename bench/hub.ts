/** Events through the Hub, next to the same events through two floors: throughput, CPU and time to the last subscriber. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { KINDS, type Kind } from './events.ts';
import { Loader, type RunResult } from './loader.ts';
import { median } from './measure.ts';
import { type Program, startBareFloor, startDurableFloor, startLockstep } from './program.ts';
import { type Column, type Goal, type Row, type Scenario, type Section, SHORT } from './scenario.ts';
import { authorizeLoad, Backend, prepareFloor, prepareLockstep } from './target.ts';
import { type Contestant, medianOf, ratio, spread, type Turns, takeTurns } from './turns.ts';

export const FAN_OUT = 4;

/** The two sizes of the work: sessions, and events a second while times are taken. */
const SIZES = [
  { sessions: 250, perSecond: 250 },
  { sessions: 1_000, perSecond: 1_000 },
].slice(0, SHORT ? 1 : 2);

/** Events on their way at once when as many are asked for as the program takes. */
const IN_FLIGHT = 64;

/** Turns of each program, ms each. The first one warms up and does not count. */
const TURNS = SHORT ? 5 : 7;
const TURN_MS = 2_500;
/** Turns while times are taken: together a minute of events, or a quarter of one. */
const PACED_TURNS = SHORT ? 4 : 5;
const PACED_MS = SHORT ? 5_000 : 15_000;

const BARE = 'bare floor';
const DURABLE = 'durable floor';
/** The durable floor once more: what it differs from itself is what the machine did meanwhile. */
const CONTROL = 'durable floor, again';
const OWN = 'Lockstep';
const BEFORE = 'Lockstep before';

interface Entrant extends Contestant {
  /** Its name in the table. */
  readonly name: string;
  /** Whose token the load publishes with; absent for a floor, which asks for none. */
  readonly backend?: Backend;
}

/** A token lasts for five minutes, and all turns together longer: each turn has its own. */
async function authorized(loader: Loader, { target, backend }: Entrant): Promise<void> {
  if (!backend) return;
  await backend.renew();
  await authorizeLoad(loader, target, backend);
}

const COLUMNS: readonly Column[] = [
  { key: 'events', title: 'events/s', digits: 0 },
  { key: 'busy', title: 'cores used', digits: 2 },
  { key: 'cpuEvent', title: 'CPU µs/event', digits: 0 },
  { key: 'spread', title: '± %', digits: 1 },
  { key: 'cpuRatio', title: '× durable floor', digits: 2 },
  { key: 'p50', title: 'paced: p50 ms', digits: 2 },
  { key: 'p99', title: 'p99 ms', digits: 2 },
  { key: 'longest', title: 'longest ms', digits: 0 },
  { key: 'p99Ratio', title: '× durable floor', digits: 2 },
];

/** Of this checkout against the other one, where there is one. */
const AGAINST_BEFORE: readonly Column[] = [
  { key: 'cpuBefore', title: 'CPU × before', digits: 2 },
  { key: 'p99Before', title: 'p99 × before', digits: 2 },
];

/** What each entrant did, by its name. */
function byName(entrants: readonly Entrant[], turns: readonly Turns[]): ReadonlyMap<string, Turns> {
  return new Map(entrants.map(({ name }, index) => [name, turns[index]!]));
}

const p99s = ({ results }: Turns): readonly number[] => results.map((result) => result.p99);

/** Turns at full load and paced ones, of this checkout and of the other one. */
function againstBefore(full: Turns, paced: Turns | undefined, fullBefore?: Turns, pacedBefore?: Turns): Row['values'] {
  return {
    ...(fullBefore && { cpuBefore: ratio(full.cpu, fullBefore.cpu) }),
    ...(paced && pacedBefore && { p99Before: ratio(p99s(paced), p99s(pacedBefore)) }),
  };
}

function timesOf(turns: Turns, durable: Turns): Row['values'] {
  return {
    p50: medianOf(turns, (result) => result.p50),
    p99: medianOf(turns, (result) => result.p99),
    longest: Math.max(...turns.results.map((result) => result.longest)),
    p99Ratio: ratio(p99s(turns), p99s(durable)),
  };
}

async function measure(
  loader: Loader,
  entrants: readonly Entrant[],
  kind: Kind,
  perSecond: number,
  label: string,
): Promise<Row[]> {
  const before = (entrant: Entrant): Promise<void> => authorized(loader, entrant);
  const saturate = ({ target }: Entrant): Promise<RunResult> =>
    loader.order({ do: 'saturate', target, kind, ms: TURN_MS, inFlight: IN_FLIGHT });
  const saturated = await takeTurns(entrants, TURNS, saturate, before);
  const timed = entrants.filter(({ name }) => name !== BARE && name !== CONTROL);
  const pace = ({ target }: Entrant): Promise<RunResult> =>
    loader.order({ do: 'pace', target, kind, ms: PACED_MS, perSecond });
  const paced = await takeTurns(timed, PACED_TURNS, pace, before);
  const full = byName(entrants, saturated);
  const times = byName(timed, paced);
  return [...full].map(([name, turns]) => {
    const own = times.get(name);
    return {
      label: `${label}, ${name}`,
      values: {
        events: medianOf(turns, ({ events, seconds }) => events / seconds),
        busy: median(turns.busy),
        cpuEvent: median(turns.cpu),
        spread: spread(turns.cpu) * 100,
        cpuRatio: ratio(turns.cpu, full.get(DURABLE)!.cpu),
        ...(own && timesOf(own, times.get(DURABLE)!)),
        ...(name === OWN && againstBefore(turns, own, full.get(BEFORE), times.get(BEFORE))),
      },
    };
  });
}

/** The programs of one size, each with its subscribers connected. */
async function enter(
  loader: Loader,
  data: string,
  before: string | undefined,
  sessions: number,
  started: (program: Program) => Program,
): Promise<Entrant[]> {
  const bare = started(await startBareFloor());
  await prepareFloor(loader, BARE, bare, sessions, FAN_OUT);
  const durable = started(await startDurableFloor(data));
  await prepareFloor(loader, DURABLE, durable, sessions, FAN_OUT);
  const lockstep = async (name: string, folder: string, main?: string): Promise<Entrant> => {
    const program = started(await startLockstep(join(data, folder), [], main));
    const backend = await Backend.register(program.origin);
    await prepareLockstep(loader, name, backend, sessions, FAN_OUT);
    return { name, target: name, program, backend };
  };
  return [
    { name: BARE, target: BARE, program: bare },
    { name: DURABLE, target: DURABLE, program: durable },
    { name: CONTROL, target: DURABLE, program: durable },
    await lockstep(OWN, 'now'),
    ...(before ? [await lockstep(BEFORE, 'before', join(before, 'packages/server/src/main.ts'))] : []),
  ];
}

/** @param before folder of another checkout that takes turns with this one */
async function measureSize(
  { sessions, perSecond }: (typeof SIZES)[number],
  before: string | undefined,
  say: (line: string) => void,
): Promise<Row[]> {
  const data = await mkdtemp(join(tmpdir(), 'lockstep-bench-'));
  const loader = new Loader();
  const programs: Program[] = [];
  const started = (program: Program): Program => {
    programs.push(program);
    return program;
  };
  const rows: Row[] = [];
  try {
    say(`${sessions} sessions × ${FAN_OUT} subscribers: connecting`);
    const entrants = await enter(loader, data, before, sessions, started);
    for (const kind of ['open', 'update'] as const) {
      if (kind === 'update') {
        const targets = new Set(entrants.map(({ target }) => target));
        for (const entrant of entrants) await authorized(loader, entrant);
        for (const target of targets) await loader.order({ do: 'open-reports', target });
      }
      const label = `${sessions} × ${FAN_OUT}, ${KINDS[kind]}`;
      say(label);
      rows.push(...(await measure(loader, entrants, kind, perSecond, label)));
    }
  } finally {
    loader.stop();
    for (const program of programs) await program.stop();
    await rm(data, { recursive: true });
  }
  return rows;
}

/** The worst of Lockstep's rows of one kind of event, against a goal. */
function goal(rows: readonly Row[], kind: Kind, key: string, what: string, limit: number, unit: string): Goal {
  const own = rows.filter(({ label }) => label.endsWith(`${KINDS[kind]}, ${OWN}`));
  return { what: `${what}, ${KINDS[kind]}`, reached: Math.max(...own.map(({ values }) => values[key]!)), limit, unit };
}

/** With `BENCH_BEFORE`, the folder of another checkout, that one takes turns too: the ratios tell what a change costs. */
async function run(say: (line: string) => void): Promise<readonly Section[]> {
  const sizes: Row[][] = [];
  for (const size of SIZES) sizes.push(await measureSize(size, process.env.BENCH_BEFORE, say));
  const [small = [], large = []] = sizes;
  const rows = sizes.flat();
  const controls = rows.filter(({ label }) => label.endsWith(CONTROL));
  return [
    {
      title: 'Events',
      note:
        `Programs take turns of ${TURN_MS / 1000} s on one core in an order of chance, the load on another; medians of ` +
        `${TURNS - 1} turns, ratios of the turns of one round, ± half the distance of the quartiles. ${IN_FLIGHT} events on ` +
        `their way at once. Paced: as many events a second as there are sessions, for ${((PACED_TURNS - 1) * PACED_MS) / 1000} s; ` +
        'times from publishing to the last of the subscribers. All subscribers acknowledge; Lockstep and the durable floor are durable before they answer 202.',
      columns: process.env.BENCH_BEFORE ? [...COLUMNS, ...AGAINST_BEFORE] : COLUMNS,
      rows,
      chart: { column: 'cpuEvent', title: 'CPU µs per event at fan-out 4' },
      control: Math.max(...controls.map(({ values }) => Math.abs(values.cpuRatio! - 1))),
      goals: [
        goal(rows, 'open', 'cpuRatio', 'CPU of an event against the durable floor', 1.4, '×'),
        goal(rows, 'update', 'cpuRatio', 'CPU of an event against the durable floor', 1.6, '×'),
        goal(small, 'open', 'p99Ratio', 'p99 against the durable floor at 250 events/s', 1.5, '×'),
        goal(small, 'open', 'longest', 'Longest in a minute at 250 events/s', 50, 'ms'),
        ...(SHORT ? [] : [goal(large, 'open', 'p99', 'p99 at 1,000 events/s', 10, 'ms')]),
      ],
    },
  ];
}

export const hub: Scenario = { name: 'hub', run };
