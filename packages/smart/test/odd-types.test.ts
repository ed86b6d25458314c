/** Values of types that nobody expects are refused like any other wrong value, at every door and in every field. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { registerApp, TestBrowser } from './browsing.ts';
import {
  answerOf,
  assertion,
  assertionFields,
  backend,
  countClients,
  type Json,
  makeKey,
  post,
  register,
  startServer,
  type TestServer,
} from './harness.ts';

const ODD: readonly unknown[] = [
  ...[null, true, false, 0, -1, 5, 1.5, 1e300, '', ' ', 'x', '\u0000', '\ud800', 'x'.repeat(3000)],
  ...[[], [[]], [null], [5], {}, { toString: 5 }, { length: 3 }, { $: [] }, [{ includes: 1 }]],
];

const show = (value: unknown) => (JSON.stringify(value) ?? 'undefined').slice(0, 60);

test('TOK-1 a claim of any type is invalid_client or counts, never an error of the server', async (t) => {
  const server = await startServer(t);
  const app = await backend(server);
  const tokenUrl = `${server.origin}/auth/token`;
  for (const claim of ['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti', 'scope', 'azp']) {
    for (const odd of [...ODD, [tokenUrl, 5], [{}, tokenUrl]]) {
      const { status, body } = await app.token('system/*.rs', { claims: { [claim]: odd } });
      assert.ok(
        status === 200 || (status === 401 && body.error === 'invalid_client'),
        `${claim} ${show(odd)}: ${status}`,
      );
      if (claim === 'aud') assert.equal(status === 200, Array.isArray(odd) && odd.includes(tokenUrl), show(odd));
    }
  }
});

test('TOK-1 a header field of any type is invalid_client or counts', async (t) => {
  const server = await startServer(t);
  const app = await backend(server);
  const base = await assertion(server, app.key, app.clientId);
  const [head = '', claims = '', signature = ''] = base.split('.');
  const header = JSON.parse(Buffer.from(head, 'base64url').toString()) as Json;
  for (const field of ['alg', 'kid', 'jku', 'typ', 'crit', 'jwk', 'x5c', 'b64']) {
    for (const odd of ODD) {
      const changed = Buffer.from(JSON.stringify({ ...header, [field]: odd })).toString('base64url');
      const fields = assertionFields(`${changed}.${claims}.${signature}`);
      const form = { grant_type: 'client_credentials', scope: 'system/*.rs', ...fields };
      const { status, body } = await post(server, '/auth/token', form);
      assert.deepEqual([status, body.error], [401, 'invalid_client'], `${field} ${show(odd)}`);
    }
  }
});

test('TOK-1 a registered key with members of any type lets no client in, and breaks nothing', async (t) => {
  const server = await startServer(t);
  const key = await makeKey();
  for (const member of ['kty', 'crv', 'x', 'y', 'use', 'key_ops', 'alg', 'kid', 'n', 'e']) {
    for (const odd of ODD) {
      const jwks = { keys: [{ ...key.publicJwk, [member]: odd }] };
      const registered = await register(server, { grant_types: ['client_credentials'], jwks });
      assert.ok([201, 400].includes(registered.status), `${member} ${show(odd)}`);
      if (registered.status === 400) continue;
      const clientId = String(registered.body.client_id);
      const fields = assertionFields(await assertion(server, key, clientId));
      const form = { grant_type: 'client_credentials', scope: 'system/*.rs', ...fields };
      assert.ok([200, 401].includes((await post(server, '/auth/token', form)).status), `${member} ${show(odd)}`);
    }
  }
});

const METADATA = [
  ...[
    'client_name',
    'description',
    'client_uri',
    'logo_uri',
    'contacts',
    'token_endpoint_auth_method',
    'redirect_uris',
  ],
  ...['launch_url', 'initiate_login_uri', 'launch_kinds', 'origins', 'scope', 'scopes', 'stu2', 'legacy', 'switches'],
  ...['acknowledgements', 'jwks', 'jwks_uri', 'grant_types', 'response_types', 'resource_server', 'session_users'],
  ...['session_workstations', 'status', 'client_id', 'trusted', 'launcher'],
];

test('REG-1 a metadata field of any type registers something plain or is refused by name', async (t) => {
  const server = await startServer(t);
  const app = { redirect_uris: ['https://app.example/'], token_endpoint_auth_method: 'none' };
  for (const field of METADATA) {
    for (const odd of ODD) {
      const before = await countClients(server);
      const { status, body } = await register(server, { ...app, [field]: odd });
      assert.ok(status === 201 || status === 400, `${field} ${show(odd)}: ${status}`);
      if (status === 400) {
        assert.equal(await countClients(server), before);
        continue;
      }
      const client = await server.auth.clients.get(String(body.client_id));
      assert.equal(client?.launcher ?? client?.trusted, false, 'what an administrator decides');
      await server.auth.clients.delete(String(body.client_id));
    }
  }
});

const JSON_DOORS: Readonly<Record<string, readonly string[]>> = {
  '/auth/session': ['user', 'password', 'code', 'sample', 'workstation'],
  '/launch': ['client_id', 'user', 'patient', 'encounter', 'imaging_study', 'topic', 'intent', 'need_patient_banner'],
};

test('a JSON field of any type is refused, never an error of the server', async (t) => {
  const server = await startServer(t);
  const browser = new TestBrowser(server);
  const { csrf } = await browser.signIn();
  for (const [path, fields] of Object.entries(JSON_DOORS)) {
    for (const field of fields) {
      for (const odd of [...ODD, undefined]) {
        const response = await browser.request(path, {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'x-csrf-token': String(csrf) },
          body: JSON.stringify({ user: 'nobody', password: 'nothing', [field]: odd }),
        });
        assert.ok(response.status < 500, `${path} ${field} ${show(odd)}: ${response.status}`);
        await response.arrayBuffer();
      }
    }
  }
});

const ODD_TEXTS = [
  '',
  ' ',
  '\u0000',
  '\ufffd',
  '%',
  '%zz',
  '+',
  '__proto__',
  'constructor',
  '[]',
  '{}',
  'a'.repeat(9000),
];
const FORM_DOORS: Readonly<Record<string, readonly string[]>> = {
  '/auth/token': [
    ...['grant_type', 'code', 'redirect_uri', 'code_verifier', 'refresh_token', 'scope', 'client_id', 'client_secret'],
    ...['client_assertion', 'client_assertion_type', 'resource', 'audience'],
  ],
  '/auth/introspect': ['token', 'token_type_hint', 'client_id', 'client_secret', 'client_assertion'],
  '/auth/revoke': ['token', 'token_type_hint', 'client_id', 'client_secret', 'client_assertion'],
  '/auth/authorize': [
    'response_type',
    'client_id',
    'redirect_uri',
    'scope',
    'state',
    'aud',
    'launch',
    'prompt',
    'max_age',
  ],
};
const GRANTS = ['authorization_code', 'refresh_token', 'client_credentials', 'nothing'];

test('a form or query field of any text, or given twice, is refused, never an error of the server', async (t) => {
  const server = await startServer(t);
  const app = await registerApp(server);
  const send = (path: string, form: URLSearchParams) =>
    fetch(server.url(path), { method: 'POST', body: form, redirect: 'manual' });
  for (const [path, fields] of Object.entries(FORM_DOORS)) {
    for (const field of fields) {
      for (const odd of ODD_TEXTS) {
        for (const grant_type of path === '/auth/token' ? GRANTS : ['']) {
          const form = new URLSearchParams({ grant_type, client_id: app.clientId, token: 'x', code: 'x' });
          form.set(field, odd);
          assert.ok((await send(path, form)).status < 500, `${path} ${field} ${show(odd)}`);
          form.append(field, 'again');
          assert.ok((await send(path, form)).status < 500, `${path} ${field} twice`);
        }
      }
    }
  }
  await getEach(server, app.clientId);
});

async function getEach(server: TestServer, clientId: string): Promise<void> {
  const pages = [
    '/auth/sign-in',
    '/auth/outside',
    '/auth/manage',
    '/auth/second-factor',
    '/auth/session',
    '/auth/authorize',
  ];
  for (const path of pages) {
    for (const name of [
      'return',
      'workstation',
      'search',
      'client_id',
      'scope',
      'prompt',
      'max_age',
      'id_token_hint',
    ]) {
      for (const odd of ODD_TEXTS) {
        const once = `${encodeURIComponent(name)}=${encodeURIComponent(odd)}`;
        for (const query of [once, `${once}&${once}`, `${name}[a]=1&${name}[b]=2`, `client_id=${clientId}&${once}`]) {
          const response = await fetch(server.url(`${path}?${query}`), { redirect: 'manual' });
          assert.ok(response.status < 500, `${path} ${show(query)}: ${response.status}`);
          await response.arrayBuffer();
        }
      }
    }
  }
}

test('REG-1 addresses that an app is sent back to are https, loopback, or its own scheme', async (t) => {
  const server = await startServer(t, { loopback: false });
  const good = [
    ...['https://app.example/callback', 'http://127.0.0.1/callback', 'http://localhost:9090/x', 'http://[::1]:5000/'],
    ...['com.example.app:/callback', 'com.example.app://callback', 'org.hospital.viewer-2:/oauth'],
  ];
  const bad = [
    ...['javascript:alert(1)', 'data:text/html,x', 'vbscript:x', 'blob:https://app.example/1', 'file:///etc/passwd'],
    ...[
      'about:blank',
      'ftp://app.example/',
      'ws://app.example/',
      'wss://app.example/',
      'view-source:https://app.example/',
    ],
    ...[
      'myapp://callback',
      'capacitor://localhost/',
      'intent://x#Intent;end',
      'chrome-extension://abc/',
      'ms-settings:x',
    ],
    ...[
      'http://app.example/',
      'http://127.0.0.1.example/',
      'https://user:secret@app.example/',
      'https://app.example/#x',
      'https://*.example/',
      'https://app.*/x',
    ],
    ...[
      'JaVaScRiPt:alert(1)',
      ' javascript:alert(1)',
      'mailto:a@app.example',
      'urn:ietf:wg:oauth:2.0:oob',
      'tel:1',
      '.a:/',
    ],
    // Browsers make something else of these than whoever compares them.
    ...['https:app.example', 'https:/app.example', 'https:\\\\app.example', 'https://app.example\\@evil.example/'],
    ...['https://app.example/a b', ' https://app.example/', 'https:///app.example', 'com.example.app:/a\\b'],
  ];
  for (const uri of good) {
    const { status, body } = await register(server, { redirect_uris: [uri] });
    assert.equal(status, 201, `${uri}: ${body.error_description}`);
    await server.auth.clients.delete(String(body.client_id));
  }
  for (const uri of bad) {
    const { status, body } = await register(server, { redirect_uris: ['https://app.example/', uri] });
    assert.deepEqual([status, body.error], [400, 'invalid_redirect_uri'], uri);
  }
});

