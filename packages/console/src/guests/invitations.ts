/** Inviting others into the person's own session, and what was invited from this tab: the Hub keeps hashes of links only. */
import type { KeyStorage } from '../browser-storage.ts';
import type { HubRequests } from '../hub-requests.ts';
import { Watchable } from '../store.ts';

export interface SentInvitation {
  /** By which it is withdrawn. */
  readonly id: string;
  /** The secret part of the link. */
  readonly code: string;
  /** ms since the epoch. */
  readonly expiresAt: number;
  readonly followingOnly: boolean;
}

/** Somebody who came into the session by a link. */
export interface GuestView {
  /** `Practitioner/123`. */
  readonly user: string;
  /** An instant. */
  readonly joined: string;
  readonly followingOnly: boolean;
}

/** What a guest learns about the session. */
export interface JoinedSession {
  readonly topic: string;
  readonly hubUrl: string;
  readonly user: string;
  readonly followingOnly: boolean;
}

type Answer = Readonly<Record<string, unknown>>;

export class SessionInvitations {
  readonly sent: Watchable<readonly SentInvitation[]>;
  readonly #hub: HubRequests;
  readonly #topic: string;
  readonly #storage: KeyStorage;
  readonly #now: () => number;

  constructor(parts: { hub: HubRequests; topic: string; storage: KeyStorage; now?: () => number }) {
    this.#hub = parts.hub;
    this.#topic = parts.topic;
    this.#storage = parts.storage;
    this.#now = parts.now ?? Date.now;
    this.sent = new Watchable(this.#kept());
  }

  get #key(): string {
    return `lockstep-invitations ${this.#topic}`;
  }

  #kept(): readonly SentInvitation[] {
    try {
      const kept = JSON.parse(this.#storage.getItem(this.#key) ?? '[]') as readonly SentInvitation[];
      return kept.filter(({ expiresAt }) => expiresAt > this.#now());
    } catch {
      return [];
    }
  }

  #keep(sent: readonly SentInvitation[]): void {
    this.#storage.setItem(this.#key, JSON.stringify(sent));
    this.sent.set(sent);
  }

  /** @param life s. @throws ApiError */
  async invite(followingOnly: boolean, life: number): Promise<void> {
    const path = `/session/${encodeURIComponent(this.#topic)}/invitation`;
    const made = (await this.#hub.send('POST', path, { following_only: followingOnly, expires_in: life })) as Answer;
    const { id, invitation_url: url, expires } = made as { id: string; invitation_url: string; expires: string };
    const code = url.slice(url.lastIndexOf('/') + 1);
    this.#keep([...this.#kept(), { id, code, expiresAt: Date.parse(expires), followingOnly }]);
  }

  /** Guests who came by it lose access. @throws ApiError */
  async withdraw(id: string): Promise<void> {
    const path = `/session/${encodeURIComponent(this.#topic)}/invitation/${encodeURIComponent(id)}`;
    await this.#hub.send('DELETE', path);
    this.#keep(this.#kept().filter((one) => one.id !== id));
  }

  /** @throws ApiError */
  async guests(): Promise<readonly GuestView[]> {
    const sessions = (await this.#hub.send('GET', '/session')) as readonly Answer[];
    const own = sessions.find((one) => one['hub.topic'] === this.#topic);
    return ((own?.guests ?? []) as readonly Answer[]).map(({ user, joined, following_only: only }) => ({
      user: String(user),
      joined: String(joined),
      followingOnly: only === true,
    }));
  }
}

/** Takes an invitation up. @throws ApiError for a link that is not good, or not any more */
export async function joinSession(hub: HubRequests, code: string): Promise<JoinedSession> {
  const joined = (await hub.send('POST', `/invitation/${encodeURIComponent(code)}`)) as Answer;
  return {
    topic: String(joined['hub.topic']),
    hubUrl: String(joined['hub.url']),
    user: String(joined.user),
    followingOnly: joined.following_only === true,
  };
}

/** Leaves a session that the person was invited into. @throws ApiError */
export async function leaveSession(hub: HubRequests, topic: string): Promise<void> {
  await hub.send('DELETE', `/session/${encodeURIComponent(topic)}/guest`);
}
