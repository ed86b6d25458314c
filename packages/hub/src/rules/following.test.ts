import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  access,
  endedBy,
  eventOf,
  observation,
  operationOutcome,
  patient,
  put,
  reference,
  report,
  START,
  study,
  Trial,
  updates,
} from '../../test/events.ts';
import type { Decision } from './commands.ts';
import type { Awaited, Outcome } from './conversation.ts';
import { followingEvent } from './following.ts';
import { IRA } from './versions.ts';

const MADE = { eventId: 's1', timestamp: '2026-01-08T00:00:00Z' };

/** A session in which subscribers answer. */
class Answers extends Trial {
  about(originalName = 'Patient-open', number = this.state.nextNumber - 1): Awaited {
    return { id: `e${number}`, number, originalId: `e${number}`, originalName, sentAt: this.now };
  }

  answer(id: string, outcome: Outcome, about = this.about(), followed = 0): Decision {
    return this.decide({ kind: 'answer', id, about, outcome, how: outcome, followed, ...MADE });
  }

  silence(id: string, due = false, misses = 1, about = this.about()): Decision {
    return this.decide({ kind: 'no-answer', id, about, misses, due, ...MADE });
  }

  drop(code: number, ...ids: string[]): Decision {
    return this.decide({ kind: 'disconnect', node: 'n', closed: ids.map((id) => ({ id, code })), ...MADE });
  }

  elapse(ms: number): Decision {
    this.now += ms;
    return this.decide({ kind: 'elapse', node: 'n', ...MADE });
  }

  get behind(): Record<string, string> {
    return Object.fromEntries(
      [...this.state.following.values()].map(({ subscriberName, why }) => [subscriberName, why]),
    );
  }

  open(id: string): void {
    this.accepted('Patient-open', [patient(id)], { id: `open-${id}` });
  }
}

function session(...ids: string[]): Answers {
  const trial = new Answers();
  for (const id of ids) trial.join(id);
  trial.open('p1');
  return trial;
}

const syncErrors = (decision: Decision): number =>
  decision.ok
    ? decision.effects.filter((one) => one.kind === 'event' && one.event.message.event['hub.event'] === 'SyncError')
        .length
    : 0;

