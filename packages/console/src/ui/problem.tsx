import { Button } from '@mantine/core';
import { words } from '../api.ts';
import { t } from '../language/language.ts';
import styles from './problem.module.css';

/** What went wrong, and a way on. */
export function Problem({ error, retry }: { error: unknown; retry?: () => void }) {
  return (
    <div className={styles.problem} role="alert">
      <span>{words(error)}</span>
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
