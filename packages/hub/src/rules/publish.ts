/** What a published event does to a session, or why it is refused (PUB, CON). */
import {
  type ContextChange,
  type ContextElement,
  type ContextReason,
  type EventDefinition,
  type EventMessage,
  type EventRequest,
  eventKey,
  FOLLOWING_EVENT,
  type Holding,
  isProprietary,
  keyText,
  obstacleText,
  type PublishedResource,
  parseReference,
  parseUpdates,
  placeOf,
  publishedResources,
  selectedReferences,
  stepContexts,
  syncErrorProblem,
} from '@lockstep/fhircast';
import { AnchorMap } from './anchor-map.ts';
import { changesContext } from './changes-context.ts';
import {
  type Accepted,
  type Decision,
  done,
  type Effect,
  type KnownEvent,
  type Originator,
  type Publish,
} from './commands.ts';
import { ContentMap } from './content-map.ts';
import { followingAfterLogout } from './following.ts';
import { afterLoss, hasLostContent, NOTHING_CLOSED } from './gap.ts';
import { followsOnly } from './guests.ts';
import { heldAfter, tooMuch } from './held-bytes.ts';
import { notePatients, otherPatient } from './patient-identity.ts';
import { type Access, mayJoin, owns } from './permission.ts';
import type { Policy } from './policy.ts';
import { afterPostedSyncError } from './posted-sync-errors.ts';
import { changedIdentifier } from './protected-identifiers.ts';
import { type ReasonCode, type Rejection, refuse } from './reasons.ts';
import {
  type Anchor,
  contextOf,
  type Opening,
  openingResources,
  readOpening,
  type SessionState,
  withReadContext,
} from './session-state.ts';
import { withUntold } from './untold.ts';
import type { VersionRules } from './versions.ts';

/** What an accepted event does beside being sent. */
interface Change {
  readonly message: EventMessage;
  /** `event.context` as JSON, in its publisher's words (PUB-13). */
  readonly context: string;
  readonly state: SessionState;
  /** The context that it opened. */
  readonly opened?: Anchor | undefined;
  readonly partly?: true;
}

/** How contexts and content are kept, but for the words of a resource, which are its publisher's. */
const HOLDING: Omit<Holding<Opening, string>, 'hold'> = {
  resources: openingResources,
  anchors: (anchors) => new AnchorMap(AnchorMap.of(anchors)),
  content: (content) => new ContentMap(ContentMap.of(content)),
  names: (content) => ContentMap.of(content).names,
};

const REASONS: Readonly<Record<ContextReason, ReasonCode>> = {
  'not-open': 'not-open',
  'not-current': 'not-current',
  'version-conflict': 'version-conflict',
  'opening-resource-deleted': 'fixed-context',
  'malformed-update': 'invalid',
  'names-disagree': 'invalid',
  'resource-repeated': 'invalid',
};

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

/**
 * The selection without resources that the anchor does not hold, if it names any (CON-7 ira). Where it holds none of them, the
 * selection is empty, and says so (3.6.4).
 */
