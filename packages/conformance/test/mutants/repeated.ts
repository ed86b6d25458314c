/** Defects that show only in the course of a session: again and again, later on, in what is large, in one of several reports or sessions. */
import { randomUUID } from 'node:crypto';
import type { Change } from '../relay.ts';
import {
  atSubscriber,
  type Element,
  ERROR,
  EVERY,
  isGet,
  isObject,
  isPublish,
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
  withResources,
} from './messages.ts';
import type { Mutant } from './mutants.ts';

const anchorIn = ({ context }: { readonly context: readonly Element[] }): string => {
  const [first] = context;
  return first?.resource ? `${first.resource.resourceType}/${first.resource.id}` : String(first?.reference?.reference);
};

const isLarge = (message: Message) => JSON.stringify(message).length > 60_000;

/** Changes events that are large. */
const inLarge = (change: (message: Message) => Message): Change =>
  onEvents(EVERY, (message) => (isLarge(message) ? change(message) : message));

const lost = () => undefined;

/** Changes the resources of a Bundle of updates, or of content. */
const entriesOf = (element: Element, change: (entries: Json[]) => Json[]): Element => {
  const entry = element.resource?.entry;
  return Array.isArray(entry)
    ? { ...element, resource: { ...element.resource, entry: change(entry as Json[]) } }
    : element;
};

const inUpdates = (change: (entries: Json[]) => Json[]): Change =>
  onEvents(UPDATE, (message) =>
    withContext(message, (context) => context.map((one) => (one.key === 'updates' ? entriesOf(one, change) : one))),
  );

const inContent = (change: (entries: Json[]) => Json[]): Change =>
  onContext((answer) => ({
    ...answer,
    context: answer.context.map((one) => (one.key === 'content' ? entriesOf(one, change) : one)),
  }));

/** Changes an event that is told once more, as newcomers are. */
function toldAgain(names: RegExp, change: (message: Message) => Message | undefined): Change {
  const told = new Set<unknown>();
  return onEvents(names, (message) => {
    if (told.has(message.id)) return change(message);
    told.add(message.id);
    return message;
  });
}

/** The time with an offset that names the same instant. */
const atOffset = (time: unknown): string => {
  const moment = new Date(Date.parse(String(time)) + 7_200_000);
  return moment.toISOString().replace('Z', '+02:00');
};

/** Loses an event that is told later than so many ms after it was told first. */
function tooOld(ms: number): Change {
  const first = new Map<unknown, number>();
  return onEvents(OPENS, (message) => {
    const since = first.get(message.id) ?? Date.now();
    first.set(message.id, since);
    return Date.now() - since > ms ? undefined : message;
  });
}

/** Answers a GET as if nothing were open, so many ms after it was opened. */
function forgetting(ms: number): Change {
  const opened = new Map<unknown, number>();
  return {
    ...onEvents(OPENS, (message) => {
      const version = message.event['context.versionId'];
      if (!opened.has(version)) opened.set(version, Date.now());
      return message;
    }),
    ...onContext((answer) => {
      const since = opened.get(answer['context.versionId']);
      return since !== undefined && Date.now() - since > ms ? { 'context.type': '', context: [] } : answer;
    }),
  };
}

/** The version that was told last in the session, of whatever report, as the one before an update. */
function lastOfSession(): Change {
  const last = new Map<string, unknown>();
  const given = new Map<unknown, unknown>();
  return onEvents(/-(open|update)$/, (message) => {
    const topic = topicOf(message);
    const isUpdate = UPDATE.test(nameOf(message));
    if (isUpdate && !given.has(message.id)) given.set(message.id, last.get(topic));
    const version = message.event['context.versionId'];
    if (version !== undefined) last.set(topic, version);
    return isUpdate
      ? { ...message, event: { ...message.event, 'context.priorVersionId': given.get(message.id) } }
      : message;
  });
}

