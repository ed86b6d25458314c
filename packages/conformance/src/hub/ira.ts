import { randomUUID } from 'node:crypto';
import type { Check } from '../check.ts';
import { expect } from '../expecting.ts';
import { isObject, type JsonObject, objects, textOf } from '../json.ts';
import {
  type BundleEntry,
  type EventMessage,
  observation,
  put,
  type Resource,
  remove,
  reportContext,
  reportElements,
  selectElements,
  syncErrorElements,
} from '../samples.ts';
import { type Scenario, succeeded } from '../target/scenario.ts';
import { isSyncError, syncErrorCodings, syncErrorIssue } from '../target/subscriber.ts';
import { check, iraSubscriptions, status } from './ira-subscriptions.ts';
import {
  closing,
  contentElements,
  contentResources,
  driver,
  elementsOf,
  type OpenReport,
  openPatient,
  openReport,
  PATIENT,
  REPORT,
  reportWithContent,
  updateOf,
} from './parts.ts';
import { expectSame } from './same.ts';
import { lost } from './sync-errors.ts';

/** An event without one of its top-level fields. */
function spoilt(message: EventMessage): readonly { what: string; body: unknown }[] {
  return (['timestamp', 'id', 'event'] as const).map((field) => ({
    what: `a request without ${field}`,
    body: { ...message, [field]: undefined },
  }));
}

function withContext(
  message: EventMessage,
  change: (context: EventMessage['event']['context']) => readonly unknown[],
): unknown {
  return { ...message, event: { ...message.event, context: change(message.event.context) } };
}

const without = (key: string) => (context: EventMessage['event']['context']) =>
  context.filter((one) => one.key !== key);

function elsewhere(message: EventMessage): unknown {
  return { ...message, event: { ...message.event, 'hub.topic': `no-session-${randomUUID()}` } };
}

/** Updates of an open report that a Hub answers 400. */
function refusedUpdate(
  id: string,
  title: string,
  requirement: string,
  entries: (report: OpenReport) => readonly BundleEntry[],
): Check {
  return check(id, title, 'CON-4', [requirement, 'RAD-150-reject'], async (s) => {
    const report = await openReport(s);
    const good = observation(report.context.patient);
    for (const list of [entries(report), [put(good), ...entries(report)]]) {
      const message = updateOf(s, report, report.version, list);
      status(await s.publish(message), 400, list.length === 1 ? 'this update' : 'this update behind a good entry');
      await s.settle();
      const came = report.driver.events.some((event) => event.id === message.id);
      expect(!came, 'no broadcast of a refused update', 'it was broadcast');
    }
    if (!s.hub.claims.has('get-current')) return;
    const held = contentResources(await s.context());
    expect(held.length === 0, 'nothing of a refused update in the content', held);
  });
}

const reidentified = (resource: Resource, at: number): Resource => {
  const identifiers = (resource.identifier as readonly object[]).map((one, index) =>
    index === at ? { ...one, value: 'changed' } : one,
  );
  return { ...resource, identifier: identifiers };
};

const selectOf = (s: Scenario, report: OpenReport, selected: readonly Resource[]) =>
  s.event('DiagnosticReport-select', selectElements(report.context, selected));

