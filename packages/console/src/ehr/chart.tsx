import { useCurrentContext } from '@lockstep/client/react';
import type { Resource } from '@lockstep/fhircast';
import { Button, Textarea } from '@mantine/core';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { type ReactNode, useId, useState } from 'react';
import { words } from '../api.ts';
import {
  ageOf,
  conceptOf,
  nameOf,
  observedValue,
  recordNumber,
  referenceOf,
  textAt,
  titleOf,
  valuesAt,
  when,
} from '../fhir.ts';
import { ForeignName, ForeignText } from '../foreign-text.tsx';
import { codeWords, t } from '../language/language.ts';
import { Rich } from '../language/rich.tsx';
import { useStore } from '../store.ts';
import { Problem, Waiting } from '../ui/problem.tsx';
import tableStyles from '../ui/table.module.css';
import textStyles from '../ui/text.module.css';
import styles from './chart.module.css';
import type { Chart } from './desk.ts';
import type { EhrSession } from './session.ts';

interface RecordOf {
  readonly encounters: readonly Resource[];
  readonly studies: readonly Resource[];
  readonly reports: readonly Resource[];
  readonly observations: readonly Resource[];
  readonly conditions: readonly Resource[];
}

async function readRecord({ fhir }: EhrSession, patient: string): Promise<RecordOf> {
  const of = (type: string, more: Readonly<Record<string, string>> = {}) =>
    fhir.search(type, { patient, _count: '200', ...more });
  const [encounters, studies, reports, observations, conditions] = await Promise.all([
    of('Encounter', { _sort: '-date' }),
    of('ImagingStudy', { _sort: '-started' }),
    of('DiagnosticReport', { _sort: '-date' }),
    of('Observation', { _sort: '-date' }),
    of('Condition', { _sort: '-onset-date' }),
  ]);
  return { encounters, studies, reports, observations, conditions };
}

function Banner({ patient }: { patient: Resource }) {
  const birthDate = textAt(patient, 'birthDate');
  const age = ageOf(birthDate);
  return (
    <div className={styles.banner} data-testid="banner">
      <h2>
        <ForeignName text={nameOf(patient)} />
      </h2>
      <dl>
        <div>
          <dt>{t('ehr.sex')}</dt>
          <dd>{codeWords('ehr.gender', textAt(patient, 'gender')) || t('ehr.unknown')}</dd>
        </div>
        <div>
          <dt>{t('ehr.born')}</dt>
          <dd>
            {age === undefined ? when(birthDate) || t('ehr.unknown') : t('ehr.bornAge', { born: when(birthDate), age })}
          </dd>
        </div>
        <div>
          <dt>{t('ehr.recordNumber')}</dt>
          <dd className={textStyles.mono}>
            <ForeignName text={recordNumber(patient) ?? t('ehr.noNumber')} />
          </dd>
        </div>
      </dl>
    </div>
  );
}

interface RowProps {
  readonly session: EhrSession;
  readonly chart: Chart;
  readonly resource: Resource;
  readonly others: Readonly<Record<string, Resource | undefined>>;
  readonly cells: readonly string[];
}

/** A row that can be opened for everybody, and closed again. */
function Row({ session, chart, resource, others, cells }: RowProps) {
  const context = useCurrentContext(session.subscriber);
  const { resourceType: type, id = '' } = resource;
  const current = context?.type === type && context.id === id;
  const open = chart.open.has(`${type}/${id}`);
  const title = titleOf(resource);
  return (
    <tr data-current={current || undefined} data-open={open || undefined}>
      {cells.map((cell, index) => (
        <td key={index}>
          <ForeignText text={cell} />
        </td>
      ))}
      <td className={tableStyles.actions}>
        {current && <span className={textStyles.pillCurrent}>{t('ehr.current')}</span>}
        {!current && (
          <Button
            size="compact-xs"
            variant="default"
            aria-label={t('ehr.openNamed', { title })}
            onClick={() => void session.publishing.open(resource, chart.patient, others)}
          >
            {t('ehr.open')}
          </Button>
        )}
        {open && (
          <Button
            size="compact-xs"
            variant="subtle"
            color="gray"
            aria-label={t('ehr.closeNamed', { title })}
            onClick={() => void session.publishing.close(resource, chart.patient)}
          >
            {t('ehr.close')}
          </Button>
        )}
      </td>
    </tr>
  );
}

