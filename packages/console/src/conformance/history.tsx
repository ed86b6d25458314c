/** Reports that are kept: listed, read again by their link, and compared. */

import { useQuery } from '@tanstack/react-query';
import { type ConformanceReport, get, type KeptReport, type ReportChange, type ReportChanges } from '../api.ts';
import { ForeignName, ForeignText } from '../foreign-text.tsx';
import { date, t } from '../language/language.ts';
import { Rich } from '../language/rich.tsx';
import { Link } from '../router.tsx';
import pageStyles from '../ui/page.module.css';
import { Problem, Waiting } from '../ui/problem.tsx';
import tableStyles from '../ui/table.module.css';
import textStyles from '../ui/text.module.css';
import { SPEC_WORDS } from './options.ts';
import reportStyles from './report.module.css';
import { ReportView } from './report.tsx';

const when = (ms: number): string => date(new Date(ms), { dateStyle: 'medium', timeStyle: 'short' });

/** The report before this one of the same target and specification. */
function beforeIt(reports: readonly KeptReport[], one: KeptReport): KeptReport | undefined {
  const same = (other: KeptReport) =>
    other.name === one.name && other.versions.join() === one.versions.join() && other.checks === one.checks;
  return reports.slice(reports.indexOf(one) + 1).find(same);
}

/** The kept reports, the newest first. */
export function History({ reports }: { reports: readonly KeptReport[] }) {
  if (reports.length === 0) return null;
  return (
    <details className={reportStyles.group}>
      <summary>
        <h2>{t('conformance.reportsOfEarlierRuns', { count: reports.length })}</h2>
      </summary>
      <div>
        <table className={tableStyles.table}>
          <thead>
            <tr>
              <th scope="col">{t('conformance.when')}</th>
              <th scope="col">{t('conformance.what')}</th>
              <th scope="col">{t('conformance.specification')}</th>
              <th scope="col">{t('conformance.failed')}</th>
              <th scope="col">{t('conformance.safetyWarnings')}</th>
              <th scope="col">{t('conformance.passed')}</th>
              <th scope="col">{t('conformance.by')}</th>
              <th scope="col">{t('conformance.compare')}</th>
            </tr>
          </thead>
          <tbody>
            {reports.map((one) => {
              const before = beforeIt(reports, one);
              return (
                <tr key={one.id}>
                  <td>
                    <Link href={`/conformance?report=${one.id}`}>{when(one.startedAt)}</Link>
                  </td>
                  <td className={textStyles.mono}>
                    <ForeignName text={one.name} />
                    {one.checks === 1 && ` ${t('conformance.oneCheck')}`}
                  </td>
                  <td>{one.versions.map((version) => SPEC_WORDS[version]).join(', ')}</td>
                  <td data-label={t('conformance.failed')}>{one.counts.fail}</td>
                  <td data-label={t('conformance.safetyWarnings')}>{one.safetyWarnings}</td>
                  <td data-label={t('conformance.passed')}>{one.counts.pass}</td>
                  <td data-label={t('conformance.by')}>
                    <ForeignName text={one.by} />
                  </td>
                  <td>
                    {before && (
                      <Link href={`/conformance?report=${one.id}&since=${before.id}`}>
                        {t('conformance.comparedWith', { when: when(before.startedAt) })}
                      </Link>
                    )}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </details>
  );
}

const word = (verdict: ReportChange['before']): string =>
  verdict ? t(`conformance.verdict.${verdict}`) : t('conformance.notRun');

function ChangeList({ title, changes }: { title: string; changes: readonly ReportChange[] }) {
  if (changes.length === 0) return null;
  return (
    <section aria-label={title}>
      <h3>{t('conformance.titleCount', { title, count: changes.length })}</h3>
      <ul>
        {changes.map(({ id, title: name, before, after, reason }) => (
          <li key={id}>
            <Rich
              id="conformance.changedFrom"
              values={{
                name,
                id: <span className={`${textStyles.mono} ${textStyles.label}`}>{id}</span>,
                before: word(before),
                after: word(after),
              }}
            />
            {reason !== undefined && (
              <div className={textStyles.label}>
                <ForeignText text={reason} />
              </div>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Changes({ id, since }: { id: string; since: string }) {
  const changes = useQuery({
    queryKey: ['conformance', 'changes', id, since],
    queryFn: () => get<ReportChanges>(`/api/console/conformance/reports/${id}/since/${since}`),
  });
  if (changes.isPending) return <Waiting what={t('conformance.comparing')} />;
  if (changes.isError) return <Problem error={changes.error} retry={() => void changes.refetch()} />;
  const { worse, better, other, same } = changes.data;
  return (
    <section className={pageStyles.panel} aria-label={t('conformance.whatChanged')}>
      <h2>{t('conformance.whatChanged')}</h2>
      <p>{t('conformance.changeCounts', { worse: worse.length, better: better.length, other: other.length, same })}</p>
      <ChangeList title={t('conformance.worse')} changes={worse} />
      <ChangeList title={t('conformance.better')} changes={better} />
      <ChangeList title={t('conformance.other')} changes={other} />
    </section>
  );
}

/** A kept report, by its link; with what changed since another where the link names one. */
export function Kept({ id, since }: { id: string; since: string | null }) {
  const report = useQuery({
    queryKey: ['conformance', 'kept', id],
    queryFn: () => get<ConformanceReport>(`/api/console/conformance/reports/${encodeURIComponent(id)}`),
  });
  if (report.isPending) return <Waiting what={t('conformance.readingTheReport')} />;
  if (report.isError) return <Problem error={report.error} retry={() => void report.refetch()} />;
  return (
    <>
      <p>
        <Link href="/conformance">{t('conformance.allRunsAndReports')}</Link>
      </p>
      {since !== null && <Changes id={id} since={since} />}
      <ReportView data={report.data} status="done" forms={`/api/console/conformance/reports/${id}/as`} kept={id} />
    </>
  );
}
