import type { Check } from '../check.ts';
import { expect } from '../expecting.ts';
import { isObject, objects, sameJson, textOf } from '../json.ts';
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
  richReportContext,
  selectElements,
  study,
  studyElements,
  updateElements,
} from '../samples.ts';
import { anchorId, type Scenario, succeeded, versionOf } from '../target/scenario.ts';
import type { Notification, PlayedSubscriber } from '../target/subscriber.ts';
import { ALL, CORE, checksOf, closing, driver, openPatient, PATIENT, returned } from './parts.ts';
import { EVERYTHING, expectNothingElse, expectSame } from './same.ts';

const check = checksOf({ versions: ALL, safety: true });

/** Events of one soak, and those that are on their way at once. */
const EVENTS = 500;
const ABREAST = 10;

/** Rounds through every kind of event; after one of them what is open stays open, and another subscriber joins. */
const ROUNDS = 9;
const LEFT_OPEN = 4;

/** One round: what is opened, shared, selected and closed, in an order in which each is allowed. */
async function* round(
  s: Scenario,
  number: number,
  told: (message: EventMessage) => Promise<Notification>,
): AsyncGenerator<EventMessage> {
  const context = number % 3 === 0 ? richReportContext() : reportContext();
  const visit = encounter(context.patient);
  const opens = [
    s.event('Patient-open', patientElements(context.patient)),
    s.event('Encounter-open', encounterElements(visit, context.patient)),
    s.event('ImagingStudy-open', studyElements(context.study, context.patient)),
    s.event('DiagnosticReport-open', reportElements(context)),
  ].filter((message) => s.claims(message.event['hub.event']));
  yield* opens;
  const opened = opens.find((message) => message.event['hub.event'] === 'DiagnosticReport-open');
  if (opened && s.hub.claims.has('content')) {
    const several = Array.from({ length: number * 4 }, () => observation(context.patient));
    const versionId = versionOf(await told(opened));
    yield s.event('DiagnosticReport-update', updateElements(context, several.map(put)), { versionId });
    if (s.hub.claims.has('select'))
      yield s.event('DiagnosticReport-select', selectElements(context, several.slice(-2)));
  }
  if (number !== LEFT_OPEN) yield* opens.reverse().map((open) => closing(s, open));
}

/** What a slow delivery is, ms, beside the round trips of the run. */
const PROMPT = 1500;

