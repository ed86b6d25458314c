// npm run pack [-- FOLDER]: writes the packages as they are published, built JavaScript with types, and one tarball each. Default: dist/
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const out = resolve(process.argv[2] ?? join(root, 'dist'));

/**
 * What is published, in the order of dependence.
 * `bundles`: packages of ours that travel inside, so that one tarball can be installed without a registry that has them.
 * `single`: a module that is built as one file without imports, for a plain `<script type=module>`.
 */
const PACKAGES = [{ name: 'fhircast' }, { name: 'client', bundles: ['fhircast'], single: 'browser' }];

function run(command, args, cwd) {
  const done = spawnSync(command, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' });
  if (done.status !== 0) {
    process.stderr.write(done.stdout ?? '');
    process.exit(1);
  }
  return done.stdout;
}

function built(source) {
  return source.replace(/^\.\/src\//, './').replace(/\.tsx?$/, '');
}

/** The manifest as it is published: built files instead of sources, nothing that only developers need. */
function published(manifest, bundles) {
  const exports = Object.entries(manifest.exports).map(([name, source]) => [
    name,
    { types: `${built(source)}.d.ts`, default: `${built(source)}.js` },
  ]);
  const ours = (name) => name.startsWith('@lockstep/');
  const dependencies = Object.entries(manifest.dependencies ?? {}).map(([name, range]) => [
    name,
    ours(name) ? manifest.version : range,
  ]);
  const { devDependencies, scripts, private: _, sideEffects, ...kept } = manifest;
  const effects = Array.isArray(sideEffects)
    ? sideEffects.map((path) => (path.endsWith('.ts') ? `${built(path)}.js` : path))
    : sideEffects;
  return {
    ...kept,
    ...(sideEffects === undefined ? {} : { sideEffects: Array.isArray(effects) ? [...new Set(effects)] : effects }),
    exports: { ...Object.fromEntries(exports), './package.json': './package.json' },
    types: Object.fromEntries(exports)['.'].types,
    files: ['**/*.js', '**/*.d.ts', 'CHANGELOG.md'],
    dependencies: Object.fromEntries(dependencies),
    ...(bundles.length > 0 && { bundleDependencies: bundles.map((name) => `@lockstep/${name}`) }),
    engines: { node: '>=20' },
  };
}

/** JavaScript and declarations of a package's sources. */
function compile(source, target) {
  const project = join(target, 'tsconfig.json');
  const config = {
    extends: join(root, 'scripts', 'tsconfig.pack.json'),
    compilerOptions: {
      rootDir: join(source, 'src'),
      outDir: target,
      typeRoots: [join(root, 'node_modules', '@types')],
    },
    include: [join(source, 'src')],
    exclude: [join(source, 'src/**/*.test.ts')],
  };
  writeFileSync(project, JSON.stringify(config));
  run(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', project], root);
  rmSync(project);
}

/** Builds a module as one file that imports nothing. */
async function bundle(source, target, name) {
  const { build } = await import('vite');
  await build({
    configFile: false,
    logLevel: 'error',
    root: source,
    build: {
      outDir: target,
      emptyOutDir: false,
      copyPublicDir: false,
      target: 'es2022',
      lib: { entry: join(source, 'src', `${name}.ts`), formats: ['es'], fileName: () => `${name}.js` },
    },
  });
}

mkdirSync(out, { recursive: true });
for (const file of readdirSync(out)) if (file.endsWith('.tgz')) rmSync(join(out, file));

for (const { name, bundles = [], single } of PACKAGES) {
  const source = join(root, 'packages', name);
  const target = join(out, name);
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  compile(source, target);
  if (single) await bundle(source, target, single);
  const manifest = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'));
  writeFileSync(join(target, 'package.json'), `${JSON.stringify(published(manifest, bundles), null, 2)}\n`);
  cpSync(join(root, 'LICENSE'), join(target, 'LICENSE'));
  cpSync(join(root, 'CHANGELOG.md'), join(target, 'CHANGELOG.md'));
  if (existsSync(join(source, 'README.md'))) cpSync(join(source, 'README.md'), join(target, 'README.md'));
  for (const inside of bundles) {
    cpSync(join(out, inside), join(target, 'node_modules', '@lockstep', inside), { recursive: true });
  }
  const [{ filename }] = JSON.parse(
    run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', out], target),
  );
  console.log(join(out, filename));
}
