/** Whatever JSON the server behind, or its authorization server, answers: a FHIR answer, never an error of our own, never a wait. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { after, before, test } from 'node:test';
import { FhirRefusal } from '@lockstep/fhir';
import { oddTexts } from '../../../scripts/odd-json.ts';
import { Capabilities } from '../src/capabilities.ts';
import { ClientCredentials, NO_CREDENTIALS, Upstream } from '../src/index.ts';
import { type Answer, BASE, type Gateway, type StandIn, startGateway, startStandIn } from './harness.ts';

const FHIR = { 'content-type': 'application/fhir+json' };
const CAPABILITIES = {
  resourceType: 'CapabilityStatement',
  date: '2026-01-01',
  fhirVersion: '4.0.1',
  rest: [
    {
      mode: 'server',
      resource: [
        {
          type: 'Patient',
          interaction: [{ code: 'read' }, { code: 'search-type' }, { code: 'create' }, { code: 'history-instance' }],
          searchParam: [{ name: 'name', type: 'string' }],
          operation: [{ name: 'everything' }],
          conditionalDelete: 'single',
        },
      ],
    },
  ],
};
const PATIENT = { resourceType: 'Patient', id: 'p1', meta: { versionId: '1', lastUpdated: '2026-01-01T00:00:00Z' } };
const BUNDLE = {
  resourceType: 'Bundle',
  type: 'searchset',
  total: 1,
  link: [{ relation: 'next', url: 'NEXT' }],
  entry: [{ fullUrl: 'FULL', search: { mode: 'match', score: 1 }, resource: PATIENT }],
};

let standIn: StandIn;
let gateway: Gateway;
let all: string;
let own: string;
const texts = { metadata: JSON.stringify(CAPABILITIES), answer: '', status: 200 };
before(async () => {
  standIn = await startStandIn();
  standIn.answer = ({ url = '' }: IncomingMessage, response: ServerResponse) => {
    const isMetadata = url.endsWith('/metadata');
    response.writeHead(isMetadata ? 200 : texts.status, FHIR).end(isMetadata ? texts.metadata : texts.answer);
  };
  gateway = await startGateway(standIn.base, undefined, { timeoutMs: 2000 });
  all = gateway.token({ scope: 'system/*.cruds' });
  own = gateway.token({ scope: 'patient/*.cruds', patient: 'p1' });
});
after(async () => {
  await gateway.close();
  await standIn.close();
});

/** What was asked for, or an OperationOutcome: of the server's trouble, or of the sender's. */
function check({ status, body, text }: Answer, what: string): void {
  assert.ok(status < 500 || [502, 503, 504].includes(status), `${status} ${what} → ${text.slice(0, 300)}`);
  assert.ok(text === '' || typeof body.resourceType === 'string', what);
}

const withBase = (text: string): string =>
  text.replace('NEXT', `${standIn.base}/Patient?page=2`).replace('FULL', `${standIn.base}/Patient/p1`);

test('FHR-3 a read, a search, a history and a change may be answered with any JSON', async () => {
  const asked: readonly (readonly [example: object, ask: (bearer: string) => Promise<Answer>])[] = [
    [PATIENT, (bearer) => gateway.get('/Patient/p1', bearer)],
    [BUNDLE, (bearer) => gateway.get('/Patient?name=x', bearer)],
    [PATIENT, (bearer) => gateway.send('POST', '/Patient', bearer, { resourceType: 'Patient' })],
    [{ ...BUNDLE, type: 'history' }, (bearer) => gateway.get('/Patient/p1/_history', bearer)],
  ];
  for (const [example, ask] of asked) {
    let turn = 0;
    for (const text of oddTexts(example)) {
      texts.answer = withBase(text);
      turn += 1;
      check(await ask(turn % 2 ? all : own), text.slice(0, 300));
    }
  }
  const outcome = {
    resourceType: 'OperationOutcome',
    issue: [{ code: 'invalid', details: { text: 'x' }, diagnostics: 'y' }],
  };
  texts.status = 422;
  for (const text of oddTexts(outcome)) {
    texts.answer = text;
    check(await gateway.send('POST', '/Patient', all, { resourceType: 'Patient' }), text.slice(0, 300));
  }
  texts.status = 200;
  texts.answer = JSON.stringify(PATIENT);
  assert.equal((await gateway.get('/Patient/p1', all)).status, 200);
});

test('DIS-4 a CapabilityStatement may be any JSON', async () => {
  const upstream = new Upstream({
    base: standIn.base,
    credentials: NO_CREDENTIALS,
    timeoutMs: 2000,
    maxBytes: 200_000,
  });
  const about = {
    ...{ baseUrl: BASE, hubUrl: `${BASE}/hub`, version: '1' },
    smart: { authorize: `${BASE}/authorize`, token: `${BASE}/token` },
  };
  try {
    for (const text of oddTexts(CAPABILITIES)) {
      texts.metadata = text;
      // What is known is used for a while: each text is read by one that knows nothing.
      const capabilities = new Capabilities(upstream, () => 0);
      const asked: readonly (() => Promise<unknown>)[] = [
        async () => JSON.stringify(await capabilities.statement(about)),
        async () => capabilities.require('Patient', 'read'),
        () => capabilities.hasParameter('Patient', 'name'),
      ];
      for (const ask of asked) {
        await ask().catch((error) => {
          assert.ok(
            error instanceof FhirRefusal && [404, 405, 502].includes(error.status),
            `${error} ${text.slice(0, 300)}`,
          );
        });
      }
    }
  } finally {
    await upstream.close();
    texts.metadata = JSON.stringify(CAPABILITIES);
  }
});

test('client credentials: whatever the token endpoint answers is a token for a day at most, or none', async () => {
  const key = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey.export({ type: 'pkcs8', format: 'pem' });
  const clock = { time: Date.now() };
  const tokens = { text: '' };
  const issuer = await startStandIn();
  issuer.answer = (_request, response) => response.writeHead(200, FHIR).end(tokens.text);
  const options = { tokenUrl: `${issuer.base}/token`, clientId: 'lockstep', key: key.toString(), scope: 'system/*.rs' };
  const guarded = await startGateway(standIn.base, new ClientCredentials({ ...options, now: () => clock.time }), {
    timeoutMs: 2000,
  });
  try {
    const bearer = guarded.token({ scope: 'system/*.cruds' });
    texts.answer = JSON.stringify(PATIENT);
    const example = { access_token: 'token', token_type: 'Bearer', expires_in: 300, scope: 'system/*.rs' };
    for (const text of [
      ...oddTexts(example),
      JSON.stringify({ ...example, access_token: 'a\r\nb: c' }),
      JSON.stringify(example),
    ]) {
      clock.time += 25 * 3_600_000;
      tokens.text = text;
      const answer = await guarded.get('/Patient/p1', bearer);
      check(answer, text.slice(0, 300));
      assert.ok([200, 502].includes(answer.status), `${answer.status} ${text.slice(0, 300)}`);
    }
    assert.equal((await guarded.get('/Patient/p1', bearer)).status, 200);
  } finally {
    await guarded.close();
    await issuer.close();
  }
});
