import { Button, Group } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { type AppDetails, call, get, post } from '../api.ts';
import { serverUrl } from '../base.ts';
import type { EhrSession } from '../ehr/session.ts';
import { ForeignName, ForeignText } from '../foreign-text.tsx';
import { appWords } from '../language/app-words.ts';
import { date, list, t } from '../language/language.ts';
import { Rich } from '../language/rich.tsx';
import { Link, navigate } from '../router.tsx';
import { Asking, type Question } from '../ui/asking.tsx';
import { Copyable } from '../ui/copyable.tsx';
import pageStyles from '../ui/page.module.css';
import { Problem, Waiting } from '../ui/problem.tsx';
import tableStyles from '../ui/table.module.css';
import textStyles from '../ui/text.module.css';
import { AppFormView } from './app-form.tsx';
import styles from './app-page.module.css';
import { Health } from './health.tsx';
import { howToLaunch } from './how-to-launch.ts';
import { AppIcon } from './icon.tsx';
import { fromMetadata, toMetadata } from './metadata.ts';
import { groupOf, SCOPE_GROUPS, scopeWords } from './scopes.ts';

function time(ms: number | undefined): string {
  return ms === undefined ? t('apps.never') : date(new Date(ms), { dateStyle: 'medium', timeStyle: 'short' });
}

type Asked = 'delete' | 'secret' | 'topic-secret' | 'suspend';

function questionOf(asked: Asked): Question {
  return { title: t(`apps.${asked}.title`), text: t(`apps.${asked}.text`), action: t(`apps.${asked}.action`) };
}

