import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import { FakeCallbacks, turns } from '../../test/callbacks.ts';
import { ManualClock } from '../../test/clock.ts';
import { body, patient, START, study, TOPIC } from '../../test/events.ts';
import type { Subscription } from '../rules/session-state.ts';
import { CORE, STU1, STU2 } from '../rules/versions.ts';
import type { Backlog } from './callback-queue.ts';
import { callbackUrl } from './callback-request.ts';
import { Delivery } from './delivery.ts';
import { type CallbackOptions, SubscriberCallback } from './subscriber-callback.ts';

const CALLBACK = 'https://app.example/callback?foo=bar';
const RETRY = [1000, 2000, 4000];

function delivery(number: number, name = 'Patient-open'): Delivery {
  const message = body(name, [patient(`p${number}`)], { id: `e${number}`, topic: TOPIC });
  return new Delivery({ number, id: `e${number}`, name, text: JSON.stringify(message) });
}

function subscription(more: Partial<Subscription> = {}): Subscription {
  return {
    id: 's1',
    channel: 'webhook',
    subscriberName: 'App',
    events: ['Patient-open', 'Patient-select'],
    expiresAt: START + 3_600_000,
    clientId: 'client',
    grantId: 'grant',
    tokenId: 'token',
    acknowledgements: 'answers',
    renewals: 0,
    callback: CALLBACK,
    ...more,
  };
}

/** A webhook whose topic's log the test writes. */
class Bench {
  readonly clock = new ManualClock(START);
  readonly callbacks = new FakeCallbacks();
  readonly log: Delivery[] = [];
  reads = 0;
  /** What the next reads of the log do instead of answering from it. */
  instead: (() => Backlog | Promise<Backlog>) | undefined;
  readonly said: string[] = [];
  /** Number of the last context change that it had followed, as was said with its latest answer. */
  followed = 0;
  readonly hook: SubscriberCallback;

  constructor(more: Partial<Subscription> = {}, cursor = 0, options: Partial<CallbackOptions> = {}) {
    this.hook = new SubscriberCallback(
      TOPIC,
      subscription(more),
      cursor,
      {
        callbacks: this.callbacks,
        clock: this.clock,
        listener: {
          delivered: (_, id) => void this.said.push(`delivered ${id}`),
          answered: (_, { eventId, status, about, followed }) => {
            this.said.push(`answered ${eventId} ${status} after ${this.clock.now() - (about?.sentAt ?? 0)}`);
            this.followed = followed;
          },
          delayed: (_, { originalId }) => void this.said.push(`waits for ${originalId}`),
          unanswered: (_, { originalId }) => void this.said.push(`no answer to ${originalId}`),
          gaveUp: (_, { id }, misses) => void this.said.push(`gave up ${id}, ${misses} in a row`),
          advanced: (_, number) => void this.said.push(`advanced ${number}`),
          failed: (error) => void this.said.push(`failed ${(error as Error).message}`),
        },
        read: async (after, limit) => {
          this.reads += 1;
          return this.instead ? this.instead() : this.page(after, limit);
        },
      },
      {
        derivesOpens: true,
        answerMs: 10_000,
        retryMs: RETRY,
        spelling: CORE.spelling,
        hubUrl: 'https://hub.example/hub',
        ...options,
      },
    );
  }

  /** Publishes events, as the topic does. */
  publish(...numbers: number[]): void {
    this.offer(...numbers.map((number) => delivery(number)));
  }

  /** Publishes selections, which replace nothing. */
  select(...numbers: number[]): void {
    this.offer(...numbers.map((number) => delivery(number, 'Patient-select')));
  }

  page(after: number, limit: number): Backlog {
    const held = this.log.filter(({ number }) => number > after);
    return { deliveries: held.slice(0, limit), more: held.length > limit };
  }

  offer(...deliveries: Delivery[]): void {
    for (const one of deliveries) {
      this.log.push(one);
      this.hook.offer(one);
    }
  }

