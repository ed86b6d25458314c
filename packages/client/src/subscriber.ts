import {
  anchorKeyOf,
  type ContextElement,
  type EventBody,
  type EventMessage,
  eventKey,
  isObject,
  type JsonObject,
  type Resource,
  syncErrorMessage,
} from '@lockstep/fhircast';
import { ask, FOLLOWED, followed, type Handled, type Outcome } from './answers.ts';
import { type Content, type Context, Contexts, parseEventName } from './contexts.ts';
import { type EventName, HubEvent } from './events.ts';
import { type Failure, HubApi, type Reading, type TokenSource } from './hub-api.ts';
import { Link } from './link.ts';
import { type Ports, type Sign, systemPorts } from './ports.ts';
import { Observable, type SyncState, sameState } from './sync-state.ts';

/** How to reach a session, and what to do in it. Durations are milliseconds unless the name says otherwise. */
export interface SubscriberOptions {
  readonly hubUrl: string;
  readonly topic: string;
  /** Bearer token, or a function that gives one; left out where the Hub wants none. */
  readonly token?: TokenSource;
  /**
   * Events to receive. Those that an honest state needs are asked for as well where the Hub grants them: `SyncError`, the
   * closes of what is opened, `Home-open`.
   */
  readonly events: readonly (EventName | '*')[];
  /** `subscriber.name`: how the other applications call this one when it does not follow. */
  readonly name?: string;
  /** Seconds; default 7200. */
  readonly leaseSeconds?: number;
  /** A handler that has not answered by then answers 202 (default 5000). */
  readonly answerWithin?: number;
  /** A handler that has not decided by then does not follow: SyncError (default 10000, as 2.5 recommends). */
  readonly decideWithin?: number;
  /** Silence after which the Hub is asked whether it is there (default 15000). */
  readonly silence?: number;
  readonly requestTimeout?: number;
  /** From a connection's beginning to its confirmation (default 10000). */
  readonly confirmWithin?: number;
  /** Between two attempts to connect, at most (default 10000). */
  readonly maxBackoff?: number;
  /** Characters of a frame or an HTTP answer, at most (default 16 million). */
  readonly maxMessage?: number;
  /** The Hub answers `{"type":"ping"}`, as Lockstep does: then a dead socket shows sooner. Default false. */
  readonly ping?: boolean;
  /** Unsubscribe when the page goes away (default true). */
  readonly leaveOnPageHide?: boolean;
  /** Is told what handlers throw and what could not be reported to the Hub. Default: `console.error`. */
  readonly onError?: (error: unknown) => void;
  readonly ports?: Partial<Ports>;
}

/** A request to the Hub that was not granted. */
export class HubError extends Error {
  override readonly name = 'HubError';
  /** HTTP status; 0 when the Hub could not be reached. */
  readonly status: number;

  constructor(status: number, reason: string) {
    super(reason);
    this.status = status;
  }
}

/** What was published. */
export interface Published {
  readonly id: string;
  readonly timestamp: string;
}

/** A change of shared content. */
export type Change = { readonly put: AnyResource & { readonly id?: string } } | { readonly remove: string };

/** Any FHIR resource, of any library's types. */
export interface AnyResource {
  readonly resourceType: string;
  readonly id?: string | undefined;
}

export type Handler<Name extends string> = (event: HubEvent<Name>) => Handled | Promise<Handled>;
/** @param context undefined when no context is open */
export type Follower = (context: Context | undefined, event: HubEvent) => Handled | Promise<Handled>;

interface Trouble {
  readonly reason: string;
  readonly who?: string;
  readonly us: boolean;
}

interface Echo {
  resolve(): void;
  reject(reason: string): void;
}

/** Recent events by id are kept, so that what comes twice is handled once. */
const MAX_SEEN = 1000;
/** A gentle check leaves the state alone for this long. */
const GENTLE = 2000;
/** Between two readings that must agree before they overrule the socket. */
const SETTLE = 100;
/** A Hub that cannot be asked gets this long to send the open contexts (SUB-8). */
const RESEND = 1000;
/** Events are to arrive this soon after a reading told of them. */
const OWED = 2500;
/** However much is heard, the Hub's context is read once in this time. */
const CHECK = 60_000;
const UPDATE_TRIES = 5;
const ECHO = 5000;
const US = '\u0000us';

function bounded<T>(set: Set<T>, value: T): void {
  set.add(value);
  if (set.size > MAX_SEEN) set.delete(set.values().next().value as T);
}

function extrasOf(events: readonly string[]): readonly string[] {
  if (events.includes('*')) return [];
  const extras = new Set(['SyncError']);
  for (const name of events) {
    const about = parseEventName(name);
    if (!about || name.toLowerCase() === 'home-open') continue;
    if (about.action !== 'open') extras.add(`${about.type}-open`);
    extras.add(`${about.type}-close`).add('Home-open');
  }
  const asked = new Set(events.map(eventKey));
  return [...extras].filter((name) => !asked.has(eventKey(name)));
}

