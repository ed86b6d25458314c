import type { Case } from './case.ts';
import { EXAM, MEASURE, northfield, SITE, snomed } from './codes.ts';

/** Multiple sclerosis with its prior, and a head injury under anticoagulation whose report is still preliminary. */
export const NEURO: readonly Case[] = [
  {
    patient: {
      id: 'sofia-marchetti',
      mrn: 'NF-291184',
      given: 'Sofia',
      family: 'Marchetti',
      gender: 'female',
      birthDate: '1989-05-08',
      city: 'Northfield',
      phone: '+999 20 555 0105',
    },
    problems: [
      {
        key: 'multiple-sclerosis',
        code: snomed('24700007', 'Multiple sclerosis'),
        text: 'Relapsing-remitting multiple sclerosis',
        onset: '2026-01-20',
        visit: '2026-01',
      },
    ],
    visits: [
      {
        key: '2026-01',
        kind: 'AMB',
        title: 'Neurology consultation',
        reason: 'Blurred vision and pain of the left eye for a week, tingling of the right hand last autumn',
        start: '2026-01-20T08:00:00Z',
        end: '2026-01-20T12:30:00Z',
        doctor: 'dr-ines-carvalho',
        measured: {
          at: '2026-01-20T08:20:00Z',
          values: [
            [MEASURE.heartRate, 68],
            [MEASURE.creatinine, 0.7],
            [MEASURE.egfr, 108],
          ],
        },
        bloodPressure: [116, 72],
        exams: [
          {
            key: 'mr-brain',
            code: EXAM.mrBrain,
            accession: 'NF26-000207',
            priority: 'urgent',
            ordered: '2026-01-20T08:50:00Z',
            started: '2026-01-20T10:10:00Z',
            site: SITE.brain,
            series: [
              { modality: 'MR', description: 'Localizer', instances: 9 },
              { modality: 'MR', description: 'T2 FLAIR 3D sagittal', instances: 176 },
              { modality: 'MR', description: 'T2 TSE axial', instances: 34 },
              { modality: 'MR', description: 'DWI b0 b1000 ADC', instances: 102 },
              { modality: 'MR', description: 'T1 MPRAGE', instances: 192 },
              { modality: 'MR', description: 'T1 MPRAGE post contrast', instances: 192 },
            ],
            indication: 'Optic neuritis on the left. Demyelination?',
            technique: 'Brain at 3 T before and after 7 mL of gadolinium contrast.',
            findings:
              'Eleven T2-hyperintense lesions of 3 to 9 mm: seven periventricular, perpendicular to the corpus callosum, ' +
              'three juxtacortical, one in the right middle cerebellar peduncle. Two periventricular lesions enhance. ' +
              'The left optic nerve is swollen and enhances. No mass, no diffusion restriction of vascular pattern.',
            observed: [
              {
                key: 'lesions',
                code: northfield('t2-lesions', 'Number of T2-hyperintense lesions'),
                text: 'Number of T2 lesions',
                quantity: [11, '{lesions}'],
              },
              {
                key: 'enhancing-lesions',
                code: northfield('enhancing-lesions', 'Number of enhancing lesions'),
                text: 'Number of enhancing lesions',
                quantity: [2, '{lesions}'],
              },
            ],
            report: {
              status: 'final',
              issued: '2026-01-20T14:30:00Z',
              impression:
                'Demyelinating lesions with dissemination in space and, as some enhance, in time: the McDonald criteria ' +
                'are met. Optic neuritis on the left.',
              conclusions: [snomed('24700007', 'Multiple sclerosis')],
            },
          },
        ],
      },
      {
        key: '2026-05',
        kind: 'AMB',
        title: 'Neurology follow-up',
        reason: 'Control three months after the start of treatment',
        start: '2026-05-11T13:00:00Z',
        end: '2026-05-11T15:30:00Z',
        doctor: 'dr-ines-carvalho',
        measured: {
          at: '2026-05-11T13:10:00Z',
          values: [
            [MEASURE.heartRate, 70],
            [MEASURE.leukocytes, 5.1],
            [MEASURE.creatinine, 0.7],
          ],
        },
        bloodPressure: [114, 70],
        exams: [
          {
            key: 'mr-brain',
            code: EXAM.mrBrain,
            accession: 'NF26-001790',
            priority: 'routine',
            ordered: '2026-04-13T09:00:00Z',
            started: '2026-05-11T14:00:00Z',
            site: SITE.brain,
            series: [
              { modality: 'MR', description: 'Localizer', instances: 9 },
              { modality: 'MR', description: 'T2 FLAIR 3D sagittal', instances: 176 },
              { modality: 'MR', description: 'T2 TSE axial', instances: 34 },
              { modality: 'MR', description: 'T1 MPRAGE', instances: 192 },
              { modality: 'MR', description: 'T1 MPRAGE post contrast', instances: 192 },
            ],
            indication: 'Multiple sclerosis under treatment. New lesions?',
            technique: 'Brain at 3 T before and after 7 mL of gadolinium contrast.',
            comparison: 'MR brain of 20 January 2026 (NF26-000207).',
            findings:
              'Twelve T2-hyperintense lesions, one of them new: 4 mm, periventricular at the left occipital horn. ' +
              'No lesion enhances. The left optic nerve is slightly thinner. No atrophy.',
            observed: [
              {
                key: 'lesions',
                code: northfield('t2-lesions', 'Number of T2-hyperintense lesions'),
                text: 'Number of T2 lesions',
                quantity: [12, '{lesions}'],
              },
              {
                key: 'enhancing-lesions',
                code: northfield('enhancing-lesions', 'Number of enhancing lesions'),
                text: 'Number of enhancing lesions',
                quantity: [0, '{lesions}'],
              },
            ],
            report: {
              status: 'amended',
              issued: '2026-05-12T09:20:00Z',
              impression:
                'One new T2 lesion since January, without enhancement: little disease activity. Amended: the number of ' +
                'lesions was corrected from eleven to twelve.',
              conclusions: [snomed('24700007', 'Multiple sclerosis')],
            },
          },
        ],
      },
    ],
  },
  {
    patient: {
      id: 'walter-pruitt',
      mrn: 'NF-045520',
      given: 'Walter',
      family: 'Pruitt',
      gender: 'male',
      birthDate: '1944-12-19',
      city: 'Eastbrook',
      phone: '+999 20 555 0106',
    },
    problems: [
      {
        key: 'head-injury',
        code: snomed('95453001', 'Subdural intracranial hematoma'),
        text: 'Acute subdural haematoma after a fall',
        onset: '2026-05-31',
        verification: 'provisional',
        visit: '2026-05',
      },
      {
        key: 'fibrillation',
        code: snomed('49436004', 'Atrial fibrillation'),
        text: 'Atrial fibrillation, on warfarin',
        onset: '2018',
      },
    ],
    visits: [
      {
        key: '2026-05',
        kind: 'EMER',
        title: 'Emergency department visit',
        reason: 'Fall on the stairs, headache and drowsiness, takes warfarin',
        start: '2026-05-31T19:05:00Z',
        doctor: 'dr-tomas-lindqvist',
        measured: {
          at: '2026-05-31T19:08:00Z',
          values: [
            [MEASURE.comaScore, 13],
            [MEASURE.heartRate, 88],
            [MEASURE.oxygen, 96],
            [MEASURE.inr, 3.1],
            [MEASURE.hemoglobin, 12.6],
          ],
        },
        bloodPressure: [168, 92],
        exams: [
          {
            key: 'ct-head',
            code: EXAM.ctHead,
            accession: 'NF26-002052',
            priority: 'stat',
            ordered: '2026-05-31T19:12:00Z',
            started: '2026-05-31T19:34:00Z',
            site: SITE.head,
            series: [
              { modality: 'CT', description: 'Topogram', instances: 1 },
              { modality: 'CT', description: 'Brain 1.0 mm', instances: 168, site: SITE.brain },
              { modality: 'CT', description: 'Bone 0.75 mm', instances: 224 },
            ],
            indication: 'Fall from standing height, Glasgow coma score 13, INR 3.1. Haemorrhage?',
            technique: 'CT of the head without contrast, soft tissue and bone reconstructions.',
            findings:
              'Crescent-shaped hyperdense collection along the left convexity, at most 9 mm. Midline shift of 4 mm to the ' +
              'right. Left sulci effaced, basal cisterns open. No intraparenchymal haemorrhage. No fracture of the skull.',
            observed: [
              {
                key: 'thickness',
                code: northfield('thickness', 'Thickness'),
                text: 'Greatest thickness of subdural collection',
                site: SITE.brain,
                quantity: [9, 'mm'],
              },
              {
                key: 'midline-shift',
                code: northfield('midline-shift', 'Midline shift'),
                site: SITE.brain,
                quantity: [4, 'mm'],
              },
            ],
            report: {
              status: 'preliminary',
              issued: '2026-05-31T19:50:00Z',
              impression:
                'Acute subdural haematoma of 9 mm along the left convexity with 4 mm of midline shift. Dr. Lindqvist was ' +
                'told in person at 19:45. Preliminary report.',
              conclusions: [snomed('95453001', 'Subdural intracranial hematoma')],
            },
          },
        ],
      },
    ],
  },
];
