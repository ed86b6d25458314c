import assert from 'node:assert/strict';
import test from 'node:test';
import type { ContextElement } from '@lockstep/fhircast';
import type { LogLine } from '../api.ts';
import { contentChanges, differences, replay } from './replay.ts';

let number = 0;
function line(name: string, context: readonly ContextElement[], versionId?: string): LogLine {
  number += 1;
  const event = { 'hub.topic': 't', 'hub.event': name, context, ...(versionId && { 'context.versionId': versionId }) };
  return { number, at: number, message: { id: `e${number}`, timestamp: '', event } };
}
const report = { key: 'report', resource: { resourceType: 'DiagnosticReport', id: 'r' } };
const patient = { key: 'patient', resource: { resourceType: 'Patient', id: 'p' } };
const reportRef = { key: 'report', reference: { reference: 'DiagnosticReport/r' } };
const update = (...entry: object[]) => ({
  key: 'updates',
  resource: { resourceType: 'Bundle', type: 'transaction', entry },
});
const put = (value: number) => ({
  request: { method: 'PUT', url: 'Observation/o' },
  resource: { resourceType: 'Observation', id: 'o', valueInteger: value },
});

test('PUB-9 PUB-10 opens, closes and home move the current context', () => {
  const states = replay([
    line('Patient-open', [patient], 'v1'),
    line('DiagnosticReport-open', [report, patient], 'v2'),
    line('Patient-close', [patient]),
    line('DiagnosticReport-close', [report, patient]),
    line('Patient-open', [patient], 'v3'),
    line('Home-open', []),
    line('UserLogout', []),
  ]);
  assert.deepEqual(
    states.map(({ current }) => current),
    ['Patient/p', 'DiagnosticReport/r', 'DiagnosticReport/r', undefined, 'Patient/p', undefined, undefined],
  );
  assert.deepEqual([...(states[5]?.anchors.keys() ?? [])], ['Patient/p']);
  assert.equal(states[6]?.anchors.size, 0);
});

test('a log that has grown is replayed from where it had ended', () => {
  const log = [line('Patient-open', [patient], 'v1'), line('DiagnosticReport-open', [report, patient], 'v2')];
  const before = replay(log.slice(0, 1));
  const states = replay(log, before);
  assert.equal(states[0], before[0]);
  assert.deepEqual(states, replay(log));
});

test('CON-1 updates put and delete content, and a re-open keeps it', () => {
  const states = replay([
    line('DiagnosticReport-open', [report, patient], 'v1'),
    line('DiagnosticReport-update', [reportRef, update(put(1))], 'v2'),
    line('DiagnosticReport-open', [report, patient], 'v3'),
    line('DiagnosticReport-update', [reportRef, update(put(2))], 'v4'),
    line(
      'DiagnosticReport-update',
      [reportRef, update({ fullUrl: 'Observation/o', request: { method: 'DELETE', url: 'Observation/o' } })],
      'v5',
    ),
  ]);
  const content = states.map(({ anchors }) => anchors.get('DiagnosticReport/r')?.content);
  assert.deepEqual(
    content.map((one) => one?.get('Observation/o')?.resource.valueInteger),
    [undefined, 1, 1, 2, undefined],
  );
  assert.deepEqual(contentChanges(content[0], content[1]), [
    { target: 'Observation/o', kind: 'added', differences: [] },
  ]);
  assert.deepEqual(contentChanges(content[2], content[3]), [
    { target: 'Observation/o', kind: 'changed', differences: [{ path: 'valueInteger', before: '1', after: '2' }] },
  ]);
  assert.equal(contentChanges(content[3], content[4])[0]?.kind, 'removed');
});

test('CON-9 a DELETE by the urn that a PUT brought removes its resource', () => {
  const urn = 'urn:uuid:9b9cf5a4-8a2c-4a9c-ae3f-7f4b47a6f0a1';
  const states = replay([
    line('DiagnosticReport-open', [report, patient], 'v1'),
    line('DiagnosticReport-update', [reportRef, update({ fullUrl: urn, ...put(1) })], 'v2'),
    line('DiagnosticReport-update', [reportRef, update({ fullUrl: urn, request: { method: 'DELETE' } })], 'v3'),
  ]);
  assert.equal(states[1]?.anchors.get('DiagnosticReport/r')?.content.size, 1);
  assert.equal(states[2]?.anchors.get('DiagnosticReport/r')?.content.size, 0);
});

test('CON-7 a selection is remembered until the next context', () => {
  const states = replay([
    line('DiagnosticReport-open', [report, patient], 'v1'),
    line('DiagnosticReport-select', [reportRef, { key: 'select', reference: { reference: 'Observation/o' } }]),
    line('Patient-open', [patient], 'v2'),
  ]);
  assert.deepEqual(
    states.map(({ selected }) => selected),
    [[], ['Observation/o'], []],
  );
});

test('differences name the element, whatever its depth', () => {
  const before = { resourceType: 'Observation', code: { text: 'a', coding: [{ code: '1' }] } };
  const after = { resourceType: 'Observation', code: { text: 'b', coding: [{ code: '1' }, { code: '2' }] } };
  assert.deepEqual(differences(before, after), [
    { path: 'code.text', before: '"a"', after: '"b"' },
    { path: 'code.coding[1].code', after: '"2"' },
  ]);
});
