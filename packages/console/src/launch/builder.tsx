/** Launches made to order: who, what, and which faults; the whole of it is in the page's address. */
import { Button, Checkbox, NativeSelect, SegmentedControl, Switch, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { ApiError, get, type SimulationOffer, words } from '../api.ts';
import { webAddressProblem } from '../apps/metadata.ts';
import { openWindow } from '../apps/run.ts';
import { useApps } from '../ehr/dock.tsx';
import type { EhrSession } from '../ehr/session.ts';
import { nameOf, textAt, titleOf, when } from '../fhir.ts';
import { t } from '../language/language.ts';
import { navigate, useQueryText } from '../router.tsx';
import { Copyable } from '../ui/copyable.tsx';
import { Problem, Waiting } from '../ui/problem.tsx';
import { addressOf } from './address.ts';
import { BY_ADDRESS, FAULTS, type Plan, readPlan, simulated, toQuery } from './plan.ts';

function useChoices(session: EhrSession, patient: string) {
  const patients = useQuery({
    queryKey: ['patients', ''],
    queryFn: () => session.fhir.search('Patient', { _count: '100', _sort: 'family' }),
  });
  const of = useQuery({
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
  return {
    ...patients,
    encounters: of.data?.encounters ?? [],
    studies: of.data?.studies ?? [],
    known: of.isSuccess || of.isError,
  };
}

/** What can be simulated here; null where nothing can. */
function useOffer() {
  return useQuery({
    queryKey: ['simulation'],
    queryFn: () =>
      get<SimulationOffer>('/api/console/simulation').catch((error: unknown) => {
        if (error instanceof ApiError && error.status === 404) return null;
        throw error;
      }),
  });
}

interface PartProps {
  readonly plan: Plan;
  readonly change: (fields: Partial<Plan>) => void;
}

interface Option {
  readonly value: string;
  readonly label: string;
}

/** A list with what an address may ask for that is not in it. @param known whether the list has been read */
function chosen(value: string, options: readonly Option[], known = true) {
  if (options.some((one) => one.value === value)) return { data: [...options] };
  return {
    data: [...options, { value, label: value }],
    error: known ? t('launch.notInTheListTheLaunch') : undefined,
  };
}

function Context({ session, plan, change }: PartProps & { session: EhrSession }) {
  const { encounters, studies, known, ...patients } = useChoices(session, plan.patient);
  if (patients.isPending) return <Waiting what={t('launch.readingPatients')} />;
  if (patients.isError) return <Problem error={patients.error} retry={() => void patients.refetch()} />;
  const none = { value: '', label: t('launch.none') };
  return (
    <>
      <NativeSelect
        label={t('launch.patient')}
        value={plan.patient}
        onChange={(event) => change({ patient: event.currentTarget.value, encounter: '', study: '' })}
        {...chosen(plan.patient, [none, ...patients.data.map((one) => ({ value: one.id ?? '', label: nameOf(one) }))])}
      />
      <NativeSelect
        label={t('launch.encounter')}
        value={plan.encounter}
        disabled={plan.patient === ''}
        onChange={(event) => change({ encounter: event.currentTarget.value })}
        {...chosen(
          plan.encounter,
          [
            none,
            ...encounters.map((one) => ({
              value: one.id ?? '',
              label: t('launch.titleAndDate', { title: titleOf(one), date: when(textAt(one, 'period.start')) }),
            })),
          ],
          known,
        )}
      />
      <NativeSelect
        label={t('launch.imagingStudy')}
        value={plan.study}
        disabled={plan.patient === ''}
        onChange={(event) => change({ study: event.currentTarget.value })}
        {...chosen(
          plan.study,
          [
            none,
            ...studies.map((one) => ({
              value: one.id ?? '',
              label: t('launch.titleAndDate', { title: titleOf(one), date: when(textAt(one, 'started')) }),
            })),
          ],
          known,
        )}
      />
    </>
  );
}

function Simulation({ plan, change, offer }: PartProps & { offer: SimulationOffer | null }) {
  if (offer === null) {
    return (
      <section className="panel" aria-label={t('launch.simulated')}>
        <h2>{t('launch.simulated')}</h2>
        <p className="label">{t('launch.faultsAreSimulatedWhereTheServer')}</p>
      </section>
    );
  }
  return (
    <section className="panel" aria-label={t('launch.simulated')}>
      <h2>{t('launch.simulated')}</h2>
      <Switch
        label={t('launch.clientChecks')}
        description={offer.unchecked ? t('launch.switchedOffWhoeverAsksIsLet') : t('launch.theyStayOnOthersCanReach')}
        disabled={!offer.unchecked}
        checked={plan.checks}
        onChange={(event) => {
          const checks = event.currentTarget.checked;
          change({ checks, ...(checks && plan.app === BY_ADDRESS && { app: '' }) });
        }}
      />
      <h3>{t('launch.faults')}</h3>
      <p className="label">{t('launch.eachHappensAsItWouldWith')}</p>
      {FAULTS.map((fault) => (
        <Checkbox
          key={fault}
          label={t(`launch.fault.${fault}.title`)}
          description={t(`launch.fault.${fault}.text`)}
          checked={plan.faults.includes(fault)}
          onChange={(event) =>
            change({
              faults: event.currentTarget.checked
                ? [...plan.faults, fault]
                : plan.faults.filter((one) => one !== fault),
            })
          }
        />
      ))}
    </section>
  );
}

export default function LaunchBuilder({ session }: { session: EhrSession }) {
  const asked = readPlan(useQueryText());
  const apps = useApps();
  const offer = useOffer();
  const [problem, setProblem] = useState<string>();
  const [tried, setTried] = useState(false);

  if (apps.isPending || offer.isPending) return <Waiting />;
  if (apps.isError || offer.isError) {
    return (
      <div className="page">
        <Problem
          error={apps.error ?? offer.error}
          retry={() => {
            void apps.refetch();
            void offer.refetch();
          }}
        />
      </div>
    );
  }

  // A shared address may ask for more than this server, or this person, can simulate.
  const others = (offer.data?.users ?? []).filter(({ id }) => id !== session.person.user_name);
  const plan: Plan = {
    ...asked,
    user: others.some(({ id }) => id === asked.user) ? asked.user : '',
    checks: asked.checks || !offer.data?.unchecked,
    faults: offer.data ? asked.faults : [],
  };
  const stranger = asked.user !== '' && asked.user !== session.person.user_name && plan.user === '';
  const launchable = apps.data.filter(
    ({ launchUrl, launchKinds, status }) =>
      launchUrl !== undefined && launchKinds.includes(plan.kind) && status === 'active',
  );
  const byAddress = !plan.checks && plan.app === BY_ADDRESS;
  const named = launchable.find(({ id }) => id === plan.app);
  const unknown = !byAddress && plan.app !== '' && !named;
  const app = byAddress ? undefined : (named ?? (unknown ? undefined : launchable[0]));
  const addressProblem = byAddress ? webAddressProblem(plan.address, true) : undefined;
  const name = byAddress ? t('launch.theApp') : app?.name;

  function change(fields: Partial<Plan>): void {
    setProblem(undefined);
    navigate(`/launch${toQuery({ ...plan, ...fields })}`, { replace: true });
  }

  async function launch(): Promise<void> {
    setTried(true);
    if (addressProblem !== undefined) return;
    try {
      await openWindow(() => addressOf(session, plan, app));
      setProblem(undefined);
    } catch (error) {
      setProblem(t('launch.wasNotLaunched', { name: name ?? '', error: words(error) }));
    }
  }

  return (
    <div className="page">
      <header>
        <h1>{t('launch.launchBuilder')}</h1>
        <p className="lead">{t('launch.aLaunchMadeToOrderWith')}</p>
      </header>
      <div className="builder">
        <section className="panel" aria-label={t('launch.launch')}>
          <h2>{t('launch.launch')}</h2>
          <SegmentedControl
            aria-label={t('launch.kindOfLaunch')}
            value={plan.kind}
            onChange={(kind) => change({ kind: kind as Plan['kind'] })}
            data={[
              { value: 'ehr', label: t('apps.kind.ehr.short') },
              { value: 'standalone', label: t('apps.kind.standalone.short') },
            ]}
          />
          <NativeSelect
            label={t('launch.app')}
            value={byAddress ? BY_ADDRESS : (app?.id ?? '')}
            error={unknown ? t('launch.thereIsNoAppThatCan', { app: plan.app }) : undefined}
            onChange={(event) => change({ app: event.currentTarget.value })}
            data={[
              ...(app || byAddress ? [] : [{ value: '', label: unknown ? plan.app : t('launch.none') }]),
              ...launchable.map(({ id, name: label }) => ({ value: id, label })),
              ...(plan.checks ? [] : [{ value: BY_ADDRESS, label: t('launch.anotherAppByItsAddress') }]),
            ]}
          />
          {byAddress && (
            <TextInput
              label={t('launch.launchAddress')}
              placeholder="http://localhost:3000/launch"
              value={plan.address}
              error={tried || plan.address !== '' ? addressProblem : undefined}
              onChange={(event) => change({ address: event.currentTarget.value })}
            />
          )}
          <NativeSelect
            label={t('launch.user')}
            {...(plan.user !== '' && {
              description: t('launch.thePagesOfTheLaunchSay'),
            })}
            error={stranger ? t('launch.cannotBeSimulatedHereItWould', { user: asked.user }) : undefined}
            value={plan.user}
            onChange={(event) => change({ user: event.currentTarget.value })}
            data={[
              { value: '', label: t('launch.you', { name: session.person.name }) },
              ...others.map(({ id, name: label }) => ({ value: id, label })),
            ]}
          />
          {plan.kind === 'ehr' && <Context session={session} plan={plan} change={change} />}
          {plan.kind === 'standalone' && <p className="label">{t('launch.theAppAsksForAPatient')}</p>}
        </section>
        <Simulation plan={plan} change={change} offer={offer.data} />
      </div>
      {problem !== undefined && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      <div className="form-end">
        <Button size="sm" disabled={!app && !byAddress} onClick={() => void launch()}>
          {name === undefined ? t('launch.launch') : t('launch.launchNamed', { name })}
        </Button>
        {!plan.checks && <span className="unsaved">{t('launch.simulatedClientChecksAreOff')}</span>}
      </div>
      <Copyable title={t('launch.thisLaunchToShare')} text={`${location.origin}/launch${toQuery(plan)}`} />
      <Copyable title={t('launch.fhirEndpointOfThisLaunchIss')} text={`${simulated(location.origin, plan)}/fhir`} />
    </div>
  );
}
