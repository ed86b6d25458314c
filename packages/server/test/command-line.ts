/** The `lockstep` command as a child process. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { after, before, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Config, type Lockstep, startLockstep } from '@lockstep/server';
import { type Json, testConfig } from './harness.ts';

const MAIN = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The standard output as JSON. */
  readonly json: Json;
}

interface Surroundings {
  readonly env?: NodeJS.ProcessEnv;
  /** What it reads from its standard input. */
  readonly input?: string;
}

function start(args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcessWithoutNullStreams {
  // Nothing of this machine's own settings.
  const clean = {
    PATH: process.env.PATH,
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
    HOME: process.env.HOME,
    NODE_NO_WARNINGS: '1',
    ...env,
  };
  return spawn(process.execPath, [MAIN, ...args], { env: clean });
}

/** A server that runs for the tests of one file, and what commands need to reach it. */
export interface ServerOfFile {
  readonly config: Config;
  /** Options that name its data. */
  readonly at: readonly string[];
  /** For files of the tests. */
  readonly folder: string;
  /** Its address, once the tests run. */
  readonly origin: string;
}

/** Starts a server before the tests of a file, and stops it after them. */
export function serverOfFile(): ServerOfFile {
  const config = testConfig();
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-command-'));
  let server: Lockstep | undefined;
  before(async () => {
    server = await startLockstep(config);
  });
  after(async () => {
    await server?.close();
    await rm(config.data, { recursive: true, force: true });
    await rm(folder, { recursive: true, force: true });
  });
  return {
    config,
    at: ['--data', config.data],
    folder,
    get origin() {
      if (!server) throw new Error('The server has not started');
      return server.origin;
    },
  };
}

/** Runs a command to its end. */
export async function lockstep(args: readonly string[], { env, input }: Surroundings = {}): Promise<Ended> {
  const child = start(args, env);
  child.stdin.end(input ?? '');
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return {
    code: code as number | null,
    stdout,
    stderr,
    get json() {
      return JSON.parse(stdout) as Json;
    },
  };
}

/** A command that goes on until it is told to stop. */
export class Running {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: string[] = [];
  readonly #waiting: (() => void)[] = [];
  readonly stderr: Promise<string>;
  readonly #notes: string[] = [];
  readonly ended: Promise<number | null>;

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    this.stderr = text(child.stderr);
    createInterface({ input: child.stderr }).on('line', (line) => {
      this.#notes.push(line);
      for (const wake of this.#waiting.splice(0)) wake();
    });
    this.ended = once(child, 'exit').then(([code]) => code as number | null);
    createInterface({ input: child.stdout })
      .on('line', (line) => {
        this.#lines.push(line);
        for (const wake of this.#waiting.splice(0)) wake();
      })
      .on('close', () => {
        for (const wake of this.#waiting.splice(0)) wake();
      });
  }

  static start(t: TestContext, args: readonly string[], env?: NodeJS.ProcessEnv): Running {
    const child = start(args, env);
    child.stdin.end();
    const running = new Running(child);
    t.after(async () => {
      child.kill('SIGKILL');
      await running.ended;
    });
    return running;
  }

  /** The first JSON line, from those not looked at yet, that fits. */
  async find(fits: (value: Json) => boolean): Promise<Json> {
    for (;;) {
      for (let line = this.#lines.shift(); line !== undefined; line = this.#lines.shift()) {
        const value = JSON.parse(line) as Json;
        if (fits(value)) return value;
      }
      if (this.#child.exitCode !== null) throw new Error(`it ended with ${this.#child.exitCode}: ${await this.stderr}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** What the first group of a pattern finds in a line of its error stream. */
  async note(pattern: RegExp): Promise<string> {
    for (;;) {
      for (const line of this.#notes) {
        const found = pattern.exec(line)?.[1];
        if (found !== undefined) return found;
      }
      if (this.#child.exitCode !== null) throw new Error(`it ended with ${this.#child.exitCode}: ${await this.stderr}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Reads no more of what it writes, as `head` when it has enough. */
  readNoMore(): void {
    this.#child.stdout.destroy();
  }

  /** Asks it to stop, as Ctrl-C does. @returns its exit code */
  stop(): Promise<number | null> {
    this.#child.kill('SIGINT');
    return this.ended;
  }
}

export const inSync = ({ kind, status }: Json): boolean => kind === 'state' && status === 'in-sync';
export const event =
  (name: string) =>
  (value: Json): boolean =>
    value.kind === 'event' && value.event['hub.event'] === name;
