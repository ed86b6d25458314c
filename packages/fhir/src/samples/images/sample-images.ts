/** The images of the sample studies: none is stored, each is made from its study when it is asked for, and always the same. */
import { textOf } from '@lockstep/fhircast';
import type { ImageAddress } from '../../images.ts';
import { isObject, type JsonObject, type Resource, valuesAt } from '../../resource.ts';
import { UID_ROOT } from '../expand.ts';
import { type DicomElement, writePart10 } from './part10.ts';
import { type Phantom, type PhantomName, phantomOf } from './phantom.ts';
import { type Picture, PLANES, type Plane, projection, type Region, slice } from './picture.ts';
import { CT, ECHO, FAT_SATURATED, FLAIR, PET, T1, T2 } from './tissues.ts';

/** What makes the files. */
const PROGRAM = `${UID_ROOT}.0.1`;

const SOP_CLASSES: Readonly<Record<string, string>> = {
  CT: '1.2.840.10008.5.1.4.1.1.2',
  MR: '1.2.840.10008.5.1.4.1.1.4',
  DX: '1.2.840.10008.5.1.4.1.1.1.1',
  MG: '1.2.840.10008.5.1.4.1.1.1.2',
  US: '1.2.840.10008.5.1.4.1.1.6.1',
  PT: '1.2.840.10008.5.1.4.1.1.128',
};

/** How one series is taken. */
interface Technique {
  readonly body: Phantom;
  readonly region: Region;
  readonly plane: Plane;
  /** Of each tissue; without them the series is of radiographs. */
  readonly values?: readonly number[];
  /** Of radiographs: whether the body is pressed to one thickness. */
  readonly compressed: boolean;
  /** Pixels along the longer side. */
  readonly longest: number;
  /** The noise's spread, in the units of the values. */
  readonly noise: number;
  readonly window: readonly [center: number, width: number];
}

const REGIONS: Readonly<Record<string, readonly [PhantomName, z?: readonly [number, number]]>> = {
  brain: ['head'],
  knee: ['knee'],
  hand: ['hand'],
  breast: ['breast'],
  pelvis: ['trunk', [-290, -190]],
  abdomen: ['trunk', [-280, 20]],
  chest: ['trunk', [-60, 270]],
  whole: ['trunk'],
};

/** In this order: a chest in a PET/CT of the whole body is not what is shown. */
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/whole body|skull base|PET/i, 'whole'],
  [/brain|head|skull|cereb/i, 'brain'],
  [/knee/i, 'knee'],
  [/hand|wrist|finger/i, 'hand'],
  [/breast|mammo|\b(CC|MLO)\b/i, 'breast'],
  [/prostate|pelvis(?!.*abdomen)(?<!abdomen.*)/i, 'pelvis'],
  [/chest|lung|thora|mediastin|pulmon/i, 'chest'],
];

function regionOf(words: string): { readonly body: Phantom; readonly region: Region } {
  const named = WORDS.find(([pattern]) => pattern.test(words))?.[1] ?? 'abdomen';
  const [name, z] = REGIONS[named] ?? ['trunk'];
  const body = phantomOf(name);
  return { body, region: [body.range(0), body.range(1), z ?? body.range(2)] };
}

const MAGNETIC: readonly (readonly [RegExp, readonly number[]])[] = [
  [/FLAIR/i, FLAIR],
  [/fat-sat|\bPD\b|DWI|STIR/i, FAT_SATURATED],
  [/T2/i, T2],
];

/** @param words of study and series */
function techniqueOf(modality: string, words: string, description: string): Technique {
  const { body, region } = regionOf(words);
  const side = /lateral|MLO/i.test(description);
  const plane = /coronal/i.test(description) ? 'coronal' : /sagittal/i.test(description) ? 'sagittal' : 'axial';
  const sliced = { body, region, plane: PLANES[plane], longest: 256, compressed: false } as const;
  switch (modality) {
    case 'CT':
      // A plan of the examination: taken from the front without turning.
      if (/topogram|scout/i.test(description)) return radiograph(body, region, PLANES.coronal, 384);
      return { ...sliced, values: CT, noise: /brain|head/i.test(words) ? 5 : 24, window: ctWindow(description, words) };
    case 'MR': {
      const values = MAGNETIC.find(([pattern]) => pattern.test(description))?.[1] ?? T1;
      return { ...sliced, values, noise: 18, window: [450, 900] };
    }
    case 'PT':
      return { ...sliced, values: PET, longest: 144, noise: 500, window: [9000, 18_000] };
    case 'US':
      return { ...sliced, values: ECHO, noise: 130, window: [400, 800] };
    case 'MG':
      return radiograph(body, region, side ? PLANES.sagittal : PLANES.craniocaudal, 640);
    default:
      return radiograph(body, region, side ? PLANES.sagittal : PLANES.coronal, 640);
  }
}

