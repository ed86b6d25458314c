// npm run pack [-- FOLDER]: writes the packages as they are published, built JavaScript with types, and one tarball each: under a name
// with the version, and under one that stays the same (lockstep-server.tgz). Default: dist/
import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { root } from './bootstrap.mjs';

const out = resolve(process.argv[2] ?? join(root, 'dist'));

/**
 * What is built, in the order of dependence.
 * `from`: the package's folder, by default the one of its name in packages/.
 * `source`, `built`: folder of its sources, and of what is built from them; by default src and dist.
 * `pages`: what browsers get is built; of its sources only what its manifest exports is taken.
 * `forPages`: exports that other pages are built with, and that are not imported once they are.
 * `browser`: it runs in browsers and in Node 20.
 * `single`: a module that is built as one file without imports, for a plain `<script type=module>`.
 * `also`: files and folders that are taken as they are.
 * `bundles`: packages of ours that travel inside, so that one tarball can be installed without a registry that has them.
 * `bin`: the command, where it is another one than in this repository.
 * Packages marked private get no tarball: they travel inside others.
 */
const PACKAGES = [
  { name: 'fhircast', built: '.', browser: true },
  { name: 'client', built: '.', browser: true, bundles: ['fhircast'], single: 'browser' },
  { name: 'store' },
  { name: 'store-sqlite' },
  { name: 'store-redis' },
  { name: 'r4' },
  { name: 'hub' },
  { name: 'conformance', also: ['bin'] },
  { name: 'fhir' },
  { name: 'gateway' },
  { name: 'smart', also: ['languages'] },
  {
    name: 'console',
    built: 'lib',
    also: ['dist'],
    pages: true,
    forPages: ['./language', './language/load', './store'],
  },
  {
    name: 'sample-viewer',
    from: 'samples/viewer',
    source: '.',
    built: '.',
    also: ['dist'],
    pages: true,
  },
  {
    name: 'sample-report-writer',
    from: 'samples/report-writer',
    source: '.',
    built: '.',
    also: ['dist'],
    pages: true,
  },
  {
    name: 'server',
    also: ['bin/installed.mjs'],
    bin: { lockstep: 'bin/installed.mjs' },
    bundles: [
      'fhircast',
      'client',
      'store',
      'store-sqlite',
      'store-redis',
      'r4',
      'hub',
      'conformance',
      'fhir',
      'gateway',
      'smart',
      'console',
      'sample-viewer',
      'sample-report-writer',
    ],
  },
];

const isOurs = (name) => name.startsWith('@lockstep/');

function run(command, args, cwd) {
  const done = spawnSync(command, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' });
  if (done.status !== 0) {
    process.stderr.write(done.stdout ?? '');
    process.exit(1);
  }
  return done.stdout;
}

const readManifest = (folder) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

/** What others may import of a published package: names and sources. Styles are built into pages. */
function exportsOf(manifest, forPages) {
  return Object.entries(manifest.exports).filter(
    ([name, file]) => !file.startsWith('./test/') && !file.endsWith('.css') && !forPages.includes(name),
  );
}

/** The manifest as it is published: built files instead of sources, nothing that only developers need. */
function publishedManifest(manifest, { source, built, pages, browser, bin, also, bundles, forPages }) {
  const path = (file) => `./${join(built, file.replace(new RegExp(`^\\./(${source}/)?`), '')).replace(/\.tsx?$/, '')}`;
  const exports = exportsOf(manifest, forPages).map(([name, file]) => [
    name,
    { types: `${path(file)}.d.ts`, default: `${path(file)}.js` },
  ]);
  // Pages are built with everything in them.
  const needed = pages ? {} : { ...manifest.dependencies };
  // What bundled packages need of others is fetched beside them.
  for (const inside of bundles) Object.assign(needed, readManifest(join(out, inside)).dependencies);
  const dependencies = Object.entries(needed)
    .filter(([name]) => !isOurs(name) || bundles.length === 0 || bundles.includes(name.slice('@lockstep/'.length)))
    .map(([name, range]) => [name, isOurs(name) ? manifest.version : range])
    .sort(([one], [other]) => (one < other ? -1 : 1));
  const { devDependencies, scripts, sideEffects, files, ...kept } = manifest;
  const effects = Array.isArray(sideEffects)
    ? [...new Set(sideEffects.map((file) => (file.endsWith('.ts') ? `${path(file)}.js` : file)))]
    : sideEffects;
  const code = built === '.' ? ['**/*.js', '**/*.d.ts'] : [built];
  return {
    ...kept,
    engines: { node: browser ? '>=20' : '>=24' },
    ...(effects === undefined ? {} : { sideEffects: effects }),
    ...(bin && { bin }),
    exports: { ...Object.fromEntries(exports), './package.json': './package.json' },
    types: Object.fromEntries(exports)['.'].types,
    files: [...code, ...also, 'CHANGELOG.md'],
    dependencies: Object.fromEntries(dependencies),
    ...(bundles.length > 0 && { bundleDependencies: bundles.map((name) => `@lockstep/${name}`) }),
  };
}

/** The readme, whose links into the repository become the names of what is there. */
function readmeOf(home) {
  const text = readFileSync(join(home, 'README.md'), 'utf8');
  return text.replace(/\[([^\]]+)\]\((?:\.\.\/)+([^)]+)\)/g, '$1 (`$2` in the repository)');
}

