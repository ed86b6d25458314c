/** What pages read, kept by a library of its own: it is loaded with the first page that needs it. */
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import type { ComponentType } from 'react';

const queries = new QueryClient({
  defaultOptions: {
    // What changes is pushed by the server; nothing is asked for because time has passed.
    queries: { staleTime: Number.POSITIVE_INFINITY, refetchOnWindowFocus: false, refetchOnReconnect: false, retry: 1 },
  },
});

/** A component in which queries can be made. */
export function withQueries<Props extends object>(Component: ComponentType<Props>): ComponentType<Props> {
  return (props) => (
    <QueryClientProvider client={queries}>
      <Component {...props} />
    </QueryClientProvider>
  );
}
