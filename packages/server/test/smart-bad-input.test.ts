/** What must be refused, by the whole server, with the answers of the rules; nothing of it changes anything. */
import assert from 'node:assert/strict';
import { createHmac, hash } from 'node:crypto';
import { describe, it } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { Backend, HubClient, type Json, sharedLockstep } from './harness.ts';
import { App, ASSERTION_TYPE, fhir, formsOf, Person, post, REDIRECT, register, resources, returned } from './person.ts';

const { origin } = await sharedLockstep();
const TOKEN = `${origin}/auth/token`;
const person = new Person(origin);
await person.signIn();
const service = await HubClient.backend(origin, 'system/*.rs', { scope: 'system/*.rs' });
const patients = (await resources(origin, 'Patient?_count=50', service.token)).map(({ id }) => String(id));
const [MINE = '', THEIRS = ''] = patients;

describe('AUT-1, AUT-2 the authorization endpoint', () => {
  it('shows a page, and redirects nowhere, for an unknown client or an address that is not registered exactly', async () => {
    const app = await App.register(origin, 'public', { redirect_uris: [REDIRECT, 'https://app.example/cb?x=1'] });
    for (const changes of [
      { client_id: 'nobody' },
      { client_id: undefined },
      { client_id: '' },
      { redirect_uri: 'https://evil.example/' },
      { redirect_uri: undefined },
      { redirect_uri: `${REDIRECT}/` },
      { redirect_uri: `${REDIRECT}?next=https://evil.example` },
      { redirect_uri: REDIRECT.replace('localhost', 'LOCALHOST') },
      { redirect_uri: `${REDIRECT.replace('9090', '9091')}x` },
      { redirect_uri: `${REDIRECT}#x` },
      { redirect_uri: `${REDIRECT}/../callback` },
      { redirect_uri: 'https://app.example/cb' },
      { redirect_uri: 'https://app.example@evil.example/cb?x=1' },
    ]) {
      const { url } = app.begin('openid', changes);
      for (const page of [
        await person.go(url),
        await person.go('/auth/authorize', { method: 'POST', body: new URL(url).searchParams }),
      ]) {
        assert.deepEqual([page.status, page.url.startsWith(origin)], [400, true], JSON.stringify(changes));
        assert.match(page.headers.get('content-type') ?? '', /^text\/html/);
      }
    }
  });

  it('tells the app of every other fault by redirect, with error, description, state and iss', async () => {
    const app = await App.register(origin);
    const plain = { code_challenge_method: 'plain' };
    const none = { code_challenge: undefined, code_challenge_method: undefined };
    for (const [changes, error] of [
      [{ aud: undefined }, 'invalid_request'],
      [{ aud: 'https://elsewhere.example/fhir' }, 'invalid_request'],
      [{ aud: `${origin}/fhirx` }, 'invalid_request'],
      [{ aud: `${origin}/fhir`, resource: 'https://elsewhere.example/' }, 'invalid_request'],
      [none, 'invalid_request'],
      [plain, 'invalid_request'],
      [{ code_challenge_method: undefined }, 'invalid_request'],
      [{ code_challenge: 'short' }, 'invalid_request'],
      [{ response_type: undefined }, 'invalid_request'],
      [{ response_type: 'token' }, 'unsupported_response_type'],
      [{ response_mode: 'fragment' }, 'unsupported_response_mode'],
      [{ scope: undefined }, 'invalid_request'],
      [{ scope: 'nonsense/*.x' }, 'invalid_scope'],
      [{ scope: 'system/*.rs' }, 'invalid_scope'],
      [{ launch: 'made-up' }, 'invalid_request'],
      [{ request: 'e30.e30.' }, 'request_not_supported'],
      [{ prompt: 'none' }, 'consent_required'],
    ] as const) {
      const { url, state } = app.begin('openid user/*.rs', changes);
      const back = returned(await person.go(url));
      assert.equal(back.get('error'), error, JSON.stringify(changes));
      assert.ok(back.get('error_description'), JSON.stringify(changes));
      assert.deepEqual([back.get('state'), back.get('iss'), back.get('code')], [state, origin, null]);
    }
    const { url } = app.begin('openid', { state: undefined });
    assert.equal(returned(await person.go(url)).get('error'), 'invalid_request', 'state is required');
  });
});

