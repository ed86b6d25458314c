/** Programs in Java that `npm run interop` runs: fetched by Maven into a folder of their own. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { after } from 'node:test';

/** The newest release that was tried, and that `docs/interop.md` speaks of. */
const KEYCLOAK = 'org.keycloak:keycloak-quarkus-dist:26.7.3:zip';
/** ms. Keycloak builds itself at its first start. */
const START = 300_000;

/** A folder that is gone after the tests of a file. */
export function sharedFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-interop-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/**
 * Ends with everything that it started when its input ends: with this process at the latest, however that ends. The watcher has no
 * input of the program's, and the program none of the watcher's.
 */
const ENDS_WITH_LAUNCHER = 'exec 3<&0; (cat <&3 >/dev/null; kill -9 0) & exec 3<&-; exec "$@" </dev/null';

/** Programs by a process group of their own, so that what they start ends with them. */
const running = new Set<ChildProcess>();

function startInGroup(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): ChildProcess {
  const child = spawn('sh', ['-c', ENDS_WITH_LAUNCHER, 'sh', command, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
    env,
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  after(() => stop(child));
  return child;
}

/** Ends a program and all that it started, and waits for that. */
async function stop(child: ChildProcess): Promise<void> {
  if (!running.has(child)) return;
  const ended = once(child, 'exit');
  killGroup(child);
  await ended;
}

function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

process.on('exit', () => {
  for (const child of running) killGroup(child);
});

export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  await new Promise((done) => probe.close(done));
  return port;
}

/** HAPI FHIR's own server, with nothing in it. */
export async function startHapi(folder: string): Promise<{ readonly base: string; stop(): Promise<void> }> {
  const source = join(import.meta.dirname, 'hapi');
  const lib = join(folder, 'lib');
  const copy = ['-q', '-B', '-f', join(source, 'pom.xml'), 'dependency:copy-dependencies', `-DoutputDirectory=${lib}`];
  execFileSync('mvn', copy, { stdio: ['ignore', 'ignore', 'inherit'] });
  execFileSync('javac', ['-cp', join(lib, '*'), '-d', folder, join(source, 'HapiServer.java')]);
  const hapi = startInGroup('java', ['-cp', `${folder}:${join(lib, '*')}`, 'HapiServer']);
  const base = await lineOf(hapi, 'HAPI FHIR', /^http/);
  await writeOnce(base);
  return { base, stop: () => stop(hapi) };
}

/** Writes and takes back a patient: HAPI loads its classes at the first write, which takes seconds on a busy machine. */
async function writeOnce(base: string): Promise<void> {
  const address = `${base}/Patient/first`;
  const headers = { 'content-type': 'application/fhir+json' };
  for (const [method, body] of [
    ['PUT', '{"resourceType":"Patient","id":"first"}'],
    ['DELETE', undefined],
  ] as const) {
    const response = await fetch(address, { method, headers, ...(body !== undefined && { body }) });
    if (!response.ok) throw new Error(`HAPI FHIR answers ${response.status} to its first ${method}`);
    await response.arrayBuffer();
  }
}

/**
 * Waits for a line of a program's output.
 * @throws when the program ends before, or is late: it is then ended with all that it started
 */
async function lineOf(child: ChildProcess, name: string, wanted: RegExp): Promise<string> {
  const lines = createInterface({ input: child.stdout! });
  const late = AbortSignal.timeout(START);
  try {
    return await new Promise<string>((found, failed) => {
      lines.on('line', (line) => {
        if (wanted.test(line)) found(line);
      });
      child.once('exit', (code, signal) => failed(new Error(`${name} ended (${code ?? signal}) before it was ready`)));
      late.addEventListener('abort', () => failed(new Error(`${name} is late`)));
    });
  } catch (error) {
    await stop(child);
    throw error;
  }
}

/** Name and password of Keycloak's own administrator. */
const ADMINISTRATOR = { username: 'admin', password: 'invented' };

/**
 * Keycloak with one realm.
 * @param realm its representation, as Keycloak exports one
 */
export async function startKeycloak(folder: string, port: number, realm: { readonly realm: string }) {
  const copy = ['-q', '-B', 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy', `-Dartifact=${KEYCLOAK}`];
  execFileSync('mvn', [...copy, `-DoutputDirectory=${folder}`], { stdio: ['ignore', 'ignore', 'inherit'] });
  const [, name = '', version = ''] = KEYCLOAK.split(':');
  execFileSync('jar', ['xf', join(folder, `${name}-${version}.zip`)], { cwd: folder });
  const home = join(folder, `keycloak-${version}`);
  const start = ['start-dev', `--http-port=${port}`, '--http-host=127.0.0.1'];
  const child = startInGroup('sh', [join(home, 'bin', 'kc.sh'), ...start], {
    ...process.env,
    JAVA_OPTS_APPEND: '-Xmx700m',
    KC_BOOTSTRAP_ADMIN_USERNAME: ADMINISTRATOR.username,
    KC_BOOTSTRAP_ADMIN_PASSWORD: ADMINISTRATOR.password,
  });
  await lineOf(child, 'Keycloak', /Listening on:/);
  const url = `http://127.0.0.1:${port}`;
  const keycloak = new Keycloak(url, realm.realm);
  await keycloak.administer('POST', '', realm);
  return keycloak;
}

/** A running Keycloak. */
export class Keycloak {
  readonly #url: string;
  readonly #realm: string;

  constructor(url: string, realm: string) {
    this.#url = url;
    this.#realm = realm;
  }

  /** What `iss` is in its tokens. */
  get issuer(): string {
    return `${this.#url}/realms/${this.#realm}`;
  }

  /** Posts a form to an endpoint of OpenID Connect, such as `token`. */
  async post(endpoint: string, fields: Record<string, string>, realm = this.#realm) {
    const url = `${this.#url}/realms/${realm}/protocol/openid-connect/${endpoint}`;
    const response = await fetch(url, { method: 'POST', body: new URLSearchParams(fields) });
    const text = await response.text();
    if (!response.ok) throw new Error(`${endpoint}: ${response.status} ${text}`);
    return (text === '' ? {} : JSON.parse(text)) as { readonly access_token: string; readonly refresh_token: string };
  }

  /** Keycloak's administration interface. @param path behind the realm's; empty makes the realm */
  async administer(method: string, path: string, body?: object): Promise<void> {
    const { access_token } = await this.post(
      'token',
      { grant_type: 'password', client_id: 'admin-cli', ...ADMINISTRATOR },
      'master',
    );
    const at = path === '' ? '/admin/realms' : `/admin/realms/${this.#realm}${path}`;
    const response = await fetch(this.#url + at, {
      method,
      headers: { authorization: `Bearer ${access_token}`, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${at}: ${response.status} ${await response.text()}`);
  }
}
