import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFhir, type FhirService, type TokenInfo, type TokenOf } from '@lockstep/fhir';
import { bearerToken, Scopes } from '@lockstep/fhircast';
import { R4Validator } from '@lockstep/r4';
import { freePort } from '@lockstep/store-redis/testing';
import { openSqlite } from '@lockstep/store-sqlite';
import fastify from 'fastify';
import { type Credentials, createGateway, NO_CREDENTIALS, Upstream } from '../src/index.ts';

export const BASE = 'https://ehr.example/fhir';
const validator = new R4Validator();
const SMART = { authorize: 'https://ehr.example/auth/authorize', token: 'https://ehr.example/auth/token' };
const HUB = 'https://ehr.example/hub';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly body: any;
  readonly text: string;
}

export interface Tokens {
  readonly tokenOf: TokenOf;
  token(grant: { readonly scope: string; readonly user?: string; readonly patient?: string }): string;
}

function tokens(): Tokens {
  const known = new Map<string, TokenInfo>();
  return {
    tokenOf: ({ headers }) => known.get(bearerToken(headers.authorization) ?? ''),
    token({ scope, ...rest }) {
      const bearer = `token-${known.size + 1}`;
      const expiresAt = Date.now() + 3_600_000;
      known.set(bearer, { tokenId: bearer, clientId: 'app', scopes: new Scopes(scope), expiresAt, ...rest });
      return bearer;
    },
  };
}

async function store() {
  const folder = await mkdtemp(join(tmpdir(), 'lockstep-gateway-'));
  const opened = await openSqlite({ path: join(folder, 'store.db'), log: { count: 100, ageMs: 60_000 } });
  return {
    records: opened.records,
    async close() {
      await opened.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export interface FhirServer {
  /** Its base URL. */
  readonly base: string;
  readonly service: FhirService;
  /** A token for everything. */
  readonly everything: string;
  /** Addresses that it was asked for, newest last. */
  readonly asked: string[];
  close(): Promise<void>;
}

/** A second Lockstep's FHIR endpoint with the sample data: the server that the gateway stands in front of. */
export async function startFhirServer(): Promise<FhirServer> {
  const kept = await store();
  const known = tokens();
  const app = fastify();
  const asked: string[] = [];
  app.addHook('onRequest', async (request) => {
    asked.push(`${request.method} ${request.url}`);
  });
  // The port is needed for the base URL before the endpoint can be made.
  const port = await freePort();
  const base = `http://127.0.0.1:${port}/fhir`;
  const { plugin, service } = await createFhir({
    records: kept.records,
    validator,
    clock: { now: () => Date.now() },
    baseUrl: base,
    tokenOf: known.tokenOf,
    smart: () => SMART,
    hubUrl: HUB,
    ids: () => crypto.randomUUID(),
    version: '0.0.0-test',
  });
  await service.seedSampleData();
  await app.register(plugin, { prefix: '/fhir' });
  await app.listen({ host: '127.0.0.1', port });
  return {
    base,
    service,
    asked,
    everything: known.token({ scope: 'system/*.cruds' }),
    async close() {
      await app.close();
      await kept.close();
    },
  };
}

export interface Gateway extends Pick<Tokens, 'token'> {
  readonly service: FhirService;
  /** Where it listens: the path behind is sent as it is written, by other means than `get`. */
  readonly local: string;
  get(path: string, bearer?: string, headers?: Record<string, string>): Promise<Answer>;
  send(
    method: string,
    path: string,
    bearer: string | undefined,
    body?: object | string,
    headers?: Record<string, string>,
  ): Promise<Answer>;
  close(): Promise<void>;
}

/** The gateway on a loopback socket, in front of the server at `upstream`. */
export async function startGateway(
  upstream: string,
  credentials: Credentials = NO_CREDENTIALS,
  limits: { readonly timeoutMs?: number; readonly maxBytes?: number } = {},
): Promise<Gateway> {
  const kept = await store();
  const known = tokens();
  const app = fastify();
  const server = new Upstream({ base: upstream, credentials, timeoutMs: 5000, maxBytes: 4 * 1024 * 1024, ...limits });
  const { plugin, service } = await createGateway({
    upstream: server,
    records: kept.records,
    validator,
    clock: { now: () => Date.now() },
    baseUrl: BASE,
    tokenOf: known.tokenOf,
    smart: () => SMART,
    hubUrl: HUB,
    version: '0.0.0-test',
  });
  await app.register(plugin, { prefix: '/fhir' });
  const local = `${await app.listen({ host: '127.0.0.1', port: 0 })}/fhir`;
  const send: Gateway['send'] = async (method, path, bearer, body, headers = {}) => {
    const response = await fetch(`${local}${path.startsWith(BASE) ? path.slice(BASE.length) : path}`, {
      method,
      headers: {
        ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
        ...(body !== undefined && { 'content-type': 'application/fhir+json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') && text !== '';
    return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : undefined };
  };
  return {
    service,
    local,
    token: known.token,
    send,
    get: (path, bearer, headers) => send('GET', path, bearer, undefined, headers),
    async close() {
      await app.close();
      await server.close();
      await kept.close();
    },
  };
}

/** A server that answers as a test says: for faults that a good server does not have. */
export interface StandIn {
  readonly base: string;
  answer: (request: IncomingMessage, response: ServerResponse, body: string) => void;
  close(): Promise<void>;
}

export async function startStandIn(): Promise<StandIn> {
  const server: Server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => standIn.answer(request, response, body));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const standIn: StandIn = {
    base: `http://127.0.0.1:${(server.address() as AddressInfo).port}/r4`,
    answer: (_request, response) => response.writeHead(500).end(),
    async close() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
  return standIn;
}

/** The resources of a Bundle, `Type/id`. */
export function keys(bundle: { entry?: { resource: { resourceType: string; id?: string } }[] }): string[] {
  return (bundle.entry ?? []).map(({ resource }) => `${resource.resourceType}/${resource.id}`);
}
