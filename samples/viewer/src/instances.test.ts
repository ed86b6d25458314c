import assert from 'node:assert/strict';
import test from 'node:test';
import { addressOf, instancesOf, studyUid } from './instances.ts';

test('the images of a series are those that the record lists, in their order, else as many as it counts', () => {
  const instance = [{ uid: '1.2.9', number: 2 }, { uid: '1.2.7', number: 1 }, { number: 3 }];
  assert.deepEqual(instancesOf({ uid: '1.2', numberOfInstances: 9, instance }), ['1.2.7', '1.2.9']);
  assert.deepEqual(instancesOf({ uid: '1.2', numberOfInstances: 3 }), ['1.2.1', '1.2.2', '1.2.3']);
  assert.deepEqual(instancesOf({ uid: '1.2' }), []);
  assert.equal(instancesOf({ uid: '1.2', numberOfInstances: 1e9 }).length, 5000);
});

test('a study is found by its DICOM UID', () => {
  const identifier = [{ value: 'A-1' }, { system: 'urn:dicom:uid', value: 'urn:oid:1.2.3' }];
  assert.equal(studyUid({ resourceType: 'ImagingStudy', identifier }), '1.2.3');
  assert.equal(studyUid({ resourceType: 'ImagingStudy', identifier: [{ value: 'urn:oid:1.2.3' }] }), undefined);
  const place = { study: '1.2', series: '1.2.1', instance: '1.2.1.4' };
  assert.equal(addressOf(place), 'dicom-web/studies/1.2/series/1.2.1/instances/1.2.1.4');
});
