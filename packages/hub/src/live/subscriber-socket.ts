import { parseSubscriberMessage } from '@lockstep/fhircast';
import { type Channel, type Clock, type Moment, momentOf, runningTime } from '../ports.ts';
import { afterSending, type Interest, newInterest, regranted, selected } from '../rules/audience.ts';
import { changesContext } from '../rules/changes-context.ts';
import {
  answered,
  type Conversation,
  delayed,
  elapsed,
  isOwed,
  newConversation,
  nextDeadline,
  SLOW_ANSWER,
  sent,
  unacknowledged,
  withoutLost,
} from '../rules/conversation.ts';
import { isKnownToAnswer } from '../rules/following.ts';
import type { Subscription } from '../rules/session-state.ts';
import { AnswerTimer, type Waiting } from './answer-timer.ts';
import { CatchUp, type CaughtUpSession, type Missed } from './catch-up.ts';
import type { Delivery, Sendable } from './delivery.ts';
import { bytesOf } from './spelling.ts';
import { outcomeOf, type SubscriberListener } from './subscriber-listener.ts';

const PONG = { type: 'pong' };

/** A connection that works brings a sign of life within this time, ms of running time. */
const PROBE_MS = 1000;

export interface SocketListener extends SubscriberListener {
  /** More is waiting to be sent than the limit allows (ERR-7). */
  overflowed(socket: SubscriberSocket): void;
  /** Nothing is sent through this socket any more, for whatever reason. */
  ended(socket: SubscriberSocket): void;
}

export interface SubscriberSocketOptions {
  readonly answerMs: number;
  readonly maxBufferedBytes: number;
  readonly derivesOpens: boolean;
}

/** A subscriber that is connected here: what it is sent, and what it answers. */
export class SubscriberSocket implements Waiting {
  readonly channel: Channel;
  /** Frames that were no answer (ERR-1). */
  ignored = 0;
  readonly #clock: Clock;
  readonly #listener: SocketListener;
  readonly #options: SubscriberSocketOptions;
  #subscription: Subscription;
  #conversation: Conversation;
  #interest: Interest;
  /** What brings it up to date, while it is not. */
  #catchUp: CatchUp | undefined;
  #closed = false;
  /** A ping waits for its answer until what was sent before is read. */
  #pongIsDue = false;
  /**
   * Subscriptions of its client, user and name that have begun since it was last heard of, by id, with when it was asked for a sign of life
   * thereupon, ms of running time: its application may have been started again as one of them.
   */
  #begunSince: Map<string, number> | undefined;
  readonly #timer: AnswerTimer;

  constructor(
    subscription: Subscription,
    channel: Channel,
    clock: Clock,
    listener: SocketListener,
    options: SubscriberSocketOptions,
    timer = new AnswerTimer(clock),
  ) {
    this.channel = channel;
    this.#clock = clock;
    this.#listener = listener;
    this.#options = options;
    this.#timer = timer;
    this.#subscription = subscription;
    this.#conversation = newConversation(subscription.acknowledgements);
    this.#interest = newInterest(subscription.events, options.derivesOpens);
  }

