/**
 * An application that was lost and is started again subscribes once more. The mark of its old subscription is over once that has ended
 * and the new one follows. Until then the old one may come back: nothing tells a process that crashed from one that hangs (ERR-8).
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { access, patient, Trial } from '../../test/events.ts';
import type { Outcome } from './conversation.ts';
import { followingEvent, notFollowing } from './following.ts';
import { nextDeadline } from './lease.ts';
import { DEFAULT_POLICY } from './policy.ts';
import { CORE, IRA, STU2 } from './versions.ts';

const MADE = { eventId: 's1', timestamp: '2026-01-08T00:00:00Z' };
const GRACE_MS = 120_000;
const NAME = { 'subscriber.name': 'Viewer' };

/** A session of windows of one application: one client, one user, one name. */
class Windows extends Trial {
  open(id: string): void {
    this.accepted('Patient-open', [patient(id)]);
  }

  start(id: string, as = access(), events = '*'): void {
    this.join(id, { ...NAME, 'hub.events': events }, as);
  }

  renew(id: string, events: string): void {
    this.subscribe(id, { ...NAME, 'hub.events': events, 'hub.channel.endpoint': `wss://hub.example/${id}` });
  }

  startByWebhook(id: string): void {
    const form = { ...NAME, 'hub.channel.type': 'webhook', 'hub.callback': `https://app.example/${id}` };
    const asked = this.subscribe(id, form);
    const [verify] = asked.ok ? asked.effects : [];
    assert.ok(verify?.kind === 'verify', asked.ok ? '' : asked.reason);
    this.decide({ kind: 'confirm', subscription: verify.subscription });
  }

  answer(id: string, outcome: Outcome = 'followed', unreached?: true): void {
    const number = this.state.changedBy;
    const about = {
      id: `e${number}`,
      number,
      originalId: `e${number}`,
      originalName: 'Patient-open',
      sentAt: this.now,
    };
    this.decide({ kind: 'answer', id, about, outcome, how: outcome, ...(unreached && { unreached }), ...MADE });
  }

  silence(id: string, misses = 1, begunSince: readonly string[] = []): void {
    const number = this.state.changedBy;
    const about = {
      id: `e${number}`,
      number,
      originalId: `e${number}`,
      originalName: 'Patient-open',
      sentAt: this.now,
    };
    this.decide({ kind: 'no-answer', id, about, misses, due: true, begunSince, ...MADE });
  }

  close(id: string, code: number, followed = 0, begunSince: readonly string[] = []): void {
    this.decide({ kind: 'disconnect', node: 'n', closed: [{ id, code, followed, begunSince }], ...MADE });
  }

  comeBack(id: string, seen?: number): boolean {
    return this.decide({ kind: 'connect', id, node: 'n', ...(seen !== undefined && { seen }) }).ok;
  }

  pass(ms = GRACE_MS): void {
    this.now += ms;
    this.decide({ kind: 'elapse', node: 'n', ...MADE });
  }

  /** Who is named, and why. */
  get named(): readonly string[] {
    return [...this.state.following].map(([id, { why, ended }]) => `${id} ${why}${ended ? ' ended' : ''}`);
  }
}

/** A window has followed p1, and is lost. */
const LOSSES: Readonly<Record<string, (windows: Windows) => void>> = {
  'lost with 1006': (windows) => windows.close('old', 1006, 1),
  'lost with 4001': (windows) => windows.close('old', 4001, 1),
  'silent, then lost': (windows) => {
    windows.open('p2');
    windows.silence('old');
    windows.close('old', 1006, 1);
  },
  'refused, then lost': (windows) => {
    windows.open('p2');
    windows.answer('old', 'refused');
    windows.close('old', 1006, 1);
  },
  'refused, then loaded again': (windows) => {
    windows.open('p2');
    windows.answer('old', 'refused');
    windows.close('old', 1001, 1);
  },
  'lost with the Hub': (windows) => {
    windows.decide({ kind: 'take-over', from: 'n', to: 'n', here: new Set() });
  },
};

