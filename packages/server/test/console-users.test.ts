import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConsolePerson } from './console-person.ts';
import { type Json, json, withLockstep } from './harness.ts';

const MARTA = { id: 'mruiz', name: 'Dr. Marta Ruiz', aliases: ['urn:hospital|4711'] };

test('REG-4 users are for administrators who carry the CSRF value', () =>
  withLockstep(async ({ origin }) => {
    const lena = await ConsolePerson.signIn(origin, { sample: 'dr-lena-okafor' });
    const admin = await ConsolePerson.signIn(origin, { sample: 'admin' });
    for (const route of [
      'GET users',
      'GET users/admin',
      'POST users',
      'POST users/admin/suspend',
      'DELETE users/admin',
    ]) {
      const [method = '', path = ''] = route.split(' ');
      assert.equal((await lena.call(method, path, method === 'POST' ? {} : undefined)).status, 403, route);
    }
    assert.equal((await admin.call('POST', 'users', MARTA, { 'x-csrf-token': 'wrong' })).status, 403);
    assert.equal((await admin.call('GET', 'users/mruiz')).status, 404);
  }));

test('REG-4 an administrator adds a user; the generated password is shown once, and the user signs in with it', () =>
  withLockstep(async ({ origin }) => {
    const admin = await ConsolePerson.signIn(origin, { sample: 'admin' });
    const added = await admin.call('POST', 'users', MARTA);
    assert.equal(added.status, 201);
    const { password, ...user } = await json(added);
    assert.ok(password.length >= 16);
    assert.deepEqual(user, {
      id: 'mruiz',
      name: 'Dr. Marta Ruiz',
      reference: 'Practitioner/mruiz',
      administrator: false,
      aliases: ['urn:hospital|4711'],
      sample: false,
      outside: false,
      status: 'active',
      sessions: 0,
    });
    const told = await (await admin.call('GET', 'users')).text();
    assert.ok(told.includes('mruiz') && !told.includes(password));
    await ConsolePerson.signIn(origin, { user: 'mruiz', password });
    assert.equal((await json(admin.call('GET', 'users/mruiz'))).sessions, 1);
  }));

test('REG-4 wrong input names its field and changes nothing', () =>
  withLockstep(async ({ origin }) => {
    const admin = await ConsolePerson.signIn(origin, { sample: 'admin' });
    const count = async () => ((await json(admin.call('GET', 'users'))) as unknown as Json[]).length;
    const before = await count();
    const wrong: readonly (readonly [Json, RegExp])[] = [
      [{ ...MARTA, id: 'Marta Ruiz!' }, /user name/],
      [{ ...MARTA, name: '' }, /^name/],
      [{ ...MARTA, reference: 'Marta' }, /^reference/],
      [{ ...MARTA, password: 'short' }, /password/],
      [{ ...MARTA, aliases: 'x' }, /^aliases/],
      [{ ...MARTA, administrator: 'yes' }, /^administrator/],
      [{ ...MARTA, id: 'admin' }, /already/],
      [{ ...MARTA, aliases: ['LOKAFOR'] }, /^aliases: LOKAFOR means Dr. Lena Okafor already/],
      [{ ...MARTA, reference: 'Practitioner/admin' }, /^reference: .*already/],
    ];
    for (const [body, message] of wrong) {
      const refused = await admin.call('POST', 'users', body);
      assert.equal(refused.status, 400, JSON.stringify(body));
      assert.match((await json(refused)).message, message);
    }
    assert.equal(await count(), before);
  }));

test('SES-7 editing a user changes names and role, and a changed reference ends what was granted to the old one', () =>
  withLockstep(async ({ origin, hub }) => {
    const admin = await ConsolePerson.signIn(origin, { sample: 'admin' });
    const { password } = await json(admin.call('POST', 'users', MARTA));
    const marta = await ConsolePerson.signIn(origin, { user: 'mruiz', password });
    const edit = { name: 'Dr. M. Ruiz', reference: 'Practitioner/mruiz', aliases: ['mr'], administrator: true };
    assert.equal((await json(admin.call('PUT', 'users/mruiz', edit))).administrator, true);
    assert.equal((await marta.call('GET', 'users')).status, 200);
    const own = await admin.call('PUT', 'users/admin', { name: 'A', administrator: false });
    assert.equal(own.status, 409);
    assert.equal((await admin.call('PUT', 'users/mruiz', { ...edit, reference: 'Practitioner/77' })).status, 200);
    assert.equal((await marta.call('GET', 'me')).status, 401);
    assert.deepEqual(await hub.sessions({ user: 'Practitioner/mruiz' }), []);
    await ConsolePerson.signIn(origin, { user: 'mruiz', password });
  }));

