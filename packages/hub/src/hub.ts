import type { ExactJson, SubscriptionRequest } from '@lockstep/fhircast';
import { type LogEntry, StoreUnavailable } from '@lockstep/store';
import { Activity, type Counts } from './live/activity.ts';
import { Background } from './live/background.ts';
import { LiveSessions } from './live/live-sessions.ts';
import { LogPages } from './live/log-pages.ts';
import { WebhookCalls } from './live/webhook-calls.ts';
import { DEFAULTS, type HubOptions, type HubPorts } from './options.ts';
import type { Channel, HubSessions } from './ports.ts';
import type { Answer } from './requests/answers.ts';
import { CallbackCheck } from './requests/callback-check.ts';
import { type ConnectedSubscriber, Connecting, type FoundEndpoint } from './requests/connecting.ts';
import { Invitations, type Invited, type Joined } from './requests/invitations.ts';
import { Publishing } from './requests/publishing.ts';
import {
  type SessionFilter,
  type SessionListing,
  type SessionPage,
  Sessions,
  type Started,
} from './requests/sessions.ts';
import { type Subscribed, Subscribing } from './requests/subscribing.ts';
import { Topics } from './requests/topics.ts';
import { sessionRules } from './rules/decide.ts';
import type { Access, AccessEnd } from './rules/permission.ts';
import { DEFAULT_POLICY, type Policy } from './rules/policy.ts';
import type { SessionState } from './rules/session-state.ts';
import { StoreFollower } from './stored/follower.ts';

/** Sessions that are not used leave memory this often, ms. */
const EVICT_EVERY = 60_000;
/** Idle sessions are looked for at least this often, ms. */
const IDLE_EVERY = 300_000;

/** The Hub: what comes in through HTTP and sockets, decided by the session rules, kept by the store. */
export class Hub implements HubSessions {
  /** Counts since the start, for metrics. */
  readonly counts: Readonly<Counts>;
  readonly #policy: Policy;
  readonly #ports: HubPorts;
  readonly #background: Background;
  readonly #live: LiveSessions;
  readonly #follower: StoreFollower;
  readonly #sessions: Sessions;
  readonly #invitations: Invitations;
  readonly #subscribing: Subscribing;
  readonly #connecting: Connecting;
  /** Events whose body was read already: the short way for the one door through which nearly all of them come. */
  readonly publishing: Pick<Publishing, 'publishRead'>;
  readonly #publishing: Publishing;

