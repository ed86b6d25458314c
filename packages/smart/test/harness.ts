// A real server on an ephemeral port with a real SQLite file, and the doubles of what other packages bring.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { canEverOpen, createFhir, type FhirService } from '@lockstep/fhir';
import { Scopes } from '@lockstep/fhircast';
import { canEverOpenBehind, createGateway, NO_CREDENTIALS, Upstream } from '@lockstep/gateway';
import { R4Validator } from '@lockstep/r4';
import type { RecordStore } from '@lockstep/store';
import { freePort } from '@lockstep/store-redis/testing';
import { openSqlite } from '@lockstep/store-sqlite';
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { ASSERTION_TYPE } from '../src/client-authentication.ts';
import {
  type AccessEnded,
  type AuditEntry,
  AuthorizationAddresses,
  type AuthorizationServer,
  type AuthorizationServerOptions,
  type Clock,
  createAuthorizationServer,
  type EncounterSummary,
  type OpenSession,
  type PatientDirectory,
  type PatientSummary,
  revisionOf,
  type SessionDirectory,
} from '../src/index.ts';

/** The system's clock, moved ahead at will. */
export class TestClock implements Clock {
  ahead = 0;
  #frozenAt: number | undefined;
  now(): number {
    return (this.#frozenAt ?? Date.now()) + this.ahead;
  }
  /** From now on, only `ahead` moves it. */
  freeze(): void {
    this.#frozenAt = Date.now();
  }
  after(ms: number, run: () => void): () => void {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  }
}

export class TestSessions implements SessionDirectory {
  readonly open_: (OpenSession & { user: string })[] = [];
  async ofUser(user: string): Promise<readonly OpenSession[]> {
    return this.open_.filter((session) => session.user === user);
  }
  async open(session: { user: string; aliases: readonly string[]; workstation?: string; label?: string }) {
    const topic = crypto.randomUUID();
    this.open_.push({
      topic,
      user: session.user,
      startedAt: Date.now(),
      subscribers: [],
      ...(session.workstation ? { workstation: session.workstation } : {}),
    });
    return { topic };
  }
  async belongsTo(topic: string, user: string): Promise<boolean> {
    return this.open_.some((session) => session.topic === topic && session.user === user);
  }
}

export const PATIENTS: readonly PatientSummary[] = [
  { id: 'ida', name: 'Ida Holm', birthDate: '1957-03-02', gender: 'female', identifier: 'MRN-1' },
  { id: 'omar', name: 'Omar Said', birthDate: '1990-11-20', gender: 'male', identifier: 'MRN-2' },
];
const ENCOUNTERS: Readonly<Record<string, readonly EncounterSummary[]>> = {
  ida: [{ id: 'ida-1', title: 'CT chest', status: 'in-progress', start: '2026-11-20' }],
  omar: [{ id: 'omar-1', title: 'MR knee', status: 'finished', start: '2026-11-01' }],
};

export const patients: PatientDirectory = {
  search: async (text, limit) => ({
    patients: PATIENTS.filter(({ name }) => name.toLowerCase().includes(text.toLowerCase())).slice(0, limit),
  }),
  patient: async (id) => PATIENTS.find((patient) => patient.id === id),
  encounters: async (patient) => ENCOUNTERS[patient] ?? [],
  hasStudy: async (patient, study) => study === `${patient}-ct`,
  practitioner: async (id) => ({ id, name: id }),
};

/** The real FHIR endpoint's data for the pickers. */
function directoryOf(fhir: FhirService): PatientDirectory {
  return {
    search: (text, limit, after) => fhir.patients(text, { limit, ...(after !== undefined && { after }) }),
    patient: async (id) => (await fhir.read('Patient', id)) && { id, name: id },
    encounters: async (patient) => (await fhir.encounters(patient)).map((one) => ({ ...one, title: one.label })),
    hasStudy: async (patient, study) =>
      Boolean((await fhir.search('ImagingStudy', { _id: study, patient })).entry?.length),
    practitioner: async (id) => (await fhir.read('Practitioner', id)) && { id, name: id },
  };
}

interface TestStore {
  readonly records: RecordStore;
  close(): Promise<void>;
}

const log = { count: 100, ageMs: 60_000 };
/** One for all servers of a test file: it loads the definitions once. */
const validator = new R4Validator();
let storeAt: (file: string) => Promise<TestStore> = (path) => openSqlite({ path, log });

/** Runs what follows on another store: the same name leads to the same data. */
export function useStore(open: (name: string) => Promise<TestStore>): void {
  storeAt = open;
}

export interface TestServer {
  readonly origin: string;
  readonly app: FastifyInstance;
  readonly auth: AuthorizationServer;
  readonly clock: TestClock;
  readonly sessions: TestSessions;
  readonly ended: AccessEnded[];
  readonly audits: AuditEntry[];
  readonly file: string;
  url(path: string): string;
  /** A second node on the same store. */
  node(): Promise<AuthorizationServer>;
  close(): Promise<void>;
}

/** Starts a server; the test closes it by itself at its end. */
export async function startServer(
  t: Pick<TestContext, 'after'>,
  options: Partial<AuthorizationServerOptions> & {
    file?: string;
    /** Whether the real FHIR endpoint with its sample data is there: in the server, or behind it. */
    fhir?: boolean | 'behind';
    /** Pages of our own origin beside the authorization server's. */
    pages?: (app: FastifyInstance) => void;
  } = {},
): Promise<TestServer> {
  const directory = options.file ? undefined : mkdtempSync(join(tmpdir(), 'lockstep-smart-'));
  const file = options.file ?? join(directory ?? '', 'smart.db');
  const store = await storeAt(file);
  const app = fastify({ forceCloseConnections: true });
  const port = Number(URL.parse(options.publicUrl ?? '')?.port) || (await freePort());
  const origin = options.publicUrl ?? `http://localhost:${port}`;
  const clock = new TestClock();
  const sessions = new TestSessions();
  const audits: AuditEntry[] = [];
  const problems: unknown[] = [];
  const quiet = () => undefined;
  const tokenOf = async (request: FastifyRequest) => {
    const admission = await auth.tokens.admit(request, await auth.tokens.find(request.headers.authorization));
    return admission.ok ? admission.info : undefined;
  };
  const shared = {
    records: store.records,
    validator,
    clock,
    baseUrl: `${origin}/fhir`,
    hubUrl: `${origin}/hub`,
    version: '0.0.0',
    tokenOf,
    smart: () => new AuthorizationAddresses(origin),
  };
  const upstream = options.fhir === 'behind' ? await startFhirServer(t) : undefined;
  const fhir = upstream
    ? await createGateway({ ...shared, upstream })
    : options.fhir && (await createFhir({ ...shared, ids: () => crypto.randomUUID() }));
  if (fhir) await fhir.service.seedSampleData();
  const settings: AuthorizationServerOptions = {
    records: store.records,
    clock,
    publicUrl: origin,
    hubUrl: `${origin}/hub`,
    loopback: true,
    sessions,
    patients: fhir ? directoryOf(fhir.service) : patients,
    sampleUsers: true,
    logger: { info: quiet, warn: quiet, error: (fields) => problems.push(fields) },
    audit: (entry) => audits.push(entry),
    ...(fhir && { canEverOpen: (scope) => (upstream ? canEverOpenBehind : canEverOpen)(scope, shared.baseUrl) }),
    ...options,
  };
  const auth: AuthorizationServer = await createAuthorizationServer(settings);
  const ended: AccessEnded[] = [];
  auth.onAccessEnded((one) => void ended.push(one));
  await app.register(auth.plugin);
  options.pages?.(app);
  if (fhir) await app.register(fhir.plugin, { prefix: '/fhir' });
  await app.listen({ port, host: 'localhost' });
  let closed = false;
  const close = async () => {
    if (closed) return;
    closed = true;
    await app.close();
    await store.close();
    if (directory) rmSync(directory, { recursive: true, force: true });
    if (problems.length > 0) throw new Error('the server logged errors', { cause: problems });
  };
  t.after(close);
  const local = `http://localhost:${port}`;
  const node = () => createAuthorizationServer(settings);
  return { origin, app, auth, clock, sessions, ended, audits, file, url: (path) => `${local}${path}`, node, close };
}

/** A FHIR server with the sample data, for whoever can reach it. */
async function startFhirServer(t: Pick<TestContext, 'after'>): Promise<Upstream> {
  const directory = mkdtempSync(join(tmpdir(), 'lockstep-smart-'));
  const store = await openSqlite({ path: join(directory, 'fhir.db'), log });
  const app = fastify({ forceCloseConnections: true });
  const port = await freePort();
  const base = `http://localhost:${port}`;
  const anyone = { tokenId: 'any', clientId: 'any', scopes: new Scopes('system/*.cruds'), expiresAt: Number.MAX_VALUE };
  const { plugin, service } = await createFhir({
    records: store.records,
    validator,
    clock: { now: Date.now },
    baseUrl: `${base}/fhir`,
    hubUrl: base,
    version: '0.0.0',
    tokenOf: () => anyone,
    smart: () => new AuthorizationAddresses(base),
    ids: () => crypto.randomUUID(),
  });
  await service.seedSampleData();
  await app.register(plugin, { prefix: '/fhir' });
  await app.listen({ port, host: 'localhost' });
  const credentials = NO_CREDENTIALS;
  const upstream = new Upstream({ base: `${base}/fhir`, credentials, timeoutMs: 30_000, maxBytes: 4 * 1024 * 1024 });
  t.after(async () => {
    await upstream.close();
    await app.close();
    await store.close();
    rmSync(directory, { recursive: true, force: true });
  });
  return upstream;
}

/** A plain HTTP server for what clients bring: key sets, callbacks. */
export async function serve(
  t: Pick<TestContext, 'after'>,
  listener: RequestListener,
): Promise<{ server: Server; origin: string }> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { server, origin: `http://localhost:${(server.address() as AddressInfo).port}` };
}

