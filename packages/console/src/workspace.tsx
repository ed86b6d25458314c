/** What is around a signed-in person: loaded once somebody has signed in, so that the sign-in page stays small. */
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import type { SignedInPerson } from './api.ts';
import { loadChart } from './ehr/chart-panel.tsx';
import { type EhrSession, startSession } from './ehr/session.ts';
import { Shell } from './shell.tsx';

/** @throws ApiError when no token is given */
export const startWork = (person: SignedInPerson): Promise<EhrSession> => startSession(person, loadChart);

const queries = new QueryClient({
  defaultOptions: {
    // What changes is pushed by the server; nothing is asked for because time has passed.
    queries: { staleTime: Number.POSITIVE_INFINITY, refetchOnWindowFocus: false, refetchOnReconnect: false, retry: 1 },
  },
});

export function Workspace({ session, onSignOut }: { session: EhrSession; onSignOut: () => void }) {
  return (
    <QueryClientProvider client={queries}>
      <Shell session={session} onSignOut={onSignOut} />
    </QueryClientProvider>
  );
}
