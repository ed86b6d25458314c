/** Defects of everything but broadcasts, made by changing messages on their way. */
import { randomUUID } from 'node:crypto';
import type { Change, RelayedAnswer, RelayedRequest } from '../relay.ts';
import {
  type Element,
  ERROR,
  EVERY,
  isConfiguration,
  isGet,
  isObject,
  isPublish,
  isSubscription,
  type Json,
  type Message,
  nameOf,
  OTHER,
  onAnswers,
  onContext,
  onEvents,
  onMode,
  parse,
  replaced,
  withContext,
  without,
} from './messages.ts';
import type { Mutant } from './mutants.ts';

const EMPTY: RelayedAnswer = { status: 202, type: 'text/plain', body: '' };
const CONTEXTS = /-(open|close)$/;

const subscribing = (change: (answer: RelayedAnswer) => RelayedAnswer): Change =>
  onAnswers((request) => isSubscription(request, 'subscribe'), change);
const leaving = (change: (answer: RelayedAnswer) => RelayedAnswer): Change =>
  onAnswers((request) => isSubscription(request, 'unsubscribe'), change);
const publishing = (change: (answer: RelayedAnswer) => RelayedAnswer): Change =>
  onAnswers(isPublish, (answer) => (answer.status < 300 ? change(answer) : answer));
const configured = (change: (configuration: Json) => Json): Change =>
  onAnswers(isConfiguration, (answer) => ({ ...answer, body: JSON.stringify(change(parse(answer.body) ?? {})) }));

const eventOf = (request: RelayedRequest): Json => {
  const event = parse(request.body)?.event;
  return isObject(event) ? event : {};
};

/** Takes requests without handing them to the Hub. */
const swallowed = (wanted: (request: RelayedRequest) => boolean, answer = EMPTY): Change => ({
  request: (request) => (wanted(request) ? answer : request),
});

const published = (names: RegExp) => (request: RelayedRequest) =>
  isPublish(request) && names.test(String(eventOf(request)['hub.event']).toLowerCase());

/** Changes the issue of every SyncError. */
const issues = (change: (issue: Json) => Json): Change =>
  onEvents(ERROR, (message) =>
    withContext(message, (context) =>
      context.map((one) => {
        const list = isObject(one.resource) && Array.isArray(one.resource.issue) ? one.resource.issue : [];
        return { ...one, resource: { ...one.resource, issue: list.map((issue) => change(issue as Json)) } };
      }),
    ),
  );

const codings = (change: (coding: Json[]) => Json[]): Change =>
  issues((issue) => {
    const details = isObject(issue.details) ? issue.details : {};
    return { ...issue, details: { ...details, coding: change(Array.isArray(details.coding) ? details.coding : []) } };
  });

const code = (index: number, value: string): Change =>
  codings((list) => list.map((one, at) => (at === index ? { ...one, code: value } : one)));

/** Answers of subscribers, changed. */
const heard = (change: (answer: Json) => Json | undefined): Change => ({
  heard: (text) => {
    const answer = parse(text);
    if (!answer || answer.id === undefined) return [text];
    const changed = change(answer);
    return changed ? [JSON.stringify(changed)] : [];
  },
});

/** Whatever the Hub would let nobody do who has no token, it lets everybody do. */
function lent(wanted: (request: RelayedRequest) => boolean): Change {
  let good: string | undefined;
  return {
    request: (request) => {
      const bad = request.authorization === undefined || request.authorization === 'Bearer not-a-token';
      if (!bad && request.authorization?.startsWith('Bearer ')) good = request.authorization;
      return bad && good && wanted(request) ? { ...request, authorization: good } : request;
    },
  };
}

/** Lends the token with more rights to whoever asks. */
function promoted(wanted: (request: RelayedRequest) => boolean): Change {
  let best: string | undefined;
  return {
    answer: (answer, request) => {
      if (request.url === '/token' && request.body.includes('write'))
        best = `Bearer ${parse(answer.body)?.access_token}`;
      return answer;
    },
    request: (request) =>
      best && wanted(request) && request.url !== '/token' ? { ...request, authorization: best } : request,
  };
}

/** Answers a GET with what was answered to the one before it. */
function stale(): Change {
  let last: string | undefined;
  return onAnswers(isGet, (answer) => {
    const body = last ?? answer.body;
    last = answer.body;
    return { ...answer, body };
  });
}

