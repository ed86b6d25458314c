/**
 * A Hub that stands still, for however long: a suspended machine, SIGSTOP, a snapshot. What its subscribers have done meanwhile is read
 * before anything is held against them, and who was connected stays so, or comes back (ERR-4, SUB-5, SUB-11).
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { eventually, FakeCallbacks, FakeCursors } from '../test/callbacks.ts';
import { patient } from '../test/events.ts';
import { Nodes } from '../test/nodes.ts';
import { access, good, type Peer, Rig } from '../test/rig.ts';

const LEASE = 30;
const GRACE = 60_000;
const ANSWER = 10_000;
const EVENTS = ['e1', 'e2', 'e3', 'e4'];
/** A pause, against a lease of 30 s, a grace of 60 s, and 10 s for an answer. */
const PAUSES: Readonly<Record<string, number>> = {
  'of a second': 1000,
  'of more than the answer time': 12_000,
  'of more than the lease': 40_000,
  'of more than lease and grace': 70_000,
  'of twelve hours': 12 * 3_600_000,
};
const WEBHOOK = {
  'hub.channel.type': 'webhook',
  'hub.callback': 'https://app.example/callback',
  'subscriber.name': 'Webhook',
  'hub.lease_seconds': '7200',
};
const STU2 = access({ clientId: 'stu2', switches: { fhircast: 'STU2' } });

/** A session with who is connected and answers late, a webhook, and somebody whose connection was lost just before. */
class Paused {
  readonly rig: Rig;
  readonly topic: string;
  readonly callbacks: FakeCallbacks;
  readonly watcher: Peer;
  readonly connected: readonly { readonly peer: Peer; readonly as: ReturnType<typeof access> }[];
  readonly away: Peer;
  #answerCallbacks = (): void => undefined;

  private constructor(parts: Pick<Paused, 'rig' | 'topic' | 'callbacks' | 'watcher' | 'connected' | 'away'>) {
    ({ rig: this.rig, topic: this.topic, callbacks: this.callbacks } = parts);
    ({ watcher: this.watcher, connected: this.connected, away: this.away } = parts);
  }

  static async open(t: TestContext): Promise<Paused> {
    const callbacks = new FakeCallbacks();
    const rig = await Rig.open(t, {
      graceMs: GRACE,
      answerMs: ANSWER,
      maxMisses: 1,
      acknowledgements: 'strict',
      webhooks: { callbacks, cursors: new FakeCursors() },
    });
    const topic = await rig.session();
    const lease = { 'hub.lease_seconds': String(LEASE) };
    const watcher = await rig.join(topic, 'SyncError', { 'subscriber.name': 'Watcher', 'hub.lease_seconds': '7200' });
    const connected = [];
    for (const as of [access(), STU2]) {
      const peer = await rig.join(topic, '*', { ...lease, 'subscriber.name': `Follower ${as.clientId}` }, as);
      connected.push({ peer, as });
    }
    const away = await rig.join(topic, 'Patient-open', { ...lease, 'subscriber.name': 'Away' });
    good(await rig.subscribe(topic, 'Patient-open', WEBHOOK));
    await eventually('the webhook is confirmed', async () => {
      return (await rig.hub.inspect(topic))?.state.subscriptions.size === 5;
    });
    assert.equal(await rig.publish(topic, 'Patient-open', [patient('e0')], { id: 'e0' }), 202);
    for (const peer of [away, ...connected.map((one) => one.peer)]) {
      await peer.until(() => peer.ids.includes('e0'));
      peer.answer(200, 'e0');
    }
    await eventually('the webhook has it', () => callbacks.ids.includes('e0'));
    away.connection?.closed(1001);
    await rig.settle(topic);
    return new Paused({ rig, topic, callbacks, watcher, connected, away });
  }

  async publish(id: string): Promise<void> {
    assert.equal(await this.rig.publish(this.topic, 'Patient-open', [patient(id)], { id }), 202);
  }

  /** Events are on their way when the Hub stops, and what answers them is read when it goes on. */
  async pause(ms: number): Promise<void> {
    const { rig, topic, callbacks } = this;
    const held = new Promise<void>((resolve) => {
      this.#answerCallbacks = resolve;
    });
    callbacks.answer = () => held.then(() => 200);
    for (const id of EVENTS) await this.publish(id);
    await eventually('the webhook is called', () => callbacks.ids.includes('e1'));
    for (const { peer } of this.connected) await peer.until(() => peer.ids.at(-1) === EVENTS.at(-1));
    rig.clock.advance(300);
    rig.clock.pause(ms);
    await rig.settle(topic);
  }

  /** What was in the sockets is read, and who was away comes back. */
  async goOn(): Promise<Peer> {
    const { rig, topic, callbacks } = this;
    for (const { peer } of this.connected) for (const id of EVENTS) peer.answer(200, id);
    callbacks.answer = () => 200;
    this.#answerCallbacks();
    const back = await rig.connect(this.away.endpoint, this.away.ids.at(-1));
    assert.ok(back, 'who was away may come back');
    assert.deepEqual(back.ids, EVENTS);
    for (const id of EVENTS) back.answer(200, id);
    await rig.settle(topic);
    return back;
  }

