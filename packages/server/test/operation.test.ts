/** What an operator relies on: https of its own, the management port, signals, and words for every wrong setting. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { request } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { describe, it, type TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { readConfig } from '@lockstep/server';
import { WebSocket } from 'ws';
import { selfSigned } from './certificate.ts';
import { lockstep as command } from './command-line.ts';
import { HubClient, patient, testConfig, withLockstep } from './harness.ts';
import { LockstepProcess } from './process.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const LAUNCHER = fileURLToPath(new URL('../bin/lockstep.mjs', import.meta.url));

function folder(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), 'lockstep-operation-'));
  t.after(() => rm(made, { recursive: true, force: true }));
  return made;
}

/** Writes a fresh certificate. @returns the certificate */
function writeCertificate(at: { readonly cert: string; readonly key: string }): string {
  const { cert, key } = selfSigned();
  writeFileSync(at.cert, cert);
  writeFileSync(at.key, key);
  return cert;
}

/** The answer's status over https, to whoever trusts only this certificate. */
function status(port: number, ca: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: 'localhost', port, path: '/health/live', ca, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    sent.on('error', reject);
    sent.end();
  });
}

describe('https of its own', () => {
  it('shows its certificate, also to WebSockets, and takes a renewed one without a connection lost', async (t) => {
    const made = folder(t);
    const files = { cert: join(made, 'cert.pem'), key: join(made, 'key.pem') };
    const first = writeCertificate(files);
    const config = testConfig({ tlsCert: files.cert, tlsKey: files.key });
    await withLockstep(async ({ origin, port, reload }) => {
      assert.equal(origin, `https://localhost:${port}`);
      assert.equal(await status(port, first), 200);
      const kept = connectTls({ host: 'localhost', port, ca: first });
      await once(kept, 'secureConnect');
      const socket = new WebSocket(`wss://localhost:${port}/hub/ws/none`, { ca: first });
      const [error] = await once(socket, 'error');
      assert.match(String(error), /404/);

      const second = writeCertificate(files);
      await assert.rejects(status(port, second));
      await reload(config);
      assert.equal(await status(port, second), 200);
      await assert.rejects(status(port, first));
      kept.write('GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n');
      assert.match(String((await once(kept, 'data'))[0]), /^HTTP\/1\.1 200 .*strict-transport-security/is);
      kept.destroy();

      writeFileSync(files.key, 'nonsense');
      await assert.rejects(reload(config), { name: 'ConfigError' });
      assert.equal(await status(port, second), 200, 'goes on with the one it has');
    }, config);
  });
});

describe('commands to a server that speaks https itself', () => {
  it('trust the certificate of the one on this machine, and of another what --ca names', async (t) => {
    const made = folder(t);
    const files = { cert: join(made, 'cert.pem'), key: join(made, 'key.pem') };
    writeCertificate(files);
    const config = testConfig({ tlsCert: files.cert, tlsKey: files.key });
    await withLockstep(async ({ origin }) => {
      const here = ['--data', config.data];
      const opened = await command(['sessions', 'open', '--user', 'jsmith', ...here]);
      assert.equal(opened.code, 0, opened.stderr);
      const topic = opened.stdout.trim();
      const published = await command(['publish', 'Patient-open', 'Patient/walter-pruitt', '--topic', topic, ...here]);
      assert.equal(published.code, 0, published.stderr);
      const listened = await command(['listen', '--topic', topic, '--count', '1', ...here]);
      assert.equal(listened.code, 0, listened.stderr);
      assert.match(listened.stdout, /walter-pruitt/);

      const token = (await command(['token', ...here])).stdout.trim();
      const there = ['context', '--hub', `${origin}/hub`, '--topic', topic];
      const env = { FHIRCAST_TOKEN: token };
      const refused = await command(there, { env });
      assert.equal(refused.code, 3);
      assert.match(refused.stderr, /self.signed certificate/);
      assert.match((await command([...there, '--ca', files.cert], { env })).stdout, /walter-pruitt/);
      assert.match((await command(there, { env: { ...env, FHIRCAST_CA: files.cert } })).stdout, /walter-pruitt/);
      for (const [wrong, why] of [
        [join(made, 'none'), /cannot be read/],
        [files.key, /holds no certificate/],
      ] as const) {
        const { code, stderr } = await command([...there, '--ca', wrong], { env });
        assert.equal(code, 2);
        assert.match(stderr, why);
      }
    }, config);
  });
});

