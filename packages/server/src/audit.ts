/** Audit records of the transactions that IHE wants audited, as FHIR AuditEvents, one a line. */
import { createWriteStream, type WriteStream } from 'node:fs';
import { parseReference } from '@lockstep/fhircast';
import type { AuditRecord, AuditTrail } from '@lockstep/hub';

const TRANSACTIONS: Readonly<Record<AuditRecord['transaction'], string>> = {
  'RAD-146': 'Subscribe to Reporting Session',
  'RAD-152': 'Unsubscribe Session',
  'RAD-153': 'Get Current Context',
};

const DCM = 'http://dicom.nema.org/resources/ontology/DCM';

/** The roles of a Query (DICOM PS3.15, A.5.3.10): who asks, who is asked, and who learns the answer. */
const ROLES = {
  source: { system: DCM, code: '110153', display: 'Source Role ID' },
  destination: { system: DCM, code: '110152', display: 'Destination Role ID' },
  user: { system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code: 'IRCP' },
};

function agent(role: keyof typeof ROLES, requestor: boolean, who: string): object {
  const named = parseReference(who) ? { reference: who } : { identifier: { value: who } };
  return { type: { coding: [ROLES[role]] }, who: role === 'user' ? named : { identifier: { value: who } }, requestor };
}

/** FHIR's audit-event-outcome: success, minor failure of the caller's, serious failure of the Hub's. */
function outcome(status: number): '0' | '4' | '8' {
  return status < 400 ? '0' : status < 500 ? '4' : '8';
}

/** The record as a FHIR R4 AuditEvent (ITI-20): who, what, when and which session; no patient and no context. */
export function auditEvent(record: AuditRecord, hubUrl: string): object {
  const { transaction, at, status, topic, clientId, user, subscriberName } = record;
  return {
    resourceType: 'AuditEvent',
    type: { system: DCM, code: '110112', display: 'Query' },
    subtype: [{ system: 'urn:ihe:event-type-code', code: transaction, display: TRANSACTIONS[transaction] }],
    action: 'E',
    recorded: new Date(at).toISOString(),
    outcome: outcome(status),
    outcomeDesc: `HTTP ${status}`,
    agent: [
      { ...agent('source', user === undefined, clientId), ...(subscriberName && { name: subscriberName }) },
      agent('destination', false, hubUrl),
      ...(user ? [agent('user', true, user)] : []),
    ],
    source: { observer: { identifier: { value: hubUrl } } },
    entity: [
      {
        what: { identifier: { value: topic } },
        type: {
          system: 'http://terminology.hl7.org/CodeSystem/audit-entity-type',
          code: '2',
          display: 'System Object',
        },
        role: { system: 'http://terminology.hl7.org/CodeSystem/object-role', code: '24', display: 'Query' },
        description: 'hub.topic',
      },
    ],
  };
}

/** Appends audit records to a file, one JSON text a line. */
export class AuditFile implements AuditTrail {
  readonly #stream: WriteStream;
  readonly #hubUrl: string;

  /** @param failed told when records cannot be written: the file is on a full disk, say */
  constructor(path: string, hubUrl: string, failed: (error: unknown) => void) {
    this.#hubUrl = hubUrl;
    this.#stream = createWriteStream(path, { flags: 'a', mode: 0o600 });
    this.#stream.on('error', failed);
  }

  record(entry: AuditRecord): void {
    if (!this.#stream.destroyed) this.#stream.write(`${JSON.stringify(auditEvent(entry, this.#hubUrl))}\n`);
  }

  /** Resolves once everything has been written. */
  async close(): Promise<void> {
    if (this.#stream.destroyed) return;
    await new Promise<void>((resolve) => this.#stream.end(resolve));
  }
}
