import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { makeFolder } from './make-folder.ts';

test('a folder is made with those above it, and stays where it is there', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'lockstep-folder-'));
  t.after(() => rmSync(root, { recursive: true }));
  const path = join(root, 'one', 'two', 'three');
  makeFolder(path);
  writeFileSync(join(path, 'file'), '');
  makeFolder(path);
  assert.ok(existsSync(join(path, 'file')));
});

test('a folder that cannot be made is refused at once, wherever it is asked for', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'lockstep-folder-'));
  t.after(() => rmSync(root, { recursive: true }));
  const file = join(root, 'file');
  writeFileSync(file, '');
  const impossible = [file, join(file, 'below'), join(file, 'far', 'below'), join(root, 'x'.repeat(300)), ''];
  if (process.platform === 'linux') impossible.push('/proc/none', '/proc/none/below', '/proc/self/none');
  for (const path of impossible) assert.throws(() => makeFolder(path), /E[A-Z]+: .*mkdir/, path);
});
