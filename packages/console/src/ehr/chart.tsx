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
import { useStore } from '../store.ts';
import { Problem, Waiting } from '../ui/problem.tsx';
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
    <div className="banner">
      <h2>
        <bdi>{nameOf(patient)}</bdi>
      </h2>
      <dl>
        <div>
          <dt>Sex</dt>
          <dd>{textAt(patient, 'gender') ?? 'unknown'}</dd>
        </div>
        <div>
          <dt>Born</dt>
          <dd>
            {when(birthDate) || 'unknown'}
            {age !== undefined && ` (${age})`}
          </dd>
        </div>
        <div>
          <dt>Record number</dt>
          <dd className="mono">{recordNumber(patient) ?? 'none'}</dd>
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
  readonly cells: readonly ReactNode[];
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
        <td key={index}>{cell}</td>
      ))}
      <td className="row-actions">
        {current && <span className="current-mark">current</span>}
        {!current && (
          <Button
            size="compact-xs"
            variant="default"
            aria-label={`Open ${title}`}
            onClick={() => void session.publishing.open(resource, chart.patient, others)}
          >
            Open
          </Button>
        )}
        {open && (
          <Button
            size="compact-xs"
            variant="subtle"
            color="gray"
            aria-label={`Close ${title}`}
            onClick={() => void session.publishing.close(resource, chart.patient)}
          >
            Close
          </Button>
        )}
      </td>
    </tr>
  );
}

function Section({ title, count, children }: { title: string; count: number; children: ReactNode }) {
  const id = useId();
  return (
    <section className="chart-section" aria-labelledby={id}>
      <h3 id={id}>
        {title} <span className="count">{count}</span>
      </h3>
      {count === 0 ? <p className="nothing">None in the record.</p> : children}
    </section>
  );
}

function Table({ head, children }: { head: readonly string[]; children: ReactNode }) {
  return (
    <table className="dense">
      <thead>
        <tr>
          {head.map((one) => (
            <th key={one} scope="col">
              {one}
            </th>
          ))}
          <th scope="col">
            <span className="sr-only">Actions</span>
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
    <abbr className="flag" title={code === 'H' ? 'above the reference range' : 'below the reference range'}>
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
      setProblem(`The note was not saved: ${words(error)}`);
    }
    setBusy(false);
  }

  return (
    <section className="chart-section note" aria-label="Note">
      <Textarea
        label="Note"
        autosize={false}
        rows={2}
        placeholder="Write a note. While it is not saved, the EHR asks before it follows elsewhere."
        value={text}
        error={problem}
        onChange={(event) => session.book.setDraft(patient, event.currentTarget.value)}
      />
      {text !== '' && (
        <div className="note-actions">
          <span className="unsaved">not saved</span>
          <Button variant="default" onClick={() => session.book.setDraft(patient, '')}>
            Discard
          </Button>
          <Button loading={busy} disabled={text.trim() === ''} onClick={() => void save()}>
            Save
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
    <p className="elsewhere">
      Open in the session, and not in this patient’s record: <bdi>{titleOf(opened) || context.type}</bdi>{' '}
      <span className="mono">
        {context.type}/{context.id}
      </span>
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
    <div className="chart" id="chart" role="tabpanel" aria-labelledby={`tab-${id}`}>
      <Banner patient={patient} />
      {record.isError && <Problem error={record.error} retry={() => void record.refetch()} />}
      {record.isPending && <Waiting what="Reading the record" />}
      {record.data && (
        <>
          <Elsewhere session={session} chart={chart} known={record.data} />
          <p className="problems">
            <span className="label">Problems</span>
            {active.length === 0 ? 'none active' : active.map((one) => conceptOf(one, 'code')).join(' · ')}
          </p>
          <Section title="Imaging" count={studies.length}>
            <Table head={['Date', 'Study', 'Modality', 'Images']}>
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
          <Section title="Reports" count={reports.length}>
            <Table head={['Date', 'Report', 'Status', 'Impression']}>
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
                    textAt(report, 'status'),
                    <span key="impression" className="impression">
                      {textAt(report, 'conclusion') ?? '–'}
                    </span>,
                  ]}
                />
              ))}
            </Table>
          </Section>
          <Section title="Encounters" count={encounters.length}>
            <Table head={['Date', 'Encounter', 'Status', 'Reason']}>
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
                    textAt(encounter, 'status'),
                    conceptOf(encounter, 'reasonCode'),
                  ]}
                />
              ))}
            </Table>
          </Section>
          <Section title="Observations" count={observations.length}>
            <table className="dense">
              <thead>
                <tr>
                  <th scope="col">Date</th>
                  <th scope="col">Observation</th>
                  <th scope="col">Value</th>
                  <th scope="col">Status</th>
                </tr>
              </thead>
              <tbody>
                {observations.map((one) => (
                  <tr key={one.id}>
                    <td>{when(textAt(one, 'effectiveDateTime'))}</td>
                    <td>{conceptOf(one, 'code')}</td>
                    <td>
                      {observedValue(one)} <Flag observation={one} />
                    </td>
                    <td>{textAt(one, 'status')}</td>
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
