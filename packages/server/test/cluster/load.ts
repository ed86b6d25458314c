/** Applications that use a cluster while things break, and remember everything that they were told. */
import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { Backend, EVERYTHING, type Json, json, observation, patient, put, report, updates } from '../harness.ts';

/** s after which tokens and leases are renewed; they last for 300. */
const RENEW = 120;

/** A client whose token is always good, and who comes back when the Hub says "not now". */
export class Client {
  readonly origin: string;
  readonly #backend: Backend;
  #token: Promise<string>;
  #issued = performance.now();
  /** Answers that asked to come back later, and connections that failed. */
  refused = 0;
  /** Told of each answer: when its request was sent, ms of `performance.now()`, and its status, 0 for none. */
  readonly answers = new Set<(sentAt: number, status: number) => void>();

  private constructor(origin: string, backend: Backend) {
    this.origin = origin;
    this.#backend = backend;
    this.#token = backend.token(EVERYTHING);
  }

  static async register(origin: string): Promise<Client> {
    return new Client(origin, await Backend.register(origin));
  }

  async #bearer(): Promise<string> {
    if (performance.now() - this.#issued > RENEW * 1000) {
      this.#issued = performance.now();
      this.#token = this.again(() => this.#backend.token(EVERYTHING));
    }
    return this.#token;
  }

  /** Ends what is tried again and again. */
  stopped = false;

  /** Tries until it is not the store's or the network's absence that fails. */
  async again<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (this.stopped) throw error;
        this.refused += 1;
        await pause(100);
      }
    }
  }

  /** Asks until somebody answers other than "not now". */
  post(path: string, body: Json | URLSearchParams): Promise<{ status: number; answer: Json }> {
    return this.again(async () => {
      const form = body instanceof URLSearchParams;
      const bearer = await this.#bearer();
      const sentAt = performance.now();
      let status = 0;
      try {
        const response = await fetch(`${this.origin}${path}`, {
          method: 'POST',
          headers: { authorization: `Bearer ${bearer}`, ...(!form && { 'content-type': 'application/json' }) },
          body: form ? body : JSON.stringify(body),
          signal: AbortSignal.timeout(15_000),
        });
        const text = await response.text();
        status = response.status;
        if (status >= 500) throw new Error(`${status}`);
        return { status, answer: text.startsWith('{') ? JSON.parse(text) : { text } };
      } finally {
        for (const told of this.answers) told(sentAt, status);
      }
    });
  }

  async get(path: string): Promise<Json> {
    return this.again(async () => {
      const headers = { authorization: `Bearer ${await this.#bearer()}` };
      const response = await fetch(`${this.origin}${path}`, { headers, signal: AbortSignal.timeout(15_000) });
      if (!response.ok) throw new Error(`${response.status}`);
      return json(response);
    });
  }
}

/** A subscriber that returns to its endpoint whenever its connection ends, and says what it has seen last. */
export class Follower {
  readonly name: string;
  /** Events in the order of their first arrival. */
  readonly events: Json[] = [];
  readonly #seen = new Set<string>();
  readonly #client: Client;
  readonly #topic: string;
  #endpoint = '';
  #socket: WebSocket | undefined;
  #stopped = false;
  #lastId: string | undefined;
  connections = 0;
  duplicates = 0;
  replayed = 0;
  /** Why the Hub ended the subscription, if it did. */
  denied: string | undefined;
  #wake: (() => void) | undefined;

  constructor(client: Client, topic: string, name: string) {
    this.#client = client;
    this.#topic = topic;
    this.name = name;
  }

  async start(): Promise<void> {
    this.#endpoint = await this.#subscribe();
    await new Promise<void>((resolve) => this.#connect(resolve));
    void this.#renew();
  }

  async #subscribe(endpoint?: string): Promise<string> {
    const form = new URLSearchParams({
      'hub.channel.type': 'websocket',
      'hub.mode': 'subscribe',
      'hub.topic': this.#topic,
      'hub.events': '*',
      'subscriber.name': this.name,
      ...(endpoint && { 'hub.channel.endpoint': endpoint }),
    });
    const { status, answer } = await this.#client.post('/hub', form);
    if (status !== 202) throw new Error(`subscribing: ${status} ${answer.text}`);
    return answer['hub.channel.endpoint'];
  }

