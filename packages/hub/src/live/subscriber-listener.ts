import type { Awaited, Outcome } from '../rules/conversation.ts';
import type { Subscription } from '../rules/session-state.ts';

/** A subscriber's answer to an event, or a callback's. */
export interface SubscriberAnswer {
  readonly eventId: string;
  /** As it was given; 0 where a callback could not be reached. */
  readonly status: number;
  readonly outcome: Outcome;
  /** The event that it answers; missing where it answers nothing that was sent, or again. */
  readonly about?: Awaited | undefined;
  readonly reason?: string | undefined;
  /** Number of the last context change that the subscriber followed. */
  readonly followed: number;
}

/** What is known of a subscriber that did not answer in time. */
export interface Silence {
  /** Deadlines that passed in a row without an answer. */
  readonly misses: number;
  /** Whether an answer was due. */
  readonly due: boolean;
  /** Number of the last context change that the subscriber followed. */
  readonly followed: number;
  /** See the command `no-answer`. */
  readonly begunSince?: readonly string[];
}

/** Called with what subscribers do, by socket or webhook. */
export interface SubscriberListener {
  /**
   * @param keepsCurrent see `Accepted`
   * @param at ms since the epoch
   */
  delivered(
    subscription: Subscription,
    eventId: string,
    event: string,
    keepsCurrent: true | undefined,
    at: number,
  ): void;
  answered(subscription: Subscription, answer: SubscriberAnswer): void;
  /** The answer to a context change is not there yet (ERR-8). */
  delayed(subscription: Subscription, about: Awaited, followed: number): void;
  /** The time for an answer has passed (ERR-4). */
  unanswered(subscription: Subscription, about: Awaited, news: Silence): void;
}

/** What an answer's status says (ERR-2). Anything but a status that HTTP knows is a failure. */
export function outcomeOf(status: number): Outcome {
  if (status >= 200 && status < 300) return 'followed';
  return status >= 100 && status < 500 ? 'refused' : 'failed';
}

/** The same in words, for a SyncError. */
export function howAnswered(status: number): string {
  return outcomeOf(status) === 'refused' ? `refused to follow it (${status})` : `could not process it (${status})`;
}
