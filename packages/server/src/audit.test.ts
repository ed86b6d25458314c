import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { AuditFile, auditEvent } from './audit.ts';

const RECORD = { transaction: 'RAD-146', at: 0, status: 202, topic: 't', clientId: 'viewer' } as const;

const role = (code: string, display: string): object => ({
  type: { coding: [{ system: 'http://dicom.nema.org/resources/ontology/DCM', code, display }] },
});

describe('RAD-146, RAD-152 and RAD-153 are audited', () => {
  it('as AuditEvents that say who did what in which session', () => {
    const event = auditEvent({ ...RECORD, user: 'Practitioner/1', subscriberName: 'Viewer' }, 'https://hub/hub');
    assert.deepEqual(event, {
      resourceType: 'AuditEvent',
      type: { system: 'http://dicom.nema.org/resources/ontology/DCM', code: '110112', display: 'Query' },
      subtype: [{ system: 'urn:ihe:event-type-code', code: 'RAD-146', display: 'Subscribe to Reporting Session' }],
      action: 'E',
      recorded: '1970-01-01T00:00:00.000Z',
      outcome: '0',
      outcomeDesc: 'HTTP 202',
      agent: [
        {
          ...role('110153', 'Source Role ID'),
          who: { identifier: { value: 'viewer' } },
          requestor: false,
          name: 'Viewer',
        },
        {
          ...role('110152', 'Destination Role ID'),
          who: { identifier: { value: 'https://hub/hub' } },
          requestor: false,
        },
        {
          type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code: 'IRCP' }] },
          who: { reference: 'Practitioner/1' },
          requestor: true,
        },
      ],
      source: { observer: { identifier: { value: 'https://hub/hub' } } },
      entity: [
        {
          what: { identifier: { value: 't' } },
          type: {
            system: 'http://terminology.hl7.org/CodeSystem/audit-entity-type',
            code: '2',
            display: 'System Object',
          },
          role: { system: 'http://terminology.hl7.org/CodeSystem/object-role', code: '24', display: 'Query' },
          description: 'hub.topic',
        },
      ],
    });
  });

  it('with a backend as who asked, and a user whose name is no reference', () => {
    const agents = (more: object): readonly { requestor: boolean; who: object }[] =>
      (auditEvent({ ...RECORD, ...more }, 'x') as { agent: [] }).agent;
    assert.deepEqual(
      agents({}).map(({ requestor }) => requestor),
      [true, false],
    );
    assert.deepEqual(agents({ user: 'dr.example' }).at(-1)?.who, { identifier: { value: 'dr.example' } });
  });

  it('with the outcome that the status says', () => {
    const outcomes = [200, 206, 403, 503].map((status) => auditEvent({ ...RECORD, status }, 'x'));
    assert.deepEqual(
      outcomes.map((event) => (event as { outcome: string }).outcome),
      ['0', '0', '4', '8'],
    );
  });

  it('into a file that grows, a line a record', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'lockstep-audit-'));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const path = join(folder, 'audit.jsonl');
    for (const transaction of ['RAD-146', 'RAD-153'] as const) {
      const audit = new AuditFile(path, 'https://hub/hub', (error) => assert.fail(String(error)));
      audit.record({ ...RECORD, transaction });
      await audit.close();
    }
    const codes = readFileSync(path, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).subtype[0].code);
    assert.deepEqual(codes, ['RAD-146', 'RAD-153']);
  });

  it('and a file that cannot be written is told of, and stops nothing', async () => {
    const error = await new Promise<unknown>((resolve) => {
      const audit = new AuditFile('/no/such/folder/audit.jsonl', 'x', (one) => {
        audit.record(RECORD);
        resolve(one);
      });
      audit.record(RECORD);
    });
    assert.equal((error as NodeJS.ErrnoException).code, 'ENOENT');
  });
});
