import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runInNewContext } from 'node:vm';
import type { ContextElement } from '@lockstep/fhircast';
import { HubError, type HubEvent, refuse, type Shown, type SyncState } from '../src/index.ts';
import { held, VirtualNetwork } from './virtual.ts';
import { WatchfulHub } from './watchful-hub.ts';

const patient = (id: string) => ({ resourceType: 'Patient', id });

/** Not narrowed by what was asserted before. */
function statusOf({ state }: { readonly state: SyncState }): string {
  return state.status;
}

/** A network with one subscriber in sync. */
async function joined(options: Parameters<VirtualNetwork['subscriber']>[0] = {}, network = new VirtualNetwork()) {
  const subscriber = network.subscriber(options);
  const states: SyncState[] = [];
  subscriber.onState((state) => states.push(state));
  const first = subscriber.connect();
  await network.clock.until(() => subscriber.state.status === 'in-sync');
  await first;
  const { hub, clock } = network;
  return { network, hub, clock, subscriber, states };
}

describe('subscribing', () => {
  it('SUB-1 SUB-7 sends the form, waits for the confirmation and is in sync once the Hub was read', async () => {
    const { network, states, subscriber } = await joined();
    const form = new URLSearchParams(network.requests[0]?.body);
    assert.equal(form.get('hub.channel.type'), 'websocket');
    assert.equal(form.get('hub.mode'), 'subscribe');
    assert.equal(form.get('hub.topic'), 'topic-1');
    assert.equal(form.get('subscriber.name'), 'Viewer');
    assert.equal(form.get('hub.lease_seconds'), '7200');
    assert.deepEqual(form.get('hub.events')?.split(',').sort(), [
      'DiagnosticReport-close',
      'DiagnosticReport-open',
      'DiagnosticReport-update',
      'Home-open',
      'Patient-close',
      'Patient-open',
      'SyncError',
      'org.lockstep.following',
      'org.lockstep.survey',
      'org.lockstep.survey.answer',
    ]);
    assert.deepEqual(
      states.map((one) => ('reason' in one ? `${one.status}: ${one.reason}` : one.status)),
      ['connecting', 'unknown: catching up', 'unknown: who follows is not known yet', 'in-sync'],
    );
    assert.equal(subscriber.granted?.has('syncerror'), true);
  });

  it('HZ-2 ERR-8 is not in sync before it knows who follows, or that the Hub does not tell', async () => {
    for (const way of ['told', 'never told', 'told late'] as const) {
      const network = new VirtualNetwork();
      const { hub, clock } = network;
      const subscriber = network.subscriber();
      void subscriber.connect();
      await clock.advance(500);
      assert.equal(statusOf(subscriber), 'unknown', way);
      if (way !== 'told') {
        await clock.advance(490);
        assert.equal(statusOf(subscriber), 'unknown', way);
        await clock.advance(100);
        assert.equal(statusOf(subscriber), 'in-sync', 'a Hub that takes every event and tells nothing');
      }
      if (way === 'never told') continue;
      const since = new Date(clock.now()).toISOString();
      hub.tellFollowing([{ key: 'not-following', subscriber: 'Writer', why: 'lost', since }], clock.now());
      await clock.advance(10);
      assert.equal(statusOf(subscriber), 'out-of-sync', way);
    }
    const network = new VirtualNetwork();
    const { hub, clock } = network;
    hub.can.strictEvents = true;
    const subscriber = network.subscriber({ events: ['Patient-open'] });
    void subscriber.connect();
    await clock.advance(200);
    assert.equal(statusOf(subscriber), 'in-sync', 'a Hub that refused the event does not tell');
  });

  it('ERR-8 comes back at once to a Hub that did not tell who follows before', async () => {
    const { network, clock, subscriber } = await joined();
    for (const socket of [...network.sockets]) socket.cut(1006);
    await clock.advance(500);
    assert.equal(subscriber.state.status, 'in-sync');
  });

  for (const status of [400, 403, 422]) {
    it(`asks for no more than the app wants where the Hub refuses the rest by ${status}`, async () => {
      const network = new VirtualNetwork();
      network.hub.can.strictEvents = true;
      network.hub.strictStatus = status;
      const { subscriber } = await joined({ events: ['Patient-open'] }, network);
      assert.deepEqual([...(subscriber.granted ?? [])], ['patient-open']);
    });
  }

  it('SUB-8 a late joiner gets the open context once, and answers it', async () => {
    const network = new VirtualNetwork();
    const id = network.hub.openPatient('p1', network.clock.now());
    const events: string[] = [];
    const subscriber = network.subscriber();
    subscriber.on('Patient-open', (event) => {
      events.push(event.resources.patient.id ?? '');
    });
    void subscriber.connect();
    await network.clock.until(() => subscriber.state.status === 'in-sync');
    assert.deepEqual(events, ['p1']);
    await network.clock.advance(100);
    assert.deepEqual(network.hub.answers, [{ id, status: 200 }]);
    assert.equal(held(subscriber), network.hub.truth());
  });

  it('a Hub that does not send open contexts again is read, and the app gets a derived event', async () => {
    const network = new VirtualNetwork();
    network.hub.can.resend = false;
    network.hub.openPatient('p1', network.clock.now());
    const events: HubEvent[] = [];
    const subscriber = network.subscriber();
    subscriber.on('*', (event) => {
      events.push(event);
    });
    void subscriber.connect();
    await network.clock.until(() => subscriber.state.status === 'in-sync');
    assert.deepEqual(
      events.map((one) => [one.name, one.derived]),
      [['Patient-open', true]],
    );
    assert.equal(held(subscriber), network.hub.truth());
  });

  it('works with a Hub that cannot be read and has no versions', async () => {
    const network = new VirtualNetwork();
    Object.assign(network.hub.can, { read: false, since: false, versions: false });
    network.hub.openPatient('p1', network.clock.now());
    const { subscriber, hub, clock } = await joined({}, network);
    assert.equal(held(subscriber), hub.truth());
    hub.openReport('r1', clock.now());
    await clock.advance(10);
    hub.observe('o1', 1, clock.now());
    await clock.advance(100);
    assert.equal(subscriber.state.status, 'in-sync');
    assert.equal(held(subscriber), hub.truth());
    // The report was closed while the connection was gone: it is not sent again, so it is not open.
    network.down();
    hub.say(
      'DiagnosticReport-close',
      [{ key: 'report', resource: { resourceType: 'DiagnosticReport', id: 'r1' } }],
      clock.now(),
    );
    hub.closePatient('p1', clock.now());
    await clock.advance(50);
    network.up = true;
    await clock.until(() => subscriber.state.status === 'in-sync');
    assert.equal(held(subscriber), 'empty');
  });

  it('SUB-5 renews the lease before its end with a new token, on the same socket', async () => {
    const network = new VirtualNetwork();
    network.hub.lease = 600;
    const asked: boolean[] = [];
    const { clock, hub, subscriber } = await joined(
      {
        token: (renew) => {
          asked.push(renew);
          return 'token';
        },
      },
      network,
    );
    const sockets = [...network.sockets];
    await clock.advance(490_000);
    assert.deepEqual(asked, [false, true]);
    const renewals = network.requests.filter((one) => one.body.includes('hub.channel.endpoint'));
    assert.equal(renewals.length, 1);
    assert.deepEqual([...network.sockets], sockets);
    assert.equal(hub.subscriptions.size, 1);
    assert.equal(subscriber.state.status, 'in-sync');
  });

  it('subscribes again where the Hub does not renew', async () => {
    const network = new VirtualNetwork();
    network.hub.lease = 60;
    const { clock, subscriber } = await joined({}, network);
    network.httpFault = () => undefined;
    const [endpoint = ''] = network.hub.subscriptions.keys();
    network.hub.subscriptions.delete(endpoint);
    await clock.advance(70_000);
    await clock.until(() => subscriber.state.status === 'in-sync');
    network.hub.openPatient('p1', clock.now());
    await clock.advance(100);
    assert.equal(held(subscriber), network.hub.truth());
  });

  it('SUB-9 unsubscribes over HTTP and closes normally', async () => {
    const { network, hub, clock, subscriber } = await joined();
    const [socket] = network.sockets;
    const left = subscriber.unsubscribe();
    await clock.advance(100);
    await left;
    assert.equal(hub.subscriptions.size, 0);
    assert.match(network.requests.at(-1)?.body ?? '', /hub.mode=unsubscribe/);
    assert.equal(socket?.readyState, 3);
    assert.deepEqual(subscriber.state, { status: 'closed', reason: 'unsubscribed' });
    await clock.advance(60_000);
    assert.equal(clock.timers, 0, 'nothing runs on after the end');
  });

  it('leaves when the page is hidden for good, and returns with it', async () => {
    const { network, clock, subscriber } = await joined();
    const [socket] = network.sockets;
    network.sign('leave');
    assert.equal(socket?.closeCode, 1000, 'the socket is closed before the page is gone');
    assert.match(network.requests.at(-1)?.body ?? '', /hub.mode=unsubscribe/);
    assert.equal(subscriber.state.status, 'closed');
    network.sign('return');
    await clock.until(() => subscriber.state.status === 'in-sync');
  });

  it('HZ-4 who is out of the session shows nothing, and is not asked whether it may', async () => {
    const ways: Readonly<Record<string, (one: Awaited<ReturnType<typeof joined>>) => void>> = {
      'its page is left': ({ network }) => network.sign('leave'),
      'it unsubscribes': ({ subscriber }) => void subscriber.unsubscribe(),
      'the Hub wants it no more': ({ hub }) => {
        hub.tokens.clear();
        for (const endpoint of [...hub.subscriptions.keys()]) hub.deny(endpoint, 'the access was revoked');
      },
    };
    for (const [way, leave] of Object.entries(ways)) {
      const one = await joined();
      const { network, hub, clock, subscriber } = one;
      const shown: (string | undefined)[] = [];
      subscriber.follow({
        may: (context) => (context ? undefined : refuse('a note is not saved')),
        show(context) {
          shown.push(context?.id);
        },
      });
      hub.openPatient('p1', clock.now());
      await clock.until(() => shown.at(-1) === 'p1' && statusOf(subscriber) === 'in-sync');
      leave(one);
      // A page that is left stands still at once.
      if (way !== 'the Hub wants it no more') assert.deepEqual(shown, ['p1', undefined], way);
      await clock.until(() => statusOf(subscriber) === 'closed', 60_000);
      assert.deepEqual([shown, subscriber.context], [['p1', undefined], undefined], way);
      if (way !== 'its page is left') continue;
      network.sign('return');
      await clock.until(() => statusOf(subscriber) === 'in-sync');
      assert.deepEqual(shown, ['p1', undefined, 'p1'], way);
    }
  });

  it('HZ-4 who comes back to the patient that it left answers when they are shown again, and not before', async () => {
    const { network, hub, clock, subscriber } = await joined();
    let paint = () => {};
    subscriber.follow((context) => {
      if (context) return new Promise<void>((resolve) => (paint = resolve));
    });
    const id = hub.openPatient('p1', clock.now());
    await clock.until(() => subscriber.context !== undefined);
    paint();
    await clock.until(() => statusOf(subscriber) === 'in-sync');
    const answered = () => hub.answers.filter((one) => one.id === id).length;
    const before = answered();
    network.sign('leave');
    network.sign('return');
    await clock.until(() => subscriber.context !== undefined);
    await clock.advance(500);
    assert.equal(answered(), before);
    paint();
    await clock.until(() => answered() > before && statusOf(subscriber) === 'in-sync');
    assert.equal(answered(), before + 1);
  });

  it('a refusal is final and says why', async () => {
    const network = new VirtualNetwork();
    const subscriber = network.subscriber({ topic: 'unheard-of' });
    void subscriber.connect();
    await network.clock.until(() => subscriber.state.status === 'closed');
    assert.deepEqual(subscriber.state, { status: 'closed', reason: 'HTTP 404: unknown topic' });
  });

  it('SUB-10 a denied subscription is tried again, and a denied session closes', async () => {
    const { hub, clock, subscriber } = await joined();
    const [endpoint = ''] = hub.subscriptions.keys();
    hub.deny(endpoint, 'the lease ended');
    await clock.advance(10);
    assert.equal(subscriber.state.status, 'connecting');
    await clock.until(() => subscriber.state.status === 'in-sync');
    hub.tokens.clear();
    for (const one of [...hub.subscriptions.keys()]) hub.deny(one, 'the session is over');
    await clock.until(() => subscriber.state.status === 'closed');
  });
});

