import { CheckSkip, expect } from '../expecting.ts';
import { isObject, type JsonObject, objects, textOf } from '../json.ts';
import { CLOCKS_APART, momentOf } from '../specification.ts';
import { ANSWER_MS, type PlayedSession } from './played-session.ts';
import {
  type AppScenario,
  eventOf,
  nameOf,
  opening,
  publishedAfter,
  type SubscriberCheck,
  tellReport,
  versionIn,
} from './scenario.ts';

/** What the application published, judged; skipped where it published nothing. */
export function onPublished(
  id: string,
  title: string,
  requirements: SubscriberCheck['requirements'],
  judge: (messages: PlayedSession['published'], session: PlayedSession) => void,
  more: Partial<SubscriberCheck> = {},
): SubscriberCheck {
  return {
    id,
    title,
    rule: 'PUB-1',
    requirements,
    level: 'SHALL',
    run: async ({ session, ask }) => {
      if (session.published.length === 0)
        await publishedAfter({ session, ask }, 'Change the patient or the report in the application now.');
      if (session.published.length === 0) throw new CheckSkip('The application published nothing');
      judge(session.published, session);
    },
    ...more,
  };
}

const isUpdate = (message: JsonObject) => nameOf(message).endsWith('-update');

/**
 * The first update that the application publishes of the open report, by itself or asked to.
 * @param before how many messages it had published before the report was opened
 * @throws CheckSkip where it publishes none
 */
export async function sharedUpdate(
  session: PlayedSession,
  ask: AppScenario['ask'],
  before: number,
): Promise<JsonObject> {
  const published = () => session.published.slice(before).find(isUpdate);
  const instruction = 'Share something of the open report in the application (a measurement, a finding) now.';
  await publishedAfter({ session, ask }, instruction, () => published() !== undefined);
  if (!published()) await session.settle();
  const update = published();
  if (!update) throw new CheckSkip('The application published no update');
  return update;
}

/** How the systems of a SyncError's codings begin. */
const SYNCERROR_SYSTEMS = 'https://fhircast.hl7.org/events/syncerror/';

