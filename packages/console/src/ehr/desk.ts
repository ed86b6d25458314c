/**
 * What the EHR has on its screen, as a value. A chart is shown only for a context that the Hub has accepted; what the person
 * asked for and the Hub has not accepted is `pending`. Pure: no I/O, no clock.
 */
import type { Resource } from '@lockstep/fhircast';

/** A patient whose chart is open in a tab. */
export interface Chart {
  /** The Patient resource of the record. */
  readonly patient: Resource;
  /** What of this patient the session has open besides, by `Type/id`, in order of opening. */
  readonly open: ReadonlyMap<string, Resource>;
}

/** A context by its anchor. Systems know one person under different ids: contexts are compared, not patient ids. */
export interface DeskContext {
  readonly type: string;
  readonly id: string;
}

/** What is on the screen. Everything but `nothing` names the context that it was made from. */
export type DeskView =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'chart'; readonly of: DeskContext; readonly patientId: string }
  /** The record has no such patient, or another person under the id: no chart is shown. */
  | { readonly kind: 'not-in-record'; readonly of: DeskContext; readonly patient?: Resource }
  /** The record could not be read: no chart is shown. */
  | { readonly kind: 'unreadable'; readonly of: DeskContext; readonly patient?: Resource; readonly reason: string };

/** Something the person asked for that the Hub has not accepted yet. */
export interface Pending {
  /** Counts requests: an answer to an older one changes nothing. */
  readonly number: number;
  /** What was asked for, as a sentence without its end: `Open Kofi Mensah`. */
  readonly what: string;
  readonly state: 'sending' | 'failed';
  /** Why it failed. */
  readonly reason?: string;
}

/** A note that is not saved. */
export interface Draft {
  readonly patient: Resource;
  readonly text: string;
}

export interface Desk {
  readonly tabs: readonly Chart[];
  readonly shown: DeskView;
  readonly pending?: Pending;
  /** Unsaved notes by patient id. They outlive their patient's tab. */
  readonly drafts: ReadonlyMap<string, Draft>;
}

const NOTHING: DeskView = { kind: 'nothing' };

export const EMPTY: Desk = { tabs: [], shown: NOTHING, drafts: new Map() };

const keyOf = ({ resourceType, id }: Resource): string => `${resourceType}/${id ?? ''}`;

export function chartOf({ tabs }: Desk, patientId: string | undefined): Chart | undefined {
  return tabs.find(({ patient }) => patient.id === patientId);
}

/** The chart that is on the screen. */
export function shownChart(desk: Desk): Chart | undefined {
  return desk.shown.kind === 'chart' ? chartOf(desk, desk.shown.patientId) : undefined;
}

/** A context was followed: its patient's chart is shown. @param opened the anchor, where it is not the patient */
export function withChart(desk: Desk, of: DeskContext, patient: Resource, opened?: Resource): Desk {
  const known = chartOf(desk, patient.id);
  const open = new Map(known?.open);
  if (opened) {
    open.delete(keyOf(opened));
    open.set(keyOf(opened), opened);
  }
  const chart = { patient, open };
  return {
    ...desk,
    tabs: known ? desk.tabs.map((tab) => (tab === known ? chart : tab)) : [...desk.tabs, chart],
    shown: { kind: 'chart', of, patientId: patient.id ?? '' },
  };
}

/** A context was not followed for want of its record: whatever was on the screen is not any longer. */
export function withoutChart(desk: Desk, shown: Exclude<DeskView, { kind: 'chart' }>): Desk {
  return { ...desk, shown };
}

/** No context is open: nothing is shown. Tabs of what is still open in the session stay, out of sight. */
export function withNothing(desk: Desk): Desk {
  return { ...desk, shown: NOTHING };
}

/** Patients whose tabs were open before the page was loaded again, in their order: none of them is shown for that. */
export function withTabs(desk: Desk, patients: readonly Resource[]): Desk {
  const before = patients.map((patient) => chartOf(desk, patient.id) ?? { patient, open: new Map<string, Resource>() });
  return { ...desk, tabs: [...before, ...desk.tabs.filter((tab) => !before.includes(tab))] };
}

/** The session has closed a patient, or something of a patient. @param key `Type/id` */
export function withClosed(desk: Desk, key: string): Desk {
  const [type, id] = key.split('/');
  const { shown } = desk;
  const wasShown = shown.kind === 'chart' && type === 'Patient' && shown.patientId === id;
  return {
    ...desk,
    ...(wasShown && { shown: NOTHING }),
    tabs:
      type === 'Patient'
        ? desk.tabs.filter(({ patient }) => patient.id !== id)
        : desk.tabs.map((tab) =>
            tab.open.has(key) ? { ...tab, open: new Map([...tab.open].filter(([one]) => one !== key)) } : tab,
          ),
  };
}

/** The session has ended: nothing is open, nothing is shown. Unsaved notes are kept. */
export function withSessionEnded({ drafts }: Desk): Desk {
  return { ...EMPTY, drafts };
}

/** @param text empty for none */
export function withDraft(desk: Desk, patient: Resource, text: string): Desk {
  const drafts = new Map(desk.drafts);
  if (text === '') drafts.delete(patient.id ?? '');
  else drafts.set(patient.id ?? '', { patient, text });
  return { ...desk, drafts };
}

/** The person asked for something. What is shown does not change until the Hub accepts it. */
export function withRequest(desk: Desk, number: number, what: string): Desk {
  return { ...desk, pending: { number, what, state: 'sending' } };
}

/** The Hub refused the request, or did not answer. */
export function withRefusal(desk: Desk, number: number, reason: string): Desk {
  if (desk.pending?.number !== number) return desk;
  return { ...desk, pending: { ...desk.pending, state: 'failed', reason } };
}

/** The request is over: it was accepted, or the person gave it up. @param number undefined for whichever is pending */
export function withoutRequest(desk: Desk, number = desk.pending?.number): Desk {
  if (desk.pending?.number !== number) return desk;
  const { pending: _, ...rest } = desk;
  return rest;
}

/** Whether what is on the screen is the session's current context. @param accepted undefined when none is open */
export function isShown({ shown }: Desk, accepted: DeskContext | undefined): boolean {
  if (accepted === undefined) return shown.kind === 'nothing';
  return shown.kind === 'chart' && shown.of.type === accepted.type && shown.of.id === accepted.id;
}
