/** Tools for changing FHIRcast messages on their way. Numbers stay as they are written, unless that is the change. */
import type { Change, RelayedAnswer, RelayedFrame, RelayedRequest } from '../relay.ts';

/** Names of events, in small letters. */
export const EVERY = /./;
export const OPENS = /-open$/;
export const UPDATE = /-update$/;
export const SELECT = /-select$/;
export const ERROR = /^syncerror$/;
/** The id of something else. */
export const OTHER = '00000000-aaaa-4bbb-8ccc-dddddddddddd';

export type Json = Record<string, unknown>;

export interface Element extends Json {
  key: string;
  resource?: Json;
  reference?: Json;
}

export interface Message extends Json {
  id: unknown;
  timestamp: unknown;
  event: Json & { context: Element[] };
}

const exact = JSON as unknown as {
  parse(text: string, reviver: (key: string, value: unknown, from: { source?: string }) => unknown): unknown;
  rawJSON(text: string): unknown;
};

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export function parse(text: string): Json | undefined {
  try {
    const value = exact.parse(text, (_key, one, { source }) =>
      typeof one === 'number' ? exact.rawJSON(source ?? String(one)) : one,
    );
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

const isEvent = (message: Json | undefined): message is Message =>
  message !== undefined && isObject(message.event) && Array.isArray(message.event.context);

export const nameOf = (message: Message): string => String(message.event['hub.event']).toLowerCase();

/** Changes frames that are events, by name or all; what it answers is sent: nothing, one or several. */
export function onEvents(
  names: RegExp,
  change: (
    message: Message,
    connection: number,
  ) => Message | readonly (Message | { late: Message; ms: number })[] | undefined,
): Change {
  return {
    frame: (text, connection) => {
      const message = parse(text);
      if (!isEvent(message) || !names.test(nameOf(message))) return [text];
      const changed = change(message, connection);
      const list = changed === undefined ? [] : Array.isArray(changed) ? changed : [changed as Message];
      return list.map(
        (one): RelayedFrame =>
          'late' in one && 'ms' in one
            ? { text: JSON.stringify(one.late), afterMs: one.ms as number }
            : JSON.stringify(one),
      );
    },
  };
}

/** Changes frames with this `hub.mode`. */
export function onMode(
  mode: 'subscribe' | 'denied',
  change: (message: Json, connection: number) => Json | readonly Json[] | undefined,
): Change {
  return {
    frame: (text, connection) => {
      const message = parse(text);
      if (message?.['hub.mode'] !== mode) return [text];
      const changed = change(message, connection);
      const list = changed === undefined ? [] : Array.isArray(changed) ? changed : [changed];
      return list.map((one) => JSON.stringify(one));
    },
  };
}

const fieldsOf = (request: RelayedRequest) => new URLSearchParams(request.body);

export const isSubscription = (request: RelayedRequest, mode: string): boolean =>
  request.method === 'POST' && fieldsOf(request).get('hub.mode') === mode;
export const isPublish = (request: RelayedRequest): boolean =>
  request.method === 'POST' && request.url.startsWith('/hub') && !/hub\.mode=/.test(request.body);
export const isGet = (request: RelayedRequest): boolean =>
  request.method === 'GET' && request.url.startsWith('/hub/') && !request.url.includes('.well-known');
export const isConfiguration = (request: RelayedRequest): boolean =>
  request.url.includes('.well-known/fhircast-configuration');

/** Changes answers to some requests. */
export function onAnswers(
  to: (request: RelayedRequest) => boolean,
  change: (answer: RelayedAnswer, request: RelayedRequest) => RelayedAnswer,
): Change {
  return { answer: (answer, request) => (to(request) ? change(answer, request) : answer) };
}

/** Changes the current context that is answered. */
export function onContext(change: (context: Json & { context: Element[] }, request: RelayedRequest) => Json): Change {
  return onAnswers(isGet, (answer, request) => {
    const json = parse(answer.body);
    if (!json || !Array.isArray(json.context)) return answer;
    return { ...answer, body: JSON.stringify(change(json as Json & { context: Element[] }, request)) };
  });
}

export const without = (value: Json, ...keys: readonly string[]): Json =>
  Object.fromEntries(Object.entries(value).filter(([key]) => !keys.includes(key)));

/** An event with another context. */
export const withContext = (message: Message, change: (context: Element[]) => Element[]): Message => ({
  ...message,
  event: { ...message.event, context: change(message.event.context) },
});

/** Every resource of an event, those in Bundles too, changed. */
export function withResources(elements: Element[], change: (resource: Json) => Json): Element[] {
  return elements.map((element) => {
    if (!isObject(element.resource)) return element;
    const entry = element.resource.entry;
    const inside = Array.isArray(entry)
      ? {
          entry: entry.map((one) =>
            isObject(one) && isObject(one.resource) ? { ...one, resource: change(one.resource) } : one,
          ),
        }
      : undefined;
    return { ...element, resource: inside ? { ...element.resource, ...inside } : change(element.resource) };
  });
}

/** All of a value's text, replaced. */
export const replaced = <T>(value: T, from: RegExp, to: string): T =>
  parseAny(JSON.stringify(value).replace(from, to)) as T;

const parseAny = (text: string): unknown =>
  exact.parse(text, (_key, one, { source }) => (typeof one === 'number' ? exact.rawJSON(source ?? String(one)) : one));

export const topicOf = (message: Message): string => String(message.event['hub.topic']);

/** Counts events of one session, and changes some. */
export function nth(
  names: RegExp,
  wanted: (n: number) => boolean,
  change: (message: Message) => Message | undefined,
): Change {
  const seen = new Map<string, Set<unknown>>();
  return onEvents(names, (message) => {
    const ids = seen.get(topicOf(message)) ?? new Set();
    seen.set(topicOf(message), ids.add(message.id));
    return wanted([...ids].indexOf(message.id) + 1) ? change(message) : message;
  });
}

/** Changes what the n-th subscriber of a session is told, counted from 1. */
export function atSubscriber(
  names: RegExp,
  wanted: (n: number) => boolean,
  change: (message: Message) => Message | undefined,
): Change {
  const connections = new Map<string, number[]>();
  return {
    frame: (frame, connection) => {
      const message = parse(frame);
      const event = message && isObject(message.event) ? (message as Message) : undefined;
      const topic = String(event ? event.event['hub.topic'] : message?.['hub.topic']);
      const known = connections.get(topic) ?? [];
      if (!known.includes(connection)) connections.set(topic, [...known, connection]);
      const number = (connections.get(topic) ?? []).indexOf(connection) + 1;
      if (!event || !names.test(nameOf(event)) || !wanted(number)) return [frame];
      const changed = change(event);
      return changed ? [JSON.stringify(changed)] : [];
    },
  };
}
