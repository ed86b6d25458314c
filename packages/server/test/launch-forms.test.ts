/** Each launch of FHIRcast's "Alternate app launch" and "No app launch", from what starts the app to an app that follows. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Subscriber } from '@lockstep/client';
import { fromTicket, fromUrl } from '@lockstep/client/launch';
import { deriveTopic, parseLaunchFile, parseWebLaunch } from '@lockstep/fhircast';
import { type Lockstep, startLockstep } from '@lockstep/server';
import { event, inSync, lockstep, Running } from './command-line.ts';
import { EVERYTHING, HubClient, type Json, patient, testConfig } from './harness.ts';

const USER = 'dr-lena-okafor';
const APP = fileURLToPath(new URL('launched-app.ts', import.meta.url));
const config = testConfig();
const at = ['--data', config.data];
const folder = mkdtempSync(join(tmpdir(), 'lockstep-forms-'));
let server: Lockstep;
let driver: HubClient;

before(async () => {
  server = await startLockstep(config);
  driver = await HubClient.backend(server.origin, EVERYTHING);
});

after(async () => {
  await server.close();
  await rm(config.data, { recursive: true, force: true });
  await rm(folder, { recursive: true, force: true });
});

async function register(kind: string, ...more: string[]): Promise<Json> {
  const { code, json, stderr } = await lockstep([
    'apps',
    'register',
    '--name',
    kind,
    '--kind',
    kind,
    ...more,
    '--json',
    ...at,
  ]);
  assert.equal(code, 0, stderr);
  return json;
}

async function launch(client: string, ...more: string[]): Promise<Json> {
  const { code, json, stderr } = await lockstep(['apps', 'launch', client, '--user', USER, ...more, '--json', ...at]);
  assert.equal(code, 0, stderr);
  return json;
}

/** Opens a patient, and waits until the app has followed. */
async function follows(app: Subscriber, topic: string): Promise<void> {
  assert.deepEqual(await app.connect(), { status: 'in-sync' });
  const id = crypto.randomUUID();
  const shown = new Promise<void>((resolve) => {
    app.follow((context) => {
      if (context?.id === id) resolve();
    });
  });
  await driver.publish(topic, 'Patient-open', [patient(id)]);
  await shown;
  await app.unsubscribe();
}

test('LAU-1 switches: a registered program is started with them and follows', async (t) => {
  const topic = await driver.session(USER);
  const { app } = await register('command-line', '--scope', 'fhircast/*.*');
  const line = await launch(app.client_id, '--topic', topic);
  assert.match(line.command_line, /\/user:dr-lena-okafor \/ticket:http\S+ \/hub\.url:http\S+ \/hub\.topic:/);
  const program = Running.start(t, [
    ...['apps', 'launch', app.client_id, '--user', USER, '--topic', topic, ...at],
    ...['--', process.execPath, APP],
  ]);
  await program.find(inSync);
  await driver.publish(topic, 'Patient-open', [patient('p-switches')]);
  const followed = await program.find(({ kind }) => kind === 'context');
  assert.equal(followed.id, 'p-switches');
  assert.equal(await program.ended, 0, "the program's own exit code");
});

test("LAU-1 switches: the documents' own command line is read", async () => {
  const line =
    'C:\\Windows\\System32\\PACS.exe /credentials:x /user:jsmith /hub.url:https://hub.example.com /hub.topic:2e5e1b95-5c7f-4884-b19a-0b058699318b';
  const read = await lockstep(['launch', 'parse', line, '--json']);
  assert.deepEqual(read.json, {
    form: 'switches',
    hubUrl: 'https://hub.example.com',
    topic: '2e5e1b95-5c7f-4884-b19a-0b058699318b',
    user: 'jsmith',
    parameters: { credentials: 'x' },
  });
  const built = await lockstep([
    ...[
      'launch',
      'build',
      '--program',
      'C:\\Windows\\System32\\PACS.exe',
      '--param',
      'credentials=x',
      '--user',
      'jsmith',
    ],
    ...['--hub', 'https://hub.example.com', '--topic', '2e5e1b95-5c7f-4884-b19a-0b058699318b'],
  ]);
  assert.match(built.stdout, /^C:\\Windows\\System32\\PACS\.exe \/user:jsmith \/credentials:x \/hub\.url:https:/);
});

