import { randomBytes } from 'node:crypto';
import {
  type Commit,
  type CommitResult,
  type Listening,
  type LogBytes,
  type LogEntry,
  type LogHead,
  type LogPage,
  type LogPosition,
  logBytes,
  type SessionStore,
  type StoredSession,
  type StoreNotice,
  type TopicPage,
} from '@lockstep/store';
import type { Operations } from './operations.ts';
import type { WorkerClient } from './worker-client.ts';

/** Rows that are read in one go, and bytes of a log's bodies: what is asked by others comes between. */
const ROWS = 250;
const BYTES = 256 * 1024;

const NONE: readonly string[] = [];

/** Sessions on the worker. Its notices are all of this process: the file has one owner. */
export class SqliteSessionStore implements SessionStore {
  readonly #worker: WorkerClient;
  readonly #listeners = new Set<(notice: StoreNotice) => void>();
  /** What the epochs of this store's commits begin with: another one each time that a file is opened. */
  readonly #opening = randomBytes(9).toString('base64url');
  #commits = 0;

  constructor(worker: WorkerClient) {
    this.#worker = worker;
  }

  async load(topic: string): Promise<StoredSession | undefined> {
    const session = await this.#worker.call('load', topic);
    if (session === undefined) return undefined;
    const parts = new Map<string, string>();
    for (let i = 0; i < session.parts.length; i += 2) parts.set(session.parts[i]!, session.parts[i + 1]!);
    const log: LogHead[] = [];
    for (let i = 0; i < session.log.length; i += 4) {
      const [number, id, at, epoch] = session.log.slice(i, i + 4) as [number, string, number, string];
      log.push({ number, id, at, epoch });
    }
    const { revision, epoch, start, position } = session;
    return { topic, revision, epoch, parts, log, start, position };
  }

  async revision(topic: string): Promise<Pick<StoredSession, 'revision' | 'epoch'> | undefined> {
    const stored = await this.load(topic);
    return stored && { revision: stored.revision, epoch: stored.epoch };
  }

  commit(commit: Commit): Promise<CommitResult> {
    return new Promise((resolve, reject) => {
      const { topic } = commit;
      const epoch = `${this.#opening}.${(this.#commits++).toString(36)}`;
      const answered = (revision: number): void => {
        if (revision <= 0) resolve({ ok: false, revision: -revision });
        else {
          this.#tell({ kind: 'commit', topic, revision, epoch, commit, local: true });
          resolve({ ok: true, revision, epoch });
        }
      };
      this.#worker.ask(commitRequest(commit, epoch), answered, reject);
    });
  }

  async readLog(
    topic: string,
    after: number | LogPosition,
    { limit = Number.POSITIVE_INFINITY, bytes = Number.POSITIVE_INFINITY }: LogPage = {},
  ): Promise<readonly LogEntry[] | undefined> {
    let { offset, epoch }: { offset: number; epoch: string | null } =
      typeof after === 'number' ? { offset: after, epoch: null } : after;
    requireCount('after', offset);
    const entries: LogEntry[] = [];
    let [left, room] = [limit, bytes];
    for (;;) {
      const page = await this.#readPage(topic, offset, epoch, Math.min(left, ROWS), Math.min(room, BYTES));
      if (page === undefined) return undefined;
      entries.push(...page);
      left -= page.length;
      for (const { body } of page) room -= Buffer.byteLength(body);
      if (page.length === 0 || left <= 0 || room <= 0) return entries;
      offset += page.length;
      epoch = null;
    }
  }

