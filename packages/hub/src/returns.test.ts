/**
 * Whatever a subscriber was sent last before its connection broke, an event of the log or one that the Hub made for it: it returns
 * after that one, and is sent what has happened since, each event once and in order (SUB-11).
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { observation, patient, reference, report, updates } from '../test/events.ts';
import type { Peer } from '../test/rig.ts';
import { Rig } from '../test/rig.ts';

const DAY = 86_400_000;
const ALL = [
  ...['Patient', 'DiagnosticReport'].flatMap((type) => [`${type}-open`, `${type}-close`]),
  ...['DiagnosticReport-update', 'Home-open', 'HeartBeat', 'org.lockstep.following', 'org.example.x'],
].join();
const REPORT = 'DiagnosticReport/r1';

/** A session with a subscriber that has seen and answered what is open: a patient, and a report that is current. */
class Return {
  readonly rig: Rig;
  readonly topic: string;
  peer: Peer;

  private constructor(rig: Rig, topic: string, peer: Peer) {
    this.rig = rig;
    this.topic = topic;
    this.peer = peer;
  }

  static async open(t: TestContext, events = ALL, logCount = 1000): Promise<Return> {
    const rig = await Rig.open(t, { heartbeatMs: 5000, log: { count: logCount, ageMs: DAY } });
    const topic = await rig.session();
    const peer = await rig.join(topic, events, { 'subscriber.name': 'Viewer' });
    const one = new Return(rig, topic, peer);
    await one.publish('Patient-open', 'patient', [patient('p1')]);
    await one.publish('DiagnosticReport-open', 'report', [report('r1'), patient('p1')]);
    for (const id of ['patient', 'report']) peer.answer(200, id);
    await rig.settle(topic);
    return one;
  }

  async publish(event: string, id: string, context: readonly unknown[], more = {}): Promise<void> {
    assert.equal(await this.rig.publish(this.topic, event, context, { id, ...more }), 202, `${event} ${id}`);
  }

  async update(id: string): Promise<void> {
    const versionId = (await this.rig.hub.inspect(this.topic))?.state.anchors.get(REPORT)?.versionId;
    const resource = observation(id, 1);
    const entry = { request: { method: 'PUT', url: `Observation/${id}` }, resource };
    const context = [reference('report', REPORT), updates(entry)];
    await this.publish('DiagnosticReport-update', id, context, { 'context.versionId': versionId });
  }

  async drop(): Promise<void> {
    this.peer.connection?.closed(1006);
    await this.rig.settle(this.topic);
  }

  async comeBack(since = this.peer.ids.at(-1)): Promise<void> {
    const peer = await this.rig.connect(this.peer.endpoint, since);
    assert.ok(peer);
    this.peer = peer;
    await this.rig.settle(this.topic);
  }

  /** Ids of the log's events that it was sent since it came back. */
  get sent(): readonly string[] {
    return this.peer.ids.filter((id) => /^after-\d$/.test(id));
  }
}

/** What makes a subscriber's last event one that the Hub made for it. */
const LAST_SENT: Readonly<Record<string, (one: Return) => Promise<void>>> = {
  'a heartbeat': async ({ rig }) => rig.clock.advance(5000),
  'who does not follow': async ({ rig, topic }) => {
    const other = await rig.join(topic, 'Patient-open', { 'subscriber.name': 'Other' });
    other.answer(200, other.ids.at(-1));
    other.connection?.closed(1006);
    await rig.settle(topic);
  },
  'the current context, once more, since its answer was lost': async (one) => {
    await one.publish('DiagnosticReport-open', 'again', [report('r1'), patient('p1')]);
    await one.drop();
    await one.comeBack();
  },
  'that no context is current': async (one) => {
    await one.publish('DiagnosticReport-close', 'close', [report('r1'), patient('p1')]);
    await one.drop();
    await one.comeBack(undefined);
  },
  'what makes its screen right': async (one) => {
    await one.drop();
    await one.publish('Patient-close', 'closed', [patient('p1')]);
    await one.comeBack('never-published');
  },
  'what makes its screen right, where content was shared': async (one) => {
    await one.update('shared');
    await one.drop();
    await one.comeBack('never-published');
  },
};

