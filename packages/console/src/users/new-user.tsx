import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { post, type UserView } from '../api.ts';
import { t } from '../language/language.ts';
import { Link, navigate } from '../router.tsx';
import { Copyable } from '../ui/copyable.tsx';
import pageStyles from '../ui/page.module.css';
import textStyles from '../ui/text.module.css';
import { NEW_USER, toBody, type UserFields } from './fields.ts';
import { UserForm } from './user-form.tsx';

/** Adding a user. A password that was made is shown once, here. */
export default function NewUser() {
  const queries = useQueryClient();
  const [done, setDone] = useState<UserView & { readonly password: string }>();

  async function add(fields: UserFields): Promise<void> {
    const { password, ...user } = await post<UserView & { readonly password?: string }>(
      '/api/console/users',
      toBody(fields, false),
    );
    await queries.invalidateQueries({ queryKey: ['users'] });
    if (password === undefined) navigate(`/users/${encodeURIComponent(user.id)}`);
    else setDone({ ...user, password });
  }

  if (done) {
    return (
      <div className={pageStyles.page}>
        <h1>{t('users.canSignIn', { name: done.name })}</h1>
        <p className={textStyles.lead}>{t('users.thePasswordIsShownOnceHand')}</p>
        <Copyable title={t('users.signsInAs')} text={done.id} />
        <Copyable title={t('users.password')} text={done.password} secret />
        <p>
          <Link href={`/users/${encodeURIComponent(done.id)}`}>{t('users.goOnToTheUser')}</Link>
        </p>
      </div>
    );
  }
  return (
    <div className={pageStyles.page}>
      <p>
        <Link href="/users">{t('users.users')}</Link>
      </p>
      <h1>{t('users.addAUser')}</h1>
      <UserForm initial={NEW_USER} known={false} action={t('users.add')} onSubmit={add} />
    </div>
  );
}
