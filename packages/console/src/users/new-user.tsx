import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { post, type UserView } from '../api.ts';
import { Link, navigate } from '../router.tsx';
import { Copyable } from '../ui/copyable.tsx';
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
      <div className="page">
        <h1>{done.name} can sign in</h1>
        <p className="lead">The password is shown once: hand it over now. It can be changed after signing in.</p>
        <Copyable title="Signs in as" text={done.id} />
        <Copyable title="Password" text={done.password} secret />
        <p>
          <Link href={`/users/${encodeURIComponent(done.id)}`}>Go on to the user</Link>
        </p>
      </div>
    );
  }
  return (
    <div className="page">
      <p>
        <Link href="/users">Users</Link>
      </p>
      <h1>Add a user</h1>
      <UserForm initial={NEW_USER} known={false} action="Add" onSubmit={add} />
    </div>
  );
}
