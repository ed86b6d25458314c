/** Shows that the checker finds what it is there for. */
import { Cluster } from './cluster.ts';
import { type Findings, Load } from './load.ts';

/** Defects that a Hub can be given (`seeded-bug.mjs`). */
export const BUGS = [
  'one lost send in 1,000',
  'swapped order',
  'split content',
  'a rewritten number',
  'a lost close',
  'a wrong prior version',
  'a wrong version',
  'an event that nobody published',
  'an event accepted and forgotten',
  'an accepted event answered 500',
  'a stale answer',
  'an answer of another context',
] as const;

const PRELOAD = `--import=${new URL('seeded-bug.mjs', import.meta.url).href}`;

/** What of a run's findings must be zero. */
const ZERO = [
  'lost',
  'reordered',
  'forked',
  'altered',
  'differing',
  'wrongScreens',
  'defects',
] as const satisfies readonly (keyof Findings)[];

/** How many things a run has found wrong. Under faults the Hub may have told of who was lost: `unexplained` counts only without. */
export function wrong(findings: Findings, calm = false): number {
  return named(findings, calm).length;
}

/** What a run has found wrong, by name. */
export function named(findings: Findings, calm: boolean): string[] {
  const kinds: string[] = ZERO.filter((kind) => findings[kind] > 0).map((kind) => `${findings[kind]} ${kind}`);
  if (calm && findings.unexplained > 0) kinds.push(`${findings.unexplained} unexplained`);
  if (findings.denied.length > 0) kinds.push(`${findings.denied.length} denied`);
  return kinds;
}

/** Runs a Hub without any fault, with or without a defect. @returns what was found, and after how long */
export async function findBug(bug?: (typeof BUGS)[number]): Promise<{ found: readonly string[]; seconds: number }> {
  const startedAt = performance.now();
  const env = bug === undefined ? {} : { NODE_OPTIONS: PRELOAD, TEST_BUG: bug };
  const cluster = await Cluster.start({ nodes: 1, side: 'file', env });
  try {
    const load = await Load.start(cluster.origin, { sessions: 3, followers: 3, pauseMs: 5 });
    try {
      await load.more(bug === 'one lost send in 1,000' ? 700 : 250);
      const findings = await load.finish(2000);
      return { found: named(findings, true), seconds: Math.round((performance.now() - startedAt) / 1000) };
    } finally {
      load.stop();
    }
  } finally {
    await cluster.close();
  }
}
