import type { Resource } from '@lockstep/fhircast';
import { Suspense, useCallback, useEffect, useRef, useState } from 'react';
import { ageOf, type Fhir, type FhirPage, nameOf, recordNumber, textAt, when } from '../fhir.ts';
import { identityText, isolated } from '../identity.tsx';
import { codeWords, spoken, t } from '../language/language.ts';
import { PagesRead } from '../pages-read.ts';
import { useStore } from '../store.ts';
import { lazyPart } from '../ui/lazy-part.tsx';
import { Problem, Waiting } from '../ui/problem.tsx';
import { SearchField } from '../ui/search-field.tsx';
import textStyles from '../ui/text.module.css';
import { shownChart } from './desk.ts';
import { AllRows } from './patient-rows.tsx';
import { matcherOf, searchesFor } from './patient-search.ts';
import styles from './patients.module.css';
import { RecentPatients } from './recent-patients.tsx';
import type { EhrSession } from './session.ts';

/** Patients read at once; a record with more is searched by the server. */
const PAGE = 100;
/** Few records are so large that it is needed. */
const RowsInView = lazyPart(() => import('./patient-rows-in-view.tsx'));

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

/** A search, and the locale that dates in it are read by. */
const questionOf = (query: string, locale: string): string => JSON.stringify([query, locale]);

/** Reads of the patients that a search finds; of all where nothing is searched for. */
function readsOf(fhir: Fhir): PagesRead<Page> {
  const first = (query: string, locale: string) =>
    (query === '' ? [[]] : searchesFor(query, locale)).map((by) => fhir.searchPage('Patient', [...ALL, ...by]));
  return new PagesRead<Page>(
    async (question, after) => {
      const [query = '', locale = ''] = JSON.parse(question) as readonly string[];
      return pageOf(await Promise.all(after?.next.map((url) => fhir.page(url)) ?? first(query, locale)));
    },
    ({ next }) => next.length === 0,
  );
}

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
  const query = text.trim();
  const { locale } = useStore(spoken);
  const { fhir } = session;

  const [reads] = useState(() => ({ all: readsOf(fhir), found: readsOf(fhir) }));
  const all = useStore(reads.all.state);
  const found = useStore(reads.found.state);
  // Of a record that has been read as a whole nothing more is asked.
  const whole = all.of !== undefined && !reads.all.hasMore;
  const searched = all.of !== undefined && !whole && query !== '';
  useEffect(() => {
    void reads.all.ask(questionOf('', ''));
  }, [reads]);
  useEffect(() => {
    if (searched) void reads.found.ask(questionOf(query, locale));
  }, [reads, searched, query, locale]);

  const read = searched ? reads.found : reads.all;
  const source = searched ? found : all;
  // Until something has been found the list of all stays.
  const { pages } = source.of === undefined ? all : source;
  const known = pages.flatMap(({ patients }) => patients);
  const list = whole && query !== '' ? known.filter(matcherOf(query, locale)) : known;
  const answered = source.of !== undefined && source.error === undefined;
  // What is shown is not yet what was asked for: it cannot be clicked.
  const stale = searched && (found.of !== questionOf(query, locale) || !answered);
  const open = new Set(desk.tabs.map(({ patient }) => patient.id));

  const scroller = useRef<HTMLDivElement>(null);
  const showsLast = useCallback(
    (last: number) => {
      if (last >= list.length - 20 && !stale) read.more();
    },
    [list.length, stale, read],
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
  const isLong = read.hasMore || list.length > PAGE;

  return (
    <section className={styles.patients} aria-label={t('ehr.patients')}>
      <SearchField
        name={t('ehr.searchPatients')}
        placeholder={t('ehr.nameNumberDate')}
        text={text}
        shortcut="search"
        onText={setText}
      />
      {text === '' && <RecentPatients session={session} />}
      {source.error !== undefined && <Problem error={source.error} retry={() => void read.again()} />}
      {source.of === undefined && source.error === undefined && <Waiting what={t('ehr.readingPatients')} />}
      <div className={styles.scroller} data-testid="patient-list" ref={scroller} aria-busy={stale} inert={stale}>
        {isLong ? (
          <Suspense fallback={<AllRows {...rows} ids={rows.ids.slice(0, PAGE)} />}>
            <RowsInView {...rows} />
          </Suspense>
        ) : (
          <AllRows {...rows} />
        )}
      </div>
      {!stale && answered && list.length === 0 && (
        <p className={textStyles.nothing}>
          {query === '' ? t('ehr.theRecordHoldsNoPatients') : t('ehr.nobodyMatches', { query })}
        </p>
      )}
    </section>
  );
}
