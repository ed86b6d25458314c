import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { DiagnosticReport, ImagingStudy, Patient } from 'fhir/r4.js';
import { type HubEvent, Subscriber } from '../src/index.ts';

/** What the compiler checks; the functions never run. */
export function typed(subscriber: Subscriber): void {
  subscriber.on('Patient-open', ({ resources }) => {
    const type: 'Patient' = resources.patient.resourceType;
    // @ts-expect-error a Patient-open has no report
    void resources.report;
    void type;
  });
  subscriber.on('DiagnosticReport-open', ({ resources }) => {
    const type: 'DiagnosticReport' = resources.report.resourceType;
    // @ts-expect-error the study may be missing
    void resources.study.id;
    void type;
  });
  subscriber.on('CarePlan-open', ({ resources }) => {
    const type: 'CarePlan' = resources.careplan.resourceType;
    void type;
  });
  subscriber.on('SyncError', ({ resources }) => void resources.operationoutcome);
  subscriber.on('org.example.wave', async (event: HubEvent) => void event.elements);
  // @ts-expect-error an answer is no text
  subscriber.on('Patient-open', () => 'yes');
  // @ts-expect-error no such event
  subscriber.on('Patient-wave', () => {});
}

/** Resources with the types of `@types/fhir` go in as they are, and come out by naming their type. */
export function withFhirTypes(
  subscriber: Subscriber,
  patient: Patient,
  study: ImagingStudy,
  report: DiagnosticReport,
): void {
  void subscriber.openPatient(patient);
  void subscriber.openStudy(study, { patient });
  void subscriber.openReport(report, { patient, study: [study] });
  void subscriber.update(() => [{ put: { ...report, id: 'r1' } }]);
  void subscriber.survey(patient);
  subscriber.on('Patient-open', ({ resources }) => {
    const opened: Patient = resources.patient as Patient;
    // @ts-expect-error a patient is no study
    const wrong: ImagingStudy = resources.patient as ImagingStudy;
    void [opened.birthDate, wrong];
  });
  subscriber.follow((context) => void (context?.resources.patient as Patient | undefined)?.name?.[0]?.family);
}

it('the types say what each event holds', () => {
  // Compiled by the type check; at run time only the constructor's own checks are left to see.
  assert.throws(() => new Subscriber({ hubUrl: '/hub', topic: 't', events: ['Patient-open'] }), TypeError);
  assert.throws(() => new Subscriber({ hubUrl: 'https://h', topic: '', events: ['Patient-open'] }), TypeError);
  assert.throws(() => new Subscriber({ hubUrl: 'https://h', topic: 't', events: [] }), TypeError);
  assert.equal(typeof typed, 'function');
});
