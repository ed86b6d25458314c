/**
 * AUT-4 a person on the way to an application while the FHIR server behind fails: every page says so in the person's language,
 * programs are told in JSON, and the way goes on once the server is back.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { type Json, sharedLockstep } from './harness.ts';
import { App, formsOf, type Page, Person, REDIRECT } from './person.ts';

const PATIENT = { resourceType: 'Patient', id: 'p1', name: [{ family: 'Novak' }], meta: { versionId: '1' } };
const types = ['Patient', 'Practitioner', 'Encounter', 'ImagingStudy'];
const CAPABILITIES = {
  resourceType: 'CapabilityStatement',
  status: 'active',
  fhirVersion: '4.0.1',
  rest: [
    {
      mode: 'server',
      resource: types.map((type) => ({
        type,
        interaction: [{ code: 'read' }, { code: 'search-type' }],
        searchParam: ['patient', 'name', 'identifier', '_id'].map((name) => ({ name, type: 'string' })),
      })),
    },
  ],
};

const json = (response: ServerResponse, value: object, status = 200): void => {
  response.writeHead(status, { 'content-type': 'application/fhir+json' }).end(JSON.stringify(value));
};

function works(url: string, response: ServerResponse): void {
  const [, type = '', id = ''] = /^\/r4\/(\w+)(?:\/([\w-]+))?/.exec(url) ?? [];
  if (type === 'metadata') json(response, CAPABILITIES);
  else if (type === 'Patient' && id) json(response, PATIENT);
  else if (id) json(response, { resourceType: type, id });
  else {
    const encounter = {
      resourceType: 'Encounter',
      id: 'e1',
      status: 'planned',
      class: {},
      subject: { reference: 'Patient/p1' },
    };
    const resource = type === 'Patient' ? PATIENT : encounter;
    json(response, { resourceType: 'Bundle', type: 'searchset', entry: [{ resource, search: { mode: 'match' } }] });
  }
}

/** What goes wrong, by its name. */
const FAULTS: Readonly<Record<string, (response: ServerResponse) => void>> = {
  'is dead': (response) => response.destroy(),
  'says nothing': () => undefined,
  'begins and says no more': (response) =>
    response.writeHead(200, { 'content-type': 'application/fhir+json' }).write('{'),
  'answers HTML': (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>Welcome'),
  'answers no JSON': (response) => response.writeHead(200, { 'content-type': 'application/fhir+json' }).end('{"a"'),
  'answers another resource': (response) => json(response, { resourceType: 'Device', id: 'd' }),
  'answers a list': (response) => json(response, [1]),
  'answers nothing': (response) => response.writeHead(200).end(),
  'knows no credentials of ours': (response) => response.writeHead(401).end(),
  'forbids it': (response) => response.writeHead(403).end(),
  'is busy': (response) => response.writeHead(429, { 'retry-after': '7' }).end(),
  fails: (response) => json(response, { resourceType: 'OperationOutcome' }, 500),
  'is at another address': (response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
  'never ends': (response) => {
    response.writeHead(200, { 'content-type': 'application/fhir+json' });
    const more = (): void => {
      if (!response.destroyed) response.write('{"resourceType":"Bundle",'.repeat(4000), more);
    };
    more();
  },
};

let fault: ((response: ServerResponse) => void) | undefined;
const upstream = createServer((request, response) => {
  response.on('error', () => undefined);
  if (fault) fault(response);
  else works(request.url ?? '', response);
});
upstream.listen(0, '127.0.0.1');
await once(upstream, 'listening');
const { port } = upstream.address() as AddressInfo;
after(() => {
  upstream.close();
  upstream.closeAllConnections();
});
const { origin } = await sharedLockstep({
  sampleData: true,
  fhirUpstream: `http://127.0.0.1:${port}/r4`,
  fhirUpstreamSeconds: 0.3,
  fhirUpstreamPageBytes: 1_000_000,
});

const SCOPE = 'openid fhirUser launch/patient launch/encounter patient/Patient.rs fhircast/Patient-open.read';
const GERMAN = { accept: 'text/html,application/xhtml+xml', 'accept-language': 'de' };

function assertPage({ status, headers, text }: Page, name: string): void {
  assert.equal(status, 503, `${name}: ${text}`);
  assert.match(headers.get('content-type') ?? '', /^text\/html/, name);
  assert.match(text, /lang="de"/, name);
  assert.match(text, /FHIR-Server kann gerade nicht antworten/, `${name}: ${text}`);
  assert.match(headers.get('retry-after') ?? '', /^\d+$/, name);
}

describe('AUT-4 a person whose chart is asked of a FHIR server', () => {
  let app: App;
  before(async () => {
    app = await App.register(origin);
  });

  for (const [name, goesWrong] of Object.entries(FAULTS)) {
    it(`that ${name} sees a page that says so, and goes on later`, async () => {
      const person = new Person(origin);
      await person.signIn();
      const { url } = app.begin(SCOPE);
      const titles: string[] = [];
      let page = await person.go(url, { headers: GERMAN });
      while (page.url.startsWith(origin)) {
        assert.equal(page.status, 200, page.text);
        titles.push(/<title>([^<&]*)/.exec(page.text)?.[1]?.trim() ?? '');
        assert.ok(titles.length < 8, titles.join());
        fault = goesWrong;
        assertPage(await person.go(page.url, { headers: GERMAN }), `${name} ${titles.at(-1)}`);
        const form = formsOf(page).find(({ buttons }) => buttons.some(({ name: one }) => one !== undefined));
        const [button] = form?.buttons.filter(({ value }) => value !== 'deny') ?? [];
        assert.ok(form && button?.name, page.text);
        const fields = new URLSearchParams(form.fields.map(([field, value]): [string, string] => [field, value]));
        fields.append(button.name, button.value ?? '');
        const send = () =>
          person.request(new URL(form.action, page.url).href, { method: 'POST', body: fields, headers: GERMAN });
        const refused = await send();
        assertPage({ url: '', status: refused.status, headers: refused.headers, text: await refused.text() }, name);
        fault = undefined;
        const done = await send();
        page = await person.go(new URL(done.headers.get('location') ?? '', page.url).href, { headers: GERMAN });
      }
      assert.ok(page.url.startsWith(REDIRECT), page.url);
      assert.equal(new URL(page.url).searchParams.get('error'), null);
      assert.deepEqual(titles.length, 3, titles.join());
    });
  }

  it('is told to programs in JSON, whatever they ask', async () => {
    const person = new Person(origin);
    await person.signIn();
    const tokens = await app.tokens(person, SCOPE, { encounter: 'e1' });
    const { code, verifier } = await app.code(person, SCOPE, { encounter: 'e1' });
    fault = FAULTS['answers HTML'];
    const asked: Record<string, () => Promise<{ status: number; body: Json }>> = {
      code: () => app.redeem(code, verifier),
      userinfo: async () => {
        const headers = { authorization: `Bearer ${tokens.access_token}` };
        const answer = await fetch(`${origin}/auth/userinfo`, { headers });
        return { status: answer.status, body: (await answer.json()) as Json };
      },
      launch: () => person.launch({ client_id: app.clientId, patient: 'p1' }),
    };
    const statuses = Object.fromEntries(
      await Promise.all(Object.entries(asked).map(async ([name, ask]) => [name, (await ask()).status])),
    );
    fault = undefined;
    assert.deepEqual(statuses, { code: 503, userinfo: 503, launch: 503 });
  });
});
