import { FhirRefusal } from './refusal.ts';

/** Parameters about an answer's form have no place in a condition. */
const NO_CONDITION = /^_(?!id$|lastUpdated$|has:)/;

/**
 * Reads the search that a write depends on: of If-None-Exist, or in the address of a conditional update or deletion (R4 3.1.0.4.3).
 * @throws Refusal 400 for none, and for what says nothing about the resource
 */
export function parseCondition(condition: string): URLSearchParams {
  const params = new URLSearchParams(condition);
  if (params.size === 0) throw new FhirRefusal(400, 'value', 'The condition must hold search parameters.');
  for (const name of params.keys()) {
    if (NO_CONDITION.test(name)) throw new FhirRefusal(400, 'value', `The condition cannot hold ${name.slice(0, 64)}.`);
  }
  return params;
}
