/** How much a peer of a WebSocket may send. */
import { type Clock, runningTime } from '@lockstep/hub';
import type { WebSocket } from 'ws';

/** Frames that are read of one peer beside the answers that it was asked for: in one go, and in a second from then on. */
const BURST = 2_000;
const PER_SECOND = 1_000;
/** Characters that count as one frame more: long ones take longer to read. */
const FRAME_SIZE = 1024;
/** Answers that are waited for at most: who never answers does not save up for a flood. */
const MOST_AWAITED = 100_000;

/** Holds one peer to a share of the event loop, however fast it sends frames. */
export class InboundFrames {
  readonly #socket: Pick<WebSocket, 'isPaused' | 'pause' | 'resume'>;
  readonly #clock: Clock;
  /** Frames that may come now; less than none while it has sent too many. */
  #left = BURST;
  #awaited = 0;
  /** ms of running time. */
  #at: number;

  constructor(socket: Pick<WebSocket, 'isPaused' | 'pause' | 'resume'>, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
    this.#at = runningTime(clock);
  }

  /** The peer was sent an event: its answer is read at once, however many come. */
  awaitAnswer(): void {
    if (this.#awaited < MOST_AWAITED) this.#awaited += 1;
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
    this.#left = Math.min(BURST, this.#left + ((now - this.#at) * PER_SECOND) / 1000) - frames;
    this.#at = now;
    if (this.#left >= 0 || this.#socket.isPaused) return;
    this.#socket.pause();
    // What came in the same piece is still dealt with: how much that was shows after it.
    setImmediate(() => this.#clock.after((-this.#left * 1000) / PER_SECOND, () => this.#socket.resume()));
  }
}
