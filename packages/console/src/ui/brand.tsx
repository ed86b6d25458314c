import styles from './brand.module.css';
/** The mark: several lines, one level. */
export function Brand({ large = false }: { large?: boolean }) {
  return (
    <span className={large ? `${styles.brand} ${styles.large}` : styles.brand}>
      <svg viewBox="0 0 32 32" aria-hidden="true">
        <path className={styles.lines} d="M8 6v20M16 6v20M24 6v20" />
        <path className={styles.level} d="M8 16h16" />
        <circle cx="8" cy="16" r="3.4" />
        <circle cx="16" cy="16" r="3.4" />
        <circle cx="24" cy="16" r="3.4" />
      </svg>
      <span className={styles.name}>Lockstep</span>
    </span>
  );
}
