import { StoreUnavailable } from '@lockstep/store';
import { type Clock, type Ids, runningTime } from '../ports.ts';
import type { Decision, Made, SessionCommand } from '../rules/commands.ts';
import type { Awaited } from '../rules/conversation.ts';
import type { Policy } from '../rules/policy.ts';
import type { SessionState, Subscription } from '../rules/session-state.ts';
import type { Activity } from './activity.ts';
import type { Background } from './background.ts';
import type { CallbackListener } from './subscriber-callback.ts';
import { howAnswered, type Silence, type SubscriberAnswer } from './subscriber-listener.ts';
import type { SocketListener, SubscriberSocket } from './subscriber-socket.ts';
import type { WebhookCalls } from './webhook-calls.ts';

/** WebSub, section 7: the subscription has been deleted over there. */
const GONE = 410;

/** The session that gets the reports. */
export interface ReportedSession {
  readonly topic: string;
  /** The state as last seen, where it is in memory. */
  readonly known: SessionState | undefined;
  execute(command: SessionCommand | ((state: SessionState | undefined) => SessionCommand)): Promise<Decision>;
  disconnected(socket: SubscriberSocket, code: number): void;
}

export interface ReportParts {
  readonly clock: Clock;
  readonly ids: Ids;
  readonly policy: Policy;
  readonly background: Background;
  readonly activity: Activity;
  readonly webhooks?: WebhookCalls | undefined;
}

interface Closed {
  readonly id: string;
  readonly code: number;
  readonly followed: number;
  readonly behind: boolean;
  readonly begunSince: readonly string[];
}

/** Close codes of a connection that broke, or that nobody reads: the peer did not close it. */
const BROKEN: readonly number[] = [1006, 1013];

/** Makes commands of what the subscribers of one session do, and of time that passes in it. */
export class SubscriberReports implements SocketListener, CallbackListener {
  readonly #session: ReportedSession;
  readonly #node: string;
  readonly #parts: ReportParts;
  /** Sockets that closed since the last command about them: many close at once, and are one change. */
  #closed: Closed[] = [];
  /** Subscribers that are about to be reported as not following, by the number of such commands under way. */
  #suspected: Map<string, number> | undefined;

  constructor(session: ReportedSession, node: string, parts: ReportParts) {
    this.#session = session;
    this.#node = node;
    this.#parts = parts;
  }

  /** What an event that the Hub makes needs (ERR-2). */
  made(): Made {
    const { ids, clock } = this.#parts;
    return { eventId: ids.uuid(), timestamp: new Date(clock.now()).toISOString() };
  }

