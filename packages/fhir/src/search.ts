import { hash } from 'node:crypto';
import { keyText, type ResourceKey, textOf } from '@lockstep/fhircast';
import type { ResourceAccess } from './access.ts';
import { type Criterion, elementsOf, matchesAll, rangeOf, stringsOf, tokensOf } from './criteria.ts';
import { definitionOf, type SearchParameter, type TypeDefinition } from './definitions.ts';
import { numberOf } from './exact-json.ts';
import { folded, foldedToken } from './fold.ts';
import { referencedKeys, requireFew, resolveLinked } from './linked.ts';
import { firstPlace, type OrderAsked, type Placed, type SortKey } from './orders.ts';
import { warningOutcome } from './refusal.ts';
import type { ResourceRepository, Within } from './repository.ts';
import { isId, isObject, type Json, type JsonObject, localReference, type Resource } from './resource.ts';
import type { SearchRequest } from './search-request.ts';
import { subset } from './subset.ts';

/** Ids that are looked up one by one; beyond that, reading the whole type is quicker. */
const MAX_LOOKUPS = 200;

/** Matches beside two pages that are held until they are sorted. */
const HELD = 100;

/** Resources that are read in one go where they are sorted; and of those read last, how many are looked at for where to go on. */
const READ_TOGETHER = 50;
const MOST_PASSED = 500;

export interface SearchBundle extends JsonObject {
  readonly resourceType: 'Bundle';
  readonly type: 'searchset';
  readonly total?: number;
  readonly link: readonly { readonly relation: string; readonly url: string }[];
  readonly entry?: readonly SearchEntry[];
}

interface SearchEntry extends JsonObject {
  readonly fullUrl?: string;
  readonly resource: JsonObject;
  readonly search: { readonly mode: 'match' | 'include' | 'outcome' };
}

/** How many totals are remembered. */
const MAX_TOTALS = 1000;

/** Totals of searches whose pages are being read, so that the pages after the first need not count again. */
export class Totals {
  readonly #kept = new Map<string, number | 'unknown'>();

  get(key: string): number | 'unknown' | undefined {
    return this.#kept.get(key);
  }

