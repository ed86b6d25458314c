/**
 * How much of the store a request reads: what it is about, not what there is (REG-6). Every route is asked once in a server
 * that holds little and once in one that holds a hundred times as much, and may read no more there than a page of a list.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { RecordStore, SessionStore } from '@lockstep/store';
import { type Asked, ask, ROWS, rowOf, served, started } from './every-route.ts';

const FEW = 10;
const MANY = 1000;

/** Counts what a store hands out, by the methods that hand out something that grows. */
class ReadCount {
  records = 0;

  of<T extends RecordStore | SessionStore>(store: T, methods: readonly string[]): T {
    return new Proxy(store, {
      get: (target, name) => {
        const method = Reflect.get(target, name);
        if (typeof method !== 'function') return method;
        if (!methods.includes(String(name))) return method.bind(target);
        return async (...args: unknown[]) => {
          const found = await method.apply(target, args);
          const many = Array.isArray(found) ? found : found?.topics;
          this.records += Array.isArray(many) ? many.length : 1;
          return found;
        };
      },
    });
  }
}

/** A server, and what it reads. */
interface Counted {
  readonly asked: Asked;
  readonly reads: ReadCount;
}

async function counted(count: number): Promise<Counted> {
  const reads = new ReadCount();
  const asked = await started(count, (store) => ({
    ...store,
    records: reads.of(store.records, ['get', 'find', 'list', 'deleteBy']),
    sessions: reads.of(store.sessions, ['load', 'lookup', 'lookupPage', 'listParts']),
  }));
  return { asked, reads };
}

/** What every route reads, by its name. */
async function readsOf({ asked, reads }: Counted): Promise<ReadonlyMap<string, number>> {
  const read = new Map<string, number>();
  const wrong: string[] = [];
  for (const route of served(asked.lockstep.routes)) {
    const row = rowOf(route);
    if (!row) continue;
    reads.records = 0;
    const answer = await ask(asked, route, row);
    const text = await answer.text();
    const right = row.status === undefined ? answer.status !== 500 : answer.status === row.status;
    if (!right) wrong.push(`${route}: ${answer.status} ${text.slice(0, 200)}`);
    read.set(route, reads.records);
  }
  assert.deepEqual(wrong, []);
  return read;
}

/** Records more: those of a page of a list, each with what it names. */
const PAGE = 300;

describe('REG-6 a request', () => {
  let few: Counted;
  let many: Counted;
  before(async () => {
    few = await counted(FEW);
    many = await counted(MANY);
  });
  after(async () => {
    await few?.asked.close();
    await many?.asked.close();
  });

  it('of every route is in the table', () => {
    for (const route of served(few.asked.lockstep.routes)) assert.ok(rowOf(route), `${route}: say what it reads`);
    const known = new Set(few.asked.lockstep.routes);
    for (const route of ROWS.flatMap(({ routes }) => routes)) {
      assert.ok(route.endsWith('**') || known.has(route), `${route} is no route`);
    }
  });

  it('reads a page more at most where there is a hundred times as much', async () => {
    const [little, much] = [await readsOf(few), await readsOf(many)];
    const grown = [...much].filter(([route, records]) => records > (little.get(route) ?? 0) + PAGE);
    const unexplained = grown.filter(([route]) => rowOf(route)?.grows === undefined);
    assert.deepEqual(
      unexplained.map(([route, records]) => `${route}: ${little.get(route)} → ${records}`),
      [],
    );
    for (const row of ROWS.filter(({ grows }) => grows !== undefined)) {
      assert.ok(
        row.routes.some((route) => grown.some(([one]) => one === route)),
        `${row.routes} does not grow`,
      );
    }
  });
});
