/** The audit trail that the configuration asks for, and what the parts of the server record in it. */
import { hostname } from 'node:os';
import process from 'node:process';
import type { AccessRecord } from '@lockstep/fhir';
import type { AuditTrail as HubAuditTrail, Observation } from '@lockstep/hub';
import type { AuditEntry } from '@lockstep/smart';
import { type Config, ConfigError } from '../config.ts';
import { systemClock } from '../system.ts';
import { type AuditTrailOptions, ServerAuditTrail } from './audit-trail.ts';
import type { AuditedAct, ServerAct } from './audited-act.ts';
import { CHAIN_START } from './chain.ts';
import { FhirSink } from './fhir-sink.ts';
import { FileSink } from './file-sink.ts';
import { describeAct, describeRequest, unrecorded } from './request-audit.ts';
import type { AuditSink } from './sink.ts';
import { parseSyslogUrl, SyslogSink } from './syslog-sink.ts';

/**
 * Opens the trail; undefined where none is asked for.
 * @param server the server's address, as records name it
 * @throws ConfigError for a file that cannot be written
 */
export async function openAudit(
  config: Config,
  server: string,
  log: AuditTrailOptions['log'],
): Promise<ServerAuditTrail | undefined> {
  const { audit, auditFileBytes, auditFhir, auditFhirToken, auditSyslog, auditFailure } = config;
  const file = audit === undefined ? undefined : await openFile(audit, auditFileBytes);
  const sinks: AuditSink[] = file ? [file] : [];
  if (auditFhir !== undefined) {
    sinks.push(new FhirSink({ url: auditFhir, ...(auditFhirToken !== undefined && { token: auditFhirToken }) }));
  }
  if (auditSyslog !== undefined) sinks.push(new SyslogSink(parseSyslogUrl(auditSyslog), hostname(), process.pid));
  if (sinks.length === 0) return undefined;
  const end = file?.end ?? CHAIN_START;
  return new ServerAuditTrail({ sinks, server, end, refuses: auditFailure === 'refuse', clock: systemClock, log });
}

async function openFile(path: string, maxBytes: number): Promise<FileSink> {
  try {
    return await FileSink.open(path, maxBytes);
  } catch (error) {
    const why = (error as Error).message;
    throw new ConfigError([
      `LOCKSTEP_AUDIT: the file ${path} cannot be written: ${why}. Name a file in a folder that the server may write to, or off`,
    ]);
  }
}

const OF_TRANSACTION = { 'RAD-146': 'subscribe', 'RAD-152': 'unsubscribe', 'RAD-153': 'context-read' } as const;

/** What the Hub says about the transactions that IHE wants audited: it belongs to the record of the request. */
export const hubAudit: HubAuditTrail = {
  record({ transaction, topic, subscriberName }) {
    describeRequest({
      act: OF_TRANSACTION[transaction],
      transaction,
      topic,
      ...(subscriberName !== undefined && { subscriberName }),
    });
  },
};

/** Acts of the authorization server by the first part of their names. */
const OF_ACTION: Readonly<Record<string, AuditedAct['act']>> = {
  'sign-in': 'sign-in',
  'sign-out': 'sign-out',
  consent: 'consent',
  launch: 'launch',
  client: 'client-registration',
  grant: 'token-revoke',
};

/** What the authorization server says about its acts. */
export function smartAudit(trail: ServerAuditTrail | undefined): (entry: AuditEntry) => void {
  return ({ action, user, clientId, detail, shown }) => {
    const done = {
      ...(shown === undefined
        ? {
            act: OF_ACTION[action.split('.')[0] ?? ''] ?? ('administration' as const),
            detail: detail === undefined ? action : `${action}: ${detail}`,
          }
        : {
            act: 'fhir' as const,
            fhir: { interaction: 'search-type', type: shown.type, query: shown.query },
            patients: shown.patients,
          }),
      ...(user !== undefined && { user }),
      ...(clientId !== undefined && { clientId }),
    };
    if (!describeAct(done)) trail?.record({ ...done, status: 200 });
  };
}

/** What happens in sessions without a request: they begin and end, and subscriptions are ended. */
export function auditObservation(trail: ServerAuditTrail, topic: string, observation: Observation): void {
  const done = observed(observation);
  if (done) trail.record({ ...done, status: 200, topic });
}

function observed(observation: Observation): { act: ServerAct; detail?: string; subscriberName?: string } | undefined {
  switch (observation.kind) {
    case 'session-started':
    case 'session-ended': {
      const { kind, reason } = observation;
      return { act: kind, ...(reason !== undefined && { detail: reason }) };
    }
    case 'denied':
      return { act: 'subscription-ended', detail: observation.reason, subscriberName: observation.subscriber };
    default:
      return undefined;
  }
}

/** FHIR's interactions by method and what follows the base address. */
function interactionOf(method: string, route: string): string {
  const rest = route.replace(/^\/fhir\/?/, '');
  const verb = method === 'HEAD' ? 'GET' : method;
  if (rest === '') return verb === 'POST' ? 'batch' : 'search-system';
  if (rest.endsWith('_search')) return 'search-type';
  if (rest.endsWith('_history')) return 'history-instance';
  if (rest.includes('_history/')) return 'vread';
  const changes: Readonly<Record<string, string>> = { PUT: 'update', PATCH: 'patch', DELETE: 'delete' };
  if (rest === ':type')
    return verb === 'POST' ? 'create' : verb === 'GET' ? 'search-type' : (changes[verb] ?? 'operation');
  return rest === ':type/:id' ? (verb === 'GET' ? 'read' : (changes[verb] ?? 'operation')) : 'operation';
}

/** What the FHIR endpoint says about its requests. */
export function fhirAudit(trail: ServerAuditTrail): (record: AccessRecord) => Promise<void> {
  return async ({ method, route, status, type, id, clientId, user, patients, address, requestId, query }) => {
    if (status === 429) return;
    trail.record({
      act: 'fhir',
      status,
      fhir: {
        interaction: interactionOf(method, route),
        ...(type !== undefined && { type }),
        ...(id !== undefined && { id }),
        ...(query !== undefined && { query }),
      },
      patients,
      ...(clientId !== undefined && { clientId }),
      ...(user !== undefined && { user }),
      ...(address !== undefined && { address }),
      ...(requestId !== undefined && { requestId }),
    });
    if (!(await trail.kept())) throw unrecorded();
  };
}