test('REG-1 a name that shows nothing is refused', async (t) => {
  const server = await startServer(t);
  const app = { redirect_uris: ['https://app.example/'], token_endpoint_auth_method: 'none' };
  for (const name of [
    ' ',
    '\u00a0',
    '\u3000 \u2003',
    '\u2800',
    '\u3164',
    '\u115f\u1160',
    '\uffa0',
    '\u00ad',
    '\u200c',
    '\ufe0f',
    '\u0301',
  ]) {
    const { status, body } = await register(server, { ...app, client_name: name });
    assert.deepEqual([status, body.error], [400, 'invalid_client_metadata'], JSON.stringify(name));
  }
  for (const name of ['.', '1', 'क', '한', 'ｱ', '日', '✓']) {
    assert.equal((await register(server, { ...app, client_name: name })).status, 201, name);
  }
});

test('REG-1 pages that are packed into a mobile app have an origin', async (t) => {
  const server = await startServer(t);
  const origins = ['capacitor://localhost', 'ionic://localhost', 'https://app.example'];
  const { status, body } = await register(server, { redirect_uris: ['com.example.app:/callback'], origins });
  assert.equal(status, 201);
  assert.deepEqual(body.origins, origins);
  const answer = await fetch(server.url('/auth/token'), {
    method: 'OPTIONS',
    headers: { origin: 'capacitor://localhost' },
  });
  assert.equal(answer.headers.get('access-control-allow-origin'), 'capacitor://localhost');
  for (const origin of ['capacitor://localhost/path', 'javascript://x', 'null', 'file://', 'myapp://localhost']) {
    const refused = await register(server, { redirect_uris: ['https://app.example/'], origins: [origin] });
    assert.equal(refused.status, 400, origin);
  }
});

