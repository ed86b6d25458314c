/** What a signed-in person works with: the session's strip, its EHR and the pages. Loaded once the shell is on the screen. */
import { Button } from '@mantine/core';
import { type ComponentType, type ReactNode, Suspense, useEffect, useState } from 'react';
import { get, type SignedInPerson } from './api.ts';
import { Boundary } from './boundary.tsx';
import { loadChart } from './ehr/chart-panel.tsx';
import { shownChart } from './ehr/desk.ts';
import { DraftList } from './ehr/draft-list.tsx';
import { LeavingApps } from './ehr/leaving.tsx';
import { Objections } from './ehr/objections.tsx';
import { EhrPage } from './ehr/page.tsx';
import { type EhrSession, startSession } from './ehr/session.ts';
import { Strip, useStanding } from './ehr/strip.tsx';
import { Unsaved } from './ehr/unsaved.tsx';
import { identityText } from './identity.tsx';
import { t } from './language/language.ts';
import { loadMessages } from './language/load.ts';
import { Link, usePath } from './router.tsx';
import shellStyles from './shell.module.css';
import { sheet } from './shortcut-sheet-shown.ts';
import { listenForShortcuts } from './shortcuts.ts';
import { useStore } from './store.ts';
import dialogStyles from './ui/dialog.module.css';
import { Dialog } from './ui/dialog.tsx';
import { lazyPart } from './ui/lazy-part.tsx';
import pageStyles from './ui/page.module.css';
import { Problem, Waiting } from './ui/problem.tsx';

/** A part with the parts of the catalog that it speaks from. */
function speakingPart<Props extends object>(
  load: () => Promise<{ default: ComponentType<Props> }>,
  ...parts: readonly string[]
) {
  return lazyPart(async () => {
    const [part] = await Promise.all([load(), ...parts.map(loadMessages)]);
    return part;
  });
}

/** A page that reads something, which is loaded as well when it is first shown. */
function lazyPage<Props extends object>(
  load: () => Promise<{ default: ComponentType<Props> }>,
  ...parts: readonly string[]
) {
  return speakingPart(
    async () => {
      const [{ default: Page }, { withQueries }] = await Promise.all([load(), import('./ui/queries.tsx')]);
      return { default: withQueries(Page) };
    },
    ...parts,
  );
}

const Gallery = speakingPart(() => import('./apps/gallery.tsx'), 'apps');
const NewApp = speakingPart(() => import('./apps/new-app.tsx'), 'apps');
const AppPage = lazyPage(() => import('./apps/app-page.tsx'), 'apps');
const Sessions = lazyPage(() => import('./sessions/list.tsx'), 'sessions');
const Inspector = lazyPage(() => import('./sessions/inspector.tsx'), 'sessions');
const LaunchBuilder = lazyPage(() => import('./launch/builder.tsx'), 'launch', 'apps');
const Users = lazyPage(() => import('./users/list.tsx'), 'users');
const NewUser = lazyPage(() => import('./users/new-user.tsx'), 'users');
const UserPage = lazyPage(() => import('./users/user-page.tsx'), 'users');
const Conformance = lazyPage(() => import('./conformance/page.tsx'), 'conformance');
const Worklist = lazyPage(() => import('./worklist/page.tsx'), 'worklist');
const OpenLink = lazyPage(() => import('./links/open-link.tsx'), 'links');
const Guests = lazyPage(() => import('./guests/page.tsx'), 'guests');
const Join = lazyPage(() => import('./guests/join.tsx'), 'guests');
const ShortcutSheet = speakingPart(() => import('./shortcut-sheet.tsx'), 'shortcuts');
const Password = speakingPart(() => import('./password.tsx'), 'users');

/** The parts of a path; an address that is not well formed is one that leads nowhere. */
function partsOf(path: string): readonly string[] {
  try {
    return path.split('/').map(decodeURIComponent);
  } catch {
    return ['', path];
  }
}

function pageOf(path: string, session: EhrSession): { title: string; page?: ReactNode } {
  const [, first = '', second, third, fourth] = partsOf(path);
  const { administrator } = session.person;
  switch (first) {
    case '':
      return { title: t('shell.ehr') };
    case 'apps':
      if (second === undefined) return { title: t('shell.apps'), page: <Gallery session={session} /> };
      if (!administrator) return { title: t('shell.apps'), page: <ForAdministrators /> };
      if (second === 'new') return { title: t('shell.registerAnApp'), page: <NewApp session={session} /> };
      return { title: t('shell.app'), page: <AppPage key={second} session={session} id={second} /> };
    case 'sessions':
      if (!administrator) return { title: t('shell.sessions'), page: <ForAdministrators /> };
      if (second === undefined) return { title: t('shell.sessions'), page: <Sessions /> };
      return { title: t('shell.session'), page: <Inspector key={second} topic={second} /> };
    case 'users':
      if (!administrator) return { title: t('shell.users'), page: <ForAdministrators /> };
      if (second === undefined) return { title: t('shell.users'), page: <Users /> };
      if (second === 'new') return { title: t('shell.addAUser'), page: <NewUser /> };
      return { title: t('shell.user'), page: <UserPage key={second} id={second} person={session.person} /> };
    case 'conformance':
      return { title: t('shell.conformance'), page: administrator ? <Conformance /> : <ForAdministrators /> };
    case 'worklist':
      return { title: t('shell.worklist'), page: <Worklist session={session} /> };
    case 'guests':
      return { title: t('shell.guests'), page: <Guests session={session} /> };
    case 'join':
      if (second === undefined) return { title: t('shell.notFound'), page: <NotFound /> };
      return { title: t('shell.openALink'), page: <Join key={second} session={session} code={second} /> };
    case 'patients':
      if (second && (third === undefined || (third === 'studies' && fourth)))
        return {
          title: t('shell.openALink'),
          page: <OpenLink key={path} session={session} patient={second} study={fourth} />,
        };
      return { title: t('shell.notFound'), page: <NotFound /> };
    case 'launch':
      return { title: t('shell.launchBuilder'), page: <LaunchBuilder session={session} /> };
    default:
      return { title: t('shell.notFound'), page: <NotFound /> };
  }
}

