/** A Hub on a real SQLite file, with a clock that a test moves and channels in memory. */
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { FOLLOWING_EVENT, parseSubscription } from '@lockstep/fhircast';
import type { SessionStore } from '@lockstep/store';
import { openSqlite, type SqliteStore } from '@lockstep/store-sqlite';
import { Hub } from '../src/hub.ts';
import type { HubOptions } from '../src/options.ts';
import type {
  AuditTrail,
  Callbacks,
  Channel,
  Cursors,
  Observation,
  ResourceValidation,
  UserDirectory,
} from '../src/ports.ts';
import type { Answer } from '../src/requests/answers.ts';
import type { ConnectedSubscriber } from '../src/requests/connecting.ts';
import { ManualClock } from './clock.ts';
import { access, body, START } from './events.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests look into messages of every shape
export type Json = { [key: string]: any };

export { access, EVERYTHING } from './events.ts';

/** The value of an answer that has to be good. */
export function good<T>(answer: Answer<T>): T {
  assert.ok(answer.ok, answer.ok ? '' : `${answer.status} ${answer.reason}`);
  return answer.value;
}

export function refusal(answer: Answer<unknown>): number {
  assert.equal(answer.ok, false, 'was accepted');
  return answer.ok ? 0 : answer.status;
}

/** A subscriber's end of a channel. */
export class Peer implements Channel {
  buffered = 0;
  readonly received: Json[] = [];
  closed: { code: number; reason: string } | undefined;
  connection: ConnectedSubscriber | undefined;
  readonly endpoint: string;
  #wake: (() => void) | undefined;
  readonly #drained: (() => void)[] = [];

  constructor(endpoint: string) {
    this.endpoint = endpoint;
  }

  send(text: string | Uint8Array): void {
    assert.equal(this.closed, undefined, 'sent after the close');
    this.received.push(JSON.parse(Buffer.from(text).toString()));
    this.#wake?.();
  }

  close(code: number, reason: string): void {
    assert.equal(this.closed, undefined, 'closed twice');
    this.closed = { code, reason };
    this.#wake?.();
    this.#drain();
  }

  probe(): void {}

  onDrain(run: () => void): void {
    this.#drained.push(run);
    if (this.buffered === 0 || !this.open) this.#drain();
  }

  /** The subscriber reads what waits. */
  read(): void {
    this.buffered = 0;
    this.#drain();
  }

  #drain(): void {
    for (const run of this.#drained.splice(0)) run();
  }

  /** Waits until the condition holds; a message or the close may make it hold. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  get open(): boolean {
    return this.closed === undefined;
  }

  get events(): readonly Json[] {
    return this.received.filter((message) => message.event);
  }

  get ids(): readonly string[] {
    return this.events.map(({ id }) => id);
  }

  /** The events that it has to answer: not what the Hub tells of who follows. */
  get asked(): readonly Json[] {
    return this.events.filter(({ event }) => event['hub.event'] !== FOLLOWING_EVENT);
  }

  get syncErrors(): readonly Json[] {
    return this.events.filter(({ event }) => event['hub.event'] === 'SyncError');
  }

  get confirmations(): readonly Json[] {
    return this.received.filter((message) => message['hub.mode'] === 'subscribe');
  }

  get denial(): Json | undefined {
    return this.received.find((message) => message['hub.mode'] === 'denied');
  }

  /** Answers the latest event. */
  answer(status = 200, id = this.ids.at(-1)): void {
    this.connection?.received(JSON.stringify({ id, status }));
  }
}

export interface RigOptions extends Partial<HubOptions> {
  readonly users?: UserDirectory;
  /** Where webhooks are called, and what is remembered of them across restarts. */
  readonly webhooks?: { readonly callbacks: Callbacks; readonly cursors: Cursors };
  readonly audit?: AuditTrail;
  readonly validation?: ResourceValidation;
  readonly log?: { readonly count: number; readonly ageMs: number };
  /** What the Hub is given in the place of the store. */
  readonly over?: (sessions: SessionStore) => SessionStore;
}

export class Rig {
  readonly clock: ManualClock;
  hub: Hub;
  store: SqliteStore;
  readonly observed: Observation[] = [];
  readonly #folder: string;
  readonly #options: RigOptions;

  private constructor(folder: string, store: SqliteStore, options: RigOptions) {
    this.#folder = folder;
    this.#options = options;
    this.clock = new ManualClock(START);
    this.store = store;
    this.hub = this.#open();
  }

