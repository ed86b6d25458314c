/** Everybody who can sign in. */
import { TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { getAll, type UserView } from '../api.ts';
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
    .sort((a, b) => a.name.localeCompare(b.name));

  return (
    <div className="page">
      <header className="page-head">
        <div>
          <h1>Users</h1>
          <p className="lead">
            Who signs in here, who they are in the record, and by which names other systems know them.
          </p>
        </div>
        <Link className="button-link" href="/users/new">
          Add a user
        </Link>
      </header>
      <div className="filters">
        <TextInput
          type="search"
          aria-label="Search users"
          placeholder="Name, sign-in name, alias"
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
      </div>
      {users.isPending && <Waiting what="Reading users" />}
      {users.isError && <Problem error={users.error} retry={() => void users.refetch()} />}
      {shown.length > 0 && (
        <table className="dense user-list">
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Signs in as</th>
              <th scope="col">In the record</th>
              <th scope="col">Also known as</th>
              <th scope="col">Role</th>
              <th scope="col">Open sessions</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((user) => (
              <tr key={user.id}>
                <td>
                  <Link href={`/users/${encodeURIComponent(user.id)}`}>{user.name}</Link>
                  {user.status === 'suspended' && <span className="app-status">suspended</span>}
                </td>
                <td className="mono">{user.id}</td>
                <td className="mono">{user.reference}</td>
                <td className="mono">{user.aliases.join(', ') || '–'}</td>
                <td>
                  {user.administrator ? 'administrator' : 'clinician'}
                  {user.sample && <span className="label"> (sample)</span>}
                </td>
                <td>{user.sessions === 0 ? '–' : user.sessions}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {users.data && shown.length === 0 && <p className="nothing">Nobody has such a name.</p>}
    </div>
  );
}
