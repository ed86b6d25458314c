/** One subscriber with much to be sent: what it is sent and in which order, what is held for it, and who waits for it. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { LogBytes, SessionStore } from '@lockstep/store';
import { patient } from '../test/events.ts';
import { access, good, type Json, Peer, Rig, type RigOptions } from '../test/rig.ts';
import { Hub } from './hub.ts';

/** Characters of the larger events here, and how many there are. */
const LARGE = 100_000;
const EVENTS = 60;
/** Bytes that may be held for one subscriber. */
const HELD = 8 * 1024 * 1024;

const large = (id: string): Json => ({
  key: 'patient',
  resource: { resourceType: 'Patient', id, text: { div: 'x'.repeat(LARGE) } },
});

/** A subscriber that reads only when it is told to. */
class SlowPeer extends Peer {
  most = 0;

  override send(text: string | Uint8Array): void {
    super.send(text);
    this.buffered += text.length;
    this.most = Math.max(this.most, this.buffered);
  }

  /** Reads until the condition holds. */
  async readUntil(holds: () => boolean): Promise<void> {
    while (!holds()) {
      this.read();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

/** Connects a subscriber that reads slowly. */
async function connectSlowly(rig: Rig, endpoint: string, since?: string): Promise<SlowPeer> {
  const id = endpoint.split('/').at(-1) ?? '';
  const found = await rig.hub.findEndpoint(id);
  assert.ok(found);
  const peer = new SlowPeer(endpoint);
  peer.connection = await rig.hub.connect({ id, topic: found.topic }, peer, since);
  return peer;
}

/** A session whose subscribers were sent `seen`, lost their connections, and missed many large events. */
async function withBacklog(
  t: TestContext,
  { subscribers = 1, ...options }: RigOptions & { subscribers?: number } = {},
): Promise<{ rig: Rig; topic: string; endpoint: string; endpoints: readonly string[]; missed: readonly string[] }> {
  const rig = await Rig.open(t, options);
  const topic = await rig.session();
  const peers: Peer[] = [];
  for (let i = 0; i < subscribers; i++) peers.push(await rig.join(topic, '*', { 'subscriber.name': `s${i}` }));
  await rig.publish(topic, 'Patient-open', [patient('p0')], { id: 'seen' });
  for (const peer of peers) peer.connection?.closed(1006);
  await rig.settle(topic);
  const missed: string[] = [];
  for (let i = 1; i <= EVENTS; i++) {
    missed.push(`e${i}`);
    assert.equal(await rig.publish(topic, 'Patient-open', [large(`p${i}`)], { id: `e${i}` }), 202);
  }
  const endpoints = peers.map(({ endpoint }) => endpoint);
  return { rig, topic, endpoint: endpoints[0] ?? '', endpoints, missed };
}

/** A store whose pages of logs are counted: those that are read at the same time, and those whose memory was not given back. */
class WatchedPages {
  readonly store: SessionStore;
  /** Most that were read at the same time. */
  atOnce = 0;
  /** Bytes of the largest. */
  largest = 0;
  /** Most whose memory was held at the same time. */
  heldAtOnce = 0;
  read = 0;
  #reading = 0;
  readonly #held = new Set<LogBytes>();

  constructor(sessions: SessionStore) {
    const readLogBytes: SessionStore['readLogBytes'] = async (...of) => {
      this.#reading += 1;
      this.atOnce = Math.max(this.atOnce, this.#reading);
      const page = await sessions.readLogBytes(...of);
      this.#reading -= 1;
      return page && this.#watch(page);
    };
    this.store = new Proxy(sessions, {
      get: (_, name: keyof SessionStore) => (name === 'readLogBytes' ? readLogBytes : sessions[name].bind(sessions)),
    });
  }

  #watch(page: LogBytes): LogBytes {
    this.read += 1;
    this.largest = Math.max(
      this.largest,
      page.entries.reduce((sum, { body }) => sum + body.length, 0),
    );
    this.#held.add(page);
    this.heldAtOnce = Math.max(this.heldAtOnce, this.#held.size);
    const release = (): void => {
      this.#held.delete(page);
      page.release();
    };
    return { entries: page.entries, release };
  }
}

const parameters = { key: 'parameters', resource: { resourceType: 'Parameters' } };

const contextOf = (message: Json | undefined): string => message?.event.context[0].resource.id;

describe('SUB-11 a large backlog', () => {
  it('SUB-11 is sent in order, as fast as it is read, with the current context first', async (t) => {
    const { rig, topic, endpoint, missed } = await withBacklog(t);
    const peer = await connectSlowly(rig, endpoint, 'seen');
    assert.equal(contextOf(peer.events[0]), `p${EVENTS}`, 'what is current is not what is cut');
    assert.ok(!missed.includes(peer.ids[0] ?? ''), 'under an id that is no repeat of its place in the order');
    const before = peer.events.length;
    assert.ok(before < missed.length);
    // It reads nothing, and nobody waits for it.
    const other = await rig.session();
    assert.equal(await rig.publish(other, 'Patient-open', [patient('q')]), 202);
    assert.equal(await rig.publish(topic, 'Patient-open', [patient('last')], { id: 'last' }), 202);
    assert.equal(peer.events.length, before, 'nothing is sent that is not read');
    await peer.readUntil(() => peer.ids.includes('last'));
    assert.deepEqual(peer.ids.slice(1), [...missed, 'last']);
    assert.ok(peer.open, 'ERR-7 who reads as fast as it can is not closed');
    await rig.publish(topic, 'Patient-open', [patient('live')], { id: 'live' });
    assert.equal(peer.ids.at(-1), 'live');
    assert.equal(new Set(peer.ids).size, peer.ids.length, 'nothing twice');
  });

  it('SUB-11 goes on where it was cut off', async (t) => {
    const { rig, endpoint, missed } = await withBacklog(t);
    const first = await connectSlowly(rig, endpoint, 'seen');
    await first.readUntil(() => first.events.length > 30);
    const last = first.ids.at(-1) ?? '';
    first.connection?.closed(1006);
    const second = await connectSlowly(rig, endpoint, last);
    await second.readUntil(() => second.ids.includes(missed.at(-1) ?? ''));
    assert.deepEqual(
      second.ids.filter((id) => missed.includes(id)),
      missed.slice(missed.indexOf(last) + 1),
    );
  });

  it('SUB-11 that a logout erases while it is sent ends with the logout', async (t) => {
    const { rig, topic, endpoint } = await withBacklog(t);
    const peer = await connectSlowly(rig, endpoint, 'seen');
    assert.equal(await rig.publish(topic, 'UserLogout', [parameters], { id: 'out' }), 202);
    await peer.readUntil(() => peer.ids.includes('out'));
    assert.ok(peer.events.length < EVENTS);
    await rig.publish(topic, 'Patient-open', [patient('next')], { id: 'next' });
    assert.equal(peer.ids.at(-1), 'next');
  });

  it('SUB-11 that the log drops while it is sent is said to be unknown', async (t) => {
    const { rig, topic, endpoint } = await withBacklog(t, { log: { count: EVENTS + 1, ageMs: 86_400_000 } });
    const peer = await connectSlowly(rig, endpoint, 'seen');
    for (let i = 0; i < 2 * EVENTS; i++) await rig.publish(topic, 'org.example.other', [], { id: `o${i}` });
    await peer.readUntil(() => !peer.open);
    assert.match(peer.denial?.['hub.reason'], /no longer known/);
  });

  it('SUB-11 of many subscribers is read a few pages at a time', async (t) => {
    const { rig, topic, endpoints } = await withBacklog(t, { subscribers: 12 });
    const pages = new WatchedPages(rig.store.sessions);
    await rig.hub.stop();
    const hub = new Hub(
      { hubUrl: 'https://hub.example/hub', endpointUrl: (id) => `wss://hub.example/hub/ws/${id}` },
      {
        store: pages.store,
        clock: rig.clock,
        ids: { uuid: () => crypto.randomUUID(), secret: () => crypto.randomUUID() },
      },
    );
    await hub.start();
    t.after(() => hub.stop());
    good(await hub.currentContext(access(), topic));
    const peers = await Promise.all(
      endpoints.map(async (endpoint) => {
        const peer = new SlowPeer(endpoint);
        const id = endpoint.split('/').at(-1) ?? '';
        peer.connection = await hub.connect({ id, topic }, peer, 'seen');
        return peer;
      }),
    );
    await Promise.all(peers.map((peer) => peer.readUntil(() => peer.ids.includes(`e${EVENTS}`))));
    assert.ok(pages.atOnce <= 4, `${pages.atOnce} pages at once`);
    assert.ok(pages.largest + Math.max(...peers.map((peer) => peer.most)) <= HELD);
    // Of each the first page, which it was sent at once, the last one, and one that was on its way.
    assert.ok(pages.heldAtOnce <= 3 * peers.length, `${pages.heldAtOnce} pages of ${pages.read} held`);
    assert.ok(pages.read > 6 * peers.length, 'it was watched');
  });
});

describe('SUB-8 standing opens that are large', () => {
  it('SUB-8 are sent as they are read, the current one first and last', async (t) => {
    const rig = await Rig.open(t);
    const topic = await rig.session();
    const types = ['Patient', 'Encounter', 'ImagingStudy', 'DiagnosticReport'] as const;
    const text = { div: 'x'.repeat(500_000) };
    const of = (type: string, id: string, more: Json = {}): Json => ({ resourceType: type, id, text, ...more });
    const p = { key: 'patient', resource: of('Patient', 'p', { identifier: [{ system: 'urn:s', value: '1' }] }) };
    const contexts: Record<(typeof types)[number], readonly Json[]> = {
      Patient: [p],
      Encounter: [
        { key: 'encounter', resource: of('Encounter', 'n', { status: 'planned', class: { code: 'AMB' } }) },
        p,
      ],
      ImagingStudy: [{ key: 'study', resource: of('ImagingStudy', 's', { status: 'available' }) }, p],
      DiagnosticReport: [{ key: 'report', resource: of('DiagnosticReport', 'r', { status: 'final' }) }, p],
    };
    for (const type of types) {
      assert.equal(await rig.publish(topic, `${type}-open`, contexts[type], { id: type }), 202, type);
    }
    const { endpoint = '' } = good(await rig.subscribe(topic, '*'));
    const peer = await connectSlowly(rig, endpoint);
    assert.equal(peer.events[0]?.event['hub.event'], 'DiagnosticReport-open');
    assert.notEqual(peer.ids[0], 'DiagnosticReport');
    await peer.readUntil(() => peer.ids.includes('DiagnosticReport'));
    assert.deepEqual(peer.ids.slice(1), types, 'then all of them under their own ids, the current one last');
    assert.ok(peer.most <= HELD);
  });
});