describe('tokens', () => {
  it('a refused token is renewed once, whatever was refused', async () => {
    const network = new VirtualNetwork();
    let token = 'token';
    const { hub, clock, subscriber } = await joined({ token: () => token }, network);
    hub.tokens = new Set(['second']);
    token = 'second';
    const done = subscriber.openPatient(patient('p1'));
    await clock.advance(100);
    await done;
    assert.equal(hub.truth(), held(subscriber));
  });

  it('without a way to renew it, the refusal is final', async () => {
    const network = new VirtualNetwork();
    const subscriber = network.subscriber({ token: 'stolen' });
    void subscriber.connect();
    await network.clock.until(() => subscriber.state.status === 'closed');
    assert.match(JSON.stringify(subscriber.state), /401/);
    await subscriber.unsubscribe();
    assert.match(JSON.stringify(subscriber.state), /401/);
  });

  it('a token source that fails is asked again', async () => {
    const network = new VirtualNetwork();
    let asked = 0;
    const { subscriber } = await joined(
      {
        token: () => {
          asked++;
          if (asked < 3) throw new Error('the sign-in server is away');
          return 'token';
        },
      },
      network,
    );
    assert.equal(asked, 3);
    assert.equal(subscriber.state.status, 'in-sync');
  });

  it('a token source that takes long is asked once, and holds nothing else up', async () => {
    const network = new VirtualNetwork();
    const { promise, resolve } = Promise.withResolvers<string>();
    let asked = 0;
    const { hub, clock, subscriber } = await joined(
      {
        token: (renew) => {
          if (renew) asked++;
          return renew ? promise : 'token';
        },
      },
      network,
    );
    hub.tokens = new Set(['second']);
    let left = false;
    const failed = assert.rejects(subscriber.openPatient(patient('p1')), /token source/);
    await clock.advance(60_000);
    await failed;
    assert.equal(asked, 1);
    resolve('second');
    await clock.until(() => subscriber.state.status === 'in-sync');
    assert.equal(asked, 1);
    network.httpFault = () => 'hang';
    void subscriber.unsubscribe().then(() => {
      left = true;
    });
    await clock.until(() => left);
  });
});

