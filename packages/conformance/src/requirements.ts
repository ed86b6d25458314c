import { CONTENT } from './requirements/chapter-2-content.ts';
import { EVENTS } from './requirements/chapter-2-events.ts';
import { SESSIONS } from './requirements/chapter-2-sessions.ts';
import { CATALOG } from './requirements/chapter-3.ts';
import { IRA } from './requirements/ira.ts';
import { IRA_SUBSCRIBER } from './requirements/ira-subscriber.ts';
import type { Requirement } from './requirements/requirement.ts';
import { STU2 } from './requirements/stu2.ts';
import { SUBSCRIBER } from './requirements/subscriber.ts';

export type { Requirement } from './requirements/requirement.ts';

/** Everything that a check may rest on, in the order of the specifications. */
export const REQUIREMENTS: readonly Requirement[] = [
  ...SESSIONS,
  ...EVENTS,
  ...CONTENT,
  ...CATALOG,
  ...STU2,
  ...IRA,
  ...SUBSCRIBER,
  ...IRA_SUBSCRIBER,
];

const BY_ID = new Map(REQUIREMENTS.map((one) => [one.id, one]));

/** @throws when no such requirement is listed */
export function requirement(id: string): Requirement {
  const found = BY_ID.get(id);
  if (!found) throw new Error(`no requirement ${id}`);
  return found;
}
