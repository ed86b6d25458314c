import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { get, type SessionView } from '../api.ts';
import { watchLive } from '../live.ts';
import { Link } from '../router.tsx';
import { Problem, Waiting } from '../ui/problem.tsx';

export function clock(ms: number): string {
  const today = new Date(ms).toDateString() === new Date().toDateString();
  return new Date(ms).toLocaleString(
    'en-GB',
    today ? { timeStyle: 'short' } : { dateStyle: 'medium', timeStyle: 'short' },
  );
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
        <h1>Sessions</h1>
        <p className="lead">Who works where, with which applications, on what. The list is live.</p>
      </header>
      {sessions.isPending && <Waiting what="Reading sessions" />}
      {sessions.isError && <Problem error={sessions.error} retry={() => void sessions.refetch()} />}
      {sessions.data && list.length === 0 && <p className="nothing">No session is open.</p>}
      {list.length > 0 && (
        <table className="dense session-list">
          <thead>
            <tr>
              <th scope="col">Since</th>
              <th scope="col">User</th>
              <th scope="col">Workstation</th>
              <th scope="col">Applications</th>
              <th scope="col">Current context</th>
              <th scope="col">Last change</th>
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
                        {!connected && <span className="sr-only"> (not connected)</span>}
                      </li>
                    ))}
                  </ul>
                  {session.subscriptions.length === 0 && <span className="label">none</span>}
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
