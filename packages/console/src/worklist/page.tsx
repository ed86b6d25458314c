/** Studies that wait to be read, opened with one key. */

import { Button } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { type KeyboardEvent, useEffect, useRef } from 'react';
import type { EhrSession } from '../ehr/session.ts';
import { textAt, titleOf, valuesAt, when } from '../fhir.ts';
import { ForeignName } from '../foreign-text.tsx';
import { Who } from '../identity.tsx';
import { t } from '../language/language.ts';
import { Link, navigate } from '../router.tsx';
import { useStore } from '../store.ts';
import pageStyles from '../ui/page.module.css';
import { Problem, Waiting } from '../ui/problem.tsx';
import tableStyles from '../ui/table.module.css';
import textStyles from '../ui/text.module.css';
import { type StudyToRead, studiesToRead } from './to-read.ts';

const SEARCH = [
  ['_count', '100'],
  ['_sort', 'started'],
  ['status', 'available'],
  ['_include', 'ImagingStudy:patient'],
  ['_revinclude', 'DiagnosticReport:imaging-study'],
] as const;

export default function Worklist({ session }: { session: EhrSession }) {
  const { fhir } = session;
  const filed = useStore(session.filed);
  const pages = useInfiniteQuery({
    queryKey: ['worklist', filed],
    queryFn: ({ pageParam: next }) => (next === undefined ? fhir.searchPage('ImagingStudy', SEARCH) : fhir.page(next)),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next }) => next,
    staleTime: 0,
  });
  const studies = studiesToRead(pages.data?.pages.flatMap(({ resources }) => resources) ?? []);
  const body = useRef<HTMLTableSectionElement>(null);
  const isEmpty = studies.length === 0;
  useEffect(() => {
    if (!isEmpty) body.current?.querySelector<HTMLElement>('[data-open]')?.focus();
  }, [isEmpty]);

  async function open({ study, patient }: StudyToRead): Promise<void> {
    await session.publishing.open(study, patient, {});
    navigate('/');
  }

  /** Arrows, or j and k, go from study to study. */
  function move(event: KeyboardEvent): void {
    const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
    if (step === undefined) return;
    const buttons = [...(body.current?.querySelectorAll<HTMLButtonElement>('[data-open]') ?? [])];
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
    event.preventDefault();
    buttons[Math.min(Math.max(at + step, 0), buttons.length - 1)]?.focus();
  }

  return (
    <div className={pageStyles.page}>
      <header>
        <h1>{t('worklist.worklist')}</h1>
        <p className={textStyles.lead}>{t('worklist.studiesWithoutAFinishedReport')}</p>
      </header>
      {pages.isPending && <Waiting what={t('worklist.readingStudies')} />}
      {pages.isError && <Problem error={pages.error} retry={() => void pages.refetch()} />}
      {pages.isSuccess && studies.length === 0 && (
        <p className={textStyles.nothing}>{t('worklist.everythingIsRead')}</p>
      )}
      {studies.length > 0 && (
        <div className={tableStyles.scroll}>
          <table className={tableStyles.table} data-testid="worklist">
            <thead>
              <tr>
                <th scope="col">{t('worklist.date')}</th>
                <th scope="col">{t('worklist.patient')}</th>
                <th scope="col">{t('worklist.study')}</th>
                <th scope="col">{t('worklist.modality')}</th>
                <th scope="col">
                  <span className={textStyles.srOnly}>{t('worklist.actions')}</span>
                </th>
              </tr>
            </thead>
            <tbody ref={body} onKeyDown={move}>
              {studies.map((one) => (
                <tr key={one.study.id}>
                  <td>{when(textAt(one.study, 'started'), true)}</td>
                  <td>
                    <Who patient={one.patient} />
                  </td>
                  <td>
                    <Link href={`/patients/${one.patient.id}/studies/${one.study.id}`}>
                      <ForeignName text={titleOf(one.study)} />
                    </Link>
                  </td>
                  <td>{valuesAt(one.study, 'modality.code').join(', ')}</td>
                  <td className={tableStyles.actions}>
                    <Button
                      size="compact-xs"
                      variant="default"
                      data-open
                      aria-label={t('worklist.openNamed', { title: titleOf(one.study) })}
                      onClick={() => void open(one)}
                    >
                      {t('worklist.open')}
                    </Button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {pages.hasNextPage && (
        <Button variant="default" loading={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>
          {t('worklist.showMore')}
        </Button>
      )}
    </div>
  );
}
