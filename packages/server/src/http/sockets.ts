/** WebSocket endpoints on the HTTP server's own port (SUB-7, SUB-11). */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import {
  type Channel,
  type Clock,
  type ConnectedSubscriber,
  type FoundEndpoint,
  type Hub,
  runningTime,
} from '@lockstep/hub';
import { WebSocket, WebSocketServer } from 'ws';
import { writeTextFrame } from './frame.ts';
import { FrameShares, type InboundFrames } from './inbound-frames.ts';
import { JoinQueue } from './join-queue.ts';
import { cleanAddress, splitAddress } from './request-address.ts';
import { type FrameListener, ShortFrames } from './short-frames.ts';

/** Subscribers send answers; nothing they have to say is larger. Bytes. */
const MAX_FRAME = 64 * 1024;
/** Peers that are pinged in one turn of the event loop. */
const CHECKED_AT_ONCE = 50;
const PATH = /^\/hub\/ws\/([A-Za-z0-9_-]+)$/;

export interface SocketOptions {
  readonly hub: Hub;
  readonly clock: Clock;
  /** ms between pings; a peer that has not been heard since the last one is closed. */
  readonly pingMs: number;
}

/** Where an endpoint is, below the Hub's origin. */
export function endpointPath(id: string): string {
  return `/hub/ws/${id}`;
}

