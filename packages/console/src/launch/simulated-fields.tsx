/** What of a launch is simulated: which checks and pages are left out, and what goes wrong. */
import { Checkbox, NativeSelect, Switch } from '@mantine/core';
import type { SimulationOffer } from '../api.ts';
import { t } from '../language/language.ts';
import formStyles from '../ui/form.module.css';
import pageStyles from '../ui/page.module.css';
import textStyles from '../ui/text.module.css';
import type { PlanPartProps } from './people.tsx';
import { FAULT_STAGES, FAULTS_BY_STAGE, type Fault, PKCE_RULES, type PkceRule } from './simulation.ts';

export function SimulatedFields({ plan, change, offer }: PlanPartProps & { offer: SimulationOffer | null }) {
  if (offer === null) {
    return (
      <section className={pageStyles.panel} aria-label={t('launch.simulated')}>
        <h2>{t('launch.simulated')}</h2>
        <p className={textStyles.label}>{t('launch.faultsAreSimulatedWhereTheServer')}</p>
      </section>
    );
  }
  const isBackend = plan.kind === 'backend';
  return (
    <section className={pageStyles.panel} aria-label={t('launch.simulated')}>
      <h2>{t('launch.simulated')}</h2>
      <Switch
        label={t('launch.clientChecks')}
        description={offer.unchecked ? t('launch.switchedOffWhoeverAsksIsLet') : t('launch.theyStayOnOthersCanReach')}
        disabled={!offer.unchecked || isBackend}
        checked={plan.checks}
        onChange={(event) => change({ checks: event.currentTarget.checked })}
      />
      {!isBackend && <Pages plan={plan} change={change} />}
      <h3>{t('launch.faults')}</h3>
      <p className={textStyles.label}>{t('launch.eachHappensAsItWouldWith')}</p>
      {FAULT_STAGES.map((stage) => (
        <fieldset key={stage} className={formStyles.part}>
          <legend>{t(`launch.stage.${stage}`)}</legend>
          {FAULTS_BY_STAGE[stage].map((fault: Fault) => (
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
        </fieldset>
      ))}
    </section>
  );
}

function Pages({ plan, change }: PlanPartProps) {
  return (
    <>
      <NativeSelect
        label={t('launch.pkce')}
        description={t('launch.pkceProvesWhoAsked')}
        value={plan.pkce}
        disabled={!plan.checks}
        onChange={(event) => change({ pkce: event.currentTarget.value as PkceRule })}
        data={PKCE_RULES.map((value) => ({ value, label: t(`launch.pkce.${value}`) }))}
      />
      <fieldset className={formStyles.part}>
        <legend>{t('launch.pages')}</legend>
        <Checkbox
          label={t('launch.skipSignIn')}
          description={t('launch.skipSignInText')}
          checked={plan.skipSignIn}
          onChange={(event) => change({ skipSignIn: event.currentTarget.checked })}
        />
        <Checkbox
          label={t('launch.skipConsent')}
          description={t('launch.skipConsentText')}
          checked={plan.skipConsent}
          onChange={(event) => change({ skipConsent: event.currentTarget.checked })}
        />
        <Checkbox
          label={t('launch.skipPickers')}
          description={t('launch.skipPickersText')}
          checked={plan.skipPickers}
          onChange={(event) => change({ skipPickers: event.currentTarget.checked })}
        />
      </fieldset>
    </>
  );
}
