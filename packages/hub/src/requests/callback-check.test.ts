import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { eventually, FakeCallbacks, FakeCursors, turns } from '../../test/callbacks.ts';
import { encounter, patient, START } from '../../test/events.ts';
import { access, good, type Json, type Peer, Rig, type RigOptions, refusal } from '../../test/rig.ts';
import type { Access } from '../rules/permission.ts';
import { IRA, STU2 } from '../rules/versions.ts';

const CALLBACK = 'https://app.example/callback?foo=bar';

interface Scene {
  readonly rig: Rig;
  readonly topic: string;
  readonly callbacks: FakeCallbacks;
  readonly cursors: FakeCursors;
}

async function scene(t: TestContext, options: RigOptions = {}): Promise<Scene> {
  const callbacks = new FakeCallbacks();
  const cursors = new FakeCursors();
  const rig = await Rig.open(t, { webhooks: { callbacks, cursors }, retryMs: [1000, 2000], ...options });
  return { rig, callbacks, cursors, topic: await rig.session() };
}

function form(more: Record<string, string> = {}): Record<string, string> {
  return { 'hub.channel.type': 'webhook', 'hub.callback': CALLBACK, 'subscriber.name': 'Hook', ...more };
}

/** Subscribes a webhook; its callback has been asked, and the answer has been taken, when this resolves. */
async function hook(
  s: Scene,
  events = 'Patient-open,Patient-close',
  more: Record<string, string> = {},
  as: Access = access(),
): Promise<void> {
  const { rig, topic } = s;
  const before = decided(s);
  const asked = s.callbacks.modes('subscribe').length;
  assert.deepEqual(good(await rig.subscribe(topic, events, form(more), as)), {});
  await eventually('a verification', () => s.callbacks.modes('subscribe').length > asked);
  if (!s.callbacks.held) await eventually('a decision', () => decided(s) > before);
  await turns();
}

/** How many webhook subscriptions have been entered, renewed or turned down. */
function decided({ rig }: Scene): number {
  return rig.observed.filter(({ kind }) => ['subscribed', 'renewed', 'denied'].includes(kind)).length;
}

/** Waits for these events to have been posted, attempts included, and no others. */
async function posted({ callbacks }: Scene, ids: readonly string[]): Promise<void> {
  await eventually(`posts of ${ids.join()}`, () => callbacks.ids.length >= ids.length);
  await turns();
  assert.deepEqual(callbacks.ids, ids);
}

async function open({ rig, topic }: Scene, id: string): Promise<void> {
  assert.equal(await rig.publish(topic, 'Patient-open', [patient(id)], { id: `open-${id}` }), 202);
  await turns();
}

/** Selects nothing in the context of patient p1. */
async function select({ rig, topic }: Scene, id: string): Promise<void> {
  const context = [{ key: 'patient', reference: { reference: 'Patient/p1' } }, { key: 'select' }];
  assert.equal(await rig.publish(topic, 'Patient-select', context, { id }), 202);
  await turns();
}

/** Lets time pass, a second at a time, until the condition holds: what has to happen in between takes turns of its own. */
async function passing({ rig, topic }: Scene, what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let seconds = 0; seconds < 120; seconds++) {
    await turns();
    await rig.settle(topic);
    await turns();
    if (await holds()) return;
    rig.clock.advance(1000);
  }
  throw new Error(`did not happen: ${what}`);
}

async function subscriptions({ rig, topic }: Scene): Promise<readonly { readonly events: readonly string[] }[]> {
  return [...((await rig.hub.inspect(topic))?.state.subscriptions.values() ?? [])];
}

const reasons = (callbacks: FakeCallbacks): readonly (string | null)[] =>
  callbacks.modes('denied').map(({ url }) => url.searchParams.get('hub.reason'));

