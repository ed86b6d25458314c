import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { HubError, type SyncState } from '../src/index.ts';
import type { ModelHub } from './model-hub.ts';
import { type FrameFault, type HttpFault, held, VirtualNetwork } from './virtual.ts';

/** Whatever escapes the client as a rejection nobody awaited. */
const escaped: unknown[] = [];
const note = (error: unknown) => escaped.push(error);
before(() => process.on('unhandledRejection', note));
after(() => {
  process.off('unhandledRejection', note);
  assert.deepEqual(escaped, []);
});

const topic = 'topic-1';
const nonsense = [
  '',
  'null',
  '[]',
  '42',
  '"hub.mode"',
  '{',
  '<!doctype html><title>502 Bad Gateway</title>',
  '{}',
  '{"hub.mode":"subscribe"}',
  '{"hub.mode":"subscribe","hub.topic":"another","hub.events":"*","hub.lease_seconds":1}',
  `{"hub.mode":"subscribe","hub.topic":"${topic}","hub.events":7,"hub.lease_seconds":"soon"}`,
  `{"hub.mode":"subscribe","hub.topic":"${topic}","hub.events":"","hub.lease_seconds":-5}`,
  `{"hub.mode":"denied","hub.topic":"another"}`,
  '{"hub.mode":"banana"}',
  '{"id":1,"event":null}',
  '{"id":"x","event":{}}',
  `{"id":"x1","event":{"hub.topic":"${topic}","hub.event":"Patient-open"}}`,
  `{"id":"x2","event":{"hub.topic":"${topic}","hub.event":"Patient-open","context":"none"}}`,
  `{"id":"x3","timestamp":7,"event":{"hub.topic":"${topic}","hub.event":"patient-OPEN","context":[null,{"key":3}]}}`,
  `{"id":"x4","event":{"hub.topic":"${topic}","hub.event":"DiagnosticReport-update","context":[{"key":"report","reference":[]}]}}`,
  `{"id":"x5","event":{"hub.topic":"${topic}","hub.event":"SyncError","context":[{"key":"operationoutcome","resource":{"resourceType":"OperationOutcome","issue":[{"details":{"coding":"no"}}]}}]}}`,
  `{"id":"x6","event":{"hub.topic":"${topic}","hub.event":"__proto__-open","context":[{"key":"__proto__","resource":{"resourceType":"__proto__","id":"constructor"}}]}}`,
  `{"event":{"hub.topic":"${topic}","hub.event":"heartbeat","context":[]}}`,
  `{"id":"x7","event":{"hub.topic":"${topic}","hub.event":"org.example.greeting","context":[{"key":"any"}]},"extra":{"deep":[[[[]]]]}}`,
  '['.repeat(100_000),
  `{"id":"half \\ud800","event":{"hub.topic":"${topic}","hub.event":"DiagnosticReport-update","context":[]}}`,
  `{"id":"deep","event":{"hub.topic":"${topic}","hub.event":"Home-open","context":[{"key":"x","y":${'['.repeat(50_000)}${']'.repeat(50_000)}}]}}`,
  `{"id":"big","event":{"hub.topic":"${topic}","hub.event":"Patient-open","context":[{"key":"patient","resource":{"resourceType":"Patient","id":"big","x":"${'y'.repeat(300_000)}"}}]}}`,
];

/** Values that cannot be made into text or a number, or only into a strange one. */
const oddities: fc.Arbitrary<unknown> = fc.constantFrom<unknown>(
  ...[{ toString: 1, valueOf: 1 }, { length: 1 }, [{ toString: 0 }], [[]], null, true, -1, 1e308, 0.001, '', '\ud800'],
  ...['constructor', '__proto__', '+275760-09-13T00:00:00.000Z', '-271821-04-20T00:00:00.000Z', ','.repeat(1000)],
);

