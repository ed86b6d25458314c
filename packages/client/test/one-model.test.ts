/**
 * Random sessions against a real Lockstep: what the Hub accepts and answers, what the SDK holds, and what a replay of the
 * broadcast events shows are one and the same (CON-9).
 */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import {
  AS_READ,
  anchorKeyOf,
  type ContextElement,
  contextChange,
  type EventMessage,
  isObject,
  keyText,
  namedResource,
  type ResourceKey,
  readContent,
  type SharedContent,
  stepContexts,
} from '@lockstep/fhircast';
import fc from 'fast-check';
import { NOTHING, type Replayed, replay } from '../../console/src/sessions/replay.ts';
import { Subscriber } from '../src/index.ts';
import { RealHub } from './real-hub.ts';

const ANCHORS = ['Patient/p', 'DiagnosticReport/r', 'DiagnosticReport/s'] as const;
const TARGETS = ['Observation/a', 'Observation/b', 'Media/a', 'Patient/p', 'DiagnosticReport/r'] as const;
const URNS = ['urn:uuid:00000000-0000-4000-8000-000000000001', 'urn:uuid:00000000-0000-4000-8000-000000000002'];

function keyOf(text: string): ResourceKey {
  const key = namedResource(text);
  assert.ok(key);
  return key;
}

/** How an entry may name a resource, or another one. */
const address = (target: string, urn: string) =>
  fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(undefined, target) },
    {
      weight: 4,
      arbitrary: fc.constantFrom(
        `https://ehr.example/fhir/${target}`,
        `${target}/_history/3`,
        `http://x/${target}/_history/1`,
      ),
    },
    { weight: 3, arbitrary: fc.constant(urn) },
    { weight: 1, arbitrary: fc.constantFrom(...TARGETS, 'Observation', 'Observation?code=1') },
  );

const entry = fc
  .tuple(fc.constantFrom(...TARGETS), fc.constantFrom(...URNS))
  .chain(([target, urn]) =>
    fc.record({
      target: fc.constant(target),
      put: fc.boolean(),
      url: address(target, urn),
      fullUrl: address(target, urn),
      value: fc.integer({ min: 0, max: 9 }),
    }),
  )
  .map(({ target, put, url, fullUrl, value }) => {
    const { type: resourceType, id } = keyOf(target);
    return {
      ...(fullUrl === undefined ? {} : { fullUrl }),
      request: { method: put ? 'PUT' : 'DELETE', ...(url === undefined ? {} : { url }) },
      ...(put ? { resource: { resourceType, id, extension: [{ url: 'http://x/value', valueInteger: value }] } } : {}),
    };
  });

const anchor = fc.constantFrom(...ANCHORS);
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('open' as const), anchor }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('close' as const), anchor }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('update' as const),
      anchor,
      entries: fc.array(entry, { minLength: 1, maxLength: 3 }),
      stale: fc.integer({ min: 0, max: 9 }).map((chance) => chance === 0),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('select' as const), anchor, target: fc.constantFrom(...TARGETS) }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'home' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'logout' as const }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function element(anchorText: string, reference: boolean): ContextElement {
  const { type, id } = keyOf(anchorText);
  const key = anchorKeyOf(type);
  return reference ? { key, reference: { reference: anchorText } } : { key, resource: { resourceType: type, id } };
}

/** The event of a step, and what version it is made from. */
function eventOf(one: Step, state: Replayed): { name: string; context: ContextElement[]; versionId?: string } {
  if (one.do === 'home') return { name: 'Home-open', context: [] };
  if (one.do === 'logout')
    return { name: 'UserLogout', context: [{ key: 'parameters', resource: { resourceType: 'Parameters' } }] };
  const name = `${keyOf(one.anchor).type}-${one.do}`;
  switch (one.do) {
    case 'open':
    case 'close': {
      const patient = one.anchor === 'Patient/p' ? [] : [element('Patient/p', false)];
      return { name, context: [element(one.anchor, false), ...patient] };
    }
    case 'select':
      return { name, context: [element(one.anchor, true), { key: 'select', reference: { reference: one.target } }] };
    case 'update': {
      const bundle = { resourceType: 'Bundle', type: 'transaction', entry: one.entries };
      const versionId = one.stale ? 'stale' : (state.anchors.get(one.anchor)?.versionId ?? 'none');
      return { name, context: [element(one.anchor, true), { key: 'updates', resource: bundle }], versionId };
    }
  }
}

/** Content as text to compare: resources and full URLs by `Type/id`. */
function shown(content: SharedContent | undefined): string {
  return JSON.stringify([...(content ?? [])].sort(([a], [b]) => (a < b ? -1 : 1)));
}

let hub: RealHub;
let subscriber: Subscriber;
let token: string;
/** What was broadcast, in order, as the socket of a second subscriber got it. */
const log: { number: number; at: number; message: EventMessage }[] = [];
let heard: (() => void) | undefined;
let ids = 0;
let recorder: WebSocket;

async function publish(event: object): Promise<{ id: string; status: number }> {
  ids += 1;
  const id = `e${ids}`;
  const body = JSON.stringify({ timestamp: new Date().toISOString(), id, event: { 'hub.topic': hub.topic, ...event } });
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
  const response = await fetch(`${hub.origin}/hub`, { method: 'POST', headers, body });
  await response.text();
  return { id, status: response.status };
}

