import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { access, endedBy, eventOf, parameters, patient, START, TOPIC, Trial } from '../../test/events.ts';
import { sessionRules } from './decide.ts';
import { DEFAULT_POLICY, type Policy } from './policy.ts';
import { IRA, STU1, STU2 } from './versions.ts';

const HOUR = 3_600_000;
const code = (decision: ReturnType<Trial['decide']>): string => (decision.ok ? 'accepted' : decision.code);

function begin(
  more: Partial<Policy>,
  user: string,
  as = access(),
  known = true,
  started = { byClient: 0, forUser: 0, fromAddress: 0 },
) {
  const info = { user, aliases: [], ...(!known && { known: false as const }) };
  return sessionRules({ ...DEFAULT_POLICY, ...more })(
    undefined,
    { kind: 'begin', topic: TOPIC, info, access: as, started },
    START,
  );
}

describe('sessions', () => {
  it('SES-1, SES-2 begin for whoever may, and only where there is none', () => {
    const started = begin({}, 'Practitioner/1');
    assert.ok(started.ok && started.state?.topic === TOPIC && started.state.info.startedBy === 'client');
    assert.equal(
      code(new Trial().decide({ kind: 'begin', topic: TOPIC, info: { user: 'x', aliases: [] } })),
      'topic-taken',
    );
    assert.equal(code(begin({}, 'Practitioner/2', access({ user: 'Practitioner/1' }))), 'session-not-allowed');
    const some = access({ sessions: { users: ['Practitioner/1'] } });
    assert.equal(code(begin({}, 'Practitioner/2', some)), 'session-not-allowed');
  });

  it('SES-8 names compare without regard to case, and a user who is not known is said to be, or refused', () => {
    assert.ok(begin({}, 'CITY\\MRuiz', access({ user: 'city\\mruiz' })).ok);
    assert.ok(begin({}, 'CITY\\MRuiz', access({ sessions: { users: ['city\\MRUIZ'] } })).ok);
    for (const written of ['Rene\u0301', ' RENÉ', 'rené\u00a0'])
      assert.ok(begin({}, written, access({ user: 'René' })).ok, written);
    assert.equal(code(begin({}, 'Rene', access({ user: 'René' }))), 'session-not-allowed');
    const stranger = begin({}, 'nobody', access(), false);
    assert.equal(stranger.ok && stranger.state?.info.known, false);
    assert.equal(code(begin({ startsForUnknownUsers: false }, 'nobody', access(), false)), 'user-unknown');
    assert.ok(begin({ startsForUnknownUsers: false }, 'Practitioner/1').ok);
  });

  it('SES-4, SES-6 of others answer like what does not exist, whatever is asked', () => {
    const trial = new Trial();
    const strangers = [
      access({ user: 'Practitioner/2' }),
      access({ sessions: { users: [] } }),
      access({ sessions: { workstations: ['w'] } }),
    ];
    for (const as of strangers) {
      assert.equal(code(trial.subscribe('a', {}, as)), 'unknown-topic');
      assert.equal(code(trial.subscribe('a', { 'hub.mode': 'unsubscribe' }, as)), 'unknown-topic');
      assert.equal(code(trial.decide({ kind: 'end', access: as, reason: 'x' })), 'unknown-topic');
      assert.equal(code(trial.publish('Patient-open', [patient()], {}, { access: as })), 'unknown-topic-of-event');
    }
    for (const as of [access({ user: 'PRACTITIONER/1' }), access({ user: 'Practitioner/2', topics: [TOPIC] })]) {
      assert.equal(code(trial.subscribe('b', {}, as)), 'accepted');
    }
  });

  it('SES-5 end by request, or when they are idle and without subscribers', () => {
    const trial = new Trial(undefined, { idleMs: HOUR });
    const idle = { kind: 'end', reason: 'idle', ifIdle: true } as const;
    assert.equal(code(trial.decide(idle)), 'nothing-to-do');
    trial.subscribe('a', { 'hub.lease_seconds': '7200' });
    trial.now += HOUR;
    assert.equal(code(trial.decide(idle)), 'nothing-to-do');
    trial.now += HOUR;
    const ended = trial.decide(idle);
    assert.ok(ended.ok && ended.state === undefined && ended.effects[0]?.kind === 'erase');
    const scope = 'fhircast/*.*';
    assert.equal(code(trial.decide({ kind: 'end', access: access({ scope }), reason: 'x' })), 'scope-missing');
    assert.ok(trial.decide({ kind: 'end', access: access(), reason: 'x' }).ok);
  });
});

