import { WebSocket } from 'ws';
import { CheckFailure, show, stepping } from '../expecting.ts';
import { isObject, type JsonObject, objects, parseJson } from '../json.ts';
import type { Transcript } from '../transcript.ts';
import { reasonOf } from './http.ts';

/** A frame that the Hub sent. */
export interface ReceivedFrame {
  readonly text: string;
  /** The frame as JSON object; undefined when it is none. */
  readonly message: JsonObject | undefined;
  /** `performance.now()` of its arrival. */
  readonly at: number;
}

/** An event notification, as far as it can be one: what a Hub sends is never trusted. */
export interface Notification {
  readonly frame: ReceivedFrame;
  readonly id: unknown;
  readonly timestamp: unknown;
  /** `hub.event` in lower case; empty when it is no string. */
  readonly name: string;
  readonly event: JsonObject;
}

export interface Closed {
  readonly code: number;
  readonly reason: string;
}

/** Characters from which on a frame is parsed each time that it is looked at: both its text and its object are large. */
const LARGE = 50_000;

function frameOf(text: string): ReceivedFrame {
  const at = performance.now();
  const parsed = () => {
    const json = parseJson(text);
    return isObject(json) ? json : undefined;
  };
  if (text.length < LARGE) return { text, message: parsed(), at };
  return {
    text,
    at,
    get message() {
      return parsed();
    },
  };
}

/** What is kept of one connection: frames, and characters in them. A Hub that floods it is cut off. */
const MOST_FRAMES = 5000;
const MOST_TEXT = 64_000_000;

/** What a subscriber answers to an event: a status, or nothing at all. */
export type PlayedAnswer = (notification: Notification) => number | string | undefined;

/** How long to wait, ms; from the options of the run. */
export interface Waits {
  /** For something that has to come. */
  readonly timeoutMs: number;
  /** For something that must not come. */
  readonly settleMs: number;
}

export const isDenial = (message: JsonObject): boolean => message['hub.mode'] === 'denied';
export const isConfirmation = (message: JsonObject): boolean => message['hub.mode'] === 'subscribe';

export function asNotification(frame: ReceivedFrame): Notification | undefined {
  const message = frame.message;
  if (!message || !isObject(message.event)) return undefined;
  const name = message.event['hub.event'];
  return {
    frame,
    id: message.id,
    timestamp: message.timestamp,
    name: typeof name === 'string' ? name.toLowerCase() : '',
    event: message.event,
  };
}

interface SubscriberOptions {
  readonly name: string;
  readonly endpoint: string;
  readonly answer?: PlayedAnswer;
  /** Called with every event. */
  readonly onEvent?: (notification: Notification) => void;
}

/** One application at one WebSocket endpoint: keeps every frame and answers events as the check says. */
export class PlayedSubscriber {
  readonly name: string;
  readonly endpoint: string;
  readonly frames: ReceivedFrame[] = [];
  closed: Closed | undefined;
  answer: PlayedAnswer;
  readonly #onEvent: ((notification: Notification) => void) | undefined;
  readonly #socket: WebSocket;
  readonly #waits: Waits;
  readonly #transcript: Transcript;
  #waiting: (() => void)[] = [];
  #length = 0;

  /** @throws CheckFailure when the Hub does not open the socket */
  static connect(
    options: SubscriberOptions & { rejectUnauthorized: boolean },
    waits: Waits,
    transcript: Transcript,
  ): Promise<PlayedSubscriber> {
    const { name, endpoint } = options;
    transcript.add('connect', name, endpoint);
    return new Promise((resolve, reject) => {
      let open = false;
      const refuse = (seen: string) => {
        if (open) return;
        transcript.add('note', name, `not connected: ${seen}`);
        reject(new CheckFailure(`a WebSocket connection to ${endpoint}`, seen));
      };
      let socket: WebSocket;
      try {
        socket = new WebSocket(endpoint, {
          handshakeTimeout: waits.timeoutMs,
          maxPayload: 32_000_000,
          rejectUnauthorized: options.rejectUnauthorized,
          perMessageDeflate: false,
        });
      } catch (error) {
        refuse(String(error));
        return;
      }
      // Frames may come with the handshake's last packet: listen before the connection is open.
      const subscriber = new PlayedSubscriber(options, socket, waits, transcript);
      socket.once('open', () => {
        open = true;
        resolve(subscriber);
      });
      socket.once('unexpected-response', (_request, response) => {
        refuse(`HTTP ${response.statusCode}`);
        response.resume();
        socket.terminate();
      });
      socket.on('error', (error) => refuse(reasonOf(error)));
      socket.once('close', (code) => refuse(`closed with ${code} before it was open`));
    });
  }

