/** The engine around the session rules: a real SQLite store, a clock that the tests move. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FOLLOWING_EVENT, syncErrorOutcome } from '@lockstep/fhircast';
import { eventually, FakeCallbacks, FakeCursors } from '../test/callbacks.ts';
import {
  body,
  encounter,
  observation,
  operationOutcome,
  parameters,
  patient,
  put,
  reference,
  remove,
  report,
  START,
  study,
  updates,
} from '../test/events.ts';
import { access, good, type Json, Peer, Rig, refusal } from '../test/rig.ts';
import type { SessionPage } from './requests/sessions.ts';
import type { Access } from './rules/permission.ts';
import { CORE, IRA, STU1, STU2 } from './rules/versions.ts';

const HOUR = 3_600_000;
const ANCHOR = reference('report', 'DiagnosticReport/r1');

/** The cause of a SyncError: event id, event name, subscriber name. */
function cause(message: Json | undefined): readonly string[] {
  return message?.event.context[0].resource.issue[0].details.coding.map(({ code }: Json) => code) ?? [];
}

const diagnostics = (message: Json | undefined): string =>
  message?.event.context[0].resource.issue[0].diagnostics ?? '';
const names = (peer: Peer): readonly string[] => peer.events.map(({ event }) => event['hub.event']);

const user = (name: string, more: Parameters<typeof access>[0] = {}) =>
  access({ user: name, sessions: undefined, clientId: `app of ${name}`, ...more } as Parameters<typeof access>[0]);

describe('SES sessions', () => {
  it('SES-1, SES-2 are created with a topic of their own, by scope', async (t) => {
    const rig = await Rig.open(t);
    const topics = new Set(await Promise.all(Array.from({ length: 20 }, () => rig.session())));
    assert.equal(topics.size, 20);
    const create = (scope: string) => rig.hub.createSession(access({ scope }), { user: 'Practitioner/1' });
    assert.equal(refusal(await create('fhircast/*.* hub/session.read')), 403);
    assert.ok(good(await create('hub/session.write')).topic);
  });

  it('SES-2 are of the person that the name stands for; a user may leave it out and name nobody else', async (t) => {
    const users = {
      resolve: async (name: string) =>
        ['jdoe', 'Practitioner/1'].includes(name) ? { user: 'Practitioner/1', aliases: ['pacs|jdoe'] } : undefined,
    };
    const rig = await Rig.open(t, { users });
    const { info } = good(
      await rig.hub.createSession(access(), { user: 'jdoe', workstation: 'WS1', label: 'Reading' }),
    );
    assert.deepEqual(info, {
      user: 'Practitioner/1',
      aliases: ['pacs|jdoe'],
      workstation: 'WS1',
      label: 'Reading',
      startedAt: START,
      startedBy: 'client',
    });
    assert.equal(good(await rig.hub.createSession(user('Practitioner/1'), {})).info.user, 'Practitioner/1');
    assert.equal(refusal(await rig.hub.createSession(user('Practitioner/1'), { user: 'Practitioner/2' })), 403);
    assert.equal(refusal(await rig.hub.createSession(access(), {})), 400);
    const absolute = { user: 'https://ehr.example/fhir/Practitioner/9' };
    assert.equal(good(await rig.hub.createSession(access(), absolute)).info.user, 'Practitioner/9');
  });

  it('SES-3, SES-7 are listed by user, by any of the names, by workstation', async (t) => {
    const users = {
      resolve: async (name: string) =>
        ['late|jdoe', 'Practitioner/1'].includes(name) ? { user: 'Practitioner/1', aliases: ['pacs|jdoe'] } : undefined,
    };
    const rig = await Rig.open(t, { users });
    const one = await rig.session('Practitioner/1', 'WS1');
    const two = await rig.session('Practitioner/2', 'WS1');
    const three = await rig.session('Practitioner/1', 'WS2');
    const list = async (filter: { user?: string; workstation?: string }) =>
      good(await rig.hub.listSessions(access(), filter)).sessions.map(({ topic }) => topic);
    assert.deepEqual((await list({})).sort(), [one, two, three].sort());
    assert.deepEqual((await list({ user: 'Practitioner/1' })).sort(), [one, three].sort());
    assert.deepEqual((await list({ user: 'https://ehr/fhir/Practitioner/1' })).sort(), [one, three].sort());
    assert.deepEqual((await list({ user: 'PACS|jdoe' })).sort(), [one, three].sort());
    assert.deepEqual((await list({ user: 'late|jdoe' })).sort(), [one, three].sort());
    assert.deepEqual((await list({ workstation: 'ws1' })).sort(), [one, two].sort());
    assert.deepEqual(await list({ user: 'Practitioner/1', workstation: 'WS1' }), [one]);
    assert.deepEqual((await list({ user: '?', workstation: ' ' })).length, 3);
    assert.deepEqual(await list({ user: 'Practitioner/3' }), []);
  });

  it('SES-3 are listed a page at a time, each once, whoever asks', async (t) => {
    const users = {
      resolve: async (name: string) => (name === 'jdoe' ? { user: 'Practitioner/1', aliases: ['jdoe'] } : undefined),
    };
    const rig = await Rig.open(t, { users, maxSessionsPerUser: 1000, maxSessionsPerClient: 1000 });
    const own: string[] = [];
    for (let n = 0; n < 250; n += 1) own.push(await rig.session('Practitioner/1', 'WS1'));
    const other = await rig.session('Practitioner/2', 'WS2');
    const invited = good(await rig.hub.invite(user('Practitioner/2'), other, { followingOnly: false }));
    good(await rig.hub.joinByInvitation(user('Practitioner/1'), invited.code));
    const all = async (as: Access, filter: { user?: string; workstation?: string } = {}): Promise<string[]> => {
      const found: string[] = [];
      for (let after: string | undefined = '0-', pages = 0; after !== undefined; pages += 1) {
        const page: SessionPage = good(await rig.hub.listSessions(as, { ...filter, after }));
        assert.ok(page.sessions.length <= 200 && pages < 10, `${page.sessions.length} on page ${pages}`);
        found.push(...page.sessions.map(({ topic }) => topic));
        after = page.next;
      }
      return found.sort();
    };
    assert.deepEqual(await all(access()), [...own, other].sort());
    assert.deepEqual(await all(access(), { user: 'jdoe' }), [...own].sort());
    assert.deepEqual(await all(access(), { workstation: 'ws1' }), [...own].sort());
    assert.deepEqual(await all(user('Practitioner/1')), [...own, other].sort());
    assert.deepEqual(await all(user('Practitioner/2', { topics: [own[7]!] })), [own[7], other].sort());
    assert.deepEqual(await all(user('Practitioner/1', { topics: [own[249]!] })), [...own, other].sort());
    assert.deepEqual(
      await all(access({ sessions: { users: ['practitioner/2', 'Practitioner/1'] } })),
      [...own, other].sort(),
    );
    assert.deepEqual(await all(access({ sessions: { workstations: ['WS2'] } })), [other]);
    for (const after of ['', 'x', '0', '-1', '0-x', '12345-', `0-${'9'.repeat(21)}`, '__proto__']) {
      assert.equal(refusal(await rig.hub.listSessions(access(), { after })), 400, after);
    }
    assert.deepEqual(good(await rig.hub.listSessions(access(), { after: '7-0' })), { sessions: [] });
  });

  it('SES-3 come with their subscribers, and with the context where scopes allow reading it', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    await rig.join(topic, '*', { 'subscriber.name': 'Viewer' });
    await rig.publish(topic, 'Patient-open', [patient()]);
    const listed = async (scope: string) => good(await rig.hub.listSessions(access({ scope }), {})).sessions[0];
    const type = async (scope: string) => JSON.parse((await listed(scope))?.context ?? '{}')['context.type'];
    assert.deepEqual(
      (await listed('fhircast/*.read'))?.subscribers.map(({ name }) => name),
      ['Viewer'],
    );
    assert.equal(await type('fhircast/*.read'), 'Patient');
    assert.equal(await type('hub/session.read fhircast/SyncError.read'), '');
    assert.equal((await listed('hub/session.read'))?.context, undefined);
    assert.equal(refusal(await rig.hub.listSessions(access({ scope: 'openid' }), {})), 403);
    rig.clock.advance(2 * HOUR);
    assert.deepEqual((await listed('fhircast/*.read'))?.subscribers, []);
  });

  it('SES-4, SES-6 of others answer like what does not exist', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session('Practitioner/1', 'WS1');
    const strangers = [
      user('Practitioner/2'),
      access({ sessions: { users: ['Practitioner/2'] } }),
      access({ sessions: { workstations: ['WS2'] } }),
      access({ sessions: { users: ['Practitioner/1'], workstations: ['WS2'] } }),
      access({ sessions: { users: [] } }),
    ];
    for (const as of strangers) {
      assert.deepEqual(good(await rig.hub.listSessions(as, {})).sessions, []);
      assert.deepEqual(good(await rig.hub.listSessions(as, { user: 'Practitioner/1' })).sessions, []);
      for (const name of [topic, 'nowhere']) {
        const answers = [
          await rig.hub.currentContext(as, name),
          await rig.subscribe(name, '*', {}, as),
          await rig.unsubscribe(name, {}, as),
          await rig.hub.deleteSession(as, name),
        ];
        for (const answer of answers) {
          const reason = 'There is no such hub.topic';
          assert.deepEqual(answer, { ok: false, status: 404, code: 'unknown-topic', reason });
        }
        assert.equal(await rig.publish(name, 'Home-open', [], {}, as), 404);
      }
    }
    assert.equal(refusal(await rig.hub.createSession(strangers[1]!, { user: 'Practitioner/1' })), 403);
  });

  it('SES-4, SES-6 are open to their user, to whom the topic was given, and to a client registered for them', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session('Practitioner/1', 'WS1');
    for (const as of [
      user('Practitioner/1'),
      user('Practitioner/2', { topics: [topic] }),
      access({ sessions: { users: ['practitioner/1'] } }),
      access({ sessions: { workstations: ['ws1'] } }),
      access({ sessions: { users: ['Practitioner/1'], workstations: ['WS1', 'WS2'] } }),
    ]) {
      assert.deepEqual(
        good(await rig.hub.listSessions(as, {})).sessions.map((session) => session.topic),
        [topic],
      );
      assert.equal(await rig.publish(topic, 'Home-open', [], {}, as), 202);
    }
  });

  it('SES-5 that end deny their subscriptions with a reason, close the sockets, and leave nothing', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const peer = await rig.join(topic);
    await rig.publish(topic, 'Patient-open', [patient()]);
    assert.equal(refusal(await rig.hub.deleteSession(access({ scope: 'fhircast/*.*' }), topic)), 403);
    good(await rig.hub.deleteSession(access(), topic));
    assert.equal(peer.denial?.['hub.reason'], 'The session was ended');
    assert.equal(peer.closed?.code, 1000);
    assert.equal(await rig.store.sessions.load(topic), undefined);
    assert.equal(refusal(await rig.hub.currentContext(access(), topic)), 404);
    assert.equal(await rig.connect(peer.endpoint), undefined);
    assert.deepEqual(good(await rig.hub.listSessions(access(), {})).sessions, []);
  });

  it('SES-5 that are idle end by themselves; not while somebody is subscribed', async (t) => {
    const rig = await Rig.open(t, { idleMs: HOUR });
    const idle = await rig.session();
    const busy = await rig.session();
    const peer = await rig.join(busy, '*', { 'hub.lease_seconds': '5400' });
    rig.clock.advance(HOUR - 1);
    await rig.hub.endIdle();
    assert.ok(await rig.store.sessions.load(idle));
    rig.clock.advance(1);
    await rig.hub.endIdle();
    assert.equal(await rig.store.sessions.load(idle), undefined);
    assert.ok(await rig.store.sessions.load(busy));
    rig.clock.advance(HOUR / 2);
    await peer.until(() => peer.closed !== undefined);
    rig.clock.advance(HOUR);
    await rig.hub.endIdle();
    assert.equal(await rig.store.sessions.load(busy), undefined);
  });
});

