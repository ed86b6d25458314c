import { type ContextElement, isObject, type JsonObject, type Resource, textOf } from '../messages.ts';
import { parseReference } from '../reference.ts';
import { type Dialect, type OpenAnchor, type OpenAnchors, type RewrittenEvent, rewritten, unfit } from './dialect.ts';

const REPORT = 'DiagnosticReport';

interface Identifier {
  readonly type?: unknown;
  readonly system?: unknown;
  readonly value?: unknown;
}

function identifiersOf(resource: JsonObject): readonly Identifier[] {
  return Array.isArray(resource.identifier) ? resource.identifier.filter(isObject) : [];
}

/** The codes of an identifier's type, such as `ACSN` for an accession number. */
function typeCodesOf({ type }: Identifier): readonly unknown[] {
  const codings = isObject(type) && Array.isArray(type.coding) ? type.coding.filter(isObject) : [];
  return codings.map(({ code }) => code).filter((code) => code !== undefined);
}

/** Whether two identifiers are the same one. A number without system and type, or of another type, may be anybody's. */
function sameIdentifier(a: Identifier, b: Identifier): boolean {
  if (typeof a.value !== 'string' || a.value === '' || a.value !== b.value || a.system !== b.system) return false;
  const [codes, others] = [typeCodesOf(a), typeCodesOf(b)];
  if (a.system !== undefined && (codes.length === 0 || others.length === 0)) return true;
  return codes.some((code) => others.includes(code));
}

/** Whether two resources are the same study: one id, or an identifier in common. */
function sameStudy(a: JsonObject, b: JsonObject): boolean {
  if (a.resourceType !== b.resourceType) return false;
  if (typeof a.id === 'string' && a.id === b.id) return true;
  const known = identifiersOf(b);
  return identifiersOf(a).some((one) => known.some((other) => sameIdentifier(one, other)));
}

function elementsOf(event: JsonObject): readonly JsonObject[] {
  return Array.isArray(event.context) ? event.context.filter(isObject) : [];
}

const resourcesAt = (elements: readonly (JsonObject | ContextElement)[], key: string): readonly JsonObject[] =>
  elements.flatMap((one) => (one.key === key && isObject(one.resource) ? [one.resource] : []));

/** What several answers fit: nothing is guessed. */
class Ambiguous extends Error {
  readonly field: string;

  constructor(field: string, reason: string) {
    super(reason);
    this.field = field;
  }
}

const STUDY_FIELD = 'event.context, key "study"';

/** The anchors whose context holds one of these studies. */
function anchorsWith(studies: readonly JsonObject[], open: OpenAnchors): readonly OpenAnchor[] {
  return open.all.filter((anchor) =>
    resourcesAt(anchor.context, 'study').some((one) => studies.some((study) => sameStudy(study, one))),
  );
}

/** The open report of these studies. @throws Ambiguous where they are in several */
function reportWith(studies: readonly JsonObject[], open: OpenAnchors): OpenAnchor | undefined {
  const [found, ...others] = anchorsWith(studies, open).filter(({ type }) => type === REPORT);
  if (others.length > 0) throw new Ambiguous(STUDY_FIELD, 'the studies are in several open reports');
  return found;
}

/**
 * Whose study it is, where the study itself or what is open says so. Another patient who happens to be open is not asked.
 * @throws Ambiguous where they say several
 */
function patientOf(studies: readonly JsonObject[], open: OpenAnchors): JsonObject | undefined {
  const subjects = new Map<string, string>();
  for (const { subject } of studies) {
    const text = isObject(subject) ? subject.reference : undefined;
    const key = typeof text === 'string' ? parseReference(text) : undefined;
    if (key?.type === 'Patient') subjects.set(key.id, key.id);
  }
  if (subjects.size > 1) throw new Ambiguous(STUDY_FIELD, 'the studies are of several patients');
  const patients = (anchor: OpenAnchor): readonly JsonObject[] => resourcesAt(anchor.context, 'patient');
  const [id] = subjects.keys();
  if (id !== undefined) {
    const held = open.all.flatMap(patients).findLast((one) => one.id === id);
    return held ?? { resourceType: 'Patient', id };
  }
  const found = new Map(
    anchorsWith(studies, open)
      .flatMap(patients)
      .map((one) => [one.id, one]),
  );
  if (found.size > 1) throw new Ambiguous(STUDY_FIELD, 'what is open says several patients of the studies');
  const [patient] = found.values();
  return patient;
}

/** A report for studies that came without one: always the same one for the same study. */
function reportFor(studies: readonly JsonObject[], patient: JsonObject | undefined, open: OpenAnchors): JsonObject {
  const held = reportWith(studies, open);
  const [known] = held ? resourcesAt(held.context, 'report') : [];
  if (known) return known;
  const [study = {}] = studies;
  const accession = identifiersOf(study);
  return {
    resourceType: REPORT,
    id: `report-of-${textOf(study.id)}`.slice(0, 64),
    status: 'unknown',
    ...(accession.length > 0 && { identifier: accession }),
    ...(typeof patient?.id === 'string' && { subject: { reference: `Patient/${patient.id}` } }),
  };
}

function opened(event: JsonObject, open: OpenAnchors): RewrittenEvent {
  const elements = elementsOf(event);
  const studies = resourcesAt(elements, 'study');
  if (elements.some(({ key }) => key === 'report') || studies.length === 0) return rewritten(event);
  if (typeof studies[0]?.id !== 'string') return unfit(STUDY_FIELD, 'the study needs an "id"');
  const [given] = resourcesAt(elements, 'patient');
  const patient = given ?? patientOf(studies, open);
  const report = { key: 'report', resource: reportFor(studies, patient, open) };
  const added = given || !patient ? [report] : [report, { key: 'patient', resource: patient }];
  return rewritten({ ...event, context: [...added, ...elements] });
}

