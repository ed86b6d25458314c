import { useEffect, useState } from 'react';
import type { App } from '../api.ts';
import { isForeign, watchLaunch } from './run.ts';

/** Says when an app does not come for its authorization after its launch, and what may be wrong. */
export function Silent({ app, address, framed = false }: { app: App; address: string; framed?: boolean }) {
  const [silent, setSilent] = useState(false);
  const foreign = isForeign(app);
  useEffect(() => {
    setSilent(false);
    return foreign ? watchLaunch(address, setSilent) : undefined;
  }, [foreign, address]);
  if (!silent) return null;
  return (
    <p className="problem silent" role="alert">
      <span>
        {app.name} has not asked for its authorization. Is <span className="mono">{app.launchUrl}</span> its launch
        address, and does its server run?
        {framed && ' If it does not let itself be shown in a frame, run it in a window of its own.'}
      </span>
    </p>
  );
}
