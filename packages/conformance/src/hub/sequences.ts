import type { Check } from '../check.ts';
import { CheckFailure, CheckSkip, expect, stepping } from '../expecting.ts';
import { difference, isObject, numeral, objects, parseAsWritten, sameJson, textOf } from '../json.ts';
import {
  type BundleEntry,
  type ContextElement,
  observation,
  patient,
  patientElements,
  put,
  type Resource,
  remove,
  richObservation,
  selectElements,
} from '../samples.ts';
import { priorVersionOf, type Scenario, succeeded, versionOf } from '../target/scenario.ts';
import { content } from './content.ts';
import {
  CONTEXT_EVENTS,
  close,
  contentCheck,
  contentElements,
  driver,
  holds,
  ONLY_3,
  openPatient,
  openReport,
  READ_AS_WELL,
  REPORT,
  reportWithContent,
  update,
  updateOf,
} from './parts.ts';
import { expectSame } from './same.ts';

/** Updates of the long chain, and after how many of them the content is read. */
const UPDATES = 24;
const READ_EVERY = 6;

const keyOf = (resource: Resource) => `${resource.resourceType}/${resource.id}`;

/** What the next update of the chain does: adds, changes, removes, brings back what was removed; several of it at once. */
function step(at: number, of: Resource, held: Map<string, Resource>, gone: Resource[]): readonly BundleEntry[] {
  const entries: BundleEntry[] = [];
  const set = (resource: Resource) => {
    held.set(keyOf(resource), resource);
    entries.push(put(resource));
  };
  const changed = (resource: Resource): Resource => ({
    ...resource,
    status: at % 2 === 0 ? 'final' : 'amended',
    valueQuantity: { value: numeral(`${at}.${at}0`), unit: 'mm' },
  });
  const [first, second] = held.values();
  const back = at % 4 === 3 ? gone.shift() : undefined;
  if (at % 3 !== 2 || first === undefined) set(at % 8 === 0 ? richObservation(of) : observation(of));
  if (second && at % 2 === 1) set(changed(second));
  if (back) set(changed(back));
  if (first && at % 3 === 2) {
    held.delete(keyOf(first));
    gone.push(first);
    entries.push(remove(first));
  }
  return entries;
}

/** The resources of the content, by the text of the answer, are these and no others. */
async function expectContent(s: Scenario, held: ReadonlyMap<string, Resource>, when: string): Promise<void> {
  const { status, body } = await s.contextResponse();
  expect(status === 200, 'HTTP 200 to Get Current Context', `HTTP ${status} ${body}`);
  const answer = parseAsWritten(body);
  const [element] = objects(isObject(answer) ? answer.context : []).filter(({ key }) => key === 'content');
  const bundle = isObject(element?.resource) ? element.resource : {};
  const found = new Map(
    objects(bundle.entry).map(({ resource }) => [
      isObject(resource) ? `${textOf(resource.resourceType)}/${textOf(resource.id)}` : '',
      resource,
    ]),
  );
  for (const [key, resource] of held) {
    const apart = difference(parseAsWritten(JSON.stringify(resource)), found.get(key), key);
    if (apart) throw new CheckFailure(`${apart.path} in the content ${when}: ${apart.sent}`, apart.came);
  }
  const more = [...found.keys()].find((key) => !held.has(key));
  expect(more === undefined, `the ${held.size} resources that are shared ${when}`, `${more} as well`);
  const count = objects(bundle.entry).length;
  expect(count === held.size, `${held.size} resources ${when}`, `${count} of them`);
}

/** Versions that are not the current one, each with what it is. */
function wrongVersions(
  current: string,
  others: Readonly<Record<string, string>>,
): readonly (readonly [string, unknown])[] {
  const alike: readonly (readonly [string, unknown])[] = [
    ['the current version and a character more', `${current}0`],
    ['the current version without its last character', current.slice(0, -1)],
    ['the current version in a list', [current]],
    ['an empty version', ''],
    ['null', null],
    ...Object.entries(others),
  ];
  return alike.filter(([, version]) => version !== current);
}

