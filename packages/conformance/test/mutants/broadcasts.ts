/** Defects of broadcasts, made by changing messages on their way: every kind of event with everything that can happen to it. */
import { KINDS } from '../../src/steps.ts';
import type { Change } from '../relay.ts';
import {
  isPublish,
  type Json,
  type Message,
  OTHER,
  onEvents,
  parse,
  replaced,
  withContext,
  without,
  withResources,
} from './messages.ts';
import type { Mutant } from './mutants.ts';

type Kind = (typeof KINDS)[number];

const nameOfKind = (kind: Kind): RegExp => (kind === 'proprietary' ? /^org\.example\./ : new RegExp(`^${kind}$`));

/** The kinds whose elements hold resources with everything in them. */
const RICH: readonly Kind[] = KINDS.filter(
  (kind) => !['diagnosticreport-select', 'home-open', 'userlogout', 'userhibernate', 'syncerror'].includes(kind),
);
const FILLED: readonly Kind[] = KINDS.filter((kind) => kind !== 'home-open');

interface Operator {
  readonly name: string;
  readonly kinds: readonly Kind[];
  readonly change: (kind: Kind) => () => Change;
}

/** Changes every event of the kind, for every subscriber. */
const always = (change: (message: Message) => Message) => (kind: Kind) => (): Change =>
  onEvents(nameOfKind(kind), change);

const onResources = (change: (resource: Json) => Json) =>
  always((message) => withContext(message, (context) => withResources(context, change)));

const OPERATORS: readonly Operator[] = [
  {
    name: 'of another person',
    kinds: FILLED,
    change: always((message) =>
      withContext(message, (context) =>
        context.map((one) => replaced(one, /"(id|reference|code)":"[^"]*"/, `"$1":"${OTHER}"`)),
      ),
    ),
  },
  {
    name: 'with another identifier',
    kinds: RICH,
    change: onResources((one) => replaced(one, /"value":"[^"]*"/, '"value":"changed"')),
  },
  { name: 'without extensions', kinds: RICH, change: onResources((one) => without(one, 'extension')) },
  {
    name: 'without the extensions of primitives',
    kinds: RICH,
    change: onResources((one) => without(one, '_language')),
  },
  { name: 'without metadata', kinds: RICH, change: onResources((one) => without(one, 'meta')) },
  { name: 'without narrative', kinds: RICH, change: onResources((one) => without(one, 'text')) },
  {
    name: 'with numbers written otherwise',
    kinds: RICH,
    change: (kind) => () => onEvents(nameOfKind(kind), (message) => JSON.parse(JSON.stringify(message)) as Message),
  },
  {
    name: 'with large numbers rounded',
    kinds: RICH,
    change: always((message) => replaced(message, /9007199254740993/g, '9007199254740992')),
  },
  {
    name: 'without its last element',
    kinds: FILLED,
    change: always((message) => withContext(message, (all) => all.slice(0, -1))),
  },
  {
    name: 'with an element more',
    kinds: KINDS,
    change: always((message) =>
      withContext(message, (all) => [...all, { key: 'patient', resource: { resourceType: 'Patient', id: OTHER } }]),
    ),
  },
  { name: 'with another id', kinds: KINDS, change: always((message) => ({ ...message, id: OTHER })) },
  {
    name: 'with another time',
    kinds: KINDS,
    change: always((message) => ({ ...message, timestamp: '2020-01-01T00:00:00Z' })),
  },
  {
    name: 'in another session',
    kinds: KINDS,
    change: always((message) => ({ ...message, event: { ...message.event, 'hub.topic': OTHER } })),
  },
  {
    name: 'with a member more in the event',
    kinds: KINDS,
    change: always((message) => ({ ...message, event: { ...message.event, priority: 'high' } })),
  },
  {
    name: 'told twice',
    kinds: KINDS,
    change: (kind) => () => onEvents(nameOfKind(kind), (message) => [message, message]),
  },
  {
    name: 'lost for the second subscriber',
    kinds: KINDS,
    change: (kind) => () => {
      let told: unknown;
      return onEvents(nameOfKind(kind), (message, connection) => {
        told ??= connection;
        return connection === told ? message : undefined;
      });
    },
  },
  {
    name: 'followed by one that nobody published',
    kinds: KINDS,
    change: (kind) => () =>
      onEvents(nameOfKind(kind), (message) => [
        message,
        {
          ...message,
          id: OTHER,
          event: {
            ...message.event,
            'hub.event': 'Patient-open',
            context: [{ key: 'patient', resource: { resourceType: 'Patient', id: OTHER } }],
          },
        },
      ]),
  },
  {
    name: 'taken and never told',
    kinds: KINDS,
    change: (kind) => () => ({
      request: (request) => {
        const event = isPublish(request) ? (parse(request.body)?.event as Json | undefined) : undefined;
        const name = String(event?.['hub.event']).toLowerCase();
        return nameOfKind(kind).test(name) ? { status: 202, type: 'text/plain', body: '' } : request;
      },
    }),
  },
];

/** Each is caught by the check on the broadcasts of its kind. */
export const BROADCAST_MUTANTS: Readonly<Record<string, Mutant>> = Object.fromEntries(
  OPERATORS.flatMap(({ name, kinds, change }) =>
    kinds.map((kind) => [`${kind} ${name}`, { check: `same-${kind}`, make: change(kind) }] as const),
  ),
);
