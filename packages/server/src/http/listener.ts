import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { enter, responseBelow } from './base-path.ts';
import { answersOf, endAfterLastWord, Lingering } from './early-answers.ts';
import type { Certificate } from './tls-files.ts';
import { UnreadAnswers } from './unread-answers.ts';

/** Connections that may wait to be taken: after a network has failed, everybody returns at once. The system may allow fewer. */
const BACKLOG = 4_096;

/** How long an idle connection is kept, ms: longer than the 60 s for which balancers keep theirs, so that they close first. */
const KEEP_ALIVE = 72_000;
/** How long a request's head, and a whole request, may take to arrive, ms: half-open ones must not pile up (CWE-400). */
const HEADERS_TIMEOUT = 20_000;
const REQUEST_TIMEOUT = 60_000;
/** How long requests in progress may take while the server stops, ms. */
const GRACE = 5000;
/** Requests of one connection that may wait behind another (RFC 9112 section 9.3.2): a connection that sends more is cut. */
const MOST_WAITING = 64;

/** What answers while not everything is let in. */
export interface BeforeOpen {
  readonly request: RequestListener;
  readonly upgrade: UpgradeListener;
}

/** Reads a new connection when it is its turn, or cuts it. */
export type ReadWhen = (address: string, read: () => void, cut: () => void) => void;

export type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

const pemOf = ({ cert, key }: Pick<Certificate, 'cert' | 'key'>) => ({ cert, key });

/** Shared by all sockets: one made for each would keep its request in memory for as long as the connection lasts. */
function destroyed(this: Duplex): void {
  this.destroy();
}

/** Nothing watches a connection whose WebSocket was refused but this: it would stay for as long as the client likes (CWE-772). */
function finished(this: Duplex): void {
  endAfterLastWord(this);
}

/** How many Host headers there are: with two, a proxy in front may have decided by another one (RFC 9112 section 3.2). */
function hostHeaders({ rawHeaders }: IncomingMessage): number {
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? '';
    if (name.length === 4 && name.toLowerCase() === 'host') count += 1;
  }
  return count;
}

/**
 * The HTTP server's listening side. It takes its port before Lockstep is ready, since the addresses that Lockstep hands out
 * hold the port; what arrives until then waits.
 */
export class Listener {
  readonly #server: Server;
  /** The same, where it speaks https. */
  readonly #secure: SecureServer | undefined;
  #onRequest: RequestListener = () => undefined;
  #onUpgrade: UpgradeListener | undefined;
  #isOpen = false;
  #connections = 0;
  #waiting: ((before?: BeforeOpen) => void)[] = [];
  #before: BeforeOpen | undefined;
  /** Connections that asked for a WebSocket: the server no longer ends them. */
  readonly #upgrades = new Set<Duplex>();
  #readWhen: ReadWhen = (_address, read) => read();
  /** Connections that are not read yet: the server does not know of them. */
  readonly #unread = new Set<Socket>();
  readonly #basePath: string;
  readonly #lingering = new Lingering();
  /** By connection: requests that wait behind others of it. */
  readonly #behind = new WeakMap<Socket, number>();
  readonly #graceMs: number;

  /**
   * @param options.certificate what it shows; without one it speaks plain http
   * @param options.basePath the path that a proxy serves Lockstep below, such as `/lockstep`
   * @param options.graceMs how long what is in progress may take while it closes, ms
   * @param options.unread ends connections whose clients do not read their answers
   */
  constructor({
    certificate,
    basePath = '',
    graceMs = GRACE,
    unread = new UnreadAnswers(),
  }: {
    readonly certificate?: Pick<Certificate, 'cert' | 'key'> | undefined;
    readonly basePath?: string;
    readonly graceMs?: number;
    readonly unread?: UnreadAnswers;
  } = {}) {
    this.#basePath = basePath;
    this.#graceMs = graceMs;
    const answer = answersOf(this.#lingering, unread);
    const options = {
      keepAliveTimeout: KEEP_ALIVE,
      headersTimeout: HEADERS_TIMEOUT,
      requestTimeout: REQUEST_TIMEOUT,
      ServerResponse: basePath === '' ? answer : responseBelow(basePath, answer),
      // Java's HTTP client offers h2c with every request; that is no reason not to answer it.
      shouldUpgradeCallback: ({ headers }: IncomingMessage) => headers.upgrade?.toLowerCase() === 'websocket',
    };
    const onRequest = (request: IncomingMessage, response: ServerResponse): void => this.#request(request, response);
    this.#secure =
      certificate && createSecureServer({ ...options, ...pemOf(certificate), minVersion: 'TLSv1.2' }, onRequest);
    this.#server = this.#secure ?? createServer(options, onRequest);
    const upgrades = this.#upgrades;
    // Shared by all sockets, as `destroyed` is.
    function left(this: Duplex): void {
      upgrades.delete(this);
    }
    this.#readInTurn();
    this.#server.on('upgrade', (request, socket, head) => {
      enter(request, this.#basePath);
      // Each happens once: with `once`, Node would make a function for every socket.
      socket.on('error', destroyed).on('finish', finished).on('close', left);
      upgrades.add(socket);
      if (hostHeaders(request) > 1)
        socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      else this.#once((before) => (before ? before.upgrade : this.#onUpgrade)?.(request, socket, head));
    });
  }

