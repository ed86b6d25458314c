import { readdirSync, readFileSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';
import process from 'node:process';

/** What Node calls the threads of V8 that mark garbage and compile. */
const NAME = 'V8Worker';

/** How much they give way to the thread that answers, as `nice` counts: ten such threads get about half of what one of ours gets. */
const GIVE_WAY = 10;

const LOWEST = 19;

const TASKS = '/proc/self/task';

/**
 * Has the threads of V8 give way to those that answer requests and commit. Where all share a core, four threads that mark garbage left
 * the main thread a fifth of it for as long as that took, some 70 ms: events were late by 50 ms. What they do not get to, V8 does on the
 * main thread in steps of a millisecond between its other work.
 *
 * Linux alone has a priority for each thread; elsewhere, and where the system does not allow it, nothing is changed.
 */
export function lowerHelperThreads(): void {
  if (process.platform !== 'linux') return;
  const priority = Math.min(LOWEST, getPriority() + GIVE_WAY);
  try {
    for (const thread of readdirSync(TASKS)) {
      if (readFileSync(`${TASKS}/${thread}/comm`, 'utf8').trimEnd() === NAME) setPriority(Number(thread), priority);
    }
  } catch {
    // The server is as right without it, and may be slower at times.
  }
}
