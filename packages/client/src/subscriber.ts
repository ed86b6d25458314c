import {
  type ContextElement,
  contextAction,
  type EventMessage,
  eventKey,
  FOLLOWING_EVENT,
  type NotFollowing,
  SURVEY_ANSWER_EVENT,
  SURVEY_EVENT,
} from '@lockstep/fhircast';
import type { Content, Context } from './context.ts';
import { CHANGES, Core } from './core.ts';
import { Dispatcher } from './dispatcher.ts';
import { ending, opened, selected } from './elements.ts';
import { type EventName, HubEvent } from './events.ts';
import { Following } from './following.ts';
import { HeldContexts, LATE } from './held-contexts.ts';
import { Link } from './link.ts';
import {
  type AnyResource,
  type Follower,
  type Handler,
  HubError,
  type Published,
  type SubscriberOptions,
} from './options.ts';
import type { Sign } from './ports.ts';
import { type Consent, Surveys } from './survey.ts';
import { Observable, OTHER, type Shown, type SyncState, sameState, syncState } from './sync-state.ts';
import { type Changes, Updater } from './updater.ts';
import { Verifier } from './verifier.ts';

/** Events of our own that Lockstep knows; other Hubs may refuse their names. */
const OWN = [FOLLOWING_EVENT, SURVEY_EVENT, SURVEY_ANSWER_EVENT];

/** Asked for beside the application's events: what an honest state needs. */
function extrasOf(events: readonly string[]): readonly string[] {
  if (events.includes('*')) return [];
  const extras = new Set(['SyncError']);
  for (const name of events) {
    const about = contextAction(name);
    if (!about) continue;
    if (about.action !== 'open') extras.add(`${about.type}-open`);
    extras.add(`${about.type}-close`).add('Home-open');
  }
  return [...extras].filter((name) => !events.some((one) => eventKey(one) === eventKey(name)));
}

/** What was confirmed counts for this long after the Hub should have been heard. */
const GRACE = 7000;
/** ms after which a network that went is asked once more. */
const OFFLINE = 1000;
const LEFT = 'the page was left';
const CONNECTING: SyncState = { status: 'connecting', attempt: 1 };
/** Without its version: handlers need not take every update. */
function identity(context: Shown | undefined): Shown | undefined {
  return context && { type: context.type, id: context.id };
}

/**
 * One application's place in a FHIRcast session: receives events, publishes them, keeps the current context and its
 * content, and says honestly whether they are what the Hub has. Nothing that a Hub does makes it throw.
 */
export class Subscriber {
  readonly #core: Core;
  readonly #dispatcher: Dispatcher;
  readonly #following: Following;
  readonly #surveys: Surveys;
  readonly #verifier: Verifier;
  readonly #updater: Updater;
  readonly #state: Observable<SyncState>;
  readonly #context: Observable<Context | undefined>;
  readonly #content: Observable<Content | undefined>;
  readonly #extras: readonly string[];
  /** Events granted or asked for: of others nothing is believed. undefined stands for every event. */
  #welcome: ReadonlySet<string> | undefined;

  #unwatch: (() => void) | undefined;
  #closed: string | undefined = 'not started';
  /** The state while there is no confirmed connection. */
  #connecting: SyncState = CONNECTING;
  #sessions = 0;
  #ignored = 0;
  /** Counts the events that came. */
  #came = 0;
  /** The number of the event that made the current context. */
  #made = 0;

  /** @throws TypeError when `hubUrl` is not absolute, `topic` or `events` is empty, or there is no WebSocket */
  constructor(options: SubscriberOptions) {
    const { hubUrl, topic, events } = options;
    const wrong =
      !/^https?:\/\//i.test(hubUrl) || !URL.canParse(hubUrl) ? 'hubUrl' : !topic ? 'topic' : !events[0] && 'events';
    if (wrong) throw new TypeError(`${wrong} is empty or no URL`);
    const core = new Core(
      options,
      () => this.#settle(),
      () => this.#show(),
    );
    this.#core = core;
    this.#extras = extrasOf(core.options.events);
    this.#following = new Following(core);
    this.#dispatcher = new Dispatcher(core, this.#following);
    this.#surveys = new Surveys(core, this.#dispatcher);
    this.#verifier = new Verifier(core, (event) => this.#dispatcher.dispatch(event, true));
    this.#updater = new Updater(core, this.#verifier);
    this.#state = new Observable(this.#compute(), core.report);
    this.#context = new Observable<Context | undefined>(undefined, core.report);
    this.#content = new Observable<Content | undefined>(undefined, core.report);
  }

