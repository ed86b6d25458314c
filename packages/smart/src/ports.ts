import { StoreUnavailable } from '@lockstep/store';

/** Time as the server sees it. */
export interface Clock {
  /** ms since the epoch. */
  now(): number;
  /** Calls back once after `ms`. @returns a function that cancels the call */
  after(ms: number, run: () => void): () => void;
  /**
   * ms since the epoch by the machine's wall clock, which others know as well: their tokens are judged by it. It differs from `now`
   * once it was set. Without it, `now` stands for it.
   */
  wall?(): number;
}

/** The part of a pino logger that is used. Messages never hold patient data, secrets or tokens. */
export interface Logger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Requests a second and caller; who has had too many waits. */
export interface RequestLimit {
  /** Takes one request of this caller. @returns false when it has to wait */
  take(caller: string): boolean;
}

/** One line of the audit trail: who did what to which registration, user, grant or key. */
export interface AuditEntry {
  readonly action: string;
  readonly user?: string;
  readonly clientId?: string;
  readonly detail?: string;
  /** What of the record a page showed to the person. */
  readonly shown?: {
    readonly type: 'Patient' | 'Encounter';
    /** As a FHIR search says it; it may hold patient data. */
    readonly query: string;
    /** Ids. */
    readonly patients: readonly string[];
  };
}

export interface OpenSession {
  readonly topic: string;
  readonly workstation?: string;
  readonly label?: string;
  /** ms since the epoch. */
  readonly startedAt: number;
  /** Names of the subscribers. */
  readonly subscribers: readonly string[];
}

/** The Hub's sessions, as sign-in and launches need them. `user` is a reference such as `Practitioner/123`. */
export interface SessionDirectory {
  /** The user's open sessions. */
  ofUser(user: string): Promise<readonly OpenSession[]>;
  /** Opens a session for the user (SES-2). */
  open(session: {
    readonly user: string;
    readonly aliases: readonly string[];
    readonly workstation?: string;
    readonly label?: string;
  }): Promise<{ readonly topic: string }>;
  belongsTo(topic: string, user: string): Promise<boolean>;
}

/** Where no Hub runs: users have no sessions, and none is opened. */
export const NO_SESSIONS: SessionDirectory = {
  ofUser: async () => [],
  open: () => Promise.reject(new Error('There is no Hub here to open a session at')),
  belongsTo: async () => false,
};

/** The patients' record cannot be asked, or says what cannot be understood. Doors answer as for a store that cannot be reached. */
export class RecordUnavailable extends StoreUnavailable {
  constructor(reason: Error, retryAfterSeconds?: number) {
    super(`the FHIR server does not answer: ${reason.message}`, retryAfterSeconds);
    this.cause = reason;
  }
}

export interface PatientSummary {
  /** The Patient resource's id. */
  readonly id: string;
  readonly name: string;
  readonly birthDate?: string;
  readonly gender?: string;
  /** A medical record number, to distinguish people of one name. */
  readonly identifier?: string;
}

export interface EncounterSummary {
  /** The Encounter resource's id. */
  readonly id: string;
  readonly title: string;
  readonly status?: string;
  /** An instant or date, as FHIR writes it. */
  readonly start?: string;
}

/** A page of patients to choose from. */
export interface PickablePatients {
  readonly patients: readonly PatientSummary[];
  /** Where the search goes on; undefined once the whole record was searched. */
  readonly next?: string;
}

/** What the pickers and `POST /launch` ask of the FHIR side. Nothing here is limited by a token's scopes. */
export interface PatientDirectory {
  /**
   * Some of the patients whose name or number begins with the text; of all of them for an empty text.
   * @param limit so many, or few more where some of them have just this number
   * @param after the `next` of the page before
   * @returns `next` where not the whole record was searched
   */
  search(text: string, limit: number, after?: string): Promise<PickablePatients>;
  patient(id: string): Promise<PatientSummary | undefined>;
  /** The patient's encounters, the latest first. */
  encounters(patient: string): Promise<readonly EncounterSummary[]>;
  /** Whether the imaging study belongs to the patient. */
  hasStudy(patient: string, study: string): Promise<boolean>;
  practitioner(id: string): Promise<{ readonly id: string; readonly name: string } | undefined>;
}

/** Where there is no FHIR side: no person is found. */
export const NO_PATIENTS: PatientDirectory = {
  search: async () => ({ patients: [] }),
  patient: async () => undefined,
  encounters: async () => [],
  hasStudy: async () => false,
  practitioner: async () => undefined,
};
