/** Networks of a test's own making: a load balancer without any stickiness, and a wire that can be cut. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { Transform } from 'node:stream';

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('There is no port');
  return address.port;
}

/** What a network does to what passes: each piece late, or a few bytes at a time. */
export type Weather =
  | { readonly kind: 'delay'; readonly ms: number }
  | { readonly kind: 'dribble'; readonly bytes: number };

/** Lets bytes through as the weather is when they arrive, in order. */
class Passage extends Transform {
  readonly #weather: () => Weather | undefined;

  constructor(weather: () => Weather | undefined) {
    super();
    this.#weather = weather;
  }

  override _transform(chunk: Buffer, _encoding: string, done: () => void): void {
    const weather = this.#weather();
    if (weather === undefined) {
      this.push(chunk);
      done();
    } else if (weather.kind === 'delay') {
      setTimeout(() => {
        this.push(chunk);
        done();
      }, weather.ms);
    } else {
      const next = (from: number): void => {
        this.push(chunk.subarray(from, from + weather.bytes));
        if (from + weather.bytes >= chunk.length || this.#weather() === undefined) {
          this.push(chunk.subarray(from + weather.bytes));
          done();
        } else setTimeout(() => next(from + weather.bytes), 1);
      };
      next(0);
    }
  }
}

/** Passes bytes between two sockets until either ends. */
function join(one: Socket, other: Socket, weather: () => Weather | undefined): void {
  one.on('error', () => other.destroy());
  other.on('error', () => one.destroy());
  one.on('close', () => other.destroy());
  other.on('close', () => one.destroy());
  one.pipe(new Passage(weather)).pipe(other);
  other.pipe(new Passage(weather)).pipe(one);
}

/** Gives each connection to the next node that takes it. */
export class Balancer {
  readonly port: number;
  /** What happens to all that passes from now on. */
  weather: Weather | undefined;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #halfOpen = new Set<Socket>();

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  /** What is connected now stays connected, and nothing arrives any more. */
  halfOpen(): void {
    for (const socket of this.#sockets) {
      socket.unpipe();
      socket.pause();
      this.#halfOpen.add(socket);
    }
  }

  cutHalfOpen(): void {
    for (const socket of this.#halfOpen) socket.destroy();
    this.#halfOpen.clear();
  }

  /** @param ports those of the nodes, as they are whenever somebody connects */
  static async start(ports: () => readonly number[]): Promise<Balancer> {
    let turn = 0;
    const server = createServer();
    const balancer = new Balancer(server, await listening(server));
    server.on('connection', (client) => {
      balancer.#sockets.add(client);
      client.on('close', () => balancer.#sockets.delete(client));
      client.on('error', () => client.destroy());
      const candidates = ports();
      turn += 1;
      const next = (attempt: number): void => {
        const port = candidates[(turn + attempt) % candidates.length];
        if (port === undefined || attempt === candidates.length) {
          client.destroy();
          return;
        }
        const upstream = connect(port, '127.0.0.1');
        upstream.once('error', () => next(attempt + 1));
        upstream.once('connect', () => {
          upstream.removeAllListeners('error');
          join(client, upstream, () => balancer.weather);
        });
      };
      next(0);
    });
    return balancer;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** A connection to a server that can be cut: what is on it stays open, and nothing passes. */
export class Wire {
  readonly port: number;
  /** What happens to all that passes from now on. */
  weather: Weather | undefined;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isCut = false;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  static async to(port: () => number): Promise<Wire> {
    const server = createServer();
    const wire = new Wire(server, await listening(server));
    server.on('connection', (client) => {
      const upstream = connect(port(), '127.0.0.1');
      for (const socket of [client, upstream]) {
        wire.#sockets.add(socket);
        socket.on('close', () => wire.#sockets.delete(socket));
        if (wire.#isCut) socket.pause();
      }
      join(client, upstream, () => wire.weather);
      if (wire.#isCut) wire.cut();
    });
    return wire;
  }

  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) {
      socket.unpipe();
      socket.pause();
    }
  }

  /** What was cut stays dead, as after a real partition that outlasted its connections; new connections pass. */
  mend(): void {
    this.#isCut = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