describe('subscriptions', () => {
  it('SUB-2, SUB-12 are refused for a form that lacks what the version asks for, and nothing changes', () => {
    const cases: readonly (readonly [Trial, Record<string, string>])[] = [
      [new Trial(IRA), { 'subscriber.name': '' }],
      [new Trial(IRA), { 'hub.channel.type': 'webhook', 'hub.callback': 'https://x' }],
      [new Trial(STU1), { 'hub.channel.type': 'webhook', 'hub.callback': 'https://x' }],
      [new Trial(IRA), { 'hub.mode': 'unsubscribe' }],
    ];
    for (const [trial, form] of cases) {
      const before = trial.state;
      assert.equal(code(trial.subscribe('a', form)), 'invalid');
      assert.equal(trial.state, before);
    }
  });

  it('SUB-3, SUB-4 get the events that the scopes cover, in the catalog’s spelling', () => {
    const trial = new Trial();
    const as = access({ scope: 'fhircast/patient-open.read fhircast/org.example.x.* fhircast/SyncError.write' });
    trial.subscribe('a', { 'hub.events': 'PATIENT-OPEN,patient-open,SyncError,org.example.x' }, as);
    assert.deepEqual(trial.subscription('a').events, ['Patient-open', 'org.example.x']);
    trial.subscribe('b', { 'hub.events': '*' }, as);
    assert.deepEqual(trial.subscription('b').events, ['Patient-open', 'org.example.x']);
    assert.equal(code(trial.subscribe('c', { 'hub.events': 'Encounter-open' }, as)), 'scope-missing');
  });

  it('SUB-5 have the least of the lease asked for, the most that there is, and the life of the token', () => {
    const trial = new Trial(undefined, { maxLeaseSeconds: 10_000 });
    const lease = (seconds: string | undefined, expiresAt = START + 30 * 86_400_000): number => {
      const as = access({ expiresAt, user: 'Practitioner/1' });
      trial.subscribe('a', seconds === undefined ? {} : { 'hub.lease_seconds': seconds }, as);
      return (trial.subscription('a').expiresAt - START) / 1000;
    };
    assert.deepEqual(
      [lease('60'), lease(undefined), lease('99999'), lease('99999', START + 5000)],
      [60, 7200, 10_000, 5],
    );
  });

  it('SUB-5, SUB-10 end with their lease, and say why', () => {
    const trial = new Trial();
    trial.join('a', { 'hub.lease_seconds': '60' });
    const elapse = { kind: 'elapse', node: 'n', eventId: 's', timestamp: 't' } as const;
    trial.now += 59_999;
    assert.equal(code(trial.decide(elapse)), 'nothing-to-do');
    trial.now += 1;
    assert.deepEqual(endedBy(trial.decide(elapse)), { ids: ['a'], reason: 'The lease has ended' });
    assert.equal(trial.state.subscriptions.size, 0);
  });

  it('SUB-6 are renewed only by their own client, for as long as they last', () => {
    const trial = new Trial();
    const mine = access({ user: 'Practitioner/1' });
    const again = { 'hub.channel.endpoint': 'wss://x/a', 'hub.events': 'Patient-open' };
    trial.join('a', { 'hub.lease_seconds': '60' }, mine);
    for (const as of [access(), access({ ...mine, clientId: 'other' })]) {
      assert.equal(code(trial.subscribe('b', again, as)), 'unknown-endpoint');
    }
    const renewed = trial.subscribe('b', again, mine);
    assert.ok(renewed.ok && renewed.effects[0]?.kind === 'renewed');
    assert.deepEqual(trial.subscription('a').presence, { is: 'connected' }, 'its socket stays where it is');
    trial.now += 2 * HOUR;
    assert.equal(code(trial.subscribe('b', again, mine)), 'unknown-endpoint');
  });

  it('SUB-9 end by their endpoint, or by what identifies the only one that can be meant', () => {
    const leave = { 'hub.mode': 'unsubscribe' };
    const trial = new Trial();
    for (const id of ['a', 'b']) trial.join(id);
    assert.equal(code(trial.subscribe('', { ...leave, 'subscriber.name': '' })), 'ambiguous-endpoint');
    assert.equal(code(trial.subscribe('', { ...leave, 'hub.channel.endpoint': 'wss://x/c' })), 'unknown-endpoint');
    assert.deepEqual(endedBy(trial.subscribe('', { ...leave, 'subscriber.name': 'App b' }))?.ids, ['b']);
    const left = trial.subscribe('', { ...leave, 'hub.channel.endpoint': 'wss://x/a' });
    assert.deepEqual(endedBy(left), { ids: ['a'], reason: 'Unsubscribed' });
    assert.equal(code(trial.decide({ kind: 'connect', id: 'a', node: 'n' })), 'unknown-endpoint');
  });

  it('SUB-13 without a connection in time are forgotten', () => {
    const trial = new Trial();
    trial.subscribe('a');
    trial.join('b');
    trial.now += 60_000;
    const decision = trial.decide({ kind: 'elapse', node: 'n', eventId: 's', timestamp: 't' });
    assert.deepEqual(endedBy(decision), { ids: ['a'], reason: 'Nobody connected to the endpoint in time' });
    assert.equal(eventOf(decision), undefined, 'nobody is told of it');
    assert.deepEqual([...trial.state.subscriptions.keys()], ['b']);
  });

  it('SUB-13 one client holds its share; the owner and who started the session always find room', () => {
    const trial = new Trial(undefined, { maxSubscriptionsPerSession: 4, maxSubscriptionsPerClient: 2 });
    const client = (clientId: string) => access({ clientId });
    const asked = (id: string, as = client(id[0]!)) => code(trial.subscribe(id, {}, as));
    assert.deepEqual(
      [asked('a1'), asked('a2'), asked('a3'), asked('b1'), asked('b2'), asked('c1')],
      ['accepted', 'accepted', 'too-many-subscriptions', 'accepted', 'accepted', 'too-many-subscriptions'],
    );
    assert.equal(asked('o1', access({ clientId: 'ehr', user: 'practitioner/1' })), 'accepted');
    trial.state = { ...trial.state, info: { ...trial.state.info, startedBy: 'driver' } };
    assert.equal(asked('d1', client('driver')), 'accepted');
  });

  it('SUB-13 a client that fills a session does not keep its owner and its EHR out', () => {
    const user = 'Practitioner/1';
    const policy = { maxSubscriptionsPerSession: 6, maxSubscriptionsPerClient: 5, maxSubscriptionsPerUser: 3 };
    const trial = new Trial(undefined, policy);
    trial.state = { ...trial.state, info: { ...trial.state.info, startedBy: 'ehr' } };
    const asked = (id: string, as: ReturnType<typeof access>) => code(trial.subscribe(id, {}, as));
    // An app that the owner let in, with the owner's own token.
    const app = access({ clientId: 'app', user });
    const taken = ['a1', 'a2', 'a3', 'a4', 'a5', 'a6'].map((id) => asked(id, app));
    assert.deepEqual(taken, [...Array(5).fill('accepted'), 'too-many-subscriptions']);
    assert.equal(asked('b1', access({ clientId: 'b' })), 'accepted');
    assert.equal(asked('b2', access({ clientId: 'b' })), 'too-many-subscriptions', 'the session is full for strangers');
    for (const id of ['v1', 'v2', 'v3', 'v4'])
      assert.equal(asked(id, access({ clientId: 'viewer', user })), 'accepted');
    for (const id of ['e1', 'e2', 'e3', 'e4']) assert.equal(asked(id, access({ clientId: 'ehr' })), 'accepted');
    assert.equal(asked('e5', access({ clientId: 'ehr' })), 'too-many-subscriptions', 'the kept places have an end too');
  });

  it('SUB-13 one person whose session it is not holds a share with all clients together', () => {
    const trial = new Trial(undefined, { maxSubscriptionsPerUser: 3 });
    const guest = (clientId: string) => access({ clientId, user: 'Practitioner/2', topics: [TOPIC] });
    const asked = ['a', 'b', 'c', 'd'].map((id) => code(trial.subscribe(id, {}, guest(id))));
    assert.deepEqual(asked, ['accepted', 'accepted', 'accepted', 'too-many-subscriptions']);
    assert.equal(code(trial.subscribe('o', {}, access({ user: 'Practitioner/1' }))), 'accepted');
  });

  it('SUB-13 one client starts its share of sessions, in all and for one user; users start their own', () => {
    const policy = { maxSessionsPerClient: 3, maxSessionsPerUser: 2, maxSessionsPerAddress: 5 };
    const as = (user?: string) => access(user === undefined ? {} : { user });
    const after = (byClient: number, forUser: number, user?: string, fromAddress = 0) =>
      code(begin(policy, 'Practitioner/1', as(user), true, { byClient, forUser, fromAddress }));
    assert.equal(after(2, 1), 'accepted');
    assert.equal(after(3, 0), 'too-many-sessions');
    assert.equal(after(2, 2), 'too-many-sessions');
    assert.equal(after(3, 1, 'Practitioner/1'), 'accepted');
    assert.equal(after(2, 2, 'Practitioner/1'), 'too-many-sessions');
    assert.equal(after(0, 0, undefined, 4), 'accepted');
    assert.equal(after(0, 0, undefined, 5), 'too-many-sessions', 'from one address, with clients of any number');
    assert.equal(after(0, 0, 'Practitioner/1', 5), 'accepted', 'users start their own from every address');
    const signIn = sessionRules({ ...DEFAULT_POLICY, ...policy })(
      undefined,
      {
        kind: 'begin',
        topic: TOPIC,
        info: { user: 'Practitioner/1', aliases: [] },
        started: { byClient: 9, forUser: 9, fromAddress: 9 },
      },
      START,
    );
    assert.ok(signIn.ok, 'signing in always starts one');
  });

  it('WEB-1 by webhook change nothing before the callback has confirmed, and then begin', () => {
    const trial = new Trial(STU2);
    const form = { 'hub.channel.type': 'webhook', 'hub.callback': 'https://app.example/hook' };
    const before = trial.state;
    const asked = trial.subscribe('a', form);
    const [effect] = asked.ok ? asked.effects : [];
    assert.ok(effect?.kind === 'verify' && effect.mode === 'subscribe');
    assert.equal(trial.state, before);
    trial.accepted('UserLogout', [parameters]);
    trial.decide({ kind: 'confirm', subscription: effect.subscription });
    assert.equal(trial.subscription('a').after, 1, 'what was before is not for it');
    const again = trial.subscribe('b', form);
    const [renewal] = again.ok ? again.effects : [];
    assert.ok(renewal?.kind === 'verify');
    trial.decide({ kind: 'confirm', subscription: renewal.subscription });
    assert.deepEqual([...trial.state.subscriptions.keys()], ['a'], 'the same callback is renewed');
  });

  it('TOK-6 end with the access that they were made with', () => {
    const trial = new Trial();
    for (const id of ['a', 'b']) trial.join(id, {}, access({ grantId: id, user: 'Practitioner/1' }));
    const end = { grantId: 'a', reason: 'The token was revoked' };
    assert.deepEqual(endedBy(trial.decide({ kind: 'access-ended', end })), { ids: ['a'], reason: end.reason });
    assert.equal(code(trial.decide({ kind: 'access-ended', end })), 'nothing-to-do');
  });
});
