import { Button, PasswordInput, Stack } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { post, type Told, told } from './api.ts';
import { t } from './language/language.ts';
import { Dialog } from './ui/dialog.tsx';
import { Alert } from './ui/problem.tsx';
import { passwordProblem } from './users/fields.ts';

/** Choosing a password of one's own; after the one-time password it cannot be put off. */
export default function Password({ needed, onDone }: { needed: boolean; onDone: () => void }) {
  const [before, setBefore] = useState('');
  const [after, setAfter] = useState('');
  const [again, setAgain] = useState('');
  const [problem, setProblem] = useState<Told>();
  const [tried, setTried] = useState(false);
  const short = passwordProblem(after);
  const different = after !== again ? t('shell.theTwoAreNotTheSame') : undefined;

  async function submit(event: FormEvent): Promise<void> {
    event.preventDefault();
    setTried(true);
    if (short || different) return;
    try {
      await post('/api/console/password', { before, after });
      onDone();
    } catch (error) {
      setProblem(told(error, (said) => said.replace(/^(before|after): /, '')));
    }
  }

  return (
    <Dialog
      onClose={onDone}
      closable={!needed}
      title={needed ? t('shell.chooseAPasswordOfYourOwn') : t('shell.changePassword')}
    >
      <form onSubmit={(event) => void submit(event)}>
        <Stack gap={12}>
          {needed && <p>{t('shell.youSignedInWithAOne')}</p>}
          {problem && <Alert {...problem} />}
          <PasswordInput
            label={needed ? t('shell.oneTimePassword') : t('shell.passwordNow')}
            autoComplete="current-password"
            value={before}
            onChange={(event) => setBefore(event.currentTarget.value)}
          />
          <PasswordInput
            label={t('shell.newPassword')}
            autoComplete="new-password"
            value={after}
            error={tried ? short : undefined}
            onChange={(event) => setAfter(event.currentTarget.value)}
          />
          <PasswordInput
            label={t('shell.newPasswordAgain')}
            autoComplete="new-password"
            value={again}
            error={tried ? different : undefined}
            onChange={(event) => setAgain(event.currentTarget.value)}
          />
          <Button type="submit" size="sm">
            {t('shell.save')}
          </Button>
        </Stack>
      </form>
    </Dialog>
  );
}
