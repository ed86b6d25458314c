/** Heartbeats for pages that cannot see pings: ballot of FHIRcast STU3, 3.2.2. */
import { type EventMessage, eventKey, HEARTBEAT_EVENT } from '@lockstep/fhircast';
import type { Made } from './commands.ts';
import type { Subscription } from './session-state.ts';

const KEY = eventKey(HEARTBEAT_EVENT);

/** @param key see `eventKey` */
export function isHeartbeat(key: string): boolean {
  return key === KEY;
}

/** Whether the subscriber asked for heartbeats by name: who asks for every event does not mean them. */
export function wantsHeartbeats({ events }: Subscription): boolean {
  return events.includes(HEARTBEAT_EVENT);
}

/** @param periodMs time until the next one, ms: without it the connection may be taken for lost */
export function heartbeat(topic: string, { eventId, timestamp }: Made, periodMs: number): EventMessage {
  const context = [{ key: 'period', decimal: String(periodMs / 1000) }];
  return { timestamp, id: eventId, event: { 'hub.topic': topic, 'hub.event': HEARTBEAT_EVENT, context } };
}
