import type { Confirmation, Denial } from '@lockstep/fhircast';
import type { Subscription } from '../rules/session-state.ts';
import { eventList } from './spelling.ts';

function listed({ events, spelling }: Subscription): string {
  return spelling ? eventList(events, spelling) : events.join(',');
}

/** What a subscriber's confirmation says that it has (SUB-7). */
export function confirmation(subscription: Subscription, topic: string, now: number): Confirmation {
  return {
    'hub.mode': 'subscribe',
    'hub.topic': subscription.spelling?.topic ?? topic,
    'hub.events': listed(subscription),
    'hub.lease_seconds': Math.max(0, Math.ceil((subscription.expiresAt - now) / 1000)),
  };
}

/** What a subscriber is sent when it has no subscription any more (SUB-9). */
export function denial(subscription: Subscription, topic: string, reason: string): Denial {
  return {
    'hub.mode': 'denied',
    'hub.topic': subscription.spelling?.topic ?? topic,
    'hub.events': listed(subscription),
    'hub.reason': reason,
  };
}
