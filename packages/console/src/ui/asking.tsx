import { Button } from '@mantine/core';
import { t } from '../language/language.ts';
import dialogStyles from './dialog.module.css';
import { Dialog } from './dialog.tsx';

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
  if (question === undefined) return null;
  return (
    <Dialog title={question.title} onClose={onCancel}>
      <p>{question.text}</p>
      <div className={dialogStyles.end}>
        <Button variant="default" onClick={onCancel}>
          {t('shell.cancel')}
        </Button>
        <Button data-autofocus loading={busy} onClick={onConfirm}>
          {question.action}
        </Button>
      </div>
    </Dialog>
  );
}
