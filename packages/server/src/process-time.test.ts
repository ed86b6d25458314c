import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { ProcessTime } from './process-time.ts';

/** A machine whose process can be stopped, and that can be suspended. */
class Machine {
  #monotonic = 1000;
  #uptime = 50_000;
  readonly time = new ProcessTime({ monotonic: () => this.#monotonic, uptime: () => this.#uptime });

  /** The process runs, and looks at the time as often as it does. */
  run(ms: number): void {
    for (let left = ms; left > 0; left -= 500) {
      this.stop(Math.min(left, 500));
      this.time.look();
    }
  }

  /** The process stands still, or does one thing for as long. */
  stop(ms: number): void {
    this.#monotonic += ms;
    this.#uptime += ms;
  }

  suspend(ms: number): void {
    this.#uptime += ms;
  }
}

it('ERR-4 running time leaves out what a process stood still for, and nothing else', () => {
  const machine = new Machine();
  const start = machine.time.running;
  machine.run(5000);
  assert.equal(machine.time.running - start, 5000);
  machine.stop(12_000);
  assert.equal(machine.time.running - start, 5500, 'a pause of 12 s');
  machine.stop(1900);
  assert.equal(machine.time.running - start, 7400, 'work of 1.9 s at a stretch is no pause');
  machine.suspend(12 * 3_600_000);
  machine.run(500);
  assert.equal(machine.time.running - start, 7900, 'a suspension of 12 h');
});

it('ERR-4 a suspension is time that has passed, though the monotonic clock does not show it', () => {
  const machine = new Machine();
  const start = machine.time.passed;
  machine.suspend(12 * 3_600_000);
  machine.run(500);
  assert.equal(machine.time.passed - start, 12 * 3_600_000 + 500);
  assert.equal(machine.time.paused, 12 * 3_600_000);
  machine.run(59_999);
  assert.equal(machine.time.paused, 12 * 3_600_000);
  machine.run(1);
  assert.equal(machine.time.paused, 0, 'a minute later nobody waits any more');
});

it('ERR-4 what passes is what the machine has been up for, whatever happens, and never goes back', () => {
  const step = fc.record({ kind: fc.constantFrom('run', 'stop', 'suspend'), ms: fc.integer({ min: 0, max: 100_000 }) });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const machine = new Machine();
      const start = machine.time.passed;
      let [up, before] = [0, 0];
      for (const { kind, ms } of steps) {
        machine[kind as 'run' | 'stop' | 'suspend'](ms);
        machine.time.look();
        up += ms;
        const passed = machine.time.passed - start;
        assert.ok(passed >= before, `${passed} after ${before} ms`);
        // Suspensions of less than two seconds are known once there were two seconds of them.
        assert.ok(passed <= up && passed >= up - 2000, `${passed} of ${up} ms`);
        before = passed;
      }
    }),
  );
});
