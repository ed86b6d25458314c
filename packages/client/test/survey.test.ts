import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Context, HubError, refuse, type Subscriber } from '../src/index.ts';
import { VirtualNetwork } from './virtual.ts';

const patient = { resourceType: 'Patient', id: 'p1' };

async function session(names: readonly string[]): Promise<{ network: VirtualNetwork; subscribers: Subscriber[] }> {
  const network = new VirtualNetwork();
  const subscribers = names.map((name) => network.subscriber({ name }));
  for (const one of subscribers) void one.connect();
  await network.clock.until(() => subscribers.every(({ state }) => state.status === 'in-sync'));
  return { network, subscribers };
}

describe('a survey before a change', () => {
  it('asks the same question as the change, shows nothing and changes nothing', async () => {
    const { network, subscribers } = await session(['EHR', 'Writer', 'Viewer', 'Raw']);
    const [ehr, writer, viewer, raw] = subscribers as [Subscriber, Subscriber, Subscriber, Subscriber];
    const shown: string[] = [];
    const asked: (Context | undefined)[] = [];
    writer.follow({
      may: (context) => {
        asked.push(context);
        return refuse('a report is not signed');
      },
      show: (context) => void shown.push(`writer ${context?.id}`),
    });
    viewer.follow({ may: async () => undefined, show: (context) => void shown.push(`viewer ${context?.id}`) });
    raw.follow((context) => void shown.push(`raw ${context?.id}`));
    const log = network.hub.log.length;
    const survey = ehr.survey(patient, { expected: ['Writer', 'Viewer', 'Raw'] });
    await network.clock.advance(1000);
    assert.deepEqual(await survey, [
      { name: 'Writer', would: 'refuse', reason: 'a report is not signed' },
      { name: 'Viewer', would: 'follow', reason: '' },
      { name: 'Raw', would: 'unasked', reason: '' },
    ]);
    assert.deepEqual(shown, []);
    assert.equal(asked[0]?.id, 'p1');
    assert.equal(network.hub.current, undefined);
    assert.ok(network.hub.log.slice(log).every(({ event }) => event['hub.event'].startsWith('org.lockstep.survey')));
    for (const one of subscribers) assert.equal(one.state.status, 'in-sync');

    // The change itself asks again, and is shown where it is followed.
    const opened = ehr.openPatient(patient);
    await network.clock.advance(100);
    await opened;
    assert.deepEqual(shown.sort(), ['raw p1', 'viewer p1']);
    assert.equal(writer.state.status, 'out-of-sync');
  });

  it('takes no longer than its time, and no longer than its answers', async () => {
    const { network, subscribers } = await session(['EHR', 'Writer']);
    const [ehr, writer] = subscribers as [Subscriber, Subscriber];
    let done = 0;
    const begun = network.clock.now();
    void ehr.survey(undefined, { within: 300 }).then(() => {
      done = network.clock.now();
    });
    await network.clock.until(() => done > 0);
    assert.ok(done - begun < 350, `${done - begun} ms`);
    writer.follow({ may: () => undefined, show: () => undefined });
    let answers = 0;
    const second = network.clock.now();
    void ehr.survey(undefined, { expected: ['Writer'], within: 10_000 }).then((all) => {
      answers = all.length;
      done = network.clock.now();
    });
    await network.clock.until(() => answers === 1);
    assert.ok(done - second < 100, `${done - second} ms`);
  });

  it('that the Hub does not pass on is an error, so its sender knows that no application was asked', async () => {
    const { network, subscribers } = await session(['EHR']);
    network.httpFault = () => ({ status: 403, body: 'not allowed' });
    const survey = subscribers[0]?.survey(patient);
    await Promise.all([assert.rejects(survey ?? Promise.resolve(), HubError), network.clock.advance(100)]);
  });

  it('does not cost the closes and SyncErrors of a Hub that refuses names it does not know', async () => {
    const network = new VirtualNetwork();
    const { subscribe } = network.hub;
    network.hub.subscribe = function (form, ...more) {
      if (form.get('hub.events')?.includes('org.lockstep')) return { status: 400, body: 'unknown event' };
      return subscribe.call(this, form, ...more);
    };
    const subscriber = network.subscriber();
    void subscriber.connect();
    await network.clock.until(() => subscriber.state.status === 'in-sync');
    const [held] = network.hub.subscriptions.values();
    assert.ok(held?.events.includes('SyncError') && held.events.includes('Patient-close'));
  });
});