export interface Json {
  readonly [name: string]: unknown;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Json;
}

export async function answerOf(response: Response): Promise<Answer> {
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? {} : (JSON.parse(text) as Json) };
}

export async function register(
  server: TestServer,
  metadata: object,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(server.url('/auth/register'), {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(metadata),
  });
  return answerOf(response);
}

/** Approves a client as it is registered now. */
export async function approve({ auth }: Pick<TestServer, 'auth'>, clientId: string): Promise<void> {
  const client = await auth.clients.get(clientId);
  assert.ok(client, 'there is such a client');
  await auth.clients.activate(clientId, revisionOf(client));
}

export async function countClients({ auth }: Pick<TestServer, 'auth'>): Promise<number> {
  return (await auth.clients.page()).clients.length;
}

export async function post(
  server: TestServer,
  path: string,
  fields: Record<string, string> | string,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const body = typeof fields === 'string' ? fields : new URLSearchParams(fields).toString();
  const response = await fetch(server.url(path), {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body,
  });
  return answerOf(response);
}

export interface AppKey {
  readonly alg: 'RS384' | 'ES384';
  readonly publicJwk: JWK;
  readonly privateKey: Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];
  readonly kid: string;
}

export async function makeKey(alg: 'RS384' | 'ES384' = 'ES384', kid: string = crypto.randomUUID()): Promise<AppKey> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  return { alg, kid, privateKey, publicJwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
}

