import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HubError, refuse, Subscriber, type SyncState } from './index.ts';
import { FakeHub } from './testing.ts';

const patient = { resourceType: 'Patient', id: 'p1' };
const report = { resourceType: 'DiagnosticReport', id: 'r1' };

async function joined(): Promise<{ hub: FakeHub; subscriber: Subscriber }> {
  const hub = new FakeHub();
  const subscriber = new Subscriber({
    ...hub.connection,
    events: ['Patient-open', 'DiagnosticReport-open', 'DiagnosticReport-update'],
    name: 'Mine',
  });
  assert.equal((await subscriber.connect()).status, 'in-sync');
  return { hub, subscriber };
}

function until(subscriber: Subscriber, holds: (state: SyncState) => boolean): Promise<SyncState> {
  return new Promise((resolve) => {
    const stop = subscriber.onState(look);
    function look(state: SyncState) {
      if (!holds(state)) return;
      stop();
      resolve(state);
    }
    if (holds(subscriber.state)) look(subscriber.state);
  });
}

describe('the fake Hub', () => {
  it('opens and closes, and says what the application answered', async () => {
    const { hub, subscriber } = await joined();
    let busy = false;
    subscriber.follow(() => (busy ? refuse('a note is not saved') : undefined));
    assert.deepEqual(await hub.open(patient), { status: 200 });
    assert.equal(subscriber.context?.id, 'p1');
    busy = true;
    assert.deepEqual(await hub.open(report, { patient }), { status: 409, reason: 'a note is not saved' });
    busy = false;
    assert.deepEqual(await hub.close(), { status: 200 });
    assert.equal(subscriber.context, undefined);
    await subscriber.unsubscribe();
  });

  it('takes what the application publishes and shares, or refuses it', async () => {
    const { hub, subscriber } = await joined();
    await subscriber.openReport(report, { patient });
    await until(subscriber, ({ status }) => status === 'in-sync' && subscriber.context?.id === 'r1');
    await subscriber.update([{ put: { resourceType: 'Observation', id: 'o1' } }]);
    assert.deepEqual([...(subscriber.content?.keys() ?? [])], ['Observation/o1']);
    assert.deepEqual(
      hub.published.map(({ event }) => event['hub.event']),
      ['DiagnosticReport-open', 'DiagnosticReport-update'],
    );
    hub.refusePublishing('not now');
    await assert.rejects(subscriber.openPatient(patient), (error) => error instanceof HubError && error.status === 409);
    await subscriber.unsubscribe();
  });

  it('lets another application refuse, drops the connection, is slow, denies', async () => {
    const { hub, subscriber } = await joined();
    await hub.open(patient);
    await hub.refuse('a report is not signed', 'Writer');
    const apart = await until(subscriber, ({ status }) => status === 'out-of-sync');
    assert.equal(apart.status === 'out-of-sync' && apart.who, 'Writer');
    await hub.drop();
    await until(subscriber, ({ status }) => status === 'connecting');
    await until(subscriber, ({ status }) => status !== 'connecting');
    hub.delay(30);
    const begun = performance.now();
    await hub.open({ ...patient, id: 'p2' });
    assert.ok(performance.now() - begun >= 25);
    const over = new Promise((resolve) =>
      subscriber.onState(({ status }) => status === 'connecting' && resolve(status)),
    );
    await hub.deny('The session has ended');
    await over;
    await subscriber.unsubscribe();
  });
});
