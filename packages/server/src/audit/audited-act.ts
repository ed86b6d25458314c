/** What is written to the audit trail: who did what, from where, with whose data, and how it ended. No patient data but references. */
import type { Act } from '../http/doors/door.ts';

/** Acts that no request stands for, beside those of the doors. */
export type ServerAct =
  | 'server-start'
  | 'server-stop'
  | 'session-started'
  | 'session-ended'
  | 'subscription-ended'
  | 'access-ended'
  | 'session-watch'
  | 'session-watch-ended';

/** IHE's names for what a Hub is asked (RAD TF). */
export type Transaction = 'RAD-146' | 'RAD-152' | 'RAD-153';

export interface AuditedAct {
  readonly act: Act | ServerAct;
  /** ms since the epoch. */
  readonly at: number;
  /** When what ends now began, ms since the epoch. */
  readonly since?: number;
  /** HTTP status of the answer, or what would have been: 200 for what the server did by itself. */
  readonly status: number;
  readonly clientId?: string;
  /** `Practitioner/1`, or a name where no resource is known. */
  readonly user?: string;
  /** Where the request came from: an IP address. */
  readonly address?: string;
  readonly requestId?: string;
  readonly topic?: string;
  readonly subscriberName?: string;
  readonly transaction?: Transaction;
  /** `Patient-open`. */
  readonly event?: string;
  /** The FHIR interaction, such as `search-type`, and what it was about. */
  readonly fhir?: {
    readonly interaction: string;
    readonly type?: string;
    readonly id?: string;
    /** As it was sent, in the address or a form; what of it may be recorded is `recordedQuery`'s to say. */
    readonly query?: string;
  };
  /** Ids of the patients whose data was read, written or opened. */
  readonly patients?: readonly string[];
  /** What exactly was done, such as `app.suspend` or `POST /api/console/users`. */
  readonly detail?: string;
  /** Which app, user or key it was done to. */
  readonly subject?: string;
}
