/** Applications that are healthy but for one thing: in the model, or in the messages between it and its Hub. */
import type { Invitation, Report, RunningApp } from '../../src/index.ts';
import { runSubscriberConformance } from '../../src/index.ts';
import { APP_DEFECTS, type AppDefect, ModelApp } from '../model-app.ts';
import { type Change, Relay, type RelayedRequest } from '../relay.ts';
import { isObject, isPublish, isSubscription, type Json, parse, without } from './messages.ts';

export interface SeededApp {
  readonly name: string;
  readonly check: string;
  readonly by: 'model' | 'messages';
}

/** Changes the fields of subscriptions. */
const subscribing = (change: (fields: URLSearchParams) => void): Change => ({
  request: (request) => {
    if (!isSubscription(request, 'subscribe')) return request;
    const fields = new URLSearchParams(request.body);
    change(fields);
    return { ...request, body: fields.toString() };
  },
});

/** Changes the fields of requests to unsubscribe. */
const leaving = (change: (fields: URLSearchParams) => void): Change => ({
  request: (request) => {
    if (!isSubscription(request, 'unsubscribe')) return request;
    const fields = new URLSearchParams(request.body);
    change(fields);
    return { ...request, body: fields.toString() };
  },
});

const field = (name: string, value: string | undefined): Change =>
  subscribing((fields) => (value === undefined ? fields.delete(name) : fields.set(name, value)));

/** Changes what is published. */
const publishing = (change: (message: Json, request: RelayedRequest) => Json): Change => ({
  request: (request) => {
    const message = isPublish(request) ? parse(request.body) : undefined;
    return message ? { ...request, body: JSON.stringify(change(message, request)) } : request;
  },
});

const events = (names: RegExp, change: (event: Json) => Json): Change =>
  publishing((message) => {
    const event = isObject(message.event) ? message.event : {};
    return names.test(String(event['hub.event'])) ? { ...message, event: change(event) } : message;
  });

/** Publishes with another content type. */
const typed = (type: string): Change => ({ request: (one) => (isPublish(one) ? { ...one, type } : one) });

/** Publishes with another Authorization header, or none. */
const bearing = (authorization: string | undefined): Change => ({
  request: (one) => (isPublish(one) ? { ...one, authorization } : one),
});

const later = (time: unknown, ms: number): string => new Date(Date.parse(String(time)) + ms).toISOString();

const answering = (change: (answer: Json, count: number) => Json | undefined): Change => {
  let count = 0;
  return {
    heard: (text) => {
      const answer = parse(text);
      if (!answer || answer.id === undefined) return [text];
      const changed = change(answer, ++count);
      return changed ? [JSON.stringify(changed)] : [];
    },
  };
};

const outcome = (change: (issue: Json) => Json): Change =>
  events(/^SyncError$/, (event) => {
    const [element] = event.context as { resource: { issue: Json[] } }[];
    const issue = element!.resource.issue.map(change);
    return { ...event, context: [{ ...element, resource: { ...element!.resource, issue } }] };
  });

/** An issue whose codings are changed. */
const codes = (issue: Json, change: Json): Json => {
  const details = isObject(issue.details) ? issue.details : {};
  const coding = Array.isArray(details.coding) ? details.coding : [];
  return { ...issue, details: { ...details, coding: coding.map((one: Json) => ({ ...one, ...change })) } };
};

/** An issue with another code in one of its codings. */
const coding = (issue: Json, name: string, code: string): Json => {
  const details = isObject(issue.details) ? issue.details : {};
  const list = Array.isArray(details.coding) ? details.coding : [];
  const changed = list.map((one: Json) => (String(one.system).endsWith(`/${name}`) ? { ...one, code } : one));
  return { ...issue, details: { ...details, coding: changed } };
};

