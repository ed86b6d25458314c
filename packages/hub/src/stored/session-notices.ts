/** What a node says to the others with a commit of a session, or without one. */
import type { Commit } from '@lockstep/store';

/** Subscriptions that ended, and the reason that their subscribers get. */
export interface Ended {
  readonly ids: readonly string[];
  readonly reason: string;
}

/** Said with a commit: why subscriptions ended. */
interface Note {
  readonly ended: readonly Ended[];
}

/** What is known of why subscriptions have ended. */
export interface EndedWhy extends Note {
  /** More is in a notice of another node that is still under way. */
  readonly more?: boolean;
}

export const UNKNOWN_WHY: EndedWhy = { ended: [] };
export const NOTICE_UNDER_WAY: EndedWhy = { ended: [], more: true };

export function noteOf({ note }: Commit): EndedWhy {
  return note === undefined ? UNKNOWN_WHY : (JSON.parse(note) as Note);
}

/** @returns undefined where there is nothing to say */
export function writtenNote({ ended }: EndedWhy): string | undefined {
  const note: Note = { ended };
  return ended.length === 0 ? undefined : JSON.stringify(note);
}

/** Said without a commit: an entry is to be delivered again to those that have not acknowledged it. */
interface Announcement {
  readonly redeliver: number;
}

export function announcedRedelivery(number: number): string {
  const announcement: Announcement = { redeliver: number };
  return JSON.stringify(announcement);
}

/** Number of the entry that is to be delivered again. */
export function redeliveryIn(announcement: string): number {
  return (JSON.parse(announcement) as Announcement).redeliver;
}
