/** Defects that show at one kind of message, once in a while, or in what comes between two others. */
import type { Change, RelayedRequest } from '../relay.ts';
import {
  atSubscriber,
  type Element,
  ERROR,
  EVERY,
  isGet,
  isObject,
  isSubscription,
  type Json,
  type Message,
  nameOf,
  nth,
  OPENS,
  OTHER,
  onAnswers,
  onContext,
  onEvents,
  onMode,
  parse,
  replaced,
  SELECT,
  topicOf,
  UPDATE,
  withContext,
  without,
} from './messages.ts';
import type { Mutant } from './mutants.ts';

const lost = () => undefined;

/** Changes one member of events. */
const member = (names: RegExp, change: (event: Json) => Json): Change =>
  onEvents(names, (message) => ({ ...message, event: change(message.event) as Message['event'] }));

const answers = (to: (request: RelayedRequest) => boolean, change: (json: Json) => Json): Change =>
  onAnswers(to, (answer) => {
    const json = parse(answer.body);
    return json ? { ...answer, body: JSON.stringify(change(json)) } : answer;
  });

/** Tells each subscriber, before an event of its own session, the last one of another session as one of its own. */
function leaking(names: RegExp): Change {
  const last = new Map<string, Message>();
  return onEvents(EVERY, (message) => {
    const topic = topicOf(message);
    const [foreign] = [...last].flatMap(([of, one]) => (of === topic ? [] : [one]));
    if (names.test(nameOf(message))) last.set(topic, message);
    if (!foreign) return message;
    return [{ ...foreign, event: { ...foreign.event, 'hub.topic': topic } }, message];
  });
}

/** Loses what comes first after a message of this kind, at the same connection. */
function lostAfter(names: RegExp): Change {
  const after = new Set<number>();
  return onEvents(EVERY, (message, connection) => {
    const isLost = after.delete(connection);
    if (names.test(nameOf(message))) after.add(connection);
    return isLost ? undefined : message;
  });
}

/** Tells every event of these kinds again after the next event. */
function again(names: RegExp): Change {
  const held = new Map<number, Message>();
  return onEvents(EVERY, (message, connection) => {
    const before = held.get(connection);
    held.delete(connection);
    if (names.test(nameOf(message))) held.set(connection, message);
    return before ? [message, before] : message;
  });
}

/** The current context as it was when it had this many changes fewer. */
function behind(changes: number): Change {
  const seen = new Map<string, string[]>();
  return onAnswers(isGet, (answer, { url }) => {
    const known = seen.get(url) ?? [];
    seen.set(url, known);
    if (known.at(-1) !== answer.body) known.push(answer.body);
    return { ...answer, body: known.at(-1 - changes) ?? answer.body };
  });
}

const issue = (change: (issue: Json) => Json): Change =>
  onEvents(ERROR, (message) =>
    withContext(message, (context) =>
      context.map((one) =>
        isObject(one.resource) && Array.isArray(one.resource.issue)
          ? { ...one, resource: { ...one.resource, issue: one.resource.issue.map((it) => change(it as Json)) } }
          : one,
      ),
    ),
  );

const swapKeys = (a: string, b: string) => (context: Element[]) =>
  context.map((one) => (one.key === a ? { ...one, key: b } : one.key === b ? { ...one, key: a } : one));

const isSubscribe = (request: RelayedRequest) => isSubscription(request, 'subscribe');

/** Rewrites the text of opens. */
const texts = (change: (text: string) => string): Change => ({
  frame: (text) => [/"hub\.event":"[^"]*-open"/i.test(text) ? change(text) : text],
});

/** Changes every entry of the Bundles of updates. */
const entries = (change: (entry: Json) => Json): Change =>
  onEvents(UPDATE, (message) =>
    withContext(message, (context) =>
      context.map((one) =>
        isObject(one.resource) && Array.isArray(one.resource.entry)
          ? { ...one, resource: { ...one.resource, entry: one.resource.entry.map((it) => change(it as Json)) } }
          : one,
      ),
    ),
  );

