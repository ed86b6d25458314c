/**
 * Whoever is connected by a socket or called as a webhook, whichever kind of gap lies in what it was sent, and whatever it has missed or
 * has been sent in vain: afterwards it shows what the Hub has, or was told to start afresh (SUB-11). So does who speaks STU2, and who
 * knows patients and studies only: of those.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { StoreUnavailable } from '@lockstep/store';
import { RedisProcess } from '@lockstep/store-redis/testing';
import { eventually, FakeCallbacks, FakeCursors } from '../test/callbacks.ts';
import {
  encounter,
  observation,
  parameters,
  patient,
  reference,
  remove,
  report,
  study,
  updates,
} from '../test/events.ts';
import { type Node, Nodes } from '../test/nodes.ts';
import { access, type Peer } from '../test/rig.ts';
import { Screen } from '../test/screen.ts';
import { contextOf, type SessionState } from './rules/session-state.ts';

const REPORT = 'DiagnosticReport/r1';
/** Entries that a log keeps where it is to roll over. */
const SHORT_LOG = 5;
/** Others that are told from it by what of a gap they still hold. */
const SHORT_LOGS = [1, SHORT_LOG, 8];

type Change = (node: Node, topic: string) => Promise<void>;

async function accepted(node: Node, topic: string, event: string, context: readonly unknown[]): Promise<void> {
  const versionId = (await node.hub.inspect(topic))?.state.anchors.get(REPORT)?.versionId;
  const more = event.endsWith('-update') ? { 'context.versionId': versionId } : {};
  assert.equal(await node.publish(topic, event, context, more), 202, event);
}

function changed(entry: Record<string, unknown>): Change {
  return (node, topic) =>
    accepted(node, topic, 'DiagnosticReport-update', [reference('report', REPORT), updates(entry)]);
}

function shared(id: string, value: number): Change {
  return changed({ request: { method: 'PUT', url: `Observation/${id}` }, resource: observation(id, value) });
}

const opened: Change = (node, topic) => accepted(node, topic, 'DiagnosticReport-open', [report('r1'), patient('p1')]);
const closed: Change = (node, topic) => accepted(node, topic, 'DiagnosticReport-close', [report('r1'), patient('p1')]);

const encountered =
  (id: string): Change =>
  (node, topic) =>
    accepted(node, topic, 'Encounter-open', [encounter(id), patient('p1')]);
const left =
  (id: string): Change =>
  (node, topic) =>
    accepted(node, topic, 'Encounter-close', [encounter(id), patient('p1')]);
const looked =
  (id: string): Change =>
  (node, topic) =>
    accepted(node, topic, 'ImagingStudy-open', [study(id), patient('p1')]);
const putAway =
  (id: string): Change =>
  (node, topic) =>
    accepted(node, topic, 'ImagingStudy-close', [study(id), patient('p1')]);

/** What everybody was sent before. */
const SEEN: readonly Change[] = [
  (node, topic) => accepted(node, topic, 'Patient-open', [patient('p1')]),
  encountered('n1'),
  looked('s1'),
  opened,
  shared('o1', 1),
  shared('o2', 2),
];

/** What happens in the gap. */
const MISSED: Readonly<Record<string, readonly Change[]>> = {
  'a close': [closed],
  'a close of what is not current': [(node, topic) => accepted(node, topic, 'Patient-close', [patient('p1')])],
  'a close and an open of the same': [closed, opened],
  'an open of another': [(node, topic) => accepted(node, topic, 'Patient-open', [patient('p2')])],
  'a change of content': [shared('o1', 3)],
  'new content': [shared('o3', 3)],
  'deleted content': [changed(remove('Observation/o2'))],
  'content deleted and shared again': [changed(remove('Observation/o2')), shared('o2', 5)],
  'closes in the order of the opens': [
    (node, topic) => accepted(node, topic, 'Patient-close', [patient('p1')]),
    left('n1'),
    putAway('s1'),
    closed,
  ],
  'a close of the encounter and an open of another': [left('n1'), encountered('n2')],
  'a study that was opened again, then closed': [looked('s1'), putAway('s1')],
  'another study, and a change of content after it': [looked('s2'), shared('o4', 4)],
  home: [(node, topic) => accepted(node, topic, 'Home-open', [])],
  'a logout': [(node, topic) => accepted(node, topic, 'UserLogout', [parameters])],
};