  set(key: string, total: number | 'unknown'): void {
    this.#kept.delete(key);
    this.#kept.set(key, total);
    if (this.#kept.size > MAX_TOTALS) for (const oldest of this.#kept.keys().take(1)) this.#kept.delete(oldest);
  }
}

interface Match {
  readonly resource: Resource;
  readonly keys: readonly SortKey[];
}

/** The matches of a page, and one more when there is another page. */
interface Matches {
  readonly matches: readonly Match[];
  /** Of all pages; undefined where they were not counted. */
  readonly counted: number | undefined;
  /** Keys of the last one that was read, where that was all that a request may read. */
  readonly stoppedAt?: readonly SortKey[];
}

/**
 * Runs a search. Every resource of the answer, and everything counted in its total, is one the caller may reach: matches
 * with search access, included resources with read access, one by one (FHR-2). A page's link is the search itself with a
 * starting point, and is authorized again; only the total is that of the caller's first page, where it is remembered.
 * @returns the answer, and the resources in it, whole
 */
export async function search(
  request: SearchRequest,
  access: ResourceAccess,
  repository: ResourceRepository,
  totals: Totals,
  baseUrl: string,
): Promise<{ readonly bundle: SearchBundle; readonly resources: readonly Resource[] }> {
  const { definition, cursor, count, withTotal, shows } = request;
  const search = hash('sha256', `${access.caller}\n${definition.type}?${request.used}`, 'base64');
  const remembered = withTotal && cursor ? totals.get(search) : undefined;
  const counting = withTotal && remembered === undefined;
  let found = await matches(request, access, repository, baseUrl, counting);
  // Counting begins at the first resource: what may be read can be spent before the page is reached.
  if (found.stoppedAt !== undefined && counting && cursor && request.sort.length === 0)
    found = await matches(request, access, repository, baseUrl, false);
  const { stoppedAt } = found;
  const counted = counting && stoppedAt === undefined ? found.counted : undefined;
  // Only a search for nothing but the total needs it.
  if (count === 0 && (stoppedAt !== undefined || (counting && counted === undefined)))
    throw repository.tooCostly(definition.type);
  const total = remembered ?? counted ?? 'unknown';
  const page = found.matches.slice(0, count);
  const reached = found.matches.length > count ? page.at(-1)?.keys : undefined;
  const next = reached ?? stoppedAt;
  if (withTotal && next) totals.set(search, total);

  const resources = page.map(({ resource }) => resource);
  const included = await include(request, resources, access, repository, baseUrl);
  const entries: SearchEntry[] = [
    ...resources.map((resource) => entry(shows ? subset(resource, shows) : resource, 'match', baseUrl)),
    ...included.map((resource) => entry(resource, 'include', baseUrl)),
    ...ignoredNotes(request),
  ];
  const bundle: SearchBundle = {
    resourceType: 'Bundle',
    type: 'searchset',
    ...(withTotal && total !== 'unknown' && { total }),
    link: links(request, next, baseUrl),
    ...(entries.length > 0 && { entry: entries }),
  };
  return { bundle, resources: [...resources, ...included] };
}

/**
 * The matches of a page, and one more when there is another page. Nothing beyond them is read unless all must be: to be
 * counted, or sorted. Where more would have to be read than a request may, the page ends early, and is counted no further.
 * @throws FhirRefusal 400 for a sorted search of more than is held in order
 */
async function matches(
  request: SearchRequest,
  access: ResourceAccess,
  repository: ResourceRepository,
  baseUrl: string,
  counting: boolean,
): Promise<Matches> {
  const { definition, criteria, cursor, count } = request;
  const { type } = definition;
  const sorted = request.sort.length > 0;
  const compare = comparator(request);
  const narrow = (type: TypeDefinition, wanted: readonly Criterion[]): Within => {
    const one = access.onlyPatient('s', type.type);
    return narrowest(type, wanted, baseUrl) ?? (one === undefined ? {} : { patients: [one] });
  };
  const conditions = await resolveLinked(request.linked, type, access, repository, narrow, baseUrl);
  const within = narrow(definition, criteria);
  const where = (resource: Resource) =>
    matchesAll(resource, criteria, baseUrl) && conditions.every((meets) => meets(resource));
  const asked: OrderAsked = {
    type,
    name: orderName(request),
    ...(within.patients && { patients: [...new Set(within.patients)].sort() }),
    placeOf: (resource) => ({ id: resource.id, keys: sortKeys(resource, request, baseUrl) }),
    compare: (a, b) => compare(a.keys, b.keys),
  };
  const hasOrder = sorted && !within.ids && !within.identifiers;
  const isPlain = criteria.length === 0 && conditions.length === 0 && !within.patients && access.isWhole('s', type);
  const inOrder = async (order: readonly Placed[]): Promise<Matches> => ({
    ...(await matchesInOrder(order, request, access, repository, where)),
    counted: isPlain ? order.length : undefined,
  });
  const known = hasOrder ? await repository.order(asked, false) : undefined;
  if (known) return inOrder(known);

  const afterId = cursor && !sorted && !counting ? String(cursor.at(-1)) : '';
  const needsAll = counting || sorted;
  const found: Match[] = [];
  let counted = 0;
  /** Keys of the last one that the page may still need; undefined until there are as many. */
  let last: readonly SortKey[] | undefined;
  const allowance = repository.allowance(sorted && !hasOrder ? 'refuse' : 'stop');
  for await (const resource of repository.candidates(type, within, afterId, allowance, { needsAll, where })) {
    if (!(await access.allows('s', resource))) continue;
    counted += 1;
    if (!sorted && found.length > count) continue;
    const keys = sortKeys(resource, request, baseUrl);
    if (cursor && compare(keys, cursor) <= 0) continue;
    if (last && compare(keys, last) > 0) continue;
    found.push({ resource, keys });
    // Of what is sorted no more is held than a page or two.
    if (sorted && found.length > 2 * count + HELD) {
      found.sort((a, b) => compare(a.keys, b.keys)).splice(count + 1);
      last = found.at(-1)?.keys;
    }
    if (!sorted && !counting && found.length > count) break;
  }
  const { stoppedAt } = allowance;
  if (sorted && stoppedAt !== undefined) {
    const order = await repository.order(asked, true);
    if (!order) throw repository.tooCostly(type);
    return inOrder(order);
  }
  if (sorted) found.sort((a, b) => compare(a.keys, b.keys));
  return { matches: found, counted, ...(stoppedAt !== undefined && { stoppedAt: [stoppedAt] }) };
}

/**
 * The matches of a page among places in order, read from the page's start on until there are enough. The page ends early where a
 * request may read no more: after a resource that the caller may see, since the link to the next page says by what it was sorted.
 * @throws FhirRefusal 400 where none of those was seen last
 */
async function matchesInOrder(
  order: readonly Placed[],
  request: SearchRequest,
  access: ResourceAccess,
  repository: ResourceRepository,
  where: (resource: Resource) => boolean,
): Promise<Omit<Matches, 'counted'>> {
  const { definition, cursor, count } = request;
  const { type } = definition;
  const compare = comparator(request);
  const found: Match[] = [];
  const allowance = repository.allowance('stop');
  const first = cursor ? firstPlace(order, ({ keys }) => compare(keys, cursor) > 0) : 0;
  let passed: Match[] = [];
  for (let at = first; at < order.length && found.length <= count; at += READ_TOGETHER) {
    const places = new Map(order.slice(at, at + READ_TOGETHER).map((place) => [place.id, place.keys]));
    const keys = [...places.keys()].map((id) => ({ type, id }));
    for await (const resource of repository.resources(keys, allowance)) {
      const match = { resource, keys: places.get(resource.id)! };
      passed.push(match);
      if (where(resource) && (await access.allows('s', resource))) found.push(match);
      if (found.length > count) break;
    }
    allowance.left -= places.size;
    if (found.length > count || at + READ_TOGETHER >= order.length) break;
    passed = passed.slice(-MOST_PASSED);
    if (allowance.left > 0 && allowance.charactersLeft > 0) continue;
    for (const { resource, keys } of passed.toReversed())
      if (await access.allows('s', resource)) return { matches: found, stoppedAt: keys };
    throw repository.tooCostly(type);
  }
  return { matches: found };
}

/** The narrowest index that holds every match, as far as the criteria say. */
function narrowest(definition: TypeDefinition, criteria: readonly Criterion[], baseUrl: string): Within | undefined {
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
  const patients = looked(({ parameter, modifier }, value) => {
    // What names several patients is in no patient's index.
    if (definition.subject === 'target' || parameter.paths.join() !== definition.subject) return undefined;
    if (modifier !== undefined && modifier !== 'Patient') return undefined;
    const type = modifier ?? (parameter.targets?.length === 1 ? parameter.targets[0] : undefined);
    const key = isId(value) ? type && { type, id: value } : localReference(value, baseUrl);
    return key && key.type === 'Patient' ? key.id : undefined;
  });
  return patients && { patients };
}

function orderName({ used }: SearchRequest): string {
  return used.getAll('_sort').join();
}

/** Of resources that are in memory for longer than a search: the keys of the order that was asked for last. */
const SORTED = new WeakMap<Resource, { readonly order: string; readonly keys: readonly SortKey[] }>();

function sortKeys(resource: Resource, request: SearchRequest, baseUrl: string): readonly SortKey[] {
  if (request.sort.length === 0) return [resource.id];
  const order = orderName(request);
  const known = SORTED.get(resource);
  if (known?.order === order) return known.keys;
  const sorted = request.sort.map(({ parameter, descending }) => sortKey(resource, parameter, descending, baseUrl));
  const keys = [...sorted, resource.id];
  SORTED.set(resource, { order, keys });
  return keys;
}

/** Of several values, the least counts when sorting up, the greatest when sorting down. */
function sortKey(resource: Resource, parameter: SearchParameter, descending: boolean, baseUrl: string): SortKey {
  const keys = elementsOf(resource, parameter).flatMap((value) => keysOf(value, parameter, descending, baseUrl));
  if (keys.length === 0) return null;
  return keys.reduce((best, key) => (key < best === descending ? best : key));
}

function keysOf(value: Json, parameter: SearchParameter, descending: boolean, baseUrl: string): (string | number)[] {
  switch (parameter.kind) {
    case 'string':
      return stringsOf(value).map(folded);
    case 'token':
      return tokensOf(value, parameter).map(({ code }) => foldedToken(code));
    case 'quantity':
      return isObject(value) ? [numberOf(value.value) ?? []].flat() : [];
    case 'date': {
      const range = rangeOf(value);
      const edge = descending ? range?.high : range?.low;
      return edge !== undefined && Number.isFinite(edge) ? [edge] : [];
    }
    case 'reference': {
      const key = isObject(value) ? localReference(textOf(value.reference), baseUrl) : undefined;
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

/** What `_include` and `_revinclude` bring beside the page, as far as the caller may read it. */
async function include(
  request: SearchRequest,
  page: readonly Resource[],
  access: ResourceAccess,
  repository: ResourceRepository,
  baseUrl: string,
): Promise<readonly Resource[]> {
  const wanted = new Map<string, ResourceKey>();
  for (const { parameter, target } of request.includes) {
    for (const text of page.flatMap((resource) => referencedKeys(resource, parameter, baseUrl))) {
      const key = localReference(text, baseUrl);
      if (key && definitionOf(key.type) && (!target || target === key.type)) wanted.set(text, key);
    }
  }
  const matched = new Set(page.map(({ resourceType, id }) => keyText({ type: resourceType, id })));
  for (const key of matched) wanted.delete(key);
  requireFew(wanted.size);
  const found = new Map<string, Resource>();
  for await (const resource of repository.resources([...wanted.values()])) {
    if (!(await access.allows('r', resource))) continue;
    found.set(keyText({ type: resource.resourceType, id: resource.id }), resource);
  }
  if (page.length === 0) return [...found.values()];
  for (const { source, parameter } of request.revIncludes) {
    if (!access.may('r', source.type)) continue;
    for await (const resource of repository.candidates(source.type, referring(source, parameter, page, access))) {
      const key = keyText({ type: source.type, id: resource.id });
      if (matched.has(key) || !referencedKeys(resource, parameter, baseUrl).some((one) => matched.has(one))) continue;
      if (await access.allows('r', resource)) found.set(key, resource);
      requireFew(found.size);
    }
  }
  return [...found.values()];
}

/** The narrowest index that holds every resource that refers to the page by the parameter. */
function referring(
  source: TypeDefinition,
  { paths }: SearchParameter,
  page: readonly Resource[],
  access: ResourceAccess,
): Within {
  const only = access.onlyPatient('r', source.type);
  if (only !== undefined) return { patients: [only] };
  const isOwner = source.subject !== undefined && source.subject !== 'target' && paths.join() === source.subject;
  return isOwner && page[0]?.resourceType === 'Patient' ? { patients: page.map(({ id }) => id) } : {};
}

function entry(resource: Resource, mode: 'match' | 'include', baseUrl: string): SearchEntry {
  return { fullUrl: `${baseUrl}/${resource.resourceType}/${resource.id}`, resource, search: { mode } };
}

/** Says in the answer which parameters were left out: nothing widens a result silently (FHR-5). */
function ignoredNotes({ ignored, definition }: SearchRequest): SearchEntry[] {
  if (ignored.length === 0) return [];
  const text = `${definition.type} has no search parameter ${ignored.join(', ')} here: left out.`;
  return [{ resource: warningOutcome('not-supported', text), search: { mode: 'outcome' } }];
}
