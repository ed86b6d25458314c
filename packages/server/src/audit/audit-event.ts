/** Audited acts as FHIR R4 AuditEvents, by the patterns of IHE BALP and, for the Hub's transactions, of IHE RAD. */
import { isResourceType, parseReference } from '@lockstep/fhircast';
import type { AuditedAct, Transaction } from './audited-act.ts';
import { recordedQuery } from './recorded-query.ts';

interface Coding {
  readonly system: string;
  readonly code: string;
  readonly display?: string;
}

const DCM = 'http://dicom.nema.org/resources/ontology/DCM';
const ENTITY_TYPE = 'http://terminology.hl7.org/CodeSystem/audit-entity-type';
const OBJECT_ROLE = 'http://terminology.hl7.org/CodeSystem/object-role';
const IHE_EVENT = 'urn:ihe:event-type-code';
/** Acts that no other code system has. */
export const OWN_ACT = 'urn:lockstep:audit-act';

const dcm = (code: string, display: string): Coding => ({ system: DCM, code, display });

const QUERY = dcm('110112', 'Query');
const REST: Coding = {
  system: 'http://terminology.hl7.org/CodeSystem/audit-event-type',
  code: 'rest',
  display: 'Restful Operation',
};
const AUTHENTICATION = dcm('110114', 'User Authentication');
const ACTIVITY = dcm('110100', 'Application Activity');
const SECURITY = dcm('110113', 'Security Alert');
const IMPORT = dcm('110107', 'Import');

const SOURCE = dcm('110153', 'Source Role ID');
const DESTINATION = dcm('110152', 'Destination Role ID');
const USER: Coding = { system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code: 'IRCP' };

const TRANSACTIONS: Readonly<Record<Transaction, string>> = {
  'RAD-146': 'Subscribe to Reporting Session',
  'RAD-152': 'Unsubscribe Session',
  'RAD-153': 'Get Current Context',
};

/** Action codes: create, read, update, delete, execute. */
type Action = 'C' | 'R' | 'U' | 'D' | 'E';

/** Type, action and, where a code system has one, subtype of each act. */
const ACTS: Readonly<Record<AuditedAct['act'], readonly [type: Coding, action: Action, subtype?: Coding]>> = {
  'server-start': [ACTIVITY, 'E', dcm('110120', 'Application Start')],
  'server-stop': [ACTIVITY, 'E', dcm('110121', 'Application Stop')],
  'session-started': [ACTIVITY, 'C'],
  'session-ended': [ACTIVITY, 'D'],
  'session-create': [ACTIVITY, 'C'],
  'session-list': [QUERY, 'E'],
  'session-end': [ACTIVITY, 'D'],
  'session-watch': [QUERY, 'E'],
  'session-watch-ended': [QUERY, 'E'],
  subscribe: [QUERY, 'E'],
  unsubscribe: [QUERY, 'E'],
  'subscription-ended': [ACTIVITY, 'D'],
  publish: [IMPORT, 'C'],
  'context-read': [QUERY, 'E'],
  fhir: [REST, 'E'],
  token: [AUTHENTICATION, 'E', { system: IHE_EVENT, code: 'ITI-71', display: 'Get Access Token' }],
  'token-introspect': [AUTHENTICATION, 'E', { system: IHE_EVENT, code: 'ITI-102', display: 'Introspect Token' }],
  'token-revoke': [AUTHENTICATION, 'E'],
  'access-ended': [AUTHENTICATION, 'E'],
  'client-registration': [SECURITY, 'C'],
  consent: [AUTHENTICATION, 'E'],
  'sign-in': [AUTHENTICATION, 'E', dcm('110122', 'Login')],
  'sign-out': [AUTHENTICATION, 'E', dcm('110123', 'Logout')],
  'password-change': [SECURITY, 'U', dcm('110137', 'User Security Attributes Changed')],
  launch: [ACTIVITY, 'E'],
  'session-invite': [ACTIVITY, 'C'],
  'session-uninvite': [ACTIVITY, 'D'],
  'session-join': [ACTIVITY, 'E'],
  'session-leave': [ACTIVITY, 'E'],
  'ticket-make': [ACTIVITY, 'E'],
  'ticket-redeem': [AUTHENTICATION, 'E'],
  administration: [SECURITY, 'U'],
};

/** BALP's action codes of FHIR's interactions. */
const INTERACTIONS: Readonly<Record<string, Action>> = {
  create: 'C',
  read: 'R',
  vread: 'R',
  'history-instance': 'R',
  update: 'U',
  patch: 'U',
  delete: 'D',
};

/** FHIR's audit-event-outcome: success, minor failure of the caller's, serious failure of the server's. */
function outcome(status: number): '0' | '4' | '8' {
  return status < 400 ? '0' : status < 500 ? '4' : '8';
}

