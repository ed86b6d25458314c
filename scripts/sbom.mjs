// npm run sbom: prints a CycloneDX list of what is shipped. npm writes it; what the lockfile marks as needed for development only
// is left out here, because `npm sbom --omit dev` also leaves out what another package needs for development.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { root } from './bootstrap.mjs';

const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
const args = ['sbom', '--package-lock-only', '--sbom-format', 'cyclonedx', '--sbom-type', 'application'];
const made = spawnSync(npm, args, {
  cwd: root,
  encoding: 'utf8',
  maxBuffer: 64 * 2 ** 20,
  shell: process.platform === 'win32',
});
if (made.status !== 0) {
  process.stderr.write(made.stderr);
  process.exit(1);
}
const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
const bom = JSON.parse(made.stdout);
const identity = (path, { name = path.split('node_modules/').pop(), version }) => `${name}@${version}`;
const needed = Object.entries(packages).filter(([, entry]) => !entry.dev && !entry.link);
const kept = new Set(needed.map(([path, entry]) => identity(path, entry)));
const shipped = bom.components.filter(({ name, version }) => kept.has(`${name}@${version}`));
const references = new Set([bom.metadata.component, ...shipped].map((one) => one['bom-ref']));
const dependencies = bom.dependencies
  .filter(({ ref }) => references.has(ref))
  .map((one) => ({ ...one, dependsOn: (one.dependsOn ?? []).filter((ref) => references.has(ref)) }));
console.log(JSON.stringify({ ...bom, components: shipped, dependencies }, null, 2));
