/** One session in full: what happened, what is open, and how it came about. */

import { Button, SegmentedControl, Switch } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { call, get, type LogLine, type SessionDetail, type TimelineEntry } from '../api.ts';
import { serverPath } from '../base.ts';
import { ForeignName, ForeignText } from '../foreign-text.tsx';
import { appWords, wordsApart } from '../language/app-words.ts';
import { date, t } from '../language/language.ts';
import { Rich } from '../language/rich.tsx';
import { watchLive } from '../live.ts';
import { Link, navigate } from '../router.tsx';
import { Asking } from '../ui/asking.tsx';
import markStyles from '../ui/mark.module.css';
import pageStyles from '../ui/page.module.css';
import { Problem, Waiting } from '../ui/problem.tsx';
import { SearchField } from '../ui/search-field.tsx';
import textStyles from '../ui/text.module.css';
import workstationStyles from '../ui/workstation.module.css';
import { Composer } from './composer.tsx';
import styles from './inspector.module.css';
import { isUndecided, NotFollowing } from './not-following.tsx';
import { contentChanges, NOTHING, type Replayed, replay } from './replay.ts';
import { describe, FILTERS, type Filter, keeps, withEntries } from './rows.ts';
import { foundBy } from './search.ts';
import { LatencyPlot, Timeline } from './timeline.tsx';

/** Entries that are kept in the page. */
const MAX_ENTRIES = 10_000;
/** Who follows is read this often, ms. */
const READ_EVERY = 1000;
/** Between two steps of a replay, ms. */
const PACE = 700;

/** The timeline and the log of a session, kept up to date by what the server sends. */
function useHistory(topic: string) {
  const base = `/api/console/sessions/${encodeURIComponent(topic)}`;
  const queries = useQueryClient();
  const [entries, setEntries] = useState<readonly TimelineEntry[]>([]);
  const [log, setLog] = useState<readonly LogLine[]>([]);
  const [problem, setProblem] = useState<unknown>();
  const last = useRef(0);
  const reading = useRef<Promise<void>>(Promise.resolve());

  const readLog = useCallback((): void => {
    // One after another: each reads from where the one before ended.
    reading.current = reading.current
      .then(() => get<readonly LogLine[]>(`${base}/log?after=${last.current}`))
      .then((lines) => {
        last.current = lines.at(-1)?.number ?? last.current;
        if (lines.length > 0) setLog((now) => [...now, ...lines]);
      })
      .catch(setProblem);
  }, [base]);

  useEffect(() => {
    let ended = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const changed = (): void => void queries.invalidateQueries({ queryKey: ['session', topic] });
    // By then the Hub says of whom it waits for an answer.
    const changedSoon = (): void => {
      timer ??= setTimeout(() => {
        timer = undefined;
        changed();
      }, READ_EVERY);
    };
    const stop = watchLive(topic, {
      ready() {
        get<readonly TimelineEntry[]>(`${base}/timeline`).then(
          (all) => {
            if (ended) return;
            setProblem(undefined);
            setEntries((now) => withEntries(withEntries([], all, MAX_ENTRIES), now, MAX_ENTRIES));
          },
          (error: unknown) => setProblem(error),
        );
        readLog();
        changed();
      },
      entries(more) {
        setEntries((now) => withEntries(now, more, MAX_ENTRIES));
        if (more.some(({ kind }) => kind === 'published')) readLog();
        if (more.some(({ kind }) => kind !== 'delivered' && kind !== 'answered')) changed();
        changedSoon();
      },
    });
    return () => {
      ended = true;
      clearTimeout(timer);
      stop();
    };
  }, [base, topic, queries, readLog]);

  return { entries, log, problem };
}

