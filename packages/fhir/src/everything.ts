import { keyText } from '@lockstep/fhircast';
import type { ResourceAccess } from './access.ts';
import { patientOf, sharedReferences } from './compartment.ts';
import { parseTime } from './dates.ts';
import { definitionOf, RESOURCE_TYPES } from './definitions.ts';
import { FhirRefusal } from './refusal.ts';
import type { ResourceRepository } from './repository.ts';
import { localReference, type Resource } from './resource.ts';
import type { SearchBundle } from './search.ts';

const DEFAULT_COUNT = 100;
const MAX_COUNT = 500;

interface EverythingRequest {
  readonly count: number;
  /** ms since the epoch: only what was written then or later. */
  readonly since: number;
  readonly types: readonly string[];
  /** The page begins after this `Type/id`. */
  readonly after?: string;
  readonly used: URLSearchParams;
}

/**
 * All that the caller may read of a patient: the compartment, type by type, and the shared resources that it refers to. Types
 * that the token does not cover are left out, as they are from a search for several types.
 * @throws Refusal 400 for a parameter other than `_count`, `_since` and `_type`
 */
export async function everything(
  id: string,
  params: URLSearchParams,
  access: ResourceAccess,
  repository: ResourceRepository,
  baseUrl: string,
): Promise<SearchBundle> {
  const asked = parse(params);
  const all = new Map<string, Resource>();
  const shared = new Set<string>();
  for (const type of RESOURCE_TYPES) {
    if (definitionOf(type)?.shared) continue;
    const within = type === 'Patient' ? { ids: [id] } : { patients: [id] };
    for await (const resource of repository.candidates(type, within)) {
      if (patientOf(resource, baseUrl) !== id || !(await access.allows('r', resource))) continue;
      all.set(keyText({ type, id: resource.id }), resource);
      for (const key of sharedReferences(resource, baseUrl)) shared.add(keyText(key));
    }
  }
  for (const text of [...shared].sort()) {
    const stored = await repository.get(localReference(text, baseUrl)!);
    if (stored && !stored.deleted && (await access.allows('r', stored.resource))) all.set(text, stored.resource);
  }
  const wanted = [...all].filter(
    ([, { resourceType, meta }]) =>
      (asked.types.length === 0 || asked.types.includes(resourceType)) && Date.parse(meta.lastUpdated) >= asked.since,
  );
  const start = asked.after === undefined ? 0 : wanted.findIndex(([key]) => key === asked.after) + 1;
  const page = wanted.slice(start, start + asked.count);
  const more = start + page.length < wanted.length && page.length > 0 ? page.at(-1)?.[0] : undefined;
  const here = `${baseUrl}/Patient/${id}/$everything`;
  return {
    resourceType: 'Bundle',
    type: 'searchset',
    total: wanted.length,
    link: [
      { relation: 'self', url: address(here, asked.used, asked.after) },
      ...(more === undefined ? [] : [{ relation: 'next', url: address(here, asked.used, more) }]),
    ],
    ...(page.length > 0 && {
      entry: page.map(([key, resource]) => ({
        fullUrl: `${baseUrl}/${key}`,
        resource,
        search: { mode: definitionOf(resource.resourceType)?.shared ? ('include' as const) : ('match' as const) },
      })),
    }),
  };
}

function address(here: string, used: URLSearchParams, after: string | undefined): string {
  const params = new URLSearchParams(used);
  if (after !== undefined) params.set('_page', after);
  return params.size > 0 ? `${here}?${params}` : here;
}

function parse(params: URLSearchParams): EverythingRequest {
  let count = DEFAULT_COUNT;
  let since = Number.NEGATIVE_INFINITY;
  let types: readonly string[] = [];
  let after: string | undefined;
  const used = new URLSearchParams();
  for (const [name, value] of params) {
    switch (name) {
      case '_format':
      case '_pretty':
        continue;
      case '_count':
        if (!/^[1-9]\d{0,8}$/.test(value))
          throw new FhirRefusal(400, 'value', '_count must be a whole number of 1 or more.');
        count = Math.min(Number(value), MAX_COUNT);
        break;
      case '_since': {
        const range = parseTime(value.replace(/ (?=\d\d:\d\d$)/, '+'));
        if (!range) throw new FhirRefusal(400, 'value', '_since must be an instant.');
        since = range.low;
        break;
      }
      case '_type':
        types = value.split(',');
        for (const type of types) {
          if (!definitionOf(type))
            throw new FhirRefusal(400, 'not-supported', '_type names a type that is not served here.');
        }
        break;
      case '_page':
        if (!/^[A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/.test(value))
          throw new FhirRefusal(400, 'value', 'The page is none of this answer.');
        after = value;
        continue;
      default:
        throw new FhirRefusal(400, 'not-supported', `$everything has no parameter ${name.slice(0, 64)} here.`);
    }
    used.append(name, value);
  }
  return { count, since, types, ...(after !== undefined && { after }), used };
}
