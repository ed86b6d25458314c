/** What the engine's tests share: events of a session about one patient, built as a client would write them. */
import { type EventMessage, type EventRequest, parseEvent, parseSubscription, Scopes } from '@lockstep/fhircast';
import type { Accepted, Decision, Publish, SessionCommand, Subscribe, TextWriter } from '../src/rules/commands.ts';
import { type Decide, sessionRules } from '../src/rules/decide.ts';
import type { Access } from '../src/rules/permission.ts';
import { DEFAULT_POLICY, type Policy } from '../src/rules/policy.ts';
import { newSession, type SessionState, type Subscription } from '../src/rules/session-state.ts';
import { CORE, subscriptionRules, type VersionRules } from '../src/rules/versions.ts';

type Json = Record<string, unknown>;

export const TOPIC = 'topic-1';
export const START = Date.UTC(2026, 0, 8, 1, 37, 5);

export const patient = (id = 'p1'): Json => ({ key: 'patient', resource: { resourceType: 'Patient', id } });
export const encounter = (id = 'n1'): Json => ({ key: 'encounter', resource: { resourceType: 'Encounter', id } });
export const study = (id = 's1'): Json => ({ key: 'study', resource: { resourceType: 'ImagingStudy', id } });
export const report = (id = 'r1'): Json => ({ key: 'report', resource: { resourceType: 'DiagnosticReport', id } });
export const reference = (key: string, text: string): Json => ({ key, reference: { reference: text } });
export const observation = (id: string, value = 1): Json => ({ resourceType: 'Observation', id, valueInteger: value });

export const put = (resource: Json, fullUrl?: string): Json => ({
  ...(fullUrl && { fullUrl }),
  request: { method: 'PUT' },
  resource,
});
export const remove = (url: string): Json => ({ request: { method: 'DELETE', url } });
export const updates = (...entry: Json[]): Json => ({
  key: 'updates',
  resource: { resourceType: 'Bundle', id: 'b1', type: 'transaction', entry },
});
export const operationOutcome: Json = {
  key: 'operationoutcome',
  resource: { resourceType: 'OperationOutcome', issue: [] },
};
export const parameters: Json = { key: 'parameters', resource: { resourceType: 'Parameters' } };

/** An event as it is posted. */
export function body(event: string, context: readonly unknown[], more: Json = {}): Json {
  const { id = crypto.randomUUID(), timestamp = new Date(START).toISOString(), topic = TOPIC, ...rest } = more;
  return { timestamp, id, event: { 'hub.topic': topic, 'hub.event': event, ...rest, context } };
}

export function request(event: string, context: readonly unknown[], more: Json = {}): EventRequest {
  const read = parseEvent(body(event, context, more));
  if (!read.ok) throw new Error(read.reason);
  return read.value;
}

export function subscription(id: string, more: Partial<Subscription> = {}): Subscription {
  return {
    id,
    channel: 'websocket',
    subscriberName: `App ${id}`,
    events: ['*'],
    expiresAt: START + 3_600_000,
    clientId: 'client',
    grantId: 'grant',
    tokenId: 'token',
    acknowledgements: 'answers',
    renewals: 0,
    ...more,
  };
}

/** The state as plain values, without the names of what it does not have: what it holds can be compared. */
export function bare(state: SessionState): SessionState {
  const anchors = [...state.anchors].map(([name, one]) => [name, { ...one, content: new Map(one.content) }] as const);
  return Object.fromEntries(
    Object.entries({ ...state, anchors: new Map(anchors) }).filter(([, value]) => value !== undefined),
  ) as unknown as SessionState;
}

export const EVERYTHING = 'fhircast/*.* hub/session.read hub/session.write';

export function access(more: Partial<Omit<Access, 'scopes'>> & { readonly scope?: string } = {}): Access {
  const { scope = EVERYTHING, ...rest } = more;
  return {
    tokenId: 'token',
    grantId: 'grant',
    clientId: 'client',
    clientName: 'Client',
    scopes: new Scopes(scope),
    expiresAt: START + 30 * 86_400_000,
    userAliases: [],
    topics: [],
    sessions: 'all',
    switches: {},
    ...rest,
  };
}

/** Writes what a test built as values. */
export const PLAIN: TextWriter = { write: (value) => JSON.stringify(value), textOf: () => undefined };

