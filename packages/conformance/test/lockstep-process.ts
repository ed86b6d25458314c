/** Lockstep as whoever uses it starts it, and a Redis for it: processes of their own, so that nothing but the wire joins them to the suite. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { freePort, RedisProcess } from '@lockstep/store-redis/testing';

const LOCKSTEP = fileURLToPath(new URL('../../../node_modules/.bin/lockstep', import.meta.url));

export interface Running {
  /** Where it is reached. */
  readonly url: string;
  stop(): Promise<void>;
}

export interface RunningLockstep extends Running {
  /** Ends it without a word and starts it again where it was. */
  restart(): Promise<void>;
}

/** Waits for the line that says that it is ready. @throws when it ends before */
function ready(child: ChildProcess, line: RegExp): Promise<RegExpExecArray> {
  const said: string[] = [];
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`it ended with ${code}: ${said.join('\n')}`)));
    createInterface({ input: child.stdout! }).on('line', (text) => {
      said.push(text);
      const found = line.exec(text);
      if (found) resolve(found);
    });
  });
}

async function end(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill(signal);
  await gone;
}

/** Runs `lockstep serve` with these settings. */
export async function startLockstep(env: Readonly<Record<string, string>>): Promise<RunningLockstep> {
  const data = mkdtempSync(join(tmpdir(), 'lockstep-conformance-'));
  const settings = {
    PATH: process.env.PATH,
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
    // It comes back to it after a restart.
    PORT: String(await freePort()),
    LOCKSTEP_DATA: data,
    LOCKSTEP_LOG_LEVEL: 'error',
    LOCKSTEP_RATE_LIMIT: '0',
    ...env,
  };
  let child: ChildProcess;
  const start = async () => {
    child = spawn(process.execPath, [LOCKSTEP, 'serve'], { env: settings, stdio: ['ignore', 'pipe', 'inherit'] });
    const [, url] = await ready(child, /^Lockstep is ready at (\S+)$/);
    return url!;
  };
  const url = await start();
  return {
    url,
    async restart() {
      await end(child, 'SIGKILL');
      await start();
    },
    async stop() {
      await end(child, 'SIGTERM');
      rmSync(data, { recursive: true, force: true });
    },
  };
}

/** Runs a `redis-server` that loses nothing. */
export async function startRedis(): Promise<Running> {
  const redis = await RedisProcess.start();
  return { url: redis.url, stop: () => redis.remove() };
}
