// No page says anything that is not from the catalog: each page in all its forms, and the pages of a real server.
import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { R4_RESOURCE_TYPES, Scopes } from '@lockstep/fhircast';
import type { consentPage } from '../src/pages/consent.ts';
import type { errorPage, forwardPage } from '../src/pages/layout.ts';
import type { managePage, signedOutPage } from '../src/pages/manage.ts';
import { PageLanguages, said } from '../src/pages/page-language.ts';
import type { encounterPage, patientPage, sessionPage } from '../src/pages/pickers.ts';
import type { secondFactorPage } from '../src/pages/second-factor.ts';
import { RECORD_WORDS } from '../src/pages/sentences.ts';
import type { signInPage } from '../src/pages/sign-in.ts';
import { SUPPORTED_SCOPES } from '../src/scope-policy.ts';
import { groupScopes } from '../src/scope-words.ts';
import { SAMPLE_USERS } from '../src/users.ts';
import { attempt, formsOf, type Page, registerApp, TestBrowser } from './browsing.ts';
import { PATIENTS, startServer } from './harness.ts';
import { PSEUDO, pseudo, pseudoLanguages, untranslated } from './pseudo-language.ts';

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const EVENTS = ['Patient-open', 'Home-open', 'userlogout', 'UserHibernate', 'SyncError', 'DiagnosticReport-update'];
const MORE_EVENTS = ['ImagingStudy-close', 'DiagnosticReport-select', '1-2-3'];

/** Every form of a scope that there is. */
const SCOPES = new Scopes(
  [
    ...SUPPORTED_SCOPES,
    ...R4_RESOURCE_TYPES.map((type) => `patient/${type}.cruds`),
    'user/Observation.r?7=8&9=10',
    ...[...EVENTS, ...MORE_EVENTS].flatMap((event) =>
      ['read', 'write', '*'].map((right) => `fhircast/${event}.${right}`),
    ),
  ].join(' '),
).list;

/** What each page can be asked to show. Names in it are digits: any letter that is seen is the page's own. */
function formsOfPages(setting: Parameters<typeof errorPage>[0]) {
  const { language } = setting;
  const picker = { ...setting, flow: '/1', csrf: '2', app: '3' };
  const factor = {
    ...setting,
    user: '1',
    csrf: '2',
    active: false,
    passkeys: [],
    passkeysAvailable: true,
    codesLeft: 0,
  };
  const signIn = { ...setting, action: '/1', outsideAction: '/2', csrf: '3' };
  const ways = { samples: [], passwords: true };
  const sample = { id: '1', name: '2', administrator: true } as Parameters<typeof signInPage>[0]['ways']['samples'][0];
  const passkey = { id: '1', name: '2', createdAt: 0, lastUsedAt: undefined } as unknown as Parameters<
    typeof secondFactorPage
  >[0]['passkeys'][0];
  const grant = { id: '1', app: '2', grantedAt: 0, offline: false, words: [] };
  return {
    errorPage: [
      [setting, '1', said('The request could not be read.')],
      [setting, '1', { ...said('{} is given more than once.', '2'), detail: 'in the words of others' }],
    ] satisfies Parameters<typeof errorPage>[],
    forwardPage: [[setting, '/1']] satisfies Parameters<typeof forwardPage>[],
    consentPage: [
      [{ ...setting, flow: '/1', csrf: '2', app: '3', user: '4', groups: [] }],
      [
        {
          ...{
            ...setting,
            flow: '/1',
            csrf: '2',
            app: '3',
            user: '4',
            description: '5',
            destination: '6',
            patient: '7',
          },
          groups: groupScopes(SCOPES, language),
        },
      ],
    ] satisfies Parameters<typeof consentPage>[],
    managePage: [
      [{ ...setting, user: '1', csrf: '2', grants: [] }],
      [{ ...setting, user: '1', csrf: '2', grants: [grant, { ...grant, offline: true }] }],
    ] satisfies Parameters<typeof managePage>[],
    signedOutPage: [[setting]] satisfies Parameters<typeof signedOutPage>[],
    patientPage: [
      [{ ...picker, search: '', patients: [] }],
      [{ ...picker, search: '', patients: [], next: '7' }],
      [
        {
          ...picker,
          problem: said('There is no such patient.'),
          search: '7',
          patients: [{ id: '1', name: '7' }],
          next: '7',
        },
      ],
      ...['1961', '1961-02', '1961-02-03'].flatMap((birthDate) =>
        RECORD_WORDS.slice(0, 4).map(
          (gender): Parameters<typeof patientPage> => [
            { ...picker, search: '', patients: [{ id: '1', name: '7', birthDate, gender, identifier: '8' }] },
          ],
        ),
      ),
    ] satisfies Parameters<typeof patientPage>[],
    encounterPage: RECORD_WORDS.map(
      (status): Parameters<typeof encounterPage> => [
        {
          ...picker,
          problem: said('The patient has no such encounter.'),
          encounters: [{ id: '1', title: '7', status, start: '2026-11-20T10:00:00Z' }],
        },
      ],
    ),
    sessionPage: [true, false].map(
      (several): Parameters<typeof sessionPage> => [
        {
          ...picker,
          problem: said('Choose one of your sessions.'),
          sessions: [
            { topic: '1', startedAt: 0, subscribers: [] },
            { topic: '2', startedAt: 0, subscribers: ['3'], workstation: '4' },
          ],
          own: '1',
          several,
        },
      ],
    ),
    secondFactorPage: [
      [{ ...factor }],
      [{ ...factor, passkeysAvailable: false, confirming: true, problem: said('Codes need a second factor first.') }],
      [{ ...factor, active: true, codesLeft: 3, passkeys: [passkey, { ...passkey, lastUsedAt: 1 }] }],
      [{ ...factor, active: true, codes: ['1', '2'] }],
      [
        {
          ...factor,
          enrolment: { secret: '1', uri: 'otpauth://2' } as NonNullable<
            Parameters<typeof secondFactorPage>[0]['enrolment']
          >,
        },
      ],
      [{ ...factor, creation: { options: {}, name: '1' } }],
    ] satisfies Parameters<typeof secondFactorPage>[],
    signInPage: [
      [{ ...signIn, ways }],
      [{ ...signIn, app: '4', ways: { samples: [sample], passwords: true, outside: '5' }, needsCode: true, name: '6' }],
      [{ ...signIn, ways, passkey: {}, problem: said('Too many attempts. Try again in {} seconds.', 7) }],
      [{ ...signIn, ways: { samples: [], passwords: false, outside: '5' } }],
    ] satisfies Parameters<typeof signInPage>[],
  };
}