/** IHE Radiology, Integrated Reporting Applications: what its Hub does beyond, or instead of, FHIRcast. */
export const ira: readonly Check[] = [
  ...iraSubscriptions,
  check(
    'event-fields',
    'A request without timestamp, id or event is answered 400',
    'PUB-5',
    ['RAD-148-fields', 'RAD-149-fields', 'RAD-150-set', 'RAD-151-set', 'RAD-156-set'],
    async (s) => {
      for (const message of await everyRequest(s)) {
        for (const { what, body } of spoilt(message)) {
          status(await s.publish(body), 400, `${what} (${message.event['hub.event']})`);
        }
      }
    },
  ),
  check(
    'open-context',
    'An open without report, patient or study is answered 400',
    'PUB-5',
    ['RAD-148-context'],
    async (s) => {
      await driver(s, REPORT);
      for (const key of ['report', 'patient', 'study']) {
        const message = s.event('DiagnosticReport-open', reportElements(reportContext()));
        status(await s.publish(withContext(message, without(key))), 400, `a DiagnosticReport-open without ${key}`);
      }
    },
  ),
  check(
    'unknown-session',
    'A request for no known session is answered 400',
    'SES-6',
    ['RAD-148-topic', 'RAD-149-topic', 'RAD-150-topic', 'RAD-151-topic', 'RAD-156-topic'],
    async (s) => {
      for (const message of await everyRequest(s)) {
        status(await s.publish(elsewhere(message)), 400, `a ${message.event['hub.event']} for an unknown session`);
      }
    },
  ),
  check('close-report', 'A close without report is answered 400', 'PUB-5', ['RAD-149-report'], async (s) => {
    const { opened } = await openReport(s);
    status(await s.publish(withContext(closing(s, opened), without('report'))), 400, 'a close without report');
  }),
  check('close-id', 'A close of a report without id is answered 400', 'PUB-5', ['RAD-149-id'], async (s) => {
    const { opened, context } = await openReport(s);
    const { id: _id, ...nameless } = context.report;
    const body = withContext(closing(s, opened), (all) => [{ key: 'report', resource: nameless }, ...all.slice(1)]);
    status(await s.publish(body), 400, 'a close of a report without id');
  }),
  check(
    'update-fields',
    'An update without report or updates is answered 400',
    'CON-1',
    ['RAD-150-fields'],
    async (s) => {
      const report = await openReport(s);
      for (const key of ['report', 'updates']) {
        const message = updateOf(s, report, report.version, [put(observation(report.context.patient))]);
        status(await s.publish(withContext(message, without(key))), 400, `an update without ${key}`);
      }
    },
  ),
  check('update-version', 'An update with another version is answered 400', 'CON-2', ['RAD-150-version'], async (s) => {
    const report = await openReport(s);
    const message = updateOf(s, report, randomUUID(), [put(observation(report.context.patient))]);
    status(await s.publish(message), 400, 'an update with another version');
  }),
  refusedUpdate('update-removes-patient', 'Removing the patient is answered 400', 'RAD-150-patient', ({ context }) => [
    remove(context.patient),
  ]),
  refusedUpdate(
    'update-changes-patient-id',
    'Changing the patient’s identifier is answered 400',
    'RAD-150-patient',
    ({ context }) => [put(reidentified(context.patient, 0))],
  ),
  refusedUpdate('update-removes-study', 'Removing the study is answered 400', 'RAD-150-study', ({ context }) => [
    remove(context.study),
  ]),
  refusedUpdate(
    'update-changes-study-uid',
    'Changing the study’s instance UID is answered 400',
    'RAD-150-study',
    ({ context }) => [put(reidentified(context.study, 0))],
  ),
  refusedUpdate(
    'update-changes-accession',
    'Changing the study’s accession number is answered 400',
    'RAD-150-study',
    ({ context }) => [put(reidentified(context.study, 1))],
  ),
  check(
    'select-fields',
    'A selection without report or select is answered 400',
    'CON-7',
    ['RAD-151-fields'],
    async (s) => {
      const report = await reportWithContent(s);
      const { one } = report;
      for (const key of ['report', 'select']) {
        status(
          await s.publish(withContext(selectOf(s, report, [one]), without(key))),
          400,
          `a selection without ${key}`,
        );
      }
    },
  ),
  check('select-unknown', 'A selection of something unknown is answered 206', 'CON-7', ['RAD-151-206'], async (s) => {
    const report = await reportWithContent(s);
    const { one } = report;
    const other = observation(report.context.patient);
    status(await s.publish(selectOf(s, report, [one, other])), 206, 'a selection of something unknown');
  }),
  check(
    'select-ignores-unknown',
    'What is unknown is left out of the selection',
    'CON-7',
    ['RAD-151-ignore'],
    async (s) => {
      const report = await reportWithContent(s);
      const { one } = report;
      const other = observation(report.context.patient);
      const message = selectOf(s, report, [one, other]);
      const response = await s.publish(message);
      expect(succeeded(response), 'a successful status', `HTTP ${response.status} ${response.body}`);
      const event = await report.driver.event(message.id);
      const selected = elementsOf(event).filter((element) => element.key === 'select');
      const named = selected.flatMap(({ reference }) => objects(Array.isArray(reference) ? reference : [reference]));
      const references = named.map((reference) => reference.reference);
      expect(
        references.length === 1 && references[0] === `Observation/${one.id}`,
        'the known Observation alone',
        references,
      );
    },
  ),
  check(
    'not-open',
    'An update, selection or close of what is not open is answered 409',
    'PUB-11',
    ['IRA-409'],
    async (s) => {
      const report = await openReport(s);
      const other: OpenReport = { ...report, context: reportContext() };
      const one = observation(other.context.patient);
      status(
        await s.publish(updateOf(s, other, report.version, [put(one)])),
        409,
        'an update of a report that is not open',
      );
      status(await s.publish(selectOf(s, other, [one])), 409, 'a selection in a report that is not open');
      const close = s.event('DiagnosticReport-close', reportElements(other.context));
      status(await s.publish(close), 409, 'a close of a report that is not open');
    },
  ),
  check(
    'content-key',
    'The current context always has the key content',
    'CON-5',
    ['RAD-153-content'],
    async (s) => {
      await openReport(s);
      const context = await s.context();
      expect(contentElements(context).length === 1, 'one element "content"', context.context);
    },
    { needs: ['get-current'] },
  ),
  check('syncerror-severity', 'A SyncError’s severity is information', 'ERR-2', ['RAD-155-severity'], async (s) => {
    const error = await refusal(s);
    const severity = syncErrorIssue(error.notification)?.severity;
    expect(severity === 'information', 'issue[0].severity: "information"', severity);
  }),
  check(
    'syncerror-codings',
    'A SyncError’s codings come in order: event id, event name, subscriber',
    'ERR-2',
    ['RAD-155-id', 'RAD-155-name', 'RAD-155-subscriber'],
    async (s) => {
      const { notification, open } = await refusal(s);
      const codes = syncErrorCodings(notification).map((coding) => coding.code);
      expect(codes[0] === open.id, `coding[0].code: the event id ${open.id}`, codes);
      expect(textOf(codes[1]).toLowerCase() === 'patient-open', 'coding[1].code: the event name', codes);
      expect(codes[2] === 'Offender', 'coding[2].code: the subscriber name "Offender"', codes);
    },
  ),
  check(
    'silent-told',
    'Who has never answered is told to the others like who stopped answering',
    'ERR-4',
    ['RAD-155-no-answer'],
    async (s) => {
      const watcher = await s.subscribe({ events: [...PATIENT, 'SyncError'], name: 'Watcher' });
      await s.subscribe({ events: [...PATIENT], name: 'Mute', answer: () => undefined });
      const open = await openPatient(s, watcher);
      // The profile names no time; FHIRcast names ten seconds.
      await watcher.syncError(open.id, 15_000);
    },
    { level: 'SHOULD', safety: true, seconds: 25 },
  ),
  check(
    'lost-connection-told',
    'A lost connection becomes a SyncError to the others',
    'ERR-3',
    ['IRA-lost'],
    async (s) => {
      const { watcher } = await lost(s);
      await watcher.notification('a SyncError', isSyncError);
    },
  ),
  check(
    'lost-connection-unsubscribed',
    'Who lost its connection is no longer subscribed',
    'ERR-3',
    ['IRA-lost-unsubscribed'],
    async (s) => {
      const { watcher, lost: other } = await lost(s);
      await watcher.notification('a SyncError', isSyncError);
      const fate = await s.fateOf(other.endpoint);
      expect(fate !== 'served', 'the subscription to be over', 'the Hub confirmed a connection to its endpoint');
    },
  ),
  check(
    'lost-connection-codings',
    'The SyncError about a lost connection names a SyncError and the subscriber',
    'ERR-3',
    ['RAD-155-no-event', 'RAD-155-subscriber'],
    async (s) => {
      const { watcher } = await lost(s);
      const codes = syncErrorCodings(await watcher.notification('a SyncError', isSyncError)).map(({ code }) => code);
      expect(typeof codes[0] === 'string' && codes[0] !== '', 'coding[0].code: a generated id', codes);
      expect(textOf(codes[1]).toLowerCase() === 'syncerror', 'coding[1].code: "syncerror"', codes);
      expect(codes[2] === 'Lost', 'coding[2].code: the subscriber name "Lost"', codes);
    },
  ),
  check(
    'syncerror-context',
    'A SyncError without an OperationOutcome is answered 400',
    'ERR-6',
    ['RAD-156-context'],
    async (s) => {
      const one = await driver(s, [...PATIENT, 'SyncError']);
      await openPatient(s, one);
      status(await s.publish(s.event('SyncError', [])), 400, 'a SyncError without operationoutcome');
    },
  ),
  refusedSyncError(
    'syncerror-conform',
    'A SyncError whose OperationOutcome says too little is answered 400',
    ['RAD-156-conform'],
    {
      'no issue': () => [],
      'an issue of another code': (issue) => [{ ...issue, code: 'exception' }],
      'no words': ({ diagnostics: _, ...issue }) => [issue],
      'no details': ({ details: _, ...issue }) => [issue],
    },
  ),
  refusedSyncError(
    'syncerror-posted-severity',
    'A SyncError from a subscriber whose severity is not warning is answered 400',
    ['RAD-156-conform', 'RAD-156-severity'],
    {
      'the severity error': (issue) => [{ ...issue, severity: 'error' }],
      'no severity': ({ severity: _, ...issue }) => [issue],
    },
  ),
  refusedSyncError(
    'syncerror-posted-codings',
    'A SyncError from a subscriber without event id, event name or subscriber is answered 400',
    ['RAD-156-conform'],
    Object.fromEntries(
      ['eventid', 'eventname', 'subscribername'].map((name) => [`no ${name}`, (issue) => [withoutCoding(issue, name)]]),
    ),
  ),
  check(
    'heartbeat',
    'A HeartBeat that somebody publishes reaches who subscribed to it, and nobody else',
    'PUB-3',
    ['RAD-154-other', 'IRA-any-event'],
    async (s) => {
      const one = await driver(s, ['HeartBeat', ...PATIENT]);
      const other = await s.subscribe({ events: PATIENT, name: 'Other' });
      const beat = await s.accepted(s.event('HeartBeat', [{ key: 'period', decimal: '10' }]));
      expectSame(beat, await one.event(beat.id));
      const open = await openPatient(s, one);
      await other.event(open.id);
      expect(
        !other.events.some(({ id }) => id === beat.id),
        'no HeartBeat to who did not subscribe to it',
        'one was sent',
      );
    },
  ),
];

