import { Button, Modal } from '@mantine/core';
import { t } from '../language/language.ts';

export interface Question {
  readonly title: string;
  readonly text: string;
  /** What happens, on the button. */
  readonly action: string;
}

/** Asks before something that cannot be taken back. */
export function Asking(props: {
  question: Question | undefined;
  busy?: boolean;
  onCancel: () => void;
  onConfirm: () => void;
}) {
  const { question, busy = false, onCancel, onConfirm } = props;
  return (
    <Modal opened={question !== undefined} onClose={onCancel} title={question?.title}>
      {question && (
        <>
          <p>{question.text}</p>
          <div className="modal-end">
            <Button variant="default" onClick={onCancel}>
              {t('start.cancel')}
            </Button>
            <Button data-autofocus loading={busy} onClick={onConfirm}>
              {question.action}
            </Button>
          </div>
        </>
      )}
    </Modal>
  );
}
