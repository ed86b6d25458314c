/** FHR-3: `/fhir` in front of a FHIR server that exists already, as a whole: configuration, launches, restarts of that server. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { sharedGateway } from './gateway-rig.ts';
import { Backend, json } from './harness.ts';
import { App, fhir, Person } from './person.ts';

const { gateway, server } = await sharedGateway();
const { origin } = gateway;
const all = await (await Backend.register(origin, { scope: 'system/*.cruds' })).token('system/*.cruds');

/** The texts that are read as JSON until a search is answered, in this process: its Locksteps are here too. */
async function parsedFor(t: TestContext, address: string, bearer: string) {
  await fetch(address, { headers: { authorization: `Bearer ${bearer}` } }).then((response) => response.text());
  const { parse } = JSON;
  const texts: string[] = [];
  const mock = t.mock.method(JSON, 'parse', (text: string, reviver?: Parameters<typeof parse>[1]) => {
    texts.push(String(text));
    return parse(text, reviver);
  });
  const response = await fetch(address, { headers: { authorization: `Bearer ${bearer}` } });
  const answer = await response.text();
  mock.mock.restore();
  assert.equal(response.status, 200, answer);
  const { entry } = JSON.parse(answer) as { entry: { resource: { resourceType: string; id: string } }[] };
  return { texts, answer, found: entry.map(({ resource }) => resource) };
}

describe('FHR-3 with a FHIR server behind it', () => {
  it('Lockstep’s own token opens the server’s data, and the server’s tokens open nothing here', async () => {
    const { status, body } = await fhir(origin, 'Patient?name=obrien', all);
    assert.equal(status, 200);
    assert.equal(body.entry[0].fullUrl, `${origin}/fhir/Patient/liam-obrien`);
    assert.equal((await fhir(server.origin, 'Patient', all)).status, 401);
    const foreign = await (await Backend.register(server.origin, { scope: 'system/*.cruds' })).token('system/*.cruds');
    assert.equal((await fhir(origin, 'Patient', foreign)).status, 401);
  });

  it('what is written here is stored there', async () => {
    const body = JSON.stringify({ resourceType: 'Patient', id: 'new-here', name: [{ family: 'Novak' }] });
    const headers = { authorization: `Bearer ${all}`, 'content-type': 'application/fhir+json' };
    assert.equal((await fetch(`${origin}/fhir/Patient/new-here`, { method: 'PUT', headers, body })).status, 201);
    const there = await (await Backend.register(server.origin, { scope: 'system/*.rs' })).token('system/*.rs');
    assert.equal((await fhir(server.origin, 'Patient/new-here', there)).body.name[0].family, 'Novak');
  });

  it('metadata and smart-configuration are Lockstep’s, with what the server can do', async () => {
    const statement = await json(fetch(`${origin}/fhir/metadata`));
    assert.equal(statement.implementation.url, `${origin}/fhir`);
    assert.ok(!JSON.stringify(statement).includes(server.origin));
    const smart = await json(fetch(`${origin}/fhir/.well-known/smart-configuration`));
    assert.ok(smart.token_endpoint.startsWith(origin));
  });

  it('AUT-3 an EHR launch names a patient of the server, and its token reads that patient alone', async () => {
    const app = await App.register(origin);
    const person = new Person(origin);
    const { session_topic: topic } = await person.signIn();
    const context = { patient: 'amara-diallo', topic };
    const tokens = await app.launched(person, 'launch patient/*.rs openid fhirUser', context);
    assert.equal(tokens.patient, 'amara-diallo');
    assert.equal((await fhir(origin, 'Patient/amara-diallo', tokens.access_token)).status, 200);
    assert.equal((await fhir(origin, 'Patient/kofi-mensah', tokens.access_token)).status, 403);
    const found = await fhir(origin, 'Observation?_count=500', tokens.access_token);
    assert.ok(found.body.entry.length > 0);
    for (const { resource } of found.body.entry) assert.equal(resource.subject.reference, 'Patient/amara-diallo');
  });

  it('FHR-6 a granular search of one patient parses no resource twice, and in front of a server none at all', async (t) => {
    const scope = 'patient/Observation.rs?category=vital-signs';
    const tokenOf = async (at: string) => {
      const person = new Person(at);
      const { session_topic: topic } = await person.signIn();
      const app = await App.register(at);
      return (await app.launched(person, `launch ${scope}`, { patient: 'amara-diallo', topic })).access_token;
    };
    const wholes = (texts: readonly string[]) =>
      texts
        .filter((text) => text.includes('"resourceType":"Observation"'))
        .map((text) => /"id":"([^"]+)"/.exec(text)?.[1]);
    const own = await parsedFor(t, `${server.origin}/fhir/Observation`, await tokenOf(server.origin));
    const ids = own.found.map(({ id }) => id);
    assert.ok(ids.length > 3);
    const read = wholes(own.texts);
    assert.equal(new Set(read).size, read.length, `parsed twice: ${read.join()}`);
    for (const id of ids) assert.ok(read.includes(id), `${id} is not seen to be parsed: the count counts nothing`);

    const passed = await parsedFor(t, `${origin}/fhir/Observation`, await tokenOf(origin));
    assert.deepEqual(passed.found.map(({ id }) => id).toSorted(), ids.toSorted());
    // The server behind reads what it has once: the gateway adds only parts, such as whose a resource is.
    const both = wholes(passed.texts);
    assert.deepEqual(both.toSorted(), read.toSorted());
    const parts = passed.texts.filter((text) => !text.includes('"resourceType"')).join('');
    assert.ok(parts.length < passed.answer.length, `${parts.length} of ${passed.answer.length} characters`);
  });
});