describe('SUB-4, SUB-5 subscriptions', () => {
  it('SUB-4 get the events that their scopes cover, and the confirmation says which', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const narrow = access({ scope: 'fhircast/Patient-open.read fhircast/Patient-close.write' });
    const peer = await rig.join(topic, 'patient-open,PATIENT-OPEN,Patient-close,SyncError', {}, narrow);
    assert.deepEqual(peer.received, [
      { 'hub.mode': 'subscribe', 'hub.topic': topic, 'hub.events': 'Patient-open', 'hub.lease_seconds': 7200 },
    ]);
    assert.equal(refusal(await rig.subscribe(topic, 'Patient-close', {}, narrow)), 403);
    await rig.publish(topic, 'Patient-open', [patient()]);
    await rig.publish(topic, 'Patient-close', [patient()]);
    assert.deepEqual(names(peer), ['Patient-open']);
  });

  it('SUB-5 have the least of the lease asked for, the most that the Hub gives, and the life of the token', async (t) => {
    const rig = await Rig.open(t, { maxLeaseSeconds: 9000 });
    const topic = await rig.session();
    const lease = async (asked: string | undefined, tokenSeconds: number) => {
      const as = access({ expiresAt: START + tokenSeconds * 1000 });
      const peer = await rig.join(topic, '*', asked ? { 'hub.lease_seconds': asked } : {}, as);
      return peer.confirmations[0]?.['hub.lease_seconds'];
    };
    assert.equal(await lease(undefined, 99_999), 7200);
    assert.equal(await lease('60', 99_999), 60);
    assert.equal(await lease('99999', 99_999), 9000);
    assert.equal(await lease(undefined, 300), 300);
  });

  it('SUB-5 end with their lease: denial, close, forgotten', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const peer = await rig.join(topic, 'Patient-open', { 'hub.lease_seconds': '60' });
    rig.clock.advance(59_999);
    await rig.settle(topic);
    assert.ok(peer.open);
    rig.clock.advance(1);
    await peer.until(() => peer.closed !== undefined);
    assert.deepEqual(peer.denial, {
      'hub.mode': 'denied',
      'hub.topic': topic,
      'hub.events': 'Patient-open',
      'hub.reason': 'The lease has ended',
    });
    assert.equal(peer.closed?.code, 1000);
    assert.equal((await rig.hub.inspect(topic))?.state.subscriptions.size, 0);
  });

  it('SUB-5 end with their lease even if the subscriber never connected', async (t) => {
    const rig = await Rig.open(t, { connectMs: HOUR });
    const topic = await rig.session();
    const { endpoint = '' } = good(await rig.subscribe(topic, '*', { 'hub.lease_seconds': '60' }));
    good(await rig.subscribe(topic, '*', { 'hub.lease_seconds': '90', 'hub.channel.endpoint': endpoint }));
    rig.clock.advance(60_000);
    await rig.settle(topic);
    assert.equal((await rig.hub.inspect(topic))?.state.subscriptions.size, 1);
    rig.clock.advance(30_000);
    await rig.settle(topic);
    assert.equal((await rig.hub.inspect(topic))?.state.subscriptions.size, 0);
    assert.equal(await rig.connect(endpoint), undefined);
  });

  it('are bounded in number, those whose lease passed not counted', async (t) => {
    const rig = await Rig.open(t, { maxSubscriptionsPerSession: 2, connectMs: HOUR });
    const topic = await rig.session();
    const guest = access({ clientId: 'guest' });
    const lease = { 'hub.lease_seconds': '60' };
    for (let i = 0; i < 2; i++) good(await rig.subscribe(topic, '*', lease, guest));
    assert.equal(refusal(await rig.subscribe(topic, '*', {}, guest)), 429);
    // Their timers are gone with the process.
    await rig.crash();
    rig.clock.advance(60_000);
    good(await rig.subscribe(topic, '*', {}, guest));
    assert.equal((await rig.hub.inspect(topic))?.state.subscriptions.size, 1);
    const many = await Promise.all(Array.from({ length: 5 }, () => rig.subscribe(topic, '*', {}, guest)));
    assert.deepEqual(many.map((answer) => (answer.ok ? 202 : answer.status)).sort(), [202, 429, 429, 429, 429]);
  });
});

describe('SUB-6 renewing a subscription', () => {
  it('replaces events and lease, and confirms on the open socket', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const peer = await rig.join(topic, 'Patient-open,Patient-close', {
      'hub.lease_seconds': '60',
      'subscriber.name': 'V',
    });
    await rig.publish(topic, 'Patient-open', [patient()]);
    const renewed = await rig.subscribe(topic, 'Patient-close,SyncError', {
      'hub.channel.endpoint': peer.endpoint,
      'hub.lease_seconds': '120',
    });
    assert.equal(good(renewed).endpoint, peer.endpoint);
    assert.deepEqual(peer.confirmations[1], {
      'hub.mode': 'subscribe',
      'hub.topic': topic,
      'hub.events': 'Patient-close,SyncError',
      'hub.lease_seconds': 120,
    });
    await rig.publish(topic, 'Patient-open', [patient('p2')]);
    await rig.publish(topic, 'Patient-close', [patient('p2')]);
    assert.deepEqual(names(peer), ['Patient-open', 'Patient-close']);
    rig.clock.advance(119_999);
    await rig.settle(topic);
    assert.ok(peer.open);
    rig.clock.advance(1);
    await peer.until(() => peer.closed !== undefined);
    assert.equal((await rig.hub.inspect(topic))?.state.subscriptions.size, 0);
  });

  it('confirms again even where nothing but the request is new', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const peer = await rig.join(topic, 'Patient-open');
    await rig.publish(topic, 'Patient-open', [patient()]);
    good(await rig.subscribe(topic, 'Patient-open', { 'hub.channel.endpoint': peer.endpoint }));
    assert.equal(peer.confirmations.length, 2);
    assert.equal(peer.events.length, 1);
  });

  it('SUB-8 brings the standing opens that were not subscribed to before, and what is current once more after them', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const peer = await rig.join(topic, 'SyncError,ImagingStudy-open');
    await rig.publish(topic, 'Patient-open', [patient()], { id: 'a' });
    await rig.publish(topic, 'ImagingStudy-open', [study()], { id: 'b' });
    good(await rig.subscribe(topic, 'ImagingStudy-open,Patient-open', { 'hub.channel.endpoint': peer.endpoint }));
    assert.deepEqual(peer.ids, ['b', 'a', 'b']);
  });

  it('may shorten the lease', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const peer = await rig.join(topic);
    good(await rig.subscribe(topic, '*', { 'hub.channel.endpoint': peer.endpoint, 'hub.lease_seconds': '5' }));
    rig.clock.advance(5000);
    await peer.until(() => peer.closed !== undefined);
    assert.equal(peer.denial?.['hub.reason'], 'The lease has ended');
  });

  it("is refused for an endpoint that is another's, of another topic, unknown or ended", async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const peer = await rig.join(topic);
    const renew = (endpoint: string, as = access(), name = topic) =>
      rig.subscribe(name, 'SyncError', { 'hub.channel.endpoint': endpoint }, as);
    assert.equal(refusal(await renew(peer.endpoint, access({ clientId: 'other' }))), 404);
    assert.equal(refusal(await renew(peer.endpoint, user('Practitioner/1', { clientId: 'client' }))), 404);
    assert.equal(refusal(await renew(peer.endpoint, access(), await rig.session())), 404);
    assert.equal(refusal(await renew('wss://hub.example/hub/ws/unknown')), 404);
    assert.equal(peer.confirmations.length, 1);
    good(await rig.unsubscribe(topic, { 'hub.channel.endpoint': peer.endpoint }));
    assert.equal(refusal(await renew(peer.endpoint)), 404);
  });

  it('is sent to no subscriber because its session is read again', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const peer = await rig.join(topic);
    // Nothing happens for so long that the session leaves memory.
    rig.clock.advance(10 * 60_000);
    await rig.publish(topic, 'Patient-open', [patient()], { id: 'a' });
    assert.deepEqual(peer.ids, ['a']);
    assert.equal(peer.confirmations.length, 1);
  });
});

describe('SUB-7 connecting', () => {
  it('brings the confirmation first, then SUB-8 standing opens, then events', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    await rig.publish(topic, 'Patient-open', [patient()], { id: 'a' });
    await rig.publish(topic, 'DiagnosticReport-open', [report(), patient()], { id: 'b' });
    await rig.publish(topic, 'ImagingStudy-open', [study()], { id: 'c' });
    const peer = await rig.join(topic, 'Patient-open,ImagingStudy-open');
    await rig.publish(topic, 'Patient-open', [patient('p2')], { id: 'd' });
    assert.equal(peer.received[0]?.['hub.mode'], 'subscribe');
    assert.deepEqual(peer.ids, ['a', 'c', 'd']);
  });

  it('a second connection takes over and closes the first, without a SyncError', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const watcher = await rig.join(topic, 'SyncError');
    const first = await rig.join(topic);
    const second = await rig.connect(first.endpoint);
    assert.equal(first.closed?.code, 1000);
    first.connection?.closed(1006);
    await rig.publish(topic, 'Patient-open', [patient()], { id: 'a' });
    assert.deepEqual(second?.ids, ['a']);
    assert.deepEqual(first.ids, []);
    assert.deepEqual(watcher.syncErrors, []);
    assert.equal(rig.hub.counts.connected, 2);
  });

  it('is refused at an endpoint that is unknown, expired or ended', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    assert.equal(await rig.connect('wss://hub.example/hub/ws/unknown'), undefined);
    const { endpoint = '' } = good(await rig.subscribe(topic, '*', { 'hub.lease_seconds': '60' }));
    const found = await rig.hub.findEndpoint(endpoint.split('/').at(-1) ?? '');
    assert.deepEqual(found, { topic, clientId: 'client' });
    good(await rig.unsubscribe(topic, { 'hub.channel.endpoint': endpoint }));
    assert.equal(await rig.connect(endpoint), undefined);
  });

  it('to an endpoint that ended after it was found is closed', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const peer = await rig.join(topic);
    const id = peer.endpoint.split('/').at(-1) ?? '';
    good(await rig.unsubscribe(topic, { 'hub.channel.endpoint': peer.endpoint }));
    const closed: number[] = [];
    const channel = {
      send: () => undefined,
      close: (code: number) => void closed.push(code),
      buffered: 0,
      onDrain: () => undefined,
    };
    assert.equal(await rig.hub.connect({ topic, id }, channel), undefined);
    assert.deepEqual(closed, [1008]);
  });
});

describe('SUB-9 unsubscribing', () => {
  it('sends a denial, closes normally, and the endpoint is dead for good', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const watcher = await rig.join(topic, 'SyncError');
    const peer = await rig.join(topic, 'Patient-open');
    assert.equal(good(await rig.unsubscribe(topic, { endpoint: peer.endpoint })).endpoint, peer.endpoint);
    assert.equal(peer.denial?.['hub.events'], 'Patient-open');
    assert.equal(peer.closed?.code, 1000);
    peer.connection?.closed(1000);
    assert.equal(await rig.connect(peer.endpoint), undefined);
    assert.equal(refusal(await rig.unsubscribe(topic, { endpoint: peer.endpoint })), 404);
    await rig.settle(topic);
    assert.deepEqual(watcher.syncErrors, []);
    assert.equal(rig.hub.counts.connected, 1);
  });

  it('without an endpoint means the one of that name, or the only one; 400 where it could be several', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const a = await rig.join(topic, '*', { 'subscriber.name': 'A' });
    const b = await rig.join(topic, '*', { 'subscriber.name': 'B' });
    const b2 = await rig.join(topic, '*', { 'subscriber.name': 'B' });
    const others = await rig.join(topic, '*', { 'subscriber.name': 'A' }, access({ clientId: 'other' }));
    assert.equal(refusal(await rig.unsubscribe(topic)), 400);
    assert.equal(refusal(await rig.unsubscribe(topic, { 'subscriber.name': 'B' })), 400);
    assert.equal(refusal(await rig.unsubscribe(topic, { 'subscriber.name': 'C' })), 404);
    good(await rig.unsubscribe(topic, { 'subscriber.name': 'A' }));
    assert.ok(a.closed && !b.closed && !b2.closed && !others.closed);
    good(await rig.unsubscribe(topic, { 'hub.channel.endpoint': b.endpoint }));
    good(await rig.unsubscribe(topic));
    assert.ok(b2.closed && !others.closed);
    assert.equal(refusal(await rig.unsubscribe(topic, { 'hub.channel.endpoint': others.endpoint })), 404);
  });
});