  // ---- What is known -------------------------------------------------------------------------------------------------

  /** Where this application stands. The object changes only when the state does. */
  get state(): SyncState {
    // After sleep the first to wake may be the one who asks.
    if (this.#core.link?.overslept) this.#verifier.markUncertain('timers stood still');
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
    return this.#core.granted;
  }

  /** How many frames made no sense. */
  get ignoredFrames(): number {
    return this.#ignored;
  }

  /** What the application shows has changed: the state is computed again. For applications that give `showing`. */
  showingChanged(): void {
    this.#settle();
  }

  /** The other applications that do not follow, what they still show, and since when (ERR-8). */
  get notFollowing(): readonly NotFollowing[] {
    return this.#following.list;
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
    return this.#dispatcher.on(name, handler);
  }

  /**
   * Follows the current context, whichever event changed it: the simplest way to stay in step. The handler answers as in
   * `on`; it is called at once when a context is open already. When the session is left, as by `unsubscribe` or with the page, it is
   * called with undefined (HZ-4): `may` is not asked then, and what it answers is not sent.
   * @returns a function that stops
   */
  follow(follower: Follower): () => void {
    return this.#dispatcher.follow(follower);
  }

  // ---- Coming and going ----------------------------------------------------------------------------------------------

  /**
   * Subscribes, and stays subscribed until `unsubscribe`, the page's end or the Hub's final word. Never rejects.
   * @returns the first state that is neither `connecting`, `unknown` nor `behind`
   */
  connect(): Promise<SyncState> {
    if (!this.#core.link) this.#start();
    return this.settled();
  }

  /** The present state, or the next one that is neither `connecting`, `unknown` nor `behind`. */
  settled(): Promise<SyncState> {
    const calm = ({ status }: SyncState) => !['connecting', 'unknown', 'behind'].includes(status);
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
  unsubscribe(): Promise<void> {
    return this.#end('unsubscribed');
  }

  #end(reason: string): Promise<void> {
    this.#unwatch?.();
    this.#unwatch = undefined;
    return this.#leave(reason, false);
  }

  #start(): void {
    const core = this.#core;
    const { options } = core;
    const guard =
      <A extends unknown[]>(run: (...args: A) => void) =>
      (...args: A) => {
        if (core.link === link) run(...args);
      };
    const link = new Link(
      {
        ...options,
        extras: [[...this.#extras, ...OWN], this.#extras, []],
        // Lockstep tells who follows, and answers pings.
        pings: () => options.ping ?? this.#following.tells === true,
      },
      core.api,
      core.ports,
      {
        confirmed: guard((resumed, events) => this.#confirmed(resumed, events)),
        message: guard((message) => {
          try {
            this.#receive(message);
          } catch (error) {
            core.report(error);
            this.#strange();
          }
        }),
        strange: guard(() => this.#strange()),
        lost: guard((reason, attempt) => this.#lost(reason, attempt)),
        uncertain: guard((reason) => void this.#verifier.verify(reason)),
        quiet: guard(() => {
          if (this.#verifier.trusted) void link.renew(true);
          void this.#verifier.verify('the Hub is silent', true);
        }),
        tick: guard(() => {
          this.#verifier.routine();
          this.#settle();
        }),
        closed: guard((reason) => void this.#end(reason)),
      },
    );
    core.link = link;
    this.#grant(undefined);
    this.#closed = undefined;
    this.#connecting = CONNECTING;
    this.#unwatch ??= core.ports.environment.watch((sign) => this.#sign(sign));
    this.#settle();
    void link.run();
  }

  async #leave(reason: string, leaving: boolean): Promise<void> {
    const core = this.#core;
    const left = core.link?.leave(leaving);
    core.link = undefined;
    // What the Hub closed is closed for the Hub's reason.
    if (this.#closed === undefined) {
      this.#closed = reason;
      core.session = 0;
      core.contexts = new HeldContexts();
      // Others do not know any more what it shows, and nothing tells it what they open: it shows nothing (HZ-4).
      this.#verifier.derive();
      this.#following.close();
      this.#updater.close(reason);
      this.#settle();
    }
    await left;
  }

  #sign(sign: Sign): void {
    const { link, options } = this.#core;
    if (sign === 'leave') {
      if (options.leaveOnPageHide !== false) void this.#leave(LEFT, true);
    } else if (sign === 'return') {
      if (this.#closed === LEFT) this.#start();
    } else {
      const check = () => void this.#verifier.verify(sign, sign === 'wake');
      check();
      // What was on its way before the network went may still be answered.
      if (sign === 'offline') void this.#core.pause(OFFLINE).then(check);
      else link?.hurry();
    }
  }

  #confirmed(resumed: boolean, events: readonly string[] | undefined): void {
    const core = this.#core;
    core.session = ++this.#sessions;
    this.#verifier.confirmed(resumed);
    this.#dispatcher.remind();
    const { current } = core.contexts;
    const shared = current && this.#shares(current.type);
    this.#grant(events);
    this.#following.connected();
    core.contexts.reconnected(current !== undefined && !shared && this.#shares(current.type));
    void this.#verifier.verify('catching up');
  }

  /** @param events those that the Hub granted, where it said so */
  #grant(events: readonly string[] | undefined): void {
    const asked = [...this.#core.options.events, ...this.#extras, ...OWN];
    const set = (names: readonly string[]) => (names.includes('*') ? undefined : new Set(names.map(eventKey)));
    this.#core.granted = set(events ?? asked);
    this.#welcome = set([...asked, ...(events ?? [])]);
  }

  #lost(reason: string, attempt: number): void {
    this.#core.session = 0;
    this.#connecting = { status: 'connecting', attempt: attempt + 1, reason };
    this.#settle();
  }

  // ---- State ---------------------------------------------------------------------------------------------------------

  #settle(): void {
    const state = this.#compute();
    if (!sameState(state, this.#state.value)) this.#state.set(state);
  }

  #compute(): SyncState {
    if (this.#closed !== undefined) return { status: 'closed', reason: this.#closed };
    if (!this.#core.session) return this.#connecting;
    const { contexts, link, options } = this.#core;
    const { shown, busy, refusal } = this.#dispatcher;
    return syncState({
      shown: options.showing ? this.#asked(options.showing) : identity(shown),
      busy: this.#verifier.owed.size > 0 ? OTHER : busy,
      refusal,
      name: options.name,
      current: contexts.current,
      uncertainty: this.#verifier.uncertainty || contexts.uncertainty || this.#following.uncertainty,
      age: link?.age ?? 0,
      maxAge: options.silence + GRACE,
      notFollowing: this.#following.list,
      waitingFor: this.#following.waitingFor,
    });
  }

  /** What the application says that it shows; one that cannot say shows none of the Hub's contexts. */
  #asked(showing: () => Shown | undefined): Shown | undefined {
    try {
      const shown = showing() ?? undefined;
      // Its members are read here, where one that throws does no harm.
      return shown && ({ ...identity(shown), versionId: shown.versionId } as Shown);
    } catch (error) {
      this.#core.report(error);
      // Equal to no context.
      return {} as Shown;
    }
  }

  #show(): void {
    this.#context.set(this.#core.contexts.current);
    this.#content.set(this.#core.contexts.content);
  }

  /** Content is followed where its updates are granted, and read where the Hub can be read. */
  #shares = (type: string): boolean => !this.#verifier.trusted && this.#core.receives(`${type}-update`);

  // ---- Receiving -----------------------------------------------------------------------------------------------------

  #strange(): void {
    this.#ignored++;
    // It may have been an event.
    if (this.#core.session) void this.#verifier.verify('a message could not be read', true);
  }

  #receive(message: EventMessage): void {
    const { link, contexts, mine } = this.#core;
    const dispatcher = this.#dispatcher;
    const verifier = this.#verifier;
    const { id, event: body } = message;
    const name = body['hub.event'];
    if (this.#welcome && !this.#welcome.has(eventKey(name))) {
      this.#strange();
      return;
    }
    if (name === FOLLOWING_EVENT) {
      // No event of the session's log, and not to be answered.
      this.#following.told(new HubEvent(message, false, false));
      return;
    }
    if (link && !verifier.trusted && name !== 'SyncError') link.since = id;
    if (this.#surveys.receive(message)) {
      dispatcher.ignore(id);
      return;
    }
    if (dispatcher.handled(id)) {
      verifier.resent ||= contexts.reopens(message);
      return;
    }
    const event = new HubEvent(message, mine.has(id), false);
    const number = ++this.#came;
    verifier.owed.delete(id);
    const verdict = contexts.apply(message, this.#shares);
    verifier.resent ||= contexts.reopens(message);
    this.#updater.echoed(id);
    const reopened = () => {
      this.#made = number;
      dispatcher.reopened(event);
    };
    switch (verdict.kind) {
      case 'known':
        if (contextAction(name)?.action === 'open') reopened();
        else dispatcher.dispatch(event, false);
        break;
      case 'news':
        if (name === 'SyncError') dispatcher.syncError(event, (about, reason) => this.#updater.refused(about, reason));
        if (verdict.moved) this.#made = number;
        dispatcher.dispatch(event, verdict.moved);
        if (verdict.uncertainty) void verifier.verify(verdict.uncertainty);
        else if (verdict.moved && verifier.isFresh) void verifier.verify(LATE);
        break;
      default:
        if (verdict.kind === 'unheld') dispatcher.inform(event);
        // A Hub takes an answer for following: there is none before it is known what is current.
        void verifier.verify(verdict.reason).then((certain) => {
          if (!certain || dispatcher.knows(id)) return;
          // A Hub sends events in its order: what came later is newer, whatever its publisher's clock says.
          if (contexts.reopens(message) && number > this.#made) reopened();
          else dispatcher.ignore(id);
        });
    }
  }

  // ---- Publishing ----------------------------------------------------------------------------------------------------

  /**
   * Publishes any event.
   * @param versionId `context.versionId`, for events that carry one
   * @throws HubError
   */
  async publish(name: EventName, context: readonly ContextElement[], versionId?: string): Promise<Published> {
    const core = this.#core;
    const sent = core.make(name, context, versionId);
    const answer = await core.post(sent);
    if (!answer.ok) throw new HubError(answer.status, answer.reason);
    const { id, timestamp } = sent;
    if (CHANGES.test(name) && core.session && !this.#dispatcher.knows(id)) this.#verifier.owe(id, core.receives(name));
    return { id, timestamp };
  }

  /**
   * Opens a context of any type. The named methods below are shorter for the usual ones.
   * @param others further elements that the event's definition has, by key
   * @throws HubError
   */
  open(anchor: AnyResource, others: Readonly<Record<string, AnyResource | readonly AnyResource[] | undefined>> = {}) {
    return this.publish(`${anchor.resourceType}-open`, opened(anchor, others));
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
    return this.open(study, others);
  }

  /** @throws HubError */
  openReport(
    report: AnyResource,
    {
      patient,
      ...others
    }: { patient: AnyResource; study?: AnyResource | readonly AnyResource[]; encounter?: AnyResource },
  ) {
    return this.open(report, { ...others, patient });
  }

  /**
   * Asks the other applications whether they would follow, before a context is opened: those that give `follow` a `may`. It
   * changes nothing.
   * @param anchor the resource that would be opened; undefined for `Home-open`
   * @param others as for `open`
   * @param expected names of the applications to wait for; those that do not answer are said to be `unasked`
   * @param within ms until the answers that are there count (default 1000)
   * @throws HubError
   */
  survey(
    anchor: AnyResource | undefined,
    {
      others = {},
      expected = [],
      within = 1000,
    }: {
      others?: Readonly<Record<string, AnyResource | readonly AnyResource[] | undefined>>;
      expected?: readonly string[];
      within?: number;
    } = {},
  ): Promise<readonly Consent[]> {
    const name = anchor ? `${anchor.resourceType}-open` : 'Home-open';
    return this.#surveys.ask(name, anchor ? opened(anchor, others) : [], expected, within);
  }

  /**
   * Closes a context, the current one unless another is named.
   * @throws HubError, with status 409 when there is nothing to close
   */
  async close(context: Pick<Context, 'type' | 'elements'> = this.#core.needContext()): Promise<Published> {
    return this.publish(`${context.type}-close`, context.elements);
  }

  /**
   * Changes the current context's shared content, and returns once the change has come back from the Hub.
   * @param changes the changes; or a function that makes them from the content as it is, called again with newer content
   *   each time another application was faster
   * @throws HubError, with status 409 when another application was faster and `changes` is no function
   */
  update(changes: Changes): Promise<void> {
    return this.#updater.update(changes);
  }

  /**
   * Selects resources of the current context's content; none clears the selection.
   * @param resources references (`Type/id`) or resources
   * @throws HubError
   */
  async select(resources: readonly (string | AnyResource)[]): Promise<Published> {
    const current = this.#core.needContext();
    return this.publish(`${current.type}-select`, selected(current, resources));
  }

  /** The user goes to a page without context. @throws HubError */
  home(): Promise<Published> {
    return this.publish('Home-open', []);
  }

  /** The user's session ended. @param code why, of FHIRcast's logout codes @throws HubError */
  logout(code = 'user-initiated'): Promise<Published> {
    return this.publish('UserLogout', ending('logout', code));
  }

  /** The user's session is suspended. @param code why, of FHIRcast's hibernate codes @throws HubError */
  hibernate(code = 'user-initiated'): Promise<Published> {
    return this.publish('UserHibernate', ending('hibernate', code));
  }
}
