import type { Check } from '../check.ts';
import { CheckFailure, CheckSkip, expect, stepping } from '../expecting.ts';
import { alteration, isMadeOf } from '../fidelity.ts';
import { difference, isObject, type JsonDifference, parseAsWritten, repeatedMember, textOf } from '../json.ts';
import {
  type ContextElement,
  type EventMessage,
  encounter,
  encounterElements,
  enriched,
  logoutElements,
  patientElements,
  put,
  type ReportContext,
  remove,
  reportElements,
  richObservation,
  richPatient,
  richReportContext,
  selectElements,
  study,
  studyElements,
  syncErrorElements,
  updateElements,
} from '../samples.ts';
import { KINDS } from '../steps.ts';
import { type Scenario, succeeded, versionOf } from '../target/scenario.ts';
import type { Notification, PlayedSubscriber } from '../target/subscriber.ts';
import { ALL, CORE, checksOf, READ_AS_WELL } from './parts.ts';

type Kind = (typeof KINDS)[number];

/** Every event that a subscriber of these checks receives: more than what is published, so that additions show. */
export const EVERYTHING = [
  'Patient-open',
  'Patient-close',
  'Encounter-open',
  'Encounter-close',
  'ImagingStudy-open',
  'ImagingStudy-close',
  'DiagnosticReport-open',
  'DiagnosticReport-close',
  'DiagnosticReport-update',
  'DiagnosticReport-select',
  'Home-open',
  'UserLogout',
  'UserHibernate',
  'SyncError',
] as const;

/** An event of no catalog, in reverse domain notation. */
export const PROPRIETARY = 'org.example.conformance_event';

/** Throws where a broadcast is not what was published. */
export function expectSame(message: EventMessage, came: Notification, options = {}): void {
  const found = alteration(JSON.stringify(message), came.frame.text, options);
  if (found) throw altered(found);
}

function altered({ path, sent, came, writtenOtherwise }: JsonDifference): CheckFailure {
  const failure = new CheckFailure(`${path} as it was published: ${sent}`, came);
  failure.step = writtenOtherwise ? 'carry-numbers' : 'carry';
  return failure;
}

/** One subscriber of everything. @throws CheckSkip where the Hub takes no such subscription */
const everything = (s: Scenario, name: string, more: readonly string[] = []): Promise<PlayedSubscriber> =>
  s.subscribe({ events: [...EVERYTHING, ...more], name });

/** Publishes an event and waits until both have received it. */
async function settled(s: Scenario, message: EventMessage, at: readonly PlayedSubscriber[]): Promise<Notification> {
  await s.accepted(message);
  const told = await Promise.all(at.map((one) => stepping('notify', () => one.event(message.id))));
  return told[0]!;
}

interface Stage {
  readonly s: Scenario;
  readonly context: ReportContext;
  readonly all: readonly PlayedSubscriber[];
}

const open = async ({ s, all }: Stage, name: string, elements: readonly ContextElement[]): Promise<Notification> =>
  settled(s, s.event(name, elements), all);

