import { Button } from '@mantine/core';
import { useLayoutEffect } from 'react';
import { Who } from '../identity.tsx';
import { t } from '../language/language.ts';
import { useStore } from '../store.ts';
import dialogStyles from '../ui/dialog.module.css';
import { Dialog } from '../ui/dialog.tsx';
import problemStyles from '../ui/problem.module.css';
import type { EhrSession } from './session.ts';

/** Something unsaved would be left behind: the person decides what becomes of it. */
export function Unsaved({ session }: { session: EhrSession }) {
  const question = useStore(session.notes.question);
  const { drafts } = useStore(session.book.desk);
  // Who was signed out reads that notes are kept, and goes on to the sign-in unasked.
  const isSignedOut = useStore(session.signedOut);
  const unsaved = drafts.size > 0 && !isSignedOut;

  // At once: a window may be closed before it is painted again.
  useLayoutEffect(() => {
    if (!unsaved) return undefined;
    const ask = (event: BeforeUnloadEvent): void => event.preventDefault();
    addEventListener('beforeunload', ask);
    return () => removeEventListener('beforeunload', ask);
  }, [unsaved]);

  if (question === undefined) return null;
  return (
    <Dialog title={t('ehr.aNoteIsNotSaved')} closeLabel={t('ehr.stayHere')} onClose={() => question.answer('stay')}>
      {question.problem !== undefined && (
        <p className={problemStyles.problem} role="alert">
          {question.problem}
        </p>
      )}
      {question.leaving.why === 'followed' && (
        <p>
          {t('ehr.anotherApplicationOpened')} <Who patient={question.leaving.to} />
        </p>
      )}
      <p>{t('ehr.notesNotSavedOn', { count: question.of.length })}</p>
      <ul>
        {question.of.map((patient) => (
          <li key={patient.id}>
            <Who patient={patient} />
          </li>
        ))}
      </ul>
      <div className={dialogStyles.end}>
        <Button variant="default" onClick={() => question.answer('stay')}>
          {t('ehr.stayHere')}
        </Button>
        <Button variant="default" onClick={() => question.answer('discard')}>
          {t('ehr.discardAnd', { action: question.leaving.why })}
        </Button>
        <Button data-autofocus onClick={() => question.answer('save')}>
          {t('ehr.saveAnd', { action: question.leaving.why })}
        </Button>
      </div>
    </Dialog>
  );
}