const message = (id: string, name: string, context: readonly unknown[]) => ({
  timestamp: '2026-11-22T08:00:00Z',
  id,
  event: { 'hub.topic': topic, 'hub.event': name, 'context.versionId': id, 'context.priorVersionId': 'v', context },
});
const wellFormed: readonly unknown[] = [
  { 'hub.mode': 'subscribe', 'hub.topic': topic, 'hub.events': 'Patient-open,SyncError', 'hub.lease_seconds': 7200 },
  message('odd-1', 'Patient-open', [{ key: 'patient', resource: { resourceType: 'Patient', id: 'p1' } }]),
  message('odd-2', 'DiagnosticReport-update', [
    { key: 'report', reference: { reference: 'DiagnosticReport/r1' } },
    {
      key: 'updates',
      resource: {
        resourceType: 'Bundle',
        entry: [
          { request: { method: 'PUT', url: 'Observation/o1' }, resource: { resourceType: 'Observation', id: 'o1' } },
          { fullUrl: 'Observation/o1', request: { method: 'DELETE', url: 'Observation/o1' } },
          { request: { method: 'DELETE' }, resource: { resourceType: 'Observation', id: 'o2' } },
        ],
      },
    },
  ]),
  message('odd-3', 'SyncError', [
    {
      key: 'operationoutcome',
      resource: {
        resourceType: 'OperationOutcome',
        issue: [{ diagnostics: 'no', details: { coding: [{ system: 'https://x/syncerror/eventid', code: 'e' }] } }],
      },
    },
  ]),
  message('odd-4', 'DiagnosticReport-select', [{ key: 'select', reference: [{ reference: 'Observation/o1' }] }]),
];

/** The values inside a value, each with a way to put another in its place. */
function places(value: unknown): ((odd: unknown) => void)[] {
  if (typeof value !== 'object' || value === null) return [];
  const holder = value as Record<string, unknown>;
  return Object.keys(holder).flatMap((key) => [
    (odd: unknown) => {
      holder[key] = odd;
    },
    ...places(holder[key]),
  ]);
}

/** A message as it should be, but for one value. */
const almost = fc.tuple(fc.constantFrom(...wellFormed), fc.nat(), oddities).map(([one, at, odd]) => {
  const copy = structuredClone(one);
  const all = places(copy);
  all[at % all.length]?.(odd);
  return JSON.stringify(copy);
});

const closeCodes = [1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1011, 1012, 1013, 1015, 3000, 4000, 4999];

const httpAnswers: HttpFault[] = [
  'cut',
  'lose-answer',
  { status: 200, body: '<html>captive portal</html>' },
  { status: 202, body: '' },
  { status: 202, body: '{"hub.channel.endpoint":7}' },
  { status: 202, body: '{"hub.channel.endpoint":"javascript:alert(1)"}' },
  { status: 202, body: '{"hub.channel.endpoint":"wss://nobody.test/ws"}' },
  { status: 200, body: '{"context.type":5,"context":{}}' },
  {
    status: 200,
    body: '{"context.type":"Patient","context":[{"key":"patient","resource":{"resourceType":"Patient"}}]}',
  },
  {
    status: 200,
    body: `{"context.type":"Patient","context":[{"key":"patient","resource":{"resourceType":"Patient","id":"p1","x":${'['.repeat(50_000)}${']'.repeat(50_000)}}}]}`,
  },
  { status: 200, body: 'x'.repeat(300_000) },
  { status: 302, body: '', headers: { Location: 'https://elsewhere.test' } },
  { status: 408, body: '' },
  { status: 429, body: 'slow down', headers: { 'Retry-After': '2' } },
  { status: 500, body: 'oops' },
  { status: 503, body: '<html>', headers: { 'Retry-After': 'Tue, 24 Nov 2026 08:00:00 GMT' } },
];

type Plain =
  | 'open'
  | 'report'
  | 'close'
  | 'observe'
  | 'home'
  | 'mine'
  | 'change'
  | 'refused'
  | 'deny'
  | 'forget'
  | 'die'
  | 'return'
  | 'dead';

type Step =
  | {
      kind: Plain;
      n: number;
    }
  | { kind: 'close-socket'; code: number }
  | { kind: 'frame'; text: string }
  | { kind: 'http'; fault: HttpFault; times: number }
  | { kind: 'frames'; fault: FrameFault; times: number }
  | { kind: 'sign'; sign: 'online' | 'offline' | 'wake' }
  | { kind: 'sleep'; ms: number };