describe('SUB-11 coming back', () => {
  it('is possible within the grace time, and brings SUB-8 again', async (t) => {
    const rig = await Rig.open(t, { graceMs: 60_000 });
    const topic = await rig.session();
    const peer = await rig.join(topic);
    await rig.publish(topic, 'Patient-open', [patient()], { id: 'a' });
    peer.connection?.closed(1006);
    await rig.publish(topic, 'Patient-open', [patient('p2')], { id: 'b' });
    rig.clock.advance(59_999);
    const back = await rig.connect(peer.endpoint);
    assert.equal(back?.confirmations.length, 1);
    assert.deepEqual(back?.ids, ['b']);
    rig.clock.advance(60_000);
    await rig.settle(topic);
    assert.ok(back?.open);
  });

  it('is not possible after it, or after a normal close', async (t) => {
    const rig = await Rig.open(t, { graceMs: 60_000 });
    const topic = await rig.session();
    const lost = await rig.join(topic);
    const done = await rig.join(topic);
    const away = await rig.join(topic);
    lost.connection?.closed(1006);
    done.connection?.closed(1000);
    away.connection?.closed(1001);
    await rig.settle(topic);
    assert.equal(await rig.connect(done.endpoint), undefined);
    rig.clock.advance(60_000);
    await rig.settle(topic);
    assert.equal(await rig.connect(lost.endpoint), undefined);
    assert.equal(await rig.connect(away.endpoint), undefined);
    assert.equal((await rig.hub.inspect(topic))?.state.subscriptions.size, 0);
  });

  it('SUB-11 has its grace time although the Hub stood still meanwhile', async (t) => {
    const rig = await Rig.open(t, { graceMs: 60_000 });
    const topic = await rig.session();
    const peer = await rig.join(topic);
    peer.connection?.closed(1001);
    await rig.settle(topic);
    rig.clock.pause(100_000);
    await rig.settle(topic);
    assert.ok(await rig.connect(peer.endpoint));
  });

  it('has its own grace time for each subscriber and each drop', async (t) => {
    const rig = await Rig.open(t, { graceMs: 60_000 });
    const topic = await rig.session();
    const a = await rig.join(topic);
    const b = await rig.join(topic);
    a.connection?.closed(1006);
    rig.clock.advance(50_000);
    b.connection?.closed(1006);
    const again = await rig.connect(a.endpoint);
    again?.connection?.closed(1006);
    rig.clock.advance(50_000);
    await rig.settle(topic);
    assert.ok(await rig.connect(a.endpoint));
    assert.ok(await rig.connect(b.endpoint));
  });

  it('with ?since brings every event missed, in order, and only those subscribed to', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const peer = await rig.join(topic, 'Patient-open,Patient-close');
    for (const id of ['a', 'b']) await rig.publish(topic, 'Patient-open', [patient(id)], { id });
    peer.connection?.closed(1006);
    await rig.publish(topic, 'Patient-open', [patient('c')], { id: 'c' });
    await rig.publish(topic, 'ImagingStudy-open', [study()], { id: 'x' });
    await rig.publish(topic, 'Patient-close', [patient('c')], { id: 'd' });
    const back = await rig.connect(peer.endpoint, 'a');
    assert.deepEqual(back?.ids, ['b', 'c', 'd']);
    await rig.publish(topic, 'Patient-open', [patient('e')], { id: 'e' });
    assert.deepEqual(back?.ids, ['b', 'c', 'd', 'e']);
  });

  it('with ?since of the last event brings nothing; of an unknown one SUB-8', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const peer = await rig.join(topic);
    for (const id of ['a', 'b']) await rig.publish(topic, 'Patient-open', [patient(id)], { id });
    peer.connection?.closed(1006);
    assert.deepEqual((await rig.connect(peer.endpoint, 'b'))?.events, []);
    const unknown = await rig.connect(peer.endpoint, 'unheard of');
    assert.deepEqual(
      unknown?.events.map(({ event }) => [event['hub.event'], event.context[0].resource.id]),
      [['Patient-open', 'b']],
    );
    assert.equal(unknown?.ids.includes('b'), false, 'under a new id: it may have seen the other one');
  });

  it('ERR-8 who returns with ?since of the current context and owes its answer is sent that context once more', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const peer = await rig.join(topic, 'Patient-open', { 'subscriber.name': 'Viewer' });
    await rig.publish(topic, 'Patient-open', [patient('a')], { id: 'a' });
    peer.answer(200, 'a');
    await rig.settle(topic);
    await rig.publish(topic, 'Patient-open', [patient('b')], { id: 'b' });
    rig.clock.advance(1000);
    await rig.settle(topic);
    const names = async () => (await rig.hub.sessions())[0]?.notFollowing.map(({ name, why }) => [name, why]);
    assert.deepEqual(await names(), [['Viewer', 'waiting']]);
    peer.connection?.closed(1006);
    const back = await rig.connect(peer.endpoint, 'b');
    assert.equal(back?.events.length, 1);
    assert.equal(back?.events[0]?.event.context[0].resource.id, 'b');
    assert.notEqual(back?.ids[0], 'b');
    back?.answer(200, back.ids[0] ?? '');
    await rig.settle(topic);
    assert.deepEqual(await names(), []);
    back?.connection?.closed(1006);
    assert.deepEqual((await rig.connect(peer.endpoint, 'b'))?.events, [], 'nothing more once it has answered');
  });

  it('ERR-8 who never answered before it was lost is asked once more as well, whatever is current', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const events = 'Patient-open,Patient-close,Home-open,org.lockstep.following';
    const peer = await rig.join(topic, events, { 'subscriber.name': 'Viewer' });
    const names = async () => (await rig.hub.sessions())[0]?.notFollowing.map(({ name, why }) => [name, why]);
    peer.connection?.closed(1006);
    await rig.settle(topic);
    assert.deepEqual(await names(), [['Viewer', 'lost']]);
    let back = await rig.connect(peer.endpoint, 'nothing');
    await rig.settle(topic);
    assert.deepEqual(await names(), [], 'nothing was ever open');
    const changes = [
      ['Patient-open', [patient('a')], 'Patient-open'],
      ['Home-open', [], 'Home-open'],
      ['Patient-open', [patient('b')], 'Patient-open'],
      ['Patient-close', [patient('b')], 'Home-open'],
    ] as const;
    for (const [index, [name, context, asked]] of changes.entries()) {
      const id = `change-${index}`;
      await rig.publish(topic, name, context, { id });
      back?.connection?.closed(1006);
      await rig.settle(topic);
      assert.deepEqual(await names(), [['Viewer', 'lost']], id);
      back = await rig.connect(peer.endpoint, id);
      const [question, ...others] = back?.asked ?? [];
      assert.deepEqual([question?.event['hub.event'], others], [asked, []], id);
      back?.answer(200, question?.id);
      await rig.settle(topic);
      assert.deepEqual(await names(), [], id);
    }
    const silent = await rig.join(topic, 'Patient-open', { 'subscriber.name': 'Old viewer' });
    await rig.publish(topic, 'Patient-open', [patient('c')], { id: 'c' });
    silent.connection?.closed(1006);
    assert.deepEqual(
      (await rig.connect(silent.endpoint, 'c'))?.events,
      [],
      'one that never answers is not asked again',
    );
  });

  it('ERR-8 who connects once more before its last connection is gone owes the answer that was lost with that', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const names = async () => (await rig.hub.sessions())[0]?.notFollowing.map(({ name, why }) => [name, why]);
    const sdk = await rig.join(topic, 'Patient-open,org.lockstep.following', { 'subscriber.name': 'Viewer' });
    const plain = await rig.join(topic, 'Patient-open', { 'subscriber.name': 'Writer' });
    const mute = await rig.join(topic, 'Patient-open', { 'subscriber.name': 'Old viewer' });
    await rig.publish(topic, 'Patient-open', [patient('a')], { id: 'a' });
    for (const one of [sdk, plain]) one.answer(200, 'a');
    await rig.settle(topic);
    const answered = await rig.connect(sdk.endpoint, 'a');
    assert.deepEqual(answered?.asked, [], 'it has answered');
    await rig.publish(topic, 'Patient-open', [patient('b')], { id: 'b' });
    assert.deepEqual((await rig.connect(mute.endpoint, 'b'))?.asked, [], 'one that never answers');
    const [sdkBack, plainBack] = [await rig.connect(sdk.endpoint, 'b'), await rig.connect(plain.endpoint, 'b')];
    for (const back of [sdkBack, plainBack]) {
      const asked = back?.asked.map(({ event }) => [event['hub.event'], event.context[0].resource.id]);
      assert.deepEqual(asked, [['Patient-open', 'b']]);
    }
    rig.clock.advance(1000);
    await rig.settle(topic);
    assert.deepEqual(await names(), [
      ['Viewer', 'waiting'],
      ['Writer', 'waiting'],
    ]);
    for (const back of [sdkBack, plainBack]) back?.answer(200, back.asked[0]?.id);
    await rig.settle(topic);
    assert.deepEqual(await names(), []);
  });

  it('ERR-8 who saw a close, and whose answer was lost, is asked by that close where it does not take Home-open', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const peer = await rig.join(topic, 'Patient-open,Patient-close', { 'subscriber.name': 'Viewer' });
    const names = async () => (await rig.hub.sessions())[0]?.notFollowing.map(({ name, why }) => [name, why]);
    await rig.publish(topic, 'Patient-open', [patient('a')], { id: 'a' });
    peer.answer(200, 'a');
    await rig.publish(topic, 'Patient-close', [patient('a')], { id: 'close' });
    peer.connection?.closed(1006);
    await rig.settle(topic);
    assert.deepEqual(await names(), [['Viewer', 'lost']]);
    const back = await rig.connect(peer.endpoint, 'close');
    assert.deepEqual(
      back?.events.map(({ event }) => [event['hub.event'], event.context[0].resource.id]),
      [['Patient-close', 'a']],
    );
    assert.notEqual(back?.ids[0], 'close');
    back?.answer(200, back.ids[0] ?? '');
    await rig.settle(topic);
    assert.deepEqual(await names(), []);
  });

  it('ERR-8 who takes neither closes nor Home-open, and comes back once nothing is open, shows what it showed', async (t) => {
    for (const since of ['a', undefined]) {
      for (const [name, context] of [
        ['Patient-close', [patient('a')]],
        ['Home-open', []],
      ] as const) {
        const rig = await Rig.open(t);
        const topic = await rig.session();
        const peer = await rig.join(topic, 'Patient-open', { 'subscriber.name': 'Viewer' });
        const names = async () => (await rig.hub.sessions())[0]?.notFollowing.map(({ why }) => why);
        await rig.publish(topic, 'Patient-open', [patient('a')], { id: 'a' });
        peer.answer(200, 'a');
        peer.connection?.closed(1006);
        await rig.publish(topic, name, context);
        await rig.settle(topic);
        assert.deepEqual(await names(), ['lost']);
        await rig.connect(peer.endpoint, since);
        await rig.settle(topic);
        assert.deepEqual(await names(), ['untold'], `${name}, since ${since}`);
      }
    }
  });

  it('SUB-8, PUB-9 a newcomer is sent Home-open after what stands open and is not current', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const names = (peer: Peer | undefined) => peer?.events.map(({ event }) => event['hub.event']);
    await rig.publish(topic, 'Patient-open', [patient('p1')], { id: 'a' });
    await rig.publish(topic, 'ImagingStudy-open', [study()], { id: 'b' });
    assert.deepEqual(names(await rig.join(topic)), ['Patient-open', 'ImagingStudy-open']);
    const watcher = await rig.join(topic, 'Patient-open,Patient-close');
    await rig.publish(topic, 'ImagingStudy-close', [study()], { id: 'c' });
    const newcomer = await rig.join(topic);
    assert.deepEqual(names(newcomer), ['Patient-open', 'Home-open']);
    const why = async () =>
      (await rig.hub.inspect(topic))?.state.following.get(newcomer.endpoint.split('/').at(-1) ?? '')?.why;
    newcomer.answer(200, 'a');
    await rig.settle(topic);
    assert.equal(await why(), 'waiting', 'it shows what is not current');
    newcomer.answer(200, newcomer.ids[1] ?? '');
    await rig.settle(topic);
    assert.equal(await why(), undefined);
    assert.deepEqual(
      names(await rig.join(topic, 'Patient-open')),
      ['Patient-open'],
      'nobody gets what it did not ask for',
    );
    assert.deepEqual(names(watcher), ['Patient-open']);
    await rig.publish(topic, 'Home-open', [], { id: 'd' });
    assert.deepEqual((await rig.join(topic)).ids, ['a', 'd'], 'the one that was published is enough');
    await rig.publish(topic, 'Patient-close', [patient('p1')], { id: 'e' });
    await rig.publish(topic, 'Patient-open', [patient('p2')], { id: 'f' });
    await rig.publish(topic, 'Patient-close', [patient('p2')], { id: 'g' });
    assert.deepEqual((await rig.join(topic)).events, [], 'nothing stands open');
  });

  it('ERR-8 a newcomer is said to be waited for as soon as it joins, and not once it has answered', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    await rig.publish(topic, 'Patient-open', [patient('a')], { id: 'a' });
    const ehr = await rig.join(topic, 'Patient-open,org.lockstep.following', { 'subscriber.name': 'EHR' });
    ehr.answer(200, 'a');
    await rig.settle(topic);
    const told = () =>
      ehr.events.flatMap(({ event }) =>
        event['hub.event'] === 'org.lockstep.following'
          ? [event.context.map((one: Json) => [one.subscriber, one.why])]
          : [],
      );
    const before = told().length;
    const news = () => told().slice(before);
    const viewer = await rig.join(topic, 'Patient-open', { 'subscriber.name': 'Viewer' });
    assert.deepEqual(news(), [[['Viewer', 'waiting']]], 'no time has passed');
    rig.clock.advance(9000);
    await rig.settle(topic);
    assert.equal(news().length, 1, 'it costs no message more');
    viewer.answer(200, 'a');
    await rig.settle(topic);
    assert.deepEqual(news().slice(1), [[]]);
    const late = await rig.join(topic, 'Patient-open', { 'subscriber.name': 'Old viewer' });
    rig.clock.advance(10_000);
    await rig.settle(topic);
    assert.deepEqual(news().slice(2), [[['Old viewer', 'waiting']], [['Old viewer', 'silent']]]);
    assert.ok(late.open);
    await rig.join(topic, 'Encounter-open', { 'subscriber.name': 'Scheduler' });
    assert.equal(news().length, 4, 'who is sent nothing is not waited for');
  });

  it('ERR-8, WEB-2 a callback that takes its time does not follow meanwhile', async (t) => {
    const callbacks = new FakeCallbacks();
    const rig = await Rig.open(t, { webhooks: { callbacks, cursors: new FakeCursors() } });
    const topic = await rig.session();
    const names = async () => (await rig.hub.sessions())[0]?.notFollowing.map(({ why }) => why) ?? ['no session'];
    const becomes = (...whys: string[]) =>
      eventually(`${whys}`, async () => {
        await rig.settle(topic);
        return (await names()).join() === whys.join();
      });
    await rig.publish(topic, 'Patient-open', [patient('p1')], { id: 'a' });
    let answer: (status: number) => void = () => undefined;
    callbacks.answer = () => new Promise((resolve) => (answer = resolve));
    const form = { 'hub.channel.type': 'webhook', 'hub.callback': 'https://app.example/cb' };
    good(await rig.subscribe(topic, '*', form));
    await becomes('waiting');
    await callbacks.until(() => callbacks.ids.at(-1) === 'a');
    answer(200);
    await becomes();
    await rig.publish(topic, 'Patient-open', [patient('p2')], { id: 'b' });
    await callbacks.until(() => callbacks.ids.at(-1) === 'b');
    rig.clock.advance(500);
    await becomes('waiting');
    rig.clock.advance(9500);
    await becomes('silent');
    answer(200);
    await becomes();
  });

  it('ERR-8 an answer that is taken back counts, and so does one that follows at once', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const peer = await rig.join(topic, 'Patient-open', { 'subscriber.name': 'Viewer' });
    const other = await rig.join(topic, 'SyncError');
    await rig.publish(topic, 'Patient-open', [patient('a')], { id: 'a' });
    peer.answer(200, 'a');
    await rig.publish(topic, 'Patient-open', [patient('b')], { id: 'b' });
    const marks = async () => (await rig.hub.sessions())[0]?.notFollowing.map(({ why, shows }) => [why, shows]);
    peer.answer(202, 'b');
    await rig.settle(topic);
    assert.deepEqual(await marks(), []);
    peer.answer(409, 'b');
    await rig.settle(topic);
    assert.deepEqual(await marks(), [['refused', 'Patient/a']]);
    assert.equal(other.events.length, 1, 'the others get a SyncError (ERR-2)');
    for (const status of [200, 409, 200]) peer.answer(status, 'b');
    await rig.settle(topic);
    assert.deepEqual(await marks(), []);
  });

  const said = { eventId: 'b', eventName: 'Patient-open', subscriberName: 'Viewer', diagnostics: '' } as const;
  const syncError = { key: 'operationoutcome', resource: syncErrorOutcome({ ...said, severity: 'warning' }) };
  /** What happens to the open of b, before and after the close of a, which is not current, was answered 200. */
  const NOT_FOLLOWED: Readonly<Record<string, readonly ((rig: Rig, peer: Peer, topic: string) => unknown)[]>> = {
    refused: [(_, peer) => peer.answer(409, 'b')],
    'refused late': [() => undefined, (_, peer) => peer.answer(409, 'b')],
    failed: [(_, peer) => peer.answer(500, 'b')],
    'refused by SyncError': [
      async (rig, peer, topic) => {
        peer.answer(202, 'b');
        await rig.publish(topic, 'SyncError', [syncError]);
      },
    ],
    waiting: [(rig) => rig.clock.advance(600)],
    'waiting late': [() => undefined, (rig) => rig.clock.advance(600)],
    silent: [(rig) => rig.clock.advance(10_000)],
    'silent late': [() => undefined, (rig) => rig.clock.advance(10_000)],
  };
  for (const [way, [before, after]] of Object.entries(NOT_FOLLOWED)) {
    it(`ERR-8 the answer to a close of another context is none to the current one, which is ${way}`, async (t) => {
      const rig = await Rig.open(t);
      const topic = await rig.session();
      const peer = await rig.join(topic, 'Patient-open,Patient-close', { 'subscriber.name': 'Viewer' });
      await rig.publish(topic, 'Patient-open', [patient('a')], { id: 'a' });
      peer.answer(200, 'a');
      await rig.publish(topic, 'Patient-open', [patient('b')], { id: 'b' });
      const marks = async () => {
        await rig.settle(topic);
        return (await rig.hub.sessions())[0]?.notFollowing.map(({ why, eventId }) => [why, eventId]);
      };
      await before?.(rig, peer, topic);
      await rig.settle(topic);
      await rig.publish(topic, 'Patient-close', [patient('a')], { id: 'close-a' });
      peer.answer(200, 'close-a');
      await rig.settle(topic);
      await after?.(rig, peer, topic);
      assert.deepEqual(await marks(), [[way.split(' ')[0], 'b']]);
      peer.answer(200, 'b');
      assert.deepEqual(await marks(), []);
      await rig.publish(topic, 'Patient-close', [patient('b')], { id: 'close-b' });
      peer.answer(409, 'close-b');
      assert.deepEqual(await marks(), [['refused', 'close-b']], 'of the current one it is');
      peer.answer(200, 'close-b');
      assert.deepEqual(await marks(), []);
    });
  }

  it('ERR-8 who is not told of the current context, and was told of another patient, is marked until that is over', async (t) => {
    const ofPatient = (id: string) => [study('x'), patient(id)];
    /** What is opened after the study of p1, and who of those that follow studies alone is marked then. */
    for (const [name, context, marked] of [
      ['Patient-open', [patient('p2')], ['PACS']],
      ['Encounter-open', [encounter(), patient('p2')], ['PACS']],
      ['Patient-open', [patient('p1')], []],
      ['ImagingStudy-open', [study('y'), patient('p2')], []],
      ['Home-open', [], ['PACS']],
    ] as const) {
      const rig = await Rig.open(t);
      const topic = await rig.session();
      const pacs = await rig.join(topic, 'ImagingStudy-open', { 'subscriber.name': 'PACS' });
      const peers = [
        pacs,
        await rig.join(topic, '*', { 'subscriber.name': 'EHR' }),
        await rig.join(topic, 'SyncError', { 'subscriber.name': 'Monitor' }),
        await rig.join(topic, 'Practitioner-open', { 'subscriber.name': 'Never told' }),
      ];
      const answer = (id: string) => {
        for (const peer of peers) if (peer.ids.includes(id)) peer.answer(200, id);
      };
      await rig.publish(topic, 'ImagingStudy-open', ofPatient('p1'), { id: 'e1' });
      answer('e1');
      await rig.publish(topic, name, context, { id: 'e2' });
      answer('e2');
      const marks = async () => {
        await rig.settle(topic);
        return (await rig.hub.sessions())[0]?.notFollowing ?? [];
      };
      const told = (await marks()).map((one) => [one.name, one.why, one.shows]);
      assert.deepEqual(
        told,
        marked.map((who) => [who, 'untold', 'ImagingStudy/x']),
        name,
      );
      // It is over once it follows what it is told of, or what it was told of is of the same patient.
      await rig.publish(topic, 'Patient-open', [patient('p2')], { id: 'e3' });
      answer('e3');
      const again = name === 'Encounter-open' ? [patient('p1')] : ofPatient('p3');
      await rig.publish(topic, again.length === 1 ? 'Patient-open' : 'ImagingStudy-open', again, { id: 'e4' });
      answer('e4');
      assert.deepEqual(await marks(), [], `${name}: it is over`);
    }
  });

  it('with ?since of an event that the log has dropped brings the standing opens under new ids', async (t) => {
    const rig = await Rig.open(t, { log: { count: 2, ageMs: HOUR } });
    const topic = await rig.session();
    const peer = await rig.join(topic);
    await rig.publish(topic, 'Patient-open', [patient('p1')], { id: 'a' });
    await rig.publish(topic, 'ImagingStudy-open', [study()], { id: 's' });
    peer.connection?.closed(1006);
    for (let n = 0; n < 8; n++) await rig.publish(topic, 'org.example.x', [], { id: `x${n}` });
    const back = await rig.connect(peer.endpoint, 'a');
    assert.deepEqual(
      back?.events.map(({ event }) => event['hub.event']),
      ['Patient-open', 'ImagingStudy-open'],
    );
    assert.ok(!back?.ids.includes('a') && !back?.ids.includes('s'));
    assert.deepEqual((await rig.connect(peer.endpoint, 'x6'))?.ids, ['x7']);
  });

  it('SUB-11 ?since brings nothing from before the subscription, nor from before a logout', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    await rig.publish(topic, 'Patient-open', [patient('p1')], { id: 'a' });
    await rig.publish(topic, 'Patient-open', [patient('p2')], { id: 'b' });
    const { endpoint = '' } = good(await rig.subscribe(topic, '*'));
    const fresh = await rig.connect(endpoint, 'a');
    assert.deepEqual(fresh?.ids, ['b'], 'the standing open of who has never been connected');
    fresh?.connection?.closed(1006);
    await rig.publish(topic, 'Patient-open', [patient('p3')], { id: 'c' });
    const back = await rig.connect(endpoint, 'a');
    assert.deepEqual(back?.ids, ['c']);
    back?.connection?.closed(1006);
    await rig.publish(topic, 'Patient-open', [patient('p4')], { id: 'd' });
    await rig.publish(topic, 'UserLogout', [{ key: 'parameters', resource: { resourceType: 'Parameters' } }], {
      id: 'e',
    });
    await rig.publish(topic, 'Patient-open', [patient('p5')], { id: 'f' });
    assert.deepEqual((await rig.connect(endpoint, 'c'))?.ids, ['e', 'f']);
  });

  it('SUB-11 a logout reaches every subscriber that returns, whatever it has seen, and none that subscribed later', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const peers = [await rig.join(topic), await rig.join(topic), await rig.join(topic)];
    await rig.publish(topic, 'Patient-open', [patient('p1')], { id: 'a' });
    await rig.publish(topic, 'Patient-open', [patient('p2')], { id: 'b' });
    peers[0]?.connection?.closed(1006);
    await rig.publish(topic, 'UserLogout', [parameters], { id: 'c' });
    for (const peer of peers.slice(1)) peer.connection?.closed(1006);
    const late = await rig.join(topic);
    late.connection?.closed(1006);
    await rig.publish(topic, 'Patient-open', [patient('p3')], { id: 'd' });
    // The second was sent the logout, which broke off on its way; the third has it.
    for (const [index, seen] of ['a', 'b', 'c'].entries()) {
      const back = await rig.connect(peers[index]?.endpoint ?? '', seen);
      assert.deepEqual(back?.ids, seen === 'c' ? ['d'] : ['c', 'd']);
      assert.equal(back?.denial, undefined);
    }
    const names = (await rig.connect(late.endpoint, 'b'))?.events.map(({ event }) => event['hub.event']);
    assert.deepEqual(names, ['Patient-open'], 'how things stand');
  });

  it('WEB-3, SUB-11 a logout reaches a webhook that was behind when it erased what came before', async (t) => {
    const callbacks = new FakeCallbacks();
    const rig = await Rig.open(t, { webhooks: { callbacks, cursors: new FakeCursors() } });
    const topic = await rig.session();
    good(await rig.subscribe(topic, '*', { 'hub.channel.type': 'webhook', 'hub.callback': 'https://app.example/cb' }));
    await eventually('it is confirmed', async () => (await rig.hub.inspect(topic))?.state.subscriptions.size === 1);
    callbacks.answer = () => new Promise(() => undefined);
    await rig.publish(topic, 'Patient-open', [patient('p1')], { id: 'a' });
    await callbacks.until(() => callbacks.ids.at(-1) === 'a');
    await rig.publish(topic, 'Patient-open', [patient('p2')], { id: 'b' });
    await rig.publish(topic, 'UserLogout', [parameters], { id: 'c' });
    await rig.publish(topic, 'Patient-open', [patient('p3')], { id: 'd' });
    callbacks.answer = () => 200;
    await rig.crash();
    await callbacks.until(() => callbacks.ids.at(-1) === 'd');
    assert.deepEqual(callbacks.ids, ['a', 'c', 'd']);
  });

  it('SUB-11 with ?since of an event that the log has dropped, what was closed since is closed', async (t) => {
    const rig = await Rig.open(t, { log: { count: 5, ageMs: 86_400_000 } });
    const topic = await rig.session();
    const peer = await rig.join(topic);
    await rig.publish(topic, 'Patient-open', [patient('p1')], { id: 'a' });
    peer.connection?.closed(1006);
    for (let n = 0; n < 19; n++) await rig.publish(topic, 'ImagingStudy-open', [study('s1')], { id: `n${n}` });
    await rig.publish(topic, 'Patient-close', [patient('p1')], { id: 'c' });
    const back = await rig.connect(peer.endpoint, 'a');
    assert.deepEqual(
      back?.events.map(({ event }) => event['hub.event']),
      ['Patient-close', 'ImagingStudy-open'],
    );
    assert.ok(!back?.ids.includes('n18') && !back?.ids.includes('c'), 'under new ids');
  });

  it('SUB-11 with ?since of what a logout has made unknown, a denial says so', async (t) => {
    const rig = await Rig.open(t, { log: { count: 2, ageMs: 86_400_000 } });
    const topic = await rig.session();
    const peer = await rig.join(topic);
    await rig.publish(topic, 'Patient-open', [patient('p1')], { id: 'a' });
    peer.connection?.closed(1006);
    await rig.publish(topic, 'UserLogout', [{ key: 'parameters', resource: { resourceType: 'Parameters' } }]);
    for (let n = 0; n < 6; n++) await rig.publish(topic, 'ImagingStudy-open', [study('s1')]);
    const back = await rig.connect(peer.endpoint, 'a');
    assert.match(back?.denial?.['hub.reason'], /no longer known/);
  });

  it('SUB-11 without ?since, a subscriber that missed a logout gets a denial which says that the Hub does not know what it shows', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const [missed, had] = [await rig.join(topic), await rig.join(topic, '*', { 'subscriber.name': 'had' })];
    await rig.publish(topic, 'Patient-open', [patient('p1')], { id: 'a' });
    missed.connection?.closed(1006);
    await rig.settle(topic);
    await rig.publish(topic, 'UserLogout', [parameters], { id: 'out' });
    had.connection?.closed(1006);
    await rig.settle(topic);
    const back = await rig.connect(missed.endpoint);
    assert.match(back?.denial?.['hub.reason'], /no longer known/);
    assert.equal((await rig.connect(had.endpoint))?.denial, undefined, 'it was sent the logout');
  });

  it('with ?since of a derived event goes on from its original', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const peer = await rig.join(topic, 'Patient-open');
    await rig.publish(topic, 'DiagnosticReport-open', [report(), patient('p1')], { id: 'a' });
    assert.deepEqual(peer.ids, ['a~Patient.p1']);
    peer.connection?.closed(1006);
    await rig.publish(topic, 'Patient-open', [patient('p2')], { id: 'b' });
    await rig.publish(topic, 'DiagnosticReport-open', [report(), patient('p1')], { id: 'c' });
    assert.deepEqual((await rig.connect(peer.endpoint, 'a~Patient.p1'))?.ids, ['a~Patient.p1', 'b', 'c~Patient.p1']);
  });
});

