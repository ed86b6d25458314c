/** What a run found: what failed first, with everything that one needs to see why. */
import { useQuery } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';
import { type ConformanceReport, type ConformanceResult, type ConformanceRun, get, type Verdict } from '../api.ts';
import { Problem, Waiting } from '../ui/problem.tsx';
import { SPEC_WORDS } from './options.ts';
import { VERDICT_MARKS, VERDICT_WORDS, VERDICTS } from './verdicts.ts';

const FORMS = [
  ['html', 'HTML page'],
  ['junit', 'JUnit XML'],
  ['json', 'JSON'],
  ['testreport', 'FHIR TestReport'],
  ['badge', 'Badge'],
] as const;

const DIRECTIONS: Readonly<Record<string, string>> = {
  request: '→ HTTP',
  response: '← HTTP',
  connect: '→ connects',
  received: '← receives',
  sent: '→ sends',
  closed: '× closed',
  note: '·',
};

/** Failures that are shown with everything about them from the beginning. */
const MOST_OPEN = 12;

function Exchange({ lines }: { lines: NonNullable<ConformanceResult['exchange']> }) {
  return (
    <details className="exchange">
      <summary>What was exchanged, {lines.length === 1 ? 'one line' : `${lines.length} lines`}</summary>
      <ol>
        {lines.map(({ at, who, kind, text }, index) => (
          <li key={index}>
            <span className="label">
              {at} ms · {who} {DIRECTIONS[kind] ?? kind}
            </span>
            <pre>{text}</pre>
          </li>
        ))}
      </ol>
    </details>
  );
}

function Result({ result, open }: { result: ConformanceResult; open: boolean }) {
  const { id, title, verdict, level, rule, requirement, reason, expected, seen, durationMs, exchange } = result;
  const judged = verdict === 'fail' || verdict === 'warning';
  return (
    <details className="result" open={open}>
      <summary>
        <span className="result-mark" data-verdict={verdict} aria-hidden="true">
          {VERDICT_MARKS[verdict]}
        </span>
        {title} <span className="mono label">{id}</span>
        {verdict === 'skip' && <p className="result-reason label">{reason}</p>}
      </summary>
      <blockquote>
        {requirement.quote}
        <footer className="label">
          {level} ·{' '}
          <a href={requirement.link} target="_blank" rel="noopener noreferrer">
            {requirement.section}
          </a>{' '}
          · rule {rule} · {durationMs} ms
        </footer>
      </blockquote>
      {judged && (
        <dl>
          <dt>Expected</dt>
          <dd>{expected}</dd>
          <dt>Seen</dt>
          <dd>{seen}</dd>
        </dl>
      )}
      {exchange && <Exchange lines={exchange} />}
    </details>
  );
}

function Group({ verdict, results }: { verdict: Verdict; results: readonly ConformanceResult[] }) {
  const found = results.filter((result) => result.verdict === verdict);
  if (found.length === 0) return null;
  // Many are first an overview.
  const open = verdict === 'fail' && found.length <= MOST_OPEN;
  const list = found.map((result) => <Result key={result.id} result={result} open={open} />);
  const title = `${found.length} ${VERDICT_WORDS[verdict]}`;
  if (verdict === 'fail' || verdict === 'warning') {
    return (
      <section aria-label={title}>
        <h2 data-verdict={verdict}>{title}</h2>
        {list}
      </section>
    );
  }
  return (
    <details className="result-group">
      <summary>
        <h2 data-verdict={verdict}>{title}</h2>
      </summary>
      {list}
    </details>
  );
}

/** How it went, in a sentence. */
function outcome({ counts }: ConformanceReport, { status }: ConformanceRun): string {
  if (status === 'cancelled') return 'The run was cancelled: what is skipped was not looked at.';
  if (counts.fail > 0) return 'It does not conform: something that it shall do, it does not.';
  return counts.pass > 0 ? 'It conforms: nothing failed.' : 'Nothing could be looked at.';
}

/** @param watched whether the run has just ended before somebody's eyes */
export function Report({ run, watched }: { run: ConformanceRun; watched: boolean }) {
  const heading = useRef<HTMLHeadingElement>(null);
  const report = useQuery({
    queryKey: ['conformance', run.id],
    queryFn: () => get<ConformanceReport>('/api/console/conformance/run/report'),
  });
  const { isSuccess } = report;
  useEffect(() => {
    if (watched && isSuccess) heading.current?.focus();
  }, [watched, isSuccess]);
  if (run.status === 'failed') return <Problem error={new Error(run.problem ?? 'The run failed.')} />;
  if (report.isPending) return <Waiting what="Reading the report" />;
  if (report.isError) return <Problem error={report.error} retry={() => void report.refetch()} />;
  const { data } = report;
  return (
    <article className="report" aria-label="Report">
      <section className="panel">
        <h2 ref={heading} tabIndex={-1}>
          <span className="mono">{data.target.name}</span>
        </h2>
        <p role="status">{outcome(data, run)}</p>
        <p className="run-counts">
          {VERDICTS.map((verdict) => (
            <span key={verdict} data-verdict={verdict}>
              {VERDICT_MARKS[verdict]} {data.counts[verdict]} {VERDICT_WORDS[verdict]}
            </span>
          ))}
          <span className="label">
            {data.versions.map((version) => SPEC_WORDS[version]).join(', ')},{' '}
            {new Date(data.startedAt).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' })},{' '}
            {(data.durationMs / 1000).toFixed(1)} s
          </span>
        </p>
        <ul className="downloads" aria-label="Download the report">
          {FORMS.map(([form, label]) => (
            <li key={form}>
              <a href={`/api/console/conformance/run/report/${form}`} download>
                {label}
              </a>
            </li>
          ))}
        </ul>
      </section>
      {VERDICTS.map((verdict) => (
        <Group key={verdict} verdict={verdict} results={data.results} />
      ))}
    </article>
  );
}
