import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCriterion } from './criteria.ts';
import { definitionOf } from './definitions.ts';
import { FhirRefusal } from './refusal.ts';
import type { JsonObject } from './resource.ts';

const BASE = 'https://ehr.example/fhir';

function found(type: string, name: string, value: string, resource: JsonObject): boolean {
  const criterion = parseCriterion(definitionOf(type)!, name, value, BASE);
  assert.ok(criterion, `${type} has no ${name}`);
  return criterion.matches({ resourceType: type, ...resource }, BASE);
}

function refuses(type: string, name: string, value: string): void {
  assert.throws(
    () => parseCriterion(definitionOf(type)!, name, value, BASE),
    (error) => error instanceof FhirRefusal && error.status === 400,
    `${name}=${value}`,
  );
}

test('FHR-3 a token matches code, system|code, |code and system|', () => {
  const lab = { code: { coding: [{ system: 'http://loinc.org', code: '2857-1' }, { code: 'PSA' }] } };
  assert.ok(found('Observation', 'code', '2857-1', lab));
  assert.ok(found('Observation', 'code', 'http://loinc.org|2857-1', lab));
  assert.ok(found('Observation', 'code', 'http://loinc.org|', lab));
  assert.ok(found('Observation', 'code', '|PSA', lab));
  assert.ok(!found('Observation', 'code', '|2857-1', lab));
  assert.ok(!found('Observation', 'code', 'http://snomed.info/sct|2857-1', lab));
  assert.ok(!found('Observation', 'code', '2857', lab));
  assert.ok(found('Observation', 'status', 'http://hl7.org/fhir/observation-status|final', { status: 'final' }));
  assert.ok(!found('Observation', 'status', 'http://other.example|final', { status: 'final' }));
  assert.ok(found('Patient', 'active', 'true', { active: true }));
});

test('FHR-3 commas separate alternatives, a backslash escapes', () => {
  assert.ok(found('Observation', 'status', 'registered,final', { status: 'final' }));
  const odd = { identifier: [{ system: 'urn:a', value: 'x,y|z' }] };
  assert.ok(found('Patient', 'identifier', 'x\\,y\\|z', odd));
  assert.ok(found('Patient', 'identifier', 'urn:a|x\\,y\\|z', odd));
  assert.ok(!found('Patient', 'identifier', 'x,y', odd));
});

test('FHR-3 a string matches the beginning, whatever case and accents; :exact and :contains as named', () => {
  const person = { name: [{ family: 'Fernández', given: ['Mateo'] }] };
  assert.ok(found('Patient', 'name', 'FERNAND', person));
  assert.ok(found('Patient', 'name', 'máteo', person));
  assert.ok(!found('Patient', 'name', 'nandez', person));
  assert.ok(found('Patient', 'name:contains', 'nandez', person));
  assert.ok(found('Patient', 'family:exact', 'Fernández', person));
  assert.ok(!found('Patient', 'family:exact', 'Fernandez', person));
  assert.ok(!found('Patient', 'given', 'Fernández', person));
});

test('FHR-3 date prefixes compare ranges', () => {
  const day = { effectiveDateTime: '2026-03-15' };
  const cases: [string, boolean][] = [
    ['2026-03-15', true],
    ['2026-03', true],
    ['2026-03-15T10:00:00Z', false],
    ['ne2026-03', false],
    ['ne2026-04', true],
    ['gt2026-03-14', true],
    ['gt2026-03-15', false],
    ['gt2026-03-15T12:00:00Z', true],
    ['ge2026-03-15', true],
    ['lt2026-03-15', false],
    ['lt2026-03-15T12:00:00Z', true],
    ['le2026-03-15', true],
    ['sa2026-03-14', true],
    ['sa2026-03-15', false],
    ['eb2026-03-16', true],
    ['eb2026-03-15', false],
  ];
  for (const [value, expected] of cases) assert.equal(found('Observation', 'date', value, day), expected, value);
  const open = { period: { start: '2026-05-01T10:00:00Z' } };
  assert.ok(found('Encounter', 'date', 'gt2030', open));
  assert.ok(!found('Encounter', 'date', 'lt2026-05', open));
});

test('FHR-3 a reference matches by id, Type/id and absolute URL', () => {
  const mine = { subject: { reference: 'Patient/p1' } };
  for (const value of ['p1', 'Patient/p1', `${BASE}/Patient/p1`]) {
    assert.ok(found('Observation', 'patient', value, mine), value);
    assert.ok(found('Observation', 'subject', value, mine), value);
    assert.ok(found('Observation', 'subject', value, { subject: { reference: `${BASE}/Patient/p1` } }), value);
    assert.ok(!found('Observation', 'patient', value, { subject: { reference: 'Group/p1' } }), value);
    assert.ok(
      !found('Observation', 'patient', value, { subject: { reference: 'https://other.example/fhir/Patient/p1' } }),
    );
  }
  assert.ok(found('Observation', 'subject:Patient', 'p1', mine));
  assert.ok(!found('Observation', 'subject:Group', 'p1', mine));
  assert.ok(!found('Observation', 'patient', 'https://other.example/fhir/Patient/p1', mine));
});

