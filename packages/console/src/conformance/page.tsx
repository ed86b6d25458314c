/** The conformance suite: choose, run, watch, read, take along. */
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { type ConformanceRun, type ConformanceSetup, get } from '../api.ts';
import { ForeignName } from '../foreign-text.tsx';
import { t } from '../language/language.ts';
import { Rich } from '../language/rich.tsx';
import { useQueryText } from '../router.tsx';
import pageStyles from '../ui/page.module.css';
import { Problem, Waiting } from '../ui/problem.tsx';
import textStyles from '../ui/text.module.css';
import { RunForm } from './form.tsx';
import { History, Kept } from './history.tsx';
import styles from './page.module.css';
import { Report } from './report.tsx';
import { Running } from './running.tsx';
import { useRun } from './watch.ts';

function Watched({ started, onStarted }: { started: ConformanceRun; onStarted: (run: ConformanceRun) => void }) {
  const { run, interrupted } = useRun(started);
  const client = useQueryClient();
  const ended = started.status === 'running' && run.status !== 'running';
  // Its report is one of the earlier ones from now on.
  useEffect(() => {
    if (ended) void client.invalidateQueries({ queryKey: ['conformance'], exact: true });
  }, [ended, client]);
  if (run.status === 'running') return <Running run={run} interrupted={interrupted} />;
  return <Report run={run} watched={started.status === 'running'} onStarted={onStarted} />;
}

/** Runs of other administrators: two at one Hub at once disturb each other's timings. */
function Others({ runs }: { runs: readonly ConformanceRun[] }) {
  return runs.map(({ id, name, done, total }) => (
    <p key={id} className={textStyles.label}>
      <Rich
        id="conformance.otherIsTesting"
        values={{
          name: (
            <span className={textStyles.mono}>
              <ForeignName text={name} />
            </span>
          ),
          done,
          total,
        }}
      />
    </p>
  ));
}

function Runs() {
  const [started, setStarted] = useState<ConformanceRun>();
  const setup = useQuery({
    queryKey: ['conformance'],
    queryFn: () => get<ConformanceSetup>('/api/console/conformance'),
    staleTime: 0,
    gcTime: 0,
  });
  const run = started ?? setup.data?.run;
  return (
    <>
      {setup.isPending && <Waiting />}
      {setup.isError && <Problem error={setup.error} retry={() => void setup.refetch()} />}
      {setup.data && <Others runs={setup.data.others} />}
      {setup.data && <RunForm setup={setup.data} onStarted={setStarted} />}
      {run && <Watched key={run.id} started={run} onStarted={setStarted} />}
      {setup.data && <History reports={setup.data.reports} />}
    </>
  );
}

export default function Conformance() {
  const query = new URLSearchParams(useQueryText());
  const report = query.get('report');
  return (
    <div className={`${pageStyles.page} ${styles.conformance}`}>
      <header>
        <h1>{t('conformance.conformance')}</h1>
        <p className={textStyles.lead}>{t('conformance.holdsAHubOrAnApplication')}</p>
      </header>
      {report === null ? <Runs /> : <Kept key={report} id={report} since={query.get('since')} />}
    </div>
  );
}
