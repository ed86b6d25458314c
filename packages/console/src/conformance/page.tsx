/** The conformance suite: choose, run, watch, read, take along. */
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { type ConformanceRun, type ConformanceSetup, get } from '../api.ts';
import { Problem, Waiting } from '../ui/problem.tsx';
import { RunForm } from './form.tsx';
import { Report } from './report.tsx';
import { Running } from './running.tsx';
import { useRun } from './watch.ts';

function Watched({ started }: { started: ConformanceRun }) {
  const { run, interrupted } = useRun(started);
  if (run.status === 'running') return <Running run={run} interrupted={interrupted} />;
  return <Report run={run} watched={started.status === 'running'} />;
}

export default function Conformance() {
  const [started, setStarted] = useState<ConformanceRun>();
  const setup = useQuery({
    queryKey: ['conformance'],
    queryFn: () => get<ConformanceSetup>('/api/console/conformance'),
    staleTime: 0,
    gcTime: 0,
  });
  const run = started ?? setup.data?.run;
  return (
    <div className="page">
      <header>
        <h1>Conformance</h1>
        <p className="lead">
          Holds a Hub, or an application, to the sentences of the specification by what it does on the wire. The suite
          writes to the sessions it is given, and calls the addresses you enter.
        </p>
      </header>
      {setup.isPending && <Waiting />}
      {setup.isError && <Problem error={setup.error} retry={() => void setup.refetch()} />}
      {setup.data && <RunForm setup={setup.data} onStarted={setStarted} />}
      {run && <Watched key={run.id} started={run} />}
    </div>
  );
}