/** What state a session is in after several events. */
export const sequences: readonly Check[] = [
  contentCheck(
    'content-chain',
    `After each of ${UPDATES} updates the content is what they make of it`,
    'CON-3',
    ['2.10-maintain', '2.10-all-entries', '2.10-new-version', '2.10-prior'],
    async (s) => {
      const report = await openReport(s);
      const second = await s.subscribe({ events: REPORT, name: 'Second' });
      const held = new Map<string, Resource>();
      const gone: Resource[] = [];
      const versions = [report.version];
      for (let at = 1; at <= UPDATES; at++) {
        const version = versions.at(-1)!;
        const message = updateOf(s, report, version, step(at, report.context.patient, held, gone));
        await s.accepted(message);
        for (const one of [report.driver, second]) {
          const told = await one.event(message.id);
          expectSame(message, told, { ira: s.hub.versions.has('IRA') });
          const prior = priorVersionOf(told);
          expect(prior === version, `context.priorVersionId of update ${at} at ${one.name}: "${version}"`, prior);
          if (one === report.driver) versions.push(versionOf(told));
          else expect(versionOf(told) === versions.at(-1), 'one version for every subscriber', told.frame.text);
        }
        if (at % READ_EVERY === 0 && s.hub.claims.has('get-current')) {
          await expectContent(s, held, `after ${at} updates`);
        }
      }
      expect(new Set(versions).size === versions.length, `${versions.length} different versions`, versions);
    },
    { seconds: 40, heavy: true },
  ),
  contentCheck(
    'update-versions-apart',
    'Two open reports that are updated in turn have versions of their own',
    'CON-2',
    ['2.10-prior', '2.10-compare', '2.10-new-version'],
    async (s) => {
      const first = await openReport(s);
      const second = await openReport(s, first.driver);
      const versions = new Map([first, second].map((report) => [report, report.version]));
      for (const report of [first, second, second, first, first, second]) {
        const before = versions.get(report)!;
        const { version, notification } = await update(s, report, before, [put(observation(report.context.patient))]);
        const prior = priorVersionOf(notification);
        expect(prior === before, `context.priorVersionId: "${before}", of the same report`, prior);
        versions.set(report, version);
        if (!s.hub.claims.has('get-current')) continue;
        const [current, read] = [versions.get(second), (await s.context())['context.versionId']];
        expect(read === current, `context.versionId: "${current}", of the report that was opened last`, read);
      }
    },
    { needs: ['content', 'non-current-updates'] },
  ),
  contentCheck(
    'content-large',
    'A large resource is broadcast and read as it was shared',
    'CON-3',
    ['2.10-all-entries', '2.10-changes-in-content', '2.10-too-large'],
    async (s) => {
      const report = await openReport(s);
      const held = new Map<string, Resource>();
      let { version } = report;
      for (const size of [64_000, 300_000]) {
        const text = `${'Größe 7.10 '.repeat(size / 11)}end`;
        const large: Resource = { ...richObservation(report.context.patient), note: [{ text }] };
        const message = updateOf(s, report, version, [put(large), put(observation(report.context.patient))]);
        const response = await s.publish(message);
        if (response.status === 413) throw new CheckSkip(`The Hub takes no updates of ${size} characters (HTTP 413)`);
        expect(succeeded(response), 'a successful status, or 413', `HTTP ${response.status} ${response.body}`);
        const told = await report.driver.event(message.id);
        expectSame(message, told, { ira: s.hub.versions.has('IRA') });
        version = versionOf(told);
        const bundle = message.event.context.find(({ key }) => key === 'updates')?.resource as {
          entry: readonly { resource: Resource }[];
        };
        for (const { resource } of bundle.entry) held.set(keyOf(resource), resource);
        if (s.hub.claims.has('get-current')) await expectContent(s, held, `with one of ${size} characters`);
      }
    },
    { seconds: 30, heavy: true },
  ),
  contentCheck(
    'update-version-alike',
    'A version is the current one or it is none: nothing like it, of another report, or gone by, is taken',
    'CON-2',
    ['2.10-compare', '2.10-mismatch', '2.10-reject'],
    async (s) => {
      const closed = await openReport(s);
      await close(s, closed.opened, closed.driver);
      const other = await openReport(s, closed.driver);
      const report = await openReport(s, closed.driver);
      const first = await update(s, report, report.version, [put(observation(report.context.patient))]);
      const wrong = wrongVersions(first.version, {
        'the version of another open report': other.version,
        'the version of a report that is closed': closed.version,
        'the version before': report.version,
      });
      for (const [what, version] of wrong) {
        const whole = updateOf(s, report, first.version, [put(observation(report.context.patient))]);
        const message = { ...whole, event: { ...whole.event, 'context.versionId': version as string } };
        await s.rejected(`an update with ${what}`, message, report.driver);
      }
      await update(s, report, first.version, [put(observation(report.context.patient))]);
    },
    { seconds: 40 },
  ),
  contentCheck(
    'update-after-reopen',
    'After a report is opened again its new version is the one that counts',
    'CON-2',
    ['2.10-compare', '2.10-assign'],
    async (s) => {
      const report = await reportWithContent(s);
      await openPatient(s, await driver(s, ['Patient-open']));
      const again = await s.accepted(s.event('DiagnosticReport-open', report.elements));
      const version = versionOf(await report.driver.event(again.id));
      const entries = () => [put(observation(report.context.patient))];
      if (version !== report.after) {
        const old = updateOf(s, report, report.after, entries());
        await s.rejected('an update with the version before the report was opened again', old, report.driver);
      }
      await update(s, report, version, entries());
    },
  ),
  contentCheck(
    'update-after-select',
    'A selection changes no version',
    'CON-7',
    ['2.10-compare', '2.3-select'],
    async (s) => {
      const report = await reportWithContent(s);
      const select = await s.accepted(s.event('DiagnosticReport-select', selectElements(report.context, [report.one])));
      await report.driver.event(select.id);
      await update(s, report, report.after, [put(observation(report.context.patient))]);
    },
    { needs: ['content', 'select'] },
  ),
  contentCheck(
    'content-after-close-of-another',
    'Closing another report leaves the content of the current one',
    'PUB-9',
    ['2.10-maintain', '2.9-context'],
    async (s) => {
      const other = await reportWithContent(s);
      const report = await openReport(s, other.driver);
      const one = observation(report.context.patient);
      const { version } = await update(s, report, report.version, [put(one)]);
      await close(s, other.opened, other.driver);
      const context = await s.context();
      expect(context['context.versionId'] === version, `context.versionId: "${version}"`, context['context.versionId']);
      const found = await content(s);
      expect(holds(found, one) !== undefined && found.length === 1, 'the content of the current report', found);
      await update(s, report, version, [put(observation(report.context.patient))]);
    },
    READ_AS_WELL,
  ),
  contentCheck(
    'content-not-of-patient',
    'A patient opened after a report has none of the report’s content',
    'CON-5',
    ['2.9-no-entries', '2.9-most-recent'],
    async (s) => {
      const report = await reportWithContent(s);
      const all = await driver(s, CONTEXT_EVENTS);
      await openPatient(s, all);
      await expectNoContent(s);
      await close(s, report.opened, report.driver);
      await expectNoContent(s);
    },
    READ_AS_WELL,
  ),
  contentCheck(
    'content-not-after-close',
    'After the current report is closed nothing of its content is told',
    'PUB-9',
    ['2.9-closed', '2.9-none'],
    async (s) => {
      const report = await reportWithContent(s);
      await close(s, report.opened, report.driver);
      await expectNoContent(s);
    },
    READ_AS_WELL,
  ),
  contentCheck(
    'reopened-with-changes',
    'A patient opened again with something changed is told and answered as it was opened last',
    'PUB-8',
    ['2.9-context', '2.4-late-joiner'],
    async (s) => {
      const all = await driver(s, CONTEXT_EVENTS);
      const before = patient();
      const first = await s.accepted(s.event('Patient-open', patientElements(before)));
      await all.event(first.id);
      const changed = patientElements({ ...before, birthDate: '1970-01-30', gender: 'other' });
      const again = await s.accepted(s.event('Patient-open', changed));
      await all.event(again.id);
      const late = await s.subscribe({ events: CONTEXT_EVENTS, name: 'Late' });
      const told = await stepping('welcome', () => late.event(again.id));
      expectSame(again, told);
      await s.settle();
      expect(!late.events.some(({ id }) => id === first.id), 'the last open only', 'the first one too');
      await expectCurrent(s, changed);
      await close(s, again, all);
      const third = await s.accepted(s.event('Patient-open', patientElements(before)));
      await all.event(third.id);
      await expectCurrent(s, patientElements(before));
    },
    { needs: [], versions: ONLY_3 },
  ),
  contentCheck(
    'late-joiners-all',
    'Every newcomer is told the open contexts, not only the first',
    'SUB-8',
    ['2.4-late-joiner'],
    async (s) => {
      const stays = await driver(s, CONTEXT_EVENTS);
      const open = await openPatient(s, stays);
      for (const name of ['One', 'Two', 'Three', 'One']) {
        const late = await s.subscribe({ events: CONTEXT_EVENTS, name });
        expectSame(open, await stepping('welcome', () => late.event(open.id)));
      }
      await s.settle();
      const times = stays.events.filter(({ id }) => id === open.id).length;
      expect(times === 1, 'the open context told to the newcomers alone', `${times} times to who was there`);
    },
    { needs: [] },
  ),
  contentCheck(
    'context-read-again',
    'Reading the current context changes nothing',
    'CON-5',
    ['2.9-most-recent', '2.9-version'],
    async (s) => {
      const all = await driver(s, CONTEXT_EVENTS);
      const open = await openPatient(s, all);
      const read = async () => {
        const { context, ...rest } = await s.context();
        return { ...rest, context: objects(context).filter(({ key }) => key !== 'content') };
      };
      const first = await read();
      for (let times = 0; times < 4; times++) {
        const next = await read();
        expect(sameJson(next, first), 'the same answer each time', next);
      }
      expect(sameJson(first.context, open.event.context), 'the patient that is open', first.context);
      await s.settle();
      expect(all.events.length === 1, 'no event because somebody reads', all.events.at(-1)?.frame.text);
    },
    { needs: ['get-current'] },
  ),
];

async function expectNoContent(s: Scenario): Promise<void> {
  const found = contentElements(await s.context()).flatMap(({ resource }) =>
    isObject(resource) ? objects(resource.entry) : [],
  );
  expect(found.length === 0, 'no content', found);
}

async function expectCurrent(s: Scenario, wanted: readonly ContextElement[]): Promise<void> {
  if (!s.hub.claims.has('get-current')) return;
  const found = objects((await s.context()).context).filter(({ key }) => key !== 'content');
  expect(sameJson(found, wanted), 'the patient as it was opened last', found);
}