function radiograph(body: Phantom, region: Region, plane: Plane, longest: number): Technique {
  const compressed = body === phantomOf('breast');
  return { body, region, plane, longest, compressed, noise: 12, window: compressed ? [450, 900] : [2048, 4096] };
}

function ctWindow(description: string, words: string): readonly [number, number] {
  if (/lung/i.test(description)) return [-600, 1500];
  if (/bone/i.test(description)) return [300, 1500];
  return /brain|head/i.test(words) ? [40, 80] : [40, 400];
}

/** Repeatable chance (mulberry32), so that an image always looks the same. @returns -1 to 1, mostly near 0 */
function chanceOf(seed: string): () => number {
  let state = 2166136261;
  for (const char of seed) state = Math.imul(state ^ char.charCodeAt(0), 16777619);
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  return () => next() + next() - 1;
}

/** What film makes of the X-rays that come through: 12 bits, bone white. */
function developed({ values, ...picture }: Picture): Picture {
  let most = 1;
  for (const value of values) most = Math.max(most, value);
  return { ...picture, values: values.map((value) => 4095 * (value / most) ** 0.85) };
}

function take(technique: Technique, at: number, seed: string): Picture {
  const { body, region, plane, values, longest, noise } = technique;
  const picture = values
    ? slice(body, plane, region, at, values, longest)
    : developed(projection(body, plane, region, longest, technique.compressed));
  const chance = chanceOf(seed);
  for (let pixel = 0; pixel < picture.values.length; pixel++) {
    picture.values[pixel] = (picture.values[pixel] ?? 0) + noise * chance();
  }
  return picture;
}

/** `[-1, 0, 0]` for the axis of x, backwards. */
function direction(axis: number, sign: number): readonly number[] {
  return [0, 1, 2].map((each) => (each === axis ? sign : 0));
}

const LETTERS = [
  ['L', 'R'],
  ['P', 'A'],
  ['H', 'F'],
] as const;

/** Where rows and columns lead to, as (0020,0020) says it: `L\F`. */
function orientation({ row, column, down }: Plane): string {
  return `${LETTERS[row][0]}\\${LETTERS[column][down === 1 ? 0 : 1]}`;
}

/** (0018,5101): which way the X-rays went. */
function viewPosition(modality: string, plane: Plane, description: string): string | undefined {
  if (modality === 'MG') return plane === PLANES.sagittal ? 'MLO' : 'CC';
  if (modality !== 'DX') return undefined;
  if (plane === PLANES.sagittal) return 'LL';
  return /\bPA\b/.test(description) ? 'PA' : 'AP';
}

/** Decimal strings have at most 16 characters. */
const decimal = (value: number): string => String(Math.round(value * 1000) / 1000);
const decimals = (values: readonly number[]): string => values.map(decimal).join('\\');

const dicomDate = (date: string): string => /^\d{4}-\d\d-\d\d/.exec(date)?.[0].replaceAll('-', '') ?? '';
const dicomTime = (date: string): string => /T(\d\d):(\d\d):(\d\d)/.exec(date)?.slice(1).join('') ?? '';

function first(resource: JsonObject | undefined, ...paths: readonly string[]): string {
  if (!resource) return '';
  return textOf(paths.flatMap((path) => valuesAt(resource, path)).find((value) => typeof value === 'string') ?? '');
}

function pixels({ values }: Picture): Uint8Array {
  const data = Buffer.alloc(values.length * 2);
  for (const [at, value] of values.entries()) {
    data.writeInt16LE(Math.max(-32768, Math.min(32767, Math.round(value))), at * 2);
  }
  return data;
}

/**
 * An image of a sample study as a DICOM file. Its instances have the UIDs `{series}.1` to `{series}.{numberOfInstances}`.
 * @param patient whom the study is about, where the caller may see them
 * @returns undefined where the study has no such image
 */
