/** Checks the model of how nodes share a session on Redis (`cluster.pml`) with Spin, in every order. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MODEL = fileURLToPath(new URL('cluster.pml', import.meta.url));

/** What Redis promises: that a replica confirms before anything counts, or nothing beyond itself. */
export const PROMISES = { 'a replica confirms': [], 'one copy': ['ONE_COPY'] } as const;
export type Promised = keyof typeof PROMISES;

/** What can be left out of the protocol, and where that does harm. */
export const OMISSIONS: readonly { readonly option: string; readonly harmful: readonly Promised[] }[] = [
  { option: 'NO_WAIT', harmful: ['a replica confirms'] },
  { option: 'READ_UNCONFIRMED', harmful: ['a replica confirms'] },
  { option: 'NO_DOUBT_AFTER_LOSS', harmful: ['a replica confirms', 'one copy'] },
  { option: 'NO_DOUBT_AFTER_UNKNOWN', harmful: ['a replica confirms', 'one copy'] },
  { option: 'NO_WORD_OF_UNKNOWN', harmful: ['a replica confirms'] },
  { option: 'NO_DEADLINE', harmful: ['a replica confirms'] },
  { option: 'NO_DOUBT_AFTER_TAKEOVER', harmful: ['a replica confirms', 'one copy'] },
  { option: 'READ_BEFORE_LISTENING', harmful: ['a replica confirms', 'one copy'] },
  { option: 'NO_EPOCH', harmful: ['one copy'] },
];

export interface Checked {
  /** States that were looked at; all that there are, where there is no error. */
  readonly states: number;
  /** What does not hold in one of them. */
  readonly error: string | undefined;
}

/**
 * Looks at every state.
 * @param takeovers how often a replica takes over, and how often a commit gets no answer, at most: 1 or 2
 * @throws Error where a program is missing, or not every state could be looked at
 */
export function checkModel(promised: Promised, omissions: readonly string[] = [], takeovers = 1): Checked {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-model-'));
  const run = (program: string, ...args: readonly string[]): string => {
    const { status, stdout, stderr, error } = spawnSync(program, args, { cwd: folder, encoding: 'utf8' });
    if (error) throw new Error(`${program} is needed to check the model (Debian packages spin, build-essential)`);
    if (status !== 0) throw new Error(`${program} ended with ${status}: ${stdout}${stderr}`);
    return stdout;
  };
  try {
    const counts = [`TAKEOVERS=${takeovers}`, `BREAKS=${takeovers}`];
    const options = [...PROMISES[promised], ...omissions, ...counts].map((option) => `-D${option}`);
    run('spin', ...options, '-a', MODEL);
    // Far above what it takes; a model that outgrew it must not take the machine's memory.
    run('cc', '-O0', '-DSAFETY', '-DMEMLIM=512', '-o', 'pan', 'pan.c');
    const output = run(join(folder, 'pan'), '-m100000');
    const [, errors] = /errors: (\d+)/.exec(output) ?? [];
    if (errors === undefined || /max search depth too small|out of memory|memory exhausted/.test(output)) {
      throw new Error(`Not every state was looked at: ${output}`);
    }
    return {
      states: Number(/(\d+) states, stored/.exec(output)?.[1]),
      error: errors === '0' ? undefined : /^pan:\d+: (.*) \(at depth/m.exec(output)?.[1],
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
