import type { Case } from './case.ts';
import { EXAM, loinc, MEASURE, northfield, radlex, SITE, snomed } from './codes.ts';

const TUMOR_SIZE = loinc('33728-7', 'Size.maximum dimension in Tumor');
const UPTAKE = northfield('suv-max', 'Maximum standardized uptake value');

/** Breast screening, lymphoma before and during treatment, a raised PSA. */
export const ONCOLOGY: readonly Case[] = [
  {
    patient: {
      id: 'ingrid-solheim',
      mrn: 'NF-176630',
      given: 'Ingrid',
      family: 'Solheim',
      gender: 'female',
      birthDate: '1971-02-27',
      city: 'Lakeside',
      phone: '+999 20 555 0107',
    },
    problems: [{ key: 'hypothyroidism', code: snomed('40930008', 'Hypothyroidism'), onset: '2007' }],
    visits: [
      {
        key: '2026-03',
        kind: 'AMB',
        title: 'Breast screening',
        reason: 'Screening round, no complaints',
        start: '2026-03-05T11:00:00Z',
        end: '2026-03-05T11:25:00Z',
        doctor: 'dr-samuel-abebe',
        exams: [
          {
            key: 'mammography',
            code: EXAM.mammography,
            accession: 'NF26-000842',
            priority: 'routine',
            ordered: '2026-02-10T08:00:00Z',
            started: '2026-03-05T11:08:00Z',
            site: SITE.breast,
            series: [
              { modality: 'MG', description: 'R CC', instances: 1, laterality: 'right' },
              { modality: 'MG', description: 'L CC', instances: 1, laterality: 'left' },
              { modality: 'MG', description: 'R MLO', instances: 1, laterality: 'right' },
              { modality: 'MG', description: 'L MLO', instances: 1, laterality: 'left' },
            ],
            indication: 'Screening.',
            technique: 'Digital mammography, craniocaudal and mediolateral oblique views of both breasts.',
            findings:
              'Scattered areas of fibroglandular density. Coarse popcorn-like calcification in the upper outer quadrant ' +
              'on the left, typical of an involuting fibroadenoma. No suspicious mass, distortion or microcalcification.',
            observed: [
              {
                key: 'density',
                code: northfield('breast-density', 'Breast density'),
                text: 'Breast density',
                value: 'B: scattered areas of fibroglandular density',
              },
              {
                key: 'assessment',
                code: radlex('RID36027', 'BI-RADS assessment'),
                text: 'BI-RADS assessment',
                value: '2: benign',
              },
            ],
            report: {
              status: 'final',
              issued: '2026-03-06T09:10:00Z',
              impression: 'No sign of malignancy. Involuting fibroadenoma on the left. BI-RADS 2 on both sides.',
            },
          },
        ],
      },
    ],
  },
  {
    patient: {
      id: 'kofi-mensah',
      mrn: 'NF-252019',
      given: 'Kofi',
      family: 'Mensah',
      gender: 'male',
      birthDate: '1976-08-16',
      city: 'Northfield',
      phone: '+999 20 555 0108',
    },
    problems: [
      {
        key: 'lymphoma',
        code: snomed('118601006', "Non-Hodgkin's lymphoma"),
        text: 'Diffuse large B-cell lymphoma, stage III',
        onset: '2026-02-12',
        visit: '2026-02',
      },
    ],
    visits: [
      {
        key: '2026-02',
        kind: 'AMB',
        title: 'Oncology staging',
        reason: 'Enlarged cervical lymph nodes, night sweats, weight loss; biopsy shows lymphoma',
        start: '2026-02-17T07:30:00Z',
        end: '2026-02-17T12:00:00Z',
        doctor: 'dr-mei-tanaka',
        measured: {
          at: '2026-02-17T07:45:00Z',
          values: [
            [MEASURE.weight, 74],
            [MEASURE.height, 179],
            [MEASURE.glucose, 96],
            [MEASURE.ldh, 512],
            [MEASURE.hemoglobin, 11.4],
            [MEASURE.leukocytes, 7.2],
            [MEASURE.albumin, 3.2],
          ],
        },
        exams: [
          {
            key: 'pet-ct',
            code: EXAM.petWholeBody,
            accession: 'NF26-000577',
            priority: 'urgent',
            ordered: '2026-02-12T15:00:00Z',
            started: '2026-02-17T09:20:00Z',
            site: SITE.body,
            series: [
              { modality: 'CT', description: 'Low-dose CT skull base to thigh 3 mm', instances: 326 },
              { modality: 'PT', description: 'PET attenuation corrected', instances: 326 },
              { modality: 'PT', description: 'PET not corrected', instances: 326 },
            ],
            indication: 'Diffuse large B-cell lymphoma, staging before treatment.',
            technique: 'PET/CT from skull base to thigh 60 minutes after 258 MBq 18F-FDG, blood glucose 96 mg/dL.',
            findings:
              'Intense uptake in enlarged cervical and supraclavicular lymph nodes on both sides (SUVmax 21.4), in a ' +
              'mediastinal conglomerate of 74 mm (SUVmax 24.8) and in retroperitoneal nodes (SUVmax 15.2). The spleen takes ' +
              'up more than the liver (SUVmax 7.9). No focal uptake in the bone marrow.',
            observed: [
              {
                key: 'suv-max',
                code: UPTAKE,
                text: 'SUVmax, mediastinal mass',
                site: SITE.chest,
                quantity: [24.8, '{SUV}'],
              },
              {
                key: 'bulk',
                code: TUMOR_SIZE,
                text: 'Longest diameter, mediastinal mass',
                site: SITE.chest,
                quantity: [74, 'mm'],
              },
            ],
            report: {
              status: 'final',
              issued: '2026-02-17T15:30:00Z',
              impression:
                'FDG-avid lymphoma above and below the diaphragm with involved spleen: stage III S, bulky mediastinal mass.',
              conclusions: [snomed('118601006', "Non-Hodgkin's lymphoma")],
            },
          },
        ],
      },
      {
        key: '2026-04',
        kind: 'AMB',
        title: 'Oncology interim assessment',
        reason: 'Response after two cycles of R-CHOP',
        start: '2026-04-21T07:30:00Z',
        end: '2026-04-21T11:30:00Z',
        doctor: 'dr-mei-tanaka',
        measured: {
          at: '2026-04-21T07:40:00Z',
          values: [
            [MEASURE.weight, 76.5],
            [MEASURE.glucose, 101],
            [MEASURE.ldh, 198],
            [MEASURE.hemoglobin, 12.1],
            [MEASURE.leukocytes, 3.6],
          ],
        },
        exams: [
          {
            key: 'pet-ct',
            code: EXAM.petWholeBody,
            accession: 'NF26-001462',
            priority: 'routine',
            ordered: '2026-04-07T10:00:00Z',
            started: '2026-04-21T09:05:00Z',
            site: SITE.body,
            series: [
              { modality: 'CT', description: 'Low-dose CT skull base to thigh 3 mm', instances: 331 },
              { modality: 'PT', description: 'PET attenuation corrected', instances: 331 },
              { modality: 'PT', description: 'PET not corrected', instances: 331 },
            ],
            indication: 'Diffuse large B-cell lymphoma after two cycles of R-CHOP, interim staging.',
            technique: 'PET/CT from skull base to thigh 61 minutes after 262 MBq 18F-FDG, blood glucose 101 mg/dL.',
            comparison: 'PET/CT of 17 February 2026 (NF26-000577).',
            findings:
              'The cervical and retroperitoneal nodes no longer take up FDG. The mediastinal conglomerate measures 31 mm, ' +
              '74 mm before; its residual uptake is above the blood pool and below the liver (SUVmax 2.1, 1.7 and 2.8). Spleen normal. Diffuse ' +
              'uptake of the bone marrow as after growth factors.',
            observed: [
              {
                key: 'suv-max',
                code: UPTAKE,
                text: 'SUVmax, mediastinal mass',
                site: SITE.chest,
                quantity: [2.1, '{SUV}'],
              },
              {
                key: 'bulk',
                code: TUMOR_SIZE,
                text: 'Longest diameter, mediastinal mass',
                site: SITE.chest,
                quantity: [31, 'mm'],
              },
              { key: 'deauville', code: northfield('deauville', 'Deauville score'), value: '3' },
            ],
            report: {
              status: 'final',
              issued: '2026-04-21T14:10:00Z',
              impression:
                'Complete metabolic response, Deauville score 3. Residual mediastinal mass without relevant uptake.',
            },
          },
        ],
      },
    ],
  },
  {
    patient: {
      id: 'arthur-bellweather',
      mrn: 'NF-099871',
      given: 'Arthur James',
      family: 'Bellweather',
      gender: 'male',
      birthDate: '1958-06-03',
      city: 'Harrow Mills',
      phone: '+999 20 555 0109',
    },
    problems: [
      {
        key: 'raised-psa',
        code: snomed('396152005', 'Raised prostate specific antigen'),
        onset: '2026-03-24',
        visit: '2026-04',
      },
    ],
    visits: [
      {
        key: '2026-04',
        kind: 'AMB',
        title: 'Urology consultation',
        reason: 'PSA rose from 4.2 to 8.7 ng/mL within a year',
        start: '2026-04-15T09:00:00Z',
        end: '2026-04-15T12:00:00Z',
        doctor: 'dr-viktor-novak',
        measured: {
          at: '2026-04-15T09:10:00Z',
          values: [
            [MEASURE.psa, 8.7],
            [MEASURE.creatinine, 1],
            [MEASURE.egfr, 79],
          ],
        },
        bloodPressure: [142, 86],
        exams: [
          {
            key: 'mr-prostate',
            code: EXAM.mrProstate,
            accession: 'NF26-001388',
            priority: 'routine',
            ordered: '2026-03-26T08:30:00Z',
            started: '2026-04-15T10:15:00Z',
            site: SITE.prostate,
            series: [
              { modality: 'MR', description: 'T2 TSE axial', instances: 30 },
              { modality: 'MR', description: 'T2 TSE sagittal', instances: 26 },
              { modality: 'MR', description: 'T2 TSE coronal', instances: 26 },
              { modality: 'MR', description: 'DWI b50 b800 b1500 calculated, ADC', instances: 96 },
              { modality: 'MR', description: 'T1 dynamic contrast enhanced', instances: 840 },
            ],
            indication: 'PSA 8.7 ng/mL, rectal examination unremarkable, no biopsy before.',
            technique: 'Multiparametric MR of the prostate at 3 T with 8 mL of gadolinium contrast.',
            findings:
              'Prostate volume 46 mL, PSA density 0.19 ng/mL/mL. Left posterolateral peripheral zone, mid gland: focal lesion ' +
              'of 11 mm, hypointense on T2, marked restriction of diffusion (ADC 620), early enhancement; the capsule is ' +
              'abutted over 5 mm, not bulging. Seminal vesicles and lymph nodes normal. No bone lesion.',
            observed: [
              { key: 'volume', code: northfield('volume', 'Prostate volume'), quantity: [46, 'mL'] },
              { key: 'lesion-size', code: TUMOR_SIZE, text: 'Longest diameter of index lesion', quantity: [11, 'mm'] },
              { key: 'assessment', code: northfield('pi-rads', 'PI-RADS assessment'), value: '4: high' },
            ],
            report: {
              status: 'final',
              issued: '2026-04-15T16:45:00Z',
              impression:
                'PI-RADS 4 lesion of 11 mm in the left peripheral zone, mid gland. No sign of extraprostatic extension. ' +
                'Targeted biopsy is advised.',
            },
          },
        ],
      },
    ],
  },
];
