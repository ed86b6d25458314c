import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, statSync } from 'node:fs';
import { appendFile, mkdir, readdir, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { createServer as createHttp } from 'node:http';
import { type AddressInfo, createServer as createTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as textOfStream } from 'node:stream/consumers';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { filledName } from './audit-files.ts';
import { ServerAuditTrail } from './audit-trail.ts';
import { CHAIN_START, ChainCheck, chained } from './chain.ts';
import { FhirSink } from './fhir-sink.ts';
import { FileSink } from './file-sink.ts';
import type { AuditSink } from './sink.ts';
import { parseSyslogUrl, SyslogSink } from './syslog-sink.ts';
import { verifyAudit, withFilled } from './verify.ts';

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

  it('goes on after the first record of a file was cut off', async (t) => {
    const path = join(folder(t), 'audit.jsonl');
    for (const torn of ['{"resour', '{"resourceType":"AuditEvent","type"', '{']) {
      await appendFile(path, torn);
      const trail = trailOf([await FileSink.open(path, 1e9)]);
      await trail.close();
    }
    const trail = trailOf([await FileSink.open(path, 1e9)]);
    trail.record(act('first'));
    await trail.close();
    assert.equal(linesOf(path).length, 4);
    assert.deepEqual((await verifyAudit([path])).problems, []);
  });

  it('goes on after a record that is longer than any part of the file that is read at once', async (t) => {
    const path = join(folder(t), 'audit.jsonl');
    const first = trailOf([await FileSink.open(path, 1e9)]);
    first.record({ ...act('long'), detail: 'é'.repeat(500_000) });
    await first.close();
    await appendFile(path, `{"resourceType":"AuditEvent"${'é'.repeat(300_000)}`);
    const second = trailOf([await FileSink.open(path, 1e9)]);
    second.record(act('after'));
    await second.close();
    assert.deepEqual((await verifyAudit([path])).problems, []);
  });

  it('turns to the next file later where that fails, and writes nothing twice meanwhile', async (t) => {
    const path = join(folder(t), 'audit.jsonl');
    const sink = await FileSink.open(path, 1);
    let end = CHAIN_START;
    const write = () => {
      const made = chained({ resourceType: 'AuditEvent' }, end);
      return sink.write([made.line]).then(() => {
        end = made.end;
      });
    };
    await write();
    // The name of the full file is taken by a folder.
    await mkdir(filledName(path, 1));
    for (let attempt = 0; attempt < 3; attempt += 1) await assert.rejects(write());
    await rmdir(filledName(path, 1));
    await write();
    // The full file was moved, but its successor cannot be opened.
    await rename(path, filledName(path, 2));
    await mkdir(path);
    for (let attempt = 0; attempt < 3; attempt += 1) await assert.rejects(write());
    await rmdir(path);
    for (let rest = 0; rest < 3; rest += 1) await write();
    await sink.close();
    const { records, problems } = await verifyAudit(await withFilled(path));
    assert.deepEqual({ records, problems }, { records: 5, problems: [] });
  });

  it('is opened again while it is written, without a record lost or doubled', async (t) => {
    const path = join(folder(t), 'audit.jsonl');
    const sink = await FileSink.open(path, 5000);
    let end = CHAIN_START;
    const lines = Array.from({ length: 120 }, () => {
      const made = chained({ resourceType: 'AuditEvent', text: 'x'.repeat(200) }, end);
      end = made.end;
      return made.line;
    });
    const works = Array.from({ length: 12 }, (_, at) => [
      sink.write(lines.slice(at * 10, at * 10 + 10)),
      sink.reopen(),
      sink.reopen(),
    ]);
    await Promise.all(works.flat());
    await sink.close();
    const { records, problems } = await verifyAudit(await withFilled(path));
    assert.deepEqual({ records, problems }, { records: 120, problems: [] });
  });

  it('shows for good that records at its end were removed while the server was stopped', async (t) => {
    for (const taken of ['some', 'all', 'the file', 'an older copy', 'the file and the note'] as const) {
      const path = join(folder(t), 'audit.jsonl');
      for (const run of [1, 2]) {
        const trail = trailOf([await FileSink.open(path, 2500)]);
        for (let index = 0; index < 6; index += 1) {
          trail.record(act(`${run}-${index}`));
          await trail.written();
        }
        await trail.close();
      }
      const lines = linesOf(path);
      assert.ok(lines.length > 1);
      if (taken === 'some') await writeFile(path, `${lines.slice(0, -1).join('\n')}\n`);
      else if (taken === 'all') await writeFile(path, '');
      else if (taken === 'an older copy')
        await writeFile(path, `${linesOf((await withFilled(path))[0]!).join('\n')}\n`);
      else await rm(path);
      if (taken === 'the file and the note') await rm(`${path}.end`);
      if (taken === 'some' || taken === 'an older copy') {
        assert.notDeepEqual((await verifyAudit(await withFilled(path))).problems, [], taken);
      }
      const trail = trailOf([await FileSink.open(path, 1e9)]);
      for (const index of [1, 2]) trail.record(act(`later-${index}`));
      await trail.close();
      const { problems } = await verifyAudit(await withFilled(path));
      // Without the note nothing but the files that were filled tells what there was.
      if (taken === 'the file and the note') assert.equal(linesOf(path).length, 2);
      else assert.match(problems[0]?.problem ?? '', /missing or out of order/, taken);
    }
  });

  it('shows whatever is done to its files', async (t) => {
    const made = folder(t);
    const path = join(made, 'audit.jsonl');
    for (let run = 0; run < 4; run += 1) {
      const trail = trailOf([await FileSink.open(path, 3000)]);
      for (let index = 0; index < 5; index += 1) {
        trail.record({ ...act(`${run}-${index}`), subscriberName: 'René \u2028 \u{1f600} \ufffd' });
        await trail.written();
      }
      await trail.close();
      if (run < 3) await appendFile(path, '{"resourceType":"AuditEvent","é'.slice(0, 12 + 6 * run));
    }
    const names = await withFilled(path);
    const whole = names.map((name) => readFileSync(name));
    assert.deepEqual((await verifyAudit(names)).problems, []);
    const everything = Buffer.concat(whole);
    const ends = [...everything.keys()].filter((at) => everything[at] === 0x0a);
    const line = fc.integer({ min: 0, max: ends.length - 2 });
    const tampering = fc.oneof(
      fc.record({
        how: fc.constant('byte'),
        at: fc.integer({ min: 0, max: everything.length - 2 }),
        to: fc.integer({ min: 0, max: 255 }),
      }),
      fc.record({
        how: fc.constant('insert'),
        at: fc.integer({ min: 0, max: everything.length }),
        to: fc.constantFrom(0x0a, 0x0d, 0x20, 0x7b),
      }),
      fc.record({ how: fc.constantFrom('double', 'leave out', 'swap'), at: line, to: fc.constant(0) }),
      fc.record({
        how: fc.constant('cut'),
        at: fc.integer({ min: 0, max: everything.length - 2 }),
        to: fc.constant(0),
      }),
    );
    const copy = join(folder(t), 'audit.jsonl');
    await writeFile(`${copy}.end`, readFileSync(`${path}.end`));
    await fc.assert(
      fc.asyncProperty(tampering, async ({ how, at, to }) => {
        const lines = everything.toString('latin1').split('\n');
        let bad: Buffer;
        if (how === 'byte') {
          bad = Buffer.from(everything);
          bad[at] = to;
        } else if (how === 'insert')
          bad = Buffer.concat([everything.subarray(0, at), Buffer.of(to), everything.subarray(at)]);
        else if (how === 'cut') bad = everything.subarray(0, at);
        else {
          if (how === 'double') lines.splice(at, 0, lines[at]!);
          // The first records are put elsewhere at some time: what is left is a chain.
          if (how === 'leave out') lines.splice(Math.max(at, 1), 1);
          if (how === 'swap') [lines[at], lines[at + 1]] = [lines[at + 1]!, lines[at]!];
          bad = Buffer.from(lines.join('\n'), 'latin1');
        }
        // What is gone before the first record does not show; the file then says from which number on it is one.
        fc.pre(!bad.equals(everything) && bad.length > ends[0]! + 1);
        await writeFile(copy, bad);
        assert.notDeepEqual((await verifyAudit([copy])).problems, [], how);
      }),
    );
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