/** Leads up to an event of each kind, and makes it. */
const MAKE: Readonly<Record<Kind, (stage: Stage) => Promise<EventMessage>>> = {
  'patient-open': async ({ s, context }) => s.event('Patient-open', patientElements(context.patient)),
  'patient-close': async (stage) => {
    const elements = patientElements(stage.context.patient);
    await open(stage, 'Patient-open', elements);
    return stage.s.event('Patient-close', elements);
  },
  'encounter-open': async ({ s, context }) =>
    s.event('Encounter-open', encounterElements(enriched(encounter(context.patient)), context.patient)),
  'encounter-close': async (stage) => {
    const elements = encounterElements(enriched(encounter(stage.context.patient)), stage.context.patient);
    await open(stage, 'Encounter-open', elements);
    return stage.s.event('Encounter-close', elements);
  },
  'imagingstudy-open': async ({ s, context }) =>
    s.event('ImagingStudy-open', studyElements(context.study, context.patient)),
  'imagingstudy-close': async (stage) => {
    const elements = studyElements(stage.context.study, stage.context.patient);
    await open(stage, 'ImagingStudy-open', elements);
    return stage.s.event('ImagingStudy-close', elements);
  },
  // Of two studies: an element may come more than once.
  'diagnosticreport-open': async ({ s, context }) =>
    s.event('DiagnosticReport-open', [
      ...reportElements(context),
      { key: 'study', resource: enriched(study(context.patient)) },
    ]),
  'diagnosticreport-close': async (stage) => {
    const elements = reportElements(stage.context);
    await open(stage, 'DiagnosticReport-open', elements);
    return stage.s.event('DiagnosticReport-close', elements);
  },
  'diagnosticreport-update': async (stage) => {
    const { s, context } = stage;
    const opened = await open(stage, 'DiagnosticReport-open', reportElements(context));
    const gone = richObservation(context.patient);
    const first = s.event('DiagnosticReport-update', updateElements(context, [put(gone)]), {
      versionId: versionOf(opened),
    });
    const told = await settled(s, first, stage.all);
    const entries = [
      put(richObservation(context.patient)),
      remove(gone),
      put({ ...context.report, status: 'preliminary' }),
    ];
    return s.event('DiagnosticReport-update', updateElements(context, entries), { versionId: versionOf(told) });
  },
  'diagnosticreport-select': async (stage) => {
    const { s, context } = stage;
    const opened = await open(stage, 'DiagnosticReport-open', reportElements(context));
    const two = [richObservation(context.patient), richObservation(context.patient)];
    const update = s.event('DiagnosticReport-update', updateElements(context, two.map(put)), {
      versionId: versionOf(opened),
    });
    await settled(s, update, stage.all);
    return s.event('DiagnosticReport-select', selectElements(context, two));
  },
  'home-open': async (stage) => {
    await open(stage, 'Patient-open', patientElements(stage.context.patient));
    return stage.s.event('Home-open', []);
  },
  userlogout: async (stage) => {
    await open(stage, 'Patient-open', patientElements(stage.context.patient));
    return stage.s.event('UserLogout', logoutElements());
  },
  userhibernate: async (stage) => {
    await open(stage, 'Patient-open', patientElements(stage.context.patient));
    return stage.s.event('UserHibernate', logoutElements());
  },
  syncerror: async (stage) => {
    const { s, context, all } = stage;
    const about = s.event('Patient-open', patientElements(context.patient));
    await settled(s, about, all);
    return s.event('SyncError', syncErrorElements(about, 'Doubtful'));
  },
  proprietary: async ({ s, context }) =>
    s.event(PROPRIETARY, [
      { key: 'patient', resource: context.patient },
      { key: 'note', resource: { resourceType: 'Basic', id: 'one', code: { text: 'anything' } } },
    ]),
};

/** Events that came to both and were not published: what a Hub may add is what it makes of what was published. */
export function expectNothingElse(s: Scenario, at: PlayedSubscriber, published: readonly EventMessage[]): void {
  const ids = new Set(published.map(({ id }) => id));
  const sent = published.map((message) => JSON.stringify(message));
  for (const one of at.events) {
    if (ids.has(textOf(one.id))) continue;
    const derived = /-(open|close)$/.test(one.name) && isMadeOf(one.frame.text, sent);
    // A Hub's own events are outside the catalog.
    if (derived || one.name.includes('.')) continue;
    expect(false, `nothing but what was published in the session ${s.topic}`, one.frame.text);
  }
}

const build = checksOf({ versions: CORE, safety: true }, 'same-');

