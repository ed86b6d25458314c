import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { eventKey } from '@lockstep/fhircast';
import fc from 'fast-check';
import { encounter, patient, report, study, Trial } from '../../test/events.ts';
import { afterSending, newInterest, selected } from './audience.ts';
import { openMessage } from './current-context.ts';
import { deriveOpens } from './derived-opens.ts';
import type { SessionState } from './session-state.ts';
import { toldUpTo } from './told.ts';

/** Number of the last open that is sent where all that stand are sent one after the other, written down as it happens. */
function sentLast({ anchors, topic }: SessionState, events: readonly string[]): number {
  let interest = newInterest(events, true);
  let last = 0;
  for (const anchor of anchors.values()) {
    const { type, id } = anchor.key;
    const name = `${type}-open`;
    const sendable = { id: '', name, opens: { type, resourceId: id } };
    const derived = deriveOpens(openMessage(topic, anchor), type).map((open) => {
      return { id: '', name: open.name, opens: { type: open.type, resourceId: open.resourceId } };
    });
    for (const event of selected(interest, { key: eventKey(name), sendable, derived })) {
      interest = afterSending(interest, event);
      last = anchor.opening.number;
    }
  }
  return last;
}

describe('ERR-8 the last context change that a subscriber is told of', () => {
  it('ERR-8 is the last that it is sent, however many contexts are open and whatever is derived from them', () => {
    const few = fc.constantFrom('1', '2');
    const many = fc.integer({ min: 1, max: 60 }).map(String);
    const open = fc.oneof(
      { weight: 1, arbitrary: few.map((p) => (trial: Trial) => trial.publish('Patient-open', [patient(p)])) },
      {
        weight: 4,
        arbitrary: fc.tuple(many, few).map(([s, p]) => (trial: Trial) => {
          return trial.publish('ImagingStudy-open', [study(s), patient(p)]);
        }),
      },
      {
        weight: 4,
        arbitrary: fc.tuple(many, few, fc.array(few, { maxLength: 2 })).map(([r, p, studies]) => (trial: Trial) => {
          return trial.publish('DiagnosticReport-open', [report(r), patient(p), ...studies.map((s) => study(s))]);
        }),
      },
      {
        weight: 1,
        arbitrary: fc.tuple(few, few).map(([e, p]) => (trial: Trial) => {
          return trial.publish('Encounter-open', [encounter(e), patient(p)]);
        }),
      },
      {
        weight: 1,
        arbitrary: many.map((s) => (trial: Trial) => {
          return trial.publish('ImagingStudy-close', [study(s), patient('1')]);
        }),
      },
    );
    const events = fc.subarray(['Patient-open', 'ImagingStudy-open', 'Encounter-open', 'DiagnosticReport-open', '*']);
    fc.assert(
      fc.property(fc.array(open, { minLength: 20, maxLength: 150, size: 'max' }), events, (opens, wanted) => {
        const trial = new Trial();
        for (const one of opens) one(trial);
        trial.accepted('Encounter-open', [encounter('last'), patient('1')]);
        assert.equal(toldUpTo(trial.state, { events: wanted }, true), sentLast(trial.state, wanted));
      }),
      { numRuns: 60 },
    );
  });
});
