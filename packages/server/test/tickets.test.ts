import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Subscriber as Client } from '@lockstep/client';
import { fromTicket } from '@lockstep/client/launch';
import type { Lockstep } from '@lockstep/server';
import { ConsolePerson } from './console-person.ts';
import { Backend, EVERYTHING, HubClient, type Json, json, patient, withLockstep } from './harness.ts';
import { App, Person } from './person.ts';

const USER = 'dr-lena-okafor';

/** An EHR that may launch, and an app that is started by switches. */
async function parts({ origin }: Lockstep, more: Json = {}): Promise<{ ehr: HubClient; app: string }> {
  const ehr = await Backend.register(origin, { scope: `launch ${EVERYTHING}` });
  await nameLauncher(origin, ehr.clientId);
  const app = await registerLaunched(origin, {
    scope: 'fhircast/Patient-open.* fhircast/SyncError.read hub/session.read',
    ...more,
  });
  const token = await ehr.token(`launch ${EVERYTHING}`);
  return { ehr: new HubClient(`${origin}/hub`, token), app };
}

/** An app without key or secret, that is launched by a ticket. @returns its client_id */
async function registerLaunched(origin: string, metadata: Json = {}): Promise<string> {
  const app = { client_name: 'PACS', launch_kinds: ['command-line'], grant_types: [], ...metadata };
  const body = JSON.stringify({ token_endpoint_auth_method: 'none', ...app });
  const headers = { 'content-type': 'application/json' };
  return (await json(fetch(`${origin}/auth/register`, { method: 'POST', headers, body }))).client_id;
}

/** An administrator's word that a client may make tickets. */
async function nameLauncher(origin: string, clientId: string, launcher = true): Promise<void> {
  const admin = await ConsolePerson.signIn(origin, { sample: 'admin' });
  const { metadata } = await json(admin.call('GET', `apps/${clientId}`));
  assert.equal((await admin.call('PUT', `apps/${clientId}`, { ...metadata, launcher })).status, 200);
}

/** A person's application with a token of a SMART launch. */
async function personsApp(origin: string, scope: string) {
  const person = new Person(origin);
  const { topic } = await person.signIn(USER);
  const app = await App.register(origin, 'public', { scope });
  await nameLauncher(origin, app.clientId);
  const answer = await app.tokens(person, scope);
  return { person, app, topic, answer, hub: new HubClient(answer['hub.url'], answer.access_token) };
}

test('LAU-1 a ticket is redeemed for Hub, topic and a token that works', async () => {
  await withLockstep(async (lockstep) => {
    const { ehr, app } = await parts(lockstep);
    const topic = await ehr.session(USER);
    const made = await ehr.json('/ticket', { client_id: app, user: 'lokafor', topic });
    assert.equal(made.status, 201);
    assert.equal(made.headers.get('cache-control'), 'no-store');
    const ticket = await json(made);
    assert.equal(ticket.expires_in, 60);
    assert.ok(ticket.ticket.length >= 22, 'at least 128 bits');
    assert.equal(ticket.ticket_url, `${lockstep.origin}/hub/ticket/${ticket.ticket}`);

    const redeemed = await fetch(ticket.ticket_url, { method: 'POST' });
    assert.equal(redeemed.status, 200);
    assert.equal(redeemed.headers.get('cache-control'), 'no-store');
    assert.equal(redeemed.headers.get('pragma'), 'no-cache');
    const answer = await json(redeemed);
    assert.equal(answer.token_type, 'Bearer');
    assert.equal(answer.scope, 'fhircast/Patient-open.* fhircast/SyncError.read');
    assert.equal(answer['hub.url'], `${lockstep.origin}/hub`);
    assert.equal(answer['hub.topic'], topic);
    assert.ok(answer.expires_in > 0);

    const hub = new HubClient(answer['hub.url'], answer.access_token);
    const subscriber = await hub.subscribe(topic, 'Patient-open');
    assert.equal((await subscriber.next())['hub.events'], 'Patient-open');
    assert.equal((await hub.publish(topic, 'Patient-open', [patient('p1')])).status, 202);
    assert.equal((await subscriber.event()).event.context[0].resource.id, 'p1');
    assert.equal((await hub.publish(topic, 'Patient-close', [patient('p1')])).status, 403);
    await subscriber.close();
  });
});

