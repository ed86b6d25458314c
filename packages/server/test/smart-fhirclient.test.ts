/** The SMART JavaScript client of npm, unmodified, in Node: from the launch to the events of the session. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FhirClientApp } from './fhirclient-app.ts';
import { gatewayBelowAPath, sharedGateway } from './gateway-rig.ts';
import { HubClient, type Json, patient, sharedLockstep } from './harness.ts';
import { fhir, Person, resources, USER } from './person.ts';

const SCOPE = 'openid fhirUser patient/*.read user/Practitioner.read fhircast/*.* offline_access';
const WAYS = [
  ['FHIR data of its own', (await sharedLockstep()).origin],
  ['a FHIR server behind it', (await sharedGateway()).gateway.origin],
  ['a FHIR server behind it, below a path', await gatewayBelowAPath()],
] as const;

/** Follows the session that came with a token, and sees an event that the person's EHR sends. */
async function follows(tokenResponse: Json, sender: HubClient, origin: string): Promise<void> {
  const { 'hub.url': hubUrl, 'hub.topic': topic, access_token: token } = tokenResponse;
  assert.equal(hubUrl, `${origin}/hub`);
  const follower = await new HubClient(hubUrl, token).subscribe(topic, 'Patient-open,Patient-close');
  const confirmation = await follower.next();
  assert.deepEqual([confirmation['hub.mode'], confirmation['hub.topic']], ['subscribe', topic]);
  assert.equal((await sender.publish(topic, 'Patient-open', [patient(tokenResponse.patient)])).status, 202);
  const { event } = await follower.event();
  assert.equal(event['hub.event'], 'Patient-open');
  assert.equal(event.context[0].resource.id, tokenResponse.patient);
  const own = new HubClient(hubUrl, token);
  assert.equal((await own.publish(topic, 'Patient-close', [patient(tokenResponse.patient)])).status, 202);
  assert.equal((await follower.event()).event['hub.event'], 'Patient-close', 'it may drive, too');
  await follower.close();
}

for (const [way, origin] of WAYS) {
  describe(`fhirclient in Node, with ${way}`, () => {
    for (const kind of ['public', 'symmetric', 'asymmetric'] as const) {
      it(`TOK-1 ${kind}: EHR and standalone launch, patient, user, refresh, and the session's events`, async (t) => {
        const ehr = await HubClient.backend(origin);
        const all = await HubClient.backend(origin, 'system/Patient.rs', { scope: 'system/Patient.rs' });
        const [first, second] = await resources(origin, 'Patient?_count=2', all.token);
        const app = await FhirClientApp.start(t, kind, origin);
        const person = new Person(origin);
        const { session_topic: topic } = await person.signIn();

        const { body } = await person.launch({ client_id: app.app.clientId, patient: first?.id, topic });
        const launched = await app.open(person, body.launch_url, `launch ${SCOPE}`);
        assert.equal(launched.patient.id, first?.id);
        assert.equal((await launched.patient.read()).id, first?.id);
        const user = await launched.user.read();
        assert.deepEqual([user.resourceType, user.id], ['Practitioner', USER]);
        assert.equal(launched.state.tokenResponse['hub.topic'], topic);
        await follows(launched.state.tokenResponse, ehr, origin);

        const iss = encodeURIComponent(`${origin}/fhir`);
        const start = `${app.address}/launch?iss=${iss}`;
        const alone = await app.open(person, start, `launch/patient ${SCOPE}`, { patient: second?.id });
        assert.equal((await alone.patient.read()).id, second?.id);
        assert.equal((await alone.request(`ImagingStudy?patient=${second?.id}`)).resourceType, 'Bundle');
        const before = { ...alone.state.tokenResponse };
        assert.equal(before['hub.topic'], topic, 'the one session that the person has');

        if (kind === 'asymmetric') {
          // It sends no assertion with a refresh, and an asymmetric client must authenticate (TOK-4).
          await assert.rejects(alone.refresh(), /invalid_client|401/);
          const { status, body: next } = await app.app.refresh(before.refresh_token);
          assert.equal(status, 200);
          await follows(next, ehr, origin);
          return;
        }
        const { tokenResponse } = await alone.refresh();
        assert.notEqual(tokenResponse.access_token, before.access_token);
        assert.equal(tokenResponse.patient, second?.id);
        assert.equal((await alone.patient.read()).id, second?.id);
        await follows(tokenResponse, ehr, origin);
        // The first window's token still is the first patient's (AUT-3).
        const { access_token: old } = launched.state.tokenResponse;
        assert.equal((await fhir(origin, `Patient/${first?.id}`, old)).status, 200);
        assert.equal((await fhir(origin, `Patient/${second?.id}`, old)).status, 403);
      });
    }
  });
}