describe('ERR-8 who does not follow', () => {
  it('ERR-8, ERR-2 refused: stays so until it follows the current context or a later one', () => {
    const trial = session('a', 'b');
    const refused = trial.answer('a', 'refused');
    assert.equal(eventOf(refused)?.except, 'a');
    assert.deepEqual(trial.behind, { 'App a': 'refused' });
    trial.accepted('ImagingStudy-open', [study(), patient('p1')]);
    assert.deepEqual(trial.behind, { 'App a': 'refused' }, 'another open does not mend it');
    trial.answer('a', 'followed', trial.about('Patient-open', 1));
    assert.deepEqual(trial.behind, { 'App a': 'refused' }, 'nor does an answer to what is over');
    trial.answer('a', 'followed');
    assert.deepEqual(trial.behind, {});
  });

  it('ERR-8 is not somebody who refused what is over, after it has followed what came later', () => {
    const trial = session('a');
    const old = trial.about();
    trial.open('p2');
    const refused = trial.answer('a', 'refused', old, trial.state.nextNumber - 1);
    assert.equal(syncErrors(refused), 1);
    assert.deepEqual(trial.behind, {});
  });

  it('ERR-8, ERR-4 silent: also where no answer is due, and then without a SyncError', () => {
    const trial = session('a', 'b');
    assert.equal(syncErrors(trial.silence('a')), 0);
    assert.equal(syncErrors(trial.silence('b', true)), 1);
    assert.deepEqual(trial.behind, { 'App a': 'silent', 'App b': 'silent' });
    const since = trial.state.following.get('a')?.since;
    trial.now += 5000;
    trial.open('p2');
    trial.silence('a');
    assert.equal(trial.state.following.get('a')?.since, since, 'since then it has not followed');
  });

  it('ERR-4 unsubscribed after several events in a row without an answer: it is gone, and does not follow', () => {
    const trial = session('a', 'b');
    trial.silence('a', true, 2);
    assert.equal(trial.state.subscriptions.size, 2);
    const decision = trial.silence('a', true, 3);
    assert.deepEqual(endedBy(decision), { ids: ['a'], reason: '3 events in a row were not answered' });
    assert.equal(syncErrors(decision), 1);
    trial.open('p2');
    const [mark] = trial.state.following.values();
    assert.deepEqual([mark?.why, mark?.ended], ['silent', true]);
  });

  it('ERR-8 a subscriber that is gone and subscribes again is the same, and follows once it says so', () => {
    const trial = session('a');
    trial.silence('a', true, 3);
    trial.join('c', { 'subscriber.name': 'App a' });
    assert.deepEqual([...trial.state.following.keys()], ['c']);
    assert.equal(trial.state.following.get('c')?.ended, undefined);
    trial.answer('c', 'followed');
    assert.deepEqual(trial.behind, {});
    trial.silence('c', true, 3);
    trial.join('d', { 'subscriber.name': 'App a' }, access({ clientId: 'other' }));
    assert.deepEqual([...trial.state.following.keys()], ['c'], 'of another client it is another application');
  });

  it('ERR-3, ERR-8 lost: at once in the following state, as a SyncError once it is not back in time', () => {
    const trial = session('a', 'b');
    assert.equal(syncErrors(trial.drop(1006, 'a')), 0);
    assert.deepEqual(trial.behind, { 'App a': 'lost' });
    assert.equal(trial.elapse(1999).ok, false);
    assert.equal(syncErrors(trial.elapse(1)), 1);
    assert.equal(trial.elapse(1000).ok, false, 'once');
    const gone = trial.elapse(120_000);
    assert.deepEqual(endedBy(gone)?.reason, 'The subscriber did not come back');
    assert.deepEqual(trial.behind, { 'App a': 'lost' });
  });

  it('ERR-3 many that drop and are back within the hold-off are no SyncError at all', () => {
    const ids = Array.from({ length: 8 }, (_, n) => `s${n}`);
    const trial = session(...ids);
    assert.equal(syncErrors(trial.drop(1006, ...ids)), 0);
    trial.now += 1500;
    for (const id of ids) trial.decide({ kind: 'connect', id, node: 'n' });
    assert.equal(trial.elapse(3000).ok, false);
  });

  it('ERR-3 a close with 1000 ends the subscription in good order; 1001 waits and says nothing', () => {
    const trial = session('a', 'b');
    trial.answer('a', 'refused');
    assert.deepEqual(endedBy(trial.drop(1000, 'a'))?.ids, ['a']);
    assert.deepEqual(trial.behind, {}, 'who leaves in good order is forgotten');
    assert.equal(syncErrors(trial.drop(1001, 'b')), 0);
    assert.deepEqual(trial.behind, {});
    assert.equal(trial.state.subscriptions.size, 1);
  });

  it('ERR-8 who had followed what is still current follows again as soon as it is back', () => {
    const trial = session('a');
    const closed = [{ id: 'a', code: 1006, followed: 1 }];
    trial.decide({ kind: 'disconnect', node: 'n', closed, ...MADE });
    trial.decide({ kind: 'connect', id: 'a', node: 'n' });
    assert.deepEqual(trial.behind, {});
    trial.decide({ kind: 'disconnect', node: 'n', closed, ...MADE });
    trial.open('p2');
    trial.decide({ kind: 'connect', id: 'a', node: 'n' });
    assert.deepEqual(trial.behind, { 'App a': 'lost' }, 'what came meanwhile is to be followed first');
  });

  it('ERR-3 a restart takes sockets away; who does not return is reported and forgotten at the end of its grace', () => {
    const trial = session('a', 'b');
    trial.decide({ kind: 'take-over', from: 'n', to: 'n', here: new Set(['b']) });
    assert.deepEqual(trial.behind, { 'App a': 'lost' });
    assert.equal(trial.elapse(119_999).ok, false);
    const gone = trial.elapse(1);
    assert.equal(syncErrors(gone), 1);
    assert.deepEqual(endedBy(gone)?.ids, ['a']);
  });

  it('ERR-3 ira: a lost connection ends the subscription at once', () => {
    const trial = new Answers(IRA);
    for (const id of ['a', 'b']) trial.join(id);
    const decision = trial.drop(1006, 'a');
    assert.equal(syncErrors(decision), 1);
    assert.deepEqual(endedBy(decision), { ids: ['a'], reason: 'The connection was lost' });
  });

  it('ERR-5 a refused update is neither a SyncError nor a context that is not followed; ira reports it', () => {
    for (const [trial, errors] of [[new Answers(), 0] as const, [new Answers(IRA), 1] as const]) {
      trial.join('a');
      trial.accepted('DiagnosticReport-open', [report(), patient(), study()]);
      const anchor = reference('report', 'DiagnosticReport/r1');
      trial.accepted('DiagnosticReport-update', [anchor, updates(put(observation('o')))], {
        'context.versionId': 'v1',
      });
      assert.equal(syncErrors(trial.answer('a', 'refused', trial.about('DiagnosticReport-update'))), errors);
      assert.deepEqual(trial.behind, {});
    }
  });

  it('ERR-2 a refused SyncError is never a SyncError', () => {
    const trial = session('a');
    trial.accepted('SyncError', [operationOutcome]);
    assert.equal(trial.answer('a', 'refused', trial.about('SyncError')).ok, false);
  });

  it('WEB-3 a callback that fails does not follow until a later attempt gets through', () => {
    const trial = session('a');
    assert.equal(syncErrors(trial.answer('a', 'failed')), 1);
    assert.deepEqual(trial.behind, { 'App a': 'failed' });
    trial.answer('a', 'followed');
    assert.deepEqual(trial.behind, {});
  });

  it('ERR-8 is told as one event, with the words of who refused and no secret', () => {
    const trial = session('a');
    const { about } = { about: trial.about() };
    trial.decide({ kind: 'answer', id: 'a', about, outcome: 'refused', how: 'refused', reason: 'unsigned', ...MADE });
    const { event } = followingEvent(trial.state, 'written', START);
    assert.equal(event['hub.topic'], 'written');
    assert.deepEqual(event.context, [
      {
        key: 'not-following',
        subscriber: 'App a',
        why: 'refused',
        since: new Date(START).toISOString(),
        'event.id': 'e1',
        'hub.event': 'Patient-open',
        reason: 'unsigned',
      },
    ]);
  });

  it('ERR-8 whatever happens, only who follows the current context is not marked, and a logout forgets all', () => {
    const id = fc.constantFrom('a', 'b', 'c');
    const step = fc.oneof(
      fc.constantFrom('p1', 'p2').map((p) => (trial: Answers) => void trial.open(p)),
      id.map((one) => (trial: Answers) => void trial.answer(one, 'refused')),
      id.map((one) => (trial: Answers) => void trial.silence(one)),
      id.map((one) => (trial: Answers) => void trial.drop(1006, one)),
      id.map((one) => (trial: Answers) => void trial.answer(one, 'followed')),
      id.map((one) => (trial: Answers) => void trial.decide({ kind: 'connect', id: one, node: 'n' })),
      fc.nat(130_000).map((ms) => (trial: Answers) => void trial.elapse(ms)),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const trial = session('a', 'b', 'c');
        /** Who said last that it follows, and number of what it was. */
        const said = new Map<string, number>();
        for (const one of steps) {
          const before = trial.state;
          one(trial);
          for (const [name, mark] of before.following) {
            if (trial.state.following.has(name)) continue;
            said.set(name, trial.state.changedBy);
            assert.ok(mark.followed === undefined || mark.followed <= trial.state.changedBy);
          }
          for (const mark of trial.state.following.values()) assert.ok(mark.since <= trial.now);
        }
        for (const [name, number] of said) assert.ok(number > 0, name);
        trial.accepted('UserLogout', [{ key: 'parameters', resource: { resourceType: 'Parameters' } }]);
        assert.equal(trial.state.following.size, 0);
      }),
    );
  });
});