describe('SUB-11 the Hub itself stops', () => {
  it('in good order: 1012, subscribers return and miss nothing, and no SyncError is sent', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const watcher = await rig.join(topic, 'SyncError');
    const peer = await rig.join(topic);
    await rig.publish(topic, 'Patient-open', [patient()], { id: 'a' });
    await rig.restart();
    assert.equal(peer.closed?.code, 1012);
    await rig.publish(topic, 'Patient-open', [patient('p2')], { id: 'b' });
    assert.deepEqual((await rig.connect(peer.endpoint, 'a'))?.ids, ['b']);
    const back = await rig.connect(watcher.endpoint);
    rig.clock.advance(120_000);
    await rig.settle(topic);
    assert.deepEqual(back?.syncErrors, []);
  });

  it('while it stops, no endpoint is called unknown', async (t) => {
    const rig = await Rig.open(t);
    const peer = await rig.join(await rig.session());
    await rig.hub.stop();
    await assert.rejects(rig.connect(peer.endpoint), { name: 'StoreUnavailable' });
  });

  it('PUB-4 at once: what was accepted is there, contexts, versions, content and subscriptions', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const peer = await rig.join(topic);
    await rig.publish(topic, 'DiagnosticReport-open', [report(), patient()], { id: 'a' });
    const version = () => peer.events.at(-1)?.event['context.versionId'];
    const entries = updates(put(observation('o1')));
    assert.equal(
      await rig.publish(topic, 'DiagnosticReport-update', [ANCHOR, entries], {
        id: 'b',
        'context.versionId': version(),
      }),
      202,
    );
    const before = await rig.context(topic);
    await rig.crash();
    assert.deepEqual(await rig.context(topic), before);
    assert.equal(before['context.versionId'], version());
    assert.deepEqual((await rig.connect(peer.endpoint, 'a'))?.ids, ['b']);
    assert.equal(
      await rig.publish(topic, 'DiagnosticReport-update', [ANCHOR, entries], { 'context.versionId': version() }),
      202,
    );
  });

  it('ERR-3 who does not return after it is reported and forgotten', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const watcher = await rig.join(topic, 'SyncError');
    const gone = await rig.join(topic, '*', { 'subscriber.name': 'Gone' });
    await rig.crash();
    const back = await rig.connect(watcher.endpoint);
    rig.clock.advance(119_999);
    await rig.settle(topic);
    assert.deepEqual(back?.syncErrors, []);
    rig.clock.advance(1);
    await back?.until(() => back.syncErrors.length > 0);
    assert.deepEqual(cause(back?.syncErrors[0])[2], 'Gone');
    await rig.settle(topic);
    assert.equal(await rig.connect(gone.endpoint), undefined);
    assert.equal((await rig.hub.inspect(topic))?.state.subscriptions.size, 1);
  });

  it('PUB-7 a retry after it is still recognized', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    await rig.publish(topic, 'Patient-open', [patient()], { id: 'a' });
    await rig.publish(topic, 'Patient-close', [patient()], { id: 'b' });
    await rig.crash();
    assert.equal(await rig.publish(topic, 'Patient-open', [patient()], { id: 'a' }), 202);
    assert.equal((await rig.context(topic))['context.type'], '');
    assert.equal((await rig.hub.log(topic)).length, 2);
  });
});

