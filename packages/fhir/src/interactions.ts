import { keyText, type ResourceKey, textOf } from '@lockstep/fhircast';
import type { R4Validator } from '@lockstep/r4';
import type { ResourceAccess } from './access.ts';
import { bundleText } from './bundle-text.ts';
import { parseCondition } from './condition.ts';
import { definitionOf } from './definitions.ts';
import { everything } from './everything.ts';
import {
  ANY_VERSION,
  type Answered,
  type AnsweredBundle,
  type FhirExchange,
  type Planner,
  type Precondition,
  type WriteTarget,
} from './exchange.ts';
import { historyBundle, historyPage, parseHistory } from './history.ts';
import { applyJsonPatch } from './json-patch.ts';
import { withoutStaleNarrative } from './patched-narrative.ts';
import { FhirRefusal } from './refusal.ts';
import type { Planned, ResourceRepository, StoredResource } from './repository.ts';
import { isId, isObject, type JsonObject, type Resource } from './resource.ts';
import { type SearchBundle, search, Totals } from './search.ts';
import { parseSearch } from './search-request.ts';
import { contentOf, type SubmittedResource, validate } from './validate.ts';

/** How often a write without If-Match is tried again when another write came first. */
const ATTEMPTS = 5;

/**
 * FHIR's interactions on the resource types served, each with its authorization (FHR-2): nothing is read, counted, linked or
 * written that the caller's `ResourceAccess` does not allow. All methods throw `FhirRefusal`.
 */
export class Interactions implements FhirExchange<ResourceAccess>, Planner<ResourceAccess, Planned> {
  readonly #repository: ResourceRepository;
  readonly #baseUrl: string;
  readonly #ids: () => string;
  readonly #validator: R4Validator;
  readonly #slice: () => Promise<void>;
  readonly #totals = new Totals();

  /** @param slice waits for the turn of the next slice of work (see `WorkTurns`) */
  constructor(
    repository: ResourceRepository,
    validator: R4Validator,
    baseUrl: string,
    ids: () => string,
    slice = () => Promise.resolve(),
  ) {
    this.#slice = slice;
    this.#repository = repository;
    this.#validator = validator;
    this.#baseUrl = baseUrl;
    this.#ids = ids;
  }

  async read(key: ResourceKey, access: ResourceAccess): Promise<Answered> {
    requireServed(key.type);
    access.require('r', key.type);
    const stored = isId(key.id) ? await this.#repository.get(key) : undefined;
    if (!stored) throw notFound(key.type);
    if (stored.deleted) {
      await this.#requirePast(key, stored, access, 'r');
      throw new FhirRefusal(410, 'deleted', `The ${key.type} was deleted.`, { etag: etag(stored.version) });
    }
    await access.requireFor('r', stored.resource);
    return stored;
  }

  /** One version; allowed where both that version and the current one are: a resource may have changed its patient. */
  async vread(key: ResourceKey, version: string, access: ResourceAccess): Promise<Answered> {
    requireServed(key.type);
    access.require('r', key.type);
    const known = isId(key.id) && /^[1-9]\d{0,8}$/.test(version);
    const current = known ? await this.#repository.get(key) : undefined;
    const found = current ? await this.#repository.version(key, Number(version)) : undefined;
    if (!current || !found) throw notFound(key.type);
    if (current.deleted) await this.#requirePast(key, current, access, 'r');
    else await access.requireFor('r', current.resource);
    if (!found.resource) throw new FhirRefusal(410, 'deleted', `This version says that the ${key.type} was deleted.`);
    await access.requireFor('r', found.resource);
    return { resource: found.resource, text: JSON.stringify(found.resource) };
  }

