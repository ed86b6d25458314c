// React 18 or newer. The hooks of @lockstep/client/react render again when state or context change.
import type { Subscriber } from '@lockstep/client';
import { useCurrentContext, useSyncState } from '@lockstep/client/react';

export function OpenPatient({ subscriber }: { subscriber: Subscriber }) {
  const context = useCurrentContext(subscriber);
  const state = useSyncState(subscriber);
  return (
    <section>
      <p role="status">{state.status === 'in-sync' ? 'In sync' : `Not in sync: ${state.status}`}</p>
      <p>{context ? `${context.type}/${context.id}` : 'nothing is open'}</p>
    </section>
  );
}
