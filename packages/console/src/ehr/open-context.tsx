import { useCurrentContext } from '@lockstep/client/react';
import { Who } from '../identity.tsx';
import { t } from '../language/language.ts';
import { useStore } from '../store.ts';
import { anchorTitle, patientOf } from './context.ts';
import styles from './open-context.module.css';
import type { EhrSession } from './session.ts';

/** The patient of the session's current context, in the words of the record where it has been read, and what else is open. */
export function OpenContext({ session }: { session: EhrSession }) {
  const context = useCurrentContext(session.subscriber);
  const { shown } = useStore(session.book.desk);
  if (!context) return <span className={styles.context}>{t('ehr.nothingIsOpen')}</span>;
  const recorded = shown.kind === 'chart' && shown.of.id === context.id ? session.book.front?.patient : undefined;
  const patient = recorded ?? patientOf(context);
  const title = anchorTitle(context);
  return (
    <span className={styles.context}>
      {patient && <Who patient={patient} />}
      {title !== '' && (
        <bdi className={styles.anchor} title={title}>
          {title}
        </bdi>
      )}
    </span>
  );
}
