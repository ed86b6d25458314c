import styles from './app.module.css';
import { type Notice, t } from './words.ts';

/** What went wrong, in a line; what was said of it in English can be unfolded. */
export function NoticeText({ text, said }: Notice) {
  return (
    <>
      {text}
      {said !== undefined && (
        <details className={styles.said}>
          <summary>{t('kit.details')}</summary>
          <bdi lang="en">{said}</bdi>
        </details>
      )}
    </>
  );
}

/** What went wrong, as an alert across the page. */
export function Alert(notice: Notice) {
  return (
    <div className={styles.apart} role="alert">
      <span>
        <NoticeText {...notice} />
      </span>
    </div>
  );
}
