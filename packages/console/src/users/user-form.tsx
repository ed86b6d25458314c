import { Checkbox, Radio, Textarea, TextInput } from '@mantine/core';
import { useId } from 'react';
import { t } from '../language/language.ts';
import formStyles from '../ui/form.module.css';
import { FormEnd, Part, useForm } from '../ui/form.tsx';
import { PasswordField } from '../ui/password-field.tsx';
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
    <form className={formStyles.form} onSubmit={form.onSubmit} noValidate>
      <Part title={t('users.whoItIs')}>
        <div className={formStyles.columns}>
          <TextInput
            label={t('users.name')}
            description={t('users.asOtherPeopleReadIt')}
            maxLength={200}
            {...text('name')}
          />
          {!known && (
            <TextInput
              label={t('users.signsInAs')}
              description={t('users.itCannotBeChangedLater')}
              placeholder="mruiz"
              autoComplete="off"
              spellCheck={false}
              {...text('id')}
            />
          )}
          <TextInput
            label={t('users.inTheRecord')}
            description={t('users.thePersonsOwnResourceAppsAre')}
            placeholder={known ? 'Practitioner/123' : `Practitioner/${values.id.trim().toLowerCase() || '…'}`}
            spellCheck={false}
            {...text('reference')}
          />
        </div>
        <Textarea
          label={t('users.alsoKnownAs')}
          description={t('users.namesInOtherSystemsOneA')}
          placeholder="urn:oid:2.16.840.1.113883|4711"
          rows={2}
          spellCheck={false}
          {...text('aliases')}
        />
        <Checkbox label={t('users.administratorSeesEverySessionManagesApps')} {...flag('administrator')} />
        {problem('administrator') !== undefined && <p className={formStyles.wrong}>{problem('administrator')}</p>}
      </Part>
      {!known && (
        <Part title={t('users.password')}>
          <Radio.Group
            name={`${id}-password`}
            aria-label={t('users.password')}
            value={values.typed ? 'typed' : 'made'}
            onChange={(value) => set('typed', value === 'typed')}
          >
            <Radio size="xs" mb={6} value="made" label={t('users.makeOneAndShowItOnce')} />
            <Radio size="xs" value="typed" label={t('users.typeOne')} />
          </Radio.Group>
          {values.typed && (
            <PasswordField label={t('users.newPassword')} autoComplete="new-password" {...text('password')} />
          )}
        </Part>
      )}
      <FormEnd form={form} action={action} />
    </form>
  );
}
