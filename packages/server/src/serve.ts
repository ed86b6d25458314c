import { flushCompileCache } from 'node:module';
import process from 'node:process';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ConfigError, readConfig } from './config.ts';
import { lowerHelperThreads } from './helper-threads.ts';
import { type Lockstep, startLockstep } from './lockstep.ts';
import { openStore } from './store.ts';

/** How V8 manages memory, from now on. */
const MEMORY_FLAGS = [
  // What dies young here is little: more threads that look for it cost more than they save.
  '--no-parallel-scavenge',
  // A Hub between two bursts gives memory back after 2 s instead of 8.
  '--gc-memory-reducer-start-delay-ms=2000',
];

type Collect = (options: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void;

/**
 * Gives back what V8 holds and does not use: a start needs more than twice what is kept of it, and V8 would keep the rest until there is
 * much to do. Takes some 50 ms, before anybody waits for an answer.
 */
function giveBackMemory(): void {
  setFlagsFromString('--expose-gc');
  const collect: Collect = runInNewContext('gc');
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}

/**
 * Runs Lockstep until the signal aborts. SIGHUP has it read its configuration and open moved files again; where the configuration
 * cannot be used, it goes on with the one that it has.
 * @param ready called once it is ready
 * @throws ConfigError, or why it cannot start
 */
export async function serve(
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
  ready: (lockstep: Lockstep) => void,
): Promise<void> {
  for (const flag of MEMORY_FLAGS) setFlagsFromString(flag);
  let lockstep: Lockstep | undefined;
  // From the beginning: a hang-up would end the process otherwise.
  const hangUp = async (): Promise<void> => {
    try {
      await lockstep?.reload(readConfig(env));
    } catch (error) {
      const problems = error instanceof ConfigError ? error.problems : [(error as Error).message];
      const why = problems.join('; ').replaceAll(/(?<!\s)\s*\n\s*/g, ' ');
      console.error(`The server goes on with the settings that it has: ${why}`);
    }
  };
  process.on('SIGHUP', hangUp);
  try {
    lockstep = await startLockstep(readConfig(env), openStore, signal);
    giveBackMemory();
    lowerHelperThreads();
    ready(lockstep);
    // Now, and not at the end, which a process that is killed does not reach.
    flushCompileCache();
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    await lockstep.close();
  } catch (error) {
    // It was told to end before it could begin.
    if (!signal.aborted || error !== signal.reason) throw error;
  } finally {
    process.off('SIGHUP', hangUp);
  }
}

/** What is printed for the person who starts Lockstep. That it is ready comes last: scripts wait for that line. */
export function readyText({ origin, firstAdministrator }: Lockstep): string {
  const ready = `Lockstep is ready at ${origin}`;
  if (!firstAdministrator) return ready;
  const { user, password } = firstAdministrator;
  return `Sign in as ${user} with the one-time password ${password} and choose your own; it is not shown again.\n${ready}`;
}
