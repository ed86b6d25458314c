import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** What a request id may look like: anything else could steer a log or a header (CWE-117). */
const GIVEN = /^[A-Za-z0-9._:/+=-]{1,128}$/;
/** `version-traceid-parentid-flags` (W3C Trace Context section 3.2.2). */
const TRACE_PARENT = /^[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The request's id in logs, the audit and the answer: its `X-Request-Id`, else its trace's id, else a new one. */
export function requestId({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const given = headers['x-request-id'];
  if (typeof given === 'string' && GIVEN.test(given)) return given;
  return traceOf(headers) ?? randomUUID();
}

/** The trace id of the `traceparent` header; undefined where there is none that makes sense. */
export function traceOf(headers: IncomingMessage['headers']): string | undefined {
  const { traceparent } = headers;
  return typeof traceparent === 'string' ? TRACE_PARENT.exec(traceparent)?.[1] : undefined;
}
