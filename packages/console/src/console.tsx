/** Who is signed in decides what is shown: the sign-in page, or the console around the session. */
import { lazy, Suspense, useCallback, useEffect, useState } from 'react';
import { ApiError, post, type SignedInPerson, setCsrf, words } from './api.ts';
import { serverPath } from './base.ts';
import type { EhrSession } from './ehr/session.ts';
import { t } from './language/language.ts';
import { loadMessages } from './language/load.ts';
import type { SignInWays } from './sign-in.tsx';
import { Problem, Waiting } from './ui/problem.tsx';

/** Loaded where nobody is signed in. */
const SignIn = lazy(() => import('./sign-in.tsx'));

type WorkspaceModule = typeof import('./workspace.tsx');

type State =
  | { readonly kind: 'asking' }
  | { readonly kind: 'unreachable'; readonly error: unknown }
  | { readonly kind: 'signed-out'; readonly ways: SignInWays }
  | { readonly kind: 'signed-in'; readonly session: EhrSession; readonly Workspace: WorkspaceModule['Workspace'] };

async function whoIsThere(): Promise<SignedInPerson | SignInWays> {
  const response = await fetch(serverPath('/auth/session'), { headers: { accept: 'application/json' } });
  if (response.ok) return (await response.json()) as SignedInPerson;
  if (response.status !== 401)
    throw new ApiError(response.status, t('start.theServerAnswered', { status: response.status }));
  return (await response.json()) as SignInWays;
}

export function Console() {
  const [state, setState] = useState<State>({ kind: 'asking' });

  const enter = useCallback(async (person: SignedInPerson) => {
    setCsrf(person.csrf);
    const [{ startWork, Workspace }] = await Promise.all([import('./workspace.tsx'), loadMessages('shell')]);
    const session = await startWork(person);
    setState({ kind: 'signed-in', session, Workspace });
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

  async function signOut(session: EhrSession): Promise<void> {
    if (!(await session.signOut())) return;
    session.end();
    const headers = { 'x-csrf-token': session.person.csrf };
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
      return <state.Workspace session={state.session} onSignOut={() => void signOut(state.session)} />;
  }
}
