import { Button, Modal } from '@mantine/core';
import { useStore } from '../store.ts';
import type { AppLeaving } from './docked-apps.ts';
import type { EhrSession } from './session.ts';

const ACTIONS: Readonly<Record<AppLeaving, string>> = {
  close: 'Close it all the same',
  move: 'Move it all the same',
  'sign-out': 'Sign out all the same',
};

/** An application beside the chart has unsaved work: the person decides whether it is left. */
export function LeavingApps({ session }: { session: EhrSession }) {
  const question = useStore(session.apps.question);
  return (
    <Modal
      opened={question !== undefined}
      onClose={() => question?.answer(false)}
      title="Work is not saved"
      closeButtonProps={{ 'aria-label': 'Stay here' }}
    >
      {question && (
        <>
          <ul>
            {question.works.map(({ app, what }) => (
              <li key={app}>
                <bdi>{app}</bdi>: {what}.
              </li>
            ))}
          </ul>
          <div className="modal-end">
            <Button data-autofocus onClick={() => question.answer(false)}>
              Stay here
            </Button>
            <Button variant="default" onClick={() => question.answer(true)}>
              {ACTIONS[question.leaving]}
            </Button>
          </div>
        </>
      )}
    </Modal>
  );
}
