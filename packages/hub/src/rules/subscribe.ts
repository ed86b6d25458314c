/** Who may subscribe to what, for how long, and how many (SUB-1 to SUB-6, SUB-9, SUB-12, SUB-13, WEB-1). */
import { grantEvents, type SubscriptionRequest } from '@lockstep/fhircast';
import { type Decision, done, type Effect, type SessionCommand, type Subscribe } from './commands.ts';
import { sharedList } from './event-lists.ts';
import { awaited, taken, withoutSuccessors } from './following.ts';
import { deny, ended, hasEnded, LEASE_ENDED, leaseEnd, unexpired, withSubscription } from './lease.ts';
import { type Access, endedWith, isOwner, isSameName, mayJoin, owns } from './permission.ts';
import type { Policy } from './policy.ts';
import { NOTHING_TO_DO, type Rejection, refuse, UNKNOWN_ENDPOINT, UNKNOWN_TOPIC } from './reasons.ts';
import type { SessionState, Subscription } from './session-state.ts';
import { lastStandingOpen, lastStandingOpenSince } from './told.ts';
import { withRenewed, withSent } from './untold.ts';
import type { SubscriptionRules } from './versions.ts';

type Of<Kind extends SessionCommand['kind']> = Extract<SessionCommand, { kind: Kind }>;

/** Why a subscription ended that its subscriber asked to end. */
export const UNSUBSCRIBED = 'Unsubscribed';

/** What the form must hold, whatever the session (SUB-2, SUB-12, WEB-2). */
export function formProblem(request: SubscriptionRequest, rules: SubscriptionRules): Rejection | undefined {
  const { channels } = rules;
  if (!channels.includes(request.channel)) {
    return refuse('invalid', `hub.channel.type must be ${channels.join(' or ')}`);
  }
  if (request.mode === 'unsubscribe') {
    return rules.endpointRequired && !request.endpoint
      ? refuse('invalid', 'hub.channel.endpoint is missing')
      : undefined;
  }
  if (rules.subscriberNameRequired && !request.subscriberName) return refuse('invalid', 'subscriber.name is missing');
  if (request.channel !== 'webhook') return undefined;
  if (request.callback === undefined) return refuse('invalid', 'hub.callback is missing');
  return rules.secretRequired && request.secret === undefined ? refuse('invalid', 'hub.secret is missing') : undefined;
}

/** The unguessable part of an endpoint's URL. */
function endpointId(endpoint: string): string {
  return endpoint.split('?')[0]?.split('/').pop()?.trim() ?? '';
}

/** A new subscription, as it is granted (SUB-4, SUB-5). */
function granted({ access, request, id, rules, node }: Subscribe, now: number, policy: Policy): Subscription {
  const { spelling } = rules;
  const { channel, callback, secret } = request;
  const own = channel === 'webhook' ? { node } : { presence: { is: 'awaited', since: now } as const };
  return {
    id,
    channel,
    subscriberName: request.subscriberName ?? access.clientName,
    events: sharedList(grantEvents(request.events, access.scopes)),
    expiresAt: leaseEnd(request, access, now, policy),
    clientId: access.clientId,
    ...(access.user !== undefined && { user: access.user }),
    grantId: access.grantId,
    tokenId: access.tokenId,
    acknowledgements: access.switches.acknowledgements ?? policy.acknowledgements ?? policy.profile.acknowledgements,
    renewals: 0,
    ...(channel === 'webhook' && callback !== undefined && { callback }),
    ...(channel === 'webhook' && secret !== undefined && { secret }),
    ...(spelling !== policy.profile.spelling && { spelling }),
    ...own,
  };
}

/** Subscriptions that every client of the session's owner, and the one that started it, finds room for (SUB-13). */
const KEPT_FOR_OWNER = 4;

/**
 * SUB-13: why the caller finds no room, if so. One client has its share of the session, and so has one person whose session it
 * is not, whatever clients they use. A client that fills the session does not keep its owner's applications and its EHR out: a few
 * places for each of them count for nothing.
 */
