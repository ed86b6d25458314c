/**
 * An application loses its connection and is started again before its old subscription has ended: by whatever door, over a restart of the
 * Hub, at another node. All that tells who follows agrees (ERR-8).
 */
import assert from 'node:assert/strict';
import { it, type TestContext } from 'node:test';
import { FOLLOWING_EVENT } from '@lockstep/fhircast';
import { eventually, FakeCallbacks, FakeCursors } from '../test/callbacks.ts';
import { access, patient } from '../test/events.ts';
import { Nodes } from '../test/nodes.ts';
import { good, type Peer, Rig } from '../test/rig.ts';
import type { Hub } from './hub.ts';

const GRACE = 5000;
const NAME = { 'subscriber.name': 'Viewer' };
const WATCHER = { 'subscriber.name': 'Watcher' };
const STU2 = access({ switches: { fhircast: 'STU2' } });

/** Who does not follow, as the list of sessions and our event tell it. */
async function told(hub: Hub, watcher: Peer | undefined): Promise<readonly (readonly string[])[]> {
  const listed = (await hub.sessions())[0]?.notFollowing.map(({ name, why }) => `${name} ${why}`) ?? ['no session'];
  const events = watcher?.events.filter(({ event }) => event['hub.event'] === FOLLOWING_EVENT) ?? [];
  return [listed, events.at(-1)?.event.context.map((one: Record<string, string>) => `${one.subscriber} ${one.why}`)];
}

async function both(what: string, hub: Hub, watcher: Peer | undefined, names: readonly string[]): Promise<void> {
  await eventually(`${what}: ${names}; ${JSON.stringify(await told(hub, watcher))}`, async () =>
    (await told(hub, watcher)).every((one) => `${one}` === `${names}`),
  );
}

/** Answers an event, once that was sent. */
function follow(peer: Peer | undefined, event: string): Promise<void> | undefined {
  return peer?.until(() => peer.asked.some(({ id }) => id === event)).then(() => peer.answer(200, event));
}

type Restarts = 'never' | 'before it is started again' | 'before the old one ends';

async function startedAgain(t: TestContext, code: number, by: string, restarts: Restarts): Promise<void> {
  const what = `${code}, ${by}, the Hub restarts ${restarts}`;
  const callbacks = new FakeCallbacks();
  const rig = await Rig.open(t, { graceMs: GRACE, webhooks: { callbacks, cursors: new FakeCursors() } });
  const topic = await rig.session();
  let watcher: Peer | undefined = await rig.join(topic, `Patient-open,${FOLLOWING_EVENT}`, WATCHER);
  const as = by === 'STU2' ? STU2 : access();
  const old = await rig.join(topic, 'Patient-open', NAME, as);
  await rig.publish(topic, 'Patient-open', [patient('p1')], { id: 'e1' });
  await follow(watcher, 'e1');
  await follow(old, 'e1');
  await both(`${what}: all follow`, rig.hub, watcher, []);
  old.connection?.closed(code);
  await both(`${what}: it is lost`, rig.hub, watcher, ['Viewer lost']);
  const restart = async (): Promise<void> => {
    await rig.crash();
    watcher = await rig.connect(watcher?.endpoint ?? '');
    await follow(watcher, 'e1');
  };
  if (restarts === 'before it is started again') await restart();
  let next: Peer | undefined;
  if (by === 'webhook') {
    const form = { ...NAME, 'hub.channel.type': 'webhook', 'hub.callback': 'https://app.example/cb' };
    good(await rig.subscribe(topic, 'Patient-open', form, as));
    await callbacks.until(() => callbacks.ids.includes('e1'));
  } else {
    next = await rig.join(topic, 'Patient-open', NAME, as);
    await follow(next, 'e1');
  }
  await both(`${what}: the old one may come back`, rig.hub, watcher, ['Viewer lost']);
  if (restarts === 'before the old one ends') {
    await restart();
    if (next) next = await rig.connect(next.endpoint);
    if (next) await follow(next, 'e1');
  }
  rig.clock.advance(GRACE);
  await both(`${what}: the old one has ended`, rig.hub, watcher, []);
  assert.equal(await rig.connect(old.endpoint, 'e1'), undefined, 'it cannot come back');
}

