import type { CurrentContext, SubscriptionRequest } from '@lockstep/fhircast';
import { type LogEntry, StoreUnavailable } from '@lockstep/store';
import type { Answer } from './answer.ts';
import { type Connection, Connections } from './connections.ts';
import type { ContextInList } from './context.ts';
import { Following } from './following.ts';
import { Leases } from './leases.ts';
import type { HubOptions, HubPorts } from './options.ts';
import type { Access, AccessEnd, Channel } from './ports.ts';
import { Publishing } from './publishing.ts';
import { Runtime } from './runtime.ts';
import { type SessionListing, Sessions } from './sessions.ts';
import type { SessionInfo, SessionState } from './state.ts';
import { Subscriptions } from './subscriptions.ts';
import { SyncErrors } from './sync-errors.ts';
import { type Subscribed, WebhookSubscriptions } from './webhook-subscriptions.ts';

/** The Hub: what comes in through HTTP and sockets, decided by the session rules, kept by the store. */
export class Hub {
  /** Counts since the start, for metrics. */
  readonly counts: Runtime['counts'];
  readonly #runtime: Runtime;
  readonly #sessions: Sessions;
  readonly #subscriptions: Subscriptions;
  readonly #connections: Connections;
  readonly #following: Following;
  readonly #publishing: Publishing;

  constructor(options: HubOptions, ports: HubPorts) {
    const runtime = new Runtime(options, ports, {
      doubted: (topic) => this.#following.doubt(topic),
      webhookEvents: (topic) => callbacks.events(topic),
    });
    const errors = new SyncErrors(runtime);
    const leases = new Leases(runtime);
    const callbacks = new WebhookSubscriptions(runtime, leases, errors);
    this.#runtime = runtime;
    this.counts = runtime.counts;
    this.#sessions = new Sessions(runtime);
    this.#subscriptions = new Subscriptions(runtime, this.#sessions, leases, callbacks);
    this.#connections = new Connections(runtime, leases, errors);
    this.#following = new Following(runtime, this.#connections, callbacks);
    this.#publishing = new Publishing(runtime, this.#sessions);
  }

  /** Starts to follow the store and to wait for the subscribers that were connected before a restart. */
  async start(): Promise<void> {
    await this.#following.start();
    const runtime = this.#runtime;
    runtime.every(60_000, () => runtime.topics.evict());
    runtime.every(Math.min(runtime.options.idleMs, 300_000), () => runtime.later(() => this.endIdle()));
  }

  /** Closes every socket with 1012: subscribers return, and nobody is reported (SUB-11). */
  async stop(): Promise<void> {
    this.#runtime.stop();
    await this.#runtime.topics.close();
  }

  /** Opens a session without asking for permission: for sign-in and other callers in this process (SES-1). */
  openSession(session: {
    readonly user: string;
    readonly aliases?: readonly string[];
    readonly workstation?: string;
    readonly label?: string;
    /** A topic computed elsewhere (LAU-2); otherwise one is minted. */
    readonly topic?: string;
  }): Promise<{ readonly topic: string; readonly info: SessionInfo }> {
    return this.#sessions.open(session);
  }

  /** `POST {hub.url}/session` (SES-2). A user's own token may leave the user out. */
  createSession(
    access: Access,
    body: { readonly user?: string; readonly workstation?: string; readonly label?: string },
  ): Promise<Answer<{ readonly topic: string; readonly info: SessionInfo }>> {
    return this.#sessions.create(access, body);
  }

  /** `GET {hub.url}/session` (SES-3, SES-4). */
  listSessions(
    access: Access,
    filter: { readonly user?: string; readonly workstation?: string },
  ): Promise<Answer<readonly SessionListing[]>> {
    return this.#sessions.list(access, filter);
  }

  /** Sessions without asking for permission: for callers in this process. */
  sessions(filter: { readonly user?: string; readonly workstation?: string } = {}): Promise<readonly SessionListing[]> {
    return this.#sessions.all(undefined, filter);
  }

