import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { refuse, Subscriber } from '../src/index.ts';
import { RealHub } from './real-hub.ts';
import { VirtualNetwork } from './virtual.ts';

const patient = (id: string) => ({ resourceType: 'Patient', id });

/** A subscriber in sync that has opened a patient, which another application did not follow. */
async function refused(options: Parameters<VirtualNetwork['subscriber']>[0] = {}) {
  const network = new VirtualNetwork();
  const { clock, hub } = network;
  const subscriber = network.subscriber(options);
  void subscriber.connect();
  await clock.until(() => subscriber.state.status === 'in-sync');
  const opened = subscriber.openPatient(patient('p1'));
  await clock.advance(100);
  const published = await opened;
  const sends = () => network.requests.filter(({ body }) => body.includes(`"id":"${published.id}"`)).length;
  const object = async (who = 'Writer', about = published.id) => {
    hub.syncError(about, 'Patient-open', who, clock.now());
    await clock.advance(50);
  };
  await object();
  assert.equal(subscriber.state.status, 'out-of-sync');
  assert.equal(sends(), 1);
  return { network, clock, hub, subscriber, published, sends, object };
}

describe('2.6 a context change that was not followed', () => {
  it('is sent again at regular intervals, unchanged, no sooner than ten seconds after each SyncError', async () => {
    const { network, clock, sends, object, published, subscriber } = await refused();
    await clock.advance(10_000);
    assert.equal(sends(), 1);
    await clock.advance(5_000);
    assert.equal(sends(), 2);
    const [first, second] = network.requests
      .filter(({ body }) => body.includes(`"id":"${published.id}"`))
      .map(({ body }) => JSON.parse(body));
    assert.deepEqual(second, first);
    await object();
    await clock.advance(10_000);
    assert.equal(sends(), 2);
    await clock.advance(5_000);
    assert.equal(sends(), 3);
    assert.equal(subscriber.state.status, 'out-of-sync');
  });

  it('ends the objection of who does not repeat it, and is not sent any more', async () => {
    const { clock, sends, object, subscriber } = await refused();
    await object('Viewer 2');
    await clock.advance(15_000);
    await object('Viewer 2');
    assert.equal(subscriber.state.status, 'out-of-sync');
    await clock.advance(15_000);
    assert.equal(sends(), 3);
    assert.equal(subscriber.state.status, 'out-of-sync');
    await clock.advance(15_000);
    assert.equal(subscriber.state.status, 'in-sync');
    await clock.advance(120_000);
    assert.equal(sends(), 3);
  });

  it('does not excuse what is not about it', async () => {
    const { clock, object, subscriber } = await refused();
    await object('Writer', 'something else');
    await object('Archive');
    await clock.advance(40_000);
    const { state } = subscriber;
    assert.ok(state.status === 'out-of-sync');
    assert.deepEqual([state.who, state.us, state.others.map(({ name }) => name)], ['Writer', false, ['Writer']]);
  });

  for (const [what, act] of [
    ['a newer context', 'openPatient'],
    ['its close', 'closePatient'],
  ] as const) {
    it(`is not sent again after ${what}`, async () => {
      const { clock, hub, sends } = await refused();
      await clock.advance(14_000);
      hub[act](act === 'openPatient' ? 'p2' : 'p1', clock.now());
      await clock.advance(120_000);
      assert.equal(sends(), 1);
    });
  }

  it('is not sent again once the application has left', async () => {
    const { clock, sends, subscriber } = await refused();
    const left = subscriber.unsubscribe();
    await clock.advance(120_000);
    await left;
    assert.equal(sends(), 1);
    assert.equal(clock.timers, 0);
  });

  it('is sent again by who sent it, not by those who follow it', async () => {
    const network = new VirtualNetwork();
    const { clock, hub } = network;
    const subscriber = network.subscriber();
    void subscriber.connect();
    await clock.until(() => subscriber.state.status === 'in-sync');
    const id = hub.openPatient('p1', clock.now());
    await clock.advance(50);
    hub.syncError(id, 'Patient-open', 'Writer', clock.now());
    await clock.advance(120_000);
    assert.ok(!network.requests.some(({ body }) => body.includes(id)));
    assert.equal(subscriber.state.status, 'out-of-sync');
  });

  it('waits while the Hub does not answer, and is then sent again before anything is taken for granted', async () => {
    const { network, clock, sends, subscriber } = await refused();
    await clock.advance(15_000);
    assert.equal(sends(), 2);
    network.down();
    await clock.advance(20_000);
    const before = sends();
    network.up = true;
    await clock.until(() => subscriber.state.status !== 'connecting' && sends() > before);
    assert.equal(subscriber.state.status, 'out-of-sync');
    await clock.advance(15_000);
    assert.equal(subscriber.state.status, 'in-sync');
  });

  it('is sent once only where the application wants it so', async () => {
    const { clock, sends, subscriber } = await refused({ resendEvery: 0 });
    await clock.advance(120_000);
    assert.equal(sends(), 1);
    assert.equal(subscriber.state.status, 'out-of-sync');
  });

  it('PUB-7 reaches the application that refused it, through Lockstep, and both are in sync', async (t) => {
    const hub = await RealHub.start();
    t.after(() => hub.close());
    const join = async (name: string) => {
      const subscriber = new Subscriber({
        hubUrl: `${hub.origin}/hub`,
        topic: hub.topic,
        token: () => hub.token(),
        events: ['Patient-open'],
        name,
        resendEvery: 1000,
      });
      assert.equal((await subscriber.connect()).status, 'in-sync');
      t.after(() => subscriber.unsubscribe());
      return subscriber;
    };
    const sender = await join('Sender');
    const busy = await join('Busy');
    let asked = 0;
    busy.on('Patient-open', () => (++asked < 3 ? refuse('a report is being dictated') : true));
    const reaches = (subscriber: Subscriber, fits: () => boolean) =>
      new Promise<void>((resolve) => {
        const look = () => fits() && resolve();
        subscriber.onState(look);
        look();
      });
    await sender.openPatient(patient('p1'));
    await reaches(sender, () => sender.state.status === 'out-of-sync');
    // However slow the machine is: an objection that comes late starts it again.
    await reaches(busy, () => asked === 3 && busy.state.status === 'in-sync');
    await reaches(sender, () => sender.state.status === 'in-sync');
    assert.equal(busy.context?.id, 'p1');
  });
});
