/** What libraries import as `react` and `react-dom`: Preact, and the one export of React's that it lacks. */
export * from 'preact/compat';
export { default } from 'preact/compat';

/** Mantine names it for parts that stay mounted while they are hidden. We use none of those: hidden parts are unmounted. */
export function Activity({ mode, children }) {
  return mode === 'hidden' ? null : children;
}
