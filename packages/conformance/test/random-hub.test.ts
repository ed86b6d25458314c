import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { conforms, renderHar, renderHtml, renderJunit, renderTerminal, runConformance } from '../src/index.ts';
import { RandomHub } from './random-hub.ts';

const SEEDS = Number(process.env.CONFORMANCE_SEEDS ?? 8);

// CONFORMANCE_SEEDS=200 looks at more of them.
describe('a Hub that answers at random', { concurrency: 4 }, () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    test(`seed ${seed} never conforms, and never stops the suite`, async () => {
      const hub = await RandomHub.start(seed);
      try {
        const report = await runConformance({
          hubUrl: hub.url,
          versions: seed % 2 === 0 ? ['3.0.0', 'STU2'] : ['3.0.0', 'IRA'],
          timeoutMs: 60,
          settleMs: 10,
          concurrency: 16,
          totalMs: 8000,
          claims: ['get-current', 'content', 'select', 'non-current-updates', 'webhooks'],
        });
        assert.ok(!conforms(report), JSON.stringify(report.counts));
        for (const { id, verdict, reason, expected, seen } of report.results) {
          if (verdict === 'skip') assert.ok(reason, id);
          if (verdict === 'fail' || verdict === 'warning') assert.ok(reason && expected && seen, id);
          assert.doesNotMatch(reason ?? '', /could not make sense/, `${id}: ${reason}`);
        }
        for (const render of [renderHtml, renderJunit, renderTerminal, renderHar])
          assert.ok(render(report).length > 100);
      } finally {
        await hub.close();
      }
    });
  }
});
