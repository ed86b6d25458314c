import { isResourceType, textOf } from '@lockstep/fhircast';
import { parseExact } from './exact-json.ts';
import type { Precondition, WriteTarget } from './exchange.ts';
import { ifMatch } from './negotiation.ts';
import { FhirRefusal } from './refusal.ts';
import { isObject, type Json } from './resource.ts';

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']);

/** One request of a Bundle, as it was read. */
export interface EntryRequest {
  readonly index: number;
  readonly method: string;
  /** `Type`, `Type/id`, `Type/id/_history` and so on, without the query. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
  readonly body: Json | undefined;
  readonly fullUrl?: string;
  readonly precondition: Precondition;
  readonly condition?: string;
  /** Of a read: entity tags that the client has already. */
  readonly known?: string;
}

/** Reads an entry of a batch or a transaction. @param baseUrl of this endpoint @throws Refusal 400 */
export function readRequest(entry: Json, index: number, baseUrl: string): EntryRequest {
  const request = isObject(entry) ? entry.request : undefined;
  if (!isObject(entry) || !isObject(request)) throw new FhirRefusal(400, 'required', 'The entry needs a request.');
  const { method, url, ifMatch: match, ifNoneMatch, ifNoneExist } = request;
  if (typeof method !== 'string' || !METHODS.has(method)) {
    throw new FhirRefusal(400, 'not-supported', 'request.method must be GET, HEAD, POST, PUT, PATCH or DELETE.');
  }
  if (typeof url !== 'string') throw new FhirRefusal(400, 'required', 'request.url is required.');
  for (const [name, value] of Object.entries({ ifMatch: match, ifNoneMatch, ifNoneExist, fullUrl: entry.fullUrl })) {
    if (value !== undefined && typeof value !== 'string')
      throw new FhirRefusal(400, 'value', `${name} must be a string.`);
  }
  const reads = method === 'GET' || method === 'HEAD';
  if (ifNoneMatch !== undefined && !reads && ifNoneMatch !== '*') {
    throw new FhirRefusal(400, 'not-supported', 'ifNoneMatch must be "*" on a write.');
  }
  const [address = '', query = ''] = relative(url, baseUrl).split(/\?(.*)/s);
  const path = address.split('/').map(decoded);
  if (!isResourceType(path[0] ?? '')) throw notHere();
  if (reads && path.length > 2 && !isEverything(path) && (path[2] !== '_history' || path.length > 4)) throw notHere();
  if (method === 'POST' && path.length === 1 && query !== '') {
    throw new FhirRefusal(400, 'not-supported', 'A condition of a creation stands in ifNoneExist.');
  }
  const version = ifMatch(match as string | undefined);
  return {
    index,
    method,
    path,
    query: new URLSearchParams(query),
    body: entry.resource,
    ...(typeof entry.fullUrl === 'string' && { fullUrl: entry.fullUrl }),
    precondition: { ...(version !== undefined && { version }), absent: !reads && ifNoneMatch === '*' },
    ...(reads && typeof ifNoneMatch === 'string' && { known: ifNoneMatch }),
    ...(typeof ifNoneExist === 'string' && { condition: ifNoneExist }),
  };
}

function relative(url: string, baseUrl: string): string {
  return url.startsWith(`${baseUrl}/`) ? url.slice(baseUrl.length + 1) : url;
}

export function isEverything(path: readonly string[]): boolean {
  return path.length === 3 && path[0] === 'Patient' && path[2] === '$everything';
}

export function isRead({ method }: EntryRequest): boolean {
  return method === 'GET' || method === 'HEAD';
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new FhirRefusal(400, 'value', 'request.url cannot be decoded.');
  }
}

export function typeOf({ path, method }: EntryRequest): string {
  if (method === 'POST' && path.length !== 1) throw notHere();
  return path[0]!;
}

export function targetOf({ path, query }: EntryRequest): WriteTarget {
  const [type = '', id] = path;
  if (path.length === 1 && query.size > 0) return { type, condition: query.toString() };
  if (path.length !== 2 || id === undefined || query.size > 0) throw notHere();
  return { type, id };
}

/** The search by which an entry creates, or finds what it changes; undefined where it names an id, or has none. */
export function conditionOf({ method, path, query, condition }: EntryRequest): string | undefined {
  if (method === 'POST') return condition;
  return path.length === 1 && query.size > 0 ? query.toString() : undefined;
}

function notHere(): FhirRefusal {
  return new FhirRefusal(400, 'not-supported', 'request.url is no address of this server for this method.');
}

/** The JSON Patch in a Binary, as a Bundle carries it (R4 3.1.0.7.1). */
export function patchOf(body: Json | undefined): Json {
  if (!isObject(body) || body.resourceType !== 'Binary' || body.contentType !== 'application/json-patch+json') {
    throw new FhirRefusal(400, 'not-supported', 'A PATCH needs a Binary of application/json-patch+json.');
  }
  try {
    return parseExact(Buffer.from(textOf(body.data), 'base64').toString('utf8'));
  } catch {
    throw new FhirRefusal(400, 'structure', 'The Binary holds no JSON.');
  }
}