  constructor(options: SubscriberOptions, socket: WebSocket, waits: Waits, transcript: Transcript) {
    this.name = options.name;
    this.endpoint = options.endpoint;
    this.answer = options.answer ?? (() => 200);
    this.#onEvent = options.onEvent;
    this.#socket = socket;
    this.#waits = waits;
    this.#transcript = transcript;
    socket.on('message', (data, binary) => this.#receive(binary ? '(binary)' : String(data)));
    socket.on('close', (code, reason) => {
      this.closed = { code, reason: String(reason) };
      transcript.add('closed', this.name, `code ${code} ${String(reason)}`.trimEnd());
      this.#wake();
    });
  }

  /** Event notifications so far, in order of arrival. */
  get events(): readonly Notification[] {
    return this.frames.map(asNotification).filter((one) => one !== undefined);
  }

  get denials(): readonly JsonObject[] {
    return this.frames.flatMap(({ message }) => (message && isDenial(message) ? [message] : []));
  }

  /** The first confirmation; waits for it. */
  confirmation(): Promise<JsonObject> {
    return stepping('confirm', () => this.message('the confirmation of the subscription', isConfirmation));
  }

  /** The next message, or an earlier one, that matches. */
  async message(what: string, matches: (message: JsonObject) => boolean, timeoutMs?: number): Promise<JsonObject> {
    const frame = await this.frame(what, (one) => one.message !== undefined && matches(one.message), timeoutMs);
    return frame.message!;
  }

  /** The event with this id. */
  event(id: string, timeoutMs?: number): Promise<Notification> {
    return this.notification(`the event ${id} at ${this.name}`, (one) => one.id === id, timeoutMs);
  }

  async notification(
    what: string,
    matches: (notification: Notification) => boolean,
    timeoutMs?: number,
  ): Promise<Notification> {
    const frame = await this.frame(
      what,
      (one) => {
        const notification = asNotification(one);
        return notification !== undefined && matches(notification);
      },
      timeoutMs,
    );
    return asNotification(frame)!;
  }

  /** The first SyncError about the event with this id. */
  syncError(aboutId: string, timeoutMs?: number): Promise<Notification> {
    const what = `a SyncError about the event ${aboutId} at ${this.name}`;
    return stepping('refuse', () => this.notification(what, (one) => isAbout(one, aboutId), timeoutMs));
  }

  /** Pings, and waits for the pong. @throws CheckFailure where none comes */
  async ping(): Promise<void> {
    let answered = false;
    this.#socket.once('pong', () => {
      answered = true;
      this.#wake();
    });
    this.#transcript.add('sent', this.name, '(ping)');
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.ping();
    await this.#until(() => answered || this.closed !== undefined);
    if (!answered) throw new CheckFailure('a pong to a ping', this.#seen());
  }

  /** Sends text as it is. */
  send(text: string): void {
    this.#transcript.add('sent', this.name, text);
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(text);
  }

