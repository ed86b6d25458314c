/**
 * The rules of a FHIRcast session as one pure function: `decide(state, command, now)` says what a command changes, what
 * goes out, or why it is refused. No socket, no store, no clock, no randomness.
 */
import {
  type ContextElement,
  type EventDefinition,
  type EventMessage,
  type EventRequest,
  keyText,
  parseReference,
  parseUpdates,
  type ResourceKey,
  type SyncErrorCause,
  selectedReferences,
  syncErrorMessage,
  syncErrorProblem,
  type UpdateEntry,
} from '@lockstep/fhircast';
import { changedIdentifier } from './protected-identifiers.ts';
import {
  type Anchor,
  type ContentEntry,
  contentEntry,
  type Opening,
  type SessionState,
  type Subscription,
} from './state.ts';
import type { Version } from './versions.ts';

export type Command =
  | {
      readonly kind: 'publish';
      readonly request: EventRequest;
      /** Becomes the `context.versionId` where the event makes a new version. */
      readonly versionId: string;
      /** Number of the log entry that already has this event id, if any (PUB-7). */
      readonly knownAs?: number;
    }
  | { readonly kind: 'subscribe'; readonly subscription: Subscription }
  | { readonly kind: 'renew'; readonly subscription: Subscription }
  | { readonly kind: 'connect'; readonly id: string; readonly node: string }
  /** Ends subscriptions, with a reason that their subscribers are told. */
  | ({ readonly kind: 'deny'; readonly ids: readonly string[]; readonly reason: string } & DenyOnly)
  /** Ends the subscription of a subscriber that did not come back to a node that is gone, and tells the others (ERR-3). */
  | {
      readonly kind: 'drop';
      readonly id: string;
      /** The node that held its socket: elsewhere it is back. */
      readonly node: string;
      readonly reason: string;
      readonly eventId: string;
      readonly timestamp: string;
      readonly cause: SyncErrorCause;
    }
  /** Takes the webhooks over that a node called which is gone. */
  | { readonly kind: 'adopt'; readonly from: string; readonly to: string }
  /** A SyncError made by the Hub; the subscriber that caused it may be left out (ERR-2 to ERR-4). */
  | {
      readonly kind: 'report';
      readonly eventId: string;
      readonly timestamp: string;
      readonly cause: SyncErrorCause;
      readonly offender: string;
    };

/** What must still be so when subscriptions end: meanwhile they may have been renewed, or be connected elsewhere. */
export interface DenyOnly {
  /** The node that holds, or last held, the socket. */
  readonly node?: string;
  readonly expired?: boolean;
}

/** An event that was accepted: what the log keeps and the subscribers get. */
export interface Accepted {
  readonly number: number;
  readonly message: EventMessage;
  /** The subscription that does not get it. */
  readonly except?: string;
}

export type Decision =
  | {
      readonly ok: true;
      readonly status: 202 | 206;
      readonly state: SessionState;
      readonly accepted?: Accepted;
      /** Number of the entry to deliver again to those that have not acknowledged it (PUB-7). */
      readonly redeliver?: number;
      readonly denied?: { readonly ids: readonly string[]; readonly reason: string };
    }
  | { readonly ok: false; readonly status: number; readonly reason: string };

type Refusal = Extract<Decision, { ok: false }>;

function refuse(status: number, reason: string): Refusal {
  return { ok: false, status, reason };
}

function without<K, V>(map: ReadonlyMap<K, V>, key: K): Map<K, V> {
  const copy = new Map(map);
  copy.delete(key);
  return copy;
}

/** Sets the entry as the last one. */
function withLast<K, V>(map: ReadonlyMap<K, V>, key: K, value: V): Map<K, V> {
  return without(map, key).set(key, value);
}

function accept(
  state: SessionState,
  message: EventMessage,
  now: number,
  change: Partial<SessionState> = {},
): Extract<Decision, { ok: true }> {
  return {
    ok: true,
    status: 202,
    state: { ...state, ...change, nextNumber: state.nextNumber + 1, changedAt: now },
    accepted: { number: state.nextNumber, message },
  };
}

