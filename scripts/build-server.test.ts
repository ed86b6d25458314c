/** The server as `npm start` runs it: built as a few files. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import test from 'node:test';
import { ConsolePerson } from '../packages/server/test/console-person.ts';
import { Backend, EVERYTHING, HubClient, json, patient } from '../packages/server/test/harness.ts';
import { root } from './bootstrap.mjs';
import { buildServer } from './build-server.ts';

/** Has a server say, on a signal, which of Node's own modules it has loaded, and how large its heap is. */
const LOADED = `data:text/javascript,
  import { getHeapStatistics } from 'node:v8';
  process.on('SIGUSR2', () => {
    console.log(JSON.stringify({ builtin: process.moduleLoadList, heap: getHeapStatistics().total_heap_size }));
  });`;
/** Bytes: 25 MB are measured, 62 MB where what the start needed is kept. */
const MOST_HEAP = 35e6;

test('the built server does what the sources do, with its files, its threads and its OAuth library in their places', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'lockstep-built-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const main = await buildServer(join(folder, 'server'));
  for (const thread of globSync('packages/store-sqlite/src/*worker.ts', { cwd: root })) {
    assert.ok(existsSync(join(folder, 'server', `${basename(thread, '.ts')}.js`)), thread);
  }
  // A thread of the sources would be refused, where another server would spend 25 MB on reading TypeScript.
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--no-experimental-strip-types', main],
    {
      env: {
        PATH: process.env.PATH,
        PORT: '0',
        LOCKSTEP_DATA: join(folder, 'data'),
        LOCKSTEP_LOG_LEVEL: 'error',
        LOCKSTEP_VALIDATION: 'fhir',
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  t.after(() => child.kill('SIGKILL'));
  let said = '';
  for await (const chunk of child.stdout.setEncoding('utf8')) {
    said += chunk;
    if (/ready at \S+\n/.test(said)) break;
  }
  const origin = / ready at (\S+)/.exec(said)?.[1] ?? '';
  const { version } = JSON.parse(readFileSync(new URL('../packages/server/package.json', import.meta.url), 'utf8'));
  assert.equal((await json(fetch(`${origin}/fhir/metadata`))).software.version, version);

  // The OAuth library, the store's thread, the definitions of resources.
  const scope = `${EVERYTHING} system/*.rs`;
  const token = await (await Backend.register(origin, { scope })).token(scope);
  const hub = new HubClient(`${origin}/hub`, token);
  const topic = await hub.session();
  const subscriber = await hub.subscribe(topic, 'Patient-open');
  assert.ok((await subscriber.next())['hub.topic']);
  assert.equal((await hub.publish(topic, 'Patient-open', [patient('1')])).status, 202);
  assert.equal((await subscriber.next()).event['hub.event'], 'Patient-open');
  const wrong = { key: 'patient', resource: { resourceType: 'Patient', id: '2', birthDate: 'never' } };
  assert.equal((await hub.publish(topic, 'Patient-open', [wrong])).status, 400);
  const headers = { authorization: `Bearer ${token}` };
  assert.equal((await json(fetch(`${origin}/fhir/Patient?_count=1`, { headers }))).entry.length, 1);

  // What is loaded when it is needed: the list of common passwords.
  const admin = await ConsolePerson.signIn(origin, { sample: 'admin' });
  const added = await admin.call('POST', 'users', {
    id: 'new',
    name: 'Somebody Else',
    password: 'a lantern of quartz',
  });
  assert.equal(added.status, 201);
  const common = await admin.call('POST', 'users', { id: 'other', name: 'Else', password: 'password1' });
  assert.equal(common.status, 400);

  child.kill('SIGTERM');
  const [code] = await once(child, 'exit');
  assert.equal(code, 0);
});

test('a server that was just started keeps neither what was never used nor what only its start needed', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'lockstep-built-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const main = await buildServer(join(folder, 'server'));
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', '--import', LOADED, main], {
    env: { PATH: process.env.PATH, PORT: '0', LOCKSTEP_DATA: join(folder, 'data'), LOCKSTEP_LOG_LEVEL: 'error' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  let said = '';
  for await (const chunk of child.stdout.setEncoding('utf8')) {
    if (!said.includes('ready at') && `${said}${chunk}`.includes('ready at')) child.kill('SIGUSR2');
    said += chunk;
    if (/\}\n$/.test(said)) break;
  }
  const { builtin, heap } = JSON.parse(said.slice(said.indexOf('{'))) as { builtin: readonly string[]; heap: number };
  assert.deepEqual(
    builtin.filter((name) => /undici|http2/.test(name)),
    [],
    'clients of HTTP, and HTTP/2',
  );
  assert.ok(heap < MOST_HEAP, `the heap takes ${heap} bytes`);
});

test('the server is built again where its place or its sources are others, and only then', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'lockstep-built-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const main = await buildServer(folder);
  const first = readFileSync(main, 'utf8');
  await utimes(main, 1, 1);
  await buildServer(folder);
  assert.equal((await stat(main)).mtimeMs, 1000);
  await writeFile(join(folder, '.built-from'), 'other sources');
  await buildServer(folder);
  assert.notEqual((await stat(main)).mtimeMs, 1000);
  assert.equal(readFileSync(main, 'utf8'), first);
});

test('what is loaded at the start holds no letter beyond ASCII: of one, Node keeps the whole file in two bytes a letter', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'lockstep-built-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const main = await buildServer(join(folder, 'server'));
  const files = [main];
  for (const file of files) {
    const text = readFileSync(file, 'utf8');
    assert.doesNotMatch(text, /.{0,40}[\u0080-\u{10ffff}].{0,40}/u, file);
    for (const [, name = ''] of text.matchAll(/(?:from|^import)\s*"\.\/([\w-]+\.js)"/gm)) {
      const path = join(folder, 'server', name);
      if (!files.includes(path)) files.push(path);
    }
  }
  assert.ok(files.length > 3);
});