/** A client assertion as a well-behaved app makes it; any part may be changed. */
export function assertion(
  server: TestServer,
  key: AppKey,
  clientId: string,
  change: { claims?: Json; header?: Json } = {},
): Promise<string> {
  const claims = {
    iss: clientId,
    sub: clientId,
    aud: `${server.origin}/auth/token`,
    exp: Math.floor(server.clock.now() / 1000) + 120,
    jti: crypto.randomUUID(),
    ...change.claims,
  };
  return new SignJWT(claims)
    .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: 'JWT', ...change.header })
    .sign(key.privateKey);
}

export function assertionFields(jwt: string): Record<string, string> {
  return { client_assertion_type: ASSERTION_TYPE, client_assertion: jwt };
}

/** Registers a backend service and returns what asks for its tokens. */
export async function backend(server: TestServer, metadata: Json = {}, key?: AppKey) {
  const own = key ?? (await makeKey());
  const { body } = await register(server, {
    client_name: 'Backend',
    grant_types: ['client_credentials'],
    jwks: { keys: [own.publicJwk] },
    ...metadata,
  });
  const clientId = String(body.client_id);
  return {
    clientId,
    key: own,
    token: async (scope: string, change: { claims?: Json; header?: Json } = {}) =>
      post(server, '/auth/token', {
        grant_type: 'client_credentials',
        scope,
        ...assertionFields(await assertion(server, own, clientId, change)),
      }),
  };
}
