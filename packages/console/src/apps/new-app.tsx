import { Button, FileButton } from '@mantine/core';
import { useState } from 'react';
import { post, type ReadManifest, type RegisteredApp, type Told, told } from '../api.ts';
import type { EhrSession } from '../ehr/session.ts';
import { ForeignName } from '../foreign-text.tsx';
import { isolated, t } from '../language/language.ts';
import { Rich } from '../language/rich.tsx';
import { Link, navigate } from '../router.tsx';
import { Copyable } from '../ui/copyable.tsx';
import pageStyles from '../ui/page.module.css';
import { Alert } from '../ui/problem.tsx';
import textStyles from '../ui/text.module.css';
import { AppFormView } from './app-form.tsx';
import { type AppForm, EMPTY_FORM, fromMetadata, toMetadata } from './metadata.ts';
import { PackageError, readPackage } from './package.ts';
import { smallIcon } from './small-icon.ts';

/** Registering an app by form or by its manifest. A secret is shown once, here. */
export default function NewApp({ session }: { session: EhrSession }) {
  const [initial, setInitial] = useState<{ form: AppForm; from: number }>({ form: EMPTY_FORM, from: 0 });
  const [problem, setProblem] = useState<Told>();
  const [done, setDone] = useState<RegisteredApp>();

  async function upload(file: File | null): Promise<void> {
    if (!file) return;
    const named = (why: string): string => `${isolated(file.name)}: ${why}`;
    try {
      const { manifest: text, icon } = await readPackage(file);
      const { metadata, problem: refused } = await post<ReadManifest>('/api/console/manifest', { text });
      const form = fromMetadata(icon ? { ...metadata, logo_uri: await smallIcon(icon) } : metadata);
      setInitial(({ from }) => ({ form, from: from + 1 }));
      setProblem(refused === undefined ? undefined : { text: named(refused) });
    } catch (error) {
      setProblem(
        error instanceof PackageError ? { text: named(t(`apps.package.${error.fault}`)) } : told(error, named),
      );
    }
  }

  async function register(form: AppForm): Promise<void> {
    const app = await post<RegisteredApp>('/api/console/apps', toMetadata(form));
    await session.appList.read();
    if (app.secret === undefined && app.topicSecret === undefined) navigate(`/apps/${encodeURIComponent(app.id)}`);
    else setDone(app);
  }

  if (done) {
    return (
      <div className={pageStyles.page}>
        <h1>
          <Rich id="apps.isRegistered" values={{ name: <ForeignName text={done.name} /> }} />
        </h1>
        <p className={textStyles.lead}>{t('apps.whatIsSecretIsShownOnce')}</p>
        <Copyable title={t('apps.clientId')} text={done.id} />
        {done.secret !== undefined && <Copyable title={t('apps.secret')} text={done.secret} secret />}
        {done.topicSecret !== undefined && (
          <Copyable title={t('apps.secretThatTopicsAreDerivedWith')} text={done.topicSecret} secret />
        )}
        <p>
          <Link href={`/apps/${encodeURIComponent(done.id)}`}>{t('apps.goOnToTheApp')}</Link>
        </p>
      </div>
    );
  }
  return (
    <div className={pageStyles.page}>
      <header className={pageStyles.head}>
        <div>
          <h1>{t('apps.registerAnApp')}</h1>
          <p className={textStyles.lead}>{t('apps.fillInTheFormOrLet')}</p>
        </div>
        <FileButton onChange={(file) => void upload(file)} accept="application/json,.json,application/zip,.zip">
          {(props) => (
            <Button {...props} variant="default">
              {t('apps.uploadAManifest')}
            </Button>
          )}
        </FileButton>
      </header>
      {problem && <Alert {...problem} />}
      <AppFormView key={initial.from} initial={initial.form} action={t('apps.register')} onSubmit={register} />
    </div>
  );
}
