import jsonPatch, { type Operation } from 'fast-json-patch';
import { withPlainNumbers } from './exact-json.ts';
import { FhirRefusal } from './refusal.ts';
import { isObject, type Json, type JsonObject } from './resource.ts';

const MAX_OPERATIONS = 200;
/** Characters of a patched resource's JSON: a few copies of copies would fill the memory. */
const MAX_LENGTH = 4 * 1024 * 1024;
const NAMES = new Set(['add', 'remove', 'replace', 'move', 'copy', 'test']);

/**
 * Applies a JSON Patch (RFC 6902).
 * @param readable whether the caller may read the resource: else the answer must reveal nothing of it
 * @returns the changed resource, with ordinary numbers; the one given stays as it was
 * @throws Refusal 400 for what is no patch, 403 for a `test` of what the caller may not read, 422 for one that does not fit
 */
export function applyJsonPatch(resource: JsonObject, patch: Json, readable: boolean): Json {
  if (!Array.isArray(patch)) throw new FhirRefusal(400, 'structure', 'A JSON Patch must be an array of operations.');
  if (patch.length > MAX_OPERATIONS) throw new FhirRefusal(400, 'too-costly', `At most ${MAX_OPERATIONS} operations.`);
  let document = withPlainNumbers(resource);
  for (const [index, operation] of patch.entries()) {
    if (!isOperation(operation)) throw new FhirRefusal(400, 'structure', `Operation ${index} is none of RFC 6902.`);
    if (operation.op === 'test' && !readable) {
      throw new FhirRefusal(403, 'forbidden', 'A test needs the right to read the resource.');
    }
    try {
      document = jsonPatch.applyOperation(document, operation, true, true, true, index).newDocument;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      const what = readable ? `Operation ${index}` : 'The patch';
      throw new FhirRefusal(422, 'processing', `${what} does not fit the resource.`);
    }
    if (operation.op === 'copy' && JSON.stringify(document).length > MAX_LENGTH) {
      throw new FhirRefusal(413, 'too-long', 'The patched resource is too long.');
    }
  }
  return document;
}

function isOperation(value: Json): value is Operation & JsonObject {
  if (!isObject(value) || typeof value.op !== 'string' || !NAMES.has(value.op)) return false;
  const isPointer = (text: unknown) => typeof text === 'string' && (text === '' || text.startsWith('/'));
  if (!isPointer(value.path)) return false;
  if (value.op === 'move' || value.op === 'copy') return isPointer(value.from);
  return value.op === 'remove' || value.value !== undefined;
}
