/**
 * A Hub in memory, for an application's unit tests: no network, no server, one line for each thing that can happen.
 *
 * ```js
 * const hub = new FakeHub();
 * const subscriber = new Subscriber({ ...hub.connection, events: ['Patient-open'] });
 * await subscriber.connect();
 * const answer = await hub.open({ resourceType: 'Patient', id: 'p1' });   // {status: 200}
 * ```
 */
import {
  AS_READ,
  type ContextElement,
  contextChange,
  type EventMessage,
  FOLLOWING_EVENT,
  isObject,
  NO_CONTEXTS,
  obstacleText,
  type SessionContexts,
  stepContexts,
  syncErrorMessage,
} from '@lockstep/fhircast';
import { opened } from './elements.ts';
import type { AnyResource, SubscriberOptions } from './options.ts';
import type { Ports, Socket } from './ports.ts';

/** What the application answered to an event. */
export interface FakeAnswer {
  readonly status: number;
  readonly reason?: string;
}

type Listener = (event: never) => void;

class FakeSocket implements Socket {
  binaryType = '';
  readyState = 0;
  readonly #listeners = new Map<string, Listener[]>();
  readonly #said: (text: string) => void;

  constructor(said: (text: string) => void) {
    this.#said = said;
  }

  addEventListener(type: string, listener: Listener): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
  }

  emit(type: string, event: object): void {
    for (const listener of this.#listeners.get(type) ?? []) listener(event as never);
  }

  send(text: string): void {
    this.#said(text);
  }

  close(code = 1005, reason = ''): void {
    if (this.readyState > 1) return;
    this.readyState = 3;
    queueMicrotask(() => this.emit('close', { code, reason }));
  }
}

/** A Hub with one session. Each method resolves when what it does has reached the application. */
export class FakeHub {
  /** What the application published, the newest last. */
  readonly published: EventMessage[] = [];
  readonly #topic = 'fake-topic';
  readonly #answers = new Map<string, (answer: FakeAnswer) => void>();
  #contexts: SessionContexts<readonly ContextElement[]> = NO_CONTEXTS;
  #socket: FakeSocket | undefined;
  #events: readonly string[] = [];
  #ids = 0;
  #delay = 0;
  #refusal: string | undefined;
  #latest = { id: '', name: '' };

  /** For the options of a `Subscriber`. */
  get connection(): Pick<SubscriberOptions, 'hubUrl' | 'topic' | 'ports'> {
    const hub = this;
    class HubSocket extends FakeSocket {
      constructor() {
        super((text) => hub.#hear(text));
        hub.#connect(this);
      }
    }
    const ports: Partial<Ports> = { fetch: (url, init) => this.#fetch(url, init), WebSocket: HubSocket };
    return { hubUrl: 'https://fake.example/hub', topic: this.#topic, ports };
  }

  /**
   * Another application opens a context.
   * @param others further elements that the event's definition has, by key
   * @returns what the application answered
   */
  open(anchor: AnyResource, others: Readonly<Record<string, AnyResource>> = {}): Promise<FakeAnswer> {
    return this.publish(`${anchor.resourceType}-open`, opened(anchor, others));
  }

  /** Another application closes the current context. @returns what the application answered */
  close(): Promise<FakeAnswer> {
    const current = this.#contexts.anchors.get(this.#contexts.current ?? '');
    if (!current) throw new Error('no context is open');
    return this.publish(`${current.key.type}-close`, current.opening);
  }

  /** Another application publishes any event. @returns what the application answered; 0 where it does not get the event */
  publish(name: string, context: readonly ContextElement[]): Promise<FakeAnswer> {
    const current = this.#contexts.anchors.get(this.#contexts.current ?? '')?.versionId;
    return this.#accept(this.#message(name, context), current).answer;
  }

  /** Another application does not follow the last change. */
  async refuse(reason = 'a report is not signed', who = 'Another application'): Promise<void> {
    const { id: eventId, name: eventName } = this.#latest;
    const cause = { eventId, eventName, subscriberName: who, diagnostics: reason, severity: 'warning' as const };
    await this.#accept(syncErrorMessage(this.#id(), new Date().toISOString(), this.#topic, cause), undefined).answer;
  }

  /** What the application publishes from now on is refused with this reason (409); undefined ends it. */
  refusePublishing(reason: string | undefined): void {
    this.#refusal = reason;
  }

  /** The connection is lost. The application may come back by itself. */
  async drop(): Promise<void> {
    this.#socket?.close(1006);
    await this.#later();
  }

  /** Everything that the Hub says from now on takes this long. @param ms */
  delay(ms: number): void {
    this.#delay = ms;
  }

  /** The subscription ends, with a reason. */
  async deny(reason = 'The session has ended'): Promise<void> {
    const socket = this.#socket;
    await this.#say({
      'hub.mode': 'denied',
      'hub.topic': this.#topic,
      'hub.events': this.#events.join(),
      'hub.reason': reason,
    });
    socket?.close(1000);
  }

  #id(): string {
    this.#ids += 1;
    return `fake-${this.#ids}`;
  }

