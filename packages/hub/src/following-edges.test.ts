/**
 * Applications that come, come back or ask for other events while something is not answered yet: each is named for as long as it may show
 * another patient than is open, and not once it has answered what it was sent (ERR-8).
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { FOLLOWING_EVENT } from '@lockstep/fhircast';
import { eventually } from '../test/callbacks.ts';
import { parameters, patient, study } from '../test/events.ts';
import { type Node, Nodes } from '../test/nodes.ts';
import { type Peer, Rig } from '../test/rig.ts';
import { CORE, IRA, STU2, type VersionRules } from './rules/versions.ts';

/** A Hub, or one node of several. */
type Where = Pick<Rig | Node, 'hub'>;

async function why({ hub }: Where, topic: string, { endpoint }: Peer): Promise<string | undefined> {
  const state = (await hub.inspect(topic))?.state;
  return state?.following.get(endpoint.split('/').at(-1) ?? '')?.why;
}

/** Waits until an application is marked so, or not at all. */
function isMarked(where: Where, topic: string, peer: Peer, as: string | undefined): Promise<void> {
  return eventually(`marked as ${as}`, async () => (await why(where, topic, peer)) === as);
}

/** Answers all that the peer was sent, and is sent thereupon, until it is no longer named. */
async function follows(where: Where, topic: string, peer: Peer, row: string): Promise<void> {
  let answered = 0;
  await eventually(`${row}: it has answered all, and is not named`, async () => {
    for (; answered < peer.asked.length; answered++) peer.answer(200, peer.asked[answered]?.id);
    return (await why(where, topic, peer)) === undefined;
  });
}

const STUDY: readonly [string, readonly unknown[]] = ['ImagingStudy-open', [study('s2'), patient('p2')]];

/** What an application says that it has seen, of what it was sent. */
const SEEN: Readonly<Record<string, (sent: readonly string[]) => string | undefined>> = {
  'nothing said': () => undefined,
  'the derived open': (sent) => sent.at(-1),
  'what came before it': () => 'followed',
  'what nobody sent': () => 'unheard of',
};

/** Events of applications that are told of the study's patient by a derived open alone. */
const DERIVED = [
  'Patient-open',
  'Patient-open,Patient-close',
  'Patient-open,Patient-close,Home-open',
  `Patient-open,Patient-close,Home-open,${FOLLOWING_EVENT}`,
];

it('SUB-7, DER-1, ERR-8 who takes over and was told by a derived open alone is named until it has answered', async (t) => {
  const { nodes } = await Nodes.start(t, ['a', 'b']);
  const a = nodes[0]!;
  let turn = 0;
  for (const node of nodes) {
    for (const [seen, sinceOf] of Object.entries(SEEN)) {
      for (const answered of [true, false]) {
        // Each kind of subscription meets each way to come back.
        for (const events of [DERIVED[turn % 2]!, DERIVED[2 + (turn % 2)]!]) {
          const row = `${events}, at ${node.name}, has seen ${seen}, ${answered ? 'and answered' : 'and not answered'}`;
          const topic = await a.session();
          const old = await a.join(topic, events);
          assert.equal(await a.publish(topic, 'Patient-open', [patient('p1')], { id: 'followed' }), 202);
          old.answer(200, 'followed');
          assert.equal(await a.publish(topic, ...STUDY, { id: 'study' }), 202);
          const derived = old.asked.at(-1);
          assert.equal(derived?.event['hub.event'], 'Patient-open', row);
          assert.notEqual(derived?.id, 'followed', row);
          if (answered) old.answer(200, derived?.id);
          for (let round = 0; round < 3; round++) await a.hub.inspect(topic);
          const next = await node.connect(old.endpoint, sinceOf(old.asked.map(({ id }) => id)));
          // What it owes at another node is known of applications only that answer whatever they are sent.
          if (!answered && (node === a || events.includes(FOLLOWING_EVENT))) {
            assert.ok(await why(node, topic, next), `${row}: is not named`);
          }
          await follows(node, topic, next, row);
          await a.hub.endSession(topic, 'Done');
        }
        turn += 1;
      }
      turn += 1;
    }
  }
});

