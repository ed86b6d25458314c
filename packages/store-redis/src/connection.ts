import { StoreUnavailable } from '@lockstep/store';
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import type { RedisAddress } from './address.ts';
import { isReadOnly, timedOut, translated } from './errors.ts';
import type { RedisClient, Reply, Script } from './script.ts';

/** The machine's own clock, whatever this process goes by. */
const machineNow = Date.now.bind(Date);

/** ms between attempts to connect. */
const RETRY = 200;
/** ms by which clocks may drift apart between two looks at them. */
const DRIFT = 1;

export interface ConnectionOptions {
  readonly address: RedisAddress;
  /** ms after which a command is given up. */
  readonly timeoutMs: number;
  readonly name: string;
}

/** The type of `replyMapping` does not compile with `exactOptionalPropertyTypes`, and nothing here sets it. */
type Settings = Omit<RedisOptions, 'replyMapping'>;

function common({ address, timeoutMs, name }: ConnectionOptions): Settings {
  return {
    db: address.db,
    ...(address.username && { username: address.username }),
    ...(address.password && { password: address.password }),
    ...(address.tls && { tls: {} }),
    connectionName: name,
    connectTimeout: timeoutMs,
    commandTimeout: timeoutMs,
    // What does not answer is not waited for when it is closed.
    disconnectTimeout: RETRY,
    // A command is answered or it fails: nothing waits for Redis to come back, and nothing is sent twice.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    autoResubscribe: false,
    maxLoadingRetryTime: RETRY,
    lazyConnect: true,
    protocol: 2,
  };
}

export interface Host {
  readonly host: string;
  readonly port: number;
}

function hostOf({ hosts: [first] }: RedisAddress): Host {
  return first ?? { host: 'localhost', port: 6379 };
}

function sentinelsOf({ hosts, primary, password, tls }: RedisAddress, timeoutMs: number): Settings {
  return {
    sentinels: [...hosts],
    name: primary ?? '',
    ...(password && { sentinelPassword: password }),
    ...(tls && { enableTLSForSentinelMode: true }),
    sentinelRetryStrategy: () => RETRY,
    sentinelCommandTimeout: timeoutMs,
    connectTimeout: timeoutMs,
    failoverDetector: true,
  };
}

/** A client that connects again for as long as it is not closed. */
export function openClient(options: ConnectionOptions): RedisClient {
  const { address, timeoutMs } = options;
  const redisOptions = common(options);
  if (address.kind === 'cluster') {
    return new Cluster([...address.hosts], {
      clusterRetryStrategy: () => RETRY,
      enableOfflineQueue: false,
      lazyConnect: true,
      redisOptions,
    });
  }
  return new Redis({
    ...redisOptions,
    ...(address.kind === 'sentinel' ? sentinelsOf(address, timeoutMs) : hostOf(address)),
    retryStrategy: () => RETRY,
    reconnectOnError: isReadOnly,
  });
}

/**
 * A client for one connection's life, which then ends.
 * @param server one of a cluster's servers
 */
export function openSubscriber(options: ConnectionOptions, server?: Host): Redis {
  const { address, timeoutMs } = options;
  return new Redis({
    ...common(options),
    ...(address.kind === 'sentinel' ? sentinelsOf(address, timeoutMs) : (server ?? hostOf(address))),
    retryStrategy: null,
  });
}

/** Reports when a server that has slots cannot be reached, or has them no more: another may have taken its place. */
function watchPrimaries(cluster: Cluster, lost: () => void): void {
  const nameOf = ({ options }: Redis): string => `${options.host}:${options.port}`;
  let primaries = new Set<string>();
  const look = (): void => {
    const now = new Set(cluster.nodes('master').map(nameOf));
    const isLost = !primaries.isSubsetOf(now);
    primaries = now;
    if (isLost) lost();
  };
  cluster.on('ready', look);
  cluster.on('refresh', look);
  cluster.on('-node', (server: Redis) => {
    if (primaries.delete(nameOf(server))) lost();
  });
}

