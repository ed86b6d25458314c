/** What is checked of a page must be what its readers read: the one pass over the bytes never says what a whole reading does not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readExact } from '@lockstep/fhircast';
import fc from 'fast-check';
import { oddTexts } from '../../../scripts/odd-json.ts';
import { UpstreamAddresses } from '../src/addresses.ts';
import { readPage } from '../src/page.ts';
import { NotedNames, type ScannedObject, scanPage } from '../src/page-scan.ts';

const NOTED = ['id', 'resourceType', 'subject', 'a'];
const noted = new NotedNames(NOTED);
const addresses = new UpstreamAddresses('https://upstream.example/r4', 'https://lockstep.example/fhir');

function check(text: string): boolean {
  const bytes = Buffer.from(text);
  const scanned = scanPage(bytes, noted);
  if (!scanned) return false;
  const read = readExact(bytes.toString('utf8'), {});
  assert.ok(read.ok, text);
  const bundle = read.value.value as { entry?: unknown };
  const memberOf = (object: ScannedObject, name: string): unknown => {
    const index = object.indexOf(name);
    return index < 0 ? undefined : JSON.parse(bytes.toString('utf8', object.startOf(index), object.endOf(index)));
  };
  const whole = (object: ScannedObject): unknown => JSON.parse(bytes.toString('utf8', object.start, object.end));
  assert.deepEqual(whole(scanned.bundle), bundle);
  const entries = (Array.isArray(bundle.entry) ? bundle.entry : []) as { resource?: Record<string, unknown> }[];
  assert.equal(scanned.entries.length, entries.length, text);
  for (const [index, entry] of entries.entries()) {
    const found: ScannedObject = scanned.entries[index] ?? assert.fail();
    assert.deepEqual(whole(found), entry);
    for (const name of Object.keys(entry)) assert.deepEqual(memberOf(found, name), entry[name as 'resource'], name);
    const { resource } = entry;
    const isObject = typeof resource === 'object' && resource !== null && !Array.isArray(resource);
    assert.equal(found.resource !== undefined, isObject, text);
    if (!found.resource || !isObject) continue;
    assert.deepEqual(whole(found.resource), resource);
    for (const name of NOTED) assert.deepEqual(memberOf(found.resource, name), resource[name], name);
  }
  return true;
}

const PAGE = {
  resourceType: 'Bundle',
  total: 2,
  entry: [
    {
      fullUrl: 'x/Observation/o',
      search: { mode: 'match' },
      resource: {
        resourceType: 'Observation',
        id: 'o',
        subject: { reference: 'Patient/p' },
        value: [-0.5e-7, 12, true, false, null, 'ü😀 \\ " \n'],
      },
    },
    { resource: { id: 'p', contained: [{ id: 'p', subject: {} }], a: {} } },
  ],
};

test('FHR-2 a usual page is looked through in one pass, however it is laid out', () => {
  for (const text of [JSON.stringify(PAGE), JSON.stringify(PAGE, undefined, 2), `\r\n\t ${JSON.stringify(PAGE)} \n`]) {
    assert.ok(check(text), text);
  }
});

/** JSON of pages with odd spaces, escapes and numbers, and names that are there twice at times. */
const jsonText = fc.letrec<{ value: string }>((tie) => {
  const space = fc.constantFrom('', '', ' ', '\n\t', '\r\n', '\v', '\u00a0');
  const names = [
    '"entry"',
    '"resource"',
    '"id"',
    '"subject"',
    '"a"',
    '"\\u0061"',
    '"__proto__"',
    '"fullUrl"',
    '"é"',
    '""',
  ];
  const name = fc.oneof(
    fc.constantFrom(...names),
    fc.string({ maxLength: 3 }).map((text) => JSON.stringify(text)),
  );
  const scalars = [
    '7.10',
    '-0',
    '1E+400',
    '01',
    '1.',
    '.5',
    '-',
    '+1',
    '1e',
    'true',
    'nul',
    '"\\x"',
    '"\\u00g0"',
    '"\\""',
    '"\t"',
    '"',
  ];
  const scalar = fc.oneof(
    fc.constantFrom(...scalars),
    fc.string().map((text) => JSON.stringify(text)),
    fc.double().map((n) => JSON.stringify(n)),
  );
  const list = (items: fc.Arbitrary<string>, ends: string) =>
    fc
      .tuple(fc.array(items, { maxLength: 4 }), space, fc.constantFrom(',', ',', ',', ',', ',', '', ',,', ':'))
      .map(([all, around, comma]) => `${ends[0]}${around}${all.join(`${comma}${around}`)}${around}${ends[1]}`);
  const member = fc.tuple(name, space, tie('value')).map(([key, around, value]) => `${key}${around}:${around}${value}`);
  return { value: fc.oneof({ maxDepth: 6 }, scalar, list(tie('value'), '[]'), list(member, '{}')) };
}).value;

