import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { patient } from '../../test/events.ts';
import { access, good, Rig, refusal } from '../../test/rig.ts';

const HOST = 'Practitioner/1';
const GUEST = 'Practitioner/2';
const person = (user: string, more: Parameters<typeof access>[0] = {}) =>
  access({ user, sessions: undefined, clientId: `app of ${user}`, ...more } as Parameters<typeof access>[0]);
const host = person(HOST);
const guest = person(GUEST);
const FREE = { followingOnly: false };

describe('group sessions (SES-4, SES-6)', () => {
  it('a guest joins by the invitation, is listed by person, hears, reads and publishes; nobody else does', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session(HOST);
    await rig.publish(topic, 'Patient-open', [patient()]);
    assert.equal(refusal(await rig.subscribe(topic, '*', {}, guest)), 404, 'before');
    const { code } = good(await rig.hub.invite(host, topic, FREE));
    assert.deepEqual(good(await rig.hub.joinByInvitation(guest, code)), { topic, user: HOST, followingOnly: false });
    const peer = await rig.join(topic, 'Patient-open', {}, guest);
    assert.equal(peer.events.length, 1, 'SUB-8');
    assert.equal(await rig.publish(topic, 'Patient-open', [patient('p2')], {}, guest), 202);
    assert.equal((await rig.context(topic, guest)).context[0].resource.id, 'p2');
    const [listed] = good(await rig.hub.listSessions(guest, {})).sessions;
    assert.deepEqual(
      listed?.info.guests?.map(({ user, followingOnly }) => [user, followingOnly]),
      [[GUEST, undefined]],
    );
    const stranger = person('Practitioner/3');
    assert.equal(await rig.publish(topic, 'Patient-open', [patient()], {}, stranger), 404);
    assert.deepEqual(good(await rig.hub.listSessions(stranger, {})).sessions, []);
    assert.equal(refusal(await rig.hub.joinByInvitation(stranger, `${code}x`)), 404);
    await rig.restart();
    assert.equal(await rig.publish(topic, 'Patient-open', [patient('p3')], {}, guest), 202, 'also after a restart');
  });

  it('who follows only hears, and may say that it does not follow, and publishes nothing', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session(HOST);
    const { code } = good(await rig.hub.invite(host, topic, { followingOnly: true }));
    assert.equal(good(await rig.hub.joinByInvitation(guest, code)).followingOnly, true);
    const peer = await rig.join(topic, 'Patient-open', {}, guest);
    assert.equal(await rig.publish(topic, 'Patient-open', [patient()], { id: 'host' }, host), 202);
    assert.deepEqual(peer.ids, ['host']);
    const { code: free } = good(await rig.hub.invite(host, topic, FREE));
    good(await rig.hub.joinByInvitation(guest, free));
    for (const event of ['Patient-open', 'Patient-close', 'org.example.hello']) {
      assert.equal(await rig.publish(topic, event, [patient()], {}, guest), 403, event);
    }
    assert.equal(
      await rig.publish(
        topic,
        'SyncError',
        [{ key: 'operationoutcome', resource: { resourceType: 'OperationOutcome' } }],
        {},
        guest,
      ),
      202,
    );
    assert.equal((await rig.context(topic, guest)).context[0].resource.id, 'p1');
  });

  it('an invitation ends by itself; withdrawn, it takes those with it who came by it, and nobody else', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session(HOST);
    const first = good(await rig.hub.invite(host, topic, { ...FREE, life: 60 }));
    const second = good(await rig.hub.invite(host, topic, FREE));
    const other = person('Practitioner/3');
    good(await rig.hub.joinByInvitation(guest, first.code));
    good(await rig.hub.joinByInvitation(other, second.code));
    rig.clock.advance(60_000);
    assert.equal(refusal(await rig.hub.joinByInvitation(person('Practitioner/4'), first.code)), 404, 'it has ended');
    const peers = {
      guest: await rig.join(topic, '*', {}, guest),
      other: await rig.join(topic, '*', {}, other),
      host: await rig.join(topic, '*', {}, host),
    };
    assert.equal(refusal(await rig.hub.withdrawInvitation(guest, topic, first.id)), 403, 'not by a guest');
    good(await rig.hub.withdrawInvitation(host, topic, first.id));
    assert.equal(peers.guest.denial?.['hub.reason'], 'The invitation was withdrawn');
    assert.deepEqual([peers.other.closed, peers.host.closed], [undefined, undefined]);
    assert.equal(refusal(await rig.subscribe(topic, '*', {}, guest)), 404);
    assert.equal(await rig.publish(topic, 'Patient-open', [patient()], {}, guest), 404);
    assert.equal(refusal(await rig.hub.withdrawInvitation(host, topic, first.id)), 404, 'once');
    good(await rig.hub.withdrawInvitation(host, topic, second.id));
    assert.equal(refusal(await rig.hub.joinByInvitation(person('Practitioner/4'), second.code)), 404);
  });

  it('a guest leaves, and may come again; nobody else leaves with it, and who is no guest is told so', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session(HOST);
    const { code } = good(await rig.hub.invite(host, topic, FREE));
    const other = person('Practitioner/3');
    for (const one of [guest, other]) good(await rig.hub.joinByInvitation(one, code));
    const peers = {
      guest: await rig.join(topic, '*', {}, guest),
      second: await rig.join(topic, '*', {}, person(GUEST, { clientId: 'another app' })),
      other: await rig.join(topic, '*', {}, other),
      host: await rig.join(topic, '*', {}, host),
    };
    for (const stranger of [host, person('Practitioner/4'), access()]) {
      assert.equal(refusal(await rig.hub.leaveSession(stranger, topic)), 403);
    }
    assert.equal(refusal(await rig.hub.leaveSession(guest, 'no-session')), 404);
    assert.equal(peers.guest.closed, undefined);
    good(await rig.hub.leaveSession(person(GUEST, { scope: 'fhircast/Patient-open.read' }), topic));
    for (const left of [peers.guest, peers.second]) {
      assert.equal(left.denial?.['hub.reason'], 'The guest has left the session');
    }
    assert.deepEqual([peers.other.closed, peers.host.closed], [undefined, undefined]);
    assert.equal(await rig.publish(topic, 'Patient-open', [patient()], {}, guest), 404);
    assert.equal(refusal(await rig.hub.leaveSession(guest, topic)), 403, 'once');
    assert.equal(await rig.publish(topic, 'Patient-open', [patient()], {}, other), 202);
    good(await rig.hub.joinByInvitation(guest, code));
    assert.equal(await rig.publish(topic, 'Patient-open', [patient('p2')], {}, guest), 202);
  });

  it('a guest of either kind does not end the session, and disturbs nobody by trying', async (t) => {
    const rig = await Rig.open(t);
    for (const followingOnly of [true, false]) {
      const topic = await rig.session(HOST);
      const peer = await rig.join(topic, '*', {}, host);
      const { code } = good(await rig.hub.invite(host, topic, { followingOnly }));
      good(await rig.hub.joinByInvitation(guest, code));
      for (const one of [guest, person(GUEST.toUpperCase()), person(GUEST, { topics: [topic] })]) {
        assert.equal(refusal(await rig.hub.deleteSession(one, topic)), 403);
      }
      assert.equal(refusal(await rig.hub.deleteSession(person('Practitioner/3'), topic)), 404, 'a stranger');
      assert.equal(await rig.publish(topic, 'Patient-open', [patient()], { id: 'still' }, host), 202);
      assert.deepEqual([peer.ids, peer.denial], [['still'], undefined]);
      good(await rig.hub.leaveSession(guest, topic));
      good(await rig.hub.deleteSession(host, topic));
    }
  });

  it('only the own user and services registered for the session invite, for a bounded time and number', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session(HOST);
    assert.equal(refusal(await rig.hub.invite(person('Practitioner/3'), topic, FREE)), 403);
    assert.equal(refusal(await rig.hub.invite(person(HOST, { scope: 'fhircast/*.*' }), topic, FREE)), 403);
    assert.equal(refusal(await rig.hub.invite(host, 'no-session', FREE)), 404);
    for (const life of [0, -1, 1.5, 86_401, Number.NaN]) {
      assert.equal(refusal(await rig.hub.invite(host, topic, { ...FREE, life })), 400, String(life));
    }
    const { code } = good(await rig.hub.invite(access(), topic, FREE));
    assert.equal(refusal(await rig.hub.joinByInvitation(access({ clientId: 'service' }), code)), 403, 'people only');
    assert.equal(good(await rig.hub.joinByInvitation(host, code)).user, HOST, 'the own user is no guest');
    assert.equal((await rig.hub.sessions())[0]?.info.guests, undefined);
    for (let n = 1; n < 16; n++) good(await rig.hub.invite(host, topic, FREE));
    assert.equal(refusal(await rig.hub.invite(host, topic, FREE)), 429);
    rig.clock.advance(3_600_000);
    good(await rig.hub.invite(host, topic, FREE));
  });
});
