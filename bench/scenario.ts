/** What a scenario of the benchmark is, and what it hands to the report. */
import process from 'node:process';

/** `BENCH_SHORT=1`: the scenarios that know it take less than five minutes, and are not kept. */
export const SHORT = process.env.BENCH_SHORT === '1';

/** One measured case, ready for a table: what was done, and a number for each column. */
export interface Row {
  readonly label: string;
  readonly values: Readonly<Record<string, number>>;
}

export interface Column {
  readonly key: string;
  readonly title: string;
  /** Digits after the point. */
  readonly digits: number;
}

/** A goal and what was reached of it. */
export interface Goal {
  readonly what: string;
  readonly reached: number;
  /** The most that it may be. */
  readonly limit: number;
  readonly unit: string;
}

export interface Section {
  readonly title: string;
  /** How it was measured, in a sentence or two. */
  readonly note: string;
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
  /** Two rows that share a label's beginning are drawn side by side by this column. */
  readonly chart?: { readonly column: string; readonly title: string };
  readonly goals: readonly Goal[];
  /** How far a program measured against itself was from 1: more than 0.05, and the run says nothing. */
  readonly control?: number;
}

/** A file of this folder that measures one thing; `npm run bench -- NAME` runs it alone. */
export interface Scenario {
  readonly name: string;
  /** @param say tells a person who waits what is being done */
  run(say: (line: string) => void): Promise<readonly Section[]>;
}