/** The message with the Hub's versions in place of the publisher's. */
function versioned(message: EventMessage, versionId: string, priorVersionId?: string): EventMessage {
  const { context, ...event } = message.event;
  return {
    ...message,
    event: {
      ...event,
      'context.versionId': versionId,
      ...(priorVersionId === undefined ? undefined : { 'context.priorVersionId': priorVersionId }),
      context,
    },
  };
}

function opening(state: SessionState, message: EventMessage): Opening {
  return {
    number: state.nextNumber,
    id: message.id,
    timestamp: message.timestamp,
    context: message.event.context,
  };
}

/** PUB-8: opens or re-opens the anchor and makes it current; a re-open keeps its content. */
function open(state: SessionState, key: ResourceKey, message: EventMessage, versionId: string, now: number): Decision {
  const name = keyText(key);
  const anchor: Anchor = {
    key,
    opening: opening(state, message),
    versionId,
    content: state.anchors.get(name)?.content ?? new Map(),
  };
  return accept(state, versioned(message, versionId), now, {
    anchors: withLast(state.anchors, name, anchor),
    current: name,
    home: undefined,
  });
}

/** PUB-10: the current context becomes empty, open anchors stay open. */
function home(state: SessionState, message: EventMessage, versionId: string, now: number): Decision {
  return accept(state, versioned(message, versionId), now, {
    current: undefined,
    home: { ...opening(state, message), versionId },
  });
}

/** PUB-9: closing the current context leaves none; closing another leaves the current one alone. */
function close(state: SessionState, anchor: Anchor, message: EventMessage, now: number): Decision {
  const name = keyText(anchor.key);
  return accept(state, message, now, {
    anchors: without(state.anchors, name),
    current: state.current === name ? undefined : state.current,
  });
}

function openingKeys(anchor: Anchor): Set<string> {
  const resources = anchor.opening.context.flatMap((element) => (element.resource?.id ? [element.resource] : []));
  return new Set(resources.map((resource) => keyText({ type: resource.resourceType, id: resource.id ?? '' })));
}

/** The anchor's content after the entries, or why one of them is refused: all or nothing (CON-3, CON-4). */
function applyUpdates(
  anchor: Anchor,
  entries: readonly UpdateEntry[],
  profile: Version,
): ReadonlyMap<string, ContentEntry> | Refusal {
  const content = new Map(anchor.content);
  const fixed = openingKeys(anchor);
  for (const entry of entries) {
    if (entry.method === 'PUT') {
      if (profile.protectsIdentifiers) {
        const what = changedIdentifier(anchor, entry.resource);
        if (what) return refuse(profile.fixedContextStatus, `${keyText(entry.key)}: ${what} may not be changed`);
      }
      content.set(keyText(entry.key), contentEntry(entry));
      continue;
    }
    const name = entry.key ? keyText(entry.key) : [...content].find(([, held]) => held.fullUrl === entry.fullUrl)?.[0];
    if (name === undefined) continue;
    if (fixed.has(name)) {
      return refuse(profile.fixedContextStatus, `${name} is part of the opening context and may not be deleted`);
    }
    content.delete(name);
  }
  return content;
}

/** CON-2: only an update of the anchor's current version is applied, as a whole. */
function update(
  state: SessionState,
  anchor: Anchor,
  message: EventMessage,
  versionId: string,
  now: number,
  profile: Version,
): Decision {
  const name = message.event['hub.event'];
  const based = message.event['context.versionId'];
  if (based === undefined) return refuse(400, `${name}: event["context.versionId"] is required`);
  const entries = parseUpdates(message.event.context);
  if (!entries.ok) return refuse(400, `${name}: ${entries.reason}`);
  if (based !== anchor.versionId) {
    return refuse(
      profile.versionConflictStatus,
      `${name}: context.versionId is not the current version of ${keyText(anchor.key)}; get the current context and try again`,
    );
  }
  const content = applyUpdates(anchor, entries.value, profile);
  if ('ok' in content) return content;
  return accept(state, versioned(message, versionId, anchor.versionId), now, {
    // In place: an update does not change the order of opening.
    anchors: new Map(state.anchors).set(keyText(anchor.key), { ...anchor, versionId, content }),
  });
}