describe('AUT-6 codes', () => {
  it('are bound to client, redirect_uri and verifier; wrong attempts do not open them', async () => {
    const [app, other] = [await App.register(origin), await App.register(origin)];
    const { code, verifier } = await app.code(person, 'openid user/*.rs');
    for (const [changes, error] of [
      [{ code_verifier: 'x'.repeat(43) }, 'invalid_grant'],
      [{ code_verifier: hash('sha256', verifier, 'base64url') }, 'invalid_grant'],
      [{ code_verifier: '' }, 'invalid_grant'],
      [{ redirect_uri: 'https://evil.example/' }, 'invalid_grant'],
      [{ code: 'made-up' }, 'invalid_grant'],
      [{ grant_type: 'password' }, 'unsupported_grant_type'],
      [{ grant_type: '' }, 'invalid_request'],
    ] as const) {
      const { status, body } = await app.redeem(code, verifier, changes);
      assert.deepEqual([status, body.error], [400, error], JSON.stringify(changes));
      assert.ok(body.error_description);
    }
    const foreign = await other.redeem(code, verifier);
    assert.equal(foreign.body.error, 'invalid_grant');
    assert.equal((await app.redeem(code, verifier)).status, 200, 'its own client still can');
  });

  it('redeemed in parallel give one token at most, and leave none that works', async () => {
    const app = await App.register(origin);
    const { code, verifier } = await app.code(person, 'openid user/*.rs offline_access');
    const answers = await Promise.all(Array.from({ length: 8 }, () => app.redeem(code, verifier)));
    const won = answers.filter(({ status }) => status === 200);
    assert.ok(won.length <= 1);
    for (const { status, body } of answers) if (status !== 200) assert.equal(body.error, 'invalid_grant');
    for (const { body } of won) {
      assert.equal((await fhir(origin, 'Patient?_count=1', body.access_token)).status, 401);
      assert.equal((await app.refresh(body.refresh_token)).body.error, 'invalid_grant');
    }
  });
});

describe('TOK-4 refresh', () => {
  it('never widens, never serves another client', async () => {
    const [app, other] = [await App.register(origin, 'symmetric'), await App.register(origin, 'symmetric')];
    const token = await app.tokens(person, 'openid user/Patient.rs offline_access');
    const wider = await app.refresh(token.refresh_token, { scope: 'openid user/*.cruds' });
    assert.deepEqual([wider.status, wider.body.error], [400, 'invalid_scope']);
    assert.equal((await other.refresh(token.refresh_token)).body.error, 'invalid_grant');
    const narrow = await app.refresh(token.refresh_token, { scope: 'user/Patient.rs' });
    assert.deepEqual([narrow.status, narrow.body.scope], [200, 'user/Patient.rs']);
    assert.equal((await fhir(origin, 'Observation', narrow.body.access_token)).status, 403);
  });
});

