import { STANDARD_EVENTS } from '@lockstep/fhircast';
import type { VersionName } from './rules/versions.ts';

/** What `{hub.url}/.well-known/fhircast-configuration` says (2.7, CAP-1). */
export interface FhircastConfiguration {
  readonly eventsSupported: readonly string[];
  readonly websocketSupport: true;
  readonly webhookSupport: boolean;
  /** The version that the Hub follows; IHE IRA builds on 3.0.0. */
  readonly fhircastVersion: 'STU1' | 'STU2' | '3.0.0';
  readonly getCurrentSupport: true;
  readonly capabilities: {
    readonly supportsGetCurrentContext: true;
    readonly supportsNonCurrentContextUpdates: true;
  };
  readonly fhirVersion: 'R4';
}

/** Anchor types beyond the catalog's own whose update and select events are in use. */
const CONTENT_EVENTS = ['Patient', 'Encounter', 'ImagingStudy'].flatMap((type) => [`${type}-update`, `${type}-select`]);

export function fhircastConfiguration(options: {
  readonly webhooks: boolean;
  readonly version?: VersionName;
}): FhircastConfiguration {
  const { version = '3.0.0' } = options;
  return {
    eventsSupported: [...STANDARD_EVENTS, ...CONTENT_EVENTS],
    websocketSupport: true,
    webhookSupport: options.webhooks,
    fhircastVersion: version === 'IRA' ? '3.0.0' : version,
    getCurrentSupport: true,
    capabilities: { supportsGetCurrentContext: true, supportsNonCurrentContextUpdates: true },
    fhirVersion: 'R4',
  };
}
