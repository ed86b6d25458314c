/** Which apps a person likes and has used, kept in their browser, and the order that follows from it. */
import { folded, foldedWords } from '@lockstep/fhir/fold';
import type { App } from '../api.ts';
import type { KeyStorage } from '../browser-storage.ts';
import { appWords } from '../language/app-words.ts';
import { compare } from '../language/language.ts';
import { Watchable } from '../store.ts';

/** Apps that are remembered as used. */
const MAX_RECENT = 12;

export interface Shelf {
  /** Ids of apps. */
  readonly favourites: readonly string[];
  /** Ids of apps, the latest first. */
  readonly recent: readonly string[];
}

const EMPTY: Shelf = { favourites: [], recent: [] };

function ids(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
}

/** What storage holds may be of another version, or damaged. */
function read(text: string | null): Shelf {
  try {
    const { favourites, recent } = JSON.parse(text ?? '{}') as Partial<Record<keyof Shelf, unknown>>;
    return { favourites: ids(favourites), recent: ids(recent).slice(0, MAX_RECENT) };
  } catch {
    return EMPTY;
  }
}

export class AppShelf {
  readonly shelf: Watchable<Shelf>;
  readonly #storage: KeyStorage;
  readonly #key: string;

  /** @param user whose apps they are */
  constructor(storage: KeyStorage, user: string) {
    this.#storage = storage;
    this.#key = `lockstep-apps ${user}`;
    this.shelf = new Watchable(read(storage.getItem(this.#key)));
  }

  #set(shelf: Shelf): void {
    this.shelf.set(shelf);
    this.#storage.setItem(this.#key, JSON.stringify(shelf));
  }

  toggle(id: string): void {
    const { favourites, recent } = this.shelf.get();
    const others = favourites.filter((one) => one !== id);
    this.#set({ favourites: others.length < favourites.length ? others : [...others, id], recent });
  }

  /** The app was started. */
  used(id: string): void {
    const { favourites, recent } = this.shelf.get();
    this.#set({ favourites, recent: [id, ...recent.filter((one) => one !== id)].slice(0, MAX_RECENT) });
  }
}

/** Favourites first, then what was used last, then the others by name. */
export function inOrder(apps: readonly App[], { favourites, recent }: Shelf): readonly App[] {
  const rank = ({ id }: App): number => {
    if (favourites.includes(id)) return -1;
    const at = recent.indexOf(id);
    return at === -1 ? recent.length : at;
  };
  return [...apps].sort((a, b) => rank(a) - rank(b) || compare(appWords(a.name), appWords(b.name)));
}

/** Apps whose name, description or category have every word, as they were registered or as people read them. */
export function foundBy(apps: readonly App[], search: string): readonly App[] {
  const words = foldedWords(search);
  return apps.filter(({ name, description = '', category = '' }) => {
    const text = folded([name, appWords(name), description, appWords(description), category].join('\n'));
    return words.every((word) => text.includes(word));
  });
}

/** The categories that there are, in order. */
export function categoriesOf(apps: readonly App[]): readonly string[] {
  return [...new Set(apps.flatMap(({ category }) => category ?? []))].sort(compare);
}
