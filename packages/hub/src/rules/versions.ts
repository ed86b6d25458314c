/**
 * Where the specifications that a Hub can follow differ: one row each, and nothing else in the engine asks which one is in
 * force. A Hub follows one row; a subscription may follow another one (`subscriptionRules`).
 */
import { type Action, type ChannelType, type DialectSwitches, dialectsOf } from '@lockstep/fhircast';

export type VersionName = 'STU1' | 'STU2' | '3.0.0' | 'IRA';

/** How events are written on the way out. */
export interface Spelling {
  /** Event names in the catalog's case (SUB-3), or in lower case for clients that compare them letter by letter. */
  readonly names: 'catalog' | 'lower';
  /** Names of an event's version and prior version; the drafts wrote them without `context.` (WEB-5). */
  readonly versions: 'none' | 'context' | 'context and bare';
  /** Updates and selections with small resources where 3.0.0 has references. */
  readonly drafts?: true;
  /** The dialects that the subscriber's client is registered for. */
  readonly dialects?: DialectSwitches;
  /** Whether each event names who published it: an extension of ours, `org.lockstep.originator`. */
  readonly originator?: true;
  /** The topic as the subscriber wrote it, where that is not the Hub's own (LAU-2). */
  readonly topic?: string;
}

/** What holds for a session as a whole. */
export interface SessionRules {
  /** Context keys that an event must have beyond those of the catalog (RAD-148, RAD-151). */
  readonly requiredKeys: Readonly<Record<string, readonly string[]>>;
  /** Events whose resources may leave out what FHIR requires, where resources are validated (FHR-7). */
  readonly partialResources: readonly Action[];
  /** Whether a published SyncError must follow the OperationOutcome profile to the letter (RAD-156). */
  readonly checksSyncErrors: boolean;
  /** `issue.severity` of the SyncErrors that the Hub makes (ERR-2). */
  readonly syncErrorSeverity: 'warning' | 'information';
  /** How the Hub waits for answers where neither it nor the client is configured otherwise (ERR-4; RAD-155). */
  readonly acknowledgements: 'answers' | 'strict';
  /** Who gets them: the others, or the subscriber that caused it too (RAD-154). */
  readonly syncErrorAudience: 'others' | 'all';
  /** Whether a refused update or selection is a SyncError (ERR-5; RAD-155 knows no exception). */
  readonly reportsContentRefusals: boolean;
  /** Whether a lost connection is reported as about the open that is current, or about no event (RAD-155). */
  readonly lostConnectionIsAbout: 'current open' | 'nothing';
  /** Whether a subscriber whose connection was lost is unsubscribed at once, or may return (SUB-11). */
  readonly lostConnectionEnds: boolean;
  /** Whether subscribers get opens derived from others (DER). */
  readonly derivesOpens: boolean;
  /** Whether a selection of resources that the anchor does not hold is accepted in part, and goes out without them (CON-7). */
  readonly ignoresUnknownSelections: boolean;
  /** Whether patient identifiers, study UIDs and accession numbers of the opening context are fixed (CON-4). */
  readonly protectsIdentifiers: boolean;
}

/** What one subscription is asked for and gets. */
export interface SubscriptionRules {
  readonly name: VersionName;
  readonly channels: readonly ChannelType[];
  /** Whether it must bring a `subscriber.name` (SUB-12). */
  readonly subscriberNameRequired: boolean;
  /** Whether a webhook must bring a `hub.secret` (WEB-2). */
  readonly secretRequired: boolean;
  /** Whether an unsubscription must bring its endpoint; otherwise what identifies it will do (SUB-9). */
  readonly endpointRequired: boolean;
  /** Whether a webhook is asked before it is unsubscribed (WEB-3); STU2 forbids it. */
  readonly verifiesUnsubscribe: boolean;
  readonly spelling: Spelling;
}

/** How what a client publishes is read. */
export interface PublisherRules {
  /** Actions whose events may name their anchor alone (`parseEvent`). */
  readonly anchorAlone: readonly Action[];
  /** Words that are understood beside those of 3.0.0: of the drafts (`fromDraft`), of IRA's examples (`fromIraExample`). */
  readonly reads: 'drafts' | 'IRA examples' | '3.0.0';
}

export interface VersionRules extends SessionRules, SubscriptionRules, PublisherRules {}

/** HL7 FHIRcast 3.0.0, and webhooks for those who still bring them (WEB). */
export const CORE: VersionRules = {
  name: '3.0.0',
  requiredKeys: {},
  partialResources: ['close'],
  checksSyncErrors: false,
  syncErrorSeverity: 'warning',
  acknowledgements: 'answers',
  syncErrorAudience: 'others',
  reportsContentRefusals: false,
  lostConnectionIsAbout: 'current open',
  lostConnectionEnds: false,
  derivesOpens: true,
  ignoresUnknownSelections: false,
  protectsIdentifiers: false,
  channels: ['websocket', 'webhook'],
  subscriberNameRequired: false,
  secretRequired: false,
  endpointRequired: false,
  verifiesUnsubscribe: true,
  reads: '3.0.0',
  anchorAlone: [],
  spelling: { names: 'catalog', versions: 'context' },
};

