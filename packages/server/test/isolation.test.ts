/** What others are left of the server while one subscriber returns to a large backlog, counted in turns and bytes. */
import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { HubClient, type Json, patient, Subscriber, withLockstep } from './harness.ts';

const LARGE = 400_000;
const EVENTS = 40;

/** Bytes of events that may be written to one socket in one turn, and wait in it: 256 KiB, and the event that exceeds them. */
const AT_ONCE = 256 * 1024 + LARGE + 10_000;

/** What this process writes to its sockets. */
class Written {
  /** Most bytes that were written to one socket in one turn of the event loop. */
  inOneTurn = 0;
  /** Most bytes that waited in one socket. */
  waiting = 0;
  turns = 0;
  readonly #now = new Map<Socket, number>();

  constructor(t: TestContext) {
    const { write } = Socket.prototype;
    const count = (socket: Socket, chunk: unknown): void => {
      const bytes = (this.#now.get(socket) ?? 0) + (chunk as Uint8Array).length;
      this.#now.set(socket, bytes);
      this.inOneTurn = Math.max(this.inOneTurn, bytes);
      this.waiting = Math.max(this.waiting, socket.writableLength);
    };
    // biome-ignore lint/suspicious/noExplicitAny: passes on whatever it is given
    Socket.prototype.write = function counted(this: Socket, ...given: any) {
      const isAccepted = write.apply(this, given);
      count(this, given[0]);
      return isAccepted;
    };
    let isOver = false;
    t.after(() => {
      isOver = true;
      Socket.prototype.write = write;
    });
    const turn = (): void => {
      this.#now.clear();
      this.turns += 1;
      if (!isOver) setImmediate(turn);
    };
    turn();
  }
}

const large = (id: string): Json => ({
  key: 'patient',
  resource: { resourceType: 'Patient', id, text: { status: 'generated', div: `<div>${'x'.repeat(LARGE)}</div>` } },
});

/** Who takes part while a subscriber returns to a large backlog. */
interface Returning {
  readonly hub: HubClient;
  /** The topic of another session. */
  readonly other: string;
  readonly written: Written;
  /** The subscriber that returns. */
  readonly back: Subscriber;
}

/** Does something while a subscriber that was sent `seen`, lost its connection, and has missed 16 MB since returns. */
function whileOneReturns(t: TestContext, use: (returning: Returning) => Promise<void>): Promise<void> {
  return withLockstep(async ({ origin }) => {
    const hub = await HubClient.backend(origin);
    const [topic, other] = [await hub.session(), await hub.session('Practitioner/2')];
    const endpoint = await left(hub, topic);
    const written = new Written(t);
    const back = await Subscriber.connect(`${endpoint}?since=seen`);
    await use({ hub, other, written, back });
    back.socket.terminate();
    await back.closed;
  });
}

/** @returns the endpoint of a subscriber that lost its connection before 16 MB were published */
async function left(hub: HubClient, topic: string): Promise<string> {
  const subscriber = await hub.subscribe(topic, 'Patient-open');
  assert.equal((await hub.publish(topic, 'Patient-open', [patient('p0')], { id: 'seen' })).status, 202);
  await subscriber.event();
  subscriber.socket.terminate();
  await subscriber.closed;
  for (let n = 1; n <= EVENTS; n++) {
    assert.equal((await hub.publish(topic, 'Patient-open', [large(`p${n}`)], { id: `e${n}` })).status, 202);
  }
  return subscriber.endpoint;
}

test('SUB-11 who returns to a large backlog is sent one event a turn, and others have theirs in between', (t) =>
  whileOneReturns(t, async ({ hub, other, written, back }) => {
    let isThere = false;
    const reading = (async () => {
      for (let id = ''; id !== `e${EVENTS}`; ) ({ id } = await back.event());
      isThere = true;
    })();
    let meanwhile = 0;
    while (!isThere) {
      assert.equal((await hub.publish(other, 'Patient-open', [patient(`q${meanwhile}`)])).status, 202);
      meanwhile += 1;
    }
    await reading;
    assert.ok(written.inOneTurn > LARGE, 'it was watched');
    assert.ok(written.inOneTurn <= AT_ONCE, `${written.inOneTurn} bytes in one turn`);
    assert.ok(written.waiting <= AT_ONCE, `${written.waiting} bytes waited`);
    const ids = back.received.filter(({ event }) => event).map(({ id }) => id);
    assert.deepEqual(
      ids.filter((id) => /^e\d+$/.test(id)),
      Array.from({ length: EVENTS }, (_, n) => `e${n + 1}`),
    );
  }));

test('SUB-11, ERR-7 who returns to a large backlog and reads nothing is held no more than one event, and others go on', (t) =>
  whileOneReturns(t, async ({ hub, other, written, back }) => {
    back.socket.pause();
    for (let n = 0; n < 50; n++) {
      assert.equal((await hub.publish(other, 'Patient-open', [patient(`q${n}`)])).status, 202);
    }
    assert.ok(written.waiting <= AT_ONCE, `${written.waiting} bytes waited`);
  }));