  /**
   * The versions that the caller may read, newest first, as a history Bundle. It says how many there are on its first page, where
   * they are few enough to be counted.
   * @param params `_count` and `_since`; any other is refused
   */
  async history(key: ResourceKey, params: URLSearchParams, access: ResourceAccess) {
    requireServed(key.type);
    access.require('r', key.type);
    const asked = parseHistory(params);
    const current = isId(key.id) ? await this.#repository.get(key) : undefined;
    if (!current) throw notFound(key.type);
    const newest = current.deleted
      ? (await this.#repository.version(key, current.version - 1))?.resource
      : current.resource;
    if (!newest) throw notFound(key.type);
    await access.requireFor('r', newest);
    const url = `${this.#baseUrl}/${keyText(key)}`;
    const page = await historyPage(key, current, asked, access, this.#repository);
    return this.#answer(historyBundle(url, key, page, asked));
  }

  async search(
    type: string,
    params: URLSearchParams,
    access: ResourceAccess,
    lenient = false,
  ): Promise<AnsweredBundle> {
    const { bundle, resources } = await this.#search(type, params, access, lenient);
    return this.#answer(bundle, resources);
  }

  /** A search for callers inside the server. */
  async find(type: string, params: URLSearchParams, access: ResourceAccess): Promise<SearchBundle> {
    return (await this.#search(type, params, access)).bundle;
  }

  async #search(type: string, params: URLSearchParams, access: ResourceAccess, lenient = false) {
    requireServed(type);
    access.require('s', type);
    const request = parseSearch(type, params, lenient, this.#validator, this.#baseUrl);
    return search(request, access, this.#repository, this.#totals, this.#baseUrl);
  }

  /**
   * Creates a resource under an id of the server's.
   * @param condition If-None-Exist: a search that must find nothing that the caller may search
   * @returns the one resource that the condition found, where it did
   */
  async create(
    type: string,
    body: SubmittedResource,
    condition: string | undefined,
    access: ResourceAccess,
  ): Promise<Answered & { readonly created: boolean }> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const planned = await this.planCreate(type, body, condition, access);
      if ('existing' in planned) return { ...answered(planned.existing), created: false };
      if (await this.#repository.commit(planned.planned)) return { ...answered(planned.resource), created: true };
    }
    throw new FhirRefusal(409, 'conflict', 'Others create the same resource; try again.');
  }

  /** What a creation would write, everything checked; or the resource that the condition found. */
  async planCreate(
    type: string,
    body: SubmittedResource,
    condition: string | undefined,
    access: ResourceAccess,
    id = this.#ids(),
  ): Promise<{ readonly existing: Resource } | { readonly resource: Resource; readonly planned: readonly Planned[] }> {
    requireServed(type);
    access.require('c', type);
    const content = { ...(await validate(body, type, this.#validator)), id };
    await access.requireFor('c', content);
    await access.requireReferences(content);
    if (condition === undefined) {
      const plan = this.#repository.plan({ type, id }, content, undefined);
      return { resource: plan.resource, planned: [plan] };
    }
    const once = await this.#repository.planOnce(`${type}?${condition}`);
    const existing = await this.matching(type, condition, access);
    if (existing) return { existing };
    const plan = this.#repository.plan({ type, id }, content, undefined);
    return { resource: plan.resource, planned: [plan, once] };
  }

  /** The one resource that a condition finds. @throws Refusal 412 when it finds several */
  async matching(type: string, condition: string, access: ResourceAccess): Promise<Resource | undefined> {
    const params = parseCondition(condition);
    params.set('_count', '2');
    params.set('_total', 'none');
    const { entry = [], link } = await this.find(type, params, access);
    if (entry.length > 1) throw new FhirRefusal(412, 'multiple-matches', 'The condition finds several resources.');
    // What was not read may meet the condition too.
    if (link.some(({ relation }) => relation === 'next')) throw this.#repository.tooCostly(type);
    return entry[0]?.resource as Resource | undefined;
  }

  /**
   * What is stored of the resource that a write is about.
   * @returns no key where a condition finds nothing; `once`: what keeps others from creating under the same condition
   */
  async #located(
    target: WriteTarget,
    access: ResourceAccess,
  ): Promise<{ readonly key?: ResourceKey; readonly previous?: StoredResource; readonly once: readonly Planned[] }> {
    const { type } = target;
    if ('id' in target) {
      const previous = isId(target.id) ? await this.#repository.get(target) : undefined;
      return { key: target, ...(previous && { previous }), once: [] };
    }
    const once = await this.#repository.planOnce(`${type}?${target.condition}`);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const match = await this.matching(type, target.condition, access);
      if (!match) return { once: [once] };
      const key = { type, id: match.id };
      const previous = await this.#repository.get(key);
      // What was changed since the search may not meet the condition any more.
      if (previous && String(previous.version) === match.meta.versionId) return { key, previous, once: [] };
    }
    throw changing(type);
  }

  /**
   * Replaces a resource, or creates it under the client's id. The caller must be allowed to update both what is there and
   * what comes in its place, so that nothing moves into or out of a compartment. By a condition that finds nothing it creates
   * under the body's id, or one of the server's.
   */
  async update(
    target: WriteTarget,
    body: SubmittedResource,
    precondition: Precondition,
    access: ResourceAccess,
  ): Promise<Answered & { readonly created: boolean }> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const { resource, planned, created } = await this.planUpdate(target, body, precondition, access);
      if (await this.#repository.commit(planned)) return { ...answered(resource), created };
    }
    throw changing(target.type);
  }

  /** What an update would write, everything checked. @param id of a resource that a condition creates */
  async planUpdate(
    target: WriteTarget,
    body: SubmittedResource,
    precondition: Precondition,
    access: ResourceAccess,
    id = this.#ids(),
  ) {
    const { type } = target;
    requireServed(type);
    access.require('u', type);
    if ('id' in target && !isId(target.id)) {
      throw new FhirRefusal(400, 'value', 'The id must be 1 to 64 of A-Z, a-z, 0-9, "-" and ".".');
    }
    const valid = await validate(body, type, this.#validator);
    const found = await this.#located(target, access);
    const given = typeof valid.id === 'string' ? valid.id : undefined;
    const key = found.key ?? { type, id: given ?? id };
    const content: JsonObject = 'id' in target ? valid : { ...valid, id: given ?? key.id };
    if (content.id !== key.id) {
      const what = 'id' in target ? 'the one in the address' : 'that of the resource which the condition finds';
      throw new FhirRefusal(400, 'invariant', `The body's id must be ${what}.`);
    }
    await access.requireFor('u', content);
    const previous = found.key ? found.previous : await this.#repository.get(key);
    await this.#requirePast(key, previous, access, 'u');
    if (!found.key && previous && !previous.deleted) {
      throw new FhirRefusal(409, 'conflict', "The body's id is that of a resource which does not meet the condition.");
    }
    check(previous, precondition);
    await access.requireReferences(content);
    const plan = this.#repository.plan(key, content, previous);
    return {
      resource: plan.resource,
      planned: [plan, ...found.once],
      created: !previous || previous.deleted,
    };
  }

  /**
   * Changes parts of a resource by a JSON Patch (RFC 6902). Who may update it but not read it is shown nothing of it: no
   * `test`, no reason why an operation does not fit.
   * @returns `readable`: whether the caller may see the result
   */
  async patch(
    target: WriteTarget,
    patch: SubmittedResource,
    precondition: Precondition,
    access: ResourceAccess,
  ): Promise<Answered & { readonly readable: boolean }> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const { resource, planned, readable } = await this.planPatch(target, patch, precondition, access);
      if (await this.#repository.commit(planned)) return { ...answered(resource), readable };
    }
    throw changing(target.type);
  }

  /** What a patch would write, everything checked. */
  async planPatch(target: WriteTarget, patch: SubmittedResource, precondition: Precondition, access: ResourceAccess) {
    requireServed(target.type);
    access.require('u', target.type);
    const { key, previous } = await this.#located(target, access);
    if (!key || !previous) throw notFound(target.type);
    await this.#requirePast(key, previous, access, 'u');
    if (previous.deleted) throw new FhirRefusal(410, 'deleted', `The ${key.type} was deleted.`);
    check(previous, precondition);
    const readable = await access.allows('r', previous.resource);
    const changed = withoutStaleNarrative(
      previous.resource,
      applyJsonPatch(previous.resource, patch.exact(), readable),
      readable,
    );
    const content = await validate(contentOf(changed, patch.r5), key.type, this.#validator);
    if (content.id !== key.id) throw new FhirRefusal(400, 'invariant', 'A patch cannot change the id.');
    await access.requireFor('u', content);
    await access.requireReferences(content);
    const plan = this.#repository.plan(key, content, previous);
    return {
      resource: plan.resource,
      planned: [plan],
      readable: readable && (await access.allows('r', plan.resource)),
    };
  }

  /**
   * Deletes a resource: reads answer 410 from then on, its versions stay. Deleting again, what never was, and by a condition that
   * finds nothing, changes nothing (R4 3.1.0.7); a condition that finds several is refused.
   */
  async remove(
    target: WriteTarget,
    precondition: Precondition,
    access: ResourceAccess,
  ): Promise<{ readonly removed?: Resource; readonly version?: number }> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const { planned, removed, version } = await this.planRemoval(target, precondition, access);
      if (planned.length > 0 && !(await this.#repository.commit(planned))) continue;
      return { ...(removed && { removed }), ...(version !== undefined && { version }) };
    }
    throw changing(target.type);
  }

  /** What a deletion would write, everything checked: nothing where there is nothing to delete. */
  async planRemoval(
    target: WriteTarget,
    precondition: Precondition,
    access: ResourceAccess,
  ): Promise<{
    readonly key?: ResourceKey;
    readonly removed?: Resource;
    readonly version?: number;
    readonly planned: readonly Planned[];
  }> {
    requireServed(target.type);
    access.require('d', target.type);
    const { key, previous } = await this.#located(target, access);
    if (!key || !previous) {
      check(undefined, precondition);
      return { ...(key && { key }), planned: [] };
    }
    await this.#requirePast(key, previous, access, 'd');
    if (previous.deleted) return { key, version: previous.version, planned: [] };
    check(previous, precondition);
    const planned = [this.#repository.planRemoval(key, previous)];
    return { key, removed: previous.resource, version: previous.version + 1, planned };
  }

  /** Writes what several plans hold, as one. @returns false when something had changed in between: nothing was written */
  commit(planned: readonly Planned[]): Promise<boolean> {
    return this.#repository.commit(planned);
  }

  /** @throws Refusal 403 unless the caller may read this resource */
  async requireRead(resource: JsonObject, access: ResourceAccess): Promise<void> {
    access.require('r', textOf(resource.resourceType));
    await access.requireFor('r', resource);
  }

  /** An id for a resource that is about to be created. */
  newId(): string {
    return this.#ids();
  }

  /** The patient, and all of the compartment and of what it refers to that the caller may read (`Patient/{id}/$everything`). */
  async everything(id: string, params: URLSearchParams, access: ResourceAccess): Promise<AnsweredBundle> {
    await this.read({ type: 'Patient', id }, access);
    return this.#answer(await everything(id, params, access, this.#repository, this.#baseUrl));
  }

  async #answer(
    bundle: JsonObject & { readonly entry?: readonly JsonObject[] },
    resources: readonly JsonObject[] = (bundle.entry ?? []).flatMap(({ resource }) =>
      isObject(resource) ? [resource] : [],
    ),
  ): Promise<AnsweredBundle> {
    return { resources, text: await bundleText(bundle, this.#slice), bundle };
  }

  /** @throws Refusal 403 unless the caller is allowed to do this with what is, or last was, under the id */
  async #requirePast(
    key: ResourceKey,
    stored: StoredResource | undefined,
    access: ResourceAccess,
    interaction: 'r' | 'u' | 'd',
  ) {
    if (!stored) return;
    const last = stored.deleted ? (await this.#repository.version(key, stored.version - 1))?.resource : stored.resource;
    if (last) await access.requireFor(interaction, last);
  }
}

/** A version as an entity tag. */
export function etag(version: string | number): string {
  return `W/"${version}"`;
}

function answered(resource: Resource): Answered {
  return { resource, text: JSON.stringify(resource) };
}

function changing(type: string): FhirRefusal {
  return new FhirRefusal(409, 'conflict', `The ${type} is being changed by others; read it and try again.`);
}

function requireServed(type: string): void {
  if (!definitionOf(type)) throw new FhirRefusal(404, 'not-supported', 'This resource type is not served here.');
}

function notFound(type: string): FhirRefusal {
  return new FhirRefusal(404, 'not-found', `There is no such ${type}.`);
}

function check(previous: StoredResource | undefined, { version, absent }: Precondition): void {
  const exists = previous !== undefined && !previous.deleted;
  if (absent && exists) throw new FhirRefusal(412, 'conflict', 'The resource exists already.');
  if (version === undefined) return;
  if (!exists) throw new FhirRefusal(412, 'conflict', 'If-Match names a version of a resource that does not exist.');
  if (version !== ANY_VERSION && version !== String(previous.version)) {
    throw new FhirRefusal(412, 'conflict', 'The resource was changed since the version in If-Match; read it again.');
  }
}