/** Opens that nobody published, with the patient of the first open of the run. */
function derivedOfTheFirst(): Change {
  const sent = new Set<unknown>();
  let first: Json | undefined;
  return {
    request: (request) => {
      const message = isPublish(request) ? parse(request.body) : undefined;
      if (!message) return request;
      sent.add(message.id);
      const context = isObject(message.event) ? message.event.context : undefined;
      const list = Array.isArray(context) ? (context as unknown[]).filter(isObject) : [];
      const resource = list.find(({ key }) => key === 'patient')?.resource;
      if (isObject(resource)) first ??= resource;
      return request;
    },
    ...onEvents(OPENS, (message) =>
      sent.has(message.id)
        ? message
        : withContext(message, (context) =>
            context.map((one) => (one.key === 'patient' && first ? { ...one, resource: first } : one)),
          ),
    ),
  };
}

/** What one session has open, in the answer about another too. */
function mergedSessions(): Change {
  let last: Element[] = [];
  return {
    ...onEvents(OPENS, (message) => {
      last = message.event.context;
      return message;
    }),
    ...onContext((answer) => {
      const more = last.filter(({ key }) => !answer.context.some((one) => one.key === key));
      return { ...answer, context: [...answer.context, ...more] };
    }),
  };
}

/** A Patient-close that nobody published, when another patient is opened. */
function closingByItself(): Change {
  const open = new Map<string, Message>();
  return onEvents(/^patient-open$/, (message) => {
    const before = open.get(topicOf(message));
    open.set(topicOf(message), message);
    if (!before || anchorIn(before.event) === anchorIn(message.event)) return message;
    const event = {
      ...without(before.event, 'context.versionId'),
      'hub.event': 'Patient-close',
    } as unknown as Message['event'];
    return [{ ...before, id: randomUUID(), timestamp: message.timestamp, event }, message];
  });
}

/** Denials reach every subscriber of the session, before its next event. */
function denialsForAll(): Change {
  const denied = new Map<string, string>();
  return {
    frame: (text) => {
      const message = parse(text);
      if (message?.['hub.mode'] === 'denied') denied.set(String(message['hub.topic']), text);
      const event = message && isObject(message.event) ? message.event : undefined;
      const denial = event && denied.get(String(event['hub.topic']));
      return denial ? [denial, text] : [text];
    },
  };
}

/** Nothing is told to who once sent something that is no answer. */
function deafAfterNoise(): Change {
  const noisy = new Set<number>();
  return {
    heard: (text, connection) => {
      if (parse(text)?.id === undefined) noisy.add(connection);
      return [text];
    },
    frame: (text, connection) => (noisy.has(connection) && text.includes('"event":{') ? [] : [text]),
  };
}

/** Every answer counts as one to the first event of its connection. */
function answersToTheFirst(): Change {
  const first = new Map<number, unknown>();
  return {
    heard: (text, connection) => {
      const answer = parse(text);
      if (answer?.id === undefined) return [text];
      if (!first.has(connection)) first.set(connection, answer.id);
      return [JSON.stringify({ ...answer, id: first.get(connection) })];
    },
  };
}

/** On a second connection to an endpoint everything comes twice. */
function twiceOnReturn(): Change {
  const seen = new Map<string, number>();
  const again = new Set<number>();
  return {
    frame: (text, connection) => {
      const message = parse(text);
      if (message?.['hub.mode'] === 'subscribe') {
        const topic = String(message['hub.topic']);
        seen.set(topic, (seen.get(topic) ?? 0) + 1);
        if ((seen.get(topic) ?? 0) > 2) again.add(connection);
      }
      return again.has(connection) && text.includes('"event":{') ? [text, text] : [text];
    },
  };
}

/** A renewal is taken for so many seconds, whatever it asks for. */
const renewedFor = (seconds: number): Change => ({
  request: (request) => {
    const fields = new URLSearchParams(request.body);
    if (!isSubscription(request, 'subscribe') || !fields.has('hub.channel.endpoint')) return request;
    fields.set('hub.lease_seconds', String(seconds));
    return { ...request, body: fields.toString() };
  },
});