test('REG-4 a new password, suspending, signing out and deleting end sign-ins and sessions at once', () =>
  withLockstep(async ({ origin, hub }) => {
    const admin = await ConsolePerson.signIn(origin, { sample: 'admin' });
    const { password: first } = await json(admin.call('POST', 'users', MARTA));
    const signIn = (password: string) => ConsolePerson.signIn(origin, { user: 'mruiz', password });
    const isOut = async (person: ConsolePerson) => {
      assert.equal((await person.call('GET', 'me')).status, 401);
      assert.deepEqual(await hub.sessions({ user: 'Practitioner/mruiz' }), []);
    };

    let marta = await signIn(first);
    const short = await admin.call('POST', 'users/mruiz/password', { password: 'short' });
    assert.equal(short.status, 400);
    assert.equal((await marta.call('GET', 'me')).status, 200);
    const { password: second } = await json(admin.call('POST', 'users/mruiz/password', {}));
    await isOut(marta);
    await assert.rejects(signIn(first));
    assert.deepEqual(await json(admin.call('POST', 'users/mruiz/password', { password: 'chosen for her' })), {});
    await assert.rejects(signIn(second));

    marta = await signIn('chosen for her');
    assert.equal((await json(admin.call('POST', 'users/mruiz/sign-out', {}))).status, 'active');
    await isOut(marta);
    marta = await signIn('chosen for her');
    assert.equal((await json(admin.call('POST', 'users/mruiz/suspend', {}))).status, 'suspended');
    await isOut(marta);
    await assert.rejects(signIn('chosen for her'));
    assert.equal((await admin.call('POST', 'users/mruiz/sign-out', {})).status, 200);
    await assert.rejects(signIn('chosen for her'), 'signing out lets nobody in');
    assert.equal((await json(admin.call('POST', 'users/mruiz/activate', {}))).status, 'active');
    marta = await signIn('chosen for her');
    assert.equal((await admin.call('DELETE', 'users/mruiz')).status, 204);
    await isOut(marta);
    assert.equal((await admin.call('GET', 'users/mruiz')).status, 404);
  }));

test('REG-4 administrators cannot suspend, sign out or delete themselves', () =>
  withLockstep(async ({ origin }) => {
    const admin = await ConsolePerson.signIn(origin, { sample: 'admin' });
    for (const action of ['suspend', 'sign-out', 'password']) {
      assert.equal((await admin.call('POST', `users/admin/${action}`, {})).status, 409, action);
    }
    assert.equal((await admin.call('DELETE', 'users/admin')).status, 409);
    assert.equal((await admin.call('GET', 'users')).status, 200);
  }));

test('REG-1 a manifest is read as registering with it would', () =>
  withLockstep(async ({ origin }) => {
    const admin = await ConsolePerson.signIn(origin, { sample: 'admin' });
    const read = async (manifest: unknown) =>
      json(
        admin.call('POST', 'manifest', { text: typeof manifest === 'string' ? manifest : JSON.stringify(manifest) }),
      );
    const manifest = {
      name: 'Viewer',
      launch_uri: 'https://viewer.example.org/launch',
      redirect_uris: 'https://viewer.example.org/',
      scopes: ['launch', 'fhircast/*.read', 'made-up'],
      client_secret: 'x',
    };
    const { metadata, problem } = await read(manifest);
    assert.equal(problem, undefined);
    const registered = await json(admin.call('POST', 'apps', metadata));
    const { client_id, client_id_issued_at, status, trusted, ...kept } = registered.metadata;
    assert.deepEqual(kept, metadata);
    assert.deepEqual(metadata.launch_kinds, ['ehr', 'standalone']);
    const bad = await read({ ...manifest, redirect_uris: ['javascript:alert(1)'] });
    assert.match(bad.problem, /^redirect_uris/);
    assert.equal(bad.metadata.client_name, 'Viewer');
    assert.match((await read('{')).message, /manifest is no valid JSON/);
    assert.equal((await admin.call('POST', 'manifest', {})).status, 400);
  }));

test('LAU-2 an app that derives topics gets its secret when it is registered, and a new one on demand', () =>
  withLockstep(async ({ origin }) => {
    const admin = await ConsolePerson.signIn(origin, { sample: 'admin' });
    const pacs = { client_name: 'PACS', launch_kinds: ['derived'], scope: 'fhircast/*.*', redirect_uris: [] };
    const keys = { token_endpoint_auth_method: 'none', grant_types: [] };
    const { id, topicSecret } = await json(admin.call('POST', 'apps', { ...pacs, ...keys }));
    assert.ok(topicSecret.length >= 32);
    const again = await json(admin.call('POST', `apps/${id}/topic-secret`, {}));
    assert.notEqual(again.topicSecret, topicSecret);
    assert.equal((await admin.call('POST', 'apps/sample-viewer/topic-secret', {})).status, 409);
  }));

test('REG-4 users are searched by names, references and aliases, in pages', () =>
  withLockstep(async ({ origin }) => {
    const admin = await ConsolePerson.signIn(origin, { sample: 'admin' });
    for (const [id, name] of [
      ['mruiz', 'Dr. Marta Ruíz'],
      ['mruizova', 'Martina Růžičková'],
    ] as const) {
      assert.equal((await admin.call('POST', 'users', { id, name, aliases: [`urn:hospital|${id}`] })).status, 201);
    }
    /** Ids of all that a search finds, page by page. */
    async function found(search: string, limit: number): Promise<readonly string[]> {
      const ids: string[] = [];
      let query = new URLSearchParams({ search, limit: String(limit) }).toString();
      for (;;) {
        const answer = await admin.call('GET', `users?${query}`);
        const page = (await json(answer)) as unknown as Json[];
        assert.ok(page.length <= limit);
        ids.push(...page.map(({ id }) => id));
        const next = /<[^?]+\?([^>]+)>; rel="next"/.exec(answer.headers.get('link') ?? '')?.[1];
        if (next === undefined) return ids;
        query = next;
      }
    }
    for (const limit of [1, 2, 100]) {
      assert.deepEqual(await found('ruiz', limit), ['mruiz', 'mruizova']);
      assert.deepEqual(await found('MARTA ruíz', limit), ['mruiz']);
      assert.deepEqual(await found('ruzickova', limit), ['mruizova']);
      assert.deepEqual(await found('hospital|mruiz', limit), ['mruiz', 'mruizova']);
      assert.deepEqual(await found('dr-mei', limit), ['dr-mei-tanaka']);
      assert.deepEqual(await found('nobody', limit), []);
      assert.equal((await found('', limit)).length, 6);
    }
  }));
