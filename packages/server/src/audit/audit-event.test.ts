import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { auditEvent } from './audit-event.ts';
import type { AuditedAct } from './audited-act.ts';

const SERVER = 'https://hub.example';
const SUBSCRIBED = {
  act: 'subscribe',
  transaction: 'RAD-146',
  at: 0,
  status: 202,
  topic: 't',
  clientId: 'viewer',
} as const;

const role = (code: string, display: string): object => ({
  type: { coding: [{ system: 'http://dicom.nema.org/resources/ontology/DCM', code, display }] },
});

// biome-ignore lint/suspicious/noExplicitAny: tests look into records of every shape
const event = (done: object): any => auditEvent({ at: 0, status: 200, ...done } as AuditedAct, SERVER);

describe('audited acts as AuditEvents', () => {
  it('RAD-146 says who did what in which session', () => {
    assert.deepEqual(event({ ...SUBSCRIBED, user: 'Practitioner/1', subscriberName: 'Viewer', address: '192.0.2.1' }), {
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
          network: { address: '192.0.2.1', type: '2' },
        },
        {
          ...role('110152', 'Destination Role ID'),
          who: { identifier: { value: SERVER } },
          requestor: false,
          network: { address: 'hub.example', type: '1' },
        },
        {
          type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code: 'IRCP' }] },
          who: { reference: 'Practitioner/1' },
          requestor: true,
        },
      ],
      source: { observer: { identifier: { value: SERVER } } },
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

  it('name exactly one agent as who asked: the user, else the client, else the server', () => {
    const requestors = (done: object): readonly boolean[] =>
      event(done).agent.map(({ requestor }: { requestor: boolean }) => requestor);
    assert.deepEqual(requestors(SUBSCRIBED), [true, false]);
    assert.deepEqual(requestors({ ...SUBSCRIBED, user: 'dr.example' }), [false, false, true]);
    assert.deepEqual(requestors({ act: 'session-ended', topic: 't' }), [true]);
    assert.deepEqual(event({ ...SUBSCRIBED, user: 'dr.example' }).agent.at(-1).who, {
      identifier: { value: 'dr.example' },
    });
  });

  it('have the outcome that the status says', () => {
    const outcomes = [200, 206, 303, 401, 403, 503].map((status) => event({ ...SUBSCRIBED, status }).outcome);
    assert.deepEqual(outcomes, ['0', '0', '0', '4', '4', '8']);
  });

  it('BALP say of FHIR interactions what was read or written, of whom, and by which roles', () => {
    const fhir = (interaction: string, more: object = {}) =>
      event({
        act: 'fhir',
        clientId: 'viewer',
        address: '192.0.2.1',
        patients: ['p1', 'p2'],
        fhir: { interaction, type: 'Observation', ...more },
      });
    const cases = [
      ['read', 'R', '110152'],
      ['vread', 'R', '110152'],
      ['search-type', 'E', '110153'],
      ['create', 'C', '110153'],
      ['update', 'U', '110153'],
      ['delete', 'D', '110153'],
    ] as const;
    for (const [interaction, action, client] of cases) {
      const made = fhir(interaction, { id: 'o1' });
      assert.equal(made.type.code, 'rest');
      assert.deepEqual(made.subtype, [{ system: 'http://hl7.org/fhir/restful-interaction', code: interaction }]);
      assert.equal(made.action, action, interaction);
      assert.equal(made.agent[0].type.coding[0].code, client, interaction);
      assert.equal(made.entity.filter(({ type }: { type: { code: string } }) => type.code === '1').length, 2);
    }
    assert.equal(fhir('read', { id: 'o1' }).entity[0].what.reference, 'Observation/o1');
    assert.equal(fhir('read', { id: 'Ida Moreau' }).entity[0].what.reference, 'Observation');
    assert.equal(fhir('read', { type: 'Moreau', id: 'Ida' }).entity[0].what, undefined);
    const searched = fhir('search-type', { query: 'code=1&name=Ida' });
    assert.equal(searched.entity[0].what, undefined);
    assert.equal(Buffer.from(searched.entity[0].query, 'base64').toString(), 'Observation?code=1&name=');
  });
});
