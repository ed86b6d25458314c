import type { Case } from './case.ts';
import { EXAM, MEASURE, northfield, SITE, snomed } from './codes.ts';

/** Acute cholecystitis and renal colic. */
export const ABDOMEN: readonly Case[] = [
  {
    patient: {
      id: 'priya-raman',
      mrn: 'NF-310274',
      given: 'Priya',
      family: 'Raman',
      gender: 'female',
      birthDate: '1983-10-11',
      city: 'Northfield',
      phone: '+999 20 555 0110',
    },
    problems: [
      { key: 'cholecystitis', code: snomed('65275009', 'Acute cholecystitis'), onset: '2026-03-28', visit: '2026-03' },
      { key: 'gallstones', code: snomed('235919008', 'Gallbladder calculus'), onset: '2026-03-28', visit: '2026-03' },
    ],
    visits: [
      {
        key: '2026-03',
        kind: 'EMER',
        title: 'Emergency department visit',
        reason: 'Pain in the right upper abdomen since a meal last night, fever',
        start: '2026-03-28T07:40:00Z',
        end: '2026-03-28T13:20:00Z',
        doctor: 'dr-tomas-lindqvist',
        measured: {
          at: '2026-03-28T08:00:00Z',
          values: [
            [MEASURE.temperature, 38.3],
            [MEASURE.heartRate, 98],
            [MEASURE.leukocytes, 14.2],
            [MEASURE.crp, 96],
            [MEASURE.bilirubin, 1.1],
            [MEASURE.alkalinePhosphatase, 118],
          ],
        },
        bloodPressure: [128, 78],
        exams: [
          {
            key: 'us-gallbladder',
            code: EXAM.usGallbladder,
            accession: 'NF26-001120',
            priority: 'urgent',
            ordered: '2026-03-28T08:15:00Z',
            started: '2026-03-28T09:05:00Z',
            site: SITE.gallbladder,
            series: [
              { modality: 'US', description: 'Right upper quadrant', instances: 28 },
              { modality: 'US', description: 'Right upper quadrant cine', instances: 3 },
            ],
            indication: 'Right upper quadrant pain, fever, positive Murphy sign.',
            technique: 'Ultrasound of gallbladder, bile ducts and liver with a curved 5 MHz transducer.',
            findings:
              'Distended gallbladder with several shadowing stones, one of 14 mm impacted in the neck. Wall 6 mm, layered. ' +
              'A little fluid around it. Sonographic Murphy sign positive. Common bile duct 4 mm. Liver normal.',
            observed: [
              {
                key: 'wall',
                code: northfield('thickness', 'Thickness'),
                text: 'Gallbladder wall thickness',
                quantity: [6, 'mm'],
              },
              {
                key: 'stone',
                code: snomed('235919008', 'Gallbladder calculus'),
                text: 'Size of largest stone',
                quantity: [14, 'mm'],
              },
              {
                key: 'duct',
                code: snomed('81827009', 'Diameter'),
                text: 'Diameter of common bile duct',
                quantity: [4, 'mm'],
              },
            ],
            report: {
              status: 'final',
              issued: '2026-03-28T09:40:00Z',
              impression: 'Acute calculous cholecystitis. No dilatation of the bile ducts.',
              conclusions: [snomed('65275009', 'Acute cholecystitis'), snomed('235919008', 'Gallbladder calculus')],
            },
          },
        ],
      },
    ],
  },
  {
    patient: {
      id: 'mateo-fernandez',
      mrn: 'NF-267708',
      given: 'Mateo',
      family: 'Fernández',
      gender: 'male',
      birthDate: '1979-01-25',
      city: 'Lakeside',
      phone: '+999 20 555 0111',
    },
    problems: [{ key: 'renal-colic', code: snomed('7093002', 'Renal colic'), onset: '2026-05-06', visit: '2026-05' }],
    visits: [
      {
        key: '2026-05',
        kind: 'EMER',
        title: 'Emergency department visit',
        reason: 'Colicky pain in the left flank, blood in the urine',
        start: '2026-05-06T02:30:00Z',
        end: '2026-05-06T07:45:00Z',
        doctor: 'dr-tomas-lindqvist',
        measured: {
          at: '2026-05-06T02:50:00Z',
          values: [
            [MEASURE.temperature, 36.9],
            [MEASURE.heartRate, 102],
            [MEASURE.creatinine, 1.3],
            [MEASURE.egfr, 68],
            [MEASURE.leukocytes, 10.4],
            [MEASURE.crp, 8],
          ],
        },
        bloodPressure: [152, 94],
        exams: [
          {
            key: 'ct-abdomen-pelvis',
            code: EXAM.ctAbdomenPelvis,
            accession: 'NF26-001711',
            priority: 'urgent',
            ordered: '2026-05-06T03:05:00Z',
            started: '2026-05-06T03:40:00Z',
            site: SITE.abdomenAndPelvis,
            series: [
              { modality: 'CT', description: 'Topogram', instances: 1 },
              { modality: 'CT', description: 'Low dose 2.0 mm', instances: 236 },
              { modality: 'CT', description: 'Coronal 3.0 mm', instances: 88 },
            ],
            indication: 'Left renal colic, microhaematuria. Stone?',
            technique: 'Low-dose CT of abdomen and pelvis without contrast.',
            findings:
              'Stone of 5 mm, 870 HU, in the distal left ureter 2 cm above the orifice. Left renal pelvis 14 mm, perirenal ' +
              'stranding. A 3 mm stone in the lower calyx of the right kidney. Appendix, aorta and bowel unremarkable.',
            observed: [
              {
                key: 'stone',
                code: snomed('31054009', 'Ureteric stone'),
                text: 'Size of stone in the left ureter',
                quantity: [5, 'mm'],
              },
              {
                key: 'attenuation',
                code: northfield('attenuation', 'Attenuation'),
                text: 'Attenuation of stone in the left ureter',
                quantity: [870, "[hnsf'U]"],
              },
            ],
            report: {
              status: 'final',
              issued: '2026-05-06T04:20:00Z',
              impression:
                'Obstructing 5 mm stone of the distal left ureter with mild hydronephrosis. Small stone of the right kidney.',
              conclusions: [snomed('31054009', 'Ureteric stone'), snomed('95570007', 'Kidney stone')],
            },
          },
        ],
      },
    ],
  },
];
