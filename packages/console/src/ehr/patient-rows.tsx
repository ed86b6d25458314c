import type { ReactNode, RefObject } from 'react';
import styles from './patient-rows.module.css';

/** Height of a row, px. */
export const ROW = 44;

export interface PatientRowsProps {
  /** What the rows are scrolled in. */
  readonly scroller: RefObject<HTMLDivElement | null>;
  /** Of the patients, in order. */
  readonly ids: readonly string[];
  readonly row: (index: number) => ReactNode;
  /** Called with the last row that is shown: more may be read then. */
  readonly onLast: (index: number) => void;
}

/** One row at its place. */
export function PlacedRow({ index, start, children }: { index: number; start: number; children: ReactNode }) {
  return (
    <li style={{ transform: `translateY(${start}px)` }} aria-setsize={-1} aria-posinset={index + 1}>
      {children}
    </li>
  );
}

/** Every row of a list that is short. */
export function AllRows({ ids, row }: PatientRowsProps) {
  return (
    <ul className={styles.list} style={{ height: ids.length * ROW }}>
      {ids.map((id, index) => (
        <PlacedRow key={id} index={index} start={index * ROW}>
          {row(index)}
        </PlacedRow>
      ))}
    </ul>
  );
}
