import { hash } from 'node:crypto';
import { keyText, type ResourceKey } from '@lockstep/fhircast';
import type { R4Validator } from '@lockstep/r4';
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

/** How many totals are remembered. */
const MAX_TOTALS = 1000;

/** Totals of searches whose pages are being read, so that the pages after the first need not count anew. */
export class Totals {
  readonly #kept = new Map<string, number>();

  get(key: string): number | undefined {
    return this.#kept.get(key);
  }

  set(key: string, total: number): void {
    this.#kept.delete(key);
    this.#kept.set(key, total);
    if (this.#kept.size > MAX_TOTALS) for (const oldest of this.#kept.keys().take(1)) this.#kept.delete(oldest);
  }
}

interface Match {
  readonly resource: Resource;
  readonly keys: readonly SortKey[];
}

/**
 * Runs a search. Every resource of the answer, and everything counted in its total, is one the caller may reach: matches
 * with search access, included resources with read access, one by one (FHR-2). A page's link is the search itself with a
 * starting point, and is authorized anew; only the total is that of the caller's first page, where it is remembered.
 */
export async function search(
  request: SearchRequest,
  access: Access,
  repository: Repository,
  validator: R4Validator,
  totals: Totals,
  baseUrl: string,
): Promise<SearchBundle> {
  const { definition, cursor, count, withTotal } = request;
  const search = hash('sha256', `${access.caller}\n${definition.type}?${request.used}`, 'base64');
  const remembered = withTotal && cursor ? totals.get(search) : undefined;
  const found = await matches(request, access, repository, baseUrl, withTotal && remembered === undefined);
  const total = remembered ?? found.counted;
  const page = found.matches.slice(0, count);
  const next = found.matches.length > count ? page.at(-1)?.keys : undefined;
  if (withTotal && next) totals.set(search, total);

  const resources = page.map(({ resource }) => resource);
  const included = await include(request, resources, access, repository, baseUrl);
  const entries = [
    ...resources.map((resource) => entry(subset(resource, request, validator), 'match', baseUrl)),
    ...included.map((resource) => entry(resource, 'include', baseUrl)),
  ];
  return {
    resourceType: 'Bundle',
    type: 'searchset',
    ...(withTotal && { total }),
    link: links(request, next, baseUrl),
    ...(entries.length > 0 && { entry: entries }),
  };
}

/**
 * The matches of a page, and one more when there is another page. Nothing beyond them is read unless all must be: to be
 * counted, or sorted.
 */
async function matches(
  request: SearchRequest,
  access: Access,
  repository: Repository,
  baseUrl: string,
  counting: boolean,
): Promise<{ readonly matches: readonly Match[]; readonly counted: number }> {
  const { definition, criteria, cursor, count } = request;
  const sorted = request.sort.length > 0;
  const compare = comparator(request);
  const only = access.onlyPatient('s', definition.type);
  const within = narrowest(request, baseUrl) ?? (only === undefined ? {} : { patients: [only] });
  const afterId = cursor && !sorted && !counting ? String(cursor.at(-1)) : '';
  const found: Match[] = [];
  let counted = 0;
  for await (const resource of repository.candidates(definition.type, within, afterId)) {
    if (!matchesAll(resource, criteria, baseUrl) || !(await access.allows('s', resource))) continue;
    counted += 1;
    if (!sorted && found.length > count) continue;
    const keys = sortKeys(resource, request, baseUrl);
    if (cursor && compare(keys, cursor) <= 0) continue;
    found.push({ resource, keys });
    if (!sorted && !counting && found.length > count) break;
  }
  if (sorted) found.sort((a, b) => compare(a.keys, b.keys));
  return { matches: found, counted };
}

/** The narrowest index that holds every match, as far as the criteria tell. */
function narrowest({ definition, criteria }: SearchRequest, baseUrl: string): Within | undefined {
  const plain = criteria.filter(({ values, text }) => values.length <= MAX_LOOKUPS && !text.includes('\\'));
  const looked = (use: (criterion: Criterion, value: string) => string | undefined): string[] | undefined => {
    for (const criterion of plain) {
      const keys = criterion.values.map((value) => use(criterion, value) ?? '');
      if (keys.length > 0 && !keys.includes('')) return keys;
    }
    return undefined;
  };
  const ids = looked(({ name }, value) => (name === '_id' && isId(value) ? value : undefined));
  if (ids) return { ids };
  const identifiers = looked(({ parameter, name }, value) =>
    parameter.paths.join() === 'identifier' && name === parameter.name ? value.split('|').at(-1) : undefined,
  );
  if (identifiers) return { identifiers };
  const patients = looked(({ parameter, name }, value) => {
    if (parameter.paths.join() !== definition.subject) return undefined;
    const type = name.split(':')[1] ?? (parameter.targets?.length === 1 ? parameter.targets[0] : undefined);
    const key = isId(value) ? type && { type, id: value } : localReference(value, baseUrl);
    return key && key.type === 'Patient' ? key.id : undefined;
  });
  return patients && { patients };
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

function entry(resource: Resource, mode: 'match' | 'include', baseUrl: string): SearchEntry {
  return { fullUrl: `${baseUrl}/${resource.resourceType}/${resource.id}`, resource, search: { mode } };
}

const SUBSETTED = { system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue', code: 'SUBSETTED' };

/** Only the elements asked for, and those a resource may not lack. */
function subset(
  resource: Resource,
  { definition, elements, withoutText }: SearchRequest,
  validator: R4Validator,
): Resource {
  if (!elements && !withoutText) return resource;
  const { mandatory } = validator.parts(definition.type);
  const isKept = (name: string) => {
    if (name === 'resourceType' || name === 'id') return true;
    return elements ? elements.includes(name) || mandatory.has(name) : name !== 'text';
  };
  const kept = Object.entries(resource).filter(([name]) => isKept(name));
  const tags = Array.isArray(resource.meta.tag) ? resource.meta.tag : [];
  const { resourceType, id } = resource;
  return { resourceType, id, ...Object.fromEntries(kept), meta: { ...resource.meta, tag: [...tags, SUBSETTED] } };
}
