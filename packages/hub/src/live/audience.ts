import { type EventMessage, FOLLOWING_EVENT } from '@lockstep/fhircast';
import { type Channel, type Clock, momentOf } from '../ports.ts';
import { standingOpens } from '../rules/current-context.ts';
import { followingEvent, isSameApplication } from '../rules/following.ts';
import { wantsHeartbeats } from '../rules/heartbeat.ts';
import type { SessionState, Subscription } from '../rules/session-state.ts';
import { standingSince } from '../rules/told.ts';
import type { Ended } from '../stored/session-notices.ts';
import { AnswerTimer } from './answer-timer.ts';
import type { CaughtUpSession, Missed } from './catch-up.ts';
import { confirmation, denial } from './control-messages.ts';
import { Delivery, unlogged } from './delivery.ts';
import type { SubscriberCallback } from './subscriber-callback.ts';
import { type SocketListener, SubscriberSocket, type SubscriberSocketOptions } from './subscriber-socket.ts';

export interface AudienceOptions extends SubscriberSocketOptions {
  readonly nodeId: string;
}

/** What subscribers are told where no reason is known. */
const ENDED = 'The subscription has ended';
/** How long the notice with the reason may take, ms. */
const REASON_WAIT = 1000;

/** What a renewed subscription is sent of what stands open (SUB-6, SUB-8). */
function standingOf(state: SessionState, had: Subscription, { events }: Subscription): readonly Delivery[] {
  return standingSince(standingOpens(state), had.events, events).map((open) => new Delivery(open));
}

/** Those whom this node sends the events of one topic: connected subscribers, and callbacks that it posts to. */
export class Audience {
  readonly sockets = new Map<string, SubscriberSocket>();
  readonly callbacks = new Map<string, SubscriberCallback>();
  /** Denies a subscriber, by the id of its subscription, for the reason that a notice gives. */
  #reasonsToCome: Map<string, (reason: string) => void> | undefined;
  /** Ids of subscriptions that came back and are still sent what they missed: who follows is said after that. */
  #returning: Set<string> | undefined;
  /** The subscriptions of the state that everybody was brought in line with last. */
  #subscriptions: SessionState['subscriptions'] | undefined;
  readonly #topic: string;
  readonly #clock: Clock;
  readonly #listener: SocketListener;
  readonly #options: AudienceOptions;
  readonly #lastSent: () => string | undefined;
  readonly #timer: AnswerTimer;

  /** @param lastSent id of the last event of the log that went to everybody who is up to date */
  constructor(
    topic: string,
    clock: Clock,
    listener: SocketListener,
    options: AudienceOptions,
    lastSent: () => string | undefined,
  ) {
    this.#lastSent = lastSent;
    this.#topic = topic;
    this.#clock = clock;
    this.#timer = new AnswerTimer(clock);
    this.#listener = listener;
    this.#options = options;
  }

  get empty(): boolean {
    return this.sockets.size === 0 && this.callbacks.size === 0 && !this.awaitsReasons;
  }

  /** Whether a notice of another node is to say why subscriptions have ended. */
  get awaitsReasons(): boolean {
    return this.#reasonsToCome !== undefined && this.#reasonsToCome.size > 0;
  }