test('LAU-1 launch start passes the switches and the exit code', async () => {
  const show = 'console.log(process.argv.slice(1).join("\\n")); process.exit(7)';
  const to = ['--hub', 'https://hub.example.com', '--topic', 'T 1', '--user', 'jsmith'];
  const windows = await lockstep(['launch', 'start', ...to, '--', process.execPath, '-e', show, 'first']);
  assert.equal(windows.code, 7);
  assert.equal(windows.stdout, 'first\n/user:jsmith\n/hub.url:https://hub.example.com\n/hub.topic:T 1\n');
  const posix = await lockstep(['launch', 'start', '--posix', ...to, '--', process.execPath, '-e', show, 'first']);
  assert.match(posix.stdout, /--hub\.topic=T 1/);
  const missing = await lockstep(['launch', 'start', ...to, '--', '/no/such/program']);
  assert.equal(missing.code, 2);
});

test('LAU-1 query parameters: a web app finds Hub and topic in its address and follows', async () => {
  const topic = await driver.session(USER);
  const url = 'https://app.example.com/launch.html?theme=dark';
  const { app } = await register('web', '--launch-url', url, '--scope', 'fhircast/*.*');
  const { url: address } = await launch(app.client_id, '--topic', topic);
  assert.match(address, /^https:\/\/app\.example\.com\/launch\.html\?theme=dark&user=dr-lena-okafor&/);
  const { parameters } = parseWebLaunch(address);
  const { token } = await fromTicket(parameters?.ticket ?? '');
  const app1 = new Subscriber({ ...fromUrl(address), ...(token && { token }), events: ['Patient-open'], name: 'Web' });
  await follows(app1, topic);
});

test('LAU-1 folder: a launch is dropped for a registered app, and its bridge starts it', async (t) => {
  const topic = await driver.session(USER);
  const { app } = await register('file', '--scope', 'fhircast/*.*');
  const dropped = await launch(app.client_id, '--topic', topic);
  assert.equal(dropped.folder, join(config.data, 'launches', app.client_id));
  const program = Running.start(t, ['watch-folder', dropped.folder, '--json', '--', process.execPath, APP]);
  const taken = await program.find(({ file }) => file === dropped.file);
  assert.equal(taken.topic, topic);
  await program.find(inSync);
  await driver.publish(topic, 'Patient-open', [patient('p-folder')]);
  assert.equal((await program.find(({ kind }) => kind === 'context')).id, 'p-folder');
  assert.deepEqual(await readdir(dropped.folder), [], 'a launch is taken once');
  await launch(app.client_id, '--topic', topic);
  assert.equal((await program.find(({ file }) => file !== undefined)).topic, topic, 'the next one too');
  assert.equal((await program.find(({ kind }) => kind === 'context')).id, 'p-folder');
});

test('LAU-1 folder: a launch that was not used is gone at the next one', async () => {
  await driver.session(USER);
  const { app } = await register('file', '--scope', 'fhircast/*.*');
  const first = await launch(app.client_id);
  const longAgo = new Date(Date.now() - 120_000);
  await utimes(join(first.folder, first.file), longAgo, longAgo);
  await writeFile(join(first.folder, 'notes.txt'), 'not a launch');
  const second = await launch(app.client_id);
  assert.deepEqual((await readdir(first.folder)).sort(), [second.file, 'notes.txt'].sort());
  assert.equal(parseLaunchFile(await readFile(join(second.folder, second.file), 'utf8')).user, USER);
});

test('LAU-1 folder: files that are no launches stay, half-written ones are read once they are whole', async (t) => {
  const drop = join(folder, 'drop');
  mkdirSync(drop);
  await writeFile(join(drop, 'readme.txt'), 'nothing');
  await writeFile(join(drop, 'half.json'), '{"hub.url": "https://hub.exa');
  const watcher = Running.start(t, ['watch-folder', drop, '--json']);
  const built = ['--hub', 'https://hub.example.com', '--user', 'jsmith'];
  const ini = await lockstep(['launch', 'build', '--form', 'ini', '--topic', 'T1', '--drop', drop, ...built]);
  assert.equal(ini.code, 0, ini.stderr);
  assert.equal((await watcher.find(() => true)).topic, 'T1');
  await writeFile(join(drop, 'half.json'), '{"hub.url": "https://hub.example.com", "hub.topic": "T2"}');
  assert.equal((await watcher.find(() => true)).topic, 'T2');
  assert.deepEqual(await readdir(drop), ['readme.txt']);
  assert.equal(await watcher.stop(), 0);
  await lockstep(['launch', 'build', '--form', 'json', '--topic', 'T3', '--drop', drop, ...built]);
  const once = await lockstep(['watch-folder', drop, '--json', '--count', '1', '--app', 'https://app.example.com/']);
  assert.equal(once.code, 0);
  assert.match(once.json.url, /^https:\/\/app\.example\.com\/\?.*hub\.topic=T3$/);
});