function full(state: SessionState, access: Access, asking: number, now: number, policy: Policy): Rejection | undefined {
  const { maxSubscriptionsPerSession: most, maxSubscriptionsPerClient: share, maxSubscriptionsPerUser: own } = policy;
  const held = unexpired(state, now);
  const byClient = held.filter((one) => one.clientId === access.clientId).length + asking;
  const started = access.clientId === state.info.startedBy;
  if (!started && byClient >= share) {
    return refuse('too-many-subscriptions', `The client has ${share} subscriptions in the session already`);
  }
  const owner = isOwner(access, state);
  const byUser = held.filter((one) => isSameName(one.user, access.user)).length + asking;
  if (!owner && access.user !== undefined && byUser >= own) {
    return refuse('too-many-subscriptions', `The user has ${own} subscriptions in the session already`);
  }
  if (held.length + asking < most || (owner && byClient < KEPT_FOR_OWNER)) return undefined;
  return refuse('too-many-subscriptions', `The session has ${most} subscriptions already`);
}

/** SUB-6: the same endpoint, other events, another lease. Its socket stays where it is, wherever the renewal was asked for. */
function renewed(
  state: SessionState,
  held: Subscription,
  next: Subscription,
  now: number,
  { profile }: Policy,
): Decision {
  const { node, presence, after, told, standsIn } = held;
  const subscription: Subscription = {
    ...next,
    id: held.id,
    renewals: held.renewals + 1,
    ...(node !== undefined && held.channel === 'websocket' && { node }),
    ...(presence && { presence }),
    ...(after !== undefined && { after }),
    ...(told !== undefined && { told }),
    ...(standsIn && { standsIn }),
  };
  const isSent = held.channel === 'webhook' || presence?.is === 'connected';
  const event = isSent ? lastStandingOpenSince(state, subscription, held.events) : undefined;
  const known = withSubscription(withoutSuccessors(state, held.id), subscription, now);
  const asked = awaited(known, subscription, event, now);
  const noted = withRenewed(state, asked, held.id, event?.number, profile.derivesOpens, now);
  return done(noted, { kind: 'renewed', subscription });
}

function renew(
  state: SessionState,
  command: Subscribe,
  endpoint: string,
  now: number,
  policy: Policy,
  pausedMs: number,
): Decision {
  const { access, request } = command;
  const held = state.subscriptions.get(endpointId(endpoint));
  if (!held || !owns(access, held) || hasEnded(held, now - pausedMs)) return UNKNOWN_ENDPOINT;
  const { subscriberName = held.subscriberName } = request;
  const next = { ...granted(command, now, policy), subscriberName };
  // A renewal is never the first word of its endpoint.
  const { presence: _, ...rest } = next;
  return renewed(state, held, rest, now, policy);
}

/** Puts a new subscription in, and those out whose lease ended meanwhile. */
function added(
  state: SessionState,
  subscription: Subscription,
  now: number,
  { profile }: Policy,
  pausedMs: number,
): Decision {
  const until = now - pausedMs;
  const late = [...state.subscriptions.values()].filter((one) => one.channel === 'websocket' && hasEnded(one, until));
  const ids = late.map(({ id }) => id);
  const room = ids.length > 0 ? ended(state, ids, now, false) : state;
  const asked = { ...subscription, after: state.nextNumber - 1 };
  const joined = taken(withSubscription(room, asked, now), asked);
  const own = joined.subscriptions.get(asked.id) ?? asked;
  // A callback is called at once; who is to connect is sent something once it has (SUB-7).
  const event = own.channel === 'webhook' ? lastStandingOpen(state, own, profile.derivesOpens) : undefined;
  const sent = own.channel === 'webhook' ? withSent(joined, own, event?.number, profile.derivesOpens) : joined;
  const after = awaited(sent, own, event, now);
  const effects: Effect[] = [{ kind: 'subscribed', subscription: own }];
  if (ids.length > 0) effects.push({ kind: 'ended', ids, reason: LEASE_ENDED });
  return done(after, ...effects);
}

