/** Several Hubs on one real Redis, each with a clock of its own that a test moves. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { parseSubscription } from '@lockstep/fhircast';
import type { SessionStore } from '@lockstep/store';
import { openRedis, type RedisStore } from '@lockstep/store-redis';
import { RedisProcess } from '@lockstep/store-redis/testing';
import { Hub } from '../src/hub.ts';
import type { HubOptions } from '../src/options.ts';
import type { Callbacks, Cursors, Observation } from '../src/ports.ts';
import type { Access } from '../src/rules/permission.ts';
import { NodeLease } from '../src/stored/node-lease.ts';
import { ManualClock } from './clock.ts';
import { body, START } from './events.ts';
import { access, good, type Json, Peer } from './rig.ts';

const BEAT = 1000;
const GRACE = 120_000;

/** One node: a Hub with its own connections and clock. */
export class Node {
  readonly name: string;
  readonly clock: ManualClock;
  readonly store: RedisStore;
  readonly hub: Hub;
  readonly lease: NodeLease;
  readonly observed: Observation[] = [];
  /** Notices that are still on their way, while a test holds them back. */
  #late: (() => void)[] | undefined;

  constructor(
    name: string,
    clock: ManualClock,
    store: RedisStore,
    options: Partial<HubOptions>,
    webhooks: { readonly callbacks: Callbacks; readonly cursors: Cursors } | undefined,
  ) {
    this.name = name;
    this.clock = clock;
    this.store = store;
    const failed = (error: unknown): void => {
      throw error;
    };
    this.lease = new NodeLease(store.records, clock, { nodeId: name, beatMs: BEAT, mayMiss: 2 }, failed);
    this.hub = new Hub(
      {
        hubUrl: 'https://hub.example/hub',
        endpointUrl: (id) => `wss://hub.example/hub/ws/${id}`,
        nodeId: name,
        graceMs: GRACE,
        ...options,
      },
      {
        store: this.#slow(store.sessions),
        clock,
        ids: { uuid: () => crypto.randomUUID(), secret: () => crypto.randomUUID().replaceAll('-', '') },
        observer: { observe: (_topic, _at, observation) => void this.observed.push(observation) },
        nodes: this.lease,
        failed,
        ...webhooks,
      },
    );
  }

  #slow(sessions: SessionStore): SessionStore {
    const watch: SessionStore['watch'] = (listener) =>
      sessions.watch((notice) => {
        if (this.#late) this.#late.push(() => listener(notice));
        else listener(notice);
      });
    return new Proxy(sessions, {
      get: (_, name: keyof SessionStore) => (name === 'watch' ? watch : sessions[name].bind(sessions)),
    });
  }

  /** From now on notices are under way, until `hear`. */
  holdNotices(): void {
    this.#late ??= [];
  }

  hear(): void {
    const late = this.#late ?? [];
    this.#late = undefined;
    for (const tell of late) tell();
  }

  async session(): Promise<string> {
    return good(await this.hub.createSession(access(), { user: 'Practitioner/1' })).topic;
  }

  async subscribe(topic: string, events = '*', more: Record<string, string> = {}, as = access()): Promise<string> {
    const form = {
      'hub.channel.type': 'websocket',
      'hub.mode': 'subscribe',
      'hub.topic': topic,
      'hub.events': events,
      ...more,
    };
    const read = parseSubscription(Object.entries(form));
    assert.ok(read.ok, read.ok ? '' : read.reason);
    return good(await this.hub.subscribe(as, read.value)).endpoint ?? '';
  }

  async unsubscribe(topic: string, endpoint: string): Promise<void> {
    const form = { 'hub.channel.type': 'websocket', 'hub.mode': 'unsubscribe', 'hub.topic': topic };
    const read = parseSubscription(Object.entries({ ...form, 'hub.channel.endpoint': endpoint }));
    assert.ok(read.ok, read.ok ? '' : read.reason);
    good(await this.hub.unsubscribe(access(), read.value));
  }

  async connect(endpoint: string, since?: string): Promise<Peer> {
    const id = endpoint.split('/').at(-1) ?? '';
    const found = await this.hub.findEndpoint(id);
    assert.ok(found, 'the endpoint is known');
    const peer = new Peer(endpoint);
    peer.connection = await this.hub.connect({ id, topic: found.topic }, peer, since);
    return peer;
  }

  async join(topic: string, events = '*', more: Record<string, string> = {}): Promise<Peer> {
    return this.connect(await this.subscribe(topic, events, more));
  }

  async publish(topic: string, event: string, context: readonly unknown[], more: Json = {}, as: Access = access()) {
    const answer = await this.hub.publish(as, JSON.stringify(body(event, context, { topic, ...more })));
    return answer.ok ? answer.value : answer.status;
  }

  /** The node is gone at once, as with `kill -9`: nobody hears of it any more. */
  async crash(): Promise<void> {
    await this.store.close();
  }
}

/** The nodes of a test. */
export class Nodes {
  readonly server: RedisProcess;
  readonly nodes: Node[] = [];
  readonly #t: TestContext;

  private constructor(t: TestContext, server: RedisProcess) {
    this.#t = t;
    this.server = server;
  }

  static async start(
    t: TestContext,
    names: readonly string[],
    options: Partial<HubOptions> & { webhooks?: { callbacks: Callbacks; cursors: Cursors } } = {},
    redis: Readonly<Record<string, string>> = {},
  ): Promise<Nodes> {
    const server = await RedisProcess.start(redis);
    t.after(() => server.remove());
    const nodes = new Nodes(t, server);
    for (const name of names) await nodes.add(name, options);
    return nodes;
  }

  async add(
    name: string,
    { webhooks, ...options }: Partial<HubOptions> & { webhooks?: { callbacks: Callbacks; cursors: Cursors } } = {},
  ): Promise<Node> {
    const log = { count: options.logCount ?? 1000, ageMs: 86_400_000 };
    const store = await openRedis({ url: this.server.url, log, nodeId: name, timeoutMs: 20_000 });
    const node = new Node(name, new ManualClock(START), store, options, webhooks);
    this.#t.after(async () => {
      await node.hub.stop().catch(() => undefined);
      await store.close();
    });
    await node.lease.start();
    await node.hub.start();
    this.nodes.push(node);
    return node;
  }

  /** Lets time pass on some nodes, beat by beat; each beat reaches the store before the next. */
  async pass(ms: number, nodes: readonly Node[] = this.nodes): Promise<void> {
    for (let passed = 0; passed < ms; passed += BEAT) {
      for (const { clock, store } of nodes) {
        clock.advance(BEAT);
        // What the beat asked for was asked before this.
        for (let i = 0; i < 3; i++) await store.ping();
      }
    }
  }

  /** Waits until every node can write and hears what is published. */
  async whenBack(): Promise<void> {
    for (const { store } of this.nodes) {
      const answers = (): Promise<boolean> =>
        store.ping().then(
          () => true,
          () => false,
        );
      while (!(await answers())) await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
