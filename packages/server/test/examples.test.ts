import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { HubClient, patient, sharedLockstep } from './harness.ts';

const { origin } = await sharedLockstep();

test('the example for Node follows a session, and leaves it in good order', async () => {
  const hub = await HubClient.backend(origin);
  const topic = await hub.session('Practitioner/examples');
  const other = await hub.subscribe(topic, 'SyncError,Home-open');
  const script = fileURLToPath(new URL('../../../examples/javascript/node.mjs', import.meta.url));
  const program = spawn(process.execPath, [script, `--hub.url=${hub.hubUrl}`, `--hub.topic=${topic}`], {
    env: { ...process.env, TOKEN: hub.token },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: program.stdout })[Symbol.asyncIterator]();
  const says = async (wanted: RegExp): Promise<void> => {
    for (let line = await lines.next(); ; line = await lines.next()) {
      assert.ok(!line.done, `it ended without ${wanted}`);
      if (wanted.test(line.value)) return;
    }
  };
  await says(/^\[in-sync\]/);
  await hub.publish(topic, 'Patient-open', [patient('walter')]);
  await says(/^Patient\/walter$/);
  const ended = once(program, 'exit');
  program.kill('SIGTERM');
  assert.deepEqual(await ended, [0, null]);
  await hub.publish(topic, 'Home-open', []);
  assert.equal((await other.event()).event['hub.event'], 'Home-open', 'nobody was told that it was lost');
});
