/** What a run found: what failed first, with everything that one needs to see why. */

import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import {
  type ConformanceReport,
  type ConformanceResult,
  type ConformanceRun,
  get,
  post,
  type Told,
  told,
  type Verdict,
} from '../api.ts';
import { serverPath, serverUrl } from '../base.ts';
import { ForeignName, ForeignText } from '../foreign-text.tsx';
import { codeWords, date, number, t } from '../language/language.ts';
import { Rich } from '../language/rich.tsx';
import { Copyable } from '../ui/copyable.tsx';
import pageStyles from '../ui/page.module.css';
import { Alert, Problem, Waiting } from '../ui/problem.tsx';
import textStyles from '../ui/text.module.css';
import { SPEC_WORDS } from './options.ts';
import styles from './report.module.css';
import { VERDICT_MARKS, VERDICTS } from './verdicts.ts';

const FORMS = [
  ['html', undefined],
  ['junit', 'JUnit XML'],
  ['json', 'JSON'],
  ['testreport', 'FHIR TestReport'],
  ['har', 'HAR'],
  ['badge', 'Badge'],
] as const;

/** Starts one check of the last run again. */
export type Again = (run: ConformanceRun) => void;

/** Failures that are shown with everything about them from the beginning. */
const MOST_OPEN = 12;

