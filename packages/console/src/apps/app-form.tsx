import { Checkbox, NativeSelect, Radio, Textarea, TextInput } from '@mantine/core';
import { useId } from 'react';
import { LAUNCH_KINDS, type LaunchKind } from '../api.ts';
import { t } from '../language/language.ts';
import formStyles from '../ui/form.module.css';
import { FormEnd, Part, useForm } from '../ui/form.tsx';
import styles from './app-form.module.css';
import { type AppForm, CLIENT_TYPES, type ClientType, fieldOf, isBackend, problemsOf } from './metadata.ts';
import { SCOPE_GROUPS, scopeWords, unlisted } from './scopes.ts';

/** While Lockstep listens on this machine only, plain http is accepted. */
const insecureAllowed = ['localhost', '127.0.0.1', '[::1]'].includes(location.hostname);

export interface AppFormProps {
  readonly initial: AppForm;
  readonly action: string;
  /** @throws ApiError with what the server does not accept */
  readonly onSubmit: (form: AppForm) => Promise<void>;
}

function toggled(list: readonly string[], one: string, on: boolean): readonly string[] {
  return on ? [...list, one] : list.filter((other) => other !== one);
}

export function AppFormView({ initial, action, onSubmit }: AppFormProps) {
  const form = useForm<AppForm>({
    initial,
    problems: (values) => problemsOf(values, insecureAllowed),
    fieldOf,
    onSubmit,
  });
  const { values, set, problem, text, flag } = form;
  const id = useId();

  return (
    <form className={formStyles.form} onSubmit={form.onSubmit} noValidate>
      <Part title={t('apps.whatItIs')}>
        <TextInput label={t('apps.name')} required withAsterisk={false} {...text('name')} maxLength={200} />
        <TextInput label={t('apps.description')} {...text('description')} />
        <TextInput
          label={t('apps.category')}
          description={t('apps.whatPeopleFindItUnder')}
          maxLength={60}
          {...text('category')}
        />
        <TextInput label={t('apps.icon')} description={t('apps.addressOrDataUrlTheConsole')} {...text('logo')} />
      </Part>
      <Part title={t('apps.howItIsStarted')}>
        <fieldset
          className={formStyles.choices}
          aria-label={t('apps.kindsOfLaunch')}
          aria-describedby={problem('kinds') === undefined ? undefined : `${id}-kinds-error`}
        >
          {LAUNCH_KINDS.map((kind: LaunchKind) => (
            <Checkbox
              key={kind}
              label={t(`apps.kind.${kind}.long`)}
              checked={values.kinds.includes(kind)}
              onChange={(event) =>
                set('kinds', toggled(values.kinds, kind, event.currentTarget.checked) as LaunchKind[])
              }
            />
          ))}
        </fieldset>
        {problem('kinds') !== undefined && (
          <p id={`${id}-kinds-error`} className={formStyles.wrong}>
            {problem('kinds')}
          </p>
        )}
        <TextInput
          label={t('apps.launchAddress')}
          placeholder="https://app.example.org/launch"
          {...text('launchUrl')}
        />
        <Textarea
          label={t('apps.redirectAddresses')}
          description={t('apps.whereAnswersAreSentOneA')}
          placeholder="https://app.example.org/callback"
          rows={2}
          {...text('redirectUris')}
        />
      </Part>
      <Part title={t('apps.howItProvesItself')}>
        <Radio.Group
          name={`${id}-type`}
          aria-label={t('apps.kindOfClient')}
          value={values.type}
          error={problem('type')}
          onChange={(value) => set('type', value as ClientType)}
        >
          {CLIENT_TYPES.map((type) => (
            <Radio key={type} size="xs" mb={6} value={type} label={t(`apps.type.${type}`)} />
          ))}
        </Radio.Group>
        {values.type === 'secret' && <Checkbox label={t('apps.sendsTheSecretInTheBody')} {...flag('post')} />}
        {values.type === 'keys' && (
          <Textarea
            label={t('apps.publicKeys')}
            description={t('apps.addressOfTheJwksOrThe')}
            rows={4}
            {...text('keys')}
          />
        )}
      </Part>
      <Part title={t('apps.whatItMayAskFor')}>
        <div className={styles.scopes}>
          {SCOPE_GROUPS.map(({ group, choices }) => (
            <fieldset key={group}>
              <legend>{t(`apps.scopes.${group}`)}</legend>
              {choices.map((scope) => (
                <Checkbox
                  key={scope}
                  label={
                    <>
                      {scopeWords(scope)} <code>{scope}</code>
                    </>
                  }
                  checked={values.scopes.includes(scope)}
                  onChange={(event) => set('scopes', toggled(values.scopes, scope, event.currentTarget.checked))}
                />
              ))}
            </fieldset>
          ))}
        </div>
        <TextInput
          label={t('apps.otherScopes')}
          description={t('apps.separatedBySpaces')}
          value={unlisted(values.scopes).join(' ')}
          error={problem('scopes')}
          onChange={(event) => {
            const listed = values.scopes.filter((scope) => !unlisted([scope]).length);
            set('scopes', [...listed, ...event.currentTarget.value.split(/\s+/)]);
          }}
          onBlur={() => set('scopes', [...new Set(values.scopes.filter(Boolean))])}
        />
        <Checkbox label={t('apps.trustedStartedFromTheEhrIt')} {...flag('trusted')} />
        <Checkbox label={t('apps.launcherItMayMakeLaunchTickets')} {...flag('launcher')} />
      </Part>
      <details className={formStyles.part}>
        <summary>{t('apps.moreOriginsSessionsOfBackendServices')}</summary>
        <Textarea
          label={t('apps.origins')}
          description={t('apps.whosePagesMayReadAnswersOne')}
          rows={2}
          {...text('origins')}
        />
        {isBackend(values) && (
          <>
            <Textarea
              label={t('apps.usersWhoseSessionsItSees')}
              description={t('apps.oneALineLeftEmptyTogether')}
              rows={2}
              {...text('sessionUsers')}
            />
            <Textarea label={t('apps.workstationsWhoseSessionsItSees')} rows={2} {...text('sessionWorkstations')} />
          </>
        )}
        <NativeSelect
          label={t('apps.whenAMissingAnswerToAn')}
          {...text('acknowledgements')}
          data={[
            { value: '', label: t('apps.asTheHubsConfigurationSays') },
            { value: 'answers', label: t('apps.fromItsFirstAnswerOn') },
            { value: 'strict', label: t('apps.always') },
            { value: 'off', label: t('apps.neverItDoesNotAnswer') },
          ]}
        />
        <Checkbox label={t('apps.oldClientPkceMayBeMissing')} {...flag('legacy')} />
        <Checkbox label={t('apps.oldClientFhircontextAsStringsSmart')} {...flag('stu2')} />
      </details>
      <FormEnd form={form} action={action} />
    </form>
  );
}
