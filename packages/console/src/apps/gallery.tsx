/** The registered apps: what each is, and how to start it. */
import { Button, SegmentedControl, TextInput } from '@mantine/core';
import { useState } from 'react';
import { type App, LAUNCH_KINDS, type LaunchKind, words } from '../api.ts';
import { isLaunchable, runHere, useApps } from '../ehr/dock.tsx';
import { OpenContext } from '../ehr/open-context.tsx';
import type { EhrSession } from '../ehr/session.ts';
import { Link } from '../router.tsx';
import { Problem, Waiting } from '../ui/problem.tsx';
import { Commands } from './by-hand.tsx';
import { BY_HAND } from './commands.ts';
import { AppIcon } from './icon.tsx';
import { KIND_WORDS } from './kinds.ts';
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
      setProblem(`${app.name} was not launched: ${words(error)}`);
    }
    setBusy(false);
  }

  return (
    <li className="app-card" aria-label={app.name}>
      <AppIcon app={app} size={44} />
      <div className="app-about">
        <h2>
          {app.name}
          {app.status !== 'active' && <span className="app-status">{app.status}</span>}
        </h2>
        {app.description !== undefined && <p>{app.description}</p>}
        <p className="app-facts">
          {app.launchKinds.map((kind) => KIND_WORDS[kind].short).join(' · ')}
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
            <Button aria-label={`Run ${app.name}`} loading={busy} onClick={() => void run(() => runHere(session, app))}>
              Run
            </Button>
            <Button
              variant="default"
              aria-label={`Run ${app.name} in a new window`}
              onClick={() => void run(async () => setOpened(await runInWindow(session, app)))}
            >
              New window
            </Button>
          </>
        )}
        {!isLaunchable(app) && app.launchKinds.includes('standalone') && app.launchUrl !== undefined && (
          <Button component="a" href={app.launchUrl} target="_blank" rel="noopener noreferrer" variant="default">
            Visit
          </Button>
        )}
        {session.person.administrator && (
          <Link className="quiet-link" href={`/apps/${encodeURIComponent(app.id)}`} aria-label={`Manage ${app.name}`}>
            Manage
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
    .sort((a, b) => a.name.localeCompare(b.name));

  return (
    <div className="page">
      <header className="page-head">
        <div>
          <h1>Apps</h1>
          <p className="lead">
            Run an app with what the EHR has open: <OpenContext session={session} />
          </p>
        </div>
        {session.person.administrator && (
          <Link className="button-link" href="/apps/new">
            Register an app
          </Link>
        )}
      </header>
      <div className="filters">
        <TextInput
          type="search"
          aria-label="Search apps"
          placeholder="Search apps"
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        <SegmentedControl
          aria-label="Kind of launch"
          value={kind}
          onChange={setKind}
          data={[{ value: ALL, label: 'All' }, ...kinds.map((one) => ({ value: one, label: KIND_WORDS[one].short }))]}
        />
      </div>
      {apps.isPending && <Waiting what="Reading apps" />}
      {apps.isError && <Problem error={apps.error} retry={() => void apps.refetch()} />}
      <ul className="app-list">
        {shown.map((app) => (
          <AppCard key={app.id} session={session} app={app} />
        ))}
      </ul>
      {apps.data && shown.length === 0 && <p className="nothing">No app is of this kind or has this name.</p>}
    </div>
  );
}