/** On every second connection each event overtakes the one before it. */
function swapped(names: RegExp): Change {
  const held = new Map<number, Message>();
  return onEvents(names, (message, connection) => {
    if (connection % 2 === 0) return message;
    const before = held.get(connection);
    if (before) held.delete(connection);
    else held.set(connection, message);
    return before ? [message, before] : undefined;
  });
}

const versioned = (change: (event: Json, connection: number) => Json) =>
  onEvents(/-(open|update)$/, (message, connection) => ({
    ...message,
    event: change(message.event, connection) as Message['event'],
  }));

const opening = (context: readonly Element[]) => context.filter(({ key }) => key !== 'content');
const inContent = (change: (entries: Json[]) => Json[]): Change =>
  onContext((answer) => ({
    ...answer,
    context: answer.context.map((one) => {
      if (one.key !== 'content' || !isObject(one.resource)) return one;
      const entry = Array.isArray(one.resource.entry) ? (one.resource.entry as Json[]) : [];
      return { ...one, resource: { ...one.resource, entry: change(entry) } };
    }),
  }));

const updates = (change: (bundle: Json) => Json): Change =>
  onEvents(/-update$/, (message) =>
    withContext(message, (context) =>
      context.map((one) =>
        one.key === 'updates' && isObject(one.resource) ? { ...one, resource: change(one.resource) } : one,
      ),
    ),
  );
const entries = (change: (list: Json[]) => Json[]): Change =>
  updates((bundle) => ({ ...bundle, entry: change(Array.isArray(bundle.entry) ? (bundle.entry as Json[]) : []) }));

