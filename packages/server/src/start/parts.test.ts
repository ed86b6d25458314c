import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ServerParts } from './parts.ts';

/** A part that writes down what happens to it. */
function part(name: string, log: string[], fails: { start?: boolean; stop?: boolean } = {}) {
  return {
    name,
    async start() {
      if (fails.start) throw new Error(`${name} cannot start`);
      log.push(`start ${name}`);
      return name.toUpperCase();
    },
    async stop(started: string) {
      log.push(`stop ${started}`);
      if (fails.stop) throw new Error(`${name} cannot stop`);
    },
  };
}

const unexpected = (name: string, error: unknown): never => assert.fail(`${name}: ${error}`);

describe('the parts of a server', () => {
  it('start in order and stop in the opposite order', async () => {
    const log: string[] = [];
    const parts = new ServerParts();
    for (const name of ['a', 'b', 'c']) assert.equal(await parts.start(part(name, log)), name.toUpperCase());
    await parts.stop(unexpected);
    assert.deepEqual(log, ['start a', 'start b', 'start c', 'stop C', 'stop B', 'stop A']);
  });

  it('that started are stopped when a later one fails, which itself is not', async () => {
    for (const failing of [0, 1, 2, 3]) {
      const log: string[] = [];
      const parts = new ServerParts();
      const names = ['a', 'b', 'c', 'd'];
      const started = (async () => {
        for (const [index, name] of names.entries()) await parts.start(part(name, log, { start: index === failing }));
      })();
      await assert.rejects(started, { message: `${names[failing]} cannot start` });
      await parts.stop(unexpected);
      const before = names.slice(0, failing);
      const stops = before.toReversed().map((name) => `stop ${name.toUpperCase()}`);
      assert.deepEqual(log, [...before.map((name) => `start ${name}`), ...stops]);
    }
  });

  it('stop even when one of them cannot, which is said', async () => {
    const log: string[] = [];
    const parts = new ServerParts();
    for (const name of ['a', 'b', 'c']) await parts.start(part(name, log, { stop: name === 'b' }));
    const failed: string[] = [];
    await parts.stop((name) => failed.push(name));
    assert.deepEqual(log.slice(3), ['stop C', 'stop B', 'stop A']);
    assert.deepEqual(failed, ['b']);
    await parts.stop(unexpected);
    assert.equal(log.length, 6, 'each is stopped once');
  });
});
