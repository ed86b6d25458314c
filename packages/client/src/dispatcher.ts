import {
  contextAction,
  type EventMessage,
  eventKey,
  type JsonObject,
  objectsIn,
  syncErrorOutcome,
  textOf,
} from '@lockstep/fhircast';
import { ask, FOLLOWED, followed, type Handled, type HandlerOutcome, unlessRefused } from './answers.ts';
import type { Context } from './context.ts';
import { bound, type Core, remember } from './core.ts';
import { HubEvent } from './events.ts';
import type { Following } from './following.ts';
import { type Follower, type Handler, HubError } from './options.ts';
import { Resender } from './resender.ts';

/** @param asks whether a follower is asked whether it may: who has left the session is not */
function run(
  follower: Follower,
  context: Context | undefined,
  event: HubEvent,
  asks = true,
): Handled | Promise<Handled> {
  if (typeof follower === 'function') return follower(context, event);
  const may = asks ? follower.may(context, event) : true;
  return unlessRefused(may, () => follower.show(context, event));
}

/** Asks the application's handlers about events, tells the Hub what they say, and keeps what they have taken. */
export class Dispatcher {
  readonly #core: Core;
  readonly #handlers = new Map<string, Set<Handler<string>>>();
  readonly #followers = new Set<Follower>();
  /** What was said of recent events; undefined while handlers are at work. */
  readonly #seen = new Map<string, HandlerOutcome | undefined>();
  readonly #superseded = new Set<string>();
  readonly #resender: Resender;
  readonly #following: Following;
  /** The event that made the current context, and what our handlers say of it. */
  #latest: HubEvent | undefined;
  #latestOutcome: HandlerOutcome | Promise<HandlerOutcome> = FOLLOWED;
  #deciding = false;
  /** Other events of the current context that handlers have not decided about. */
  readonly #atWork = new Set<HubEvent>();

  /** The current context as the handlers have taken it; undefined for none. */
  shown: Context | undefined;
  /** Why the application does not follow the current context; undefined when it does, or has not said. */
  refusal: string | undefined;
  /** The last update of the current context was not taken. */
  #refusedUpdate = false;

  constructor(core: Core, following: Following) {
    this.#core = core;
    this.#following = following;
    this.#resender = new Resender(core, (who) => following.follows(who));
  }

