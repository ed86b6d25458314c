import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

/** A script of this folder, running in a process of its own. */
export interface Child {
  /** Lines printed so far. */
  readonly lines: readonly string[];
  /** Resolves once that many lines were printed, or the process ended. */
  printed(count: number): Promise<void>;
  /** Sends the signal and waits for the end of the process and its output. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Resolves with the exit code once the process and its output ended. */
  readonly ended: Promise<number | null>;
}

/** @param limitBlocks size that no file of the process may exceed, in blocks of 512 bytes: the nearest thing to a full disk */
export function startChild(script: string, args: readonly string[], limitBlocks?: number): Child {
  const command = [process.execPath, join(import.meta.dirname, script), ...args];
  const shell = limitBlocks === undefined ? 'exec "$@"' : `ulimit -S -f ${limitBlocks}; exec "$@"`;
  const child: ChildProcessByStdio<null, Readable, null> = spawn('sh', ['-c', shell, 'sh', ...command], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    for (const check of waiting) check();
  });
  const ended = once(child, 'close').then(([code]) => code as number | null);
  return {
    lines,
    ended,
    printed: (count) => {
      const enough = new Promise<void>((resolve) => {
        const check = () => {
          if (lines.length < count) return;
          waiting.delete(check);
          resolve();
        };
        waiting.add(check);
        check();
      });
      return Promise.race([enough, ended.then(() => undefined)]);
    },
    kill: async (signal) => {
      child.kill(signal);
      await ended;
    },
  };
}
