/** The registered apps: what each is, and how to start it. */

import { ActionIcon, Button, NativeSelect, SegmentedControl } from '@mantine/core';
import { useState } from 'react';
import { type App, LAUNCH_KINDS, type LaunchKind, type Told, told } from '../api.ts';
import { isLaunchable, runHere } from '../ehr/dock.tsx';
import { OpenContext } from '../ehr/open-context.tsx';
import type { EhrSession } from '../ehr/session.ts';
import { ForeignName, ForeignText } from '../foreign-text.tsx';
import { appWords } from '../language/app-words.ts';
import { t } from '../language/language.ts';
import { Rich } from '../language/rich.tsx';
import { Link } from '../router.tsx';
import { useStore } from '../store.ts';
import pageStyles from '../ui/page.module.css';
import { Alert, Problem, Waiting } from '../ui/problem.tsx';
import { SearchField } from '../ui/search-field.tsx';
import textStyles from '../ui/text.module.css';
import { useApps } from './app-list.ts';
import { Commands } from './by-hand.tsx';
import { BY_HAND } from './commands.ts';
import styles from './gallery.module.css';
import { AppIcon } from './icon.tsx';
import { runInWindow } from './run.ts';
import { categoriesOf, foundBy, inOrder } from './shelf.ts';
import { Silent } from './silent.tsx';

const ALL = 'all';

/** Marks an app as a favourite: those come first, here and beside the chart. */
function Star({ session, app }: { session: EhrSession; app: App }) {
  const isFavourite = useStore(session.shelf.shelf).favourites.includes(app.id);
  return (
    <ActionIcon
      variant="subtle"
      color="gray"
      aria-pressed={isFavourite}
      aria-label={t('apps.favouriteNamed', { name: appWords(app.name) })}
      title={t(isFavourite ? 'apps.isAFavourite' : 'apps.makeItAFavourite')}
      onClick={() => session.shelf.toggle(app.id)}
    >
      <svg viewBox="0 0 16 16" width="15" height="15" fill={isFavourite ? 'currentColor' : 'none'} aria-hidden="true">
        <path d="m8 1.8 1.9 4 4.3.5-3.2 3 .9 4.3L8 11.4l-3.9 2.2.9-4.3-3.2-3 4.3-.5Z" stroke="currentColor" />
      </svg>
    </ActionIcon>
  );
}

function AppCard({ session, app }: { session: EhrSession; app: App }) {
  const [problem, setProblem] = useState<Told>();
  const [busy, setBusy] = useState(false);
  const [opened, setOpened] = useState<string>();
  const byHand = BY_HAND.filter((kind) => app.launchKinds.includes(kind));
  const name = appWords(app.name);

  async function run(start: () => Promise<void>): Promise<void> {
    setBusy(true);
    setProblem(undefined);
    try {
      await start();
    } catch (error) {
      setProblem(told(error, (said) => t('apps.wasNotLaunched', { name, error: said })));
    }
    setBusy(false);
  }

  return (
    <li className={styles.card} data-testid="app" aria-label={name}>
      <AppIcon app={app} size={44} />
      <div className={styles.about}>
        <h2>
          <ForeignName text={name} />
          {app.category !== undefined && (
            <span className={textStyles.label}>
              <ForeignName text={app.category} />
            </span>
          )}
          {app.status !== 'active' && <span className={textStyles.pill}>{t(`apps.status.${app.status}`)}</span>}
        </h2>
        {app.description !== undefined && (
          <div>
            <ForeignText text={appWords(app.description)} />
          </div>
        )}
        <p className={styles.facts}>
          {app.launchKinds.map((kind) => t(`apps.kind.${kind}.short`)).join(' · ')}
          {app.launchUrl !== undefined && (
            <span className={textStyles.mono}>
              {' '}
              <ForeignName text={app.launchUrl} />
            </span>
          )}
        </p>
        {problem && <Alert {...problem} />}
        {opened !== undefined && <Silent app={app} address={opened} />}
        {byHand.length > 0 && <Commands session={session} app={app} kinds={byHand} />}
      </div>
      <div className={styles.actions}>
        <Star session={session} app={app} />
        {isLaunchable(app) && (
          <>
            <Button
              aria-label={t('apps.runNamed', { name })}
              loading={busy}
              onClick={() => void run(() => runHere(session, app))}
            >
              {t('apps.run')}
            </Button>
            <Button
              variant="default"
              aria-label={t('apps.runInANewWindow', { name })}
              onClick={() => void run(async () => setOpened(await runInWindow(session, app)))}
            >
              {t('apps.newWindow')}
            </Button>
          </>
        )}
        {!isLaunchable(app) && app.launchKinds.includes('standalone') && app.launchUrl !== undefined && (
          <Button component="a" href={app.launchUrl} target="_blank" rel="noopener noreferrer" variant="default">
            {t('apps.visit')}
          </Button>
        )}
        {session.person.administrator && (
          <Link
            className={textStyles.quietLink}
            href={`/apps/${encodeURIComponent(app.id)}`}
            aria-label={t('apps.manageNamed', { name })}
          >
            {t('apps.manage')}
          </Link>
        )}
      </div>
    </li>
  );
}

export default function Gallery({ session }: { session: EhrSession }) {
  const apps = useApps(session.appList);
  const [kind, setKind] = useState<string>(ALL);
  const [text, setText] = useState('');
  const kinds = LAUNCH_KINDS.filter((one) => apps.data?.some(({ launchKinds }) => launchKinds.includes(one)));
  const [category, setCategory] = useState('');
  const shelf = useStore(session.shelf.shelf);
  const categories = categoriesOf(apps.data ?? []);
  const offered = (apps.data ?? [])
    .filter(({ launchKinds }) => kind === ALL || launchKinds.includes(kind as LaunchKind))
    .filter((app) => category === '' || app.category === category);
  const shown = inOrder(foundBy(offered, text), shelf);

  return (
    <div className={pageStyles.page}>
      <header className={pageStyles.head}>
        <div>
          <h1>{t('apps.apps')}</h1>
          <p className={textStyles.lead}>
            <Rich id="apps.runWithOpen" values={{ open: <OpenContext session={session} /> }} />
          </p>
        </div>
        {session.person.administrator && (
          <Link className={textStyles.buttonLink} href="/apps/new">
            {t('apps.registerAnApp')}
          </Link>
        )}
      </header>
      <div className={pageStyles.filters}>
        <SearchField name={t('apps.searchApps')} placeholder={t('apps.searchApps')} text={text} onText={setText} />
        {categories.length > 0 && (
          <NativeSelect
            aria-label={t('apps.category')}
            value={category}
            data={[{ value: '', label: t('apps.everyCategory') }, ...categories]}
            onChange={(event) => setCategory(event.currentTarget.value)}
          />
        )}
        <SegmentedControl
          aria-label={t('apps.kindOfLaunch')}
          value={kind}
          onChange={setKind}
          data={[
            { value: ALL, label: t('apps.all') },
            ...kinds.map((one) => ({ value: one, label: t(`apps.kind.${one}.short`) })),
          ]}
        />
      </div>
      {apps.data === undefined && apps.error === undefined && <Waiting what={t('apps.readingApps')} />}
      {apps.error !== undefined && <Problem error={apps.error} retry={() => void session.appList.read()} />}
      <ul className={styles.list} data-testid="apps">
        {shown.map((app) => (
          <AppCard key={app.id} session={session} app={app} />
        ))}
      </ul>
      {apps.data && shown.length === 0 && <p className={textStyles.nothing}>{t('apps.noAppIsOfThisKind')}</p>}
    </div>
  );
}
