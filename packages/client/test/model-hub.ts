import { randomUUID } from 'node:crypto';
import type { ContextElement, EventMessage, Resource } from '@lockstep/fhircast';

/** A Hub's side of one subscription. */
export interface ModelSubscription {
  readonly endpoint: string;
  events: readonly string[];
  name: string;
  lease: number;
  /** How much of the log this subscriber was sent. */
  sent: number;
  socket: ModelSocket | undefined;
}

export interface ModelSocket {
  send(text: string): void;
  close(code: number, reason: string): void;
}

interface OpenContext {
  readonly message: EventMessage;
  readonly type: string;
  version: string;
  content: Map<string, Resource>;
}

export interface ModelAnswer {
  readonly status: number;
  readonly body: string;
  readonly json?: boolean;
}

const KEYS: Readonly<Record<string, string>> = { DiagnosticReport: 'report', ImagingStudy: 'study' };

/**
 * What a FHIRcast Hub does, without a network: the tests' reference, kept apart from the product's engine so that both
 * would have to be wrong in the same way.
 */
export class ModelHub {
  readonly topic: string;
  readonly subscriptions = new Map<string, ModelSubscription>();
  readonly contexts = new Map<string, OpenContext>();
  /** Every answer that a subscriber gave, in order. */
  readonly answers: { id: string; status: number }[] = [];
  /** What answers said of why not, by event id. */
  readonly reasons = new Map<string, unknown>();
  readonly log: EventMessage[] = [];
  current: string | undefined;
  tokens = new Set(['token']);
  lease = 7200;
  /** What this maker's Hub can do. */
  readonly can = {
    read: true,
    since: true,
    versions: true,
    resend: true,
    reconfirm: true,
    strictEvents: false,
    nonCurrent: true,
    pong: false,
  };
  /** What a Hub answers that takes only some events. */
  strictStatus = 400;
  #versions = 0;

  constructor(topic = 'topic-1') {
    this.topic = topic;
  }

  /** The context and content that a subscriber in sync must hold, as text to compare. */
  truth(): string {
    const open = this.current === undefined ? undefined : this.contexts.get(this.current);
    if (!open) return 'empty';
    const content = [...open.content].sort(([a], [b]) => (a < b ? -1 : 1));
    return JSON.stringify([this.current, this.can.versions ? open.version : '', content]);
  }

  subscribe(form: URLSearchParams, token: string | undefined, origin: string): ModelAnswer {
    if (!this.tokens.has(token ?? '')) return { status: 401, body: 'unknown token' };
    if (form.get('hub.topic') !== this.topic) return { status: 404, body: 'unknown topic' };
    const endpoint = form.get('hub.channel.endpoint') ?? `${origin}/ws/${randomUUID()}`;
    const held = this.subscriptions.get(endpoint);
    if (form.get('hub.mode') === 'unsubscribe') {
      if (!held) return { status: 404, body: 'unknown endpoint' };
      this.deny(endpoint, 'unsubscribed');
      held.socket?.close(1000, '');
      return { status: 202, body: JSON.stringify({ 'hub.channel.endpoint': endpoint }), json: true };
    }
    const events = (form.get('hub.events') ?? '').split(',');
    if (this.can.strictEvents && events.some((one) => !/^(Patient|DiagnosticReport)-/i.test(one))) {
      return { status: this.strictStatus, body: 'event not supported' };
    }
    if (form.has('hub.channel.endpoint') && !held) return { status: 404, body: 'unknown endpoint' };
    const name = form.get('subscriber.name') ?? '';
    if (held) {
      Object.assign(held, { events, lease: this.lease });
      if (this.can.reconfirm) held.socket?.send(this.#confirmation(held));
    } else {
      this.subscriptions.set(endpoint, { endpoint, events, name, lease: this.lease, sent: -1, socket: undefined });
    }
    return { status: 202, body: JSON.stringify({ 'hub.channel.endpoint': endpoint }), json: true };
  }

  #confirmation(subscription: ModelSubscription): string {
    return JSON.stringify({
      'hub.mode': 'subscribe',
      'hub.topic': this.topic,
      'hub.events': subscription.events.join(','),
      'hub.lease_seconds': subscription.lease,
    });
  }

