import assert from 'node:assert/strict';
import { test } from 'node:test';
import { revisionOf } from '@lockstep/smart';
import { launchRig } from '../../test/launch-rig.ts';
import { TICKET_LIFE, Tickets } from './tickets.ts';

test('LAU-1 a ticket lasts one minute', async (t) => {
  const { store, clock, hub, hubUrl, authorization, app } = await launchRig(t);
  const tickets = new Tickets({ records: store.records, clock, hub, hubUrl, authorization });
  const user = (await authorization.users.get('dr-lena-okafor'))!;
  const { topic } = await hub.openSession({ user: user.reference });
  const client = await app();
  const inTime = await tickets.issue(client, user, topic, { binding: {} });
  const late = await tickets.issue(client, user, topic, { binding: {} });
  clock.time += TICKET_LIFE * 1000 - 1;
  assert.ok(await tickets.redeem(inTime.ticket));
  clock.time += 1;
  assert.equal(await tickets.redeem(late.ticket), undefined);
});

test('LAU-1 a ticket that comes twice at the same moment leaves no valid token', async (t) => {
  const { store, clock, hub, hubUrl, authorization, app } = await launchRig(t);
  const parts = { records: store.records, clock, hub, hubUrl, authorization };
  const user = (await authorization.users.get('dr-lena-okafor'))!;
  const { topic } = await hub.openSession({ user: user.reference });
  const client = await app();
  for (let round = 0; round < 20; round++) {
    const { ticket } = await new Tickets(parts).issue(client, user, topic, { binding: {} });
    const answers = await Promise.all([1, 2, 3].map(() => new Tickets(parts).redeem(ticket)));
    const given = answers.flatMap((one) => (one ? [one.access_token] : []));
    assert.equal(given.length, 1);
    assert.equal(await authorization.verifyToken(given[0] ?? ''), undefined);
  }
});

test('LAU-1 whoever comes with a spent ticket within ten minutes shows that it was seen', async (t) => {
  const { store, clock, hub, hubUrl, authorization, app } = await launchRig(t);
  const tickets = new Tickets({ records: store.records, clock, hub, hubUrl, authorization });
  const user = (await authorization.users.get('dr-lena-okafor'))!;
  const { topic } = await hub.openSession({ user: user.reference });
  const { ticket } = await tickets.issue(await app(), user, topic, { binding: {} });
  const { access_token = '' } = (await tickets.redeem(ticket)) ?? {};
  clock.time += 9 * 60_000;
  assert.ok(await authorization.verifyToken(access_token));
  assert.equal(await tickets.redeem(ticket), undefined);
  assert.equal(await authorization.verifyToken(access_token), undefined);
});

test('LAU-1 the store holds no ticket that could be redeemed', async (t) => {
  const { store, clock, hub, hubUrl, authorization, app } = await launchRig(t);
  const tickets = new Tickets({ records: store.records, clock, hub, hubUrl, authorization });
  const user = (await authorization.users.get('dr-lena-okafor'))!;
  const { topic } = await hub.openSession({ user: user.reference });
  const { ticket } = await tickets.issue(await app(), user, topic, { binding: {} });
  const stored = await store.records.list('launch-ticket', clock.now());
  assert.equal(stored.length, 1);
  assert.ok(!JSON.stringify(stored).includes(ticket));
});

test('LAU-1 a ticket is worth nothing once its app or its user is suspended', async (t) => {
  const { store, clock, hub, hubUrl, authorization, app } = await launchRig(t);
  const tickets = new Tickets({ records: store.records, clock, hub, hubUrl, authorization });
  const user = (await authorization.users.get('dr-lena-okafor'))!;
  const { topic } = await hub.openSession({ user: user.reference });
  const client = await app();
  const first = await tickets.issue(client, user, topic, { binding: {} });
  await authorization.clients.suspend(client.id);
  assert.equal(await tickets.redeem(first.ticket), undefined);
  await authorization.clients.activate(client.id, revisionOf(client));
  const second = await tickets.issue(client, user, topic, { binding: {} });
  await authorization.users.suspend(user.id);
  assert.equal(await tickets.redeem(second.ticket), undefined);
});