test('LAU-1 the client library goes from a ticket to in-sync', async () => {
  await withLockstep(async (lockstep) => {
    const { ehr, app } = await parts(lockstep, { scope: 'fhircast/*.*' });
    const topic = await ehr.session(USER);
    await ehr.publish(topic, 'Patient-open', [patient('p7')]);
    const { ticket_url } = await json(ehr.json('/ticket', { client_id: app, user: USER }));
    const client = new Client({ ...(await fromTicket(ticket_url)), events: ['Patient-open'], name: 'PACS' });
    assert.deepEqual(await client.connect(), { status: 'in-sync' });
    assert.equal(client.context?.id, 'p7');
    await client.unsubscribe();
    await assert.rejects(fromTicket(ticket_url), { name: 'HubError', status: 400 });
  });
});

test('LAU-1 of parallel redemptions exactly one wins', async () => {
  await withLockstep(async (lockstep) => {
    const { ehr, app } = await parts(lockstep);
    await ehr.session(USER);
    for (let round = 0; round < 5; round++) {
      const { ticket_url } = await json(ehr.json('/ticket', { client_id: app, user: USER }));
      const answers = await Promise.all(Array.from({ length: 16 }, () => fetch(ticket_url, { method: 'POST' })));
      assert.equal(answers.filter(({ status }) => status === 200).length, 1);
      const refused = answers.find(({ status }) => status !== 200);
      assert.equal(refused?.status, 400);
      assert.equal((await json(refused)).error, 'invalid_grant');
    }
  });
});

test('LAU-1 a ticket that comes again is refused, and revokes what it gave', async () => {
  await withLockstep(async (lockstep) => {
    const { ehr, app } = await parts(lockstep, { scope: 'fhircast/*.*' });
    const topic = await ehr.session(USER);
    const { ticket_url } = await json(ehr.json('/ticket', { client_id: app, user: USER, topic }));
    const { access_token } = await json(fetch(ticket_url, { method: 'POST' }));
    const hub = new HubClient(`${lockstep.origin}/hub`, access_token);
    const subscriber = await hub.subscribe(topic, 'Patient-open');
    assert.equal((await subscriber.next())['hub.mode'], 'subscribe');
    const again = await fetch(ticket_url, { method: 'POST' });
    assert.equal(again.status, 400);
    assert.equal((await json(again)).error, 'invalid_grant');
    assert.equal((await subscriber.next())['hub.mode'], 'denied');
    assert.equal((await hub.request(`/${topic}`)).status, 401);
    assert.equal((await fetch(ticket_url, { method: 'POST' })).status, 400);
  });
});

test('LAU-1 a ticket opens a session for a user who has none, where the caller may', async () => {
  await withLockstep(async (lockstep) => {
    const { ehr, app } = await parts(lockstep);
    const made = await json(ehr.json('/ticket', { client_id: app, user: USER }));
    const sessions = (await (await ehr.request(`/session?user=${USER}`)).json()) as Json[];
    assert.deepEqual(
      sessions.map((one) => one['hub.topic']),
      [made['hub.topic']],
    );
  });
});

test('LAU-1 SES-4 tickets are made by callers with the right to, for apps and users that fit', async () => {
  await withLockstep(async (lockstep) => {
    const { origin } = lockstep;
    const { ehr, app } = await parts(lockstep);
    const topic = await ehr.session(USER);
    const other = await ehr.session('dr-mei-tanaka');
    const refusals: [Json, number, RegExp][] = [
      [{ user: USER }, 400, /client_id is missing/],
      [{ client_id: 'nobody', user: USER }, 400, /no such app/],
      [{ client_id: app }, 400, /user is missing/],
      [{ client_id: app, user: 'nobody' }, 400, /no such user/],
      [{ client_id: app, user: USER, topic: other }, 400, /no such session/],
      [{ client_id: app, user: USER, topic: 'made-up' }, 400, /no such session/],
      [{ client_id: app, user: USER, topic, scope: 'fhircast/Patient-close.read' }, 400, /scope/],
      [{ client_id: app, user: 7 }, 400, /user must be a string/],
    ];
    for (const [body, status, reason] of refusals) {
      const answer = await ehr.json('/ticket', body);
      assert.equal(answer.status, status, JSON.stringify(body));
      assert.match((await json(answer)).error_description, reason);
    }
    assert.equal((await ehr.json('/ticket', [])).status, 400);
    assert.equal((await fetch(`${origin}/hub/ticket`, { method: 'POST' })).status, 401);

    const without = await Backend.register(origin);
    await nameLauncher(origin, without.clientId);
    const withoutLaunch = new HubClient(`${origin}/hub`, await without.token(EVERYTHING));
    assert.equal((await withoutLaunch.json('/ticket', { client_id: app, user: USER })).status, 403);
    const scope = `launch ${EVERYTHING}`;
    const few = await Backend.register(origin, { scope, session_users: ['dr-mei-tanaka'] });
    await nameLauncher(origin, few.clientId);
    const limited = new HubClient(`${origin}/hub`, await few.token(scope));
    assert.equal((await limited.json('/ticket', { client_id: app, user: USER, topic })).status, 400);
    const standalone = await Backend.register(origin);
    const wrongKind = await ehr.json('/ticket', { client_id: standalone.clientId, user: USER });
    assert.match((await json(wrongKind)).error_description, /not registered for a launch without sign-in/);
  });
});

