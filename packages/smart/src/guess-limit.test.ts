import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GuessLimit, networkOf } from './guess-limit.ts';

function limitAt(): { limit: GuessLimit; pass: (ms: number) => void } {
  let now = 1_000_000;
  return { limit: new GuessLimit({ now: () => now }), pass: (ms) => (now += ms) };
}

/** Guesses until one has to wait. */
function guesses(limit: GuessLimit, name: (n: number) => string, address: (n: number) => string): number {
  for (let n = 0; n < 1000; n += 1) if (limit.begin(name(n), address(n)) > 0) return n;
  return 1000;
}

test('REG-4 one address has five guesses at a name, then waits twice as long each time', () => {
  const { limit, pass } = limitAt();
  const guess = () => limit.begin('ann', '192.0.2.1');
  assert.equal(
    guesses(
      limit,
      () => 'ann',
      () => '192.0.2.1',
    ),
    5,
  );
  for (const wait of [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]) {
    assert.equal(guess(), wait * 1000);
    pass(wait * 1000 - 1);
    assert.equal(guess(), 1, 'asking again makes it no longer');
    pass(1);
    assert.equal(guess(), 0);
  }
});

test('REG-4 whoever guesses at a name does not shut its owner out at another address', () => {
  const { limit } = limitAt();
  guesses(
    limit,
    () => 'ann',
    () => '192.0.2.1',
  );
  assert.equal(limit.begin('ann', '192.0.2.2'), 0);
  assert.ok(limit.begin('ann', '192.0.2.1') > 0);
});

test('REG-4 one address tries no more than a hundred names, then one each ten seconds', () => {
  const { limit, pass } = limitAt();
  const address = () => '192.0.2.1';
  assert.equal(
    guesses(limit, (n) => `user-${n}`, address),
    100,
  );
  pass(9_999);
  assert.equal(limit.begin('user-x', address()), 1);
  pass(1);
  assert.equal(limit.begin('user-x', address()), 0);
  assert.ok(limit.begin('user-y', address()) > 0);
  assert.equal(limit.begin('user-y', '192.0.2.2'), 0);
});

test('REG-4 many addresses together have fifty guesses at a name, then one each five seconds', () => {
  const { limit, pass } = limitAt();
  const address = (n: number) => `198.51.100.${n}`;
  assert.equal(
    guesses(limit, () => 'ann', address),
    50,
  );
  assert.equal(limit.begin('ann', '203.0.113.1'), 5000);
  pass(5000);
  assert.equal(limit.begin('ann', '203.0.113.1'), 0);
});

test('REG-4 a right password costs nothing, and does not pay for wrong ones at other names', () => {
  const { limit } = limitAt();
  const address = '192.0.2.1';
  for (let n = 0; n < 500; n += 1) {
    assert.equal(limit.begin('mine', address), 0);
    limit.succeeded('mine', address);
  }
  let wrong = 0;
  while (limit.begin(`victim-${wrong}`, address) === 0) {
    wrong += 1;
    if (limit.begin('mine', address) === 0) limit.succeeded('mine', address);
  }
  assert.equal(wrong, 100);
});

test('REG-4 long names and many of them do not fill the memory, nor make the limit forget', () => {
  const { limit } = limitAt();
  guesses(
    limit,
    () => 'ann',
    () => '192.0.2.1',
  );
  for (let n = 0; n < 9_000; n += 1) limit.begin(`${n}${'x'.repeat(10_000)}`, `10.0.${n >> 8}.${n & 255}`);
  assert.ok(limit.begin('ann', '192.0.2.1') > 0);
  assert.equal(limit.begin(`${'y'.repeat(200)}1`, '192.0.2.9'), 0);
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
  ];
  for (const [address, network] of cases) assert.equal(networkOf(address), network, address);
});
