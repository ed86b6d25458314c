import type { InternalSchemaElement } from '@medplum/core';

/** The element of a type that a member belongs to. */
export interface FoundElement {
  readonly type: string;
  /** `value[x]`, where the member's name is that of one of its types. */
  readonly choice?: string;
}

/** @param name of a member, without `_` before it @param elements the type's */
export function elementOf(
  name: string,
  elements: Readonly<Record<string, InternalSchemaElement>>,
): FoundElement | undefined {
  const element = Object.hasOwn(elements, name) ? elements[name] : undefined;
  if (element) return { type: element.type[0]?.code ?? '' };
  for (const match of name.matchAll(/[A-Z]/g)) {
    const choice = `${name.slice(0, match.index)}[x]`;
    if (!Object.hasOwn(elements, choice)) continue;
    const type = elements[choice]!.type.find(({ code }) => capitalised(code) === name.slice(match.index));
    if (type) return { type: type.code, choice };
  }
  return undefined;
}

/** A type's name as it ends the name of a choice: `Quantity` of `valueQuantity`. */
export function capitalised(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}
