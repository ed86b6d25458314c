/** What a session's log holds of an event that is published: the event itself, where it comes again, or what it is about. */
import { readSyncErrorCause } from '@lockstep/fhircast';
import type { SessionStore } from '@lockstep/store';
import type { KnownEvent, Publish } from '../rules/commands.ts';
import { knownEvent } from '../stored/log-record.ts';
import type { HeldLog } from './held-log.ts';

/** Whether the log may hold something of it: of most events it does not, and they need not wait for it. */
export function isInLog({ request: { message, definition } }: Publish, log: HeldLog): boolean {
  return definition.name === 'SyncError' || log.numberOf(message.id) !== undefined;
}

/** The command with what the log holds of its event (PUB-7), and of the one that a SyncError is about (ERR-8). */
export async function withLog(command: Publish, log: HeldLog, topic: string, store: SessionStore): Promise<Publish> {
  const { message, definition } = command.request;
  const number = log.numberOf(message.id);
  const known = number === undefined ? undefined : await entryOf(number, topic, store);
  const found = known ? { ...command, known } : command;
  if (definition.name !== 'SyncError') return found;
  const { eventId = '' } = readSyncErrorCause(message.event.context);
  const about = log.numberOf(eventId) ?? log.numberOfOriginal(eventId);
  return about === undefined ? found : { ...found, about };
}

/**
 * PUB-7: the entry with a number. A logout erases ids with their events: a retry of such an event is an event of its own, decided on the
 * empty session that the logout left.
 */
async function entryOf(number: number, topic: string, store: SessionStore): Promise<KnownEvent> {
  const [entry] = (await store.readLog(topic, number - 1, { limit: 1 })) ?? [];
  return entry?.number === number ? knownEvent(entry) : { number };
}
