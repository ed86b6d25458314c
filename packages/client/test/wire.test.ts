import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket as WsSocket } from 'ws';
import {
  type Clock,
  type Content,
  type Context,
  Subscriber,
  type SubscriberOptions,
  type SyncState,
} from '../src/index.ts';
import { FaultProxy } from './fault-proxy.ts';
import { RealHub } from './real-hub.ts';
import { scriptedHub } from './scripted-hub.ts';

const SPEED = 20;

/** Real time, run through twenty times as fast: minutes of silence in seconds, with real sockets. */
const fast: Clock = {
  now: () => performance.timeOrigin + performance.now() * SPEED,
  after(ms, run) {
    const timer = setTimeout(run, ms / SPEED);
    return () => clearTimeout(timer);
  },
};

/** A session on some Hub behind the proxy, and two applications in it: one under test, one that never has trouble. */
interface Setup {
  readonly proxy: FaultProxy;
  readonly tested: Subscriber;
  /** Reaches the Hub without the proxy. */
  readonly other: Subscriber;
  readonly states: SyncState[];
  readonly hub: RunningHub;
  end(): Promise<void>;
}

interface RunningHub {
  readonly origin: string;
  readonly topic: string;
  readonly token: () => Promise<string>;
  close(): Promise<void>;
}

interface Kind {
  readonly name: string;
  start(proxy: FaultProxy): Promise<RunningHub>;
}

const lockstep: Kind = {
  name: 'Lockstep',
  async start(proxy) {
    const hub = await RealHub.start(proxy.origin);
    return { origin: hub.origin, topic: hub.topic, token: () => hub.token(), close: () => hub.close() };
  },
};

const kinds: readonly Kind[] = [
  {
    name: "another maker's Hub",
    async start(proxy) {
      const { hub, origin, close } = await scriptedHub(proxy.origin);
      hub.can.since = false;
      return { origin, topic: hub.topic, token: async () => 'token', close };
    },
  },
  lockstep,
];

async function setup(kind: Kind, options: Partial<SubscriberOptions> = {}): Promise<Setup> {
  const proxy = await FaultProxy.start();
  const hub = await kind.start(proxy);
  proxy.target = hub.origin;
  const common: SubscriberOptions = {
    hubUrl: `${proxy.origin}/hub`,
    topic: hub.topic,
    token: hub.token,
    events: ['Patient-open', 'DiagnosticReport-open', 'DiagnosticReport-update'],
    onError: (error) => assert.fail(String(error)),
  };
  const tested = new Subscriber({ ...common, name: 'Tested', ...options, ports: { clock: fast, ...options.ports } });
  const other = new Subscriber({
    ...common,
    hubUrl: `${hub.origin}/hub`,
    name: 'Other',
    ports: { clock: fast, WebSocket: around(proxy, hub.origin) },
  });
  const states: SyncState[] = [];
  tested.onState((state) => states.push(state));
  const [first, second] = await Promise.all([tested.connect(), other.connect()]);
  assert.deepEqual([first.status, second.status], ['in-sync', 'in-sync']);
  return {
    proxy,
    tested,
    other,
    states,
    hub,
    async end() {
      await Promise.all([tested.unsubscribe(), other.unsubscribe()]);
      await proxy.close();
      await hub.close();
    },
  };
}

/** The Hub names endpoints at the proxy; the other application goes around it. */
function around(proxy: FaultProxy, origin: string) {
  return class extends WebSocket {
    constructor(url: string) {
      super(url.replace(proxy.origin.replace('http', 'ws'), origin.replace('http', 'ws')));
    }
  };
}

function view(subscriber: { context: Context | undefined; content: Content | undefined }): string {
  const { context, content } = subscriber;
  if (!context) return 'empty';
  const sorted = [...(content ?? [])].sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([context.type, context.id, context.versionId, sorted]);
}

/**
 * Resolves once the application under test is in sync and both hold the same. The other one may be out of sync: it was
 * told that this one was gone, and only a new context ends that (4.2.1 "Re-establishing sync").
 */
async function together({ tested, other }: Setup): Promise<void> {
  await new Promise<void>((resolve) => {
    const stops: (() => void)[] = [];
    const look = () => {
      const calm = tested.state.status === 'in-sync' && /sync/.test(other.state.status);
      if (!calm || view(tested) !== view(other)) return;
      for (const stop of stops) stop();
      resolve();
    };
    for (const one of [tested, other]) stops.push(one.onState(look), one.onContext(look), one.onContent(look));
    look();
  });
}

/** Resolves at the next state that is not in-sync. */
function disturbed(subscriber: Subscriber): Promise<SyncState> {
  return new Promise((resolve) => {
    if (subscriber.state.status !== 'in-sync') {
      resolve(subscriber.state);
      return;
    }
    const stop = subscriber.onState((state) => {
      if (state.status === 'in-sync') return;
      stop();
      resolve(state);
    });
  });
}

