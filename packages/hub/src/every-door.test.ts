/**
 * Random sessions of applications by every door, on a whole Hub that is started again now and then: they follow, refuse, fail, are silent,
 * late or lost, come back and are started again. Whoever may show another patient is named; at rest nobody is (ERR-8).
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { FOLLOWING_EVENT, type NotFollowing } from '@lockstep/fhircast';
import fc from 'fast-check';
import { eventually, FakeCursors, turns } from '../test/callbacks.ts';
import { access, parameters, patient, report, study } from '../test/events.ts';
import { type Json, type Peer, Rig } from '../test/rig.ts';
import type { CallbackAnswer, Callbacks } from './ports.ts';
import type { SessionState } from './rules/session-state.ts';
import { CORE, IRA, STU2, type VersionRules } from './rules/versions.ts';

const GRACE = 60_000;
const FULL = [
  ...['Patient', 'ImagingStudy', 'DiagnosticReport'].flatMap((type) => [`${type}-open`, `${type}-close`]),
  'Home-open',
  'UserLogout',
].join();
const LISTS = [FULL, `${FULL},Patient-select,SyncError`, `${FULL},${FOLLOWING_EVENT},SyncError`, '*'];

const CONTEXTS = {
  Patient: (of: string) => [patient(of)],
  ImagingStudy: (of: string) => [study(of), patient(of)],
  DiagnosticReport: (of: string) => [report(of), patient(of), study(of)],
};

const MOODS = [200, 202, 409, 404, 500, 503, 'silent', 'slow', 0] as const;
type Mood = (typeof MOODS)[number];

/** What an application shows: it follows the events that it answers with 2xx. */
class Screen {
  shows: { readonly patient: string; readonly anchor: string } | undefined;

  follow({ event }: Json): void {
    const [type = '', action = ''] = event['hub.event'].split('-');
    const idOf = (wanted: string): string | undefined =>
      event.context.find((one: Json) => one.resource?.resourceType === wanted)?.resource.id;
    const anchor = `${type}/${idOf(type)}`;
    if (event['hub.event'] === 'Home-open' || event['hub.event'] === 'UserLogout') this.shows = undefined;
    else if (action === 'open') this.shows = { patient: idOf('Patient') ?? '', anchor };
    else if (action === 'close' && this.shows?.anchor === anchor) this.shows = undefined;
  }
}

abstract class Application extends Screen {
  readonly name: string;
  mood: Mood = 200;
  constructor(name: string) {
    super();
    this.name = name;
  }
  /** Answers what it was sent. */
  abstract take(): void;
  /** Whether it has a subscription. */
  abstract isKnown(state: SessionState | undefined): boolean;
}

class SocketApplication extends Application {
  peer: Peer;
  events: string;
  isAway = false;
  #read = 0;
  /** What it has not answered. */
  #pending: Json[] = [];
  seen: string[] = [];

  constructor(name: string, events: string, peer: Peer) {
    super(name);
    this.events = events;
    this.peer = peer;
  }

  get isHere(): boolean {
    return !this.isAway && this.peer.open;
  }

  isKnown(state: SessionState | undefined): boolean {
    return state?.subscriptions.has(this.peer.endpoint.split('/').at(-1) ?? '') === true;
  }

  connected(peer: Peer): void {
    this.peer = peer;
    this.isAway = false;
    this.#read = 0;
    this.#pending = [];
  }