  /** Lets time pass in steps, with everything that happens in between. */
  async pass(ms: number, step = 500): Promise<void> {
    await turns();
    for (let left = ms; left > 0; left -= step) {
      this.clock.advance(Math.min(step, left));
      await turns();
    }
  }
}

const ids = (from: number, to: number): readonly string[] =>
  Array.from({ length: to - from + 1 }, (_, index) => `e${from + index}`);

describe('WEB-2 a delivery', () => {
  it('is a POST of the event to the callback with its own query', async () => {
    const bench = new Bench();
    bench.publish(1);
    await turns();
    const [call] = bench.callbacks.posts;
    assert.equal(call?.url.href, CALLBACK);
    assert.equal(call?.headers['content-type'], 'application/json');
    assert.equal(call?.headers['x-hub-signature'], undefined);
    const self = `https://hub.example/hub/${TOPIC}`;
    assert.equal(call?.headers.link, `<https://hub.example/hub>; rel="hub", <${self}>; rel="self"`);
    assert.deepEqual(
      JSON.parse(call?.text ?? ''),
      JSON.parse(JSON.stringify(body('Patient-open', [patient('p1')], { id: 'e1', topic: TOPIC }))),
    );
  });

  it('is signed over its exact bytes with the secret of the moment', async () => {
    const bench = new Bench({ secret: 'shhh' });
    bench.publish(1);
    await turns();
    bench.hook.grant(subscription({ secret: 'other', renewals: 1 }));
    bench.publish(2);
    await turns();
    const signatures = bench.callbacks.posts.map(({ headers }) => headers['x-hub-signature']);
    const right = ['shhh', 'other'].map((secret, index) => {
      const bytes = bench.callbacks.posts[index]?.bytes ?? '';
      return `sha256=${createHmac('sha256', secret).update(bytes).digest('hex')}`;
    });
    assert.deepEqual(signatures, right);
  });

  it('is over with the status of the answer, 202 included', async () => {
    const bench = new Bench();
    const statuses = [200, 202, 409, 404, 302];
    bench.callbacks.answer = () => statuses.shift() ?? 0;
    bench.publish(1, 2, 3, 4, 5);
    await turns();
    assert.deepEqual(bench.callbacks.ids, ids(1, 5));
    assert.deepEqual(
      bench.said.filter((one) => one.startsWith('answered')),
      ['e1 200', 'e2 202', 'e3 409', 'e4 404', 'e5 302'].map((one) => `answered ${one} after 0`),
    );
  });

  it('holds only events that were subscribed to, and none that is not for this subscriber', async () => {
    const bench = new Bench({ events: ['Patient-close'] });
    bench.publish(1);
    bench.hook.offer(delivery(2, 'Patient-close'));
    const text = JSON.stringify(body('Patient-close', [patient()], { id: 'e3', topic: TOPIC }));
    bench.hook.offer(new Delivery({ number: 3, id: 'e3', name: 'Patient-close', text, except: 's1' }));
    bench.log.push(
      delivery(2, 'Patient-close'),
      new Delivery({ number: 3, id: 'e3', name: 'Patient-close', text, except: 's1' }),
    );
    await turns();
    assert.deepEqual(bench.callbacks.ids, ['e2']);
    assert.equal(bench.said.at(-1), 'advanced 3');
  });

  it('WEB-5 is written as the version of its subscription writes it', async () => {
    const event = { 'context.versionId': 'v2', 'context.priorVersionId': 'v1' };
    const message = body('Patient-open', [patient()], { id: 'e1', topic: TOPIC });
    const text = JSON.stringify({ ...message, event: { ...(message as { event: object }).event, ...event } });
    const written = async (spelling: Subscription['spelling']): Promise<Record<string, unknown>> => {
      const bench = new Bench({ ...(spelling && { spelling }) });
      bench.log.push(new Delivery({ number: 1, id: 'e1', name: 'Patient-open', text }));
      bench.hook.catchUp();
      await turns();
      return JSON.parse(bench.callbacks.posts[0]?.text ?? '').event;
    };
    const core = await written(undefined);
    assert.deepEqual([core['hub.event'], core['context.versionId'], core.versionId], ['Patient-open', 'v2', undefined]);
    const stu1 = await written(STU1.spelling);
    assert.deepEqual(
      [stu1['context.versionId'], stu1['context.priorVersionId'], stu1.versionId],
      [undefined, undefined, undefined],
    );
    const stu2 = await written({ ...STU2.spelling, names: 'lower' });
    assert.deepEqual(
      [stu2['hub.event'], stu2['context.versionId'], stu2.versionId, stu2.priorVersionId],
      ['patient-open', 'v2', 'v2', 'v1'],
    );
  });
});

