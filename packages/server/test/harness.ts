/** What the server's tests share: a running Lockstep, registered backend clients, and subscribers on real sockets. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import type { proofFetch } from '@lockstep/client/dpop';
import { type Config, type Lockstep, readConfig, startLockstep } from '@lockstep/server';
import { exportJWK, importPKCS8, SignJWT } from 'jose';
import { WebSocket } from 'ws';

type ProofFetch = ReturnType<typeof proofFetch>;

export const EVERYTHING = 'fhircast/*.* hub/session.read hub/session.write';

// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
export type Json = { [key: string]: any };

/** The response's body as JSON. */
export async function json(response: Response | Promise<Response>): Promise<Json> {
  return (await (await response).json()) as Json;
}

/** A configuration for tests: a free port, a folder of its own. */
export function testConfig(overrides: Partial<Config> = {}): Config {
  const base = readConfig({ PORT: '0', LOCKSTEP_LOG_LEVEL: 'error', LOCKSTEP_RATE_LIMIT: '0' });
  return { ...base, data: mkdtempSync(join(tmpdir(), 'lockstep-')), ...overrides };
}

export async function withLockstep(
  run: (lockstep: Lockstep) => Promise<void>,
  overrides: Partial<Config> = {},
): Promise<void> {
  const config = testConfig(overrides);
  const lockstep = await startLockstep(config);
  try {
    await run(lockstep);
  } finally {
    await lockstep.close();
    await rm(config.data, { recursive: true, force: true });
  }
}

/** One Lockstep for all tests of a file. */
export async function sharedLockstep(overrides: Partial<Config> = {}): Promise<Lockstep> {
  const config = testConfig(overrides);
  const lockstep = await startLockstep(config);
  after(async () => {
    await lockstep.close();
    await rm(config.data, { recursive: true, force: true });
  });
  return lockstep;
}

/** A registered backend client (REG-2, TOK-5). */
export class Backend {
  readonly origin: string;
  readonly clientId: string;
  readonly #key: Awaited<ReturnType<typeof importPKCS8>>;

  private constructor(origin: string, clientId: string, key: Awaited<ReturnType<typeof importPKCS8>>) {
    this.origin = origin;
    this.clientId = clientId;
    this.#key = key;
  }

  static async register(origin: string, metadata: Json = {}): Promise<Backend> {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    const jwk = { ...(await exportJWK(publicKey)), kid: 'test', alg: 'ES384', use: 'sig' };
    const smart = await json(fetch(`${origin}/fhir/.well-known/smart-configuration`));
    const response = await fetch(smart.registration_endpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        client_name: 'Test backend',
        grant_types: ['client_credentials'],
        token_endpoint_auth_method: 'private_key_jwt',
        jwks: { keys: [jwk] },
        scope: EVERYTHING,
        ...metadata,
      }),
    });
    if (response.status !== 201) throw new Error(`registration: ${response.status} ${await response.text()}`);
    const { client_id: clientId } = await json(response);
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    return new Backend(origin, clientId, await importPKCS8(pem, 'ES384'));
  }

  /** @param send for a token that is bound to a key: sends the proof */
  async token(scope = EVERYTHING, send: ProofFetch = fetch): Promise<string> {
    const smart = await json(fetch(`${this.origin}/fhir/.well-known/smart-configuration`));
    const response = await this.#post(smart.token_endpoint, smart, { grant_type: 'client_credentials', scope }, send);
    return (await json(response)).access_token;
  }

  /** TOK-6 */
  async revoke(token: string): Promise<void> {
    const smart = await json(fetch(`${this.origin}/fhir/.well-known/smart-configuration`));
    await this.#post(smart.revocation_endpoint, smart, { token });
  }

  /** Posts a form, authenticated by the client's key. */
  async #post(url: string, smart: Json, form: Record<string, string>, send: ProofFetch = fetch): Promise<Response> {
    const assertion = await new SignJWT({})
      .setProtectedHeader({ alg: 'ES384', kid: 'test', typ: 'JWT' })
      .setIssuer(this.clientId)
      .setSubject(this.clientId)
      .setAudience(smart.token_endpoint)
      .setJti(crypto.randomUUID())
      .setExpirationTime('2m')
      .sign(this.#key);
    const response = await send(url, {
      method: 'POST',
      body: new URLSearchParams({
        ...form,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: assertion,
      }),
    });
    if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
    return response;
  }
}

/** A token's view of the Hub over HTTP. */
export class HubClient {
  readonly hubUrl: string;
  readonly token: string;

  constructor(hubUrl: string, token: string) {
    this.hubUrl = hubUrl;
    this.token = token;
  }

