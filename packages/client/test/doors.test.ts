/**
 * The SDK at a real Hub, at one node and at two: whatever an application does, each SDK shows who does not follow as the Hub's own list has
 * it, and none turns green while an application shows another context (HZ-1, HZ-2, ERR-8).
 */
import assert from 'node:assert/strict';
import { it, type TestContext } from 'node:test';
import { parseSubscription } from '@lockstep/fhircast';
import { eventually, turns } from '../../hub/test/callbacks.ts';
import { access, patient } from '../../hub/test/events.ts';
import { type Node, Nodes } from '../../hub/test/nodes.ts';
import { type Context, type Ports, refuse, type Sign, type Socket, Subscriber } from '../src/index.ts';

const GRACE = 30_000;

type Listener = (event: never) => void;

/** How an application reaches its node: whole, or cut, so that nothing passes and neither end is told before it is mended. */
class Line {
  readonly node: Node;
  isCut = false;
  #held: (() => void)[] = [];
  #sockets: LineSocket[] = [];
  #watch: ((sign: Sign) => void) | undefined;

  constructor(node: Node) {
    this.node = node;
  }

  readonly #fetch: Ports['fetch'] = async (url, { method = 'GET', body }) => {
    if (this.isCut) throw new TypeError('fetch failed');
    const { hub } = this.node;
    const answer =
      method === 'GET'
        ? await hub.currentContext(access(), decodeURIComponent(url.split('/').at(-1) ?? ''))
        : body instanceof URLSearchParams
          ? await this.#subscribe(body)
          : await hub.publish(access(), String(body));
    if (this.isCut) throw new TypeError('fetch failed');
    if (!answer.ok) return new Response(answer.reason, { status: answer.status });
    if (method === 'GET') return new Response(String(answer.value));
    const { endpoint } = answer.value as { endpoint?: string };
    return new Response(endpoint ? JSON.stringify({ 'hub.channel.endpoint': endpoint }) : null, { status: 202 });
  };

  #subscribe(form: URLSearchParams) {
    const read = parseSubscription([...form]);
    assert.ok(read.ok, read.ok ? '' : read.reason);
    const { hub } = this.node;
    return read.value.mode === 'subscribe'
      ? hub.subscribe(access(), read.value)
      : hub.unsubscribe(access(), read.value);
  }

  get ports(): Partial<Ports> {
    const line = this;
    return {
      clock: this.node.clock,
      fetch: this.#fetch,
      random: () => 0.5,
      environment: {
        hidden: () => false,
        watch: (listener) => {
          this.#watch = listener;
          return () => (this.#watch = undefined);
        },
      },
      WebSocket: class extends LineSocket {
        constructor(url: string) {
          super(url, line);
          line.#sockets.push(this);
        }
      },
    };
  }

  cut(): void {
    this.isCut = true;
  }

  /** What was on its way arrives. */
  mend(): void {
    this.isCut = false;
    for (const arrive of this.#held.splice(0)) arrive();
  }

  /** Something is on its way. */
  carry(arrive: () => void): void {
    if (this.isCut) this.#held.push(arrive);
    else setImmediate(() => (this.isCut ? this.#held.push(arrive) : arrive()));
  }

  sign(sign: Sign): void {
    this.#watch?.(sign);
  }

  /** The Hub's host has had no answer to its pings, and gives the connection up. */
  giveUp(): void {
    for (const socket of this.#sockets) socket.givenUp();
  }

  /** The connection breaks, which both ends notice, and cannot be made again. */
  break(): void {
    for (const socket of this.#sockets.splice(0)) socket.over(1006, true);
    setImmediate(() => this.cut());
  }
}

class LineSocket implements Socket {
  binaryType = '';
  readyState = 0;
  readonly #line: Line;
  readonly #listeners = new Map<string, Listener[]>();
  #connection: Awaited<ReturnType<Node['hub']['connect']>>;
  #isToldHub = false;
  /** What came before the Hub had it. */
  readonly #early: string[] = [];

  constructor(url: string, line: Line) {
    this.#line = line;
    void this.#open(new URL(url));
  }

  async #open({ pathname, searchParams }: URL): Promise<void> {
    const id = pathname.split('/').at(-1) ?? '';
    const { hub } = this.#line.node;
    const found = this.#line.isCut ? undefined : await hub.findEndpoint(id);
    if (!found) return this.over(1006, false);
    this.readyState = 1;
    this.#emit('open', {});
    const channel = {
      buffered: 0,
      send: (text: string | Uint8Array) => {
        const data = typeof text === 'string' ? text : Buffer.from(text).toString();
        this.#line.carry(() => this.readyState !== 1 || this.#emit('message', { data }));
      },
      close: (code: number) => this.#line.carry(() => this.over(code, false)),
      probe: () => void (this.#line.isCut || this.readyState !== 1 || this.#connection?.heard()),
      onDrain: (run: () => void) => void setImmediate(run),
    };
    this.#connection = await hub.connect({ id, topic: found.topic }, channel, searchParams.get('since') ?? undefined);
    for (const text of this.#early.splice(0)) this.#connection?.received(text);
    if (this.readyState > 1) this.#connection?.closed(1006);
  }

  addEventListener(type: string, listener: Listener): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
  }

  #emit(type: string, event: object): void {
    for (const listener of this.#listeners.get(type) ?? []) listener(event as never);
  }

  send(text: string): void {
    this.#line.carry(() => {
      if (this.#connection) this.#connection.received(text);
      else this.#early.push(text);
    });
  }

  close(code = 1005): void {
    this.over(code, true);
  }

  #tellHub(code: number, isSilent = false): void {
    if (!this.#isToldHub) this.#connection?.closed(code, isSilent);
    this.#isToldHub = true;
  }

  givenUp(): void {
    this.#tellHub(1006, true);
    this.#line.carry(() => this.over(1006, false));
  }

  /** @param isHeard whether the Hub hears of it */
  over(code: number, isHeard: boolean): void {
    if (this.readyState > 1) return;
    this.readyState = 3;
    if (isHeard) this.#line.carry(() => this.#tellHub(code));
    setImmediate(() => this.#emit('close', { code, reason: '' }));
  }
}

type Mood = 'follows' | 'refuses' | 'throws' | 'never decides';

/** An application with the SDK: what it shows is what its follower was last given and took. */
class SdkApplication {
  readonly line: Line;
  readonly subscriber: Subscriber;
  mood: Mood = 'follows';
  shows = '';
  /** It has ended, and shows nothing to anybody. */
  isGone = false;

  constructor(node: Node, topic: string, name: string) {
    this.line = new Line(node);
    this.subscriber = new Subscriber({
      hubUrl: 'https://hub.example/hub',
      topic,
      name,
      events: ['Patient-open', 'Patient-close'],
      resendEvery: 0,
      onError: () => undefined,
      ports: this.line.ports,
    });
    this.subscriber.follow((context) => this.#show(context));
  }

  #show(context: Context | undefined) {
    if (!context || this.mood === 'follows') {
      this.shows = context?.id ?? '';
      return;
    }
    if (this.mood === 'throws') throw new Error('the viewer cannot draw it');
    return this.mood === 'refuses' ? refuse('a report is not signed') : new Promise<void>(() => undefined);
  }

  get isGreen(): boolean {
    return this.subscriber.state.status === 'in-sync';
  }

  /** Whom it names: who does not follow, and who has not answered yet. */
  get names(): readonly string[] {
    const { state, notFollowing } = this.subscriber;
    const others = notFollowing.map(({ name, why, ended }) => `${name} ${why}${ended ? ' ended' : ''}`);
    return [...others, ...(state.status === 'behind' && state.who ? [`${state.who} waiting`] : [])].toSorted();
  }
}

interface Outcome {
  /** Set before the second patient is opened. */
  readonly mood?: Mood;
  readonly does?: (app: SdkApplication, table: Table) => unknown;
  /** What the Hub says of it then; '' for nothing. */
  readonly said: string;
  /** ms that pass before that is looked at. */
  readonly waits?: 9000 | 61_000;
  readonly next?: readonly [does: (app: SdkApplication, table: Table) => unknown, said: string];
  /** What is said once the next patient is open, which everybody who is still there follows. */
  readonly finally?: string;
}

const OUTCOMES: Readonly<Record<string, Outcome>> = {
  follows: { said: '' },
  'refuses (409)': { mood: 'refuses', said: 'Viewer refused' },
  'throws (500)': { mood: 'throws', said: 'Viewer failed' },
  'never decides': { mood: 'never decides', waits: 9000, said: 'Viewer refused' },
  'has a line that is cut': {
    does: ({ line }) => line.cut(),
    waits: 9000,
    said: 'Viewer silent',
    next: [({ line }) => line.mend(), ''],
  },
  'has a line that is cut until the Hub has given it up': {
    does: ({ line }) => {
      line.cut();
      line.giveUp();
    },
    waits: 61_000,
    said: 'Viewer lost ended',
    next: [({ line }) => line.mend(), ''],
  },
  'is lost, and comes back by itself': {
    does: ({ line }) => line.break(),
    waits: 61_000,
    said: 'Viewer lost ended',
    next: [({ line }) => line.mend(), ''],
  },
  leaves: { does: (app) => app.subscriber.unsubscribe(), said: '' },
  'leaves with its page, and returns with it': {
    does: ({ line }) => line.sign('leave'),
    said: '',
    next: [({ line }) => line.sign('return'), ''],
  },
  'is started again over a line that is cut': {
    does: async (app, table) => {
      app.line.cut();
      app.isGone = true;
      await table.join('Viewer');
    },
    waits: 9000,
    said: 'Viewer silent',
    // The connection before is known to be broken once pings and the grace time are over.
    next: [({ line }) => line.giveUp(), ''],
  },
  'is not the only one of its name, and is lost': {
    does: async (app, table) => {
      await table.join('Viewer');
      app.line.break();
      app.isGone = true;
    },
    waits: 61_000,
    said: 'Viewer lost ended',
    finally: 'Viewer lost ended',
  },
};

async function settle({ nodes }: Nodes): Promise<void> {
  for (let round = 0; round < 6; round++) {
    await Promise.all(nodes.map(({ store }) => store.ping()));
    await turns();
  }
}

/** Lets time pass, and what happens in it happen: in small steps at first, as answers and what is told of them are quick. */
async function pass(all: Nodes, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; ) {
    const step = passed < 2000 ? 250 : 1000;
    for (const { clock } of all.nodes) clock.advance(step);
    await settle(all);
    passed += step;
  }
}

class Table {
  readonly #all: Nodes;
  readonly topic: string;
  readonly #apps: SdkApplication[] = [];
  readonly untrue: string[] = [];
  #current = '';

  constructor(all: Nodes, topic: string) {
    this.#all = all;
    this.topic = topic;
  }

  async join(name: string, node = this.#all.nodes[0]!): Promise<SdkApplication> {
    const app = new SdkApplication(node, this.topic, name);
    this.#apps.push(app);
    app.subscriber.onState(({ status }) => {
      if (status === 'in-sync') this.#look(name);
    });
    void app.subscriber.connect();
    await eventually(`${name} is connected`, () => !['connecting', 'closed'].includes(app.subscriber.state.status));
    return app;
  }

  /** An application has just turned green: all that are there show the Hub's context. */
  #look(name: string): void {
    for (const other of this.#apps) {
      if (other.isGone || other.shows === this.#current || !other.shows) continue;
      this.untrue.push(`${name} is green on ${this.#current} while another shows ${other.shows}`);
    }
  }

  async open(of: string): Promise<void> {
    assert.equal(await this.#all.nodes.at(-1)!.publish(this.topic, 'Patient-open', [patient(of)]), 202);
    this.#current = of;
    await settle(this.#all);
  }

  /** What each node's Hub lists, and each SDK shows. */
  async #said(): Promise<readonly [by: string, names: string][]> {
    const said: [string, string][] = [];
    for (const { hub, name } of this.#all.nodes) {
      const listed = (await hub.sessions()).find(({ topic }) => topic === this.topic)?.notFollowing ?? [];
      const names = listed.map((one) => `${one.name} ${one.why}${one.ended ? ' ended' : ''}`);
      said.push([`the Hub at ${name}`, String(names.toSorted())]);
    }
    for (const { subscriber, names } of this.#watchers)
      said.push([`an SDK, ${subscriber.state.status}`, String(names)]);
    return said;
  }

  get #watchers(): readonly SdkApplication[] {
    return this.#apps.slice(0, this.#all.nodes.length);
  }

  /** Every list says this; the watchers are green where it says nothing, and only there. */
  async agree(what: string, wanted: string): Promise<void> {
    let said: readonly [string, string][] = [];
    await eventually(what, async () => {
      said = await this.#said();
      const isRight = this.#watchers.every(
        ({ isGreen, shows }) => shows === this.#current && isGreen === (wanted === ''),
      );
      return isRight && said.every(([, names]) => names === wanted);
    }).catch((error: unknown) => assert.fail(`${error}: ${JSON.stringify(said)} and not ${wanted}`));
    assert.deepEqual(this.untrue, [], what);
  }

  async end(): Promise<void> {
    for (const app of this.#apps) {
      app.line.mend();
      await app.subscriber.unsubscribe();
    }
  }
}

/** One row of the table, with its own session. */
interface Row extends Outcome {
  readonly row: string;
  readonly table: Table;
  readonly app: SdkApplication;
}

async function begin(all: Nodes, row: string, outcome: Outcome): Promise<Row> {
  const table = new Table(all, await all.nodes[0]!.session());
  for (const node of all.nodes) await table.join(`Watcher at ${node.name}`, node);
  return { ...outcome, row, table, app: await table.join('Viewer') };
}

async function play(t: TestContext, names: readonly string[]): Promise<void> {
  const all = await Nodes.start(t, names, { graceMs: GRACE });
  const rows = await Promise.all(Object.entries(OUTCOMES).map(([row, outcome]) => begin(all, row, outcome)));
  const each = (does: (row: Row) => unknown): Promise<unknown> => Promise.all(rows.map(does));
  const openAll = async (of: string): Promise<void> => {
    await each(({ table }) => table.open(of));
    await pass(all, 2000);
  };
  await openAll('p1');
  await each(({ row, table }) => table.agree(`${row}: all follow`, ''));
  await each(async ({ app, mood = 'follows', does, table }) => {
    app.mood = mood;
    await does?.(app, table);
  });
  await openAll('p2');
  let passed = 0;
  for (const wait of [0, 9000, 61_000]) {
    await pass(all, wait - passed);
    passed = wait;
    await each(({ row, table, waits = 0, said }) => waits === wait && table.agree(`${row}: then`, said));
  }
  await each(({ app, table, next }) => next?.[0](app, table));
  await pass(all, 61_000);
  await each(({ row, table, next }) => next && table.agree(`${row}: and next`, next[1]));
  await each(({ app }) => {
    app.mood = 'follows';
  });
  await openAll('p3');
  await each(({ row, table, finally: last = '' }) => table.agree(`${row}: at rest`, last));
  await each(({ table }) => table.end());
}

for (const names of [['a'], ['a', 'b']]) {
  it(`HZ-2 ERR-8 every SDK shows who follows as the Hub has it, whatever an application does (nodes: ${names})`, (t) =>
    play(t, names));
}
