import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startLockstep } from '@lockstep/server';
import { findRunning } from '../src/admin/running.ts';
import type { Option } from '../src/cli/command.ts';
import { COMMANDS } from '../src/cli/commands.ts';
import { createParser, helpText, reached } from '../src/cli/parser.ts';
import { Terminal } from '../src/cli/terminal.ts';
import { event, inSync, lockstep, Running, serverOfFile } from './command-line.ts';
import { type Json, json, testConfig } from './harness.ts';

const own = serverOfFile();
const { config, at, folder } = own;

async function openSession(user: string): Promise<string> {
  const { code, stdout } = await lockstep(['sessions', 'open', '--user', user, ...at]);
  assert.equal(code, 0);
  return stdout.trim();
}

test('every command explains itself, with examples', async () => {
  const overview = await lockstep(['--help']);
  assert.equal(overview.code, 0);
  const helpOf = (name: string) =>
    helpText(
      reached(
        createParser(COMMANDS, 120, async () => undefined),
        name.split(' '),
      ),
    );
  for (const { name, options } of COMMANDS) {
    assert.ok(overview.stdout.includes(`\n  ${name} `), name);
    const help = helpOf(name);
    assert.match(help, new RegExp(`^Usage: lockstep ${name} `));
    assert.match(help, /\nExamples:\n {2}# .+\n {2}\S/);
    assert.match(help, /Exit codes: 0 done/);
    for (const option of Object.keys(options)) assert.ok(help.includes(`--${option}`), `${name} --${option}`);
  }
  const asked = await lockstep(['apps', 'launch', '--help']);
  assert.equal(asked.code, 0);
  assert.equal(asked.stdout, helpOf('apps launch'));
  for (const same of [
    ['help', 'apps', 'launch'],
    ['apps', 'launch', '-h', '--user', 'x'],
  ]) {
    assert.equal((await lockstep(same)).stdout, asked.stdout, same.join(' '));
  }
  const group = await lockstep(['apps', '--help']);
  assert.equal(group.code, 0);
  for (const name of ['apps register', 'apps list', 'apps launch']) assert.ok(group.stdout.includes(`\n  ${name} `));
});

test('an option without its value does not take the next option for it, whatever the command', async () => {
  let tried = 0;
  for (const { name, options } of COMMANDS) {
    const words = name.split(' ');
    for (const [option, { type }] of Object.entries(options)) {
      if (type === 'boolean') continue;
      for (const next of [['--json'], [`--${option}`, 'x'], []]) {
        const parser = createParser(COMMANDS, 120, () => assert.fail(`${name} --${option} ${next} ran`));
        const typed = [...words, `--${option}`, ...next];
        await assert.rejects(
          parser.parseAsync(typed, { from: 'user' }),
          new RegExp(`option '.*--${option} .*(missing|invalid)`),
        );
        tried++;
      }
    }
  }
  assert.ok(tried > 100);
});

test('a command gets each of its options by its name, as it was typed', async () => {
  for (const { name, options, raw } of COMMANDS) {
    const all: Readonly<Record<string, Option>> = raw ? options : { ...options, json: { type: 'boolean', help: '' } };
    for (const [option, { type, choices, multiple }] of Object.entries(all)) {
      const value = choices?.[0] ?? '-x';
      const typed = type === 'boolean' ? [`--${option}`] : [`--${option}`, value];
      let ran = false;
      const parser = createParser(COMMANDS, 120, async (command, values) => {
        ran = true;
        assert.equal(command.name, name);
        assert.equal(values.flag(option), type === 'boolean', `${name} --${option}`);
        if (multiple) assert.deepEqual(values.list(option), [value], `${name} --${option}`);
        else assert.equal(values.text(option), type === 'boolean' ? undefined : value, `${name} --${option}`);
      });
      await parser.parseAsync([...name.split(' '), ...typed], { from: 'user' });
      assert.ok(ran, name);
    }
  }
});

test('a command that needs no part of the server loads none: every command would start with it', async () => {
  const tellsLoaded = `
    import { registerHooks } from 'node:module';
    registerHooks({ load: (url, context, next) => (url.startsWith('file:') && console.error(url), next(url, context)) });`;
  const { code, stderr } = await lockstep(['--help'], {
    env: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(tellsLoaded)}` },
  });
  assert.equal(code, 0);
  const loaded = stderr.split('\n').filter((line) => line.startsWith('file:'));
  assert.ok(loaded.length > 50);
  const places =
    /\/packages\/(fhircast|client)\/src\/|\/packages\/server\/(src\/|package\.json)|\/node_modules\/commander\//;
  assert.deepEqual(
    loaded.filter((url) => !places.test(url)),
    [],
  );
  assert.ok(!loaded.some((url) => url.endsWith('/server/src/config.ts')), 'nor its configuration');
});

test('wrong use ends with 2 and says what is wrong, as JSON too', async () => {
  const wrong: [string[], RegExp][] = [
    [['fly'], /there is no command fly/],
    [['seve'], /there is no command seve\n.*mean serve/],
    [['fly', '--help'], /there is no command fly/],
    [['apps', 'fly'], /there is no command apps fly/],
    [['--fly'], /unknown option '--fly'/],
    [['listen', '--cuont', '3'], /unknown option '--cuont'\n.*mean --count/],
    [['listen', '--count'], /option '-n, --count <N>' argument missing/],
    [['apps'], /apps needs one of: apps register, apps list, apps launch/],
    [['sessions', '--fly'], /unknown option '--fly'/],
    [['apps', 'launch'], /which app/],
    [['publish', ...at], /which event/],
    [['publish', 'Patient-open', 'nonsense', '--topic', 't', ...at], /no resource/],
    [['listen', '--answer', 'perhaps', ...at], /--answer perhaps/],
    [['listen', '--count', 'many', ...at], /whole number/],
    [['launch', 'build', '--form', 'smoke'], /'smoke' is invalid\. Allowed choices are windows, posix/],
    [['launch', 'start'], /program is missing/],
    [['topic', 'derive', 'jsmith'], /no secret/],
    [['completion', 'csh'], /bash, zsh, fish, powershell/],
    [['sessions', 'ends', ...at], /sessions takes no argument ends/],
    [['topic', 'inspect', 'one', 'two'], /takes no argument two/],
    [['context', ...at, '--', 'x'], /takes no argument x/],
    [['help', 'fly'], /there is no command fly/],
  ];
  for (const [args, reason] of wrong) {
    const { code, stdout, stderr } = await lockstep(args);
    assert.equal(code, 2, args.join(' '));
    assert.equal(stdout, '', args.join(' '));
    assert.match(stderr, reason);
  }
  const told = await lockstep(['fly', '--json']);
  assert.deepEqual(JSON.parse(told.stderr).exit, 2);
});

test('without a server a command ends with 3 and says how to start one', async () => {
  const { code, stderr } = await lockstep(['sessions', '--data', folder]);
  assert.equal(code, 3);
  assert.match(stderr, /lockstep serve/);
});

test('only its owner can read how to administer a running server, and the interface wants that token', async () => {
  const path = join(config.data, 'running.json');
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  const { url, token } = (await findRunning(config.data))!;
  assert.ok(token.length >= 43);
  const ask = (headers: Record<string, string>) => fetch(`${url}/api/admin/users`, { headers });
  assert.equal((await ask({})).status, 401);
  assert.equal((await ask({ authorization: `Bearer ${token.slice(1)}A` })).status, 401);
  assert.equal((await ask({ authorization: `Bearer ${token}`, origin: 'https://evil.example' })).status, 401);
  assert.equal((await ask({ authorization: `Bearer ${token}`, 'x-forwarded-for': '203.0.113.9' })).status, 401);
  assert.equal((await ask({ authorization: `Bearer ${token}` })).status, 200);
  const posted = await fetch(`${url}/api/admin/keys/rotate`, { method: 'POST' });
  assert.equal(posted.status, 401);
});

test('PUB-4 backup copies the database of the running server, and restore checks the copy or puts it in place', async () => {
  const copy = join(folder, 'copy.db');
  const made = await lockstep(['backup', copy, '--json', ...at]);
  assert.equal(made.code, 0, made.stderr);
  assert.equal(made.json.path, copy);
  assert.ok(made.json.records > 0);
  const again = await lockstep(['backup', copy, ...at]);
  assert.equal(again.code, 4);
  assert.match(again.stderr, /no copy was made: .*EEXIST/);
  const checked = await lockstep(['restore', copy, '--check', '--json', ...at]);
  assert.equal(checked.code, 0, checked.stderr);
  assert.deepEqual(checked.json, made.json);
  const busy = await lockstep(['restore', copy, ...at]);
  assert.equal(busy.code, 4);
  assert.match(busy.stderr, /a server runs/);
  const elsewhere = await mkdtemp(join(folder, 'restored-'));
  const restored = await lockstep(['restore', copy, '--data', elsewhere]);
  assert.equal(restored.code, 0, restored.stderr);
  const users = await lockstep(['users', 'list', '--json', '--data', elsewhere]);
  assert.equal(users.code, 0, users.stderr);
  assert.deepEqual(users.json, (await lockstep(['users', 'list', '--json', ...at])).json);
  await writeFile(copy, 'no database'.repeat(100));
  const bad = await lockstep(['restore', copy, '--check', ...at]);
  assert.equal(bad.code, 1);
  assert.match(bad.stderr, /not a database/);
  assert.equal((await lockstep(['backup', ...at])).code, 2);
  assert.equal((await lockstep(['restore', ...at])).code, 2);
});

test('REG-4 users add adds somebody who can sign in', async () => {
  const added = await lockstep([
    'users',
    'add',
    'mruiz',
    '--full-name',
    'Dr. Marta Ruiz',
    '--alias',
    'ris|47',
    '--json',
    ...at,
  ]);
  assert.equal(added.code, 0);
  assert.equal(added.json.reference, 'Practitioner/mruiz');
  const again = await lockstep(['users', 'add', 'mruiz', ...at]);
  assert.equal(again.code, 4);
  assert.match(again.stderr, /there is a user mruiz already/);
  const short = await lockstep(['users', 'add', 'other', '--password-stdin', ...at], { input: 'short\n' });
  assert.equal(short.code, 4);
  assert.match(short.stderr, /at least 8 characters/);
  const own = await lockstep(['users', 'add', 'other', '--password-stdin', '--json', ...at], {
    input: 'long enough\n',
  });
  assert.equal(own.code, 0);
  assert.equal(own.json.password, undefined);
  const listed = (await lockstep(['users', 'list', '--json', ...at])).json as unknown as Json[];
  assert.deepEqual(listed.find(({ id }) => id === 'mruiz')?.aliases, ['ris|47']);
});

test('DIS-5 keys rotate publishes a new key beside the old one', async () => {
  const jwks = async (): Promise<string[]> => {
    const { jwks_uri } = await json(fetch(`${own.origin}/fhir/.well-known/smart-configuration`));
    return (await json(fetch(jwks_uri))).keys.map(({ kid }: Json) => kid);
  };
  const old = await jwks();
  const { code, json: made } = await lockstep(['keys', 'rotate', '--json', ...at]);
  assert.equal(code, 0);
  assert.deepEqual(new Set(await jwks()), new Set([...old, made.kid]));
});

test('commands administer the database themselves where no server runs', async () => {
  const elsewhere = testConfig();
  const there = ['--data', elsewhere.data];
  const nothing = await lockstep(['users', 'list', ...there]);
  assert.equal(nothing.code, 3);
  await (await startLockstep(elsewhere)).close();
  assert.equal(await findRunning(elsewhere.data), undefined, 'the file goes with the server');
  assert.equal((await lockstep(['users', 'add', 'mruiz', ...there])).code, 0);
  assert.equal((await lockstep(['users', 'add', 'mruiz', ...there])).code, 4);
  assert.equal((await lockstep(['keys', 'rotate', ...there])).code, 0);
  assert.equal((await lockstep(['apps', 'register', '--name', 'PACS', '--kind', 'command-line', ...there])).code, 0);
  assert.match((await lockstep(['users', 'list', ...there])).stdout, /mruiz/);
  assert.match((await lockstep(['apps', 'list', ...there])).stdout, /PACS/);
  await rm(elsewhere.data, { recursive: true, force: true });
});

test('a command meets the file of a server that was killed', async () => {
  const elsewhere = testConfig();
  await (await startLockstep(elsewhere)).close();
  const dead = { url: 'http://127.0.0.1:1', origin: 'http://localhost:1', token: 'x', pid: 1, startedAt: '' };
  await writeFile(join(elsewhere.data, 'running.json'), JSON.stringify(dead));
  assert.equal((await lockstep(['users', 'list', '--data', elsewhere.data])).code, 0);
  assert.equal((await lockstep(['sessions', '--data', elsewhere.data])).code, 3);
  await rm(elsewhere.data, { recursive: true, force: true });
});

test('SES-3 with several sessions a command asks which, and the newest has a word', async () => {
  const first = await openSession('newest-user');
  const second = await openSession('newest-user');
  const asked = await lockstep(['context', ...at]);
  assert.equal(asked.code, 2);
  assert.match(asked.stderr, /say which[\s\S]*--topic \$\(lockstep sessions newest\)/);
  const newest = await lockstep(['sessions', 'newest', '--user', 'newest-user', ...at]);
  assert.equal(newest.stdout, `${second}\n`);
  await lockstep(['sessions', 'end', '--topic', second, ...at]);
  assert.equal((await lockstep(['sessions', 'newest', '--user', 'newest-user', ...at])).stdout, `${first}\n`);
  await lockstep(['sessions', 'end', '--topic', first, ...at]);
  const none = await lockstep(['sessions', 'newest', '--user', 'newest-user', ...at]);
  assert.equal(none.code, 4);
  assert.match(none.stderr, /there is no session/);
});

test('listen leaves its session when its output is closed', async (t) => {
  const topic = await openSession('dr-lena-okafor');
  const other = Running.start(t, ['listen', '--topic', topic, '--name', 'other', '--json', ...at]);
  await other.find(inSync);
  const listener = Running.start(t, ['listen', '--topic', topic, '--json', ...at]);
  await listener.find(inSync);
  listener.readNoMore();
  const open = ['publish', 'Patient-open', 'Patient/ida-moreau', '--topic', topic, ...at];
  assert.equal((await lockstep(open)).code, 0);
  assert.equal(await listener.ended, 0);
  // Had it been lost, a SyncError would have come before this.
  assert.equal((await lockstep(['publish', 'Home-open', '--topic', topic, ...at])).code, 0);
  const next = await other.find((value) => event('SyncError')(value) || event('Home-open')(value));
  assert.equal(next.event['hub.event'], 'Home-open');
  await lockstep(['sessions', 'end', '--topic', topic, ...at]);
});

test('listen that never reached the Hub ends with 3', async () => {
  const { code, stderr } = await lockstep([
    'listen',
    '--hub',
    'http://127.0.0.1:1/hub',
    '--topic',
    't',
    '--timeout',
    '1',
  ]);
  assert.equal(code, 3);
  assert.match(stderr, /cannot be reached/);
});

test('what others wrote does not steer the terminal, and colours go to terminals only', () => {
  const sink = (isTTY: boolean) => ({ isTTY, text: '', write: (text: string) => text });
  const [screen, file] = [sink(true), sink(false)];
  for (const one of [screen, file]) one.write = (text) => (one.text += text);
  const terminal = new Terminal(false, {}, screen, file);
  terminal.line(`${terminal.style('red', 'SyncError')} \u001b]0;title\u0007 \u001b[2J\r\u009b1m`);
  assert.equal(screen.text, '\u001b[31mSyncError\u001b[39m \ufffd]0;title\ufffd \ufffd[2J\ufffd\ufffd1m\n');
  terminal.error('no', undefined, 1);
  assert.equal(file.text, 'error: no\n');
});

test('listen shows what publish publishes, and context what is open', async (t) => {
  const topic = await openSession('dr-lena-okafor');
  const listener = Running.start(t, ['listen', '--topic', topic, '--json', ...at]);
  await listener.find(inSync);
  const published = await lockstep([
    'publish',
    'patient-open',
    'Patient/ida-moreau',
    '--user',
    'lokafor',
    '--json',
    ...at,
  ]);
  assert.equal(published.code, 0);
  const seen = await listener.find(event('Patient-open'));
  assert.equal(seen.id, published.json.id);
  assert.equal(seen.event.context[0].resource.id, 'ida-moreau');
  const context = await lockstep(['context', '--topic', topic, '--json', ...at]);
  assert.equal(context.json['context.type'], 'Patient');
  assert.match((await lockstep(['context', '--topic', topic, ...at])).stdout, /^patient Patient\/ida-moreau\nversion /);
  const sessions = (await lockstep(['sessions', '--user', 'lokafor', '--json', ...at])).json as unknown as Json[];
  assert.deepEqual(
    sessions.map((one) => [one['hub.topic'], one.subscribers]),
    [[topic, ['lockstep listen']]],
  );
  assert.equal(await listener.stop(), 0, 'Ctrl-C is a normal end');
  const left = (await lockstep(['sessions', '--user', 'lokafor', '--json', ...at])).json as unknown as Json[];
  assert.deepEqual(left[0]?.subscribers, [], 'it has unsubscribed');
  const inviting = ['sessions', 'invite', '--topic', topic, '--json', ...at];
  const invitation = (await lockstep([...inviting, '--following-only', '--minutes', '15'])).json as unknown as Json;
  assert.match(invitation.invitation_url, /\/hub\/invitation\/[\w-]{22,}$/);
  assert.equal(invitation.following_only, true);
  assert.equal((await lockstep([...inviting, '--minutes', '2000'])).code, 4, 'a day at most');
  assert.equal((await lockstep(['sessions', 'end', '--topic', topic, ...at])).code, 0);
  assert.equal((await lockstep(['context', '--topic', topic, ...at])).code, 4);
});

test('ERR-2 the answer given to listen as an option reaches the others as a SyncError', async (t) => {
  const topic = await openSession('dr-mei-tanaka');
  const watcher = Running.start(t, ['listen', '--topic', topic, '--name', 'Watcher', '--json', ...at]);
  const refusing = ['--answer', 'Patient-open=409', '--name', 'Refuser'];
  const refuser = Running.start(t, ['listen', '--topic', topic, ...refusing, '--json', ...at]);
  await Promise.all([watcher.find(inSync), refuser.find(inSync)]);
  await lockstep(['publish', 'Patient-open', 'Patient/p1', '--topic', topic, ...at]);
  const { context } = (await watcher.find(event('SyncError'))).event;
  assert.match(context[0].resource.issue[0].diagnostics, /Refuser.*409/);
});

test('listen ends after the given number of events, or fails when they do not come', async (t) => {
  const topic = await openSession('dr-tomas-lindqvist');
  const one = Running.start(t, ['listen', '--topic', topic, '-e', 'Patient-open', '--count', '1', '--json', ...at]);
  await one.find(inSync);
  await lockstep(['publish', 'Patient-open', 'Patient/p1', '--topic', topic, ...at]);
  assert.equal(await one.ended, 0);
  const none = await lockstep([
    'listen',
    '--topic',
    topic,
    '-e',
    'Patient-close',
    '--count',
    '1',
    '--timeout',
    '1',
    ...at,
  ]);
  assert.equal(none.code, 1);
  assert.match(none.stderr, /0 of 1 events/);
  const raw = Running.start(t, ['listen', '--topic', topic, '--raw', ...at]);
  const confirmation = await raw.find((frame) => frame['hub.mode'] === 'subscribe');
  assert.equal(confirmation['hub.topic'], topic);
  const gone = await lockstep(['listen', '--topic', 'no-such-topic', ...at]);
  assert.equal(gone.code, 4);
});

test('publish reads contexts and whole events from files', async () => {
  const topic = await openSession('publisher');
  const path = join(folder, 'context.json');
  const context = [{ key: 'patient', resource: { resourceType: 'Patient', id: 'p9', active: true } }];
  await writeFile(path, JSON.stringify(context));
  const to = ['--topic', topic, ...at];
  assert.equal((await lockstep(['publish', 'Patient-open', '--context', path, ...to])).code, 0);
  assert.deepEqual((await lockstep(['context', '--json', ...to])).json.context[0], context[0]);
  const whole = {
    id: 'e1',
    timestamp: '2020-01-01T00:00:00Z',
    event: { 'hub.topic': 'x', 'hub.event': 'Patient-close', context },
  };
  const piped = await lockstep(['publish', '--event', '-', '--json', ...to], { input: JSON.stringify(whole) });
  assert.equal(piped.code, 0, piped.stderr);
  assert.equal(piped.json.id, 'e1');
  assert.equal((await lockstep(['context', ...to])).stdout.trim(), 'nothing is open');
  const refused = await lockstep(['publish', 'Patient-open', 'Encounter/e1', ...to]);
  assert.equal(refused.code, 4);
  assert.match(refused.stderr, /patient/i, "the Hub's own words");
});

test('TOK-5 a backend registration serves where no administration token is at hand', async (t) => {
  const key = join(folder, 'key.json');
  const registered = await lockstep(['apps', 'register', '--name', 'Bridge', '--key-out', key, '--json', ...at]);
  assert.equal(registered.code, 0, registered.stderr);
  assert.equal((await stat(key)).mode & 0o777, 0o600);
  assert.ok(!registered.stdout.includes(JSON.parse(await readFile(key, 'utf8')).d), 'the private half stays here');
  const hub = ['--hub', `${own.origin}/hub`, '--client-id', registered.json.app.client_id, '--key', key];
  const opened = await lockstep(['sessions', 'open', '--user', 'bridged', '--json', ...hub]);
  assert.equal(opened.code, 0, opened.stderr);
  const topic = opened.json['hub.topic'];
  const listener = Running.start(t, ['listen', '--topic', topic, '--json', ...hub]);
  await listener.find(inSync);
  assert.equal((await lockstep(['publish', 'Patient-open', 'Patient/p1', '--topic', topic, ...hub])).code, 0);
  await listener.find(event('Patient-open'));
  const stranger = await lockstep(['sessions', '--hub', `${own.origin}/hub`]);
  assert.equal(stranger.code, 4);
  assert.match(stranger.stderr, /access token is required/);
  const overwritten = await lockstep(['apps', 'register', '--name', 'Second', '--key-out', key, ...at]);
  assert.equal(overwritten.code, 2);
  const nobody = await lockstep(['sessions', '--hub', 'http://127.0.0.1:1/hub', '--token', 'x']);
  assert.equal(nobody.code, 3);
});

test('token prints one that opens the Hub, and nothing besides', async () => {
  const { code, stdout } = await lockstep(['token', ...at]);
  assert.equal(code, 0);
  const open = (token: string) =>
    fetch(`${own.origin}/hub/session`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ user: 'Practitioner/curl' }),
    });
  assert.equal((await open(stdout.trimEnd())).status, 201);
  const { json } = await lockstep(['token', '--scope', 'fhircast/Patient-open.read', '--json', ...at]);
  assert.equal((await open(json.access_token)).status, 403);
  const nothing = await lockstep(['token', '--hub', `${own.origin}/hub`]);
  assert.equal(nothing.code, 2);
  assert.match(nothing.stderr, /--client-id/);
});

test('conformance is the suite’s own command', async () => {
  const { code, stdout } = await lockstep(['conformance', 'checks']);
  assert.equal(code, 0);
  assert.ok(stdout.split('\n').length > 50);
  assert.equal((await lockstep(['conformance', 'hub'])).code, 2);
});
