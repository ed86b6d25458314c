/** A context as an application sees it. */
import type { ContextElement, Resource, ResourceKey } from '@lockstep/fhircast';

/** Shared resources by `Type/id` (2.10). */
export type Content = ReadonlyMap<string, Resource>;

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
  readonly resources: Readonly<Record<string, Resource>>;
}

/** The first resource of each key. */
export function resourcesByKey(elements: readonly ContextElement[]): Record<string, Resource> {
  const resources: Record<string, Resource> = Object.create(null);
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
