import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { duplexPair, PassThrough } from 'node:stream';
import { test } from 'node:test';
import type { Channel, FoundEndpoint, Hub } from '@lockstep/hub';
import { endpointPath, Sockets } from './sockets.ts';

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Sockets of a Hub whose endpoints are found when the test says so, and then are not known: each is refused. */
function joining(count: number) {
  const asked: number[] = [];
  const finds: (() => void)[] = [];
  const timers: (() => void)[] = [];
  const findEndpoint = (id: string): Promise<undefined> => {
    asked.push(Number(id));
    return new Promise((resolve) => finds.push(() => resolve(undefined)));
  };
  const clock = {
    now: () => 0,
    after: (ms: number, run: () => void) => {
      if (ms < 1000) timers.push(run);
      return () => undefined;
    },
  };
  const sockets = new Sockets({ hub: { findEndpoint } as unknown as Hub, clock, pingMs: 1000 });
  const streams = Array.from({ length: count }, () => new PassThrough());
  streams.forEach((stream, n) => {
    sockets.upgrade({ url: endpointPath(String(n)) } as IncomingMessage, stream, Buffer.alloc(0));
  });
  return { sockets, streams, asked, finds, timers };
}

test('SUB-7 of many that connect at once few are let in at a time, in their order, and what came is read in between', async () => {
  const COUNT = 500;
  const { sockets, streams, asked, finds } = joining(COUNT);
  while (asked.length < COUNT) {
    assert.ok(finds.length > 0 && finds.length <= 32, `${finds.length} at once`);
    const before = asked.length;
    // A store answers all that is asked of it in one go.
    for (const find of finds.splice(0)) find();
    await Promise.resolve().then().then();
    assert.equal(asked.length, before, 'others join after what came meanwhile');
    await nextTurn();
    await nextTurn();
  }
  for (const find of finds.splice(0)) find();
  await nextTurn();
  assert.deepEqual(asked, [...streams.keys()]);
  for (const stream of streams) assert.match(String(stream.read()), /^HTTP\/1\.1 404 /);
  sockets.end();
});

test('SUB-7 a subscriber that joins a slow session does not keep others out', async () => {
  const { sockets, asked, finds, timers } = joining(100);
  assert.equal(asked.length, 32);
  for (const run of timers.splice(0)) run();
  await nextTurn();
  assert.equal(asked.length, 64);
  // The end of what was slow makes no room once more.
  for (const find of finds.splice(0, 32)) find();
  await nextTurn();
  await nextTurn();
  assert.equal(asked.length, 64);
  sockets.end();
});

/** A short frame of a client (RFC 6455 section 5.2), masked with zeros. */
function frame(opcode: number, text: string): Buffer {
  return Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)]);
}

async function settle(): Promise<void> {
  for (let turns = 0; turns < 50; turns++) await nextTurn();
}

/** Peers that connect at a clock that the test moves. */
function server(pingMs = 1e9) {
  let now = 0;
  const timers: { readonly at: number; readonly run: () => void }[] = [];
  const after = (ms: number, run: () => void) => {
    timers.push({ at: now + ms, run });
    return () => undefined;
  };
  let connect: (peer: Channel) => object;
  let endpoint: FoundEndpoint;
  const hub = { findEndpoint: async () => endpoint, connect: async (_: unknown, peer: Channel) => connect(peer) };
  const sockets = new Sockets({ hub: hub as unknown as Hub, clock: { now: () => now, after }, pingMs });
  const passSecond = async (): Promise<void> => {
    now += 1_000;
    const due = timers.filter(({ at }) => at > now - 1_000 && at <= now);
    for (const { run } of due) run();
    await settle();
  };
  const join = async (clientId = 'c', user?: string) => {
    endpoint = { topic: 't', clientId, ...(user !== undefined && { user }) };
    const joined = await connected(sockets, (made) => {
      connect = made;
    });
    return { ...joined, sockets, passSecond };
  };
  return { sockets, passSecond, join };
}

/** One peer that has connected. @param onConnect is given what the Hub does then */
async function connected(sockets: Sockets, onConnect: (connect: (peer: Channel) => object) => void) {
  let closed = false;
  let silent: boolean | undefined;
  let signs = 0;
  const taken: string[] = [];
  const connection = {
    received: (text: string) => {
      taken.push(text);
    },
    heard: () => {
      signs += 1;
    },
    closed: (_: number, isSilent: boolean) => {
      closed = true;
      silent = isSilent;
    },
  };
  let channel: Channel | undefined;
  onConnect((peer) => {
    channel = peer;
    return connection;
  });
  const [client, stream] = duplexPair();
  const headers = {
    upgrade: 'websocket',
    connection: 'Upgrade',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'sec-websocket-version': '13',
  };
  const request = { method: 'GET', url: endpointPath('x'), headers } as unknown as IncomingMessage;
  sockets.upgrade(request, stream, Buffer.alloc(0));
  while (client.read() === null) await nextTurn();
  client.resume();
  assert.ok(channel);
  return { client, channel, taken, isClosed: () => closed, signsOfLife: () => signs, isSilent: () => silent };
}

const SENT = 10_000;