describe('WEB-1 intent verification', () => {
  it('asks by GET, and enters the subscription once the challenge comes back', async (t) => {
    const s = await scene(t);
    await hook(s, 'patient-open', { 'hub.lease_seconds': '60' });
    const [asked] = s.callbacks.gets;
    assert.match(asked?.url.search ?? '', /^\?foo=bar&hub\.mode=subscribe&/);
    const fields = asked?.url.searchParams;
    assert.equal(fields?.get('hub.topic'), s.topic);
    assert.equal(fields?.get('hub.events'), 'Patient-open');
    assert.equal(fields?.get('hub.lease_seconds'), '60');
    assert.match(fields?.get('hub.challenge') ?? '', /^[\w-]{22,}$/);
    await open(s, 'p1');
    await posted(s, ['open-p1']);
  });

  it('delivers nothing until then', async (t) => {
    const s = await scene(t);
    const confirm = s.callbacks.hold();
    await hook(s);
    await open(s, 'p1');
    assert.deepEqual(s.callbacks.ids, []);
    confirm();
    await posted(s, ['open-p1']);
  });

  for (const [what, status, body] of [
    ['another body', 200, 'something else'],
    ['a body with more in it', 200, undefined],
    ['a refusal', 404, undefined],
    ['a redirect', 302, undefined],
    ['nobody', 0, ''],
  ] as const) {
    it(`takes ${what} for no`, async (t) => {
      const s = await scene(t);
      s.callbacks.confirm = ({ url }) => {
        const challenge = url.searchParams.get('hub.challenge') ?? '';
        return { status, body: body ?? (status === 200 ? `${challenge}\n` : challenge) };
      };
      await hook(s);
      await open(s, 'p1');
      assert.deepEqual(s.callbacks.ids, []);
      assert.deepEqual(await subscriptions(s), []);
      assert.ok(
        s.rig.observed.some((one) => one.kind === 'denied'),
        'it is seen by who watches',
      );
    });
  }

  it('is taken back when the access ends meanwhile', async (t) => {
    const s = await scene(t);
    const confirm = s.callbacks.hold();
    await hook(s);
    await s.rig.hub.accessEnded({ grantId: 'grant', reason: 'Revoked' });
    const before = decided(s);
    confirm();
    await eventually('a decision', () => decided(s) > before);
    assert.deepEqual(await subscriptions(s), []);
  });

  it('is taken back when it is unsubscribed meanwhile', async (t) => {
    const s = await scene(t);
    const confirm = s.callbacks.hold();
    await hook(s);
    assert.deepEqual(good(await s.rig.unsubscribe(s.topic, form())), {});
    assert.equal(refusal(await s.rig.unsubscribe(s.topic, form())), 404, 'once');
    const before = decided(s);
    confirm();
    await eventually('a decision', () => decided(s) > before);
    assert.deepEqual(await subscriptions(s), []);
  });

  it('of two requests for one callback the later one counts, in whatever order they are confirmed', async (t) => {
    const s = await scene(t);
    const answers: (() => void)[] = [];
    s.callbacks.confirm = ({ url }) =>
      new Promise((resolve) => {
        const body = url.searchParams.get('hub.challenge') ?? '';
        answers.push(() => resolve({ status: 200, body }));
      });
    s.callbacks.held = true;
    await hook(s, 'Patient-open');
    await hook(s, 'Patient-close');
    for (const answer of [answers[1], answers[0]]) {
      const before = decided(s);
      answer?.();
      await eventually('a decision', () => decided(s) > before);
    }
    const events = (await subscriptions(s)).map((one) => one.events);
    assert.deepEqual(events, [['Patient-close']]);
  });

  it('tells a callback that confirmed too late that nothing came of it', async (t) => {
    const s = await scene(t);
    const confirm = s.callbacks.hold();
    await hook(s);
    await s.rig.hub.endSession(s.topic, 'Over');
    confirm();
    await eventually('a denial', () => reasons(s.callbacks).length > 0);
    assert.deepEqual(reasons(s.callbacks), ['The session has ended']);
  });

  it('counts those that wait among the session’s subscriptions', async (t) => {
    const s = await scene(t, { maxSubscriptionsPerSession: 2 });
    s.callbacks.hold();
    const guest = access({ clientId: 'guest' });
    for (const n of [1, 2]) {
      good(await s.rig.subscribe(s.topic, '*', { ...form(), 'hub.callback': `https://app.example/${n}` }, guest));
    }
    assert.equal(refusal(await s.rig.subscribe(s.topic, '*', form(), guest)), 429);
  });
});

