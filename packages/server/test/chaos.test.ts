import assert from 'node:assert/strict';
import test from 'node:test';
import { planned } from './cluster/plan.ts';
import { BUGS, findBug } from './cluster/proof.ts';

test('the same seed gives the same faults, whatever a fault chooses; another seed gives others', () => {
  const faults = ['a', 'b', 'c', 'd'];
  const steps = (seed: number, draws: number) => {
    const some = planned(seed, faults).take(50);
    return [...some].map(({ pauseMs, fault, between }) => {
      const [first] = Array.from({ length: draws }, () => between(0, 1000));
      return { pauseMs, fault, first };
    });
  };
  assert.deepEqual(steps(7, 1), steps(7, 3));
  assert.notDeepEqual(steps(7, 1), steps(8, 1));
  assert.deepEqual(new Set(steps(7, 1).map(({ fault }) => fault)), new Set(faults));
});

test('PUB-3, PUB-4, PUB-13, CON-5 a Hub without a defect is found to have none', async () => {
  assert.deepEqual((await findBug()).found, []);
});

for (const bug of BUGS) {
  test(`the checker finds ${bug}`, async () => {
    const { found, hits } = await findBug(bug);
    assert.ok(hits > 0);
    assert.notDeepEqual(found, []);
  });
}
