import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { applyJsonPatch } from './json-patch.ts';
import type { Json, JsonObject } from './resource.ts';

/** Some 900 KB. */
const LARGE: JsonObject = {
  resourceType: 'Patient',
  id: 'p1',
  name: [{ family: 'A' }],
  extension: Array.from({ length: 9_000 }, (_, n) => ({
    url: `https://x.example/${n}`,
    valueString: 'y'.repeat(50),
  })),
};
const LENGTH = JSON.stringify(LARGE).length;

const MANY = 200;
const repeated = (of: (n: number) => Json): Json => Array.from({ length: MANY }, (_, n) => of(n));

/** Characters of JSON that are written meanwhile: what is copied is copied by way of its JSON. */
function written(t: TestContext, run: () => unknown): number {
  let characters = 0;
  const { stringify } = JSON;
  const counted = t.mock.method(JSON, 'stringify', (...args: Parameters<typeof stringify>) => {
    const text = stringify(...args);
    characters += text?.length ?? 0;
    return text;
  });
  try {
    run();
  } finally {
    counted.mock.restore();
  }
  return characters;
}

test('FHR-6 whatever a patch does two hundred times, it copies a large resource a few times at most', (t) => {
  const patches: Readonly<Record<string, Json>> = {
    'moves to and fro': repeated((n) => ({ op: 'move', from: n % 2 ? '/x' : '/name', path: n % 2 ? '/name' : '/x' })),
    'moves of what is large': repeated((n) => ({
      ...{ op: 'move', from: n % 2 ? '/x' : '/extension', path: n % 2 ? '/extension' : '/x' },
    })),
    'moves to where it is': repeated(() => ({ op: 'move', from: '/extension', path: '/extension' })),
    'copies of what is small': repeated(() => ({ op: 'copy', from: '/name/0', path: '/name/-' })),
    'copies of what is large': repeated(() => ({ op: 'copy', from: '/extension', path: '/contact' })),
    'copies of the whole': repeated(() => ({ op: 'copy', from: '', path: '/contact' })),
    doubling: repeated(() => ({ op: 'copy', from: '/name', path: '/name/-' })),
    additions: repeated(() => ({ op: 'add', path: '/extension/0', value: {} })),
    tests: repeated(() => ({ op: 'test', path: '/extension/8999/url', value: 'https://x.example/8999' })),
    removals: repeated(() => ({ op: 'remove', path: '/extension/0' })),
    replacements: repeated(() => ({ op: 'replace', path: '/extension/0', value: 1 })),
  };
  for (const [what, patch] of Object.entries(patches)) {
    const characters = written(t, () => {
      try {
        applyJsonPatch(LARGE, patch, true);
      } catch (error) {
        assert.equal((error as { status?: number }).status, 413, `${what}: ${error}`);
      }
    });
    // Once for the numbers, and a MiB of copies, each written twice.
    assert.ok(characters < 2 * LENGTH + 3 * 1024 * 1024, `${what}: ${characters}`);
  }
});

test('FHR-3 a patch moves and copies what is there, and says where nothing is', () => {
  const patient: JsonObject = { resourceType: 'Patient', name: [{ family: 'A' }], active: true };
  const apply = (...patch: JsonObject[]): Json => applyJsonPatch(patient, patch, true);
  assert.deepEqual(apply({ op: 'move', from: '/active', path: '/x' }), {
    ...{ resourceType: 'Patient', name: [{ family: 'A' }], x: true },
  });
  assert.deepEqual(apply({ op: 'move', from: '/name', path: '/name' }), patient);
  assert.deepEqual(apply({ op: 'copy', from: '/name/0', path: '/name/-' }), {
    ...patient,
    name: [{ family: 'A' }, { family: 'A' }],
  });
  for (const op of ['move', 'copy']) {
    for (const from of ['/nothing', '/name/7', '/name/x', '/nothing/at/all', '/__proto__', '/constructor/name']) {
      for (const path of ['/y', from]) {
        assert.throws(() => apply({ op, from, path }), { status: 422 }, `${op} ${from} ${path}`);
      }
    }
    assert.throws(() => apply({ op, from: '/active', path: '/no/such/place' }), { status: 422 }, op);
    assert.throws(() => apply({ op, from: '/name', path: '/name/0/family/x' }), { status: 422 }, op);
  }
  assert.equal(({} as { polluted?: unknown }).polluted, undefined);
});
