/** Applications that use a cluster while things break, and remember everything that they were told. */
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { WebSocket } from 'ws';
import { Backend, EVERYTHING, type Json, json, observation, patient, put, report, updates } from '../harness.ts';
import { compared } from './compare.ts';
import { current, Screen } from './screen.ts';

/** s after which tokens and leases are renewed; they last for 300. */
const RENEW = 120;

/** s since the run began. */
function now(): string {
  return (performance.now() / 1000).toFixed(1);
}

/** An answer that says that the client itself is at fault, which it never is. */
class TurnedAway extends Error {}

/** A client whose token is always good, and who comes back when the Hub says "not now". */
export class Client {
  readonly origin: string;
  readonly #backend: Backend;
  #token: Promise<string>;
  #issued = performance.now();
  /** Answers that asked to come back later, and connections that failed. */
  refused = 0;
  /** Answers that say that the server is broken: 500. */
  defects = 0;
  /** Told of each answer: when its request was sent, ms of `performance.now()`, and its status, 0 for none. */
  readonly answers = new Set<(sentAt: number, status: number) => void>();
  /** Requests without an answer yet. */
  readonly #underWay = new Set<Promise<void>>();

  private constructor(origin: string, backend: Backend) {
    this.origin = origin;
    this.#backend = backend;
    this.#token = backend.token(EVERYTHING);
  }

  /** A busy machine may keep the store waiting too long at the start: then the Hub says when to come back. */
  static async register(origin: string): Promise<Client> {
    for (;;) {
      try {
        return new Client(origin, await Backend.register(origin));
      } catch (error) {
        if (!(error instanceof Error && error.message.startsWith('registration: 503'))) throw error;
        await pause(100);
      }
    }
  }

  async #bearer(): Promise<string> {
    if (performance.now() - this.#issued > RENEW * 1000) this.renew();
    return this.#token;
  }

  /** Takes another token: the Hub may have lost the one that there is. */
  renew(): void {
    this.#issued = performance.now();
    this.#token = this.again(() => this.#backend.token(EVERYTHING));
  }

  /** Ends what is tried again and again. */
  stopped = false;

