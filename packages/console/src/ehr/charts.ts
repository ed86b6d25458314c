/** The charts that are open in tabs, and the notes that are not saved yet. */
import type { Resource } from '@lockstep/fhircast';
import { Store } from '../store.ts';
import { keyOf } from './context.ts';

/** A patient's chart that is open in a tab. */
export interface Chart {
  /** The Patient resource, from the record or as it came with an event. */
  readonly patient: Resource;
  /** What of this patient the session has open besides, by `Type/id`, in order of opening. */
  readonly open: ReadonlyMap<string, Resource>;
  /** The session has closed the patient: the tab is there for the sake of its unsaved note. */
  readonly closed?: true;
}

export interface Charts {
  readonly tabs: readonly Chart[];
  /** The id of the patient whose tab is in front. */
  readonly active?: string;
}

export class ChartBook {
  readonly charts = new Store<Charts>({ tabs: [] });
  /** Unsaved notes by patient id. */
  readonly drafts = new Store<ReadonlyMap<string, string>>(new Map());

  find(patientId: string | undefined): Chart | undefined {
    return this.charts.get().tabs.find(({ patient }) => patient.id === patientId);
  }

  /** The tab in front. */
  get front(): Chart | undefined {
    return this.find(this.charts.get().active);
  }

  /** Brings a patient's tab to the front, with what of theirs is open. */
  show(patient: Resource, opened?: Resource): void {
    const id = patient.id ?? '';
    this.charts.update(({ tabs }) => {
      const known = tabs.find((tab) => tab.patient.id === id);
      const chart = known ?? { patient, open: new Map<string, Resource>() };
      const open = new Map(chart.open);
      if (opened) {
        open.delete(keyOf(opened));
        open.set(keyOf(opened), opened);
      }
      const next = { patient: chart.patient, open };
      return { active: id, tabs: known ? tabs.map((tab) => (tab === known ? next : tab)) : [...tabs, next] };
    });
  }

  /** Closes a patient's tab; the latest of the others comes to the front. */
  forget(patientId: string): void {
    this.charts.update(({ tabs, active }) => {
      const left = tabs.filter(({ patient }) => patient.id !== patientId);
      const next = active === patientId ? left.at(-1)?.patient.id : active;
      return { tabs: left, ...(next !== undefined && { active: next }) };
    });
    this.setDraft(patientId, '');
  }

  /** The session has closed a patient: so does the book, unless a note would be lost. */
  closedElsewhere(patientId: string): void {
    if (this.draftOf(patientId) === undefined) {
      this.forget(patientId);
      return;
    }
    this.charts.update(({ tabs, ...rest }) => ({
      ...rest,
      tabs: tabs.map((tab) =>
        tab.patient.id === patientId ? { patient: tab.patient, open: new Map(), closed: true } : tab,
      ),
    }));
  }

  /** @param key `Type/id` of what is not open any more */
  forgetOpen(key: string): void {
    this.charts.update(({ tabs, ...rest }) => ({
      ...rest,
      tabs: tabs.map((tab) => {
        if (!tab.open.has(key)) return tab;
        const open = new Map(tab.open);
        open.delete(key);
        return { ...tab, open };
      }),
    }));
  }

  setDraft(patientId: string, text: string): void {
    this.drafts.update((all) => {
      const next = new Map(all);
      if (text === '') next.delete(patientId);
      else next.set(patientId, text);
      return next;
    });
  }

  draftOf(patientId: string | undefined): string | undefined {
    return patientId === undefined ? undefined : this.drafts.get().get(patientId)?.trim() || undefined;
  }
}
