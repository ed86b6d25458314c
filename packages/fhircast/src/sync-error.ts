import { reasonText } from './answer.ts';
import { type ContextElement, type EventMessage, isObject, type JsonObject, type Resource } from './messages.ts';

const SYSTEM = 'https://fhircast.hl7.org/events/syncerror';

/** What went out of sync: which event, at whom, and why. */
export interface SyncErrorCause {
  readonly eventId: string;
  readonly eventName: string;
  readonly subscriberName: string;
  /** A sentence for people, naming the subscriber and the cause. */
  readonly diagnostics: string;
  /** `warning` in 3.0.0, `information` in IHE IRA (ERR-2). */
  readonly severity: 'warning' | 'information';
}

/** The OperationOutcome of a SyncError (profile FhircastSyncErrorOperationOutcome, ERR-2). */
export function syncErrorOutcome(cause: SyncErrorCause): Resource {
  return {
    resourceType: 'OperationOutcome',
    issue: [
      {
        severity: cause.severity,
        code: 'processing',
        diagnostics: cause.diagnostics,
        details: {
          coding: [
            { system: `${SYSTEM}/eventid`, code: cause.eventId },
            { system: `${SYSTEM}/eventname`, code: cause.eventName },
            { system: `${SYSTEM}/subscribername`, code: cause.subscriberName },
          ],
        },
      },
    ],
  };
}

/** A SyncError event, ready to be sent. */
export function syncErrorMessage(id: string, timestamp: string, topic: string, cause: SyncErrorCause): EventMessage {
  return {
    timestamp,
    id,
    event: {
      'hub.topic': topic,
      'hub.event': 'SyncError',
      context: [{ key: 'operationoutcome', resource: syncErrorOutcome(cause) }],
    },
  };
}

/** What the codings of a SyncError say; 3.2.1's example writes `subscriber`, its profile `subscribername`. */
const CODINGS: readonly (readonly string[])[] = [['eventid'], ['eventname'], ['subscribername', 'subscriber']];

/** FHIR's issue-severity. */
const SEVERITIES: readonly unknown[] = ['fatal', 'error', 'warning', 'information'];

function objects(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

/**
 * What the context of a SyncError says of its cause, as far as it does.
 * @returns `diagnostics` as one line of at most 200 characters
 */
export function readSyncErrorCause(context: readonly ContextElement[]): Partial<Omit<SyncErrorCause, 'severity'>> {
  const outcome = context.find((element) => element.key === 'operationoutcome')?.resource;
  for (const issue of objects(outcome?.issue)) {
    const codings = objects(isObject(issue.details) ? issue.details.coding : undefined);
    const [eventId, eventName, subscriberName] = CODINGS.map(
      (names) =>
        codings.find((one) => names.some((name) => one.system === `${SYSTEM}/${name}`) && typeof one.code === 'string')
          ?.code as string | undefined,
    );
    if (eventId === undefined) continue;
    const diagnostics = reasonText(issue.diagnostics);
    return {
      eventId,
      ...(eventName !== undefined && { eventName }),
      ...(subscriberName !== undefined && { subscriberName }),
      ...(diagnostics !== undefined && { diagnostics }),
    };
  }
  return {};
}

/**
 * What keeps the context of a SyncError from following the profile FhircastSyncErrorOperationOutcome (RAD-156).
 * @returns undefined when nothing does
 */
export function syncErrorProblem(context: readonly ContextElement[]): string | undefined {
  const outcome = context.find((element) => element.key === 'operationoutcome')?.resource;
  const issue = objects(outcome?.issue).find((one) => one.code === 'processing');
  if (!issue) return 'the OperationOutcome must have an issue with the code processing';
  if (!SEVERITIES.includes(issue.severity)) return `issue.severity must be one of ${SEVERITIES.join(', ')}`;
  if (typeof issue.diagnostics !== 'string') return 'issue.diagnostics must say in words what happened';
  const codings = objects(isObject(issue.details) ? issue.details.coding : undefined);
  const missing = CODINGS.find(
    (names) =>
      !codings.some((one) => typeof one.code === 'string' && names.some((name) => one.system === `${SYSTEM}/${name}`)),
  );
  return missing && `issue.details.coding must have a code of the system ${SYSTEM}/${missing[0]}`;
}
