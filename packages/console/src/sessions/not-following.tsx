/** Who does not follow a session's context, or has not answered it yet: why, since when, and what it still shows (ERR-8). */

import type { SessionView } from '../api.ts';
import { timeOf } from '../fhir.ts';
import { ForeignName } from '../foreign-text.tsx';
import { appWords } from '../language/app-words.ts';
import { t } from '../language/language.ts';
import { reasonWords } from '../language/reasons.ts';
import markStyles from '../ui/mark.module.css';
import textStyles from '../ui/text.module.css';
import namesStyles from './names.module.css';

/** Whether an answer is awaited: by its time it counts as missing, of which the server says nothing. All else it tells. */
export function isUndecided({ notFollowing }: Pick<SessionView, 'notFollowing'>): boolean {
  return notFollowing.some(({ why }) => why === 'waiting');
}

type One = SessionView['notFollowing'][number];

function Shows({ shows }: Pick<One, 'shows'>) {
  if (shows === undefined) return null;
  return (
    <span className={textStyles.label}>
      {' '}
      · {shows === '' ? t('sessions.showsNothing') : t('sessions.stillShows', { shows })}
    </span>
  );
}

export function NotFollowing({ session }: { session: Pick<SessionView, 'notFollowing'> }) {
  if (session.notFollowing.length === 0)
    return <span className={textStyles.label}>{t('sessions.everybodyFollows')}</span>;
  return (
    <ul className={namesStyles.names} aria-label={t('sessions.doesNotFollow')}>
      {session.notFollowing.map(({ name, why, since, reason, shows }, index) => (
        <li key={index} data-tone={why === 'waiting' ? 'busy' : 'bad'} title={reasonWords(reason)}>
          <span className={markStyles.mark} aria-hidden="true">
            {why === 'waiting' ? '…' : '!'}
          </span>
          <ForeignName text={appWords(name)} />
          <span className={textStyles.label}>
            {' '}
            {t('sessions.whySince', { why: t(`sessions.why.${why}`), since: timeOf(since) })}
          </span>
          <Shows {...(shows !== undefined && { shows })} />
        </li>
      ))}
    </ul>
  );
}