describe('WEB-2 what a webhook subscription needs', () => {
  it('STU1, shown by its form, needs a secret; STU2 does not', async (t) => {
    const s = await scene(t);
    const { 'hub.channel.type': _, ...stu1 } = form();
    const without = { ...stu1, 'hub.channel.type': '' };
    assert.equal(refusal(await s.rig.subscribe(s.topic, 'patient-open', without)), 400);
    assert.deepEqual(good(await s.rig.subscribe(s.topic, 'patient-open', { ...without, 'hub.secret': 'shhh' })), {});
    assert.deepEqual(good(await s.rig.subscribe(s.topic, 'patient-open', form())), {});
  });

  it('a client registered for STU1 needs one too', async (t) => {
    const s = await scene(t);
    const as = access({ switches: { fhircast: 'STU1' } });
    assert.equal(refusal(await s.rig.subscribe(s.topic, 'patient-open', form(), as)), 400);
  });

  it('a Hub without webhooks, and one of IHE IRA, refuse them', async (t) => {
    const bare = await Rig.open(t);
    assert.equal(refusal(await bare.subscribe(await bare.session(), 'patient-open', form())), 400);
    const ira = await scene(t, { profile: IRA });
    assert.equal(refusal(await ira.rig.subscribe(ira.topic, 'patient-open', form())), 400);
  });

  it('WEB-4 an address that policy forbids is refused, and never called', async (t) => {
    const s = await scene(t);
    s.callbacks.reason = 'hub.callback points to an address that is not allowed';
    const answer = await s.rig.subscribe(s.topic, 'patient-open', form());
    assert.deepEqual(answer, { ok: false, status: 400, code: 'invalid', reason: s.callbacks.reason });
    assert.deepEqual(s.callbacks.calls, []);
  });
});

