import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { text as textOfStream } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { Listener } from './listener.ts';

/** A listener whose requests are answered when the test says so. */
async function listening(options?: ConstructorParameters<typeof Listener>[0]) {
  const listener = new Listener(options);
  const waiting: (() => void)[] = [];
  const arrived: (() => void)[] = [];
  listener.serve((_, response) => {
    waiting.push(() => response.end('answer'));
    for (const told of arrived.splice(0)) told();
  });
  await listener.listen(0, '127.0.0.1');
  return { listener, waiting, next: () => new Promise<void>((resolve) => arrived.push(resolve)) };
}

function ask(port: number, agent: Agent): Promise<{ status: number | undefined; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ port, agent, host: '127.0.0.1' }, async (response) => {
      const body = await textOfStream(response);
      resolve({ status: response.statusCode, body });
    });
    sent.on('error', reject);
    sent.end();
  });
}

describe('the listener', () => {
  it('says that it keeps idle connections for 72 s', async (t) => {
    const { listener, waiting, next } = await listening();
    t.after(() => listener.close());
    listener.open(() => undefined);
    const arrived = next();
    const socket = connect(listener.port, '127.0.0.1');
    t.after(() => socket.destroy());
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await arrived;
    waiting[0]?.();
    const [data] = await once(socket, 'data');
    assert.match(String(data), /keep-alive: timeout=72\r\n/i);
  });

  it('answers what it was asked before it closed, and takes nothing after', async () => {
    const { listener, waiting, next } = await listening({ graceMs: 1000 });
    listener.open(() => undefined);
    const agent = new Agent({ keepAlive: true });
    const arrived = next();
    const asked = ask(listener.port, agent);
    await arrived;
    const { port } = listener;
    const closed = listener.close();
    await assert.rejects(ask(port, new Agent()));
    waiting[0]?.();
    assert.deepEqual(await asked, { status: 200, body: 'answer' });
    await closed;
    await assert.rejects(ask(port, agent));
    assert.equal(waiting.length, 1);
    agent.destroy();
  });

  it('closes though connections wait unread for their turn, and reads none of them any more', async () => {
    const { listener } = await listening();
    listener.open(() => undefined);
    const reads: (() => void)[] = [];
    const waits = new Promise<void>((resolve) => {
      listener.readWhen((_address, read) => {
        reads.push(read);
        resolve();
      });
    });
    const socket = connect(listener.port, '127.0.0.1');
    socket.on('error', () => undefined).resume();
    const ended = once(socket, 'close');
    await waits;
    assert.equal(listener.connections, 1);
    await listener.close();
    await ended;
    reads[0]?.();
    assert.equal(listener.connections, 0);
  });

  it('closes at once when it never opened', async () => {
    const { listener, waiting } = await listening();
    const asked = ask(listener.port, new Agent());
    const refused = assert.rejects(asked);
    await listener.close();
    await refused;
    assert.equal(waiting.length, 0);
  });

  it('closes at once when it never opened and somebody waits for a WebSocket', async () => {
    const { listener } = await listening();
    const socket = connect(listener.port, '127.0.0.1');
    socket.on('error', () => undefined);
    const upgrade = once(
      listener.serve(() => undefined),
      'upgrade',
    );
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    await upgrade;
    const ended = once(socket, 'close');
    await listener.close();
    await ended;
  });

  it('closes when the grace time is over, though somebody who was refused a WebSocket never hangs up', async () => {
    const { listener } = await listening({ graceMs: 50 });
    listener.open((_request, socket) => socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n'));
    const socket = connect({ port: listener.port, host: '127.0.0.1', allowHalfOpen: true });
    socket.on('error', () => undefined);
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    await once(socket, 'data');
    const ended = once(socket, 'close');
    await listener.close();
    socket.end();
    await ended;
  });

  for (const [who, hosts] of [
    ['whoever opens it', ['x']],
    ['the listener itself', ['x', 'y']],
  ] as const) {
    it(`ends a connection whose WebSocket was refused by ${who}: the client has gone, or never hangs up`, async (t) => {
      const { listener } = await listening();
      t.after(() => listener.close());
      const taken: Duplex[] = [];
      listener.open((_request, socket) => socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n'));
      listener.serve(() => undefined).on('upgrade', (_request, socket) => taken.push(socket));
      const host = hosts.map((name) => `Host: ${name}\r\n`).join('');
      const head = `GET / HTTP/1.1\r\n${host}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`;
      // More than the head: bytes that nobody reads would hide that the client has gone.
      const goes = connect(listener.port, '127.0.0.1').on('error', () => undefined);
      goes.write(`${head}more`);
      await once(goes, 'data');
      goes.write('and more');
      const stays = connect({ port: listener.port, host: '127.0.0.1', allowHalfOpen: true });
      stays.on('error', () => undefined).write(`${head}more`);
      await once(stays, 'data');
      goes.end();
      await Promise.all(taken.map((socket) => socket.destroyed || once(socket, 'close')));
      assert.equal(taken.length, 2);
      assert.equal(listener.connections, 0);
      stays.destroy();
    });
  }

  it('answers requests that come before it opens if it was given an answer, and keeps them waiting otherwise', async (t) => {
    const { listener } = await listening();
    t.after(() => listener.close());
    const agent = new Agent();
    // It has come already, and waits.
    const early = ask(listener.port, agent);
    await once(
      listener.serve(() => undefined),
      'request',
    );
    listener.answerBefore({
      request: (_, response) => response.end('before'),
      upgrade: (_request, socket) => socket.end('HTTP/1.1 503 Service Unavailable\r\n\r\n'),
    });
    assert.equal((await early).body, 'before');
    assert.equal((await ask(listener.port, agent)).body, 'before');
    const socket = connect(listener.port, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    const [data] = await once(socket, 'data');
    assert.match(String(data), /^HTTP\/1\.1 503 /);
    socket.destroy();
    listener.answerBefore(undefined);
    const asked = ask(listener.port, agent);
    await once(
      listener.serve((_, response) => response.end('after')),
      'request',
    );
    listener.open(() => undefined);
    assert.equal((await asked).body, 'after');
  });

  it('refuses a request with more than one Host header, in whatever letters, and an upgrade too', async (t) => {
    const { listener, waiting } = await listening();
    t.after(() => listener.close());
    listener.open(() => assert.fail('upgraded'));
    for (const second of ['Host: x', 'host: y', 'HOST: x\r\nhOsT: z']) {
      for (const upgrade of ['', 'Connection: Upgrade\r\nUpgrade: websocket\r\n']) {
        const socket = connect(listener.port, '127.0.0.1');
        socket.write(`GET / HTTP/1.1\r\nHost: x\r\n${upgrade}${second}\r\n\r\n`);
        const [data] = await once(socket, 'data');
        assert.match(String(data), /^HTTP\/1\.1 400 /, second);
        socket.destroy();
      }
    }
    assert.equal(waiting.length, 0);
  });

  it('ends the connection of who offers another protocol with the answer: what was sent behind the offer is lost', async (t) => {
    const { listener, waiting, next } = await listening();
    t.after(() => listener.close());
    listener.open(() => undefined);
    for (const protocol of ['h2c', 'TLS/1.0', 'x', 'websocket2, h2c']) {
      const arrived = next();
      const socket = connect(listener.port, '127.0.0.1');
      const offer = `Connection: Upgrade\r\nUpgrade: ${protocol}`;
      socket.write(`GET /1 HTTP/1.1\r\nHost: x\r\n${offer}\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n`);
      await arrived;
      for (const answer of waiting.splice(0)) answer();
      const text = await textOfStream(socket);
      assert.match(text, /^HTTP\/1\.1 200 OK[\s\S]*connection: close\r\n[\s\S]*answer$/i, protocol);
    }
  });

  it('cuts a connection that sends more requests ahead than are kept for it', async (t) => {
    const { listener, waiting, next } = await listening();
    t.after(() => listener.close());
    listener.open(() => undefined);
    const get = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
    const few = connect(listener.port, '127.0.0.1');
    t.after(() => few.destroy());
    const arrived = next();
    few.write(get.repeat(20));
    await arrived;
    const many = connect(listener.port, '127.0.0.1');
    many.on('error', () => undefined);
    many.resume();
    many.write(get.repeat(2_000));
    await once(many, 'close');
    assert.ok(waiting.length < 200, `${waiting.length} are kept`);
    for (const answer of waiting.splice(0)) answer();
    let text = '';
    few.setEncoding('utf8').on('data', (data) => {
      text += data;
    });
    while (text.split('HTTP/1.1 200 OK').length <= 20) await once(few, 'data');
  });
});