  async #readPage(
    topic: string,
    after: number,
    epoch: string | null,
    limit: number,
    bytes: number,
  ): Promise<readonly LogEntry[] | undefined> {
    const flat = await this.#worker.read('readLog', topic, after, epoch, limit, bytes);
    if (flat === undefined) return undefined;
    const entries: LogEntry[] = [];
    for (let i = 0; i < flat.length; i += 4) {
      const [number, id, at, body] = flat.slice(i, i + 4) as [number, string, number, string];
      entries.push({ number, id, at, body });
    }
    return entries;
  }

  async readLogBytes(topic: string, after: number, { limit, bytes }: Required<LogPage>): Promise<LogBytes | undefined> {
    requireCount('after', after);
    const page = await this.#worker.read('readLogBytes', topic, after, limit, bytes);
    if (page === undefined) return undefined;
    const heads: { number: number; id: string; at: number; length: number }[] = [];
    for (let i = 0; i < page.heads.length; i += 4) {
      const [number, id, at, length] = page.heads.slice(i, i + 4) as [number, string, number, number];
      heads.push({ number, id, at, length });
    }
    return logBytes(heads, page.memory);
  }

  async lookup(indexKey: string): Promise<readonly string[]> {
    const topics: string[] = [];
    for (let after = 0, page: readonly (string | number)[]; ; after = page.at(-2) as number) {
      page = await this.#worker.call('lookup', indexKey, after, ROWS);
      for (let i = 1; i < page.length; i += 2) topics.push(page[i] as string);
      if (page.length < 2 * ROWS) return topics;
    }
  }

  async lookupPage(indexKey: string, after: string | undefined, about: number): Promise<TopicPage> {
    const limit = Math.min(about, ROWS);
    const page = await this.#worker.call('lookup', indexKey, Number(after ?? 0), limit);
    const topics = page.filter((_, index) => index % 2 === 1) as string[];
    return { topics, ...(topics.length === limit && { next: String(page.at(-2)) }) };
  }

  async count(indexKey: string, atMost: number): Promise<number> {
    return this.#worker.call('countSessions', indexKey, atMost);
  }

  async listParts(
    indexKey: string,
    part: string,
  ): Promise<readonly { readonly topic: string; readonly part: string }[]> {
    const parts: { topic: string; part: string }[] = [];
    for (let after = 0, page: readonly (string | number | null)[]; ; after = page.at(-3) as number) {
      page = await this.#worker.call('listParts', indexKey, part, after, ROWS);
      for (let i = 0; i < page.length; i += 3) {
        const [, topic, body] = page.slice(i, i + 3) as [number, string, string | null];
        if (body !== null) parts.push({ topic, part: body });
      }
      if (page.length < 3 * ROWS) return parts;
    }
  }

  async erase(topic: string, expected?: Pick<StoredSession, 'revision' | 'epoch'>): Promise<boolean> {
    const erased = await this.#worker.call('erase', topic, expected ? [expected.revision, expected.epoch] : null);
    if (erased) this.#tell({ kind: 'erased', topic, local: true });
    return erased;
  }

  async announce(topic: string, body: string): Promise<number> {
    this.#worker.requireOpen();
    this.#tell({ kind: 'announcement', topic, body, local: true });
    return 1;
  }

  watch(listener: (notice: StoreNotice) => void): () => void {
    // Of its own, so that one function watching twice is called twice and ends each watch by itself.
    const watcher = (notice: StoreNotice) => listener(notice);
    this.#listeners.add(watcher);
    return () => this.#listeners.delete(watcher);
  }

  /** Every topic is told of here. */
  listen(_topic: string): Listening {
    return { ready: Promise.resolve(), end: () => undefined };
  }

  watchChanges(listener: (topic: string | undefined) => void): Listening {
    const end = this.watch((notice) => {
      if (notice.kind !== 'announcement') listener(notice.topic);
    });
    return { ready: Promise.resolve(), end };
  }

  #tell(notice: StoreNotice): void {
    for (const listener of this.#listeners) {
      try {
        listener(notice);
      } catch (error) {
        // The listener's defect must show, but neither fail the commit nor keep the notice from the others.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

/** A commit as flat values. @throws RangeError where it cannot be */
function commitRequest(commit: Commit, epoch: string): [name: 'commit', ...of: Parameters<Operations['commit']>] {
  const { topic, expected, at, append, dropUpTo = 0, index } = commit;
  requireName('topic', topic);
  requireCount('expected', expected);
  requireCount('at', at);
  requireCount('dropUpTo', dropUpTo);
  const parts: (string | null)[] = [];
  commit.parts.forEach((body, name) => void parts.push(name, body));
  const log: (string | number)[] = [];
  for (const entry of append) {
    if (entry.number !== append[0]!.number + log.length / 4) throw new RangeError(`entry ${entry.number} leaves a gap`);
    requireCount('at of an entry', entry.at);
    log.push(entry.number, entry.id, entry.at, entry.body);
  }
  const { add = NONE, remove = NONE } = index ?? {};
  return ['commit', topic, expected, commit.epoch ?? null, epoch, at, parts, log, add, remove, dropUpTo];
}

function requireName(what: string, value: string): void {
  if (value === '') throw new RangeError(`${what} is empty`);
}

function requireCount(what: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${what} is ${value}, not a whole number`);
}