for (const by of ['WebSocket', 'STU2', 'webhook']) {
  it(`ERR-8 lost and started again by ${by} before the old subscription ends: named until then, and no longer`, async (t) => {
    await startedAgain(t, 1006, by, 'never');
    await startedAgain(t, 4001, by, 'before it is started again');
    await startedAgain(t, 1006, by, 'before the old one ends');
  });
}

it('ERR-8 lost at one node and started again at another: named until the old subscription ends, and no longer', async (t) => {
  const all = await Nodes.start(t, ['a', 'b'], { graceMs: GRACE });
  const [a, b] = [all.nodes[0]!, all.nodes[1]!];
  const topic = await a.session();
  const watcher = await b.join(topic, `Patient-open,${FOLLOWING_EVENT}`, WATCHER);
  await all.pass(3000);
  let old = await a.join(topic, 'Patient-open', NAME);
  await a.publish(topic, 'Patient-open', [patient('p1')], { id: 'e1' });
  await follow(watcher, 'e1');
  await follow(old, 'e1');
  await both('all follow', b.hub, watcher, []);
  old.connection?.closed(1006);
  await both('it is lost', b.hub, watcher, ['Viewer lost']);
  const second = await b.join(topic, 'Patient-open', NAME);
  await follow(second, 'e1');
  await both('the old one may come back', b.hub, watcher, ['Viewer lost']);
  await all.pass(GRACE + 1000);
  await both('the old one has ended', b.hub, watcher, []);
  second.connection?.closed(1006);
  old = await a.join(topic, 'Patient-open', NAME);
  await follow(old, 'e1');
  await both('once more, at the first node', b.hub, watcher, ['Viewer lost']);
  await all.pass(GRACE + 1000);
  await both('and once more it has ended', b.hub, watcher, []);
  await a.crash();
  await all.pass(4000, [b]);
  await both('the node is gone, and its subscriber lost', b.hub, watcher, ['Viewer lost']);
  const third = await b.join(topic, 'Patient-open', NAME);
  await follow(third, 'e1');
  await both('the one at the lost node may come back', b.hub, watcher, ['Viewer lost']);
  await all.pass(GRACE + 1000, [b]);
  await both('the one at the lost node has ended', b.hub, watcher, []);
});

type Fate = (old: Peer | undefined, pass: (ms: number) => unknown) => void;

/** What becomes of a connection that the Hub still takes for working, once its application was started again; who is named at the end. */
const HALF_OPEN: Readonly<Record<string, readonly [fate: Fate, named: readonly string[]]>> = {
  'answers no ping': [(old) => old?.connection?.closed(1006, true), []],
  'is found broken later': [(old, pass) => [pass(1000), old?.connection?.closed(1006)], []],
  'breaks as the other starts, and may have worked until then': [
    (old) => old?.connection?.closed(1006),
    ['Viewer lost'],
  ],
  'answers a ping, and is lost later': [
    (old, pass) => [old?.connection?.heard(), pass(1000), old?.connection?.closed(1006, true)],
    ['Viewer lost'],
  ],
  'answers an event, and is lost later': [
    (old, pass) => [old?.answer(200, 'e1'), pass(1000), old?.connection?.closed(1006, true)],
    ['Viewer lost'],
  ],
  'closes with a code of its own': [(old, pass) => [pass(1000), old?.connection?.closed(4001)], ['Viewer lost']],
};

