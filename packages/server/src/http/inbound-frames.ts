/** How much the peers of WebSockets may send to this node. */
import { type Clock, runningTime } from '@lockstep/hub';
import type { WebSocket } from 'ws';

/** Frames that are read beside the answers that were asked for: in one go, and in a second from then on. */
interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

/** Of one socket, and of all sockets of one client or one user together (SUB-13). */
const SHARE: Rate = { burst: 2_000, perSecond: 1_000 };
/** Of one socket, whatever others of the same client or user send. */
const GUARANTEED: Rate = { burst: 10, perSecond: 1 };
/** Characters that count as one frame more: long ones take longer to read. */
const FRAME_SIZE = 1024;
/** Answers that are waited for at most: who never answers does not save up for a flood. */
const MOST_AWAITED = 100_000;
/** Shares that are kept beside those that are held, so that who connects again comes back to what it has used. */
const MOST_IDLE = 1_000;

/** What may still be sent of a share. */
class Allowance {
  readonly #rate: Rate;
  #left: number;
  /** ms of running time. */
  #at: number;

  constructor(rate: Rate, now: number) {
    this.#rate = rate;
    this.#left = rate.burst;
    this.#at = now;
  }

  /** Frames that may come now; less than none while too many have come. @param now ms of running time */
  left(now: number): number {
    this.#left = Math.min(this.#rate.burst, this.#left + ((now - this.#at) * this.#rate.perSecond) / 1000);
    this.#at = now;
    return this.#left;
  }

  take(frames: number, now: number): void {
    this.#left = this.left(now) - frames;
  }

  /** ms until nothing is owed any more. */
  wait(now: number): number {
    return Math.max(0, (-this.left(now) * 1000) / this.#rate.perSecond);
  }

  isFull(now: number): boolean {
    return this.left(now) === this.#rate.burst;
  }
}

/** One share, by the sockets that hold it. */
interface Held {
  readonly allowance: Allowance;
  holders: number;
}

/** The shares of clients and users at this node: each protects its own event loop, so that nothing need be told to others. */
export class FrameShares {
  readonly #clock: Clock;
  readonly #held = new Map<string, Held>();
  #idle = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many shares are kept. */
  get size(): number {
    return this.#held.size;
  }

  /** @param owners whose shares the socket draws from, such as its client and its user */
  open(socket: Pick<WebSocket, 'isPaused' | 'pause' | 'resume'>, owners: readonly string[]): InboundFrames {
    const shares = owners.map((owner) => this.#take(owner));
    return new InboundFrames(socket, this.#clock, shares, this);
  }

  /** A socket that drew from these is gone. */
  release(shares: readonly Held[]): void {
    for (const share of shares) if (--share.holders === 0) this.#idle += 1;
    if (this.#idle > MOST_IDLE) this.#forget();
  }

  #take(owner: string): Held {
    const known = this.#held.get(owner);
    if (known) {
      if (known.holders++ === 0) this.#idle -= 1;
      return known;
    }
    const share = { allowance: new Allowance(SHARE, runningTime(this.#clock)), holders: 1 };
    this.#held.set(owner, share);
    return share;
  }

  /** Drops shares that nobody holds: those that are whole again, and then whatever is there. */
  #forget(): void {
    const now = runningTime(this.#clock);
    const idle = [...this.#held].filter(([, { holders }]) => holders === 0);
    const owing = idle.filter(([, { allowance }]) => !allowance.isFull(now));
    const dropped = owing.length > MOST_IDLE / 2 ? idle : idle.filter(([, { allowance }]) => allowance.isFull(now));
    for (const [owner] of dropped) this.#held.delete(owner);
    this.#idle = idle.length - dropped.length;
  }
}

/** Holds one peer, and all that belong together, to a share of the event loop, however fast they send frames. */
export class InboundFrames {
  readonly #socket: Pick<WebSocket, 'isPaused' | 'pause' | 'resume'>;
  readonly #clock: Clock;
  /** Made with the first frame that was not asked for: both are whole until then. */
  #own: Allowance | undefined;
  #guaranteed: Allowance | undefined;
  readonly #shares: readonly Held[];
  readonly #owners: FrameShares;
  #awaited = 0;
  #isPongAwaited = false;

  constructor(
    socket: Pick<WebSocket, 'isPaused' | 'pause' | 'resume'>,
    clock: Clock,
    shares: readonly Held[],
    owners: FrameShares,
  ) {
    this.#socket = socket;
    this.#clock = clock;
    this.#shares = shares;
    this.#owners = owners;
  }

  /** The peer was sent an event: its answer is read at once, however many come. */
  awaitAnswer(): void {
    if (this.#awaited < MOST_AWAITED) this.#awaited += 1;
  }

  /** The peer was sent a ping: its pong is read at once. All peers are sent theirs at the same time. */
  awaitPong(): void {
    this.#isPongAwaited = true;
  }

  pong(): void {
    if (this.#isPongAwaited) this.#isPongAwaited = false;
    else this.count();
  }

  /**
   * Counts a frame. Whoever sends too many is read no further until that was worked off: its connection backs up.
   * @param size characters of its text
   */
  count(size = 0): void {
    let frames = 1 + Math.floor(size / FRAME_SIZE);
    if (this.#awaited > 0) {
      this.#awaited -= 1;
      frames -= 1;
      if (frames === 0) return;
    }
    const now = runningTime(this.#clock);
    this.#own ??= new Allowance(SHARE, now);
    this.#guaranteed ??= new Allowance(GUARANTEED, now);
    const own = this.#own;
    const guaranteed = this.#guaranteed;
    own.take(frames, now);
    // Who sends little is read, whatever others of its client or user send.
    if (guaranteed.left(now) >= frames) guaranteed.take(frames, now);
    else {
      for (const { allowance } of this.#shares) allowance.take(frames, now);
      if (this.#sharedWait(now) > 0) guaranteed.take(frames, now);
    }
    /** ms until the peer may be read on. */
    const wait = (at: number): number => Math.max(own.wait(at), Math.min(this.#sharedWait(at), guaranteed.wait(at)));
    if (wait(now) === 0 || this.#socket.isPaused) return;
    this.#socket.pause();
    // What came in the same piece is still dealt with: how much that was shows after it.
    setImmediate(() => this.#clock.after(wait(runningTime(this.#clock)), () => this.#socket.resume()));
  }

  #sharedWait(now: number): number {
    return Math.max(0, ...this.#shares.map(({ allowance }) => allowance.wait(now)));
  }

  /** The peer is gone. */
  end(): void {
    this.#owners.release(this.#shares);
  }
}
