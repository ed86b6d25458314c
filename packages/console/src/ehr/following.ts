/** What happens in the session, followed in the EHR: the only place where a chart gets onto the screen. */
import { type Context, type HubEvent, refuse, type Subscriber } from '@lockstep/client';
import type { Resource } from '@lockstep/fhircast';
import { ApiError, words } from '../api.ts';
import { type Fhir, subjectOf, textAt, valuesAt } from '../fhir.ts';
import { identityText } from '../identity.tsx';
import { t } from '../language/language.ts';
import { type Reason, recordReason } from '../language/reasons.ts';
import { painted } from '../painted.ts';
import { Watchable } from '../store.ts';
import type { ChartBook } from './charts.ts';
import { anchorOf, anchorTitle, closedKey, keyOf, patientOf } from './context.ts';
import { type DeskView, withChart, withClosed, withNothing, withoutChart, withSessionEnded } from './desk.ts';
import type { Notes } from './notes.ts';
import { contradiction, identifierSearches } from './patient-match.ts';

/** Types whose opens and closes are followed. */
const TYPES = ['Patient', 'Encounter', 'ImagingStudy', 'DiagnosticReport'] as const;

/** Events that the EHR subscribes to. */
export const EVENTS = [
  ...TYPES.flatMap((type) => [`${type}-open` as const, `${type}-close` as const]),
  'Home-open',
  'UserLogout',
  'SyncError',
] as const;

/** Events of which it is remembered what they opened. */
const MAX_OPENED = 200;

/** Answers an event that a newer one has replaced. */
const REPLACED = 202;

export interface FollowingParts {
  readonly subscriber: Subscriber;
  readonly fhir: Fhir;
  readonly book: ChartBook;
  readonly notes: Notes;
  /** Makes ready what draws charts. @throws Error when it cannot be had */
  readonly loadChart: () => Promise<void>;
  /** A report was closed: it may have been filed before. */
  readonly onReportClosed: () => void;
  /** An application, by its name, did not follow. */
  readonly onBehind: (name: string, reason: string) => void;
}

/** The patient of a context, as the record has them. */
type Found =
  | { readonly kind: 'found'; readonly patient: Resource }
  | { readonly kind: 'not-in-record'; readonly patient?: Resource }
  | {
      readonly kind: 'unreadable';
      readonly patient?: Resource;
      readonly reason: string;
      /** Of the record's answer. */
      readonly status: number | undefined;
    };

/** A context that was opened, and its patient as the record has them. */
export interface OpenedContext {
  readonly patient: Resource;
  readonly context: Context;
}

/** `Kofi Mensah, 12 Mar 1961, NF-104466 · CT Chest` */
export function openedText({ patient, context }: OpenedContext): string {
  return [identityText(patient), anchorTitle(context)].filter(Boolean).join(' · ');
}

export class OthersFollowing {
  /**
   * What events opened, by event id and by `Type/id` of what was opened: says what an application that did not follow still shows.
   * It is put in words where it is shown, in the language of that moment.
   */
  readonly opened = new Watchable<ReadonlyMap<string, OpenedContext>>(new Map());
  readonly #parts: FollowingParts;
  /** Ids of the record for patient ids of contexts that differ from them. */
  readonly #recordIds = new Map<string, string>();
  #stop: () => void;

  constructor(parts: FollowingParts) {
    this.#parts = parts;
    const { subscriber, book, onReportClosed } = parts;
    this.#stop = this.#start();
    for (const type of TYPES) {
      subscriber.on(`${type}-close`, ({ elements }) => {
        const key = closedKey(type, elements);
        if (key === undefined) return;
        const [, id = ''] = key.split('/');
        const recordId = type === 'Patient' ? this.#recordIds.get(id) : undefined;
        book.desk.update((desk) => withClosed(desk, recordId === undefined ? key : `Patient/${recordId}`));
        if (type === 'DiagnosticReport') onReportClosed();
      });
    }
    subscriber.on('UserLogout', () => book.desk.update(withSessionEnded));
    subscriber.on('SyncError', (event) => this.#note(event));
    // The record could not be read while there was no network; what is open has not changed.
    addEventListener('online', this.#online);
  }

  readonly #online = (): void => {
    if (this.#parts.book.desk.get().shown.kind === 'unreadable') this.again();
  };

  /** Follows no more. */
  end(): void {
    removeEventListener('online', this.#online);
  }

  /** Follows the current context once more, such as when the record can be read again. */
  again(): void {
    this.#stop();
    this.#stop = this.#start();
  }

  #start(): () => void {
    return this.#parts.subscriber.follow({
      may: (_, event) => this.#wouldFollow(event),
      show: (context, event) => this.#follow(context, event),
    });
  }

