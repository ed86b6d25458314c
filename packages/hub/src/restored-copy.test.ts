/**
 * Redis comes back with an older copy of its data under nodes that go on: what was accepted after the copy is gone. Whatever it was,
 * whoever was sent it by whichever node, and whenever the copy came: afterwards every subscriber shows what the Hub has (SUB-11), also
 * once publishers try again what they had no answer to (PUB-7), and nothing is answered 202 that is not in the log (PUB-4).
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { StoreUnavailable } from '@lockstep/store';
import { eventually, FakeCallbacks, FakeCursors } from '../test/callbacks.ts';
import { observation, parameters, patient, reference, report, updates } from '../test/events.ts';
import { type Node, Nodes } from '../test/nodes.ts';
import type { Peer } from '../test/rig.ts';
import { Screen } from '../test/screen.ts';
import type { SessionState } from './rules/session-state.ts';

const REPORT = 'DiagnosticReport/r1';
const REPORT_CONTEXT = [report('r1'), patient('p1')];

interface Published {
  readonly event: string;
  readonly context: readonly unknown[];
}

function shared(value: number): Published {
  const entry = { request: { method: 'PUT', url: 'Observation/o1' }, resource: observation('o1', value) };
  return { event: 'DiagnosticReport-update', context: [reference('report', REPORT), updates(entry)] };
}

/** What the copy has. */
const COPIED: readonly Published[] = [
  { event: 'Patient-open', context: [patient('p1')] },
  { event: 'DiagnosticReport-open', context: REPORT_CONTEXT },
  shared(1),
];

/** What was accepted after the copy. */
const LOST: Readonly<Record<string, readonly Published[]>> = {
  'an open': [{ event: 'Patient-open', context: [patient('p2')] }],
  'a close': [{ event: 'DiagnosticReport-close', context: REPORT_CONTEXT }],
  'a close of what is not current': [{ event: 'Patient-close', context: [patient('p1')] }],
  'an update': [shared(2)],
  home: [{ event: 'Home-open', context: [] }],
  'a logout': [{ event: 'UserLogout', context: [parameters] }],
  'an open and its close': [
    { event: 'Patient-open', context: [patient('p2')] },
    { event: 'Patient-close', context: [patient('p2')] },
  ],
  'updates, and another open': [shared(2), shared(3), { event: 'Patient-open', context: [patient('p2')] }],
};

/** A published event that may be tried again. */
interface Attempt extends Published {
  readonly id: string;
  readonly versionId: string | undefined;
}

interface Session {
  readonly topic: string;
  readonly lost: string;
  readonly attempts: Attempt[];
}

/** A subscriber, however it is reached. */
interface Follower {
  readonly how: string;
  readonly session: Session;
  sent(): readonly string[];
}

class Restored {
  readonly all: Nodes;
  readonly callbacks: FakeCallbacks;
  readonly sessions: Session[] = [];
  readonly followers: Follower[] = [];
  /** Those of each socket, in the order of its connections. */
  readonly sockets: Peer[][] = [];
  readonly #cursors: FakeCursors;
  #copiedCursors = new Map<string, number>();
  /** How much each had been sent when the copy came back. */
  readonly #before = new Map<Follower, number>();

  private constructor(all: Nodes, callbacks: FakeCallbacks, cursors: FakeCursors) {
    this.all = all;
    this.callbacks = callbacks;
    this.#cursors = cursors;
  }

