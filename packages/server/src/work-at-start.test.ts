import assert from 'node:assert/strict';
import test from 'node:test';
import { StoreUnavailable } from '@lockstep/store';
import { UnusableDatabase } from '@lockstep/store-sqlite';
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
  const abort = new AbortController();
  const waits = () => {
    say('waits');
    return () => say('goes on');
  };
  const atStart = new WorkAtStart(clock, { warn: say, error: (_, message) => say(message) }, waits, abort.signal);
  const next = async (): Promise<void> => {
    timers.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { atStart, abort, timers, said, next };
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

test('what nothing can begin without is waited for, and others hear of it', async () => {
  const { atStart, timers, said, next } = started();
  const outcomes = [
    full(),
    new StoreUnavailable('the disk is full'),
    new UnusableDatabase('x.db', 'full', 'no room'),
    undefined,
  ];
  const work = atStart.first(async () => {
    const error = outcomes.shift();
    if (error) throw error;
    return 'begun';
  });
  for (let attempt = 0; attempt < 4; attempt++) await next();
  assert.equal(await work, 'begun');
  assert.equal(timers.length, 0);
  assert.deepEqual(said, ['Nothing can be written yet: the server begins once it can', 'waits', 'goes on']);
});

test('what fails for another reason is not waited for, and a wait ends by the signal', async () => {
  const { atStart, abort, timers, said } = started();
  for (const error of [new TypeError('no function'), new UnusableDatabase('x.db', 'damaged', 'damaged')]) {
    const work = atStart.first(async () => {
      throw error;
    });
    await assert.rejects(work, error);
  }
  assert.deepEqual(said, []);
  const work = atStart.first(async () => {
    throw full();
  });
  await new Promise((resolve) => setImmediate(resolve));
  abort.abort();
  await assert.rejects(work, { name: 'AbortError' });
  assert.equal(timers.length, 0);
  assert.equal(said.at(-1), 'goes on');
});
