/** The registered apps: what each is, and how to start it. */
import { Button, SegmentedControl, TextInput } from '@mantine/core';
import { useState } from 'react';
import { type App, LAUNCH_KINDS, type LaunchKind, words } from '../api.ts';
import { isLaunchable, runHere, useApps } from '../ehr/dock.tsx';
import { OpenContext } from '../ehr/open-context.tsx';
import type { EhrSession } from '../ehr/session.ts';
import { compare, t } from '../language/language.ts';
import { Rich } from '../language/rich.tsx';
import { Link } from '../router.tsx';
import { Problem, Waiting } from '../ui/problem.tsx';
import { Commands } from './by-hand.tsx';
import { BY_HAND } from './commands.ts';
import { AppIcon } from './icon.tsx';
import { runInWindow } from './run.ts';
import { Silent } from './silent.tsx';

const ALL = 'all';

function AppCard({ session, app }: { session: EhrSession; app: App }) {
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);
  const [opened, setOpened] = useState<string>();
  const byHand = BY_HAND.filter((kind) => app.launchKinds.includes(kind));

  async function run(start: () => Promise<void>): Promise<void> {
    setBusy(true);
    setProblem(undefined);
    try {
      await start();
    } catch (error) {
      setProblem(t('apps.wasNotLaunched', { name: app.name, error: words(error) }));
    }
    setBusy(false);
  }

  return (
    <li className="app-card" aria-label={app.name}>
      <AppIcon app={app} size={44} />
      <div className="app-about">
        <h2>
          {app.name}
          {app.status !== 'active' && <span className="app-status">{t(`apps.status.${app.status}`)}</span>}
        </h2>
        {app.description !== undefined && <p>{app.description}</p>}
        <p className="app-facts">
          {app.launchKinds.map((kind) => t(`apps.kind.${kind}.short`)).join(' · ')}
          {app.launchUrl !== undefined && <span className="mono"> {app.launchUrl}</span>}
        </p>
        {problem !== undefined && (
          <p className="problem" role="alert">
            {problem}
          </p>
        )}
        {opened !== undefined && <Silent app={app} address={opened} />}
        {byHand.length > 0 && <Commands session={session} app={app} kinds={byHand} />}
      </div>
      <div className="app-actions">
        {isLaunchable(app) && (
          <>
            <Button
              aria-label={t('apps.runNamed', { name: app.name })}
              loading={busy}
              onClick={() => void run(() => runHere(session, app))}
            >
              {t('apps.run')}
            </Button>
            <Button
              variant="default"
              aria-label={t('apps.runInANewWindow', { name: app.name })}
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
            className="quiet-link"
            href={`/apps/${encodeURIComponent(app.id)}`}
            aria-label={t('apps.manageNamed', { name: app.name })}
          >
            {t('apps.manage')}
          </Link>
        )}
      </div>
    </li>
  );
}

export default function Gallery({ session }: { session: EhrSession }) {
  const apps = useApps();
  const [kind, setKind] = useState<string>(ALL);
  const [text, setText] = useState('');
  const kinds = LAUNCH_KINDS.filter((one) => apps.data?.some(({ launchKinds }) => launchKinds.includes(one)));
  const wanted = text.trim().toLowerCase();
  const shown = (apps.data ?? [])
    .filter(({ launchKinds }) => kind === ALL || launchKinds.includes(kind as LaunchKind))
    .filter(({ name, description = '' }) => `${name} ${description}`.toLowerCase().includes(wanted))
    .sort((a, b) => compare(a.name, b.name));

  return (
    <div className="page">
      <header className="page-head">
        <div>
          <h1>{t('apps.apps')}</h1>
          <p className="lead">
            <Rich id="apps.runWithOpen" values={{ open: <OpenContext session={session} /> }} />
          </p>
        </div>
        {session.person.administrator && (
          <Link className="button-link" href="/apps/new">
            {t('apps.registerAnApp')}
          </Link>
        )}
      </header>
      <div className="filters">
        <TextInput
          type="search"
          aria-label={t('apps.searchApps')}
          placeholder={t('apps.searchApps')}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
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
      {apps.isPending && <Waiting what={t('apps.readingApps')} />}
      {apps.isError && <Problem error={apps.error} retry={() => void apps.refetch()} />}
      <ul className="app-list">
        {shown.map((app) => (
          <AppCard key={app.id} session={session} app={app} />
        ))}
      </ul>
      {apps.data && shown.length === 0 && <p className="nothing">{t('apps.noAppIsOfThisKind')}</p>}
    </div>
  );
}