describe('TOK-1 assertions', () => {
  it('with any fault are invalid_client', async () => {
    const { publicKey, privateKey } = await generateKeyPair('ES384', { extractable: true });
    const stranger = await generateKeyPair('ES384');
    const jwk = { ...(await exportJWK(publicKey)), kid: 'k' };
    const metadata = { grant_types: ['client_credentials'], scope: 'system/*.rs', jwks: { keys: [jwk] } };
    const { body: client } = await register(origin, metadata);
    const { body: twins } = await register(origin, { ...metadata, jwks: { keys: [jwk, { ...jwk }] } });
    const id = client.client_id;
    const now = (): number => Math.floor(Date.now() / 1000);
    const claims = (): Json => ({ iss: id, sub: id, aud: TOKEN, exp: now() + 120, jti: crypto.randomUUID() });
    const sign = (payload: Json, header: Json = {}, key = privateKey): Promise<string> =>
      new SignJWT(payload).setProtectedHeader({ alg: 'ES384', kid: 'k', ...header }).sign(key);
    const send = (assertion: string, changes: Record<string, string> = {}) =>
      post(TOKEN, {
        grant_type: 'client_credentials',
        scope: 'system/*.rs',
        client_assertion_type: ASSERTION_TYPE,
        client_assertion: assertion,
        ...changes,
      });
    const text = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');
    const hmac = (): string => {
      const unsigned = `${text({ alg: 'HS256', kid: 'k' })}.${text(claims())}`;
      return `${unsigned}.${createHmac('sha256', JSON.stringify(jwk)).update(unsigned).digest('base64url')}`;
    };
    const good = await sign(claims());
    const [head = '', body = '', signature = ''] = good.split('.');
    const faults: Record<string, string> = {
      'another key': await sign(claims(), {}, stranger.privateKey),
      'alg none': `${text({ alg: 'none', kid: 'k' })}.${text(claims())}.`,
      'HS256 with the public key': hmac(),
      'another aud': await sign({ ...claims(), aud: `${origin}/fhir` }),
      'aud of an attacker': await sign({ ...claims(), aud: 'https://evil.example/token' }),
      'no aud': await sign({ ...claims(), aud: undefined }),
      'another iss': await sign({ ...claims(), iss: 'nobody' }),
      'another sub': await sign({ ...claims(), sub: 'nobody' }),
      'an unknown client': await sign({ ...claims(), iss: 'nobody', sub: 'nobody' }),
      'exp too far': await sign({ ...claims(), exp: now() + 3600 }),
      'exp past': await sign({ ...claims(), exp: now() - 120 }),
      'no exp': await sign({ ...claims(), exp: undefined }),
      'no jti': await sign({ ...claims(), jti: undefined }),
      'a jku that is not registered': await sign(claims(), { jku: 'https://evil.example/jwks' }),
      'a kid that is not registered': await sign(claims(), { kid: 'other' }),
      'two keys that fit': await sign({ ...claims(), iss: twins.client_id, sub: twins.client_id }),
      'a changed body': `${head}.${text({ ...claims(), exp: now() + 200 })}.${signature}`,
      'no signature': `${head}.${body}.`,
      'no JWT': 'nonsense',
      nothing: '',
    };
    for (const [name, assertion] of Object.entries(faults)) {
      const answer = await send(assertion);
      assert.deepEqual([answer.status, answer.body.error], [401, 'invalid_client'], name);
    }
    const type = await send(good, { client_assertion_type: 'not_an_assertion_type' });
    assert.equal(type.body.error, 'invalid_client');
    assert.equal((await send(good, { scope: '' })).body.error, 'invalid_scope', 'and its jti is not spent by that');
    const replays = await Promise.all(Array.from({ length: 8 }, () => send(good)));
    assert.deepEqual(replays.map(({ status }) => status).sort(), [200, ...Array(7).fill(401)], 'a jti in parallel');
  });
});

describe('AUT-7 pages', () => {
  it('CSRF: no form of a flow is taken without its own value, from no other site, and open redirects lead home', async () => {
    const app = await App.register(origin);
    const fresh = new Person(origin);
    const begin = (): string => app.begin('openid launch/patient launch/encounter patient/*.rs').url;
    for (const step of ['Sign in', 'Choose a patient', 'Choose an encounter', 'Allow access']) {
      const page = await fresh.go(begin());
      let at = page;
      for (let hops = 0; hops < 4 && !at.text.includes(`<title>${step}`); hops += 1) {
        if (at.text.includes('<title>Sign in')) at = await fresh.submit(at, { name: 'sample', value: 'dr-mei-tanaka' });
        else if (at.text.includes('<title>Choose a patient'))
          at = await fresh.submit(at, { name: 'patient', value: MINE });
        else at = await fresh.submit(at, { name: 'encounter', value: 'none' });
      }
      assert.match(at.text, new RegExp(`<title>${step}`));
      for (const { action, buttons } of formsOf(at)) {
        const [button] = buttons;
        const fields = { [button?.name ?? 'x']: button?.value ?? '' };
        for (const [csrf, headers] of [
          ['', {}],
          ['x'.repeat(43), {}],
          [/name="csrf" value="([^"]*)"/.exec(at.text)?.[1] ?? '', { origin: 'https://evil.example' }],
        ] as const) {
          const body = new URLSearchParams({ ...fields, csrf });
          const target = new URL(action, at.url).href;
          const response = await fresh.request(target, { method: 'POST', body, headers });
          assert.equal(response.status, 403, `${step} ${action}`);
        }
      }
    }
    for (const next of [
      'https://evil.example/',
      '//evil.example',
      '/\\evil.example',
      'javascript:alert(1)',
      '/%2f/evil.example',
    ]) {
      const page = await fresh.go(`/auth/sign-in?return=${encodeURIComponent(next)}`);
      const end = await fresh.submit(page, { name: 'sample', value: 'dr-mei-tanaka' });
      assert.ok(end.url.startsWith(`${origin}/`), `${next} led to ${end.url}`);
    }
  });

  it('session fixation: a cookie that was there before signing in is worth nothing after it', async () => {
    const victim = new Person(origin);
    const planted = 'p'.repeat(43);
    const headers = { 'content-type': 'application/json', cookie: `lockstep_session=${planted}` };
    const body = JSON.stringify({ sample: 'dr-lena-okafor' });
    const response = await fetch(`${origin}/auth/session`, { method: 'POST', headers, body });
    const cookies = response.headers.getSetCookie().join();
    assert.ok(!cookies.includes(planted));
    const asThief = await fetch(`${origin}/auth/session`, { headers: { cookie: `lockstep_session=${planted}` } });
    assert.equal(asThief.status, 401);
    const { csrf: before } = await victim.signIn();
    const { csrf: after } = await victim.signIn();
    assert.notEqual(before, after);
  });
});