  #message(name: string, context: readonly ContextElement[]): EventMessage {
    const event = { 'hub.topic': this.#topic, 'hub.event': name, context };
    return { timestamp: new Date().toISOString(), id: this.#id(), event };
  }

  #later(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, this.#delay));
  }

  async #say(message: object): Promise<void> {
    const socket = this.#socket;
    await this.#later();
    if (socket?.readyState === 1) socket.emit('message', { data: JSON.stringify(message) });
  }

  /** Takes an event as a Hub does. @param basedOn the version that it is made from, for updates */
  #accept(given: EventMessage, basedOn: string | undefined): { reason?: string; answer: Promise<FakeAnswer> } {
    const name = given.event['hub.event'];
    const made = /-(open|update)$/.test(name);
    const versions = {
      ...(made && { 'context.versionId': this.#id() }),
      ...(name.endsWith('-update') && basedOn !== undefined && { 'context.priorVersionId': basedOn }),
    };
    const { 'context.versionId': _, context, ...event } = given.event;
    const message: EventMessage = { ...given, event: { ...event, ...versions, context } };
    const change = contextChange(message, context);
    const none = Promise.resolve({ status: 0 });
    if (change?.ok === false) return { reason: obstacleText(change), answer: none };
    const stepped = change && stepContexts(this.#contexts, change.change, AS_READ);
    if (stepped?.ok === false) return { reason: obstacleText(stepped), answer: none };
    if (stepped) {
      this.#contexts = stepped.contexts;
      this.#latest = { id: message.id, name };
    }
    const receives = this.#events.some((one) => one === '*' || one.toLowerCase() === name.toLowerCase());
    if (!this.#socket || !receives) return { answer: none };
    const answer = new Promise<FakeAnswer>((resolve) => this.#answers.set(message.id, resolve));
    void this.#say(message);
    return { answer };
  }

  #hear(text: string): void {
    const said: unknown = JSON.parse(text);
    if (!isObject(said) || typeof said.id !== 'string') return;
    const { id, status, reason } = said;
    this.#answers.get(id)?.({ status: Number(status ?? 200), ...(typeof reason === 'string' && { reason }) });
    this.#answers.delete(id);
  }

  #connect(socket: FakeSocket): void {
    this.#socket = socket;
    void this.#later().then(async () => {
      if (socket.readyState !== 0) return;
      socket.readyState = 1;
      socket.emit('open', {});
      const mode = { 'hub.mode': 'subscribe', 'hub.topic': this.#topic };
      await this.#say({ ...mode, 'hub.events': this.#events.join(), 'hub.lease_seconds': 7200 });
    });
  }

  async #fetch(url: string, { method, body }: RequestInit): Promise<Response> {
    await this.#later();
    if (method === 'GET') return Response.json(this.#current());
    if (body instanceof URLSearchParams) {
      if (body.get('hub.mode') === 'unsubscribe') this.#socket?.close(1000);
      else this.#events = (body.get('hub.events') ?? '').split(',').filter((one) => one !== FOLLOWING_EVENT);
      return Response.json({ 'hub.channel.endpoint': `${url.replace('https', 'wss')}/ws` }, { status: 202 });
    }
    if (this.#refusal !== undefined) return new Response(this.#refusal, { status: 409 });
    const message = JSON.parse(String(body)) as EventMessage;
    const { reason } = this.#accept(message, message.event['context.versionId']);
    if (reason !== undefined) return new Response(reason, { status: 409 });
    this.published.push(message);
    return new Response(null, { status: 202 });
  }

  #current(): object {
    const open = this.#contexts.anchors.get(this.#contexts.current ?? '');
    if (!open) return { 'context.type': '', context: [] };
    const bundle = { resourceType: 'Bundle', type: 'collection', entry: [...open.content.values()] };
    const context = [...open.opening, { key: 'content', resource: bundle }];
    return { 'context.type': open.key.type, 'context.versionId': open.versionId, context };
  }
}