test('FHR-3 :missing asks whether there is a value', () => {
  assert.ok(found('Patient', 'birthdate:missing', 'true', {}));
  assert.ok(!found('Patient', 'birthdate:missing', 'true', { birthDate: '1980' }));
  assert.ok(found('Patient', 'birthdate:missing', 'false', { birthDate: '1980' }));
});

test('FHR-3 unsupported modifiers, prefixes and malformed values are refused, never widened', () => {
  refuses('Observation', 'code:in', 'http://example.org/vs');
  refuses('Observation', 'code:below', '1');
  refuses('Observation', 'subject:above', 'a|b');
  refuses('Patient', 'name:phonetic', 'x');
  refuses('Patient', 'birthdate', 'ap1980');
  refuses('Patient', 'birthdate', 'yesterday');
  refuses('Patient', 'birthdate', '2026-02-30');
  refuses('Patient', 'birthdate:missing', 'perhaps');
  refuses('Patient', 'name', '');
  refuses('Patient', 'name', 'a,');
  refuses('Observation', 'code', '|');
  refuses('Observation', 'code', 'a|b|c');
  refuses('Observation', 'patient', 'a b');
});

test('FHR-3 :missing asks for values that count for the parameter', () => {
  const other = { identifier: [{ type: { coding: [{ code: 'PLAC' }] }, value: '1' }] };
  const accession = { identifier: [{ type: { coding: [{ code: 'ACSN' }] }, value: '1' }] };
  assert.ok(found('ImagingStudy', 'accession:missing', 'true', other));
  assert.ok(found('ImagingStudy', 'accession:missing', 'false', accession));
  assert.ok(found('Patient', 'phone:missing', 'true', { telecom: [{ system: 'email', value: 'x' }] }));
  assert.ok(found('Observation', 'patient:missing', 'true', { subject: { reference: 'Group/g1' } }));
  assert.ok(found('Observation', 'subject:missing', 'false', { subject: { reference: 'Group/g1' } }));
  assert.ok(found('Observation', 'patient:missing', 'false', { subject: { reference: 'Patient/p1' } }));
});

test('FHR-3 :text of a token finds the words beside a code, and those of an identifier’s type', () => {
  const ct = { code: { coding: [{ code: '36572-6', display: 'XR Chest AP' }], text: 'Röntgen Thorax' } };
  for (const words of ['rontgen', 'thorax', 'xr chest', 'CHEST', 'ap'])
    assert.ok(found('Observation', 'code:text', words, ct), words);
  for (const words of ['36572-6', 'ontgen', 'chest xr'])
    assert.ok(!found('Observation', 'code:text', words, ct), words);
  const typed = { identifier: [{ type: { text: 'Accession number' }, value: 'A1' }] };
  assert.ok(found('ImagingStudy', 'identifier:text', 'accession', typed));
  refuses('Observation', 'code:text', '-');
});

test('FHR-3 the times that a Timing names count as dates', () => {
  const timed = { effectiveTiming: { event: ['2026-03-01', '2026-03-05'] } };
  assert.ok(found('Observation', 'date', '2026-03-05', timed));
  assert.ok(!found('Observation', 'date', '2026-03-03', timed));
  const repeated = { occurrenceTiming: { repeat: { boundsPeriod: { start: '2026-03-01', end: '2026-03-09' } } } };
  assert.ok(found('ServiceRequest', 'occurrence', '2026-03', repeated));
});

test('FHR-3 a document is found by its master identifier as well, and accession numbers by their type alone', () => {
  const document = { masterIdentifier: { system: 'urn:a', value: 'M1' }, identifier: [{ value: 'D1' }] };
  for (const value of ['m1', 'urn:a|M1', 'd1']) assert.ok(found('DocumentReference', 'identifier', value, document));
  const study = { identifier: [{ type: { coding: [{ system: 'urn:t', code: 'ACSN' }] }, value: 'Acc' }] };
  assert.ok(found('ImagingStudy', 'accession:of-type', 'urn:t|ACSN|acc', study));
  assert.ok(!found('ImagingStudy', 'accession:of-type', 'urn:t|PLAC|acc', study));
  // R4 3.1.1.4.10: all three parts must be there.
  for (const value of ['|ACSN|acc', 'urn:t||acc', 'urn:t|ACSN|', 'urn:t|ACSN'])
    assert.throws(() => found('ImagingStudy', 'accession:of-type', value, study), { status: 400 }, value);
});
