// npm run bundle [-- FOLDER]: one archive for machines without a network: the server, all that it needs, and Node itself, for the
// platform that this runs on. Takes the server's tarball from FOLDER (default: dist/), and packs it first where it is not there.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { root } from './bootstrap.mjs';

const out = resolve(process.argv[2] ?? join(root, 'dist'));
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const name = `lockstep-${version}-${process.platform}-${process.arch}`;
const tarball = join(out, `lockstep-server-${version}.tgz`);

function run(command, args, cwd) {
  const done = spawnSync(command, args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
  if (done.status !== 0) process.exit(1);
}

if (!existsSync(tarball)) run(process.execPath, [join(root, 'scripts', 'pack.mjs'), out], root);

const stage = join(out, name);
rmSync(stage, { recursive: true, force: true });
mkdirSync(stage, { recursive: true });
writeFileSync(join(stage, 'package.json'), `{"name":"lockstep-offline","version":"${version}","private":true}\n`);
const quiet = ['--no-audit', '--no-fund', '--loglevel=error', '--ignore-scripts', '--no-save', '--no-package-lock'];
run('npm', ['install', ...quiet, '--install-links', tarball], stage);
rmSync(join(stage, 'node_modules', '.package-lock.json'), { force: true });

cpSync(process.execPath, join(stage, 'node'));
writeFileSync(
  join(stage, 'lockstep'),
  `#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
exec "$here/node" --disable-warning=ExperimentalWarning --max-semi-space-size=16 \\
  "$here/node_modules/@lockstep/server/bin/installed.mjs" "$@"
`,
);
for (const program of ['node', 'lockstep']) chmodSync(join(stage, program), 0o755);
writeFileSync(
  join(stage, 'README.txt'),
  `Lockstep ${version} with Node ${process.version}, for ${process.platform} on ${process.arch}. Nothing is fetched.

  ./lockstep            runs the server; it ends its start with "Lockstep is ready at http://localhost:8080"
  ./lockstep --help     lists the other commands
`,
);
cpSync(join(root, 'LICENSE'), join(stage, 'LICENSE'));

// The same content gives the same archive, byte by byte.
const archive = `${stage}.tar.gz`;
const same = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner', '--mode=go-w'];
run('tar', [...same, '--use-compress-program=gzip -n', '-cf', archive, '-C', out, name], root);
rmSync(stage, { recursive: true });
const hash = createHash('sha256').update(readFileSync(archive)).digest('hex');
writeFileSync(`${archive}.sha256`, `${hash}  ${name}.tar.gz\n`);
console.log(`${archive} (${Math.round(statSync(archive).size / 2 ** 20)} MiB)`);
