/** Lockstep between a real Keycloak and a real HAPI FHIR server: whose tokens open what, and what ends them. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, request as passOn, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { MedplumClient } from 'medplum-core-5';
import * as openid from 'openid-client';
import { fhirKitFlow, openidFlow } from '../packages/server/test/client-flows.ts';
import { FhirClientApp } from '../packages/server/test/fhirclient-app.ts';
import { HubClient, patient, sharedLockstep } from '../packages/server/test/harness.ts';
import { App, fhir, Person } from '../packages/server/test/person.ts';
import { freePort, sharedFolder, startHapi, startKeycloak } from './java.ts';

const PASSWORD = 'invented';
const folder = sharedFolder();
const [keycloakPort, lockstepPort] = [await freePort(), await freePort()];
const lockstepOrigin = `http://localhost:${lockstepPort}`;

const audience = {
  name: 'audience',
  protocol: 'openid-connect',
  protocolMapper: 'oidc-audience-mapper',
  config: { 'included.custom.audience': 'lockstep', 'access.token.claim': 'true' },
};
const keycloak = await startKeycloak(folder, keycloakPort, {
  realm: 'hospital',
  ...{ enabled: true, sslRequired: 'none' },
  roles: { realm: [{ name: 'clinician' }] },
  users: ['lokafor', 'mtanaka'].map((username) => ({
    ...{ username, enabled: true, email: `${username}@hospital.example`, firstName: 'A', lastName: username },
    credentials: [{ type: 'password', value: PASSWORD }],
    realmRoles: ['clinician'],
  })),
  clients: [
    {
      clientId: 'viewer',
      ...{ enabled: true, publicClient: true, directAccessGrantsEnabled: true, protocolMappers: [audience] },
      attributes: {
        'backchannel.logout.url': `${lockstepOrigin}/auth/backchannel-logout`,
        'backchannel.logout.session.required': 'true',
      },
    },
    {
      clientId: 'ehr',
      ...{ enabled: true, serviceAccountsEnabled: true, secret: PASSWORD, protocolMappers: [audience] },
    },
    // Nobody has named it in Lockstep's file.
    {
      clientId: 'unnamed',
      ...{ enabled: true, serviceAccountsEnabled: true, secret: PASSWORD, protocolMappers: [audience] },
    },
    // Its tokens are for somebody else.
    { clientId: 'elsewhere', ...{ enabled: true, publicClient: true, directAccessGrantsEnabled: true } },
  ],
} as { realm: string });

const hapi = await startHapi(folder);

/** What comes between Lockstep and HAPI: nothing, or a fault. */
let fault: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;
let connections = 0;
const between = createServer((incoming, outgoing) => {
  if (fault) return fault(incoming, outgoing);
  const { method, headers, url = '' } = incoming;
  const onward = passOn(new URL(hapi.base).origin + url, { method, headers }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(outgoing);
  });
  incoming.pipe(onward);
});
between.on('connection', () => {
  connections++;
});
await new Promise<void>((done) => between.listen(0, '127.0.0.1', done));
after(() => {
  between.closeAllConnections();
  between.close();
});
const { pathname } = new URL(hapi.base);

const file = join(folder, 'issuers.json');
writeFileSync(
  file,
  JSON.stringify({
    issuers: [
      {
        name: 'keycloak',
        issuer: keycloak.issuer,
        audience: 'lockstep',
        logout_audience: 'viewer',
        claims: { user: 'preferred_username', scopes: ['scope', 'realm_access.roles', 'azp'] },
        scopes: { clinician: 'fhircast/*.* user/*.cruds', ehr: 'fhircast/*.* hub/session.* system/*.cruds' },
        services: { ehr: 'all' },
      },
    ],
  }),
);
const { port } = between.address() as AddressInfo;
const lockstep = await sharedLockstep({
  port: lockstepPort,
  sampleData: true,
  trustedIssuers: file,
  fhirUpstream: `http://127.0.0.1:${port}${pathname}`,
  // Short, since a server that never answers is waited for.
  fhirUpstreamSeconds: 6,
});
assert.equal(lockstep.origin, lockstepOrigin);

const signIn = (username: string, client = 'viewer') =>
  keycloak.post('token', { grant_type: 'password', client_id: client, username, password: PASSWORD, scope: 'openid' });
const service = async (client = 'ehr') =>
  (await keycloak.post('token', { grant_type: 'client_credentials', client_id: client, client_secret: PASSWORD }))
    .access_token;