export const OTHER_MUTANTS: Readonly<Record<string, Mutant>> = {
  // Discovery
  'a configuration without eventsSupported': {
    check: 'well-known-events',
    make: () => configured((one) => without(one, 'eventsSupported')),
  },
  'a configuration with numbers for events': {
    check: 'well-known-events',
    make: () => configured((one) => ({ ...one, eventsSupported: [1] })),
  },
  'a configuration without websocketSupport': {
    check: 'well-known-websocket',
    make: () => configured((one) => without(one, 'websocketSupport')),
  },
  'a configuration of FHIRcast 1': {
    check: 'well-known-version',
    make: () => configured((one) => ({ ...one, fhircastVersion: 'STU1' })),
  },
  'a configuration as text/html': {
    check: 'well-known-mime-type',
    make: () => onAnswers(isConfiguration, (one) => ({ ...one, type: 'text/html' })),
  },
  'a configuration of FHIR 4': {
    check: 'well-known-types',
    make: () => configured((one) => ({ ...one, fhirVersion: '4.0.1' })),
  },
  'a configuration that contradicts itself': {
    check: 'well-known-get-current-twice',
    make: () => configured((one) => ({ ...one, getCurrentSupport: false })),
  },
  // Subscribing
  '201 to a subscription': {
    check: 'subscribe-accepted',
    make: () => subscribing((one) => ({ ...one, status: one.status === 202 ? 201 : one.status })),
  },
  '200 to a subscription': {
    check: 'subscribe-accepted',
    make: () => subscribing((one) => ({ ...one, status: one.status === 202 ? 200 : one.status })),
  },
  'an answer without endpoint': {
    check: 'subscribe-endpoint',
    make: () => subscribing((one) => ({ ...one, body: '{}' })),
  },
  'an https endpoint': {
    check: 'subscribe-endpoint',
    make: () => subscribing((one) => ({ ...one, body: one.body.replace('ws://', 'http://') })),
  },
  'an endpoint as fhir+json': {
    check: 'subscribe-mime-type',
    make: () => subscribing((one) => ({ ...one, type: 'application/fhir+json' })),
  },
  'refusals as 200': {
    check: 'subscribe-unknown-mode',
    make: () =>
      onAnswers(
        (request) => !isGet(request),
        (one) => (one.status >= 400 ? { ...one, status: 200 } : one),
      ),
  },
  'refusals without a word': {
    check: 'refusal-says-why',
    make: () =>
      onAnswers(
        () => true,
        (one) => (one.status >= 400 ? { ...one, body: '' } : one),
      ),
  },
  'a confirmation without mode': {
    check: 'confirmation-mode',
    make: () => onMode('subscribe', (one) => without(one, 'hub.mode')),
  },
  'a confirmation without topic': {
    check: 'confirmation-topic',
    make: () => onMode('subscribe', (one) => without(one, 'hub.topic')),
  },
  'a confirmation without events': {
    check: 'confirmation-events',
    make: () => onMode('subscribe', (one) => without(one, 'hub.events')),
  },
  'a confirmation without lease': {
    check: 'confirmation-lease',
    make: () => onMode('subscribe', (one) => without(one, 'hub.lease_seconds')),
  },
  'a confirmation of another session': {
    check: 'confirmation-topic',
    make: () => onMode('subscribe', (one) => ({ ...one, 'hub.topic': OTHER })),
  },
  'a confirmation of events never asked for': {
    check: 'confirmation-kept',
    make: () => onMode('subscribe', (one) => ({ ...one, 'hub.events': `${one['hub.events']},Encounter-open` })),
  },
  'a confirmation of a lease of nothing': {
    check: 'confirmation-lease',
    make: () => onMode('subscribe', (one) => ({ ...one, 'hub.lease_seconds': 0 })),
  },
  'a confirmation of a lease as text': {
    check: 'confirmation-lease',
    make: () => onMode('subscribe', (one) => ({ ...one, 'hub.lease_seconds': '3600' })),
  },
  'a confirmation of thrice the lease': {
    check: 'lease-lasts',
    make: () =>
      onMode('subscribe', (one) => ({
        ...one,
        'hub.lease_seconds': Math.round(
          Number(String((one['hub.lease_seconds'] as Json)?.rawJSON ?? one['hub.lease_seconds'])) * 3,
        ),
      })),
  },
  'no confirmation': { check: 'confirmation-sent', make: () => onMode('subscribe', () => undefined) },
  'a greeting before the confirmation': {
    check: 'confirmation-sent',
    make: () => onMode('subscribe', (one) => [{ hello: 'you' }, one]),
  },
  'renewals that change nothing': {
    check: 'resubscribe-drops-events',
    make: () =>
      swallowed((one) => isSubscription(one, 'subscribe') && one.body.includes('hub.channel.endpoint'), {
        status: 202,
        type: 'application/json',
        body: '{"hub.channel.endpoint":"ws://127.0.0.1:9/same"}',
      }),
  },
  'renewals that add nothing': {
    check: 'resubscribe-adds-events',
    make: () =>
      swallowed((one) => isSubscription(one, 'subscribe') && one.body.includes('hub.channel.endpoint'), {
        status: 202,
        type: 'application/json',
        body: '{"hub.channel.endpoint":"ws://127.0.0.1:9/same"}',
      }),
  },
  // Newcomers
  'newcomers told nothing': { check: 'late-joiner-open', make: () => newcomers(() => undefined) },
  'newcomers told another patient': {
    check: 'late-joiner-original',
    make: () =>
      newcomers((one) =>
        withContext(one, (all) => all.map((element) => replaced(element, /"id":"[^"]*"/, `"id":"${OTHER}"`))),
      ),
  },
  'newcomers told a new id': {
    check: 'late-joiner-original',
    make: () => newcomers((one) => ({ ...one, id: randomUUID() })),
  },
  'newcomers told the time of now': {
    check: 'late-joiner-timestamp',
    make: () => newcomers((one) => ({ ...one, timestamp: new Date(Date.now() + 4000).toISOString() })),
  },
  'newcomers told another version': {
    check: 'late-joiner-version',
    make: () => newcomers((one) => ({ ...one, event: { ...one.event, 'context.versionId': OTHER } })),
  },
  'newcomers told contexts without extensions': {
    check: 'same-to-late-joiner',
    make: () =>
      newcomers((one) =>
        withContext(one, (all) =>
          all.map((element) => ({ ...element, resource: without(element.resource ?? {}, 'extension') })),
        ),
      ),
  },
  // Unsubscribing
  '200 to an unsubscribe': { check: 'unsubscribe-accepted', make: () => leaving((one) => ({ ...one, status: 200 })) },
  'another endpoint in the answer to an unsubscribe': {
    check: 'unsubscribe-endpoint',
    make: () => leaving((one) => ({ ...one, body: '{"hub.channel.endpoint":"ws://127.0.0.1:9/other"}' })),
  },
  'an empty answer to an unsubscribe': {
    check: 'unsubscribe-endpoint',
    make: () => leaving((one) => ({ ...one, body: '' })),
  },
  'an unsubscribe that does nothing': {
    check: 'unsubscribe-ends-delivery',
    make: () => swallowed((one) => isSubscription(one, 'unsubscribe')),
  },
  'no denial': { check: 'unsubscribe-denial', make: () => onMode('denied', () => undefined) },
  'a denial without topic': { check: 'denial-topic', make: () => onMode('denied', (one) => without(one, 'hub.topic')) },
  'a denial of another session': {
    check: 'denial-topic',
    make: () => onMode('denied', (one) => ({ ...one, 'hub.topic': OTHER })),
  },
  'a denial without events': {
    check: 'denial-events',
    make: () => onMode('denied', (one) => without(one, 'hub.events')),
  },
  'a denial of other events': {
    check: 'denial-events',
    make: () => onMode('denied', (one) => ({ ...one, 'hub.events': 'Encounter-open' })),
  },
  'a denial with another mode': {
    check: 'denial-mode',
    make: () => onMode('denied', (one) => ({ ...one, 'hub.mode': 'unsubscribed' })),
  },
  'sockets that stay open': { check: 'unsubscribe-closes-socket', make: () => ({ keepsOpen: true }) },
  'sockets that outlive their lease': { check: 'lease-closes-socket', make: () => ({ keepsOpen: true }) },
  // Publishing
  '302 to an event': { check: 'publish-accepted', make: () => publishing((one) => ({ ...one, status: 302 })) },
  '500 to an event that is broadcast': {
    check: 'publish-accepted',
    make: () => publishing((one) => ({ ...one, status: 500 })),
  },
  'no JSON that says it is JSON': {
    check: 'publish-answer-readable',
    make: () => publishing((one) => ({ ...one, type: 'application/json', body: 'Accepted' })),
  },
  'an empty body that says it is JSON': {
    check: 'publish-answer-readable',
    make: () => publishing((one) => ({ ...one, type: 'application/fhir+json', body: '' })),
  },
  'every eighth event taken and not told': { check: 'soak', make: () => counted(8) },
  'every hundredth event taken and not told': { check: 'soak', make: () => counted(100) },
  'one event in 300 of another patient': {
    check: 'soak',
    make: () => {
      let count = 0;
      return onEvents(/patient-open/, (message) =>
        ++count % 300 === 0
          ? withContext(message, (all) => all.map((one) => replaced(one, /"family":"[^"]*"/, '"family":"Other"')))
          : message,
      );
    },
  },
  'events told twice, now and then': {
    check: 'soak',
    make: () => {
      let count = 0;
      return onEvents(/patient-open/, (message) => (++count % 150 === 0 ? [message, message] : message));
    },
  },
  'an event published again under an id of the Hub': {
    check: 'same-patient-open',
    make: () => ({
      again: (request) => {
        if (!published(/^patient-open$/)(request)) return undefined;
        const message = parse(request.body) ?? {};
        const event = replaced(message.event, /"id":"[^"]*"/, `"id":"${OTHER}"`);
        return { ...request, body: JSON.stringify({ ...message, id: randomUUID(), event }) };
      },
    }),
  },
  'rejected events told all the same': {
    check: 'update-wrong-version',
    make: () => ({
      request: (request) => {
        if (!published(/-update$/)(request)) return request;
        const message = parse(request.body) as Message;
        return {
          ...request,
          body: JSON.stringify({ ...message, event: { ...message.event, 'hub.event': 'org.example.any', was: 1 } }),
        };
      },
      ...onEvents(/^org\.example\.any$/, (message) => ({
        ...message,
        event: { ...message.event, 'hub.event': 'DiagnosticReport-update' },
      })),
    }),
  },
  // Delivery
  'deliveries in another order': { check: 'broadcast-in-order', make: () => swapped(/patient-open/) },
  'updates in another order': { check: 'update-in-order', make: () => swapped(/-update$/) },
  'deliveries three seconds late': {
    check: 'broadcast-prompt',
    make: () => onEvents(/patient-open/, (one) => [{ late: one, ms: 3000 }]),
  },
  'closes that nobody is told': { check: 'broadcast-to-all', make: () => onEvents(/-close$/, () => undefined) },
  'closes told as opens': {
    check: 'same-patient-close',
    make: () =>
      onEvents(/^patient-close$/, (one) => ({ ...one, event: { ...one.event, 'hub.event': 'Patient-open' } })),
  },
  'events without a time': {
    check: 'broadcast-fields',
    make: () => onEvents(EVERY, (one) => without(one, 'timestamp') as Message),
  },
  'events without a topic': {
    check: 'broadcast-topic',
    make: () => onEvents(EVERY, (one) => ({ ...one, event: without(one.event, 'hub.topic') as Message['event'] })),
  },
  'ids as numbers': { check: 'broadcast-fields', make: () => onEvents(EVERY, (one) => ({ ...one, id: 7 })) },
  'letters of other alphabets lost': {
    check: 'broadcast-unicode',
    make: () => onEvents(EVERY, (one) => replaced(one, /[^\0-ÿ]/g, '?')),
  },
  'members of the Hub’s own beside an event': {
    check: 'envelope-alone',
    make: () => onEvents(EVERY, (one) => ({ ...one, server: 'hub' })),
  },
  'events marked as denials': {
    check: 'envelope-clean',
    make: () => onEvents(EVERY, (one) => ({ 'hub.mode': 'denied', ...one })),
  },
  'derived opens of another patient': {
    check: 'derived-open',
    make: () =>
      derived((one) =>
        withContext(one, (all) => all.map((element) => replaced(element, /"id":"[^"]*"/, `"id":"${OTHER}"`))),
      ),
  },
  'derived opens without a time': {
    check: 'derived-open-complete',
    make: () => derived((one) => without(one, 'timestamp') as Message),
  },
  // SyncErrors
  'no SyncErrors': { check: 'syncerror-after-409', make: () => onEvents(ERROR, () => undefined) },
  'SyncErrors of severity error': {
    check: 'syncerror-severity',
    make: () => issues((one) => ({ ...one, severity: 'error' })),
  },
  'SyncErrors of code exception': {
    check: 'syncerror-code',
    make: () => issues((one) => ({ ...one, code: 'exception' })),
  },
  'SyncErrors without words': {
    check: 'syncerror-diagnostics',
    make: () => issues((one) => without(one, 'diagnostics')),
  },
  'SyncErrors about another event': { check: 'syncerror-event-id', make: () => code(0, OTHER) },
  'SyncErrors that name another event': { check: 'syncerror-event-name', make: () => code(1, 'Encounter-open') },
  'SyncErrors that name another subscriber': { check: 'syncerror-subscriber', make: () => code(2, 'Watcher') },
  'SyncErrors without codings': { check: 'syncerror-event-id', make: () => codings(() => []) },
  'SyncErrors in another session': {
    check: 'syncerror-structure',
    make: () => onEvents(ERROR, (one) => ({ ...one, event: { ...one.event, 'hub.topic': OTHER } })),
  },
  'SyncErrors without outcome': {
    check: 'syncerror-structure',
    make: () => onEvents(ERROR, (one) => withContext(one, () => [])),
  },
  'SyncErrors with the id of the refused event': {
    check: 'syncerror-own-id',
    make: () => onEvents(ERROR, (one) => ({ ...one, id: /"code":"([0-9a-f-]{36})"/.exec(JSON.stringify(one))?.[1] })),
  },
  'SyncErrors told to one of several': {
    check: 'syncerror-to-each',
    make: () => {
      let told: number | undefined;
      return onEvents(ERROR, (message, connection) => {
        told ??= connection;
        return connection === told ? message : undefined;
      });
    },
  },
  'SyncErrors told each as its own': {
    check: 'syncerror-to-each',
    make: () => onEvents(ERROR, (one) => ({ ...one, id: randomUUID() })),
  },
  'SyncErrors about the second event only': {
    check: 'syncerror-to-each',
    make: () => {
      let count = 0;
      return onEvents(ERROR, (one) => (++count > 3 && count < 7 ? undefined : one));
    },
  },
  'refusals heard as agreement': {
    check: 'syncerror-after-409',
    make: () => heard((one) => ({ ...one, status: 200 })),
  },
  'refusals with 4xx heard as agreement': {
    check: 'syncerror-after-4xx',
    make: () => heard((one) => ({ ...one, status: /422/.test(JSON.stringify(one)) ? 200 : one.status })),
  },
  'refusals with 5xx heard as agreement': {
    check: 'syncerror-after-5xx',
    make: () => heard((one) => ({ ...one, status: /503/.test(JSON.stringify(one)) ? 200 : one.status })),
  },
  'answers not heard': { check: 'syncerror-after-409', make: () => heard(() => undefined) },
  'agreement heard as refusal': {
    check: 'no-syncerror-after-success',
    make: () => heard((one) => ({ ...one, status: /202/.test(JSON.stringify(one.status)) ? 500 : one.status })),
  },
  'normal closes heard as lost connections': { check: 'no-syncerror-after-1000', make: () => ({ closed: () => 1006 }) },
  'going away heard as a lost connection': { check: 'no-syncerror-after-1001', make: () => ({ closed: () => 1006 }) },
  'refusals of closes not told': {
    check: 'syncerror-after-refused-close',
    make: () => onEvents(ERROR, (one) => (/Patient-close/i.test(JSON.stringify(one)) ? undefined : one)),
  },
  'refusals of studies not told': {
    check: 'syncerror-every-kind',
    make: () => onEvents(ERROR, (one) => (/ImagingStudy/i.test(JSON.stringify(one)) ? undefined : one)),
  },
  // Current context
  'the current context of a moment ago': { check: 'context-latest', make: stale },
  'the current context of a moment ago, with content': { check: 'content-version', make: staleContent },
  'the current context of another patient': {
    check: 'context-array',
    make: () =>
      onContext((one) => ({
        ...one,
        context: one.context.map((element) => replaced(element, /"id":"[^"]*"/, `"id":"${OTHER}"`)),
      })),
  },
  'the current context without its last element': {
    check: 'context-array',
    make: () =>
      onContext((one) => ({
        ...one,
        context: [...opening(one.context).slice(0, -1), ...one.context.filter(({ key }) => key === 'content')],
      })),
  },
  'the current context with numbers written otherwise': {
    check: 'same-in-current-context',
    make: () => onContext((one) => JSON.parse(JSON.stringify(one))),
  },
  'the current context without extensions': {
    check: 'same-in-current-context',
    make: () =>
      onContext((one) => ({
        ...one,
        context: one.context.map((element) => ({ ...element, resource: without(element.resource ?? {}, 'extension') })),
      })),
  },
  'the current context with another type': {
    check: 'context-type-patient',
    make: () => onContext((one) => ({ ...one, 'context.type': 'Encounter' })),
  },
  'the current context with the type of the event': {
    check: 'context-type-report',
    make: () => onContext((one) => ({ ...one, 'context.type': `${one['context.type']}-open` })),
  },
  'the current context without a version': {
    check: 'context-version',
    make: () => onContext((one) => without(one, 'context.versionId')),
  },
  'the current context with one version for all': {
    check: 'context-version-changes',
    make: () => onContext((one) => ({ ...one, 'context.versionId': 'same' })),
  },
  'the current context with a version of its own': {
    check: 'context-version-of-open',
    make: () => onContext((one) => ({ ...one, 'context.versionId': randomUUID() })),
  },
  '404 to an empty context': {
    check: 'context-none',
    make: () => onAnswers(isGet, (one) => (one.body.includes('"context":[]') ? { ...one, status: 404 } : one)),
  },
  'an empty context of type null': {
    check: 'context-none',
    make: () => onContext((one) => (one.context.length === 0 ? { ...one, 'context.type': null } : one)),
  },
  'a current context as text/html': {
    check: 'context-mime-type',
    make: () => onAnswers(isGet, (one) => ({ ...one, type: 'text/html' })),
  },
  // Content
  'no content': {
    check: 'content-one-bundle',
    make: () => onContext((one) => ({ ...one, context: opening(one.context) })),
  },
  'content twice': {
    check: 'content-one-bundle',
    make: () =>
      onContext((one) => ({
        ...one,
        context: [...one.context, ...one.context.filter(({ key }) => key === 'content')],
      })),
  },
  'content without its last resource': { check: 'update-applied', make: () => inContent((list) => list.slice(0, -1)) },
  'content with a resource twice': { check: 'update-replaces', make: () => inContent((list) => [...list, ...list]) },
  'content with requests': {
    check: 'content-without-request',
    make: () => inContent((list) => list.map((one) => ({ ...one, request: { method: 'PUT', url: 'x' } }))),
  },
  'content with numbers written otherwise': {
    check: 'same-in-content',
    make: () => inContent((list) => JSON.parse(JSON.stringify(list))),
  },
  'content with a resource of somebody else': {
    check: 'content-of-its-anchor',
    make: () => inContent((list) => [...list, { resource: { resourceType: 'Observation', id: OTHER } }]),
  },
  'removed content answered all the same': {
    check: 'update-removes',
    make: () => {
      const seen = new Map<unknown, Json>();
      return {
        request: (request) => {
          const context = (eventOf(request).context ?? []) as Element[];
          const bundle = context.find(({ key }) => key === 'updates')?.resource;
          for (const { resource } of (bundle?.entry ?? []) as Json[]) {
            if (isObject(resource)) seen.set(resource.id, resource);
          }
          return request;
        },
        ...inContent((list) => {
          const held = new Set(list.map(({ resource }) => (resource as Json).id));
          return [...list, ...[...seen.values()].filter(({ id }) => !held.has(id)).map((resource) => ({ resource }))];
        }),
      };
    },
  },
  // Versions
  'opens without a version': {
    check: 'open-has-version',
    make: () => versioned((one) => without(one, 'context.versionId')),
  },
  'one version for all': {
    check: 'versions-unique',
    make: () => versioned((one) => ({ ...one, 'context.versionId': 'same' })),
  },
  'updates without the version before': {
    check: 'update-prior-version',
    make: () => versioned((one) => without(one, 'context.priorVersionId')),
  },
  'updates with the new version as the one before': {
    check: 'update-prior-version',
    make: () =>
      versioned((one) =>
        'context.priorVersionId' in one ? { ...one, 'context.priorVersionId': one['context.versionId'] } : one,
      ),
  },
  'another version for every subscriber': {
    check: 'same-diagnosticreport-open',
    make: () =>
      versioned((one, connection) => ({ ...one, 'context.versionId': `${one['context.versionId']}-${connection}` })),
  },
  'any version taken': {
    check: 'update-wrong-version',
    make: () => {
      let known: unknown;
      return {
        ...onEvents(/-(open|update)$/, (message) => {
          known = message.event['context.versionId'];
          return message;
        }),
        request: (request) => {
          if (!published(/-update$/)(request)) return request;
          const message = parse(request.body) as Message;
          return {
            ...request,
            body: JSON.stringify({ ...message, event: { ...message.event, 'context.versionId': known } }),
          };
        },
      };
    },
  },
  // Updates
  'updates with another Bundle id': {
    check: 'update-bundle-id',
    make: () => updates((one) => ({ ...one, id: OTHER })),
  },
  'updates as a collection': {
    check: 'update-bundle-methods',
    make: () => updates((one) => ({ ...one, type: 'collection' })),
  },
  'updates without requests': {
    check: 'update-bundle-methods',
    make: () => entries((list) => list.map((one) => without(one, 'request'))),
  },
  'updates without their last entry': {
    check: 'update-bundle-methods',
    make: () => entries((list) => (list.length > 1 ? list.slice(0, -1) : list)),
  },
  'updates in the other order': { check: 'update-bundle-methods', make: () => entries((list) => [...list].reverse()) },
  'updates of other measurements': {
    check: 'same-diagnosticreport-update',
    make: () => entries((list) => list.map((one) => replaced(one, /12\.300/g, '12.299'))),
  },
  'updates that remove what they add': {
    check: 'update-bundle-methods',
    make: () =>
      entries((list) => list.map((one) => ({ ...one, request: { ...(one.request as Json), method: 'DELETE' } }))),
  },
  'updates of another report': {
    check: 'update-context-kept',
    make: () =>
      onEvents(/-update$/, (one) =>
        withContext(one, (all) =>
          all.map((element) =>
            element.key === 'report' ? { ...element, reference: { reference: `DiagnosticReport/${OTHER}` } } : element,
          ),
        ),
      ),
  },
  'selections of something else': {
    check: 'select-broadcast',
    make: () =>
      onEvents(/-select$/, (one) =>
        withContext(one, (all) =>
          all.map((element) =>
            element.key === 'select' ? { ...element, reference: { reference: `Observation/${OTHER}` } } : element,
          ),
        ),
      ),
  },
  // Rights
  'subscriptions without a token': {
    check: 'subscribe-needs-token',
    setup: 'tokens',
    make: () => lent((one) => isSubscription(one, 'subscribe')),
  },
  'events without a token': { check: 'publish-needs-token', setup: 'tokens', make: () => lent(isPublish) },
  'the current context without a token': { check: 'context-needs-token', setup: 'tokens', make: () => lent(isGet) },
  'more events than the token covers': {
    check: 'granted-events-only',
    setup: 'tokens',
    make: () => promoted((one) => isSubscription(one, 'subscribe')),
  },
  'more in the confirmation than the token covers': {
    check: 'granted-events-confirmed',
    setup: 'tokens',
    make: () => onMode('subscribe', (one) => ({ ...one, 'hub.events': 'Patient-open,ImagingStudy-open' })),
  },
  'events by who may only read': { check: 'write-scope-needed', setup: 'tokens', make: () => promoted(isPublish) },
  'the whole context for who may read patients': {
    check: 'context-authorized-only',
    setup: 'tokens',
    make: () => promoted(isGet),
  },
  // IRA
  '422 for 400': {
    check: 'ira-subscribe-name',
    setup: 'ira',
    make: () =>
      onAnswers(
        () => true,
        (one) => (one.status === 400 ? { ...one, status: 422 } : one),
      ),
  },
  '404 for 400 to an unknown session': {
    check: 'ira-unknown-session',
    setup: 'ira',
    make: () => onAnswers(isPublish, (one) => (one.status === 400 ? { ...one, status: 404 } : one)),
  },
  '409 for 400 to a version': {
    check: 'ira-update-version',
    setup: 'ira',
    make: () => onAnswers(isPublish, (one) => (one.status === 400 ? { ...one, status: 409 } : one)),
  },
  '202 for 206': {
    check: 'ira-select-unknown',
    setup: 'ira',
    make: () => publishing((one) => ({ ...one, status: 202 })),
  },
  '400 for 409': {
    check: 'ira-not-open',
    setup: 'ira',
    make: () => onAnswers(isPublish, (one) => (one.status === 409 ? { ...one, status: 400 } : one)),
  },
  'IRA: SyncErrors of severity warning': {
    check: 'ira-syncerror-severity',
    setup: 'ira',
    make: () => issues((one) => ({ ...one, severity: 'warning' })),
  },
  'IRA: codings in another order': {
    check: 'ira-syncerror-codings',
    setup: 'ira',
    make: () => codings((list) => [...list].reverse()),
  },
  'IRA: lost connections heard as normal closes': {
    check: 'ira-lost-connection-told',
    setup: 'ira',
    make: () => ({ closed: () => 1000 }),
  },
  'IRA: SyncErrors of subscribers not distributed': {
    check: 'same-syncerror',
    setup: 'ira',
    make: () => swallowed(published(ERROR)),
  },
};

/** Standing opens, told to a connection right after its confirmation. */
function newcomers(change: (message: Message) => Message | undefined): Change {
  const told = new Set<unknown>();
  return onEvents(CONTEXTS, (message) => {
    const key = message.id;
    if (!told.has(key)) {
      told.add(key);
      return message;
    }
    return change(message);
  });
}

/** Opens that the Hub derived: nobody published them. */
function derived(change: (message: Message) => Message): Change {
  const sent = new Set<unknown>();
  return {
    request: (request) => {
      if (isPublish(request)) sent.add(parse(request.body)?.id);
      return request;
    },
    ...onEvents(CONTEXTS, (message) => (sent.has(message.id) || nameOf(message) === '' ? message : change(message))),
  };
}

function counted(every: number): Change {
  let count = 0;
  return swallowed((request) => published(/^patient-open$/)(request) && ++count % every === 0);
}

/** The content of a moment ago, where it was of the same report. */
function staleContent(): Change {
  let version: unknown;
  return {
    ...onEvents(/-open$/, (message) => {
      version = message.event['context.versionId'];
      return message;
    }),
    ...onContext((one) => ({ ...one, 'context.versionId': version })),
  };
}
