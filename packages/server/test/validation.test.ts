/** PUB-5, FHR-7: published resources held against FHIR R4's definitions, as stored ones are. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RESOURCE_TYPES } from '@lockstep/fhir';
import { R4Validator } from '@lockstep/r4';
import fc from 'fast-check';
import {
  HubClient,
  type Json,
  json,
  observation,
  patient,
  put,
  sharedLockstep,
  updates,
  withLockstep,
} from './harness.ts';

const { origin } = await sharedLockstep({ validation: 'fhir' });
const hub = await HubClient.backend(origin);

const code = { text: 'Chest' };
const subject = { reference: 'Patient/p1' };
const report: Json = {
  key: 'report',
  resource: {
    resourceType: 'DiagnosticReport',
    id: 'r1',
    status: 'unknown',
    code,
    subject: { reference: 'Patient/p1' },
  },
};
const anchor = { key: 'report', reference: { reference: 'DiagnosticReport/r1' } };

async function refused(response: Response | Promise<Response>): Promise<string> {
  const { status, headers } = await response;
  assert.deepEqual([status, headers.get('content-type')], [400, 'text/plain; charset=utf-8']);
  return (await (await response).text()).trim();
}

describe('PUB-5 with validation', () => {
  it('a context is refused with key, path and rule, and changes nothing', async () => {
    const topic = await hub.session();
    const { gender, ...rest } = { ...patient('p1').resource, gender: 'unclear' };
    const wrong = { key: 'patient', resource: { ...rest, gender } };
    assert.equal(
      await refused(hub.publish(topic, 'Patient-open', [wrong])),
      'Patient-open: context key "patient": Patient.gender must be one of male, female, other, unknown',
    );
    assert.equal(
      await refused(
        hub.publish(topic, 'Patient-open', [patient('p1'), { key: 'extra', resource: { resourceType: 'Group' } }]),
      ),
      'Patient-open: context key "extra": Group.type is required',
    );
    assert.deepEqual(await hub.context(topic), { 'context.type': '', context: [] });
    assert.equal((await hub.publish(topic, 'Patient-open', [patient('p1')])).status, 202);
  });

  it('an update is refused whole with the number of its entry; the Bundle around it keeps to FHIRcast', async () => {
    const topic = await hub.session();
    assert.equal((await hub.publish(topic, 'DiagnosticReport-open', [report, patient('p1')])).status, 202);
    const more = async () => ({ 'context.versionId': (await hub.context(topic))['context.versionId'] });
    const good = { ...observation('o1'), code };
    // The catalog's own examples leave request.url out.
    const bundle = (...resources: Json[]) =>
      updates(...resources.map((resource) => ({ request: { method: 'PUT' }, resource })));
    const update = async (...resources: Json[]) =>
      hub.publish(topic, 'DiagnosticReport-update', [anchor, bundle(...resources)], await more());
    assert.equal(
      await refused(update(good, observation('o2'))),
      'DiagnosticReport-update: context key "updates": Bundle.entry[1].resource: Observation.code is required',
    );
    assert.deepEqual((await hub.context(topic)).context.at(-1).resource.entry, []);
    assert.equal((await update(good)).status, 202);
  });

  it('CWE-400 a large event is not looked into in the event loop, and is refused in the same words', async (t) => {
    const here = t.mock.method(R4Validator.prototype, 'problem');
    const topic = await hub.session();
    const component = Array.from({ length: 100 }, () => ({ code, valueString: 'x' }));
    const large = (id: string, more: Json = {}): Json => ({ ...observation(id), code, component, ...more });
    const extra = (resource: Json): Json => ({ key: 'extra', resource });
    const open = (...context: readonly Json[]) =>
      hub.publish(topic, 'DiagnosticReport-open', [report, patient('p1'), ...context]);
    assert.equal(
      await refused(open(extra(large('o1', { status: 'done' })))),
      'DiagnosticReport-open: context key "extra": Observation.status must be one of registered, preliminary, final, amended, corrected, cancelled, entered-in-error, unknown',
    );
    // Many resources that are small each.
    const small = Array.from({ length: 100 }, (_, n) => extra({ ...observation(`s${n}`), code }));
    assert.equal(
      await refused(open(...small, extra(observation('last')))),
      'DiagnosticReport-open: context key "extra": Observation.code is required',
    );
    assert.equal((await open(extra(large('o1')), ...small)).status, 202);
    const more = { 'context.versionId': (await hub.context(topic))['context.versionId'] };
    const bundle = updates(...small.map(({ resource }) => put(resource)), put(observation('wrong')));
    assert.equal(
      await refused(hub.publish(topic, 'DiagnosticReport-update', [anchor, bundle], more)),
      'DiagnosticReport-update: context key "updates": Bundle.entry[100].resource: Observation.code is required',
    );
    const good = updates(...small.map(({ resource }) => put(resource)), put(large('o2')));
    assert.equal((await hub.publish(topic, 'DiagnosticReport-update', [anchor, good], more)).status, 202);
    const close = [extra({ resourceType: 'Observation', id: 'o1', component: component.map(() => ({ code })) })];
    assert.equal((await hub.publish(topic, 'DiagnosticReport-close', [report, patient('p1'), ...close])).status, 202);
    assert.equal(here.mock.callCount(), 0);
  });

  it('what IHE IRA shares from R5 passes, and so do events of the Hub itself and of others own', async () => {
    const topic = await hub.session();
    await hub.publish(topic, 'DiagnosticReport-open', [report, patient('p1')]);
    const more = { 'context.versionId': (await hub.context(topic))['context.versionId'] };
    const selection = {
      resourceType: 'ImagingSelection',
      id: 's1',
      status: 'available',
      code,
      instance: [{ uid: '1.2' }],
    };
    const derived = { ...observation('o1'), code, derivedFrom: [{ reference: 'ImagingSelection/s1' }] };
    const update = [anchor, updates(put(selection), put(derived))];
    assert.equal((await hub.publish(topic, 'DiagnosticReport-update', update, more)).status, 202);
    assert.equal(
      (await hub.publish(topic, 'org.example.x', [{ key: 'x', resource: { resourceType: 'X' } }])).status,
      202,
    );
    const logout = { key: 'parameters', resource: { resourceType: 'Parameters' } };
    assert.equal((await hub.publish(topic, 'UserLogout', [logout])).status, 202);
  });

  it('all that is among the invented patients is good FHIR', async () => {
    const validator = new R4Validator();
    await withLockstep(
      async (lockstep) => {
        const reader = await HubClient.backend(lockstep.origin, 'system/*.rs', { scope: 'system/*.rs' });
        for (const type of [
          'Patient',
          'Encounter',
          'ImagingStudy',
          'DiagnosticReport',
          'Observation',
          'Practitioner',
          'Organization',
          'Endpoint',
          'Condition',
          'ServiceRequest',
        ]) {
          const headers = { authorization: `Bearer ${reader.token}` };
          const { entry } = await json(fetch(`${lockstep.origin}/fhir/${type}?_count=1000`, { headers }));
          assert.ok(entry.length > 0, type);
          for (const { resource } of entry) assert.equal(validator.problem(resource), undefined);
        }
      },
      { sampleData: true },
    );
  });
});

describe('FHR-7 the endpoint and the Hub give one verdict', async () => {
  const writer = await HubClient.backend(origin, 'system/*.cud', { scope: 'system/*.cruds' });

  /** What the endpoint says about a resource that is to be stored. */
  async function stored(resource: Json, at = origin, { token } = writer): Promise<string> {
    const response = await fetch(`${at}/fhir/${resource.resourceType}/${resource.id}`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/fhir+json' },
      body: JSON.stringify(resource),
    });
    const answer = await json(response);
    return response.status === 400 ? answer.issue[0].diagnostics.replace(/\.$/, '') : String(response.status < 300);
  }

  /** What the Hub says about it as the anchor of an open. */
  async function published(topic: string, resource: Json, peer = hub): Promise<string> {
    const key = resource.resourceType.toLowerCase();
    const context = [{ key, resource }];
    const response = await peer.publish(topic, `${resource.resourceType}-open`, context);
    if (response.status !== 400) return String(response.status === 202);
    return (await response.text()).trim().replace(/^[^:]+: context key "[^"]+": /, '');
  }

  const fine = { resourceType: 'Observation', id: 'o1', status: 'final', code };
  const service = { resourceType: 'ServiceRequest', id: 's1', status: 'active', intent: 'order', subject };
  const probes: readonly Json[] = [
    fine,
    service,
    { ...fine, valueQuantity: { value: 7.1 } },
    { ...fine, _valueString: { extension: [{ url: 'http://example.org/x', valueCode: 'unknown' }] } },
    { ...fine, code: undefined },
    { ...fine, status: 'done' },
    { ...fine, shoeSize: 43 },
    { ...fine, valueQuantity: { value: 1 }, valueString: 'x' },
    { ...fine, valueAddress: { city: 'x' } },
    { ...fine, value: 'x' },
    { ...fine, _code: { id: 'x' } },
    { ...fine, effectiveDateTime: '2026-02-30' },
    { ...fine, effectiveDateTime: '2026-02-03T10:00' },
    { ...fine, issued: '2026-02-03' },
    { ...fine, note: [{}] },
    { ...fine, note: [] },
    { ...fine, note: [{ text: ' ' }] },
    { ...fine, category: { text: 'x' } },
    { ...fine, subject: { reference: 'Nothing/1' } },
    { ...fine, subject: { reference: 'Patient' } },
    { ...fine, subject: 'Patient/1' },
    { ...fine, text: { status: 'generated' } },
    { ...fine, text: { status: 'generated', div: '<p>x</p>' } },
    { ...fine, valueString: 'x', dataAbsentReason: { text: 'y' } },
    { ...fine, component: [{ code, valueQuantity: { value: '1', comparator: '=' } }] },
    { ...fine, contained: [{ resourceType: 'Patient', name: [{ use: 'main' }] }] },
    { ...fine, contained: [{ resourceType: 'ImagingSelection', id: 'x', what: 1 }] },
    { ...fine, contained: [{ id: 'x' }] },
    { ...fine, constructor: 'x' },
    { ...fine, extension: [{ url: 'http://example.org/x', valueString: 'a', valueCode: 'b' }] },
    { ...service, intent: 'wish' },
    { ...service, priority: 'soon' },
    { ...service, occurrenceDateTime: '2026', occurrencePeriod: { start: '2026' } },
    { ...service, quantityQuantity: { value: '1' } },
    { ...service, insurance: [{ reference: 'javascript:alert(1)' }] },
    { resourceType: 'Organization', id: 'x' },
    { resourceType: 'Endpoint', id: 'x', status: 'active' },
    { resourceType: 'Condition', id: 'x', subject, onsetString: 'x', onsetDateTime: '2026' },
  ];

  it('on resources right and wrong', async () => {
    const topic = await hub.session();
    const verdicts = new Set<boolean>();
    for (const probe of probes) {
      const verdict = await stored(probe);
      assert.equal(await published(topic, probe), verdict, JSON.stringify(probe));
      verdicts.add(verdict === 'true');
    }
    assert.deepEqual(verdicts, new Set([true, false]));
  });

  it('on every type that is stored, with each of its elements wrong or missing', async () => {
    // FHIRcast's own opens of these ask for more than the anchor.
    const more = ['Patient', 'Encounter', 'ImagingStudy', 'DiagnosticReport'];
    const types = RESOURCE_TYPES.filter((type) => !more.includes(type));
    await withLockstep(
      async (lockstep) => {
        const peer = await HubClient.backend(lockstep.origin);
        const keeper = await HubClient.backend(lockstep.origin, 'system/*.cruds', { scope: 'system/*.cruds' });
        const topic = await peer.session();
        for (const type of types) {
          const headers = { authorization: `Bearer ${keeper.token}` };
          const { entry } = await json(fetch(`${lockstep.origin}/fhir/${type}?_count=1`, { headers }));
          const { meta, ...kept } = entry[0].resource;
          const elements = Object.keys(kept).filter((name) => name !== 'resourceType' && name !== 'id');
          const changes: readonly Json[] = [
            {},
            { meta: { versionId: 7 } },
            { meta: { lastUpdated: 'yesterday' } },
            { implicitRules: 'x y' },
            { contained: [{ resourceType: type, id: 'c', shoe: 1 }] },
            { modifierExtension: [{ url: 'http://example.org/x' }] },
            { text: { status: 'generated', div: '<div><script>1</script></div>' } },
            ...elements.map((name, index) => ({ [name]: index % 2 === 0 ? undefined : 7 })),
          ];
          for (const change of changes) {
            const probe = { ...kept, ...change };
            const said = JSON.stringify([type, change]);
            assert.equal(await published(topic, probe, peer), await stored(probe, lockstep.origin, keeper), said);
          }
        }
      },
      { validation: 'fhir', sampleData: true },
    );
  });

  it('on resources with anything in any element', async () => {
    const topic = await hub.session();
    const name = fc.constantFrom(
      'status',
      'code',
      'note',
      'valueString',
      '_status',
      'subject',
      'extension',
      'meta',
      'zzz',
    );
    const value = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom<unknown>('final', [{ text: 'x' }], { text: 'x' }),
    );
    await fc.assert(
      fc.asyncProperty(name, value, async (member, odd) => {
        const probe = { ...fine, [member]: odd };
        assert.equal(await published(topic, probe), await stored(probe));
      }),
      { numRuns: 60 },
    );
  });
});

