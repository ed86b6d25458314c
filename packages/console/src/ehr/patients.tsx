import type { Resource } from '@lockstep/fhircast';
import { TextInput } from '@mantine/core';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useDeferredValue, useState } from 'react';
import { ageOf, nameOf, recordNumber, textAt } from '../fhir.ts';
import { useStore } from '../store.ts';
import { Problem, Waiting } from '../ui/problem.tsx';
import { shownChart } from './desk.ts';
import { matches, searchesFor } from './patient-search.ts';
import type { EhrSession } from './session.ts';

/** Patients read at once; a record with more is searched by the server. */
const PAGE = 100;

async function search(session: EhrSession, query: string): Promise<readonly Resource[]> {
  const found = await Promise.all(
    searchesFor(query).map((by) => session.fhir.search('Patient', { _count: String(PAGE), _sort: 'family', ...by })),
  );
  return [...new Map(found.flat().map((patient) => [patient.id, patient])).values()];
}

export function PatientList({ session }: { session: EhrSession }) {
  const desk = useStore(session.book.desk);
  const active = shownChart(desk)?.patient.id;
  const [text, setText] = useState('');
  const query = useDeferredValue(text.trim());
  const all = useQuery({
    queryKey: ['patients', ''],
    queryFn: () => session.fhir.search('Patient', { _count: String(PAGE), _sort: 'family' }),
  });
  const whole = (all.data?.length ?? 0) < PAGE;
  const found = useQuery({
    queryKey: ['patients', query],
    queryFn: () => search(session, query),
    enabled: !whole && query !== '',
    placeholderData: keepPreviousData,
  });
  const list = (whole || query === '' ? all.data : found.data) ?? [];
  const shown = whole && query !== '' ? list.filter((patient) => matches(patient, query)) : list;
  const open = new Set(desk.tabs.map(({ patient }) => patient.id));

  return (
    <section className="patients" aria-label="Patients">
      <TextInput
        type="search"
        aria-label="Search patients"
        placeholder="Name, number, date"
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      {all.isError && <Problem error={all.error} retry={() => void all.refetch()} />}
      {all.isPending && <Waiting what="Reading patients" />}
      <ul className="patient-list">
        {shown.map((patient) => (
          <li key={patient.id}>
            <button
              type="button"
              className="patient"
              aria-current={patient.id === active || undefined}
              onClick={() => void session.publishing.openPatient(patient)}
            >
              <span className="patient-name">
                {nameOf(patient)}
                {open.has(patient.id) && <span className="open-mark">open</span>}
              </span>
              <span className="patient-facts">
                {[textAt(patient, 'gender'), ageOf(textAt(patient, 'birthDate')), recordNumber(patient)]
                  .filter((fact) => fact !== undefined)
                  .join(' · ')}
              </span>
            </button>
          </li>
        ))}
      </ul>
      {all.data && shown.length === 0 && !found.isFetching && (
        <p className="nothing">{query === '' ? 'The record holds no patients.' : `Nobody matches “${query}”.`}</p>
      )}
      {!whole && query === '' && <p className="nothing">The first {PAGE} of the record. Search for the others.</p>}
      {found.isError && <Problem error={found.error} retry={() => void found.refetch()} />}
    </section>
  );
}