/** The n-th answer to a GET in a session, changed. */
function nthReading(every: number, change: (answer: Json & { context: Element[] }) => Json): Change {
  const counts = new Map<string, number>();
  return onContext((answer, { url }) => {
    const count = (counts.get(url) ?? 0) + 1;
    counts.set(url, count);
    return count % every === 0 ? change(answer) : answer;
  });
}

const rounds = (make: () => Change): Mutant => ({ check: 'rounds', make });
const ira = (check: string, make: () => Change): Mutant => ({ check, setup: 'ira', make });

export const REPEATED_MUTANTS: Readonly<Record<string, Mutant>> = {
  // Again and again
  'every seventh selection empty': rounds(() =>
    nth(
      SELECT,
      (n) => n % 7 === 0,
      (message) => withContext(message, (context) => context.filter(({ key }) => key !== 'select')),
    ),
  ),
  'every fifth close not told': rounds(() => nth(/-close$/, (n) => n % 5 === 0, lost)),
  'the twentieth close not told': rounds(() => nth(/-close$/, (n) => n === 20, lost)),
  'every fourth report not told': rounds(() => nth(/^diagnosticreport-open$/, (n) => n % 4 === 0, lost)),
  'every sixth encounter not told': rounds(() => nth(/^encounter-open$/, (n) => n % 6 === 0, lost)),
  'every eighth study closed as another': rounds(() =>
    nth(
      /^imagingstudy-close$/,
      (n) => n % 8 === 0,
      (message) =>
        replaced(
          message,
          /"id":"[0-9a-f-]{36}","identifier":\[\{"system":"urn:dicom:uid"/,
          `"id":"${OTHER}","identifier":[{"system":"urn:dicom:uid"`,
        ),
    ),
  ),
  'every ninth report of another patient': rounds(() =>
    nth(
      /^diagnosticreport-open$/,
      (n) => n % 9 === 0,
      (message) =>
        withContext(message, (all) =>
          all.map((one) => (one.key === 'patient' ? replaced(one, /"id":"[^"]*"/, `"id":"${OTHER}"`) : one)),
        ),
    ),
  ),
  'every third selection of the first one': rounds(() => {
    const first = new Map<string, Message>();
    return nth(
      SELECT,
      (n) => n === 1 || n % 3 === 0,
      (message) => {
        const before = first.get(topicOf(message));
        if (!before) first.set(topicOf(message), message);
        return before ? { ...message, event: { ...message.event, context: before.event.context } } : message;
      },
    );
  }),
  'patients closed by the Hub when the next is opened': { check: 'derived-no-closes', make: closingByItself },
  'from the eightieth event on nothing': rounds(() => nth(EVERY, (n) => n >= 80, lost)),
  'updates of at most thirty entries': rounds(() => inUpdates((list) => list.slice(0, 30))),
  'updates of at most twenty entries': rounds(() => inUpdates((list) => list.slice(0, 20))),
  'third subscribers told no selections': rounds(() => atSubscriber(SELECT, (n) => n === 3, lost)),
  'third subscribers told no updates': rounds(() => atSubscriber(UPDATE, (n) => n === 3, lost)),
  'third subscribers told events of reports in another order': rounds(() => {
    let held: Message | undefined;
    return atSubscriber(
      UPDATE,
      (n) => n === 3,
      (message) => {
        const before = held;
        held = message;
        return before;
      },
    );
  }),
  // Later on
  'newcomers told nothing that is older than five seconds': { check: 'connection-lasts', make: () => tooOld(5000) },
  'the current context forgotten after five seconds': { check: 'connection-lasts', make: () => forgetting(5000) },
  'everything twice to who returns': { check: 'return-told-current', setup: 'grace', make: twiceOnReturn },
  'renewals of two seconds': { check: 'lease-renewed', make: () => renewedFor(2) },
  'nothing told after something that is no answer': { check: 'no-syncerror-after-noise', make: deafAfterNoise },
  'answers taken for one to the first event': { check: 'syncerror-right-event', make: answersToTheFirst },
  'denials told to everybody': { check: 'unsubscribe-leaves-others', make: denialsForAll },
  // In what is large
  'numbers of large events written otherwise': {
    check: 'same-large',
    make: () => inLarge((message) => JSON.parse(JSON.stringify(message)) as Message),
  },
  'lists of large events in another order': {
    check: 'same-large',
    make: () =>
      inLarge((message) =>
        withContext(message, (context) =>
          withResources(context, (one) =>
            Array.isArray(one.extension) ? { ...one, extension: [...(one.extension as Json[])].reverse() } : one,
          ),
        ),
      ),
  },
  'metadata of large events lost': {
    check: 'same-large',
    make: () =>
      inLarge((message) => withContext(message, (context) => withResources(context, (one) => without(one, 'meta')))),
  },
  'letters of large events composed': {
    check: 'same-large',
    make: () => inLarge((message) => parse(JSON.stringify(message).normalize('NFC')) as Message),
  },
  'numbers of large updates written otherwise': {
    check: 'content-large',
    make: () =>
      onEvents(UPDATE, (message) => (isLarge(message) ? (JSON.parse(JSON.stringify(message)) as Message) : message)),
  },
  'numbers of large content written otherwise': {
    check: 'content-large',
    make: () =>
      onContext((answer) => (JSON.stringify(answer).length > 60_000 ? JSON.parse(JSON.stringify(answer)) : answer)),
  },
  // Times
  'times told with an offset': {
    check: 'broadcast-timestamp',
    make: () => onEvents(EVERY, (message) => ({ ...message, timestamp: atOffset(message.timestamp) })),
  },
  'times told without a zone': {
    check: 'broadcast-timestamp',
    make: () => onEvents(EVERY, (message) => ({ ...message, timestamp: String(message.timestamp).replace(/Z$/, '') })),
  },
  'local times of SyncErrors that say they are UTC': {
    check: 'syncerror-timestamp',
    make: () =>
      onEvents(ERROR, (message) => ({ ...message, timestamp: atOffset(message.timestamp).replace('+02:00', 'Z') })),
  },
  'times told in milliseconds': {
    check: 'broadcast-any-id',
    make: () =>
      onEvents(EVERY, (message) => ({
        ...message,
        timestamp: String(message.timestamp).replace(/(\.\d{3})\d+Z$/, '$1Z'),
      })),
  },
  'times of newcomers told with an offset': {
    check: 'late-joiner-timestamp',
    make: () => toldAgain(OPENS, (message) => ({ ...message, timestamp: atOffset(message.timestamp) })),
  },
  // Of one of several
  'the version of whatever came last as the one before': { check: 'update-versions-apart', make: lastOfSession },
  'versions of one report read as those of another': {
    check: 'update-versions-apart',
    make: () => {
      let first: unknown;
      return onContext((answer) => {
        first ??= answer['context.versionId'];
        return { ...answer, 'context.versionId': `${first}` };
      });
    },
  },
  'derived opens of the first patient': { check: 'derived-open', make: derivedOfTheFirst },
  'contexts of two sessions in one answer': { check: 'context-of-its-session', make: mergedSessions },
  'newcomers told a report by references': {
    check: 'late-joiner-original',
    make: () =>
      toldAgain(OPENS, (message) =>
        withContext(message, (context) =>
          context.map(({ key, resource }) => ({
            key,
            reference: { reference: `${resource?.resourceType}/${resource?.id}` },
          })),
        ),
      ),
  },
  'newcomers told the anchor alone': {
    check: 'same-to-late-joiner',
    make: () => toldAgain(OPENS, (message) => withContext(message, (context) => context.slice(0, 1))),
  },
  // Readings
  'content of at most twenty resources': {
    check: 'update-applied',
    make: () => inContent((list) => (list.length > 20 ? list.slice(0, 20) : list)),
  },
  'every third reading without content': {
    check: 'content-chain',
    make: () =>
      nthReading(3, (answer) => ({
        ...answer,
        context: answer.context.map((one) => (one.key === 'content' ? entriesOf(one, () => []) : one)),
      })),
  },
  'content of another patient': {
    check: 'same-in-content',
    make: () => inContent((list) => replaced(list, /"reference":"Patient\/[^"]*"/g, `"reference":"Patient/${OTHER}"`)),
  },
  '202 to a reading': {
    check: 'context-array',
    make: () => onAnswers(isGet, (answer) => (answer.status === 200 ? { ...answer, status: 202 } : answer)),
  },
  // Confirmations and frames
  'confirmations of the session in capitals': {
    check: 'confirmation-topic',
    make: () => onMode('subscribe', (one) => ({ ...one, 'hub.topic': String(one['hub.topic']).toUpperCase() })),
  },
  'events in a list': {
    check: 'socket-sends-json',
    make: () => ({ frame: (text) => (text.includes('"event":{') ? [`[${text}]`] : [text]) }),
  },
  'frames with a byte order mark': { check: 'socket-sends-json', make: () => ({ frame: (text) => [`\ufeff${text}`] }) },
  '304 to an event': {
    check: 'publish-accepted',
    make: () => onAnswers(isPublish, (answer) => (answer.status === 202 ? { ...answer, status: 304 } : answer)),
  },
  'SyncErrors that name the event otherwise': {
    check: 'syncerror-event-id',
    make: () => onEvents(ERROR, (message) => replaced(message, /(eventid","code":")/, '$1x')),
  },
  'SyncErrors with blanks for words': {
    check: 'syncerror-diagnostics',
    make: () => onEvents(ERROR, (message) => replaced(message, /"diagnostics":"[^"]*"/, '"diagnostics":" "')),
  },
  // IRA
  'IRA: newcomers told reports without a study': ira('same-to-late-joiner', () =>
    toldAgain(OPENS, (message) => withContext(message, (context) => context.filter(({ key }) => key !== 'study'))),
  ),
  'IRA: the current context without a study': ira('same-in-current-context', () =>
    onContext((answer) => ({ ...answer, context: answer.context.filter(({ key }) => key !== 'study') })),
  ),
  'IRA: every third update not told': ira('rounds', () => nth(UPDATE, (n) => n % 3 === 0, lost)),
  'IRA: HeartBeats of another session': ira('ira-heartbeat', () =>
    onEvents(/^heartbeat$/, (message) => ({ ...message, event: { ...message.event, 'hub.topic': OTHER } })),
  ),
  'IRA: SyncErrors of severity fatal': ira('ira-syncerror-severity', () =>
    onEvents(ERROR, (message) => replaced(message, /"severity":"[^"]*"/, '"severity":"fatal"')),
  ),
  'IRA: closes told as opens': ira('same-diagnosticreport-close', () =>
    onEvents(/-close$/, (message) => ({
      ...message,
      event: { ...message.event, 'hub.event': String(message.event['hub.event']).replace('close', 'open') },
    })),
  ),
  'IRA: content with requests': ira('content-without-request', () =>
    inContent((list) => list.map((one) => ({ ...one, request: { method: 'PUT', url: 'Observation/1' } }))),
  ),
  'IRA: one selection for all': ira('same-diagnosticreport-select', () =>
    onEvents(SELECT, (message) =>
      withContext(message, (context) => {
        const selected = context.find(({ key }) => key === 'select');
        return context.map((one) => (one.key === 'select' && selected ? selected : one));
      }),
    ),
  ),
};
