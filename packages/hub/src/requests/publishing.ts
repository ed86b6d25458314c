import { hash } from 'node:crypto';
import {
  dialectsOf,
  EVENT_TEXT,
  type EventRequest,
  type ExactJson,
  fromDialects,
  fromDraft,
  fromIraExample,
  isObject,
  type JsonObject,
  madeOf,
  type OpenAnchor,
  type OpenAnchors,
  parseEvent,
  readExact,
  senderFields,
  textOf,
} from '@lockstep/fhircast';
import type { Activity } from '../live/activity.ts';
import type { LiveSessions } from '../live/live-sessions.ts';
import type { Ids, ResourceValidation } from '../ports.ts';
import type { Decision, Publish, TextWriter } from '../rules/commands.ts';
import { contextList, contextListJson, currentContext, currentContextJson } from '../rules/current-context.ts';
import { type Access, type AccessEnd, mayJoin } from '../rules/permission.ts';
import type { Policy } from '../rules/policy.ts';
import { type Rejection, refuse, UNKNOWN_TOPIC } from '../rules/reasons.ts';
import { type Anchor, contextOf, readOpening, type SessionState } from '../rules/session-state.ts';
import { type PublisherRules, publisherRules, type VersionRules } from '../rules/versions.ts';
import { type Answer, answerOf } from './answers.ts';
import { EventChecks } from './event-checks.ts';
import type { Topics } from './topics.ts';

/** What is read of a session's contexts, as JSON. */
type Reading = (state: SessionState, mayRead: (event: string) => boolean, profile: VersionRules) => string;

const CURRENT: Reading = (...of) => currentContextJson(currentContext(...of));
const LIST: Reading = (...of) => contextListJson(contextList(...of));

/** How a body becomes an event in the words of 3.0.0. */
const READERS: Readonly<Record<PublisherRules['reads'], (body: unknown) => unknown>> = {
  drafts: fromDraft,
  'IRA examples': fromIraExample,
  '3.0.0': (body) => body,
};

/** What is wrong with an event, with the dialects that it was read in. */
function inDialect({ switches }: Access, reason: string): string {
  const names = dialectsOf(switches).map(({ name }) => name);
  return names.length === 0 ? reason : `${reason} (read in the dialect ${names.join(', ')})`;
}

/** PUB-12: what some viewers say about themselves beside the event goes out with it, for clients registered so. */
function withSender(request: EventRequest, body: unknown): EventRequest {
  return { ...request, message: { ...request.message, ...senderFields(body) } };
}

/** The event in the Hub's own topic. */
function withTopic(request: EventRequest, topic: string): EventRequest {
  const { message } = request;
  if (message.event['hub.topic'] === topic) return request;
  return { ...request, message: { ...message, event: { ...message.event, 'hub.topic': topic } } };
}

/**
 * What distinguishes a retry of an event from another event with its id (PUB-7).
 * @param written the body as its client wrote it: what a dialect adds depends on what is open
 */
function eventFingerprint({ clientId }: Access, { message }: EventRequest, written: ExactJson): string {
  const { event = {} } = written.value as { readonly event?: JsonObject };
  const version = event['context.versionId'] ?? event.versionId ?? '';
  const said = [clientId, message.timestamp, message.event['hub.event'], version];
  return hash('sha1', `${JSON.stringify(said)}${written.write(event.context)}`, 'base64url');
}

/** Characters of an event's context, as its client wrote it. */
function contextSize(written: ExactJson): number {
  const { event } = written.value as { readonly event: { readonly context?: unknown } };
  const { context } = event;
  return typeof context === 'object' && context !== null ? (written.textOf(context)?.length ?? 0) : 0;
}

/** The open contexts of a session as a dialect asks for them: each is read where it is asked for. */
class ReadAnchors implements OpenAnchors {
  readonly #state: SessionState | undefined;
  readonly #read = new Map<Anchor, OpenAnchor>();

  constructor(state: SessionState | undefined) {
    this.#state = state;
  }