  #later(command: (made: Made) => SessionCommand): void {
    const made = this.made();
    this.#parts.background.later(() => this.#session.execute(() => command(made)));
  }

  delivered(
    { id, subscriberName: subscriber }: Subscription,
    eventId: string,
    event: string,
    keepsCurrent: true | undefined,
    at: number,
  ): void {
    const { activity } = this.#parts;
    activity.counts.delivered += 1;
    if (!activity.isObserved) return;
    const about = { kind: 'delivered', subscription: id, subscriber, eventId, event } as const;
    activity.observe(this.#session.topic, keepsCurrent ? { ...about, keepsCurrent } : about, at);
  }

  answered(subscription: Subscription, answer: SubscriberAnswer): void {
    const { activity, clock } = this.#parts;
    const { eventId, status, about, outcome, reason, followed } = answer;
    const { id, channel, subscriberName: subscriber, clientId } = subscription;
    if (status !== 0) activity.counts.answered += 1;
    const ms = about ? Math.round(runningTime(clock) - about.sentAt) : 0;
    if (activity.isObserved) {
      const answered = { kind: 'answered', subscription: id, subscriber, eventId, status, ms, clientId } as const;
      activity.observe(this.#session.topic, answered);
    }
    if (!about) return;
    // Most answers say that all is well with one of whom nothing else is known.
    const isKnownGood = this.#session.known?.following.has(id) === false && !this.#suspected?.has(id);
    if (outcome === 'followed' && isKnownGood) return;
    const how = status === 0 ? 'could not be reached' : howAnswered(status);
    const command = (made: Made): SessionCommand => ({
      kind: 'answer',
      id,
      about,
      outcome,
      how,
      followed,
      ...(reason !== undefined && { reason }),
      ...(status === 0 && channel === 'webhook' && { unreached: true }),
      ...made,
    });
    if (outcome === 'followed') this.#later(command);
    else this.#suspect(id, command);
    if (channel === 'webhook' && status === GONE) {
      this.#later(() => ({ kind: 'deny', ids: [id], reason: 'The callback is gone' }));
    }
  }

  unanswered(subscription: Subscription, about: Awaited, news: Silence): void {
    const { id } = subscription;
    if (news.due) this.#observeSilence(subscription, about);
    this.#suspect(id, (made) => ({ kind: 'no-answer', id, about, ...news, ...made }));
  }

  #observeSilence({ id, subscriberName, clientId }: Subscription, about: Awaited): void {
    const { activity } = this.#parts;
    const observation = {
      kind: 'unanswered',
      subscription: id,
      subscriber: subscriberName,
      eventId: about.id,
      clientId,
    } as const;
    activity.observe(this.#session.topic, observation);
  }

  delayed({ id }: Subscription, about: Awaited, followed: number): void {
    this.#suspect(id, () => ({ kind: 'delayed', id, about, followed }));
  }

  /** An answer that comes while this is under way is reported after it. */
  #suspect(id: string, command: (made: Made) => SessionCommand): void {
    const made = this.made();
    this.#suspected ??= new Map();
    const suspected = this.#suspected;
    suspected.set(id, (suspected.get(id) ?? 0) + 1);
    this.#parts.background.later(() =>
      this.#session
        .execute(() => command(made))
        .then(() => {
          const left = (suspected.get(id) ?? 0) - 1;
          if (left > 0) suspected.set(id, left);
          else suspected.delete(id);
        }),
    );
  }

  gaveUp(subscription: Subscription, about: Awaited, misses: number): void {
    this.#observeSilence(subscription, about);
    const { maxMisses } = this.#parts.policy;
    if (misses < maxMisses) return;
    const reason = `${maxMisses} events in a row could not be delivered`;
    this.#later(() => ({ kind: 'deny', ids: [subscription.id], reason }));
  }

  advanced({ id }: Subscription, number: number): void {
    this.#parts.webhooks?.advanced(this.#session.topic, id, number);
  }

  failed(error: unknown): void {
    if (!(error instanceof StoreUnavailable)) this.#parts.background.failed(error);
  }

  overflowed(socket: SubscriberSocket): void {
    socket.channel.close(1013, 'Too many events are waiting to be read');
    this.#session.disconnected(socket, 1013);
  }

  ended(socket: SubscriberSocket): void {
    const { counts } = this.#parts.activity;
    counts.connected -= 1;
    counts.ignoredFrames += socket.ignored;
  }

  /** The socket is gone (ERR-3, SUB-11). */
  disconnected(socket: SubscriberSocket, code: number, isSilent = false): void {
    const { subscription, followed, caughtUpTo } = socket;
    const { background, activity } = this.#parts;
    if (background.stopping) return;
    const { id, subscriberName: subscriber } = subscription;
    activity.observe(this.#session.topic, { kind: 'dropped', subscription: id, subscriber, code });
    const begunSince = BROKEN.includes(code) ? socket.begunSince(isSilent) : [];
    this.#closed.push({ id, code, followed, behind: caughtUpTo !== undefined, begunSince });
    if (this.#closed.length > 1) return;
    const made = this.made();
    let closed: readonly Closed[] | undefined;
    background.later(() =>
      this.#session.execute(() => {
        if (!closed) {
          closed = this.#closed;
          this.#closed = [];
        }
        return { kind: 'disconnect', node: this.#node, closed, ...made };
      }),
    );
  }

  /** A subscriber is connected here although the session says that it is disconnected: another node took this one for gone. */
  connectedHere(id: string): void {
    this.#later(() => ({ kind: 'connect', id, node: this.#node }));
  }

  /** Something in the session is to happen by itself now. @param then called once it has */
  timePassed(then: () => void): void {
    const made = this.made();
    this.#parts.background.later(async () => {
      await this.#session.execute({ kind: 'elapse', node: this.#node, ...made });
      then();
    });
  }
}
