import assert from 'node:assert/strict';
import test from 'node:test';
import { HubClient, patient, withLockstep } from './harness.ts';

/** The samples of a scrape, by name and labels. */
async function scrape(origin: string): Promise<Map<string, number>> {
  const response = await fetch(`${origin}/metrics`);
  assert.equal(response.status, 200);
  assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
  const lines = (await response.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]));
}

test('metrics count events, deliveries, answers, refusals, SyncErrors, sockets and commits', () =>
  withLockstep(async ({ origin }) => {
    const hub = await HubClient.backend(origin);
    const topic = await hub.session();
    const follower = await hub.subscribe(topic, 'Patient-open,SyncError', { 'subscriber.name': 'Follower' });
    const refuser = await hub.subscribe(topic, 'Patient-open', { 'subscriber.name': 'Refuser' });
    refuser.answer = () => 409;
    // Connecting is a commit too; it is done once the confirmation is here.
    for (const subscriber of [follower, refuser]) assert.equal((await subscriber.next())['hub.mode'], 'subscribe');
    const before = await scrape(origin);
    await hub.publish(topic, 'Patient-open', [patient('p1')]);
    await hub.publish(topic, 'Patient-open', []);
    assert.equal((await follower.event()).event['hub.event'], 'Patient-open');
    assert.equal((await follower.event()).event['hub.event'], 'SyncError');
    const after = await scrape(origin);
    const grew = (name: string): number => (after.get(name) ?? Number.NaN) - (before.get(name) ?? Number.NaN);
    assert.equal(grew('lockstep_events_total'), 1);
    assert.equal(grew('lockstep_refused_events_total'), 1);
    assert.equal(grew('lockstep_deliveries_total'), 3);
    assert.equal(grew('lockstep_sync_errors_total'), 1);
    assert.ok(grew('lockstep_answers_total') >= 2);
    assert.equal(grew('lockstep_commit_seconds_count'), 2);
    assert.equal(after.get('lockstep_connected_sockets'), 2);
    assert.ok((after.get('lockstep_event_loop_lag_seconds{quantile="0.99"}') ?? -1) >= 0);
    assert.ok((after.get('process_resident_memory_bytes') ?? 0) > 1e6);
  }));
