import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { PersistentMap } from './persistent-map.ts';
import { differences, found, inserted, removed, type Tree } from './tree.ts';

type Change = readonly [key: string, value: number | undefined];

const keys = fc.integer({ min: 0, max: 80 }).map((n) => `${n % 3 === 0 ? 'Patient' : 'Report'}/${n}`);
const some: fc.Arbitrary<readonly Change[]> = fc.array(
  fc.tuple(keys, fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined, freq: 2 })),
  { maxLength: 200, size: 'max' },
);
const removals: fc.Arbitrary<readonly Change[]> = fc
  .uniqueArray(keys, { maxLength: 80, size: 'max' })
  .map((list) => list.map((key) => [key, undefined]));
/** The map grows from a list to trees, shrinks to a list, and grows again. */
const changes = fc.tuple(some, removals, some).map((lists) => lists.flat());

function make(
  map: { set(key: string, value: number): unknown; delete(key: string): unknown },
  list: readonly Change[],
) {
  for (const [key, value] of list) {
    if (value === undefined) map.delete(key);
    else map.set(key, value);
  }
}

describe('persistent map', () => {
  it('says what a Map says, in its order', () => {
    fc.assert(
      fc.property(changes, (list) => {
        const [map, plain] = [new PersistentMap<number>(), new Map<string, number>()];
        make(map, list);
        make(plain, list);
        assert.deepEqual([...map], [...plain]);
        assert.deepEqual(
          [[...map.keys()], [...map.values()], map.size],
          [[...plain.keys()], [...plain.values()], plain.size],
        );
        assert.deepEqual([...map.latestFirst()], [...plain.values()].reverse());
        assert.equal(map.last, [...plain.values()].at(-1));
        for (const [key] of list) assert.deepEqual([map.get(key), map.has(key)], [plain.get(key), plain.has(key)]);
        const patients = [...plain].filter(([key]) => key.startsWith('Patient/')).sort(([a], [b]) => (a < b ? -1 : 1));
        assert.deepEqual(
          [...map.under('Patient/')],
          patients.map(([, value]) => value),
        );
      }),
    );
  });

  it('stays as it is while its copy is changed, and says what the copy has differently', () => {
    fc.assert(
      fc.property(changes, changes, (list, more) => {
        const before = new PersistentMap<number>();
        make(before, list);
        const held = [...before];
        const after = new PersistentMap(before);
        make(after, more);
        assert.deepEqual([...before], held);
        const all = [...new Set([...before.keys(), ...after.keys()])].sort();
        const expected = all
          .map((key) => ({ key, before: before.get(key), after: after.get(key) }))
          .filter((one) => one.before !== one.after);
        assert.deepEqual([...after.differences(before)], expected);
      }),
    );
  });

  it('finds the first value from which on something is true', () => {
    const map = new PersistentMap(Array.from({ length: 50 }, (_, index) => [`k${index}`, index * 2] as const));
    map.delete('k10');
    assert.equal(
      map.firstWhere((value) => value >= 20),
      22,
    );
    assert.equal(
      map.firstWhere((value) => value >= 99),
      undefined,
    );
  });
});

/** The tree, of which it is counted how often a node is looked into. */
function counted(tree: Tree<number, number>, count: { nodes: number }): Tree<number, number> {
  const { key, value, height } = tree;
  const left = tree.left && counted(tree.left, count);
  const right = tree.right && counted(tree.right, count);
  return {
    get key() {
      count.nodes += 1;
      return key;
    },
    value,
    left,
    right,
    height,
  };
}

describe('tree', () => {
  it('looks into a few nodes of many, whatever is asked and changed', () => {
    const size = 20_000;
    let plain: Tree<number, number> | undefined;
    // In order, which makes a tree that is not balanced a list.
    for (let key = 0; key < size; key += 1) plain = inserted(plain, key, key);
    assert.ok(plain);
    assert.ok(plain.height <= 1.45 * Math.log2(size + 2), `height ${plain.height}`);
    const count = { nodes: 0 };
    const tree = counted(plain, count);
    const most = (nodes: number, run: () => unknown): void => {
      count.nodes = 0;
      run();
      assert.ok(count.nodes <= nodes, `${count.nodes} nodes were looked into`);
    };
    for (const key of [0, 1, 777, 9_999, 10_000, size - 1]) {
      most(50, () => assert.equal(found(tree, key), key));
      const changed: [Tree<number, number> | undefined, number | undefined][] = [];
      most(100, () => changed.push([inserted(tree, key, -1), -1], [removed(tree, key), undefined]));
      for (const [after, value] of changed) {
        most(500, () => assert.deepEqual([...differences(tree, after)], [{ key, before: key, after: value }]));
        most(500, () => assert.deepEqual([...differences(after, tree)], [{ key, before: value, after: key }]));
      }
    }
  });

  it('stays balanced while half of it is removed', () => {
    let tree: Tree<number, number> | undefined;
    for (let key = 0; key < 5_000; key += 1) tree = inserted(tree, key, key);
    for (let key = 0; key < 4_000; key += 1) tree = removed(tree, key);
    assert.ok(tree && tree.height <= 1.45 * Math.log2(1_002), `height ${tree?.height}`);
  });
});
