import type { Check } from '../check.ts';
import { CheckFailure, CheckSkip, expect } from '../check.ts';
import { isObject, objects } from '../json.ts';
import { pause } from '../pause.ts';
import {
  observation,
  patient,
  patientElements,
  put,
  type Resource,
  reportContext,
  reportElements,
  updateElements,
} from '../samples.ts';
import type { AppAnswer, PlayedSession } from './played-session.ts';

/** The application under test, as a check sees it. */
export interface AppScenario {
  readonly session: PlayedSession;
  /** Asks the human at the application; undefined where there is none. */
  readonly ask: ((instruction: string) => Promise<boolean>) | undefined;
  /** What the application shows: the id of its patient, `''` for none; undefined where nobody can tell. */
  readonly shown: (() => Promise<string>) | undefined;
  /** Quits the application normally; undefined where the suite did not start it. */
  readonly quit: (() => Promise<void>) | undefined;
}

/** One thing that an application is checked for. */
export interface SubscriberCheck extends Omit<Check, 'run' | 'needs' | 'versions'> {
  /** Whether the check ends the session, and so needs one of its own. */
  readonly own?: boolean;
  readonly run: (scenario: AppScenario) => Promise<void>;
}

const statusOf = (answer: AppAnswer) => Number(answer.status);
const accepts = (answer: AppAnswer) => statusOf(answer) >= 200 && statusOf(answer) < 300;

/** An event that the application follows: a patient where it subscribed to patients, a report otherwise. */
function opening(session: PlayedSession, of: Resource = patient(), name?: string, timestamp?: string) {
  const times = timestamp === undefined ? {} : { timestamp };
  if (session.wants('Patient-open')) {
    return session.event(name ?? 'Patient-open', patientElements(of), times);
  }
  if (session.wants('DiagnosticReport-open')) {
    const elements = reportElements({ ...reportContext(), patient: of });
    return session.event(name ?? 'DiagnosticReport-open', elements, times);
  }
  throw new CheckSkip('The application subscribes to neither Patient-open nor DiagnosticReport-open');
}

function subscription(session: PlayedSession) {
  const request = session.subscription;
  if (!request) throw new CheckFailure('a subscription request', 'none came');
  return request;
}

function onSubscription(
  id: string,
  title: string,
  requirement: string,
  judge: (session: PlayedSession) => void,
  more: Partial<SubscriberCheck> = {},
): SubscriberCheck {
  return {
    id,
    title,
    rule: 'SUB-1',
    requirements: [requirement],
    level: 'SHALL',
    run: async ({ session }) => judge(session),
    ...more,
  };
}

/** What the application published, judged; skipped where it published nothing. */
function onPublished(
  id: string,
  title: string,
  requirements: SubscriberCheck['requirements'],
  judge: (messages: PlayedSession['published']) => void,
): SubscriberCheck {
  return {
    id,
    title,
    rule: 'PUB-1',
    requirements,
    level: 'SHALL',
    run: async ({ session, ask }) => {
      if (session.published.length === 0) await ask?.('Change the patient or the report in the application now.');
      if (session.published.length === 0) throw new CheckSkip('The application published nothing');
      judge(session.published);
    },
  };
}

const eventOf = (message: object): Record<string, unknown> => {
  const event = (message as { event?: unknown }).event;
  return isObject(event) ? { ...event } : {};
};

