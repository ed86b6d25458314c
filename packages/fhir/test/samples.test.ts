import assert from 'node:assert/strict';
import { test } from 'node:test';
import { R4Validator } from '@lockstep/r4';
import type { JsonObject } from '../src/index.ts';
import { references, valuesAt } from '../src/resource.ts';
import { sampleResources } from '../src/samples/index.ts';
import { startEndpoint } from './harness.ts';

const samples = sampleResources();
const validator = new R4Validator();
const ofType = (type: string) => samples.filter(({ resourceType }) => resourceType === type);
const first = (resource: JsonObject, path: string) => valuesAt(resource, path)[0];

test('FHR-3 the samples are valid, have ids of their own and refer only to one another', () => {
  const keys = new Set(samples.map(({ resourceType, id }) => `${resourceType}/${id}`));
  assert.equal(keys.size, samples.length);
  for (const sample of samples) {
    assert.equal(validator.problem(sample), undefined);
    for (const reference of references(sample)) assert.ok(keys.has(reference), `${sample.id} refers to ${reference}`);
  }
  assert.deepEqual(sampleResources(), samples);
});

test('FHR-3 at least 12 patients, each with encounters, orders, studies, reports, observations and conditions', () => {
  const patients = ofType('Patient');
  assert.ok(patients.length >= 12);
  assert.ok(ofType('Practitioner').length >= 3);
  for (const id of ['dr-lena-okafor', 'dr-tomas-lindqvist', 'dr-mei-tanaka', 'admin']) {
    assert.ok(ofType('Practitioner').some((practitioner) => practitioner.id === id));
  }
  for (const { id } of patients) {
    for (const type of [
      'Encounter',
      'ServiceRequest',
      'ImagingStudy',
      'DiagnosticReport',
      'Condition',
      'AllergyIntolerance',
      'MedicationRequest',
      'Immunization',
      'Procedure',
    ]) {
      const isOwn = (one: JsonObject) =>
        first(one, 'subject.reference') === `Patient/${id}` || first(one, 'patient.reference') === `Patient/${id}`;
      assert.ok(ofType(type).some(isOwn), `${id} has no ${type}`);
    }
  }
  const numbers = patients.map((patient) => first(patient, 'identifier.value'));
  assert.equal(new Set(numbers).size, patients.length);
});

test('FHR-3 order, study, report and findings of an examination agree', () => {
  for (const study of ofType('ImagingStudy')) {
    const report = ofType('DiagnosticReport').find(
      (one) => first(one, 'imagingStudy.reference') === `ImagingStudy/${study.id}`,
    );
    const order = ofType('ServiceRequest').find(
      (one) => first(study, 'basedOn.reference') === `ServiceRequest/${one.id}`,
    );
    assert.ok(report && order, study.id);
    assert.deepEqual(report.encounter, study.encounter);
    if (order.encounter) assert.deepEqual(order.encounter, study.encounter);
    for (const other of [report, order]) {
      assert.deepEqual(other.subject, study.subject);
      assert.deepEqual(first(other, 'code.coding.code'), first(study, 'procedureCode.coding.code'));
    }
    const series = valuesAt(study, 'series');
    assert.equal(study.numberOfSeries, series.length);
    const instances = series.reduce((sum: number, one) => sum + Number((one as JsonObject).numberOfInstances), 0);
    assert.equal(study.numberOfInstances, instances);
    const uid = String(first(study, 'identifier.value')).replace('urn:oid:', '');
    assert.match(uid, /^2\.999(\.(0|[1-9]\d*))+$/);
    for (const one of valuesAt(study, 'series.uid')) assert.ok(String(one).startsWith(`${uid}.`));
    const modalities = new Set(valuesAt(study, 'modality.code'));
    for (const one of valuesAt(study, 'series.modality.code')) assert.ok(modalities.has(one));
  }
  const accessions = ofType('ImagingStudy').map((study) => valuesAt(study, 'identifier.value')[1]);
  assert.equal(new Set(accessions).size, accessions.length);
});

test('FHR-3 times of the samples are of 2026 and in order', () => {
  const time = (resource: JsonObject, path: string) => Date.parse(String(first(resource, path)));
  for (const report of ofType('DiagnosticReport')) {
    const study = ofType('ImagingStudy').find(
      ({ id }) => `ImagingStudy/${id}` === first(report, 'imagingStudy.reference'),
    )!;
    const order = ofType('ServiceRequest').find(
      ({ id }) => `ServiceRequest/${id}` === first(report, 'basedOn.reference'),
    )!;
    const encounter = ofType('Encounter').find(({ id }) => `Encounter/${id}` === first(report, 'encounter.reference'))!;
    assert.ok(time(order, 'authoredOn') <= time(study, 'started'), report.id);
    assert.ok(time(encounter, 'period.start') <= time(study, 'started'), report.id);
    if (first(encounter, 'period.end')) assert.ok(time(study, 'started') <= time(encounter, 'period.end'), report.id);
    if (report.issued) assert.ok(time(study, 'started') < time(report, 'issued'), report.id);
    assert.equal(report.issued === undefined, report.status === 'registered', report.id);
    assert.match(String(study.started), /^2026-/);
  }
});