  async #renew(): Promise<void> {
    for (;;) {
      await pause(RENEW * 1000, undefined, { ref: false });
      if (this.#stopped || this.denied) return;
      try {
        await this.#subscribe(this.#endpoint);
      } catch (error) {
        if (!this.#stopped) throw error;
      }
    }
  }

  #connect(ready?: () => void): void {
    const since = this.#lastId === undefined ? '' : `?since=${encodeURIComponent(this.#lastId)}`;
    const socket = new WebSocket(`${this.#endpoint}${since}`, { handshakeTimeout: 10_000 });
    this.#socket = socket;
    let returning = this.#lastId !== undefined;
    socket.on('message', (data) => {
      const message = JSON.parse(data.toString()) as Json;
      if (message['hub.mode'] === 'subscribe') {
        this.connections += 1;
        ready?.();
        setImmediate(() => {
          returning = false;
        });
      } else if (message['hub.mode'] === 'denied') this.denied = message['hub.reason'];
      else if (message.event) {
        socket.send(JSON.stringify({ id: message.id, status: 200 }));
        this.#take(message, returning);
      }
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      if (!this.#stopped && !this.denied) setTimeout(() => this.#connect(ready), 50);
    });
  }

  #take(message: Json, returning: boolean): void {
    if (this.#seen.has(message.id)) {
      this.duplicates += 1;
      return;
    }
    this.#seen.add(message.id);
    this.#lastId = message.id;
    this.events.push(message);
    if (returning) this.replayed += 1;
    this.#wake?.();
  }