function ForAdministrators() {
  return (
    <div className={pageStyles.page}>
      <h1>{t('shell.forAdministrators')}</h1>
      <p>{t('shell.signInAsAnAdministratorTo')}</p>
    </div>
  );
}

function NotFound() {
  return (
    <div className={pageStyles.page}>
      <h1>{t('shell.thereIsNoSuchPage')}</h1>
      <p>
        <Link href="/">{t('shell.backToTheEhr')}</Link>
      </p>
    </div>
  );
}

/** The sign-in has ended elsewhere. What is on the page stays until the person has seen why. */
function SignedOut({ session }: { session: EhrSession }) {
  const out = useStore(session.signedOut);
  const again = (): void => location.reload();
  if (!out) return null;
  return (
    <Dialog onClose={again} title={t('shell.youAreSignedOut')}>
      <p>{t('shell.theSignInHasEndedAfter')}</p>
      <div className={dialogStyles.end}>
        <Button data-autofocus onClick={again}>
          {t('shell.signIn')}
        </Button>
      </div>
    </Dialog>
  );
}

/** The window's title: whether something is wrong, whose chart is open, and the page. */
function useTitle(session: EhrSession, page: string): void {
  const { status, words } = useStanding(session).headline;
  const chart = shownChart(useStore(session.book.desk));
  const alarm = status === 'out-of-sync' || status === 'closed' ? `(!) ${words}` : '';
  const who = chart ? identityText(chart.patient) : '';
  const title = [alarm, who, page, 'Lockstep'].filter(Boolean).join(' · ');
  useEffect(() => {
    document.title = title;
  }, [title]);
}

/** @throws ApiError when no token is given */
export const startWork = (person: SignedInPerson): Promise<EhrSession> => startSession(person, loadChart);

/** Whether an administrator signed in with a one-time password, and has to choose one. */
function useNeedsPassword({ administrator }: SignedInPerson): [boolean, () => void] {
  const [needed, setNeeded] = useState(false);
  useEffect(() => {
    if (!administrator) return;
    get<{ mustChoosePassword: boolean }>('/api/console/me').then(
      ({ mustChoosePassword }) => setNeeded(mustChoosePassword),
      () => undefined,
    );
  }, [administrator]);
  return [needed, () => setNeeded(false)];
}

interface WorkspaceProps {
  readonly session: EhrSession;
  /** Whether the person wants to change their password. */
  readonly changesPassword: boolean;
  readonly onPasswordDone: () => void;
}

export function Workspace({ session, changesPassword, onPasswordDone }: WorkspaceProps) {
  const path = usePath();
  const { title, page } = pageOf(path, session);
  const [needsPassword, hasPassword] = useNeedsPassword(session.person);
  const showsSheet = useStore(sheet);
  /** How often a page was tried again that could not be drawn. */
  const [attempts, setAttempts] = useState(0);

  useTitle(session, title);
  useEffect(() => listenForShortcuts(session), [session]);

  function passwordDone(): void {
    hasPassword();
    onPasswordDone();
  }

  return (
    <>
      <Strip session={session} />
      <main id="content" className={shellStyles.content} tabIndex={-1}>
        {/* The EHR and the applications in it go on while another page is looked at. */}
        <div className={shellStyles.keep} hidden={page !== undefined}>
          <EhrPage session={session} />
        </div>
        <Boundary
          key={`${path} ${attempts}`}
          instead={
            <Problem error={new Error(t('shell.pageNotDrawn'))} retry={() => setAttempts((count) => count + 1)} />
          }
        >
          <Suspense fallback={<Waiting />}>{page}</Suspense>
        </Boundary>
      </main>
      <Unsaved session={session} />
      <LeavingApps session={session} />
      <Objections session={session} />
      <SignedOut session={session} />
      <Suspense>
        {showsSheet && <ShortcutSheet />}
        {(needsPassword || changesPassword) && <Password needed={needsPassword} onDone={passwordDone} />}
      </Suspense>
    </>
  );
}

/** In the place of a workspace that could not be drawn and has left the session. What was typed in it is not gone with it (HZ-15). */
export function NotDrawn({ session }: { session: EhrSession }) {
  return (
    <>
      <Problem error={new Error(t('start.notDrawn'))} retry={() => location.reload()} />
      <Boundary instead={null}>
        <DraftList session={session} left />
      </Boundary>
      <Unsaved session={session} />
    </>
  );
}
