import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { STORE_WORK, WorkTurns } from './work-turns.ts';

const LIMITS = { ...STORE_WORK, perCaller: 2, overall: 3, waiting: 4, waitingSize: 100, waitingOverall: 10 };

/** Work that lasts until it is ended, by the name of its caller, in the order in which it began. */
function works(turns: WorkTurns) {
  const begun: string[] = [];
  const ends: { readonly caller: string; readonly end: (failure?: Error) => void }[] = [];
  const begin = (caller: string, size = 0): Promise<void> =>
    turns.run(caller, size, () => {
      begun.push(caller);
      return new Promise((resolve, reject) => {
        ends.push({ caller, end: (failure) => (failure ? reject(failure) : resolve()) });
      });
    });
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 30; turn += 1) await nextTurn();
  };
  const endOne = async (caller: string, failure?: Error): Promise<void> => {
    const at = ends.findIndex((one) => one.caller === caller);
    ends.splice(at, 1)[0]?.end(failure);
    await settle();
  };
  return { begun, begin, settle, endOne };
}

describe('FHR-6 work for FHIR requests', () => {
  it('is done one slice in each turn of the event loop, however much there is', async () => {
    const turns = new WorkTurns({ ...STORE_WORK, perCaller: 100, overall: 100 });
    let slices = 0;
    const work = async (): Promise<void> => {
      for (let n = 0; n < 10; n += 1) {
        await turns.slice();
        slices += 1;
      }
    };
    const all = Promise.all(Array.from({ length: 50 }, (_, n) => turns.run(`${n % 5}`, 0, work)));
    for (let before = 0; slices < 500; before = slices) {
      await nextTurn();
      assert.ok(slices - before <= 2, `${slices - before} slices in a turn`);
    }
    await all;
  });

  it('is begun for so many requests of a caller and of all, and the others wait, each caller in its turn', async () => {
    const { begun, begin, settle, endOne } = works(new WorkTurns(LIMITS));
    const all = ['a', 'a', 'a', 'a', 'b', 'b', 'c'].map((caller) => begin(caller));
    await settle();
    assert.deepEqual(begun, ['a', 'a', 'b']);
    await endOne('a');
    assert.deepEqual(begun.slice(3), ['a']);
    await endOne('a');
    assert.deepEqual(begun.slice(4), ['b']);
    await endOne('a');
    assert.deepEqual(begun.slice(5), ['c']);
    await endOne('b');
    assert.deepEqual(begun.slice(6), ['a']);
    for (const caller of ['a', 'b', 'c']) await endOne(caller);
    await Promise.all(all);
  });

  it('is refused by 429 where too much of the caller waits, by 503 where too much of all does', async () => {
    const { begin, settle } = works(new WorkTurns(LIMITS));
    for (const caller of ['a', 'a', 'a', 'a', 'a', 'a', 'b', 'c', 'c', 'd', 'd']) void begin(caller);
    await settle();
    await assert.rejects(begin('a'), { status: 429, issue: 'throttled', headers: { 'retry-after': '1' } });
    for (const size of [30, 30]) void begin('e', size);
    await assert.rejects(begin('e', 20), { status: 503 });
    await assert.rejects(begin('f'), { status: 503, issue: 'transient', headers: { 'retry-after': '1' } });
  });

  it('is refused where the bodies that wait are too large', async () => {
    const { begin, settle } = works(new WorkTurns({ ...LIMITS, waitingSizeOverall: 150 }));
    for (const [caller, size] of [
      ['a', 0],
      ['a', 0],
      ['a', 60],
      ['b', 0],
      ['b', 0],
    ] as const)
      void begin(caller, size);
    await settle();
    await assert.rejects(begin('a', 50), { status: 429 });
    void begin('b', 80);
    await assert.rejects(begin('c', 20), { status: 503 });
  });

  it('that fails gives its place to the next', async () => {
    const { begun, begin, settle, endOne } = works(new WorkTurns({ ...LIMITS, overall: 1 }));
    const first = begin('a');
    const failed = assert.rejects(first, /gone/);
    const second = begin('a');
    await settle();
    await endOne('a', new Error('gone'));
    await failed;
    assert.deepEqual(begun, ['a', 'a']);
    await endOne('a');
    await second;
  });
});
