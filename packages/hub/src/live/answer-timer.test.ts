import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ManualClock } from '../../test/clock.ts';
import { parameters, patient, reference, request, START, subscription } from '../../test/events.ts';
import { AnswerTimer } from './answer-timer.ts';
import { Delivery } from './delivery.ts';
import { SubscriberSocket } from './subscriber-socket.ts';

const CONTEXTS = {
  open: ['Patient-open', [patient()]],
  select: ['Patient-select', [reference('patient', 'Patient/p1'), { key: 'select' }]],
  logout: ['UserLogout', [parameters]],
} as const;

type Kind = keyof typeof CONTEXTS;

/** Subscribers of one session, which share the timer. */
class Subscribers {
  readonly clock = new ManualClock(START);
  readonly sockets: SubscriberSocket[] = [];
  /** Reports of answers that were not there, in order. */
  readonly reports: string[] = [];
  readonly #timer = new AnswerTimer(this.clock);
  #events = 0;
  #latest: Delivery | undefined;

  join(acknowledgements: 'strict' | 'answers' | 'off'): void {
    const name = `s${this.sockets.length}`;
    this.sockets.push(
      new SubscriberSocket(
        subscription(name, { events: ['*'], acknowledgements }),
        { send: () => undefined, close: () => undefined, buffered: 0, onDrain: () => undefined },
        this.clock,
        {
          delivered: () => undefined,
          answered: () => undefined,
          unanswered: (_, { id }) => void this.reports.push(`${name} unanswered ${id}`),
          delayed: (_, { id }) => void this.reports.push(`${name} delayed ${id}`),
          ended: () => undefined,
          overflowed: () => undefined,
        },
        { answerMs: 10_000, maxBufferedBytes: 1000, derivesOpens: true },
        this.#timer,
      ),
    );
  }

  deliver(kind: Kind, to: (index: number) => boolean): void {
    this.#events += 1;
    const [name, context] = CONTEXTS[kind];
    const id = `e${this.#events}`;
    const { message } = request(name, context, { id });
    const delivery = new Delivery({ number: this.#events, id, name, text: JSON.stringify(message) });
    this.#latest = delivery;
    for (const [index, socket] of this.sockets.entries()) if (to(index)) socket.deliver(delivery);
  }

  /** The latest event once more, to who has not acknowledged it (PUB-7). */
  redeliver(): void {
    if (this.#latest) for (const socket of this.sockets) socket.redeliver(this.#latest);
  }

  answer(of: number, event: number, status: number): void {
    this.sockets[of % this.sockets.length]?.answered(`e${event}`, status);
  }
}

describe('ERR-4 one timer for all subscribers of a session', () => {
  it('leaves no answer that is due unreported, whoever answers, is sent more, or goes', () => {
    const step = fc.oneof(
      fc.tuple(fc.constantFrom<Kind>('open', 'open', 'select', 'logout'), fc.nat(15)).map(
        ([kind, whom]) =>
          (all: Subscribers) =>
            all.deliver(kind, (index) => ((whom >> (index % 4)) & 1) === 0),
      ),
      fc.tuple(fc.nat(5), fc.integer({ min: 1, max: 30 }), fc.constantFrom(200, 200, 409)).map(
        ([of, event, status]) =>
          (all: Subscribers) =>
            all.answer(of, event, status),
      ),
      fc
        .constantFrom(0.4, 3, 499, 500, 501, 5_000, 9_999, 10_000)
        .map((ms) => (all: Subscribers) => all.clock.advance(ms)),
      fc.constant((all: Subscribers) => all.redeliver()),
      fc.constantFrom(500, 20_000).map((ms) => (all: Subscribers) => all.clock.pause(ms)),
      fc.nat(5).map((of) => (all: Subscribers) => all.sockets[of % all.sockets.length]?.end()),
      fc.constantFrom('strict', 'answers', 'off').map((one) => (all: Subscribers) => all.join(one)),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        const all = new Subscribers();
        for (const one of ['strict', 'answers', 'off', 'answers'] as const) all.join(one);
        for (const next of steps) {
          next(all);
          all.clock.advance(0);
          const now = all.clock.running();
          const overdue = all.sockets.filter(({ due }) => due !== undefined && due <= now);
          assert.deepEqual(overdue, [], 'nothing that is due waits');
          assert.ok(all.clock.timers <= 1);
        }
        for (const socket of all.sockets) socket.end();
        assert.equal(all.clock.timers, 0);
      }),
    );
  });
});
