import { Button, Group, Modal } from '@mantine/core';
import { useStore } from '../store.ts';
import type { EhrSession } from './session.ts';

/** Another application goes elsewhere while a note is not saved: the person decides what becomes of it. */
export function Unsaved({ session }: { session: EhrSession }) {
  const question = useStore(session.following.question);
  return (
    <Modal
      opened={question !== undefined}
      onClose={() => question?.answer('stay')}
      title="A note is not saved"
      closeButtonProps={{ 'aria-label': 'Stay here' }}
    >
      {question && (
        <>
          <p>
            Another application opened <strong>{question.to}</strong>. Your note on <strong>{question.from}</strong> is
            not saved.
          </p>
          <Group justify="flex-end" mt="md" gap="xs">
            <Button variant="default" onClick={() => question.answer('stay')}>
              Stay here
            </Button>
            <Button variant="default" onClick={() => question.answer('discard')}>
              Discard and follow
            </Button>
            <Button data-autofocus onClick={() => question.answer('save')}>
              Save and follow
            </Button>
          </Group>
        </>
      )}
    </Modal>
  );
}