/** What an application publishes. */
export const publishing: readonly SubscriberCheck[] = [
  onPublished('app-publishes-ids', 'What it publishes has ids of its own', ['S-unique'], (messages) => {
    const ids = messages.map(({ id }) => id);
    expect(
      ids.every((id) => typeof id === 'string' && id.trim() !== ''),
      'an id in every request',
      ids,
    );
    expect(new Set(ids).size === ids.length, 'a new id for every request', ids);
  }),
  onPublished(
    'app-publishes-json',
    'What it publishes says that it is JSON',
    ['S-json'],
    (messages, { publishRequests }) => {
      for (const message of messages) {
        const type = publishRequests.get(message)?.contentType;
        const right = /^application\/(fhir\+)?json\b/i.test(type ?? '');
        expect(right, 'Content-Type: application/json or application/fhir+json', type);
      }
    },
  ),
  onPublished(
    'app-publishes-token',
    'What it publishes has the access token as Bearer',
    ['S-write'],
    (messages, session) => {
      if (session.subscription?.authorization === undefined)
        throw new CheckSkip('The application sends no Authorization header: it uses no OAuth 2.0');
      const without = messages.find(
        (message) => session.publishRequests.get(message)?.authorization !== `Bearer ${session.token}`,
      );
      expect(without === undefined, 'Authorization: Bearer and the token it was given', without);
    },
    { level: 'SHOULD', rule: 'PUB-2' },
  ),
  onPublished(
    'app-publishes-topic',
    'What it publishes names its session',
    ['S-required'],
    (messages, { topic }) => {
      for (const message of messages) {
        const named = eventOf(message)['hub.topic'];
        expect(named === topic, `hub.topic: "${topic}"`, named);
      }
    },
    { safety: true },
  ),
  onPublished(
    'app-publishes-timestamps',
    'What it publishes has the time at which it happened, in UTC',
    ['S-timestamp'],
    (messages, { publishRequests }) => {
      for (const message of messages) {
        const moment = momentOf(textOf(message.timestamp));
        expect(!Number.isNaN(moment), 'timestamp: an ISO 8601 time in UTC', message.timestamp);
        const came = publishRequests.get(message)?.at ?? moment;
        expect(
          Math.abs(came - moment) < CLOCKS_APART,
          `timestamp: about ${new Date(came).toISOString()}, when it came`,
          message.timestamp,
        );
      }
    },
    { safety: true },
  ),
  onPublished(
    'app-publishes-context',
    'What it publishes has its context, with the anchor',
    ['S-required', 'S-anchor'],
    (messages) => {
      const keys: Record<string, string> = { imagingstudy: 'study', diagnosticreport: 'report' };
      for (const message of messages) {
        const { context, 'hub.event': name } = eventOf(message);
        expect(Array.isArray(context), 'event.context: an array', message);
        const [type, action] = textOf(name).toLowerCase().split('-');
        if (type === undefined || type === 'home' || (action !== 'open' && action !== 'close')) continue;
        const key = keys[type] ?? type;
        const anchor = objects(context).find((one) => one.key === key);
        expect(anchor !== undefined, `an element with the key "${key}"`, message);
        const held = isObject(anchor.resource) ? textOf(anchor.resource.resourceType).toLowerCase() : '';
        expect(held === type, `the ${type} as a resource`, anchor);
      }
    },
  ),
  {
    id: 'app-updates-versioned',
    title: 'Its updates name the version that the Hub gave last',
    rule: 'CON-2',
    requirements: ['S-version', 'S-bundle'],
    level: 'SHALL',
    safety: true,
    run: async ({ session, ask }) => {
      const before = session.published.length;
      const { open } = await tellReport(session);
      const update = await sharedUpdate(session, ask, before);
      const version = eventOf(update)['context.versionId'];
      const wanted = versionIn(open);
      expect(version === wanted, `context.versionId: "${wanted}"`, version);
      const bundles = objects(eventOf(update).context).filter((one) => one.key === 'updates');
      expect(bundles.length === 1, 'one element "updates"', bundles);
    },
  },
  {
    id: 'app-updates-again',
    title: 'After an update of its own it names the version that the Hub made of it',
    rule: 'CON-2',
    requirements: ['S-version'],
    level: 'SHALL',
    safety: true,
    run: async ({ session, ask }) => {
      await tellReport(session, 'DiagnosticReport-update');
      const first = await sharedUpdate(session, ask, session.published.length);
      const told = session.versionAfter(first);
      if (told === undefined) throw new CheckSkip('The Hub rejected the first update: see app-updates-versioned');
      // It knows the new version when it has answered its own update.
      const answered = () => session.answers.some(({ id }) => id === first.id);
      await session.until('an answer to the update', answered, ANSWER_MS).catch(() => undefined);
      const second = await sharedUpdate(session, ask, session.published.length);
      const version = eventOf(second)['context.versionId'];
      expect(version === told, `context.versionId: "${told}"`, version);
    },
  },
  onPublished(
    'app-publishes-syncerrors',
    'A SyncError of its own has the profile’s OperationOutcome',
    ['S-syncerror', 'S-syncerror-severity', 'S-RAD-156-context', 'S-RAD-156-severity'],
    (messages, session) => {
      const errors = messages.filter((message) => nameOf(message) === 'syncerror');
      if (errors.length === 0) throw new CheckSkip('The application published no SyncError');
      for (const error of errors) {
        const outcomes = objects(eventOf(error).context).filter(({ key }) => key === 'operationoutcome');
        const issues = outcomes.flatMap(({ resource }) => (isObject(resource) ? objects(resource.issue) : []));
        const issue = issues.find(({ code }) => code === 'processing');
        expect(issue !== undefined, 'an operationoutcome with an issue of the code "processing"', eventOf(error));
        expect(issue.severity === 'warning', 'issue.severity: "warning"', issue);
        const codings = isObject(issue.details) ? objects(issue.details.coding) : [];
        const told = codings.every(({ code }) => textOf(code) !== '') && textOf(issue.diagnostics).trim() !== '';
        expect(told, 'issue.diagnostics, and a code in each coding', issue);
        const known = codings.filter(({ system }) => textOf(system).startsWith(SYNCERROR_SYSTEMS));
        const systems = known.map(({ system }) => textOf(system).split('/').at(-1) ?? '');
        const right = ['eventid', 'eventname'].every((one) => systems.includes(one));
        expect(right && systems.some((one) => one.startsWith('subscriber')), 'codings of event and subscriber', issue);
        const said = (name: string) => textOf(known.find(({ system }) => textOf(system).endsWith(`/${name}`))?.code);
        const name = session.names.get(said('eventid'));
        expect(name !== undefined, 'in the coding eventid, the id of an event of this session', issue);
        expect(said('eventname').toLowerCase() === name, `in the coding eventname, ${name}`, issue);
      }
    },
  ),
  {
    id: 'app-rejected',
    title: 'It lives with a rejected request',
    rule: 'PUB-11',
    requirements: ['S-rejected'],
    level: 'SHALL',
    run: async ({ session, ask }) => {
      if (!ask) throw new CheckSkip('A person has to make the application publish something');
      session.behaviour.publishStatus = 409;
      const instruction = 'Change the patient or the report in the application once more: the Hub will reject it.';
      const rejected = await publishedAfter({ session, ask }, instruction).finally(() => {
        session.behaviour.publishStatus = 202;
      });
      if (rejected.length === 0) throw new CheckSkip('The application published nothing');
      await session.deliver(opening(session));
    },
  },
];