test('REG-1 names that hide or turn what is written are refused', async (t) => {
  const server = await startServer(t);
  const misleading = [
    '\u0000',
    '\u0007',
    '\n',
    '\u001b[2J',
    '\u007f',
    '\u0085',
    '\u2028',
    '\u200b',
    '\u202e',
    '\u2066',
    '\ufeff',
    '\u{e0041}',
  ];
  const app = { redirect_uris: ['https://app.example/'] };
  for (const sign of misleading) {
    for (const field of [
      { client_name: `View${sign}er` },
      { contacts: [`a${sign}@app.example`] },
      { session_users: [sign] },
    ]) {
      assert.equal((await register(server, { ...app, ...field })).status, 400, `${show(sign)} ${show(field)}`);
    }
    await assert.rejects(server.auth.users.add({ id: 'eve', name: `Eve${sign}`, password: 'a lantern of quartz' }));
    await assert.rejects(server.auth.users.add({ id: 'eve', name: 'Eve', aliases: [`ev${sign}e`] }));
  }
  for (const name of ['Visor de imágenes', '画像ビューア', 'عارض الصور', 'क्‍ष', 'Viewer 👩‍⚕️', 'O’Brien – “PACS”']) {
    assert.equal((await register(server, { ...app, client_name: name })).status, 201, name);
  }
});

test('answers to odd things are answers of ours', async (t) => {
  const server = await startServer(t);
  for (const body of ['', '[', 'null', '"x"', '[]', '5']) {
    const headers = { 'content-type': 'application/json' };
    for (const path of [
      '/auth/session',
      '/auth/register',
      '/launch',
      '/auth/token',
      '/auth/introspect',
      '/auth/revoke',
    ]) {
      const answer = await answerOf(await fetch(server.url(path), { method: 'POST', headers, body }));
      assert.ok(answer.status >= 400 && answer.status < 500, `${path} ${body}: ${answer.status}`);
      assert.equal(typeof answer.body.error, 'string', path);
    }
  }
});
