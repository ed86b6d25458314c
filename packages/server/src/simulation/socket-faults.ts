/** WebSocket endpoints of simulated launches: they pass on what the real ones say, but for what is to go wrong. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type Fault, readSimulated } from '@lockstep/console/simulation';
import type { EventMessage } from '@lockstep/fhircast';
import { WebSocket, WebSocketServer } from 'ws';
import { cleanAddress } from '../http/request-address.ts';
import { endpointPath, refuseUpgrade } from '../http/sockets.ts';

const PATH = /^\/simulate\/([^/]+)\/hub\/ws\/([A-Za-z0-9_-]+)(\?.*)?$/;
/** Subscribers send answers; nothing they have to say is larger. Bytes. */
const MAX_FRAME = 64 * 1024;
/** Subscriptions whose fault is remembered; the oldest are forgotten. */
const MOST = 200;

/** Faults that happen on the socket. */
const ON_SOCKET: readonly Fault[] = ['lost-socket', 'denied-subscription', 'version-gap'];

/** Whether the launch's sockets are to be passed through here. */
export function failsOnSocket(faults: readonly Fault[]): boolean {
  return faults.some((fault) => ON_SOCKET.includes(fault));
}

/** What a simulated subscription was made with, so that it can be ended as if the Hub had denied it. */
export type EndSubscription = () => Promise<void>;

type Frame = Partial<EventMessage> & { readonly 'hub.mode'?: string; readonly 'hub.topic'?: string };

export class SocketFaults {
  readonly #publicUrl: string;
  readonly #server = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: MAX_FRAME });
  readonly #ends = new Map<string, EndSubscription>();
  /** What has gone wrong already, once for each subscription: `endpoint fault`. */
  readonly #happened = new Set<string>();

  /** @param publicUrl of this server, whose real endpoints are passed on */
  constructor(publicUrl: string) {
    this.#publicUrl = publicUrl;
  }

  /** Remembers how a subscription is ended. @param id of its endpoint */
  remember(id: string, end: EndSubscription): void {
    this.#ends.set(id, end);
    for (const [oldest] of this.#ends) {
      if (this.#ends.size <= MOST) break;
      this.#ends.delete(oldest);
      for (const fault of ON_SOCKET) this.#happened.delete(`${oldest} ${fault}`);
    }
  }

  /** Takes an upgrade below `/simulate/`. @returns false when it is for somebody else */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean {
    const [, options, id, query = ''] = PATH.exec(cleanAddress(request.url ?? '/')) ?? [];
    if (options === undefined || id === undefined) return false;
    const read = readSimulated(options);
    if ('problem' in read || !this.#ends.has(id)) {
      refuseUpgrade(socket, '404 Not Found', 'There is no such subscription endpoint');
      return true;
    }
    this.#server.handleUpgrade(request, socket, head, (app) => this.#serve(app, id, query, read.faults));
    return true;
  }

  #serve(app: WebSocket, id: string, query: string, faults: readonly Fault[]): void {
    const address = `${this.#publicUrl.replace(/^http/, 'ws')}${endpointPath(id)}${query}`;
    // This server's own certificate need not be one that Node trusts.
    const hub = new WebSocket(address, { perMessageDeflate: false, rejectUnauthorized: false });
    hub.on('message', (data: Buffer) => this.#fromHub(app, hub, id, data.toString('utf8'), faults));
    hub.on('close', (code) =>
      app.close(code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code) ? code : 1011),
    );
    hub.on('error', () => app.close(1013, 'Try again later'));
    const waiting: string[] = [];
    hub.on('open', () => {
      for (const text of waiting.splice(0)) hub.send(text);
    });
    app.on('message', (data: Buffer) => {
      const text = data.toString('utf8');
      if (hub.readyState === WebSocket.OPEN) hub.send(text);
      else waiting.push(text);
    });
    app.on('close', () => hub.close());
    app.on('error', () => app.terminate());
  }

  #fromHub(app: WebSocket, hub: WebSocket, id: string, text: string, faults: readonly Fault[]): void {
    const frame = JSON.parse(text) as Frame;
    const name = frame.event?.['hub.event'];
    const happens = (fault: Fault): boolean => {
      if (!faults.includes(fault) || this.#happened.has(`${id} ${fault}`)) return false;
      this.#happened.add(`${id} ${fault}`);
      return true;
    };
    if (name?.toLowerCase().endsWith('-update') && happens('version-gap')) {
      // The Hub gets a 200: the app finds out by the version before the next update's.
      hub.send(JSON.stringify({ id: frame.id, status: '200' }));
      return;
    }
    app.send(text);
    if (name !== undefined && happens('lost-socket')) app.terminate();
    if (frame['hub.mode'] === 'subscribe' && happens('denied-subscription')) this.#deny(app, id, frame);
  }

  #deny(app: WebSocket, id: string, confirmation: Frame): void {
    const { 'hub.topic': topic, 'hub.events': events } = confirmation as Record<string, unknown>;
    const reason = 'Simulated: the subscription is denied';
    app.send(JSON.stringify({ 'hub.mode': 'denied', 'hub.topic': topic, 'hub.events': events, 'hub.reason': reason }));
    app.close(1000);
    void this.#ends.get(id)?.();
  }

  /** Cuts what is still connected. */
  end(): void {
    for (const client of this.#server.clients) client.terminate();
  }
}
