/**
 * Whether an event speaks of two patients, or of another one than what is open (PUB-14). Systems know one person under
 * different ids, so that ids alone prove nothing: identifiers of one system with other values do.
 */
import { type EventRequest, isObject, type JsonObject, publishedResources } from '@lockstep/fhircast';
import { ContentMap } from './content-map.ts';
import { type Anchor, contextOf, type Opening } from './session-state.ts';

/** Values of the identifiers of one system: nearly always there is one. */
type Values = string | Set<string>;

/** Values of patient identifiers, by their system. */
type Identity = ReadonlyMap<string, Values>;

/** Elements that refer to the patient whom a resource is about. */
const PATIENT_ELEMENTS = ['patient', 'subject'];

function withValue(values: Values | undefined, value: string): Values {
  if (values === undefined || values === value) return value;
  return (typeof values === 'string' ? new Set([values]) : values).add(value);
}

/** Adds to a list what identifiers say, where they say anything. */
function addIdentity(found: Identity[], identifiers: unknown): void {
  let identity: Map<string, Values> | undefined;
  for (const one of Array.isArray(identifiers) ? identifiers : [identifiers]) {
    // An identifier of old may be another one's today.
    if (!isObject(one) || one.use === 'old') continue;
    const { system, value } = one;
    if (typeof system !== 'string' || typeof value !== 'string' || system === '' || value.trim() === '') continue;
    identity ??= new Map();
    identity.set(system, withValue(identity.get(system), value.trim()));
  }
  if (identity) found.push(identity);
}

/** Whether a reference is to a patient, as far as it says. */
function isToPatient(reference: JsonObject): boolean {
  if (reference.type !== undefined) return reference.type === 'Patient';
  return typeof reference.reference !== 'string' || /(^|\/)Patient\//.test(reference.reference);
}

/** Adds what a resource says about its patient: a Patient of itself, any other by its references. */
function addIdentitiesIn(found: Identity[], resource: JsonObject): void {
  const isPatient = resource.resourceType === 'Patient';
  if (isPatient) addIdentity(found, resource.identifier);
  for (const name of isPatient ? [] : PATIENT_ELEMENTS) {
    const reference = resource[name];
    if (isObject(reference) && isToPatient(reference)) addIdentity(found, reference.identifier);
  }
}

function hasAny(values: Values, others: Values): boolean {
  if (typeof values === 'string') return typeof others === 'string' ? values === others : others.has(values);
  return typeof others === 'string' ? values.has(others) : !values.isDisjointFrom(others);
}

/** The first system whose values have nothing in common. */
function conflict(one: Identity, other: Identity): string | undefined {
  for (const [system, values] of one) {
    const others = other.get(system);
    if (others !== undefined && !hasAny(values, others)) return system;
  }
  return undefined;
}

function ofEvent({ message: { event } }: EventRequest): readonly Identity[] {
  const found: Identity[] = [];
  for (const { resource } of publishedResources(event.context)) addIdentitiesIn(found, resource);
  for (const { key, reference } of event.context) {
    if (key === 'patient' && isObject(reference)) addIdentity(found, reference.identifier);
  }
  return found;
}

/** They are asked for with every event about a context. */
const identitiesOf = new WeakMap<Opening, readonly Identity[]>();

function ofOpening(opening: Opening): readonly Identity[] {
  const known = identitiesOf.get(opening);
  if (known) return known;
  const found: Identity[] = [];
  for (const { resource } of contextOf(opening)) if (isObject(resource)) addIdentitiesIn(found, resource);
  identitiesOf.set(opening, found);
  return found;
}

/** Looks into an opening event while it is read: later it would be read again for it. */
export function notePatients(opening: Opening): void {
  ofOpening(opening);
}

function ofAnchor({ opening, content }: Anchor): readonly Identity[] {
  const shared: Identity[] = [];
  for (const { resource } of ContentMap.of(content).under('Patient/')) {
    addIdentitiesIn(shared, JSON.parse(resource) as JsonObject);
  }
  return shared.length === 0 ? ofOpening(opening) : [...ofOpening(opening), ...shared];
}

/**
 * Why an event cannot be about one patient, naming the system of the identifiers and never their values.
 * @param anchor the open anchor that the event is about, if there is one
 */
export function otherPatient(request: EventRequest, anchor: Anchor | undefined): string | undefined {
  const told = ofEvent(request);
  for (let first = 0; first < told.length - 1; first += 1) {
    for (const other of told.slice(first + 1)) {
      const system = conflict(told[first] ?? other, other);
      if (system) return `its resources carry patient identifiers of the system ${system} with different values`;
    }
  }
  if (!anchor || told.length === 0) return undefined;
  for (const open of ofAnchor(anchor)) {
    for (const one of told) {
      const system = conflict(one, open);
      if (system) {
        return `the event and the open ${anchor.key.type}/${anchor.key.id} carry patient identifiers of the system ${system} with different values`;
      }
    }
  }
  return undefined;
}
