/** Lockstep on several processes, one Redis and a load balancer: all of it real, all of it on loopback. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { freePort, type RedisProcess } from '@lockstep/store-redis/testing';
import { type RedisSide, Single } from './redis-sides.ts';
import { Balancer, Wire } from './wires.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Where Debian keeps the library that gives a process another clock (package libfaketime). */
const FAKE_TIME = [`/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/faketime/libfaketime.so.1`];

/** How one start of a node differs from others. */
export interface StartOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** `main.ts` of another build. */
  readonly main?: string | undefined;
}

/** Times that a node is started again which ended before it was ready. */
const ATTEMPTS = 4;

/** One node's process. */
export class ClusterNode {
  readonly port: number;
  /** The node's own way to Redis, where it has one. */
  readonly wire: Wire | undefined;
  readonly #env: NodeJS.ProcessEnv;
  readonly #data: string;
  #child: ChildProcess | undefined;

  constructor(port: number, env: NodeJS.ProcessEnv, wire?: Wire) {
    this.port = port;
    this.wire = wire;
    this.#env = env;
    this.#data = mkdtempSync(join(tmpdir(), 'lockstep-node-'));
  }

  get running(): boolean {
    return this.#child?.exitCode === null && this.#child.signalCode === null;
  }

  /** Starts it, as often as whoever supervises it would: a busy machine may keep Redis waiting too long. */
  async start(options: StartOptions = {}): Promise<void> {
    for (let left = ATTEMPTS; !(await this.#ready(options)); left--) {
      if (left === 0) throw new Error('the node does not get ready');
    }
  }

  /** Starts it once. @returns whether it got ready before it ended */
  async #ready({ env, main = MAIN }: StartOptions): Promise<boolean> {
    const child = spawn(process.execPath, [main], {
      env: {
        PATH: process.env.PATH,
        NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
        PORT: String(this.port),
        LOCKSTEP_DATA: this.#data,
        LOCKSTEP_RATE_LIMIT: '0',
        LOCKSTEP_LOG_LEVEL: 'fatal',
        ...this.#env,
        ...env,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#child = child;
    running.add(child);
    child.once('exit', () => running.delete(child));
    return new Promise<boolean>((resolve) => {
      child.once('exit', () => resolve(false));
      createInterface({ input: child.stdout }).on('line', (line) => {
        if (line.startsWith('Lockstep is ready')) resolve(true);
      });
    });
  }

  /** Its database, where it has one of its own. */
  get database(): string {
    return join(this.#data, 'lockstep.db');
  }

  /** Environment in which a process has another clock; undefined where libfaketime is not installed. */
  get fakeTime(): NodeJS.ProcessEnv | undefined {
    const library = FAKE_TIME.find((path) => existsSync(path));
    return library === undefined ? undefined : { LD_PRELOAD: library, FAKETIME_DONT_FAKE_MONOTONIC: '1' };
  }

  /** Where a test keeps what its clock is to say. */
  get clockFile(): string {
    return join(this.#data, 'clock');
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(signal);
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    if (!child || !this.running) return null;
    const exited = once(child, 'exit');
    child.kill(signal);
    const [code] = await exited;
    return code;
  }

  async remove(): Promise<void> {
    await this.end('SIGKILL');
    this.wire?.close();
    rmSync(this.#data, { recursive: true, force: true });
  }

  /** Subscribers whose sockets are here. */
  async followers(): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${this.port}/metrics`);
    return Number(/^lockstep_connected_sockets (\d+)$/m.exec(await response.text())?.[1]);
  }

  /** Waits until an address of this node answers with the status. */
  async until(path: string, status: number): Promise<void> {
    while ((await this.status(path)) !== status) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  /** Status of an address of this node. */
  async status(path: string): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`);
    await response.arrayBuffer();
    return response.status;
  }
}

export interface ClusterOptions {
  readonly nodes: number;
  /** What the state is kept on, one Redis unless told; the cluster removes it. `file`: a single node with a file of its own. */
  readonly side?: RedisSide | 'file';
  readonly env?: NodeJS.ProcessEnv;
  /** What one node has beside that. */
  readonly envOf?: (node: number) => NodeJS.ProcessEnv;
}

export class Cluster {
  /** Undefined where the one node has a file. */
  readonly side: RedisSide | undefined;
  readonly nodes: readonly ClusterNode[];
  readonly balancer: Balancer;

  private constructor(side: RedisSide | undefined, nodes: readonly ClusterNode[], balancer: Balancer) {
    this.side = side;
    this.nodes = nodes;
    this.balancer = balancer;
  }

  static async start({ nodes: count, side: given, env, envOf }: ClusterOptions): Promise<Cluster> {
    const side: RedisSide | undefined = given === 'file' ? undefined : (given ?? (await Single.start()));
    if (side === undefined && count !== 1) throw new Error('A file has one node');
    const nodes: ClusterNode[] = [];
    const balancer = await Balancer.start(() => nodes.filter(({ running }) => running).map(({ port }) => port));
    for (let i = 0; i < count; i++) {
      const wire = side && side.url === undefined ? await Wire.to(() => side.primary.port) : undefined;
      const redis = side && { LOCKSTEP_REDIS_URL: side.url ?? `redis://127.0.0.1:${wire?.port}` };
      const own = { ...redis, LOCKSTEP_PUBLIC_URL: `http://localhost:${balancer.port}` };
      nodes.push(new ClusterNode(await freePort(), { ...own, ...side?.env, ...env, ...envOf?.(i) }, wire));
    }
    const cluster = new Cluster(side, nodes, balancer);
    try {
      // All at once, on an empty store: nobody is first.
      await Promise.all(nodes.map((node) => node.start()));
    } catch (error) {
      await cluster.close();
      throw error;
    }
    return cluster;
  }

  get redis(): RedisProcess {
    if (!this.side) throw new Error('There is no Redis');
    return this.side.primary;
  }

  /** The node that runs and has the most subscribers. */
  async busiest(): Promise<ClusterNode> {
    const counts = await Promise.all(
      this.nodes.map(async (node) => ({ node, count: node.running ? await node.followers() : -1 })),
    );
    return counts.reduce((a, b) => (b.count > a.count ? b : a)).node;
  }

  get origin(): string {
    return `http://localhost:${this.balancer.port}`;
  }

  async close(): Promise<void> {
    this.balancer.close();
    await Promise.all(this.nodes.map((node) => node.remove()));
    await this.side?.remove();
  }
}
