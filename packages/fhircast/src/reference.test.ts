import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { keyText, parseReference, R4_RESOURCE_TYPES } from './index.ts';

describe('CON-3 references', () => {
  it('name a resource by type and id: relative, absolute, with a version', () => {
    const key = { type: 'Patient', id: '1' };
    for (const text of [
      'Patient/1',
      '/Patient/1',
      'https://ehr.example/fhir/Patient/1',
      'Patient/1/_history/3',
      'https://ehr.example/fhir/Patient/1/_history/3',
    ]) {
      assert.deepEqual(parseReference(text), key, text);
    }
  });

  it('are nothing else', () => {
    for (const text of [
      '',
      '/',
      '1',
      'Patient',
      'Patient/',
      'patient/1',
      'Foo/1',
      '#contained',
      'urn:uuid:9b9cf5a4-8a2c-4a9c-ae3f-7f4b47a6f0a1',
      '_history/1',
      'https://ehr.example/1',
    ]) {
      assert.equal(parseReference(text), undefined, text);
    }
  });

  it('and their text are inverse to each other', () => {
    fc.assert(
      fc.property(fc.constantFrom(...R4_RESOURCE_TYPES), fc.stringMatching(/^[A-Za-z0-9.-]{1,64}$/), (type, id) => {
        assert.deepEqual(parseReference(keyText({ type, id })), { type, id });
      }),
    );
  });
});
