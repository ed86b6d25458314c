import type { Verdict } from '../api.ts';

/** In the order in which somebody wants to read them. */
export const VERDICTS: readonly Verdict[] = ['fail', 'warning', 'skip', 'pass'];

/** Beside the color, so that nothing hangs on color alone. */
export const VERDICT_MARKS: Readonly<Record<Verdict, string>> = { fail: '×', warning: '!', skip: '–', pass: '✓' };
