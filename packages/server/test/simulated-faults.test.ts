/** Each fault that the launch builder offers, driven as an app would meet it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FAULTS, FAULTS_BY_STAGE, type Fault, type Simulated, simulatedServer } from '@lockstep/console/simulation';
import {
  HubClient,
  type Json,
  json,
  observation,
  put,
  report,
  Subscriber,
  sharedLockstep,
  updates,
} from './harness.ts';
import { App, fhir, Person, REDIRECT } from './person.ts';

const SCOPE = 'openid fhirUser launch/patient patient/*.rs user/*.rs offline_access fhircast/*.*';

const lockstep = await sharedLockstep({ sampleData: true });
const { origin } = lockstep;

async function signedIn(): Promise<Person> {
  const lena = new Person(origin);
  await lena.signIn();
  return lena;
}

/** What is asserted of one fault: everything else works. */
const PROOFS: Readonly<Record<Fault, (base: string) => Promise<void>>> = {
  'invalid-client': (base) => shownToTheBrowser(base, 'invalid_client'),
  'invalid-redirect': (base) => shownToTheBrowser(base, 'invalid_redirect_uri'),
  'bad-scope': (base) => returned(base, 'invalid_scope'),
  'wrong-aud': (base) => returned(base, 'invalid_request'),
  'denied-consent': (base) => returned(base, 'access_denied'),
  'expired-code': (base) => noToken(base, 400, 'invalid_grant'),
  'wrong-secret': (base) => noToken(base, 401, 'invalid_client'),
  'used-jti': (base) => noToken(base, 401, 'invalid_client'),
  'wrong-assertion': (base) => noToken(base, 401, 'invalid_client'),
  async 'refused-refresh'(base) {
    const { app, granted } = await launched(base);
    const refused = await app.refresh(granted.refresh_token);
    assert.deepEqual([refused.status, refused.body.error], [400, 'invalid_grant']);
    assert.equal((await fhir(base, 'Patient?_count=1', granted.access_token)).status, 200);
  },
  async 'expired-token'(base) {
    const { granted } = await launched(base);
    assert.equal((await fhir(base, 'Patient?_count=1', granted.access_token)).status, 401);
    const hub = new HubClient(`${base}/hub`, granted.access_token);
    assert.equal((await hub.request(`/${granted['hub.topic']}`)).status, 401);
  },
  'fhir-expired': (base) => recordAnswers(base, 401),
  'fhir-forbidden': (base) => recordAnswers(base, 403),
  'fhir-error': (base) => recordAnswers(base, 500),
  async 'slow-fhir'(base) {
    const { granted } = await launched(base);
    const began = performance.now();
    assert.equal((await fhir(base, 'Patient?_count=1', granted.access_token)).status, 200);
    assert.ok(performance.now() - began >= 2900);
  },
  async 'slow-hub'(base) {
    const { granted } = await launched(base);
    const began = performance.now();
    assert.equal(
      (await new HubClient(`${base}/hub`, granted.access_token).request(`/${granted['hub.topic']}`)).status,
      200,
    );
    assert.ok(performance.now() - began >= 2900);
  },
  async 'refused-subscription'(base) {
    const { granted } = await launched(base);
    const hub = new HubClient(`${base}/hub`, granted.access_token);
    await assert.rejects(hub.subscribe(granted['hub.topic'], 'Patient-open'), /403 Simulated/);
  },
  async 'sync-error'(base) {
    const { granted } = await launched(base);
    const hub = new HubClient(`${base}/hub`, granted.access_token);
    const topic = granted['hub.topic'];
    const follower = await hub.subscribe(topic, 'Patient-open,SyncError');
    await open(hub, topic);
    const names = [await follower.event(), await follower.event()].map(({ event }) => event['hub.event']);
    assert.deepEqual(names, ['Patient-open', 'SyncError']);
    await follower.close();
  },
  async 'lost-socket'(base) {
    const { granted } = await launched(base);
    const hub = new HubClient(`${base}/hub`, granted.access_token);
    const topic = granted['hub.topic'];
    const follower = await hub.subscribe(topic, 'Patient-open,Patient-close');
    await open(hub, topic);
    await follower.event();
    assert.equal((await follower.closed).code, 1006, 'cut, not closed');
    const again = await reconnected(follower.endpoint);
    await close(hub, topic);
    const names = [];
    for (let name = ''; name !== 'Patient-close'; names.push(name)) name = (await again.event()).event['hub.event'];
    assert.equal(names.at(-1), 'Patient-close', 'the app has returned, and follows');
    await again.close();
  },
  async 'denied-subscription'(base) {
    const { granted } = await launched(base);
    const hub = new HubClient(`${base}/hub`, granted.access_token);
    const topic = granted['hub.topic'];
    const follower = await hub.subscribe(topic, 'Patient-open');
    assert.equal((await follower.next())['hub.mode'], 'subscribe');
    const denial = await follower.next();
    assert.deepEqual(
      [denial['hub.mode'], denial['hub.topic'], denial['hub.events']],
      ['denied', topic, 'Patient-open'],
    );
    assert.match(denial['hub.reason'], /^Simulated/);
    await follower.closed;
    await assert.rejects(reconnected(follower.endpoint.replace(/\/simulate\/[^/]+/, ''), 100), /404/);
  },
  async 'version-gap'(base) {
    const { granted } = await launched(base);
    const hub = new HubClient(`${base}/hub`, granted.access_token);
    const topic = granted['hub.topic'];
    const follower = await hub.subscribe(topic, 'DiagnosticReport-open,DiagnosticReport-update,SyncError');
    const anchor = report('r1');
    const reference = { key: 'report', reference: { reference: 'DiagnosticReport/r1' } };
    const context = [anchor, { key: 'patient', resource: { resourceType: 'Patient', id: 'p1' } }];
    assert.equal((await hub.publish(topic, 'DiagnosticReport-open', context)).status, 202);
    const opened = await follower.event();
    let version = (await hub.context(topic))['context.versionId'] as string;
    const versions: string[] = [version];
    for (const value of [1, 2]) {
      const change = updates(put(observation('o1', value)));
      const sent = await hub.publish(topic, 'DiagnosticReport-update', [reference, change], {
        'context.versionId': version,
      });
      assert.equal(sent.status, 202, await sent.text());
      version = (await hub.context(topic))['context.versionId'] as string;
      versions.push(version);
    }
    const update = await follower.event();
    assert.equal(opened.event['hub.event'], 'DiagnosticReport-open');
    assert.equal(update.event['hub.event'], 'DiagnosticReport-update');
    assert.equal(update.event['context.priorVersionId'], versions[1], 'the one that the app was not sent');
    assert.equal(update.event['context.versionId'], versions[2]);
    assert.deepEqual(follower.waiting, [], 'nobody is told of an error');
    await follower.close();
  },
};

