import { Button, Modal, PasswordInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { post, words } from './api.ts';
import { passwordProblem } from './users/fields.ts';

/** Choosing a password of one's own; after the one-time password it cannot be put off. */
export default function Password({ needed, onDone }: { needed: boolean; onDone: () => void }) {
  const [before, setBefore] = useState('');
  const [after, setAfter] = useState('');
  const [again, setAgain] = useState('');
  const [problem, setProblem] = useState<string>();
  const [tried, setTried] = useState(false);
  const short = passwordProblem(after);
  const different = after !== again ? 'The two are not the same' : undefined;

  async function submit(event: FormEvent): Promise<void> {
    event.preventDefault();
    setTried(true);
    if (short || different) return;
    try {
      await post('/api/console/password', { before, after });
      onDone();
    } catch (error) {
      setProblem(words(error).replace(/^(before|after): /, ''));
    }
  }

  return (
    <Modal
      opened
      onClose={onDone}
      withCloseButton={!needed}
      closeOnEscape={!needed}
      closeOnClickOutside={!needed}
      title={needed ? 'Choose a password of your own' : 'Change password'}
    >
      <form className="stack" onSubmit={(event) => void submit(event)}>
        {needed && <p>You signed in with a one-time password. Choose your own before you go on.</p>}
        {problem !== undefined && (
          <p className="problem" role="alert">
            {problem}
          </p>
        )}
        <PasswordInput
          label={needed ? 'One-time password' : 'Password now'}
          autoComplete="current-password"
          value={before}
          onChange={(event) => setBefore(event.currentTarget.value)}
        />
        <PasswordInput
          label="New password"
          autoComplete="new-password"
          value={after}
          error={tried ? short : undefined}
          onChange={(event) => setAfter(event.currentTarget.value)}
        />
        <PasswordInput
          label="New password again"
          autoComplete="new-password"
          value={again}
          error={tried ? different : undefined}
          onChange={(event) => setAgain(event.currentTarget.value)}
        />
        <Button type="submit" size="sm">
          Save
        </Button>
      </form>
    </Modal>
  );
}
