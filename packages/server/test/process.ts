/** Lockstep as a child process, which can be killed and started again on the same data and port. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));

export class LockstepProcess {
  origin = '';
  /** What it has written to its standard output, line by line. */
  readonly output: string[] = [];
  /** What it has written to its standard error, line by line. */
  readonly problems: string[] = [];
  readonly data: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #limits: string;
  #child: ChildProcess | undefined;
  #stderr: Interface | undefined;

  private constructor(env: NodeJS.ProcessEnv, limits: string) {
    this.data = env.LOCKSTEP_DATA ?? mkdtempSync(join(tmpdir(), 'lockstep-process-'));
    this.#env = env;
    this.#limits = limits;
  }

  /** One that has not been started. @param limits what a shell does before it becomes the server: `ulimit -n 256` */
  static prepare(t: TestContext, env: NodeJS.ProcessEnv = {}, limits = ':'): LockstepProcess {
    const lockstep = new LockstepProcess(env, limits);
    t.after(async () => {
      await lockstep.kill();
      await rm(lockstep.data, { recursive: true, force: true });
    });
    return lockstep;
  }

  /** One that is ready. */
  static async start(t: TestContext, env: NodeJS.ProcessEnv = {}, limits = ':'): Promise<LockstepProcess> {
    const lockstep = LockstepProcess.prepare(t, env, limits);
    await lockstep.start();
    return lockstep;
  }

  /** Starts it, on the port it had before. Resolves once it says that it is ready. */
  async start(): Promise<void> {
    const child = spawn('sh', ['-c', `${this.#limits}; exec "$@"`, 'sh', process.execPath, MAIN], {
      env: {
        PATH: process.env.PATH,
        NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
        PORT: this.origin ? new URL(this.origin).port : '0',
        LOCKSTEP_DATA: this.data,
        LOCKSTEP_RATE_LIMIT: '0',
        LOCKSTEP_LOG_LEVEL: 'error',
        ...this.#env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.#stderr = createInterface({ input: child.stderr }).on('line', (line) => {
      this.problems.push(line);
      console.error(line);
    });
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`Lockstep ended with ${code} before it was ready`);
    });
    const ready = new Promise<string>((resolve) => {
      createInterface({ input: child.stdout }).on('line', (line) => {
        this.output.push(line);
        const origin = /^Lockstep is ready at (\S+)$/.exec(line)?.[1];
        if (origin) resolve(origin);
      });
    });
    this.origin = await Promise.race([ready, ended]);
    ended.catch(() => undefined);
  }

  /** The next line that it writes to its standard error. */
  async nextProblem(): Promise<string> {
    assert.ok(this.#stderr);
    const [line] = await once(this.#stderr, 'line');
    return line;
  }

  /** Of its process while it runs. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Sends a signal that does not end it. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Sends a signal and waits for the end. @returns the exit code, null where the signal ended it */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return null;
    const exited = once(child, 'exit');
    child.kill(signal);
    const [code] = await exited;
    return code;
  }
}