function sensible(reading: Failure | Reading): Failure | Reading {
  if (!reading.ok || Contexts.makesSense(reading)) return reading;
  return { ok: false, kind: 'unavailable', status: 200, reason: 'the context is not identified' };
}

function reference(type: string, id: string) {
  return { reference: `${type}/${id}` };
}

/**
 * One application's place in a FHIRcast session: receives events, publishes them, keeps the current context and its
 * content, and says honestly whether they are what the Hub has. Nothing that a Hub does makes it throw.
 */
export class Subscriber {
  readonly #options: SubscriberOptions;
  readonly #ports: Ports;
  readonly #api: HubApi;
  readonly #events: readonly string[];
  readonly #onError: (error: unknown) => void;
  readonly #handlers = new Map<string, Set<Handler<string>>>();
  readonly #followers = new Set<Follower>();
  readonly #state: Observable<SyncState>;
  readonly #context: Observable<Context | undefined>;
  readonly #content: Observable<Content | undefined>;

  #link: Link | undefined;
  #unwatch: (() => void) | undefined;
  #left = false;
  #contexts = new Contexts();
  /** Lower-case names; undefined stands for every event. */
  #granted: ReadonlySet<string> | undefined;

  /** Events granted or asked for: of others nothing is believed. undefined stands for every event. */
  #welcome: ReadonlySet<string> | undefined;

  #closed: string | undefined = 'not started';
  #attempt = 1;
  #lostReason: string | undefined;
  /** Counts connections, so that what belongs to an old one is known. 0 while there is none. */
  #session = 0;
  #sessions = 0;
  #confirmedAt = 0;
  #resumed = false;
  #resent = false;
  #trusted = false;

  #verified = false;
  #verifiedAt = 0;
  #doubts = 0;
  #doubtReason = '';
  #checking: Promise<boolean> | undefined;
  /** The Hub's context was read at least once. */
  #readable = false;

  readonly #seen = new Map<string, Outcome | undefined>();
  readonly #mine = new Set<string>();
  readonly #superseded = new Set<string>();
  readonly #echoes = new Map<string, Echo>();
  readonly #troubles = new Map<string, Trouble>();
  /** The event that made the current context, and what our handlers say of it. */
  #latest: HubEvent | undefined;
  #latestOutcome: Outcome | Promise<Outcome> = FOLLOWED;
  #deciding = false;
  #updatesAtWork = 0;
  #updates: Promise<unknown> = Promise.resolve();
  #ignored = 0;

