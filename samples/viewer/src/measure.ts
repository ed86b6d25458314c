import type { Resource } from '../../kit/fhir.ts';

/** A line in the picture, in its pixels. */
export interface Line {
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
}

/** Size of a pixel of the pictures, mm. */
const SPACING = 0.7;

/** Rounded as radiologists read it, mm. */
export function lengthOf({ x1, y1, x2, y2 }: Line): number {
  return Math.round(Math.hypot(x2 - x1, y2 - y1) * SPACING * 10) / 10;
}

/** What was measured, as other applications understand it. */
export function toObservation(
  line: Line,
  given: {
    readonly id: string;
    readonly label: string;
    readonly patient: string;
    readonly study?: string;
    readonly at: Date;
  },
): Resource & { readonly id: string } {
  return {
    resourceType: 'Observation',
    id: given.id,
    status: 'preliminary',
    category: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'imaging' }] }],
    code: { coding: [{ system: 'http://snomed.info/sct', code: '410668003', display: 'Length' }], text: given.label },
    subject: { reference: given.patient },
    ...(given.study && { derivedFrom: [{ reference: given.study }] }),
    effectiveDateTime: given.at.toISOString(),
    valueQuantity: { value: lengthOf(line), unit: 'mm', system: 'http://unitsofmeasure.org', code: 'mm' },
  };
}
