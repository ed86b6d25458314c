/** What to test, and how. */
import { Checkbox, NativeSelect, PasswordInput, Radio, Textarea, TextInput } from '@mantine/core';
import type { ConformanceRun, ConformanceSetup } from '../api.ts';
import { post } from '../api.ts';
import { type Form, FormEnd, Part, useForm } from '../ui/form.tsx';
import {
  type AccessWay,
  CHECKS_WORDS,
  fieldOf,
  initialFields,
  problemsOf,
  type RunFields,
  type SessionChoice,
  SPEC_WORDS,
  specsFor,
  toBody,
} from './options.ts';

const ACCESS: Readonly<Record<AccessWay, string>> = {
  token: 'Access token',
  client: 'Client credentials',
  register: 'SMART discovery: registers itself as a client',
  open: 'None: the Hub asks for no token',
};

const SESSIONS: Readonly<Record<SessionChoice, string>> = {
  given: 'These sessions',
  made: 'POST {hub.url}/session makes one',
  any: 'The Hub takes any hub.topic',
};

const choices = <T extends string>(words: Readonly<Record<T, string>>) =>
  Object.entries<string>(words).map(([value, label]) => ({ value, label }));

function OtherHub({ form }: { form: Form<RunFields> }) {
  const { values, text, set } = form;
  const { access, sessions } = values;
  return (
    <>
      <TextInput label="hub.url" placeholder="https://hub.example.com/fhircast" {...text('url')} />
      <div className="form-columns">
        <NativeSelect
          label="Access"
          value={access}
          data={choices(ACCESS)}
          onChange={({ currentTarget }) => set('access', currentTarget.value as AccessWay)}
        />
        {access === 'token' && <PasswordInput size="xs" label="Access token" autoComplete="off" {...text('token')} />}
        {access === 'client' && (
          <>
            <TextInput label="Client id" {...text('clientId')} />
            <PasswordInput size="xs" label="Client secret" autoComplete="off" {...text('secret')} />
          </>
        )}
        {(access === 'client' || access === 'register') && (
          <TextInput label="FHIR address" placeholder="https://ehr.example.com/fhir" {...text('smart')} />
        )}
        {access === 'client' && <TextInput label="or token endpoint" {...text('tokenUrl')} />}
      </div>
      <div className="form-columns">
        <NativeSelect
          label="Sessions"
          value={sessions}
          data={choices(SESSIONS)}
          onChange={({ currentTarget }) => set('sessions', currentTarget.value as SessionChoice)}
        />
        {sessions === 'given' && (
          <Textarea
            label="hub.topic, one a line"
            rows={2}
            description="Nobody should work in them."
            {...text('topics')}
          />
        )}
        {sessions === 'made' && <TextInput label="For the user" placeholder="Practitioner/123" {...text('user')} />}
      </div>
    </>
  );
}

function Application({ form }: { form: Form<RunFields> }) {
  const { text } = form;
  return (
    <div className="form-columns">
      <TextInput label="Name of the application" {...text('name')} />
      <TextInput
        label="Address to listen on"
        placeholder="127.0.0.1"
        description="On this server; a free port is taken"
        {...text('host')}
      />
      <TextInput
        label="Address that the application calls"
        placeholder="as above"
        description="Where something stands in between"
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
  const specs = specsFor(kind, setup.specs);

  function choose(next: RunFields['kind']): void {
    set('kind', next);
    const possible = specsFor(next, setup.specs);
    if (!possible.includes(values.spec)) set('spec', possible[0] ?? '3.0.0');
  }

  return (
    <form className="app-form" onSubmit={form.onSubmit} noValidate>
      <Part title="What to test">
        <Radio.Group aria-label="What to test" value={kind} onChange={(next) => choose(next as RunFields['kind'])}>
          <div className="choices">
            <Radio
              size="xs"
              value="own"
              label={
                <>
                  This Hub <span className="mono label">{setup.hubUrl}</span>
                </>
              }
            />
            <Radio size="xs" value="other" label="Another Hub" />
            <Radio size="xs" value="subscriber" label="An application: the suite plays its Hub" />
          </div>
        </Radio.Group>
        {kind === 'other' && <OtherHub form={form} />}
        {kind === 'subscriber' && <Application form={form} />}
      </Part>
      <Part title="How">
        <div className="form-columns">
          <NativeSelect
            label="Specification"
            value={values.spec}
            data={specs.map((value) => ({ value, label: SPEC_WORDS[value] }))}
            onChange={({ currentTarget }) => set('spec', currentTarget.value as RunFields['spec'])}
          />
          {kind !== 'subscriber' && (
            <NativeSelect
              label="Checks"
              value={values.checks}
              data={choices(CHECKS_WORDS)}
              onChange={({ currentTarget }) => set('checks', currentTarget.value as RunFields['checks'])}
            />
          )}
          <TextInput
            label="Slowness"
            inputMode="decimal"
            description="Multiplies every waiting time; 1 for a Hub of normal speed"
            {...text('slowness')}
          />
        </div>
        {kind !== 'subscriber' && values.spec === 'STU2' && (
          <div className="form-columns">
            <TextInput
              label="Address to listen on for webhooks"
              placeholder="127.0.0.1"
              description="On this server"
              {...text('callbackHost')}
            />
            <TextInput label="Address that the Hub calls" placeholder="as above" {...text('callbackUrl')} />
          </div>
        )}
        {kind !== 'subscriber' && (
          <Checkbox label="Accept certificates that nobody vouches for" {...flag('insecure')} />
        )}
      </Part>
      <FormEnd form={form} action="Run" />
    </form>
  );
}
