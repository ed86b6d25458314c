/** The SMART JavaScript client of npm, unmodified, in Node: from the launch to the events of the session. */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { sharedGateway } from './gateway-rig.ts';
import { HubClient, type Json, patient, sharedLockstep } from './harness.ts';
import { App, type Choices, fhir, type Kind, Person, resources, USER } from './person.ts';

interface FhirClient {
  readonly patient: { readonly id: string; read(): Promise<Json> };
  readonly user: { readonly fhirUser: string; read(): Promise<Json> };
  readonly state: { readonly tokenResponse: Json };
  request(path: string): Promise<Json>;
  refresh(): Promise<{ readonly tokenResponse: Json }>;
}

interface Storage {
  get(key: string): Promise<unknown>;
  set(key: string, value: unknown): Promise<unknown>;
  unset(key: string): Promise<boolean>;
}

type Smart = (
  request: IncomingMessage,
  response: ServerResponse,
  storage: Storage,
) => { authorize(options: object): Promise<void>; ready(): Promise<FhirClient> };

const smart = createRequire(import.meta.url)('fhirclient') as Smart;
const SCOPE = 'openid fhirUser patient/*.read user/Practitioner.read fhircast/*.* offline_access';
const WAYS = [
  ['FHIR data of its own', (await sharedLockstep()).origin],
  ['a FHIR server behind it', (await sharedGateway()).gateway.origin],
] as const;

/** An app on a port of its own; `open` drives a launch to the client object that the app ends up with. */
class FhirClientApp {
  readonly address: string;
  app!: App;
  #settings: object = {};
  #settle: (client: FhirClient | Error) => void = () => undefined;

  constructor(address: string) {
    this.address = address;
  }

  static async start(t: TestContext, kind: Kind, origin: string): Promise<FhirClientApp> {
    const values = new Map<string, unknown>();
    const storage: Storage = {
      get: async (key) => values.get(key),
      set: async (key, value) => values.set(key, value),
      unset: async (key) => values.delete(key),
    };
    const server = createServer((request, response) => one.#answer(request, response, storage));
    await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
    t.after(() => {
      server.close();
      server.closeAllConnections();
    });
    const one = new FhirClientApp(`http://localhost:${(server.address() as AddressInfo).port}`);
    one.app = await App.register(origin, kind, {
      client_name: 'fhirclient',
      redirect_uris: [`${one.address}/callback`],
      launch_url: `${one.address}/launch`,
    });
    return one;
  }

  #answer(request: IncomingMessage, response: ServerResponse, storage: Storage): void {
    const api = smart(request, response, storage);
    const fail = (error: Error): void => {
      this.#settle(error);
      response.end();
    };
    if (request.url?.startsWith('/launch')) api.authorize(this.#settings).catch(fail);
    else {
      api.ready().then((client) => {
        this.#settle(client);
        response.end();
      }, fail);
    }
  }

  async open(person: Person, launchUrl: string, scope: string, choices: Choices = {}): Promise<FhirClient> {
    const { clientId, registration, privateJwk } = this.app;
    const clientPrivateJwk = privateJwk && { ...privateJwk, key_ops: ['sign'] };
    this.#settings = {
      clientId,
      clientSecret: registration.client_secret,
      ...(clientPrivateJwk && { clientPrivateJwk }),
      redirectUri: '/callback',
      scope,
    };
    const started = await fetch(launchUrl, { redirect: 'manual' });
    const back = await person.through(await person.go(started.headers.get('location') ?? ''), choices);
    const ended = new Promise<FhirClient | Error>((resolve) => {
      this.#settle = resolve;
    });
    await fetch(back.url);
    const client = await ended;
    if (client instanceof Error) throw client;
    return client;
  }
}

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
