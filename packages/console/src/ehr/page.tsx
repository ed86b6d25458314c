/** The EHR: patients, their charts in tabs, and the applications that run beside them. */
import { Button } from '@mantine/core';
import { Who } from '../identity.tsx';
import { t } from '../language/language.ts';
import { useStore } from '../store.ts';
import textStyles from '../ui/text.module.css';
import { ChartPanel } from './chart-panel.tsx';
import { ClosedPatient } from './closed-patient.tsx';
import { shownChart } from './desk.ts';
import { Dock } from './dock.tsx';
import { DraftList } from './draft-list.tsx';
import styles from './page.module.css';
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
        <div className={styles.empty} data-testid="no-chart">
          <h2>{t('ehr.noChartIsOpen')}</h2>
          <p>{t('ehr.openAPatientFromTheList')}</p>
        </div>
      );
    case 'not-in-record':
      return (
        <div className={styles.empty} data-testid="no-chart" role="alert">
          <h2>{t('ehr.notInThisRecord')}</h2>
          <p>{t('ehr.theSessionHasAPatientOpen')}</p>
          {shown.patient && <Who patient={shown.patient} />}
        </div>
      );
    case 'unreadable':
      return (
        <div className={styles.empty} data-testid="no-chart" role="alert">
          <h2>{t('ehr.theRecordCouldNotBeRead')}</h2>
          <p>{t('ehr.notFollowed', { reason: shown.reason })}</p>
          {shown.patient && <Who patient={shown.patient} />}
          <Button onClick={() => session.following.again()}>{t('ehr.tryAgain')}</Button>
        </div>
      );
  }
}

export function EhrPage({ session }: { session: EhrSession }) {
  const chart = shownChart(useStore(session.book.desk));
  return (
    <div className={styles.ehr}>
      <h1 className={textStyles.srOnly}>{t('ehr.ehr')}</h1>
      <PatientList session={session} />
      <section className={styles.charts} aria-label={t('ehr.charts')}>
        <Tabs session={session} />
        <ClosedPatient session={session} />
        <DraftList session={session} />
        {chart ? <ChartPanel key={chart.patient.id} session={session} chart={chart} /> : <NoChart session={session} />}
      </section>
      <Dock session={session} />
    </div>
  );
}