describe('WEB-3 answers', () => {
  it('a refusal becomes a SyncError to the others (ERR-2), of an update it does not (ERR-5)', async (t) => {
    const s = await scene(t);
    const other = await s.rig.join(s.topic, 'SyncError');
    await hook(s, 'Patient-open,Patient-select,SyncError');
    s.callbacks.answer = () => 409;
    await open(s, 'p1');
    await other.until(() => other.syncErrors.length > 0);
    const [issue] = other.syncErrors[0]?.event.context[0].resource.issue ?? [];
    assert.deepEqual(
      issue.details.coding.map(({ code }: { code: string }) => code),
      ['open-p1', 'Patient-open', 'Hook'],
    );
    await select(s, 's1');
    await s.rig.settle(s.topic);
    assert.equal(other.syncErrors.length, 1);
    assert.ok(!s.callbacks.posts.some(({ text }) => text.includes('SyncError')), 'not to the one that caused it');
  });

  it('410 ends the subscription: the callback has deleted it', async (t) => {
    const s = await scene(t);
    await hook(s);
    const other = await s.rig.join(s.topic, 'SyncError');
    s.callbacks.answer = () => 410;
    await open(s, 'p1');
    await eventually('a denial', () => reasons(s.callbacks).length > 0);
    assert.deepEqual(reasons(s.callbacks), ['The callback is gone']);
    assert.deepEqual(await subscriptions(s).then((list) => list.map(({ events }) => events)), [['SyncError']]);
    await other.until(() => other.syncErrors.length > 0);
    await open(s, 'p2');
    await posted(s, ['open-p1']);
  });

  it('tells the others at the first failure, and says why (ERR-2)', async (t) => {
    const s = await scene(t);
    const other = await s.rig.join(s.topic, 'SyncError');
    await hook(s);
    s.callbacks.answer = () => 503;
    await open(s, 'p1');
    await other.until(() => other.syncErrors.length > 0);
    assert.equal(s.callbacks.ids.length, 1);
    const [issue] = other.syncErrors[0]?.event.context[0].resource.issue ?? [];
    assert.equal(issue.diagnostics, 'Hook was sent Patient-open and could not process it (503).');
  });

  it('WEB-3 STU2: a failed open that another replaced is told once and not sent again, the other at once', async (t) => {
    const s = await scene(t, { profile: STU2 });
    const other = await s.rig.join(s.topic, 'SyncError');
    await hook(s, 'Patient-open');
    s.callbacks.answer = ({ text }) => (text.includes('open-A') ? 500 : 200);
    await open(s, 'A');
    await other.until(() => other.syncErrors.length > 0);
    await open(s, 'B');
    await posted(s, ['open-A', 'open-B']);
    await s.rig.settle(s.topic);
    assert.equal((await s.rig.hub.inspect(s.topic))?.state.following.size, 0, 'it follows B');
    s.rig.clock.advance(60_000);
    await posted(s, ['open-A', 'open-B']);
    assert.equal(other.syncErrors.length, 1);
  });

  it('unsubscribes after as many given up in a row as may stay unanswered (ERR-4), with a denial by GET', async (t) => {
    const s = await scene(t, { maxMisses: 2 });
    await hook(s, 'Patient-open,Patient-select');
    await open(s, 'p1');
    await posted(s, ['open-p1']);
    s.callbacks.answer = () => 0;
    await select(s, 's1');
    await select(s, 's2');
    await passing(s, 'a denial', () => reasons(s.callbacks).length > 0);
    assert.deepEqual(await subscriptions(s), []);
    assert.deepEqual(reasons(s.callbacks), ['2 events in a row could not be delivered']);
    assert.deepEqual(s.callbacks.ids, ['open-p1', 's1', 's1', 's1', 's2', 's2', 's2']);
    assert.equal(s.cursors.held.size, 0, 'nothing of it is kept');
    await open(s, 'p3');
    await s.rig.settle(s.topic);
    await turns();
    assert.equal(s.callbacks.ids.length, 7);
  });
});

describe('WEB-3 restart', () => {
  it('goes on after the last event that was answered, in order, without the verified being asked again', async (t) => {
    const s = await scene(t);
    await hook(s, 'Patient-open,Patient-select');
    await open(s, 'p1');
    await posted(s, ['open-p1']);
    let down = true;
    s.callbacks.answer = () => (down ? 0 : 200);
    await select(s, 's1');
    await select(s, 's2');
    await posted(s, ['open-p1', 's1']);
    down = false;
    await s.rig.crash();
    await posted(s, ['open-p1', 's1', 's1', 's2']);
    assert.equal(s.callbacks.modes('subscribe').length, 1);
    await open(s, 'p2');
    await posted(s, ['open-p1', 's1', 's1', 's2', 'open-p2']);
  });

  it('begins where the subscription began when its cursor was lost with the crash', async (t) => {
    const s = await scene(t);
    await open(s, 'p0');
    await hook(s, 'Encounter-open');
    s.callbacks.answer = () => 0;
    assert.equal(await s.rig.publish(s.topic, 'Encounter-open', [encounter(), patient()], { id: 'e1' }), 202);
    await posted(s, ['e1']);
    s.cursors.held.clear();
    s.callbacks.answer = () => 200;
    await s.rig.crash();
    await posted(s, ['e1', 'e1']);
  });

  it('sends what the log no longer holds as standing opens', async (t) => {
    const s = await scene(t, { log: { count: 2, ageMs: 86_400_000 } });
    await hook(s);
    s.callbacks.answer = () => 0;
    await open(s, 'p1');
    await posted(s, ['open-p1']);
    await s.rig.hub.stop();
    for (const id of ['p2', 'p3', 'p4', 'p5', 'p6', 'p7']) {
      assert.equal(await s.rig.publish(s.topic, 'Patient-open', [patient(id)], { id: `open-${id}` }), 202);
    }
    s.callbacks.answer = () => 200;
    await s.rig.crash();
    await s.callbacks.until(() => s.callbacks.posts.length >= 2);
    await turns();
    const [, standing, ...more] = s.callbacks.posts.map(({ text }) => JSON.parse(text) as Json);
    assert.equal(standing?.event.context[0].resource.id, 'p7');
    assert.notEqual(standing?.id, 'open-p7', 'an id that is not taken for a repeat (SUB-11)');
    assert.deepEqual(more, []);
  });

  it('ends at once what expired meanwhile, without a delivery', async (t) => {
    const s = await scene(t);
    await hook(s, 'Patient-open', { 'hub.lease_seconds': '60' });
    s.callbacks.answer = () => 0;
    await open(s, 'p1');
    await posted(s, ['open-p1']);
    await s.rig.hub.stop();
    s.rig.clock.advance(61_000);
    const before = s.callbacks.ids.length;
    await s.rig.crash();
    s.rig.clock.advance(1);
    await eventually('a denial', () => reasons(s.callbacks).length > 0);
    assert.equal(s.callbacks.ids.length, before);
    assert.deepEqual(reasons(s.callbacks), ['The lease has ended']);
  });
});

