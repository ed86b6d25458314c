import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Subscriber as Client, fromTicket } from '@lockstep/client';
import type { Lockstep } from '@lockstep/server';
import { Backend, EVERYTHING, HubClient, type Json, json, patient, withLockstep } from './harness.ts';

const USER = 'dr-lena-okafor';

/** An EHR that may launch, and an app that is started by switches. */
async function parts({ origin }: Lockstep, more: Json = {}): Promise<{ ehr: HubClient; app: string }> {
  const ehr = await Backend.register(origin, { scope: `launch ${EVERYTHING}` });
  const app = await Backend.register(origin, {
    client_name: 'PACS',
    launch_kinds: ['command-line'],
    scope: 'fhircast/Patient-open.* fhircast/SyncError.read hub/session.read',
    ...more,
  });
  const token = await ehr.token(`launch ${EVERYTHING}`);
  return { ehr: new HubClient(`${origin}/hub`, token), app: app.clientId };
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

    const withoutLaunch = await HubClient.backend(origin, EVERYTHING);
    assert.equal((await withoutLaunch.json('/ticket', { client_id: app, user: USER })).status, 403);
    const limited = await HubClient.backend(origin, `launch ${EVERYTHING}`, {
      scope: `launch ${EVERYTHING}`,
      session_users: ['dr-mei-tanaka'],
    });
    assert.equal((await limited.json('/ticket', { client_id: app, user: USER, topic })).status, 400);
    const standalone = await Backend.register(origin);
    const wrongKind = await ehr.json('/ticket', { client_id: standalone.clientId, user: USER });
    assert.match((await json(wrongKind)).error_description, /not registered for a launch without sign-in/);
  });
});

test("LAU-1 a person's application hands on no more than it has itself", async () => {
  await withLockstep(async (lockstep) => {
    const { origin } = lockstep;
    const { ehr, app } = await parts(lockstep, { scope: 'fhircast/*.* hub/session.*' });
    const topic = await ehr.session(USER);
    const first = await Backend.register(origin, {
      launch_kinds: ['web'],
      scope: 'fhircast/Patient-open.* hub/session.*',
    });
    const scope = 'fhircast/Patient-open.* hub/session.*';
    const { ticket_url } = await json(ehr.json('/ticket', { client_id: first.clientId, user: USER, topic, scope }));
    const own = await json(fetch(ticket_url, { method: 'POST' }));
    const person = new HubClient(`${origin}/hub`, own.access_token);

    const refused = await person.json('/ticket', { client_id: app });
    assert.equal((await json(refused)).error, 'invalid_scope', 'the whole catalog is more than it has');
    const wanted = 'fhircast/Patient-open.read fhircast/Patient-close.read';
    const handed = await json(person.json('/ticket', { client_id: app, scope: wanted }));
    const redeemed = await json(fetch(handed.ticket_url, { method: 'POST' }));
    assert.equal(redeemed.scope, 'fhircast/Patient-open.read');
    assert.equal((await person.json('/ticket', { client_id: app, user: 'dr-mei-tanaka' })).status, 400);
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
