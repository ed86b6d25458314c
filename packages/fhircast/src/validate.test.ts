import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseEvent, parseUpdates, selectedReferences } from './index.ts';

const patient = { key: 'patient', resource: { resourceType: 'Patient', id: 'p1' } };
const report = { key: 'report', resource: { resourceType: 'DiagnosticReport', id: 'r1' } };
const study = { key: 'study', resource: { resourceType: 'ImagingStudy', id: 's1' } };
const encounter = { key: 'encounter', resource: { resourceType: 'Encounter', id: 'n1' } };
const reference = (key: string, text: string) => ({ key, reference: { reference: text } });

function body(event: string, context: unknown, more: object = {}): unknown {
  return {
    timestamp: '2026-01-08T01:37:05.140Z',
    id: 'e1',
    event: { 'hub.topic': 't', 'hub.event': event, context, ...more },
  };
}

function reason(value: unknown): string {
  const read = parseEvent(value);
  assert.equal(read.ok, false, 'was accepted');
  return read.ok ? '' : read.reason;
}

function accepted(value: unknown) {
  const read = parseEvent(value);
  assert.ok(read.ok, read.ok ? '' : read.reason);
  return read.value;
}

describe('PUB-1 envelope', () => {
  it('holds timestamp, id and event', () => {
    const good = body('Patient-open', [patient]) as Record<string, unknown>;
    for (const value of [undefined, null, 1, 'x', [], {}]) assert.ok(reason(value));
    for (const [field, values] of Object.entries({
      timestamp: [undefined, 5, '', 'yesterday', '2026-01-08', '2026-13-08T01:37:05Z', '2026-01-08T24:61:05Z', {}],
      id: [undefined, 5, '', 'x'.repeat(257), ' e1', 'e1\n', '\ud800', {}],
      event: [undefined, null, 'x', []],
    })) {
      for (const value of values) assert.match(reason({ ...good, [field]: value }), new RegExp(`^${field} `));
    }
  });

  it('has an event with topic, name and context', () => {
    assert.match(reason(body('Patient-open', [patient], { 'hub.topic': '' })), /hub\.topic/);
    assert.match(reason(body('Patient-open', [patient], { 'hub.topic': 5 })), /hub\.topic/);
    assert.match(reason(body('Patient-open', [patient], { 'hub.event': undefined })), /hub\.event/);
    assert.match(reason(body('Patient-peek', [patient])), /hub\.event/);
    assert.match(reason(body('Patient-open', patient)), /Patient-open.*array/);
    assert.match(reason(body('Patient-open', [5])), /"key"/);
    assert.match(reason(body('Patient-open', [patient], { 'context.versionId': 5 })), /versionId/);
  });

  it('takes the timestamps that the specification shows', () => {
    for (const timestamp of [
      '2018-01-08T01:37:05.14',
      '2019-11-25T13:16:00.00',
      '2020-09-07T15:02:03.651Z',
      '2020-09-07T15:02+02:00',
    ]) {
      assert.equal(accepted({ ...(body('Home-open', []) as object), timestamp }).message.timestamp, timestamp);
    }
  });

  it('WEB-5 takes the older spelling of the version', () => {
    assert.equal(
      accepted(body('Patient-open', [patient], { versionId: 'v1' })).message.event['context.versionId'],
      'v1',
    );
  });
});

describe('PUB-12 what goes out', () => {
  it('is rebuilt from the fields of an event', () => {
    const { message } = accepted({
      'hub.mode': 'denied',
      'hub.topic': 't',
      'hub.reason': 'x',
      'subscriber.name': 'x',
      __proto__: { polluted: true },
      ...(body('patient-open', [patient], { 'hub.mode': 'denied', 'context.priorVersionId': 'x', extra: 1 }) as object),
    });
    assert.deepEqual(message, {
      timestamp: '2026-01-08T01:37:05.140Z',
      id: 'e1',
      event: { 'hub.topic': 't', 'hub.event': 'Patient-open', context: [patient] },
    });
  });
});

