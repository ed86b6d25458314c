/** Lockstep as whoever uses it starts it, and a Redis for it: processes of their own, so that nothing but the wire joins them to the suite. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { RedisProcess } from '@lockstep/store-redis/testing';

const LOCKSTEP = fileURLToPath(new URL('../../../node_modules/.bin/lockstep', import.meta.url));

export interface Running {
  /** Where it is reached. */
  readonly url: string;
  stop(): Promise<void>;
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

async function stop(child: ChildProcess, folder: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    await gone;
  }
  rmSync(folder, { recursive: true, force: true });
}

/** Runs `lockstep serve` with these settings. */
export async function startLockstep(env: Readonly<Record<string, string>>): Promise<Running> {
  const data = mkdtempSync(join(tmpdir(), 'lockstep-conformance-'));
  const child = spawn(process.execPath, [LOCKSTEP, 'serve'], {
    env: {
      PATH: process.env.PATH,
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
      PORT: '0',
      LOCKSTEP_DATA: data,
      LOCKSTEP_LOG_LEVEL: 'error',
      LOCKSTEP_RATE_LIMIT: '0',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [, url] = await ready(child, /^Lockstep is ready at (\S+)$/);
  return { url: url!, stop: () => stop(child, data) };
}

/** Runs a `redis-server` that loses nothing. */
export async function startRedis(): Promise<Running> {
  const redis = await RedisProcess.start();
  return { url: redis.url, stop: () => redis.remove() };
}
