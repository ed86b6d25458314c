/**
 * Whether an event speaks of two patients, or of another one than what is open (PUB-14). Systems know one person under
 * different ids, so that ids alone prove nothing: identifiers of one system with other values do.
 */
import { type EventRequest, isObject, type JsonObject, publishedResources } from '@lockstep/fhircast';
import { ContentMap } from './content-map.ts';
import { type Anchor, contextOf } from './session-state.ts';

/** Values of patient identifiers, by their system. */
type Identity = ReadonlyMap<string, ReadonlySet<string>>;

/** Elements that refer to the patient whom a resource is about. */
const PATIENT_ELEMENTS = ['patient', 'subject'];

function identity(identifiers: unknown): Identity {
  const found = new Map<string, Set<string>>();
  for (const one of Array.isArray(identifiers) ? identifiers : [identifiers]) {
    // An identifier of old may be another one's today.
    if (!isObject(one) || one.use === 'old') continue;
    const { system, value } = one;
    if (typeof system !== 'string' || typeof value !== 'string' || system === '' || value.trim() === '') continue;
    const values = found.get(system) ?? new Set();
    found.set(system, values.add(value.trim()));
  }
  return found;
}

/** Whether a reference is to a patient, as far as it says. */
function isToPatient(reference: JsonObject): boolean {
  if (reference.type !== undefined) return reference.type === 'Patient';
  return typeof reference.reference !== 'string' || /(^|\/)Patient\//.test(reference.reference);
}

/** What a resource says about its patient: a Patient of itself, any other by its references. */
function identitiesIn(resource: JsonObject): readonly Identity[] {
  if (resource.resourceType === 'Patient') return [identity(resource.identifier)];
  return PATIENT_ELEMENTS.flatMap((name) => {
    const reference = resource[name];
    return isObject(reference) && isToPatient(reference) ? [identity(reference.identifier)] : [];
  });
}

/** The first system whose values have nothing in common. */
function conflict(one: Identity, other: Identity): string | undefined {
  for (const [system, values] of one) {
    const others = other.get(system);
    if (others && ![...values].some((value) => others.has(value))) return system;
  }
  return undefined;
}

function ofEvent({ message: { event } }: EventRequest): readonly Identity[] {
  const resources = publishedResources(event.context).flatMap(({ resource }) => identitiesIn(resource));
  const references = event.context.flatMap(({ key, reference }) =>
    key === 'patient' && isObject(reference) ? [identity(reference.identifier)] : [],
  );
  return [...resources, ...references].filter(({ size }) => size > 0);
}

function ofAnchor({ opening, content }: Anchor): readonly Identity[] {
  const opened = contextOf(opening).flatMap(({ resource }) => (isObject(resource) ? identitiesIn(resource) : []));
  const patients = [...ContentMap.of(content).under('Patient/')];
  return [...opened, ...patients.flatMap(({ resource }) => identitiesIn(JSON.parse(resource) as JsonObject))];
}

/**
 * Why an event cannot be about one patient, naming the system of the identifiers and never their values.
 * @param anchor the open anchor that the event is about, if there is one
 */
export function otherPatient(request: EventRequest, anchor: Anchor | undefined): string | undefined {
  const told = ofEvent(request);
  for (const [index, one] of told.entries()) {
    for (const other of told.slice(index + 1)) {
      const system = conflict(one, other);
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