async function recorded(id: string): Promise<void> {
  while (log.at(-1)?.message.id !== id) {
    await new Promise<void>((resolve) => {
      heard = resolve;
    });
  }
}

before(async () => {
  hub = await RealHub.start();
  token = await hub.token();
  const events = [...new Set(ANCHORS.map((one) => keyOf(one).type))].flatMap((type) =>
    (['open', 'close', 'update', 'select'] as const).map((action) => `${type}-${action}` as const),
  );
  const connection = { hubUrl: `${hub.origin}/hub`, topic: hub.topic, token: () => hub.token() };
  subscriber = new Subscriber({ ...connection, events: [...events, 'Home-open', 'UserLogout'], name: 'Tested' });
  await subscriber.connect();
  const form = new URLSearchParams({
    'hub.channel.type': 'websocket',
    'hub.mode': 'subscribe',
    'hub.topic': hub.topic,
    'hub.events': [...events, 'Home-open', 'UserLogout'].join(),
    'subscriber.name': 'Recorder',
  });
  const answer = await fetch(`${hub.origin}/hub`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}` },
    body: form,
  });
  const endpoint = ((await answer.json()) as { 'hub.channel.endpoint': string })['hub.channel.endpoint'];
  recorder = new WebSocket(endpoint);
  recorder.addEventListener('message', ({ data }) => {
    const message: unknown = JSON.parse(String(data));
    if (!isObject(message) || !message.event) return;
    recorder.send(JSON.stringify({ id: message.id, status: 200 }));
    log.push({ number: log.length, at: 0, message: message as unknown as EventMessage });
    heard?.();
  });
  await new Promise((resolve) => recorder.addEventListener('open', resolve));
});

after(async () => {
  recorder.close(1000);
  await subscriber.unsubscribe();
  await hub.close();
});

/** Resolves once the SDK holds this context version, or none. */
async function settled(version: string | undefined): Promise<void> {
  await new Promise<void>((resolve) => {
    const stops: (() => void)[] = [];
    const look = () => {
      const { context, content, state } = subscriber;
      if (context?.versionId !== version || content === undefined || state.status === 'unknown') return;
      for (const stop of stops) stop();
      resolve();
    };
    for (const watch of [subscriber.onContext, subscriber.onContent, subscriber.onState]) {
      stops.push(watch.call(subscriber, look));
    }
    look();
  });
}

/** The Hub's answer, the SDK and the replay are equal. */
async function compare(state: Replayed): Promise<void> {
  const current = state.current === undefined ? undefined : state.anchors.get(state.current);
  const response = await fetch(`${hub.origin}/hub/${hub.topic}`, { headers: { Authorization: `Bearer ${token}` } });
  const read = (await response.json()) as {
    'context.type': string;
    'context.versionId'?: string;
    context: ContextElement[];
  };
  await settled(current?.versionId);
  const { context, content } = subscriber;
  assert.equal(read['context.type'], current?.key.type ?? '');
  assert.equal(read['context.versionId'], current?.versionId);
  assert.equal(context && `${context.type}/${context.id}`, current && keyText(current.key));
  const bundle = read.context.find(({ key }) => key === 'content')?.resource;
  const answered = readContent(Array.isArray(bundle?.entry) ? bundle.entry : []);
  assert.equal(shown(answered), shown(current?.content));
  const values = [...(current?.content ?? [])].map(([name, { resource }]) => [name, resource] as const);
  assert.deepEqual(new Map([...(content ?? [])].sort()), new Map(values.sort()));
  assert.deepEqual(context?.elements ?? [], current?.opening ?? []);
  assert.deepEqual(
    read.context.filter(({ key }) => key !== 'content'),
    current?.opening ?? [],
  );
}

it('CON-9 Hub, GET, SDK and replay hold the same after every step, and agree about what is accepted', async () => {
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 6, maxLength: 14 }), async (steps) => {
      log.length = 0;
      const { id: logout } = await publish({
        'hub.event': 'UserLogout',
        context: [{ key: 'parameters', resource: { resourceType: 'Parameters' } }],
      });
      await recorded(logout);
      let state = replay(log).at(-1) ?? NOTHING;
      for (const one of steps) {
        const { name, context, versionId } = eventOf(one, state);
        // What a Hub that knew the model alone would say.
        const version = versionId === undefined ? {} : { 'context.priorVersionId': versionId };
        const given = { id: '', timestamp: '', event: { 'hub.topic': '', 'hub.event': name, ...version, context } };
        const change = contextChange(given, context);
        const may = change === undefined || (change.ok && stepContexts(state, change.change, AS_READ).ok);
        const made = versionId === undefined ? {} : { 'context.versionId': versionId };
        const { id, status } = await publish({ 'hub.event': name, ...made, context });
        assert.equal(status, may ? 202 : status === 400 ? 400 : 409, JSON.stringify(given));
        if (!may) continue;
        accepted += 1;
        await recorded(id);
        state = replay(log).at(-1) ?? NOTHING;
        await compare(state);
      }
      // What is shared in the others shows when they are opened again.
      for (const name of [...state.anchors.keys()]) {
        const { name: event, context } = eventOf({ do: 'open', anchor: name as (typeof ANCHORS)[number] }, state);
        const { id } = await publish({ 'hub.event': event, context });
        await recorded(id);
        state = replay(log).at(-1) ?? NOTHING;
        await compare(state);
      }
    }),
    { numRuns: 25 },
  );
  assert.ok(accepted > 50, `${accepted} steps were accepted`);
});