  static async open(t: TestContext, options: RigOptions = {}): Promise<Rig> {
    const folder = mkdtempSync(join(tmpdir(), 'lockstep-hub-'));
    const rig = new Rig(folder, await Rig.#openStore(folder, options), options);
    await rig.hub.start();
    t.after(async () => {
      await rig.hub.stop();
      await rig.store.close();
      await rm(folder, { recursive: true, force: true });
    });
    return rig;
  }

  static #openStore(folder: string, { log = { count: 1000, ageMs: 86_400_000 } }: RigOptions): Promise<SqliteStore> {
    return openSqlite({ path: join(folder, 'hub.db'), log });
  }

  #open(): Hub {
    const { users, log, webhooks, audit, validation, over, ...options } = this.#options;
    return new Hub(
      {
        hubUrl: 'https://hub.example/hub',
        endpointUrl: (id) => `wss://hub.example/hub/ws/${id}`,
        ...(log && { logCount: log.count }),
        ...options,
      },
      {
        store: over ? over(this.store.sessions) : this.store.sessions,
        clock: this.clock,
        ids: { uuid: () => crypto.randomUUID(), secret: () => crypto.randomUUID().replaceAll('-', '') },
        ...(users && { users }),
        ...(audit && { audit }),
        ...(validation && { validation }),
        ...webhooks,
        observer: { observe: (_topic, _at, observation) => void this.observed.push(observation) },
        failed: (error) => {
          throw error;
        },
      },
    );
  }

  /** The process is gone at once, as with `kill -9`, and another one starts on the same data. */
  async crash(): Promise<void> {
    await this.store.close();
    this.store = await Rig.#openStore(this.#folder, this.#options);
    this.hub = this.#open();
    await this.hub.start();
  }

  /** Stops in good order and starts again. */
  async restart(): Promise<void> {
    await this.hub.stop();
    await this.crash();
  }

  async session(user = 'Practitioner/1', workstation?: string): Promise<string> {
    const session = { user, ...(workstation && { workstation }) };
    return good(await this.hub.createSession(access(), session)).topic;
  }

  subscribe(
    topic: string,
    events: string,
    more: Record<string, string> = {},
    as = access(),
  ): ReturnType<Hub['subscribe']> {
    const form = {
      'hub.channel.type': 'websocket',
      'hub.mode': 'subscribe',
      'hub.topic': topic,
      'hub.events': events,
      ...more,
    };
    const read = parseSubscription(Object.entries(form));
    assert.ok(read.ok, read.ok ? '' : read.reason);
    return read.value.mode === 'subscribe' ? this.hub.subscribe(as, read.value) : this.hub.unsubscribe(as, read.value);
  }

  unsubscribe(topic: string, more: Record<string, string> = {}, as = access()): ReturnType<Hub['subscribe']> {
    return this.subscribe(topic, '', { 'hub.mode': 'unsubscribe', ...more }, as);
  }

  /** Subscribes and connects. */
  async join(topic: string, events = '*', more: Record<string, string> = {}, as = access()): Promise<Peer> {
    const { endpoint = '' } = good(await this.subscribe(topic, events, more, as));
    const peer = await this.connect(endpoint);
    assert.ok(peer?.connection);
    return peer;
  }

  /** Connects to an endpoint as a socket would. @returns undefined when it is refused */
  async connect(endpoint: string, since?: string): Promise<Peer | undefined> {
    const id = endpoint.split('/').at(-1) ?? '';
    const found = await this.hub.findEndpoint(id);
    if (!found) return undefined;
    const peer = new Peer(endpoint);
    peer.connection = await this.hub.connect({ id, topic: found.topic }, peer, since);
    return peer;
  }

  async publish(
    topic: string,
    event: string,
    context: readonly unknown[],
    more: Json = {},
    as = access(),
  ): Promise<number> {
    const answer = await this.hub.publish(as, JSON.stringify(body(event, context, { topic, ...more })));
    return answer.ok ? answer.value : answer.status;
  }

  async context(topic: string, as = access()): Promise<Json> {
    return JSON.parse(good(await this.hub.currentContext(as, topic)));
  }

  /** Waits for what was set off in a session to have happened: a few times, for work that sets off more work. */
  async settle(topic: string): Promise<void> {
    for (let round = 0; round < 6; round++) await this.hub.inspect(topic);
  }
}
