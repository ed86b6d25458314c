/** Launches made to order: who, what, and which faults; the whole of it is in the page's address. */
import { Button, Group, NativeSelect, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { ApiError, type App, get, type SimulationOffer, type Told, told } from '../api.ts';
import { useApps } from '../apps/app-list.ts';
import { webAddressProblem } from '../apps/metadata.ts';
import { openWindow } from '../apps/run.ts';
import { serverUrl } from '../base.ts';
import type { EhrSession } from '../ehr/session.ts';
import { ForeignText } from '../foreign-text.tsx';
import { appWords } from '../language/app-words.ts';
import { t } from '../language/language.ts';
import { navigate, useQueryText } from '../router.tsx';
import columnsStyles from '../ui/columns.module.css';
import { Copyable } from '../ui/copyable.tsx';
import pageStyles from '../ui/page.module.css';
import { Alert, Problem, Waiting } from '../ui/problem.tsx';
import textStyles from '../ui/text.module.css';
import { addressOf } from './address.ts';
import { ClientFields, type ClientProblems, clientProblems } from './client.tsx';
import { PatientFields, UserFields } from './people.tsx';
import {
  BY_ADDRESS,
  declaredClient,
  isEhrLaunch,
  isForPatient,
  PLAN_KINDS,
  type Plan,
  type PlanKind,
  planServer,
  readPlan,
  registeredKind,
  toQuery,
} from './plan.ts';
import { SimulatedFields } from './simulated-fields.tsx';

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

/** What a launch is like where nothing is simulated. */
const REAL = {
  user: '',
  checks: true,
  pkce: 'always',
  skipSignIn: true,
  skipConsent: false,
  skipPickers: false,
  faults: [],
} as const;

/** The plan that an address asks for, as far as this server, and this person, can simulate it. */
function possible(asked: Plan, offer: SimulationOffer | null, own: string): Plan {
  if (!offer) {
    const kind = registeredKind(asked);
    return { ...asked, kind, ...REAL };
  }
  const known =
    /^Practitioner\/[A-Za-z0-9.-]{1,64}$/.test(asked.user) || offer.users.some(({ id }) => id === asked.user);
  return {
    ...asked,
    user: known && asked.user !== own ? asked.user : '',
    checks: asked.checks || !offer.unchecked || asked.kind === 'backend',
    clientType: asked.kind === 'backend' ? 'asymmetric' : asked.clientType,
  };
}

/** The app that a plan launches, of those that can be launched in its way. */
interface Choice {
  readonly launchable: readonly App[];
  readonly byAddress: boolean;
  /** Undefined: by address, or there is none. */
  readonly app: App | undefined;
  /** Whether the plan names an app that cannot be launched so. */
  readonly unknown: boolean;
}

function choiceOf(plan: Plan, apps: readonly App[], offer: SimulationOffer | null): Choice {
  const launchable = apps.filter(
    ({ launchUrl, launchKinds, status }) =>
      (launchUrl !== undefined || plan.kind === 'backend') &&
      launchKinds.includes(registeredKind(plan)) &&
      status === 'active',
  );
  const byAddress = offer !== null && plan.app === BY_ADDRESS;
  const named = launchable.find(({ id }) => id === plan.app);
  const unknown = !byAddress && plan.app !== '' && !named;
  return {
    launchable,
    byAddress,
    app: byAddress ? undefined : (named ?? (unknown ? undefined : launchable[0])),
    unknown,
  };
}

function problemsOf(plan: Plan, { byAddress }: Choice): ClientProblems {
  if (!byAddress) return {};
  const address = plan.kind === 'backend' ? undefined : webAddressProblem(plan.address, true);
  return {
    ...(address !== undefined && { address }),
    ...(declaredClient(plan) && clientProblems(plan)),
  };
}

/** What a backend service needs to know: it is not launched. */
function BackendAddresses({ plan, app }: { plan: Plan; app: App | undefined }) {
  return (
    <>
      <p className={textStyles.label}>{t('launch.nothingIsLaunched')}</p>
      <Copyable title={t('launch.tokenEndpoint')} text={`${planServer(serverUrl(), plan)}/auth/token`} />
      <Copyable title={t('launch.clientId')} text={app?.id ?? plan.clientId} />
    </>
  );
}

export default function LaunchBuilder({ session }: { session: EhrSession }) {
  const asked = readPlan(useQueryText());
  const apps = useApps(session.appList);
  const offer = useOffer();
  const [problem, setProblem] = useState<Told>();
  const [tried, setTried] = useState(false);

  const error = apps.error ?? offer.error ?? undefined;
  if (error !== undefined) {
    return (
      <div className={pageStyles.page}>
        <Problem
          error={error}
          retry={() => {
            void session.appList.read();
            void offer.refetch();
          }}
        />
      </div>
    );
  }

  if (apps.data === undefined || offer.data === undefined) return <Waiting />;

  const plan = possible(asked, offer.data, session.person.user_name);
  const choice = choiceOf(plan, apps.data, offer.data);
  const { launchable, byAddress, app, unknown } = choice;
  const problems = problemsOf(plan, choice);
  const problemAt = (field: keyof Plan): ReactNode => {
    const said = tried || plan[field] !== '' ? problems[field] : undefined;
    return said === undefined ? undefined : <ForeignText text={said} />;
  };
  const name = byAddress ? t('launch.theApp') : app && appWords(app.name);
  const isBackend = plan.kind === 'backend';
  const lacksPatient = isForPatient(plan) && plan.patient === '';

  function change(fields: Partial<Plan>): void {
    setProblem(undefined);
    navigate(`/launch${toQuery({ ...plan, ...fields })}`, { replace: true });
  }

  async function launch(): Promise<void> {
    setTried(true);
    if (Object.keys(problems).length > 0) return;
    try {
      await openWindow(() => addressOf(session, plan, app));
      setProblem(undefined);
    } catch (error) {
      setProblem(told(error, (said) => t('launch.wasNotLaunched', { name: name ?? '', error: said })));
    }
  }

  return (
    <div className={pageStyles.page}>
      <header>
        <h1>{t('launch.launchBuilder')}</h1>
        <p className={textStyles.lead}>{t('launch.aLaunchMadeToOrderWith')}</p>
      </header>
      <div className={columnsStyles.columns}>
        <section className={pageStyles.panel} aria-label={t('launch.launch')}>
          <h2>{t('launch.launch')}</h2>
          <NativeSelect
            label={t('launch.kindOfLaunch')}
            description={t(`launch.kind.${plan.kind}.text`)}
            value={plan.kind}
            onChange={(event) => change({ kind: event.currentTarget.value as PlanKind })}
            data={PLAN_KINDS.filter((kind) => offer.data || !isForPatient({ kind })).map((value) => ({
              value,
              label: t(`launch.kind.${value}.title`),
            }))}
          />
          <NativeSelect
            label={t('launch.app')}
            value={byAddress ? BY_ADDRESS : (app?.id ?? '')}
            error={unknown ? t('launch.thereIsNoAppThatCan', { app: plan.app }) : undefined}
            onChange={(event) => change({ app: event.currentTarget.value })}
            data={[
              ...(app || byAddress ? [] : [{ value: '', label: unknown ? plan.app : t('launch.none') }]),
              ...launchable.map(({ id, name: label }) => ({ value: id, label: appWords(label) })),
              ...(offer.data
                ? [
                    {
                      value: BY_ADDRESS,
                      label: isBackend ? t('launch.anotherServiceByItsKeys') : t('launch.anotherAppByItsAddress'),
                    },
                  ]
                : []),
            ]}
          />
          {byAddress && !isBackend && (
            <TextInput
              label={t('launch.launchAddress')}
              placeholder="http://localhost:3000/launch"
              value={plan.address}
              maxLength={2000}
              error={problemAt('address')}
              onChange={(event) => change({ address: event.currentTarget.value })}
            />
          )}
          {offer.data && !isBackend && !isForPatient(plan) && (
            <UserFields session={session} plan={plan} change={change} asked={asked.user} offer={offer.data} />
          )}
          {!isBackend && (offer.data || isEhrLaunch(plan)) && (
            <PatientFields session={session} plan={plan} change={change} />
          )}
          {plan.kind === 'standalone' && plan.patient === '' && (
            <p className={textStyles.label}>{t('launch.theAppAsksForAPatient')}</p>
          )}
          {lacksPatient && <p className={textStyles.label}>{t('launch.choosePatientWhoLaunches')}</p>}
        </section>
        {declaredClient(plan) && <ClientFields plan={plan} change={change} problems={problemAt} />}
        <SimulatedFields plan={plan} change={change} offer={offer.data} />
      </div>
      {problem && <Alert {...problem} />}
      {isBackend ? (
        <BackendAddresses plan={plan} app={app} />
      ) : (
        <Group gap={12}>
          <Button size="sm" disabled={(!app && !byAddress) || lacksPatient} onClick={() => void launch()}>
            {name === undefined ? t('launch.launch') : t('launch.launchNamed', { name })}
          </Button>
          {!plan.checks && <span>{t('launch.simulatedClientChecksAreOff')}</span>}
        </Group>
      )}
      <Copyable title={t('launch.thisLaunchToShare')} text={`${serverUrl()}/launch${toQuery(plan)}`} />
      <Copyable title={t('launch.fhirEndpointOfThisLaunchIss')} text={`${planServer(serverUrl(), plan)}/fhir`} />
      <p className={textStyles.label}>{t('launch.fhirIsR4')}</p>
    </div>
  );
}