export const SELDOM_MUTANTS: Readonly<Record<string, Mutant>> = {
  'opens told again after the next event': { check: 'broadcast-once', make: () => again(OPENS) },
  'SyncErrors for who refused alone': {
    check: 'syncerror-after-409',
    make: () => {
      const refused = new Map<number, Set<unknown>>();
      return {
        heard: (text, connection) => {
          const answer = parse(text);
          const known = refused.get(connection) ?? new Set();
          refused.set(connection, known);
          if (answer && /^"?[45]/.test(JSON.stringify(answer.status) ?? '')) known.add(answer.id);
          return [text];
        },
        frame: (text, connection) => (/"syncerror"/i.test(text) && !refused.get(connection)?.size ? [] : [text]),
      };
    },
  },
  'every 150th open in another session': {
    check: 'soak',
    make: () =>
      nth(
        OPENS,
        (n) => n % 150 === 0,
        (one) => ({ ...one, event: { ...one.event, 'hub.topic': OTHER } }),
      ),
  },
  'from the 100th open on one time': {
    check: 'soak',
    make: () => {
      let time: unknown;
      return nth(
        OPENS,
        (n) => n >= 100,
        (one) => {
          time ??= one.timestamp;
          return { ...one, timestamp: time };
        },
      );
    },
  },
  'the 150th open under another id': {
    check: 'soak',
    make: () =>
      nth(
        OPENS,
        (n) => n === 150,
        (one) => ({ ...one, id: OTHER }),
      ),
  },
  'every 150th open lost at the second subscriber': {
    check: 'soak',
    make: () => {
      let count = 0;
      return atSubscriber(
        OPENS,
        (n) => n === 2,
        (one) => (++count % 150 === 0 ? undefined : one),
      );
    },
  },
  'members twice': {
    check: 'members-once',
    make: () => ({ frame: (text) => [/"hub\.event":/.test(text) ? text.replace('{', '{"id":"first",') : text] }),
  },
  'absent members told as null': {
    check: 'members-once',
    make: () => member(EVERY, (event) => ({ 'context.priorVersionId': null, ...event })),
  },
  'entries of updates without their fullUrl': {
    check: 'same-diagnosticreport-update',
    make: () => entries((entry) => without(entry, 'fullUrl')),
  },
  'PUT told as POST': {
    check: 'update-bundle-methods',
    make: () =>
      entries((entry) => ({
        ...entry,
        request: {
          ...(entry.request as Json),
          ...(isObject(entry.request) && entry.request.method === 'PUT' && { method: 'POST' }),
        },
      })),
  },
  'selections by absolute references': {
    check: 'same-diagnosticreport-select',
    make: () =>
      onEvents(SELECT, (message) =>
        replaced(message, /"reference":"(?=[A-Z])/g, '"reference":"https://hub.example.org/'),
      ),
  },
  'references in resources made absolute': {
    check: 'same-imagingstudy-open',
    make: () =>
      onEvents(OPENS, (message) =>
        replaced(message, /"reference":"(?=[A-Z])/g, '"reference":"https://hub.example.org/'),
      ),
  },
  'blanks at the ends of texts lost': {
    check: 'same-patient-open',
    make: () => texts((text) => text.replace(/"((?:[^"\\]|\\.)*?) +"/g, '"$1"')),
  },
  'line breaks of texts lost': {
    check: 'same-patient-open',
    make: () => texts((text) => text.replace(/\\n|\\r|\\t/g, ' ')),
  },
  'angle brackets escaped': { check: 'same-patient-open', make: () => texts((text) => text.replaceAll('<', '&lt;')) },
  'booleans as text': {
    check: 'same-patient-open',
    make: () => texts((text) => text.replace(/:(true|false)\b/g, ':"$1"')),
  },
  'dates with a time': {
    check: 'same-patient-open',
    make: () => texts((text) => text.replace(/"birthDate":"(\d{4}-\d\d-\d\d)"/g, '"birthDate":"$1T00:00:00Z"')),
  },
  'dates moved by a day': {
    check: 'same-patient-open',
    make: () => texts((text) => text.replace(/"birthDate":"(\d{4}-\d\d)-31"/g, '"birthDate":"$1-30"')),
  },
  'lists of one told as the one': {
    check: 'same-patient-open',
    make: () => texts((text) => text.replace(/\["([^"\]]*)"\]/g, '"$1"')),
  },
  'confirmations of nothing': {
    check: 'confirmation-events',
    make: () => onMode('subscribe', (one) => ({ ...one, 'hub.events': '' })),
  },
  'confirmations of a negative lease': {
    check: 'confirmation-lease',
    make: () => onMode('subscribe', (one) => ({ ...one, 'hub.lease_seconds': -1 })),
  },
  'confirmations of every event': {
    check: 'confirmation-events',
    make: () => onMode('subscribe', (one) => ({ ...one, 'hub.events': '*' })),
  },
  'subscriptions answered as text/html': {
    check: 'subscribe-mime-type',
    make: () => onAnswers(isSubscribe, (answer) => ({ ...answer, type: 'text/html' })),
  },
  'endpoints named by another member': {
    check: 'subscribe-endpoint',
    make: () => answers(isSubscribe, (one) => ({ 'hub.channel.url': one['hub.channel.endpoint'] })),
  },
  'the last close of another session': { check: 'sessions-apart-every-kind', make: () => leaking(/-close$/) },
  'the last update of another session': { check: 'sessions-apart-every-kind', make: () => leaking(UPDATE) },
  'the last SyncError of another session': { check: 'sessions-apart-every-kind', make: () => leaking(ERROR) },
  'nothing told right after an update': { check: 'update-prior-version', make: () => lostAfter(UPDATE) },
  'nothing told right after a close': { check: 'subscribed-events-each', make: () => lostAfter(/-close$/) },
  'nothing told right after a logout': { check: 'events-after-logout', make: () => lostAfter(/^userlogout$/) },
  'nothing told right after a SyncError': { check: 'syncerror-each-refusal', make: () => lostAfter(ERROR) },
  'updates told again after the next event': { check: 'update-in-order', make: () => again(UPDATE) },
  'closes told again after the next event': { check: 'rounds', make: () => again(/-close$/) },
  'every second SyncError lost': { check: 'syncerror-each-refusal', make: () => nth(ERROR, (n) => n % 2 === 0, lost) },
  'SyncErrors after the first lost at second subscribers': {
    check: 'syncerror-to-each',
    make: () => atSubscriber(ERROR, (n) => n === 2, lost),
  },
  'the current context two changes behind': { check: 'context-version-changes', make: () => behind(2) },
  'a version that is a number': {
    check: 'context-version-of-open',
    make: () =>
      member(/-(open|update)$/, (event) =>
        'context.versionId' in event ? { ...event, 'context.versionId': 7 } : event,
      ),
  },
  'versions in capitals in events': {
    check: 'context-version-of-open',
    make: () =>
      member(/-(open|update)$/, (event) =>
        'context.versionId' in event
          ? { ...event, 'context.versionId': String(event['context.versionId']).toUpperCase() }
          : event,
      ),
  },
  'versions in capitals in the current context': {
    check: 'context-version-of-open',
    make: () => onContext((one) => ({ ...one, 'context.versionId': String(one['context.versionId']).toUpperCase() })),
  },
  'times with a blank for the T': {
    check: 'broadcast-timestamp',
    make: () => onEvents(EVERY, (message) => ({ ...message, timestamp: String(message.timestamp).replace('T', ' ') })),
  },
  'SyncErrors of severity information': {
    check: 'syncerror-severity',
    make: () => issue((one) => ({ ...one, severity: 'information' })),
  },
  'SyncErrors with two issues': {
    check: 'same-syncerror',
    make: () => onEvents(ERROR, (message) => replaced(message, /"issue":\[(.*)\]\}\}\]/, '"issue":[$1,$1]}}]')),
  },
  'SyncErrors with a text for details': {
    check: 'syncerror-event-id',
    make: () => issue((one) => ({ ...one, details: { text: 'refused' } })),
  },
  'SyncErrors with context by another key': {
    check: 'syncerror-structure',
    make: () =>
      onEvents(ERROR, (message) => withContext(message, (all) => all.map((one) => ({ ...one, key: 'error' })))),
  },
  'patient and encounter under each other’s keys': {
    check: 'same-encounter-open',
    make: () => onEvents(/^encounter-/, (message) => withContext(message, swapKeys('patient', 'encounter'))),
  },
  'report and study under each other’s keys': {
    check: 'same-diagnosticreport-open',
    make: () =>
      onEvents(/^diagnosticreport-(open|close)$/, (message) => withContext(message, swapKeys('report', 'study'))),
  },
  'homes with the patient that was left': {
    check: 'home-open',
    make: () => {
      const last = new Map<string, Element[]>();
      return onEvents(EVERY, (message) => {
        if (OPENS.test(nameOf(message)) && nameOf(message) !== 'home-open')
          last.set(topicOf(message), message.event.context);
        if (nameOf(message) !== 'home-open') return message;
        return withContext(message, () => last.get(topicOf(message)) ?? []);
      });
    },
  },
  'logouts without their reason': {
    check: 'user-logout',
    make: () => onEvents(/^userlogout$/, (message) => withContext(message, () => [])),
  },
  'names of events in the past': {
    check: 'late-joiner-open',
    make: () =>
      member(/-(open|close)$/, (event) => ({
        ...event,
        'hub.event': String(event['hub.event']).replace(/open$/i, 'opened'),
      })),
  },
  'denials that name the whole session': {
    check: 'denial-events',
    make: () => onMode('denied', (one) => ({ ...one, 'hub.events': '*' })),
  },
  'denials told as events': {
    check: 'unsubscribe-denial',
    make: () =>
      onMode('denied', (one) => ({
        id: OTHER,
        timestamp: new Date().toISOString(),
        event: { 'hub.topic': one['hub.topic'], 'hub.event': 'SyncError', context: [] },
      })),
  },
  'readings with the version before': {
    check: 'context-version-changes',
    make: () => {
      const versions = new Map<string, unknown[]>();
      return onContext((one, { url }) => {
        const known = versions.get(url) ?? [];
        versions.set(url, known);
        if (known.at(-1) !== one['context.versionId']) known.push(one['context.versionId']);
        return { ...one, 'context.versionId': known.at(-2) ?? one['context.versionId'] };
      });
    },
  },
  'readings that name the type of what is in the content': {
    check: 'context-type-patient',
    make: () =>
      onContext((one) =>
        one.context.some(({ key }) => key === 'content') ? { ...one, 'context.type': 'Bundle' } : one,
      ),
  },
  'content as a transaction': {
    check: 'content-one-bundle',
    make: () =>
      onContext((one) => ({
        ...one,
        context: one.context.map((it) =>
          it.key === 'content' ? { ...it, resource: { ...it.resource, type: 'transaction' } } : it,
        ),
      })),
  },
  'content under the key of the updates': {
    check: 'same-in-content',
    make: () =>
      onContext((one) => ({
        ...one,
        context: one.context.map((it) => (it.key === 'content' ? { ...it, key: 'updates' } : it)),
      })),
  },
  'updates under the key of the content': {
    check: 'update-broadcast',
    make: () =>
      onEvents(UPDATE, (message) =>
        withContext(message, (all) => all.map((one) => (one.key === 'updates' ? { ...one, key: 'content' } : one))),
      ),
  },
  'removals with the resource that goes': {
    check: 'content-chain',
    make: () =>
      onEvents(UPDATE, (message) =>
        replaced(
          message,
          /\{"fullUrl":"([^"]*)","request":\{"method":"DELETE"/g,
          '{"fullUrl":"$1","resource":{"resourceType":"Basic"},"request":{"method":"DELETE"',
        ),
      ),
  },
  'selections without what is selected': {
    check: 'same-diagnosticreport-select',
    make: () =>
      onEvents(/-select$/, (message) => withContext(message, (all) => all.filter(({ key }) => key !== 'select'))),
  },
  'newcomers told everything twice': {
    check: 'same-patient-open',
    make: () => {
      const seen = new Set<number>();
      const told = new Set<unknown>();
      return onEvents(OPENS, (message, connection) => {
        const isNew = !seen.has(connection);
        seen.add(connection);
        const isOld = told.has(message.id);
        told.add(message.id);
        return isNew && isOld ? [message, message] : message;
      });
    },
  },
  'closes without the member event': {
    check: 'same-patient-close',
    make: () => onEvents(/^patient-close$/, (message) => without(message, 'event') as Message),
  },
};