  get subscription(): Subscription {
    return this.#subscription;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Number of the last context change that the subscriber followed (ERR-8). */
  get followed(): number {
    return this.#conversation.followed;
  }

  /**
   * Whether an answer to a context change is missing (ERR-8): it is an application that answers, and it has followed neither the last
   * change that it was sent, or was to be sent, nor a later one.
   */
  get owesAnswer(): boolean {
    const answers = this.#conversation.armed || isKnownToAnswer(this.#subscription);
    return answers && (this.#catchUp !== undefined || isOwed(this.#conversation));
  }

  /** Takes over a renewed subscription (SUB-6). */
  grant(subscription: Subscription): void {
    this.#subscription = subscription;
    this.#interest = regranted(this.#interest, subscription.events);
  }

  /** Sends a message that asks for no answer: a confirmation, a denial, a pong. */
  say(message: unknown): void {
    if (!this.#closed) this.channel.send(JSON.stringify(message));
  }

  /** Sends an event that asks for no answer and is not part of the log; not while earlier ones wait to be read (ERR-7). */
  tell(event: Sendable): void {
    if (this.#closed || this.channel.buffered > this.#options.maxBufferedBytes) return;
    const { spelling } = this.#subscription;
    this.channel.send(spelling ? bytesOf(event, spelling) : event.bytes);
  }

  /**
   * Brings the subscriber up to date, as fast as it reads; what happens meanwhile comes after that. It replaces what was under
   * way before.
   */
  bring(missed: Missed, session: CaughtUpSession): void {
    this.#catchUp?.end();
    if (this.#closed) return;
    this.#catchUp = new CatchUp(missed, {
      subscription: this.#subscription.id,
      channel: this.channel,
      session,
      send: (delivery) => this.#offer(delivery),
      done: () => {
        this.#catchUp = undefined;
        session.caughtUp(this.#subscription.id);
      },
    });
    this.#catchUp.start();
  }

  /** The log has lost what came after a number, and may have others there now: no answer to what is lost counts (SUB-11, ERR-8). */
  goBack(after: number): void {
    this.#conversation = withoutLost(this.#conversation, after);
  }

  /** Sends standing opens of a renewed subscription; those that it finds in the log are left to their turn (SUB-6). */
  begin(standing: readonly Delivery[]): void {
    for (const open of standing) if (open.number <= (this.caughtUpTo ?? open.number)) this.#offer(open);
  }

  /** Number up to which the subscriber was sent everything; undefined where it was sent all that has happened. */
  get caughtUpTo(): number | undefined {
    return this.#catchUp?.after;
  }

  /**
   * Sends an event that has just happened. One that is catching up finds it in the log when its turn comes.
   * @param moment now, read once for all who are sent the event
   */
  deliver(delivery: Delivery, moment = momentOf(this.#clock)): void {
    if (this.#catchUp === undefined) this.#offer(delivery, moment);
    // However long that takes, it does not show it yet (ERR-8).
    else if (changesContext(delivery.name) && this.#takes(delivery)) this.#await(delivery.sendable, delivery, moment);
  }

  /** Whether it is sent the event as it is. */
  #takes(delivery: Delivery): boolean {
    if (this.#closed || delivery.except === this.#subscription.id) return false;
    return selected(this.#interest, delivery)[0] === delivery.sendable;
  }

  /** Sends the event if it was subscribed to, or else what is derived from it and was (PUB-3, DER-1, DER-2). */
  #offer(delivery: Delivery, moment = momentOf(this.#clock)): void {
    if (this.#closed || delivery.except === this.#subscription.id) return;
    for (const event of selected(this.#interest, delivery)) this.#send(event, delivery, moment);
  }

  /** Delivers again unless the event was acknowledged with 2xx (PUB-7). */
  redeliver(delivery: Delivery): void {
    const ids = unacknowledged(this.#conversation, delivery.id);
    if (this.#closed || ids.length === 0) return;
    for (const event of [delivery.sendable, ...delivery.derived]) {
      if (ids.includes(event.id)) this.#send(event, delivery, momentOf(this.#clock));
    }
  }

  #send(event: Sendable, original: Delivery, moment: Moment): void {
    if (this.#closed) return;
    const { spelling } = this.#subscription;
    this.#interest = afterSending(this.#interest, event, original);
    this.channel.send(spelling ? bytesOf(event, spelling) : event.bytes);
    // One that is catching up is sent no more than it reads.
    if (this.#catchUp === undefined && this.channel.buffered > this.#options.maxBufferedBytes) {
      this.#listener.overflowed(this);
      return;
    }
    if (original.isAnswered) this.#await(event, original, moment);
    this.#listener.delivered(this.#subscription, event.id, event.name, original.keepsCurrent, moment.now);
  }

  #await({ id }: Sendable, original: Delivery, { running }: Moment): void {
    // In whole ms, so that all who are sent an event at once share what is waited for.
    const sentAt = Math.floor(running);
    this.#conversation = sent(this.#conversation, original.awaitedAs(id, sentAt));
    this.#timer.wait(this, sentAt + Math.min(SLOW_ANSWER, this.#options.answerMs));
  }

  get due(): number | undefined {
    return this.#closed ? undefined : nextDeadline(this.#conversation, this.#options.answerMs);
  }

  expire(): void {
    const due = this.#conversation.armed;
    const now = runningTime(this.#clock);
    const { conversation, unanswered } = elapsed(this.#conversation, now, this.#options.answerMs);
    const late = delayed(conversation, now);
    this.#conversation = late.conversation;
    if (late.about) this.#listener.delayed(this.#subscription, late.about, conversation.followed);
    for (const { about, misses } of unanswered) {
      if (this.#closed) return;
      const { followed } = conversation;
      this.#listener.unanswered(this.#subscription, about, { misses, due, followed, begunSince: this.begunSince() });
    }
  }

  /** There was a sign of life: what has begun until now is another application. */
  heard(): void {
    this.#begunSince = undefined;
  }

  /** A subscription of its client, user and name has begun. Whether this connection works is not known until something comes through it. */
  begun(id: string): void {
    this.#begunSince ??= new Map();
    const since = this.#begunSince;
    since.set(id, Number.POSITIVE_INFINITY);
    this.channel.probe?.();
    const asked = (): unknown => since.set(id, runningTime(this.#clock));
    // One that reads slowly is asked once it has read what it was sent before.
    if (this.channel.buffered === 0) asked();
    else this.channel.onDrain(asked);
  }

  /**
   * Subscriptions as which its application may have been started again, since nothing was heard of it from before they began on (ERR-8).
   * @param isSilent whether it is known to have been silent for longer than a sign of life takes
   */
  begunSince(isSilent = false): readonly string[] {
    if (!this.#begunSince) return [];
    const until = isSilent ? Number.POSITIVE_INFINITY : runningTime(this.#clock) - PROBE_MS;
    return [...this.#begunSince].filter(([, at]) => at <= until).map(([id]) => id);
  }

  /** Takes a text frame from the subscriber (ERR-1). */
  received(text: string): void {
    this.heard();
    const message = parseSubscriberMessage(text);
    if (message.kind === 'ping') this.#pong();
    else if (message.kind === 'answer') this.answered(message.id, message.status, message.reason);
    else this.ignored += 1;
  }

  /** One answer stands for all pings that come before the subscriber has read what it was sent: nobody pings the Hub full (ERR-7). */
  #pong(): void {
    if (this.#pongIsDue) return;
    if (this.channel.buffered === 0) {
      this.say(PONG);
      return;
    }
    this.#pongIsDue = true;
    this.channel.onDrain(() => {
      this.#pongIsDue = false;
      this.say(PONG);
    });
  }

  /** Takes an answer, however it arrived. */
  answered(eventId: string, status: number, reason?: string): void {
    const outcome = outcomeOf(status);
    const { quiet } = this.#conversation;
    const { conversation, about } = answered(this.#conversation, eventId, outcome);
    this.#conversation = conversation;
    // It answers again: answers to what it was sent meanwhile may be due.
    if (quiet) this.#timer.wait(this);
    const { followed } = conversation;
    this.#listener.answered(this.#subscription, { eventId, status, outcome, about, reason, followed });
  }

  /** Forgets timers; nothing is sent any more. */
  end(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#catchUp?.end();
    this.#timer.forget(this);
    this.#listener.ended(this);
  }
}
