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

/** What a transaction asks beside its writes. */
export interface TransactionReads<A> {
  /** @throws Refusal 403 unless the caller may read this resource */
  requireRead(resource: JsonObject, access: A): Promise<void>;
  /** The one resource that a condition finds. */
  matching(type: string, condition: string, access: A): Promise<Resource | undefined>;
}

/** The part of a transaction that is planned before anything is written. */
export interface Planner<A, P> extends TransactionReads<A> {
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
  newId(): string;
}

/** One write of a transaction that another server carries out. */
export type TransactionWrite = {
  /** What other resources of the transaction call it by (R4 3.1.0.11.2): a URN that the server replaces. */
  readonly placeholder?: string;
} & (
  | {
      readonly method: 'POST';
      readonly type: string;
      readonly content: SubmittedResource;
      /** If-None-Exist */
      readonly condition: string | undefined;
    }
  | {
      readonly method: 'PUT' | 'PATCH';
      readonly target: WriteTarget;
      readonly content: SubmittedResource;
      readonly precondition: Precondition;
    }
  | { readonly method: 'DELETE'; readonly target: WriteTarget; readonly precondition: Precondition }
);

/** A write whose every check is done. */
export interface CheckedWrite {
  /** What it makes, as far as that is known before. */
  readonly result?: JsonObject;
}

/** What a write of a transaction answered. */
export type WriteDone =
  | (Answered & { readonly status: '200' | '201'; readonly readable: boolean })
  | { readonly status: '204'; readonly version?: string };

/** Transactions that another server carries out, as one. `W` is a write that was checked. */
export interface TransactionForwarder<A, W extends CheckedWrite> extends TransactionReads<A> {
  /** @throws Refusal 400 where the server has no transactions */
  requireTransactions(): Promise<void>;
  /**
   * Checks a write as if it came alone.
   * @returns undefined where there is nothing to do: what is to be deleted is not there
   */
  check(write: TransactionWrite, access: A): Promise<W | undefined>;
  /** Has them carried out, all or none. @returns what each answered, in their order */
  carryOut(writes: readonly W[], access: A): Promise<readonly WriteDone[]>;
}