/** HL7 FHIRcast STU2: webhooks beside WebSockets; content sharing came with the drafts after it. */
export const STU2: VersionRules = {
  ...CORE,
  name: 'STU2',
  derivesOpens: false,
  verifiesUnsubscribe: false,
  reads: 'drafts',
  spelling: { names: 'catalog', versions: 'context and bare' },
};

/** HL7 FHIRcast STU1: webhooks only, always signed. */
export const STU1: VersionRules = {
  ...CORE,
  name: 'STU1',
  derivesOpens: false,
  secretRequired: true,
  reads: 'drafts',
  spelling: { names: 'catalog', versions: 'none' },
};

/** IHE Radiology, Integrated Reporting Applications. */
export const IRA: VersionRules = {
  ...CORE,
  name: 'IRA',
  requiredKeys: {
    'DiagnosticReport-open': ['report', 'patient', 'study'],
    'DiagnosticReport-select': ['report', 'select'],
  },
  // The profile's own example opens a report without a code.
  partialResources: ['open', 'close'],
  checksSyncErrors: true,
  syncErrorSeverity: 'information',
  acknowledgements: 'strict',
  syncErrorAudience: 'all',
  reportsContentRefusals: true,
  lostConnectionIsAbout: 'nothing',
  lostConnectionEnds: true,
  derivesOpens: false,
  ignoresUnknownSelections: true,
  protectsIdentifiers: true,
  channels: ['websocket'],
  subscriberNameRequired: true,
  endpointRequired: true,
  // The profile's own examples select by resources and update by POST.
  reads: 'IRA examples',
};

export const VERSIONS: Readonly<Record<VersionName, VersionRules>> = { STU1, STU2, '3.0.0': CORE, IRA };

/** The version of this name, its case not counting; undefined for a name that is none. */
export function versionNamed(name: unknown): VersionRules | undefined {
  return typeof name === 'string' ? VERSIONS[name.toUpperCase() as VersionName] : undefined;
}

/** What a client's registration says about the versions it speaks. */
export interface VersionSwitches extends DialectSwitches {
  /** A `VersionName`, its case not counting. */
  readonly fhircast?: unknown;
  /** `true` for a client that takes `patient-open` for another event than `Patient-open`, which no version allows. */
  readonly lowerCaseEvents?: unknown;
  /** `true` for a client that writes, and wants to read, updates and selections as the drafts before 3.0.0 had them. */
  readonly draftContent?: unknown;
  /** `true` for a client that wants the originator of each event. */
  readonly originator?: unknown;
}

/**
 * The rules that a subscription follows: those of the version its client is registered for, else of the one that its form
 * shows, else the Hub's own. A Hub without webhooks has no STU1 subscriptions.
 */
export function subscriptionRules(
  request: { readonly version?: 'STU1' },
  switches: VersionSwitches,
  hub: VersionRules,
): SubscriptionRules {
  const shown = hub.channels.includes('webhook') ? versionNamed(request.version) : undefined;
  const version = versionNamed(switches.fhircast) ?? shown ?? hub;
  const lower = switches.lowerCaseEvents === true && ({ names: 'lower' } as const);
  const drafts = switches.draftContent === true && ({ drafts: true } as const);
  const { dialects, vendorEvents } = switches;
  const own = dialectsOf(switches).length > 0 && { dialects: { dialects, vendorEvents } };
  const told = switches.originator === true && ({ originator: true } as const);
  if (!lower && !drafts && !own && !told) return version;
  return { ...version, spelling: { ...version.spelling, ...lower, ...drafts, ...own, ...told } };
}

const NO_ACTIONS: readonly Action[] = [];
const CLOSES: readonly Action[] = ['close'];
const OPENS_AND_CLOSES: readonly Action[] = ['open', 'close'];

/** The rules that what a client publishes is read by. */
export function publisherRules(switches: VersionSwitches, hub: VersionRules): PublisherRules {
  const version = versionNamed(switches.fhircast) ?? hub;
  const reads = switches.draftContent === true ? 'drafts' : version.reads;
  const opens = dialectsOf(switches).some(({ opensAnchorAlone }) => opensAnchorAlone);
  if (opens) return { reads, anchorAlone: OPENS_AND_CLOSES };
  return { reads, anchorAlone: reads === '3.0.0' ? NO_ACTIONS : CLOSES };
}