  /** @throws TypeError when `hubUrl` is not absolute, `topic` or `events` is empty, or there is no WebSocket */
  constructor(options: SubscriberOptions) {
    if (!/^https?:\/\//i.test(options.hubUrl) || !URL.canParse(options.hubUrl)) {
      throw new TypeError('hubUrl is not an absolute http or https URL');
    }
    if (!options.topic) throw new TypeError('topic is empty');
    if (options.events.length === 0) throw new TypeError('events is empty');
    this.#options = options;
    this.#ports = systemPorts(options.ports ?? {});
    this.#onError = options.onError ?? ((error) => console.error('Lockstep client:', error));
    this.#events = [...options.events];
    this.#api = new HubApi(
      options.hubUrl,
      options.token,
      this.#ports,
      options.requestTimeout ?? 10_000,
      options.maxMessage ?? 16_000_000,
    );
    const failed = (error: unknown) => this.#report(error);
    this.#state = new Observable<SyncState>({ status: 'closed', reason: this.#closed ?? '' }, failed);
    this.#context = new Observable<Context | undefined>(undefined, failed);
    this.#content = new Observable<Content | undefined>(undefined, failed);
  }

  // ---- What is known -------------------------------------------------------------------------------------------------

  /** Where this application stands. The object changes only when the state does. */
  get state(): SyncState {
    // After sleep the first to wake may be the one who asks.
    if (this.#link?.overslept) this.#doubt('timers stood still');
    return this.#state.value;
  }

  /** The session's current context; undefined when none is open, or none is known yet. */
  get context(): Context | undefined {
    return this.#context.value;
  }

  /** The current context's shared content by `Type/id`; undefined while it is unknown. */
  get content(): Content | undefined {
    return this.#content.value;
  }

  /** The names, in lower case, of the events that the Hub granted; before it did, of those asked for. undefined stands for all. */
  get granted(): ReadonlySet<string> | undefined {
    return this.#granted;
  }

  /** How many frames made no sense. */
  get ignoredFrames(): number {
    return this.#ignored;
  }

  /** Calls back at every change of state; returns a function that stops. */
  onState(watcher: (state: SyncState) => void): () => void {
    return this.#state.watch(watcher);
  }

  /** Calls back when the current context or its version changes; returns a function that stops. */
  onContext(watcher: (context: Context | undefined) => void): () => void {
    return this.#context.watch(watcher);
  }

  /** Calls back when the shared content changes; returns a function that stops. */
  onContent(watcher: (content: Content | undefined) => void): () => void {
    return this.#content.watch(watcher);
  }

  /**
   * Handles events of one name, or `'*'` all of them. What the handler returns or throws is the answer to the Hub: see
   * `HandlerResult`. An event that was missed and found out by reading the Hub's context comes with `derived: true`.
   * @returns a function that stops
   */
  on<Name extends EventName>(name: Name, handler: Handler<Name>): () => void;
  on(name: '*', handler: Handler<string>): () => void;
  on(name: string, handler: Handler<never>): () => void {
    const key = eventKey(name);
    const handlers = this.#handlers.get(key) ?? new Set();
    this.#handlers.set(key, handlers);
    handlers.add(handler as Handler<string>);
    return () => handlers.delete(handler as Handler<string>);
  }

  /**
   * Follows the current context, whichever event changed it: the simplest way to stay in step. The handler answers as in
   * `on`; it is called at once when a context is open already.
   * @returns a function that stops
   */
  follow(follower: Follower): () => void {
    this.#followers.add(follower);
    const latest = this.#latest;
    const { current } = this.#contexts;
    if (latest && current) this.#conclude(latest, ask([() => follower(current, latest)], this.#report), true, true);
    return () => this.#followers.delete(follower);
  }

  // ---- Coming and going ----------------------------------------------------------------------------------------------

  /**
   * Subscribes, and stays subscribed until `unsubscribe`, the page's end or the Hub's final word. Never rejects.
   * @returns the first state that is neither `connecting` nor `behind`
   */
  connect(): Promise<SyncState> {
    if (!this.#link) this.#start();
    return this.settled();
  }

  /** The present state, or the next one that is neither `connecting` nor `behind`. */
  settled(): Promise<SyncState> {
    const calm = (state: SyncState) => state.status !== 'connecting' && state.status !== 'behind';
    const { state } = this;
    if (calm(state)) return Promise.resolve(state);
    return new Promise((resolve) => {
      const stop = this.onState((next) => {
        if (!calm(next)) return;
        stop();
        resolve(next);
      });
    });
  }

  /** Unsubscribes and closes the socket normally (1000), so that the other applications are not alarmed. Never rejects. */
  async unsubscribe(): Promise<void> {
    this.#stopWatching();
    await this.#leave('unsubscribed', false);
  }

  #stopWatching(): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
  }

  #start(): void {
    const { topic, name, ping, leaseSeconds, silence, confirmWithin, maxBackoff, maxMessage } = this.#options;
    const guard =
      <A extends unknown[]>(run: (...args: A) => void) =>
      (...args: A) => {
        if (this.#link === link) run(...args);
      };
    const link = new Link(
      {
        topic,
        events: this.#events,
        extras: extrasOf(this.#events),
        name,
        ping: ping ?? false,
        lease: leaseSeconds ?? 7200,
        silence: silence ?? 15_000,
        confirmWithin: confirmWithin ?? 10_000,
        maxBackoff: maxBackoff ?? 10_000,
        maxFrame: maxMessage ?? 16_000_000,
      },
      this.#api,
      this.#ports,
      {
        confirmed: guard((info) => this.#confirmed(info.resumed, info.events)),
        message: guard((message) => this.#receive(message)),
        strange: guard(() => this.#strange()),
        lost: guard((reason, attempt) => this.#lost(reason, attempt)),
        doubt: guard((reason) => void this.#verify(reason)),
        quiet: guard(() => {
          if (this.#trusted) void link.renew(true);
          void this.#verify('the Hub is silent', true);
        }),
        tick: guard(() => {
          if (this.#ports.clock.now() - this.#verifiedAt > CHECK) void this.#verify('routine', true);
        }),
        closed: guard((reason) => {
          this.#link = undefined;
          this.#stopWatching();
          this.#close(reason);
        }),
      },
    );
    this.#link = link;
    this.#contexts = new Contexts();
    this.#grant(undefined);
    this.#closed = undefined;
    this.#attempt = 1;
    this.#lostReason = undefined;
    this.#left = false;
    this.#unwatch ??= this.#ports.environment.watch((sign) => this.#sign(sign));
    this.#publishModel();
    void link.run();
  }

  async #leave(reason: string, leaving: boolean): Promise<void> {
    const link = this.#link;
    this.#link = undefined;
    const left = link?.leave(leaving);
    this.#close(reason);
    await left;
  }

  #close(reason: string): void {
    this.#closed = reason;
    this.#session = 0;
    this.#verified = false;
    this.#deciding = false;
    this.#troubles.clear();
    for (const echo of [...this.#echoes.values()]) echo.reject(reason);
    this.#settle();
  }

  #sign(sign: Sign): void {
    if (sign === 'leave') {
      if (this.#options.leaveOnPageHide === false || !this.#link) return;
      void this.#leave('the page was left', true);
      this.#left = true;
    } else if (sign === 'return') {
      if (this.#left) this.#start();
    } else {
      if (sign !== 'offline') this.#link?.hurry();
      if (this.#session) void this.#verify(`the network or the page: ${sign}`, sign === 'wake');
    }
  }

  #confirmed(resumed: boolean, events: readonly string[] | undefined): void {
    this.#session = ++this.#sessions;
    this.#confirmedAt = this.#ports.clock.now();
    this.#resumed = resumed;
    this.#resent = false;
    this.#trusted = false;
    const { current } = this.#contexts;
    const shared = current && this.#shares(current.type);
    this.#grant(events);
    this.#contexts.reconnected(current !== undefined && !shared && this.#shares(current.type));
    this.#checking = undefined;
    void this.#verify('catching up');
  }

  /** @param events those that the Hub granted, where it said so */
  #grant(events: readonly string[] | undefined): void {
    const asked = [...this.#events, ...extrasOf(this.#events)];
    const set = (names: readonly string[]) => (names.includes('*') ? undefined : new Set(names.map(eventKey)));
    this.#granted = set(events ?? asked);
    this.#welcome = set([...asked, ...(events ?? [])]);
  }

  #lost(reason: string, attempt: number): void {
    this.#session = 0;
    this.#verified = false;
    this.#attempt = attempt + 1;
    this.#lostReason = reason;
    this.#settle();
  }

  // ---- State ---------------------------------------------------------------------------------------------------------

  #settle(): void {
    const state = this.#compute();
    if (!sameState(state, this.#state.value)) this.#state.set(state);
  }

  #compute(): SyncState {
    if (this.#closed !== undefined) return { status: 'closed', reason: this.#closed };
    if (!this.#session) {
      const reason = this.#lostReason;
      return { status: 'connecting', attempt: this.#attempt, ...(reason === undefined ? {} : { reason }) };
    }
    const [trouble] = this.#troubles.values();
    if (trouble) return { status: 'out-of-sync', ...trouble };
    if (!this.#verified) return { status: 'behind', reason: this.#doubtReason };
    if (this.#deciding || this.#updatesAtWork > 0) return { status: 'behind', reason: 'a handler is at work' };
    return { status: 'in-sync' };
  }

  #publishModel(): void {
    this.#context.set(this.#contexts.current);
    this.#content.set(this.#contexts.content);
    this.#settle();
  }

  #doubt(reason: string): void {
    this.#verified = false;
    this.#doubtReason = reason;
    this.#settle();
  }

  #report = (error: unknown): void => {
    try {
      this.#onError(error);
    } catch {
      // A broken error handler must not break the session too.
    }
  };

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#ports.clock.after(ms, resolve);
    });
  }

  #receives = (name: string): boolean => this.#granted?.has(eventKey(name)) ?? true;

  /** Content is followed where its updates are granted, and read where the Hub can be read. */
  #shares = (type: string): boolean => !this.#trusted && this.#receives(`${type}-update`);

  // ---- Reading the Hub's context -------------------------------------------------------------------------------------

  /**
   * Reads the Hub's context and makes sure that ours equals it.
   * @param gentle doubt shows only when it takes longer
   * @returns false when the connection ended before
   */
  #verify(reason: string, gentle = false): Promise<boolean> {
    this.#doubts++;
    const session = this.#session;
    if (gentle) {
      const doubts = this.#doubts;
      const checkedAt = this.#verifiedAt;
      this.#ports.clock.after(GENTLE, () => {
        const open = this.#checking && this.#verifiedAt === checkedAt && this.#doubts >= doubts;
        if (open && session && session === this.#session && this.#verified) this.#doubt(reason);
      });
    } else {
      this.#doubt(reason);
    }
    if (!this.#checking) {
      const checking = this.#check(session).finally(() => {
        if (this.#checking === checking) this.#checking = undefined;
      });
      this.#checking = checking;
    }
    return this.#checking;
  }

  async #check(session: number): Promise<boolean> {
    let insisted: string | undefined;
    let past = 0;
    let failures = 0;
    const here = () => session !== 0 && session === this.#session;
    while (here()) {
      const doubts = this.#doubts;
      const contexts = this.#contexts;
      const { epoch } = contexts;
      const reading = sensible(await this.#api.read(this.#options.topic));
      if (!here()) return false;
      if (!reading.ok) {
        if (reading.kind !== 'unavailable' && !this.#readable) return this.#trustSocket(here);
        failures++;
        if (reading.kind !== 'unavailable' && failures >= 3) this.#link?.suspect(`no context: ${reading.reason}`);
        else if (failures > 1) this.#doubt(`the Hub's context cannot be read: ${reading.reason}`);
        await this.#pause(Math.max(reading.retryAfter ?? 0, Math.min(5000, 125 * 2 ** failures)));
        continue;
      }
      failures = 0;
      this.#readable = true;
      this.#trusted = false;
      this.#link?.heard();
      const quiet = contexts.epoch === epoch;
      const comparison = contexts.compare(reading, this.#receives, quiet);
      if (comparison === 'same') {
        if (this.#doubts === doubts) return this.#certain();
        // Something happened while the Hub was being read; ask again, but not in a tight loop.
        await this.#pause(SETTLE / 4);
      } else if (!quiet) {
        insisted = undefined;
        await this.#pause(SETTLE / 2);
      } else {
        const said = JSON.stringify([reading.type, reading.versionId, reading.context]);
        if (comparison === 'past' ? ++past < UPDATE_TRIES : insisted !== said) {
          insisted = said;
          await this.#pause(SETTLE);
        } else {
          const before = contexts.current;
          if (contexts.adopt(reading, this.#receives)) this.#derive(before);
          this.#owe(session);
          if (this.#doubts === doubts) return this.#certain();
        }
      }
    }
    return false;
  }

  #certain(): true {
    this.#verified = true;
    this.#verifiedAt = this.#ports.clock.now();
    this.#publishModel();
    return true;
  }

  /** What a reading told, the socket must tell too; else it is dead though it looks alive. */
  #owe(session: number): void {
    const fresh = this.#ports.clock.now() - this.#confirmedAt < OWED;
    this.#ports.clock.after(OWED, () => {
      if (session !== this.#session || !this.#contexts.awaiting) return;
      this.#contexts.stopAwaiting();
      if (!fresh) this.#link?.suspect('an event did not arrive');
    });
  }

  /** A Hub that cannot be asked for its context: what it sends after the confirmation is all there is (SUB-8). */
  async #trustSocket(here: () => boolean): Promise<boolean> {
    const first = !this.#trusted;
    this.#trusted = true;
    if (this.#link) this.#link.since = undefined;
    await this.#pause(Math.max(0, this.#confirmedAt + RESEND - this.#ports.clock.now()));
    if (!here()) return false;
    const before = this.#contexts.current;
    if (first && before && !this.#resumed && !this.#resent) {
      this.#contexts.drop();
      this.#derive(before);
    }
    if (this.#contexts.whole) return this.#certain();
    this.#publishModel();
    return false;
  }

  /** Tells the application of a change that no event told of. */
  #derive(before: Context | undefined): void {
    const { current } = this.#contexts;
    const home = this.#receives('Home-open') ? 'Home-open' : `${before?.type}-close`;
    const event = new HubEvent(
      {
        id: '',
        timestamp: '',
        event: {
          'hub.topic': this.#options.topic,
          'hub.event': current ? `${current.type}-open` : home,
          ...(current?.versionId === undefined ? {} : { 'context.versionId': current.versionId }),
          context: current?.elements ?? (home === 'Home-open' ? [] : (before?.elements ?? [])),
        },
      },
      false,
      true,
    );
    this.#dispatch(event, true);
  }

  // ---- Receiving -----------------------------------------------------------------------------------------------------

  #strange(): void {
    this.#ignored++;
    // It may have been an event.
    if (this.#session) void this.#verify('a message could not be read', true);
  }

  #receive(message: EventMessage): void {
    const { id, event: body } = message;
    const name = body['hub.event'];
    if (this.#welcome && !this.#welcome.has(eventKey(name))) {
      this.#strange();
      return;
    }
    if (this.#link && !this.#trusted && name !== 'SyncError') this.#link.since = id;
    if (this.#seen.has(id)) {
      this.#resent ||= this.#contexts.reopens(message);
      const outcome = this.#seen.get(id);
      if (!outcome) return;
      // Asked again after a refusal, the handlers may think better of it (PUB-7).
      if (followed(outcome)) {
        this.#answer(id, outcome.status);
        return;
      }
    }
    const event = new HubEvent(message, this.#mine.has(id), false);
    const verdict = this.#contexts.apply(message, this.#shares);
    this.#resent ||= this.#contexts.reopens(message);
    this.#echoes.get(id)?.resolve();
    switch (verdict.kind) {
      case 'older':
      case 'unreadable':
        this.#remember(id, { status: 202, reason: '' });
        this.#answer(id, 202);
        void this.#verify(verdict.kind === 'older' ? 'events are out of order' : 'an event could not be read');
        break;
      case 'known':
        if (parseEventName(name)?.action !== 'open') this.#dispatch(event, false);
        else if (this.#retried(event)) this.#dispatch(event, true);
        else this.#repeat(event);
        this.#publishModel();
        break;
      case 'news':
        if (name === 'SyncError') this.#syncError(event);
        this.#dispatch(event, verdict.moved);
        if (verdict.doubt !== undefined) void this.#verify(verdict.doubt);
        break;
    }
  }

  /** Whether this is again the event of the current context, which the handlers did not follow before. */
  #retried(event: HubEvent): boolean {
    return this.#latest !== undefined && this.#latest.id === event.id;
  }

  /** The event of a context that was adopted from a reading: the handlers were asked already. */
  #repeat(event: HubEvent): void {
    const asked = this.#latest;
    this.#latest = event;
    this.#conclude(event, this.#latestOutcome, true, false);
    if (asked && asked !== event && !asked.derived) bounded(this.#superseded, asked.id);
  }

  #dispatch(event: HubEvent, moved: boolean): void {
    const { current } = this.#contexts;
    if (moved) {
      if (this.#latest) {
        HubEvent.supersede(this.#latest);
        if (this.#latest.id !== event.id) bounded(this.#superseded, this.#latest.id);
      }
      this.#latest = event;
      this.#troubles.clear();
      this.#deciding = false;
    }
    // Watchers see the new context before handlers are asked about it.
    this.#context.set(current);
    this.#content.set(this.#contexts.content);
    const handlers = [...(this.#handlers.get(eventKey(event.name)) ?? []), ...(this.#handlers.get('*') ?? [])].map(
      (handler) => () => handler(event),
    );
    if (moved) for (const follower of this.#followers) handlers.push(() => follower(current, event));
    const outcome = ask(handlers, this.#report);
    if (moved) this.#latestOutcome = outcome;
    this.#conclude(event, outcome, moved, false);
  }

  /**
   * Answers the Hub with what the handlers say, in time.
   * @param moved the event is about which context is current
   * @param answered the Hub has its answer
   */
  #conclude(event: HubEvent, outcome: Outcome | Promise<Outcome>, moved: boolean, answered: boolean): void {
    if (!(outcome instanceof Promise)) {
      this.#concluded(event, outcome, moved, answered);
      return;
    }
    const { clock } = this.#ports;
    const { answerWithin = 5000, decideWithin = 10_000 } = this.#options;
    let told = answered;
    if (!answered) this.#remember(event.id, undefined);
    if (moved) this.#deciding = true;
    else this.#updatesAtWork++;
    const cancelAnswer = clock.after(answerWithin, () => {
      if (told) return;
      told = true;
      this.#answer(event.id, 202);
    });
    const cancelDecision = clock.after(decideWithin, () => {
      if (moved && this.#latest === event) this.#refuse(event, 'no decision in time');
    });
    this.#settle();
    void outcome.then((final) => {
      cancelAnswer();
      cancelDecision();
      if (!moved) this.#updatesAtWork--;
      else if (this.#latest === event) this.#deciding = false;
      this.#concluded(event, final, moved, told);
    });
  }

  #concluded(event: HubEvent, outcome: Outcome, moved: boolean, answered: boolean): void {
    this.#remember(event.id, outcome);
    const good = followed(outcome);
    if (!answered) this.#answer(event.id, outcome.status, outcome.reason);
    if (moved && this.#latest === event) {
      // Whoever watches the session learns that a refusal was taken back.
      if (good) {
        if (this.#troubles.delete(US) && answered) this.#answer(event.id, outcome.status);
      } else if (answered && event.id !== '') this.#refuse(event, outcome.reason);
      else this.#troubles.set(US, this.#ourTrouble(outcome.reason));
    }
    this.#settle();
  }

  #ourTrouble(reason: string): Trouble {
    const { name } = this.#options;
    return { reason, us: true, ...(name === undefined ? {} : { who: name }) };
  }

  /** Tells the others that this application does not follow after all (2.5: 202, then SyncError). */
  #refuse(event: HubEvent, reason: string): void {
    this.#troubles.set(US, this.#ourTrouble(reason));
    this.#settle();
    if (event.id === '') return;
    const subscriberName = this.#options.name ?? 'unnamed application';
    const cause = {
      eventId: event.id,
      eventName: event.name,
      subscriberName,
      diagnostics: `${subscriberName} did not follow: ${reason}`,
      severity: 'warning' as const,
    };
    const message = syncErrorMessage(this.#ports.newId(), this.#stamp(), this.#options.topic, cause);
    bounded(this.#mine, message.id);
    void this.#api.publish(message).then((sent) => {
      if (!sent.ok) this.#report(new HubError(sent.status, `the SyncError could not be sent: ${sent.reason}`));
    });
  }

  #syncError(event: HubEvent): void {
    const outcome = event.elements.find((one) => one.key === 'operationoutcome')?.resource;
    const issues: unknown = outcome?.issue;
    const issue = Array.isArray(issues) && isObject(issues[0]) ? issues[0] : {};
    const details = isObject(issue.details) ? issue.details : {};
    const codings = Array.isArray(details.coding) ? details.coding.filter(isObject) : [];
    const code = (...kinds: string[]) =>
      codings.find((one) => kinds.some((kind) => String(one.system).endsWith(`/syncerror/${kind}`)))?.code;
    const about = code('eventid');
    // The specification's example says "subscriber", its profile "subscribername".
    const who = code('subscribername', 'subscriber');
    const reason = typeof issue.diagnostics === 'string' ? issue.diagnostics : 'an application did not follow';
    const echo = typeof about === 'string' ? this.#echoes.get(about) : undefined;
    if (echo) {
      echo.reject(reason);
      return;
    }
    if (event.time < this.#contexts.established) return;
    if (event.mine || (typeof about === 'string' && this.#superseded.has(about))) return;
    const named = typeof who === 'string' && who !== '';
    this.#troubles.set(named ? who : '', { reason, us: false, ...(named ? { who } : {}) });
  }

  /** @param reason why not, for people; Hubs that do not know the field leave it out (ERR-1) */
  #answer(id: string, status: number, reason = ''): void {
    if (id === '') return;
    this.#link?.send(JSON.stringify({ id, status, ...(status >= 300 && reason !== '' ? { reason } : {}) }));
  }

  #remember(id: string, outcome: Outcome | undefined): void {
    if (id === '') return;
    this.#seen.delete(id);
    this.#seen.set(id, outcome);
    if (this.#seen.size > MAX_SEEN) this.#seen.delete(this.#seen.keys().next().value ?? '');
  }

  // ---- Publishing ----------------------------------------------------------------------------------------------------

  /**
   * Publishes any event.
   * @param versionId `context.versionId`, for events that carry one
   * @throws HubError
   */
  async publish(name: EventName, context: readonly ContextElement[], versionId?: string): Promise<Published> {
    const sent = this.#make(name, context, versionId);
    const answer = await this.#post(sent);
    if (!answer.ok) throw new HubError(answer.status, answer.reason);
    return { id: sent.id, timestamp: sent.timestamp };
  }

  /**
   * Opens a context of any type. The named methods below are shorter for the usual ones.
   * @param others further elements that the event's definition has, by key
   * @throws HubError
   */
  open(anchor: AnyResource, others: Readonly<Record<string, AnyResource | readonly AnyResource[] | undefined>> = {}) {
    const elements: ContextElement[] = [{ key: anchorKeyOf(anchor.resourceType), resource: anchor as Resource }];
    for (const [key, value] of Object.entries(others)) {
      for (const one of Array.isArray(value) ? value : [value]) {
        if (one) elements.push({ key, resource: one as Resource });
      }
    }
    return this.publish(`${anchor.resourceType}-open`, elements);
  }

  /** @throws HubError */
  openPatient(patient: AnyResource) {
    return this.open(patient);
  }

  /** @throws HubError */
  openEncounter(encounter: AnyResource, patient: AnyResource) {
    return this.open(encounter, { patient });
  }

  /** @throws HubError */
  openStudy(study: AnyResource, others: { patient?: AnyResource; encounter?: AnyResource } = {}) {
    return this.open(study, { encounter: others.encounter, patient: others.patient });
  }

  /** @throws HubError */
  openReport(
    report: AnyResource,
    others: { patient: AnyResource; study?: AnyResource | readonly AnyResource[]; encounter?: AnyResource },
  ) {
    return this.open(report, { encounter: others.encounter, study: others.study, patient: others.patient });
  }

  /**
   * Closes a context, the current one unless another is named.
   * @throws HubError, with status 409 when there is nothing to close
   */
  async close(context: Pick<Context, 'type' | 'elements'> | undefined = this.context): Promise<Published> {
    if (!context) throw new HubError(409, 'no context is open');
    return this.publish(`${context.type}-close`, context.elements);
  }

  /**
   * Changes the current context's shared content, and returns once the change has come back from the Hub.
   * @param changes the changes; or a function that makes them from the content as it is, called again with newer content
   *   each time another application was faster
   * @throws HubError, with status 409 when another application was faster and `changes` is no function
   */
  update(
    changes: readonly Change[] | ((content: Content) => readonly Change[] | Promise<readonly Change[]>),
  ): Promise<void> {
    // One after another: two updates of our own must not race each other.
    const done = this.#updates.then(() => this.#update(changes));
    this.#updates = done.catch(() => {});
    return done;
  }

  async #update(
    changes: readonly Change[] | ((content: Content) => readonly Change[] | Promise<readonly Change[]>),
  ): Promise<void> {
    let conflict: Failure | undefined;
    for (let attempt = 0; attempt < UPDATE_TRIES; attempt++) {
      if (!this.#contexts.content && !(await this.#verify('the content is being read'))) {
        throw new HubError(0, 'the content is unknown');
      }
      const { current: context, content } = this.#contexts;
      if (!context) throw new HubError(409, 'no context is open');
      const made = typeof changes === 'function' ? await changes(content ?? new Map()) : changes;
      if (made.length === 0) return;
      const name: EventName = `${context.type}-update`;
      const sent = this.#make(name, this.#updateElements(context, made), context.versionId);
      const echoed = this.#session && this.#receives(name) ? this.#awaitEcho(sent.id) : undefined;
      const answer = await this.#post(sent);
      const failure = answer.ok ? await echoed?.done : answer;
      echoed?.cancel();
      if (!failure) {
        // Without its own events, the new version is known only from the Hub.
        if (!echoed && this.#session) await this.#verify('an update was sent');
        return;
      }
      conflict = failure;
      // IHE's hubs answer 400 to an old version, so a change of version is what tells (CON-2).
      const raced = [400, 409, 412].includes(failure.status);
      if (!raced || typeof changes !== 'function' || !this.#session) break;
      const settled = await this.#verify('an update lost a race');
      if (!settled || (failure.status === 400 && this.#contexts.current?.versionId === context.versionId)) break;
    }
    throw new HubError(conflict?.status ?? 0, conflict?.reason ?? 'the update was not sent');
  }

  #updateElements(context: Context, changes: readonly Change[]): ContextElement[] {
    const { patient } = context.resources;
    const entry: JsonObject[] = changes.map((change) => {
      if ('remove' in change) return { fullUrl: change.remove, request: { method: 'DELETE', url: change.remove } };
      const { put } = change;
      return { request: { method: 'PUT', url: `${put.resourceType}/${put.id}` }, resource: put };
    });
    const bundle = { resourceType: 'Bundle', id: this.#ports.newId(), type: 'transaction', entry };
    return [...this.#subject(context, patient), { key: 'updates', resource: bundle }];
  }

  #subject(context: Context, patient: Resource | undefined): ContextElement[] {
    const elements: ContextElement[] = [
      { key: anchorKeyOf(context.type), reference: reference(context.type, context.id) },
    ];
    if (patient?.id !== undefined && context.type !== 'Patient') {
      elements.push({ key: 'patient', reference: reference('Patient', patient.id) });
    }
    return elements;
  }

  /** An update is done when it comes back; some Hubs accept it first and send a SyncError then (2.10). */
  #awaitEcho(id: string): { done: Promise<Failure | undefined>; cancel: () => void } {
    let cancel = () => {};
    const done = new Promise<Failure | undefined>((resolve) => {
      const timer = this.#ports.clock.after(ECHO, () => void this.#verify('an update did not come back').then(end));
      const end = () => {
        cancel();
        resolve(undefined);
      };
      cancel = () => {
        timer();
        this.#echoes.delete(id);
      };
      this.#echoes.set(id, {
        resolve: end,
        reject(reason) {
          cancel();
          resolve({ ok: false, kind: 'refused', status: 409, reason });
        },
      });
    });
    return { done, cancel };
  }

  /**
   * Selects resources of the current context's content; none clears the selection.
   * @param selected references (`Type/id`) or resources
   * @throws HubError
   */
  async select(selected: readonly (string | AnyResource)[]): Promise<Published> {
    const context = this.#contexts.current;
    if (!context) throw new HubError(409, 'no context is open');
    const elements = selected.map((one) => ({
      key: 'select',
      reference: { reference: typeof one === 'string' ? one : `${one.resourceType}/${one.id}` },
    }));
    return this.publish(`${context.type}-select`, [...this.#subject(context, context.resources.patient), ...elements]);
  }

  /** The user goes to a page without context. @throws HubError */
  home(): Promise<Published> {
    return this.publish('Home-open', []);
  }

  /** The user's session ended. @param code why, of FHIRcast's logout codes @throws HubError */
  logout(code = 'user-initiated'): Promise<Published> {
    return this.publish('UserLogout', this.#ending('logout', code));
  }

  /** The user's session is suspended. @param code why, of FHIRcast's hibernate codes @throws HubError */
  hibernate(code = 'user-initiated'): Promise<Published> {
    return this.publish('UserHibernate', this.#ending('hibernate', code));
  }

  #ending(kind: 'logout' | 'hibernate', code: string): ContextElement[] {
    const system = `http://hl7.org/fhir/uv/fhircast/CodeSystem/fhircast-${kind}-codesystem`;
    const parameter = [{ name: 'code', valueCoding: { system, code } }];
    return [{ key: 'parameters', resource: { resourceType: 'Parameters', parameter } }];
  }

  /** Never earlier than what established the current context: subscribers ignore what is older (2.5), clocks differ. */
  #stamp(): string {
    return new Date(Math.max(this.#ports.clock.now(), this.#contexts.established + 1)).toISOString();
  }

  #make(name: string, context: readonly ContextElement[], versionId: string | undefined): EventMessage {
    const id = this.#ports.newId();
    bounded(this.#mine, id);
    const event: EventBody = {
      'hub.topic': this.#options.topic,
      'hub.event': name,
      ...(versionId === undefined ? {} : { 'context.versionId': versionId }),
      context,
    };
    return { timestamp: this.#stamp(), id, event };
  }

  /** Sent again with the same id while the Hub is unavailable: a Hub takes it once (PUB-7). */
  async #post(message: EventMessage): Promise<Failure | { ok: true }> {
    for (let attempt = 1; ; attempt++) {
      const answer = await this.#api.publish(message);
      if (answer.ok || answer.kind !== 'unavailable' || attempt === 3) return answer;
      await this.#pause(Math.max(answer.retryAfter ?? 0, 200 * 2 ** attempt * (0.5 + this.#ports.random() / 2)));
    }
  }
}
