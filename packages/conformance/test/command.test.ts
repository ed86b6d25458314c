/** The command line: what it says, its files and its exit codes. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { validateXML } from 'xmllint-wasm';
import { EXIT, main } from '../src/cli.ts';
import { HUB_CHECKS, readReport, renderJunit } from '../src/index.ts';
import { selfSigned } from './certificate.ts';
import { ModelHub, type ModelHubOptions } from './model-hub.ts';
import { Relay, type RelayOptions } from './relay.ts';

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'conformance-command-'));
});
after(() => rmSync(folder, { recursive: true, force: true }));

const inFolder = (name: string): string => join(folder, name);

async function conformance(...argv: readonly string[]) {
  let out = '';
  let err = '';
  const code = await main(argv, {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    color: false,
    env: {},
    ask: undefined,
  });
  return { code, out, err };
}

async function testHub(options: ModelHubOptions, ...argv: readonly string[]) {
  const hub = await ModelHub.start(options);
  try {
    return await conformance('hub', hub.url, '--quiet', '--spec', '3.0.0', ...argv);
  } finally {
    await hub.close();
  }
}

const SOME = ['--only', 'subscribe-accepted', '--only', 'publish-fhir-json', '--only', 'broadcast-*'];

/** One line, and the exit code of a run that could not begin. */
function expectOneLine({ code, err, out }: { code: number; err: string; out: string }, words: RegExp): void {
  assert.equal(code, EXIT.unreachable, err + out);
  assert.equal(err.trim().split('\n').length, 1, err);
  assert.match(err, words);
  assert.equal(out, '');
}

