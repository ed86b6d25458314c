/** Heartbeats for pages that cannot see pings: ballot of FHIRcast STU3, 3.2.2. */
import { type EventMessage, eventKey, HEARTBEAT_EVENT } from '@lockstep/fhircast';
import type { Made } from './commands.ts';
import { withLastSeen } from './seen-ids.ts';
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

/**
 * @param periodMs time until the next one, ms: without it the connection may be taken for lost
 * @param lastSeen id of the last event of the log that its subscribers have been sent
 */
export function heartbeat(
  topic: string,
  { eventId, timestamp }: Made,
  periodMs: number,
  lastSeen?: string,
): EventMessage {
  const id = withLastSeen(eventId, lastSeen);
  const context = [{ key: 'period', decimal: String(periodMs / 1000) }];
  return { timestamp, id, event: { 'hub.topic': topic, 'hub.event': HEARTBEAT_EVENT, context } };
}
