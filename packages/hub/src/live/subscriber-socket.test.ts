import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ManualClock } from '../../test/clock.ts';
import { parameters, patient, reference, report, request, START, subscription } from '../../test/events.ts';
import type { Subscription } from '../rules/session-state.ts';
import { Delivery } from './delivery.ts';
import { SubscriberSocket } from './subscriber-socket.ts';

let number = 0;
function event(name: string, context: readonly unknown[], id: string, except?: string): Delivery {
  const { message } = request(name, context, { id });
  number += 1;
  const text = JSON.stringify(message);
  return new Delivery({ number, id, name: message.event['hub.event'], text, ...(except && { except }) });
}
const open = (id: string): Delivery => event('Patient-open', [patient()], id);

class Trial {
  readonly clock = new ManualClock(START);
  readonly sent: { id?: string; [key: string]: unknown }[] = [];
  readonly log: string[] = [];
  /** Ids of events whose answer was told not to be there yet. */
  readonly delays: string[] = [];
  buffered = 0;
  /** What is to happen once all was read. */
  readonly drained: (() => void)[] = [];
  readonly socket: SubscriberSocket;

  constructor(more: Partial<Subscription> = {}) {
    const channel = {
      send: (text: string | Uint8Array) => void this.sent.push(JSON.parse(text.toString())),
      close: () => undefined,
      get buffered() {
        return trial.buffered;
      },
      onDrain: (run: () => void) => void trial.drained.push(run),
    };
    const trial = this;
    this.socket = new SubscriberSocket(
      subscription('a', more),
      channel,
      this.clock,
      {
        delivered: (_, id) => void this.log.push(`delivered ${id}`),
        answered: (_, { eventId, status, about }) =>
          void this.log.push(`answered ${eventId} ${status}${about ? '' : ' nothing'}`),
        unanswered: (_, { id }, { due, misses }) =>
          void this.log.push(due ? `unanswered ${id}, ${misses} in a row` : `silent ${id}`),
        delayed: (_, { id }) => void this.delays.push(id),
        ended: () => void this.log.push('ended'),
        overflowed: () => void this.log.push('overflowed'),
      },
      { answerMs: 10_000, maxBufferedBytes: 1000, derivesOpens: true },
    );
  }

  /** What was reported beside deliveries. */
  get news(): readonly string[] {
    return this.log.filter((line) => !line.startsWith('delivered'));
  }

  say(message: unknown): void {
    this.socket.received(JSON.stringify(message));
  }
}

describe('ERR-8 an answer that is not there yet', () => {
  it('is told after half a second, once, about the latest context change alone', () => {
    const trial = new Trial();
    trial.socket.deliver(open('e1'));
    trial.clock.advance(499);
    assert.deepEqual(trial.delays, []);
    trial.clock.advance(5000);
    assert.deepEqual(trial.delays, ['e1']);
    trial.socket.deliver(open('e2'));
    trial.socket.deliver(open('e3'));
    trial.clock.advance(500);
    assert.deepEqual(trial.delays, ['e1', 'e3']);
  });

  it('is not told of who answered, of content, or of who is known never to answer', () => {
    const trial = new Trial({ events: ['Patient-open', 'Patient-select'] });
    trial.socket.deliver(open('e1'));
    trial.say({ id: 'e1', status: 409 });
    trial.clock.advance(60_000);
    trial.socket.deliver(open('e2'));
    trial.clock.advance(100);
    trial.say({ id: 'e2', status: 200 });
    trial.socket.deliver(event('Patient-select', [reference('patient', 'Patient/p1'), { key: 'select' }], 'e3'));
    trial.clock.advance(60_000);
    assert.deepEqual(trial.delays, []);
    const viewer = new Trial();
    viewer.socket.deliver(open('e1'));
    viewer.clock.advance(60_000);
    viewer.socket.deliver(open('e2'));
    viewer.clock.advance(60_000);
    assert.deepEqual(viewer.delays, ['e1']);
  });
});