it('watchers get changes in their order, also when one of them makes the next', async () => {
  const { network, clock, subscriber } = await joined();
  const seen: string[] = [];
  subscriber.onState(({ status }) => {
    if (status === 'connecting') void subscriber.unsubscribe();
  });
  subscriber.onState(({ status }) => seen.push(status));
  network.down();
  await clock.advance(1000);
  assert.deepEqual(seen, ['closed']);
});

describe('answers', () => {
  it('say why not, and take a refusal back once a follower follows after all', async () => {
    const { hub, clock, subscriber } = await joined();
    let busy = true;
    const stop = subscriber.follow(() => (busy ? refuse('a report is being dictated') : true));
    const id = hub.openPatient('p1', clock.now());
    await clock.advance(50);
    assert.deepEqual(hub.answers, [{ id, status: 409 }]);
    assert.equal(hub.reasons.get(id), 'a report is being dictated');
    assert.equal(subscriber.state.status, 'out-of-sync');
    busy = false;
    stop();
    subscriber.follow(() => true);
    await clock.advance(50);
    assert.deepEqual(hub.answers.at(-1), { id, status: 200 });
    assert.equal(subscriber.state.status, 'in-sync');
  });

  const cases: [title: string, handler: () => unknown, status: number][] = [
    ['nothing', () => undefined, 200],
    ['true', () => true, 200],
    ['a promise', async () => undefined, 200],
    ['a promise of another realm', () => runInNewContext('Promise.resolve(false)'), 409],
    ['false', () => false, 409],
    ['a refusal', () => refuse('a report is being dictated'), 409],
    ['a thrown refusal', () => Promise.reject(refuse('a report is being dictated')), 409],
    ['an exception', () => assert.fail('bug'), 500],
    ['a status', () => 503, 503],
  ];
  for (const [title, handler, status] of cases) {
    it(`${title} answers ${status}`, async () => {
      const errors: unknown[] = [];
      const { hub, clock, subscriber } = await joined({ onError: (error) => errors.push(error) });
      subscriber.on('Patient-open', handler as () => undefined);
      const id = hub.openPatient('p1', clock.now());
      await clock.advance(50);
      assert.deepEqual(hub.answers, [{ id, status }]);
      const { state } = subscriber;
      if (status === 200) assert.equal(state.status, 'in-sync');
      else
        assert.deepEqual(
          [state.status, 'us' in state && state.us, 'who' in state && state.who],
          ['out-of-sync', true, 'Viewer'],
        );
      assert.equal(errors.length, status === 500 ? 1 : 0);
    });
  }

  it('one that takes too long answers 202 by itself, and is behind until it has followed', async () => {
    const { hub, clock, subscriber } = await joined();
    const { promise, resolve } = Promise.withResolvers<undefined>();
    subscriber.on('Patient-open', () => promise);
    const id = hub.openPatient('p1', clock.now());
    await clock.advance(5100);
    assert.deepEqual(hub.answers, [{ id, status: 202 }]);
    assert.deepEqual(subscriber.state, { status: 'behind', reason: 'a handler is at work' });
    resolve(undefined);
    await clock.advance(1);
    assert.equal(subscriber.state.status, 'in-sync');
    assert.equal(hub.answers.length, 1);
  });

  it('one of an older context that never decides does not hold the newer one up', async () => {
    const { hub, clock, subscriber } = await joined();
    hub.openReport('r1', clock.now());
    await clock.advance(50);
    subscriber.on('DiagnosticReport-update', () => new Promise(() => {}));
    hub.observe('o1', 1, clock.now());
    await clock.advance(20_000);
    assert.deepEqual(subscriber.state, { status: 'behind', reason: 'a handler is at work' });
    hub.openPatient('p1', clock.now());
    await clock.advance(50);
    assert.equal(subscriber.state.status, 'in-sync');
  });

  it('2.5 one that refuses after its 202 sends a SyncError', async () => {
    const { hub, clock, subscriber } = await joined();
    const { promise, reject } = Promise.withResolvers<undefined>();
    subscriber.on('Patient-open', () => promise);
    const id = hub.openPatient('p1', clock.now());
    await clock.advance(6000);
    reject(refuse('the user said no'));
    await clock.advance(100);
    const sent = hub.log.at(-1)?.event;
    assert.equal(sent?.['hub.event'], 'SyncError');
    const text = JSON.stringify(sent);
    assert.match(text, new RegExp(`"code":"${id}"`));
    assert.match(text, /Viewer did not follow: the user said no/);
    assert.deepEqual(subscriber.state, {
      status: 'out-of-sync',
      reason: 'the user said no',
      who: 'Viewer',
      us: true,
      others: [],
    });
  });

  it('2.5 one that never decides sends a SyncError after ten seconds', async () => {
    const { hub, clock, subscriber } = await joined();
    subscriber.on('Patient-open', () => new Promise<undefined>(() => {}));
    hub.openPatient('p1', clock.now());
    await clock.advance(10_100);
    assert.equal(hub.log.at(-1)?.event['hub.event'], 'SyncError');
    assert.equal(subscriber.state.status, 'out-of-sync');
  });

  it('a newer context aborts the work for the older one, whose outcome no longer counts', async () => {
    const { hub, clock, subscriber } = await joined();
    const { promise, reject } = Promise.withResolvers<undefined>();
    const signals: AbortSignal[] = [];
    subscriber.on('Patient-open', (event) => {
      signals.push(event.signal);
      return event.resources.patient.id === 'p1' ? promise : undefined;
    });
    hub.openPatient('p1', clock.now());
    await clock.advance(50);
    hub.openPatient('p2', clock.now());
    await clock.advance(50);
    assert.deepEqual(
      signals.map((one) => one.aborted),
      [true, false],
    );
    assert.equal(subscriber.state.status, 'in-sync');
    reject(refuse('too late'));
    await clock.advance(10_000);
    assert.equal(subscriber.state.status, 'in-sync');
    assert.equal(
      hub.log.some((one) => one.event['hub.event'] === 'SyncError'),
      false,
    );
  });

  it('HZ-9 a refused update is answered; the content that is shown is behind until the next update that is taken', async () => {
    const { hub, clock, subscriber } = await joined();
    let busy = true;
    subscriber.on('DiagnosticReport-update', () => (busy ? refuse('not now') : undefined));
    hub.openReport('r1', clock.now());
    await clock.advance(50);
    const id = hub.observe('o1', 1, clock.now());
    await clock.advance(50);
    assert.deepEqual(hub.answers.at(-1), { id, status: 409 });
    assert.deepEqual(subscriber.state, { status: 'behind', reason: 'an update was not taken' });
    busy = false;
    hub.observe('o1', 2, clock.now());
    await clock.advance(50);
    assert.equal(subscriber.state.status, 'in-sync');
  });

  it('PUB-7 the same event again is answered, not handled again; after a refusal it is handled again', async () => {
    const { network, hub, clock, subscriber } = await joined();
    let busy = true;
    let calls = 0;
    subscriber.on('Patient-open', () => {
      calls++;
      return busy ? refuse('busy') : undefined;
    });
    const id = hub.openPatient('p1', clock.now());
    await clock.advance(50);
    assert.equal(subscriber.state.status, 'out-of-sync');
    busy = false;
    const [socket] = network.sockets;
    for (let again = 0; again < 2; again++) {
      socket?.inject(JSON.stringify(hub.log.at(-1)));
      await clock.advance(50);
    }
    assert.equal(calls, 2);
    assert.deepEqual(
      hub.answers.map((one) => one.status),
      [409, 200, 200],
    );
    assert.ok(hub.answers.every((one) => one.id === id));
    assert.equal(subscriber.state.status, 'in-sync');
  });

  it('follow sees every change of the current context, and what is open when it begins', async () => {
    const { hub, clock, subscriber } = await joined();
    hub.openPatient('p1', clock.now());
    await clock.advance(50);
    const seen: (string | undefined)[] = [];
    subscriber.follow((context) => {
      seen.push(context && `${context.type}/${context.id}`);
    });
    hub.openReport('r1', clock.now());
    await clock.advance(50);
    hub.say('Home-open', [], clock.now());
    await clock.advance(50);
    assert.deepEqual(seen, ['Patient/p1', 'DiagnosticReport/r1', undefined]);
  });
});

