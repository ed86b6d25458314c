import { Button, Stack } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { post, type Told, told } from './api.ts';
import { t } from './language/language.ts';
import { Dialog } from './ui/dialog.tsx';
import { PasswordField } from './ui/password-field.tsx';
import { Alert, ToldText } from './ui/problem.tsx';
import { passwordProblem } from './users/fields.ts';

/** Choosing a password of one's own; after the one-time password it cannot be put off. */
export default function Password({ needed, onDone }: { needed: boolean; onDone: () => void }) {
  const [before, setBefore] = useState('');
  const [after, setAfter] = useState('');
  const [again, setAgain] = useState('');
  const [refusal, setRefusal] = useState<{ readonly field: string | undefined; readonly told: Told }>();
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
      // The server names the field first.
      const field = error instanceof Error ? /^(before|after): /.exec(error.message)?.[1] : undefined;
      setRefusal({ field, told: told(error, (said) => said.replace(/^(before|after): /, '')) });
    }
  }

  const refusedAt = (field: 'before' | 'after') => refusal?.field === field && <ToldText {...refusal.told} />;
  function change(set: (text: string) => void, text: string): void {
    set(text);
    setRefusal(undefined);
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
          {refusal && refusal.field === undefined && <Alert {...refusal.told} />}
          <PasswordField
            label={needed ? t('shell.oneTimePassword') : t('shell.passwordNow')}
            autoComplete="current-password"
            value={before}
            error={refusedAt('before')}
            onChange={(event) => change(setBefore, event.currentTarget.value)}
          />
          <PasswordField
            label={t('shell.newPassword')}
            autoComplete="new-password"
            value={after}
            error={(tried && short) || refusedAt('after')}
            onChange={(event) => change(setAfter, event.currentTarget.value)}
          />
          <PasswordField
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
