/** Launches made by an outside EHR, and what an app is told of them (AUT-3, AUT-5, TOK-2). */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Backend, HubClient, type Json, sharedLockstep } from './harness.ts';
import { App, answerOf, fhir, Person, post, resources, returned } from './person.ts';

const { origin } = await sharedLockstep();
const viewer = await HubClient.backend(origin, 'system/*.rs', { scope: 'system/*.rs' });
const studies = await resources(origin, 'ImagingStudy?_count=50', viewer.token);
const [study] = studies;
const otherStudy = studies.find(({ subject }) => subject.reference !== study?.subject.reference);
const PATIENT = String(study?.subject.reference).replace('Patient/', '');

/** `POST /launch` with an EHR's own token. */
function launch(token: string, body: Json) {
  return answerOf(
    fetch(`${origin}/launch`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify(body),
    }),
  );
}

async function ehr(metadata: Json = {}): Promise<string> {
  const scope = 'launch hub/session.* fhircast/*.*';
  return (await Backend.register(origin, { scope, ...metadata })).token(scope);
}

describe('launches by an outside EHR', () => {
  it('AUT-3 an imaging study lands in fhirContext, with patient, encounter, banner, intent, tenant and topic', async () => {
    const token = await ehr();
    const hub = new HubClient(`${origin}/hub`, token);
    const topic = await hub.session('Practitioner/dr-lena-okafor', 'the EHR’s workstation');
    const app = await App.register(origin, 'symmetric');
    const encounter = String(study?.encounter.reference).replace('Encounter/', '');
    const { status, body } = await launch(token, {
      client_id: app.clientId,
      user: 'lokafor',
      patient: PATIENT,
      encounter,
      imaging_study: study?.id,
      topic,
      intent: 'reconcile',
      tenant: 'northfield',
      need_patient_banner: false,
    });
    assert.equal(status, 201, JSON.stringify(body));
    assert.ok(body.expires_in > 0 && body.expires_in <= 600);
    const person = new Person(origin);
    const told = await app.tokens(person, 'launch patient/*.rs fhircast/*.*', {}, { launch: body.launch });
    const reference = `ImagingStudy/${study?.id}`;
    assert.deepEqual(told.fhirContext, [{ reference }]);
    assert.deepEqual(
      [told.patient, told.encounter, told.need_patient_banner, told.intent, told.tenant, told['hub.topic']],
      [PATIENT, encounter, false, 'reconcile', 'northfield', topic],
    );
    const read = await fhir(origin, reference, told.access_token);
    assert.deepEqual([read.status, read.body.subject.reference], [200, `Patient/${PATIENT}`]);
    assert.equal((await fhir(origin, `ImagingStudy/${otherStudy?.id}`, told.access_token)).status, 403);
  });

  it('TOK-2 an app with the STU2 switch gets fhirContext as strings', async () => {
    const token = await ehr();
    const app = await App.register(origin, 'public', { stu2: true });
    const about = { user: 'Practitioner/dr-lena-okafor', patient: PATIENT, imaging_study: study?.id };
    const { body } = await launch(token, { client_id: app.clientId, ...about });
    const told = await app.tokens(new Person(origin), 'launch patient/*.rs', {}, { launch: body.launch });
    assert.deepEqual(told.fhirContext, [`ImagingStudy/${study?.id}`]);
  });

  it('SES-4 an EHR launches for the users, and into the sessions, that its registration names', async () => {
    const wide = await ehr();
    const hub = new HubClient(`${origin}/hub`, wide);
    const here = await hub.session('Practitioner/dr-mei-tanaka', 'oncology-1');
    const there = await hub.session('Practitioner/dr-mei-tanaka', 'oncology-2');
    const app = await App.register(origin);
    const narrow = await ehr({ session_users: ['MTANAKA'], session_workstations: ['oncology-1'] });
    const ask = (body: Json): Promise<{ status: number; body: Json }> =>
      launch(narrow, { client_id: app.clientId, user: 'mtanaka', ...body });
    assert.equal((await ask({ topic: here })).status, 201);
    const foreign = await ask({ topic: there });
    const missing = await ask({ topic: crypto.randomUUID() });
    assert.deepEqual([foreign.status, foreign.body], [400, missing.body], 'like what does not exist');
    const lena = await ask({ user: 'lokafor' });
    assert.deepEqual([lena.status, lena.body], [400, (await ask({ user: 'nobody' })).body]);
    const others = await new HubClient(`${origin}/hub`, wide).session('Practitioner/dr-lena-okafor', 'x');
    assert.equal((await launch(wide, { client_id: app.clientId, user: 'mtanaka', topic: others })).status, 400);
  });

  it('AUT-3 without the right token, or with parts that do not fit, no launch is made', async () => {
    const app = await App.register(origin);
    const token = await ehr();
    const good = { client_id: app.clientId, user: 'lokafor', patient: PATIENT };
    assert.equal((await launch('made-up', good)).status, 401);
    assert.equal((await launch(viewer.token, good)).status, 403, 'the scope launch is missing');
    const person = new Person(origin);
    await person.signIn();
    const own = await app.tokens(person, 'user/*.rs hub/session.write');
    assert.equal((await launch(own.access_token, good)).status, 403, 'an app of a person launches nobody');
    for (const wrong of [
      { patient: 'nobody' },
      { imaging_study: otherStudy?.id },
      { encounter: String(otherStudy?.encounter.reference).replace('Encounter/', '') },
      { patient: undefined, imaging_study: study?.id },
      { client_id: 'nobody' },
      { user: undefined },
      { need_patient_banner: 'yes' },
    ]) {
      const { status, body } = await launch(token, { ...good, ...wrong });
      assert.equal(status, 400, JSON.stringify(wrong));
      assert.equal(body.error, 'invalid_request');
      assert.ok(body.error_description.length > 10);
    }
    const form = await post(`${origin}/launch`, { client_id: app.clientId }, { authorization: `Bearer ${token}` });
    assert.equal(form.status, 400);
  });

  it('AUT-3 a launch is good for its person only, at every page of the flow', async () => {
    const token = await ehr();
    const app = await App.register(origin);
    const { body } = await launch(token, { client_id: app.clientId, user: 'lokafor', patient: PATIENT });
    const thief = new Person(origin);
    await thief.signIn('dr-mei-tanaka');
    const { url } = app.begin('launch patient/*.rs', { launch: body.launch });
    assert.equal(returned(await thief.go(url)).get('error'), 'access_denied');

    // Somebody else signs in at the browser while its consent page is open.
    const browser = new Person(origin);
    await browser.signIn('dr-lena-okafor');
    const page = await browser.go(app.begin('launch patient/*.rs', { launch: body.launch }).url);
    const { csrf } = await browser.signIn('dr-tomas-lindqvist');
    const forged = { ...page, text: page.text.replace(/name="csrf" value="[^"]*"/g, `name="csrf" value="${csrf}"`) };
    const end = await browser.submit(forged, { name: 'decision', value: 'allow' });
    if (end.url.startsWith(origin)) assert.ok(end.status >= 400, end.text);
    else assert.equal(returned(end).get('error'), 'access_denied');
    const rightful = new Person(origin);
    const again = app.begin('launch patient/*.rs', { launch: body.launch });
    const back = returned(await rightful.through(await rightful.go(again.url)));
    assert.ok(back.get('code'), 'and nobody has used it up');
  });
});
