/** Events take a short way past the web framework. Nobody may be able to tell: `/api/hub` is the same address by the long way. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { text as textOfStream } from 'node:stream/consumers';
import { after, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { startLockstep } from '@lockstep/server';
import { openSqlite } from '@lockstep/store-sqlite';
import { Backend, HubClient, type Json, patient, report, sharedLockstep, testConfig, withLockstep } from './harness.ts';

/** Requests whose handler the framework has called. */
let handled = 0;
const seen = (): void => {
  handled += 1;
};
subscribe('tracing:fastify.request.handler:start', seen);
after(() => unsubscribe('tracing:fastify.request.handler:start', seen));

const { origin, port } = await sharedLockstep({ bodyLimit: 20_000 });
const backend = await Backend.register(origin);
const hub = new HubClient(`${origin}/hub`, await backend.token());
const follower = new HubClient(`${origin}/hub`, await backend.token('fhircast/*.read'));
const topic = await hub.session('Practitioner/1');
const elsewhere = await hub.session('Practitioner/2');

interface Wire {
  readonly head: readonly string[];
  readonly body: Buffer | string;
  /** Whether the sender is gone after it. */
  readonly ends?: boolean;
}

/** Everything that comes back until the connection ends. */
async function answerOf(socket: Socket): Promise<string> {
  const text = await textOfStream(socket);
  return text.replace(/^date: .*\r\n/im, '');
}

/** Sends bytes as they are. */
function exchange(to: number, path: string, { head, body, ends = false }: Wire): Promise<string> {
  const socket = connect(to, '127.0.0.1', () => {
    const [first = '', ...headers] = head;
    socket.write(`${[first.replace('/hub', path), ...headers, 'Connection: close'].join('\r\n')}\r\n\r\n`);
    if (ends) socket.end(body);
    else socket.write(body);
  });
  return answerOf(socket);
}

function wire(body: Buffer | string, headers: readonly string[] = [], first = 'POST /hub HTTP/1.1'): Wire {
  const own = (name: string): boolean => headers.some((one) => one.toLowerCase().startsWith(`${name}:`));
  const usual = [
    ...(own('host') ? [] : ['Host: lockstep.localhost']),
    ...(own('x-request-id') ? [] : ['X-Request-Id: one-request']),
    ...(own('authorization') ? [] : [`Authorization: Bearer ${hub.token}`]),
    ...(own('content-type') ? [] : ['Content-Type: application/json']),
    ...(own('content-length') || own('transfer-encoding') ? [] : [`Content-Length: ${Buffer.byteLength(body)}`]),
  ];
  return { head: [first, ...usual, ...headers], body };
}

const event = (more: Json = {}, name = 'Patient-open', context: unknown[] = [patient('1')], id?: string): Json => ({
  timestamp: '2026-01-08T01:37:05.140Z',
  id: id ?? crypto.randomUUID(),
  event: { 'hub.topic': topic, 'hub.event': name, context, ...more },
});
const text = (of: Json = event()): string => JSON.stringify(of);
const at = (segment: string, query = ''): string => `POST /hub/${segment}${query} HTTP/1.1`;
const used = event();
assert.equal((await hub.json('', used)).status, 202);

/** Accepted: each is made once for each of the two ways. */
const ACCEPTED: Readonly<Record<string, () => Wire>> = {
  'an event': () => wire(text()),
  'an event at its topic': () => wire(text(), [], at(topic)),
  'FHIR JSON': () => wire(text(), ['Content-Type: application/fhir+json']),
  'a charset': () => wire(text(), ['Content-Type: application/json; charset=utf-8']),
  'a byte order mark': () => wire(`\uFEFF${text()}`),
  'white space around it': () => wire(` \n${text()}\n `),
  'bearer in small letters': () => wire(text(), [`Authorization: bearer  ${hub.token} `]),
  'a trace': () => wire(text(), ['traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01']),
  'a retry': () => wire(text(used)),
  'an event beside members of a subscription': () => wire(text({ ...event(), 'hub.mode': 'x' }), [], at(topic)),
};

/** Accepted, by the long way only. */
const UNUSUAL: Readonly<Record<string, () => Wire>> = {
  'in chunks': () => {
    const body = text();
    const chunked = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
    return wire(chunked, ['Transfer-Encoding: chunked']);
  },
  'another spelling of the charset': () => wire(text(), ['Content-Type: application/json ;charset="UTF-8"']),
  'a slash at the end': () => wire(text(), [], 'POST /hub/ HTTP/1.1'),
  'a query': () => wire(text(), [], at(topic, '?a=b')),
  'an encoded topic': () => wire(text(), [], at(`%${topic.charCodeAt(0).toString(16)}${topic.slice(1)}`)),
  'a wish to go on': () => wire(text(), ['Expect: 100-continue']),
  'a wish to upgrade': () => wire(text(), ['Connection: Upgrade', 'Upgrade: h2c']),
};

