/** Time, in milliseconds since the epoch, and timers. */
export interface Clock {
  now(): number;
  /** Calls back once after `ms`; returns a function that cancels. */
  after(ms: number, run: () => void): () => void;
}

/** The part of a WebSocket that the client uses; browsers', Node's and the `ws` package's have it. */
export interface Socket {
  binaryType: string;
  readonly readyState: number;
  send(text: string): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: 'open' | 'error', listener: () => void): void;
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(type: 'close', listener: (event: { readonly code: number; readonly reason: string }) => void): void;
}

export type SocketConstructor = new (url: string) => Socket;

/**
 * What the surroundings tell about the connection:
 * `offline` the network went, or the browser freezes the page; `online` the network came, or the page goes on; `wake` the page is looked
 * at again, `leave` it is being closed or hidden, `return` it came back from the browser's memory after a `leave`.
 */
export type Sign = 'online' | 'offline' | 'wake' | 'leave' | 'return';

export interface Environment {
  /** Whether the page is hidden, so that the browser may hold timers up. */
  hidden(): boolean;
  /** Listens for signs; returns a function that stops. */
  watch(listener: (sign: Sign) => void): () => void;
}

/** Everything the client takes from outside, so that tests own time, chance and the network. */
export interface Ports {
  readonly clock: Clock;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly WebSocket: SocketConstructor;
  readonly environment: Environment;
  /** At least 0, less than 1. */
  random(): number;
  /** A new unique event id. */
  newId(): string;
}

const MAX_TIMER = 2 ** 31 - 1;

const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, run) {
    const timer = setTimeout(run, Math.min(ms, MAX_TIMER));
    return () => clearTimeout(timer);
  },
};

/** What is used of a page, written down so that programs in Node need no DOM types to compile. */
interface Page {
  readonly window?: EventTarget;
  readonly document?: EventTarget & { readonly hidden: boolean };
}

/** The page's own signs; in Node there are none, and sleep shows in the clock. */
const systemEnvironment: Environment = {
  hidden: () => (globalThis as unknown as Page).document?.hidden ?? false,
  watch(listener) {
    const { window, document } = globalThis as unknown as Page;
    if (!window || !document) return () => {};
    const ended = new AbortController();
    const on = (
      target: EventTarget,
      type: string,
      sign: Sign,
      unless?: (event: Event & { readonly persisted?: boolean }) => boolean | undefined,
    ) => target.addEventListener(type, (event) => unless?.(event) || listener(sign), ended);
    on(window, 'online', 'online');
    on(window, 'offline', 'offline');
    on(window, 'pagehide', 'leave');
    on(window, 'pageshow', 'return', ({ persisted }) => !persisted);
    // What it shows when it is seen next is from before it was frozen.
    on(document, 'freeze', 'offline');
    on(document, 'resume', 'online');
    on(document, 'visibilitychange', 'wake', () => document.hidden);
    return () => ended.abort();
  },
};

// 128 random bits. crypto.randomUUID exists on https and localhost only; hospital pages may be neither.
function newId(): string {
  return crypto.randomUUID?.() ?? crypto.getRandomValues(new Uint32Array(4)).join('-');
}

/**
 * The ports of the platform, some of them replaced.
 * @throws TypeError when the platform has no WebSocket and none is given: Node 20, where the `ws` package serves
 */
export function systemPorts(given: Partial<Ports>): Ports {
  const WebSocket = given.WebSocket ?? (globalThis.WebSocket as SocketConstructor | undefined);
  if (!WebSocket) throw new TypeError('there is no WebSocket: pass one');
  return {
    clock: systemClock,
    fetch: (url, init) => globalThis.fetch(url, init),
    environment: systemEnvironment,
    random: Math.random,
    newId,
    ...given,
    WebSocket,
  };
}
