/** Tells the console's pages what happens while it happens: one WebSocket a view, nothing is asked for again and again. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { TimelineEntry } from '@lockstep/console/wire';
import type { Clock, Hub } from '@lockstep/hub';
import type { AuthorizationServer, SignedIn } from '@lockstep/smart';
import { WebSocket, WebSocketServer } from 'ws';
import type { ServerAuditTrail } from '../audit/audit-trail.ts';
import type { AuditedAct } from '../audit/audited-act.ts';
import type { FirstAdministrator } from '../first-administrator.ts';
import type { SharedViews } from '../shared-views.ts';
import { FrameShares, type InboundFrames } from './inbound-frames.ts';
import { splitAddress } from './request-address.ts';

const PATH = /^\/api\/console\/live(?:\/([A-Za-z0-9._~-]+))?$/;
/** What happens within this time goes out in one message, ms. */
const BATCH = 15;
/** A page that reads too slowly is closed, and reads again, bytes. */
const MAX_BUFFERED = 4 * 1024 * 1024;
const PING = 30_000;
/** Views that one person may have open at a node: pages in many windows. */
const MOST_VIEWS = 64;
/** Entries that a page is sent when its view opens. */
const RECENT = 200;

export interface LiveOptions {
  readonly hub: Hub;
  readonly views: SharedViews;
  readonly authorization: AuthorizationServer;
  readonly administrator: Pick<FirstAdministrator, 'mustChoose'>;
  readonly origin: string;
  readonly clock: Clock;
  readonly audit?: ServerAuditTrail | undefined;
  /** Where a request comes from: an IP address. */
  readonly addressOf: (request: IncomingMessage) => string;
}

interface Viewer {
  readonly socket: WebSocket;
  readonly frames: InboundFrames;
  readonly headers: IncomingMessage['headers'];
  readonly user: string;
  heard: boolean;
  /** Ends the view, once. */
  end(): void;
}

function refusal(status: string, ...headers: readonly string[]): string {
  return [`HTTP/1.1 ${status}`, 'Connection: close', 'Content-Length: 0', ...headers, '', ''].join('\r\n');
}

/** Live views by WebSocket, for the console's own pages. */
export class ConsoleLive {
  readonly #options: LiveOptions;
  readonly #sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: 1024 });
  readonly #viewers = new Set<Viewer>();
  readonly #shares: FrameShares;
  readonly #ends: (() => void)[] = [];
  #cancelPing: () => void;

  constructor(options: LiveOptions) {
    this.#options = options;
    this.#shares = new FrameShares(options.clock);
    this.#ends.push(options.authorization.onSignedOut(({ user }) => this.#recheck(user).catch(() => undefined)));
    this.#cancelPing = options.clock.after(PING, () => this.#ping());
  }