function knownSelection(anchor: Anchor, context: readonly ContextElement[]): readonly ContextElement[] | undefined {
  const opened = openingResources(anchor.opening);
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

/** What the version in force asks of an event beyond the catalog. */
function objection({ message, definition }: EventRequest, profile: VersionRules): string | undefined {
  if (eventKey(definition.name) === FOLLOWING_EVENT) return 'this event is the Hub’s own and cannot be published';
  const { context } = message.event;
  const missing = profile.requiredKeys[definition.name]?.find((key) => !context.some((one) => one.key === key));
  if (missing !== undefined) return `context key "${missing}" is required`;
  return profile.checksSyncErrors && definition.name === 'SyncError' ? syncErrorProblem(context) : undefined;
}

/**
 * PUB-5: the resources of an event that are looked into, and whether elements of them may be missing. What is in an event of others'
 * own is theirs.
 */
export function checkedResources(
  { message, definition }: EventRequest,
  { partialResources }: VersionRules,
): { readonly resources: readonly PublishedResource[]; readonly partial: boolean } {
  const partial = definition.action !== undefined && partialResources.includes(definition.action);
  return { resources: isProprietary(definition) ? [] : publishedResources(message.event.context), partial };
}

/** PUB-5: why a resource is not what it should be, where that is looked into. */
function invalidResource(request: EventRequest, { resourceProblem, profile }: Policy): string | undefined {
  if (!resourceProblem) return undefined;
  const { resources, partial } = checkedResources(request, profile);
  for (const one of resources) {
    const problem = resourceProblem(one.resource, partial);
    if (problem) return `${placeOf(one)}: ${problem}`;
  }
  return undefined;
}

/**
 * PUB-7: a retry changes nothing. What a later context change has overtaken is not delivered again: an application that does
 * not compare timestamps would show the wrong patient (2.6: resend until "another, newer, event has been received").
 */
function retried(state: SessionState, { number }: KnownEvent, { action }: EventDefinition): Decision {
  const current = state.current === undefined ? undefined : state.anchors.get(state.current)?.opening;
  const latest = current?.number ?? state.home?.opening.number ?? 0;
  const overtaken = number < latest || (action === 'open' && number !== latest);
  return overtaken ? done(state) : done(state, { kind: 'redeliver', number });
}

/** A close that names its anchor alone, as the drafts let it, is about what was opened with it. */
function completed({ message, definition }: EventRequest, { opening }: Anchor, context: string): Omit<Change, 'state'> {
  const given = message.event.context;
  const has = (key: string): boolean => given.some((one) => one.key === key);
  const lacks = (key: string): boolean => !has(key) && definition.keys.some((one) => one.key === key && one.min > 0);
  if (!definition.keys.some(({ key }) => lacks(key))) return { message, context };
  const opened = contextOf(opening).filter(({ key }) => lacks(key));
  if (opened.length === 0) return { message, context };
  const added = opened.map((element) => readOpening(opening).exact.write(element));
  return {
    message: { ...message, event: { ...message.event, context: [...given, ...opened] } },
    context: `${context.trimEnd().slice(0, -1)}${given.length > 0 ? ',' : ''}${added.join(',')}]`,
  };
}

/** CON-4 ira: what of the opening context an update would change that may not be changed. */
function protectedChange(anchor: Anchor, request: EventRequest): string | undefined {
  for (const { resource } of publishedResources(request.message.event.context)) {
    const what = changedIdentifier(contextOf(anchor.opening), resource);
    if (what) return `${resource.resourceType}/${resource.id}: ${what} may not be changed`;
  }
  return undefined;
}

/** What the event does to the contexts; undefined where it does nothing to them. */
function changeOf(
  { message, definition, anchor: key }: EventRequest,
  versionId: string,
  opening: Opening,
): ContextChange<Opening> | Rejection | undefined {
  if (definition.name === 'Home-open') return { kind: 'home', versionId, opening };
  if (definition.name === 'UserLogout') return { kind: 'logout' };
  if (!definition.action || !key) return undefined;
  switch (definition.action) {
    case 'open':
      return { kind: 'open', key, versionId, opening };
    case 'close':
      return { kind: 'close', key };
    case 'select':
      return { kind: 'select', key, selected: selectedReferences(message.event.context) };
    case 'update': {
      const basedOn = message.event['context.versionId'];
      if (basedOn === undefined) return refuse('invalid', 'event["context.versionId"] is required');
      const read = parseUpdates(message.event.context);
      if (!read.ok) return refuse(REASONS[read.code], read.reason);
      return { kind: 'update', key, versionId, basedOn, entries: read.value };
    }
  }
}

/** Whether the change makes another context, or none, the current one. */
function changesCurrent(before: SessionState, kind: ContextChange<Opening>['kind'], current?: string): boolean {
  return kind === 'open' || kind === 'home' || kind === 'logout' || before.current !== current;
}

/** What a context change says of the current context beside the opens: that it stays, or that none is current any more. */
function effectOnCurrent(
  name: string,
  before: SessionState,
  { changedBy, current, home }: SessionState,
): Pick<Accepted, 'keepsCurrent' | 'leavesNothing'> {
  if (!changesContext(name)) return {};
  if (changedBy !== before.nextNumber) return { keepsCurrent: true };
  return current === undefined && !home ? { leavesNothing: true } : {};
}

/** Whether the change closes the context, or deletes content shared in it. */
function hasLost(kind: ContextChange<Opening>['kind'], anchor: Anchor, after: Anchor | undefined): boolean {
  return kind === 'close' || (kind === 'update' && hasLostContent(anchor, after));
}

/**
 * What is remembered of what was closed, or lost content, by this event.
 * @param anchor the context that it is about, and `after` the same context after it
 */
function closedAfter(
  state: SessionState,
  kind: ContextChange<Opening>['kind'],
  anchor: Anchor | undefined,
  after: Anchor | undefined,
  now: number,
): SessionState['closed'] {
  if (kind === 'logout') return NOTHING_CLOSED;
  if (!anchor || !hasLost(kind, anchor, after)) return state.closed;
  const leftNothing = kind === 'close' && state.current === keyText(anchor.key);
  return afterLoss(state, anchor, state.nextNumber, leftNothing, now);
}

/**
 * The session and the event after the rules of contexts and content (PUB-8 to PUB-11, CON-1 to CON-7).
 * @param anchor the open context that the event is about
 */
function applied(
  state: SessionState,
  command: Publish,
  anchor: Anchor | undefined,
  now: number,
  { profile, maxSessionBytes }: Policy,
): Change | Rejection {
  const { request, exact } = command;
  const { anchor: key } = request;
  const number = state.nextNumber;
  let { message } = request;
  let context = exact.write(message.event.context);
  const opening = withReadContext(
    { number, id: message.id, timestamp: message.timestamp, context },
    { context: message.event.context, exact },
  );
  const change = changeOf(request, command.versionId, opening);
  if (change && 'ok' in change) return change;
  if (!change) return { message, context, state: { ...state, nextNumber: number + 1, changedAt: now } };
  let step = change;
  let partly: true | undefined;
  if (change.kind === 'update') {
    const fixed = anchor && profile.protectsIdentifiers ? protectedChange(anchor, request) : undefined;
    if (fixed) return refuse('fixed-context', fixed);
  } else if (change.kind === 'select' && profile.ignoresUnknownSelections && anchor) {
    const known = knownSelection(anchor, message.event.context);
    if (known) {
      partly = true;
      message = { ...message, event: { ...message.event, context: known } };
      context = exact.write(known);
      step = { ...change, selected: selectedReferences(known) };
    }
  }
  const stepped = stepContexts(state, step, { ...HOLDING, hold: (resource) => exact.write(resource) });
  if (!stepped.ok) return refuse(REASONS[stepped.code], obstacleText(stepped));
  const { anchors, current, home, selected } = stepped.contexts;
  const left = key && anchors.get(keyText(key));
  const isLogout = change.kind === 'logout';
  const after: SessionState = {
    ...state,
    nextNumber: number + 1,
    changedAt: now,
    anchors,
    current,
    home,
    selected,
    heldBytes: heldAfter(state, anchors, anchor, left),
    changedBy: changesCurrent(state, change.kind, current) ? number : state.changedBy,
    // What was said before a logout is not delivered any more (SUB-11), and no subscriber is behind what is gone.
    loggedOutAt: isLogout ? number : state.loggedOutAt,
    following: isLogout ? followingAfterLogout(state) : state.following,
    closed: closedAfter(state, change.kind, anchor, left, now),
  };
  const full = tooMuch(state, after, maxSessionBytes);
  if (full) return full;
  if (change.kind === 'close' && anchor) return { ...completed(request, anchor, context), state: after };
  if (change.kind === 'open' || change.kind === 'home') message = versioned(message, command.versionId);
  if (change.kind === 'update') message = versioned(message, command.versionId, anchor?.versionId);
  return {
    message,
    context,
    state: after,
    opened: change.kind === 'open' ? left : undefined,
    ...(partly && { partly }),
  };
}

/** Who published an event: the client, and its subscription if it has one in the session. */
function originator(state: SessionState, access: Access): Originator {
  let name: string | undefined;
  for (const one of state.subscriptions.values()) {
    if (!owns(access, one)) continue;
    if (name !== undefined && name !== one.subscriberName) return { client: access.clientId };
    name = one.subscriberName;
  }
  return name === undefined ? { client: access.clientId } : { client: access.clientId, subscriber: name };
}

/** The session after an event, with what it says of who follows (ERR-8). */
function afterwards(
  before: SessionState,
  { state: after, opened }: Change,
  command: Publish,
  now: number,
  { profile }: Policy,
): SessionState {
  const { anchor: key, definition, message } = command.request;
  const { name } = definition;
  if (name === 'SyncError') return afterPostedSyncError(after, command, now);
  return changesContext(name)
    ? withUntold(before, after, { id: message.id, name, key, opened }, profile.derivesOpens, now)
    : after;
}

/** Why the caller may not publish this event in the session, whatever is in it (PUB-2, SES-6). */
export function publishingRefusal(
  { topic, info }: SessionState,
  { access, request: { definition } }: Publish,
): Rejection | undefined {
  if (!mayJoin(access, topic, info)) return refuse('unknown-topic-of-event', 'There is no such hub.topic');
  if (!access.scopes.mayPublish(definition.name)) {
    return refuse('scope-missing', `The token lacks the scope fhircast/${definition.name}.write`);
  }
  if (followsOnly(access, info, definition.name)) {
    return refuse('follows-only', "You follow this session: its own user's invitation does not let you publish");
  }
  return undefined;
}

/** `POST {hub.url}` (PUB-1 to PUB-14). */
export function publish(state: SessionState, command: Publish, now: number, policy: Policy): Decision {
  const { access, request, known, fingerprint, exact, checked } = command;
  const { definition, anchor: key } = request;
  const refusal = publishingRefusal(state, command);
  if (refusal) return refusal;
  const named = ({ code, reason }: Rejection): Rejection => refuse(code, `${definition.name}: ${reason}`);
  const wrong = (checked ? checked.problem : invalidResource(request, policy)) ?? objection(request, policy.profile);
  if (wrong) return named(refuse('invalid', wrong));
  if (known) {
    if (known.fingerprint === undefined || known.fingerprint === fingerprint) return retried(state, known, definition);
    return refuse('id-used', 'The id was used for another event of this topic: give each event an id of its own');
  }
  const anchor = key && state.anchors.get(keyText(key));
  const change = applied(state, command, anchor, now, policy);
  if ('ok' in change) return named(change);
  const problem = otherPatient(request, anchor);
  if (problem) return named(refuse('other-patient', problem));
  const { message, context, opened, partly } = change;
  if (opened) notePatients(opened.opening);
  const event: Accepted = {
    number: state.nextNumber,
    message,
    context,
    exact,
    fingerprint,
    originator: originator(state, access),
    ...effectOnCurrent(definition.name, state, change.state),
  };
  const effect: Effect = { kind: 'event', event, ...(partly && { partly }) };
  return done(afterwards(state, change, command, now, policy), effect);
}
