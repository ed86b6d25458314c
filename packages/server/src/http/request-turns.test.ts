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

  it('on new connections are read of sixteen connections in each turn, those of one address beside those of others', async () => {
    const turns = new RequestTurns();
    const read = { many: 0, one: 0 };
    for (let n = 0; n < 1_000; n += 1) turns.read('many', () => (read.many += 1));
    for (let n = 0; n < 8; n += 1) turns.read('one', () => (read.one += 1));
    assert.deepEqual(read, { many: 16, one: 0 });
    await nextTurn();
    assert.deepEqual(read, { many: 24, one: 8 });
    for (let turn = 2; read.many < 1_000; turn += 1) {
      await nextTurn();
      assert.ok(read.many + read.one <= 16 * (turn + 1), `${read.many} in ${turn} turns`);
      assert.ok(read.many > turn, 'nothing is forgotten');
    }
  });

  it('that send too much are begun one in each 2 ms, the newest connection and the oldest request first', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const turns = new RequestTurns();
    const begun: string[] = [];
    const never = (): void => {
      assert.fail('cut');
    };
    for (const n of [1, 2, 3]) {
      turns.beginSlowly('a', () => begun.push(`request ${n}`), never);
      turns.readSlowly('a', () => begun.push(`connection ${n}`), never);
    }
    assert.equal(begun.length, 0);
    for (let turn = 0; turn < 3; turn += 1) t.mock.timers.tick(2);
    assert.deepEqual(
      begun.filter((one) => one.startsWith('request')),
      ['request 1', 'request 2', 'request 3'],
    );
    assert.deepEqual(
      begun.filter((one) => one.startsWith('connection')),
      ['connection 3', 'connection 2', 'connection 1'],
    );
  });

  it('that send too much keep no other address waiting, and the oldest of too many is cut', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const turns = new RequestTurns();
    const [read, cut]: [number[], number[]] = [[], []];
    let isOtherRead = false;
    for (let n = 0; n < 1_030; n += 1) {
      turns.readSlowly(
        'flood',
        () => read.push(n),
        () => cut.push(n),
      );
    }
    turns.readSlowly('b', () => (isOtherRead = true), assert.fail);
    assert.deepEqual(cut, [0, 1, 2, 3, 4, 5]);
    t.mock.timers.tick(2);
    t.mock.timers.tick(2);
    assert.ok(isOtherRead);
    assert.deepEqual(read, [1_029]);
  });
});
