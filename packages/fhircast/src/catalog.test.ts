import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  anchorKeyOf,
  eventDefinition,
  eventKey,
  isProprietary,
  isResourceType,
  parseEvent,
  R4_RESOURCE_TYPES,
  resourceTypeSpelling,
  STANDARD_EVENTS,
} from './index.ts';

/** Chapter 3 of FHIRcast 3.0.0: key, cardinality, resource or reference, type. */
const CHAPTER_3: Readonly<Record<string, readonly string[]>> = {
  SyncError: ['operationoutcome 1..1 resource OperationOutcome'],
  UserLogout: ['parameters 1..1 resource Parameters'],
  UserHibernate: ['parameters 1..1 resource Parameters'],
  'Home-open': [],
  'Patient-open': ['patient 1..1 resource Patient'],
  'Patient-close': ['patient 1..1 resource Patient'],
  'Encounter-open': ['encounter 1..1 resource Encounter', 'patient 1..1 resource Patient'],
  'Encounter-close': ['encounter 1..1 resource Encounter', 'patient 1..1 resource Patient'],
  'ImagingStudy-open': [
    'study 1..1 resource ImagingStudy',
    'encounter 0..1 resource Encounter',
    'patient 0..1 resource Patient',
  ],
  'ImagingStudy-close': [
    'study 1..1 resource ImagingStudy',
    'encounter 0..1 resource Encounter',
    'patient 0..1 resource Patient',
  ],
  'DiagnosticReport-open': [
    'report 1..1 resource DiagnosticReport',
    'encounter 0..1 resource Encounter',
    'study 0..* resource ImagingStudy',
    'patient 1..1 resource Patient',
  ],
  'DiagnosticReport-close': [
    'report 1..1 resource DiagnosticReport',
    'encounter 0..1 resource Encounter',
    'study 0..* resource ImagingStudy',
    'patient 1..1 resource Patient',
  ],
  'DiagnosticReport-update': [
    'report 1..1 reference DiagnosticReport',
    'patient 0..1 reference Patient',
    'updates 1..1 resource Bundle',
  ],
  // The table says 1..*, its text "zero or more": an empty selection clears.
  'DiagnosticReport-select': [
    'report 1..1 reference DiagnosticReport',
    'patient 0..1 reference Patient',
    'select 0..* reference ',
  ],
};

function rows(name: string): readonly string[] {
  return (eventDefinition(name)?.keys ?? []).map(
    ({ key, min, max, value, types }) => `${key} ${min}..${max} ${value} ${types.join(' ')}`,
  );
}

describe('PUB-5 event catalog', () => {
  it('has every event of chapter 3, as its tables say', () => {
    assert.deepEqual([...STANDARD_EVENTS].sort(), Object.keys(CHAPTER_3).sort());
    for (const [name, table] of Object.entries(CHAPTER_3)) assert.deepEqual(rows(name), table, name);
  });

  it('CON-1 lets any FHIR resource type be an anchor', () => {
    for (const type of [...R4_RESOURCE_TYPES, 'ImagingSelection']) {
      for (const action of ['open', 'close', 'update', 'select'] as const) {
        const event = eventDefinition(`${type}-${action}`);
        assert.equal(event?.name, `${type}-${action}`);
        assert.equal(event?.anchorType, type);
        assert.equal(event?.action, action);
        assert.equal(event?.anchorKey, anchorKeyOf(type));
        const own = event?.keys.find(({ key }) => key === event.anchorKey);
        assert.equal(own?.value, action === 'open' || action === 'close' ? 'resource' : 'reference');
      }
    }
  });

  it('names the anchor by its type in lower case, but for report and study', () => {
    assert.equal(anchorKeyOf('DiagnosticReport'), 'report');
    assert.equal(anchorKeyOf('ImagingStudy'), 'study');
    assert.equal(anchorKeyOf('MedicationRequest'), 'medicationrequest');
  });

  it('knows the 146 resource types of FHIR R4 that can be instantiated', () => {
    assert.equal(new Set(R4_RESOURCE_TYPES).size, 146);
    assert.ok(R4_RESOURCE_TYPES.every(isResourceType));
  });
});

describe('SUB-3 event names', () => {
  it('compare without regard to case and come out in the catalog spelling', () => {
    const cases = fc.array(fc.boolean(), { minLength: 40, maxLength: 40 });
    fc.assert(
      fc.property(fc.constantFrom(...STANDARD_EVENTS, 'Observation-open', 'List-update'), cases, (name, upper) => {
        const written = [...name].map((c, i) => (upper[i] ? c.toUpperCase() : c.toLowerCase())).join('');
        assert.equal(eventDefinition(written)?.name, name);
        assert.equal(eventKey(written), eventKey(name));
      }),
    );
  });

  it('may be in reverse domain notation, without a dash', () => {
    const event = eventDefinition('org.example.patient_transmogrify');
    assert.ok(event && isProprietary(event));
    assert.deepEqual(event.keys, []);
    for (const name of ['org.example.patient-transmogrify', 'org', 'org.', '.org', 'org..example', '1org.x', 'a b.c']) {
      assert.equal(eventDefinition(name), undefined, name);
    }
  });

  it('are nothing else', () => {
    for (const name of [
      '',
      '-',
      'Patient',
      'Patient-',
      '-open',
      'Patient-opened',
      'Foo-open',
      'Home-close',
      '*',
      '*-open',
    ]) {
      assert.equal(eventDefinition(name), undefined, name);
    }
    for (const name of ['__proto__', 'constructor', 'constructor-open', 'toString-open', '__proto__-open']) {
      assert.equal(eventDefinition(name), undefined, name);
    }
  });

  it('of resource types know one spelling', () => {
    assert.equal(resourceTypeSpelling('IMAGINGSTUDY'), 'ImagingStudy');
    assert.equal(isResourceType('Imagingstudy'), false);
    assert.equal(resourceTypeSpelling('Home'), undefined);
  });

  it('go out in the catalog spelling', () => {
    const read = parseEvent({
      timestamp: '2026-01-08T01:37:05.14',
      id: 'e1',
      event: { 'hub.topic': 't', 'hub.event': 'home-OPEN', context: [] },
    });
    assert.equal(read.ok && read.value.message.event['hub.event'], 'Home-open');
  });
});
