import { keyText, type ResourceKey } from '@lockstep/fhircast';
import type { R4Validator } from '@lockstep/r4';
import type { Access } from './access.ts';
import { definitionOf } from './definitions.ts';
import { Refusal } from './refusal.ts';
import type { Repository, Stored, Version } from './repository.ts';
import { isId, type Resource } from './resource.ts';
import { type SearchBundle, search, Totals } from './search.ts';
import { parseSearch } from './search-request.ts';
import { type Content, validate } from './validate.ts';

/** How often a write without If-Match is tried again when another write came first. */
const ATTEMPTS = 5;

/** A resource as it is answered: `text` is its JSON. */
export interface Answered {
  readonly resource: Resource;
  readonly text: string;
}

/** What a write depends on, from its headers: `If-Match` (a version, or `any`) and `If-None-Match: *`. */
export interface Precondition {
  readonly version?: number | 'any';
  readonly absent?: boolean;
}

/**
 * FHIR's interactions on the resource types served, each with its authorization (FHR-2): nothing is read, counted, linked or
 * written that the caller's `Access` does not allow. All methods throw `Refusal`.
 */
export class Interactions {
  readonly #repository: Repository;
  readonly #baseUrl: string;
  readonly #ids: () => string;
  readonly #validator: R4Validator;
  readonly #totals = new Totals();

  constructor(repository: Repository, validator: R4Validator, baseUrl: string, ids: () => string) {
    this.#repository = repository;
    this.#validator = validator;
    this.#baseUrl = baseUrl;
    this.#ids = ids;
  }

  async read(key: ResourceKey, access: Access): Promise<Answered> {
    requireServed(key.type);
    access.require('r', key.type);
    const stored = isId(key.id) ? await this.#repository.get(key) : undefined;
    if (!stored) throw notFound(key.type);
    if (stored.deleted) {
      await this.#requirePast(key, stored, access, 'r');
      throw new Refusal(410, 'deleted', `The ${key.type} was deleted.`, { etag: etag(stored.version) });
    }
    await access.requireFor('r', stored.resource);
    return stored;
  }

  /** One version; allowed where both that version and the current one are: a resource may have changed its patient. */
  async vread(key: ResourceKey, version: string, access: Access): Promise<Answered> {
    requireServed(key.type);
    access.require('r', key.type);
    const known = isId(key.id) && /^[1-9]\d{0,8}$/.test(version);
    const current = known ? await this.#repository.get(key) : undefined;
    const found = current ? await this.#repository.version(key, Number(version)) : undefined;
    if (!current || !found) throw notFound(key.type);
    if (current.deleted) await this.#requirePast(key, current, access, 'r');
    else await access.requireFor('r', current.resource);
    if (!found.resource) throw new Refusal(410, 'deleted', `This version says that the ${key.type} was deleted.`);
    await access.requireFor('r', found.resource);
    return { resource: found.resource, text: JSON.stringify(found.resource) };
  }

  /** All versions that the caller may read, newest first, as a history Bundle. */
  async history(key: ResourceKey, access: Access) {
    requireServed(key.type);
    access.require('r', key.type);
    const versions = isId(key.id) ? await this.#repository.history(key) : [];
    const newest = versions.find(({ resource }) => resource)?.resource;
    if (!newest) throw notFound(key.type);
    await access.requireFor('r', newest);
    const visible: Version[] = [];
    for (const version of versions) {
      if (!version.resource || (await access.allows('r', version.resource))) visible.push(version);
    }
    const url = `${this.#baseUrl}/${keyText(key)}`;
    return {
      resourceType: 'Bundle',
      type: 'history',
      total: visible.length,
      link: [{ relation: 'self', url: `${url}/_history` }],
      entry: visible.map(({ version, at, resource }) => ({
        fullUrl: url,
        ...(resource && { resource }),
        request: { method: resource ? 'PUT' : 'DELETE', url: keyText(key) },
        response: { status: resource ? (version === 1 ? '201' : '200') : '204', etag: etag(version), lastModified: at },
      })),
    };
  }