describe('SUB-6 a callback that subscribes again', () => {
  it('is renewed in place: other events, other secret, the opens it did not have, another lease', async (t) => {
    const s = await scene(t);
    assert.equal(await s.rig.publish(s.topic, 'Encounter-open', [encounter(), patient()], { id: 'e1' }), 202);
    await hook(s, 'Patient-close', { 'hub.lease_seconds': '60' });
    await hook(s, 'Encounter-open', { 'hub.lease_seconds': '600', 'hub.secret': 'shhh' });
    const held = await subscriptions(s);
    assert.deepEqual(
      held.map(({ events }) => events),
      [['Encounter-open']],
    );
    await posted(s, ['e1']);
    assert.match(s.callbacks.posts[0]?.headers['x-hub-signature'] ?? '', /^sha256=/);
    s.rig.clock.advance(61_000);
    await turns();
    await s.rig.settle(s.topic);
    assert.equal((await subscriptions(s)).length, 1, 'the first lease no longer counts');
  });

  it('keeps what it has while the callback does not confirm the change', async (t) => {
    const s = await scene(t);
    await hook(s, 'Patient-open');
    s.callbacks.confirm = () => ({ status: 404, body: '' });
    await hook(s, 'Patient-close');
    await open(s, 'p1');
    await posted(s, ['open-p1']);
  });

  it('of another client is another subscription', async (t) => {
    const s = await scene(t);
    await hook(s, 'Patient-open');
    await hook(s, 'Patient-open', {}, access({ clientId: 'other', grantId: 'other' }));
    assert.equal((await subscriptions(s)).length, 2);
  });
});

