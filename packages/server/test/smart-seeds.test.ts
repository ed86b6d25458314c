/** Every field of the tables and examples in the first drafts and STU1 of "App launch", as this server answers it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HubClient, type Json, json, patient, sharedLockstep, study } from './harness.ts';
import { App, Person, resources, returned } from './person.ts';

const { origin } = await sharedLockstep();
const HUB = `${origin}/hub`;
const TOPIC = /^[A-Za-z0-9-]{22,}$/;

const viewer = await HubClient.backend(origin, 'system/*.rs', { scope: 'system/*.rs' });
const [encounter] = await resources(origin, 'Encounter?_count=1', viewer.token);
const PATIENT = String(encounter?.subject.reference).replace('Patient/', '');
const ENCOUNTER = String(encounter?.id);

/** The request of the document's example, sent by an app that the EHR has launched. */
async function launched(scope: string, app: App) {
  const person = new Person(origin);
  const { session_topic: topic } = await person.signIn('dr-lena-okafor', 'reading-room-1');
  const { status, body } = await person.launch({
    client_id: app.clientId,
    patient: PATIENT,
    encounter: ENCOUNTER,
    intent: 'client-ui-name',
    topic,
  });
  assert.equal(status, 201);
  const { url, verifier } = app.begin(scope, { state: '98wrghuwuogerg97', launch: body.launch });
  const back = returned(await person.through(await person.go(url)));
  assert.equal(back.get('state'), '98wrghuwuogerg97', 'state comes back with the code, where OAuth has it');
  const { body: token } = await app.redeem(back.get('code') ?? '', verifier);
  return { token, topic };
}

/** An answer with what is different in every run replaced by what it must look like. */
function recorded(answer: Json): Json {
  return {
    ...answer,
    access_token: /^[\w-]{43}$/.test(answer.access_token) && '256 random bits',
    ...(answer.id_token && { id_token: answer.id_token.split('.').length === 3 && 'a JWT' }),
  };
}

