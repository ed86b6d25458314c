import { keyText, type ResourceKey } from '@lockstep/fhircast';
import type { Access } from './access.ts';
import { type Criterion, folded, matchesAll, rangeOf, stringsOf, tokensOf } from './criteria.ts';
import { definitionOf, type SearchParameter } from './definitions.ts';
import type { Repository, Within } from './repository.ts';
import { isId, isObject, type Json, type JsonObject, localReference, type Resource, valuesAt } from './resource.ts';
import type { SearchRequest } from './search-request.ts';

/** Ids that are looked up one by one; beyond that, reading the whole type is quicker. */
const MAX_LOOKUPS = 200;

type SortKey = string | number | null;

export interface SearchBundle extends JsonObject {
  readonly resourceType: 'Bundle';
  readonly type: 'searchset';
  readonly total?: number;
  readonly link: readonly { readonly relation: string; readonly url: string }[];
  readonly entry?: readonly SearchEntry[];
}

interface SearchEntry extends JsonObject {
  readonly fullUrl: string;
  readonly resource: JsonObject;
  readonly search: { readonly mode: 'match' | 'include' };
}

/**
 * Runs a search. Every resource of the answer, and everything counted in its total, is one the caller may reach: matches
 * with search access, included resources with read access, one by one (FHR-2). Pages hold no state: a page's link is the
 * search itself with a starting point, and is authorized anew.
 */
export async function search(
  request: SearchRequest,
  access: Access,
  repository: Repository,
  baseUrl: string,
): Promise<SearchBundle> {
  const { type } = request.definition;
  const matches: { readonly resource: Resource; readonly keys: readonly SortKey[] }[] = [];
  const within: Within = { patient: access.onlyPatient('s', type), ...narrowest(request.criteria, baseUrl) };
  for (const resource of await repository.candidates(type, within)) {
    if (!matchesAll(resource, request.criteria, baseUrl)) continue;
    if (!(await access.allows('s', resource))) continue;
    matches.push({ resource, keys: sortKeys(resource, request, baseUrl) });
  }
  const compare = comparator(request);
  if (request.sort.length > 0 || request.cursor) matches.sort((a, b) => compare(a.keys, b.keys));

  const { cursor, count } = request;
  const rest = cursor ? matches.filter(({ keys }) => compare(keys, cursor) > 0) : matches;
  const page = rest.slice(0, count);
  const last = page.at(-1);
  const entries = page.map(({ resource }) => entry(resource, 'match', request, baseUrl));
  const included = await include(
    request,
    page.map(({ resource }) => resource),
    access,
    repository,
    baseUrl,
  );
  entries.push(...included.map((resource) => entry(resource, 'include', request, baseUrl)));
  return {
    resourceType: 'Bundle',
    type: 'searchset',
    ...(request.withTotal && { total: matches.length }),
    link: links(request, rest.length > page.length ? last?.keys : undefined, baseUrl),
    ...(entries.length > 0 && { entry: entries }),
  };
}

/** The narrowest index that holds every match, as far as the criteria tell. */
function narrowest(criteria: readonly Criterion[], baseUrl: string): Within {
  const plain = criteria.filter(({ values, text }) => values.length > 0 && !text.includes('\\'));
  const id = plain.find(({ name }) => name === '_id');
  if (id && id.values.length <= MAX_LOOKUPS && id.values.every(isId)) return { ids: id.values };
  const single = plain.filter(({ values }) => values.length === 1);
  const patient = single.find(({ name }) => name === 'patient')?.values[0];
  if (patient !== undefined) {
    const key = isId(patient) ? { type: 'Patient', id: patient } : localReference(patient, baseUrl);
    if (key?.type === 'Patient') return { patient: key.id };
  }
  const identifier = single
    .find(({ name }) => name === 'identifier')
    ?.values[0]?.split('|')
    .at(-1);
  return identifier ? { identifier } : {};
}

function sortKeys(resource: Resource, request: SearchRequest, baseUrl: string): SortKey[] {
  const keys = request.sort.map(({ parameter, descending }) => sortKey(resource, parameter, descending, baseUrl));
  return [...keys, resource.id];
}

/** Of several values, the least counts when sorting up, the greatest when sorting down. */
function sortKey(resource: Resource, parameter: SearchParameter, descending: boolean, baseUrl: string): SortKey {
  const values = parameter.paths.flatMap((path) => valuesAt(resource, path));
  const keys = values.flatMap((value) => keysOf(value, parameter, descending, baseUrl));
  if (keys.length === 0) return null;
  return keys.reduce((best, key) => (key < best === descending ? best : key));
}

