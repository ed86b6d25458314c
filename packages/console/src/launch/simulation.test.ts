import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import {
  DECLARED_CLIENT_TYPES,
  FAULTS,
  PKCE_RULES,
  readSimulated,
  type Simulated,
  simulatedServer,
} from './simulation.ts';

const id = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9.-]{0,63}$/);
const text = fc.string({ unit: 'grapheme', maxLength: 40 });

const client = fc.record(
  {
    type: fc.constantFrom(...DECLARED_CLIENT_TYPES),
    id: fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' }),
    secret: text,
    keys: text,
    redirects: fc.array(text, { maxLength: 3 }),
    scope: text,
    backend: fc.boolean(),
  },
  { requiredKeys: ['type', 'id'], noNullPrototype: true },
);

const simulated: fc.Arbitrary<Simulated> = fc.record(
  {
    faults: fc.subarray([...FAULTS]),
    unchecked: fc.boolean(),
    asksSignIn: fc.boolean(),
    skipsConsent: fc.boolean(),
    skipsPickers: fc.boolean(),
    pkce: fc.constantFrom(...PKCE_RULES),
    person: fc.record({ kind: fc.constantFrom('user', 'practitioner', 'patient'), id }, { noNullPrototype: true }),
    client,
    chart: id,
  },
  {
    requiredKeys: ['faults', 'unchecked', 'asksSignIn', 'skipsConsent', 'skipsPickers', 'pkce'],
    noNullPrototype: true,
  },
);

function optionsOf(address: string): string {
  return /^http:\/\/x\/simulate\/([^/]+)$/.exec(address)?.[1] ?? 'none';
}

test('what the builder writes into a path is what the server reads there, whatever it is', () => {
  fc.assert(
    fc.property(simulated, (asked) => {
      const address = simulatedServer('http://x', asked);
      assert.deepEqual(readSimulated(optionsOf(address)), asked);
      assert.equal(new URL(`${address}/fhir`).href, `${address}/fhir`, 'nothing in it needs to be encoded');
    }),
    { numRuns: 200 },
  );
});

test('a path that asks for what is not known says so, and never throws', () => {
  for (const path of [
    'made-up',
    'slow-hub,user:a,user:b',
    'pkce:plain',
    'client:e30',
    'client:!',
    'chart:../x',
    'user:',
  ]) {
    assert.ok('problem' in readSimulated(path), path);
  }
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (path) => {
      const read = readSimulated(path);
      assert.ok('problem' in read || read.faults.every((fault) => FAULTS.includes(fault)));
    }),
    { numRuns: 300 },
  );
});