  /** Tries until it is not the store's or the network's absence that fails. */
  async again<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (this.stopped || error instanceof TurnedAway) throw error;
        this.refused += 1;
        await pause(100);
      }
    }
  }

  /** Waits until all requests that are under way now have been answered, or have failed. */
  async answered(): Promise<void> {
    await Promise.all(this.#underWay);
    // Whoever has asked takes the answer first.
    await turn();
  }

  /** Asks until somebody answers other than "not now". */
  post(path: string, body: string | URLSearchParams): Promise<{ status: number; answer: Json }> {
    return this.again(async () => {
      const form = body instanceof URLSearchParams;
      const bearer = await this.#bearer();
      const { promise, resolve: ended } = Promise.withResolvers<void>();
      this.#underWay.add(promise);
      const sentAt = performance.now();
      let status = 0;
      try {
        const response = await fetch(`${this.origin}${path}`, {
          method: 'POST',
          headers: { authorization: `Bearer ${bearer}`, ...(!form && { 'content-type': 'application/json' }) },
          body,
          signal: AbortSignal.timeout(15_000),
        });
        const text = await response.text();
        status = response.status;
        if (status === 500) this.defects += 1;
        const isForgotten = status === 401 && bearer !== (await this.#bearer());
        if (status >= 500 || isForgotten) throw new Error(`${status}`);
        return { status, answer: text.startsWith('{') ? JSON.parse(text) : { text } };
      } finally {
        this.#underWay.delete(promise);
        ended();
        for (const told of this.answers) told(sentAt, status);
      }
    });
  }

  async get(path: string): Promise<Json> {
    return this.again(async () => {
      const bearer = await this.#bearer();
      const headers = { authorization: `Bearer ${bearer}` };
      const response = await fetch(`${this.origin}${path}`, { headers, signal: AbortSignal.timeout(15_000) });
      const { status } = response;
      if (status === 500) this.defects += 1;
      if (response.ok) return json(response);
      const isForgotten = status === 401 && bearer !== (await this.#bearer());
      if (status >= 500 || isForgotten) throw new Error(`${status}`);
      throw new TurnedAway(`reading: ${status} ${await response.text()}`);
    });
  }
}

/** A subscriber that returns to its endpoint whenever its connection ends, and says what it has seen last. */
export class Follower {
  readonly name: string;
  /** Events in the order of their first arrival, since `forget`. */
  readonly events: Json[] = [];
  /** What it would show. */
  readonly screen = new Screen();
  /** Events whose context is not, to the letter, the one that was published. */
  altered = 0;
  /** Text of the latest frame of each event. */
  readonly #seen = new Map<string, string>();
  /** Ids of `events`. */
  readonly #told = new Set<string>();
  readonly #published: ReadonlyMap<string, Published>;
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
  /** When it connected, after what, and what it was sent first: for whoever reads what a run has found wrong. */
  readonly journal: string[] = [];
  #wake: (() => void) | undefined;
  /** Called once what was sent before a ping has arrived, or the connection has ended. */
  #hasReceived: (() => void) | undefined;

  /** @param published each event that was published, by its id */
  constructor(client: Client, topic: string, name: string, published: ReadonlyMap<string, Published>) {
    this.#client = client;
    this.#published = published;
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
    const connection = { at: now(), since: this.#lastId, first: [] as string[] };
    socket.on('message', (data) => {
      const text = data.toString();
      const message = JSON.parse(text) as Json;
      if (message['hub.mode'] === 'subscribe') {
        this.connections += 1;
        ready?.();
        setImmediate(() => {
          returning = false;
        });
      } else if (message['hub.mode'] === 'denied') this.denied = message['hub.reason'];
      else if (message.event) {
        if (connection.first.length < 8) connection.first.push(`${message.event['hub.event']} ${message.id}`);
        socket.send(JSON.stringify({ id: message.id, status: 200 }));
        this.#take(message, text, returning);
      } else if (message.type === 'pong') this.#hasReceived?.();
    });
    socket.on('error', () => undefined);
    socket.on('close', (code) => {
      this.#hasReceived?.();
      const { at, since, first } = connection;
      this.journal.push(`${at} s after ${since} until ${now()} s (${code}): ${first.join(', ')}`);
      if (!this.#stopped && !this.denied) setTimeout(() => this.#connect(ready), 50);
    });
  }

  #take(message: Json, text: string, returning: boolean): void {
    const before = this.#seen.get(message.id);
    this.#seen.set(message.id, text);
    if (before !== undefined) this.duplicates += 1;
    // The same event with another version was accepted once more, after the store had lost it.
    if (before === text) return;
    this.screen.apply(message.event);
    if (!text.includes(this.#published.get(message.id)?.context ?? '')) this.altered += 1;
    if (this.#told.has(message.id)) return;
    this.#told.add(message.id);
    this.#lastId = message.id;
    this.events.push(message);
    if (returning) this.replayed += 1;
    this.#wake?.();
  }

  /** Whether it was ever told of an event. */
  saw(id: string): boolean {
    return this.#seen.has(id);
  }

  /** Waits until everything has arrived that it was sent before, over a connection that may end meanwhile. */
  async received(): Promise<void> {
    const socket = this.#socket;
    if (!socket || socket.readyState === WebSocket.CLOSED) return;
    await new Promise<void>((resolve) => {
      this.#hasReceived = resolve;
      const ping = (): void => socket.send('{"type":"ping"}');
      if (socket.readyState === WebSocket.OPEN) ping();
      else if (socket.readyState === WebSocket.CONNECTING) socket.once('open', ping);
    });
  }

  /** Begins a new history: what comes from now on. */
  forget(): void {
    this.events.length = 0;
    this.#told.clear();
  }

  /** Waits until it has seen all of these. */
  async until(ids: ReadonlySet<string>, ms: number): Promise<void> {
    const deadline = performance.now() + ms;
    while ([...ids].some((id) => !this.#seen.has(id))) {
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

const REPORT: readonly Json[] = [report('r'), patient('p')];

/** What is shown at the end of a run, one after the other. */
const RESTS: readonly (readonly [event: string, context: readonly Json[]])[] = [
  ['Home-open', []],
  ['DiagnosticReport-open', REPORT],
  ['Patient-open', [patient('p0')]],
];

/** What a run has shown. */
export interface Findings {
  /** Events that were accepted since a copy was last put back, or a log was cut. */
  readonly accepted: number;
  /** Events that were accepted before: they may be gone. */
  readonly forgiven: number;
  readonly delivered: number;
  readonly replayed: number;
  readonly duplicates: number;
  readonly reconnects: number;
  readonly refused: number;
  readonly conflicts: number;
  readonly lost: number;
  readonly reordered: number;
  readonly forked: number;
  /** Events that reached somebody with another context than they were published with. */
  readonly altered: number;
  /** Events that reached two subscribers with different versions. */
  readonly differing: number;
  /** Subscribers that would show something else at rest than the Hub says. */
  readonly wrongScreens: number;
  /** Answers 500. */
  readonly defects: number;
  /** Events that nobody published: the Hub's own SyncErrors. */
  readonly unexplained: number;
  readonly denied: readonly string[];
  /** What exactly is wrong, for a reader. */
  readonly details: readonly string[];
}

/** An event that was published, whatever came of it. */
interface Published {
  /** Text of its context. */
  readonly context: string;
  /** When it was published first, and accepted, s since the run began. */
  readonly at: string;
  acceptedAt?: string;
  /** Whether a copy was put back after it was published first: it may have been accepted, and sent, in what the store has lost. */
  isBeforeCopy?: boolean;
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
  /** Each event that was tried, by its id. */
  readonly #tried: Map<string, Published>;
  /** When copies were put back, s since the run began. */
  readonly #copies: string[] = [];
  #stopped = false;
  #conflicts = 0;
  #forgiven = 0;

  private constructor(client: Client, sessions: readonly Session[], tried: Map<string, Published>) {
    this.#client = client;
    this.#tried = tried;
    this.#sessions = sessions;
  }

  static async start(
    origin: string,
    { sessions: count, followers: each, pauseMs }: { sessions: number; followers: number; pauseMs: number },
  ): Promise<Load> {
    const client = await Client.register(origin);
    const sessions: Session[] = [];
    const tried = new Map<string, Published>();
    for (let s = 0; s < count; s++) {
      const { answer } = await client.post('/hub/session', JSON.stringify({ user: `Practitioner/${s}` }));
      const topic: string = answer['hub.topic'];
      const followers = Array.from(
        { length: each },
        (_, f) => new Follower(client, topic, `Follower ${s}.${f}`, tried),
      );
      await Promise.all(followers.map((follower) => follower.start()));
      sessions.push({ topic, followers, accepted: new Set() });
    }
    const load = new Load(client, sessions, tried);
    await load.#begin();
    for (const session of sessions) {
      load.#publishers.push(
        load.#open(session, pauseMs),
        load.#update(session, pauseMs),
        load.#update(session, pauseMs),
        load.#read(session),
      );
    }
    return load;
  }

  /** Every follower is told of something: who has seen nothing yet cannot say what it has seen when it returns (SUB-11). */
  async #begin(): Promise<void> {
    await Promise.all(
      this.#sessions.map(async (session) => {
        const { id } = await this.#publish(session, 'Home-open', []);
        await Promise.all(session.followers.map((follower) => follower.until(new Set([id]), 60_000)));
      }),
    );
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

  /** Publishes until it is accepted, or refused as in conflict: a retry has the same id. */
  async #publish(
    session: Session,
    event: string,
    context: readonly Json[],
    more: Json = {},
  ): Promise<{ id: string; status: number }> {
    const id = crypto.randomUUID();
    // Numbers that JSON.stringify would write in another form.
    const text = JSON.stringify(context).replaceAll(/"@([0-9.]+)@"/g, '$1');
    const published: Published = { context: text, at: now() };
    this.#tried.set(id, published);
    const message = JSON.stringify({ 'hub.topic': session.topic, 'hub.event': event, ...more });
    const head = JSON.stringify({ timestamp: new Date().toISOString(), id });
    const body = `${head.slice(0, -1)},"event":${message.slice(0, -1)},"context":${text}}}`;
    const { status, answer } = await this.#client.post('/hub', body);
    if (status === 202) {
      session.accepted.add(id);
      published.acceptedAt = now();
    } else if (status !== 409) throw new Error(`publishing: ${status} ${answer.text}`);
    return { id, status };
  }

  async #open(session: Session, pauseMs: number): Promise<void> {
    await this.#publish(session, 'DiagnosticReport-open', REPORT);
    for (let n = 0; !this.#stopped; n++) {
      await this.#publish(session, 'Patient-open', [patient(`p${n}`)]);
      if (n % 3 === 2) await this.#publish(session, 'Patient-close', [patient(`p${n - 1}`)]);
      if (n % 11 === 10) await this.#publish(session, 'Home-open', []);
      if (n % 7 === 6) await this.#publish(session, 'DiagnosticReport-open', REPORT);
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
      const { status } = await this.#publish(
        session,
        'DiagnosticReport-update',
        [
          { key: 'report', reference: { reference: 'DiagnosticReport/r' } },
          updates(put(measured(n)), put(observation(`o${n % 5}`, n))),
        ],
        { 'context.versionId': latest.event['context.versionId'] },
      );
      if (status === 409) this.#conflicts += 1;
    }
  }

  /**
   * What was accepted until now may be gone: a copy is being put back, or a log was cut. Call while nothing can be accepted. What
   * subscribers show is not forgiven: that must be right in the end.
   */
  async forgive(): Promise<void> {
    // What was answered and sent before belongs to what is gone, however long it is under way.
    await this.#client.answered();
    await Promise.all(this.#followers.map((follower) => follower.received()));
    this.#copies.push(now());
    this.#forgiven += this.accepted;
    for (const { accepted } of this.#sessions) accepted.clear();
    for (const follower of this.#followers) follower.forget();
    for (const published of this.#tried.values()) published.isBeforeCopy = true;
    this.#client.renew();
  }

  get #followers(): readonly Follower[] {
    return this.#sessions.flatMap(({ followers }) => followers);
  }

  /**
   * Shows one thing after the other, and compares each time: an empty context, one with shared content, one without.
   * @returns how many subscribers do not show what the Hub says, of the first one where some do not
   */
  async #rest(waitMs: number): Promise<number> {
    for (const [event, context] of RESTS) {
      await Promise.all(
        this.#sessions.map(async (session) => {
          const { id } = await this.#publish(session, event, context);
          await Promise.all(session.followers.map((one) => one.until(new Set([id]), waitMs)));
        }),
      );
      const wrong = await this.#wrongScreens(Math.min(waitMs, 10_000));
      if (wrong > 0) return wrong;
    }
    return 0;
  }

  /** How many subscribers do not show what the Hub says, once they have had the time to. */
  async #wrongScreens(waitMs: number): Promise<number> {
    const deadline = performance.now() + waitMs;
    for (;;) {
      let wrong = 0;
      for (const { topic, followers } of this.#sessions) {
        const said = current(await this.#client.get(`/hub/${topic}`));
        wrong += followers.filter(({ screen }) => !isDeepStrictEqual(screen.current, said)).length;
      }
      if (wrong === 0 || performance.now() > deadline) return wrong;
      await pause(200);
    }
  }

  /** Somebody who asks for the current context now and then. */
  async #read(session: Session): Promise<void> {
    while (!this.#stopped) {
      await this.#client.get(`/hub/${session.topic}`);
      await pause(500);
    }
  }

  /** Lets the publishers finish, waits for what was accepted to arrive, and compares everybody's history. */
  async finish(waitMs = 20_000): Promise<Findings> {
    this.#stopped = true;
    await Promise.all(this.#publishers);
    const wrongScreens = await this.#rest(waitMs);
    await Promise.all(
      this.#sessions.flatMap(({ followers, accepted }) => followers.map((one) => one.until(accepted, waitMs))),
    );
    const all = this.#followers;
    const tried = {
      has: (id: string) => this.#tried.has(id),
      isBeforeCopy: (id: string) => this.#tried.get(id)?.isBeforeCopy === true,
    };
    const found = this.#sessions.map(({ followers, accepted }) => compared(followers, accepted, tried));
    const total = (kind: 'lost' | 'reordered' | 'forked' | 'differing' | 'unexplained'): number =>
      found.reduce((sum, one) => sum + one[kind], 0);
    this.stop();
    return {
      accepted: this.accepted,
      forgiven: this.#forgiven,
      delivered: all.reduce((sum, { events }) => sum + events.length, 0),
      replayed: all.reduce((sum, { replayed }) => sum + replayed, 0),
      duplicates: all.reduce((sum, { duplicates }) => sum + duplicates, 0),
      reconnects: all.reduce((sum, { connections }) => sum + connections - 1, 0),
      refused: this.#client.refused,
      conflicts: this.#conflicts,
      lost: total('lost'),
      reordered: total('reordered'),
      forked: total('forked'),
      altered: all.reduce((sum, { altered }) => sum + altered, 0),
      differing: total('differing'),
      wrongScreens,
      defects: this.#client.defects,
      unexplained: total('unexplained'),
      denied: all.flatMap(({ denied }) => denied ?? []),
      details: found.flatMap(({ details, events }) => [...details, ...events.map((id) => this.#when(id))]),
    };
  }

  /** When an event was published and accepted, and copies were put back. */
  #when(id: string): string {
    const { at, acceptedAt } = this.#tried.get(id) ?? {};
    const copies = this.#copies.map((copy) => `${copy} s`).join(', ');
    return `event ${id}: published at ${at} s, accepted at ${acceptedAt} s; copies put back at: ${copies}`;
  }
}

/** An observation whose value is written with a zero that a parser would drop. */
function measured(n: number): Json {
  return { resourceType: 'Observation', id: 'measured', status: 'final', valueQuantity: { value: `@${n}.10@` } };
}
