import assert from 'node:assert/strict';
import test from 'node:test';
import { lengthOf, toObservation } from './measure.ts';

const line = { x1: 0, y1: 0, x2: 30, y2: 40 };

test('a line of fifty pixels is 35 mm long', () => {
  assert.equal(lengthOf(line), 35);
  assert.equal(lengthOf({ x1: 0, y1: 0, x2: 1, y2: 0 }), 0.7);
});

test('a measurement is an Observation that others understand', () => {
  const at = new Date('2026-05-18T12:00:00Z');
  const given = { id: 'o', label: 'Nodule', patient: 'Patient/p', study: 'ImagingStudy/s', at };
  const observation = toObservation(line, given);
  assert.equal(observation.status, 'preliminary');
  assert.deepEqual(observation.subject, { reference: 'Patient/p' });
  assert.deepEqual(observation.derivedFrom, [{ reference: 'ImagingStudy/s' }]);
  assert.deepEqual(observation.valueQuantity, {
    value: 35,
    unit: 'mm',
    system: 'http://unitsofmeasure.org',
    code: 'mm',
  });
});
