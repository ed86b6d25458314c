import type { Claim } from '../check.ts';
import { isObject, type JsonObject } from '../json.ts';

/** What a Hub's `.well-known/fhircast-configuration` claims. */
export function claimsOf(configuration: unknown): Set<Claim> {
  const claims = new Set<Claim>();
  if (!isObject(configuration)) return claims;
  const capabilities: JsonObject = isObject(configuration.capabilities) ? configuration.capabilities : {};
  if (capabilities.supportsGetCurrentContext === true || configuration.getCurrentSupport === true) {
    claims.add('get-current');
  }
  if (capabilities.supportsNonCurrentContextUpdates === true) claims.add('non-current-updates');
  const events = Array.isArray(configuration.eventsSupported) ? configuration.eventsSupported : [];
  const names = events.filter((one) => typeof one === 'string').map((one) => one.toLowerCase());
  if (names.some((name) => name === 'diagnosticreport-update' || name === '*')) claims.add('content');
  if (names.some((name) => name === 'diagnosticreport-select' || name === '*')) claims.add('select');
  claims.add(configuration.webhookSupport === true ? 'webhooks' : 'no-webhooks');
  return claims;
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
};
