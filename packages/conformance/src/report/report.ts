import type { Level, Step, Version } from '../check.ts';
import type { Exchange } from '../transcript.ts';

/** `warning`: a SHOULD that is not kept. `skip`: not claimed, not observable here, or a MAY that is not done. */
export type Verdict = 'pass' | 'fail' | 'warning' | 'skip';

export const VERDICTS: readonly Verdict[] = ['fail', 'warning', 'pass', 'skip'];

/** What a check came to. */
export interface Finding {
  readonly verdict: Verdict;
  readonly reason?: string;
  readonly expected?: string;
  readonly seen?: string;
  /** The step before the one that the check is about, where it failed at that. */
  readonly step?: Step;
}

/** What one check found, with what it was about. */
export interface CheckResult {
  readonly id: string;
  readonly title: string;
  readonly rule: string;
  readonly level: Level;
  readonly versions: readonly Version[];
  /** The requirement that the check rests on. */
  readonly requirement: {
    readonly id: string;
    readonly section: string;
    readonly quote: string;
    readonly link: string;
  };
  readonly verdict: Verdict;
  /** Why it did not pass. */
  readonly reason?: string;
  readonly expected?: string;
  readonly seen?: string;
  readonly step?: Step;
  readonly durationMs: number;
  /** What went over the wire; of checks that passed only where the options ask for it. */
  readonly exchange?: readonly Exchange[];
}

export const REPORT_FORMAT = 'fhircast-conformance/1';

/** What a run found: plain data, the source of every other form of the report. */
export interface Report {
  readonly format: typeof REPORT_FORMAT;
  /** Who was tested. */
  readonly target: {
    readonly kind: 'hub' | 'subscriber';
    /** `hub.url`, or the application's name. */
    readonly name: string;
    /** What the Hub says of itself, where it says something. */
    readonly configuration?: unknown;
  };
  readonly versions: readonly Version[];
  /** ISO 8601. */
  readonly startedAt: string;
  readonly durationMs: number;
  readonly counts: Readonly<Record<Verdict, number>>;
  readonly results: readonly CheckResult[];
}

/** Whether nothing failed and something passed. */
export function conforms(report: Report): boolean {
  return report.counts.fail === 0 && report.counts.pass > 0;
}

export function countVerdicts(results: readonly CheckResult[]): Record<Verdict, number> {
  const counts: Record<Verdict, number> = { pass: 0, fail: 0, warning: 0, skip: 0 };
  for (const result of results) counts[result.verdict]++;
  return counts;
}
