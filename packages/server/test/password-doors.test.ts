/** Every page and address that takes a password counts guesses together (CWE-307). */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Lockstep, startLockstep } from '@lockstep/server';
import { Secret, TOTP } from 'otpauth';
import { ConsolePerson } from './console-person.ts';
import { type Json, json, testConfig } from './harness.ts';
import { App, Person } from './person.ts';

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

const session = (given: Json, headers: Record<string, string> = {}) =>
  fetch(`${lockstep.origin}/auth/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(given),
  });

async function formOf(person: Person, address: string): Promise<{ action: string; csrf: string }> {
  const { text } = await person.go(address);
  const action = /action="([^"]*sign-in[^"]*)"/.exec(text)?.[1] ?? '';
  return { action: action.replaceAll('&amp;', '&'), csrf: /name="csrf" value="([^"]*)"/.exec(text)?.[1] ?? '' };
}

/** A page's form, ready for one password after another. */
async function byForm(address: string): Promise<Knock> {
  const person = new Person(lockstep.origin);
  const { action, csrf } = await formOf(person, address);
  return async (user, password, headers) => {
    const body = new URLSearchParams({ csrf, user, password });
    return (await person.request(action, { method: 'POST', headers, body })).status;
  };
}

/** Sends one password. @returns the status of the answer */
type Knock = (id: string, password: string, from: Record<string, string>) => Promise<number>;
/** Each gets ready what comes before a password, which takes its time on a slow machine. */
const DOORS: Readonly<Record<string, () => Promise<Knock>>> = {
  'JSON of the console': async () => async (user, password, from) => (await session({ user, password }, from)).status,
  'the sign-in page': () => byForm('/auth/sign-in'),
  "the sign-in page of an app's request": async () => byForm((await App.register(lockstep.origin)).begin('openid').url),
};

describe('REG-4 passwords', () => {
  for (const [name, door] of Object.entries(DOORS)) {
    it(`at ${name} five wrong ones in a row are too many, and shut the other doors as well`, async () => {
      const { id, from } = await newUser();
      const guess = async () => (await door())(id, 'wrong', from);
      const others = await Promise.all(
        Object.entries(DOORS).map(async ([other, prepare]) => [other, await prepare()] as const),
      );
      for (let guesses = 0; guesses < 5; guesses++) assert.equal(await guess(), 401);
      for (const [other, knock] of others) {
        // One more guess is given every ten seconds: it is used up first.
        while ((await guess()) === 401);
        assert.equal(await knock(id, RIGHT, from), 429, other);
      }
    });
  }

  it('are counted together: a guess at each door in turn', async () => {
    const { id, from } = await newUser();
    const doors = await Promise.all(Object.values(DOORS).map((prepare) => prepare()));
    for (let guess = 0; guess < 3; guess++) assert.equal(await doors[guess]?.(id, 'wrong', from), 401);
    const guess = () => doors[0]?.(id, 'wrong', from);
    let made = 3;
    while ((await guess()) === 401) made += 1;
    assert.ok(made >= 5 && made < 10, `${made} guesses`);
    assert.equal(await doors[0]?.(id, RIGHT, from), 429);
  });

  it('the one that is changed is guessed no more often', async () => {
    const { id } = await newUser();
    const person = await ConsolePerson.signIn(lockstep.origin, { user: id, password: RIGHT });
    const change = (before: string) => person.call('POST', 'password', { before, after: 'another good one' });
    for (let guess = 0; guess < 5; guess++) assert.equal((await change('wrong')).status, 400);
    assert.equal((await change(RIGHT)).status, 429);
  });

  it('one address that spreads its guesses over many names is slowed', async () => {
    const from = { 'x-forwarded-for': '203.0.113.77' };
    const begun = Date.now();
    const statuses = await Promise.all(
      Array.from(
        { length: 40 },
        async (_, n) => (await session({ user: `nobody-${n}`, password: 'wrong' }, from)).status,
      ),
    );
    const made = statuses.filter((status) => status !== 429).length;
    // One more for every ten seconds that the guesses took.
    assert.ok(made >= 20 && made <= 20 + (Date.now() - begun) / 10_000, `${made} guesses`);
  });

  it('guesses from elsewhere do not lock the owner out, at the browser where they signed in before', async () => {
    const { id } = await newUser();
    const first = await session({ user: id, password: RIGHT });
    const cookie = first.headers
      .getSetCookie()
      .map((one) => one.split(';')[0])
      .filter((one) => one?.startsWith('lockstep_known='))
      .join('; ');
    let [address, refused] = [0, 0];
    // Guesses until the next one is some seconds away, whatever the machine did meanwhile.
    const guessed = async (): Promise<void> => {
      for (let wait = 0; wait < 3; ) {
        const answers = await Promise.all(
          Array.from({ length: 10 }, () => {
            address += 1;
            return session({ user: id, password: 'wrong' }, { 'x-forwarded-for': `192.0.2.${address % 256}` });
          }),
        );
        wait = Math.min(...answers.map(({ headers }) => Number(headers.get('retry-after') ?? 0)));
        refused += answers.filter(({ status }) => status === 429).length;
        assert.ok(refused > 0 || address < 60, 'guesses at one name are slowed');
      }
    };
    await guessed();
    assert.equal((await session({ user: id, password: RIGHT })).status, 429, 'the name is guarded');
    assert.equal((await session({ user: id, password: RIGHT }, { cookie })).status, 200);
    await guessed();
    assert.equal(
      (await session({ user: id, password: RIGHT }, { cookie: `lockstep_known=${'a'.repeat(43)}` })).status,
      429,
    );
  });

  it('a changed one ends the other sign-ins, and what was granted with them', async () => {
    const { id, from } = await newUser();
    const given = { user: id, password: RIGHT };
    const thief = await ConsolePerson.signIn(lockstep.origin, given);
    const stolen = await json(thief.call('POST', 'token', {}));
    const owner = await ConsolePerson.signIn(lockstep.origin, given);
    const own = await json(owner.call('POST', 'token', {}));
    const weak = await owner.call('POST', 'password', { before: RIGHT, after: 'short' });
    assert.equal(weak.status, 400);
    assert.equal((await thief.call('GET', 'me')).status, 200, 'nothing has changed');
    const changed = await owner.call('POST', 'password', { before: RIGHT, after: 'another good one' });
    assert.equal(changed.status, 204);
    assert.equal((await thief.call('GET', 'me')).status, 401);
    assert.equal((await owner.call('GET', 'me')).status, 200);
    const read = (token: Json) =>
      fetch(`${token['hub.url']}/${token['hub.topic']}`, {
        headers: { authorization: `Bearer ${token.access_token}` },
      });
    assert.equal((await read(stolen)).status, 401);
    assert.equal((await read(own)).status, 200);
    assert.equal((await session(given, from)).status, 401);
  });

  it('that anybody would try first are refused, at every way to set one', async () => {
    const weak = [
      'password1',
      '12345678',
      'qwertyuiop',
      'aaaaaaaa',
      'abcabcabc',
      'abcdefgh',
      'user-name',
      'lockstep1',
      'Password1',
    ];
    for (const password of weak) {
      const added = await admin.call('POST', 'users', { id: 'user-name', name: 'User', password });
      assert.equal(added.status, 400, password);
    }
    const { id } = await newUser();
    assert.equal((await admin.call('POST', `users/${id}/password`, { password: 'password1' })).status, 400);
    const person = await ConsolePerson.signIn(lockstep.origin, { user: id, password: RIGHT });
    assert.equal((await person.call('POST', 'password', { before: RIGHT, after: 'password1' })).status, 400);
  });

  it('are checked in one place only', () => {
    const packages = fileURLToPath(new URL('../../', import.meta.url));
    const callers: string[] = [];
    for (const name of ['smart', 'server']) {
      const source = join(packages, name, 'src');
      for (const file of readdirSync(source, { recursive: true, encoding: 'utf8' })) {
        if (!file.endsWith('.ts') || file.endsWith('.test.ts')) continue;
        if (
          /\.checkPassword\(|secondFactors\.(check|confirm)\(|passkeys\.(check|add)\(/.test(
            readFileSync(join(source, file), 'utf8'),
          )
        )
          callers.push(file);
      }
    }
    assert.deepEqual(callers, ['password-door.ts']);
  });
});

describe('REG-4 the second factor', () => {
  async function setUp(id: string) {
    const person = new Person(lockstep.origin);
    const signIn = async (code?: string) => {
      const { action, csrf } = await formOf(person, '/auth/sign-in?return=%2Fauth%2Fsecond-factor');
      const body = new URLSearchParams({ csrf, user: id, password: RIGHT, ...(code && { code }) });
      return person.request(action, { method: 'POST', body });
    };
    assert.equal((await signIn()).status, 303);
    const act = async (fields: Record<string, string>) => {
      const { text } = await person.go('/auth/second-factor');
      const csrf = /name="csrf" value="([^"]*)"/.exec(text)?.[1] ?? '';
      return person.request('/auth/second-factor', { method: 'POST', body: new URLSearchParams({ csrf, ...fields }) });
    };
    const page = await (await act({ step: 'begin', password: RIGHT })).text();
    const secret = Secret.fromBase32(/<code>([A-Z2-7]+)<\/code>/.exec(page)?.[1] ?? '');
    return { act, signIn, codeAt: (ms: number) => new TOTP({ secret }).generate({ timestamp: ms }) };
  }

  it('is asked for once it is confirmed, counts once, and is ended with the password', async () => {
    const { id } = await newUser();
    const { act, codeAt } = await setUp(id);
    assert.equal((await session({ user: id, password: RIGHT })).status, 200, 'not before it is confirmed');
    assert.equal((await act({ step: 'confirm', code: '000000' })).status, 400);
    const now = Date.now();
    assert.equal((await act({ step: 'confirm', code: codeAt(now) })).status, 303);
    const without = await session({ user: id, password: RIGHT });
    assert.equal(without.status, 401);
    assert.equal((await json(without)).error, 'second_factor_required');
    assert.equal((await session({ user: id, password: 'wrong', code: codeAt(now + 30_000) })).status, 401);
    assert.equal((await session({ user: id, password: RIGHT, code: codeAt(now) })).status, 401, 'used before');
    assert.equal((await session({ user: id, password: RIGHT, code: codeAt(now + 30_000) })).status, 200);
    assert.equal((await act({ step: 'remove', password: 'wrong' })).status, 400);
    assert.equal((await act({ step: 'remove', password: RIGHT })).status, 303);
    assert.equal((await session({ user: id, password: RIGHT })).status, 200);
  });

  it('of a code shown twice at the same moment one counts', async () => {
    const { id } = await newUser();
    const { act, codeAt } = await setUp(id);
    const now = Date.now();
    assert.equal((await act({ step: 'confirm', code: codeAt(now) })).status, 303);
    // Of the next step: good until the end of the one after it, whenever this one ends.
    const given = { user: id, password: RIGHT, code: codeAt(now + 30_000) };
    const answers = await Promise.all([session(given), session(given), session(given)]);
    assert.equal(answers.filter(({ status }) => status === 200).length, 1);
  });

  it('is guessed no more often than a password', async () => {
    const { id, from } = await newUser();
    const { act, codeAt } = await setUp(id);
    const now = Date.now();
    assert.equal((await act({ step: 'confirm', code: codeAt(now) })).status, 303);
    const guess = (code: string) => session({ user: id, password: RIGHT, code }, from);
    for (let n = 0; n < 5; n++) assert.equal((await guess('000000')).status, 401);
    assert.equal((await guess(codeAt(now + 30_000))).status, 429);
  });

  it('that was lost is ended by an administrator, for others only', async () => {
    const { id } = await newUser();
    const { act, codeAt } = await setUp(id);
    assert.equal((await act({ step: 'confirm', code: codeAt(Date.now()) })).status, 303);
    assert.equal((await admin.call('DELETE', `users/${id}/second-factor`)).status, 204);
    assert.equal((await admin.call('DELETE', `users/${id}/second-factor`)).status, 404);
    assert.equal((await admin.call('DELETE', 'users/admin/second-factor')).status, 409);
    assert.equal((await session({ user: id, password: RIGHT })).status, 200);
  });
});
