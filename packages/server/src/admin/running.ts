/**
 * How commands on the same machine find a running server and prove that they may administer it: a file in the data folder
 * that only its owner can read.
 */
import { randomBytes } from 'node:crypto';
import { chmod, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';

export const RUNNING_FILE = 'running.json';

export interface Running {
  /** Where the server answers on this machine, without a trailing slash. */
  readonly url: string;
  /** What clients use. */
  readonly origin: string;
  /** File with the certificate that it shows where it speaks https itself; absolute. */
  readonly certificateFile?: string;
  /** Bearer token of the administration interface. */
  readonly token: string;
  readonly pid: number;
  readonly startedAt: string;
}

/** 256 random bits, base64url. */
export function newAdminToken(): string {
  return randomBytes(32).toString('base64url');
}

/** Where this machine reaches a server that listens on this host. */
export function localUrl(host: string, port: number, secure = false): string {
  const reach = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host;
  return `${secure ? 'https' : 'http'}://${reach}:${port}`;
}

/**
 * Writes the file, whole or not at all, with mode 0600.
 * @returns a function that removes it again, unless a later server has written its own
 */
export async function announceRunning(
  data: string,
  running: Omit<Running, 'pid' | 'startedAt'>,
): Promise<() => Promise<void>> {
  const path = join(data, RUNNING_FILE);
  const fresh = `${path}.${process.pid}`;
  const value: Running = { ...running, pid: process.pid, startedAt: new Date().toISOString() };
  try {
    await writeFile(fresh, `${JSON.stringify(value)}\n`, { mode: 0o600 });
    // The mode above counts for new files only.
    await chmod(fresh, 0o600);
    await rename(fresh, path);
  } catch (error) {
    await rm(fresh, { force: true });
    throw error;
  }
  return async () => {
    if ((await findRunning(data))?.token === running.token) await rm(path, { force: true });
  };
}

/** What the file says; undefined where there is none, or none that makes sense. */
export async function findRunning(data: string): Promise<Running | undefined> {
  try {
    const value = JSON.parse(await readFile(join(data, RUNNING_FILE), 'utf8')) as Partial<Running>;
    return typeof value.url === 'string' && typeof value.token === 'string' ? (value as Running) : undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
