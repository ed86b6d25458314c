/**
 * A small, healthy FHIRcast Hub in memory, written from the specification for the suite's own tests, that can be given one
 * defect or several. It shares no code with any other Hub.
 */
import { createHash, createHmac, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { DefectName, Setup } from './defects.ts';

type Json = Record<string, unknown>;

interface Element extends Json {
  key: string;
  resource?: Json;
  reference?: Json;
}

interface Message {
  timestamp: unknown;
  id: unknown;
  event: Json & { context: Element[] };
}

interface Open {
  key: string;
  type: string;
  /** The type as the event's name had it. */
  written: string;
  message: Message;
  version: string;
  content: Map<string, Json>;
  /** What was removed, kept by a defect. */
  removed?: string[];
}

interface Sub {
  id: string;
  topic: string;
  name: string;
  events: string[];
  granted: (event: string) => boolean;
  /** Events that it asked for, in lower case. */
  asked: string[];
  /** The client that subscribed. */
  owner: string;
  leaseSeconds: number;
  timer?: NodeJS.Timeout;
  socket?: WebSocket;
  pending: Map<string, { name: string; timer: NodeJS.Timeout }>;
  /** Events that it had, kept until it answers. */
  sent: Map<string, string>;
  hasAnswered: boolean;
  misses: number;
  callback?: string;
  secret?: string;
  verified: boolean;
  refuses?: boolean;
  /** Events so far; one that is held back by a defect. */
  count?: number;
  swapped?: Message;
  /** What it missed while it was away. */
  away?: Message[];
}

interface Session {
  topic: string;
  subs: Map<string, Sub>;
  opens: Map<string, Open>;
  current?: string;
  versions: number;
  newcomers: number;
  history: Message[];
  /** Broadcasts held back by a defect. */
  held: Message[];
  /** Bodies of accepted events by id. */
  taken: Map<string, string>;
}

const CATALOG: Record<string, { name: string; required: Record<string, string>; anchor?: string }> = {
  syncerror: { name: 'SyncError', required: { operationoutcome: 'OperationOutcome' } },
  userlogout: { name: 'UserLogout', required: { parameters: 'Parameters' } },
  userhibernate: { name: 'UserHibernate', required: { parameters: 'Parameters' } },
  'home-open': { name: 'Home-open', required: {} },
};
const ANCHORS: Record<string, { key: string; required: Record<string, string> }> = {
  Patient: { key: 'patient', required: { patient: 'Patient' } },
  Encounter: { key: 'encounter', required: { encounter: 'Encounter', patient: 'Patient' } },
  ImagingStudy: { key: 'study', required: { study: 'ImagingStudy' } },
  DiagnosticReport: { key: 'report', required: { report: 'DiagnosticReport', patient: 'Patient' } },
};
for (const [type, { key, required }] of Object.entries(ANCHORS)) {
  for (const action of ['open', 'close']) {
    CATALOG[`${type}-${action}`.toLowerCase()] = { name: `${type}-${action}`, required, anchor: key };
  }
  for (const action of ['update', 'select']) {
    CATALOG[`${type}-${action}`.toLowerCase()] = { name: `${type}-${action}`, required: {}, anchor: key };
  }
}

/** What the hub of few events knows: the list in the specification's own example. */
const FEW = ['patient-open', 'patient-close', 'syncerror'];

const BODY_LIMIT = 10_000_000;
const ANSWER_MS = 2500;

class Refusal extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Elements whose resources have lost their extensions. */
function simplified(elements: readonly Element[]): Element[] {
  return elements.map(({ resource, ...rest }) => {
    const { extension: _extension, ...bare } = resource ?? {};
    return { ...rest, ...(resource && { resource: bare }) };
  });
}

/** Parses JSON whose numbers are written again as they came. */
function parseExact(text: string): unknown {
  const exact = JSON as unknown as {
    parse(text: string, reviver: (key: string, value: unknown, from: { source?: string }) => unknown): unknown;
    rawJSON(text: string): unknown;
  };
  return exact.parse(text, (_key, value, { source }) =>
    typeof value === 'number' ? exact.rawJSON(source ?? String(value)) : value,
  );
}

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export interface ModelHubOptions {
  readonly setup?: Setup;
  readonly defects?: readonly DefectName[];
}

export class ModelHub {
  readonly #setup: Setup;
  readonly #defects: ReadonlySet<DefectName>;
  readonly #sessions = new Map<string, Session>();
  readonly #subs = new Map<string, Sub>();
  readonly #dead = new Map<string, Sub>();
  /** Events whose refusal was told. */
  readonly #told = new Set<string>();
  readonly #tokens = new Map<string, { scopes: string[]; until: number; client: string }>();
  readonly #server: Server;
  readonly #sockets: WebSocketServer;
  #count = 0;
  #restarted = false;
  /** Endpoints that a defect gives again, in their order. */
  readonly #given: string[] = [];
  url = '';
  origin = '';

  static async start(options: ModelHubOptions = {}): Promise<ModelHub> {
    const hub = new ModelHub(options);
    await new Promise<void>((resolve) => hub.#server.listen(0, '127.0.0.1', resolve));
    hub.origin = `http://127.0.0.1:${(hub.#server.address() as AddressInfo).port}`;
    hub.url = `${hub.origin}/hub`;
    return hub;
  }

  constructor(options: ModelHubOptions) {
    this.#setup = options.setup ?? 'core';
    this.#defects = new Set(options.defects ?? []);
    this.#sockets = new WebSocketServer({
      noServer: true,
      maxPayload: 1_000_000,
      autoPong: !this.#is('pings-ignored'),
    });
    this.#server = createServer((request, response) => void this.#serve(request, response));
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  async close(): Promise<void> {
    for (const sub of this.#subs.values()) this.#forget(sub);
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Breaks off what is connected, and keeps what a hub with a store would: sessions, contexts, webhooks. */
  restart(): void {
    const is = (defect: DefectName) => this.#is(defect);
    this.#restarted = true;
    const stays = is('restart-deaf-endpoints') || is('restart-endpoints-hear-all');
    for (const sub of this.#subs.values()) {
      const { socket } = sub;
      if (sub.callback === undefined) {
        delete sub.socket;
        if (!stays) this.#forget(sub);
        else if (is('restart-deaf-endpoints')) sub.events = [];
        else if (is('restart-endpoints-hear-all')) sub.events = Object.values(CATALOG).map(({ name }) => name);
      } else if (is('restart-loses-webhooks')) this.#forget(sub);
      else if (is('restart-loses-secrets')) sub.secret = '';
      socket?.terminate();
    }
    const lasts = [...this.#sessions.values()].flatMap(({ opens, current }) => opens.get(current ?? '') ?? []);
    for (const session of this.#sessions.values()) {
      const { opens, history, current } = session;
      const [first] = opens.keys();
      if (is('restart-older-context') && first !== undefined) session.current = first;
      if (is('restart-other-session-context')) {
        for (const one of lasts) opens.set(one.key, one);
        const other = lasts.find(({ key }) => key !== current);
        if (other) session.current = other.key;
      }
      if (is('restart-empties-context')) delete session.current;
      if (is('restart-new-version')) for (const one of opens.values()) one.version = randomUUID();
      if (is('restart-tells-older') && opens.size > 1) opens.delete([...opens.keys()].at(-1)!);
      if (is('restart-reopens-closed')) {
        for (const message of history) {
          const [type = ''] = String(message.event['hub.event']).split('-');
          if (!this.#nameOf(message).endsWith('-open')) continue;
          const key = `${type}/${message.event.context[0]?.resource?.id}`;
          opens.set(key, { key, type, written: type, message, version: randomUUID(), content: new Map() });
        }
      }
      if (is('restart-loses-content')) for (const one of opens.values()) one.content.clear();
      if (is('restart-loses-last-content')) {
        for (const { content } of opens.values()) content.delete([...content.keys()].at(-1) ?? '');
      }
      if (is('restart-versions-again')) session.versions = 0;
      if (is('restart-forgets-ids')) session.taken.clear();
    }
    if (is('restart-revives-endpoints') || is('restart-revives-webhooks')) {
      for (const sub of this.#dead.values()) {
        delete sub.socket;
        this.#subs.set(sub.id, sub);
        this.#sessions.get(sub.topic)?.subs.set(sub.id, sub);
      }
    }
  }

  #is(defect: DefectName): boolean {
    return this.#defects.has(defect);
  }

  /** Healthy, and different wherever the specification leaves a choice. */
  get #otherwise(): boolean {
    return this.#setup === 'otherwise';
  }

  /** Whether the hub knows this event. */
  #supports(name: string): boolean {
    return this.#setup !== 'few' || FEW.includes(name.toLowerCase());
  }

  // HTTP

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const body = await this.#read(request);
      await this.#route(request, body, response);
    } catch (error) {
      if (!(error instanceof Refusal)) console.error(error);
      const status = error instanceof Refusal ? error.status : 500;
      const type = this.#is('refusal-as-html')
        ? 'text/html'
        : this.#is('unsubscribe-refusal-as-json')
          ? 'application/json'
          : 'text/plain';
      response.writeHead(status, { 'content-type': type, connection: 'close' });
      response.end(error instanceof Error ? error.message : '');
    }
  }

  /** Whether a body that is too large is taken, to be thrown away later. */
  get #tooLarge(): boolean {
    return this.#otherwise || this.#is('too-large-swallowed') || this.#is('too-large-told-as-processing');
  }

  async #read(request: IncomingMessage): Promise<string> {
    const chunks: Buffer[] = [];
    let length = 0;
    if (Number(request.headers['content-length'] ?? 0) > BODY_LIMIT) {
      if (!this.#tooLarge) throw new Refusal(this.#is('too-large-500') ? 500 : 413, 'too large');
    }
    for await (const chunk of request) {
      chunks.push(chunk as Buffer);
      length += (chunk as Buffer).length;
      if (length > BODY_LIMIT && !this.#tooLarge) throw new Refusal(413, 'too large');
    }
    return Buffer.concat(chunks).toString(this.#is('text-as-latin1') ? 'latin1' : 'utf8');
  }

  async #route(request: IncomingMessage, body: string, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.origin);
    const json = (status: number, value: unknown, type = 'application/json') => {
      const charset = this.#otherwise ? '; charset=utf-8' : '';
      response.writeHead(status, { 'content-type': `${type}${charset}` }).end(JSON.stringify(value));
    };
    if (url.pathname === '/fhir/.well-known/smart-configuration') {
      return json(200, { token_endpoint: `${this.origin}/token` });
    }
    if (url.pathname === '/token') return json(200, this.#token(request, new URLSearchParams(body)));
    if (url.pathname === '/hub/.well-known/fhircast-configuration') {
      if (this.#is('no-configuration')) throw new Refusal(404, 'not found');
      return json(200, this.#configuration(), this.#is('configuration-as-text') ? 'text/plain' : undefined);
    }
    if (request.method === 'GET' && url.pathname.startsWith('/hub/')) {
      const context = this.#context(decodeURIComponent(url.pathname.slice(5)), request);
      if (context === undefined) throw new Refusal(404, 'no context');
      return json(200, context, this.#is('context-as-html') ? 'text/html' : undefined);
    }
    if (request.method !== 'POST' || url.pathname !== '/hub') throw new Refusal(404, 'not found');
    const type = request.headers['content-type'] ?? '';
    const exact = this.#is('form-media-type-exact') && type !== 'application/x-www-form-urlencoded';
    if (type.startsWith('application/x-www-form-urlencoded') && !exact)
      return this.#subscription(request, body, response);
    if (!/^application\/(fhir\+)?json/.test(type)) throw new Refusal(415, 'JSON or a form');
    if (this.#is('json-media-type-exact') && type.includes(';')) throw new Refusal(415, 'JSON');
    if (this.#is('json-only') && type.includes('fhir')) throw new Refusal(415, 'application/json');
    const status = await this.#publish(body, request);
    if (this.#is('accepted-with-broken-body')) {
      response.writeHead(202, { 'content-type': 'application/json' }).end('Accepted');
    } else if (this.#is('publish-302')) response.writeHead(302, { location: '/' }).end();
    else if (this.#otherwise) {
      response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' }).end('{"accepted":true}');
    } else response.writeHead(status).end();
  }

  #configuration(): Json {
    const is = (defect: DefectName) => this.#is(defect);
    const events = Object.values(CATALOG)
      .map(({ name }) => (this.#otherwise ? name.toLowerCase() : name))
      .filter((name) => this.#supports(name));
    if (this.#setup === 'few') return { eventsSupported: events, websocketSupport: true, fhircastVersion: '3.0.0' };
    return {
      eventsSupported: is('events-supported-as-string') ? events.join(',') : events,
      websocketSupport: is('websocket-support-as-string') ? 'true' : true,
      webhookSupport: this.#setup === 'webhooks',
      ...(!is('no-version-said') && { fhircastVersion: '3.0.0' }),
      ...(!is('get-current-said-once') && { getCurrentSupport: true }),
      capabilities: {
        supportsGetCurrentContext: true,
        supportsNonCurrentContextUpdates: is('capability-as-string') ? 'yes' : true,
      },
      fhirVersion: 'R4',
      ...(this.#otherwise && { 'x-vendor': { build: 7 } }),
    };
  }

  // Tokens

  #token(request: IncomingMessage, fields: URLSearchParams): Json {
    const basic = Buffer.from((request.headers.authorization ?? '').replace(/^Basic /, ''), 'base64').toString();
    if (basic !== 'suite:secret' && basic !== 'other:secret') throw new Refusal(401, 'invalid_client');
    const value = randomUUID();
    const scope = fields.get('scope') ?? '';
    this.#tokens.set(value, { scopes: scope.split(' '), until: Date.now() + 300_000, client: basic });
    return { access_token: value, token_type: 'bearer', expires_in: 300, scope };
  }

  /** Who sends a request; nobody where the Hub is open. */
  #client(request: IncomingMessage): string {
    return this.#tokens.get((request.headers.authorization ?? '').replace(/^Bearer /, ''))?.client ?? '';
  }

  /** What the request's token allows; everything where the Hub is open. */
  #access(request: IncomingMessage, lax: DefectName): (event: string, access: 'read' | 'write') => boolean {
    if (this.#setup !== 'tokens') return () => true;
    const value = (request.headers.authorization ?? '').replace(/^Bearer /, '');
    const altered = this.#is('altered-token-taken')
      ? [...this.#tokens.keys()].find((one) => one.startsWith(value.slice(0, 8)))
      : undefined;
    const token = this.#tokens.get(altered && value !== '' ? altered : value);
    if (!token) {
      if (this.#is(lax)) return () => true;
      throw new Refusal(401, 'a token is needed');
    }
    return (event, access) =>
      token.scopes.some((scope) => {
        const [name, allowed] = scope.replace(/^fhircast\//, '').split('.');
        const typeOf = (one = '') => (this.#is('scopes-by-type') ? one.split('-')[0] : one)?.toLowerCase();
        return (name === '*' || typeOf(name) === typeOf(event)) && (allowed === access || allowed === '*');
      });
  }

  // Subscriptions

  #session(topic: string): Session {
    let session = this.#sessions.get(topic);
    if (!session) {
      session = {
        topic,
        subs: new Map(),
        opens: new Map(),
        versions: 0,
        newcomers: 0,
        history: [],
        held: [],
        taken: new Map(),
      };
      this.#sessions.set(topic, session);
    }
    return session;
  }

  /** A defect: a topic that begins like one that is known is taken for that. */
  #likeness(topic: string): string {
    if (!this.#is('topics-by-their-beginning')) return topic;
    const known = [...this.#sessions.keys()].find((one) => one.slice(0, 30) === topic.slice(0, 30));
    return known ?? topic;
  }

  async #subscription(request: IncomingMessage, body: string, response: ServerResponse): Promise<void> {
    if (this.#restarted && this.#is('restart-takes-nothing')) throw new Refusal(503, 'starting');
    const ira = this.#setup === 'ira';
    const form = new URLSearchParams(body);
    const need = (name: string, lax: DefectName, fallback: string): string => {
      const value = form.get(name);
      if (value) return value;
      if (this.#is(lax)) return fallback;
      if (!form.has('hub.mode') && !form.has('hub.topic') && this.#is('garbage-kills-sockets')) {
        for (const socket of this.#sockets.clients) socket.terminate();
      }
      throw new Refusal(400, `${name} is missing`);
    };
    const allowed = this.#access(request, 'subscribe-without-token');
    const once = ['hub.mode', 'hub.topic', 'hub.events', 'hub.channel.type', 'hub.lease_seconds'];
    if (!this.#is('last-field-wins') && once.some((name) => form.getAll(name).length > 1)) {
      throw new Refusal(400, 'a field is given twice');
    }
    if (form.get('hub.mode') === 'unsubscribe' && !form.get('hub.topic') && this.#is('ira-unsubscribe-no-topic-404')) {
      throw new Refusal(404, 'no such session');
    }
    const topic = need('hub.topic', this.#is('ira-empty-topic') ? 'ira-empty-topic' : 'topic-not-required', 'default');
    const session = this.#session(this.#likeness(topic));
    const mode = need('hub.mode', 'mode-not-required', 'subscribe');
    if (mode !== 'subscribe' && mode !== 'unsubscribe' && !this.#is('any-mode')) {
      if (this.#is('refusal-drops-subscription')) {
        const sub = this.#subAt(form.get('hub.channel.endpoint') ?? '');
        if (sub) sub.events = [];
      }
      throw new Refusal(400, `hub.mode ${mode} is not known`);
    }
    const channel = need('hub.channel.type', 'channel-not-required', 'websocket');
    const webhook = channel === 'webhook' && this.#setup === 'webhooks';
    const laxChannel =
      this.#is('any-channel') ||
      (ira && this.#is(mode === 'subscribe' ? 'ira-any-channel' : 'ira-unsubscribe-channel')) ||
      (channel === 'webhook' && this.#is('webhook-taken-for-socket'));
    if (channel !== 'websocket' && !webhook && !laxChannel)
      throw new Refusal(400, `channel ${channel} is not supported`);
    const caller = this.#client(request);
    const named = channel === 'websocket' ? this.#subAt(form.get('hub.channel.endpoint') ?? '') : undefined;
    const lax = this.#is(mode === 'unsubscribe' ? 'foreign-unsubscribes' : 'foreign-renews');
    if (named && named.owner !== caller && !lax) throw new Refusal(403, 'the endpoint is another client’s');
    if (mode === 'unsubscribe') return this.#unsubscribe(session, form, webhook, response);

    if (ira && !form.has('hub.events') && this.#is('ira-no-events-422')) throw new Refusal(422, 'no events');
    const list = need(
      'hub.events',
      this.#is('ira-empty-events') ? 'ira-empty-events' : 'events-not-required',
      'Patient-open',
    );
    const asked = list.split(',').map((name) => name.trim());
    if (asked.some((name) => !this.#supports(name))) throw new Refusal(400, 'an event that is not supported');
    if (ira && this.#is('ira-catalog-only') && asked.some((name) => !CATALOG[name.toLowerCase()])) {
      throw new Refusal(400, 'an event of no catalog');
    }
    const name = form.get('subscriber.name') ?? '';
    if (name === '' && this.#is('name-required')) throw new Refusal(400, 'subscriber.name is missing');
    if (ira && name === '' && !this.#is('ira-anonymous')) throw new Refusal(400, 'subscriber.name is missing');
    if (ira && this.#is('ira-known-sessions-only') && session.subs.size === 0 && session.history.length === 0) {
      if (/^[0-9a-f-]{36}$/.test(topic)) throw new Refusal(404, 'no such session');
    }
    const events = this.#distinct(asked).filter(
      (event) =>
        allowed(event, 'read') ||
        (['ungranted-delivered', 'ungranted-confirmed', 'rights-of-first'] as const).some((defect) =>
          this.#is(defect),
        ) ||
        (form.has('hub.channel.endpoint') && this.#is('renewal-grants-more')),
    );
    if (events.length === 0) throw new Refusal(403, 'none of the events is allowed');
    const lease = this.#lease(form.get('hub.lease_seconds'), request);
    const first = [...session.subs.values()][0];
    const granted = (event: string) =>
      allowed(event, 'read') || this.#is('ungranted-delivered') || (first !== undefined && this.#is('rights-of-first'));
    if (webhook) return this.#subscribeWebhook(session, form, events, lease, granted, response);

    const again = form.get('hub.channel.endpoint');
    const existing = again === null ? undefined : (this.#subAt(again) ?? this.#revived(again));
    if (again !== null && (!existing || this.#is('no-resubscribing'))) throw new Refusal(404, 'no such endpoint');
    if (this.#is('one-subscriber-a-session')) {
      for (const other of session.subs.values()) if (other !== existing) this.#forget(other, 4000);
    }
    if (this.#is('one-subscriber-a-name')) {
      for (const other of session.subs.values()) if (other !== existing && other.name === name) this.#forget(other);
    }
    if (existing && existing.topic !== session.topic && !this.#is('endpoint-moves'))
      throw new Refusal(404, 'no such endpoint');
    if (existing && this.#is('endpoint-moves')) this.#move(existing, session);
    const sub: Sub = existing ?? this.#newSub(session, name, granted, caller);
    sub.asked = asked.map((event) => event.toLowerCase());
    if (existing && !this.#is('renewal-grants-more')) existing.granted = granted;
    else if (existing) existing.granted = () => true;
    if (existing && this.#is('resubscribing-only-adds')) sub.events = this.#distinct([...sub.events, ...events]);
    else if (!existing || !this.#is('resubscribing-adds-nothing')) sub.events = events;
    const longer = existing !== undefined && lease < sub.leaseSeconds && this.#is('lease-never-shorter');
    if (longer) sub.leaseSeconds = lease;
    else if (!existing || !this.#is('lease-never-renewed')) this.#startLease(sub, lease);
    if (existing) this.#confirm(sub);
    const answer = {
      ...(this.#otherwise && { 'hub.topic': topic, 'hub.lease_seconds': sub.leaseSeconds, status: 'accepted' }),
      'hub.channel.endpoint': this.#endpoint(sub),
    };
    const status = this.#is('subscribe-200') ? 200 : 202;
    if (this.#is('endpoint-in-header-only')) {
      response.writeHead(status, { 'content-location': this.#endpoint(sub) }).end();
    } else {
      const type = this.#is('endpoint-as-text') ? 'text/plain' : 'application/json';
      response.writeHead(status, { 'content-type': type }).end(JSON.stringify(answer));
    }
  }

  #distinct(events: readonly string[]): string[] {
    if (this.#is('repeats-counted-twice')) return [...events];
    const seen = new Map(events.map((event) => [event.toLowerCase(), event]));
    if (this.#is('syncerror-case-sensitive') || this.#is('late-joiner-case-sensitive')) return [...seen.values()];
    if (this.#otherwise) return [...seen.keys()];
    if (this.#is('case-sensitive-subscriptions')) return [...seen.values()];
    return [...seen].map(([key, event]) => CATALOG[key]?.name ?? event);
  }

  #lease(text: string | null, request: IncomingMessage): number {
    if (text === null || this.#otherwise) return 3600;
    if (!/^\d+$/.test(text) || Number(text) === 0) {
      const lax = text.startsWith('-') ? this.#is('negative-lease') : this.#is('any-lease');
      if (!lax) throw new Refusal(400, 'hub.lease_seconds is a positive decimal integer');
      return Number(text);
    }
    const until = this.#tokens.get((request.headers.authorization ?? '').replace(/^Bearer /, ''))?.until;
    const left = until === undefined ? 86_400 : Math.floor((until - Date.now()) / 1000);
    const most = this.#is('lease-beyond-token') ? 86_400 : left;
    return Math.min(Number(text), most);
  }

  /** A defect: a subscription that ended comes back. */
  #revived(endpoint: string): Sub | undefined {
    const sub = this.#is('endpoint-revived')
      ? this.#dead.get(decodeURIComponent(endpoint.split('/').at(-1) ?? ''))
      : undefined;
    if (!sub) return undefined;
    this.#subs.set(sub.id, sub);
    this.#sessions.get(sub.topic)?.subs.set(sub.id, sub);
    return sub;
  }

  /** A defect: an endpoint is told events of two sessions. */
  #move(sub: Sub, session: Session): void {
    session.subs.set(sub.id, sub);
  }

  #newSub(session: Session, name: string, granted: Sub['granted'], owner = ''): Sub {
    let id = createHash('sha256').update(randomUUID()).digest('base64url');
    if (this.#is('endpoint-from-topic')) id = session.topic;
    if (this.#is('endpoint-counted')) id = String(100_000 + this.#count++);
    if (this.#is('endpoint-by-name'))
      id = createHash('sha256')
        .update(session.topic + name)
        .digest('base64url');
    if (this.#is('restart-endpoints-again')) {
      if (this.#restarted) id = this.#given.shift() ?? id;
      else this.#given.push(id);
    }
    const sub: Sub = {
      id,
      topic: session.topic,
      name,
      events: [],
      granted,
      owner,
      asked: [],
      leaseSeconds: 0,
      pending: new Map(),
      sent: new Map(),
      hasAnswered: false,
      misses: 0,
      verified: true,
    };
    session.subs.set(id, sub);
    this.#subs.set(id, sub);
    return sub;
  }

  #startLease(sub: Sub, seconds: number): void {
    sub.leaseSeconds = seconds;
    clearTimeout(sub.timer);
    if (this.#is('lease-ignored') || (sub.callback !== undefined && this.#is('webhook-lease-ignored'))) return;
    const real = this.#is('lease-cut-short') ? seconds * 0.3 : seconds;
    if (real < 600) sub.timer = setTimeout(() => this.#endLease(sub), real * 1000);
  }

  #endLease(sub: Sub): void {
    if (this.#is('socket-open-after-lease')) {
      sub.events = [];
      return;
    }
    this.#deny(sub, 'the lease has ended');
    this.#forget(sub, 1000);
  }

  #endpoint(sub: Sub): string {
    return `${this.origin.replace('http', 'ws')}/ws/${encodeURIComponent(sub.id)}`;
  }

  #subAt(endpoint: string): Sub | undefined {
    return this.#subs.get(decodeURIComponent(endpoint.split('/').at(-1) ?? ''));
  }

  #forget(sub: Sub, code?: number): void {
    clearTimeout(sub.timer);
    for (const { timer } of sub.pending.values()) clearTimeout(timer);
    sub.pending.clear();
    this.#subs.delete(sub.id);
    this.#sessions.get(sub.topic)?.subs.delete(sub.id);
    this.#dead.set(sub.id, sub);
    if (code !== undefined) sub.socket?.close(code);
  }

  #unsubscribe(session: Session, form: URLSearchParams, webhook: boolean, response: ServerResponse): void {
    if (webhook) {
      const sub = [...session.subs.values()].find((one) => one.callback === form.get('hub.callback'));
      const part = (form.get('hub.events') ?? '').toLowerCase().split(',');
      if (sub && part[0] !== '' && this.#is('webhook-unsubscribe-in-part')) {
        sub.events = sub.events.filter((event) => !part.includes(event.toLowerCase()));
      } else if (sub && !this.#is('webhook-unsubscribe-ignored')) this.#forget(sub);
      if (this.#is('webhook-unsubscribes-all')) {
        for (const one of session.subs.values()) if (one.callback !== undefined) this.#forget(one);
      }
      response.writeHead(202).end();
      return;
    }
    const endpoint = form.get('hub.channel.endpoint') ?? '';
    let sub = this.#subAt(endpoint);
    if (this.#is('unsubscribing-reported') && sub) this.#report(sub, randomUUID(), 'SyncError', 'it left');
    if (endpoint === '' && this.#is('ira-unsubscribe-by-name')) sub = [...session.subs.values()][0];
    if (!sub || sub.topic !== session.topic) {
      if (!this.#is('unsubscribe-anything')) {
        const strict = this.#setup === 'ira' && !this.#is('ira-unsubscribe-404');
        throw new Refusal(strict || endpoint === '' ? 400 : 404, 'no such subscription');
      }
    }
    const status = this.#is('unsubscribe-200') ? 200 : 202;
    if (this.#is('unsubscribe-empty')) response.writeHead(status).end();
    else {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ 'hub.channel.endpoint': sub ? this.#endpoint(sub) : endpoint }));
    }
    if (!sub) return;
    if (this.#is('events-after-unsubscribe')) return;
    if (this.#is('unsubscribe-ends-session')) for (const one of session.subs.values()) this.#deny(one, 'ended');
    const ended = sub;
    if (this.#is('late-denial')) setTimeout(() => this.#deny(ended, 'unsubscribed', true), 8000).unref();
    else this.#deny(sub, 'unsubscribed');
    if (this.#is('late-denial') || this.#is('socket-open-after-unsubscribe')) this.#forget(sub);
    else this.#forget(sub, this.#otherwise ? 1001 : 1000);
  }

  #deny(sub: Sub, reason: string, late = false): void {
    if (this.#is('no-denial') || (this.#is('late-denial') && !late)) return;
    this.#send(sub, {
      'hub.mode': this.#is('denial-mode-unsubscribe') ? 'unsubscribe' : 'denied',
      ...(!this.#is('denial-without-topic') && { 'hub.topic': sub.topic }),
      ...(!this.#is('denial-without-events') && { 'hub.events': sub.events.join(',') }),
      'hub.reason': reason,
      ...(this.#otherwise && { timestamp: new Date().toISOString() }),
    });
  }

  // Sockets

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const id = decodeURIComponent((request.url ?? '').split('/').at(-1) ?? '');
    let sub = this.#subs.get(id);
    if (!sub && this.#is('endpoint-reusable')) sub = this.#dead.get(id);
    if (!sub && this.#is('any-endpoint-connects')) sub = [...this.#subs.values()].at(-1);
    const opens = this.#is(this.#dead.has(id) ? 'ira-old-endpoint-opens' : 'ira-any-endpoint-opens');
    if (!sub && opens) {
      this.#sockets.handleUpgrade(request, socket, head, (connection) => void connection.on('error', () => {}));
      return;
    }
    if (!sub) {
      socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n');
      return;
    }
    const found = sub;
    this.#sockets.handleUpgrade(request, socket, head, (connection) => this.#connected(found, connection));
  }

  #connected(sub: Sub, socket: WebSocket): void {
    sub.socket = socket;
    if (this.#is('idle-sockets-closed')) {
      const idle = setTimeout(() => socket.close(1011), 8000);
      socket.on('message', () => idle.refresh());
      socket.on('close', () => clearTimeout(idle));
    }
    socket.on('error', () => {});
    socket.on('message', (data) => this.#heard(sub, String(data)));
    socket.on('close', (code) => {
      if (sub.socket !== socket || !this.#subs.has(sub.id)) return;
      if (this.#setup === 'grace' && code === 1006) sub.away = [];
      else if (!this.#is('ira-lost-may-return')) this.#forget(sub);
      const normal = code === 1000 || code === 1001;
      const reported =
        (code === 1000 && this.#is('normal-close-reported')) || (code === 1001 && this.#is('going-away-reported'));
      if (reported || (!normal && !(this.#setup === 'ira' && this.#is('ira-lost-ignored')))) {
        const last = this.#is('ira-lost-as-last-event') ? 'Patient-open' : 'SyncError';
        this.#report(sub, randomUUID(), last, 'the connection was lost');
      }
    });
    if (this.#is('greeting-on-socket')) socket.send('welcome');
    const session = this.#sessions.get(sub.topic);
    if (this.#is('confirmation-after-first-event')) {
      this.#send(sub, {
        timestamp: new Date().toISOString(),
        id: randomUUID(),
        event: { 'hub.event': 'hello', context: [] },
      });
    }
    if (this.#is('contexts-before-confirmation') && session) {
      for (const message of this.#latest(session, sub)) this.#deliver(sub, message);
    }
    this.#confirm(sub);
    if (this.#otherwise) {
      socket.ping();
      this.#send(sub, { type: 'heartbeat', at: Date.now() });
    }
    if (this.#is('late-joiner-told-late')) return;
    const missed = sub.away;
    delete sub.away;
    if (missed && !this.#is('close-missed-while-away')) {
      for (const message of this.#is('nothing-on-return') ? [] : missed) this.#deliver(sub, message);
      return;
    }
    if (session) for (const message of this.#latest(session, sub)) this.#deliver(sub, message);
  }

  #confirm(sub: Sub): void {
    const events = sub.events.filter((event) => sub.granted(event) || this.#is('ungranted-confirmed'));
    const lease = this.#is('lease-as-string') ? String(sub.leaseSeconds) : sub.leaseSeconds;
    const others = this.#is('confirmations-to-all') ? (this.#sessions.get(sub.topic)?.subs.values() ?? []) : [];
    for (const one of new Set([sub, ...others]))
      this.#send(one, {
        ...(!this.#is('confirmation-without-mode') && { 'hub.mode': 'subscribe' }),
        ...(!this.#is('confirmation-without-topic') && { 'hub.topic': sub.topic }),
        'hub.events': this.#is('confirmation-events-as-array') ? events : events.join(','),
        ...(!this.#is('confirmation-without-lease') && { 'hub.lease_seconds': lease }),
      });
  }

  /** What a new subscriber is told. */
  #latest(session: Session, sub: Sub): Message[] {
    const is = (defect: DefectName) => this.#is(defect);
    if (is('late-joiner-told-nothing') || (this.#restarted && is('restart-tells-nothing'))) return [];
    if (is('first-newcomer-only') && session.opens.size > 0 && ++session.newcomers > 1) return [];
    const of = is('newcomers-told-of-any-session') ? [...this.#sessions.values()] : [session];
    let opens = of.flatMap((one) => [...one.opens.values()]);
    if (is('late-joiner-told-closed')) return session.history.filter((one) => this.#nameOf(one).endsWith('-open'));
    if (is('late-joiner-current-only')) opens = opens.filter((one) => one.key === session.current);
    if (is('late-joiner-forgets-earlier')) {
      const last = session.history.findLast((one) => this.#nameOf(one).endsWith('-open'));
      opens = opens.filter((one) => one.message.id === last?.id);
    }
    const byType = new Map(opens.map((one) => [is('late-joiner-told-history') ? one.key : one.type, one]));
    return [...byType.values()]
      .map(({ message }) => message)
      .filter(
        (message) =>
          is('late-joiner-told-all-types') ||
          this.#wants(sub, message) ||
          (is('newcomer-told-ungranted') && sub.asked.includes(this.#nameOf(message))),
      )
      .filter(
        ({ event }) => !is('late-joiner-case-sensitive') || sub.events.some((name) => name === event['hub.event']),
      )
      .map((message) => ({
        ...message,
        ...(is('late-joiner-without-version') && {
          event: { ...message.event, 'context.versionId': undefined },
        }),
        ...(is('late-joiner-simplified') && {
          event: { ...message.event, context: simplified(message.event.context) },
        }),
        ...(is('late-joiner-new-id') && { id: randomUUID() }),
        ...(is('late-joiner-new-time') && { timestamp: new Date(Date.now() + 5000).toISOString() }),
      }));
  }

  #send(sub: Sub, message: unknown): void {
    if (sub.socket?.readyState === 1) sub.socket.send(JSON.stringify(message));
  }

  #heard(sub: Sub, text: string): void {
    let message: unknown;
    try {
      message = JSON.parse(text);
    } catch {
      message = undefined;
    }
    const session = this.#sessions.get(sub.topic);
    if (!session) return;
    const name = isObject(message) && typeof message.id === 'string' ? sub.sent.get(message.id) : undefined;
    if (!isObject(message) || name === undefined) {
      const answered = isObject(message) && typeof message.id === 'string';
      if (this.#is(answered ? 'unknown-answer-reported' : 'noise-reported'))
        this.#report(sub, randomUUID(), 'SyncError', 'noise');
      return;
    }
    const id = String(message.id);
    sub.hasAnswered = true;
    sub.misses = 0;
    clearTimeout(sub.pending.get(id)?.timer);
    sub.pending.delete(id);
    if (typeof message.status === 'string' && this.#is('string-status-ignored')) return;
    this.#answered(sub, id, name, Number(message.status ?? 200));
  }

  #answered(sub: Sub, id: string, name: string, status: number): void {
    const is = (defect: DefectName) => this.#is(defect);
    const session = this.#sessions.get(sub.topic);
    if (status >= 200 && status < 300) {
      if (status === 202 && (is('202-taken-for-error') || (sub.callback && is('webhook-202-is-error')))) {
        this.#report(sub, id, name, 'not yet');
      }
      return;
    }
    if (/-(update|select)$/i.test(name) && this.#setup !== 'ira' && !is('syncerror-for-updates')) return;
    if (/-close$/i.test(name) && is('refused-close-ignored')) return;
    if (!/^patient/i.test(name) && is('patients-only-reported')) return;
    if (is('refusals-told-once')) {
      if (this.#told.has(id)) return;
      this.#told.add(id);
    }
    if (status === 409 && is('409-ignored')) return;
    if (status !== 409 && status < 500 && is('4xx-ignored')) return;
    if (status === 500 && is('500-ignored')) return;
    if (status > 500 && is('5xx-ignored')) return;
    if (sub.callback && is('webhook-refusal-ignored')) return;
    if (session && is('refusal-reverts-context')) session.current = undefined!;
    this.#report(sub, id, name, `answered ${status}`);
    if (is('refusal-unsubscribes')) this.#forget(sub, 4409);
  }

  #report(offender: Sub, id: string, name: string, reason: string): void {
    const session = this.#sessions.get(offender.topic);
    if (!session) return;
    const is = (defect: DefectName) => this.#is(defect);
    const ira = this.#setup === 'ira';
    const base = 'https://fhircast.hl7.org/events/syncerror/';
    const coding = [
      ...(is('syncerror-without-event-id') ? [] : [{ system: `${base}eventid`, code: id }]),
      ...(is('syncerror-without-event-name') ? [] : [{ system: `${base}eventname`, code: name }]),
      ...(is('syncerror-anonymous') ? [] : [{ system: `${base}subscribername`, code: offender.name }]),
    ];
    if (is('webhook-refusal-without-event')) coding.splice(0, 2);
    if (is('ira-codings-reordered')) coding.reverse();
    if (this.#otherwise) {
      coding.reverse();
      coding.unshift({ system: 'https://hub.example.org/errors', code: 'E7' });
    }
    const issue = {
      severity: is('syncerror-as-error') ? 'error' : ira && !is('ira-warning') ? 'information' : 'warning',
      code: is('syncerror-exception') ? 'exception' : 'processing',
      ...(!is('syncerror-wordless') && { diagnostics: `${offender.name}: ${reason}` }),
      details: { coding },
    };
    const other = { severity: 'information', code: 'informational', details: { text: 'see the log' } };
    const issues = this.#otherwise ? [other, issue] : [issue];
    const now = is('syncerror-time-as-mail')
      ? new Date().toUTCString()
      : is('syncerror-local-time')
        ? `${new Date(Date.now() + 3_600_000).toISOString().slice(0, -1)}+01:00`
        : new Date().toISOString();
    const message: Message = {
      timestamp: now,
      id: is('syncerror-same-id') ? id : randomUUID(),
      event: {
        ...(!is('syncerror-without-topic') && { 'hub.topic': session.topic }),
        'hub.event': this.#otherwise ? 'syncerror' : 'SyncError',
        context: [{ key: 'operationoutcome', resource: { resourceType: 'OperationOutcome', issue: issues } }],
      },
    };
    let told = 0;
    offender.refuses = true;
    const everywhere = is('refusals-in-every-session') ? [...this.#sessions.values()] : [session];
    for (const sub of everywhere.flatMap(({ subs }) => [...subs.values()])) {
      if (sub === offender && !ira && !is('syncerror-to-offender')) continue;
      if (is('offenders-not-told') && sub.refuses) continue;
      if (is('syncerror-to-first-only') && told++ > 0) continue;
      if (!this.#wants(sub, message) && !is('syncerror-to-everybody')) continue;
      if (is('syncerror-case-sensitive') && !sub.events.includes('SyncError')) continue;
      this.#deliver(sub, message);
      if (is('syncerror-twice')) this.#deliver(sub, { ...message, id: randomUUID() });
    }
  }

  // Events

  #nameOf(message: Message): string {
    return String(message.event['hub.event']).toLowerCase();
  }

  #wants(sub: Sub, message: Message): boolean {
    const name = String(message.event['hub.event']);
    const wants = sub.events.some((event) => {
      const exact = this.#is('case-sensitive-subscriptions') || this.#is('proprietary-case-sensitive');
      if (exact && (name.includes('.') || this.#is('case-sensitive-subscriptions'))) return event === name;
      const [asked, told] = [event.toLowerCase(), name.toLowerCase()];
      if (this.#is('names-by-their-beginning') && told.includes('.')) return told.startsWith(asked);
      if (this.#is('closes-to-all-of-type') && told.endsWith('-close')) return asked.endsWith('-close');
      if (this.#is('home-to-everybody') && told === 'home-open') return true;
      return asked === told;
    });
    return wants && sub.granted(name);
  }

  #deliver(sub: Sub, message: Message): void {
    if (!sub.verified && !this.#is('webhook-not-verified')) return;
    const id = String(message.id);
    const name = String(message.event['hub.event']);
    sub.sent.set(id, name);
    if (sub.callback !== undefined) {
      void this.#post(sub, message, id, name);
      return;
    }
    if (sub.away) sub.away.push(message);
    if (!sub.socket) return;
    const n = (sub.count ?? 0) + 1;
    sub.count = n;
    if (this.#is('every-tenth-lost') && n % 10 === 0) return;
    if (this.#is('late-deliveries') && n % 5 === 0) {
      setTimeout(() => this.#send(sub, message), 3000).unref();
      return;
    }
    if (this.#is('one-in-200-swapped')) {
      if (n % 200 === 0) {
        sub.swapped = message;
        return;
      }
      this.#send(sub, message);
      if (sub.swapped) this.#send(sub, sub.swapped);
      delete sub.swapped;
      return;
    }
    this.#send(sub, message);
    if (this.#is('delivered-twice')) this.#send(sub, message);
    const fromTheStart = this.#setup === 'ira' && !this.#is('ira-silence-ignored');
    // Where who was lost may return, silence is not watched: both would race.
    if (!(sub.hasAnswered || fromTheStart) || name.toLowerCase() === 'syncerror' || this.#setup === 'grace') return;
    const timer = setTimeout(() => {
      sub.pending.delete(id);
      if (!this.#subs.has(sub.id)) return;
      this.#report(sub, id, name, 'no answer');
      if (++sub.misses >= 3 && !this.#is('mute-stays')) {
        this.#deny(sub, 'no answers');
        this.#forget(sub, 1000);
      }
    }, ANSWER_MS);
    timer.unref();
    sub.pending.set(id, { name, timer });
  }

  #broadcast(session: Session, message: Message): void {
    const is = (defect: DefectName) => this.#is(defect);
    session.history.push(message);
    const swapped = is('order-swapped');
    if (swapped && session.held.length === 0) {
      // Until the next one comes; the last of them not for ever.
      session.held.push(message);
      setTimeout(() => {
        if (session.held[0] === message) this.#spread(session, session.held.shift()!);
      }, 700).unref();
      return;
    }
    this.#spread(session, message);
    if (swapped) this.#spread(session, session.held.shift()!);
  }

  #spread(session: Session, message: Message): void {
    const is = (defect: DefectName) => this.#is(defect);
    const hooks = is('webhook-any-session') ? [...this.#sessions.values()].filter((one) => one !== session) : [];
    for (const sub of hooks.flatMap(({ subs }) => [...subs.values()]))
      if (sub.callback !== undefined) this.#deliver(sub, message);
    const update = is('updates-in-every-session') && this.#nameOf(message).endsWith('-update');
    const sessions = is('sessions-mixed') || update ? [...this.#sessions.values()] : [session];
    let first = true;
    for (const sub of sessions.flatMap(({ subs }) => [...subs.values()])) {
      const own = sub.callback !== undefined && is('webhook-all-events');
      const out = is('topic-left-out') ? { ...message, event: { ...message.event, 'hub.topic': undefined } } : message;
      if (this.#wants(sub, message) || is('events-to-everybody') || own) {
        const times = is('repeats-counted-twice')
          ? sub.events.filter((event) => event.toLowerCase() === this.#nameOf(message)).length
          : 1;
        if (!first && is('updates-swapped') && this.#nameOf(message).endsWith('-update')) {
          // Every second update overtakes the one before it.
          const held = session.held.pop();
          if (held) for (const one of [out, held]) this.#deliver(sub, one);
          else session.held.push(out);
        } else if (first || !is('first-subscriber-only')) for (let n = 0; n < times; n++) this.#deliver(sub, out);
        first = false;
        if (is('derived-beside-original')) this.#derive(session, sub, message);
      } else this.#derive(session, sub, message);
    }
  }

  #derive(session: Session, sub: Sub, message: Message): void {
    if (this.#setup === 'ira' || this.#is('no-derived-opens')) return;
    const name = this.#nameOf(message);
    const closes = name.endsWith('-close') && this.#is('closes-derived');
    if (!name.endsWith('-open') && !closes) return;
    if (this.#is('encounters-only-derived') && name !== 'encounter-open') return;
    for (const [type, { required }] of Object.entries(ANCHORS)) {
      const event = `${type}-${closes ? 'close' : 'open'}`;
      if (event.toLowerCase() === name) continue;
      const anchor = message.event.context.find((one) => one.resource?.resourceType === type);
      if (!anchor) continue;
      const keys = new Set([...Object.keys(required), ...(type === 'ImagingStudy' ? ['patient'] : [])]);
      const all = this.#is('derived-with-all-keys');
      const context = message.event.context.filter((one) => all || keys.has(one.key));
      const derived: Message = {
        timestamp: message.timestamp,
        id: randomUUID(),
        event: { 'hub.topic': session.topic, 'hub.event': event, context },
      };
      const twice = this.#is('derived-beside-original') ? 2 : 1;
      if (this.#wants(sub, derived))
        for (let n = 0; n < twice; n++) this.#deliver(sub, { ...derived, id: randomUUID() });
      if (this.#is('first-derived-only')) return;
    }
  }

  // Publishing

  async #publish(body: string, request: IncomingMessage): Promise<number> {
    const is = (defect: DefectName) => this.#is(defect);
    const ira = this.#setup === 'ira';
    let message: unknown;
    try {
      // Numbers stay as they were written.
      message = is('numbers-rewritten') ? JSON.parse(body) : parseExact(body);
    } catch {
      if (is('malformed-accepted')) return 202;
      throw new Refusal(400, 'no JSON');
    }
    const allowed = this.#access(request, 'publish-without-token');
    if (!isObject(message)) throw new Refusal(400, 'no object');
    const wrong = ira && is('ira-fields-422') ? 422 : 400;
    const event = message.event;
    if (!isObject(event)) {
      if (is('malformed-kills-sockets')) for (const socket of this.#sockets.clients) socket.terminate();
      throw new Refusal(wrong, 'event is missing');
    }
    if (typeof message.id !== 'string' && !is('id-not-required')) throw new Refusal(wrong, 'id is missing');
    if (typeof message.timestamp !== 'string' && !is('timestamp-not-required')) throw new Refusal(wrong, 'timestamp');
    const topic = typeof event['hub.topic'] === 'string' ? this.#likeness(event['hub.topic']) : undefined;
    if (topic === undefined) {
      if (is('publish-topic-not-required')) return 202;
      throw new Refusal(400, 'hub.topic is missing');
    }
    if (ira && !this.#sessions.has(topic) && !is('ira-session-by-publishing'))
      throw new Refusal(400, 'no such session');
    const asked = String(event['hub.event']);
    if (is('case-sensitive-requests') && CATALOG[asked.toLowerCase()] && CATALOG[asked.toLowerCase()]?.name !== asked) {
      throw new Refusal(400, 'unknown event');
    }
    const definition = CATALOG[asked.toLowerCase()];
    const name = definition?.name ?? asked;
    if (!this.#supports(name)) throw new Refusal(400, 'an event that is not supported');
    if (body.length > BODY_LIMIT) return this.#takeTooLarge(String(topic), message as unknown as Message);
    if (!allowed(name, 'write') && !is('read-scope-writes')) throw new Refusal(403, 'not allowed');
    if (!Array.isArray(event.context)) {
      const lax = event.context === undefined ? is('context-not-required') : is('context-of-any-kind');
      if (!lax) throw new Refusal(400, 'context is no array');
    }
    const context = (Array.isArray(event.context) ? event.context : []).filter(isObject) as Element[];
    if (definition && Array.isArray(event.context)) this.#checkContext(name, definition.required, context);
    const session = this.#session(topic);
    const taken = session.taken.get(String(message.id));
    if (taken !== undefined && typeof message.id === 'string' && !is('retries-taken-anew')) {
      if (taken === body || is('used-id-swallowed')) return 202;
      throw new Refusal(409, 'another event has this id');
    }
    const out: Message = {
      timestamp: message.timestamp,
      id: message.id,
      event: {
        'hub.topic': topic,
        'hub.event': this.#otherwise ? name.toLowerCase() : name,
        context: event.context as Element[],
      },
    };
    if (typeof message.id === 'string' && name !== 'UserLogout') session.taken.set(message.id, body);
    if (/^heartbeat$/i.test(name) && is('ira-no-heartbeat')) throw new Refusal(400, 'an event of no catalog');
    if (/^heartbeat$/i.test(name) && is('ira-heartbeat-swallowed')) return 202;
    if (name === 'UserLogout' && is('logout-swallowed')) return 202;
    if (name === 'UserLogout' && is('logout-ends-all-sessions')) {
      for (const one of this.#sessions.values()) delete one.current;
    }
    if (name === 'UserHibernate' && is('hibernate-swallowed')) return 202;
    if (name === 'Home-open' && is('home-swallowed')) return 202;
    if (name === 'SyncError') {
      if (is('syncerror-swallowed')) return 202;
    }
    const [type = '', action = ''] = name.split('-');
    const anchored = ANCHORS[type];
    let status = 202;
    if (is('state-case-sensitive') && asked !== name) {
      this.#broadcast(session, out);
      return status;
    }
    if (name === 'Home-open') {
      if (!is('home-keeps-context')) delete session.current;
    } else if (anchored && action === 'open') {
      const written = is('context-type-as-written') ? (asked.split('-')[0] ?? type) : type;
      this.#open(session, type, written, anchored.key, out, context);
    } else if (anchored && action === 'close') this.#close(session, type, anchored.key, context);
    else if (anchored && action === 'update') {
      try {
        await this.#update(session, type, anchored.key, out, context, event);
      } catch (error) {
        if (!this.#otherwise) throw error;
        this.#reject(session, out, 'processing');
        return 202;
      }
    } else if (anchored && action === 'select') {
      status = this.#select(session, type, anchored.key, out, context);
      if (is('select-swallowed')) return status;
    }
    if (action === 'update' && is('update-swallowed')) return 202;
    if (is('id-changed')) out.id = randomUUID();
    if (is('id-as-number')) out.id = 4711;
    if (is('timestamp-rewritten')) out.timestamp = new Date(Date.now() + 60_000).toISOString();
    if (is('context-cut')) {
      const cut = context.map((one) => ({
        key: one.key,
        resource: { resourceType: one.resource?.resourceType, id: one.resource?.id },
      }));
      out.event = { ...out.event, context: cut };
    }
    if (is('not-to-requester') && message['subscriber.name'] !== undefined) {
      for (const sub of session.subs.values()) {
        if (sub.name !== message['subscriber.name'] && this.#wants(sub, out)) this.#deliver(sub, out);
      }
      return status;
    }
    if (is('publisher-speaks-for-hub') || is('publisher-named')) {
      const extra = is('publisher-named') ? { publisher: 'Somebody' } : message;
      for (const [key, value] of Object.entries(extra)) if (!(key in out)) (out as unknown as Json)[key] = value;
    }
    if (is('photos-cut')) {
      for (const { resource } of out.event.context) {
        const [photo] = Array.isArray(resource?.photo) ? (resource.photo as Json[]) : [];
        if (photo) photo.data = String(photo.data).slice(0, 65_000);
      }
    }
    if (is('run-altered-once') && ++this.#count === 7) out.timestamp = new Date(0).toISOString();
    this.#broadcast(session, out);
    return status;
  }

  /** Accepts a body that is too large, and tells later that it was none. */
  #takeTooLarge(topic: string, message: Message): number {
    if (this.#is('too-large-swallowed')) return 202;
    const code = this.#is('too-large-told-as-processing') ? 'processing' : 'too-long';
    this.#reject(this.#session(topic), message, code);
    return 202;
  }

  /** The SyncError of a request that was accepted and is rejected after all. */
  #reject(session: Session, message: Message, code: string): void {
    const coding = [
      { system: 'https://fhircast.hl7.org/events/syncerror/eventid', code: message.id },
      { system: 'https://fhircast.hl7.org/events/syncerror/eventname', code: message.event['hub.event'] },
    ];
    const issue = { severity: 'warning', code, diagnostics: 'rejected by the hub', details: { coding } };
    const error: Message = {
      timestamp: new Date().toISOString(),
      id: randomUUID(),
      event: {
        'hub.topic': session.topic,
        'hub.event': 'SyncError',
        context: [{ key: 'operationoutcome', resource: { resourceType: 'OperationOutcome', issue: [issue] } }],
      },
    };
    for (const sub of session.subs.values()) if (this.#wants(sub, error)) this.#deliver(sub, error);
  }

  #checkContext(name: string, required: Record<string, string>, context: readonly Element[]): void {
    const is = (defect: DefectName) => this.#is(defect);
    const ira = this.#setup === 'ira';
    const keys = { ...required, ...(ira && name === 'DiagnosticReport-open' && { study: 'ImagingStudy' }) };
    for (const [key, type] of Object.entries(keys)) {
      const lax = is('keys-in-any-case');
      const element = context.find((one) => one.key === key || (lax && String(one.key).toLowerCase() === key));
      if (!element) {
        const skipped =
          (is('anchor-not-required') && context.length === 0) ||
          (key === 'study' && is('ira-open-without-study')) ||
          (key === 'report' && name === 'DiagnosticReport-close' && is('ira-close-without-report')) ||
          (name === 'SyncError' && is('ira-any-syncerror'));
        if (skipped) continue;
        throw new Refusal(400, `${name} needs ${key}`);
      }
      if (element.resource?.resourceType !== type && !is('any-resource')) throw new Refusal(400, `${key} is a ${type}`);
      const plain = type === 'Parameters' || type === 'OperationOutcome';
      if (!plain && typeof element.resource?.id !== 'string' && !is('ira-close-without-id')) {
        throw new Refusal(400, `${key} has no id`);
      }
      if (type === 'OperationOutcome' && ira) this.#checkOutcome(element.resource ?? {});
    }
  }

  /** What a subscriber's SyncError has to say (RAD-156). */
  #checkOutcome({ issue }: Json): void {
    const [first] = (Array.isArray(issue) ? issue : []) as Json[];
    const says = first?.code === 'processing' && first.diagnostics !== undefined && first.details !== undefined;
    if (!says) {
      if (this.#is('ira-any-outcome')) return;
      throw new Refusal(400, 'an issue of the code processing, with words and details');
    }
    if (first.severity !== 'warning' && !this.#is('ira-any-severity')) throw new Refusal(400, 'severity is warning');
    const { coding } = first.details as { coding: { system: string }[] };
    for (const name of ['eventid', 'eventname', 'subscribername']) {
      if (coding.some(({ system }) => system.endsWith(`/${name}`)) || this.#is('ira-any-codings')) continue;
      throw new Refusal(400, `no coding for ${name}`);
    }
  }

  #version(session: Session): string {
    if (this.#is('restart-versions-again')) return `v${++session.versions}`;
    return this.#is('versions-counted-per-report') ? `v${++session.versions % 2}` : randomUUID();
  }

  #open(
    session: Session,
    type: string,
    written: string,
    anchorKey: string,
    out: Message,
    context: readonly Element[],
  ): void {
    const is = (defect: DefectName) => this.#is(defect);
    const key = `${type}/${context.find((one) => one.key === anchorKey)?.resource?.id}`;
    const before = session.opens.get(key);
    const version = is('versions-counted-per-report') ? '1' : this.#version(session);
    if (!is('no-versions') && !(type === 'Patient' && is('patients-without-version'))) {
      out.event['context.versionId'] = version;
    }
    if (is('first-context-stays') && before) {
      session.current = key;
      return;
    }
    const known = session.history.some(
      (one) =>
        this.#nameOf(one) === `${type}-close`.toLowerCase() &&
        one.event.context.some(({ resource }) => resource?.id !== undefined && key.endsWith(String(resource.id))),
    );
    if (is('closed-stays-closed') && known) return;
    session.opens.delete(key);
    const elsewhere = is('content-across-sessions')
      ? [...this.#sessions.values()].map(({ opens }) => opens.get(key)).find((one) => one !== undefined)
      : undefined;
    const content =
      elsewhere?.content ?? (before && !is('content-lost-on-reopen') ? before.content : new Map<string, Json>());
    session.opens.set(key, { key, type, written, message: out, version, content });
    if (is('context-first-stays') && session.current !== undefined) return;
    if (is('reopen-ignored') && before) return;
    session.current = key;
  }

  #close(session: Session, type: string, anchorKey: string, context: readonly Element[]): void {
    const is = (defect: DefectName) => this.#is(defect);
    const key = `${type}/${context.find((one) => one.key === anchorKey)?.resource?.id}`;
    const open = session.opens.get(key);
    if (!open && this.#setup === 'ira') {
      if (is('ira-close-without-report') || is('ira-close-without-id')) return;
      throw new Refusal(is('ira-not-open-400') ? 400 : 409, 'not open');
    }
    if (is('close-ignored')) return;
    if (is('close-by-likeness') && open && JSON.stringify(open.message.event.context) !== JSON.stringify(context)) {
      return;
    }
    if (is('close-of-all-of-type')) {
      for (const one of session.opens.values()) if (one.type === type) session.opens.delete(one.key);
    }
    if (is('close-of-type-empties') && session.current?.startsWith(`${type}/`)) delete session.current;
    if (!(is('content-kept-after-close') && open)) session.opens.delete(key);
    if (is('close-disposes-of-all-content')) for (const one of session.opens.values()) one.content.clear();
    if (is('close-across-sessions')) {
      for (const one of this.#sessions.values()) {
        one.opens.delete(key);
        if (one.current === key) delete one.current;
      }
    }
    if (is('update-of-closed') && open) session.opens.set(key, open);
    if (session.current === key || is('close-of-any-empties')) delete session.current;
    if (is('close-brings-previous') && session.current === undefined) {
      const previous = [...session.opens.keys()].at(-1);
      if (previous !== undefined) session.current = previous;
    }
  }

  async #update(
    session: Session,
    type: string,
    anchorKey: string,
    out: Message,
    context: readonly Element[],
    event: Json,
  ): Promise<void> {
    const is = (defect: DefectName) => this.#is(defect);
    const ira = this.#setup === 'ira';
    const anchor = context.find((one) => one.key === anchorKey);
    if (!anchor && !is('report-not-required')) throw new Refusal(400, `${anchorKey} is missing`);
    const key = String(anchor?.reference?.reference ?? session.current);
    const open = session.opens.get(key);
    if (!open || (is('update-of-current-only') && session.current !== key)) {
      throw new Refusal(is('ira-not-open-400') ? 400 : 409, `${type} is not open`);
    }
    const bundle = context.find((one) => one.key === 'updates')?.resource;
    if (!bundle) {
      if (is('bundle-not-required') || is('ira-update-without-bundle')) return;
      throw new Refusal(400, 'updates is missing');
    }
    const entries = (Array.isArray(bundle.entry) ? bundle.entry : []).filter(isObject);
    const given = event['context.versionId'];
    const missing = given === undefined && is('version-not-required');
    const older = is('older-version') && session.history.some((one) => one.event['context.versionId'] === given);
    const elsewhere =
      is('versions-across-sessions') &&
      [...this.#sessions.values()].some(({ opens }) => opens.get(key)?.version === given);
    const taken = this.#restarted && is('restart-takes-earlier-versions');
    if (given !== open.version && !is('any-version') && !missing && !older && !elsewhere && !taken) {
      if (is('applied-before-refused')) this.#apply(open, entries);
      throw new Refusal(ira && !is('ira-version-409') ? 400 : 409, 'another version');
    }
    if (is('late-version-check')) await new Promise((resolve) => setTimeout(resolve, 700));
    const reason = this.#refusalOf(open, entries);
    if (reason !== undefined) {
      if (is('applied-in-part') || is('ira-good-entries-kept')) this.#apply(open, entries.slice(0, 1));
      throw new Refusal(ira ? 400 : 422, reason);
    }
    const target = is('content-of-session') ? ([...session.opens.values()][0] ?? open) : open;
    this.#apply(target, is('first-entry-only') ? entries.slice(0, 1) : entries);
    const prior = open.version;
    const next = is('versions-counted-per-report') ? String(Number(prior) + 1) : this.#version(session);
    open.version = is('version-stays') ? prior : next;
    const spread = {
      ...bundle,
      ...(is('bundle-renamed') && { id: randomUUID() }),
      ...(is('bundle-as-collection') && { type: 'collection' }),
      ...(is('bundle-without-requests') && { entry: entries.map(({ request: _request, ...rest }) => rest) }),
    };
    const told = context.map((one) => (one.key === 'updates' ? { ...one, resource: spread } : one));
    out.event = {
      ...out.event,
      'context.versionId': open.version,
      ...(!is('prior-version-left-out') && { 'context.priorVersionId': prior }),
      context: is('update-context-cut') ? told.filter((one) => one.key === 'updates') : told,
    };
  }

  /** Why a Bundle is refused, whole. */
  #refusalOf(open: Open, entries: readonly Json[]): string | undefined {
    const is = (defect: DefectName) => this.#is(defect);
    const seen = new Set<string>();
    for (const entry of is('ira-first-entry-judged') ? entries.slice(0, 1) : entries) {
      const request = isObject(entry.request) ? entry.request : {};
      const resource = isObject(entry.resource) ? entry.resource : undefined;
      if (request.method !== 'PUT' && request.method !== 'DELETE') return 'PUT or DELETE only';
      if (request.method === 'PUT' && !resource) return 'an entry without resource';
      const key = this.#entryKey(entry);
      if (seen.has(key) && !is('resource-twice')) return 'a resource twice';
      seen.add(key);
      const element = open.message.event.context.find(
        (one) => `${one.resource?.resourceType}/${one.resource?.id}` === key,
      );
      if (!element) continue;
      const what = element.resource?.resourceType;
      if (request.method === 'DELETE') {
        const lax =
          (what === 'Patient' && is('ira-patient-removed')) || (what === 'ImagingStudy' && is('ira-study-removed'));
        if (!lax) return `${key} belongs to the opening context`;
      } else if (this.#setup === 'ira' && resource) {
        const [before, after] = [element.resource?.identifier, resource.identifier] as [Json[], Json[]];
        const changed = before.map((one, index) => one.value !== after[index]?.value);
        if (what === 'Patient' && changed[0] && !is('ira-patient-reidentified'))
          return 'the patient’s identifier changed';
        if (what === 'ImagingStudy' && changed[0] && !is('ira-study-reidentified')) return 'the study’s UID changed';
        if (what === 'ImagingStudy' && changed[1] && !is('ira-accession-changed'))
          return 'the accession number changed';
      }
    }
    return undefined;
  }

  #entryKey(entry: Json): string {
    const resource = isObject(entry.resource) ? entry.resource : undefined;
    if (this.#is('content-by-full-url') && typeof entry.fullUrl === 'string') return entry.fullUrl;
    if (resource) return `${resource.resourceType}/${resource.id}`;
    const request = isObject(entry.request) ? entry.request : {};
    return String(request.url ?? entry.fullUrl)
      .split('/')
      .slice(-2)
      .join('/');
  }

  #apply(open: Open, entries: readonly Json[]): void {
    for (const entry of entries) {
      let key = this.#entryKey(entry);
      if (this.#is('content-by-id')) key = key.split('/')[1] ?? key;
      const request = isObject(entry.request) ? entry.request : {};
      if (request.method === 'DELETE') {
        const beside = entries.length > 1 && this.#is('removals-alone-only');
        if (!this.#is('delete-ignored') && !beside) open.content.delete(key);
        if (this.#is('removed-for-good')) open.removed = [...(open.removed ?? []), key];
      } else if (isObject(entry.resource)) {
        if (this.#is('put-appends') && open.content.has(key)) key = `${key}#${open.content.size}`;
        const full = this.#is('content-of-ten-resources') && open.content.size >= 10;
        if (!full && !open.removed?.includes(key)) open.content.set(key, entry.resource);
        if (this.#is('context-changed-by-update')) {
          for (const one of open.message.event.context) {
            if (one.resource?.resourceType === entry.resource.resourceType) one.resource = entry.resource;
          }
        }
      }
    }
  }

  #select(session: Session, type: string, anchorKey: string, out: Message, context: readonly Element[]): number {
    const is = (defect: DefectName) => this.#is(defect);
    const anchor = context.find((one) => one.key === anchorKey);
    const selected = context.filter((one) => one.key === 'select');
    if (!anchor) throw new Refusal(400, `${anchorKey} is missing`);
    const open = session.opens.get(String(anchor.reference?.reference));
    if (!open) throw new Refusal(is('ira-not-open-400') ? 400 : 409, `${type} is not open`);
    if (is('select-makes-version')) open.version = this.#version(session);
    if (this.#setup !== 'ira') return 202;
    if (selected.length === 0 && !is('ira-select-nothing')) throw new Refusal(400, 'select is missing');
    const known = (one: Element) => open.content.has(String(one.reference?.reference));
    if (selected.every(known)) return 202;
    if (!is('ira-select-unknown-passed')) {
      out.event = { ...out.event, context: context.filter((one) => one.key !== 'select' || known(one)) };
    }
    return is('ira-select-202') ? 202 : 206;
  }

  // Current context

  #context(topic: string, request: IncomingMessage): Json | undefined {
    const is = (defect: DefectName) => this.#is(defect);
    const allowed = this.#access(request, 'context-without-token');
    const own = this.#sessions.get(topic);
    const session = is('context-of-any-session') ? [...this.#sessions.values()].find(({ current }) => current) : own;
    const open = session?.current === undefined ? undefined : session.opens.get(session.current);
    if (!open || (!allowed(`${open.type}-open`, 'read') && !is('context-for-anybody'))) {
      return is('empty-context-404') ? undefined : { 'context.type': '', context: [] };
    }
    const version = is('context-version-constant') ? 'constant' : is('context-version-as-number') ? 7 : open.version;
    const original = open.message.event;
    const context: Element[] = is('context-as-reference')
      ? original.context.map((one) => ({
          key: one.key,
          reference: { reference: `${one.resource?.resourceType}/${one.resource?.id}` },
        }))
      : is('context-simplified')
        ? simplified(original.context)
        : [...original.context];
    const type = is('context-type-of-event')
      ? `${open.type}-open`
      : is('context-type-always-patient')
        ? 'Patient'
        : open.type;
    const resources = is('content-of-session')
      ? [...session!.opens.values()].flatMap(({ content }) => [...content.values()])
      : [...open.content.values()];
    const bare = resources.length === 0 && (is('no-empty-bundle') || is('ira-no-content-key'));
    if (!bare) {
      context.push({
        key: 'content',
        resource: {
          resourceType: 'Bundle',
          id: randomUUID(),
          type: is('content-as-transaction') ? 'transaction' : 'collection',
          entry: resources.map((resource) => ({
            fullUrl: `urn:uuid:${resource.id}`,
            resource: is('content-simplified') ? { ...resource, meta: undefined } : resource,
            ...(is('content-with-request') && { request: { method: 'PUT', url: String(resource.id) } }),
          })),
        },
      });
    }
    const versionId = is('content-version-of-open')
      ? original['context.versionId']
      : is('context-version-of-its-own')
        ? `${version}-current`
        : version;
    return {
      'context.type': is('context-type-as-written') ? open.written : type,
      'context.versionId': versionId,
      context,
    };
  }

  // Webhooks

  #subscribeWebhook(
    session: Session,
    form: URLSearchParams,
    events: string[],
    lease: number,
    granted: Sub['granted'],
    response: ServerResponse,
  ): void {
    const is = (defect: DefectName) => this.#is(defect);
    const callback = form.get('hub.callback') ?? '';
    if (callback === '' && !is('webhook-without-callback')) throw new Refusal(400, 'hub.callback is missing');
    const secret = form.get('hub.secret') ?? undefined;
    if (secret !== undefined && Buffer.byteLength(secret) >= 200 && !is('webhook-any-secret')) {
      throw new Refusal(400, 'hub.secret is too long');
    }
    response.writeHead(is('webhook-200') ? 200 : 202).end();
    if (callback === '') return;
    const existing = [...session.subs.values()].find((one) => one.callback === callback);
    const sub = existing ?? this.#newSub(session, form.get('subscriber.name') ?? 'webhook', granted);
    sub.callback = callback;
    sub.verified = existing?.verified ?? false;
    if (secret !== undefined && !(existing && is('webhook-old-secret'))) sub.secret = secret;
    const one = [...session.subs.values()].find((other) => other.secret !== undefined);
    if (one?.secret !== undefined && is('webhook-first-secret')) sub.secret = one.secret;
    const wanted = existing && is('webhook-resubscribing-adds') ? [...existing.events, ...events] : events;
    if (is('webhook-not-verified')) sub.events = wanted;
    else void this.#verify(sub, wanted, lease);
  }

  async #verify(sub: Sub, events: string[], lease: number): Promise<void> {
    const is = (defect: DefectName) => this.#is(defect);
    const challenge = is('webhook-same-challenge') ? 'open-sesame' : randomUUID();
    const query = new URLSearchParams({
      'hub.mode': 'subscribe',
      ...(!is('webhook-verification-without-topic') && { 'hub.topic': sub.topic }),
      'hub.events': events.join(','),
      'hub.challenge': challenge,
      'hub.lease_seconds': String(lease),
    });
    const callback = sub.callback ?? '';
    const base = is('webhook-query-lost') ? callback.split('?')[0]! : callback;
    const redirect = is('webhook-redirect-followed') ? 'follow' : 'manual';
    const url = `${base}${base.includes('?') ? '&' : '?'}${query}`;
    const response = await fetch(url, { redirect }).catch(() => undefined);
    if (!response) {
      this.#forget(sub);
      return;
    }
    const answer = await response.text();
    const echoed =
      answer === challenge ||
      (is('webhook-challenge-anywhere') && answer.includes(challenge)) ||
      (is('webhook-challenge-begins') && answer !== '' && challenge.startsWith(answer)) ||
      (is('webhook-empty-verifies') && answer === '');
    const lax =
      is('webhook-status-unread') ||
      (is('webhook-500-verifies') && response.status === 500) ||
      (is('webhook-410-verifies') && response.status === 410);
    const good = (response.ok || lax) && (echoed || is('webhook-challenge-unread'));
    if (!good) {
      this.#forget(sub);
      return;
    }
    sub.verified = true;
    sub.events = events;
    this.#startLease(sub, lease);
  }

  async #post(sub: Sub, message: Message, id: string, name: string): Promise<void> {
    const is = (defect: DefectName) => this.#is(defect);
    if (is('webhook-never-delivered')) return;
    const callback = sub.callback ?? '';
    const url = is('webhook-delivered-without-query') ? callback.split('?')[0]! : callback;
    sub.count = (sub.count ?? 0) + 1;
    if (is('webhook-third-lost') && sub.count === 3) return;
    const event =
      is('webhook-simplified') || (is('webhook-patients-only-whole') && !/^patient/i.test(name))
        ? { ...message.event, context: simplified(message.event.context) }
        : message.event;
    if (is('webhook-cut-at-64k')) {
      for (const { resource } of message.event.context) {
        const [photo] = Array.isArray(resource?.photo) ? (resource.photo as Json[]) : [];
        if (photo) photo.data = String(photo.data).slice(0, 65_536);
      }
    }
    const body = JSON.stringify({
      ...message,
      event,
      ...(is('webhook-without-timestamp') && { timestamp: undefined }),
    });
    const bytes = is('webhook-signature-of-characters') ? Buffer.from(body, 'latin1') : Buffer.from(body);
    const signed = is('webhook-signature-of-text') ? `${body}\n` : bytes;
    const encoding = is('webhook-signature-base64') ? 'base64' : 'hex';
    const headers: Record<string, string> = { 'content-type': 'application/json' };
    if (sub.secret !== undefined && !(is('webhook-closes-unsigned') && /-close$/i.test(name))) {
      const method = is('webhook-sha1') ? 'sha1' : 'sha256';
      headers['x-hub-signature'] = `${method}=${createHmac(method, sub.secret).update(signed).digest(encoding)}`;
    }
    try {
      const response = await fetch(url, { method: 'POST', headers, body });
      this.#answered(sub, id, name, response.status);
    } catch {
      this.#report(sub, id, name, 'not reached');
    }
  }
}