  /** A session for everything that may be lost, each followed by a socket and a webhook at every node. */
  static async open(t: TestContext, names: readonly string[]): Promise<Restored> {
    const callbacks = new FakeCallbacks();
    const cursors = new FakeCursors();
    // Time passes fast while Redis comes back, and whoever is away may return all the same.
    const options = { graceMs: 3_600_000, webhooks: { callbacks, cursors } };
    const all = await Nodes.start(t, names, options, { appendonly: 'no' });
    const restored = new Restored(all, callbacks, cursors);
    await Promise.all(Object.keys(LOST).map((lost) => restored.#begin(lost)));
    await restored.#eachShowsWhatIs('before');
    return restored;
  }

  get first(): Node {
    return this.all.nodes[0]!;
  }

  /** Another one, where there are several. */
  get last(): Node {
    return this.all.nodes.at(-1)!;
  }

  async #begin(lost: string): Promise<void> {
    const topic = await this.first.session();
    const session = { topic, lost, attempts: [] };
    this.sessions.push(session);
    for (const node of this.all.nodes) {
      const peers = [await node.join(topic)];
      this.sockets.push(peers);
      this.followers.push({
        how: `socket at ${node.name}`,
        session,
        sent: () => peers.flatMap(({ events }) => events.map((event) => JSON.stringify(event))),
      });
      const url = `https://app.example/${crypto.randomUUID()}`;
      const webhook = { 'hub.channel.type': 'webhook', 'hub.callback': url };
      await node.subscribe(topic, '*', { ...webhook, 'subscriber.name': `webhook of ${node.name}` });
      const isCalled = (called: URL): boolean => `${called.origin}${called.pathname}` === url;
      this.followers.push({
        how: `webhook of ${node.name}`,
        session,
        sent: () => this.callbacks.posts.filter((call) => isCalled(call.url)).map(({ text }) => text),
      });
    }
    await eventually('all are confirmed', async () => {
      const subscriptions = (await this.first.hub.inspect(topic))?.state.subscriptions;
      return subscriptions?.size === 2 * this.all.nodes.length;
    });
    for (const published of COPIED) assert.equal(await this.#publish(this.first, session, published), 202);
  }

  async #publish(node: Node, session: Session, published: Published): Promise<number> {
    const { topic, attempts } = session;
    const id = crypto.randomUUID();
    const versionId = (await node.hub.inspect(topic))?.state.anchors.get(REPORT)?.versionId;
    attempts.push({ ...published, id, versionId });
    return this.#attempt(node, session, attempts.at(-1)!);
  }

  #attempt(node: Node, { topic }: Session, { id, event, context, versionId }: Attempt): Promise<number> {
    const version = event.endsWith('-update') ? { 'context.versionId': versionId } : {};
    return node.publish(topic, event, context, { id, ...version });
  }

  async copy(): Promise<void> {
    // They are kept in Redis too.
    this.#copiedCursors = new Map(this.#cursors.held);
    await this.all.server.command('SAVE');
  }

