/**
 * One numbered entry of a topic's event log.
 */
export interface LogEntry {
  /** Position in the topic's log: 1, 2, 3 … without gaps. */
  readonly number: number;
  /** The event's id, unique in the topic (PUB-7). */
  readonly id: string;
  /** Time of acceptance, ms since the epoch. */
  readonly at: number;
  /** The entry as JSON text; the store does not look into it. */
  readonly body: string;
}

/**
 * A place in a session's log. The offset says where, the epoch says in which history: two entries that were ever given the
 * same offset, because a store was restored from a copy, lost its newest writes or failed over to a replica without them, have
 * different epochs, and so have the entries of a topic that was erased and created again.
 *
 * An epoch is opaque. It may be another one from entry to entry of one history, so two positions are never compared by their
 * epochs: `holdsPosition` and `SessionStore.readLog` say whether a log still has a position.
 */
export interface LogPosition {
  /** Number of the entry; 0 is the beginning, before the first one. */
  readonly offset: number;
  readonly epoch: string;
}

/** An entry as it is listed with its session: without its body, with its epoch. */
export type LogHead = Pick<LogEntry, 'number' | 'id' | 'at'> & { readonly epoch: string };

/** What a session consists of: named parts, each a JSON text the store does not look into. */
export type SessionParts = ReadonlyMap<string, string>;

export interface StoredSession {
  readonly topic: string;
  /** Grows by one with every commit, from 1; 0 is "does not exist". Starts again at 1 when an erased topic is created again. */
  readonly revision: number;
  /** The history that this revision is of: two commits that were ever given one revision have different epochs. */
  readonly epoch: string;
  readonly parts: SessionParts;
  /** The log's entries that are still held, oldest first, without their bodies. */
  readonly log: readonly LogHead[];
  /** Position before the oldest entry that is held: what was dropped, or the beginning. */
  readonly start: LogPosition;
  /** Position of the newest entry ever appended, held or not; of the beginning where there was none. */
  readonly position: LogPosition;
}

/** How much of a log is read in one go. Without it all is; what is read for one of many subscribers is read in pages. */
export interface LogPage {
  /** Entries at most: a positive whole number. */
  readonly limit?: number;
  /** Bytes of bodies after which no further entry is read; one entry is read in any case. */
  readonly bytes?: number;
}

/** An entry of a page of a log, with its body as bytes: UTF-8 text. */
export type LogEntryBytes = Omit<LogEntry, 'body'> & { readonly body: Uint8Array<ArrayBuffer> };

/** A page of a log, in memory of its own: for callers that pass large entries on without reading most of them. */
export interface LogBytes {
  /** Oldest first; empty at the end of the log. */
  readonly entries: readonly LogEntryBytes[];
  /** Gives the memory back at once, and not when it is collected. The bodies are empty from then on. */
  release(): void;
}

/** Entries of a page, their bodies one after the other in that memory. */
export function logBytes(
  heads: readonly (Omit<LogEntry, 'body'> & { readonly length: number })[],
  memory: ArrayBuffer,
): LogBytes {
  let offset = 0;
  const entries = heads.map(({ number, id, at, length }) => {
    const body = new Uint8Array(memory, offset, length);
    offset += length;
    return { number, id, at, body };
  });
  return {
    entries,
    release() {
      if (!memory.detached) memory.transfer(0);
    },
  };
}

/** Whether the session's log still has the position, so that what came after it can be read. */
export function holdsPosition({ log, start, position }: StoredSession, { offset, epoch }: LogPosition): boolean {
  if (offset === start.offset) return epoch === start.epoch;
  if (offset === position.offset) return epoch === position.epoch;
  return log[offset - start.offset - 1]?.epoch === epoch;
}

/** One atomic change of one session. */
export interface Commit {
  readonly topic: string;
  /** The revision this change was decided on; 0 creates the session. */
  readonly expected: number;
  /**
   * Epoch of that revision, where the caller knows it: a commit decided on a revision that the store has lost, and given to
   * another commit since, is refused as one decided on another revision.
   */
  readonly epoch?: string;
  /** Parts to write; null removes the part. */
  readonly parts: ReadonlyMap<string, string | null>;
  /** Entries to append; their numbers continue the log, from 1 in a new session. A gap rejects with `RangeError`. */
  readonly append: readonly LogEntry[];
  /**
   * Erases the log's entries up to this number, ids included; nothing where those are gone already. What is appended is there
   * before: a number beyond the newest entry leaves the log empty. A notice need not repeat it. As after an erasure, no file of
   * the store keeps what is gone (PUB-10, SUB-11).
   */
  readonly dropUpTo?: number;
  /** Index keys under which the topic can be looked up from now on, and those it is no longer found under. */
  readonly index?: { readonly add?: readonly string[]; readonly remove?: readonly string[] };
  /** Passed with the commit to the watchers on every node that listens, and not kept. */
  readonly note?: string;
  /** Time of the commit, ms since the epoch: what `LogBounds.ageMs` counts from. */
  readonly at: number;
}

export type CommitResult =
  /** `epoch` is that of the new revision and of every entry that was appended. */
  | { readonly ok: true; readonly revision: number; readonly epoch: string }
  /**
   * Another commit came first; nothing was changed. `revision` is the one now in force, 0 when the session is gone; it is the
   * expected one where only the epoch differs.
   */
  | { readonly ok: false; readonly revision: number };

/**
 * How much of each topic's log is kept. What is within all bounds is held; what is beyond count or age is dropped at a later commit
 * of the topic, at the latest when the log holds twice the count or an entry twice the age. What is beyond the bytes is dropped with
 * the commit that exceeds them, but for the entries of that commit.
 */
