import { randomUUID } from 'node:crypto';
import type { WebSocket } from 'ws';
import { CheckFailure, show } from '../expecting.ts';
import { isObject, type JsonObject, objects, parseJson, textOf } from '../json.ts';
import type { Pace } from '../pace.ts';
import { pause } from '../pause.ts';
import type { ContextElement, EventMessage } from '../samples.ts';
import type { Transcript } from '../transcript.ts';

/** A subscription or unsubscription request that the application sent. */
export interface FormRequest {
  readonly method: string;
  readonly contentType: string;
  readonly authorization: string | undefined;
  readonly fields: URLSearchParams;
}

/** The path segment of the endpoint that a request names; `''` where it names none. */
export const endpointIn = ({ fields }: FormRequest): string =>
  (fields.get('hub.channel.endpoint') ?? '').split('/').at(-1) ?? '';

/** How a message came that the application published. */
export interface PublishRequest {
  readonly contentType: string;
  readonly authorization: string | undefined;
  /** When it came, ms since 1970. */
  readonly at: number;
}

/** What the application answered to an event. */
export interface AppAnswer {
  readonly id: string;
  /** As it was sent. */
  readonly status: unknown;
  /** `performance.now()`. */
  readonly at: number;
}

/** How long an application may take to answer an event, ms (section 2.5). */
export const ANSWER_MS = 10_000;

/** How the played Hub treats the application; a check may change it. */
export interface Behaviour {
  /** Lease that it gives, seconds. */
  leaseSeconds: number;
  /** Status of its answer to what the application publishes. */
  publishStatus: number;
}

/** What an event does: the last part of its name, in lower case. */
const actionOf = (event: JsonObject): string => textOf(event['hub.event']).toLowerCase().split('-')[1] ?? '';

/** `Type/id` of a resource. */
const keyOf = ({ resourceType, id }: JsonObject): string => `${textOf(resourceType)}/${textOf(id)}`;

/** What an event is about, as `Type/id`: its first element, a resource or a reference to one. */
function anchorOf(event: object): string {
  const [first] = objects((event as JsonObject).context);
  if (isObject(first?.resource)) return keyOf(first.resource);
  return isObject(first?.reference) ? textOf(first.reference.reference) : '';
}

/** One session of the Hub that the suite plays, with the application under test in it. */
export class PlayedSession {
  readonly topic: string = randomUUID();
  readonly token: string = randomUUID();
  readonly forms: FormRequest[] = [];
  readonly answers: AppAnswer[] = [];
  readonly published: JsonObject[] = [];
  /** How each of them came. */
  readonly publishRequests = new Map<JsonObject, PublishRequest>();
  /** Frames from the application that are neither answer nor ping. */
  readonly noise: string[] = [];
  readonly closes: { endpoint: string; code: number }[] = [];
  /** Connections to endpoints that were over. */
  deadConnections = 0;
  connections = 0;
  contextReads = 0;
  readonly behaviour: Behaviour = { leaseSeconds: 3600, publishStatus: 202 };
  /** `hub.event` of every event that the Hub told or was told, in lower case, by its id. */
  readonly names = new Map<string, string>();
  /** How long the application may take; its answers say how fast everything is. */
  readonly pace: Pace;
  transcript: Transcript;
  /** The last request that ended the subscription. */
  unsubscription: FormRequest | undefined;
  #socket: WebSocket | undefined;
  #endpoint: string | undefined;
  /** Path segments of the endpoints that are over. */
  readonly #over = new Set<string>();
  #events = '';
  #current: EventMessage | undefined;
  /** The last `context.versionId` of every open report, patient, …, by its reference. */
  readonly #versions = new Map<string, string>();
  readonly #made = new Map<JsonObject, string>();
  /** `performance.now()` of the sending of every event that is not answered yet, by its id. */
  readonly #sent = new Map<string, number>();
  /** The current context's shared content, by reference. */
  #content = new Map<string, JsonObject>();
  /** Which resource a fullUrl stood for. */
  readonly #fullUrls = new Map<string, string>();
  /** Time of the newest event so far, ms. */
  #newest = 0;