async function begun(base: string, kind: 'public' | 'asymmetric' = 'asymmetric') {
  const app = (await App.register(origin, kind)).at(base);
  return { app, person: await signedIn() };
}

async function launched(base: string): Promise<{ app: App; granted: Json }> {
  const { app, person } = await begun(base);
  return { app, granted: await app.tokens(person, SCOPE) };
}

async function shownToTheBrowser(base: string, error: string): Promise<void> {
  const { app, person } = await begun(base);
  const page = await person.go(app.begin(SCOPE).url);
  assert.equal(page.status, 400);
  assert.ok(page.url.startsWith(origin), 'nobody is redirected');
  assert.match(page.text, new RegExp(error));
}

async function returned(base: string, error: string): Promise<void> {
  const { app, person } = await begun(base);
  const { url, state } = app.begin(SCOPE);
  const end = await person.go(url);
  assert.ok(end.url.startsWith(REDIRECT));
  const back = new URL(end.url).searchParams;
  assert.deepEqual([back.get('error'), back.get('state')], [error, state]);
}

async function noToken(base: string, status: number, error: string): Promise<void> {
  const { app, person } = await begun(base);
  const { code, verifier } = await app.code(person, SCOPE);
  const refused = await app.redeem(code, verifier);
  assert.deepEqual([refused.status, refused.body.error], [status, error]);
  assert.match(refused.body.error_description, /^Simulated/);
  // A page of the app can read why.
  const from = new URL(REDIRECT).origin;
  const read = await fetch(`${base}/auth/token`, {
    method: 'POST',
    headers: { origin: from },
    body: new URLSearchParams({ grant_type: 'authorization_code' }),
  });
  assert.equal(read.headers.get('access-control-allow-origin'), from);
  const well = base.replace(/\/simulate\/[^,]+/, '/simulate/none');
  assert.equal((await app.at(well).redeem(code, verifier)).status, 200, 'the code itself is good');
}

