/** Launches made to order: who, what, and which faults; the whole of it is in the page's address. */
import { Button, Checkbox, NativeSelect, SegmentedControl } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { type App, words } from '../api.ts';
import { KIND_WORDS } from '../apps/kinds.ts';
import { makeLaunch } from '../apps/run.ts';
import { useApps } from '../ehr/dock.tsx';
import type { EhrSession } from '../ehr/session.ts';
import { nameOf, textAt, titleOf, when } from '../fhir.ts';
import { navigate, useQueryText } from '../router.tsx';
import { Copyable } from '../ui/copyable.tsx';
import { Problem, Waiting } from '../ui/problem.tsx';
import { FAULT_WORDS, type Fault, readPlan, simulated, toQuery } from './plan.ts';

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
  return { ...patients, encounters: of.data?.encounters ?? [], studies: of.data?.studies ?? [] };
}

export default function LaunchBuilder({ session }: { session: EhrSession }) {
  const query = useQueryText();
  const plan = readPlan(query);
  const apps = useApps();
  const { encounters, studies, ...patients } = useChoices(session, plan.patient);
  const [problem, setProblem] = useState<string>();
  const launchable = (apps.data ?? []).filter(
    ({ launchUrl, status }) => launchUrl !== undefined && status === 'active',
  );
  const app = launchable.find(({ id }) => id === plan.app) ?? launchable[0];

  function change(fields: Partial<typeof plan>): void {
    setProblem(undefined);
    navigate(`/launch${toQuery({ ...plan, ...fields })}`, { replace: true });
  }

  async function addressOf(chosen: App): Promise<string> {
    const base = simulated(location.origin, plan.faults);
    if (plan.kind === 'standalone') {
      const url = new URL(chosen.launchUrl ?? '');
      url.searchParams.set('fhirServiceUrl', `${base}/fhir`);
      return url.href;
    }
    const { patient, encounter, study } = plan;
    const url = new URL(
      await makeLaunch(session, chosen, {
        ...(patient && { patient }),
        ...(encounter && { encounter }),
        ...(study && { imaging_study: study }),
      }),
    );
    url.searchParams.set('iss', `${base}/fhir`);
    return url.href;
  }

  async function launch(): Promise<void> {
    if (!app) return;
    // Opened before anything is awaited: browsers allow windows only in answer to a click.
    const opened = window.open('about:blank', '_blank');
    try {
      const address = await addressOf(app);
      if (!opened) throw new Error('The browser did not allow a new window.');
      opened.opener = null;
      opened.location.href = address;
      setProblem(undefined);
    } catch (error) {
      opened?.close();
      setProblem(`${app.name} was not launched: ${words(error)}`);
    }
  }

  if (apps.isPending || patients.isPending) return <Waiting />;
  if (apps.isError || patients.isError) {
    return (
      <div className="page">
        <Problem error={apps.error ?? patients.error} retry={() => void apps.refetch()} />
      </div>
    );
  }
  const none = { value: '', label: 'none' };
  return (
    <div className="page">
      <header>
        <h1>Launch builder</h1>
        <p className="lead">A launch made to order, with faults if you want to see how an app takes them.</p>
      </header>
      <div className="builder">
        <section className="panel" aria-label="Launch">
          <h2>Launch</h2>
          <SegmentedControl
            aria-label="Kind of launch"
            value={plan.kind}
            onChange={(kind) => change({ kind: kind as typeof plan.kind })}
            data={[
              { value: 'ehr', label: KIND_WORDS.ehr.short },
              { value: 'standalone', label: KIND_WORDS.standalone.short },
            ]}
          />
          <NativeSelect
            label="App"
            value={app?.id ?? ''}
            onChange={(event) => change({ app: event.currentTarget.value })}
            data={launchable.map(({ id, name }) => ({ value: id, label: name }))}
          />
          <p className="label">User: {session.person.name}. Sign in as somebody else to launch for them.</p>
          {plan.kind === 'ehr' && (
            <>
              <NativeSelect
                label="Patient"
                value={plan.patient}
                onChange={(event) => change({ patient: event.currentTarget.value, encounter: '', study: '' })}
                data={[none, ...(patients.data ?? []).map((one) => ({ value: one.id ?? '', label: nameOf(one) }))]}
              />
              <NativeSelect
                label="Encounter"
                value={plan.encounter}
                disabled={plan.patient === ''}
                onChange={(event) => change({ encounter: event.currentTarget.value })}
                data={[
                  none,
                  ...encounters.map((one) => ({
                    value: one.id ?? '',
                    label: `${titleOf(one)}, ${when(textAt(one, 'period.start'))}`,
                  })),
                ]}
              />
              <NativeSelect
                label="Imaging study"
                value={plan.study}
                disabled={plan.patient === ''}
                onChange={(event) => change({ study: event.currentTarget.value })}
                data={[
                  none,
                  ...studies.map((one) => ({
                    value: one.id ?? '',
                    label: `${titleOf(one)}, ${when(textAt(one, 'started'))}`,
                  })),
                ]}
              />
            </>
          )}
        </section>
        <section className="panel" aria-label="Faults">
          <h2>Faults</h2>
          <p className="label">Each happens as it would with a server that has the trouble.</p>
          {(Object.keys(FAULT_WORDS) as Fault[]).map((fault) => (
            <Checkbox
              key={fault}
              label={FAULT_WORDS[fault].title}
              description={FAULT_WORDS[fault].text}
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
      </div>
      {problem !== undefined && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      <div className="form-end">
        <Button size="sm" disabled={!app} onClick={() => void launch()}>
          Launch {app?.name}
        </Button>
      </div>
      <Copyable title="This launch, to share" text={`${location.origin}/launch${toQuery(plan)}`} />
      <Copyable title="FHIR endpoint of this launch (iss)" text={`${simulated(location.origin, plan.faults)}/fhir`} />
    </div>
  );
}