  /** Takes the upgrade of a console page. @returns false when it is for somebody else */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean {
    const match = PATH.exec(splitAddress(request.url ?? '/')[0]);
    if (!match) return false;
    this.#admit(request, match[1]).then(
      (viewer) => {
        if (!viewer) socket.end(refusal('403 Forbidden'));
        else if (this.#options.audit?.admits === false)
          socket.end(refusal('503 Service Unavailable', 'Retry-After: 1'));
        else if (this.#viewsOf(viewer) >= MOST_VIEWS) socket.end(refusal('429 Too Many Requests', 'Retry-After: 1'));
        else
          this.#sockets.handleUpgrade(request, socket, head, (client) => {
            this.#serve(client, request, viewer, match[1]).catch(() => client.close(1013, 'Try again later'));
          });
      },
      () => socket.end(refusal('503 Service Unavailable', 'Retry-After: 1')),
    );
    return true;
  }

  /** Another site's page could open the socket with the person's cookie: so the origin is checked (CWE-1385). */
  async #admit(request: IncomingMessage, topic: string | undefined): Promise<SignedIn | undefined> {
    const { authorization, administrator, origin, hub } = this.#options;
    if (request.headers.origin !== origin) return undefined;
    const signedIn = await authorization.signedIn(request);
    if (!signedIn) return undefined;
    const { user } = signedIn;
    const isOwn = topic !== undefined && topic === signedIn.topic;
    const may = isOwn
      ? (await hub.inspect(topic)) !== undefined
      : user.administrator && !(await administrator.mustChoose(user.id));
    if (may) return signedIn;
    this.#record({
      act: 'session-watch',
      status: 403,
      user: user.reference,
      topic,
      address: this.#options.addressOf(request),
    });
    return undefined;
  }

  /** Who watches which session is recorded; the view of all of them says nothing but that something has changed. */
  #record({ topic, ...done }: Omit<AuditedAct, 'at' | 'topic'> & { readonly topic: string | undefined }): void {
    if (topic !== undefined) this.#options.audit?.record({ ...done, topic });
  }

  #viewsOf({ user: { reference } }: SignedIn): number {
    return [...this.#viewers].filter(({ user }) => user === reference).length;
  }

  async #serve(
    socket: WebSocket,
    request: IncomingMessage,
    signedIn: SignedIn,
    topic: string | undefined,
  ): Promise<void> {
    const user = signedIn.user.reference;
    const frames = this.#shares.open(socket, [`user ${user}`]);
    const since = this.#options.clock.now();
    // Of a connection that is gone the address is not known any more.
    const watched = { user, topic, address: this.#options.addressOf(request) };
    const viewer: Viewer = {
      ...{ socket, frames, headers: request.headers, user, heard: true },
      end: () => {
        if (!this.#viewers.delete(viewer)) return;
        frames.end();
        this.#record({ ...watched, act: 'session-watch-ended', status: 200, since });
      },
    };
    this.#viewers.add(viewer);
    this.#record({ ...watched, act: 'session-watch', status: 101 });
    let batch: TimelineEntry[] = [];
    let cancel: (() => void) | undefined;
    // What happens is sent after what happened before.
    let isReady = false;
    const flush = (): void => {
      cancel = undefined;
      const entries = batch;
      batch = [];
      if (socket.bufferedAmount > MAX_BUFFERED) socket.close(1013, 'Too much is waiting to be read');
      else if (topic === undefined) socket.send('{"kind":"changed"}');
      else socket.send(JSON.stringify({ kind: 'entries', entries }));
    };
    const schedule = (): void => {
      if (isReady) cancel ??= this.#options.clock.after(topic === undefined ? 250 : BATCH, flush);
    };
    const { views } = this.#options;
    const watching = views.watch(topic, (entries) => {
      batch.push(...entries);
      schedule();
    });
    socket.on('message', () => frames.count());
    socket.on('ping', () => frames.count());
    socket.on('pong', () => {
      viewer.heard = true;
      frames.pong();
    });
    socket.on('error', () => socket.terminate());
    socket.on('close', () => {
      void watching.then((stop) => stop());
      cancel?.();
      viewer.end();
    });
    if ((await this.#options.audit?.kept()) === false) {
      socket.close(1013, 'The audit trail cannot be written');
      return;
    }
    await watching;
    socket.send('{"kind":"ready"}');
    if (topic !== undefined) {
      // What has just happened may have happened before the page was listening.
      const recent = (await views.timeline(topic)).slice(-RECENT);
      socket.send(JSON.stringify({ kind: 'recent', entries: recent }));
      const told = new Set(recent.map(({ seq }) => seq));
      batch = batch.filter(({ seq }) => !told.has(seq));
    }
    isReady = true;
    if (batch.length > 0) schedule();
  }

  /** Somebody signed out: their pages see nothing more. */
  async #recheck(user: string): Promise<void> {
    for (const viewer of [...this.#viewers]) {
      if (viewer.user !== user) continue;
      if (!(await this.#options.authorization.signedIn(viewer))) viewer.socket.close(4401, 'Signed out');
    }
  }

  #ping(): void {
    // Of a sign-out at another node nothing may have been heard here.
    for (const user of new Set([...this.#viewers].map(({ user }) => user))) this.#recheck(user).catch(() => undefined);
    for (const viewer of this.#viewers) {
      if (!viewer.heard) viewer.socket.terminate();
      else if (viewer.socket.readyState === WebSocket.OPEN) {
        viewer.heard = false;
        viewer.frames.awaitPong();
        viewer.socket.ping();
      }
    }
    this.#cancelPing = this.#options.clock.after(PING, () => this.#ping());
  }

  close(): void {
    this.#cancelPing();
    for (const end of this.#ends) end();
    for (const { socket, end } of [...this.#viewers]) {
      end();
      socket.close(1012, 'The server restarts');
    }
  }
}
