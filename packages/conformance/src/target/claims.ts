import { isObject, type JsonObject } from '../json.ts';
import type { Claim, HubVersion } from '../specification.ts';

/** What a Hub's `.well-known/fhircast-configuration` claims. */
export function claimsOf(configuration: unknown): Set<Claim> {
  const claims = new Set<Claim>();
  if (!isObject(configuration)) return claims;
  const capabilities: JsonObject = isObject(configuration.capabilities) ? configuration.capabilities : {};
  if (capabilities.supportsGetCurrentContext === true || configuration.getCurrentSupport === true) {
    claims.add('get-current');
  }
  if (capabilities.supportsNonCurrentContextUpdates === true) claims.add('non-current-updates');
  const names = namesIn(configuration.eventsSupported);
  if (names.some((name) => name === 'diagnosticreport-update' || name === '*')) claims.add('content');
  if (names.some((name) => name === 'diagnosticreport-select' || name === '*')) claims.add('select');
  claims.add(configuration.webhookSupport === true ? 'webhooks' : 'no-webhooks');
  return claims;
}

const namesIn = (list: unknown): readonly string[] =>
  (Array.isArray(list) ? list : []).filter((one) => typeof one === 'string').map((one) => one.toLowerCase());

/**
 * The events that a Hub says it supports, in lower case; undefined where it does not say, or says all. SyncErrors are not a matter
 * of choice (2.5), nor is any event to a Hub of IRA.
 */
export function eventsOf(configuration: unknown, versions: readonly HubVersion[]): ReadonlySet<string> | undefined {
  const names = isObject(configuration) ? namesIn(configuration.eventsSupported) : [];
  if (names.length === 0 || names.includes('*') || versions.includes('IRA')) return undefined;
  return new Set([...names, 'syncerror']);
}

/** Why a check that needs a claim is skipped. */
export const UNCLAIMED: Readonly<Record<Claim, string>> = {
  'get-current': 'The Hub does not claim Get Current Context (capabilities.supportsGetCurrentContext)',
  content: 'The Hub does not claim content sharing (DiagnosticReport-update in eventsSupported)',
  select: 'The Hub does not claim selection (DiagnosticReport-select in eventsSupported)',
  'non-current-updates':
    'The Hub does not claim updates outside the current context (supportsNonCurrentContextUpdates)',
  webhooks: 'The Hub does not claim webhooks (webhookSupport)',
  'no-webhooks': 'The Hub claims webhooks',
  tokens: 'The run has no access tokens: the Hub is tested as an open one',
  'limited-token': 'The run has no token limited to fhircast/Patient-open.read',
  'second-client': 'The run has no second client (--other-token, --other-client-id)',
  restart: 'The run cannot restart the Hub (--restart-command, --restart-by-hand)',
};

/** What IRA's Hub has to do, whatever its configuration says. */
export const REQUIRED_BY_IRA: readonly Claim[] = ['get-current', 'content', 'select'];

const SAID_ELSEWHERE: readonly Claim[] = ['tokens', 'limited-token', 'second-client', 'restart'];

/** Why a check is skipped that needs a claim, of a Hub that serves a configuration or does not. */
export function unclaimed(claim: Claim, configured: boolean): string {
  if (configured || SAID_ELSEWHERE.includes(claim)) return UNCLAIMED[claim];
  return 'The Hub serves no configuration that says whether it does this; --claim says it for the Hub';
}
