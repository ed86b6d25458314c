import { type Check, CheckFailure, expect } from '../check.ts';
import { sameJson } from '../json.ts';
import {
  encounter,
  encounterElements,
  logoutElements,
  observation,
  patient,
  patientElements,
  study,
  studyElements,
} from '../samples.ts';
import { type Scenario, succeeded } from '../target/scenario.ts';
import type { Notification, Subscriber } from '../target/subscriber.ts';
import {
  ALL,
  CONTEXT_EVENTS,
  CORE,
  closing,
  driver,
  elementsOf,
  elementWith,
  ONLY_3,
  openPatient,
  PATIENT,
} from './parts.ts';

/** A check on what another application is told of an opened patient. */
function delivered(
  id: string,
  title: string,
  requirements: Check['requirements'],
  judge: (event: Notification, open: ReturnType<Scenario['event']>, s: Scenario) => void,
): Check {
  return {
    id,
    title,
    rule: 'PUB-3',
    requirements,
    level: 'SHALL',
    versions: ALL,
    run: async (s) => {
      const one = await driver(s, PATIENT);
      const open = await s.accepted(s.event('Patient-open', patientElements(patient())));
      // Not found by its id, so that a changed id is seen as such.
      const event = await one.notification('the Patient-open', (event) => event.name === 'patient-open');
      judge(event, open, s);
    },
  };
}

/** A request that lacks something: the Hub rejects it, or completes it, but never passes it on as it is. */
function incomplete(
  id: string,
  title: string,
  requirements: Check['requirements'],
  spoil: (message: Record<string, unknown>, event: Record<string, unknown>) => unknown,
  complete: (event: Notification) => boolean = () => false,
): Check {
  return {
    id,
    title,
    rule: 'PUB-5',
    requirements,
    level: 'SHALL',
    versions: CORE,
    run: async (s) => {
      const one = await driver(s, [...PATIENT, 'SyncError']);
      const whole = s.event('Patient-open', patientElements(patient()));
      const event: Record<string, unknown> = { ...whole.event };
      await s.publish(spoil({ ...whole, event }, event));
      await s.settle();
      const broken = one.events.find((came) => came.name !== 'syncerror' && !complete(came));
      expect(broken === undefined, 'no incomplete event to any subscriber', broken?.frame.text);
      await openPatient(s, one);
    },
  };
}

function infrastructure(
  id: string,
  name: string,
  requirement: string,
  context: () => readonly { key: string }[],
): Check {
  return {
    id,
    title: `${name} is broadcast`,
    rule: 'PUB-10',
    requirements: [requirement],
    level: 'SHALL',
    versions: CORE,
    run: async (s) => {
      const one = await driver(s, ['Patient-open', name]);
      await openPatient(s, one);
      const sent = await s.accepted(s.event(name, context()));
      const event = await one.event(sent.id);
      expect(event.name === name.toLowerCase(), name, event.event['hub.event']);
      expect(sameJson(event.event.context, sent.event.context), 'the context as it was sent', event.event.context);
    },
  };
}