const deep = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`;
const raw = (inside: string): string => text().replace('"context":[', `"context":[${inside},`);
const REFUSED: Readonly<Record<string, () => Wire>> = {
  'no token': () => wire(text(), ['Authorization: ']),
  'an unknown token': () => wire(text(), ['Authorization: Bearer unknown']),
  'a token of another scheme': () => wire(text(), [`Authorization: DPoP ${hub.token}`]),
  'a password': () => wire(text(), ['Authorization: Basic YTpi']),
  'a token that is no token': () => wire(text(), ['Authorization: Bearer a b']),
  'a token that may only read': () => wire(text(), [`Authorization: Bearer ${follower.token}`]),
  'no body': () => wire(''),
  'white space': () => wire(' '),
  'no JSON': () => wire('{"event":'),
  'no UTF-8': () => wire(Buffer.from([0x22, 0xff, 0x22])),
  'a number': () => wire('1'),
  'a string': () => wire('"event"'),
  null: () => wire('null'),
  'a list': () => wire(`[${text()}]`),
  'a name twice': () => wire(raw('{"key":"a","key":"b"}')),
  'a name that is unsafe': () => wire(raw('{"__proto__":1}')),
  'JSON that is too deep': () => wire(raw(deep(70))),
  'JSON with too much in it': () => wire(raw(`[${'1,'.repeat(9000)}1]`)),
  'a body that is too large': () => wire(text({ ...event(), more: 'x'.repeat(30_000) })),
  'a compressed body': () => wire(gzipSync(text()), ['Content-Encoding: gzip']),
  'plain text': () => wire(text(), ['Content-Type: text/plain']),
  'a content type that is none': () => wire(text(), ['Content-Type: application']),
  'no content type': () => wire(text(), ['Content-Type: ']),
  'a form': () => wire('hub.mode=subscribe', ['Content-Type: application/x-www-form-urlencoded']),
  'a form with a token': () =>
    wire(`access_token=${hub.token}`, ['Authorization: ', 'Content-Type: application/x-www-form-urlencoded']),
  'a subscription that says nothing': () => wire('{"hub.mode":"subscribe"}'),
  'a subscription at a topic': () => wire('{"hub.mode":"subscribe"}', [], at(topic)),
  'no event': () => wire('{}'),
  'an event that is a text': () => wire('{"timestamp":"2026-01-08T01:37:05.140Z","id":"1","event":"Patient-open"}'),
  'no id': () => wire(text({ ...event(), id: undefined })),
  'no topic': () => wire(text(event({ 'hub.topic': undefined }))),
  'an unknown topic': () => wire(text(event({ 'hub.topic': 'nowhere' }))),
  'the path of another topic': () => wire(text(), [], at(elsewhere)),
  'the path of no topic': () => wire(text(), [], at('nowhere')),
  'a path that is another address': () => wire(text(), [], at('session')),
  'a path with more of a path': () => wire(text(), [], at(`${topic}/more`)),
  'a path that cannot be read': () => wire(text(), [], at('%ff')),
  'the path of a socket': () => wire(text(), [], at('ws')),
  'an id that was used': () => wire(text(event({}, 'Patient-open', [patient('2')], String(used.id)))),
  'no context': () => wire(text(event({ context: undefined }))),
  'an empty context': () => wire(text(event({}, 'Patient-open', []))),
  'an update without a version': () => wire(text(event({}, 'DiagnosticReport-update', [report('1')]))),
  'an update of what is not open': () =>
    wire(text(event({ 'context.versionId': '1' }, 'DiagnosticReport-update', [report('1')]))),
  'the close of what is not open': () => wire(text(event({}, 'Patient-close', [patient('9')]))),
  'two Host headers': () => wire(text(), ['Host: a', 'Host: b']),
  'a body shorter than it says': () => ({ ...wire(text(), ['Content-Length: 2000']), ends: true }),
  'a length that is none': () => wire(text(), ['Content-Length: 1e3']),
  'two lengths': () => wire(text(), ['Content-Length: 5', 'Content-Length: 6']),
  'another method': () => wire(text(), [], 'PUT /hub HTTP/1.1'),
  'a method in small letters': () => wire(text(), [], 'post /hub HTTP/1.1'),
  'an old version of HTTP': () => wire('{}', [], 'POST /hub HTTP/1.0'),
};

describe('the short way for events', () => {
  for (const [what, make] of Object.entries(ACCEPTED)) {
    it(`is taken by ${what}, with the bytes of the long way`, async () => {
      const before = handled;
      const short = await exchange(port, '/hub', make());
      assert.equal(handled, before, 'the framework was asked');
      assert.match(short, /^HTTP\/1\.1 202 Accepted\r\n/);
      assert.equal(short, await exchange(port, '/api/hub', make()));
      assert.equal(handled, before + 1);
    });
  }

  for (const [what, make] of Object.entries(UNUSUAL)) {
    it(`is not taken by ${what}`, async () => {
      const before = handled;
      const answer = await exchange(port, '/hub', make());
      assert.match(answer, /HTTP\/1\.1 202 Accepted\r\n/);
      assert.equal(answer, await exchange(port, '/api/hub', make()));
      assert.equal(handled, before + 2);
    });
  }

  for (const [what, make] of Object.entries(REFUSED)) {
    it(`refuses ${what} with the bytes of the long way`, async () => {
      const refusal = await exchange(port, '/hub', make());
      assert.match(refusal, /^(HTTP\/1\.1 [45]\d\d |$)/);
      assert.equal(refusal, await exchange(port, '/api/hub', make()));
    });
  }

  it('says too many requests with the bytes of the long way', () =>
    withLockstep(
      async (limited) => {
        const client = await Backend.register(limited.origin);
        const token = await client.token();
        const burst = async (path: string): Promise<string> => {
          for (;;) {
            const answer = await exchange(limited.port, path, wire('{}', [`Authorization: Bearer ${token}`]));
            if (answer.startsWith('HTTP/1.1 429')) return answer;
            assert.match(answer, /^HTTP\/1\.1 400/);
          }
        };
        assert.equal(await burst('/hub'), await burst('/api/hub'));
      },
      { rateLimit: 20 },
    ));

  it('TOK-6 ends with its token at once', async () => {
    const token = await backend.token();
    const asked = (): Promise<string> => exchange(port, '/hub', wire(text(), [`Authorization: Bearer ${token}`]));
    assert.match(await asked(), /^HTTP\/1\.1 202/);
    await backend.revoke(token);
    assert.match(await asked(), /^HTTP\/1\.1 401/);
  });

  it('is recorded and counted as the long way is', async () => {
    const config = testConfig();
    const file = join(config.data, 'audit.jsonl');
    const paths = ['/hub', '/api/hub'];
    await withLockstep(
      async (audited) => {
        const client = new HubClient(`${audited.origin}/hub`, await (await Backend.register(audited.origin)).token());
        const own = await client.session();
        const asked = (path: string, body: Json, first?: string): Promise<string> =>
          exchange(
            audited.port,
            path,
            wire(
              text(body),
              [`Authorization: Bearer ${client.token}`, 'X-Forwarded-For: 192.0.2.7, 198.51.100.8'],
              first,
            ),
          );
        for (const path of paths) {
          assert.match(await asked(path, event({ 'hub.topic': own })), /^HTTP\/1\.1 202/);
          assert.match(await asked(path, event({ 'hub.topic': own }), at(own)), /^HTTP\/1\.1 202/);
          assert.match(await asked(path, event({ 'hub.topic': own, context: [] })), /^HTTP\/1\.1 400/);
        }
        const metrics = await (await fetch(`${audited.origin}/metrics`)).text();
        const counted = [...metrics.matchAll(/^lockstep_http_request_duration_seconds_count(\{.*"\/hub.*)$/gm)];
        const hubOnly = counted.map(([, of = '']) => of).filter((of) => !of.includes('/session'));
        assert.deepEqual(hubOnly.sort(), [
          '{method="POST",route="/hub",status="202"} 2',
          '{method="POST",route="/hub",status="400"} 2',
          '{method="POST",route="/hub/:topic",status="202"} 2',
        ]);
      },
      { audit: file, trustedProxies: ['127.0.0.1', '198.51.100.8'] },
    );
    const records = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .filter((line) => line.includes('-open'))
      .map((line) => {
        // What differs from record to record: when it was, and its place in the chain.
        const { recorded, extension, ...rest } = JSON.parse(line);
        assert.ok(recorded && extension);
        return rest as Json;
      });
    assert.equal(records.length, 6);
    assert.ok(records.every((record) => JSON.stringify(record).includes('192.0.2.7')));
    assert.deepEqual(records.slice(0, 3), records.slice(3));
  });

  it('PUB-4 answers what it has begun while the server stops, and nothing else', async () => {
    await withLockstep(async (stopping) => {
      const client = new HubClient(`${stopping.origin}/hub`, await (await Backend.register(stopping.origin)).token());
      const own = await client.session();
      const paths = ['/hub', '/api/hub'];
      const halves = await Promise.all(
        paths.map(async (path) => {
          const { head, body } = wire(text(event({ 'hub.topic': own })), [`Authorization: Bearer ${client.token}`]);
          const socket = connect(stopping.port, '127.0.0.1');
          const [first = '', ...headers] = head;
          socket.write(`${[first.replace('/hub', path), ...headers, 'Connection: close'].join('\r\n')}\r\n\r\n`);
          socket.write(String(body).slice(0, 50));
          return { socket, rest: String(body).slice(50) };
        }),
      );
      // An answer on a connection that came later: the halves have been read.
      assert.equal((await client.json('', event({ 'hub.topic': own }))).status, 202);
      const closed = stopping.close();
      await assert.doesNotReject(refusesConnections(stopping.port));
      const answers = await Promise.all(
        halves.map(({ socket, rest }) => {
          socket.write(rest);
          return answerOf(socket);
        }),
      );
      assert.match(answers[0] ?? '', /^HTTP\/1\.1 202/);
      assert.equal(answers[0], answers[1]);
      await closed;
    });
  });

  it('PUB-4 on a connection that is being closed, an event is taken and answered, or neither', async (t) => {
    const config = testConfig();
    t.after(() => rm(config.data, { recursive: true, force: true }));
    const stopping = await startLockstep(config);
    const client = new HubClient(`${stopping.origin}/hub`, await (await Backend.register(stopping.origin)).token());
    const own = await client.session();
    const sent = await Promise.all(
      Array.from({ length: 24 }, async (_, index) => {
        const socket = connect(stopping.port, '127.0.0.1');
        const kept = {
          socket,
          id: crypto.randomUUID(),
          said: '',
          ended: new Promise((resolve) => socket.on('close', resolve)),
          bytes: '',
        };
        socket.on('error', () => undefined);
        socket.setEncoding('utf8').on('data', (data: string) => {
          kept.said += data;
        });
        socket.write('GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n');
        await once(socket, 'data');
        kept.said = '';
        const body = text(event({ 'hub.topic': own }, 'Patient-open', [patient('1')], kept.id));
        const { head } = wire(body, [`Authorization: Bearer ${client.token}`, 'Connection: close']);
        const path = index % 2 === 0 ? '/hub' : '/api/hub';
        kept.bytes = `${head.join('\r\n').replace('/hub', path)}\r\n\r\n${body}`;
        return kept;
      }),
    );
    const [begun, meanwhile, late] = [sent.slice(0, 8), sent.slice(8, 16), sent.slice(16)];
    for (const { socket, bytes } of begun) socket.write(bytes.slice(0, -50));
    // An answer on a connection that came later: what was begun has been read.
    assert.equal((await client.json('', event({ 'hub.topic': own }))).status, 202);
    const closed = stopping.close();
    for (const { socket, bytes } of meanwhile) {
      socket.write(bytes);
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (const { socket, bytes } of begun) socket.write(bytes.slice(-50));
    await refusesConnections(stopping.port);
    for (const { socket, bytes } of late) socket.write(bytes);
    await Promise.all(sent.map(({ ended }) => ended));
    await closed;

    const store = await openSqlite({ path: join(config.data, 'lockstep.db'), log: { count: 100, ageMs: 1e9 } });
    const kept = new Set((await store.sessions.readLog(own, 0))?.map(({ id }) => id));
    await store.close();
    for (const { id, said } of sent) assert.equal(kept.has(id), / 202 /.test(said), said);
    assert.ok(
      begun.every(({ id }) => kept.has(id)),
      'what had begun is finished',
    );
    assert.ok(
      late.every(({ id }) => !kept.has(id)),
      'what came too late is not begun',
    );
  });
});

/** Resolves once no connection is taken any more. */
async function refusesConnections(to: number): Promise<void> {
  for (;;) {
    const taken = await new Promise<boolean>((resolve) => {
      const socket = connect(to, '127.0.0.1', () => socket.destroy());
      socket.on('error', () => resolve(false));
      socket.on('close', (hadError) => resolve(!hadError));
    });
    if (!taken) return;
  }
}
