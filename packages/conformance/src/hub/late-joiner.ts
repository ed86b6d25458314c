import type { Check } from '../check.ts';
import { expect, stepping } from '../expecting.ts';
import { sameInstant } from '../fidelity.ts';
import { sameJson } from '../json.ts';
import { patient, patientElements, study, studyElements } from '../samples.ts';
import { type Scenario, versionOf } from '../target/scenario.ts';
import type { PlayedSubscriber } from '../target/subscriber.ts';
import { ALL, CONTEXT_EVENTS, CORE, checksOf, close, driver, openPatient, openReport, REPORT } from './parts.ts';

const join = (s: Scenario, events: readonly string[] = CONTEXT_EVENTS): Promise<PlayedSubscriber> =>
  s.subscribe({ events, name: 'Late' });

const build = checksOf({ versions: CORE, safety: true }, 'late-joiner-');

/** @param run with an application that has been in the session from the beginning */
function check(
  id: string,
  title: string,
  requirements: Check['requirements'],
  run: (s: Scenario, stays: PlayedSubscriber) => Promise<void>,
  versions: Check['versions'] = CORE,
): Check {
  const withDriver = async (s: Scenario) => {
    const stays = await driver(s, CONTEXT_EVENTS);
    // Where newcomers are told nothing at all, there is nothing more to be said of what they are told.
    return stepping('welcome', () => run(s, stays));
  };
  return build(id, title, 'SUB-8', requirements, withDriver, { versions });
}

export const lateJoiner: readonly Check[] = [
  check('open', 'A new subscriber is told the open context', ['2.4-late-joiner'], async (s, stays) => {
    const open = await openPatient(s, stays);
    const late = await join(s);
    await late.notification('the open Patient', (event) => event.name === 'patient-open');
    expect(late.events.length > 0 && open.id !== '', 'an event', late.frames);
  }),
  check(
    'original',
    'What it is told is the original event: id, context',
    ['2.4-indistinguishable', '2.4-late-joiner'],
    async (s, stays) => {
      const open = await openPatient(s, stays);
      const event = await (await join(s)).notification('the open Patient', (one) => one.name === 'patient-open');
      expect(event.id === open.id, `the original id ${open.id}`, event.id);
      expect(sameJson(event.event.context, open.event.context), 'the original context', event.event.context);
    },
  ),
  check(
    'timestamp',
    'Its timestamp is the time at which the event occurred',
    ['2.4-original-time'],
    async (s, stays) => {
      const open = await openPatient(s, stays);
      const event = await (await join(s)).notification('the open Patient', (one) => one.name === 'patient-open');
      const same = sameInstant(open.timestamp, event.timestamp);
      expect(same, `the original timestamp ${open.timestamp}, in UTC`, event.timestamp);
    },
  ),
  check('per-type', 'It is told one open for every anchor type', ['2.4-late-joiner'], async (s, stays) => {
    const of = patient();
    const first = await s.accepted(s.event('Patient-open', patientElements(of)));
    await stays.event(first.id);
    // Of the same patient: what a Hub may derive from it is nothing new.
    const second = await s.accepted(s.event('ImagingStudy-open', studyElements(study(of), of)));
    await stays.event(second.id);
    const late = await join(s);
    await late.event(first.id);
    await late.event(second.id);
  }),
  check('latest', 'It is told the latest open of a type only', ['2.4-late-joiner'], async (s, stays) => {
    const first = await openPatient(s, stays);
    const second = await openPatient(s, stays);
    const late = await join(s);
    await late.event(second.id);
    await s.settle();
    expect(!late.events.some((event) => event.id === first.id), 'the latest Patient-open only', 'an older one too');
  }),
  check('closed', 'It is not told what was closed', ['2.4-late-joiner', '3.3.2-close'], async (s, stays) => {
    const open = await openPatient(s, stays);
    await close(s, open, stays);
    const late = await join(s);
    await s.settle();
    expect(late.events.length === 0, 'no event: the patient was closed', late.events[0]?.frame.text);
  }),
  check(
    'closed-by-id',
    'A close need not repeat all that the open said',
    ['3.3.2-close', '2.4-late-joiner'],
    async (s, stays) => {
      const whole = patient();
      const open = await s.accepted(s.event('Patient-open', patientElements(whole)));
      await stays.event(open.id);
      const { resourceType, id, identifier } = whole;
      const close = await s.accepted(s.event('Patient-close', patientElements({ resourceType, id, identifier })));
      await stays.event(close.id);
      const late = await join(s);
      await s.settle();
      expect(late.events.length === 0, 'no event: the patient was closed', late.events[0]?.frame.text);
    },
  ),
  check(
    'older-closed',
    'Closing an older one leaves the latest',
    ['2.4-late-joiner', '3.3.2-close'],
    async (s, stays) => {
      const first = await openPatient(s, stays);
      const second = await openPatient(s, stays);
      await close(s, first, stays);
      await (await join(s)).event(second.id);
    },
  ),
  check(
    'any-case',
    'It is told the open context however it wrote the event’s name',
    ['2.4-case', '2.4-late-joiner'],
    async (s, stays) => {
      const open = await openPatient(s, stays);
      await (await join(s, ['patient-OPEN'])).event(open.id);
    },
  ),
  build(
    'version',
    'The open that it is told has its context.versionId',
    'SUB-8',
    ['3.6.1-version', '2.4-indistinguishable'],
    async (s) => {
      const report = await openReport(s);
      const late = await join(s, REPORT);
      const version = versionOf(await late.event(report.opened.id));
      expect(version === report.version, `context.versionId: "${report.version}"`, version);
    },
    { needs: ['content'] },
  ),
  check(
    'after-close',
    'After a close it is told the most recent one that is still open',
    ['2.4-late-joiner'],
    async (s, stays) => {
      const first = await openPatient(s, stays);
      const second = await openPatient(s, stays);
      await close(s, second, stays);
      const late = await join(s);
      await late.event(first.id);
      await s.settle();
      expect(!late.events.some((event) => event.id === second.id), 'not the closed one', 'the closed Patient-open');
    },
  ),
  check(
    'subscribed-only',
    'It is told nothing that it is not subscribed to',
    ['2.4-not-subscribed'],
    async (s, stays) => {
      await openPatient(s, stays);
      const of = patient();
      const opened = await s.accepted(s.event('ImagingStudy-open', studyElements(study(of), of)));
      await stays.event(opened.id);
      const late = await join(s, ['ImagingStudy-open']);
      await s.settle();
      const other = late.events.find((event) => event.name !== 'imagingstudy-open');
      expect(other === undefined, 'ImagingStudy-open only', other?.frame.text);
    },
    ALL,
  ),
  check(
    'before-new-events',
    'It is told the open context before anything new, and follows from there',
    ['2.4-late-joiner', '2.5-notify'],
    async (s, stays) => {
      const before = await openPatient(s, stays);
      const late = await join(s);
      await late.event(before.id);
      const after = await s.accepted(s.event('Patient-open', patientElements(patient())));
      await late.event(after.id);
      const order = late.events.map((event) => event.id);
      expect(order.indexOf(before.id) < order.indexOf(after.id), 'the old context first', order);
    },
  ),
];
