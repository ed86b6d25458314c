// node scripts/run.mjs packages/client/pack.mjs [FOLDER]: writes @lockstep/client and @lockstep/fhircast as they are
// published, JavaScript and declarations for Node 20 and browsers, each ready for `npm publish FOLDER/{name}`.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..', '..');
const out = resolve(process.argv[2] ?? join(here, 'dist'));

function published(manifest) {
  const path = (source) => source.replace(/^\.\/src\//, './').replace(/\.ts$/, '');
  const exports = Object.entries(manifest.exports).map(([name, source]) => [
    name,
    { types: `${path(source)}.d.ts`, default: `${path(source)}.js` },
  ]);
  const dependencies = Object.keys(manifest.dependencies).map((name) => [name, `^${manifest.version}`]);
  const { devDependencies, scripts, ...kept } = manifest;
  return {
    ...kept,
    exports: Object.fromEntries(exports),
    dependencies: Object.fromEntries(dependencies),
    engines: { node: '>=20' },
  };
}

for (const name of ['fhircast', 'client']) {
  const source = join(root, 'packages', name);
  const target = join(out, name);
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  const config = {
    extends: join(here, 'tsconfig.build.json'),
    compilerOptions: {
      rootDir: join(source, 'src'),
      outDir: target,
      typeRoots: [join(root, 'node_modules', '@types')],
    },
    include: [join(source, 'src')],
    exclude: [join(source, 'src/**/*.test.ts')],
  };
  const project = join(target, 'tsconfig.json');
  writeFileSync(project, JSON.stringify(config));
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const built = spawnSync(process.execPath, [compiler, '-p', project], { cwd: root, stdio: 'inherit' });
  rmSync(project);
  if (built.status !== 0) process.exit(1);
  const manifest = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'));
  writeFileSync(join(target, 'package.json'), `${JSON.stringify(published(manifest), null, 2)}\n`);
  cpSync(join(root, 'LICENSE'), join(target, 'LICENSE'));
}
