import { CloseButton } from '@mantine/core';
import type { KeyboardEvent } from 'react';
import { nameOf } from '../fhir.ts';
import { useStore } from '../store.ts';
import type { EhrSession } from './session.ts';

/** One tab a patient. Changing tabs opens the patient anew for everybody; closing a tab closes the patient. */
export function Tabs({ session }: { session: EhrSession }) {
  const { tabs, active } = useStore(session.book.charts);
  const drafts = useStore(session.book.drafts);
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
    <div className="tabs">
      <div role="tablist" aria-label="Open patients" className="tab-list">
        {tabs.map(({ patient }, index) => {
          const { id = '' } = patient;
          const front = id === active;
          const name = nameOf(patient);
          return (
            <div key={id} className="tab" data-front={front || undefined} role="presentation">
              <button
                type="button"
                role="tab"
                id={`tab-${id}`}
                aria-selected={front}
                aria-controls="chart"
                tabIndex={front ? 0 : -1}
                onClick={() => void session.publishing.openPatient(patient)}
                onKeyDown={(event) => move(event, index)}
              >
                {name}
                {drafts.has(id) && (
                  <span className="unsaved-dot" role="img" aria-label="note not saved" title="Note not saved" />
                )}
              </button>
            </div>
          );
        })}
      </div>
      <div className="tab-closers">
        {tabs
          .filter(({ patient }) => patient.id === active)
          .map(({ patient }) => (
            <CloseButton
              key={patient.id}
              size="sm"
              aria-label={`Close ${nameOf(patient)}`}
              title={`Close ${nameOf(patient)}`}
              onClick={() => void session.closeTab(patient.id ?? '')}
            />
          ))}
      </div>
    </div>
  );
}
