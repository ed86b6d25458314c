/**
 * What is said, and what has happened, where the store fails at any step of a request: before it has done what it was asked, or after.
 * A row for every reason that the Hub refuses with, and for every kind of request that it accepts.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { type SessionStore, StoreUnavailable } from '@lockstep/store';
import { encounter, patient, put, reference, remove, report, updates } from '../../test/events.ts';
import { access, good, type Json, Rig } from '../../test/rig.ts';
import type { ReasonCode } from '../rules/reasons.ts';
import type { Answer } from './answers.ts';

/** Steps that a request has at most. */
const MOST_STEPS = 20;
/** What is told, not asked: it fails in no request. */
const NO_REQUEST: ReadonlySet<string> = new Set(['watch', 'watchChanges', 'listen', 'announce']);

type When = 'before' | 'after';

/** A store that fails at one call to come. */
class FailingStore {
  /** Whether it has failed since it was told to. */
  hasFailed = false;
  #left = 0;
  #when: When = 'before';

  /** @param step which call from now on: 1 is the next */
  failAt(step: number, when: When): void {
    this.hasFailed = false;
    this.#left = step;
    this.#when = when;
  }

  works(): void {
    this.#left = 0;
  }

  over = (sessions: SessionStore): SessionStore =>
    new Proxy(sessions, {
      get: (_, name: keyof SessionStore) => {
        const method = sessions[name].bind(sessions) as (...args: unknown[]) => unknown;
        return NO_REQUEST.has(name) ? method : (...args: unknown[]) => this.#call(() => method(...args));
      },
    });