/** Resolves once the application is in sync, and so is every other one as far as it knows. */
function inSync(subscriber: Subscriber): Promise<void> {
  return new Promise((resolve) => {
    const stop = subscriber.onState(({ status }) => {
      if (status !== 'in-sync') return;
      stop();
      resolve();
    });
    if (subscriber.state.status !== 'in-sync') return;
    stop();
    resolve();
  });
}

/** Resolves with who did not follow. */
function trouble(subscriber: Subscriber): Promise<string | undefined> {
  return new Promise((resolve) => {
    const look = (state: SyncState) => {
      if (state.status !== 'out-of-sync') return;
      stop();
      resolve(state.who);
    };
    const stop = subscriber.onState(look);
    look(subscriber.state);
  });
}

const patient = { resourceType: 'Patient', id: 'p1' };
const report = (id: string) => ({ resourceType: 'DiagnosticReport', id, status: 'unknown' });
const observation = (id: string, value: number) => ({ put: { resourceType: 'Observation', id, valueInteger: value } });
const openReport = (by: Subscriber, id: string) => by.openReport(report(id), { patient });

for (const kind of kinds) {
  describe(`real sockets, ${kind.name}`, () => {
    it('two applications open, share and close, each with the other', async () => {
      const session = await setup(kind);
      const { tested, other } = session;
      const seen: string[] = [];
      other.on('*', (event) => {
        seen.push(event.name);
      });
      await openReport(tested, 'r1');
      await together(session);
      await Promise.all([
        ...[1, 2, 3].map((at) => tested.update(() => [observation(`t${at}`, at)])),
        ...[1, 2, 3].map((at) => other.update(() => [observation(`o${at}`, at)])),
      ]);
      await together(session);
      assert.equal(tested.content?.size, 6);
      await other.close();
      await together(session);
      assert.equal(tested.context, undefined);
      assert.equal(seen[0], 'DiagnosticReport-open');
      assert.equal(seen.at(-1), 'DiagnosticReport-close');
      await session.end();
    });

    it('CON-8 twenty increments by two applications at once count twenty', async () => {
      const session = await setup(kind);
      const { tested, other } = session;
      await openReport(tested, 'r1');
      await together(session);
      await tested.update([observation('count', 0)]);
      await together(session);
      const increment = (by: Subscriber) =>
        by.update((content) => [observation('count', Number(content.get('Observation/count')?.valueInteger) + 1)]);
      for (let round = 0; round < 10; round++) await Promise.all([increment(tested), increment(other)]);
      await together(session);
      assert.equal(tested.content?.get('Observation/count')?.valueInteger, 20);
      await session.end();
    });

    const faults: [name: string, hurt: (session: Setup) => Promise<void> | void, heal: (session: Setup) => void][] = [
      [
        'cut',
        ({ proxy }) => {
          proxy.refuse = true;
          proxy.cut();
        },
        ({ proxy }) => {
          proxy.refuse = false;
        },
      ],
      ['half-closed', ({ proxy }) => proxy.halfClose(), () => {}],
      [
        'silent in both directions',
        ({ proxy }) => {
          proxy.mute = true;
        },
        ({ proxy }) => {
          proxy.mute = false;
        },
      ],
    ];
    for (const [name, hurt, heal] of faults) {
      it(`a connection that is ${name}: the state is honest, and ends in-sync with the Hub's content`, async () => {
        const session = await setup(kind);
        const { tested, other } = session;
        await openReport(other, 'r1');
        await other.update([observation('o1', 1)]);
        await together(session);
        await hurt(session);
        await Promise.all([
          disturbed(tested),
          other.update([observation('o2', 2)]).then(() => other.update([{ remove: 'Observation/o1' }])),
        ]);
        heal(session);
        await together(session);
        assert.deepEqual([...(tested.content?.keys() ?? [])], ['Observation/o2']);
        await openReport(other, 'r2');
        await together(session);
        assert.equal(tested.context?.id, 'r2');
        await inSync(other);
        await session.end();
      });
    }

    it('frames that come late and in another order end in the same content', async () => {
      const session = await setup(kind);
      const { proxy, other } = session;
      await openReport(other, 'r1');
      await together(session);
      for (const order of [
        (frames: readonly string[]) => [...frames].reverse(),
        (frames: readonly string[]) => frames.toSorted((a, b) => a.length - b.length || (a < b ? 1 : -1)),
        (frames: readonly string[]) => [...frames, ...frames],
      ]) {
        proxy.hold = true;
        for (let at = 0; at < 4; at++) await other.update([observation(`o${at}`, Math.random())]);
        proxy.release(order);
        await together(session);
      }
      await session.end();
    });
  });
}

