import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { get, type SessionView } from '../api.ts';
import { date, t } from '../language/language.ts';
import { watchLive } from '../live.ts';
import { Link } from '../router.tsx';
import { Problem, Waiting } from '../ui/problem.tsx';

export function clock(ms: number): string {
  const today = new Date(ms).toDateString() === new Date().toDateString();
  return date(new Date(ms), today ? { timeStyle: 'short' } : { dateStyle: 'medium', timeStyle: 'short' });
}

/** Every session of the Hub, as it is now. */
export default function Sessions() {
  const queries = useQueryClient();
  const sessions = useQuery({
    queryKey: ['sessions'],
    queryFn: () => get<readonly SessionView[]>('/api/console/sessions'),
    staleTime: 0,
  });
  useEffect(() => {
    const read = (): void => void queries.invalidateQueries({ queryKey: ['sessions'] });
    return watchLive(undefined, { ready: read, changed: read });
  }, [queries]);
  const list = [...(sessions.data ?? [])].sort((a, b) => b.changedAt - a.changedAt);

  return (
    <div className="page">
      <header>
        <h1>{t('sessions.sessions')}</h1>
        <p className="lead">{t('sessions.whoWorksWhereWithWhichApplications')}</p>
      </header>
      {sessions.isPending && <Waiting what={t('sessions.readingSessions')} />}
      {sessions.isError && <Problem error={sessions.error} retry={() => void sessions.refetch()} />}
      {sessions.data && list.length === 0 && <p className="nothing">{t('sessions.noSessionIsOpen')}</p>}
      {list.length > 0 && (
        <table className="dense session-list">
          <thead>
            <tr>
              <th scope="col">{t('sessions.since')}</th>
              <th scope="col">{t('sessions.user')}</th>
              <th scope="col">{t('sessions.workstation')}</th>
              <th scope="col">{t('sessions.applications')}</th>
              <th scope="col">{t('sessions.currentContext')}</th>
              <th scope="col">{t('sessions.lastChange')}</th>
            </tr>
          </thead>
          <tbody>
            {list.map((session) => (
              <tr key={session.topic}>
                <td>{clock(session.startedAt)}</td>
                <td>
                  <Link href={`/sessions/${encodeURIComponent(session.topic)}`}>
                    {session.userName ?? session.user}
                  </Link>
                  {session.label !== undefined && <span className="label"> {session.label}</span>}
                </td>
                <td>{session.workstation ?? '–'}</td>
                <td>
                  <ul className="names">
                    {session.subscriptions.map(({ id, name, connected }) => (
                      <li key={id} data-tone={connected ? 'good' : 'bad'}>
                        <span className="mark" aria-hidden="true">
                          {connected ? '✓' : '×'}
                        </span>
                        {name}
                        {!connected && <span className="sr-only"> {t('sessions.notConnected')}</span>}
                      </li>
                    ))}
                  </ul>
                  {session.subscriptions.length === 0 && <span className="label">{t('sessions.none')}</span>}
                </td>
                <td className="mono">{session.current ?? '–'}</td>
                <td>{clock(session.changedAt)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </div>
  );
}
