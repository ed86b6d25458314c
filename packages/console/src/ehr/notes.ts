/** Notes that are not saved are never left behind unasked: the person decides what becomes of them. */
import type { Resource } from '@lockstep/fhircast';
import { words } from '../api.ts';
import { t } from '../language/language.ts';
import { Watchable } from '../store.ts';
import type { ChartBook } from './charts.ts';

/** Why a note would be left, and where that leads. */
export type NoteLeaving =
  | { readonly why: 'followed'; readonly to: Resource }
  | { readonly why: 'closed' }
  | { readonly why: 'signed-out' };

type Choice = 'save' | 'discard' | 'stay';

export interface NoteQuestion {
  /** Whose notes are not saved. */
  readonly of: readonly Resource[];
  readonly leaving: NoteLeaving;
  /** Why saving did not work, when it was tried. */
  readonly problem?: string;
  answer(choice: Choice): void;
}

export class Notes {
  readonly question = new Watchable<NoteQuestion | undefined>(undefined);
  readonly #book: ChartBook;
  readonly #save: (patient: Resource) => Promise<void>;

  /** @param save files the note; it throws when the record does not take it */
  constructor(book: ChartBook, save: (patient: Resource) => Promise<void>) {
    this.#book = book;
    this.#save = save;
  }

  /** Patients with notes that say something and are not saved. */
  get unsaved(): readonly Resource[] {
    const drafts = [...this.#book.desk.get().drafts.values()];
    return drafts.map(({ patient }) => patient).filter(({ id }) => this.#book.draftOf(id) !== undefined);
  }

  /**
   * Asks what becomes of the patients' unsaved notes, until they are saved or discarded.
   * @param patients those with notes that would be left; none is no question
   * @param signal answers `stay` in the person's place
   * @returns whether nothing unsaved is left
   */
  async settle(patients: readonly Resource[], leaving: NoteLeaving, signal?: AbortSignal): Promise<boolean> {
    let problem: string | undefined;
    while (patients.some(({ id }) => this.#book.draftOf(id) !== undefined)) {
      const choice = await this.#ask({ of: patients, leaving, ...(problem && { problem }) }, signal);
      if (choice === 'stay') return false;
      try {
        for (const patient of patients) {
          if (choice === 'discard') this.#book.setDraft(patient, '');
          else if (this.#book.draftOf(patient.id) !== undefined) await this.#save(patient);
        }
      } catch (error) {
        problem = t('ehr.theNoteWasNotSaved', { error: words(error) });
      }
    }
    return true;
  }

  #ask(question: Omit<NoteQuestion, 'answer'>, signal?: AbortSignal): Promise<Choice> {
    if (signal?.aborted) return Promise.resolve('stay');
    return new Promise((resolve) => {
      const stay = (): void => answer('stay');
      const answer = (choice: Choice): void => {
        signal?.removeEventListener('abort', stay);
        this.question.set(undefined);
        resolve(choice);
      };
      signal?.addEventListener('abort', stay, { once: true });
      // A newer question takes the place of the one before.
      this.question.get()?.answer('stay');
      this.question.set({ ...question, answer });
    });
  }
}
