import type { Check } from '../check.ts';
import { CheckSkip, expect } from '../expecting.ts';
import { objects, sameJson, textOf } from '../json.ts';
import {
  type EventMessage,
  logoutElements,
  observation,
  patient,
  patientElements,
  put,
  type ReportContext,
  reportContext,
  reportElements,
  selectElements,
  updateElements,
} from '../samples.ts';
import { type Scenario, succeeded, versionOf } from '../target/scenario.ts';
import type { PlayedSubscriber } from '../target/subscriber.ts';
import { ALL, CORE, checksOf, closing, contentElements, openPatient, PATIENT, READ_AS_WELL } from './parts.ts';
import { EVERYTHING } from './same.ts';

const check = checksOf({ versions: CORE, safety: true });

/** Joins a session that is not the scenario's own. */
const joinElsewhere = (s: Scenario, topic: string, events: readonly string[], name = 'Elsewhere') =>
  s.subscribe({ events, name, fields: { 'hub.topic': topic } });

/** One event of every kind that the Hub claims, in an order in which each is allowed; the first one is refused by a subscriber. */
async function everyKind(s: Scenario, at: PlayedSubscriber): Promise<readonly EventMessage[]> {
  const context = reportContext();
  const sent: EventMessage[] = [];
  const send = async (message: EventMessage) => {
    if (!s.claims(message.event['hub.event'])) return undefined;
    sent.push(await s.accepted(message));
    return at.event(message.id);
  };
  const first = s.event('Patient-open', patientElements(context.patient));
  await s.subscribe({
    events: PATIENT,
    name: 'Refusing',
    answer: ({ name }) => (name === 'patient-open' ? 409 : 200),
  });
  await send(first);
  await at.syncError(first.id).catch(() => undefined);
  const opened = await send(s.event('DiagnosticReport-open', reportElements(context)));
  if (opened && s.hub.claims.has('content')) {
    const one = observation(context.patient);
    const elements = updateElements(context, [put(one)]);
    await send(s.event('DiagnosticReport-update', elements, { versionId: versionOf(opened) }));
    if (s.hub.claims.has('select')) await send(s.event('DiagnosticReport-select', selectElements(context, [one])));
  }
  await send(closing(s, first));
  await send(s.event('Home-open', []));
  await send(s.event('UserHibernate', logoutElements()));
  return sent;
}

function expectUntouched(one: PlayedSubscriber, allowed: readonly string[] = []): void {
  const other = one.events.find(({ id }) => !allowed.includes(textOf(id)));
  expect(other === undefined, 'no event of another session', other?.frame.text);
  expect(one.denials.length === 0, 'no denial', one.denials[0]);
}

interface TwinReports {
  readonly context: ReportContext;
  readonly other: string;
  readonly here: PlayedSubscriber;
  readonly there: PlayedSubscriber;
  readonly versions: { readonly here: string; readonly there: string };
}

const REPORTS = ['DiagnosticReport-open', 'DiagnosticReport-close', 'DiagnosticReport-update', 'SyncError'];

/** The same report, open in two sessions. */
async function twinReports(s: Scenario): Promise<TwinReports> {
  const other = await s.otherTopic();
  const context = reportContext();
  const here = await s.subscribe({ events: REPORTS, name: 'Here' });
  const there = await joinElsewhere(s, other, REPORTS);
  const open = await s.accepted(s.event('DiagnosticReport-open', reportElements(context)));
  const opened = await here.event(open.id);
  const twin = await s.accepted(s.event('DiagnosticReport-open', reportElements(context), { topic: other }));
  const openedThere = await there.event(twin.id);
  return { context, other, here, there, versions: { here: versionOf(opened), there: versionOf(openedThere) } };
}

/** What a session knows nothing of: everything in every other one. */
export const sessionsApart: readonly Check[] = [
  check(
    'sessions-apart-every-kind',
    'Nothing that happens in a session is told in another, whatever kind of event it is',
    'PUB-3',
    ['2.3-topic', '2.5-notify', '2.5-others'],
    async (s) => {
      const other = await s.otherTopic();
      const there = await joinElsewhere(s, other, EVERYTHING);
      const here = await s.subscribe({ events: EVERYTHING, name: 'Here' });
      await everyKind(s, here);
      const late = await joinElsewhere(s, other, EVERYTHING, 'Late elsewhere');
      await s.settle();
      for (const one of [there, late]) expectUntouched(one);
      const open = await s.accepted(s.event('Patient-open', patientElements(patient()), { topic: other }));
      for (const one of [there, late]) await one.event(open.id);
      const logout = s.event('UserLogout', logoutElements());
      if (s.claims('UserLogout')) {
        await s.accepted(logout);
        await here.event(logout.id);
      }
      await s.settle();
      for (const one of [there, late]) expectUntouched(one, [open.id]);
      if (!s.hub.claims.has('get-current')) return;
      const [held] = objects((await s.context({ topic: other })).context);
      const same = sameJson(held, open.event.context[0]);
      expect(same, 'the other session’s patient, still current after a UserLogout in this one', held);
    },
    { seconds: 30 },
  ),
  check(
    'sessions-same-report',
    'A report that is open in two sessions has content and versions of its own in each',
    'CON-3',
    ['2.10-compare', '2.9-context', '2.3-topic'],
    async (s) => {
      const { context, other, here, there, versions } = await twinReports(s);
      const one = observation(context.patient);
      const update = (versionId: string, topic: string) =>
        s.event('DiagnosticReport-update', updateElements(context, [put(one)]), { versionId, topic });
      const first = await s.accepted(update(versions.here, s.topic));
      const after = versionOf(await here.event(first.id));
      const read = await s.context({ topic: other });
      const entries = contentElements(read).flatMap(({ resource }) => objects((resource as { entry?: unknown }).entry));
      expect(entries.length === 0, 'no content in the other session', entries);
      expect(
        read['context.versionId'] === versions.there,
        `context.versionId: "${versions.there}" in the other session`,
        read['context.versionId'],
      );
      if (after !== versions.there) {
        await s.rejected('an update with a version of another session', update(after, other), there);
      }
      const second = await s.accepted(update(versions.there, other));
      await there.event(second.id);
      const close = await s.accepted(s.event('DiagnosticReport-close', reportElements(context)));
      await here.event(close.id);
      const held = await s.context({ topic: other });
      expect(
        held['context.type'] === 'DiagnosticReport',
        'the report, still open in the other session after it was closed in this one',
        held,
      );
    },
    { ...READ_AS_WELL, seconds: 25 },
  ),
  check(
    'sessions-alike-apart',
    'Sessions whose names begin alike are two sessions',
    'SES-6',
    ['2.3-topic', '2.5-notify'],
    async (s) => {
      if (!s.hub.topics.invents) throw new CheckSkip('The suite is given its sessions, and makes up no names for them');
      const here = await s.subscribe({ events: PATIENT, name: 'Here' });
      for (const alike of [`${s.topic}0`, s.topic.slice(0, -1)]) {
        const response = await s.post({ ...s.fields(PATIENT, 'Alike'), 'hub.topic': alike });
        // A Hub may know its sessions.
        if (!succeeded(response)) continue;
        const there = await joinElsewhere(s, alike, PATIENT, 'Alike');
        const open = await openPatient(s, here);
        await s.settle();
        const told = there.events.some(({ id }) => id === open.id);
        expect(!told, `no event of the session ${s.topic} in the session ${alike}`, 'it was delivered');
      }
    },
    { versions: ALL },
  ),
];
