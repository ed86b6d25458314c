/** Choosing for whom a launch is and what it opens: people are searched for, since a record may hold thousands. */
import type { Resource } from '@lockstep/fhircast';
import { NativeSelect } from '@mantine/core';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useId, useState } from 'react';
import type { SimulationOffer } from '../api.ts';
import { searchesFor } from '../ehr/patient-search.ts';
import type { EhrSession } from '../ehr/session.ts';
import { nameOf, textAt, titleOf, when } from '../fhir.ts';
import { spoken, t } from '../language/language.ts';
import { useStore } from '../store.ts';
import { Problem } from '../ui/problem.tsx';
import { SearchField } from '../ui/search-field.tsx';
import textStyles from '../ui/text.module.css';
import { isForPatient, type Plan } from './plan.ts';

/** Found at once; who is not among them is found by more of their name. */
const MOST = 100;

export interface PlanPartProps {
  readonly plan: Plan;
  readonly change: (fields: Partial<Plan>) => void;
}

interface Option {
  readonly value: string;
  readonly label: string;
}

/** A list with what an address may ask for that is not in it. @param missing what to say of that, once the list was read */
function chosen(value: string, options: readonly Option[], missing: string | undefined) {
  if (options.some((one) => one.value === value)) return { data: [...options] };
  return { data: [...options, { value, label: value }], error: missing };
}

/** The patients that a text means, and the one who is chosen already. */
function usePatients(session: EhrSession, text: string, patient: string) {
  const { locale } = useStore(spoken);
  const found = useQuery({
    queryKey: ['launch-patients', text, locale],
    queryFn: async () => {
      const searches = text.trim() === '' ? [[]] : searchesFor(text, locale);
      const pages = await Promise.all(
        searches.map((one) =>
          session.fhir.searchPage('Patient', [...one, ['_count', String(MOST)], ['_sort', 'family']]),
        ),
      );
      return pages.flatMap(({ resources }) => resources);
    },
    placeholderData: keepPreviousData,
  });
  const own = useQuery({
    queryKey: ['launch-patient', patient],
    queryFn: async () => (await session.fhir.search('Patient', { _id: patient }))[0] ?? null,
    enabled: patient !== '',
  });
  const all = [...(own.data ? [own.data] : []), ...(found.data ?? [])];
  return { ...found, patients: [...new Map(all.map((one) => [one.id, one])).values()], known: !own.isLoading };
}

function useOfPatient(session: EhrSession, patient: string) {
  return useQuery({
    queryKey: ['launchable', patient],
    queryFn: async () => {
      const [encounters, studies] = await Promise.all([
        session.fhir.search('Encounter', { patient, _sort: '-date', _count: '50' }),
        session.fhir.search('ImagingStudy', { patient, _sort: '-started', _count: '50' }),
      ]);
      return { encounters, studies };
    },
    enabled: patient !== '',
  });
}

const dated = (resource: Resource, path: string): Option => ({
  value: resource.id ?? '',
  label: t('launch.titleAndDate', { title: titleOf(resource), date: when(textAt(resource, path)) }),
});

function Search({ label, text, set }: { label: string; text: string; set: (text: string) => void }) {
  return <SearchField name={label} isNameShown text={text} onText={set} />;
}

/** The patient, and in a launch by the EHR what else is open. */
export function PatientFields({ session, plan, change }: PlanPartProps & { session: EhrSession }) {
  const [text, setText] = useState('');
  const status = useId();
  const { patients, known, ...found } = usePatients(session, text, plan.patient);
  const of = useOfPatient(session, plan.patient);
  const none = { value: '', label: t('launch.none') };
  const missing = t('launch.notInTheListTheLaunch');
  const byEhr = plan.kind === 'ehr' || plan.kind === 'patient-portal';
  return (
    <>
      <Search label={t('launch.findAPatient')} text={text} set={setText} />
      {found.isError && <Problem error={found.error} retry={() => void found.refetch()} />}
      <span id={status} role="status" className={textStyles.label}>
        {text !== '' && found.isSuccess && t('launch.patientsFound', { count: found.data.length })}
      </span>
      <NativeSelect
        label={isForPatient(plan) ? t('launch.patientWhoLaunches') : t('launch.patient')}
        value={plan.patient}
        aria-describedby={status}
        onChange={(event) => change({ patient: event.currentTarget.value, encounter: '', study: '' })}
        {...chosen(
          plan.patient,
          [none, ...patients.map((one) => ({ value: one.id ?? '', label: nameOf(one) }))],
          known && found.isSuccess ? missing : undefined,
        )}
      />
      {byEhr && (
        <NativeSelect
          label={t('launch.encounter')}
          value={plan.encounter}
          disabled={plan.patient === ''}
          onChange={(event) => change({ encounter: event.currentTarget.value })}
          {...chosen(
            plan.encounter,
            [none, ...(of.data?.encounters ?? []).map((one) => dated(one, 'period.start'))],
            of.isSuccess || of.isError ? missing : undefined,
          )}
        />
      )}
      {byEhr && (
        <NativeSelect
          label={t('launch.imagingStudy')}
          value={plan.study}
          disabled={plan.patient === ''}
          onChange={(event) => change({ study: event.currentTarget.value })}
          {...chosen(
            plan.study,
            [none, ...(of.data?.studies ?? []).map((one) => dated(one, 'started'))],
            of.isSuccess || of.isError ? missing : undefined,
          )}
        />
      )}
    </>
  );
}

/** Whom the launch is for: the person signed in, a sample user, or anybody of the record who works there. */
export function UserFields({
  session,
  plan,
  change,
  asked,
  offer,
}: PlanPartProps & { session: EhrSession; asked: string; offer: SimulationOffer }) {
  const [text, setText] = useState('');
  const wanted = text.trim();
  const found = useQuery({
    queryKey: ['launch-practitioners', wanted],
    queryFn: () =>
      session.fhir.search('Practitioner', { _count: String(MOST), ...(wanted !== '' && { name: wanted }) }),
    placeholderData: keepPreviousData,
  });
  const { user_name: own, name } = session.person;
  const users = offer.users.filter(({ id }) => id !== own);
  const known = new Set([...offer.users.map(({ id }) => id), own]);
  const fits = (one: string): boolean => one.toLowerCase().includes(wanted.toLowerCase());
  const practitioners = (found.data ?? []).filter(({ id = '' }) => !known.has(id));
  const options = [
    { value: '', label: t('launch.you', { name }) },
    ...users
      .filter((one) => fits(one.name) || one.id === plan.user)
      .map(({ id, name: label }) => ({ value: id, label })),
    ...practitioners.map((one) => ({ value: `Practitioner/${one.id}`, label: nameOf(one) })),
  ];
  const stranger = asked !== '' && asked !== own && plan.user === '';
  return (
    <>
      <Search label={t('launch.findAUser')} text={text} set={setText} />
      <NativeSelect
        label={t('launch.user')}
        {...(plan.user !== '' && { description: t('launch.thePagesOfTheLaunchSay') })}
        value={plan.user}
        onChange={(event) => change({ user: event.currentTarget.value })}
        {...chosen(plan.user, options, undefined)}
        error={stranger ? t('launch.cannotBeSimulatedHereItWould', { user: asked }) : undefined}
      />
    </>
  );
}