describe('WEB-3 order and retry', () => {
  it('sends one event at a time, in order, whatever the callback does', async () => {
    const bench = new Bench();
    const answers: ((status: number) => void)[] = [];
    bench.callbacks.answer = () => new Promise((resolve) => answers.push(resolve));
    bench.publish(1, 2, 3);
    await turns();
    assert.deepEqual(bench.callbacks.ids, ['e1']);
    answers.shift()?.(200);
    await turns();
    assert.deepEqual(bench.callbacks.ids, ['e1', 'e2']);
    bench.publish(4);
    answers.shift()?.(200);
    await turns();
    answers.shift()?.(200);
    await turns();
    assert.deepEqual(bench.callbacks.ids, ids(1, 4));
  });

  it('sends an event once that was read from the log before it was offered, as those of other nodes may be', async () => {
    const bench = new Bench();
    const answers: ((status: number) => void)[] = [];
    bench.callbacks.answer = () => new Promise((resolve) => answers.push(resolve));
    bench.log.push(delivery(1));
    bench.hook.catchUp();
    await turns();
    bench.hook.offer(delivery(1));
    answers.shift()?.(200);
    await turns();
    bench.publish(2);
    await turns();
    assert.deepEqual(bench.callbacks.ids, ['e1', 'e2']);
  });

  it('sends what got the numbers of events that the log has lost', async () => {
    const bench = new Bench();
    bench.publish(1, 2);
    await turns();
    bench.log.splice(1, 1, new Delivery({ number: 2, id: 'e3', name: 'Patient-open', text: delivery(3).text }));
    bench.hook.goBack(1, 1, [new Delivery({ number: 1, id: 'e9', name: 'Patient-open', text: delivery(9).text })]);
    await turns();
    assert.deepEqual(bench.callbacks.ids, ['e1', 'e2', 'e9', 'e3'], 'SUB-11 after what makes the screen right');
  });

  it('ERR-8 has not followed what the log has lost, nor fewer changes once an earlier one was sent again', async () => {
    const bench = new Bench();
    bench.callbacks.answer = () => 409;
    bench.publish(1);
    await turns();
    bench.callbacks.answer = () => 200;
    bench.publish(2, 3);
    await turns();
    bench.hook.redeliver(delivery(1));
    await turns();
    assert.deepEqual(bench.callbacks.ids, ['e1', 'e2', 'e3', 'e1']);
    assert.equal(bench.followed, 3);
    bench.log.splice(1);
    bench.hook.goBack(1, 1, []);
    bench.callbacks.answer = () => 409;
    bench.offer(new Delivery({ number: 2, id: 'instead', name: 'Patient-open', text: delivery(4).text }));
    await turns();
    assert.equal(bench.callbacks.ids.at(-1), 'e4');
    assert.equal(bench.followed, 0);
  });

  it('SUB-11 what the log has lost is not tried again, and who was not sent it is not corrected', async () => {
    const bench = new Bench();
    bench.publish(1);
    await turns();
    bench.callbacks.answer = () => 503;
    bench.publish(2);
    await turns();
    bench.callbacks.answer = () => 200;
    bench.log.splice(1, 1, new Delivery({ number: 2, id: 'e3', name: 'Patient-open', text: delivery(3).text }));
    bench.hook.goBack(2, 2, []);
    await turns();
    assert.deepEqual(bench.callbacks.ids, ids(1, 2), 'it waits for its next attempt');
    bench.hook.goBack(1, 1, []);
    await turns();
    assert.deepEqual(bench.callbacks.ids, ['e1', 'e2', 'e3']);
  });

  it('tries again after each wait, and content that follows waits its turn', async () => {
    const bench = new Bench();
    const statuses = [0, 503, 429, 200];
    bench.callbacks.answer = () => statuses.shift() ?? 200;
    bench.select(1, 2);
    await turns();
    assert.deepEqual(bench.callbacks.ids, ['e1']);
    await bench.pass(999, 999);
    assert.deepEqual(bench.callbacks.ids, ['e1']);
    await bench.pass(1, 1);
    assert.deepEqual(bench.callbacks.ids, ['e1', 'e1']);
    await bench.pass(2000, 2000);
    await bench.pass(4000, 4000);
    assert.deepEqual(bench.callbacks.ids, ['e1', 'e1', 'e1', 'e1', 'e2']);
    assert.deepEqual(
      bench.callbacks.posts.map(({ failures }) => failures),
      [0, 1, 2, 3, 0],
      'a callback that answered is no suspect any more',
    );
    assert.deepEqual(bench.said.slice(0, 4), [
      'delivered e1',
      'answered e1 0 after 0',
      'answered e1 200 after 7000',
      'advanced 1',
    ]);
  });

  it('gives up after the last wait, counts it, and goes on with the next', async () => {
    const bench = new Bench();
    bench.callbacks.answer = ({ text }) => (text.includes('"e1"') ? 500 : 200);
    bench.select(1, 2);
    await bench.pass(7000);
    assert.equal(bench.callbacks.ids.filter((id) => id === 'e1').length, 4);
    assert.ok(bench.said.includes('gave up e1, 1 in a row'));
    assert.equal(bench.callbacks.ids.at(-1), 'e2');
    bench.callbacks.answer = () => 500;
    bench.select(3);
    await bench.pass(7000);
    assert.ok(bench.said.includes('gave up e3, 1 in a row'), 'an answer ends the row');
  });

  it('counts events given up in a row', async () => {
    const bench = new Bench();
    bench.callbacks.answer = () => 0;
    bench.select(1, 2);
    await bench.pass(14_000);
    assert.deepEqual(
      bench.said.filter((one) => one.startsWith('gave')),
      ['gave up e1, 1 in a row', 'gave up e2, 2 in a row'],
    );
  });

  it('WEB-3 what a callback cannot process is tried once more before a context change that waits, and then given up', async () => {
    for (const name of ['Patient-select', 'Patient-update', 'SyncError', 'org.example.x']) {
      for (const second of [500, 501, 200]) {
        const bench = new Bench({ events: ['*', name] });
        const statuses = [500, second];
        bench.callbacks.answer = () => statuses.shift() ?? 200;
        bench.offer(delivery(1, name));
        await turns();
        bench.publish(2);
        await turns();
        assert.deepEqual(bench.callbacks.ids, ['e1', 'e1', 'e2'], 'the patient comes at once');
        assert.equal(bench.said.includes('gave up e1, 1 in a row'), second !== 200);
        assert.deepEqual(bench.said.slice(-3), ['delivered e2', 'answered e2 200 after 0', 'advanced 2']);
      }
    }
  });

  it('ERR-8 a context change whose answer is not there yet is waited for, and then not followed, however it is held up', async () => {
    for (const before of [undefined, 'Patient-select', 'Patient-open'] as const) {
      const bench = new Bench();
      let answer: (status: number) => void = () => undefined;
      bench.callbacks.answer = () =>
        new Promise((resolve) => {
          answer = resolve;
        });
      if (before) bench.offer(delivery(1, before));
      await turns();
      bench.publish(2);
      const told = () => bench.said.filter((one) => /^(waits|no answer)/.test(one));
      await bench.pass(499, 499);
      assert.deepEqual(told(), [], 'it may still answer at once');
      await bench.pass(1, 1);
      assert.deepEqual(told(), ['waits for e2'], before);
      await bench.pass(9500);
      assert.deepEqual(told(), ['waits for e2', 'no answer to e2'], before);
      for (const _ of [1, 2]) {
        answer(200);
        await turns();
      }
      await bench.pass(20_000);
      assert.equal(told().length, 2, 'nothing more once it has answered');
      assert.equal(bench.clock.timers, 0);
    }
  });

  it('ERR-8 who is not sent a context change, or has answered it, is not waited for', async () => {
    const bench = new Bench();
    bench.offer(delivery(1, 'ImagingStudy-open'), delivery(2, 'Patient-select'));
    bench.publish(3);
    await bench.pass(1000);
    const quick = bench.said.filter((one) => one.startsWith('waits'));
    assert.deepEqual(quick, []);
    assert.equal(bench.clock.timers, 0);
  });

  it('ERR-8 of several contexts that come while a call hangs, the last one is waited for', async () => {
    const bench = new Bench();
    bench.callbacks.answer = () => new Promise(() => undefined);
    for (const number of [1, 2, 3]) {
      bench.publish(number);
      await bench.pass(400, 400);
    }
    await bench.pass(500);
    assert.deepEqual(
      bench.said.filter((one) => one.startsWith('waits')),
      ['waits for e3'],
    );
  });

  it('stops for good when it is ended, during a wait and during a call', async () => {
    const waiting = new Bench();
    waiting.callbacks.answer = () => 0;
    waiting.publish(1);
    await turns();
    waiting.hook.end();
    await waiting.pass(10_000);
    assert.equal(waiting.callbacks.ids.length, 1);
    assert.equal(waiting.clock.timers, 0);

    const calling = new Bench();
    let answer: (status: number) => void = () => undefined;
    calling.callbacks.answer = () => new Promise((resolve) => (answer = resolve));
    calling.publish(1, 2);
    await turns();
    calling.hook.end();
    answer(200);
    await turns();
    assert.deepEqual(calling.callbacks.ids, ['e1']);
    assert.ok(!calling.said.some((one) => one.startsWith('answered') || one.startsWith('advanced')));
  });

  it('SUB-5 sends nothing after the lease, even before it was ended', async () => {
    const bench = new Bench({ expiresAt: START + 1500 });
    bench.callbacks.answer = () => 0;
    bench.publish(1);
    await bench.pass(10_000);
    assert.equal(bench.callbacks.ids.length, 2);
  });
});

