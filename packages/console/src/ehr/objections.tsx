import { Button } from '@mantine/core';
import { ForeignName } from '../foreign-text.tsx';
import { appWords } from '../language/app-words.ts';
import { t } from '../language/language.ts';
import { reasonWords } from '../language/reasons.ts';
import { useStore } from '../store.ts';
import dialogStyles from '../ui/dialog.module.css';
import { Dialog } from '../ui/dialog.tsx';
import type { EhrSession } from './session.ts';

/** Others would not follow what the person asked for: they decide whether it is sent all the same. */
export function Objections({ session }: { session: EhrSession }) {
  const question = useStore(session.publishing.objections);
  if (question === undefined) return null;
  return (
    <Dialog
      title={t('ehr.notEverybodyWouldFollow')}
      closeLabel={t('ehr.stayHere')}
      onClose={() => question.answer(false)}
    >
      <ul>
        {question.objections.map(({ name, reason }) => (
          <li key={name}>
            <ForeignName text={appWords(name)} />: <ForeignName text={reasonWords(reason)} />.
          </li>
        ))}
      </ul>
      <p>{question.what}?</p>
      <div className={dialogStyles.end}>
        <Button data-autofocus onClick={() => question.answer(false)}>
          {t('ehr.stayHere')}
        </Button>
        <Button variant="default" onClick={() => question.answer(true)}>
          {t('ehr.goOn')}
        </Button>
      </div>
    </Dialog>
  );
}
