import type { Case } from './case.ts';
import { EXAM, loinc, MEASURE, radlex, SITE, snomed } from './codes.ts';

const NODULE_SIZE = loinc('33728-7', 'Size.maximum dimension in Tumor');

/** A lung nodule with its prior, pneumonia with its follow-up, pulmonary embolism, a ventilated patient. */
export const CHEST: readonly Case[] = [
  {
    patient: {
      id: 'amara-diallo',
      mrn: 'NF-204417',
      given: 'Amara',
      family: 'Diallo',
      gender: 'female',
      birthDate: '1961-03-14',
      city: 'Northfield',
      phone: '+999 20 555 0101',
    },
    problems: [
      { key: 'nodule', code: snomed('427359005', 'Solitary nodule of lung'), onset: '2026-01-12', visit: '2026-01' },
      { key: 'ex-smoker', code: snomed('8517006', 'Ex-smoker'), text: 'Ex-smoker, 30 pack-years', onset: '2014' },
      { key: 'hypertension', code: snomed('38341003', 'Hypertensive disorder'), onset: '2011' },
    ],
    visits: [
      {
        key: '2026-01',
        kind: 'AMB',
        title: 'Chest clinic visit',
        reason: 'Incidental nodule on a chest radiograph taken elsewhere',
        start: '2026-01-12T09:00:00Z',
        end: '2026-01-12T11:30:00Z',
        doctor: 'dr-mei-tanaka',
        measured: {
          at: '2026-01-12T09:10:00Z',
          values: [
            [MEASURE.heartRate, 74],
            [MEASURE.oxygen, 97],
            [MEASURE.weight, 68],
            [MEASURE.creatinine, 0.8],
          ],
        },
        bloodPressure: [138, 84],
        exams: [
          {
            key: 'ct-chest',
            code: EXAM.ctChest,
            accession: 'NF26-000112',
            priority: 'routine',
            ordered: '2026-01-12T09:25:00Z',
            started: '2026-01-12T10:20:00Z',
            site: SITE.chest,
            series: [
              { modality: 'CT', description: 'Topogram', instances: 2 },
              { modality: 'CT', description: 'Lung 1.0 mm', instances: 318, site: SITE.lung },
              { modality: 'CT', description: 'Mediastinum 3.0 mm', instances: 106 },
            ],
            indication: 'Pulmonary nodule on radiograph, ex-smoker with 30 pack-years.',
            technique: 'Low-dose helical CT of the chest without intravenous contrast, 1 mm reconstructions.',
            findings:
              'Solid, smoothly marginated nodule of 7 mm in the right upper lobe, posterior segment. No calcification, ' +
              'no fat. No further nodules. Mild centrilobular emphysema of the apices. No enlarged lymph nodes. No effusion.',
            observed: [
              {
                key: 'nodule-size',
                code: NODULE_SIZE,
                text: 'Longest diameter of nodule',
                site: radlex('RID1303', 'upper lobe of right lung'),
                quantity: [7, 'mm'],
              },
              {
                key: 'nodule',
                code: radlex('RID50149', 'pulmonary nodule'),
                site: radlex('RID1303', 'upper lobe of right lung'),
                concept: radlex('RID28472', 'present'),
              },
            ],
            report: {
              status: 'final',
              issued: '2026-01-12T15:40:00Z',
              impression:
                'Solid 7 mm nodule in the right upper lobe. High-risk patient: CT in 3 months is advised (BTS).',
              conclusions: [snomed('427359005', 'Solitary nodule of lung')],
            },
          },
        ],
      },
      {
        key: '2026-05',
        kind: 'AMB',
        title: 'Chest clinic follow-up',
        reason: 'Follow-up of a right upper lobe nodule',
        start: '2026-05-18T08:30:00Z',
        end: '2026-05-18T10:45:00Z',
        doctor: 'dr-mei-tanaka',
        measured: {
          at: '2026-05-18T08:40:00Z',
          values: [
            [MEASURE.heartRate, 71],
            [MEASURE.oxygen, 97],
            [MEASURE.weight, 67.5],
          ],
        },
        bloodPressure: [134, 82],
        exams: [
          {
            key: 'ct-chest',
            code: EXAM.ctChest,
            accession: 'NF26-001874',
            priority: 'routine',
            ordered: '2026-04-20T12:00:00Z',
            started: '2026-05-18T09:15:00Z',
            site: SITE.chest,
            series: [
              { modality: 'CT', description: 'Topogram', instances: 2 },
              { modality: 'CT', description: 'Lung 1.0 mm', instances: 322, site: SITE.lung },
              { modality: 'CT', description: 'Mediastinum 3.0 mm', instances: 108 },
            ],
            indication: 'Follow-up of a solid nodule in the right upper lobe, ex-smoker.',
            technique: 'Low-dose helical CT of the chest without intravenous contrast, 1 mm reconstructions.',
            comparison: 'CT chest of 12 January 2026 (NF26-000112).',
            findings:
              'The solid nodule in the posterior segment of the right upper lobe measures 9 mm, 7 mm before; its margin is ' +
              'now slightly spiculated. No new nodules. Mediastinal and hilar lymph nodes are not enlarged. No effusion. ' +
              'Emphysema unchanged.',
            observed: [
              {
                key: 'nodule-size',
                code: NODULE_SIZE,
                text: 'Longest diameter of nodule',
                site: radlex('RID1303', 'upper lobe of right lung'),
                quantity: [9, 'mm'],
              },
              {
                key: 'nodule',
                code: radlex('RID50149', 'pulmonary nodule'),
                site: radlex('RID1303', 'upper lobe of right lung'),
                concept: radlex('RID28472', 'present'),
              },
            ],
            report: {
              status: 'final',
              issued: '2026-05-18T13:05:00Z',
              impression:
                'Growing solid nodule in the right upper lobe, 9 mm, 7 mm in January, now with spiculated margin: suspicious. ' +
                'PET/CT and discussion in the thoracic tumour board are advised.',
              conclusions: [snomed('427359005', 'Solitary nodule of lung')],
            },
          },
        ],
      },
    ],
  },
  {
    patient: {
      id: 'rosa-quispe',
      mrn: 'NF-118203',
      given: 'Rosa María',
      family: 'Quispe',
      gender: 'female',
      birthDate: '1957-11-02',
      city: 'Eastbrook',
      phone: '+999 20 555 0102',
    },
    problems: [
      {
        key: 'pneumonia',
        code: snomed('385093006', 'Community acquired pneumonia'),
        onset: '2026-02-03',
        status: 'resolved',
        visit: '2026-02',
      },
      { key: 'diabetes', code: snomed('44054006', 'Diabetes mellitus type 2'), onset: '2009' },
    ],
    visits: [
      {
        key: '2026-02',
        kind: 'EMER',
        title: 'Emergency department visit',
        reason: 'Fever, productive cough and right-sided chest pain for three days',
        start: '2026-02-03T17:45:00Z',
        end: '2026-02-03T21:30:00Z',
        doctor: 'dr-tomas-lindqvist',
        measured: {
          at: '2026-02-03T18:00:00Z',
          values: [
            [MEASURE.temperature, 38.9],
            [MEASURE.heartRate, 106],
            [MEASURE.respiration, 24],
            [MEASURE.oxygen, 92],
            [MEASURE.leukocytes, 15.8],
            [MEASURE.crp, 184],
            [MEASURE.glucose, 188],
          ],
        },
        bloodPressure: [122, 70],
        exams: [
          {
            key: 'xr-chest',
            code: EXAM.xrChest,
            accession: 'NF26-000391',
            priority: 'urgent',
            ordered: '2026-02-03T18:10:00Z',
            started: '2026-02-03T18:35:00Z',
            site: SITE.chest,
            series: [
              { modality: 'DX', description: 'Chest PA', instances: 1 },
              { modality: 'DX', description: 'Chest lateral', instances: 1 },
            ],
            indication: 'Fever and cough, crackles over the right base. Pneumonia?',
            technique: 'Chest radiograph, posteroanterior and lateral, standing.',
            findings:
              'Homogeneous opacity with air bronchograms in the right lower lobe. Small right pleural effusion. ' +
              'The left lung is clear. Heart size is normal. No pneumothorax.',
            observed: [
              {
                key: 'consolidation',
                code: radlex('RID43255', 'consolidation'),
                site: radlex('RID1315', 'lower lobe of right lung'),
                concept: radlex('RID28472', 'present'),
              },
            ],
            report: {
              status: 'final',
              issued: '2026-02-03T19:20:00Z',
              impression: 'Right lower lobe pneumonia with a small parapneumonic effusion.',
              conclusions: [snomed('385093006', 'Community acquired pneumonia')],
            },
          },
        ],
      },
      {
        key: '2026-03',
        kind: 'AMB',
        title: 'Control after pneumonia',
        reason: 'Radiograph six weeks after pneumonia',
        start: '2026-03-18T10:00:00Z',
        end: '2026-03-18T10:40:00Z',
        doctor: 'dr-samuel-abebe',
        measured: {
          at: '2026-03-18T10:05:00Z',
          values: [
            [MEASURE.temperature, 36.6],
            [MEASURE.oxygen, 97],
            [MEASURE.crp, 4],
          ],
        },
        exams: [
          {
            key: 'xr-chest',
            code: EXAM.xrChest,
            accession: 'NF26-000988',
            priority: 'routine',
            ordered: '2026-03-18T10:08:00Z',
            started: '2026-03-18T10:20:00Z',
            site: SITE.chest,
            series: [
              { modality: 'DX', description: 'Chest PA', instances: 1 },
              { modality: 'DX', description: 'Chest lateral', instances: 1 },
            ],
            indication: 'Control after pneumonia of the right lower lobe.',
            technique: 'Chest radiograph, posteroanterior and lateral, standing.',
            comparison: 'Chest radiograph of 3 February 2026 (NF26-000391).',
            findings:
              'The consolidation and the effusion on the right have resolved. No new opacity. Heart size is normal.',
            report: {
              status: 'final',
              issued: '2026-03-18T12:15:00Z',
              impression: 'Complete resolution of the right lower lobe pneumonia.',
            },
          },
        ],
      },
    ],
  },
  {
    patient: {
      id: 'hannah-kowalczyk',
      mrn: 'NF-330951',
      given: 'Hannah',
      family: 'Kowalczyk',
      gender: 'female',
      birthDate: '1993-07-21',
      city: 'Northfield',
      phone: '+999 20 555 0103',
    },
    problems: [
      { key: 'embolism', code: snomed('59282003', 'Pulmonary embolism'), onset: '2026-04-09', visit: '2026-04' },
    ],
    visits: [
      {
        key: '2026-04',
        kind: 'EMER',
        title: 'Emergency department visit',
        reason: 'Sudden dyspnoea and pleuritic chest pain ten days after a long flight, on oral contraception',
        start: '2026-04-09T06:20:00Z',
        end: '2026-04-09T14:00:00Z',
        doctor: 'dr-tomas-lindqvist',
        measured: {
          at: '2026-04-09T06:45:00Z',
          values: [
            [MEASURE.heartRate, 118],
            [MEASURE.respiration, 26],
            [MEASURE.oxygen, 91],
            [MEASURE.temperature, 37.2],
            [MEASURE.dDimer, 4820],
            [MEASURE.creatinine, 0.7],
            [MEASURE.egfr, 112],
          ],
        },
        bloodPressure: [112, 68],
        exams: [
          {
            key: 'ct-pulmonary-arteries',
            code: EXAM.ctPulmonaryArteries,
            accession: 'NF26-001305',
            priority: 'stat',
            ordered: '2026-04-09T07:15:00Z',
            started: '2026-04-09T07:50:00Z',
            site: SITE.pulmonaryArtery,
            series: [
              { modality: 'CT', description: 'Topogram', instances: 2, site: SITE.chest },
              { modality: 'CT', description: 'Pulmonary angiography 0.75 mm', instances: 412 },
              { modality: 'CT', description: 'Coronal MIP 5 mm', instances: 64 },
              { modality: 'CT', description: 'Lung 1.0 mm', instances: 308, site: SITE.lung },
            ],
            indication: 'Dyspnoea, D-dimer 4820 ng/mL, Wells score 6. Pulmonary embolism?',
            technique: 'CT angiography of the pulmonary arteries with 60 mL iodinated contrast, bolus tracking.',
            findings:
              'Filling defects in both lobar arteries of the lower lobes, extending into segmental branches. The main ' +
              'pulmonary artery measures 27 mm. Ratio of right to left ventricle 0.9, the septum is not bowed. Small ' +
              'wedge-shaped subpleural opacity in the left lower lobe. No effusion.',
            observed: [
              {
                key: 'embolus',
                code: snomed('59282003', 'Pulmonary embolism'),
                concept: radlex('RID28472', 'present'),
              },
              {
                key: 'pulmonary-trunk',
                code: snomed('81827009', 'Diameter'),
                text: 'Diameter of the main pulmonary artery',
                quantity: [27, 'mm'],
              },
            ],
            report: {
              status: 'final',
              issued: '2026-04-09T08:25:00Z',
              impression:
                'Acute bilateral lobar and segmental pulmonary embolism without signs of right heart strain. Small infarct ' +
                'of the left lower lobe. Dr. Lindqvist was told by telephone at 08:10.',
              conclusions: [snomed('59282003', 'Pulmonary embolism')],
            },
          },
        ],
      },
    ],
  },
  {
    patient: {
      id: 'george-tan',
      mrn: 'NF-087346',
      given: 'George',
      family: 'Tan',
      gender: 'male',
      birthDate: '1949-09-30',
      city: 'Harrow Mills',
      phone: '+999 20 555 0104',
    },
    problems: [{ key: 'copd', code: snomed('13645005', 'Chronic obstructive lung disease'), onset: '2012' }],
    visits: [
      {
        key: '2026-05',
        kind: 'IMP',
        title: 'Intensive care stay',
        reason: 'Exacerbation of chronic obstructive lung disease, invasive ventilation',
        start: '2026-05-29T22:10:00Z',
        doctor: 'dr-tomas-lindqvist',
        measured: {
          at: '2026-05-30T06:00:00Z',
          values: [
            [MEASURE.heartRate, 96],
            [MEASURE.oxygen, 93],
            [MEASURE.temperature, 37.8],
            [MEASURE.leukocytes, 12.4],
            [MEASURE.crp, 61],
          ],
        },
        bloodPressure: [118, 64],
        exams: [
          {
            key: 'xr-chest-1',
            code: EXAM.xrChestSingle,
            accession: 'NF26-002011',
            priority: 'stat',
            ordered: '2026-05-29T23:00:00Z',
            started: '2026-05-29T23:20:00Z',
            site: SITE.chest,
            series: [{ modality: 'DX', description: 'Chest AP supine, portable', instances: 1 }],
            indication: 'Position of tracheal tube and central venous catheter.',
            technique: 'Portable chest radiograph, anteroposterior, supine.',
            findings:
              'The tracheal tube ends 4 cm above the carina. Right jugular catheter with its tip in the superior vena cava. ' +
              'Hyperinflated lungs, flattened diaphragm. No pneumothorax, no consolidation.',
            report: {
              status: 'final',
              issued: '2026-05-29T23:55:00Z',
              impression: 'Tube and catheter are well placed. Emphysema. No pneumothorax.',
            },
          },
          {
            key: 'xr-chest-2',
            code: EXAM.xrChestSingle,
            accession: 'NF26-002036',
            priority: 'urgent',
            ordered: '2026-05-31T05:30:00Z',
            started: '2026-05-31T06:05:00Z',
            site: SITE.chest,
            series: [{ modality: 'DX', description: 'Chest AP supine, portable', instances: 1 }],
            indication: 'Rising oxygen demand.',
            technique: 'Portable chest radiograph, anteroposterior, supine.',
            comparison: 'Chest radiograph of 29 May 2026 (NF26-002011).',
            findings: '',
            report: { status: 'registered' },
          },
        ],
      },
    ],
  },
];