  /** @returns false when the upgrade is refused */
  connect(endpoint: string, since: string | null, socket: ModelSocket): boolean {
    const subscription = this.subscriptions.get(endpoint);
    if (!subscription) return false;
    subscription.socket?.close(4001, 'taken over');
    subscription.socket = socket;
    socket.send(this.#confirmation(subscription));
    const at = this.log.findIndex((one) => one.id === since);
    if (this.can.since && since !== null && at >= 0) {
      for (const message of this.log.slice(at + 1)) this.deliver(subscription, message);
    } else if (this.can.resend) {
      const latest = new Map<string, OpenContext>();
      for (const open of this.contexts.values()) latest.set(open.type, open);
      // An open is kept with its version, as another object than the one in the log. What is current comes last (SUB-8).
      const place = ({ message }: OpenContext) => this.log.findIndex(({ id }) => id === message.id);
      const inOrder = [...latest.values()].sort((a, b) => place(a) - place(b));
      for (const open of inOrder) this.deliver(subscription, open.message);
    }
    return true;
  }

  gone(socket: ModelSocket): void {
    for (const one of this.subscriptions.values()) if (one.socket === socket) one.socket = undefined;
  }

  /** @param socket what said it, where a ping is to be answered */
  hear(text: string, socket?: ModelSocket): void {
    try {
      const { id, status, reason, type } = JSON.parse(text);
      if (type === 'ping' && this.can.pong) socket?.send('{"type":"pong"}');
      if (reason !== undefined) this.reasons.set(id, reason);
      if (id) this.answers.push({ id, status: Number(status) });
    } catch {
      this.answers.push({ id: 'nonsense', status: 0 });
    }
  }

  deny(endpoint: string, reason: string): void {
    const subscription = this.subscriptions.get(endpoint);
    this.subscriptions.delete(endpoint);
    subscription?.socket?.send(
      JSON.stringify({
        'hub.mode': 'denied',
        'hub.topic': this.topic,
        'hub.events': subscription.events.join(','),
        'hub.reason': reason,
      }),
    );
  }

  /** @returns whether the subscriber gets such events */
  protected deliver(subscription: ModelSubscription, message: EventMessage): boolean {
    const name = message.event['hub.event'].toLowerCase();
    if (!subscription.events.some((one) => one === '*' || one.toLowerCase() === name)) return false;
    subscription.socket?.send(JSON.stringify(message));
    return true;
  }

  /** Says who does not follow, as Lockstep does to those who ask for it; no event of the log. */
  tellFollowing(context: readonly ContextElement[], now: number): void {
    const event = { 'hub.topic': this.topic, 'hub.event': 'org.lockstep.following', context };
    const message = { timestamp: new Date(now).toISOString(), id: 'following', event };
    for (const subscription of this.subscriptions.values()) this.deliver(subscription, message);
  }

  #broadcast(message: EventMessage): void {
    this.log.push(message);
    for (const subscription of this.subscriptions.values()) this.deliver(subscription, message);
  }

  read(token: string | undefined): ModelAnswer {
    if (!this.can.read) return { status: 404, body: 'not supported' };
    if (!this.tokens.has(token ?? '')) return { status: 401, body: 'unknown token' };
    const open = this.current === undefined ? undefined : this.contexts.get(this.current);
    if (!open) return { status: 200, body: JSON.stringify({ 'context.type': '', context: [] }), json: true };
    const entry = [...open.content.values()].map((resource) => ({ resource }));
    const content = { key: 'content', resource: { resourceType: 'Bundle', type: 'collection', entry } };
    const body = {
      'context.type': open.type,
      ...(this.can.versions ? { 'context.versionId': open.version } : {}),
      context: [...open.message.event.context, content],
    };
    return { status: 200, body: JSON.stringify(body), json: true };
  }