function Section({ title, count, children }: { title: string; count: number; children: ReactNode }) {
  const id = useId();
  return (
    <section className={styles.section} aria-labelledby={id}>
      <h3 id={id}>
        {title} <span className={textStyles.count}>{count}</span>
      </h3>
      {count === 0 ? <p className={textStyles.nothing}>{t('ehr.noneInTheRecord')}</p> : children}
    </section>
  );
}

function Table({ head, children }: { head: readonly string[]; children: ReactNode }) {
  return (
    <table className={tableStyles.table}>
      <thead>
        <tr>
          {head.map((one) => (
            <th key={one} scope="col">
              {one}
            </th>
          ))}
          <th scope="col">
            <span className={textStyles.srOnly}>{t('ehr.actions')}</span>
          </th>
        </tr>
      </thead>
      <tbody>{children}</tbody>
    </table>
  );
}

/** Whether a value is out of its range, in a letter and a word. */
function Flag({ observation }: { observation: Resource }) {
  const code = textAt(observation, 'interpretation.coding.code');
  if (code !== 'H' && code !== 'L') return null;
  return (
    <abbr
      className={styles.flag}
      title={code === 'H' ? t('ehr.aboveTheReferenceRange') : t('ehr.belowTheReferenceRange')}
    >
      {code}
    </abbr>
  );
}

function Note({ session, patient }: { session: EhrSession; patient: Resource }) {
  const { drafts } = useStore(session.book.desk);
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);
  const text = drafts.get(patient.id ?? '')?.text ?? '';

  async function save(): Promise<void> {
    setBusy(true);
    setProblem(undefined);
    try {
      await session.saveDraft(patient);
    } catch (error) {
      setProblem(t('ehr.theNoteWasNotSaved', { error: words(error) }));
    }
    setBusy(false);
  }

  return (
    <section className={`${styles.section} ${styles.note}`} aria-label={t('ehr.note')}>
      <Textarea
        label={t('ehr.note')}
        autosize={false}
        rows={2}
        placeholder={t('ehr.writeANoteWhileItIs')}
        value={text}
        error={problem}
        onChange={(event) => session.book.setDraft(patient, event.currentTarget.value)}
      />
      {text !== '' && (
        <div className={styles.actions}>
          <span className={styles.unsaved}>{t('ehr.notSaved')}</span>
          <Button variant="default" onClick={() => session.book.setDraft(patient, '')}>
            {t('ehr.discard')}
          </Button>
          <Button loading={busy} disabled={text.trim() === ''} onClick={() => void save()}>
            {t('ehr.save')}
          </Button>
        </div>
      )}
    </section>
  );
}

/** What is open besides, and this patient's record does not have: it is named, so that its absence is seen (HZ-5). */
function Elsewhere({ session, chart, known }: { session: EhrSession; chart: Chart; known: RecordOf }) {
  const context = useCurrentContext(session.subscriber);
  if (!context || context.type === 'Patient') return null;
  const listed: readonly Resource[] = [...known.encounters, ...known.studies, ...known.reports];
  if (listed.some(({ resourceType, id }) => resourceType === context.type && id === context.id)) return null;
  const opened = chart.open.get(`${context.type}/${context.id}`);
  return (
    <p className={styles.elsewhere}>
      <Rich
        id="ehr.elsewhere"
        values={{
          title: <ForeignName text={titleOf(opened) || context.type} />,
          reference: (
            <span className={textStyles.mono}>
              {context.type}/{context.id}
            </span>
          ),
        }}
      />
    </p>
  );
}

