/**
 * Runs the commands of a page as a reader would: those in ```sh blocks in order, in one shell, in a folder where the repository is;
 * those in ```sh terminal blocks each in a terminal of its own, beside the others.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePort } from '@lockstep/store-redis/testing';

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** What of the repository is the work of whoever has it, and not part of it. */
const OWN = new Set(['.git', 'data', 'dist', 'my-app']);

/** Ports in the pages; each run takes free ones in their places. */
const PORTS = /\b(8080|8081|8082|8090|6390|7070|7071|9090)\b/g;

/** How long a page may take, ms: much longer than it does on a busy machine. */
const PATIENCE = 800_000;

/**
 * `npx lockstep` is the command of this repository, which npm needs three times as long to find as the command takes. That npm finds
 * it, a page with `npx: 'of npm'` shows, and the packages' own test with what is installed.
 */
const NPX = `#!/bin/sh
[ "$1" = lockstep ] && exec "$@"
PATH=\${PATH#*:} exec npx "$@"
`;

export interface ShellBlock {
  readonly text: string;
  /** Whether it is for a terminal of its own. */
  readonly terminal: boolean;
}

/** The shell commands of a page, in order. */
export function shellBlocks(page: string): readonly ShellBlock[] {
  return [...page.matchAll(/^( *)```sh( terminal)?\n([\s\S]*?)^ *```$/gm)].map(
    ([, indent = '', terminal, text = '']) => ({
      text: text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
      terminal: terminal !== undefined,
    }),
  );
}

export interface GuideRun {
  /** Programs that the page takes for granted, by their paths below the folder: scripts of a shell. */
  readonly programs?: Readonly<Record<string, string>>;
  /** Commands of a reader who comes to the page: each in a terminal of its own, or in order. */
  readonly before?: readonly ShellBlock[];
  /** What stands for what a reader has to fill in. */
  readonly replace?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  /** Whether npm itself looks for what `npx` runs. */
  readonly npx?: 'of npm';
  /** What the terminals must have shown in the end. */
  readonly shows: readonly RegExp[];
}

/**
 * A shell's condition that holds once what a terminal runs is there, as a reader sees it: the server says that it is ready, which is
 * later than that its port is open; another program listens on the port that the page writes, or has shown something.
 */
function isThere({ text }: ShellBlock, shown: string): string {
  if (/\bnpm start\b|lockstep serve/.test(text)) return `grep -qs ' is ready at ' ${shown}`;
  const port = /\bPORT=(\d+)|--(?:publish-)?port (\d+)|listen (\d+)/.exec(text)?.slice(1).find(Boolean);
  return port === undefined ? `[ -s ${shown} ]` : `(: < /dev/tcp/127.0.0.1/${port}) 2> /dev/null`;
}

/**
 * @param path of the page, below the repository
 * @returns what the terminals have shown
 */
export async function runGuide(t: TestContext, path: string, run: GuideRun): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-guide-'));
  for (const entry of readdirSync(ROOT, { withFileTypes: true })) {
    if (OWN.has(entry.name)) continue;
    // A command that writes over a file spoils the copy.
    if (entry.isFile()) copyFileSync(join(ROOT, entry.name), join(folder, entry.name));
    else symlinkSync(join(ROOT, entry.name), join(folder, entry.name));
  }
  const programs = { ...(run.npx !== 'of npm' && { 'bin/npx': NPX }), ...run.programs };
  for (const [name, text] of Object.entries(programs)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text, { mode: 0o755 });
  }
  const own = shellBlocks(readFileSync(join(ROOT, path), 'utf8'));
  assert.ok(own.length > 0, `${path} has no commands`);
  const blocks = [...(run.before ?? []), ...own];
  const script = ['set -euo pipefail'];
  for (const [index, block] of blocks.entries()) {
    if (!block.terminal) {
      script.push(block.text);
      continue;
    }
    const shown = `"$TERMINALS/${index}"`;
    script.push(`{\n${block.text}\n} > ${shown} 2>&1 &`);
    script.push(`until ${isThere(block, shown)}; do kill -0 $! || { cat ${shown}; exit 1; }; sleep 0.1; done`);
  }
  script.push('echo "@@ end of the page"', 'read -r _ || true');
  let text = script.join('\n');
  for (const [from, to] of Object.entries(run.replace ?? {})) {
    assert.ok(text.includes(from), `${path} does not hold ${from}`);
    text = text.replaceAll(from, to);
  }
  const ports = new Map<string, string>();
  // The server's own is there also where no command names it.
  for (const port of new Set(['8080', ...(text.match(PORTS) ?? [])])) ports.set(port, `${await freePort()}`);
  text = text.replaceAll(PORTS, (port) => ports.get(port) ?? port);

  const terminals = join(folder, '.terminals');
  mkdirSync(terminals);
  const child = spawn('bash', ['-c', text], {
    cwd: folder,
    env: {
      // A reader has the machine's own Node, which may be older than the one that runs this.
      PATH: [join(folder, 'bin'), join(ROOT, 'node_modules', '.bin'), process.env.PATH, dirname(process.execPath)].join(
        ':',
      ),
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
      HOME: folder,
      TERMINALS: terminals,
      PORT: ports.get('8080'),
      LOCKSTEP_RATE_LIMIT: '0',
      npm_config_update_notifier: 'false',
      npm_config_offline: 'true',
      ...run.env,
    },
    stdio: ['pipe', 'pipe', 'pipe'],
    // Whatever it has started ends with it.
    detached: true,
  });
  const ended = once(child, 'exit');
  t.after(async () => {
    if (child.pid !== undefined) {
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It has ended, and so has everything that it started.
      }
    }
    await ended;
    await rm(folder, { recursive: true, force: true, maxRetries: 10 });
  });
  let shown = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      shown += chunk;
    });
  }
  const all = (): string =>
    [
      shown,
      ...readdirSync(terminals)
        .sort()
        .map((name) => readFileSync(join(terminals, name), 'utf8')),
    ].join('\n');
  const patience = Date.now() + PATIENCE;
  let over = false;
  void ended.then(() => {
    over = true;
  });
  for (;;) {
    const missing = run.shows.filter((one) => !one.test(all()));
    if (missing.length === 0 && shown.includes('@@ end of the page')) break;
    assert.ok(!over && Date.now() < patience, `${path} did not show ${missing.join(', ')}:\n${all()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  child.stdin.end();
  return all();
}
