import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { Clock } from '@lockstep/hub';
import type { RecordStore } from '@lockstep/store';
import { openSqlite } from '@lockstep/store-sqlite';
import { RecordCursors } from './cursors.ts';

/** Time stands still; what was to happen later happens when the test says so. */
class StillClock implements Clock {
  readonly later: (() => void)[] = [];
  now(): number {
    return 1_000_000;
  }
  after(_: number, run: () => void): () => void {
    this.later.push(run);
    return () => void this.later.splice(this.later.indexOf(run), 1);
  }
}

async function records(t: TestContext): Promise<RecordStore> {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-cursors-'));
  const store = await openSqlite({ path: join(folder, 'c.db'), log: { count: 10, ageMs: 1000 } });
  t.after(async () => {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  });
  return store.records;
}

describe('WEB-3 cursors', () => {
  it('are read back before and after they were written, by another process too', async (t) => {
    const store = await records(t);
    const cursors = new RecordCursors(store, new StillClock());
    assert.equal(await cursors.load('t', 's'), undefined);
    cursors.save('t', 's', 5);
    cursors.save('t', 's', 7);
    assert.equal(await cursors.load('t', 's'), 7);
    await cursors.flush();
    assert.equal(await new RecordCursors(store, new StillClock()).load('t', 's'), 7);
  });

  it('are written in batches, a moment later', async (t) => {
    const clock = new StillClock();
    const writes: number[] = [];
    const store = await records(t);
    const counting = Object.assign(Object.create(store) as RecordStore, {
      putAll: (...args: Parameters<RecordStore['putAll']>) => {
        writes.push(args[0].length);
        return store.putAll(...args);
      },
    });
    const cursors = new RecordCursors(counting, clock);
    for (let number = 1; number <= 100; number++) cursors.save('t', `s${number % 10}`, number);
    assert.equal(clock.later.length, 1);
    clock.later[0]?.();
    await cursors.flush();
    assert.deepEqual(writes, [10]);
  });

  it('are gone when they are forgotten', async (t) => {
    const store = await records(t);
    const cursors = new RecordCursors(store, new StillClock());
    cursors.save('t', 's', 5);
    await cursors.flush();
    cursors.forget('t', 's');
    assert.equal(await cursors.load('t', 's'), undefined);
    await cursors.flush();
    assert.equal(await new RecordCursors(store, new StillClock()).load('t', 's'), undefined);
  });

  it('wait for a store that does not answer', async (t) => {
    const store = await records(t);
    let away = true;
    const flaky = Object.assign(Object.create(store) as RecordStore, {
      get: (...args: Parameters<RecordStore['get']>) => store.get(...args),
      putAll: (...args: Parameters<RecordStore['putAll']>) =>
        away ? Promise.reject(new Error('away')) : store.putAll(...args),
    });
    const cursors = new RecordCursors(flaky, new StillClock());
    cursors.save('t', 's', 5);
    await cursors.flush();
    assert.equal(await cursors.load('t', 's'), 5);
    away = false;
    await cursors.flush();
    assert.equal(await new RecordCursors(store, new StillClock()).load('t', 's'), 5);
  });
});
