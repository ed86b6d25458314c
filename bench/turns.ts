/** Programs under test that take turns, so that what else the machine does meets all of them alike. */
import { randomInt } from 'node:crypto';
import type { RunResult } from './loader.ts';
import { cpuSeconds, median, percentile } from './measure.ts';
import type { Program } from './program.ts';

export interface Contestant {
  /** What the load generator knows it as. */
  readonly target: string;
  readonly program: Program;
}

/** What a program did, turn by turn, without the first turn, which warms it up. */
export interface Turns {
  readonly results: readonly RunResult[];
  /** CPU µs an event. Includes what the program did until its next turn, such as checkpoints. */
  readonly cpu: readonly number[];
  /** Share of one core that was used. */
  readonly busy: readonly number[];
}

/** The numbers below `count` in an order of chance: no program always follows the same one. */
export function shuffled(count: number): number[] {
  const order = Array.from({ length: count }, (_, index) => index);
  for (let last = count - 1; last > 0; last--) {
    const chosen = randomInt(last + 1);
    [order[last], order[chosen]] = [order[chosen]!, order[last]!];
  }
  return order;
}

/**
 * @param turns at least 2: the first does not count. One program may be several contestants.
 * @param prepare what is done before each turn, and counts for none
 */
export async function takeTurns<C extends Contestant>(
  contestants: readonly C[],
  turns: number,
  turn: (contestant: C, index: number) => Promise<RunResult>,
  prepare: (contestant: C) => Promise<void> = async () => undefined,
): Promise<readonly Turns[]> {
  const taken = contestants.map(() => ({ results: [] as RunResult[], cpu: [] as number[], busy: [] as number[] }));
  /** Of each program: CPU s at the beginning of its latest turn, and where its end is to be noted. */
  const latest = new Map<Program, { since: number; cpu: number[]; events: number }>();
  const settle = (program: Program): number => {
    const used = cpuSeconds(program.pid);
    const before = latest.get(program);
    if (before) before.cpu.push(((used - before.since) / before.events) * 1e6);
    return used;
  };
  for (let round = 0; round < turns; round++) {
    for (const index of shuffled(contestants.length)) {
      const contestant = contestants[index]!;
      const { program } = contestant;
      const { results, cpu, busy } = taken[index]!;
      settle(program);
      await prepare(contestant);
      const since = cpuSeconds(program.pid);
      const result = await turn(contestant, index);
      latest.set(program, { since, cpu, events: result.events });
      results.push(result);
      busy.push((cpuSeconds(program.pid) - since) / result.seconds);
    }
  }
  for (const program of latest.keys()) settle(program);
  return taken.map(({ results, cpu, busy }) => ({ results: results.slice(1), cpu: cpu.slice(1), busy: busy.slice(1) }));
}

export function medianOf({ results }: Turns, value: (result: RunResult) => number): number {
  return median(results.map(value));
}

/** The median of the ratios of neighbouring turns. */
export function ratio(values: readonly number[], floor: readonly number[]): number {
  return median(values.map((value, turn) => value / floor[turn]!));
}

/** Half the distance between the quartiles, as a share of the median. */
export function spread(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return (percentile(sorted, 0.75) - percentile(sorted, 0.25)) / 2 / median(sorted);
}
