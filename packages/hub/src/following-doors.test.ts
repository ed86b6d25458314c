/**
 * What an application answers, or does not, by every door, at one node and at two: all that tells who follows says the same of it, at each
 * node (ERR-8).
 */
import assert from 'node:assert/strict';
import { it, type TestContext } from 'node:test';
import { FOLLOWING_EVENT, parseSubscription } from '@lockstep/fhircast';
import { eventually, FakeCallbacks, FakeCursors } from '../test/callbacks.ts';
import { access, patient } from '../test/events.ts';
import { type Node, Nodes } from '../test/nodes.ts';
import { good, type Json, type Peer } from '../test/rig.ts';
import { notFollowing } from './rules/following.ts';
import type { Access } from './rules/permission.ts';

const GRACE = 30_000;
const EVENTS = 'Patient-open,Patient-close';

interface Door {
  readonly as: Access;
  readonly form: Readonly<Record<string, string>>;
  readonly isWebhook: boolean;
}

const DOORS: Readonly<Record<string, Door>> = {
  'WebSocket, 3.0.0': { as: access(), form: {}, isWebhook: false },
  'WebSocket, STU2': { as: access({ switches: { fhircast: 'STU2' } }), form: {}, isWebhook: false },
  'webhook, STU2': {
    as: access({ switches: { fhircast: 'STU2' } }),
    form: { 'hub.channel.type': 'webhook' },
    isWebhook: true,
  },
  'webhook, STU1': {
    as: access({ switches: { fhircast: 'STU1' } }),
    form: { 'hub.channel.type': '', 'hub.secret': 'a secret' },
    isWebhook: true,
  },
};

/** An application that subscribed by a door: what it answers to each event, by the event's id. */
class Application {
  readonly node: Node;
  readonly topic: string;
  readonly door: Door;
  readonly callback: string;
  /** A status, or nothing yet. */
  readonly answers = new Map<string, number>();
  peer: Peer | undefined;
  readonly #waiting = new Map<string, (status: number) => void>();

  constructor(node: Node, topic: string, door: Door, callback: string) {
    this.node = node;
    this.topic = topic;
    this.door = door;
    this.callback = callback;
  }

  async subscribe(events = EVENTS, more: Readonly<Record<string, string>> = {}): Promise<string | undefined> {
    const form = {
      'hub.channel.type': 'websocket',
      'hub.mode': 'subscribe',
      'hub.topic': this.topic,
      'hub.events': events,
      'subscriber.name': 'Viewer',
      ...this.door.form,
      ...(this.door.isWebhook && { 'hub.callback': this.callback }),
      ...more,
    };
    const read = parseSubscription(Object.entries(form).filter(([, value]) => value !== ''));
    assert.ok(read.ok, read.ok ? '' : read.reason);
    const { value } = read;
    const { hub } = this.node;
    if (value.mode === 'unsubscribe') return good(await hub.unsubscribe(this.door.as, value)).endpoint;
    return good(await hub.subscribe(this.door.as, value)).endpoint;
  }

  async join(): Promise<void> {
    const endpoint = await this.subscribe();
    if (endpoint) await this.connect(endpoint);
  }

  async connect(endpoint: string, since?: string): Promise<void> {
    this.peer = await this.node.connect(endpoint, since);
  }

