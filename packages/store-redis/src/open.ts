import { randomUUID } from 'node:crypto';
import { type LogBounds, type RecordStore, type SessionStore, StoreUnavailable } from '@lockstep/store';
import { Cluster } from 'ioredis';
import { parseRedisUrl, type RedisAddress } from './address.ts';
import { type ConnectionOptions, RedisConnection } from './connection.ts';
import { noticeChannel, RecordKeys } from './keys.ts';
import { OlderNodes, type OlderNodesOptions } from './older-nodes.ts';
import { RedisRecordStore } from './redis-record-store.ts';
import { RedisSessionStore, type SessionLane } from './redis-session-store.ts';
import { Replicas } from './replicas.ts';
import { BEAT_TO_OLDER, PUBLISH_TO_OLDER } from './session-scripts.ts';
import { ClusterShards, OneShard } from './shards.ts';
import { NoticeSubscriber } from './subscriber.ts';

const DAY = 86_400_000;

/**
 * Connections that sessions share. Redis reads 16 KB of each in a turn and makes a turn durable as one: several connections
 * let many commits share one fsync. A cluster's client has a connection to each shard already.
 */
const LANES = 8;

export interface RedisOptions {
  /** See `parseRedisUrl`. */
  readonly url: string;
  readonly log: LogBounds;
  /** This node's name among those that share the store; no two that run may have the same. */
  readonly nodeId?: string;
  /** What the names of all keys begin with, `lockstep` by default. Without braces. */
  readonly prefix?: string;
  /** ms that Redis may take for a command, 3,000 by default; then the caller gets `StoreUnavailable`. */
  readonly timeoutMs?: number;
  /** Replicas that must have a write before it counts as done, and a session before it is read. 0 by default. */
  readonly replicas?: number;
  /** ms after which a session without a commit is gone, 7 days by default: far more than the Hub's idle time. */
  readonly sessionExpiryMs?: number;
}

/** State that several nodes share. */
export interface RedisStore {
  readonly sessions: SessionStore;
  readonly records: RecordStore;
  /** What should be changed about the server's configuration, in words for the operator. */
  readonly warnings: readonly string[];
  /** Finishes what was asked before. Whatever is asked later rejects with `StoreUnavailable`. */
  close(): Promise<void>;
  /** Resolves when a write was possible just now and notices arrive; rejects with `StoreUnavailable` otherwise. */
  ping(): Promise<void>;
  /**
   * The time of Redis, ms since the epoch: what all nodes go by, so that their own clocks may differ. It goes on while Redis is
   * away.
   */
  now(): number;
  /** ms that this machine's clock is ahead of Redis; negative where it is behind. */
  skew(): number;
}

/**
 * Connects to Redis 7 or newer, or Valkey.
 *
 * @throws StoreUnavailable when it cannot be reached
 * @throws RangeError for options that cannot be, a server that is too old, or data of a newer version of Lockstep
 */
export async function openRedis(options: RedisOptions): Promise<RedisStore> {
  const { url, log, nodeId = randomUUID(), prefix = 'lockstep', timeoutMs = 3000, replicas: required = 0 } = options;
  const { sessionExpiryMs: expiryMs = 7 * DAY } = options;
  const address = parseRedisUrl(url);
  const cluster = address.kind === 'cluster';
  if (!(Number.isSafeInteger(log.count) && log.count > 0))
    throw new RangeError('log.count is not a positive whole number');
  if (!((log.bytes ?? 1) > 0)) throw new RangeError('log.bytes is not a positive number');
  if (!(log.ageMs > 0)) throw new RangeError('log.ageMs is not a positive number');
  if (/[{}]/.test(prefix)) throw new RangeError('prefix holds a brace');

  const connectionOptions: ConnectionOptions = { address, timeoutMs, name: `lockstep-${nodeId}` };
  const open = (): RedisConnection => new RedisConnection(connectionOptions, () => subscriber.doubt());
  const connection = open();
  const others = Array.from({ length: cluster ? 0 : LANES - 1 }, open);
  const older = new OlderNodes({
    ...olderChannel(connection, prefix, address),
    node: nodeId,
    found: () => void sessions.tellOlder().catch(() => undefined),
  });
  const changes = `${prefix}:changes:${address.db}`;
  const { client } = connection;
  const subscriber = new NoticeSubscriber({
    shards: client instanceof Cluster ? new ClusterShards(client, connectionOptions) : new OneShard(connectionOptions),
    older,
    prefix,
    node: nodeId,
    timeoutMs,
    channelOf: (topic) => noticeChannel(prefix, topic, address.db),
    changes,
    beat: (channel, text) => connection.call((client) => client.spublish(channel, text)),
  });
  const laneOf = (one: RedisConnection): SessionLane => {
    return { connection: one, replicas: new Replicas(one, { count: required, timeoutMs: timeoutMs / 2, cluster }) };
  };
  const lane = laneOf(connection);
  const sessionOptions = { prefix, db: address.db, changes, node: nodeId, log, expiryMs };
  const sessions = new RedisSessionStore([lane, ...others.map(laneOf)], subscriber, older, sessionOptions);
  const close = async (): Promise<void> => {
    subscriber.close();
    await Promise.all([connection, ...others].map((one) => one.close()));
  };
  try {
    await Promise.all([connection, ...others].map((one) => one.open()));
    await subscriber.open();
    await requireFormat(connection, prefix);
    const warnings = await inspected(connection, cluster, required);
    return {
      sessions,
      records: new RedisRecordStore(connection, lane.replicas, new RecordKeys(prefix)),
      warnings,
      close,
      now: () => Math.floor(connection.now()),
      skew: () => connection.skew,
      async ping() {
        if (!subscriber.hears) throw new StoreUnavailable('Notices do not arrive', 1);
        await connection.call((client) => client.set(`${prefix}:written`, '1', 'PX', 60_000));
      },
    };
  } catch (error) {
    await close();
    throw error instanceof StoreUnavailable || error instanceof RangeError
      ? error
      : new StoreUnavailable(`Redis cannot be reached: ${(error as Error).message}`, 1);
  }
}

