import assert from 'node:assert/strict';
import test from 'node:test';
import { isUnfinished, newReport, signed } from './filing.ts';

const patient = { resourceType: 'Patient', id: 'p' };
const study = { resourceType: 'ImagingStudy', id: 's', procedureCode: [{ text: 'CT' }], started: '2026-05-18' };

test('a new report says whom and what it is about', () => {
  const report = newReport('r', patient, study);
  assert.deepEqual(report.subject, { reference: 'Patient/p' });
  assert.deepEqual(report.imagingStudy, [{ reference: 'ImagingStudy/s' }]);
  assert.deepEqual(report.code, { text: 'CT' });
  assert.equal(isUnfinished(report), true);
});

test('signing finishes the report and what it rests on, beside what it rested on before', () => {
  const before = { ...newReport('r', patient, study), result: [{ reference: 'Observation/old' }] };
  const observations = [{ resourceType: 'Observation', id: 'o', status: 'preliminary' }];
  const at = new Date('2026-05-18T12:00:00Z');
  const done = signed(before, { text: 'Nodule.', observations, at });
  assert.equal(done.report.status, 'final');
  assert.equal(done.report.conclusion, 'Nodule.');
  assert.equal(done.report.issued, '2026-05-18T12:00:00.000Z');
  assert.deepEqual(done.report.result, [{ reference: 'Observation/old' }, { reference: 'Observation/o' }]);
  assert.deepEqual(
    done.observations.map(({ status }) => status),
    ['final'],
  );
  assert.equal(isUnfinished(done.report), false);
});

test('what only the open report had is not filed: a record of R4 keeps no ImagingSelection', () => {
  const study = { reference: 'ImagingStudy/s' };
  const given = { resourceType: 'Observation', id: 'o' };
  const file = (derivedFrom: readonly object[]) =>
    signed(
      { resourceType: 'DiagnosticReport' },
      {
        text: '',
        observations: [{ ...given, derivedFrom }],
        at: new Date(0),
      },
    ).observations;
  assert.deepEqual(file([study, { reference: 'ImagingSelection/i' }]), [
    { ...given, derivedFrom: [study], status: 'final' },
  ]);
  assert.deepEqual(file([{ reference: 'ImagingSelection/i' }]), [{ ...given, status: 'final' }]);
});
