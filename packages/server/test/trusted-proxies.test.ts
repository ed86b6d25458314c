/** Whose address counts where Lockstep stands behind a proxy. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type Lockstep, readConfig } from '@lockstep/server';
import { withLockstep } from './harness.ts';

/** Statuses of requests that say where they come from. */
async function statuses({ origin }: Lockstep, forwarded: (n: number) => string): Promise<ReadonlySet<number>> {
  const requests = Array.from({ length: 12 }, async (_, n) => {
    const response = await fetch(`${origin}/auth/sign-in`, { headers: { 'x-forwarded-for': forwarded(n) } });
    await response.text();
    return response.status;
  });
  return new Set(await Promise.all(requests));
}

const other = (n: number): string => `198.51.100.${n}`;
const LIMITED = { rateLimit: 1 };

it('X-Forwarded-For is ignored by default: writing it gives no client more requests', async () => {
  assert.deepEqual(readConfig({}).trustedProxies, []);
  await withLockstep(async (lockstep) => {
    assert.ok((await statuses(lockstep, other)).has(429));
  }, LIMITED);
});

it('behind a trusted proxy each client has its own limit, and what a client wrote itself is passed over', async () => {
  const { trustedProxies } = readConfig({ LOCKSTEP_TRUSTED_PROXIES: '127.0.0.0/8, ::1/128' });
  await withLockstep(
    async (lockstep) => {
      assert.deepEqual([...(await statuses(lockstep, other))], [200]);
      assert.ok((await statuses(lockstep, (n) => `203.0.113.${n}, 192.0.2.1`)).has(429));
    },
    { ...LIMITED, trustedProxies },
  );
});
