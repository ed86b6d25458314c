import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resource } from '@lockstep/fhircast';
import { ChartBook } from './charts.ts';
import { KeptNotes } from './kept-notes.ts';

const patient = (id: string): Resource => ({ resourceType: 'Patient', id });

function storageOf(items: Readonly<Record<string, string>> = {}) {
  const all = new Map(Object.entries(items));
  return {
    all,
    getItem: (key: string) => all.get(key) ?? null,
    setItem: (key: string, text: string) => void all.set(key, text),
  };
}

/** A page that is loaded: with what storage holds, and a record that has patients, or cannot be read. */
function page(storage: ReturnType<typeof storageOf>, user = 'u', record: readonly string[] | 'away' = ['a', 'b', 'c']) {
  const book = new ChartBook();
  const search = async (_type: string, { _id = '' }: Readonly<Record<string, string>>) => {
    if (record === 'away') throw new Error('away');
    return _id
      .split(',')
      .filter((id) => record.includes(id))
      .map(patient);
  };
  return { book, kept: new KeptNotes({ storage, user, fhir: { search }, book }) };
}

test('HZ-15 a note that is not saved is there again when the page is loaded again, and not once it was saved', async () => {
  const storage = storageOf();
  const first = page(storage);
  first.book.setDraft(patient('a'), 'Half a note');
  first.book.setDraft(patient('b'), 'Another');
  first.book.setDraft(patient('b'), '');
  const second = page(storage);
  await second.kept.restore();
  assert.equal(second.book.draftOf('a'), 'Half a note');
  assert.equal(second.book.draftOf('b'), undefined);
  second.book.setDraft(patient('a'), '');
  const third = page(storage);
  await third.kept.restore();
  assert.equal(third.book.desk.get().drafts.size, 0);
});

test('HZ-15 a note waits for a record that does not answer, and is not shown to other people', async () => {
  const storage = storageOf();
  page(storage).book.setDraft(patient('a'), 'Half a note');
  const other = page(storage, 'someone else');
  await other.kept.restore();
  assert.equal(other.book.desk.get().drafts.size, 0);
  const away = page(storage, 'u', 'away');
  await away.kept.restore();
  away.book.setDraft(patient('c'), 'Typed meanwhile');
  const back = page(storage);
  await back.kept.restore();
  assert.deepEqual([...back.book.desk.get().drafts.keys()].sort(), ['a', 'c']);
});

test('HZ-15 what was typed before a kept note came is not replaced; what storage holds may be anything', async () => {
  const storage = storageOf();
  page(storage).book.setDraft(patient('a'), 'Older');
  const { book, kept } = page(storage);
  const restored = kept.restore();
  book.setDraft(patient('a'), 'Newer');
  await restored;
  assert.equal(book.draftOf('a'), 'Newer');
  for (const damaged of ['{', 'null', '[]', '["text"]', '7', '{"a":7}', '{"a":" "}', '{"__proto__":"x"}']) {
    const loaded = page(storageOf({ 'lockstep-notes u': damaged }), 'u', ['a', '0']);
    await loaded.kept.restore();
    assert.equal(loaded.book.desk.get().drafts.size, 0, damaged);
  }
});
