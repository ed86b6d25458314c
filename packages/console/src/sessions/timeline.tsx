import { useVirtualizer } from '@tanstack/react-virtual';
import { type KeyboardEvent, useEffect, useRef } from 'react';
import type { TimelineEntry } from '../api.ts';
import { date, t } from '../language/language.ts';
import { Rich } from '../language/rich.tsx';
import textStyles from '../ui/text.module.css';
import { describe, toneOf } from './rows.ts';
import styles from './timeline.module.css';

const ROW = 25;

function timeOf(ms: number): string {
  return date(new Date(ms), { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3 });
}

export interface TimelineProps {
  readonly entries: readonly TimelineEntry[];
  readonly selected: number | undefined;
  readonly onSelect: (entry: TimelineEntry) => void;
  /** Whether the newest row stays in view. */
  readonly follow: boolean;
  /** Of clients, by id. */
  readonly names: ReadonlyMap<string, string>;
}

/** Every entry is a row; only the rows in view exist, so ten thousand scroll like ten. */
export function Timeline({ entries, selected, onSelect, follow, names }: TimelineProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({
    count: entries.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    overscan: 12,
    getItemKey: (index) => entries[index]?.seq ?? index,
  });
  const { length } = entries;

  useEffect(() => {
    if (follow && length > 0) rows.scrollToIndex(length - 1, { align: 'end' });
  }, [follow, length, rows]);

  function move(event: KeyboardEvent): void {
    const at = entries.findIndex(({ seq }) => seq === selected);
    const steps: Readonly<Record<string, number>> = { ArrowDown: 1, ArrowUp: -1, PageDown: 20, PageUp: -20 };
    const by = steps[event.key];
    const to = event.key === 'Home' ? 0 : event.key === 'End' ? length - 1 : by === undefined ? undefined : at + by;
    if (to === undefined || length === 0) return;
    event.preventDefault();
    const index = Math.min(length - 1, Math.max(0, to));
    const entry = entries[index];
    if (!entry) return;
    onSelect(entry);
    rows.scrollToIndex(index);
  }

  return (
    <div
      ref={scroller}
      className={styles.timeline}
      role="listbox"
      aria-label={t('sessions.timeline')}
      aria-activedescendant={selected === undefined ? undefined : `entry-${selected}`}
      tabIndex={0}
      onKeyDown={move}
    >
      <div role="presentation" style={{ height: rows.getTotalSize() }}>
        {rows.getVirtualItems().map(({ index, key, start }) => {
          const entry = entries[index];
          if (!entry) return null;
          const { what, detail } = describe(entry, names);
          return (
            <div
              key={key}
              id={`entry-${entry.seq}`}
              role="option"
              tabIndex={-1}
              aria-selected={entry.seq === selected}
              aria-setsize={length}
              aria-posinset={index + 1}
              className={styles.entry}
              data-tone={toneOf(entry)}
              data-kind={entry.kind}
              style={{ transform: `translateY(${start}px)` }}
              onClick={() => onSelect(entry)}
              onKeyDown={() => undefined}
            >
              <span className={styles.time}>{timeOf(entry.at)}</span>
              <span className={styles.what} title={what}>
                {what}
              </span>
              <span className={styles.detail} title={detail}>
                {detail}
              </span>
              {entry.ms !== undefined && (
                <span className={styles.ms}>
                  {t('sessions.ms', { ms: entry.ms })}
                  <svg width="40" height="6" aria-hidden="true">
                    <rect width={Math.min(40, 1 + Math.log2(1 + entry.ms) * 4)} height="6" rx="1" />
                  </svg>
                </span>
              )}
            </div>
          );
        })}
      </div>
    </div>
  );
}

/** The latest answers as bars over time: height is the time it took, color whether it followed. */
export function LatencyPlot({ entries }: { entries: readonly TimelineEntry[] }) {
  const answers = entries.filter(({ kind, ms }) => kind === 'answered' && ms !== undefined).slice(-120);
  const times = answers.map(({ ms = 0 }) => ms);
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  if (answers.length === 0) return <span className={textStyles.label}>{t('sessions.noAnswersYet')}</span>;
  const top = Math.max(20, ...times);
  const label = t('sessions.answersWithin', { count: answers.length, half: at(0.5), most: at(0.99) });
  return (
    <figure className={styles.latency}>
      <svg width={answers.length * 3} height="30" role="img" aria-label={label}>
        {answers.map((entry, index) => (
          <rect
            key={entry.seq}
            data-tone={toneOf(entry)}
            x={index * 3}
            y={30 - Math.max(2, ((entry.ms ?? 0) / top) * 30)}
            width="2"
            height={Math.max(2, ((entry.ms ?? 0) / top) * 30)}
          />
        ))}
      </svg>
      <figcaption>
        <Rich
          id="sessions.halfWithin"
          values={{
            half: <b>{t('sessions.ms', { ms: at(0.5) })}</b>,
            most: <b>{t('sessions.ms', { ms: at(0.99) })}</b>,
          }}
        />
      </figcaption>
    </figure>
  );
}