  /** What is said before a change is made: a real one asks the person, and is not refused before. */
  #wouldFollow({ id, derived, elements }: HubEvent) {
    const isSurvey = id === '' && !derived;
    const { front } = this.#parts.book;
    if (!isSurvey || this.#parts.book.draftOf(front?.patient.id) === undefined) return undefined;
    const stays = elements.some(
      ({ resource }) => resource?.resourceType === 'Patient' && resource.id === front?.patient.id,
    );
    return stays ? undefined : refuse('a note is not saved' satisfies Reason);
  }

  async #follow(context: Context | undefined, event: HubEvent) {
    const { book } = this.#parts;
    if (!context) {
      book.desk.update(withNothing);
      await painted();
      return true;
    }
    const of = { type: context.type, id: context.id };
    const found = await this.#prepare(context);
    if (event.signal.aborted) return REPLACED;
    if (found.kind !== 'found') {
      book.desk.update((desk) => withoutChart(desk, { ...found, of } satisfies DeskView));
      await painted();
      const reason: Reason =
        found.kind === 'unreadable' ? recordReason(found.status) : 'the patient is not in this record';
      return refuse(reason);
    }
    const { patient } = found;
    this.#remember(event.id, context, patient);
    if (!event.mine && !(await this.#mayLeaveFor(patient, event.signal)))
      return refuse('a note is not saved' satisfies Reason);
    if (event.signal.aborted) return REPLACED;
    const opened = context.type === 'Patient' ? undefined : anchorOf(context);
    book.desk.update((desk) => withChart(desk, of, patient, opened));
    await painted();
    return true;
  }

  /** All that a chart is drawn from, asked for at the same time. */
  async #prepare(context: Context): Promise<Found> {
    const problem = this.#parts.loadChart().then(() => undefined, words);
    const found = await this.#find(context);
    const reason = await problem;
    if (found.kind !== 'found' || reason === undefined) return found;
    return { kind: 'unreadable', patient: found.patient, reason, status: undefined };
  }

  /** The patient of a context as the record has them; what an event says of a person is not believed for the record. */
  async #find(context: Context): Promise<Found> {
    const { fhir } = this.#parts;
    const given = patientOf(context);
    const patient = given && { patient: given };
    try {
      const reference = given?.id ? keyOf(given) : await this.#subjectOf(context);
      const read = reference === undefined ? undefined : await this.#read(reference);
      if (read && !(given && contradiction(given, read))) return { kind: 'found', patient: read };
      for (const identifier of given ? identifierSearches(given) : []) {
        const [one, ...others] = await fhir.search('Patient', { identifier, _count: '2' });
        if (!one?.id || others.length > 0 || !given || contradiction(given, one)) continue;
        this.#recordIds.set(given.id ?? '', one.id);
        return { kind: 'found', patient: one };
      }
      return { kind: 'not-in-record', ...patient };
    } catch (error) {
      const status = error instanceof ApiError ? error.status : undefined;
      return { kind: 'unreadable', ...patient, reason: words(error), status };
    }
  }

  /** `Patient/1` of whom the context's resources, or the record's, say that they are about. */
  async #subjectOf(context: Context): Promise<string | undefined> {
    const said = Object.values(context.resources).map(subjectOf).find(Boolean);
    return said ?? subjectOf(await this.#read(`${context.type}/${context.id}`));
  }

  /** @returns undefined when the record has no such resource */
  async #read(reference: string): Promise<Resource | undefined> {
    try {
      return await this.#parts.fhir.read(reference);
    } catch (error) {
      // 400: an id that no record can have.
      if (error instanceof ApiError && [400, 404, 410].includes(error.status)) return undefined;
      throw error;
    }
  }

  /** Whether nothing unsaved is left behind, when the person has been asked. */
  #mayLeaveFor(patient: Resource, signal: AbortSignal): Promise<boolean> | true {
    const { book, notes } = this.#parts;
    const { front } = book;
    if (front === undefined || front.patient.id === patient.id) return true;
    return notes.settle([front.patient], { why: 'followed', to: patient }, signal);
  }

  #remember(eventId: string, context: Context, patient: Resource): void {
    if (eventId === '') return;
    this.opened.update((all) => {
      const names = [eventId, `${context.type}/${context.id}`];
      const next = [...all].filter(([name]) => !names.includes(name)).slice(names.length - MAX_OPENED);
      return new Map([...next, ...names.map((name) => [name, { patient, context }] as const)]);
    });
  }

  #note({ elements }: HubEvent): void {
    const outcome = elements[0]?.resource;
    const text = textAt(outcome, 'issue.diagnostics') ?? t('ehr.anApplicationDidNotFollow');
    const who = textAt(valuesAt(outcome, 'issue.details.coding')[2], 'code', 'display') ?? '';
    if (who !== '') this.#parts.onBehind(who, text);
  }
}
