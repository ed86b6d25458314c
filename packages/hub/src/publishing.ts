import {
  type CurrentContext,
  type EventRequest,
  fromDraft,
  isProprietary,
  keyText,
  parseEvent,
  publishedResources,
  senderFields,
} from '@lockstep/fhircast';
import { mayJoin } from './access.ts';
import { type Answer, NO_TOPIC, refuse } from './answer.ts';
import { type ContextInList, contextList, currentContext } from './context.ts';
import type { Access } from './ports.ts';
import type { Runtime } from './runtime.ts';
import type { Decision } from './session.ts';
import type { Sessions } from './sessions.ts';
import type { SessionState } from './state.ts';
import { publisherRules, type Version } from './versions.ts';

/** What is read of a session's contexts. */
type Reading<T> = (state: SessionState, mayRead: (event: string) => boolean, profile: Version) => T;

/** PUB-12: what some viewers say about themselves beside the event goes out with it, for clients registered so. */
function withSender(request: EventRequest, body: unknown): EventRequest {
  return { ...request, message: { ...request.message, ...senderFields(body) } };
}

/** A close that names its anchor alone, as the drafts let it, is about what was opened with it. */
function completed(request: EventRequest, { anchors }: SessionState): EventRequest {
  const { definition, anchor, message } = request;
  if (definition.action !== 'close' || !anchor) return request;
  const { context } = message.event;
  const has = (key: string): boolean => context.some((one) => one.key === key);
  const lacks = (key: string): boolean => !has(key) && definition.keys.some((one) => one.key === key && one.min > 0);
  const missing = anchors.get(keyText(anchor))?.opening.context.filter(({ key }) => lacks(key)) ?? [];
  if (missing.length === 0) return request;
  return { ...request, message: { ...message, event: { ...message.event, context: [...context, ...missing] } } };
}

/** The event in the Hub's own topic. */
function withTopic(request: EventRequest, topic: string): EventRequest {
  const { message } = request;
  return { ...request, message: { ...message, event: { ...message.event, 'hub.topic': topic } } };
}

/** Events that come in, and the context that they leave (PUB, CON). */
export class Publishing {
  readonly #runtime: Runtime;
  readonly #sessions: Sessions;

  constructor(runtime: Runtime, sessions: Sessions) {
    this.#runtime = runtime;
    this.#sessions = sessions;
  }

  /**
   * `POST {hub.url}` and `POST {hub.url}/{topic}` (PUB).
   * @param body the parsed JSON
   * @param pathTopic the topic in the path, if there is one (PUB-1)
   * @returns 202, or 206 where part of it was ignored; once it resolves, the event is durable (PUB-4)
   */
  async publish(access: Access, body: unknown, pathTopic?: string): Promise<Answer<202 | 206>> {
    const { readsDrafts } = publisherRules(access.switches, this.#runtime.options.profile);
    const read = readsDrafts ? parseEvent(fromDraft(body), true) : parseEvent(body);
    if (!read.ok) return this.#refusePublish(access, undefined, pathTopic, refuse(400, read.reason));
    const written = access.switches.senderFields === true ? withSender(read.value, body) : read.value;
    const writtenTopic = written.message.event['hub.topic'];
    if (pathTopic !== undefined && pathTopic !== writtenTopic) {
      return this.#refusePublish(
        access,
        written,
        undefined,
        refuse(400, 'event.hub.topic is not the topic in the path'),
      );
    }
    const own = await this.#sessions.ownTopic(access, writtenTopic);
    if (!own.ok) return this.#refusePublish(access, written, undefined, own);
    const name = own.value;
    const request = name === writtenTopic ? written : withTopic(written, name);
    const topic = this.#runtime.topics.of(name);
    const decision = await topic.run(async (): Promise<Decision> => {
      const state = await topic.state();
      if (!state || !mayJoin(access, name, state.info)) return NO_TOPIC;
      if (!access.scopes.mayPublish(request.definition.name)) {
        return refuse(403, `The token lacks the scope fhircast/${request.definition.name}.write`);
      }
      const invalid = this.#invalid(request);
      if (invalid) return refuse(400, invalid);
      const versionId = this.#runtime.ports.ids.uuid();
      return topic.execute(
        (now) => ({ kind: 'publish', request: completed(request, now), versionId }),
        request.message.id,
      );
    });
    if (!decision.ok) {
      if (decision !== NO_TOPIC) return this.#refusePublish(access, request, name, decision);
      this.#runtime.topics.dropUnknown(topic);
      const status = this.#runtime.options.profile.unknownTopicStatus;
      return this.#refusePublish(access, request, name, { ...decision, status });
    }
    this.#runtime.counts.published += 1;
    this.#runtime.observePublished(topic, decision, access.clientId);
    return { ok: true, value: decision.status };
  }

  /** PUB-5: why a resource is not what it should be, where that is looked into; what is in an event of others' own is theirs. */
  #invalid({ message, definition }: EventRequest): string | undefined {
    const { validation } = this.#runtime.ports;
    if (!validation || isProprietary(definition)) return undefined;
    for (const { where, resource } of publishedResources(message.event.context)) {
      const problem = validation.problem(resource, definition.action === 'close');
      if (problem) return `${definition.name}: ${where}: ${problem}`;
    }
    return undefined;
  }

  #refusePublish(
    access: Access,
    request: EventRequest | undefined,
    topic: string | undefined,
    answer: { status: number; reason: string },
  ): Answer<202 | 206> {
    this.#runtime.counts.refused += 1;
    if (topic !== undefined && this.#runtime.topics.has(topic)) {
      this.#runtime.observe(topic, {
        kind: 'refused',
        clientId: access.clientId,
        status: answer.status,
        reason: answer.reason,
        ...(request && { event: request.definition.name, eventId: request.message.id }),
      });
    }
    return { ok: false, status: answer.status, reason: answer.reason };
  }

  /** `GET {hub.url}/{topic}` (CON-5, CON-6). */
  currentContext(access: Access, topic: string): Promise<Answer<CurrentContext>> {
    return this.#read(access, topic, currentContext);
  }

  /** The same for clients that read a list. */
  contextList(access: Access, topic: string): Promise<Answer<readonly ContextInList[]>> {
    return this.#read(access, topic, contextList);
  }

  async #read<T>(access: Access, topic: string, read: Reading<T>): Promise<Answer<T>> {
    const answer = await this.#readOwn(access, topic, read);
    this.#runtime.audit('RAD-153', access, topic, answer.ok ? 200 : answer.status);
    return answer;
  }

  async #readOwn<T>(access: Access, written: string, read: Reading<T>): Promise<Answer<T>> {
    const own = await this.#sessions.ownTopic(access, written);
    if (!own.ok) return own;
    const state = await this.#sessions.joined(access, own.value);
    if (!state) return NO_TOPIC;
    if (!access.scopes.readsFhircast) return refuse(403, 'The token lacks a fhircast/….read scope');
    const mayRead = (event: string): boolean => access.scopes.mayReceive(event);
    return { ok: true, value: read(state, mayRead, this.#runtime.options.profile) };
  }
}
