/** REG-4: passkeys as a second factor, by bytes of an authenticator in software and by Chromium's virtual one. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Lockstep, startLockstep } from '@lockstep/server';
import { startChromium } from '../../../scripts/chromium.ts';
import { Authenticator, type Bent } from './authenticator.ts';
import { ConsolePerson } from './console-person.ts';
import { type Json, json, testConfig } from './harness.ts';
import { Person } from './person.ts';

const RIGHT = 'a lantern of quartz';
let lockstep: Lockstep;
let admin: ConsolePerson;
let count = 0;

before(async () => {
  lockstep = await startLockstep(testConfig({ trustedProxies: ['127.0.0.1', '::1'] }));
  admin = await ConsolePerson.signIn(lockstep.origin, { sample: 'admin' });
});
after(() => lockstep.close());

/** A user with a password. Each test has its own, and an address of its own. */
async function newUser(): Promise<{ id: string; from: Record<string, string> }> {
  count += 1;
  const id = `user-${count}`;
  assert.equal((await admin.call('POST', 'users', { id, name: 'Somebody Else', password: RIGHT })).status, 201);
  return { id, from: { 'x-forwarded-for': `198.51.100.${count}` } };
}

const attribute = (text: string, name: string): string => new RegExp(`${name}="([^"]*)"`).exec(text)?.[1] ?? '';
const decoded = (text: string): string =>
  text
    .replace(/&quot;/g, '"')
    .replace(/&#39;/g, "'")
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&amp;/g, '&');
const optionsIn = (text: string): Json => JSON.parse(decoded(attribute(text, 'data-passkey'))) as Json;

/** Somebody at the page where second factors are set up. */
async function atSecondFactors(id: string, from: Record<string, string>) {
  const person = new Person(lockstep.origin);
  const { text } = await person.go('/auth/sign-in?return=%2Fauth%2Fsecond-factor');
  const csrf = attribute(text, 'name="csrf" value');
  const body = new URLSearchParams({ csrf, user: id, password: RIGHT });
  assert.equal((await person.request('/auth/sign-in', { method: 'POST', headers: from, body })).status, 303);
  const act = async (fields: Record<string, string>) => {
    const page = await person.go('/auth/second-factor');
    const form = new URLSearchParams({ csrf: attribute(page.text, 'name="csrf" value'), ...fields });
    return person.request('/auth/second-factor', { method: 'POST', headers: from, body: form });
  };
  const begin = async (name: string): Promise<Json> =>
    optionsIn(await (await act({ step: 'add-passkey', name, password: RIGHT })).text());
  const keep = (name: string, passkey: Json) => act({ step: 'keep-passkey', name, passkey: JSON.stringify(passkey) });
  const page = async (headers: Record<string, string> = {}) =>
    (await person.request('/auth/second-factor', { headers })).text();
  return { act, begin, keep, page };
}

