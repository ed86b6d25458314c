import { Checkbox, PasswordInput, Radio, Textarea, TextInput } from '@mantine/core';
import { useId } from 'react';
import { FormEnd, Part, useForm } from '../ui/form.tsx';
import { fieldOf, problemsOf, type UserFields } from './fields.ts';

export interface UserFormProps {
  readonly initial: UserFields;
  /** Whether the user is there already. */
  readonly known: boolean;
  readonly action: string;
  /** @throws ApiError with what the server does not accept */
  readonly onSubmit: (fields: UserFields) => Promise<void>;
}

export function UserForm({ initial, known, action, onSubmit }: UserFormProps) {
  const form = useForm<UserFields>({ initial, problems: (fields) => problemsOf(fields, known), fieldOf, onSubmit });
  const { values, text, flag, set, problem } = form;
  const id = useId();
  return (
    <form className="app-form" onSubmit={form.onSubmit} noValidate>
      <Part title="Who it is">
        <div className="form-columns">
          <TextInput label="Name" description="As other people read it." maxLength={200} {...text('name')} />
          {!known && (
            <TextInput
              label="Signs in as"
              description="It cannot be changed later."
              placeholder="mruiz"
              autoComplete="off"
              spellCheck={false}
              {...text('id')}
            />
          )}
          <TextInput
            label="In the record"
            description="The person's own resource. Apps are told it as fhirUser."
            placeholder={known ? 'Practitioner/123' : `Practitioner/${values.id.trim().toLowerCase() || '…'}`}
            spellCheck={false}
            {...text('reference')}
          />
        </div>
        <Textarea
          label="Also known as"
          description="Names in other systems, one a line: plain, or system|value. Sessions are found by them."
          placeholder="urn:oid:2.16.840.1.113883|4711"
          rows={2}
          spellCheck={false}
          {...text('aliases')}
        />
        <Checkbox label="Administrator: sees every session, manages apps and users" {...flag('administrator')} />
        {problem('administrator') !== undefined && <p className="field-problem">{problem('administrator')}</p>}
      </Part>
      {!known && (
        <Part title="Password">
          <Radio.Group
            name={`${id}-password`}
            aria-label="Password"
            value={values.typed ? 'typed' : 'made'}
            onChange={(value) => set('typed', value === 'typed')}
          >
            <Radio size="xs" mb={6} value="made" label="Make one, and show it once" />
            <Radio size="xs" value="typed" label="Type one" />
          </Radio.Group>
          {values.typed && <PasswordInput label="New password" autoComplete="new-password" {...text('password')} />}
        </Part>
      )}
      <FormEnd form={form} action={action} />
    </form>
  );
}