  /** `DELETE {hub.url}/session/{topic}` (SES-5). */
  deleteSession(access: Access, topic: string): Promise<Answer<undefined>> {
    return this.#sessions.delete(access, topic);
  }

  /** Denies all subscriptions, closes their sockets, erases contexts and content (SES-5). */
  endSession(name: string, reason: string): Promise<void> {
    return this.#sessions.end(name, reason);
  }

  /** Ends the sessions that nobody is connected to and nothing has happened in for the idle time (SES-5). */
  endIdle(): Promise<void> {
    return this.#sessions.endIdle();
  }

  /** `hub.mode=subscribe` (SUB-1 to SUB-6). */
  subscribe(access: Access, request: SubscriptionRequest): Promise<Answer<Subscribed>> {
    return this.#subscriptions.subscribe(access, request);
  }

  /** `hub.mode=unsubscribe` (SUB-9). */
  unsubscribe(access: Access, request: SubscriptionRequest): Promise<Answer<Subscribed>> {
    return this.#subscriptions.unsubscribe(access, request);
  }

  /**
   * Ends subscriptions whose access has ended, wherever they are connected (TOK-6). Resolves also while the store is away: then
   * they end as soon as it is back.
   */
  async accessEnded(end: AccessEnd): Promise<void> {
    try {
      await this.#subscriptions.accessEnded(end);
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      this.#runtime.later(() => this.#subscriptions.accessEnded(end));
    }
  }

  /**
   * Whether the endpoint can be connected to; asked before a WebSocket upgrade is answered (SUB-7).
   * @throws StoreUnavailable while the Hub stops: that says nothing about the endpoint
   */
  findEndpoint(id: string): Promise<{ readonly topic: string } | undefined> {
    return this.#connections.findEndpoint(id);
  }

  /**
   * Connects a subscriber to its endpoint (SUB-7, SUB-8, SUB-11).
   * @param since id of the last event it has seen
   * @returns undefined when the endpoint ended meanwhile; the channel is closed then
   */
  connect(
    endpoint: { readonly topic: string; readonly id: string },
    channel: Channel,
    since?: string,
  ): Promise<Connection | undefined> {
    return this.#connections.connect(endpoint, channel, since);
  }

  /**
   * `POST {hub.url}` and `POST {hub.url}/{topic}` (PUB).
   * @param body the parsed JSON
   * @param pathTopic the topic in the path, if there is one (PUB-1)
   * @returns 202, or 206 where part of it was ignored; once it resolves, the event is durable (PUB-4)
   */
  publish(access: Access, body: unknown, pathTopic?: string): Promise<Answer<202 | 206>> {
    return this.#publishing.publish(access, body, pathTopic);
  }

  /** `GET {hub.url}/{topic}` (CON-5, CON-6). */
  currentContext(access: Access, topic: string): Promise<Answer<CurrentContext>> {
    return this.#publishing.currentContext(access, topic);
  }

  /** The same for clients that read a list: the current context, then what else is open (switch `contextList`). */
  contextList(access: Access, topic: string): Promise<Answer<readonly ContextInList[]>> {
    return this.#publishing.contextList(access, topic);
  }

  /** Everything that is known of a session, for inspection. @returns undefined when there is no such session */
  async inspect(
    topic: string,
  ): Promise<{ readonly state: SessionState; readonly connected: ReadonlySet<string> } | undefined> {
    const state = await this.#runtime.topics.load(topic);
    return state && { state, connected: new Set(this.#runtime.topics.live(topic)?.audience.links.keys()) };
  }

  /** Ids of the subscriptions whose sockets dropped at this node and may come back (SUB-11), for inspection. */
  dropped(): Iterable<string> {
    return this.#connections.dropped();
  }

  /** The topic's log as it is held, for inspection: every event after a number, oldest first. */
  async log(topic: string, after = 0): Promise<readonly LogEntry[]> {
    return (await this.#runtime.ports.store.readLog(topic, after)) ?? [];
  }
}
