import { Button } from '@mantine/core';
import { ForeignName } from '../foreign-text.tsx';
import { appWords } from '../language/app-words.ts';
import { t } from '../language/language.ts';
import { useStore } from '../store.ts';
import dialogStyles from '../ui/dialog.module.css';
import { Dialog } from '../ui/dialog.tsx';
import type { EhrSession } from './session.ts';

/** An application beside the chart has unsaved work: the person decides whether it is left. */
export function LeavingApps({ session }: { session: EhrSession }) {
  const question = useStore(session.apps.question);
  if (question === undefined) return null;
  return (
    <Dialog title={t('ehr.workIsNotSaved')} closeLabel={t('ehr.stayHere')} onClose={() => question.answer(false)}>
      <ul>
        {question.works.map(({ app, what }) => (
          <li key={app}>
            <ForeignName text={appWords(app)} />: <ForeignName text={what} />.
          </li>
        ))}
      </ul>
      <div className={dialogStyles.end}>
        <Button data-autofocus onClick={() => question.answer(false)}>
          {t('ehr.stayHere')}
        </Button>
        <Button variant="default" onClick={() => question.answer(true)}>
          {t(`ehr.leave.${question.leaving}`)}
        </Button>
      </div>
    </Dialog>
  );
}
