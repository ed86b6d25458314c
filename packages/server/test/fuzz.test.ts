/**
 * Whatever comes through the HTTP and the WebSocket door: no crash, no 5xx, nobody else disturbed. What is sent follows from
 * a seed, which a failure prints.
 */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { changed, oddTexts, places } from '../../../scripts/odd-json.ts';
import { Backend, HubClient, type Json, json, patient, Subscriber, sharedLockstep } from './harness.ts';

const { origin, port } = await sharedLockstep({ sampleData: false, graceSeconds: 0 });
const backend = await Backend.register(origin);
const hub = new HubClient(`${origin}/hub`, await backend.token());

/** A session that nothing is sent to on purpose, and somebody who follows it. */
const calm = await hub.session();
const bystander = await hub.subscribe(calm, '*');
await bystander.next();

/** The bystander is served as always. */
async function undisturbed(): Promise<void> {
  const id = crypto.randomUUID();
  assert.equal((await hub.publish(calm, 'Patient-open', [patient('calm')], { id })).status, 202);
  assert.equal((await bystander.next()).id, id);
}

const topic = await hub.session();
await hub.publish(topic, 'Patient-open', [patient('p1')]);

/** The same every time, unless another seed is given to look further. */
const seed = Number(process.env.FUZZ_SEED ?? 1);
const runs = (numRuns: number) => ({ numRuns, seed, endOnFailure: true });

// ---- what is sent -----------------------------------------------------------------------------------------------------

const NASTY: readonly unknown[] = [
  '__proto__',
  'constructor',
  'toString',
  '',
  '\u0000',
  '\ud800',
  '\u2028',
  '*',
  '../../etc/passwd',
  "' OR 1=1 --",
  'x'.repeat(5000),
  0,
  -0,
  1e308,
  Number.MAX_SAFE_INTEGER,
  null,
  true,
  [],
  {},
  [[]],
  [null],
  { __proto__: null },
];
const nasty = fc.constantFrom(...NASTY);
const anything = fc.oneof({ weight: 2, arbitrary: nasty }, { weight: 1, arbitrary: fc.jsonValue() });

const event: Json = {
  timestamp: '2026-01-08T01:37:05Z',
  id: 'e',
  event: { 'hub.topic': topic, 'hub.event': 'Patient-open', 'context.versionId': 'v', context: [patient('p1')] },
};
const update: Json = {
  ...event,
  event: {
    'hub.topic': topic,
    'hub.event': 'Patient-update',
    'context.versionId': 'v',
    context: [
      { key: 'patient', reference: { reference: 'Patient/p1' } },
      {
        key: 'updates',
        resource: {
          resourceType: 'Bundle',
          type: 'transaction',
          entry: [
            { fullUrl: 'urn:x', request: { method: 'PUT', url: 'X/1' }, resource: { resourceType: 'X', id: '1' } },
          ],
        },
      },
    ],
  },
};
const form: Json = {
  'hub.channel.type': 'websocket',
  'hub.mode': 'subscribe',
  'hub.topic': topic,
  'hub.events': 'Patient-open',
  'hub.lease_seconds': '60',
  'hub.channel.endpoint': 'wss://x/y',
  'subscriber.name': 'x',
};
const session: Json = { user: 'Practitioner/1', workstation: 'WS', label: 'x' };

/** An event that is not a retry of the one before, which would be answered without a look into it (PUB-7). */
function fresh(value: unknown): unknown {
  const is = typeof value === 'object' && value !== null && (value as Json).id === event.id;
  return is ? { ...value, id: crypto.randomUUID() } : value;
}

/** A good value with one to three places replaced or taken out. */
function mutated(good: Json): fc.Arbitrary<unknown> {
  const change = fc.tuple(fc.constantFrom(...places(good)), fc.oneof(anything, fc.constant(undefined)));
  return fc
    .array(change, { minLength: 1, maxLength: 3 })
    .map((changes) => changes.reduce((value: unknown, [path, to]) => changed(value, path, to), good));
}