function keysOf(value: Json, parameter: SearchParameter, descending: boolean, baseUrl: string): (string | number)[] {
  switch (parameter.kind) {
    case 'string':
      return stringsOf(value).map(folded);
    case 'token':
      return tokensOf(value, parameter).map(({ code }) => code);
    case 'date': {
      const range = rangeOf(value);
      const edge = descending ? range?.high : range?.low;
      return edge !== undefined && Number.isFinite(edge) ? [edge] : [];
    }
    case 'reference': {
      const key = isObject(value) ? localReference(String(value.reference), baseUrl) : undefined;
      return key ? [keyText(key)] : [];
    }
  }
}

/** Orders by the sort parameters, then by id; what lacks a value comes last either way. */
function comparator({ sort }: SearchRequest): (a: readonly SortKey[], b: readonly SortKey[]) => number {
  return (a, b) => {
    for (const [index, { descending }] of sort.entries()) {
      const order = compareKeys(a[index] ?? null, b[index] ?? null, descending);
      if (order !== 0) return order;
    }
    return compareKeys(a.at(-1) ?? null, b.at(-1) ?? null, false);
  };
}

function compareKeys(a: SortKey, b: SortKey, descending: boolean): number {
  if (a === b) return 0;
  if (a === null) return 1;
  if (b === null) return -1;
  return a < b === descending ? 1 : -1;
}

function links(request: SearchRequest, next: readonly SortKey[] | undefined, baseUrl: string) {
  const here = `${baseUrl}/${request.definition.type}`;
  const url = (cursor: readonly SortKey[] | undefined) => {
    const params = new URLSearchParams(request.used);
    if (cursor) params.set('_page', Buffer.from(JSON.stringify(cursor)).toString('base64url'));
    return params.size > 0 ? `${here}?${params}` : here;
  };
  const found = [{ relation: 'self', url: url(request.cursor) }];
  if (request.cursor) found.push({ relation: 'first', url: url(undefined) });
  if (next) found.push({ relation: 'next', url: url(next) });
  return found;
}

/** What the page's resources refer to by the parameters of `_include`, as far as the caller may read it. */
async function include(
  request: SearchRequest,
  page: readonly Resource[],
  access: Access,
  repository: Repository,
  baseUrl: string,
): Promise<readonly Resource[]> {
  const wanted = new Map<string, ResourceKey>();
  for (const { parameter, target } of request.includes) {
    for (const value of page.flatMap((resource) => parameter.paths.flatMap((path) => valuesAt(resource, path)))) {
      const key = isObject(value) ? localReference(String(value.reference), baseUrl) : undefined;
      if (!key || !definitionOf(key.type) || (target && target !== key.type)) continue;
      if (parameter.targets && !parameter.targets.includes(key.type)) continue;
      wanted.set(keyText(key), key);
    }
  }
  for (const match of page) wanted.delete(keyText({ type: match.resourceType, id: match.id }));
  const found: Resource[] = [];
  for (const stored of await Promise.all([...wanted.values()].map((key) => repository.get(key)))) {
    if (stored && !stored.deleted && (await access.allows('r', stored.resource))) found.push(stored.resource);
  }
  return found;
}

function entry(resource: Resource, mode: 'match' | 'include', request: SearchRequest, baseUrl: string): SearchEntry {
  const fullUrl = `${baseUrl}/${resource.resourceType}/${resource.id}`;
  const shown = mode === 'match' ? subset(resource, request) : resource;
  return { fullUrl, resource: shown, search: { mode } };
}

const SUBSETTED = { system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue', code: 'SUBSETTED' };

/** Only the elements asked for, and those a resource may not lack. */
function subset(resource: Resource, { definition, elements, withoutText }: SearchRequest): Resource {
  if (!elements && !withoutText) return resource;
  const isKept = (name: string) => {
    if (name === 'resourceType' || name === 'id') return true;
    return elements ? elements.includes(name) || definition.elements.get(name)?.required : name !== 'text';
  };
  const kept = Object.entries(resource).filter(([name]) => isKept(name));
  const tags = Array.isArray(resource.meta.tag) ? resource.meta.tag : [];
  const { resourceType, id } = resource;
  return { resourceType, id, ...Object.fromEntries(kept), meta: { ...resource.meta, tag: [...tags, SUBSETTED] } };
}
