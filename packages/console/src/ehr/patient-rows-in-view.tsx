import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect } from 'react';
import patientRowsStyles from './patient-rows.module.css';
import { type PatientRowsProps, PlacedRow, ROW } from './patient-rows.tsx';

/** Of a long list the rows in view. */
export default function RowsInView({ scroller, ids, row, onLast }: PatientRowsProps) {
  const rows = useVirtualizer({
    count: ids.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    overscan: 12,
    getItemKey: (index) => ids[index] ?? index,
  });
  const items = rows.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => onLast(last), [last, onLast]);
  return (
    <ul className={patientRowsStyles.list} style={{ height: rows.getTotalSize() }}>
      {items.map(({ index, start, key }) => (
        <PlacedRow key={key} index={index} start={start}>
          {row(index)}
        </PlacedRow>
      ))}
    </ul>
  );
}