function Tokens({ app, onRevoke }: { app: AppDetails; onRevoke: (tokenId?: string) => void }) {
  const users = [...new Set(app.tokens.flatMap(({ userName, user }) => userName ?? user ?? []))];
  return (
    <section className={pageStyles.panel} aria-label={t('apps.liveTokens')}>
      <header>
        <h2>
          {t('apps.liveTokens')} <span className={textStyles.count}>{app.tokens.length}</span>
        </h2>
        {app.tokens.length > 1 && (
          <Button variant="default" onClick={() => onRevoke()}>
            {t('apps.revokeAll')}
          </Button>
        )}
      </header>
      {app.tokens.length === 0 && <p className={textStyles.nothing}>{t('apps.nobodyUsesTheAppNow')}</p>}
      {users.length > 0 && (
        <div className={textStyles.lead}>
          <ForeignText text={t('apps.usedBy', { users: list(users) })} />
        </div>
      )}
      {app.tokens.length > 0 && (
        <table className={tableStyles.table}>
          <thead>
            <tr>
              <th scope="col">{t('apps.issued')}</th>
              <th scope="col">{t('apps.user')}</th>
              <th scope="col">{t('apps.ends')}</th>
              <th scope="col">{t('apps.scope')}</th>
              <th scope="col">
                <span className={textStyles.srOnly}>{t('apps.actions')}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {app.tokens.map((token) => (
              <tr key={token.tokenId}>
                <td data-label={t('apps.issued')}>{time(token.issuedAt)}</td>
                <td>
                  <ForeignName text={token.userName ?? token.user ?? t('apps.theAppItself')} />
                </td>
                <td data-label={t('apps.ends')}>{time(token.expiresAt)}</td>
                <td className={styles.scopes}>
                  <ForeignText text={token.scope} />
                </td>
                <td className={tableStyles.actions}>
                  <Button size="compact-xs" variant="default" onClick={() => onRevoke(token.tokenId)}>
                    {t('apps.revoke')}
                  </Button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

/** One app for administrators: what it may do, who uses it, and every way to change or stop it. */
export default function AppPage({ session, id }: { session: EhrSession; id: string }) {
  const path = `/api/console/apps/${encodeURIComponent(id)}`;
  const queries = useQueryClient();
  const app = useQuery({ queryKey: ['app', id], queryFn: () => get<AppDetails>(path), staleTime: 0 });
  const [asked, setAsked] = useState<Asked>();
  const [secret, setSecret] = useState<string>();
  const [edited, setEdited] = useState(0);

  async function refresh(): Promise<void> {
    await Promise.all([queries.invalidateQueries({ queryKey: ['app', id] }), session.appList.read()]);
  }

  const act = useMutation({
    mutationFn: async (what: Asked | 'activate' | { readonly revoke: string | undefined }) => {
      if (typeof what === 'object') {
        await call('DELETE', what.revoke === undefined ? `${path}/tokens` : `${path}/tokens/${what.revoke}`);
      } else if (what === 'delete') {
        await call('DELETE', path);
      } else if (what === 'secret') {
        setSecret((await post<{ secret: string }>(`${path}/secret`)).secret);
      } else if (what === 'topic-secret') {
        setSecret((await post<{ topicSecret: string }>(`${path}/topic-secret`)).topicSecret);
      } else {
        await post(`${path}/${what}`, what === 'activate' ? { revision: app.data?.revision } : {});
      }
    },
    onSuccess: async (_, what) => {
      setAsked(undefined);
      if (what === 'delete') {
        await session.appList.read();
        navigate('/apps', { replace: true });
      } else await refresh();
    },
    onError: () => setAsked(undefined),
  });

  if (app.isPending) return <Waiting what={t('apps.readingTheApp')} />;
  if (app.isError) {
    return (
      <div className={pageStyles.page}>
        <h1>{t('shell.app')}</h1>
        <Problem error={app.error} retry={() => void app.refetch()} />
        <p>
          <Link href="/apps">{t('ehr.allApps')}</Link>
        </p>
      </div>
    );
  }
  const { data } = app;
  const scopes = data.scopes.flatMap(({ entries }) => entries);
  return (
    <div className={pageStyles.page}>
      <p>
        <Link href="/apps">{t('apps.apps')}</Link>
      </p>
      <header className={pageStyles.head}>
        <div className={styles.title} data-testid="app-title">
          <AppIcon app={data} size={44} />
          <div>
            <h1>
              <ForeignName text={appWords(data.name)} />{' '}
              {data.status !== 'active' && <span className={textStyles.pill}>{t(`apps.status.${data.status}`)}</span>}
            </h1>
            <p className={textStyles.lead}>
              <Rich
                id="apps.registeredAndLaunched"
                values={{
                  id: <span className={textStyles.mono}>{data.id}</span>,
                  registered: time(data.registeredAt),
                  launched: time(data.lastLaunchAt),
                }}
              />
            </p>
          </div>
        </div>
        <Group gap={8} className={pageStyles.actions}>
          {data.status === 'active' ? (
            <Button variant="default" onClick={() => setAsked('suspend')}>
              {t('apps.suspend')}
            </Button>
          ) : (
            <Button onClick={() => act.mutate('activate')}>
              {data.status === 'waiting' ? t('apps.approve') : t('apps.letInAgain')}
            </Button>
          )}
          {data.hasSecret && (
            <Button variant="default" onClick={() => setAsked('secret')}>
              {t('apps.newSecret')}
            </Button>
          )}
          {data.launchKinds.includes('derived') && (
            <Button variant="default" onClick={() => setAsked('topic-secret')}>
              {t('apps.newTopicSecret')}
            </Button>
          )}
          <Button variant="default" color="red" onClick={() => setAsked('delete')}>
            {t('apps.delete')}
          </Button>
        </Group>
      </header>
      {act.isError && <Problem error={act.error} />}
      {secret !== undefined && <Copyable title={t('apps.theNewSecretShownOnce')} text={secret} secret />}
      <Health app={data} />
      <Tokens app={data} onRevoke={(revoke) => act.mutate({ revoke })} />
      <section className={pageStyles.panel} aria-label={t('apps.whatItMayDo')}>
        <h2>{t('apps.theAppMay')}</h2>
        <div className={styles.may}>
          {SCOPE_GROUPS.map(({ group }) => ({ group, entries: scopes.filter(({ scope }) => groupOf(scope) === group) }))
            .filter(({ entries }) => entries.length > 0)
            .map(({ group, entries }) => (
              <div key={group}>
                <h3>{t(`apps.scopes.${group}`)}</h3>
                <ul>
                  {entries.map(({ scope, words: meaning }) => (
                    <li key={scope}>
                      {scopeWords(scope, meaning)} <code>{scope}</code>
                    </li>
                  ))}
                </ul>
              </div>
            ))}
        </div>
      </section>
      <section className={pageStyles.panel} aria-label={t('apps.howToLaunchMe')}>
        <h2>{t('apps.howToLaunchMe')}</h2>
        {howToLaunch(data, data.metadata, serverUrl()).map(({ title, text }) => (
          <Copyable key={title} title={title} text={text} />
        ))}
      </section>
      <section className={pageStyles.panel} aria-label={t('apps.registration')}>
        <h2>{t('apps.registration')}</h2>
        <AppFormView
          key={edited}
          initial={fromMetadata({ ...data.metadata, trusted: data.trusted, launcher: data.launcher })}
          action={t('apps.save')}
          onSubmit={async (form) => {
            await call('PUT', path, toMetadata(form));
            await refresh();
            setEdited((count) => count + 1);
          }}
        />
      </section>
      <Asking
        question={asked && questionOf(asked)}
        busy={act.isPending}
        onCancel={() => setAsked(undefined)}
        onConfirm={() => asked && act.mutate(asked)}
      />
    </div>
  );
}
