import '../language/testing.ts';
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { PLAN_KINDS, type Plan, planServer, readPlan, toQuery, userOf } from './plan.ts';
import { DECLARED_CLIENT_TYPES, FAULTS, PKCE_RULES, readSimulated } from './simulation.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 30 });
const flag = fc.boolean();

const plans: fc.Arbitrary<Plan> = fc.record(
  {
    kind: fc.constantFrom(...PLAN_KINDS),
    app: text,
    address: text,
    user: text,
    patient: text,
    encounter: text,
    study: text,
    checks: flag,
    pkce: fc.constantFrom(...PKCE_RULES),
    clientType: fc.constantFrom(...DECLARED_CLIENT_TYPES),
    clientId: text,
    clientSecret: text,
    clientKeys: text,
    clientRedirects: text,
    clientScope: text,
    skipSignIn: flag,
    skipConsent: flag,
    skipPickers: flag,
    faults: fc.subarray([...FAULTS]),
  },
  { noNullPrototype: true },
);

test('the whole of a launch is its address, and back', () => {
  fc.assert(
    fc.property(plans, (plan) => {
      assert.deepEqual(readPlan(toQuery(plan)), plan);
    }),
    { numRuns: 200 },
  );
  const plain = readPlan('');
  assert.deepEqual(readPlan(toQuery(plain)), plain);
  assert.equal(plain.checks, true);
});

test('an address with unknown parts plans what it can', () => {
  const plan = readPlan('?kind=nonsense&faults=slow-hub,made-up&pkce=plain&client_type=x&other=1');
  assert.deepEqual([plan.kind, plan.pkce, plan.clientType], ['ehr', 'always', 'public']);
  assert.deepEqual(plan.faults, ['slow-hub']);
  assert.equal(planServer('http://x', plan), 'http://x/simulate/slow-hub');
  assert.equal(planServer('http://x', readPlan('')), 'http://x');
});

/** What the server is asked to simulate for a plan. */
function asked(query: string) {
  const options = /\/simulate\/([^/]+)$/.exec(planServer('http://x', readPlan(query)))?.[1] ?? 'none';
  const read = readSimulated(options);
  assert.ok(!('problem' in read), 'problem' in read ? read.problem : '');
  return read;
}

test('whom a launch is for: who works here, or the patient', () => {
  assert.deepEqual(asked('kind=ehr&user=dr-mei-tanaka').person, { kind: 'user', id: 'dr-mei-tanaka' });
  assert.deepEqual(asked('kind=ehr&user=Practitioner/p1').person, { kind: 'practitioner', id: 'p1' });
  for (const kind of ['patient-portal', 'patient-standalone']) {
    const query = `kind=${kind}&user=dr-mei-tanaka&patient=p2`;
    assert.deepEqual(asked(query).person, { kind: 'patient', id: 'p2' });
    assert.equal(userOf(readPlan(query)), 'Patient/p2');
  }
  assert.equal(asked('kind=backend&user=dr-mei-tanaka').person, undefined);
});

test('an app that starts by itself finds in its path what an EHR launch carries', () => {
  const pages = 'patient=p&skip=consent,pickers&sign_in=ask';
  const own = asked(`kind=standalone&${pages}`);
  assert.deepEqual([own.chart, own.skipsConsent, own.skipsPickers, own.asksSignIn], ['p', true, true, true]);
  const byEhr = asked(`kind=ehr&${pages}`);
  assert.deepEqual(
    [byEhr.chart, byEhr.skipsConsent, byEhr.skipsPickers, byEhr.asksSignIn],
    [undefined, false, false, true],
  );
});

test('a client is declared of an app by address, while checks are on', () => {
  const client =
    'app=by-address&client_id=c&client_type=symmetric&client_secret=s&redirects=http://a/+http://b/&scope=openid';
  const declared = { type: 'symmetric', id: 'c', secret: 's', redirects: ['http://a/', 'http://b/'], scope: 'openid' };
  assert.deepEqual(asked(`kind=ehr&${client}`).client, declared);
  assert.equal(asked(`kind=ehr&${client}&checks=off`).client, undefined);
  assert.equal(asked(`kind=ehr&${client.replace('by-address', 'sample-viewer')}`).client, undefined);
  const backend = asked(
    'kind=backend&app=by-address&client_id=c&client_type=asymmetric&keys=https://a/keys&redirects=http://a/',
  );
  assert.deepEqual(backend.client, { type: 'asymmetric', id: 'c', keys: 'https://a/keys', backend: true });
});