  /** Why handlers have not finished with the current context; '' when they have. */
  get busy(): string {
    if (this.#deciding || this.#atWork.size > 0) return 'a handler is at work';
    return this.#refusedUpdate ? 'an update was not taken' : '';
  }

  on(name: string, handler: Handler<never>): () => void {
    const key = eventKey(name);
    const handlers = this.#handlers.get(key) ?? new Set();
    this.#handlers.set(key, handlers);
    handlers.add(handler as Handler<string>);
    return () => handlers.delete(handler as Handler<string>);
  }

  follow(follower: Follower): () => void {
    this.#followers.add(follower);
    const latest = this.#latest;
    const { current } = this.#core.contexts;
    const { report } = this.#core;
    if (latest && current) this.#conclude(latest, ask([() => run(follower, current, latest)], report), true, 202);
    return () => this.#followers.delete(follower);
  }

  /** Whether the application would follow, without showing anything; undefined when nothing of it can be asked. */
  consent(context: Context | undefined, event: HubEvent): HandlerOutcome | Promise<HandlerOutcome> | undefined {
    const mays = [...this.#followers].flatMap((one) =>
      typeof one === 'function' ? [] : [() => one.may(context, event)],
    );
    return mays.length > 0 ? ask(mays, this.#core.report) : undefined;
  }

  /** What was said of the context so far, and what is still to be said, counts no more. */
  forget(): void {
    this.#deciding = false;
    this.#atWork.clear();
    this.#refusedUpdate = false;
    this.refusal = undefined;
    this.#resender.stop();
  }

  /**
   * Whether the event was handled before and needs nothing more, or is with its handlers still. One that was refused is
   * handled again: asked again, the handlers may think better of it (PUB-7).
   */
  handled(id: string): boolean {
    if (!this.#seen.has(id)) return false;
    const outcome = this.#seen.get(id);
    if (outcome && !followed(outcome)) return false;
    if (outcome) this.#answer(id, outcome.status);
    return true;
  }

  /** Whether the event was received. */
  knows(id: string): boolean {
    return this.#seen.has(id);
  }

  /** Answers an event that the handlers are not asked about. */
  ignore(id: string): void {
    this.#remember(id, { status: 202, reason: '' });
    this.#answer(id, 202);
  }

  #asking(event: HubEvent): (() => Handled | Promise<Handled>)[] {
    const handlers = [...(this.#handlers.get(eventKey(event.name)) ?? []), ...(this.#handlers.get('*') ?? [])];
    return handlers.map((handler) => () => handler(event));
  }

  /** Lets the handlers see an event that is answered later, when it is known what is current. */
  inform(event: HubEvent): void {
    void ask(this.#asking(event), this.#core.report);
  }

  /** @param moved the event is about which context is current */
  dispatch(event: HubEvent, moved: boolean): void {
    const { contexts, link, report, show } = this.#core;
    const { current } = contexts;
    if (moved) {
      // Over: what comes after a return is new.
      if (!link) this.#seen.clear();
      if (this.#latest) {
        HubEvent.supersede(this.#latest);
        if (link && this.#latest.id !== event.id) remember(this.#superseded, this.#latest.id);
      }
      this.#latest = event;
      this.forget();
      this.#following.moved();
    }
    // Watchers see the new context before handlers are asked about it.
    show();
    const handlers = this.#asking(event);
    if (moved) for (const follower of this.#followers) handlers.push(() => run(follower, current, event, !!link));
    const outcome = ask(handlers, report);
    if (moved) this.#latestOutcome = outcome;
    this.#conclude(event, outcome, moved);
  }

  /** The event makes current what is current already, by a reading or by an event of the same id. */
  reopened(event: HubEvent): void {
    const asked = this.#latest;
    // Again the event of the current context, which the handlers did not follow before.
    if (asked?.id === event.id) {
      this.dispatch(event, true);
      return;
    }
    // The handlers were asked when the reading was adopted.
    this.#latest = event;
    this.#following.moved();
    this.#conclude(event, this.#latestOutcome, true);
    if (asked && !asked.derived) remember(this.#superseded, asked.id);
  }

  /**
   * Answers the Hub with what the handlers say, in time.
   * @param moved the event is about which context is current
   * @param told the status that was sent to the Hub; 0 for none
   */
  #conclude(event: HubEvent, outcome: HandlerOutcome | Promise<HandlerOutcome>, moved: boolean, told = 0): void {
    if ('status' in outcome) {
      this.#concluded(event, outcome, moved, told);
      return;
    }
    const { options, ports, settle } = this.#core;
    if (told === 0) this.#remember(event.id, undefined);
    if (moved) this.#deciding = true;
    else this.#atWork.add(event);
    const accept = () => {
      if (told === 0) this.#answer(event.id, 202);
      told ||= 202;
    };
    const cancelAnswer = ports.clock.after(options.answerWithin, () => {
      // A Hub that tells who follows says meanwhile who has not answered yet, and takes 202 for following.
      if (!moved || !this.#following.tells) accept();
    });
    const cancelDecision = ports.clock.after(options.decideWithin, () => {
      if (moved && this.#latest === event) {
        this.#refuse(event, 'no decision in time', told);
        told ||= 409;
      } else accept();
    });
    settle();
    void outcome.then((final) => {
      cancelAnswer();
      cancelDecision();
      if (!moved) this.#atWork.delete(event);
      else if (this.#latest === event) this.#deciding = false;
      this.#concluded(event, final, moved, told);
    });
  }

  #concluded(event: HubEvent, outcome: HandlerOutcome, moved: boolean, told: number): void {
    this.#remember(event.id, outcome);
    const good = followed(outcome);
    if (told === 0) this.#answer(event.id, outcome.status, outcome.reason);
    if (moved && this.#latest === event) {
      if (good) {
        this.shown = this.#core.contexts.current;
        // Observers of the session learn that a refusal was taken back.
        if (this.refusal !== undefined && told > 0) this.#answer(event.id, outcome.status);
        this.refusal = undefined;
      } else if (told > 0) this.#refuse(event, outcome.reason, told);
      else this.refusal = outcome.reason;
    } else if (contextAction(event.name)?.action === 'update') this.#refusedUpdate = !good;
    this.#core.settle();
  }

  /**
   * The application does not follow after all. A Hub that has its 202 may not take another answer for it: then a SyncError says
   * it (2.5), and the answer reaches a Hub whose HTTP hangs.
   * @param told the status that was sent to the Hub; 0 for none
   */
  #refuse(event: HubEvent, reason: string, told: number): void {
    const core = this.#core;
    this.refusal = reason;
    core.settle();
    this.#answer(event.id, 409, reason);
    if (event.id === '' || told !== 202) return;
    const subscriberName = core.options.name ?? 'an application';
    const cause = {
      eventId: event.id,
      eventName: event.name,
      subscriberName,
      diagnostics: `${subscriberName} did not follow: ${reason}`,
      severity: 'warning' as const,
    };
    const message = core.make('SyncError', [{ key: 'operationoutcome', resource: syncErrorOutcome(cause) }]);
    void this.#insist(message, event);
  }

  /** A new connection: what was said over the old one may not have arrived. */
  remind(): void {
    if (this.#latest && this.refusal !== undefined) this.#refuse(this.#latest, this.refusal, 202);
  }

  /** Says it to the others until it has arrived, or a newer context came. */
  async #insist(message: EventMessage, event: HubEvent): Promise<void> {
    const { api, report } = this.#core;
    while (this.#latest === event && this.refusal !== undefined) {
      const sent = await api.publish(message);
      if (sent.ok) return;
      if (sent.kind !== 'unavailable') {
        report(new HubError(sent.status, `the SyncError was not sent: ${sent.reason}`));
        return;
      }
      await this.#core.pause(sent.retryAfter || 2000);
    }
  }

  /**
   * Somebody did not follow.
   * @param update whether the event, by its id, was an update that was awaited: its sender is informed
   */
  syncError(event: HubEvent, update: (id: string, reason: string) => boolean): void {
    const outcome = event.elements.find((one) => one.key === 'operationoutcome')?.resource;
    const [issue = {}] = objectsIn(outcome?.issue);
    const codings = objectsIn((issue.details as JsonObject | undefined)?.coding);
    const code = (kind: RegExp) => textOf(codings.find(({ system }) => kind.test(textOf(system)))?.code);
    const about = code(/\/eventid$/);
    // The specification's example says "subscriber", its profile "subscribername".
    const who = code(/\/subscriber(name)?$/);
    const reason = textOf(issue.diagnostics) || 'an application did not follow';
    if (update(about, reason)) return;
    if (event.mine) return;
    // By its id alone: the Hub's clock may be behind that of who opened the context.
    if (about !== '' && this.#superseded.has(about)) return;
    this.#following.objected(who, event, reason, about);
    this.#resender.objected(who, about, this.#latest);
  }

  /** @param reason why not, for people; Hubs that do not know the field leave it out (ERR-1) */
  #answer(id: string, status: number, reason = ''): void {
    if (id === '') return;
    this.#core.link?.send(JSON.stringify({ id, status, ...(status >= 300 && reason !== '' && { reason }) }));
  }

  #remember(id: string, outcome: HandlerOutcome | undefined): void {
    if (id === '') return;
    this.#seen.delete(id);
    this.#seen.set(id, outcome);
    bound(this.#seen);
  }
}
