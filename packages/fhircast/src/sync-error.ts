import { reasonText } from './answer.ts';
import { type ContextElement, type EventMessage, isObject, objectsIn, type Resource } from './messages.ts';

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

/** RAD-156, and the profile FhircastSubscriberSyncErrorOperationOutcome. */
const POSTED_SEVERITY = 'warning';

/**
 * What the context of a SyncError says of its cause, as far as it does.
 * @returns `diagnostics` as one line of at most 200 characters
 */
export function readSyncErrorCause(context: readonly ContextElement[]): Partial<Omit<SyncErrorCause, 'severity'>> {
  const outcome = context.find((element) => element.key === 'operationoutcome')?.resource;
  for (const issue of objectsIn(outcome?.issue)) {
    const codings = objectsIn(isObject(issue.details) ? issue.details.coding : undefined);
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
 * What keeps the context of a SyncError that a subscriber posts from following the profile
 * FhircastSubscriberSyncErrorOperationOutcome (RAD-156): one issue of the code processing, a warning, with words and one coding
 * each for the event's id, its name and the subscriber. Other issues and codings are the subscriber's own.
 * @returns undefined when nothing does
 */
export function syncErrorProblem(context: readonly ContextElement[]): string | undefined {
  const outcome = context.find((element) => element.key === 'operationoutcome')?.resource;
  const issues = objectsIn(outcome?.issue).filter((one) => one.code === 'processing');
  const [issue] = issues;
  if (!issue || issues.length > 1) return 'the OperationOutcome must have one issue with the code processing';
  if (issue.severity !== POSTED_SEVERITY) return `issue.severity must be ${POSTED_SEVERITY}`;
  if (typeof issue.diagnostics !== 'string' || issue.diagnostics.trim() === '') {
    return 'issue.diagnostics must say in words what happened';
  }
  const codings = objectsIn(isObject(issue.details) ? issue.details.coding : undefined);
  for (const names of CODINGS) {
    const found = codings.filter((one) => names.some((name) => one.system === `${SYSTEM}/${name}`));
    const code = found[0]?.code;
    if (found.length !== 1 || typeof code !== 'string' || code.trim() === '') {
      return `issue.details.coding must have one code of the system ${SYSTEM}/${names[0]}`;
    }
  }
  return undefined;
}
