import jsonPatch, { type Operation, type Validator } from 'fast-json-patch';
import { isSameJson, withMarkedNumbers, withoutMarks } from './exact-json.ts';
import { FhirRefusal } from './refusal.ts';
import { isObject, type Json, type JsonObject } from './resource.ts';

const MAX_OPERATIONS = 200;
/** Characters of JSON that the operations of one patch copy together: a few copies of copies would fill the memory. */
const MAX_COPIED = 1024 * 1024;
const NAMES = new Set(['add', 'remove', 'replace', 'move', 'copy', 'test']);

/**
 * Applies a JSON Patch (RFC 6902).
 * @param readable whether the caller may read the resource: else the answer must reveal nothing of it
 * @param patch its numbers, and the resource's, may be as they were written (see `parseExact`)
 * @returns the changed resource, its numbers as they were written; the one given stays as it was
 * @throws Refusal 400 for what is no patch, 403 for a `test` of what the caller may not read, 422 for one that does not fit
 */
export function applyJsonPatch(resource: JsonObject, patch: Json, readable: boolean): Json {
  if (!Array.isArray(patch)) throw new FhirRefusal(400, 'structure', 'A JSON Patch must be an array of operations.');
  if (patch.length > MAX_OPERATIONS) throw new FhirRefusal(400, 'too-costly', `At most ${MAX_OPERATIONS} operations.`);
  // Of no text that a client could know.
  const mark = `${crypto.randomUUID()} `;
  let document = withMarkedNumbers(resource, mark);
  let copied = 0;
  for (const [index, operation] of (withMarkedNumbers(patch, mark) as Json[]).entries()) {
    if (!isOperation(operation)) throw new FhirRefusal(400, 'structure', `Operation ${index} is none of RFC 6902.`);
    if (operation.op === 'test' && !readable) {
      throw new FhirRefusal(403, 'forbidden', 'A test needs the right to read the resource.');
    }
    try {
      if (operation.op === 'copy') copied += JSON.stringify(valueAt(document, operation.from)).length;
      if (copied > MAX_COPIED) throw new FhirRefusal(413, 'too-long', 'The patch copies too much.');
      // What stays where it is has no effect (RFC 6902 section 4.4), and would be copied.
      if (operation.op === 'move' && operation.from === operation.path) valueAt(document, operation.from);
      else if (operation.op === 'move' && operation.path.startsWith(`${operation.from}/`)) throw intoItself();
      else if (operation.op === 'test') requireSame(document, operation.path, operation.value as Json, mark);
      else document = jsonPatch.applyOperation(document, operation, checkOperation, true, true, index).newDocument;
    } catch (error) {
      if (!(error instanceof Error) || error instanceof FhirRefusal) throw error;
      const what = readable ? `Operation ${index}` : 'The patch';
      throw new FhirRefusal(422, 'processing', `${what} does not fit the resource.`);
    }
  }
  return withoutMarks(document, mark);
}

/** RFC 6902 section 4.6. @throws Error where what the pointer points to is another value, or nothing */
function requireSame(document: Json, path: string, value: Json, mark: string): void {
  if (!isSameJson(valueAt(document, path), value, mark)) throw new Error('The value is another');
}

/** RFC 6902 section 4.4: nothing is moved into a part of itself. */
function intoItself(): Error {
  return new Error('What is moved cannot hold the place where it goes');
}

/** An index of an array, without zeros before it (RFC 6901 section 4). */
const INDEX = /^(0|[1-9]\d*)$/;

/** The names that a JSON Pointer (RFC 6901) is made of. */
function namesIn(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** What a JSON Pointer points to. @throws Error when there is nothing */
function valueAt(document: Json, pointer: string): Json {
  let value = document;
  for (const name of namesIn(pointer)) {
    const isThere = Array.isArray(value)
      ? INDEX.test(name) && Object.hasOwn(value, name)
      : isObject(value) && Object.hasOwn(value, name);
    if (!isThere) throw new Error('There is nothing to move or copy');
    value = (value as JsonObject)[name] as Json;
  }
  return value;
}

/** The library takes `01` for an index. @throws Error where the pointer goes into an array by what is none; `-` is behind its end */
function requireIndexes(document: Json, pointer: string): void {
  let value: Json | undefined = document;
  for (const name of namesIn(pointer)) {
    if (Array.isArray(value) && name !== '-' && !INDEX.test(name)) throw new Error('That is no index of an array');
    const holder: Json | undefined = value;
    value = holder instanceof Object && Object.hasOwn(holder, name) ? (holder as JsonObject)[name] : undefined;
  }
}

/** As the library's own check, which copies the whole document to see whether there is something to move or copy (CWE-400). */
const checkOperation: Validator<unknown> = (operation, index, document, existing) => {
  requireIndexes(document as unknown as Json, operation.path);
  if (operation.op === 'move' || operation.op === 'copy') valueAt(document as unknown as Json, operation.from);
  else jsonPatch.validator(operation, index, document, existing);
};

function isOperation(value: Json): value is Operation & JsonObject {
  if (!isObject(value) || typeof value.op !== 'string' || !NAMES.has(value.op)) return false;
  const isPointer = (text: unknown) =>
    typeof text === 'string' && (text === '' || text.startsWith('/')) && !/~(?![01])/.test(text);
  if (!isPointer(value.path)) return false;
  if (value.op === 'move' || value.op === 'copy') return isPointer(value.from);
  return value.op === 'remove' || value.value !== undefined;
}