  #readAnchor(anchor: Anchor | undefined): OpenAnchor | undefined {
    if (!anchor) return undefined;
    const { key, versionId, opening } = anchor;
    const read = this.#read.get(anchor) ?? { ...key, versionId, context: contextOf(opening) };
    this.#read.set(anchor, read);
    return read;
  }

  get current(): OpenAnchor | undefined {
    return this.#readAnchor(this.#state?.anchors.get(this.#state.current ?? ''));
  }

  get all(): readonly OpenAnchor[] {
    return [...(this.#state?.anchors.values() ?? [])].flatMap((anchor) => this.#readAnchor(anchor) ?? []);
  }

  named(type: string, id: string): OpenAnchor | undefined {
    return this.#readAnchor(this.#state?.anchors.get(`${type}/${id}`));
  }

  /** What writes the contexts that were read in their publisher's words (PUB-13). */
  get sources(): readonly TextWriter[] {
    return [...this.#read.keys()].map(({ opening }) => readOpening(opening).exact);
  }
}

/** The body of an event that is published. */
interface PublishedBody {
  /** As its client wrote it. */
  readonly written: ExactJson;
  /** The same in the words of 3.0.0, where its client writes a dialect. */
  readonly exact: ExactJson;
  /** The topic in the path, if there is one (PUB-1). */
  readonly pathTopic: string | undefined;
}

const ACCEPTED: Answer<202> = { ok: true, value: 202 };
const PARTLY_ACCEPTED: Answer<206> = { ok: true, value: 206 };

export interface PublishingParts {
  readonly ids: Ids;
  readonly policy: Policy;
  readonly live: LiveSessions;
  readonly topics: Topics;
  readonly activity: Activity;
  /** Absent where resources are not looked into (PUB-5). */
  readonly validation: ResourceValidation | undefined;
}

/** Events that come in, and the context that they leave (PUB, CON). */
export class Publishing {
  readonly #parts: PublishingParts;
  readonly #checks: EventChecks | undefined;

  constructor(parts: PublishingParts) {
    const { validation, policy, live } = parts;
    this.#parts = parts;
    this.#checks = validation && new EventChecks(validation, policy.profile, live);
  }

  /** What is not published yet with an access that has ended is refused (TOK-6). */
  accessEnded(end: AccessEnd): void {
    this.#checks?.accessEnded(end);
  }

  /**
   * `POST {hub.url}` and `POST {hub.url}/{topic}` (PUB).
   * @param body the JSON text
   * @param pathTopic the topic in the path, if there is one (PUB-1)
   * @returns 202, or 206 where part of it was ignored; once it resolves, the event is durable (PUB-4)
   */
  async publish(access: Access, body: string, pathTopic?: string): Promise<Answer<202 | 206>> {
    const exact = readExact(body, EVENT_TEXT);
    if (!exact.ok) return this.#refuse(access, refuse('invalid', exact.reason), pathTopic);
    return this.publishRead(access, exact.value, pathTopic);
  }

  /**
   * The same for a body that was read already. Where nothing else is under way in its session, the event is decided and given to the
   * store before this returns.
   */
  publishRead(access: Access, written: ExactJson, pathTopic?: string): Promise<Answer<202 | 206>> {
    try {
      const hasDialect = dialectsOf(access.switches).length > 0;
      return hasDialect
        ? this.#publishDialect(access, written, pathTopic)
        : this.#publishPlain(access, { written, exact: written, pathTopic });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async #publishDialect(access: Access, written: ExactJson, pathTopic?: string): Promise<Answer<202 | 206>> {
    const plain = await this.#withoutDialect(access, written);
    if (!plain.ok) return this.#refuse(access, plain, pathTopic);
    return this.#publishPlain(access, { written, exact: plain.value, pathTopic });
  }

  /** Publishes an event in the words of 3.0.0, or of its drafts. */
  #publishPlain(access: Access, body: PublishedBody): Promise<Answer<202 | 206>> {
    const { policy, topics } = this.#parts;
    const { written, exact, pathTopic } = body;
    const { reads, anchorAlone } = publisherRules(access.switches, policy.profile);
    // What the readers of drafts and dialects make was not looked into.
    const read = parseEvent(READERS[reads](exact.value), anchorAlone, reads === '3.0.0' && exact === written);
    if (!read.ok) {
      const refusal = refuse('invalid', inDialect(access, read.reason));
      return Promise.resolve(this.#refuse(access, refusal, pathTopic));
    }
    const event = access.switches.senderFields === true ? withSender(read.value, exact.value) : read.value;
    const writtenTopic = event.message.event['hub.topic'];
    if (pathTopic !== undefined && topics.plain(pathTopic) !== topics.plain(writtenTopic)) {
      const refusal = refuse('invalid', 'event.hub.topic and the topic in the path differ');
      return Promise.resolve(this.#refuse(access, refusal, pathTopic, event));
    }
    const held = topics.held(writtenTopic);
    if (held) return this.#publishIn(held.value, access, event, body);
    return topics
      .own(access, writtenTopic)
      .then((own) =>
        own.ok ? this.#publishIn(own.value, access, event, body) : this.#refused(access, own, undefined, event),
      );
  }

  /** @param topic the Hub's own */
  #publishIn(
    topic: string,
    access: Access,
    event: EventRequest,
    { written, exact }: PublishedBody,
  ): Promise<Answer<202 | 206>> {
    const request = withTopic(event, topic);
    const command: Publish = {
      kind: 'publish',
      access,
      request,
      exact,
      versionId: this.#parts.ids.uuid(),
      fingerprint: eventFingerprint(access, event, written),
    };
    return this.#decide(topic, command, written).then((decision) => this.#answer(command, topic, decision));
  }

  #answer({ access, request }: Publish, topic: string, decision: Decision): Answer<202 | 206> {
    const { live, activity } = this.#parts;
    if (!decision.ok) {
      const answer = this.#refuse(access, decision, topic, request);
      live.dropUnused(live.of(topic));
      return answer;
    }
    activity.counts.published += 1;
    let partly = false;
    for (const effect of decision.effects) {
      if (effect.kind !== 'event') continue;
      activity.published(topic, effect.event, access.clientId);
      partly ||= effect.partly === true;
    }
    return partly ? PARTLY_ACCEPTED : ACCEPTED;
  }

  #decide(topic: string, command: Publish, written: ExactJson): Promise<Decision> {
    const { live } = this.#parts;
    return this.#checks ? this.#checks.decide(topic, command, contextSize(written)) : live.of(topic).execute(command);
  }

  /**
   * The event in the words of 3.0.0, where its client writes a dialect. What the dialect leaves out is taken from what is open; should
   * that change meanwhile, the rules refuse the event (CON-8).
   */
  async #withoutDialect(
    access: Access,
    written: ExactJson,
  ): Promise<{ readonly ok: true; readonly value: ExactJson } | Rejection> {
    const dialects = dialectsOf(access.switches);
    const body = written.value;
    if (!isObject(body) || !isObject(body.event)) return { ok: true, value: written };
    const state = await this.#readable(access, textOf(body.event['hub.topic']));
    const open = new ReadAnchors(state);
    const found = fromDialects(dialects, body.event, open);
    if (!found.ok) return refuse('invalid', found.reason);
    return { ok: true, value: madeOf({ ...body, event: found.event }, [written, ...open.sources]) };
  }

  /** The session's state, where the caller may know of it. */
  async #readable(access: Access, topic: string): Promise<SessionState | undefined> {
    const own = await this.#parts.topics.own(access, topic);
    if (!own.ok) return undefined;
    const session = this.#parts.live.of(own.value);
    const state = await session.run(() => session.current());
    if (!state) this.#parts.live.dropUnused(session);
    return state && mayJoin(access, state.topic, state.info) ? state : undefined;
  }

  #refuse(access: Access, refusal: Rejection, topic: string | undefined, request?: EventRequest): Answer<never> {
    return this.#refused(access, answerOf(refusal, this.#parts.policy.profile.name), topic, request);
  }

  #refused(
    access: Access,
    answer: Answer<never>,
    topic: string | undefined,
    request: EventRequest | undefined,
  ): Answer<never> {
    const { activity, live } = this.#parts;
    activity.counts.refused += 1;
    if (!answer.ok && topic !== undefined && live.has(topic)) {
      const { status, reason } = answer;
      const about = request && { event: request.definition.name, eventId: request.message.id };
      activity.observe(topic, { kind: 'refused', clientId: access.clientId, status, reason, ...about });
    }
    return answer;
  }

  /** `GET {hub.url}/{topic}`, as JSON (CON-5, CON-6). */
  currentContext(access: Access, topic: string): Promise<Answer<string>> {
    return this.#read(access, topic, CURRENT);
  }

  /** The same for clients that read a list, as JSON. */
  contextList(access: Access, topic: string): Promise<Answer<string>> {
    return this.#read(access, topic, LIST);
  }

  async #read(access: Access, topic: string, read: Reading): Promise<Answer<string>> {
    const answer = await this.#readOwn(access, topic, read);
    this.#parts.activity.audit('RAD-153', access, topic, answer.ok ? 200 : answer.status);
    return answer;
  }

  async #readOwn(access: Access, written: string, read: Reading): Promise<Answer<string>> {
    const { topics, live, policy } = this.#parts;
    const { name } = policy.profile;
    const own = await topics.own(access, written);
    if (!own.ok) return own;
    const session = live.of(own.value);
    const state = await session.run(() => session.current());
    if (!state) live.dropUnused(session);
    if (!state || !mayJoin(access, state.topic, state.info)) return answerOf(UNKNOWN_TOPIC, name);
    if (!access.scopes.readsFhircast) {
      return answerOf(refuse('scope-missing', 'The token lacks a fhircast/….read scope'), name);
    }
    return { ok: true, value: read(state, (event) => access.scopes.mayReceive(event), policy.profile) };
  }
}