const deep = fc
  .tuple(fc.constantFrom('[', '{"a":', '[{"a":', '{"context":['), fc.integer({ min: 50, max: 20_000 }), fc.boolean())
  .map(([open, depth, closed]) => {
    const close = [...open].reverse().flatMap((c) => (c === '[' ? [']'] : c === '{' ? ['}'] : []));
    return open.repeat(depth) + (closed ? `1${close.join('').repeat(depth)}` : '');
  });

/** JSON text with something done to it that JSON.stringify would never do. */
const broken = fc
  .tuple(
    fc.constantFrom(event, update, form, session),
    fc.nat(),
    fc.constantFrom('cut', 'double', 'byte', 'proto', 'nul'),
  )
  .map(([good, at, what]) => {
    const text = JSON.stringify(good);
    const index = at % text.length;
    switch (what) {
      case 'cut':
        return text.slice(0, index);
      case 'double':
        return text.replace('{', `{"id":1,"event":2,"hub.mode":"subscribe",${text.slice(1, -1)},`);
      case 'proto':
        return text.replaceAll('{', '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},');
      case 'nul':
        return `${text.slice(0, index)}\u0000${text.slice(index)}`;
      default:
        return text.slice(0, index) + String.fromCharCode(33 + (at % 90)) + text.slice(index + 1);
    }
  });

const jsonBody = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.oneof(mutated(event), mutated(update)).map((value) => JSON.stringify(fresh(value)) ?? ''),
  },
  { weight: 2, arbitrary: fc.oneof(mutated(form), mutated(session)).map((value) => JSON.stringify(value) ?? '') },
  { weight: 2, arbitrary: broken },
  { weight: 1, arbitrary: deep },
  { weight: 1, arbitrary: fc.json() },
);
const formBody = fc
  .array(
    fc.tuple(
      fc.constantFrom(...Object.keys(form), 'hub.secret', 'x'),
      fc.oneof(fc.constantFrom(...Object.values(form)), fc.string()),
    ),
    {
      maxLength: 9,
    },
  )
  .map((fields) => new URLSearchParams(fields as [string, string][]).toString());
const bytes = fc.uint8Array({ maxLength: 300 }).map((list) => Buffer.from(list));
const body: fc.Arbitrary<string | Buffer> = fc.oneof(
  { weight: 5, arbitrary: jsonBody },
  { weight: 2, arbitrary: formBody },
  { weight: 1, arbitrary: bytes },
);

const contentType = fc.oneof(
  { weight: 6, arbitrary: fc.constant('application/json') },
  { weight: 2, arbitrary: fc.constant('application/x-www-form-urlencoded') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'application/fhir+json; charset=utf-16',
      'text/plain',
      'application/json;;;=',
      'multipart/form-data',
      '',
      '*/*',
    ),
  },
);

const segment = fc.constantFrom(
  topic,
  'session',
  'ws',
  '.well-known',
  'fhircast-configuration',
  '..',
  '%2e%2e',
  '%00',
  '%',
  '%E0%A4%A',
  '__proto__',
  '',
  ' ',
  'é',
  'x'.repeat(2000),
);
const path = fc
  .tuple(
    fc.constantFrom('/hub', '/hub', '/api/hub', '//hub/', '/', '*', 'hub', '/HUB'),
    fc.array(segment, { maxLength: 3 }),
    fc.constantFrom('', '?', '?since=x', '?user=?&user', '?%', '??=&&'),
  )
  .map(([base, segments, query]) => [base, ...segments].join('/') + query);

// ---- the raw door -----------------------------------------------------------------------------------------------------

/** Sends bytes on a connection of its own. @returns all of the answer, once the server has ended it */
function raw(...chunks: (string | Buffer)[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    const answer: Buffer[] = [];
    socket.on('connect', () => {
      for (const chunk of chunks) socket.write(chunk);
      socket.end();
    });
    socket.on('data', (data) => answer.push(data));
    socket.on('close', () => resolve(Buffer.concat(answer).toString('latin1')));
    // The server may have had enough before all of it was sent.
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (!['ECONNRESET', 'EPIPE'].includes(error.code ?? '')) reject(error);
    });
  });
}