/**
 * The selection without resources that the anchor does not hold, if it names any (CON-7 ira). Where it holds none of them, the
 * selection is empty, and says so (3.6.4).
 */
function knownSelection(anchor: Anchor, context: readonly ContextElement[]): readonly ContextElement[] | undefined {
  const opened = openingKeys(anchor);
  const holds = (text: string): boolean => {
    const key = parseReference(text);
    const name = key ? keyText(key) : text;
    return anchor.content.has(name) || opened.has(name);
  };
  if (selectedReferences(context).every(holds)) return undefined;
  const found = context.flatMap((element) => {
    if (element.key !== 'select') return [element];
    const list = Array.isArray(element.reference) ? element.reference : [element.reference];
    const known = list.filter((one) => typeof one?.reference === 'string' && holds(one.reference));
    if (known.length === 0) return [];
    return [Array.isArray(element.reference) ? { ...element, reference: known } : element];
  });
  return found.some(({ key }) => key === 'select') ? found : [...found, { key: 'select', reference: [] }];
}

/** CON-7: selections are made in the current context only. */
function select(state: SessionState, anchor: Anchor, message: EventMessage, now: number, profile: Version): Decision {
  const name = keyText(anchor.key);
  if (state.current !== name) {
    return refuse(409, `${message.event['hub.event']}: ${name} is not the current context`);
  }
  const known = profile.ignoresUnknownSelections ? knownSelection(anchor, message.event.context) : undefined;
  if (!known) return accept(state, message, now);
  return { ...accept(state, { ...message, event: { ...message.event, context: known } }, now), status: 206 };
}

/** What the version in force asks of an event beyond the catalog. */
function objection({ message, definition }: EventRequest, profile: Version): string | undefined {
  const { context } = message.event;
  const missing = profile.requiredKeys[definition.name]?.find((key) => !context.some((one) => one.key === key));
  if (missing !== undefined) return `context key "${missing}" is required`;
  return profile.checksSyncErrors && definition.name === 'SyncError' ? syncErrorProblem(context) : undefined;
}

/**
 * PUB-7: a retry changes nothing. What a later context change has overtaken is not delivered again: an application that does
 * not compare timestamps would show the wrong patient (2.6: resend until "another, newer, event has been received").
 */
function retried(state: SessionState, number: number, { action }: EventDefinition): Decision {
  const current = state.current === undefined ? undefined : state.anchors.get(state.current)?.opening;
  const latest = current?.number ?? state.home?.number ?? 0;
  const overtaken = number < latest || (action === 'open' && number !== latest);
  return { ok: true, status: 202, state, ...(!overtaken && { redeliver: number }) };
}

function publish(
  state: SessionState,
  command: Extract<Command, { kind: 'publish' }>,
  now: number,
  profile: Version,
): Decision {
  const { message, definition, anchor: key } = command.request;
  const wrong = objection(command.request, profile);
  if (wrong) return refuse(400, `${definition.name}: ${wrong}`);
  if (command.knownAs !== undefined) return retried(state, command.knownAs, definition);
  if (definition.name === 'Home-open') return home(state, message, command.versionId, now);
  if (definition.name === 'UserLogout') {
    return accept(state, message, now, { anchors: new Map(), current: undefined, home: undefined });
  }
  if (!definition.action || !key) return accept(state, message, now);
  if (definition.action === 'open') return open(state, key, message, command.versionId, now);
  const anchor = state.anchors.get(keyText(key));
  if (!anchor) return refuse(409, `${definition.name}: ${keyText(key)} is not open`);
  switch (definition.action) {
    case 'close':
      return close(state, anchor, message, now);
    case 'update':
      return update(state, anchor, message, command.versionId, now, profile);
    case 'select':
      return select(state, anchor, message, now, profile);
  }
}

