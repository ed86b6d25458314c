/** Lockstep in front of HAPI FHIR's own server: searches, pages, scopes, changes and launches with real answers. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { describe, it } from 'node:test';
import { Backend, sharedLockstep } from '../packages/server/test/harness.ts';
import { App, fhir, Person } from '../packages/server/test/person.ts';
import { sharedFolder, startHapi } from './java.ts';

const PATIENTS = ['p1', 'p2'];
const CATEGORY = 'http://terminology.hl7.org/CodeSystem/observation-category';

const { base, stop } = await startHapi(sharedFolder());
const lockstep = await sharedLockstep({ sampleData: true, fhirUpstream: base });
const all = await token('system/*.cruds');

async function put(type: string, id: string, elements: object) {
  const response = await fetch(`${lockstep.origin}/fhir/${type}/${id}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${all}`, 'content-type': 'application/fhir+json' },
    body: JSON.stringify({ resourceType: type, id, ...elements }),
  });
  assert.ok(response.status === 200 || response.status === 201, `${response.status} ${await response.text()}`);
}

async function token(scope: string): Promise<string> {
  return (await Backend.register(lockstep.origin, { scope })).token(scope);
}

/** A token for one patient, by an EHR launch. */
async function tokenFor(patient: string, scope: string): Promise<string> {
  const app = await App.register(lockstep.origin);
  const person = new Person(lockstep.origin);
  const { session_topic: topic } = await person.signIn();
  return (await app.launched(person, `launch ${scope}`, { patient, topic })).access_token;
}

for (const id of PATIENTS) await put('Patient', id, { name: [{ family: `Novak-${id}` }] });
for (let n = 0; n < 24; n++) {
  await put('Observation', `o${n}`, {
    status: 'final',
    category: [{ coding: [{ system: CATEGORY, code: n % 3 === 0 ? 'vital-signs' : 'laboratory' }] }],
    code: { coding: [{ system: 'http://loinc.org', code: '8867-4' }] },
    subject: { reference: `Patient/${PATIENTS[n % 2]}` },
    valueQuantity: { value: 7.5, unit: 'mm' },
  });
}

interface Page {
  readonly entry?: readonly {
    readonly fullUrl: string;
    readonly resource: { readonly id: string; readonly subject?: { readonly reference: string } };
  }[];
  readonly link: readonly { readonly relation: string; readonly url: string }[];
}

/** All pages of a search. */
async function pages(path: string, bearer: string): Promise<string[]> {
  const found: string[] = [];
  for (let at: string | undefined = path, count = 0; at !== undefined && count < 20; count++) {
    const { status, body } = await fhir(lockstep.origin, at, bearer);
    assert.equal(status, 200, JSON.stringify(body));
    const page = body as Page;
    assert.ok(!JSON.stringify(page).includes(base), 'the server is not named');
    found.push(...(page.entry ?? []).map(({ resource }) => resource.id));
    at = page.link.find(({ relation }) => relation === 'next')?.url.replace(`${lockstep.origin}/fhir/`, '');
  }
  return found;
}

