/** Programs under test and the load on them, as child processes that each have a core of their own where there are two. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { constants, cpus, setPriority } from 'node:os';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

/** Cores: the programs under test share one (only one of them is busy at a time), the load has another. */
const SERVER_CORE = 0;
const LOAD_CORE = 1;

export interface Program {
  readonly pid: number;
  /** What the program said it can be reached at. */
  readonly origin: string;
  /** ms from the start of the process to its ready line. */
  readonly startMs: number;
  /** Ends it and waits for that. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

function hasTaskset(): boolean {
  try {
    execFileSync('taskset', ['--version'], { stdio: 'ignore' });
    return cpus().length > 1;
  } catch {
    return false;
  }
}

/** Whether programs and load are kept on cores of their own. */
export const pinned = hasTaskset();

function command(core: number, args: readonly string[]): [string, string[]] {
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', ...args];
  return pinned ? ['taskset', ['-c', String(core), ...node]] : [node[0]!, node.slice(1)];
}

export function path(relative: string): string {
  return fileURLToPath(new URL(relative, import.meta.url));
}

/** What was started and has not ended: it must not outlive a run that fails. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

function watched(child: ChildProcess): void {
  running.add(child);
  child.once('exit', () => running.delete(child));
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => child.once('exit', () => resolve()));
}

/**
 * Starts a program under test and waits until it says "… is ready at ORIGIN".
 * @param args script and arguments for node
 * @throws when it ends before
 */
export async function startProgram(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Program> {
  const [file, rest] = command(SERVER_CORE, args);
  const startedAt = performance.now();
  const child = spawn(file, rest, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env } });
  watched(child);
  const origin = await new Promise<string>((resolve, reject) => {
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      const ready = / is ready at (\S+)/.exec(text)?.[1];
      if (ready) resolve(ready);
    });
    child.once('exit', (code) => reject(new Error(`${args[0]} ended (${code}) before it was ready:\n${text}`)));
  });
  return {
    // taskset becomes the program: the pid is the server's own.
    pid: child.pid!,
    origin,
    startMs: performance.now() - startedAt,
    async stop(signal = 'SIGTERM') {
      child.kill(signal);
      await ended(child);
    },
  };
}

export function startBareFloor(): Promise<Program> {
  return startProgram([path('./bare-floor.ts')]);
}

/** @param data a folder for its database */
export function startDurableFloor(data: string): Promise<Program> {
  return startProgram([path('./durable-floor.ts'), data]);
}

/** Starts the server with what `npm` commands give Node, which this process was started with too. */
export function startServer(
  env: NodeJS.ProcessEnv,
  nodeOptions: readonly string[] = [],
  main = path('../packages/server/src/main.ts'),
): Promise<Program> {
  return startProgram([...process.execArgv, ...nodeOptions, main], env);
}

/**
 * Every rule on, nothing relaxed but the number of requests that one client may make.
 * @param main the program, where it is that of another checkout
 */
export function startLockstep(data: string, nodeOptions: readonly string[] = [], main?: string): Promise<Program> {
  const env = { PORT: '0', LOCKSTEP_DATA: data, LOCKSTEP_LOG_LEVEL: 'error', LOCKSTEP_RATE_LIMIT: '1000000' };
  return startServer(env, nodeOptions, main);
}

function startBesides(args: readonly string[]): ChildProcess {
  const [file, rest] = command(LOAD_CORE, args);
  const child = spawn(file, rest, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  watched(child);
  return child;
}

/** Starts the load generator with a channel to talk to it. */
export function startLoad(): ChildProcess {
  return startBesides([path('./load.ts')]);
}

/**
 * Starts what does harm to a server, with a channel to talk to it. It gives way to whoever measures on the same core: what it takes
 * from the server is to be seen, not what it takes from the one who measures.
 * @param what JSON that says what is done
 */
export function startFlood(what: string): ChildProcess {
  const child = startBesides([path('./flood.ts'), what]);
  if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW);
  return child;
}
