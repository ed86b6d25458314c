import { uptime } from 'node:os';

/** ms between two looks at the time. */
const BEAT = 500;
/** ms without a look after which the process stood still: longer than any work at a stretch. */
const STANDSTILL = 2000;
/** ms by which its two clocks differ before the machine was suspended: some count whole seconds only. */
const SUSPENDED = 2000;
/** ms after a pause during which it is taken into account: whoever waited meanwhile can come back. */
const FORGIVING = 60_000;

/** The clocks of a machine that cannot be set: they count from its start. */
export interface SteadyClocks {
  /** ms. It may stand still while the machine is suspended. */
  monotonic(): number;
  /** ms, suspensions included. It costs more to read. */
  uptime(): number;
}

/**
 * How much time has passed for a process, whatever its machine's wall clock says, and what of it the process stood still for: the
 * machine was suspended, or the process stopped, which shows as a look at the time too late.
 */
export class ProcessTime {
  readonly #clocks: SteadyClocks;
  #seen: number;
  /** When `uptime` was last found to have gone on alone, by both clocks. */
  #together: { readonly monotonic: number; readonly uptime: number };
  #passed = 0;
  #stood = 0;
  #pauses: readonly { readonly ms: number; readonly until: number }[] = [];

  constructor(clocks: SteadyClocks = { monotonic: () => performance.now(), uptime: () => uptime() * 1000 }) {
    this.#clocks = clocks;
    this.#seen = clocks.monotonic();
    this.#together = { monotonic: this.#seen, uptime: clocks.uptime() };
  }

  /** Looks at the time as often as needed, without keeping the process alive. @returns ends it */
  start(): () => void {
    const timer = setInterval(() => this.look(), BEAT).unref();
    return () => clearInterval(timer);
  }

  /** Looks at both clocks: to be called every 500 ms. */
  look(): void {
    this.#pass(true);
  }

  /** ms that have passed, suspensions of the machine included. */
  get passed(): number {
    this.#pass(false);
    return this.#passed;
  }

  /** ms for which the process has run: what it stood still for is left out. */
  get running(): number {
    this.#pass(false);
    return this.#passed - this.#stood;
  }

  /** ms for which the process stood still within the last minute. */
  get paused(): number {
    this.#pass(false);
    if (this.#pauses.length === 0) return 0;
    this.#pauses = this.#pauses.filter(({ until }) => until > this.#passed);
    return this.#pauses.reduce((sum, { ms }) => sum + ms, 0);
  }

  #pass(both: boolean): void {
    const now = this.#clocks.monotonic();
    let went = now - this.#seen;
    this.#seen = now;
    if (both || went > STANDSTILL || went < 0) went += this.#unseen(now);
    if (went <= 0) return;
    this.#passed += went;
    if (went <= STANDSTILL) return;
    const ms = went - BEAT;
    this.#stood += ms;
    this.#pauses = [...this.#pauses, { ms, until: this.#passed + FORGIVING }];
  }

  /** ms that the monotonic clock does not show of what has passed: the machine was suspended. */
  #unseen(monotonic: number): number {
    const up = this.#clocks.uptime();
    const unseen = up - this.#together.uptime - (monotonic - this.#together.monotonic);
    if (Math.abs(unseen) <= SUSPENDED) return 0;
    this.#together = { monotonic, uptime: up };
    return unseen;
  }
}
