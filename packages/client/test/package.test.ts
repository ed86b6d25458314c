import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

describe('the published packages', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-package-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('are plain JavaScript with declarations, and work without the repository', () => {
    const out = join(folder, 'out');
    execFileSync(process.execPath, [fileURLToPath(new URL('../pack.mjs', import.meta.url)), out]);
    const installed = join(folder, 'app', 'node_modules', '@lockstep');
    mkdirSync(installed, { recursive: true });
    cpSync(out, installed, { recursive: true });
    const manifest = JSON.parse(readFileSync(join(installed, 'client', 'package.json'), 'utf8'));
    assert.equal(manifest.devDependencies, undefined);
    for (const { types, default: code } of Object.values<{ types: string; default: string }>(manifest.exports)) {
      assert.match(readFileSync(join(installed, 'client', types), 'utf8'), /export/);
      assert.doesNotMatch(readFileSync(join(installed, 'client', code), 'utf8'), /from '\.[^']*\.ts'/);
    }
    const script = join(folder, 'app', 'main.mjs');
    writeFileSync(
      script,
      `import { Subscriber, fromArgs } from '@lockstep/client';
import { describeState } from '@lockstep/client/status';
const one = new Subscriber({ ...fromArgs(['/hub.url:https://hub', '/hub.topic:t']), events: ['Patient-open'], ports: { WebSocket: class {} } });
console.log(describeState(one.state));`,
    );
    const said = execFileSync(process.execPath, ['--no-strip-types', script], { encoding: 'utf8' });
    assert.equal(said, 'Not connected: not started\n');
  });
});