describe('FHR-7 with IHE IRA', async () => {
  const ira = await sharedLockstep({ validation: 'fhir', profile: 'ira' });
  const peer = await HubClient.backend(ira.origin);
  const study = [{ reference: 'ImagingStudy/s1' }];
  const later = { key: 'report', resource: { ...report.resource, study } };
  const imaging = { key: 'study', resource: { resourceType: 'ImagingStudy', id: 's1', status: 'available', subject } };

  it('an open with DiagnosticReport.study passes, and is refused without it by name of the element', async () => {
    const topic = await peer.session();
    const open = [later, patient('p1'), imaging];
    assert.equal((await peer.publish(topic, 'DiagnosticReport-open', open)).status, 202);
    const core = await hub.publish(await hub.session(), 'DiagnosticReport-open', open);
    assert.equal(
      await refused(core),
      'DiagnosticReport-open: context key "report": DiagnosticReport.study is no element that FHIR R4 has',
    );
  });

  it('closes may name their resources by type and id alone; what is there must be right', async () => {
    for (const [one, anchor] of [
      [peer, later],
      [hub, report],
    ] as const) {
      const topic = await one.session();
      const open = [anchor, patient('p1'), imaging];
      assert.equal((await one.publish(topic, 'DiagnosticReport-open', open)).status, 202);
      const short = (type: string, id: string, more: Json = {}) => ({ resourceType: type, id, ...more });
      const close = (more: Json) => [
        { key: 'report', resource: short('DiagnosticReport', 'r1', more) },
        { key: 'patient', resource: short('Patient', 'p1') },
        { key: 'study', resource: short('ImagingStudy', 's1') },
      ];
      const odd = await one.publish(topic, 'DiagnosticReport-close', close({ status: 'over' }));
      assert.match(await refused(odd), /DiagnosticReport\.status must be one of/);
      assert.equal((await one.publish(topic, 'DiagnosticReport-close', close({}))).status, 202);
    }
  });
});

