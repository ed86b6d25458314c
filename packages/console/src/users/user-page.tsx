import { Button, Modal, PasswordInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { call, get, post, type SignedInPerson, type UserView, words } from '../api.ts';
import { Link, navigate } from '../router.tsx';
import { Asking, type Question } from '../ui/asking.tsx';
import { Copyable } from '../ui/copyable.tsx';
import { FormEnd, useForm } from '../ui/form.tsx';
import { Problem, Waiting } from '../ui/problem.tsx';
import { passwordProblem, toBody, toFields } from './fields.ts';
import { UserForm } from './user-form.tsx';

type Asked = 'delete' | 'suspend' | 'sign-out' | 'made-password';

const ASKED: Readonly<Record<Asked, Question>> = {
  delete: {
    title: 'Delete the user?',
    text: 'Sign-ins, tokens and sessions end at once, and the user cannot be brought back.',
    action: 'Delete',
  },
  suspend: {
    title: 'Suspend the user?',
    text: 'Sign-ins, tokens and sessions end at once. The user can be let in again later.',
    action: 'Suspend',
  },
  'sign-out': {
    title: 'End the sessions?',
    text: 'The user is signed out everywhere, tokens end, and what is open in the sessions is closed.',
    action: 'End sessions',
  },
  'made-password': {
    title: 'Make a new password?',
    text: 'The password of now is void, and whoever is signed in with it is signed out.',
    action: 'Make a password',
  },
};

/** A password that the administrator types. */
function TypePassword({ path, onDone }: { path: string; onDone: () => void }) {
  const form = useForm<{ password: string }>({
    initial: { password: '' },
    problems({ password }) {
      const problem = passwordProblem(password);
      return problem === undefined ? {} : { password: problem };
    },
    fieldOf: (message) => (message.startsWith('a password') ? 'password' : undefined),
    async onSubmit({ password }) {
      await post(`${path}/password`, { password });
      onDone();
    },
  });
  return (
    <Modal opened onClose={onDone} title="Set a password">
      <form className="stack" onSubmit={form.onSubmit} noValidate>
        <p>Whoever is signed in with the password of now is signed out.</p>
        <PasswordInput label="New password" autoComplete="new-password" data-autofocus {...form.text('password')} />
        <FormEnd form={form} action="Set the password" />
      </form>
    </Modal>
  );
}

/** One user for administrators: who it is, and every way to change or stop their access. */
export default function UserPage({ id, person }: { id: string; person: SignedInPerson }) {
  const path = `/api/console/users/${encodeURIComponent(id)}`;
  const queries = useQueryClient();
  const user = useQuery({ queryKey: ['user', id], queryFn: () => get<UserView>(path), staleTime: 0 });
  const [asked, setAsked] = useState<Asked>();
  const [typing, setTyping] = useState(false);
  const [password, setPassword] = useState<string>();
  const [edited, setEdited] = useState(0);

  async function refresh(): Promise<void> {
    await Promise.all([
      queries.invalidateQueries({ queryKey: ['user', id] }),
      queries.invalidateQueries({ queryKey: ['users'] }),
    ]);
  }

  const act = useMutation({
    mutationFn: async (what: Asked | 'activate') => {
      if (what === 'delete') await call('DELETE', path);
      else if (what === 'made-password') {
        setPassword((await post<{ password: string }>(`${path}/password`)).password);
      } else await post(`${path}/${what}`);
    },
    onSuccess: async (_, what) => {
      setAsked(undefined);
      if (what === 'delete') {
        await queries.invalidateQueries({ queryKey: ['users'] });
        navigate('/users', { replace: true });
      } else await refresh();
    },
    onError: () => setAsked(undefined),
  });

  if (user.isPending) return <Waiting what="Reading the user" />;
  if (user.isError) {
    return (
      <div className="page">
        <h1>User</h1>
        <Problem error={user.error} retry={() => void user.refetch()} />
        <p>
          <Link href="/users">All users</Link>
        </p>
      </div>
    );
  }
  const { data } = user;
  const self = data.id === person.user_name;
  return (
    <div className="page">
      <p>
        <Link href="/users">Users</Link>
      </p>
      <header className="page-head">
        <div>
          <h1>
            {data.name} {data.status !== 'active' && <span className="app-status">{data.status}</span>}
          </h1>
          <p className="lead">
            Signs in as <span className="mono">{data.id}</span>
            {data.sample && ' · a sample user: one click signs in, on this machine only'}
            {data.outside && ' · at an outside provider, without a password here'} ·{' '}
            {data.sessions === 1 ? 'one open session' : `${data.sessions} open sessions`}
          </p>
        </div>
        {!self && (
          <div className="app-actions">
            {!data.outside && (
              <>
                <Button variant="default" onClick={() => setAsked('made-password')}>
                  Make a password
                </Button>
                <Button variant="default" onClick={() => setTyping(true)}>
                  Set a password
                </Button>
              </>
            )}
            <Button variant="default" onClick={() => setAsked('sign-out')}>
              End sessions
            </Button>
            {data.status === 'active' ? (
              <Button variant="default" onClick={() => setAsked('suspend')}>
                Suspend
              </Button>
            ) : (
              <Button onClick={() => act.mutate('activate')}>Let in again</Button>
            )}
            <Button variant="default" color="red" onClick={() => setAsked('delete')}>
              Delete
            </Button>
          </div>
        )}
      </header>
      {self && <p className="label">This is you: your password is changed in the menu under your name.</p>}
      {act.isError && (
        <p className="problem" role="alert">
          {words(act.error)}
        </p>
      )}
      {password !== undefined && <Copyable title="The new password, shown once" text={password} secret />}
      <UserForm
        key={edited}
        initial={toFields(data)}
        known
        action="Save"
        onSubmit={async (fields) => {
          await call('PUT', path, toBody(fields, true));
          await refresh();
          setEdited((count) => count + 1);
        }}
      />
      <Asking
        question={asked && ASKED[asked]}
        busy={act.isPending}
        onCancel={() => setAsked(undefined)}
        onConfirm={() => asked && act.mutate(asked)}
      />
      {typing && <TypePassword path={path} onDone={() => void refresh().then(() => setTyping(false))} />}
    </div>
  );
}
