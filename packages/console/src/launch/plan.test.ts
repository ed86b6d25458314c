import '../language/testing.ts';
import assert from 'node:assert/strict';
import test from 'node:test';
import { type Plan, readPlan, simulated, toQuery } from './plan.ts';

const PLAN: Plan = {
  kind: 'standalone',
  app: 'by-address',
  address: 'https://app.example.org/launch?a=1&b=2',
  user: 'dr-mei-tanaka',
  patient: 'p',
  encounter: '',
  study: 's',
  checks: false,
  faults: ['wrong-aud', 'slow-hub'],
};

test('a launch is its address, and back', () => {
  assert.deepEqual(readPlan(toQuery(PLAN)), PLAN);
  const plain = readPlan('');
  assert.deepEqual(readPlan(toQuery(plain)), plain);
  assert.equal(plain.checks, true);
});

test('an address that nobody made plans what it can', () => {
  const plan = readPlan('?kind=nonsense&faults=slow-hub,made-up&other=1');
  assert.equal(plan.kind, 'ehr');
  assert.deepEqual(plan.faults, ['slow-hub']);
  assert.equal(simulated('http://x', plan), 'http://x/simulate/slow-hub');
  assert.equal(simulated('http://x', readPlan('')), 'http://x');
  assert.equal(simulated('http://x', PLAN), 'http://x/simulate/wrong-aud,slow-hub,unchecked,user:dr-mei-tanaka');
});
