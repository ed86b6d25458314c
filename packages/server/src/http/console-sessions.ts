/** Sessions as the console shows them. Endpoints of subscriptions stay secret: see `subscriptionName`. */
import type { ContextElement, Resource } from '@lockstep/fhircast';
import type { Hub, SessionState } from '@lockstep/hub';
import type { Clients, Users } from '@lockstep/smart';
import { subscriptionName } from '../inspector.ts';

export interface SubscriptionView {
  readonly id: string;
  readonly name: string;
  readonly clientId: string;
  readonly client?: string;
  readonly channel: string;
  readonly connected: boolean;
  readonly events: readonly string[];
  /** ms since the epoch. */
  readonly expiresAt: number;
}

export interface SessionView {
  readonly topic: string;
  readonly user: string;
  readonly userName?: string;
  readonly workstation?: string;
  readonly label?: string;
  /** ms since the epoch. */
  readonly startedAt: number;
  readonly changedAt: number;
  /** `Type/id` of the current context's anchor. */
  readonly current?: string;
  readonly subscriptions: readonly SubscriptionView[];
}

export interface AnchorView {
  readonly anchor: string;
  readonly versionId: string;
  readonly openedBy: { readonly number: number; readonly id: string; readonly timestamp: string };
  readonly context: readonly ContextElement[];
  readonly content: readonly Resource[];
}

export interface SessionDetail extends SessionView {
  /** In order of opening: the latest comes last. */
  readonly anchors: readonly AnchorView[];
}

interface Names {
  readonly users: Pick<Users, 'resolve'>;
  readonly clients: Pick<Clients, 'get'>;
}

type Inspected = NonNullable<Awaited<ReturnType<Hub['inspect']>>>;

/** A session without what is open in it. */
export async function sessionView({ state, connected }: Inspected, names: Names): Promise<SessionView> {
  const { user, workstation, label, startedAt } = state.info;
  const subscriptions = [...state.subscriptions.values()].map(async (one): Promise<SubscriptionView> => {
    const client = await names.clients.get(one.clientId);
    return {
      id: subscriptionName(one.id),
      name: one.subscriberName,
      clientId: one.clientId,
      ...(client && { client: client.name }),
      channel: one.channel,
      connected: connected.has(one.id),
      events: one.events,
      expiresAt: one.expiresAt,
    };
  });
  const person = await names.users.resolve(user);
  return {
    topic: state.topic,
    user,
    ...(person && { userName: person.name }),
    ...(workstation && { workstation }),
    ...(label && { label }),
    startedAt,
    changedAt: state.changedAt,
    ...(state.current !== undefined && { current: state.current }),
    subscriptions: await Promise.all(subscriptions),
  };
}

/** What is open in a session, and what is shared in it. */
export function anchorViews(state: SessionState): readonly AnchorView[] {
  return [...state.anchors].map(([anchor, { versionId, opening, content }]) => ({
    anchor,
    versionId,
    openedBy: { number: opening.number, id: opening.id, timestamp: opening.timestamp },
    context: opening.context,
    content: [...content.values()].map(({ resource }) => resource),
  }));
}