function Exchange({ lines }: { lines: NonNullable<ConformanceResult['exchange']> }) {
  return (
    <details className={styles.exchange}>
      <summary>{t('conformance.exchanged', { count: lines.length })}</summary>
      <ol>
        {lines.map(({ at, who, kind, text }, index) => (
          <li key={index}>
            <span className={textStyles.label}>
              <Rich
                id="conformance.exchangeLine"
                values={{
                  at,
                  who: <ForeignName text={who} />,
                  direction: codeWords('conformance.direction', kind),
                }}
              />
            </span>
            {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
            <pre tabIndex={0}>{text}</pre>
          </li>
        ))}
      </ol>
    </details>
  );
}

/** Runs one check again, to see whether what it found is mended. */
function RunAgain({ id, onStarted }: { id: string; onStarted: Again }) {
  const [problem, setProblem] = useState<Told>();
  async function start(): Promise<void> {
    try {
      onStarted(await post<ConformanceRun>('/api/console/conformance/run/again', { check: id }));
    } catch (error) {
      setProblem(told(error));
    }
  }
  return (
    <p>
      <Button variant="default" onClick={() => void start()}>
        {t('conformance.runThisCheckAgain')}
      </Button>{' '}
      {problem && <Alert {...problem} />}
    </p>
  );
}

function Result({ result, open, again }: { result: ConformanceResult; open: boolean; again?: Again | undefined }) {
  const { id, title, verdict, safety, level, rule, requirement, reason, expected, seen, durationMs, exchange } = result;
  const judged = verdict === 'fail' || verdict === 'warning';
  return (
    <details className={styles.result} data-testid="result" open={open}>
      <summary>
        <span className={styles.mark} data-verdict={verdict} aria-hidden="true">
          {VERDICT_MARKS[verdict]}
        </span>
        {title} <span className={`${textStyles.mono} ${textStyles.label}`}>{id}</span>
        {verdict === 'warning' && safety && <strong> {t('conformance.patientSafety')}</strong>}
        {verdict === 'skip' && (
          <p className={`${styles.reason} ${textStyles.label}`}>
            <ForeignName text={reason ?? ''} />
          </p>
        )}
      </summary>
      <blockquote>
        {requirement.quote}
        <footer className={textStyles.label}>
          <Rich
            id="conformance.ruleTook"
            values={{
              level,
              section: (
                <a href={requirement.link} target="_blank" rel="noopener noreferrer">
                  {requirement.section}
                </a>
              ),
              rule,
              ms: durationMs,
            }}
          />
        </footer>
      </blockquote>
      {judged && (
        <dl>
          <dt>{t('conformance.expected')}</dt>
          <dd>
            <ForeignText text={expected ?? ''} />
          </dd>
          <dt>{t('conformance.seen')}</dt>
          <dd>
            <ForeignText text={seen ?? ''} />
          </dd>
        </dl>
      )}
      {exchange && <Exchange lines={exchange} />}
      {again && <RunAgain id={id} onStarted={again} />}
    </details>
  );
}

interface GroupProps {
  readonly verdict: Verdict;
  readonly results: readonly ConformanceResult[];
  readonly again?: Again | undefined;
}

function Group({ verdict, results, again }: GroupProps) {
  const found = results.filter((result) => result.verdict === verdict);
  if (found.length === 0) return null;
  // Many are first an overview.
  const open = verdict === 'fail' && found.length <= MOST_OPEN;
  const list = found.map((result) => <Result key={result.id} result={result} open={open} again={again} />);
  const title = t('conformance.verdictCount', { count: found.length, verdict: t(`conformance.verdict.${verdict}`) });
  if (verdict === 'fail' || verdict === 'warning') {
    return (
      <section aria-label={title}>
        <h2 data-verdict={verdict}>{title}</h2>
        {list}
      </section>
    );
  }
  return (
    <details className={styles.group}>
      <summary>
        <h2 data-verdict={verdict}>{title}</h2>
      </summary>
      {list}
    </details>
  );
}

/** How it went, in a sentence. */
function outcome({ counts }: ConformanceReport, status: ConformanceRun['status']): string {
  if (status === 'cancelled') return t('conformance.theRunWasCancelledWhatIs');
  if (counts.fail > 0) return t('conformance.itDoesNotConformSomethingThat');
  return counts.pass > 0 ? t('conformance.itConformsNothingFailed') : t('conformance.nothingCouldBeLookedAt');
}

interface ReportProps {
  readonly data: ConformanceReport;
  readonly status: ConformanceRun['status'];
  /** Where its forms are. */
  readonly forms: string;
  /** The id of the kept report, for a link. */
  readonly kept?: string | undefined;
  /** Whether it has just ended before somebody's eyes. */
  readonly watched?: boolean;
  readonly again?: Again | undefined;
}

/** A report, whole. */
export function ReportView({ data, status, forms, kept, watched = false, again }: ReportProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (watched) heading.current?.focus();
  }, [watched]);
  const safety = data.results.filter((one) => one.verdict === 'warning' && one.safety).length;
  return (
    <article className={styles.report} data-testid="report" aria-label={t('conformance.report')}>
      <section className={pageStyles.panel}>
        <h2 ref={heading} tabIndex={-1}>
          <span className={textStyles.mono}>
            <ForeignName text={data.target.name} />
          </span>
        </h2>
        <p role="status">{outcome(data, status)}</p>
        {data.diagnosis?.map(({ sentence }) => (
          <div key={sentence}>
            <ForeignText text={sentence} />
          </div>
        ))}
        {safety > 0 && <p>{t('conformance.safetyCount', { count: safety })}</p>}
        <p className={styles.counts}>
          {VERDICTS.map((verdict) => (
            <span key={verdict} data-verdict={verdict}>
              {VERDICT_MARKS[verdict]}{' '}
              {t('conformance.verdictCount', {
                count: data.counts[verdict],
                verdict: t(`conformance.verdict.${verdict}`),
              })}
            </span>
          ))}
          <span className={textStyles.label}>
            {t('conformance.ranAt', {
              specs: data.versions.map((version) => SPEC_WORDS[version]).join(', '),
              when: date(new Date(data.startedAt), { dateStyle: 'medium', timeStyle: 'short' }),
              seconds: number(data.durationMs / 1000, { maximumFractionDigits: 1 }),
            })}
            {data.suite && `, ${t('conformance.suite', { version: data.suite.version })}`}
          </span>
        </p>
        <ul className={styles.downloads} aria-label={t('conformance.downloadTheReport')}>
          {FORMS.map(([form, label]) => (
            <li key={form}>
              <a href={serverPath(`${forms}/${form}`)} download>
                {label ?? t('conformance.form.html')}
              </a>
            </li>
          ))}
          <li>
            <Button variant="default" size="compact-sm" onClick={() => window.print()}>
              {t('conformance.print')}
            </Button>
          </li>
        </ul>
        {kept !== undefined && (
          <Copyable
            title={t('conformance.linkForOtherAdministrators')}
            text={`${serverUrl()}/conformance?report=${kept}`}
          />
        )}
      </section>
      {VERDICTS.map((verdict) => (
        <Group key={verdict} verdict={verdict} results={data.results} again={again} />
      ))}
    </article>
  );
}

interface OwnReportProps {
  readonly run: ConformanceRun;
  /** Whether the run has just ended before somebody's eyes. */
  readonly watched: boolean;
  readonly onStarted: Again;
}

/** The report of the administrator's last run. */
export function Report({ run, watched, onStarted }: OwnReportProps) {
  const report = useQuery({
    queryKey: ['conformance', run.id],
    queryFn: () => get<ConformanceReport>('/api/console/conformance/run/report'),
  });
  if (run.status === 'failed') return <Problem error={new Error(run.problem ?? t('conformance.runFailed'))} />;
  if (report.isPending) return <Waiting what={t('conformance.readingTheReport')} />;
  if (report.isError) return <Problem error={report.error} retry={() => void report.refetch()} />;
  const forms = '/api/console/conformance/run/report';
  return (
    <ReportView
      data={report.data}
      status={run.status}
      forms={forms}
      kept={run.report}
      watched={watched}
      again={onStarted}
    />
  );
}