describe('the management port', () => {
  it('has health and metrics, which the public port of a server that others reach does not tell', () =>
    withLockstep(
      async ({ port, managementPort }) => {
        const at = (where: number | undefined, path: string) => fetch(`http://127.0.0.1:${where}${path}`);
        assert.equal((await at(managementPort, '/metrics')).status, 200);
        assert.equal((await at(managementPort, '/health/live')).status, 200);
        assert.equal((await at(managementPort, '/health/ready')).status, 200);
        for (const path of ['/hub/session', '/auth/jwks', '/', '/api/admin/server']) {
          assert.equal((await at(managementPort, path)).status, 404, path);
        }
        assert.equal((await at(port, '/metrics')).status, 404);
      },
      { publicUrl: 'https://lockstep.example.org', managementPort: 0 },
    ));

  it('is the only place of metrics on a server that others reach', () =>
    withLockstep(
      async ({ port }) => {
        assert.equal((await fetch(`http://127.0.0.1:${port}/metrics`)).status, 404);
        assert.equal((await fetch(`http://127.0.0.1:${port}/health/live`)).status, 200);
      },
      { publicUrl: 'https://lockstep.example.org' },
    ));

  it('counts requests by route, who did not follow by cause, answers by time, and says which version runs', () =>
    withLockstep(async ({ origin }) => {
      const hub = await HubClient.backend(origin);
      const topic = await hub.session();
      const good = await hub.subscribe(topic, 'Patient-open,SyncError');
      const bad = await hub.subscribe(topic, 'Patient-open');
      bad.answer = () => 409;
      await good.next();
      await bad.next();
      await hub.publish(topic, 'Patient-open', [patient('p1')]);
      await good.event();
      await good.event();
      await fetch(`${origin}/nobody/secret-name`, { method: 'SEARCH' }).catch(() => undefined);
      const told = await (await fetch(`${origin}/metrics`)).text();
      assert.match(told, /lockstep_build_info\{version="[^"]+",node="local",runtime="v\d+[^"]*"\} 1/);
      assert.match(told, /lockstep_not_following_total\{cause="refused"\} 1/);
      assert.match(told, /lockstep_not_following_total\{cause="unanswered"\} 0/);
      assert.match(told, /lockstep_last_answer_seconds_count [12]/);
      assert.match(
        told,
        /lockstep_http_request_duration_seconds_count\{method="POST",route="\/hub\/?",status="202"\} 3/,
      );
      assert.doesNotMatch(told, /secret-name|SEARCH/);
      assert.ok(!told.includes(topic));
    }));
});

describe('signals', () => {
  it('SIGHUP opens a moved audit file again and reads the configuration; the server goes on', async (t) => {
    const path = join(folder(t), 'audit.jsonl');
    const server = await LockstepProcess.start(t, { LOCKSTEP_AUDIT: path });
    await rename(path, `${path}.1`);
    server.signal('SIGHUP');
    while (!existsSync(path)) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal((await fetch(`${server.origin}/health/live`)).status, 200);
    assert.equal(await server.kill('SIGTERM'), 0);
    const verified = await command(['audit', 'verify', `${path}.1`, path]);
    assert.equal(verified.code, 0, verified.stdout);
  });

  it('SIGHUP with a broken configuration leaves the server at work as it was, and says why in one line', async (t) => {
    const path = join(folder(t), 'lockstep.json');
    const settings = (level: string) => JSON.stringify({ logLevel: level });
    writeFileSync(path, settings('error'));
    const server = await LockstepProcess.start(t, { LOCKSTEP_CONFIG: path, LOCKSTEP_LOG_LEVEL: undefined });
    const broken: readonly (readonly [text: string | undefined, why: RegExp])[] = [
      ['{"logLevel":', /does not hold a JSON object/],
      ['', /does not hold a JSON object/],
      [settings('loud'), /logLevel/i],
      ['{"noSuchSetting":1,"another":2}', /noSuchSetting.*another/],
      [undefined, /cannot be read/],
    ];
    for (const [text, why] of broken) {
      if (text === undefined) rmSync(path);
      else writeFileSync(path, text);
      const problem = server.nextProblem();
      server.signal('SIGHUP');
      assert.match(await problem, /^The server goes on with the settings that it has: /);
      assert.match(await problem, why);
      assert.equal((await fetch(`${server.origin}/health/live`)).status, 200);
    }
    assert.equal(await server.kill('SIGTERM'), 0);
    assert.equal(server.problems.length, broken.length, server.problems.join('\n'));
  });

  it('the server runs from its built files, and ends when the command that started it is killed', async (t) => {
    const data = folder(t);
    const child = spawn(process.execPath, [LAUNCHER, 'serve', '--port', '0', '--data', data], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE },
    });
    const line = await new Promise<string>((resolve) => {
      createInterface({ input: child.stdout }).on('line', (one) => one.includes('ready at') && resolve(one));
    });
    const origin = /http:\S+/.exec(line)?.[0] ?? '';
    assert.equal((await fetch(`${origin}/health/live`)).status, 200);
    const [server] = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').split(' ');
    assert.match(readFileSync(`/proc/${server}/cmdline`, 'utf8'), /\/packages\/server\/dist\/cli\.js\0serve\0/);
    child.kill('SIGKILL');
    for (;;) {
      const answers = await fetch(`${origin}/health/live`).then(
        (response) => response.body?.cancel().then(() => true),
        () => false,
      );
      if (!answers) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
});

/** What a start with these settings says, and its exit code. */
async function start(
  env: NodeJS.ProcessEnv,
  running: ChildProcess[] = [],
): Promise<{ code: number | null; said: string }> {
  const child = spawn(process.execPath, [MAIN], {
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE, PORT: '0', ...env },
  });
  running.push(child);
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return { code: code as number | null, said: out + err };
}