/** Answers a request for a WebSocket with a status instead. */
export function refuseUpgrade(socket: Duplex, status: string, reason: string): void {
  const body = `${reason}\n`;
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

/** One subscriber's connection: the Hub's channel to it. */
class Peer implements Channel, FrameListener {
  /** Whether anything came since the last ping. */
  heard = true;
  /** Whether its socket was ended since it was silent. */
  isSilent = false;
  connection: ConnectedSubscriber | undefined;
  readonly frames: InboundFrames;
  readonly #socket: PeerSocket;
  readonly #stream: Duplex;
  readonly #peers: Set<Peer>;

  /** @param peers those that are connected, until it is not */
  constructor(socket: PeerSocket, stream: Duplex, peers: Set<Peer>, frames: InboundFrames) {
    this.#socket = socket;
    this.#stream = stream;
    this.#peers = peers;
    this.frames = frames;
    peers.add(this);
    socket.peer = this;
  }

  send(text: string | Uint8Array): void {
    if (typeof text === 'string') {
      this.#socket.send(text);
      return;
    }
    // Events are bytes, and are answered.
    this.frames.awaitAnswer();
    // Without compression `ws` writes each frame at once, so frames written beside it stay whole and in order.
    if (this.#socket.readyState === WebSocket.OPEN) writeTextFrame(this.#stream, text);
  }

  /** A text frame arrived. */
  text(text: string): void {
    this.heard = true;
    this.frames.count(text.length);
    this.connection?.received(text);
  }

  pong(): void {
    this.heard = true;
    this.frames.pong();
    this.connection?.heard();
  }

  pinged(): void {
    this.heard = true;
    this.frames.count();
    this.connection?.heard();
  }

  /** The connection is gone. */
  closed(code: number): void {
    if (this.#peers.delete(this)) this.frames.end();
    this.connection?.closed(code, this.isSilent);
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason);
  }

  get buffered(): number {
    return this.#stream.writableLength;
  }

  onDrain(run: () => void): void {
    if (!this.#stream.writableNeedDrain || this.#stream.destroyed) {
      setImmediate(run);
      return;
    }
    const over = (): void => {
      this.#stream.off('drain', over).off('close', over);
      // What the system takes at once is drained within this turn.
      setImmediate(run);
    };
    this.#stream.on('drain', over).on('close', over);
  }

  /** Pings the peer, or ends its socket when it has been silent since the last ping. */
  check(heardAll: boolean): void {
    if (!this.heard && heardAll) {
      this.isSilent = true;
      this.terminate();
      return;
    }
    this.heard = false;
    this.probe();
  }

  probe(): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    this.frames.awaitPong();
    this.#socket.ping();
  }

  terminate(): void {
    this.#socket.terminate();
  }
}

/** Gives what happens to its peer. Listeners would do the same, and take half a KiB for each of many sockets. */
class PeerSocket extends WebSocket {
  peer: Peer | undefined;

  override emit(event: string | symbol, ...values: unknown[]): boolean {
    const { peer } = this;
    if (!peer) return false;
    if (event === 'message') {
      const [data, isBinary] = values as [Buffer, boolean];
      // A binary frame is no answer, whatever it holds.
      peer.text(isBinary ? '' : data.toString('utf8'));
    } else if (event === 'pong') peer.pong();
    // `ws` has answered it, and ends a connection on which too many answers wait to be read.
    else if (event === 'ping') peer.pinged();
    else if (event === 'close') peer.closed(values[0] as number);
    // Protocol errors and broken connections end in a close, which is what counts.
    return true;
  }
}

/** The Hub's endpoints, for requests to upgrade to a WebSocket. */
export class Sockets {
  readonly #hub: Hub;
  readonly #clock: Clock;
  /** ms of running time. */
  #pingedAt: number;
  readonly #pingMs: number;
  readonly #server = new WebSocketServer({
    WebSocket: PeerSocket,
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_FRAME,
    clientTracking: false,
  });
  readonly #peers = new Set<Peer>();
  readonly #shares: FrameShares;
  readonly #joins: JoinQueue;
  #cancelPing: () => void;

  constructor({ hub, clock, pingMs }: SocketOptions) {
    this.#hub = hub;
    this.#clock = clock;
    this.#shares = new FrameShares(clock);
    this.#joins = new JoinQueue(clock);
    this.#pingMs = pingMs;
    this.#pingedAt = runningTime(clock);
    this.#cancelPing = clock.after(pingMs, () => this.#ping());
  }

  /** Connects a subscriber to its endpoint, or refuses the upgrade. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#joins.add(() =>
      this.#admit(request, socket, head).catch(() =>
        refuseUpgrade(socket, '503 Service Unavailable', 'Try again later'),
      ),
    );
  }

  async #admit(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const [path, query] = splitAddress(cleanAddress(request.url ?? '/'));
    const id = PATH.exec(path)?.[1];
    const found = id === undefined ? undefined : await this.#hub.findEndpoint(id);
    if (id === undefined || !found) {
      refuseUpgrade(socket, '404 Not Found', 'There is no such subscription endpoint');
      return;
    }
    const since = new URLSearchParams(query).get('since') ?? undefined;
    const endpoint = { id, ...found };
    let connected: Promise<void> | undefined;
    this.#server.handleUpgrade(request, socket, head, (client) => {
      connected = this.#connect(client, socket, endpoint, since);
    });
    await connected;
  }

  async #connect(
    socket: PeerSocket,
    stream: Duplex,
    endpoint: { readonly id: string } & FoundEndpoint,
    since?: string,
  ): Promise<void> {
    const owners = [`client ${endpoint.clientId}`, ...(endpoint.user === undefined ? [] : [`user ${endpoint.user}`])];
    const peer = new Peer(socket, stream, this.#peers, this.#shares.open(socket, owners));
    ShortFrames.read(stream, peer);
    // What the client says first is read once the Hub knows it.
    socket.pause();
    try {
      peer.connection = await this.#hub.connect(endpoint, peer, since);
    } catch {
      socket.close(1013, 'Try again later');
    }
    socket.resume();
    if (socket.readyState === WebSocket.CLOSED) peer.connection?.closed(1006);
  }

  #ping(): void {
    // A process that stood still has not read what its peers have said meanwhile.
    const ran = runningTime(this.#clock);
    const heardAll = ran - this.#pingedAt >= this.#pingMs / 2;
    this.#pingedAt = ran;
    this.#checkSome(this.#peers.values(), heardAll);
  }

  /** Checks peers, some at a time: events that come meanwhile, and the peers' answers, are not kept waiting by all of them. */
  #checkSome(peers: SetIterator<Peer>, heardAll: boolean): void {
    for (let count = 0; count < CHECKED_AT_ONCE; count++) {
      const { value: peer, done } = peers.next();
      if (done) {
        this.#cancelPing = this.#clock.after(this.#pingMs, () => this.#ping());
        return;
      }
      peer.check(heardAll);
    }
    const next = setImmediate(() => this.#checkSome(peers, heardAll));
    this.#cancelPing = () => clearImmediate(next);
  }

  /** Ends the pings and cuts what is still connected. */
  end(): void {
    this.#cancelPing();
    for (const peer of this.#peers) peer.terminate();
  }
}
