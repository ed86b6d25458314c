import type { Code, Measurand } from './codes.ts';

/** A patient and what happened to them, in short; `expand` makes resources of it. */
export interface Case {
  readonly patient: SamplePerson;
  readonly problems: readonly SampleProblem[];
  readonly visits: readonly Visit[];
}

export interface SamplePerson {
  readonly id: string;
  readonly mrn: string;
  readonly given: string;
  readonly family: string;
  readonly gender: 'male' | 'female' | 'other';
  readonly birthDate: string;
  readonly city: string;
  readonly phone: string;
}

export interface SampleProblem {
  readonly key: string;
  readonly code: Code;
  readonly text?: string;
  readonly onset: string;
  readonly status?: 'active' | 'resolved';
  readonly verification?: 'confirmed' | 'provisional';
  /** The key of the visit where it was found. */
  readonly visit?: string;
}

export interface Visit {
  readonly key: string;
  readonly kind: 'AMB' | 'EMER' | 'IMP';
  readonly title: string;
  readonly reason: string;
  /** FHIR dateTimes; a visit without an end goes on. */
  readonly start: string;
  readonly end?: string;
  /** The id of the practitioner in charge. */
  readonly doctor: string;
  readonly measured?: { readonly at: string; readonly values: readonly Measured[] };
  readonly bloodPressure?: readonly [systolic: number, diastolic: number];
  readonly exams: readonly Exam[];
}

export type Measured = readonly [measurand: Measurand, value: number];

export interface Exam {
  readonly key: string;
  readonly code: Code;
  readonly accession: string;
  readonly priority: 'routine' | 'urgent' | 'stat';
  readonly ordered: string;
  readonly started: string;
  readonly site: Code;
  readonly series: readonly Series[];
  readonly indication: string;
  readonly technique: string;
  readonly comparison?: string;
  readonly findings: string;
  readonly observed?: readonly Observed[];
  readonly report: SampleReport;
}

export interface Series {
  readonly modality: 'CT' | 'MR' | 'DX' | 'MG' | 'US' | 'PT' | 'SR';
  readonly description: string;
  readonly instances: number;
  readonly site?: Code;
  readonly laterality?: 'left' | 'right';
}

/** A finding of the images as an Observation. */
export interface Observed {
  readonly key: string;
  readonly code: Code;
  readonly text?: string;
  readonly site?: Code;
  readonly quantity?: readonly [value: number, unit: string];
  readonly concept?: Code;
  readonly value?: string;
}

export interface SampleReport {
  readonly status: 'registered' | 'preliminary' | 'final' | 'amended';
  /** Without one the report is not yet issued. */
  readonly issued?: string;
  readonly impression?: string;
  readonly conclusions?: readonly Code[];
}