it('ERR-8 who reads slowly is asked for a sign of life once it has read, and is not taken for one that was started again before', () => {
  const trial = new Trial();
  trial.buffered = 500;
  trial.socket.begun('b');
  trial.clock.advance(30_000);
  assert.deepEqual(trial.socket.begunSince(), []);
  assert.deepEqual(trial.socket.begunSince(true), ['b']);
  trial.buffered = 0;
  for (const run of trial.drained.splice(0)) run();
  trial.clock.advance(999);
  assert.deepEqual(trial.socket.begunSince(), []);
  trial.clock.advance(1);
  assert.deepEqual(trial.socket.begunSince(), ['b']);
  trial.socket.heard();
  assert.deepEqual(trial.socket.begunSince(true), []);
});

describe('ERR-8 a context change that is not answered is told of', () => {
  const select = (id: string): Delivery =>
    event('Patient-select', [reference('patient', 'Patient/p1'), { key: 'select' }], id);
  const late = (trial: Trial): readonly string[] => {
    trial.clock.advance(20_000);
    return [...trial.delays, ...trial.news.filter((line) => !line.startsWith('answered'))];
  };

  it('also by who answers the one before it, and nothing before that', () => {
    const trial = new Trial();
    trial.socket.deliver(open('e1'));
    trial.socket.deliver(open('e2'));
    trial.say({ id: 'e1', status: 200 });
    assert.deepEqual(late(trial), ['e2', 'unanswered e2, 1 in a row']);
  });

  it('also by who answers something that it was never sent', () => {
    const trial = new Trial();
    trial.socket.deliver(open('e1'));
    trial.say({ id: 'another', status: 200 });
    assert.deepEqual(late(trial), ['e1', 'unanswered e1, 1 in a row']);
  });

  it('however much content follows it', () => {
    for (const answers of [true, false]) {
      const trial = new Trial({ events: ['Patient-open', 'Patient-select'], acknowledgements: 'strict' });
      trial.socket.deliver(open('e1'));
      for (let n = 0; n < 200; n++) {
        trial.socket.deliver(select(`s${n}`));
        trial.say({ id: n < 100 ? `s${n}` : 'none', status: 200 });
      }
      if (answers) trial.say({ id: 'e1', status: 200 });
      trial.clock.advance(500);
      assert.deepEqual(trial.delays, answers ? [] : ['e1']);
      assert.equal(trial.news.includes('answered e1 200'), answers, 'its answer counts');
    }
  });

  it('after a logout also by who never answers: the Hub has forgotten that it does not', () => {
    const viewer = new Trial({ events: ['*'] });
    viewer.socket.deliver(open('e1'));
    assert.deepEqual(late(viewer), ['e1', 'silent e1']);
    viewer.socket.deliver(event('UserLogout', [parameters], 'out'));
    assert.deepEqual(late(viewer), ['e1', 'out', 'silent e1', 'silent out']);
    viewer.socket.deliver(open('e2'));
    assert.deepEqual(late(viewer).length, 4, 'and not again');
  });

  it('not where a later one was followed: what was before it is over', () => {
    const trial = new Trial({ acknowledgements: 'strict' });
    const first = open('e1');
    trial.socket.deliver(first);
    trial.clock.advance(100);
    trial.socket.deliver(open('e2'));
    trial.say({ id: 'e2', status: 200 });
    trial.clock.advance(9_800);
    trial.socket.redeliver(first);
    trial.clock.advance(5_000);
    assert.deepEqual(trial.delays, []);
  });

  it('the latest one, though an earlier one was sent again after it', () => {
    const trial = new Trial({ acknowledgements: 'strict' });
    const first = open('e1');
    trial.socket.deliver(first);
    trial.socket.deliver(open('e2'));
    trial.socket.redeliver(first);
    trial.clock.advance(5_000);
    assert.deepEqual(trial.delays, ['e2']);
  });

  it('also by who followed later ones that the log has lost since (SUB-11)', () => {
    const trial = new Trial({ acknowledgements: 'strict' });
    const kept = open('e1');
    trial.socket.deliver(kept);
    trial.say({ id: 'e1', status: 200 });
    const after = kept.number;
    for (const id of ['e2', 'e3', 'e4']) trial.socket.deliver(open(id));
    for (const id of ['e2', 'e3']) trial.say({ id, status: 200 });
    trial.socket.goBack(after);
    assert.equal(trial.socket.followed, 0, 'what it followed before that is not known any more');
    number = after;
    trial.socket.deliver(open('instead'));
    trial.say({ id: 'e4', status: 200 });
    trial.clock.advance(10_000);
    assert.deepEqual(trial.delays, ['instead']);
    assert.equal(trial.news.at(-1), 'unanswered instead, 1 in a row');
  });

  it('also by who answers again after a silence in which nothing was waited for', () => {
    const trial = new Trial();
    trial.socket.deliver(open('e1'));
    assert.deepEqual(late(trial), ['e1', 'silent e1']);
    trial.socket.deliver(open('e2'));
    trial.socket.deliver(open('e3'));
    trial.say({ id: 'e2', status: 200 });
    assert.deepEqual(late(trial), ['e1', 'e3', 'silent e1', 'unanswered e3, 1 in a row']);
  });

  it('once by who must not answer, and answers something later', () => {
    for (const acknowledgements of ['answers', 'off'] as const) {
      const trial = new Trial({ acknowledgements });
      trial.socket.deliver(open('e1'));
      assert.deepEqual(late(trial), ['e1', 'silent e1']);
      trial.say({ id: 'another', status: 200 });
      assert.deepEqual(late(trial), ['e1', 'silent e1']);
    }
  });

  it('by who has not come as far yet, from when it happens', () => {
    const trial = new Trial();
    trial.buffered = 1_000_000;
    const session = {
      deliveredUpTo: 0,
      page: async () => undefined,
      lost: async () => undefined,
      caughtUp: () => undefined,
      later: () => undefined,
    };
    trial.socket.bring({ first: [open('e1')], after: 0 }, session);
    trial.socket.deliver(select('s1'));
    trial.socket.deliver(open('e2'));
    assert.deepEqual(trial.sent, [], 'it has not read what it was sent before');
    assert.deepEqual(late(trial), ['e2', 'silent e2']);
  });
});

