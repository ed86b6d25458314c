import type { Case } from './case.ts';
import { EXAM, MEASURE, northfield, radlex, SITE, snomed } from './codes.ts';

/** A knee injury and a child's broken hand. */
export const BONES: readonly Case[] = [
  {
    patient: {
      id: 'liam-obrien',
      mrn: 'NF-355412',
      given: 'Liam',
      family: "O'Brien",
      gender: 'male',
      birthDate: '2001-04-17',
      city: 'Eastbrook',
      phone: '+999 20 555 0112',
    },
    problems: [
      {
        key: 'ligament',
        code: snomed('444470001', 'Injury of anterior cruciate ligament'),
        onset: '2026-04-25',
        visit: '2026-04',
      },
      { key: 'meniscus', code: snomed('239720000', 'Tear of meniscus of knee'), onset: '2026-04-25', visit: '2026-04' },
    ],
    visits: [
      {
        key: '2026-04',
        kind: 'AMB',
        title: 'Sports medicine visit',
        reason: 'Twisted the right knee at football, swelling and giving way',
        start: '2026-04-29T15:00:00Z',
        end: '2026-04-29T17:10:00Z',
        doctor: 'dr-samuel-abebe',
        measured: {
          at: '2026-04-29T15:05:00Z',
          values: [
            [MEASURE.heartRate, 62],
            [MEASURE.height, 184],
            [MEASURE.weight, 81],
          ],
        },
        exams: [
          {
            key: 'mr-knee',
            code: EXAM.mrKnee,
            accession: 'NF26-001599',
            priority: 'routine',
            ordered: '2026-04-29T15:20:00Z',
            started: '2026-04-29T16:15:00Z',
            site: SITE.knee,
            series: [
              { modality: 'MR', description: 'PD fat-saturated sagittal', instances: 32, laterality: 'right' },
              { modality: 'MR', description: 'PD fat-saturated coronal', instances: 28, laterality: 'right' },
              { modality: 'MR', description: 'PD fat-saturated axial', instances: 30, laterality: 'right' },
              { modality: 'MR', description: 'T1 sagittal', instances: 32, laterality: 'right' },
            ],
            indication: 'Twisting injury four days ago, Lachman test positive, effusion.',
            technique: 'Right knee at 1.5 T without contrast.',
            findings:
              'The anterior cruciate ligament is torn at its femoral origin. Bone marrow oedema of the lateral femoral ' +
              'condyle and the posterolateral tibial plateau. Vertical tear of the posterior horn of the medial meniscus, ' +
              '12 mm. Posterior cruciate and collateral ligaments intact. Large effusion.',
            observed: [
              {
                key: 'meniscus-tear',
                code: snomed('239720000', 'Tear of meniscus of knee'),
                text: 'Length of tear, medial meniscus',
                quantity: [12, 'mm'],
              },
              { key: 'effusion', code: radlex('RID4872', 'effusion'), concept: radlex('RID28472', 'present') },
            ],
            report: {
              status: 'final',
              issued: '2026-04-30T08:25:00Z',
              impression:
                'Complete tear of the anterior cruciate ligament with the bone bruises of a pivot shift. Vertical tear of ' +
                'the posterior horn of the medial meniscus.',
              conclusions: [
                snomed('444470001', 'Injury of anterior cruciate ligament'),
                snomed('239720000', 'Tear of meniscus of knee'),
              ],
            },
          },
        ],
      },
    ],
  },
  {
    patient: {
      id: 'yuki-sato',
      mrn: 'NF-401236',
      given: 'Yuki',
      family: 'Sato',
      gender: 'male',
      birthDate: '2016-09-12',
      city: 'Northfield',
      phone: '+999 20 555 0113',
    },
    problems: [
      {
        key: 'fracture',
        code: snomed('208393000', 'Fracture of metacarpal bone'),
        onset: '2026-05-23',
        visit: '2026-05',
      },
      { key: 'asthma', code: snomed('195967001', 'Asthma'), onset: '2021' },
    ],
    visits: [
      {
        key: '2026-05',
        kind: 'EMER',
        title: 'Emergency department visit',
        reason: 'Fell from a climbing frame on the left hand',
        start: '2026-05-23T14:20:00Z',
        end: '2026-05-23T16:30:00Z',
        doctor: 'dr-tomas-lindqvist',
        measured: {
          at: '2026-05-23T14:30:00Z',
          values: [
            [MEASURE.heartRate, 104],
            [MEASURE.weight, 31],
            [MEASURE.temperature, 36.7],
          ],
        },
        exams: [
          {
            key: 'xr-hand',
            code: EXAM.xrHand,
            accession: 'NF26-001933',
            priority: 'urgent',
            ordered: '2026-05-23T14:40:00Z',
            started: '2026-05-23T15:02:00Z',
            site: SITE.hand,
            series: [
              { modality: 'DX', description: 'Hand PA', instances: 1, laterality: 'left' },
              { modality: 'DX', description: 'Hand oblique', instances: 1, laterality: 'left' },
              { modality: 'DX', description: 'Hand lateral', instances: 1, laterality: 'left' },
            ],
            indication: 'Fall on the left hand, swelling over the fifth metacarpal. Fracture?',
            technique: 'Left hand in three views.',
            findings:
              'Transverse fracture of the neck of the fifth metacarpal with 25 degrees of palmar angulation; the growth ' +
              'plate is not involved. No further fracture. Bone age is in keeping with the age of nine years.',
            observed: [
              {
                key: 'angulation',
                code: northfield('angulation', 'Angulation'),
                text: 'Palmar angulation, fifth metacarpal',
                quantity: [25, 'deg'],
              },
            ],
            report: {
              status: 'final',
              issued: '2026-05-23T15:35:00Z',
              impression: 'Fracture of the neck of the fifth metacarpal on the left, 25 degrees of palmar angulation.',
              conclusions: [snomed('208393000', 'Fracture of metacarpal bone')],
            },
          },
        ],
      },
    ],
  },
];