  async search(type: string, params: URLSearchParams, access: Access, strict = false): Promise<SearchBundle> {
    requireServed(type);
    access.require('s', type);
    const request = parseSearch(type, params, strict, this.#baseUrl);
    return search(request, access, this.#repository, this.#validator, this.#totals, this.#baseUrl);
  }

  /** Creates a resource under an id of the server's. */
  async create(type: string, body: Content, access: Access): Promise<Answered> {
    requireServed(type);
    access.require('c', type);
    const content = { ...validate(body, type, this.#validator), id: this.#ids() };
    await access.requireFor('c', content);
    await access.requireReferences(content);
    const resource = await this.#repository.write({ type, id: content.id }, content, undefined);
    if (!resource) throw new Refusal(409, 'conflict', 'The id is in use; try again.');
    return { resource, text: JSON.stringify(resource) };
  }

  /**
   * Replaces a resource, or creates it under the client's id. The caller must be allowed to update both what is there and
   * what comes in its place, so that nothing moves into or out of a compartment.
   */
  async update(
    key: ResourceKey,
    body: Content,
    precondition: Precondition,
    access: Access,
  ): Promise<Answered & { readonly created: boolean }> {
    requireServed(key.type);
    access.require('u', key.type);
    if (!isId(key.id)) throw new Refusal(400, 'value', 'The id must be 1 to 64 of A-Z, a-z, 0-9, "-" and ".".');
    const content = validate(body, key.type, this.#validator);
    if (content.id !== key.id) throw new Refusal(400, 'invariant', "The body's id must be the one in the address.");
    await access.requireFor('u', content);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const previous = await this.#repository.get(key);
      await this.#requirePast(key, previous, access, 'u');
      check(previous, precondition);
      await access.requireReferences(content);
      const resource = await this.#repository.write(key, content, previous);
      if (resource) {
        return { resource, text: JSON.stringify(resource), created: !previous || previous.deleted };
      }
    }
    throw new Refusal(409, 'conflict', `The ${key.type} is being changed by others; read it and try again.`);
  }

  /** Deletes a resource: reads answer 410 from then on, its versions stay. Deleting again changes nothing. */
  async remove(key: ResourceKey, precondition: Precondition, access: Access): Promise<{ readonly version: number }> {
    requireServed(key.type);
    access.require('d', key.type);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const previous = isId(key.id) ? await this.#repository.get(key) : undefined;
      if (!previous) throw notFound(key.type);
      await this.#requirePast(key, previous, access, 'd');
      if (previous.deleted) return previous;
      check(previous, precondition);
      const version = await this.#repository.remove(key, previous);
      if (version !== undefined) return { version };
    }
    throw new Refusal(409, 'conflict', `The ${key.type} is being changed by others; try again.`);
  }

  /** @throws Refusal 403 unless the caller is allowed to do this with what is, or last was, under the id */
  async #requirePast(key: ResourceKey, stored: Stored | undefined, access: Access, interaction: 'r' | 'u' | 'd') {
    if (!stored) return;
    const last = stored.deleted ? (await this.#repository.version(key, stored.version - 1))?.resource : stored.resource;
    if (last) await access.requireFor(interaction, last);
  }
}

/** A version as an entity tag. */
export function etag(version: string | number): string {
  return `W/"${version}"`;
}

function requireServed(type: string): void {
  if (!definitionOf(type)) throw new Refusal(404, 'not-supported', 'This resource type is not served here.');
}

function notFound(type: string): Refusal {
  return new Refusal(404, 'not-found', `There is no such ${type}.`);
}

function check(previous: Stored | undefined, { version, absent }: Precondition): void {
  const exists = previous !== undefined && !previous.deleted;
  if (absent && exists) throw new Refusal(412, 'conflict', 'The resource exists already.');
  if (version === undefined) return;
  if (!exists) throw new Refusal(412, 'conflict', 'If-Match names a version of a resource that does not exist.');
  if (version !== 'any' && version !== previous.version) {
    throw new Refusal(412, 'conflict', 'The resource was changed since the version in If-Match; read it again.');
  }
}