export function ChartView({ session, chart }: { session: EhrSession; chart: Chart }) {
  const { patient } = chart;
  const { id = '' } = patient;
  const filed = useStore(session.filed);
  const record = useQuery({
    queryKey: ['record', id, filed],
    queryFn: () => readRecord(session, id),
    placeholderData: keepPreviousData,
  });

  const { encounters = [], studies = [], reports = [], observations = [], conditions = [] } = record.data ?? {};
  const byReference = new Map([...encounters, ...studies].map((one) => [`${one.resourceType}/${one.id}`, one]));
  const along = (resource: Resource, path: string): Resource | undefined =>
    byReference.get(referenceOf(resource, path) ?? '');
  const active = conditions.filter((one) => textAt(one, 'clinicalStatus.coding.code') === 'active');

  return (
    <div className={styles.chart} id="chart" role="tabpanel" aria-labelledby={`tab-${id}`}>
      <Banner patient={patient} />
      {record.isError && <Problem error={record.error} retry={() => void record.refetch()} />}
      {record.isPending && <Waiting what={t('ehr.readingTheRecord')} />}
      {record.data && (
        <>
          <Elsewhere session={session} chart={chart} known={record.data} />
          <div className={styles.problems}>
            <span className={textStyles.label}>{t('ehr.problems')}</span>
            <ForeignText text={active.map((one) => conceptOf(one, 'code')).join(' · ') || t('ehr.noneActive')} />
          </div>
          <Section title={t('ehr.imaging')} count={studies.length}>
            <Table head={[t('ehr.date'), t('ehr.study'), t('ehr.modality'), t('ehr.images')]}>
              {studies.map((study) => (
                <Row
                  key={study.id}
                  session={session}
                  chart={chart}
                  resource={study}
                  others={{ encounter: along(study, 'encounter') }}
                  cells={[
                    when(textAt(study, 'started')),
                    titleOf(study),
                    valuesAt(study, 'modality.code').join(', '),
                    String(study.numberOfInstances ?? ''),
                  ]}
                />
              ))}
            </Table>
          </Section>
          <Section title={t('ehr.reports')} count={reports.length}>
            <Table head={[t('ehr.date'), t('ehr.report'), t('ehr.status'), t('ehr.impression')]}>
              {reports.map((report) => (
                <Row
                  key={report.id}
                  session={session}
                  chart={chart}
                  resource={report}
                  others={{ encounter: along(report, 'encounter'), study: along(report, 'imagingStudy') }}
                  cells={[
                    when(textAt(report, 'effectiveDateTime', 'issued')),
                    titleOf(report),
                    codeWords('ehr.code', textAt(report, 'status')),
                    textAt(report, 'conclusion') ?? '–',
                  ]}
                />
              ))}
            </Table>
          </Section>
          <Section title={t('ehr.encounters')} count={encounters.length}>
            <Table head={[t('ehr.date'), t('ehr.encounter'), t('ehr.status'), t('ehr.reason')]}>
              {encounters.map((encounter) => (
                <Row
                  key={encounter.id}
                  session={session}
                  chart={chart}
                  resource={encounter}
                  others={{}}
                  cells={[
                    when(textAt(encounter, 'period.start')),
                    titleOf(encounter),
                    codeWords('ehr.code', textAt(encounter, 'status')),
                    conceptOf(encounter, 'reasonCode'),
                  ]}
                />
              ))}
            </Table>
          </Section>
          <Section title={t('ehr.observations')} count={observations.length}>
            <table className={tableStyles.table}>
              <thead>
                <tr>
                  <th scope="col">{t('ehr.date')}</th>
                  <th scope="col">{t('ehr.observation')}</th>
                  <th scope="col">{t('ehr.value')}</th>
                  <th scope="col">{t('ehr.status')}</th>
                </tr>
              </thead>
              <tbody>
                {observations.map((one) => (
                  <tr key={one.id}>
                    <td>{when(textAt(one, 'effectiveDateTime'))}</td>
                    <td>
                      <ForeignText text={conceptOf(one, 'code')} />
                    </td>
                    <td>
                      <ForeignText text={observedValue(one)} /> <Flag observation={one} />
                    </td>
                    <td>{codeWords('ehr.code', textAt(one, 'status'))}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Section>
        </>
      )}
      <Note session={session} patient={patient} />
    </div>
  );
}
