import type { Check } from '../check.ts';
import { CheckSkip, expect, stepping } from '../expecting.ts';
import { type JsonObject, sameJson } from '../json.ts';
import { observation, patient, patientElements, put, study, studyElements } from '../samples.ts';
import { anchorId, type Scenario, succeeded, versionOf } from '../target/scenario.ts';
import type { PlayedSubscriber } from '../target/subscriber.ts';
import {
  ALL,
  CONTEXT_EVENTS,
  CORE,
  checksOf,
  close,
  contentResources,
  driver,
  opening,
  openPatient,
  openReport,
  PATIENT,
  REPORT,
  reportWithContent,
  returned,
  update,
  updateOf,
} from './parts.ts';
import { expectSigned, unsubscribeWebhook, WEBHOOK_SECRET, webhook } from './webhooks.ts';

/** A check may wait for the others that need the restart, and for a person who does it. */
const SECONDS = 600;

/**
 * ms. A Hub of several nodes calls the callbacks of a killed node once it is sure that the node is gone. No text says how soon
 * that is.
 */
const TAKE_OVER_MS = 15_000;

const build = checksOf({ versions: CORE, safety: true, needs: ['restart'], seconds: SECONDS }, 'restart-');

function check(
  id: string,
  title: string,
  rule: string,
  requirements: Check['requirements'],
  run: Check['run'],
  { needs = [], ...more }: Partial<Check> = {},
): Check {
  return build(id, title, rule, requirements, run, { needs: ['restart', ...needs], ...more });
}

/** Somebody who subscribes after the restart. */
const newcomer = (s: Scenario, events: readonly string[] = CONTEXT_EVENTS): Promise<PlayedSubscriber> =>
  stepping('restart', () => s.subscribe({ events, name: 'Afterwards' }));

/** What is told to somebody who subscribes after the restart. */
async function toldAfterwards(s: Scenario, events: readonly string[] = CONTEXT_EVENTS) {
  const late = await newcomer(s, events);
  await s.settle();
  return late.events;
}

