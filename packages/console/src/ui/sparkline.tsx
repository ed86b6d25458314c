import styles from './sparkline.module.css';
/** The latest times to follow as bars: how steady they are shows at a glance, and the words are in the label. */
export function Sparkline({
  values,
  label,
  height = 16,
}: {
  values: readonly number[];
  label: string;
  height?: number;
}) {
  if (values.length === 0) return null;
  const top = Math.max(20, ...values);
  const width = values.length * 3;
  return (
    <svg
      className={styles.sparkline}
      width={width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
      role="img"
      aria-label={label}
    >
      <title>{label}</title>
      {values.map((value, index) => {
        const bar = Math.max(1, (value / top) * height);
        return <rect key={index} x={index * 3} y={height - bar} width={2} height={bar} />;
      })}
    </svg>
  );
}

/** The middle value; undefined of nothing. */
export function median(values: readonly number[]): number | undefined {
  if (values.length === 0) return undefined;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}