describe('in front of HAPI FHIR', () => {
  it('reads, versions and searches go through, page by page', async () => {
    const read = await fhir(lockstep.origin, 'Patient/p1', all);
    assert.deepEqual([read.status, read.body.name[0].family], [200, 'Novak-p1']);
    assert.deepEqual((await pages('Patient?name=Novak', all)).toSorted(), PATIENTS);
    assert.equal(new Set(await pages('Observation', all)).size, 24);
    assert.equal((await pages('Observation?_count=7&category=vital-signs', all)).length, 8);
    assert.equal((await fhir(lockstep.origin, 'Patient/p1/_history', all)).body.entry.length, 1);
    assert.equal((await fhir(lockstep.origin, 'Patient/nobody', all)).status, 404);
    const part = await fhir(lockstep.origin, 'Observation/o0?_elements=status', all);
    assert.deepEqual(Object.keys(part.body).toSorted(), ['code', 'id', 'meta', 'resourceType', 'status']);
    for (const query of [
      'Patient?birthdate=1980',
      'Observation?status=final',
      'Condition',
      'Observation?subject=Patient/p1',
      'Patient?_has:Observation:patient:nothing=x',
      'Observation?patient:Patient.nothing=x',
      'Patient?_elements=',
      'Patient?_elements=shoeSize',
      'Patient/p1?_elements=shoeSize',
    ]) {
      assert.ok([400, 404].includes((await fhir(lockstep.origin, query, all)).status), query);
    }
  });

  it('a patient’s token finds that patient alone, a granular one less', async () => {
    const own = await tokenFor('p1', 'patient/*.rs');
    const mine = Array.from({ length: 24 }, (_, n) => `o${n}`).filter((_, n) => n % 2 === 0);
    assert.deepEqual((await pages('Observation', own)).toSorted(), mine.toSorted());
    assert.deepEqual(await pages('Patient', own), ['p1']);
    assert.deepEqual(await pages('Observation?patient=p2', own), []);
    for (const path of ['Patient/p2', 'Observation/o1', 'Observation/o1/_history', 'Observation/o1/_history/1']) {
      assert.equal((await fhir(lockstep.origin, path, own)).status, 403, path);
    }
    const granular = await tokenFor('p1', `patient/Observation.rs?category=${CATEGORY}|vital-signs`);
    assert.deepEqual((await pages('Observation', granular)).toSorted(), ['o0', 'o12', 'o18', 'o6']);
    assert.equal((await fhir(lockstep.origin, 'Observation/o2', granular)).status, 403);
  });

  it('changes carry the version that was checked', async () => {
    const own = await tokenFor('p1', 'patient/*.cruds');
    const send = (method: string, path: string, body?: object, headers: Record<string, string> = {}) =>
      fetch(`${lockstep.origin}/fhir/${path}`, {
        method,
        headers: { authorization: `Bearer ${own}`, 'content-type': 'application/fhir+json', ...headers },
        ...(body && { body: JSON.stringify(body) }),
      });
    const one = {
      resourceType: 'Observation',
      status: 'final',
      code: { text: 'x' },
      subject: { reference: 'Patient/p1' },
    };
    const created = await send('POST', 'Observation', one);
    assert.equal(created.status, 201);
    const { id } = (await created.json()) as { id: string };
    assert.equal(created.headers.get('location'), `${lockstep.origin}/fhir/Observation/${id}/_history/1`);
    assert.equal((await send('PUT', `Observation/${id}`, { ...one, id, status: 'amended' })).status, 200);
    assert.equal((await send('PUT', `Observation/${id}`, { ...one, id }, { 'if-match': 'W/"1"' })).status, 412);
    assert.equal((await send('PUT', 'Observation/o1', { ...one, id: 'o1' })).status, 403);
    assert.equal((await send('DELETE', 'Observation/o1')).status, 403);
    assert.equal(
      (await send('PATCH', `Observation/${id}`, [], { 'content-type': 'application/json-patch+json' })).status,
      405,
    );
    assert.ok((await send('DELETE', `Observation/${id}`)).status < 300);
    assert.equal((await send('DELETE', 'Observation/never')).status, 204);
    const entry = [{ resource: one, request: { method: 'POST', url: 'Observation' } }];
    const transaction = await send('POST', '', { resourceType: 'Bundle', type: 'transaction', entry });
    assert.deepEqual([transaction.status, /no transactions/.test(await transaction.text())], [400, true]);
  });

  it('Medplum’s client reads and searches', async () => {
    const { MedplumClient } = createRequire(import.meta.url)('@medplum/core') as typeof import('@medplum/core');
    const client = new MedplumClient({ baseUrl: `${lockstep.origin}/`, fhirUrlPath: 'fhir', fetch });
    client.setAccessToken(all);
    assert.equal((await client.readResource('Patient', 'p2')).id, 'p2');
    const found = await client.searchResources('Observation', { patient: 'Patient/p2', _count: '5' });
    assert.equal(found.length, 5);
  });

  it('a server that is away is a 502 with an OperationOutcome', async () => {
    await stop();
    const { status, body } = await fhir(lockstep.origin, 'Patient/p1', all);
    assert.deepEqual([status, body.resourceType], [502, 'OperationOutcome']);
  });
});
