// Tokens, codes, launches, assertions and sign-ins from outside on Redis: the same tests as on a file, those of parallel
// redemption among them (AUT-3, AUT-6, REG-4, TOK-1, TOK-4).
import { createHash } from 'node:crypto';
import { after } from 'node:test';
import { openRedis } from '@lockstep/store-redis';
import { RedisProcess } from '@lockstep/store-redis/testing';
import { useStore } from './harness.ts';

const redis = await RedisProcess.start();
after(() => redis.remove());

useStore((name) => {
  const prefix = createHash('sha256').update(name).digest('hex');
  return openRedis({ url: redis.url, prefix, log: { count: 100, ageMs: 60_000 } });
});

await import('./authorize.test.ts');
await import('./backend.test.ts');
await import('./outside.test.ts');
await import('./tokens.test.ts');
