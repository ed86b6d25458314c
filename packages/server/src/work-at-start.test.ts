import assert from 'node:assert/strict';
import test from 'node:test';
import { StoreUnavailable } from '@lockstep/store';
import { WorkAtStart } from './work-at-start.ts';

/** A start whose timers run when the test says so. */
function started() {
  const timers: (() => void)[] = [];
  const said: string[] = [];
  const say = (message: string) => void said.push(message);
  const clock = {
    now: () => 0,
    after(_: number, run: () => void) {
      timers.push(run);
      return () => void timers.splice(timers.indexOf(run), 1);
    },
  };
  const atStart = new WorkAtStart(clock, { warn: say, error: (_, message) => say(message) });
  const next = async (): Promise<void> => {
    timers.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { atStart, timers, said, next };
}

const full = () => Object.assign(new Error('no space left'), { code: 'ENOSPC' });

test('what cannot be written at the start is written once there is room', async () => {
  const { atStart, timers, said, next } = started();
  const outcomes = [full(), new StoreUnavailable('the disk is full'), undefined];
  await atStart.do('Sample data', async () => {
    const error = outcomes.shift();
    if (error) throw error;
  });
  await next();
  assert.equal(timers.length, 1);
  await next();
  assert.equal(timers.length, 0);
  assert.deepEqual(said, ['Sample data is left for later: no space left', 'Sample data is done now']);
});

test('what fails for another reason stops the start, or is said', async () => {
  const { atStart, said, next } = started();
  const defect = new TypeError('no function');
  await assert.rejects(
    atStart.do('Sample data', async () => {
      throw defect;
    }),
    defect,
  );
  const outcomes = [full(), defect];
  await atStart.do('Sample data', async () => {
    throw outcomes.shift();
  });
  await next();
  assert.equal(said.at(-1), 'Sample data failed');
});

test('nothing is written after the server has stopped', async () => {
  const { atStart, timers } = started();
  await atStart.do('Sample data', async () => {
    throw full();
  });
  atStart.stop();
  assert.equal(timers.length, 0);
});