describe('WEB-3 the end of a subscription', () => {
  it('is asked for by GET when the client unsubscribes, and only the challenge ends it', async (t) => {
    const s = await scene(t);
    await hook(s);
    s.callbacks.confirm = () => ({ status: 200, body: 'no' });
    assert.deepEqual(good(await s.rig.unsubscribe(s.topic, form())), {});
    await turns();
    await open(s, 'p1');
    await posted(s, ['open-p1']);
    s.callbacks.confirm = ({ url }) => ({ status: 200, body: url.searchParams.get('hub.challenge') ?? '' });
    assert.deepEqual(good(await s.rig.unsubscribe(s.topic, form())), {});
    await eventually('the end', async () => (await subscriptions(s)).length === 0);
    await open(s, 'p2');
    assert.deepEqual(s.callbacks.ids, ['open-p1']);
    assert.equal(s.callbacks.modes('unsubscribe').length, 2);
    assert.equal(s.callbacks.modes('denied').length, 0);
    assert.equal(s.cursors.held.size, 0);
  });

  it('is not asked for in STU2, whose Hub must not', async (t) => {
    const s = await scene(t, { profile: STU2 });
    await hook(s);
    assert.deepEqual(good(await s.rig.unsubscribe(s.topic, form())), {});
    await eventually('the end', async () => (await subscriptions(s)).length === 0);
    assert.equal(s.callbacks.modes('unsubscribe').length, 0);
  });

  it('of somebody else’s callback is a 404 and changes nothing', async (t) => {
    const s = await scene(t);
    await hook(s);
    assert.equal(refusal(await s.rig.unsubscribe(s.topic, form(), access({ clientId: 'other' }))), 404);
    assert.equal(refusal(await s.rig.unsubscribe(s.topic, form({ 'hub.callback': 'https://app.example/x' }))), 404);
    assert.equal((await subscriptions(s)).length, 1);
  });

  it('SUB-5 comes with the lease, the token’s life and the session, and GET shows it', async (t) => {
    const s = await scene(t);
    await hook(s, 'Patient-open', { 'hub.lease_seconds': '60' });
    const dying = access({ clientId: 'dying', grantId: 'g2', expiresAt: START + 120_000 });
    await hook(s, 'Patient-open', { 'hub.callback': 'https://app.example/2' }, dying);
    await hook(s, 'Patient-open', { 'hub.callback': 'https://app.example/3', 'hub.lease_seconds': '3600' });
    s.rig.clock.advance(60_000);
    await eventually('a denial', () => reasons(s.callbacks).length > 0);
    assert.deepEqual(reasons(s.callbacks), ['The lease has ended']);
    s.rig.clock.advance(60_000);
    await eventually('another denial', () => reasons(s.callbacks).length > 1);
    assert.deepEqual(reasons(s.callbacks), ['The lease has ended', 'The lease has ended']);
    await s.rig.hub.endSession(s.topic, 'The session was ended');
    await turns();
    assert.equal(reasons(s.callbacks).at(-1), 'The session was ended');
    const [denied] = s.callbacks.modes('denied');
    assert.equal(denied?.url.searchParams.get('hub.topic'), s.topic);
    assert.equal(denied?.url.searchParams.get('hub.events'), 'Patient-open');
  });

  it('TOK-6 comes with the end of the access', async (t) => {
    const s = await scene(t);
    await hook(s);
    await s.rig.hub.accessEnded({ grantId: 'grant', reason: 'The access was revoked' });
    await open(s, 'p1');
    assert.deepEqual(s.callbacks.ids, []);
    assert.deepEqual(reasons(s.callbacks), ['The access was revoked']);
  });
});

describe('PUB-3 one order for every kind of channel', () => {
  it('a webhook and a WebSocket get the same events in the same order', async (t) => {
    const s = await scene(t);
    const peer: Peer = await s.rig.join(s.topic, 'Patient-open');
    await hook(s, 'Patient-open');
    const order = Array.from({ length: 60 }, (_, index) => `p${index}`);
    await Promise.all(order.map((id) => s.rig.publish(s.topic, 'Patient-open', [patient(id)])));
    await eventually('all of them', () => s.callbacks.ids.length === order.length);
    assert.deepEqual(s.callbacks.ids, peer.ids);
    const texts = s.callbacks.posts.map(({ text }) => JSON.parse(text));
    assert.deepEqual(texts, peer.events);
  });

  it('DER-1 opens are derived for a webhook too', async (t) => {
    const s = await scene(t);
    await hook(s, 'Patient-open');
    assert.equal(await s.rig.publish(s.topic, 'Encounter-open', [encounter(), patient()], { id: 'e1' }), 202);
    await posted(s, ['e1~Patient.p1']);
  });
});
