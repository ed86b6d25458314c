import { Button, Group, Stack } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { call, get, post, type SignedInPerson, type UserView } from '../api.ts';
import { ForeignName } from '../foreign-text.tsx';
import { t } from '../language/language.ts';
import { Rich } from '../language/rich.tsx';
import { Link, navigate } from '../router.tsx';
import { Asking, type Question } from '../ui/asking.tsx';
import { Copyable } from '../ui/copyable.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { FormEnd, useForm } from '../ui/form.tsx';
import pageStyles from '../ui/page.module.css';
import { PasswordField } from '../ui/password-field.tsx';
import { Problem, Waiting } from '../ui/problem.tsx';
import textStyles from '../ui/text.module.css';
import { passwordProblem, toBody, toFields } from './fields.ts';
import { UserForm } from './user-form.tsx';

type Asked = 'delete' | 'suspend' | 'sign-out' | 'made-password';

function questionOf(asked: Asked): Question {
  return { title: t(`users.${asked}.title`), text: t(`users.${asked}.text`), action: t(`users.${asked}.action`) };
}

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
    <Dialog onClose={onDone} title={t('users.setAPassword')}>
      <form onSubmit={form.onSubmit} noValidate>
        <Stack gap={12}>
          <p>{t('users.whoeverIsSignedInWithThe')}</p>
          <PasswordField
            label={t('users.newPassword')}
            autoComplete="new-password"
            data-autofocus
            {...form.text('password')}
          />
          <FormEnd form={form} action={t('users.setThePassword')} />
        </Stack>
      </form>
    </Dialog>
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

  if (user.isPending) return <Waiting what={t('users.readingTheUser')} />;
  if (user.isError) {
    return (
      <div className={pageStyles.page}>
        <h1>{t('users.user')}</h1>
        <Problem error={user.error} retry={() => void user.refetch()} />
        <p>
          <Link href="/users">{t('users.allUsers')}</Link>
        </p>
      </div>
    );
  }
  const { data } = user;
  const self = data.id === person.user_name;
  return (
    <div className={pageStyles.page}>
      <p>
        <Link href="/users">{t('users.users')}</Link>
      </p>
      <header className={pageStyles.head}>
        <div>
          <h1>
            <ForeignName text={data.name} />{' '}
            {data.status !== 'active' && <span className={textStyles.pill}>{t(`users.status.${data.status}`)}</span>}
          </h1>
          <p className={textStyles.lead}>
            <Rich id="users.signsInAsId" values={{ id: <span className={textStyles.mono}>{data.id}</span> }} />
            {data.sample && ` · ${t('users.aSampleUserOneClickSigns')}`}
            {data.outside && ` · ${t('users.atAnOutsideProviderWithoutA')}`}
            {` · ${t('users.countOfSessions', { count: data.sessions })}`}
          </p>
        </div>
        {!self && (
          <Group gap={8} className={pageStyles.actions}>
            {!data.outside && (
              <>
                <Button variant="default" onClick={() => setAsked('made-password')}>
                  {t('users.makeAPassword')}
                </Button>
                <Button variant="default" onClick={() => setTyping(true)}>
                  {t('users.setAPassword')}
                </Button>
              </>
            )}
            <Button variant="default" onClick={() => setAsked('sign-out')}>
              {t('users.endSessions')}
            </Button>
            {data.status === 'active' ? (
              <Button variant="default" onClick={() => setAsked('suspend')}>
                {t('users.suspend')}
              </Button>
            ) : (
              <Button onClick={() => act.mutate('activate')}>{t('users.letInAgain')}</Button>
            )}
            <Button variant="default" color="red" onClick={() => setAsked('delete')}>
              {t('users.delete')}
            </Button>
          </Group>
        )}
      </header>
      {self && <p className={textStyles.label}>{t('users.thisIsYouYourPasswordIs')}</p>}
      {act.isError && <Problem error={act.error} />}
      {password !== undefined && <Copyable title={t('users.theNewPasswordShownOnce')} text={password} secret />}
      <UserForm
        key={edited}
        initial={toFields(data)}
        known
        action={t('users.save')}
        onSubmit={async (fields) => {
          await call('PUT', path, toBody(fields, true));
          await refresh();
          setEdited((count) => count + 1);
        }}
      />
      <Asking
        question={asked && questionOf(asked)}
        busy={act.isPending}
        onCancel={() => setAsked(undefined)}
        onConfirm={() => asked && act.mutate(asked)}
      />
      {typing && <TypePassword path={path} onDone={() => void refresh().then(() => setTyping(false))} />}
    </div>
  );
}
