import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { eventKey } from '@lockstep/fhircast';
import fc from 'fast-check';
import { keysOf, sharedList } from './event-lists.ts';

const name = fc.stringMatching(/^[A-Za-z.-]{1,40}$/);
const lists = fc.array(fc.array(name, { maxLength: 60 }), { maxLength: 400 });

describe('SUB-4 lists of granted events', () => {
  it('are the same list for all who were granted the same', () => {
    const [one, other] = [0, 1].map(() => sharedList(['Patient-open', 'Patient-close'].slice()));
    assert.equal(one, other);
    assert.equal(keysOf(['Patient-open', 'Patient-close']), keysOf(one ?? []));
  });

  it('say what was granted, however many lists there are', () => {
    fc.assert(
      fc.property(lists, (all) => {
        for (const events of all) {
          assert.deepEqual(sharedList(events), events);
          assert.deepEqual(keysOf(events), new Set(events.map(eventKey)));
        }
      }),
      { numRuns: 20 },
    );
  });
});
