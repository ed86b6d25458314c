/** Prepares topics with subscribers on the floor and on Lockstep, so that the same load runs on either. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { SignJWT } from 'jose';
import { SUBSCRIBED } from './events.ts';
import type { Loader } from './loader.ts';
import type { Program } from './program.ts';

const SCOPE = 'fhircast/*.* hub/session.read hub/session.write system/*.rs';

/** Requests under way at once while things are prepared. */
const LANES = 16;

/** Runs the job for every number below `count`, some at a time; results in order. */
export async function forEach<T>(count: number, job: (index: number) => Promise<T>): Promise<T[]> {
  const results: T[] = new Array(count);
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) results[index] = await job(index);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return results;
}

async function expect(status: number, response: Response): Promise<Record<string, unknown>> {
  const text = await response.text();
  if (response.status !== status) throw new Error(`${response.url} answered ${response.status}: ${text}`);
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
}

/** How long subscriptions last, s: longer than any scenario. */
const LEASE = 12 * 3600;

async function register(smart: Record<string, unknown>, client: object): Promise<Record<string, unknown>> {
  const response = await fetch(String(smart.registration_endpoint), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ client_name: 'Benchmark', grant_types: ['client_credentials'], ...client }),
  });
  return expect(201, response);
}

/** A token that outlives every scenario. A subscription ends with the token that asked for it (SUB-5), and most tokens live 300 s. */
async function lastingToken(smart: Record<string, unknown>, scope: string): Promise<string> {
  const connector = await register(smart, {
    token_endpoint_auth_method: 'client_secret_post',
    switches: { secretCredentials: true },
    token_life: LEASE,
    scope,
  });
  const response = await fetch(String(smart.token_endpoint), {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: String(connector.client_id),
      client_secret: String(connector.client_secret),
      scope,
    }),
  });
  return String((await expect(200, response)).access_token);
}

/**
 * A backend client of a Lockstep under test (TOK-5): registered by itself, with a token good for 300 s. What it subscribes to lasts
 * longer.
 */
export class Backend {
  readonly origin: string;
  readonly clientId: string;
  /** The public key of its assertions. */
  readonly jwk: object;
  readonly #key: KeyObject;
  readonly #scope: string;
  readonly #subscribing: string;
  readonly tokenUrl: string;
  token = '';

  private constructor(
    origin: string,
    clientId: string,
    keys: { jwk: object; key: KeyObject },
    tokenUrl: string,
    scope: string,
    subscribing: string,
  ) {
    this.#scope = scope;
    this.#subscribing = subscribing;
    this.origin = origin;
    this.clientId = clientId;
    this.jwk = keys.jwk;
    this.#key = keys.key;
    this.tokenUrl = tokenUrl;
  }

  static async register(origin: string, scope = SCOPE): Promise<Backend> {
    const smart = await expect(200, await fetch(`${origin}/fhir/.well-known/smart-configuration`));
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'bench', alg: 'RS384', use: 'sig' };
    const registered = await register(smart, {
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [jwk] },
      scope,
    });
    const backend = new Backend(
      origin,
      String(registered.client_id),
      { jwk, key: privateKey },
      String(smart.token_endpoint),
      scope,
      await lastingToken(smart, scope),
    );
    await backend.renew();
    return backend;
  }

  /** The form of a token request, its assertion good for once. */
  async tokenForm(): Promise<URLSearchParams> {
    const assertion = await new SignJWT({})
      .setProtectedHeader({ alg: 'RS384', kid: 'bench', typ: 'JWT' })
      .setIssuer(this.clientId)
      .setSubject(this.clientId)
      .setAudience(this.tokenUrl)
      .setJti(crypto.randomUUID())
      .setExpirationTime('4m')
      .sign(this.#key);
    return new URLSearchParams({
      grant_type: 'client_credentials',
      scope: this.#scope,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: assertion,
    });
  }

  async renew(): Promise<void> {
    const response = await fetch(this.tokenUrl, { method: 'POST', body: await this.tokenForm() });
    this.token = String((await expect(200, response)).access_token);
  }

  get headers(): { readonly authorization: string } {
    return { authorization: `Bearer ${this.token}` };
  }

  /** Opens a session (SES-2). @returns its topic */
  async session(user: string): Promise<string> {
    const response = await fetch(`${this.origin}/hub/session`, {
      method: 'POST',
      headers: { ...this.headers, 'content-type': 'application/json' },
      body: JSON.stringify({ user }),
    });
    return String((await expect(201, response))['hub.topic']);
  }

  /** Subscribes (SUB-1). @returns the WebSocket URL */
  async subscribe(topic: string, events = SUBSCRIBED): Promise<string> {
    const response = await fetch(`${this.origin}/hub`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.#subscribing}` },
      body: new URLSearchParams({
        'hub.channel.type': 'websocket',
        'hub.mode': 'subscribe',
        'hub.topic': topic,
        'hub.events': events,
        'hub.lease_seconds': String(LEASE),
        'subscriber.name': 'Benchmark',
      }),
    });
    return String((await expect(202, response))['hub.channel.endpoint']).replace('//localhost:', '//127.0.0.1:');
  }
}

/** Topics that the load generator knows, with subscribers connected to each. */
export interface Prepared {
  readonly target: string;
  readonly topics: readonly string[];
}

async function connect(
  loader: Loader,
  target: string,
  fanOut: number,
  topics: readonly string[],
  endpoint: (topic: string) => Promise<string>,
): Promise<void> {
  const endpoints = await forEach(topics.length * fanOut, async (index) => {
    const topic = index % topics.length;
    return [topic, await endpoint(topics[topic]!)] as const;
  });
  await loader.order({ do: 'connect', target, endpoints });
}

export async function prepareFloor(
  loader: Loader,
  target: string,
  { origin }: Program,
  count: number,
  fanOut: number,
): Promise<Prepared> {
  const topics = Array.from({ length: count }, () => crypto.randomUUID());
  await loader.order({ do: 'prepare', target, origin, topics });
  await loader.order({ do: 'authorize', target, url: `${origin}/`, headers: {} });
  await connect(loader, target, fanOut, topics, async (topic) => `${origin.replace('http', 'ws')}/${topic}`);
  return { target, topics };
}

/** Has the load publish with the backend's token from now on. */
export async function authorizeLoad(loader: Loader, target: string, backend: Backend): Promise<void> {
  const origin = backend.origin.replace('//localhost:', '//127.0.0.1:');
  await loader.order({ do: 'authorize', target, url: `${origin}/hub`, headers: backend.headers });
}

export async function prepareLockstep(
  loader: Loader,
  target: string,
  backend: Backend,
  count: number,
  fanOut: number,
): Promise<Prepared> {
  const origin = backend.origin.replace('//localhost:', '//127.0.0.1:');
  await backend.renew();
  const topics = await forEach(count, (index) => backend.session(`Practitioner/${index}`));
  await loader.order({ do: 'prepare', target, origin, topics });
  await backend.renew();
  await authorizeLoad(loader, target, backend);
  await connect(loader, target, fanOut, topics, (topic) => backend.subscribe(topic));
  return { target, topics };
}