/** What outlasts a restart of the Hub: nothing of an earlier moment may come back in its place. */
export const restarts: readonly Check[] = [
  check(
    'comes-back',
    'After a restart the Hub takes subscriptions and events of the session',
    'SES-5',
    ['2.4-response', '2.6-broadcast'],
    async (s) => {
      await openPatient(s, await driver(s, PATIENT));
      await s.restart();
      await openPatient(s, await newcomer(s, PATIENT));
    },
    { versions: ALL },
  ),
  check(
    'context',
    'After a restart the current context is the one of before, or none',
    'CON-5',
    ['2.9-most-recent'],
    async (s) => {
      const stays = await driver(s, CONTEXT_EVENTS);
      await openPatient(s, stays);
      const last = await openPatient(s, stays);
      await s.restart();
      await newcomer(s);
      const after = await s.context();
      const right = after['context.type'] === '' || sameJson(opening(after), last.event.context);
      expect(right, 'the context of the last Patient-open, or context.type: ""', after);
    },
    { needs: ['get-current'] },
  ),
  check(
    'context-kept',
    'After a restart the current context is the one of before, with its version',
    'CON-5',
    ['2.9-most-recent', '2.9-version'],
    async (s) => {
      await openPatient(s, await driver(s, CONTEXT_EVENTS));
      const shown = (one: JsonObject) => [one['context.type'], one['context.versionId'], opening(one)];
      const before = shown(await s.context());
      await s.restart();
      const after = shown(await s.context());
      expect(sameJson(after, before), JSON.stringify(before), after);
    },
    { needs: ['get-current'], level: 'SHOULD' },
  ),
  check(
    'newcomer',
    'After a restart nobody is told an older context, or a closed one',
    'SUB-8',
    ['2.4-late-joiner'],
    async (s) => {
      const stays = await driver(s, CONTEXT_EVENTS);
      await openPatient(s, stays);
      const last = await openPatient(s, stays);
      const of = patient();
      const opened = await s.accepted(s.event('ImagingStudy-open', studyElements(study(of), of)));
      await stays.event(opened.id);
      await close(s, opened, stays);
      await s.restart();
      const wrong = (await toldAfterwards(s)).find(({ id }) => id !== last.id);
      expect(wrong === undefined, `the Patient-open ${last.id}, or nothing`, wrong?.frame.text);
    },
  ),
  check(
    'newcomer-told',
    'After a restart a newcomer is told what was open before it',
    'SUB-8',
    ['2.4-late-joiner', '2.4-indistinguishable'],
    async (s) => {
      const open = await openPatient(s, await driver(s, CONTEXT_EVENTS));
      await s.restart();
      const event = await (await newcomer(s)).event(open.id);
      expect(sameJson(event.event.context, open.event.context), 'the original context', event.event.context);
    },
    { level: 'SHOULD' },
  ),
  check(
    'closed',
    'What was closed before a restart stays closed',
    'CON-3',
    ['3.3.2-close', '2.4-late-joiner'],
    async (s) => {
      const stays = await driver(s, CONTEXT_EVENTS);
      await close(s, await openPatient(s, stays), stays);
      await s.restart();
      const [told] = await toldAfterwards(s);
      expect(told === undefined, 'no event: the patient was closed', told?.frame.text);
    },
  ),
  check(
    'versions',
    'After a restart no version is given again, and no earlier one is taken',
    'CON-8',
    ['2.10-new-version', '2.10-mismatch'],
    async (s) => {
      const report = await openReport(s);
      const entries = () => [put(observation(report.context.patient))];
      const second = await update(s, report, report.version, entries());
      const third = await update(s, report, second.version, entries());
      const given = [report.version, second.version, third.version];
      await s.restart();
      const watcher = await newcomer(s, REPORT);
      for (const earlier of [report.version, second.version]) {
        await s.rejected(`an update of ${earlier}`, updateOf(s, report, earlier, entries()), watcher);
      }
      const next = updateOf(s, report, third.version, entries());
      const told = succeeded(await s.publish(next)) && (await watcher.event(next.id).catch(() => undefined));
      // Where the report is not open any more, another one is opened.
      const version = told ? versionOf(told) : (await openReport(s, watcher)).version;
      expect(!given.includes(version), `none of ${given.join(', ')}`, version);
    },
    { needs: ['content'] },
  ),
  check(
    'content',
    'After a restart an open report has all its content',
    'CON-6',
    ['2.10-maintain'],
    async (s) => {
      const report = await reportWithContent(s);
      await update(s, report, report.after, [put({ ...report.one, id: `${report.one.id}-2` })]);
      const before = contentResources(await s.context());
      await s.restart();
      const context = await s.context();
      if (context['context.type'] === '') throw new CheckSkip('After a restart the report is not open any more');
      const after = contentResources(context);
      const same = before.every((resource) => after.some((one) => sameJson(one, resource)));
      expect(same && after.length === before.length, JSON.stringify(before), after);
    },
    { needs: ['content', 'get-current'] },
  ),
  check(
    'endpoint',
    'Who returns to an endpoint of before a restart is turned away, or hears its events and no others',
    'SUB-11',
    ['2.6-broadcast', '2.4-not-subscribed'],
    async (s) => {
      const away = await driver(s, PATIENT);
      await s.restart();
      const back = await returned(s, 'a restart', away);
      const of = patient();
      const other = await s.accepted(s.event('ImagingStudy-open', studyElements(study(of), of)));
      const meant = await s.accepted(s.event('Patient-open', patientElements(patient())));
      await back.event(meant.id);
      expect(!back.events.some(({ id }) => id === other.id), 'Patient-open only', 'ImagingStudy-open too');
    },
  ),
  check(
    'unsubscribed',
    'Who unsubscribed before a restart is not subscribed after it',
    'SUB-9',
    ['2.4-destroyed', 'RAD-152-terminate'],
    async (s) => {
      const leaver = await s.subscribe({ events: PATIENT, name: 'Leaver' });
      await s.unsubscribe(leaver);
      await leaver.waitForClose().catch(() => undefined);
      await s.restart();
      await newcomer(s, PATIENT);
      const fate = await s.fateOf(leaver.endpoint);
      expect(fate !== 'served', 'the endpoint to be over', 'the Hub confirmed a connection to it');
    },
    { versions: ALL },
  ),
  check(
    'endpoint-unique',
    'After a restart no endpoint is given that was given before',
    'SUB-2',
    ['2.4-random'],
    async (s) => {
      const ask = async () => {
        const endpoints: string[] = [];
        for (const name of ['Alpha', 'Beta', 'Gamma']) endpoints.push(await s.ask({ events: PATIENT, name }));
        return endpoints;
      };
      const before = await ask();
      await s.restart();
      const again = (await stepping('restart', ask)).find((endpoint) => before.includes(endpoint));
      expect(again === undefined, 'endpoints of their own', again);
    },
    { versions: ALL },
  ),
  check(
    'retry',
    'After a restart an older event that is sent again does not take the context back',
    'PUB-7',
    ['2.6-retried', '2.9-most-recent'],
    async (s) => {
      const stays = await driver(s, PATIENT);
      const first = await openPatient(s, stays);
      const second = await openPatient(s, stays);
      await s.restart();
      await newcomer(s, PATIENT);
      await s.publish(first);
      await s.settle();
      const { context } = await s.context();
      const older = JSON.stringify(context).includes(JSON.stringify(anchorId(first)));
      expect(!older, `the patient ${anchorId(second)} still current, or none`, context);
    },
    { needs: ['get-current'], level: 'SHOULD' },
  ),
  check(
    'webhook',
    'After a restart webhooks are delivered to, signed by their secrets',
    'WEB-3',
    ['STU2-notification', 'STU2-hmac'],
    async (s) => {
      const { hook } = await webhook(s);
      await s.restart();
      const open = await openPatient(s, await newcomer(s, PATIENT));
      const delivered = await hook.delivery(open.id, TAKE_OVER_MS);
      expectSigned(String(delivered.headers['x-hub-signature']), delivered.bytes, WEBHOOK_SECRET);
    },
    { versions: ['STU2'], needs: ['webhooks'] },
  ),
  check(
    'webhook-unsubscribed',
    'A webhook that unsubscribed before a restart is not delivered to after it',
    'WEB-3',
    ['STU2-unsubscribe'],
    async (s) => {
      const { hook } = await webhook(s);
      await unsubscribeWebhook(s, hook);
      await s.restart();
      const open = await openPatient(s, await newcomer(s, PATIENT));
      await s.settle();
      expect(!hook.deliveries.some(({ json }) => json.id === open.id), 'no delivery', 'the event was delivered');
    },
    { versions: ['STU2'], needs: ['webhooks'] },
  ),
];