function subtypes({ act, transaction, fhir }: AuditedAct): readonly Coding[] {
  if (transaction) return [{ system: IHE_EVENT, code: transaction, display: TRANSACTIONS[transaction] }];
  if (fhir) return [{ system: 'http://hl7.org/fhir/restful-interaction', code: fhir.interaction }];
  const own: Coding = { system: OWN_ACT, code: act };
  const [, , known] = ACTS[act];
  return known ? [known, own] : [own];
}

const instant = (ms: number): string => new Date(ms).toISOString();

/** Who: a resource where the name is a reference, an identifier otherwise. */
function who(name: string): object {
  return parseReference(name) ? { reference: name } : { identifier: { value: name } };
}

/** BALP: the client is the destination of what it reads, and the source of everything else. */
function clientRole(action: Action, { fhir }: AuditedAct): Coding {
  return fhir && action === 'R' ? DESTINATION : SOURCE;
}

function agents(done: AuditedAct, action: Action, server: string): object[] {
  const { clientId, user, subscriberName, address } = done;
  const role = clientRole(action, done);
  const list: object[] = [];
  if (clientId !== undefined || address !== undefined) {
    list.push({
      type: { coding: [role] },
      ...(clientId !== undefined && { who: { identifier: { value: clientId } } }),
      requestor: user === undefined,
      ...(subscriberName !== undefined && { name: subscriberName }),
      ...(address !== undefined && { network: { address, type: '2' } }),
    });
  }
  list.push({
    type: { coding: [role === SOURCE ? DESTINATION : SOURCE] },
    who: { identifier: { value: server } },
    requestor: list.length === 0 && user === undefined,
    ...(address !== undefined && { network: { address: new URL(server).hostname, type: '1' } }),
  });
  if (user !== undefined) list.push({ type: { coding: [USER] }, who: who(user), requestor: true });
  return list;
}

const SYSTEM_OBJECT: Coding = { system: ENTITY_TYPE, code: '2', display: 'System Object' };

function entities(done: AuditedAct): object[] {
  const { topic, event, fhir, patients = [], subject, detail, requestId } = done;
  const list: object[] = [];
  if (topic !== undefined) {
    list.push({
      what: { identifier: { value: topic } },
      type: SYSTEM_OBJECT,
      role: { system: OBJECT_ROLE, code: '24', display: 'Query' },
      description: 'hub.topic',
      ...(event !== undefined && { detail: [{ type: 'hub.event', valueString: event }] }),
    });
  }
  if (fhir) {
    const { query, interaction } = fhir;
    // What is no type and no id may be a name that was put into the address.
    const type = isResourceType(fhir.type ?? '') ? fhir.type : undefined;
    const id = /^[A-Za-z0-9\-.]{1,64}$/.test(fhir.id ?? '') ? fhir.id : undefined;
    const search = interaction.startsWith('search');
    list.push({
      ...(!search && type !== undefined && { what: { reference: id === undefined ? type : `${type}/${id}` } }),
      type: SYSTEM_OBJECT,
      role: search
        ? { system: OBJECT_ROLE, code: '24', display: 'Query' }
        : { system: OBJECT_ROLE, code: '4', display: 'Domain Resource' },
      ...(search && { query: Buffer.from(`${type ?? ''}?${recordedQuery(query ?? '')}`).toString('base64') }),
    });
  }
  for (const id of patients) {
    list.push({
      what: { reference: `Patient/${id}` },
      type: { system: ENTITY_TYPE, code: '1', display: 'Person' },
      role: { system: OBJECT_ROLE, code: '1', display: 'Patient' },
    });
  }
  if (subject !== undefined || detail !== undefined) {
    list.push({
      ...(subject !== undefined && { what: { identifier: { value: subject } } }),
      type: SYSTEM_OBJECT,
      role: { system: OBJECT_ROLE, code: '13', display: 'Security Resource' },
      ...(detail !== undefined && { description: detail }),
    });
  }
  if (requestId !== undefined) {
    list.push({
      what: { identifier: { value: requestId } },
      type: {
        system: 'https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType',
        code: 'XrequestId',
      },
    });
  }
  return list;
}

/**
 * The act as a FHIR R4 AuditEvent.
 * @param server the server's address, which is where the act was seen
 */
export function auditEvent(done: AuditedAct, server: string): object {
  const [type, action] = ACTS[done.act];
  const acted = done.fhir ? (INTERACTIONS[done.fhir.interaction] ?? action) : action;
  const about = entities(done);
  return {
    resourceType: 'AuditEvent',
    type,
    subtype: subtypes(done),
    action: acted,
    ...(done.since !== undefined && { period: { start: instant(done.since), end: instant(done.at) } }),
    recorded: instant(done.at),
    outcome: outcome(done.status),
    outcomeDesc: `HTTP ${done.status}`,
    agent: agents(done, acted, server),
    source: { observer: { identifier: { value: server } } },
    ...(about.length > 0 && { entity: about }),
  };
}
