import { randomBytes } from 'node:crypto';
import {
  type Commit,
  type CommitResult,
  type Listening,
  type LogBounds,
  type LogBytes,
  type LogEntry,
  type LogHead,
  type LogPage,
  type LogPosition,
  logBytes,
  type SessionStore,
  type StoredSession,
  type StoreNotice,
  StoreUnavailable,
  type TopicPage,
} from '@lockstep/store';
import type { RedisConnection } from './connection.ts';
import { indexKey, noticeChannel, sessionKeys } from './keys.ts';
import { commitFields, doubtFields, type Fields, message } from './notice.ts';
import type { OlderNodes } from './older-nodes.ts';
import type { Replicas } from './replicas.ts';
import type { Reply } from './script.ts';
import { COMMIT, ERASE, LOAD, LOAD_TO_CONFIRM, READ_LOG, TAKE_BACK } from './session-scripts.ts';
import type { NoticeSubscriber } from './subscriber.ts';

/** How old a hint without its session is when it is removed: its commit may still be under way, ms. */
const HINT_SETTLES = 60_000;
/** Sessions asked about at once. */
const CHUNK = 500;
/** ms between attempts to announce that something may have been missed. */
const RETRY = 200;
/** Index fields of a session, and its parts, by their first two characters. */
const KEY = 'k:';
const PART = 'p:';

/** A connection for some of the sessions. */
export interface SessionLane {
  readonly connection: RedisConnection;
  readonly replicas: Replicas;
}

export interface SessionStoreOptions {
  readonly prefix: string;
  readonly db: number;
  /** The channel that names each session that changes. */
  readonly changes: string;
  readonly node: string;
  readonly log: LogBounds;
  /** ms after which a session without a commit is gone. */
  readonly expiryMs: number;
}

function pairs(flat: readonly string[]): [string, string][] {
  const list: [string, string][] = [];
  for (let i = 0; i < flat.length; i += 2) list.push([flat[i] ?? '', flat[i + 1] ?? '']);
  return list;
}

/** @param head `at.epoch:id`; `at:id` where it was written before there were epochs */
function readHead(head: string, number: number): LogHead {
  const colon = head.indexOf(':');
  const dot = head.indexOf('.');
  const hasEpoch = dot >= 0 && dot < colon;
  return {
    number,
    id: head.slice(colon + 1),
    at: Number(head.slice(0, hasEpoch ? dot : colon)),
    epoch: hasEpoch ? head.slice(dot + 1, colon) : '',
  };
}