const session = (given: Json, headers: Record<string, string> = {}) =>
  fetch(`${lockstep.origin}/auth/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(given),
  });

/** What a browser is asked after the right password. */
async function asked(id: string, from: Record<string, string>): Promise<Json> {
  const answer = await session({ user: id, password: RIGHT }, from);
  assert.equal(answer.status, 401);
  const body = await json(answer);
  assert.equal(body.error, 'passkey_required');
  return body.passkey as Json;
}

const show = (passkey: unknown, from: Record<string, string>) => session({ passkey: JSON.stringify(passkey) }, from);

async function withPasskey() {
  const user = await newUser();
  const at = await atSecondFactors(user.id, user.from);
  const authenticator = new Authenticator(lockstep.origin);
  assert.equal((await at.keep('My phone', authenticator.create(await at.begin('My phone')))).status, 303);
  return { ...user, at, authenticator };
}

/** Makes recovery codes. */
async function codesOf(at: Awaited<ReturnType<typeof atSecondFactors>>): Promise<readonly string[]> {
  const text = await (await at.act({ step: 'make-codes', password: RIGHT })).text();
  return [...text.matchAll(/<code>([\d-]{24})<\/code>/g)].map(([, code = '']) => code);
}

/** Answers that are not good, and why. */
const BENT: Readonly<Record<string, Bent>> = {
  'made at another site': { origin: 'https://evil.example' },
  'made at the same name by another scheme': { origin: 'https://localhost' },
  'for another server': { rpId: 'evil.example' },
  'to a challenge that nobody made': { challenge: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' },
  'of another ceremony': { type: 'payment.get' },
  'without anybody there': { flags: 0 },
  'by another key': { isForged: true },
  'changed after it was signed': { isChanged: true },
  'of an unknown passkey': { id: 'AAAA' },
  'whose counter is 0 though it counted before': { counter: 0 },
};

describe('REG-4 passkeys', () => {
  it('open after the password, once for each challenge', async () => {
    const { id, from, authenticator, at } = await withPasskey();
    assert.match(await at.page(), /My phone[\s\S]*not used yet/);
    const options = await asked(id, from);
    const answer = authenticator.get(options);
    assert.equal((await show(answer, from)).status, 200);
    assert.equal((await show(answer, from)).status, 401, 'replayed');
    assert.match(await at.page(), /My phone[\s\S]*last used/);
    const next = await asked(id, from);
    const both = await Promise.all([show(authenticator.get(next), from), show(authenticator.get(next), from)]);
    assert.ok(both.filter(({ status }) => status === 200).length <= 1, 'two answers to one challenge');
  });

  it('are not asked for before the password is right, and say nothing of whether there are any', async () => {
    const { id, from } = await withPasskey();
    const wrong = await session({ user: id, password: 'wrong' }, from);
    assert.equal(wrong.status, 401);
    assert.equal((await json(wrong)).passkey, undefined);
  });

  it('do not delay others at the same address, however many sign in there at browsers that are not known', async () => {
    const { id, from, authenticator } = await withPasskey();
    for (let n = 0; n < 22; n += 1) {
      assert.equal((await show(authenticator.get(await asked(id, from)), from)).status, 200, `sign-in ${n}`);
    }
  });

  it('are refused when an answer is bent, and a good one still opens', async () => {
    const all = Object.entries(BENT);
    // No name is guessed at for ever: each half has a person of its own.
    for (const half of [all.slice(0, 5), all.slice(5)]) {
      const { id, authenticator } = await withPasskey();
      for (const [why, bent] of [['good', {}], ...half, ['good again', {}]] as const) {
        count += 1;
        const from = { 'x-forwarded-for': `203.0.113.${count}` };
        const { status } = await show(authenticator.get(await asked(id, from), bent), from);
        assert.equal(status, why.startsWith('good') ? 200 : 401, why);
      }
    }
  });

  it('whose counter goes back or stands still are copies, and are refused', async () => {
    const { id, from, authenticator } = await withPasskey();
    for (const [counter, status] of [
      [7, 200],
      [7, 401],
      [8, 200],
      [3, 401],
      [9, 200],
    ] as const) {
      assert.equal(
        (await show(authenticator.get(await asked(id, from), { counter }), from)).status,
        status,
        `${counter}`,
      );
    }
  });

  it("of one person answer no other person's challenge", async () => {
    const one = await withPasskey();
    const other = await withPasskey();
    const stolen = one.authenticator.get(await asked(other.id, other.from));
    assert.equal((await show(stolen, other.from)).status, 401);
    // An answer to a challenge for making a passkey signs nobody in.
    const making = await one.at.begin('Another');
    const answer = one.authenticator.get({ ...making, rpId: 'localhost' });
    assert.equal((await show(answer, one.from)).status, 401);
  });

  it('are made only of an answer to a challenge of the same person, and not twice', async () => {
    const one = await newUser();
    const other = await newUser();
    const [first, second] = [await atSecondFactors(one.id, one.from), await atSecondFactors(other.id, other.from)];
    const authenticator = new Authenticator(lockstep.origin);
    const answer = authenticator.create(await first.begin('A'));
    assert.equal((await second.keep('A', answer)).status, 400);
    assert.doesNotMatch(await second.page(), /<strong>A<\/strong>/);
    assert.equal((await first.keep('A', answer)).status, 303);
    assert.equal((await first.keep('A', answer)).status, 400);
    assert.equal((await first.keep('A', authenticator.create(await first.begin('A')))).status, 400, 'the same again');
    for (const bent of [{ origin: 'https://evil.example' }, { rpId: 'evil.example' }, { type: 'webauthn.get' }]) {
      const another = new Authenticator(lockstep.origin);
      assert.equal((await first.keep('B', another.create(await first.begin('B'), bent))).status, 400);
    }
    assert.doesNotMatch(await first.page(), /<strong>B<\/strong>/);
  });

  it('that are odd JSON are refused, and others are not disturbed', async () => {
    const { from } = await withPasskey();
    const odd: unknown[] = [
      null,
      1,
      [],
      {},
      'x',
      { response: null },
      { id: 1, response: {} },
      { response: { clientDataJSON: {} } },
    ];
    for (const one of odd) {
      const address = { 'x-forwarded-for': `203.0.113.${odd.indexOf(one)}` };
      assert.equal((await show(one, address)).status, 401, JSON.stringify(one));
    }
    for (const text of ['', '{', '['.repeat(10_000)]) {
      const address = { 'x-forwarded-for': `203.0.113.${100 + (text.length % 100)}` };
      assert.equal((await session({ passkey: text || ' ' }, address)).status, 401, text.slice(0, 10));
    }
    assert.equal((await session({ sample: 'dr-mei-tanaka' }, from)).status, 200);
  });

  it('are guessed no more often than a password', async () => {
    const { from, authenticator } = await withPasskey();
    const statuses: number[] = [];
    for (let n = 0; n < 60 && !statuses.includes(429); n += 1) {
      const options = { challenge: 'AAAA', rpId: 'localhost' };
      statuses.push((await show(authenticator.get(options), from)).status);
    }
    assert.ok(statuses.includes(429), statuses.join());
  });

  it('are not delayed by the junk of others, which is counted by its address', async () => {
    const { id, from, authenticator } = await withPasskey();
    const junk = {
      'no JSON': 'x',
      'no object': '[]',
      'no answer': '{"id":"a"}',
      'to no challenge of ours': JSON.stringify(
        authenticator.get(await asked(id, from), { challenge: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' }),
      ),
    };
    const statuses: number[] = [];
    // More than all doors together allow for guesses, from many addresses: and a person signs in at one of them.
    for (let n = 0; n < 320; n += 1) {
      const passkey = Object.values(junk)[n % 4];
      const { status } = await session({ passkey }, { 'x-forwarded-for': `192.0.2.${n % 14}` });
      statuses.push(status);
    }
    assert.ok(statuses.includes(429), 'it is limited');
    assert.ok(statuses.slice(0, 200).every((status) => status === 401));
    const there = { 'x-forwarded-for': '192.0.2.1' };
    assert.equal((await show(authenticator.get(await asked(id, there)), there)).status, 200);
    assert.equal((await session({ user: id, password: 'wrong' }, there)).status, 401, 'and no password is locked');
  });

  it('speak German to who asks for it', async () => {
    const user = await newUser();
    const at = await atSecondFactors(user.id, user.from);
    const german = { 'accept-language': 'fr, de-CH;q=0.8, en;q=0.5' };
    const page = await at.page(german);
    assert.match(page, /<html lang="de">[\s\S]*Zweiter Faktor[\s\S]*Passkey hinzufügen/);
    assert.match(await at.page({ 'accept-language': 'en, de;q=0.9' }), /<html lang="en">[\s\S]*Add a passkey/);
    const signIn = await fetch(`${lockstep.origin}/auth/sign-in`, { headers: german });
    assert.match(await signIn.text(), /<html lang="de">[\s\S]*Benutzername/);
  });

  it('are removed with the password, one by one, and by an administrator all at once', async () => {
    const { id, from, at } = await withPasskey();
    const second = new Authenticator(lockstep.origin);
    assert.equal((await at.keep('Key <b>2</b>', second.create(await at.begin('Key <b>2</b>')))).status, 303);
    assert.match(await at.page(), /Key &lt;b&gt;2/);
    const [passkeyId = ''] = [...(await at.page()).matchAll(/name="id" value="([^"]+)"/g)].map(([, one]) => one);
    assert.equal((await at.act({ step: 'remove-passkey', id: passkeyId, password: 'wrong' })).status, 400);
    assert.match(await at.page(), /My phone/);
    assert.equal((await at.act({ step: 'remove-passkey', id: passkeyId, password: RIGHT })).status, 303);
    assert.doesNotMatch(await at.page(), /My phone/);
    assert.equal((await admin.call('DELETE', `users/${id}/second-factor`)).status, 204);
    assert.equal((await admin.call('DELETE', `users/${id}/second-factor`)).status, 404);
    assert.equal((await session({ user: id, password: RIGHT }, from)).status, 200);
  });

  it('are renamed by the person alone, and stay what they are', async () => {
    const { from, id, at, authenticator } = await withPasskey();
    const other = await withPasskey();
    const [passkeyId = ''] = [...(await at.page()).matchAll(/name="id" value="([^"]+)"/g)].map(([, one]) => one);
    for (const [name, shown] of [
      ['Work <b>phone</b>', 'Work &lt;b&gt;phone&lt;/b&gt;'],
      ['x'.repeat(10_000), `>${'x'.repeat(60)}<`],
      [' \u202e ', 'Passkey'],
      ['Old phone', 'Old phone'],
    ] as const) {
      assert.equal((await other.at.act({ step: 'rename-passkey', id: passkeyId, name: 'Mine' })).status, 303);
      assert.equal((await at.act({ step: 'rename-passkey', id: passkeyId, name })).status, 303);
      const page = await at.page();
      assert.ok(page.includes(`<strong>${shown.replace(/^>|<$/g, '')}</strong>`), name.slice(0, 30));
      assert.doesNotMatch(page, /Mine/);
    }
    for (const odd of ['', 'AAAA', passkeyId.toLowerCase()]) {
      assert.equal((await at.act({ step: 'rename-passkey', id: odd, name: 'Odd' })).status, 303);
    }
    assert.doesNotMatch(await at.page(), /Odd/);
    assert.match(await other.at.page(), /My phone/);
    assert.equal((await show(authenticator.get(await asked(id, from)), from)).status, 200);
    assert.match(await at.page(), /Old phone[\s\S]*last used/);
  });

  it('are made, named, used and removed in a browser', async (t) => {
    const { id } = await newUser();
    const browser = await startChromium();
    t.after(() => browser.close());
    const page = await browser.newPage();
    const devtools = await page.context().newCDPSession(page);
    await devtools.send('WebAuthn.enable');
    const options = {
      protocol: 'ctap2',
      transport: 'internal',
      hasUserVerification: true,
      isUserVerified: true,
    } as const;
    await devtools.send('WebAuthn.addVirtualAuthenticator', { options: { ...options, hasResidentKey: true } });
    const enter = async () => {
      await page.goto(`${lockstep.origin}/auth/sign-in?return=%2Fauth%2Fsecond-factor`);
      await page.getByLabel('User name').fill(id);
      await page.getByLabel('Password').fill(RIGHT);
      await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    };
    await enter();
    await page.getByLabel('A name for it').fill('My laptop');
    const form = page.locator('form', { has: page.getByLabel('A name for it') });
    await form.getByLabel('Your password').fill(RIGHT);
    await form.getByRole('button', { name: 'Add a passkey' }).click();
    await page.getByRole('button', { name: 'Make the passkey' }).click();
    await page.getByText('My laptop').waitFor();
    await page.context().clearCookies();
    await enter();
    await page.getByRole('button', { name: 'Use a passkey' }).click();
    await page.getByText('last used').waitFor();
    await page.getByText('Rename', { exact: true }).click();
    const renaming = page.locator('form', { has: page.getByRole('button', { name: 'Rename this passkey' }) });
    await renaming.getByLabel('A name for it').fill('Old laptop');
    await renaming.getByRole('button', { name: 'Rename this passkey' }).click();
    await page.getByText('Old laptop').waitFor();
    // The console's own page leads to the one that asks for the passkey, and that one back to where the person wanted to go.
    await page.context().clearCookies();
    const wanted = '/launch?kind=ehr&app=sample-viewer&patient=kofi-mensah';
    await page.goto(lockstep.origin + wanted);
    await page.getByLabel('User name').fill(id);
    await page.getByLabel('Password', { exact: true }).fill(RIGHT);
    await page.getByLabel('Workstation').fill('Reading room 3');
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.waitForURL(/\/auth\/sign-in/);
    assert.equal(await page.getByLabel('Workstation').inputValue(), 'Reading room 3');
    await page.getByLabel('User name').fill(id);
    await page.getByLabel('Password').fill(RIGHT);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByRole('button', { name: 'Use a passkey' }).click();
    await page.getByRole('heading', { name: 'Launch builder' }).waitFor();
    assert.equal(page.url(), lockstep.origin + wanted);
    const session = (await page.evaluate(async () => (await fetch('/auth/session')).json())) as Json;
    assert.equal(session.workstation, 'Reading room 3');
    await page.goto(`${lockstep.origin}/auth/second-factor`);
    await page.getByText('Remove', { exact: true }).click();
    const row = page.locator('details');
    await row.getByLabel('Your password').fill(RIGHT);
    await row.getByRole('button', { name: 'Remove this passkey' }).click();
    await page.getByText('Old laptop').waitFor({ state: 'detached' });
    await page.context().clearCookies();
    await enter();
    await page.getByRole('heading', { name: 'Second factor' }).waitFor();
  });
});

describe('REG-4 recovery codes', () => {
  const enter = (id: string, code: string | undefined, from: Record<string, string>) =>
    session({ user: id, password: RIGHT, code }, from);

  it('open once each instead of a lost authenticator, after the password', async () => {
    const { id, at, from } = await withPasskey();
    const codes = await codesOf(at);
    assert.equal(new Set(codes).size, 10);
    assert.match(await at.page(), /10 are left/);
    assert.doesNotMatch(await at.page(), new RegExp(codes[0] ?? ''), 'they are shown once');
    const [first = '', second = '', third = ''] = codes;
    assert.equal((await session({ user: id, password: 'wrong', code: first }, from)).status, 401);
    assert.equal((await enter(id, first, from)).status, 200);
    assert.equal((await enter(id, first, from)).status, 401, 'once');
    assert.equal((await enter(id, ` ${second.replaceAll('-', ' ')} `, from)).status, 200, 'as people write it');
    const both = await Promise.all([enter(id, third, from), enter(id, third, from)]);
    assert.equal(both.filter(({ status }) => status === 200).length, 1, 'twice at the same moment');
    assert.match(await at.page(), /7 are left/);
  });

  it('are those that were made last, of this person, while there is a second factor', async () => {
    const { id, at, from } = await withPasskey();
    const other = await withPasskey();
    const [old = ''] = await codesOf(at);
    const [fresh = ''] = await codesOf(at);
    assert.equal((await enter(id, old, from)).status, 401);
    assert.equal((await enter(other.id, fresh, other.from)).status, 401);
    const [, passkey = ''] = /name="id" value="([^"]*)"/.exec(await at.page()) ?? [];
    assert.equal((await at.act({ step: 'remove-passkey', password: RIGHT, id: passkey })).status, 303);
    assert.equal((await at.act({ step: 'make-codes', password: RIGHT })).status, 409, 'nothing to recover');
    const authenticator = new Authenticator(lockstep.origin);
    await at.keep('Another', authenticator.create(await at.begin('Another')));
    assert.equal((await enter(id, fresh, from)).status, 401, 'of a factor that was ended');
    const [last = ''] = await codesOf(at);
    assert.equal((await admin.call('DELETE', `users/${id}/second-factor`)).status, 204);
    assert.doesNotMatch(await at.page(), /are left/);
    assert.equal((await at.act({ step: 'make-codes', password: RIGHT })).status, 409);
    assert.ok(last);
  });

  it('need the password to be made, and are guessed no more often than it', async () => {
    const { id, at, from } = await withPasskey();
    assert.match(await (await at.act({ step: 'make-codes', password: 'wrong' })).text(), /is another/);
    assert.match(await at.page(), /0 are left/);
    const statuses: number[] = [];
    for (let n = 0; n < 12; n += 1) {
      statuses.push((await enter(id, String(n).padStart(20, '0'), from)).status);
    }
    assert.ok(statuses.includes(429), statuses.join());
  });
});
