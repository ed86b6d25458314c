/**
 * The Dockerfile's own steps, without a container: what it copies is copied, what it runs is run, and what it starts is started with
 * the environment that it sets. `npm ci` alone is not run again: the packages are those that it has put into this repository.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, globSync, mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { freePort } from '@lockstep/store-redis/testing';
import { NODE_FLAGS } from '../../../scripts/bootstrap.mjs';
import { ROOT } from './guides.ts';

const file = readFileSync(join(ROOT, 'deploy', 'Dockerfile'), 'utf8').replaceAll(/\\\n/g, ' ');
const [build = '', runtime = ''] = file.split(/^FROM /m).slice(1);

/** The arguments of each instruction of a stage. */
function steps(stage: string, name: string): readonly string[] {
  return [...stage.matchAll(new RegExp(`^ *${name} +(.*)$`, 'gm'))].map(([, text = '']) => text.trim());
}

/** The files that `COPY . .` takes: what git keeps, without what .dockerignore names. */
function context(): readonly string[] {
  const ignored = readFileSync(join(ROOT, '.dockerignore'), 'utf8').split('\n').filter(Boolean);
  const kept = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  const out = ignored.map((pattern) => (pattern.startsWith('**/') ? pattern.slice(3) : pattern));
  return kept
    .trim()
    .split('\n')
    .filter((path) => existsSync(join(ROOT, path)) && !out.includes(path.split('/')[0] ?? ''));
}

test('the image: its steps build a server that starts, is healthy, and ends in good order', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-image-'));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }));
  const [first, second] = [join(folder, 'build'), join(folder, 'runtime')];

  assert.deepEqual(steps(build, 'COPY'), ['. .']);
  for (const path of context()) {
    mkdirSync(dirname(join(first, path)), { recursive: true });
    cpSync(join(ROOT, path), join(first, path));
  }
  const [commands = ''] = steps(build, 'RUN');
  const [ci, ...rest] = commands.split(/\s*&&\s*/);
  assert.equal(ci, 'npm ci --ignore-scripts');
  for (const modules of globSync(['node_modules', 'packages/*/node_modules'], { cwd: ROOT })) {
    execFileSync('cp', ['-a', join(ROOT, modules), join(first, modules)]);
  }
  const env = { PATH: `${dirname(process.execPath)}:${process.env.PATH}`, HOME: folder, npm_config_offline: 'true' };
  for (const command of rest)
    execFileSync('sh', ['-c', command], { cwd: first, env, stdio: ['ignore', 'ignore', 'inherit'] });

  for (const copied of steps(runtime, 'COPY')) {
    const [, from = '', to = ''] = /^--from=build --chown=root:root \/lockstep\/(\S+) \.\/(\S*)$/.exec(copied) ?? [];
    assert.ok(from, copied);
    cpSync(join(first, from), join(second, to || from), { recursive: true, verbatimSymlinks: true });
  }
  for (const tool of ['vite', 'typescript', 'playwright-core', '@biomejs/biome', 'axe-core']) {
    assert.ok(!existsSync(join(second, 'node_modules', tool)), `${tool} is in the image`);
  }
  t.diagnostic(`${execFileSync('du', ['-sm', second], { encoding: 'utf8' }).split('\t')[0]} MB`);

  const set = Object.fromEntries(
    [
      ...steps(runtime, 'ENV')
        .join(' ')
        .matchAll(/(\w+)=(\S+)/g),
    ].map(([, name = '', value = '']) => [name, value]),
  );
  assert.equal(set.NODE_ENV, 'production');
  assert.deepEqual(steps(runtime, 'USER'), ['node']);
  const port = await freePort();
  const [program, ...args] = JSON.parse(steps(runtime, 'CMD').at(-1) ?? '') as string[];
  assert.equal(program, 'node');
  assert.deepEqual(args, [...NODE_FLAGS, 'packages/server/dist/main.js'], 'as npm start runs it');
  // What is in the image is all that there is.
  await rm(first, { recursive: true, maxRetries: 10 });
  const child = spawn(process.execPath, args, {
    cwd: second,
    env: { ...set, PATH: env.PATH, PORT: `${port}`, LOCKSTEP_DATA: join(folder, 'data') },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  for await (const line of createInterface({ input: child.stdout })) if (line.startsWith('Lockstep is ready at')) break;
  const [, check = ''] = /HEALTHCHECK .*?CMD (\[.*\])/.exec(runtime) ?? [];
  const [, ...probe] = JSON.parse(check) as string[];
  const asked = probe.map((text) => text.replace('8080', `${port}`));
  execFileSync(process.execPath, asked);
  const page = await fetch(`http://127.0.0.1:${port}/`);
  assert.match(await page.text(), /<script type="module"/, 'the console has travelled along');
  child.kill('SIGTERM');
  assert.deepEqual(await ended, [0, null]);
});

test('the systemd unit starts the server as the image does', () => {
  const [, command = ''] =
    /^ExecStart=(.*)$/m.exec(readFileSync(join(ROOT, 'deploy/systemd/lockstep.service'), 'utf8')) ?? [];
  const [, ...args] = JSON.parse(steps(runtime, 'CMD').at(-1) ?? '') as string[];
  assert.deepEqual(command.split(' '), ['/usr/bin/node', ...args.slice(0, -1), `/opt/lockstep/${args.at(-1)}`]);
});
