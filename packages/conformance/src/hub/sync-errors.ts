import type { Check } from '../check.ts';
import { CheckFailure, CheckSkip, expect, stepping } from '../expecting.ts';
import { sameJson, textOf } from '../json.ts';
import { pause } from '../pause.ts';
import {
  type EventMessage,
  encounter,
  encounterElements,
  observation,
  patient,
  patientElements,
  put,
  reportContext,
  reportElements,
  study,
  studyElements,
  syncErrorElements,
} from '../samples.ts';
import { CLOCKS_APART, momentOf } from '../specification.ts';
import { type Scenario, versionOf } from '../target/scenario.ts';
import {
  isAbout,
  isSyncError,
  type Notification,
  type PlayedAnswer,
  type PlayedSubscriber,
  syncErrorCodes,
  syncErrorIssue,
} from '../target/subscriber.ts';
import { ALL, CORE, closing, elementsOf, ONLY_3, openPatient, openReport, PATIENT, REPORT, updateOf } from './parts.ts';

const EVENTS = [...PATIENT, 'SyncError'];

interface Refused {
  readonly watcher: PlayedSubscriber;
  readonly offender: PlayedSubscriber;
  readonly unaware: PlayedSubscriber;
  readonly event: EventMessage;
}

/** One subscriber answers an open with this status; the others accept it. */
async function refused(s: Scenario, status: number | string): Promise<Refused> {
  const event = s.event('Patient-open', patientElements(patient()));
  const watcher = await s.subscribe({ events: EVENTS, name: 'Watcher' });
  const unaware = await s.subscribe({ events: PATIENT, name: 'Unaware' });
  const offender = await s.subscribe({
    events: EVENTS,
    name: 'Offender',
    answer: (one) => (one.id === event.id ? status : 200),
  });
  await s.accepted(event);
  await offender.event(event.id);
  return { watcher, offender, unaware, event };
}

/** The first SyncError, whatever is in it. @throws CheckFailure where none comes */
const anyError = (watcher: PlayedSubscriber): Promise<Notification> =>
  stepping('refuse', () => watcher.notification('a SyncError', isSyncError));

/** A SyncError about a refusal, judged. */
function about(
  id: string,
  title: string,
  requirements: Check['requirements'],
  judge: (error: Notification, refusal: Refused, s: Scenario) => void,
  versions: Check['versions'] = CORE,
): Check {
  return {
    id,
    title,
    rule: 'ERR-2',
    requirements,
    level: 'SHALL',
    versions,
    run: async (s) => {
      const refusal = await refused(s, 409);
      judge(await anyError(refusal.watcher), refusal, s);
    },
  };
}

function afterStatus(id: string, status: number, requirement: string): Check {
  return {
    id,
    title: `An answer ${status} becomes a SyncError to the others`,
    rule: 'ERR-2',
    requirements: [requirement, '2.5-others', 'RAD-154-error'],
    level: 'SHALL',
    versions: CORE,
    run: async (s) => {
      const { watcher, event } = await refused(s, status);
      await watcher.syncError(event.id);
    },
  };
}

function noneAfter(
  id: string,
  title: string,
  requirement: string,
  step: (s: Scenario, other: PlayedSubscriber) => Promise<void>,
): Check {
  return {
    id,
    title,
    rule: 'ERR-3',
    requirements: [requirement],
    level: 'SHALL',
    versions: ALL,
    run: async (s) => {
      const watcher = await s.subscribe({ events: EVENTS, name: 'Watcher' });
      const other = await s.subscribe({ events: EVENTS, name: 'Other' });
      await openPatient(s, watcher);
      await step(s, other);
      await openPatient(s, watcher);
      await s.settle();
      const error = watcher.events.find(isSyncError);
      expect(error === undefined, 'no SyncError', error?.frame.text);
    },
  };
}