describe('PUB publishing', () => {
  it('PUB-2 needs a write scope for the event', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const as = access({ scope: 'fhircast/Patient-open.write fhircast/*.read' });
    assert.equal(await rig.publish(topic, 'patient-open', [patient()], {}, as), 202);
    assert.equal(await rig.publish(topic, 'Patient-close', [patient()], {}, as), 403);
    assert.equal((await rig.context(topic))['context.type'], 'Patient');
  });

  it('PUB-1 refuses a path that names another topic, and what is no event', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const event = {
      timestamp: '2026-01-08T01:37:05Z',
      id: 'a',
      event: { 'hub.topic': topic, 'hub.event': 'Home-open', context: [] },
    };
    assert.equal(refusal(await rig.hub.publish(access(), JSON.stringify(event), 'other')), 400);
    assert.equal(good(await rig.hub.publish(access(), JSON.stringify(event), topic)), 202);
    assert.equal(refusal(await rig.hub.publish(access(), JSON.stringify({ ...event, id: '' }), topic)), 400);
    assert.equal(refusal(await rig.hub.publish(access(), 'null')), 400);
    assert.deepEqual([rig.hub.counts.published, rig.hub.counts.refused], [1, 3]);
  });

  it('PUB-5 has every resource of a context or an update looked into, where that is asked for', async (t) => {
    const seen: string[] = [];
    const rig = await Rig.open(t, {
      validation: {
        problem: ({ resourceType, id }, partial) => {
          seen.push(`${resourceType}/${id}${partial ? ' in part' : ''}`);
          return id === 'bad' ? `${resourceType}.status is required` : undefined;
        },
        isLarge: () => false,
        problemAmong: async () => assert.fail('nothing was large'),
      },
    });
    const topic = await rig.session();
    assert.equal(await rig.publish(topic, 'DiagnosticReport-open', [report(), patient()]), 202);
    const { 'context.versionId': version, ...before } = await rig.context(topic);
    const more = { 'context.versionId': version };
    const entries = [remove('Observation/9'), put(observation('good')), put(observation('bad'))];
    const event = body('DiagnosticReport-update', [ANCHOR, updates(...entries)], { topic, ...more });
    const answer = await rig.hub.publish(access(), JSON.stringify(event));
    assert.equal(
      answer.ok || answer.reason,
      'DiagnosticReport-update: context key "updates": Bundle.entry[2].resource: Observation.status is required',
    );
    assert.equal(refusal(answer), 400);
    assert.deepEqual(await rig.context(topic), { 'context.versionId': version, ...before });
    assert.equal(await rig.publish(topic, 'org.example.thing', [{ resource: { resourceType: 'X', id: 'bad' } }]), 202);
    const context = [ANCHOR, updates(...entries.slice(0, 2))];
    assert.equal(await rig.publish(topic, 'DiagnosticReport-update', context, more), 202);
    assert.equal(await rig.publish(topic, 'DiagnosticReport-close', [report(), patient()]), 202);
    assert.deepEqual(seen, [
      'DiagnosticReport/r1',
      'Patient/p1',
      'Observation/good',
      'Observation/bad',
      'Observation/good',
      'DiagnosticReport/r1 in part',
      'Patient/p1 in part',
    ]);
  });

  it('PUB-3 reaches every subscriber of the event, the publisher too, in one order', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const peers = await Promise.all(
      ['*', 'Patient-open,Patient-close', 'Patient-open'].map((events) => rig.join(topic, events)),
    );
    const other = await rig.join(await rig.session());
    const ids = Array.from({ length: 50 }, (_, n) => `e${n}`);
    await Promise.all(
      ids.map((id, n) => rig.publish(topic, n % 2 ? 'Patient-open' : 'Patient-open', [patient(`${n}`)], { id })),
    );
    for (const peer of peers) assert.deepEqual(peer.ids, ids);
    assert.deepEqual(other.events, []);
    assert.deepEqual(
      (await rig.hub.log(topic)).map(({ number, id }) => [number, id]),
      ids.map((id, n) => [n + 1, id]),
    );
  });

  it('PUB-7 delivers a retry only to who has not acknowledged it', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const [prompt, silent, refusing] = [
      await rig.join(topic),
      await rig.join(topic),
      await rig.join(topic, 'Patient-open'),
    ];
    await rig.publish(topic, 'Patient-open', [patient()], { id: 'a' });
    prompt.answer(200);
    refusing.answer(500);
    await rig.settle(topic);
    assert.equal(await rig.publish(topic, 'Patient-open', [patient()], { id: 'a' }), 202);
    assert.deepEqual(prompt.ids.filter((id) => id === 'a').length, 1);
    assert.deepEqual(silent.ids.filter((id) => id === 'a').length, 2);
    assert.deepEqual(refusing.ids.filter((id) => id === 'a').length, 2);
    const versions = silent.events.filter(({ id }) => id === 'a').map(({ event }) => event['context.versionId']);
    assert.equal(versions[0], versions[1]);
    assert.equal((await rig.hub.log(topic)).filter(({ id }) => id === 'a').length, 1);
  });

  it('PUB-10 UserLogout empties the session for readers and newcomers', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    await rig.publish(topic, 'Patient-open', [patient()]);
    await rig.publish(topic, 'UserLogout', [parameters]);
    assert.equal((await rig.context(topic))['context.type'], '');
    assert.deepEqual((await rig.join(topic)).events, []);
  });

  it('PUB-10 UserLogout erases what came before it from the log, and stays there itself', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    for (let round = 1; round <= 3; round++) {
      await rig.publish(topic, 'Patient-open', [patient(`p${round}`)], { id: 'same' });
      await rig.publish(topic, 'DiagnosticReport-open', [report(), patient(`p${round}`)], { id: `report ${round}` });
      await rig.publish(topic, 'UserLogout', [parameters], { id: `logout ${round}` });
      const logged = async () => (await rig.hub.log(topic)).map(({ number, id }) => [number, id]);
      assert.deepEqual(await logged(), [[3 * round, `logout ${round}`]]);
      for (let number = 0; number < 3 * round - 1; number++) {
        assert.equal(await rig.store.sessions.readLog(topic, number), undefined);
      }
      // A retry of the logout is known, one of an event that is gone is not.
      assert.equal(await rig.publish(topic, 'UserLogout', [parameters], { id: `logout ${round}` }), 202);
      assert.deepEqual(await logged(), [[3 * round, `logout ${round}`]]);
    }
    await rig.crash();
    assert.equal((await rig.hub.log(topic)).length, 1);
    assert.equal(await rig.publish(topic, 'Patient-open', [patient('p9')], { id: 'same' }), 202);
    assert.equal((await rig.context(topic))['context.type'], 'Patient');
  });

  it('CON-8 of two updates of one version exactly one wins', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    await rig.publish(topic, 'DiagnosticReport-open', [report(), patient()]);
    for (let round = 0; round < 20; round++) {
      const version = (await rig.context(topic))['context.versionId'];
      const attempt = (id: string) =>
        rig.publish(topic, 'DiagnosticReport-update', [ANCHOR, updates(put(observation(id, round)))], {
          'context.versionId': version,
        });
      assert.deepEqual((await Promise.all([attempt('o1'), attempt('o2')])).sort(), [202, 409]);
    }
  });

  it('CON-6 a writer without read scopes does not learn that nothing is open', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const as = access({ scope: 'fhircast/*.write hub/session.read' });
    assert.equal(await rig.publish(topic, 'Patient-open', [patient()], {}, as), 202);
    assert.equal(refusal(await rig.hub.currentContext(as, topic)), 403);
    const [listed] = good(await rig.hub.listSessions(as, {})).sessions;
    assert.deepEqual([listed?.topic, listed?.context], [topic, undefined]);
  });

  it('CON-6 a reader without any FHIRcast scope gets nothing', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    assert.equal(refusal(await rig.hub.currentContext(access({ scope: 'hub/session.read' }), topic)), 403);
  });
});

