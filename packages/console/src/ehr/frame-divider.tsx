/** Between two applications in the dock: moved with the pointer or the arrow keys, it gives one what the other loses. */
import type { KeyboardEvent, PointerEvent } from 'react';
import { appWords } from '../language/app-words.ts';
import { t } from '../language/language.ts';
import { useStore } from '../store.ts';
import { type DockedApp, type DockedApps, LEAST_PART } from './docked-apps.ts';
import styles from './frame-divider.module.css';

/** What a press of an arrow key moves. */
const STEP = 0.05;

export interface FrameDividerProps {
  readonly apps: DockedApps;
  readonly above: DockedApp;
  readonly below: DockedApp;
}

/** Where the pointer is between the top of the upper application and the bottom of the lower one. */
function partAt({ currentTarget, clientY }: PointerEvent<HTMLElement>): number {
  const top = currentTarget.previousElementSibling?.getBoundingClientRect().top ?? 0;
  const bottom = currentTarget.nextElementSibling?.getBoundingClientRect().bottom ?? 0;
  return (clientY - top) / (bottom - top);
}

export function FrameDivider({ apps, above, below }: FrameDividerProps) {
  const shares = useStore(apps.shares);
  const upper = shares[above.app.id] ?? 1;
  const part = upper / (upper + (shares[below.app.id] ?? 1));

  function onKeyDown(event: KeyboardEvent): void {
    const step = { ArrowUp: -STEP, ArrowDown: STEP }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    apps.divide(above, below, part + step);
  }

  return (
    <hr
      className={styles.divider}
      tabIndex={0}
      aria-orientation="horizontal"
      aria-label={t('ehr.divides', { above: appWords(above.app.name), below: appWords(below.app.name) })}
      aria-valuenow={Math.round(part * 100)}
      aria-valuemin={Math.round(LEAST_PART * 100)}
      aria-valuemax={Math.round((1 - LEAST_PART) * 100)}
      onKeyDown={onKeyDown}
      onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
      onPointerMove={(event) => {
        if (event.currentTarget.hasPointerCapture(event.pointerId)) apps.divide(above, below, partAt(event));
      }}
    />
  );
}