  #version(): string {
    return `v${++this.#versions}`;
  }

  publish(message: EventMessage, token: string | undefined): ModelAnswer {
    if (!this.tokens.has(token ?? '')) return { status: 401, body: 'unknown token' };
    if (this.log.some((one) => one.id === message.id)) return { status: 202, body: '' };
    const { event } = message;
    const name = event['hub.event'];
    const [type = '', action = ''] = name.split('-');
    const anchor = event.context.find((one) => one.key === (KEYS[type] ?? type.toLowerCase()));
    const reference = Array.isArray(anchor?.reference) ? undefined : anchor?.reference;
    const id =
      anchor?.resource?.id ?? String((reference as { reference?: string } | undefined)?.reference).split('/')[1];
    const key = `${type}/${id}`;
    let versions: { 'context.versionId'?: string; 'context.priorVersionId'?: string } = {};
    if (name === 'Home-open') {
      this.current = undefined;
    } else if (name === 'UserLogout') {
      this.current = undefined;
      this.contexts.clear();
    } else if (action === 'open') {
      const version = this.#version();
      versions = { 'context.versionId': version };
      const content = this.contexts.get(key)?.content ?? new Map();
      this.contexts.delete(key);
      const sent: EventMessage = { ...message, event: { ...event, ...(this.can.versions ? versions : {}) } };
      this.contexts.set(key, { message: sent, type, version, content });
      this.current = key;
    } else if (action === 'close') {
      this.contexts.delete(key);
      if (this.current === key) this.current = undefined;
    } else if (action === 'update') {
      const open = this.contexts.get(key);
      if (!open || (key !== this.current && !this.can.nonCurrent)) return { status: 409, body: 'not open' };
      if (this.can.versions && event['context.versionId'] !== open.version) {
        return { status: 409, body: 'context.versionId is not the current one' };
      }
      versions = { 'context.priorVersionId': open.version, 'context.versionId': this.#version() };
      open.version = versions['context.versionId'] ?? '';
      this.#apply(open, event.context);
    }
    this.#broadcast({ ...message, event: { ...event, ...(this.can.versions ? versions : {}) } });
    return { status: 202, body: '' };
  }

  #apply(open: OpenContext, context: readonly ContextElement[]): void {
    const entries = context.find((one) => one.key === 'updates')?.resource?.entry as {
      fullUrl?: string;
      request: { method: string };
      resource?: Resource;
    }[];
    for (const { fullUrl, request, resource } of entries) {
      if (request.method === 'DELETE') open.content.delete(fullUrl ?? '');
      else if (resource) open.content.set(`${resource.resourceType}/${resource.id}`, resource);
    }
  }

  /** Another application publishes. */
  say(name: string, context: readonly ContextElement[], now: number, versionId?: string, id = randomUUID()): string {
    const event = {
      'hub.topic': this.topic,
      'hub.event': name,
      context,
      ...(versionId === undefined ? {} : { 'context.versionId': versionId }),
    };
    const answer = this.publish({ timestamp: new Date(now).toISOString(), id, event }, [...this.tokens][0]);
    if (answer.status !== 202) throw new Error(`the model hub refused: ${answer.body}`);
    return id;
  }

  openPatient(id: string, now: number): string {
    return this.say('Patient-open', [{ key: 'patient', resource: { resourceType: 'Patient', id } }], now);
  }

  closePatient(id: string, now: number): string {
    return this.say('Patient-close', [{ key: 'patient', resource: { resourceType: 'Patient', id } }], now);
  }

  openReport(id: string, now: number): string {
    const patient = { resourceType: 'Patient', id: `of-${id}` };
    const report = { resourceType: 'DiagnosticReport', id };
    return this.say(
      'DiagnosticReport-open',
      [
        { key: 'report', resource: report },
        { key: 'patient', resource: patient },
      ],
      now,
    );
  }

  /** Puts an Observation into the current report's content, or removes it. */
  observe(id: string, value: number | undefined, now: number): string {
    const [type, report] = this.current?.split('/') ?? [];
    if (type !== 'DiagnosticReport') throw new Error('no report is open');
    const entry =
      value === undefined
        ? { fullUrl: `Observation/${id}`, request: { method: 'DELETE' } }
        : { request: { method: 'PUT' }, resource: { resourceType: 'Observation', id, valueInteger: value } };
    const updates = { resourceType: 'Bundle', id: randomUUID(), type: 'transaction', entry: [entry] };
    return this.say(
      'DiagnosticReport-update',
      [
        { key: 'report', reference: { reference: `DiagnosticReport/${report}` } },
        { key: 'updates', resource: updates },
      ],
      now,
      this.can.versions ? this.contexts.get(this.current ?? '')?.version : undefined,
    );
  }

  syncError(eventId: string, name: string, who: string, now: number, diagnostics = `${who} did not follow`): string {
    const system = 'https://fhircast.hl7.org/events/syncerror';
    const coding = [
      { system: `${system}/eventid`, code: eventId },
      { system: `${system}/eventname`, code: name },
      { system: `${system}/subscribername`, code: who },
    ];
    const issue = [{ severity: 'warning', code: 'processing', diagnostics, details: { coding } }];
    return this.say(
      'SyncError',
      [{ key: 'operationoutcome', resource: { resourceType: 'OperationOutcome', issue } }],
      now,
    );
  }
}
