import { randomUUID } from 'node:crypto';
import type { Check } from '../check.ts';
import { CheckSkip, expect } from '../expecting.ts';
import { sameInstant } from '../fidelity.ts';
import { sameJson, textOf } from '../json.ts';
import {
  encounter,
  encounterElements,
  logoutElements,
  patient,
  patientAbroad,
  patientElements,
  reportContext,
  reportElements,
  study,
  studyElements,
} from '../samples.ts';
import { type Scenario, succeeded } from '../target/scenario.ts';
import type { Notification } from '../target/subscriber.ts';
import { ALL, CONTEXT_EVENTS, CORE, closing, driver, openPatient, PATIENT } from './parts.ts';
import { expectSame } from './same.ts';

/** A check on what another application receives of an opened patient. */
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

/** Who receives an event, and what. */
export const delivery: readonly Check[] = [
  {
    id: 'broadcast-to-requester',
    title: 'The requester is told its own change',
    rule: 'PUB-3',
    requirements: ['2.6-broadcast', 'STU2-broadcast'],
    level: 'SHALL',
    safety: true,
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
    safety: true,
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
  delivered('broadcast-timestamp', 'The broadcast has the request’s timestamp', ['2.5-timestamp'], (event, open) =>
    expect(sameInstant(open.timestamp, event.timestamp), `timestamp: "${open.timestamp}", in UTC`, event.timestamp),
  ),
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
  {
    id: 'broadcast-unicode',
    title: 'Names in any alphabet come through',
    rule: 'PUB-3',
    requirements: ['2-wss', '2-https'],
    level: 'SHALL',
    versions: ALL,
    run: async (s) => {
      const one = await driver(s, PATIENT);
      const open = await s.accepted(s.event('Patient-open', patientElements(patientAbroad())));
      const { context } = (await one.event(open.id)).event;
      expect(sameJson(context, open.event.context), 'the context as it was sent', context);
    },
  },
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
    safety: true,
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
    safety: true,
    versions: ALL,
    run: async (s) => {
      const both = [await driver(s, PATIENT), await s.subscribe({ events: PATIENT, name: 'Second' })];
      const sent: string[] = [];
      for (let index = 0; index < 8; index++) {
        sent.push((await s.accepted(s.event('Patient-open', patientElements(patient())))).id);
      }
      for (const one of both) {
        await Promise.all(sent.map((id) => one.event(id)));
        const came = one.events.map((event) => event.id).filter((id) => sent.includes(textOf(id)));
        expect(
          sameJson(came, sent),
          `the order ${sent.map((id) => id.slice(0, 4))}`,
          came.map((id) => textOf(id).slice(0, 4)),
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
    safety: true,
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
    id: 'subscribed-events-each',
    title: 'Each of several subscribers of one event is told that one alone',
    rule: 'PUB-3',
    requirements: ['2.4-not-subscribed', '2.5-notify'],
    level: 'SHALL',
    safety: true,
    versions: CORE,
    seconds: 25,
    run: async (s) => {
      const all = await driver(s, [...CONTEXT_EVENTS, 'SyncError', 'Home-open']);
      const wanted = ['Patient-close', 'Encounter-close', 'ImagingStudy-close', 'DiagnosticReport-close', 'Home-open'];
      const narrow = [];
      for (const name of wanted.filter((one) => s.claims(one))) {
        narrow.push(await s.subscribe({ events: [name], name: `Only ${name}` }));
      }
      const context = reportContext();
      const opens = [
        s.event('Patient-open', patientElements(context.patient)),
        s.event('Encounter-open', encounterElements(encounter(context.patient), context.patient)),
        s.event('ImagingStudy-open', studyElements(context.study, context.patient)),
        s.event('DiagnosticReport-open', reportElements(context)),
      ];
      const rest = [...opens.map((open) => closing(s, open)), s.event('Home-open', [])];
      const messages = [...opens, ...rest].filter((message) => s.claims(message.event['hub.event']));
      for (const message of messages) {
        await s.accepted(message);
        await all.event(message.id);
      }
      await s.settle();
      for (const one of narrow) {
        const own = messages.filter((message) => one.name === `Only ${message.event['hub.event']}`);
        for (const { id } of own) await one.event(id);
        const ids = one.events.map(({ id }) => id);
        const right = sameJson(
          ids,
          own.map(({ id }) => id),
        );
        expect(right, `${one.name}: what it subscribed to and nothing else`, one.events.at(-1)?.frame.text);
      }
    },
  },
  {
    id: 'broadcast-any-id',
    title: 'Ids and times of any form come back as they were given',
    rule: 'PUB-3',
    requirements: ['2.6-id', '2.5-timestamp', '2.6-broadcast'],
    level: 'SHALL',
    versions: ALL,
    run: async (s) => {
      const both = [await driver(s, PATIENT), await s.subscribe({ events: PATIENT, name: 'Second' })];
      // The specification's own example has sixteen letters and no UUID, and a time without a zone.
      const tail = randomUUID().replaceAll('-', '');
      const ids = [`wYXStHqxFQyHFELh${tail}`, `urn:uuid:${randomUUID()}`, randomUUID().toUpperCase(), `0${tail}.7`];
      const now = Math.floor(Date.now() / 1000) * 1000;
      const times = ['Z', '.5Z', '.123456Z', '+00:00'];
      for (const [at, id] of ids.entries()) {
        const second = new Date(now + at * 1000).toISOString().slice(0, 19);
        const message = {
          ...s.event('Patient-open', patientElements(patient()), { id }),
          timestamp: `${second}${times[at]}`,
        };
        await s.accepted(message);
        for (const one of both) expectSame(message, await one.event(id));
      }
    },
  },
  {
    id: 'sessions-apart',
    title: 'Nobody is told an event of another session',
    rule: 'PUB-3',
    requirements: ['2.3-topic', '2.5-notify'],
    level: 'SHALL',
    safety: true,
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
  infrastructure('user-logout', 'UserLogout', '3.2.2-logout', logoutElements),
  infrastructure('user-hibernate', 'UserHibernate', '3.2.3-hibernate', logoutElements),
  infrastructure('home-open', 'Home-open', '3.2.5-home', () => []),
  {
    id: 'events-after-logout',
    title: 'An event that is taken after a UserLogout reaches those who are still subscribed',
    rule: 'PUB-3',
    requirements: ['2.6-broadcast', '3.2.2-logout'],
    level: 'SHALL',
    safety: true,
    versions: CORE,
    run: async (s) => {
      const one = await driver(s, [...PATIENT, 'UserLogout']);
      const logout = await s.accepted(s.event('UserLogout', logoutElements()));
      await one.event(logout.id);
      const next = s.event('Patient-open', patientElements(patient()));
      const { status } = await s.publish(next);
      if (status >= 400) throw new CheckSkip('After a UserLogout the Hub takes no events of the session');
      await one.event(next.id).catch((error) => {
        // The Hub may end the subscriptions of a session that is over.
        if (one.closed === undefined && one.denials.length === 0) throw error;
      });
    },
  },
];