export interface LogBounds {
  /** At least 1. */
  readonly count: number;
  /** ms between an entry's `at` and a commit's. */
  readonly ageMs: number;
  /** Bytes of the entries' bodies; no bound where it is absent. */
  readonly bytes?: number;
}

/** A part of the topics under an index key. */
export interface TopicPage {
  readonly topics: readonly string[];
  /** Decimal digits, 20 at most; undefined on the last page. */
  readonly next?: string;
}

/** A listener's registration, until it is ended. */
export interface Listening {
  /**
   * Resolves when nothing is missed from now on without a `gap` that says so, and never rejects: what is read after it is not older
   * than the notices.
   */
  readonly ready: Promise<void>;
  end(): void;
}

/** What a store announces to the nodes that listen to the topic (this one too) after a commit, an erasure or an announcement. */
export type StoreNotice =
  | {
      readonly kind: 'commit';
      readonly topic: string;
      readonly revision: number;
      /** Epoch of the revision and of every entry that was appended. */
      readonly epoch: string;
      readonly commit: Commit;
      readonly local: boolean;
    }
  | { readonly kind: 'erased'; readonly topic: string; readonly local: boolean }
  | { readonly kind: 'announcement'; readonly topic: string; readonly body: string; readonly local: boolean }
  /** Notices may have been missed, of one topic or of all; what was cached must be read again. */
  | { readonly kind: 'gap'; readonly topic?: string };

/**
 * Keeps sessions and their event logs. A resolved `commit` is durable: it survives `kill -9` (PUB-4). Commits of one topic
 * are totally ordered by revision; two commits that expect the same revision have exactly one winner (CON-8).
 *
 * Every method rejects with `StoreUnavailable` while the store cannot be reached. A commit or erasure rejected so may have
 * happened all the same: `load` shows it. Topics, part names, index keys and bodies are well-formed Unicode of any length.
 */
export interface SessionStore {
  /** @returns undefined when there is no such session */
  load(topic: string): Promise<StoredSession | undefined>;
  /**
   * The session's revision and its epoch: whether what was loaded is still so. Where the store came back with an older copy, another
   * commit may have the same number.
   * @returns undefined when there is no such session
   */
  revision(topic: string): Promise<Pick<StoredSession, 'revision' | 'epoch'> | undefined>;
  commit(commit: Commit): Promise<CommitResult>;
  /**
   * Entries with a number above `after`, oldest first; an empty page is the end.
   * @param after a number, or a position, which must be one of this very history
   * @returns undefined when the log cannot say what came after it: entries after it were dropped already, it was never
   * reached, the log is of another history, or there is no such session
   */
  readLog(topic: string, after: number | LogPosition, page?: LogPage): Promise<readonly LogEntry[] | undefined>;
  /** What `readLog` reads, as bytes. */
  readLogBytes(topic: string, after: number, page: Required<LogPage>): Promise<LogBytes | undefined>;
  /** Topics indexed under the key, in no particular order. */
  lookup(indexKey: string): Promise<readonly string[]>;
  /**
   * The same, a page at a time: no topic that is there all the time is left out, one may come twice.
   * @param after `next` of the page before; undefined for the first. Any other number gives some page, or an empty one
   * @param about how many topics: a positive whole number. A page may hold some hundreds more, or none and still not be the last
   */
  lookupPage(indexKey: string, after: string | undefined, about: number): Promise<TopicPage>;
  /**
   * How many sessions are indexed under the key, without reading them: for limits. No session is left out; ones that have just
   * gone may still count while there are fewer than `atMost`.
   * @param atMost where counting ends: a positive whole number
   * @returns `atMost` where there are as many or more
   */
  count(indexKey: string, atMost: number): Promise<number>;
  /** Reads one part of each session indexed under the key that has it: a listing without loading whole sessions. */
  listParts(indexKey: string, part: string): Promise<readonly { readonly topic: string; readonly part: string }[]>;
  /**
   * Removes the session, its parts, log and index entries without a trace (SES-5).
   * @param expected the revision that this was decided on, where it must still be that one: a sweep that ends a session because
   * nothing happens in it must not end one in which something has happened since it looked
   * @returns false when there was no such session, or it is at another revision
   */
  erase(topic: string, expected?: Pick<StoredSession, 'revision' | 'epoch'>): Promise<boolean>;
  /**
   * Tells every node that listens to the topic something that need not last. The topic need not be a session's.
   * @returns how many listen, this node too where it does: to so many it is on its way
   */
  announce(topic: string, body: string): Promise<number>;
  /**
   * Sends the watchers of this node what happens in a topic, at any node. A caller that keeps what it reads of a session listens
   * first and reads once it is `ready`. Several may listen to one topic, each until it ends its own. A store of one process sends
   * notices of every topic in any case.
   */
  listen(topic: string): Listening;
  /**
   * Notices of topics that are listened to, and gaps. Those of one topic arrive in order of revision, commits of this node included.
   * @returns a function that ends the watch
   */
  watch(listener: (notice: StoreNotice) => void): () => void;
  /**
   * Tells which sessions are committed to or erased, at any node, whether or not they are listened to: for lists. It costs a message
   * for each, so it ends when no list is open.
   * @param listener called with the topic; undefined where any session may have changed
   */
  watchChanges(listener: (topic: string | undefined) => void): Listening;
}

/** The store cannot be reached; the caller may try again after `retryAfterSeconds`. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
  readonly retryAfterSeconds: number;
  constructor(message: string, retryAfterSeconds = 5) {
    super(message);
    this.retryAfterSeconds = retryAfterSeconds;
  }
}