function same(kind: Kind): Check {
  const name = kind === 'proprietary' ? 'An event of no catalog' : `A ${kind}`;
  const needs: Partial<Check> =
    kind === 'diagnosticreport-update'
      ? { needs: ['content'] }
      : kind === 'diagnosticreport-select'
        ? { needs: ['content', 'select'] }
        : {};
  const run = async (s: Scenario) => {
    const more = kind === 'proprietary' ? [PROPRIETARY] : [];
    if (more.length > 0) {
      const response = await s.post(s.fields(more, 'Probe'));
      if (!succeeded(response)) throw new CheckSkip(`The Hub takes no events of no catalog: HTTP ${response.status}`);
    }
    const all = [await everything(s, 'First', more), await everything(s, 'Second', more)];
    const stage: Stage = { s, context: richReportContext(), all };
    const message = await MAKE[kind](stage);
    const before = all.map(({ frames }) => [...frames]);
    const response = await s.publish(message);
    if (kind === 'proprietary' && !succeeded(response)) {
      throw new CheckSkip(`The Hub takes no events of no catalog: HTTP ${response.status}`);
    }
    expect(
      succeeded(response),
      `a successful status to ${message.event['hub.event']}`,
      `HTTP ${response.status} ${response.body}`,
    );
    const frames: Notification[] = [];
    const name = message.event['hub.event'];
    for (const [index, one] of all.entries()) {
      // Not found by its id, so that a changed id is seen as such.
      const came = await one.notification(
        `the ${name} at ${one.name}`,
        (event) => event.name === name.toLowerCase() && !before[index]?.includes(event.frame),
      );
      expectSame(message, came, { ira: s.hub.versions.has('IRA') });
      frames.push(came);
    }
    const [first, second] = frames.map((one) => parseAsWritten(one.frame.text));
    const apart = difference(first, second);
    expect(apart === undefined, `the same ${apart?.path} for every subscriber: ${apart?.sent}`, apart?.came);
    await s.settle();
    for (const one of all) {
      expectNothingElse(s, one, s.published);
      const times = one.events.filter(({ id }) => id === message.id).length;
      expect(times === 1, 'the event once', `${times} times`);
    }
  };
  const requirements: Check['requirements'] =
    kind === 'syncerror'
      ? ['2.5-subscribed-error', '2.5-from-subscriber', 'RAD-156-distribute']
      : ['2.6-broadcast', '2.3-complete'];
  return build(kind, `${name} is broadcast as it was published, and nothing else is`, 'PUB-13', requirements, run, {
    seconds: 25,
    ...needs,
  });
}