describe('SyncErrors', () => {
  it('ERR-8 show who did not follow, since when, and what it still shows, until it lets a later context pass', async () => {
    const { hub, clock, subscriber } = await joined();
    hub.openPatient('p0', clock.now());
    await clock.advance(50);
    const id = hub.openPatient('p1', clock.now());
    await clock.advance(50);
    const since = clock.now();
    hub.syncError(id, 'Patient-open', 'Acme Reporter', since);
    await clock.advance(50);
    const reason = 'Acme Reporter did not follow';
    assert.deepEqual(subscriber.state, {
      status: 'out-of-sync',
      reason,
      who: 'Acme Reporter',
      us: false,
      others: [{ name: 'Acme Reporter', why: 'refused', since, reason, eventId: id, shows: 'Patient/p0' }],
    });
    hub.openReport('r1', clock.now());
    await clock.advance(11_000);
    assert.equal(subscriber.state.status, 'out-of-sync');
    const next = hub.openReport('r2', clock.now());
    await clock.advance(9000);
    hub.syncError(next, 'DiagnosticReport-open', 'Acme Reporter', clock.now());
    await clock.advance(60_000);
    const [still] = subscriber.notFollowing;
    assert.deepEqual([still?.name, still?.since, still?.shows], ['Acme Reporter', since, 'Patient/p0']);
    hub.openPatient('p2', clock.now());
    await clock.advance(12_100);
    assert.equal(subscriber.state.status, 'in-sync');
  });

  it('ERR-8 a Hub that tells who follows is believed about those that it names', async () => {
    const { hub, clock, subscriber } = await joined();
    const id = hub.openPatient('p1', clock.now());
    await clock.advance(50);
    const since = new Date(clock.now()).toISOString();
    const tell = (...context: ContextElement[]) => hub.tellFollowing(context, clock.now());
    const element = { key: 'not-following', why: 'lost', since, reason: 'its connection is gone' };
    tell({ ...element, subscriber: 'Writer' }, { ...element, subscriber: 'Archive', 'event.id': id, why: 'refused' });
    await clock.advance(50);
    const { state } = subscriber;
    assert.ok(state.status === 'out-of-sync');
    assert.deepEqual(
      state.others.map(({ name, why }) => [name, why]),
      [
        ['Writer', 'lost'],
        ['Archive', 'refused'],
      ],
    );
    assert.equal(state.who, 'Writer');
    hub.openPatient('p2', clock.now());
    await clock.advance(60_000);
    assert.equal(subscriber.state.status, 'out-of-sync');
    tell();
    await clock.advance(50);
    assert.equal(subscriber.state.status, 'in-sync');
    const next = hub.openPatient('p3', clock.now());
    await clock.advance(50);
    assert.equal(statusOf(subscriber), 'behind', 'the Hub tells half a second later who has not answered');
    await clock.advance(1000);
    assert.equal(statusOf(subscriber), 'in-sync');
    for (const syncErrorFirst of [true, false]) {
      const named = { ...element, subscriber: 'Writer', why: 'refused' };
      if (!syncErrorFirst) tell(named);
      hub.syncError(next, 'Patient-open', 'Writer', clock.now());
      if (syncErrorFirst) tell(named);
      await clock.advance(50);
      assert.equal(statusOf(subscriber), 'out-of-sync');
      tell();
      await clock.advance(50);
      assert.equal(statusOf(subscriber), 'in-sync');
    }
    assert.ok(!hub.answers.some((one) => one.id === 'following'));
  });

  it('ERR-8 SUB-11 a SyncError from the time of a lost connection is over where the Hub says afterwards that all follow', async () => {
    const { network, hub, clock, subscriber } = await joined();
    const tell = (...context: ContextElement[]) => hub.tellFollowing(context, clock.now());
    tell();
    await clock.advance(2000);
    for (const still of [false, true]) {
      for (const socket of [...network.sockets]) socket.cut(1006);
      const id = hub.openPatient('p1', clock.now());
      hub.syncError(id, 'Patient-open', 'Writer', clock.now());
      hub.syncError('lost-1', 'SyncError', 'Archive', clock.now());
      await clock.advance(900);
      assert.equal(statusOf(subscriber), 'unknown', 'the Hub has not said yet who follows');
      const since = new Date(clock.now()).toISOString();
      tell(...(still ? [{ key: 'not-following', subscriber: 'Writer', why: 'refused', since }] : []));
      await clock.advance(50);
      assert.deepEqual(
        subscriber.notFollowing.map(({ name }) => name),
        still ? ['Writer'] : [],
      );
      assert.equal(statusOf(subscriber), still ? 'out-of-sync' : 'in-sync');
    }
  });

  it('HZ-2 ERR-8 whom the Hub has sent the context and who has not answered yet is waited for, and named', async () => {
    const { hub, clock, subscriber } = await joined();
    const tell = (...why: string[]) =>
      hub.tellFollowing(
        why.map((one) => ({
          key: 'not-following',
          why: one,
          subscriber: one,
          since: new Date(clock.now()).toISOString(),
        })),
        clock.now(),
      );
    tell('waiting');
    await clock.advance(50);
    assert.deepEqual(subscriber.state, { status: 'behind', reason: 'waiting has not answered yet', who: 'waiting' });
    assert.deepEqual(subscriber.notFollowing, [], 'it may still follow');
    tell('waiting', 'silent');
    await clock.advance(50);
    assert.equal(statusOf(subscriber), 'out-of-sync');
    tell();
    await clock.advance(50);
    assert.equal(statusOf(subscriber), 'in-sync');
  });

  it('HZ-2 ERR-8 who joins just after a change is not in sync before it can know who has not followed that', async () => {
    for (const change of ['close', 'home', 'open'] as const) {
      const hub = new WatchfulHub();
      const virtual = new VirtualNetwork(hub);
      hub.clock = virtual.clock;
      const { clock, network, subscriber: writer } = await joined({ name: 'Writer' }, virtual);
      hub.openPatient('p1', clock.now());
      await clock.advance(1000);
      assert.equal(statusOf(writer), 'in-sync');
      // It has followed p1, and goes on showing it.
      writer.on('*', () => new Promise<undefined>(() => {}));
      if (change === 'close') hub.closePatient('p1', clock.now());
      else if (change === 'home') hub.say('Home-open', [], clock.now());
      else hub.openPatient('p2', clock.now());
      await clock.advance(20);
      const newcomer = network.subscriber({ name: 'Newcomer' });
      const states = new Set<string>();
      newcomer.onState(({ status }) => states.add(status));
      void newcomer.connect();
      await clock.advance(9000);
      assert.ok(states.has('behind'), change);
      assert.ok(!states.has('in-sync'), `${change}: it was said to be in sync`);
    }
  });

  it('HZ-3 of one that cannot decide count though the Hub takes its 202 for following', async () => {
    const { network, hub, clock, subscriber } = await joined();
    const writer = network.subscriber({ name: 'Writer' });
    writer.follow(() => new Promise<undefined>(() => {}));
    void writer.connect();
    await clock.advance(100);
    const id = hub.openPatient('p1', clock.now());
    await clock.advance(5100);
    assert.ok(hub.answers.some((one) => one.id === id && one.status === 202));
    hub.tellFollowing([], clock.now());
    await clock.advance(4000);
    assert.equal(subscriber.state.status, 'out-of-sync');
    assert.equal(subscriber.notFollowing[0]?.name, 'Writer');
    assert.ok(
      hub.answers.some((one) => one.id === id && one.status === 409),
      'the answer is taken back as well',
    );
    hub.tellFollowing([], clock.now());
    await clock.advance(50);
    assert.equal(statusOf(subscriber), 'out-of-sync');
  });

  it('HZ-2 count whatever the clocks say: the Hub’s may be behind that of who opened the context', async () => {
    const { hub, clock, subscriber } = await joined();
    const id = hub.openPatient('p1', clock.now() + 5000);
    await clock.advance(50);
    hub.syncError(id, 'Patient-open', 'Acme Reporter', clock.now());
    await clock.advance(50);
    assert.equal(subscriber.state.status, 'out-of-sync');
  });

  it('about a context that is no longer current say nothing', async () => {
    const { hub, clock, subscriber } = await joined();
    const first = hub.openPatient('p1', clock.now());
    await clock.advance(50);
    hub.openPatient('p2', clock.now());
    await clock.advance(50);
    hub.syncError(first, 'Patient-open', 'Acme Reporter', clock.now());
    await clock.advance(50);
    assert.equal(subscriber.state.status, 'in-sync');
  });
});

