import { type ContextElement, type EventMessage, type Resource, selectedReferences } from '@lockstep/fhircast';
import { resourcesByKey } from './context.ts';
import { parseTimestamp } from './event-names.ts';

/** A resource of a known type; cast it to the type of your FHIR library for its elements. */
export type ResourceOf<T extends string> = Resource & { readonly resourceType: T };

/** Keys of the opening events that chapter 3 of FHIRcast writes out. */
interface Opened {
  Patient: { readonly patient: ResourceOf<'Patient'> };
  Encounter: { readonly encounter: ResourceOf<'Encounter'>; readonly patient: ResourceOf<'Patient'> };
  ImagingStudy: {
    readonly study: ResourceOf<'ImagingStudy'>;
    readonly encounter?: ResourceOf<'Encounter'>;
    readonly patient?: ResourceOf<'Patient'>;
  };
  DiagnosticReport: {
    readonly report: ResourceOf<'DiagnosticReport'>;
    readonly patient: ResourceOf<'Patient'>;
    readonly encounter?: ResourceOf<'Encounter'>;
    readonly study?: ResourceOf<'ImagingStudy'>;
  };
}

type Others = Readonly<Record<string, Resource | undefined>>;

/** The first resource of each context key of an event, by the event's name. Keys are as the catalog has them. */
export type ResourcesOf<Name extends string> = Name extends `${infer T}-${'open' | 'close'}`
  ? T extends keyof Opened
    ? Opened[T]
    : T extends 'Home'
      ? Readonly<Record<string, never>>
      : { readonly [key in Lowercase<T>]: ResourceOf<T> } & Others
  : Name extends `${string}-update`
    ? { readonly updates: ResourceOf<'Bundle'> } & Others
    : Name extends 'SyncError'
      ? { readonly operationoutcome: ResourceOf<'OperationOutcome'> }
      : Name extends 'UserLogout' | 'UserHibernate'
        ? { readonly parameters: ResourceOf<'Parameters'> }
        : Others;

/**
 * Event names: those of the catalog first, so that editors offer them; any `{FHIR resource}-{action}` and any name in
 * reverse domain notation.
 */
export type EventName =
  | 'SyncError'
  | 'UserLogout'
  | 'UserHibernate'
  | 'Home-open'
  | `${'Patient' | 'Encounter' | 'ImagingStudy' | 'DiagnosticReport'}-${'open' | 'close'}`
  | `DiagnosticReport-${'update' | 'select'}`
  | `${string}-${'open' | 'close' | 'update' | 'select'}`
  | `${string}.${string}`;

/** An event as a handler gets it. */
export class HubEvent<Name extends string = string> {
  /** In the catalog's spelling. */
  readonly name: Name;
  /** '' for an event that the Hub did not send: see `derived`. */
  readonly id: string;
  /** When it happened, ms since the epoch by its publisher's clock; NaN when unknown. */
  readonly time: number;
  readonly versionId: string | undefined;
  readonly priorVersionId: string | undefined;
  /** The whole context, in order. */
  readonly elements: readonly ContextElement[];
  /** This application published it. */
  readonly mine: boolean;
  /** It was not received but follows from reading the Hub's current context, when events were missed. */
  readonly derived: boolean;
  #ended: AbortController | undefined;
  #superseded = false;
  #resources: ResourcesOf<Name> | undefined;

  constructor(message: EventMessage, mine: boolean, derived: boolean) {
    const { id, timestamp, event } = message;
    this.name = event['hub.event'] as Name;
    this.id = id;
    this.time = parseTimestamp(timestamp);
    this.versionId = event['context.versionId'];
    this.priorVersionId = event['context.priorVersionId'];
    this.elements = event.context;
    this.mine = mine;
    this.derived = derived;
  }

  /** The first resource of each context key: `event.resources.patient`. */
  get resources(): ResourcesOf<Name> {
    // The Hub checks contexts against the catalog (PUB-5); a Hub that does not may leave keys out.
    this.#resources ??= resourcesByKey(this.elements) as ResourcesOf<Name>;
    return this.#resources;
  }

  /** The resources that a `*-select` selects, as `Type/id`; none clears the selection. */
  get selected(): readonly string[] {
    return selectedReferences(this.elements);
  }

  /** Aborted when a newer context made this event's work pointless. */
  get signal(): AbortSignal {
    this.#ended ??= new AbortController();
    if (this.#superseded) this.#ended.abort();
    return this.#ended.signal;
  }

  /** Aborts the signal: the client's part. */
  static supersede(event: HubEvent): void {
    event.#superseded = true;
    event.#ended?.abort();
  }
}