const simple = (...kinds: Plain[]) => fc.record({ kind: fc.constantFrom(...kinds), n: fc.nat(3) });

const step: fc.Arbitrary<Step> = fc.oneof(
  { arbitrary: simple('open', 'report', 'close', 'observe', 'observe', 'observe', 'home'), weight: 10 },
  { arbitrary: simple('mine', 'mine', 'change', 'refused'), weight: 4 },
  { arbitrary: simple('deny', 'forget', 'die', 'return', 'dead'), weight: 3 },
  fc.record({ kind: fc.constant('close-socket' as const), code: fc.constantFrom(...closeCodes) }),
  fc.record({ kind: fc.constant('frame' as const), text: fc.oneof(fc.constantFrom(...nonsense), fc.json()) }),
  fc.record({
    kind: fc.constant('http' as const),
    fault: fc.constantFrom(...httpAnswers),
    times: fc.integer({ min: 1, max: 4 }),
  }),
  fc.record({
    kind: fc.constant('frames' as const),
    fault: fc.oneof(
      fc.constantFrom<FrameFault>('drop', 'twice', 'late'),
      fc.constantFrom(...nonsense).map((instead): FrameFault => ({ instead })),
    ),
    times: fc.integer({ min: 1, max: 4 }),
  }),
  fc.record({
    kind: fc.constant('sign' as const),
    sign: fc.constantFrom('online' as const, 'offline' as const, 'wake' as const),
  }),
  fc.record({ kind: fc.constant('sleep' as const), ms: fc.integer({ min: 1000, max: 100_000 }) }),
);
const script = fc.array(fc.tuple(step, fc.constantFrom(0, 1, 7, 40, 300, 3000, 20_000)), {
  minLength: 1,
  maxLength: 40,
});

/** What makers' Hubs differ in, of those that can be read. */
const flag = fc.boolean();
const abilities = fc.record({ since: flag, resend: flag, reconfirm: flag, versions: flag, pong: flag });

/** Silence, the time a gentle check takes to show, and two ticks: what the client promises at most. */
const HONEST_WITHIN = 15_000 + 2000 + 2 * 2000 + 100;

class Session {
  readonly network = new VirtualNetwork();
  readonly errors: unknown[] = [];
  readonly states: SyncState[] = [];
  readonly subscriber = this.network.subscriber({
    maxMessage: 200_000,
    onError: (error) => this.errors.push(error),
  });
  /** What was true at the Hub, and since when. */
  #truths: { truth: string; from: number }[] = [];
  /** Requests of the client's that are not answered yet. */
  waiting = 0;

  constructor(can: Partial<ModelHub['can']> = {}) {
    // What is held of a context that is not current any more was never the Hub's truth as a whole.
    const { hub } = this.network;
    Object.assign(hub.can, can, { nonCurrent: false });
    const publish = hub.publish.bind(hub);
    hub.publish = (message, token) => {
      this.#note();
      const answer = publish(message, token);
      this.#note();
      return answer;
    };
    this.subscriber.on('*', (event) => {
      assert.ok(event.resources);
      assert.ok(event.selected);
    });
    this.subscriber.onState((state) => this.states.push(state));
    void this.subscriber.connect();
  }

