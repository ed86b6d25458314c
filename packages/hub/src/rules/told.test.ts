import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { eventKey } from '@lockstep/fhircast';
import fc from 'fast-check';
import { encounter, patient, report, study, Trial } from '../../test/events.ts';
import { AnchorMap } from './anchor-map.ts';
import { afterSending, newInterest, selected } from './audience.ts';
import { openMessage } from './current-context.ts';
import { deriveOpens } from './derived-opens.ts';
import { lastOfMany } from './last-of-many.ts';
import { PersistentMap } from './persistent-map.ts';
import type { SessionState } from './session-state.ts';
import { toldUpTo } from './told.ts';
import type { Fold } from './tree.ts';

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
        opens.forEach((one, index) => {
          one(trial);
          // Asked between changes too, so that a result that was kept for an earlier list would show.
          if (index % 8 !== 0 || trial.state.current === undefined) return;
          const last = sentLast(trial.state, wanted);
          assert.equal(toldUpTo(trial.state, { events: wanted }, true), last);
          const found = lastOfMany(trial.state.topic, AnchorMap.of(trial.state.anchors), wanted, true);
          assert.equal(found?.opening.number ?? 0, last);
        });
        trial.accepted('Encounter-open', [encounter('last'), patient('1')]);
        assert.equal(toldUpTo(trial.state, { events: wanted }, true), sentLast(trial.state, wanted));
      }),
      { numRuns: 60 },
    );
  });

  for (const [rare, what] of [
    ['Encounter-open', 'an event that did not happen'],
    ['Patient-open', 'opens that are derived, and are all of one patient'],
  ] as const) {
    it(`ERR-8 takes few steps among 10,000 contexts where it subscribed to ${what}`, () => {
      const trial = new Trial();
      const interested = { events: [rare] };
      for (let index = 0; index < 10_000; index += 1) {
        trial.accepted('DiagnosticReport-open', [report(`n${index}`), patient()]);
      }
      const before = toldUpTo(trial.state, interested, true);
      assert.equal(before, sentLast(trial.state, interested.events));
      const { folded } = PersistentMap.prototype;
      let [asked, steps] = [0, 0];
      PersistentMap.prototype.folded = function <Sum>(this: PersistentMap<unknown>, fold: Fold<unknown, Sum>) {
        asked += 1;
        const one = (value: unknown): Sum => {
          steps += 1;
          return fold.one(value);
        };
        return folded.call(this, { ...fold, one } as Fold<unknown, unknown>) as Sum | undefined;
      };
      try {
        trial.accepted('DiagnosticReport-open', [report('another'), patient()]);
        trial.accepted('DiagnosticReport-close', [report('n5000'), patient()]);
        assert.equal(toldUpTo(trial.state, interested, true), before);
      } finally {
        PersistentMap.prototype.folded = folded;
      }
      assert.equal(asked, 1, 'all contexts were asked about');
      assert.ok(steps > 0 && steps <= 100, `${steps} contexts were gone through`);
    });
  }
});
