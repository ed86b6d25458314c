/** Sessions as the console shows them. Endpoints of subscriptions stay secret: see `subscriptionName`. */
import type { AnchorView, SessionView, SubscriptionView } from '@lockstep/console/wire';
import { contextOf, type Hub, notFollowing, type SessionState } from '@lockstep/hub';
import type { AuthorizationServer } from '@lockstep/smart';
import { subscriptionName } from '../inspector.ts';
import type { SharedViews } from '../shared-views.ts';

interface Sources {
  readonly authorization: Pick<AuthorizationServer, 'users' | 'clients'>;
  readonly views: SharedViews;
}

type Inspected = NonNullable<Awaited<ReturnType<Hub['inspect']>>>;

/** A session without what is open in it. */
export async function sessionView(inspected: Inspected, sources: Sources): Promise<SessionView> {
  const [view] = await sessionViews([inspected], sources);
  return view!;
}

/** Sessions without what is open in them. */
export async function sessionViews(
  inspected: readonly Inspected[],
  { authorization, views }: Sources,
): Promise<readonly SessionView[]> {
  return Promise.all(inspected.map((one) => viewOf(one, authorization, views)));
}

async function viewOf(
  { state, connected }: Inspected,
  names: Sources['authorization'],
  views: SharedViews,
): Promise<SessionView> {
  const { user, workstation, label, startedAt } = state.info;
  const subscriptions = [...state.subscriptions.values()].map(async (one): Promise<SubscriptionView> => {
    const client = await names.clients.get(one.clientId);
    return {
      id: subscriptionName(one.id),
      name: one.subscriberName,
      clientId: one.clientId,
      ...(client && { client: client.name }),
      channel: one.channel,
      connected: views.isConnected(one, connected),
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
    open: [...state.anchors.keys()],
    subscriptions: await Promise.all(subscriptions),
    notFollowing: notFollowing(state, () => true),
  };
}

/** What is open in a session, and what is shared in it. */
export function anchorViews(state: SessionState): readonly AnchorView[] {
  return [...state.anchors].map(([anchor, { versionId, opening, content }]) => ({
    anchor,
    versionId,
    openedBy: { number: opening.number, id: opening.id, timestamp: opening.timestamp },
    context: contextOf(opening),
    content: [...content.values()].map(({ resource }) => JSON.parse(resource)),
  }));
}
