import type { Diagnosis } from '../preflight.ts';
import type { Claim, HubVersion, Level } from '../specification.ts';
import type { Step } from '../steps.ts';
import type { WireExchange } from '../transcript.ts';

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
  /** Whether a failure of it may leave somebody at the wrong patient. */
  readonly safety?: boolean;
  readonly versions: readonly HubVersion[];
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
  /** Why its failure does not count, and until when. */
  readonly waived?: Waiver;
  readonly durationMs: number;
  /** What went over the wire; of checks that passed only where the options ask for it. */
  readonly exchange?: readonly WireExchange[];
}

/** A failure that somebody accepts for a time. */
export interface Waiver {
  readonly reason: string;
  /** Day on which it ends, `2027-01-31`. */
  readonly expires: string;
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
  readonly versions: readonly HubVersion[];
  /** What judged. */
  readonly suite?: {
    readonly name: string;
    readonly version: string;
    /** Commits of the specifications' sources that the checks were written from. */
    readonly specifications: Readonly<Record<string, string>>;
  };
  /** The options of the run, without secrets. */
  readonly options?: Readonly<Record<string, unknown>>;
  readonly claims?: readonly Claim[];
  /** What did not go well before the checks, in one sentence each. */
  readonly diagnosis?: readonly Diagnosis[];
  /** ISO 8601. */
  readonly startedAt: string;
  readonly durationMs: number;
  readonly counts: Readonly<Record<Verdict, number>>;
  readonly results: readonly CheckResult[];
}

/** What everything rests on: a run in which one of these could not be judged says nothing. */
const BASIC = ['subscribe-accepted', 'subscribe-endpoint', 'confirmation-sent', 'publish-accepted', 'broadcast-to-all'];

/** A SHOULD that is not kept and that may leave somebody at the wrong patient. */
export const isSafetyWarning = ({ verdict, safety, waived }: CheckResult): boolean =>
  verdict === 'warning' && safety === true && waived === undefined;

export const isFailure = ({ verdict, waived }: CheckResult): boolean => verdict === 'fail' && waived === undefined;

export interface ConformsOptions {
  /** Whether safety warnings count as failures. */
  readonly strict?: boolean;
}

/** Whether nothing failed that is not waived, something passed, and the basic steps could be judged. */
export function conforms(report: Report, { strict = false }: ConformsOptions = {}): boolean {
  if (report.results.some((result) => isFailure(result) || (strict && isSafetyWarning(result)))) return false;
  const unjudged = ({ id, verdict }: CheckResult) => BASIC.includes(id) && verdict === 'skip';
  return report.counts.pass > 0 && !report.results.some(unjudged) && !report.diagnosis?.some(({ stops }) => stops);
}

/** How many safety warnings a report holds. */
export const countSafetyWarnings = (report: Report): number => report.results.filter(isSafetyWarning).length;

export function countVerdicts(results: readonly CheckResult[]): Record<Verdict, number> {
  const counts: Record<Verdict, number> = { pass: 0, fail: 0, warning: 0, skip: 0 };
  for (const result of results) counts[result.verdict]++;
  return counts;
}
