import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';

type Direction = 'down' | 'up';

/** One relayed WebSocket. */
interface Relay {
  readonly client: WebSocket;
  readonly hub: WebSocket;
  readonly tcp: Socket;
}

/**
 * A proxy between client and Hub that behaves badly when told to, on real sockets: HTTP is passed on, WebSockets are taken
 * apart into frames so that they can be held back and shuffled.
 */
export class FaultProxy {
  readonly origin: string;
  /** Where the Hub listens. */
  target = '';
  /** New connections, and requests on old ones, are reset. */
  refuse = false;
  /** Nothing passes in either direction, and nobody is told. */
  mute = false;
  /** Frames to the client are held back until `release`. */
  hold = false;
  readonly relays = new Set<Relay>();
  #held: { relay: Relay; text: string }[] = [];
  readonly #server: ReturnType<typeof createServer>;
  readonly #sockets = new WebSocketServer({ noServer: true });
  readonly #tcp = new Set<Socket>();

  private constructor(server: ReturnType<typeof createServer>) {
    this.#server = server;
    this.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(): Promise<FaultProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const proxy = new FaultProxy(server);
    server.on('connection', (socket: Socket) => {
      proxy.#tcp.add(socket);
      socket.on('close', () => proxy.#tcp.delete(socket));
      socket.on('error', () => socket.destroy());
      if (proxy.refuse) socket.resetAndDestroy();
    });
    server.on('request', (request, response) => {
      if (proxy.refuse) request.socket.resetAndDestroy();
      if (proxy.mute || proxy.refuse) return;
      const { method, headers, url } = request;
      const onward = httpRequest(`${proxy.target}${url}`, {
        method,
        headers: { ...headers, host: new URL(proxy.target).host },
      });
      onward.on('response', (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      onward.on('error', () => response.destroy());
      request.pipe(onward);
    });
    server.on('upgrade', (request, socket: Socket, head) => {
      if (proxy.refuse) socket.resetAndDestroy();
      if (proxy.mute || proxy.refuse) return;
      const hub = new WebSocket(`${proxy.target.replace('http', 'ws')}${request.url}`);
      hub.on('unexpected-response', () => socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n'));
      hub.on('error', () => socket.destroy());
      // The Hub speaks first: nothing of it may be lost while the client's side is being opened.
      const early: string[] = [];
      const keep = (data: unknown) => early.push(String(data));
      hub.on('message', keep);
      hub.on('open', () => {
        proxy.#sockets.handleUpgrade(request, socket, head, (client) => {
          hub.off('message', keep);
          proxy.#relay({ client, hub, tcp: socket }, early);
        });
      });
    });
    return proxy;
  }

  #relay(relay: Relay, early: readonly string[]): void {
    this.relays.add(relay);
    const { client, hub } = relay;
    const pass = (direction: Direction, text: string) => {
      if (this.mute) return;
      if (direction === 'down' && this.hold) this.#held.push({ relay, text });
      else if (direction === 'down') client.send(text);
      else if (hub.readyState === WebSocket.OPEN) hub.send(text);
    };
    for (const text of early) pass('down', text);
    hub.on('message', (data) => pass('down', data.toString()));
    client.on('message', (data) => pass('up', data.toString()));
    const code = (one: number) => (one === 1005 || one === 1006 ? 1011 : one);
    hub.on('close', (one) => {
      this.relays.delete(relay);
      if (!this.mute) client.close(code(one));
    });
    client.on('close', (one) => {
      this.relays.delete(relay);
      if (one === 1006) hub.terminate();
      else hub.close(code(one));
    });
    client.on('error', () => client.terminate());
  }

  /** Lets go of what was held back, in another order if told so. */
  release(order: (frames: readonly string[]) => readonly string[] = (frames) => frames): void {
    this.hold = false;
    const held = this.#held;
    this.#held = [];
    const [first] = held;
    if (!first) return;
    for (const text of order(held.map((one) => one.text))) {
      if (first.relay.client.readyState === WebSocket.OPEN) first.relay.client.send(text);
    }
  }

  /** Cuts every connection as a pulled plug does. */
  cut(): void {
    for (const socket of this.#tcp) socket.resetAndDestroy();
    for (const { hub } of this.relays) hub.terminate();
  }

  /** Closes the Hub's half of every connection: FIN, with no WebSocket close before it. */
  halfClose(): void {
    for (const { tcp } of this.relays) tcp.end();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
