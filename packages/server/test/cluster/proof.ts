/** Shows that the checker finds what it is there for. */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

/** What a run with a defect has shown. */
export interface Proof {
  /** What was found wrong, by name. */
  readonly found: readonly string[];
  /** How often the defect has done something wrong: counted by itself. */
  readonly hits: number;
  /** Events that were accepted until it was found. */
  readonly accepted: number;
  readonly seconds: number;
}

/** Events that a run has at least. */
const EVENTS = 60;
/**
 * Events that a Hub accepts in a minute of such a run, at 100 a second: within these a defect has to be found. They are counted, and not the
 * seconds, since a busy machine has fewer of them in a minute.
 */
export const EVENTS_A_MINUTE = 6000;
/** ms that what was accepted has to arrive: what a defect has swallowed never does. */
const ARRIVES = { sound: 30_000, defective: 1000 };

/**
 * Runs a Hub without any fault, with or without a defect, for as long as it takes the defect to do something wrong.
 * @throws Error where it does nothing
 */
export async function findBug(bug?: (typeof BUGS)[number]): Promise<Proof> {
  const startedAt = performance.now();
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-defect-'));
  const log = join(folder, 'hits');
  writeFileSync(log, '');
  const hits = (): number => statSync(log).size;
  const env = bug === undefined ? {} : { NODE_OPTIONS: PRELOAD, TEST_BUG: bug, TEST_BUG_LOG: log };
  const cluster = await Cluster.start({ nodes: 1, side: 'file', env });
  try {
    const load = await Load.start(cluster.origin, { sessions: 6, followers: 4, pauseMs: 2 });
    try {
      await load.more(EVENTS);
      while (bug !== undefined && hits() === 0) {
        if (load.accepted > EVENTS_A_MINUTE) throw new Error(`${bug}: the Hub has done nothing wrong`);
        await load.more(1);
      }
      const findings = await load.finish(bug === undefined ? ARRIVES.sound : ARRIVES.defective);
      const seconds = Math.round((performance.now() - startedAt) / 1000);
      return { found: named(findings, true), hits: hits(), accepted: load.accepted, seconds };
    } finally {
      load.stop();
    }
  } finally {
    await cluster.close();
    rmSync(folder, { recursive: true });
  }
}
