import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { RecordStore } from '@lockstep/store';
import { openSqlite } from '@lockstep/store-sqlite';
import { GuessLimit, networkOf } from './guess-limit.ts';

async function limitAt(
  t: TestContext,
): Promise<{ limit: GuessLimit; other: GuessLimit; records: RecordStore; pass: (ms: number) => void }> {
  let now = 1_000_000;
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-guesses-'));
  const { records, close } = await openSqlite({ path: join(folder, 'store.db'), log: { count: 100, ageMs: 60_000 } });
  t.after(async () => {
    await close();
    rmSync(folder, { recursive: true });
  });
  const clock = { now: () => now, after: () => () => undefined };
  const limit = new GuessLimit(records, clock);
  return { limit, other: new GuessLimit(records, clock), records, pass: (ms) => (now += ms) };
}

/** Guesses until one has to wait. */
async function guesses(
  limit: GuessLimit,
  name: (n: number) => string,
  address: (n: number) => string,
): Promise<number> {
  for (let n = 0; n < 1000; n += 1) if ((await limit.begin({ name: name(n), address: address(n) })) > 0) return n;
  return 1000;
}

test('REG-4 one address has five guesses at a name, then waits twice as long each time', async (t) => {
  const { limit, pass } = await limitAt(t);
  const guess = () => limit.begin({ name: 'ann', address: '192.0.2.1' });
  assert.equal(
    await guesses(
      limit,
      () => 'ann',
      () => '192.0.2.1',
    ),
    5,
  );
  for (const wait of [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]) {
    assert.equal(await guess(), wait * 1000);
    pass(wait * 1000 - 1);
    assert.equal(await guess(), 1, 'asking again makes it no longer');
    pass(1);
    assert.equal(await guess(), 0);
  }
});

test('REG-4 whoever guesses at a name does not shut its owner out at another address', async (t) => {
  const { limit } = await limitAt(t);
  await guesses(
    limit,
    () => 'ann',
    () => '192.0.2.1',
  );
  assert.equal(await limit.begin({ name: 'ann', address: '192.0.2.2' }), 0);
  assert.ok((await limit.begin({ name: 'ann', address: '192.0.2.1' })) > 0);
});

test('REG-4 one address tries no more than twenty names, then one each ten seconds', async (t) => {
  const { limit, pass } = await limitAt(t);
  const address = () => '192.0.2.1';
  assert.equal(await guesses(limit, (n) => `user-${n}`, address), 20);
  pass(9_999);
  assert.equal(await limit.begin({ name: 'user-x', address: address() }), 1);
  pass(1);
  assert.equal(await limit.begin({ name: 'user-x', address: address() }), 0);
  assert.ok((await limit.begin({ name: 'user-y', address: address() })) > 0);
  assert.equal(await limit.begin({ name: 'user-y', address: '192.0.2.2' }), 0);
});

test('REG-4 many addresses together have twenty guesses at a name, then one each ten seconds', async (t) => {
  const { limit, pass } = await limitAt(t);
  const address = (n: number) => `198.51.100.${n}`;
  assert.equal(await guesses(limit, () => 'ann', address), 20);
  assert.equal(await limit.begin({ name: 'ann', address: '203.0.113.1' }), 10_000);
  pass(10_000);
  assert.equal(await limit.begin({ name: 'ann', address: '203.0.113.1' }), 0);
});

test('REG-4 a right password costs nothing, and does not pay for wrong ones at other names', async (t) => {
  const { limit } = await limitAt(t);
  const address = '192.0.2.1';
  for (let n = 0; n < 500; n += 1) {
    assert.equal(await limit.begin({ name: 'mine', address: address }), 0);
    await limit.succeeded({ name: 'mine', address: address });
  }
  let wrong = 0;
  while ((await limit.begin({ name: `victim-${wrong}`, address: address })) === 0) {
    wrong += 1;
    if ((await limit.begin({ name: 'mine', address: address })) === 0)
      await limit.succeeded({ name: 'mine', address: address });
  }
  assert.equal(wrong, 20);
});

test('REG-4 a right password that waits for a code costs others nothing, and buys no guesses at codes', async (t) => {
  const { limit } = await limitAt(t);
  const address = '192.0.2.1';
  for (let n = 0; n < 25; n += 1) {
    const person = { name: `person-${n}`, address };
    assert.equal(await limit.begin(person), 0);
    await limit.begun(person);
    assert.equal(await limit.begin(person), 0);
    await limit.succeeded(person);
  }
  const victim = { name: 'victim', address };
  let wrongCodes = 0;
  while ((await limit.begin(victim)) === 0) {
    wrongCodes += 1;
    if ((await limit.begin(victim)) !== 0) break;
    await limit.begun(victim);
  }
  assert.ok(wrongCodes <= 5, `${wrongCodes}`);
});