  async #call(call: () => unknown): Promise<unknown> {
    const fails = this.#left === 1;
    if (this.#left > 0) this.#left -= 1;
    if (fails) this.hasFailed = true;
    if (fails && this.#when === 'before') throw new StoreUnavailable('the store is away');
    const value = await call();
    if (fails) throw new StoreUnavailable('the answer was lost');
    return value;
  }
}

/** Makes a session ready for a request. @returns the request, which is the same each time */
type Prepare = (rig: Rig, topic: string) => Promise<() => Promise<Answer<unknown>>>;

const READ_ONLY = access({ scope: 'fhircast/*.read' });
const GUEST = access({ user: 'Practitioner/guest', clientId: 'guest' });

function event(name: string, context: readonly unknown[], more: Json = {}) {
  const id = crypto.randomUUID();
  return (rig: Rig, topic: string, as = access()): Promise<Answer<unknown>> => {
    const { 'hub.topic': where = topic, ...rest } = more;
    const message = { 'hub.topic': where, 'hub.event': name, ...rest, context };
    return rig.hub.publish(as, JSON.stringify({ timestamp: '2026-01-08T01:37:05Z', id, event: message }));
  };
}

/** A request that publishes an event, after others. */
function publishing(
  name: string,
  context: readonly unknown[],
  {
    more,
    after = [],
    as,
  }: { more?: Json; after?: readonly (readonly [string, readonly unknown[]])[]; as?: typeof GUEST } = {},
): Prepare {
  return async (rig, topic) => {
    for (const [earlier, of] of after) assert.equal(await rig.publish(topic, earlier, of), 202);
    const post = event(name, context, more);
    return () => post(rig, topic, as);
  };
}

const OPENED = [['DiagnosticReport-open', [report(), patient()]]] as const;
const known = (system: string, value: string): Json => ({
  key: 'patient',
  resource: { resourceType: 'Patient', id: 'p1', identifier: [{ system, value }] },
});

/** An update of the report that is open. @param version undefined for the right one */
function updating(bundle: Json, version?: string): Prepare {
  return async (rig, topic) => {
    assert.equal(await rig.publish(topic, ...OPENED[0]), 202);
    const current = version ?? (await rig.context(topic))['context.versionId'];
    const post = event('DiagnosticReport-update', [reference('report', 'DiagnosticReport/r1'), bundle], {
      'context.versionId': current,
    });
    return () => post(rig, topic);
  };
}

/** A row for every reason; a text where the Hub gives it to no request of this kind, and where it is tested. */
const REFUSED: Readonly<Record<ReasonCode, Prepare | string>> = {
  'unknown-topic': async (rig) => () => rig.subscribe('nobody', '*'),
  'unknown-topic-of-event': publishing('Patient-open', [patient()], { more: { 'hub.topic': 'nobody' } }),
  'scope-missing': publishing('Patient-open', [patient()], { as: READ_ONLY }),
  'session-not-allowed': async (rig) => () =>
    rig.hub.createSession(access({ user: 'Practitioner/1' }), { user: 'Practitioner/2' }),
  'user-missing': async (rig) => () => rig.hub.createSession(access(), {}),
  'user-unknown': 'subscribe.test.ts: it takes a server that knows its users',
  invalid: publishing('Patient-open', []),
  'id-used': async (rig, topic) => {
    const id = crypto.randomUUID();
    const post = (of: string) =>
      rig.hub.publish(
        access(),
        JSON.stringify({
          id,
          timestamp: '2026-01-08T01:37:05Z',
          event: { 'hub.topic': topic, 'hub.event': 'Patient-open', context: [patient(of)] },
        }),
      );
    good(await post('p1'));
    return () => post('p2');
  },
  'other-patient': publishing('Patient-open', [known('urn:a', '2')], {
    after: [['Patient-open', [known('urn:a', '1')]]],
  }),
  'not-open': publishing('Patient-close', [patient()]),
  'not-current': publishing(
    'DiagnosticReport-select',
    [reference('report', 'DiagnosticReport/r1'), { key: 'select', reference: [] }],
    {
      after: [...OPENED, ['Patient-open', [patient('p2')]]],
    },
  ),
  'version-conflict': updating(updates(put({ resourceType: 'Observation', id: 'o1' })), 'another'),
  'fixed-context': updating(updates(remove('DiagnosticReport/r1'))),
  'unknown-endpoint': async (rig, topic) => () =>
    rig.unsubscribe(topic, { 'hub.channel.endpoint': 'wss://hub.example/hub/ws/unknown' }),
  'ambiguous-endpoint': async (rig, topic) => {
    for (let i = 0; i < 2; i++) good(await rig.subscribe(topic, '*', { 'subscriber.name': 'Twice' }));
    return () => rig.unsubscribe(topic, { 'subscriber.name': 'Twice' });
  },
  'too-many-subscriptions': async (rig, topic) => {
    const other = access({ clientId: 'other', grantId: 'other', tokenId: 'other' });
    for (let i = 0; i < 2; i++) good(await rig.subscribe(topic, '*', {}, other));
    return () => rig.subscribe(topic, '*', {}, other);
  },
  'too-many-sessions': async (rig) => {
    const user = `Practitioner/${crypto.randomUUID()}`;
    for (let i = 0; i < 2; i++) good(await rig.hub.createSession(access(), { user }));
    return () => rig.hub.createSession(access(), { user });
  },
  'derived-topic-refused': 'derived-topics.test.ts of the server: it takes a directory of derived topics',
  'unusable-topic': 'hub.test.ts: it takes a Hub whose subscriptions start sessions',
  'topic-taken': 'subscribe.test.ts: no request names the topic of a new session',
  'unknown-invitation': async (rig) => () => rig.hub.joinByInvitation(GUEST, 'no such code'),
  'too-many-invitations': async (rig, topic) => {
    for (let i = 0; i < 16; i++) good(await rig.hub.invite(access(), topic, { followingOnly: false }));
    return () => rig.hub.invite(access(), topic, { followingOnly: false });
  },
  'too-many-waiting': 'event-checks.test.ts: it takes a Hub that looks into resources',
  'follows-only': async (rig, topic) => {
    const { code } = good(await rig.hub.invite(access(), topic, { followingOnly: true }));
    good(await rig.hub.joinByInvitation(GUEST, code));
    const post = event('Patient-open', [patient()]);
    return () => post(rig, topic, GUEST);
  },
  'event-too-large': publishing('Patient-open', [large('p1', 90_000)]),
  'session-full': publishing('Encounter-open', [large('n1', 45_000, 'Encounter'), patient()], {
    after: [['Patient-open', [large('p1', 45_000)]]],
  }),
  'nothing-to-do': 'connection.ts, lease.ts: what the Hub tells itself, and no request',
};

function large(id: string, characters: number, resourceType = 'Patient'): Json {
  const key = resourceType.toLowerCase();
  return {
    key,
    resource: { resourceType, id, text: { status: 'generated', div: `<div>${'x'.repeat(characters)}</div>` } },
  };
}

interface Accepted {
  readonly prepare: Prepare;
  /** What the same request is told that comes again, where the first has happened; accepted unless given. */
  readonly again?: ReasonCode;
  /** It may leave a second one behind. */
  readonly repeats?: true;
  /** What it is about is as it was, and lasts longer. */
  readonly renews?: true;
}

const ACCEPTED: Readonly<Record<string, Accepted>> = {
  'an open': { prepare: publishing('Patient-open', [patient()]) },
  'an open of another anchor': {
    prepare: publishing('Encounter-open', [encounter(), patient()], { after: [['Patient-open', [patient()]]] }),
  },
  'an update': { prepare: updating(updates(put({ resourceType: 'Observation', id: 'o1' }))) },
  'a close': { prepare: publishing('Patient-close', [patient()], { after: [['Patient-open', [patient()]]] }) },
  'a close of what is not current': {
    prepare: publishing('DiagnosticReport-close', [report(), patient()], {
      after: [...OPENED, ['Patient-open', [patient('p2')]]],
    }),
  },
  'an empty context': { prepare: publishing('Home-open', [], { after: OPENED }) },
  'a logout': {
    prepare: publishing('UserLogout', [{ key: 'parameters', resource: { resourceType: 'Parameters' } }], {
      after: OPENED,
    }),
  },
  'an event of somebody else': { prepare: publishing('org.example.thing', [{ key: 'any', value: 1 }]) },
  'a subscription': {
    prepare: async (rig, topic) => () => rig.subscribe(topic, '*', { 'subscriber.name': 'App' }),
    repeats: true,
  },
  'a renewal': {
    prepare: async (rig, topic) => {
      const { endpoint = '' } = good(await rig.subscribe(topic, '*'));
      return () => rig.subscribe(topic, 'Patient-open', { 'hub.channel.endpoint': endpoint });
    },
    renews: true,
  },
  'an end of a subscription': {
    prepare: async (rig, topic) => {
      const { endpoint = '' } = good(await rig.subscribe(topic, '*'));
      return () => rig.unsubscribe(topic, { 'hub.channel.endpoint': endpoint });
    },
    again: 'unknown-endpoint',
  },
  'a session': {
    prepare: async (rig) => {
      const user = `Practitioner/${crypto.randomUUID()}`;
      return () => rig.hub.createSession(access(), { user });
    },
    repeats: true,
  },
  'an end of a session': {
    prepare: async (rig, topic) => () => rig.hub.deleteSession(access(), topic),
    again: 'unknown-topic',
  },
};

/** Everything that the store holds of a session, and how many sessions there are. */
async function held(rig: Rig, topic: string): Promise<unknown> {
  const session = await rig.store.sessions.load(topic);
  const log = (await rig.store.sessions.readLog(topic, session?.start.offset ?? 0)) ?? [];
  return { parts: session && [...session.parts].sort(), log, sessions: (await rig.hub.topics()).length };
}

/** What a session holds that two runs of one request have in common: versions, ids and endpoints differ. */
async function outline(rig: Rig, topic: string): Promise<unknown> {
  const session = await rig.store.sessions.load(topic);
  if (!session) return undefined;
  const log = (await rig.store.sessions.readLog(topic, session.start.offset)) ?? [];
  const { 'context.type': type, context } = await rig.context(topic);
  const names = log.map(({ body }) => (JSON.parse(body.slice(body.indexOf('\n') + 1)) as Json).event['hub.event']);
  const shown = context.map((one: Json) => (one.key === 'content' ? one.resource.entry : one));
  return { names, type, shown };
}

async function started(t: TestContext): Promise<{ rig: Rig; store: FailingStore }> {
  const store = new FailingStore();
  const rig = await Rig.open(t, {
    over: store.over,
    maxSessionBytes: 80_000,
    maxSubscriptionsPerClient: 2,
    maxSessionsPerUser: 2,
    startsForUnknownUsers: true,
  });
  return { rig, store };
}

/** The answer; undefined where the request failed for the store, which HTTP says by 503 and no word about what has happened. */
async function answered(ask: () => Promise<Answer<unknown>>): Promise<Answer<unknown> | undefined> {
  try {
    return await ask();
  } catch (error) {
    assert.ok(error instanceof StoreUnavailable, String(error));
    return undefined;
  }
}

const codeOf = (answer: Answer<unknown> | undefined): string | undefined =>
  answer === undefined ? undefined : answer.ok ? 'accepted' : answer.code;

/** Does one thing for each step of a request at which the store fails, before and after it has done what it was asked. */
async function atEachStep(
  { rig, store }: { rig: Rig; store: FailingStore },
  prepare: Prepare,
  look: (of: {
    topic: string;
    ask: () => Promise<Answer<unknown>>;
    first: Answer<unknown> | undefined;
    before: unknown;
  }) => Promise<void>,
): Promise<number> {
  let steps = 0;
  for (const when of ['before', 'after'] as const) {
    for (let step = 1; step <= MOST_STEPS; step++) {
      const topic = await rig.session(`Practitioner/${crypto.randomUUID()}`);
      const ask = await prepare(rig, topic);
      const before = await held(rig, topic);
      store.failAt(step, when);
      const first = await answered(ask);
      store.works();
      if (!store.hasFailed) break;
      assert.ok(step < MOST_STEPS);
      steps += 1;
      await look({ topic, ask, first, before });
    }
  }
  return steps;
}

test('PUB-4 a request that is refused and whose store fails at any step is refused when it comes again, and has changed nothing', async (t) => {
  const server = await started(t);
  const { rig } = server;
  for (const [code, prepare] of Object.entries(REFUSED)) {
    if (typeof prepare === 'string') continue;
    await t.test(code, async () => {
      const sound = await rig.session(`Practitioner/${crypto.randomUUID()}`);
      const refused = await prepare(rig, sound);
      const was = await held(rig, sound);
      assert.equal(codeOf(await refused()), code);
      assert.deepEqual(await held(rig, sound), was);
      await atEachStep(server, prepare, async ({ topic, ask, first, before }) => {
        assert.ok([undefined, code].includes(codeOf(first)), `a failure is told as ${codeOf(first)}`);
        assert.deepEqual(await held(rig, topic), before);
        assert.equal(codeOf(await ask()), code);
        assert.deepEqual(await held(rig, topic), before);
      });
    });
  }
});

test('PUB-4, PUB-7 a request whose store fails at any step is safe to repeat', async (t) => {
  const server = await started(t);
  const { rig } = server;
  for (const [what, { prepare, again, repeats, renews }] of Object.entries(ACCEPTED)) {
    await t.test(what, async () => {
      const sound = await rig.session(`Practitioner/${crypto.randomUUID()}`);
      const asked = await prepare(rig, sound);
      assert.equal(codeOf(await asked()), 'accepted');
      const right = await outline(rig, sound);
      const steps = await atEachStep(server, prepare, async ({ topic, ask, first, before }) => {
        assert.ok([undefined, 'accepted'].includes(codeOf(first)), `a failure is told as ${codeOf(first)}`);
        const hasHappened = !isDeepStrictEqual(await held(rig, topic), before);
        if (first) assert.ok(hasHappened, 'what is accepted has happened');
        const second = codeOf(await ask());
        assert.ok(second === 'accepted' || (hasHappened && second === again), `when it comes again it is ${second}`);
        assert.deepEqual(await outline(rig, topic), right);
        if (repeats) return;
        const once = await held(rig, topic);
        assert.equal(codeOf(await ask()), again ?? 'accepted');
        if (!renews) assert.deepEqual(await held(rig, topic), once, 'it happens once');
      });
      assert.ok(steps >= 2, 'the store was needed');
    });
  }
});
