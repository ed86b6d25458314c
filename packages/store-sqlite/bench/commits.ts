// node packages/store-sqlite/bench/commits.ts: CPU per commit, of the calling thread and the worker together, at several
// numbers of commits under way at once.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { openSqlite, type SqliteStore } from '../src/index.ts';

const TOPICS = 250;
const body = JSON.stringify({ text: 'x'.repeat(800) });

/** Sessions commit one event after the other, `concurrent` of them at a time. */
async function run(store: SqliteStore, concurrent: number, commits: number): Promise<void> {
  const { sessions } = store;
  const revisions: number[] = [];
  const topics = Array.from({ length: TOPICS }, (_, i) => `${concurrent}-${i}-${crypto.randomUUID()}`);
  for (const [i, topic] of topics.entries()) {
    await sessions.commit({
      topic,
      expected: 0,
      at: Date.now(),
      parts: new Map([
        ['session', '{}'],
        ['sub:1', body],
        ['sub:2', body],
      ]),
      append: [],
      index: { add: ['all'] },
    });
    revisions[i] = 1;
  }
  let left = commits;
  const lane = async (first: number) => {
    for (let i = first; left > 0; i = i + concurrent < TOPICS ? i + concurrent : first) {
      left--;
      const revision = revisions[i]!;
      const result = await sessions.commit({
        topic: topics[i]!,
        expected: revision,
        at: Date.now(),
        parts: new Map([['context', body]]),
        append: [{ number: revision, id: crypto.randomUUID(), at: Date.now(), body }],
      });
      if (!result.ok) throw new Error('a commit was refused');
      revisions[i] = result.revision;
    }
  };
  const before = await store.stats();
  const cpu = process.cpuUsage();
  const start = performance.now();
  await Promise.all(Array.from({ length: concurrent }, (_, i) => lane(i)));
  const ms = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  const after = await store.stats();
  const transactions = after.transactions - before.transactions;
  console.log(
    `${String(concurrent).padStart(4)} at once: ${((user + system) / commits).toFixed(1)} µs CPU a commit ` +
      `(${(user / commits).toFixed(1)} user), ${Math.round((commits / ms) * 1000)} commits/s, ` +
      `${(commits / transactions).toFixed(1)} commits a transaction, ${after.checkpoints - before.checkpoints} checkpoints`,
  );
}

const folder = await mkdtemp(join(tmpdir(), 'lockstep-bench-'));
const store = await openSqlite({ path: join(folder, 'store.db'), log: { count: 200, ageMs: 3_600_000 } });
for (const concurrent of [1, 8, 50, 250]) await run(store, concurrent, concurrent === 1 ? 5_000 : 50_000);
await store.close();
await rm(folder, { recursive: true });