  constructor(pace: Pace, transcript: Transcript) {
    this.pace = pace;
    this.transcript = transcript;
  }

  /** The last subscription request. */
  get subscription(): FormRequest | undefined {
    return this.forms.findLast(({ fields }) => fields.get('hub.mode') === 'subscribe');
  }

  get connected(): boolean {
    return this.#socket?.readyState === 1;
  }

  /** The endpoint's path segment that is good now. */
  get endpoint(): string | undefined {
    return this.#endpoint;
  }

  wants(event: string): boolean {
    const list = this.#events.toLowerCase().split(',');
    return list.includes(event.toLowerCase()) || list.includes('*');
  }

  /** Takes a subscription. @returns the endpoint's path segment */
  subscribed(events: string): string {
    this.#events = events;
    this.#endpoint ??= randomUUID();
    if (this.connected) this.#confirm();
    return this.#endpoint;
  }

  /**
   * Takes a request to unsubscribe. One for an endpoint that is over changes nothing: an application that came back with a new
   * subscription may end its old one (2.4).
   */
  unsubscribed(request: FormRequest): void {
    if (this.#over.has(endpointIn(request))) return;
    this.unsubscription = request;
    this.deny('unsubscribed');
  }

  attach(socket: WebSocket): void {
    this.connections++;
    this.#socket?.close(1001);
    this.#socket = socket;
    const endpoint = this.#endpoint ?? '';
    socket.on('error', () => {});
    socket.on('message', (data) => this.#heard(String(data)));
    socket.on('close', (code) => {
      this.transcript.add('closed', 'App', `code ${code}`);
      this.closes.push({ endpoint, code });
    });
    this.#confirm();
    void this.ping();
  }

  /** Pings the application. @returns how long its pong took, ms; undefined where none came in the time of a check */
  ping(): Promise<number | undefined> {
    const socket = this.#socket;
    const started = performance.now();
    return new Promise((resolve) => {
      if (socket?.readyState !== 1) return resolve(undefined);
      socket.once('close', () => resolve(undefined));
      socket.once('pong', () => {
        const took = performance.now() - started;
        this.pace.saw(took);
        resolve(took);
      });
      socket.ping();
    });
  }

  #confirm(): void {
    this.send({
      'hub.mode': 'subscribe',
      'hub.topic': this.topic,
      'hub.events': this.#events,
      'hub.lease_seconds': this.behaviour.leaseSeconds,
    });
  }

  #heard(text: string): void {
    this.transcript.add('received', 'Hub', text);
    const message = parseJson(text);
    if (isObject(message) && typeof message.id === 'string') {
      const at = performance.now();
      this.answers.push({ id: message.id, status: message.status, at });
      const sent = this.#sent.get(message.id);
      this.#sent.delete(message.id);
      if (sent !== undefined) this.pace.saw(at - sent);
    } else if (!(isObject(message) && message.type === 'ping')) this.noise.push(text);
  }

