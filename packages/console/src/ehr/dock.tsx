/** Applications that run inside the EHR, each in its frame. */

import { useSyncState } from '@lockstep/client/react';
import { ActionIcon, Button, CloseButton } from '@mantine/core';
import { useEffect, useState } from 'react';
import { type App, type Told, told } from '../api.ts';
import { useApps } from '../apps/app-list.ts';
import { AppIcon } from '../apps/icon.tsx';
import { isForeign, launchContext, makeLaunch, runInWindow } from '../apps/run.ts';
import { foundBy, inOrder } from '../apps/shelf.ts';
import { Silent } from '../apps/silent.tsx';
import { ForeignName, ForeignText } from '../foreign-text.tsx';
import { appWords } from '../language/app-words.ts';
import { t } from '../language/language.ts';
import { Rich } from '../language/rich.tsx';
import { Link, navigate } from '../router.tsx';
import { useStore } from '../store.ts';
import { Alert, Problem } from '../ui/problem.tsx';
import { SearchField } from '../ui/search-field.tsx';
import styles from './dock.module.css';
import type { DockedApp } from './docked-apps.ts';
import { FrameDivider } from './frame-divider.tsx';
import type { EhrSession } from './session.ts';

async function startHere(session: EhrSession, app: App): Promise<void> {
  session.apps.start(app, await makeLaunch(session, app, { ...launchContext(session), embedded: true }));
}

/** Runs the app in a frame of the EHR. @throws ApiError with what does not fit */
export async function runHere(session: EhrSession, app: App): Promise<void> {
  await startHere(session, app);
  session.shelf.used(app.id);
  navigate('/');
}

/** Apps that the dock offers, and those that it lists for a search. */
const FEW = 4;
const MANY = 12;

/** An app of another origin may not take the whole window along. */
const SANDBOX = 'allow-scripts allow-same-origin allow-forms allow-popups allow-downloads allow-modals';

export function isLaunchable({ launchUrl, launchKinds, status }: App): boolean {
  return launchUrl !== undefined && launchKinds.includes('ehr') && status === 'active';
}

function Frame({ session, one }: { session: EhrSession; one: DockedApp }) {
  const { apps } = session;
  const share = useStore(apps.shares)[one.app.id] ?? 1;
  const [problem, setProblem] = useState<Told>();
  const name = appWords(one.app.name);

  function move(): void {
    const open = () => runInWindow(session, one.app);
    apps.move(one, open).catch((error: unknown) => setProblem(told(error)));
  }

  return (
    <section className={styles.frame} style={{ flexGrow: share }} aria-label={name}>
      <header>
        <AppIcon app={one.app} size={18} />
        <h2 title={name}>
          <bdi>{name}</bdi>
        </h2>
        <ActionIcon
          size="sm"
          variant="subtle"
          color="gray"
          aria-label={t('ehr.runNamedInWindow', { name })}
          title={t('ehr.runInWindow')}
          onClick={move}
        >
          <svg
            viewBox="0 0 16 16"
            width="13"
            height="13"
            fill="none"
            stroke="currentColor"
            strokeWidth="1.6"
            aria-hidden="true"
          >
            <path d="M9 2h5v5M14 2 8 8M12 10v4H2V4h4" />
          </svg>
        </ActionIcon>
        <CloseButton size="sm" aria-label={t('ehr.closeNamed', { title: name })} onClick={() => void apps.close(one)} />
      </header>
      <Silent app={one.app} address={one.url} framed />
      {problem && <Alert {...problem} />}
      <iframe
        ref={(frame) => apps.attach(one.run, frame?.contentWindow ?? null)}
        title={name}
        src={one.url}
        {...(isForeign(one.app) && { sandbox: SANDBOX })}
        referrerPolicy="no-referrer"
      />
    </section>
  );
}

export function Dock({ session }: { session: EhrSession }) {
  const open = useStore(session.apps.running);
  const apps = useApps(session.appList);
  const [problem, setProblem] = useState<Told>();
  const shelf = useStore(session.shelf.shelf);
  const [search, setSearch] = useState('');
  const there = new Set(open.map(({ app }) => app.id));
  const startable = (apps.data ?? []).filter((app) => isLaunchable(app) && !there.has(app.id));
  const more = inOrder(foundBy(startable, search), shelf).slice(0, search === '' ? FEW : MANY);

  const { status } = useSyncState(session.subscriber);
  const available = apps.data;
  useEffect(() => {
    // Once the session's context is known, so that they are started with it.
    if (available && status === 'in-sync') void session.kept.restoreApps(available, (app) => startHere(session, app));
  }, [session, available, status]);

  async function run(app: App): Promise<void> {
    setProblem(undefined);
    try {
      await runHere(session, app);
    } catch (error) {
      setProblem(told(error, (said) => t('ehr.wasNotLaunched', { name: appWords(app.name), error: said })));
    }
  }

  return (
    <section className={styles.dock} aria-label={t('ehr.applications')} data-empty={open.length === 0 || undefined}>
      {problem && <Alert {...problem} />}
      {apps.error !== undefined && <Problem error={apps.error} retry={() => void session.appList.read()} />}
      {open.flatMap((one, index) => {
        const above = open[index - 1];
        const frame = <Frame key={one.run} session={session} one={one} />;
        if (!above) return [frame];
        return [<FrameDivider key={`above ${one.run}`} apps={session.apps} above={above} below={one} />, frame];
      })}
      {startable.length > FEW && (
        <SearchField
          className={styles.search}
          name={t('ehr.searchApps')}
          placeholder={t('ehr.searchApps')}
          text={search}
          onText={setSearch}
        />
      )}
      {startable.length > 0 && more.length === 0 && <p className={styles.hint}>{t('ehr.noAppMatches', { search })}</p>}
      {more.length > 0 && (
        <ul className={styles.apps}>
          {more.map((app) => (
            <li key={app.id}>
              <AppIcon app={app} size={open.length > 0 ? 22 : 36} />
              <div>
                <strong>
                  <ForeignName text={appWords(app.name)} />
                </strong>
                {open.length === 0 && app.description !== undefined && (
                  <div className={styles.about}>
                    <ForeignText text={appWords(app.description)} />
                  </div>
                )}
              </div>
              <Button
                variant={open.length === 0 ? 'filled' : 'default'}
                aria-label={t('ehr.runNamed', { name: appWords(app.name) })}
                onClick={() => void run(app)}
              >
                {t('ehr.run')}
              </Button>
            </li>
          ))}
        </ul>
      )}
      {open.length === 0 && (
        <p className={styles.hint}>
          <Rich id="ehr.dockHint" values={{ allApps: <Link href="/apps">{t('ehr.allApps')}</Link> }} />
        </p>
      )}
    </section>
  );
}
