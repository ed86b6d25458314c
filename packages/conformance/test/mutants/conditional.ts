/** Defects that show only in something particular: deep in a resource, in a large body, at the n-th time, at one of several. */
import type { Change, RelayedRequest } from '../relay.ts';
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
  nth,
  OPENS,
  onAnswers,
  onContext,
  onEvents,
  onMode,
  parse,
  replaced,
  topicOf,
  UPDATE,
  withContext,
  without,
  withResources,
} from './messages.ts';
import type { Mutant } from './mutants.ts';

const fieldsOf = (request: RelayedRequest) => new URLSearchParams(request.body);

/** Rewrites the text of every event. */
const text = (change: (text: string) => string, names: RegExp = EVERY): Change =>
  onEvents(names, (message) => parse(change(JSON.stringify(message))) as Message);

const swap = (from: RegExp, to: string): Change => text((whole) => whole.replace(from, to));

/** Rewrites every resource of every event. */
const resources = (change: (resource: Json) => Json): Change =>
  onEvents(EVERY, (message) => withContext(message, (context) => withResources(context, change)));

const extensions = (change: (list: Json[]) => Json[]): Change =>
  resources((one) => (Array.isArray(one.extension) ? { ...one, extension: change(one.extension) } : one));

/** Drops the last entry of a Bundle of updates. */
const shortened = (message: Message): Message =>
  withContext(message, (context) =>
    context.map((one) => {
      const entry = isObject(one.resource) && Array.isArray(one.resource.entry) ? one.resource.entry : undefined;
      return entry ? { ...one, resource: { ...one.resource, entry: entry.slice(0, -1) } } : one;
    }),
  );

const withVersions = (message: Message, versions: Json): Message => ({
  ...message,
  event: { ...message.event, ...versions },
});

/** Changes the version that an update names. */
function updateVersions(change: (version: unknown, topic: string) => unknown): Change {
  return {
    request: (request) => {
      const message = isPublish(request) ? parse(request.body) : undefined;
      const event = message && isObject(message.event) ? message.event : undefined;
      if (!event || !UPDATE.test(String(event['hub.event']).toLowerCase())) return request;
      const versionId = change(event['context.versionId'], String(event['hub.topic']));
      return {
        ...request,
        body: JSON.stringify({ ...message, event: { ...event, 'context.versionId': versionId } }),
      };
    },
  };
}

/** Versions that were told in a session, the newest last, each with what it is of. */
function told(): { change: Change; of: (topic: string) => { version: unknown; about: string }[] } {
  const versions = new Map<string, { version: unknown; about: string }[]>();
  return {
    of: (topic) => versions.get(topic) ?? [],
    change: onEvents(/-(open|update)$/, (message) => {
      const [first] = message.event.context;
      const about = first?.resource ? `DiagnosticReport/${first.resource.id}` : String(first?.reference?.reference);
      const list = versions.get(topicOf(message)) ?? [];
      const version = message.event['context.versionId'];
      if (version !== undefined && !list.some((one) => one.version === version)) list.push({ version, about });
      versions.set(topicOf(message), list);
      return message;
    }),
  };
}

/** Takes a version that fits, for any that was told before and fits this. */
function takes(fits: (given: { version: unknown; about: string }, current: { about: string }) => boolean): Change {
  const { change, of } = told();
  return {
    ...change,
    ...updateVersions((version, topic) => {
      const list = of(topic);
      const given = list.find((one) => one.version === version);
      const current = list.at(-1);
      return given && current && fits(given, current) ? current.version : version;
    }),
  };
}

const codings = (change: (codings: Json[], message: Message) => Json[], wanted: RegExp = EVERY): Change =>
  onEvents(ERROR, (message) =>
    !wanted.test(JSON.stringify(message))
      ? message
      : withContext(message, (context) =>
          context.map((one) => {
            const issue = (
              isObject(one.resource) && Array.isArray(one.resource.issue) ? one.resource.issue : []
            ) as Json[];
            const list = issue.map((it) => {
              const details = isObject(it.details) ? it.details : {};
              const coding = Array.isArray(details.coding) ? (details.coding as Json[]) : [];
              return { ...it, details: { ...details, coding: change(coding, message) } };
            });
            return { ...one, resource: { ...one.resource, issue: list } };
          }),
        ),
  );

