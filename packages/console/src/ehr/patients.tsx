import type { Resource } from '@lockstep/fhircast';
import { TextInput } from '@mantine/core';
import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query';
import { lazy, Suspense, useCallback, useDeferredValue, useRef, useState } from 'react';
import { ageOf, type FhirPage, nameOf, recordNumber, textAt, when } from '../fhir.ts';
import { identityText, isolated } from '../identity.tsx';
import { codeWords, spoken, t } from '../language/language.ts';
import { useStore } from '../store.ts';
import { Problem, Waiting } from '../ui/problem.tsx';
import textStyles from '../ui/text.module.css';
import { shownChart } from './desk.ts';
import { AllRows } from './patient-rows.tsx';
import { matches, searchesFor } from './patient-search.ts';
import styles from './patients.module.css';
import { RecentPatients } from './recent-patients.tsx';
import type { EhrSession } from './session.ts';

/** Patients read at once; a record with more is searched by the server. */
const PAGE = 100;
/** Few records are so large that it is needed. */
const RowsInView = lazy(() => import('./patient-rows-in-view.tsx'));

interface Page {
  readonly patients: readonly Resource[];
  /** Addresses of the next pages, of each search that has one. */
  readonly next: readonly string[];
}

function pageOf(pages: readonly FhirPage[]): Page {
  const patients = new Map(pages.flatMap(({ resources }) => resources.map((one) => [one.id, one] as const)));
  return { patients: [...patients.values()], next: pages.flatMap(({ next }) => (next === undefined ? [] : [next])) };
}

const ALL: readonly (readonly [string, string])[] = [
  ['_count', String(PAGE)],
  ['_sort', 'family'],
];

function Row({ session, patient, active, open }: RowProps) {
  const born = when(textAt(patient, 'birthDate'));
  const age = ageOf(textAt(patient, 'birthDate'));
  return (
    <button
      type="button"
      className={styles.patient}
      title={identityText(patient)}
      data-testid="patient"
      aria-current={active || undefined}
      onClick={() => void session.publishing.openPatient(patient)}
    >
      <span className={styles.name}>
        <bdi>{nameOf(patient)}</bdi>
        {open && <span className={textStyles.pill}>{t('ehr.isOpen')}</span>}
      </span>
      <span className={styles.facts}>
        {[
          // What tells two people of one name apart comes before what may be cut (HZ-6).
          born && (age === undefined ? born : t('ehr.bornAge', { born, age })),
          isolated(recordNumber(patient) ?? ''),
          codeWords('ehr.gender', textAt(patient, 'gender')),
        ]
          .filter(Boolean)
          .join(' · ')}
      </span>
    </button>
  );
}

interface RowProps {
  readonly session: EhrSession;
  readonly patient: Resource;
  readonly active: boolean;
  readonly open: boolean;
}

export function PatientList({ session }: { session: EhrSession }) {
  const desk = useStore(session.book.desk);
  const active = shownChart(desk)?.patient.id;
  const [text, setText] = useState('');
  const query = useDeferredValue(text.trim());
  const { locale } = useStore(spoken);
  const { fhir } = session;

  const all = useInfiniteQuery({
    queryKey: ['patient-list', ''],
    queryFn: async ({ pageParam: next }) =>
      pageOf(await Promise.all(next ? next.map((url) => fhir.page(url)) : [fhir.searchPage('Patient', ALL)])),
    initialPageParam: undefined as readonly string[] | undefined,
    getNextPageParam: ({ next }: Page) => (next.length > 0 ? next : undefined),
  });
  // Of a record that has been read as a whole nothing more is asked.
  const whole = all.data !== undefined && !all.hasNextPage;
  const found = useInfiniteQuery({
    queryKey: ['patient-list', query],
    queryFn: async ({ pageParam: next }) =>
      pageOf(
        await Promise.all(
          next
            ? next.map((url) => fhir.page(url))
            : searchesFor(query, locale).map((by) => fhir.searchPage('Patient', [...ALL, ...by])),
        ),
      ),
    initialPageParam: undefined as readonly string[] | undefined,
    getNextPageParam: ({ next }: Page) => (next.length > 0 ? next : undefined),
    enabled: all.data !== undefined && !whole && query !== '',
    placeholderData: keepPreviousData,
  });

  const searched = !whole && query !== '';
  const source = searched ? found : all;
  const known = source.data?.pages.flatMap(({ patients }) => patients) ?? [];
  const list = whole && query !== '' ? known.filter((patient) => matches(patient, query, locale)) : known;
  // What is shown is not yet what was asked for: it cannot be clicked.
  const stale = text.trim() !== query || (searched && (found.isPlaceholderData || found.isPending || found.isError));
  const open = new Set(desk.tabs.map(({ patient }) => patient.id));

  const scroller = useRef<HTMLDivElement>(null);
  const { hasNextPage, isFetching, fetchNextPage } = source;
  const showsLast = useCallback(
    (last: number) => {
      if (last >= list.length - 20 && hasNextPage && !isFetching && list.length > 0) void fetchNextPage();
    },
    [list.length, hasNextPage, isFetching, fetchNextPage],
  );
  const rows = {
    scroller,
    ids: list.map(({ id = '' }) => id),
    row: (index: number) => {
      const patient = list[index];
      return (
        patient && (
          <Row session={session} patient={patient} active={patient.id === active} open={open.has(patient.id)} />
        )
      );
    },
    onLast: showsLast,
  };
  const isLong = hasNextPage || list.length > PAGE;

  return (
    <section className={styles.patients} aria-label={t('ehr.patients')}>
      <TextInput
        type="search"
        aria-label={t('ehr.searchPatients')}
        placeholder={t('ehr.nameNumberDate')}
        value={text}
        maxLength={200}
        data-shortcut="search"
        onChange={(event) => setText(event.currentTarget.value)}
      />
      {text === '' && <RecentPatients session={session} />}
      {source.isError && <Problem error={source.error} retry={() => void source.refetch()} />}
      {source.isPending && <Waiting what={t('ehr.readingPatients')} />}
      <div className={styles.scroller} data-testid="patient-list" ref={scroller} aria-busy={stale} inert={stale}>
        {isLong ? (
          <Suspense fallback={<AllRows {...rows} ids={rows.ids.slice(0, PAGE)} />}>
            <RowsInView {...rows} />
          </Suspense>
        ) : (
          <AllRows {...rows} />
        )}
      </div>
      {!stale && source.isSuccess && list.length === 0 && (
        <p className={textStyles.nothing}>
          {query === '' ? t('ehr.theRecordHoldsNoPatients') : t('ehr.nobodyMatches', { query })}
        </p>
      )}
    </section>
  );
}