  /** The callback is called. */
  called(id: string): number | Promise<number> {
    return this.answers.get(id) ?? new Promise((resolve) => this.#waiting.set(id, resolve));
  }

  /** Answers an event once it is there. */
  async answer(id: string, status: number): Promise<void> {
    this.answers.set(id, status);
    this.#waiting.get(id)?.(status);
    const { peer } = this;
    if (!peer) return;
    await eventually(`${id} is there`, () => peer.ids.includes(id));
    peer.answer(status, id);
  }

  /** Follows an event. A callback that still waits with the one before it fails that: it is sent one at a time. */
  async follow(id: string): Promise<void> {
    if (this.door.isWebhook && !this.answers.has('e2')) await this.answer('e2', 0);
    await this.answer(id, 200);
  }
}

interface Outcome {
  /** What happens once the second patient is opened, which it has not answered. */
  readonly does: (app: Application, table: Table) => unknown;
  /** What is said of it then. */
  readonly said: string;
  /** Time passes before that is looked at, which is what an answer may take. */
  readonly waits?: true;
  /** What happens next, and what is said then. */
  readonly next?: readonly [does: (app: Application) => unknown, said: string];
  /** Whether it is not sent the next patient any more; it follows that otherwise, and nothing is said of it. */
  readonly isGone?: true;
  readonly notBy?: 'webhook' | 'WebSocket';
}

const endpointOf = ({ peer }: Application): string => peer?.endpoint ?? '';

const OUTCOMES: Readonly<Record<string, Outcome>> = {
  followed: { does: (app) => app.answer('e2', 200), said: '' },
  'refused with 409': { does: (app) => app.answer('e2', 409), said: 'refused' },
  'refused with 404': { does: (app) => app.answer('e2', 404), said: 'refused' },
  'failed with 500': { does: (app) => app.answer('e2', 500), said: 'failed' },
  'undecided with 202, which is an answer': { does: (app) => app.answer('e2', 202), said: '' },
  silent: { does: () => undefined, waits: true, said: 'silent' },
  'silent, and answers late': {
    does: () => undefined,
    waits: true,
    said: 'silent',
    next: [(app) => app.answer('e2', 200), ''],
  },
  'denied after three events': {
    does: async (app, table) => {
      await table.open(app, 'e2b', 'p4');
      await table.open(app, 'e2c', 'p5');
    },
    waits: true,
    said: 'silent ended',
    isGone: true,
    notBy: 'webhook',
  },
  'answers an older event': { does: (app) => app.answer('e1', 200), waits: true, said: 'silent', notBy: 'webhook' },
  lost: { does: ({ peer }) => peer?.connection?.closed(1006), said: 'lost', notBy: 'webhook', isGone: true },
  'cannot be reached': { does: (app) => app.answer('e2', 0), said: 'failed', notBy: 'WebSocket' },
  'lost, and back with ?since': {
    does: async (app) => {
      await app.answer('e2', 200);
      app.peer?.connection?.closed(1006);
    },
    said: 'lost',
    next: [(app) => app.connect(endpointOf(app), 'e2'), ''],
    notBy: 'webhook',
  },
  'lost before it answered, and back with ?since': {
    does: ({ peer }) => peer?.connection?.closed(1006),
    said: 'lost',
    next: [
      async (app) => {
        await app.connect(endpointOf(app), 'e1');
        await app.answer('e2', 200);
      },
      '',
    ],
    notBy: 'webhook',
  },
  left: { does: ({ peer }) => peer?.connection?.closed(1000), said: '', notBy: 'webhook', isGone: true },
  unsubscribed: {
    does: (app) => app.subscribe('', { 'hub.mode': 'unsubscribe', 'hub.channel.endpoint': endpointOf(app) }),
    said: '',
    isGone: true,
  },
  'renewed with other events, and then answered': {
    does: (app) => app.subscribe('Patient-open', { 'hub.channel.endpoint': endpointOf(app) }),
    waits: true,
    said: 'silent',
    next: [(app) => app.answer('e2', 200), ''],
  },
};

class Table {
  readonly #all: Nodes;
  readonly #apps = new Map<string, Application>();
  readonly #watchers = new Map<Node, Map<string, Peer>>();

  constructor(all: Nodes, callbacks: FakeCallbacks) {
    this.#all = all;
    callbacks.answer = ({ url, text }) => this.#apps.get(url.href)?.called(JSON.parse(text).id) ?? 0;
  }

  async begin(row: string, door: Door): Promise<Application> {
    const [first] = this.#all.nodes;
    const topic = await first!.session();
    for (const node of this.#all.nodes) {
      const name = { 'subscriber.name': `Watcher at ${node.name}` };
      const watcher = await node.join(topic, `Patient-open,${FOLLOWING_EVENT}`, name);
      const held = this.#watchers.get(node) ?? new Map<string, Peer>();
      this.#watchers.set(node, held.set(topic, watcher));
    }
    const app = new Application(first!, topic, door, `https://app.example/${this.#apps.size}`);
    this.#apps.set(app.callback, app);
    await app.join();
    await this.open(app, 'e1', 'p1');
    await app.answer('e1', 200);
    await this.agree(`${row}: it follows`, app, '');
    await this.open(app, 'e2', 'p2');
    return app;
  }

