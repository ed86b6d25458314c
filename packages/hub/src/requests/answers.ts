import type { ReasonCode, Rejection } from '../rules/reasons.ts';
import type { VersionName } from '../rules/versions.ts';

/** What the Hub says to a request: a value, or why it is refused. */
export type Answer<T> =
  | { readonly ok: true; readonly value: T }
  | {
      readonly ok: false;
      /** HTTP status. */
      readonly status: number;
      readonly code: ReasonCode;
      /** A sentence for the client's developer. */
      readonly reason: string;
    };

/** What HTTP answers to each reason. */
const STATUS: Readonly<Record<ReasonCode, number>> = {
  'unknown-topic': 404,
  'unknown-topic-of-event': 404,
  'unusable-topic': 400,
  'topic-taken': 409,
  'scope-missing': 403,
  'session-not-allowed': 403,
  'user-missing': 400,
  'user-unknown': 422,
  invalid: 400,
  'id-used': 409,
  'other-patient': 409,
  'not-open': 409,
  'not-current': 409,
  'version-conflict': 409,
  'fixed-context': 409,
  'unknown-endpoint': 404,
  'ambiguous-endpoint': 400,
  'too-many-subscriptions': 429,
  'too-many-sessions': 429,
  'derived-topic-refused': 403,
  'unknown-invitation': 404,
  'too-many-invitations': 429,
  'follows-only': 403,
  'too-many-waiting': 429,
  'event-too-large': 413,
  'session-full': 507,
  'nothing-to-do': 404,
};

/** Where IHE Radiology's "Integrated Reporting Applications" asks for another status (RAD-148, RAD-150, RAD-152). */
const IRA_STATUS: Readonly<Partial<Record<ReasonCode, number>>> = {
  'unknown-topic-of-event': 400,
  'version-conflict': 400,
  'fixed-context': 400,
  'unknown-endpoint': 400,
};

export function statusOf(code: ReasonCode, version: VersionName): number {
  return (version === 'IRA' ? IRA_STATUS[code] : undefined) ?? STATUS[code];
}

/** @param version whose rules the request is answered by */
export function answerOf({ code, reason }: Rejection, version: VersionName): Answer<never> {
  return { ok: false, status: statusOf(code, version), code, reason };
}
