import assert from 'node:assert/strict';
import { createServer, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from 'node:net';
import { test } from 'node:test';
import { WebSocketServer } from 'ws';
import { type ConformanceOptions, countVerdicts, type Report, runConformance } from '../src/index.ts';
import { ModelHub } from './model-hub.ts';
import { SEEDED_HUBS } from './mutants/mutants.ts';

const QUICK: Omit<ConformanceOptions, 'hubUrl'> = {
  timeoutMs: 250,
  settleMs: 20,
  concurrency: 24,
  versions: ['3.0.0', 'IRA'],
};

async function listening(server: Server | TcpServer): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

async function testServer(server: Server | TcpServer, more: Partial<ConformanceOptions> = {}): Promise<Report> {
  const port = await listening(server);
  try {
    return await runConformance({ ...QUICK, hubUrl: `http://127.0.0.1:${port}/hub`, ...more });
  } finally {
    if ('closeAllConnections' in server) server.closeAllConnections();
    server.close();
  }
}

/** Every finding says why; nothing passes that needs a Hub; what fails because of something else's failure says so. */
function judge(report: Report): void {
  assert.ok(report.counts.fail > 0, `${report.counts.fail} checks fail`);
  assert.ok(report.counts.fail + report.counts.skip > 100, JSON.stringify(report.counts));
  for (const { id, verdict, reason, expected, seen } of report.results) {
    if (verdict === 'fail') assert.ok(reason && expected && seen, id);
    if (verdict === 'skip') assert.ok(reason, id);
  }
  const passed = report.results.filter(({ verdict }) => verdict === 'pass').map(({ id }) => id);
  assert.ok(!passed.includes('subscribe-endpoint') && !passed.includes('broadcast-to-all'), passed.join(' '));
}

test('a Hub that is not there fails with a reason', async () => {
  const server = createServer();
  const port = await listening(server);
  await new Promise((resolve) => server.close(resolve));
  judge(await runConformance({ ...QUICK, hubUrl: `http://127.0.0.1:${port}/hub` }));
});

test('a Hub that hangs fails with a reason', async () => {
  const held: import('node:net').Socket[] = [];
  const server = createTcpServer((socket) => void held.push(socket.on('error', () => {})));
  judge(await testServer(server));
  for (const socket of held) socket.destroy();
});

test('a Hub that closes early fails with a reason', async () => {
  judge(
    await testServer(createTcpServer((socket) => socket.on('error', () => {}).once('data', () => socket.destroy()))),
  );
});

test('a server that speaks no HTTP fails with a reason', async () => {
  judge(await testServer(createTcpServer((socket) => socket.on('error', () => {}).end('\u0000\u0001 hello\r\n\r\n'))));
});

test('a body that never ends fails with a reason', async () => {
  const listener: RequestListener = (_request, response) => {
    response.writeHead(202, { 'content-type': 'application/json' });
    const timer = setInterval(() => response.write('x'.repeat(10_000)), 5);
    response.on('close', () => clearInterval(timer));
  };
  judge(await testServer(createServer(listener)));
});

test('answers of the wrong shape fail with a reason', async () => {
  const shapes = ['null', '[]', '{"hub.channel.endpoint": 7}', '{"hub.channel.endpoint": "ws://["}', '"x"', '{'];
  let turn = 0;
  const server = createServer((_request, response) => {
    response.writeHead(202, { 'content-type': 'application/json' }).end(shapes[turn++ % shapes.length]);
  });
  judge(await testServer(server));
});

test('a socket that sends garbage fails with a reason', async () => {
  const sockets = new WebSocketServer({ noServer: true });
  const server = createServer((request, response) => {
    const endpoint = `ws://${request.headers.host}/ws/${Math.random()}`;
    response
      .writeHead(202, { 'content-type': 'application/json' })
      .end(JSON.stringify({ 'hub.channel.endpoint': endpoint }));
  });
  const garbage = [
    'null',
    '[]',
    '{"event": 1}',
    '{"hub.mode": "subscribe"}',
    '{"event": {"hub.event": {}, "context": "x"}, "id": {}}',
    '{"event": {"hub.event": "SyncError", "context": [null, 7, {"key": "operationoutcome", "resource": {"issue": [null]}}]}}',
    '{"event": {"hub.event": "Patient-open", "context": {"key": 1}}, "id": "x", "timestamp": 5}',
    '\ud800',
  ];
  server.on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (connection) => {
      connection.on('error', () => {});
      for (const text of garbage) connection.send(text);
      connection.send(Buffer.from([0xff, 0xfe]), { binary: true });
    });
  });
  const report = await testServer(server);
  assert.ok(report.counts.fail > 0, `${report.counts.fail} checks fail`);
  for (const { id, verdict, reason } of report.results) if (verdict === 'fail') assert.ok(reason, id);
  for (const socket of sockets.clients) socket.terminate();
});

