/** Text that others wrote, such as names, titles and reports: whatever its length and its letters, it takes only its place. */
import styles from './foreign-text.module.css';

/** More characters are cut. */
const MOST = 160;
/** A word of more characters may be broken. */
const LONGEST_WORD = /\S{31}/;

const isLong = (text: string): boolean => text.length > MOST;

/** A text as far as it is shown, without half a character at its end. */
export function beginning(text: string): string {
  return isLong(text) ? `${text.slice(0, MOST).replace(/[\ud800-\udbff]$/, '')}…` : text;
}

/** For places where nothing can be unfolded, such as links, headings and buttons: what is long is cut, and its title is whole. */
export function ForeignName({ text }: { text: string }) {
  if (!isLong(text)) return <bdi className={LONGEST_WORD.test(text) ? styles.broken : undefined}>{text}</bdi>;
  return (
    <bdi className={styles.broken} title={text}>
      {beginning(text)}
    </bdi>
  );
}

/** What is long is cut, and can be unfolded by mouse, keyboard and finger. */
export function ForeignText({ text }: { text: string }) {
  if (!isLong(text)) return <ForeignName text={text} />;
  return (
    <details className={styles.folded}>
      <summary>
        <bdi className={styles.broken}>{beginning(text)}</bdi>
      </summary>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <div className={styles.whole} tabIndex={0}>
        <bdi>{text}</bdi>
      </div>
    </details>
  );
}
