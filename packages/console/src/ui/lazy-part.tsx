import { type ComponentType, lazy } from 'react';
import { t } from '../language/language.ts';
import { useStore, Watchable } from '../store.ts';
import { Problem } from './problem.tsx';

/**
 * A part that is loaded when it is first shown. Where it cannot be loaded that is said in its place, and all else stays, such as a
 * note that is not saved (HZ-15).
 */
export function lazyPart<Props extends object>(
  load: () => Promise<{ readonly default: ComponentType<Props> }>,
): ComponentType<Props> {
  const attempt = (): ComponentType<Props> =>
    lazy(() =>
      load().catch(() => ({
        default: () => <Problem error={new Error(t('start.notLoaded'))} retry={() => part.set(attempt())} />,
      })),
    );
  const part = new Watchable(attempt());
  return (props) => {
    const Part = useStore(part);
    return <Part {...props} />;
  };
}
