import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomToken } from './secrets.ts';

test('every random value is 256 bits of its own, beyond those that are drawn at once', () => {
  const tokens = Array.from({ length: 1_000 }, () => randomToken());
  assert.ok(tokens.every((token) => /^[\w-]{43}$/.test(token)));
  assert.equal(new Set(tokens).size, tokens.length);
  const bytes = tokens.flatMap((token) => [...Buffer.from(token, 'base64url')]);
  const mean = bytes.reduce((sum, byte) => sum + byte, 0) / bytes.length;
  assert.ok(Math.abs(mean - 127.5) < 5, `bytes are ${mean} on average`);
});