/** How older nodes are told: by number, but in a cluster, where no script could number and publish. */
function olderChannel(
  connection: RedisConnection,
  prefix: string,
  { kind, db }: RedisAddress,
): Pick<OlderNodesOptions, 'channel' | 'publish' | 'beat'> {
  const channel = `${prefix}:notices:${db}`;
  if (kind === 'cluster') {
    const publish = (text: string) => connection.call((client) => client.publish(channel, `\n${text}`));
    return { channel, publish, beat: publish };
  }
  const counter = `${prefix}:notices`;
  return {
    channel,
    publish: (notice) => connection.run(PUBLISH_TO_OLDER, [counter], [channel, notice]),
    beat: (beat) => connection.run(BEAT_TO_OLDER, [counter], [channel, beat]),
  };
}

/**
 * Form of what is kept under the prefix. 1 had no epochs: what is left of it is read as it is, and each session has an epoch
 * from its next commit on. 2 had the versions of all open contexts in a session's head; 3 has those of many each for itself.
 */
const FORMAT = 3;

/**
 * Marks what is kept with its format, so that an older version of Lockstep that knows of formats leaves newer data alone.
 * @throws RangeError when a newer version has written it
 */
async function requireFormat(connection: RedisConnection, prefix: string): Promise<void> {
  const key = `${prefix}:format`;
  const found = Number((await connection.call((client) => client.get(key))) ?? 1);
  if (found > FORMAT) {
    throw new RangeError(
      `Redis holds data of a newer version of Lockstep under ${prefix}: (format ${found}; this version knows ${FORMAT})`,
    );
  }
  if (found < FORMAT) await connection.call((client) => client.set(key, FORMAT));
}

/** What a lost node, or a full memory, would make of the server's configuration. Managed services may not say. */
async function inspected(connection: RedisConnection, cluster: boolean, replicas: number): Promise<readonly string[]> {
  const info = await connection.call((client) => client.info('server'));
  const version = /^redis_version:(\d+)/m.exec(info)?.[1];
  if (version !== undefined && Number(version) < 7) throw new RangeError(`Redis ${version} is too old: 7 or newer`);
  if (cluster) return [];
  const config = new Map<string, string>();
  try {
    const flat = (await connection.call((client) =>
      client.config('GET', 'maxmemory-policy', 'append*', 'min-replicas-to-write'),
    )) as string[];
    for (let i = 0; i < flat.length; i += 2) config.set(flat[i] ?? '', flat[i + 1] ?? '');
  } catch {
    return [];
  }
  const warnings: string[] = [];
  const policy = config.get('maxmemory-policy');
  if (policy !== undefined && policy !== 'noeviction')
    warnings.push(`maxmemory-policy is ${policy}: sessions may vanish; set noeviction`);
  if (config.get('appendonly') === 'no') warnings.push('appendonly is no: what was accepted may be lost');
  else if (config.get('appendfsync') === 'no') warnings.push('appendfsync is no: what was accepted may be lost');
  if (replicas > 0 && config.get('min-replicas-to-write') === '0')
    warnings.push('min-replicas-to-write is 0: a primary that was cut off goes on accepting; set it to 1');
  return warnings;
}
