import { Button, Modal } from '@mantine/core';
import { useEffect } from 'react';
import { useStore } from '../store.ts';
import type { Leaving } from './notes.ts';
import type { EhrSession } from './session.ts';

const ACTIONS: Readonly<Record<Leaving['why'], string>> = {
  followed: 'follow',
  closed: 'close',
  'signed-out': 'sign out',
};

/** Something unsaved would be left behind: the person decides what becomes of it. */
export function Unsaved({ session }: { session: EhrSession }) {
  const question = useStore(session.notes.question);
  const drafts = useStore(session.book.drafts);
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
          <p>
            {question.leaving.why === 'followed' && (
              <>
                Another application opened <strong>{question.leaving.to}</strong>.{' '}
              </>
            )}
            {question.of.length === 1 ? 'Your note on ' : 'Your notes on '}
            <strong>{question.of.join(', ')}</strong>
            {question.of.length === 1 ? ' is not saved.' : ' are not saved.'}
          </p>
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
