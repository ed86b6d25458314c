import { folded, foldedWords } from '@lockstep/fhir/parts';
import { type NotFollowing, parseReference, type Resource } from '@lockstep/fhircast';
import { contextOf, type Hub, notFollowing, type SessionState } from '@lockstep/hub';
import type { Listening, SessionStore } from '@lockstep/store';

/** ms after the last request for the list for which the store tells what changes. */
const WATCHED_FOR = 60_000;

/** Sessions that are read at the same time. */
const READ_AT_ONCE = 64;

/** Who somebody is, in what tells two people of one name apart (HZ-6). */
export interface OpenPatient {
  readonly name: string;
  /** FHIR date. */
  readonly birthDate?: string;
  /** Record number. */
  readonly number?: string;
}

/** A session as the list knows it. */
export interface SessionSummary {
  readonly topic: string;
  /** ms since the epoch. */
  readonly changedAt: number;
  /** The patient that is open, where one is. */
  readonly patient: OpenPatient | undefined;
  /** Who does not follow the context (ERR-8). */
  readonly notFollowing: readonly NotFollowing[];
  /** What a search looks in, folded: user, workstation, label, patients. */
  readonly text: string;
}

/** A part of the list. */
export interface SessionListPage {
  readonly sessions: readonly SessionSummary[];
  /** Sessions that the search finds. */
  readonly total: number;
  /** Those of them in which somebody does not follow. */
  readonly troubled: number;
}

export interface SessionListParts {
  readonly hub: Pick<Hub, 'topics' | 'inspect'>;
  readonly sessions: Pick<SessionStore, 'watchChanges'>;
  readonly clock: { after(ms: number, run: () => void): () => void };
  /** The name of a person, by reference. */
  readonly nameOf: (user: string) => Promise<string | undefined>;
}

interface PatientNames {
  readonly birthDate?: unknown;
  readonly identifier?: readonly {
    readonly value?: string;
    readonly type?: { readonly coding?: readonly { readonly code?: string }[] };
  }[];
  readonly name?: readonly { readonly text?: string; readonly given?: readonly string[]; readonly family?: string }[];
}

/** Every name and number of a patient, the usual ones first. */
function patientTexts(patient: Resource): { readonly open: OpenPatient; readonly all: readonly string[] } {
  const { name = [], identifier = [], birthDate } = patient as PatientNames;
  const names = name.map(({ text, given = [], family }) => text ?? [...given, family].filter(Boolean).join(' '));
  const usual = identifier.find(({ type }) => type?.coding?.some(({ code }) => code === 'MR')) ?? identifier[0];
  const numbers = identifier.flatMap(({ value }) => (value === undefined ? [] : [value]));
  const open = {
    name: names[0] || `Patient/${patient.id ?? ''}`,
    ...(typeof birthDate === 'string' && { birthDate }),
    ...(usual?.value !== undefined && { number: usual.value }),
  };
  return { open, all: [...names, ...numbers] };
}

/** Patients that are open in a session, that of the current context first. */
function patientsOf({ anchors, current }: SessionState): readonly Resource[] {
  const inOrder = [...anchors].sort(([a], [b]) => Number(b === current) - Number(a === current));
  return inOrder.flatMap(([, { opening }]) =>
    contextOf(opening).flatMap(({ resource }) => (resource?.resourceType === 'Patient' ? [resource] : [])),
  );
}

/**
 * All sessions in a few words each, for lists: while requests come, the store tells which have changed, so that a request reads
 * those and the ones that it shows. The first request in a minute reads all.
 */
export class SessionList {
  readonly #parts: SessionListParts;
  readonly #listed = new Map<string, SessionSummary>();
  /** Topics whose sessions have changed since they were read; undefined while any may have. */
  #changed: Set<string> | undefined;
  #reading: Promise<void> = Promise.resolve();
  #watch: Listening | undefined;
  #endLater: () => void = () => undefined;

  constructor(parts: SessionListParts) {
    this.#parts = parts;
  }

  close(): void {
    this.#endLater();
    this.#watch?.end();
    this.#watch = undefined;
    this.#changed = undefined;
  }

  /** Has changes told from now on, for as long as somebody asks. */
  async #watchChanges(): Promise<void> {
    this.#endLater();
    this.#endLater = this.#parts.clock.after(WATCHED_FOR, () => this.close());
    this.#watch ??= this.#parts.sessions.watchChanges((topic) => {
      if (topic === undefined) this.#changed = undefined;
      else this.#changed?.add(topic);
    });
    await this.#watch.ready;
  }

  /**
   * Sessions whose text has every word of the search: those in which somebody does not follow first, then the latest change.
   * @param offset how many of them come before the page
   */
  async page(search: string, offset: number, limit: number): Promise<SessionListPage> {
    // One after the other: who asks while the list is read is answered from what was changed by then.
    this.#reading = this.#reading
      .catch(() => undefined)
      .then(() => this.#watchChanges())
      .then(() => this.#read());
    await this.#reading;
    const words = foldedWords(search);
    const found = [...this.#listed.values()].filter(({ text }) => words.every((word) => text.includes(word)));
    const trouble = ({ notFollowing: names }: SessionSummary): number => Number(names.length > 0);
    found.sort((a, b) => trouble(b) - trouble(a) || b.changedAt - a.changedAt || (a.topic < b.topic ? -1 : 1));
    return {
      sessions: found.slice(offset, offset + limit),
      total: found.length,
      troubled: found.filter(trouble).length,
    };
  }

  async #read(): Promise<void> {
    const changed = this.#changed;
    this.#changed = new Set();
    try {
      const topics = changed ?? new Set(await this.#parts.hub.topics());
      if (!changed) this.#listed.clear();
      const list = [...topics];
      for (let at = 0; at < list.length; at += READ_AT_ONCE) {
        await Promise.all(list.slice(at, at + READ_AT_ONCE).map((topic) => this.#readOne(topic)));
      }
    } catch (error) {
      // What was not read is still to be read.
      this.#changed = changed && this.#changed && new Set([...changed, ...this.#changed]);
      throw error;
    }
  }

  async #readOne(topic: string): Promise<void> {
    const { hub, nameOf } = this.#parts;
    const state = (await hub.inspect(topic))?.state;
    if (!state) {
      this.#listed.delete(topic);
      return;
    }
    const { user, workstation = '', label = '' } = state.info;
    const patients = patientsOf(state).map(patientTexts);
    const name = (await nameOf(user)) ?? '';
    const reference = parseReference(user)?.id ?? user;
    const texts = [name, reference, workstation, label, ...patients.flatMap(({ all }) => all)];
    this.#listed.set(topic, {
      topic,
      changedAt: state.changedAt,
      patient: state.current === undefined ? undefined : patients[0]?.open,
      notFollowing: notFollowing(state, () => true),
      text: folded(texts.join('\n')),
    });
  }
}