/** How a subscriber speaks, and what it subscribed to. */
interface Speaker {
  readonly version: '3.0.0' | 'STU2';
  readonly events: string;
  /** The types of the events; without them, all. */
  readonly types?: readonly string[];
}

const FEW = ['Patient', 'ImagingStudy'];
const SPEAKERS: readonly Speaker[] = [
  { version: '3.0.0', events: '*' },
  { version: 'STU2', events: '*' },
  {
    version: 'STU2',
    events: [...FEW.flatMap((type) => [`${type}-open`, `${type}-close`]), 'Home-open', 'UserLogout'].join(),
    types: FEW,
  },
];

function accessOf({ version }: Speaker): ReturnType<typeof access> {
  return version === 'STU2' ? access({ clientId: 'stu2', switches: { fhircast: version } }) : access();
}

/** A subscriber, however it is reached. */
interface Follower {
  readonly topic: string;
  readonly missed: string;
  readonly speaker: Speaker;
  /** What it was sent, in order. */
  sent(): readonly string[];
  wasDenied(): boolean;
}

function shows(sent: readonly string[], { anchors, current }: SessionState, { types }: Speaker): boolean {
  const screen = new Screen();
  for (const text of sent) screen.take(text);
  if (types) {
    const ofTypes = (names: readonly string[]): Set<string> =>
      new Set(names.filter((name) => types.includes(name.split('/')[0] ?? '')));
    const known = ofTypes([...anchors.keys()]);
    // An open that it is not told of comes as opens of what that is about (DER).
    const about = [...anchors.values()].flatMap(({ opening }) => contextOf(opening).map(({ resource }) => resource));
    const derived = ofTypes(about.map((resource) => `${resource?.resourceType}/${resource?.id}`));
    const shown = new Set(screen.open.keys());
    const isCurrent = current === undefined || !known.has(current) || screen.current === current;
    return isCurrent && known.isSubsetOf(shown) && shown.isSubsetOf(known.union(derived));
  }
  const content = [...anchors].map(
    ([name, anchor]) =>
      [name, new Map([...anchor.content].map(([url, { resource }]) => [url, JSON.parse(resource)]))] as const,
  );
  return screen.current === current && isDeepStrictEqual(screen.open, new Map(content));
}

class Subscribed implements Follower {
  readonly topic: string;
  readonly missed: string;
  readonly speaker: Speaker;
  readonly peers: Peer[];

  constructor(topic: string, missed: string, speaker: Speaker, peer: Peer) {
    this.topic = topic;
    this.missed = missed;
    this.speaker = speaker;
    this.peers = [peer];
  }

  sent(): readonly string[] {
    return this.peers.flatMap((peer) => peer.events.map((event) => JSON.stringify(event)));
  }

  wasDenied(): boolean {
    return this.peers.some((peer) => peer.denial);
  }
}

class Called implements Follower {
  readonly topic: string;
  readonly missed: string;
  readonly speaker: Speaker;
  readonly url: string;
  readonly #callbacks: FakeCallbacks;

  constructor(topic: string, missed: string, speaker: Speaker, callbacks: FakeCallbacks) {
    this.topic = topic;
    this.missed = missed;
    this.speaker = speaker;
    this.url = `https://app.example/${crypto.randomUUID()}`;
    this.#callbacks = callbacks;
  }

  #is = ({ url }: { url: URL }): boolean => `${url.origin}${url.pathname}` === this.url;

  sent(): readonly string[] {
    return this.#callbacks.posts.filter(this.#is).map(({ text }) => text);
  }

  wasDenied(): boolean {
    return this.#callbacks.modes('denied').some(this.#is);
  }
}

