/** What the engine's tests share: events of a session about one patient, built as a client would write them. */
import { type EventRequest, parseEvent } from '@lockstep/fhircast';
import { type Command, decide } from '../src/session.ts';
import { newSession, type SessionState, type Subscription } from '../src/state.ts';
import { CORE, type Version } from '../src/versions.ts';

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

/** The state without the names of what it does not have. */
export function bare(state: SessionState): SessionState {
  return Object.fromEntries(
    Object.entries(state).filter(([, value]) => value !== undefined),
  ) as unknown as SessionState;
}

/** A session that commands are tried on, one after the other. */
export class Trial {
  state: SessionState;
  now = START;
  readonly profile: Version;
  #versions = 0;

  constructor(profile: Version = CORE) {
    this.profile = profile;
    this.state = newSession(TOPIC, { user: 'Practitioner/1', aliases: [], startedAt: START });
  }

  decide(command: Command): ReturnType<typeof decide> {
    const decision = decide(this.state, command, this.now, this.profile);
    if (decision.ok) this.state = decision.state;
    return decision;
  }

  publish(event: string, context: readonly unknown[], more: Json = {}): ReturnType<typeof decide> {
    this.#versions += 1;
    return this.decide({ kind: 'publish', request: request(event, context, more), versionId: `v${this.#versions}` });
  }

  /** Publishes and expects it to be accepted. @returns the event as it goes out */
  accepted(event: string, context: readonly unknown[], more: Json = {}) {
    const decision = this.publish(event, context, more);
    if (!decision.ok || !decision.accepted) throw new Error(decision.ok ? 'nothing went out' : decision.reason);
    return decision.accepted.message;
  }

  /** Publishes and expects it to be refused without any change. @returns the status */
  refused(event: string, context: readonly unknown[], more: Json = {}): number {
    const before = this.state;
    const decision = this.publish(event, context, more);
    if (decision.ok) throw new Error('was accepted');
    if (this.state !== before) throw new Error('a refusal changed the state');
    return decision.status;
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