  /** Waits until it has seen all of these. */
  async until(ids: ReadonlySet<string>, ms: number): Promise<void> {
    const deadline = performance.now() + ms;
    while (!ids.isSubsetOf(this.#seen)) {
      if (performance.now() > deadline) return;
      await Promise.race([
        new Promise<void>((resolve) => {
          this.#wake = resolve;
        }),
        pause(100),
      ]);
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#socket?.terminate();
  }
}

/** What a run has shown. */
export interface Findings {
  readonly accepted: number;
  readonly delivered: number;
  readonly replayed: number;
  readonly duplicates: number;
  readonly reconnects: number;
  readonly refused: number;
  readonly conflicts: number;
  readonly lost: number;
  readonly reordered: number;
  readonly forked: number;
  /** Events that nobody published: the Hub's own SyncErrors. */
  readonly unexplained: number;
  readonly denied: readonly string[];
}

interface Session {
  readonly topic: string;
  readonly followers: readonly Follower[];
  /** Ids of events that were answered with 202. */
  readonly accepted: Set<string>;
}

/** Some time in a run, as its requests tell it. */
export interface Span {
  /** Requests that were both sent and answered with 202 since. */
  accepted(): number;
  /** Waits until so many requests were both sent and refused since, or failed. */
  refusals(count: number): Promise<void>;
}

/** Sessions in which several applications publish and follow. */
export class Load {
  readonly #client: Client;
  readonly #sessions: readonly Session[];
  readonly #publishers: Promise<void>[] = [];
  readonly #tried = new Set<string>();
  #stopped = false;
  #conflicts = 0;

  private constructor(client: Client, sessions: readonly Session[]) {
    this.#client = client;
    this.#sessions = sessions;
  }

  static async start(
    origin: string,
    { sessions: count, followers: each, pauseMs }: { sessions: number; followers: number; pauseMs: number },
  ): Promise<Load> {
    const client = await Client.register(origin);
    const sessions: Session[] = [];
    for (let s = 0; s < count; s++) {
      const { answer } = await client.post('/hub/session', { user: `Practitioner/${s}` });
      const topic: string = answer['hub.topic'];
      const followers = Array.from({ length: each }, (_, f) => new Follower(client, topic, `Follower ${s}.${f}`));
      await Promise.all(followers.map((follower) => follower.start()));
      sessions.push({ topic, followers, accepted: new Set() });
    }
    const load = new Load(client, sessions);
    for (const session of sessions) {
      load.#publishers.push(
        load.#open(session, pauseMs),
        load.#update(session, pauseMs),
        load.#update(session, pauseMs),
      );
    }
    return load;
  }

  get accepted(): number {
    return this.#sessions.reduce((sum, { accepted }) => sum + accepted.size, 0);
  }

  /** Gives up: nothing goes on after a test that failed. */
  stop(): void {
    this.#stopped = true;
    this.#client.stopped = true;
    for (const { followers } of this.#sessions) for (const follower of followers) follower.stop();
    for (const publisher of this.#publishers) publisher.catch(() => undefined);
  }

  /** Waits until so many more events were accepted. */
  async more(count: number): Promise<void> {
    const before = this.accepted;
    while (this.accepted < before + count && !this.#stopped) await pause(20);
  }

  /** How often each status was answered from now on; 0 is no answer. */
  statuses(): ReadonlyMap<number, number> {
    const counts = new Map<number, number>();
    this.#client.answers.add((_, status) => counts.set(status, (counts.get(status) ?? 0) + 1));
    return counts;
  }

  /** The time from now on. */
  span(): Span {
    const since = performance.now();
    let [accepted, refused] = [0, 0];
    this.#client.answers.add((sentAt, status) => {
      if (sentAt < since) return;
      if (status === 202) accepted += 1;
      else if (status === 0 || status >= 500) refused += 1;
    });
    return {
      accepted: () => accepted,
      refusals: async (count) => {
        while (refused < count && !this.#stopped) await pause(20);
      },
    };
  }

  /** Publishes until it is accepted: a retry has the same id. */
  async #publish(session: Session, event: string, context: Json[], more: Json = {}): Promise<number> {
    const id = crypto.randomUUID();
    this.#tried.add(id);
    const message = { 'hub.topic': session.topic, 'hub.event': event, context, ...more };
    const body = { timestamp: new Date().toISOString(), id, event: message };
    const { status, answer } = await this.#client.post('/hub', body);
    if (status === 202) session.accepted.add(id);
    else if (status !== 409) throw new Error(`publishing: ${status} ${answer.text}`);
    return status;
  }

  async #open(session: Session, pauseMs: number): Promise<void> {
    await this.#publish(session, 'DiagnosticReport-open', [report('r'), patient('p')]);
    for (let n = 0; !this.#stopped; n++) {
      await this.#publish(session, 'Patient-open', [patient(`p${n}`)]);
      await pause(pauseMs);
    }
  }

  /** One of two rivals that update the same content: each bases itself on what it was told. */
  async #update(session: Session, pauseMs: number): Promise<void> {
    const follower = session.followers[0];
    for (let n = 0; !this.#stopped; n++) {
      const latest = follower?.events.findLast(({ event }) =>
        /^DiagnosticReport-(open|update)$/.test(event['hub.event']),
      );
      await pause(pauseMs * 2);
      if (!latest) continue;
      const status = await this.#publish(
        session,
        'DiagnosticReport-update',
        [{ key: 'report', reference: { reference: 'DiagnosticReport/r' } }, updates(put(observation('o', n)))],
        { 'context.versionId': latest.event['context.versionId'] },
      );
      if (status === 409) this.#conflicts += 1;
    }
  }

  /** Lets the publishers finish, waits for what was accepted to arrive, and compares everybody's history. */
  async finish(waitMs = 20_000): Promise<Findings> {
    this.#stopped = true;
    await Promise.all(this.#publishers);
    let [lost, reordered, forked, unexplained] = [0, 0, 0, 0];
    const all: Follower[] = [];
    await Promise.all(
      this.#sessions.flatMap(({ followers, accepted }) => followers.map((one) => one.until(accepted, waitMs))),
    );
    for (const { followers, accepted } of this.#sessions) {
      all.push(...followers);
      const histories = followers.map(({ events }) => events.map(({ id }) => id as string));
      const longest = histories.reduce((a, b) => (b.length > a.length ? b : a), []);
      const inLongest = new Set(longest);
      for (const history of histories) {
        const seen = new Set(history);
        lost += accepted.difference(seen).size;
        // An event without its 202 may have been accepted all the same, and then everybody got it.
        lost += longest.filter((id) => !seen.has(id) && !accepted.has(id) && this.#tried.has(id)).length;
        // Who caused a SyncError is not sent it: only what both were sent has an order.
        const both = history.filter((id) => inLongest.has(id));
        const shared = longest.filter((id) => seen.has(id));
        reordered += both.filter((id, i) => shared[i] !== id).length;
      }
      unexplained += longest.filter((id) => !this.#tried.has(id)).length;
      forked += forks(followers.find(({ events }) => events.length === longest.length)?.events ?? []);
    }
    this.stop();
    return {
      accepted: this.accepted,
      delivered: all.reduce((sum, { events }) => sum + events.length, 0),
      replayed: all.reduce((sum, { replayed }) => sum + replayed, 0),
      duplicates: all.reduce((sum, { duplicates }) => sum + duplicates, 0),
      reconnects: all.reduce((sum, { connections }) => sum + connections - 1, 0),
      refused: this.#client.refused,
      conflicts: this.#conflicts,
      lost,
      reordered,
      forked,
      unexplained,
      denied: all.flatMap(({ denied }) => denied ?? []),
    };
  }
}

/** Updates that do not follow the version before them. */
function forks(events: readonly Json[]): number {
  let version: string | undefined;
  let forked = 0;
  for (const { event } of events) {
    if (!/^DiagnosticReport-(open|update)$/.test(event['hub.event'])) continue;
    const prior = event['context.priorVersionId'];
    if (event['hub.event'] === 'DiagnosticReport-update' && prior !== version) forked += 1;
    version = event['context.versionId'];
  }
  return forked;
}