test("LAU-1 a person's application hands on no more than it has itself", async () => {
  await withLockstep(async (lockstep) => {
    const { origin } = lockstep;
    const { app } = await parts(lockstep, { scope: 'fhircast/*.* hub/session.*' });
    const { hub } = await personsApp(origin, 'fhircast/Patient-open.* hub/session.*');
    const wanted = 'fhircast/Patient-open.read fhircast/Patient-close.read';
    const handed = await json(hub.json('/ticket', { client_id: app, scope: wanted }));
    const redeemed = await json(fetch(handed.ticket_url, { method: 'POST' }));
    assert.equal(redeemed.scope, 'fhircast/Patient-open.read');
    const refused = await hub.json('/ticket', { client_id: app, scope: 'fhircast/Patient-close.read' });
    assert.equal((await json(refused)).error, 'invalid_scope');
    assert.equal((await hub.json('/ticket', { client_id: app, user: 'dr-mei-tanaka' })).status, 400);
  });
});

test('LAU-1 only clients that an administrator named make tickets, whatever they hold', async () => {
  await withLockstep(async (lockstep) => {
    const { origin } = lockstep;
    const { app } = await parts(lockstep);
    const asked = { scope: `launch ${EVERYTHING}`, launcher: true, trusted: true, switches: { launcher: true } };
    const backend = await HubClient.backend(origin, `launch ${EVERYTHING}`, asked);
    const { hub, app: client } = await personsApp(origin, EVERYTHING);
    await nameLauncher(origin, client.clientId, false);
    for (const caller of [backend, hub]) {
      const refused = await caller.json('/ticket', { client_id: app, user: USER });
      assert.equal(refused.status, 403);
      assert.match((await json(refused)).error_description, /launcher/);
    }
  });
});

test('LAU-1 a ticket is for an app without key or secret, and never for the launcher itself', async () => {
  await withLockstep(async (lockstep) => {
    const { origin } = lockstep;
    const { ehr } = await parts(lockstep);
    await ehr.session(USER);
    const withKey = (await Backend.register(origin, { launch_kinds: ['command-line'] })).clientId;
    const redirect_uris = ['https://app.example/'];
    for (const method of ['client_secret_basic', 'client_secret_post']) {
      const id = await registerLaunched(origin, {
        token_endpoint_auth_method: method,
        redirect_uris,
        grant_types: ['authorization_code'],
      });
      const refused = await ehr.json('/ticket', { client_id: id, user: USER });
      assert.match((await json(refused)).error_description, /key or secret/, method);
    }
    assert.match(
      (await json(ehr.json('/ticket', { client_id: withKey, user: USER }))).error_description,
      /key or secret/,
    );
    const { hub, app } = await personsApp(origin, EVERYTHING);
    const admin = await ConsolePerson.signIn(origin, { sample: 'admin' });
    const { metadata } = await json(admin.call('GET', `apps/${app.clientId}`));
    const itself = { ...metadata, launch_kinds: ['command-line'] };
    assert.equal((await admin.call('PUT', `apps/${app.clientId}`, itself)).status, 200);
    assert.match((await json(hub.json('/ticket', { client_id: app.clientId }))).error_description, /itself/);
  });
});