describe('what the application shows', () => {
  it('HZ-1 is compared with the Hub’s current context, whatever its handlers answered', async () => {
    let shown: Shown | undefined;
    const { hub, clock, subscriber } = await joined({ showing: () => shown });
    subscriber.follow(() => undefined);
    hub.openPatient('p1', clock.now());
    await clock.advance(50);
    assert.deepEqual(subscriber.state, { status: 'behind', reason: 'another context is shown' });
    shown = { type: 'Patient', id: 'p1' };
    subscriber.showingChanged();
    assert.equal(subscriber.state.status, 'in-sync');
    shown = { type: 'Patient', id: 'p2' };
    await clock.advance(2000);
    assert.equal(statusOf(subscriber), 'behind');
    shown = subscriber.context;
    subscriber.showingChanged();
    assert.equal(statusOf(subscriber), 'in-sync');
    hub.openReport('r1', clock.now());
    await clock.advance(50);
    assert.equal(statusOf(subscriber), 'behind');
  });

  it('HZ-4 is nothing when nothing is open', async () => {
    let shown: Shown | undefined;
    const { hub, clock, subscriber } = await joined({ showing: () => shown });
    shown = { type: 'Patient', id: 'p1' };
    subscriber.showingChanged();
    assert.equal(subscriber.state.status, 'behind');
    hub.openPatient('p1', clock.now());
    await clock.advance(50);
    assert.equal(subscriber.state.status, 'in-sync');
    hub.closePatient('p1', clock.now());
    await clock.advance(50);
    assert.equal(statusOf(subscriber), 'behind');
    shown = undefined;
    subscriber.showingChanged();
    assert.equal(statusOf(subscriber), 'in-sync');
  });

  it('HZ-9 counts with its content where the application names the version', async () => {
    let shown: Shown | undefined;
    const { hub, clock, subscriber } = await joined({ showing: () => shown });
    hub.openReport('r1', clock.now());
    await clock.advance(50);
    shown = subscriber.context;
    subscriber.showingChanged();
    assert.equal(subscriber.state.status, 'in-sync');
    hub.observe('o1', 1, clock.now());
    await clock.advance(50);
    assert.equal(subscriber.state.status, 'behind');
  });

  it('is another context where the application cannot say', async () => {
    let gone = false;
    const { hub, clock, subscriber } = await joined({
      onError: () => {},
      showing: () => {
        if (gone) throw new Error('the screen is gone');
        return undefined;
      },
    });
    gone = true;
    subscriber.showingChanged();
    assert.equal(subscriber.state.status, 'behind');
    hub.openPatient('p1', clock.now());
    await clock.advance(50);
    assert.equal(subscriber.state.status, 'behind');
  });

  it('was confirmed too long ago when the Hub is silent and cannot be asked', async () => {
    const { network, hub, clock, subscriber } = await joined();
    hub.openPatient('p1', clock.now());
    await clock.advance(50);
    for (const socket of network.sockets) socket.dead = true;
    network.httpFault = () => 'hang';
    await clock.advance(22_100);
    assert.notEqual(subscriber.state.status, 'in-sync');
  });
});

