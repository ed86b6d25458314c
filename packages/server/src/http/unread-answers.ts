/** Answers that were given and that their clients do not read: each is in memory until it was sent. */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * How long a client may read nothing of what waits for it, ms. The systems of both sides hold some MB on the way: what a client reads at
 * 25 KB a second shows only so often.
 */
const PATIENCE = 60_000;
/** Bytes that wait for clients at once: those who have kept theirs longest are cut then. Clients that are merely slow need less. */
const MOST_WAITING = 128 * 1024 * 1024;

/** Ends connections whose clients do not read what they have asked for (CWE-400). */
export class UnreadAnswers {
  /** Bytes that wait, by connection; who has kept some longest is the first. */
  readonly #waiting = new Map<Socket, number>();
  readonly #patience: number;
  readonly #most: number;
  readonly #closed: (this: Socket) => void;
  #bytes = 0;

  constructor({ patience = PATIENCE, most = MOST_WAITING } = {}) {
    this.#patience = patience;
    this.#most = most;
    const gone = (socket: Socket): void => this.#read(socket, this.#waiting.get(socket) ?? 0);
    // Shared by all sockets.
    this.#closed = function closed() {
      gone(this);
    };
  }

  /** Bytes that wait for clients. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Watches an answer that was given whole, until it was sent.
   * @param toCome bytes of it that its connection was not given yet
   */
  watch(response: ServerResponse, toCome = 0): void {
    const size = response.writableLength + toCome;
    const { socket } = response.req;
    if (size === 0 || response.writableFinished || socket.destroyed) return;
    const before = this.#waiting.get(socket);
    this.#waiting.set(socket, (before ?? 0) + size);
    this.#bytes += size;
    if (before === undefined) {
      socket.once('close', this.#closed);
      // Counts from when the system last took some, however long the answer is. Node's server ends the connection then.
      socket.setTimeout(this.#patience);
    }
    response.once('finish', () => this.#read(socket, size));
    for (const longest of this.#waiting.keys()) {
      if (this.#bytes <= this.#most) break;
      this.#read(longest, this.#waiting.get(longest) ?? 0);
      longest.destroy();
    }
  }

  #read(socket: Socket, bytes: number): void {
    const before = this.#waiting.get(socket);
    if (before === undefined) return;
    const left = Math.max(0, before - bytes);
    this.#bytes -= before - left;
    if (left > 0) {
      this.#waiting.set(socket, left);
      return;
    }
    this.#waiting.delete(socket);
    socket.off('close', this.#closed);
    // Unless it has the time of an idle connection by now.
    if (socket.timeout === this.#patience) socket.setTimeout(0);
  }
}
