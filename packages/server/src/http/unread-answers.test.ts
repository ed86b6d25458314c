import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { Listener } from './listener.ts';
import { UnreadAnswers } from './unread-answers.ts';

/** More than two systems keep of a connection that is not read. */
const LARGE = 32 * 1024 * 1024;

const LONG_TEXT = 'aä€'.repeat(200_000);

const BODIES: Readonly<Record<string, string | Buffer>> = {
  '/large': Buffer.alloc(LARGE, 'x'),
  '/text': LONG_TEXT,
  '/bytes': Buffer.from(LONG_TEXT),
};

const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
};

async function listening(t: TestContext, options: ConstructorParameters<typeof UnreadAnswers>[0]) {
  const unread = new UnreadAnswers(options);
  const listener = new Listener({ unread, graceMs: 100 });
  const served: Socket[] = [];
  listener.serve(({ url, socket }, response) => {
    served.push(socket);
    response.end(BODIES[url ?? ''] ?? 'x'.repeat(10));
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
  return { unread, listener, served, ask };
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

  it('where too much waits, only the connection whose answer has waited longest is cut, at once', async (t) => {
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
  it('shows that it does after each part: its connection is given no more of a long answer at once', async (t) => {
    const { unread, served, ask } = await listening(t, {});
    ask('/large');
    await until(() => unread.bytes > 0 && (served[0]?.writableLength ?? 0) > 0);
    const { writableLength = LARGE } = served[0] ?? {};
    assert.ok(writableLength <= 512 * 1024, `${writableLength} bytes at once`);
  });

  for (const path of ['/text', '/bytes']) {
    it(`gets a long answer whole, with its length: ${path}`, async (t) => {
      const { listener } = await listening(t, {});
      const url = `http://127.0.0.1:${listener.port}${path}`;
      const answer = await fetch(url);
      assert.equal(answer.headers.get('content-length'), String(Buffer.byteLength(LONG_TEXT)));
      assert.equal(await answer.text(), LONG_TEXT);
      const head = await fetch(url, { method: 'HEAD' });
      assert.deepEqual([head.status, await head.text()], [200, '']);
    });
  }

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