  /** Closes with a code and waits for the end of the connection. */
  async close(code = 1000): Promise<void> {
    if (this.closed) return;
    this.#transcript.add('note', this.name, `closes with ${code}`);
    this.#socket.close(code);
    await this.waitForClose().catch(() => this.#socket.terminate());
  }

  /** Drops the TCP connection without a word. */
  cut(): void {
    this.#transcript.add('note', this.name, 'drops the connection');
    this.#socket.terminate();
  }

  async waitForClose(timeoutMs?: number): Promise<Closed> {
    await this.#until(() => this.closed !== undefined, timeoutMs);
    if (!this.closed) throw new CheckFailure('the Hub to close the WebSocket connection', this.#seen(timeoutMs));
    return this.closed;
  }

  async frame(what: string, matches: (frame: ReceivedFrame) => boolean, timeoutMs?: number): Promise<ReceivedFrame> {
    let found: ReceivedFrame | undefined;
    let looked = 0;
    const look = () => {
      while (!found && looked < this.frames.length) {
        const frame = this.frames[looked++]!;
        if (matches(frame)) found = frame;
      }
      return found !== undefined;
    };
    await this.#until(() => look() || this.closed !== undefined, timeoutMs);
    if (!found) throw new CheckFailure(what, this.#seen(timeoutMs));
    return found;
  }

  #seen(timeoutMs = this.#waits.timeoutMs): string {
    const end = this.closed ? `connection closed with ${this.closed.code}` : `${Math.round(timeoutMs)} ms passed`;
    const last = this.frames.slice(-3).map((frame) => frame.text);
    return `${end}; ${last.length === 0 ? 'no message came' : `last messages: ${show(last.join(' | '))}`}`;
  }

  /** @param timeoutMs the run's waiting time unless given, which may grow while it passes */
  async #until(done: () => boolean, timeoutMs?: number): Promise<void> {
    const started = performance.now();
    while (!done()) {
      const left = started + (timeoutMs ?? this.#waits.timeoutMs) - performance.now();
      if (left <= 0) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resume of waiting) resume();
  }

  #receive(text: string): void {
    this.#transcript.add('received', this.name, text);
    const frame = frameOf(text);
    this.#length += text.length;
    if (this.#length > MOST_TEXT) this.cut();
    else if (this.frames.length < MOST_FRAMES) this.frames.push(frame);
    const notification = asNotification(frame);
    if (notification) this.#onEvent?.(notification);
    const status = notification && this.answer(notification);
    if (status !== undefined && typeof notification?.id === 'string') {
      this.send(JSON.stringify({ id: notification.id, status }));
    }
    this.#wake();
  }
}

/** The codes of an OperationOutcome's `details.coding`, by the last part of their system. */
export function syncErrorCodes(notification: Notification): {
  eventId?: unknown;
  eventName?: unknown;
  subscriber?: unknown;
} {
  const codes: { eventId?: unknown; eventName?: unknown; subscriber?: unknown } = {};
  for (const coding of syncErrorCodings(notification)) {
    if (coding.system === 'https://fhircast.hl7.org/events/syncerror/eventid') codes.eventId = coding.code;
    if (coding.system === 'https://fhircast.hl7.org/events/syncerror/eventname') codes.eventName = coding.code;
    // Section 3.2.1 writes `subscriber`, its profile `subscribername`: both are the specification's.
    if (coding.system === 'https://fhircast.hl7.org/events/syncerror/subscriber') codes.subscriber = coding.code;
    if (coding.system === 'https://fhircast.hl7.org/events/syncerror/subscribername') codes.subscriber = coding.code;
  }
  return codes;
}

export function syncErrorIssue(notification: Notification): JsonObject | undefined {
  const issues = syncErrorIssues(notification);
  // The profile leaves room for issues with other codes beside its own.
  return issues.find(({ code }) => code === 'processing') ?? issues[0];
}

export function syncErrorIssues(notification: Notification): readonly JsonObject[] {
  const context = notification.event.context;
  const element = Array.isArray(context)
    ? context.find((one) => isObject(one) && one.key === 'operationoutcome')
    : undefined;
  const resource = isObject(element) ? element.resource : undefined;
  return isObject(resource) ? objects(resource.issue) : [];
}

export function syncErrorCodings(notification: Notification): readonly JsonObject[] {
  const details = syncErrorIssue(notification)?.details;
  const codings = isObject(details) ? details.coding : undefined;
  return Array.isArray(codings) ? codings.filter(isObject) : [];
}

export const isSyncError = (notification: Notification): boolean => notification.name === 'syncerror';

export function isAbout(notification: Notification, id: string): boolean {
  return isSyncError(notification) && syncErrorCodings(notification).some((coding) => coding.code === id);
}
