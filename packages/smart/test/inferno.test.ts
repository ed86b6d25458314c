// The counterpart of each check of Inferno's SMART App Launch groups (STU1, STU2, STU2.2), in their order and with their
// inputs: a public, a symmetric and an asymmetric app, each launched both ways.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { R4Validator } from '@lockstep/r4';
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose';
import { attempt, codeFields, REDIRECT, registerApp, returned, TestBrowser } from './browsing.ts';
import {
  type Answer,
  type AppKey,
  answerOf,
  assertion,
  assertionFields,
  backend,
  type Json,
  makeKey,
  post,
  startServer,
  type TestServer,
} from './harness.ts';

const ORIGIN = new URL(REDIRECT).origin;
const OAUTH_URIS = 'http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris';
const validator = new R4Validator();
const FHIR_ID = /^[A-Za-z0-9.-]{1,64}$/;
/** What the kit asks for unless the tester changes it: nothing but `fhirUser` opens the user's resource. */
const IDENTITY = 'openid fhirUser offline_access';
const STU1 = `${IDENTITY} patient/*.read`;
const STU2 = `${IDENTITY} patient/*.rs`;
/** At an EHR launch some of its presets ask for the user's access. */
const OF_USER = `${IDENTITY} user/*.rs`;

interface Extension {
  readonly url: string;
  readonly valueUri?: string;
  readonly extension?: readonly Extension[];
}

type Kind = 'public' | 'symmetric' | 'asymmetric';

interface Kit {
  readonly server: TestServer;
  readonly clientId: string;
  /** Credentials as the kit adds them to a token request. */
  credentials(): Promise<{ fields: Record<string, string>; headers: Record<string, string> }>;
  token(fields: Record<string, string>): Promise<Answer>;
}

async function kitFor(server: TestServer, kind: Kind, more: Json = {}): Promise<Kit> {
  const key: AppKey | undefined = kind === 'asymmetric' ? await makeKey('RS384') : undefined;
  const methods = { public: 'none', symmetric: 'client_secret_basic', asymmetric: 'private_key_jwt' };
  const app = await registerApp(server, {
    token_endpoint_auth_method: methods[kind],
    ...(key ? { jwks: { keys: [key.publicJwk] } } : {}),
    ...more,
  });
  const credentials: Kit['credentials'] = async () => {
    const none: Record<string, string> = {};
    if (key) return { fields: assertionFields(await assertion(server, key, app.clientId)), headers: none };
    const headers: Record<string, string> = {};
    if (kind === 'public') return { fields: { client_id: app.clientId }, headers: none };
    const basic = Buffer.from(`${app.clientId}:${app.secret}`).toString('base64');
    headers.authorization = `Basic ${basic}`;
    return { fields: none, headers };
  };
  return {
    server,
    clientId: app.clientId,
    credentials,
    async token(fields) {
      const { fields: own, headers } = await credentials();
      return post(server, '/auth/token', { ...fields, ...own }, { origin: ORIGIN, ...headers });
    },
  };
}

function checkTokenResponse({ status, headers, body }: Answer, requested: string): void {
  assert.equal(status, 200, JSON.stringify(body));
  for (const field of ['access_token', 'token_type', 'scope'])
    assert.ok(body[field] && typeof body[field] === 'string', field);
  assert.equal(typeof body.expires_in, 'number');
  assert.equal(String(body.token_type).toLowerCase(), 'bearer');
  const granted = String(body.scope).split(' ');
  assert.deepEqual(
    requested.split(' ').filter((scope) => !granted.includes(scope)),
    [],
  );
  assert.match(headers.get('cache-control') ?? '', /no-store/);
  assert.match(headers.get('pragma') ?? '', /no-cache/);
  assert.ok([ORIGIN, '*'].includes(headers.get('access-control-allow-origin') ?? ''));
}