describe('a wrong setting', () => {
  it('stops the start, is named with what to write instead, and shows no place in the program', async (t) => {
    const made = folder(t);
    const taken = createServer();
    taken.listen(0, '127.0.0.1');
    await once(taken, 'listening');
    t.after(() => taken.close());
    const { port } = taken.address() as AddressInfo;
    writeFileSync(join(made, 'config.json'), '{"port": ');
    writeFileSync(join(made, 'file'), '');
    const cases: readonly (readonly [env: NodeJS.ProcessEnv, said: RegExp])[] = [
      [{ PORT: 'many' }, /PORT must be a whole number from 0 to 65535/],
      [{ PORT: String(port) }, /PORT: the port \d+ is taken by another program: choose another/],
      [
        { LOCKSTEP_HOST: 'no-such-host.invalid' },
        /LOCKSTEP_HOST: no address is known for no-such-host\.invalid: choose/,
      ],
      [{ LOCKSTEP_HOST: '192.0.2.1' }, /LOCKSTEP_HOST: 192\.0\.2\.1 is no address of this machine: choose/],
      [{ LOCKSTEP_AUDIT: '/no/such/folder/a' }, /LOCKSTEP_AUDIT: the file \S+ cannot be written: .* Name a file/],
      [{ LOCKSTEP_DATA: join(made, 'file', 'x') }, /LOCKSTEP_DATA: the folder \S+ cannot be made: .* Name one/],
      [{ LOCKSTEP_DATA: '/proc/none/below' }, /LOCKSTEP_DATA: the folder \S+ cannot be made: .* Name one/],
      [
        { LOCKSTEP_REDIS_URL: `redis://:secret@127.0.0.1:1` },
        /LOCKSTEP_REDIS_URL: redis:\/\/127\.0\.0\.1:1 cannot be used: .*[^.]\. Start Redis/,
      ],
      [{ LOCKSTEP_CONFIG: join(made, 'config.json') }, /LOCKSTEP_CONFIG: the file \S+ does not hold a JSON object/],
      [
        { LOCKSTEP_TLS_CERT: '/no/cert', LOCKSTEP_TLS_KEY: '/no/key' },
        /LOCKSTEP_TLS_CERT: the file \/no\/cert cannot be read .* name one/,
      ],
      [{ LOCKSTEP_TLS_CERT: '/no/cert' }, /LOCKSTEP_TLS_CERT and LOCKSTEP_TLS_KEY belong together/],
      [{ LOCKSTEP_MANAGEMENT_PORT: String(port) }, /LOCKSTEP_MANAGEMENT_PORT: the port \d+ is taken/],
      [{ LOCKSTEP_POTR: '1' }, /LOCKSTEP_POTR is no setting; did you mean PORT\?/],
    ];
    for (const [env, words] of cases) {
      const { code, said } = await start({ LOCKSTEP_DATA: join(made, 'data'), ...env });
      assert.equal(code, 1, said);
      assert.match(said, words);
      assert.doesNotMatch(said, / at .*\.ts:\d+|node_modules|secret/, said);
    }
  });

  it('is none of what a pod of Kubernetes is given', async (t) => {
    const server = await LockstepProcess.start(t, {
      LOCKSTEP_SERVICE_HOST: '10.96.0.12',
      LOCKSTEP_SERVICE_PORT: '80',
      LOCKSTEP_SERVICE_PORT_HTTP: '80',
      LOCKSTEP_PORT: 'tcp://10.96.0.12:80',
      LOCKSTEP_PORT_80_TCP: 'tcp://10.96.0.12:80',
      LOCKSTEP_PORT_80_TCP_ADDR: '10.96.0.12',
      LOCKSTEP_REDIS_SERVICE_HOST: '10.96.0.13',
      LOCKSTEP_MANAGEMENT_PORT: 'tcp://10.96.0.14:9090',
    });
    assert.equal((await fetch(`${server.origin}/health/ready`)).status, 200);
    assert.ok(readConfig({}));
  });
});

it('lockstep --version tells which it is', async () => {
  const plain = await command(['--version']);
  assert.equal(plain.code, 0);
  assert.match(plain.stdout, /^\d+\.\d+\.\d+\S*\n$/);
  assert.equal((await command(['--version', '--json'])).json.version, plain.stdout.trim());
});