/** The connection that commands go through: what cannot be done in time fails, and the error says when to come back. */
export class RedisConnection {
  readonly client: RedisClient;
  /** Grows with every connection: what one has written another cannot wait for, and what one has read may be gone. */
  generation = 0;
  readonly #timeoutMs: number;
  /** What the server's clock is ahead of this process's monotonic one, ms: at least so much. */
  #offset = 0;
  /** What the offset was taken from is not the server that there is now. */
  #isNew = true;
  /** When it last was seen to work, or began, ms of this process. */
  #readyAt = performance.now();
  #watchdog: NodeJS.Timeout;
  #closed = false;

  /**
   * @param broke called when a connection has ended: the next one may lead to a server that has lost what this one was sent,
   *   and has something else in its place
   */
  constructor(options: ConnectionOptions, broke: () => void) {
    this.client = openClient(options);
    this.#timeoutMs = options.timeoutMs;
    // Every failure shows in a command that fails.
    this.client.on('error', () => undefined);
    let isUp = false;
    this.client.on('ready', () => {
      this.generation += 1;
      isUp = true;
      this.#isNew = true;
      this.measure().catch(() => undefined);
    });
    this.client.on('close', () => {
      if (isUp && !this.#closed) broke();
      isUp = false;
    });
    if (this.client instanceof Cluster) {
      watchPrimaries(this.client, () => {
        this.generation += 1;
        if (!this.#closed) broke();
      });
    }
    // A client whose Sentinel was asked when it was asked to connect again gives up for good.
    this.client.on('end', () => this.#revive());
    this.#watchdog = setInterval(() => this.#watch(), 1000);
  }

  /** @throws StoreUnavailable when Redis cannot be reached in time */
  async open(): Promise<void> {
    try {
      await this.client.connect();
    } catch (error) {
      throw new StoreUnavailable(`Redis cannot be reached: ${(error as Error).message}`, 1);
    }
    await this.measure();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Runs commands. @throws StoreUnavailable while Redis cannot be reached or will not take them */
  async call<T>(commands: (client: RedisClient) => Promise<T>): Promise<T> {
    if (this.#closed) throw new StoreUnavailable('The store is closed');
    try {
      return await commands(this.client);
    } catch (error) {
      // What hangs is given up as a whole: the next commands fail at once until there is a connection that answers.
      if (timedOut(error) && this.client.status === 'ready') this.client.disconnect(true);
      throw translated(error);
    }
  }

  run(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<Reply> {
    return this.call((client) => script.run(client, keys, args));
  }

  /** Reads the server's clock: deadlines and hints use it, whatever the clocks of the nodes say. */
  async measure(): Promise<void> {
    const before = performance.now();
    const [seconds = 0, micros = 0] = (await this.call((client) => client.time())).map(Number);
    const time = seconds * 1000 + micros / 1000;
    // However long the answer took; a better answer of before holds on, as clocks drift apart little in a second.
    const known = this.#isNew ? Number.NEGATIVE_INFINITY : this.#offset - DRIFT;
    this.#offset = Math.min(Math.max(time - performance.now(), known), time - before);
    this.#isNew = false;
  }

  /** The server's time, ms since the epoch, or a little before it. */
  now(): number {
    return performance.now() + this.#offset;
  }

  /** ms that this machine's clock is ahead of the server's; negative where it is behind. */
  get skew(): number {
    return machineNow() - this.now();
  }

  /** The server's time at which a command sent now is given up, or a little before it. */
  deadline(): number {
    return Math.floor(this.now() + this.#timeoutMs);
  }

  #revive(): void {
    setTimeout(() => {
      if (!this.#closed && this.client.status === 'end') this.client.connect().catch(() => undefined);
    }, RETRY);
  }

  /** A connection that was made but never answers is given up too. */
  #watch(): void {
    if (this.#closed) return;
    if (this.client.status === 'ready') {
      this.#readyAt = performance.now();
      this.measure().catch(() => undefined);
    } else if (performance.now() - this.#readyAt > 2 * this.#timeoutMs) {
      this.#readyAt = performance.now();
      this.client.disconnect(true);
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#watchdog);
    try {
      // What was asked before is answered before.
      if (this.client.status === 'ready') await this.client.quit();
    } catch {
      // It cannot be reached: there is nothing to wait for.
    }
    this.client.disconnect();
  }
}