export const delivery: readonly Check[] = [
  {
    id: 'publish-accepted',
    title: 'A context change is accepted with a successful status',
    rule: 'PUB-1',
    requirements: ['2.6-answer', 'IRA-any-event'],
    level: 'SHALL',
    versions: ALL,
    run: async (s) => {
      await driver(s, PATIENT);
      await s.accepted(s.event('Patient-open', patientElements(patient())));
    },
  },
  {
    id: 'publish-answer-readable',
    title: 'The answer to a context change can be read',
    rule: 'PUB-1',
    requirements: ['2-https', '2.6-answer'],
    level: 'SHALL',
    versions: ALL,
    run: async (s) => {
      await driver(s, PATIENT);
      const response = await s.publish(s.event('Patient-open', patientElements(patient())));
      expect(succeeded(response), 'a successful status', `HTTP ${response.status} ${response.body}`);
      const claimsJson = /json/i.test(response.headers['content-type'] ?? '');
      const seen = `Content-Type: ${response.headers['content-type']}, body "${response.body}"`;
      expect(!claimsJson || response.json !== undefined, 'JSON in a body that says it is JSON', seen);
    },
  },
  {
    id: 'publish-fhir-json',
    title: 'A context change may come as application/fhir+json',
    rule: 'PUB-1',
    requirements: ['2.6-fhir-json'],
    level: 'SHOULD',
    versions: CORE,
    run: async (s) => {
      const one = await driver(s, PATIENT);
      const event = s.event('Patient-open', patientElements(patient()));
      await s.accepted(event, { contentType: 'application/fhir+json' });
      await one.event(event.id);
    },
  },
  {
    id: 'broadcast-to-requester',
    title: 'The requester is told its own change',
    rule: 'PUB-3',
    requirements: ['2.6-broadcast', 'STU2-broadcast'],
    level: 'SHALL',
    versions: ALL,
    run: async (s) => {
      const one = await driver(s, PATIENT);
      const event = s.event('Patient-open', patientElements(patient()));
      const response = await s.publish({ ...event, 'subscriber.name': 'Driver' }, { who: 'Driver' });
      const taken = succeeded(response) ? event : await s.accepted(event);
      await one.event(taken.id);
    },
  },
  {
    id: 'broadcast-to-all',
    title: 'Every subscriber of an event is told',
    rule: 'PUB-3',
    requirements: ['2.5-notify', '2.6-broadcast', 'STU2-notify', 'RAD-154-each', 'IRA-distribute'],
    level: 'SHALL',
    versions: ALL,
    run: async (s) => {
      const all = await Promise.all(['One', 'Two', 'Three'].map((name) => s.subscribe({ events: PATIENT, name })));
      const open = await s.accepted(s.event('Patient-open', patientElements(patient())));
      await Promise.all(all.map((one) => one.event(open.id)));
      const close = await s.accepted(closing(s, open));
      await Promise.all(all.map((one) => one.event(close.id)));
    },
  },
  delivered('broadcast-id', 'The broadcast has the request’s id', ['2.6-id', '2.5-id'], (event, open) =>
    expect(event.id === open.id, `id: "${open.id}"`, event.id),
  ),
  delivered('broadcast-timestamp', 'The broadcast has the request’s timestamp', ['2.5-timestamp'], (event, open) => {
    const time = typeof event.timestamp === 'string' ? Date.parse(event.timestamp) : Number.NaN;
    expect(time === Date.parse(open.timestamp), `timestamp: "${open.timestamp}"`, event.timestamp);
  }),
  delivered('broadcast-topic', 'The broadcast names the session', ['2.3-topic'], (event, _open, s) =>
    expect(event.event['hub.topic'] === s.topic, `hub.topic: "${s.topic}"`, event.event['hub.topic']),
  ),
  delivered(
    'broadcast-context',
    'The broadcast has the request’s context, whole',
    ['2.3-complete', '2.3-required'],
    (event, open) =>
      expect(sameJson(event.event.context, open.event.context), 'the context as it was sent', event.event.context),
  ),
  delivered('broadcast-fields', 'The broadcast’s fields have their types', ['2.5-event', '2.5-timestamp'], (event) => {
    expect(typeof event.id === 'string' && event.id !== '', 'id: a string', event.id);
    expect(typeof event.timestamp === 'string', 'timestamp: a string', event.timestamp);
    expect(typeof event.event['hub.event'] === 'string', 'event["hub.event"]: a string', event.event);
    expect(Array.isArray(event.event.context), 'event.context: an array', event.event.context);
  }),
  {
    id: 'broadcast-once',
    title: 'An event is delivered once',
    rule: 'PUB-3',
    requirements: ['2.5-id', '2.5-no-duplicates'],
    level: 'SHOULD',
    versions: ALL,
    run: async (s) => {
      const one = await driver(s, PATIENT);
      const open = await openPatient(s, one);
      await openPatient(s, one);
      await s.settle();
      const times = one.events.filter((event) => event.id === open.id).length;
      expect(times === 1, 'the event once', `${times} times`);
    },
  },
  {
    id: 'broadcast-in-order',
    title: 'Events come in the order in which the Hub took them',
    rule: 'PUB-3',
    requirements: ['2.10-order', '2.5-notify'],
    level: 'SHOULD',
    versions: ALL,
    run: async (s) => {
      const both = [await driver(s, PATIENT), await s.subscribe({ events: PATIENT, name: 'Second' })];
      const sent: string[] = [];
      for (let index = 0; index < 8; index++) {
        sent.push((await s.accepted(s.event('Patient-open', patientElements(patient())))).id);
      }
      for (const one of both) {
        await Promise.all(sent.map((id) => one.event(id)));
        const came = one.events.map((event) => event.id).filter((id) => sent.includes(String(id)));
        expect(
          sameJson(came, sent),
          `the order ${sent.map((id) => id.slice(0, 4))}`,
          came.map((id) => String(id).slice(0, 4)),
        );
      }
    },
  },
  {
    id: 'subscribed-events-only',
    title: 'Nobody is told an event that it is not subscribed to',
    rule: 'PUB-3',
    requirements: ['2.4-not-subscribed'],
    level: 'SHALL',
    versions: ALL,
    run: async (s) => {
      const all = await driver(s, CONTEXT_EVENTS);
      const narrow = await s.subscribe({ events: ['ImagingStudy-close'], name: 'Narrow' });
      const open = await openPatient(s, all);
      const of = patient();
      const elements = studyElements(study(of), of);
      await s.accepted(s.event('ImagingStudy-open', elements));
      await s.accepted(closing(s, open));
      const close = await s.accepted(s.event('ImagingStudy-close', elements));
      await narrow.event(close.id);
      await s.settle();
      const other = narrow.events.find((event) => event.name !== 'imagingstudy-close');
      expect(other === undefined, 'ImagingStudy-close only', other?.frame.text);
    },
  },
  {
    id: 'sessions-apart',
    title: 'Nobody is told an event of another session',
    rule: 'PUB-3',
    requirements: ['2.3-topic', '2.5-notify'],
    level: 'SHALL',
    versions: ALL,
    run: async (s) => {
      const other = await s.otherTopic();
      const here = await driver(s, PATIENT);
      const there = await s.subscribe({ events: PATIENT, name: 'Elsewhere', fields: { 'hub.topic': other } });
      const open = await openPatient(s, here);
      await s.settle();
      expect(!there.events.some((event) => event.id === open.id), 'no event of another session', 'it was delivered');
    },
  },
  incomplete(
    'publish-without-id',
    'A request without id is not passed on',
    ['2.5-id', '2.6-id'],
    (message) => ({ ...message, id: undefined }),
    (event) => typeof event.id === 'string' && event.id !== '',
  ),
  incomplete(
    'publish-without-timestamp',
    'A request without timestamp is not passed on',
    ['2.5-timestamp', '2.6-required'],
    (message) => ({ ...message, timestamp: undefined }),
    (event) => typeof event.timestamp === 'string',
  ),
  incomplete(
    'publish-without-context',
    'A request without context is not passed on',
    ['2.3-required'],
    (message, event) => ({ ...message, event: { ...event, context: undefined } }),
  ),
  incomplete(
    'publish-context-no-array',
    'A context that is no array is not passed on',
    ['2.3-required'],
    (message, event) => ({ ...message, event: { ...event, context: { key: 'patient' } } }),
  ),
  incomplete(
    'publish-without-anchor',
    'A Patient-open without a patient is not passed on',
    ['2.3-anchor', '2.3-required'],
    (message, event) => ({ ...message, event: { ...event, context: [] } }),
  ),
  incomplete(
    'publish-key-in-wrong-case',
    'Keys are case-sensitive: "Patient" is not "patient"',
    ['2.3-key-case'],
    (message, event) => ({ ...message, event: { ...event, context: [{ key: 'Patient', resource: patient() }] } }),
  ),
  incomplete(
    'publish-wrong-resource',
    'A Patient-open with another resource as patient is not passed on',
    ['2.3-anchor'],
    (message, event) => ({
      ...message,
      event: { ...event, context: [{ key: 'patient', resource: observation(patient()) }] },
    }),
  ),
  {
    id: 'publish-without-topic',
    title: 'A request without hub.topic is rejected',
    rule: 'PUB-5',
    requirements: ['2.6-answer', '2.3-topic'],
    level: 'SHALL',
    versions: ALL,
    run: async (s) => {
      const { 'hub.topic': _topic, ...event } = s.event('Patient-open', patientElements(patient())).event;
      const response = await s.publish({ ...s.event('Patient-open', []), event });
      expect(response.status >= 400 && response.status < 600, 'HTTP 4xx or 5xx', `HTTP ${response.status}`);
    },
  },
  {
    id: 'publish-malformed',
    title: 'A body that is no JSON is rejected, and nobody is disturbed',
    rule: 'PUB-6',
    requirements: ['2.6-answer'],
    level: 'SHALL',
    versions: ALL,
    run: async (s) => {
      const one = await driver(s, PATIENT);
      for (const body of ['{"timestamp": "20', '[]', 'null', '"Patient-open"']) {
        const response = await s.publish(body);
        expect(
          response.status >= 400 && response.status < 600,
          `HTTP 4xx or 5xx to ${body}`,
          `HTTP ${response.status}`,
        );
      }
      await openPatient(s, one);
    },
  },
  {
    id: 'rejected-changes-nothing',
    title: 'A rejected request leaves sockets and sessions as they were',
    rule: 'PUB-6',
    requirements: ['2.6-answer', '2.5-notify'],
    level: 'SHALL',
    versions: ALL,
    run: async (s) => {
      const one = await driver(s, PATIENT);
      await openPatient(s, one);
      await s.publish({ nothing: true });
      await s.publish(s.event('Patient-open', []));
      await openPatient(s, one);
      expect(one.closed === undefined, 'the socket to stay open', one.closed);
    },
  },
  infrastructure('user-logout', 'UserLogout', '3.2.2-logout', logoutElements),
  infrastructure('user-hibernate', 'UserHibernate', '3.2.3-hibernate', logoutElements),
  infrastructure('home-open', 'Home-open', '3.2.5-home', () => []),
  {
    id: 'derived-open',
    title: 'Who follows patients only is told the patient of an encounter',
    rule: 'DER-1',
    requirements: ['2.5-derive'],
    level: 'SHALL',
    versions: ONLY_3,
    run: async (s) => {
      const all = await driver(s, CONTEXT_EVENTS);
      const narrow = await patientsOnly(s);
      if (!narrow) return;
      const of = patient();
      const open = await s.accepted(s.event('Encounter-open', encounterElements(encounter(of), of)));
      await all.event(open.id);
      const derived = await narrow.notification(
        'a Patient-open for the encounter’s patient',
        (one) => one.name === 'patient-open',
      );
      const element = elementWith(elementsOf(derived), 'patient');
      expect(sameJson(element?.resource, of), 'the encounter’s patient', derived.event.context);
    },
  },
  {
    id: 'derived-open-complete',
    title: 'A derived open is an event like any other',
    rule: 'DER-1',
    requirements: ['2.5-derive', '2.5-event'],
    level: 'SHALL',
    versions: ONLY_3,
    run: async (s) => {
      const all = await driver(s, CONTEXT_EVENTS);
      const narrow = await patientsOnly(s);
      if (!narrow) return;
      const of = patient();
      const open = await s.accepted(s.event('Encounter-open', encounterElements(encounter(of), of)));
      await all.event(open.id);
      const derived = await narrow.notification(
        'a Patient-open for the encounter’s patient',
        (one) => one.name === 'patient-open',
      );
      expect(typeof derived.id === 'string' && derived.id !== '', 'an id', derived.id);
      expect(typeof derived.timestamp === 'string', 'a timestamp', derived.timestamp);
      expect(derived.event['hub.topic'] === s.topic, `hub.topic: "${s.topic}"`, derived.event['hub.topic']);
      const keys = elementsOf(derived).map((one) => one.key);
      expect(sameJson(keys, ['patient']), 'the keys of a Patient-open: patient', keys);
    },
  },
  {
    id: 'derived-not-twice',
    title: 'Who is told the original is told no derived one',
    rule: 'DER-2',
    requirements: ['2.5-no-duplicates'],
    level: 'SHOULD',
    versions: ONLY_3,
    run: async (s) => {
      const all = await driver(s, ['Encounter-open', 'Patient-open']);
      const of = patient();
      const open = await s.accepted(s.event('Encounter-open', encounterElements(encounter(of), of)));
      await all.event(open.id);
      await s.settle();
      const names = all.events.map((event) => event.name);
      expect(names.filter((name) => name === 'encounter-open').length === 1, 'Encounter-open once', names);
      expect(names.filter((name) => name === 'patient-open').length <= 1, 'Patient-open at most once', names);
    },
  },
];

/** A subscriber of Patient-open alone; undefined where the Hub wants the same events from all, which it may. */
async function patientsOnly(s: Scenario): Promise<Subscriber | undefined> {
  try {
    return await s.subscribe({ events: ['Patient-open'], name: 'Patients only' });
  } catch (error) {
    if (!(error instanceof CheckFailure)) throw error;
    s.note('The Hub refuses a subscription to other events than the first one’s, which 2.4 and 2.5 allow');
    return undefined;
  }
}