/** Each with the check that has to find it. */
const MESSAGES: Readonly<Record<string, readonly [check: string, make: () => Change]>> = {
  'answers with another id': ['app-answers', () => answering((one) => ({ ...one, id: 'another' }))],
  'every third answer lost': ['app-answers', () => answering((one, count) => (count % 3 === 0 ? undefined : one))],
  'answers of status 0': ['app-status', () => answering((one) => ({ ...one, status: 0 }))],
  'answers of status 999': ['app-status', () => answering((one) => ({ ...one, status: 999 }))],
  'answers of status true': ['app-status', () => answering((one) => ({ ...one, status: true }))],
  'everything refused': ['app-full-resource', () => answering((one) => ({ ...one, status: 500 }))],
  'refusals told as agreement': ['app-refuses', () => answering((one) => ({ ...one, status: 200 }))],
  'a lease of zero': ['app-lease', () => field('hub.lease_seconds', '0')],
  'a lease below zero': ['app-lease', () => field('hub.lease_seconds', '-60')],
  'a lease with a fraction': ['app-lease', () => field('hub.lease_seconds', '60.5')],
  'a webhook asked for': ['app-channel', () => field('hub.channel.type', 'webhook')],
  'no channel named': ['app-channel', () => field('hub.channel.type', undefined)],
  'the topic twice': [
    'app-fields-once',
    () => subscribing((fields) => fields.append('hub.topic', fields.get('hub.topic') ?? '')),
  ],
  'every event twice': [
    'app-events-distinct',
    () => subscribing((fields) => fields.set('hub.events', `${fields.get('hub.events')},${fields.get('hub.events')}`)),
  ],
  'a token as Basic': [
    'app-token',
    () => ({ request: (one) => ({ ...one, authorization: one.authorization?.replace('Bearer', 'Basic') }) }),
  ],
  'a name of blanks': ['ira-app-name', () => field('subscriber.name', ' ')],
  'SyncErrors not subscribed to': [
    'ira-app-events',
    () => subscribing((fields) => fields.set('hub.events', (fields.get('hub.events') ?? '').replace(',SyncError', ''))),
  ],
  'published without an id': ['app-publishes-ids', () => publishing((one) => without(one, 'id'))],
  'published with a number for an id': ['app-publishes-ids', () => publishing((one) => ({ ...one, id: 7 }))],
  'published at a German time': [
    'app-publishes-timestamps',
    () => publishing((one) => ({ ...one, timestamp: '31.01.2026 09:00' })),
  ],
  'published with a context that is no list': [
    'app-publishes-context',
    () => events(/-open$/, (one) => ({ ...one, context: {} })),
  ],
  'published with the keys of FHIR': [
    'app-publishes-context',
    () =>
      events(/-open$/, (one) => ({
        ...one,
        context: (one.context as Json[]).map((element) => ({
          ...element,
          key: String((element.resource as Json)?.resourceType),
        })),
      })),
  ],
  'updates without a Bundle': [
    'app-updates-versioned',
    () =>
      events(/-update$/, (one) => ({
        ...one,
        context: (one.context as Json[]).filter(({ key }) => key !== 'updates'),
      })),
  ],
  'updates without a version': [
    'app-updates-versioned',
    () => events(/-update$/, (one) => without(one, 'context.versionId')),
  ],
  'SyncErrors of code exception': ['app-publishes-syncerrors', () => outcome((one) => ({ ...one, code: 'exception' }))],
  'SyncErrors without codings': ['app-publishes-syncerrors', () => outcome((one) => without(one, 'details'))],
  'reports opened without a patient': [
    'ira-app-opens-whole',
    () =>
      events(/^DiagnosticReport-open$/, (one) => ({
        ...one,
        context: (one.context as Json[]).filter(({ key }) => key !== 'patient'),
      })),
  ],
  'answers in an envelope': ['app-answers', () => answering((one) => ({ answer: one }))],
  'answers with the id in capitals': [
    'app-answers',
    () => answering((one) => ({ ...one, id: String(one.id).toUpperCase() })),
  ],
  'answers of status 600': ['app-status', () => answering((one) => ({ ...one, status: 600 }))],
  'answers with the status in a list': ['app-status', () => answering((one) => ({ ...one, status: [200] }))],
  'a lease with its unit': ['app-lease', () => field('hub.lease_seconds', '3600s')],
  'a lease with a sign': ['app-lease', () => field('hub.lease_seconds', '+3600')],
  'a lease with an exponent': ['app-lease', () => field('hub.lease_seconds', '36e2')],
  'events with semicolons': [
    'app-subscribes',
    () => subscribing((fields) => fields.set('hub.events', (fields.get('hub.events') ?? '').replaceAll(',', ';'))),
  ],
  'events with blanks': [
    'app-subscribes',
    () => subscribing((fields) => fields.set('hub.events', (fields.get('hub.events') ?? '').replaceAll(',', ' '))),
  ],
  'no topic': ['app-subscribes', () => field('hub.topic', undefined)],
  'unsubscribes without the endpoint': [
    'app-shutdown',
    () => leaving((fields) => fields.delete('hub.channel.endpoint')),
  ],
  'unsubscribes with an empty endpoint': [
    'app-shutdown',
    () => leaving((fields) => fields.set('hub.channel.endpoint', '')),
  ],
  'unsubscribes from the endpoint of another': [
    'app-shutdown',
    () => leaving((fields) => fields.set('hub.channel.endpoint', 'ws://hub.example.org/another')),
  ],
  'published with blanks for an id': ['app-publishes-ids', () => publishing((one) => ({ ...one, id: ' ' }))],
  'published at a time of mail': [
    'app-publishes-timestamps',
    () => publishing((one) => ({ ...one, timestamp: new Date().toUTCString() })),
  ],
  'published at a local time': [
    'app-publishes-timestamps',
    () => publishing((one) => ({ ...one, timestamp: '2026-01-31T09:00:00+01:00' })),
  ],
  'published at a time in milliseconds': [
    'app-publishes-timestamps',
    () => publishing((one) => ({ ...one, timestamp: Date.now() })),
  ],
  'opened by reference': [
    'app-publishes-context',
    () =>
      events(/-open$/, (one) => ({
        ...one,
        context: (one.context as Json[]).map(({ key, resource }) => ({
          key,
          reference: { reference: `${(resource as Json)?.resourceType}/${(resource as Json)?.id}` },
        })),
      })),
  ],
  'opened with a resource of another type': [
    'app-publishes-context',
    () =>
      events(/-open$/, (one) => ({
        ...one,
        context: (one.context as Json[]).map((element) => ({
          ...element,
          resource: { ...(element.resource as Json), resourceType: 'Person' },
        })),
      })),
  ],
  'updates with two Bundles': [
    'app-updates-versioned',
    () =>
      events(/-update$/, (one) => ({
        ...one,
        context: [...(one.context as Json[]), ...(one.context as Json[]).filter(({ key }) => key === 'updates')],
      })),
  ],
  'updates with the version in another member': [
    'app-updates-versioned',
    () => events(/-update$/, (one) => ({ ...without(one, 'context.versionId'), version: one['context.versionId'] })),
  ],
  'SyncErrors without words': ['app-publishes-syncerrors', () => outcome((one) => without(one, 'diagnostics'))],
  'SyncErrors about no event': ['app-publishes-syncerrors', () => outcome((one) => codes(one, { code: '' }))],
  'SyncErrors in systems of its own': [
    'app-publishes-syncerrors',
    () => outcome((one) => codes(one, { system: 'urn:own/eventid' })),
  ],
  'every seventh answer lost': ['app-answers', () => answering((one, count) => (count % 7 === 0 ? undefined : one))],
  'answers to opens alone': [
    'app-answers',
    () => {
      const closes = new Set<unknown>();
      return {
        frame: (text) => {
          if (/"hub\.event":"[^"]*-close"/.test(text)) closes.add(parse(text)?.id);
          return [text];
        },
        heard: (text) => (closes.has(parse(text)?.id) ? [] : [text]),
      };
    },
  ],
  'published as plain text': ['app-publishes-json', () => typed('text/plain')],
  'published as a form': ['app-publishes-json', () => typed('application/x-www-form-urlencoded')],
  'published without a token': ['app-publishes-token', () => bearing(undefined)],
  'published with the token of another': ['app-publishes-token', () => bearing('Bearer another')],
  'published in another session': [
    'app-publishes-topic',
    () => events(/./, (one) => ({ ...one, 'hub.topic': 'another' })),
  ],
  'published in no session': ['app-publishes-topic', () => events(/./, (one) => without(one, 'hub.topic'))],
  'published at a local time that says it is UTC': [
    'app-publishes-timestamps',
    () => publishing((one) => ({ ...one, timestamp: later(one.timestamp, 2 * 3_600_000) })),
  ],
  'published at a time of half an hour ago': [
    'app-publishes-timestamps',
    () => publishing((one) => ({ ...one, timestamp: later(one.timestamp, -1_800_000) })),
  ],
  'published at the time of its start': [
    'app-publishes-timestamps',
    () => publishing((one) => ({ ...one, timestamp: '2026-01-01T00:00:00Z' })),
  ],
  'unsubscribes from another session': ['app-shutdown', () => leaving((fields) => fields.set('hub.topic', 'another'))],
  'events in upper case, twice': [
    'app-events-distinct',
    () => subscribing((fields) => fields.set('hub.events', `${fields.get('hub.events')},PATIENT-OPEN`)),
  ],
  'unsubscribes as text': [
    'app-shutdown',
    () => ({ request: (one) => (isSubscription(one, 'unsubscribe') ? { ...one, type: 'text/plain' } : one) }),
  ],
  'unsubscribes without a token': [
    'app-shutdown',
    () => ({ request: (one) => (isSubscription(one, 'unsubscribe') ? { ...one, authorization: undefined } : one) }),
  ],
  'SyncErrors about an event of nobody': [
    'app-publishes-syncerrors',
    () => outcome((one) => coding(one, 'eventid', '00000000-aaaa-4bbb-8ccc-dddddddddddd')),
  ],
  'SyncErrors that name another event': [
    'app-publishes-syncerrors',
    () => outcome((one) => coding(one, 'eventname', 'Patient-close')),
  ],
  'no unsubscribe': [
    'app-shutdown',
    () => ({
      request: (one) =>
        isSubscription(one, 'unsubscribe') ? { status: 202, type: 'application/json', body: '{}' } : one,
    }),
  ],
};

