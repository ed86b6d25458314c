/** Memory of subscribers that are connected and quiet. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as wait } from 'node:timers/promises';
import { FAN_OUT } from './hub.ts';
import { Loader } from './loader.ts';
import { median, residentBytes } from './measure.ts';
import { type Program, startBareFloor, startLockstep } from './program.ts';
import { type Row, type Scenario, type Section, SHORT } from './scenario.ts';
import { Backend, prepareFloor, prepareLockstep } from './target.ts';

const SUBSCRIBERS = SHORT ? 6_000 : 10_000;

/** What a program needs to get going is none of the subscribers' memory: they are counted from here on. */
const FIRST = 2_000;

/** ms a program is left alone before its memory is read: V8 gives memory back when nothing happens. */
const SETTLE_MS = SHORT ? 5_000 : 10_000;

/** Times that each of two checkouts is started and filled, in turn: the memory of one program differs from start to start. */
const ROUNDS = 3;

/** One program after the other, each with a load generator of its own: sockets are files, and files are limited. */
async function grown(
  label: string,
  program: Program,
  prepare: (loader: Loader, target: string, topics: number) => Promise<unknown>,
  say: (line: string) => void,
): Promise<Row> {
  const loader = new Loader();
  try {
    const settled = async (target: string, subscribers: number): Promise<number> => {
      say(`${label}: connecting ${subscribers} subscribers, then leaving them alone`);
      await prepare(loader, target, subscribers / FAN_OUT);
      await wait(SETTLE_MS);
      return residentBytes(program.pid);
    };
    const before = await settled('first', FIRST);
    const after = await settled('others', SUBSCRIBERS - FIRST);
    return {
      label,
      values: {
        before: before / 2 ** 20,
        after: after / 2 ** 20,
        each: (after - before) / (SUBSCRIBERS - FIRST) / 1024,
      },
    };
  } finally {
    loader.stop();
    await program.stop();
  }
}

/** Starts the server and fills it. @param main the program, where it is that of another checkout */
async function lockstep(label: string, say: (line: string) => void, main?: string): Promise<Row> {
  const data = await mkdtemp(join(tmpdir(), 'lockstep-bench-'));
  try {
    const program = await startLockstep(data, [], main);
    const backend = await Backend.register(program.origin);
    const connect = (loader: Loader, target: string, topics: number) =>
      prepareLockstep(loader, target, backend, topics, FAN_OUT);
    return await grown(label, program, connect, say);
  } finally {
    await rm(data, { recursive: true });
  }
}

/** The median of each column. */
function middle(rows: readonly Row[]): Row {
  const [{ label, values } = { label: '', values: {} }] = rows;
  const keys = Object.keys(values);
  return { label, values: Object.fromEntries(keys.map((key) => [key, median(rows.map((row) => row.values[key]!))])) };
}

/** @param before folder of another checkout that takes turns with this one */
async function inTurns(before: string, say: (line: string) => void): Promise<Row[]> {
  const main = join(before, 'packages/server/src/main.ts');
  const own: Row[] = [];
  const others: Row[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    own.push(await lockstep('Lockstep', say));
    others.push(await lockstep('Lockstep before', say, main));
  }
  const rows = [own, others].map(middle);
  return rows.map(({ label, values }) => ({
    label,
    values: { ...values, ratio: values.each! / rows[1]!.values.each! },
  }));
}

/** With `BENCH_BEFORE`, the folder of another checkout, both are measured in turn. */
async function run(say: (line: string) => void): Promise<readonly Section[]> {
  const before = process.env.BENCH_BEFORE;
  const floor = await startBareFloor();
  const connectFloor = (loader: Loader, target: string, topics: number) =>
    prepareFloor(loader, target, floor, topics, FAN_OUT);
  const rows = [await grown('floor', floor, connectFloor, say)];
  rows.push(...(before ? await inTurns(before, say) : [await lockstep('Lockstep', say)]));
  return [
    {
      title: 'Memory',
      note:
        `Resident memory with ${FIRST} and with ${SUBSCRIBERS} idle subscribers, ${FAN_OUT} a session, each time ` +
        `${SETTLE_MS / 1000} s after the last connected. The difference counts in full as the subscribers', sessions included.`,
      columns: [
        { key: 'before', title: `MiB at ${FIRST}`, digits: 0 },
        { key: 'after', title: `MiB at ${SUBSCRIBERS}`, digits: 0 },
        { key: 'each', title: 'KiB/subscriber', digits: 1 },
        ...(before ? [{ key: 'ratio', title: '× before', digits: 2 }] : []),
      ],
      rows,
      chart: { column: 'each', title: 'Resident KiB per idle subscriber' },
      goals: [{ what: 'Memory of an idle subscriber', reached: rows[1]!.values.each!, limit: 15, unit: 'KiB' }],
    },
  ];
}

export const idle: Scenario = { name: 'idle', run };
