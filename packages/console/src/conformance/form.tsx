/** What to test, and how. */

import { Checkbox, NativeSelect, Radio, Textarea, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { ConformanceRun, ConformanceSetup } from '../api.ts';
import { post } from '../api.ts';
import { t } from '../language/language.ts';
import { Rich } from '../language/rich.tsx';
import formStyles from '../ui/form.module.css';
import { type Form, FormEnd, Part, useForm } from '../ui/form.tsx';
import { PasswordField } from '../ui/password-field.tsx';
import textStyles from '../ui/text.module.css';
import styles from './form.module.css';
import {
  type AccessWay,
  CHECKS,
  fieldOf,
  initialFields,
  PRESETS,
  presetFields,
  problemsOf,
  type RunFields,
  type RunPreset,
  type SessionChoice,
  SPEC_WORDS,
  specsFor,
  toBody,
} from './options.ts';

const ACCESS = ['token', 'client', 'register', 'open'] as const satisfies readonly AccessWay[];

const SESSIONS = ['given', 'made', 'any'] as const satisfies readonly SessionChoice[];

function OtherHub({ form }: { form: Form<RunFields> }) {
  const { values, text, set } = form;
  const { access, sessions } = values;
  return (
    <>
      <TextInput label="hub.url" placeholder="https://hub.example.com/fhircast" {...text('url')} />
      <div className={formStyles.columns}>
        <NativeSelect
          label={t('conformance.access')}
          value={access}
          data={ACCESS.map((value) => ({ value, label: t(`conformance.access.${value}`) }))}
          onChange={({ currentTarget }) => set('access', currentTarget.value as AccessWay)}
        />
        {access === 'token' && (
          <PasswordField size="xs" label={t('conformance.accessToken')} autoComplete="off" {...text('token')} />
        )}
        {access === 'client' && (
          <>
            <TextInput label={t('conformance.clientId')} {...text('clientId')} />
            <PasswordField size="xs" label={t('conformance.clientSecret')} autoComplete="off" {...text('secret')} />
          </>
        )}
        {(access === 'client' || access === 'register') && (
          <TextInput
            label={t('conformance.fhirAddress')}
            placeholder="https://ehr.example.com/fhir"
            {...text('smart')}
          />
        )}
        {access === 'client' && <TextInput label={t('conformance.orTokenEndpoint')} {...text('tokenUrl')} />}
      </div>
      <div className={formStyles.columns}>
        <NativeSelect
          label={t('conformance.sessions')}
          value={sessions}
          data={SESSIONS.map((value) => ({ value, label: t(`conformance.sessions.${value}`) }))}
          onChange={({ currentTarget }) => set('sessions', currentTarget.value as SessionChoice)}
        />
        {sessions === 'given' && (
          <Textarea
            label={t('conformance.hubTopicOneALine')}
            rows={2}
            description={t('conformance.nobodyShouldWorkInThem')}
            {...text('topics')}
          />
        )}
        {sessions === 'made' && (
          <TextInput label={t('conformance.forTheUser')} placeholder="Practitioner/123" {...text('user')} />
        )}
      </div>
    </>
  );
}

function Application({ form }: { form: Form<RunFields> }) {
  const { text } = form;
  return (
    <div className={formStyles.columns}>
      <TextInput label={t('conformance.nameOfTheApplication')} {...text('name')} />
      <TextInput
        label={t('conformance.addressToListenOn')}
        placeholder="127.0.0.1"
        description={t('conformance.onThisServerAFreePort')}
        {...text('host')}
      />
      <TextInput
        label={t('conformance.addressThatTheApplicationCalls')}
        placeholder={t('conformance.asAbove')}
        description={t('conformance.whereSomethingStandsInBetween')}
        {...text('publicUrl')}
      />
    </div>
  );
}

export function RunForm({ setup, onStarted }: { setup: ConformanceSetup; onStarted: (run: ConformanceRun) => void }) {
  const form = useForm<RunFields>({
    initial: initialFields(setup.specs),
    problems: problemsOf,
    fieldOf,
    onSubmit: async (fields) => onStarted(await post<ConformanceRun>('/api/console/conformance/run', toBody(fields))),
  });
  const { values, text, flag, set } = form;
  const { kind } = values;
  const [preset, setPreset] = useState<RunPreset | ''>('');
  const specs = specsFor(kind, setup.specs);

  function choose(next: RunFields['kind']): void {
    set('kind', next);
    const possible = specsFor(next, setup.specs);
    if (!possible.includes(values.spec)) set('spec', possible[0] ?? '3.0.0');
  }

  function fill(next: RunPreset | ''): void {
    setPreset(next);
    if (next === '') return;
    for (const [field, value] of Object.entries(presetFields(next, setup.specs))) {
      set(field as keyof RunFields, value as never);
    }
  }

  return (
    <form className={`${formStyles.form} ${styles.form}`} onSubmit={form.onSubmit} noValidate>
      <NativeSelect
        label={t('conformance.preset')}
        description={t('conformance.presetText')}
        value={preset}
        data={[
          { value: '', label: t('conformance.preset.none') },
          ...PRESETS.map((value) => ({ value, label: t(`conformance.preset.${value}`) })),
        ]}
        onChange={({ currentTarget }) => fill(currentTarget.value as RunPreset | '')}
      />
      <Part title={t('conformance.whatToTest')}>
        <Radio.Group
          aria-label={t('conformance.whatToTest')}
          value={kind}
          onChange={(next) => choose(next as RunFields['kind'])}
        >
          <div className={formStyles.choices}>
            <Radio
              size="xs"
              value="own"
              label={
                <Rich
                  id="conformance.thisHubAt"
                  values={{ url: <span className={`${textStyles.mono} ${textStyles.label}`}>{setup.hubUrl}</span> }}
                />
              }
            />
            <Radio size="xs" value="other" label={t('conformance.anotherHub')} />
            <Radio size="xs" value="subscriber" label={t('conformance.anApplicationTheSuitePlaysIts')} />
          </div>
        </Radio.Group>
        {kind === 'other' && <OtherHub form={form} />}
        {kind === 'subscriber' && <Application form={form} />}
      </Part>
      <Part title={t('conformance.how')}>
        <div className={formStyles.columns}>
          <NativeSelect
            label={t('conformance.specification')}
            value={values.spec}
            data={specs.map((value) => ({ value, label: SPEC_WORDS[value] }))}
            onChange={({ currentTarget }) => set('spec', currentTarget.value as RunFields['spec'])}
          />
          {kind !== 'subscriber' && (
            <NativeSelect
              label={t('conformance.checks')}
              value={values.checks}
              data={CHECKS.map((value) => ({ value, label: t(`conformance.checks.${value}`) }))}
              onChange={({ currentTarget }) => set('checks', currentTarget.value as RunFields['checks'])}
            />
          )}
          <TextInput
            label={t('conformance.slowness')}
            inputMode="decimal"
            description={t('conformance.multipliesEveryWaitingTime1For')}
            {...text('slowness')}
          />
        </div>
        {kind !== 'subscriber' && values.spec === 'STU2' && (
          <div className={formStyles.columns}>
            <TextInput
              label={t('conformance.addressToListenOnForWebhooks')}
              placeholder="127.0.0.1"
              description={t('conformance.onThisServer')}
              {...text('callbackHost')}
            />
            <TextInput
              label={t('conformance.addressThatTheHubCalls')}
              placeholder={t('conformance.asAbove')}
              {...text('callbackUrl')}
            />
          </div>
        )}
        {kind !== 'subscriber' && (
          <Checkbox label={t('conformance.acceptCertificatesThatNobodyVouchesFor')} {...flag('insecure')} />
        )}
      </Part>
      <FormEnd form={form} action={t('conformance.run')} />
    </form>
  );
}
