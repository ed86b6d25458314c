import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, statSync } from 'node:fs';
import { appendFile, readdir, rename, rm } from 'node:fs/promises';
import { createServer as createHttp } from 'node:http';
import { type AddressInfo, createServer as createTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as textOfStream } from 'node:stream/consumers';
import { describe, it, type TestContext } from 'node:test';
import { ServerAuditTrail } from './audit-trail.ts';
import { CHAIN_START, ChainCheck } from './chain.ts';
import { FhirSink } from './fhir-sink.ts';
import { FileSink } from './file-sink.ts';
import type { AuditSink } from './sink.ts';
import { parseSyslogUrl, SyslogSink } from './syslog-sink.ts';

const silent = { info: () => undefined, error: () => undefined };

/** Timers that run when the test says so. */
function manualClock() {
  const timers = new Set<{ at: number; run: () => void }>();
  let now = 0;
  return {
    now: () => now,
    after(ms: number, run: () => void) {
      const timer = { at: now + ms, run };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    advance(ms: number) {
      now += ms;
      for (const timer of timers) {
        if (timer.at > now) continue;
        timers.delete(timer);
        timer.run();
      }
    },
  };
}

function trailOf(sinks: readonly AuditSink[], more: object = {}): ServerAuditTrail {
  const end = sinks.find((sink) => sink instanceof FileSink)?.end ?? CHAIN_START;
  return new ServerAuditTrail({
    sinks,
    server: 'http://hub',
    end,
    refuses: false,
    clock: manualClock(),
    log: silent,
    ...more,
  });
}

function folder(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), 'lockstep-audit-'));
  t.after(() => rm(made, { recursive: true, force: true }));
  return made;
}

const act = (topic: string) => ({ act: 'publish', status: 202, topic }) as const;
const linesOf = (path: string): string[] => readFileSync(path, 'utf8').trimEnd().split('\n');
const topicOf = (line: string): string => JSON.parse(line).entity[0].what.identifier.value;

function problems(lines: readonly string[]): readonly unknown[] {
  const check = new ChainCheck();
  for (const [index, line] of lines.entries()) check.line(line, index + 1);
  check.finish();
  return check.problems;
}

/** A sink that can be told to fail. */
class Fragile implements AuditSink {
  readonly name = 'fragile';
  readonly lines: string[] = [];
  fails = false;
  async write(lines: readonly string[]): Promise<void> {
    if (this.fails) throw new Error('ENOSPC');
    this.lines.push(...lines);
  }
  async close(): Promise<void> {}
}