/** An event about one resource, or about none. */
function event(number: number, name: string, ...context: unknown[]): Delivery {
  const text = JSON.stringify(body(name, context, { id: `e${number}`, topic: TOPIC }));
  return new Delivery({ number, id: `e${number}`, name, text });
}

/** What replaces an event that fails: the name, the failing event, the newer one. */
const REPLACED: readonly (readonly [string, Delivery, Delivery])[] = [
  ['Patient-open by another', event(1, 'Patient-open', patient('a')), event(2, 'Patient-open', patient('b'))],
  ['Patient-open by its close', event(1, 'Patient-open', patient('a')), event(2, 'Patient-close', patient('a'))],
  ['Patient-open by Home-open', event(1, 'Patient-open', patient('a')), event(2, 'Home-open')],
  ['Patient-open by UserLogout', event(1, 'Patient-open', patient('a')), event(2, 'UserLogout')],
  ['Patient-open by ImagingStudy-open', event(1, 'Patient-open', patient('a')), event(2, 'ImagingStudy-open', study())],
  ['ImagingStudy-open by Patient-open', event(1, 'ImagingStudy-open', study()), event(2, 'Patient-open', patient('b'))],
  ['Patient-close by an open', event(1, 'Patient-close', patient('a')), event(2, 'Patient-open', patient('b'))],
  ['Home-open by an open', event(1, 'Home-open'), event(2, 'Patient-open', patient('b'))],
];