function statuses(answer: string): readonly number[] {
  return [...answer.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, status]) => Number(status));
}

function noServerError(answer: string): void {
  for (const status of statuses(answer)) assert.ok(status < 500, answer.slice(0, 500));
}

const clean = (text: string): string => text.replace(/[\r\n]/g, '');

describe('the HTTP door', () => {
  it('takes any body at any address without a 5xx', async () => {
    const address = fc.oneof(
      { weight: 5, arbitrary: fc.constant('') },
      { weight: 2, arbitrary: fc.constantFrom(`/${topic}`, '/session', `/session/${topic}x`) },
    );
    await fc.assert(
      fc.asyncProperty(address, contentType, body, async (to, type, content) => {
        const response = await hub.request(to, {
          method: 'POST',
          headers: { 'content-type': type },
          body: typeof content === 'string' ? content.toWellFormed() : content,
        });
        const text = await response.text();
        assert.ok(response.status < 500, `${response.status} ${text}`);
        if (response.status >= 400) assert.ok(text.length > 1, 'a refusal without a reason');
      }),
      runs(600),
    );
    assert.equal(({} as Json).polluted, undefined);
    await undisturbed();
  });

  it('takes any address, method, header and framing without a 5xx', async () => {
    const method = fc.constantFrom('GET', 'POST', 'DELETE', 'PUT', 'PATCH', 'HEAD', 'OPTIONS', 'TRACE', 'BREW', 'get');
    const header = fc.constantFrom(
      `Authorization: Bearer ${hub.token}`,
      'Authorization: Bearer x',
      'Content-Length: 5',
      'Content-Length: -1',
      'Content-Length: 99999999999',
      'Transfer-Encoding: chunked',
      'Content-Type: application/json',
      'Content-Type: application/x-www-form-urlencoded',
      'Expect: 100-continue',
      'Upgrade: websocket',
      'Connection: Upgrade',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      'Sec-WebSocket-Version: 13',
      `X: ${'x'.repeat(3000)}`,
      ': x',
      'Host: elsewhere.example',
    );
    await fc.assert(
      fc.asyncProperty(
        method,
        path,
        fc.uniqueArray(header, { maxLength: 6 }),
        body,
        async (verb, target, headers, content) => {
          const head = `${verb} ${clean(target)} HTTP/1.1\r\nHost: localhost:${port}\r\nConnection: close\r\n`;
          noServerError(
            await raw(
              Buffer.from(`${head}${headers.map((line) => `${line}\r\n`).join('')}\r\n`, 'latin1'),
              Buffer.from(content),
            ),
          );
        },
      ),
      runs(250),
    );
    await undisturbed();
  });

  it('takes bytes that are no HTTP at all', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(bytes, { minLength: 1, maxLength: 4 }), async (chunks) =>
        noServerError(await raw(...chunks)),
      ),
      runs(60),
    );
    await undisturbed();
  });
});