  take(): void {
    const { asked } = this.peer;
    for (const event of asked.slice(this.#read)) {
      this.seen.push(event.id);
      this.#pending.push(event);
    }
    this.#read = asked.length;
    if (!this.isHere || this.mood === 'silent' || this.mood === 'slow' || this.mood === 0) return;
    for (const event of this.#pending.splice(0)) this.#answer(event, this.mood);
  }

  #answer(event: Json, status: number): void {
    if (status < 300) this.follow(event);
    this.peer.connection?.received(JSON.stringify({ id: event.id, status }));
  }

  late(onlyOldest: boolean): void {
    if (!this.isHere) return;
    for (const event of this.#pending.splice(0, onlyOldest ? 1 : this.#pending.length)) this.#answer(event, 200);
  }

  startAgain(peer: Peer): void {
    this.shows = undefined;
    this.seen = [];
    this.connected(peer);
  }
}

class HookApplication extends Application {
  readonly url: string;
  #waiting: { event: Json; answer: (status: number) => void }[] = [];

  constructor(name: string) {
    super(name);
    this.url = `https://app.example/${encodeURIComponent(name)}`;
  }

  post(event: Json, rig: Rig): Promise<number> {
    const { mood } = this;
    if (mood === 'silent' || mood === 'slow') {
      return new Promise((resolve) => {
        const waiting = { event, answer: resolve };
        this.#waiting.push(waiting);
        rig.clock.after(10_000, () => {
          this.#waiting = this.#waiting.filter((one) => one !== waiting);
          resolve(0);
        });
      });
    }
    if (mood >= 200 && mood < 300) this.follow(event);
    return Promise.resolve(mood);
  }

  late(): void {
    for (const { event, answer } of this.#waiting.splice(0)) {
      this.follow(event);
      answer(200);
    }
  }

  take(): void {}

  isKnown(state: SessionState | undefined): boolean {
    return [...(state?.subscriptions.values() ?? [])].some(({ callback }) => callback === this.url);
  }
}

/** The callbacks of one process: with it, all that is under way is gone. */
class Process implements Callbacks {
  isGone = false;
  readonly #hooks: Map<string, HookApplication>;
  readonly #rig: () => Rig;
  constructor(hooks: Map<string, HookApplication>, rig: () => Rig) {
    this.#hooks = hooks;
    this.#rig = rig;
  }
  async refusal(): Promise<undefined> {
    return undefined;
  }
  async get(url: string): Promise<CallbackAnswer> {
    if (this.isGone) return new Promise(() => undefined);
    return { status: 200, body: new URL(url).searchParams.get('hub.challenge') ?? '' };
  }
  async post(url: string, body: Uint8Array): Promise<CallbackAnswer> {
    if (this.isGone) return new Promise(() => undefined);
    const status = (await this.#hooks.get(url)?.post(JSON.parse(Buffer.from(body).toString()), this.#rig())) ?? 0;
    return this.isGone ? new Promise(() => undefined) : { status, body: '' };
  }
}

const type = fc.constantFrom('Patient' as const, 'ImagingStudy' as const, 'DiagnosticReport' as const);
const id = fc.constantFrom<string>('p1', 'p2', 'p3');
const one = fc.nat(5);
const list = fc.constantFrom(...LISTS);
const action = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('open' as const), type, id }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('close' as const), type, id }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('home' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('logout' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('select' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('repeat' as const) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('mood' as const), one, mood: fc.constantFrom(...MOODS) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('late' as const), one, oldest: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('lose' as const), one, code: fc.constantFrom(1006, 4001, 1001) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('back' as const), one, since: fc.constantFrom('last', 'old', 'none') }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('start again' as const), one, silent: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('renew' as const), one, list }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('hub' as const), crash: fc.boolean() }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(1000, 5000, 11_000, 61_000) }),
  },
);
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

class World {
  readonly rig: Rig;
  readonly topic: string;
  readonly hooks: Map<string, HookApplication>;
  readonly profile: VersionRules;
  readonly #processes: Process[];
  readonly #all: Application[] = [];
  #open: { readonly patient: string; readonly anchor: string } | undefined;
  #published = 0;
  #last: (() => Promise<unknown>) | undefined;

  constructor(
    rig: Rig,
    topic: string,
    profile: VersionRules,
    hooks: Map<string, HookApplication>,
    processes: Process[],
  ) {
    this.rig = rig;
    this.topic = topic;
    this.profile = profile;
    this.hooks = hooks;
    this.#processes = processes;
  }

  async join(events: string, asHook: boolean): Promise<void> {
    const name = `${this.topic.slice(0, 4)} App ${this.#all.length}`;
    if (!asHook) {
      const peer = await this.rig.join(this.topic, events, { 'subscriber.name': name });
      this.#all.push(new SocketApplication(name, events, peer));
      return;
    }
    const hook = new HookApplication(name);
    this.hooks.set(hook.url, hook);
    this.#all.push(hook);
    await this.#subscribeHook(hook, events);
  }

