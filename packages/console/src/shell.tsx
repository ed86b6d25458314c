/** What is around every page: where one can go, and who is signed in. It is drawn before the session is there. */
import { useComputedColorScheme, useMantineColorScheme } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import type { SignedInPerson } from './api.ts';
import type { EhrSession } from './ehr/session.ts';
import stripStyles from './ehr/strip.module.css';
import { t } from './language/language.ts';
import { PersonMenuButton } from './person-menu-button.tsx';
import { Link, usePath } from './router.tsx';
import styles from './shell.module.css';
import { Brand } from './ui/brand.tsx';
import { Waiting } from './ui/problem.tsx';
import workstationStyles from './ui/workstation.module.css';
import type { NotDrawn, Workspace } from './workspace.tsx';

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
    <button
      type="button"
      className={styles.scheme}
      aria-label={t(other === 'dark' ? 'shell.darkScheme' : 'shell.lightScheme')}
      title={t(other === 'dark' ? 'shell.darkScheme' : 'shell.lightScheme')}
      onClick={() => setColorScheme(other)}
    >
      <svg viewBox="0 0 16 16" width="15" height="15" fill="currentColor" aria-hidden="true">
        <path d="M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm0 1.6v10.8A5.4 5.4 0 0 1 8 2.6Z" />
      </svg>
    </button>
  );
}

/** What stands in the place of the session's work until that is there. */
function Arriving() {
  return (
    <>
      <div className={stripStyles.strip}>
        <div className={stripStyles.row} />
      </div>
      <main id="content" className={styles.content} tabIndex={-1}>
        <Waiting what={t('start.starting')} />
      </main>
    </>
  );
}

/** The session, and what draws it. */
export interface Work {
  readonly session: EhrSession;
  readonly Workspace: typeof Workspace;
  /** What is shown instead once that could not be drawn. */
  readonly NotDrawn: typeof NotDrawn;
}

interface ShellProps {
  readonly person: SignedInPerson;
  /** Undefined while it is made ready. */
  readonly work: Work | undefined;
  readonly onSignOut: () => void;
}

export function Shell({ person, work, onSignOut }: ShellProps) {
  const [changesPassword, setChangesPassword] = useState(false);
  return (
    <div className={styles.shell}>
      <a className={styles.skip} href="#content">
        {t('shell.skipToTheContent')}
      </a>
      <header className={styles.top} data-testid="top">
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
        <div className={styles.right}>
          {person.workstation !== undefined && (
            <span className={workstationStyles.workstation} title={person.workstation}>
              {person.workstation}
            </span>
          )}
          <SchemeButton />
          <PersonMenuButton person={person} onPassword={() => setChangesPassword(true)} onSignOut={onSignOut} />
        </div>
      </header>
      {work ? (
        <work.Workspace
          session={work.session}
          changesPassword={changesPassword}
          onPasswordDone={() => setChangesPassword(false)}
        />
      ) : (
        <Arriving />
      )}
    </div>
  );
}
