/** Who is signed in decides what is shown: the sign-in page, or the console around the session. */
import { Suspense, useCallback, useEffect, useRef, useState } from 'react';
import { flushSync } from 'react-dom';
import { ApiError, post, type SignedInPerson, setCsrf, words } from './api.ts';
import { serverPath } from './base.ts';
import { Boundary } from './boundary.tsx';
import type { EhrSession } from './ehr/session.ts';
import { t } from './language/language.ts';
import { loadMessages } from './language/load.ts';
import { painted } from './painted.ts';
import type { Shell, Work } from './shell.tsx';
import type { SignInWays } from './sign-in.tsx';
import { lazyPart } from './ui/lazy-part.tsx';
import { Problem, Waiting } from './ui/problem.tsx';

/** Loaded where nobody is signed in. */
const SignIn = lazyPart(() => import('./sign-in.tsx'));

type State =
  | { readonly kind: 'asking' }
  | { readonly kind: 'unreachable'; readonly error: unknown }
  | { readonly kind: 'signed-out'; readonly ways: SignInWays }
  | {
      readonly kind: 'signed-in';
      readonly person: SignedInPerson;
      readonly Frame: typeof Shell;
      /** Undefined until the shell is on the screen and the session is there. */
      readonly work?: Work;
    };

async function whoIsThere(): Promise<SignedInPerson | SignInWays> {
  const response = await fetch(serverPath('/auth/session'), { headers: { accept: 'application/json' } });
  if (response.ok) return (await response.json()) as SignedInPerson;
  if (response.status !== 401)
    throw new ApiError(response.status, t('start.theServerAnswered', { status: response.status }));
  return (await response.json()) as SignInWays;
}

export function Console() {
  const [state, setState] = useState<State>({ kind: 'asking' });
  /** Who is signed in: they may sign out while their session is made ready. */
  const here = useRef<SignedInPerson>(undefined);

  const enter = useCallback(async (person: SignedInPerson) => {
    setCsrf(person.csrf);
    const [{ Shell: Frame }] = await Promise.all([import('./shell.tsx'), loadMessages('shell')]);
    here.current = person;
    flushSync(() => setState({ kind: 'signed-in', person, Frame }));
    // The rest is much larger: the shell is painted before it comes.
    await painted();
    try {
      const { NotDrawn, startWork, Workspace } = await import('./workspace.tsx');
      if (here.current !== person) return;
      const session = await startWork(person);
      if (here.current === person)
        setState({ kind: 'signed-in', person, Frame, work: { session, Workspace, NotDrawn } });
      else session.end();
    } catch (error) {
      if (here.current === person) setState({ kind: 'unreachable', error });
    }
  }, []);

  const begin = useCallback(async () => {
    try {
      const answer = await whoIsThere();
      if ('user' in answer) await enter(answer);
      else setState({ kind: 'signed-out', ways: answer });
    } catch (error) {
      setState({ kind: 'unreachable', error });
    }
  }, [enter]);

  useEffect(() => {
    void begin();
  }, [begin]);

  async function signOut({ csrf }: SignedInPerson, session: EhrSession | undefined): Promise<void> {
    if (session && !(await session.signOut())) return;
    session?.end();
    here.current = undefined;
    const headers = { 'x-csrf-token': csrf };
    const response = await fetch(serverPath('/auth/session'), { method: 'DELETE', headers });
    // Who came from an outside provider signs out there too.
    if (response.status === 200) location.assign(((await response.json()) as { sign_out_url: string }).sign_out_url);
    else await begin();
  }

  switch (state.kind) {
    case 'asking':
      return <Waiting what={t('start.starting')} />;
    case 'unreachable':
      return (
        <Problem error={new Error(t('start.unreachable', { error: words(state.error) }))} retry={() => void begin()} />
      );
    case 'signed-out':
      return (
        <Suspense fallback={<Waiting what={t('start.starting')} />}>
          <SignIn
            ways={state.ways}
            onSignIn={async (given) => enter(await post<SignedInPerson>('/auth/session', given))}
          />
        </Suspense>
      );
    case 'signed-in':
      return (
        <Boundary
          onFailed={() => {
            document.title = 'Lockstep';
            state.work?.session.end();
          }}
          instead={
            state.work ? (
              <state.work.NotDrawn session={state.work.session} />
            ) : (
              <Problem error={new Error(t('start.notDrawn'))} retry={() => location.reload()} />
            )
          }
        >
          <state.Frame
            person={state.person}
            work={state.work}
            onSignOut={() => void signOut(state.person, state.work?.session)}
          />
        </Boundary>
      );
  }
}
