/** Whether the person of an event and the person of a record can be one. Ids alone prove nothing: systems give their own. */
import type { Resource } from '@lockstep/fhircast';
import { textAt, valuesAt } from '../fhir.ts';

interface Identifier {
  readonly system: string;
  readonly value: string;
}

function identifiersOf(patient: Resource): readonly Identifier[] {
  return valuesAt(patient, 'identifier').flatMap((one) => {
    const [system, value] = [textAt(one, 'system'), textAt(one, 'value')];
    return system && value ? [{ system, value }] : [];
  });
}

/** Searches, most telling first, that find in the record the person whom an event names. */
export function identifierSearches(given: Resource): readonly string[] {
  return identifiersOf(given).map(({ system, value }) => `${system}|${value}`);
}

/**
 * What says that these are two people: another value of a shared identifier system, or another date of birth.
 * @returns undefined when nothing does
 */
export function contradiction(given: Resource, recorded: Resource): 'identifier' | 'date of birth' | undefined {
  const known = identifiersOf(recorded);
  for (const { system, value } of identifiersOf(given)) {
    const values = known.filter((one) => one.system === system).map((one) => one.value);
    if (values.length > 0 && !values.includes(value)) return 'identifier';
  }
  const [born, recordedBorn] = [textAt(given, 'birthDate'), textAt(recorded, 'birthDate')];
  // A year alone agrees with every day in it.
  const agrees = !born || !recordedBorn || born.startsWith(recordedBorn) || recordedBorn.startsWith(born);
  return agrees ? undefined : 'date of birth';
}
