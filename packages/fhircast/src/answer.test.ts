import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseSubscriberMessage } from './index.ts';

const read = (message: unknown) => parseSubscriberMessage(JSON.stringify(message));
const answer = (status: number) => ({ kind: 'answer', id: 'e1', status });

describe('ERR-1 answers', () => {
  it('carry the status as a number or a string', () => {
    assert.deepEqual(read({ id: 'e1', status: 409 }), answer(409));
    assert.deepEqual(read({ id: 'e1', status: '202' }), answer(202));
    assert.deepEqual(read({ id: 'e1', status: ' 200 OK ' }), answer(200));
    assert.deepEqual(read({ id: 'e1', status: 'HTTP/1.1 500 Internal Server Error' }), answer(500));
  });

  it('may bring a reason for not following, one short line', () => {
    const read409 = (reason: unknown) => read({ id: 'e1', status: 409, reason });
    assert.deepEqual(read409('a draft is\n unsaved '), { ...answer(409), reason: 'a draft is unsaved' });
    assert.deepEqual(read409('x'.repeat(500)), { ...answer(409), reason: 'x'.repeat(200) });
    for (const reason of ['', ' \u0007', 7, null, ['x']]) assert.deepEqual(read409(reason), answer(409));
    assert.deepEqual(read({ id: 'e1', status: 200, reason: 'fine' }), answer(200));
  });

  it('without a status count as 200, as medplum sends them', () => {
    assert.deepEqual(read({ id: 'e1', timestamp: '2026-01-08T01:37:05.14Z' }), answer(200));
    assert.deepEqual(read({ id: 'e1', status: null }), answer(200));
  });

  it('may be spelt and spaced in any way, with other fields beside', () => {
    assert.deepEqual(read({ ID: 'e1', Status: 200, foo: { bar: [] } }), answer(200));
    assert.deepEqual(parseSubscriberMessage(' {"id" : " e1 ",\n" STATUS":"409"} '), answer(409));
    assert.deepEqual(parseSubscriberMessage('{"__proto__":{"status":409},"id":"e1","status":200}'), answer(200));
  });

  it('with a status that is no number are ignored', () => {
    for (const status of ['ok', '', true, [200], ['200'], {}, 'x200']) {
      assert.deepEqual(read({ id: 'e1', status }), { kind: 'other' }, JSON.stringify(status));
    }
  });
});

describe('ERR-1 other frames', () => {
  it('of type ping are pings', () => {
    assert.deepEqual(read({ type: 'ping' }), { kind: 'ping' });
    assert.deepEqual(read({ type: 'pong' }), { kind: 'other' });
  });

  it('are ignored: the first frame of vtk.js, arrays, null, no JSON', () => {
    const other = { kind: 'other' };
    assert.deepEqual(read({ 'hub.channel.endpoint': 'wss://hub/x' }), other);
    for (const value of [[], null, 1, 'x', { id: 1 }, { id: '' }, {}]) assert.deepEqual(read(value), other);
    for (const text of ['', '{', 'ping', '{"id":"e1"', '\u0000']) assert.deepEqual(parseSubscriberMessage(text), other);
  });

  it('ERR-1 a number that is no status of HTTP is a failure, however it is written', () => {
    for (const status of [0, 99, 600, 1000, -1, 200.5, '0', '42', '999', ' 1e9 ']) {
      assert.deepEqual(read({ id: 'e1', status }), { kind: 'answer', id: 'e1', status: 500 }, String(status));
    }
    for (const status of ['', 'fine', {}, true, []]) assert.deepEqual(read({ id: 'e1', status }), { kind: 'other' });
  });

  it('never throw', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => void parseSubscriberMessage(text)));
  });
});

describe('ERR-1 what viewers say on their own', () => {
  it('an event with an id is no answer, unless it has a status', () => {
    const event = { 'hub.event': 'STATUS-response', context: {} };
    assert.deepEqual(parseSubscriberMessage(JSON.stringify({ id: 'x', timestamp: 'y', event })), { kind: 'other' });
    assert.deepEqual(parseSubscriberMessage(JSON.stringify({ id: 'x', status: 409, event })), {
      kind: 'answer',
      id: 'x',
      status: 409,
    });
    const endpoint = JSON.stringify({ 'hub.channel.endpoint': 'wss://hub/ws/x' });
    assert.deepEqual(parseSubscriberMessage(endpoint), { kind: 'other' });
  });
});