  /** What is lost afterwards is accepted. */
  async happens(node = this.first): Promise<void> {
    for (const session of this.sessions) {
      session.attempts.length = 0;
      for (const published of LOST[session.lost] ?? []) {
        assert.equal(await this.#publish(node, session, published), 202, session.lost);
      }
    }
  }

  /** Redis is gone at once, and comes back with the copy. */
  async comesBack(): Promise<void> {
    for (const follower of this.followers) this.#before.set(follower, follower.sent().length);
    await this.all.server.kill();
    this.#cursors.held.clear();
    for (const [key, number] of this.#copiedCursors) this.#cursors.held.set(key, number);
    await this.all.server.restart();
    await this.all.whenBack();
  }

  /** Something else is accepted in each session. */
  async somethingElse(node: Node, published: Published): Promise<void> {
    for (const session of this.sessions) {
      const state = await this.#answered(() => node.hub.inspect(session.topic));
      const versionId = state?.state.anchors.get(REPORT)?.versionId;
      const attempt = { ...published, id: crypto.randomUUID(), versionId };
      assert.equal(await this.#answered(() => this.#attempt(node, session, attempt)), 202, published.event);
    }
  }

  dropSockets(): void {
    for (const peers of this.sockets) peers.at(-1)?.connection?.closed(1006);
  }

  /** Each says the last event that it has seen. */
  async socketsReturn(node: Node): Promise<void> {
    for (const peers of this.sockets) {
      const { endpoint, ids } = peers.at(-1)!;
      peers.push(await this.#answered(() => node.connect(endpoint, ids.at(-1))));
    }
  }

  /** A node is gone at once, and the others have noticed and called its webhooks. */
  async dies(node: Node): Promise<void> {
    await node.crash();
    const { nodes } = this.all;
    nodes.splice(nodes.indexOf(node), 1);
    const isOfIt = new RegExp(`socket at ${node.name}`);
    this.followers.splice(0, this.followers.length, ...this.followers.filter(({ how }) => !isOfIt.test(how)));
    await eventually('its webhooks are called by others', async () => {
      for (const { clock } of nodes) clock.advance(200);
      const states = await Promise.all(this.sessions.map(({ topic }) => this.#state(this.first, topic)));
      return states.every((state) =>
        [...(state?.subscriptions.values() ?? [])].every((one) => one.channel !== 'webhook' || one.node !== node.name),
      );
    });
  }

  /** CON-2: what each was told since leads on from the version that it was told before. */
  eachVersionFollows(): void {
    for (const follower of this.followers) {
      let version: string | undefined;
      const seen = new Set<string>();
      for (const text of follower.sent().slice(this.#before.get(follower))) {
        const { id, event } = JSON.parse(text);
        if (seen.has(id)) continue;
        seen.add(id);
        if (!/^DiagnosticReport-(open|update)$/.test(event['hub.event'])) continue;
        const prior = event['context.priorVersionId'];
        if (prior !== undefined && version !== undefined) {
          assert.equal(prior, version, `${follower.session.lost}, ${follower.how}: the version before`);
        }
        version = event['context.versionId'];
      }
    }
  }

  /** Publishers try again what they had published, at a node of their choice. */
  async triedAgain(node: Node): Promise<void> {
    for (const session of this.sessions) {
      for (const attempt of session.attempts) {
        const status = await this.#answered(() => this.#attempt(node, session, attempt));
        const log = (await this.all.nodes[0]!.store.sessions.load(session.topic))?.log ?? [];
        const isInLog = log.some(({ id }) => id === attempt.id);
        assert.equal(status === 202, isInLog, `${session.lost}: ${attempt.event} tried again is ${status}`);
      }
    }
  }

  /** The answer, once there is one: a node's connections come back one after the other. */
  async #answered<T>(attempt: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
        await this.#passes();
      }
    }
  }

  /** Time passes at all nodes, so that they try again what they could not do. */
  async #passes(): Promise<void> {
    for (const { clock } of this.all.nodes) clock.advance(200);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }

  async #state(node: Node, topic: string): Promise<SessionState | undefined> {
    try {
      return (await node.hub.inspect(topic))?.state;
    } catch (error) {
      if (error instanceof StoreUnavailable) return undefined;
      throw error;
    }
  }

  async #eachShowsWhatIs(when: string): Promise<void> {
    for (const { how, session, sent } of this.followers) {
      await eventually(`${when}, ${session.lost}, ${how}: it shows what the Hub has`, async () => {
        const state = await this.#state(this.first, session.topic);
        if (state && shows(sent(), state)) return true;
        await this.#passes();
        return false;
      });
    }
  }

  eachShowsWhatIs(when = 'after'): Promise<void> {
    return this.#eachShowsWhatIs(when);
  }
}

function shows(sent: readonly string[], { anchors, current }: SessionState): boolean {
  const screen = new Screen();
  for (const text of sent) screen.take(text);
  const content = [...anchors].map(
    ([name, anchor]) =>
      [name, new Map([...anchor.content].map(([url, { resource }]) => [url, JSON.parse(resource)]))] as const,
  );
  return screen.current === current && isDeepStrictEqual(screen.open, new Map(content));
}

/** When the copy comes back. */
const MOMENTS: Readonly<Record<string, (all: Restored) => Promise<void>>> = {
  'after everybody was sent it': async (all) => {
    await all.copy();
    await all.happens();
    await all.eachShowsWhatIs('lost later');
    await all.comesBack();
  },
  'between a commit and its delivery by the other nodes': async (all) => {
    await all.copy();
    const others = all.all.nodes.slice(1);
    for (const node of others) node.holdNotices();
    await all.happens();
    await all.comesBack();
    for (const node of others) node.hear();
  },
  'between two commits, the second before its node has noticed': async (all) => {
    await all.copy();
    await all.happens();
    await all.eachShowsWhatIs('lost later');
    all.first.holdNotices();
    await all.comesBack();
    await all.somethingElse(all.last, { event: 'org.example.other', context: [] });
    await all.triedAgain(all.first);
    all.first.hear();
  },
  'and another node accepts updates before a node has noticed': async (all) => {
    await all.copy();
    await all.happens();
    await all.eachShowsWhatIs('lost later');
    all.first.holdNotices();
    await all.comesBack();
    for (const value of [7, 8]) await all.somethingElse(all.last, shared(value));
    all.first.hear();
  },
  'while sockets are away, which return to another node': async (all) => {
    await all.copy();
    await all.happens();
    await all.eachShowsWhatIs('lost later');
    all.dropSockets();
    await all.comesBack();
    await all.socketsReturn(all.last);
  },
};

/** With more than one node. */
const MOMENTS_OF_SEVERAL: typeof MOMENTS = {
  'after a node had died, whose webhooks others had taken over': async (all) => {
    await all.copy();
    await all.dies(all.last);
    await all.happens();
    await all.eachShowsWhatIs('lost later');
    await all.comesBack();
  },
  'before a takeover': async (all) => {
    await all.copy();
    await all.happens();
    await all.eachShowsWhatIs('lost later');
    await all.comesBack();
    await all.eachShowsWhatIs('not yet taken over');
    await all.dies(all.last);
  },
};

describe('SUB-11, PUB-4, PUB-7 Redis comes back with an older copy', () => {
  for (const names of [['a'], ['a', 'b', 'c']]) {
    const moments = { ...MOMENTS, ...(names.length > 1 && MOMENTS_OF_SEVERAL) };
    for (const [moment, happens] of Object.entries(moments)) {
      it(`${moment}, with ${names.length} nodes`, async (t) => {
        const all = await Restored.open(t, names);
        await happens(all);
        await all.eachShowsWhatIs();
        await all.triedAgain(all.last);
        await all.eachShowsWhatIs('tried again');
        all.eachVersionFollows();
      });
    }
  }
});