test("LAU-1 a ticket's token makes no tickets, not even of a client that is a launcher", async () => {
  await withLockstep(async (lockstep) => {
    const { origin } = lockstep;
    const { ehr, app } = await parts(lockstep, { scope: `launch ${EVERYTHING}` });
    await nameLauncher(origin, app);
    const other = await registerLaunched(origin, { scope: EVERYTHING });
    const { ticket_url } = await json(ehr.json('/ticket', { client_id: app, user: USER, scope: EVERYTHING }));
    const { access_token } = await json(fetch(ticket_url, { method: 'POST' }));
    const launched = new HubClient(`${origin}/hub`, access_token);
    for (const client_id of [app, other]) {
      const refused = await launched.json('/ticket', { client_id });
      assert.equal(refused.status, 403);
      assert.match((await json(refused)).error_description, /launched by a ticket/);
    }
    const form = { grant_type: 'refresh_token', refresh_token: access_token, client_id: app };
    const renewed = await fetch(`${origin}/auth/token`, { method: 'POST', body: new URLSearchParams(form) });
    assert.equal(renewed.status, 400, 'nor does it renew itself');
  });
});

type Launched = { readonly origin: string; readonly launcher: Awaited<ReturnType<typeof personsApp>> };
const ENDS: Readonly<Record<string, (launched: Launched) => Promise<unknown>>> = {
  'its person signs out': ({ launcher }) => launcher.person.signOut(),
  'the launching token is revoked': ({ origin, launcher }) => {
    const form = { token: launcher.answer.access_token, client_id: launcher.app.clientId };
    return fetch(`${origin}/auth/revoke`, { method: 'POST', body: new URLSearchParams(form) });
  },
  'the launcher is suspended': async ({ origin, launcher }) => {
    const admin = await ConsolePerson.signIn(origin, { sample: 'admin' });
    return admin.call('POST', `apps/${launcher.app.clientId}/suspend`, {});
  },
  'the launcher is deleted': async ({ origin, launcher }) => {
    const admin = await ConsolePerson.signIn(origin, { sample: 'admin' });
    return admin.call('DELETE', `apps/${launcher.app.clientId}`);
  },
  'the user is signed out by an administrator': async ({ origin }) => {
    const admin = await ConsolePerson.signIn(origin, { sample: 'admin' });
    return admin.call('POST', `users/${USER}/sign-out`, {});
  },
};

for (const [name, end] of Object.entries(ENDS)) {
  test(`LAU-1 what a ticket gave, and a ticket not yet redeemed, end when ${name}`, async () => {
    await withLockstep(async (lockstep) => {
      const { origin } = lockstep;
      const { app } = await parts(lockstep, { scope: 'fhircast/*.*' });
      const launcher = await personsApp(origin, EVERYTHING);
      const first = await json(launcher.hub.json('/ticket', { client_id: app }));
      const { access_token } = await json(fetch(first.ticket_url, { method: 'POST' }));
      const hub = new HubClient(`${origin}/hub`, access_token);
      assert.equal((await hub.request(`/${first['hub.topic']}`)).status, 200);
      const waiting = await json(launcher.hub.json('/ticket', { client_id: app }));
      const ended = await end({ origin, launcher });
      if (ended instanceof Response) assert.ok(ended.ok, String(ended.status));
      assert.equal((await hub.request(`/${first['hub.topic']}`)).status, 401);
      assert.equal((await fetch(waiting.ticket_url, { method: 'POST' })).status, 400);
    });
  });
}

test('LAU-1 what a backend service launched ends with its token, its suspension and its deletion', async () => {
  for (const act of ['revoke', 'suspend', 'delete']) {
    await withLockstep(async (lockstep) => {
      const { origin } = lockstep;
      const { app } = await parts(lockstep, { scope: 'fhircast/*.*' });
      const service = await Backend.register(origin, { scope: `launch ${EVERYTHING}` });
      await nameLauncher(origin, service.clientId);
      const hub = new HubClient(`${origin}/hub`, await service.token(`launch ${EVERYTHING}`));
      const { ticket_url, 'hub.topic': topic } = await json(hub.json('/ticket', { client_id: app, user: USER }));
      const { access_token } = await json(fetch(ticket_url, { method: 'POST' }));
      const launched = new HubClient(`${origin}/hub`, access_token);
      assert.equal((await launched.request(`/${topic}`)).status, 200);
      const admin = await ConsolePerson.signIn(origin, { sample: 'admin' });
      const path = `apps/${service.clientId}`;
      const ended =
        act === 'suspend'
          ? await admin.call('POST', `${path}/suspend`, {})
          : await admin.call('DELETE', act === 'revoke' ? `${path}/tokens` : path);
      assert.ok(ended.ok, act);
      assert.equal((await launched.request(`/${topic}`)).status, 401, act);
    });
  }
});