test('REG-4 guesses are counted by all nodes together, also at the same moment, and forgotten in time', async (t) => {
  const { limit, other, records, pass } = await limitAt(t);
  const nodes = [limit, other];
  const at = (n: number) => ({ name: 'ann', address: `198.51.100.${n}` });
  const waits = await Promise.all(Array.from({ length: 60 }, (_, n) => nodes[n % 2]?.begin(at(n))));
  assert.equal(waits.filter((wait) => wait === 0).length, 20);
  assert.ok((await other.begin({ name: 'a'.repeat(10_000), address: '192.0.2.7' })) === 0);
  pass(24 * 3_600_000);
  assert.equal((await records.list('guesses', 1_000_000 + 24 * 3_600_000, { limit: 100 })).length, 0);
});

test('REG-4 many names at many addresses together are slowed too', async (t) => {
  const { limit, pass } = await limitAt(t);
  const network = (n: number) => `10.${n >> 8}.${n & 255}.1`;
  assert.equal(await guesses(limit, (n) => `user-${n}`, network), 300);
  assert.ok((await limit.begin({ name: 'somebody', address: '192.0.2.9' })) > 0);
  pass(200);
  assert.equal(await limit.begin({ name: 'somebody', address: '192.0.2.9' }), 0);
});

test('REG-4 guesses from elsewhere do not lock the owner out at a browser that is known, whose own guesses count', async (t) => {
  const { limit } = await limitAt(t);
  const mine = { name: 'ann', address: '192.0.2.1', browser: 'known' };
  for (let n = 0; n < 1000; n += 1)
    await limit.begin({ name: n % 2 ? 'ann' : `user-${n}`, address: `192.0.${n & 3}.1` });
  assert.ok((await limit.begin({ name: 'ann', address: '192.0.2.1' })) > 0, 'nobody else gets in');
  for (let n = 0; n < 5; n += 1) assert.equal(await limit.begin(mine), 0);
  assert.ok((await limit.begin(mine)) > 0, 'a browser that was stolen guesses no more than others');
});

test('REG-4 after a start with a clock that is behind, no user waits longer than with a right one', async (t) => {
  const { limit, pass } = await limitAt(t);
  const mine = { name: 'ann', address: '192.0.2.1' };
  for (let n = 0; n < 5; n += 1) assert.equal(await limit.begin(mine), 0);
  assert.equal(await limit.begin({ name: 'zoe', address: '192.0.2.1' }), 0);
  pass(-13 * 3_600_000);
  assert.equal(await limit.begin({ name: 'ben', address: '192.0.2.1' }), 0, 'who has guesses left');
  assert.equal(await limit.begin({ name: 'zoe', address: '192.0.2.1' }), 0, 'who guessed wrong once');
  assert.equal(await limit.begin(mine), 2_000, 'who must wait');
});

test('REG-4 an IPv6 network of one customer counts as one address', () => {
  const cases: [string, string][] = [
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::1', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    // With a port, as some proxies write them: each of a sender's connections has another.
    ['192.0.2.1:4711', '192.0.2.1'],
    ['[2001:db8:1:2::1]:4711', '2001:db8:1:2::/64'],
    ['[2001:db8:1:2::9]', '2001:db8:1:2::/64'],
    ['[::ffff:192.0.2.1]:80', '192.0.2.1'],
    ['2001:0db8:0001:0002::1', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::3:4:5:6', '2001:db8:1:2::/64'],
    // IPv4 addresses in other spellings: each sender behind a proxy that writes them so has its own.
    ['::ffff:c000:201', '192.0.2.1'],
    ['[::FFFF:c000:0201]:80', '192.0.2.1'],
    ['0:0:0:0:0:ffff:192.0.2.1', '192.0.2.1'],
    ['0000:0000:0000:0000:0000:ffff:c000:0201', '192.0.2.1'],
    ['::fffe:c000:201', '0:0:0:0::/64'],
    ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
    // What is no address has no network of its own.
    ...['', 'unknown', '_hidden', 'a:b', '1:2:3:4:5', '192.0.2.1:x', '[192.0.2', '999.1.1.1', '1.2.3.4, 5.6.7.8'].map(
      (junk): [string, string] => [junk, 'unknown'],
    ),
  ];
  for (const [address, network] of cases) assert.equal(networkOf(address), network, address);
});
