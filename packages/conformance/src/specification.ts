/** The specifications that the suite judges by. */
export type HubVersion = '3.0.0' | 'STU2' | 'IRA';

export const VERSIONS: readonly HubVersion[] = ['3.0.0', 'STU2', 'IRA'];

export type Level = 'SHALL' | 'SHOULD' | 'MAY';

/** What a Hub says that it does, or what its operator says for it; a check that needs more is skipped. */
export type Claim =
  /** `GET {hub.url}/{topic}`: `capabilities.supportsGetCurrentContext` or `getCurrentSupport`. */
  | 'get-current'
  /** At least one `*-update` in `eventsSupported`. */
  | 'content'
  /** At least one `*-select` in `eventsSupported`. */
  | 'select'
  /** `capabilities.supportsNonCurrentContextUpdates`. */
  | 'non-current-updates'
  /** `webhookSupport`. */
  | 'webhooks'
  /** The Hub says that it has no webhooks. */
  | 'no-webhooks'
  /** The run has access tokens: the Hub is protected. */
  | 'tokens'
  /** The run can get a token that reads `Patient-open` and nothing else. */
  | 'limited-token'
  /** The run can be a second client. */
  | 'second-client'
  /** The run can restart the Hub. */
  | 'restart';

/** A time as messages have it: ISO 8601 in UTC. The specification's own examples leave the zone out. */
export const ISO_8601_UTC = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d([.,]\d+)?)?(Z|[+-]00(:?00)?)?$/;

/** How far two clocks may be apart, ms: a local time that says it is UTC is further off. */
export const CLOCKS_APART = 15 * 60_000;

/** The moment that a time in UTC names, ms since 1970; NaN where it is none. Without a zone it is UTC as well. */
export const momentOf = (time: string): number =>
  ISO_8601_UTC.test(time) ? Date.parse(/(Z|[+-]\d\d(:?\d\d)?)$/.test(time) ? time : `${time}Z`) : Number.NaN;
