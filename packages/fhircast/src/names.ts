/** Small rules about names, apart from the catalog so that subscribers need not carry it. */

/** Context keys that are not their resource type's name, for historical reasons. */
const KEYS: Readonly<Record<string, string>> = { DiagnosticReport: 'report', ImagingStudy: 'study' };

/** The context key of an anchor of this resource type: `report` and `study`, else the type in lower case. */
export function anchorKeyOf(type: string): string {
  return Object.hasOwn(KEYS, type) ? (KEYS[type] ?? '') : type.toLowerCase();
}

/** The key under which event names are compared: case does not count (2.4 "Subscription Request"). */
export function eventKey(name: string): string {
  return name.toLowerCase();
}
