import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, it } from 'node:test';
import { pause, unlessAborted } from './pause.ts';

describe('waiting beside a signal that lives long', () => {
  const ended = () => new Error('ended');

  it('leaves nothing at the signal when the work is over', async () => {
    const { signal } = new AbortController();
    for (let times = 0; times < 20; times++) {
      assert.equal(await unlessAborted(signal, ended, Promise.resolve(times)), times);
      await assert.rejects(unlessAborted(signal, ended, Promise.reject(new Error('failed'))), /failed/);
      await pause(0, signal);
    }
    assert.deepEqual(getEventListeners(signal, 'abort'), []);
  });

  it('ends with the signal, also with one that has come before', async () => {
    const run = new AbortController();
    const never = new Promise<void>(() => {});
    const waiting = [unlessAborted(run.signal, ended, never), pause(1e9, run.signal)];
    run.abort();
    const [work, paused] = await Promise.allSettled(waiting);
    assert.deepEqual([work?.status, paused?.status], ['rejected', 'fulfilled']);
    await assert.rejects(unlessAborted(run.signal, ended, never), /ended/);
    await pause(1e9, run.signal);
    assert.deepEqual(getEventListeners(run.signal, 'abort'), []);
  });
});
