/** Sends again what one check of a report sent, and tells what is answered otherwise. */

import { randomUUID } from 'node:crypto';
import { WebSocket } from 'ws';
import { CheckFailure, show } from './expecting.ts';
import { isObject, parseJson } from './json.ts';
import { within } from './pause.ts';
import { unreachable } from './preflight.ts';
import { type CallbackCall, ReplayedCallbacks } from './replay-callback.ts';
import { requestOf, type SentRequest } from './report/har.ts';
import type { CheckResult } from './report/report.ts';
import type { PlayedCallbackOptions } from './target/callback-server.ts';
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
  /** Where the Hub reaches the callbacks, for webhooks. */
  readonly callback?: PlayedCallbackOptions;
  /** Longest time to wait for an answer or a frame, ms. */
  readonly timeoutMs: number;
  /** Called with one line for every step. */
  readonly tell: (line: string) => void;
}

export interface ReplayOutcome {
  readonly sent: number;
  /** Answers and frames that are not as they were. */
  readonly differences: number;
  /** Requests that could not be sent: a secret or the end of a body is not in the report. */
  readonly leftOut: number;
  /** Why the Hub could not be reached at all, in one sentence that says what to do. */
  readonly unreachable?: string;
}

/** The connections of one name, which may be several at once, and what they have got. */
class ReplayedParty {
  readonly #sockets: WebSocket[] = [];
  readonly #frames: { readonly text: string; readonly socket: WebSocket }[] = [];
  /** Where the frame came that was looked at last: what is sent is the answer to it. */
  #last: WebSocket | undefined;
  #wake: () => void = () => {};

  /** Resolves when the connection is open, or is not to be had. */
  connect(endpoint: string, rejectUnauthorized: boolean): Promise<void> {
    const socket = new WebSocket(endpoint, { rejectUnauthorized });
    this.#sockets.push(socket);
    this.#last = socket;
    socket.on('message', (data) => {
      this.#frames.push({ text: String(data), socket });
      this.#wake();
    });
    return new Promise<void>((resolve) => {
      socket.on('open', resolve);
      socket.on('error', () => resolve());
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
    const frame = this.#frames.shift();
    if (frame) this.#last = frame.socket;
    return frame?.text;
  }

  send(text: string): void {
    if (this.#last?.readyState === WebSocket.OPEN) this.#last.send(text);
  }

  end(): void {
    for (const socket of this.#sockets) socket.terminate();
  }
}

/** What kind of frame it is: its event, or its mode. */
function frameKind(text: string | undefined): string {
  const json = text === undefined ? undefined : parseJson(text);
  // Of a long frame the report keeps the beginning.
  const cut = text !== undefined && CUT.test(text) ? /"hub\.event":"([^"]*)"/.exec(text)?.[1] : undefined;
  if (cut !== undefined) return cut;
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
  const callbacks = new ReplayedCallbacks(options.callback);
  const calls = new Map<string, { recorded: string; call: CallbackCall }>();
  let away: string | undefined;
  const lines = result.exchange ?? [];
  const renamed = new Map<string, string>(hub ? [[hub.from, hub.to]] : []);
  const parties = new Map<string, ReplayedParty>();
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
    const { method, url, headers, body: written } = requestOf(now(text));
    const body = await withCallback(written, callbacks);
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
    if (response instanceof CheckFailure && counts.sent === 1) {
      away = unreachable(url, response.seen);
      return;
    }
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
      if (away !== undefined) break;
      if (who === CALLBACK && kind === 'received') {
        const call = await callbacks.next(pathOf(text), timeoutMs);
        if (call) calls.set(who, { recorded: text, call });
        judge('Callback is asked', callKind(text), call && callKind(`${call.method} \n\n${call.body}`));
      } else if (who === CALLBACK && kind === 'sent') {
        const waiting = calls.get(who);
        calls.delete(who);
        if (waiting) answerCall(waiting.recorded, waiting.call, text);
      } else if (kind === 'request') {
        const answer = lines.slice(at + 1).find((line) => line.kind === 'response' && line.who === who);
        await post(text, answer?.text);
      } else if (kind === 'connect') {
        const party = parties.get(who) ?? new ReplayedParty();
        parties.set(who, party);
        await within(timeoutMs, party.connect(now(text), rejectUnauthorized));
      } else if (kind === 'received') {
        judge(`${who} hears`, frameKind(text), frameKind(await parties.get(who)?.next(timeoutMs)));
      } else if (kind === 'sent') parties.get(who)?.send(now(text));
    }
  } finally {
    for (const party of parties.values()) party.end();
    await callbacks.end();
  }
  return { ...counts, ...(away !== undefined && { unreachable: away }) };
}

/** The party of a transcript that stands for a webhook. */
const CALLBACK = 'Callback';

/** The path of a recorded call, whose text begins with its method and its address. */
const pathOf = (text: string): string => new URL(text.split(/\s/)[1] ?? '/', 'http://callback').pathname;

/** What kind of call it is: a verification, or the delivery of an event. */
function callKind(text: string): string {
  const method = text.split(' ')[0] ?? '';
  const body = text.split('\n\n').slice(1).join('\n\n');
  return body === '' ? method : `${method} ${frameKind(body)}`;
}

/** Answers a call as it was answered then; where the answer had the call's challenge in it, the new one is in its place. */
function answerCall(recorded: string, call: CallbackCall, text: string): void {
  const [, status = '200', body = ''] = /^HTTP (\d+) ?([\s\S]*)$/.exec(text) ?? [];
  const before = new URL(recorded.split(/\s/)[1] ?? '/', 'http://callback').searchParams.get('hub.challenge');
  const challenge = call.query.get('hub.challenge');
  const same = before === null || before === '' || challenge === null;
  call.answer(Number(status), same ? body : body.replaceAll(before, challenge));
}

/** A form whose callback is one that is there now. */
async function withCallback(body: string, callbacks: ReplayedCallbacks): Promise<string> {
  const recorded = body.includes('hub.callback=') ? new URLSearchParams(body).get('hub.callback') : null;
  if (recorded === null || !URL.canParse(recorded)) return body;
  const fields = new URLSearchParams(body);
  fields.set('hub.callback', await callbacks.addressFor(recorded));
  return fields.toString();
}

/** The id of the event that a request publishes: a Hub takes the same one again for a repetition. */
function eventId({ body }: SentRequest): string | undefined {
  const json = parseJson(body);
  return isObject(json) && isObject(json.event) && typeof json.id === 'string' && json.id !== '' ? json.id : undefined;
}
