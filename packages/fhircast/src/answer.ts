import { isObject } from './messages.ts';

/** What a subscriber said on its socket (ERR-1). */
export type SubscriberMessage =
  | {
      readonly kind: 'answer';
      readonly id: string;
      readonly status: number;
      /** Why it does not follow, in its own words: one line of at most 200 characters. Not in FHIRcast; others leave it out. */
      readonly reason?: string;
    }
  | { readonly kind: 'ping' }
  /** No answer: ignored and counted. */
  | { readonly kind: 'other' };

/** `200`, `200 OK` or a whole status line. */
const STATUS_TEXT = /^\s*(?:HTTP\S*\s+)?([1-5]\d\d)\b/i;

const OTHER: SubscriberMessage = { kind: 'other' };

function field(message: { readonly [key: string]: unknown }, name: string): unknown {
  if (message[name] !== undefined) return message[name];
  const key = Object.keys(message).find((one) => one.trim().toLowerCase() === name);
  return key === undefined ? undefined : message[key];
}

/** A number that is no status of HTTP says that something went wrong: it is a failure, and no success (ERR-1). */
const FAILED = 500;

function statusCode(status: unknown): number | undefined {
  if (status === undefined || status === null) return 200;
  const text = typeof status === 'string' ? status.trim() : undefined;
  const code = text === undefined ? status : Number(STATUS_TEXT.exec(text)?.[1] ?? (text === '' ? Number.NaN : text));
  if (typeof code !== 'number' || Number.isNaN(code)) return undefined;
  return Number.isInteger(code) && code >= 100 && code <= 599 ? code : FAILED;
}

const MAX_REASON = 200;

/** What an application says in its own words, as one line of at most 200 characters; undefined where it says nothing. */
export function reasonText(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined;
  const line = value.replaceAll(/[\p{Cc}\s]+/gu, ' ').trim();
  return line === '' ? undefined : line.slice(0, MAX_REASON).toWellFormed();
}

/** Reads a frame from a subscriber. An answer without a status counts as 200: medplum's clients send none. */
export function parseSubscriberMessage(text: string): SubscriberMessage {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    return OTHER;
  }
  if (!isObject(message)) return OTHER;
  const id = field(message, 'id');
  if (typeof id !== 'string' || id === '') return field(message, 'type') === 'ping' ? { kind: 'ping' } : OTHER;
  // Viewers of the OHIF family send events of their own on the socket: those are no answers, though they have an id.
  if (isObject(message.event) && field(message, 'status') === undefined) return OTHER;
  const status = statusCode(field(message, 'status'));
  if (status === undefined) return OTHER;
  const reason = status < 300 ? undefined : reasonText(field(message, 'reason'));
  const answer = { kind: 'answer', id: id.trim(), status } as const;
  return reason === undefined ? answer : { ...answer, reason };
}
