import type { EventMessage } from '@lockstep/fhircast';
import { readFrame } from './frames.ts';
import { errorText, type Failure, type HubApi, uriComponent } from './hub-api.ts';
import type { Settings } from './options.ts';
import type { Ports, Socket } from './ports.ts';

/** What the link tells its owner. None of these may throw. */
export interface LinkEvents {
  /**
   * A socket is confirmed.
   * @param resumed the Hub was asked for what was missed
   * @param events those granted, if it said so
   */
  confirmed(resumed: boolean, events: readonly string[] | undefined): void;
  message(message: EventMessage): void;
  /** The Hub said something that cannot be used. */
  strange(): void;
  /** The connection is gone; the next attempt follows by itself. */
  lost(reason: string, attempt: number): void;
  /** Something happened after which the session may have moved on unnoticed. */
  uncertain(reason: string): void;
  /** Nothing was heard for a while: see whether the Hub is there. */
  quiet(): void;
  /** Every two seconds of a confirmed connection. */
  tick(): void;
  /** Over for good. */
  closed(reason: string): void;
}

export interface LinkOptions extends Settings {
  /** Asked for beside the application's events: the first list that the Hub does not refuse. */
  readonly extras: readonly (readonly string[])[];
  /** Whether the Hub answers `{"type":"ping"}`. */
  readonly pings: () => boolean;
}

/** How a connection ended. */
interface End {
  readonly reason: string;
  readonly opened?: boolean;
  /** It was confirmed, and lived for long enough to count as good. */
  readonly steady?: boolean;
  /** The endpoint is of no more use. */
  readonly drop?: boolean;
  /** No failure yet: go on at once. */
  readonly planned?: boolean;
  readonly retryAfter?: number;
  /** The Hub said no, and would again. */
  readonly refused?: boolean;
}

const TICK = 2000;
/** ms of confirmed life after which a connection counts as good, and the next attempt comes at once. */
const STEADY = 2000;
/** A tick that is not within twice this time of the one before means that the computer slept, or that its clock was set. */
const SLEPT = 5000;
const PROBE = 5000;

/** Normal closure, and the code for leaving a socket that does not answer. */
const NORMAL = 1000;
const ABANDONED = 4000;

/**
 * Keeps one confirmed socket to the Hub: subscribes, connects, renews the lease, notices silence and sleep, and comes back
 * to the same endpoint first, then with a new subscription.
 */
export class Link {
  readonly #options: LinkOptions;
  readonly #api: HubApi;
  readonly #ports: Ports;
  readonly #events: LinkEvents;
  #endpoint: string | undefined;
  /** Endpoints that we have used: the Hub may still keep those that another one has replaced. */
  readonly #taken = new Set<string>();
  #extras: readonly (readonly string[])[];
  #ended = false;
  /** Ends the socket that is being served. */
  #finish: ((end: End) => void) | undefined;
  #socket: Socket | undefined;
  #abandoned: { readonly socket: Socket; readonly code: number } | undefined;
  #wakeUp: (() => void) | undefined;
  /** When the Hub was heard, over the socket or by HTTP. */
  #heard = 0;
  /** When the socket was heard: an answer by HTTP does not show that the socket lives. */
  #socketHeard = 0;
  /** A ping was sent that nothing has answered. */
  #pinged = false;
  #ticked = 0;
  #leaseSeconds: number;
  #leaseEnd = Number.POSITIVE_INFINITY;
  #renewAt = Number.POSITIVE_INFINITY;
  #renewing = false;
  #proveBy = Number.POSITIVE_INFINITY;
  #everConfirmed = false;
  #failedRenewals = 0;
  /** Id of the last event, for `?since=`; undefined where the Hub cannot be asked for its current context. */
  since: string | undefined;

  constructor(options: LinkOptions, api: HubApi, ports: Ports, events: LinkEvents) {
    this.#options = options;
    this.#api = api;
    this.#ports = ports;
    this.#events = events;
    this.#extras = options.extras;
    this.#leaseSeconds = options.leaseSeconds;
  }

  /** Whether the timers must have stood still, or the clock was set: what was heard when is not known. */
  get overslept(): boolean {
    return this.#finish !== undefined && Math.abs(this.#ports.clock.now() - this.#ticked - SLEPT) > SLEPT;
  }

  /** ms since the Hub was last heard: over the socket, where it can be asked there. */
  get age(): number {
    return this.#ports.clock.now() - (this.#options.pings() ? this.#socketHeard : this.#heard);
  }

