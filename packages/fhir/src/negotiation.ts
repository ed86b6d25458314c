import { ANY_VERSION } from './exchange.ts';
import { FhirRefusal } from './refusal.ts';

export const FHIR_JSON = 'application/fhir+json; charset=utf-8';

const JSON_TYPES = new Set(['application/fhir+json', 'application/json', 'application/json+fhir', 'text/json']);
const WILDCARDS = new Set(['*/*', 'application/*']);

/** DSTU2 and STU3, said by a parameter of the MIME type (http://hl7.org/fhir/R4/versioning.html#mt-version). */
const OLDER = /;\s*fhirversion\s*=\s*"?[0-3]\b/i;
const ONLY_R4 = 'This endpoint speaks FHIR R4 (fhirVersion=4.0): older versions are not converted.';

/** Refuses what is sent as a resource of an older version (FHR-4). @throws Refusal 415 */
export function requireNotOlder(contentType: string | undefined): void {
  if (OLDER.test(contentType ?? '')) throw new FhirRefusal(415, 'not-supported', ONLY_R4);
}

/**
 * Refuses requests for anything but JSON, and for older versions of FHIR (FHR-4); `_format` goes before `Accept`.
 * @throws Refusal 406
 */
export function requireJson(accept: string | undefined, format: string | null | undefined): void {
  if (format !== null && format !== undefined) {
    // An unescaped "+" in an address reads as a space.
    const [type = ''] = format.toLowerCase().replace(' ', '+').split(';');
    if (type !== 'json' && !JSON_TYPES.has(type.trim())) throw notAcceptable();
    if (OLDER.test(format)) throw notAcceptable(ONLY_R4);
    return;
  }
  if (!accept) return;
  const wanted = accept
    .toLowerCase()
    .split(',')
    .filter((range) => !/;\s*q=0(\.0*)?\s*(;|$)/.test(range))
    .filter((range) => {
      const type = range.split(';')[0]!.trim();
      return JSON_TYPES.has(type) || WILDCARDS.has(type);
    });
  if (wanted.length === 0) throw notAcceptable();
  if (wanted.every((range) => OLDER.test(range))) throw notAcceptable(ONLY_R4);
}

function notAcceptable(why = 'This endpoint answers application/fhir+json only.'): FhirRefusal {
  return new FhirRefusal(406, 'not-supported', why);
}

/** What `Prefer` asks for. */
export interface Preferences {
  /** The body of a write's answer. */
  readonly body: 'representation' | 'minimal' | 'OperationOutcome';
  /** Whether unknown search parameters are left out rather than refused. */
  readonly lenient: boolean;
}

export function preferences(prefer: string | string[] | undefined): Preferences {
  const text = String(prefer ?? '').toLowerCase();
  const body = /\breturn\s*=\s*"?(minimal|operationoutcome)/.exec(text)?.[1];
  return {
    body: body === 'minimal' ? 'minimal' : body ? 'OperationOutcome' : 'representation',
    lenient: /\bhandling\s*=\s*"?lenient/.test(text),
  };
}

/** Whether If-None-Match names the entity tag: any of a list, weak or strong, or `*`. */
export function noneMatch(header: string | undefined, tag: string): boolean {
  const opaque = (text: string) => text.trim().replace(/^W\//, '');
  return (header ?? '').split(',').some((one) => one.trim() === '*' || opaque(one) === opaque(tag));
}

/**
 * The version in an entity tag, `W/"3"` or `"3"`, or `*`.
 * @throws Refusal 400 when the header is neither that nor `*`
 */
export function ifMatch(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  if (header.trim() === ANY_VERSION) return ANY_VERSION;
  const version = /^\s*(?:W\/)?"([A-Za-z0-9\-.]{1,64})"\s*$/.exec(header)?.[1];
  if (version === undefined)
    throw new FhirRefusal(400, 'value', 'If-Match must be an ETag of this server, such as W/"3".');
  return version;
}
