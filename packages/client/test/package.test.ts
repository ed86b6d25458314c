import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import process from 'node:process';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';

const PACKAGES = ['fhircast', 'client'] as const;
const SCRIPT = `
import { Subscriber, fromArgs } from '@lockstep/client';
import { describeState } from '@lockstep/client/status';
import { FakeHub } from '@lockstep/client/testing';
import { hasUnsaved } from '@lockstep/client/unsaved';
import * as page from '@lockstep/client/browser';
const given = { ...fromArgs(['/hub.url:https://hub', '/hub.topic:t']), events: ['Patient-open'] };
const one = new Subscriber({ ...given, ports: { WebSocket: class {} } });
const two = new page.Subscriber({ ...given, ports: { WebSocket: class {} } });
const hub = new FakeHub();
const three = new Subscriber({ ...hub.connection, events: ['Patient-open'] });
await three.connect();
const { status } = await hub.open({ resourceType: 'Patient', id: 'p1' });
await three.unsubscribe();
console.log(describeState(one.state), page.describeState(two.state), status, typeof hasUnsaved);
`;
const SAYS = 'Not connected: not started Not connected: not started 200 function\n';

/** Programs named `node` on the path, by major version. */
function nodes(): Map<string, string> {
  const found = new Map([[process.versions.node.split('.')[0] ?? '', process.execPath]]);
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    try {
      const program = join(folder, 'node');
      const version = execFileSync(program, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
      const major = version.slice(1).split('.')[0] ?? '';
      if (!found.has(major)) found.set(major, program);
    } catch {
      // Not every folder has one.
    }
  }
  return found;
}

describe('the published packages', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-package-'));
  const out = join(folder, 'out');
  const app = join(folder, 'app');
  const tarball = (name: string) =>
    join(out, readdirSync(out).find((file) => file.startsWith(`lockstep-${name}-`)) ?? 'missing');
  /** What would reach a registry fails. */
  const npm = (...args: string[]) =>
    execFileSync('npm', [...args, '--offline', '--no-audit', '--no-fund', '--cache', join(folder, 'cache')], {
      cwd: app,
      encoding: 'utf8',
    });

  before(() => {
    execFileSync(process.execPath, [fileURLToPath(new URL('../../../scripts/pack.mjs', import.meta.url)), out]);
    mkdirSync(app);
    writeFileSync(join(app, 'package.json'), '{"name":"app","version":"1.0.0","private":true,"type":"module"}');
    writeFileSync(join(app, 'main.mjs'), SCRIPT);
    mkdirSync(join(folder, 'other'));
    writeFileSync(join(folder, 'other', 'package.json'), '{"name":"other","version":"1.0.0"}');
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('install from one tarball, survive the next install and npm ci, and run on every Node at hand from 20', (test) => {
    npm('install', tarball('client'));
    npm('install', '--install-links', join(folder, 'other'));
    const runs = () => {
      for (const [major, program] of nodes()) {
        if (Number(major) < 20) continue;
        const said = execFileSync(program, [join(app, 'main.mjs')], {
          encoding: 'utf8',
          env: { ...process.env, NODE_OPTIONS: '' },
        });
        assert.equal(said, SAYS, `Node ${major}`);
        test.diagnostic(`Node ${major}`);
      }
    };
    runs();
    rmSync(join(app, 'node_modules'), { recursive: true });
    npm('ci', '--install-links');
    runs();
  });

  for (const name of PACKAGES) {
    it(`${name}: publint and the types' resolution have nothing against it`, async () => {
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

    it(`${name}: has a readme, the licence, the changelog, and neither sources nor tests`, () => {
      const files = readdirSync(join(out, name), { recursive: true }).map(String);
      for (const wanted of ['README.md', 'LICENSE', 'CHANGELOG.md']) assert.ok(files.includes(wanted), wanted);
      assert.deepEqual(
        files.filter((file) => /\.test\.|(?<!\.d)\.tsx?$/.test(file)),
        [],
      );
    });
  }

  it('is one file without imports for a plain page', () => {
    const text = readFileSync(join(out, 'client', 'browser.js'), 'utf8');
    assert.doesNotMatch(text, /^\s*import\b|\bimport\(|\bfrom\s*["']/m);
    cpSync(join(out, 'client', 'browser.js'), join(folder, 'alone.mjs'));
    const said = execFileSync(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `import * as page from ${JSON.stringify(join(folder, 'alone.mjs'))}; console.log(typeof page.Subscriber, typeof page.LockstepStatus, typeof page.hasUnsaved)`,
      ],
      { encoding: 'utf8' },
    );
    assert.equal(said, 'function function function\n');
  });
});
