/** The context elements of what is published, by FHIRcast's definitions of the events. */
import {
  anchorKeyOf,
  type ContextElement,
  type JsonObject,
  keyText,
  type Resource,
  resourceKey,
} from '@lockstep/fhircast';
import type { Context } from './context.ts';
import type { AnyResource, Change } from './options.ts';

function element(key: string, reference: string): ContextElement {
  return { key, reference: { reference } };
}

/** @param others further elements by key; those that are undefined are left out */
export function opened(
  anchor: AnyResource,
  others: Readonly<Record<string, AnyResource | readonly AnyResource[] | undefined>>,
): ContextElement[] {
  const elements: ContextElement[] = [{ key: anchorKeyOf(anchor.resourceType), resource: anchor as Resource }];
  for (const [key, value] of Object.entries(others)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one) elements.push({ key, resource: one as Resource });
    }
  }
  return elements;
}

/** The anchor, and the patient where it is another, by reference (2.10). */
function subject({ type, id, resources: { patient } }: Context): ContextElement[] {
  const elements = [element(anchorKeyOf(type), `${type}/${id}`)];
  const about = resourceKey(patient);
  if (about && type !== 'Patient') elements.push(element('patient', keyText(about)));
  return elements;
}

/** @param bundleId of the `updates` Bundle */
export function updated(context: Context, changes: readonly Change[], bundleId: string): ContextElement[] {
  const entry: JsonObject[] = changes.map((change) => {
    if ('remove' in change) return { fullUrl: change.remove, request: { method: 'DELETE', url: change.remove } };
    const { put } = change;
    return { request: { method: 'PUT', url: `${put.resourceType}/${put.id}` }, resource: put };
  });
  const bundle = { resourceType: 'Bundle', id: bundleId, type: 'transaction', entry };
  return [...subject(context), { key: 'updates', resource: bundle }];
}

export function selected(context: Context, resources: readonly (string | AnyResource)[]): ContextElement[] {
  const references = resources.map((one) => (typeof one === 'string' ? one : `${one.resourceType}/${one.id}`));
  return [...subject(context), ...references.map((one) => element('select', one))];
}

/** Why a user's session ends or is suspended. */
export function ending(kind: 'logout' | 'hibernate', code: string): ContextElement[] {
  const system = `http://hl7.org/fhir/uv/fhircast/CodeSystem/fhircast-${kind}-codesystem`;
  const parameter = [{ name: 'code', valueCoding: { system, code } }];
  return [{ key: 'parameters', resource: { resourceType: 'Parameters', parameter } }];
}
