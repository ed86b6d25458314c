import { CloseButton } from '@mantine/core';
import { type KeyboardEvent, useEffect, useRef } from 'react';
import { identityText, Who } from '../identity.tsx';
import { t } from '../language/language.ts';
import { useStore } from '../store.ts';
import { shownChart } from './desk.ts';
import type { EhrSession } from './session.ts';
import styles from './tabs.module.css';

/** One tab a patient. Changing tabs opens the patient again for everybody; closing a tab closes the patient. */
export function Tabs({ session }: { session: EhrSession }) {
  const desk = useStore(session.book.desk);
  const { tabs, drafts } = desk;
  const active = shownChart(desk)?.patient.id;
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const [tab, row] = [document.getElementById(`tab-${active}`), list.current];
    if (!tab || !row) return undefined;
    // Of many tabs the one in front is in sight, however wide the window is made. The page is not scrolled for it.
    const bringIntoSight = (): void => {
      const [outer, inner] = [row.getBoundingClientRect(), tab.getBoundingClientRect()];
      if (inner.left < outer.left) row.scrollLeft += inner.left - outer.left;
      else if (inner.right > outer.right) row.scrollLeft += inner.right - outer.right;
    };
    bringIntoSight();
    const resized = new ResizeObserver(bringIntoSight);
    resized.observe(row);
    return () => resized.disconnect();
  }, [active]);
  if (tabs.length === 0) return null;

  function move(event: KeyboardEvent, index: number): void {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (step === 0) return;
    event.preventDefault();
    const next = tabs[(index + step + tabs.length) % tabs.length];
    if (!next) return;
    void session.publishing.openPatient(next.patient);
    document.getElementById(`tab-${next.patient.id}`)?.focus();
  }

  return (
    <div className={styles.tabs}>
      <div ref={list} role="tablist" aria-label={t('ehr.openPatients')} className={styles.list}>
        {tabs.map(({ patient }, index) => {
          const { id = '' } = patient;
          const front = id === active;
          return (
            <div key={id} className={styles.tab} data-front={front || undefined} role="presentation">
              <button
                type="button"
                role="tab"
                id={`tab-${id}`}
                aria-selected={front}
                aria-controls="chart"
                tabIndex={front || (active === undefined && index === 0) ? 0 : -1}
                onClick={() => void session.publishing.openPatient(patient)}
                onKeyDown={(event) => move(event, index)}
              >
                <Who patient={patient} stacked />
                {drafts.has(id) && (
                  <span
                    className={styles.unsaved}
                    role="img"
                    aria-label={t('ehr.noteNotSaved')}
                    title={t('ehr.noteNotSaved')}
                  />
                )}
              </button>
            </div>
          );
        })}
      </div>
      <div className={styles.closers}>
        {tabs
          .filter(({ patient }) => patient.id === active)
          .map(({ patient }) => (
            <CloseButton
              key={patient.id}
              size="sm"
              aria-label={t('ehr.closeNamed', { title: identityText(patient) })}
              title={t('ehr.closeNamed', { title: identityText(patient) })}
              onClick={() => void session.closePatient(patient)}
            />
          ))}
      </div>
    </div>
  );
}
