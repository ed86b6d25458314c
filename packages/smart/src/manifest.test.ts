import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readMetadata } from './client-metadata.ts';
import { readManifest } from './manifest.ts';

const MANIFEST = {
  software_id: 'org.example.growth',
  client_name: 'Growth Chart',
  client_uri: 'https://growth.example/',
  logo_uri: 'https://growth.example/logo.png',
  launch_url: 'https://growth.example/launch.html',
  redirect_uris: ['https://growth.example/'],
  scope: 'launch patient/*.read openid fhirUser fhircast/Patient-open.read',
  grant_types: ['authorization_code'],
  fhir_versions: ['1.0.2', '4.0.1'],
};

const POLICY = { insecureAllowed: false, keyHostAllowed: () => true, maxTokenLife: 86_400, canEverOpen: () => true };

test('REG-1 a SMART app manifest becomes a registration', () => {
  const client = readMetadata(readManifest(JSON.stringify(MANIFEST)), POLICY);
  assert.equal(client.name, 'Growth Chart');
  assert.equal(client.launchUrl, MANIFEST.launch_url);
  assert.equal(client.logoUri, MANIFEST.logo_uri);
  assert.equal(client.uri, MANIFEST.client_uri);
  assert.deepEqual(client.redirectUris, MANIFEST.redirect_uris);
  assert.equal(client.scope, MANIFEST.scope);
  assert.equal(client.authMethod, 'none', 'a manifest holds no secret');
  assert.deepEqual(client.launchKinds, ['ehr', 'standalone']);
  assert.deepEqual(client.origins, ['https://growth.example']);
});

test('REG-1 names that galleries use, lists of scopes and a backend with keys are understood', () => {
  const client = readMetadata(
    readManifest(
      JSON.stringify({
        name: 'Nightly export',
        summary: 'Exports at night',
        jwks_uri: 'https://export.example/jwks.json',
        scopes: ['system/*.rs', 'fhircast/*.read'],
      }),
    ),
    POLICY,
  );
  assert.deepEqual(
    [client.name, client.description, client.authMethod, client.scope, client.launchKinds],
    ['Nightly export', 'Exports at night', 'private_key_jwt', 'system/*.rs fhircast/*.read', ['backend']],
  );
  assert.deepEqual(readManifest('{"redirect_uris":"https://a.example/"}').redirect_uris, ['https://a.example/']);
});

test('REG-1 a manifest decides nothing that is the administrator’s', () => {
  const fields = { client_id: 'lockstep-console', client_secret: 'x', trusted: true, status: 'active' };
  const { session_users, ...rest } = readManifest(JSON.stringify({ ...fields, session_users: ['Practitioner/1'] }));
  assert.deepEqual(rest, { token_endpoint_auth_method: 'none' });
  assert.deepEqual(session_users, ['Practitioner/1'], 'what narrows is kept');
});

test('REG-1 what is no manifest is refused in words', () => {
  for (const text of ['', '{', '[]', 'null', '7', '"app"', ' '.repeat(300_000)]) {
    assert.throws(
      () => readManifest(text),
      { name: 'OAuthError', error: 'invalid_client_metadata' },
      text.slice(0, 20),
    );
  }
});
