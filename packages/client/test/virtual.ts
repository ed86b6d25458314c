import { type Clock, type Content, type Context, type Sign, Subscriber, type SubscriberOptions } from '../src/index.ts';
import { ModelHub, type ModelSocket } from './model-hub.ts';

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Time that passes when told to. */
export class VirtualClock implements Clock {
  #now = Date.parse('2026-11-22T08:00:00Z');
  /** What the clock shows against what has passed, ms. */
  #set = 0;
  #timers: { at: number; order: number; run: () => void }[] = [];
  #order = 0;

  now(): number {
    return this.#now + this.#set;
  }

  /** ms that have passed since some moment, whatever the clock shows. */
  get passed(): number {
    return this.#now;
  }

  /** The clock is set: it shows another time, and timers run on. */
  set(ms: number): void {
    this.#set += ms;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, ms), order: this.#order++, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer);
    };
  }

  /** The computer sleeps: time passes, timers do not run. */
  sleep(ms: number): void {
    this.#now += ms;
  }

  async advance(ms: number): Promise<void> {
    const target = this.#now + ms;
    await turn();
    for (;;) {
      const [next] = this.#timers.filter((one) => one.at <= target).sort((a, b) => a.at - b.at || a.order - b.order);
      if (!next) break;
      this.#timers = this.#timers.filter((one) => one !== next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
      await turn();
    }
    this.#now = Math.max(this.#now, target);
  }

  /** Lets time pass until something holds. */
  async until(holds: () => boolean, limit = 120_000): Promise<void> {
    const end = this.#now + limit;
    await turn();
    while (!holds()) {
      if (this.#now >= end) throw new Error('it did not come about');
      const next = Math.min(end, ...this.#timers.map((one) => one.at));
      await this.advance(Math.max(0, next - this.#now));
      if (this.#timers.length === 0 && !holds()) throw new Error('it will never come about');
    }
  }

  get timers(): number {
    return this.#timers.length;
  }
}

/** What may happen to one HTTP exchange. */
export type HttpFault =
  | 'cut'
  | 'hang'
  | 'lose-answer'
  | 'late'
  | { status: number; body: string; headers?: Record<string, string> };
/** What may happen to one frame from the Hub. */
export type FrameFault = 'drop' | 'twice' | 'late' | { instead: string };

/** A network between the client and a model Hub, in virtual time, that misbehaves as it is told. */
export class VirtualNetwork {
  readonly clock = new VirtualClock();
  readonly hub: ModelHub;
  readonly origin = 'wss://hub.test';
  latency = 5;
  /** The Hub's host is there at all. */
  up = true;
  httpFault: (method: string) => HttpFault | undefined = () => undefined;
  frameFault: () => FrameFault | undefined = () => undefined;
  /** New sockets fail to open. */
  refuseSockets = false;
  readonly sockets = new Set<VirtualSocket>();
  readonly requests: { method: string; url: string; body: string }[] = [];
  #listeners = new Set<(sign: Sign) => void>();
  hidden = false;
  #ids = 0;
  seed = 1;

  constructor(hub = new ModelHub()) {
    this.hub = hub;
  }

  sign(sign: Sign): void {
    for (const listener of [...this.#listeners]) listener(sign);
  }

  random = (): number => {
    this.seed = (this.seed * 1103515245 + 12345) % 2 ** 31;
    return this.seed / 2 ** 31;
  };

  fetch = async (url: string, init: RequestInit): Promise<Response> => {
    const { method = 'GET', body } = init;
    const text = body instanceof URLSearchParams ? body.toString() : String(body ?? '');
    this.requests.push({ method, url, body: text });
    const fault = this.httpFault(method);
    await this.#travel(this.latency);
    if (!this.up || fault === 'cut') throw new TypeError('fetch failed');
    if (fault === 'hang') return new Promise(() => {});
    if (typeof fault === 'object')
      return new Response(fault.body, { status: fault.status, headers: fault.headers ?? {} });
    const token = new Headers(init.headers).get('Authorization')?.replace('Bearer ', '');
    const answer =
      method === 'GET'
        ? this.hub.read(token)
        : text.startsWith('{')
          ? this.hub.publish(JSON.parse(text), token)
          : this.hub.subscribe(new URLSearchParams(text), token, this.origin);
    await this.#travel(fault === 'late' ? this.latency * 10 : this.latency);
    if (fault === 'lose-answer' || !this.up) throw new TypeError('fetch failed');
    return new Response(answer.body || null, { status: answer.status });
  };

  #travel(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.clock.after(ms, resolve);
    });
  }

  /** The Hub's process dies; what it keeps, it keeps. */
  down(): void {
    this.up = false;
    for (const socket of [...this.sockets]) socket.cut(1006);
  }

  subscriber(options: Partial<SubscriberOptions> = {}): Subscriber {
    const network = this;
    class BoundSocket extends VirtualSocket {
      constructor(url: string) {
        super(url, network);
      }
    }
    return new Subscriber({
      hubUrl: 'https://hub.test/hub',
      topic: this.hub.topic,
      token: 'token',
      name: 'Viewer',
      events: ['Patient-open', 'DiagnosticReport-open', 'DiagnosticReport-update'],
      onError: (error) => {
        throw error;
      },
      ...options,
      ports: {
        clock: this.clock,
        fetch: this.fetch,
        WebSocket: BoundSocket,
        random: this.random,
        newId: () => `mine-${++this.#ids}`,
        environment: {
          hidden: () => this.hidden,
          watch: (listener) => {
            this.#listeners.add(listener);
            return () => this.#listeners.delete(listener);
          },
        },
        ...options.ports,
      },
    });
  }
}

type Listener = (event: never) => void;

export class VirtualSocket {
  binaryType = '';
  readyState = 0;
  /** Nothing passes any more, and nobody is told. */
  dead = false;
  readonly url: string;
  readonly #network: VirtualNetwork;
  readonly #listeners = new Map<string, Listener[]>();
  readonly #side: ModelSocket;

  constructor(url: string, network: VirtualNetwork) {
    this.url = url;
    this.#network = network;
    this.#side = {
      send: (text) => this.#toClient(text),
      close: (code) => this.cut(code),
    };
    const { clock, hub } = network;
    clock.after(network.latency, () => {
      if (this.readyState !== 0) return;
      const address = new URL(url);
      const since = address.searchParams.get('since');
      const known = hub.subscriptions.has(`${address.origin}${address.pathname}`);
      if (!network.up || network.refuseSockets || !known) {
        this.cut(1006);
        return;
      }
      this.readyState = 1;
      network.sockets.add(this);
      this.#emit('open', {});
      hub.connect(`${address.origin}${address.pathname}`, since, this.#side);
    });
  }

  #toClient(text: string): void {
    const fault = this.#network.frameFault();
    const { clock, latency } = this.#network;
    const arrive = (data: unknown, ms: number) => {
      clock.after(ms, () => {
        if (this.readyState === 1 && !this.dead) this.#emit('message', { data });
      });
    };
    if (fault === 'drop') return;
    if (typeof fault === 'object') arrive(fault.instead, latency);
    else arrive(text, fault === 'late' ? latency * 10 : latency);
    if (fault === 'twice') arrive(text, latency * 3);
  }

  /** The client gets a frame that the Hub's model did not send. */
  inject(data: unknown): void {
    if (this.readyState === 1) this.#emit('message', { data });
  }

  send(text: string): void {
    if (this.readyState !== 1) throw new Error('not open');
    const { clock, latency, hub } = this.#network;
    clock.after(latency, () => {
      if (!this.dead) hub.hear(text, this.#side);
    });
  }

  close(code?: number): void {
    if (this.readyState > 1) return;
    this.closeCode = code;
    this.cut(code ?? 1005);
  }

  /** With which code the client closed. */
  closeCode: number | undefined;

  cut(code: number): void {
    if (this.readyState > 1) return;
    this.readyState = 3;
    this.#network.sockets.delete(this);
    this.#network.hub.gone(this.#side);
    this.#network.clock.after(this.#network.latency, () => this.#emit('close', { code, reason: '' }));
  }

  addEventListener(type: string, listener: Listener): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
  }

  #emit(type: string, event: object): void {
    for (const listener of this.#listeners.get(type) ?? []) listener(event as never);
  }
}

/** What a subscriber holds, in the words of `ModelHub.truth`. */
export function held(subscriber: { context: Context | undefined; content: Content | undefined }): string {
  const { context, content } = subscriber;
  if (!context) return 'empty';
  const sorted = [...(content ?? [])].sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([`${context.type}/${context.id}`, context.versionId ?? '', sorted]);
}
