import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type ConformanceOptions, type Report, runConformance, selectChecks } from '../src/index.ts';
import { ModelHub } from './model-hub.ts';
import { randomOf } from './random-hub.ts';
import { FAULTS, Relay, type RelayedAnswer, type RelayOptions, STEPS } from './relay.ts';

/** @param enough checks after which the run is ended: all of them unless given */
async function testHostile(wrong: RelayOptions, only?: readonly string[], enough?: number): Promise<Report> {
  const hub = await ModelHub.start();
  const relay = await Relay.start(hub, wrong);
  const options: Omit<ConformanceOptions, 'hubUrl'> = {
    versions: ['3.0.0', 'IRA'],
    timeoutMs: 250,
    settleMs: 20,
    concurrency: 16,
    // What it hears of the configuration may be garbage.
    claims: ['get-current', 'content', 'select'],
    ...(only && { only }),
  };
  try {
    const end = new AbortController();
    const report = await runConformance({ ...options, hubUrl: relay.url, signal: end.signal }, ({ done }) => {
      if (done === enough) end.abort();
    });
    assert.equal(report.results.length, selectChecks(options.versions!, options).length, 'every check has its result');
    return report;
  } finally {
    await relay.close();
    await hub.close();
  }
}

/** The run says why of everything that did not pass. */
function judge(report: Report): void {
  for (const { id, verdict, reason, expected, seen } of report.results) {
    if (verdict === 'skip') assert.ok(reason, id);
    if (verdict === 'fail' || verdict === 'warning') assert.ok(reason && expected && seen, id);
    assert.doesNotMatch(reason ?? '', /could not make sense/, `${id} reads with care what it is sent`);
  }
}

/** At least one check that hears what the hub says at each step. */
const HEARD = [
  'well-known-served',
  'well-known-events',
  'well-known-websocket',
  'subscribe-endpoint',
  'confirmation-sent',
  'publish-accepted',
  'broadcast-to-all',
  'context-latest',
  'context-array',
  'late-joiner-open',
  'update-applied',
  'syncerror-after-409',
  'unsubscribe-accepted',
  'unsubscribe-endpoint',
  'unsubscribe-denial',
  'unsubscribe-closes-socket',
];

describe('a Hub that at one step', { concurrency: 6 }, () => {
  for (const fault of FAULTS) {
    for (const step of STEPS) {
      test(`${fault === 'hang' ? 'hangs' : fault === 'close' ? 'closes early' : 'sends garbage'}: ${step}`, async () => {
        const report = await testHostile({ fault: (at) => (at === step ? fault : undefined) }, HEARD);
        judge(report);
        // A connection that breaks off instead of closing is closed all the same.
        if (!(step === 'close' && fault === 'close')) assert.ok(report.counts.fail > 0, 'some check fails for it');
      });
    }
  }
});

describe('a Hub that spoils one message in seven, anyhow', { concurrency: 4 }, () => {
  for (const seed of [1, 2, 3, 4]) {
    test(`seed ${seed}`, async () => {
      const random = randomOf(seed);
      const fault = () => (random() < 1 / 7 ? FAULTS[Math.floor(random() * FAULTS.length)] : undefined);
      const report = await testHostile({ fault }, undefined, 60);
      judge(report);
      assert.ok(report.counts.fail > 0, JSON.stringify(report.counts));
    });
  }
});

/** Objects that no function which makes text or numbers of values takes, and nesting that ends the stack of who walks it. */
const ODD = [
  '{"toString":1,"valueOf":1,"toJSON":1,"then":1,"constructor":1,"__proto__":1,"length":3,"hasOwnProperty":1}',
  `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
];
const MEMBERS = ['hub.event', 'hub.events', 'hub.topic', 'hub.mode', 'hub.lease_seconds', 'hub.channel.endpoint', 'id'];
const ELEMENTS = ['context', 'key', 'resource', 'resourceType', 'reference', 'context.versionId', 'code', 'system'];

/** The text with something odd in the place of every member of this name. */
function odd(text: string, member: string, turn: number): string {
  const mark = '"something odd"';
  try {
    const changed = JSON.stringify(JSON.parse(text, (name, value) => (name === member ? JSON.parse(mark) : value)));
    return changed.replaceAll(mark, ODD[turn % ODD.length]!);
  } catch {
    return text;
  }
}

describe('a Hub that sends an object or a deep list where the specification has text', { concurrency: 6 }, () => {
  for (const member of [...MEMBERS, ...ELEMENTS]) {
    test(member, async () => {
      let turn = 0;
      const spoil = (text: string) => odd(text, member, turn++);
      const answer = (told: RelayedAnswer) => ({ ...told, body: spoil(told.body) });
      judge(await testHostile({ change: { answer, frame: (text) => [spoil(text)] } }, HEARD));
    });
  }
});
