import assert from 'node:assert/strict';
import { it } from 'node:test';
import { RunningTime } from './system.ts';

it('ERR-4 running time leaves out what a process stood still for, and nothing else', () => {
  let now = 1000;
  const running = new RunningTime(() => now);
  const start = running.ms;
  for (let beat = 0; beat < 10; beat++) {
    now += 500;
    assert.equal(running.ms - start, (beat + 1) * 500);
  }
  now += 12_000;
  assert.ok(running.ms - start <= 5500, 'a pause of 12 s');
  now += 1900;
  assert.ok(running.ms - start >= 5000 + 1900, 'work of 1.9 s at a stretch is no pause');
});
