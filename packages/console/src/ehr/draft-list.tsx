/** Notes whose patients are not open any more: they wait here until they are saved or discarded. */
import { Button } from '@mantine/core';
import { useState } from 'react';
import { type Told, told } from '../api.ts';
import { identityText, Who } from '../identity.tsx';
import { t } from '../language/language.ts';
import { useStore } from '../store.ts';
import { ToldText } from '../ui/problem.tsx';
import type { Draft } from './desk.ts';
import styles from './draft-list.module.css';
import type { EhrSession } from './session.ts';

interface DraftListProps {
  readonly session: EhrSession;
  /** Whether this window has left the session: none of its patients is open then, and none can be opened. */
  readonly left?: boolean;
}

function Waiting({ session, left, draft: { patient, text } }: DraftListProps & { draft: Draft }) {
  const [problem, setProblem] = useState<Told>();

  async function save(): Promise<void> {
    try {
      await session.saveDraft(patient);
    } catch (error) {
      setProblem(told(error, (said) => t('ehr.theNoteWasNotSaved', { error: said })));
    }
  }

  const of = identityText(patient);
  return (
    <li className={styles.waiting}>
      <Who patient={patient} />
      <q>{text}</q>
      {problem && (
        <span role="alert">
          <ToldText {...problem} />
        </span>
      )}
      <span className={styles.actions}>
        <Button
          variant="default"
          aria-label={t('ehr.discardTheNoteOn', { of })}
          onClick={() => session.book.setDraft(patient, '')}
        >
          {t('ehr.discard')}
        </Button>
        {!left && (
          <Button
            variant="default"
            aria-label={t('ehr.openNamed', { title: of })}
            onClick={() => void session.publishing.openPatient(patient)}
          >
            {t('ehr.open')}
          </Button>
        )}
        <Button disabled={text.trim() === ''} aria-label={t('ehr.saveTheNoteOn', { of })} onClick={() => void save()}>
          {t('ehr.save')}
        </Button>
      </span>
    </li>
  );
}

export function DraftList({ session, left = false }: DraftListProps) {
  const { drafts, tabs } = useStore(session.book.desk);
  const open = new Set(tabs.map(({ patient }) => patient.id));
  const waiting = [...drafts.values()].filter(({ patient }) => left || !open.has(patient.id));
  if (waiting.length === 0) return null;
  return (
    <section className={styles.drafts} aria-label={t('ehr.notesThatAreNotSaved')}>
      <h2>{t('ehr.draftsTitle')}</h2>
      <ul>
        {waiting.map((draft) => (
          <Waiting key={draft.patient.id} session={session} left={left} draft={draft} />
        ))}
      </ul>
    </section>
  );
}
