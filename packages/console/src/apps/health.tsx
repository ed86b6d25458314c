/** How an app does: when it was launched and followed last, and what of it was refused, by weeks. */
import type { AppDetails } from '../api.ts';
import { date, number, t } from '../language/language.ts';
import pageStyles from '../ui/page.module.css';
import tableStyles from '../ui/table.module.css';
import textStyles from '../ui/text.module.css';
import styles from './health.module.css';

/** What is counted of an app in a week. */
const COUNTS = ['followed', 'refused', 'unanswered', 'requestsRefused'] as const;

function time(ms: number | undefined): string {
  return ms === undefined ? t('apps.never') : date(new Date(ms), { dateStyle: 'medium', timeStyle: 'short' });
}

export function Health({ app }: { app: AppDetails }) {
  const { lastFollowAt, weeks } = app.health;
  return (
    <section className={pageStyles.panel} aria-label={t('apps.health')}>
      <h2>{t('apps.health')}</h2>
      <dl className={styles.facts}>
        <div>
          <dt>{t('apps.lastLaunch')}</dt>
          <dd>{time(app.lastLaunchAt)}</dd>
        </div>
        <div>
          <dt>{t('apps.lastFollow')}</dt>
          <dd>{time(lastFollowAt)}</dd>
        </div>
      </dl>
      {weeks.length === 0 ? (
        <p className={textStyles.nothing}>{t('apps.nothingHappened')}</p>
      ) : (
        <table className={tableStyles.table}>
          <thead>
            <tr>
              <th scope="col">{t('apps.week')}</th>
              {COUNTS.map((count) => (
                <th key={count} scope="col">
                  {t(`apps.${count}`)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {weeks.map((week) => (
              <tr key={week.from}>
                <th scope="row">{date(new Date(week.from), { dateStyle: 'medium', timeZone: 'UTC' })}</th>
                {COUNTS.map((count) => (
                  <td key={count} data-label={t(`apps.${count}`)}>
                    {number(week[count])}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
