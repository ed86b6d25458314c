import assert from 'node:assert/strict';
import test from 'node:test';
import { readPlan, simulated, toQuery } from './plan.ts';

test('a launch is its address, and back', () => {
  const plan = {
    kind: 'standalone',
    app: 'sample-viewer',
    patient: 'p',
    encounter: '',
    study: 's',
    faults: ['wrong-aud', 'slow-hub'],
  } as const;
  assert.deepEqual(readPlan(toQuery(plan)), plan);
});

test('an address that nobody made plans what it can', () => {
  const plan = readPlan('?kind=nonsense&faults=slow-hub,made-up&other=1');
  assert.equal(plan.kind, 'ehr');
  assert.deepEqual(plan.faults, ['slow-hub']);
  assert.equal(simulated('http://x', plan.faults), 'http://x/simulate/slow-hub');
  assert.equal(simulated('http://x', []), 'http://x');
});
