/** The packages as others get them: built, packed, and installed in a folder where nothing of this repository is. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { after, before, describe, it, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { build as esbuild } from 'esbuild';
import { publint } from 'publint';
import { build as vite } from 'vite';
import { parse as parseYaml } from 'yaml';
import { runGuide } from '../packages/server/test/guides.ts';
import { startChromium } from './chromium.ts';
import { type LocalRegistry, startLocalRegistry } from './local-registry.ts';

const run = promisify(execFile);
const require = createRequire(import.meta.url);
const root = dirname(import.meta.dirname);

const PUBLISHED = ['client', 'conformance', 'fhircast', 'hub', 'r4', 'server', 'store', 'store-redis', 'store-sqlite'];

/** Most resident memory of a whole run of the suite, bytes: 92 to 106 MB are measured, of which Node's HTTP client alone is 62. */
const MOST_MEMORY = 120e6;

/** Runs a program to its end. @returns what it said, and its most resident memory as Linux counted it, bytes */
async function peakOf(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<{ said: string; peak: number }> {
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  let peak = 0;
  child.stdout.setEncoding('utf8').on('data', (data) => (said += data));
  const look = setInterval(() => {
    const status = existsSync(`/proc/${child.pid}/status`) ? readFileSync(`/proc/${child.pid}/status`, 'utf8') : '';
    peak = Math.max(peak, Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024);
  }, 100);
  await once(child, 'close');
  clearInterval(look);
  return { said, peak };
}

/** What an app does with the client library, on whatever Node it runs. */
const CLIENT_PROGRAM = `
import { Subscriber } from '@lockstep/client';
import { fromArgs } from '@lockstep/client/launch';
import { describeState } from '@lockstep/client/status';
import { FakeHub } from '@lockstep/client/testing';
import { hasUnsaved } from '@lockstep/client/unsaved';
import * as page from '@lockstep/client/browser';
import { eventKey } from '@lockstep/fhircast';
const given = { ...fromArgs(['/hub.url:https://hub', '/hub.topic:t']), events: ['Patient-open'] };
const one = new Subscriber({ ...given, ports: { WebSocket: class {} } });
const two = new page.Subscriber({ ...given, ports: { WebSocket: class {} } });
const hub = new FakeHub();
const three = new Subscriber({ ...hub.connection, events: ['Patient-open'] });
await three.connect();
const { status } = await hub.open({ resourceType: 'Patient', id: 'p1' });
await three.unsubscribe();
console.log(describeState(one.state), page.describeState(two.state), status, typeof hasUnsaved, eventKey('Patient-Open'));
`;
const CLIENT_SAYS = 'Not connected: not started Not connected: not started 200 function patient-open\n';

/** What only Node 24 runs: every module of every package, and one resource checked. */
const SERVER_PROGRAM = `
import { readConfig } from '@lockstep/server';
import { Hub } from '@lockstep/hub';
import { R4Validator } from '@lockstep/r4';
import { StoreUnavailable } from '@lockstep/store';
import { openSqlite } from '@lockstep/store-sqlite';
import { openRedis } from '@lockstep/store-redis';
import { runConformance } from '@lockstep/conformance';
const store = await openSqlite({ path: process.argv[2], log: { count: 10, ageMs: 1000 } });
await store.records.put('thing', 'one', { body: '7' }, 1);
const kept = await store.records.get('thing', 'one', 1);
await store.close();
const found = new R4Validator().problem({ resourceType: 'Patient', gender: 'f' });
console.log(readConfig({}).port, kept.body, typeof Hub, found.kind, typeof StoreUnavailable, typeof openRedis, typeof runConformance);
`;
const SERVER_SAYS = '8080 7 function value function function function\n';

/** Uses a type or two of each package; the last line is wrong and must be found. */
const TYPED = `
import '@lockstep/client/r4';
import { type Context, type Subscriber, refuse } from '@lockstep/client';
import { FakeHub } from '@lockstep/client/testing';
import { conforms, type Report, runConformance } from '@lockstep/conformance';
import type { Hub } from '@lockstep/hub';
import { R4Validator } from '@lockstep/r4';
import { type Config, readConfig } from '@lockstep/server';
import type { SessionStore } from '@lockstep/store';
import { openRedis } from '@lockstep/store-redis';
import { openSqlite } from '@lockstep/store-sqlite';
export const follow = (subscriber: Subscriber) => subscriber.follow(() => refuse('not now'));
export const fake = new FakeHub().connection;
export const report: Promise<Report> = runConformance({ hubUrl: 'http://localhost/hub' });
export const good: Promise<boolean> = report.then((one) => conforms(one, { strict: true }));
export const text: string | undefined = new R4Validator().problem({ resourceType: 'Patient' })?.text;
export const config: Config = readConfig({});
export const stores: [Parameters<typeof openRedis>[0]['url'], Promise<{ sessions: SessionStore }>] =
  ['redis://x', openSqlite({ path: ':memory:', log: { count: 1, ageMs: 1 } })];
export type Publish = Hub['publish'];
export const born = ({ resources }: Context): string | undefined => resources.patient?.birthDate;
// @ts-expect-error: a patient may not be there
export const surely = ({ resources }: Context): object => resources.patient;
// @ts-expect-error: FHIR R4 has no such status
export const done = ({ resources }: Context): boolean => resources.report?.status === 'done';
// @ts-expect-error: the port is a number, so types have come along
export const port: string = config.port;
`;

/** Programs named `node` on the path, by major version. */
function nodes(): Map<number, string> {
  const found = new Map([[Number(process.versions.node.split('.')[0]), process.execPath]]);
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const program = join(folder, 'node');
    if (!existsSync(program)) continue;
    const major = Number(/\d+/.exec(execFileSync(program, ['--version'], { encoding: 'utf8' }))?.[0]);
    if (!found.has(major)) found.set(major, program);
  }
  return found;
}

