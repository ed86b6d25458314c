/** The console's addresses: plain paths, kept in the browser's history; without the path that a proxy serves it below. */
import { type AnchorHTMLAttributes, type MouseEvent, useSyncExternalStore } from 'react';
import { BASE_PATH, serverPath } from './base.ts';

const listeners = new Set<() => void>();

function changed(): void {
  for (const listener of listeners) listener();
}

window.addEventListener('popstate', changed);

export function navigate(to: string, options: { readonly replace?: boolean } = {}): void {
  if (options.replace) history.replaceState(null, '', serverPath(to));
  else history.pushState(null, '', serverPath(to));
  changed();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The path that is shown, such as `/apps/new`. */
export function usePath(): string {
  return useSyncExternalStore(subscribe, () => location.pathname.slice(BASE_PATH.length) || '/');
}

/** The query that is shown, such as `?kind=ehr`. */
export function useQueryText(): string {
  return useSyncExternalStore(subscribe, () => location.search);
}

/** Whether a click means "here, now", and not "in another tab". */
function plain(event: MouseEvent): boolean {
  return event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
}

export function Link({ href, onClick, ...rest }: AnchorHTMLAttributes<HTMLAnchorElement> & { href: string }) {
  return (
    <a
      {...rest}
      href={serverPath(href)}
      onClick={(event) => {
        onClick?.(event);
        if (event.defaultPrevented || !plain(event)) return;
        event.preventDefault();
        navigate(href);
      }}
    />
  );
}
