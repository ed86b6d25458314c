/** Which parts of resources an answer shows: `_summary` and `_elements` (R4 3.1.1.5.8, 3.1.1.5.9), of searches and of reads. */
import type { R4Validator } from '@lockstep/r4';
import { FhirRefusal } from './refusal.ts';
import type { JsonObject } from './resource.ts';

/** Whether a top-level element is answered. */
export type Shows = (element: string) => boolean;

/** `count` asks for no resource at all. */
export type Summary = 'count' | 'data' | 'text' | 'true' | 'false';

const SUMMARIES: readonly Summary[] = ['count', 'data', 'text', 'true', 'false'];
const MAX_ELEMENTS = 100;
/** As much of a name that a client made up as a refusal repeats. */
const MAX_NAME = 64;
/** What every answer has. */
const ALWAYS = ['resourceType', 'id', 'meta'];

/** @throws Refusal 400 */
export function summaryOf(value: string): Summary {
  const found = SUMMARIES.find((one) => one === value);
  if (!found) throw new FhirRefusal(400, 'not-supported', `_summary must be one of ${SUMMARIES.join(', ')}.`);
  return found;
}

/**
 * The elements that `_elements` names, of all its values together.
 * @throws Refusal 400 for no name, and for a name that the type has not: what is asked for is never left out silently
 */
export function elementsIn(type: string, values: readonly string[], validator: R4Validator): string[] | undefined {
  if (values.length === 0) return undefined;
  const names = values.flatMap((value) => value.split(',').map((name) => name.trim().replace(/\[x\]$/, '')));
  if (names.length > MAX_ELEMENTS) throw new FhirRefusal(400, 'too-costly', `At most ${MAX_ELEMENTS} elements.`);
  const { elements } = validator.parts(type);
  for (const name of names) {
    if (name === '') throw new FhirRefusal(400, 'value', '_elements must name elements, with a comma between them.');
    if (ALWAYS.includes(name) || elements.has(name)) continue;
    throw new FhirRefusal(400, 'value', `${type} has no element ${name.slice(0, MAX_NAME)}.`);
  }
  return names;
}

/** What `_summary` and `_elements` leave; undefined where that is all. What a resource may not lack is always there. */
export function shownElements(
  type: string,
  summary: Summary,
  elements: readonly string[] | undefined,
  validator: R4Validator,
): Shows | undefined {
  const always = (name: string): boolean => ALWAYS.includes(name);
  if (summary === 'data') return (name) => name !== 'text' && (!elements || always(name) || elements.includes(name));
  if (!elements && summary !== 'true' && summary !== 'text') return undefined;
  const parts = validator.parts(type);
  const wanted = new Set([...(elements ?? []), ...(summary === 'text' ? ['text'] : []), ...parts.mandatory]);
  if (summary === 'true') for (const name of parts.summary) wanted.add(name);
  return (name) => always(name) || wanted.has(name) || [...wanted].some((one) => isChoiceOf(name, one));
}

/**
 * What a read shows (R4 3.1.0.2).
 * @returns undefined for all of it
 * @throws Refusal 400
 */
export function shownOfRead(type: string, params: URLSearchParams, validator: R4Validator): Shows | undefined {
  if (!params.has('_summary') && !params.has('_elements')) return undefined;
  const summary = summaryOf(params.get('_summary') ?? 'false');
  if (summary === 'count') throw new FhirRefusal(400, 'value', 'One resource cannot be counted.');
  return shownElements(type, summary, elementsIn(type, params.getAll('_elements'), validator), validator);
}

/** Whether the element is `valueQuantity` and the like of `value`. */
function isChoiceOf(name: string, choice: string): boolean {
  return name.startsWith(choice) && /^[A-Z]/.test(name.slice(choice.length));
}

const SUBSETTED = { system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue', code: 'SUBSETTED' };

/** Only what is shown of a resource, with the tag that says so. */
export function subset<T extends JsonObject>(resource: T, shows: Shows): T {
  const kept = Object.entries(resource).filter(([name]) => shows(name.replace(/^_/, '')));
  const meta = resource.meta as JsonObject | undefined;
  const tags = Array.isArray(meta?.tag) ? meta.tag : [];
  const { resourceType, id } = resource;
  return {
    resourceType,
    id,
    ...Object.fromEntries(kept),
    meta: { ...meta, tag: [...tags, SUBSETTED] },
  } as unknown as T;
}
