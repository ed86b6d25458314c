import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { proposeSwitches } from '../index.ts';

const event = (name: string, context: unknown, more: object = {}, id = 'e1') => ({
  timestamp: '2026-01-01T00:00:00Z',
  id,
  event: { 'hub.topic': 't', 'hub.event': name, context, ...more },
});
const study = { key: 'study', resource: { resourceType: 'ImagingStudy', id: 's1' } };
const patient = { key: 'patient', resource: { resourceType: 'Patient', id: 'p1' } };
const report = { key: 'report', resource: { resourceType: 'DiagnosticReport', id: 'r1' } };
const reference = { key: 'report', reference: { reference: 'DiagnosticReport/r1' } };
const observation = { resourceType: 'Observation', id: 'o1' };
const updates = (method: string) => ({
  key: 'updates',
  resource: { resourceType: 'Bundle', type: 'transaction', entry: [{ request: { method }, resource: observation }] },
});
const OPEN = event('DiagnosticReport-open', [report, patient]);

describe('switches proposed from what a client has sent', () => {
  it('are none for what 3.0.0 reads', () => {
    const update = event('DiagnosticReport-update', [reference, updates('PUT')], { 'context.versionId': '1' });
    const form = { 'hub.mode': 'subscribe', 'hub.events': 'Patient-open, syncerror, *, org.example.hello' };
    assert.deepEqual(proposeSwitches([form, OPEN, update, event('org.example.hello', [])]), {
      switches: {},
      needed: [],
      ambiguous: [],
      unreadable: [],
    });
  });

  it('are the one that makes a message readable, with the first message that needs it and why', () => {
    const { switches, needed } = proposeSwitches([
      OPEN,
      event('DiagnosticReport-open', [study]),
      event('DiagnosticReport-update', [updates('POST')]),
      event('DiagnosticReport-open', [study]),
    ]);
    assert.deepEqual(switches, { dialects: ['studyReports'] });
    assert.equal(needed.length, 1);
    assert.equal(needed[0]?.message, 2);
    assert.match(needed[0]?.reason ?? '', /context key "report" is required/);
  });

  it('may be several, each needed by a message of its own', () => {
    const { switches, unreadable, ambiguous } = proposeSwitches([
      { 'hub.mode': 'subscribe', 'hub.events': 'Patient-opened,annotation-update' },
      event('DiagnosticReport-opened', [report, patient]),
      event('DiagnosticReport-select', [reference, { key: 'select', resources: [observation] }]),
      event('Annotation-Update', [{ anything: 1 }]),
    ]);
    assert.deepEqual(switches, {
      dialects: ['participleNames', 'ballotSelections'],
      vendorEvents: ['annotation-update'],
    });
    assert.deepEqual([unreadable, ambiguous], [[], []]);
  });

  it('are none where several would do, unless another message decides', () => {
    const either = event('DiagnosticReport-select', [reference, { key: 'select', resource: [observation] }]);
    const found = proposeSwitches([OPEN, either]);
    assert.deepEqual(found.switches, {});
    assert.deepEqual(
      found.ambiguous.map(({ message, either: sets }) => [message, sets]),
      [[2, [['ballotSelections'], ['draftContent']]]],
    );
    const draft = event('DiagnosticReport-select', [report, { key: 'select', resource: [observation] }]);
    const decided = proposeSwitches([OPEN, either, draft]);
    assert.deepEqual([decided.switches, decided.ambiguous], [{ draftContent: true }, []]);
  });

  it('are none for what nobody reads, which is named', () => {
    const { switches, unreadable } = proposeSwitches([
      event('Patient-opne', [patient]),
      event('Patient-open', []),
      'x',
      { 'hub.mode': 'subscribe', 'hub.events': 'Patient-opne' },
    ]);
    assert.deepEqual(switches, {});
    assert.deepEqual(
      unreadable.map(({ message }) => message),
      [1, 2, 3, 4],
    );
    assert.match(unreadable[0]?.reason ?? '', /Patient-opne/);
  });

  it('whatever was recorded, it is judged without an error', () => {
    fc.assert(fc.property(fc.array(fc.jsonValue(), { maxLength: 4 }), (recorded) => void proposeSwitches(recorded)));
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom('open', 'update', 'select', 'close', 'opened'), (context, action) => {
        proposeSwitches([OPEN, event(`DiagnosticReport-${action}`, context)]);
      }),
    );
  });
});
