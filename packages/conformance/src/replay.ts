/** Sends again what one check of a report sent, and tells what is answered otherwise. */

import { randomUUID } from 'node:crypto';
import { WebSocket } from 'ws';
import { show } from './expecting.ts';
import { isObject, parseJson } from './json.ts';
import { within } from './pause.ts';
import { requestOf, type SentRequest } from './report/har.ts';
import type { CheckResult } from './report/report.ts';
import { send } from './target/http.ts';
import { Transcript } from './transcript.ts';

const HIDDEN = '(hidden)';
/** A body of which the report keeps the beginning only. */
const CUT = /… \(\d+ characters\)$/;
/** What a Hub makes up: each value of the report's is replaced by the new one from then on. */
const GIVEN_OUT = ['hub.channel.endpoint', 'hub.topic'];

export interface ReplayOptions {
  /** In the place of each token, which a report hides. */
  readonly token?: string;
  /** The Hub that the report is about, and another one that is sent the requests instead. */
  readonly hub?: { readonly from: string; readonly to: string };
  readonly rejectUnauthorized?: boolean;
  /** Longest time to wait for an answer or a frame, ms. */
  readonly timeoutMs: number;
  /** Told of every step in one line. */
  readonly tell: (line: string) => void;
}

export interface ReplayOutcome {
  readonly sent: number;
  /** Answers and frames that are not as they were. */
  readonly differences: number;
  /** Requests that could not be sent: a secret or the end of a body is not in the report. */
  readonly leftOut: number;
}

/** A socket and what it has got. */
class ReplayedSocket {
  readonly opened: Promise<unknown>;
  readonly #socket: WebSocket;
  readonly #frames: string[] = [];
  #wake: () => void = () => {};

  constructor(endpoint: string, rejectUnauthorized: boolean) {
    this.#socket = new WebSocket(endpoint, { rejectUnauthorized });
    this.#socket.on('message', (data) => {
      this.#frames.push(String(data));
      this.#wake();
    });
    this.opened = new Promise<void>((resolve) => {
      this.#socket.on('open', resolve);
      this.#socket.on('error', () => resolve());
    });
  }

  async next(timeoutMs: number): Promise<string | undefined> {
    if (this.#frames.length === 0) {
      await within(
        timeoutMs,
        new Promise<void>((resolve) => {
          this.#wake = resolve;
        }),
      );
    }
    return this.#frames.shift();
  }

  send(text: string): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(text);
  }

  end(): void {
    this.#socket.terminate();
  }
}

/** What kind of frame it is: its event, or its mode. */
function frameKind(text: string | undefined): string {
  const json = text === undefined ? undefined : parseJson(text);
  if (!isObject(json)) return text === undefined ? 'nothing' : 'a frame that is no object';
  if (isObject(json.event)) return show(json.event['hub.event']);
  return show(json['hub.mode'] ?? 'a frame');
}

const statusOf = (answer: string | undefined): number | undefined =>
  answer === undefined ? undefined : Number(/^HTTP (\d+)/.exec(answer)?.[1]);

/** The text of a recorded answer after its empty line. */
const bodyOf = (answer: string): string => answer.split('\n\n').slice(1).join('\n\n');

/**
 * Sends the requests of a check again, in order, and opens its connections. Events get new ids, and endpoints and topics that the
 * Hub gave out are replaced by those it gives out now.
 * @param result with its exchange
 */
export async function replay(result: CheckResult, options: ReplayOptions): Promise<ReplayOutcome> {
  const { token, hub, timeoutMs, tell, rejectUnauthorized = true } = options;
  const lines = result.exchange ?? [];
  const renamed = new Map<string, string>(hub ? [[hub.from, hub.to]] : []);
  const sockets = new Map<string, ReplayedSocket>();
  const counts = { sent: 0, differences: 0, leftOut: 0 };
  const now = (text: string): string => {
    let changed = text;
    for (const [before, after] of renamed) changed = changed.replaceAll(before, after);
    return changed;
  };
  const judge = (what: string, before: string | number | undefined, after: string | number | undefined): void => {
    const same = before === undefined || before === after;
    if (!same) counts.differences++;
    tell(`${same ? ' ' : '!'} ${what}: ${after}${same ? '' : `, was ${before}`}`);
  };
  const post = async (text: string, answer: string | undefined): Promise<void> => {
    const recorded = requestOf(text);
    const id = eventId(recorded);
    if (id !== undefined) renamed.set(id, renamed.get(id) ?? randomUUID());
    const { method, url, headers, body } = requestOf(now(text));
    const filled = headers.map(([name, value]) => [name, token === undefined ? value : value.replace(HIDDEN, token)]);
    if (CUT.test(text) || `${JSON.stringify(filled)}${url}${body}`.includes(HIDDEN)) {
      counts.leftOut++;
      tell(`- ${method} ${url}: left out, a secret or the end of its body is not in the report`);
      return;
    }
    counts.sent++;
    const request = { method: method as 'GET' | 'POST' | 'DELETE', url, headers: Object.fromEntries(filled) };
    const limits = { timeoutMs, rejectUnauthorized };
    const response = await send({ ...request, ...(body !== '' && { body }) }, limits, new Transcript()).catch(
      (error: Error) => error,
    );
    const status = response instanceof Error ? `no answer (${response.message})` : response.status;
    judge(`${method} ${url}`, statusOf(answer), status);
    const before = answer === undefined ? undefined : parseJson(bodyOf(answer));
    if (response instanceof Error || !isObject(before) || !isObject(response.json)) return;
    for (const name of GIVEN_OUT) {
      const [old, given] = [before[name], response.json[name]];
      if (typeof old === 'string' && typeof given === 'string' && old !== given) renamed.set(old, given);
    }
  };
  try {
    for (const [at, { kind, who, text }] of lines.entries()) {
      if (kind === 'request') {
        const answer = lines.slice(at + 1).find((line) => line.kind === 'response' && line.who === who);
        await post(text, answer?.text);
      } else if (kind === 'connect') {
        const socket = new ReplayedSocket(now(text), rejectUnauthorized);
        sockets.get(who)?.end();
        sockets.set(who, socket);
        await within(timeoutMs, socket.opened);
      } else if (kind === 'received') {
        judge(`${who} hears`, frameKind(text), frameKind(await sockets.get(who)?.next(timeoutMs)));
      } else if (kind === 'sent') sockets.get(who)?.send(now(text));
    }
  } finally {
    for (const socket of sockets.values()) socket.end();
  }
  return counts;
}

/** The id of the event that a request publishes: a Hub takes the same one again for a repetition. */
function eventId({ body }: SentRequest): string | undefined {
  const json = parseJson(body);
  return isObject(json) && isObject(json.event) && typeof json.id === 'string' && json.id !== '' ? json.id : undefined;
}
