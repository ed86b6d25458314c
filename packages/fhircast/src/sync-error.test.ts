import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseEvent, syncErrorMessage, syncErrorOutcome } from './index.ts';

const cause = {
  eventId: 'e1',
  eventName: 'Patient-open',
  subscriberName: 'Acme Product',
  diagnostics: 'Acme Product refused to follow context',
  severity: 'warning',
} as const;

describe('ERR-2 SyncError', () => {
  it('has the OperationOutcome of the 3.0.0 profile: event id, event name, subscriber name in this order', () => {
    assert.deepEqual(syncErrorOutcome(cause), {
      resourceType: 'OperationOutcome',
      issue: [
        {
          severity: 'warning',
          code: 'processing',
          diagnostics: 'Acme Product refused to follow context',
          details: {
            coding: [
              { system: 'https://fhircast.hl7.org/events/syncerror/eventid', code: 'e1' },
              { system: 'https://fhircast.hl7.org/events/syncerror/eventname', code: 'Patient-open' },
              { system: 'https://fhircast.hl7.org/events/syncerror/subscribername', code: 'Acme Product' },
            ],
          },
        },
      ],
    });
  });

  it('is an event of the catalog', () => {
    const message = syncErrorMessage('s1', '2026-01-08T01:37:05.140Z', 't', cause);
    const read = parseEvent(JSON.parse(JSON.stringify(message)));
    assert.deepEqual(read.ok && read.value.message, message);
  });
});
