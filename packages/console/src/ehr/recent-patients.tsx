import { nameOf } from '../fhir.ts';
import { identityText } from '../identity.tsx';
import { t } from '../language/language.ts';
import { useStore } from '../store.ts';
import textStyles from '../ui/text.module.css';
import styles from './recent-patients.module.css';
import type { EhrSession } from './session.ts';

/** Who was open before and is not now, the latest first. */
export function RecentPatients({ session }: { session: EhrSession }) {
  const recent = useStore(session.kept.recent);
  const { tabs } = useStore(session.book.desk);
  const open = new Set(tabs.map(({ patient }) => patient.id));
  const closed = recent.filter(({ id }) => !open.has(id));
  if (closed.length === 0) return null;
  return (
    <nav className={styles.recent} aria-label={t('ehr.recentPatients')}>
      <span className={textStyles.label}>{t('ehr.recent')}</span>
      {closed.map((patient) => (
        <button
          key={patient.id}
          type="button"
          title={identityText(patient)}
          aria-label={t('ehr.openNamed', { title: identityText(patient) })}
          onClick={() => void session.publishing.openPatient(patient)}
        >
          <bdi>{nameOf(patient)}</bdi>
        </button>
      ))}
    </nav>
  );
}