function checkContext(body: Json): void {
  assert.match(String(body.patient), FHIR_ID);
  if (body.encounter !== undefined) assert.match(String(body.encounter), FHIR_ID);
  if (body.intent !== undefined) assert.equal(typeof body.intent, 'string');
  if (body.need_patient_banner !== undefined) assert.equal(typeof body.need_patient_banner, 'boolean');
  if (body.smart_style_url !== undefined) assert.ok(URL.canParse(String(body.smart_style_url)));
  for (const entry of (body.fhirContext ?? []) as Json[]) {
    assert.match(String(entry.reference), /^[A-Z][A-Za-z]+\/[A-Za-z0-9.-]{1,64}$/);
    assert.doesNotMatch(String(entry.reference), /^(Patient|Encounter)\//);
  }
}

async function readFhir(server: TestServer, path: string, token: unknown): Promise<Answer> {
  return answerOf(
    await fetch(`${server.origin}/fhir/${path}`, {
      headers: { authorization: `Bearer ${token}`, origin: ORIGIN, accept: 'application/fhir+json' },
    }),
  );
}

async function checkOpenid(kit: Kit, tokens: Json): Promise<void> {
  const { server, clientId } = kit;
  const idToken = String(tokens.id_token);
  const { body: configuration, headers } = await answerOf(
    await fetch(`${decodeJwt(idToken).iss}/.well-known/openid-configuration`),
  );
  assert.match(headers.get('content-type') ?? '', /^application\/json/);
  const required = [
    'issuer',
    'authorization_endpoint',
    'token_endpoint',
    'jwks_uri',
    'response_types_supported',
    'subject_types_supported',
    'id_token_signing_alg_values_supported',
  ];
  for (const field of required) assert.ok(configuration[field], field);
  assert.ok((configuration.id_token_signing_alg_values_supported as string[]).includes('RS256'));
  const { body: jwks } = await answerOf(await fetch(String(configuration.jwks_uri)));
  const header = decodeProtectedHeader(idToken);
  assert.equal(header.alg, 'RS256');
  assert.ok((jwks.keys as Json[]).some(({ kid, kty }) => kid === header.kid && kty === 'RSA'));
  const { payload } = await jwtVerify(idToken, createLocalJWKSet(jwks as unknown as JSONWebKeySet), {
    issuer: String(configuration.issuer),
    audience: clientId,
  });
  for (const claim of ['iss', 'sub', 'aud', 'exp', 'iat']) assert.ok(payload[claim], claim);
  assert.ok(String(payload.sub).length < 256);
  const [type, id] = String(payload.fhirUser).split('/').slice(-2);
  assert.ok(['Patient', 'Practitioner', 'RelatedPerson', 'Person'].includes(String(type)));
  const user = await readFhir(server, `${type}/${id}`, tokens.access_token);
  assert.equal(user.status, 200);
  assert.equal(user.body.resourceType, type);
  assert.equal(user.body.id, id);
  assert.ok([ORIGIN, '*'].includes(user.headers.get('access-control-allow-origin') ?? ''), 'STU2.2');
}

async function checkRefresh(kit: Kit, tokens: Json): Promise<void> {
  const without = await kit.token({ grant_type: 'refresh_token', refresh_token: String(tokens.refresh_token) });
  checkTokenResponse(without, String(tokens.scope));
  const next = String(without.body.refresh_token ?? tokens.refresh_token);
  const withScope = await kit.token({ grant_type: 'refresh_token', refresh_token: next, scope: String(tokens.scope) });
  checkTokenResponse(withScope, String(tokens.scope));
}

async function checkIntrospection(kit: Kit, tokens: Json, fhirUser: boolean): Promise<void> {
  const { headers, fields } = await kit.credentials();
  const ask = async (token: unknown) =>
    post(
      kit.server,
      '/auth/introspect',
      { token: String(token), ...fields },
      { accept: 'application/json', ...headers },
    );
  const active = await ask(tokens.access_token);
  assert.equal(active.status, 200);
  assert.equal(active.body.active, true);
  assert.equal(active.body.client_id, kit.clientId);
  assert.deepEqual(String(active.body.scope).split(' ').sort(), String(tokens.scope).split(' ').sort());
  assert.ok(Number(active.body.exp) > Date.now() / 1000 - 600);
  assert.equal(active.body.patient, tokens.patient);
  assert.equal(active.body.encounter, tokens.encounter);
  const claims = decodeJwt(String(tokens.id_token));
  assert.equal(active.body.iss, claims.iss);
  assert.equal(active.body.sub, claims.sub);
  if (fhirUser) assert.equal(active.body.fhirUser, claims.fhirUser);
  const { fields: again } = await kit.credentials();
  const invalid = await post(
    kit.server,
    '/auth/introspect',
    { token: 'invalid_token_value', ...again },
    { accept: 'application/json', ...headers },
  );
  assert.equal(invalid.status, 200);
  assert.deepEqual(invalid.body, { active: false });
}

/** A launch as the kit does it: with or without PKCE, by GET or POST. */
async function launch(
  kit: Kit,
  scope: string,
  options: { ehr: boolean; pkce: boolean; byPost?: boolean },
): Promise<Answer> {
  const { server, clientId } = kit;
  const browser = new TestBrowser(server);
  let requested = options.ehr ? `launch ${scope}` : `launch/patient ${scope}`;
  const change: Record<string, string | undefined> = options.pkce
    ? {}
    : { code_challenge: undefined, code_challenge_method: undefined };
  const patient = await firstPatient(server);
  if (options.ehr) {
    await browser.signIn();
    const { body } = await browser.launch({ client_id: clientId, patient });
    const url = new URL(String(body.launch_url));
    assert.equal(url.searchParams.get('iss'), `${server.origin}/fhir`);
    change.launch = url.searchParams.get('launch') ?? undefined;
    requested = `launch ${scope}`;
  }
  const { url, verifier, state } = attempt(server, { clientId }, requested, change);
  const begun = options.byPost
    ? browser.go('/auth/authorize', {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: new URL(url).search.slice(1),
      })
    : browser.go(url);
  const back = returned(await browser.through(await begun, { patient }));
  assert.equal(back.get('error'), null);
  assert.equal(back.get('state'), state);
  assert.ok(back.get('code'));
  const { client_id: _, code_verifier: used, ...fields } = codeFields({ clientId }, back.get('code') ?? '', verifier);
  const answer = await kit.token(options.pkce ? { ...fields, code_verifier: used ?? '' } : fields);
  checkTokenResponse(answer, requested);
  checkContext(answer.body);
  return answer;
}

async function firstPatient(server: TestServer): Promise<string> {
  const service = await backend(server);
  const { body } = await service.token('system/Patient.rs');
  const { body: bundle } = await readFhir(server, 'Patient?_count=1', body.access_token);
  return String((bundle.entry as { resource: Json }[])[0]?.resource.id);
}

/** Where the patients are: the kit must find no difference. */
const PLACES = [
  ['FHIR data of its own', true],
  ['a FHIR server behind it', 'behind'],
] as const;

for (const [where, data] of PLACES) {
  suite(`Inferno: discovery, ${where}`, () => {
    test('STU1, STU2, STU2.2: well-known and CapabilityStatement', async (t) => {
      const server = await startServer(t, { fhir: data });
      const wellKnown = await answerOf(
        await fetch(`${server.origin}/fhir/.well-known/smart-configuration`, {
          headers: { accept: 'application/json', origin: ORIGIN },
        }),
      );
      assert.equal(wellKnown.status, 200);
      assert.match(wellKnown.headers.get('content-type') ?? '', /^application\/json/);
      assert.ok([ORIGIN, '*'].includes(wellKnown.headers.get('access-control-allow-origin') ?? ''));
      const config = wellKnown.body;
      for (const field of ['authorization_endpoint', 'token_endpoint', 'issuer', 'jwks_uri'])
        assert.equal(typeof config[field], 'string', field);
      for (const field of ['capabilities', 'grant_types_supported', 'code_challenge_methods_supported'])
        assert.ok(Array.isArray(config[field]), field);
      assert.ok((config.capabilities as unknown[]).every((one) => typeof one === 'string'));
      assert.ok((config.grant_types_supported as string[]).includes('authorization_code'));
      assert.ok((config.grant_types_supported as string[]).includes('client_credentials'));
      assert.deepEqual(config.code_challenge_methods_supported, ['S256']);
      const metadata = await answerOf(await fetch(`${server.origin}/fhir/metadata`, { headers: { origin: ORIGIN } }));
      assert.equal(metadata.status, 200);
      assert.ok([ORIGIN, '*'].includes(metadata.headers.get('access-control-allow-origin') ?? ''));
      assert.match(JSON.stringify(metadata.body), /SMART-on-FHIR/);
      const [rest] = metadata.body.rest as { security: { extension: Extension[] } }[];
      const uris = rest?.security.extension.find(({ url }) => url === OAUTH_URIS)?.extension ?? [];
      const said = Object.fromEntries(uris.map(({ url, valueUri }) => [url, valueUri]));
      assert.deepEqual(said, {
        authorize: config.authorization_endpoint,
        token: config.token_endpoint,
        introspect: config.introspection_endpoint,
        manage: config.management_endpoint,
        register: config.registration_endpoint,
        revoke: config.revocation_endpoint,
      });
    });

    test('user-access brands: the bundle, its brands and its endpoints', async (t) => {
      const server = await startServer(t, { fhir: data });
      const { body: config } = await answerOf(await fetch(`${server.origin}/fhir/.well-known/smart-configuration`));
      const address = String(config.user_access_brand_bundle);
      const { status, headers, body } = await answerOf(await fetch(address, { headers: { origin: ORIGIN } }));
      assert.deepEqual([status, headers.get('access-control-allow-origin')], [200, '*']);
      const etag = headers.get('etag') ?? '';
      assert.match(etag, /^W\/"[^"]+"$/);
      const ask = async (known: string) => (await fetch(address, { headers: { 'if-none-match': known } })).status;
      assert.deepEqual([await ask(etag), await ask(`W/"other", ${etag}`), await ask('W/"other"')], [304, 304, 200]);
      assert.equal(await ask(etag.slice(2)), 304, 'RFC 9110 section 13.1.2: whether a tag is weak makes no difference');
      assert.deepEqual([body.resourceType, body.type, typeof body.timestamp], ['Bundle', 'collection', 'string']);
      assert.equal(typeof (body.meta as Json).lastUpdated, 'string');
      const entries = body.entry as { fullUrl: string; resource: Json }[];
      const brands = entries.filter(({ resource }) => resource.resourceType === 'Organization');
      const endpoints = entries.filter(({ resource }) => resource.resourceType === 'Endpoint');
      assert.deepEqual([brands.length > 0, endpoints.length > 0], [true, true]);
      for (const { fullUrl, resource } of entries) {
        assert.ok(fullUrl.endsWith(`/${resource.resourceType}/${resource.id}`), fullUrl);
        assert.equal(validator.problem(resource), undefined);
      }
      const referred = new Set<string>();
      for (const { fullUrl, resource } of brands) {
        assert.ok(resource.name);
        const telecom = resource.telecom as { system: string; value: string }[];
        assert.deepEqual([telecom.length, telecom[0]?.system, URL.canParse(telecom[0]?.value ?? '')], [1, 'url', true]);
        const base = fullUrl.slice(0, fullUrl.lastIndexOf('/', fullUrl.lastIndexOf('/') - 1));
        for (const { reference } of resource.endpoint as { reference: string }[]) referred.add(`${base}/${reference}`);
      }
      assert.deepEqual([...referred].sort(), endpoints.map(({ fullUrl }) => fullUrl).sort());
      for (const { resource } of endpoints) {
        const [version] = resource.extension as { url: string; valueCode: string }[];
        assert.match(version?.url ?? '', /\/StructureDefinition\/endpoint-fhir-version$/);
        assert.equal(version?.valueCode, '4.0.1');
        assert.equal((resource.connectionType as Json).code, 'hl7-fhir-rest');
        assert.equal((resource.payloadType as unknown[]).length, 1);
        const contacts = resource.contact as { system: string; value: string }[];
        assert.ok(contacts.some(({ system, value }) => system === 'url' && URL.canParse(value)));
        const metadata = await answerOf(await fetch(`${resource.address}/metadata`));
        assert.deepEqual([metadata.status, metadata.body.resourceType], [200, 'CapabilityStatement']);
      }
      const identified = brands.filter(({ resource }) =>
        (resource.identifier as Json[]).some(
          ({ value }) => value === (config.user_access_brand_identifier as Json).value,
        ),
      );
      assert.equal(identified.length, 1);
    });
  });

  for (const kind of ['public', 'symmetric', 'asymmetric'] as const) {
    suite(`Inferno: launches of a ${kind} app, ${where}`, () => {
      for (const ehr of [false, true]) {
        test(`${ehr ? 'EHR' : 'standalone'} launch, OpenID Connect, refresh, introspection (STU2, STU2.2)`, async (t) => {
          const server = await startServer(t, { fhir: data });
          const kit = await kitFor(server, kind);
          const { body } = await launch(kit, STU2, { ehr, pkce: true, byPost: ehr });
          const patient = await readFhir(server, `Patient/${body.patient}`, body.access_token);
          assert.equal(patient.status, 200);
          await checkOpenid(kit, body);
          if (kind !== 'public') await checkIntrospection(kit, body, true);
          await checkRefresh(kit, body);
        });
      }
    });
  }

  suite(`Inferno: presets of the reference server, ${where}`, () => {
    for (const scope of [OF_USER, `${IDENTITY} user/*.read`]) {
      test(`EHR launch with ${scope}`, async (t) => {
        const server = await startServer(t, { fhir: data });
        const kit = await kitFor(server, 'symmetric');
        const { body } = await launch(kit, scope, { ehr: true, pkce: true });
        assert.equal((await readFhir(server, `Patient/${body.patient}`, body.access_token)).status, 200);
        await checkOpenid(kit, body);
        await checkIntrospection(kit, body, true);
        await checkRefresh(kit, body);
      });
    }
  });

  suite(`Inferno: STU1, ${where}`, () => {
    for (const ehr of [false, true]) {
      test(`${ehr ? 'EHR' : 'standalone'} launch with v1 scopes, without PKCE for an app with the legacy switch`, async (t) => {
        const server = await startServer(t, { fhir: data });
        const kit = await kitFor(server, 'symmetric', { legacy: true });
        const { body } = await launch(kit, STU1, { ehr, pkce: false });
        await checkOpenid(kit, body);
        await checkRefresh(kit, body);
      });
    }
  });

  suite(`Inferno: backend services, ${where}`, () => {
    for (const alg of ['RS384', 'ES384'] as const) {
      test(`invalid grant_type, client_assertion_type and JWT are refused, a good request succeeds (${alg})`, async (t) => {
        const server = await startServer(t, { fhir: data });
        const service = await backend(server, {}, await makeKey(alg));
        const ask = async (change: Record<string, string>, claims: Json = {}) =>
          post(server, '/auth/token', {
            grant_type: 'client_credentials',
            scope: 'system/*.read',
            ...assertionFields(
              await assertion(server, service.key, service.clientId, {
                claims: { exp: Math.floor(Date.now() / 1000) + 300, ...claims },
              }),
            ),
            ...change,
          });
        assert.equal((await ask({ grant_type: 'not_a_grant_type' })).status, 400);
        assert.ok([400, 401].includes((await ask({ client_assertion_type: 'not_an_assertion_type' })).status));
        assert.ok([400, 401].includes((await ask({}, { iss: 'not_a_client' })).status));
        const good = await ask({});
        assert.equal(good.status, 200);
        for (const field of ['access_token', 'token_type', 'scope']) assert.ok(good.body[field], field);
        assert.equal(typeof good.body.expires_in, 'number');
        assert.equal((await readFhir(server, 'Patient?_count=1', good.body.access_token)).status, 200);
      });
    }
  });
}

suite('Inferno: what its requirements say and its checks leave out', () => {
  test('state comes back as the exact value, with a code and with an error', async (t) => {
    const server = await startServer(t);
    const app = await registerApp(server);
    const browser = new TestBrowser(server);
    await browser.signIn();
    for (const state of ['a b+c&d=e%20f', '~._-!*()\'"<>', 'ü€😀', `${'x'.repeat(500)}`, '{"nested":"/?#"}']) {
      const good = await browser.through(await browser.go(attempt(server, app, 'user/*.rs', { state }).url));
      assert.equal(returned(good).get('state'), state);
      const bad = await browser.go(attempt(server, app, 'user/*.rs', { state, aud: 'https://other.example' }).url);
      assert.equal(returned(bad).get('state'), state);
      assert.ok(returned(bad).get('error'));
    }
  });

  test('a user without a FHIR resource is not asked for fhirUser, and the app gets none', async (t) => {
    const server = await startServer(t, { fhir: true });
    await server.auth.users.add({ id: 'nobody', name: 'Nobody', password: 'correct horse battery' });
    const app = await registerApp(server);
    const browser = new TestBrowser(server);
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ user: 'nobody', password: 'correct horse battery' });
    await browser.request('/auth/session', { method: 'POST', headers, body });
    const { url, verifier } = attempt(server, app, 'openid fhirUser profile user/*.rs');
    const consent = await browser.go(url);
    assert.doesNotMatch(consent.text, /value="(fhirUser|profile)"/);
    const back = returned(await browser.submit(consent, { value: 'allow' }));
    const tokens = await post(server, '/auth/token', codeFields(app, back.get('code') ?? '', verifier));
    assert.deepEqual(String(tokens.body.scope).split(' ').sort(), ['openid', 'user/*.rs']);
    assert.equal(decodeJwt(String(tokens.body.id_token)).fhirUser, undefined);
    const info = await post(
      server,
      '/auth/introspect',
      { token: String(tokens.body.access_token) },
      { authorization: `Bearer ${tokens.body.access_token}` },
    );
    assert.deepEqual([info.body.active, info.body.fhirUser], [true, undefined]);
  });

  test('errors of the token endpoint are said in JSON that pages of the app’s origin may read', async (t) => {
    const server = await startServer(t);
    const kit = await kitFor(server, 'public');
    const requests: [Record<string, string>, string][] = [
      [
        { grant_type: 'authorization_code', code: 'made-up', redirect_uri: REDIRECT, code_verifier: 'x'.repeat(43) },
        'invalid_grant',
      ],
      [{ grant_type: 'refresh_token', refresh_token: 'made-up' }, 'invalid_grant'],
      [{ grant_type: 'password' }, 'unsupported_grant_type'],
      [{ grant_type: 'client_credentials', scope: 'system/*.rs' }, 'unauthorized_client'],
      [{}, 'invalid_request'],
    ];
    for (const [fields, error] of requests) {
      const { status, headers, body } = await kit.token(fields);
      assert.deepEqual([status, body.error], [400, error], JSON.stringify(body));
      assert.equal(typeof body.error_description, 'string');
      assert.equal(headers.get('access-control-allow-origin'), ORIGIN, error);
      assert.match(headers.get('cache-control') ?? '', /no-store/);
      assert.match(headers.get('pragma') ?? '', /no-cache/);
    }
  });

  test('revocation: a hint of the kind may be wrong, what is unknown is no error, and who asks must be known', async (t) => {
    const server = await startServer(t, { fhir: true });
    const kit = await kitFor(server, 'symmetric');
    const { body } = await launch(kit, STU2, { ehr: false, pkce: true });
    const revoke = async (fields: Record<string, string>) => {
      const { headers, fields: own } = await kit.credentials();
      return post(server, '/auth/revoke', { ...fields, ...own }, headers);
    };
    assert.equal((await revoke({ token: 'made-up' })).status, 200);
    assert.equal((await revoke({ token: 'made-up', token_type_hint: 'access_token' })).status, 200);
    const stranger = await post(server, '/auth/revoke', { token: String(body.access_token) });
    assert.deepEqual([stranger.status, stranger.body.error], [401, 'invalid_client']);
    assert.equal((await readFhir(server, `Patient/${body.patient}`, body.access_token)).status, 200);
    const hint = { token_type_hint: 'refresh_token' };
    assert.equal((await revoke({ token: String(body.access_token), ...hint })).status, 200);
    assert.equal((await readFhir(server, `Patient/${body.patient}`, body.access_token)).status, 401);
    const refreshed = await kit.token({ grant_type: 'refresh_token', refresh_token: String(body.refresh_token) });
    assert.deepEqual([refreshed.status, refreshed.body.error], [400, 'invalid_grant']);
  });

  test('cookies of the whole way are HttpOnly and SameSite=Lax, and none is meant for other hosts', async (t) => {
    const server = await startServer(t);
    const app = await registerApp(server);
    const browser = new TestBrowser(server);
    const lines: string[] = [];
    const request = browser.request.bind(browser);
    browser.request = async (url, init) => {
      const response = await request(url, init);
      lines.push(...response.headers.getSetCookie());
      return response;
    };
    await browser.through(await browser.go(attempt(server, app, 'openid launch/patient patient/*.rs').url));
    assert.ok(lines.length >= 4, lines.join('\n'));
    for (const line of lines) {
      assert.match(line, /; ?httponly/i);
      assert.match(line, /; ?samesite=lax/i);
      assert.doesNotMatch(line, /; ?domain=/i);
    }
  });

  test('what is not built is not said to be: batch and transaction; the brand bundle is there', async (t) => {
    const server = await startServer(t, { fhir: true });
    const { body } = await answerOf(await fetch(`${server.origin}/fhir/.well-known/smart-configuration`));
    assert.ok(!(body.capabilities as string[]).includes('user-access-brand'));
    const brand = await fetch(String(body.user_access_brand_bundle));
    assert.equal((await answerOf(brand)).body.type, 'collection');
    assert.equal(brand.headers.get('access-control-allow-origin'), '*');
    const { body: metadata } = await answerOf(await fetch(`${server.origin}/fhir/metadata`));
    const [rest] = metadata.rest as { interaction?: { code: string }[] }[];
    const codes = (rest?.interaction ?? []).map(({ code }) => code);
    const service = await backend(server);
    const { body: token } = await service.token('system/*.cruds');
    for (const type of ['batch', 'transaction'].filter((code) => !codes.includes(code))) {
      const entry = [{ request: { method: 'GET', url: 'Patient' } }];
      const response = await fetch(`${server.origin}/fhir`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token.access_token}`, 'content-type': 'application/fhir+json' },
        body: JSON.stringify({ resourceType: 'Bundle', type, entry }),
      });
      assert.ok(response.status >= 400 && response.status < 500, String(response.status));
      assert.equal(((await response.json()) as Json).resourceType, 'OperationOutcome');
    }
  });
});