async function recordAnswers(base: string, status: number): Promise<void> {
  const { granted } = await launched(base);
  const answer = await fhir(base, 'Patient?_count=1', granted.access_token);
  assert.equal(answer.status, status);
  assert.equal(answer.body.resourceType, 'OperationOutcome');
  assert.match(answer.body.issue[0].diagnostics, /^Simulated/);
  assert.equal(answer.headers.get('access-control-allow-origin'), '*');
  assert.equal((await fetch(`${base}/fhir/metadata`)).status, 200);
  assert.equal((await fhir(origin, 'Patient?_count=1', granted.access_token)).status, 200, 'the token itself is good');
  const hub = new HubClient(`${base}/hub`, granted.access_token);
  assert.equal((await hub.request(`/${granted['hub.topic']}`)).status, 200);
}

const PATIENT = { key: 'patient', resource: { resourceType: 'Patient', id: 'amara-diallo' } };

async function open(hub: HubClient, topic: string): Promise<void> {
  assert.equal((await hub.publish(topic, 'Patient-open', [PATIENT])).status, 202);
}

async function close(hub: HubClient, topic: string): Promise<void> {
  assert.equal((await hub.publish(topic, 'Patient-close', [PATIENT])).status, 202);
}

/** Comes back to an endpoint; one that has just been ended may take a moment to be gone. */
async function reconnected(endpoint: string, tries = 1): Promise<Subscriber> {
  for (let left = tries; ; left -= 1) {
    const again = await Subscriber.connect(endpoint);
    if (left <= 1) return again;
    await again.close();
  }
}

for (const [stage, faults] of Object.entries(FAULTS_BY_STAGE)) {
  for (const fault of faults) {
    test(`simulated fault at ${stage}: ${fault}`, () => PROOFS[fault](`${origin}/simulate/${fault}`));
  }
}

/** Other launches than that of the person at the browser: for somebody of the record, for a patient, without checks or PKCE. */
const OTHER_LAUNCHES: readonly Partial<Simulated>[] = [
  { person: { kind: 'user', id: 'dr-mei-tanaka' } },
  { person: { kind: 'practitioner', id: 'dr-samuel-abebe' }, pkce: 'auto' },
  { person: { kind: 'patient', id: 'kofi-mensah' }, pkce: 'none' },
  { unchecked: true },
  { skipsConsent: true, skipsPickers: true, chart: 'kofi-mensah' },
];
const QUICK = FAULTS.filter((fault) => !fault.startsWith('slow-'));

for (const [index, fault] of QUICK.entries()) {
  const launch = OTHER_LAUNCHES[index % OTHER_LAUNCHES.length] ?? {};
  test(`simulated fault ${fault} in another launch: ${Object.keys(launch)}`, () =>
    PROOFS[fault](simulatedServer(origin, { ...launch, faults: [fault] })));
}

