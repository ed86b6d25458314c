import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { R4_RESOURCE_TYPES } from '@lockstep/fhircast';
import { FhirValidation } from './fhir-validation.ts';
import { PRIMITIVES } from './primitives.ts';
import { R4Definitions } from './r4-definitions.ts';

const validation = new FhirValidation();

const subject = { reference: 'Patient/p1' };
const code = { coding: [{ system: 'http://loinc.org', code: '24627-2' }] };
const observation = { resourceType: 'Observation', id: 'o1', status: 'preliminary', code };
const extension = [{ url: 'http://hl7.org/fhir/StructureDefinition/data-absent-reason', valueCode: 'unknown' }];

/** What is said about a Patient with these elements. */
function patient(elements: object): string | undefined {
  return validation.problem({ resourceType: 'Patient', id: 'p1', ...elements });
}

describe('PUB-5 deep validation', () => {
  it('lets through what FHIR R4 allows', () => {
    const good = [
      observation,
      { ...observation, subject, valueQuantity: { value: 4.2, unit: 'mm' }, effectiveDateTime: '2026-01-08' },
      // What it refers to came with R5.
      { ...observation, derivedFrom: [{ reference: 'ImagingSelection/s1' }] },
      { ...observation, status: undefined, _status: { extension } },
      { resourceType: 'DiagnosticReport', id: 'r1', status: 'unknown', code, subject },
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
        item: [{ linkId: '1', type: 'group', item: [{ linkId: '2', type: 'text' }] }],
      },
      { resourceType: 'Invoice', status: 'draft', totalPriceComponent: [{ type: 'base' }] },
      {
        resourceType: 'Parameters',
        parameter: [{ name: 'code', valueCoding: { code: 'user-initiated' } }],
      },
    ];
    for (const resource of good) {
      assert.equal(validation.problem(JSON.parse(JSON.stringify(resource))), undefined);
    }
  });

  it('names the element and the rule, and repeats no value', () => {
    for (const [elements, said] of [
      [{ nickname: 'Ida' }, 'Patient.nickname is no element that FHIR R4 has'],
      [{ _name: [] }, 'Patient._name is no element that FHIR R4 has'],
      [{ constructor: 1 }, 'Patient.constructor is no element that FHIR R4 has'],
      [{ name: { family: 'Moreau' } }, 'Patient.name must be an array'],
      [{ birthDate: ['1970'] }, 'Patient.birthDate must not be an array'],
      [{ name: [] }, 'Patient.name must not be an empty array'],
      [{ name: [{}] }, 'Patient.name[0] must not be an empty object'],
      [{ name: ['Moreau'] }, 'Patient.name[0] must be an object'],
      [{ name: [{ given: ['Ida', 7] }] }, 'Patient.name[0].given[1] must be a string that is not empty'],
      [{ name: [{ given: ['Ida', null] }] }, 'Patient.name[0].given[1] must be a string that is not empty'],
      [{ active: 'true' }, 'Patient.active must be true or false'],
      [{ birthDate: '1970-02-32' }, 'Patient.birthDate must be a date: YYYY, YYYY-MM or YYYY-MM-DD'],
      [{ gender: 'f' }, 'Patient.gender must be one of male, female, other, unknown'],
      [{ id: 'p 1' }, 'Patient.id must be an id of 1 to 64 letters, digits, dashes and dots'],
      [
        { deceasedBoolean: true, deceasedDateTime: '2020' },
        'Patient.deceased[x] may be only one of deceasedBoolean and deceasedDateTime',
      ],
      [
        { deceasedBoolean: true, _deceasedDateTime: { extension } },
        'Patient.deceased[x] may be only one of deceasedBoolean and deceasedDateTime',
      ],
      [{ link: [{ other: subject }] }, 'Patient.link[0].type is required'],
      [{ extension: [{ valueString: 'x' }] }, 'Patient.extension[0].url is required'],
      [{ contained: [{ resourceType: 'Observation', code }] }, 'Patient.contained[0].status is required'],
      [{ contained: [{ id: 'x' }] }, 'Patient.contained[0] must be a resource with a resourceType'],
      [
        { contained: [{ resourceType: 'Nonsense' }] },
        'Patient.contained[0] has the resourceType "Nonsense", which FHIR does not have',
      ],
    ] as const) {
      assert.equal(patient(elements), said);
    }
    const { status, ...without } = observation;
    assert.equal(validation.problem(without), 'Observation.status is required');
    assert.equal(
      validation.problem({ ...without, status: `${status}!` })?.slice(0, 40),
      'Observation.status must be one of regist',
    );
    const request = { resourceType: 'MedicationRequest', status: 'active', intent: 'order', subject };
    assert.equal(validation.problem(request), 'MedicationRequest.medication[x] is required');
    const range = { ...observation, component: [{ code, referenceRange: [{ low: { value: '1' } }] }] };
    assert.equal(validation.problem(range), 'Observation.component[0].referenceRange[0].low.value must be a number');
  });

  it('leaves alone what came after R4, wherever it is, and knows nothing else', () => {
    const selection = { resourceType: 'ImagingSelection', id: 's1', status: 'available', studyUid: '1.2' };
    assert.equal(validation.problem(selection), undefined);
    assert.equal(patient({ contained: [selection] }), undefined);
    for (const resourceType of ['Nonsense', 'Resource', 'DomainResource', 'toString', '__proto__']) {
      assert.match(validation.problem({ resourceType }) ?? '', /^it has the resourceType "/);
    }
  });

  it('has a definition for every type of R4, and a rule for every primitive in it', () => {
    const r4 = new R4Definitions();
    const seen = new Set<string>();
    const visit = (name: string): void => {
      if (seen.has(name)) return;
      seen.add(name);
      for (const { type, primitive } of r4.of(name).elements.values()) {
        if (primitive) assert.ok(PRIMITIVES[type], type);
        else if (type !== 'Resource') visit(type);
      }
    };
    for (const type of R4_RESOURCE_TYPES) visit(type);
    assert.ok(seen.size > 600, `${seen.size}`);
  });

  it('takes no time for text that is meant to take it', () => {
    const started = performance.now();
    const spaces = `AAAA${' '.repeat(100_000)}`.repeat(5);
    for (const elements of [
      { photo: [{ data: `${spaces}!` }] },
      { language: `${'a '.repeat(100_000)} ` },
      { birthDate: '1'.repeat(100_000) },
      { implicitRules: `urn:${'x'.repeat(100_000)} ` },
    ]) {
      assert.match(patient(elements) ?? '', /must be/);
    }
    assert.ok(performance.now() - started < 2000);
  });
});
