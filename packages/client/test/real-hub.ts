import { generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Lockstep, readConfig, startLockstep } from '@lockstep/server';

const SCOPE = 'fhircast/*.* hub/session.read hub/session.write';
type Json = Record<string, unknown>;

/** A registered backend client of a running Lockstep (REG-2, TOK-5). */
export class Backend {
  readonly origin: string;
  #clientId = '';
  readonly #keys = generateKeyPairSync('ec', { namedCurve: 'P-384' });

  constructor(origin: string) {
    this.origin = origin;
  }

  /** Registers, and starts a session. @returns its topic */
  async begin(): Promise<string> {
    const jwk = { ...this.#keys.publicKey.export({ format: 'jwk' }), kid: 'test', alg: 'ES384', use: 'sig' };
    const registered = await this.#post('/auth/register', {
      client_name: 'Client tests',
      grant_types: ['client_credentials'],
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [jwk] },
      scope: SCOPE,
    });
    this.#clientId = String(registered.client_id);
    const session = await this.#post('/hub/session', { user: 'Practitioner/1' }, await this.token());
    return String(session['hub.topic']);
  }

  async #post(path: string, body: object, token?: string): Promise<Json> {
    const response = await fetch(`${this.origin}${path}`, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
    return JSON.parse(text);
  }

  /** A new access token. */
  async token(): Promise<string> {
    const well = (await (await fetch(`${this.origin}/fhir/.well-known/smart-configuration`)).json()) as Json;
    const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
    const exp = Math.floor(Date.now() / 1000) + 120;
    const claims = { iss: this.#clientId, sub: this.#clientId, aud: well.token_endpoint, jti: randomUUID(), exp };
    const head = `${encode({ alg: 'ES384', kid: 'test', typ: 'JWT' })}.${encode(claims)}`;
    const signature = sign('sha384', Buffer.from(head), { key: this.#keys.privateKey, dsaEncoding: 'ieee-p1363' });
    const form = new URLSearchParams({
      grant_type: 'client_credentials',
      scope: SCOPE,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: `${head}.${signature.toString('base64url')}`,
    });
    const response = await fetch(`${this.origin}/auth/token`, { method: 'POST', body: form });
    if (!response.ok) throw new Error(`token: ${response.status} ${await response.text()}`);
    return String(((await response.json()) as Json).access_token);
  }
}

/** A Lockstep in this process, with a backend client and one session. */
export class RealHub {
  topic = '';
  readonly #data = mkdtempSync(join(tmpdir(), 'lockstep-client-'));
  readonly #publicUrl: string | undefined;
  #port = 0;
  #lockstep: Lockstep | undefined;
  #backend: Backend | undefined;

  /** @param publicUrl where clients reach it, when that is a proxy */
  private constructor(publicUrl: string | undefined) {
    this.#publicUrl = publicUrl;
  }

  static async start(publicUrl?: string): Promise<RealHub> {
    const hub = new RealHub(publicUrl);
    await hub.up();
    hub.#backend = new Backend(hub.origin);
    hub.topic = await hub.#backend.begin();
    return hub;
  }

  /** Where it listens itself. */
  get origin(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async token(): Promise<string> {
    if (!this.#backend) throw new Error('not started');
    return this.#backend.token();
  }

  /** Starts it, again on the same port with the same data. */
  async up(): Promise<void> {
    const config = readConfig({ PORT: String(this.#port), LOCKSTEP_LOG_LEVEL: 'error', LOCKSTEP_RATE_LIMIT: '0' });
    this.#lockstep = await startLockstep({
      ...config,
      data: this.#data,
      ...(this.#publicUrl === undefined ? {} : { publicUrl: this.#publicUrl }),
    });
    this.#port = this.#lockstep.port;
  }

  async down(): Promise<void> {
    await this.#lockstep?.close();
  }

  async close(): Promise<void> {
    await this.down();
    await rm(this.#data, { recursive: true, force: true });
  }
}