async function rigOf(t: TestContext, profile: VersionRules): Promise<[Rig, string, Peer]> {
  const rig = await Rig.open(t, { profile });
  const topic = await rig.session();
  return [rig, topic, await rig.join(topic, `Patient-open,${FOLLOWING_EVENT}`, { 'subscriber.name': 'EHR' })];
}

for (const profile of [CORE, STU2]) {
  describe(`ERR-8 in the middle of an unanswered context (${profile.name})`, () => {
    it('a newcomer is told at once who has not answered, and is named itself until it has', async (t) => {
      const [rig, topic, ehr] = await rigOf(t, profile);
      const viewer = await rig.join(topic, 'Patient-open', { 'subscriber.name': 'Viewer' });
      assert.equal(await rig.publish(topic, 'Patient-open', [patient('p1')], { id: 'one' }), 202);
      ehr.answer(200, 'one');
      rig.clock.advance(1000);
      await isMarked(rig, topic, viewer, 'waiting');
      const newcomer = await rig.join(topic, `Patient-open,${FOLLOWING_EVENT}`, { 'subscriber.name': 'Newcomer' });
      const told = () =>
        newcomer.events
          .findLast(({ event }) => event['hub.event'] === FOLLOWING_EVENT)
          ?.event.context.map(({ subscriber }: { subscriber: string }) => subscriber);
      await eventually('the newcomer is told of both', () => String(told()?.toSorted()) === 'Newcomer,Viewer');
      newcomer.answer(200, 'one');
      await isMarked(rig, topic, newcomer, undefined);
      assert.equal(await why(rig, topic, viewer), 'waiting');
      viewer.answer(200, 'one');
      await isMarked(rig, topic, viewer, undefined);
    });

    it('a newcomer that is sent a context, and does not answer before the next, is named until it has answered that', async (t) => {
      const [rig, topic] = await rigOf(t, profile);
      assert.equal(await rig.publish(topic, 'Patient-open', [patient('p1')], { id: 'one' }), 202);
      const newcomer = await rig.join(topic, 'Patient-open', { 'subscriber.name': 'Newcomer' });
      assert.equal(await rig.publish(topic, 'Patient-open', [patient('p2')], { id: 'two' }), 202);
      newcomer.answer(200, 'one');
      rig.clock.advance(1000);
      for (let round = 0; round < 3; round++) await rig.settle(topic);
      assert.ok(await why(rig, topic, newcomer), 'it has answered what was open before');
      newcomer.answer(200, 'two');
      await isMarked(rig, topic, newcomer, undefined);
    });

    for (const [how, events] of Object.entries({
      'the same events': 'Patient-open',
      'more events': 'Patient-open,Patient-close,ImagingStudy-open,Home-open',
      'other events': 'ImagingStudy-open',
      'no opens': 'Patient-close',
    })) {
      it(`SUB-6 a renewal for ${how} does not end that it is waited for, and its answer does`, async (t) => {
        const [rig, topic] = await rigOf(t, profile);
        const viewer = await rig.join(topic, 'Patient-open', { 'subscriber.name': 'Viewer' });
        assert.equal(await rig.publish(topic, 'Patient-open', [patient('p1')], { id: 'one' }), 202);
        rig.clock.advance(1000);
        await isMarked(rig, topic, viewer, 'waiting');
        const renewal = { 'hub.channel.endpoint': viewer.endpoint, 'subscriber.name': 'Viewer' };
        assert.ok((await rig.subscribe(topic, events, renewal)).ok);
        await rig.settle(topic);
        assert.equal(await why(rig, topic, viewer), 'waiting');
        await follows(rig, topic, viewer, how);
      });
    }

    it('SUB-11 who was lost before a logout, and comes back without ?since while nothing is open, is named until it has followed the next context', async (t) => {
      const [rig, topic, ehr] = await rigOf(t, profile);
      const events = 'Patient-open,Patient-close,Home-open,UserLogout';
      const viewer = await rig.join(topic, events, { 'subscriber.name': 'Viewer' });
      assert.equal(await rig.publish(topic, 'Patient-open', [patient('p1')], { id: 'one' }), 202);
      ehr.answer(200, 'one');
      viewer.answer(200, 'one');
      viewer.connection?.closed(1006);
      await isMarked(rig, topic, viewer, 'lost');
      assert.equal(await rig.publish(topic, 'UserLogout', [parameters], { id: 'logout' }), 202);
      // The logout has erased what it would be told by, and nothing is open: it has to subscribe again.
      const back = await rig.connect(viewer.endpoint);
      assert.match(back?.denial?.['hub.reason'], /subscribe again/);
      await rig.settle(topic);
      assert.equal(await why(rig, topic, viewer), 'lost');
      const again = await rig.join(topic, events, { 'subscriber.name': 'Viewer' });
      await rig.settle(topic);
      assert.deepEqual(again.asked, []);
      assert.equal(await why(rig, topic, again), 'lost', 'it may still show the patient of before');
      assert.equal(await why(rig, topic, viewer), undefined, 'it is named once');
      assert.equal(await rig.publish(topic, 'Patient-open', [patient('p2')], { id: 'two' }), 202);
      again.answer(200, 'two');
      await isMarked(rig, topic, again, undefined);
    });
  });
}

