/** Apps that are not started by a click: what to run, with this session in it, and a launch that brings a token. */
import type { LaunchParameters } from '@lockstep/fhircast';
import { Button } from '@mantine/core';
import { useEffect, useState } from 'react';
import { type App, type LaunchedApp, post, words } from '../api.ts';
import type { EhrSession } from '../ehr/session.ts';
import { Copyable } from '../ui/copyable.tsx';
import { type ByHand, type Line, launchedLines, linesOf } from './commands.ts';
import { KIND_WORDS } from './kinds.ts';
import { openWindow } from './run.ts';

/** How long the ticket of a launch is good, ms. */
const TICKET_LIFE = 60_000;

type Form = LaunchedApp['form'];

const FORM_OF: Readonly<Record<Exclude<ByHand, 'derived'>, { readonly form: Form; readonly action: string }>> = {
  'command-line': { form: 'switches', action: 'Make a launch' },
  web: { form: 'web', action: 'Open' },
  file: { form: 'file', action: 'Drop the file' },
};

function Kind({ session, app, kind }: { session: EhrSession; app: App; kind: ByHand }) {
  const [launched, setLaunched] = useState<readonly Line[]>();
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState<Form>();
  const launch: LaunchParameters = {
    hubUrl: `${location.origin}/hub`,
    topic: session.topic,
    user: session.person.user_name,
  };

  // What is void is not shown.
  useEffect(() => {
    if (!launched) return undefined;
    const timer = setTimeout(() => setLaunched(undefined), TICKET_LIFE);
    return () => clearTimeout(timer);
  }, [launched]);

  async function make(form: Form): Promise<void> {
    const ask = () => post<LaunchedApp>(`/api/console/apps/${encodeURIComponent(app.id)}/launch`, { form });
    setBusy(form);
    setProblem(undefined);
    try {
      if (form === 'web') {
        await openWindow(async () => {
          const made = await ask();
          if (made.form !== 'web') throw new Error('The server made another kind of launch.');
          return made.url;
        });
      } else setLaunched(launchedLines(await ask(), app));
    } catch (error) {
      setProblem(`${app.name} was not launched: ${words(error)}`);
    }
    setBusy(undefined);
  }

  const own = kind === 'derived' ? undefined : FORM_OF[kind];
  return (
    <section className="by-hand" aria-label={KIND_WORDS[kind].long}>
      <header>
        <h3>{KIND_WORDS[kind].long}</h3>
        {own && app.status === 'active' && (
          <div className="by-hand-actions">
            <Button
              aria-label={`${own.action}: ${app.name}`}
              loading={busy === own.form}
              onClick={() => void make(own.form)}
            >
              {own.action}
            </Button>
            <Button
              variant="default"
              aria-label={`A ticket for ${app.name}`}
              loading={busy === 'ticket'}
              onClick={() => void make('ticket')}
            >
              A ticket
            </Button>
          </div>
        )}
      </header>
      {problem !== undefined && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      {launched && (
        <div className="by-hand-launched" role="status">
          {launched.map(({ title, text }) => (
            <Copyable key={title} title={title} text={text} />
          ))}
        </div>
      )}
      {linesOf(kind, app, launch).map(({ title, text }) => (
        <Copyable key={title} title={title} text={text} />
      ))}
    </section>
  );
}

export function Commands({ session, app, kinds }: { session: EhrSession; app: App; kinds: readonly ByHand[] }) {
  return (
    <div className="commands">
      {kinds.map((kind) => (
        <Kind key={kind} session={session} app={app} kind={kind} />
      ))}
    </div>
  );
}
