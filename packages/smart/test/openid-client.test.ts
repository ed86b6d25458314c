/** `openid-client` 6, unmodified: what it sends by default works here. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as openid from 'openid-client';
import { REDIRECT, registerApp, TestBrowser } from './browsing.ts';
import { makeKey, startServer, type TestServer } from './harness.ts';

const SCOPE = 'openid fhirUser patient/*.rs fhircast/*.* offline_access';

async function discover(server: TestServer, clientId: string, auth: openid.ClientAuth): Promise<openid.Configuration> {
  const execute = [openid.allowInsecureRequests];
  return openid.discovery(new URL(server.origin), clientId, {}, auth, { execute });
}

test('TOK-1 code, userinfo, refresh, introspection and revocation, with each way to authenticate', async (t) => {
  const server = await startServer(t);
  const key = await makeKey('ES384');
  const ways: Readonly<Record<string, (secret: string) => openid.ClientAuth>> = {
    none: () => openid.None(),
    client_secret_basic: (secret) => openid.ClientSecretBasic(secret),
    client_secret_post: (secret) => openid.ClientSecretPost(secret),
    private_key_jwt: () => openid.PrivateKeyJwt({ key: key.privateKey, kid: key.kid }),
  };
  for (const [method, auth] of Object.entries(ways)) {
    const jwks = method === 'private_key_jwt' ? { jwks: { keys: [key.publicJwk] } } : {};
    const app = await registerApp(server, { token_endpoint_auth_method: method, ...jwks });
    const configuration = await discover(server, app.clientId, auth(app.secret ?? ''));
    const verifier = openid.randomPKCECodeVerifier();
    const state = openid.randomState();
    const nonce = openid.randomNonce();
    const address = openid.buildAuthorizationUrl(configuration, {
      redirect_uri: REDIRECT,
      scope: SCOPE,
      state,
      nonce,
      aud: `${server.origin}/fhir`,
      code_challenge: await openid.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    });
    const browser = new TestBrowser(server);
    const sent = await browser.through(await browser.go(address.href));
    const tokens = await openid.authorizationCodeGrant(configuration, new URL(sent.url), {
      expectedState: state,
      expectedNonce: nonce,
      pkceCodeVerifier: verifier,
      idTokenExpected: true,
    });
    const subject = tokens.claims()?.sub ?? '';
    assert.equal(subject, 'dr-lena-okafor', method);
    const person = await openid.fetchUserInfo(configuration, tokens.access_token, subject);
    assert.equal(person.fhirUser, `${server.origin}/fhir/Practitioner/dr-lena-okafor`);
    const again = await openid.refreshTokenGrant(configuration, tokens.refresh_token ?? '');
    assert.equal(again.claims()?.sub, subject);
    assert.ok(await server.auth.verifyToken(again.access_token));
    if (method !== 'none') {
      assert.equal((await openid.tokenIntrospection(configuration, again.access_token)).active, true);
    }
    await openid.tokenRevocation(configuration, again.access_token);
    assert.equal(await server.auth.verifyToken(again.access_token), undefined);
  }
});

test('TOK-5 client_credentials with a key: the issuer is the audience that it names', async (t) => {
  const server = await startServer(t);
  const key = await makeKey('ES384');
  const metadata = { grant_types: ['client_credentials'], jwks: { keys: [key.publicJwk] }, redirect_uris: [] };
  const app = await registerApp(server, { ...metadata, token_endpoint_auth_method: 'private_key_jwt' });
  const auth = openid.PrivateKeyJwt({ key: key.privateKey, kid: key.kid });
  const configuration = await discover(server, app.clientId, auth);
  const tokens = await openid.clientCredentialsGrant(configuration, { scope: 'system/*.rs' });
  assert.ok(await server.auth.verifyToken(tokens.access_token));
});