export const syncErrors: readonly Check[] = [
  afterStatus('syncerror-after-409', 409, '2.5-409'),
  afterStatus('syncerror-after-4xx', 422, '2.5-4xx'),
  afterStatus('syncerror-after-500', 500, '2.5-500'),
  afterStatus('syncerror-after-5xx', 503, '2.5-5xx'),
  {
    id: 'syncerror-after-string-status',
    title: 'A status written as a string, as the specification’s example does, is understood',
    rule: 'ERR-1',
    requirements: ['2.5-string-status', '2.5-409'],
    level: 'SHOULD',
    safety: true,
    versions: CORE,
    run: async (s) => {
      const { watcher, event } = await refused(s, '409');
      await watcher.syncError(event.id);
    },
  },
  {
    id: 'syncerror-any-case',
    title: 'SyncErrors are told however a subscriber wrote their name',
    rule: 'SUB-3',
    requirements: ['2.4-case', '2.5-others'],
    level: 'SHALL',
    safety: true,
    versions: CORE,
    run: async (s) => {
      const watcher = await s.subscribe({ events: [...PATIENT, 'syncerror'], name: 'Watcher' });
      await s.subscribe({ events: PATIENT, name: 'Offender', answer: () => 409 });
      const open = await openPatient(s, watcher);
      await watcher.syncError(open.id);
    },
  },
  {
    id: 'syncerror-after-refused-close',
    title: 'A refused close is told like a refused open',
    rule: 'ERR-2',
    requirements: ['2.5-409', '2.5-others'],
    level: 'SHALL',
    safety: true,
    versions: CORE,
    run: async (s) => {
      const watcher = await s.subscribe({ events: EVENTS, name: 'Watcher' });
      const answer: PlayedAnswer = ({ name }) => (name === 'patient-close' ? 409 : 200);
      await s.subscribe({ events: PATIENT, name: 'Offender', answer });
      const close = await s.accepted(closing(s, await openPatient(s, watcher)));
      await watcher.syncError(close.id);
    },
  },
  {
    id: 'syncerror-each-refusal',
    title: 'Where two refuse, both are named',
    rule: 'ERR-2',
    requirements: ['2.5-409', '2.5-others', 'RAD-155-each'],
    level: 'SHALL',
    safety: true,
    versions: CORE,
    run: async (s) => {
      const watcher = await s.subscribe({ events: EVENTS, name: 'Watcher' });
      for (const name of ['First', 'Second']) await s.subscribe({ events: PATIENT, name, answer: () => 409 });
      const open = await openPatient(s, watcher);
      for (const name of ['First', 'Second']) {
        const names = (one: Notification) => isAbout(one, open.id) && syncErrorCodes(one).subscriber === name;
        const what = `a SyncError about the event ${open.id} that names "${name}"`;
        await stepping('refuse', () => watcher.notification(what, names));
      }
    },
  },
  {
    id: 'syncerror-to-each',
    title: 'Each of several others is told of a refusal, and of the same one',
    rule: 'ERR-2',
    requirements: ['2.5-others', '2.5-409', 'RAD-154-error'],
    level: 'SHALL',
    safety: true,
    versions: CORE,
    run: async (s) => {
      const watchers = [];
      for (const name of ['One', 'Two', 'Three']) watchers.push(await s.subscribe({ events: EVENTS, name }));
      await s.subscribe({ events: PATIENT, name: 'Offender', answer: () => 409 });
      const [first] = watchers;
      for (let index = 0; index < 3; index++) {
        const open = await openPatient(s, first!);
        const told = await Promise.all(watchers.map((one) => one.syncError(open.id)));
        for (const error of told) {
          const { eventName, subscriber } = syncErrorCodes(error);
          expect(subscriber === 'Offender', 'a coding of the subscriber name "Offender"', syncErrorIssue(error));
          const named = textOf(eventName).toLowerCase() === 'patient-open';
          expect(named, 'a coding of the event name Patient-open', syncErrorIssue(error));
          const same = sameJson(error.event.context, told[0]?.event.context) && error.id === told[0]?.id;
          expect(
            same,
            'one SyncError for all',
            told.map(({ frame }) => frame.text),
          );
        }
      }
    },
  },
  {
    id: 'syncerror-between-offenders',
    title: 'Who refused is told that another refused too',
    rule: 'ERR-2',
    requirements: ['2.5-others', '2.5-409'],
    level: 'SHALL',
    safety: true,
    versions: CORE,
    run: async (s) => {
      const watcher = await s.subscribe({ events: EVENTS, name: 'Watcher' });
      const answer: PlayedAnswer = ({ name }) => (name === 'patient-open' ? 409 : 200);
      const names = ['First', 'Second'];
      const offenders = [];
      for (const name of names) offenders.push(await s.subscribe({ events: EVENTS, name, answer }));
      const open = await openPatient(s, watcher);
      for (const [index, one] of offenders.entries()) {
        const other = names[1 - index];
        const isIt = (error: Notification) => isAbout(error, open.id) && syncErrorCodes(error).subscriber === other;
        const what = `a SyncError about the event ${open.id} that names "${other}"`;
        await stepping('refuse', () => one.notification(what, isIt));
      }
    },
  },
  {
    id: 'syncerror-every-kind',
    title: 'A refusal is told whatever kind of context was opened or closed',
    rule: 'ERR-2',
    requirements: ['2.5-409', '2.5-others'],
    level: 'SHALL',
    safety: true,
    versions: CORE,
    run: async (s) => {
      const types = ['Encounter', 'ImagingStudy', 'DiagnosticReport'];
      const events = types.flatMap((type) => [`${type}-open`, `${type}-close`]);
      const watcher = await s.subscribe({ events: [...EVENTS, ...events], name: 'Watcher' });
      await s.subscribe({ events: [...PATIENT, ...events], name: 'Offender', answer: () => 409 });
      const report = reportContext();
      const of = report.patient;
      for (const [type, elements] of [
        ['Encounter', encounterElements(encounter(of), of)],
        ['ImagingStudy', studyElements(study(of), of)],
        ['DiagnosticReport', reportElements(report)],
      ] as const) {
        for (const action of ['open', 'close']) {
          const name = `${type}-${action}`;
          if (!s.claims(name)) continue;
          const message = await s.accepted(s.event(name, elements));
          const error = await watcher.syncError(message.id);
          const told = textOf(syncErrorCodes(error).eventName).toLowerCase();
          expect(told === name.toLowerCase(), `a coding of the event name ${name}`, syncErrorIssue(error));
        }
      }
    },
  },
  {
    id: 'syncerror-every-status',
    title: 'Whatever 4xx or 5xx a subscriber answers becomes a SyncError',
    rule: 'ERR-2',
    requirements: ['2.5-4xx', '2.5-5xx', '2.5-2xx', '2.5-others'],
    level: 'SHALL',
    safety: true,
    versions: CORE,
    seconds: 30,
    run: async (s) => {
      const refusals = [400, 401, 403, 404, 408, 410, 413, 423, 429, 499, 501, 502, 504, 599];
      const statuses = [...refusals];
      const watcher = await s.subscribe({ events: EVENTS, name: 'Watcher' });
      await s.subscribe({ events: PATIENT, name: 'Offender', answer: () => statuses.shift() ?? 200 });
      for (const status of refusals) {
        const open = await openPatient(s, watcher);
        const told = watcher.syncError(open.id).catch((error: unknown) => {
          if (!(error instanceof CheckFailure)) throw error;
          throw new CheckFailure(`a SyncError after an answer ${status}`, error.seen);
        });
        await stepping('refuse', () => told);
      }
    },
  },
  {
    id: 'syncerror-right-event',
    title: 'A refusal is of the event whose id the answer has, also where another one came since',
    rule: 'ERR-1',
    requirements: ['3.2.1-profile', '2.5-409', 'RAD-155-id'],
    level: 'SHALL',
    safety: true,
    versions: CORE,
    run: async (s) => {
      const watcher = await s.subscribe({ events: EVENTS, name: 'Watcher' });
      const slow = await s.subscribe({ events: PATIENT, name: 'Slow', answer: () => undefined });
      const first = await openPatient(s, watcher);
      const second = await s.accepted(closing(s, first));
      for (const { id } of [first, second]) await slow.event(id);
      slow.send(JSON.stringify({ id: second.id, status: 200 }));
      slow.send(JSON.stringify({ id: first.id, status: 409 }));
      const error = await watcher.syncError(first.id);
      const { eventId, eventName } = syncErrorCodes(error);
      const right = eventId === first.id && textOf(eventName).toLowerCase() === 'patient-open';
      expect(right, `codings of the Patient-open ${first.id}`, syncErrorIssue(error));
      await s.settle();
      const other = watcher.events.find((one) => isAbout(one, second.id));
      expect(other === undefined, 'no SyncError about the event that was accepted', other?.frame.text);
    },
  },
  {
    id: 'syncerror-name-as-given',
    title: 'A SyncError names the subscriber as it named itself, whatever letters that takes',
    rule: 'ERR-2',
    requirements: ['2.4-name', '3.2.1-profile', 'RAD-155-subscriber'],
    level: 'SHALL',
    versions: CORE,
    run: async (s) => {
      const name = 'Łukasz & Söhne: Viewer 100% + "健太" 😀';
      const watcher = await s.subscribe({ events: EVENTS, name: 'Watcher' });
      await s.subscribe({ events: PATIENT, name, answer: () => 409 });
      const open = await openPatient(s, watcher);
      const { subscriber } = syncErrorCodes(await watcher.syncError(open.id));
      expect(subscriber === name, `a coding of the subscriber name ${name}`, subscriber);
    },
  },
  {
    id: 'no-syncerror-after-success',
    title: 'A 200, a 202 or any other 2xx is no error',
    rule: 'ERR-1',
    requirements: ['2.5-2xx'],
    level: 'SHALL',
    versions: ALL,
    run: async (s) => {
      const successes = [200, 201, 202, 203, 204, 206, 226];
      const statuses = [...successes];
      const watcher = await s.subscribe({ events: EVENTS, name: 'Watcher' });
      await s.subscribe({ events: EVENTS, name: 'Other', answer: () => statuses.shift() ?? 200 });
      for (const _status of successes) await openPatient(s, watcher);
      await s.settle();
      const error = watcher.events.find(isSyncError);
      expect(error === undefined, 'no SyncError', error?.frame.text);
    },
  },
  {
    id: 'syncerror-not-to-offender',
    title: 'The subscriber that refused is not told of its own refusal',
    rule: 'ERR-2',
    requirements: ['2.5-others'],
    level: 'SHALL',
    versions: ONLY_3,
    run: async (s) => {
      const { watcher, offender } = await refused(s, 409);
      await anyError(watcher);
      await s.settle();
      const error = offender.events.find(isSyncError);
      expect(error === undefined, 'no SyncError to the subscriber that refused', error?.frame.text);
    },
  },
  {
    id: 'syncerror-subscribed-only',
    title: 'Only subscribers of SyncError are told',
    rule: 'ERR-2',
    requirements: ['2.5-subscribed-error', '2.4-not-subscribed'],
    level: 'SHALL',
    versions: CORE,
    run: async (s) => {
      const { watcher, unaware } = await refused(s, 409);
      await anyError(watcher);
      await s.settle();
      const error = unaware.events.find(isSyncError);
      expect(error === undefined, 'no SyncError to who did not subscribe to it', error?.frame.text);
    },
  },
  {
    id: 'syncerror-once',
    title: 'One refusal is one SyncError',
    rule: 'ERR-2',
    requirements: ['2.5-no-duplicates', '2.5-409'],
    level: 'SHOULD',
    versions: CORE,
    run: async (s) => {
      const { watcher } = await refused(s, 409);
      await anyError(watcher);
      await s.settle();
      const times = watcher.events.filter(isSyncError).length;
      expect(times === 1, 'one SyncError', `${times} of them`);
    },
  },
  about(
    'syncerror-structure',
    'A SyncError is an event with one OperationOutcome',
    ['2.5-same-structure', '3.2.1-profile', 'RAD-155-conform'],
    (error, _refusal, s) => {
      expect(typeof error.id === 'string' && typeof error.timestamp === 'string', 'id and timestamp', error.frame.text);
      expect(error.event['hub.topic'] === s.topic, `hub.topic: "${s.topic}"`, error.event['hub.topic']);
      const elements = elementsOf(error);
      const resource = elements[0]?.resource as { resourceType?: unknown } | undefined;
      const one = elements.length === 1 && elements[0]?.key === 'operationoutcome';
      expect(
        one && resource?.resourceType === 'OperationOutcome',
        'one element "operationoutcome"',
        error.event.context,
      );
    },
  ),
  about('syncerror-timestamp', 'Its timestamp is the time at which it happened, in UTC', ['2.5-timestamp'], (error) => {
    const moment = momentOf(textOf(error.timestamp));
    expect(!Number.isNaN(moment), 'a timestamp such as 2026-01-31T09:00:00.000Z', error.timestamp);
    const now = Date.now();
    const right = Math.abs(now - moment) < CLOCKS_APART;
    expect(right, `a timestamp of about now, ${new Date(now).toISOString()}`, error.timestamp);
  }),
  about('syncerror-own-id', 'A SyncError has an id of its own', ['2.5-id'], (error, { event }) =>
    expect(error.id !== event.id, 'another id than the refused event’s', error.id),
  ),
  about(
    'syncerror-severity',
    'Its severity is warning',
    ['3.2.1-severity'],
    (error) => {
      const severity = syncErrorIssue(error)?.severity;
      expect(severity === 'warning', 'issue.severity: "warning"', severity);
    },
    ONLY_3,
  ),
  about('syncerror-code', 'Its code is processing', ['3.2.1-profile'], (error) => {
    const code = syncErrorIssue(error)?.code;
    expect(code === 'processing', 'issue.code: "processing"', code);
  }),
  about('syncerror-diagnostics', 'It says what happened in words', ['3.2.1-diagnostics', '3.2.1-profile'], (error) => {
    const words = syncErrorIssue(error)?.diagnostics;
    expect(typeof words === 'string' && words.trim() !== '', 'issue.diagnostics: a text', words);
  }),
  about(
    'syncerror-event-id',
    'It names the refused event’s id',
    ['3.2.1-profile', 'RAD-155-id'],
    (error, { event }) => {
      const { eventId } = syncErrorCodes(error);
      expect(eventId === event.id, `a coding of the event id ${event.id}`, syncErrorIssue(error));
    },
  ),
  about('syncerror-event-name', 'It names the refused event', ['3.2.1-profile', 'RAD-155-name'], (error) => {
    const { eventName } = syncErrorCodes(error);
    expect(textOf(eventName).toLowerCase() === 'patient-open', 'a coding of the event name', syncErrorIssue(error));
  }),
  about('syncerror-subscriber', 'It names the subscriber', ['3.2.1-profile', 'RAD-155-subscriber'], (error) => {
    const { subscriber } = syncErrorCodes(error);
    expect(subscriber === 'Offender', 'a coding of the subscriber name "Offender"', syncErrorIssue(error));
  }),
  {
    id: 'syncerror-from-subscriber',
    title: 'A SyncError that a subscriber sends is broadcast',
    rule: 'ERR-6',
    requirements: ['2.5-subscribed-error', '2.5-from-subscriber'],
    level: 'SHALL',
    versions: CORE,
    run: async (s) => {
      const watcher = await s.subscribe({ events: EVENTS, name: 'Watcher' });
      const open = await openPatient(s, watcher);
      const error = await s.accepted(s.event('SyncError', syncErrorElements(open, 'Doubtful')));
      const came = await watcher.event(error.id);
      expect(sameJson(came.event.context, error.event.context), 'the SyncError as it was sent', came.event.context);
    },
  },
  {
    id: 'refusal-keeps-context',
    title: 'After a refusal the Hub goes on',
    rule: 'ERR-2',
    requirements: ['2.5-notify', 'RAD-154-keep'],
    level: 'SHALL',
    safety: true,
    versions: ALL,
    run: async (s) => {
      const { watcher, offender } = await refused(s, 409);
      const next = await openPatient(s, watcher);
      await offender.event(next.id);
    },
  },
  noneAfter('no-syncerror-after-1000', 'Closing with 1000 is no error', '2.5-normal-close', (_s, other) =>
    other.close(1000),
  ),
  noneAfter('no-syncerror-after-1001', 'Going away with 1001 is no error', '2.5-normal-close', (_s, other) =>
    other.close(1001),
  ),
  noneAfter(
    'no-syncerror-after-unknown-answer',
    'An answer 200 to no event is no error',
    '2.5-2xx',
    async (_s, other) => {
      other.send(JSON.stringify({ id: 'unknown', status: 200 }));
      for (const { id } of other.events) other.send(JSON.stringify({ id, status: 200 }));
    },
  ),
  {
    ...noneAfter('no-syncerror-after-noise', 'Text that is no answer does no harm', '2.5-2xx', async (s, other) => {
      for (const noise of ['', 'hello', '{}', '[1]', '{"id": 7}']) other.send(noise);
      await s.settle();
      // A Hub may close such a connection; one that stays is told what happens.
      if (!other.closed) await openPatient(s, other);
    }),
    level: 'SHOULD',
  },
  {
    ...noneAfter(
      'no-syncerror-after-unsubscribe',
      'Unsubscribing is no error',
      '2.5-normal-close',
      async (s, other) => void (await s.unsubscribe(other)),
    ),
    level: 'SHOULD',
  },
  {
    id: 'lost-connection-told',
    title: 'A connection lost without a normal close is told to the others',
    rule: 'ERR-3',
    requirements: ['2.5-lost'],
    level: 'MAY',
    safety: true,
    versions: ONLY_3,
    run: async (s) => {
      const { watcher } = await lost(s);
      await watcher.notification('a SyncError', isSyncError);
    },
  },
  {
    id: 'syncerror-not-for-updates',
    title: 'A refused update is no SyncError',
    rule: 'ERR-5',
    requirements: ['3.2.1-not-content'],
    level: 'SHOULD',
    versions: ONLY_3,
    needs: ['content'],
    run: async (s) => {
      const report = await openReport(s);
      const refusing = await s.subscribe({
        events: REPORT,
        name: 'Refusing',
        answer: (event) => (event.name === 'diagnosticreport-update' ? 409 : 200),
      });
      const message = updateOf(s, report, report.version, [put(observation(report.context.patient))]);
      await s.accepted(message);
      versionOf(await report.driver.event(message.id));
      await refusing.event(message.id);
      // What came of the answer is there before what is asked for after it.
      await openReport(s, report.driver);
      await s.settle();
      const error = report.driver.events.find(isSyncError);
      expect(error === undefined, 'no SyncError about an update', error?.frame.text);
    },
  },
  {
    id: 'unresponsive-unsubscribed',
    title: 'A subscriber that never answers is unsubscribed once the others were told',
    rule: 'ERR-4',
    requirements: ['2.5-unresponsive'],
    level: 'SHALL',
    versions: CORE,
    seconds: 45,
    run: async (s) => {
      const watcher = await s.subscribe({ events: EVENTS, name: 'Watcher' });
      let silent = false;
      const mute = await s.subscribe({ events: PATIENT, name: 'Mute', answer: () => (silent ? undefined : 200) });
      const first = await openPatient(s, watcher);
      await mute.event(first.id);
      silent = true;
      const opens = [];
      for (let index = 0; index < 6; index++) opens.push(await openPatient(s, watcher));
      // 10 s is what the specification names; a Hub may take it easy, and need not report it at all.
      const told = await watcher.notification('a SyncError', isSyncError, 13_000).catch(() => undefined);
      if (!told) throw new CheckSkip('The Hub sent no SyncError within 13 s of silence, which it may leave');
      await pause(s.hub.waits.settleMs);
      await mute.waitForClose(5000).catch(() => undefined);
      const gone = mute.closed !== undefined || mute.denials.length > 0;
      expect(
        gone,
        'the silent subscriber to be unsubscribed',
        `${opens.length} unanswered events, and it is still connected`,
      );
    },
  },
];

/** One subscriber whose connection breaks off. */
export async function lost(s: Scenario): Promise<{ watcher: PlayedSubscriber; lost: PlayedSubscriber }> {
  const watcher = await s.subscribe({ events: EVENTS, name: 'Watcher' });
  const other = await s.subscribe({ events: EVENTS, name: 'Lost' });
  await openPatient(s, watcher);
  other.cut();
  return { watcher, lost: other };
}