describe('PUB-5 context', () => {
  const good: Record<string, readonly unknown[]> = {
    'Patient-open': [patient],
    'Patient-close': [patient],
    'Encounter-open': [encounter, patient],
    'ImagingStudy-open': [study],
    'ImagingStudy-close': [study, encounter, patient],
    'DiagnosticReport-open': [report, study, { ...study, resource: { ...study.resource, id: 's2' } }, patient],
    'DiagnosticReport-select': [reference('report', 'DiagnosticReport/r1'), reference('select', 'Observation/1')],
    'Home-open': [],
    SyncError: [{ key: 'operationoutcome', resource: { resourceType: 'OperationOutcome', issue: [] } }],
    UserLogout: [{ key: 'parameters', resource: { resourceType: 'Parameters' } }],
    UserHibernate: [{ key: 'parameters', resource: { resourceType: 'Parameters' } }],
    'Medication-open': [{ key: 'medication', resource: { resourceType: 'Medication', id: 'm' } }],
    'org.example.x': [5, null, { anything: [] }],
  };

  it('of every event is accepted as its table says', () => {
    for (const [event, context] of Object.entries(good)) accepted(body(event, context));
  });

  it('must have each required key: the reason names event, key and cardinality', () => {
    assert.equal(reason(body('Patient-open', [])), 'Patient-open: context key "patient" is required (1..1)');
    assert.match(reason(body('Encounter-open', [encounter])), /Encounter-open: context key "patient" is required/);
    assert.match(reason(body('DiagnosticReport-open', [report])), /"patient"/);
    assert.match(reason(body('SyncError', [])), /"operationoutcome"/);
    assert.match(reason(body('Patient-open', [{ ...patient, key: 'Patient' }])), /"patient" is required/);
  });

  it('must not repeat a key beyond its cardinality', () => {
    assert.match(reason(body('Patient-open', [patient, patient])), /"patient" may appear only once/);
    assert.match(reason(body('DiagnosticReport-open', [report, patient, encounter, encounter])), /"encounter"/);
  });

  it('must hold a resource where a resource is due, a reference where a reference is', () => {
    assert.match(reason(body('Patient-open', [reference('patient', 'Patient/p1')])), /"resource", not a "reference"/);
    const update = [report, { key: 'updates', resource: { resourceType: 'Bundle', type: 'transaction' } }];
    assert.match(reason(body('DiagnosticReport-update', update)), /"reference".*not a "resource"/);
    for (const resource of [null, 5, 'x', [patient.resource]]) {
      assert.match(reason(body('Patient-open', [{ key: 'patient', resource }])), /must carry a "resource"/);
    }
  });

  it('must hold the right type, with an id that can be referred to', () => {
    assert.match(
      reason(body('Patient-open', [{ ...report, key: 'patient' }])),
      /must hold a Patient resource, not "Diag/,
    );
    for (const id of [undefined, '', 5, 'a b', 'a/b', 'a?b', 'a#b', '\ud800', 'x'.repeat(257)]) {
      assert.match(
        reason(body('Patient-open', [{ key: 'patient', resource: { resourceType: 'Patient', id } }])),
        /"id"/,
      );
    }
    assert.match(
      reason(body('DiagnosticReport-select', [reference('report', 'Patient/1')])),
      /DiagnosticReport\/\{id\}/,
    );
    assert.match(reason(body('DiagnosticReport-select', [{ key: 'report', reference: [] }])), /one "reference"/);
  });

  it('of Home-open is empty', () => {
    assert.match(reason(body('Home-open', [patient])), /Home-open: event.context must be empty/);
  });

  it('CON-7 of a selection may name several resources, or none', () => {
    const anchor = reference('report', 'DiagnosticReport/r1');
    const selections = [
      [anchor],
      [anchor, { key: 'select' }],
      [anchor, { key: 'select', reference: [] }],
      [anchor, { key: 'select', reference: [{ reference: 'Observation/1' }, { reference: 'Observation/2' }] }],
      [anchor, reference('select', 'Observation/1'), reference('select', 'Observation/2')],
    ];
    const selected = selections.map((context) =>
      selectedReferences(accepted(body('DiagnosticReport-select', context)).message.event.context),
    );
    const two = ['Observation/1', 'Observation/2'];
    assert.deepEqual(selected, [[], [], [], two, two]);
    assert.match(reason(body('DiagnosticReport-select', [anchor, { key: 'select', reference: {} }])), /"select"/);
  });

  it('names the anchor', () => {
    assert.deepEqual(accepted(body('DiagnosticReport-open', [patient, report])).anchor, {
      type: 'DiagnosticReport',
      id: 'r1',
    });
    const select = [reference('report', 'https://x/fhir/DiagnosticReport/r1/_history/2')];
    assert.deepEqual(accepted(body('DiagnosticReport-select', select)).anchor, { type: 'DiagnosticReport', id: 'r1' });
    assert.equal(accepted(body('Home-open', [])).anchor, undefined);
  });
});

