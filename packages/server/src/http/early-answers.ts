/** How answers are given: before the request has arrived whole, and long ones in parts. */
import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { UnreadAnswers } from './unread-answers.ts';

/** Bytes of a refused body that are read, so that the connection can be kept. */
const WORTH_READING = 64 * 1024;
/** How long a client has for reading its answer before the connection is cut, ms. */
const LINGER = 500;
/** Connections that are left such time at once. The system holds up to some MB for each connection that is not read. */
const MOST_LINGERING = 64;
/** Bytes of a long answer that are given to its connection at once: whether the client reads shows after each, also with TLS. */
const PART = 256 * 1024;

/** Whether more than is worth reading is, or may be, still to come. */
function hasMuchLeft({ complete, headers }: IncomingMessage): boolean {
  if (complete) return false;
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > WORTH_READING;
}

/**
 * Connections that were answered and are read no more. Cut at once, the system would tell the client that the connection failed, and
 * the client would lose its answer (RFC 9112 section 9.6).
 */
export class Lingering {
  readonly #cuts = new Map<Socket, NodeJS.Timeout>();

  /** Says to the client that nothing more comes, reads nothing more, and cuts the connection when the client had time to read. */
  leave(socket: Socket): void {
    if (this.#cuts.has(socket)) return;
    // Node's server goes on reading the body after its answer; it does so by this method.
    socket.resume = () => socket;
    socket.pause();
    socket.end();
    this.#cuts.set(
      socket,
      setTimeout(() => socket.destroy(), LINGER),
    );
    socket.once('close', () => {
      clearTimeout(this.#cuts.get(socket));
      this.#cuts.delete(socket);
    });
    for (const oldest of this.#cuts.keys()) {
      if (this.#cuts.size <= MOST_LINGERING) break;
      this.#cut(oldest);
    }
  }

  #cut(socket: Socket): void {
    clearTimeout(this.#cuts.get(socket));
    this.#cuts.delete(socket);
    socket.destroy();
  }

  /** Cuts them all now. */
  close(): void {
    for (const socket of [...this.#cuts.keys()]) this.#cut(socket);
  }
}

/**
 * Ends a connection on which everything was said: what still comes is read for nothing, so that the client's end is seen, and who does
 * not hang up is cut.
 */
export function endAfterLastWord(socket: Duplex): void {
  const cut = setTimeout(() => socket.destroy(), LINGER);
  socket.once('close', () => clearTimeout(cut)).resume();
}

/** The bytes of a body that is sent in parts; undefined for one that is not long, or not sent. */
function longBody({ req, statusCode }: ServerResponse, body: unknown, encoding: unknown): Uint8Array | undefined {
  if (req.method === 'HEAD' || statusCode === 204 || statusCode === 304) return undefined;
  if (body instanceof Uint8Array) return body.length > PART ? body : undefined;
  if (typeof body !== 'string' || body.length <= PART) return undefined;
  return Buffer.from(body, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8');
}

/**
 * The class of answers that end the connection where the request's body would have to be read for nothing, and that are watched until
 * they were sent.
 */
export function answersOf(lingering: Lingering, unread: UnreadAnswers): typeof ServerResponse {
  return class extends ServerResponse {
    override writeHead(status: number, ...rest: readonly unknown[]): this {
      if (hasMuchLeft(this.req)) this.shouldKeepAlive = false;
      return (super.writeHead as (status: number, ...rest: readonly unknown[]) => this).call(this, status, ...rest);
    }

    override end(...args: unknown[]): this {
      const { req, socket } = this;
      // Called by Node's server after the last answer of a connection.
      if (socket && !req.complete) {
        const destroySoon = socket.destroySoon;
        socket.destroySoon = () => (req.complete ? destroySoon.call(socket) : lingering.leave(socket));
      }
      const [body, encoding] = args;
      const long = longBody(this, body, encoding);
      if (long) this.#endInParts(long, args.at(-1));
      else (super.end as (...args: unknown[]) => this).apply(this, args);
      unread.watch(this, long && long.length - PART);
      return this;
    }

    #endInParts(bytes: Uint8Array, done: unknown): void {
      if (!this.headersSent && !this.hasHeader('transfer-encoding')) this.setHeader('content-length', bytes.length);
      const send = (from: number): void => {
        const part = bytes.subarray(from, from + PART);
        if (from + PART < bytes.length) {
          super.write(part, (error) => {
            if (!error) send(from + PART);
          });
        } else super.end(part, typeof done === 'function' ? (done as () => void) : undefined);
      };
      send(0);
    }
  } as typeof ServerResponse;
}
