// Angular 17 or newer: signals for the context and the state of a subscriber.
import { DestroyRef, inject, signal } from '@angular/core';
import type { Context, Subscriber, SyncState } from '@lockstep/client';

/** Call it in an injection context, such as a component's constructor. */
export function injectSubscriber(subscriber: Subscriber) {
  const context = signal<Context | undefined>(subscriber.context);
  const state = signal<SyncState>(subscriber.state);
  const stops = [subscriber.onContext((next) => context.set(next)), subscriber.onState((next) => state.set(next))];
  inject(DestroyRef).onDestroy(() => {
    for (const stop of stops) stop();
  });
  return { context: context.asReadonly(), state: state.asReadonly() };
}
