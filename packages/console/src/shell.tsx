/** What is around every page: where one can go, who is signed in, and the strip that says who follows. */
import { ActionIcon, Button, useComputedColorScheme, useMantineColorScheme } from '@mantine/core';
import { type ComponentType, lazy, type ReactNode, Suspense, useEffect, useState } from 'react';
import { get } from './api.ts';
import { shownChart } from './ehr/desk.ts';
import { LeavingApps } from './ehr/leaving.tsx';
import { Objections } from './ehr/objections.tsx';
import { EhrPage } from './ehr/page.tsx';
import type { EhrSession } from './ehr/session.ts';
import { Strip, useHeadline } from './ehr/strip.tsx';
import { Unsaved } from './ehr/unsaved.tsx';
import { identityText } from './identity.tsx';
import { t } from './language/language.ts';
import { loadMessages } from './language/load.ts';
import { PersonMenuButton } from './person-menu-button.tsx';
import { Link, usePath } from './router.tsx';
import { listenForShortcuts, sheet } from './shortcuts.ts';
import { useStore } from './store.ts';
import { Brand } from './ui/brand.tsx';
import { Dialog } from './ui/dialog.tsx';
import { Waiting } from './ui/problem.tsx';

/** A page that is loaded when it is first shown, with the parts of the catalog that it speaks from. */
function lazyPage<Props>(load: () => Promise<{ default: ComponentType<Props> }>, ...parts: readonly string[]) {
  return lazy(async () => {
    const [page] = await Promise.all([load(), ...parts.map(loadMessages)]);
    return page;
  });
}

const Gallery = lazyPage(() => import('./apps/gallery.tsx'), 'apps');
const NewApp = lazyPage(() => import('./apps/new-app.tsx'), 'apps');
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
const ShortcutSheet = lazyPage(() => import('./shortcut-sheet.tsx'), 'shortcuts');
const Password = lazyPage(() => import('./password.tsx'), 'users');

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
      if (second === 'new') return { title: t('shell.registerAnApp'), page: <NewApp /> };
      return { title: t('shell.app'), page: <AppPage key={second} id={second} /> };
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
    <div className="page">
      <h1>{t('shell.forAdministrators')}</h1>
      <p>{t('shell.signInAsAnAdministratorTo')}</p>
    </div>
  );
}

function NotFound() {
  return (
    <div className="page">
      <h1>{t('shell.thereIsNoSuchPage')}</h1>
      <p>
        <Link href="/">{t('shell.backToTheEhr')}</Link>
      </p>
    </div>
  );
}

function NavLink({ href, children }: { href: string; children: ReactNode }) {
  const path = usePath();
  const here = href === '/' ? path === '/' : path.startsWith(href);
  return (
    <Link href={href} aria-current={here ? 'page' : undefined}>
      {children}
    </Link>
  );
}

function SchemeButton() {
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme('dark');
  const other = scheme === 'dark' ? 'light' : 'dark';
  return (
    <ActionIcon
      variant="subtle"
      color="gray"
      aria-label={t(other === 'dark' ? 'shell.darkScheme' : 'shell.lightScheme')}
      title={t(other === 'dark' ? 'shell.darkScheme' : 'shell.lightScheme')}
      onClick={() => setColorScheme(other)}
    >
      <svg viewBox="0 0 16 16" width="15" height="15" fill="currentColor" aria-hidden="true">
        <path d="M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm0 1.6v10.8A5.4 5.4 0 0 1 8 2.6Z" />
      </svg>
    </ActionIcon>
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
      <div className="modal-end">
        <Button data-autofocus onClick={again}>
          {t('shell.signIn')}
        </Button>
      </div>
    </Dialog>
  );
}

/** The window's title: whether something is wrong, whose chart is open, and the page. */
function useTitle(session: EhrSession, page: string): void {
  const { status, words } = useHeadline(session);
  const chart = shownChart(useStore(session.book.desk));
  const alarm = status === 'out-of-sync' || status === 'closed' ? `(!) ${words}` : '';
  const who = chart ? identityText(chart.patient) : '';
  const title = [alarm, who, page, 'Lockstep'].filter(Boolean).join(' · ');
  useEffect(() => {
    document.title = title;
  }, [title]);
}

export function Shell({ session, onSignOut }: { session: EhrSession; onSignOut: () => void }) {
  const path = usePath();
  const { person } = session;
  const { title, page } = pageOf(path, session);
  const [password, setPassword] = useState<'wanted' | 'needed'>();

  const showsSheet = useStore(sheet);

  useTitle(session, title);
  useEffect(() => listenForShortcuts(session), [session]);

  useEffect(() => {
    if (!person.administrator) return;
    get<{ mustChoosePassword: boolean }>('/api/console/me').then(
      ({ mustChoosePassword }) => mustChoosePassword && setPassword('needed'),
      () => undefined,
    );
  }, [person]);

  return (
    <div className="shell">
      <a className="skip" href="#content">
        {t('shell.skipToTheContent')}
      </a>
      <header className="top">
        <Brand />
        <nav aria-label={t('shell.pages')}>
          <NavLink href="/">{t('shell.ehr')}</NavLink>
          <NavLink href="/worklist">{t('shell.worklist')}</NavLink>
          <NavLink href="/guests">{t('shell.guests')}</NavLink>
          <NavLink href="/apps">{t('shell.apps')}</NavLink>
          {person.administrator && <NavLink href="/sessions">{t('shell.sessions')}</NavLink>}
          {person.administrator && <NavLink href="/users">{t('shell.users')}</NavLink>}
          <NavLink href="/launch">{t('shell.launchBuilder')}</NavLink>
          {person.administrator && <NavLink href="/conformance">{t('shell.conformance')}</NavLink>}
        </nav>
        <div className="top-right">
          {person.workstation !== undefined && (
            <span className="workstation" title={person.workstation}>
              {person.workstation}
            </span>
          )}
          <SchemeButton />
          <PersonMenuButton person={person} onPassword={() => setPassword('wanted')} onSignOut={onSignOut} />
        </div>
      </header>
      <Strip session={session} />
      <main id="content" tabIndex={-1}>
        {/* The EHR and the applications in it go on while another page is looked at. */}
        <div className="keep" hidden={page !== undefined}>
          <EhrPage session={session} />
        </div>
        <Suspense fallback={<Waiting />}>{page}</Suspense>
      </main>
      <Unsaved session={session} />
      <LeavingApps session={session} />
      <Objections session={session} />
      <SignedOut session={session} />
      <Suspense>
        {showsSheet && <ShortcutSheet />}
        {password !== undefined && <Password needed={password === 'needed'} onDone={() => setPassword(undefined)} />}
      </Suspense>
    </div>
  );
}
