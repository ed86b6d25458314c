/**
 * What outlasts loading the page again: the tabs, the applications beside the chart, each in its place, and who was open
 * last. Ids alone are kept, in this tab of the browser; what they name is read again.
 */
import type { Resource } from '@lockstep/fhircast';
import type { App } from '../api.ts';
import type { KeyStorage } from '../browser-storage.ts';
import type { Fhir } from '../fhir.ts';
import { Watchable } from '../store.ts';
import type { ChartBook } from './charts.ts';
import { shownChart, withTabs } from './desk.ts';
import type { DockedApps } from './docked-apps.ts';

/** Patients that are remembered as open before. */
const MAX_RECENT = 8;
/** No share of the height is larger than this. */
const MOST_SHARE = 1000;

interface Kept {
  /** Ids of patients, in the order of their tabs. */
  readonly tabs: readonly string[];
  /** Ids of applications, from top to bottom. */
  readonly apps: readonly string[];
  /** What applications have of the height, by their ids. */
  readonly shares: Readonly<Record<string, number>>;
  /** Ids of patients, the latest first. */
  readonly recent: readonly string[];
}

export interface KeptDeskParts {
  readonly storage: KeyStorage;
  /** Of the session: what is kept of another is not for this one. */
  readonly topic: string;
  readonly fhir: Pick<Fhir, 'search'>;
  readonly book: ChartBook;
  readonly apps: DockedApps;
}

function ids(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
}

function sharesIn(value: unknown): Readonly<Record<string, number>> {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(
    Object.entries(value).filter(([, share]) => typeof share === 'number' && share > 0 && share < MOST_SHARE),
  );
}

export class KeptDesk {
  /** Patients that were open before, the latest first. */
  readonly recent = new Watchable<readonly Resource[]>([]);
  readonly #parts: KeptDeskParts;
  readonly #key: string;
  #before: Kept;
  /** Whether applications are kept from now on: until those of before have been started again, they are not forgotten. */
  #keepsApps = false;

  constructor(parts: KeptDeskParts) {
    this.#parts = parts;
    this.#key = `lockstep-desk ${parts.topic}`;
    this.#before = this.#read();
    parts.apps.shares.set(this.#before.shares);
  }

  #read(): Kept {
    try {
      const { tabs, apps, shares, recent } = JSON.parse(this.#parts.storage.getItem(this.#key) ?? '{}') as Record<
        string,
        unknown
      >;
      return { tabs: ids(tabs), apps: ids(apps), shares: sharesIn(shares), recent: ids(recent).slice(0, MAX_RECENT) };
    } catch {
      return { tabs: [], apps: [], shares: {}, recent: [] };
    }
  }

  /**
   * Shows the tabs of before that are still open in the session, and keeps those of now from then on.
   * @param open `Type/id` of what the session has open
   * @returns ends the keeping
   */
  async start(open: readonly string[]): Promise<() => void> {
    const { fhir, book, apps } = this.#parts;
    const { tabs, recent } = this.#before;
    const stillOpen = tabs.filter((id) => open.includes(`Patient/${id}`));
    const wanted = [...new Set([...stillOpen, ...recent])];
    try {
      const found = wanted.length > 0 ? await fhir.search('Patient', { _id: wanted.join(','), _count: '100' }) : [];
      const named = (some: readonly string[]): readonly Resource[] =>
        some.flatMap((id) => found.find((patient) => patient.id === id) ?? []);
      book.desk.update((desk) => withTabs(desk, named(stillOpen)));
      this.recent.update((now) => [...now, ...named(recent)]);
    } catch {
      // The record cannot be read: the earlier tabs are lost, and the page says what is wrong.
    }
    const ends = [
      book.desk.watch(() => this.#keep()),
      apps.running.watch(() => this.#keep()),
      apps.shares.watch(() => this.#keep()),
    ];
    this.#keep();
    return () => {
      for (const end of ends) end();
    };
  }

  /** Starts the applications of before, one after the other, so that each is in its place. @param run starts one */
  async restoreApps(available: readonly App[], run: (app: App) => Promise<void>): Promise<void> {
    if (this.#keepsApps) return;
    this.#keepsApps = true;
    const { apps } = this.#before;
    this.#before = { ...this.#before, apps: [] };
    for (const id of apps) {
      const app = available.find((one) => one.id === id);
      // One that does not start is not in the way of the others.
      if (app) await run(app).catch(() => undefined);
    }
    this.#keep();
  }

  #keep(): void {
    const { storage, book, apps } = this.#parts;
    const desk = book.desk.get();
    const shown = shownChart(desk)?.patient;
    if (shown && this.recent.get()[0]?.id !== shown.id) {
      this.recent.update((all) => [shown, ...all.filter(({ id }) => id !== shown.id)].slice(0, MAX_RECENT));
    }
    const idsOf = (patients: readonly Resource[]): readonly string[] => patients.flatMap(({ id }) => id ?? []);
    const kept: Kept = {
      tabs: idsOf(desk.tabs.map(({ patient }) => patient)),
      apps: this.#keepsApps ? apps.running.get().map(({ app }) => app.id) : this.#before.apps,
      shares: apps.shares.get(),
      recent: idsOf(this.recent.get()),
    };
    storage.setItem(this.#key, JSON.stringify(kept));
  }
}
