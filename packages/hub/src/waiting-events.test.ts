/** What an event leads to is the same whether it is decided at once or had to wait for its turn. */
import assert from 'node:assert/strict';
import { it, type TestContext } from 'node:test';
import { EVENT_TEXT, readExact } from '@lockstep/fhircast';
import type { SessionStore } from '@lockstep/store';
import fc from 'fast-check';
import { body, observation, parameters, patient, put, reference, report, updates } from '../test/events.ts';
import { access, type Peer, Rig } from '../test/rig.ts';

const KINDS = [
  'open',
  'close',
  'update',
  'home',
  'logout',
  'unknown',
  'stranger',
  'join',
  'leave',
  'unsubscribe',
  'time',
] as const;

interface Command {
  readonly kind: (typeof KINDS)[number];
  /** Id of an event: one that comes twice is a retry, or used for another event (PUB-7). */
  readonly id: string;
  readonly of: string;
}

const commands = fc.array(
  fc.record({
    kind: fc.constantFrom(...KINDS, 'open', 'open', 'update', 'close'),
    id: fc.constantFrom(...'abcdefghijkl'),
    of: fc.constantFrom('1', '2'),
  }),
  { minLength: 1, maxLength: 12 },
);

/** Gives ids that were made by chance the same names in both sessions: by the order in which they first come. */
class Names {
  readonly #known = new Map<string, string>();

  of(what: unknown): string {
    return JSON.stringify(what).replaceAll(/[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}/g, (id) => {
      if (!this.#known.has(id)) this.#known.set(id, `id ${this.#known.size}`);
      return this.#known.get(id) ?? '';
    });
  }
}

/** A session whose events are decided at once, or all have to wait. */
class Session {
  readonly #rig: Rig;
  readonly #topic: string;
  readonly #given: readonly string[];
  readonly #waits: boolean;
  readonly #peers: Peer[] = [];
  readonly #audited: unknown[];
  readonly #answers: unknown[] = [];
  #version = '';

  private constructor(rig: Rig, topic: string, waits: boolean, given: readonly string[], audited: unknown[]) {
    this.#rig = rig;
    this.#topic = topic;
    this.#waits = waits;
    this.#given = given;
    this.#audited = audited;
  }

  static async open(t: TestContext, waits: boolean): Promise<() => Promise<Session>> {
    const given: string[] = [];
    const audited: unknown[] = [];
    const over = (sessions: SessionStore): SessionStore => {
      const commit: SessionStore['commit'] = (one) => {
        given.push(...one.append.map(({ id }) => id));
        return sessions.commit(one);
      };
      return new Proxy(sessions, {
        get: (_, name: keyof SessionStore) => (name === 'commit' ? commit : sessions[name].bind(sessions)),
      });
    };
    const rig = await Rig.open(t, { over, audit: { record: (entry) => void audited.push(entry) } });
    return async () => new Session(rig, await rig.session(), waits, given, audited);
  }

  async do(command: Command): Promise<void> {
    const { kind } = command;
    const peer = this.#peers.at(-1);
    if (kind === 'join') this.#peers.push(await this.#rig.join(this.#topic, command.of === '1' ? '*' : 'Patient-open'));
    else if (kind === 'leave') peer?.connection?.closed(command.of === '1' ? 1000 : 1006);
    else if (kind === 'unsubscribe') {
      const endpoint = { 'hub.channel.endpoint': peer?.endpoint ?? '' };
      this.#answers.push(await this.#rig.unsubscribe(this.#topic, endpoint));
    } else if (kind === 'time') this.#rig.clock.advance(7_000);
    else this.#answers.push(await this.#publish(command));
    await this.#rig.settle(this.#topic);
  }

  async #publish({ kind, id, of }: Command): Promise<unknown> {
    const about = [report(`r${of}`), patient(`p${of}`)];
    const [name, context, as] = {
      open: ['DiagnosticReport-open', about],
      close: ['DiagnosticReport-close', about],
      update: [
        'DiagnosticReport-update',
        [reference('report', `DiagnosticReport/r${of}`), updates(put(observation(`o${of}`)))],
      ],
      home: ['Home-open', []],
      logout: ['UserLogout', [parameters]],
      unknown: ['DiagnosticReport-open', [patient(`p${of}`)]],
      stranger: ['DiagnosticReport-open', about, access({ scope: 'fhircast/Patient-open.read' })],
    }[kind as 'open'] as [string, unknown[], ReturnType<typeof access>?];
    const more = kind === 'update' ? { 'context.versionId': this.#version } : {};
    const text = JSON.stringify(body(name, context, { topic: this.#topic, id: `event ${id}`, ...more }));
    const read = readExact(text, EVENT_TEXT);
    assert.ok(read.ok);
    const before = this.#given.length;
    const busy = this.#waits ? this.#rig.hub.inspect(this.#topic) : undefined;
    const published = this.#rig.hub.publishing.publishRead(as ?? access(), read.value);
    if (this.#waits) assert.equal(this.#given.length, before);
    const givenAtOnce = this.#given.length;
    const [answer] = await Promise.all([published, busy]);
    if (!this.#waits) assert.equal(this.#given.length, givenAtOnce);
    const open = await this.#rig.hub.inspect(this.#topic);
    this.#version = open?.state.anchors.get(open.state.current ?? '')?.versionId ?? '';
    return answer;
  }

  /** All that can be seen of it; what is seen at the rig is of this session alone, since one follows another. */
  async seen(): Promise<readonly string[]> {
    const { store, observed, hub } = this.#rig;
    const stored = await store.sessions.load(this.#topic);
    const log = await store.sessions.readLog(this.#topic, stored?.start.offset ?? 0);
    const told = this.#peers.map(({ received, closed }) => ({ received, closed }));
    // The fingerprint of an update is of the version, too, that it is based on, which was made by chance.
    const textOf = (text: string): string => text.replace(/"fingerprint":"[^"]*"/, '');
    const entries = log?.map(({ number, at, body: text }) => ({ number, at, text: textOf(text) }));
    const audit = this.#audited.splice(0);
    const observations = observed.splice(0);
    await hub.endSession(this.#topic, 'over');
    await this.#rig.settle(this.#topic);
    observed.length = this.#audited.length = 0;
    const names = new Names();
    const seen = [observations, told, this.#answers, audit, entries].map((what) => names.of(what));
    // In the order of their names: parts have no other.
    const parts = [...(stored?.parts ?? [])].map((part) => names.of(part)).toSorted();
    return [...seen, `${stored?.revision} ${stored?.start.offset}`, ...parts];
  }
}

it('PUB-3, PUB-4, PUB-7 an event leads to the same, whether it is decided at once or has to wait', async (t) => {
  const opens = [await Session.open(t, false), await Session.open(t, true)];
  await fc.assert(
    fc.asyncProperty(commands, async (happens) => {
      const [atOnce, later] = await Promise.all(
        opens.map(async (open) => {
          const session = await open();
          for (const command of happens) await session.do(command);
          return session.seen();
        }),
      );
      assert.deepEqual(later, atOnce);
    }),
    { numRuns: 10 },
  );
});
