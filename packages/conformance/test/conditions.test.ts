import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ConformanceOptions, type Report, runConformance } from '../src/index.ts';
import { selfSigned } from './certificate.ts';
import { ModelHub } from './model-hub.ts';
import { Relay, type RelayOptions } from './relay.ts';

/** Something of everything: requests, sockets, events, content, an unsubscribe. */
const SOME = [
  'well-known-served',
  'hub-over-https',
  'socket-over-tls',
  'subscribe-*',
  'confirmation-*',
  'broadcast-*',
  'context-*',
  'unsubscribe-*',
];

async function testThrough(relayed: RelayOptions, options: Partial<ConformanceOptions>): Promise<Report> {
  const hub = await ModelHub.start();
  const relay = await Relay.start(hub, relayed);
  try {
    return await runConformance({ hubUrl: relay.url, versions: ['3.0.0'], settleMs: 60, only: SOME, ...options });
  } finally {
    await relay.close();
    await hub.close();
  }
}

const unhappy = (report: Report) =>
  report.results.flatMap(({ id, verdict, expected, seen }) =>
    verdict === 'fail' || verdict === 'warning' ? [{ id, expected, seen }] : [],
  );

test('a Hub with a self-signed certificate is tested where that is allowed, TLS and all', async () => {
  const report = await testThrough({ tls: selfSigned() }, { rejectUnauthorized: false });
  assert.deepEqual(unhappy(report), []);
  const verdicts = new Map(report.results.map(({ id, verdict }) => [id, verdict]));
  assert.equal(verdicts.get('hub-over-https'), 'pass');
  assert.equal(verdicts.get('socket-over-tls'), 'pass');
});

test('without that a self-signed certificate stops the run, and the reason says what to do', async () => {
  const report = await testThrough({ tls: selfSigned() }, { only: ['well-known-served', 'subscribe-accepted'] });
  const [diagnosis] = report.diagnosis ?? [];
  assert.equal(diagnosis?.stops, true);
  assert.match(diagnosis.sentence, /certificate is not trusted .*SELF_SIGNED/);
  assert.match(diagnosis.sentence, /--insecure.*NODE_EXTRA_CA_CERTS/);
  assert.deepEqual(report.counts, { pass: 0, fail: 1, warning: 0, skip: 1 });
});

test('a slow Hub passes once the suite is given how slow it is', async () => {
  const patience = { timeoutMs: 100, settleMs: 10, only: ['subscribe-accepted', 'confirmation-*', 'broadcast-*'] };
  const hurried = await testThrough({ delayMs: 200 }, patience);
  assert.ok(hurried.counts.fail > 0, 'too slow for the waiting time');
  assert.match(hurried.results.find(({ verdict }) => verdict === 'fail')?.seen ?? '', /none within 100 ms/);
  const patient = await testThrough({ delayMs: 200 }, { ...patience, slowness: 40 });
  assert.deepEqual(unhappy(patient), []);
});