describe('losing the connection', () => {
  it('SUB-11 returns to the same endpoint and asks for what it missed', async () => {
    const { network, hub, clock, subscriber } = await joined();
    const names: string[] = [];
    subscriber.on('*', (event) => {
      names.push(`${event.name} ${event.derived}`);
    });
    const first = hub.openPatient('p1', clock.now());
    await clock.advance(50);
    network.down();
    hub.openPatient('p2', clock.now());
    hub.closePatient('p2', clock.now());
    await clock.advance(1000);
    assert.equal(subscriber.state.status, 'connecting');
    const sockets: string[] = [];
    network.up = true;
    await clock.until(() => subscriber.state.status === 'in-sync');
    for (const socket of network.sockets) sockets.push(socket.url);
    assert.match(sockets[0] ?? '', new RegExp(`since=${first}$`));
    assert.equal(hub.subscriptions.size, 1);
    assert.deepEqual(names, ['Patient-open false', 'Patient-open false', 'Patient-close false']);
    assert.equal(held(subscriber), 'empty');
  });

  it('subscribes again when the endpoint is refused, and finds the context closed meanwhile', async () => {
    const { network, hub, clock, subscriber } = await joined();
    hub.can.since = false;
    hub.openPatient('p1', clock.now());
    await clock.advance(50);
    const seen: (string | undefined)[] = [];
    subscriber.follow((context) => {
      seen.push(context?.id);
    });
    network.down();
    hub.subscriptions.clear();
    hub.closePatient('p1', clock.now());
    await clock.advance(50);
    network.up = true;
    await clock.until(() => subscriber.state.status === 'in-sync');
    assert.equal(hub.subscriptions.size, 1);
    assert.deepEqual(seen, ['p1', undefined]);
    assert.equal(held(subscriber), hub.truth());
  });

  it('is back within a second of the return of a Hub that had been down for a while', async () => {
    for (const away of [100, 700, 1500, 3000]) {
      const { network, clock, subscriber } = await joined();
      await clock.advance(10_000);
      network.down();
      await clock.advance(away);
      network.up = true;
      const from = clock.now();
      await clock.until(() => subscriber.state.status === 'in-sync');
      assert.ok(clock.now() - from <= Math.max(1000, away), `${away} ms away, ${clock.now() - from} ms to come back`);
    }
  });

  it('waits longer and longer, up to the given limit', async () => {
    const { network, clock } = await joined({ maxBackoff: 3000 });
    network.down();
    const before = network.requests.length;
    await clock.advance(60_000);
    const tries = network.requests.length - before;
    assert.ok(tries > 15 && tries < 60, `${tries} tries in a minute`);
  });

  it('a dead socket that says nothing is noticed, and the state does not stay in-sync', async () => {
    const { network, hub, clock, subscriber } = await joined();
    hub.openPatient('p1', clock.now());
    await clock.advance(50);
    const [socket] = network.sockets;
    assert.ok(socket);
    socket.dead = true;
    hub.openPatient('p2', clock.now());
    const from = clock.now();
    await clock.until(() => held(subscriber) === hub.truth());
    assert.ok(clock.now() - from < 20_000);
    await clock.until(() => ![...network.sockets].includes(socket));
    await clock.until(() => subscriber.state.status === 'in-sync');
    hub.openPatient('p3', clock.now());
    await clock.advance(50);
    assert.equal(held(subscriber), hub.truth());
  });

  it('a Hub that answers nothing at all is not in-sync for longer than the silence it allows', async () => {
    const { network, clock, subscriber } = await joined();
    network.httpFault = () => 'hang';
    for (const socket of network.sockets) socket.dead = true;
    await clock.advance(15_000 + 2000 + 2100);
    assert.notEqual(subscriber.state.status, 'in-sync');
  });

  it('a Hub that takes longer to answer than a page to tick is in sync all the same', async () => {
    const network = new VirtualNetwork();
    network.latency = 1500;
    network.hub.openPatient('p1', network.clock.now());
    const { hub, clock, subscriber } = await joined({}, network);
    hub.openPatient('p2', clock.now());
    await clock.until(() => held(subscriber) === hub.truth() && subscriber.state.status === 'in-sync');
  });

  it('an idle page of a Hub that answers pings asks for nothing, and notices when they are not answered', async () => {
    const network = new VirtualNetwork();
    network.hub.can.pong = true;
    const { hub, clock, subscriber } = await joined({ ping: true, checkEvery: 0 }, network);
    const { length } = network.requests;
    await clock.advance(3_600_000);
    assert.equal(network.requests.length, length);
    assert.equal(subscriber.state.status, 'in-sync');
    for (const socket of network.sockets) socket.dead = true;
    hub.openPatient('p1', clock.now());
    await clock.until(() => held(subscriber) === hub.truth(), 60_000);
  });

  it('sleep is noticed by whoever looks first, and the connection is made again', async () => {
    const { network, hub, clock, subscriber } = await joined();
    for (const socket of network.sockets) socket.dead = true;
    clock.sleep(3_600_000);
    hub.openPatient('p1', clock.now());
    assert.equal(subscriber.state.status, 'unknown');
    await clock.until(() => subscriber.state.status === 'in-sync');
    assert.equal(held(subscriber), hub.truth());
  });

  it('HZ-1 a clock that is set back or ahead does not make a silent Hub look alive', async () => {
    for (const ms of [-3_600_000, -11_000, 11_000, 3_600_000])
      for (const when of ['as it falls silent', 'while it is asked', 'before'])
        for (const hidden of [false, true]) {
          const network = new VirtualNetwork();
          network.hub.can.pong = true;
          const { hub, clock, subscriber } = await joined({ ping: true, checkEvery: 0 }, network);
          network.hidden = hidden;
          const fallSilent = () => {
            for (const socket of network.sockets) socket.dead = true;
            hub.openPatient('p1', clock.now());
          };
          if (when !== 'before') fallSilent();
          if (when === 'while it is asked') await clock.advance(17_000);
          clock.set(ms);
          if (when === 'before') {
            await clock.advance(100);
            fallSilent();
          }
          await clock.advance(24_000);
          const known = subscriber.state.status !== 'in-sync' || held(subscriber) === hub.truth();
          assert.ok(known, `${ms} ms, ${when}, hidden ${hidden}`);
          void subscriber.unsubscribe();
        }
  });

  it('in a hidden page late timers are no sleep', async () => {
    const { network, clock, subscriber } = await joined();
    network.hidden = true;
    const [socket] = network.sockets;
    for (let minute = 0; minute < 5; minute++) {
      clock.sleep(60_000);
      await clock.advance(3000);
    }
    assert.deepEqual([...network.sockets], [socket]);
    assert.equal(subscriber.state.status, 'in-sync');
  });

  it('HZ-1 a network that is going may still answer once: the Hub is asked again, and is not taken for current without an answer', async () => {
    const { network, hub, clock, subscriber } = await joined({ ping: true, checkEvery: 0 });
    network.sign('offline');
    assert.equal(subscriber.state.status, 'unknown');
    await clock.until(() => subscriber.state.status === 'in-sync');
    for (const socket of network.sockets) socket.dead = true;
    network.httpFault = () => 'cut';
    hub.openPatient('p1', clock.now());
    await clock.until(() => subscriber.state.status === 'unknown', 1500);
    await clock.advance(5000);
    assert.notEqual(subscriber.state.status, 'in-sync');
    network.httpFault = () => undefined;
    network.sign('online');
    await clock.until(() => subscriber.state.status === 'in-sync');
    assert.equal(held(subscriber), hub.truth());
  });

  it('the network coming back is used at once', async () => {
    const { network, clock, subscriber } = await joined();
    network.down();
    await clock.advance(120_000);
    network.up = true;
    network.sign('online');
    const from = clock.now();
    await clock.until(() => subscriber.state.status === 'in-sync');
    assert.ok(clock.now() - from < 500);
  });
});

