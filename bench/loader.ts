/** The orders that the load generator takes, and the side that gives them. */
import type { ChildProcess } from 'node:child_process';
import type { Kind } from './events.ts';
import { startLoad } from './program.ts';

export interface RunResult {
  /** Events that were answered 202 and reached all subscribers of their topic. */
  readonly events: number;
  readonly deliveries: number;
  readonly seconds: number;
  /** ms from publishing to the last subscriber; the first fifth of the run is left out. */
  readonly p50: number;
  readonly p99: number;
  readonly longest: number;
}

export type Order = { readonly target: string } & (
  | { readonly do: 'prepare'; readonly origin: string; readonly topics: readonly string[] }
  | { readonly do: 'connect'; readonly endpoints: readonly (readonly [topic: number, url: string])[] }
  | { readonly do: 'authorize'; readonly url: string; readonly headers: Readonly<Record<string, string>> }
  | { readonly do: 'open-reports' }
  | { readonly do: 'saturate'; readonly kind: Kind; readonly ms: number; readonly inFlight: number }
  /** Whole requests, one after the other; from the first again while there is time. @see Requests */
  | {
      readonly do: 'request';
      readonly origin: string;
      readonly requests: readonly string[];
      readonly again: boolean;
      readonly ms: number;
      readonly inFlight: number;
    }
  | { readonly do: 'pace'; readonly kind: Kind; readonly ms: number; readonly perSecond: number }
);

/** What comes back for each order. */
export interface Answers {
  prepare: undefined;
  connect: undefined;
  authorize: undefined;
  'open-reports': undefined;
  saturate: RunResult;
  pace: RunResult;
  request: RunResult;
}

export interface Asked {
  readonly number: number;
  readonly order: Order;
}

/** A running load generator. */
export class Loader {
  readonly #child: ChildProcess = startLoad();
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #number = 0;

  constructor() {
    this.#child.on('message', ({ number, value }: { number: number; value: unknown }) => {
      this.#waiting.get(number)?.resolve(value);
      this.#waiting.delete(number);
    });
    this.#child.on('exit', (code) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`The load generator ended (${code})`));
    });
  }

  order<K extends Order['do']>(order: Extract<Order, { do: K }>): Promise<Answers[K]> {
    const number = ++this.#number;
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve: resolve as (value: unknown) => void, reject });
      this.#child.send({ number, order } satisfies Asked);
    });
  }

  stop(): void {
    if (this.#child.connected) this.#child.disconnect();
  }
}
