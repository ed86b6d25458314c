import assert from 'node:assert/strict';
import test from 'node:test';
import { parseRedisUrl } from './index.ts';

test('one server, Sentinels and a cluster have each their address', () => {
  assert.deepEqual(parseRedisUrl('redis://cache'), {
    kind: 'single',
    hosts: [{ host: 'cache', port: 6379 }],
    tls: false,
    db: 0,
  });
  assert.deepEqual(parseRedisUrl('rediss://hub:p%40ss:word@[::1]:7000/3'), {
    kind: 'single',
    hosts: [{ host: '::1', port: 7000 }],
    tls: true,
    db: 3,
    username: 'hub',
    password: 'p@ss:word',
  });
  assert.deepEqual(parseRedisUrl('redis+sentinel://:secret@a,b:26380/main/2'), {
    kind: 'sentinel',
    hosts: [
      { host: 'a', port: 26_379 },
      { host: 'b', port: 26_380 },
    ],
    tls: false,
    db: 2,
    password: 'secret',
    primary: 'main',
  });
  assert.equal(parseRedisUrl('rediss+cluster://a,b,c:1').hosts.length, 3);
});

test('an address that cannot be is refused, without telling the password', () => {
  for (const url of [
    'localhost:6379',
    'http://localhost',
    'redis://',
    'redis://a,b',
    'redis://a:0',
    'redis://a:70000',
    'redis://a/x',
    'redis://a/1/2',
    'redis+sentinel://:secret@a',
    'redis+cluster://:secret@a/1',
    'redis://:%secret@a',
  ]) {
    assert.throws(
      () => parseRedisUrl(url),
      (error) => error instanceof RangeError && !error.message.includes('secret'),
      url,
    );
  }
});
