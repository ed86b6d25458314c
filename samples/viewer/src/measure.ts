import { type Resource, valuesAt } from '../../kit/fhir.ts';

/** In an image: columns and rows from the outer corner of its first pixel (PS3.3 C.18.6). */
export interface ImagePoint {
  readonly x: number;
  readonly y: number;
}

export interface ImageLine {
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
}

/** Which image something is in, by its DICOM UIDs. */
export interface ImagePlace {
  readonly study: string;
  readonly series: string;
  readonly instance: string;
}

/** A line that was measured in an image. */
export interface Measured extends ImagePlace {
  readonly line: ImageLine;
  /** mm, rounded as radiologists read it. */
  readonly length: number;
}

/** @param spacing of the image's pixels, mm: down and along. @returns mm */
export function lengthOf({ x1, y1, x2, y2 }: ImageLine, [down, along]: readonly [number, number]): number {
  return Math.round(Math.hypot((x2 - x1) * along, (y2 - y1) * down) * 10) / 10;
}

type Identified = Resource & { readonly id: string };

interface About {
  readonly label: string;
  /** References. */
  readonly patient: string;
  readonly study: string;
  readonly at: Date;
}

/** Where it was measured, as IHE IRA shares it: an ImagingSelection of FHIR R5. */
export function toSelection(measured: Measured, id: string, about: About): Identified {
  const { x1, y1, x2, y2 } = measured.line;
  return {
    resourceType: 'ImagingSelection',
    id,
    status: 'available',
    subject: { reference: about.patient },
    issued: about.at.toISOString(),
    derivedFrom: [{ reference: about.study }],
    code: {
      coding: [{ system: 'http://dicom.nema.org/resources/ontology/DCM', code: '113000', display: 'Of Interest' }],
    },
    studyUid: measured.study,
    seriesUid: measured.series,
    instance: [{ uid: measured.instance, imageRegion2D: [{ regionType: 'polyline', coordinate: [x1, y1, x2, y2] }] }],
  };
}

/** What was measured, as other applications understand it. @param selection id of the place where */
export function toObservation(measured: Measured, id: string, selection: string, about: About): Identified {
  return {
    resourceType: 'Observation',
    id,
    status: 'preliminary',
    category: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'imaging' }] }],
    code: { coding: [{ system: 'http://snomed.info/sct', code: '410668003', display: 'Length' }], text: about.label },
    subject: { reference: about.patient },
    derivedFrom: [{ reference: about.study }, { reference: `ImagingSelection/${selection}` }],
    effectiveDateTime: about.at.toISOString(),
    valueQuantity: { value: measured.length, unit: 'mm', system: 'http://unitsofmeasure.org', code: 'mm' },
  };
}

/** What an ImagingSelection shows: the image, and the line in it where there is one. */
export interface SharedPlace {
  readonly series: string;
  readonly instance: string | undefined;
  readonly line: ImageLine | undefined;
}

/** @returns undefined for what is no selection of images */
export function placeOf(selection: unknown): SharedPlace | undefined {
  const [series] = valuesAt(selection, 'seriesUid');
  if (typeof series !== 'string' || valuesAt(selection, 'resourceType')[0] !== 'ImagingSelection') return undefined;
  const [first] = valuesAt(selection, 'instance');
  const [instance] = valuesAt(first, 'uid');
  const region = valuesAt(first, 'imageRegion2D').find((one) => valuesAt(one, 'regionType')[0] === 'polyline');
  const [x1, y1, x2, y2, ...more] = valuesAt(region, 'coordinate').map(Number);
  const isLine = more.length === 0 && [x1, y1, x2, y2].every(Number.isFinite);
  return {
    series,
    instance: typeof instance === 'string' ? instance : undefined,
    line: isLine ? ({ x1, y1, x2, y2 } as ImageLine) : undefined,
  };
}

/**
 * What a selected resource of a report's content shows in the images: an ImagingSelection itself, or the one that an
 * Observation was derived from.
 * @param content resources by `Type/id`
 */
export function selectedPlace(reference: string, content: ReadonlyMap<string, Resource>): SharedPlace | undefined {
  const resource = content.get(reference);
  const itself = placeOf(resource);
  if (itself) return itself;
  return valuesAt(resource, 'derivedFrom.reference')
    .map((from) => (typeof from === 'string' ? placeOf(content.get(from)) : undefined))
    .find(Boolean);
}
