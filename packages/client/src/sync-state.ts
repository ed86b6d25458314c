import type { NotFollowing } from '@lockstep/fhircast';

/**
 * Where the session stands, seen from one application: the worst of its own state and of the others'. No event sets it: it is
 * computed from what the application shows, what the Hub's current context is, and who follows (`syncState`).
 */
export type SyncState =
  /** No confirmed connection; `attempt` counts from 1 and `reason` says what ended the last one. */
  | { readonly status: 'connecting'; readonly attempt: number; readonly reason?: string }
  /** What every application of the session shows, as far as can be known, is the Hub's current context. */
  | { readonly status: 'in-sync' }
  /** Connected, but the Hub's current context is not confirmed. */
  | { readonly status: 'unknown'; readonly reason: string }
  /** The Hub's current context is not shown yet: by this application, or by `who`, which has not answered yet. */
  | { readonly status: 'behind'; readonly reason: string; readonly who?: string }
  /**
   * Somebody does not follow; `us` when it is this application. `who` and `reason` are the first one's, `others` are all of
   * the other applications that do not follow, what they still show, and since when.
   */
  | {
      readonly status: 'out-of-sync';
      readonly reason: string;
      readonly who?: string;
      readonly us: boolean;
      readonly others: readonly NotFollowing[];
    }
  /** Over for good: unsubscribed, denied or refused. */
  | { readonly status: 'closed'; readonly reason: string };

/** A context that is shown: its identity and, where it is known, the version of what is shown of it. */
export interface Shown {
  readonly type: string;
  readonly id: string;
  readonly versionId?: string;
}

/** What is known when the state is computed. */
export interface Standing {
  /** What the application shows; undefined for nothing. */
  readonly shown: Shown | undefined;
  /** Why the application has not finished with the current context or its content; '' when it has. */
  readonly busy: string;
  /** Why the application does not follow the current context; undefined when it does not say so. */
  readonly refusal: string | undefined;
  /** The name of this application, where it has one. */
  readonly name: string | undefined;
  /** The Hub's current context as last confirmed; undefined for none. */
  readonly current: Shown | undefined;
  /** Why `current` may not be the Hub's; '' when it was read and nothing spoke against it since. */
  readonly uncertainty: string;
  /** ms since the Hub was last heard. */
  readonly age: number;
  /** ms after which what was confirmed counts no more. */
  readonly maxAge: number;
  /** The others that do not follow. */
  readonly notFollowing: readonly NotFollowing[];
  /** An application that has not answered the current context yet; '' for one that is not known. */
  readonly waitingFor?: string | undefined;
}

export const OTHER = 'another context is shown';

function isSame(shown: Shown | undefined, current: Shown | undefined): boolean {
  if (!shown || !current) return shown === current;
  // A version that is not known is no other one.
  const { type, id, versionId = current.versionId } = shown;
  return type === current.type && id === current.id && versionId === (current.versionId ?? versionId);
}

/** The state of a connected application. Pure; the same for every application of ours. */
export function syncState(standing: Standing): SyncState {
  const { refusal, name, age, maxAge, notFollowing: others, waitingFor } = standing;
  const us = refusal !== undefined;
  const first = us ? { name, reason: refusal } : others[0];
  if (first) {
    const { name: who, reason } = first;
    return { status: 'out-of-sync', reason, us, others, ...(who && { who }) };
  }
  const uncertainty = standing.uncertainty || (age > maxAge ? 'the Hub is silent' : '');
  if (uncertainty) return { status: 'unknown', reason: uncertainty };
  const busy = standing.busy || (isSame(standing.shown, standing.current) ? '' : OTHER);
  if (busy) return { status: 'behind', reason: busy };
  if (waitingFor !== undefined) {
    const reason = waitingFor ? `${waitingFor} has not answered yet` : 'waiting for the others';
    return { status: 'behind', reason, ...(waitingFor && { who: waitingFor }) };
  }
  return { status: 'in-sync' };
}

export function sameState(a: SyncState, b: SyncState): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
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
      // A watcher changed it, and all were called with that.
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