/** JavaScript and declarations of a package's sources, whose types `npm run typecheck` checks. */
function compile(home, target, { source, built, pages, browser, forPages }) {
  const project = join(target, 'tsconfig.json');
  const sources = join(home, source);
  const config = {
    extends: join(root, 'scripts', browser ? 'tsconfig.pack-browser.json' : 'tsconfig.pack.json'),
    compilerOptions: {
      rootDir: sources,
      outDir: join(target, built),
      typeRoots: [join(root, 'node_modules', '@types')],
    },
    // Of pages only what others import is more than their `dist`.
    ...(pages
      ? { files: exportsOf(readManifest(home), forPages).map(([, file]) => join(home, file)) }
      : { include: [sources], exclude: [join(sources, '**/*.test.ts')] }),
  };
  writeFileSync(project, JSON.stringify(config));
  run(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', project], root);
  rmSync(project);
}

/** Builds a module as one file that imports nothing. */
async function bundle(home, target, name) {
  const { build } = await import('vite');
  await build({
    configFile: false,
    logLevel: 'error',
    root: home,
    build: {
      outDir: target,
      emptyOutDir: false,
      copyPublicDir: false,
      target: 'es2022',
      lib: { entry: join(home, 'src', `${name}.ts`), formats: ['es'], fileName: () => `${name}.js` },
    },
  });
}

// The pages, where something in them has changed.
run(process.execPath, [join(root, 'scripts', 'build.mjs')], root);
mkdirSync(out, { recursive: true });
for (const file of readdirSync(out)) if (file.endsWith('.tgz')) rmSync(join(out, file));

/** Folders of what gets a tarball. */
const published = [];
for (const given of PACKAGES) {
  const { name, from = `packages/${name}`, single } = given;
  const made = { source: 'src', built: 'dist', bundles: [], also: [], forPages: [], ...given };
  const home = join(root, from);
  const target = join(out, name);
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  compile(home, target, made);
  if (single) await bundle(home, target, single);
  for (const path of made.also) {
    cpSync(join(home, path), join(target, path), {
      recursive: true,
      filter: (file) => !file.endsWith('/.built-from'),
    });
  }
  const manifest = publishedManifest(readManifest(home), made);
  writeFileSync(join(target, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  cpSync(join(root, 'LICENSE'), join(target, 'LICENSE'));
  if (manifest.private) continue;
  // A package has a changelog of its own from its first changeset on.
  const changelog = [home, root].map((folder) => join(folder, 'CHANGELOG.md')).find((file) => existsSync(file));
  cpSync(changelog, join(target, 'CHANGELOG.md'));
  writeFileSync(join(target, 'README.md'), readmeOf(home));
  for (const inside of made.bundles) {
    cpSync(join(out, inside), join(target, 'node_modules', '@lockstep', inside), {
      recursive: true,
      filter: (file) => file !== join(out, inside, 'node_modules'),
    });
  }
  published.push(target);
}
const packed = run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', out, ...published], out);
for (const { filename, version } of JSON.parse(packed)) {
  const path = join(out, filename.replace(`-${version}.tgz`, '.tgz'));
  copyFileSync(join(out, filename), path);
  console.log(path);
}
