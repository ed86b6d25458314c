/** The package that others install: built, packed, and run where nothing of the repository is. */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ModelHub } from './model-hub.ts';

const run = promisify(execFile);
const require = createRequire(import.meta.url);
const PACK = fileURLToPath(new URL('../scripts/pack.mjs', import.meta.url));

let folder: string;
let installed: string;

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'conformance-packed-'));
  const tarball = execFileSync(process.execPath, [PACK, folder], { encoding: 'utf8' }).trim();
  installed = join(folder, 'node_modules/@lockstep/conformance');
  mkdirSync(installed, { recursive: true });
  execFileSync('tar', ['xzf', tarball, '-C', installed, '--strip-components', '1']);
  for (const name of ['ws', '@types/ws', '@types/node', 'undici-types']) {
    const at = join(folder, 'node_modules', name);
    mkdirSync(dirname(at), { recursive: true });
    symlinkSync(dirname(require.resolve(`${name}/package.json`)), at);
  }
});
after(() => rmSync(folder, { recursive: true, force: true }));

test('it holds what was built, a readme and a licence, and nothing else', () => {
  assert.deepEqual(readdirSync(installed).sort(), ['LICENSE', 'README.md', 'bin', 'dist', 'package.json']);
  const about = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
  assert.equal(about.license, 'Apache-2.0');
  assert.deepEqual(Object.keys(about.dependencies), ['ws']);
  assert.equal(about.devDependencies, undefined);
  const sources = readdirSync(join(installed, 'dist'), { recursive: true }).map(String);
  assert.ok(sources.every((name) => !name.endsWith('.ts') || name.endsWith('.d.ts')));
});

test('its command tests a Hub', async () => {
  const hub = await ModelHub.start();
  const command = join(installed, 'bin/fhircast-conformance.mjs');
  const json = join(folder, 'report.json');
  const argv = [command, 'hub', hub.url, '--quiet', '--only', 'broadcast-*', '--json', json];
  const { stdout } = await run(process.execPath, argv);
  await hub.close();
  assert.match(stdout, /conforms/);
  const { suite } = JSON.parse(readFileSync(json, 'utf8'));
  const { version } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
  assert.equal(suite.version, version);
  assert.match(suite.specifications['HL7/fhircast-docs'], /^[0-9a-f]{40}$/);
});

test('its types are those of its exports', async () => {
  writeFileSync(
    join(folder, 'use.ts'),
    `import { conforms, type Report, runConformance } from '@lockstep/conformance';
     export const report: Promise<Report> = runConformance({ hubUrl: 'http://localhost/hub' });
     export const good: Promise<boolean> = report.then((one) => conforms(one, { strict: true }));\n`,
  );
  const tsc = join(dirname(require.resolve('typescript/package.json')), 'bin/tsc');
  const flags = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024', '--types', 'node'];
  await run(process.execPath, [tsc, ...flags, join(folder, 'use.ts')], { cwd: folder }).catch((error) =>
    assert.fail(`${error.stdout}`),
  );
});