  apply(one: Step): void {
    const { hub, clock } = this.network;
    const now = clock.now();
    const sockets = [...this.network.sockets];
    switch (one.kind) {
      case 'open':
        hub.openPatient(`p${one.n}`, now);
        break;
      case 'report':
        hub.openReport(`r${one.n}`, now);
        break;
      case 'close': {
        const open = hub.current === undefined ? undefined : hub.contexts.get(hub.current);
        if (open) hub.say(`${open.type}-close`, open.message.event.context, now);
        break;
      }
      case 'observe':
        if (hub.current?.startsWith('DiagnosticReport')) {
          hub.observe(`o${one.n}`, one.n === 3 ? undefined : hub.log.length, now);
        }
        break;
      case 'home':
        hub.say('Home-open', [], now);
        break;
      case 'mine':
        this.#publish(this.subscriber.openPatient({ resourceType: 'Patient', id: `p${one.n}` }));
        break;
      case 'change':
        // Of other contexts it gets no updates, and promises nothing of their content.
        if (this.subscriber.context?.type !== 'DiagnosticReport') break;
        this.#publish(this.subscriber.update(() => [{ put: { resourceType: 'Observation', id: `o${one.n}` } }]));
        break;
      case 'refused': {
        const open = hub.current === undefined ? undefined : hub.contexts.get(hub.current);
        if (open) hub.syncError(open.message.id, `${open.type}-open`, `writer ${one.n}`, now);
        break;
      }
      case 'deny':
        for (const endpoint of [...hub.subscriptions.keys()]) hub.deny(endpoint, 'because');
        break;
      case 'forget':
        hub.subscriptions.clear();
        for (const socket of sockets) socket.cut(1012);
        break;
      case 'die':
        this.network.down();
        break;
      case 'return':
        this.network.up = true;
        break;
      case 'dead':
        for (const socket of sockets) socket.dead = true;
        break;
      case 'close-socket':
        for (const socket of sockets) socket.cut(one.code);
        break;
      case 'frame':
        for (const socket of sockets) socket.inject(one.text);
        break;
      case 'http': {
        let left = one.times;
        this.network.httpFault = () => (left-- > 0 ? one.fault : undefined);
        break;
      }
      case 'frames': {
        let left = one.times;
        this.network.frameFault = () => (left-- > 0 ? one.fault : undefined);
        break;
      }
      case 'sign':
        this.network.sign(one.sign);
        break;
      case 'sleep':
        clock.sleep(one.ms);
        break;
    }
    this.look();
  }

  /** What the client publishes succeeds, or fails with the one error that it may fail with. */
  #publish(sent: Promise<unknown>): void {
    this.waiting++;
    sent
      .catch((error: unknown) => {
        if (!(error instanceof HubError)) this.errors.push(error);
      })
      .finally(() => {
        this.waiting--;
      });
  }

  #note(): void {
    const truth = this.network.hub.truth();
    if (this.#truths.at(-1)?.truth !== truth) this.#truths.push({ truth, from: this.network.clock.now() });
  }

  /** In-sync must mean: what is held was true at the Hub no longer ago than the client needs to notice. */
  look(): void {
    const now = this.network.clock.now();
    this.#note();
    if (this.subscriber.state.status !== 'in-sync') return;
    const mine = held(this.subscriber);
    const good = this.#truths.some(({ truth: one }, at) => {
      const until = this.#truths[at + 1]?.from ?? now;
      return one === mine && until >= now - HONEST_WITHIN;
    });
    assert.ok(good, `in-sync with ${mine}\nHub: ${JSON.stringify(this.#truths.slice(-4))}`);
  }

  async pass(ms: number): Promise<void> {
    const { clock } = this.network;
    for (let left = ms; left > 0; left -= 500) {
      await clock.advance(Math.min(left, 500));
      this.look();
    }
  }
}

