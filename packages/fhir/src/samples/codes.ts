import type { JsonObject } from '../resource.ts';

/** A code of a terminology, with its display. */
export interface Code {
  readonly system: string;
  readonly code: string;
  readonly display: string;
}

const from =
  (system: string) =>
  (code: string, display: string): Code => ({ system, code, display });

export const loinc = from('http://loinc.org');
export const snomed = from('http://snomed.info/sct');
export const radlex = from('http://www.radlex.org');
/** Imaging measurements that Northfield has codes of its own for. */
export const northfield = from('http://northfield.example.org/codes/imaging');
export const dicom = from('http://dicom.nema.org/resources/ontology/DCM');

/** A CodeableConcept. */
export function concept(code: Code, text = code.display): JsonObject {
  return { coding: [{ ...code }], text };
}

/** Body sites, SNOMED CT. */
export const SITE = {
  abdomenAndPelvis: snomed('818982008', 'Abdomen and Pelvis'),
  body: snomed('38266002', 'Entire body as a whole'),
  brain: snomed('12738006', 'Brain structure'),
  breast: snomed('76752008', 'Breast structure'),
  chest: snomed('51185008', 'Thoracic structure'),
  gallbladder: snomed('28231008', 'Gallbladder structure'),
  hand: snomed('85562004', 'Hand structure'),
  head: snomed('69536005', 'Head structure'),
  knee: snomed('72696002', 'Knee region structure'),
  lung: snomed('39607008', 'Lung structure'),
  prostate: snomed('41216001', 'Prostatic structure'),
  pulmonaryArtery: snomed('81040000', 'Pulmonary artery structure'),
} as const;

/** Imaging procedures, LOINC. */
export const EXAM = {
  ctAbdomenPelvis: loinc('36952-0', 'CT Abdomen and Pelvis WO contrast'),
  ctChest: loinc('29252-4', 'CT Chest WO contrast'),
  ctHead: loinc('30799-1', 'CT Head WO contrast'),
  ctPulmonaryArteries: loinc('79077-4', 'CTA Pulmonary arteries for pulmonary embolus W contrast IV'),
  mammography: loinc('26175-0', 'MG Breast - bilateral Screening'),
  mrBrain: loinc('24587-8', 'MR Brain WO and W contrast IV'),
  mrKnee: loinc('36510-6', 'MR Knee - right WO contrast'),
  mrProstate: loinc('36389-5', 'MR Prostate WO and W contrast IV'),
  petWholeBody: loinc('44139-4', 'PET Whole body'),
  usGallbladder: loinc('24711-4', 'US Gallbladder'),
  xrChest: loinc('36643-5', 'XR Chest 2 Views'),
  xrChestSingle: loinc('36554-4', 'XR Chest Single view'),
  xrHand: loinc('26380-6', 'XR Hand - left 3 Views'),
} as const;

/** What is measured at the bedside and in the laboratory: code, unit (UCUM) and reference range. */
export interface Measurand {
  readonly code: Code;
  /** A second, more exact code. */
  readonly exactly?: Code;
  readonly unit: string;
  readonly category: 'vital-signs' | 'laboratory';
  readonly low?: number;
  readonly high?: number;
}

const lab = (code: string, display: string, unit: string, low?: number, high?: number): Measurand => ({
  code: loinc(code, display),
  unit,
  category: 'laboratory',
  ...(low !== undefined && { low }),
  ...(high !== undefined && { high }),
});
const vital = (code: string, display: string, unit: string): Measurand => ({
  code: loinc(code, display),
  unit,
  category: 'vital-signs',
});

export const MEASURE = {
  albumin: lab('1751-7', 'Albumin [Mass/volume] in Serum or Plasma', 'g/dL', 3.5, 5),
  alkalinePhosphatase: lab(
    '6768-6',
    'Alkaline phosphatase [Enzymatic activity/volume] in Serum or Plasma',
    'U/L',
    40,
    129,
  ),
  bilirubin: lab('1975-2', 'Bilirubin.total [Mass/volume] in Serum or Plasma', 'mg/dL', 0.2, 1.2),
  creatinine: lab('2160-0', 'Creatinine [Mass/volume] in Serum or Plasma', 'mg/dL', 0.5, 1.2),
  crp: lab('1988-5', 'C reactive protein [Mass/volume] in Serum or Plasma', 'mg/L', 0, 5),
  dDimer: lab('48065-7', 'Fibrin D-dimer FEU [Mass/volume] in Platelet poor plasma', 'ng/mL', 0, 500),
  egfr: lab(
    '62238-1',
    'Glomerular filtration rate/1.73 sq M.predicted [Volume Rate/Area] in Serum, Plasma or Blood by Creatinine-based formula (CKD-EPI)',
    'mL/min/{1.73_m2}',
    60,
  ),
  glucose: lab('2339-0', 'Glucose [Mass/volume] in Blood', 'mg/dL', 70, 140),
  hemoglobin: lab('718-7', 'Hemoglobin [Mass/volume] in Blood', 'g/dL', 12, 17),
  inr: lab('6301-6', 'INR in Platelet poor plasma by Coagulation assay', '{INR}', 0.8, 1.2),
  ldh: lab('2532-0', 'Lactate dehydrogenase [Enzymatic activity/volume] in Serum or Plasma', 'U/L', 135, 225),
  leukocytes: lab('6690-2', 'Leukocytes [#/volume] in Blood by Automated count', '10*3/uL', 4, 11),
  psa: lab('2857-1', 'Prostate specific Ag [Mass/volume] in Serum or Plasma', 'ng/mL', 0, 4),
  comaScore: vital('9269-2', 'Glasgow coma score total', '{score}'),
  heartRate: vital('8867-4', 'Heart rate', '/min'),
  height: vital('8302-2', 'Body height', 'cm'),
  // FHIR's profile of vital signs asks for the first code, and allows the more exact one beside it.
  oxygen: {
    ...vital('2708-6', 'Oxygen saturation in Arterial blood', '%'),
    exactly: loinc('59408-5', 'Oxygen saturation in Arterial blood by Pulse oximetry'),
  },
  respiration: vital('9279-1', 'Respiratory rate', '/min'),
  temperature: vital('8310-5', 'Body temperature', 'Cel'),
  weight: vital('29463-7', 'Body weight', 'kg'),
} as const;
