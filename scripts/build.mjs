// Builds the console and the samples, each only when something it is made of has changed since its last build.
import { createHash } from 'node:crypto';
import { existsSync, globSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { root } from './bootstrap.mjs';

/** Folder of each page that is built, and where it is served. */
const PAGES = {
  'packages/console': '/',
  'samples/viewer': '/samples/viewer/',
  'samples/report-writer': '/samples/report-writer/',
};

/** What every page may be made of besides its own files. */
const SHARED = [
  'package-lock.json',
  'scripts/build.mjs',
  'packages/client/package.json',
  'packages/client/src/**',
  'packages/fhircast/src/**',
  'packages/fhir/src/fold.ts',
  'samples/kit/**',
  'packages/console/build/**',
  'packages/console/package.json',
  'packages/console/src/language/**',
  'packages/console/src/base.ts',
  'packages/console/src/boundary.tsx',
  'packages/console/src/resource.ts',
  'packages/console/src/foreign-text.tsx',
  'packages/console/src/foreign-text.module.css',
  'packages/console/src/store.ts',
  'packages/console/src/browser-storage.ts',
  'packages/console/src/common.css',
  'packages/console/src/identity.module.css',
  'packages/console/src/tokens.css',
];

/** What is always loaded together is one file: small ones compress badly. The other pages stay files of their own. */
const GROUPS = [
  { name: 'start', tags: ['$initial'], priority: 4 },
  // Both the sign-in page and the workspace have these.
  { name: 'controls', test: /[\\/]components[\\/](ActionIcon|TextInput)[\\/]/, priority: 3 },
  { name: 'brand', test: /[\\/]ui[\\/]brand\.tsx$/, priority: 3 },
  // What is drawn first for who is signed in.
  { name: 'shell', test: /[\\/]src[\\/](shell\.tsx|shortcut-sheet-shown\.ts)$/, priority: 2 },
  { name: 'workspace', test: /[\\/]src[\\/]workspace\.tsx$/, priority: 1 },
];

/** Preact stands in for React, in a twelfth of the script: docs/decisions/0016-preact.md. */
const PREACT = [
  { find: /^react(-dom)?$/, replacement: join(root, 'packages/console/build/react.js') },
  { find: /^react-dom\/client$/, replacement: 'preact/compat/client' },
  { find: /^react\/jsx-runtime$/, replacement: 'preact/jsx-runtime' },
];

const BUILT = /(^|\/)(node_modules|dist|\.build-[^/]*)(\/|$)/;

/** Hash over the names and contents of the files that the globs find. */
function hashOf(patterns) {
  const hash = createHash('sha256');
  const files = globSync(patterns, { cwd: root, withFileTypes: true, exclude: (entry) => BUILT.test(entry.name) })
    .filter((entry) => entry.isFile() && !/\.test\.tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  for (const file of files) hash.update(file.slice(root.length)).update('\0').update(readFileSync(file)).update('\0');
  return hash.digest('hex');
}

/** Compresses what is served often, once. */
function compress(folder) {
  for (const name of globSync('assets/*.{js,css}', { cwd: folder })) {
    const content = readFileSync(join(folder, name));
    writeFileSync(join(folder, `${name}.gz`), gzipSync(content, { level: 9 }));
    writeFileSync(join(folder, `${name}.br`), brotliCompressSync(content));
  }
}

function stampOf(folder) {
  const path = join(root, folder, 'dist', '.built-from');
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

const wanted = Object.keys(PAGES).map((folder) => ({ folder, hash: hashOf([...SHARED, `${folder}/**`]) }));
const stale = wanted.filter(({ folder, hash }) => stampOf(folder) !== hash);

if (stale.length > 0) {
  const { build } = await import('vite');
  const { messages, SAMPLES } = await import('../packages/console/build/messages.ts');
  for (const { folder, hash } of stale) {
    const started = Date.now();
    const home = join(root, folder);
    const fresh = join(home, `.build-${process.pid}`);
    await build({
      root: home,
      base: PAGES[folder],
      experimental: {
        // A proxy may serve the pages below a path: the server writes it into the page, and all else is found from there.
        renderBuiltUrl: (file, { hostType }) =>
          hostType === 'html' ? `__BASE_PATH__${PAGES[folder]}${file}` : { relative: true },
      },
      configFile: false,
      logLevel: 'warn',
      plugins: [messages(folder.startsWith('samples/') ? SAMPLES : undefined)],
      resolve: { alias: PREACT, dedupe: ['preact'] },
      // Names are a part of the script too.
      css: { modules: { generateScopedName: '[hash:base64:5]' } },
      build: {
        outDir: fresh,
        emptyOutDir: true,
        target: 'es2023',
        // A data: URL would need a wider content security policy.
        assetsInlineLimit: 0,
        // One sheet: it is small, and no page waits for a sheet of its own.
        cssCodeSplit: false,
        // The lists of what to load ahead would be a part of the first page.
        modulePreload: false,
        rolldownOptions: {
          output: { codeSplitting: { groups: GROUPS } },
          // Libraries mark what is for browsers ("use client"), as all of it is here.
          onLog: (level, log, handle) => log.code !== 'MODULE_LEVEL_DIRECTIVE' && handle(level, log),
          // How long plugins take depends on the machine.
          checks: { pluginTimings: false },
        },
        reportCompressedSize: false,
        chunkSizeWarningLimit: 3000,
      },
    });
    compress(fresh);
    writeFileSync(join(fresh, '.built-from'), hash);
    // Whole or not at all: a server or another build may be reading.
    const dist = join(home, 'dist');
    const old = join(home, `.build-${process.pid}-old`);
    if (existsSync(dist)) renameSync(dist, old);
    renameSync(fresh, dist);
    rmSync(old, { recursive: true, force: true });
    console.log(`Built ${folder} in ${((Date.now() - started) / 1000).toFixed(1)} s`);
  }
}
