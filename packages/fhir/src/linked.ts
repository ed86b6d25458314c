import { keyText, textOf } from '@lockstep/fhircast';
import type { ResourceAccess } from './access.ts';
import type { Criterion } from './criteria.ts';
import type { SearchParameter, TypeDefinition } from './definitions.ts';
import { FhirRefusal } from './refusal.ts';
import type { ResourceRepository, Within } from './repository.ts';
import { isObject, type JsonObject, localReference, type Resource, valuesAt } from './resource.ts';
import type { Linked } from './search-request.ts';

/** A condition on a resource, once the other ends of its references are known. */
export type Condition = (resource: Resource) => boolean;

/**
 * Looks up what chains and `_has` ask about. Only resources that the caller may search themselves count, so that no condition
 * on them reveals what the caller may not see (FHR-2).
 * @param narrow the index that holds every resource that meets the criterion
 * @throws Refusal 403 when the caller may search none of the types
 */
export async function resolveLinked(
  linked: readonly Linked[],
  type: string,
  access: ResourceAccess,
  repository: ResourceRepository,
  narrow: (definition: TypeDefinition, criteria: readonly Criterion[]) => Within,
  baseUrl: string,
): Promise<readonly Condition[]> {
  const conditions: Condition[] = [];
  for (const link of linked) {
    const keys = new Set<string>();
    const ends = link.kind === 'chain' ? link.targets : [{ definition: link.source, criterion: link.criterion }];
    const reachable = ends.filter(({ definition }) => access.may('s', definition.type));
    if (reachable.length === 0) access.require('s', ends[0]!.definition.type);
    for (const { definition, criterion } of reachable) {
      for await (const found of repository.candidates(definition.type, narrow(definition, [criterion]))) {
        if (!criterion.matches(found, baseUrl) || !(await access.allows('s', found))) continue;
        if (link.kind === 'chain') keys.add(keyText({ type: definition.type, id: found.id }));
        else for (const key of referencedKeys(found, link.parameter, baseUrl)) keys.add(key);
      }
    }
    conditions.push(
      link.kind === 'chain'
        ? (resource) => referencedKeys(resource, link.parameter, baseUrl).some((key) => keys.has(key))
        : (resource) => keys.has(keyText({ type, id: resource.id })),
    );
  }
  return conditions;
}

/** What a resource refers to by a search parameter, of this server: `Type/id`. */
export function referencedKeys(resource: JsonObject, { paths, targets }: SearchParameter, baseUrl: string): string[] {
  return paths
    .flatMap((path) => valuesAt(resource, path))
    .flatMap((value) => {
      const key = isObject(value) ? localReference(textOf(value.reference), baseUrl) : undefined;
      return key && (!targets || targets.includes(key.type)) ? [keyText(key)] : [];
    });
}

/** Resources that a page may bring beside its matches. */
const MAX_INCLUDED = 1000;

/** @throws Refusal 400 when a page would bring too many resources beside its matches */
export function requireFew(included: number): void {
  if (included > MAX_INCLUDED) {
    throw new FhirRefusal(400, 'too-costly', `A page may include ${MAX_INCLUDED} resources: ask for a smaller _count.`);
  }
}
