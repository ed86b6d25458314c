import '../language/testing.ts';
import assert from 'node:assert/strict';
import test from 'node:test';
import { EMPTY_FORM, fieldOf, fromMetadata, problemsOf, toMetadata } from './metadata.ts';

const good = {
  ...EMPTY_FORM,
  name: 'Viewer',
  launchUrl: 'https://viewer.example.org/launch',
  redirectUris: 'https://viewer.example.org/\nviewer://callback',
};

test('REG-1 a complete form has no problems and makes RFC 7591 metadata', () => {
  assert.deepEqual(problemsOf(good, false), {});
  const metadata = toMetadata({ ...good, scopes: ['launch', 'online_access'] });
  assert.deepEqual(metadata.redirect_uris, ['https://viewer.example.org/', 'viewer://callback']);
  assert.deepEqual(metadata.grant_types, ['authorization_code', 'refresh_token']);
  assert.equal(metadata.token_endpoint_auth_method, 'none');
});

test('REG-1 an error of what is typed is shown at its field', () => {
  assert.ok(problemsOf({ ...good, name: ' ' }, false).name);
  assert.ok(problemsOf({ ...good, launchUrl: 'viewer.example.org' }, false).launchUrl);
  assert.ok(problemsOf({ ...good, launchUrl: '' }, false).launchUrl);
  assert.ok(problemsOf({ ...good, launchUrl: 'http://viewer.example.org/' }, false).launchUrl);
  assert.equal(problemsOf({ ...good, launchUrl: 'http://localhost:3000/' }, false).launchUrl, undefined);
  assert.ok(problemsOf({ ...good, redirectUris: 'https://a.example/#x' }, false).redirectUris);
  assert.ok(problemsOf({ ...good, redirectUris: 'javascript:alert(1)' }, false).redirectUris);
  assert.ok(problemsOf({ ...good, type: 'keys', keys: '{"keys":[{"kty":"EC","d":"x"}]}' }, false).keys);
  assert.ok(problemsOf({ ...good, kinds: ['backend'] }, false).type);
  assert.ok(problemsOf({ ...good, origins: 'https://a.example/path' }, false).origins);
});

test('REG-1 a registration fills the form, and the form gives it back with what it does not show', () => {
  const registration = {
    ...toMetadata(good),
    client_name: 'Registered',
    client_uri: 'https://viewer.example.org/',
    contacts: ['it@example.org'],
    resource_server: true,
    switches: { program: 'viewer.exe' },
    grant_types: ['authorization_code'],
  };
  const form = fromMetadata({ ...registration, client_id: 'x', status: 'active' });
  assert.equal(form.name, 'Registered');
  assert.deepEqual(toMetadata(form), registration);
  assert.deepEqual(
    toMetadata({ ...form, kinds: ['ehr', 'backend'], type: 'keys', keys: 'https://k.example/' }).grant_types,
    ['authorization_code', 'refresh_token', 'client_credentials'],
  );
});

test('REG-1 what is no text where a text belongs leaves its field empty', () => {
  const form = fromMetadata({
    client_name: 7,
    redirect_uris: 'x',
    scope: ['launch'],
    launch_kinds: ['ehr', 'made-up'],
  });
  assert.deepEqual([form.name, form.redirectUris, form.scopes, form.kinds], ['', '', [], ['ehr']]);
});

test('TOK-5 a backend service with a secret stays one where its registration says so', () => {
  const backend = { ...good, kinds: ['backend'] as const, type: 'secret' as const };
  assert.ok(problemsOf(backend, false).type);
  assert.equal(problemsOf({ ...backend, kept: { switches: { secretCredentials: true } } }, false).type, undefined);
});

test("a server's refusal finds its field", () => {
  assert.equal(fieldOf('redirect_uris: none may hold a fragment'), 'redirectUris');
  assert.equal(fieldOf('jwks must not hold private keys'), 'keys');
  assert.equal(fieldOf('something else'), undefined);
});
