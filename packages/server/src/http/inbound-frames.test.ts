import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FrameShares, type InboundFrames } from './inbound-frames.ts';

/** A socket that sends without end, in pieces of this many frames, and stops while it is paused. */
const PIECE = 100;

/** Node's event loop and clock, one second after the other. */
class Loop {
  now = 0;
  readonly shares: FrameShares;
  #timers: { readonly at: number; readonly run: () => void }[] = [];

  constructor() {
    this.shares = new FrameShares({
      now: () => this.now,
      after: (ms, run) => {
        this.#timers.push({ at: this.now + ms, run });
        return () => undefined;
      },
    });
  }

  socket(...owners: readonly string[]): Flooder {
    return new Flooder(this.shares, owners);
  }

  /** Lets every socket send as much as it is read, for this long. */
  async run(seconds: number, sockets: readonly Flooder[]): Promise<void> {
    for (const end = this.now + seconds * 1000; this.now < end; this.now += 100) {
      const due = this.#timers.filter(({ at }) => at <= this.now);
      this.#timers = this.#timers.filter(({ at }) => at > this.now);
      for (const { run } of due) run();
      for (const socket of sockets) socket.flood();
      // Pauses are timed once what came in the same turn was counted.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

class Flooder {
  read = 0;
  isPaused = false;
  readonly frames: InboundFrames;

  constructor(shares: FrameShares, owners: readonly string[]) {
    this.frames = shares.open(this, owners);
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  flood(): void {
    if (!this.isPaused) this.send(PIECE);
  }

  send(frames: number): void {
    for (let n = 0; n < frames; n++) this.frames.count();
    this.read += frames;
  }
}

const sum = (sockets: readonly Flooder[]): number => sockets.reduce((all, { read }) => all + read, 0);
const many = <T>(count: number, make: (n: number) => T): T[] => Array.from({ length: count }, (_, n) => make(n));

describe('SUB-13 how many frames are read of', () => {
  for (const [what, owners] of [
    ['one client, whatever sockets it has', (n: number) => ['client a', `user ${n}`]],
    ['one user, whatever clients they have', (n: number) => [`client ${n}`, 'user a']],
    ['one client without a user', () => ['client a']],
  ] as const) {
    it(what, async () => {
      const alone = new Loop();
      const one = [alone.socket(...owners(0))];
      await alone.run(20, one);
      const loop = new Loop();
      const sixty = many(60, (n) => loop.socket(...owners(n)));
      await loop.run(20, sixty);
      // Each of them has a little for itself, and is read by the piece.
      const most = sum(one) + 60 * (10 + 20 + 2 * PIECE);
      assert.ok(sum(sixty) <= most, `${sum(sixty)} of sixty, ${sum(one)} of one`);
      assert.ok(sum(sixty) >= sum(one) / 2, `${sum(sixty)}`);
    });
  }

  it('others: they have their own share, and answers and pongs that were asked for are read at once', async () => {
    const loop = new Loop();
    const flood = many(60, () => loop.socket('client a', 'user a'));
    const others = [loop.socket('client b', 'user b'), loop.socket('client c')];
    // The same application at another person's desk, and another application of the same person.
    const near = [loop.socket('client a', 'user n'), loop.socket('client n', 'user a')];
    await loop.run(5, flood);
    for (const socket of [...others, ...near]) {
      for (let n = 0; n < 5_000; n++) socket.frames.awaitAnswer();
      socket.send(5_000);
      socket.frames.awaitPong();
      socket.frames.pong();
      assert.equal(socket.isPaused, false);
    }
    for (const socket of others) socket.send(1_500);
    // What nobody asked for is read of them too, a frame a second.
    for (const socket of near) socket.send(10);
    assert.ok([...others, ...near].every(({ isPaused }) => !isPaused));
    for (let seconds = 0; seconds < 30; seconds++) {
      await loop.run(1, flood);
      for (const socket of near) socket.send(1);
      assert.ok(near.every(({ isPaused }) => !isPaused));
    }
  });

  it('who sent a little too much beside a flood: it is read again soon, however much the flood owes', async () => {
    const loop = new Loop();
    const flood = many(60, () => loop.socket('client a', 'user a'));
    for (const socket of flood) socket.send(10_000);
    const near = loop.socket('client a', 'user n');
    near.send(12);
    assert.equal(near.isPaused, true);
    await loop.run(5, []);
    assert.equal(near.isPaused, false);
    assert.ok(flood.every(({ isPaused }) => isPaused));
  });

  it('who connects again: what was sent before counts still', async () => {
    const loop = new Loop();
    let read = 0;
    for (let round = 0; round < 100; round++) {
      const socket = loop.socket('client a', 'user a');
      while (!socket.isPaused && socket.read < 10_000) socket.send(PIECE);
      read += socket.read;
      socket.frames.end();
    }
    assert.ok(read <= 2_000 + 100 * (10 + PIECE), `${read}`);
    // A share is kept for as long as it takes to be whole again, and not for ever.
    for (let n = 0; n < 10_000; n++) loop.socket(`client ${n}`).frames.end();
    assert.ok(loop.shares.size < 2_100, `${loop.shares.size}`);
    for (let n = 0; n < 10_000; n++) {
      const socket = loop.socket(`client of many ${n}`);
      socket.frames.count(2_100 * 1024);
      socket.frames.end();
    }
    assert.ok(loop.shares.size < 2_100, `${loop.shares.size}`);
  });

  it('a pong without a ping counts', () => {
    const flooder = new Loop().socket('client a');
    for (let n = 0; n < 3_000; n++) flooder.frames.pong();
    assert.equal(flooder.isPaused, true);
  });
});