/** Bytes beyond what is sent in one go. */
const MUCH = 'x'.repeat(300 * 1024);

describe('SUB-11 a subscriber returns after the last event that it was sent', () => {
  for (const [last, happens] of Object.entries(LAST_SENT)) {
    it(`SUB-11 ${last}`, async (t) => {
      const one = await Return.open(t);
      await happens(one);
      const id = one.peer.ids.at(-1) ?? '';
      const logged = (await one.rig.hub.log(one.topic)).map((entry) => entry.id);
      assert.ok(!logged.includes(id), `${id} is the Hub's own`);
      await one.drop();
      for (const n of [1, 2, 3]) await one.publish('Patient-open', `after-${n}`, [patient(`a${n}`)]);
      await one.comeBack(id);
      assert.deepEqual(one.sent, ['after-1', 'after-2', 'after-3']);
      await one.publish('Patient-open', 'after-4', [patient('a4')]);
      assert.deepEqual(one.sent, ['after-1', 'after-2', 'after-3', 'after-4']);
      assert.ok(!one.peer.ids.some((sent) => ['patient', 'report'].includes(sent)), 'nothing that it has seen');
    });
  }

  it('SUB-11 the current context, sent before much that was missed', async (t) => {
    const one = await Return.open(t);
    await one.drop();
    const much = { key: 'patient', resource: { resourceType: 'Patient', id: 'm', name: [{ text: MUCH }] } };
    for (const n of [1, 2, 3]) await one.publish('Patient-open', `after-${n}`, [much]);
    await one.comeBack('report');
    const [first = ''] = one.peer.ids;
    assert.notEqual(first, 'after-1');
    // The connection breaks before any more has arrived.
    await one.drop();
    await one.comeBack(first);
    await one.peer.until(() => one.sent.length >= 3);
    assert.deepEqual(one.sent, ['after-1', 'after-2', 'after-3']);
  });

  it('SUB-11 a part of what makes its screen right: it is sent all of it, once more', async (t) => {
    const one = await Return.open(t);
    await one.drop();
    await one.publish('Patient-close', 'closed', [patient('p1')]);
    await one.comeBack('never-published');
    const names = one.peer.events.map(({ event }) => event['hub.event']);
    assert.deepEqual(names.slice(0, 2), ['Patient-close', 'DiagnosticReport-open']);
    const [part = ''] = one.peer.ids;
    await one.drop();
    await one.comeBack(part);
    assert.deepEqual(one.peer.events.map(({ event }) => event['hub.event']).slice(0, 2), names.slice(0, 2));
  });

  it('SUB-11 an event after one that the log has dropped: its screen is made right', async (t) => {
    const one = await Return.open(t, ALL, 2);
    one.rig.clock.advance(5000);
    const id = one.peer.ids.at(-1) ?? '';
    await one.drop();
    for (let n = 0; n < 8; n++) await one.publish('org.example.x', `x${n}`, []);
    await one.publish('DiagnosticReport-close', 'close', [report('r1'), patient('p1')]);
    await one.comeBack(id);
    const names = one.peer.events.map(({ event }) => event['hub.event']);
    assert.deepEqual(names.slice(0, 3), ['DiagnosticReport-close', 'Patient-open', 'Home-open']);
  });

  it('ERR-8, CON-2 who is asked once more for its answer is told versions in their order', async (t) => {
    const one = await Return.open(t);
    await one.publish('DiagnosticReport-open', 'again', [report('r1'), patient('p1')]);
    await one.drop();
    for (const n of [1, 2, 3]) await one.update(`after-${n}`);
    await one.comeBack('again');
    const told = one.peer.events.filter(({ event }) => /^DiagnosticReport-/.test(event['hub.event']));
    assert.deepEqual(told.map(({ id }) => id).slice(0, 3), ['after-1', 'after-2', 'after-3']);
    const question = told.at(-1);
    assert.equal(question?.event['hub.event'], 'DiagnosticReport-open');
    assert.equal(question?.event['context.versionId'], told.at(-2)?.event['context.versionId']);
    one.peer.answer(200, question?.id);
    await one.rig.settle(one.topic);
    assert.deepEqual((await one.rig.hub.sessions())[0]?.notFollowing, []);
  });
});
