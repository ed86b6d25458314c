import process from 'node:process';
import { readConfig } from './config.ts';
import { type Lockstep, startLockstep } from './lockstep.ts';

/**
 * Runs Lockstep until the signal aborts. SIGHUP has it read its configuration and open moved files again.
 * @param ready told once it is ready
 * @throws ConfigError, or why it cannot start
 */
export async function serve(
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
  ready: (lockstep: Lockstep) => void,
): Promise<void> {
  let lockstep: Lockstep | undefined;
  // From the beginning: a hang-up would end the process otherwise.
  const hangUp = (): void =>
    void lockstep?.reload(readConfig(env)).catch((error: Error) => console.error(error.message));
  process.on('SIGHUP', hangUp);
  try {
    lockstep = await startLockstep(readConfig(env));
    ready(lockstep);
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    await lockstep.close();
  } finally {
    process.off('SIGHUP', hangUp);
  }
}

/** What whoever starts Lockstep is told. That it is ready comes last: scripts wait for that line. */
export function readyText({ origin, firstAdministrator }: Lockstep): string {
  const ready = `Lockstep is ready at ${origin}`;
  if (!firstAdministrator) return ready;
  const { user, password } = firstAdministrator;
  return `Sign in as ${user} with the one-time password ${password} and choose your own; it is not shown again.\n${ready}`;
}
