import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { freePort } from './redis-process.ts';

/** So few that two would soon be given the same one by chance. */
const FEW = { first: 30_000, count: 60 };
const EACH = 10;

/** Asks for ports, and keeps them until its input ends. */
const PROGRAM = `
  const { freePort } = await import(${JSON.stringify(import.meta.resolve('./redis-process.ts'))});
  for (let n = 0; n < ${EACH}; n++) console.log(await freePort(${JSON.stringify(FEW)}));
  process.stdin.resume();`;

async function portsOf(program: ChildProcessWithoutNullStreams): Promise<number[]> {
  const ports: number[] = [];
  for await (const line of createInterface({ input: program.stdout })) {
    if (ports.push(Number(line)) === EACH) break;
  }
  return ports;
}

test('no port is given twice, here or in another process, though nothing listens there yet', async (t) => {
  const others = [1, 2].map(() => spawn(process.execPath, ['--input-type=module', '-e', PROGRAM]));
  t.after(() => others.map((other) => other.kill()));
  const given: number[] = [];
  for (let n = 0; n < EACH; n++) given.push(await freePort(FEW));
  given.push(...(await Promise.all(others.map(portsOf))).flat());
  assert.equal(given.length, 3 * EACH);
  assert.equal(new Set(given).size, given.length);
  assert.ok(given.every((port) => port >= FEW.first && port < FEW.first + FEW.count));
});
