import { Button, Checkbox, NativeSelect, Radio, Textarea, TextInput } from '@mantine/core';
import { type FormEvent, type ReactNode, useId, useState } from 'react';
import { LAUNCH_KINDS, type LaunchKind, words } from '../api.ts';
import { KIND_WORDS } from './kinds.ts';
import { type AppForm, type ClientType, type Field, fieldOf, isBackend, problemsOf } from './metadata.ts';
import { SCOPE_GROUPS, unlisted } from './scopes.ts';

const TYPE_WORDS: Readonly<Record<ClientType, string>> = {
  public: 'Runs in a browser or on a device: keeps no secret',
  secret: 'Has a server: keeps a secret that is made here',
  keys: 'Has a server: signs with its own keys',
};

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <fieldset className="form-part">
      <legend>{title}</legend>
      {children}
    </fieldset>
  );
}

/** While Lockstep listens on this machine only, plain http is accepted. */
const insecureAllowed = ['localhost', '127.0.0.1', '[::1]'].includes(location.hostname);

export interface AppFormProps {
  readonly initial: AppForm;
  readonly action: string;
  /** @throws ApiError with what the server does not accept */
  readonly onSubmit: (form: AppForm) => Promise<void>;
}

export function AppFormView({ initial, action, onSubmit }: AppFormProps) {
  const [form, setForm] = useState(initial);
  const [touched, setTouched] = useState<ReadonlySet<Field>>(new Set());
  const [tried, setTried] = useState(false);
  const [refusal, setRefusal] = useState<{ field?: Field; text: string }>();
  const [busy, setBusy] = useState(false);
  const id = useId();
  const problems = problemsOf(form, insecureAllowed);

  function set<K extends Field>(field: K, value: AppForm[K]): void {
    setForm((now) => ({ ...now, [field]: value }));
    setTouched((now) => new Set(now).add(field));
    setRefusal(undefined);
  }

  /** Nothing is said of a field before something was typed in it. */
  function problem(field: Field): string | undefined {
    if (refusal?.field === field) return refusal.text;
    return tried || touched.has(field) ? problems[field] : undefined;
  }

  async function submit(event: FormEvent): Promise<void> {
    event.preventDefault();
    setTried(true);
    if (Object.keys(problems).length > 0) return;
    setBusy(true);
    try {
      await onSubmit(form);
    } catch (error) {
      const field = fieldOf(words(error));
      setRefusal({ text: words(error), ...(field && { field }) });
    }
    setBusy(false);
  }

  const toggle = (list: readonly string[], one: string, on: boolean): readonly string[] =>
    on ? [...list, one] : list.filter((other) => other !== one);
  const wrong = tried ? Object.keys(problems).length : 0;

  return (
    <form className="app-form" onSubmit={(event) => void submit(event)} noValidate>
      <Part title="What it is">
        <TextInput
          label="Name"
          required
          withAsterisk={false}
          value={form.name}
          error={problem('name')}
          maxLength={200}
          onChange={(event) => set('name', event.currentTarget.value)}
        />
        <TextInput
          label="Description"
          value={form.description}
          error={problem('description')}
          onChange={(event) => set('description', event.currentTarget.value)}
        />
        <TextInput
          label="Icon"
          description="Address or data: URL. The console shows icons of its own origin and data: URLs only."
          value={form.logo}
          error={problem('logo')}
          onChange={(event) => set('logo', event.currentTarget.value)}
        />
      </Part>
      <Part title="How it is started">
        <fieldset className="choices" aria-label="Kinds of launch">
          {LAUNCH_KINDS.map((kind: LaunchKind) => (
            <Checkbox
              key={kind}
              label={KIND_WORDS[kind].long}
              checked={form.kinds.includes(kind)}
              onChange={(event) => set('kinds', toggle(form.kinds, kind, event.currentTarget.checked) as LaunchKind[])}
            />
          ))}
        </fieldset>
        {problem('kinds') !== undefined && <p className="field-problem">{problem('kinds')}</p>}
        <TextInput
          label="Launch address"
          placeholder="https://app.example.org/launch"
          value={form.launchUrl}
          error={problem('launchUrl')}
          onChange={(event) => set('launchUrl', event.currentTarget.value)}
        />
        <Textarea
          label="Redirect addresses"
          description="Where answers are sent, one a line, compared exactly."
          placeholder="https://app.example.org/callback"
          rows={2}
          value={form.redirectUris}
          error={problem('redirectUris')}
          onChange={(event) => set('redirectUris', event.currentTarget.value)}
        />
      </Part>
      <Part title="How it proves itself">
        <Radio.Group
          name={`${id}-type`}
          aria-label="Kind of client"
          value={form.type}
          error={problem('type')}
          onChange={(value) => set('type', value as ClientType)}
        >
          {(Object.keys(TYPE_WORDS) as ClientType[]).map((type) => (
            <Radio key={type} size="xs" mb={6} value={type} label={TYPE_WORDS[type]} />
          ))}
        </Radio.Group>
        {form.type === 'secret' && (
          <Checkbox
            label="Sends the secret in the body instead of a header"
            checked={form.post}
            onChange={(event) => set('post', event.currentTarget.checked)}
          />
        )}
        {form.type === 'keys' && (
          <Textarea
            label="Public keys"
            description="Address of the JWKS, or the JWKS itself."
            rows={4}
            value={form.keys}
            error={problem('keys')}
            onChange={(event) => set('keys', event.currentTarget.value)}
          />
        )}
      </Part>
      <Part title="What it may ask for">
        <div className="scope-groups">
          {SCOPE_GROUPS.map(({ title, choices }) => (
            <fieldset key={title} aria-label={title}>
              <h3>{title}</h3>
              {choices.map(({ scope, words: meaning }) => (
                <Checkbox
                  key={scope}
                  label={
                    <>
                      {meaning} <code>{scope}</code>
                    </>
                  }
                  checked={form.scopes.includes(scope)}
                  onChange={(event) => set('scopes', toggle(form.scopes, scope, event.currentTarget.checked))}
                />
              ))}
            </fieldset>
          ))}
        </div>
        <TextInput
          label="Other scopes"
          description="Separated by spaces."
          value={unlisted(form.scopes).join(' ')}
          error={problem('scopes')}
          onChange={(event) => {
            const listed = form.scopes.filter((scope) => !unlisted([scope]).length);
            set('scopes', [...listed, ...event.currentTarget.value.split(/\s+/)]);
          }}
          onBlur={() => setForm((now) => ({ ...now, scopes: [...new Set(now.scopes.filter(Boolean))] }))}
        />
        <Checkbox
          label="Trusted: started from the EHR, it needs no consent page"
          checked={form.trusted}
          onChange={(event) => set('trusted', event.currentTarget.checked)}
        />
      </Part>
      <details className="form-part">
        <summary>More: origins, sessions of backend services, compatibility</summary>
        <Textarea
          label="Origins"
          description="Whose pages may read answers, one a line. Left empty: those of the addresses above."
          rows={2}
          value={form.origins}
          error={problem('origins')}
          onChange={(event) => set('origins', event.currentTarget.value)}
        />
        {isBackend(form) && (
          <>
            <Textarea
              label="Users whose sessions it sees"
              description="One a line. Left empty together with workstations: all."
              rows={2}
              value={form.sessionUsers}
              error={problem('sessionUsers')}
              onChange={(event) => set('sessionUsers', event.currentTarget.value)}
            />
            <Textarea
              label="Workstations whose sessions it sees"
              rows={2}
              value={form.sessionWorkstations}
              error={problem('sessionWorkstations')}
              onChange={(event) => set('sessionWorkstations', event.currentTarget.value)}
            />
          </>
        )}
        <NativeSelect
          label="When a missing answer to an event counts"
          value={form.acknowledgements}
          onChange={(event) => set('acknowledgements', event.currentTarget.value)}
          data={[
            { value: '', label: "As the Hub's configuration says" },
            { value: 'answers', label: 'From its first answer on' },
            { value: 'strict', label: 'Always' },
            { value: 'off', label: 'Never: it does not answer' },
          ]}
        />
        <Checkbox
          label="Old client: PKCE may be missing"
          checked={form.legacy}
          onChange={(event) => set('legacy', event.currentTarget.checked)}
        />
        <Checkbox
          label="Old client: fhirContext as strings (SMART 2.0)"
          checked={form.stu2}
          onChange={(event) => set('stu2', event.currentTarget.checked)}
        />
      </details>
      {refusal !== undefined && (
        <p className="problem" role="alert">
          {refusal.text}
        </p>
      )}
      <div className="form-end">
        <Button type="submit" size="sm" loading={busy}>
          {action}
        </Button>
        {wrong > 0 && (
          <span className="field-problem" role="alert">
            {wrong === 1 ? 'One field needs attention.' : `${wrong} fields need attention.`}
          </span>
        )}
      </div>
    </form>
  );
}
