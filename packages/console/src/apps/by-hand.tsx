/** Apps that are not started by a click: what to run, with this session in it, and a launch that brings a token. */
import type { LaunchParameters } from '@lockstep/fhircast';
import { Button, Group } from '@mantine/core';
import { useEffect, useState } from 'react';
import { type App, type LaunchedApp, post, type Told, told } from '../api.ts';
import { serverUrl } from '../base.ts';
import type { EhrSession } from '../ehr/session.ts';
import { appWords } from '../language/app-words.ts';
import { t } from '../language/language.ts';
import { Copyable } from '../ui/copyable.tsx';
import { Alert } from '../ui/problem.tsx';
import styles from './by-hand.module.css';
import { type ByHand, type Line, launchedLines, linesOf } from './commands.ts';
import { openWindow } from './run.ts';

/** How long the ticket of a launch is good, ms. */
const TICKET_LIFE = 60_000;

type Form = LaunchedApp['form'];

const FORM_OF = { 'command-line': 'switches', web: 'web', file: 'file' } as const satisfies Readonly<
  Record<Exclude<ByHand, 'derived'>, Form>
>;

function Kind({ session, app, kind }: { session: EhrSession; app: App; kind: ByHand }) {
  const [launched, setLaunched] = useState<readonly Line[]>();
  const [problem, setProblem] = useState<Told>();
  const [busy, setBusy] = useState<Form>();
  const launch: LaunchParameters = {
    hubUrl: `${serverUrl()}/hub`,
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
          if (made.form !== 'web') throw new Error(t('apps.otherLaunch'));
          return made.url;
        });
      } else setLaunched(launchedLines(await ask(), app));
    } catch (error) {
      setProblem(told(error, (said) => t('apps.wasNotLaunched', { name: appWords(app.name), error: said })));
    }
    setBusy(undefined);
  }

  const own = kind === 'derived' ? undefined : FORM_OF[kind];
  return (
    <section className={styles.way} aria-label={t(`apps.kind.${kind}.long`)}>
      <header>
        <h3>{t(`apps.kind.${kind}.long`)}</h3>
        {own && app.status === 'active' && (
          <Group gap={8}>
            <Button
              aria-label={t('apps.makeNamed', { action: t(`apps.make.${own}`), name: appWords(app.name) })}
              loading={busy === own}
              onClick={() => void make(own)}
            >
              {t(`apps.make.${own}`)}
            </Button>
            <Button
              variant="default"
              aria-label={t('apps.aTicketFor', { name: appWords(app.name) })}
              loading={busy === 'ticket'}
              onClick={() => void make('ticket')}
            >
              {t('apps.aTicket')}
            </Button>
          </Group>
        )}
      </header>
      {problem && <Alert {...problem} />}
      {launched && (
        <div className={styles.launched} role="status">
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
    <div className={styles.commands} data-commands>
      {kinds.map((kind) => (
        <Kind key={kind} session={session} app={app} kind={kind} />
      ))}
    </div>
  );
}