  constructor(options: HubOptions, ports: HubPorts) {
    const { store, clock, ids, users, nodes, validation } = ports;
    const { hubUrl, endpointUrl, nodeId, maxBufferedBytes, logCount, retryMs } = { ...DEFAULTS, ...options };
    const policy: Policy = {
      ...DEFAULT_POLICY,
      ...options,
      ...(validation && { resourceProblem: (...of) => validation.problem(...of) }),
    };
    const { answerMs } = policy;
    const { spelling, derivesOpens } = policy.profile;
    const background = new Background(clock, ports.failed);
    const activity = new Activity(clock, ports.observer, ports.audit, ports.committed);
    const webhooks =
      ports.callbacks && ports.cursors
        ? new WebhookCalls(ports.callbacks, ports.cursors, clock, ids, {
            derivesOpens,
            answerMs,
            retryMs,
            spelling,
            hubUrl,
          })
        : undefined;
    const live = new LiveSessions(
      {
        store,
        pages: new LogPages(store),
        clock,
        ids,
        decide: sessionRules(policy),
        policy,
        background,
        activity,
        webhooks,
      },
      { nodeId, answerMs, maxBufferedBytes, derivesOpens, logCount, shared: nodes !== undefined },
    );
    const topics = new Topics(hubUrl, (topic) => live.has(topic), ports.derivedTopics?.(this));
    const callbacks = new CallbackCheck({ webhooks, background, activity });
    const sessions = new Sessions({ store, clock, ids, users, nodes, nodeId, policy, live, topics });
    this.counts = activity.counts;
    this.#policy = policy;
    this.#ports = ports;
    this.#background = background;
    this.#live = live;
    this.#follower = new StoreFollower({ store, sessions: live, background, nodeId, nodes });
    this.#sessions = sessions;
    this.#invitations = new Invitations({ store, clock, ids, policy, live, topics });
    this.#subscribing = new Subscribing({
      store,
      ids,
      policy,
      nodeId,
      endpointUrl,
      live,
      topics,
      sessions,
      callbacks,
      activity,
    });
    this.#connecting = new Connecting({ store, clock, live, background, activity });
    this.#publishing = new Publishing({ ids, policy, live, topics, activity, validation });
    this.publishing = this.#publishing;
  }

  /** Starts to follow the store and to wait for the subscribers that were connected before a restart. */
  async start(): Promise<void> {
    await this.#follower.start();
    this.#background.every(this.#policy.heartbeatMs, () => this.#live.beat());
    this.#background.every(EVICT_EVERY, () => this.#live.evict());
    this.#background.every(Math.min(this.#policy.idleMs, IDLE_EVERY), () =>
      this.#background.later(() => this.endIdle()),
    );
  }

  /** Closes every socket with 1012: subscribers return, and no loss is reported (SUB-11). */
  async stop(): Promise<void> {
    this.#background.stop();
    await this.#live.close();
  }

  /** Starts a session without asking for permission: for sign-in and other callers in this process (SES-1). */
  openSession(session: {
    readonly user: string;
    readonly aliases?: readonly string[];
    readonly workstation?: string;
    readonly label?: string;
    /** A topic computed elsewhere (LAU-2); otherwise one is minted. */
    readonly topic?: string;
  }): Promise<Started> {
    return this.#sessions.open(session);
  }

  /** `POST {hub.url}/session` (SES-2). A user's own token may leave the user out. */
  createSession(
    access: Access,
    body: { readonly user?: string; readonly workstation?: string; readonly label?: string },
  ): Promise<Answer<Started>> {
    return this.#sessions.create(access, body);
  }

  /** `POST {hub.url}/session/{topic}/invitation`. @param wanted `life` in seconds */
  invite(
    access: Access,
    topic: string,
    wanted: { readonly followingOnly: boolean; readonly life?: number },
  ): Promise<Answer<Invited>> {
    return this.#invitations.invite(access, topic, wanted);
  }

  /** `POST {hub.url}/invitation/{code}`. */
  joinByInvitation(access: Access, code: string): Promise<Answer<Joined>> {
    return this.#invitations.join(access, code);
  }

  /** `DELETE {hub.url}/session/{topic}/invitation/{id}`: ends the subscriptions of those who came by it. */
  withdrawInvitation(access: Access, topic: string, id: string): Promise<Answer<undefined>> {
    return this.#invitations.withdraw(access, topic, id);
  }

  /** `DELETE {hub.url}/session/{topic}/guest`: ends the subscriptions of the token's user, who is a guest. */
  leaveSession(access: Access, topic: string): Promise<Answer<undefined>> {
    return this.#invitations.leave(access, topic);
  }

  /** A page of `GET {hub.url}/session` (SES-3, SES-4). */
  listSessions(access: Access, filter: SessionFilter): Promise<Answer<SessionPage>> {
    return this.#sessions.list(access, filter);
  }

  /** Sessions without asking for permission: for callers in this process. */
  sessions(filter: SessionFilter = {}): Promise<readonly SessionListing[]> {
    return this.#sessions.all(filter);
  }

  /** Topics of all sessions, in no particular order: for callers in this process. */
  topics(): Promise<readonly string[]> {
    return this.#ports.store.lookup('all');
  }

  /** `DELETE {hub.url}/session/{topic}` (SES-5). */
  deleteSession(access: Access, topic: string): Promise<Answer<undefined>> {
    return this.#sessions.delete(access, topic);
  }

  /** Denies all subscriptions, closes their sockets, erases contexts and content (SES-5). */
  endSession(topic: string, reason: string): Promise<void> {
    return this.#sessions.end(topic, reason);
  }

  /** Ends the sessions that have no subscriber and where nothing has happened in for the idle time (SES-5). */
  endIdle(): Promise<void> {
    return this.#sessions.endIdle();
  }

  /** `hub.mode=subscribe` (SUB-1 to SUB-6). */
  subscribe(access: Access, request: SubscriptionRequest): Promise<Answer<Subscribed>> {
    return this.#subscribing.subscribe(access, request);
  }

  /** `hub.mode=unsubscribe` (SUB-9). */
  unsubscribe(access: Access, request: SubscriptionRequest): Promise<Answer<Subscribed>> {
    return this.#subscribing.unsubscribe(access, request);
  }

  /**
   * Ends subscriptions whose access has ended, wherever they are connected (TOK-6), and refuses what waits to be published with it.
   * Resolves also while the store cannot be reached: then they end as soon as it can.
   */
  async accessEnded(end: AccessEnd): Promise<void> {
    this.#publishing.accessEnded(end);
    try {
      await this.#subscribing.accessEnded(end);
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      this.#background.later(() => this.#subscribing.accessEnded(end));
    }
  }

  /**
   * Whether the endpoint can be connected to; asked before a WebSocket upgrade is answered (SUB-7).
   * @throws StoreUnavailable while the Hub stops: that says nothing about the endpoint
   */
  findEndpoint(id: string): Promise<FoundEndpoint | undefined> {
    return this.#connecting.findEndpoint(id);
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
  ): Promise<ConnectedSubscriber | undefined> {
    return this.#connecting.connect(endpoint, channel, since);
  }

  /**
   * `POST {hub.url}` and `POST {hub.url}/{topic}` (PUB).
   * @param body the JSON text, or what `readExact` read of it
   * @param pathTopic the topic in the path, if there is one (PUB-1)
   * @returns 202, or 206 where part of it was ignored; once it resolves, the event is durable (PUB-4)
   */
  publish(access: Access, body: string | ExactJson, pathTopic?: string): Promise<Answer<202 | 206>> {
    return typeof body === 'string'
      ? this.#publishing.publish(access, body, pathTopic)
      : this.#publishing.publishRead(access, body, pathTopic);
  }

  /** `GET {hub.url}/{topic}`, as JSON (CON-5, CON-6). */
  currentContext(access: Access, topic: string): Promise<Answer<string>> {
    return this.#publishing.currentContext(access, topic);
  }

  /** The same for clients that read a list: the current context, then what else is open (switch `contextList`). */
  contextList(access: Access, topic: string): Promise<Answer<string>> {
    return this.#publishing.contextList(access, topic);
  }

  /** Everything that is known of a session, for inspection. @returns undefined when there is no such session */
  async inspect(
    topic: string,
  ): Promise<{ readonly state: SessionState; readonly connected: ReadonlySet<string> } | undefined> {
    const state = await this.#live.load(topic);
    return state && { state, connected: new Set(this.#live.live(topic)?.audience.sockets.keys()) };
  }

  /** The topic's log as it is held, for inspection: every event after a number that is not dropped, oldest first. */
  async log(topic: string, after = 0): Promise<readonly LogEntry[]> {
    const { store } = this.#ports;
    const entries = await store.readLog(topic, after);
    if (entries) return entries;
    const { offset = 0 } = (await store.load(topic))?.start ?? {};
    return offset > after ? ((await store.readLog(topic, offset)) ?? []) : [];
  }
}
