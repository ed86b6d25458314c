/**
 * Where the application stands against the session. It is `in-sync` only while the Hub was heard lately, its current
 * context was read and equals ours, every handler has followed, and nobody reported otherwise.
 */
export type SyncState =
  /** No confirmed connection; `attempt` counts from 1 and `reason` says what ended the last one. */
  | { readonly status: 'connecting'; readonly attempt: number; readonly reason?: string }
  | { readonly status: 'in-sync' }
  /** Connected, but the Hub may know more than we do, or a handler is still at work. */
  | { readonly status: 'behind'; readonly reason: string }
  /** Somebody did not follow; `who` is the subscriber's name, `us` when it was this application. */
  | { readonly status: 'out-of-sync'; readonly reason: string; readonly who?: string; readonly us: boolean }
  /** Over for good: unsubscribed, denied or refused. */
  | { readonly status: 'closed'; readonly reason: string };

export function sameState(a: SyncState, b: SyncState): boolean {
  const keys = Object.keys(a) as (keyof SyncState)[];
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}

/** A value that can be watched. */
export class Observable<T> {
  #value: T;
  readonly #watchers = new Set<(value: T) => void>();
  readonly #onThrow: (error: unknown) => void;

  constructor(value: T, onThrow: (error: unknown) => void) {
    this.#value = value;
    this.#onThrow = onThrow;
  }

  get value(): T {
    return this.#value;
  }

  set(value: T): void {
    if (value === this.#value) return;
    this.#value = value;
    for (const watcher of [...this.#watchers]) {
      // A watcher changed it, and all were told of that.
      if (this.#value !== value) return;
      try {
        watcher(value);
      } catch (error) {
        this.#onThrow(error);
      }
    }
  }

  /** Calls back at every change; returns a function that stops. */
  watch(watcher: (value: T) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }
}
