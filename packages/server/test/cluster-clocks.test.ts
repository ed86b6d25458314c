import assert from 'node:assert/strict';
import test from 'node:test';
import { Cluster } from './cluster/cluster.ts';
import { Load } from './cluster/load.ts';

const SHIFT = `--import=${new URL('cluster/shifted-clock.mjs', import.meta.url).href}`;

test('TOK-6, SES-5 nodes whose clocks are hours wrong know each other’s tokens, and remove nothing that lives', async (t) => {
  const hours = [0, 13, -13];
  const cluster = await Cluster.start({
    nodes: hours.length,
    envOf: (node) => ({ NODE_OPTIONS: SHIFT, TEST_CLOCK_HOURS: String(hours[node]) }),
  });
  t.after(() => cluster.close());
  const load = await Load.start(cluster.origin, { sessions: 6, followers: 3, pauseMs: 10 });
  t.after(() => load.stop());
  const statuses = load.statuses();
  await load.more(200);
  const findings = await load.finish();
  const { lost, reordered, forked, unexplained, denied } = findings;
  assert.deepEqual(
    { lost, reordered, forked, unexplained, denied },
    { lost: 0, reordered: 0, forked: 0, unexplained: 0, denied: [] },
  );
  assert.deepEqual(
    [...statuses.keys()].filter((status) => status !== 202 && status !== 409),
    [],
  );
  for (const [i, node] of cluster.nodes.entries()) {
    const ready = await fetch(`http://127.0.0.1:${node.port}/health/ready`);
    assert.equal(ready.status, 200);
    const { warnings = [] } = (await ready.json()) as { warnings?: string[] };
    const metrics = await (await fetch(`http://127.0.0.1:${node.port}/metrics`)).text();
    const skew = Number(/^lockstep_clock_skew_seconds (\S+)$/m.exec(metrics)?.[1]);
    assert.ok(Math.abs(skew - (hours[i] ?? 0) * 3600) < 2, `${skew} s`);
    const said =
      hours[i] === 0 ? /^$/ : hours[i] === 13 ? / s ahead of the clock of Redis$/ : / s behind the clock of Redis$/;
    assert.match(warnings.join('\n'), said);
  }
});
