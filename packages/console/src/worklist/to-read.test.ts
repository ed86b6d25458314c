import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resource } from '@lockstep/fhircast';
import { studiesToRead } from './to-read.ts';

const patient: Resource = { resourceType: 'Patient', id: 'p' };
const study = (id: string, more: object = {}): Resource => ({
  resourceType: 'ImagingStudy',
  id,
  status: 'available',
  started: `2026-01-0${id}`,
  subject: { reference: 'Patient/p' },
  ...more,
});
const report = (of: string, status: string): Resource => ({
  resourceType: 'DiagnosticReport',
  id: `r${of}`,
  status,
  imagingStudy: [{ reference: 'ImagingStudy/other' }, { reference: `http://elsewhere.example/ImagingStudy/${of}` }],
});
const ids = (found: readonly Resource[]): string =>
  studiesToRead(found)
    .map(({ study: { id } }) => id)
    .join(' ');

test('a study is to be read until a report of it is finished, the earliest first', () => {
  assert.equal(ids([study('2'), patient, study('1')]), '1 2');
  for (const status of ['registered', 'partial', 'preliminary', 'cancelled', 'entered-in-error'])
    assert.equal(ids([patient, study('1'), report('1', status)]), '1', status);
  for (const status of ['final', 'amended', 'corrected', 'appended'])
    assert.equal(ids([report('1', status), patient, study('1'), study('2')]), '2', status);
});

test('what has no images yet, or no patient in the record, is not on the list', () => {
  assert.equal(ids([patient, study('1', { status: 'registered' }), study('2', { subject: undefined })]), '');
  assert.equal(ids([study('1')]), '');
});
