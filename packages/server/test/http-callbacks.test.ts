/** Webhook callbacks that behave badly, on real sockets (WEB-4). */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import type { Clock } from '@lockstep/hub';
import { AddressPolicy, type Lookup } from '../src/callbacks/address-policy.ts';
import { type HttpCallbackOptions, HttpCallbacks } from '../src/callbacks/http-callbacks.ts';
import { systemClock } from '../src/system.ts';
import { CallbackServer } from './callback-server.ts';
import { selfSigned } from './certificate.ts';

const BODY = Buffer.from('{}');

/** For what answers: longer than any machine needs. ms */
const PATIENT = 60_000;
/** For what never answers, ms. */
const SHORT = { timeoutMs: 300 };
/** For what begins to answer, which takes a busy machine some time, and never ends. ms */
const BEGUN = { timeoutMs: 2000 };

/** No time limit passes unless a test says so. */
class TestClock implements Clock {
  #now = 0;
  readonly #timers = new Set<{ readonly at: number; readonly run: () => void }>();

  /** Later at each look: no window of calls is ever full. */
  now(): number {
    this.#now += 100;
    return this.#now;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: ms, run };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** What waits for no longer than this is due. ms */
  pass(ms: number): void {
    for (const timer of this.#timers) {
      if (timer.at > ms) continue;
      this.#timers.delete(timer);
      timer.run();
    }
  }
}

function callbacks(t: TestContext, options: Partial<HttpCallbackOptions> = {}): HttpCallbacks {
  const policy = new AddressPolicy({ open: true, allowed: [] });
  const made = new HttpCallbacks({ policy, clock: systemClock, timeoutMs: PATIENT, ...options });
  t.after(() => made.close());
  return made;
}

async function server(t: TestContext, tls?: Parameters<typeof CallbackServer.start>[0]): Promise<CallbackServer> {
  const made = await CallbackServer.start(tls);
  t.after(() => made.close());
  return made;
}

/** A server that speaks in bytes; `ended` counts connections that the caller has closed. */
async function raw(t: TestContext, say: (socket: Socket) => void): Promise<{ url: string; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>();
  const listening = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.once('data', () => say(socket));
  });
  listening.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    listening.close();
  });
  const address = listening.address();
  assert.ok(typeof address === 'object' && address);
  return { url: `http://127.0.0.1:${address.port}/`, sockets };
}

/** Waits for every connection to have been closed by the caller. */
async function closed(sockets: ReadonlySet<Socket>): Promise<void> {
  for (const socket of sockets) await new Promise((resolve) => socket.once('close', resolve));
}

/** The one is answered while the others still hang. */
async function before(others: readonly Promise<unknown>[], one: Promise<{ readonly status: number }>): Promise<void> {
  const first = await Promise.race([one, ...others.map((other) => other.then(() => undefined))]);
  assert.equal(first?.status, 200, 'it had to wait');
}