/** A Hub that falls over when somebody subscribes without a topic; brought up again, or not. */
async function testFragile(comesBack: boolean): Promise<Report> {
  const hub = await ModelHub.start();
  const front = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      if (/hub\.mode=subscribe/.test(body) && !body.includes('hub.topic')) {
        front.close();
        front.closeAllConnections();
        if (comesBack) setTimeout(() => front.listen(port, '127.0.0.1'), 300);
        return;
      }
      const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => name !== 'host'));
      const method = request.method ?? 'GET';
      void fetch(hub.origin + request.url, {
        method,
        headers: { 'content-type': String(headers['content-type'] ?? '') },
        ...(method === 'POST' && { body }),
      }).then(async (answer) => {
        response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' });
        response.end(await answer.text());
      });
    });
  });
  const port = await listening(front);
  const only = ['subscribe-*', 'broadcast-*', 'confirmation-*'];
  const options = { timeoutMs: 2000, settleMs: 40, concurrency: 4, slowness: 0.5, only };
  const report = await runConformance({ ...options, hubUrl: `http://127.0.0.1:${port}/hub`, versions: ['3.0.0'] });
  front.closeAllConnections();
  front.close();
  await hub.close();
  return report;
}

test('a Hub that one check brings down fails that check alone, where it comes back', async () => {
  const report = await testFragile(true);
  const unhappy = report.results.filter(({ verdict }) => verdict === 'fail' || verdict === 'warning');
  assert.deepEqual(
    unhappy.map(({ id }) => id),
    ['subscribe-without-topic'],
  );
});

test('where it does not come back, the checks during which it stopped fail and the rest are skipped', async () => {
  const report = await testFragile(false);
  const failed = report.results.filter(({ verdict }) => verdict === 'fail');
  assert.ok(failed.some(({ id }) => id === 'subscribe-without-topic'));
  for (const { reason } of failed) assert.match(reason ?? '', /^The Hub went away during this check/);
  assert.ok(failed.length <= 4, `${failed.length} checks were under way`);
  assert.ok(report.results.some(({ verdict, reason }) => verdict === 'skip' && /gone away/.test(reason ?? '')));
});

test('a run ends when its time is over; what did not run is skipped', async () => {
  const hub = await ModelHub.start();
  const report = await runConformance({ ...QUICK, hubUrl: hub.url, timeoutMs: 2000, concurrency: 1, totalMs: 600 });
  await hub.close();
  assert.ok(report.results.some(({ reason }) => reason === 'The run was ended before this check'));
});

test('topics that are given are used one at a time and left clean', async () => {
  const hub = await ModelHub.start();
  const topics = { kind: 'given', topics: ['one', 'two'] } as const;
  const only = ['context-*', 'late-joiner-*', 'sessions-apart'];
  const report = await runConformance({
    ...QUICK,
    hubUrl: hub.url,
    timeoutMs: 4000,
    versions: ['3.0.0'],
    settleMs: 60,
    topics,
    only,
  });
  await hub.close();
  const unhappy = report.results.filter(({ verdict }) => verdict === 'fail' || verdict === 'warning');
  assert.deepEqual(
    unhappy.map(({ id, expected, seen }) => [id, expected, seen]),
    [],
  );
});

