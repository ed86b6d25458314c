import { textOf } from '@lockstep/fhircast';
import { FhirRefusal } from './refusal.ts';
import { isObject, type Json, type JsonObject } from './resource.ts';

/**
 * Keeps a patch from leaving words behind that say what the data said before: a narrative must not be clinically unsafe afterwards
 * (R4 3.1.0.6). One that was generated from the data alone is left out; it is of no use any more, and nothing is lost.
 * @returns the changed resource, without a narrative that is out of date
 * @param readable whether the caller may read the resource: else the refusal reveals nothing of it
 * @throws Refusal 422 where the narrative says more than the data, and the patch changes the data alone
 */
export function withoutStaleNarrative(before: JsonObject, after: Json, readable: boolean): Json {
  const { text } = before;
  if (!isObject(after) || !isObject(text) || JSON.stringify(after.text) !== JSON.stringify(text)) return after;
  const status = textOf(text.status);
  if (status === 'empty' || contentOf(before) === contentOf(after)) return after;
  if (status !== 'generated') {
    const why = 'The narrative says more than the data: patch text as well.';
    throw new FhirRefusal(422, 'processing', readable ? why : 'The patch does not fit the resource.');
  }
  const { text: _text, ...rest } = after;
  return rest;
}

/** What a narrative may be about. */
function contentOf({ text: _text, meta: _meta, ...content }: JsonObject): string {
  return JSON.stringify(content);
}
