import '../language/testing.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { App } from '../api.ts';
import { AppShelf, categoriesOf, foundBy, inOrder } from './shelf.ts';

const app = (id: string, more: Partial<App> = {}): App => ({
  id,
  name: id,
  launchKinds: ['ehr'],
  status: 'active',
  ...more,
});
const ids = (apps: readonly App[]): string => apps.map(({ id }) => id).join(' ');

class Memory extends Map<string, string> {
  getItem = (key: string): string | null => this.get(key) ?? null;
  setItem = (key: string, value: string): void => void this.set(key, value);
}

test('favourites come first, then what was used last, then the others by name', () => {
  const storage = new Memory();
  const apps = ['d', 'c', 'b', 'a'].map((id) => app(id));
  const mine = new AppShelf(storage, 'Practitioner/1');
  assert.equal(ids(inOrder(apps, mine.shelf.get())), 'a b c d');
  mine.used('b');
  mine.used('c');
  assert.equal(ids(inOrder(apps, mine.shelf.get())), 'c b a d');
  mine.toggle('d');
  assert.equal(ids(inOrder(apps, mine.shelf.get())), 'd c b a');
  const later = new AppShelf(storage, 'Practitioner/1');
  assert.equal(ids(inOrder(apps, later.shelf.get())), 'd c b a', 'it is kept');
  later.toggle('d');
  assert.equal(ids(inOrder(apps, later.shelf.get())), 'c b a d');
  assert.equal(
    ids(inOrder(apps, new AppShelf(storage, 'Practitioner/2').shelf.get())),
    'a b c d',
    'each person has their own',
  );
});

test('what storage holds may be anything', () => {
  for (const text of ['', 'null', '[]', '{"favourites":7,"recent":[1,"a"]}', '{"recent":{}}']) {
    const storage = new Memory([['lockstep-apps u', text]]);
    assert.doesNotThrow(() => new AppShelf(storage, 'u').toggle('x'), text);
  }
});

test('apps are found by words of name, description and category, accents or not', () => {
  const apps = [
    app('1', { name: 'Bildbetrachter', category: 'Radiologie' }),
    app('2', { name: 'Ärztebrief', description: 'Schreibt Befunde' }),
    app('3', { name: 'Tumour board' }),
  ];
  assert.equal(ids(foundBy(apps, '')), '1 2 3');
  assert.equal(ids(foundBy(apps, 'arzte')), '2');
  assert.equal(ids(foundBy(apps, 'BEFUNDE ärzt')), '2');
  assert.equal(ids(foundBy(apps, 'radio bild')), '1');
  assert.equal(ids(foundBy(apps, 'radio brief')), '');
  assert.deepEqual(categoriesOf(apps), ['Radiologie']);
});
