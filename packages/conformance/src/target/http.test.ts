import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { Transcript } from '../transcript.ts';
import { send } from './http.ts';

/** A server that does with each connection what it is told. @returns its address */
async function serve(t: TestContext, answer: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => answer(socket.on('error', () => {})));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

const LIMITS = { timeoutMs: 20_000, rejectUnauthorized: true };
const PART = 'HTTP/1.1 413 Content Too Large\r\nContent-Length: 1000\r\n\r\nto';

test('PUB-6 the status of who refuses a large request by its head counts, though the rest of the answer is lost', async (t) => {
  const url = await serve(t, (socket) => socket.once('data', () => socket.write(PART, () => socket.destroy())));
  const request = { method: 'POST', url, headers: {}, body: 'x'.repeat(200_000) } as const;
  assert.equal((await send(request, LIMITS, new Transcript())).status, 413);
});

test('an answer to a whole request that breaks off is none', async (t) => {
  const url = await serve(t, (socket) => socket.once('data', () => socket.end(PART)));
  const request = { method: 'POST', url, headers: {}, body: 'short' } as const;
  await assert.rejects(send(request, LIMITS, new Transcript()), /the body broke off/);
});
