import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { R4_RESOURCE_TYPES } from '@lockstep/fhircast';
import fc from 'fast-check';
import { R4Validator, type ValidationOptions } from './index.ts';

const validator = new R4Validator();

const subject = { reference: 'Patient/p1' };
const code = { coding: [{ system: 'http://loinc.org', code: '24627-2' }] };
const observation = { resourceType: 'Observation', id: 'o1', status: 'preliminary', code };
const report = { resourceType: 'DiagnosticReport', id: 'r1', status: 'unknown', code, subject };
const extension = [{ url: 'http://hl7.org/fhir/StructureDefinition/data-absent-reason', valueCode: 'unknown' }];

function said(resource: unknown, options?: ValidationOptions): string | undefined {
  return validator.problem(JSON.parse(JSON.stringify(resource)), options)?.text;
}

/** What is said about a Patient with these elements. */
function patient(elements: object): string | undefined {
  return said({ resourceType: 'Patient', id: 'p1', ...elements });
}

describe('FHR-7 and PUB-5 the one R4 validator', () => {
  it('lets through what FHIR R4 allows', () => {
    for (const resource of [
      observation,
      { ...observation, subject, valueQuantity: { value: 4.2, unit: 'mm' }, effectiveDateTime: '2026-01-08' },
      { ...observation, effectiveDateTime: '2026-01-08T10:11:12.5+01:00', issued: '2026-01-08T10:11:12Z' },
      // What it refers to came with R5.
      { ...observation, derivedFrom: [{ reference: 'ImagingSelection/s1' }] },
      { ...observation, status: undefined, _status: { extension } },
      { ...observation, _valueString: { extension } },
      report,
      {
        resourceType: 'ImagingStudy',
        id: 's1',
        status: 'available',
        subject,
        series: [{ uid: '1.2', modality: { code: 'CT' }, instance: [{ uid: '1.2.3', sopClass: { code: 'x' } }] }],
      },
      {
        resourceType: 'Patient',
        id: 'p1',
        name: [{ given: ['Ida', null], _given: [null, { extension }] }],
        _birthDate: { extension },
        text: { status: 'empty', div: '<div xmlns="http://www.w3.org/1999/xhtml">Ida</div>' },
        contained: [{ resourceType: 'Organization', id: 'o', name: 'Northfield' }],
      },
      {
        resourceType: 'Questionnaire',
        status: 'draft',
        item: [{ linkId: '1', type: 'group', item: [{ linkId: '2', type: 'string', text: 'Which?' }] }],
      },
      { resourceType: 'Invoice', status: 'draft', totalPriceComponent: [{ type: 'base' }] },
      { resourceType: 'Parameters', parameter: [{ name: 'code', valueCoding: { code: 'user-initiated' } }] },
    ]) {
      assert.equal(said(resource), undefined);
    }
  });

  it('takes numbers of any precision', () => {
    for (const number of ['7.10', '0.000', '1e-7', '12345678901234567890.12345', '-0.0']) {
      const text = JSON.stringify({ ...observation, valueQuantity: { value: 'here' } }).replace('"here"', number);
      assert.equal(validator.problem(JSON.parse(text)), undefined, number);
    }
  });

  it('names the element and the rule, and repeats no value', () => {
    for (const [elements, rule] of [
      [{ nickname: 'Ida' }, 'Patient.nickname is no element that FHIR R4 has'],
      [{ _name: [{ extension }] }, 'Patient._name is no element that FHIR R4 has'],
      [{ name: [{ family: 'Moreau' }], _name: [{ extension }] }, 'Patient._name is no element that FHIR R4 has'],
      [{ constructor: 1 }, 'Patient has a member whose name no FHIR element has'],
      [{ name: [{ hasOwnProperty: 1 }] }, 'Patient.name[0] has a member whose name no FHIR element has'],
      [{ name: { family: 'Moreau' } }, 'Patient.name must be an array'],
      [{ birthDate: ['1970'] }, 'Patient.birthDate must not be an array'],
      [{ name: [] }, 'Patient.name must not be an empty array'],
      [{ name: [{}] }, 'Patient.name[0] must not be an empty object'],
      [{ name: ['Moreau'] }, 'Patient.name[0] must be an object'],
      [{ name: [{ given: ['Ida', 7] }] }, 'Patient.name[0].given[1] must be a string'],
      [{ name: [{ given: ['Ida', ' '] }] }, 'Patient.name[0].given[1] must not be empty'],
      [{ name: [{ given: ['Ida', null] }] }, 'Patient.name[0].given[1] must not be null'],
      [{ active: 'true' }, 'Patient.active must be true or false'],
      [{ active: null }, 'Patient.active must not be null'],
      [{ _active: 'x' }, 'Patient._active must be an object, or an array of objects'],
      [{ birthDate: '1970-02-32' }, 'Patient.birthDate must be a date: YYYY, YYYY-MM or YYYY-MM-DD'],
      [{ birthDate: '1970-02-30' }, 'Patient.birthDate must be a date that exists'],
      [{ gender: 'f' }, 'Patient.gender must be one of male, female, other, unknown'],
      [{ name: [{ use: 'main' }] }, /^Patient\.name\[0\]\.use must be one of usual, official, temp/],
      [{ id: 'p 1' }, 'Patient.id must be an id of 1 to 64 letters, digits, dashes and dots'],
      [
        { deceasedBoolean: true, deceasedDateTime: '2020' },
        'Patient.deceased[x] may be only one of deceasedBoolean and deceasedDateTime',
      ],
      [
        { deceasedBoolean: true, _deceasedDateTime: { extension } },
        'Patient.deceased[x] may be only one of deceasedBoolean and deceasedDateTime',
      ],
      [{ deceased: true }, 'Patient.deceased is no element that FHIR R4 has'],
      [{ deceasedBoolean: true, deceasedString: 'x' }, 'Patient.deceasedString is no element that FHIR R4 has'],
      [{ multipleBirthInteger: 1.5 }, 'Patient.multipleBirth[x] must be a whole number'],
      [{ link: [{ other: subject }] }, 'Patient.link[0].type is required'],
      [{ extension: [{ valueString: 'x' }] }, 'Patient.extension[0].url is required'],
      [{ contact: [{ gender: 'male' }] }, /^Patient\.contact\[0\] breaks the rule pat-1: /],
      [{ contained: [{ resourceType: 'Observation', code }] }, 'Patient.contained[0].status is required'],
      [{ contained: [{ id: 'x' }] }, 'Patient.contained must be an array of resources, each with a resourceType'],
      [{ contained: [{ resourceType: 'Nonsense' }] }, 'FHIR has no resource type "Nonsense"'],
      [
        { managingOrganization: { reference: 'javascript:alert(1)' } },
        'Patient.managingOrganization.reference must be a reference: Type/id, an absolute URL, a urn: or #id',
      ],
    ] as const) {
      if (typeof rule === 'string') assert.equal(patient(elements), rule);
      else assert.match(patient(elements) ?? '', rule);
    }
    const { status: _status, ...without } = observation;
    assert.equal(said(without), 'Observation.status is required');
    assert.match(said({ ...without, status: 'final!' }) ?? '', /^Observation\.status must be one of regist/);
    const request = { resourceType: 'MedicationRequest', status: 'active', intent: 'order', subject };
    assert.equal(said(request), 'MedicationRequest.medication[x] is required');
    const range = { ...observation, component: [{ code, referenceRange: [{ low: { value: '1' } }] }] };
    assert.equal(said(range), 'Observation.component[0].referenceRange[0].low.value must be a number');
    assert.match(
      said({ ...observation, effectiveDateTime: '2026-01-08T10' }) ?? '',
      /^Observation\.effective\[x\] must/,
    );
    assert.match(said({ ...observation, valueQuantity: { comparator: '~' } }) ?? '', /comparator must be one of </);
    assert.equal(said({ resourceType: 'Organization' }), 'Organization needs at least one of identifier and name');
  });

  it('leaves alone the types that came after R4, wherever they are, and knows nothing else', () => {
    const selection = { resourceType: 'ImagingSelection', id: 's1', status: 'available', studyUid: '1.2' };
    assert.equal(said(selection), undefined);
    assert.equal(patient({ contained: [selection] }), undefined);
    for (const resourceType of ['Nonsense', 'Resource', 'DomainResource', 'toString', '__proto__', 'Bot']) {
      assert.match(said({ resourceType }) ?? '', /^FHIR has no resource type "/);
    }
    for (const no of [null, [], 'Patient', 7, {}, { resourceType: 7 }]) {
      assert.equal(said(no), 'It must be a resource with a resourceType');
    }
  });

  it('FHR-7 lets the elements of R5 that IHE IRA needs pass where the profile or the client says R5', () => {
    const study = [{ reference: 'ImagingStudy/s1' }];
    const supportingInfo = [{ type: { text: 'prior' }, reference: { reference: 'DiagnosticReport/r0' } }];
    const later = { ...report, study, supportingInfo };
    assert.equal(said(later), 'DiagnosticReport.study is no element that FHIR R4 has');
    assert.equal(said(later, { r5: true }), undefined);
    const profile = ['https://profiles.ihe.net/RAD/IRA/StructureDefinition/diagnosticreportcontext'];
    assert.equal(said({ ...later, meta: { profile } }), undefined);
    assert.equal(said({ ...later, meta: { profile: ['http://example.org/mine'] } }) === undefined, false);
    for (const [elements, rule] of [
      [{ study: 'ImagingStudy/s1' }, 'DiagnosticReport.study must be an array'],
      [{ study: ['ImagingStudy/s1'] }, 'DiagnosticReport.study[0] must be an object'],
      [{ study: [...study, { ref: 'x' }] }, 'DiagnosticReport.study[1].ref is no element that FHIR R4 has'],
      [{ extension, study: [{ display: 7 }] }, 'DiagnosticReport.study[0].display must be a string'],
      [{ supportingInfo: [{ type: { text: 'prior' } }] }, 'DiagnosticReport.supportingInfo[0].reference is required'],
      [
        { supportingInfo: [{ ...supportingInfo[0], why: 1 }] },
        'DiagnosticReport.supportingInfo[0].why is no element that FHIR R5 has',
      ],
      [{ composition: subject }, 'DiagnosticReport.composition is no element that FHIR R4 has'],
    ] as const) {
      assert.equal(said({ ...report, ...elements }, { r5: true }), rule);
    }
    const bundle = {
      resourceType: 'Bundle',
      type: 'collection',
      entry: [{ resource: { ...later, study: [{ x: 1 }] } }],
    };
    assert.equal(said(bundle, { r5: true }), 'Bundle.entry[0].resource.study[0].x is no element that FHIR R4 has');
  });

  it('FHR-7 holds what may be partial to what is there, not to what is missing', () => {
    for (const resourceType of R4_RESOURCE_TYPES) {
      assert.equal(said({ resourceType, id: 'x1' }, { partial: true }), undefined, resourceType);
    }
    assert.equal(said({ resourceType: 'Encounter', id: 'e1' }), 'Encounter.status is required');
    const wrong = { resourceType: 'Encounter', id: 'e1', status: 'over' };
    assert.match(said(wrong, { partial: true }) ?? '', /^Encounter\.status must be one of planned/);
  });

  it('changes nothing in what it looks at', () => {
    const resource = { ...observation, _status: { extension }, note: [{ text: 'x', _text: { id: 'n' } }] };
    const before = JSON.stringify(resource);
    validator.problem(resource);
    assert.equal(JSON.stringify(resource), before);
  });

  it('refuses what is deeper than any resource, and reads text that is meant to take long only once', () => {
    const deep = Array.from({ length: 500 }).reduce<object>((inner) => ({ url: 'x', extension: [inner] }), {
      url: 'x',
    });
    assert.match(patient({ extension: [deep] }) ?? '', /nested deeper/);
    const spaces = `AAAA${' '.repeat(100_000)}`.repeat(5);
    for (const elements of [
      { photo: [{ data: `${spaces}!` }] },
      { language: `${'a '.repeat(100_000)} ` },
      { birthDate: '1'.repeat(100_000) },
      { implicitRules: `urn:${'x'.repeat(100_000)} ` },
    ]) {
      assert.match(patient(elements) ?? '', /must be/);
    }
  });

  it('never throws, whatever a member holds', () => {
    const odd = fc.oneof(fc.jsonValue(), fc.constantFrom(null, [], {}, [[]], [{}], 'x', 0, { resource: {} }));
    const names = fc.constantFrom(
      'name',
      '_name',
      'contact',
      'text',
      'meta',
      'extension',
      'contained',
      'deceased',
      'photo',
    );
    fc.assert(
      fc.property(
        names,
        odd,
        fc.constantFrom('Patient', 'Bundle', 'Parameters', 'DiagnosticReport'),
        (name, value, type) => {
          said(
            { resourceType: type, [name]: value, entry: value, parameter: [{ name: 'x', resource: value }] },
            { r5: true },
          );
        },
      ),
      { numRuns: 300 },
    );
  });
});