/** What is started again, and what happens until all is over; at the end, who is named. */
const HISTORIES: readonly (readonly [what: string, happens: (windows: Windows) => void, named: RegExp | undefined])[] =
  [
    ['nobody is started', (windows) => windows.pass(), /^old .* ended$/],
    [
      'before the end',
      (windows) => {
        windows.start('new');
        windows.answer('new');
        assert.match(windows.named.join(), /^old /, 'it may come back');
        windows.pass();
      },
      undefined,
    ],
    [
      'before the end, and follows later',
      (windows) => {
        windows.start('new');
        windows.pass();
        assert.deepEqual(windows.named, ['new waiting']);
        windows.answer('new');
      },
      undefined,
    ],
    [
      'before the end, and refuses',
      (windows) => {
        windows.start('new');
        windows.answer('new', 'refused');
        windows.pass();
      },
      /^new refused$/,
    ],
    [
      'before the end, and connects after it',
      (windows) => {
        windows.pass(GRACE_MS - 1);
        windows.subscribe('new', NAME);
        windows.pass(1);
        assert.match(windows.named.join(), /^new /);
        windows.comeBack('new');
        assert.match(windows.named.join(), /^new /, 'it has not answered');
        windows.answer('new');
      },
      undefined,
    ],
    [
      'before the end, and never connects',
      (windows) => {
        windows.subscribe('new', NAME);
        windows.pass(60_000);
        windows.pass();
      },
      /^old .* ended$/,
    ],
    [
      'before the end, and leaves in good order',
      (windows) => {
        windows.start('new');
        windows.answer('new');
        windows.close('new', 1000);
        windows.pass();
      },
      undefined,
    ],
    [
      'before the end, twice',
      (windows) => {
        windows.start('new');
        windows.answer('new');
        windows.close('new', 1006, 1);
        windows.start('newer');
        windows.answer('newer');
        windows.pass();
      },
      undefined,
    ],
    [
      'before the end, and is lost itself',
      (windows) => {
        windows.start('new');
        windows.answer('new');
        windows.close('new', 1006, 1);
        windows.pass();
      },
      /^new lost ended$/,
    ],
    [
      'after the end',
      (windows) => {
        windows.pass();
        windows.start('new');
        assert.match(windows.named.join(), /^new /, 'it has not answered');
        windows.answer('new');
      },
      undefined,
    ],
    [
      'before the end, as a callback',
      (windows) => {
        windows.startByWebhook('new');
        windows.answer('new');
        windows.pass();
      },
      undefined,
    ],
    [
      'of another client, before the end',
      (windows) => {
        windows.start('new', access({ clientId: 'other' }));
        windows.answer('new');
        windows.pass();
      },
      /^old .* ended$/,
    ],
    [
      'of its client and name, but told of no patient, before the end',
      (windows) => {
        windows.start('listener', access(), 'Patient-select,SyncError');
        windows.pass();
      },
      /^old .* ended$/,
    ],
    [
      'of its client and name, but told of no patient, which leaves before the end',
      (windows) => {
        windows.start('listener', access(), 'Patient-close,SyncError');
        windows.close('listener', 1000);
        windows.pass();
      },
      /^old .* ended$/,
    ],
    [
      'before the end, and asks for all events later',
      (windows) => {
        windows.start('new', access(), 'SyncError');
        windows.renew('new', '*');
        windows.answer('new');
        windows.pass();
      },
      undefined,
    ],
    [
      'one of two windows that were lost',
      (windows) => {
        windows.close('other', 1006, 1);
        windows.start('new');
        windows.answer('new');
        windows.pass();
      },
      /^other .* ended$/,
    ],
    [
      'both of two windows that were lost',
      (windows) => {
        windows.close('other', 1006, 1);
        for (const id of ['new', 'newer']) {
          windows.start(id);
          windows.answer(id);
        }
        windows.pass();
      },
      undefined,
    ],
    [
      'before the end, and the old one comes back',
      (windows) => {
        windows.start('new');
        windows.answer('new');
        windows.comeBack('old');
        windows.open('p3');
        windows.answer('new');
        windows.close('old', 1006, 1);
        windows.pass();
      },
      /^old .* ended$/,
    ],
    [
      'before the end, and the old one is renewed',
      (windows) => {
        windows.start('new');
        windows.answer('new');
        windows.subscribe('old', { ...NAME, 'hub.channel.endpoint': 'wss://hub.example/old' });
        windows.pass();
      },
      /^old .* ended$/,
    ],
    [
      'before the end, and the old one comes back late with ?since',
      (windows) => {
        windows.start('new');
        windows.answer('new');
        windows.pass();
        assert.equal(windows.comeBack('old', 1), false);
        windows.start('old again');
        assert.deepEqual(windows.named, ['old again waiting'], 'it is a newcomer');
        windows.answer('old again');
      },
      undefined,
    ],
    [
      'before the end of two windows, one of which comes back',
      (windows) => {
        windows.close('other', 1006, 1);
        windows.start('new');
        windows.answer('new');
        windows.comeBack('old');
        windows.answer('old');
        windows.pass();
      },
      undefined,
    ],
  ];

