import { type SessionStore, type StoreNotice, StoreUnavailable } from '@lockstep/store';
import type { Background } from '../live/background.ts';
import type { LiveSession } from '../live/live-session.ts';
import type { LiveSessions } from '../live/live-sessions.ts';
import type { Nodes } from '../ports.ts';
import { nodeKey } from './index-keys.ts';

export interface FollowerParts {
  readonly store: SessionStore;
  readonly sessions: LiveSessions;
  readonly background: Background;
  readonly nodeId: string;
  /** The nodes that share the store, where there may be others. */
  readonly nodes?: Nodes | undefined;
}

/** Follows what the store and the other nodes announce, and takes over what a node that is gone has left. */
export class StoreFollower {
  readonly #parts: FollowerParts;

  constructor(parts: FollowerParts) {
    this.#parts = parts;
  }

  /** Starts to follow the store, and takes up what this node had before a restart. */
  async start(): Promise<void> {
    const { store, background, nodes, nodeId } = this.#parts;
    background.onStop(store.watch((notice) => this.#noticed(notice)));
    try {
      await this.#takeOver(nodeId);
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      // It can be read and not written, as while the disk is full: that is no reason not to start.
      background.later(() => this.#takeOver(nodeId));
    }
    if (nodes) background.onStop(nodes.watch((node, alive) => this.#nodeChanged(nodes, node, alive)));
  }

  #noticed(notice: StoreNotice): void {
    const { sessions } = this.#parts;
    if (notice.kind === 'gap') {
      if (notice.topic === undefined) sessions.readAllAgain();
      else if (sessions.has(notice.topic)) sessions.readAgain(sessions.of(notice.topic));
      return;
    }
    // What this node did itself is known here already; where an answer was lost, the session is read again anyway.
    if (notice.local) return;
    const session = sessions.live(notice.topic);
    if (!session) return;
    if (notice.kind === 'commit') {
      const { revision, epoch, commit } = notice;
      if (!session.knows(revision) || session.audience.awaitsReasons)
        this.#follow(session, () => session.follow(revision, epoch, commit));
    } else if (notice.kind === 'erased') {
      this.#follow(session, async () => session.endAll('The session has ended'));
    } else {
      this.#follow(session, () => session.announced(notice.body));
    }
  }

  /** Does what a notice asks for; while the store cannot be reached, the session is read again afterwards. */
  #follow(session: LiveSession, work: () => Promise<void>): void {
    session.run(work).catch((error: unknown) => {
      if (error instanceof StoreUnavailable) this.#parts.sessions.readAgain(session);
      else this.#parts.background.failed(error);
    });
  }

  /** A node is gone, or back. Its callbacks are called from here; its subscribers may come back to any node (ERR-3). */
  #nodeChanged(nodes: Nodes, node: string, alive: boolean): void {
    if (alive) return;
    // What it had committed it may not have announced.
    this.#parts.sessions.readAllAgain();
    this.#parts.background.later(async () => {
      await this.#takeOver(node);
      await nodes.forget(node);
    });
  }

  async #takeOver(from: string): Promise<void> {
    const { store, sessions, nodeId: to } = this.#parts;
    for (const topic of await store.lookup(nodeKey(from))) {
      const session = sessions.of(topic);
      await session.execute(() => {
        const here = from === to ? new Set(session.audience.sockets.keys()) : new Set<string>();
        return { kind: 'take-over', from, to, here };
      });
      await session.tendCallbacks();
    }
  }
}