describe('ERR-2 a refusal', () => {
  it('becomes a SyncError that names event and subscriber, for the others that subscribed to it', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const offender = await rig.join(topic, '*', { 'subscriber.name': 'Stubborn' });
    const watcher = await rig.join(topic, 'SyncError');
    const unaware = await rig.join(topic, 'Patient-open');
    for (const [id, status] of [
      ['a', 409],
      ['b', 404],
      ['c', 500],
      ['d', 503],
    ] as const) {
      await rig.publish(topic, 'Patient-open', [patient()], { id });
      offender.answer(status);
      await rig.settle(topic);
    }
    assert.deepEqual(
      watcher.syncErrors.map(cause),
      ['a', 'b', 'c', 'd'].map((id) => [id, 'Patient-open', 'Stubborn']),
    );
    assert.match(diagnostics(watcher.syncErrors[0]), /Stubborn.*refused.*409/);
    assert.match(diagnostics(watcher.syncErrors[3]), /Stubborn.*could not process.*503/);
    const [first] = watcher.syncErrors;
    assert.equal(first?.event.context[0].resource.issue[0].severity, 'warning');
    assert.deepEqual(offender.syncErrors, []);
    assert.deepEqual(unaware.syncErrors, []);
  });

  it('is reported with the reason that the subscriber gives', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const offender = await rig.join(topic, '*', { 'subscriber.name': 'Dictation' });
    const watcher = await rig.join(topic, 'SyncError');
    await rig.publish(topic, 'Patient-open', [patient()], { id: 'a' });
    offender.connection?.received(JSON.stringify({ id: 'a', status: 409, reason: 'a report is\nnot signed' }));
    await rig.settle(topic);
    assert.match(diagnostics(watcher.syncErrors[0]), /^Dictation .*\(409\): a report is not signed\.$/);
  });

  it('is reported once; an answer to nothing, or of a SyncError, is no news', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const offender = await rig.join(topic);
    const watcher = await rig.join(topic);
    await rig.publish(topic, 'Patient-open', [patient()], { id: 'a' });
    for (let n = 0; n < 3; n++) offender.answer(409, 'a');
    offender.answer(409, 'unheard of');
    await rig.settle(topic);
    watcher.answer(409, watcher.syncErrors[0]?.id);
    await rig.settle(topic);
    assert.equal(watcher.syncErrors.length, 1);
    assert.equal(offender.syncErrors.length, 0);
  });

  it('ERR-5 of an update or a selection is no SyncError', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const offender = await rig.join(topic);
    const watcher = await rig.join(topic, 'SyncError');
    await rig.publish(topic, 'DiagnosticReport-open', [report(), patient()]);
    const version = offender.events[0]?.event['context.versionId'];
    await rig.publish(topic, 'DiagnosticReport-update', [ANCHOR, updates()], { 'context.versionId': version });
    offender.answer(409);
    await rig.publish(topic, 'DiagnosticReport-select', [ANCHOR]);
    offender.answer(500);
    await rig.settle(topic);
    assert.deepEqual(watcher.syncErrors, []);
    assert.deepEqual(rig.observed.filter(({ kind }) => kind === 'answered').length, 2);
  });

  it('DER-3 of a derived open is reported under the original', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const offender = await rig.join(topic, 'Patient-open', { 'subscriber.name': 'Derived' });
    const watcher = await rig.join(topic, 'SyncError');
    await rig.publish(topic, 'DiagnosticReport-open', [report(), patient()], { id: 'a' });
    offender.answer(409);
    await rig.settle(topic);
    assert.deepEqual(watcher.syncErrors.map(cause), [['a', 'DiagnosticReport-open', 'Derived']]);
  });

  it('HZ-4, DER-2, ERR-8 who was told of a patient by a derived open is told at once that nothing is open, whatever ended it', async (t) => {
    const opened = [study('s1'), patient('p1')];
    const rig = await Rig.open(t);
    for (const [event, context] of [
      ['ImagingStudy-close', opened],
      ['UserLogout', [parameters]],
      ['Home-open', []],
    ] as const) {
      for (const returns of ['here', 'back before', 'back since', 'back']) {
        // Who comes back after a logout and does not say what it saw has to subscribe again.
        if (event === 'UserLogout' && returns === 'back') continue;
        const what = `${event}, ${returns}`;
        const topic = await rig.session(`Practitioner/${what}`);
        const events = `Patient-open,Patient-close,Home-open,${FOLLOWING_EVENT}`;
        const peer = await rig.join(topic, events, { 'subscriber.name': 'Viewer' });
        const behind = async () =>
          (await rig.hub.sessions()).find((one) => one.topic === topic)?.notFollowing.map(({ why }) => why);
        await rig.publish(topic, 'ImagingStudy-open', opened, { id: 'a' });
        peer.answer(200, 'a~Patient.p1');
        if (returns !== 'here') peer.connection?.closed(1006);
        await rig.settle(topic);
        const first = returns === 'back before' ? await rig.connect(peer.endpoint, 'a~Patient.p1') : peer;
        await rig.publish(topic, event, context, { id: 'b' });
        const since = returns === 'back since' ? 'a~Patient.p1' : undefined;
        const isBack = returns === 'here' || returns === 'back before';
        const back = isBack ? first : await rig.connect(peer.endpoint, since);
        assert.ok(back);
        const last = back.asked.at(-1);
        assert.deepEqual([last?.event['hub.event'], last?.event.context], ['Home-open', []], what);
        rig.clock.advance(600);
        await rig.settle(topic);
        assert.equal((await behind())?.length, 1, `${what}: it has not answered`);
        back.answer(200, last?.id);
        await rig.settle(topic);
        assert.deepEqual(await behind(), [], what);
        await rig.publish(topic, 'ImagingStudy-open', opened, { id: 'c' });
        assert.equal(back.asked.at(-1)?.id, 'c~Patient.p1', what);
      }
    }
  });

  it('DER-2, DER-3 what a close of another context leaves current stays, and a refused Home-open is reported under the close', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const viewer = await rig.join(topic, `Patient-open,Home-open,${FOLLOWING_EVENT}`, { 'subscriber.name': 'Viewer' });
    const other = await rig.join(topic, 'Patient-open,Home-open');
    const watcher = await rig.join(topic, 'SyncError');
    await rig.publish(topic, 'ImagingStudy-open', [study('s1'), patient('p1')], { id: 'a' });
    await rig.publish(topic, 'Patient-open', [patient('p2')], { id: 'b' });
    await rig.publish(topic, 'ImagingStudy-close', [study('s1'), patient('p1')], { id: 'c' });
    const asked = () => viewer.asked.map(({ id }) => id);
    assert.deepEqual(asked(), ['a~Patient.p1', 'b']);
    await rig.publish(topic, 'UserLogout', [parameters], { id: 'd' });
    assert.deepEqual(asked().slice(2), ['d~Home-open']);
    assert.deepEqual(
      other.ids,
      ['a~Patient.p1', 'b'],
      'who does not ask who follows gets nothing that nobody published',
    );
    viewer.answer(409, 'd~Home-open');
    await rig.settle(topic);
    assert.deepEqual(watcher.syncErrors.map(cause), [['d', 'UserLogout', 'Viewer']]);
  });

  it('DER-1 no opens are derived by a Hub of STU1, STU2 or IHE IRA', async (t) => {
    for (const profile of [STU1, STU2, IRA, CORE]) {
      const rig = await Rig.open(t, { profile });
      const topic = await rig.session();
      const peer = await rig.join(topic, 'Patient-open', { 'subscriber.name': 'x' });
      await rig.publish(topic, 'DiagnosticReport-open', [report(), patient(), study()], { id: 'a' });
      await rig.publish(topic, 'Patient-open', [patient('p2')], { id: 'b' });
      assert.deepEqual(peer.ids, profile === CORE ? ['a~Patient.p1', 'b'] : ['b'], profile.name);
    }
  });

  it('ERR-8 SUB-11 who comes back is told who follows after what it missed, and a newcomer at once', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const events = `Patient-open,SyncError,${FOLLOWING_EVENT}`;
    const viewer = await rig.join(topic, 'Patient-open', { 'subscriber.name': 'Viewer' });
    await rig.publish(topic, 'Patient-open', [patient('p1')], { id: 'a' });
    const resource = { resourceType: 'Patient', id: 'p2', note: 'x'.repeat(200_000) };
    const large = { key: 'patient', resource };
    for (const reads of ['as fast as it is sent', 'slowly'] as const) {
      const away = await rig.join(topic, events, { 'subscriber.name': `EHR that reads ${reads}` });
      away.answer();
      away.connection?.closed(1006);
      await rig.publish(topic, 'Patient-open', [large], { id: `b ${reads}` });
      await rig.publish(topic, 'Patient-open', [large], { id: `c ${reads}` });
      viewer.answer(409);
      await rig.settle(topic);
      const back = new Peer(away.endpoint);
      if (reads === 'slowly') back.buffered = 1_000_000;
      const id = away.endpoint.split('/').at(-1) ?? '';
      back.connection = await rig.hub.connect({ id, topic }, back, 'a');
      const told = () => back.events.filter(({ event }) => event['hub.event'] === FOLLOWING_EVENT);
      if (reads === 'slowly') {
        viewer.answer(200);
        await rig.settle(topic);
        assert.deepEqual([told(), back.syncErrors], [[], []], 'nothing is said of who follows before');
        back.read();
      }
      await back.until(() => told().length > 0);
      const names = back.events.map(({ event }) => event['hub.event']);
      assert.ok(names.indexOf('SyncError') >= 0 && names.indexOf('SyncError') < names.indexOf(FOLLOWING_EVENT), reads);
      const behind = told()[0]?.event.context.map((one: Json) => one.subscriber);
      assert.equal(behind.includes('Viewer'), reads !== 'slowly', 'as it is now');
      const before = told().length;
      await rig.publish(topic, 'Patient-open', [patient('p1')], { id: `d ${reads}` });
      viewer.answer(reads === 'slowly' ? 409 : 200);
      await rig.settle(topic);
      assert.ok(told().length > before, 'and at each change from then on');
      back.connection?.closed(1000);
    }
    const { endpoint = '' } = good(await rig.subscribe(topic, events));
    const newcomer = new Peer(endpoint);
    newcomer.buffered = 1_000_000;
    const id = endpoint.split('/').at(-1) ?? '';
    newcomer.connection = await rig.hub.connect({ id, topic }, newcomer);
    assert.deepEqual(
      newcomer.events.map(({ event }) => event['hub.event']),
      [FOLLOWING_EVENT],
    );
  });

  it('ERR-8 202 and then a SyncError of its own is not following: a newcomer is told, also after a restart', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const peer = await rig.join(topic, 'Encounter-open', { 'subscriber.name': 'Late' });
    await rig.publish(topic, 'ImagingStudy-open', [study(), patient(), encounter()], { id: 'e1' });
    const eventId = peer.ids.at(-1) ?? '';
    assert.notEqual(eventId, 'e1', 'it is derived');
    const following = async (): Promise<readonly (readonly unknown[])[]> => {
      await rig.settle(topic);
      const newcomer = await rig.join(topic, 'org.lockstep.following');
      const { context = [] } = newcomer.received.at(-1)?.event ?? {};
      newcomer.connection?.closed(1000);
      return context.map((one: Json) => [one.subscriber, one.why, one['event.id'], one.reason]);
    };
    peer.answer(202);
    assert.deepEqual(await following(), []);
    const said = {
      eventId,
      eventName: 'Encounter-open',
      subscriberName: 'Late',
      diagnostics: 'unsigned report',
      severity: 'warning',
    } as const;
    const context = [{ key: 'operationoutcome', resource: syncErrorOutcome(said) }];
    assert.equal(await rig.publish(topic, 'SyncError', context, {}, access({ clientId: 'other' })), 202);
    assert.deepEqual(await following(), [], 'another client may not say so');
    assert.equal(await rig.publish(topic, 'SyncError', context), 202);
    assert.deepEqual(await following(), [['Late', 'refused', eventId, 'unsigned report']]);
    await rig.restart();
    assert.equal((await rig.hub.inspect(topic))?.state.following.size, 1, 'it lasts');
    assert.equal(await rig.publish(topic, 'Patient-open', [patient('p2')]), 202);
    assert.deepEqual(await following(), [['Late', 'refused', eventId, 'unsigned report']]);
  });

  it('ERR-8 who said by SyncError that it does not follow follows once it acknowledges the event again', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const peer = await rig.join(topic, 'Patient-open', { 'subscriber.name': 'Late' });
    await rig.publish(topic, 'Patient-open', [patient()], { id: 'e1' });
    peer.answer(202);
    const said = { eventId: 'e1', eventName: 'Patient-open', subscriberName: 'Late', diagnostics: '' } as const;
    const resource = syncErrorOutcome({ ...said, severity: 'warning' });
    await rig.publish(topic, 'SyncError', [{ key: 'operationoutcome', resource }]);
    assert.equal((await rig.hub.inspect(topic))?.state.following.size, 1);
    peer.answer(200, 'e1');
    await rig.settle(topic);
    assert.equal((await rig.hub.inspect(topic))?.state.following.size, 0);
  });

  it('ERR-6 a SyncError that a subscriber posts goes to all who subscribed to it', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const peer = await rig.join(topic, 'syncerror');
    await rig.publish(topic, 'syncerror', [operationOutcome], { id: 's' });
    assert.deepEqual(peer.ids, ['s']);
    assert.deepEqual(names(peer), ['SyncError']);
  });
});