/** Changes the name of the subscriber in every SyncError. */
const names = (change: (name: string) => string): Change =>
  codings((list) => list.map((one, at) => (at === 2 ? { ...one, code: change(String(one.code)) } : one)));

/** Answers of subscribers with one of these statuses, as another. */
const heardAs = (from: RegExp, status: number): Change => ({
  heard: (frame) => {
    const answer = parse(frame);
    return answer?.id !== undefined && from.test(JSON.stringify(answer.status))
      ? [JSON.stringify({ ...answer, status })]
      : [frame];
  },
});

interface Known {
  readonly endpoint: string;
  readonly topic: string;
  readonly name: string;
  readonly events: string;
}

/** Subscriptions that were answered, in order. */
function subscriptions(): { answer: Required<Change>['answer']; known: Known[] } {
  const known: Known[] = [];
  return {
    known,
    answer: (answer, request) => {
      const endpoint = isSubscription(request, 'subscribe') ? parse(answer.body)?.['hub.channel.endpoint'] : undefined;
      const fields = fieldsOf(request);
      const field = (name: string) => fields.get(name) ?? '';
      if (typeof endpoint === 'string') {
        known.push({
          endpoint,
          topic: field('hub.topic'),
          name: field('subscriber.name'),
          events: field('hub.events'),
        });
      }
      return answer;
    },
  };
}

const withFields = (request: RelayedRequest, more: Readonly<Record<string, string>>): RelayedRequest => {
  const fields = fieldsOf(request);
  for (const [name, value] of Object.entries(more)) fields.set(name, value);
  return { ...request, body: fields.toString() };
};

/** Rewrites requests to unsubscribe, or sends one more. */
function leaving(
  how: 'request' | 'again',
  change: (request: RelayedRequest, known: readonly Known[]) => RelayedRequest | undefined,
): Change {
  const { known, answer } = subscriptions();
  const leaves = (request: RelayedRequest) => isSubscription(request, 'unsubscribe');
  return how === 'request'
    ? { answer, request: (request) => (leaves(request) ? (change(request, known) ?? request) : request) }
    : { answer, again: (request) => (leaves(request) ? change(request, known) : undefined) };
}

/** The current context as it was read once before, where this says so. */
function remembered(
  replaces: (before: Json & { context: Element[] }, now: Json & { context: Element[] }) => boolean,
): Change {
  const before: (Json & { context: Element[] })[] = [];
  return onContext((now) => {
    const older = before.find((one) => replaces(one, now));
    before.push(now);
    return older ?? now;
  });
}

const anchorIn = ({ context }: { context: readonly Element[] }): unknown => context[0]?.resource?.id;

/** Tells the content of the last update with another context too, where this says so. */
function clinging(wanted: (now: Json & { context: Element[] }) => boolean): Change {
  let last: Element[] = [];
  return {
    ...onEvents(UPDATE, (message) => {
      const bundle = message.event.context.find(({ key }) => key === 'updates')?.resource;
      last = [{ key: 'content', resource: { ...bundle, type: 'collection' } }];
      return message;
    }),
    ...onContext((now) =>
      wanted(now) ? { ...now, context: [...now.context.filter(({ key }) => key !== 'content'), ...last] } : now,
    ),
  };
}

/** Content of which something is cut where it is large. */
const cutWhenRead: Change = onAnswers(isGet, (answer) =>
  answer.body.length < 100_000 ? answer : { ...answer, body: answer.body.replace(/(Größe 7\.10 ){100}end/, 'end') },
);

/** Loses what comes to a connection after so many ms. */
function lostAfter(ms: number): Change {
  const since = new Map<number, number>();
  return {
    frame: (frame, connection) => {
      const started = since.get(connection) ?? Date.now();
      since.set(connection, started);
      return Date.now() - started > ms && frame.includes('"event"') ? [] : [frame];
    },
  };
}

