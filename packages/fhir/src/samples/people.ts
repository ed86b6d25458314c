import { concept, snomed } from './codes.ts';
import { HOSPITAL, IMAGING, PACS, type Sample } from './expand.ts';

const IDS = 'http://northfield.example.org/ids';

function practitioner(
  id: string,
  number: string,
  given: string,
  family: string,
  gender: string,
  specialty: ReturnType<typeof snomed>,
): Sample {
  return {
    resourceType: 'Practitioner',
    id,
    identifier: [{ system: `${IDS}/staff`, value: number }],
    active: true,
    name: [{ use: 'official', text: `Dr. ${given} ${family}`, family, given: [given], prefix: ['Dr.'] }],
    telecom: [{ system: 'email', value: `${id}@northfield.example.org`, use: 'work' }],
    gender,
    qualification: [{ code: concept(specialty) }],
  };
}

/** Who works at Northfield, an invented hospital. */
export const PEOPLE: readonly Sample[] = [
  practitioner('dr-lena-okafor', 'NF-1001', 'Lena', 'Okafor', 'female', snomed('66862007', 'Radiologist')),
  practitioner(
    'dr-tomas-lindqvist',
    'NF-1002',
    'Tomas',
    'Lindqvist',
    'male',
    snomed('309294001', 'Accident and Emergency doctor'),
  ),
  practitioner('dr-mei-tanaka', 'NF-1003', 'Mei', 'Tanaka', 'female', snomed('309295000', 'Clinical oncologist')),
  practitioner(
    'dr-samuel-abebe',
    'NF-1004',
    'Samuel',
    'Abebe',
    'male',
    snomed('62247001', 'Family medicine specialist'),
  ),
  practitioner('dr-ines-carvalho', 'NF-1005', 'Inês', 'Carvalho', 'female', snomed('56397003', 'Neurologist')),
  practitioner('dr-viktor-novak', 'NF-1006', 'Viktor', 'Novák', 'male', snomed('24590004', 'Urologist')),
  // The operator of this server; the sample user of the same name refers to it.
  {
    resourceType: 'Practitioner',
    id: 'admin',
    identifier: [{ system: `${IDS}/staff`, value: 'NF-9001' }],
    active: true,
    name: [{ use: 'official', text: 'Administrator' }],
  },
];

const ORGANIZATION_TYPE = 'http://terminology.hl7.org/CodeSystem/organization-type';

/** Northfield General Hospital, its imaging department, a practice, and the archive that holds the images. */
export const PLACES: readonly Sample[] = [
  {
    resourceType: 'Organization',
    id: 'northfield-general',
    identifier: [{ system: `${IDS}/organization`, value: 'NGH' }],
    active: true,
    type: [{ coding: [{ system: ORGANIZATION_TYPE, code: 'prov', display: 'Healthcare Provider' }] }],
    name: 'Northfield General Hospital',
    address: [{ line: ['1 Hospital Way'], city: 'Northfield' }],
  },
  {
    resourceType: 'Organization',
    id: 'northfield-imaging',
    identifier: [{ system: `${IDS}/organization`, value: 'NGH-IMG' }],
    active: true,
    type: [{ coding: [{ system: ORGANIZATION_TYPE, code: 'dept', display: 'Hospital Department' }] }],
    name: 'Northfield Imaging Centre',
    partOf: { reference: HOSPITAL },
    endpoint: [{ reference: PACS }],
  },
  {
    resourceType: 'Organization',
    id: 'lakeside-practice',
    identifier: [{ system: `${IDS}/organization`, value: 'LFP' }],
    active: true,
    type: [{ coding: [{ system: ORGANIZATION_TYPE, code: 'prov', display: 'Healthcare Provider' }] }],
    name: 'Lakeside Family Practice',
  },
  {
    resourceType: 'Endpoint',
    id: 'northfield-pacs',
    identifier: [{ system: `${IDS}/endpoint`, value: 'PACS-1' }],
    status: 'active',
    connectionType: {
      system: 'http://terminology.hl7.org/CodeSystem/endpoint-connection-type',
      code: 'dicom-wado-rs',
    },
    name: 'Northfield image archive',
    managingOrganization: { reference: IMAGING },
    payloadType: [{ text: 'DICOM WADO-RS' }],
    payloadMimeType: ['application/dicom'],
    address: 'https://pacs.example.org/dicom-web',
  },
];
