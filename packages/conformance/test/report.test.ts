import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { EXIT, main, type SuiteTerminal } from '../src/cli.ts';
import {
  diffReports,
  type Report,
  readReport,
  renderBadge,
  renderHtml,
  renderJson,
  renderJunit,
  renderTerminal,
  renderTestReport,
  runConformance,
} from '../src/index.ts';
import { ModelHub } from './model-hub.ts';

const ONLY = ['subscribe-accepted', 'confirmation-lease', 'hub-over-https', 'publish-fhir-json'];
const QUICK = { timeoutMs: 1500, settleMs: 60, versions: ['3.0.0'], only: ONLY } as const;

let broken: Report;
let healthy: Report;
let folder: string;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'conformance-report-'));
  const good = await ModelHub.start();
  const bad = await ModelHub.start({ defects: ['lease-as-string', 'json-only'] });
  healthy = await runConformance({ ...QUICK, hubUrl: good.url });
  broken = await runConformance({ ...QUICK, hubUrl: bad.url });
  await Promise.all([good.close(), bad.close()]);
});

after(() => rmSync(folder, { recursive: true, force: true }));

test('a report counts its verdicts and shows the exchange of what failed', () => {
  assert.deepEqual(broken.counts, { pass: 1, fail: 1, warning: 1, skip: 1 });
  const failed = broken.results.find(({ verdict }) => verdict === 'fail');
  assert.equal(failed?.id, 'confirmation-lease');
  assert.match(failed.expected ?? '', /positive JSON number/);
  assert.match(failed.seen ?? '', /"hub.lease_seconds":"3600"/);
  assert.ok(failed.exchange?.some(({ kind, text }) => kind === 'received' && text.includes('hub.lease_seconds')));
  assert.equal(broken.results.find(({ verdict }) => verdict === 'pass')?.exchange, undefined);
});

test('the page has what failed first, its sections in the order of the specification, and its counts in words', () => {
  const page = renderHtml({
    ...broken,
    results: broken.results.toReversed(),
    counts: { ...broken.counts, warning: 2 },
  });
  const heads = [...page.matchAll(/<h2>([^<]+)<\/h2>/g)].map(([, head]) => head);
  assert.deepEqual(heads, [
    'What failed',
    '2 Specification',
    '2.4 Subscribing: Subscription Response',
    '2.6 Send Event Notification',
  ]);
  assert.match(page, /1 failed<.*2 warnings<.*1 passed</s);
});

test('JSON is read back as it was', () => {
  assert.deepEqual(readReport(renderJson(broken)), JSON.parse(JSON.stringify(broken)));
  assert.throws(() => readReport('{"results": []}'), TypeError);
});

test('JUnit counts failures and skips, and escapes what a Hub sent', () => {
  const seen = 'a "quote" <tag> & \u0000 nothing';
  const results = broken.results.map((one) => (one.verdict === 'fail' ? { ...one, seen } : one));
  const xml = renderJunit({ ...broken, results });
  assert.match(xml, /<testsuites tests="4" failures="1" errors="0" time="[\d.]+">/);
  assert.match(xml, /<testsuite name="[^"]+" tests="4" failures="1" errors="0" time="[\d.]+" skipped="1"/);
  assert.equal(xml.match(/<failure /g)?.length, 1);
  assert.equal(xml.match(/<skipped /g)?.length, 1);
  assert.ok(xml.includes('a &quot;quote&quot; &lt;tag&gt; &amp; \ufffd nothing'));
});

