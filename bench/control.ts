/**
 * One program measured against itself, before and after a scenario: what it differs from itself is what else the machine did, and no
 * number of such a run says anything.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Loader } from './loader.ts';
import { median } from './measure.ts';
import { type Program, startDurableFloor } from './program.ts';
import { prepareFloor } from './target.ts';
import { ratio, takeTurns } from './turns.ts';

/** What the program may differ from itself in a run that is kept. */
export const STEADY = 0.05;

const TARGET = 'control';
const SESSIONS = 100;
const FAN_OUT = 4;
const IN_FLIGHT = 64;
/** Turns of each of the two entries of the program; the first does not count. */
const TURNS = 6;
const TURN_MS = 1_500;

/** CPU µs an event of two entries of one program, turn by turn. */
export type Pair = readonly [one: readonly number[], other: readonly number[]];

/**
 * How far the program was from itself: within a measurement, turn against turn, and from one measurement to the next.
 * @returns a share: 0.05 are 5 %
 */
export function spreadOf(pairs: readonly Pair[]): number {
  const within = pairs.map(([one, other]) => Math.abs(ratio(one, other) - 1));
  const levels = pairs.map((pair) => median(pair.flat()));
  return Math.max(0, ...within, ...levels.map((level) => level / Math.min(...levels) - 1));
}

export class Control {
  readonly #program: Program;
  readonly #loader: Loader;
  readonly #data: string;
  readonly #pairs: Pair[] = [];

  private constructor(program: Program, loader: Loader, data: string) {
    this.#program = program;
    this.#loader = loader;
    this.#data = data;
  }

  /** Starts the durable floor, which does all that a Hub has to do. */
  static async start(): Promise<Control> {
    const data = await mkdtemp(join(tmpdir(), 'lockstep-bench-'));
    const program = await startDurableFloor(data);
    const loader = new Loader();
    await prepareFloor(loader, TARGET, program, SESSIONS, FAN_OUT);
    return new Control(program, loader, data);
  }

  /** Takes turns with itself. */
  async measure(): Promise<void> {
    const entry = { target: TARGET, program: this.#program };
    const [one, other] = await takeTurns([entry, entry], TURNS, ({ target }) =>
      this.#loader.order({ do: 'saturate', target, kind: 'open', ms: TURN_MS, inFlight: IN_FLIGHT }),
    );
    if (one && other) this.#pairs.push([one.cpu, other.cpu]);
  }

  /** See `spreadOf`. */
  get spread(): number {
    return spreadOf(this.#pairs);
  }

  async stop(): Promise<void> {
    this.#loader.stop();
    await this.#program.stop();
    await rm(this.#data, { recursive: true });
  }
}
