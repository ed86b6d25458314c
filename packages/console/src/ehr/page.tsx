/** The EHR: patients, their charts in tabs, and the applications that run beside them. */
import { useStore } from '../store.ts';
import { ChartView } from './chart.tsx';
import { Dock } from './dock.tsx';
import { PatientList } from './patients.tsx';
import type { EhrSession } from './session.ts';
import { Tabs } from './tabs.tsx';

export function EhrPage({ session }: { session: EhrSession }) {
  const { tabs, active } = useStore(session.book.charts);
  const chart = tabs.find(({ patient }) => patient.id === active);
  return (
    <div className="ehr">
      <h1 className="sr-only">EHR</h1>
      <PatientList session={session} />
      <section className="charts" aria-label="Charts">
        <Tabs session={session} />
        {chart ? (
          <ChartView key={chart.patient.id} session={session} chart={chart} />
        ) : (
          <div className="empty">
            <h2>No chart is open</h2>
            <p>Open a patient from the list. Every application in your session follows.</p>
          </div>
        )}
      </section>
      <Dock session={session} />
    </div>
  );
}