describe('the audit in a file', () => {
  it('grows by a line a record, readable by its owner only, and its chain goes on after a restart', async (t) => {
    const path = join(folder(t), 'audit.jsonl');
    for (const run of [1, 2, 3]) {
      const trail = trailOf([await FileSink.open(path, 1e9)]);
      for (let index = 0; index < 50; index += 1) trail.record(act(`${run}-${index}`));
      await trail.close();
    }
    const lines = linesOf(path);
    assert.equal(lines.length, 150);
    assert.deepEqual(problems(lines), []);
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });

  it('turns to a new file once it is full, and the chain goes on through all files', async (t) => {
    const made = folder(t);
    const path = join(made, 'audit.jsonl');
    for (let run = 0; run < 3; run += 1) {
      const trail = trailOf([await FileSink.open(path, 4000)]);
      for (let index = 0; index < 20; index += 1) {
        trail.record(act(`${run}-${index}`));
        await trail.written();
      }
      await trail.close();
    }
    const files = (await readdir(made)).filter((name) => name.endsWith('.jsonl')).sort();
    assert.ok(files.length > 3, files.join());
    const filled = files.filter((name) => name !== 'audit.jsonl');
    const lines = [...filled, 'audit.jsonl'].flatMap((name) => readFileSync(join(made, name), 'utf8').split('\n'));
    const records = lines.filter(Boolean);
    assert.equal(records.length, 60);
    assert.deepEqual(problems(records), []);
  });

  it('is opened again where another program moved it, without a record lost or doubled', async (t) => {
    const made = folder(t);
    const path = join(made, 'audit.jsonl');
    const trail = trailOf([await FileSink.open(path, 1e9)]);
    trail.record(act('before'));
    await trail.written();
    await rename(path, `${path}.1`);
    trail.record(act('meanwhile'));
    await trail.reopen();
    trail.record(act('after'));
    await trail.close();
    assert.deepEqual(linesOf(`${path}.1`).map(topicOf), ['before', 'meanwhile']);
    assert.deepEqual(linesOf(path).map(topicOf), ['after']);
    assert.deepEqual(problems([...linesOf(`${path}.1`), ...linesOf(path)]), []);
    // Also after a restart on the file's empty successor.
    await rename(path, `${path}.2`);
    const next = trailOf([await FileSink.open(path, 1e9)]);
    next.record(act('later'));
    await next.close();
    assert.deepEqual(problems([...linesOf(`${path}.2`), ...linesOf(path)]), []);
  });

  it('goes on after a record that a crash cut off', async (t) => {
    const path = join(folder(t), 'audit.jsonl');
    const first = trailOf([await FileSink.open(path, 1e9)]);
    first.record(act('whole'));
    await first.close();
    await appendFile(path, '{"resourceType":"AuditEv');
    const second = trailOf([await FileSink.open(path, 1e9)]);
    second.record(act('after'));
    await second.close();
    const lines = linesOf(path);
    assert.equal(lines.length, 3);
    assert.deepEqual(problems(lines), []);
  });

  it('is refused at a place that cannot be written, or that holds something else', async (t) => {
    const made = folder(t);
    await assert.rejects(FileSink.open(join(made, 'none', 'audit.jsonl'), 1e9), { code: 'ENOENT' });
    await assert.rejects(FileSink.open(made, 1e9), { code: 'EISDIR' });
    await appendFile(join(made, 'notes.txt'), 'something else\n');
    await assert.rejects(FileSink.open(join(made, 'notes.txt'), 1e9), /does not end with audit records/);
    assert.equal(readFileSync(join(made, 'notes.txt'), 'utf8'), 'something else\n');
    assert.ok(!existsSync(join(made, 'none')));
  });

  it('says so when the disk is full', { skip: !existsSync('/dev/full') }, async () => {
    const sink = await FileSink.open('/dev/full', 1e9);
    await assert.rejects(sink.write(['{}']), { code: 'ENOSPC' });
  });
});

describe('an audit that cannot be written', () => {
  it('is tried again, waiting longer each time, and loses nothing', async () => {
    const clock = manualClock();
    const sink = new Fragile();
    const trail = trailOf([sink], { clock });
    sink.fails = true;
    trail.record(act('1'));
    await trail.written();
    trail.record(act('2'));
    for (const [wait, failures] of [
      [1000, 2],
      [2000, 3],
      [4000, 4],
    ] as const) {
      clock.advance(wait - 1);
      assert.equal(trail.counts[0]?.failures, failures - 1);
      clock.advance(1);
      await trail.written();
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(trail.counts[0]?.failures, failures);
    }
    sink.fails = false;
    clock.advance(8000);
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(sink.lines.map(topicOf), ['1', '2']);
    assert.deepEqual(problems(sink.lines), []);
    assert.deepEqual(trail.counts, [{ sink: 'fragile', failures: 4, waiting: 0, lost: 0 }]);
  });

  it('refuses acts or lets them go on, by its setting, and admits them again by itself', async () => {
    for (const refuses of [true, false]) {
      const clock = manualClock();
      const sink = new Fragile();
      const trail = trailOf([sink], { clock, refuses });
      assert.ok(trail.admits);
      sink.fails = true;
      trail.record(act('1'));
      await trail.written();
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(trail.admits, !refuses);
      sink.fails = false;
      clock.advance(1000);
      await new Promise((resolve) => setImmediate(resolve));
      assert.ok(trail.admits);
    }
  });

  it('keeps no other sink waiting', async () => {
    const [good, bad] = [new Fragile(), new Fragile()];
    bad.fails = true;
    const trail = trailOf([bad, good]);
    trail.record(act('1'));
    await new Promise((resolve) => setImmediate(resolve));
    trail.record(act('2'));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(good.lines.length, 2);
  });

  it('loses the oldest, counted, once very many wait', async () => {
    const sink = new Fragile();
    sink.fails = true;
    const trail = trailOf([sink]);
    for (let index = 0; index < 50_010; index += 1) trail.record(act(String(index)));
    const [counts] = trail.counts;
    assert.equal(counts?.lost, 10);
    assert.equal(counts?.waiting, 50_000);
  });
});

