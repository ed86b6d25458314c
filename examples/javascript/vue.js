// Vue 3: a composable. const { context, state } = useSubscriber(subscriber)
import { onScopeDispose, shallowRef } from 'vue';

/** @param {import('@lockstep/client').Subscriber} subscriber */
export function useSubscriber(subscriber) {
  const context = shallowRef(subscriber.context);
  const state = shallowRef(subscriber.state);
  const stops = [
    subscriber.onContext((next) => {
      context.value = next;
    }),
    subscriber.onState((next) => {
      state.value = next;
    }),
  ];
  onScopeDispose(() => {
    for (const stop of stops) stop();
  });
  return { context, state };
}