  /** A new lease for everybody. */
  async renew(back: Peer): Promise<void> {
    const { rig, topic, watcher } = this;
    const renewal = (peer: Peer) => ({ 'hub.channel.endpoint': peer.endpoint, 'hub.lease_seconds': '7200' });
    good(await rig.subscribe(topic, 'SyncError', renewal(watcher)));
    for (const { peer, as } of [...this.connected, { peer: back, as: access() }]) {
      good(await rig.subscribe(topic, 'Patient-open', renewal(peer), as));
    }
    good(await rig.subscribe(topic, 'Patient-open', WEBHOOK));
  }

  async everybodyFollows(back: Peer): Promise<void> {
    const { rig, topic, callbacks } = this;
    await this.publish('after');
    await eventually('the webhook has it', () => callbacks.ids.includes('after'));
    for (const { peer } of [...this.connected, { peer: back }]) {
      assert.equal(peer.denial, undefined);
      assert.equal(peer.closed, undefined);
      await peer.until(() => peer.ids.includes('after'));
      peer.answer(200, 'after');
    }
    await rig.settle(topic);
    await eventually('nobody is named as not following', async () => {
      return (await rig.hub.inspect(topic))?.state.following.size === 0;
    });
    await this.nobodyIsLost();
  }

  async nobodyIsLost(): Promise<void> {
    assert.deepEqual(this.watcher.syncErrors, []);
    assert.equal((await this.rig.hub.inspect(this.topic))?.state.subscriptions.size, 5);
    assert.deepEqual(this.callbacks.modes('denied'), []);
  }
}

describe('ERR-4, SUB-5, SUB-11 a pause of the Hub', () => {
  for (const [what, ms] of Object.entries(PAUSES)) {
    it(`${what} is held against nobody: not their answers, their leases, or their grace`, async (t) => {
      const paused = await Paused.open(t);
      await paused.pause(ms);
      const back = await paused.goOn();
      await paused.renew(back);
      await paused.everybodyFollows(back);
      paused.rig.clock.advance(120_000);
      await paused.rig.settle(paused.topic);
      await paused.nobodyIsLost();
    });
  }

  it('of more than the lease ends it a minute later where it was not renewed', async (t) => {
    const paused = await Paused.open(t);
    await paused.pause(40_000);
    const back = await paused.goOn();
    paused.rig.clock.advance(18_000);
    await paused.rig.settle(paused.topic);
    assert.equal(back.denial, undefined, 'it had 30 s left when the Hub stopped, and has had 18 of them');
    paused.rig.clock.advance(42_000);
    await back.until(() => back.denial !== undefined);
    assert.equal(back.denial?.['hub.reason'], 'The lease has ended');
  });
});

describe('ERR-4, SUB-11, WEB-3 a pause of one of two nodes', () => {
  for (const ms of [1000, 12_000, 70_000]) {
    it(`of ${ms / 1000} s is held against none of its subscribers, and no event is lost`, async (t) => {
      const callbacks = new FakeCallbacks();
      const all = await Nodes.start(t, ['stopped', 'other'], {
        answerMs: ANSWER,
        maxMisses: 1,
        acknowledgements: 'strict',
        webhooks: { callbacks, cursors: new FakeCursors() },
      });
      const [stopped, other] = [all.nodes[0]!, all.nodes[1]!];
      const topic = await stopped.session();
      const watcher = await other.join(topic, 'SyncError', { 'subscriber.name': 'Watcher' });
      const peers = [];
      for (const as of [access(), STU2]) {
        peers.push(await stopped.connect(await stopped.subscribe(topic, 'Patient-open', {}, as)));
      }
      await stopped.subscribe(topic, 'Patient-open', WEBHOOK);
      await eventually('the webhook is confirmed', async () => {
        return (await stopped.hub.inspect(topic))?.state.subscriptions.size === 4;
      });
      assert.equal(await stopped.publish(topic, 'Patient-open', [patient('p1')], { id: 'before' }), 202);
      for (const peer of peers) await peer.until(() => peer.ids.includes('before'));
      await callbacks.until(() => callbacks.ids.includes('before'));
      await all.pass(2000);

      await all.pass(ms, [other]);
      assert.equal(await other.publish(topic, 'Patient-open', [patient('p2')], { id: 'meanwhile' }), 202);
      stopped.clock.pause(ms);
      for (const peer of peers) {
        peer.answer(200, 'before');
        await peer.until(() => peer.ids.includes('meanwhile'));
        peer.answer(200, 'meanwhile');
      }
      await all.pass(130_000);
      assert.equal(await other.publish(topic, 'Patient-open', [patient('p3')], { id: 'after' }), 202);
      for (const peer of peers) {
        await peer.until(() => peer.ids.includes('after'));
        peer.answer(200, 'after');
        assert.deepEqual(peer.ids, ['before', 'meanwhile', 'after']);
        assert.deepEqual([peer.denial, peer.closed], [undefined, undefined]);
      }
      await callbacks.until(() => callbacks.ids.includes('after'));
      await all.pass(3000);
      assert.deepEqual(watcher.syncErrors, []);
      assert.deepEqual([...new Set(callbacks.ids)], ['before', 'meanwhile', 'after']);
    });
  }
});
