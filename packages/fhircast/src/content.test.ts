import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { applyUpdates, NO_CONTENT, readUpdates, type SharedContent } from './content.ts';
import { AS_READ } from './contexts.ts';
import type { ContextElement } from './messages.ts';

const URN = 'urn:uuid:f0d1a9b0-6f5c-4c57-9a52-0b1a3c1c8d11';
const OTHER_URN = 'urn:uuid:0a2ec9d5-3f34-4e30-8f0b-3b1d0f6a9a77';
const BASE = 'https://hub.example/fhir';

function bundle(...entry: unknown[]): readonly ContextElement[] {
  return [{ key: 'updates', resource: { resourceType: 'Bundle', type: 'transaction', entry } }];
}

function put(id: string, names: { url?: unknown; fullUrl?: unknown } = {}, type = 'Observation'): object {
  const { url, fullUrl } = names;
  return {
    ...(fullUrl === undefined ? {} : { fullUrl }),
    request: { method: 'PUT', ...(url === undefined ? {} : { url }) },
    resource: { resourceType: type, id },
  };
}

function remove(names: { url?: unknown; fullUrl?: unknown }): object {
  const { url, fullUrl } = names;
  return {
    ...(fullUrl === undefined ? {} : { fullUrl }),
    request: { method: 'DELETE', ...(url === undefined ? {} : { url }) },
  };
}

/** The content after the updates, one Bundle each; the code of the first one that is refused. */
function after(updates: readonly (readonly object[])[], opening?: ReadonlySet<string>): SharedContent | string {
  let content: SharedContent = NO_CONTENT;
  for (const entries of updates) {
    const read = readUpdates(bundle(...entries));
    if (!read.ok) return read.code;
    const applied = applyUpdates(content, read.value, AS_READ, opening);
    if (!applied.ok) return applied.code;
    content = applied.value;
  }
  return content;
}

function names(updates: readonly (readonly object[])[], opening?: ReadonlySet<string>): readonly string[] | string {
  const content = after(updates, opening);
  return typeof content === 'string' ? content : [...content.keys()];
}

describe('CON-9 an entry names its resource', () => {
  const addresses = [
    'Observation/o',
    '/Observation/o',
    `${BASE}/Observation/o`,
    `${BASE}/Observation/o/_history/3`,
    'Observation/o/_history/1',
  ];

  it('by request.url or fullUrl, relative, absolute, versioned, or by a urn that a PUT brought', () => {
    const ways = [
      ...addresses.flatMap((address) => [{ url: address }, { fullUrl: address }]),
      ...addresses.flatMap((url) => addresses.map((fullUrl) => ({ url, fullUrl }))),
      ...addresses.map((url) => ({ url, fullUrl: URN })),
      { fullUrl: URN },
      { url: URN },
      { url: URN, fullUrl: URN },
      { url: URN, fullUrl: 'Observation/o' },
    ];
    for (const way of ways) {
      const label = JSON.stringify(way);
      assert.deepEqual(
        names([[put('p'), put('o', { ...way, fullUrl: URN })], [remove(way)]]),
        ['Observation/p'],
        label,
      );
    }
  });

  it('by a urn alone, after a PUT that also had request.url', () => {
    assert.deepEqual(names([[put('o', { fullUrl: URN, url: 'Observation/o' })], [remove({ fullUrl: URN })]]), []);
  });

  it('by the urn that it first had, when later PUTs give none', () => {
    const updates = [[put('o', { fullUrl: URN })], [put('o')], [remove({ fullUrl: URN })]];
    assert.deepEqual(names(updates), []);
  });

  it('by names that agree', () => {
    const disagreeing = [
      put('o', { url: 'Observation/p' }),
      put('o', { url: 'Media/o' }),
      put('o', { fullUrl: `${BASE}/Observation/p` }),
      put('o', { url: 'Observation/o', fullUrl: 'Observation/p/_history/1' }),
      put('o', { url: URN, fullUrl: OTHER_URN }),
      remove({ url: 'Observation/o', fullUrl: `${BASE}/Observation/p` }),
      remove({ url: 'Observation/o/_history/1', fullUrl: 'Observation/p' }),
      remove({ url: URN, fullUrl: OTHER_URN }),
    ];
    for (const entry of disagreeing) assert.equal(names([[entry]]), 'names-disagree', JSON.stringify(entry));
  });

  it('by names that agree with what is held', () => {
    const held = [put('o', { fullUrl: URN }), put('p')];
    for (const entry of [
      put('p', { fullUrl: URN }),
      put('new', { fullUrl: URN, url: 'Observation/new' }),
      remove({ fullUrl: URN, url: 'Observation/p' }),
    ]) {
      assert.equal(names([held, [entry]]), 'names-disagree', JSON.stringify(entry));
    }
  });

  it('by a name that is one resource', () => {
    const nonsense = [
      'Observation',
      'Observation/',
      'Observation?code=1',
      'Observation/o?x=1',
      'Observation/o#a',
      '',
      5,
      null,
      'Observation/_history',
    ];
    for (const url of nonsense) {
      assert.equal(names([[put('o', { url })]]), 'malformed-update', String(url));
      assert.equal(names([[remove({ url })]]), 'malformed-update', String(url));
      assert.equal(names([[remove({ url, fullUrl: url })]]), 'malformed-update', String(url));
    }
    for (const fullUrl of [5, null, '', {}]) assert.equal(names([[put('o', { fullUrl })]]), 'malformed-update');
    assert.equal(names([[remove({})]]), 'malformed-update');
  });
});

