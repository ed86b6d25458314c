/** What is sent to the Hub's addresses, read from its bytes. */
import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';
import { type ExactJson, isObject, jsonLimitProblem, MAX_VALUES, readExact } from '@lockstep/fhircast';

export interface HubJson {
  readonly json: unknown;
  /** The same with its text (PUB-13). */
  readonly exact: ExactJson;
}

/** What a body was sent as; its content type decides how it is read. */
export type HubBody = { readonly form: URLSearchParams } | HubJson;

/** Why a body cannot be read: the handler says so, since what the parser refuses costs its sender the connection. */
export interface UnreadableBody {
  readonly status: 400 | 415;
  readonly problem: string;
}

/** RFC 8259 leaves it to the reader whether such a mark is an error; some writers' libraries begin every text with it. */
const BYTE_ORDER_MARK = /^\uFEFF/;

/** The body's text, or why there is none. */
function textOf(headers: IncomingHttpHeaders, body: Buffer): { readonly text: string } | UnreadableBody {
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding.toLowerCase() !== 'identity') {
    return { status: 415, problem: 'A compressed body is not understood: leave Content-Encoding out' };
  }
  if (!isUtf8(body)) return { status: 400, problem: 'The body is not valid UTF-8' };
  return { text: body.toString('utf8').replace(BYTE_ORDER_MARK, '') };
}

export function readForm(headers: IncomingHttpHeaders, body: Buffer): HubBody | UnreadableBody {
  const read = textOf(headers, body);
  return 'text' in read ? { form: new URLSearchParams(read.text) } : read;
}

export function readJson(headers: IncomingHttpHeaders, body: Buffer): HubJson | UnreadableBody {
  const read = textOf(headers, body);
  if (!('text' in read)) return read;
  // A shorter text cannot hold too many values, and how deep it is nested is seen as it is read.
  const mayBeTooMuch = read.text.length > MAX_VALUES;
  const tooMuch = mayBeTooMuch ? jsonLimitProblem(read.text) : undefined;
  if (tooMuch !== undefined) return { status: 400, problem: tooMuch };
  const exact = readExact(read.text);
  if (exact.ok) return { json: exact.value.value, exact: exact.value };
  const problem = mayBeTooMuch ? undefined : jsonLimitProblem(read.text);
  const reason = exact.code === 'malformed-json' ? 'The body is not valid JSON' : exact.reason;
  return { status: 400, problem: problem ?? reason };
}

/**
 * Whether this is a subscription, and no event.
 * @param pathTopic the topic in the path: there vtk.js publishes with members of a subscription beside the event (PUB-1)
 */
export function isSubscription(body: HubBody, pathTopic: string | undefined): boolean {
  if ('form' in body) return true;
  if (!isObject(body.json) || !('hub.mode' in body.json)) return false;
  return pathTopic === undefined || !('event' in body.json);
}
