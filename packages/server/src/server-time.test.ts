import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { ServerTime } from './server-time.ts';

const HOUR = 3_600_000;
const START = Date.parse('2026-01-08T00:00:00Z');

/** A machine whose wall clock can be set. */
class Machine {
  passed = 0;
  /** ms that its wall clock was set ahead. */
  set = 0;
  readonly time: ServerTime;

  constructor() {
    this.time = new ServerTime(this, () => Math.floor(START + this.passed + this.set));
  }
}

it('TOK-6, SUB-5, SES-5 time passes as before where the clock is set by hours, forwards or backwards', () => {
  for (const jump of [13 * HOUR, -13 * HOUR, 60_000, -60_000, 400 * 24 * HOUR]) {
    const machine = new Machine();
    machine.set = jump;
    machine.passed += 1;
    assert.ok(Math.abs(machine.time.now() - START) <= 2, `${jump}`);
    machine.passed += HOUR;
    const went = machine.time.now() - START;
    assert.ok(went >= 0.989 * HOUR && went <= 1.011 * HOUR, `an hour is ${went} ms after ${jump}`);
    if (Math.abs(jump) > HOUR) assert.equal(Math.sign(machine.time.skew()), Math.sign(jump), 'it is told');
  }
});

it('TOK-6 a suspension of hours is time that has passed, and the clock agrees with it', () => {
  const machine = new Machine();
  machine.passed += 12 * HOUR;
  assert.equal(machine.time.now(), START + 12 * HOUR);
  assert.equal(machine.time.skew(), 0);
});

it('TOK-6 a clock that drifts is followed, and one that was set by seconds is met again', () => {
  const machine = new Machine();
  for (let step = 0; step < 1000; step++) {
    machine.passed += 1000;
    machine.set += 0.5;
    assert.ok(Math.abs(machine.time.skew()) <= 1, `${machine.time.skew()} ms after ${step} s`);
  }
  machine.set += 5000;
  machine.passed += 400_000;
  assert.ok(machine.time.skew() > 0);
  machine.passed += 200_000;
  assert.ok(Math.abs(machine.time.skew()) <= 1);
});

it('TOK-6 time never goes back, and a hundredth faster or slower at most, whatever the clock says', () => {
  const steps = fc.array(fc.record({ passes: fc.integer({ min: 1, max: 100_000 }), set: fc.integer() }));
  fc.assert(
    fc.property(steps, (all) => {
      const machine = new Machine();
      let before = machine.time.now();
      for (const { passes, set } of all) {
        machine.passed += passes;
        machine.set = set;
        const now = machine.time.now();
        const went = now - before;
        assert.ok(went >= 0.99 * passes - 1 && went <= 1.01 * passes + 1, `${went} ms of ${passes}`);
        before = now;
      }
    }),
  );
});