  /** Another patient is opened, at the last node, which the watchers follow. */
  async open({ topic }: Application, id: string, of: string): Promise<void> {
    assert.equal(await this.#all.nodes.at(-1)!.publish(topic, 'Patient-open', [patient(of)], { id }), 202);
    for (const held of this.#watchers.values()) {
      const watcher = held.get(topic)!;
      await eventually(`${id} is with the watchers`, () => watcher.ids.includes(id));
      watcher.answer(200, id);
    }
  }

  /** The session's list, its live view, and our event, at each node. */
  async #said({ topic }: Application): Promise<readonly string[]> {
    const said: string[] = [];
    for (const node of this.#all.nodes) {
      const listed = (await node.hub.sessions()).find((one) => one.topic === topic)?.notFollowing;
      const state = (await node.hub.inspect(topic))?.state;
      const events = this.#watchers.get(node)?.get(topic)?.events ?? [];
      const told = events.findLast(({ event }) => event['hub.event'] === FOLLOWING_EVENT)?.event.context;
      for (const all of [listed, state && notFollowing(state, () => true)]) {
        said.push(String(all?.map(({ name, why, ended }) => `${name} ${why}${ended ? ' ended' : ''}`)));
      }
      said.push(String(told?.map((one: Json) => `${one.subscriber} ${one.why}${one.ended ? ' ended' : ''}`)));
    }
    return said;
  }

  async agree(what: string, app: Application, why: string): Promise<void> {
    const wanted = why && `Viewer ${why}`;
    let said: readonly string[] = [];
    await eventually(what, async () => {
      said = await this.#said(app);
      return said.every((one) => one === wanted);
    }).catch((error: unknown) => assert.fail(`${error}: ${JSON.stringify(said)} and not ${wanted}`));
  }
}

async function table(t: TestContext, names: readonly string[], rows: readonly (readonly [string, Door, Outcome])[]) {
  const callbacks = new FakeCallbacks();
  const webhooks = { callbacks, cursors: new FakeCursors() };
  const all = await Nodes.start(t, names, { graceMs: GRACE, webhooks, retryMs: [1e9] });
  const told = new Table(all, callbacks);
  const apps = new Map<Outcome, Application>();
  const each = (does: (row: string, outcome: Outcome, door: Door) => Promise<unknown>): Promise<unknown> =>
    Promise.all(rows.map(([row, door, outcome]) => does(row, outcome, door)));
  await each(async (row, outcome, door) => {
    const app = await told.begin(row, door);
    apps.set(outcome, app);
    await outcome.does(app, told);
    if (!outcome.waits) await told.agree(row, app, outcome.said);
  });
  await all.pass(11_000);
  await each(async (row, outcome) => {
    const app = apps.get(outcome)!;
    await told.agree(`${row}, later`, app, outcome.said);
    const [does, said] = outcome.next ?? [];
    await does?.(app);
    if (said !== undefined) await told.agree(`${row}, then`, app, said);
    await told.open(app, 'e3', 'p3');
    if (!outcome.isGone) await app.follow('e3');
    await told.agree(`${row}, at rest`, app, outcome.isGone ? outcome.said : '');
  });
}

for (const names of [['a'], ['a', 'b']]) {
  for (const [door, how] of Object.entries(DOORS)) {
    it(`ERR-8 all that tells who follows agrees, whatever an application does (${door}, nodes: ${names})`, async (t) => {
      const rows = Object.entries(OUTCOMES)
        .filter(([, { notBy }]) => notBy !== (how.isWebhook ? 'webhook' : 'WebSocket'))
        .map(([row, outcome]) => [`${door}: ${row}`, how, outcome] as const);
      await table(t, names, rows);
    });
  }
}
