/** The commands of the guide "Your EHR drives the session", run as they stand there. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { it } from 'node:test';
import { promisify } from 'node:util';
import { blocks, sharedGuide } from './guide.ts';
import { HubClient } from './harness.ts';

const { published, env } = await sharedGuide();

it('the commands of the guide run as they stand there, and do what it says', async () => {
  const [start, ...commands] = blocks('sh');
  assert.match(start ?? '', /npm start/);
  assert.ok(commands.length >= 7, String(commands.length));
  const script = ['set -euo pipefail', ...commands].join('\necho\n');
  const ran = await promisify(execFile)('bash', ['-c', script], {
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE, ...env },
  });
  const [, topic = ''] = /The topic is ([0-9a-f-]{36})/.exec(ran.stdout) ?? [];
  assert.ok(topic, ran.stdout);
  assert.match(ran.stdout, /"hub.channel.endpoint":"ws/);
  assert.deepEqual(published.get(topic), ['Patient-open', 'Patient-close', 'UserLogout']);
  assert.deepEqual(
    [...published.values()],
    [published.get(topic), ['UserLogout']],
    'the second user signs out as well',
  );
  assert.deepEqual(await (await new HubClient(env.HUB, env.TOKEN).request('/session')).json(), []);
});

it('the guide names what its programs and commands rely on', () => {
  for (const language of ['java', 'python', 'csharp']) {
    const [program = '', ...more] = blocks(language);
    assert.equal(more.length, 0, language);
    for (const part of [
      'HUB',
      'TOKEN',
      '/session',
      'Patient-open',
      'Patient-close',
      'UserLogout',
      '503|ServiceUnavailable',
    ]) {
      assert.match(program, new RegExp(part), `${language}: ${part}`);
    }
  }
});