describe('the audit elsewhere', () => {
  it('ITI-20 is posted to a FHIR server, each record once, also when some of a batch are refused', async (t) => {
    const got: string[] = [];
    let refuse = 2;
    const server = createHttp(async (request, response) => {
      const body = await textOfStream(request);
      const bad = request.url !== '/fhir/AuditEvent' || request.headers.authorization !== 'Bearer secret';
      if (!bad && body.includes('"3"') && refuse > 0) {
        refuse -= 1;
        response.writeHead(503).end();
        return;
      }
      got.push(body);
      response.writeHead(bad ? 401 : 201).end();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const clock = manualClock();
    const { port } = server.address() as AddressInfo;
    const sink = new FhirSink({ url: `http://127.0.0.1:${port}/fhir/`, token: 'secret' });
    const trail = trailOf([sink], { clock });
    for (let index = 0; index < 30; index += 1) trail.record(act(String(index)));
    while (got.length < 30) {
      await trail.written();
      clock.advance(30_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.deepEqual(
      got
        .map(topicOf)
        .map(Number)
        .sort((a, b) => a - b),
      Array.from({ length: 30 }, (_, index) => index),
    );
    assert.equal(JSON.parse(got[0] ?? '').resourceType, 'AuditEvent');
    await trail.close();
  });

  it('RFC 5424 goes to syslog by UDP, and by TCP with the length of each message before it', async (t) => {
    const datagrams = createSocket('udp4');
    datagrams.bind(0, '127.0.0.1');
    await once(datagrams, 'listening');
    t.after(() => datagrams.close());
    const stream: Buffer[] = [];
    const tcp = createTcp((socket) => socket.on('data', (data) => stream.push(data)));
    tcp.listen(0, '127.0.0.1');
    await once(tcp, 'listening');
    t.after(() => tcp.close());
    const message = once(datagrams, 'message');
    for (const [protocol, { port }] of [
      ['udp', datagrams.address()],
      ['tcp', tcp.address() as AddressInfo],
    ] as const) {
      const sink = new SyslogSink({ protocol, host: '127.0.0.1', port }, 'node 1', 42);
      const trail = trailOf([sink]);
      trail.record(act('é'));
      trail.record({ ...act('2'), status: 403 });
      await trail.close();
    }
    const header = /^<110>1 1970-01-01T00:00:00\.000Z node1 lockstep 42 IHE\+FHIR-AuditEvent - \uFEFF\{/;
    assert.match(String((await message)[0]), header);
    while (Buffer.concat(stream).length < 100) await new Promise((resolve) => setImmediate(resolve));
    const bytes = Buffer.concat(stream);
    const length = Number(/^(\d+) /.exec(bytes.toString())?.[1]);
    const at = `${length} `.length;
    const first = bytes.subarray(at, at + length).toString('utf8');
    assert.match(first, header);
    assert.equal(topicOf(first.slice(first.indexOf('{'))), 'é');
    assert.match(bytes.subarray(at + length).toString(), /^\d+ <108>1 /);
  });

  it('names a syslog address that makes no sense', () => {
    assert.deepEqual(parseSyslogUrl('udp://logs'), { protocol: 'udp', host: 'logs', port: 514 });
    assert.deepEqual(parseSyslogUrl('tls://logs'), { protocol: 'tls', host: 'logs', port: 6514 });
    assert.deepEqual(parseSyslogUrl('tcp://[::1]:80'), { protocol: 'tcp', host: '::1', port: 80 });
    for (const bad of ['', 'logs', 'http://logs', 'udp://', 'udp://logs/x', 'tcp://a:x', 'udp://a@b']) {
      assert.throws(() => parseSyslogUrl(bad), /must be udp:/, bad);
    }
  });
});