  /** Has connections wait, unread, until `readWhen` says that they are read. */
  #readInTurn(): void {
    const server: Server & { pauseOnConnect?: boolean } = this.#server;
    // An option of net.Server, which the servers of HTTP do not pass on.
    server.pauseOnConnect = true;
    const take = server.listeners('connection') as ((socket: Socket) => void)[];
    server.removeAllListeners('connection');
    const gone = (socket: Socket): void => {
      this.#connections -= 1;
      this.#unread.delete(socket);
    };
    // Shared by all sockets, as `destroyed` is.
    function closed(this: Socket): void {
      gone(this);
    }
    server.on('connection', (socket: Socket) => {
      this.#connections += 1;
      this.#unread.add(socket);
      socket.on('close', closed);
      const read = (): void => {
        if (!this.#unread.delete(socket)) return;
        for (const one of take) one.call(server, socket);
        socket.resume();
      };
      this.#readWhen(socket.remoteAddress ?? '', read, () => socket.destroy());
    });
    this.#secure?.on('secureConnection', (socket) => socket.resume());
  }

  #request(request: IncomingMessage, response: ServerResponse): void {
    if (this.#isOneTooMany(request, response)) {
      request.socket.destroy();
      return;
    }
    if (hostHeaders(request) > 1) {
      response.writeHead(400, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' });
      response.end('A request has one Host header\n');
      return;
    }
    // What was sent ahead behind an offer to change the protocol is lost: the end of the connection tells its sender.
    if (request.headers.upgrade !== undefined) response.shouldKeepAlive = false;
    enter(request, this.#basePath);
    this.#once((before) => (before ? before.request(request, response) : this.#onRequest(request, response)));
  }

  /** Whether the client has sent more requests ahead of their turn than are kept for it. */
  #isOneTooMany({ socket }: IncomingMessage, response: ServerResponse): boolean {
    if (socket.destroyed) return true;
    // It has the connection: nothing is before it.
    if (response.socket) return false;
    const waiting = (this.#behind.get(socket) ?? 0) + 1;
    if (waiting > MOST_WAITING) return true;
    this.#behind.set(socket, waiting);
    response.once('close', () => this.#behind.set(socket, (this.#behind.get(socket) ?? 1) - 1));
    return false;
  }

  #once(run: (before?: BeforeOpen) => void): void {
    if (this.#isOpen) run();
    else if (this.#before) run(this.#before);
    else this.#waiting.push(run);
  }

  /** @param port 0 takes a free one */
  listen(port: number, host: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ port, host, backlog: BACKLOG }, () => resolve());
    });
  }

  /** Shows another certificate from now on; connections that are there stay. */
  renew(certificate: Pick<Certificate, 'cert' | 'key'>): void {
    this.#secure?.setSecureContext({ ...pemOf(certificate), minVersion: 'TLSv1.2' });
  }

  /** The port that it listens on. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Connections that there are, WebSockets among them. */
  get connections(): number {
    return this.#connections;
  }

  /** @param connections more are closed at once; Infinity for no limit */
  limit(connections: number): void {
    if (Number.isFinite(connections)) this.#server.maxConnections = connections;
  }

  /** What handles requests. */
  get handler(): RequestListener {
    return this.#onRequest;
  }

  /** @param when decides about every new connection from now on */
  readWhen(when: ReadWhen): void {
    this.#readWhen = when;
  }

  /** The server, for Fastify, which brings the handler of requests; a later handler replaces it. */
  serve(handler: RequestListener): Server {
    this.#onRequest = handler;
    return this.#server;
  }

  /**
   * Answers what waits, and what comes until everything is let in, instead of keeping it waiting.
   * @param before undefined for that what comes from now on waits again
   */
  answerBefore(before: BeforeOpen | undefined): void {
    this.#before = before;
    if (before) for (const run of this.#waiting.splice(0)) run(before);
  }

  /** Lets everything in, what has waited first. */
  open(onUpgrade: UpgradeListener): void {
    this.#onUpgrade = onUpgrade;
    this.#isOpen = true;
    for (const run of this.#waiting.splice(0)) run();
  }

  /** Takes no more connections, lets what has been asked be answered, and cuts what is left after the grace time. */
  async close(): Promise<void> {
    const cut = setTimeout(() => this.#cut(), this.#graceMs);
    this.#lingering.close();
    for (const socket of this.#unread) socket.destroy();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      if (this.#isOpen) this.#server.closeIdleConnections();
      else this.#cut();
    });
    clearTimeout(cut);
  }

  #cut(): void {
    this.#server.closeAllConnections();
    for (const socket of this.#upgrades) socket.destroy();
  }
}