describe('order', () => {
  it('2.5 what is older than the current context is ignored', async () => {
    const { network, hub, clock, subscriber } = await joined();
    hub.openPatient('p1', clock.now());
    await clock.advance(50);
    const seen: string[] = [];
    subscriber.on('*', (event) => {
      seen.push(event.name);
    });
    const stale = { key: 'patient', resource: patient('p0') };
    const event = { 'hub.topic': 'topic-1', 'hub.event': 'Patient-open', context: [stale] };
    const [socket] = network.sockets;
    socket?.inject(JSON.stringify({ timestamp: '2026-11-22T07:00:00', id: 'stale', event }));
    assert.equal(subscriber.state.status, 'unknown', 'doubt until the Hub was read');
    await clock.advance(500);
    assert.deepEqual(seen, []);
    assert.equal(subscriber.context?.id, 'p1');
    assert.equal(subscriber.state.status, 'in-sync');
  });

  it('a publisher whose clock is slow is followed all the same: the Hub decides what is current', async () => {
    const { hub, clock, subscriber } = await joined();
    hub.openPatient('p1', clock.now() + 60_000);
    await clock.advance(50);
    hub.openPatient('p2', clock.now());
    await clock.until(() => subscriber.state.status === 'in-sync' && held(subscriber) === hub.truth());
    hub.openPatient('p3', clock.now());
    await clock.advance(50);
    assert.equal(held(subscriber), hub.truth());
    assert.equal(subscriber.state.status, 'in-sync');
  });

  it('2.5 a late refusal is about the last open that the Hub sent, whatever the clocks of three publishers say', async () => {
    const skews = [0, 5000, -5000];
    for (const ids of ['111', '211', '121'])
      for (const pause of [0, 10, 300])
        for (const first of skews)
          for (const second of skews)
            for (const third of skews) {
              const { hub, clock, subscriber } = await joined();
              subscriber.follow(() => new Promise<undefined>(() => {}));
              const sent: string[] = [];
              for (const [n, skew] of [first, second, third].entries()) {
                sent.push(hub.openPatient(ids[n] ?? '', clock.now() + skew));
                await clock.advance(pause);
              }
              await clock.advance(15_000);
              const refused = hub.answers.filter(({ status }) => status >= 300);
              const about = [...new Set(refused.map(({ id }) => sent.indexOf(id)))];
              assert.deepEqual(about, [2], `${ids}, ${pause} ms apart, clocks ${first}, ${second}, ${third}`);
              assert.equal(subscriber.state.status, 'out-of-sync');
              void subscriber.unsubscribe();
            }
  });

  it('ERR-8 a close of what an open that looked older made current is not answered before the Hub was read', async () => {
    const { network, hub, clock, subscriber } = await joined();
    hub.openPatient('p1', clock.now());
    await clock.advance(100);
    const { promise, resolve } = Promise.withResolvers<undefined>();
    subscriber.follow((context) => (context ? undefined : promise));
    network.httpFault = () => 'cut';
    hub.say('Home-open', [], clock.now());
    hub.openPatient('p1', clock.now() - 5000);
    const close = hub.closePatient('p1', clock.now());
    const statuses = () => hub.answers.filter(({ id }) => id === close).map(({ status }) => status);
    await clock.advance(3000);
    assert.deepEqual(statuses(), []);
    network.httpFault = () => undefined;
    await clock.advance(3000);
    assert.notEqual(subscriber.state.status, 'in-sync');
    resolve(undefined);
    await clock.advance(3000);
    assert.equal(statuses().at(-1), 200);
    assert.equal(subscriber.state.status, 'in-sync');
  });

  it('what this application publishes is never older than the context it follows, whatever its clock says', async () => {
    const { hub, clock, subscriber } = await joined();
    const ahead = clock.now() + 60_000;
    hub.openPatient('p1', ahead);
    await clock.advance(50);
    const done = subscriber.openPatient(patient('p2'));
    await clock.advance(100);
    assert.ok(Date.parse((await done).timestamp) > ahead);
    assert.equal(subscriber.context?.id, 'p2');
  });
});

describe('content', () => {
  async function report() {
    const session = await joined();
    session.hub.openReport('r1', session.clock.now());
    await session.clock.advance(50);
    return session;
  }

  it('CON-2 applies what others put and remove', async () => {
    const { hub, clock, subscriber } = await report();
    const changes: number[] = [];
    subscriber.onContent((content) => changes.push(content?.size ?? -1));
    hub.observe('o1', 1, clock.now());
    await clock.advance(50);
    hub.observe('o2', 2, clock.now());
    await clock.advance(50);
    hub.observe('o1', undefined, clock.now());
    await clock.advance(50);
    assert.deepEqual(changes, [1, 2, 1]);
    assert.deepEqual([...(subscriber.content?.keys() ?? [])], ['Observation/o2']);
    assert.equal(held(subscriber), hub.truth());
  });

  it('a re-opened report keeps its content, also that from before this application came', async () => {
    const network = new VirtualNetwork();
    const { hub, clock } = network;
    hub.openReport('r1', clock.now());
    hub.observe('o1', 1, clock.now());
    hub.openPatient('p1', clock.now());
    const { subscriber } = await joined({}, network);
    hub.openReport('r1', clock.now());
    await clock.until(() => subscriber.state.status === 'in-sync' && subscriber.context?.type === 'DiagnosticReport');
    assert.equal(held(subscriber), hub.truth());
    assert.equal(subscriber.content?.size, 1);
  });

  it('a missing update is noticed by the version chain and read from the Hub', async () => {
    const { network, hub, clock, subscriber } = await report();
    network.frameFault = () => 'drop';
    hub.observe('o1', 1, clock.now());
    await clock.advance(50);
    network.frameFault = () => undefined;
    hub.observe('o2', 2, clock.now());
    await clock.advance(6);
    assert.equal(subscriber.state.status, 'unknown');
    assert.equal(subscriber.content, undefined, 'no content is better than wrong content');
    await clock.until(() => subscriber.state.status === 'in-sync');
    assert.equal(held(subscriber), hub.truth());
  });

  it('publishes updates that others see, and has them when the call returns', async () => {
    const { hub, clock, subscriber } = await report();
    const done = subscriber.update([{ put: { resourceType: 'Observation', id: 'o1' } }]);
    await clock.advance(100);
    await done;
    assert.equal(subscriber.content?.has('Observation/o1'), true);
    const gone = subscriber.update([{ remove: 'Observation/o1' }]);
    await clock.advance(100);
    await gone;
    assert.equal(held(subscriber), hub.truth());
    assert.equal(subscriber.content?.size, 0);
  });

  it('CON-8 an update that lost a race is made again from the newer content', async () => {
    const { network, hub, clock, subscriber } = await report();
    hub.observe('count', 10, clock.now());
    await clock.advance(50);
    const tries: number[] = [];
    network.latency = 50;
    const done = subscriber.update((content) => {
      const value = Number(content.get('Observation/count')?.valueInteger);
      tries.push(value);
      return [
        { put: { resourceType: 'Observation', id: 'count', valueInteger: value + 1 } as { resourceType: string } },
      ];
    });
    // Another application is faster, twice.
    await clock.advance(1);
    hub.observe('count', 20, clock.now());
    await clock.advance(400);
    await done;
    assert.deepEqual(tries, [10, 20]);
    assert.equal(hub.contexts.get('DiagnosticReport/r1')?.content.get('Observation/count')?.valueInteger, 21);
    await clock.until(() => subscriber.state.status === 'in-sync');
    assert.equal(held(subscriber), hub.truth());
  });

  it('CON-8 without a function to make it again, a lost race is an error', async () => {
    const { network, hub, clock, subscriber } = await report();
    network.latency = 50;
    const done = assert.rejects(
      subscriber.update([{ put: { resourceType: 'Observation', id: 'o1' } }]),
      (error) => error instanceof HubError && error.status === 409,
    );
    await clock.advance(1);
    hub.observe('o2', 2, clock.now());
    await clock.advance(400);
    await done;
  });

  it('2.10 an update that is accepted first and refused by SyncError is made again too', async () => {
    const { network, hub, clock, subscriber } = await report();
    const real = hub.publish.bind(hub);
    let refusals = 0;
    hub.publish = (message, token) => {
      if (message.event['hub.event'] !== 'DiagnosticReport-update' || refusals++ > 0) return real(message, token);
      clock.after(20, () => hub.syncError(message.id, 'DiagnosticReport-update', 'Hub', clock.now()));
      return { status: 202, body: '' };
    };
    const done = subscriber.update(() => [{ put: { resourceType: 'Observation', id: 'o1' } }]);
    await clock.advance(1000);
    await done;
    assert.equal(refusals, 2);
    assert.equal(held(subscriber), hub.truth());
    assert.ok(network);
  });

  it('CON-8 what was meant for one report is never made again for the next one', async () => {
    const { network, hub, clock, subscriber } = await report();
    network.latency = 50;
    const made: number[] = [];
    const change = () =>
      subscriber.update(({ size }) => {
        made.push(size);
        return [{ put: { resourceType: 'Observation', id: 'o1' } }];
      });
    const all = [change(), change()].map((one) =>
      assert.rejects(one, (error) => error instanceof HubError && error.status === 409),
    );
    // The first loses a race, and both a report that is closed before they come to it.
    await clock.advance(1);
    hub.observe('o2', 2, clock.now());
    hub.openReport('r2', clock.now());
    await clock.advance(1000);
    await Promise.all(all);
    assert.deepEqual(made, [0]);
    assert.equal(hub.contexts.get('DiagnosticReport/r2')?.content.size, 0);
  });

  it('updates of one application never race each other', async () => {
    const { hub, clock, subscriber } = await report();
    const all = Promise.all(
      Array.from({ length: 10 }, (_, at) =>
        subscriber.update([{ put: { resourceType: 'Observation', id: `o${at}` } }]),
      ),
    );
    await clock.advance(2000);
    await all;
    assert.equal(subscriber.content?.size, 10);
    assert.equal(held(subscriber), hub.truth());
  });
});