describe('ERR-4 an answer is due', () => {
  it('strict: from the start', () => {
    const trial = new Trial({ acknowledgements: 'strict' });
    trial.socket.deliver(open('e1'));
    trial.clock.advance(9999);
    assert.deepEqual(trial.news, []);
    trial.clock.advance(1);
    assert.deepEqual(trial.news, ['unanswered e1, 1 in a row']);
  });

  it('answers: from the first answer, and not for what went out before', () => {
    const trial = new Trial();
    trial.socket.deliver(open('e1'));
    trial.socket.deliver(open('e2'));
    trial.clock.advance(60_000);
    assert.deepEqual(trial.news, ['silent e2']);
    trial.say({ id: 'e2', timestamp: 'x' });
    trial.clock.advance(60_000);
    assert.deepEqual(trial.news.slice(1), ['answered e2 200']);
    trial.socket.deliver(open('e3'));
    trial.clock.advance(10_000);
    assert.deepEqual(trial.news.slice(2), ['unanswered e3, 1 in a row']);
  });

  it('off: never', () => {
    const trial = new Trial({ acknowledgements: 'off' });
    trial.socket.deliver(open('e1'));
    trial.say({ id: 'e1', status: 200 });
    trial.socket.deliver(open('e2'));
    trial.clock.advance(3_600_000);
    assert.deepEqual(trial.news, ['answered e1 200', 'silent e2']);
    assert.equal(trial.clock.timers, 0);
  });

  it('each on its own time', () => {
    const trial = new Trial({ acknowledgements: 'strict' });
    trial.socket.deliver(open('e1'));
    trial.clock.advance(4000);
    trial.socket.deliver(open('e2'));
    trial.clock.advance(4000);
    trial.socket.deliver(open('e3'));
    trial.say({ id: 'e2', status: 200 });
    trial.clock.advance(2000);
    assert.deepEqual(trial.news, ['answered e2 200', 'unanswered e1, 1 in a row']);
    trial.clock.advance(7999);
    assert.equal(trial.news.length, 2);
    trial.clock.advance(1);
    assert.deepEqual(trial.news.slice(2), ['unanswered e3, 2 in a row']);
    trial.say({ id: 'e3', status: 200 });
    trial.socket.deliver(open('e4'));
    trial.clock.advance(10_000);
    assert.deepEqual(trial.news.slice(4), ['unanswered e4, 1 in a row']);
  });

  it('ERR-4 not while the process stands still: what was answered meanwhile is read first', () => {
    const trial = new Trial({ acknowledgements: 'strict' });
    trial.socket.deliver(open('e1'));
    trial.clock.advance(300);
    trial.clock.pause(12_000);
    assert.deepEqual(trial.news, []);
    trial.say({ id: 'e1', status: 200 });
    trial.socket.deliver(open('e2'));
    trial.clock.pause(3_600_000);
    trial.clock.advance(9999);
    assert.deepEqual(trial.news, ['answered e1 200']);
    trial.clock.advance(1);
    assert.deepEqual(trial.news, ['answered e1 200', 'unanswered e2, 1 in a row']);
  });

  it('not for a SyncError, which would never end', () => {
    const trial = new Trial({ acknowledgements: 'strict' });
    trial.socket.deliver(
      event('SyncError', [{ key: 'operationoutcome', resource: { resourceType: 'OperationOutcome' } }], 's'),
    );
    trial.say({ id: 's', status: 409 });
    trial.clock.advance(60_000);
    assert.deepEqual(trial.news, ['answered s 409 nothing']);
  });

  it('not any more once the socket has ended', () => {
    const trial = new Trial({ acknowledgements: 'strict' });
    trial.socket.deliver(open('e1'));
    trial.socket.end();
    trial.socket.end();
    trial.socket.deliver(open('e2'));
    trial.socket.say({});
    trial.clock.advance(60_000);
    assert.deepEqual(trial.log, ['delivered e1', 'ended']);
    assert.equal(trial.sent.length, 1);
    assert.equal(trial.clock.timers, 0);
  });
});