describe('WEB-2 calls', () => {
  it('POST bytes and headers, and give the status', async (t) => {
    const there = await server(t);
    there.answer = (_, response) => response.writeHead(202).end('thank you');
    const answer = await callbacks(t).post(`${there.url}?a=1`, BODY, { 'x-hub-signature': 'sha256=00' }, 0);
    assert.equal(answer.status, 202);
    const [got] = there.requests;
    assert.deepEqual([got?.method, got?.url.search, got?.headers['x-hub-signature']], ['POST', '?a=1', 'sha256=00']);
    assert.deepEqual(got?.bytes, BODY);
  });

  it('keep their connection for the next one', async (t) => {
    const there = await server(t);
    const ports = new Set<number | undefined>();
    there.answer = (_, response) => {
      ports.add(response.socket?.remotePort);
      response.end();
    };
    const calls = callbacks(t);
    for (let index = 0; index < 5; index++) await calls.post(there.url, BODY, {}, 0);
    // One may still be giving its connection back while the next begins.
    assert.ok(ports.size <= 2, `${ports.size} connections`);
  });

  it('go over TLS to certificates that are trusted, and to no others', async (t) => {
    const tls = selfSigned();
    const there = await server(t, tls);
    assert.equal((await callbacks(t, { ca: tls.cert }).post(there.url, BODY, {}, 0)).status, 200);
    assert.equal((await callbacks(t).post(there.url, BODY, {}, 0)).status, 0);
    assert.equal((await callbacks(t, { ca: selfSigned().cert }).post(there.url, BODY, {}, 0)).status, 0);
    assert.equal(there.requests.length, 1);
  });

  it('give 0 where the port is closed, and where there is no such name', async (t) => {
    const there = await CallbackServer.start();
    const { url } = there;
    await there.close();
    assert.deepEqual(await callbacks(t).post(url, BODY, {}, 0), { status: 0, body: '' });
    assert.deepEqual(await callbacks(t, SHORT).get('http://no-such-host.invalid/', 0), { status: 0, body: '' });
  });

  it('WEB-3 give the status of a POST as soon as it is there, and hold up nothing until the body is', async (t) => {
    const there = await raw(t, (socket) =>
      socket.write('HTTP/1.1 102 \r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n'),
    );
    const calls = callbacks(t, { timeoutMs: 2 ** 30 });
    assert.deepEqual(await calls.post(there.url, BODY, {}, 0), { status: 200, body: '' });
    assert.deepEqual(await calls.post(there.url, BODY, {}, 0), { status: 200, body: '' });
  });

  it('give 0 once they are closed', async (t) => {
    const there = await server(t);
    const calls = callbacks(t);
    await calls.close();
    assert.equal((await calls.post(there.url, BODY, {}, 0)).status, 0);
  });
});

describe('WEB-4 redirects', () => {
  it('are not followed, least of all to the metadata address', async (t) => {
    const secret = await server(t);
    const there = await server(t);
    for (const location of [secret.url, 'http://169.254.169.254/latest/meta-data/', '//169.254.169.254/']) {
      for (const status of [301, 302, 303, 307, 308]) {
        there.answer = (_, response) => response.writeHead(status, { location }).end();
        assert.equal((await callbacks(t).get(there.url, 0)).status, status);
        assert.equal((await callbacks(t).post(there.url, BODY, {}, 0)).status, status);
      }
    }
    assert.equal(secret.requests.length, 0);
  });
});

describe('WEB-4 forbidden addresses', () => {
  it('are not connected to, though the name was fine when it was checked (DNS rebinding)', async (t) => {
    const there = await server(t);
    let checks = 0;
    const lookup = ((_: string, __: unknown, done: (error: null, found: object[]) => void) => {
      checks += 1;
      done(null, [{ address: checks === 1 ? '93.184.216.34' : '127.0.0.1', family: 4 }]);
    }) as unknown as Lookup;
    const policy = new AddressPolicy({ open: false, allowed: [], lookup });
    const url = `https://rebinding.example:${there.port}/`;
    const calls = callbacks(t, { policy });
    assert.equal(await calls.refusal(url), undefined);
    assert.deepEqual(await calls.get(url, 0), { status: 0, body: '' });
    assert.deepEqual(await calls.post(url, BODY, {}, 0), { status: 0, body: '' });
    assert.equal(there.requests.length, 0);
    assert.ok(checks > 1, 'it was asked again when it connected');
  });

  it('are not connected to when they stand in the URL', async (t) => {
    const there = await server(t, selfSigned());
    const calls = callbacks(t, { policy: new AddressPolicy({ open: false, allowed: [] }) });
    for (const host of ['127.0.0.1', '2130706433', '[::ffff:127.0.0.1]', 'localhost']) {
      assert.equal((await calls.post(`https://${host}:${there.port}/`, BODY, {}, 0)).status, 0, host);
    }
    assert.equal(there.requests.length, 0);
  });
});

