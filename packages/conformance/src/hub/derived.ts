import type { Check } from '../check.ts';
import { CheckFailure, expect, stepping } from '../expecting.ts';
import { sameJson } from '../json.ts';
import {
  encounter,
  encounterElements,
  patient,
  type Resource,
  reportContext,
  reportElements,
  study,
  studyElements,
} from '../samples.ts';
import type { Scenario } from '../target/scenario.ts';
import type { Notification, PlayedSubscriber } from '../target/subscriber.ts';
import { CONTEXT_EVENTS, closing, driver, elementsOf, elementWith, ONLY_3, openPatient } from './parts.ts';

/** Events that a Hub derives from others. */
export const derived: readonly Check[] = [
  {
    id: 'derived-open',
    title: 'Who follows patients only is told the patient of an encounter',
    rule: 'DER-1',
    requirements: ['2.5-derive'],
    level: 'SHALL',
    versions: ONLY_3,
    run: async (s) => {
      const { derived, of } = await derivedOpen(s);
      if (!derived) return;
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
      const { derived } = await derivedOpen(s);
      if (!derived) return;
      expect(typeof derived.id === 'string' && derived.id !== '', 'an id', derived.id);
      expect(typeof derived.timestamp === 'string', 'a timestamp', derived.timestamp);
      expect(derived.event['hub.topic'] === s.topic, `hub.topic: "${s.topic}"`, derived.event['hub.topic']);
      const keys = elementsOf(derived).map((one) => one.key);
      expect(sameJson(keys, ['patient']), 'the keys of a Patient-open: patient', keys);
    },
  },
  {
    id: 'derived-from-each',
    title: 'Who follows patients or studies only is told those of studies and reports',
    rule: 'DER-1',
    requirements: ['2.5-derive'],
    level: 'SHALL',
    safety: true,
    versions: ONLY_3,
    run: async (s) => {
      const all = await driver(s, CONTEXT_EVENTS);
      const patients = await narrowTo(s, 'Patient-open');
      const studies = await narrowTo(s, 'ImagingStudy-open');
      const about = patient();
      const context = reportContext();
      const opens = [
        s.event('ImagingStudy-open', studyElements(study(about), about)),
        s.event('DiagnosticReport-open', reportElements(context)),
      ].filter((message) => s.claims(message.event['hub.event']));
      for (const open of opens) {
        const isReport = open.event['hub.event'] === 'DiagnosticReport-open';
        await s.accepted(open);
        await all.event(open.id);
        const holds = (key: string, of: Resource) => (one: Notification) =>
          sameJson(elementWith(elementsOf(one), key)?.resource, of);
        const name = open.event['hub.event'];
        const what = `a Patient-open for the patient of a ${name}`;
        const held = holds('patient', isReport ? context.patient : about);
        await stepping('derive', async () => patients?.notification(what, held));
        if (isReport)
          await studies?.notification(`an ImagingStudy-open for the study of a ${name}`, holds('study', context.study));
      }
    },
  },
  {
    id: 'derived-no-closes',
    title: 'A close is told to who subscribed to it, and no close is made of it for others',
    rule: 'DER-2',
    requirements: ['2.5-no-derived-closes'],
    level: 'SHOULD',
    safety: true,
    versions: ONLY_3,
    run: async (s) => {
      const all = await driver(s, CONTEXT_EVENTS);
      const narrow = await narrowTo(s, 'Patient-close');
      if (!narrow) return;
      const of = patient();
      const open = await s.accepted(s.event('Encounter-open', encounterElements(encounter(of), of)));
      const close = await s.accepted(closing(s, open));
      await all.event(close.id);
      await s.settle();
      expect(
        narrow.events.length === 0,
        'no Patient-close, since nobody closed the patient',
        narrow.events[0]?.frame.text,
      );
      await openPatient(s, all);
      await openPatient(s, all);
      await s.settle();
      const closed = all.events.find(({ name }) => name === 'patient-close');
      expect(closed === undefined, 'no Patient-close because another patient was opened', closed?.frame.text);
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

/** A subscriber of one event alone; undefined where the Hub wants the same events from all, which it may. */
async function narrowTo(s: Scenario, event: string): Promise<PlayedSubscriber | undefined> {
  if (!s.claims(event)) return undefined;
  try {
    return await s.subscribe({ events: [event], name: `${event} only` });
  } catch (error) {
    if (!(error instanceof CheckFailure)) throw error;
    s.note('The Hub refuses a subscription to other events than the first one’s, which 2.4 and 2.5 allow');
    return undefined;
  }
}

/** What a subscriber of Patient-open alone receives when an encounter is opened; nothing where the Hub allows no such one. */
async function derivedOpen(s: Scenario): Promise<{ derived?: Notification; of: Resource }> {
  const of = patient();
  const all = await driver(s, CONTEXT_EVENTS);
  const narrow = await narrowTo(s, 'Patient-open');
  if (!narrow) return { of };
  const open = await s.accepted(s.event('Encounter-open', encounterElements(encounter(of), of)));
  await all.event(open.id);
  const told = (one: Notification) => one.name === 'patient-open';
  const waited = () => narrow.notification('a Patient-open for the encounter’s patient', told);
  return { derived: await stepping('derive', waited), of };
}