test('the page needs nothing else, and nothing in it that a Hub sent becomes markup', () => {
  const seen = '</dd><script>alert(1)</script>';
  const results = broken.results.map((one) => ({
    ...one,
    seen,
    requirement: { ...one.requirement, link: 'javascript:alert(1)' },
  }));
  const page = renderHtml({ ...broken, results });
  assert.ok(!page.includes('<script>alert'), 'what was seen is text');
  assert.ok(!page.includes('href="javascript:'), 'only web addresses become links');
  const real = renderHtml(broken);
  assert.doesNotMatch(real, /(src|@import|url\()\s*=?\s*["']?https?:/);
  for (const word of ['The Hub-determined number of seconds', 'Expected', 'Seen', 'What was exchanged']) {
    assert.ok(real.includes(word), word);
  }
});

test('a TestReport has a result for each check', () => {
  const resource = renderTestReport(broken) as {
    resourceType: string;
    result: string;
    score: number;
    test: { name: string; action: { assert: { result: string } }[] }[];
  };
  assert.equal(resource.resourceType, 'TestReport');
  assert.equal(resource.result, 'fail');
  assert.equal(resource.score, 33.33);
  assert.deepEqual(resource.test.map(({ action }) => action[0]?.assert.result).sort(), [
    'fail',
    'pass',
    'skip',
    'warning',
  ]);
});

test('the badge tells the outcome', () => {
  assert.match(renderBadge(broken), /1 of 3 failed/);
  assert.match(renderBadge(healthy), /FHIRcast 3\.0\.0.*3 passed/);
});

test('the text names the sentence, what was expected and what was seen', () => {
  const text = renderTerminal(broken);
  assert.match(text, /confirmation-lease/);
  assert.match(text, /expected {2}hub\.lease_seconds: a positive JSON number/);
  assert.match(text, /does not conform/);
  assert.match(renderTerminal(healthy), /: conforms/);
});

test('the difference of two reports tells worse from better', () => {
  const worse = diffReports(healthy, broken);
  assert.deepEqual(
    worse.worse.map(({ id }) => id),
    ['confirmation-lease', 'publish-fhir-json'],
  );
  assert.equal(worse.same, 2);
  const better = diffReports(broken, healthy);
  assert.deepEqual([better.worse.length, better.better.length], [0, 2]);
});

/** The command, with what it wrote. */
async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  const terminal: SuiteTerminal = {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    color: false,
    env: {},
    ask: undefined,
  };
  const code = await main(argv, terminal);
  return { code, out, err };
}

test('the command tests a Hub, writes every form and tells the outcome by its exit code', async () => {
  const hub = await ModelHub.start({ defects: ['lease-as-string'] });
  const file = (name: string) => join(folder, name);
  const only = ONLY.flatMap((id) => ['--only', id]);
  const forms = ['json', 'junit', 'html', 'test-report', 'badge'].flatMap((form) => [`--${form}`, file(form)]);
  const failed = await run('hub', hub.url, '--spec', '3.0.0', ...only, ...forms);
  await hub.close();
  assert.equal(failed.code, EXIT.fails, failed.err);
  assert.match(failed.out, /confirmation-lease/);
  assert.match(failed.err, /4\/4/);
  assert.equal(readReport(readFileSync(file('json'), 'utf8')).counts.fail, 1);
  assert.match(readFileSync(file('junit'), 'utf8'), /^<\?xml/);
  assert.match(readFileSync(file('html'), 'utf8'), /^<!doctype html>/);
  assert.equal(JSON.parse(readFileSync(file('test-report'), 'utf8')).resourceType, 'TestReport');
  assert.match(readFileSync(file('badge'), 'utf8'), /^<svg/);

  writeFileSync(file('healthy'), renderJson(healthy));
  assert.equal((await run('report', file('healthy'))).code, EXIT.conforms);
  assert.equal((await run('diff', file('json'), file('healthy'))).code, EXIT.conforms);
  const worse = await run('diff', file('healthy'), file('json'));
  assert.equal(worse.code, EXIT.fails);
  assert.match(worse.out, /confirmation-lease: pass → fail/);
});

test('a file that cannot be written does not take the outcome with it', async () => {
  writeFileSync(join(folder, 'whole'), renderJson(broken));
  const { code, out, err } = await run('report', join(folder, 'whole'), '--html', join(folder, 'no', 'such', 'folder'));
  assert.equal(code, EXIT.usage);
  assert.match(out, /1 passed, 1 failed/);
  assert.match(err, /ENOENT/);
});

test('wrong use says so and exits with 2', async () => {
  for (const argv of [
    [],
    ['transmogrify'],
    ['hub'],
    ['hub', 'ftp://hub.example.com'],
    ['hub', 'http://127.0.0.1:1/hub', '--spec', '9.9'],
    ['hub', 'http://127.0.0.1:1/hub', '--slow', 'very'],
    ['hub', 'http://127.0.0.1:1/hub', '--only', 'subscribe-acepted'],
    ['hub', 'http://127.0.0.1:1/hub', '--except', 'webhok-*'],
    ['subscriber', '--launch', 'true', '--only', 'app-nothing'],
    ['hub', 'http://127.0.0.1:1/hub', '--client-id', 'x'],
    ['hub', 'http://127.0.0.1:1/hub', '--no-such-option'],
    ['subscriber'],
    ['diff', join(folder, 'nothing')],
  ]) {
    const { code, out, err } = await run(...argv);
    assert.equal(code, EXIT.usage, argv.join(' '));
    assert.ok((out + err).length > 20, argv.join(' '));
  }
  const help = await run('--help');
  assert.equal(help.code, EXIT.conforms);
  assert.match(help.out, /Exit codes/);
});