it('SUB-6, ERR-8 two nodes renew one subscription at once while an answer is outstanding: both count, and it is named until it has answered', async (t) => {
  const { nodes } = await Nodes.start(t, ['a', 'b']);
  const [a, b] = nodes as [Node, Node];
  const topic = await a.session();
  const viewer = await a.join(topic, 'Patient-open', { 'subscriber.name': 'Viewer' });
  assert.equal(await a.publish(topic, 'Patient-open', [patient('p1')], { id: 'one' }), 202);
  const state = async (node: Node) => (await node.hub.inspect(topic))?.state;
  const id = viewer.endpoint.split('/').at(-1) ?? '';
  const before = (await state(a))?.subscriptions.get(id)?.renewals ?? 0;
  const renewal = { 'hub.channel.endpoint': viewer.endpoint, 'subscriber.name': 'Viewer' };
  // Neither has heard of the other's.
  for (const node of nodes) node.holdNotices();
  await Promise.all([
    a.subscribe(topic, 'Patient-open,Patient-close', renewal),
    b.subscribe(topic, 'Patient-open,ImagingStudy-open', renewal),
  ]);
  a.clock.advance(1000);
  for (const node of nodes) node.hear();
  for (const node of nodes) {
    await eventually(`${node.name} knows of both`, async () => {
      return (await state(node))?.subscriptions.get(id)?.renewals === before + 2;
    });
    await isMarked(node, topic, viewer, 'waiting');
  }
  const [one, other] = [(await state(a))?.subscriptions.get(id), (await state(b))?.subscriptions.get(id)];
  assert.deepEqual(one?.events, other?.events);
  assert.ok(viewer.open);
  await follows(a, topic, viewer, 'at its node');
  for (const node of nodes) await isMarked(node, topic, viewer, undefined);
  assert.equal(await b.publish(topic, 'Patient-open', [patient('p2')], { id: 'two' }), 202);
  await eventually('the viewer is sent what is open', () => viewer.ids.includes('two'));
  viewer.answer(200, 'two');
  for (const node of nodes) await isMarked(node, topic, viewer, undefined);
});

for (const profile of [CORE, STU2, IRA]) {
  it(`SUB-6, ERR-8 who asks by a renewal to be told who follows is told at once (${profile.name})`, async (t) => {
    const [rig, topic] = await rigOf(t, profile);
    const viewer = await rig.join(topic, 'Patient-open', { 'subscriber.name': 'Viewer' });
    const writer = await rig.join(topic, 'Patient-open', { 'subscriber.name': 'Writer' });
    assert.equal(await rig.publish(topic, 'Patient-open', [patient('p1')], { id: 'one' }), 202);
    writer.answer(200, 'one');
    viewer.answer(409, 'one');
    await isMarked(rig, topic, viewer, 'refused');
    const form = { 'subscriber.name': 'Writer', 'hub.channel.endpoint': writer.endpoint };
    await rig.subscribe(topic, `Patient-open,${FOLLOWING_EVENT}`, form);
    const told = () => writer.events.filter(({ event }) => event['hub.event'] === FOLLOWING_EVENT);
    await writer.until(() => writer.confirmations.length === 2);
    await rig.settle(topic);
    const names = told()
      .at(-1)
      ?.event.context.map(({ subscriber }: { subscriber: string }) => subscriber);
    assert.ok(names?.includes('Viewer'), String(names));
  });
}
