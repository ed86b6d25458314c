import type { ResourceKey } from '@lockstep/fhircast';
import type { JsonObject, Resource } from './resource.ts';
import type { SubmittedResource } from './validate.ts';

/** A resource as it is answered: `text` is its JSON. */
export interface Answered {
  readonly resource: Resource;
  readonly text: string;
}

/** A Bundle as it is answered: `text` is its JSON. */
export interface AnsweredBundle {
  /** The resources in it, whole, to look into: their numbers need not be as they were written. */
  readonly resources: readonly JsonObject[];
  readonly text: string;
  /** The Bundle, its numbers as they were written, where it need not be read of the text. */
  readonly bundle?: JsonObject;
  /** Ids of the patients whose resources are in it, where they are known without looking into them. */
  readonly patients?: Iterable<string>;
}

/** What a write depends on, from its headers: `If-Match` (a version, or `any`) and `If-None-Match: *`. */
export interface Precondition {
  readonly version?: string;
  readonly absent?: boolean;
}

/** What a write is about: a resource by its id, or the one that a search finds (R4 3.1.0.4.3): `identifier=x`. */
export type WriteTarget = ResourceKey | { readonly type: string; readonly condition: string };

/** The precondition that any version will do. */
export const ANY_VERSION = '*';

/**
 * FHIR's interactions on behalf of callers, whose rights are an `A` (FHR-2): with the embedded store, or with a FHIR server
 * behind Lockstep. All methods throw `Refusal`.
 */
export interface FhirExchange<A> {
  read(key: ResourceKey, access: A): Promise<Answered>;
  vread(key: ResourceKey, version: string, access: A): Promise<Answered>;
  history(key: ResourceKey, params: URLSearchParams, access: A): Promise<AnsweredBundle>;
  /** @param lenient whether unknown parameters are left out and named in the answer, or refused */
  search(type: string, params: URLSearchParams, access: A, lenient?: boolean): Promise<AnsweredBundle>;
  create(
    type: string,
    body: SubmittedResource,
    condition: string | undefined,
    access: A,
  ): Promise<Answered & { readonly created: boolean }>;
  update(
    target: WriteTarget,
    body: SubmittedResource,
    precondition: Precondition,
    access: A,
  ): Promise<Answered & { readonly created: boolean }>;
  patch(
    target: WriteTarget,
    patch: SubmittedResource,
    precondition: Precondition,
    access: A,
  ): Promise<Answered & { readonly readable: boolean }>;
  /** @returns what was deleted, and the version that says so, where they are known */
  remove(
    target: WriteTarget,
    precondition: Precondition,
    access: A,
  ): Promise<{ readonly removed?: Resource; readonly version?: number | string }>;
  everything(id: string, params: URLSearchParams, access: A): Promise<AnsweredBundle>;
}

/** The part of a transaction that is planned before anything is written. */
export interface Planner<A, P> {
  planCreate(
    type: string,
    body: SubmittedResource,
    condition: string | undefined,
    access: A,
    id?: string,
  ): Promise<{ readonly existing: Resource } | { readonly resource: Resource; readonly planned: readonly P[] }>;
  planUpdate(
    target: WriteTarget,
    body: SubmittedResource,
    precondition: Precondition,
    access: A,
    id?: string,
  ): Promise<{ readonly resource: Resource; readonly planned: readonly P[]; readonly created: boolean }>;
  planPatch(
    target: WriteTarget,
    patch: SubmittedResource,
    precondition: Precondition,
    access: A,
  ): Promise<{ readonly resource: Resource; readonly planned: readonly P[]; readonly readable: boolean }>;
  /** @returns no key where the condition finds nothing */
  planRemoval(
    target: WriteTarget,
    precondition: Precondition,
    access: A,
  ): Promise<{
    readonly key?: ResourceKey;
    readonly removed?: Resource;
    readonly version?: number;
    readonly planned: readonly P[];
  }>;
  /** @returns false when something had changed in between: nothing was written */
  commit(planned: readonly P[]): Promise<boolean>;
  /** @throws Refusal 403 unless the caller may read this resource */
  requireRead(resource: Resource, access: A): Promise<void>;
  /** The one resource that a condition finds. */
  matching(type: string, condition: string, access: A): Promise<Resource | undefined>;
  newId(): string;
}
