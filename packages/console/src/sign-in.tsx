import { Button, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { type ApiError, type SampleUser, type Told, told } from './api.ts';
import { serverPath } from './base.ts';
import { spoken, t } from './language/language.ts';
import { chooseLanguage, LANGUAGES } from './language/load.ts';
import styles from './sign-in.module.css';
import { Brand } from './ui/brand.tsx';
import { PasswordField } from './ui/password-field.tsx';
import { Alert } from './ui/problem.tsx';

export interface Given {
  readonly user?: string;
  readonly password?: string;
  /** Of the authenticator app. */
  readonly code?: string;
  readonly sample?: string;
  readonly workstation?: string;
}

/** How people may sign in, as the server says to who is not signed in. */
export interface SignInWays {
  readonly sample_users?: readonly SampleUser[];
  readonly passwords?: boolean;
  /** The outside provider, and our page that leads there. */
  readonly outside?: { readonly name: string; readonly url: string };
}

/** Sample users by one click; everybody else by name and password, or at an outside provider. */
export default function SignIn({ ways, onSignIn }: { ways: SignInWays; onSignIn: (given: Given) => Promise<void> }) {
  const { sample_users: samples = [], passwords = true, outside } = ways;
  const [user, setUser] = useState('');
  const [password, setPassword] = useState('');
  const [code, setCode] = useState('');
  const [needsCode, setNeedsCode] = useState(false);
  const [workstation, setWorkstation] = useState('');
  const [problem, setProblem] = useState<Told>();
  const [missing, setMissing] = useState(false);
  const [busy, setBusy] = useState<string>();

  async function signIn(who: string, given: Given): Promise<void> {
    setBusy(who);
    setProblem(undefined);
    try {
      await onSignIn({ ...given, ...(workstation.trim() && { workstation: workstation.trim() }) });
    } catch (error) {
      setProblem(told(error));
      const { code } = error as ApiError;
      if (code === 'second_factor_required') setNeedsCode(true);
      // The browser is asked for a passkey on a page of its own.
      if (code === 'passkey_required') location.href = signInAt(serverPath('/auth/sign-in'));
      setBusy(undefined);
    }
  }

  /** A page that one signs in at, and that leads back to what was asked for here. */
  function signInAt(page: string): string {
    const place = workstation.trim();
    const here = location.pathname + location.search;
    return `${page}?${new URLSearchParams({ return: here, ...(place && { workstation: place }) })}`;
  }

  function submit(event: FormEvent): void {
    event.preventDefault();
    if (!passwords) return;
    setMissing(user.trim() === '' || password === '');
    if (user.trim() !== '' && password !== '') {
      void signIn('form', { user: user.trim(), password, ...(code.trim() && { code: code.trim() }) });
    }
  }

  return (
    <main className={styles.page}>
      <section className={styles.story}>
        <Brand large />
        <h1>{t('start.everyApplicationOnTheSamePatient')}</h1>
        <p>{t('start.openAPatientInOneApplication')}</p>
      </section>
      <section className={styles.ways} aria-label={t('start.signIn')}>
        {problem && <Alert {...problem} />}
        {samples.length > 0 && (
          <>
            <h2>{t('start.signInAsASampleUser')}</h2>
            <ul className={styles.samples}>
              {[...samples]
                .sort((a, b) => Number(a.administrator) - Number(b.administrator))
                .map(({ id, name, administrator }) => (
                  <li key={id}>
                    <Button
                      variant="default"
                      size="md"
                      fullWidth
                      justify="space-between"
                      loading={busy === id}
                      onClick={() => void signIn(id, { sample: id })}
                      rightSection={
                        <span className={styles.role}>
                          {administrator ? t('start.seesEverySession') : t('start.clinician')}
                        </span>
                      }
                    >
                      {name}
                    </Button>
                  </li>
                ))}
            </ul>
          </>
        )}
        <h2>{samples.length > 0 && passwords ? t('start.orWithAPassword') : t('start.signIn')}</h2>
        <form onSubmit={submit} noValidate>
          {passwords && (
            <>
              <TextInput
                label={t('start.userName')}
                size="sm"
                autoComplete="username"
                value={user}
                error={missing && user.trim() === '' ? t('start.enterYourUserName') : undefined}
                onChange={(event) => setUser(event.currentTarget.value)}
              />
              <PasswordField
                label={t('start.password')}
                autoComplete="current-password"
                value={password}
                error={missing && password === '' ? t('start.enterYourPassword') : undefined}
                onChange={(event) => setPassword(event.currentTarget.value)}
              />
              {needsCode && (
                <TextInput
                  label={t('start.codeOfYourAuthenticatorApp')}
                  inputMode="numeric"
                  autoComplete="one-time-code"
                  size="sm"
                  value={code}
                  maxLength={40}
                  onChange={(event) => setCode(event.currentTarget.value)}
                />
              )}
            </>
          )}
          <TextInput
            label={t('start.workstation')}
            description={t('start.optionalKeepsSessionsAtDifferentDesks')}
            size="sm"
            value={workstation}
            maxLength={100}
            onChange={(event) => setWorkstation(event.currentTarget.value)}
          />
          {passwords && (
            <Button type="submit" size="sm" loading={busy === 'form'}>
              {t('start.signIn')}
            </Button>
          )}
          {outside && (
            <Button component="a" href={signInAt(outside.url)} size="sm" variant={passwords ? 'default' : 'filled'}>
              {t('start.signInWith', { name: outside.name })}
            </Button>
          )}
        </form>
        <label className={styles.language}>
          {t('start.chooseLanguage')}
          <select
            value={spoken.get().language}
            onChange={(event) =>
              chooseLanguage(event.currentTarget.value).catch(() => setProblem({ text: t('start.notLoaded') }))
            }
          >
            {LANGUAGES.map(({ language, name }) => (
              <option key={language} value={language} lang={language}>
                {name}
              </option>
            ))}
          </select>
        </label>
      </section>
    </main>
  );
}
