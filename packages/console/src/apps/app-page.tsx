import { Button } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { type AppDetails, call, get, post, words } from '../api.ts';
import { Link, navigate } from '../router.tsx';
import { Asking, type Question } from '../ui/asking.tsx';
import { Copyable } from '../ui/copyable.tsx';
import { Problem, Waiting } from '../ui/problem.tsx';
import { AppFormView } from './app-form.tsx';
import { AppIcon } from './icon.tsx';
import { fromMetadata, toMetadata } from './metadata.ts';

function time(ms: number | undefined): string {
  return ms === undefined ? 'never' : new Date(ms).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' });
}

type Asked = 'delete' | 'secret' | 'topic-secret' | 'suspend';

const ASKED: Readonly<Record<Asked, Question>> = {
  delete: {
    title: 'Delete the app?',
    text: 'Its registration, tokens and live subscriptions end at once, and cannot be brought back.',
    action: 'Delete',
  },
  secret: { title: 'Make a new secret?', text: 'The secret it has now is void at once.', action: 'Make a new secret' },
  'topic-secret': {
    title: 'Make a new secret for derived topics?',
    text: 'The secret it has now is void at once, and topics derived with it.',
    action: 'Make a new secret',
  },
  suspend: {
    title: 'Suspend the app?',
    text: 'Its tokens and live subscriptions end at once. It can be let in again later.',
    action: 'Suspend',
  },
};

function Tokens({ app, onRevoke }: { app: AppDetails; onRevoke: (tokenId?: string) => void }) {
  const users = [...new Set(app.tokens.flatMap(({ userName, user }) => userName ?? user ?? []))];
  return (
    <section className="panel" aria-label="Live tokens">
      <header>
        <h2>
          Live tokens <span className="count">{app.tokens.length}</span>
        </h2>
        {app.tokens.length > 1 && (
          <Button variant="default" onClick={() => onRevoke()}>
            Revoke all
          </Button>
        )}
      </header>
      {app.tokens.length === 0 && <p className="nothing">Nobody uses the app now.</p>}
      {users.length > 0 && <p className="lead">Used by {users.join(', ')}</p>}
      {app.tokens.length > 0 && (
        <table className="dense">
          <thead>
            <tr>
              <th scope="col">Issued</th>
              <th scope="col">User</th>
              <th scope="col">Ends</th>
              <th scope="col">Scope</th>
              <th scope="col">
                <span className="sr-only">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {app.tokens.map((token) => (
              <tr key={token.tokenId}>
                <td>{time(token.issuedAt)}</td>
                <td>{token.userName ?? token.user ?? 'the app itself'}</td>
                <td>{time(token.expiresAt)}</td>
                <td className="scope-text">{token.scope}</td>
                <td className="row-actions">
                  <Button size="compact-xs" variant="default" onClick={() => onRevoke(token.tokenId)}>
                    Revoke
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
export default function AppPage({ id }: { id: string }) {
  const path = `/api/console/apps/${encodeURIComponent(id)}`;
  const queries = useQueryClient();
  const app = useQuery({ queryKey: ['app', id], queryFn: () => get<AppDetails>(path), staleTime: 0 });
  const [asked, setAsked] = useState<Asked>();
  const [secret, setSecret] = useState<string>();
  const [edited, setEdited] = useState(0);

  async function refresh(): Promise<void> {
    await Promise.all([
      queries.invalidateQueries({ queryKey: ['app', id] }),
      queries.invalidateQueries({ queryKey: ['apps'] }),
    ]);
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
        await queries.invalidateQueries({ queryKey: ['apps'] });
        navigate('/apps', { replace: true });
      } else await refresh();
    },
    onError: () => setAsked(undefined),
  });

  if (app.isPending) return <Waiting what="Reading the app" />;
  if (app.isError) {
    return (
      <div className="page">
        <Problem error={app.error} retry={() => void app.refetch()} />
      </div>
    );
  }
  const { data } = app;
  return (
    <div className="page">
      <p>
        <Link href="/apps">Apps</Link>
      </p>
      <header className="page-head">
        <div className="app-title">
          <AppIcon app={data} size={44} />
          <div>
            <h1>
              {data.name} {data.status !== 'active' && <span className="app-status">{data.status}</span>}
            </h1>
            <p className="lead">
              <span className="mono">{data.id}</span> · registered {time(data.registeredAt)} · last launch{' '}
              {time(data.lastLaunchAt)}
            </p>
          </div>
        </div>
        <div className="app-actions">
          {data.status === 'active' ? (
            <Button variant="default" onClick={() => setAsked('suspend')}>
              Suspend
            </Button>
          ) : (
            <Button onClick={() => act.mutate('activate')}>
              {data.status === 'waiting' ? 'Approve' : 'Let in again'}
            </Button>
          )}
          {data.hasSecret && (
            <Button variant="default" onClick={() => setAsked('secret')}>
              New secret
            </Button>
          )}
          {data.launchKinds.includes('derived') && (
            <Button variant="default" onClick={() => setAsked('topic-secret')}>
              New topic secret
            </Button>
          )}
          <Button variant="default" color="red" onClick={() => setAsked('delete')}>
            Delete
          </Button>
        </div>
      </header>
      {act.isError && (
        <p className="problem" role="alert">
          {words(act.error)}
        </p>
      )}
      {secret !== undefined && <Copyable title="The new secret, shown once" text={secret} secret />}
      <Tokens app={data} onRevoke={(revoke) => act.mutate({ revoke })} />
      <section className="panel" aria-label="What it may do">
        <h2>The app may</h2>
        <div className="may">
          {data.scopes.map(({ title, entries }) => (
            <div key={title}>
              <h3>{title}</h3>
              <ul>
                {entries.map(({ scope, words: meaning }) => (
                  <li key={scope}>
                    {meaning} <code>{scope}</code>
                  </li>
                ))}
              </ul>
            </div>
          ))}
        </div>
      </section>
      <section className="panel" aria-label="Registration">
        <h2>Registration</h2>
        <AppFormView
          key={edited}
          initial={fromMetadata({ ...data.metadata, trusted: data.trusted, launcher: data.launcher })}
          action="Save"
          onSubmit={async (form) => {
            await call('PUT', path, toMetadata(form));
            await refresh();
            setEdited((count) => count + 1);
          }}
        />
      </section>
      <Asking
        question={asked && ASKED[asked]}
        busy={act.isPending}
        onCancel={() => setAsked(undefined)}
        onConfirm={() => asked && act.mutate(asked)}
      />
    </div>
  );
}
