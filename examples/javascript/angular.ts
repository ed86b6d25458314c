// Angular 17 or newer: signals for the context and the state of the application's subscriber, and a component that shows them.
import { Component, DestroyRef, InjectionToken, inject, signal } from '@angular/core';
import type { Context, Subscriber, SyncState } from '@lockstep/client';

/** The application's subscriber: `bootstrapApplication(App, { providers: [{ provide: SUBSCRIBER, useValue: subscriber }] })`. */
export const SUBSCRIBER = new InjectionToken<Subscriber>('FHIRcast subscriber');

/** Call it in an injection context, such as a component's constructor. */
export function injectSubscriber() {
  const subscriber = inject(SUBSCRIBER);
  const context = signal<Context | undefined>(subscriber.context);
  const state = signal<SyncState>(subscriber.state);
  const stops = [subscriber.onContext((next) => context.set(next)), subscriber.onState((next) => state.set(next))];
  inject(DestroyRef).onDestroy(() => {
    for (const stop of stops) stop();
  });
  return { context: context.asReadonly(), state: state.asReadonly() };
}

@Component({
  selector: 'app-open-patient',
  standalone: true,
  template: `
    <p role="status">{{ session.state().status === 'in-sync' ? 'In sync' : 'Not in sync: ' + session.state().status }}</p>
    @if (session.context(); as open) {
      <p>{{ open.type }}/{{ open.id }}</p>
    } @else {
      <p>nothing is open</p>
    }
  `,
})
export class OpenPatient {
  readonly session = injectSubscriber();
}