describe('publishing', () => {
  for (const [what, follows] of [
    ["another application's", true],
    ['its own, though it does not get it', false],
  ] as const) {
    it(`an event that the Hub asked to send later is not sent after a newer context: ${what}`, async () => {
      const { network, hub, clock, subscriber } = await joined(follows ? {} : { events: ['Encounter-open'] });
      let busy = true;
      network.httpFault = (method) =>
        method === 'POST' && busy ? { status: 503, body: '', headers: { 'Retry-After': '30' } } : undefined;
      const late = assert.rejects(
        subscriber.openPatient(patient('p1')),
        (error) => error instanceof HubError && error.status === 503,
      );
      await clock.advance(1000);
      busy = false;
      if (follows) hub.openPatient('p2', clock.now());
      else void subscriber.openPatient(patient('p2'));
      await clock.advance(60_000);
      await late;
      assert.equal(hub.current, 'Patient/p2');
      assert.equal(hub.log.length, 1);
    });
  }

  it('an event that does not come back is looked for, before the session is wrong for long', async () => {
    const { network, hub, clock, subscriber } = await joined();
    network.frameFault = () => 'drop';
    const done = subscriber.openPatient(patient('p1'));
    await clock.advance(50);
    await done;
    assert.equal(held(subscriber), 'empty');
    await clock.advance(3000);
    assert.equal(held(subscriber), hub.truth());
    assert.equal(subscriber.context?.id, 'p1');
  });

  it('HZ-1 is not in sync after the Hub took its own change until that is shown, whatever the Hub was read for before', async () => {
    const { network, hub, clock, subscriber } = await joined();
    // The Hub is asked before the change, and answers after it.
    network.httpFault = (method) => (method === 'GET' ? 'late' : undefined);
    network.frameFault = () => 'drop';
    network.sign('wake');
    await clock.advance(1);
    const done = subscriber.openPatient(patient('p1'));
    await clock.advance(2 * network.latency);
    await done;
    const untrue: string[] = [];
    subscriber.onState(({ status }) => {
      if (status === 'in-sync' && held(subscriber) !== hub.truth()) untrue.push(status);
    });
    assert.equal(statusOf(subscriber), 'behind');
    await clock.until(() => statusOf(subscriber) === 'in-sync', 5000);
    assert.deepEqual([held(subscriber), untrue], [hub.truth(), []]);
  });

  it('HZ-1 reads the Hub at once after a change of its own whose event it does not get', async () => {
    const { network, hub, clock, subscriber } = await joined({ events: ['Patient-open'] });
    hub.openPatient('p1', clock.now());
    await clock.until(() => subscriber.context?.id === 'p1' && statusOf(subscriber) === 'in-sync');
    const done = subscriber.openStudy({ resourceType: 'ImagingStudy', id: 's1' }, { patient: patient('p2') });
    await clock.advance(2 * network.latency);
    await done;
    assert.notEqual(statusOf(subscriber), 'in-sync');
    await clock.until(() => subscriber.context?.id === 'p2', 1000);
  });

  it('writes each event as the catalog has it', async () => {
    const { hub, clock, subscriber } = await joined({ events: ['*'] });
    const study = { resourceType: 'ImagingStudy', id: 's1' };
    const encounter = { resourceType: 'Encounter', id: 'e1' };
    const report = { resourceType: 'DiagnosticReport', id: 'r1' };
    const steps = [
      () => subscriber.openPatient(patient('p1')),
      () => subscriber.close(),
      () => subscriber.openEncounter(encounter, patient('p1')),
      () => subscriber.openStudy(study, { patient: patient('p1') }),
      () => subscriber.openReport(report, { patient: patient('p1'), study: [study, study] }),
      () => subscriber.select(['Observation/o1', study]),
      () => subscriber.select([]),
      () => subscriber.home(),
      () => subscriber.hibernate(),
      () => subscriber.logout(),
    ];
    for (const step of steps) {
      const done = step();
      await clock.advance(100);
      await done;
    }
    assert.deepEqual(
      hub.log.map(({ event }) => [event['hub.event'], event.context.map((one) => one.key).join()]),
      [
        ['Patient-open', 'patient'],
        ['Patient-close', 'patient'],
        ['Encounter-open', 'encounter,patient'],
        ['ImagingStudy-open', 'study,patient'],
        ['DiagnosticReport-open', 'report,study,study,patient'],
        ['DiagnosticReport-select', 'report,patient,select,select'],
        ['DiagnosticReport-select', 'report,patient'],
        ['Home-open', ''],
        ['UserHibernate', 'parameters'],
        ['UserLogout', 'parameters'],
      ],
    );
    assert.match(JSON.stringify(hub.log.at(-1)), /fhircast-logout-codesystem.*user-initiated/);
    assert.equal(subscriber.context, undefined);
  });

  it('knows its own events when they come back', async () => {
    const { hub, clock, subscriber } = await joined();
    const mine: boolean[] = [];
    subscriber.on('Patient-open', (event) => {
      mine.push(event.mine);
    });
    const done = subscriber.openPatient(patient('p1'));
    await clock.advance(50);
    await done;
    hub.openPatient('p2', clock.now());
    await clock.advance(50);
    assert.deepEqual(mine, [true, false]);
  });

  it('PUB-7 sends again with the same id when the answer was lost, and changes the session once', async () => {
    const { network, hub, clock, subscriber } = await joined();
    let lost = 0;
    network.httpFault = (method) => (method === 'POST' && lost++ === 0 ? 'lose-answer' : undefined);
    const done = subscriber.openPatient(patient('p1'));
    await clock.advance(2000);
    const { id } = await done;
    assert.deepEqual(
      hub.log.map((one) => one.id),
      [id],
    );
  });

  it('rejects with the words of the Hub', async () => {
    const { network, clock, subscriber } = await joined();
    network.httpFault = () => ({ status: 403, body: 'fhircast/Patient-open.write is missing' });
    const done = assert.rejects(subscriber.openPatient(patient('p1')), {
      name: 'HubError',
      status: 403,
      message: 'HTTP 403: fhircast/Patient-open.write is missing',
    });
    await clock.advance(100);
    await done;
  });
});