/** What replaces nothing: the failing event waits for its next attempt, and what follows waits for it. */
const KEPT: readonly (readonly [string, Delivery, Delivery])[] = [
  ['an open by a close of another', event(1, 'Patient-open', patient('a')), event(2, 'Patient-close', patient('b'))],
  ['a close by another close', event(1, 'Patient-close', patient('a')), event(2, 'Patient-close', patient('b'))],
  ['an open by a selection', event(1, 'Patient-open', patient('a')), event(2, 'Patient-select', patient('a'))],
  ['an open by a SyncError', event(1, 'Patient-open', patient('a')), event(2, 'SyncError')],
  ['a selection by an open', event(1, 'Patient-select', patient('a')), event(2, 'Patient-open', patient('b'))],
  ['a logout by an open', event(1, 'UserLogout'), event(2, 'Patient-open', patient('b'))],
  ['an update by an open', event(1, 'Patient-update', patient('a')), event(2, 'Patient-open', patient('b'))],
  ['an update by an update', event(1, 'Patient-update', patient('a')), event(2, 'Patient-update', patient('a'))],
];

describe('WEB-3 a context event that a newer one has replaced', () => {
  const everything = { events: ['*'] };
  const failingFirst = (bench: Bench): void => {
    bench.callbacks.answer = ({ text }) => (text.includes('"e1"') ? 500 : 200);
  };

  for (const [name, failing, newer] of REPLACED) {
    it(`WEB-3 ${name}: the newer goes out at once, the older never again`, async () => {
      const bench = new Bench(everything);
      failingFirst(bench);
      bench.offer(failing);
      await turns();
      assert.ok(bench.said.includes('answered e1 500 after 0'), 'the others are told at the first failure');
      bench.offer(newer);
      await turns();
      assert.deepEqual(bench.callbacks.ids, ['e1', 'e2']);
      assert.deepEqual(
        bench.said.filter((one) => one.startsWith('advanced')),
        ['advanced 1', 'advanced 2'],
      );
      assert.equal(bench.clock.timers, 0);
      await bench.pass(10_000);
      assert.deepEqual(bench.callbacks.ids, ['e1', 'e2']);
      assert.ok(!bench.said.some((one) => one.startsWith('gave up')));
    });
  }

  for (const [name, failing, newer] of KEPT) {
    it(`WEB-3 is not ${name}: it is tried again first`, async () => {
      const bench = new Bench(everything);
      let down = true;
      bench.callbacks.answer = () => (down ? 503 : 200);
      bench.offer(failing);
      await turns();
      bench.offer(newer);
      await turns();
      assert.deepEqual(bench.callbacks.ids, ['e1']);
      down = false;
      await bench.pass(999, 999);
      assert.deepEqual(bench.callbacks.ids, ['e1'], 'the wait is as long as before');
      await bench.pass(1, 1);
      assert.deepEqual(bench.callbacks.ids, ['e1', 'e1', 'e2']);
    });
  }

  it('WEB-3 is not sent again where the newer came while it was being posted', async () => {
    const bench = new Bench();
    let answer: (status: number) => void = () => undefined;
    bench.callbacks.answer = ({ text }) => (text.includes('"e1"') ? new Promise((resolve) => (answer = resolve)) : 200);
    bench.publish(1, 2);
    await turns();
    answer(500);
    await turns();
    assert.deepEqual(bench.callbacks.ids, ['e1', 'e2']);
  });

  it('WEB-3 leaves the content between them in its place', async () => {
    const bench = new Bench();
    failingFirst(bench);
    bench.publish(1);
    bench.select(2, 3);
    await turns();
    assert.deepEqual(bench.callbacks.ids, ['e1']);
    bench.publish(4);
    await turns();
    assert.deepEqual(bench.callbacks.ids, ids(1, 4));
  });

  it('WEB-3 is known from the log, where more waits than memory holds or other nodes accepted it', async () => {
    const many = new Bench();
    failingFirst(many);
    many.publish(1);
    many.select(...Array.from({ length: 40 }, (_, index) => index + 2));
    await turns();
    assert.deepEqual(many.callbacks.ids, ['e1']);
    many.publish(42);
    for (let round = 0; round < 20 && many.callbacks.ids.length < 42; round++) await turns();
    assert.deepEqual(many.callbacks.ids, ids(1, 42));

    const missed = new Bench();
    failingFirst(missed);
    missed.publish(1);
    await turns();
    missed.log.push(delivery(2));
    missed.hook.catchUp();
    await turns();
    assert.deepEqual(missed.callbacks.ids, ['e1', 'e2']);
  });

  it('WEB-3 stays to be tried again where the newer is not for this subscriber', async () => {
    const { text } = delivery(2);
    const others = [
      event(2, 'ImagingStudy-open', study('x')),
      event(2, 'Home-open'),
      new Delivery({ number: 2, id: 'e2', name: 'Patient-open', text, except: 's1' }),
    ];
    for (const other of others) {
      const bench = new Bench();
      failingFirst(bench);
      bench.publish(1);
      await turns();
      bench.offer(other);
      await bench.pass(1000);
      assert.deepEqual(bench.callbacks.ids, ['e1', 'e1'], other.name);
    }
  });

  it('WEB-3, DER-2 derived: of the same patient it goes out with the newer event', async () => {
    const bench = new Bench({ events: ['Patient-open'] });
    bench.callbacks.answer = () => (bench.callbacks.ids.length === 1 ? 500 : 200);
    bench.offer(event(1, 'ImagingStudy-open', study('x'), patient('a')));
    await turns();
    bench.offer(event(2, 'ImagingStudy-open', study('y'), patient('a')));
    await turns();
    const opened = bench.callbacks.posts.map(({ text }) => JSON.parse(text).event.context[0].resource.id);
    assert.deepEqual(opened, ['a', 'a']);
    assert.equal(new Set(bench.callbacks.ids).size, 2);
    await bench.pass(10_000);
    assert.equal(bench.callbacks.ids.length, 2);
  });

  it('WEB-3 goes on with the standing opens that wait (SUB-8)', async () => {
    const bench = new Bench({}, 10);
    bench.callbacks.answer = ({ text }) => (text.includes('"e4"') ? 500 : 200);
    bench.hook.begin([delivery(4), delivery(9)]);
    bench.hook.catchUp();
    await turns();
    assert.deepEqual(bench.callbacks.ids, ['e4', 'e9']);
  });

  it('WEB-3 is replaced at once by what is offered while the log is read', async () => {
    const bench = new Bench();
    failingFirst(bench);
    bench.publish(1);
    await turns();
    bench.instead = async () => {
      bench.instead = undefined;
      await turns();
      bench.publish(2);
      return { deliveries: [], more: false };
    };
    bench.hook.catchUp();
    await turns();
    await turns();
    assert.deepEqual(bench.callbacks.ids, ['e1', 'e2']);
  });

  it('WEB-3 is not replaced by an older open that a renewed subscription is sent (SUB-6)', async () => {
    const bench = new Bench({}, 4);
    bench.callbacks.answer = ({ text }) => (text.includes('"e5"') ? 500 : 200);
    bench.publish(5);
    await turns();
    bench.hook.begin([delivery(3)]);
    await turns();
    assert.deepEqual(bench.callbacks.ids, ['e5']);
    await bench.pass(1000);
    assert.deepEqual(bench.callbacks.ids, ['e5', 'e5']);
  });

  it('WEB-3 waits out its time where the log cannot be read', async () => {
    const bench = new Bench();
    failingFirst(bench);
    bench.publish(1);
    await turns();
    bench.instead = () => {
      throw new Error('the store is away');
    };
    bench.hook.catchUp();
    await turns();
    assert.deepEqual(bench.callbacks.ids, ['e1']);
    await bench.pass(1000);
    assert.deepEqual(bench.callbacks.ids, ['e1', 'e1']);
  });
});

