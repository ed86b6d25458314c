/** What a callback was being asked as the server went is asked once more by the next one: it is not named for longer than that takes (ERR-8). */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { eventually, FakeCursors } from '../test/callbacks.ts';
import { access, parameters, patient, study } from '../test/events.ts';
import { Rig } from '../test/rig.ts';
import type { CallbackAnswer, Callbacks } from './ports.ts';
import { CORE } from './rules/versions.ts';

type Mood = number | 'silent';

/** The callback of an application that outlives servers; what a server asked is gone with it. */
class Hook {
  mood: Mood = 200;
  asked: string[] = [];

  answer(body: Uint8Array): Promise<number> {
    const { event } = JSON.parse(Buffer.from(body).toString());
    this.asked.push(`${event['hub.event']} ${event.context[0]?.resource?.id ?? ''}`);
    return this.mood === 'silent' ? new Promise(() => undefined) : Promise.resolve(this.mood);
  }
}

/** The calls of one server process. */
class Calls implements Callbacks {
  isGone = false;
  readonly #hooks: ReadonlyMap<string, Hook>;
  constructor(hooks: ReadonlyMap<string, Hook>) {
    this.#hooks = hooks;
  }
  async refusal(): Promise<undefined> {
    return undefined;
  }
  async get(url: string): Promise<CallbackAnswer> {
    return { status: 200, body: new URL(url).searchParams.get('hub.challenge') ?? '' };
  }
  async post(url: string, body: Uint8Array): Promise<CallbackAnswer> {
    const status = (await this.#hooks.get(url)?.answer(body)) ?? 0;
    return this.isGone ? new Promise(() => undefined) : { status, body: '' };
  }
}

const EVENTS = 'Patient-open,Patient-close,UserLogout';

interface Row {
  readonly events?: string;
  /** What is published before the application subscribes. */
  readonly open?: boolean;
  readonly mood: Mood;
  /** What happens before the server goes. */
  readonly next?: (rig: Rig, topic: string, subscribe: (events: string) => Promise<void>) => unknown;
  /** The callback has answered the last event, and the server went before it had written that down. */
  readonly hasAnswered?: true;
  /** What the next server asks. */
  readonly asks: readonly string[];
}

const opens = (rig: Rig, topic: string) => rig.publish(topic, 'Patient-open', [patient('p1')]);
const ROWS: Readonly<Record<string, Row>> = {
  'the open context, on joining': { open: true, mood: 'silent', asks: ['Patient-open p1'] },
  'the open context, on joining, which it could not take yet': { open: true, mood: 503, asks: ['Patient-open p1'] },
  'the open context, on asking for other events': {
    events: 'ImagingStudy-open',
    open: true,
    mood: 'silent',
    next: (_rig, _topic, subscribe) => subscribe(EVENTS),
    asks: ['Patient-open p1'],
  },
  'an open': { mood: 'silent', next: opens, asks: ['Patient-open p1'] },
  'an open that it has answered': { mood: 'silent', next: opens, hasAnswered: true, asks: ['Patient-open p1'] },
  'an open of a study that it is told of by a derived one': {
    mood: 'silent',
    next: (rig, topic) => rig.publish(topic, 'ImagingStudy-open', [study('s2'), patient('p2')]),
    hasAnswered: true,
    asks: ['Patient-open p2'],
  },
  'a close that it has answered': {
    open: true,
    next: async (rig, topic) => rig.publish(topic, 'Patient-close', [patient('p1')]),
    mood: 'silent',
    hasAnswered: true,
    asks: ['Patient-close p1'],
  },
  'a logout that it has answered': {
    open: true,
    next: (rig, topic) => rig.publish(topic, 'UserLogout', [parameters]),
    mood: 'silent',
    hasAnswered: true,
    asks: ['UserLogout '],
  },
};

it('ERR-8 a callback is asked once more by the next server what the last one had asked it, or had not written down', async (t) => {
  const hooks = new Map<string, Hook>();
  const cursors = new FakeCursors();
  const processes: Calls[] = [];
  const webhooks = {
    cursors,
    get callbacks(): Callbacks {
      const calls = new Calls(hooks);
      processes.push(calls);
      return calls;
    },
  };
  const rig = await Rig.open(t, { profile: CORE, webhooks, retryMs: [1e9] });
  const why = async (topic: string): Promise<string | undefined> =>
    [...((await rig.hub.inspect(topic))?.state.following.values() ?? [])][0]?.why;
  const each = (does: (one: { row: string; topic: string; hook: Hook } & Row) => Promise<void>): Promise<unknown> =>
    Promise.all(all.map(does));
  const all = await Promise.all(
    Object.entries(ROWS).map(async ([row, given]) => {
      const hook = new Hook();
      hooks.set(`https://app.example/${hooks.size}`, hook);
      return { ...given, row, hook, url: [...hooks.keys()].at(-1) ?? '', topic: await rig.session() };
    }),
  );
  const subscribe = async (topic: string, url: string, events: string): Promise<void> => {
    const form = { 'hub.channel.type': 'webhook', 'hub.callback': url, 'subscriber.name': 'Archive' };
    const answer = await rig.subscribe(topic, events, form, access({ switches: { fhircast: 'STU2' } }));
    assert.ok(answer.ok);
  };
  await Promise.all(
    all.map(async ({ row, topic, hook, url, events = EVENTS, open, mood, next }) => {
      if (open) await opens(rig, topic);
      if (!next) hook.mood = mood;
      await subscribe(topic, url, events);
      if (!next) return;
      await eventually(`${row}: it follows`, async () => (await why(topic)) === undefined);
      hook.mood = mood;
      const before = hook.asked.length;
      await next(rig, topic, (wanted) => subscribe(topic, url, wanted));
      await eventually(`${row}: it is called`, () => hook.asked.length > before);
    }),
  );
  rig.clock.advance(1000);
  await each(async ({ row, topic, hook, hasAnswered }) => {
    await eventually(`${row}: it is named`, async () => (await why(topic)) !== undefined);
    const state = (await rig.hub.inspect(topic))?.state;
    for (const id of state?.subscriptions.keys() ?? []) {
      if (hasAnswered && state) cursors.save(topic, id, state.nextNumber - 1);
    }
    hook.mood = 200;
    hook.asked = [];
  });
  for (const one of processes) one.isGone = true;
  await rig.crash();
  await each(async ({ row, topic, hook, asks }) => {
    await eventually(`${row}: it is not named`, async () => (await why(topic)) === undefined);
    assert.deepEqual(hook.asked, asks, row);
  });
});
