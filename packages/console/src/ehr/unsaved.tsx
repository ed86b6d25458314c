import { Button, Modal } from '@mantine/core';
import { useEffect } from 'react';
import { Who } from '../identity.tsx';
import { useStore } from '../store.ts';
import type { NoteLeaving } from './notes.ts';
import type { EhrSession } from './session.ts';

const ACTIONS: Readonly<Record<NoteLeaving['why'], string>> = {
  followed: 'follow',
  closed: 'close',
  'signed-out': 'sign out',
};

/** Something unsaved would be left behind: the person decides what becomes of it. */
export function Unsaved({ session }: { session: EhrSession }) {
  const question = useStore(session.notes.question);
  const { drafts } = useStore(session.book.desk);
  const unsaved = drafts.size > 0;

  useEffect(() => {
    if (!unsaved) return undefined;
    const ask = (event: BeforeUnloadEvent): void => event.preventDefault();
    addEventListener('beforeunload', ask);
    return () => removeEventListener('beforeunload', ask);
  }, [unsaved]);

  const action = question && ACTIONS[question.leaving.why];
  return (
    <Modal
      opened={question !== undefined}
      onClose={() => question?.answer('stay')}
      title="A note is not saved"
      closeButtonProps={{ 'aria-label': 'Stay here' }}
    >
      {question && (
        <>
          {question.problem !== undefined && (
            <p className="problem" role="alert">
              {question.problem}
            </p>
          )}
          {question.leaving.why === 'followed' && (
            <p>
              Another application opened <Who patient={question.leaving.to} />
            </p>
          )}
          <p>{question.of.length === 1 ? 'Your note is not saved on' : 'Your notes are not saved on'}</p>
          <ul>
            {question.of.map((patient) => (
              <li key={patient.id}>
                <Who patient={patient} />
              </li>
            ))}
          </ul>
          <div className="modal-end">
            <Button variant="default" onClick={() => question.answer('stay')}>
              Stay here
            </Button>
            <Button variant="default" onClick={() => question.answer('discard')}>
              Discard and {action}
            </Button>
            <Button data-autofocus onClick={() => question.answer('save')}>
              Save and {action}
            </Button>
          </div>
        </>
      )}
    </Modal>
  );
}
