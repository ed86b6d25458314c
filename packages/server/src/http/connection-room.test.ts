import assert from 'node:assert/strict';
import test from 'node:test';
import { ConnectionRoom, ownDescriptors } from './connection-room.ts';

const quiet = { error: () => undefined, warn: () => undefined };

test('WebSockets leave room for HTTP requests, and all connections leave room for the store', () => {
  for (const limit of [128, 256, 1024, 20_000, 1_048_576]) {
    const { forSockets, forAll } = new ConnectionRoom({ limit, open: 50 }, () => 0, quiet);
    assert.ok(forSockets >= 1 && forSockets + 16 <= forAll && forAll + 16 <= limit - 50, `${limit}`);
  }
});

test('where there is no limit, all are taken', () => {
  const room = new ConnectionRoom({ limit: Number.POSITIVE_INFINITY, open: 50 }, () => 10_000_000, quiet);
  assert.equal(room.admits(), true);
  assert.deepEqual(room.problems, []);
});

test('the beginning and the end of a shortage are logged once each, and every refusal is counted', () => {
  const lines: string[] = [];
  let connections = 0;
  const log = { error: (line: string) => lines.push(line), warn: (line: string) => lines.push(line) };
  const room = new ConnectionRoom({ limit: 256, open: 56 }, () => connections, log);
  connections = room.forSockets;
  assert.equal(room.admits(), true);
  assert.equal(room.problems.length, 1, 'the next one would be refused');
  connections += 1;
  assert.deepEqual([room.admits(), room.admits(), room.refused], [false, false, 2]);
  connections = 3;
  assert.deepEqual([room.admits(), room.admits()], [true, true]);
  assert.deepEqual(room.problems, []);
  assert.equal(lines.length, 2);
  assert.match(lines[0] ?? '', /256 files/);
});

test('the process knows what it has open and may have open', () => {
  const { limit, open } = ownDescriptors();
  assert.ok(open > 2 && open < limit, `${open} of ${limit}`);
});