  async #subscribeHook(hook: HookApplication, events: string): Promise<void> {
    const form = { 'hub.channel.type': 'webhook', 'hub.callback': hook.url, 'subscriber.name': hook.name };
    const answer = await this.rig.subscribe(this.topic, events, form, access({ switches: { fhircast: 'STU2' } }));
    assert.ok(answer.ok);
  }

  #publish(event: string, context: readonly unknown[]): Promise<number> {
    this.#published += 1;
    const eventId = `event-${this.#published}`;
    const send = () => this.rig.publish(this.topic, event, context, { id: eventId });
    this.#last = send;
    return send();
  }

  async act(what: Action): Promise<void> {
    const app = 'one' in what ? this.#all[what.one % this.#all.length] : undefined;
    const socket = app instanceof SocketApplication ? app : undefined;
    switch (what.do) {
      case 'open':
        if ((await this.#publish(`${what.type}-open`, CONTEXTS[what.type](what.id))) === 202)
          this.#open = { patient: what.id, anchor: `${what.type}/${what.id}` };
        break;
      case 'close':
        if ((await this.#publish(`${what.type}-close`, CONTEXTS[what.type](what.id))) === 202)
          if (this.#open?.anchor === `${what.type}/${what.id}`) this.#open = undefined;
        break;
      case 'home':
        await this.#publish('Home-open', []);
        this.#open = undefined;
        break;
      case 'logout':
        await this.#publish('UserLogout', [parameters]);
        this.#open = undefined;
        await this.#forgetTheGone();
        break;
      case 'select': {
        const of = this.#open?.anchor;
        if (of?.startsWith('Patient/'))
          await this.#publish('Patient-select', [{ key: 'patient', reference: { reference: of } }, { key: 'select' }]);
        break;
      }
      case 'repeat':
        await this.#last?.();
        break;
      case 'mood':
        if (app) app.mood = what.mood;
        break;
      case 'late':
        if (socket) socket.late(what.oldest);
        else if (app instanceof HookApplication) app.late();
        break;
      case 'lose':
        if (socket?.isHere) {
          socket.isAway = true;
          socket.peer.connection?.closed(what.code);
          if (what.code === 1001) {
            socket.shows = undefined;
            socket.seen = [];
          }
        }
        break;
      case 'back':
        if (socket && !socket.isHere) await this.#back(socket, what.since);
        break;
      case 'start again':
        if (socket) await this.#startAgain(socket, what.silent);
        break;
      case 'renew':
        if (socket) {
          socket.events = what.list;
          await this.rig.subscribe(this.topic, what.list, {
            'hub.channel.endpoint': socket.peer.endpoint,
            'subscriber.name': socket.name,
          });
        } else if (app instanceof HookApplication) await this.#subscribeHook(app, what.list);
        break;
      case 'hub':
        await this.#restart(what.crash);
        break;
      case 'pass':
        await this.#pass(what.ms);
    }
    await this.#settle();
  }

  async #state(): Promise<SessionState | undefined> {
    return (await this.rig.hub.inspect(this.topic))?.state;
  }

  /** A logout forgets whose subscription has ended (ERR-8): it is to show nothing. */
  async #forgetTheGone(): Promise<void> {
    const state = await this.#state();
    for (const app of this.#all) if (!app.isKnown(state)) app.shows = undefined;
  }

  async #restart(crash: boolean): Promise<void> {
    if (!crash) await this.rig.hub.stop();
    for (const process of this.#processes) process.isGone = true;
    await this.rig.crash();
    for (const app of this.#all) if (app instanceof SocketApplication) app.isAway = true;
  }

  async #back(socket: SocketApplication, since: string): Promise<void> {
    const seen = socket.seen.filter((each) => each.startsWith('event-'));
    const asked = since === 'last' ? seen.at(-1) : since === 'old' ? seen[0] : undefined;
    const peer = await this.rig.connect(socket.peer.endpoint, asked);
    if (peer?.connection) socket.connected(peer);
    else socket.connected(await this.rig.join(this.topic, socket.events, { 'subscriber.name': socket.name }));
  }

  async #startAgain(socket: SocketApplication, silent: boolean): Promise<void> {
    const old = socket.isHere ? socket.peer : undefined;
    if (!silent) old?.connection?.closed(1006);
    socket.isAway = true;
    socket.startAgain(await this.rig.join(this.topic, socket.events, { 'subscriber.name': socket.name }));
    if (!silent || !old) return;
    await this.#settle();
    if (old.open) old.connection?.closed(1006, true);
  }

  async #pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 1000) {
      this.rig.clock.advance(1000);
      await turns();
      if (passed % 10_000 === 0) await this.#settle();
    }
  }

  async #settle(): Promise<void> {
    for (let round = 0; round < 4; round++) {
      await this.rig.settle(this.topic);
      await turns();
      // A callback that goes on from the log has read it by then.
      await this.rig.store.sessions.readLog(this.topic, 0, { limit: 1, bytes: 1 });
      for (const app of this.#all) app.take();
    }
    await this.rig.settle(this.topic);
  }

  /** Who is named, as the list of sessions has it. */
  async #named(): Promise<readonly NotFollowing[]> {
    const found = (await this.rig.hub.sessions()).find(({ topic }) => topic === this.topic);
    return found?.notFollowing ?? [];
  }

  /** What is untrue of what is told of who follows. */
  #untruths(names: readonly string[]): readonly string[] {
    const untrue: string[] = [];
    for (const app of this.#all) {
      const isRight = app.shows?.patient === this.#open?.patient || names.includes(app.name);
      // Who has just left, and shows nothing, is not waited for.
      const hasLeft = app instanceof SocketApplication && app.isAway && !app.shows;
      if (!isRight && !hasLeft) untrue.push(`${app.name} shows ${app.shows?.anchor} and is not named`);
      if (!(app instanceof SocketApplication) || !app.isHere || !app.events.includes(FOLLOWING_EVENT)) continue;
      const event = app.peer.events.findLast((one) => one.event['hub.event'] === FOLLOWING_EVENT)?.event;
      const tells: readonly string[] = event?.context.map((each: Json) => each.subscriber) ?? [];
      if (`${tells.toSorted()}` !== `${names.toSorted()}`) untrue.push(`${app.name} is told of ${tells}, not ${names}`);
    }
    return untrue;
  }

  /** Waits until all that is told of who follows is true. */
  async check(): Promise<void> {
    this.rig.clock.advance(1500);
    const found: { untrue: readonly string[] } = { untrue: [] };
    await eventually(`it is true who follows ${this.#open?.anchor}`, async () => {
      await this.#settle();
      found.untrue = this.#untruths((await this.#named()).map(({ name }) => name));
      return found.untrue.length === 0;
    }).catch((error: unknown) => assert.fail(`${error}: ${found.untrue}`));
  }

  async rest(): Promise<void> {
    for (const app of this.#all) {
      app.mood = 200;
      if (app instanceof SocketApplication) {
        if (!app.isHere) await this.#back(app, 'last');
        app.late(false);
      } else if (app instanceof HookApplication) {
        app.late();
        if (!app.isKnown(await this.#state())) await this.#subscribeHook(app, FULL);
      }
    }
    await this.#settle();
    await this.#pass(GRACE + 20_000);
    for (const app of this.#all) if (app instanceof SocketApplication && !app.isHere) await this.#back(app, 'last');
    await this.#settle();
    await this.check();
    // What nothing says is over yet is over with the next patient.
    await this.act({ do: 'open', type: 'Patient', id: 'p4' });
    await this.check();
    await eventually('at rest nobody is named', async () => {
      await this.#settle();
      return (await this.#named()).length === 0;
    }).catch(async (error: unknown) => assert.fail(`${error}: ${JSON.stringify(await this.#named())}`));
  }
}

for (const profile of [CORE, STU2, IRA]) {
  it(`ERR-8 whatever applications do by any door, and the Hub, who may show another patient is named, and at rest nobody is (${profile.name})`, async (t) => {
    const hooks = new Map<string, HookApplication>();
    const processes: Process[] = [];
    const cursors = new FakeCursors();
    const webhooks = {
      cursors,
      get callbacks(): Callbacks {
        const process = new Process(hooks, () => rig);
        processes.push(process);
        return process;
      },
    };
    const rig: Rig = await Rig.open(t, { profile, graceMs: GRACE, webhooks, retryMs: [1000, 2000, 4000] });
    const apps = fc.array(fc.tuple(list, fc.boolean()), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(apps, fc.array(action, { maxLength: 16 }), async (wanted, happens) => {
        const world = new World(rig, await rig.session(), profile, hooks, processes);
        for (const [events, asHook] of wanted) await world.join(events, asHook && profile !== IRA);
        for (const what of happens) {
          await world.act(what);
          await world.check();
        }
        await world.rest();
        await rig.hub.endSession(world.topic, 'Done');
      }),
      // The same sessions every time; leave the seed out to search others.
      { numRuns: 12, seed: 20261201, endOnFailure: true },
    );
  });
}