test('FHR-3 whatever names a visit is of its patient and not before it, and nothing is before birth', () => {
  const byKey = new Map(samples.map((sample) => [`${sample.resourceType}/${sample.id}`, sample]));
  const DATES =
    'onsetDateTime recordedDate authoredOn effectiveDateTime issued started series.started period.start period.end';
  for (const sample of samples) {
    const patient = byKey.get(String(first(sample, 'subject.reference')));
    if (!patient) continue;
    const what = `${sample.resourceType}/${sample.id}`;
    for (const path of DATES.split(' ')) {
      for (const date of valuesAt(sample, path)) {
        assert.ok(String(date) > String(patient.birthDate), `${what} ${path} is before birth`);
      }
    }
    const visit = byKey.get(String(first(sample, 'encounter.reference')));
    if (!visit) continue;
    assert.deepEqual(visit.subject, sample.subject, what);
    const start = Date.parse(String(first(visit, 'period.start')));
    const end = Date.parse(String(first(visit, 'period.end') ?? '2027'));
    for (const path of ['recordedDate', 'authoredOn', 'effectiveDateTime', 'started']) {
      for (const date of valuesAt(sample, path)) {
        const time = Date.parse(String(date));
        assert.ok(start <= time && time <= end, `${what} ${path} is outside its visit`);
      }
    }
  }
});

test('FHR-3 identifiers are unique, accession numbers typed ACSN and shared by order, study and report', () => {
  const accessionOf = (resource: JsonObject) =>
    valuesAt(resource, 'identifier')
      .map((identifier) => identifier as JsonObject)
      .find((identifier) => first(identifier, 'type.coding.code') === 'ACSN')?.value;
  for (const study of ofType('ImagingStudy')) {
    const accession = accessionOf(study);
    assert.ok(accession, study.id);
    for (const type of ['ServiceRequest', 'DiagnosticReport']) {
      assert.deepEqual(
        ofType(type)
          .filter((other) => accessionOf(other) === accession)
          .map(({ id }) => id),
        [study.id],
      );
    }
  }
  const uids = ofType('ImagingStudy').flatMap((study) => [
    String(first(study, 'identifier.value')).replace('urn:oid:', ''),
    ...valuesAt(study, 'series.uid').map(String),
  ]);
  assert.equal(new Set(uids).size, uids.length);
  for (const uid of uids) assert.ok(uid.length <= 64, uid);
});

test('FHR-3 a report lists the findings of its study, of its status, and says their sizes in words', () => {
  const observations = new Map(ofType('Observation').map((one) => [`Observation/${one.id}`, one]));
  for (const report of ofType('DiagnosticReport')) {
    const study = first(report, 'imagingStudy.reference');
    const listed = valuesAt(report, 'result.reference').map(String);
    const found = [...observations].filter(([, one]) => first(one, 'partOf.reference') === study).map(([key]) => key);
    assert.deepEqual(listed.toSorted(), found.toSorted(), report.id);
    const data = first(report, 'presentedForm.data');
    const text = data === undefined ? '' : Buffer.from(String(data), 'base64').toString();
    for (const key of listed) {
      const one = observations.get(key)!;
      assert.equal(one.status === 'preliminary', report.status === 'preliminary', key);
      const unit = first(one, 'valueQuantity.code');
      if (unit === 'mm' || unit === 'mL') {
        assert.ok(text.includes(`${first(one, 'valueQuantity.value')} ${unit}`), `${key} is not in its report`);
      }
    }
  }
});

test('FHR-3 seeding fills an empty store once, and leaves a used one alone', async () => {
  const endpoint = await startEndpoint();
  assert.equal(await endpoint.service.seedSampleData(), samples.length);
  assert.equal(await endpoint.service.seedSampleData(), 0);
  const all = endpoint.token({ scope: 'system/*.cruds' });
  assert.equal((await endpoint.get('/Patient/yuki-sato', all)).body.meta.versionId, '1');
  await endpoint.close();

  const used = await startEndpoint();
  const bearer = used.token({ scope: 'system/*.cruds' });
  await used.send('POST', '/Patient', bearer, { resourceType: 'Patient' });
  assert.equal(await used.service.seedSampleData(), 0);
  assert.equal((await used.get('/Patient', bearer)).body.total, 1);
  await used.close();
});
