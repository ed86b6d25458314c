/** A context as an application sees it. */
import type { ContextElement, Resource, ResourceKey } from '@lockstep/fhircast';

/** Shared resources by `Type/id` (2.10). */
export type Content = ReadonlyMap<string, Resource>;

/**
 * What the resources of some keys are, for TypeScript: nothing more than FHIR resources, or what `@types/fhir` says after
 * `import '@lockstep/client/r4'`.
 */
// biome-ignore lint/suspicious/noEmptyInterface: r4.ts fills it
export interface ResourceTypes {}

/** Resources by the keys of a context; a key that is not there is undefined. */
export type Resources = Readonly<Record<string, Resource | undefined>> & ResourceTypes;

/** An open context: its anchor and what came with its opening event. */
export interface Context {
  /** The anchor's resource type. */
  readonly type: string;
  readonly id: string;
  /** The Hub's version of the context and its content, where it has versions. */
  readonly versionId?: string;
  /** The elements of the opening event, unchanged by updates (2.10). */
  readonly elements: readonly ContextElement[];
  /** The first resource of each key: `resources.patient`, `resources.report`. */
  readonly resources: Resources;
}

/** The first resource of each key. */
export function resourcesByKey(elements: readonly ContextElement[]): Resources {
  const resources: Record<string, Resource | undefined> = Object.create(null);
  for (const { key, resource } of elements) {
    if (resource) resources[key] ??= resource;
  }
  return resources;
}

/** @param versionId '' where the Hub gives none */
export function makeContext(
  { type, id }: ResourceKey,
  elements: readonly ContextElement[],
  versionId: string,
): Context {
  return { type, id, elements, resources: resourcesByKey(elements), ...(versionId !== '' && { versionId }) };
}
