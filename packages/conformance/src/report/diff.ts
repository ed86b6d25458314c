import type { Report, Verdict } from './report.ts';

/** A check whose verdict differs between two reports; undefined where the report does not hold it. */
export interface VerdictChange {
  readonly id: string;
  readonly title: string;
  readonly before: Verdict | undefined;
  readonly after: Verdict | undefined;
  readonly reason?: string;
}

export interface ReportDiff {
  /** Got worse: passed, and does no longer; or is new and fails. */
  readonly worse: readonly VerdictChange[];
  /** Got better. */
  readonly better: readonly VerdictChange[];
  /** Skipped on one side, or only there. */
  readonly other: readonly VerdictChange[];
  readonly same: number;
}

const RANK: Readonly<Record<Verdict, number>> = { fail: 0, warning: 1, skip: 2, pass: 2 };

/** What changed from one report to another. */
export function diffReports(before: Report, after: Report): ReportDiff {
  const old = new Map(before.results.map((result) => [result.id, result]));
  const now = new Map(after.results.map((result) => [result.id, result]));
  const worse: VerdictChange[] = [];
  const better: VerdictChange[] = [];
  const other: VerdictChange[] = [];
  let same = 0;
  for (const id of new Set([...old.keys(), ...now.keys()])) {
    const [was, is] = [old.get(id), now.get(id)];
    if (was?.verdict === is?.verdict) {
      same++;
      continue;
    }
    const reason = is?.reason;
    const title = (is ?? was)?.title ?? id;
    const change = { id, title, before: was?.verdict, after: is?.verdict, ...(reason !== undefined && { reason }) };
    const step = (is ? RANK[is.verdict] : 2) - (was ? RANK[was.verdict] : 2);
    (step < 0 ? worse : step > 0 ? better : other).push(change);
  }
  return { worse, better, other, same };
}

/** The difference as text. */
export function renderDiff(diff: ReportDiff): string {
  const part = (head: string, changes: readonly VerdictChange[]) =>
    changes.length === 0
      ? []
      : [
          `${head} (${changes.length})`,
          ...changes.map(({ id, before, after, reason }) => {
            const why = reason === undefined ? '' : `\n      ${reason}`;
            return `  ${id}: ${before ?? 'not there'} → ${after ?? 'not there'}${why}`;
          }),
          '',
        ];
  return [
    ...part('Worse', diff.worse),
    ...part('Better', diff.better),
    ...part('Other', diff.other),
    `${diff.same} unchanged`,
    '',
  ].join('\n');
}