  /** Connects and stays connected until `leave` or the Hub's final word. */
  async run(): Promise<void> {
    let attempt = 0;
    let refusals = 0;
    while (!this.#ended) {
      const end = await this.#attempt();
      if (this.#ended) return;
      if (end.drop) this.#endpoint = undefined;
      if (end.steady || end.planned) attempt = 0;
      if (end.steady) refusals = 0;
      if (end.refused) refusals++;
      // A Hub that knew us before may be coming up again: its first refusals are not its last word.
      if (refusals >= (this.#everConfirmed ? 3 : 1)) {
        this.#ended = true;
        this.#closeAbandoned();
        this.#events.closed(end.reason);
        return;
      }
      attempt++;
      this.#events.lost(end.reason, attempt);
      await this.#pause(end.planned ? 0 : Math.max(this.#backoff(attempt), end.retryAfter ?? 0));
    }
  }

  /** An HTTP answer proved that the Hub is there. */
  heard(): void {
    this.#heard = this.#ports.clock.now();
  }

  #hearSocket(): void {
    this.heard();
    this.#socketHeard = this.#heard;
    this.#pinged = false;
  }

  /** Sends text if the socket is open. */
  send(text: string): void {
    const socket = this.#socket;
    if (socket?.readyState !== 1) return;
    try {
      socket.send(text);
    } catch {
      // The close event says more.
    }
  }

  /** Gives this connection up and comes back. */
  suspect(reason: string): void {
    this.#finish?.({ reason });
  }

  /** Tries now instead of later. */
  hurry(): void {
    this.#wakeUp?.();
  }

  /**
   * Asks the Hub to confirm the subscription again, which renews its lease.
   * @param prove the connection is given up unless the confirmation comes
   */
  async renew(prove: boolean): Promise<void> {
    const endpoint = this.#endpoint;
    const serving = this.#finish;
    if (endpoint === undefined || this.#renewing || !serving) return;
    this.#renewing = true;
    const { clock } = this.#ports;
    if (prove) this.#proveBy = clock.now() + PROBE;
    // The lease ends with the token at the latest: a renewal with the old one gains nothing.
    await this.#api.renewToken();
    const answer = await this.#subscribe(endpoint);
    this.#renewing = false;
    if (this.#finish !== serving) return;
    if (answer.ok && answer.endpoint === endpoint) {
      this.heard();
      this.#failedRenewals = 0;
      // Until the confirmation says otherwise.
      this.#lease(this.#leaseSeconds);
    } else if (answer.ok) {
      this.#endpoint = answer.endpoint;
      this.since = undefined;
      serving({ reason: 'the endpoint has changed', planned: true });
    } else if (answer.kind === 'unavailable') {
      this.#failedRenewals++;
      this.#renewAt = clock.now() + Math.max(this.#backoff(this.#failedRenewals + 1), answer.retryAfter);
    } else {
      serving({
        reason: `the lease was not renewed: ${answer.reason}`,
        drop: true,
        planned: this.#failedRenewals === 0,
      });
    }
  }

  /**
   * Unsubscribes and closes normally.
   * @param leaving the page is being closed and nothing can be waited for
   */
  async leave(leaving: boolean): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    const endpoint = this.#endpoint;
    const said = endpoint === undefined ? undefined : this.#api.unsubscribe(this.#options.topic, endpoint, leaving);
    if (!leaving) await said;
    this.#finish?.({ reason: 'unsubscribed' });
    this.#closeAbandoned();
    this.#wakeUp?.();
  }

  #backoff(attempt: number): number {
    const { random } = this.#ports;
    if (attempt <= 1) return random() * 150;
    return Math.min(this.#options.maxBackoff, 200 * 1.7 ** (attempt - 2)) * (0.5 + random() / 2);
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#ports.clock.after(ms, resolve);
      this.#wakeUp = () => {
        cancel();
        resolve();
      };
    });
    this.#wakeUp = undefined;
  }

  async #attempt(): Promise<End> {
    if (this.#endpoint !== undefined) {
      const back = await this.#serve(this.#endpoint, this.since);
      if (back.opened || this.#ended) return back;
    }
    const answer = await this.#subscribe();
    if (this.#ended) return { reason: 'unsubscribed' };
    if (!answer.ok) return { ...answer, refused: answer.kind !== 'unavailable' };
    const { endpoint } = answer;
    this.#endpoint = endpoint;
    return this.#serve(endpoint, undefined);
  }

  async #subscribe(endpoint?: string): Promise<Failure | { ok: true; endpoint: string }> {
    const { topic, events, name, leaseSeconds: lease } = this.#options;
    for (;;) {
      const [extras = [], ...fewer] = this.#extras;
      const answer = await this.#api.subscribe({
        topic,
        events: [...new Set([...events, ...extras])],
        lease,
        name,
        endpoint,
      });
      if (answer.ok || answer.kind !== 'refused' || fewer.length === 0) return answer;
      this.#extras = fewer;
    }
  }

  #lease(seconds: number): void {
    const now = this.#ports.clock.now();
    this.#leaseSeconds = seconds;
    this.#leaseEnd = now + seconds * 1000;
    // Between 75 and 80 percent, so that many clients do not come at once.
    this.#renewAt = now + Math.max(500, seconds * (750 + this.#ports.random() * 50));
  }

  #serve(endpoint: string, since: string | undefined): Promise<End> {
    const { clock, WebSocket } = this.#ports;
    this.#taken.add(endpoint);
    const separator = endpoint.includes('?') ? '&' : '?';
    const url = since === undefined ? endpoint : `${endpoint}${separator}since=${uriComponent(since)}`;
    return new Promise((resolve) => {
      let socket: Socket;
      try {
        socket = new WebSocket(url);
      } catch (error) {
        resolve({ reason: errorText(error), drop: true });
        return;
      }
      let opened = false;
      let confirmedAt: number | undefined;
      let events = 0;
      let cancelTick = () => {};
      const confirmTimer = clock.after(this.#options.confirmWithin, () => {
        // A Hub that sends events has taken the subscription.
        if (events > 0) confirm(undefined);
        else
          finish({
            reason: opened ? 'the Hub did not confirm' : 'the Hub did not answer',
            drop: opened,
          });
      });
      const finish = (end: End) => {
        if (this.#finish !== finish) return;
        this.#finish = undefined;
        this.#socket = undefined;
        confirmTimer();
        cancelTick();
        this.#retire(socket, end);
        resolve({ opened, steady: confirmedAt !== undefined && clock.now() - confirmedAt >= STEADY, ...end });
      };
      const confirm = (granted: readonly string[] | undefined) => {
        confirmTimer();
        confirmedAt = clock.now();
        this.#everConfirmed = true;
        this.#ticked = confirmedAt;
        this.#closeAbandoned();
        this.#giveUp();
        cancelTick = clock.after(TICK, tick);
        this.#events.confirmed(since !== undefined, granted);
      };
      const tick = () => {
        cancelTick = clock.after(TICK, tick);
        this.#tick();
      };
      this.#finish = finish;
      this.#socket = socket;
      this.#proveBy = Number.POSITIVE_INFINITY;
      this.#hearSocket();
      socket.binaryType = 'arraybuffer';
      socket.addEventListener('open', () => {
        opened = true;
        if (this.#finish === finish) this.#hearSocket();
      });
      socket.addEventListener('error', () => {});
      socket.addEventListener('close', ({ code, reason }) => {
        finish({ reason: `the connection was closed (${code}${reason ? `: ${reason}` : ''})` });
      });
      socket.addEventListener('message', ({ data }) => {
        if (this.#finish !== finish) return;
        this.#hearSocket();
        const frame = readFrame(data, this.#options.topic, this.#options.maxMessage);
        switch (frame.kind) {
          case 'confirmation':
            this.#proveBy = Number.POSITIVE_INFINITY;
            this.#lease(frame.lease ?? this.#options.leaseSeconds);
            if (confirmedAt === undefined) confirm(frame.events);
            break;
          case 'denial':
            finish({ reason: `denied: ${frame.reason}`, refused: true, drop: true });
            break;
          case 'event':
            events++;
            this.#events.message(frame.message);
            break;
          case 'strange':
            this.#events.strange();
            break;
          case 'heartbeat':
            break;
        }
      });
    });
  }

  /** Ends subscriptions that another one has replaced: the Hub would wait for them to come back, and report them as lost. */
  #giveUp(): void {
    for (const endpoint of this.#taken) {
      if (endpoint === this.#endpoint) continue;
      this.#taken.delete(endpoint);
      void this.#api.unsubscribe(this.#options.topic, endpoint, false).then((answer) => {
        if (!answer.ok && answer.kind === 'unavailable') this.#taken.add(endpoint);
      });
    }
  }

  /** A socket that is given up stays open until the next one took over, so that the Hub sees no gap (SUB-7). */
  #retire(socket: Socket, end: End): void {
    this.#closeAbandoned();
    const code = this.#ended || end.drop || end.planned ? NORMAL : ABANDONED;
    if (this.#ended || end.drop || socket.readyState !== 1) this.#close(socket, code);
    else this.#abandoned = { socket, code };
  }

  #closeAbandoned(): void {
    if (this.#abandoned) this.#close(this.#abandoned.socket, this.#abandoned.code);
    this.#abandoned = undefined;
  }

  #close(socket: Socket, code: number): void {
    try {
      socket.close(code);
    } catch {
      // A socket that cannot be closed is closed.
    }
  }

  #tick(): void {
    const now = this.#ports.clock.now();
    const slept = this.overslept;
    this.#ticked = now;
    const { pings: canPing, silence } = this.#options;
    const pings = canPing();
    if (now >= this.#leaseEnd) {
      this.#finish?.({ reason: 'the lease ended', drop: true, planned: true });
      return;
    }
    if (slept) {
      // In a hidden page the browser holds timers up; elsewhere only sleep does, and connections seldom survive it.
      if (!this.#ports.environment.hidden()) {
        this.suspect('timers stood still');
        return;
      }
      this.heard();
      if (!this.#pinged) this.#socketHeard = now - silence;
      this.#events.uncertain('timers stood still');
    }
    const silent = this.age;
    if (now >= this.#proveBy || silent >= silence + 2 * PROBE) {
      this.suspect('the Hub is silent');
      return;
    }
    if (now >= this.#renewAt) void this.renew(false);
    if (silent < silence) {
      this.#events.tick();
      return;
    }
    if (pings) {
      this.#pinged = true;
      this.send('{"type":"ping"}');
      // The answer to it is enough; only without one the Hub itself is asked.
      if (silent < silence + PROBE) return;
    }
    this.#events.quiet();
  }
}