test('FHR-2 what is looked through in one pass is what a whole reading reads, and what that refuses is left to it', () => {
  const entry = fc.tuple(jsonText, jsonText).map(([resource, search]) => `{"resource":${resource},"search":${search}}`);
  const page = fc
    .array(fc.oneof(entry, jsonText), { maxLength: 3 })
    .map((all) => `{"resourceType":"Bundle","entry":[${all.join()}]}`);
  fc.assert(
    fc.property(fc.oneof(page, jsonText, fc.string()), (text) => void check(text)),
    { numRuns: 2000 },
  );
  let looked = 0;
  for (const text of oddTexts(PAGE)) if (check(text)) looked += 1;
  assert.ok(looked > 100, `${looked} of the odd pages`);
});

test('FHR-2 any change of one character is seen as a whole reading sees it', () => {
  const text = JSON.stringify(PAGE);
  for (let at = 0; at < text.length; at++) {
    for (const other of ['', '"', '\\', '{', '}', '[', ']', ',', ':', '0', 'e', ' ', '\u0001']) {
      check(text.slice(0, at) + other + text.slice(at + 1));
    }
  }
});

test('FHR-2 members of resources have the values that JSON gives them, whatever these are', () => {
  const values = [
    '"abc"',
    '"a\\u0062c"',
    '""',
    '1',
    '1234',
    '-12',
    '1.25',
    'true',
    'false',
    'null',
    '[]',
    '[1]',
    '[12]',
    '{}',
  ];
  for (const value of values) {
    const text = `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":${value},"id":${value},"a":${value}}}]}`;
    const { resource } = readPage(Buffer.from(text), noted, addresses).entries[0] ?? assert.fail();
    for (const name of ['resourceType', 'id', 'a'])
      assert.deepEqual(resource?.member(name), JSON.parse(value), `${name} of ${text}`);
  }
});

test('FHR-2 names that are taken for one another by their numbers, and many members, are left to the whole reading', () => {
  // Both have the number 2112.
  for (const names of [['Aa', 'BB'], ['a', 'a'], ['__proto__', 'a'], Array.from({ length: 70 }, (_, n) => `n${n}`)]) {
    const object = `{${names.map((name) => `"${name}":1`).join()}}`;
    assert.equal(check(`{"entry":[{"resource":${object}}]}`), false, object.slice(0, 40));
    assert.equal(check(`{"x":[[${object}]]}`), false);
  }
  // These have the numbers of `entry` and `resource`.
  assert.equal(check('{"entsZ":[{"resource":{"id":"a"}}]}'), false);
  assert.equal(check('{"entry":[{"resourdF":{"id":"a"}}]}'), false);
  assert.equal(check(`{"x":${'['.repeat(63)}${']'.repeat(63)}}`), true);
  assert.equal(check(`{"x":${'['.repeat(64)}${']'.repeat(64)}}`), false);
});