function Anchors({ state, before }: { state: Replayed; before: Replayed }) {
  const anchors = [...state.anchors].reverse();
  if (anchors.length === 0) return <p className={textStyles.nothing}>{t('sessions.nothingIsOpen')}</p>;
  return (
    <ul className={styles.anchors}>
      {anchors.map(([anchor, { versionId, content }]) => {
        const changes = contentChanges(before.anchors.get(anchor)?.content, content);
        return (
          <li key={anchor} data-current={state.current === anchor || undefined}>
            <h2 className={`${textStyles.mono} ${textStyles.subtitle}`}>
              {anchor}{' '}
              {state.current === anchor && <span className={textStyles.pillCurrent}>{t('sessions.current')}</span>}
            </h2>
            <p className={textStyles.label}>
              {t('sessions.version')} <span className={textStyles.mono}>{versionId || t('sessions.noVersion')}</span>
            </p>
            {changes.map(({ target, kind, differences }) => (
              <div key={target} className={styles.change} data-kind={kind}>
                <span>
                  <Rich
                    id={`sessions.${kind}`}
                    values={{ target: <span className={textStyles.mono}>{target}</span> }}
                  />
                </span>
                {differences.map(({ path, before: old, after }) => (
                  <div key={path} className={`${textStyles.mono} ${styles.difference}`}>
                    <ForeignName text={path} />:{' '}
                    {old !== undefined && (
                      <del>
                        <ForeignText text={old} />
                      </del>
                    )}{' '}
                    {after !== undefined && (
                      <ins>
                        <ForeignText text={after} />
                      </ins>
                    )}
                  </div>
                ))}
              </div>
            ))}
            {[...content].map(([target, { resource }]) => (
              <details key={target}>
                <summary className={textStyles.mono}>
                  {target}
                  {state.selected.includes(target) && (
                    <span className={textStyles.pillCurrent}>{t('sessions.selected')}</span>
                  )}
                </summary>
                {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
                <pre tabIndex={0}>{JSON.stringify(resource, null, 2)}</pre>
              </details>
            ))}
          </li>
        );
      })}
    </ul>
  );
}

function Raw({ entry, line }: { entry: TimelineEntry | undefined; line: LogLine | undefined }) {
  if (!entry) return <p className={textStyles.nothing}>{t('sessions.chooseARowOfTheTimeline')}</p>;
  const { what, detail } = describe(entry);
  return (
    <>
      <h2 className={textStyles.subtitle}>
        <ForeignName text={what} />
      </h2>
      {detail !== '' && (
        <div className={textStyles.label}>
          <ForeignText text={detail} />
        </div>
      )}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <pre tabIndex={0}>{JSON.stringify(line?.message ?? entry, null, 2)}</pre>
    </>
  );
}

type Pane = 'state' | 'raw' | 'compose';

export default function Inspector({ topic }: { topic: string }) {
  const base = `/api/console/sessions/${encodeURIComponent(topic)}`;
  const session = useQuery({
    queryKey: ['session', topic],
    queryFn: () => get<SessionDetail>(base),
    staleTime: 0,
    refetchInterval: ({ state }) => (state.data && isUndecided(state.data) ? READ_EVERY : false),
  });
  const { entries, log, problem } = useHistory(topic);
  const [filter, setFilter] = useState<Filter>('all');
  const [query, setQuery] = useState('');
  const [selected, setSelected] = useState<TimelineEntry>();
  const [position, setPosition] = useState<number>();
  const [playing, setPlaying] = useState(false);
  const [pane, setPane] = useState<Pane>('state');
  const [ending, setEnding] = useState(false);
  const [refusal, setRefusal] = useState<unknown>();

  const subscriptions = session.data?.subscriptions;
  const called = useMemo(() => wordsApart(subscriptions?.map(({ name }) => name) ?? []), [subscriptions]);
  const names = useMemo(
    () => new Map(subscriptions?.map(({ clientId, client = clientId }) => [clientId, appWords(client)])),
    [subscriptions],
  );
  const shown = useMemo(() => {
    const found = foundBy(entries, query, log, names);
    return filter === 'all' ? found : found.filter((entry) => keeps(filter, entry));
  }, [entries, filter, query, log, names]);
  const replayed = useRef<readonly Replayed[]>([]);
  const states = useMemo(() => {
    replayed.current = replay(log, replayed.current);
    return replayed.current;
  }, [log]);
  const live = position === undefined;
  const at = position ?? log.length - 1;
  const state = states[at] ?? NOTHING;
  const before = states[at - 1] ?? NOTHING;
  const line = log.find(({ message }) => message.id === selected?.eventId);

  /** Goes to an event of the log, and to its row. */
  const goTo = useCallback(
    (index: number): void => {
      const to = Math.min(log.length - 1, Math.max(0, index));
      setPosition(to);
      const { number } = log[to] ?? {};
      setSelected(entries.find((entry) => entry.kind === 'published' && entry.number === number));
    },
    [log, entries],
  );

  useEffect(() => {
    if (!playing) return undefined;
    if (at >= log.length - 1 && !live) {
      setPlaying(false);
      return undefined;
    }
    const timer = setTimeout(() => goTo(live ? 0 : at + 1), PACE);
    return () => clearTimeout(timer);
  }, [playing, at, live, log.length, goTo]);

  function select(entry: TimelineEntry): void {
    setSelected(entry);
    if (entry.kind === 'published' || entry.eventId !== undefined) {
      const index = log.findIndex(({ message }) => message.id === entry.eventId);
      if (index >= 0) setPosition(index);
    }
    if (pane === 'compose') setPane('raw');
  }

  async function end(): Promise<void> {
    try {
      await call('DELETE', base);
      navigate('/sessions');
    } catch (error) {
      setRefusal(error);
    }
    setEnding(false);
  }

  if (session.isPending) return <Waiting what={t('sessions.readingTheSession')} />;
  if (session.isError) {
    return (
      <div className={pageStyles.page}>
        <h1>{t('sessions.session')}</h1>
        <Problem error={session.error} retry={() => void session.refetch()} />
        <p>
          <Link href="/sessions">{t('sessions.allSessions')}</Link>
        </p>
      </div>
    );
  }
  const { data } = session;
  const truncated = (log[0]?.number ?? 1) > 1;
  return (
    <div className={styles.inspector}>
      <header className={styles.head}>
        <div>
          <h1>
            <ForeignName text={data.userName ?? data.user} />
            {data.workstation !== undefined && (
              <span className={workstationStyles.workstation} title={data.workstation}>
                {data.workstation}
              </span>
            )}
          </h1>
          <p className={`${styles.topic} ${textStyles.mono}`}>{topic}</p>
        </div>
        <LatencyPlot entries={entries} />
        <div className={styles.actions}>
          <a className={textStyles.quietLink} href={serverPath(`${base}/export`)} download>
            {t('sessions.exportJsonLines')}
          </a>
          <Button variant="default" onClick={() => setEnding(true)}>
            {t('sessions.endSession')}
          </Button>
        </div>
      </header>
      {(problem ?? refusal) !== undefined && <Problem error={problem ?? refusal} />}
      <div className={styles.body}>
        <section className={styles.events} aria-label={t('sessions.whatHappened')}>
          <div className={`${styles.toolbar} ${styles.finding}`}>
            <SearchField
              name={t('sessions.searchTimeline')}
              placeholder={t('sessions.eventApplicationId')}
              text={query}
              onText={setQuery}
            />
            <SegmentedControl
              aria-label={t('sessions.rowsThatAreShown')}
              value={filter}
              onChange={(value) => setFilter(value as Filter)}
              data={FILTERS.map((one) => ({ value: one, label: t(`sessions.filter.${one}`) }))}
            />
            <span className={`${textStyles.count} ${styles.found}`}>{t('sessions.rows', { count: shown.length })}</span>
          </div>
          <Timeline
            entries={shown}
            selected={selected?.seq}
            onSelect={select}
            follow={live && !playing}
            names={names}
          />
        </section>
        <section className={styles.pane} aria-label={t('sessions.details')}>
          <div className={styles.toolbar}>
            <Button
              variant="default"
              disabled={log.length === 0 || at <= 0}
              aria-label={t('sessions.oneEventBack')}
              onClick={() => goTo(at - 1)}
            >
              ◂
            </Button>
            <Button variant="default" disabled={log.length === 0} onClick={() => setPlaying((now) => !now)}>
              {playing ? t('sessions.pause') : t('sessions.replay')}
            </Button>
            <Button
              variant="default"
              disabled={live || at >= log.length - 1}
              aria-label={t('sessions.oneEventOn')}
              onClick={() => goTo(at + 1)}
            >
              ▸
            </Button>
            <span className={`${textStyles.count} ${styles.found}`}>
              {log.length === 0 ? t('sessions.noEvents') : t('sessions.eventOf', { number: at + 1, count: log.length })}
            </span>
            <Switch
              label={t('sessions.live')}
              checked={live}
              onChange={(event) => {
                setPlaying(false);
                setPosition(event.currentTarget.checked ? undefined : log.length - 1);
              }}
            />
          </div>
          <div className={styles.toolbar}>
            <SegmentedControl
              aria-label={t('sessions.whatIsShown')}
              value={pane}
              onChange={(value) => setPane(value as Pane)}
              data={[
                { value: 'state', label: t('sessions.openAndShared') },
                { value: 'raw', label: t('sessions.message') },
                { value: 'compose', label: t('sessions.compose') },
              ]}
            />
          </div>
          <div className={styles.scroll}>
            {pane === 'state' && (
              <>
                {truncated && (
                  <p className={textStyles.label}>{t('sessions.truncated', { number: log[0]?.number ?? 0 })}</p>
                )}
                <Anchors state={state} before={before} />
              </>
            )}
            {pane === 'raw' && <Raw entry={selected} line={line} />}
            {pane === 'compose' && <Composer topic={topic} state={states.at(-1) ?? NOTHING} />}
          </div>
          <div className={styles.following} data-testid="following">
            <NotFollowing session={data} />
          </div>
          <ul className={styles.subscribers} aria-label={t('sessions.subscribers')}>
            {data.subscriptions.map(({ id, client, connected, events, expiresAt }, index) => (
              <li key={id} data-tone={connected ? 'good' : 'bad'}>
                <span className={markStyles.mark} aria-hidden="true">
                  {connected ? '✓' : '×'}
                </span>
                <b>
                  <ForeignName text={called[index] ?? ''} />
                </b>
                <span
                  className={`${textStyles.label} ${styles.subscribed}`}
                  title={[appWords(client ?? ''), ...events].join(', ')}
                >
                  {t('sessions.lease', {
                    client: appWords(client ?? ''),
                    count: events.length,
                    until: date(new Date(expiresAt), { timeStyle: 'medium' }),
                  })}
                </span>
              </li>
            ))}
          </ul>
        </section>
      </div>
      <Asking
        question={
          ending
            ? {
                title: t('sessions.endTheSession'),
                text: t('sessions.itsApplicationsAreToldAndDisconnected'),
                action: t('sessions.endSession'),
              }
            : undefined
        }
        onCancel={() => setEnding(false)}
        onConfirm={() => void end()}
      />
    </div>
  );
}
