import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseEvent, readSyncErrorCause, syncErrorMessage, syncErrorOutcome, syncErrorProblem } from './index.ts';

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

  it('ERR-8 is read for what its codings say, in either spelling of the subscriber', () => {
    const read = (change: (text: string) => string) => {
      const resource = JSON.parse(change(JSON.stringify(syncErrorOutcome(cause))));
      return readSyncErrorCause([{ key: 'operationoutcome', resource }]);
    };
    const { severity: _, ...said } = cause;
    assert.deepEqual(
      read((text) => text),
      said,
    );
    assert.deepEqual(
      read((text) => text.replace('syncerror/subscribername', 'syncerror/subscriber')),
      said,
    );
    assert.deepEqual(
      read((text) => text.replace('syncerror/eventid', 'elsewhere')),
      {},
    );
    assert.deepEqual(
      read((text) => text.replace('"e1"', '5')),
      {},
    );
    for (const issue of [undefined, 5, [], [null], [{ details: { coding: 'x' } }]]) {
      const resource = { resourceType: 'OperationOutcome', issue };
      assert.deepEqual(readSyncErrorCause([{ key: 'operationoutcome', resource }]), {});
    }
  });

  it('RAD-156 from a subscriber is a warning in words, with one coding each for event id, event name and subscriber', () => {
    const [issue] = syncErrorOutcome(cause).issue as [Record<string, unknown>];
    const { coding } = issue.details as { coding: { system: string; code: unknown }[] };
    const problem = (...issues: unknown[]) =>
      syncErrorProblem([{ key: 'operationoutcome', resource: { resourceType: 'OperationOutcome', issue: issues } }]);
    const withCodings = (codings: unknown) => problem({ ...issue, details: { coding: codings } });
    const own = { system: 'https://example.org/errors', code: 'E7' };
    assert.equal(problem(issue), undefined);
    assert.equal(
      problem({ severity: 'information', code: 'informational' }, issue),
      undefined,
      'other issues are free',
    );
    assert.equal(withCodings([own, ...coding].reverse()), undefined, 'their order, and other codings, are free');
    for (const severity of ['error', 'fatal', 'information', 'Warning', '', undefined, 5]) {
      assert.match(problem({ ...issue, severity }) ?? '', /severity must be warning/, String(severity));
    }
    for (const diagnostics of [undefined, '', ' ', 5])
      assert.match(problem({ ...issue, diagnostics }) ?? '', /diagnostics/);
    for (const code of ['exception', undefined]) assert.match(problem({ ...issue, code }) ?? '', /code processing/);
    assert.match(problem(issue, issue) ?? '', /one issue/);
    assert.match(problem() ?? '', /one issue/);
    for (const [index, name] of ['eventid', 'eventname', 'subscribername'].entries()) {
      const wanted = new RegExp(`syncerror/${name}$`);
      assert.match(withCodings(coding.toSpliced(index, 1)) ?? '', wanted, 'missing');
      assert.match(withCodings([...coding, coding[index]]) ?? '', wanted, 'twice');
      for (const code of ['', 5, undefined]) {
        assert.match(withCodings(coding.with(index, { system: coding[index]?.system ?? '', code })) ?? '', wanted);
      }
    }
    for (const codings of [undefined, {}, 'x', [null]]) assert.match(withCodings(codings) ?? '', /eventid/);
  });

  it('is an event of the catalog', () => {
    const message = syncErrorMessage('s1', '2026-01-08T01:37:05.140Z', 't', cause);
    const read = parseEvent(JSON.parse(JSON.stringify(message)));
    assert.deepEqual(read.ok && read.value.message, message);
  });
});
