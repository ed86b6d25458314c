import assert from 'node:assert/strict';
import test from 'node:test';
import type { Resource } from '../../kit/fhir.ts';
import { lengthOf, placeOf, selectedPlace, toObservation, toSelection } from './measure.ts';

const line = { x1: 0, y1: 0, x2: 30, y2: 40 };
const measured = { line, length: 35, study: '1.2', series: '1.2.3', instance: '1.2.3.4' };
const about = {
  label: 'Nodule',
  patient: 'Patient/p',
  study: 'ImagingStudy/s',
  at: new Date('2026-05-18T12:00:00Z'),
};

test('a line of fifty pixels of 0.7 mm is 35 mm long, and pixels need not be square', () => {
  assert.equal(lengthOf(line, [0.7, 0.7]), 35);
  assert.equal(lengthOf({ x1: 0, y1: 0, x2: 1, y2: 0 }, [0.7, 0.5]), 0.5);
  assert.equal(lengthOf({ x1: 0, y1: 0, x2: 0, y2: 1 }, [0.7, 0.5]), 0.7);
});

test('a measurement is an Observation that others understand, derived from a place in an image', () => {
  const selection = toSelection(measured, 'i', about);
  const observation = toObservation(measured, 'o', 'i', about);
  assert.equal(observation.status, 'preliminary');
  assert.deepEqual(observation.subject, { reference: 'Patient/p' });
  assert.deepEqual(observation.derivedFrom, [{ reference: 'ImagingStudy/s' }, { reference: 'ImagingSelection/i' }]);
  assert.deepEqual(observation.valueQuantity, {
    value: 35,
    unit: 'mm',
    system: 'http://unitsofmeasure.org',
    code: 'mm',
  });
  assert.deepEqual(placeOf(selection), { series: '1.2.3', instance: '1.2.3.4', line });
});

test('what is selected leads to its image: a selection itself, or what it was measured in', () => {
  const content = new Map<string, Resource>([
    ['ImagingSelection/i', toSelection(measured, 'i', about)],
    ['Observation/o', toObservation(measured, 'o', 'i', about)],
    ['Observation/lost', toObservation(measured, 'lost', 'gone', about)],
  ]);
  const place = { series: '1.2.3', instance: '1.2.3.4', line };
  assert.deepEqual(selectedPlace('ImagingSelection/i', content), place);
  assert.deepEqual(selectedPlace('Observation/o', content), place);
  assert.equal(selectedPlace('Observation/lost', content), undefined);
  assert.equal(selectedPlace('Observation/none', content), undefined);
});

test('selections of others are read as far as they go', () => {
  const selection = { resourceType: 'ImagingSelection', seriesUid: '1.2.3' };
  assert.deepEqual(placeOf(selection), { series: '1.2.3', instance: undefined, line: undefined });
  const region = (one: object) => ({ ...selection, instance: [{ uid: '1.2.3.4', imageRegion2D: [one] }] });
  for (const other of [
    { regionType: 'point', coordinate: [1, 2] },
    { regionType: 'polyline', coordinate: [1, 2, 3, 4, 5, 6] },
    { regionType: 'polyline', coordinate: [1, 2, 'x', 4] },
    { regionType: 'polyline' },
  ]) {
    assert.deepEqual(placeOf(region(other)), { series: '1.2.3', instance: '1.2.3.4', line: undefined });
  }
  for (const no of [undefined, null, 'x', {}, { ...selection, seriesUid: 7 }, { ...selection, resourceType: 'X' }]) {
    assert.equal(placeOf(no), undefined);
  }
});
