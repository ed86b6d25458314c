import type { Check } from '../check.ts';
import { expect } from '../expecting.ts';
import { isObject, type JsonObject, objects, sameJson } from '../json.ts';
import { patient, patientElements, reportContext, reportElements, study, studyElements } from '../samples.ts';
import type { Scenario } from '../target/scenario.ts';
import { CONTEXT_EVENTS, CORE, checksOf, close, driver, opening, openPatient, openReport } from './parts.ts';

function isEmpty(context: JsonObject): void {
  expect(context['context.type'] === '', 'context.type: ""', context);
  expect(Array.isArray(context.context) && opening(context).length === 0, 'context: []', context);
  // IRA's Hub always tells its content, if there is none an empty Bundle.
  const left = objects(context.context).flatMap(({ resource }) => (isObject(resource) ? objects(resource.entry) : []));
  expect(left.length === 0, 'context: [], without content', context);
}

const build = checksOf({ versions: CORE, safety: true, needs: ['get-current'] });
const check = (
  id: string,
  title: string,
  requirements: Check['requirements'],
  run: Check['run'],
  more: Partial<Check> = {},
): Check => build(id, title, 'CON-5', requirements, run, more);

async function openStudy(s: Scenario, at: { event(id: string): Promise<unknown> }) {
  const of = patient();
  const open = await s.accepted(s.event('ImagingStudy-open', studyElements(study(of), of)));
  await at.event(open.id);
  return open;
}