/** Every function that makes a page, by its name. */
async function pageMakers(): Promise<Map<string, (...given: unknown[]) => string>> {
  const folder = new URL('../src/pages/', import.meta.url);
  const files = globSync('*.ts', { cwd: folder }).filter((file) => !file.endsWith('.test.ts'));
  const modules = await Promise.all(files.map((file) => import(new URL(file, folder).href)));
  return new Map(modules.flatMap((one) => Object.entries(one)).filter(([name]) => name.endsWith('Page'))) as never;
}

describe('AUT-5 the pages of the authorization server', () => {
  it('say nothing that is not from the catalog, in all their forms', async (t) => {
    const languages = new PageLanguages(pseudoLanguages(t));
    const language = languages.find({ accepted: PSEUDO });
    const forms = formsOfPages({ base: '', language, choice: { tags: languages.tags, here: '/1' } });
    const makers = await pageMakers();
    assert.deepEqual([...makers.keys()].sort(), Object.keys(forms).sort());
    for (const [name, given] of Object.entries(forms)) {
      for (const [index, one] of given.entries()) {
        const page = makers.get(name)?.(...one) ?? '';
        assert.deepEqual(untranslated(page), [], `${name} ${index}`);
        assert.match(page, new RegExp(`<html lang="${PSEUDO}"`), name);
      }
    }
  });

  it('are seen to say something else where they do', () => {
    for (const page of [
      '<p>Allow</p>',
      `<p>${pseudo('Sign in')} now</p>`,
      '<a aria-label="Remove"></a>',
      '<p lang="de" title="ä"></p>',
      '<input placeholder="Name">',
    ])
      assert.equal(untranslated(page).length, 1, page);
    assert.deepEqual(untranslated(`<p>${pseudo('Sign in')} <code>openid</code> 7 UTC</p>`), []);
  });

  it('say nothing else at a real server either, wherever a browser comes', async (t) => {
    await walk(t);
  });
});

