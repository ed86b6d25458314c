/** Lockstep as whoever uses it starts it, and a Redis for it: processes of their own, so that nothing but the wire joins them to the suite. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

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

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as { port: number };
  probe.close();
  await once(probe, 'close');
  return port;
}

/** Runs a `redis-server` that loses nothing. */
export async function startRedis(tries = 5): Promise<Running> {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-redis-'));
  const port = String(await freePort());
  const args = ['--port', port, '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'yes'];
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await ready(child, /Ready to accept connections/);
  } catch (error) {
    // Somebody else took the port in between.
    await stop(child, folder);
    if (tries > 1) return startRedis(tries - 1);
    throw error;
  }
  return { url: `redis://127.0.0.1:${port}`, stop: () => stop(child, folder) };
}
