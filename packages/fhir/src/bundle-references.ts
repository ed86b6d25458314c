import type { R4Validator } from '@lockstep/r4';
import type { EntryRequest } from './bundle-requests.ts';
import { numberOf } from './exact-json.ts';
import { isObject, type Json, type JsonObject, references } from './resource.ts';

/** What the server calls the resources that a transaction is about. */
export interface NewIds {
  /** Ids by the index of the entry. */
  readonly ids: ReadonlyMap<number, string>;
  /** `Type/id` by the `fullUrl` of an entry. */
  readonly fullUrls: ReadonlyMap<string, string>;
  /** `Type/id` by the search that a reference names it by. */
  readonly found: ReadonlyMap<string, string>;
  /** `Type/id` of those that get an id of the server's. */
  readonly created: ReadonlySet<string>;
}

const VERSIONED = /^(.+)\/_history\/([A-Za-z0-9\-.]{1,64})$/;

/** What a relative reference means in an entry whose `fullUrl` is an address of a FHIR server: one beside it (R4 2.36.4.1). */
function besides(fullUrl: string | undefined, reference: string): string | undefined {
  const root = /^(https?:\/\/.*\/)[A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/.exec(fullUrl ?? '')?.[1];
  return root !== undefined && /^[A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/.test(reference) ? root + reference : undefined;
}

/** What an entry writes, with the ids that the server gives: in references, and wherever else R4 has an address. */
export function withNewIds(
  { body = null, fullUrl }: EntryRequest,
  { found, fullUrls, created }: NewIds,
  validator: R4Validator,
): Json {
  const newId = (address: string, isReference: boolean): string | undefined => {
    const [, plain = address, version] = VERSIONED.exec(address) ?? [];
    const known = fullUrls.get(plain) ?? fullUrls.get(besides(fullUrl, plain) ?? '');
    if (known === undefined) return isReference ? found.get(address) : undefined;
    if (version === undefined) return known;
    // What is created now has one version.
    return created.has(known) ? `${known}/_history/1` : undefined;
  };
  const changed = rewritten(body, (reference) => newId(reference, true));
  if (fullUrls.size === 0 || !isObject(changed)) return changed;
  return validator.withAddresses(changed, (address) => newId(address, false)) as JsonObject;
}

const SEARCH = /^[A-Z][A-Za-z]+\?./;

/** References of a resource that name what they mean by a search (R4 3.1.0.11.2.2). */
export function searchesIn(body: Json | undefined): string[] {
  return isObject(body) ? references(body).filter((reference) => SEARCH.test(reference)) : [];
}

/** The value with its references replaced. @param newId says what a reference becomes; undefined where it stays */
function rewritten(value: Json, newId: (reference: string) => string | undefined, depth = 0): Json {
  if (!isContainer(value) || depth > 100) return value;
  if (Array.isArray(value)) return value.map((one) => rewritten(one, newId, depth + 1));
  return Object.fromEntries(
    Object.entries(value as JsonObject).map(([name, child]) => {
      const known = name === 'reference' && typeof child === 'string' ? newId(child) : undefined;
      return [name, known ?? rewritten(child ?? null, newId, depth + 1)];
    }),
  );
}

/** Whether it is an object or array, not a number that is kept as it was written. */
function isContainer(value: Json): value is JsonObject | readonly Json[] {
  return value !== null && typeof value === 'object' && numberOf(value) === undefined;
}