/** A confirmation of a renewal that names what the one before it named. */
function staleConfirmation(): Change {
  const first = new Map<number, unknown>();
  return onMode('subscribe', (message, connection) => {
    if (!first.has(connection)) first.set(connection, message['hub.events']);
    return { ...message, 'hub.events': first.get(connection) };
  });
}

/** SyncErrors that name the event that was told last. */
function aboutTheLast(): Change {
  const last = new Map<string, Message>();
  const change = codings((list, message) => {
    const latest = last.get(topicOf(message));
    const codes = [latest?.id, latest?.event['hub.event']];
    return list.map((one, at) => (at < 2 && latest ? { ...one, code: codes[at] } : one));
  });
  const noting = onEvents(/-(open|close)$/, (message) => {
    last.set(topicOf(message), message);
    return message;
  });
  return { frame: (frame, at) => (/"SyncError"/.test(frame) ? change.frame!(frame, at) : noting.frame!(frame, at)) };
}

/** Whatever the Hub would let nobody do without a token, at one kind of request. */
function lentFor(wanted: (request: RelayedRequest) => boolean): Change {
  let good: string | undefined;
  return {
    request: (request) => {
      const bad = request.authorization === undefined || request.authorization === 'Bearer not-a-token';
      if (!bad && request.authorization?.startsWith('Bearer ')) good = request.authorization;
      return bad && good && wanted(request) ? { ...request, authorization: good } : request;
    },
  };
}

const deep = (make: () => Change, check = 'same-patient-open'): Mutant => ({ check, make });