describe('the published packages', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-packages-'));
  const out = join(folder, 'out');
  const app = join(folder, 'app');
  let registry: LocalRegistry;

  const tarball = (name: string): string => join(out, `lockstep-${name}.tgz`);
  const version = (name: string): string =>
    JSON.parse(readFileSync(join(out, name, 'package.json'), 'utf8')).version as string;
  /** Nothing of this machine's npm, and no registry but the one on loopback. */
  const environment = (): NodeJS.ProcessEnv => ({
    PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}`,
    HOME: folder,
    npm_config_registry: registry.url,
    npm_config_cache: join(folder, 'cache'),
    npm_config_audit: 'false',
    npm_config_fund: 'false',
    npm_config_update_notifier: 'false',
    // The bundle is to be whole, not small.
    GZIP: '-1',
  });
  const npm = (...args: string[]) => run('npm', args, { cwd: app, env: environment() });

  before(async () => {
    execFileSync(process.execPath, [join(root, 'scripts', 'pack.mjs'), out]);
    registry = await startLocalRegistry(root);
    mkdirSync(app);
    writeFileSync(join(app, 'package.json'), '{"name":"app","version":"1.0.0","private":true,"type":"module"}');
    writeFileSync(join(app, 'client.mjs'), CLIENT_PROGRAM);
    writeFileSync(join(app, 'server.mjs'), SERVER_PROGRAM);
    writeFileSync(join(app, 'typed.ts'), TYPED);
    mkdirSync(join(folder, 'other'));
    writeFileSync(join(folder, 'other', 'package.json'), '{"name":"other","version":"1.0.0"}');
    await npm('install', ...PUBLISHED.map(tarball));
  });
  after(() => {
    registry.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('are all packages that are not private, each with readme, licence and changelog, without sources and tests', () => {
    const written = readdirSync(out).filter((file) => file.endsWith('.tgz'));
    const names = PUBLISHED.flatMap((name) => [`lockstep-${name}.tgz`, `lockstep-${name}-${version(name)}.tgz`]);
    assert.deepEqual(written.sort(), names.sort());
    const wanted = readdirSync(join(root, 'packages')).filter(
      (name) => !JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8')).private,
    );
    assert.deepEqual(PUBLISHED, wanted.sort());
    for (const name of PUBLISHED) {
      const files = execFileSync('tar', ['tzf', tarball(name)], { encoding: 'utf8' })
        .trim()
        .split('\n');
      for (const file of ['README.md', 'LICENSE', 'CHANGELOG.md']) assert.ok(files.includes(`package/${file}`), file);
      assert.deepEqual(
        files.filter((file) => /\.test\.|(?<!\.d)\.tsx?$|\.tsbuildinfo$/.test(file)),
        [],
        name,
      );
      const readme = readFileSync(join(out, name, 'README.md'), 'utf8');
      assert.doesNotMatch(readme, /\]\(\.\.\//, `${name}: a link out of the package leads nowhere`);
    }
  });

  it('say which Node they run on', () => {
    for (const name of PUBLISHED) {
      const { engines } = JSON.parse(readFileSync(join(out, name, 'package.json'), 'utf8'));
      assert.deepEqual(engines, { node: ['client', 'fhircast'].includes(name) ? '>=20' : '>=24' }, name);
    }
  });

  it('have one version, and a changelog with a heading for each release', () => {
    const { version: one } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    for (const name of PUBLISHED) assert.equal(version(name), one, name);
    const [first, ...others] = Array.from(
      readFileSync(join(root, 'CHANGELOG.md'), 'utf8').matchAll(/^## (.+)$/gm),
      ([, heading]) => heading,
    );
    const released = first === 'Unreleased' ? others : [first, ...others];
    for (const heading of released) assert.match(heading ?? '', /^\d+\.\d+\.\d+ \(\d{4}-\d{2}-\d{2}\)$/);
  });

  for (const name of PUBLISHED) {
    it(`${name}: publint and the resolution of types have nothing against it`, async () => {
      const { messages } = await publint({ pkgDir: join(out, name), level: 'suggestion', strict: true, pack: false });
      assert.deepEqual(messages, []);
      const checked = await checkPackage(createPackageFromTarballData(readFileSync(tarball(name))));
      assert.ok(checked.types);
      // ESM only: Node 10's resolution and require() are not for it.
      const problems = checked.problems.filter(
        (problem) =>
          problem.kind !== 'CJSResolvesToESM' &&
          !('resolutionKind' in problem && ['node10', 'node16-cjs'].includes(problem.resolutionKind)),
      );
      assert.deepEqual(problems, []);
    });
  }

  it('install from their tarballs, survive the next install and npm ci, and run on every Node that they are for', async (test) => {
    // A name that a registry lacks today may be anybody's there tomorrow.
    registry.missing.clear();
    await npm('install', '--install-links', join(folder, 'other'));
    rmSync(join(app, 'node_modules'), { recursive: true });
    await npm('ci', '--install-links');
    for (const [major, program] of nodes()) {
      if (major < 20) continue;
      const env = { PATH: process.env.PATH };
      const { stdout } = await run(program, [join(app, 'client.mjs')], { env });
      assert.equal(stdout, CLIENT_SAYS, `Node ${major}`);
      test.diagnostic(`client on Node ${major}`);
      if (major < 24) continue;
      const data = join(folder, `store-${major}.db`);
      assert.equal((await run(program, [join(app, 'server.mjs'), data], { env })).stdout, SERVER_SAYS, `Node ${major}`);
      test.diagnostic(`server on Node ${major}`);
    }
    const asked = [...registry.missing].filter((name) => name.startsWith('@lockstep/'));
    assert.deepEqual(asked, [], 'ours are asked of no registry');
  });

  for (const compiler of ['typescript-5', 'typescript']) {
    it(`have types for ${compiler}`, async (test) => {
      const home = dirname(require.resolve(`${compiler}/package.json`));
      const types = join(app, 'node_modules', '@types');
      mkdirSync(types, { recursive: true });
      for (const name of ['fhir', 'node', 'react', 'ws']) {
        cpSync(join(root, 'node_modules', '@types', name), join(types, name), { recursive: true });
      }
      for (const resolution of [
        ['--module', 'nodenext'],
        ['--module', 'esnext', '--moduleResolution', 'bundler'],
      ]) {
        const flags = [
          '--noEmit',
          '--strict',
          '--target',
          'es2024',
          '--types',
          'node',
          '--skipLibCheck',
          ...resolution,
        ];
        const ended = run(process.execPath, [join(home, 'bin', 'tsc'), ...flags, join(app, 'typed.ts')], { cwd: app });
        await ended.catch((error) => assert.fail(`${resolution.join(' ')}: ${error.stdout}`));
      }
      test.diagnostic(JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')).version);
    });
  }

  it('client: Vite and esbuild bundle it for a page, and keep of it what is used', async () => {
    writeFileSync(
      join(app, 'entry.js'),
      "import { Subscriber } from '@lockstep/client'; globalThis.made = Subscriber;",
    );
    const entry = join(app, 'entry.js');
    const made = await vite({
      configFile: false,
      logLevel: 'error',
      root: app,
      build: { write: false, lib: { entry, formats: ['es'] } },
    });
    const [output] = Array.isArray(made) ? made : [made];
    assert.ok(output && 'output' in output && output.output[0]);
    const { outputFiles } = await esbuild({
      entryPoints: [entry],
      bundle: true,
      minify: true,
      format: 'esm',
      platform: 'browser',
      write: false,
      logLevel: 'silent',
    });
    for (const code of [output.output[0].code, outputFiles[0]?.text ?? '']) {
      assert.doesNotMatch(code, /^\s*import\b/m);
      assert.match(code, /org\.lockstep|hub\.mode|Patient-open|heartbeat/, 'the subscriber is in it');
      assert.doesNotMatch(code, /lockstep-status/, 'the status element, which nothing asked for, is not');
    }
  });

  it('client: one file is enough for a plain page', async () => {
    const text = readFileSync(join(app, 'node_modules', '@lockstep', 'client', 'browser.js'), 'utf8');
    const page = `<!doctype html><title>App</title><lockstep-status></lockstep-status><script type="module">
      import { fromUrl, Subscriber } from './browser.js';
      const subscriber = new Subscriber({ ...fromUrl('https://app/?hub.url=https://hub&hub.topic=t'), events: ['Patient-open'] });
      const status = document.querySelector('lockstep-status');
      status.subscriber = subscriber;
      document.title = [subscriber.state.status, customElements.get('lockstep-status') !== undefined].join(' ');
    </script>`;
    const server = createServer((request, response) => {
      const code = request.url === '/browser.js';
      response.writeHead(200, { 'content-type': code ? 'text/javascript' : 'text/html' }).end(code ? text : page);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const browser = await startChromium();
    try {
      const tab = await browser.newPage();
      const errors: string[] = [];
      tab.on('pageerror', (error) => errors.push(String(error)));
      await tab.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
      await tab.waitForFunction("document.title !== 'App'");
      assert.deepEqual(errors, []);
      assert.match(await tab.title(), /^\S+ true$/);
    } finally {
      await browser.close();
      server.closeAllConnections();
      server.close();
    }
  });

  it('client: the guide for an app that follows runs as it stands there', async (test) => {
    await runGuide(test, 'docs/make-your-app-follow.md', {
      replace: { 'npm run pack': `ln -s ${out} dist` },
      // The guide says what Node 20 needs besides.
      env: { PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}` },
      shows: [/in-sync/, /Patient rosa-quispe/],
    });
  });

  it('server and conformance: npx runs each from its tarball: a Hub starts, and the suite tests it', async (test) => {
    const { child, origin } = await npxServer(test);
    const reports = join(folder, 'report.json');
    const suite = [
      '--yes',
      `./${basename(tarball('conformance'))}`,
      'hub',
      `${origin}/hub`,
      '--register',
      `${origin}/fhir`,
    ];
    const options = ['--session-user', 'jsmith', '--quiet', '--only', 'broadcast-*', '--json', reports];
    const { stdout } = await run('npx', [...suite, ...options], { cwd: out, env: environment() });
    assert.match(stdout, /conforms/);
    assert.equal(JSON.parse(readFileSync(reports, 'utf8')).suite.version, version('conformance'));
    // The recipes for CI, as they stand in the guide.
    const guide = readFileSync(join(root, 'docs', 'conformance.md'), 'utf8');
    const [steps, jobs] = Array.from(guide.matchAll(/```yaml\n([\s\S]*?)```/g), ([, recipe = '']) => parseYaml(recipe));
    const commands = [steps.find((step: { run?: string }) => step.run).run, ...jobs.conformance.script];
    assert.equal(commands.length, 2);
    const wanted = { 'session-user': 'jsmith', register: `${origin}/fhir`, only: ['broadcast-*'] };
    for (const command of commands) {
      const place = mkdtempSync(join(folder, 'recipe-'));
      cpSync(tarball('conformance'), join(place, basename(tarball('conformance'))));
      writeFileSync(join(place, 'conformance.json'), JSON.stringify(wanted));
      const env = { ...environment(), HUB_URL: `${origin}/hub`, npm_config_yes: 'true' };
      assert.match((await run('sh', ['-c', command], { cwd: place, env })).stdout, /conforms/, command);
      const kept = [...jobs.conformance.artifacts.paths, jobs.conformance.artifacts.reports.junit];
      for (const file of kept) assert.ok(existsSync(join(place, file)), `${command}: ${file}`);
    }
    const [, container = ''] = /```dockerfile\n([\s\S]*?)```/.exec(guide) ?? [];
    assert.match(container, new RegExp(`^COPY ${basename(tarball('conformance'))} /tmp/$`, 'm'));
    const bin = JSON.parse(readFileSync(join(out, 'conformance', 'package.json'), 'utf8')).bin;
    assert.ok(Object.keys(bin).includes(JSON.parse(/^ENTRYPOINT (.*)$/m.exec(container)?.[1] ?? '')[0]));
    const prefix = join(folder, 'image');
    const installed = await run('npm', ['install', '--global', '--prefix', prefix, tarball('conformance')], {
      cwd: folder,
      env: environment(),
    });
    assert.ok(installed.stdout);
    const help = await run(join(prefix, 'bin', 'fhircast-conformance'), ['--help'], {
      cwd: folder,
      env: environment(),
    });
    assert.match(help.stdout, /^Tests FHIRcast Hubs/);
    const installedSuite = join(prefix, 'bin', 'fhircast-conformance');
    const whole = ['hub', `${origin}/hub`, '--register', `${origin}/fhir`, '--session-user', 'jsmith', '--quiet'];
    const { said, peak } = await peakOf(installedSuite, [...whole, '--spec', '3.0.0'], environment());
    assert.match(said, /: conforms$/m, 'the whole suite from its tarball');
    test.diagnostic(`a whole run took ${Math.round(peak / 1e6)} MB`);
    assert.ok(peak < MOST_MEMORY, `${Math.round(peak / 1e6)} MB`);
    const pages = await (await fetch(`${origin}/`)).text();
    assert.match(pages, /<script type="module"/, 'the console has travelled along');
    assert.equal((await fetch(`${origin}/samples/viewer/`)).status, 200);
    const german = await fetch(`${origin}/auth/sign-in`, { headers: { 'accept-language': 'de' } });
    assert.match(await german.text(), /<html lang="de"/, 'and so have the languages of the pages for signing in');
    const ended = once(child, 'exit');
    process.kill(-child.pid!, 'SIGTERM');
    await ended;
  });

  it('server: the offline bundle starts and works where there is no network', async (test) => {
    const bundled = await run(process.execPath, [join(root, 'scripts', 'bundle.mjs'), out], { env: environment() });
    const archive = bundled.stdout.split(' ')[0] ?? '';
    test.diagnostic(bundled.stdout.trim());
    execFileSync('sha256sum', ['--check', '--quiet', `${archive}.sha256`], { cwd: out });
    const place = join(folder, 'offline');
    mkdirSync(place);
    execFileSync('tar', ['xzf', archive, '-C', place, '--strip-components', '1']);
    const script = `set -eu
      [ -z "\${1:-}" ] || ip link set lo up
      ./lockstep --port 0 --data data > said 2>&1 &
      server=$!
      trap 'kill $server' EXIT
      until grep -q 'Lockstep is ready' said; do kill -0 $server; sleep 0.1; done
      topic=$(./lockstep sessions open --user jsmith --data data)
      ./lockstep publish Patient-open Patient/walter-pruitt --topic $topic --data data
      ./lockstep context --topic $topic --data data`;
    // A network of its own with nothing in it, where whoever runs this may make one.
    const alone = spawnSync('unshare', ['-n', 'ip', 'link', 'set', 'lo', 'up']).status === 0;
    const shell = ['sh', '-c', script, 'sh'];
    const [program = '', ...args] = alone ? ['unshare', '-n', ...shell, 'alone'] : shell;
    const { stdout } = await run(program, args, { cwd: place, env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } });
    assert.match(stdout, /Patient\/walter-pruitt/);
    test.diagnostic(alone ? 'in a network of its own' : 'not cut off from the network: unshare is not allowed here');
  });

  async function npxServer(test: TestContext): Promise<{ child: ChildProcess; origin: string }> {
    const child = spawn('npx', ['--yes', `./${basename(tarball('server'))}`], {
      cwd: out,
      env: { ...environment(), PORT: '0', LOCKSTEP_DATA: join(folder, 'data'), LOCKSTEP_RATE_LIMIT: '0' },
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    });
    test.after(() => {
      if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid!, 'SIGKILL');
    });
    const ended = once(child, 'exit').then(([code]) => assert.fail(`it ended with ${code} before it was ready`));
    const ready = (async () => {
      for await (const line of createInterface({ input: child.stdout })) {
        const found = /^Lockstep is ready at (\S+)$/.exec(line)?.[1];
        if (found !== undefined) return found;
      }
      return assert.fail('it said nothing of being ready');
    })();
    const origin = await Promise.race([ready, ended]);
    ended.catch(() => undefined);
    return { child, origin };
  }
});