function requireCount(what: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${what} is ${value}, not a whole number`);
}

function checked(commit: Commit): void {
  if (commit.topic === '') throw new RangeError('topic is empty');
  requireCount('expected', commit.expected);
  requireCount('at', commit.at);
  requireCount('dropUpTo', commit.dropUpTo ?? 0);
  commit.append.forEach(({ number, at }, i) => {
    if (number !== (commit.append[0]?.number ?? 0) + i) throw new RangeError(`entry ${number} leaves a gap`);
    requireCount('at of an entry', at);
  });
}

/**
 * Sessions on Redis. A session's own keys share one slot and change in one script. Index keys are elsewhere: they hold
 * hints, written before the commit that needs them and checked against the session whenever they are read.
 */
export class RedisSessionStore implements SessionStore {
  readonly #lanes: readonly SessionLane[];
  /** For what belongs to no session. */
  readonly #connection: RedisConnection;
  readonly #subscriber: NoticeSubscriber;
  readonly #older: OlderNodes;
  readonly #options: SessionStoreOptions;
  /** Topics that may have changed without a notice so far. */
  readonly #untold = new Set<string>();
  #telling = false;

  /** @param lanes at least one: each session has one of them for all that it does, in order */
  constructor(
    lanes: readonly [SessionLane, ...SessionLane[]],
    subscriber: NoticeSubscriber,
    older: OlderNodes,
    options: SessionStoreOptions,
  ) {
    this.#lanes = lanes;
    this.#connection = lanes[0].connection;
    this.#subscriber = subscriber;
    this.#older = older;
    this.#options = options;
  }

  #lane(topic: string): SessionLane {
    let hash = 0;
    for (let i = 0; i < topic.length; i++) hash = (Math.imul(hash, 31) + topic.charCodeAt(i)) >>> 0;
    return this.#lanes[hash % this.#lanes.length]!;
  }

  get #mustConfirm(): boolean {
    return this.#lanes[0]!.replicas.required;
  }

  #keys(topic: string): [session: string, log: string, heads: string] {
    return sessionKeys(this.#options.prefix, topic);
  }

  /** Where the script is to publish: nowhere while replicas may still lose what it announces. */
  #channel(topic: string): string {
    const { prefix, db } = this.#options;
    return this.#mustConfirm ? '' : noticeChannel(prefix, topic, db);
  }

  async load(topic: string): Promise<StoredSession | undefined> {
    const [session, , heads] = this.#keys(topic);
    const { replicas } = this.#lane(topic);
    const script = replicas.required ? LOAD_TO_CONFIRM : LOAD;
    const found = await replicas.run(script, [session, heads], [], (session) => session !== null);
    const reply = found as [string[], string[]] | null;
    if (!reply) return undefined;
    const parts = new Map<string, string>();
    const own = new Map<string, string>();
    for (const [name, value] of pairs(reply[0])) {
      if (name.startsWith(PART)) parts.set(name.slice(PART.length), value);
      else own.set(name, value);
    }
    const first = Number(own.get('f'));
    const text = (field: string): string => own.get(field) ?? '';
    return {
      topic,
      revision: Number(own.get('r')),
      epoch: text('e'),
      parts,
      log: reply[1].map((head, i) => readHead(head, first + i)),
      start: { offset: first - 1, epoch: text('es') },
      position: { offset: Number(own.get('l')), epoch: text('el') },
    };
  }

  async revision(topic: string): Promise<Pick<StoredSession, 'revision' | 'epoch'> | undefined> {
    const [session] = this.#keys(topic);
    const [revision, epoch] = await this.#lane(topic).connection.call((client) => client.hmget(session, 'r', 'e'));
    return revision ? { revision: Number(revision), epoch: epoch ?? '' } : undefined;
  }

  async commit(commit: Commit): Promise<CommitResult> {
    checked(commit);
    const { topic, index, epoch = '', dropUpTo = 0 } = commit;
    const { node, expiryMs, log, changes } = this.#options;
    const { connection, replicas } = this.#lane(topic);
    const nonce = `${Math.floor(connection.now())}.${randomBytes(6).toString('base64url')}`;
    const fields = commitFields(node, commit, nonce, this.#older.present);
    if (index?.add?.length) {
      const { generation } = connection;
      await this.#hint(
        index.add.map((key) => [key, nonce]),
        topic,
      );
      // What the commit was decided on may be gone: only the connection that it was read through has not lost it.
      if (generation !== connection.generation) throw new StoreUnavailable('The connection to Redis broke', 1);
    }
    const { count, ageMs, bytes = 0 } = log;
    const [deadline, channel] = [connection.deadline(), this.#channel(topic)];
    const bounds = [deadline, expiryMs, count, ageMs, channel, epoch, dropUpTo, bytes, changes];
    const [won, revision = 0, stale, ...back] = await this.#surely(topic, async () => {
      const reply = await this.#runCommit(replicas, this.#keys(topic), [...bounds, ...fields]);
      if (reply[0] === 1) await this.#published(topic, fields);
      return reply;
    });
    if (won !== 1) return { ok: false, revision: Number(revision) };
    // Hints that are not in order are found out when they are read.
    if (back.length > 0) this.#takeBack(topic, pairs(back.map(String))).catch(() => undefined);
    if (stale === 1) this.#refresh(topic).catch(() => undefined);
    return { ok: true, revision: Number(revision), epoch: nonce };
  }

  async #runCommit(replicas: Replicas, keys: readonly string[], args: Fields): Promise<readonly (string | number)[]> {
    const won = (reply: Reply): boolean => Array.isArray(reply) && reply[0] === 1;
    try {
      return (await replicas.run(COMMIT, keys, args, won)) as (string | number)[];
    } catch (error) {
      if (error instanceof Error && error.message.startsWith('GAP ')) throw new RangeError(error.message.slice(4));
      throw error;
    }
  }

  /**
   * What replicas must confirm is announced after they have, and to older nodes apart. Where that fails it may stand all the same,
   * unannounced: then every node is to look for itself.
   */
  async #surely<T>(topic: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if ((this.#mustConfirm || this.#older.present) && error instanceof StoreUnavailable) {
        this.#untold.add(topic);
        if (!this.#telling) void this.#tellDoubts();
      }
      throw error;
    }
  }

  async #tellDoubts(): Promise<void> {
    this.#telling = true;
    while (this.#untold.size > 0 && !this.#connection.closed) {
      const [topic = ''] = this.#untold;
      this.#untold.delete(topic);
      try {
        await this.#publish(topic, doubtFields(this.#options.node, topic));
      } catch {
        this.#untold.add(topic);
        await new Promise((resolve) => setTimeout(resolve, RETRY));
      }
    }
    this.#telling = false;
  }

  /** What a script has done is announced where the script could not. */
  async #published(topic: string, fields: Fields): Promise<void> {
    if (this.#mustConfirm) await this.#publish(topic, fields);
    else await this.#older.tell(fields);
  }

  /** @returns how many nodes listen */
  async #publish(topic: string, fields: Fields): Promise<number> {
    const { prefix, db, changes } = this.#options;
    const notice = message(fields);
    const reached = await this.#connection.call(async (client) => {
      const listening = Number(await client.spublish(noticeChannel(prefix, topic, db), notice));
      if (fields[0] !== 'announcement') await client.publish(changes, topic);
      return listening;
    });
    await this.#older.tell(fields);
    return reached;
  }

  async readLog(
    topic: string,
    after: number | LogPosition,
    { limit = 0, bytes = 0 }: LogPage = {},
  ): Promise<readonly LogEntry[] | undefined> {
    const { offset, epoch } = typeof after === 'number' ? { offset: after, epoch: '' } : after;
    requireCount('after', offset);
    const [session, log] = this.#keys(topic);
    const reply = (await this.#lane(topic).connection.run(READ_LOG, [session, log], [offset, epoch, limit, bytes])) as
      | [string, string[]][]
      | null;
    return reply?.map(([number, [, id = '', , at = '', , body = '']]) => {
      return { number: Number.parseInt(number, 10), id, at: Number(at), body };
    });
  }

  async readLogBytes(topic: string, after: number, page: Required<LogPage>): Promise<LogBytes | undefined> {
    const entries = await this.readLog(topic, after, page);
    if (!entries) return undefined;
    const heads = entries.map(({ number, id, at, body }) => ({ number, id, at, length: Buffer.byteLength(body) }));
    const bodies = Buffer.from(new ArrayBuffer(heads.reduce((sum, { length }) => sum + length, 0)));
    let offset = 0;
    for (const { body } of entries) offset += bodies.write(body, offset);
    return logBytes(heads, bodies.buffer);
  }

  async lookup(indexKey: string): Promise<readonly string[]> {
    const found = await this.#sessionsUnder(indexKey, []);
    return found.map(({ topic }) => topic);
  }

  async lookupPage(key: string, after: string | undefined, about: number): Promise<TopicPage> {
    // Redis would call a greater number no cursor at all.
    if (after !== undefined && BigInt(after) >= 2n ** 64n) return { topics: [] };
    const name = indexKey(this.#options.prefix, key);
    const [next, flat] = await this.#connection.call((client) => client.hscan(name, after ?? '0', 'COUNT', about));
    const hints = new Map<string, string>();
    for (let i = 0; i < flat.length; i += 2) hints.set(flat[i] ?? '', flat[i + 1] ?? '');
    const topics = (await this.#confirmed(key, [...hints], [])).map(({ topic }) => topic);
    return { topics, ...(next !== '0' && { next }) };
  }

  /** Hints outlive their sessions now and then: they are looked at, and put in order, only where they reach the bound. */
  async count(key: string, atMost: number): Promise<number> {
    const name = indexKey(this.#options.prefix, key);
    const hints = await this.#connection.call((client) => client.hlen(name));
    return hints < atMost ? hints : Math.min(atMost, (await this.#sessionsUnder(key, [])).length);
  }

  async listParts(
    indexKey: string,
    part: string,
  ): Promise<readonly { readonly topic: string; readonly part: string }[]> {
    const found = await this.#sessionsUnder(indexKey, [PART + part]);
    return found.flatMap(({ topic, fields: [body] }) => (typeof body === 'string' ? [{ topic, part: body }] : []));
  }

  /** Topics that are hinted at and say themselves that they are under the key; of each some fields. */
  async #sessionsUnder(
    key: string,
    wanted: readonly string[],
  ): Promise<{ topic: string; fields: readonly (string | null)[] }[]> {
    const name = indexKey(this.#options.prefix, key);
    return this.#confirmed(key, Object.entries(await this.#connection.call((client) => client.hgetall(name))), wanted);
  }

  /** Those of some hints that are so. */
  async #confirmed(
    key: string,
    hints: readonly (readonly [topic: string, nonce: string])[],
    wanted: readonly string[],
  ): Promise<{ topic: string; fields: readonly (string | null)[] }[]> {
    const name = indexKey(this.#options.prefix, key);
    const found: { topic: string; fields: readonly (string | null)[] }[] = [];
    const stale: string[] = [];
    const settled = this.#connection.now() - HINT_SETTLES;
    for (let i = 0; i < hints.length; i += CHUNK) {
      const chunk = hints.slice(i, i + CHUNK);
      const replies = await Promise.all(
        chunk.map(([topic]) =>
          this.#lane(topic).connection.call((client) => client.hmget(this.#keys(topic)[0], KEY + key, ...wanted)),
        ),
      );
      chunk.forEach(([topic, nonce], n) => {
        const [mark, ...fields] = replies[n] ?? [];
        if (typeof mark === 'string') found.push({ topic, fields });
        else if (Number.parseInt(nonce, 10) < settled) stale.push(topic, nonce);
      });
    }
    if (stale.length > 0) this.#connection.run(TAKE_BACK, [name], stale).catch(() => undefined);
    return found;
  }

  async #hint(hints: readonly (readonly [key: string, nonce: string])[], topic: string): Promise<void> {
    const { prefix, expiryMs } = this.#options;
    await Promise.all(
      hints.flatMap(([key, nonce]) => {
        const name = indexKey(prefix, key);
        return [
          this.#connection.call((client) => client.hset(name, topic, nonce)),
          this.#connection.call((client) => client.pexpire(name, expiryMs)),
        ];
      }),
    );
  }

  async #takeBack(topic: string, hints: readonly [key: string, nonce: string][]): Promise<void> {
    await Promise.all(
      hints.map(([key, nonce]) =>
        this.#connection.run(TAKE_BACK, [indexKey(this.#options.prefix, key)], [topic, nonce]),
      ),
    );
  }

  /** Hints live as long as the sessions that need them. */
  async #refresh(topic: string): Promise<void> {
    const session = await this.#connection.call((client) => client.hgetall(this.#keys(topic)[0]));
    const marks = Object.entries(session).filter(([field]) => field.startsWith(KEY));
    await this.#hint(
      marks.map(([field, nonce]) => [field.slice(KEY.length), nonce]),
      topic,
    );
  }

  async erase(topic: string, expected?: Pick<StoredSession, 'revision' | 'epoch'>): Promise<boolean> {
    const fields = ['erased', this.#options.node, topic];
    const { replicas } = this.#lane(topic);
    const { changes } = this.#options;
    const hints = await this.#surely(topic, async () => {
      const { revision = '', epoch = '' } = expected ?? {};
      const args = [this.#channel(topic), message(fields), revision, epoch, changes, topic];
      const hints = (await replicas.run(ERASE, this.#keys(topic), args, (reply) => reply !== null)) as string[] | null;
      if (hints) await this.#published(topic, fields);
      return hints;
    });
    if (!hints) return false;
    await this.#takeBack(topic, pairs(hints));
    return true;
  }

  announce(topic: string, body: string): Promise<number> {
    return this.#publish(topic, ['announcement', this.#options.node, topic, body]);
  }

  listen(topic: string): Listening {
    return this.#subscriber.listen(topic);
  }

  watch(listener: (notice: StoreNotice) => void): () => void {
    return this.#subscriber.watch(listener);
  }

  watchChanges(listener: (topic: string | undefined) => void): Listening {
    return this.#subscriber.watchChanges(listener);
  }

  /** Older nodes have not been told of what happened here: they are to look for themselves. */
  async tellOlder(): Promise<void> {
    for (const topic of this.#subscriber.topics) await this.#older.tell(doubtFields(this.#options.node, topic));
  }
}