describe('ERR-8 who was lost and is started again', () => {
  for (const profile of [CORE, STU2]) {
    for (const [loss, lose] of Object.entries(LOSSES)) {
      it(`ERR-8 ${loss}: is named until the old one has ended and the new one follows (${profile.name})`, () => {
        for (const [what, happens, named] of HISTORIES) {
          const windows = new Windows(profile);
          for (const id of ['old', 'other']) windows.start(id);
          windows.open('p1');
          for (const id of ['old', 'other']) windows.answer(id);
          lose(windows);
          if (windows.subscription('other').presence?.is === 'connected') windows.answer('other');
          else windows.comeBack('other');
          happens(windows);
          if (windows.state.subscriptions.get('other')?.presence?.is === 'connected') windows.answer('other');
          if (named) assert.match(windows.named.join(), named, what);
          else assert.deepEqual(windows.named, [], what);
        }
      });
    }
  }

  it('ERR-8 a second window is no successor of one that was connected when it began', () => {
    const ends: Readonly<Record<string, (windows: Windows) => void>> = {
      lost: (windows) => windows.close('old', 1006, 1),
      'silent, then denied': (windows) => windows.silence('old', 3),
      'refused, then lost': (windows) => {
        windows.answer('old', 'refused');
        windows.close('old', 4001, 1);
      },
      'back once, then lost': (windows) => {
        windows.close('old', 1006, 1);
        windows.comeBack('old');
        windows.close('old', 1006, 1);
      },
    };
    for (const [how, end] of Object.entries(ends)) {
      const windows = new Windows();
      windows.start('old');
      windows.open('p1');
      windows.answer('old');
      windows.start('second');
      windows.open('p2');
      windows.answer('second');
      end(windows);
      windows.pass();
      windows.open('p3');
      windows.answer('second');
      assert.match(windows.named.join(), /^old .* ended$/, how);
    }
  });

  for (const [how, profile, end] of [
    ['denied after silence', CORE, (windows: Windows) => windows.silence('old', 3, ['new'])],
    ['lost, which ends it at once', IRA, (windows: Windows) => windows.close('old', 1006, 1, ['new'])],
  ] as const) {
    it(`ERR-8 ${how}, and perhaps started again before that was known: named for its grace time, since its process may live`, () => {
      const lost = (): Windows => {
        const windows = new Windows(profile);
        windows.start('old');
        windows.open('p1');
        windows.answer('old');
        windows.start('new');
        windows.open('p2');
        windows.answer('new');
        end(windows);
        windows.pass(GRACE_MS - 1);
        assert.match(windows.named.join(), /^old .* ended$/);
        return windows;
      };
      const gone = lost();
      assert.equal(nextDeadline(gone.state, 'n', { ...DEFAULT_POLICY, profile }), gone.now + 1);
      gone.pass(1);
      assert.deepEqual(gone.named, []);
      assert.equal(gone.subscription('new').standsIn, true);
      const back = lost();
      back.start('back');
      back.answer('back');
      assert.match(back.named.join(), /^old .* ended$/, 'it may be a third window');
      back.pass(1);
      assert.deepEqual(back.named, []);
      const left = lost();
      left.close('new', 1000);
      left.pass(1);
      assert.deepEqual(left.named, [], 'it was started again, and left');
    });
  }

  it('ERR-8, WEB-3 a callback that cannot be reached is lost, one that answers is not', () => {
    for (const [first, second, named] of [
      [true, true, []],
      [undefined, undefined, ['old failed ended']],
      [true, undefined, ['old failed ended']],
      [undefined, true, ['old failed ended']],
    ] as const) {
      const windows = new Windows();
      windows.startByWebhook('old');
      windows.open('p1');
      windows.answer('old', 'failed', first);
      windows.startByWebhook('new');
      windows.answer('new');
      windows.open('p2');
      windows.answer('old', 'failed', second);
      windows.answer('new');
      windows.decide({ kind: 'deny', ids: ['old'], reason: '3 events in a row could not be delivered' });
      assert.deepEqual(windows.named, named, `unreached before: ${first}, and after: ${second}`);
    }
  });

  it('ERR-8 with nothing open, who subscribes again may show what it showed: it is named until it follows', () => {
    for (const start of [(one: Windows) => one.start('new'), (one: Windows) => one.startByWebhook('new')]) {
      const windows = new Windows();
      windows.start('old');
      windows.open('p1');
      windows.answer('old', 'refused');
      windows.close('old', 1006);
      windows.accepted('Patient-close', [patient('p1')]);
      windows.pass();
      start(windows);
      assert.deepEqual(windows.named, ['new refused']);
      windows.open('p2');
      windows.answer('new');
      assert.deepEqual(windows.named, []);
    }
  });

  it('ERR-8 which subscriber may be a successor is not disclosed', () => {
    const windows = new Windows();
    windows.start('old');
    windows.open('p1');
    windows.close('old', 1006, 1);
    windows.start('unguessable');
    assert.deepEqual(windows.state.following.get('old')?.successors, ['unguessable']);
    const told = [notFollowing(windows.state, () => true), followingEvent(windows.state, 't', () => true, 0)];
    assert.doesNotMatch(JSON.stringify(told), /unguessable|successor/);
  });

  it('ERR-8 whatever happens, who may show another patient is named, and at rest only who was lost and not started again', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom(...STEPS), fc.nat(9), fc.nat()), { maxLength: 40, size: 'max' }),
        (steps) => {
          const random = new RandomWindows();
          for (const [step, which, by] of steps) {
            random[step](which, by);
            random.check();
          }
          random.rest();
        },
      ),
    );
  });
});

