/** What can be wrong with an installation, looked at from its machine. Nothing is changed. */
import { randomUUID } from 'node:crypto';
import { access, constants, mkdtemp, rm, stat, statfs } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { get as getSecurely } from 'node:https';
import { createServer } from 'node:net';
import { join } from 'node:path';
import process from 'node:process';
import { connect, type PeerCertificate } from 'node:tls';
import { findRunning } from '../admin/running.ts';
import { type Config, ConfigError, isLoopback, readConfig } from '../config.ts';

export interface DoctorFinding {
  readonly check: string;
  readonly status: 'ok' | 'warning' | 'problem';
  readonly message: string;
  /** What to do about it. */
  readonly fix?: string;
}

export interface Patient {
  readonly env: NodeJS.ProcessEnv;
  readonly data: string;
  /** A Hub to look at instead of the installation. */
  readonly hub?: string;
}

const WAIT = 5000;
/** Clocks that differ by more break assertions, leases and the order of events. ms. */
const MAX_SKEW = 5000;
const DAY = 86_400_000;

const ok = (check: string, message: string): DoctorFinding => ({ check, status: 'ok', message });
const warning = (check: string, message: string, fix: string): DoctorFinding => ({
  check,
  status: 'warning',
  message,
  fix,
});
const problem = (check: string, message: string, fix: string): DoctorFinding => ({
  check,
  status: 'problem',
  message,
  fix,
});
const reason = (error: unknown): string => {
  const { message, code } = error as NodeJS.ErrnoException;
  return message || code || String(error);
};

/** @param doing called with what is looked at next */
export async function* examine(patient: Patient, doing: (what: string) => void): AsyncGenerator<DoctorFinding> {
  if (patient.hub !== undefined) {
    yield* examineHub(patient.hub.replace(/(?<!\/)\/+$/, ''), doing);
    return;
  }
  yield nodeVersion();
  let config: Config;
  try {
    config = readConfig({ ...patient.env, LOCKSTEP_DATA: patient.data });
    yield ok('configuration', 'every setting is understood');
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const one of error.problems) yield problem('configuration', one, 'Correct it; the README lists all settings.');
    return;
  }
  yield* folder(config.data);
  doing('asking the server');
  const running = await findRunning(config.data).catch(() => undefined);
  const alive = running && (await answers(`${running.url}/health/ready`));
  if (alive === 200) yield ok('server', `runs at ${running?.origin}`);
  else if (alive !== undefined) {
    yield problem(
      'server',
      `runs but is not ready (${alive})`,
      'Look at its log: the store cannot be written, or it is stopping.',
    );
  } else yield* port(config);
  yield* exposure(config);
  const { redisUrl } = config;
  if (redisUrl !== undefined) {
    doing('asking Redis');
    yield* store(redisUrl);
  }
  const origin = config.publicUrl ?? (alive === 200 ? running?.origin : undefined);
  if (origin !== undefined) yield* examineHub(`${origin}/hub`, doing);
}

function nodeVersion(): DoctorFinding {
  const major = Number(process.versions.node.split('.')[0]);
  if (major >= 24) return ok('node', process.version);
  return problem('node', `${process.version} is too old`, 'Use Node 24 or newer, or npm start, which brings it.');
}

async function* folder(data: string): AsyncGenerator<DoctorFinding> {
  const found = await stat(data).catch(() => undefined);
  if (!found) {
    yield ok('data', `${data} is not there yet; the first start makes it`);
    return;
  }
  if (!found.isDirectory()) {
    yield problem('data', `${data} is no folder`, 'Name a folder with LOCKSTEP_DATA or --data.');
    return;
  }
  try {
    await access(data, constants.R_OK | constants.W_OK);
    await rm(await mkdtemp(join(data, '.doctor-')), { recursive: true });
    yield ok('data', `${data} can be written`);
  } catch (error) {
    yield problem(
      'data',
      `${data} cannot be written: ${reason(error)}`,
      'Give the folder to the user that runs Lockstep.',
    );
  }
  const { bavail, bsize } = await statfs(data);
  const free = bavail * bsize;
  const mb = Math.floor(free / 1e6);
  if (free < 5e8) yield warning('disk', `${mb} MB are free`, 'Make room: without it, events are refused.');
  else yield ok('disk', `${mb} MB are free`);
}