describe('real sockets', () => {
  it("works with the ws package's WebSocket, for Node 20", async () => {
    const hub = await scriptedHub();
    const subscriber = new Subscriber({
      hubUrl: `${hub.origin}/hub`,
      topic: hub.hub.topic,
      token: 'token',
      events: ['Patient-open'],
      ports: { WebSocket: WsSocket },
    });
    assert.equal((await subscriber.connect()).status, 'in-sync');
    const opened = new Promise((resolve) =>
      subscriber.on('Patient-open', (event) => resolve(event.resources.patient.id)),
    );
    hub.hub.openPatient('p1', Date.now());
    assert.equal(await opened, 'p1');
    await subscriber.unsubscribe();
    assert.equal(hub.hub.subscriptions.size, 0);
    await hub.close();
  });

  it('HZ-4 DER-2 a patient told by a derived open is shown no longer once its study is closed, or the user logs out', async () => {
    // No reading of the Hub may have to find it out.
    const session = await setup(lockstep, { events: ['Patient-open'], checkEvery: 0 });
    const { tested, other } = session;
    const study = { resourceType: 'ImagingStudy', id: 's1', status: 'available', subject: { reference: 'Patient/p1' } };
    const elements = [
      { key: 'study', resource: study },
      { key: 'patient', resource: patient },
    ];
    const shown: (string | undefined)[] = [];
    const until = (id: string | undefined) =>
      new Promise<void>((resolve) => {
        const stop = tested.onContext((context) => {
          if (context?.id !== id) return;
          stop();
          resolve();
        });
      });
    tested.follow((context, event) => {
      if (!event.derived) shown.push(context?.id);
    });
    for (const end of [() => other.publish('ImagingStudy-close', elements), () => other.logout()]) {
      const isOpen = until('p1');
      await other.openStudy(study, { patient });
      await isOpen;
      const isEnded = until(undefined);
      await end();
      await isEnded;
      await inSync(tested);
    }
    assert.deepEqual(shown, ['p1', undefined, 'p1', undefined]);
    await session.end();
  });

  it('ERR-2 ERR-3 a refusal and a lost connection reach the other application, until it follows again', async () => {
    const session = await setup(lockstep);
    const { tested, other, proxy } = session;
    let busy = true;
    tested.on('Patient-open', () => !busy);
    await other.openPatient(patient);
    assert.equal(await trouble(other), 'Tested');
    busy = false;
    await other.openPatient({ ...patient, id: 'p2' });
    await inSync(other);
    proxy.cut();
    assert.equal(await trouble(other), 'Tested');
    await session.end();
  });

  it('ERR-8 SUB-11 who comes back does not believe a SyncError that was over before', async () => {
    const session = await setup(lockstep);
    const { tested, other, proxy, hub } = session;
    const until = async (what: RegExp) => {
      const headers = { Authorization: `Bearer ${await hub.token()}` };
      while (!what.test(await (await fetch(`${hub.origin}/hub/session`, { headers })).text())) await pause(10);
    };
    // Who has been sent an event comes back for what it has missed since.
    await other.openPatient({ ...patient, id: 'p0' });
    await Promise.all([inSync(tested), inSync(other)]);
    let decide = (_follows: boolean): void => assert.fail('it was not asked');
    other.follow(() => new Promise<boolean>((resolve) => (decide = resolve)));
    const gone = disturbed(tested);
    proxy.refuse = true;
    proxy.cut();
    await gone;
    await other.openPatient(patient);
    await until(/"subscriber":"Other","why":"refused"/);
    decide(true);
    await until(/^(?!.*"subscriber":"Other")/s);
    const { length } = session.states;
    proxy.refuse = false;
    await inSync(tested);
    // Of itself it hears that it has not followed yet.
    const named = session.states.slice(length).flatMap((one) => (one.status === 'out-of-sync' ? one.others : []));
    assert.ok(!named.some(({ name }) => name === 'Other'));
    await session.end();
  });

  it('SUB-11 a Lockstep that is stopped and started again finds its subscribers back, with what they missed', async () => {
    const proxy = await FaultProxy.start();
    const hub = await RealHub.start(proxy.origin);
    proxy.target = hub.origin;
    const make = (name: string) =>
      new Subscriber({
        hubUrl: `${proxy.origin}/hub`,
        topic: hub.topic,
        token: () => hub.token(),
        events: ['DiagnosticReport-open', 'DiagnosticReport-update'],
        name,
      });
    const [one, two] = [make('One'), make('Two')];
    await Promise.all([one.connect(), two.connect()]);
    await openReport(one, 'r1');
    await one.update([observation('o1', 1)]);
    await inSync(two);
    const lost = disturbed(two);
    await hub.down();
    assert.equal((await lost).status, 'connecting');
    proxy.refuse = true;
    await hub.up();
    proxy.refuse = false;
    const session = { tested: one, other: two } as Setup;
    await together(session);
    await two.update([observation('o2', 2)]);
    await together(session);
    assert.equal(one.content?.size, 2);
    await Promise.all([one.unsubscribe(), two.unsubscribe()]);
    await proxy.close();
    await hub.close();
  });
});
