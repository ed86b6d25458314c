import type { Clock } from '@lockstep/hub';

/**
 * Joins that are under way at once. What they wait for is often done for all of them in one go, and what follows is some 0.2 ms of work
 * for each: an event finds 6 ms of it before it at most.
 */
const AT_ONCE = 32;

/** ms after which a join that has not come to its end makes room for another: its session may be slow, those of others are not. */
const LONG = 100;

/**
 * Lets few WebSockets join at a time. After a network has failed everybody returns at once, and others that publish would wait until all
 * of them were let in.
 */
export class JoinQueue {
  readonly #waiting: (() => Promise<void>)[] = [];
  readonly #clock: Clock;
  #underWay = 0;
  #isScheduled = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Begins the join now, or when it is its turn: in the order in which they came. @param join never rejects */
  add(join: () => Promise<void>): void {
    if (this.#underWay < AT_ONCE && this.#waiting.length === 0) this.#begin(join);
    else this.#waiting.push(join);
  }

  #begin(join: () => Promise<void>): void {
    this.#underWay += 1;
    let makesRoom = (): void => {
      makesRoom = () => undefined;
      this.#underWay -= 1;
      this.#schedule();
    };
    const cancel = this.#clock.after(LONG, () => makesRoom());
    void join().then(() => {
      cancel();
      makesRoom();
    });
  }

  /** Not at once: what came meanwhile is read before others join. */
  #schedule(): void {
    if (this.#isScheduled || this.#waiting.length === 0) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      for (const join of this.#waiting.splice(0, AT_ONCE - this.#underWay)) this.#begin(join);
    });
  }
}
