/** The sessions of the Hub, a page at a time: those in which somebody does not follow come first. */

import { keepPreviousData, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { get, type SessionRow, type SessionRowPage } from '../api.ts';
import { ForeignName } from '../foreign-text.tsx';
import { identity, WhoIs } from '../identity.tsx';
import { wordsApart } from '../language/app-words.ts';
import { date, number, t } from '../language/language.ts';
import { watchLive } from '../live.ts';
import { Link } from '../router.tsx';
import markStyles from '../ui/mark.module.css';
import pageStyles from '../ui/page.module.css';
import { Pager } from '../ui/pager.tsx';
import { Problem, Waiting } from '../ui/problem.tsx';
import { SearchField } from '../ui/search-field.tsx';
import tableStyles from '../ui/table.module.css';
import textStyles from '../ui/text.module.css';
import styles from './list.module.css';
import namesStyles from './names.module.css';
import { isUndecided, NotFollowing } from './not-following.tsx';

/** Sessions on a page. */
const PAGE = 50;
/** While sessions change all the time the list is read this often, ms. */
const READ_EVERY = 1000;

export function clock(ms: number): string {
  const today = new Date(ms).toDateString() === new Date().toDateString();
  return date(new Date(ms), today ? { timeStyle: 'short' } : { dateStyle: 'medium', timeStyle: 'short' });
}

/** A moment, as people write it in their zone. */
function Moment({ at }: { at: number }) {
  return <time dateTime={new Date(at).toISOString()}>{clock(at)}</time>;
}

function Row({ session }: { session: SessionRow }) {
  const { patient } = session;
  const names = wordsApart(session.subscriptions.map(({ name }) => name));
  return (
    <tr data-trouble={session.notFollowing.length > 0 || undefined}>
      <td>
        <Moment at={session.startedAt} />
      </td>
      <td>
        <Link href={`/sessions/${encodeURIComponent(session.topic)}`}>
          <ForeignName text={session.userName ?? session.user} />
        </Link>
        {session.label !== undefined && (
          <span className={textStyles.label}>
            {' '}
            <ForeignName text={session.label} />
          </span>
        )}
      </td>
      <td data-label={t('sessions.workstation')}>
        <ForeignName text={session.workstation ?? '–'} />
      </td>
      <td data-label={t('sessions.applications')}>
        <ul className={namesStyles.names}>
          {session.subscriptions.map(({ id, connected }, index) => (
            <li key={id} data-tone={connected ? 'good' : 'bad'}>
              <span className={markStyles.mark} aria-hidden="true">
                {connected ? '✓' : '×'}
              </span>
              <ForeignName text={names[index] ?? ''} />
              {!connected && <span className={textStyles.srOnly}> {t('sessions.notConnected')}</span>}
            </li>
          ))}
        </ul>
        {session.subscriptions.length === 0 && <span className={textStyles.label}>{t('sessions.none')}</span>}
      </td>
      <td data-label={t('sessions.doesNotFollow')}>
        <NotFollowing session={session} />
      </td>
      <td data-label={t('sessions.currentContext')}>
        {patient !== undefined && <WhoIs identity={identity(patient.name, patient.birthDate, patient.number)} />}
        <span className={`${textStyles.mono} ${styles.current}`}>{session.current ?? '–'}</span>
      </td>
      <td data-label={t('sessions.lastChange')}>
        <Moment at={session.changedAt} />
      </td>
    </tr>
  );
}

export default function Sessions() {
  const queries = useQueryClient();
  const [text, setText] = useState('');
  const [offset, setOffset] = useState(0);
  const search = text.trim();
  const query = useQuery({
    queryKey: ['sessions', search, offset],
    queryFn: () => {
      const asked = new URLSearchParams({ search, offset: String(offset), limit: String(PAGE) });
      return get<SessionRowPage>(`/api/console/sessions?${asked}`);
    },
    staleTime: 0,
    placeholderData: keepPreviousData,
    refetchInterval: ({ state }) => (state.data?.sessions.some(isUndecided) ? READ_EVERY : false),
  });
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const read = (): void => void queries.invalidateQueries({ queryKey: ['sessions'] });
    const changed = (): void => {
      timer ??= setTimeout(() => {
        timer = undefined;
        read();
      }, READ_EVERY);
    };
    const stop = watchLive(undefined, { ready: read, changed });
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [queries]);

  const { sessions, total, troubled } = query.data ?? { sessions: [], total: 0, troubled: 0 };
  // What is shown is not yet what was asked for: it cannot be clicked.
  const stale = query.isPlaceholderData;

  return (
    <div className={pageStyles.page}>
      <header>
        <h1>{t('sessions.sessions')}</h1>
        <p className={textStyles.lead}>{t('sessions.whoWorksWhereWithWhichApplications')}</p>
      </header>
      <div className={pageStyles.filters}>
        <SearchField
          name={t('sessions.searchSessions')}
          placeholder={t('sessions.userWorkstationPatient')}
          text={text}
          onText={(given) => {
            setText(given);
            setOffset(0);
          }}
        />
        {query.isSuccess && !stale && (
          <p className={textStyles.label} role="status">
            {t('sessions.found', { total: number(total), count: total, troubled })}
          </p>
        )}
      </div>
      {query.isPending && <Waiting what={t('sessions.readingSessions')} />}
      {query.isError && <Problem error={query.error} retry={() => void query.refetch()} />}
      {query.isSuccess && !stale && total === 0 && (
        <p className={textStyles.nothing}>
          {search === '' ? t('sessions.noSessionIsOpen') : t('sessions.noSessionMatches', { query: search })}
        </p>
      )}
      {sessions.length > 0 && (
        <div className={tableStyles.scroll} data-testid="table" aria-busy={stale} inert={stale}>
          <table className={`${tableStyles.table} ${styles.list}`} data-testid="sessions">
            <thead>
              <tr>
                <th scope="col">{t('sessions.since')}</th>
                <th scope="col">{t('sessions.user')}</th>
                <th scope="col">{t('sessions.workstation')}</th>
                <th scope="col">{t('sessions.applications')}</th>
                <th scope="col">{t('sessions.doesNotFollow')}</th>
                <th scope="col">{t('sessions.currentContext')}</th>
                <th scope="col">{t('sessions.lastChange')}</th>
              </tr>
            </thead>
            <tbody>
              {sessions.map((session) => (
                <Row key={session.topic} session={session} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      <Pager offset={offset} size={PAGE} total={total} onMove={setOffset} />
    </div>
  );
}
