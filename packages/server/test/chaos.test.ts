import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import test from 'node:test';
import { planned } from './cluster/plan.ts';
import { BUGS, EVENTS_A_MINUTE, findBug } from './cluster/proof.ts';

test('its command tells how it is used, and what is wrong with how it was used', () => {
  const run = (...options: string[]) => {
    const program = join(import.meta.dirname, 'chaos.ts');
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...options], { encoding: 'utf8' });
    assert.doesNotMatch(stderr, /^ {4}at /m, 'no trace of the program');
    return { status, stdout, stderr };
  };
  const help = run('--help');
  assert.equal(help.status, 0);
  assert.match(help.stdout, /--minutes N .*\n.*--seed N/);
  const wrong = [['--what'], ['--on', 'paper'], ['--minutes', 'many'], ['--seed'], ['more']];
  for (const options of wrong) {
    const { status, stderr } = run(...options);
    assert.equal(status, 2, options.join(' '));
    assert.match(stderr, /--minutes N/);
  }
});

test('the same seed gives the same faults, whatever a fault chooses; another seed gives others', () => {
  const faults = ['a', 'b', 'c', 'd'];
  const steps = (seed: number, draws: number) => {
    const some = planned(seed, faults).take(50);
    return [...some].map(({ pauseMs, fault, between }) => {
      const [first] = Array.from({ length: draws }, () => between(0, 1000));
      return { pauseMs, fault, first };
    });
  };
  assert.deepEqual(steps(7, 1), steps(7, 3));
  assert.notDeepEqual(steps(7, 1), steps(8, 1));
  assert.deepEqual(new Set(steps(7, 1).map(({ fault }) => fault)), new Set(faults));
});

test('PUB-3, PUB-4, PUB-13, CON-5 a Hub without a defect is found to have none', async () => {
  assert.deepEqual((await findBug()).found, []);
});

for (const bug of BUGS) {
  test(`the checker finds ${bug}`, async () => {
    const { found, hits, accepted } = await findBug(bug);
    assert.ok(hits > 0);
    assert.ok(accepted <= EVENTS_A_MINUTE, `found after ${accepted} events`);
    assert.notDeepEqual(found, []);
  });
}