/** Tests a server that answers as it is told. */
async function testServer(listener: RequestListener, ...argv: readonly string[]) {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  try {
    return { ...(await conformance('hub', `http://127.0.0.1:${port}/hub`, '--quiet', ...argv)), port };
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const RESTARTS = ['--only', 'restart-comes-back', '--only', 'restart-context', '--only', 'restart-closed'];

test('what outlasts a restart is skipped with a sentence, unless the Hub can be restarted', async () => {
  const { code, out } = await testHub({}, '--only', 'publish-accepted', ...RESTARTS, '--all');
  assert.equal(code, EXIT.conforms);
  const skipped = out.match(/The run cannot restart the Hub \(--restart-command, --restart-by-hand\)/g);
  assert.equal(skipped?.length, 3, out);
});

test('the restart command runs once for all checks that need it; one that fails is said, and they are skipped', async () => {
  const log = inFolder('restarts');
  const once = await testHub({}, ...RESTARTS, '--restart-command', `echo "$FHIRCAST_HUB_URL" >> "${log}"`);
  assert.equal(once.code, EXIT.conforms, once.out);
  assert.match(readFileSync(log, 'utf8'), /^http:\/\/\S+\/hub\n$/);
  const failing = 'echo no such service >&2; exit 4';
  const { code, out } = await testHub(
    {},
    '--only',
    'publish-accepted',
    ...RESTARTS,
    '--all',
    '--restart-command',
    failing,
  );
  assert.equal(code, EXIT.conforms);
  const said = out.match(/The Hub could not be restarted: the restart command ended with 4 no such service/g);
  assert.equal(said?.length, 3, out);
});

test('a restart by hand is asked for once, and a person who says no is taken at their word', async (t) => {
  const hub = await ModelHub.start();
  t.after(() => hub.close());
  const argv = [
    'hub',
    hub.url,
    '--quiet',
    '--all',
    '--spec',
    '3.0.0',
    '--restart-by-hand',
    '--only',
    'publish-accepted',
    ...RESTARTS,
  ];
  for (const done of [true, false]) {
    const asked: string[] = [];
    let out = '';
    const say = (text: string) => {
      out += text;
    };
    const ask = async (question: string) => {
      asked.push(question);
      if (done) hub.restart();
      return done;
    };
    const code = await main(argv, { out: say, err: say, color: false, env: {}, ask });
    assert.equal(code, EXIT.conforms, out);
    assert.deepEqual(asked, ['Restart the Hub now, and say yes once it runs again.']);
    assert.equal(/could not be restarted: nobody restarted it/.test(out), !done, out);
  }
  const alone = await testHub({}, '--restart-by-hand');
  assert.equal(alone.code, EXIT.usage);
  assert.match(alone.err, /^--restart-by-hand needs a person at a terminal/);
});

test('an address that does not answer gives one line, and exit code 3', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  const found = await conformance('hub', `http://127.0.0.1:${port}/hub`, '--quiet');
  expectOneLine(found, /^Nobody answers at 127\.0\.0\.1:\d+ \(ECONNREFUSED\): is the Hub running/);
});

test('a forgotten token is one line that says how to give one', async () => {
  expectOneLine(await testHub({ setup: 'tokens' }), /^The Hub asks for an access token \(HTTP 401.*--token/);
});

test('a token that is none is one line', async () => {
  expectOneLine(await testHub({ setup: 'tokens' }, '--token', 'wrong'), /^The Hub does not accept the access token/);
});

test('https on a plain port, and http on a TLS port, are one line that names the other', async () => {
  const hub = await ModelHub.start();
  const plain = hub.url;
  expectOneLine(
    await conformance('hub', plain.replace('http:', 'https:'), '--quiet'),
    /speaks no TLS there .*try http:/,
  );
  const relay = await Relay.start(hub, { tls: selfSigned() });
  expectOneLine(await conformance('hub', relay.url.replace('https:', 'http:'), '--quiet'), /try https:/);
  await relay.close();
  await hub.close();
});

test('a self-signed certificate is one line that says how to accept it', async () => {
  const hub = await ModelHub.start();
  const relay = await Relay.start(hub, { tls: selfSigned() });
  expectOneLine(await conformance('hub', relay.url, '--quiet'), /certificate is not trusted.*--insecure/);
  await relay.close();
  await hub.close();
});

async function testRelayed(change: RelayOptions['change'], ...argv: readonly string[]) {
  const hub = await ModelHub.start();
  const relay = await Relay.start(hub, { ...(change && { change }) });
  try {
    return await conformance('hub', relay.url, '--quiet', '--spec', '3.0.0', ...argv);
  } finally {
    await relay.close();
    await hub.close();
  }
}

test('a wss: endpoint on a plain port is said in one sentence, and is one failure', async () => {
  const answer = <T extends { body: string }>(one: T): T => ({ ...one, body: one.body.replace('"ws:', '"wss:') });
  const { code, out } = await testRelayed({ answer }, '--slow', '0.2', '--only', 'confirmation-*');
  assert.equal(code, EXIT.fails);
  assert.match(
    out,
    /^There is no WebSocket connection to wss:.*that port speaks no TLS; the Hub has to hand out ws: there/m,
  );
  assert.match(out, /0 passed, 1 failed/);
});

test('201 for 202 is said in one sentence, and is one failure', async () => {
  const answer = <T extends { status: number }>(one: T): T => ({
    ...one,
    status: one.status === 202 ? 201 : one.status,
  });
  const { code, out } = await testRelayed({ answer }, ...SOME);
  assert.equal(code, EXIT.fails);
  assert.match(out, /^A subscription is answered HTTP 201 for 202/m);
  assert.match(out, /14 passed, 1 failed/);
});

test('a refusal of everything is said in one sentence that says what to do', async () => {
  for (const [status, words] of [
    [302, /HTTP 302.*is this its hub\.url, or the one that it redirects to\?/],
    [405, /HTTP 405.*is this its hub\.url\?/],
    [429, /HTTP 429.*it may take it later/],
    [503, /HTTP 503.*--concurrency 1/],
    [204, /HTTP 204 without a body, which has to name hub\.channel\.endpoint/],
  ] as const) {
    const argv = ['--slow', '0.1', '--only', 'subscribe-accepted'];
    const { code, out } = await testServer((_request, response) => void response.writeHead(status).end(), ...argv);
    assert.equal(code, EXIT.fails);
    assert.match(out, words);
  }
});

test('an answer without end and a huge one are bounded, and said in one sentence', async () => {
  const endless = await testServer(
    (_request, response) => {
      response.writeHead(202, { 'content-type': 'application/json' });
      const timer = setInterval(() => response.write('x'.repeat(10_000)), 5);
      response.on('close', () => clearInterval(timer));
    },
    '--slow',
    '0.05',
  );
  expectOneLine(endless, /^There is no answer from 127\.0\.0\.1:\d+ \(none within \d+ ms\)/);
  const before = process.memoryUsage().rss;
  const huge = await testServer(
    (_request, response) => {
      response.writeHead(202, { 'content-type': 'application/json' });
      response.end(`{"hub.channel.endpoint": "${'x'.repeat(30_000_000)}"}`);
    },
    ...SOME,
  );
  assert.equal(huge.code, EXIT.fails);
  assert.ok(process.memoryUsage().rss - before < 400_000_000);
});

test('wrong options are one sentence, and exit code 2', async () => {
  for (const [argv, words] of [
    [['hub'], /needs the URL/],
    [['hub', 'ftp://x'], /http or https URL/],
    [['hub', 'http://x', '--only', 'nothing-such'], /no check nothing-such/],
    [['hub', 'http://x', '--level', 'MUST'], /--level: SHALL, SHOULD, MAY/],
    [['hub', 'http://x', '--assume', 'luck'], /--assume: /],
    [['hub', 'http://x', '--preset', 'none'], /--preset: safety/],
    [['matrix'], /needs the files/],
    [['verify'], /needs the file/],
    [['curl', '/none.json', 'x'], /ENOENT/],
    [['replay', '/none.json', 'x'], /ENOENT/],
    [['replay', '/none.json'], /replay needs/],
  ] as const) {
    const { code, err } = await conformance(...argv);
    assert.equal(code, EXIT.usage, argv.join(' '));
    assert.match(err, words, argv.join(' '));
  }
});

test('checks are listed as JSON, by chapter, level, version and safety', async () => {
  const listed = async (...argv: readonly string[]) =>
    JSON.parse((await conformance('hub', '--list', '--json', ...argv)).out) as Record<string, unknown>[];
  assert.equal((await listed()).length, HUB_CHECKS.length);
  const chapter = await listed('--chapter', '2.9', '--spec', '3.0.0');
  assert.ok(chapter.length > 5);
  assert.ok(chapter.every(({ versions }) => (versions as string[]).includes('3.0.0')));
  assert.ok((await listed('--level', 'SHOULD')).every(({ level }) => level === 'SHOULD'));
  assert.ok((await listed('--safety')).every(({ safety }) => safety === true));
  assert.ok((await listed('--spec', 'STU2', '--chapter', 'webhook')).length < 40);
});

test('safety warnings fail a strict run, and other warnings do not', async () => {
  const lax = ['--only', 'retry-keeps-newer', '--only', 'publish-fhir-json', '--only', 'broadcast-id'];
  const both = { defects: ['retries-taken-anew', 'json-only'] } as const;
  const plain = await testHub(both, ...lax);
  assert.equal(plain.code, EXIT.conforms, plain.out);
  assert.match(plain.out, /1 passed, 0 failed, 2 warnings \(1 of safety\)/);
  assert.match(plain.out, /this may leave somebody at the wrong patient/);
  assert.equal((await testHub(both, ...lax, '--strict')).code, EXIT.fails);
  const other = await testHub({ defects: ['json-only'] }, ...lax, '--strict');
  assert.equal(other.code, EXIT.conforms);
});

test('options, presets and waivers come from a file; a waiver ends on its day', async () => {
  const config = inFolder('config.json');
  const write = (value: unknown) => writeFileSync(config, JSON.stringify(value));
  const waiver = { check: 'confirmation-lease', reason: 'mended in 4.2', expires: '2999-01-31' };
  const only = ['confirmation-lease', 'broadcast-id'];
  write({ only, waivers: [waiver], presets: { narrow: { except: ['broadcast-*'] } } });
  const defects = ['lease-as-string'] as const;
  const waived = await testHub({ defects }, '--config', config);
  assert.equal(waived.code, EXIT.conforms, waived.out + waived.err);
  assert.match(waived.out, /until 2999-01-31: mended in 4\.2/);
  const narrow = await testHub({}, '--config', config, '--preset', 'narrow');
  assert.match(narrow.out, /1 passed/);
  assert.match(narrow.err, /waiver of confirmation-lease is not needed/);
  write({ only, waivers: [{ ...waiver, expires: '2020-01-31' }] });
  const ended = await testHub({ defects }, '--config', config);
  assert.equal(ended.code, EXIT.fails);
  assert.match(ended.err, /waiver of confirmation-lease ended on 2020-01-31/);
  for (const [value, words] of [
    [{ token: 'x' }, /token is a secret/],
    [{ tolken: 'x' }, /no option tolken/],
    [{ waivers: [{ check: 'a', reason: 'b', expires: 'soon' }] }, /expires is a day/],
    [{ waivers: [{ check: 'a', reason: '', expires: '2030-01-01' }] }, /reason is missing/],
    [[], /no JSON object/],
  ] as const) {
    write(value);
    const { code, err } = await conformance('hub', 'http://x', '--config', config);
    assert.equal(code, EXIT.usage);
    assert.match(err, words);
  }
});

test('a report becomes a signed package, and a changed package is noticed', async () => {
  const [report, key, signed] = ['report.json', 'key.pem', 'package.json'].map(inFolder) as [string, string, string];
  await testHub({}, '--only', 'broadcast-id', '--json', report, '--all');
  const made = await conformance('certify', report, '--new-key', key, '--package', signed);
  assert.equal(made.code, EXIT.conforms, made.err);
  const good = await conformance('verify', signed, '--key', `${key}.pub`);
  assert.equal(good.code, EXIT.conforms, good.err);
  assert.match(good.out, /conforms, 0 safety warnings/);
  const text = readFileSync(signed, 'utf8');
  for (const [from, to, words] of [
    ['\\"fail\\": 0', '\\"fail\\": 1', /report\.json was changed/],
    ['"conforms": true', '"conforms": false', /the signature does not fit/],
    ['"transcript.har": "{', '"transcript.har": " {', /transcript\.har was changed/],
  ] as const) {
    assert.ok(text.includes(from), from);
    writeFileSync(inFolder('changed.json'), text.replace(from, to));
    const bad = await conformance('verify', inFolder('changed.json'));
    assert.equal(bad.code, EXIT.fails);
    assert.match(bad.err, words);
  }
  await conformance('certify', report, '--new-key', inFolder('other.pem'), '--package', inFolder('other.json'));
  const other = await conformance('verify', inFolder('other.json'), '--key', `${key}.pub`);
  assert.equal(other.code, EXIT.fails);
  assert.match(other.err, /another key/);
});

test('many reports become one page, with what fails most often first', async () => {
  const files = [];
  for (const [name, defects] of [
    ['good', []],
    ['bad', ['lease-as-string']],
  ] as const) {
    const file = inFolder(`${name}.json`);
    await testHub({ defects }, '--only', 'confirmation-*', '--json', file, '--html', inFolder(`${name}.html`));
    files.push(file);
  }
  const page = inFolder('matrix.html');
  assert.equal((await conformance('matrix', ...files, '--html', page)).code, EXIT.fails);
  const html = readFileSync(page, 'utf8');
  assert.match(html, /<tbody>\s*<tr><th[^>]*>[^<]*<code>confirmation-lease/);
  assert.match(html, /href="bad\.html#confirmation-lease"/);
});

test('an exchange is kept as HAR, and its requests as a script with curl', async () => {
  const [report, har] = [inFolder('exchange.json'), inFolder('exchange.har')];
  await testHub({}, '--only', 'broadcast-id', '--all', '--json', report, '--har', har);
  const { log } = JSON.parse(readFileSync(har, 'utf8'));
  assert.equal(log.version, '1.2');
  const posts = log.entries.filter((entry: { request: { method: string } }) => entry.request.method === 'POST');
  assert.ok(posts.some((entry: { response: { status: number } }) => entry.response.status === 202));
  const socket = log.entries.find((entry: { _resourceType?: string }) => entry._resourceType === 'websocket');
  assert.ok(socket._webSocketMessages.length >= 2);
  const { out } = await conformance('curl', report, 'broadcast-id');
  assert.match(out, /^curl -i -X POST \\$/m);
  assert.match(out, /--data-binary 'hub\.channel\.type=websocket&hub\.mode=subscribe/);
});

test('an exchange is sent again, to the same kind of Hub without a difference, to another with each one named', async () => {
  const report = inFolder('replayed.json');
  await testHub({}, '--only', 'broadcast-id', '--all', '--json', report);
  const again = async (options: ModelHubOptions) => {
    const hub = await ModelHub.start(options);
    try {
      return await conformance('replay', report, 'broadcast-id', '--url', hub.url);
    } finally {
      await hub.close();
    }
  };
  const same = await again({});
  assert.match(same.out, /^ {2}POST http\S+: 202$/m);
  assert.match(same.out, /^ {2}\S+ hears: (subscribe|Patient-open)$/m);
  assert.match(same.out, /^[1-9]\d* requests sent, 0 differences, 0 left out$/m);
  assert.equal(same.code, EXIT.conforms);
  const other = await again({ defects: ['subscribe-200'] });
  assert.match(other.out, /^! POST \S+: 200, was 202$/m);
  assert.equal(other.code, EXIT.fails);
  expectOneLine(await conformance('replay', report, 'broadcast-id'), /^Nobody answers at 127\.0\.0\.1:\d+/);
});

test('webhooks are played when an exchange is sent again: they confirm, hear the events, and refuse as they did', async () => {
  const report = inFolder('webhooks.json');
  const checks = ['webhook-delivered', 'webhook-refusal', 'webhook-wrong-challenge'];
  const only = checks.flatMap((id) => ['--only', id]);
  const hub = await ModelHub.start({ setup: 'webhooks' });
  await conformance('hub', hub.url, '--quiet', '--spec', 'STU2', ...only, '--all', '--json', report);
  await hub.close();
  const again = async (check: string, options: ModelHubOptions) => {
    const other = await ModelHub.start({ setup: 'webhooks', ...options });
    try {
      return await conformance('replay', report, check, '--url', other.url, '--slow', '0.3');
    } finally {
      await other.close();
    }
  };
  const same = await again('webhook-delivered', {});
  assert.match(same.out, /^ {2}Callback is asked: GET$/m);
  assert.match(same.out, /^ {2}Callback is asked: POST Patient-open$/m);
  assert.equal(same.code, EXIT.conforms, same.out);
  const refused = await again('webhook-refusal', {});
  assert.match(refused.out, /hears: SyncError$/m);
  assert.equal(refused.code, EXIT.conforms, refused.out);
  assert.equal((await again('webhook-wrong-challenge', {})).code, EXIT.conforms);
  const silent = await again('webhook-delivered', { defects: ['webhook-never-delivered'] });
  assert.match(silent.out, /^! Callback is asked: undefined, was POST Patient-open$/m);
  assert.equal(silent.code, EXIT.fails);
});

test('JUnit keeps to its schema, whatever a Hub sent', async () => {
  const report = inFolder('junit.json');
  const defects = ['lease-as-string', 'json-only', 'retries-taken-anew', 'garbage-kills-sockets'] as const;
  await testHub({ defects }, '--json', report, '--only', 'c*', '--only', 'publish-*', '--only', 'retry-*');
  const found = readReport(readFileSync(report, 'utf8'));
  const seen = 'a "quote" <tag> & \u0000 ]]> \ufffe end';
  const results = found.results.map((one, at) => ({
    ...one,
    ...(one.seen !== undefined && { seen }),
    ...(at === 0 && { verdict: 'fail' as const, seen, waived: { reason: seen, expires: '2999-01-01' } }),
  }));
  for (const strict of [false, true]) {
    const xml = renderJunit({ ...found, results }, { strict });
    const { valid, errors } = await validateXML({
      xml: [{ fileName: 'report.xml', contents: xml }],
      schema: [{ fileName: 'junit.xsd', contents: readFileSync(new URL('./junit.xsd', import.meta.url), 'utf8') }],
    });
    assert.ok(valid, errors.map(({ message }) => message).join('\n'));
    assert.match(xml, /Seen: a &quot;quote&quot;/);
  }
});