describe('FHR-2 one patient’s token', () => {
  it('reads, searches, includes and chains nothing of another patient', async () => {
    const app = await App.register(origin);
    const token = (await app.launched(person, 'launch patient/*.cruds', { patient: MINE })).access_token;
    const [report] = await resources(origin, `DiagnosticReport?patient=${THEIRS}`, service.token);
    const [encounter] = await resources(origin, `Encounter?patient=${THEIRS}`, service.token);
    for (const path of [
      `Patient/${THEIRS}`,
      `DiagnosticReport/${report?.id}`,
      `Encounter/${encounter?.id}/_history/1`,
    ]) {
      assert.equal((await fhir(origin, path, token)).status, 403, path);
    }
    for (const path of [
      `Patient?_id=${THEIRS}`,
      `Observation?patient=${THEIRS}`,
      `Observation?subject=Patient/${THEIRS}`,
      `DiagnosticReport?_id=${report?.id}&_include=DiagnosticReport:subject`,
      `Encounter?_id=${encounter?.id}&_include=*`,
      'Patient?_count=50',
      'Observation?_count=50&_include=*',
      'ImagingStudy?_summary=count',
      `Observation?patient.identifier=${THEIRS}`,
      `Patient?_has:Observation:patient:code=1234`,
      `Observation?subject:Patient.name=a`,
    ]) {
      const { status, body } = await fhir(origin, path, token);
      if (status !== 200) {
        assert.ok(status === 400 || status === 403, `${path}: ${status}`);
        assert.equal(body.resourceType, 'OperationOutcome');
        continue;
      }
      const text = JSON.stringify(body.entry ?? []);
      for (const other of patients)
        if (other !== MINE) assert.ok(!text.includes(`Patient/${other}"`), `${path}: ${other}`);
    }
    const taken = {
      resourceType: 'Observation',
      status: 'final',
      code: { text: 'x' },
      subject: { reference: `Patient/${THEIRS}` },
    };
    const written = await fetch(`${origin}/fhir/Observation`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/fhir+json' },
      body: JSON.stringify(taken),
    });
    assert.equal(written.status, 403);
    assert.equal((await fhir(origin, 'metadata', '')).status, 200);
    assert.equal((await fhir(origin, `Patient/${MINE}`, 'made-up')).status, 401);
  });

  it('a patient scope that no patient came with opens nothing', async () => {
    const backend = await Backend.register(origin, { scope: 'system/Patient.rs' });
    await assert.rejects(backend.token('patient/*.rs'), /invalid_scope/);
    const app = await App.register(origin);
    const { code, verifier, titles } = await app.code(person, 'patient/*.rs', { patient: MINE });
    assert.deepEqual(titles, ['Choose a patient', 'Allow access'], 'one is chosen first');
    assert.equal((await app.redeem(code, verifier)).body.patient, MINE);
  });
});
