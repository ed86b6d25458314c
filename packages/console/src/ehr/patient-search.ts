/** Finding patients by what people type: names, record numbers, dates of birth. */
import type { Resource } from '@lockstep/fhircast';
import { nameOf, recordNumber, textAt } from '../fhir.ts';

function folded(text: string): string {
  return text.normalize('NFD').replaceAll(/\p{M}/gu, '').toLowerCase();
}

/** Whether every word begins a name, or is part of a number or the date of birth. */
export function matches(patient: Resource, query: string): boolean {
  const keys = [
    ...folded(nameOf(patient)).split(/\s+/),
    folded(recordNumber(patient) ?? ''),
    textAt(patient, 'birthDate') ?? '',
  ];
  return folded(query)
    .split(/\s+/)
    .filter(Boolean)
    .every((word) => keys.some((key) => key.startsWith(word) || (/\d/.test(word) && key.includes(word))));
}

/** What to ask a record for that is too large to be read at once: each finds some of those who are meant. */
export function searchesFor(query: string): readonly Readonly<Record<string, string>>[] {
  if (!/\d/.test(query)) return [{ name: query }];
  const isDate = /^\d{4}(-\d\d(-\d\d)?)?$/.test(query);
  return [{ identifier: query }, ...(isDate ? [{ birthdate: query }] : [])];
}
