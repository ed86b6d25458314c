import { Button } from '@mantine/core';
import { useState } from 'react';
import { t } from '../language/language.ts';
import styles from './copyable.module.css';

/** Text to take along, with a button that copies it. */
export function Copyable({ title, text, secret = false }: { title: string; text: string; secret?: boolean }) {
  const [state, setState] = useState<'ready' | 'copied' | 'refused'>('ready');

  async function copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(text);
      setState('copied');
    } catch {
      setState('refused');
    }
  }

  return (
    <div className={styles.copyable} data-testid="copyable" data-secret={secret || undefined}>
      <span className={styles.title}>{title}</span>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <pre tabIndex={0}>{text}</pre>
      <Button variant="default" aria-label={t('shell.copyNamed', { title })} onClick={() => void copy()}>
        {state === 'copied' ? t('shell.copied') : state === 'refused' ? t('shell.selectAndCopyIt') : t('shell.copy')}
      </Button>
    </div>
  );
}