async function* port({ port: wanted, host }: Config): AsyncGenerator<DoctorFinding> {
  const error = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    const server = createServer();
    server.once('error', resolve);
    server.listen(wanted, host, () => server.close(() => resolve(undefined)));
  });
  if (!error) yield ok('port', `${host}:${wanted} is free; the server does not run`);
  else if (error.code === 'EADDRINUSE') {
    yield problem(
      'port',
      `${host}:${wanted} is taken by another program`,
      'Stop that program, or choose another port with PORT.',
    );
  } else if (error.code === 'EACCES') {
    yield problem(
      'port',
      `${host}:${wanted} needs rights`,
      'Choose a port above 1023, and let a proxy serve the other.',
    );
  } else
    yield problem(
      'port',
      `${host}:${wanted} cannot be used: ${reason(error)}`,
      'Check LOCKSTEP_HOST: is it an address of this machine?',
    );
}

function* exposure({ host, publicUrl, sampleData, initialAccessToken }: Config): Generator<DoctorFinding> {
  if (isLoopback(host)) {
    if (publicUrl === undefined) yield ok('exposure', 'only this machine can reach the server');
    return;
  }
  if (publicUrl === undefined) {
    yield problem(
      'exposure',
      'others can reach the server, but it does not know its own address',
      'Set LOCKSTEP_PUBLIC_URL.',
    );
  } else if (publicUrl.startsWith('http:')) {
    yield problem(
      'exposure',
      'tokens and patients travel in the clear',
      'Put a TLS proxy in front, and set LOCKSTEP_PUBLIC_URL to its https: address.',
    );
  }
  if (sampleData) yield warning('exposure', 'sample users can be there', 'Set LOCKSTEP_SAMPLE_DATA=off.');
  if (initialAccessToken !== undefined && initialAccessToken.length < 20) {
    yield warning('exposure', 'the initial access token is short', 'Make it at least 20 random characters.');
  }
}

async function* store(url: string): AsyncGenerator<DoctorFinding> {
  try {
    const { openRedis } = await import('@lockstep/store-redis');
    const redis = await openRedis({ url, log: { count: 1000, ageMs: DAY }, timeoutMs: WAIT });
    try {
      await redis.ping();
      yield ok('redis', 'answers and can be written');
      for (const one of redis.warnings) yield warning('redis', one, "Change it in the Redis server's configuration.");
    } finally {
      await redis.close();
    }
  } catch (error) {
    yield problem('redis', `cannot be used: ${reason(error)}`, 'Check its address and password, and that it runs.');
  }
}

function* clock(whose: string, skewMs: number): Generator<DoctorFinding> {
  const off = `${(Math.abs(skewMs) / 1000).toFixed(0)} s`;
  if (Math.abs(skewMs) <= MAX_SKEW) yield ok('clock', `agrees with that of ${whose}`);
  else yield problem('clock', `differs by ${off} from that of ${whose}`, 'Let both machines set their clocks by NTP.');
}

/** Status of an address; undefined when there is no answer. */
async function answers(url: string): Promise<number | undefined> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(WAIT), redirect: 'manual' })).status;
  } catch {
    return undefined;
  }
}

