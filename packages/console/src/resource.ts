/** What is in a FHIR resource, for people: for the console and the samples. Whatever a resource holds is shown as text. */
import type { JsonObject, Resource } from '@lockstep/fhircast';
import { date as dateText } from './language/language.ts';

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The values at a dotted path, lists gone through. */
export function valuesAt(value: unknown, path: string): readonly unknown[] {
  let found: unknown[] = [value];
  for (const step of path.split('.')) {
    found = found.flatMap((one) => (isObject(one) && one[step] !== undefined ? [one[step]].flat() : []));
  }
  return found;
}

/** The first text at any of the paths. */
export function textAt(value: unknown, ...paths: readonly string[]): string | undefined {
  for (const path of paths) {
    for (const one of valuesAt(value, path)) if (typeof one === 'string' && one !== '') return one;
  }
  return undefined;
}

/** `Patient/123` of a reference, whatever stands before it. */
export function referenceOf(resource: unknown, path: string): string | undefined {
  return /(?<![A-Za-z])([A-Za-z]+\/[A-Za-z0-9.-]{1,64})$/.exec(textAt(resource, `${path}.reference`) ?? '')?.[1];
}

const SEVERE = new Set<unknown>(['fatal', 'error']);

/**
 * The resources that a search found.
 * @param answer what the record answered, parsed
 * @returns undefined where it is no Bundle, or says itself that it is not whole: then it is not known what there is (HZ-5)
 */
export function foundIn(answer: unknown): readonly Resource[] | undefined {
  const found = valuesAt(answer, 'entry.resource') as readonly Resource[];
  const outcomes = found.filter(({ resourceType }) => resourceType === 'OperationOutcome');
  const isWhole = !outcomes.flatMap((one) => valuesAt(one, 'issue.severity')).some((one) => SEVERE.has(one));
  if (textAt(answer, 'resourceType') !== 'Bundle' || !isWhole) return undefined;
  return found.filter((one) => !outcomes.includes(one));
}

/** The name that somebody goes by: not an old one, a maiden name or a nickname where there is another. */
function currentName(resource: Resource): unknown {
  const names = valuesAt(resource, 'name');
  const ofUse = (use: string | undefined) => names.find((one) => textAt(one, 'use') === use);
  return ofUse('official') ?? ofUse('usual') ?? ofUse(undefined) ?? names[0];
}

/** `Okafor, Lena` reads badly aloud: given names first. */
export function nameOf(resource: Resource | undefined): string {
  if (!resource) return '';
  const name = currentName(resource);
  const parts = [...valuesAt(name, 'given'), ...valuesAt(name, 'family')].filter((one) => typeof one === 'string');
  return textAt(name, 'text') ?? (parts.join(' ') || `${resource.resourceType} ${resource.id ?? ''}`);
}

/** A medical record number, else the first identifier. */
export function recordNumber(patient: Resource): string | undefined {
  const identifiers = valuesAt(patient, 'identifier');
  const usual = identifiers.find((one) => textAt(one, 'type.coding.code') === 'MR') ?? identifiers[0];
  return textAt(usual, 'value');
}

/**
 * The day of a FHIR date, dateTime or instant for people: `14 Jan 2026` in British English. A date has no zone: it is the same
 * day everywhere. Of a year or a month alone no day is made.
 */
export function dayOf(value: string | undefined): string {
  if (!value || /^\d{4}$/.test(value)) return value ?? '';
  const isMonth = /^\d{4}-\d\d$/.test(value);
  const isDate = /^\d{4}-\d\d-\d\d$/.test(value);
  const date = new Date(isMonth ? `${value}-01T00:00:00` : isDate ? `${value}T00:00:00` : value);
  if (Number.isNaN(date.getTime())) return value;
  return dateText(date, { ...(!isMonth && { day: 'numeric' }), month: 'short', year: 'numeric' });
}
