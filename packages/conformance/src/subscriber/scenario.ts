import { randomUUID } from 'node:crypto';
import type { Check } from '../check.ts';
import { CheckFailure, CheckSkip, show } from '../expecting.ts';
import { isObject, type JsonObject, numberOf, textOf } from '../json.ts';
import {
  type EventMessage,
  observation,
  patient,
  patientElements,
  put,
  type ReportContext,
  type Resource,
  reportContext,
  reportElements,
  updateElements,
} from '../samples.ts';
import type { HubVersion } from '../specification.ts';
import type { AppAnswer, FormRequest, PlayedSession } from './played-session.ts';

/** The application under test, as a check sees it. */
export interface AppScenario {
  readonly session: PlayedSession;
  /** Asks the human at the application; undefined where there is none. */
  readonly ask: ((instruction: string) => Promise<boolean>) | undefined;
  /** What the application shows: the id of its patient, `''` for none; undefined where that is not known. */
  readonly shown: (() => Promise<string>) | undefined;
  /** Quits the application normally; undefined where the suite did not start it. */
  readonly quit: (() => Promise<void>) | undefined;
}

/** One thing that an application is checked for. */
export interface SubscriberCheck extends Omit<Check, 'run' | 'needs' | 'versions'> {
  /** The specifications that ask for it; FHIRcast 3.0.0, and with it IRA, unless said. */
  readonly versions?: readonly HubVersion[];
  /** Whether the check ends the session, and so needs one of its own. */
  readonly own?: boolean;
  readonly run: (scenario: AppScenario) => Promise<void>;
}

export const statusOf = (answer: AppAnswer) => numberOf(answer.status);
/** Whether an answer is no refusal. One without a status is not: that it lacks one is for the check of the status to say. */
export const accepts = (answer: AppAnswer) =>
  answer.status === undefined || (statusOf(answer) >= 200 && statusOf(answer) < 300);

/** Why a check is skipped that has to know what the application shows. */
export const NOBODY_SEES = 'Nobody can tell what the application shows (a state command is needed)';

/**
 * Waits until the application shows this patient: what it shows may follow its answer later.
 * @throws CheckFailure when it does not
 */
export async function expectShown(
  session: PlayedSession,
  shown: () => Promise<string>,
  patientId: string,
  what = `the application to show the patient ${patientId}`,
): Promise<void> {
  let found = '';
  const follows = async () => {
    found = await shown();
    return found === patientId;
  };
  await session.until(what, follows).catch((error) => {
    throw error instanceof CheckFailure ? new CheckFailure(what, show(found)) : error;
  });
}

/**
 * Asks the person at the application to do something that makes it publish, and waits for what it publishes.
 * @param enough whether what was published since is what is waited for; anything unless given
 * @returns what was published since; too little where no person was asked, or the person did not do it
 */
export async function publishedAfter(
  { session, ask }: Pick<AppScenario, 'session' | 'ask'>,
  instruction: string,
  enough: (since: readonly JsonObject[]) => boolean = (since) => since.length > 0,
): Promise<readonly JsonObject[]> {
  const before = session.published.length;
  const since = () => session.published.slice(before);
  if (await ask?.(instruction)) {
    // The request may still be on its way when the person says that it is done.
    await session.until('a request', () => enough(since())).catch(() => undefined);
  }
  return since();
}

/** An event that the application follows: a patient where it subscribed to patients, a report otherwise. */
export function opening(session: PlayedSession, of: Resource = patient(), name?: string, timestamp?: string) {
  const times = timestamp === undefined ? {} : { timestamp };
  if (session.wants('Patient-open')) {
    return session.event(name ?? 'Patient-open', patientElements(of), times);
  }
  if (session.wants('DiagnosticReport-open')) {
    const elements = reportElements({ ...reportContext(), patient: of });
    return session.event(name ?? 'DiagnosticReport-open', elements, times);
  }
  throw new CheckSkip('The application subscribes to neither Patient-open nor DiagnosticReport-open');
}

export function subscription(session: PlayedSession): FormRequest {
  const request = session.subscription;
  if (!request) throw new CheckFailure('a subscription request', 'none came');
  return request;
}

/** The `event` of a message that the application sent, whatever it is. */
export const eventOf = (message: object): Record<string, unknown> => {
  const event = (message as { event?: unknown }).event;
  return isObject(event) ? { ...event } : {};
};

/** Its `hub.event` in lower case. */
export const nameOf = (message: object): string => textOf(eventOf(message)['hub.event']).toLowerCase();

export const isSyncError = (message: object): boolean => nameOf(message) === 'syncerror';

/** An open report that the application knows of. */
export interface ToldReport {
  readonly context: ReportContext;
  readonly open: EventMessage;
}

/** Tells the application a new report. @throws CheckSkip where it does not follow reports */
export async function tellReport(session: PlayedSession, ...alsoWanted: readonly string[]): Promise<ToldReport> {
  for (const name of ['DiagnosticReport-open', ...alsoWanted]) {
    if (!session.wants(name)) throw new CheckSkip(`The application does not subscribe to ${name}`);
  }
  const context = reportContext();
  const open = session.event('DiagnosticReport-open', reportElements(context));
  const answer = await session.deliver(open);
  if (!accepts(answer))
    throw new CheckSkip(`The application did not follow the report: it answered ${show(answer.status)}`);
  return { context, open };
}

export const versionIn = (message: EventMessage): string => message.event['context.versionId'] ?? '';

/** An update of somebody else's: one measurement more. */
export function updateFor(session: PlayedSession, { context, open }: ToldReport, priorVersionId = versionIn(open)) {
  const elements = updateElements(context, [put(observation(context.patient))]);
  return session.event('DiagnosticReport-update', elements, { versionId: randomUUID(), priorVersionId });
}
