import { ANY_VERSION } from './exchange.ts';
import { FhirRefusal } from './refusal.ts';

export const FHIR_JSON = 'application/fhir+json; charset=utf-8';

const JSON_TYPES = new Set(['application/fhir+json', 'application/json', 'application/json+fhir', 'text/json']);
const WILDCARDS = new Set(['*/*', 'application/*']);

/**
 * Refuses requests for anything but JSON (FHR-4); `_format` goes before `Accept`.
 * @throws Refusal 406
 */
export function requireJson(accept: string | undefined, format: string | null | undefined): void {
  if (format !== null && format !== undefined) {
    // An unescaped "+" in an address reads as a space.
    const [type = ''] = format.toLowerCase().replace(' ', '+').split(';');
    if (type !== 'json' && !JSON_TYPES.has(type.trim())) throw notAcceptable();
    return;
  }
  if (!accept) return;
  const wanted = accept
    .toLowerCase()
    .split(',')
    .filter((range) => !/;\s*q=0(\.0*)?\s*(;|$)/.test(range))
    .map((range) => range.split(';')[0]!.trim());
  if (!wanted.some((type) => JSON_TYPES.has(type) || WILDCARDS.has(type))) throw notAcceptable();
}

function notAcceptable(): FhirRefusal {
  return new FhirRefusal(406, 'not-supported', 'This endpoint answers application/fhir+json only.');
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
