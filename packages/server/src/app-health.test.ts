import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Clock, Observation } from '@lockstep/hub';
import type { RecordStore } from '@lockstep/store';
import { openSqlite } from '@lockstep/store-sqlite';
import { AppHealthCounts, weekOf } from './app-health.ts';

const DAY = 86_400_000;
const MONDAY = Date.parse('2026-06-01T00:00:00Z');

/** A clock that the test sets, whose timers never go off by themselves. */
class SetClock implements Clock {
  time = MONDAY + DAY;
  readonly timers = new Set<() => void>();
  now = (): number => this.time;
  running = (): number => this.time;
  after(_ms: number, run: () => void): () => void {
    this.timers.add(run);
    return () => this.timers.delete(run);
  }
}

let folder: string;
let store: Awaited<ReturnType<typeof openSqlite>>;
let records: RecordStore;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lockstep-health-'));
  store = await openSqlite({ path: join(folder, 'store.db'), log: { count: 100, ageMs: 60_000 } });
  records = store.records;
});
after(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

const answered = (clientId: string, status: number): Observation => ({
  kind: 'answered',
  subscription: 's',
  subscriber: 'App',
  eventId: 'e',
  status,
  ms: 1,
  clientId,
});
const NONE = { followed: 0, refused: 0, unanswered: 0, requestsRefused: 0 };

describe('health of an app', () => {
  test('weeks begin on Mondays at midnight, UTC', () => {
    for (const at of [MONDAY, MONDAY + 1, MONDAY + 7 * DAY - 1]) assert.equal(weekOf(at), MONDAY);
    assert.equal(weekOf(MONDAY - 1), MONDAY - 7 * DAY);
    assert.equal(weekOf(0), Date.parse('1969-12-29T00:00:00Z'));
  });

  test('what it follows, refuses and leaves unanswered is counted by weeks, for it alone', async () => {
    const clock = new SetClock();
    const health = new AppHealthCounts(records, clock);
    const at = clock.time;
    health.observe('t', at, answered('a', 200));
    health.observe('t', at + 1, answered('a', 202));
    health.observe('t', at, answered('a', 409));
    health.observe('t', at, answered('a', 0));
    health.observe('t', at, { kind: 'unanswered', subscription: 's', subscriber: 'App', eventId: 'e', clientId: 'a' });
    health.observe('t', at, { kind: 'refused', clientId: 'a', status: 403, reason: 'x' });
    health.observe('t', at, answered('b', 500));
    health.observe('t', at, { kind: 'delivered', subscription: 's', subscriber: 'App', eventId: 'e', event: 'x' });
    const week = { from: MONDAY, followed: 2, refused: 1, unanswered: 2, requestsRefused: 1 };
    assert.deepEqual(await health.read('a'), { lastFollowAt: at + 1, weeks: [week] });
    await health.flush();
    assert.deepEqual(await health.read('a'), { lastFollowAt: at + 1, weeks: [week] }, 'written');
    assert.deepEqual(await health.read('b'), { weeks: [{ ...NONE, from: MONDAY, refused: 1 }] });
    assert.deepEqual(await health.read('c'), { weeks: [] });
  });

  test('nodes that count at the same time lose nothing, and a restart keeps it', async () => {
    const clock = new SetClock();
    const nodes = [1, 2, 3].map(() => new AppHealthCounts(records, clock));
    for (const node of nodes) for (let n = 0; n < 5; n++) node.observe('t', clock.time, answered('shared', 200));
    await Promise.all(nodes.map((node) => node.flush()));
    // A node that others were before tries again at the next time.
    for (const node of nodes) await node.flush();
    const [week] = (await new AppHealthCounts(records, clock).read('shared')).weeks;
    assert.equal(week?.followed, 15);
  });

  test('twelve weeks are kept, the latest first', async () => {
    const clock = new SetClock();
    const health = new AppHealthCounts(records, clock);
    for (let week = 0; week < 15; week++) {
      clock.time = MONDAY + week * 7 * DAY;
      health.observe('t', clock.time, answered('old', 200));
      await health.flush();
    }
    const { weeks } = await health.read('old');
    assert.deepEqual(
      weeks.map(({ from }) => from),
      Array.from({ length: 12 }, (_, back) => MONDAY + (14 - back) * 7 * DAY),
    );
  });

  test('it is written some time after it happened, and later when the store does not answer', async () => {
    const clock = new SetClock();
    let away = true;
    const sometimes: RecordStore = Object.assign(Object.create(records) as RecordStore, {
      get: (...asked: Parameters<RecordStore['get']>) =>
        away ? Promise.reject(new Error('away')) : records.get(...asked),
      put: (...asked: Parameters<RecordStore['put']>) => records.put(...asked),
    });
    const health = new AppHealthCounts(sometimes, clock);
    health.observe('t', clock.time, answered('late', 200));
    assert.equal(clock.timers.size, 1);
    await health.flush();
    assert.equal(clock.timers.size, 1, 'it is tried again');
    health.observe('t', clock.time, answered('late', 200));
    away = false;
    await health.flush();
    assert.equal(clock.timers.size, 0);
    const [week] = (await new AppHealthCounts(records, clock).read('late')).weeks;
    assert.equal(week?.followed, 2);
  });

  test('what was deleted is forgotten: another app may be given its name', async () => {
    const clock = new SetClock();
    const health = new AppHealthCounts(records, clock);
    health.observe('t', clock.time, answered('gone', 200));
    await health.flush();
    health.observe('t', clock.time, answered('gone', 200));
    await health.forget('gone');
    assert.deepEqual(await health.read('gone'), { weeks: [] });
  });
});