class Gap {
  readonly node: Node;
  readonly all: Nodes;
  /** A session for everything that may be missed. */
  readonly topics = new Map<string, string>();
  readonly sockets: Subscribed[] = [];
  readonly webhooks: Called[] = [];
  readonly callbacks: FakeCallbacks;
  #release: (() => void) | undefined;

  private constructor(all: Nodes, callbacks: FakeCallbacks) {
    this.all = all;
    this.node = all.nodes[0]!;
    this.callbacks = callbacks;
  }

  /** A session, with sockets and webhooks, for everything that may be missed; all were sent what was there before. */
  static async open(t: TestContext, log?: number): Promise<Gap> {
    const callbacks = new FakeCallbacks();
    const webhooks = { callbacks, cursors: new FakeCursors() };
    const all = await Nodes.start(t, ['a'], { webhooks, ...(log && { logCount: log }) }, { appendonly: 'no' });
    const gap = new Gap(all, callbacks);
    const { node } = gap;
    for (const missed of Object.keys(MISSED)) {
      const topic = await node.session();
      gap.topics.set(missed, topic);
      for (const speaker of SPEAKERS) {
        const as = accessOf(speaker);
        const peer = await node.connect(await node.subscribe(topic, speaker.events, {}, as));
        gap.sockets.push(new Subscribed(topic, missed, speaker, peer));
        const called = new Called(topic, missed, speaker, callbacks);
        gap.webhooks.push(called);
        const webhook = { 'hub.channel.type': 'webhook', 'hub.callback': called.url, 'subscriber.name': 'webhook' };
        await node.subscribe(topic, speaker.events, webhook, as);
      }
      await eventually('all are confirmed', async () => {
        return (await node.hub.inspect(topic))?.state.subscriptions.size === 2 * SPEAKERS.length;
      });
      for (const change of SEEN) await change(node, topic);
    }
    await gap.eachShowsWhatIs();
    return gap;
  }

  get followers(): readonly Follower[] {
    return [...this.sockets, ...this.webhooks];
  }

  async happens(): Promise<void> {
    for (const [missed, topic] of this.topics) {
      for (const change of MISSED[missed] ?? []) await change(this.node, topic);
    }
  }

  /** Webhooks do not answer until they are let go on. */
  hold(): void {
    const { callbacks } = this;
    const held = new Promise<void>((resolve) => {
      this.#release = resolve;
    });
    callbacks.answer = () => held.then(() => 200);
  }

  goOn(): void {
    this.callbacks.answer = () => 200;
    this.#release?.();
  }

  /** @param mayDeny what it was, of which nobody knows what is shown */
  async eachShowsWhatIs(mayDeny: readonly string[] = []): Promise<void> {
    for (const follower of this.followers) {
      const { topic, missed, speaker } = follower;
      const how = `${follower instanceof Called ? 'webhook' : 'socket'} of ${speaker.version} for ${speaker.events}`;
      await eventually(`${how}, ${missed}: it shows what the Hub has`, async () => {
        if (mayDeny.includes(missed) && follower.wasDenied()) return true;
        const state = await this.#stateOf(topic);
        return state !== undefined && shows(follower.sent(), state, speaker);
      });
      if (!mayDeny.includes(missed)) assert.equal(follower.wasDenied(), false, `${how}, ${missed}: not denied`);
    }
  }

  /** @returns undefined while one of the node's connections is not back yet */
  async #stateOf(topic: string): Promise<SessionState | undefined> {
    try {
      return (await this.node.hub.inspect(topic))?.state;
    } catch (error) {
      if (error instanceof StoreUnavailable) return undefined;
      throw error;
    }
  }

  async eachIsDenied(): Promise<void> {
    for (const follower of this.followers) {
      const how = follower instanceof Called ? 'webhook' : 'socket';
      await eventually(`${how}, ${follower.missed}: it is denied`, () => follower.wasDenied());
    }
  }

  dropSockets(): void {
    for (const { peers } of this.sockets) peers.at(-1)?.connection?.closed(1006);
  }

  async returnSockets(since: (peer: Peer) => string | undefined): Promise<void> {
    for (const { peers } of this.sockets) {
      const [peer] = peers;
      assert.ok(peer);
      peers.push(await this.node.connect(peer.endpoint, since(peer)));
    }
  }

  /** Other events, until the log holds nothing of what was missed. */
  async rollOver(size: number): Promise<void> {
    for (const topic of this.topics.values()) {
      for (let n = 0; n < 3 * size; n++) await accepted(this.node, topic, 'org.example.other', []);
    }
  }

  /** The store comes back without what it had lost, and the node notices. */
  async noticed(): Promise<void> {
    await this.all.whenBack();
    this.node.clock.advance(2000);
  }
}

