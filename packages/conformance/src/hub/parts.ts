/** Steps that several checks share. */
import type { Check } from '../check.ts';
import { CheckFailure, CheckSkip, expect, stepping } from '../expecting.ts';
import { isObject, type JsonObject, objects } from '../json.ts';
import {
  type BundleEntry,
  type ContextElement,
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
import type { HttpResponse } from '../target/http.ts';
import { type Scenario, versionOf } from '../target/scenario.ts';
import type { Notification, PlayedAnswer, PlayedSubscriber } from '../target/subscriber.ts';

/** Rules that FHIRcast 3.0.0 made and IRA keeps. */
export const CORE: readonly HubVersion[] = ['3.0.0', 'IRA'];
/** Rules that hold in STU2 as well. */
export const ALL: readonly HubVersion[] = ['3.0.0', 'STU2', 'IRA'];
export const ONLY_3: readonly HubVersion[] = ['3.0.0'];

export const PATIENT = ['Patient-open', 'Patient-close'] as const;
export const CONTEXT_EVENTS = [
  ...PATIENT,
  'Encounter-open',
  'Encounter-close',
  'ImagingStudy-open',
  'ImagingStudy-close',
  'DiagnosticReport-open',
  'DiagnosticReport-close',
] as const;
export const REPORT = [
  'DiagnosticReport-open',
  'DiagnosticReport-close',
  'DiagnosticReport-update',
  'DiagnosticReport-select',
  'SyncError',
] as const;

/** The elements that an event carries, whatever a Hub sent. */
export const elementsOf = (notification: Notification): readonly JsonObject[] => objects(notification.event.context);

export const elementWith = (elements: readonly JsonObject[], key: string): JsonObject | undefined =>
  elements.find((one) => one.key === key);

/** An application that stays in the session from beginning to end. */
export function driver(s: Scenario, events: readonly string[], answer?: PlayedAnswer): Promise<PlayedSubscriber> {
  return s.subscribe({ events, name: 'Driver', ...(answer && { answer }) });
}

/** Builds the checks of a chapter: what they have in common is said once, and any of them may say otherwise. */
export function checksOf(common: Pick<Check, 'versions'> & Partial<Check>, prefix = '') {
  return (
    id: string,
    title: string,
    rule: string,
    requirements: Check['requirements'],
    run: Check['run'],
    more: Partial<Check> = {},
  ): Check => ({ id: `${prefix}${id}`, title, rule, requirements, level: 'SHALL', ...common, run, ...more });
}

/** Checks on content sharing. */
export const contentCheck = checksOf({ versions: CORE, safety: true, needs: ['content'] });
/** What such a check needs that reads the content back. */
export const READ_AS_WELL: Pick<Check, 'needs'> = { needs: ['content', 'get-current'] };

/** The Hub refused this. */
export function expectRefused(response: HttpResponse, what = ''): void {
  const { status, body } = response;
  expect(status >= 400 && status < 600, `HTTP 4xx or 5xx${what}`, `HTTP ${status} ${body}`.trimEnd());
}

/** Opens a new patient and waits for the broadcast. */
export async function openPatient(s: Scenario, at: PlayedSubscriber): Promise<EventMessage> {
  const open = await s.accepted(s.event('Patient-open', patientElements(patient())));
  await stepping('notify', () => at.event(open.id));
  return open;
}

export function closing(s: Scenario, open: EventMessage): EventMessage {
  return s.event(open.event['hub.event'].replace(/-open$/i, '-close'), open.event.context);
}

/** Closes what was opened and waits for the broadcast. */
export async function close(s: Scenario, open: EventMessage, at: Pick<PlayedSubscriber, 'event'>): Promise<void> {
  const { id } = await s.accepted(closing(s, open));
  await stepping('notify', () => at.event(id));
}

export interface OpenReport {
  readonly driver: PlayedSubscriber;
  readonly context: ReportContext;
  readonly elements: readonly ContextElement[];
  readonly opened: EventMessage;
  readonly version: string;
}

/** Opens a report with the driver watching everything about it. */
export async function openReport(s: Scenario, at?: PlayedSubscriber): Promise<OpenReport> {
  const watcher = at ?? (await driver(s, REPORT));
  const context = reportContext();
  const elements = reportElements(context);
  const opened = await s.accepted(s.event('DiagnosticReport-open', elements));
  const notification = await stepping('notify', () => watcher.event(opened.id));
  return { driver: watcher, context, elements, opened, version: versionOf(notification) };
}

export function updateOf(
  s: Scenario,
  report: OpenReport,
  versionId: string | undefined,
  entries: readonly BundleEntry[],
  bundleId?: string,
): EventMessage {
  const elements = updateElements(report.context, entries, bundleId);
  return s.event('DiagnosticReport-update', elements, versionId === undefined ? {} : { versionId });
}

/** Updates with the right version; answers with the broadcast and the version it brought. */
export async function update(
  s: Scenario,
  report: OpenReport,
  versionId: string,
  entries: readonly BundleEntry[],
): Promise<{ notification: Notification; version: string; message: EventMessage }> {
  const message = await s.accepted(updateOf(s, report, versionId, entries));
  const notification = await report.driver.event(message.id);
  return { notification, version: versionOf(notification), message };
}

/** An open report with one measurement in it. */
export async function reportWithContent(
  s: Scenario,
): Promise<OpenReport & { readonly one: Resource; readonly after: string }> {
  const report = await openReport(s);
  const one = observation(report.context.patient);
  const { version } = await update(s, report, report.version, [put(one)]);
  return { ...report, one, after: version };
}

/** A current context without what content sharing adds to it. */
export const opening = (context: JsonObject) => objects(context.context).filter((one) => one.key !== 'content');

/** The `content` elements of a current context. */
export function contentElements(context: JsonObject): readonly JsonObject[] {
  return objects(context.context).filter((one) => one.key === 'content');
}

/** The one content Bundle of a current context. */
export function contentBundle(context: JsonObject): JsonObject {
  const elements = contentElements(context);
  expect(elements.length === 1, 'one element with the key "content"', `${elements.length} of them`);
  const bundle = elements[0]?.resource;
  expect(isObject(bundle) && bundle.resourceType === 'Bundle', 'a Bundle in the element "content"', elements[0]);
  return bundle;
}

export function contentResources(context: JsonObject): readonly JsonObject[] {
  return objects(contentBundle(context).entry).flatMap((entry) => (isObject(entry.resource) ? [entry.resource] : []));
}

export function holds(
  resources: readonly JsonObject[],
  wanted: { resourceType: string; id: string },
): JsonObject | undefined {
  return resources.find((one) => one.resourceType === wanted.resourceType && one.id === wanted.id);
}

/** An endpoint that the Hub never gave: its last characters are others, none of them new to a URL. */
export function madeUp(endpoint: string): string {
  const tail = endpoint.slice(-12).replace(/[A-Za-z0-9]/g, (character) => (character === 'f' ? 'e' : 'f'));
  return endpoint.slice(0, -12) + tail;
}

/** Connects to its endpoint again. @throws CheckSkip where the Hub wants a new subscription, which it may */
export async function returned(
  s: Scenario,
  after: 'a restart' | 'a lost connection',
  away: PlayedSubscriber,
): Promise<PlayedSubscriber> {
  try {
    const back = await s.connect(away.endpoint, 'Back');
    await back.confirmation();
    return back;
  } catch (error) {
    if (!(error instanceof CheckFailure)) throw error;
    throw new CheckSkip(`After ${after} the Hub wants a new subscription`);
  }
}
