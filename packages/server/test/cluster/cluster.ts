/** Lockstep on several processes, one Redis and a load balancer: all of it real, all of it on loopback. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { freePort, RedisProcess } from '@lockstep/store-redis/testing';
import { Balancer, Wire } from './wires.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

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

  async start(): Promise<void> {
    const child = spawn(process.execPath, [MAIN], {
      env: {
        PATH: process.env.PATH,
        PORT: String(this.port),
        LOCKSTEP_DATA: this.#data,
        LOCKSTEP_RATE_LIMIT: '0',
        LOCKSTEP_LOG_LEVEL: 'fatal',
        ...this.#env,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#child = child;
    running.add(child);
    child.once('exit', () => running.delete(child));
    await new Promise<void>((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`the node ended with ${code} before it was ready`)));
      createInterface({ input: child.stdout }).on('line', (line) => {
        if (line.startsWith('Lockstep is ready')) resolve();
      });
    });
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
  readonly redis?: Readonly<Record<string, string>>;
  /** Address of Redis for all nodes, instead of one server at the end of a wire for each. */
  readonly redisUrl?: (redis: RedisProcess) => Promise<string>;
  readonly env?: NodeJS.ProcessEnv;
}

export class Cluster {
  readonly redis: RedisProcess;
  readonly nodes: readonly ClusterNode[];
  readonly balancer: Balancer;

  private constructor(redis: RedisProcess, nodes: readonly ClusterNode[], balancer: Balancer) {
    this.redis = redis;
    this.nodes = nodes;
    this.balancer = balancer;
  }

  static async start({ nodes: count, redis: settings, redisUrl, env }: ClusterOptions): Promise<Cluster> {
    const redis = await RedisProcess.start(settings);
    const common = redisUrl && (await redisUrl(redis));
    const nodes: ClusterNode[] = [];
    const balancer = await Balancer.start(() => nodes.filter(({ running }) => running).map(({ port }) => port));
    for (let i = 0; i < count; i++) {
      const wire = common === undefined ? await Wire.to(() => redis.port) : undefined;
      const url = common ?? `redis://127.0.0.1:${wire?.port}`;
      const own = { LOCKSTEP_REDIS_URL: url, LOCKSTEP_PUBLIC_URL: `http://localhost:${balancer.port}` };
      nodes.push(new ClusterNode(await freePort(), { ...own, ...env }, wire));
    }
    const cluster = new Cluster(redis, nodes, balancer);
    try {
      // All at once, on an empty store: nobody is first.
      await Promise.all(nodes.map((node) => node.start()));
    } catch (error) {
      await cluster.close();
      throw error;
    }
    return cluster;
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
    await this.redis.remove();
  }
}