  deliver(delivery: Delivery): void {
    const moment = momentOf(this.#clock);
    for (const socket of this.sockets.values()) socket.deliver(delivery, moment);
    for (const callback of this.callbacks.values()) callback.offer(delivery);
  }

  /** To those that have not acknowledged it (PUB-7). */
  redeliver(delivery: Delivery): void {
    for (const socket of this.sockets.values()) socket.redeliver(delivery);
    for (const callback of this.callbacks.values()) callback.redeliver(delivery);
  }

  /**
   * Connects a subscriber, which is sent its confirmation and what it missed, and from then on each event.
   * @param session what it catches up with
   * @param isNew it was never connected before
   */
  connect(
    subscription: Subscription,
    channel: Channel,
    state: SessionState,
    missed: Missed,
    session: CaughtUpSession,
    isNew: boolean,
  ): SubscriberSocket {
    const earlier = this.sockets.get(subscription.id);
    if (earlier) {
      this.detach(earlier);
      earlier.channel.close(1000, 'Connected elsewhere');
    }
    const socket = new SubscriberSocket(subscription, channel, this.#clock, this.#listener, this.#options, this.#timer);
    this.sockets.set(subscription.id, socket);
    socket.say(confirmation(subscription, this.#topic, this.#clock.now()));
    socket.bring(missed, session);
    // A SyncError that it missed may be over: the list comes after it, and counts.
    if (isNew || socket.caughtUpTo === undefined) this.#sayFollowing(socket, state);
    else {
      this.#returning ??= new Set();
      this.#returning.add(subscription.id);
    }
    return socket;
  }

  /** A subscriber has been sent all that it missed. */
  caughtUp(id: string, state: SessionState | undefined): void {
    const socket = this.sockets.get(id);
    // Where the state is not known it is read again, and told then.
    if (this.#returning?.delete(id) && socket && state) this.#sayFollowing(socket, state);
  }

  /** Takes a socket out whose channel is gone. @returns false when it was replaced or ended before */
  detach(socket: SubscriberSocket): boolean {
    const { id } = socket.subscription;
    const held = this.sockets.get(id) === socket;
    socket.end();
    if (held) {
      this.sockets.delete(id);
      this.#returning?.delete(id);
    }
    return held;
  }

  /**
   * Brings everybody in line with the state: ended ones get the reason, renewed ones what they now have.
   * @param reasonsFollow a reason that is missing is in a notice of another node that is still under way
   * @returns ids of those that are connected here although the state says that they are disconnected
   */
  reconcile(state: SessionState, ended: readonly Ended[] = [], reasonsFollow = false): readonly string[] {
    const here: string[] = [];
    this.#lookForSuccessors(state);
    for (const [id, socket] of this.sockets) {
      const subscription = state.subscriptions.get(id);
      const why = ended.find(({ ids }) => ids.includes(id))?.reason;
      if (!subscription && why === undefined && reasonsFollow) this.#endWithReasonToCome(socket);
      else if (!subscription) this.#end(socket, why ?? ENDED);
      else if (subscription.presence?.is === 'away') here.push(id);
      else if (subscription.node !== this.#options.nodeId) {
        this.detach(socket);
        socket.channel.close(1000, 'Connected elsewhere');
      } else if (subscription !== socket.subscription) this.#renew(socket, subscription, state);
    }
    this.#reconcileCallbacks(state);
    return here;
  }

  /** Who is connected here may have been started again as one that has just subscribed (ERR-8). */
  #lookForSuccessors({ subscriptions }: SessionState): void {
    const before = this.#subscriptions;
    this.#subscriptions = subscriptions;
    if (!before || before === subscriptions) return;
    for (const one of subscriptions.values()) {
      if (before.has(one.id)) continue;
      for (const socket of this.sockets.values()) {
        if (socket.subscription.id !== one.id && isSameApplication(socket.subscription, one)) socket.begun(one.id);
      }
    }
  }

  #renew(socket: SubscriberSocket, subscription: Subscription, state: SessionState): void {
    const had = socket.subscription;
    socket.grant(subscription);
    // The same subscription read again from the store is no news.
    if (had.renewals === subscription.renewals) return;
    socket.say(confirmation(subscription, this.#topic, this.#clock.now()));
    socket.begin(standingOf(state, had, subscription));
    // Who asks for it now has not been told before.
    const { id, events } = had;
    if (!events.includes(FOLLOWING_EVENT) && !this.#returning?.has(id)) this.#sayFollowing(socket, state);
  }

  #reconcileCallbacks(state: SessionState): void {
    for (const [id, callback] of this.callbacks) {
      const subscription = state.subscriptions.get(id);
      if (subscription?.node !== this.#options.nodeId) {
        callback.end();
        this.callbacks.delete(id);
      } else if (subscription !== callback.subscription) {
        const had = callback.subscription;
        callback.grant(subscription);
        if (had.renewals !== subscription.renewals) callback.begin(standingOf(state, had, subscription));
      }
    }
  }

  /** ERR-8: says who does not follow, to those who asked for it. */
  tellFollowing(state: SessionState): void {
    for (const [id, socket] of this.sockets) if (!this.#returning?.has(id)) this.#sayFollowing(socket, state);
  }

  /** Id of the last event of the log that it was sent; undefined while it is catching up. */
  #lastSeen({ caughtUpTo }: SubscriberSocket): string | undefined {
    return caughtUpTo === undefined ? this.#lastSent() : undefined;
  }

  /** A heartbeat for those who asked for it. @param make is given the id of the last event of the log that they have been sent */
  beat(make: (lastSeen: string | undefined) => EventMessage): void {
    const beats = new Map<string | undefined, Delivery>();
    for (const socket of this.sockets.values()) {
      if (!wantsHeartbeats(socket.subscription)) continue;
      const lastSeen = this.#lastSeen(socket);
      const beat = beats.get(lastSeen) ?? unlogged(make(lastSeen));
      beats.set(lastSeen, beat);
      socket.tell(beat.sendable);
    }
  }

  #sayFollowing(socket: SubscriberSocket, state: SessionState): void {
    const { events, spelling } = socket.subscription;
    if (!events.includes(FOLLOWING_EVENT)) return;
    const gets = (event: string): boolean => events.includes(event) || events.includes('*');
    const topic = spelling?.topic ?? this.#topic;
    socket.say(followingEvent(state, topic, gets, this.#clock.now(), this.#lastSeen(socket)));
  }

  /** Denial, normal close (SUB-5, SUB-9, SUB-10). */
  #end(socket: SubscriberSocket, reason: string): void {
    this.detach(socket);
    this.#deny(socket, reason);
  }

  #deny({ subscription, channel }: SubscriberSocket, reason: string): void {
    channel.send(JSON.stringify(denial(subscription, this.#topic, reason)));
    channel.close(1000, 'Subscription ended');
  }

  /** Nothing more goes to the subscriber but its denial, once another node's notice says why; without one after `REASON_WAIT`. */
  #endWithReasonToCome(socket: SubscriberSocket): void {
    const { id } = socket.subscription;
    this.detach(socket);
    const deny = (reason: string): void => {
      cancel();
      this.#reasonsToCome?.delete(id);
      this.#deny(socket, reason);
    };
    const cancel = this.#clock.after(REASON_WAIT, () => deny(ENDED));
    this.#reasonsToCome ??= new Map();
    this.#reasonsToCome.set(id, deny);
  }

  /** A notice says why subscriptions have ended that are gone already. */
  explain(ended: readonly Ended[]): void {
    for (const { ids, reason } of ended) for (const id of ids) this.#reasonsToCome?.get(id)?.(reason);
  }

  /** The session is gone: every subscriber is denied (SES-5). */
  endAll(reason: string): void {
    for (const deny of [...(this.#reasonsToCome?.values() ?? [])]) deny(ENDED);
    for (const socket of [...this.sockets.values()]) this.#end(socket, reason);
    this.#endCallbacks();
  }

  /** The Hub stops: subscribers return, and no loss is reported (SUB-11). */
  close(): void {
    for (const deny of [...(this.#reasonsToCome?.values() ?? [])]) deny(ENDED);
    for (const socket of [...this.sockets.values()]) {
      this.detach(socket);
      socket.channel.close(1012, 'The Hub restarts');
    }
    this.#endCallbacks();
  }

  #endCallbacks(): void {
    for (const callback of this.callbacks.values()) callback.end();
    this.callbacks.clear();
  }
}