/** The report that an event without one is about. */
function reportMeant(elements: readonly JsonObject[], open: OpenAnchors): OpenAnchor | undefined {
  const studies = resourcesAt(elements, 'study');
  if (studies.length > 0) return reportWith(studies, open);
  return open.current?.type === REPORT ? open.current : undefined;
}

function put(given: unknown, index: number): JsonObject | string {
  const where = `event.context, key "updates": entry[${index}]`;
  if (!isObject(given)) return `${where} must be an object`;
  const method = isObject(given.request) ? given.request.method : 'POST';
  if (method !== 'POST') return given;
  const { resource } = given;
  if (!isObject(resource) || typeof resource.resourceType !== 'string') return `${where}.resource is missing`;
  const [, uuid] = /^urn:uuid:([\w-]+)$/i.exec(textOf(given.fullUrl)) ?? [];
  const id = resource.id ?? uuid;
  if (typeof id !== 'string') return `${where}.resource.id is missing, and fullUrl is no urn:uuid`;
  return {
    ...given,
    request: { method: 'PUT', url: `${resource.resourceType}/${id}` },
    resource: resource.id === undefined ? { ...resource, id } : resource,
  };
}

/** The updates Bundle: the one given, its POST entries as PUT, and a report that came whole as one more entry. */
function updatesOf(elements: readonly JsonObject[], report: JsonObject | undefined): JsonObject | string {
  const [given] = resourcesAt(elements, 'updates');
  const entries = Array.isArray(given?.entry) ? given.entry.map(put) : [];
  const wrong = entries.find((one) => typeof one === 'string');
  if (typeof wrong === 'string') return wrong;
  const whole =
    report === undefined
      ? []
      : [{ request: { method: 'PUT', url: `${REPORT}/${textOf(report.id)}` }, resource: report }];
  if (!given && whole.length === 0) return 'event.context has neither "updates" nor a whole report';
  return { ...(given ?? { resourceType: 'Bundle' }), type: 'transaction', entry: [...whole, ...entries] };
}

function updated(event: JsonObject, open: OpenAnchors): RewrittenEvent {
  const elements = elementsOf(event);
  const twice = ['report', 'updates'].find((name) => elements.filter(({ key }) => key === name).length > 1);
  if (twice !== undefined) return unfit(`event.context, key "${twice}"`, 'it may be given once');
  const own = elements.find(({ key }) => key === 'report');
  const whole = own && isObject(own.resource) && Object.keys(own.resource).length > 2 ? own.resource : undefined;
  const named = own && isObject(own.resource) ? own.resource : undefined;
  const asked = own && isObject(own.reference) ? own.reference.reference : named && `${REPORT}/${textOf(named.id)}`;
  const key = typeof asked === 'string' ? parseReference(asked) : undefined;
  const anchor = own ? open.named(REPORT, key?.id ?? '') : reportMeant(elements, open);
  if (!anchor) return unfit('event.context, key "report"', own ? 'this report is not open' : 'no report is current');
  const updates = updatesOf(elements, whole);
  if (typeof updates === 'string') return unfit('event.context', updates);
  const others = elements.filter(({ key: name }) => name !== 'report' && name !== 'updates' && name !== 'study');
  return rewritten({
    ...event,
    // Without a version the update is meant for what is open now. Of two at once, the second is refused (CON-8).
    'context.versionId': event['context.versionId'] ?? event.versionId ?? anchor.versionId,
    context: [
      { key: 'report', reference: { reference: `${REPORT}/${anchor.id}` } },
      ...others.map(asReference),
      { key: 'updates', resource: updates },
    ],
  });
}

/** In an update the patient is a reference. */
function asReference(element: JsonObject): JsonObject {
  const { resource, ...rest } = element;
  if (element.reference !== undefined || !isObject(resource)) return element;
  return { ...rest, reference: { reference: `${textOf(resource.resourceType)}/${textOf(resource.id)}` } };
}

function closed(event: JsonObject, open: OpenAnchors): RewrittenEvent {
  const elements = elementsOf(event);
  if (elements.some(({ key }) => key === 'report')) return rewritten(event);
  const anchor = reportMeant(elements, open);
  if (!anchor) return unfit('event.context', 'it names neither the report nor a study whose report is open');
  const [report] = anchor.context.filter(({ key }) => key === 'report') as readonly (ContextElement & {
    resource: Resource;
  })[];
  return rewritten({ ...event, context: [...(report ? [report] : []), ...elements] });
}

function read(event: JsonObject, open: OpenAnchors): RewrittenEvent {
  switch (textOf(event['hub.event']).toLowerCase()) {
    case 'diagnosticreport-open':
      return opened(event, open);
    case 'diagnosticreport-update':
      return updated(event, open);
    case 'diagnosticreport-close':
      return closed(event, open);
    default:
      return rewritten(event);
  }
}

function incoming(event: JsonObject, open: OpenAnchors): RewrittenEvent {
  try {
    return read(event, open);
  } catch (error) {
    if (error instanceof Ambiguous) return unfit(error.field, error.message);
    throw error;
  }
}

/**
 * Reports that are known by their study alone: opens with only `study` elements, updates with POST entries and neither report nor
 * version, a whole report as an update when it is signed, closes that name the study or nothing.
 */
export const studyReports: Dialect = {
  name: 'studyReports',
  source: 'Published pages of reporting systems on their FHIRcast interface',
  opensAnchorAlone: true,
  incoming,
};
