/** Everybody who can sign in. */
import { TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { getAll, type UserView } from '../api.ts';
import { compare, t } from '../language/language.ts';
import { Link } from '../router.tsx';
import { Problem, Waiting } from '../ui/problem.tsx';

function matches({ id, name, reference, aliases }: UserView, text: string): boolean {
  return [id, name, reference, ...aliases].some((one) => one.toLowerCase().includes(text));
}

export default function Users() {
  const users = useQuery({
    queryKey: ['users'],
    queryFn: () => getAll<UserView>('/api/console/users'),
    staleTime: 0,
  });
  const [text, setText] = useState('');
  const shown = (users.data ?? [])
    .filter((user) => matches(user, text.trim().toLowerCase()))
    .sort((a, b) => compare(a.name, b.name));

  return (
    <div className="page">
      <header className="page-head">
        <div>
          <h1>{t('users.users')}</h1>
          <p className="lead">{t('users.whoSignsInHereWhoThey')}</p>
        </div>
        <Link className="button-link" href="/users/new">
          {t('users.addAUser')}
        </Link>
      </header>
      <div className="filters">
        <TextInput
          type="search"
          aria-label={t('users.searchUsers')}
          placeholder={t('users.nameSignInNameAlias')}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
      </div>
      {users.isPending && <Waiting what={t('users.readingUsers')} />}
      {users.isError && <Problem error={users.error} retry={() => void users.refetch()} />}
      {shown.length > 0 && (
        <table className="dense user-list">
          <thead>
            <tr>
              <th scope="col">{t('users.name')}</th>
              <th scope="col">{t('users.signsInAs')}</th>
              <th scope="col">{t('users.inTheRecord')}</th>
              <th scope="col">{t('users.alsoKnownAs')}</th>
              <th scope="col">{t('users.role')}</th>
              <th scope="col">{t('users.openSessions')}</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((user) => (
              <tr key={user.id}>
                <td>
                  <Link href={`/users/${encodeURIComponent(user.id)}`}>{user.name}</Link>
                  {user.status === 'suspended' && <span className="app-status">{t('users.status.suspended')}</span>}
                </td>
                <td className="mono">{user.id}</td>
                <td className="mono">{user.reference}</td>
                <td className="mono">{user.aliases.join(', ') || '–'}</td>
                <td>
                  {user.administrator ? t('users.administrator') : t('users.clinician')}
                  {user.sample && <span className="label"> {t('users.sample')}</span>}
                </td>
                <td>{user.sessions === 0 ? '–' : user.sessions}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {users.data && shown.length === 0 && <p className="nothing">{t('users.nobodyHasSuchAName')}</p>}
    </div>
  );
}