/** `hub.mode=subscribe`. A webhook is asked first: nothing changes until it has confirmed (WEB-1). */
export function subscribe(
  state: SessionState,
  command: Subscribe,
  now: number,
  policy: Policy,
  pausedMs: number,
): Decision {
  const { access, request, rules, asking = 0 } = command;
  const wrong = formProblem(request, rules);
  if (wrong) return wrong;
  if (!mayJoin(access, state.topic, state.info)) return UNKNOWN_TOPIC;
  if (grantEvents(request.events, access.scopes).length === 0) {
    return refuse('scope-missing', "None of hub.events is covered by the token's fhircast/….read scopes");
  }
  if (request.endpoint && request.channel === 'websocket') {
    return renew(state, command, request.endpoint, now, policy, pausedMs);
  }
  const subscription = granted(command, now, policy);
  const again = request.channel === 'webhook' && sameCallback(state, subscription);
  if (!again) {
    const problem = full(state, access, asking, now, policy);
    if (problem) return problem;
  }
  if (request.channel === 'webhook') return done(state, { kind: 'verify', mode: 'subscribe', subscription });
  return added(state, subscription, now, policy, pausedMs);
}

/** Whether one is a renewal of the other (SUB-6). */
export function isSameCallback(one: Subscription, other: Subscription): boolean {
  return one.callback === other.callback && one.clientId === other.clientId && one.user === other.user;
}

function sameCallback(state: SessionState, subscription: Subscription): Subscription | undefined {
  return [...state.subscriptions.values()].find((one) => isSameCallback(one, subscription));
}

/** A callback has confirmed: the subscription begins, or is renewed (WEB-1, SUB-6). */
export function confirm(
  state: SessionState,
  { subscription }: Of<'confirm'>,
  now: number,
  policy: Policy,
  pausedMs: number,
): Decision {
  if (hasEnded(subscription, now)) return NOTHING_TO_DO;
  const held = sameCallback(state, subscription);
  if (!held) return added(state, subscription, now, policy, pausedMs);
  return renewed(state, held, { ...subscription, ...(held.after === undefined && { after: 0 }) }, now, policy);
}

/** `hub.mode=unsubscribe`: topic and endpoint, or what identifies the one that is meant (SUB-9). */
export function unsubscribe(state: SessionState, command: Of<'unsubscribe'>, now: number): Decision {
  const { access, request, rules } = command;
  const wrong = formProblem(request, rules);
  if (wrong) return wrong;
  if (!mayJoin(access, state.topic, state.info)) return UNKNOWN_TOPIC;
  const mine = [...state.subscriptions.values()].filter((one) => owns(access, one));
  if (request.channel === 'webhook') {
    const subscription = mine.find((one) => one.callback !== undefined && one.callback === request.callback);
    if (!subscription) return UNKNOWN_ENDPOINT;
    if (rules.verifiesUnsubscribe) return done(state, { kind: 'verify', mode: 'unsubscribe', subscription });
    return deny(state, [subscription.id], UNSUBSCRIBED, now, true);
  }
  const asked = request.endpoint === undefined ? undefined : endpointId(request.endpoint);
  const meant = mine.filter((one) =>
    asked === undefined
      ? request.subscriberName === undefined || one.subscriberName === request.subscriberName
      : one.id === asked,
  );
  if (meant.length > 1) {
    return refuse(
      'ambiguous-endpoint',
      'hub.channel.endpoint is missing, and more than one subscription could be meant',
    );
  }
  const [subscription] = meant;
  return subscription ? deny(state, [subscription.id], UNSUBSCRIBED, now, true) : UNKNOWN_ENDPOINT;
}

/** TOK-6: a subscription ends with its access. */
export function accessEnded(state: SessionState, { end }: Of<'access-ended'>, now: number): Decision {
  const ids = [...state.subscriptions.values()].filter((one) => endedWith(end, one)).map(({ id }) => id);
  return deny(state, ids, end.reason, now, true);
}