/** What cannot be redirected, by the path below the simulation's and the code that its page names (AUT-2). */
const REFUSED_PAGES: readonly (readonly [address: string, error: string])[] = [
  ['invalid-client/auth/authorize', 'invalid_client'],
  ['invalid-redirect/auth/authorize?client_id=sample-viewer', 'invalid_redirect_uri'],
  ['no-such-fault/auth/authorize', 'invalid_request'],
  ['pkce:some/auth/authorize', 'invalid_request'],
  ['client:e30/auth/authorize', 'invalid_request'],
  ['unchecked/auth/authorize', 'invalid_request'],
  ['unchecked/auth/authorize?client_id=x&redirect_uri=https://elsewhere.example/', 'invalid_request'],
  ['bad-scope/auth/authorize?client_id=nobody&redirect_uri=https://elsewhere.example/', 'invalid_redirect_uri'],
  ['user:nobody/auth/authorize', 'invalid_request'],
  ['patient:nobody/auth/authorize', 'invalid_request'],
  [`${described('public', 'declared')}/auth/authorize?client_id=another`, 'invalid_client'],
  [
    `${described('public', 'sample-viewer')}/auth/authorize?client_id=sample-viewer&redirect_uri=${REDIRECT}`,
    'invalid_client',
  ],
  [
    `${described('asymmetric', 'no-keys')}/auth/authorize?client_id=no-keys&redirect_uri=${REDIRECT}`,
    'invalid_client_metadata',
  ],
  [`none/auth/authorize?scope=${'x'.repeat(8000)}`, 'invalid_request'],
  ['none/person/auth/authorize', 'invalid_request'],
  ['user:nobody/person/auth/interaction/x', 'invalid_request'],
  ['user:dr-mei-tanaka/person/auth/%2e%2e%2fmetrics', 'invalid_request'],
];

function described(type: string, id: string): string {
  return `client:${Buffer.from(JSON.stringify({ type, id })).toString('base64url')}`;
}

/** The path and the query of an address. */
function halves(address: string): readonly [path: string, query: string] {
  const [path = '', query = ''] = address.split('?');
  return [path, query];
}

for (const [language, title] of [
  ['en', 'This did not work'],
  ['de', 'Das hat nicht geklappt'],
] as const) {
  test(`AUT-2 what a simulated launch refuses in the browser is a page, ${language}`, async () => {
    const headers = { 'accept-language': language };
    for (const [address, error] of REFUSED_PAGES) {
      const [path, query] = halves(address);
      const url = `${origin}/simulate/${path}`;
      const form = { method: 'POST', body: new URLSearchParams(query) };
      for (const init of [{}, form]) {
        const answer = await fetch(init === form ? url : `${url}?${query}`, { ...init, headers, redirect: 'manual' });
        const page = await answer.text();
        const what = `${init === form ? 'POST' : 'GET'} ${address.slice(0, 100)}: ${page.slice(0, 200)}`;
        assert.ok(answer.status >= 400 && answer.status < 500, `${answer.status} ${what}`);
        assert.match(answer.headers.get('content-type') ?? '', /^text\/html/, what);
        assert.match(page, new RegExp(`<html lang="${language}">`), what);
        assert.match(page, new RegExp(`<h1>${title}</h1>`), what);
        assert.match(page, new RegExp(`<code>${error}</code>`), what);
        assert.match(answer.headers.get('content-security-policy') ?? '', /frame-ancestors/, what);
      }
    }
  });
}

test('a page of a simulated launch says so in the language of the person', async () => {
  const app = (await App.register(origin, 'public')).at(`${origin}/simulate/user:dr-mei-tanaka`);
  for (const [language, words] of [
    ['en', 'A simulated launch, as Dr. Mei Tanaka.'],
    ['de', 'Ein simulierter Start, als Dr. Mei Tanaka.'],
  ] as const) {
    const person = new Person(origin);
    const page = await person.go(app.begin(SCOPE).url, { headers: { 'accept-language': language } });
    const again = await person.request(page.url, { headers: { 'accept-language': language } });
    assert.match(await again.text(), new RegExp(words));
  }
});

test('a launch in which nothing is to go wrong goes as a real one', async () => {
  const base = `${origin}/simulate/none`;
  const { app, granted } = await launched(base);
  assert.equal((await fhir(base, 'Patient?_count=1', granted.access_token)).status, 200);
  assert.equal((await app.refresh(granted.refresh_token)).status, 200);
  const smart = await json(fetch(`${base}/fhir/.well-known/smart-configuration`));
  assert.equal(smart.token_endpoint, `${base}/auth/token`);
  assert.equal(new Set(FAULTS).size, FAULTS.length);
});