async function* examineHub(hubUrl: string, doing: (what: string) => void): AsyncGenerator<DoctorFinding> {
  const url = URL.canParse(hubUrl) ? new URL(hubUrl) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) {
    yield problem('hub', `${hubUrl} is no http or https address`, 'Give the hub.url that clients use.');
    return;
  }
  if (url.protocol === 'https:') {
    doing('looking at the certificate');
    yield* certificate(url);
  }
  doing('asking the Hub');
  const address = `${hubUrl}/.well-known/fhircast-configuration`;
  let response: Response;
  const askedAt = Date.now();
  try {
    response = await fetch(address, { signal: AbortSignal.timeout(WAIT), redirect: 'manual' });
  } catch (error) {
    const cause = (error as { cause?: unknown }).cause ?? error;
    yield problem(
      'hub',
      `${hubUrl} cannot be reached: ${reason(cause)}`,
      'Check name, proxy and firewall between here and the Hub.',
    );
    return;
  }
  const body: unknown = await response.json().catch(() => undefined);
  if (response.ok && typeof body === 'object' && body !== null) yield ok('hub', `answers at ${hubUrl}`);
  else
    yield problem(
      'hub',
      `${address} answered ${response.status}`,
      'Is this hub.url right, and does a proxy pass all of it on?',
    );
  const date = Date.parse(response.headers.get('date') ?? '');
  // The header has whole seconds, and the answer was under way.
  if (!Number.isNaN(date)) yield* clock('the Hub', date + 500 - (askedAt + Date.now()) / 2);
  doing('trying a WebSocket');
  yield await webSocket(hubUrl);
}

/** An endpoint that does not exist: a Hub refuses it with a 4xx, a proxy without WebSockets answers otherwise. */
async function webSocket(hubUrl: string): Promise<DoctorFinding> {
  const url = new URL(`${hubUrl}/ws/${randomUUID()}`);
  const headers = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': Buffer.from(randomUUID().slice(0, 16)).toString('base64'),
  };
  const status = await new Promise<number | string>((resolve) => {
    const request = (url.protocol === 'https:' ? getSecurely : get)(
      url,
      { headers, timeout: WAIT },
      (response: IncomingMessage) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      },
    );
    request.once('upgrade', (_, socket) => {
      socket.destroy();
      resolve(101);
    });
    request.once('timeout', () => request.destroy(new Error('no answer in time')));
    request.once('error', (error) => resolve(reason(error)));
  });
  if (typeof status === 'number' && status >= 400 && status < 500 && status !== 426) {
    return ok('websocket', 'upgrades reach the Hub');
  }
  return problem(
    'websocket',
    `an upgrade was answered ${status}`,
    'Let the proxy pass Upgrade and Connection headers on.',
  );
}

async function* certificate({ hostname, port }: URL): AsyncGenerator<DoctorFinding> {
  const host = hostname.replace(/^\[|\]$/g, '');
  const seen = await new Promise<{ error?: string; certificate?: PeerCertificate }>((resolve) => {
    const socket = connect(
      { host, port: Number(port || 443), servername: host, rejectUnauthorized: false, timeout: WAIT },
      () => {
        const { authorizationError: error } = socket;
        resolve({ certificate: socket.getPeerCertificate(), ...(error && { error: String(error) }) });
        socket.end();
      },
    );
    socket.once('timeout', () => socket.destroy(new Error('no answer in time')));
    socket.once('error', (error) => resolve({ error: reason(error) }));
  });
  if (!seen.certificate) {
    yield problem('tls', `there is no TLS at ${host}: ${seen.error}`, 'Start the TLS proxy, or correct the address.');
    return;
  }
  const days = Math.floor((Date.parse(seen.certificate.valid_to) - Date.now()) / DAY);
  if (days < 0) yield problem('tls', `the certificate ended ${-days} days ago`, 'Renew it.');
  else if (seen.error !== undefined) {
    yield problem(
      'tls',
      `clients will not trust the certificate: ${seen.error}`,
      'Use one for this name, from an authority they know, with its chain; name a certificate authority of your own to Node by NODE_EXTRA_CA_CERTS.',
    );
  } else if (days < 14) yield warning('tls', `the certificate ends in ${days} days`, 'Renew it.');
  else yield ok('tls', `the certificate is good for ${days} days`);
}