describe('CON-3 an update', () => {
  it('is applied whole or not at all, and leaves the content before it as it was', () => {
    const before = after([[put('o', { fullUrl: URN })]]) as SharedContent;
    const copy = new Map(before);
    const entries = readUpdates(bundle(put('p'), remove({ url: 'Observation/x', fullUrl: URN })));
    assert.ok(entries.ok);
    assert.equal(applyUpdates(before, entries.value, AS_READ).ok, false);
    assert.deepEqual(before, copy);
  });

  it('identifies resources by type and id', () => {
    const updates = [[put('o'), put('o', {}, 'Media')], [remove({ url: 'Media/o' })]];
    assert.deepEqual(names(updates), ['Observation/o']);
  });

  it('names no resource twice, by whatever names', () => {
    for (const entries of [
      [put('o'), put('o')],
      [put('o'), remove({ url: `${BASE}/Observation/o` })],
      [put('n', { fullUrl: URN }), remove({ fullUrl: URN })],
      [put('n', { fullUrl: URN }), put('m', { fullUrl: URN })],
      [put('held'), remove({ fullUrl: OTHER_URN })],
    ]) {
      const held = [put('held', { fullUrl: OTHER_URN })];
      assert.equal(names([held, entries]), 'resource-repeated', JSON.stringify(entries));
    }
  });

  it('that deletes what is not held changes nothing', () => {
    const updates = [[put('o')], [remove({ url: 'Observation/x' }), remove({ fullUrl: URN })]];
    assert.deepEqual(names(updates), ['Observation/o']);
  });

  it('shares what it does not change', () => {
    const before = after([[put('o'), put('p')]]) as SharedContent;
    const entries = readUpdates(bundle(put('p')));
    assert.ok(entries.ok);
    const applied = applyUpdates(before, entries.value, AS_READ);
    assert.ok(applied.ok);
    assert.equal(applied.value.get('Observation/o'), before.get('Observation/o'));
    assert.notEqual(applied.value.get('Observation/p'), before.get('Observation/p'));
  });
});

describe('CON-4 a resource of the opening context', () => {
  const opening = new Set(['Observation/o']);

  it('may be updated, never deleted, by whatever name', () => {
    assert.deepEqual(names([[put('o', { fullUrl: URN })]], opening), ['Observation/o']);
    for (const way of [
      { url: 'Observation/o' },
      { fullUrl: `${BASE}/Observation/o/_history/2` },
      { fullUrl: URN },
      { url: URN },
    ]) {
      assert.equal(names([[put('o', { fullUrl: URN })], [remove(way)]], opening), 'opening-resource-deleted');
    }
  });
});
