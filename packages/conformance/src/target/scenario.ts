import { randomUUID } from 'node:crypto';
import { CheckFailure, CheckSkip, expect, show, stepping } from '../expecting.ts';
import { isObject, type JsonObject } from '../json.ts';
import { pause } from '../pause.ts';
import type { SharedRestart } from '../restart.ts';
import type { ContextElement, EventMessage } from '../samples.ts';
import type { Claim, HubVersion } from '../specification.ts';
import type { Assumable } from '../steps.ts';
import type { Transcript } from '../transcript.ts';
import { Ledger, type Witness } from '../witness.ts';
import type { Callback, CallbackHost } from './callback.ts';
import { UNCLAIMED } from './claims.ts';
import { form, type HttpLimits, type HttpResponse, send } from './http.ts';
import { type Notification, type PlayedAnswer, PlayedSubscriber, type Waits } from './subscriber.ts';
import type { TestToken, Tokens } from './tokens.ts';
import type { Topic, TopicPool } from './topics.ts';

/** The Hub under test and how to reach it. */
export interface HubUnderTest {
  /** `hub.url` without a trailing slash. */
  readonly url: string;
  readonly versions: ReadonlySet<HubVersion>;
  /** Whether it serves a configuration that says what it claims. */
  readonly configured: boolean;
  readonly claims: ReadonlySet<Claim>;
  /** Events that it says it supports, in lower case; undefined where that is all of them. */
  readonly events: ReadonlySet<string> | undefined;
  readonly tokens: Tokens;
  readonly topics: TopicPool;
  readonly limits: HttpLimits;
  readonly waits: Waits;
  /** How slow the Hub and this machine are at the moment. */
  readonly pace: { readonly factor: number; readonly patience: number };
  readonly callbacks: CallbackHost;
  /** What is taken for granted though the Hub does not do it. */
  readonly assumed: ReadonlySet<Assumable>;
  readonly witness: Witness;
  readonly restart: SharedRestart | undefined;
}

export interface SubscribeOptions {
  readonly events: readonly string[];
  readonly name?: string;
  readonly lease?: number;
  readonly answer?: PlayedAnswer;
  readonly token?: TestToken | undefined;
  /** Fields to add, or with undefined to leave out. */
  readonly fields?: Readonly<Record<string, string | undefined>>;
}

export type FormFields = Readonly<Record<string, string | readonly string[] | undefined>>;

/** `Bearer` of this token, or no header at all for `null`. */
export type Bearer = TestToken | null | undefined;

/** One check's own session with its parties. Everything it opens is closed when it ends. */
export class Scenario {
  readonly hub: HubUnderTest;
  readonly transcript: Transcript;
  readonly #topic: Topic;
  readonly #token: TestToken | undefined;
  readonly #subscribers: PlayedSubscriber[] = [];
  readonly #callbacks: Callback[] = [];
  readonly #opened = new Map<string, EventMessage>();
  readonly #check: string;
  readonly #ledger: Ledger;
  #ticks = 0;

  /**
   * @param check the id of the check that it is for
   * @throws CheckSkip when there is no token or no session to be had
   */
  static async begin(hub: HubUnderTest, transcript: Transcript, check: string): Promise<Scenario> {
    try {
      const token = await hub.tokens.full(transcript);
      const topic = await hub.topics.acquire(transcript);
      return new Scenario(hub, transcript, topic, token, check);
    } catch (error) {
      // That says nothing of what the check is about.
      if (!(error instanceof CheckFailure)) throw error;
      throw new CheckSkip(`The suite has no session to work in: expected ${error.expected}; seen: ${error.seen}`);
    }
  }

  constructor(hub: HubUnderTest, transcript: Transcript, topic: Topic, token: TestToken | undefined, check: string) {
    this.hub = hub;
    this.transcript = transcript;
    this.#topic = topic;
    this.#token = token;
    this.#check = check;
    this.#ledger = new Ledger(hub.witness, { shared: !topic.own, ira: hub.versions.has('IRA') });
  }

  get topic(): string {
    return this.#topic.name;
  }

  get token(): TestToken | undefined {
    return this.#token;
  }

  limitedToken(): Promise<TestToken> {
    return this.hub.tokens.limited(this.transcript);
  }