describe('the drafts’ answers, field by field', () => {
  it('TOK-3 the first draft: cast-hub and cast-session beside intent, patient and encounter', async () => {
    const app = await App.register(origin, 'symmetric');
    const scope = 'fhircast launch patient/Observation.read patient/Patient.read openid profile';
    const { token, topic } = await launched(scope, app);
    assert.match(topic, TOPIC);
    assert.deepEqual(recorded(token), {
      access_token: '256 random bits',
      id_token: 'a JWT',
      token_type: 'Bearer',
      expires_in: 3600,
      scope,
      intent: 'client-ui-name',
      patient: PATIENT,
      encounter: ENCOUNTER,
      'cast-hub': HUB,
      'cast-session': `${HUB}/${topic}`,
      'hub.url': HUB,
      'hub.topic': topic,
      need_patient_banner: true,
      smart_style_url: `${origin}/auth/smart-style.json`,
    });
    // "The app then subscribes to the identified session."
    const subscriber = await new HubClient(token['cast-hub'], token.access_token).subscribe(
      token['cast-session'],
      'open-patient-chart,patient-open',
    );
    assert.equal((await subscriber.next())['hub.topic'], `${HUB}/${topic}`);
    await subscriber.close();
  });

  it('TOK-2 STU1: hub.url and hub.topic, with a scope for one event', async () => {
    const app = await App.register(origin, 'symmetric');
    const scope = 'fhircast/ImagingStudy-open.read launch patient/Observation.read patient/Patient.read openid profile';
    const { token, topic } = await launched(scope, app);
    assert.deepEqual(recorded(token), {
      access_token: '256 random bits',
      id_token: 'a JWT',
      token_type: 'Bearer',
      expires_in: 3600,
      scope,
      intent: 'client-ui-name',
      patient: PATIENT,
      encounter: ENCOUNTER,
      'hub.url': HUB,
      'hub.topic': topic,
      need_patient_banner: true,
      smart_style_url: `${origin}/auth/smart-style.json`,
    });
    const client = new HubClient(token['hub.url'], token.access_token);
    const subscriber = await client.subscribe(topic, 'ImagingStudy-open');
    const confirmation = await subscriber.next();
    assert.equal(confirmation['hub.events'], 'ImagingStudy-open');
    await subscriber.close();
    const opening = [patient('p1'), study('s1')];
    assert.equal((await client.publish(topic, 'ImagingStudy-open', opening)).status, 403, 'read is not write');
  });

  it('TOK-2 without an event of the hub none of the four is there: hub.url is not optional without a topic', async () => {
    const { token } = await launched('launch patient/Patient.read', await App.register(origin));
    assert.deepEqual(
      Object.keys(token).filter((name) => /hub|cast/.test(name)),
      [],
    );
  });

  it('SES-3 the session query: user, workstation, both, neither, placeholders, and what a session tells', async () => {
    const { token, topic } = await launched('launch fhircast patient/Patient.read', await App.register(origin));
    const service = await HubClient.backend(origin);
    const elsewhere = await service.session('Practitioner/dr-mei-tanaka', 'reading-room-2');
    const [resource] = await resources(origin, `Patient?_id=${PATIENT}`, token.access_token);
    assert.equal((await service.publish(topic, 'Patient-open', [{ key: 'patient', resource }])).status, 202);

    const caller = new HubClient(token['cast-hub'], token.access_token);
    const response = await caller.request('/session?user=?&workstation=?');
    assert.equal(response.status, 200);
    assert.match(response.headers.get('content-type') ?? '', /^application\/json/);
    const [session, ...others] = (await response.json()) as Json[];
    assert.deepEqual(others, [], 'the app’s user has one');
    const { started, context, ...fields } = session ?? {};
    assert.deepEqual(fields, {
      'hub.topic': topic,
      'hub.url': HUB,
      user: 'Practitioner/dr-lena-okafor',
      workstation: 'reading-room-1',
      subscribers: [],
    });
    assert.ok(Math.abs(Date.parse(started) - Date.now()) < 60_000);
    assert.equal(context['context.type'], 'Patient');
    assert.deepEqual(context.context[0].resource, resource, '"perhaps even the current content of the session"');

    const seen = async (query: string): Promise<string[]> =>
      (await json(service.request(`/session${query}`))).map((one: Json) => one['hub.topic']);
    assert.deepEqual(new Set(await seen('')), new Set([topic, elsewhere]));
    assert.deepEqual(new Set(await seen('?user=&workstation=')), new Set([topic, elsewhere]));
    assert.deepEqual(await seen('?user=Practitioner/dr-lena-okafor'), [topic]);
    assert.deepEqual(await seen('?workstation=reading-room-2'), [elsewhere]);
    assert.deepEqual(await seen('?user=Practitioner/dr-lena-okafor&workstation=reading-room-2'), []);
    assert.equal((await fetch(`${HUB}/session?user=?&workstation=?`)).status, 401);
  });

  it('LAU-1 the launch address holds iss and launch, and nothing of the patient', async () => {
    const app = await App.register(origin);
    const person = new Person(origin);
    await person.signIn();
    const { body } = await person.launch({ client_id: app.clientId, patient: PATIENT });
    const url = new URL(body.launch_url);
    assert.equal(url.origin + url.pathname, 'http://localhost:9090/launch');
    assert.deepEqual([...url.searchParams.keys()].sort(), ['iss', 'launch']);
    assert.equal(url.searchParams.get('iss'), `${origin}/fhir`);
    assert.equal(url.searchParams.get('launch'), body.launch);
    assert.ok(!url.href.includes(PATIENT));
    const metadata = await json(
      fetch(`${url.searchParams.get('iss')}/metadata`, { headers: { accept: 'application/json' } }),
    );
    assert.equal(metadata.resourceType, 'CapabilityStatement');
  });
});
