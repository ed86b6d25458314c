// The SMART JavaScript client of npm, unmodified, as a server-side app on a port of its own.
import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { exportJWK } from 'jose';
import { attempt, formsOf, registerApp, TestBrowser } from './browsing.ts';
import {
  assertion,
  assertionFields,
  type Json,
  makeKey,
  post,
  register,
  serve,
  startServer,
  type TestServer,
} from './harness.ts';

interface FhirClient {
  readonly patient: { readonly id: string; read(): Promise<Json> };
  readonly user: { readonly fhirUser: string; read(): Promise<Json> };
  readonly encounter: { readonly id: string | null };
  readonly state: { readonly tokenResponse: Json; readonly tokenUri: string };
  request(path: string): Promise<Json>;
  refresh(): Promise<{ readonly tokenResponse: Json }>;
}

interface SmartApi {
  authorize(options: object): Promise<void>;
  ready(): Promise<FhirClient>;
}

interface Storage {
  get(key: string): Promise<unknown>;
  set(key: string, value: unknown): Promise<unknown>;
  unset(key: string): Promise<boolean>;
}

const require = createRequire(import.meta.url);
const smart = require('fhirclient') as (
  request: IncomingMessage,
  response: ServerResponse,
  storage: Storage,
) => SmartApi;

function memory(): Storage {
  const values = new Map<string, unknown>();
  return {
    get: async (key) => values.get(key),
    set: async (key, value) => values.set(key, value),
    unset: async (key) => values.delete(key),
  };
}

const SCOPE = 'openid fhirUser patient/*.read user/Practitioner.read fhircast/*.read offline_access';

const KINDS = {
  public: async () => ({ key: undefined, metadata: { token_endpoint_auth_method: 'none' }, options: {} }),
  symmetric: async () => ({
    key: undefined,
    metadata: { token_endpoint_auth_method: 'client_secret_basic' },
    options: {},
  }),
  asymmetric: async () => {
    const key = await makeKey('ES384');
    const clientPrivateJwk = { ...(await exportJWK(key.privateKey)), kid: key.kid, alg: 'ES384', key_ops: ['sign'] };
    return {
      key,
      metadata: { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [key.publicJwk] } },
      options: { clientPrivateJwk },
    };
  },
};

/** Starts the app and registers it; `open` drives a launch to the client object that the app ends up with. */
async function startApp(t: Parameters<typeof serve>[0], server: TestServer, kind: keyof typeof KINDS) {
  const { metadata, options, key } = await KINDS[kind]();
  const storage = memory();
  let settle: (client: FhirClient | Error) => void = () => undefined;
  let settings: object = {};
  const { origin } = await serve(t, (request, response) => {
    const api = smart(request, response, storage);
    const fail = (error: Error) => {
      settle(error);
      response.end();
    };
    if (request.url?.startsWith('/launch')) {
      api.authorize(settings).catch(fail);
      return;
    }
    api.ready().then((client) => {
      settle(client);
      response.end('signed in');
    }, fail);
  });
  const { body } = await register(server, {
    client_name: 'fhirclient',
    redirect_uris: [`${origin}/callback`],
    launch_url: `${origin}/launch`,
    ...metadata,
  });
  const clientId = String(body.client_id);
  settings = { clientId, clientSecret: body.client_secret, redirectUri: '/callback', ...options };

  async function open(
    browser: TestBrowser,
    launchUrl: string,
    scope: string,
    choices: Parameters<TestBrowser['through']>[1],
  ): Promise<FhirClient> {
    settings = { ...settings, scope };
    const started = await fetch(launchUrl, { redirect: 'manual' });
    const back = await browser.through(await browser.go(started.headers.get('location') ?? ''), choices);
    const ended = new Promise<FhirClient | Error>((resolve) => {
      settle = resolve;
    });
    await fetch(back.url);
    const client = await ended;
    if (client instanceof Error) throw client;
    return client;
  }
  return { clientId, origin, open, key };
}

/** The patients that the picker offers, in its order. */
async function offeredPatients(server: TestServer): Promise<readonly string[]> {
  const app = await registerApp(server);
  const browser = new TestBrowser(server);
  await browser.signIn();
  const page = await browser.go(attempt(server, app, 'launch/patient').url);
  const buttons = formsOf(page).flatMap((form) => form.buttons);
  return buttons.filter(({ name }) => name === 'patient').map(({ value }) => value ?? '');
}

for (const kind of ['public', 'symmetric', 'asymmetric'] as const) {
  test(`fhirclient 2.6.3, ${kind}: EHR launch, standalone launch, patient, user, refresh`, async (t) => {
    const server = await startServer(t, { fhir: true });
    const app = await startApp(t, server, kind);
    const browser = new TestBrowser(server);
    const { session_topic: topic } = await browser.signIn();
    const [ida = '', omar = ''] = await offeredPatients(server);

    const { body: launch } = await browser.launch({ client_id: app.clientId, patient: ida, topic });
    const ehr = await app.open(browser, String(launch.launch_url), `launch ${SCOPE}`, {});
    assert.equal(ehr.patient.id, ida);
    assert.equal((await ehr.patient.read()).id, ida);
    const user = await ehr.user.read();
    assert.deepEqual([user.resourceType, user.id], ['Practitioner', 'dr-lena-okafor']);
    assert.equal(ehr.user.fhirUser, 'Practitioner/dr-lena-okafor');
    assert.equal(ehr.state.tokenResponse['hub.topic'], topic);

    const iss = encodeURIComponent(`${server.origin}/fhir`);
    const standalone = await app.open(browser, `${app.origin}/launch?iss=${iss}`, `launch/patient ${SCOPE}`, {
      patient: omar,
    });
    assert.equal(standalone.patient.id, omar);
    assert.equal((await standalone.patient.read()).id, omar);
    const studies = await standalone.request(`ImagingStudy?patient=${omar}`);
    assert.equal(studies.resourceType, 'Bundle');

    const before = standalone.state.tokenResponse.access_token;
    if (app.key) {
      // It sends no assertion with a refresh, and an asymmetric client must authenticate (TOK-4).
      const refreshToken = String(standalone.state.tokenResponse.refresh_token);
      await assert.rejects(standalone.refresh(), /invalid_client|401/);
      const fields = { grant_type: 'refresh_token', refresh_token: refreshToken };
      const proof = assertionFields(await assertion(server, app.key, app.clientId));
      assert.equal((await post(server, '/auth/token', { ...fields, ...proof })).status, 200);
      return;
    }
    const { tokenResponse } = await standalone.refresh();
    assert.notEqual(tokenResponse.access_token, before);
    assert.equal(tokenResponse.patient, omar);
    assert.equal((await standalone.patient.read()).id, omar);
  });
}
