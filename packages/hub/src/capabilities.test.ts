import assert from 'node:assert/strict';
import { it } from 'node:test';
import { eventDefinition, STANDARD_EVENTS } from '@lockstep/fhircast';
import { fhircastConfiguration } from './capabilities.ts';

it('CAP-1 the configuration names what 3.0.0 asks for, and only real events', () => {
  const { eventsSupported, ...rest } = fhircastConfiguration({ webhooks: false });
  assert.deepEqual(rest, {
    websocketSupport: true,
    webhookSupport: false,
    fhircastVersion: '3.0.0',
    getCurrentSupport: true,
    capabilities: { supportsGetCurrentContext: true, supportsNonCurrentContextUpdates: true },
    fhirVersion: 'R4',
  });
  assert.equal(fhircastConfiguration({ webhooks: true }).webhookSupport, true);
  const versions = (['STU1', 'STU2', '3.0.0', 'IRA'] as const).map((version) => {
    return fhircastConfiguration({ webhooks: true, version }).fhircastVersion;
  });
  assert.deepEqual(versions, ['STU1', 'STU2', '3.0.0', '3.0.0']);
  assert.equal(new Set(eventsSupported).size, eventsSupported.length);
  for (const name of eventsSupported) assert.equal(eventDefinition(name)?.name, name);
  for (const name of STANDARD_EVENTS) assert.ok(eventsSupported.includes(name));
});