async function put(type: string, id: string, elements: object, bearer: string): Promise<number> {
  const response = await fetch(`${lockstep.origin}/fhir/${type}/${id}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/fhir+json' },
    body: JSON.stringify({ resourceType: type, id, ...elements }),
  });
  return response.status;
}

describe('Keycloak’s tokens', () => {
  it('of a service write and read through the gateway, over kept connections', async () => {
    const bearer = await service();
    for (const id of ['p1', 'p2'])
      assert.equal(await put('Patient', id, { name: [{ family: `Novak-${id}` }] }, bearer), 201);
    const code = { coding: [{ system: 'http://loinc.org', code: '8867-4' }] };
    for (const id of ['p1', 'p2']) {
      const one = { status: 'final', code, subject: { reference: `Patient/${id}` } };
      assert.equal(await put('Observation', `o-${id}`, one, bearer), 201);
    }
    const before = connections;
    for (let n = 0; n < 20; n++) assert.equal((await fhir(lockstep.origin, 'Patient/p1', bearer)).status, 200);
    assert.ok(connections - before <= 1, `${connections - before} new connections for 20 requests`);
  });

  it('of a service that nobody named open nothing, though Keycloak gives it a user name', async () => {
    const bearer = await service('unnamed');
    assert.equal((await fhir(lockstep.origin, 'Patient/p1', bearer)).status, 401);
    assert.equal((await new HubClient(`${lockstep.origin}/hub`, bearer).request('/session')).status, 401);
  });

  it('of a person open the person’s sessions and no others', async () => {
    const ehr = new HubClient(`${lockstep.origin}/hub`, await service());
    const topic = await ehr.session('dr-lena-okafor');
    const other = await ehr.session('dr-mei-tanaka');
    const app = new HubClient(`${lockstep.origin}/hub`, (await signIn('lokafor')).access_token);
    const subscriber = await app.subscribe(topic, 'Patient-open');
    await subscriber.next();
    assert.equal((await ehr.publish(topic, 'Patient-open', [patient('p1')])).status, 202);
    assert.equal((await subscriber.event()).event.context[0].resource.id, 'p1');
    assert.equal((await app.request(`/${other}`)).status, 404);
    assert.equal((await fhir(lockstep.origin, 'Patient?name=Novak', app.token)).body.entry.length, 2);
    await subscriber.close();
  });

  it('for another audience, id tokens and refresh tokens open nothing', async () => {
    const { access_token: elsewhere } = await signIn('lokafor', 'elsewhere');
    const own = (await signIn('lokafor')) as unknown as Record<string, string>;
    for (const token of [elsewhere, own.id_token, own.refresh_token]) {
      assert.equal((await fhir(lockstep.origin, 'Patient/p1', token ?? '')).status, 401);
      assert.equal((await new HubClient(`${lockstep.origin}/hub`, token ?? '').request('/session')).status, 401);
    }
  });

  it('signed with a new key count as soon as the keys were rotated', async () => {
    const kid = (token: string) => JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString()).kid as string;
    const before = (await signIn('lokafor')).access_token;
    assert.equal((await fhir(lockstep.origin, 'Patient/p1', before)).status, 200);
    await keycloak.administer('POST', '/components', {
      name: 'rotated',
      providerId: 'rsa-generated',
      providerType: 'org.keycloak.keys.KeyProvider',
      config: { priority: ['500'], enabled: ['true'], active: ['true'], algorithm: ['RS256'] },
    });
    const after = (await signIn('lokafor')).access_token;
    assert.notEqual(kid(before), kid(after));
    // Unknown keys are asked for at most every five seconds: until then the answer is 401 and the client tries again.
    let status = 0;
    for (let tries = 0; tries < 20 && status !== 200; tries++) {
      if (tries > 0) await new Promise((done) => setTimeout(done, 500));
      status = (await fhir(lockstep.origin, 'Patient/p1', (await signIn('lokafor')).access_token)).status;
    }
    assert.equal(status, 200);
    assert.equal((await fhir(lockstep.origin, 'Patient/p1', before)).status, 200);
  });

  it('end with the sign-out at Keycloak: live subscriptions are denied, the token opens nothing', async () => {
    const ehr = new HubClient(`${lockstep.origin}/hub`, await service());
    const topic = await ehr.session('dr-lena-okafor');
    const { access_token, refresh_token } = await signIn('lokafor');
    const app = new HubClient(`${lockstep.origin}/hub`, access_token);
    const subscriber = await app.subscribe(topic, 'Patient-open');
    await subscriber.next();
    await keycloak.post('logout', { client_id: 'viewer', refresh_token });
    const denial = await subscriber.next();
    assert.deepEqual([denial['hub.mode'], denial['hub.reason']], ['denied', 'the user signed out at keycloak']);
    assert.equal((await app.request(`/${topic}`)).status, 401);
    assert.equal((await fhir(lockstep.origin, 'Patient/p1', access_token)).status, 401);
    assert.equal((await fhir(lockstep.origin, 'Patient/p1', (await signIn('lokafor')).access_token)).status, 200);
  });
});

describe('Lockstep’s own launches on HAPI’s patients', () => {
  it('from the EHR, standalone with the picker, and for a backend service', async () => {
    const person = new Person(lockstep.origin);
    const { session_topic: topic } = await person.signIn();
    const app = await App.register(lockstep.origin);
    const launched = await app.launched(person, 'launch patient/*.rs', { patient: 'p2', topic });
    assert.equal(launched.patient, 'p2');
    assert.equal((await fhir(lockstep.origin, 'Observation/o-p2', launched.access_token)).status, 200);
    assert.equal((await fhir(lockstep.origin, 'Observation/o-p1', launched.access_token)).status, 403);
    const alone = await app.tokens(new Person(lockstep.origin), 'launch/patient patient/*.rs', { patient: 'p1' });
    assert.equal(alone.patient, 'p1');
    const found = await fhir(lockstep.origin, 'Observation', alone.access_token);
    assert.deepEqual(
      found.body.entry.map(({ resource }: { resource: { id: string } }) => resource.id),
      ['o-p1'],
    );
    const backend = await App.register(lockstep.origin, 'asymmetric', {
      grant_types: ['client_credentials'],
      scope: 'system/Observation.rs?code=8867-4',
    });
    const { body } = await backend.post('/auth/token', {
      grant_type: 'client_credentials',
      scope: 'system/Observation.rs?code=8867-4',
    });
    assert.equal((await fhir(lockstep.origin, 'Observation', body.access_token)).body.entry.length, 2);
    assert.equal((await fhir(lockstep.origin, 'Patient/p1', body.access_token)).status, 403);
  });
});

describe('clients of npm, unmodified', () => {
  it('fhir-kit-client and Medplum’s work with Keycloak’s token, which openid-client got', async () => {
    const execute = [openid.allowInsecureRequests];
    const secret = openid.ClientSecretPost(PASSWORD);
    const configuration = await openid.discovery(new URL(keycloak.issuer), 'ehr', {}, secret, { execute });
    const { access_token: bearer } = await openid.clientCredentialsGrant(configuration);
    await fhirKitFlow(lockstep.origin, bearer);
    const client = new MedplumClient({ baseUrl: `${lockstep.origin}/`, fhirUrlPath: 'fhir', fetch });
    client.setAccessToken(bearer);
    assert.equal((await client.readResource('Patient', 'p2')).id, 'p2');
    assert.equal((await client.searchResources('Observation', { patient: 'Patient/p2' })).length, 1);
  });

  it('openid-client and fhirclient launch on HAPI’s patients by Lockstep’s own tokens', async (t) => {
    for (const kind of ['public', 'symmetric'] as const) await openidFlow(lockstep.origin, 'p1', kind, false);
    const app = await FhirClientApp.start(t, 'public', lockstep.origin);
    const person = new Person(lockstep.origin);
    const { session_topic: topic } = await person.signIn();
    const { body } = await person.launch({ client_id: app.app.clientId, patient: 'p2', topic });
    const client = await app.open(person, body.launch_url, 'launch openid fhirUser patient/*.read offline_access');
    assert.equal((await client.patient.read()).id, 'p2');
    const { entry } = (await client.request('Observation?patient=p2')) as { entry: unknown[] };
    assert.equal(entry.length, 1);
    assert.equal((await client.refresh()).tokenResponse.patient, 'p2');
  });
});

describe('HAPI with a fault in front', () => {
  const html = (_: IncomingMessage, response: ServerResponse) =>
    void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>secret of the server</html>');
  const lie = (_: IncomingMessage, response: ServerResponse) =>
    void response
      .writeHead(200, { 'content-type': 'application/fhir+json' })
      .end('{"resourceType":"Patient","id":"somebody-else","name":[{"family":"Secret"}]}');
  const busy = (_: IncomingMessage, response: ServerResponse) =>
    void response.writeHead(429, { 'retry-after': '7' }).end();
  for (const [name, kind, status] of [
    ['that never answers', () => undefined, 504],
    ['that hangs up', (request: IncomingMessage) => void request.socket.destroy(), 502],
    ['that answers HTML', html, 502],
    ['that answers another patient', lie, 502],
    ['that is busy', busy, 429],
  ] as const) {
    it(`${name} is a ${status} with an OperationOutcome, and nothing of what it said`, async () => {
      const bearer = await service();
      fault = kind;
      try {
        const answer = await fhir(lockstep.origin, 'Patient/p1', bearer);
        assert.deepEqual([answer.status, answer.body.resourceType], [status, 'OperationOutcome']);
        assert.doesNotMatch(JSON.stringify(answer.body), /secret/i);
        if (status === 429) assert.equal(answer.headers.get('retry-after'), '7');
      } finally {
        fault = undefined;
      }
      assert.equal((await fhir(lockstep.origin, 'Patient/p1', bearer)).status, 200, 'it recovers');
    });
  }
});
