import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FOLLOWING_EVENT, type SyncErrorCause, syncErrorOutcome } from '@lockstep/fhircast';
import fc from 'fast-check';
import {
  access,
  endedBy,
  eventOf,
  observation,
  operationOutcome,
  parameters,
  patient,
  put,
  reference,
  report,
  START,
  study,
  Trial,
  updates,
} from '../../test/events.ts';
import type { Decision, Publish } from './commands.ts';
import type { Awaited, Outcome } from './conversation.ts';
import { followingEvent, notFollowing } from './following.ts';
import { askedAgain, believedBy } from './gap.ts';
import { lastTold } from './told.ts';
import { CORE, IRA } from './versions.ts';

const MADE = { eventId: 's1', timestamp: '2026-01-08T00:00:00Z' };

const CAUSE: SyncErrorCause = {
  eventId: 'open-p1',
  eventName: 'Patient-open',
  subscriberName: 'App',
  diagnostics: 'The application did not follow',
  severity: 'warning',
};

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

  /** How a SyncError about the latest event is posted. */
  posted(more: Partial<Publish> = {}): Partial<Publish> {
    return { about: this.state.nextNumber - 1, ...more };
  }

  /** A subscriber posts a SyncError, about the latest event unless it says otherwise. */
  syncError(cause: Partial<SyncErrorCause>, more: Partial<Publish> = {}): Decision {
    const resource = syncErrorOutcome({ ...CAUSE, ...cause });
    return this.publish('SyncError', [{ key: 'operationoutcome', resource }], {}, this.posted(more));
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
    const marks = [...trial.state.following].map(([id, { why }]) => [id, why]);
    assert.deepEqual(
      marks,
      [
        ['c', 'silent'],
        ['d', 'waiting'],
      ],
      'of another client it is another application',
    );
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

  it('ERR-3, ERR-8 who leaves before it has answered is not waited for, and is asked when it comes back', () => {
    const late: Readonly<Record<string, (trial: Answers) => void>> = {
      'while it joins': () => undefined,
      'half a second after a change': (trial) => {
        trial.answer('a', 'followed');
        trial.open('p2');
        trial.decide({ kind: 'delayed', id: 'a', about: trial.about(), followed: 1 });
      },
      'after a logout': (trial) => {
        trial.accepted('UserLogout', [parameters]);
        trial.open('p2');
        trial.decide({ kind: 'delayed', id: 'a', about: trial.about(), followed: 0 });
      },
    };
    for (const [when, happens] of Object.entries(late)) {
      const trial = session();
      trial.join('a');
      happens(trial);
      assert.deepEqual(trial.behind, { 'App a': 'waiting' }, when);
      const followed = when === 'half a second after a change' ? 1 : 0;
      const closed = [{ id: 'a', code: 1001, followed }];
      trial.decide({ kind: 'disconnect', node: 'n', closed, ...MADE });
      assert.deepEqual(trial.behind, {}, when);
      assert.ok(believedBy(trial.state, trial.subscription('a').presence), `${when}: what it believes is known`);
      const left = trial.state;
      trial.elapse(120_000);
      assert.deepEqual(trial.behind, {}, `${when}: nor is it, once it has not come back`);
      trial.state = left;
      trial.decide({ kind: 'connect', id: 'a', node: 'n' });
      assert.deepEqual(trial.behind, { 'App a': 'waiting' }, when);
      trial.answer('a', 'followed');
      assert.deepEqual(trial.behind, {}, when);
    }
  });

  it('ERR-3, ERR-8 who leaves and had refused does not follow until it does, or is gone', () => {
    const trial = session('a');
    trial.answer('a', 'refused');
    trial.drop(1001, 'a');
    assert.deepEqual(trial.behind, { 'App a': 'refused' });
    trial.decide({ kind: 'connect', id: 'a', node: 'n' });
    assert.deepEqual(trial.behind, { 'App a': 'refused' });
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

  it('ERR-8 a SyncError of a subscriber about the current context marks it, until it follows a later one', () => {
    const trial = session('a', 'b');
    trial.answer('a', 'followed');
    const decision = trial.syncError({ subscriberName: 'App a', diagnostics: 'App a has no\nsuch patient' });
    assert.equal(syncErrors(decision), 1, 'it goes out like any event');
    assert.deepEqual(trial.behind, { 'App a': 'refused' });
    const mark = trial.state.following.get('a');
    assert.deepEqual(
      [mark?.eventId, mark?.eventName, mark?.reason, mark?.since],
      ['open-p1', 'Patient-open', 'App a has no such patient', trial.now],
    );
    trial.accepted('SyncError', [operationOutcome]);
    assert.deepEqual(trial.behind, { 'App a': 'refused' });
    trial.open('p2');
    assert.deepEqual(trial.behind, { 'App a': 'refused' });
    trial.answer('a', 'followed', trial.about('Patient-open', trial.state.changedBy));
    assert.deepEqual(trial.behind, {});
  });

  it('ERR-8 a SyncError marks only its sender’s own subscription, whatever name it gives', () => {
    const stranger = access({ clientId: 'stranger' });
    for (const [as, subscriberName, marks] of [
      [stranger, 'App a', []],
      [stranger, 'Other', ['Other']],
      [stranger, 'a name that nobody has', ['Other']],
      [access({ user: 'Practitioner/2' }), 'App a', []],
      [access(), 'App a', ['App a']],
      [access(), 'Other', []],
      [access(), 'a name that nobody has', []],
    ] as const) {
      const trial = session('a', 'b');
      trial.join('c', { 'subscriber.name': 'Other' }, stranger);
      for (const id of ['a', 'b', 'c']) trial.answer(id, 'followed');
      trial.syncError({ subscriberName }, { access: as });
      assert.deepEqual(Object.keys(trial.behind), marks, `${as.clientId} says ${subscriberName}`);
    }
  });

  it('ERR-8 a SyncError about a home screen, a close or a logout marks; about content, or what is over, it does not', () => {
    const marks = (happen: (trial: Answers) => void, cause: Partial<SyncErrorCause>, about?: number): boolean => {
      const trial = session('a');
      happen(trial);
      trial.syncError({ subscriberName: 'App a', ...cause }, { about: about ?? trial.state.nextNumber - 1 });
      return trial.behind['App a'] === 'refused';
    };
    const home = (trial: Answers): void => void trial.accepted('Home-open', []);
    const close = (trial: Answers): void => void trial.accepted('Patient-close', [patient('p1')]);
    const logout = (trial: Answers): void => void trial.accepted('UserLogout', [parameters]);
    const select = (trial: Answers): void =>
      void trial.accepted('Patient-select', [reference('patient', 'Patient/p1'), { key: 'select' }]);
    const study2 = (trial: Answers): void => void trial.accepted('ImagingStudy-open', [study(), patient('p1')]);
    assert.ok(marks(home, { eventName: 'home-open' }));
    assert.ok(marks(close, { eventName: 'Patient-close' }));
    assert.ok(marks(logout, { eventName: 'UserLogout' }));
    assert.ok(marks(study2, { eventName: 'Patient-open' }), 'an open derived from it');
    assert.ok(marks(select, {}, 1), 'the context is still current');
    assert.ok(!marks(select, { eventName: 'Patient-select' }));
    assert.ok(!marks(home, {}, 1));
    assert.ok(!marks(study2, {}, 1));
  });

  it('ERR-8 a SyncError about no event, or about one that is not held, marks no subscriber', () => {
    const trial = session('a');
    trial.accepted('SyncError', [operationOutcome]);
    const { about: _, ...how } = trial.posted();
    const outcome = syncErrorOutcome({ ...CAUSE, subscriberName: 'App a' });
    trial.publish('SyncError', [{ key: 'operationoutcome', resource: outcome }], {}, how);
    assert.deepEqual(trial.behind, {});
  });

  it('ERR-8 a callback that posts a SyncError while it is called does not follow, though it answers 2xx then', () => {
    const trial = session('a');
    const { subscriptions } = trial.state;
    const webhook = { ...trial.subscription('a'), channel: 'webhook' } as const;
    trial.state = { ...trial.state, subscriptions: new Map(subscriptions).set('a', webhook) };
    const about = { ...trial.about(), originalId: 'open-p1' };
    trial.syncError({ subscriberName: 'App a' });
    trial.answer('a', 'followed', about);
    assert.deepEqual(trial.behind, { 'App a': 'refused' });
    trial.open('p2');
    trial.answer('a', 'followed');
    assert.deepEqual(trial.behind, {});
  });

  const WAYS: Readonly<Record<string, (trial: Answers) => void>> = {
    refused: (trial) => void trial.answer('a', 'refused'),
    failed: (trial) => void trial.answer('a', 'failed'),
    silent: (trial) => void trial.silence('a'),
    'refused by SyncError': (trial) => void trial.syncError({ subscriberName: 'App a' }),
  };
  for (const [way, happen] of Object.entries(WAYS)) {
    it(`ERR-8 who was ${way} and loses its connection does not follow by coming back, and why stays known`, () => {
      const trial = session('a');
      happen(trial);
      const why = trial.behind;
      trial.decide({ kind: 'disconnect', node: 'n', closed: [{ id: 'a', code: 1006, followed: 1 }], ...MADE });
      assert.deepEqual(trial.behind, why);
      trial.decide({ kind: 'connect', id: 'a', node: 'n' });
      assert.deepEqual(trial.behind, why);
      assert.notDeepEqual(why, {});
      trial.answer('a', 'followed');
      assert.deepEqual(trial.behind, {});
    });
  }

  it('ERR-8 who answers an older change is named until it has answered the current one, if both answers are late', () => {
    for (const first of ['Patient-open', 'UserLogout']) {
      const trial = new Answers();
      trial.join('a');
      const told = first === 'UserLogout' ? parameters : patient('p1');
      trial.accepted(first, [told]);
      const older = trial.about(first);
      trial.decide({ kind: 'delayed', id: 'a', about: older, followed: 0 });
      trial.accepted('Patient-open', [patient('p2')]);
      const current = trial.about();
      trial.decide({ kind: 'delayed', id: 'a', about: current, followed: 0 });
      trial.answer('a', 'followed', older);
      assert.deepEqual(trial.behind, { 'App a': 'waiting' }, first);
      // That an older answer is late says less than that the current one is.
      trial.decide({ kind: 'delayed', id: 'a', about: older, followed: 0 });
      trial.answer('a', 'followed', older);
      assert.deepEqual(trial.behind, { 'App a': 'waiting' }, first);
      trial.answer('a', 'followed', current);
      assert.deepEqual(trial.behind, {}, first);
    }
  });

  it('ERR-8 waiting: from when the answer is not there yet until it is, then silent, or gone', () => {
    const trial = session('a');
    const delay = (about = trial.about()) => trial.decide({ kind: 'delayed', id: 'a', about, followed: 0 });
    delay();
    assert.deepEqual(trial.behind, { 'App a': 'waiting' });
    trial.answer('a', 'followed');
    assert.deepEqual(trial.behind, {}, 'it follows');
    const patientOpen = trial.about();
    delay(patientOpen);
    trial.accepted('ImagingStudy-open', [study(), patient('p1')]);
    trial.answer('a', 'followed', patientOpen);
    assert.deepEqual(trial.behind, {}, 'it follows all that it was sent');
    for (const [why, happen] of [
      ['silent', () => trial.silence('a')],
      ['refused', () => trial.answer('a', 'refused')],
      ['lost', () => trial.drop(1006, 'a')],
    ] as const) {
      trial.open('p2');
      trial.answer('a', 'followed');
      delay();
      happen();
      assert.deepEqual(trial.behind, { 'App a': why });
      delay();
      assert.deepEqual(trial.behind, { 'App a': why }, 'says more than that it waits');
    }
    const gone = session('a');
    gone.decide({ kind: 'delayed', id: 'a', about: gone.about(), followed: 0 });
    gone.decide({ kind: 'deny', ids: ['a'], reason: 'it is over' });
    assert.deepEqual(gone.behind, { 'App a': 'silent' }, 'no answer will come');
  });

  it('ERR-8 a newcomer is waited for as soon as it is sent a context, until it has answered the last one', () => {
    const study1 = (trial: Answers): void => void trial.accepted('ImagingStudy-open', [study(), patient('p1')]);
    const home = (trial: Answers): void => void trial.accepted('Home-open', []);
    const close = (trial: Answers): void => void trial.accepted('Patient-close', [patient('p1')]);
    const open2 = (trial: Answers): void => void trial.accepted('ImagingStudy-open', [study()]);
    const closeStudy2 = (trial: Answers): void => void trial.accepted('ImagingStudy-close', [study()]);
    /** What is open, what is subscribed to, the number of the event that is waited for, and whether it is told no end of that. */
    for (const [happen, events, number, isUntold = false] of [
      [[], '*', 1],
      [[], 'Patient-open', 1],
      [[], 'Patient-close', undefined],
      [[], 'ImagingStudy-open,Encounter-open', undefined],
      [[study1], '*', 2],
      [[study1], 'Patient-open', 1],
      [[study1], 'ImagingStudy-open', 2],
      [[home], '*', 2],
      [[home], 'Patient-open', 1, true],
      [[home], 'Home-open', 2],
      [[close], '*', undefined],
      [[study1, close], 'Patient-open', 2],
      [[open2, closeStudy2], '*', 3],
      [[open2, closeStudy2], 'Patient-open,Home-open', 3],
      [[open2, closeStudy2], 'Patient-open', 1, true],
      [[study1, close], 'Patient-open,ImagingStudy-open', 2],
    ] as const) {
      const trial = session();
      for (const one of happen) one(trial);
      trial.join('n', { 'hub.events': events });
      const label = `${happen.map(({ name }) => name)} ${events}`;
      assert.deepEqual(trial.behind, number === undefined ? {} : { 'App n': 'waiting' }, label);
      if (number === undefined) continue;
      const about = trial.about('Patient-open', number);
      trial.answer('n', 'followed', { ...about, originalId: 'asked once more' });
      assert.deepEqual(
        trial.behind,
        isUntold ? { 'App n': 'untold' } : {},
        `${label}: it has answered all that it is told`,
      );
    }
  });

  it('ERR-8 a newcomer that has answered what was open before does not follow what is current', () => {
    const trial = session();
    trial.accepted('ImagingStudy-open', [study(), patient('p1')]);
    trial.join('n');
    trial.answer('n', 'followed', trial.about('Patient-open', 1));
    assert.deepEqual(trial.behind, { 'App n': 'waiting' });
    trial.answer('n', 'followed', trial.about('ImagingStudy-open', 2));
    assert.deepEqual(trial.behind, {});
  });

  it('ERR-8 who is known not to follow is not waited for on joining again: that says more', () => {
    const trial = session('a');
    trial.silence('a', true, 3);
    trial.join('c', { 'subscriber.name': 'App a' });
    assert.deepEqual(trial.behind, { 'App a': 'silent' });
  });

  it('ERR-8, SUB-11 who comes back to a context that it was not sent is waited for at once', () => {
    const trial = session('a');
    trial.answer('a', 'followed');
    trial.drop(1001, 'a');
    trial.decide({ kind: 'connect', id: 'a', node: 'n' });
    assert.deepEqual(trial.behind, {}, 'nothing is new');
    trial.drop(1001, 'a');
    trial.open('p2');
    trial.decide({ kind: 'connect', id: 'a', node: 'n' });
    assert.deepEqual(trial.behind, { 'App a': 'waiting' });
    trial.answer('a', 'followed');
    assert.deepEqual(trial.behind, {});
  });

  it('ERR-8, SUB-6 a renewal that adds the current context is waited for at once', () => {
    const renewed = (before: string, after: string): Record<string, string> => {
      const trial = new Answers();
      trial.join('a', { 'hub.events': before });
      trial.open('p1');
      trial.accepted('ImagingStudy-open', [study(), patient('p1')]);
      trial.subscribe('a', { 'hub.events': after, 'hub.channel.endpoint': 'wss://hub.example/a' });
      return trial.behind;
    };
    assert.deepEqual(renewed('Patient-open', 'Patient-open,ImagingStudy-open'), { 'App a': 'waiting' });
    assert.deepEqual(renewed('Patient-open,ImagingStudy-open', 'ImagingStudy-open'), {});
    assert.deepEqual(renewed('*', 'Patient-open,ImagingStudy-open'), {});
    assert.deepEqual(renewed('Patient-open', 'Patient-open,Encounter-open'), {}, 'nothing is sent');
  });

  it('ERR-8, WEB-1 a callback that joins is waited for at once', () => {
    const trial = session();
    const asked = trial.subscribe('w', {
      'hub.channel.type': 'webhook',
      'hub.callback': 'https://app.example/cb',
      'hub.channel.endpoint': '',
    });
    const [verify] = asked.ok ? asked.effects : [];
    assert.ok(verify?.kind === 'verify', asked.ok ? '' : asked.reason);
    assert.deepEqual(trial.behind, {});
    trial.decide({ kind: 'confirm', subscription: verify.subscription });
    assert.deepEqual(trial.behind, { 'App w': 'waiting' });
    trial.answer('w', 'followed');
    assert.deepEqual(trial.behind, {});
  });

  it('ERR-8 who is not told that its context has ended shows it, unless another of the same patient is current', () => {
    const close = ['Patient-close', [patient('p1')]] as const;
    for (const [events, change, told] of [
      ['Patient-open', close, 'untold'],
      ['Patient-open,Home-open', close, 'untold'],
      [`Patient-open,Home-open,${FOLLOWING_EVENT}`, close, true],
      ['Patient-open,Patient-close', close, true],
      ['Patient-open,Patient-close', ['Home-open', []], 'untold'],
      ['Patient-open,Patient-close', ['UserLogout', [parameters]], 'untold'],
      ['Patient-open', ['ImagingStudy-open', [study(), patient('p1')]], false],
      ['Patient-open', ['ImagingStudy-open', [study(), patient('p2')]], true],
      ['Patient-open,ImagingStudy-open', ['ImagingStudy-open', [study(), patient('p1')]], true],
      ['*', ['Home-open', []], true],
    ] as const) {
      const trial = new Answers();
      trial.join('a', { 'hub.events': events });
      trial.open('p1');
      trial.decide({ kind: 'disconnect', node: 'n', closed: [{ id: 'a', code: 1006, followed: 1 }], ...MADE });
      trial.accepted(change[0], change[1]);
      trial.decide({ kind: 'connect', id: 'a', node: 'n' });
      const behind = (why: string) => (told ? { 'App a': told === true ? why : told } : {});
      assert.deepEqual(trial.behind, behind('lost'), `${events} ${change[0]}`);
      if (told === true) trial.answer('a', 'followed');
      trial.accepted('Patient-open', [patient('p1')]);
      trial.answer('a', 'followed');
      assert.deepEqual(trial.behind, {});
      trial.open('p1');
      trial.silence('a');
      const opened = trial.about();
      trial.accepted(change[0], change[1]);
      trial.answer('a', 'followed', opened);
      assert.deepEqual(trial.behind, behind('silent'), `a late answer, ${events} ${change[0]}`);
    }
  });

  it('ERR-8 who is not told of the current context follows the close of what was current for it', () => {
    const trial = new Answers({ ...CORE, derivesOpens: false });
    trial.join('a', { 'hub.events': 'Patient-open,Patient-close' });
    trial.open('p1');
    trial.accepted('ImagingStudy-open', [study(), patient('p2')]);
    assert.deepEqual(trial.behind, { 'App a': 'untold' });
    trial.accepted('Patient-close', [patient('p1')]);
    const close = { ...trial.about('Patient-close'), keepsCurrent: true as const };
    trial.answer('a', 'followed', close);
    assert.deepEqual(trial.behind, {}, 'it shows nobody any more');
    trial.silence('a', true, 1, close);
    assert.deepEqual(trial.behind, { 'App a': 'silent' });
    trial.answer('a', 'followed', close);
    assert.deepEqual(trial.behind, {});
    trial.decide({ kind: 'disconnect', node: 'n', closed: [{ id: 'a', code: 1006, followed: 1 }], ...MADE });
    trial.decide({ kind: 'connect', id: 'a', node: 'n' });
    assert.deepEqual(trial.behind, { 'App a': 'lost' });
    const [asked] = askedAgain(trial.state, lastTold(trial.state, trial.subscription('a'), false), MADE).filter(
      ({ name }) => name.startsWith('Patient-'),
    );
    assert.equal(asked?.name, 'Patient-close');
    trial.answer('a', 'followed', trial.about(asked.name, asked.number));
    assert.deepEqual(trial.behind, {});
  });

  it('ERR-8 a context about no patient is not one of another patient; one that does not name its patient may be', () => {
    const location = { key: 'location', resource: { resourceType: 'Location', id: 'l1' } };
    const place = ['Location-open', [location]] as const;
    const placeOfPatient = ['Location-open', [location, patient('p2')]] as const;
    const chart = ['Patient-open', [patient('p1')]] as const;
    const images = ['ImagingStudy-open', [study()]] as const;
    for (const [told, untold, isMarked] of [
      [place, chart, false],
      [chart, place, false],
      [place, images, false],
      [placeOfPatient, chart, true],
      [chart, placeOfPatient, true],
      [images, chart, true],
      [chart, images, true],
    ] as const) {
      const trial = new Answers({ ...CORE, derivesOpens: false });
      trial.join('a', { 'hub.events': told[0] });
      for (const [event, context] of [told, untold]) trial.accepted(event, context);
      assert.deepEqual(trial.behind, isMarked ? { 'App a': 'untold' } : {}, `${told[0]}, then ${untold[0]}`);
    }
    const trial = new Answers({ ...CORE, derivesOpens: false });
    trial.join('a', { 'hub.events': 'Patient-open' });
    for (const [event, context] of [chart, place, ['ImagingStudy-open', [study(), patient('p2')]] as const]) {
      trial.accepted(event, context);
    }
    assert.deepEqual(trial.behind, { 'App a': 'untold' }, 'the place in between changes nothing');
  });

  it('ERR-8 the close of what a subscriber was told of before says nothing of what it is told of last', () => {
    const trial = new Answers();
    trial.join('a', { 'hub.events': 'Patient-open,Patient-close' });
    trial.open('p1');
    trial.open('p2');
    const opened = trial.about();
    trial.silence('a');
    trial.accepted('Patient-close', [patient('p1')]);
    trial.answer('a', 'followed', { ...trial.about('Patient-close'), keepsCurrent: true });
    trial.accepted('ImagingStudy-open', [study(), patient('p2')]);
    assert.deepEqual(trial.behind, { 'App a': 'silent' }, 'it may show the first one still');
    trial.answer('a', 'followed', opened);
    assert.deepEqual(trial.behind, {}, 'a late answer to what it is told of last');
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
    const { event } = followingEvent(trial.state, 'written', () => true, START);
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

  it('ERR-8 what an application still shows is told to those who may read it', () => {
    const trial = session('a');
    trial.open('p2');
    trial.answer('a', 'refused', trial.about(), 1);
    const shows = (mayRead: (event: string) => boolean) => notFollowing(trial.state, mayRead)[0]?.shows;
    assert.equal(
      shows((event) => event === 'Patient-open'),
      'Patient/p1',
    );
    assert.equal(
      shows((event) => event !== 'Patient-open'),
      undefined,
    );
  });

  it('ERR-8 whatever happens, only who follows the current context is not marked, and a logout forgets all but those who are away', () => {
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
        const { following, subscriptions } = trial.state;
        const isAway = (name: string) => subscriptions.get(name)?.presence?.is === 'away';
        trial.accepted('UserLogout', [{ key: 'parameters', resource: { resourceType: 'Parameters' } }]);
        assert.deepEqual([...trial.state.following.keys()], [...following.keys()].filter(isAway));
      }),
    );
  });
});