describe('ERR-3 a lost connection', () => {
  it('is reported to the others with the subscriber and the current context, unless it closed with 1000 or 1001', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const watcher = await rig.join(topic, 'SyncError');
    await rig.publish(topic, 'Patient-open', [patient()], { id: 'a' });
    for (const code of [1000, 1001, 1002, 1006, 1011]) {
      const peer = await rig.join(topic, '*', { 'subscriber.name': `closed ${code}` });
      peer.connection?.closed(code);
      await rig.settle(topic);
    }
    rig.clock.advance(2000);
    await rig.settle(topic);
    assert.deepEqual(
      watcher.syncErrors.map(cause),
      [1002, 1006, 1011].map((code) => ['a', 'Patient-open', `closed ${code}`]),
    );
    assert.equal(rig.hub.counts.connected, 1);
  });

  it('where nothing is open is still a SyncError of the profile', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const watcher = await rig.join(topic, 'SyncError');
    (await rig.join(topic, '*', { 'subscriber.name': 'Lost' })).connection?.closed(1006);
    await rig.settle(topic);
    rig.clock.advance(2000);
    await rig.settle(topic);
    const [error] = watcher.syncErrors;
    assert.deepEqual(cause(error), [error?.id, 'SyncError', 'Lost']);
  });
});

describe('ERR-4 no answer in time', () => {
  const late = async (rig: Rig, topic: string, peer: Peer, events: number): Promise<void> => {
    for (let n = 0; n < events; n++) {
      await rig.publish(topic, 'Patient-open', [patient()], { id: `late${peer.ids.length}` });
      rig.clock.advance(10_000);
      await rig.settle(topic);
    }
  };

  it('strict: a SyncError each time, and after three in a row a denial', async (t) => {
    const rig = await Rig.open(t, { acknowledgements: 'strict' });
    const topic = await rig.session();
    const watcher = await rig.join(topic, 'SyncError');
    const silent = await rig.join(topic, 'Patient-open', { 'subscriber.name': 'Silent' });
    await late(rig, topic, silent, 2);
    assert.ok(silent.open);
    silent.answer(200, 'whatever');
    await late(rig, topic, silent, 2);
    assert.ok(silent.open);
    await late(rig, topic, silent, 1);
    await silent.until(() => silent.closed !== undefined);
    assert.match(silent.denial?.['hub.reason'], /3 events in a row/);
    assert.equal(silent.closed?.code, 1000);
    assert.equal(watcher.syncErrors.length, 5);
    assert.match(diagnostics(watcher.syncErrors[0]), /Silent did not answer Patient-open within 10 seconds/);
    assert.equal(await rig.connect(silent.endpoint), undefined);
  });

  it('answers: never for viewers that never answer, from the first answer for others', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const watcher = await rig.join(topic, 'SyncError');
    const viewer = await rig.join(topic, 'Patient-open', { 'subscriber.name': 'Viewer' });
    const polite = await rig.join(topic, 'Patient-open', { 'subscriber.name': 'Polite' });
    await late(rig, topic, viewer, 5);
    assert.deepEqual(watcher.syncErrors, []);
    polite.answer(200);
    await late(rig, topic, viewer, 1);
    assert.deepEqual(
      watcher.syncErrors.map((error) => cause(error)[2]),
      ['Polite'],
    );
    assert.ok(viewer.open);
  });

  it('off, for the Hub or for a registered client: never', async (t) => {
    const rig = await Rig.open(t, { acknowledgements: 'strict' });
    const topic = await rig.session();
    const watcher = await rig.join(topic, 'SyncError');
    const off = await rig.join(topic, 'Patient-open', {}, access({ switches: { acknowledgements: 'off' } }));
    off.answer(200, 'x');
    await late(rig, topic, off, 4);
    assert.deepEqual(watcher.syncErrors, []);
  });

  it('time and number are configurable', async (t) => {
    const rig = await Rig.open(t, { acknowledgements: 'strict', answerMs: 1000, maxMisses: 1 });
    const topic = await rig.session();
    const silent = await rig.join(topic);
    await rig.publish(topic, 'Patient-open', [patient()]);
    rig.clock.advance(999);
    await rig.settle(topic);
    assert.ok(silent.open);
    rig.clock.advance(1);
    await silent.until(() => silent.closed !== undefined);
  });
});

