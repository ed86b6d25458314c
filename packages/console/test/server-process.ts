/** Lockstep as a child process that can be killed and started again on the same data and port. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { freePort } from '@lockstep/store-redis/testing';

const SERVE = fileURLToPath(new URL('./serve.ts', import.meta.url));

export class ServerProcess {
  readonly port: number;
  readonly #data: string;
  readonly #settings: Readonly<Record<string, string>>;
  #child: ChildProcess | undefined;

  private constructor(data: string, settings: Readonly<Record<string, string>>, port: number) {
    this.#data = data;
    this.#settings = settings;
    this.port = port;
  }

  /** @param settings as the server's environment would say them */
  static async start(data: string, settings: Readonly<Record<string, string>>): Promise<ServerProcess> {
    const server = new ServerProcess(data, settings, await freePort());
    await server.start();
    return server;
  }

  get origin(): string {
    return `http://localhost:${this.port}`;
  }

  /** Resolves once the server says that it is ready. */
  async start(): Promise<void> {
    const flags = ['--disable-warning=ExperimentalWarning'];
    const child = spawn(process.execPath, [...flags, SERVE, this.#data], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: {
        PATH: process.env.PATH,
        NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
        PORT: String(this.port),
        LOCKSTEP_LOG_LEVEL: 'error',
        LOCKSTEP_RATE_LIMIT: '0',
        ...this.#settings,
      },
    });
    this.#child = child;
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`the server ended with ${code} before it was ready`);
    });
    await Promise.race([once(createInterface({ input: child.stdout }), 'line'), ended]);
    ended.catch(() => undefined);
  }

  /** Sends a signal and waits for the end. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }
}
