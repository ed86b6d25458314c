/** Real Redis servers for tests, on loopback. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/**
 * Ports that nobody is given by chance: below those that the system hands out to whoever listens on port 0 or connects, and
 * 10,000 below those by which the servers of a cluster talk to each other.
 */
const PORTS = { first: 10_000, count: 10_000 };

/** Whether nobody listens there. */
function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}

/**
 * Keeps a port from the other tests until this process ends, whether or not something listens there: the system lets one socket
 * of UDP have the port of that number.
 */
function reserve(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const mark = createSocket('udp4').unref();
    mark.once('error', () => mark.close(() => resolve(false)));
    mark.bind({ port, address: '127.0.0.1', exclusive: true }, () => resolve(true));
  });
}

/** A port for a server that may end and come back to it: no other test is given it while this process runs. */
export async function freePort({ first, count } = PORTS): Promise<number> {
  for (;;) {
    const port = randomInt(first, first + count);
    if ((await reserve(port)) && (await isFree(port))) return port;
  }
}

/** One `redis-server` with a folder of its own; it keeps both through a restart. */
export class RedisProcess {
  readonly port: number;
  readonly folder: string;
  #settings: Readonly<Record<string, string>>;
  readonly #sentinelFile: string | undefined;
  #child: ChildProcess | undefined;

  private constructor(port: number, settings: Readonly<Record<string, string>>, sentinelFile?: string) {
    this.port = port;
    this.folder = mkdtempSync(join(tmpdir(), 'lockstep-redis-'));
    this.#settings = settings;
    this.#sentinelFile = sentinelFile;
  }

  /**
   * Starts a server that loses nothing (`appendfsync always`) unless the settings say otherwise.
   * @param settings as in redis.conf
   */
  static async start(settings: Readonly<Record<string, string>> = {}): Promise<RedisProcess> {
    const durable = { save: '', appendonly: 'yes', appendfsync: 'always', 'repl-diskless-sync-delay': '0' };
    const server = new RedisProcess(await freePort(), { ...durable, ...settings });
    await server.restart();
    return server;
  }

  /** Starts a Sentinel that alone decides about the primary named `lockstep`. */
  static async sentinel(primary: RedisProcess, downAfterMs: number): Promise<RedisProcess> {
    const sentinel = new RedisProcess(await freePort(), {}, 'sentinel.conf');
    const lines = [
      `port ${sentinel.port}`,
      'bind 127.0.0.1',
      `dir ${sentinel.folder}`,
      `sentinel monitor lockstep 127.0.0.1 ${primary.port} 1`,
      `sentinel down-after-milliseconds lockstep ${downAfterMs}`,
      'sentinel failover-timeout lockstep 5000',
    ];
    writeFileSync(join(sentinel.folder, 'sentinel.conf'), `${lines.join('\n')}\n`);
    await sentinel.restart();
    return sentinel;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /**
   * Starts it again after `kill`, on the same port and folder.
   * @param changes settings that are others from now on
   */
  async restart(changes: Readonly<Record<string, string>> = {}): Promise<void> {
    this.#settings = { ...this.#settings, ...changes };
    const settings = { port: String(this.port), bind: '127.0.0.1', dir: this.folder, ...this.#settings };
    const flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
    const args = this.#sentinelFile ? [join(this.folder, this.#sentinelFile), '--sentinel'] : flags;
    const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    running.add(child);
    child.once('exit', () => running.delete(child));
    this.#child = child;
    let output = '';
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`redis-server ended with ${code}: ${output}`)));
      child.stdout?.setEncoding('utf8').on('data', (data: string) => {
        output = (output + data).slice(-4000);
        if (/Ready to accept connections|Sentinel ID is/.test(output)) resolve();
      });
    });
  }

  /** Changes settings while it runs; they stay through a restart. */
  async configure(changes: Readonly<Record<string, string>>): Promise<void> {
    this.#settings = { ...this.#settings, ...changes };
    await this.command('CONFIG', 'SET', ...Object.entries(changes).flat());
  }

  /** Runs one command and gives its reply, or the error's text. */
  async command(...words: readonly string[]): Promise<string> {
    const socket = connect(this.port, '127.0.0.1');
    socket.setEncoding('utf8');
    socket.write(`*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`);
    try {
      let reply = '';
      for await (const chunk of socket) {
        reply += chunk;
        const bulk = /^\$(\d+)\r\n/.exec(reply);
        if (bulk ? reply.length >= bulk[0].length + Number(bulk[1]) + 2 : reply.endsWith('\r\n')) break;
      }
      return reply.replace(/^\$\d+\r\n/, '').trimEnd();
    } finally {
      socket.destroy();
    }
  }

  /** Waits until what `INFO` says matches. A Sentinel closes all connections of a server that it promotes, this one too. */
  until(pattern: RegExp, section = 'all'): Promise<void> {
    return until(async () => pattern.test(await this.command('INFO', section).catch(() => '')));
  }

  /** Waits until a replica has everything. */
  inSync(): Promise<void> {
    return this.until(/^master_link_status:up/m, 'replication');
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(signal);
  }

  /** `kill -9`. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const SLOTS = 16_384;

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20));
}

/**
 * A cluster of servers that share the slots.
 * @param options `replicas`: whether each has one, which takes over
 * @returns those that share the slots, then their replicas in the same order
 */
export async function startCluster(
  size: number,
  settings: Readonly<Record<string, string>> = {},
  { replicas = false }: { readonly replicas?: boolean } = {},
): Promise<readonly RedisProcess[]> {
  // A server that a busy machine keeps waiting is not to be given up while they get to know each other.
  const patience = { 'cluster-node-timeout': '60000', 'cluster-replica-validity-factor': '0' };
  const all = { 'cluster-enabled': 'yes', appendfsync: 'no', ...settings, ...patience };
  const count = replicas ? 2 * size : size;
  const servers = await Promise.all(Array.from({ length: count }, () => RedisProcess.start(all)));
  const [first] = servers;
  for (const [i, server] of servers.entries()) {
    const [from, to] = [i, i + 1].map((n) => Math.floor((n * SLOTS) / size));
    if (i < size) await server.command('CLUSTER', 'ADDSLOTSRANGE', String(from), String((to ?? SLOTS) - 1));
    await first?.command('CLUSTER', 'MEET', '127.0.0.1', String(server.port));
  }
  for (const [i, server] of servers.entries()) {
    if (i < size) continue;
    const id = await servers[i - size]?.command('CLUSTER', 'MYID');
    await until(async () => (await server.command('CLUSTER', 'REPLICATE', id ?? '')).startsWith('+OK'));
    await server.inSync();
  }
  const complete = new RegExp(
    `cluster_state:ok[\\s\\S]*cluster_slots_ok:${SLOTS}[\\s\\S]*cluster_known_nodes:${count}`,
  );
  for (const server of servers) await until(async () => complete.test(await server.command('CLUSTER', 'INFO')));
  const { 'cluster-node-timeout': timeout = '60000' } = settings;
  for (const server of servers) await server.configure({ 'cluster-node-timeout': timeout });
  return servers;
}
