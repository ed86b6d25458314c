import type { R4Validator } from '@lockstep/r4';
import { withPlainNumbers } from './exact-json.ts';
import { FhirRefusal } from './refusal.ts';
import { isObject, type Json, type JsonObject } from './resource.ts';

/** What a client wants stored. */
export interface SubmittedResource {
  /** With ordinary numbers. @throws Refusal for a body that is no JSON */
  read(): Json;
  /** With its numbers as they were written (see `parseExact`). */
  exact(): Json;
  /** Whether the elements that IHE IRA takes from FHIR R5 may be there (FHR-7). */
  readonly r5: boolean;
}

/** A value as content; its numbers may be as they were written. */
export function contentOf(value: Json, r5: boolean): SubmittedResource {
  return { read: () => withPlainNumbers(value), exact: () => value, r5 };
}

/**
 * Checks what a client wants stored: that it is a resource of the type, and good FHIR R4 (FHR-7).
 * @returns it with its numbers as they were written
 * @throws Refusal 400, naming the element and the rule
 */
export async function validate(content: SubmittedResource, type: string, validator: R4Validator): Promise<JsonObject> {
  const value = content.read();
  if (!isObject(value)) throw new FhirRefusal(400, 'structure', 'The body must be a JSON object: one resource.');
  if (value.resourceType !== type) {
    throw new FhirRefusal(400, 'structure', `The body's resourceType must be ${type}.`);
  }
  const problem = await validator.check(value, { r5: content.r5 });
  if (problem) throw new FhirRefusal(400, problem.kind, `${problem.text}.`);
  return content.exact() as JsonObject;
}
