import { type SessionStore, StoreUnavailable } from '@lockstep/store';
import type { Activity } from '../live/activity.ts';
import type { Background } from '../live/background.ts';
import type { LiveSession } from '../live/live-session.ts';
import type { LiveSessions } from '../live/live-sessions.ts';
import type { SubscriberSocket } from '../live/subscriber-socket.ts';
import { type Channel, type Clock, pausedFor } from '../ports.ts';
import { hasEnded } from '../rules/lease.ts';
import { endpointKey } from '../stored/index-keys.ts';

/** A connected subscriber, for the side that holds its socket. */
export interface ConnectedSubscriber {
  /** A text frame arrived. */
  received(text: string): void;
  /** An answer arrived some other way. */
  answered(eventId: string, status: number): void;
  /** There was a sign of life, such as the answer to a ping. */
  heard(): void;
  /** The socket is gone, with the WebSocket close code. @param isSilent whether it was closed since there was no sign of life */
  closed(code: number, isSilent?: boolean): void;
}

/** An endpoint that can be connected to, and whose it is. */
export interface FoundEndpoint {
  readonly topic: string;
  readonly clientId: string;
  readonly user?: string;
}

class Connected implements ConnectedSubscriber {
  readonly #session: LiveSession;
  readonly #socket: SubscriberSocket;

  constructor(session: LiveSession, socket: SubscriberSocket) {
    this.#session = session;
    this.#socket = socket;
  }

  received(text: string): void {
    this.#socket.received(text);
  }

  answered(eventId: string, status: number): void {
    this.#socket.answered(eventId, status);
  }

  heard(): void {
    this.#socket.heard();
  }

  closed(code: number, isSilent?: boolean): void {
    this.#session.disconnected(this.#socket, code, isSilent);
  }
}

export interface ConnectingParts {
  readonly store: SessionStore;
  readonly clock: Clock;
  readonly live: LiveSessions;
  readonly background: Background;
  readonly activity: Activity;
}

/** Subscribers that connect to their endpoints (SUB-7, SUB-8, SUB-11). */
export class Connecting {
  readonly #parts: ConnectingParts;

  constructor(parts: ConnectingParts) {
    this.#parts = parts;
  }

  /**
   * Whether the endpoint can be connected to; asked before a WebSocket upgrade is answered (SUB-7).
   * @throws StoreUnavailable while the Hub stops: that says nothing about the endpoint
   */
  async findEndpoint(id: string): Promise<FoundEndpoint | undefined> {
    const { store, live, background, clock } = this.#parts;
    if (background.stopping) throw new StoreUnavailable('The Hub is stopping');
    const [topic] = await store.lookup(endpointKey(id));
    if (topic === undefined) return undefined;
    const subscription = (await live.load(topic))?.subscriptions.get(id);
    if (!subscription || hasEnded(subscription, clock.now() - pausedFor(clock))) return undefined;
    const { clientId, user } = subscription;
    return { topic, clientId, ...(user !== undefined && { user }) };
  }

  /**
   * Connects a subscriber to its endpoint.
   * @param since id of the last event it has seen
   * @returns undefined when the endpoint ended meanwhile; the channel is closed then
   */
  async connect(
    endpoint: { readonly topic: string; readonly id: string },
    channel: Channel,
    since?: string,
  ): Promise<ConnectedSubscriber | undefined> {
    const { live, activity } = this.#parts;
    const session = live.of(endpoint.topic);
    const socket = await session.connect(endpoint.id, channel, since);
    if ('ok' in socket) {
      channel.close(1008, socket.reason);
      return undefined;
    }
    activity.subscription(session.topic, 'connected', socket.subscription);
    return new Connected(session, socket);
  }
}
