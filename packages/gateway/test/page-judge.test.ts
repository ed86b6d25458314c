import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json, JsonObject, TokenInfo } from '@lockstep/fhir';
import { Scopes } from '@lockstep/fhircast';
import fc from 'fast-check';
import { UpstreamAddresses } from '../src/addresses.ts';
import { readPage } from '../src/page.ts';
import { PageJudge } from '../src/page-judge.ts';
import { Rights } from '../src/rights.ts';

const BASE = 'https://lockstep.example/fhir';
const addresses = new UpstreamAddresses('https://upstream.example/r4', BASE);

const SCOPES = [
  'system/*.rs',
  'patient/*.rs',
  'patient/Observation.rs?category=vital-signs patient/Patient.rs',
  'system/Observation.rs?category=laboratory system/Patient.rs?_id=p2',
  'patient/Observation.rs?category=vital-signs system/Observation.rs?code=8867-4 user/Location.rs',
  'openid fhirUser patient/Condition.rs',
];

const code = (value: string): JsonObject => ({ coding: [{ system: 'urn:x', code: value }] });
const some = <T extends Json>(...values: readonly T[]) => fc.constantFrom(undefined, ...values);
const resource = fc.record({
  resourceType: fc.constantFrom('Observation', 'Patient', 'Condition', 'Location', 'Practitioner'),
  id: fc.constantFrom('p1', 'p2', 'o1', 'ü'),
  subject: some<Json>({ reference: 'Patient/p1' }, { reference: `${BASE}/Patient/p2` }, { display: 'José' }),
  category: some<Json>([code('vital-signs')], [code('laboratory')], [code('vital-signs'), code('laboratory')]),
  code: some<Json>(code('8867-4'), code('1-8')),
});

test('FHR-2 what is alike is judged as it would be alone, whatever stood before it on the page', () => {
  fc.assert(
    fc.property(fc.constantFrom(...SCOPES), fc.array(resource, { maxLength: 12 }), (scopes, resources) => {
      const token = { scopes: new Scopes(scopes), clientId: 'app', patient: 'p1', user: 'Practitioner/p2' };
      const rights = new Rights(token as unknown as TokenInfo, BASE);
      const bytes = Buffer.from(
        JSON.stringify({ resourceType: 'Bundle', entry: resources.map((one) => ({ resource: one })) }),
      );
      // The names that are looked at are known after the first page.
      for (const round of ['first', 'second']) {
        for (const interaction of ['r', 's'] as const) {
          const { entries } = readPage(bytes, rights.noted, addresses);
          const together = new PageJudge(rights, BASE);
          for (const [index, one] of resources.entries()) {
            const found = entries[index]?.resource ?? assert.fail();
            const alone = new PageJudge(rights, BASE).judge(interaction, one.resourceType, one.id, {
              member: (name) => (one as JsonObject)[name],
            });
            assert.deepEqual(together.judge(interaction, one.resourceType, one.id, found), alone, round);
            assert.equal(alone.isAllowed, rights.allows(interaction, one as JsonObject));
          }
        }
      }
    }),
    { numRuns: 300 },
  );
});
