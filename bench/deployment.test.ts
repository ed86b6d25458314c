import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byChance, type Costs, type Placed, simulate } from './deployment.ts';

const COSTS: Costs = { accept: 200, deliver: 10, follow: 30, redis: 50, syncMs: 1, networkMs: 0.1 };

/** Numbers from 0 to 1, the same in each run (Park and Miller). */
function numbers(): () => number {
  let seed = 1;
  return () => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
}

const four = (): Placed => ({ publishedAt: 0, subscribers: new Map([[0, 4]]) });

test('an event that waits for no other takes as long as its steps', () => {
  const deployment = { nodes: 1, shards: 1, costs: COSTS, place: four };
  const { p50, p99, nodeCpu, reached } = simulate(deployment, { perSecond: 0.1 }, 1000, numbers());
  const steps = 4 * 0.1 + 0.2 + 4 * 0.01 + 0.05 + 1;
  assert.ok(Math.abs(p50 - steps) < 1e-9 && Math.abs(p99 - steps) < 1e-9, `${p50} ${p99} ${steps}`);
  assert.ok(Math.abs(nodeCpu - 240) < 1e-9);
  assert.equal(reached, 0);
});

test('a full node does what its core can, and more nodes as much more, until Redis is full', () => {
  const full = (nodes: number, shards: number) => {
    let next = 0;
    const place = (): Placed => {
      const node = next++ % nodes;
      return { publishedAt: node, subscribers: new Map([[node, 4]]) };
    };
    return simulate({ nodes, shards, costs: COSTS, place }, { inFlight: 256 * nodes }, 2, numbers()).perSecond;
  };
  const near = (value: number, expected: number) =>
    assert.ok(Math.abs(value / expected - 1) < 0.1, `${value} ${expected}`);
  near(full(1, 1), 1e6 / 240);
  near(full(3, 1), 3e6 / 240);
  near(full(8, 1), 1e6 / 50);
  near(full(8, 4), 8e6 / 240);
});

test('however many nodes there are, an event costs those that hold its session', () => {
  const at = (nodes: number) => {
    const random = numbers();
    const place = byChance(nodes, 4, random);
    return simulate({ nodes, shards: 1, costs: COSTS, place }, { perSecond: 200 }, 30, random);
  };
  const [few, many] = [at(20), at(1000)];
  assert.ok(many.reached <= 4 && many.nodeCpu <= 200 + 4 * 40);
  assert.ok(many.nodeCpu / few.nodeCpu < 1.05);
});

test('a node that is nearly full answers late', () => {
  const at = (perSecond: number) =>
    simulate({ nodes: 1, shards: 1, costs: COSTS, place: four }, { perSecond }, 20, numbers());
  // The mean wait of a queue with a core that is busy for this share: twice as busy, far more than twice as long.
  assert.ok(at(3900).p99 > 3 * at(1000).p99);
  assert.ok(at(3900).nodeBusy > 0.9);
});
