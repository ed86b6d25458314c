import { isObject } from '@lockstep/fhircast';
import type { Library } from './definitions.ts';
import { elementOf } from './elements.ts';

/** Says what an address becomes; undefined where it stays. */
export type ReplaceAddress = (address: string) => string | undefined;

/** An address in a link or a picture of a narrative. */
const LINK = /(\s(?:href|src)\s*=\s*)(?:"([^"]*)"|'([^']*)')/gi;

/**
 * Replaces the addresses in a value: in elements of the types uri and url, and in the links and pictures of narratives.
 * @param type of the value, as the library calls it
 */
export function withAddresses(value: unknown, type: string, library: Library, replace: ReplaceAddress): unknown {
  if (Array.isArray(value)) return value.map((one) => withAddresses(one, type, library, replace));
  if (typeof value === 'string') {
    if (type === 'uri' || type === 'url') return replace(value) ?? value;
    return type === 'xhtml' ? withLinks(value, replace) : value;
  }
  // Types of single values are written small; a number may be an object that keeps how it was written.
  if (!isObject(value) || /^[a-z]/.test(type)) return value;
  const named = typeof value.resourceType === 'string' ? value.resourceType : type;
  const schema = library.tryGetDataType(named);
  if (!schema) return value;
  const changed: Record<string, unknown> = {};
  for (const [name, child] of Object.entries(value)) {
    const element = elementOf(name.replace(/^_/, ''), schema.elements);
    // Beside a primitive, `_name` holds an element of its own.
    const childType = name.startsWith('_') ? 'Element' : element?.type;
    changed[name] = childType === undefined ? child : withAddresses(child, childType, library, replace);
  }
  return changed;
}

function withLinks(xhtml: string, replace: ReplaceAddress): string {
  return xhtml.replace(LINK, (whole, before: string, inDouble?: string, inSingle?: string) => {
    const address = replace((inDouble ?? inSingle ?? '').replaceAll('&amp;', '&'));
    return address === undefined ? whole : `${before}"${address.replaceAll('&', '&amp;').replaceAll('"', '&quot;')}"`;
  });
}