describe('a Hub that answers nonsense', () => {
  for (const [at, text] of nonsense.entries()) {
    it(`frame ${at}: ${text.slice(0, 60)}`, async () => {
      const session = new Session();
      await session.network.clock.until(() => session.subscriber.state.status === 'in-sync');
      session.network.hub.openPatient('p1', session.network.clock.now());
      await session.pass(100);
      for (const socket of session.network.sockets) {
        socket.inject(text);
        socket.inject(new TextEncoder().encode(text).buffer);
        socket.inject({ neither: 'text nor bytes' });
      }
      session.look();
      await session.pass(10_000);
      await session.network.clock.until(() => session.subscriber.state.status !== 'unknown');
      session.look();
    });
  }

  it('anything in the place of any value of a message', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(almost, { minLength: 1, maxLength: 10 }), async (texts) => {
        const session = new Session();
        const { network, subscriber } = session;
        const { hub, clock } = network;
        await clock.until(() => subscriber.state.status === 'in-sync');
        // A handler that never decides: then the client has something to say about the event itself.
        subscriber.on('Patient-open', () => new Promise(() => {}));
        hub.openReport('r1', clock.now());
        hub.observe('o1', 1, clock.now());
        await clock.advance(100);
        for (const text of texts) for (const socket of network.sockets) socket.inject(text);
        await clock.advance(12_000);
        for (const socket of [...network.sockets]) socket.cut(1006);
        await clock.advance(12_000);
        session.apply({ kind: 'mine', n: 2 });
        await clock.advance(12_000);
        hub.openReport('r2', clock.now());
        // What it was told wrongly is believed until the Hub is read again.
        await clock.advance(80_000);
        assert.equal(held(subscriber), hub.truth());
        assert.equal(subscriber.state.status, 'in-sync');
        assert.deepEqual(session.errors, []);
      }),
      { numRuns: Number(process.env.FC_RUNS ?? 300) },
    );
  });

  for (const code of closeCodes) {
    it(`close code ${code}: comes back`, async () => {
      const session = new Session();
      await session.network.clock.until(() => session.subscriber.state.status === 'in-sync');
      for (const socket of [...session.network.sockets]) socket.cut(code);
      session.network.hub.openPatient('p1', session.network.clock.now());
      await session.pass(100);
      await session.network.clock.until(() => session.subscriber.state.status === 'in-sync');
      assert.equal(held(session.subscriber), session.network.hub.truth());
    });
  }

  const beginnings: [what: string, frame: string, end: string][] = [
    ['a denial', `{"hub.mode":"denied","hub.topic":"${topic}","hub.reason":"not you"}`, 'closed'],
    ['no confirmation', '{}', 'connecting'],
    [
      'an event and no confirmation',
      '{"id":"e","event":{"hub.topic":"topic-1","hub.event":"Home-open","context":[]}}',
      'in-sync',
    ],
  ];
  for (const [what, frame, end] of beginnings) {
    it(`${what} instead of the confirmation: ${end}`, async () => {
      const session = new Session();
      session.network.hub.connect = (_endpoint, _since, socket) => {
        socket.send(frame);
        return true;
      };
      await session.pass(60_000);
      assert.equal(session.subscriber.state.status, end);
    });
  }

  it('never throws, is never falsely in-sync, and ends in-sync with what the Hub has, whatever happened', async () => {
    await fc.assert(
      fc.asyncProperty(script, abilities, async (steps, can) => {
        const session = new Session(can);
        const { network, subscriber } = session;
        for (const [one, pause] of steps) {
          session.apply(one);
          await session.pass(pause);
        }
        // The faults end; what the client was denied for good, it may have given up.
        network.up = true;
        network.httpFault = () => undefined;
        network.frameFault = () => undefined;
        for (let waited = 0; waited < 300 && !/in-sync|closed/.test(subscriber.state.status); waited++)
          await session.pass(40_000);
        if (subscriber.state.status === 'closed') {
          assert.ok(steps.some(([one]) => one.kind === 'deny' || one.kind === 'http' || one.kind === 'frames'));
          void subscriber.connect();
        }
        // What the client still has to say it may say after a minute, when the Hub asked for that.
        for (let waited = 0; waited < 10 && session.waiting > 0; waited++) await session.pass(40_000);
        await session.pass(40_000);
        assert.equal(held(subscriber), network.hub.truth());
        if (subscriber.state.status === 'out-of-sync') {
          // The Hub said that somebody did not follow: only a new context ends that.
          assert.ok(steps.some(([one]) => one.kind === 'refused' || JSON.stringify(one).includes('SyncError')));
          network.hub.openPatient('next', network.clock.now());
          await session.pass(40_000);
        }
        assert.equal(subscriber.state.status, 'in-sync', JSON.stringify(session.states.slice(-5)));
        assert.equal(held(subscriber), network.hub.truth());
        assert.deepEqual(session.errors, []);
      }),
      { numRuns: Number(process.env.FC_RUNS ?? 150) },
    );
  });
});
