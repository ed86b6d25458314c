import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { encounter, patient, report, study, Trial } from '../../test/events.ts';
import { Delivery } from '../live/delivery.ts';
import { AnchorMap } from './anchor-map.ts';
import { afterSending, newInterest, selected } from './audience.ts';
import { latestAnchors } from './current-context.ts';
import { PersistentMap } from './persistent-map.ts';
import { lastOfAll } from './sent-in-turn.ts';
import type { Anchor } from './session-state.ts';
import { lastStandingOpen, lastTold, toldUpTo } from './told.ts';
import type { Fold } from './tree.ts';

/** Number of the last open that is sent where these are sent one after the other, written down as it happens. */
function sentLast(topic: string, anchors: Iterable<Anchor>, events: readonly string[]): number {
  let interest = newInterest(events, true);
  let last = 0;
  for (const anchor of anchors) {
    const { number, id, context } = anchor.opening;
    const name = `${anchor.key.type}-open`;
    const event = { 'hub.topic': topic, 'hub.event': name, context: JSON.parse(context) };
    const text = JSON.stringify({ timestamp: anchor.opening.timestamp, id, event });
    // As it goes out to a socket.
    const delivery = new Delivery({ number, id, name, text });
    for (const one of selected(interest, delivery)) {
      interest = afterSending(interest, one, delivery);
      last = number;
    }
  }
  return last;
}

const few = fc.constantFrom('1', '2');
/** Mostly the same one: of a patient in a row only the first is sent, so that it may be far back. */
const who = fc.oneof({ weight: 7, arbitrary: fc.constant('1') }, { weight: 1, arbitrary: fc.constant('2') });
const many = fc.integer({ min: 1, max: 24 }).map(String);

const location = (index: number) => ({ key: 'location', resource: { resourceType: 'Location', id: `l${index}` } });

/** @param ids of studies and reports */
function opensOf(ids: fc.Arbitrary<string>): fc.Arbitrary<(trial: Trial) => unknown> {
  return fc.oneof(
    { weight: 1, arbitrary: few.map((p) => (trial: Trial) => trial.publish('Patient-open', [patient(p)])) },
    {
      weight: 4,
      arbitrary: fc.tuple(ids, who).map(([s, p]) => (trial: Trial) => {
        return trial.publish('ImagingStudy-open', [study(s), patient(p)]);
      }),
    },
    {
      weight: 4,
      arbitrary: fc
        .tuple(ids, who, fc.array(few, { maxLength: 2 }), fc.array(few, { maxLength: 1 }))
        .map(([r, p, studies, encounters]) => (trial: Trial) => {
          const about = [...studies.map((s) => study(s)), ...encounters.map((e) => encounter(e))];
          return trial.publish('DiagnosticReport-open', [report(r), patient(p), ...about]);
        }),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(few, few).map(([e, p]) => (trial: Trial) => {
        return trial.publish('Encounter-open', [encounter(e), patient(p)]);
      }),
    },
    {
      weight: 2,
      arbitrary: ids.map((s) => (trial: Trial) => trial.publish('ImagingStudy-close', [study(s), patient('1')])),
    },
    {
      weight: 2,
      arbitrary: ids.map((r) => (trial: Trial) => trial.publish('DiagnosticReport-close', [report(r), patient('1')])),
    },
  );
}

const wantedOpens = fc.subarray(['Patient-open', 'ImagingStudy-open', 'Encounter-open', 'DiagnosticReport-open', '*']);

describe('ERR-8 the last context change that a subscriber is told of', () => {
  it('ERR-8 is the last that it is sent, however many contexts are open and whatever is derived from them', () => {
    fc.assert(
      fc.property(
        fc.array(opensOf(many), { minLength: 20, maxLength: 150, size: 'max' }),
        wantedOpens,
        (opens, wanted) => {
          const trial = new Trial();
          opens.forEach((one, index) => {
            one(trial);
            // Asked between changes too, so that a result that was kept for an earlier list would show.
            if (index % 2 !== 0 || trial.state.current === undefined) return;
            const last = sentLast(trial.state.topic, trial.state.anchors.values(), wanted);
            assert.equal(toldUpTo(trial.state, { events: wanted }, true), last);
            const found = lastOfAll(trial.state.topic, AnchorMap.of(trial.state.anchors), wanted, true);
            assert.equal(found?.opening.number ?? 0, last);
          });
          trial.accepted('Encounter-open', [encounter('last'), patient('1')]);
          const { topic, anchors } = trial.state;
          assert.equal(toldUpTo(trial.state, { events: wanted }, true), sentLast(topic, anchors.values(), wanted));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('ERR-8, DER-2 is the same among few open contexts and among many that nobody subscribed to', () => {
    fc.assert(
      fc.property(fc.array(opensOf(few), { minLength: 1, maxLength: 8 }), wantedOpens, (opens, wanted) => {
        const events = wanted.filter((one) => one !== '*');
        const told = [1, 30].map((others) => {
          const trial = new Trial();
          for (let index = 0; index < others; index += 1) trial.accepted('Location-open', [location(index)]);
          for (const one of opens) one(trial);
          const number = lastTold(trial.state, { events }, true);
          // Where nothing is current, the last event says so.
          return trial.state.current === undefined ? undefined : Math.max(0, number - others);
        });
        assert.equal(told[1], told[0]);
      }),
      { numRuns: 300 },
    );
  });

  it('SUB-8, DER-2 of what a newcomer is sent is the last that it is sent, one after the other', () => {
    fc.assert(
      fc.property(fc.array(opensOf(many), { minLength: 1, maxLength: 30 }), wantedOpens, (opens, events) => {
        const trial = new Trial();
        for (const one of opens) {
          one(trial);
          const { topic, current } = trial.state;
          if (current === undefined) continue;
          const standing = [...latestAnchors(trial.state)].sort((a, b) => a.opening.number - b.opening.number);
          const { number = 0 } = lastStandingOpen(trial.state, { events }, true) ?? {};
          assert.equal(number, sentLast(topic, standing, events));
        }
      }),
      { numRuns: 300 },
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
      assert.equal(before, sentLast(trial.state.topic, trial.state.anchors.values(), interested.events));
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
