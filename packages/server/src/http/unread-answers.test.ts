import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { Listener } from './listener.ts';
import { UnreadAnswers } from './unread-answers.ts';

/** More than two systems keep of a connection that is not read. */
const LARGE = 32 * 1024 * 1024;

const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
};

async function listening(t: TestContext, options: ConstructorParameters<typeof UnreadAnswers>[0]) {
  const unread = new UnreadAnswers(options);
  const listener = new Listener({ unread, graceMs: 100 });
  listener.serve(({ url }, response) => {
    response.end(Buffer.alloc(url === '/large' ? LARGE : 10, 'x'));
  });
  await listener.listen(0, '127.0.0.1');
  t.after(() => listener.close());
  listener.open(() => undefined);
  const ask = (path: string, times = 1): Socket => {
    const socket = connect(listener.port, '127.0.0.1').pause();
    socket.on('error', () => undefined);
    t.after(() => socket.destroy());
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(times));
    return socket;
  };
  return { unread, listener, ask };
}

/** Lets a client read from now on. @returns the bytes that it has read */
function reading(socket: Socket): () => number {
  let bytes = 0;
  socket.on('data', (data) => {
    bytes += data.length;
  });
  socket.resume();
  return () => bytes;
}

describe('a client that does not read its answer', () => {
  it('is cut after a while without a byte', async (t) => {
    const { unread, listener, ask } = await listening(t, { patience: 50 });
    ask('/large');
    await until(() => unread.bytes > 0);
    await until(() => listener.connections === 0);
    assert.equal(unread.bytes, 0);
  });

  it('is cut at once where too much waits: who has kept its answer longest, and nobody else', async (t) => {
    const { unread, listener, ask } = await listening(t, { most: 2.5 * LARGE });
    ask('/large');
    await until(() => unread.bytes > 0);
    const others = [];
    for (let n = 0; n < 2; n++) {
      const before = unread.bytes;
      others.push(ask('/large'));
      if (n === 0) await until(() => unread.bytes > before);
    }
    await until(() => listener.connections === 2);
    for (const bytes of others.map(reading)) await until(() => bytes() > LARGE);
    await until(() => unread.bytes === 0);
  });

  it('counts with all that it has asked ahead, and that is gone with its connection', async (t) => {
    const { unread, ask } = await listening(t, {});
    const socket = ask('/large', 3);
    await until(() => unread.bytes > 2 * LARGE);
    socket.destroy();
    await until(() => unread.bytes === 0);
  });
});

describe('a client that reads', () => {
  it('slowly gets all of its answer, and the next on the same connection', async (t) => {
    const { unread, ask } = await listening(t, { patience: 2_000 });
    const socket = ask('/large');
    await until(() => unread.bytes > 0);
    const bytes = reading(socket);
    await until(() => bytes() > LARGE);
    const before = bytes();
    socket.write('GET /small HTTP/1.1\r\nHost: x\r\n\r\n');
    await until(() => bytes() > before);
    assert.equal(socket.destroyed, false);
  });
});
