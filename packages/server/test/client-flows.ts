/** Flows of clients of npm, unmodified, that hold in front of any FHIR server. */
import assert from 'node:assert/strict';
import { Client, type FhirResource } from 'fhir-kit-client';
import { MedplumClient } from 'medplum-core-5';
import * as openid from 'openid-client';
import type { Json } from './harness.ts';
import { App, fhir, type Kind, Person, REDIRECT, USER } from './person.ts';

const entries = (bundle: FhirResource): readonly Json[] => (bundle as Json).entry ?? [];

/**
 * `fhir-kit-client`: discovery, create, read, version, history, update, search with its pages, batch, delete.
 * @param bearer a token that may do everything
 */
export async function fhirKitFlow(origin: string, bearer: string): Promise<void> {
  const client = new Client({ baseUrl: `${origin}/fhir`, bearerToken: bearer });
  const { authorizeUrl, tokenUrl } = await client.smartAuthMetadata();
  assert.ok([authorizeUrl, tokenUrl].every((url) => String(url).startsWith(`${origin}/`)));
  assert.equal((await client.capabilityStatement()).resourceType, 'CapabilityStatement');
  const family = `Kit${crypto.randomUUID().slice(0, 8)}`;
  const made = (await client.create({
    resourceType: 'Patient',
    body: { resourceType: 'Patient', name: [{ family }] } as FhirResource,
  })) as Json;
  const { id } = made;
  const read = (await client.read({ resourceType: 'Patient', id })) as Json;
  assert.equal(read.name[0].family, family);
  const changed = { ...read, active: true };
  const updated = (await client.update({
    resourceType: 'Patient',
    id,
    body: changed as unknown as FhirResource,
  })) as Json;
  assert.equal(updated.active, true);
  const first = (await client.vread({ resourceType: 'Patient', id, version: '1' })) as Json;
  assert.equal(first.active, undefined);
  assert.equal(entries(await client.history({ resourceType: 'Patient', id })).length, 2);
  const others = await Promise.all(
    [1, 2].map((n) =>
      client.create({
        resourceType: 'Patient',
        body: { resourceType: 'Patient', name: [{ family, given: [`${n}`] }] } as FhirResource,
      }),
    ),
  );
  const found = new Set<string>();
  let page = await client.search({ resourceType: 'Patient', searchParams: { name: family, _count: 2 } });
  for (let pages = 0; pages < 5; pages++) {
    for (const { resource } of entries(page)) found.add(resource.id);
    const next = client.nextPage({ bundle: page as Parameters<typeof client.nextPage>[0]['bundle'] });
    if (!next) break;
    page = await next;
  }
  assert.equal(found.size, 3);
  const batch = {
    resourceType: 'Bundle',
    type: 'batch',
    entry: [id, 'nobody-at-all'].map((one) => ({ request: { method: 'GET', url: `Patient/${one}` } })),
  };
  const answers = entries(await client.batch({ body: batch as unknown as FhirResource }));
  assert.deepEqual(
    answers.map(({ response }) => response.status.slice(0, 3)),
    ['200', '404'],
  );
  for (const one of [id, ...others.map((other) => (other as Json).id)]) {
    await client.delete({ resourceType: 'Patient', id: one });
    await assert.rejects(client.read({ resourceType: 'Patient', id: one }), /4(04|10)|found|deleted/i);
  }
}

/**
 * `@medplum/core`: create, read, version, history, search with its pages, a patch, batch, `$everything`, delete.
 * @param bearer a token that may do everything
 */
