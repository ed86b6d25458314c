import { Button } from '@mantine/core';
import { number, t } from '../language/language.ts';
import styles from './pager.module.css';

interface PagerProps {
  /** How many entries come before the page. */
  readonly offset: number;
  /** Entries on a page. */
  readonly size: number;
  readonly total: number;
  readonly onMove: (offset: number) => void;
}

/** Leads through a list that is longer than a page; nothing where it is not. */
export function Pager({ offset, size, total, onMove }: PagerProps) {
  if (total <= size && offset === 0) return null;
  const last = Math.min(offset + size, total);
  return (
    <nav className={styles.pager} aria-label={t('shell.pagesOfTheList')}>
      <Button variant="default" disabled={offset === 0} onClick={() => onMove(Math.max(0, offset - size))}>
        {t('shell.previousPage')}
      </Button>
      <span>{t('shell.range', { first: number(offset + 1), last: number(last), total: number(total) })}</span>
      <Button variant="default" disabled={last >= total} onClick={() => onMove(offset + size)}>
        {t('shell.nextPage')}
      </Button>
    </nav>
  );
}
