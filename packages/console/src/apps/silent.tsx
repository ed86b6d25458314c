import { useEffect, useState } from 'react';
import type { App } from '../api.ts';
import { ForeignName } from '../foreign-text.tsx';
import { appWords } from '../language/app-words.ts';
import { t } from '../language/language.ts';
import { Rich } from '../language/rich.tsx';
import problemStyles from '../ui/problem.module.css';
import textStyles from '../ui/text.module.css';
import { isForeign, watchLaunch } from './run.ts';
import styles from './silent.module.css';

/** Says when an app does not come for its authorization after its launch, and what may be wrong. */
export function Silent({ app, address, framed = false }: { app: App; address: string; framed?: boolean }) {
  const [silent, setSilent] = useState(false);
  const foreign = isForeign(app);
  useEffect(() => {
    setSilent(false);
    return foreign ? watchLaunch(address, setSilent) : undefined;
  }, [foreign, address]);
  if (!silent) return null;
  return (
    <p className={`${problemStyles.problem} ${styles.silent}`} data-framed={framed || undefined} role="alert">
      <span>
        <Rich
          id="apps.silent"
          values={{
            name: <ForeignName text={appWords(app.name)} />,
            address: (
              <span className={textStyles.mono}>
                <ForeignName text={app.launchUrl ?? ''} />
              </span>
            ),
          }}
        />
        {framed && ` ${t('apps.ifItDoesNotLetItself')}`}
      </span>
    </p>
  );
}
