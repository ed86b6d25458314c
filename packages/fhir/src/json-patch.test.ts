import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { parseExact } from './exact-json.ts';
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

test('FHR-3 a patch leaves numbers as they were written, and writes its own so', () => {
  const resource = parseExact('{"a":7.10,"b":[1e-7,{"c":0.500}],"d":3,"e":-0}') as JsonObject;
  for (const [patch, result] of [
    ['[{"op":"add","path":"/f","value":1.00}]', '{"a":7.10,"b":[1e-7,{"c":0.500}],"d":3,"e":-0,"f":1.00}'],
    ['[{"op":"replace","path":"/d","value":{"x":8.20}}]', '{"a":7.10,"b":[1e-7,{"c":0.500}],"d":{"x":8.20},"e":-0}'],
    ['[{"op":"copy","from":"/b/1","path":"/d"}]', '{"a":7.10,"b":[1e-7,{"c":0.500}],"d":{"c":0.500},"e":-0}'],
    ['[{"op":"move","from":"/b/0","path":"/d"}]', '{"a":7.10,"b":[{"c":0.500}],"d":1e-7,"e":-0}'],
    ['[{"op":"remove","path":"/b/1"}]', '{"a":7.10,"b":[1e-7],"d":3,"e":-0}'],
  ] as const) {
    assert.equal(JSON.stringify(applyJsonPatch(resource, parseExact(patch), true)), result);
  }
  // RFC 6902 section 4.6: numbers are equal where their values are, whatever they look like.
  for (const [path, value, isSame] of [
    ['/a', '7.1', true],
    ['/a', '7.10', true],
    ['/a', '7.100', true],
    ['/a', '7.11', false],
    ['/a', '"7.10"', false],
    ['/d', '3.0', true],
    ['/b', '[0.0000001,{"c":0.5}]', true],
    ['/b', '[{"c":0.5},0.0000001]', false],
    ['/b', '[0.0000001,{"c":0.5,"d":1}]', false],
    ['/b/1', '{}', false],
    ['/b/1', '[]', false],
    ['/e', '0', true],
    ['/g', 'null', false],
  ] as const) {
    const run = () => applyJsonPatch(resource, parseExact(`[{"op":"test","path":"${path}","value":${value}}]`), true);
    if (isSame) assert.equal(JSON.stringify(run()), JSON.stringify(resource));
    else assert.throws(run, { status: 422 }, `${path} ${value}`);
  }
});
