/** The shapes of what the server sends to the page of the conformance suite (`/api/console/conformance…`). Types only. */

export type ConformanceSpec = '3.0.0' | 'STU2' | 'IRA';
export type Verdict = 'pass' | 'fail' | 'warning' | 'skip';

/** What can be tested here, and what is being tested. */
export interface ConformanceSetup {
  /** This server's own Hub. */
  readonly hubUrl: string;
  /** What this server's own Hub keeps. */
  readonly specs: readonly ConformanceSpec[];
  /** The administrator's run: the one under way, or the last. */
  readonly run?: ConformanceRun;
  /** Runs of other administrators that are under way. */
  readonly others: readonly ConformanceRun[];
  /** Reports that are kept, the newest first. */
  readonly reports: readonly KeptReport[];
}

/** What there is to know of a report that is kept. */
export interface KeptReport {
  readonly id: string;
  readonly kind: 'hub' | 'subscriber';
  readonly name: string;
  readonly versions: readonly ConformanceSpec[];
  /** ms since the epoch. */
  readonly startedAt: number;
  readonly durationMs: number;
  readonly counts: Readonly<Record<Verdict, number>>;
  readonly safetyWarnings: number;
  readonly checks: number;
  /** Who started the run. */
  readonly by: string;
}

/** What changed from one report to another. */
export interface ReportChanges {
  readonly worse: readonly ReportChange[];
  readonly better: readonly ReportChange[];
  readonly other: readonly ReportChange[];
  readonly same: number;
}

export interface ReportChange {
  readonly id: string;
  readonly title: string;
  readonly before?: Verdict;
  readonly after?: Verdict;
  readonly reason?: string;
}

/** A run as far as it is. */
export interface ConformanceRun {
  readonly id: string;
  readonly kind: 'hub' | 'subscriber';
  /** The Hub's address, or the application's name. */
  readonly name: string;
  readonly spec: ConformanceSpec;
  /** ms since the epoch. */
  readonly startedAt: number;
  readonly status: 'running' | 'done' | 'cancelled' | 'failed';
  readonly done: number;
  /** 0 until it is known. */
  readonly total: number;
  readonly counts: Readonly<Record<Verdict, number>>;
  /** The check that ended last. */
  readonly latest?: { readonly id: string; readonly title: string; readonly verdict: Verdict };
  /** The id of the report that is kept of it. */
  readonly report?: string;
  /** Why there is no report. */
  readonly problem?: string;
  /** What somebody at the application has to do or to say. */
  readonly question?: ConformanceQuestion;
}

export interface ConformanceQuestion {
  readonly number: number;
  readonly text: string;
  /** What to start the application with, where that is what is to be done. */
  readonly invitation?: { readonly hubUrl: string; readonly topic: string; readonly token: string };
}

/** What one check found. */
export interface ConformanceResult {
  readonly id: string;
  readonly title: string;
  readonly rule: string;
  readonly level: 'SHALL' | 'SHOULD' | 'MAY';
  /** Whether a failure of it may leave somebody at the wrong patient. */
  readonly safety?: boolean;
  readonly verdict: Verdict;
  readonly requirement: { readonly section: string; readonly quote: string; readonly link: string };
  readonly reason?: string;
  readonly expected?: string;
  readonly seen?: string;
  readonly durationMs: number;
  readonly exchange?: readonly {
    /** ms since the check began. */
    readonly at: number;
    readonly kind: string;
    readonly who: string;
    readonly text: string;
  }[];
}

export interface ConformanceReport {
  /** What did not go well before the checks, in one sentence each. */
  readonly diagnosis?: readonly { readonly sentence: string }[];
  readonly suite?: { readonly name: string; readonly version: string };
  readonly target: { readonly kind: 'hub' | 'subscriber'; readonly name: string };
  readonly versions: readonly ConformanceSpec[];
  /** ISO 8601. */
  readonly startedAt: string;
  readonly durationMs: number;
  readonly counts: Readonly<Record<Verdict, number>>;
  readonly results: readonly ConformanceResult[];
}
