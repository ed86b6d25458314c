/** What is around every page: where one can go, who is signed in, and the strip that says who follows. */
import { ActionIcon, Button, Menu, Modal, Tooltip, useComputedColorScheme, useMantineColorScheme } from '@mantine/core';
import { lazy, type ReactNode, Suspense, useEffect, useState } from 'react';
import { get } from './api.ts';
import { shownChart } from './ehr/desk.ts';
import { LeavingApps } from './ehr/leaving.tsx';
import { Objections } from './ehr/objections.tsx';
import { EhrPage } from './ehr/page.tsx';
import type { EhrSession } from './ehr/session.ts';
import { Strip, useHeadline } from './ehr/strip.tsx';
import { Unsaved } from './ehr/unsaved.tsx';
import { identityText } from './identity.tsx';
import { Link, usePath } from './router.tsx';
import { useStore } from './store.ts';
import { Brand } from './ui/brand.tsx';
import { Waiting } from './ui/problem.tsx';

const Gallery = lazy(() => import('./apps/gallery.tsx'));
const NewApp = lazy(() => import('./apps/new-app.tsx'));
const AppPage = lazy(() => import('./apps/app-page.tsx'));
const Sessions = lazy(() => import('./sessions/list.tsx'));
const Inspector = lazy(() => import('./sessions/inspector.tsx'));
const LaunchBuilder = lazy(() => import('./launch/builder.tsx'));
const Users = lazy(() => import('./users/list.tsx'));
const NewUser = lazy(() => import('./users/new-user.tsx'));
const UserPage = lazy(() => import('./users/user-page.tsx'));
const Conformance = lazy(() => import('./conformance/page.tsx'));
const Password = lazy(() => import('./password.tsx'));

function pageOf(path: string, session: EhrSession): { title: string; page?: ReactNode } {
  const [, first = '', second] = path.split('/').map(decodeURIComponent);
  const { administrator } = session.person;
  switch (first) {
    case '':
      return { title: 'EHR' };
    case 'apps':
      if (second === undefined) return { title: 'Apps', page: <Gallery session={session} /> };
      if (!administrator) return { title: 'Apps', page: <ForAdministrators /> };
      if (second === 'new') return { title: 'Register an app', page: <NewApp /> };
      return { title: 'App', page: <AppPage key={second} id={second} /> };
    case 'sessions':
      if (!administrator) return { title: 'Sessions', page: <ForAdministrators /> };
      if (second === undefined) return { title: 'Sessions', page: <Sessions /> };
      return { title: 'Session', page: <Inspector key={second} topic={second} /> };
    case 'users':
      if (!administrator) return { title: 'Users', page: <ForAdministrators /> };
      if (second === undefined) return { title: 'Users', page: <Users /> };
      if (second === 'new') return { title: 'Add a user', page: <NewUser /> };
      return { title: 'User', page: <UserPage key={second} id={second} person={session.person} /> };
    case 'conformance':
      return { title: 'Conformance', page: administrator ? <Conformance /> : <ForAdministrators /> };
    case 'launch':
      return { title: 'Launch builder', page: <LaunchBuilder session={session} /> };
    default:
      return { title: 'Not found', page: <NotFound /> };
  }
}

function ForAdministrators() {
  return (
    <div className="page">
      <h1>For administrators</h1>
      <p>Sign in as an administrator to see this page.</p>
    </div>
  );
}

function NotFound() {
  return (
    <div className="page">
      <h1>There is no such page</h1>
      <p>
        <Link href="/">Back to the EHR</Link>
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
    <Tooltip label={`Change to ${other}`}>
      <ActionIcon variant="subtle" color="gray" aria-label={`Change to ${other}`} onClick={() => setColorScheme(other)}>
        <svg viewBox="0 0 16 16" width="15" height="15" fill="currentColor" aria-hidden="true">
          <path d="M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm0 1.6v10.8A5.4 5.4 0 0 1 8 2.6Z" />
        </svg>
      </ActionIcon>
    </Tooltip>
  );
}

/** The sign-in has ended elsewhere. What is on the page stays until the person has seen why. */
function SignedOut({ session }: { session: EhrSession }) {
  const out = useStore(session.signedOut);
  const again = (): void => location.reload();
  return (
    <Modal opened={out} onClose={again} withCloseButton={false} title="You are signed out">
      <p>The sign-in has ended: after its time, in another window, or by an administrator. Notes not saved are lost.</p>
      <div className="modal-end">
        <Button data-autofocus onClick={again}>
          Sign in
        </Button>
      </div>
    </Modal>
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

  useTitle(session, title);

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
        Skip to the content
      </a>
      <header className="top">
        <Brand />
        <nav aria-label="Pages">
          <NavLink href="/">EHR</NavLink>
          <NavLink href="/apps">Apps</NavLink>
          {person.administrator && <NavLink href="/sessions">Sessions</NavLink>}
          {person.administrator && <NavLink href="/users">Users</NavLink>}
          <NavLink href="/launch">Launch builder</NavLink>
          {person.administrator && <NavLink href="/conformance">Conformance</NavLink>}
        </nav>
        <div className="top-right">
          {person.workstation !== undefined && (
            <span className="workstation" title={person.workstation}>
              {person.workstation}
            </span>
          )}
          <SchemeButton />
          <Menu position="bottom-end" withinPortal={false} withInitialFocusPlaceholder={false}>
            <Menu.Target>
              <button type="button" className="who">
                {person.name}
                <svg viewBox="0 0 10 6" width="9" aria-hidden="true">
                  <path d="M1 1l4 4 4-4" fill="none" stroke="currentColor" strokeWidth="1.5" />
                </svg>
              </button>
            </Menu.Target>
            <Menu.Dropdown>
              <Menu.Item onClick={() => setPassword('wanted')}>Change password</Menu.Item>
              <Menu.Item onClick={onSignOut}>Sign out</Menu.Item>
            </Menu.Dropdown>
          </Menu>
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
        {password !== undefined && <Password needed={password === 'needed'} onDone={() => setPassword(undefined)} />}
      </Suspense>
    </div>
  );
}