describe('the WebSocket door', () => {
  /** A frame as a client sends it, whether it may or not. */
  const frame = fc
    .record({
      fin: fc.boolean(),
      reserved: fc.constantFrom(0, 0, 0, 1, 7),
      opcode: fc.constantFrom(1, 1, 1, 2, 0, 8, 9, 10, 3, 15),
      masked: fc.constantFrom(true, true, true, false),
      length: fc.constantFrom('true', 'true', 'true', 'more', 'huge'),
      payload: fc.oneof(
        bytes,
        fc
          .constantFrom('{"type":"ping"}', '{"id":"x","status":409}', '{"id":5}', '[[[[', '{"__proto__":{"id":"x"}}')
          .map((text) => Buffer.from(text)),
        jsonBody.map((text) => Buffer.from(text).subarray(0, 70_000)),
      ),
    })
    .map(({ fin, reserved, opcode, masked, length, payload }) => {
      const first = (fin ? 0x80 : 0) | (reserved << 4) | opcode;
      const mask = masked ? 0x80 : 0;
      const size = length === 'true' ? payload.length : length === 'more' ? payload.length + 10 : 2 ** 40;
      const head =
        size < 126
          ? Buffer.from([first, mask | size])
          : size < 65_536
            ? Buffer.from([first, mask | 126, size >> 8, size & 255])
            : Buffer.concat([Buffer.from([first, mask | 127]), bigEndian(size)]);
      // Masked with zeros: what it says is what it is.
      return Buffer.concat([head, Buffer.alloc(masked ? 4 : 0), payload]);
    });

  function bigEndian(size: number): Buffer {
    const buffer = Buffer.alloc(8);
    buffer.writeBigUInt64BE(BigInt(size));
    return buffer;
  }

  it('takes everything nasty in an answer', async () => {
    const subscriber = await hub.subscribe(topic, 'org.example.mark');
    await subscriber.next();
    const id = crypto.randomUUID();
    assert.equal((await hub.publish(topic, 'org.example.mark', [], { id })).status, 202);
    const answer = { id, status: 200, reason: 'x', type: 'ping', event: { id } };
    for (const text of oddTexts(answer)) subscriber.socket.send(text);
    for (const text of oddTexts({ ID: id, ' Status ': '200 OK' })) subscriber.socket.send(text);
    while ((await subscriber.next()).id !== id);
    subscriber.socket.send('{"type":"ping"}');
    while ((await subscriber.next()).type !== 'pong');
    await subscriber.close();
    await undisturbed();
  });

  it('takes any frames; the others in the same session get every event', async () => {
    const subscriber = await hub.subscribe(topic, 'org.example.mark');
    await subscriber.next();
    await fc.assert(
      fc.asyncProperty(fc.array(frame, { minLength: 1, maxLength: 5 }), async (frames) => {
        const attacker = await hub.subscribe(topic, 'SyncError');
        const socket = (attacker.socket as unknown as { _socket: Socket })._socket;
        for (const one of frames) socket.write(one);
        socket.end();
        await attacker.closed;
        const id = crypto.randomUUID();
        assert.equal((await hub.publish(topic, 'org.example.mark', [], { id })).status, 202);
        assert.equal((await subscriber.next()).id, id);
      }),
      runs(120),
    );
    await subscriber.close();
    await undisturbed();
  });

  it('takes any upgrade request: a 4xx, or a socket', async () => {
    const endpoint = await hub.subscribe(topic, 'SyncError');
    const { pathname } = new URL(endpoint.endpoint);
    const target = fc.oneof(
      path,
      fc.constantFrom(pathname, `${pathname}?since=${'x'.repeat(3000)}`, `${pathname}/x`, `${pathname}%00`),
    );
    const header = fc.constantFrom(
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      'Sec-WebSocket-Key: x',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Version: 99',
      'Sec-WebSocket-Protocol: a, b',
      'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=99',
      'Origin: https://evil.example',
      'Content-Length: 5',
    );
    await fc.assert(
      fc.asyncProperty(target, fc.uniqueArray(header, { maxLength: 5 }), bytes, async (to, headers, rest) => {
        const lines = [`GET ${clean(to)} HTTP/1.1`, 'Host: x', 'Connection: Upgrade', 'Upgrade: websocket', ...headers];
        const answer = await raw(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), rest);
        noServerError(answer);
      }),
      runs(150),
    );
    await undisturbed();
  });
});

it('after all of it Lockstep is as well as before', async () => {
  for (const state of ['live', 'ready']) assert.equal((await fetch(`${origin}/health/${state}`)).status, 200);
  assert.equal((await json(hub.request(`/${calm}`)))['context.type'], 'Patient');
  assert.equal(bystander.waiting.length, 0);
  const again = await Subscriber.connect(bystander.endpoint);
  assert.equal((await again.next())['hub.mode'], 'subscribe');
  await again.close();
});