test('LAU-1 ticket: whoever holds it follows, once', async (t) => {
  const topic = await driver.session(USER);
  const { app } = await register('command-line', '--scope', 'fhircast/*.*');
  const { ticket_url } = await launch(app.client_id, '--topic', topic, '--form', 'ticket');
  const parsed = await lockstep(['launch', 'parse', ticket_url, '--json']);
  assert.deepEqual([parsed.json.form, parsed.json.hubUrl], ['ticket', `${server.origin}/hub`]);
  const listener = Running.start(t, ['listen', '--ticket', ticket_url, '--json']);
  await listener.find(inSync);
  await driver.publish(topic, 'Patient-open', [patient('p-ticket')]);
  assert.equal((await listener.find(event('Patient-open'))).event['hub.topic'], topic);
  const again = await lockstep(['listen', '--ticket', ticket_url]);
  assert.equal(again.code, 4);
});

test('LAU-2 derived topic: an app that was not launched finds its user’s session', async (t) => {
  const topic = await driver.session(USER);
  const key = join(folder, 'derived-key.json');
  const { app, topicSecret } = await register('derived', '--key-out', key);
  const derived = (
    await lockstep(['topic', 'derive', 'lokafor'], { env: { TOPIC_SECRET: topicSecret } })
  ).stdout.trim();
  const file = join(folder, 'secret.txt');
  await writeFile(file, `${topicSecret}\n`);
  const inspected = await lockstep(['topic', 'inspect', derived, '--secret-file', file, '--json']);
  assert.equal(inspected.json.user, 'lokafor');
  const as = [
    '--hub',
    `${server.origin}/hub`,
    '--client-id',
    app.client_id,
    '--key',
    key,
    '--topic',
    derived,
    '--json',
  ];
  const listener = Running.start(t, ['listen', ...as]);
  await listener.find(inSync);
  await driver.publish(topic, 'Patient-open', [patient('p-derived')]);
  const seen = await listener.find(event('Patient-open'));
  assert.deepEqual([seen.event['hub.topic'], seen.event.context[0].resource.id], [derived, 'p-derived']);
  assert.equal((await lockstep(['context', ...as])).json.context[0].resource.id, 'p-derived');
  const second = await lockstep(['listen', '--name', 'Somebody else', ...as]);
  assert.equal(second.code, 4);
  assert.match(second.stderr, /another subscriber/);
  const renewed = await lockstep(['topic', 'secret', app.client_id, ...at]);
  assert.equal(renewed.code, 0);
  const old = await deriveTopic('lokafor', topicSecret);
  assert.equal((await lockstep(['context', ...as.map((one) => (one === derived ? old : one))])).code, 4);
  const wrong = await lockstep(['topic', 'inspect', derived], { env: { TOPIC_SECRET: renewed.stdout.trim() } });
  assert.equal(wrong.code, 1);
});

test('LAU-1 an app is launched only in the ways it is registered for', async () => {
  const { app } = await register('derived', '--key-out', join(folder, 'another-key.json'));
  const byItself = await lockstep(['apps', 'launch', app.client_id, '--user', USER, ...at]);
  assert.equal(byItself.code, 4);
  assert.match(byItself.stderr, /starts by itself/);
  const asTicket = await lockstep(['apps', 'launch', app.client_id, '--user', USER, '--form', 'ticket', ...at]);
  assert.equal(asTicket.code, 4);
  const { app: program } = await register('command-line');
  const stranger = await lockstep(['apps', 'launch', program.client_id, '--user', 'nobody', ...at]);
  assert.match(stranger.stderr, /no such user/);
  const web = await lockstep(['apps', 'launch', program.client_id, '--user', USER, '--form', 'web', ...at]);
  assert.match(web.stderr, /no launch URL/);
  assert.equal((await lockstep(['apps', 'launch', 'nobody', '--user', USER, ...at])).code, 4);
});