  static async backend(origin: string, scope = EVERYTHING, metadata: Json = {}): Promise<HubClient> {
    const backend = await Backend.register(origin, metadata);
    return new HubClient(`${origin}/hub`, await backend.token(scope));
  }

  request(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.hubUrl}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${this.token}`, ...(init.headers as Record<string, string>) },
    });
  }

  json(path: string, body: unknown, method = 'POST'): Promise<Response> {
    return this.request(path, { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  }

  form(fields: Record<string, string>): Promise<Response> {
    return this.request('', { method: 'POST', body: new URLSearchParams(fields) });
  }

  async session(user = 'Practitioner/1', workstation?: string): Promise<string> {
    const response = await this.json('/session', { user, ...(workstation && { workstation }) });
    if (response.status !== 201) throw new Error(`session: ${response.status} ${await response.text()}`);
    return (await json(response))['hub.topic'];
  }

  publish(topic: string, event: string, context: unknown[], more: Json = {}): Promise<Response> {
    const { id = crypto.randomUUID(), timestamp = new Date().toISOString(), ...rest } = more;
    return this.json('', { timestamp, id, event: { 'hub.topic': topic, 'hub.event': event, context, ...rest } });
  }

  async subscribe(topic: string, events: string, more: Record<string, string> = {}): Promise<Subscriber> {
    const response = await this.form({
      'hub.channel.type': 'websocket',
      'hub.mode': 'subscribe',
      'hub.topic': topic,
      'hub.events': events,
      ...more,
    });
    if (response.status !== 202) throw new Error(`subscribe: ${response.status} ${await response.text()}`);
    return Subscriber.connect((await json(response))['hub.channel.endpoint']);
  }

  async context(topic: string): Promise<Json> {
    return json(this.request(`/${topic}`));
  }
}

/** A subscriber's socket; messages wait until they are asked for. */
export class Subscriber {
  /** Without `?since=`. */
  readonly endpoint: string;
  readonly socket: WebSocket;
  /** What the subscriber answers to an event: a status, or nothing. */
  answer: (message: Json) => number | undefined = () => 200;
  readonly received: Json[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly #queue: Json[] = [];
  readonly #waiting: ((message: Json) => void)[] = [];

  private constructor(endpoint: string, socket: WebSocket) {
    this.endpoint = endpoint.replace(/\?.*/, '');
    this.socket = socket;
    this.closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
    });
    socket.on('message', (data) => this.#take(JSON.parse(data.toString())));
  }

  /** Connects; rejects when the upgrade is refused. */
  static async connect(endpoint: string): Promise<Subscriber> {
    const socket = new WebSocket(endpoint);
    const subscriber = new Subscriber(endpoint, socket);
    await new Promise<void>((resolve, reject) => {
      socket.on('open', resolve);
      socket.on('error', reject);
    });
    return subscriber;
  }

  #take(message: Json): void {
    this.received.push(message);
    if (message.event) {
      const status = this.answer(message);
      if (status !== undefined) this.socket.send(JSON.stringify({ id: message.id, status }));
    }
    const waiting = this.#waiting.shift();
    if (waiting) waiting(message);
    else this.#queue.push(message);
  }

  /** The next message, in order. */
  next(): Promise<Json> {
    const message = this.#queue.shift();
    return message ? Promise.resolve(message) : new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** The next event, past confirmations. */
  async event(): Promise<Json> {
    const message = await this.next();
    return message.event ? message : this.event();
  }

  /** Events that have arrived and were not asked for. */
  get waiting(): readonly Json[] {
    return this.#queue;
  }

  async close(code = 1000): Promise<void> {
    this.socket.close(code);
    await this.closed;
  }
}

export function patient(id: string): Json {
  return { key: 'patient', resource: { resourceType: 'Patient', id, identifier: [{ system: 'urn:mrn', value: id }] } };
}

export function report(id: string): Json {
  const subject = { reference: 'Patient/p1' };
  return { key: 'report', resource: { resourceType: 'DiagnosticReport', id, status: 'unknown', subject } };
}

export function study(id: string): Json {
  const subject = { reference: 'Patient/p1' };
  return { key: 'study', resource: { resourceType: 'ImagingStudy', id, status: 'available', subject } };
}

export function updates(...entry: Json[]): Json {
  return { key: 'updates', resource: { resourceType: 'Bundle', id: crypto.randomUUID(), type: 'transaction', entry } };
}

export function put(resource: Json): Json {
  return { request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` }, resource };
}

export function observation(id: string, value = 1): Json {
  return { resourceType: 'Observation', id, status: 'preliminary', valueInteger: value };
}