/** Every check on an application. Those without `own` share one session, in this order. */
export const SUBSCRIBER_CHECKS: readonly SubscriberCheck[] = [
  onSubscription('app-subscribes', 'The application subscribes by POST', 'S-post', (session) => {
    const { fields } = subscription(session);
    const missing = ['hub.mode', 'hub.topic', 'hub.events', 'hub.channel.type'].filter((name) => !fields.get(name));
    expect(
      missing.length === 0,
      'hub.channel.type, hub.mode, hub.topic and hub.events',
      `without ${missing.join(', ')}`,
    );
  }),
  onSubscription('app-sends-form', 'Its request is a form', 'S-form', (session) => {
    const { contentType } = subscription(session);
    const right = /^application\/x-www-form-urlencoded\b/i.test(contentType);
    expect(right, 'Content-Type: application/x-www-form-urlencoded', contentType);
  }),
  onSubscription('app-fields-once', 'Every field comes once', 'S-once', (session) => {
    const { fields } = subscription(session);
    const twice = [...new Set(fields.keys())].filter((name) => fields.getAll(name).length > 1);
    expect(twice.length === 0, 'every field once', `${twice.join(', ')} more than once`);
  }),
  onSubscription('app-channel', 'It asks for a websocket', 'S-channel', (session) => {
    const type = subscription(session).fields.get('hub.channel.type');
    expect(type === 'websocket', 'hub.channel.type=websocket', type);
  }),
  onSubscription(
    'app-events-distinct',
    'It names no event twice',
    'S-events',
    (session) => {
      const events = (subscription(session).fields.get('hub.events') ?? '').toLowerCase().split(',');
      expect(new Set(events).size === events.length, 'every event once', events);
    },
    { level: 'SHOULD' },
  ),
  onSubscription('app-lease', 'A lease that it asks for is a positive whole number', 'S-lease', (session) => {
    const lease = subscription(session).fields.get('hub.lease_seconds');
    if (lease === null) throw new CheckSkip('The application asks for no lease');
    expect(/^[1-9]\d*$/.test(lease), 'hub.lease_seconds: a positive decimal integer', lease);
  }),
  onSubscription(
    'app-token',
    'It sends the access token as Bearer',
    'S-bearer',
    (session) => {
      const { authorization } = subscription(session);
      if (authorization === undefined)
        throw new CheckSkip('The application sends no Authorization header: it uses no OAuth 2.0');
      const right = authorization === `Bearer ${session.token}`;
      expect(right, 'Authorization: Bearer and the token it was given', right ? '' : 'another Authorization header');
    },
    { rule: 'SUB-4' },
  ),
  {
    id: 'app-answers',
    title: 'It answers every event with the event’s id and a status',
    rule: 'ERR-1',
    requirements: ['S-answer', 'S-answer-id'],
    level: 'SHALL',
    run: async ({ session }) => {
      for (let index = 0; index < 3; index++) await session.deliver(opening(session));
    },
  },
  {
    id: 'app-status',
    title: 'The status is an HTTP status code',
    rule: 'ERR-1',
    requirements: ['S-answer-status'],
    level: 'SHALL',
    run: async ({ session }) => {
      const { status } = await session.deliver(opening(session));
      // The specification says numeric and shows a string: both are right.
      const right = /^[1-5]\d\d$/.test(String(status)) && (typeof status === 'number' || typeof status === 'string');
      expect(right, 'a status from 100 to 599', status);
    },
  },
  {
    id: 'app-answers-in-time',
    title: 'It answers within 10 seconds',
    rule: 'ERR-4',
    requirements: ['S-ten-seconds'],
    level: 'SHOULD',
    run: async ({ session }) => void (await session.deliver(opening(session))),
  },
  {
    id: 'app-full-resource',
    title: 'It takes a resource with everything in it',
    rule: 'PUB-5',
    requirements: ['S-full-resource'],
    level: 'SHALL',
    run: async ({ session }) => {
      const whole = {
        ...patient(),
        meta: { versionId: '7', lastUpdated: '2026-01-01T00:00:00Z' },
        text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml">Ada</div>' },
        extension: [{ url: 'http://example.org/fhir/StructureDefinition/note', valueString: 'x' }],
        telecom: [{ system: 'phone', value: '555' }],
        address: [{ line: ['1 Main Street'], city: 'Springfield' }],
        photo: [{ contentType: 'image/png', data: 'A'.repeat(60_000) }],
      };
      const answer = await session.deliver(opening(session, whole));
      expect(accepts(answer), 'a 2xx status', answer.status);
    },
  },
  {
    id: 'app-any-case',
    title: 'It knows an event by its name in any case',
    rule: 'SUB-3',
    requirements: ['S-case'],
    level: 'SHALL',
    run: async ({ session, shown }) => {
      const of = patient();
      const event = opening(session, of);
      const name = event.event['hub.event'].toUpperCase();
      const answer = await session.deliver({ ...event, event: { ...event.event, 'hub.event': name } });
      expect(accepts(answer), 'a 2xx status', answer.status);
      if (shown && session.wants('Patient-open')) {
        await session.settle();
        expect((await shown()) === of.id, `the application to show the patient ${of.id}`, await shown());
      }
    },
  },
  {
    id: 'app-duplicates',
    title: 'It lives with an event that comes twice',
    rule: 'PUB-7',
    requirements: ['S-retry'],
    level: 'SHOULD',
    run: async ({ session }) => {
      const event = opening(session);
      await session.deliver(event);
      session.send(event);
      await session.settle();
      await session.deliver(opening(session));
    },
  },
  {
    id: 'app-stale',
    title: 'It ignores an event older than its context',
    rule: 'PUB-3',
    requirements: ['S-stale'],
    level: 'SHALL',
    run: async ({ session, ask, shown }) => {
      const of = patient();
      await session.deliver(opening(session, of));
      const old = new Date(Date.now() - 3_600_000).toISOString();
      const other = patient();
      session.send(opening(session, other, undefined, old));
      await session.settle();
      if (shown) {
        const found = await shown();
        expect(found === of.id, `the application to stay with the patient ${of.id}`, found);
      } else if (ask) {
        const stayed = await ask(
          `Answer yes if the application shows the patient ${mrn(of)} and not ${mrn(other)} (an event an hour old).`,
        );
        expect(stayed, `the application to stay with ${mrn(of)}`, 'it followed the older event, says who watched it');
      } else throw new CheckSkip('Nobody can tell what the application shows (a person or a state command is needed)');
    },
  },
  {
    id: 'app-order',
    title: 'Of events out of order it keeps the newest',
    rule: 'PUB-3',
    requirements: ['S-stale'],
    level: 'SHALL',
    run: async ({ session, shown }) => {
      if (!shown) throw new CheckSkip('Nobody can tell what the application shows (a state command is needed)');
      const [first, second, third] = [patient(), patient(), patient()];
      const at = (ms: number) => new Date(Date.now() + 1000 + ms).toISOString();
      for (const [of, ms] of [
        [first, 0],
        [third, 20],
        [second, 10],
      ] as const) {
        session.send(opening(session, of, undefined, at(ms)));
      }
      await session.settle();
      const found = await shown();
      expect(found === third.id, `the newest patient, ${third.id}`, found);
    },
  },
  {
    id: 'app-refuses',
    title: 'With unsaved work it refuses to follow, and says so',
    rule: 'ERR-2',
    requirements: ['S-refuse'],
    level: 'SHALL',
    run: async ({ session, ask }) => {
      if (!ask) throw new CheckSkip('A person has to bring the application into a state in which it cannot follow');
      const ready = await ask(
        'Begin something in the application that must not be left (a draft, an open dialog); answer yes when done, no if there is no such thing.',
      );
      if (!ready) throw new CheckSkip('The application has no state in which it does not follow');
      const event = opening(session);
      const before = session.published.length;
      const answer = await session.deliver(event);
      if (statusOf(answer) >= 400) return;
      await session
        .until('a SyncError', () => session.published.slice(before).some(isSyncError), 10_000)
        .catch(() => {
          throw new CheckFailure('an answer 409, or 202 and then a SyncError', `${answer.status} and no SyncError`);
        });
    },
  },
  {
    id: 'app-unknown-fields',
    title: 'It lives with fields and keys that it does not know',
    rule: 'PUB-3',
    requirements: ['S-answer'],
    level: 'SHALL',
    run: async ({ session }) => {
      const event = opening(session);
      const context = [...event.event.context, { key: 'extension', data: { 'user-timezone': '+1:00' } }];
      await session.deliver({ ...event, event: { ...event.event, context } });
    },
  },
  {
    id: 'app-version-gap',
    title: 'After an update that it missed it reads the current context',
    rule: 'CON-5',
    requirements: ['S-gap'],
    level: 'MAY',
    run: async ({ session }) => {
      if (!session.wants('DiagnosticReport-update') || !session.wants('DiagnosticReport-open')) {
        throw new CheckSkip('The application does not share content (DiagnosticReport-open and -update)');
      }
      const context = reportContext();
      const open = session.event('DiagnosticReport-open', reportElements(context));
      await session.deliver(open);
      const before = session.contextReads;
      const entries = updateElements(context, [put(observation(context.patient))]);
      const versions = { versionId: 'after-the-gap', priorVersionId: 'never-sent' };
      await session.deliver(session.event('DiagnosticReport-update', entries, versions));
      await session.until('a GET of the current context', () => session.contextReads > before);
    },
  },
  onPublished('app-publishes-ids', 'What it publishes has ids of its own', ['S-unique'], (messages) => {
    const ids = messages.map(({ id }) => id);
    expect(
      ids.every((id) => typeof id === 'string' && id !== ''),
      'an id in every request',
      ids,
    );
    expect(new Set(ids).size === ids.length, 'a new id for every request', ids);
  }),
  onPublished('app-publishes-timestamps', 'What it publishes has a timestamp', ['S-timestamp'], (messages) => {
    for (const { timestamp } of messages) {
      const right = typeof timestamp === 'string' && !Number.isNaN(Date.parse(timestamp));
      expect(right, 'timestamp: an ISO 8601 time', timestamp);
    }
  }),
  onPublished(
    'app-publishes-context',
    'What it publishes has its context, with the anchor',
    ['S-required', 'S-anchor'],
    (messages) => {
      const keys: Record<string, string> = { imagingstudy: 'study', diagnosticreport: 'report' };
      for (const message of messages) {
        const { context, 'hub.event': name } = eventOf(message);
        expect(Array.isArray(context), 'event.context: an array', message);
        const [type, action] = String(name).toLowerCase().split('-');
        if (type === undefined || type === 'home' || (action !== 'open' && action !== 'close')) continue;
        const key = keys[type] ?? type;
        expect(
          objects(context).some((one) => one.key === key),
          `an element with the key "${key}"`,
          message,
        );
      }
    },
  ),
  {
    id: 'app-updates-versioned',
    title: 'Its updates name the version that the Hub gave last',
    rule: 'CON-2',
    requirements: ['S-version', 'S-bundle'],
    level: 'SHALL',
    run: async ({ session, ask }) => {
      if (!session.wants('DiagnosticReport-open')) throw new CheckSkip('The application does not follow reports');
      const before = session.published.length;
      const open = session.event('DiagnosticReport-open', reportElements(reportContext()));
      await session.deliver(open);
      await ask?.('Share something of the open report in the application (a measurement, a finding) now.');
      await session.settle();
      const updates = session.published
        .slice(before)
        .filter((one) => /-update$/i.test(String(eventOf(one)['hub.event'])));
      if (updates.length === 0) throw new CheckSkip('The application published no update');
      const version = eventOf(updates[0]!)['context.versionId'];
      const wanted = open.event['context.versionId'];
      expect(version === wanted, `context.versionId: "${wanted}"`, version);
      const bundles = objects(eventOf(updates[0]!).context).filter((one) => one.key === 'updates');
      expect(bundles.length === 1, 'one element "updates"', bundles);
    },
  },
  {
    id: 'app-rejected',
    title: 'It lives with a rejected request',
    rule: 'PUB-11',
    requirements: ['S-rejected'],
    level: 'SHALL',
    run: async ({ session, ask }) => {
      if (!ask) throw new CheckSkip('A person has to make the application publish something');
      session.behaviour.publishStatus = 409;
      const before = session.published.length;
      await ask('Change the patient or the report in the application once more: the Hub will reject it.');
      session.behaviour.publishStatus = 202;
      if (session.published.length === before) throw new CheckSkip('The application published nothing');
      await session.deliver(opening(session));
    },
  },
  {
    id: 'app-shutdown',
    title: 'When it is quit it unsubscribes and closes with 1000',
    rule: 'SUB-9',
    requirements: ['S-shutdown', 'S-unsubscribe'],
    level: 'SHALL',
    own: true,
    run: async ({ session, ask, quit }) => {
      await session.deliver(opening(session));
      if (quit) await quit();
      else if (!(await ask?.('Quit the application in the normal way now.')))
        throw new CheckSkip('Nobody can quit the application');
      await session.until('the end of the connection', () => session.closes.length > 0);
      expect(session.unsubscription !== undefined, 'an unsubscribe request', 'none came');
      const { code } = session.closes.at(-1)!;
      expect(code === 1000, 'a close with 1000', code);
    },
  },
  {
    id: 'app-denied',
    title: 'After a denial it leaves the endpoint alone',
    rule: 'SUB-10',
    requirements: ['S-denied', 'S-new-endpoint'],
    level: 'SHOULD',
    own: true,
    run: async ({ session }) => {
      await session.deliver(opening(session));
      session.deny('session unexpectedly stopped');
      await session.until('the end of the connection', () => session.closes.length > 0);
      await pause(session.waits.settleMs * 8);
      expect(
        session.deadConnections === 0,
        'no connection to an endpoint that is over',
        `${session.deadConnections} of them`,
      );
    },
  },
  {
    id: 'app-renews',
    title: 'Before or after the end of its lease it subscribes again',
    rule: 'SUB-6',
    requirements: ['S-renew'],
    level: 'MAY',
    own: true,
    run: async ({ session }) => {
      const before = session.forms.length;
      session.behaviour.leaseSeconds = 3;
      session.send({
        'hub.mode': 'subscribe',
        'hub.topic': session.topic,
        'hub.events': subscription(session).fields.get('hub.events'),
        'hub.lease_seconds': 3,
      });
      await pause(3000);
      if (session.forms.length === before) session.expire();
      await session.until('another subscription request', () => session.forms.length > before);
    },
  },
];

const isSyncError = (message: object) => String(eventOf(message)['hub.event']).toLowerCase() === 'syncerror';

function mrn(of: Resource): string {
  const identifiers = objects(of.identifier);
  return String(identifiers[0]?.value);
}
