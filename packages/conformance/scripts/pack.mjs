/**
 * Makes the package that others install: JavaScript and types built from `src`, the command, README and licence, as one tarball.
 * `node packages/conformance/scripts/pack.mjs [FOLDER]` writes it to the folder, the package's own unless given, and prints its path.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const target = resolve(process.argv[2] ?? PACKAGE);

const own = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8'));
const stage = mkdtempSync(join(tmpdir(), 'conformance-package-'));
try {
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  const project = join(PACKAGE, 'tsconfig.build.json');
  execFileSync(process.execPath, [tsc, '-p', project, '--outDir', join(stage, 'dist')], { stdio: 'inherit' });
  for (const name of ['README.md', 'bin']) cpSync(join(PACKAGE, name), join(stage, name), { recursive: true });
  cpSync(join(ROOT, 'LICENSE'), join(stage, 'LICENSE'));
  const { devDependencies: _development, scripts: _scripts, private: _private, exports: _exports, ...kept } = own;
  const published = {
    ...kept,
    bin: { 'fhircast-conformance': 'bin/fhircast-conformance.mjs' },
    files: ['dist', 'bin'],
    types: './dist/index.d.ts',
    exports: {
      '.': { types: './dist/index.d.ts', default: './dist/index.js' },
      './cli': { types: './dist/cli.d.ts', default: './dist/cli.js' },
      './package.json': './package.json',
    },
  };
  writeFileSync(join(stage, 'package.json'), `${JSON.stringify(published, undefined, 2)}\n`);
  mkdirSync(target, { recursive: true });
  // npm stands beside the Node that runs this, or on the path.
  const npm = process.env.npm_execpath;
  const [command, before] = npm ? [process.execPath, [npm]] : ['npm', []];
  const options = {
    cwd: stage,
    encoding: 'utf8',
    env: { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` },
  };
  const said = execFileSync(command, [...before, 'pack', '--json', '--pack-destination', target], options);
  process.stdout.write(`${join(target, JSON.parse(said)[0].filename)}\n`);
} finally {
  rmSync(stage, { recursive: true, force: true });
}
