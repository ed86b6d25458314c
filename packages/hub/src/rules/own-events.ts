/** Events of our own, which reach only who names them, and which of them nobody answers. */
import { VENDOR_PREFIX } from '@lockstep/fhircast';
import { isHeartbeat } from './heartbeat.ts';

/** Names of events of our own begin so: who asks for every event does not mean them. */
const OWN = 'org.lockstep.';

/** @param key see `eventKey` */
export function isOwnEvent(key: string): boolean {
  return key.startsWith(OWN);
}

/** Whether no answer is waited for: heartbeats, and of our own events what the SDK asks and tells, but not a vendor's. */
export function isUnanswered(key: string): boolean {
  return isHeartbeat(key) || (isOwnEvent(key) && !key.startsWith(VENDOR_PREFIX));
}
