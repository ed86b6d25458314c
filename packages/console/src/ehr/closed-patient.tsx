import { Button, CloseButton } from '@mantine/core';
import { identityText, Who } from '../identity.tsx';
import { t } from '../language/language.ts';
import { useStore } from '../store.ts';
import styles from './closed-patient.module.css';
import type { EhrSession } from './session.ts';

/** Opens the patient again whose tab was closed last. */
export async function openClosedAgain(session: EhrSession): Promise<void> {
  const patient = session.lastClosed.get();
  session.lastClosed.set(undefined);
  if (patient) await session.publishing.openPatient(patient);
}

/** The tab that was closed last can be had back. */
export function ClosedPatient({ session }: { session: EhrSession }) {
  const patient = useStore(session.lastClosed);
  const { tabs } = useStore(session.book.desk);
  if (!patient || tabs.some((tab) => tab.patient.id === patient.id)) return null;
  return (
    <div className={styles.closed} role="status">
      <span>{t('ehr.closed')}</span>
      <Who patient={patient} />
      <Button
        variant="default"
        aria-label={t('ehr.openAgainNamed', { title: identityText(patient) })}
        onClick={() => void openClosedAgain(session)}
      >
        {t('ehr.openAgain')}
      </Button>
      <CloseButton size="sm" aria-label={t('ehr.dismiss')} onClick={() => session.lastClosed.set(undefined)} />
    </div>
  );
}
