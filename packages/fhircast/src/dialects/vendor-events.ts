import { STANDARD_EVENTS } from '../catalog.ts';
import type { Dialect } from './dialect.ts';

/** Under this, events with names of a vendor's own pass through the Hub. `*` does not cover it. */
export const VENDOR_PREFIX = 'org.lockstep.vendor.';

const NAME = /^[a-z][\w.-]{0,63}$/i;

/** Whether a registration may name this event as a vendor's own: it looks like a name, and FHIRcast has no such event. */
export function isVendorEventName(name: string): boolean {
  return NAME.test(name) && !STANDARD_EVENTS.some((one) => one.toLowerCase() === name.toLowerCase());
}

/**
 * Events of a vendor's own, such as `annotation-update`, between the clients that are registered for them. Others do not get them.
 * @param names the events that the client is registered for; letters' case does not count
 */
export function vendorEvents(names: readonly string[]): Dialect {
  // A dash would make the name that of a resource type's event.
  const inside = new Map(
    names.map((name) => [name.toLowerCase(), VENDOR_PREFIX + name.toLowerCase().replaceAll('-', '__')]),
  );
  const outside = new Map(names.map((name) => [inside.get(name.toLowerCase()), name]));
  return {
    name: 'vendorEvents',
    source: 'The cast dialect of OHIF, vtk.js and 3D Slicer; names that vendors agree on between themselves',
    ownEvents: [...inside.values()],
    nameIn: (name) => inside.get(name.toLowerCase()) ?? name,
    nameOut: (name) => outside.get(name.toLowerCase()) ?? name,
  };
}
