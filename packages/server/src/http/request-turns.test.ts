import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { RequestTurns } from './request-turns.ts';

describe('requests of strangers', () => {
  it('are begun at once where no other request waits', async () => {
    const turns = new RequestTurns();
    for (let n = 0; n < 5; n += 1) {
      let isBegun = false;
      turns.begin('a', () => {
        isBegun = true;
      });
      assert.ok(isBegun);
      await nextTurn();
    }
  });

  it('are begun two in each turn of the event loop, whatever comes', async () => {
    const turns = new RequestTurns();
    let begun = 0;
    for (let n = 0; n < 1_000; n += 1) turns.begin('a', () => (begun += 1));
    assert.equal(begun, 2);
    for (let turn = 1; begun < 1_000; turn += 1) {
      await nextTurn();
      assert.ok(begun <= 2 * (turn + 1), `${begun} in ${turn} turns`);
      assert.ok(begun > turn, 'nothing is forgotten');
    }
  });

  it('of one address keep no other address waiting', async () => {
    const turns = new RequestTurns();
    const order: string[] = [];
    for (let n = 0; n < 1_000; n += 1) turns.begin('flood', () => order.push('flood'));
    for (const one of ['a', 'b', 'c']) for (let n = 0; n < 2; n += 1) turns.begin(one, () => order.push(one));
    for (let turn = 0; turn < 5; turn += 1) await nextTurn();
    for (const one of ['a', 'b', 'c']) {
      assert.equal(order.filter((name) => name === one).length, 2, order.join());
    }
  });
});