/** A process that shows a patient. */
interface Process {
  /** Its subscription. */
  id: string;
  isRunning: boolean;
  shows: string | undefined;
  /** Until when it may come back after it was denied, ms. */
  mayBeBackUntil?: number;
}

const STEPS = [
  'start',
  'change',
  'answers',
  'refuses',
  'loses',
  'crashes',
  'crashes unnoticed',
  'is cut unnoticed',
  'is noticed',
  'is denied unnoticed',
  'restarts',
  'returns',
  'waits',
  'leaves',
  'denied',
] as const;

/** Windows to which anything happens; what is said of them is compared with what they show. */
class RandomWindows {
  readonly #session = new Windows();
  readonly #processes: Process[] = [];
  #started = 0;
  /** Connections that are broken, and that the Hub takes for working, with what has subscribed since. */
  readonly #broken = new Map<string, string[]>();
  #current: string | undefined;
  /** Whether a window began while another was cut, which may be taken for that one: one of both is named then, if any of them is gone. */
  #isUnclear = false;

  #presence({ id }: Process): string | undefined {
    return this.#session.state.subscriptions.get(id)?.presence?.is;
  }

  #one(which: number, is: (one: Process) => boolean): Process | undefined {
    const found = this.#processes.filter(is);
    return found[which % Math.max(1, found.length)];
  }

  /** One that runs and whose connection works. */
  #connected(which: number): Process | undefined {
    return this.#one(
      which,
      (each) => each.isRunning && this.#presence(each) === 'connected' && !this.#broken.has(each.id),
    );
  }

  #subscribe(one: Process): void {
    one.id = `s${++this.#started}`;
    one.mayBeBackUntil = 0;
    this.#session.start(one.id);
    for (const begun of this.#broken.values()) begun.push(one.id);
  }

  /** Another window, while nobody is lost who does not run: afterwards it would be taken for that one. */
  start(): void {
    if (this.#processes.length >= 6) return;
    if (this.#processes.some(({ id, isRunning }) => !isRunning && this.#broken.has(id))) return;
    if (this.#processes.some((one) => this.#presence(one) !== 'connected')) return;
    if (this.#broken.size > 0) this.#isUnclear = true;
    const one: Process = { id: '', isRunning: true, shows: undefined };
    this.#processes.push(one);
    this.#subscribe(one);
  }

  change(which: number): void {
    this.#current = `p${which % 3}`;
    this.#session.open(this.#current);
    // Nobody has answered yet: that is known once the time for it has passed.
    for (const one of this.#processes) {
      if (this.#presence(one) === 'connected') this.#session.silence(one.id);
    }
  }

  #answer(one: Process): void {
    one.shows = this.#current;
    if (this.#current !== undefined) this.#session.answer(one.id);
  }

  answers(which: number): void {
    const one = this.#connected(which);
    if (one) this.#answer(one);
  }

  refuses(which: number): void {
    const one = this.#connected(which);
    if (one && one.shows !== this.#current) this.#session.answer(one.id, 'refused');
  }

  denied(which: number): void {
    const one = this.#connected(which);
    if (!one || one.shows === this.#current) return;
    this.#noticeAll();
    this.#session.silence(one.id, 3);
  }

  /** Its connection is gone, and it runs on. */
  loses(which: number, by: number): void {
    const one = this.#connected(which);
    if (one) this.#session.close(one.id, by % 2 ? 1006 : 4001);
  }

  crashes(which: number): void {
    const one = this.#one(which, ({ isRunning }) => isRunning);
    if (!one) return;
    one.isRunning = false;
    one.shows = undefined;
    if (this.#presence(one) === 'connected') this.#session.close(one.id, 1006);
  }

  'crashes unnoticed'(which: number): void {
    const one = this.#connected(which);
    if (!one) return;
    one.isRunning = false;
    one.shows = undefined;
    this.#broken.set(one.id, []);
  }

  /** Its connection is broken, and it runs on and shows what it shows. */
  'is cut unnoticed'(which: number): void {
    const one = this.#connected(which);
    if (one) this.#broken.set(one.id, []);
  }

  'is noticed'(which: number): void {
    const [id, begun] = [...this.#broken][which % Math.max(1, this.#broken.size)] ?? [];
    if (id === undefined) return;
    this.#broken.delete(id);
    this.#session.close(id, 1006, 0, begun);
  }

  'is denied unnoticed'(which: number): void {
    const [id, begun] = [...this.#broken][which % Math.max(1, this.#broken.size)] ?? [];
    if (id === undefined || begun === undefined || this.#current === undefined) return;
    // What broke earlier is noticed earlier.
    while (this.#broken.keys().next().value !== id) this['is noticed'](0);
    this.#broken.delete(id);
    this.#session.silence(id, 3, begun);
    for (const one of this.#processes) if (one.id === id) one.mayBeBackUntil = this.#session.now + GRACE_MS;
  }

  restarts(which: number): void {
    const one = this.#one(which, ({ isRunning }) => !isRunning);
    if (!one) return;
    one.isRunning = true;
    this.#subscribe(one);
  }

  returns(which: number): void {
    const one = this.#one(which, (each) => each.isRunning && this.#presence(each) !== 'connected');
    if (one && !this.#session.comeBack(one.id)) this.#subscribe(one);
  }

  /** Its user closes it. The Hub notices a broken connection within seconds. */
  leaves(which: number): void {
    const one = this.#connected(which);
    if (!one) return;
    this.#noticeAll();
    this.#processes.splice(this.#processes.indexOf(one), 1);
    this.#session.close(one.id, 1000);
  }

  /** What is broken is noticed before another subscription is over. */
  #noticeAll(): void {
    while (this.#broken.size > 0) this['is noticed'](0);
  }

  waits(_: number, by: number): void {
    this.#noticeAll();
    this.#session.pass((by % 5) * 30_000);
  }

  /** Nobody is named: then nobody who is connected, or may come back, shows another patient. */
  check(): void {
    if (this.#session.named.length > 0) return;
    for (const one of this.#processes) {
      const isKnown = this.#presence(one) !== undefined || this.#session.now < (one.mayBeBackUntil ?? 0);
      // What is broken is asked for its answer to what is opened next.
      if (one.shows === undefined || !isKnown) continue;
      assert.equal(one.shows, this.#current, `${one.id} shows it, and nobody is named`);
    }
  }

  /** Whoever runs is back and follows. */
  rest(): void {
    this.#noticeAll();
    for (const one of this.#processes) {
      if (one.isRunning && this.#presence(one) !== 'connected') {
        if (!this.#session.comeBack(one.id)) this.#subscribe(one);
      }
    }
    this.#session.pass();
    for (const one of this.#processes) if (one.isRunning) this.#answer(one);
    const gone = this.#processes.filter(({ isRunning }) => !isRunning);
    const { named } = this.#session;
    if (this.#isUnclear) assert.ok(named.length <= gone.length, `named: ${named}`);
    else assert.equal(named.length, gone.length, `named: ${named}`);
  }
}
