import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  type EventMessage,
  fromDraft,
  fromIraExample,
  parseEvent,
  parseUpdates,
  selectedReferences,
  toDraft,
} from './index.ts';

const report = { key: 'report', resource: { resourceType: 'DiagnosticReport', id: 'r1', meta: { versionId: '1' } } };
const observation = { resourceType: 'Observation', id: 'o1' };

function body(event: string, context: unknown, more: object = {}): unknown {
  return {
    timestamp: '2026-01-08T01:37:05Z',
    id: 'e1',
    event: { 'hub.topic': 't', 'hub.event': event, context, ...more },
  };
}

function read(event: string, context: unknown) {
  const written = body(event, context);
  assert.equal(parseEvent(written).ok, false, 'as it is, 3.0.0 refuses it');
  const found = parseEvent(fromDraft(written));
  assert.ok(found.ok, found.ok ? '' : found.reason);
  return found.value;
}

const bundle = (key: string, ...entry: object[]) => ({
  key,
  resource: { resourceType: 'Bundle', id: 'b1', type: 'transaction', entry },
});

describe('WEB-5 events of the drafts', () => {
  it('name their anchor by a resource, in updates and selections', () => {
    for (const key of ['updates', 'bundle', 'content']) {
      const { anchor, message } = read('DiagnosticReport-update', [report, bundle(key)]);
      assert.deepEqual(anchor, { type: 'DiagnosticReport', id: 'r1' });
      assert.deepEqual(message.event.context, [
        { key: 'report', reference: { reference: 'DiagnosticReport/r1' } },
        bundle('updates'),
      ]);
    }
    const select = { key: 'select', resource: [observation, { resourceType: 'ImagingSelection', id: 'i1' }] };
    const { context } = read('diagnosticreport-select', [report, select]).message.event;
    assert.deepEqual(selectedReferences(context), ['Observation/o1', 'ImagingSelection/i1']);
    assert.deepEqual(
      selectedReferences(read('DiagnosticReport-select', [report, { ...select, resource: [] }]).message.event.context),
      [],
    );
  });

  it('add with POST, and delete with the resource', () => {
    const add = { request: { method: 'POST', url: 'Observation' }, resource: observation };
    const remove = { request: { method: 'DELETE' }, resource: { resourceType: 'ImagingStudy', id: 's1' } };
    const { context } = read('DiagnosticReport-update', [report, bundle('updates', add, remove)]).message.event;
    const entries = parseUpdates(context);
    assert.deepEqual(entries.ok && entries.value, [
      { method: 'PUT', key: { type: 'Observation', id: 'o1' }, resource: observation },
      { method: 'DELETE', key: { type: 'ImagingStudy', id: 's1' } },
    ]);
  });

  it('RAD-150, RAD-151 examples of IRA put resources for references and POST for PUT, under no other keys', () => {
    const select = { key: 'select', resource: [observation] };
    assert.ok(parseEvent(fromIraExample(body('DiagnosticReport-select', [report, select]))).ok);
    const post = { request: { method: 'POST' }, resource: observation };
    const found = parseEvent(fromIraExample(body('DiagnosticReport-update', [report, bundle('updates', post)])));
    assert.ok(found.ok && parseUpdates(found.value.message.event.context).ok);
    for (const key of ['Updates', 'content', 'bundle']) {
      const written = body('DiagnosticReport-update', [report, bundle(key, post)]);
      assert.equal(parseEvent(fromIraExample(written)).ok, false, key);
    }
    assert.equal(parseEvent(fromIraExample(body('DiagnosticReport-close', [{ ...report, key: 'Report' }]))).ok, false);
    assert.equal(parseEvent(fromIraExample(body('UserLogout', []))).ok, false);
  });

  it('log out without saying more, and spell keys in their own way', () => {
    assert.deepEqual(read('userlogout', []).message.event.context, [
      { key: 'parameters', resource: { resourceType: 'Parameters' } },
    ]);
    const outcome = { resourceType: 'OperationOutcome', issue: [] };
    const { context } = read('syncerror', [{ key: 'OperationOutcome', resource: outcome }]).message.event;
    assert.deepEqual(context, [{ key: 'operationoutcome', resource: outcome }]);
  });

  it('close by their anchor alone', () => {
    const close = body('DiagnosticReport-close', [report]);
    assert.equal(parseEvent(close).ok, false);
    assert.ok(parseEvent(fromDraft(close), ['close']).ok);
    for (const [event, context] of [
      ['DiagnosticReport-close', []],
      ['DiagnosticReport-open', [report]],
    ] as const) {
      assert.equal(parseEvent(fromDraft(body(event, context)), ['close']).ok, false, event);
    }
  });

  it('leave what 3.0.0 writes as it is, and what they do not understand', () => {
    const reference = { key: 'report', reference: { reference: 'DiagnosticReport/r1' } };
    const put = { fullUrl: 'urn:uuid:1', request: { method: 'PUT', url: 'Observation/o1' }, resource: observation };
    const remove = { request: { method: 'DELETE', url: 'Observation/o1' } };
    for (const written of [
      body('DiagnosticReport-update', [reference, bundle('updates', put, remove)], { 'context.versionId': 'v1' }),
      body('DiagnosticReport-select', [reference, { key: 'select' }]),
      body('DiagnosticReport-open', [report, { key: 'content', resource: {} }, 5, null, { key: 7 }]),
      body('Home-open', []),
      body('org.example.thing', [{ key: 'report', resource: [1] }]),
      body('nonsense', 'context'),
      { event: 5 },
      'x',
      null,
    ]) {
      assert.deepEqual(fromDraft(written), written);
    }
    fc.assert(fc.property(fc.jsonValue(), (context) => void fromDraft(body('DiagnosticReport-update', [context]))));
    fc.assert(fc.property(fc.jsonValue(), (value) => void fromDraft(value)));
  });

  it('go out with small resources for references', () => {
    const context = [
      { key: 'report', reference: { reference: 'DiagnosticReport/r1' } },
      { key: 'select', reference: [{ reference: 'Observation/o1' }, { reference: 'ImagingSelection/i1' }] },
      { key: 'select', reference: { reference: '#contained' } },
      { key: 'select' },
      bundle('updates'),
    ];
    assert.deepEqual(toDraft(body('DiagnosticReport-select', context) as EventMessage), [
      { key: 'report', resource: { resourceType: 'DiagnosticReport', id: 'r1' } },
      { key: 'select', resource: [observation, { resourceType: 'ImagingSelection', id: 'i1' }] },
      ...context.slice(2),
    ]);
  });
});