describe('ERR-1, ERR-2 answers', () => {
  it('are about an event that was sent; a refusal counts once', () => {
    const trial = new Trial();
    trial.socket.deliver(open('e1'));
    for (const status of ['409', 409, 200]) trial.say({ id: 'e1', status });
    trial.say({ id: 'e9', status: 500 });
    assert.deepEqual(trial.news, [
      'answered e1 409',
      'answered e1 409 nothing',
      'answered e1 200',
      'answered e9 500 nothing',
    ]);
  });

  it('ERR-8 of the last context change count again: its subscriber may have said meanwhile that it does not follow', () => {
    const trial = new Trial();
    trial.socket.deliver(open('e1'));
    for (const status of [202, 200]) trial.say({ id: 'e1', status });
    assert.deepEqual(trial.news, ['answered e1 202', 'answered e1 200']);
  });

  it('ERR-8 may take back the one to the last context change that was followed, once, and no older one', () => {
    const trial = new Trial();
    trial.socket.deliver(open('e1'));
    trial.say({ id: 'e1', status: 200 });
    const before = trial.socket.followed;
    const second = open('e2');
    trial.socket.deliver(second);
    trial.say({ id: 'e2', status: 202 });
    for (const id of ['e2', 'e2', 'e1']) trial.say({ id, status: 409 });
    assert.deepEqual(trial.news.slice(2), ['answered e2 409', 'answered e2 409 nothing', 'answered e1 409 nothing']);
    assert.equal(trial.socket.followed, before, 'what it followed before is what it may still show');
    trial.socket.redeliver(second);
    assert.equal(trial.sent.length, 3, 'it is sent again to who took its answer back (PUB-7)');
    trial.say({ id: 'e2', status: 200 });
    assert.equal(trial.socket.followed, before + 1);
    assert.equal(trial.news.at(-1), 'answered e2 200');
  });

  it('about content that was taken is not taken back', () => {
    const trial = new Trial();
    trial.socket.deliver(event('DiagnosticReport-select', [reference('report', 'DiagnosticReport/r1')], 'e1'));
    for (const status of [200, 409]) trial.say({ id: 'e1', status });
    assert.deepEqual(trial.news, ['answered e1 200', 'answered e1 409 nothing']);
  });

  it('that come late still count', () => {
    const trial = new Trial({ acknowledgements: 'strict' });
    trial.socket.deliver(open('e1'));
    trial.clock.advance(10_000);
    trial.say({ id: 'e1', status: 409 });
    assert.deepEqual(trial.news, ['unanswered e1, 1 in a row', 'answered e1 409']);
  });

  it('are not what is no answer: that is counted; a ping gets a pong', () => {
    const trial = new Trial();
    trial.socket.received('hello');
    trial.say({ 'hub.channel.endpoint': 'wss://x' });
    trial.say({ type: 'ping' });
    assert.equal(trial.socket.ignored, 2);
    assert.deepEqual(trial.sent, [{ type: 'pong' }]);
    assert.deepEqual(trial.log, []);
  });
});