for (const [kind, opcode] of [
  ['answers', 1],
  ['pongs', 10],
] as const) {
  test(`SUB-7 of a peer that sends very many ${kind} some are read in a second, so that others have their turn`, async () => {
    const { sockets, client, taken, passSecond, isClosed } = await server().join();
    for (let n = 0; n < SENT; n++) client.write(frame(opcode, 'x'));
    client.write(frame(1, 'last'));
    await settle();
    assert.ok(!taken.includes('last'), 'the rest waits');
    if (kind === 'answers') assert.ok(taken.length >= 2_000 && taken.length < 6_000, `${taken.length}`);
    for (let seconds = 0; seconds < 20 && !taken.includes('last'); seconds++) await passSecond();
    assert.equal(taken.at(-1), 'last', 'all was read in the end');
    assert.equal(taken.length, kind === 'answers' ? SENT + 1 : 1);
    assert.equal(isClosed(), false);
    sockets.end();
  });
}

test('SUB-7 answers to events are read as they come: a subscriber that answers is not late because many events were sent', async () => {
  const { sockets, client, channel, taken, passSecond } = await server().join();
  for (let n = 0; n < SENT; n++) channel.send(Buffer.from('{}'));
  for (let n = 0; n < SENT; n++) client.write(frame(1, String(n)));
  while (taken.length < SENT) await nextTurn();
  assert.equal(taken.at(-1), String(SENT - 1));
  // What is beside them counts as ever, and what the Hub says that is no event asks for no answer.
  channel.send('{"type":"pong"}');
  for (let n = 0; n < SENT; n++) client.write(frame(1, 'x'));
  await settle();
  assert.ok(taken.length < SENT + 6_000, `${taken.length}`);
  for (let seconds = 0; seconds < 20 && taken.length < 2 * SENT; seconds++) await passSecond();
  assert.equal(taken.length, 2 * SENT);
  sockets.end();
});

test('SUB-7 many peers are pinged some at a time: what others ask comes in between, and every peer is pinged once a round', async () => {
  const { sockets, join, passSecond } = server(1_000);
  const pinged = new Map<Channel, number>();
  for (let n = 0; n < 170; n++) {
    const { channel } = await join();
    Object.assign(channel, { probe: () => pinged.set(channel, (pinged.get(channel) ?? 0) + 1), heard: true });
  }
  for (let round = 1; round <= 3; round++) {
    for (const channel of pinged.keys()) Object.assign(channel, { heard: true });
    const before = [...pinged.values()].reduce((all, count) => all + count, 0);
    const passed = passSecond();
    const atOnce = [...pinged.values()].reduce((all, count) => all + count, 0) - before;
    assert.ok(atOnce > 0 && atOnce <= 50, `${atOnce} in one turn`);
    await passed;
    assert.equal(pinged.size, 170);
    for (const count of pinged.values()) assert.equal(count, round);
  }
  sockets.end();
});

test('ERR-8 a peer that is asked for a sign of life has given one with a pong or a ping, and with no end of its connection', async () => {
  for (const [what, opcode] of [
    ['a pong', 10],
    ['a ping', 9],
  ] as const) {
    const { sockets, client, channel, signsOfLife } = await server().join();
    channel.probe?.();
    await settle();
    assert.equal(signsOfLife(), 0, what);
    client.write(frame(opcode, ''));
    await settle();
    assert.equal(signsOfLife(), 1, what);
    sockets.end();
  }
  const { sockets, client, isClosed, isSilent, signsOfLife } = await server().join();
  client.end();
  await settle();
  assert.deepEqual([isClosed(), isSilent(), signsOfLife()], [true, false, 0]);
  sockets.end();
});

test('ERR-3, ERR-8 a peer that is silent from one ping to the next is closed as silent, however late it was asked for a sign of life', async () => {
  const { sockets, client, channel, passSecond, isClosed, isSilent } = await server(1000).join();
  await passSecond();
  client.write(frame(10, ''));
  await settle();
  channel.probe?.();
  await passSecond();
  assert.equal(isClosed(), false, 'it was heard of since the last ping');
  channel.probe?.();
  await passSecond();
  assert.deepEqual([isClosed(), isSilent()], [true, true]);
  sockets.end();
});

test('SUB-7 of long messages fewer are read in a second', async () => {
  const { sockets, client, taken, passSecond } = await server().join();
  const payload = Buffer.alloc(60_000, 'x');
  const long = Buffer.concat([
    Buffer.from([0x81, 0xfe, payload.length >> 8, payload.length & 255, 0, 0, 0, 0]),
    payload,
  ]);
  const COUNT = 200;
  for (let n = 0; n < COUNT; n++) client.write(long);
  await settle();
  assert.ok(taken.length < COUNT, 'the rest waits');
  for (let seconds = 0; seconds < 60 && taken.length < COUNT; seconds++) await passSecond();
  assert.equal(taken.length, COUNT);
  sockets.end();
});

test('SUB-13 what one socket sends counts for its client and its user: only their other sockets have to wait', async () => {
  for (const [client, user, waits] of [
    ['a', 'u', true],
    ['a', 'another', true],
    ['another', 'u', true],
    ['b', 'v', false],
    ['b', undefined, false],
  ] as const) {
    const { sockets, join, passSecond } = server();
    const flood = await join('a', 'u');
    for (let n = 0; n < SENT; n++) flood.client.write(frame(1, 'x'));
    await settle();
    const peer = await join(client, user);
    for (let n = 0; n < 50; n++) peer.client.write(frame(1, 'x'));
    await settle();
    peer.client.write(frame(1, 'last'));
    await settle();
    assert.equal(!peer.taken.includes('last'), waits, `${client} ${user}`);
    for (let seconds = 0; seconds < 60 && !peer.taken.includes('last'); seconds++) await passSecond();
    assert.equal(peer.taken.length, 51, 'all was read in the end');
    sockets.end();
  }
});