describe('FHR-7 the client says R5', async () => {
  it('by the fhirVersion of its content type, or by a profile of IHE IRA', async () => {
    const writer = await HubClient.backend(origin, 'system/*.cud', { scope: 'system/*.cruds' });
    const later = { ...report.resource, study: [{ reference: 'ImagingStudy/s1' }] };
    const profile = ['https://profiles.ihe.net/RAD/IRA/StructureDefinition/diagnosticreportcontext'];
    for (const [type, body, status] of [
      ['application/fhir+json', later, 400],
      ['application/fhir+json; fhirVersion=4.0', later, 400],
      ['application/fhir+json; fhirVersion=5.0', later, 201],
      ['application/fhir+json', { ...later, meta: { profile } }, 200],
    ] as const) {
      const response = await fetch(`${origin}/fhir/DiagnosticReport/r1`, {
        method: 'PUT',
        headers: { authorization: `Bearer ${writer.token}`, 'content-type': type },
        body: JSON.stringify(body),
      });
      assert.equal(response.status, status, type);
    }
  });
});

it('PUB-5 without it, resources are looked into as far as the catalog asks', async () => {
  await withLockstep(async (lockstep) => {
    const plain = await HubClient.backend(lockstep.origin);
    const topic = await plain.session();
    const odd = { key: 'patient', resource: { resourceType: 'Patient', id: 'p1', nickname: 1 } };
    assert.equal((await plain.publish(topic, 'Patient-open', [odd])).status, 202);
  });
});