export const APP_MUTANTS: readonly SeededApp[] = [
  ...Object.entries(APP_DEFECTS).map(([name, check]) => ({ name, check, by: 'model' }) as const),
  ...Object.entries(MESSAGES).map(([name, [check]]) => ({ name, check, by: 'messages' }) as const),
];

/** Puts a relay between an application and its Hub. */
async function behind(
  invitation: Invitation,
  change: Change,
): Promise<{ invitation: Invitation; close: () => Promise<void> }> {
  const hub = { origin: new URL(invitation.hubUrl).origin };
  const own = hub.origin.replace('http', 'ws');
  const whole: Change = {
    ...change,
    answer: (answer) => ({
      ...answer,
      body: answer.body.replaceAll(own, relay.url.replace('http', 'ws').replace('/hub', '')),
    }),
  };
  const relay = await Relay.start(hub, { change: whole });
  return { invitation: { ...invitation, hubUrl: relay.url }, close: () => relay.close() };
}

async function launch(
  invitation: Invitation,
  name: string,
): Promise<RunningApp & { do(instruction: string): Promise<boolean> }> {
  const change = MESSAGES[name]?.[1]();
  if (!change) return ModelApp.launch(invitation, name as AppDefect);
  const { invitation: relayed, close } = await behind(invitation, change);
  const app = await ModelApp.launch(relayed);
  return {
    shown: () => app.shown(),
    do: (instruction) => app.do(instruction),
    quit: async () => {
      await app.quit();
      setTimeout(() => void close(), 1500).unref();
    },
  };
}

/** Tests the application with a defect, with somebody at it who does as told. */
export async function judgeApp(name: string, only: readonly string[]): Promise<Report> {
  const apps: Awaited<ReturnType<typeof launch>>[] = [];
  const report = await runSubscriberConformance({
    name,
    launch: async (invitation) => {
      const app = await launch(invitation, name);
      apps.push(app);
      return app;
    },
    ask: async (instruction) => (await apps.at(-1)?.do(instruction)) ?? false,
    timeoutMs: 3000,
    settleMs: 150,
    startMs: 3000,
    versions: ['3.0.0', 'IRA'],
    only,
  });
  for (const app of apps) await app.quit().catch(() => undefined);
  return report;
}