describe('WEB-3 what was not offered is read from the log', () => {
  it('starts after its cursor', async () => {
    const bench = new Bench({}, 2);
    bench.log.push(...[1, 2, 3, 4].map((number) => delivery(number)));
    bench.hook.catchUp();
    await turns();
    assert.deepEqual(bench.callbacks.ids, ['e3', 'e4']);
    assert.deepEqual(
      bench.said.filter((one) => one.startsWith('advanced')),
      ['advanced 3', 'advanced 4'],
    );
  });

  it('keeps 16 events in memory, and loses and repeats none of hundreds', async () => {
    const bench = new Bench();
    let letGo: () => void = () => undefined;
    bench.callbacks.answer = ({ text }) =>
      text.includes('"e1"') ? new Promise((resolve) => (letGo = () => resolve(200))) : 200;
    bench.publish(1);
    await turns();
    for (let number = 2; number <= 300; number++) bench.publish(number);
    await turns();
    assert.deepEqual(bench.callbacks.ids, ['e1']);
    letGo();
    for (let round = 0; round < 200 && bench.callbacks.ids.length < 300; round++) await turns();
    assert.deepEqual(bench.callbacks.ids, ids(1, 300));
    assert.ok(bench.reads >= 300 / 16, `${bench.reads} reads`);
  });

  it('loses nothing that is offered while it reads', async () => {
    const bench = new Bench();
    bench.log.push(delivery(1), delivery(2));
    bench.instead = async () => {
      bench.instead = undefined;
      const deliveries = [...bench.log];
      await turns();
      bench.publish(3, 4);
      return { deliveries, more: false };
    };
    bench.hook.catchUp();
    await turns();
    await turns();
    assert.deepEqual(bench.callbacks.ids, ids(1, 4));
  });

  it('reads again when the log could not be read', async () => {
    const bench = new Bench();
    bench.log.push(delivery(1));
    bench.instead = () => {
      throw new Error('the store is away');
    };
    bench.hook.catchUp();
    await turns();
    assert.deepEqual(bench.said, ['failed the store is away']);
    bench.instead = undefined;
    await bench.pass(4000);
    assert.deepEqual(bench.callbacks.ids, ['e1']);
  });

  it('SUB-11 goes on with the standing opens when what it missed is no longer held', async () => {
    const bench = new Bench({}, 3);
    bench.instead = () => {
      bench.instead = undefined;
      return { deliveries: [delivery(50)], gapUpTo: 90, more: false };
    };
    bench.hook.catchUp();
    await turns();
    bench.publish(91);
    await turns();
    assert.deepEqual(bench.callbacks.ids, ['e50', 'e91']);
    assert.deepEqual(
      bench.said.filter((one) => one.startsWith('advanced')),
      ['advanced 90', 'advanced 91'],
    );
  });

  it('SUB-8 sends standing opens first and does not take them for progress', async () => {
    const bench = new Bench({}, 10);
    bench.hook.begin([delivery(4), delivery(12)]);
    bench.log.push(delivery(11), delivery(12));
    bench.hook.catchUp();
    await turns();
    assert.deepEqual(bench.callbacks.ids, ['e4', 'e12', 'e11', 'e12']);
    assert.deepEqual(
      bench.said.filter((one) => one.startsWith('advanced')),
      ['advanced 11', 'advanced 12'],
    );
  });
});

describe('PUB-7 a published event comes again', () => {
  it('only to a callback that has refused it or could not be reached', async () => {
    const bench = new Bench();
    const statuses = [200, 409, 200];
    bench.callbacks.answer = () => statuses.shift() ?? 200;
    bench.publish(1, 2);
    await turns();
    bench.hook.redeliver(delivery(1));
    bench.hook.redeliver(delivery(2));
    await turns();
    bench.hook.redeliver(delivery(2));
    await turns();
    assert.deepEqual(bench.callbacks.ids, ['e1', 'e2', 'e2']);
  });
});

describe('WEB-1 the address of a verification', () => {
  it('has the Hub’s fields after the callback’s own query, before its fragment', () => {
    assert.equal(callbackUrl('https://a.example/x', { 'hub.mode': 'a b' }), 'https://a.example/x?hub.mode=a+b');
    assert.equal(callbackUrl('https://a.example/x?q=1', { 'hub.mode': 'a' }), 'https://a.example/x?q=1&hub.mode=a');
    assert.equal(callbackUrl('https://a.example/x#y', { 'hub.mode': 'a' }), 'https://a.example/x?hub.mode=a#y');
  });
});
