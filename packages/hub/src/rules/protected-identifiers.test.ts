import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Resource } from '@lockstep/fhircast';
import { changedIdentifier } from './protected-identifiers.ts';

type Identifier = { readonly system?: string; readonly value: string; readonly type?: object };

const typed = (code: string, value: string, system = 'urn:acme'): Identifier => ({
  type: { coding: [{ code }] },
  system,
  value,
});
const patient = (...identifier: readonly Identifier[]): Resource => ({ resourceType: 'Patient', id: 'p1', identifier });
const study = (...identifier: readonly Identifier[]): Resource => ({
  resourceType: 'ImagingStudy',
  id: 's1',
  identifier,
});

function change(opened: Resource, updated: Resource): string | undefined {
  const context = [{ key: 'any', resource: opened }];
  return changedIdentifier(context, updated);
}

describe('CON-4 ira, RAD-150: identifiers that an update may not change', () => {
  const MR = typed('MR', '1');
  const UID = typed('110180', 'urn:oid:1.2', 'urn:dicom:uid');
  const ACCESSION = typed('ACSN', 'a1');

  it('a patient’s record number: not changed, removed, or joined by another', () => {
    for (const after of [[typed('MR', '2')], [], [MR, typed('MR', '2')], [typed('MR', '1', 'urn:other')]]) {
      assert.equal(change(patient(MR), patient(...after)), 'a patient identifier');
    }
    assert.equal(change(patient(MR, { value: 'x' }), patient(MR, { value: 'y' })), undefined);
  });

  it('all of a patient’s, where none says what it is', () => {
    const before = patient({ system: 'urn:mrn', value: '1' }, { system: 'urn:ssn', value: '2' });
    assert.equal(change(before, patient({ system: 'urn:mrn', value: '1' })), 'a patient identifier');
    assert.equal(change(before, patient(...(before.identifier as Identifier[]), { value: '3' })), undefined);
  });

  it('a study’s UID and accession number, known by system or type', () => {
    const opened = study(UID, ACCESSION, { value: 'own' });
    const what = 'a study UID or accession number';
    assert.equal(change(opened, study(typed('110180', 'urn:oid:9', 'urn:dicom:uid'), ACCESSION)), what);
    assert.equal(change(opened, study(UID, typed('ACSN', 'a2'))), what);
    assert.equal(change(opened, study(UID)), what);
    const bare = (value: string): Resource => study({ system: 'urn:dicom:uid', value });
    assert.equal(change(bare('1'), bare('2')), what);
    assert.equal(change(opened, study(ACCESSION, UID)), undefined, 'in any order, the others as they like');
  });

  it('none of what was not in the opening context', () => {
    assert.equal(change(patient(MR), { resourceType: 'Patient', id: 'p2' }), undefined);
    assert.equal(change(study(UID), patient(typed('MR', '5'))), undefined);
  });
});
