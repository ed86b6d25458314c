/**
 * Notes that are not saved outlast loading the page again, and a sign-in that ended (HZ-15): they are kept in this tab of the
 * browser, for the person who wrote them, until they are saved or discarded.
 */
import type { Resource } from '@lockstep/fhircast';
import type { KeyStorage } from '../browser-storage.ts';
import type { Fhir } from '../fhir.ts';
import type { ChartBook } from './charts.ts';

/** Texts by the ids of patients. */
type Texts = Readonly<Record<string, string>>;

export interface KeptNotesParts {
  readonly storage: KeyStorage;
  /** Who wrote them: others at the same browser do not get them. */
  readonly user: string;
  readonly fhir: Pick<Fhir, 'search'>;
  readonly book: ChartBook;
}

/** What storage holds may be of another version, or damaged. */
function textsIn(stored: string | null): Texts {
  try {
    const value: unknown = JSON.parse(stored ?? '{}');
    const entries = Object.entries(value ?? {}).filter(([, text]) => typeof text === 'string' && text.trim() !== '');
    return Array.isArray(value) ? {} : Object.fromEntries(entries);
  } catch {
    return {};
  }
}

export class KeptNotes {
  readonly #parts: KeptNotesParts;
  readonly #key: string;
  /** Of before, whose patients have not been read yet. */
  #before: Texts;

  constructor(parts: KeptNotesParts) {
    this.#parts = parts;
    this.#key = `lockstep-notes ${parts.user}`;
    this.#before = textsIn(parts.storage.getItem(this.#key));
    parts.book.desk.watch(() => this.#keep());
  }

  /** Brings back the notes of before. Where the record cannot be read they stay kept, for the next time. */
  async restore(): Promise<void> {
    const { fhir, book } = this.#parts;
    const wanted = Object.keys(this.#before);
    if (wanted.length === 0) return;
    let found: readonly Resource[];
    try {
      found = await fhir.search('Patient', { _id: wanted.join(','), _count: String(wanted.length) });
    } catch {
      return;
    }
    for (const patient of found) {
      const { [patient.id ?? '']: text, ...others } = this.#before;
      this.#before = others;
      // What is typed by now is newer.
      if (text !== undefined && book.draftOf(patient.id) === undefined) book.setDraft(patient, text);
    }
  }

  #keep(): void {
    const { book, storage } = this.#parts;
    const drafts = [...book.desk.get().drafts].map(([id, { text }]) => [id, text] as const);
    storage.setItem(this.#key, JSON.stringify({ ...this.#before, ...Object.fromEntries(drafts) }));
  }
}
