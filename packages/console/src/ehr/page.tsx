/** The EHR: patients, their charts in tabs, and the applications that run beside them. */
import { Button } from '@mantine/core';
import { Who } from '../identity.tsx';
import { useStore } from '../store.ts';
import { ChartView } from './chart.tsx';
import { shownChart } from './desk.ts';
import { Dock } from './dock.tsx';
import { DraftList } from './draft-list.tsx';
import { PatientList } from './patients.tsx';
import type { EhrSession } from './session.ts';
import { Tabs } from './tabs.tsx';

/** What stands in the place of a chart. */
function NoChart({ session }: { session: EhrSession }) {
  const { shown } = useStore(session.book.desk);
  switch (shown.kind) {
    case 'chart':
    case 'nothing':
      return (
        <div className="empty">
          <h2>No chart is open</h2>
          <p>Open a patient from the list. Every application in your session follows.</p>
        </div>
      );
    case 'not-in-record':
      return (
        <div className="empty" role="alert">
          <h2>Not in this record</h2>
          <p>The session has a patient open whom this record does not have. The EHR does not follow.</p>
          {shown.patient && <Who patient={shown.patient} />}
        </div>
      );
    case 'unreadable':
      return (
        <div className="empty" role="alert">
          <h2>The record could not be read</h2>
          <p>{shown.reason} The EHR does not follow.</p>
          {shown.patient && <Who patient={shown.patient} />}
          <Button onClick={() => session.following.again()}>Try again</Button>
        </div>
      );
  }
}

export function EhrPage({ session }: { session: EhrSession }) {
  const chart = shownChart(useStore(session.book.desk));
  return (
    <div className="ehr">
      <h1 className="sr-only">EHR</h1>
      <PatientList session={session} />
      <section className="charts" aria-label="Charts">
        <Tabs session={session} />
        <DraftList session={session} />
        {chart ? <ChartView key={chart.patient.id} session={session} chart={chart} /> : <NoChart session={session} />}
      </section>
      <Dock session={session} />
    </div>
  );
}