describe('ERR-7 a subscriber that reads too slowly', () => {
  it('is closed with 1013 and reported; the others get everything', async (t) => {
    const rig = await Rig.open(t, { maxBufferedBytes: 10_000 });
    const topic = await rig.session();
    const watcher = await rig.join(topic, '*');
    const slow = await rig.join(topic, '*', { 'subscriber.name': 'Slow' });
    const other = await rig.join(topic, 'Patient-open');
    slow.buffered = 10_001;
    await rig.publish(topic, 'Patient-open', [patient()], { id: 'a' });
    await rig.publish(topic, 'Patient-open', [patient()], { id: 'b' });
    await rig.settle(topic);
    rig.clock.advance(2000);
    await rig.settle(topic);
    assert.equal(slow.closed?.code, 1013);
    assert.equal(cause(watcher.syncErrors[0])[2], 'Slow');
    assert.deepEqual(
      watcher.ids.filter((id) => id.length === 1),
      ['a', 'b'],
    );
    assert.deepEqual(other.ids, ['a', 'b']);
    // Once it reads again it may come back and miss nothing.
    slow.connection?.closed(1013);
    assert.deepEqual((await rig.connect(slow.endpoint, 'a'))?.ids.slice(-1), ['b']);
    assert.equal(rig.hub.counts.connected, 3);
  });

  it('gets one answer for all pings that it sends meanwhile (ERR-1), once it has read what came before', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const slow = await rig.join(topic, '*');
    const pongs = (): number => slow.received.filter(({ type }) => type === 'pong').length;
    const ping = (): void => slow.connection?.received('{"type":"ping"}');
    ping();
    ping();
    assert.equal(pongs(), 2, 'while it reads');
    slow.buffered = 1;
    for (let n = 0; n < 1000; n++) ping();
    assert.equal(pongs(), 2);
    slow.read();
    assert.equal(pongs(), 3);
    slow.buffered = 1;
    ping();
    slow.connection?.closed(1006);
    slow.read();
    assert.equal(pongs(), 3, 'none to who is gone');
  });
});

describe('TOK-6 access that ends', () => {
  it('ends its subscriptions with the reason, and no others', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session('Practitioner/1');
    const guest = user('Practitioner/2', { topics: [topic], grantId: 'g2', tokenId: 't2' });
    const join = async () => ({
      mine: await rig.join(topic, '*', {}, user('Practitioner/1', { grantId: 'g1', tokenId: 't1' })),
      guest: await rig.join(topic, '*', {}, guest),
      backend: await rig.join(topic),
    });
    for (const end of [
      { grantId: 'g2' },
      { clientId: 'app of Practitioner/2' },
      { tokenId: 't2' },
      { user: 'Practitioner/2' },
    ]) {
      const peers = await join();
      await rig.hub.accessEnded({ ...end, reason: 'Access was revoked' });
      assert.equal(peers.guest.denial?.['hub.reason'], 'Access was revoked', JSON.stringify(end));
      assert.ok(!peers.mine.closed && !peers.backend.closed);
    }
    await rig.hub.accessEnded({ grantId: 'g1', clientId: 'another', reason: 'x' });
    assert.equal((await rig.hub.inspect(topic))?.state.subscriptions.size, 8);
  });
});

describe('ERR-8 a lease that ends unrenewed', () => {
  const hour = { 'hub.lease_seconds': '3600', 'subscriber.name': 'Sleeper' };

  it('is told to the others, lasts in the listing, and is over once its application follows again', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const watcher = await rig.join(topic, 'Patient-open,SyncError', { 'subscriber.name': 'Watcher' });
    const sleeper = await rig.join(topic, 'Patient-open,SyncError', hour);
    await rig.publish(topic, 'Patient-open', [patient()], { id: 'open' });
    for (const peer of [watcher, sleeper]) peer.answer(200, 'open');
    await rig.settle(topic);
    rig.clock.advance(3_600_000);
    await sleeper.until(() => sleeper.closed !== undefined);
    await watcher.until(() => watcher.syncErrors.length > 0);
    assert.equal(sleeper.closed?.code, 1000);
    assert.deepEqual(cause(watcher.syncErrors[0]), ['open', 'Patient-open', 'Sleeper']);
    const [listed] = await rig.hub.sessions();
    assert.deepEqual(
      listed?.notFollowing.map(({ name, why, ended }) => [name, why, ended]),
      [['Sleeper', 'lost', true]],
    );
    const back = await rig.join(topic, 'Patient-open', hour);
    back.answer(200, 'open');
    await rig.settle(topic);
    assert.deepEqual((await rig.hub.sessions())[0]?.notFollowing, []);
    assert.equal(watcher.syncErrors.length, 1);
  });

  it('is nothing to tell where it was renewed, where its application left, or never came', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const watcher = await rig.join(topic, 'Patient-open,SyncError', { 'hub.lease_seconds': '80000' });
    const renewing = await rig.join(topic, 'Patient-open', hour);
    const leaving = await rig.join(topic, 'Patient-open', hour);
    good(await rig.subscribe(topic, 'Patient-open', hour));
    leaving.connection?.closed(1001);
    await rig.settle(topic);
    rig.clock.advance(3_000_000);
    const again = { 'hub.lease_seconds': '80000', 'hub.channel.endpoint': renewing.endpoint };
    good(await rig.subscribe(topic, 'Patient-open', again));
    rig.clock.advance(2_000_000);
    await rig.settle(topic);
    assert.equal(renewing.closed, undefined);
    assert.deepEqual(watcher.syncErrors, []);
    assert.deepEqual((await rig.hub.sessions())[0]?.notFollowing, []);
  });
});

describe('who published an event (an extension of ours)', () => {
  it('is named to who is registered for it, also after a restart, and to nobody else', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const curious = access({ clientId: 'curious', switches: { originator: true } });
    const told = await rig.join(topic, 'Patient-open,Patient-close,SyncError', {}, curious);
    const plain = await rig.join(topic, 'Patient-open', { 'subscriber.name': 'Viewer' });
    await rig.publish(topic, 'Patient-open', [patient()], { id: 'a' });
    assert.deepEqual(told.events[0]?.['org.lockstep.originator'], { client: 'client', subscriber: 'Viewer' });
    assert.deepEqual(Object.keys(plain.events[0] ?? {}), ['timestamp', 'id', 'event']);
    await rig.join(topic, 'Patient-open', { 'subscriber.name': 'Second window' });
    await rig.publish(topic, 'Patient-open', [patient('p2')], { id: 'b' });
    assert.deepEqual(told.events[1]?.['org.lockstep.originator'], { client: 'client' }, 'which of two is not guessed');
    plain.answer(409, 'b');
    await told.until(() => told.syncErrors.length > 0);
    assert.equal(told.syncErrors[0]?.['org.lockstep.originator'], undefined, 'the Hub is nobody');
    await rig.restart();
    const back = await rig.connect(told.endpoint, 'a');
    assert.deepEqual(back?.events[0]?.['org.lockstep.originator'], { client: 'client' });
    const { 'org.lockstep.originator': _, ...event } = back?.events[0] ?? {};
    assert.deepEqual(Object.keys(event), ['timestamp', 'id', 'event']);
  });
});

describe('HeartBeat (ballot of STU3, 3.2.2; RAD-154)', () => {
  it('is sent to who asks for it by name, again and again, and is nothing that could be missed', async (t) => {
    const rig = await Rig.open(t, { heartbeatMs: 5000 });
    const topic = await rig.session();
    const asks = await rig.join(topic, 'heartbeat,Patient-open');
    const lower = await rig.join(topic, 'HEARTBEAT', {}, access({ switches: { lowerCaseEvents: true } }));
    const everything = await rig.join(topic, '*');
    const other = await rig.join(topic, 'Patient-open');
    await rig.publish(topic, 'Patient-open', [patient()], { id: 'open' });
    const before = (await rig.hub.log(topic)).length;
    rig.clock.advance(15_000);
    assert.deepEqual(names(asks), ['Patient-open', 'HeartBeat', 'HeartBeat', 'HeartBeat']);
    assert.equal(lower.events.at(-1)?.event['hub.event'], 'heartbeat');
    assert.deepEqual([names(everything), names(other)], [['Patient-open'], ['Patient-open']]);
    const [, first, second] = asks.events;
    assert.notEqual(first?.id, second?.id);
    assert.equal(Date.parse(second?.timestamp) - Date.parse(first?.timestamp), 5000);
    assert.deepEqual(first?.event, {
      'hub.topic': topic,
      'hub.event': 'HeartBeat',
      context: [{ key: 'period', decimal: '5' }],
    });
    assert.equal((await rig.hub.log(topic)).length, before, 'it is not part of the log');
    const delivered = rig.observed.filter(({ kind }) => kind === 'delivered');
    assert.equal(delivered.length, 3, 'the Patient-open alone');
  });

  it('of the Hub is for connections: a webhook gets what others publish, and no beats', async (t) => {
    const callbacks = new FakeCallbacks();
    const webhooks = { callbacks, cursors: new FakeCursors() };
    const rig = await Rig.open(t, { heartbeatMs: 5000, webhooks });
    const topic = await rig.session();
    const form = { 'hub.channel.type': 'webhook', 'hub.callback': 'https://app.example/events' };
    await rig.subscribe(topic, 'HeartBeat', form);
    await eventually('it is confirmed', async () => (await rig.hub.inspect(topic))?.state.subscriptions.size === 1);
    const socket = await rig.join(topic, 'HeartBeat');
    rig.clock.advance(15_000);
    assert.equal(names(socket).length, 3);
    await rig.publish(topic, 'HeartBeat', [{ key: 'period', decimal: '10' }], { id: 'published' });
    await callbacks.until(() => callbacks.ids.includes('published'));
    assert.deepEqual(callbacks.ids, ['published']);
  });

  it('waits for a subscriber that reads too slowly, and is not what ends it (ERR-7)', async (t) => {
    const rig = await Rig.open(t, { heartbeatMs: 5000, maxBufferedBytes: 10 });
    const slow = await rig.join(await rig.session(), 'HeartBeat');
    slow.buffered = 11;
    rig.clock.advance(5000);
    assert.deepEqual([names(slow), slow.closed], [[], undefined]);
    slow.buffered = 0;
    rig.clock.advance(5000);
    assert.deepEqual(names(slow), ['HeartBeat']);
  });

  it('may be published by a client, needs its scope, and is no context to follow', async (t) => {
    const rig = await Rig.open(t, { profile: IRA, answerMs: 1000 });
    const topic = await rig.session();
    const form = { 'subscriber.name': 'App' };
    const hears = await rig.join(topic, 'HeartBeat,SyncError', form);
    const deaf = await rig.join(topic, 'Patient-open,SyncError', form);
    const period = { key: 'period', decimal: '10' };
    assert.equal(await rig.publish(topic, 'heartbeat', [period], { id: 'beat' }), 202);
    assert.deepEqual([hears.ids, deaf.ids], [['beat'], []]);
    hears.answer(500);
    rig.clock.advance(2000);
    await rig.settle(topic);
    assert.deepEqual([hears.syncErrors, deaf.syncErrors], [[], []], 'nobody is behind for a heartbeat');
    const reader = access({ scope: 'fhircast/*.read fhircast/Patient-open.write' });
    assert.equal(await rig.publish(topic, 'HeartBeat', [period], {}, reader), 403);
    assert.equal(
      refusal(await rig.subscribe(topic, 'HeartBeat', form, access({ scope: 'fhircast/Patient-open.*' }))),
      403,
    );
    assert.equal(await rig.publish(topic, 'HeartBeat', ['x']), 400);
  });
});

describe('observers', () => {
  it('learn what happened, and nothing about patients', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const peer = await rig.join(topic, '*', { 'subscriber.name': 'App' });
    const secret = {
      key: 'patient',
      resource: { resourceType: 'Patient', id: 'p1', name: [{ family: 'Secretname' }] },
    };
    await rig.publish(topic, 'Patient-open', [secret], { id: 'a' });
    peer.answer(200);
    await rig.publish(topic, 'Patient-close', [patient('p2')]);
    good(await rig.unsubscribe(topic));
    good(await rig.hub.deleteSession(access(), topic));
    assert.deepEqual(
      rig.observed.map(({ kind }) => kind),
      [
        'session-started',
        'subscribed',
        'connected',
        'delivered',
        'published',
        'answered',
        'refused',
        'denied',
        'session-ended',
      ],
    );
    assert.doesNotMatch(JSON.stringify(rig.observed), /Secretname/);
  });
});