for (const [fate, [end, named]] of Object.entries(HALF_OPEN)) {
  for (const moves of [false, true]) {
    const context = moves ? 'another patient is opened' : 'the patient stays open';
    it(`ERR-8 started again while its old connection seems to work, which ${fate}, and ${context}`, async (t) => {
      const rig = await Rig.open(t, { graceMs: GRACE });
      const topic = await rig.session();
      const watcher = await rig.join(topic, `Patient-open,${FOLLOWING_EVENT}`, WATCHER);
      const old = await rig.join(topic, 'Patient-open', NAME);
      await rig.publish(topic, 'Patient-open', [patient('p1')], { id: 'e1' });
      const next = async (): Promise<Peer> => {
        const peer = await rig.join(topic, 'Patient-open', NAME);
        await follow(peer, 'e1');
        return peer;
      };
      for (const peer of [watcher, old]) await follow(peer, 'e1');
      const other = await rig.join(topic, 'Patient-open', { 'subscriber.name': 'Another' });
      await follow(other, 'e1');
      const second = await next();
      await both('both follow', rig.hub, watcher, []);
      if (moves) {
        await rig.publish(topic, 'Patient-open', [patient('p2')], { id: 'e2' });
        for (const peer of [watcher, second, other]) await follow(peer, 'e2');
        await rig.settle(topic);
      }
      end(old, (ms) => rig.clock.advance(ms));
      await both('it is lost', rig.hub, watcher, ['Viewer lost']);
      rig.clock.advance(GRACE);
      await both('the old one has ended', rig.hub, watcher, named);
    });
  }
}

it('ERR-8 started again while its old connection seems to work, which is denied after silence', async (t) => {
  const rig = await Rig.open(t, { graceMs: GRACE, acknowledgements: 'strict' });
  const topic = await rig.session();
  const watcher = await rig.join(topic, `Patient-open,${FOLLOWING_EVENT}`, WATCHER);
  const old = await rig.join(topic, 'Patient-open', NAME);
  const next = await rig.join(topic, 'Patient-open', NAME);
  for (const id of ['e1', 'e2', 'e3']) {
    await rig.publish(topic, 'Patient-open', [patient(id)], { id });
    for (const peer of [watcher, next]) await follow(peer, id);
    rig.clock.advance(10_000);
    await both(`${id} is not answered`, rig.hub, watcher, ['Viewer silent']);
  }
  // Its network may be cut, and it may show the patient still.
  rig.clock.advance(GRACE - 1000);
  await both('its grace time is not over', rig.hub, watcher, ['Viewer silent']);
  rig.clock.advance(1000);
  await both('its grace time is over', rig.hub, watcher, []);
  assert.match(old.denial?.['hub.reason'], /not answered/);
});

it('ERR-8 started again at another node while its old connection seems to work: named until that has ended', async (t) => {
  const all = await Nodes.start(t, ['a', 'b'], { graceMs: GRACE });
  const [a, b] = [all.nodes[0]!, all.nodes[1]!];
  const topic = await a.session();
  const watcher = await b.join(topic, `Patient-open,${FOLLOWING_EVENT}`, WATCHER);
  await all.pass(3000);
  for (const answersPing of [false, true]) {
    const id = `e${answersPing}`;
    const old = await a.join(topic, 'Patient-open', NAME);
    let pings = 0;
    old.probe = () => {
      pings += 1;
    };
    await a.publish(topic, 'Patient-open', [patient(id)], { id });
    await follow(watcher, id);
    await follow(old, id);
    const next = await b.join(topic, 'Patient-open', NAME);
    await follow(next, id);
    await eventually('the old one is asked for a sign of life', () => pings === 1);
    if (answersPing) old.connection?.heard();
    old.connection?.closed(1006, true);
    await both('it is lost', b.hub, watcher, ['Viewer lost']);
    await all.pass(GRACE + 1000);
    await both('the old one has ended', b.hub, watcher, answersPing ? ['Viewer lost'] : []);
    next.connection?.closed(1000);
  }
});
