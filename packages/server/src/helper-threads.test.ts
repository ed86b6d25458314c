import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import process from 'node:process';
import { test } from 'node:test';
import { LockstepProcess } from '../test/process.ts';

/** Niceness of each thread of a process, by the thread's name. */
function niceness(pid: number): ReadonlyMap<string, readonly number[]> {
  const found = new Map<string, number[]>();
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8');
    // A name, in parentheses, may hold spaces.
    const [opens, closes] = [stat.indexOf('('), stat.lastIndexOf(')')];
    const name = stat.slice(opens + 1, closes);
    const fields = stat.slice(closes + 2).split(' ');
    found.set(name, [...(found.get(name) ?? []), Number(fields[16])]);
  }
  return found;
}

test('threads of V8 give way to those that answer and commit', { skip: process.platform !== 'linux' }, async (t) => {
  const { pid } = await LockstepProcess.start(t);
  assert.ok(pid);
  const threads = niceness(pid);
  const own = getPriority(pid);
  assert.deepEqual(threads.get('store'), [own]);
  const helpers = threads.get('V8Worker') ?? [];
  assert.ok(helpers.length > 0);
  for (const helper of helpers) assert.equal(helper, Math.min(19, own + 10));
});