  /** The current context, for `GET {hub.url}/{topic}`. */
  read(): object {
    this.contextReads++;
    if (!this.#current) return { 'context.type': '', context: [] };
    const anchor = anchorOf(this.#current.event);
    const entry = [...this.#content.values()].map((resource) => ({ resource }));
    const content = {
      key: 'content',
      resource: { resourceType: 'Bundle', id: randomUUID(), type: 'collection', entry },
    };
    const context = [...this.#current.event.context, content];
    return { 'context.type': anchor.split('/')[0], 'context.versionId': this.#versions.get(anchor), context };
  }

  /**
   * Takes what the application published, as a Hub does: gives opens and updates their version, and sends it on.
   * @returns the status of the answer
   */
  take(message: JsonObject, request?: PublishRequest): number {
    this.published.push(message);
    if (isObject(message.event)) this.#name(message.id, message.event['hub.event']);
    if (request) this.publishRequests.set(message, request);
    const status = this.behaviour.publishStatus;
    if (status >= 300) return status;
    if (request && !/\bjson\b/i.test(request.contentType)) return 415;
    const event = isObject(message.event) ? message.event : {};
    // What no Hub passes on. The check of it sees what was published.
    if (typeof message.id !== 'string' || typeof message.timestamp !== 'string' || !Array.isArray(event.context))
      return 400;
    if (event['hub.topic'] !== this.topic) return 404;
    const { 'context.versionId': given, ...rest } = event;
    const time = Date.parse(String(message.timestamp));
    // The application's clock may be ahead: what the Hub sends it next is newer all the same.
    if (!Number.isNaN(time)) this.#newest = Math.max(this.#newest, time);
    const action = actionOf(event);
    const known = this.#versions.get(anchorOf(event));
    if (action === 'update' && known !== undefined && given !== known) return 409;
    const versions = {
      ...((action === 'open' || action === 'update') && { 'context.versionId': randomUUID() }),
      ...(action === 'update' && known !== undefined && { 'context.priorVersionId': known }),
    };
    const told = { ...message, event: { ...rest, ...versions } };
    this.#remember(told.event, told as unknown as EventMessage);
    if (action === 'update') this.#made.set(message, told.event['context.versionId'] ?? '');
    this.send(told);
    return status;
  }

  /** The version that an update of the application's made; undefined where it was rejected. */
  versionAfter(update: JsonObject): string | undefined {
    return this.#made.get(update);
  }

  /** Keeps what an event does to the context. */
  #remember(event: JsonObject, message: EventMessage): void {
    const anchor = anchorOf(event);
    const action = actionOf(event);
    const version = event['context.versionId'];
    if (action === 'open' || action === 'update')
      this.#versions.set(anchor, typeof version === 'string' ? version : '');
    // Messages may be out of order: the newest stays current.
    const current = Date.parse(this.#current?.timestamp ?? '');
    if (action === 'open' && Date.parse(message.timestamp) < current) return;
    if (action === 'open') {
      const same = this.#current !== undefined && anchorOf(this.#current.event) === anchor;
      if (!same) this.#content = new Map();
      this.#current = message;
    } else if (action === 'update') {
      const bundle = objects(event.context).find(({ key }) => key === 'updates')?.resource;
      for (const { request, resource, fullUrl } of isObject(bundle) ? objects(bundle.entry) : []) {
        if (!isObject(request)) continue;
        const key = isObject(resource) ? keyOf(resource) : '';
        if (request.method === 'DELETE') this.#content.delete(this.#named(request.url, fullUrl));
        else if (isObject(resource)) this.#content.set(key, resource);
        if (typeof fullUrl === 'string' && key !== '') this.#fullUrls.set(fullUrl, key);
      }
    } else if (action === 'close') {
      this.#versions.delete(anchor);
      if (this.#current && anchorOf(this.#current.event) === anchor) this.#current = undefined;
    }
  }

  /** Which resource an entry means that carries none: by the address of its request, or by its fullUrl alone. */
  #named(url: unknown, fullUrl: unknown): string {
    const known = typeof fullUrl === 'string' ? this.#fullUrls.get(fullUrl) : undefined;
    if (typeof url !== 'string' && known !== undefined) return known;
    const address = typeof url === 'string' ? url : textOf(fullUrl);
    return address
      .replace(/\/_history\/.*/, '')
      .split('/')
      .slice(-2)
      .join('/');
  }

  send(message: unknown): void {
    const text = typeof message === 'string' ? message : JSON.stringify(message);
    this.transcript.add('sent', 'Hub', text);
    if (this.#socket?.readyState === 1) this.#socket.send(text);
  }

  /** An event as the Hub sends it; without a timestamp it is newer than every one before. */
  event(
    name: string,
    context: readonly ContextElement[],
    options: { timestamp?: string; versionId?: string; priorVersionId?: string } = {},
  ): EventMessage {
    const { versionId, priorVersionId } = options;
    const timestamp = options.timestamp ?? new Date(Math.max(Date.now(), this.#newest + 1)).toISOString();
    this.#newest = Math.max(this.#newest, Date.parse(timestamp));
    return {
      timestamp,
      id: randomUUID(),
      event: {
        'hub.topic': this.topic,
        'hub.event': name,
        'context.versionId': versionId ?? randomUUID(),
        ...(priorVersionId !== undefined && { 'context.priorVersionId': priorVersionId }),
        context,
      },
    };
  }

  /** The time of the newest event so far or of now, whichever is later, and so many ms more. */
  newer(ms: number): string {
    return new Date(Math.max(Date.now(), this.#newest + 1) + ms).toISOString();
  }

  #name(id: unknown, name: unknown): void {
    this.names.set(textOf(id), textOf(name).toLowerCase());
  }

  /** Makes an event's context the current one while the application is away, and does not hear of it. */
  keep(message: EventMessage): void {
    this.#remember({ ...message.event }, message);
    this.#name(message.id, message.event['hub.event']);
  }

  /** Sends an event; what the current context is says the same from now on. */
  tell(message: EventMessage): void {
    this.keep(message);
    this.#sent.set(message.id, performance.now());
    this.send(message);
  }

  /** Sends an event and waits for its answer. */
  async deliver(message: EventMessage): Promise<AppAnswer> {
    if (!this.connected) throw new CheckFailure('the application to be connected', 'it is not');
    const before = this.answers.length;
    this.tell(message);
    return this.answerTo(message, before);
  }

  /**
   * The answer to an event, awaited for the ten seconds of section 2.5, longer where everything is slow.
   * @param before how many answers had come before it was sent
   */
  async answerTo(message: EventMessage, before: number): Promise<AppAnswer> {
    const answered = () => this.answers.slice(before).find(({ id }) => id === message.id);
    await this.until(
      `an answer to ${message.event['hub.event']} ${message.id}`,
      () => answered() !== undefined,
      ANSWER_MS,
    );
    return answered()!;
  }

  /**
   * Waits for something that has to come.
   * @param quickMs how long it may take on a machine that is not busy, ms; the time of the options unless given
   * @throws CheckFailure when it has not come by then
   */
  async until(what: string, done: () => boolean | Promise<boolean>, quickMs?: number): Promise<void> {
    const started = performance.now();
    const most = () => (quickMs === undefined ? this.pace.timeoutMs : quickMs * this.pace.patience);
    while (!(await done())) {
      if (performance.now() > started + most()) {
        const noise = this.noise.at(-1);
        const passed = `${Math.round(most())} ms passed`;
        throw new CheckFailure(what, `${passed}${noise === undefined ? '' : `; it sent ${show(noise)}`}`);
      }
      await pause(10);
    }
  }

  /** Waits for something that may come, so many ms at most. */
  async within(ms: number, done: () => boolean): Promise<void> {
    const end = performance.now() + ms;
    while (!done() && performance.now() < end) await pause(Math.min(10, ms));
  }

  /** Lets the time pass in which something that must not come would come. */
  settle(): Promise<void> {
    return pause(this.pace.settleMs);
  }

  /** Ends the subscription with a denial and a normal close; its endpoint is over. */
  deny(reason: string): void {
    this.send({ 'hub.mode': 'denied', 'hub.topic': this.topic, 'hub.events': this.#events, 'hub.reason': reason });
    this.expire();
  }

  /** Ends the lease: closes without a word, as 2.4 allows. */
  expire(): void {
    if (this.#endpoint !== undefined) this.#over.add(this.#endpoint);
    this.#endpoint = undefined;
    this.#socket?.close(1000);
  }

  /** Loses the connection without a word; its endpoint stays good. */
  drop(): void {
    this.#socket?.terminate();
  }

  leave(): void {
    this.#socket?.terminate();
  }
}
