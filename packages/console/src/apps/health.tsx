/** How an app does: when it was launched and followed last, and what of it was refused, by weeks. */
import type { AppDetails } from '../api.ts';
import { date, number, t } from '../language/language.ts';
import pageStyles from '../ui/page.module.css';
import tableStyles from '../ui/table.module.css';
import textStyles from '../ui/text.module.css';
import styles from './health.module.css';

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
              <th scope="col">{t('apps.followed')}</th>
              <th scope="col">{t('apps.refused')}</th>
              <th scope="col">{t('apps.unanswered')}</th>
              <th scope="col">{t('apps.requestsRefused')}</th>
            </tr>
          </thead>
          <tbody>
            {weeks.map(({ from, followed, refused, unanswered, requestsRefused }) => (
              <tr key={from}>
                <th scope="row">{date(new Date(from), { dateStyle: 'medium', timeZone: 'UTC' })}</th>
                {[followed, refused, unanswered, requestsRefused].map((count, column) => (
                  <td key={column}>{number(count)}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