export async function medplumFlow(origin: string, bearer: string): Promise<void> {
  const client = new MedplumClient({ baseUrl: `${origin}/`, fhirUrlPath: 'fhir', fetch, cacheTime: 0 });
  client.setAccessToken(bearer);
  const family = `Medplum${crypto.randomUUID().slice(0, 8)}`;
  const made = await client.createResource({ resourceType: 'Patient', name: [{ family }] });
  const { id } = made;
  assert.equal((await client.readResource('Patient', id)).name?.[0]?.family, family);
  const patched = await client.patchResource('Patient', id, [{ op: 'add', path: '/active', value: true }]);
  assert.equal(patched.active, true);
  assert.equal((await client.readVersion('Patient', id, '1')).active, undefined);
  assert.equal((await client.readHistory('Patient', id)).entry?.length, 2);
  const others = [];
  for (const given of ['1', '2'])
    others.push(await client.createResource({ resourceType: 'Patient', name: [{ family, given: [given] }] }));
  const found: (string | undefined)[] = [];
  for await (const page of client.searchResourcePages('Patient', { family, _count: '2' }))
    found.push(...page.map((one) => one.id));
  assert.deepEqual(found.sort(), [made, ...others].map((one) => one.id).sort());
  const entry = [id, 'nobody-at-all'].map((one) => ({ request: { method: 'GET' as const, url: `Patient/${one}` } }));
  const answers = await client.executeBatch({ resourceType: 'Bundle', type: 'batch', entry });
  assert.deepEqual(
    answers.entry?.map(({ response }: Json) => response.status.slice(0, 3)),
    ['200', '404'],
  );
  assert.deepEqual(
    (await client.readPatientEverything(id)).entry?.map(({ resource }: Json) => resource.id),
    [id],
  );
  for (const one of [made, ...others]) {
    await client.deleteResource('Patient', one.id);
    await assert.rejects(client.readResource('Patient', one.id), /4(04|10)|found|deleted|gone/i);
  }
}

/**
 * `openid-client`: discovery, code with PKCE, userinfo, a read, refresh, revocation. An asymmetric app signs with ES384.
 * @param patient whom the person picks @param isKnown whether the FHIR data has a Practitioner for the person
 * @param isBound whether its tokens are bound to a key of its own (RFC 9449)
 */
export async function openidFlow(
  origin: string,
  patient: string,
  kind: Kind,
  isKnown: boolean,
  isBound = false,
): Promise<void> {
  const app = await App.register(origin, kind);
  const auth = await authOf(app);
  const execute = [openid.allowInsecureRequests];
  const configuration = await openid.discovery(new URL(origin), app.clientId, {}, auth, { execute });
  const keys = isBound ? await openid.randomDPoPKeyPair('ES384') : undefined;
  const bound = keys && { DPoP: openid.getDPoPHandle(configuration, keys) };
  const read = (token: string) => {
    const address = new URL(`${origin}/fhir/Patient/${patient}`);
    return openid.fetchProtectedResource(configuration, token, address, 'GET', null, undefined, bound);
  };
  const [verifier, state, nonce] = [openid.randomPKCECodeVerifier(), openid.randomState(), openid.randomNonce()];
  const address = openid.buildAuthorizationUrl(configuration, {
    redirect_uri: REDIRECT,
    scope: 'openid fhirUser launch/patient patient/*.rs offline_access',
    ...{ state, nonce, aud: `${origin}/fhir` },
    code_challenge: await openid.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  });
  const person = new Person(origin);
  const sent = await person.through(await person.go(address.href), { patient });
  const checks = { expectedState: state, expectedNonce: nonce, pkceCodeVerifier: verifier, idTokenExpected: true };
  const tokens = await openid.authorizationCodeGrant(configuration, new URL(sent.url), checks, undefined, bound);
  assert.equal(tokens.patient, patient);
  assert.equal(tokens.token_type, isBound ? 'dpop' : 'bearer');
  assert.equal((await read(tokens.access_token)).status, 200);
  // Without a proof a bound token opens nothing.
  assert.equal((await fhir(origin, `Patient/${patient}`, tokens.access_token)).status, isBound ? 401 : 200);
  const { sub } = tokens.claims() ?? { sub: '' };
  const { fhirUser } = await openid.fetchUserInfo(configuration, tokens.access_token, sub, bound);
  assert.equal(fhirUser, isKnown ? `${origin}/fhir/Practitioner/${USER}` : undefined);
  const next = await openid.refreshTokenGrant(configuration, tokens.refresh_token ?? '', undefined, bound);
  assert.equal((await read(next.access_token)).status, 200);
  await openid.tokenRevocation(configuration, next.refresh_token ?? tokens.refresh_token ?? '');
  assert.equal(await read(next.access_token).then(({ status }) => status, statusOf), 401);
}

async function authOf({ kind, registration, privateJwk }: App): Promise<openid.ClientAuth> {
  if (kind === 'public') return openid.None();
  if (kind === 'symmetric') return openid.ClientSecretBasic(registration.client_secret);
  const key = await crypto.subtle.importKey('jwk', privateJwk!, { name: 'ECDSA', namedCurve: 'P-384' }, false, [
    'sign',
  ]);
  return openid.PrivateKeyJwt({ key, kid: privateJwk!.kid! });
}

/** `openid-client` throws what a 401 says. */
function statusOf(error: unknown): number | undefined {
  return (error as { readonly status?: number }).status;
}
