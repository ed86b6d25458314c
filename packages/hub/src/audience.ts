import { eventKey } from '@lockstep/fhircast';
import { standingOpens } from './context.ts';
import { confirmation, denial } from './control-messages.ts';
import { Delivery } from './delivery.ts';
import { Link, type LinkEvents, type LinkOptions } from './link.ts';
import type { Channel, Clock } from './ports.ts';
import type { SessionState, Subscription } from './state.ts';
import type { Webhook } from './webhook.ts';

export interface AudienceOptions extends LinkOptions {
  readonly nodeId: string;
}

/** Subscriptions that ended, and what their subscribers are told. */
export interface Denied {
  readonly ids: readonly string[];
  readonly reason: string;
}

/** The standing opens, as deliveries (SUB-8). */
export function standing(state: SessionState): readonly Delivery[] {
  return standingOpens(state).map(
    ({ number, message }) =>
      new Delivery({
        number,
        id: message.id,
        name: message.event['hub.event'],
        text: JSON.stringify(message),
        message,
      }),
  );
}

/** SUB-8; with `had`, only what a renewed subscription did not have before. */
function standingSince(state: SessionState, had?: Subscription): readonly Delivery[] {
  const before = new Set(had?.events.map(eventKey));
  return standing(state).filter(({ key }) => !before.has(key) && !before.has('*'));
}

/** Those whom this node sends the events of one topic: connected subscribers, and callbacks that it posts to. */
export class Audience {
  readonly links = new Map<string, Link>();
  readonly hooks = new Map<string, Webhook>();
  readonly #topic: string;
  readonly #clock: Clock;
  readonly #options: AudienceOptions;

  constructor(topic: string, clock: Clock, options: AudienceOptions) {
    this.#topic = topic;
    this.#clock = clock;
    this.#options = options;
  }

  get empty(): boolean {
    return this.links.size === 0 && this.hooks.size === 0;
  }

  deliver(delivery: Delivery): void {
    for (const link of this.links.values()) link.deliver(delivery);
    for (const hook of this.hooks.values()) hook.offer(delivery);
  }

  /** To those that have not acknowledged it (PUB-7). */
  redeliver(delivery: Delivery): void {
    for (const link of this.links.values()) link.redeliver(delivery);
    for (const hook of this.hooks.values()) hook.redeliver(delivery);
  }

  /**
   * Connects a subscriber, which is sent its confirmation and what it missed, and from then on each event.
   * @param missed undefined where that is not known: the standing opens stand for it
   */
  connect(
    subscription: Subscription,
    channel: Channel,
    events: LinkEvents,
    state: SessionState,
    missed: readonly Delivery[] | undefined,
  ): Link {
    const earlier = this.links.get(subscription.id);
    if (earlier) {
      this.detach(earlier);
      earlier.channel.close(1000, 'Connected elsewhere');
    }
    const link = new Link(subscription, channel, this.#clock, events, this.#options);
    this.links.set(subscription.id, link);
    link.say(confirmation(subscription, this.#topic, this.#clock.now()));
    for (const delivery of missed ?? standing(state)) link.deliver(delivery);
    return link;
  }

  /** Takes a link out whose channel is gone. @returns false when it was replaced or ended before */
  detach(link: Link): boolean {
    const { id } = link.subscription;
    const held = this.links.get(id) === link;
    link.end();
    if (held) this.links.delete(id);
    return held;
  }

  /** Brings everybody in line with the state: ended ones are told why, renewed ones what they now have. */
  reconcile(state: SessionState, denied?: Denied): void {
    for (const [id, link] of this.links) {
      const subscription = state.subscriptions.get(id);
      if (!subscription) {
        this.#end(link, denied?.ids.includes(id) ? denied.reason : 'The subscription has ended');
      } else if (subscription.node !== this.#options.nodeId) {
        this.detach(link);
        link.channel.close(1000, 'Connected elsewhere');
      } else if (subscription !== link.subscription) {
        this.#renew(link, subscription, state);
      }
    }
    this.#reconcileHooks(state);
  }

  #renew(link: Link, subscription: Subscription, state: SessionState): void {
    const had = link.subscription;
    link.grant(subscription);
    // The same subscription read anew from the store is no news.
    if (had.renewals === subscription.renewals) return;
    link.say(confirmation(subscription, this.#topic, this.#clock.now()));
    for (const open of standingSince(state, had)) link.deliver(open);
  }

  #reconcileHooks(state: SessionState): void {
    for (const [id, hook] of this.hooks) {
      const subscription = state.subscriptions.get(id);
      if (subscription?.node !== this.#options.nodeId) {
        hook.end();
        this.hooks.delete(id);
      } else if (subscription !== hook.subscription) {
        const had = hook.subscription;
        hook.grant(subscription);
        if (had.renewals !== subscription.renewals) hook.begin(standingSince(state, had));
      }
    }
  }

  /** Denial, normal close (SUB-5, SUB-9, SUB-10). */
  #end(link: Link, reason: string): void {
    link.say(denial(link.subscription, this.#topic, reason));
    this.detach(link);
    link.channel.close(1000, 'Subscription ended');
  }

  /** The session is gone: everybody is told so (SES-5). */
  endAll(reason: string): void {
    for (const link of [...this.links.values()]) this.#end(link, reason);
    for (const hook of this.hooks.values()) hook.end();
    this.hooks.clear();
  }
}