export function sampleImage(
  study: Resource,
  patient: Resource | undefined,
  image: ImageAddress,
): Uint8Array | undefined {
  const uid = uidOf(study);
  const series = valuesAt(study, 'series').find((one) => isObject(one) && one.uid === image.series);
  if (uid === undefined || !isObject(series) || !image.instance.startsWith(`${image.series}.`)) return undefined;
  const count = Number(series.numberOfInstances);
  const text = image.instance.slice(image.series.length + 1);
  const number = Number(text);
  if (!/^[1-9]\d{0,5}$/.test(text) || !(number <= count)) return undefined;

  const modality = first(series, 'modality.code');
  const sopClass = SOP_CLASSES[modality];
  if (sopClass === undefined) return undefined;
  const description = first(series, 'description');
  const words = [first(study, 'description'), first(series, 'bodySite.display'), description].join(' ');
  const technique = techniqueOf(modality, words, description);
  const { plane, region, values } = technique;
  const [from, to] = region[plane.normal];
  // From the head down, from the front, from the right.
  const step = (to - from) / count;
  const at = plane.normal === 2 ? to - (number - 0.5) * step : from + (number - 0.5) * step;
  const picture = take(technique, at, image.instance);
  const started = first(study, 'started', 'series.started');

  const elements: DicomElement[] = [
    [0x00080008, 'CS', 'ORIGINAL\\PRIMARY'],
    [0x00080020, 'DA', dicomDate(started)],
    [0x00080030, 'TM', dicomTime(started)],
    [0x00080050, 'SH', accessionOf(study)],
    [0x00080060, 'CS', modality],
    [0x00080070, 'LO', 'Lockstep, invented'],
    [0x00080090, 'PN', ''],
    [0x00081030, 'LO', first(study, 'description').slice(0, 64)],
    [0x0008103e, 'LO', description.slice(0, 64)],
    [0x00100010, 'PN', personName(patient)],
    [0x00100020, 'LO', first(patient, 'identifier.value', 'id').slice(0, 64)],
    [0x00100030, 'DA', dicomDate(first(patient, 'birthDate'))],
    [0x00100040, 'CS', { male: 'M', female: 'F', other: 'O' }[first(patient, 'gender')] ?? ''],
    [0x0020000d, 'UI', uid],
    [0x0020000e, 'UI', image.series],
    [0x00200010, 'SH', accessionOf(study)],
    [0x00200011, 'IS', String(series.number ?? '')],
    [0x00200013, 'IS', String(number)],
    [0x00200020, 'CS', orientation(plane)],
    [0x00280002, 'US', 1],
    [0x00280004, 'CS', 'MONOCHROME2'],
    [0x00280010, 'US', picture.rows],
    [0x00280011, 'US', picture.columns],
    [0x00280030, 'DS', decimals([picture.spacing, picture.spacing])],
    [0x00280100, 'US', 16],
    [0x00280101, 'US', 16],
    [0x00280102, 'US', 15],
    [0x00280103, 'US', 1],
    [0x00281050, 'DS', decimal(technique.window[0])],
    [0x00281051, 'DS', decimal(technique.window[1])],
    [0x00281052, 'DS', '0'],
    [0x00281053, 'DS', '1'],
    [0x7fe00010, 'OW', pixels(picture)],
  ];
  if (values) {
    elements.push(
      [0x00180050, 'DS', decimal(Math.abs(step))],
      [0x00200032, 'DS', decimals(picture.origin)],
      [0x00200037, 'DS', decimals([...direction(plane.row, 1), ...direction(plane.column, plane.down)])],
      [0x00200052, 'UI', `${uid}.0`],
    );
  } else {
    elements.push([0x00181164, 'DS', decimals([picture.spacing, picture.spacing])]);
    const view = viewPosition(modality, plane, description);
    if (view !== undefined) elements.push([0x00185101, 'CS', view]);
  }
  return writePart10({ sopClass, sopInstance: image.instance, program: PROGRAM }, elements);
}

/** The study's DICOM UID; undefined where it is none of the samples: no image is invented for anybody else's study. */
function uidOf(study: Resource): string | undefined {
  const found = valuesAt(study, 'identifier').find((one) => isObject(one) && one.system === 'urn:dicom:uid');
  const uid = /^urn:oid:([\d.]+)$/.exec(isObject(found) ? textOf(found.value) : '')?.[1];
  return uid?.startsWith(`${UID_ROOT}.`) ? uid : undefined;
}

function accessionOf(study: Resource): string {
  const found = valuesAt(study, 'identifier').find(
    (one) => isObject(one) && valuesAt(one, 'type.coding.code').includes('ACSN'),
  );
  return isObject(found) ? textOf(found.value).slice(0, 16) : '';
}

/** `Diallo^Amara`. */
function personName(patient: Resource | undefined): string {
  const parts = [first(patient, 'name.family'), patient ? valuesAt(patient, 'name.given').map(textOf).join(' ') : ''];
  return parts.map((part) => part.replaceAll(/[\\^=]/g, ' ').slice(0, 60)).join('^');
}