/** What happens to a session in the long run: many events, lost connections, requests sent again. */
export const soak: readonly Check[] = [
  check(
    'soak',
    `Of ${EVENTS} events every one reaches every subscriber, as it was published`,
    'PUB-3',
    ['2.5-notify', '2.6-broadcast'],
    async (s) => {
      const all = [];
      for (const name of ['First', 'Second', 'Third']) all.push(await s.subscribe({ events: PATIENT, name }));
      const sent = [];
      for (let at = 0; at < EVENTS; at += ABREAST) {
        const group = Array.from({ length: ABREAST }, () => s.event('Patient-open', patientElements(patient())));
        await Promise.all(group.map((message) => s.accepted(message)));
        sent.push(...group);
      }
      const wanted = new Set(sent.map(({ id }) => id));
      let order: readonly unknown[] | undefined;
      for (const one of all) {
        await one.event(sent.at(-1)!.id);
        await s.settle();
        const came = one.events.filter(({ id }) => wanted.has(textOf(id)));
        const told = new Set(came.map(({ id }) => id));
        const missing = sent.filter(({ id }) => !told.has(id));
        expect(
          missing.length === 0,
          `${EVENTS} events at ${one.name}`,
          `${missing.length} are missing, such as ${missing[0]?.id}`,
        );
        expect(came.length === EVENTS, `every event once at ${one.name}`, `${came.length - EVENTS} came again`);
        const versions = came.map(({ event }) => event['context.versionId']).filter((one) => one !== undefined);
        const again = versions.find((one, at) => versions.indexOf(one) !== at);
        expect(again === undefined, 'a version of its own for every open', `${textOf(again)} more than once`);
        const byId = new Map(came.map((event) => [event.id, event]));
        for (const message of sent) expectSame(message, byId.get(message.id)!);
        const ids = came.map(({ id }) => id);
        order ??= ids;
        const group = new Map(sent.map(({ id }, at) => [id, Math.floor(at / ABREAST)]));
        const late = ids.findIndex((id, at) => at > 0 && group.get(textOf(id))! < group.get(textOf(ids[at - 1]))!);
        expect(
          late < 0,
          'what was accepted before another is published comes before it',
          `${textOf(ids[late])} came late`,
        );
        expect(
          sameJson(ids, order),
          `one order for every subscriber; ${one.name} like ${all[0]?.name}`,
          'another order',
        );
      }
    },
    { seconds: 60, heavy: true },
  ),
  check(
    'rounds',
    `In each of ${ROUNDS} rounds every kind of event reaches everybody as it was published`,
    'PUB-13',
    ['2.5-notify', '2.6-broadcast', '2.3-complete'],
    async (s) => {
      const all: PlayedSubscriber[] = [];
      for (const name of ['First', 'Second']) all.push(await s.subscribe({ events: EVERYTHING, name }));
      const told = (message: EventMessage) => all[0]!.event(message.id);
      for (let number = 1; number <= ROUNDS; number++) {
        if (number === LEFT_OPEN + 1) all.push(await s.subscribe({ events: EVERYTHING, name: 'Third' }));
        for await (const message of round(s, number, told)) {
          await s.accepted(message);
          for (const one of all) {
            expectSame(message, await one.event(message.id), { ira: s.hub.versions.has('IRA') });
          }
        }
      }
      await s.settle();
      for (const one of all) {
        expectNothingElse(s, one, s.published);
        const ids = one.events.map(({ id }) => id);
        const again = one.events.find(({ id }, at) => ids.indexOf(id) !== at);
        expect(again === undefined, `each event once at ${one.name}`, again?.frame.text);
        expect(one.denials.length === 0, `no denial at ${one.name}`, one.denials[0]);
      }
    },
    { versions: CORE, seconds: 30, heavy: true },
  ),
  check(
    'broadcast-prompt',
    'A broadcast follows its request at once',
    'PUB-3',
    ['2.5-notify'],
    async (s) => {
      const one = await driver(s, PATIENT);
      const late: number[] = [];
      for (let index = 0; index < 12; index++) {
        const message = s.event('Patient-open', patientElements(patient()));
        const started = performance.now();
        await s.accepted(message);
        const answered = performance.now() - started;
        // Where a busy machine makes everything late, the answer to a ping is late as well.
        const ponged = one.ping().then(
          () => performance.now(),
          () => undefined,
        );
        const { frame } = await one.event(message.id);
        const pong = await ponged;
        const most = pong === undefined ? PROMPT * s.hub.pace.factor : PROMPT + pong - started;
        const took = frame.at - started;
        if (took > most + 4 * answered) late.push(Math.round(took));
      }
      expect(late.length === 0, `every event within ${PROMPT} ms`, `after ${late.join(', ')} ms`);
    },
    { level: 'SHOULD', seconds: 30 },
  ),
  check(
    'retry-keeps-newer',
    'An event that is sent again does not take the context back',
    'PUB-7',
    ['2.6-retried', '2.9-most-recent'],
    async (s) => {
      const one = await driver(s, PATIENT);
      const first = await openPatient(s, one);
      const second = await openPatient(s, one);
      await s.publish(first);
      await s.settle();
      const { context } = await s.context();
      const [held] = objects(context);
      const right = isObject(held?.resource) && held.resource.id === anchorId(second);
      expect(right, 'the newer patient still current after the older event was sent again', context);
    },
    { level: 'SHOULD', versions: CORE, needs: ['get-current'] },
  ),
  check(
    'used-id-not-swallowed',
    'A new event with a used id is refused or broadcast, but never taken without a word',
    'PUB-7',
    ['2.6-broadcast', '2.6-answer'],
    async (s) => {
      const one = await s.subscribe({ events: [...PATIENT, 'SyncError'], name: 'Driver' });
      const first = await openPatient(s, one);
      const other = s.event('Patient-open', patientElements(patient()), { id: first.id });
      const response = await s.publish(other);
      if (!succeeded(response)) return;
      const isOther = (text: string) => text.includes(textOf(anchorId(other)));
      await one.notification('after a successful status the other patient, or a SyncError', (event) =>
        event.name === 'syncerror' ? true : isOther(event.frame.text),
      );
    },
  ),
  check(
    'return-hears-close',
    'Who returns to its endpoint is not left with a patient that was closed meanwhile',
    'SUB-11',
    ['2.5-notify', '2.4-late-joiner'],
    async (s) => {
      const stays = await driver(s, PATIENT);
      const away = await s.subscribe({ events: PATIENT, name: 'Away' });
      const first = await openPatient(s, stays);
      await away.event(first.id);
      away.cut();
      // More than a short log of events keeps.
      for (let index = 0; index < 30; index++) {
        const next = await openPatient(s, stays);
        await s.accepted(closing(s, next));
      }
      await s.accepted(closing(s, first));
      const back = await returned(s, 'a lost connection', away);
      await s.settle();
      await s.settle();
      const denied = back.denials.length > 0 || back.closed !== undefined;
      const id = textOf(anchorId(first));
      const closed = back.events.some((event) => event.name === 'patient-close' && event.frame.text.includes(id));
      expect(denied || closed, `a Patient-close of ${id}, or a denial`, `${back.events.length} events without it`);
    },
    { level: 'SHOULD', seconds: 40 },
  ),
  check(
    'return-told-current',
    'Who returns to its endpoint is told the context that is open now',
    'SUB-11',
    ['2.4-late-joiner'],
    async (s) => {
      const stays = await driver(s, PATIENT);
      const away = await s.subscribe({ events: PATIENT, name: 'Away' });
      const first = await openPatient(s, stays);
      await away.event(first.id);
      away.cut();
      const second = await openPatient(s, stays);
      const back = await returned(s, 'a lost connection', away);
      await back.event(second.id);
    },
    { level: 'SHOULD', versions: CORE },
  ),
  check(
    'confirmation-before-contexts',
    'The confirmation comes before the open contexts',
    'SUB-7',
    ['2.4-confirm', '2.4-late-joiner'],
    async (s) => {
      const of = patient();
      const stays = await driver(s, [...PATIENT, 'ImagingStudy-open']);
      await openPatient(s, stays);
      const open = await s.accepted(s.event('ImagingStudy-open', studyElements(study(of), of)));
      await stays.event(open.id);
      const late = await s.connect(await s.ask({ events: [...PATIENT, 'ImagingStudy-open'], name: 'Late' }), 'Late');
      await late.confirmation();
      const first = late.frames.find(
        ({ message }) => message?.['hub.mode'] !== undefined || message?.event !== undefined,
      );
      expect(first?.message?.['hub.mode'] === 'subscribe', 'the confirmation first', first?.text);
    },
    { safety: false },
  ),
  check(
    'ping-answered',
    'A ping is answered',
    'SUB-11',
    ['RFC6455-pong', '2-wss'],
    async (s) => {
      const one = await driver(s, PATIENT);
      await one.ping();
      await openPatient(s, one);
    },
    { safety: false },
  ),
];