describe('SUB-11 a gap is said, whatever was missed and however the subscriber is reached', () => {
  for (const size of SHORT_LOGS) {
    it(`SUB-11 a log of ${size} that has rolled over`, async (t) => {
      const gap = await Gap.open(t, size);
      gap.dropSockets();
      gap.hold();
      await gap.happens();
      await gap.rollOver(size);
      await gap.returnSockets((peer) => peer.ids.at(-1));
      gap.goOn();
      await gap.eachShowsWhatIs(['a logout']);
    });
  }

  it('SUB-11 a log that has rolled over, for who does not say what it has seen', async (t) => {
    const gap = await Gap.open(t, SHORT_LOG);
    gap.dropSockets();
    // Without `?since=` shared content is what the current context says (SUB-8, CON-5).
    const missed = gap.sockets.filter(({ missed }) => !/change of content|new content|shared again/.test(missed));
    gap.sockets.splice(0, gap.sockets.length, ...missed);
    await gap.happens();
    await gap.rollOver(SHORT_LOG);
    await gap.returnSockets(() => undefined);
    gap.webhooks.splice(0);
    await gap.eachShowsWhatIs(['a logout']);
  });

  it('SUB-11 an unknown id', async (t) => {
    const gap = await Gap.open(t);
    gap.dropSockets();
    await gap.happens();
    await gap.returnSockets(() => 'never-published');
    await gap.eachShowsWhatIs(['a logout']);
  });

  it('SUB-11 a store that came back from a copy', async (t) => {
    const gap = await Gap.open(t);
    await gap.all.server.command('SAVE');
    await gap.happens();
    await gap.eachShowsWhatIs();
    await gap.all.server.kill();
    await gap.all.server.restart();
    await gap.noticed();
    await gap.eachShowsWhatIs();
  });

  it('SUB-11 a store that came back from a copy while webhooks were being tried again', async (t) => {
    const gap = await Gap.open(t);
    await gap.all.server.command('SAVE');
    gap.callbacks.answer = () => 503;
    await gap.happens();
    await gap.all.server.kill();
    await gap.all.server.restart();
    await gap.noticed();
    gap.callbacks.answer = () => 200;
    for (let second = 0; second < 120; second++) {
      gap.node.clock.advance(1000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await gap.eachShowsWhatIs();
  });

  it('SUB-11 a replica without the newest entries that has taken over', async (t) => {
    const gap = await Gap.open(t);
    const { server } = gap.all;
    const replica = await RedisProcess.start({ appendonly: 'no', replicaof: `127.0.0.1 ${server.port}` });
    t.after(() => replica.remove());
    await eventually('it has everything', async () =>
      (await replica.command('INFO', 'replication')).includes('master_link_status:up'),
    );
    await replica.command('REPLICAOF', 'NO', 'ONE');
    await gap.happens();
    await gap.eachShowsWhatIs();
    await replica.command('SAVE');
    await replica.kill();
    await server.kill();
    await server.restart({ dir: replica.folder });
    await gap.noticed();
    await gap.eachShowsWhatIs();
  });

  it('SUB-11 a store that has lost everything', async (t) => {
    const gap = await Gap.open(t);
    await gap.happens();
    await gap.all.server.command('FLUSHALL');
    await gap.all.server.command('CLIENT', 'KILL', 'TYPE', 'normal');
    await gap.all.server.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await gap.noticed();
    await gap.eachIsDenied();
  });
});
