import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { modernNode } from './bootstrap.mjs';

interface Lock {
  readonly packages: Record<string, { readonly version: string; readonly integrity?: string }>;
}

test('the builds of Node that are brought have a checksum and are current', () => {
  const { packages } = JSON.parse(readFileSync(join(import.meta.dirname, 'node/package-lock.json'), 'utf8')) as Lock;
  const builds = Object.entries(packages).filter(([path]) => path !== '');
  assert.equal(builds.length, 5);
  /** The first version of each line that has the security fixes of this year. */
  const least: Record<string, number> = { 24: 21, 26: 10 };
  for (const [path, { version, integrity }] of builds) {
    assert.match(integrity ?? '', /^sha512-/, path);
    const [major = '', minor] = version.split('.');
    assert.ok(Number(minor) >= (least[major] ?? Number.POSITIVE_INFINITY), `${path} is ${version}`);
  }
});

test('a Node that is new enough is used, and no other is brought', () => {
  assert.equal(modernNode(), process.execPath);
});

test('what a command runs ends when the command is killed', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-launcher-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const script = join(folder, 'stays.mjs');
  writeFileSync(script, 'console.log(1); setInterval(() => undefined, 1000);');
  const launcher = spawn(process.execPath, [join(import.meta.dirname, 'run.mjs'), script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: launcher.stdout });
  await once(lines, 'line');
  const ended = once(lines, 'close');
  launcher.kill('SIGKILL');
  // Its output is closed when the last process that writes to it is gone.
  await ended;
});
