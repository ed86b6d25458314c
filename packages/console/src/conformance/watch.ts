import { useEffect, useState } from 'react';
import type { ConformanceRun } from '../api.ts';
import { serverPath } from '../base.ts';

/** The run as it goes on, pushed by the server; the browser connects again by itself when it was interrupted. */
export function useRun(started: ConformanceRun): { readonly run: ConformanceRun; readonly interrupted: boolean } {
  const [run, setRun] = useState(started);
  const [interrupted, setInterrupted] = useState(false);
  const { id } = started;
  const over = run.status !== 'running';

  useEffect(() => {
    if (over) return;
    const source = new EventSource(serverPath('/api/console/conformance/run/live'));
    source.onmessage = ({ data }) => {
      const next = JSON.parse(String(data)) as ConformanceRun;
      setInterrupted(false);
      // Another page of the same person may have begun another.
      if (next.id !== id) source.close();
      else setRun(next);
    };
    source.onerror = () => setInterrupted(true);
    return () => source.close();
  }, [id, over]);

  return { run, interrupted };
}
