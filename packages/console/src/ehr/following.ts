/** What other applications do, followed in the EHR; it asks first when there is unsaved text. */
import { type Context, type HubEvent, refuse, type Subscriber } from '@lockstep/client';
import type { Resource } from '@lockstep/fhircast';
import { type Fhir, nameOf, subjectOf, textAt, valuesAt } from '../fhir.ts';
import { Store } from '../store.ts';
import type { ChartBook } from './charts.ts';
import { keyOf, patientOf } from './context.ts';
import type { Notes } from './notes.ts';

/** Types whose opens and closes are followed. */
const TYPES = ['Patient', 'Encounter', 'ImagingStudy', 'DiagnosticReport'] as const;

/** Events that the EHR subscribes to. */
export const EVENTS = [
  ...TYPES.flatMap((type) => [`${type}-open` as const, `${type}-close` as const]),
  'Home-open',
  'UserLogout',
  'SyncError',
] as const;

/** Somebody did not follow: the desktop's warner. */
export interface Warning {
  readonly id: string;
  readonly who: string;
  readonly text: string;
}

export interface FollowingParts {
  readonly subscriber: Subscriber;
  readonly fhir: Fhir;
  readonly book: ChartBook;
  readonly notes: Notes;
  /** A report was closed: it may have been filed before. */
  readonly onReportClosed: () => void;
  /** An application, by its name, did not follow. */
  readonly onBehind: (name: string, reason: string) => void;
}

/** Lets the browser paint, so that an answer means that the context is on the screen. Hidden pages never paint. */
export function painted(): Promise<void> {
  return new Promise((resolve) => {
    const late = setTimeout(resolve, 100);
    requestAnimationFrame(() => {
      clearTimeout(late);
      setTimeout(resolve);
    });
  });
}

export class Following {
  readonly warnings = new Store<readonly Warning[]>([]);
  readonly #parts: FollowingParts;

  constructor(parts: FollowingParts) {
    this.#parts = parts;
    const { subscriber, book, onReportClosed } = parts;
    subscriber.follow((context, event) => this.#follow(context, event));
    for (const type of TYPES) {
      subscriber.on(`${type}-close`, ({ elements }) => {
        const closed = elements.find(({ resource }) => resource?.resourceType === type)?.resource;
        if (!closed) return;
        if (type === 'Patient') book.closedElsewhere(closed.id ?? '');
        else book.forgetOpen(keyOf(closed));
        if (type === 'DiagnosticReport') onReportClosed();
      });
    }
    subscriber.on('SyncError', (event) => this.#warn(event));
  }

  async #follow(context: Context | undefined, event: HubEvent) {
    this.warnings.set([]);
    if (!context) return undefined;
    const patient = await this.#fullPatient(context);
    if (!patient?.id) return undefined;
    if (!event.mine && !(await this.#mayLeaveFor(patient, event.signal))) return refuse('a note is not saved');
    const anchor = Object.values(context.resources).find(
      (one) => one.resourceType === context.type && one.id === context.id,
    );
    this.#parts.book.show(patient, context.type === 'Patient' ? undefined : anchor);
    await painted();
    return true;
  }

  /** The patient of a context; read from the record where the context brings less than a name. */
  async #fullPatient(context: Context): Promise<Resource | undefined> {
    const { book, fhir } = this.#parts;
    const given = patientOf(context);
    if (given?.id && (given.name !== undefined || book.find(given.id))) return given;
    const reference = given?.id ? keyOf(given) : Object.values(context.resources).map(subjectOf).find(Boolean);
    if (!reference) return given;
    return fhir.read(reference).catch(() => given);
  }

  /** Whether nothing unsaved is left behind, when the person has been asked. */
  #mayLeaveFor(patient: Resource, signal: AbortSignal): Promise<boolean> | true {
    const { book, notes } = this.#parts;
    const { front } = book;
    if (front === undefined || front.patient.id === patient.id) return true;
    return notes.settle([front.patient], { why: 'followed', to: nameOf(patient) }, signal);
  }

  #warn({ id, elements }: HubEvent): void {
    const outcome = elements[0]?.resource;
    const text = textAt(outcome, 'issue.diagnostics') ?? 'An application did not follow.';
    const codings = valuesAt(outcome, 'issue.details.coding');
    const who = textAt(codings[2], 'code', 'display') ?? '';
    // An application that lost its connection shows that by itself, and comes back by itself.
    if (who !== '') this.#parts.onBehind(who, text);
    this.warnings.update((all) => [...all.filter((one) => one.who !== who), { id, who, text }]);
  }
}
