import { anchorKeyOf } from './names.ts';
import { resourceTypeSpelling } from './resource-types.ts';

export type Action = 'open' | 'close' | 'update' | 'select';

/** One row of an event's context table (FHIRcast 3.0.0, chapter 3). */
export interface ContextKey {
  readonly key: string;
  readonly min: 0 | 1;
  readonly max: 1 | '*';
  /** Whether the element carries a whole resource or a reference to one. */
  readonly value: 'resource' | 'reference';
  /** Resource types allowed; empty allows every type. */
  readonly types: readonly string[];
  /** Whether the resource must have an `id`; infrastructure resources need none. */
  readonly id: boolean;
}

export interface EventDefinition {
  /** The catalog's spelling, which goes out on the wire (SUB-3). */
  readonly name: string;
  /** The anchor's resource type, for `{FHIR resource}-{action}` events. */
  readonly anchorType?: string;
  /** The context key that holds the anchor. */
  readonly anchorKey?: string;
  readonly action?: Action;
  readonly keys: readonly ContextKey[];
}

const resource = (key: string, min: 0 | 1, max: 1 | '*', ...types: string[]): ContextKey => ({
  key,
  min,
  max,
  value: 'resource',
  types,
  id: true,
});
const reference = (key: string, min: 0 | 1, max: 1 | '*', ...types: string[]): ContextKey => ({
  ...resource(key, min, max, ...types),
  value: 'reference',
});
const infrastructure = (key: string, type: string): ContextKey => ({ ...resource(key, 1, 1, type), id: false });

const patient = (min: 0 | 1) => resource('patient', min, 1, 'Patient');
const encounter = (min: 0 | 1) => resource('encounter', min, 1, 'Encounter');

/** Context of `*-open` and `*-close` by anchor type, the anchor's own key first. Other types carry their own key alone. */
const OPEN_CONTEXT: Readonly<Record<string, readonly ContextKey[]>> = {
  Patient: [patient(1)],
  Encounter: [encounter(1), patient(1)],
  ImagingStudy: [resource('study', 1, 1, 'ImagingStudy'), encounter(0), patient(0)],
  DiagnosticReport: [
    resource('report', 1, 1, 'DiagnosticReport'),
    encounter(0),
    resource('study', 0, '*', 'ImagingStudy'),
    patient(1),
  ],
};

/** Says that a connection is alive, to pages that cannot see pings: ballot of FHIRcast STU3, 3.2.2. */
export const HEARTBEAT_EVENT = 'HeartBeat';

const INFRASTRUCTURE: readonly EventDefinition[] = [
  { name: 'SyncError', keys: [infrastructure('operationoutcome', 'OperationOutcome')] },
  { name: 'UserLogout', keys: [infrastructure('parameters', 'Parameters')] },
  { name: 'UserHibernate', keys: [infrastructure('parameters', 'Parameters')] },
  { name: 'Home-open', keys: [] },
  // Left out of 3.0.0, and named by IHE IRA (RAD-154).
  { name: HEARTBEAT_EVENT, keys: [] },
];

const ACTIONS: readonly Action[] = ['open', 'close', 'update', 'select'];

function define(type: string, action: Action): EventDefinition {
  const anchorKey = anchorKeyOf(type);
  const event = { name: `${type}-${action}`, anchorType: type, anchorKey, action };
  const identity = anchorKey === 'patient' ? [] : [reference('patient', 0, 1, 'Patient')];
  switch (action) {
    case 'open':
    case 'close':
      return { ...event, keys: OPEN_CONTEXT[type] ?? [resource(anchorKey, 1, 1, type)] };
    case 'update':
      return {
        ...event,
        keys: [reference(anchorKey, 1, 1, type), ...identity, { ...resource('updates', 1, 1, 'Bundle'), id: false }],
      };
    case 'select':
      return { ...event, keys: [reference(anchorKey, 1, 1, type), ...identity, reference('select', 0, '*')] };
  }
}

const DEFINED = new Map<string, EventDefinition>(INFRASTRUCTURE.map((event) => [event.name.toLowerCase(), event]));
/** The same by the names as they are spelt here: most senders spell them so. */
const SPELT = new Map<string, EventDefinition>(INFRASTRUCTURE.map((event) => [event.name, event]));

/** Reverse domain notation: at least two labels, no dash (2.3 "Event name"). */
const REVERSE_DNS = /^[a-z][a-z0-9_]*(\.[a-z0-9_]+)+$/i;

/**
 * The definition of an event, its name compared without regard to case (SUB-3). Any FHIR resource type has open, close,
 * update and select events; a name in reverse domain notation is an event without a fixed context.
 * @returns undefined when the name is no FHIRcast event name
 */
export function eventDefinition(name: string): EventDefinition | undefined {
  const spelt = SPELT.get(name);
  if (spelt) return spelt;
  const lower = name.toLowerCase();
  const known = DEFINED.get(lower);
  if (known) return known;
  const dash = lower.lastIndexOf('-');
  if (dash < 0) return REVERSE_DNS.test(name) ? { name, keys: [] } : undefined;
  const type = resourceTypeSpelling(lower.slice(0, dash));
  const action = ACTIONS.find((one) => one === lower.slice(dash + 1));
  if (!type || !action) return undefined;
  const event = define(type, action);
  // The number of FHIR types bounds these maps, whatever clients send.
  DEFINED.set(lower, event);
  SPELT.set(event.name, event);
  return event;
}

/** Whether the event is an organization's own, in reverse domain notation. */
export function isProprietary(event: EventDefinition): boolean {
  return event.name.includes('.');
}

/** The events that chapter 3 of FHIRcast 3.0.0 writes out, in its order. */
export const STANDARD_EVENTS: readonly string[] = [
  'SyncError',
  'UserLogout',
  'UserHibernate',
  'Home-open',
  'Patient-open',
  'Patient-close',
  'Encounter-open',
  'Encounter-close',
  'ImagingStudy-open',
  'ImagingStudy-close',
  'DiagnosticReport-open',
  'DiagnosticReport-close',
  'DiagnosticReport-update',
  'DiagnosticReport-select',
];
