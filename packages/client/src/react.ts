/** React hooks: a component shows what the session has and shows it again when it changes. */
import type { NotFollowing } from '@lockstep/fhircast';
import { useEffect, useLayoutEffect, useRef, useSyncExternalStore } from 'react';
import type { Content, Context } from './context.ts';
import type { EventName } from './events.ts';
import type { Follow, Follower, Handler } from './options.ts';
import type { Subscriber } from './subscriber.ts';
import type { SyncState } from './sync-state.ts';

const NOTHING: SyncState = { status: 'closed', reason: 'no session' };
const idle = () => () => {};

/**
 * Runs as soon as a component is shown, before an event can come in between. A server shows nothing, and React 18 complains of
 * layout effects there.
 */
const useWhenShown = typeof document === 'undefined' ? useEffect : useLayoutEffect;

function useValue<T>(
  subscriber: Subscriber | undefined,
  watch: (subscriber: Subscriber, changed: () => void) => () => void,
  read: (subscriber: Subscriber) => T,
  none: T,
): T {
  const value = () => (subscriber ? read(subscriber) : none);
  // React subscribes again when the function changes: it must depend on the subscriber alone.
  const subscribe = useRef<{ of: Subscriber | undefined; run: (changed: () => void) => () => void }>(undefined);
  if (!subscribe.current || subscribe.current.of !== subscriber) {
    subscribe.current = { of: subscriber, run: subscriber ? (changed) => watch(subscriber, changed) : idle };
  }
  return useSyncExternalStore(subscribe.current.run, value, value);
}

/** Where the application stands; `closed` while there is no subscriber. */
export function useSyncState(subscriber: Subscriber | undefined): SyncState {
  return useValue<SyncState>(
    subscriber,
    (one, changed) => one.onState(changed),
    (one) => one.state,
    NOTHING,
  );
}

/** The session's current context; undefined when none is open or known. */
export function useCurrentContext(subscriber: Subscriber | undefined): Context | undefined {
  return useValue<Context | undefined>(
    subscriber,
    (one, changed) => one.onContext(changed),
    (one) => one.context,
    undefined,
  );
}

/** The current context's shared content by `Type/id`; undefined while it is unknown. */
export function useContent(subscriber: Subscriber | undefined): Content | undefined {
  return useValue<Content | undefined>(
    subscriber,
    (one, changed) => one.onContent(changed),
    (one) => one.content,
    undefined,
  );
}

/** Handles events of one name while the component is shown; the newest handler is the one that runs. */
export function useHubEvent<Name extends EventName>(
  subscriber: Subscriber | undefined,
  name: Name,
  handler: Handler<Name>,
): void {
  const newest = useRef(handler);
  useWhenShown(() => {
    newest.current = handler;
  });
  useWhenShown(() => subscriber?.on(name, (event) => newest.current(event)), [subscriber, name]);
}

const NOBODY: readonly NotFollowing[] = [];

/** The other applications that do not follow, what they still show, and since when (ERR-8). */
export function useNotFollowing(subscriber: Subscriber | undefined): readonly NotFollowing[] {
  return useValue<readonly NotFollowing[]>(
    subscriber,
    (one, changed) => one.onState(changed),
    (one) => one.notFollowing,
    NOBODY,
  );
}

/** Follows the current context while the component is shown; the newest follower is the one that runs. */
export function useFollow(subscriber: Subscriber | undefined, follower: Follower): void {
  const newest = useRef(follower);
  useWhenShown(() => {
    newest.current = follower;
  });
  // Whether it can be asked by surveys does not change while the component is shown.
  const asks = typeof follower !== 'function';
  useWhenShown(() => {
    const part = (name: 'may' | 'show'): Follow => {
      return (context, event) => {
        const { current } = newest;
        if (typeof current !== 'function') return current[name](context, event);
        return name === 'show' ? current(context, event) : undefined;
      };
    };
    return subscriber?.follow(asks ? { may: part('may'), show: part('show') } : part('show'));
  }, [subscriber, asks]);
}
