import { Checkbox, NativeSelect, Radio, Textarea, TextInput } from '@mantine/core';
import { useId } from 'react';
import { LAUNCH_KINDS, type LaunchKind } from '../api.ts';
import { FormEnd, Part, useForm } from '../ui/form.tsx';
import { KIND_WORDS } from './kinds.ts';
import { type AppForm, type ClientType, fieldOf, isBackend, problemsOf } from './metadata.ts';
import { SCOPE_GROUPS, unlisted } from './scopes.ts';

const TYPE_WORDS: Readonly<Record<ClientType, string>> = {
  public: 'Runs in a browser or on a device: keeps no secret',
  secret: 'Has a server: keeps a secret that is made here',
  keys: 'Has a server: signs with its own keys',
};

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
    <form className="app-form" onSubmit={form.onSubmit} noValidate>
      <Part title="What it is">
        <TextInput label="Name" required withAsterisk={false} {...text('name')} maxLength={200} />
        <TextInput label="Description" {...text('description')} />
        <TextInput
          label="Icon"
          description="Address or data: URL. The console shows icons of its own origin and data: URLs only."
          {...text('logo')}
        />
      </Part>
      <Part title="How it is started">
        <fieldset className="choices" aria-label="Kinds of launch">
          {LAUNCH_KINDS.map((kind: LaunchKind) => (
            <Checkbox
              key={kind}
              label={KIND_WORDS[kind].long}
              checked={values.kinds.includes(kind)}
              onChange={(event) =>
                set('kinds', toggled(values.kinds, kind, event.currentTarget.checked) as LaunchKind[])
              }
            />
          ))}
        </fieldset>
        {problem('kinds') !== undefined && <p className="field-problem">{problem('kinds')}</p>}
        <TextInput label="Launch address" placeholder="https://app.example.org/launch" {...text('launchUrl')} />
        <Textarea
          label="Redirect addresses"
          description="Where answers are sent, one a line, compared exactly."
          placeholder="https://app.example.org/callback"
          rows={2}
          {...text('redirectUris')}
        />
      </Part>
      <Part title="How it proves itself">
        <Radio.Group
          name={`${id}-type`}
          aria-label="Kind of client"
          value={values.type}
          error={problem('type')}
          onChange={(value) => set('type', value as ClientType)}
        >
          {(Object.keys(TYPE_WORDS) as ClientType[]).map((type) => (
            <Radio key={type} size="xs" mb={6} value={type} label={TYPE_WORDS[type]} />
          ))}
        </Radio.Group>
        {values.type === 'secret' && (
          <Checkbox label="Sends the secret in the body instead of a header" {...flag('post')} />
        )}
        {values.type === 'keys' && (
          <Textarea
            label="Public keys"
            description="Address of the JWKS, or the JWKS itself."
            rows={4}
            {...text('keys')}
          />
        )}
      </Part>
      <Part title="What it may ask for">
        <div className="scope-groups">
          {SCOPE_GROUPS.map(({ title, choices }) => (
            <fieldset key={title}>
              <legend>{title}</legend>
              {choices.map(({ scope, words: meaning }) => (
                <Checkbox
                  key={scope}
                  label={
                    <>
                      {meaning} <code>{scope}</code>
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
          label="Other scopes"
          description="Separated by spaces."
          value={unlisted(values.scopes).join(' ')}
          error={problem('scopes')}
          onChange={(event) => {
            const listed = values.scopes.filter((scope) => !unlisted([scope]).length);
            set('scopes', [...listed, ...event.currentTarget.value.split(/\s+/)]);
          }}
          onBlur={() => set('scopes', [...new Set(values.scopes.filter(Boolean))])}
        />
        <Checkbox label="Trusted: started from the EHR, it needs no consent page" {...flag('trusted')} />
        <Checkbox label="Launcher: it may make launch tickets for other apps" {...flag('launcher')} />
      </Part>
      <details className="form-part">
        <summary>More: origins, sessions of backend services, compatibility</summary>
        <Textarea
          label="Origins"
          description="Whose pages may read answers, one a line. Left empty: those of the addresses above."
          rows={2}
          {...text('origins')}
        />
        {isBackend(values) && (
          <>
            <Textarea
              label="Users whose sessions it sees"
              description="One a line. Left empty together with workstations: all."
              rows={2}
              {...text('sessionUsers')}
            />
            <Textarea label="Workstations whose sessions it sees" rows={2} {...text('sessionWorkstations')} />
          </>
        )}
        <NativeSelect
          label="When a missing answer to an event counts"
          {...text('acknowledgements')}
          data={[
            { value: '', label: "As the Hub's configuration says" },
            { value: 'answers', label: 'From its first answer on' },
            { value: 'strict', label: 'Always' },
            { value: 'off', label: 'Never: it does not answer' },
          ]}
        />
        <Checkbox label="Old client: PKCE may be missing" {...flag('legacy')} />
        <Checkbox label="Old client: fhirContext as strings (SMART 2.0)" {...flag('stu2')} />
      </details>
      <FormEnd form={form} action={action} />
    </form>
  );
}