/** Goes to every page of a real server, in this language. */
async function walk(t: TestContext): Promise<void> {
  const server = await startServer(t, { languages: pseudoLanguages(t) });
  await server.auth.users.add({ id: 'ann', name: '彼女', password: 'correct horse battery' });
  const app = await registerApp(server, { client_name: '七' });
  const browser = new Reader(server);
  const form = (page: Page) => Object.fromEntries(formsOf(page).find(({ method }) => method === 'post')?.fields ?? []);
  const post = (path: string, fields: Record<string, string>, headers = {}) =>
    browser.go(path, {
      method: 'POST',
      headers: { ...FORM, ...headers },
      body: new URLSearchParams(fields).toString(),
    });

  // Signing in, and what goes wrong with it.
  const signIn = await browser.go('/auth/sign-in');
  const { csrf = '' } = form(signIn);
  await post('/auth/sign-in', { csrf, user: 'ann', password: 'wrong' });
  await post('/auth/sign-in', { csrf, sample: 'nobody' });
  await post('/auth/sign-in', { csrf: 'wrong' });
  await post('/auth/sign-in', { csrf }, { origin: 'https://other.example' });
  await browser.go('/auth/sign-in', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' });
  await browser.go('/auth/sign-in', { method: 'POST', headers: { 'content-type': 'text/odd' }, body: 'x' });
  await browser.go('/auth/outside');

  // An app's way through every page.
  const all = 'openid fhirUser launch/patient launch/encounter offline_access patient/*.rs fhircast/*.*';
  const asked = await browser.go(attempt(server, app, all).url);
  const consent = new URL(asked.url).pathname;
  await post(`${consent}/sign-in`, { ...form(asked), user: 'ann', password: 'wrong' });
  await post(`${consent}/patient`, { csrf, patient: 'ida' });
  let page = await post(`${consent}/sign-in`, { ...form(asked), user: 'ann', password: 'correct horse battery' });
  await server.sessions.open({ user: 'Practitioner/ann', aliases: [], workstation: '九' });
  await server.sessions.open({ user: 'Practitioner/ann', aliases: [] });
  const flow = new URL(page.url).pathname;
  const { csrf: own = '' } = form(page);
  await browser.go(`${flow}?search=7`);
  await post(`${flow}/patient`, { csrf: own, patient: 'nobody' });
  page = await post(`${flow}/patient`, { csrf: own, patient: 'ida' });
  await post(`${flow}/encounter`, { csrf: own, encounter: 'none-such' });
  page = await post(`${flow}/encounter`, { csrf: own, encounter: 'ida-1' });
  await post(`${flow}/session`, { csrf: own });
  const topic = server.sessions.open_.at(-1)?.topic ?? '';
  page = await post(`${flow}/session`, { csrf: own, topic });
  assert.ok(
    formsOf(page).some(({ buttons }) => buttons.some(({ value }) => value === 'deny')),
    page.text,
  );
  await browser.submit(page, { value: 'allow' });
  await browser.go(flow);

  // What has gone wrong before the app is known to be one.
  const { url } = attempt(server, app, 'openid');
  await browser.go('/auth/authorize?client_id=nobody');
  await browser.go(`${url}&client_id=again`);
  await browser.go(attempt(server, app, 'openid', { redirect_uri: 'https://other.example/' }).url);
  await browser.go('/auth/authorize', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' });
  await browser.go('/auth/authorize/held/nobody');
  await browser.go('/auth/authorize/nobody', { headers: { accept: 'text/html' } });
  await browser.go('/auth/interaction/nobody');
  await browser.go(url, { headers: { 'sec-fetch-dest': 'iframe', 'sec-fetch-site': 'cross-site' } });

  // The person's own pages.
  page = await browser.go('/auth/manage');
  assert.match(page.text, /name="grant"/);
  page = await browser.go('/auth/second-factor');
  await post('/auth/second-factor', { csrf: own, step: 'begin', password: 'wrong' });
  await post('/auth/second-factor', { csrf: own, step: 'begin', password: 'correct horse battery' });
  await post('/auth/second-factor', { csrf: own, step: 'confirm', code: '1' });
  await post('/auth/second-factor', { csrf: own, step: 'add-passkey', password: 'correct horse battery', name: '7' });
  await post('/auth/second-factor', { csrf: own, step: 'make-codes', password: 'correct horse battery' });
  await post('/auth/sign-out', { csrf: own });
  await browser.signIn();
  await browser.go('/auth/second-factor');
  assert.ok(browser.read > 35, `${browser.read} pages were read`);
}

/** Reads every page that it comes to. */
class Reader extends TestBrowser {
  read = 0;

  override async request(url: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set('accept-language', PSEUDO);
    if (!headers.has('accept')) headers.set('accept', 'text/html');
    const response = await super.request(url, { ...init, headers });
    const isShown = !response.headers.has('location');
    if (!isShown || !(response.headers.get('content-type') ?? '').startsWith('text/html')) return response;
    const page = await response.clone().text();
    this.read += 1;
    assert.deepEqual(untranslated(page, VALUES), [], `${init.method ?? 'GET'} ${url}`);
    return response;
  }
}

/** Names that the samples and the parameters of a request have. */
const VALUES = [
  ...SAMPLE_USERS.map(({ name }) => name),
  ...PATIENTS.flatMap(({ name, identifier = '' }) => [name, identifier]),
  ...['CT chest', 'localhost:9090', 'client_id', 'redirect_uri'],
];

describe('AUT-5 the language of a page', () => {
  it('is the one that the person chooses there, until another is chosen', async (t) => {
    const server = await startServer(t);
    const browser = new TestBrowser(server);
    const langOf = ({ text }: Page) => /<html lang="([^"]*)"/.exec(text)?.[1];
    const german = { headers: { 'accept-language': 'de' } };
    const first = await browser.go('/auth/sign-in?return=%2Fx', german);
    assert.equal(langOf(first), 'de');
    const [, link = ''] = /<a href="([^"]*)" lang="en"/.exec(first.text) ?? [];
    const chosen = await browser.go(link.replaceAll('&amp;', '&'), german);
    assert.deepEqual([langOf(chosen), new URL(chosen.url).search], ['en', '?return=%2Fx'], 'the same page again');
    assert.equal(langOf(await browser.go('/auth/sign-in', german)), 'en');
    await browser.request('/auth/language?to=de');
    assert.equal(langOf(await browser.go('/auth/sign-in')), 'de');
    for (const to of ['xx', '', '__proto__', 'de;Path=/x', ['de']]) {
      const { headers } = await browser.request(`/auth/language?${new URLSearchParams({ to: String(to) })}&to=en`);
      assert.equal(headers.getSetCookie().length, 0, String(to));
    }
  });

  it('is chosen without leading anywhere else', async (t) => {
    const server = await startServer(t);
    const browser = new TestBrowser(server);
    for (const away of [
      'https://evil.example/',
      '//evil.example',
      '/\\evil.example',
      'javascript:alert(1)',
      '\\\\evil',
    ]) {
      const { headers, status } = await browser.request(
        `/auth/language?${new URLSearchParams({ to: 'de', return: away })}`,
      );
      assert.deepEqual([status, headers.get('location')], [303, '/'], away);
    }
  });

  it('is the one that the app asks for, where the person has chosen none', async (t) => {
    const server = await startServer(t);
    const app = await registerApp(server);
    const browser = new TestBrowser(server);
    const asked = await browser.go(attempt(server, app, 'openid', { ui_locales: 'fr de' }).url);
    assert.match(asked.text, /<html lang="de"/);
    await browser.request('/auth/language?to=en');
    assert.match((await browser.go(asked.url)).text, /<html lang="en"/);
  });

  it('stays by the flow: choosing one in the middle of it shows the same step', async (t) => {
    const server = await startServer(t);
    const app = await registerApp(server);
    const browser = new TestBrowser(server);
    await browser.signIn();
    const asked = await browser.go(attempt(server, app, 'launch/patient').url);
    const wrong = await browser.submit(asked, { value: 'ida' });
    const [, link = ''] = /<a href="([^"]*)" lang="de"/.exec(wrong.text) ?? [];
    const again = await browser.go(link.replaceAll('&amp;', '&'));
    assert.equal(again.status, 200);
    assert.match(again.text, /<h1>Viewer erlauben\?/);
  });

  it('is chosen beside a search without losing it', async (t) => {
    const server = await startServer(t);
    const app = await registerApp(server);
    const browser = new TestBrowser(server);
    await browser.signIn();
    const { url } = await browser.go(attempt(server, app, 'launch/patient').url);
    const found = await browser.go(`${url}?search=omar`);
    const [, link = ''] = /<a href="([^"]*)" lang="de"/.exec(found.text) ?? [];
    const again = await browser.go(link.replaceAll('&amp;', '&'));
    assert.match(again.text, /<html lang="de"/);
    assert.match(again.text, /name="search" value="omar"/);
  });

  it('is chosen by addresses that proxies take, and not where the page’s own is too long for that', async (t) => {
    const server = await startServer(t);
    const browser = new TestBrowser(server);
    for (const [length, count] of [
      [100, 1],
      [2_400, 1],
      [7_000, 0],
    ] as const) {
      const asked = `/auth/authorize?client_id=nobody&state=${'%25'.repeat(length / 3)}`;
      const links = [...(await browser.go(asked)).text.matchAll(/<a href="([^"]*)" lang="de"/g)];
      assert.equal(links.length, count, String(length));
      for (const [, link = ''] of links) assert.ok(link.length <= 8_000, `${link.length}`);
    }
  });
});