export const currentContext: readonly Check[] = [
  check('context-mime-type', 'The current context is JSON', ['2-https'], async (s) => {
    await openPatient(s, await driver(s, CONTEXT_EVENTS));
    const response = await s.contextResponse();
    const type = response.headers['content-type'];
    expect(
      response.status === 200 && /json/i.test(type ?? ''),
      'HTTP 200 with JSON',
      `HTTP ${response.status}, ${type}`,
    );
  }),
  check('context-none', 'Before anything is opened the context is empty', ['2.9-none'], async (s) => {
    await driver(s, CONTEXT_EVENTS);
    isEmpty(await s.context());
  }),
  check(
    'context-type-patient',
    'context.type is the type of the open anchor',
    ['2.9-type', '3.3.1-open'],
    async (s) => {
      await openPatient(s, await driver(s, CONTEXT_EVENTS));
      const context = await s.context();
      expect(context['context.type'] === 'Patient', 'context.type: "Patient"', context['context.type']);
    },
  ),
  check('context-type-report', 'context.type is DiagnosticReport for a report', ['2.9-type'], async (s) => {
    const all = await driver(s, CONTEXT_EVENTS);
    const open = await s.accepted(s.event('DiagnosticReport-open', reportElements(reportContext())));
    await all.event(open.id);
    const context = await s.context();
    expect(context['context.type'] === 'DiagnosticReport', 'context.type: "DiagnosticReport"', context['context.type']);
  }),
  check('context-array', 'context is the opening event’s array', ['2.9-context', 'RAD-153-retrieve'], async (s) => {
    const open = await openPatient(s, await driver(s, CONTEXT_EVENTS));
    const found = opening(await s.context());
    expect(sameJson(found, open.event.context), 'the context of the Patient-open', found);
  }),
  check('context-version', 'context.versionId is a string', ['2.9-version'], async (s) => {
    await openPatient(s, await driver(s, CONTEXT_EVENTS));
    const version = (await s.context())['context.versionId'];
    expect(typeof version === 'string' && version !== '', 'context.versionId: a string', version);
  }),
  check('context-version-changes', 'Every change gives another context.versionId', ['2.9-version'], async (s) => {
    const all = await driver(s, CONTEXT_EVENTS);
    const seen: unknown[] = [];
    for (let index = 0; index < 3; index++) {
      await openPatient(s, all);
      seen.push((await s.context())['context.versionId']);
    }
    expect(new Set(seen).size === 3, 'three different versions', seen);
  }),
  check(
    'context-latest',
    'The current context is the last one opened',
    ['2.9-most-recent', 'IRA-current'],
    async (s) => {
      const all = await driver(s, CONTEXT_EVENTS);
      const first = await openPatient(s, all);
      const before = opening(await s.context());
      expect(sameJson(before, first.event.context), 'the context of the Patient-open', before);
      const second = await openStudy(s, all);
      const found = opening(await s.context());
      expect(sameJson(found, second.event.context), 'the context of the ImagingStudy-open', found);
    },
  ),
  check(
    'context-reopened',
    'Opening something again makes it the current context',
    ['2.9-most-recent', 'RAD-148-reopen'],
    async (s) => {
      const all = await driver(s, CONTEXT_EVENTS);
      const first = await openPatient(s, all);
      await openStudy(s, all);
      const again = await s.accepted(s.event('Patient-open', first.event.context));
      await all.event(again.id);
      const context = await s.context();
      expect(context['context.type'] === 'Patient', 'context.type: "Patient"', context);
      expect(sameJson(opening(context), first.event.context), 'the patient opened again', opening(context));
    },
  ),
  check(
    'context-closed',
    'After the only context is closed it is empty',
    ['2.9-closed', '3.3.2-close', 'RAD-149-empty'],
    async (s) => {
      const all = await driver(s, CONTEXT_EVENTS);
      await close(s, await openPatient(s, all), all);
      isEmpty(await s.context());
    },
  ),
  check(
    'context-closed-not-previous',
    'Closing the current context does not bring back the one before',
    ['2.9-closed', 'RAD-149-empty'],
    async (s) => {
      const all = await driver(s, CONTEXT_EVENTS);
      await openPatient(s, all);
      const second = await openStudy(s, all);
      await close(s, second, all);
      isEmpty(await s.context());
    },
    { rule: 'PUB-9' },
  ),
  check(
    'context-close-of-another',
    'Closing something else leaves the current context',
    ['2.9-most-recent', '3.3.2-close'],
    async (s) => {
      const all = await driver(s, CONTEXT_EVENTS);
      const first = await openPatient(s, all);
      const second = await openStudy(s, all);
      await close(s, first, all);
      const found = opening(await s.context());
      expect(sameJson(found, second.event.context), 'the study, still current', found);
    },
    { rule: 'PUB-9' },
  ),
  check(
    'context-close-of-same-type',
    'Closing another one of the same type leaves the current context',
    ['2.9-most-recent', '3.3.2-close'],
    async (s) => {
      const all = await driver(s, CONTEXT_EVENTS);
      const first = await openPatient(s, all);
      const second = await openPatient(s, all);
      await close(s, first, all);
      const found = opening(await s.context());
      expect(sameJson(found, second.event.context), 'the second patient, still current', found);
    },
    { rule: 'PUB-9' },
  ),
  check(
    'context-any-case',
    'Events open and close whatever the case of their names',
    ['2.6-case', '2.9-type'],
    async (s) => {
      const all = await driver(s, CONTEXT_EVENTS);
      const elements = patientElements(patient());
      const open = await s.accepted(s.event('patient-OPEN', elements));
      await all.event(open.id);
      const type = (await s.context())['context.type'];
      expect(type === 'Patient', 'context.type: "Patient" after patient-OPEN', type);
      const closed = await s.accepted(s.event('PATIENT-close', elements));
      await all.event(closed.id);
      isEmpty(await s.context());
    },
    { rule: 'SUB-3' },
  ),
  check(
    'context-of-its-session',
    'A session’s current context is not another one’s',
    ['2.9-none', '2.3-topic'],
    async (s) => {
      const other = await s.otherTopic();
      await s.subscribe({ events: CONTEXT_EVENTS, name: 'Elsewhere', fields: { 'hub.topic': other } });
      await openPatient(s, await driver(s, CONTEXT_EVENTS));
      isEmpty(await s.context({ topic: other }));
    },
  ),
  check(
    'context-version-of-open',
    'The current context has the version that the open was broadcast with',
    ['2.10-assign', '2.9-version'],
    async (s) => {
      const { version } = await openReport(s);
      const found = (await s.context())['context.versionId'];
      expect(found === version, `context.versionId: "${version}"`, found);
    },
    { needs: ['get-current', 'content'] },
  ),
  check(
    'context-home',
    'After Home-open the current context is empty',
    ['3.2.5-home'],
    async (s) => {
      const all = await driver(s, [...CONTEXT_EVENTS, 'Home-open']);
      await openPatient(s, all);
      const home = await s.accepted(s.event('Home-open', []));
      await all.event(home.id);
      isEmpty(await s.context());
    },
    { rule: 'PUB-10', level: 'SHOULD' },
  ),
  check(
    'context-after-refusal',
    'A subscriber’s refusal does not change the current context',
    ['2.9-most-recent', 'RAD-154-keep'],
    async (s) => {
      const all = await driver(s, CONTEXT_EVENTS);
      const refusing = await s.subscribe({ events: CONTEXT_EVENTS, name: 'Refusing', answer: () => 409 });
      const open = await openPatient(s, all);
      await refusing.event(open.id);
      await s.settle();
      const found = opening(await s.context());
      expect(sameJson(found, open.event.context), 'the refused patient, still current', found);
    },
    { rule: 'ERR-2' },
  ),
];
