/** Refusals that are answered before the web framework makes its request of what came: that work is what a flood would cost. */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { FHIR_JSON, operationOutcome } from '@lockstep/fhir';
import { isPageAddress, PageLanguages } from '@lockstep/smart';
import type { DoorRow } from './doors/door.ts';
import { doorHeaders, RETRY_AFTER, TOO_MANY } from './doors/guard.ts';
import { requestId } from './request-id.ts';
import type { CountRequest } from './request-metrics.ts';

/** A refusal that needs nothing of the request but its head. */
export type EarlyReason = 'too-many-requests' | 'token-missing' | 'too-large';

const SAID = {
  'too-many-requests': { status: 429, code: 'slow_down', issue: 'throttled', reason: TOO_MANY },
  'token-missing': { status: 401, code: 'invalid_token', issue: 'login', reason: 'An access token is required' },
  'too-large': { status: 413, code: 'invalid_request', issue: 'too-long', reason: 'The body is too large' },
} as const;

/** Says it in every language: who reads it is not looked at. */
const PAGE = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Lockstep</title>
${new PageLanguages()
  .inAll('Too many requests come from your network. Wait a moment, then load this page again.')
  .map(({ tag, text }) => `<p lang="${tag}">${text}`)
  .join('\n')}
</html>
`;

export class EarlyRefusals {
  readonly #https: boolean;
  readonly #count: CountRequest;
  /** By the path of the door and the reason: a flood is answered with what was made once. */
  readonly #bodies = new Map<string, readonly [type: string, text: string, bytes: number]>();

  /** @param options.https whether clients reach the server by https */
  constructor({ https, count }: { readonly https: boolean; readonly count: CountRequest }) {
    this.#https = https;
    this.#count = count;
  }

  /**
   * Answers in the form of the door, and reads nothing more of the body.
   * @param door its path names the request in the metrics
   * @param headers of the answer, more than the door's own
   */
  refuse(
    request: IncomingMessage,
    response: ServerResponse,
    door: Pick<DoorRow, 'path' | 'shared'>,
    reason: EarlyReason,
    headers: OutgoingHttpHeaders = {},
  ): void {
    const { status } = SAID[reason];
    const [type, text, bytes] = this.#bodyOf(door.path, reason);
    response.writeHead(status, {
      ...doorHeaders(door, request.headers, requestId(request), this.#https),
      'cache-control': 'no-store',
      'content-type': type,
      'content-length': bytes,
      ...(status === 429 && { 'retry-after': RETRY_AFTER }),
      ...headers,
    });
    response.end(text);
    this.#count({ method: request.method ?? '', route: door.path, status }, 0, request.headers);
  }

  #bodyOf(path: string, reason: EarlyReason): readonly [type: string, text: string, bytes: number] {
    const name = `${reason} ${path}`;
    let made = this.#bodies.get(name);
    if (!made) {
      const [type, text] = bodyOf(path, reason);
      made = [type, text, Buffer.byteLength(text)];
      this.#bodies.set(name, made);
    }
    return made;
  }
}

function bodyOf(path: string, reason: EarlyReason): readonly [type: string, text: string] {
  const { code, issue, reason: words } = SAID[reason];
  if (path.startsWith('/fhir')) return [FHIR_JSON, JSON.stringify(operationOutcome(issue, words))];
  if (path.startsWith('/hub')) return ['text/plain; charset=utf-8', `${words}\n`];
  if (reason === 'too-many-requests' && isPageAddress(path)) return ['text/html; charset=utf-8', PAGE];
  const told = path.startsWith('/api/console') ? { message: words } : { error_description: words };
  return ['application/json; charset=utf-8', JSON.stringify({ error: code, ...told })];
}