/** The event of a decision that accepted one. */
export function eventOf(decision: Decision): Accepted | undefined {
  if (!decision.ok) return undefined;
  for (const effect of decision.effects) if (effect.kind === 'event') return effect.event;
  return undefined;
}

/** Why subscriptions ended with a decision, and which. */
export function endedBy(decision: Decision): { readonly ids: readonly string[]; readonly reason: string } | undefined {
  for (const effect of decision.ok ? decision.effects : []) {
    if (effect.kind === 'ended') return { ids: effect.ids, reason: effect.reason };
  }
  return undefined;
}

/** Number of the entry that a decision delivers again. */
export function redelivered(decision: Decision): number | undefined {
  for (const effect of decision.ok ? decision.effects : []) if (effect.kind === 'redeliver') return effect.number;
  return undefined;
}

/** A session that commands are tried on, one after the other. */
export class Trial {
  state: SessionState;
  now = START;
  readonly profile: VersionRules;
  readonly decided: Decide;
  #versions = 0;

  constructor(profile: VersionRules = CORE, policy: Partial<Policy> = {}) {
    this.profile = profile;
    this.decided = sessionRules({ ...DEFAULT_POLICY, ...policy, profile });
    this.state = newSession(TOPIC, { user: 'Practitioner/1', aliases: [], startedAt: START });
  }

  decide(command: SessionCommand): Decision {
    const decision = this.decided(this.state, command, this.now);
    if (decision.ok && decision.state) this.state = decision.state;
    return decision;
  }

  publish(event: string, context: readonly unknown[], more: Json = {}, how: Partial<Publish> = {}): Decision {
    this.#versions += 1;
    const asked = request(event, context, more);
    return this.decide({
      kind: 'publish',
      access: access(),
      request: asked,
      exact: PLAIN,
      versionId: `v${this.#versions}`,
      fingerprint: JSON.stringify(asked.message),
      ...how,
    });
  }

  /** Publishes and expects it to be accepted. @returns the event as it goes out */
  accepted(event: string, context: readonly unknown[], more: Json = {}): EventMessage {
    const decision = this.publish(event, context, more);
    const accepted = eventOf(decision);
    if (!accepted) throw new Error(decision.ok ? 'nothing went out' : decision.reason);
    return accepted.message;
  }

  /** Publishes and expects it to be refused without any change. @returns the reason's code */
  refused(event: string, context: readonly unknown[], more: Json = {}): string {
    const before = this.state;
    const decision = this.publish(event, context, more);
    if (decision.ok) throw new Error('was accepted');
    if (this.state !== before) throw new Error('a refusal changed the state');
    return decision.code;
  }

  /** Asks for a subscription by a form. */
  subscribe(id: string, form: Record<string, string> = {}, as = access(), more: Partial<Subscribe> = {}): Decision {
    const read = parseSubscription(
      Object.entries({
        'hub.channel.type': 'websocket',
        'hub.mode': 'subscribe',
        'hub.topic': TOPIC,
        'hub.events': '*',
        'subscriber.name': `App ${id}`,
        ...form,
      }),
    );
    if (!read.ok) throw new Error(read.reason);
    const rules = subscriptionRules(read.value, as.switches, this.profile);
    const asked = { access: as, request: read.value, rules };
    if (read.value.mode === 'unsubscribe') return this.decide({ kind: 'unsubscribe', ...asked });
    return this.decide({ kind: 'subscribe', id, node: 'n', ...asked, ...more });
  }

  /** Subscribes and connects. */
  join(id: string, form: Record<string, string> = {}, as = access()): Subscription {
    this.subscribe(id, form, as);
    this.decide({ kind: 'connect', id, node: 'n' });
    return this.subscription(id);
  }

  subscription(id: string): Subscription {
    const one = this.state.subscriptions.get(id);
    if (!one) throw new Error(`${id} is not subscribed`);
    return one;
  }

  version(anchor: string): string {
    const version = this.state.anchors.get(anchor)?.versionId;
    if (version === undefined) throw new Error(`${anchor} is not open`);
    return version;
  }

  content(anchor: string): readonly string[] {
    return [...(this.state.anchors.get(anchor)?.content.keys() ?? [])];
  }
}
