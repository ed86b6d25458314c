import { Button } from '@mantine/core';
import { type Told, told } from '../api.ts';
import { ForeignText } from '../foreign-text.tsx';
import { t } from '../language/language.ts';
import styles from './problem.module.css';

/** What went wrong, in a line; what the server said of it in its own language can be unfolded. */
export function ToldText({ text, details }: Told) {
  if (details === undefined || details === '') return <ForeignText text={text} />;
  return (
    <>
      <ForeignText text={text} />{' '}
      <details className={styles.details}>
        <summary>{t('start.details')}</summary>
        <bdi lang="en">{details}</bdi>
      </details>
    </>
  );
}

/** What went wrong, as an alert. */
export function Alert(told: Told) {
  return (
    <div className={styles.problem} role="alert">
      <span>
        <ToldText {...told} />
      </span>
    </div>
  );
}

/** What went wrong, and a way on. */
export function Problem({ error, retry }: { error: unknown; retry?: () => void }) {
  return (
    <div className={styles.problem} role="alert">
      <span>
        <ToldText {...told(error)} />
      </span>
      {retry && (
        <Button variant="default" onClick={retry}>
          {t('start.tryAgain')}
        </Button>
      )}
    </div>
  );
}

/** Something is being read. It shows only after a while: what is fast needs no word. */
export function Waiting({ what = t('start.reading') }: { what?: string }) {
  return (
    <p className={styles.waiting} data-testid="waiting" role="status">
      {t('start.waiting', { what })}
    </p>
  );
}
