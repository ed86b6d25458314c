/** Notes whose patients are not open any more: they wait here until they are saved or discarded. */
import { Button } from '@mantine/core';
import { useState } from 'react';
import { words } from '../api.ts';
import { identityText, Who } from '../identity.tsx';
import { useStore } from '../store.ts';
import type { Draft } from './desk.ts';
import type { EhrSession } from './session.ts';

function Waiting({ session, draft: { patient, text } }: { session: EhrSession; draft: Draft }) {
  const [problem, setProblem] = useState<string>();

  async function save(): Promise<void> {
    try {
      await session.saveDraft(patient);
    } catch (error) {
      setProblem(`The note was not saved: ${words(error)}`);
    }
  }

  const of = identityText(patient);
  return (
    <li className="draft-waiting">
      <Who patient={patient} />
      <q>{text}</q>
      {problem !== undefined && <span role="alert">{problem}</span>}
      <span className="draft-actions">
        <Button
          variant="default"
          aria-label={`Discard the note on ${of}`}
          onClick={() => session.book.setDraft(patient, '')}
        >
          Discard
        </Button>
        <Button
          variant="default"
          aria-label={`Open ${of}`}
          onClick={() => void session.publishing.openPatient(patient)}
        >
          Open
        </Button>
        <Button disabled={text.trim() === ''} aria-label={`Save the note on ${of}`} onClick={() => void save()}>
          Save
        </Button>
      </span>
    </li>
  );
}

export function DraftList({ session }: { session: EhrSession }) {
  const { drafts, tabs } = useStore(session.book.desk);
  const open = new Set(tabs.map(({ patient }) => patient.id));
  const waiting = [...drafts.values()].filter(({ patient }) => !open.has(patient.id));
  if (waiting.length === 0) return null;
  return (
    <section className="drafts" aria-label="Notes that are not saved">
      <h2>Not saved</h2>
      <ul>
        {waiting.map((draft) => (
          <Waiting key={draft.patient.id} session={session} draft={draft} />
        ))}
      </ul>
    </section>
  );
}