describe('PUB-6 hostile bodies', () => {
  it('are refused when nested beyond reason, however they are nested', () => {
    let arrays: unknown = [];
    let objects: unknown = {};
    for (let depth = 0; depth < 5000; depth++) {
      arrays = [arrays];
      objects = { x: objects };
    }
    assert.match(reason(body('org.example.x', [arrays])), /nested/);
    assert.match(reason(body('Patient-open', [{ ...patient, extra: objects }])), /nested/);
    assert.match(reason(body('Patient-open', [patient], { extra: objects })), /nested/);
    assert.match(reason({ ...(body('Patient-open', [patient]) as object), extra: arrays }), /nested/);
  });

  it('are refused when a key attacks JavaScript receivers', () => {
    const attack = JSON.parse(
      '{"key":"patient","resource":{"resourceType":"Patient","id":"1","a":[{"__proto__":{}}]}}',
    );
    assert.match(reason(body('Patient-open', [attack])), /__proto__/);
    assert.match(reason({ ...(body('Patient-open', [patient]) as object), extra: attack }), /__proto__/);
  });

  it('never make the reader throw', () => {
    const name = fc.constantFrom('Patient-open', 'DiagnosticReport-update', 'DiagnosticReport-select', 'SyncError');
    fc.assert(
      fc.property(
        name,
        fc.jsonValue(),
        fc.array(
          fc.record(
            {
              key: fc.constantFrom('patient', 'report', 'updates', 'select'),
              resource: fc.jsonValue(),
              reference: fc.jsonValue(),
            },
            { requiredKeys: ['key'] },
          ),
        ),
        (event, any, context) => {
          parseEvent(any);
          parseEvent(body(event, any));
          const read = parseEvent(body(event, context));
          if (read.ok) parseUpdates(read.value.message.event.context);
        },
      ),
    );
  });
});

describe('CON-1 updates', () => {
  const put = (id: string, more: object = {}) => ({
    request: { method: 'PUT' },
    resource: { resourceType: 'Observation', id },
    ...more,
  });
  const bundle = (entry: unknown, more: object = {}) => [
    { key: 'updates', resource: { resourceType: 'Bundle', type: 'transaction', entry, ...more } },
  ];
  const why = (entry: unknown, more: object = {}): string => {
    const read = parseUpdates(bundle(entry, more));
    assert.equal(read.ok, false, 'was accepted');
    return read.ok ? '' : read.reason;
  };

  it('are entries PUT with a resource, or DELETE naming one', () => {
    const read = parseUpdates(
      bundle([
        put('1', { fullUrl: 'urn:1' }),
        { request: { method: 'DELETE', url: 'Observation/2' } },
        { request: { method: 'DELETE' }, fullUrl: 'https://x/Observation/3' },
        { request: { method: 'DELETE' }, fullUrl: 'urn:uuid:4' },
      ]),
    );
    assert.deepEqual(read.ok && read.value, [
      {
        method: 'PUT',
        key: { type: 'Observation', id: '1' },
        resource: { resourceType: 'Observation', id: '1' },
        fullUrl: 'urn:1',
      },
      { method: 'DELETE', key: { type: 'Observation', id: '2' } },
      { method: 'DELETE', key: { type: 'Observation', id: '3' }, fullUrl: 'https://x/Observation/3' },
      { method: 'DELETE', fullUrl: 'urn:uuid:4' },
    ]);
    assert.deepEqual(parseUpdates(bundle(undefined)), { ok: true, value: [] });
  });

  it('are in one transaction Bundle', () => {
    assert.match(why([], { type: 'batch' }), /transaction/);
    assert.match(why({}), /array/);
    const none = parseUpdates([]);
    assert.match(none.ok ? '' : none.reason, /"updates" is required/);
  });

  it('are refused when an entry is anything else: the reason says which', () => {
    for (const entry of [
      null,
      {},
      { resource: put('1').resource },
      put('1', { request: { method: 'POST' } }),
      put('1', { request: { method: 'put' } }),
      put('1', { resource: undefined }),
      put('a b'),
      put('1', { resource: { resourceType: 'x y', id: '1' } }),
      put('1', { resource: { resourceType: 'Nonsense', id: '1' } }),
      put('1', { resource: { resourceType: 'observation', id: '1' } }),
      put('1', { resource: { resourceType: 'Observation' } }),
      put('1', { fullUrl: 5 }),
      { request: { method: 'DELETE' } },
      { request: { method: 'DELETE', url: 'Observation' } },
      { ...put('1'), request: { method: 'DELETE', url: 'Observation/1' } },
    ]) {
      assert.match(why([put('ok'), entry]), /Bundle\.entry\[1\]/, JSON.stringify(entry));
    }
  });

  it('name no resource twice, by whatever name', () => {
    assert.match(why([put('1'), put('1')]), /Observation\/1 appears more than once/);
    assert.match(why([put('1'), { request: { method: 'DELETE', url: 'Observation/1' } }]), /more than once/);
    assert.match(why([put('1', { fullUrl: 'urn:1' }), { request: { method: 'DELETE' }, fullUrl: 'urn:1' }]), /urn:1/);
    assert.ok(parseUpdates(bundle([put('1'), { ...put('1'), resource: { resourceType: 'Media', id: '1' } }])).ok);
  });
});
