/** Numbers about what happens in sessions, from what the Hub lets be observed. */
import type { Observation, Observer } from '@lockstep/hub';
import { Counter, Histogram, type Registry } from 'prom-client';

/** Upper bounds, s, of the time from an event to its last answer. */
const ANSWER_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Events whose answers are waited for at a time; the oldest are forgotten. */
const MAX_WAITING = 10_000;

/** An event that subscribers have not all answered. */
interface Waiting {
  readonly topic: string;
  readonly deliveredAt: number;
  unanswered: number;
}

/** Why a subscriber does not follow: the causes of SyncErrors (2.5, ERR-1 to ERR-7). */
export type NotFollowingCause = 'refused' | 'unanswered' | 'lost';

export class SessionMetrics implements Observer {
  readonly #notFollowing: Counter;
  readonly #lastAnswer: Histogram;
  /** By the event's id, without its topic: putting both together would cost more than all else here. */
  readonly #waiting = new Map<string, Waiting>();

  constructor(registry: Registry) {
    const registers = [registry];
    this.#notFollowing = new Counter({
      name: 'lockstep_not_following_total',
      help: 'Subscribers that did not follow an event, by cause',
      labelNames: ['cause'],
      registers,
    });
    // A cause that has not happened is 0, not missing.
    for (const cause of ['refused', 'unanswered', 'lost'] satisfies NotFollowingCause[]) this.#count(cause, 0);
    this.#lastAnswer = new Histogram({
      name: 'lockstep_last_answer_seconds',
      help: 'Time from an event to the last answer of its subscribers at this node',
      buckets: ANSWER_BOUNDS,
      registers,
    });
  }

  #count(cause: NotFollowingCause, by = 1): void {
    this.#notFollowing.inc({ cause }, by);
  }

  observe(topic: string, at: number, observation: Observation): void {
    switch (observation.kind) {
      case 'delivered':
        this.#delivered(topic, observation.eventId, at);
        break;
      case 'answered':
        if (observation.status >= 400) this.#count('refused');
        this.#answered(topic, observation.eventId, at);
        break;
      case 'unanswered':
        this.#count('unanswered');
        this.#answered(topic, observation.eventId, at);
        break;
      case 'dropped':
        this.#count('lost');
    }
  }

  #delivered(topic: string, event: string, at: number): void {
    const waiting = this.#waiting.get(event);
    if (waiting?.topic === topic) {
      waiting.unanswered += 1;
      return;
    }
    if (this.#waiting.size >= MAX_WAITING) {
      const [oldest] = this.#waiting.keys();
      if (oldest !== undefined) this.#waiting.delete(oldest);
    }
    // Of two sessions' events with one id, the later one is timed.
    this.#waiting.set(event, { topic, deliveredAt: at, unanswered: 1 });
  }

  #answered(topic: string, event: string, at: number): void {
    const waiting = this.#waiting.get(event);
    if (waiting?.topic !== topic) return;
    waiting.unanswered -= 1;
    if (waiting.unanswered > 0) return;
    this.#waiting.delete(event);
    this.#lastAnswer.observe((at - waiting.deliveredAt) / 1000);
  }
}
