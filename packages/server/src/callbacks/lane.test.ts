import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Clock } from '@lockstep/hub';
import { Lane, type LaneOptions } from './lane.ts';

class TestClock implements Clock {
  #now = 0;
  #timers: { at: number; run: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer);
    };
  }

  async pass(ms: number): Promise<void> {
    this.#now += ms;
    const due = this.#timers.filter(({ at }) => at <= this.#now);
    this.#timers = this.#timers.filter(({ at }) => at > this.#now);
    for (const { run } of due) run();
    await turn();
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A lane whose jobs end when the test says so. */
class Trial {
  readonly clock = new TestClock();
  readonly lane: Lane;
  readonly begun: string[] = [];
  readonly #ends = new Map<string, () => void>();

  constructor(options: LaneOptions) {
    this.lane = new Lane(this.clock, options);
  }

  start(name: string, rank?: number): Promise<void> {
    return this.lane.run(async () => {
      this.begun.push(name);
      await new Promise<void>((resolve) => this.#ends.set(name, resolve));
    }, rank);
  }

  async end(name: string): Promise<void> {
    this.#ends.get(name)?.();
    await turn();
  }
}

describe('WEB-4 a lane', () => {
  it('runs as many jobs at once as it is wide, the others in order', async () => {
    const trial = new Trial({ width: 2 });
    for (const name of ['a', 'b', 'c', 'd']) void trial.start(name);
    await turn();
    assert.deepEqual(trial.begun, ['a', 'b']);
    await trial.end('b');
    assert.deepEqual(trial.begun, ['a', 'b', 'c']);
    await trial.end('a');
    await trial.end('c');
    await trial.end('d');
    assert.ok(trial.lane.idle);
  });

  it('gives a place free when its job fails', async () => {
    const lane = new Lane(new TestClock(), { width: 1 });
    await assert.rejects(lane.run(() => Promise.reject(new Error('no'))));
    assert.equal(await lane.run(async () => 'yes'), 'yes');
  });

  it('lets lower ranks go first', async () => {
    const trial = new Trial({ width: 1 });
    void trial.start('running');
    for (const [name, rank] of [
      ['old', 5],
      ['new', 1],
      ['older', 5],
      ['newest', 0],
    ] as const)
      void trial.start(name, rank);
    for (const name of ['running', 'newest', 'new', 'old', 'older']) await trial.end(name);
    assert.deepEqual(trial.begun, ['running', 'newest', 'new', 'old', 'older']);
  });

  it('begins no more jobs in a second than it may, however quickly they end', async () => {
    const lane = new Lane(new TestClock(), { width: 10, perSecond: 100 });
    assert.ok(lane.idle);
    const trial = new Trial({ width: 1000, perSecond: 100 });
    for (let index = 0; index < 500; index++) void trial.start(String(index));
    await turn();
    assert.equal(trial.begun.length, 10);
    for (let window = 0; window < 10; window++) await trial.clock.pass(100);
    assert.equal(trial.begun.length, 110);
    assert.deepEqual(
      trial.begun,
      Array.from({ length: 110 }, (_, index) => String(index)),
    );
  });

  it('jobs that take too long do not delay others, as long as there are fewer of them than the lane is wide', async () => {
    const trial = new Trial({ width: 2, patienceMs: 1000 });
    for (const name of ['a', 'b', 'c', 'd', 'e']) void trial.start(name);
    await turn();
    await trial.clock.pass(1000);
    assert.deepEqual(trial.begun, ['a', 'b', 'c', 'd']);
    await trial.clock.pass(1000);
    assert.deepEqual(trial.begun, ['a', 'b', 'c', 'd'], 'the slow ones are bounded too');
    await trial.end('c');
    assert.deepEqual(trial.begun, ['a', 'b', 'c', 'd', 'e']);
    for (const name of ['a', 'b', 'd', 'e']) await trial.end(name);
    assert.ok(trial.lane.idle);
  });

  it('holds thousands of waiting jobs without losing the order', async () => {
    const trial = new Trial({ width: 1 });
    const order = Array.from({ length: 3000 }, (_, index) => String(index));
    const done: string[] = [];
    await Promise.all(order.map((name) => trial.lane.run(async () => void done.push(name))));
    assert.deepEqual(done, order);
  });
});
