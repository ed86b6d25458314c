/** An event's name and timestamp, as other Hubs write them. */
import { anchorOf, type ContextElement, contextAction, eventKey, type ResourceKey } from '@lockstep/fhircast';

/** Events that are about no resource type. */
const OTHERS = ['SyncError', 'UserLogout', 'UserHibernate', 'Home-open'];

/** An event's name as the catalog has it: names compare without regard to case, resource types are spelt by FHIR. */
export function spellEventName(name: string, elements: readonly ContextElement[]): string {
  const standard = OTHERS.find((one) => eventKey(one) === eventKey(name));
  const about = standard ? undefined : contextAction(name);
  const type = about && anchorOf(about.type, elements)?.type;
  return standard ?? (type ? `${type}-${about.action}` : name);
}

/** The anchor that an event opens; undefined for an event that opens none. */
export function openedAnchor(name: string, elements: readonly ContextElement[]): ResourceKey | undefined {
  const about = contextAction(name);
  return about?.action === 'open' ? anchorOf(about.type, elements) : undefined;
}

/** Timestamps are UTC (2.5); those without a zone are taken so, not as local time. NaN when there is none. */
export function parseTimestamp(timestamp: string): number {
  return Date.parse(/(Z|[+-]\d\d:?\d\d)$/i.test(timestamp) ? timestamp : `${timestamp}Z`);
}