describe('WEB-4 callbacks that behave badly are bounded', () => {
  it('one that never answers, never finishes its headers, or never ends its body', async (t) => {
    const silent = await raw(t, () => undefined);
    assert.equal((await callbacks(t, SHORT).get(silent.url, 0)).status, 0);
    const halting = await raw(t, (socket) => socket.write('HTTP/1.1 200 OK\r\nX-A: '));
    assert.equal((await callbacks(t, SHORT).get(halting.url, 0)).status, 0);
    const unending = await raw(t, (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nchall'));
    assert.deepEqual(await callbacks(t, BEGUN).get(unending.url, 0), { status: 200, body: '' });
    // Its connections are closed: nothing of it stays behind.
    for (const { sockets } of [silent, halting, unending]) {
      await closed(sockets);
    }
  });

  it('one that dribbles a byte at a time for ever', async (t) => {
    const there = await raw(t, (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      const timer = setInterval(() => socket.write('1\r\nx\r\n'), 20);
      socket.on('close', () => clearInterval(timer));
    });
    assert.equal((await callbacks(t, BEGUN).post(there.url, BODY, {}, 0)).status, 200);
    await closed(there.sockets);
  });

  it('one that streams without end', async (t) => {
    let sent = 0;
    const there = await raw(t, (socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      const chunk = Buffer.alloc(64 * 1024, 'x');
      const more = (): void => {
        while (!socket.destroyed && socket.write(chunk)) sent += chunk.length;
      };
      socket.on('drain', more);
      more();
    });
    const answer = await callbacks(t).get(there.url, 0);
    assert.equal(answer.status, 200);
    assert.equal(answer.body, '', 'no part of it is taken for the whole');
    await closed(there.sockets);
    assert.ok(sent < 16 * 1024 * 1024, `${sent} bytes were read`);
  });

  it('one that speaks no HTTP, or too many headers of it', async (t) => {
    const calls = callbacks(t);
    for (const text of [
      'SSH-2.0-OpenSSH_9.7\r\n',
      '\0\0\0',
      'HTTP/1.1 abc\r\n\r\n',
      `HTTP/1.1 200 OK\r\nX-A: ${'a'.repeat(100_000)}\r\n\r\n`,
    ]) {
      const there = await raw(t, (socket) => socket.end(text));
      assert.equal((await calls.get(there.url, 0)).status, 0);
    }
  });

  it('one that closes instead of answering', async (t) => {
    const there = await raw(t, (socket) => socket.destroy());
    assert.equal((await callbacks(t).post(there.url, BODY, {}, 0)).status, 0);
  });

  it('one host never has more than 64 calls under way, and delays no other', async (t) => {
    let most = 0;
    let isOver = false;
    const hanging = await raw(t, (socket) => {
      most = Math.max(most, hanging.sockets.size);
      if (isOver) socket.destroy();
    });
    const there = await server(t);
    const calls = callbacks(t);
    const many = Array.from({ length: 200 }, () => calls.post(hanging.url, BODY, {}, 0));
    await before(many, calls.post(there.url, BODY, {}, 0));
    isOver = true;
    for (const socket of hanging.sockets) socket.destroy();
    const statuses = new Set((await Promise.all(many)).map(({ status }) => status));
    assert.deepEqual([...statuses], [0]);
    assert.ok(most > 0 && most <= 64, `${most} at once`);
  });

  for (const [which, failures] of [
    ['answered', 0],
    ['did not answer', 1],
  ] as const) {
    it(`WEB-3 a host that never ends its answers costs nobody an event, where it ${which} last time`, async (t) => {
      let answered = 0;
      const there = await server(t);
      const endless = await raw(t, (socket) => {
        answered += 1;
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n');
      });
      const clock = new TestClock();
      const calls = callbacks(t, { clock });
      const post = (url: string): Promise<{ readonly status: number }> => calls.post(url, BODY, {}, failures);
      const many = [];
      // Few at once, and all at once.
      for (let index = 0; index < 100; index++) many.push(await post(endless.url));
      many.push(...(await Promise.all(Array.from({ length: 100 }, () => post(endless.url)))));
      const last = [await post(endless.url), await post(there.url)];
      assert.deepEqual([...new Set([...many, ...last].map(({ status }) => status))], [200]);
      assert.equal(answered, 201);
      // A second later nothing of it is left.
      clock.pass(1000);
      await closed(endless.sockets);
    });
  }

  it('a thousand callbacks that did not answer last time do not delay those that answer', async (t) => {
    const hanging = await raw(t, () => undefined);
    const there = await server(t);
    const calls = callbacks(t);
    const many = Array.from({ length: 1000 }, (_, index) => calls.post(hanging.url, BODY, {}, 1 + (index % 8)));
    await before(many, calls.post(there.url, BODY, {}, 0));
    await before(many, calls.get(there.url, 0));
  });
});