export const CONDITIONAL_MUTANTS: Readonly<Record<string, Mutant>> = {
  // Deep in a resource
  'letters composed': deep(() => text((whole) => whole.normalize('NFC'))),
  'letters decomposed': deep(() => text((whole) => whole.normalize('NFD')), 'broadcast-unicode'),
  'letters of compatibility folded': deep(() => text((whole) => whole.normalize('NFKC'))),
  'marks that nobody sees removed': deep(() => swap(/[\u200d\u00ad\ufeff\u200f]/g, '')),
  'ends of lines made one kind': deep(() => swap(/\\r\\n/g, '\\n')),
  'texts trimmed': deep(() => swap(/(?<=")\s+(?=\S)(?!,)|(?<=[a-z])\s+(?=")/g, '')),
  'several blanks made one': deep(() => swap(/ {2,}/g, ' ')),
  'entities decoded': deep(() => swap(/&amp;/g, '&')),
  'angle brackets escaped': deep(() => swap(/<b>/g, '&lt;b&gt;')),
  'percent codes decoded': deep(() => swap(/%41/g, 'A')),
  'plus signs made blanks': deep(() => swap(/\+1/g, ' 1')),
  'padding of bytes lost': deep(() => swap(/\/w==/g, '/w')),
  'bytes in the alphabet of URLs': deep(() => swap(/\+\/\+\/AAEC/g, '-_-_AAEC')),
  'null in lists removed': deep(() => swap(/null,|,null/g, '')),
  'null as a text taken for null': deep(() => swap(/"null"/g, 'null')),
  'false left out': deep(() => swap(/"deceasedBoolean":false,/g, '')),
  'zero left out': deep(() => swap(/,"valueInteger":0/g, '')),
  'texts that look like numbers made numbers': deep(() => swap(/"007"/g, '7')),
  'numbers made texts': deep(() => swap(/:7\.10\b/g, ':"7.10"')),
  'whole numbers given a fraction': deep(() => swap(/:100\b/g, ':100.0'), 'broadcast-numbers'),
  'exponents written out': deep(() => swap(/1\.50e-7/g, '0.000000150'), 'broadcast-numbers'),
  'exponents written otherwise': deep(() => swap(/2E\+3/g, '2e3'), 'broadcast-numbers'),
  'digits after the fifteenth lost': deep(() => swap(/1\.234567890123456789012345678901/g, '1.23456789012346')),
  'times told in UTC': deep(() => swap(/2026-01-31T09:00:00\.120\+01:00/g, '2026-01-31T08:00:00.120Z')),
  'last zeros of seconds lost': deep(() => swap(/00\.120\+/g, '00.12+')),
  'months completed to days': deep(() => swap(/"2026-02"/g, '"2026-02-01"')),
  'references made absolute': deep(
    () => swap(/"reference":"Patient\//g, '"reference":"https://hub.example.org/fhir/Patient/'),
    'same-imagingstudy-open',
  ),
  'references without history': deep(() => swap(/\/_history\/7/g, '')),
  'addresses decoded': deep(() => swap(/%C3%A9/g, 'é')),
  'contained resources lost': deep(() => resources((one) => without(one, 'contained'))),
  'versions of resources counted up': deep(() => swap(/"versionId":"7"/g, '"versionId":"8"')),
  'sources lost': deep(() => swap(/"source":"urn:oid:2\.999\.7",?/g, '')),
  'displays lost': deep(() => swap(/,"display":"[^"\\]*(\\.[^"\\]*)*"/g, '')),
  'deepest extensions lost': deep(() => swap(/,\{"url":"deeper".*?\]\}(?=\])/g, '')),
  'equal elements of a list told once': deep(() =>
    extensions((list) => [...new Map(list.map((one) => [JSON.stringify(one), one])).values()]),
  ),
  'lists sorted': deep(() =>
    extensions((list) => [...list].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))),
  ),
  'narratives cleaned': deep(() => swap(/ xmlns=\\"[^"]*\\"/g, '')),
  'notes of members without a value lost': deep(() => resources((one) => without(one, '_birthDate'))),
  'notes of members in lists lost': deep(() => swap(/,"_given":\[.*?\}\]\},null\]/g, '')),
  'one element of each key': {
    check: 'same-diagnosticreport-open',
    make: () =>
      onEvents(OPENS, (message) =>
        withContext(message, (context) => [...new Map(context.map((one) => [one.key, one])).values()]),
      ),
  },
  'elements in the order of their keys': {
    check: 'same-encounter-close',
    make: () =>
      onEvents(/^encounter-close$/, (message) =>
        withContext(message, (context) => [...context].sort((a, b) => (a.key < b.key ? 1 : -1))),
      ),
  },
  'selections told once': {
    check: 'same-diagnosticreport-select',
    make: () =>
      onEvents(/-select$/, (message) =>
        withContext(message, (context) => [...new Map(context.map((one) => [one.key, one])).values()]),
      ),
  },
  // Ids and times
  'ids in lower case': {
    check: 'broadcast-any-id',
    make: () => onEvents(EVERY, (message) => ({ ...message, id: String(message.id).toLowerCase() })),
  },
  'ids of 36 characters at most': {
    check: 'broadcast-any-id',
    make: () => onEvents(EVERY, (message) => ({ ...message, id: String(message.id).slice(0, 36) })),
  },
  'ids without urn:uuid:': {
    check: 'broadcast-any-id',
    make: () => onEvents(EVERY, (message) => ({ ...message, id: String(message.id).replace('urn:uuid:', '') })),
  },
  'ids read as numbers': {
    check: 'broadcast-any-id',
    make: () =>
      onEvents(EVERY, (message) => ({ ...message, id: String(message.id).replace(/^0+(?=[0-9a-f]+\.7$)/, '') })),
  },
  'times of whole seconds': {
    check: 'broadcast-any-id',
    make: () =>
      onEvents(EVERY, (message) => ({ ...message, timestamp: String(message.timestamp).replace(/\.5Z/, 'Z') })),
  },
  // In large bodies
  'large updates without their last entry': {
    check: 'content-large',
    make: () =>
      onEvents(UPDATE, (message) => (JSON.stringify(message).length > 100_000 ? shortened(message) : message)),
  },
  'large content cut when it is read': { check: 'content-large', make: () => cutWhenRead },
  'large events that nobody is told': {
    check: 'same-large',
    make: () => onEvents(OPENS, (message) => (JSON.stringify(message).length > 100_000 ? undefined : message)),
  },
  // At the n-th time
  'every twentieth update without its last entry': {
    check: 'content-chain',
    make: () => nth(UPDATE, (n) => n % 20 === 0, shortened),
  },
  'from the tenth update on no removals': {
    check: 'content-chain',
    make: () =>
      nth(
        UPDATE,
        (n) => n >= 10,
        (message) =>
          withContext(message, (context) =>
            context.map((one) => {
              const entry = isObject(one.resource) && Array.isArray(one.resource.entry) ? one.resource.entry : [];
              const kept = entry.filter((it: Json) => (it.request as Json)?.method !== 'DELETE');
              return one.key === 'updates' ? { ...one, resource: { ...one.resource, entry: kept } } : one;
            }),
          ),
      ),
  },
  'the fifteenth update after another version': {
    check: 'content-chain',
    make: () =>
      nth(
        UPDATE,
        (n) => n === 15,
        (message) => withVersions(message, { 'context.priorVersionId': 'another' }),
      ),
  },
  'the twelfth update with the version before it': {
    check: 'content-chain',
    make: () =>
      nth(
        UPDATE,
        (n) => n === 12,
        (message) => withVersions(message, { 'context.versionId': message.event['context.priorVersionId'] }),
      ),
  },
  'opens from the 300th on with the first version': {
    check: 'soak',
    make: () => {
      let first: unknown;
      return nth(
        OPENS,
        (n) => n === 1 || n >= 300,
        (message) => {
          first ??= message.event['context.versionId'];
          return withVersions(message, { 'context.versionId': first });
        },
      );
    },
  },
  'the third of four closes not told': {
    check: 'confirmation-kept',
    make: () =>
      nth(
        /-close$/,
        (n) => n === 3,
        () => undefined,
      ),
  },
  // After a while
  'nothing told after eight seconds': { check: 'connection-lasts', make: () => lostAfter(8000) },
  // At one of several
  'fourth and later subscribers told nothing': {
    check: 'several-subscribers',
    make: () =>
      atSubscriber(
        EVERY,
        (n) => n > 3,
        () => undefined,
      ),
  },
  'third subscribers told another patient': {
    check: 'soak',
    make: () =>
      atSubscriber(
        OPENS,
        (n) => n === 3,
        (message) => replaced(message, /"family":"[^"]*"/, '"family":"Other"'),
      ),
  },
  'second subscribers told other versions': {
    check: 'content-chain',
    make: () =>
      atSubscriber(
        UPDATE,
        (n) => n === 2,
        (message) => withVersions(message, { 'context.versionId': `${message.event['context.versionId']}-2` }),
      ),
  },
  'third newcomers told nothing': {
    check: 'late-joiners-all',
    make: () =>
      atSubscriber(
        OPENS,
        (n) => n >= 4,
        () => undefined,
      ),
  },
  'SyncErrors for the first subscriber alone': {
    check: 'syncerror-to-each',
    make: () =>
      atSubscriber(
        ERROR,
        (n) => n > 1,
        () => undefined,
      ),
  },
  // Confirmations, denials
  'confirmations of one event less': {
    check: 'confirmation-kept',
    make: () =>
      onMode('subscribe', (one) => ({ ...one, 'hub.events': String(one['hub.events']).replace(/,[^,]*$/, '') })),
  },
  'confirmations of renewals with the old events': { check: 'resubscribe-confirmed', make: staleConfirmation },
  'confirmations of whole names in lists': {
    check: 'confirmation-events',
    make: () => onMode('subscribe', (one) => ({ ...one, 'hub.events': [one['hub.events']] })),
  },
  'denials of one event less': {
    check: 'denial-events',
    make: () => onMode('denied', (one) => ({ ...one, 'hub.events': String(one['hub.events']).replace(/,[^,]*$/, '') })),
  },
  'denials of events in a list': {
    check: 'denial-events',
    make: () => onMode('denied', (one) => ({ ...one, 'hub.events': String(one['hub.events']).split(',') })),
  },
  // Unsubscribing, renewing
  'an unsubscribe whatever the topic': {
    check: 'unsubscribe-other-topic',
    make: () =>
      leaving('request', (request, known) => {
        const one = known.find(({ endpoint }) => endpoint === fieldsOf(request).get('hub.channel.endpoint'));
        return one && withFields(request, { 'hub.topic': one.topic });
      }),
  },
  'an unsubscribe of the newest of the session': {
    check: 'unsubscribe-leaves-others',
    make: () =>
      leaving('request', (request, known) => {
        const newest = known.findLast(({ topic }) => topic === fieldsOf(request).get('hub.topic'));
        return newest && withFields(request, { 'hub.channel.endpoint': newest.endpoint });
      }),
  },
  'an unsubscribe of namesakes too': {
    check: 'unsubscribe-leaves-others',
    make: () =>
      leaving('again', (request, known) => {
        const fields = fieldsOf(request);
        const namesake = known.find(
          ({ topic, name, endpoint }) =>
            topic === fields.get('hub.topic') &&
            name === fields.get('subscriber.name') &&
            endpoint !== fields.get('hub.channel.endpoint'),
        );
        return namesake && withFields(request, { 'hub.channel.endpoint': namesake.endpoint });
      }),
  },
  'the second unsubscribe of a session taken and forgotten': {
    check: 'unsubscribe-each',
    make: () => {
      const times = new Map<string, number>();
      return {
        request: (request) => {
          if (!isSubscription(request, 'unsubscribe')) return request;
          const [topic, endpoint] = ['hub.topic', 'hub.channel.endpoint'].map(
            (name) => fieldsOf(request).get(name) ?? '',
          );
          times.set(topic!, (times.get(topic!) ?? 0) + 1);
          if (times.get(topic!) !== 2) return request;
          return { status: 202, type: 'application/json', body: JSON.stringify({ 'hub.channel.endpoint': endpoint }) };
        },
      };
    },
  },
  'an unsubscribe without a token': {
    check: 'unsubscribe-needs-token',
    setup: 'tokens',
    make: () => lentFor((one) => isSubscription(one, 'unsubscribe')),
  },
  'a renewal that renews another one too': {
    check: 'resubscribe-leaves-others',
    make: () => {
      const { known, answer } = subscriptions();
      return {
        answer,
        again: (request) => {
          const fields = fieldsOf(request);
          if (!isSubscription(request, 'subscribe') || !fields.has('hub.channel.endpoint')) return undefined;
          const other = known.find(
            ({ topic, endpoint }) =>
              topic === fields.get('hub.topic') && endpoint !== fields.get('hub.channel.endpoint'),
          );
          return other && withFields(request, { 'hub.channel.endpoint': other.endpoint });
        },
      };
    },
  },
  // Versions
  'versions compared by their first 36 characters': {
    check: 'update-version-alike',
    make: () => updateVersions((version) => (typeof version === 'string' ? version.slice(0, 36) : version)),
  },
  'a version in a list taken': {
    check: 'update-version-alike',
    make: () => updateVersions((version) => (Array.isArray(version) ? version[0] : version)),
  },
  'an empty version taken for the current one': {
    check: 'update-version-alike',
    make: () => {
      const { change, of } = told();
      return { ...change, ...updateVersions((version, topic) => version || of(topic).at(-1)?.version) };
    },
  },
  'the version of another report taken': {
    check: 'update-version-alike',
    make: () => takes((given, current) => given.about !== current.about),
  },
  'the version before the last open taken': {
    check: 'update-after-reopen',
    make: () => takes((given, current) => given.about === current.about),
  },
  // The current context
  'a patient read as it was opened first': {
    check: 'reopened-with-changes',
    make: () => remembered((before, now) => now.context.length > 0 && anchorIn(before) === anchorIn(now)),
  },
  'another version at every second reading': {
    check: 'context-read-again',
    make: () => {
      let count = 0;
      return onContext((one) => (++count % 2 === 0 ? { ...one, 'context.versionId': `again-${count}` } : one));
    },
  },
  'nothing at every third reading': {
    check: 'context-read-again',
    make: () => {
      let count = 0;
      return onContext((one) => (++count % 3 === 0 ? { 'context.type': '', context: [] } : one));
    },
  },
  'content of a report told with a patient': {
    check: 'content-not-of-patient',
    make: () => clinging((now) => now['context.type'] === 'Patient'),
  },
  'content of a closed report told with nothing': {
    check: 'content-not-after-close',
    make: () => clinging((now) => now['context.type'] === ''),
  },
  'content of a closed report told with the next one': {
    check: 'content-of-its-anchor',
    make: () => clinging((now) => now['context.type'] === 'DiagnosticReport'),
  },
  'an answer of 203 to a reading': {
    check: 'context-array',
    make: () => onAnswers(isGet, (one) => (one.status === 200 ? { ...one, status: 203 } : one)),
  },
  'the type of the context in lower case': {
    check: 'context-type-patient',
    make: () => onContext((one) => ({ ...one, 'context.type': String(one['context.type']).toLowerCase() })),
  },
  'the current context in an envelope': {
    check: 'context-array',
    make: () => onContext((one) => ({ data: one })),
  },
  'the current context with a version named versionId': {
    check: 'context-version',
    make: () => onContext((one) => ({ ...without(one, 'context.versionId'), versionId: one['context.versionId'] })),
  },
  // Answers and SyncErrors
  'answers of 410 heard as agreement': { check: 'syncerror-every-status', make: () => heardAs(/^"?410/, 200) },
  'answers of gateways heard as agreement': { check: 'syncerror-every-status', make: () => heardAs(/^"?50[24]/, 200) },
  'answers of 401 and 403 heard as agreement': {
    check: 'syncerror-every-status',
    make: () => heardAs(/^"?40[13]/, 200),
  },
  'answers of 201 heard as refusal': { check: 'no-syncerror-after-success', make: () => heardAs(/^"?201/, 500) },
  'answers of 206 heard as refusal': { check: 'no-syncerror-after-success', make: () => heardAs(/^"?206/, 409) },
  'SyncErrors about the event told last': { check: 'syncerror-right-event', make: aboutTheLast },
  'names with plus signs for blanks': {
    check: 'syncerror-name-as-given',
    make: () => names((one) => one.replaceAll(' ', '+')),
  },
  'names of plain letters': {
    check: 'syncerror-name-as-given',
    make: () => names((one) => one.replace(/[^ -~]/g, '')),
  },
  'names of twenty characters': { check: 'syncerror-name-as-given', make: () => names((one) => one.slice(0, 20)) },
  'names in lower case': { check: 'syncerror-subscriber', make: () => names((one) => one.toLowerCase()) },
  'SyncErrors with codings of another system': {
    check: 'syncerror-event-id',
    make: () => codings((list) => list.map((one) => ({ ...one, system: String(one.system).replace('https', 'http') }))),
  },
  'SyncErrors about reports not told': {
    check: 'syncerror-every-kind',
    make: () => onEvents(ERROR, (one) => (/"DiagnosticReport-/i.test(JSON.stringify(one)) ? undefined : one)),
  },
  'SyncErrors told for one refusal of a session': {
    check: 'syncerror-to-each',
    make: () =>
      nth(
        ERROR,
        (n) => n > 1,
        () => undefined,
      ),
  },
  'SyncErrors whose key is the resource’s type': {
    check: 'syncerror-structure',
    make: () =>
      onEvents(ERROR, (one) => withContext(one, (all) => all.map((it) => ({ ...it, key: 'OperationOutcome' })))),
  },
  'SyncErrors by reference': {
    check: 'syncerror-structure',
    make: () =>
      onEvents(ERROR, (one) =>
        withContext(one, () => [{ key: 'operationoutcome', reference: { reference: 'OperationOutcome/1' } }]),
      ),
  },
  'SyncErrors once more, a little later': {
    check: 'syncerror-once',
    make: () => onEvents(ERROR, (one) => [one, { late: { ...one, id: `${one.id}-again` }, ms: 60 }]),
  },
  // Status codes
  '400 for 413': {
    check: 'update-too-large',
    make: () => onAnswers(isPublish, (one) => (one.status === 413 ? { ...one, status: 400 } : one)),
  },
  '204 to a subscription': {
    check: 'subscribe-accepted',
    make: () =>
      onAnswers(
        (request) => isSubscription(request, 'subscribe'),
        (one) => (one.status === 202 ? { ...one, status: 204, body: '' } : one),
      ),
  },
  '202 to what is refused': {
    check: 'update-without-version',
    make: () => onAnswers(isPublish, (one) => (one.status >= 400 ? { ...one, status: 202, body: '' } : one)),
  },
};