test('LAU-1 whatever ends an access ends a ticket that was not redeemed, and the token of one that was', async () => {
  await withLockstep(async ({ origin }) => {
    const admin = await ConsolePerson.signIn(origin, { sample: 'admin' });
    const edit = async (id: string, changes: Json): Promise<Response> => {
      const { metadata } = await json(admin.call('GET', `apps/${id}`));
      return admin.call('PUT', `apps/${id}`, { ...metadata, ...changes });
    };
    interface Launch {
      readonly app: string;
      readonly service: Backend;
      readonly hub: HubClient;
      readonly user: string;
    }
    const standalone = { launch_kinds: ['standalone'], grant_types: ['authorization_code'] };
    const acts: Readonly<Record<string, (launch: Launch) => Promise<Response | undefined>>> = {
      'the launcher is none any more': ({ service }) => edit(service.clientId, { launcher: false }),
      'the launcher is narrowed': ({ service }) => edit(service.clientId, { scope: EVERYTHING }),
      'the launcher sees fewer users': ({ service }) => edit(service.clientId, { session_users: ['dr-mei-tanaka'] }),
      'the launcher is suspended': ({ service }) => admin.call('POST', `apps/${service.clientId}/suspend`, {}),
      'the launcher is deleted': ({ service }) => admin.call('DELETE', `apps/${service.clientId}`),
      'the launcher revokes its token': async ({ service, hub }) => void (await service.revoke(hub.token)),
      'the app is narrowed': ({ app }) => edit(app, { scope: 'fhircast/Patient-open.read' }),
      'the app is started in another way': ({ app }) =>
        edit(app, { ...standalone, redirect_uris: ['http://localhost/'] }),
      'the app is bound to a key': ({ app }) => edit(app, { dpop_bound_access_tokens: true }),
      'the app is suspended': ({ app }) => admin.call('POST', `apps/${app}/suspend`, {}),
      'the app is deleted': ({ app }) => admin.call('DELETE', `apps/${app}`),
      "the app's tokens are revoked": ({ app }) => admin.call('DELETE', `apps/${app}/tokens`),
      'the user is signed out': ({ user }) => admin.call('POST', `users/${user}/sign-out`, {}),
      'the user is suspended': ({ user }) => admin.call('POST', `users/${user}/suspend`, {}),
      'the user is deleted': ({ user }) => admin.call('DELETE', `users/${user}`),
    };
    for (const [name, act] of Object.entries(acts)) {
      const user = `user-${Object.keys(acts).indexOf(name)}`;
      assert.equal((await admin.call('POST', 'users', { id: user, name: 'A user' })).status, 201);
      const app = await registerLaunched(origin, { scope: 'fhircast/*.*' });
      const service = await Backend.register(origin, { scope: `launch ${EVERYTHING}` });
      await nameLauncher(origin, service.clientId);
      const hub = new HubClient(`${origin}/hub`, await service.token(`launch ${EVERYTHING}`));
      const make = () => json(hub.json('/ticket', { client_id: app, user }));
      const [taken, waiting] = [await make(), await make()];
      const { access_token } = await json(fetch(taken.ticket_url, { method: 'POST' }));
      const launched = new HubClient(`${origin}/hub`, access_token);
      assert.equal((await launched.request(`/${taken['hub.topic']}`)).status, 200, name);
      assert.ok((await act({ app, service, hub, user }))?.ok ?? true, name);
      assert.equal((await launched.request(`/${taken['hub.topic']}`)).status, 401, name);
      assert.equal((await fetch(waiting.ticket_url, { method: 'POST' })).status, 400, name);
    }
  });
});

test('LAU-1 a ticket of a suspended app, or of a session that has ended, gives nothing', async () => {
  await withLockstep(async (lockstep) => {
    const { ehr, app } = await parts(lockstep);
    const topic = await ehr.session(USER);
    const { ticket_url } = await json(ehr.json('/ticket', { client_id: app, user: USER, topic }));
    assert.equal((await ehr.request(`/session/${topic}`, { method: 'DELETE' })).status, 204);
    assert.equal((await fetch(ticket_url, { method: 'POST' })).status, 400);
    const unknown = await fetch(`${lockstep.origin}/api/hub//ticket/${'a'.repeat(43)}/`, { method: 'POST' });
    assert.equal(unknown.status, 400, 'the other address of the Hub answers the same');
  });
});
