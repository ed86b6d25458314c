/** How much a peer of a WebSocket may send. */
import { type Clock, runningTime } from '@lockstep/hub';
import type { WebSocket } from 'ws';

/** Frames that are read of one peer: in one go, and in a second from then on. A subscriber answers each event with one. */
const BURST = 2_000;
const PER_SECOND = 1_000;

/** Holds one peer to a share of the event loop, however fast it sends small frames. */
export class InboundFrames {
  readonly #socket: Pick<WebSocket, 'isPaused' | 'pause' | 'resume'>;
  readonly #clock: Clock;
  /** Frames that may come now; less than none while it has sent too many. */
  #left = BURST;
  /** ms of running time. */
  #at: number;

  constructor(socket: Pick<WebSocket, 'isPaused' | 'pause' | 'resume'>, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
    this.#at = runningTime(clock);
  }

  /** Counts a frame. Whoever sends too many is read no further until that was worked off: its connection backs up. */
  count(): void {
    const now = runningTime(this.#clock);
    this.#left = Math.min(BURST, this.#left + ((now - this.#at) * PER_SECOND) / 1000) - 1;
    this.#at = now;
    if (this.#left >= 0 || this.#socket.isPaused) return;
    this.#socket.pause();
    // What came in the same piece is still dealt with: how much that was shows after it.
    setImmediate(() => this.#clock.after((-this.#left * 1000) / PER_SECOND, () => this.#socket.resume()));
  }
}
