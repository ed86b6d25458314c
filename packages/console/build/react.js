/** What libraries import as `react` and `react-dom`: Preact, and the one export of React's that it lacks. */
import { options } from 'preact';
import 'preact/compat';

export * from 'preact/compat';
export { default } from 'preact/compat';

/** Mantine names it for parts that stay mounted while they are hidden. We use none of those: hidden parts are unmounted. */
export function Activity({ mode, children }) {
  return mode === 'hidden' ? null : children;
}

const { vnode: normalize } = options;

/**
 * Browsers and password managers may fill a field without a word but `change`. Preact's `onChange` of fields with text hears `input`
 * alone, and would empty the field when it is drawn again. React's hears both.
 */
options.vnode = (vnode) => {
  const { type, props } = vnode;
  normalize(vnode);
  const { props: normalized } = vnode;
  const { oninput } = normalized;
  if ((type !== 'input' && type !== 'textarea') || !oninput || !('value' in props)) return;
  normalized.onchange = (event) => {
    if (event.currentTarget.value !== String(props.value ?? '')) oninput(event);
  };
};