describe('PUB-7 a retry', () => {
  const again = (trial: Trial, delivery: Delivery): number => {
    const before = trial.sent.length;
    trial.socket.redeliver(delivery);
    return trial.sent.length - before;
  };

  it('is sent again to who has not answered, or refused', () => {
    const trial = new Trial();
    trial.socket.deliver(open('e1'));
    assert.equal(again(trial, open('e1')), 1);
    trial.say({ id: 'e1', status: 500 });
    assert.equal(again(trial, open('e1')), 1);
    trial.say({ id: 'e1', status: 200 });
    assert.equal(again(trial, open('e1')), 0);
    assert.equal(again(trial, open('e2')), 0);
  });

  it('DER-3 of an event that was derived sends the derived one', () => {
    const trial = new Trial({ events: ['Patient-open'] });
    const original = event('DiagnosticReport-open', [report(), patient()], 'e1');
    trial.socket.deliver(original);
    assert.equal(again(trial, original), 1);
    assert.deepEqual(
      trial.sent.map(({ id }) => id),
      ['e1~Patient.p1', 'e1~Patient.p1'],
    );
    trial.say({ id: 'e1~Patient.p1', status: 200 });
    assert.equal(again(trial, original), 0);
  });
});

describe('what a socket sends', () => {
  it('ERR-2 not to the one that a SyncError is about', () => {
    const trial = new Trial();
    trial.socket.deliver(event('Patient-open', [patient()], 'e1', 'a'));
    trial.socket.deliver(event('Patient-open', [patient()], 'e2', 'b'));
    assert.deepEqual(
      trial.sent.map(({ id }) => id),
      ['e2'],
    );
  });

  it('ERR-7 within a limit of what waits to be read', () => {
    const trial = new Trial();
    trial.buffered = 1000;
    trial.socket.deliver(open('e1'));
    trial.buffered = 1001;
    trial.socket.deliver(open('e2'));
    assert.deepEqual(trial.log, ['delivered e1', 'overflowed']);
  });

  it('SUB-6 follows what was granted last', () => {
    const trial = new Trial({ events: ['SyncError'] });
    trial.socket.deliver(open('e1'));
    trial.socket.grant(subscription('a', { events: ['Patient-open'] }));
    trial.socket.deliver(open('e2'));
    assert.deepEqual(
      trial.sent.map(({ id }) => id),
      ['e2'],
    );
  });
});