test('topics come from a command', async () => {
  const hub = await ModelHub.start();
  const command = `"${process.execPath}" -e "console.log('topic-' + Math.random())"`;
  const topics = { kind: 'command', command } as const;
  const options = { ...QUICK, timeoutMs: 5000, only: ['broadcast-id', 'subscribe-accepted'] };
  const good = await runConformance({ ...options, hubUrl: hub.url, topics });
  const bad = await runConformance({ ...options, hubUrl: hub.url, topics: { kind: 'command', command: 'exit 3' } });
  await hub.close();
  assert.equal(good.counts.pass, 2);
  assert.match(bad.results[0]?.reason ?? '', /no session to work in.*exit code 3/);
});

test('no token shows in a report', async () => {
  const hub = await ModelHub.start({ setup: 'tokens' });
  const authorization = { kind: 'client', smart: `${hub.origin}/fhir`, clientId: 'suite', secret: 'secret' } as const;
  const report = await runConformance({
    ...QUICK,
    hubUrl: hub.url,
    authorization,
    exchanges: 'all',
    timeoutMs: 3000,
    only: ['broadcast-*', 'context-*'],
  });
  await hub.close();
  const text = JSON.stringify(report);
  assert.ok(text.includes('Bearer (hidden)'));
  assert.doesNotMatch(text, /Bearer [0-9a-f-]{36}/);
});

test('a wrong status of a basic step is one failure: the other checks are judged as if it were right', async () => {
  const hub = await ModelHub.start({ defects: ['subscribe-200'] });
  const only = ['subscribe-*', 'broadcast-*', 'late-joiner-*', 'context-*'];
  const options = { ...QUICK, hubUrl: hub.url, timeoutMs: 2000, versions: ['3.0.0'] as const, only };
  const report = await runConformance(options);
  await hub.close();
  const failed = report.results.filter(({ verdict }) => verdict === 'fail').map(({ id }) => id);
  assert.deepEqual(failed, ['subscribe-accepted']);
  assert.equal(report.results.find(({ id }) => id === 'broadcast-to-all')?.verdict, 'pass');
  assert.match(report.diagnosis?.[0]?.sentence ?? '', /answered HTTP 200 for 202/);
  assert.deepEqual(report.counts, countVerdicts(report.results));
});

test('without a confirmation the rest is judged all the same', async () => {
  const seeded = SEEDED_HUBS.find(({ name }) => name === 'no confirmation');
  const report = await seeded!.judge({ only: ['confirmation-*', 'broadcast-*', 'unsubscribe-*'] });
  const failed = report.results.filter(({ verdict }) => verdict === 'fail').map(({ id }) => id);
  assert.deepEqual(failed, ['confirmation-sent']);
  assert.equal(report.results.find(({ id }) => id === 'broadcast-to-all')?.verdict, 'pass');
  assert.match(report.diagnosis?.[0]?.sentence ?? '', /No confirmation comes/);
});

test('a thing that the others cannot do without is one failure: what needs it is skipped, and says so', async () => {
  const hub = await ModelHub.start({ defects: ['endpoint-in-header-only'] });
  const only = ['subscribe-*', 'broadcast-*', 'context-*'];
  const report = await runConformance({ ...QUICK, hubUrl: hub.url, timeoutMs: 2000, versions: ['3.0.0'], only });
  await hub.close();
  const failed = report.results.filter(({ verdict }) => verdict === 'fail').map(({ id }) => id);
  assert.deepEqual(failed, ['subscribe-endpoint', 'subscribe-mime-type']);
  const skipped = report.results.find(({ id }) => id === 'broadcast-to-all');
  assert.equal(skipped?.reason, 'It needs what subscribe-endpoint checks, and that failed');
});