/** What is broadcast, sent to newcomers and answered is what was published, member by member and by its text. */
export const sameAsPublished: readonly Check[] = [
  ...KINDS.map(same),
  {
    ...build(
      'numbers',
      'Numbers are broadcast as they were written: 7.10 is not 7.1',
      'PUB-13',
      ['R4-decimal', '2.3-complete'],
      async (s) => {
        const one = await s.subscribe({ events: ['Patient-open'], name: 'First' });
        const message = s.event('Patient-open', patientElements(richPatient()));
        await settled(s, message, [one]);
        expectSame(message, await one.event(message.id));
      },
      { versions: ALL },
    ),
    id: 'broadcast-numbers',
  },
  {
    ...build(
      'proprietary',
      'Events of no catalog are told apart by their whole names, in any case',
      'SUB-3',
      ['2.4-not-subscribed', '2.3-case'],
      async (s) => {
        const other = `${PROPRIETARY}_of_another_kind`;
        const probe = await s.post(s.fields([PROPRIETARY, other], 'Probe'));
        if (!succeeded(probe)) throw new CheckSkip(`The Hub takes no events of no catalog: HTTP ${probe.status}`);
        const [one, two] = [
          await s.subscribe({ events: [PROPRIETARY.toUpperCase()], name: 'One' }),
          await s.subscribe({ events: [other], name: 'Two' }),
        ];
        const context: ContextElement[] = [
          { key: 'note', resource: { resourceType: 'Basic', id: 'one', code: { text: 'x' } } },
        ];
        const [first, second] = [s.event(PROPRIETARY, context), s.event(other, context)];
        const answer = await s.publish(first);
        if (!succeeded(answer)) throw new CheckSkip(`The Hub takes no events of no catalog: HTTP ${answer.status}`);
        await one.event(first.id);
        await s.accepted(second);
        await two.event(second.id);
        await s.settle();
        for (const [at, own] of [
          [one, first],
          [two, second],
        ] as const) {
          const foreign = at.events.find(({ id }) => id !== own.id);
          expect(foreign === undefined, `${own.event['hub.event']} alone`, foreign?.frame.text);
        }
      },
    ),
    id: 'proprietary-apart',
  },
  build(
    'large',
    'Large events are broadcast whole',
    'PUB-13',
    ['2.6-broadcast', '2.3-complete'],
    async (s) => {
      const all = [await everything(s, 'First'), await everything(s, 'Second')];
      for (const size of [64_000, 500_000]) {
        const photo = [{ contentType: 'image/png', data: 'QUJD'.repeat(size / 4), title: `of ${size} characters` }];
        // What is lost in small ones may be lost in large ones only.
        const message = s.event('Patient-open', patientElements({ ...richPatient(), photo }));
        const response = await s.publish(message);
        if (response.status === 413) throw new CheckSkip(`The Hub takes no events of ${size} characters (HTTP 413)`);
        expect(succeeded(response), 'a successful status, or 413', `HTTP ${response.status} ${response.body}`);
        for (const one of all) expectSame(message, await one.event(message.id));
      }
    },
    { seconds: 25, heavy: true },
  ),
  build(
    'to-late-joiner',
    'A newcomer is told the open contexts as they were published',
    'SUB-8',
    ['2.4-indistinguishable', '2.4-late-joiner'],
    async (s) => {
      const stays = await everything(s, 'Driver');
      const context = richReportContext();
      const visit = enriched(encounter(context.patient));
      const opens = [
        s.event('Patient-open', patientElements(context.patient)),
        s.event('Encounter-open', encounterElements(visit, context.patient)),
        s.event('ImagingStudy-open', studyElements(enriched(study(context.patient)), context.patient)),
        s.event('DiagnosticReport-open', reportElements(context)),
      ].filter((message) => s.claims(message.event['hub.event']));
      const told = [];
      for (const message of opens) told.push(await settled(s, message, [stays]));
      const late = await everything(s, 'Late');
      for (const [index, message] of opens.entries()) {
        const came = await stepping('welcome', () => late.event(message.id));
        expectSame(message, came);
        const versions = [told[index]!, came].map(({ event }) => event['context.versionId']);
        expect(versions[0] === versions[1], `context.versionId: ${JSON.stringify(versions[0])}`, versions[1]);
      }
      await s.settle();
      expectNothingElse(s, late, opens);
    },
  ),
  build(
    'in-current-context',
    'The current context is answered as it was published',
    'CON-5',
    ['2.9-context', '2.10-context-unchanged'],
    async (s) => {
      const one = await everything(s, 'Driver');
      const context = richReportContext();
      const kinds = [
        s.event('Patient-open', patientElements(context.patient)),
        s.event('Encounter-open', encounterElements(enriched(encounter(context.patient)), context.patient)),
        s.event('ImagingStudy-open', studyElements(context.study, context.patient)),
        s.event('DiagnosticReport-open', reportElements(context)),
      ];
      for (const message of kinds.filter((one) => s.claims(one.event['hub.event']))) {
        await settled(s, message, [one]);
        expectContext(await s.contextResponse(), message.event.context);
      }
    },
    { needs: ['get-current'] },
  ),
  build(
    'in-content',
    'Shared content is answered as it was sent',
    'CON-5',
    ['2.10-maintain', '2.10-changes-in-content'],
    async (s) => {
      const one = await everything(s, 'Driver');
      const context = richReportContext();
      const opened = await settled(s, s.event('DiagnosticReport-open', reportElements(context)), [one]);
      const shared = [richObservation(context.patient), richObservation(context.patient)];
      const changed = { ...context.report, status: 'preliminary', conclusion: 'Not 7.1 mm but 7.10 mm' };
      const update = s.event('DiagnosticReport-update', updateElements(context, [...shared, changed].map(put)), {
        versionId: versionOf(opened),
      });
      await settled(s, update, [one]);
      const response = await s.contextResponse();
      expectContext(response, reportElements(context));
      const found = resourcesIn(response.body);
      for (const resource of [...shared, changed]) {
        const same = found.filter(
          (other) => isObject(other) && other.resourceType === resource.resourceType && other.id === resource.id,
        );
        expect(
          same.length === 1,
          `${resource.resourceType}/${resource.id} once in the content`,
          `${same.length} times`,
        );
        const apart = difference(parseAsWritten(JSON.stringify(resource)), same[0], resource.resourceType);
        if (apart) throw altered(apart);
      }
      expect(found.length === 3, 'the three shared resources and nothing else', `${found.length} resources`);
    },
    READ_AS_WELL,
  ),
  {
    id: 'envelope-clean',
    title: 'What a publisher adds beside id, timestamp and event reaches nobody as the Hub’s own word',
    rule: 'PUB-12',
    requirements: ['2.4-denial', '2.4-confirm', '2.6-broadcast'],
    level: 'SHALL',
    safety: true,
    versions: ALL,
    run: async (s) => {
      const one = await s.subscribe({ events: ['Patient-open'], name: 'First' });
      const message = s.event('Patient-open', patientElements(richPatient()));
      const spoof = { 'hub.mode': 'denied', 'hub.topic': s.topic, 'hub.events': 'Patient-open', 'hub.reason': 'none' };
      const response = await s.publish({ ...spoof, ...message });
      // To refuse what has fields that it does not know is an answer too.
      if (!succeeded(response)) return;
      const came = await one.event(message.id);
      expect(came.frame.message?.['hub.mode'] === undefined, 'an event without hub.mode', came.frame.text);
      expectSame(message, came);
    },
  },
  {
    id: 'envelope-alone',
    title: 'A broadcast has an id, a timestamp and an event, and nothing else',
    rule: 'PUB-12',
    requirements: ['2.5-event', '2.3-required'],
    level: 'SHOULD',
    versions: CORE,
    run: async (s) => {
      const one = await s.subscribe({ events: ['Patient-open'], name: 'First' });
      const message = s.event('Patient-open', patientElements(richPatient()));
      const came = await settled(s, message, [one]);
      const members = Object.keys(came.frame.message ?? {}).filter(
        (key) => !['id', 'timestamp', 'event'].includes(key),
      );
      expect(members.length === 0, 'id, timestamp and event', members);
    },
  },
  {
    id: 'members-once',
    title: 'A broadcast has every member once, and versions that are text',
    rule: 'PUB-12',
    requirements: ['2.5-event'],
    level: 'SHOULD',
    safety: true,
    versions: CORE,
    run: async (s) => {
      const one = await s.subscribe({ events: ['Patient-open', 'Patient-close'], name: 'First' });
      const context = patientElements(richPatient());
      for (const name of ['Patient-open', 'Patient-close']) {
        const { frame, event } = await settled(s, s.event(name, context), [one]);
        const twice = repeatedMember(frame.text);
        expect(twice === undefined, 'every member once: programs differ in which of two they take', `${twice} twice`);
        for (const version of ['context.versionId', 'context.priorVersionId']) {
          const told = event[version];
          expect(told === undefined || typeof told === 'string', `${version} as text, or not at all`, told);
        }
      }
    },
  },
  {
    id: 'run-unaltered',
    title: 'In the whole run nobody was told anything that was not published so',
    rule: 'PUB-13',
    requirements: ['2.6-broadcast', '2.3-complete'],
    level: 'SHALL',
    safety: true,
    versions: ALL,
    last: true,
    run: async (s) => {
      const { found, seen } = s.hub.witness;
      if (seen === 0) throw new CheckSkip('Nothing was delivered in this run');
      await stepping('carry-all', async () =>
        expect(found.length === 0, `${seen} deliveries as they were published`, found.join('\n')),
      );
    },
  },
];

function expectContext(response: { status: number; body: string }, wanted: readonly ContextElement[]): void {
  expect(response.status === 200, 'HTTP 200 to Get Current Context', `HTTP ${response.status} ${response.body}`);
  const answer = parseAsWritten(response.body);
  const elements = isObject(answer) && Array.isArray(answer.context) ? answer.context : [];
  const found = elements.filter((one) => !(isObject(one) && one.key === 'content'));
  const apart = difference(parseAsWritten(JSON.stringify(wanted)), found, 'context');
  if (apart) throw altered(apart);
}

/** The resources of the element "content", numbers as they are written. */
function resourcesIn(body: string): readonly unknown[] {
  const answer = parseAsWritten(body);
  const elements = isObject(answer) && Array.isArray(answer.context) ? answer.context : [];
  const content = elements.find((one) => isObject(one) && one.key === 'content');
  const bundle = isObject(content) && isObject(content.resource) ? content.resource.entry : undefined;
  return (Array.isArray(bundle) ? bundle : []).map((entry) => (isObject(entry) ? entry.resource : undefined));
}
