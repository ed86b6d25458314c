/** Releases, as CONTRIBUTING.md describes them: made by changesets in a copy of what they change. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { type TestContext, test } from 'node:test';

const root = dirname(import.meta.dirname);

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

const MANIFESTS = globSync('{packages,samples}/*/package.json', { cwd: root });

/** A repository of its own with what a release reads and writes. */
function copy(test: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-version-'));
  test.after(() => rmSync(folder, { recursive: true }));
  const taken = ['.changeset/config.json', '.gitignore', 'CHANGELOG.md', 'deploy/helm/lockstep/Chart.yaml'];
  for (const file of [...taken, 'package.json', 'package-lock.json', 'scripts/version.mjs', ...MANIFESTS]) {
    cpSync(join(root, file), join(folder, file));
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  const git = (...args: string[]) => execFileSync('git', args, { cwd: folder, stdio: 'ignore' });
  git('init', '--initial-branch', 'main');
  git('add', '.');
  git('-c', 'user.name=Test', '-c', 'user.email=test@example.org', 'commit', '--message', 'Begin');
  return {
    read: (file: string) => readFileSync(join(folder, file), 'utf8'),
    has: (file: string) => existsSync(join(folder, file)),
    write: (file: string, text: string) => writeFileSync(join(folder, file), text),
    release: () =>
      spawnSync(process.execPath, [join(folder, 'scripts', 'version.mjs')], { cwd: folder, encoding: 'utf8' }),
  };
}

const [major = 0, minor = 0, patch = 0] = (
  JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest
).version
  .split('.')
  .map(Number);

for (const [kind, next] of [
  ['patch', `${major}.${minor}.${patch + 1}`],
  ['minor', `${major}.${minor + 1}.0`],
  ['major', `${major + 1}.0.0`],
] as const) {
  test(`a release with a ${kind} changeset gives all packages ${next}, and the changelogs of it and of who depends on it`, (test) => {
    const { read, has, write, release } = copy(test);
    write('.changeset/odd-names.md', `---\n'@lockstep/fhircast': ${kind}\n---\n\nNames of events may be odd.\n`);
    write('.changeset/quick-hub.md', `---\n'@lockstep/hub': patch\n---\n\nThe Hub is quicker\nin two lines.\n`);
    const { status, stdout, stderr } = release();
    assert.equal(status, 0, stdout + stderr);
    assert.ok(
      !has('.changeset/odd-names.md') && !has('.changeset/quick-hub.md'),
      'what is released is recorded no more',
    );
    for (const file of [...MANIFESTS, 'package.json']) assert.equal(JSON.parse(read(file)).version, next, file);
    const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, Manifest> };
    for (const folder of ['', ...MANIFESTS.map((file) => dirname(file))]) {
      assert.equal(packages[folder]?.version, next, `package-lock.json: ${folder}`);
    }
    assert.match(read('deploy/helm/lockstep/Chart.yaml'), new RegExp(`^version: ${next}\nappVersion: ${next}$`, 'm'));
    for (const file of MANIFESTS) {
      const { name, dependencies = {} } = JSON.parse(read(file)) as Manifest;
      const changelog = read(join(dirname(file), 'CHANGELOG.md'));
      assert.match(changelog, new RegExp(`^# ${name}\n\n## ${next}\n`));
      assert.equal(changelog.includes('- Names of events may be odd.'), name === '@lockstep/fhircast', name);
      assert.equal(changelog.includes(`- @lockstep/fhircast@${next}`), '@lockstep/fhircast' in dependencies, name);
    }
    const whole = read('CHANGELOG.md');
    const today =
      /^## (\S+) \(\d{4}-\d{2}-\d{2}\)\n\n- Names of events may be odd\.\n- The Hub is quicker\n {2}in two lines\.\n/m;
    assert.equal(today.exec(whole)?.[1], next);
    assert.doesNotMatch(whole, /^## Unreleased/m);
  });
}

test('a second release stands above the first, and one without a change is refused', (test) => {
  const { read, write, release } = copy(test);
  const change = (text: string) => write('.changeset/change.md', `---\n'@lockstep/client': minor\n---\n\n${text}\n`);
  change('The first.');
  assert.equal(release().status, 0);
  const before = read('CHANGELOG.md');
  const refused = release();
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /no change to release: npx changeset records one/);
  assert.equal(read('CHANGELOG.md'), before);
  change('The second.');
  assert.equal(release().status, 0);
  const headings = Array.from(read('CHANGELOG.md').matchAll(/^## (\S+)/gm), ([, version]) => version);
  assert.deepEqual(headings.slice(0, 2), [`${major}.${minor + 2}.0`, `${major}.${minor + 1}.0`]);
  assert.match(read('CHANGELOG.md'), /- The second\.\n\n## \S+ \(\S+\)\n\n- The first\./);
});

test('a changeset of a package that is not there is refused, and changes nothing', (test) => {
  const { read, write, release } = copy(test);
  write('.changeset/change.md', "---\n'@lockstep/nothing': minor\n---\n\nNothing.\n");
  const manifest = read('packages/client/package.json');
  const { status } = release();
  assert.notEqual(status, 0);
  assert.equal(read('packages/client/package.json'), manifest);
});