  /** The token of a second client. */
  otherToken(): Promise<TestToken> {
    return this.hub.tokens.other(this.transcript);
  }

  /** A second session, released with the scenario. */
  async otherTopic(): Promise<string> {
    if (this.hub.topics.width === 1) throw new CheckSkip('Only one topic was given, and this check needs two');
    const topic = await this.hub.topics.acquire(this.transcript);
    this.#extra.push(topic);
    return topic.name;
  }
  readonly #extra: Topic[] = [];

  /** An event that happens now, a millisecond after the scenario's last one. */
  event(
    name: string,
    context: readonly ContextElement[],
    options: { versionId?: string; topic?: string; id?: string } = {},
  ): EventMessage {
    return {
      timestamp: new Date(Date.now() + this.#ticks++).toISOString(),
      id: options.id ?? randomUUID(),
      event: {
        'hub.topic': options.topic ?? this.topic,
        'hub.event': name,
        ...(options.versionId !== undefined && { 'context.versionId': options.versionId }),
        context,
      },
    };
  }

  request(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    options: { headers?: Record<string, string>; body?: string; padding?: number; bearer?: Bearer; who?: string } = {},
  ): Promise<HttpResponse> {
    const bearer = options.bearer === undefined ? this.#token : options.bearer;
    return send(
      {
        method,
        url: `${this.hub.url}${path}`,
        headers: {
          accept: 'application/json, text/plain, */*;q=0.1',
          ...(bearer && { authorization: `Bearer ${bearer.value}` }),
          ...options.headers,
        },
        ...(options.body !== undefined && { body: options.body }),
        ...(options.padding !== undefined && { padding: options.padding }),
      },
      this.hub.limits,
      this.transcript,
      options.who,
    );
  }

  /** Posts a subscription form as it is given. */
  post(fields: FormFields, options: { bearer?: Bearer; who?: string } = {}): Promise<HttpResponse> {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    return this.request('POST', '', { headers, body: form(fields), ...options });
  }

  /** Events that were posted, in order. */
  readonly published: EventMessage[] = [];

  /** Whether the Hub claims an event. */
  claims(event: string): boolean {
    // No catalog lists events in reverse domain notation.
    return event.includes('.') || (this.hub.events?.has(event.toLowerCase()) ?? true);
  }

  /**
   * The fields of a plain subscription, to be changed by a check; without the events that the Hub does not claim.
   * @throws CheckSkip when it claims none of them
   */
  fields(asked: readonly string[], name = 'Alpha'): Record<string, string> {
    const events = asked.filter((event) => this.claims(event));
    if (events.length === 0) throw new CheckSkip(unsupported(asked.join(', ')));
    return {
      'hub.channel.type': 'websocket',
      'hub.mode': 'subscribe',
      'hub.topic': this.topic,
      'hub.events': events.join(','),
      'subscriber.name': name,
    };
  }

  /**
   * Asks for a subscription and answers with the endpoint.
   * @throws CheckFailure when the Hub refuses, or says no endpoint
   */
  async ask(options: SubscribeOptions): Promise<string> {
    const name = options.name ?? 'Alpha';
    const fields: Record<string, string | undefined> = {
      ...this.fields(options.events, name),
      'hub.lease_seconds': options.lease === undefined ? undefined : String(options.lease),
      ...options.fields,
    };
    const response = await this.post(fields, { who: name, ...(options.token && { bearer: options.token }) });
    const { status } = response;
    const taken = status === 202 || (succeeded(response) && this.hub.assumed.has('subscribe-accepted'));
    expect(taken, 'HTTP 202 to a subscription', `HTTP ${status} ${response.body}`);
    return endpointOf(response);
  }

  /** Subscribes and connects; the confirmation has come when this resolves. */
  async subscribe(options: SubscribeOptions): Promise<PlayedSubscriber> {
    const endpoint = await stepping('subscribe', () => this.ask(options));
    return stepping('confirm', async () => {
      const subscriber = await this.connect(endpoint, options.name ?? 'Alpha', options.answer);
      if (this.hub.assumed.has('confirmation-sent')) await this.settle();
      else await subscriber.confirmation();
      return subscriber;
    });
  }

  async connect(endpoint: string, name = 'Alpha', answer?: PlayedAnswer): Promise<PlayedSubscriber> {
    const subscriber = await stepping('confirm', () =>
      PlayedSubscriber.connect(
        {
          name,
          endpoint,
          ...(answer && { answer }),
          rejectUnauthorized: this.hub.limits.rejectUnauthorized,
          onEvent: (event) => this.#ledger.receives(this.#check, name, event),
        },
        this.hub.waits,
        this.transcript,
      ),
    );
    this.#subscribers.push(subscriber);
    return subscriber;
  }

  /**
   * What happens to a connection at the endpoint: it is refused or closed at once; or confirmed, or sent events; or left open
   * without a word.
   */
  async fateOf(endpoint: string): Promise<'refused' | 'served' | 'silent'> {
    let subscriber: PlayedSubscriber;
    try {
      subscriber = await this.connect(endpoint, 'Returning');
    } catch (error) {
      // A Hub that is not there at all refuses everything, and proves nothing.
      if (error instanceof CheckFailure && !/ECONNREFUSED/.test(error.seen)) return 'refused';
      throw error;
    }
    await subscriber.waitForClose(this.hub.waits.settleMs * 3).catch(() => undefined);
    if (subscriber.events.length > 0 || subscriber.frames.some(confirms)) return 'served';
    return subscriber.closed ? 'refused' : 'silent';
  }

  unsubscribe(subscriber: PlayedSubscriber, fields: Record<string, string | undefined> = {}): Promise<HttpResponse> {
    return this.post(
      {
        'hub.channel.type': 'websocket',
        'hub.mode': 'unsubscribe',
        'hub.topic': this.topic,
        'hub.channel.endpoint': subscriber.endpoint,
        'subscriber.name': subscriber.name,
        ...fields,
      },
      { who: subscriber.name },
    );
  }

  /**
   * Posts an event, or whatever the check wants to pass for one.
   * @throws CheckSkip when the Hub does not claim the event
   */
  async publish(
    message: unknown,
    options: { contentType?: string; bearer?: Bearer; who?: string; padding?: number } = {},
  ): Promise<HttpResponse> {
    const name = nameOf(message);
    if (name !== undefined && !this.claims(name)) throw new CheckSkip(unsupported(name));
    const body = typeof message === 'string' ? message : JSON.stringify(message);
    if (name !== undefined && isObject(message) && typeof message.timestamp === 'string') {
      this.#ledger.sends(body, message.id);
      this.published.push(message as unknown as EventMessage);
    } else this.#ledger.sendsSomethingElse();
    const sent = {
      headers: { 'content-type': options.contentType ?? 'application/json' },
      body,
      who: options.who ?? 'Publisher',
      ...(options.padding !== undefined && { padding: options.padding }),
      ...(options.bearer !== undefined && { bearer: options.bearer }),
    };
    const response = await stepping('publish', () => this.request('POST', '', sent));
    if (succeeded(response) && isObject(message)) this.#remember(message as unknown as EventMessage);
    return response;
  }

  /** Publishes an event that the Hub has to take. */
  async accepted(message: EventMessage, options: { contentType?: string } = {}): Promise<EventMessage> {
    return stepping('publish', async () => {
      const response = await this.publish(message, options);
      const name = message.event['hub.event'];
      if (this.hub.assumed.has('publish-accepted')) return message;
      expect(succeeded(response), `a successful status to ${name}`, `HTTP ${response.status} ${response.body}`);
      return message;
    });
  }

  /**
   * Publishes something that the Hub has to reject: with a 4xx or 5xx, or later with a SyncError to its publisher.
   * `watcher` must be subscribed to `SyncError` and to the event, which must not reach it.
   */
  async rejected(what: string, message: EventMessage, watcher: PlayedSubscriber): Promise<HttpResponse> {
    const response = await this.publish(message);
    if (succeeded(response)) {
      await watcher.syncError(message.id).catch(() => {
        throw new CheckFailure(
          `${what} to be rejected by a 4xx or 5xx status, or by a SyncError`,
          `HTTP ${response.status} and no SyncError`,
        );
      });
    } else {
      expect(response.status >= 400, `${what} to be rejected by a 4xx or 5xx status`, `HTTP ${response.status}`);
      await this.settle();
    }
    const came = watcher.events.some((one) => one.id === message.id);
    expect(!came, `${what} not to be broadcast`, 'the event came to a subscriber');
    return response;
  }

  async context(options: { bearer?: Bearer; topic?: string } = {}): Promise<JsonObject> {
    const response = await this.contextResponse(options);
    expect(response.status === 200, 'HTTP 200 to Get Current Context', `HTTP ${response.status} ${response.body}`);
    expect(isObject(response.json), 'a JSON object as current context', response.body);
    return response.json;
  }

  contextResponse(options: { bearer?: Bearer; topic?: string } = {}): Promise<HttpResponse> {
    return this.request('GET', `/${encodeURIComponent(options.topic ?? this.topic)}`, options);
  }

  /** A callback for webhooks, with a URL of its own. */
  async callback(): Promise<Callback> {
    const callback = await this.hub.callbacks.create(this.transcript, this.hub.waits);
    this.#callbacks.push(callback);
    return callback;
  }

  /**
   * Waits until the Hub was restarted: once for all checks that do.
   * @throws CheckSkip where it cannot be
   */
  async restart(): Promise<void> {
    this.note('waits for the Hub to be restarted');
    if (!this.hub.restart) throw new CheckSkip(UNCLAIMED.restart);
    await this.hub.restart.restarted();
    this.note('the Hub was restarted');
  }

  /** Lets the time pass in which something that must not come would come. */
  settle(): Promise<void> {
    return pause(this.hub.waits.settleMs);
  }

  note(text: string): void {
    this.transcript.add('note', 'suite', text);
  }

  /** Closes sockets and gives topics back; a shared topic is left without open contexts. */
  async end(): Promise<void> {
    for (const subscriber of this.#subscribers) if (!subscriber.closed) subscriber.cut();
    for (const callback of this.#callbacks) callback.end();
    try {
      if (!this.#topic.own) {
        for (const open of this.#opened.values()) {
          const name = open.event['hub.event'].replace(/-open$/i, '-close');
          await this.publish(this.event(name, open.event.context, { topic: open.event['hub.topic'] }));
        }
      }
    } catch {
      // The check has its verdict; a Hub that cannot clean up shows in the next one.
    }
    for (const topic of [this.#topic, ...this.#extra]) await topic.release().catch(() => undefined);
  }

  #remember(message: EventMessage): void {
    const name = message.event?.['hub.event'];
    if (typeof name !== 'string' || !Array.isArray(message.event.context)) return;
    const key = JSON.stringify([message.event['hub.topic'], name.toLowerCase().split('-')[0], anchorId(message)]);
    if (/-open$/i.test(name)) this.#opened.set(key, message);
    else if (/-close$/i.test(name)) this.#opened.delete(key);
  }
}

/** The id of the resource that an event is about. */
export function anchorId(message: EventMessage): unknown {
  const first: unknown = message.event.context[0];
  return isObject(first) && isObject(first.resource) ? first.resource.id : undefined;
}

const unsupported = (events: string) => `The Hub does not claim ${events} (eventsSupported)`;

function nameOf(message: unknown): string | undefined {
  const event = isObject(message) && isObject(message.event) ? message.event['hub.event'] : undefined;
  return typeof event === 'string' ? event : undefined;
}

const confirms = (frame: { message: JsonObject | undefined }) => frame.message?.['hub.mode'] === 'subscribe';

export function succeeded(response: HttpResponse): boolean {
  return response.status >= 200 && response.status < 300;
}

export function endpointOf(response: HttpResponse): string {
  const endpoint = isObject(response.json) ? response.json['hub.channel.endpoint'] : undefined;
  expect(
    typeof endpoint === 'string' && /^wss?:\/\//.test(endpoint) && URL.canParse(endpoint),
    'a WebSocket URL in hub.channel.endpoint',
    response.body,
  );
  return endpoint;
}

/** The version that a Hub gave an event's context. Section 2.3 writes `versionId`, 2.10 and 3.6 `context.versionId`. */
export function versionOf(notification: Notification): string {
  const version = notification.event['context.versionId'] ?? notification.event.versionId;
  if (typeof version !== 'string' || version === '') {
    throw new CheckFailure('a context.versionId in the broadcast event', show(notification.event));
  }
  return version;
}

export function priorVersionOf(notification: Notification): unknown {
  return notification.event['context.priorVersionId'] ?? notification.event.priorVersionId;
}
