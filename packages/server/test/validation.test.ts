/** PUB-5: published resources held against FHIR R4's definitions, where the configuration asks for it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FhirValidation } from '../src/validation/fhir-validation.ts';
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
    const validation = new FhirValidation();
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
        ]) {
          const headers = { authorization: `Bearer ${reader.token}` };
          const { entry } = await json(fetch(`${lockstep.origin}/fhir/${type}?_count=1000`, { headers }));
          assert.ok(entry.length > 0, type);
          for (const { resource } of entry) assert.equal(validation.problem(resource), undefined);
        }
      },
      { sampleData: true },
    );
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
