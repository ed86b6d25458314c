import { CloseButton } from '@mantine/core';
import { type MouseEvent, type ReactNode, type SyntheticEvent, useId, useLayoutEffect, useRef } from 'react';
import { t } from '../language/language.ts';
import styles from './dialog.module.css';

interface DialogProps {
  readonly title: string;
  /** The person wants to leave it: by its button, Escape, or a click beside it. */
  readonly onClose: () => void;
  /** What the button that closes it is called. */
  readonly closeLabel?: string;
  /** Whether it can be left without doing what it asks for. */
  readonly closable?: boolean;
  readonly children: ReactNode;
}

/** A question that is before everything else. The browser's own: it keeps the focus inside, and gives it back. */
export function Dialog({ title, onClose, closeLabel = t('shell.close'), closable = true, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();

  // At once: what is typed next is for the dialog.
  useLayoutEffect(() => {
    const shown = dialog.current;
    shown?.showModal();
    shown?.querySelector<HTMLElement>('[data-autofocus]')?.focus();
    return () => shown?.close();
  }, []);

  function cancel(event: SyntheticEvent): void {
    event.preventDefault();
    if (closable) onClose();
  }

  /**
   * A second Escape closes it whatever the page says. The browser reports that a moment later: when this dialog is gone by then, the
   * next one may already be open, and `onClose` would close that.
   */
  function closed(): void {
    if (!dialog.current) return;
    if (closable) onClose();
    else dialog.current.showModal();
  }

  function click(event: MouseEvent): void {
    if (closable && event.target === dialog.current) onClose();
  }

  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape does the same
    <dialog
      ref={dialog}
      className={styles.dialog}
      aria-labelledby={id}
      onCancel={cancel}
      onClose={closed}
      onClick={click}
    >
      <div className={styles.inside}>
        <div className={styles.title}>
          <h2 id={id}>{title}</h2>
          {closable && <CloseButton aria-label={closeLabel} onClick={onClose} />}
        </div>
        {children}
      </div>
    </dialog>
  );
}
