import { createHash } from 'node:crypto';
import type { TimelineEntry } from '@lockstep/console/wire';
import type { Observation, Observer } from '@lockstep/hub';
import { type Entry, EntryColumns } from './entry-columns.ts';

export interface InspectorOptions {
  /** Entries kept of each session. */
  readonly perTopic?: number;
  /** Sessions of which entries are kept; beyond it those quiet for longest are forgotten. */
  readonly topics?: number;
  /** Entries kept in all; an entry takes some 70 bytes. Beyond it the sessions quiet for longest are forgotten. */
  readonly total?: number;
  /** This node's name among those whose entries are shown as one. */
  readonly node?: string;
}

/** Numbers of entries: so many to a millisecond, since when, and how many nodes take turns in them. */
const PER_MS = 4096;
const SINCE = Date.UTC(2025, 0, 1);
const TURNS = 256;

export type EntryWatcher = (topic: string, entry: Entry) => void;

/** Names a subscription without revealing its endpoint: who knows the endpoint could take the socket over (SUB-7). */
export function subscriptionName(id: string): string {
  return createHash('sha256').update(id).digest('base64url').slice(0, 12);
}

/** Remembers what the Hub does in each session, and sends it to those who watch. Nothing of it is patient data. */
export class Inspector implements Observer {
  readonly #perTopic: number;
  readonly #maxTopics: number;
  readonly #maxTotal: number;
  readonly #sessions = new Map<string, EntryColumns>();
  #total = 0;
  readonly #watchers = new Map<string, Set<EntryWatcher>>();
  readonly #all = new Set<EntryWatcher>();
  #seq: number;

  constructor({ perTopic = 10_000, topics = 500, total = 250_000, node = '' }: InspectorOptions = {}) {
    this.#seq = createHash('sha256').update(node).digest()[0] ?? 0;
    this.#perTopic = perTopic;
    this.#maxTopics = topics;
    this.#maxTotal = total;
  }

  observe(topic: string, at: number, observation: Observation): void {
    const seq = this.#number(at);
    let columns = this.#sessions.get(topic);
    if (!columns) {
      columns = new EntryColumns(this.#perTopic);
      this.#sessions.set(topic, columns);
    }
    this.#total += columns.push(seq, at, observation);
    if (this.#total > this.#maxTotal || this.#sessions.size > this.#maxTopics) this.#forget();
    const watchers = this.#watchers.get(topic);
    if (watchers) for (const watcher of watchers) watcher(topic, { seq, at, observation });
    for (const watcher of this.#all) watcher(topic, { seq, at, observation });
    // What has ended leaves nothing behind (SES-5).
    if (observation.kind === 'session-ended') this.#drop(topic, columns);
  }

  /** The next of this node's numbers that is not before the time. */
  #number(at: number): number {
    const behind = (at - SINCE) * PER_MS - this.#seq;
    this.#seq += behind > TURNS ? behind - (behind % TURNS) : TURNS;
    return this.#seq;
  }

  #drop(topic: string, columns: EntryColumns): void {
    this.#sessions.delete(topic);
    this.#total -= columns.length;
  }

  /** Makes room: a tenth of the sessions at once, since an order of last use kept with every entry would cost more. */
  #forget(): void {
    const quietest = [...this.#sessions].sort(([, a], [, b]) => a.newest - b.newest);
    for (const [topic, columns] of quietest.slice(0, Math.ceil(Math.min(quietest.length - 1, this.#maxTopics) / 10))) {
      this.#drop(topic, columns);
    }
  }

  /** What is remembered of a session, oldest first. */
  recent(topic: string): readonly Entry[] {
    return this.#sessions.get(topic)?.list() ?? [];
  }

  /** @param topic one session, or undefined for all. @returns ends the watch */
  watch(topic: string | undefined, watcher: EntryWatcher): () => void {
    if (topic === undefined) {
      this.#all.add(watcher);
      return () => this.#all.delete(watcher);
    }
    const watchers = this.#watchers.get(topic) ?? new Set();
    this.#watchers.set(topic, watchers);
    watchers.add(watcher);
    return () => {
      watchers.delete(watcher);
      if (watchers.size === 0) this.#watchers.delete(topic);
    };
  }
}

/** The entry as it may leave the server: a subscription's id is the secret part of its endpoint, so its digest stands for it. */
export function toTimeline({ seq, at, observation }: Entry): TimelineEntry {
  if (!('subscription' in observation)) return { seq, at, ...observation };
  const subscription = subscriptionName(observation.subscription);
  if (observation.kind !== 'answered') return { seq, at, ...observation, subscription };
  // The clock counts parts of them, which are not used.
  return { seq, at, ...observation, subscription, ms: Math.round(observation.ms) };
}