/**
 * Decides one command. The state that comes back takes effect only once it has been stored (PUB-4).
 * @param now ms since the epoch
 * @returns a refusal changes nothing
 */
export function decide(state: SessionState, command: Command, now: number, profile: Version): Decision {
  switch (command.kind) {
    case 'publish':
      return publish(state, command, now, profile);
    case 'subscribe': {
      const subscriptions = new Map(state.subscriptions).set(command.subscription.id, command.subscription);
      // Endpoints that nobody connected to before a restart have nobody who waits for their end (SUB-5).
      const ids = [...state.subscriptions.values()]
        .filter(({ channel, expiresAt }) => channel === 'websocket' && expiresAt <= now)
        .map(({ id }) => id);
      for (const id of ids) subscriptions.delete(id);
      return {
        ok: true,
        status: 202,
        state: { ...state, subscriptions, changedAt: now },
        ...(ids.length > 0 && { denied: { ids, reason: 'The lease has ended' } }),
      };
    }
    case 'renew': {
      const { id } = command.subscription;
      const held = state.subscriptions.get(id);
      if (!held) return refuse(404, 'There is no such subscription endpoint');
      // Its socket stays where it is, wherever the renewal was asked for.
      const { node = command.subscription.node } = held.channel === 'websocket' ? held : {};
      const renewed = { ...command.subscription, ...(node && { node }), renewals: held.renewals + 1 };
      const subscriptions = new Map(state.subscriptions).set(id, renewed);
      return { ok: true, status: 202, state: { ...state, subscriptions, changedAt: now } };
    }
    case 'connect': {
      const subscription = state.subscriptions.get(command.id);
      if (!subscription || subscription.expiresAt <= now) return refuse(404, 'There is no such subscription endpoint');
      if (subscription.node === command.node) return { ok: true, status: 202, state };
      const subscriptions = new Map(state.subscriptions).set(command.id, { ...subscription, node: command.node });
      return { ok: true, status: 202, state: { ...state, subscriptions, changedAt: now } };
    }
    case 'deny': {
      const { node, expired = false } = command;
      const ids = command.ids.filter((id) => {
        const held = state.subscriptions.get(id);
        return held && (node === undefined || held.node === node) && (!expired || held.expiresAt <= now);
      });
      if (ids.length === 0) return refuse(404, 'There is no such subscription endpoint');
      const subscriptions = new Map(state.subscriptions);
      for (const id of ids) subscriptions.delete(id);
      return {
        ok: true,
        status: 202,
        state: { ...state, subscriptions, changedAt: now },
        denied: { ids, reason: command.reason },
      };
    }
    case 'drop': {
      const { id, node, reason, eventId, timestamp, cause } = command;
      if (state.subscriptions.get(id)?.node !== node) return refuse(404, 'The subscriber is back, or gone');
      const message = syncErrorMessage(eventId, timestamp, state.topic, cause);
      const subscriptions = without(state.subscriptions, id);
      return { ...accept(state, message, now, { subscriptions }), denied: { ids: [id], reason } };
    }
    case 'adopt': {
      const { from, to } = command;
      const left = [...state.subscriptions].filter(([, one]) => one.channel === 'webhook' && one.node === from);
      if (left.length === 0) return refuse(404, 'There is nothing to take over');
      const subscriptions = new Map(state.subscriptions);
      for (const [id, one] of left) subscriptions.set(id, { ...one, node: to });
      return { ok: true, status: 202, state: { ...state, subscriptions, changedAt: now } };
    }
    case 'report': {
      const message = syncErrorMessage(command.eventId, command.timestamp, state.topic, command.cause);
      const decision = accept(state, message, now);
      if (profile.syncErrorAudience === 'all') return decision;
      return { ...decision, accepted: { number: state.nextNumber, message, except: command.offender } };
    }
  }
}