type Spoil = (issue: JsonObject) => readonly JsonObject[];

function withoutCoding(issue: JsonObject, name: string): JsonObject {
  const coding = objects(isObject(issue.details) ? issue.details.coding : []);
  return { ...issue, details: { coding: coding.filter(({ system }) => !textOf(system).endsWith(`/${name}`)) } };
}

/** SyncErrors that a Hub answers 400, each with what is wrong in it. */
function refusedSyncError(
  id: string,
  title: string,
  requirements: Check['requirements'],
  spoils: Readonly<Record<string, Spoil>>,
): Check {
  return check(id, title, 'ERR-6', requirements, async (s) => {
    const one = await driver(s, [...PATIENT, 'SyncError']);
    const open = await openPatient(s, one);
    for (const [what, spoil] of Object.entries(spoils)) {
      const [element] = syncErrorElements(open, 'Doubtful');
      const outcome = isObject(element?.resource) ? element.resource : {};
      const resource = { ...outcome, issue: objects(outcome.issue).flatMap((issue) => spoil(issue)) };
      const message = s.event('SyncError', [{ key: 'operationoutcome', resource }]);
      status(await s.publish(message), 400, `a SyncError with ${what}`);
    }
  });
}

/** An open that one subscriber refuses, and the SyncError about it. */
async function refusal(s: Scenario) {
  const watcher = await s.subscribe({ events: [...PATIENT, 'SyncError'], name: 'Watcher' });
  await s.subscribe({ events: [...PATIENT], name: 'Offender', answer: () => 409 });
  const open = await openPatient(s, watcher);
  return { notification: await watcher.notification('a SyncError', isSyncError), open };
}

/** One good request of every kind that the profile knows, for an open report. */
async function everyRequest(s: Scenario): Promise<readonly EventMessage[]> {
  const report = await reportWithContent(s);
  const { one, after } = report;
  return [
    s.event('DiagnosticReport-open', reportElements(reportContext())),
    closing(s, report.opened),
    updateOf(s, report, after, [put(one)]),
    selectOf(s, report, [one]),
    s.event('SyncError', syncErrorElements(report.opened, 'Doubtful')),
  ];
}
