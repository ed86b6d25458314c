import { type Check, expect } from '../check.ts';
import { sameJson } from '../json.ts';
import { patient, patientElements, study, studyElements } from '../samples.ts';
import type { Scenario } from '../target/scenario.ts';
import type { Subscriber } from '../target/subscriber.ts';
import { ALL, CONTEXT_EVENTS, CORE, closing, driver, openPatient } from './parts.ts';

const join = (s: Scenario, events: readonly string[] = CONTEXT_EVENTS): Promise<Subscriber> =>
  s.subscribe({ events, name: 'Late' });

export const lateJoiner: readonly Check[] = [
  {
    id: 'late-joiner-open',
    title: 'A new subscriber is told the open context',
    rule: 'SUB-8',
    requirements: ['2.4-late-joiner'],
    level: 'SHALL',
    versions: CORE,
    run: async (s) => {
      const open = await openPatient(s, await driver(s, CONTEXT_EVENTS));
      const late = await join(s);
      await late.notification('the open Patient', (event) => event.name === 'patient-open');
      expect(late.events.length > 0 && open.id !== '', 'an event', late.frames);
    },
  },
  {
    id: 'late-joiner-original',
    title: 'What it is told is the original event: id, context',
    rule: 'SUB-8',
    requirements: ['2.4-indistinguishable', '2.4-late-joiner'],
    level: 'SHALL',
    versions: CORE,
    run: async (s) => {
      const open = await openPatient(s, await driver(s, CONTEXT_EVENTS));
      const event = await (await join(s)).notification('the open Patient', (one) => one.name === 'patient-open');
      expect(event.id === open.id, `the original id ${open.id}`, event.id);
      expect(sameJson(event.event.context, open.event.context), 'the original context', event.event.context);
    },
  },
  {
    id: 'late-joiner-timestamp',
    title: 'Its timestamp is the time at which the event occurred',
    rule: 'SUB-8',
    requirements: ['2.4-original-time'],
    level: 'SHALL',
    versions: CORE,
    run: async (s) => {
      const open = await openPatient(s, await driver(s, CONTEXT_EVENTS));
      const event = await (await join(s)).notification('the open Patient', (one) => one.name === 'patient-open');
      const time = typeof event.timestamp === 'string' ? Date.parse(event.timestamp) : Number.NaN;
      expect(time === Date.parse(open.timestamp), `the original timestamp ${open.timestamp}`, event.timestamp);
    },
  },
  {
    id: 'late-joiner-per-type',
    title: 'It is told one open for every anchor type',
    rule: 'SUB-8',
    requirements: ['2.4-late-joiner'],
    level: 'SHALL',
    versions: CORE,
    run: async (s) => {
      const stays = await driver(s, CONTEXT_EVENTS);
      const first = await openPatient(s, stays);
      const of = patient();
      const second = await s.accepted(s.event('ImagingStudy-open', studyElements(study(of), of)));
      await stays.event(second.id);
      const late = await join(s);
      await late.event(first.id);
      await late.event(second.id);
    },
  },
  {
    id: 'late-joiner-latest',
    title: 'It is told the latest open of a type only',
    rule: 'SUB-8',
    requirements: ['2.4-late-joiner'],
    level: 'SHALL',
    versions: CORE,
    run: async (s) => {
      const stays = await driver(s, CONTEXT_EVENTS);
      const first = await openPatient(s, stays);
      const second = await openPatient(s, stays);
      const late = await join(s);
      await late.event(second.id);
      await s.settle();
      expect(!late.events.some((event) => event.id === first.id), 'the latest Patient-open only', 'an older one too');
    },
  },
  {
    id: 'late-joiner-closed',
    title: 'It is not told what was closed',
    rule: 'SUB-8',
    requirements: ['2.4-late-joiner', '3.3.2-close'],
    level: 'SHALL',
    versions: CORE,
    run: async (s) => {
      const stays = await driver(s, CONTEXT_EVENTS);
      const open = await openPatient(s, stays);
      const close = await s.accepted(closing(s, open));
      await stays.event(close.id);
      const late = await join(s);
      await s.settle();
      expect(late.events.length === 0, 'no event: the patient was closed', late.events[0]?.frame.text);
    },
  },
  {
    id: 'late-joiner-after-close',
    title: 'After a close it is told the most recent one that is still open',
    rule: 'SUB-8',
    requirements: ['2.4-late-joiner'],
    level: 'SHALL',
    versions: CORE,
    run: async (s) => {
      const stays = await driver(s, CONTEXT_EVENTS);
      const first = await openPatient(s, stays);
      const second = await openPatient(s, stays);
      const close = await s.accepted(closing(s, second));
      await stays.event(close.id);
      const late = await join(s);
      await late.event(first.id);
      await s.settle();
      expect(!late.events.some((event) => event.id === second.id), 'not the closed one', 'the closed Patient-open');
    },
  },
  {
    id: 'late-joiner-subscribed-only',
    title: 'It is told nothing that it is not subscribed to',
    rule: 'SUB-8',
    requirements: ['2.4-not-subscribed'],
    level: 'SHALL',
    versions: ALL,
    run: async (s) => {
      const stays = await driver(s, CONTEXT_EVENTS);
      await openPatient(s, stays);
      const of = patient();
      const opened = await s.accepted(s.event('ImagingStudy-open', studyElements(study(of), of)));
      await stays.event(opened.id);
      const late = await join(s, ['ImagingStudy-open']);
      await s.settle();
      const other = late.events.find((event) => event.name !== 'imagingstudy-open');
      expect(other === undefined, 'ImagingStudy-open only', other?.frame.text);
    },
  },
  {
    id: 'late-joiner-before-new-events',
    title: 'It is told the open context before anything new, and follows from there',
    rule: 'SUB-8',
    requirements: ['2.4-late-joiner', '2.5-notify'],
    level: 'SHALL',
    versions: CORE,
    run: async (s) => {
      const stays = await driver(s, CONTEXT_EVENTS);
      const before = await openPatient(s, stays);
      const late = await join(s);
      await late.event(before.id);
      const after = await s.accepted(s.event('Patient-open', patientElements(patient())));
      await late.event(after.id);
      const order = late.events.map((event) => event.id);
      expect(order.indexOf(before.id) < order.indexOf(after.id), 'the old context first', order);
    },
  },
];
