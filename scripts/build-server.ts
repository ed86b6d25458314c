// Builds the server that `npm start`, `lockstep serve` and the image run, when something it is made of has changed: as few files
// without types it starts in a third of the time, and takes a third less memory.
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import process from 'node:process';
import type { Plugin } from 'esbuild';
import { root } from './bootstrap.mjs';

const SOURCES = ['packages/*/src/**/*.ts', 'samples/*/index.ts', 'package-lock.json', 'scripts/build-server.ts'];
const SERVER = 'packages/server/src/main.ts';
const COMMAND_LINE = 'packages/server/src/cli/main.ts';
/** Starts threads by their place beside itself, so they are built beside it. */
const STARTS_THREADS = join(root, 'packages/store-sqlite/src/worker-file.ts');
const THREADS = ['worker', 'reading-worker', 'backup-worker'];

/** Where the file is from the folder, as modules name it. */
function fromFolder(folder: string, file: string): string {
  return relative(folder, file).replaceAll(sep, '/');
}

/** Hash over the way to the sources, their names and the contents of everything that it is made of. */
function hashOfSources(folder: string): string {
  const hash = createHash('sha256').update(fromFolder(folder, root)).update(process.version);
  for (const file of globSync(SOURCES, { cwd: root }).sort()) {
    if (file.endsWith('.test.ts')) continue;
    hash
      .update('\0')
      .update(file)
      .update('\0')
      .update(readFileSync(join(root, file)));
  }
  return hash.digest('hex');
}

/**
 * Files are found from where the sources are: `import.meta.url` of each stays what it was. What is built may be moved together with
 * the sources.
 */
const placesOfSources = (folder: string): Plugin => ({
  name: 'places of sources',
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8');
      if (path === STARTS_THREADS || !text.includes('import.meta.url')) return undefined;
      const place = `new URL(${JSON.stringify(fromFolder(folder, path))}, import.meta.url).href`;
      return { contents: text.replaceAll('import.meta.url', place), loader: 'ts', resolveDir: dirname(path) };
    });
  },
});

/**
 * Packages that are loaded when they are needed stay as they are, each in the version that its importer has: as parts of this build,
 * those of CommonJS would have no other export than their default.
 */
const packagesLoadedLater = (folder: string): Plugin => ({
  name: 'packages loaded later',
  setup({ onResolve, resolve }) {
    onResolve({ filter: /^[^./]/ }, async ({ path, resolveDir, kind, pluginData }) => {
      const isOwn = path.startsWith('node:') || path.startsWith('@lockstep/');
      if (kind !== 'dynamic-import' || isOwn || pluginData === 'asked') return undefined;
      const found = await resolve(path, { resolveDir, kind, pluginData: 'asked' });
      if (found.errors.length > 0 || found.external) return found;
      return { path: fromFolder(folder, found.path), external: true };
    });
  },
});

/** A package that npm has put in several places, in one version, is a part of the build once: one table of media types, not two. */
const samePackagesOnce = (): Plugin => ({
  name: 'same packages once',
  setup({ onResolve, resolve }) {
    const folders = new Map<string, string>();
    onResolve({ filter: /^[^./]/ }, async ({ path, resolveDir, kind, pluginData }) => {
      if (path.startsWith('node:') || pluginData === 'asked') return undefined;
      const found = await resolve(path, { resolveDir, kind, pluginData: 'asked' });
      const [, folder = '', file = ''] =
        /^(.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+)(.*)$/.exec(found.path) ?? [];
      if (found.errors.length > 0 || found.external || !existsSync(join(folder, 'package.json'))) return undefined;
      const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
      const first = folders.get(`${name}@${version}`) ?? folder;
      folders.set(`${name}@${version}`, first);
      return { ...found, path: first + file };
    });
  },
});

/**
 * An import of `node:http` makes Node load its own `fetch` and WebSocket client, which are exports of it: 3 MB that this server does not
 * use. `require` loads what is named. HTTP/2, which the web framework names, is not spoken here either.
 */
const httpWithoutClients: Plugin = {
  name: 'HTTP without clients',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(node:)?http2?$/ }, ({ path, namespace }) =>
      namespace === 'file' ? { path, namespace: 'required' } : { path, external: true },
    );
    onLoad({ filter: /./, namespace: 'required' }, ({ path }) => {
      const asked = `require(${JSON.stringify(path)})`;
      const isHttp2 = path.endsWith('2');
      return {
        contents: `module.exports = ${isHttp2 ? `new Proxy({}, { get: (_, name) => ${asked}[name] })` : asked}`,
      };
    });
  },
};

/** @param folder where it is to be @param outdir where it is written first, beside it */
async function build(folder: string, outdir: string): Promise<void> {
  const { build: bundle } = await import('esbuild');
  await bundle({
    entryPoints: {
      main: join(root, SERVER),
      cli: join(root, COMMAND_LINE),
      ...Object.fromEntries(THREADS.map((name) => [name, join(root, `packages/store-sqlite/src/${name}.ts`)])),
    },
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    // As Node resolves: no entry that only bundlers understand.
    conditions: [],
    // The OAuth library knows its models by the names of their classes.
    keepNames: true,
    // Without comments and white space Node has half the text to keep; names stay, so that a stack can be read.
    minifyWhitespace: true,
    lineLimit: 200,
    legalComments: 'none',
    logLevel: 'error',
    plugins: [placesOfSources(folder), packagesLoadedLater(folder), httpWithoutClients, samePackagesOnce()],
    // Packages of CommonJS ask for Node's own modules by `require`.
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
    },
  });
}

/** Puts what was built where it is to be, whole or not at all: a server or another build may be reading. */
function putInPlace(fresh: string, folder: string, isBuilt: () => boolean): void {
  const old = `${fresh}-old`;
  while (!isBuilt()) {
    try {
      if (existsSync(folder)) renameSync(folder, old);
      renameSync(fresh, folder);
    } catch (error) {
      // Another build has moved it, or put its own there, in between.
      if (!['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
    rmSync(old, { recursive: true, force: true });
  }
  rmSync(fresh, { recursive: true, force: true });
}

/** Builds the server in the folder, unless it is there. @returns the file that `npm start` runs */
export async function buildServer(folder = join(root, 'packages', 'server', 'dist')): Promise<string> {
  const stamp = join(folder, '.built-from');
  const hash = hashOfSources(folder);
  const isBuilt = (): boolean => existsSync(stamp) && readFileSync(stamp, 'utf8') === hash;
  if (!isBuilt()) {
    const fresh = join(dirname(folder), `.build-${process.pid}`);
    mkdirSync(fresh, { recursive: true });
    await build(folder, fresh);
    writeFileSync(join(fresh, 'package.json'), '{"type":"module"}\n');
    writeFileSync(join(fresh, '.built-from'), hash);
    putInPlace(fresh, folder, isBuilt);
  }
  return join(folder, 'main.js');
}

if (process.argv[1] === import.meta.filename) await buildServer();
