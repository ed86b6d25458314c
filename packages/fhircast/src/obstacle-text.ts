import type { ContextReason } from './contexts.ts';
import type { Obstacle } from './messages.ts';

/** Apart from the rules, so that subscribers, which only need to know that an event changes nothing, do not carry the words. */
const TEXTS: Readonly<Record<ContextReason | 'no-anchor', (about: string) => string>> = {
  'no-anchor': (type) => `the context names no ${type}`,
  'not-open': (anchor) => `${anchor} is not open`,
  'not-current': (anchor) => `${anchor} is not the current context`,
  'version-conflict': (anchor) => `context.versionId is not the current version of ${anchor}`,
  'malformed-update': (entry) =>
    entry === ''
      ? 'context key "updates" is required (1..1), its Bundle.entry an array'
      : `updates: ${entry} must be a PUT of a resource with resourceType and id, or a DELETE of Type/id without one; request.url must be Type/id or a urn, fullUrl a URL`,
  'names-disagree': (named) => `updates: ${named}: fullUrl, request.url and the resource are not of one resource`,
  'resource-repeated': (name) => `updates: ${name} appears more than once in the Bundle`,
  'opening-resource-deleted': (name) => `${name} is part of the opening context and may not be deleted`,
};

/** What keeps an event from being applied, in words for a client's developer. */
export function obstacleText({ code, about }: Obstacle<ContextReason | 'no-anchor'>): string {
  return TEXTS[code](about.slice(0, 200));
}
